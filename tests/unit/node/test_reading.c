/* test_reading.c - the thread that reads a log again for replicas that rejoin, at its end.
 * LINK: node net store session wire command shard grid control raft replica data base pb frame conf
 */
#include "node/node_priv.h"
#include "tests/lib/unit.h"

START_TEST(what_is_asked_of_it_after_its_end_is_given_up)
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

UNIT_MAIN("node/reading", what_is_asked_of_it_after_its_end_is_given_up)
