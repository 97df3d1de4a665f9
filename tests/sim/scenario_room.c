/* scenario_room.c - full disks, memory limits, what was deleted and dropped. */
#include "tests/sim/story.h"

#include <stdio.h>

static const char *big_value(void)
{
    static char value[2001];
    memset(value, 'x', sizeof value - 1);
    return value;
}

/* Until one is refused, or `most`; how many were taken. Folded every so many (0: never). */
static unsigned put_many(struct story *s, unsigned most, unsigned fold_every)
{
    char key[16];
    for (unsigned i = 0; i < most; i++) {
        snprintf(key, sizeof key, "a%u", i);
        unsigned put = say_put(s, SIM_SYNC, key, big_value());
        then_read(s);
        then_sync(s);
        if (fold_every && i % fold_every == 0)
            then_fold(s);
        if (status_of(s, put) == GRID_EFULL)
            return i;
        EXPECT(s, status_of(s, put) == GRID_OK);
    }
    return most;
}

static unsigned found_of(struct story *s, unsigned n)
{
    char key[16];
    unsigned found = 0;
    for (unsigned i = 0; i < n; i++) {
        snprintf(key, sizeof key, "a%u", i);
        found += story_holds(s, SIM_SYNC, key, big_value());
    }
    return found;
}

void full_disk_refuses_writes_and_serves_reads_until_there_is_room(struct story *s)
{
    s->w.full = true;
    disk_mem_set_capacity(s->w.disk, disk_mem_used(s->w.disk));
    unsigned taken = put_many(s, 100, 0);
    EXPECT(s, taken > 0 && taken < 100);
    EXPECT(s, found_of(s, taken) == taken);
    then_crash(s);
    EXPECT(s, found_of(s, taken) == taken);
    disk_mem_set_capacity(s->w.disk, 0);
    then_fold(s);
    EXPECT(s, put_many(s, 3, 1) == 3);
    EXPECT(s, found_of(s, taken) == taken);
}

void full_disk_does_not_hold_up_expiry_in_memory(struct story *s)
{
    say_put_ttl(s, SIM_SYNC, "apple", "red", 100);
    say_put_ttl(s, SIM_MEMORY, "apple", "red", 200);
    s->w.full = true;
    disk_mem_set_capacity(s->w.disk, disk_mem_used(s->w.disk));
    EXPECT(s, put_many(s, 100, 0) < 100);
    enum grid_err err = GRID_OK;
    for (unsigned i = 0; i < 400 && !err; i++) { /* what is left, in crumbs */
        unsigned put = say_put(s, SIM_SYNC, "banana", "");
        then_sync(s);
        err = status_of(s, put);
    }
    EXPECT(s, err == GRID_EFULL);
    then_wait(s, 300);
    unsigned logged = say_size(s, SIM_SYNC, "apple"), memory = say_size(s, SIM_MEMORY, "apple");
    EXPECT(s, s->heard[logged].number > 0);
    EXPECT(s, s->heard[memory].number == 0);
    EXPECT_VALUE(s, SIM_SYNC, "apple", NULL);
}

void full_store_keeps_the_log_until_there_is_room(struct story *s)
{
    struct checkpoint_stats stats;
    s->w.full = true;
    checkpoint_stats(s->w.shards[0].checkpoint, &stats);
    store_mem_set_capacity(s->w.shards[0].store, stats.used_bytes);
    EXPECT(s, put_many(s, 4, 0) == 4);
    then_fold(s);
    EXPECT(s, checkpoint_applied(s->w.shards[0].checkpoint) < 4);
    then_crash(s);
    EXPECT(s, found_of(s, 4) == 4);
    store_mem_set_capacity(s->w.shards[0].store, 0);
    then_fold(s);
    EXPECT(s, checkpoint_applied(s->w.shards[0].checkpoint) == 4);
    then_crash(s);
    EXPECT(s, found_of(s, 4) == 4);
}

void eviction_loses_nothing(struct story *s)
{
    struct shard_stats stats;
    for (unsigned round = 0; round < 3; round++) {
        EXPECT(s, put_many(s, 40, 4) == 40);
        then_fold(s);
        then_wait(s, 10);
    }
    shard_stats(s->w.shards[0].shard, &stats);
    EXPECT(s, stats.evicted > 0 && stats.entry_bytes <= 40000);
    EXPECT(s, found_of(s, 40) == 40);
    unsigned size = say_size(s, SIM_SYNC, "a");
    EXPECT(s, s->heard[size].number == 40);
}

void condition_on_a_key_that_is_only_on_disk_is_exact(struct story *s)
{
    say_put(s, SIM_SYNC, "apple", "red");
    then_fold(s);
    then_stop(s);
    unsigned put = say_put_new(s, SIM_SYNC, "apple", "green");
    unsigned other = say_put_new(s, SIM_SYNC, "ananas", "sweet");
    EXPECT(s, !told(s, put) && !told(s, other));
    then_read(s);
    then_sync(s);
    EXPECT(s, status_of(s, put) == GRID_ECONDITION);
    EXPECT(s, status_of(s, other) == GRID_OK);
    EXPECT_VALUE(s, SIM_SYNC, "apple", "red");
}

void deleted_key_stays_away_over_folds_and_crashes(struct story *s)
{
    say_put(s, SIM_SYNC, "apple", "red");
    then_fold(s);
    say_delete(s, SIM_SYNC, "apple");
    then_sync(s);
    then_crash(s);
    EXPECT_VALUE(s, SIM_SYNC, "apple", NULL);
    then_fold(s);
    EXPECT_VALUE(s, SIM_SYNC, "apple", NULL);
    then_crash(s);
    EXPECT_VALUE(s, SIM_SYNC, "apple", NULL);
    unsigned size = say_size(s, SIM_SYNC, "apple");
    EXPECT(s, s->heard[size].number == 0);
}

void dropped_cache_stays_away_over_crashes(struct story *s)
{
    say_put(s, SIM_SYNC, "apple", "red");
    then_fold(s);
    say_put(s, SIM_SYNC, "ananas", "sweet");
    then_sync(s);
    cache_make_again(&s->w, SIM_SYNC);
    EXPECT_VALUE(s, SIM_SYNC, "apple", NULL);
    EXPECT_VALUE(s, SIM_SYNC, "ananas", NULL);
    then_crash(s);
    EXPECT_VALUE(s, SIM_SYNC, "apple", NULL);
    EXPECT_VALUE(s, SIM_SYNC, "ananas", NULL);
    unsigned size = say_size(s, SIM_SYNC, "apple");
    EXPECT(s, s->heard[size].number == 0);
}
