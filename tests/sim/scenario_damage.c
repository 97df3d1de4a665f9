/* scenario_damage.c - torn, flipped, newer: each has its outcome, and none is silent. */
#include "tests/sim/story.h"

#include "base/hash.h"

#include <stdio.h>

void torn_tail_is_dropped_and_the_log_goes_on(struct story *s)
{
    char value[STORY_VALUE_MAX];
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    say_put(s, SIM_SYNC, "apple", "red");
    then_sync(s);
    unsigned put = say_put(s, SIM_SYNC, "banana", value); /* eight sectors: some get lost */
    then_write(s);
    EXPECT(s, !told(s, put));
    then_crash(s);
    EXPECT_VALUE(s, SIM_SYNC, "apple", "red");
    enum grid_err banana = status_of_get(s, SIM_SYNC, "banana");
    EXPECT(s, banana == GRID_OK || banana == GRID_ENOT_FOUND);
    put = say_put(s, SIM_SYNC, "banana", "yellow");
    then_sync(s);
    EXPECT(s, status_of(s, put) == GRID_OK);
    then_crash(s);
    EXPECT_VALUE(s, SIM_SYNC, "banana", "yellow");
}

/* Three partitions; the record of the second gets a flipped bit. */
static void damage_banana(struct story *s)
{
    say_put(s, SIM_SYNC, "apple", "red");
    then_sync(s);
    say_put(s, SIM_SYNC, "banana", "yellow-as-the-sun");
    then_sync(s);
    say_put(s, SIM_SYNC, "cherry", "dark");
    then_sync(s);
    then_flip(s, "yellow-as-the-sun");
    if (s->fate % 2)
        then_crash(s);
    else
        then_stop(s);
}

static void only_banana_is_refused(struct story *s)
{
    EXPECT_VALUE(s, SIM_SYNC, "apple", "red");
    EXPECT_VALUE(s, SIM_SYNC, "cherry", "dark");
    EXPECT(s, status_of_get(s, SIM_SYNC, "banana") == GRID_EDAMAGED);
    EXPECT(s, status_of(s, say_put(s, SIM_SYNC, "banana", "blue")) == GRID_EDAMAGED);
    EXPECT(s, status_of(s, say_size(s, SIM_SYNC, "banana")) == GRID_EDAMAGED);
    unsigned put = say_put(s, SIM_SYNC, "apricot", "orange");
    then_read(s);
    then_sync(s);
    EXPECT(s, status_of(s, put) == GRID_OK);
}

void damage_in_the_log_refuses_exactly_its_partition(struct story *s)
{
    damage_banana(s);
    only_banana_is_refused(s);
}

void damage_stays_known_over_further_starts(struct story *s)
{
    damage_banana(s);
    then_crash(s);
    only_banana_is_refused(s);
    then_fold(s);
    then_stop(s);
    only_banana_is_refused(s);
}

void new_damage_is_not_taken_for_the_known_one(struct story *s)
{
    say_put(s, SIM_SYNC, "date", "sweet-as-honey");
    then_sync(s);
    damage_banana(s);
    then_flip(s, "sweet-as-honey"); /* in use, and not folded yet */
    EXPECT_VALUE(s, SIM_SYNC, "date", "sweet-as-honey");
    then_fold(s);
    then_crash(s);
    EXPECT(s, status_of_get(s, SIM_SYNC, "date") == GRID_EDAMAGED);
    only_banana_is_refused(s);
}

/* A life that crashed ends without a mark: what a bad header there hides is not told by a tail. */
void new_damage_that_names_nobody_is_not_taken_for_the_known_one(struct story *s)
{
    damage_banana(s);
    then_flip_batch(s, "dark");
    EXPECT_VALUE(s, SIM_SYNC, "cherry", "dark");
    then_fold(s);
    then_crash(s);
    EXPECT(s, status_of_get(s, SIM_SYNC, "banana") == GRID_EDAMAGED);
    EXPECT(s, status_of_get(s, SIM_SYNC, "cherry") == (s->fate % 2 ? GRID_EDAMAGED : GRID_OK));
}

void flipped_batch_header_loses_nothing(struct story *s)
{
    say_put(s, SIM_SYNC, "apple", "red");
    then_sync(s);
    say_put(s, SIM_SYNC, "banana", "yellow-as-the-sun");
    then_sync(s);
    then_stop(s);
    then_flip_batch(s, "yellow-as-the-sun");
    for (unsigned start = 0; start < 4; start++) {
        if (start != 2)
            then_stop(s);
        else
            then_fold(s);
        EXPECT_VALUE(s, SIM_SYNC, "apple", "red");
        EXPECT_VALUE(s, SIM_SYNC, "banana", "yellow-as-the-sun");
    }
    EXPECT(s, checkpoint_applied(s->w.shards[0].checkpoint) == 2);
}

void flipped_bit_in_the_store_never_gives_a_wrong_value(struct story *s)
{
    say_put(s, SIM_SYNC, "apple", "red");
    say_put(s, SIM_SYNC, "banana", "yellow");
    then_fold(s);
    then_stop(s);
    s->w.flipped = true;
    EXPECT(s, store_mem_flip(s->w.shards[0].store, KV_ENTRIES, 1, 7 * s->fate));
    EXPECT_VALUE(s, SIM_SYNC, "apple", "red");
    EXPECT(s, status_of_get(s, SIM_SYNC, "banana") == GRID_EDAMAGED);
    then_fold(s);
    then_crash(s);
    EXPECT_VALUE(s, SIM_SYNC, "apple", "red");
    EXPECT(s, status_of_get(s, SIM_SYNC, "banana") == GRID_EDAMAGED);
}

void given_up_partition_goes_on_without_what_the_log_lost(struct story *s)
{
    damage_banana(s);
    then_give_up(s, SIM_SYNC, "banana");
    EXPECT_VALUE(s, SIM_SYNC, "apple", "red");
    EXPECT_VALUE(s, SIM_SYNC, "banana", NULL);
    unsigned put = say_put(s, SIM_SYNC, "banana", "blue");
    then_read(s);
    then_sync(s);
    EXPECT(s, status_of(s, put) == GRID_OK);
    then_crash(s);
    EXPECT_VALUE(s, SIM_SYNC, "apple", "red");
    EXPECT_VALUE(s, SIM_SYNC, "banana", "blue");
    unsigned size = say_size(s, SIM_SYNC, "banana");
    EXPECT(s, s->heard[size].number == 1);
}

void given_up_partition_goes_on_without_what_the_store_lost(struct story *s)
{
    say_put(s, SIM_SYNC, "banana", "yellow");
    say_put(s, SIM_SYNC, "berry", "blue");
    unsigned up = say_count_up(s, SIM_SYNC, "baskets", 1);
    then_fold(s);
    then_stop(s);
    s->w.flipped = true;
    EXPECT(s, store_mem_flip(s->w.shards[0].store, KV_ENTRIES, 0, 7 * s->fate));
    EXPECT(s, status_of_get(s, SIM_SYNC, "banana") == GRID_EDAMAGED);
    EXPECT(s, status_of_get(s, SIM_SYNC, "berry") == GRID_EDAMAGED);
    then_give_up(s, SIM_SYNC, "banana");
    for (unsigned start = 0; start < 3; start++) {
        EXPECT_VALUE(s, SIM_SYNC, "banana", NULL);
        EXPECT_VALUE(s, SIM_SYNC, "berry", "blue");
        unsigned size = say_size(s, SIM_SYNC, "banana");
        EXPECT(s, status_of(s, size) == GRID_OK && s->heard[size].number == 2);
        unsigned again = say_count_up(s, SIM_SYNC, "baskets", 1);
        EXPECT(s, s->heard[again].repeated && s->heard[again].number == s->heard[up].number);
        then_crash(s);
    }
}

static void newer_header(void *ctx, const char *name)
{
    enum { FORMAT_AT = 8, CRC_AT = 64 }; /* of a segment's header */
    struct disk *d = ctx;
    struct disk_file *f;
    uint8_t header[CRC_AT + 4];
    size_t len = 0;
    char path[128];
    snprintf(path, sizeof path, "wal-0/%.100s", name);
    CHECK(d->ops->open(d, path, false, &f) == 0);
    CHECK(f->ops->pread(f, header, sizeof header, 0, &len) == 0 && len == sizeof header);
    store_u32(header + FORMAT_AT, WAL_FORMAT + 1);
    store_u32(header + CRC_AT, crc32c(0, slice_make(header, CRC_AT)));
    CHECK(f->ops->pwrite(f, slice_make(header, sizeof header), 0) == 0 && f->ops->sync(f) == 0);
    d->ops->close(f);
}

void log_of_a_newer_format_is_refused(struct story *s)
{
    char why[STORE_WHY_BYTES] = "";
    struct wal *wal = NULL;
    struct wal_conf conf = {
        .disk = s->w.disk, .dir = "wal-0", .segment_bytes = WAL_SEGMENT_BYTES_MIN, .random = 1};
    say_put(s, SIM_SYNC, "apple", "red");
    then_sync(s);
    s->w.disk->ops->list(s->w.disk, "wal-0", newer_header, s->w.disk);
    EXPECT(s, wal_open(&conf, why, &wal) == GRID_ENEWER);
    EXPECT(s, strstr(why, "newer") != NULL);
    wal_free(wal);
}
