/* test_snapshot.c - the state in place of the log: thesis, chapter 5, figures 5.2 and 5.3; C5, C6.
 * LINK: raft base */
#include "tests/unit/raft/trace.h"

static struct trace *small(unsigned voters)
{
    return trace_new_conf(
        voters, (struct raft_conf){.chunk_bytes = 10, .snapshot_entries = 20, .keep_entries = 2});
}

static void submit_many(struct trace *t, uint32_t leader, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        trace_submit(t, leader, "abcdef");
    trace_settle(t);
}

START_TEST(one_is_wanted_when_the_log_is_long)
{
    struct trace *t = small(1);
    trace_elect(t, 1);
    submit_many(t, 1, 10);
    ck_assert(!t->nodes[1].last.snapshot_wanted);
    submit_many(t, 1, 10);
    trace_step(t, 1, (struct raft_event){.kind = RAFT_EVENT_TICK});
    ck_assert(t->nodes[1].last.snapshot_wanted);
    trace_snapshot(t, 1);
    ck_assert(!t->nodes[1].last.snapshot_wanted);
}
END_TEST

/* Figure 5.2 */
START_TEST(the_log_begins_behind_it_but_for_a_few_entries)
{
    struct trace *t = small(1);
    trace_elect(t, 1);
    submit_many(t, 1, 20);
    uint64_t index = t->nodes[1].applied;
    trace_snapshot(t, 1);
    ck_assert_uint_eq(t->nodes[1].disk.snapshot.index, index);
    ck_assert_uint_eq(t->nodes[1].disk.snapshot.term, 2);
    ck_assert_uint_eq(t->nodes[1].disk.len, 2);
    char state[sizeof t->nodes[1].state];
    strcpy(state, t->nodes[1].state);
    trace_crash(t, 1);
    trace_start(t, 1);
    trace_elect(t, 1);
    ck_state(t, 1, state);
    submit_many(t, 1, 1);
}
END_TEST

START_TEST(a_follower_far_behind_is_sent_it_in_parts)
{
    struct trace *t = small(3);
    trace_elect(t, 1);
    trace_cut(t, 1u << 3);
    submit_many(t, 1, 30);
    trace_snapshot(t, 1);
    submit_many(t, 1, 5);
    trace_heal(t);
    trace_pass(t, 1000);
    ck_assert_uint_gt(t->sent[RAFT_MESSAGE_SNAPSHOT], 10);
    ck_assert_str_eq(t->nodes[3].state, t->nodes[1].state);
    ck_assert_uint_eq(t->nodes[3].disk.snapshot.index, t->nodes[1].disk.snapshot.index);
}
END_TEST

START_TEST(lost_and_repeated_parts_are_made_good)
{
    struct trace *t = small(3);
    trace_elect(t, 1);
    trace_cut(t, 1u << 3);
    submit_many(t, 1, 30);
    trace_snapshot(t, 1);
    trace_heal(t);
    for (unsigned i = 0; i < 3000 && trace_view(t, 3).applied < trace_view(t, 1).applied; i++) {
        t->now += 10;
        for (uint32_t id = 1; id <= 3; id++)
            trace_step(t, id, (struct raft_event){.kind = RAFT_EVENT_TICK});
        if (i % 4 == 1 && t->head != t->tail)
            t->queue[t->tail++ % TRACE_QUEUE] = t->queue[t->head % TRACE_QUEUE];
        for (unsigned n = 0; t->head != t->tail; n++)
            if (n % 7 == 3)
                t->head++;
            else
                trace_deliver(t);
    }
    ck_assert_str_eq(t->nodes[3].state, t->nodes[1].state);
}
END_TEST

/* C1: neither the state nor an answer before it is on disk. */
START_TEST(it_is_restored_and_acknowledged_when_it_is_on_disk)
{
    struct trace *t = small(2);
    trace_elect(t, 1);
    trace_cut(t, 1u << 2);
    for (unsigned i = 0; i < 30; i++)
        trace_submit(t, 1, "abcdef");
    trace_cut(t, 0);
    trace_settle(t);
    trace_pass(t, 200);
    trace_snapshot(t, 1);
    trace_start(t, 3);
    t->nodes[3].disk_stands = true;
    trace_change(t, 1, RAFT_ADD, 3);
    trace_pass(t, 500);
    struct raft_progress p;
    ck_state(t, 3, "");
    ck_assert(raft_progress(t->nodes[1].raft, 3, &p));
    ck_assert(p.by_snapshot && p.match == 0);
    trace_disk_goes(t, 3);
    trace_pass(t, 300);
    ck_assert_str_eq(t->nodes[3].state, t->nodes[1].state);
    ck_assert(raft_progress(t->nodes[1].raft, 3, &p));
    ck_assert(!p.by_snapshot);
}
END_TEST

/* C5 */
START_TEST(it_has_the_members_of_its_index)
{
    struct trace *t = small(3);
    trace_elect(t, 1);
    submit_many(t, 1, 3);
    trace_cut(t, 1u << 1);
    trace_change(t, 1, RAFT_ADD, 9);
    ck_assert_uint_eq(trace_view(t, 1).members->learners_len, 1);
    trace_snapshot(t, 1);
    ck_assert_uint_eq(t->nodes[1].disk.snapshot.membership.learners_len, 0);
    trace_crash(t, 1);
    trace_start(t, 1);
    ck_assert_uint_eq(trace_view(t, 1).members->learners_len, 1);
}
END_TEST

static struct raft_message part(struct raft_membership *m, uint64_t index, uint64_t offset,
                                uint64_t total, const char *data)
{
    *m = (struct raft_membership){.voters_len = 3, .voters = {1, 2, 3}};
    return (struct raft_message){.kind = RAFT_MESSAGE_SNAPSHOT,
                                 .from = 1,
                                 .to = 2,
                                 .term = 5,
                                 .index = index,
                                 .log_term = 4,
                                 .membership = m,
                                 .offset = offset,
                                 .total = total,
                                 .data = slice_str(data)};
}

/* C6 */
START_TEST(parts_of_two_are_never_put_together)
{
    struct trace *t = trace_new(3);
    struct raft_membership m;
    trace_receive(t, part(&m, 10, 0, 6, "abc"));
    ck_assert_uint_eq(trace_sent(t, 2, RAFT_MESSAGE_SNAPSHOT_REPLY)->offset, 3);
    trace_receive(t, part(&m, 12, 3, 6, "xyz")); /* of another: from its beginning, please */
    ck_assert_uint_eq(trace_sent(t, 2, RAFT_MESSAGE_SNAPSHOT_REPLY)->offset, 0);
    struct raft_message other = part(&m, 12, 0, 6, "uvw");
    trace_receive(t, other);
    other = part(&m, 12, 3, 6, "xyz");
    other.from = 3; /* another leader's, of a later term */
    other.term = 6;
    trace_receive(t, other);
    ck_assert_uint_eq(trace_sent(t, 2, RAFT_MESSAGE_SNAPSHOT_REPLY)->offset, 0);
    other.offset = 0;
    other.data = slice_str("rst");
    trace_receive(t, other);
    other.offset = 3;
    other.data = slice_str("xyz");
    trace_receive(t, other);
    ck_state(t, 2, "rstxyz");
}
END_TEST

/* 5.3: a prefix of the log is no reason to give up what is behind it. */
START_TEST(a_late_one_takes_nothing_back)
{
    struct trace *t = small(3);
    trace_elect(t, 1);
    submit_many(t, 1, 10);
    struct raft_membership m;
    struct raft_message old = part(&m, 5, 0, 3, "old");
    old.term = old.log_term = trace_view(t, 1).term;
    char state[sizeof t->nodes[2].state];
    strcpy(state, t->nodes[2].state);
    uint64_t last = trace_view(t, 2).last;
    trace_receive(t, old);
    ck_state(t, 2, state);
    ck_assert_uint_eq(trace_view(t, 2).last, last);
    ck_assert(trace_sent(t, 2, RAFT_MESSAGE_SNAPSHOT_REPLY)->ok);
}
END_TEST

START_TEST(one_of_the_past_or_future_is_ignored)
{
    struct trace *t = small(1);
    trace_elect(t, 1);
    submit_many(t, 1, 5);
    trace_snapshot(t, 1);
    uint64_t index = trace_view(t, 1).snapshot;
    for (uint64_t i = 0; i <= index; i++)
        trace_step(t, 1, (struct raft_event){.kind = RAFT_EVENT_SNAPSHOT_MADE, .index = i});
    trace_step(t, 1, (struct raft_event){.kind = RAFT_EVENT_SNAPSHOT_MADE, .index = index + 1});
    ck_assert_uint_eq(trace_view(t, 1).snapshot, index);
}
END_TEST

UNIT_MAIN("raft/snapshot", one_is_wanted_when_the_log_is_long,
          the_log_begins_behind_it_but_for_a_few_entries, a_follower_far_behind_is_sent_it_in_parts,
          lost_and_repeated_parts_are_made_good, it_is_restored_and_acknowledged_when_it_is_on_disk,
          it_has_the_members_of_its_index, parts_of_two_are_never_put_together,
          a_late_one_takes_nothing_back, one_of_the_past_or_future_is_ignored)
