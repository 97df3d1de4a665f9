/* test_hostile.c - messages and disks that make no sense.
 * LINK: raft base */
#include "base/prng.h"
#include "tests/unit/raft/trace.h"

static const struct raft_entry gap = {9, 2, RAFT_ENTRY_COMMAND, {NULL, 0}};
static const struct raft_entry future = {2, 3, RAFT_ENTRY_COMMAND, {NULL, 0}};
static const struct raft_entry kind = {2, 2, (enum raft_entry_kind)77, {NULL, 0}};
static const struct raft_entry no_members = {2, 2, RAFT_ENTRY_MEMBERSHIP, {NULL, 0}};
static const struct raft_entry null = {2, 2, RAFT_ENTRY_COMMAND, {NULL, 5}};
static const struct raft_membership none;
static const struct raft_membership some = {.voters_len = 1, .voters = {1}};
static const struct raft_message senseless[] = {
    {.kind = (enum raft_message_kind)0, .from = 2, .to = 1, .term = 2},
    {.kind = (enum raft_message_kind)99, .from = 2, .to = 1, .term = 2},
    {.kind = RAFT_MESSAGE_VOTE, .from = 0, .to = 1, .term = 2},
    {.kind = RAFT_MESSAGE_VOTE, .from = 1, .to = 1, .term = 2},
    {.kind = RAFT_MESSAGE_VOTE, .from = 2, .to = 3, .term = 2},
    {.kind = RAFT_MESSAGE_VOTE, .from = 2, .to = 1, .term = 0},
    {.kind = RAFT_MESSAGE_VOTE, .from = 2, .to = 1, .term = UINT64_MAX},
    {.kind = RAFT_MESSAGE_VOTE, .from = 2, .to = 1, .term = 2, .index = UINT64_MAX, .log_term = 1},
    {.kind = RAFT_MESSAGE_APPEND, .from = 2, .to = 1, .term = 2, .index = 0, .log_term = 1},
    {.kind = RAFT_MESSAGE_APPEND, .from = 2, .to = 1, .term = 2, .index = 1, .log_term = 3},
    {.kind = RAFT_MESSAGE_APPEND,
     .from = 2,
     .to = 1,
     .term = 2,
     .index = 1,
     .log_term = 1,
     .entries_len = 1},
    {.kind = RAFT_MESSAGE_APPEND,
     .from = 2,
     .to = 1,
     .term = 2,
     .index = 1,
     .log_term = 1,
     .entries_len = 1,
     .entries = &gap},
    {.kind = RAFT_MESSAGE_APPEND,
     .from = 2,
     .to = 1,
     .term = 2,
     .index = 1,
     .log_term = 1,
     .entries_len = 1,
     .entries = &future},
    {.kind = RAFT_MESSAGE_APPEND,
     .from = 2,
     .to = 1,
     .term = 2,
     .index = 1,
     .log_term = 1,
     .entries_len = 1,
     .entries = &kind},
    {.kind = RAFT_MESSAGE_APPEND,
     .from = 2,
     .to = 1,
     .term = 2,
     .index = 1,
     .log_term = 1,
     .entries_len = 1,
     .entries = &no_members},
    {.kind = RAFT_MESSAGE_APPEND,
     .from = 2,
     .to = 1,
     .term = 2,
     .index = 1,
     .log_term = 1,
     .entries_len = 1,
     .entries = &null},
    {.kind = RAFT_MESSAGE_SNAPSHOT, .from = 2, .to = 1, .term = 2, .index = 9, .log_term = 2},
    {.kind = RAFT_MESSAGE_SNAPSHOT,
     .from = 2,
     .to = 1,
     .term = 2,
     .index = 9,
     .log_term = 2,
     .membership = &none},
    {.kind = RAFT_MESSAGE_SNAPSHOT,
     .from = 2,
     .to = 1,
     .term = 2,
     .index = 9,
     .log_term = 2,
     .membership = &some,
     .total = UINT64_MAX},
    {.kind = RAFT_MESSAGE_SNAPSHOT,
     .from = 2,
     .to = 1,
     .term = 2,
     .index = 9,
     .log_term = 2,
     .membership = &some,
     .total = 9,
     .offset = 10},
    {.kind = RAFT_MESSAGE_SNAPSHOT,
     .from = 2,
     .to = 1,
     .term = 2,
     .index = 9,
     .log_term = 2,
     .membership = &some,
     .total = 9,
     .offset = 3}, /* a part of nothing */
};

START_TEST(messages_that_make_no_sense_are_dropped_and_counted)
{
    struct trace *t = trace_new(3);
    for (size_t i = 0; i < sizeof senseless / sizeof *senseless; i++) {
        trace_step(t, 1, (struct raft_event){.kind = RAFT_EVENT_RECEIVE, .message = &senseless[i]});
        ck_assert_uint_eq(trace_view(t, 1).dropped, i + 1);
    }
    ck_assert_uint_eq(trace_view(t, 1).term, 1);
}
END_TEST

/* Figure 3.2 forbids it, a broken program may send it. */
START_TEST(what_is_committed_is_not_cut_and_a_leader_obeys_no_other_of_its_term)
{
    struct trace *t = trace_new(3);
    trace_elect(t, 1);
    trace_submit(t, 1, "a");
    trace_settle(t);
    uint64_t term = trace_view(t, 1).term;
    struct raft_entry other = {3, term + 1, RAFT_ENTRY_COMMAND, slice_str("x")};
    trace_receive(t, (struct raft_message){.kind = RAFT_MESSAGE_APPEND,
                                           .from = 3,
                                           .to = 2,
                                           .term = term + 1,
                                           .index = 2,
                                           .log_term = term,
                                           .entries = &other,
                                           .entries_len = 1});
    ck_state(t, 2, "a");
    ck_assert_uint_eq(trace_view(t, 2).dropped, 1);
    trace_receive(
        t, (struct raft_message){.kind = RAFT_MESSAGE_APPEND, .from = 3, .to = 1, .term = term});
    ck_role(t, 1, RAFT_LEADER);
    ck_assert_uint_eq(trace_view(t, 1).dropped, 1);
}
END_TEST

static uint64_t odd(struct prng *p, uint64_t near)
{
    static const uint64_t values[] = {0, 1, 2, UINT64_MAX, UINT64_MAX / 2, UINT32_MAX};
    uint64_t way = prng_below(p, 8);
    return way < 2 ? values[prng_below(p, 6)] : near + prng_below(p, 7) - 3;
}

static struct raft_message made_up(struct prng *p, const struct trace *t, struct raft_entry *e,
                                   struct raft_membership *m)
{
    struct raft_view v = trace_view(t, 1);
    struct raft_message made = {
        .kind = (enum raft_message_kind)prng_below(p, 11),
        .from = (uint32_t)prng_below(p, 5),
        .to = 1,
        .term = odd(p, v.term),
        .index = odd(p, v.last),
        .log_term = odd(p, v.term),
        .commit = odd(p, v.commit),
        .round = odd(p, 3),
        .asked = odd(p, v.last),
        .ok = prng_below(p, 2),
        .force = prng_below(p, 2),
        .offset = odd(p, 3),
        .total = odd(p, 4),
        .data = slice_make("abcdefgh", prng_below(p, 8)),
    };
    m->voters_len = (uint8_t)prng_below(p, 9);
    for (unsigned i = 0; i < m->voters_len && i < RAFT_VOTERS_MAX; i++)
        m->voters[i] = i + 1;
    made.membership = prng_below(p, 4) ? m : NULL;
    made.entries_len = prng_below(p, 4);
    made.entries = e;
    uint64_t base = prng_below(p, 8) ? made.index : odd(p, made.index);
    for (size_t i = 0; i < made.entries_len; i++)
        e[i] = (struct raft_entry){base + 1 + i, odd(p, v.term),
                                   (enum raft_entry_kind)prng_below(p, 4),
                                   slice_make("xyz", prng_below(p, 4))};
    if (prng_below(p, 2)) /* else hardly any is well-formed */
        for (size_t i = 0; i < made.entries_len; i++)
            e[i].term = made.term;
    if (made.log_term > made.term && prng_below(p, 8))
        made.log_term = made.term;
    return made;
}

START_TEST(no_message_makes_it_crash)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct prng p = {.state = seed};
        struct trace *t = trace_new(3);
        struct raft_entry entries[4];
        struct raft_membership m = {0};
        if (seed % 2)
            trace_elect(t, 1);
        for (int i = 0; i < 300; i++) {
            struct raft_message made = made_up(&p, t, entries, &m);
            t->now += prng_below(&p, 60);
            trace_step(t, 1, (struct raft_event){.kind = RAFT_EVENT_RECEIVE, .message = &made});
            if (prng_below(&p, 10) == 0)
                trace_submit(t, 1, "a");
            t->head = t->tail;
            t->nodes[1].state[0] = 0;
        }
    }
}
END_TEST

START_TEST(a_disk_that_contradicts_itself_is_refused)
{
    static const struct raft_entry entry = {2, 1, RAFT_ENTRY_NOOP, {NULL, 0}};
    static const struct raft_entry late = {9, 1, RAFT_ENTRY_NOOP, {NULL, 0}};
    static const struct raft_entry falls[] = {{2, 2, RAFT_ENTRY_NOOP, {NULL, 0}},
                                              {3, 1, RAFT_ENTRY_NOOP, {NULL, 0}}};
    static const struct raft_entry members = {2, 1, RAFT_ENTRY_MEMBERSHIP, {NULL, 0}};
    const struct raft_snapshot one = {
        .index = 1, .term = 1, .membership = {.voters_len = 1, .voters = {1}}};
    const struct raft_snapshot nobody = {.index = 1, .term = 1};
    const struct {
        struct raft_stored stored;
        bool ok;
    } cases[] = {
        {{0}, true},
        {{.term = 1, .snapshot = one}, true},
        {{.term = 1, .snapshot = one, .entries = &entry, .entries_len = 1}, true},
        {{.term = 0, .snapshot = one}, false},
        {{.term = 1, .snapshot = nobody}, false},
        {{.term = 1, .snapshot = one, .entries = &late, .entries_len = 1}, false},
        {{.term = 2, .snapshot = one, .entries = falls, .entries_len = 2}, false},
        {{.term = 1, .snapshot = one, .entries = &members, .entries_len = 1}, false},
        {{.term = 1, .entries = &entry, .entries_len = 1}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct raft_conf conf = {.self = 1};
        struct raft *r = NULL;
        enum grid_err err = raft_new(&conf, &cases[i].stored, 0, &r);
        ck_assert_int_eq(err, cases[i].ok ? GRID_OK : GRID_ECORRUPT);
        if (!err)
            raft_check(r);
        raft_free(r);
    }
}
END_TEST

UNIT_MAIN("raft/hostile", messages_that_make_no_sense_are_dropped_and_counted,
          what_is_committed_is_not_cut_and_a_leader_obeys_no_other_of_its_term,
          no_message_makes_it_crash, a_disk_that_contradicts_itself_is_refused)
