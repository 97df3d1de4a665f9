/* test_threads.c - threads beside a worker, at their end.
 * LINK: node net store session compute wire command shard grid control
 * LINK: raft replica data base pb frame conf
 */
#include "node/node_priv.h"
#include "tests/lib/unit.h"

START_TEST(what_is_asked_of_the_reading_thread_after_its_end_is_given_up)
{
    struct worker w = {0};
    w.loop = loop_new(&(struct loop_hooks){0});
    reading_start(&w);
    reading_end(&w);
    reading_ask(&w, log_read_new(0, 0)); /* by a turn while other threads end */
    ck_assert(!reading_keeps(&w));
    loop_free(w.loop);
}
END_TEST

START_TEST(a_log_that_has_ended_has_no_room)
{
    struct worker w = {0};
    w.loop = loop_new(&(struct loop_hooks){0});
    log_start(&w);
    log_end(&w);
    ck_assert(!log_has_room(&w, 1)); /* for what other workers, that end later, ask of this one */
    loop_free(w.loop);
}
END_TEST

UNIT_MAIN("node/threads", what_is_asked_of_the_reading_thread_after_its_end_is_given_up,
          a_log_that_has_ended_has_no_room)
