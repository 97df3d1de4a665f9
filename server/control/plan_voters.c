/* plan_voters.c - who keeps the control log: as many as the setting says, in as many zones as there
 * are, alive. One change at a time, and a new one before an old one leaves; but who was removed for
 * good leaves first: with two voters no other could come in when it is gone. */
#include "control/plan_priv.h"

#include "base/hash.h"

struct bench { /* the nodes as voters */
    const struct plan_input *in;
    bool votes[GRID_NODES_MAX]; /* in the order of the state's nodes */
    bool good[GRID_NODES_MAX];  /* might vote, or go on doing so */
    size_t voters, good_voters, good_all;
};

static bool votes(const struct plan_input *in, const struct grid_node *n)
{
    bool found = !in->voters && n->voter;
    for (size_t i = 0; in->voters && i < in->voters_len; i++)
        found |= in->voters[i] == n->number;
    return found;
}

static bool heard(const struct plan_input *in, const struct grid_node *n)
{
    for (size_t i = 0; i < in->nodes_len; i++)
        if (in->nodes[i].number == n->number)
            return in->nodes[i].heard &&
                   in->nodes[i].silent_ms < (msec_t)plan_setting(in, SETTING_failure_timeout);
    return false;
}

static void bench_fill(struct bench *b, const struct plan_input *in)
{
    msec_t grace = (msec_t)plan_setting(in, SETTING_voter_grace);
    b->in = in;
    for (size_t i = 0; i < in->state->nodes_len; i++) {
        const struct grid_node *n = &in->state->nodes[i];
        bool up = n->state == NODE_UP;
        b->votes[i] = votes(in, n);
        b->good[i] =
            !n->draining && (b->votes[i] ? up || plan_age(in, n) < grace : up && heard(in, n));
        b->voters += b->votes[i];
        b->good_voters += b->votes[i] && b->good[i];
        b->good_all += b->good[i];
    }
}

static bool one_zone(const struct bench *b, size_t i, size_t k)
{
    struct slice a = grid_node_label(&b->in->state->nodes[i], "zone"),
                 z = grid_node_label(&b->in->state->nodes[k], "zone");
    return i == k || (a.len && slice_eq(a, z));
}

/* Good voters in the zone of node `i`, it excepted. */
static size_t company(const struct bench *b, size_t i)
{
    size_t n = 0;
    for (size_t k = 0; k < b->in->state->nodes_len; k++)
        n += k != i && b->votes[k] && b->good[k] && one_zone(b, i, k);
    return n;
}

static uint32_t most_wanted(const struct bench *b, size_t *ret_company)
{
    uint32_t best = 0;
    for (size_t i = 0; i < b->in->state->nodes_len; i++) {
        size_t with = company(b, i);
        if (b->votes[i] || !b->good[i] || (best && with >= *ret_company))
            continue;
        best = b->in->state->nodes[i].number;
        *ret_company = with;
    }
    return best;
}

/* A good voter that has most company; not the leader unless need be. */
static uint32_t least_wanted(const struct bench *b, size_t *ret_company)
{
    uint32_t worst = 0;
    bool leader = false;
    *ret_company = 0;
    for (size_t i = 0; i < b->in->state->nodes_len; i++) {
        size_t with = company(b, i);
        uint32_t number = b->in->state->nodes[i].number;
        if (!b->votes[i] || !b->good[i] ||
            (worst && !leader && (with < *ret_company || number == b->in->self)))
            continue;
        leader = number == b->in->self;
        worst = number;
        *ret_company = with;
    }
    return worst;
}

/* A voter that is dead for good, removed or draining; 0: there is none. */
static uint32_t useless(const struct bench *b)
{
    for (size_t i = 0; b->in->voters && i < b->in->voters_len; i++)
        if (!grid_state_node(b->in->state, b->in->voters[i]))
            return b->in->voters[i];
    for (size_t i = 0; i < b->in->state->nodes_len; i++)
        if (b->votes[i] && !b->good[i])
            return b->in->state->nodes[i].number;
    return 0;
}

/* Removed for good: it cannot come back, whoever takes its place. */
static bool is_removed(const struct bench *b, uint32_t number)
{
    return number && !grid_state_node(b->in->state, number);
}

/* A dead voter is worth keeping while it makes the number odd: it may come back. */
static bool worth_dropping(const struct bench *b, uint32_t bad, size_t limit)
{
    size_t all = b->in->voters ? b->in->voters_len : b->voters;
    return bad && b->good_voters && (b->good_voters >= limit || all % 2 == 0);
}

void plan_voters(const struct plan_input *in, struct plan_output *out)
{
    struct bench b = {0};
    bench_fill(&b, in);
    size_t limit = (size_t)plan_setting(in, SETTING_voters), joins = 0, leaves = 0;
    limit -= limit % 2 == 0;
    size_t wanted = b.good_all < limit ? b.good_all : limit;
    wanted -= wanted && wanted % 2 == 0;
    uint32_t add = most_wanted(&b, &joins), drop = least_wanted(&b, &leaves), bad = useless(&b);
    if (b.good_voters && is_removed(&b, bad))
        out->voter_drop = bad; /* it may be gone at once, and no change goes on without it */
    else if (b.good_voters < wanted)
        out->voter_add = add;
    else if (worth_dropping(&b, bad, limit))
        out->voter_drop = bad;
    else if (b.good_voters > limit || (b.good_voters > wanted && wanted > 1))
        out->voter_drop = drop;
    else if (add && drop && b.good_voters == wanted && leaves > joins)
        out->voter_add = add; /* a zone more; then there is one too many */
}
