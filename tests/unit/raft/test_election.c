/* test_election.c - who leads: thesis 3.4, 3.6.1, 4.2.3, 6.2, 9.6; C1 of votes and C4.
 * LINK: raft base */
#include "tests/unit/raft/trace.h"

START_TEST(a_sole_voter_leads_once_its_vote_is_on_disk)
{
    struct trace *t = trace_new(1);
    t->nodes[1].disk_stands = true;
    trace_step(t, 1, (struct raft_event){.kind = RAFT_EVENT_TICK});
    ck_role(t, 1, RAFT_CANDIDATE);
    trace_disk_goes(t, 1);
    ck_role(t, 1, RAFT_LEADER);
    ck_assert(trace_view(t, 1).ready);
    ck_assert_int_eq(trace_submit(t, 1, "a"), RAFT_ACCEPTED);
    ck_state(t, 1, "a");
}
END_TEST

START_TEST(nobody_stands_before_its_patience_ends)
{
    struct trace *t = trace_new(3);
    trace_pass(t, 390);
    for (uint32_t id = 1; id <= 3; id++)
        ck_role(t, id, RAFT_FOLLOWER);
    trace_pass(t, 600);
    ck_assert_uint_ne(trace_leader(t), 0);
    ck_assert_uint_eq(t->nodes[1].disk.term, 2);
}
END_TEST

START_TEST(a_leader_that_is_heard_keeps_leading)
{
    struct trace *t = trace_new(5);
    trace_elect(t, 2);
    uint64_t term = trace_view(t, 2).term;
    trace_pass(t, 20000);
    ck_assert_uint_eq(trace_leader(t), 2);
    ck_assert_uint_eq(trace_view(t, 2).term, term);
}
END_TEST

/* C4: being cut off ends no term; coming back neither. */
START_TEST(who_was_cut_off_comes_back_in_the_term_it_left)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    uint64_t term = trace_view(t, 1).term;
    trace_cut(t, 1u << 3);
    trace_pass(t, 10000);
    ck_role(t, 3, RAFT_PRECANDIDATE);
    ck_assert_uint_eq(trace_view(t, 3).term, term);
    trace_heal(t);
    trace_pass(t, 1000);
    ck_role(t, 3, RAFT_FOLLOWER);
    ck_assert_uint_eq(trace_leader(t), 1);
    ck_assert_uint_eq(trace_view(t, 1).term, term);
}
END_TEST

/* 6.2: and its term goes on without it. */
START_TEST(a_leader_without_a_quorum_steps_down)
{
    struct trace *t = trace_new(5);
    trace_elect(t, 1);
    trace_cut(t, 1u << 1 | 1u << 2);
    trace_pass(t, 700);
    ck_role(t, 1, RAFT_LEADER);
    trace_pass(t, 1500);
    ck_role(t, 1, RAFT_PRECANDIDATE);
    uint32_t leader = trace_leader(t);
    ck_assert(leader >= 3);
    trace_heal(t);
    trace_pass(t, 1000);
    ck_assert_uint_eq(trace_view(t, 1).leader, leader);
}
END_TEST

/* 3.4: each has one vote; C4: whoever came first has it, even from one who stands itself. */
START_TEST(a_vote_is_given_once_in_a_term)
{
    struct trace *t = trace_new(5);
    struct raft_message vote = {
        .kind = RAFT_MESSAGE_VOTE, .from = 2, .to = 1, .term = 2, .index = 1, .log_term = 1};
    trace_receive(t, vote);
    ck_assert(trace_sent(t, 1, RAFT_MESSAGE_VOTE_REPLY)->ok);
    vote.from = 3;
    trace_receive(t, vote);
    ck_assert(!trace_sent(t, 1, RAFT_MESSAGE_VOTE_REPLY)->ok);
    vote.from = 2;
    trace_receive(t, vote); /* it was lost, and is asked for again */
    ck_assert(trace_sent(t, 1, RAFT_MESSAGE_VOTE_REPLY)->ok);
    trace_crash(t, 1);
    trace_start(t, 1);
    vote.from = 3;
    trace_receive(t, vote); /* C1: a start forgets no vote */
    ck_assert(!trace_sent(t, 1, RAFT_MESSAGE_VOTE_REPLY)->ok);
}
END_TEST

START_TEST(a_candidate_votes_in_a_later_term)
{
    struct trace *t = trace_new(3);
    trace_cut(t, 1u << 1);
    trace_stand(t, 2);
    trace_settle(t);
    trace_heal(t);
    struct raft_message vote = {
        .kind = RAFT_MESSAGE_VOTE, .from = 3, .to = 2, .term = 9, .index = 9, .log_term = 8};
    t->now += 1000;
    trace_receive(t, vote);
    ck_assert(trace_sent(t, 2, RAFT_MESSAGE_VOTE_REPLY)->ok);
    ck_role(t, 2, RAFT_FOLLOWER);
    ck_assert_uint_eq(t->nodes[2].disk.vote, 3);
}
END_TEST

/* C1 */
START_TEST(a_vote_is_told_when_it_is_on_disk)
{
    struct trace *t = trace_new(3);
    struct raft_message vote = {
        .kind = RAFT_MESSAGE_VOTE, .from = 2, .to = 1, .term = 2, .index = 1, .log_term = 1};
    t->nodes[1].disk_stands = true;
    trace_receive(t, vote);
    ck_assert_ptr_null(trace_sent(t, 1, RAFT_MESSAGE_VOTE_REPLY));
    trace_disk_goes(t, 1);
    ck_assert(trace_sent(t, 1, RAFT_MESSAGE_VOTE_REPLY)->ok);
}
END_TEST

START_TEST(a_candidate_asks_when_its_own_vote_is_on_disk)
{
    struct trace *t = trace_new(3);
    t->nodes[1].disk_stands = true;
    trace_stand(t, 1);
    trace_settle(t);
    ck_role(t, 1, RAFT_CANDIDATE);
    ck_assert_uint_eq(t->sent[RAFT_MESSAGE_VOTE], 0);
    trace_disk_goes(t, 1);
    ck_assert_uint_eq(t->sent[RAFT_MESSAGE_VOTE], 2);
    trace_settle(t);
    ck_role(t, 1, RAFT_LEADER);
}
END_TEST

/* 3.6.1: the last entry decides, its term first. */
START_TEST(a_vote_goes_to_a_log_that_is_up_to_date)
{
    static const struct {
        uint64_t index, term;
        bool ok;
    } cases[] = {{3, 2, true}, {4, 2, true}, {2, 3, true}, {2, 2, false}, {9, 1, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trace *t = trace_new(3);
        trace_elect(t, 1); /* its no-op is entry 2 of term 2 */
        trace_submit(t, 1, "a");
        trace_settle(t);
        t->now += 1000;
        struct raft_message m = {.kind = RAFT_MESSAGE_PREVOTE,
                                 .from = 3,
                                 .to = 2,
                                 .term = 9,
                                 .index = cases[i].index,
                                 .log_term = cases[i].term};
        trace_receive(t, m);
        ck_assert(trace_sent(t, 2, RAFT_MESSAGE_PREVOTE_REPLY)->ok == cases[i].ok);
        m.kind = RAFT_MESSAGE_VOTE;
        trace_receive(t, m);
        ck_assert(trace_sent(t, 2, RAFT_MESSAGE_VOTE_REPLY)->ok == cases[i].ok);
    }
}
END_TEST

/* 4.2.3: a matter of time, not of what is believed (C4). */
START_TEST(who_hears_a_leader_votes_for_nobody)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    struct raft_message m = {
        .kind = RAFT_MESSAGE_VOTE, .from = 3, .to = 2, .term = 9, .index = 99, .log_term = 8};
    t->now += 399;
    trace_receive(t, m);
    ck_assert_ptr_null(trace_sent(t, 2, RAFT_MESSAGE_VOTE_REPLY));
    ck_assert_uint_lt(trace_view(t, 2).term, 9);
    t->now += 2;
    trace_receive(t, m);
    ck_assert(trace_sent(t, 2, RAFT_MESSAGE_VOTE_REPLY)->ok);
}
END_TEST

START_TEST(a_leader_that_hears_its_quorum_is_not_disturbed)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    trace_pass(t, 500);
    struct raft_message m = {
        .kind = RAFT_MESSAGE_VOTE, .from = 3, .to = 1, .term = 9, .index = 99, .log_term = 8};
    trace_receive(t, m);
    ck_role(t, 1, RAFT_LEADER);
    m.force = true; /* 3.10 */
    trace_receive(t, m);
    ck_role(t, 1, RAFT_FOLLOWER);
}
END_TEST

START_TEST(a_pre_vote_changes_nothing)
{
    struct trace *t = trace_new(3);
    struct raft_message m = {
        .kind = RAFT_MESSAGE_PREVOTE, .from = 3, .to = 2, .term = 9, .index = 99, .log_term = 8};
    trace_receive(t, m);
    ck_assert(trace_sent(t, 2, RAFT_MESSAGE_PREVOTE_REPLY)->ok);
    ck_assert_uint_eq(trace_view(t, 2).term, 1);
    m.from = 1;
    trace_receive(t, m);
    ck_assert(trace_sent(t, 2, RAFT_MESSAGE_PREVOTE_REPLY)->ok);
}
END_TEST

/* 3.4: two stand at once, neither wins, a later term decides. */
START_TEST(a_split_vote_ends)
{
    struct trace *t = trace_new(4);
    t->now += 1000;
    trace_cut(t, 1u << 1 | 1u << 2);
    trace_step(t, 1, (struct raft_event){.kind = RAFT_EVENT_TICK});
    trace_step(t, 3, (struct raft_event){.kind = RAFT_EVENT_TICK});
    trace_settle(t);
    ck_assert_uint_eq(trace_leader(t), 0);
    trace_heal(t);
    trace_pass(t, 3000);
    ck_assert_uint_ne(trace_leader(t), 0);
}
END_TEST

/* A node that lags in terms, with the only good log, is told the term when it is refused. */
START_TEST(a_good_log_in_an_old_term_leads_in_the_end)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    trace_cut(t, 1u << 3);
    trace_submit(t, 1, "a");
    trace_settle(t);
    trace_crash(t, 1);
    t->nodes[3].disk.term = 20; /* as after many elections */
    trace_crash(t, 3);
    trace_start(t, 3);
    trace_heal(t);
    trace_pass(t, 5000);
    ck_assert_uint_eq(trace_leader(t), 2);
    ck_state(t, 3, "a");
}
END_TEST

static int by_size(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

START_TEST(a_dead_leader_has_a_successor_in_900_ms)
{
    enum { RUNS = 200 };
    unsigned took[RUNS];
    for (unsigned i = 0; i < RUNS; i++) {
        struct trace *t = trace_new(3);
        for (uint32_t id = 1; id <= 3; id++) {
            t->nodes[id].seed = 100 + i;
            trace_crash(t, id);
            trace_start(t, id);
        }
        trace_elect(t, 1);
        trace_pass(t, 500 + i % 10 * 10);
        trace_crash(t, 1);
        msec_t from = t->now;
        while (!trace_leader(t) || !trace_view(t, trace_leader(t)).ready)
            trace_pass(t, 10);
        took[i] = (unsigned)(t->now - from);
    }
    qsort(took, RUNS, sizeof *took, by_size);
    ck_assert_uint_le(took[RUNS / 2], 700);
    ck_assert_uint_le(took[RUNS * 99 / 100], 900);
}
END_TEST

static void closed(struct trace *t, uint32_t at, uint32_t node)
{
    trace_step(t, at, (struct raft_event){.kind = RAFT_EVENT_CLOSED, .node = node});
}

START_TEST(a_dead_leader_whose_links_close_has_a_successor_soon)
{
    for (unsigned i = 0; i < 50; i++) {
        struct trace *t = trace_new(3);
        t->nodes[2].seed = 100 + i;
        trace_crash(t, 2);
        trace_start(t, 2);
        trace_elect(t, 1);
        trace_pass(t, 500);
        trace_crash(t, 1);
        closed(t, 2, 1);
        trace_pass(t, 10);
        closed(t, 3, 1);
        trace_pass(t, 180);
        ck_assert_uint_eq(trace_leader(t), 0);
        trace_pass(t, 300);
        ck_assert_uint_ne(trace_leader(t), 0);
    }
}
END_TEST

/* Of one member only: it finds no majority. Of all, and made again: they hear it before that. */
START_TEST(a_link_that_closed_deposes_nobody_who_is_heard)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    uint64_t term = trace_view(t, 1).term;
    t->deaf[1][2] = true;
    closed(t, 2, 1);
    trace_pass(t, 3000);
    ck_role(t, 2, RAFT_PRECANDIDATE);
    trace_heal(t);
    trace_pass(t, 500);
    for (int i = 0; i < 20; i++) {
        closed(t, 2, 1);
        closed(t, 3, 1);
        closed(t, 1, 2);
        trace_pass(t, 500);
    }
    ck_assert_uint_eq(trace_leader(t), 1);
    ck_assert_uint_eq(trace_view(t, 2).term, term);
    ck_assert_uint_eq(trace_view(t, 1).term, term);
}
END_TEST

UNIT_MAIN("raft/election", a_sole_voter_leads_once_its_vote_is_on_disk,
          nobody_stands_before_its_patience_ends, a_leader_that_is_heard_keeps_leading,
          who_was_cut_off_comes_back_in_the_term_it_left, a_leader_without_a_quorum_steps_down,
          a_vote_is_given_once_in_a_term, a_candidate_votes_in_a_later_term,
          a_vote_is_told_when_it_is_on_disk, a_candidate_asks_when_its_own_vote_is_on_disk,
          a_vote_goes_to_a_log_that_is_up_to_date, who_hears_a_leader_votes_for_nobody,
          a_leader_that_hears_its_quorum_is_not_disturbed, a_pre_vote_changes_nothing,
          a_split_vote_ends, a_good_log_in_an_old_term_leads_in_the_end,
          a_dead_leader_has_a_successor_in_900_ms,
          a_dead_leader_whose_links_close_has_a_successor_soon,
          a_link_that_closed_deposes_nobody_who_is_heard)
