/* chaos.c - what happens to the nodes, and what is asked of them. */
#include "tests/sim/raft/world.h"

static unsigned some(struct world *w, unsigned max)
{
    return chance(w, 500) ? 0 : 1 + (unsigned)below(w, max);
}

static uint32_t one_of(struct world *w, const uint32_t *values, unsigned len)
{
    return values[below(w, len)];
}

void mix_draw(struct world *w)
{
    static const uint32_t sizes[] = {1, 2, 3, 3, 3, 4, 5, 5};
    static const uint32_t jitters[] = {1, 1, 1000, 1000, 20000, 300000};
    static const uint32_t disks[] = {1, 2000, 20000, 200000};
    static const uint32_t bytes[] = {1, 100, 1000, 100000};
    static const uint32_t counts[] = {3, 10, 50, 200};
    struct mix *m = &w->mix;
    *m = (struct mix){
        .voters = one_of(w, sizes, 8),
        .loss = some(w, 2) ? (unsigned)below(w, 300) : 0,
        .repetition = some(w, 100),
        .delay_us = 1 + (unsigned)below(w, 2000),
        .jitter_us = one_of(w, jitters, 6),
        .late = some(w, 20),
        .crash = some(w, 10),
        .cut = some(w, 10),
        .one_way = some(w, 5),
        .pause = some(w, 5),
        .stall = some(w, 5),
        .close = some(w, 100),
        .fail = some(w, 3),
        .change = some(w, 20),
        .transfer = some(w, 5),
        .snapshot = some(w, 200),
        .read = some(w, 500),
        .burst = 1 + (unsigned)below(w, 30),
        .zombie = some(w, 1000),
        .disk_us = one_of(w, disks, 4),
        .fault_us = 2000000 + below(w, 6000000),
        .state_bytes = 1 + (unsigned)below(w, 300),
    };
    m->conf = (struct raft_conf){
        .append_bytes_max = one_of(w, bytes, 4),
        .window_bytes_max = one_of(w, bytes, 4),
        .window_entries_max = one_of(w, counts, 4),
        .chunk_bytes = 20 + (uint32_t)below(w, 200),
        .snapshot_entries = one_of(w, counts, 4),
        .keep_entries = 1 + (uint32_t)below(w, 20),
        .election_ms_min = 400,
        .election_ms_max = 800,
    };
}

static struct node *pick(struct world *w, bool alive)
{
    struct node *n = &w->nodes[below(w, NODES_MAX)];
    return n->exists && n->alive == alive ? n : NULL;
}

static struct node *leader(struct world *w)
{
    unsigned from = (unsigned)below(w, NODES_MAX); /* there may be several */
    for (unsigned i = 0; i < NODES_MAX; i++) {
        struct node *n = &w->nodes[(from + i) % NODES_MAX];
        if (n->alive && n->view.role == RAFT_LEADER && n->paused_until_us <= w->now_us)
            return n;
    }
    return NULL;
}

/* --- faults ----------------------------------------------------------------------------------- */

static void heal(struct world *w)
{
    memset(w->cut, 0, sizeof w->cut);
    w->heal_us = UINT64_MAX;
}

static void cut(struct world *w, bool one_way)
{
    uint64_t side = prng_next(&w->prng);
    struct node *n = leader(w);
    if (n && chance(w, 500))
        side = UINT64_C(1) << (n->id - 1); /* it, alone */
    for (unsigned a = 0; a < NODES_MAX; a++)
        for (unsigned b = 0; b < NODES_MAX; b++)
            if ((side >> a & 1) && !(side >> b & 1)) {
                w->cut[a][b] = true;
                w->cut[b][a] |= !one_way;
            }
    w->heal_us = w->now_us + 100000 + below(w, 3000000);
    w->tally.cuts++;
}

static void pause_node(struct world *w, struct node *n)
{
    n->paused_until_us = w->now_us + below(w, 3000000);
    w->tally.pauses++;
}

static void stall(struct world *w, struct node *n)
{
    n->stalled_until_us = w->now_us + below(w, 3000000);
    w->tally.stalls++;
}

/* The link of a leader, for no reason, or because it is down: some see it at once. */
static void close_link(struct world *w, struct node *n)
{
    struct raft_event ev = {.kind = RAFT_EVENT_CLOSED, .node = n->view.leader};
    if (!ev.node || n->paused_until_us > w->now_us)
        return;
    w->tally.closed++;
    node_step(w, n, &ev);
}

static void close_links(struct world *w, uint32_t of)
{
    for (unsigned i = 0; i < NODES_MAX; i++) {
        struct node *n = &w->nodes[i];
        if (n->alive && n->view.leader == of && n->id != of && chance(w, 700))
            close_link(w, n);
    }
}

static void restarts(struct world *w)
{
    for (unsigned i = 0; i < NODES_MAX; i++) {
        struct node *n = &w->nodes[i];
        if (n->exists && !n->alive && !n->removed && n->restart_us <= w->now_us)
            node_start(w, n);
    }
}

void chaos(struct world *w)
{
    const struct mix *m = &w->mix;
    struct node *n = pick(w, true);
    w->chaos_us = w->now_us + 5000 + below(w, 20000);
    restarts(w);
    if (w->heal_us <= w->now_us)
        heal(w);
    if (n && chance(w, m->crash)) {
        n = chance(w, 300) && leader(w) ? leader(w) : n;
        node_crash(w, n);
        close_links(w, n->id);
    }
    if ((n = pick(w, true)) && chance(w, m->close))
        close_link(w, n);
    if (chance(w, m->cut))
        cut(w, false);
    if (chance(w, m->one_way))
        cut(w, true);
    if ((n = pick(w, true)) && chance(w, m->pause))
        pause_node(w, n);
    if ((n = pick(w, true)) && chance(w, m->stall))
        stall(w, n);
    if ((n = pick(w, true)) && chance(w, m->snapshot) &&
        (n->making || n->applied > n->view.snapshot))
        node_make_snapshot(w, n);
}

/* --- what is asked ---------------------------------------------------------------------------- */

static void submit(struct world *w, struct node *n, unsigned len)
{
    struct slice commands[64];
    for (unsigned i = 0; i < len; i++) {
        uint64_t number = ++w->commands;
        uint8_t *p = keep(w, NULL, 48);
        memset(p, 0, 48);
        store_u64(p, number);
        commands[i] = slice_make(p, 8 + below(w, 40));
    }
    struct raft_event ev = {.kind = RAFT_EVENT_SUBMIT, .commands = commands, .commands_len = len};
    node_step(w, n, &ev);
}

/* A node of which none was before: numbers are never used again (C8). */
static uint32_t fresh(struct world *w)
{
    for (unsigned i = 0; i < NODES_MAX; i++)
        if (!w->nodes[i].exists) {
            node_start(w, &w->nodes[i]);
            return i + 1;
        }
    return 0;
}

static uint32_t one_voter(struct world *w, const struct raft_membership *m)
{
    return m->voters_len ? m->voters[below(w, m->voters_len)] : 0;
}

static void change(struct world *w, struct node *n)
{
    const struct raft_membership *m = n->view.members;
    struct raft_event ev = {.kind = RAFT_EVENT_CHANGE};
    ev.change = (enum raft_change_op)(RAFT_ADD + below(w, 4));
    if (m->learners_len && chance(w, 600))
        ev.change = RAFT_PROMOTE;
    if (ev.change == RAFT_ADD)
        ev.node = fresh(w);
    else if (ev.change == RAFT_PROMOTE || (ev.change == RAFT_REMOVE && chance(w, 300)))
        ev.node = m->learners_len ? m->learners[below(w, m->learners_len)] : 0;
    else
        ev.node = one_voter(w, m);
    if (!ev.node)
        return;
    uint64_t last = n->view.last;
    node_step(w, n, &ev);
    if (!n->alive || n->view.last == last)
        return;
    w->tally.changes++;
    w->tally.promotions += ev.change == RAFT_PROMOTE;
    w->tally.removals += ev.change == RAFT_REMOVE;
}

static void read_state(struct world *w, struct node *n)
{
    struct raft_event ev = {.kind = RAFT_EVENT_READ, .read = ++w->order};
    if (n->reads_len == 64)
        return;
    n->reads[n->reads_len++] = (struct sim_read){ev.read, w->committed};
    node_step(w, n, &ev);
}

void operate(struct world *w)
{
    const struct mix *m = &w->mix;
    struct node *n = leader(w);
    w->ops_us = w->now_us + 1000 + below(w, 40000);
    if (n && chance(w, 700))
        submit(w, n, 1 + (unsigned)below(w, chance(w, 100) ? m->burst : 2));
    if ((n = leader(w)) && chance(w, m->read))
        read_state(w, n);
    if ((n = leader(w)) && chance(w, m->change))
        change(w, n);
    if ((n = leader(w)) && chance(w, m->change))
        change(w, n);
    if ((n = leader(w)) && chance(w, m->transfer)) {
        struct raft_event ev = {.kind = RAFT_EVENT_TRANSFER,
                                .node = chance(w, 300) ? 0 : one_voter(w, n->view.members)};
        w->tally.transfers++;
        node_step(w, n, &ev);
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

static bool electable_without(const struct world *w, const struct node *without)
{
    for (unsigned i = 0; i < NODES_MAX; i++) {
        const struct node *n = &w->nodes[i];
        if (!n->alive)
            continue;
        const struct raft_membership *m = n->view.members;
        unsigned left = 0;
        for (unsigned v = 0; v < m->voters_len; v++)
            left += w->nodes[m->voters[v] - 1].alive && m->voters[v] != without->id;
        if (left <= m->voters_len / 2u)
            return false;
    }
    return true;
}

/* The faults end; of the nodes that may be missing, some stay away. */
void calm_down(struct world *w)
{
    heal(w);
    w->calm = true;
    for (unsigned i = 0; i < NODES_MAX; i++) {
        struct node *n = &w->nodes[i];
        n->stalled_until_us = n->paused_until_us = 0;
        n->disk_us = 2000;
        n->restart_us = 0;
        if (n->written_us > w->now_us + n->disk_us)
            n->written_us = w->now_us + n->disk_us;
        n->removed = false;
        memset(n->refusals, 0, sizeof n->refusals);
        if (n->exists && !n->alive)
            node_start(w, n);
    }
    for (int tries = 0; tries < 3 && chance(w, 500); tries++) {
        struct node *n = pick(w, true);
        if (!n || !electable_without(w, n))
            continue;
        node_crash(w, n);
        n->restart_us = UINT64_MAX;
    }
}

/* One command, until it is committed. */
void operate_calm(struct world *w)
{
    struct node *n = leader(w);
    w->ops_us = w->now_us + 100000;
    if (w->mark && w->mark <= w->committed && w->terms[w->mark] == w->mark_term)
        return;
    if (!n || !n->view.ready)
        return;
    uint64_t last = n->view.last;
    submit(w, n, 1);
    if (n->view.last == last + 1) {
        w->mark = n->view.last;
        w->mark_term = n->view.term;
    }
}

static bool same_as(const struct world *w, const struct node *l, uint32_t id)
{
    const struct node *n = &w->nodes[id - 1];
    return !n->alive || (n->applied == l->applied && n->state == l->state);
}

/* A leader that commits something new, and all its members that live have it. */
bool converged(struct world *w)
{
    struct node *n = leader(w);
    if (!n || !n->view.ready || !n->view.members_committed)
        return false;
    if (n->view.applied != n->view.last || !w->mark)
        return false;
    const struct raft_membership *m = n->view.members;
    for (unsigned i = 0; i < m->voters_len; i++)
        if (!same_as(w, n, m->voters[i]))
            return false;
    for (unsigned i = 0; i < m->learners_len; i++)
        if (!same_as(w, n, m->learners[i]))
            return false;
    return n->applied >= w->mark;
}
