/* test_replication.c - entries get where they belong: thesis 3.5, 3.6, figures 3.6 and 3.7; C1, C2,
 * C3, C7, C9.
 * LINK: raft base */
#include "tests/unit/raft/trace.h"

START_TEST(what_a_majority_has_on_disk_is_committed)
{
    struct trace *t = trace_new(5);
    trace_elect(t, 1);
    trace_cut(t, 1u << 4 | 1u << 5);
    trace_submit(t, 1, "a");
    trace_settle(t);
    ck_state(t, 1, "a");
    ck_state(t, 2, "a");
    ck_state(t, 4, "");
    trace_cut(t, 1u << 3 | 1u << 4 | 1u << 5);
    trace_submit(t, 1, "b");
    trace_settle(t);
    ck_state(t, 1, "a");
    trace_heal(t);
    trace_pass(t, 200);
    for (uint32_t id = 1; id <= 5; id++)
        ck_state(t, id, "a b");
}
END_TEST

START_TEST(several_commands_are_one_append)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    struct slice commands[] = {slice_str("a"), slice_str("b"), slice_str("c")};
    unsigned before = t->sent[RAFT_MESSAGE_APPEND];
    trace_step(
        t, 1,
        (struct raft_event){.kind = RAFT_EVENT_SUBMIT, .commands = commands, .commands_len = 3});
    ck_assert_uint_eq(t->sent[RAFT_MESSAGE_APPEND] - before, 2);
    ck_assert_uint_eq(t->nodes[1].last.index, trace_view(t, 1).last - 2);
    ck_assert_uint_eq(t->nodes[1].last.term, trace_view(t, 1).term);
    trace_settle(t);
    ck_state(t, 3, "a b c");
}
END_TEST

START_TEST(a_follower_accepts_nothing_from_its_caller)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    ck_assert_int_eq(trace_submit(t, 2, "a"), RAFT_NOT_LEADER);
    ck_assert_uint_eq(trace_view(t, 2).leader, 1);
}
END_TEST

/* C1: the leader's own disk is one of the majority, no more and no less. */
START_TEST(a_leader_with_a_slow_disk_commits_by_the_others_and_applies_later)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    t->nodes[1].disk_stands = true;
    trace_submit(t, 1, "a");
    trace_settle(t);
    ck_assert_uint_eq(trace_view(t, 1).commit, trace_view(t, 1).last);
    ck_state(t, 1, "");
    ck_state(t, 2, "a");
    trace_disk_goes(t, 1);
    ck_state(t, 1, "a");
}
END_TEST

START_TEST(what_the_leader_alone_has_not_on_disk_does_not_count)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    trace_crash(t, 3);
    t->nodes[1].disk_stands = true;
    trace_submit(t, 1, "a");
    trace_settle(t);
    ck_assert_uint_lt(trace_view(t, 1).commit, trace_view(t, 1).last);
    trace_disk_goes(t, 1);
    trace_settle(t);
    ck_assert_uint_eq(trace_view(t, 1).commit, trace_view(t, 1).last);
}
END_TEST

/* C1 */
START_TEST(a_follower_with_a_slow_disk_is_heard_and_does_not_count)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    trace_crash(t, 3);
    t->nodes[2].disk_stands = true;
    trace_submit(t, 1, "a");
    trace_pass(t, 5000);
    ck_role(t, 1, RAFT_LEADER);
    ck_assert_uint_lt(trace_view(t, 1).commit, trace_view(t, 1).last);
    trace_disk_goes(t, 2);
    trace_settle(t);
    ck_state(t, 1, "a");
}
END_TEST

START_TEST(a_leader_whose_disk_stands_hands_over)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    t->nodes[1].disk_stands = true;
    trace_submit(t, 1, "a");
    trace_pass(t, 1500);
    ck_role(t, 1, RAFT_LEADER);
    trace_pass(t, 500);
    ck_assert_uint_ne(trace_leader(t), 1);
    ck_assert_uint_ne(trace_leader(t), 0);
}
END_TEST

/* Figure 3.6: followers (a) to (f) of a leader of term 8, and what it has. */
START_TEST(figure_3_6_every_log_becomes_the_leaders)
{
    static const uint64_t leader[] = {1, 1, 1, 4, 4, 5, 5, 6, 6, 6};
    static const struct {
        uint64_t terms[13];
        size_t len;
    } followers[] = {
        {{1, 1, 1, 4, 4, 5, 5, 6, 6}, 9},
        {{1, 1, 1, 4}, 4},
        {{1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6}, 11},
        {{1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7}, 12},
        {{1, 1, 1, 4, 4, 4, 4}, 7},
        {{1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3}, 11},
    };
    struct trace *t = trace_new(7);
    for (uint32_t id = 1; id <= 7; id++) {
        const uint64_t *terms = id == 1 ? leader : followers[id - 2].terms;
        size_t len = id == 1 ? 10 : followers[id - 2].len;
        struct trace_disk *d = &t->nodes[id].disk;
        trace_crash(t, id);
        d->term = 7;
        for (size_t i = 1; i < len; i++) { /* the first is the founding snapshot */
            char word[32];
            int n = snprintf(word, sizeof word, "%zu.%lu", i + 1, (unsigned long)terms[i]);
            d->log[d->len++] =
                (struct raft_entry){i + 1, terms[i], RAFT_ENTRY_COMMAND,
                                    slice_make(trace_keep(word, (size_t)n), (size_t)n)};
        }
        trace_start(t, id);
    }
    trace_elect(t, 1); /* (a), (b), (e) and (f) vote for it */
    trace_pass(t, 300);
    for (uint32_t id = 2; id <= 7; id++) {
        ck_assert_uint_eq(t->nodes[id].disk.len, t->nodes[1].disk.len);
        ck_state(t, id, "2.1 3.1 4.4 5.4 6.5 7.5 8.6 9.6 10.6");
    }
}
END_TEST

/* C7: figure 3.6 (f), a hundred times as long. */
START_TEST(a_refusal_skips_a_whole_term)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    trace_cut(t, 1u << 1);
    for (int i = 0; i < 100; i++)
        trace_submit(t, 1, "lost");
    trace_pass(t, 2500);
    uint32_t leader = trace_leader(t);
    for (int i = 0; i < 150; i++)
        trace_submit(t, leader, "a");
    trace_settle(t);
    trace_heal(t);
    unsigned before = t->sent[RAFT_MESSAGE_APPEND_REPLY];
    unsigned others = 0;
    while (trace_view(t, 1).last != trace_view(t, leader).last) {
        trace_pass(t, 10);
        others += 3;
    }
    ck_assert_uint_lt(t->sent[RAFT_MESSAGE_APPEND_REPLY] - before, 20 + others);
    trace_pass(t, 300);
    ck_assert_str_eq(t->nodes[1].state, t->nodes[leader].state);
}
END_TEST

/* Figure 3.7. S1..S5; boxes are entries behind the founding one. */
START_TEST(figure_3_7_an_old_entry_on_a_majority_is_not_committed_by_counting)
{
    struct trace *t = trace_new_conf(5, (struct raft_conf){.append_bytes_max = 1});
    trace_elect(t, 1);
    trace_cut(t, 1u << 1 | 1u << 2);
    trace_submit(t, 1, "two"); /* (a) on S1 and S2 only */
    trace_settle(t);
    uint64_t index = trace_view(t, 1).last;
    trace_crash(t, 1);
    trace_cut(t, 1u << 2);
    while (trace_view(t, 5).role != RAFT_LEADER) /* (b) S5 leads by S3 and S4 */
        if (!trace_deliver(t))
            trace_stand(t, 5);
    trace_submit(t, 5, "three"); /* and fails before anyone hears of its entries */
    trace_crash(t, 5);
    t->head = t->tail;
    trace_start(t, 1);
    for (unsigned tries = 0; trace_view(t, 1).role != RAFT_LEADER; tries++) {
        ck_assert_uint_lt(tries, 50); /* (c) S1 leads again, by S3 and S4 */
        if (trace_deliver(t))
            continue;
        t->nodes[1].ahead += 900;
        trace_step(t, 1, (struct raft_event){.kind = RAFT_EVENT_TICK});
    }
    trace_heal(t);
    unsigned have = 0;
    while (have < 2) {
        struct raft_progress p;
        ck_assert(trace_deliver(t));
        for (uint32_t id = have = 0; id <= 5; id++)
            have += raft_progress(t->nodes[1].raft, id, &p) && p.match >= index;
    }
    /* now a majority has it, and (d) could still happen */
    ck_assert_uint_lt(trace_view(t, 1).commit, index);
    trace_settle(t); /* (e) with the no-op, all of it is committed */
    ck_assert_uint_gt(trace_view(t, 1).commit, index);
    ck_state(t, 1, "two");
}
END_TEST

/* C2, as a library had it: a cut-off leader's tail is acknowledged for another's entries. */
START_TEST(an_unverified_tail_is_not_acknowledged)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    trace_cut(t, 1u << 1);
    for (int i = 0; i < 10; i++)
        trace_submit(t, 1, "lost");
    uint64_t last = trace_view(t, 1).last, term = trace_view(t, 1).term;
    trace_heal(t);
    t->head = t->tail;
    trace_receive(t, (struct raft_message){.kind = RAFT_MESSAGE_APPEND,
                                           .from = 2,
                                           .to = 1,
                                           .term = term + 1,
                                           .index = last - 10,
                                           .log_term = term,
                                           .commit = last,
                                           .round = 1});
    const struct raft_message *reply = trace_sent(t, 1, RAFT_MESSAGE_APPEND_REPLY);
    ck_assert(reply->ok);
    ck_assert_uint_eq(reply->index, last - 10);
    ck_assert_uint_eq(trace_view(t, 1).commit, last - 10);
    ck_state(t, 1, "");
}
END_TEST

/* Figure 3.1, AppendEntries 3.: only what conflicts is cut. */
START_TEST(a_late_append_takes_nothing_back)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    trace_submit(t, 1, "a");
    const struct raft_message first = *trace_sent(t, 1, RAFT_MESSAGE_APPEND);
    trace_submit(t, 1, "b");
    trace_settle(t);
    uint64_t last = trace_view(t, first.to).last;
    trace_receive(t, first);
    ck_assert_uint_eq(trace_view(t, first.to).last, last);
}
END_TEST

START_TEST(lost_repeated_and_swapped_messages_are_made_good)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    char want[2048] = "";
    for (unsigned i = 0; i < 60; i++) {
        char word[16];
        snprintf(word, sizeof word, "%u", i);
        trace_submit(t, 1, word);
        snprintf(want + strlen(want), sizeof want - strlen(want), "%s%s", i ? " " : "", word);
        if (i % 3 == 0 && t->tail - t->head >= 2) { /* swap */
            struct raft_message m = t->queue[t->head % TRACE_QUEUE];
            t->queue[t->head % TRACE_QUEUE] = t->queue[(t->head + 1) % TRACE_QUEUE];
            t->queue[(t->head + 1) % TRACE_QUEUE] = m;
        }
        if (i % 5 == 0) /* repeat */
            t->queue[t->tail++ % TRACE_QUEUE] = t->queue[t->head % TRACE_QUEUE];
        if (i % 7 == 0) /* lose */
            t->head++;
        for (unsigned n = 0; n < i % 4; n++)
            trace_deliver(t);
    }
    trace_pass(t, 1000);
    for (uint32_t id = 1; id <= 3; id++)
        ck_state(t, id, want);
}
END_TEST

/* C9 */
START_TEST(keep_alives_are_no_entries)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    uint64_t last = trace_view(t, 1).last;
    trace_pass(t, 5000);
    ck_assert_uint_eq(trace_view(t, 1).last, last);
}
END_TEST

START_TEST(what_waits_to_be_committed_is_bounded)
{
    struct trace *t = trace_new_conf(3, (struct raft_conf){.pending_bytes_max = 200});
    trace_elect(t, 1);
    trace_cut(t, 1u << 1);
    enum raft_refusal refused = RAFT_ACCEPTED;
    unsigned accepted = 0;
    while (!(refused = trace_submit(t, 1, "abcdefgh")))
        ck_assert_uint_lt(++accepted, 10);
    ck_assert_int_eq(refused, RAFT_FULL);
    trace_heal(t);
    trace_pass(t, 200);
    ck_assert_int_eq(trace_submit(t, 1, "x"), RAFT_ACCEPTED);
}
END_TEST

START_TEST(what_is_sent_ahead_is_bounded)
{
    struct trace *t =
        trace_new_conf(2, (struct raft_conf){.append_bytes_max = 100, .window_bytes_max = 400});
    trace_elect(t, 1);
    unsigned before = t->sent[RAFT_MESSAGE_APPEND];
    for (unsigned i = 0; i < 100; i++)
        trace_submit(t, 1, "abcdefgh");
    ck_assert_uint_le(t->sent[RAFT_MESSAGE_APPEND] - before, 12);
    trace_settle(t);
    ck_assert_uint_eq(trace_view(t, 2).last, trace_view(t, 1).last);
}
END_TEST

START_TEST(a_restarted_node_applies_what_it_had_again_from_its_snapshot)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    trace_submit(t, 1, "a");
    trace_settle(t);
    trace_snapshot(t, 2);
    trace_submit(t, 1, "b");
    trace_settle(t);
    trace_crash(t, 2);
    trace_start(t, 2);
    ck_state(t, 2, "a");
    trace_pass(t, 200);
    ck_state(t, 2, "a b");
}
END_TEST

UNIT_MAIN("raft/replication", what_a_majority_has_on_disk_is_committed,
          several_commands_are_one_append, a_follower_accepts_nothing_from_its_caller,
          a_leader_with_a_slow_disk_commits_by_the_others_and_applies_later,
          what_the_leader_alone_has_not_on_disk_does_not_count,
          a_follower_with_a_slow_disk_is_heard_and_does_not_count,
          a_leader_whose_disk_stands_hands_over, figure_3_6_every_log_becomes_the_leaders,
          a_refusal_skips_a_whole_term,
          figure_3_7_an_old_entry_on_a_majority_is_not_committed_by_counting,
          an_unverified_tail_is_not_acknowledged, a_late_append_takes_nothing_back,
          lost_repeated_and_swapped_messages_are_made_good, keep_alives_are_no_entries,
          what_waits_to_be_committed_is_bounded, what_is_sent_ahead_is_bounded,
          a_restarted_node_applies_what_it_had_again_from_its_snapshot)
