/* story.h - told scenarios: one node of one shard does what it is told, and is asked. Each story is
 * told with several fates: of what was written and not synced when the node dies, some is lost. */
#ifndef GRIDD_TESTS_SIM_STORY_H
#define GRIDD_TESTS_SIM_STORY_H

#include "tests/sim/world.h"

enum { STORY_ANSWERS = 512, STORY_VALUE_MAX = 4000, STORY_FATES = 20 };

struct heard { /* an answer, or that there is none yet */
    bool told, repeated;
    enum grid_err status;
    uint64_t version;
    int64_t number;
    char value[STORY_VALUE_MAX + 1];
};

struct story {
    struct world w;
    const char *name;
    unsigned fate;
    struct heard heard[STORY_ANSWERS];
    unsigned heard_len;
};

/* X(name, memory limit): the story's claim is its name. */
#define STORIES(X)                                                                                 \
    X(acked_sync_write_survives_a_crash_at_once, 0)                                                \
    X(unacked_batch_is_there_as_a_whole_or_not_at_all, 0)                                          \
    X(async_writes_are_acked_at_once_and_lose_only_the_unsynced_tail, 0)                           \
    X(clean_stop_loses_nothing, 0)                                                                 \
    X(memory_context_comes_back_empty, 0)                                                          \
    X(repeated_request_over_crashes_gets_the_stored_result, 0)                                     \
    X(read_waits_for_the_commit_of_a_pending_write, 0)                                             \
    X(failed_sync_is_never_acked, 0)                                                               \
    X(version_is_never_used_again_after_a_lost_tail, 0)                                            \
    X(torn_tail_is_dropped_and_the_log_goes_on, 0)                                                 \
    X(damage_in_the_log_refuses_exactly_its_partition, 0)                                          \
    X(damage_stays_known_over_further_starts, 0)                                                   \
    X(new_damage_is_not_taken_for_the_known_one, 0)                                                \
    X(new_damage_that_names_nobody_is_not_taken_for_the_known_one, 0)                              \
    X(flipped_batch_header_loses_nothing, 0)                                                       \
    X(flipped_bit_in_the_store_never_gives_a_wrong_value, 0)                                       \
    X(given_up_partition_goes_on_without_what_the_log_lost, 0)                                     \
    X(given_up_partition_goes_on_without_what_the_store_lost, 0)                                   \
    X(log_of_a_newer_format_is_refused, 0)                                                         \
    X(full_disk_refuses_writes_and_serves_reads_until_there_is_room, 0)                            \
    X(full_disk_does_not_hold_up_expiry_in_memory, 0)                                              \
    X(full_store_keeps_the_log_until_there_is_room, 0)                                             \
    X(deleted_key_stays_away_over_folds_and_crashes, 0)                                            \
    X(expiry_goes_on_over_a_restart, 0)                                                            \
    X(eviction_loses_nothing, 40000)                                                               \
    X(condition_on_a_key_that_is_only_on_disk_is_exact, 0)                                         \
    X(dropped_cache_stays_away_over_crashes, 0)

#define X(name, limit) void name(struct story *s);
STORIES(X)
#undef X

/* --- what a client says; each gives the number of its answer ---------------------------------- */

/* Contexts SIM_SYNC, SIM_ASYNC, SIM_MEMORY; the first letter of a key is its partition: a, b, c,
 * d. */
unsigned say_put(struct story *s, unsigned context, const char *key, const char *value);
unsigned say_put_ttl(struct story *s, unsigned context, const char *key, const char *value,
                     msec_t ttl_ms);
unsigned say_put_new(struct story *s, unsigned context, const char *key, const char *value);
/* Two keys of one partition. */
unsigned say_put_both(struct story *s, unsigned context, const char *key, const char *other,
                      const char *value);
unsigned say_delete(struct story *s, unsigned context, const char *key);
/* +1, the request with this number of one session. */
unsigned say_count_up(struct story *s, unsigned context, const char *key, uint64_t number);
unsigned say_get(struct story *s, unsigned context, const char *key);
unsigned say_size(struct story *s, unsigned context, const char *key_of_partition);

/* --- what happens ----------------------------------------------------------------------------- */

void then_write(struct story *s); /* what was said is written, not synced */
void then_sync(struct story *s);  /* and synced, and told */
void then_fold(struct story *s);  /* and folded into the store */
void then_read(struct story *s);  /* questions to the store are answered */
void then_crash(struct story *s);
void then_stop(struct story *s); /* cleanly; and starts again */
void then_wait(struct story *s, msec_t ms);
void then_give_up(struct story *s, unsigned context, const char *key_of_partition);
/* A bit flips in the log where this text stands. */
void then_flip(struct story *s, const char *text);
/* A bit flips in the header of the batch that the text is in. */
void then_flip_batch(struct story *s, const char *text);

/* --- what must be ----------------------------------------------------------------------------- */

#define EXPECT(s, what) story_expect((s), (what), #what, __FILE__, __LINE__)
void story_expect(struct story *s, bool good, const char *what, const char *file, int line);
/* Asks, lets the store answer, and compares: a value, or NULL for none. */
#define EXPECT_VALUE(s, context, key, value)                                                       \
    story_expect((s), story_holds((s), (context), (key), (value)), key " holds " #value, __FILE__, \
                 __LINE__)
bool story_holds(struct story *s, unsigned context, const char *key, const char *value);
bool told(const struct story *s, unsigned answer);
/* BUSY for none yet. */
enum grid_err status_of(const struct story *s, unsigned answer);
enum grid_err status_of_get(struct story *s, unsigned context, const char *key);

#endif
