/* scenario_durable.c - what survives a crash, and what may not. */
#include "tests/sim/story.h"

void acked_sync_write_survives_a_crash_at_once(struct story *s)
{
    unsigned put = say_put(s, SIM_SYNC, "apple", "red");
    EXPECT(s, !told(s, put));
    then_sync(s);
    EXPECT(s, status_of(s, put) == GRID_OK);
    then_crash(s);
    EXPECT_VALUE(s, SIM_SYNC, "apple", "red");
}

void unacked_batch_is_there_as_a_whole_or_not_at_all(struct story *s)
{
    unsigned put = say_put_both(s, SIM_SYNC, "apple", "ananas", "ripe");
    then_write(s);
    EXPECT(s, !told(s, put));
    then_crash(s);
    enum grid_err one = status_of_get(s, SIM_SYNC, "apple");
    enum grid_err other = status_of_get(s, SIM_SYNC, "ananas");
    EXPECT(s, one == other);
    EXPECT(s, one == GRID_OK || one == GRID_ENOT_FOUND);
}

void async_writes_are_acked_at_once_and_lose_only_the_unsynced_tail(struct story *s)
{
    static const char *const keys[] = {"a1", "a2", "a3", "a4", "a5", "a6"};
    for (unsigned i = 0; i < 6; i++) {
        unsigned put = say_put(s, SIM_ASYNC, keys[i], "there");
        EXPECT(s, status_of(s, put) == GRID_OK);
        if (i == 2)
            then_sync(s);
        else
            then_write(s);
    }
    then_crash(s);
    unsigned kept = 0;
    while (kept < 6 && status_of_get(s, SIM_ASYNC, keys[kept]) == GRID_OK)
        kept++;
    EXPECT(s, kept >= 3);
    for (; kept < 6; kept++)
        EXPECT(s, status_of_get(s, SIM_ASYNC, keys[kept]) == GRID_ENOT_FOUND);
}

void clean_stop_loses_nothing(struct story *s)
{
    say_put(s, SIM_ASYNC, "apple", "red");
    say_put(s, SIM_SYNC, "banana", "yellow");
    then_stop(s);
    EXPECT_VALUE(s, SIM_ASYNC, "apple", "red");
    EXPECT_VALUE(s, SIM_SYNC, "banana", "yellow");
}

void memory_context_comes_back_empty(struct story *s)
{
    unsigned put = say_put(s, SIM_MEMORY, "apple", "red");
    EXPECT(s, status_of(s, put) == GRID_OK);
    EXPECT_VALUE(s, SIM_MEMORY, "apple", "red");
    then_stop(s);
    EXPECT_VALUE(s, SIM_MEMORY, "apple", NULL);
    unsigned size = say_size(s, SIM_MEMORY, "apple");
    EXPECT(s, status_of(s, size) == GRID_OK && s->heard[size].number == 0);
}

void repeated_request_over_crashes_gets_the_stored_result(struct story *s)
{
    unsigned first = say_count_up(s, SIM_SYNC, "apples", 1);
    then_sync(s);
    EXPECT(s, status_of(s, first) == GRID_OK && s->heard[first].number == 1);
    for (unsigned round = 0; round < 3; round++) {
        then_crash(s); /* from the log, then from the store */
        unsigned again = say_count_up(s, SIM_SYNC, "apples", 1);
        EXPECT(s, status_of(s, again) == GRID_OK && s->heard[again].number == 1);
        EXPECT(s, s->heard[again].repeated);
        EXPECT(s, s->heard[again].version == s->heard[first].version);
        then_fold(s);
    }
    EXPECT_VALUE(s, SIM_SYNC, "apples", "1");
    unsigned next = say_count_up(s, SIM_SYNC, "apples", 2);
    then_sync(s);
    EXPECT(s, status_of(s, next) == GRID_OK && s->heard[next].number == 2);
}

void read_waits_for_the_commit_of_a_pending_write(struct story *s)
{
    say_put(s, SIM_SYNC, "apple", "green");
    then_sync(s);
    say_put(s, SIM_SYNC, "apple", "red");
    say_delete(s, SIM_SYNC, "banana");
    unsigned get = say_get(s, SIM_SYNC, "apple");
    EXPECT(s, !told(s, get));
    then_write(s);
    EXPECT(s, !told(s, get));
    then_sync(s);
    EXPECT(s, status_of(s, get) == GRID_OK && strcmp(s->heard[get].value, "red") == 0);
}

void failed_sync_is_never_acked(struct story *s)
{
    say_put(s, SIM_SYNC, "apple", "green");
    then_sync(s);
    unsigned put = say_put(s, SIM_SYNC, "apple", "red");
    disk_mem_fail(s->w.disk, DISK_FAULT_SYNC, 0, 1);
    then_sync(s);
    EXPECT(s, s->w.dead && !told(s, put));
    then_crash(s);
    unsigned get = say_get(s, SIM_SYNC, "apple");
    EXPECT(s, status_of(s, get) == GRID_OK);
    EXPECT(s, strcmp(s->heard[get].value, "green") == 0 || strcmp(s->heard[get].value, "red") == 0);
}

void version_is_never_used_again_after_a_lost_tail(struct story *s)
{
    uint64_t highest = 0;
    for (unsigned round = 0; round < 4; round++) {
        unsigned put = say_put(s, SIM_ASYNC, "apple", "red");
        EXPECT(s, s->heard[put].version > highest);
        highest = s->heard[put].version;
        then_crash(s);
    }
}

void expiry_goes_on_over_a_restart(struct story *s)
{
    say_put_ttl(s, SIM_SYNC, "apple", "fresh", 1000);
    then_fold(s);
    then_crash(s);
    then_wait(s, 400);
    EXPECT_VALUE(s, SIM_SYNC, "apple", "fresh");
    then_crash(s);
    then_wait(s, 400);
    EXPECT_VALUE(s, SIM_SYNC, "apple", "fresh");
    then_wait(s, 400);
    then_fold(s);
    EXPECT_VALUE(s, SIM_SYNC, "apple", NULL);
    then_crash(s);
    EXPECT_VALUE(s, SIM_SYNC, "apple", NULL);
    unsigned size = say_size(s, SIM_SYNC, "apple");
    EXPECT(s, s->heard[size].number == 0);
}
