/* test_members.c - others take part: thesis, chapter 4, and hand-over (3.10); C3, C5.
 * LINK: raft base */
#include "tests/unit/raft/trace.h"

/* A new node with an empty disk, as learner that has caught up. */
static void join(struct trace *t, uint32_t leader, uint32_t id)
{
    trace_start(t, id);
    ck_assert_int_eq(trace_change(t, leader, RAFT_ADD, id), RAFT_ACCEPTED);
    trace_pass(t, 500);
    ck_assert_uint_eq(trace_view(t, id).applied, trace_view(t, leader).applied);
}

START_TEST(a_grid_of_one_grows_to_three_node_by_node)
{
    struct trace *t = trace_new(1);
    trace_elect(t, 1);
    trace_submit(t, 1, "a");
    for (uint32_t id = 2; id <= 3; id++) {
        join(t, 1, id);
        ck_assert_int_eq(trace_change(t, 1, RAFT_PROMOTE, id), RAFT_ACCEPTED);
        trace_pass(t, 200);
    }
    const struct raft_membership *m = trace_view(t, 3).members;
    ck_assert(m->voters_len == 3 && m->learners_len == 0);
    trace_crash(t, 1);
    trace_pass(t, 2000);
    trace_submit(t, trace_leader(t), "b");
    trace_settle(t);
    ck_state(t, 2, "a b");
    ck_state(t, 3, "a b");
}
END_TEST

START_TEST(a_learner_neither_votes_nor_counts_nor_stands)
{
    struct trace *t = trace_new(2);
    trace_elect(t, 1);
    join(t, 1, 3);
    trace_crash(t, 2);
    trace_submit(t, 1, "a");
    trace_settle(t);
    ck_state(t, 1, "");
    trace_crash(t, 1);
    trace_pass(t, 5000);
    ck_role(t, 3, RAFT_FOLLOWER);
    ck_assert_uint_eq(trace_view(t, 3).leader, 0);
}
END_TEST

/* 4.2.1 */
START_TEST(a_learner_that_lags_is_not_promoted)
{
    struct trace *t = trace_new_conf(1, (struct raft_conf){.window_entries_max = 40});
    trace_elect(t, 1);
    trace_start(t, 2);
    trace_change(t, 1, RAFT_ADD, 2);
    ck_assert_int_eq(trace_change(t, 1, RAFT_PROMOTE, 2), RAFT_LAGGING);
    trace_pass(t, 500);
    trace_cut(t, 1u << 2);
    for (int i = 0; i < 30; i++)
        trace_submit(t, 1, "a");
    trace_settle(t);
    ck_assert_int_eq(trace_change(t, 1, RAFT_PROMOTE, 2), RAFT_LAGGING);
    trace_heal(t);
    trace_pass(t, 500);
    ck_assert_int_eq(trace_change(t, 1, RAFT_PROMOTE, 2), RAFT_ACCEPTED);
}
END_TEST

/* 4.1 */
START_TEST(one_change_at_a_time)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    ck_assert_int_eq(trace_change(t, 1, RAFT_ADD, 4), RAFT_ACCEPTED);
    ck_assert(!trace_view(t, 1).members_committed);
    ck_assert_int_eq(trace_change(t, 1, RAFT_ADD, 5), RAFT_CHANGING);
    trace_settle(t);
    ck_assert(trace_view(t, 1).members_committed);
    ck_assert_int_eq(trace_change(t, 1, RAFT_ADD, 5), RAFT_ACCEPTED);
}
END_TEST

/* C3: the mistake of the thesis as printed. */
START_TEST(no_change_before_an_entry_of_the_own_term_is_committed)
{
    struct trace *t = trace_new(3);
    t->now += 500;
    while (trace_view(t, 1).role != RAFT_LEADER)
        if (!trace_deliver(t))
            trace_stand(t, 1);
    ck_assert(!trace_view(t, 1).ready);
    ck_assert_int_eq(trace_change(t, 1, RAFT_ADD, 4), RAFT_NOT_READY);
    trace_settle(t);
    ck_assert_int_eq(trace_change(t, 1, RAFT_ADD, 4), RAFT_ACCEPTED);
}
END_TEST

START_TEST(changes_that_make_no_sense_are_refused)
{
    struct trace *t = trace_new(2);
    trace_elect(t, 1);
    ck_assert_int_eq(trace_change(t, 1, RAFT_ADD, 2), RAFT_INVALID);
    ck_assert_int_eq(trace_change(t, 1, RAFT_ADD, 0), RAFT_INVALID);
    ck_assert_int_eq(trace_change(t, 1, RAFT_PROMOTE, 2), RAFT_INVALID);
    ck_assert_int_eq(trace_change(t, 1, RAFT_PROMOTE, 9), RAFT_INVALID);
    ck_assert_int_eq(trace_change(t, 1, RAFT_DEMOTE, 9), RAFT_INVALID);
    ck_assert_int_eq(trace_change(t, 1, RAFT_REMOVE, 9), RAFT_INVALID);
    ck_assert_int_eq(trace_change(t, 2, RAFT_REMOVE, 1), RAFT_NOT_LEADER);
    ck_assert_int_eq(trace_change(t, 1, RAFT_REMOVE, 2), RAFT_ACCEPTED);
    trace_pass(t, 100);
    ck_assert_int_eq(trace_change(t, 1, RAFT_REMOVE, 1), RAFT_INVALID); /* the last */
    ck_assert_int_eq(trace_change(t, 1, RAFT_DEMOTE, 1), RAFT_INVALID);
}
END_TEST

/* C5 */
START_TEST(members_change_when_appended_and_back_when_cut)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    trace_cut(t, 1u << 1);
    trace_change(t, 1, RAFT_REMOVE, 3);
    ck_assert_uint_eq(trace_view(t, 1).members->voters_len, 2);
    trace_pass(t, 3000);
    trace_heal(t);
    trace_pass(t, 1000);
    ck_assert_uint_ne(trace_leader(t), 1);
    ck_assert_uint_eq(trace_view(t, 1).members->voters_len, 3);
    trace_crash(t, 1);
    trace_start(t, 1);
    ck_assert_uint_eq(trace_view(t, 1).members->voters_len, 3);
}
END_TEST

/* 4.2.2 */
START_TEST(a_leader_that_is_removed_leads_to_the_end_and_hands_over)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    trace_change(t, 1, RAFT_REMOVE, 1);
    ck_role(t, 1, RAFT_LEADER);
    trace_settle(t);
    ck_role(t, 1, RAFT_FOLLOWER);
    uint32_t leader = trace_leader(t);
    ck_assert_uint_gt(leader, 1); /* at once, not when someone's patience ends */
    ck_assert_uint_eq(trace_view(t, leader).members->voters_len, 2);
    trace_pass(t, 5000);
    ck_assert_uint_eq(trace_leader(t), leader);
}
END_TEST

/* Figure 4.6: of two, the leader is removed, and only it has the entry. */
START_TEST(figure_4_6_a_removed_node_may_have_to_lead)
{
    struct trace *t = trace_new(2);
    trace_elect(t, 1);
    trace_cut(t, 1u << 1);
    trace_change(t, 1, RAFT_REMOVE, 1);
    trace_crash(t, 1);
    trace_heal(t);
    trace_start(t, 1);
    trace_pass(t, 5000);
    ck_assert_uint_eq(trace_leader(t), 2);
    ck_assert_uint_eq(trace_view(t, 2).members->voters_len, 1);
    ck_assert(trace_view(t, 2).ready);
}
END_TEST

/* Figure 4.7: S1 is being removed of four, and has a log as good as most. */
START_TEST(figure_4_7_a_removed_node_disturbs_nobody)
{
    struct trace *t = trace_new(4);
    trace_elect(t, 4);
    trace_pass(t, 200);
    uint64_t term = trace_view(t, 4).term;
    trace_change(t, 4, RAFT_REMOVE, 1);
    for (int i = 0; i < 200; i++)
        trace_pass(t, 50);
    ck_assert_uint_eq(trace_leader(t), 4);
    ck_assert_uint_eq(trace_view(t, 4).term, term);
    ck_role(t, 1, RAFT_PRECANDIDATE);
}
END_TEST

/* 4.1: the caller's membership counts: who asks may know of a change that this node does not. */
START_TEST(a_node_votes_before_it_knows_that_it_is_a_voter)
{
    struct trace *t = trace_new(1);
    trace_elect(t, 1);
    join(t, 1, 2);
    trace_cut(t, 1u << 2);
    trace_change(t, 1, RAFT_PROMOTE, 2);
    trace_crash(t, 1);
    trace_heal(t);
    trace_start(t, 1);
    trace_pass(t, 3000);
    ck_assert_uint_eq(trace_leader(t), 1);
    ck_assert(trace_view(t, 1).members_committed);
    ck_assert_uint_eq(trace_view(t, 2).members->voters_len, 2);
}
END_TEST

/* --- hand-over (3.10) ------------------------------------------------------------------------- */

static enum raft_refusal transfer(struct trace *t, uint32_t from, uint32_t to)
{
    return trace_step(t, from, (struct raft_event){.kind = RAFT_EVENT_TRANSFER, .node = to});
}

START_TEST(leadership_is_handed_over_without_a_pause)
{
    struct trace *t = trace_new(5);
    trace_elect(t, 1);
    trace_pass(t, 300);
    ck_assert_int_eq(transfer(t, 1, 4), RAFT_ACCEPTED);
    trace_settle(t);
    ck_assert_uint_eq(trace_leader(t), 4);
    ck_role(t, 1, RAFT_FOLLOWER);
    ck_assert(trace_view(t, 4).ready);
}
END_TEST

START_TEST(the_next_leader_is_brought_up_to_date_first_and_nothing_is_accepted_meanwhile)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    trace_submit(t, 1, "a");
    ck_assert_int_eq(transfer(t, 1, 2), RAFT_ACCEPTED);
    ck_assert_uint_eq(t->sent[RAFT_MESSAGE_TIMEOUT_NOW], 0);
    ck_assert_int_eq(trace_submit(t, 1, "b"), RAFT_TRANSFERRING);
    trace_settle(t);
    ck_assert_uint_eq(trace_leader(t), 2);
    ck_state(t, 2, "a");
}
END_TEST

START_TEST(a_hand_over_that_fails_ends)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    trace_cut(t, 1u << 2);
    ck_assert_int_eq(transfer(t, 1, 2), RAFT_ACCEPTED);
    trace_pass(t, 900);
    ck_assert_uint_eq(trace_view(t, 1).transfer, 0);
    ck_role(t, 1, RAFT_LEADER);
    ck_assert_int_eq(trace_submit(t, 1, "a"), RAFT_ACCEPTED);
    ck_assert_int_eq(transfer(t, 1, 2), RAFT_LAGGING); /* it is silent */
    ck_assert_int_eq(transfer(t, 1, 9), RAFT_INVALID);
    ck_assert_int_eq(transfer(t, 1, 0), RAFT_ACCEPTED); /* the best one */
    trace_pass(t, 200);
    ck_assert_uint_eq(trace_leader(t), 3);
}
END_TEST

UNIT_MAIN("raft/members", a_grid_of_one_grows_to_three_node_by_node,
          a_learner_neither_votes_nor_counts_nor_stands, a_learner_that_lags_is_not_promoted,
          one_change_at_a_time, no_change_before_an_entry_of_the_own_term_is_committed,
          changes_that_make_no_sense_are_refused, members_change_when_appended_and_back_when_cut,
          a_leader_that_is_removed_leads_to_the_end_and_hands_over,
          figure_4_6_a_removed_node_may_have_to_lead, figure_4_7_a_removed_node_disturbs_nobody,
          a_node_votes_before_it_knows_that_it_is_a_voter,
          leadership_is_handed_over_without_a_pause,
          the_next_leader_is_brought_up_to_date_first_and_nothing_is_accepted_meanwhile,
          a_hand_over_that_fails_ends)
