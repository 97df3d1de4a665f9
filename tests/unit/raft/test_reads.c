/* test_reads.c - linearizable reads without entries: thesis 6.4; C3.
 * LINK: raft base */
#include "tests/unit/raft/trace.h"

static void ask(struct trace *t, uint32_t id, uint64_t read)
{
    trace_step(t, id, (struct raft_event){.kind = RAFT_EVENT_READ, .read = read});
}

START_TEST(a_read_is_answered_once_a_majority_has_heard_the_leader_since)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    ask(t, 1, 7);
    ck_assert_uint_eq(t->nodes[1].reads_len, 0);
    trace_settle(t);
    ck_assert_uint_eq(t->nodes[1].reads_len, 1);
    ck_assert_uint_eq(t->nodes[1].reads[0], 7);
}
END_TEST

START_TEST(reads_that_come_together_share_a_round)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    unsigned before = t->sent[RAFT_MESSAGE_APPEND];
    for (uint64_t id = 1; id <= 50; id++)
        ask(t, 1, id);
    trace_settle(t);
    ck_assert_uint_eq(t->nodes[1].reads_len, 50);
    ck_assert_uint_le(t->sent[RAFT_MESSAGE_APPEND] - before, 4);
}
END_TEST

START_TEST(a_leader_that_was_replaced_answers_no_read)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    trace_pass(t, 200);
    trace_cut(t, 1u << 1);
    trace_elect(t, 2); /* the others' time runs; the old leader's step does not come */
    trace_submit(t, 2, "a");
    trace_settle(t);
    ask(t, 1, 7);
    trace_settle(t);
    ck_assert_uint_eq(t->nodes[1].reads_len, 0);
    trace_heal(t);
    trace_pass(t, 2000);
    ck_assert_uint_eq(t->nodes[1].reads_len, 0);
    ck_assert_uint_eq(t->nodes[1].failed[0], 7);
}
END_TEST

/* C3: it may not know yet what was committed before it. */
START_TEST(a_new_leader_answers_no_read_before_it_has_committed)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    trace_submit(t, 1, "a");
    trace_settle(t);
    t->nodes[2].disk_stands = true;
    trace_stand(t, 2);
    trace_settle(t);
    trace_stand(t, 2);
    trace_settle(t);
    trace_disk_goes(t, 2); /* its vote */
    trace_cut(t, 1u << 1);
    while (trace_view(t, 2).role != RAFT_LEADER)
        ck_assert(trace_deliver(t));
    ask(t, 2, 7);
    ck_assert_uint_eq(t->nodes[2].reads_len, 0);
    trace_settle(t);
    ck_assert_uint_eq(t->nodes[2].reads_len, 1);
    ck_state(t, 2, "a");
}
END_TEST

START_TEST(a_lost_round_is_made_good_by_a_heartbeat)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    ask(t, 1, 7);
    t->head = t->tail;
    trace_pass(t, 150);
    ck_assert_uint_eq(t->nodes[1].reads_len, 1);
}
END_TEST

START_TEST(a_follower_fails_a_read_at_once)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    ask(t, 2, 7);
    ck_assert_uint_eq(t->nodes[2].failed_len, 1);
}
END_TEST

START_TEST(a_sole_voter_answers_at_once)
{
    struct trace *t = trace_new(1);
    trace_elect(t, 1);
    ask(t, 1, 7);
    ck_assert_uint_eq(t->nodes[1].reads_len, 1);
}
END_TEST

START_TEST(reads_that_wait_are_bounded)
{
    struct trace *t = trace_new_conf(3, (struct raft_conf){.reads_max = 2});
    trace_elect(t, 1);
    for (uint64_t id = 1; id <= 3; id++)
        ask(t, 1, id);
    ck_assert_uint_eq(t->nodes[1].failed_len, 1);
    ck_assert_uint_eq(t->nodes[1].failed[0], 3);
    trace_settle(t);
    ck_assert_uint_eq(t->nodes[1].reads_len, 2);
}
END_TEST

UNIT_MAIN("raft/reads", a_read_is_answered_once_a_majority_has_heard_the_leader_since,
          reads_that_come_together_share_a_round, a_leader_that_was_replaced_answers_no_read,
          a_new_leader_answers_no_read_before_it_has_committed,
          a_lost_round_is_made_good_by_a_heartbeat, a_follower_fails_a_read_at_once,
          a_sole_voter_answers_at_once, reads_that_wait_are_bounded)
