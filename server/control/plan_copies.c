/* plan_copies.c - from where the copies are to where they should be, a partition at a time a step.
 * First round over all contexts: what is missing or too many; second: what only should be
 * elsewhere, with what the limits leave. */
#include "control/plan_priv.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <stdlib.h>

enum { PLACED_AT_A_TIME = 4 };
/* Who handed over stays a member for so long: if it were out before the new primary heard from it,
 * that one would have to wait until all leases had ended (R9). */
enum { HANDED_OVER_MS = 1000 };

struct work { /* on one context, in one round */
    struct plan *p;
    const struct plan_input *in;
    struct plan_output *out;
    struct target *t;
    const struct context_info *info;
    uint32_t *room; /* copies that may begin */
    bool urgent;    /* the first round */
    bool stopping;  /* somebody is */
    bool held_back; /* something was left for later */
    bool waits;     /* something is under way, or waited for */
};

/* --- targets -------------------------------------------------------------------------------- */

static uint64_t key_of(const struct placing *g, const struct grid_state *s)
{
    uint64_t key = g->conf.copies;
    for (size_t i = 0; i < s->nodes_len; i++) {
        const struct place_node *n = &g->nodes[i];
        uint32_t words[4] = {s->nodes[i].number, n->weight, n->zone, n->takes};
        if (n->takes)
            key = hash_key(slice_make(words, sizeof words), key);
    }
    return key;
}

static void target_place(struct target *t, const struct plan_input *in, struct placing *g)
{
    size_t cells = (size_t)g->conf.partitions * g->conf.copies;
    placing_place(g, in->state, grid_state_table_of(in->state, t->context));
    t->copies = g->conf.copies;
    t->wanted = xrealloc(t->wanted, cells, sizeof *t->wanted);
    for (size_t i = 0; i < cells; i++)
        t->wanted[i] = g->rows[i] == PLACE_NONE ? 0 : in->state->nodes[g->rows[i]].number;
}

static uint32_t joining_in(const struct grid_table *table)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < table->partitions; i++) {
        const struct chunk_head *h;
        grid_table_members(table, i, &h);
        n += (uint32_t)(h->len - h->complete);
    }
    return n;
}

/* `turns`: how many may still be placed in this call, so that none takes long. */
static void target_look(struct target *t, const struct plan_input *in,
                        const struct context_info *info, unsigned *turns)
{
    struct grid_table *table = in->state->tables[info - in->state->catalog->contexts];
    const struct grid_state *s = in->state;
    struct placing g;
    placing_init(&g, s, info, in->now, (msec_t)plan_setting(in, SETTING_rebuild_delay));
    uint64_t key = key_of(&g, s);
    t->stale = !t->wanted || t->key != key;
    if (t->stale && *turns) {
        --*turns;
        t->key = key;
        t->stale = t->quiet = false;
        target_place(t, in, &g);
    }
    placing_release(&g);
    if (t->table != table) {
        t->joining = joining_in(table);
        grid_table_unref(t->table);
        t->table = grid_table_ref(table);
        t->quiet = false;
    }
    t->quiet &= !t->stale && t->nodes == s->nodes_shared && t->paused == s->rebalance_paused;
    t->nodes = s->nodes_shared;
    t->paused = s->rebalance_paused;
}

void plan_target_release(struct target *t)
{
    free(t->wanted);
    free(t->asked);
    grid_table_unref(t->table);
}

/* One target per context; those of contexts that are no more go. */
static void targets_match(struct plan *p, const struct catalog *c)
{
    struct target *list = xcalloc(c->contexts_len ? c->contexts_len : 1, sizeof *list);
    size_t from = 0;
    for (size_t i = 0; i < c->contexts_len; i++) {
        for (; from < p->len && p->targets[from].context < c->contexts[i].id; from++) {
            plan_target_release(&p->targets[from]);
        }
        if (from < p->len && p->targets[from].context == c->contexts[i].id)
            list[i] = p->targets[from++];
        else
            list[i].context = c->contexts[i].id;
    }
    for (; from < p->len; from++) {
        plan_target_release(&p->targets[from]);
    }
    free(p->targets);
    p->targets = list;
    p->len = c->contexts_len;
}

/* --- a row --------------------------------------------------------------------------------- */

struct goal { /* of a row */
    const uint32_t *nodes;
    uint32_t len;
};

static struct goal goal_of(const struct target *t, uint32_t partition)
{
    struct goal g = {t->wanted + (size_t)partition * t->copies, 0};
    while (g.len < t->copies && g.nodes[g.len])
        g.len++;
    return g;
}

static bool in_goal(const struct goal *g, uint32_t node)
{
    for (uint32_t i = 0; i < g->len; i++)
        if (g->nodes[i] == node)
            return true;
    return false;
}

/* Place of a node among members [from, to), or -1. */
static int among(const struct grid_row *r, int from, int to, uint32_t node)
{
    for (int i = from; i < to; i++)
        if (r->m[i].node == node)
            return i;
    return -1;
}

static bool reached(const struct target *t, uint32_t partition, const struct goal *g)
{
    const struct chunk_head *h;
    const struct replica_member *m = grid_table_members(t->table, partition, &h);
    if (!h->led || h->in_sync != h->len || h->len != g->len || m[0].node != g->nodes[0])
        return false;
    for (uint8_t i = 1; i < h->len; i++)
        if (!in_goal(g, m[i].node))
            return false;
    return true;
}

static void change(struct work *w, enum part_change_kind kind, uint32_t partition,
                   const struct grid_row *r, struct replica_member m)
{
    w->waits = true;
    if (w->out->parts_len == PLAN_PARTS_MAX) {
        w->held_back = true;
        return;
    }
    w->out->parts[w->out->parts_len++] =
        (struct part_change){kind, w->info->id, partition, r->epoch, m};
}

static void add(struct work *w, uint32_t partition, const struct grid_row *r,
                const struct grid_node *n)
{
    if (!*w->room || w->out->parts_len == PLAN_PARTS_MAX) {
        w->held_back = w->waits = true;
        return;
    }
    --*w->room;
    change(w, PART_ADD_JOINING, partition, r, (struct replica_member){n->number, n->boot});
}

static void ask(struct work *w, uint32_t partition, const struct grid_row *r, int to)
{
    struct target *t = w->t;
    w->waits = w->held_back = true; /* to be said again */
    if (!t->asked)
        t->asked = xcalloc(t->table->partitions, sizeof *t->asked);
    t->asked[partition] = w->in->now;
    if (w->out->asks_len < PLAN_ASKS_MAX)
        w->out->asks[w->out->asks_len++] =
            (struct plan_ask){w->info->id, partition, r->epoch, r->m[0], r->m[to]};
}

/* Whether the primary and a node do not see each other: a copy there would never catch up. */
static bool apart(const struct work *w, const struct grid_row *r, uint32_t node)
{
    uint32_t low = r->m[0].node < node ? r->m[0].node : node;
    uint32_t high = r->m[0].node < node ? node : r->m[0].node;
    for (size_t i = 0; i < w->in->pairs_len; i++)
        if (w->in->pairs[i].low == low && w->in->pairs[i].high == high)
            return true;
    return false;
}

/* It hands over what it leads by itself, and is gone soon: what it gets goes back at once. */
static bool stops(struct work *w, uint32_t node)
{
    for (size_t i = 0; w->stopping && i < w->in->nodes_len; i++)
        if (w->in->nodes[i].number == node && w->in->nodes[i].stops) {
            w->waits = w->held_back = true;
            return true;
        }
    return false;
}

/* A node that takes a copy while those that should cannot: it is surplus once they can. */
static const struct grid_node *stand_in(struct work *w, uint32_t partition,
                                        const struct grid_row *r)
{
    const struct grid_node *best = NULL;
    uint64_t lowest = UINT64_MAX;
    for (size_t i = 0; w->in->pairs_len && i < w->in->state->nodes_len; i++) {
        const struct grid_node *n = &w->in->state->nodes[i];
        uint32_t words[2] = {n->number, partition};
        uint64_t order = hash_key(slice_make(words, sizeof words), w->info->id);
        bool takes = n->state == NODE_UP && !n->draining && grid_node_selected(n, w->info);
        if (!takes || apart(w, r, n->number) || among(r, 0, r->len, n->number) >= 0 ||
            order >= lowest || stops(w, n->number))
            continue;
        best = n;
        lowest = order;
    }
    return best;
}

/* Node up and wanted, but not in sync, nor joining. */
static const struct grid_node *missing(struct work *w, const struct grid_row *r,
                                       const struct goal *g)
{
    for (uint32_t i = 0; i < g->len; i++) {
        const struct grid_node *n = grid_state_node(w->in->state, g->nodes[i]);
        if (n && n->state == NODE_UP && among(r, 0, r->in_sync, n->number) < 0 &&
            !apart(w, r, n->number) && !stops(w, n->number))
            return n;
    }
    return NULL;
}

/* Copies that count: on nodes that should have one of something, wherever they are. */
static uint32_t copies_that_stay(const struct work *w, const struct grid_row *r)
{
    uint32_t stay = 0;
    for (uint8_t i = 0; i < r->in_sync; i++) {
        const struct grid_node *n = grid_state_node(w->in->state, r->m[i].node);
        stay += !n->draining && grid_node_selected(n, w->info);
    }
    return stay;
}

static bool may_shrink(const struct work *w, const struct grid_row *r, const struct goal *g)
{
    uint32_t asked = w->info->backups == BACKUPS_ALL ? g->len : w->info->backups + 1;
    return r->in_sync > asked && r->in_sync > w->info->min_in_sync;
}

static bool handed_over_just_now(const struct work *w, uint32_t partition)
{
    const msec_t *asked = w->t->asked;
    return asked && w->in->now >= asked[partition] &&
           w->in->now - asked[partition] < HANDED_OVER_MS;
}

/* A member in sync that should not be one, the primary excepted; -1: there is none. */
static int surplus(const struct grid_row *r, const struct goal *g)
{
    for (int i = 1; i < r->in_sync; i++)
        if (!in_goal(g, r->m[i].node))
            return i;
    return -1;
}

/* Who should lead, among those in sync; 0: who does. */
static int heir(struct work *w, const struct grid_row *r, const struct goal *g)
{
    int at = among(r, 0, r->in_sync, g->nodes[0]);
    if (at > 0 && stops(w, g->nodes[0]))
        at = -1;
    for (int i = 1; at < 0 && !in_goal(g, r->m[0].node) && i < r->in_sync; i++)
        at = in_goal(g, r->m[i].node) && !stops(w, r->m[i].node) ? i : -1;
    return at < 0 ? 0 : at;
}

static bool all_in_sync(const struct grid_row *r, const struct goal *g)
{
    for (uint32_t i = 0; i < g->len; i++)
        if (among(r, 0, r->in_sync, g->nodes[i]) < 0)
            return false;
    return true;
}

static void row_move(struct work *w, uint32_t partition, const struct grid_row *r,
                     const struct goal *g)
{
    const struct grid_node *n = missing(w, r, g);
    int to = heir(w, r, g), extra = surplus(r, g);
    bool short_of = copies_that_stay(w, r) < g->len;
    bool paused = w->in->state->rebalance_paused;
    bool whole = all_in_sync(r, g);
    w->waits |= !whole;
    if (!n && short_of && !whole)
        n = stand_in(w, partition, r);
    if (n && r->len == REPLICA_MEMBERS_MAX && extra > 0) { /* room must be made first */
        if (w->urgent)
            change(w, PART_SHRINK, partition, r, r->m[extra]);
    } else if (n) {
        if (w->urgent == short_of && (short_of || !paused))
            add(w, partition, r, n);
    } else if (to > 0) {
        bool moves_out = !in_goal(g, r->m[0].node);
        if (!w->urgent && (!paused || moves_out))
            ask(w, partition, r, to);
    } else if (extra > 0 && whole && handed_over_just_now(w, partition)) {
        w->waits = w->held_back = true;
    } else if (extra > 0 && whole && may_shrink(w, r, g) && w->urgent) {
        change(w, PART_SHRINK, partition, r, r->m[extra]);
    }
}

static void row_led(struct work *w, uint32_t partition, const struct grid_row *r,
                    const struct goal *g)
{
    for (int i = r->complete; i < r->len; i++) {
        w->waits = true;
        bool stands_in = w->in->pairs_len && copies_that_stay(w, r) < g->len;
        if (!apart(w, r, r->m[i].node) && (stands_in || in_goal(g, r->m[i].node)))
            continue;
        if (w->urgent)
            change(w, PART_DROP_JOINING, partition, r, r->m[i]);
        return;
    }
    if (r->complete == r->len && g->len)
        row_move(w, partition, r, g);
}

/* --- R10: who leads when nobody does --------------------------------------------------------- */

static int report_order(const void *a, const void *b)
{
    const struct plan_report *x = a, *y = b;
    if (x->context != y->context)
        return x->context < y->context ? -1 : 1;
    return x->partition == y->partition ? 0 : x->partition < y->partition ? -1 : 1;
}

static const struct plan_report *report_of(const struct work *w, uint32_t partition,
                                           struct replica_member m)
{
    struct plan_report key = {.context = w->info->id, .partition = partition};
    size_t low = 0, high = w->in->reports_len;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (report_order(&w->p->reports[mid], &key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < w->in->reports_len && report_order(&w->p->reports[low], &key) == 0; low++)
        if (replica_member_eq(w->p->reports[low].member, m))
            return &w->p->reports[low];
    return NULL;
}

/* Each member in sync has every acknowledged record on disk, if each was there before it was
 * acknowledged: then one is enough when the others stay away. */
static bool given_up(const struct work *w, struct replica_member m)
{
    const struct grid_node *n = grid_state_node(w->in->state, m.node);
    msec_t delay = (msec_t)plan_setting(w->in, SETTING_rebuild_delay);
    return w->info->durability == DURABILITY_SYNC && n->state == NODE_DOWN &&
           plan_age(w->in, n) >= delay;
}

static bool further(const struct plan_report *e, const struct plan_report *than)
{
    if (!than || e->broken != than->broken)
        return !than || than->broken;
    return e->epoch > than->epoch || (e->epoch == than->epoch && e->seq > than->seq);
}

/* One that cannot rely on what it has leads, and says so, only when nobody else may have more. */
static void row_unled(struct work *w, uint32_t partition, const struct grid_row *r)
{
    const struct plan_report *best = NULL;
    bool all = true;
    w->waits = w->held_back = true; /* it depends on reports and on time */
    for (uint8_t i = 0; i < r->in_sync; i++) {
        bool back =
            grid_state_lives(w->in->state, r->m[i]) && report_of(w, partition, r->m[i]) != NULL;
        all &= back;
        if (!back && !given_up(w, r->m[i]))
            return;
    }
    for (uint8_t i = 0; i < (all ? r->in_sync : r->complete); i++) {
        const struct plan_report *e = report_of(w, partition, r->m[i]);
        if (e && further(e, best) && grid_state_lives(w->in->state, r->m[i]))
            best = e;
    }
    if (best && (all || !best->broken) && w->urgent)
        change(w, PART_LEAD, partition, r, best->member);
}

/* --- all of them ----------------------------------------------------------------------------- */

static void round_of(struct work *w)
{
    uint32_t partitions = w->t->table->partitions, misplaced = 0;
    w->waits |= w->t->stale;
    w->held_back |= w->t->stale;
    for (uint32_t i = 0; i < partitions; i++) {
        uint32_t partition = w->urgent ? i : (i + w->p->turn) % partitions;
        struct goal g = w->t->stale ? (struct goal){NULL, 0} : goal_of(w->t, partition);
        struct grid_row r;
        if (g.len && reached(w->t, partition, &g))
            continue;
        misplaced++;
        grid_table_row(w->t->table, partition, &r);
        if (!r.led && !r.lost)
            row_unled(w, partition, &r);
        else if (r.led && !w->t->stale)
            row_led(w, partition, &r, &g);
    }
    w->t->misplaced = misplaced;
}

/* Copies that may begin, given those under way. */
static uint32_t room_of(const struct plan *p, const struct plan_input *in)
{
    uint64_t left = 0, joining = 0;
    uint64_t parallel = (uint64_t)plan_setting(in, SETTING_rebalance_parallel);
    for (size_t i = 0; i < in->progress_len; i++)
        left += in->progress[i].bytes_left < UINT32_MAX ? in->progress[i].bytes_left : UINT32_MAX;
    for (size_t i = 0; i < p->len; i++)
        joining += p->targets[i].joining;
    if (joining >= parallel || left >= (uint64_t)plan_setting(in, SETTING_rebalance_bytes))
        return 0;
    return (uint32_t)(parallel - joining);
}

static void reports_sort(struct plan *p, const struct plan_input *in)
{
    size_t bytes = in->reports_len * sizeof *in->reports;
    p->reports = xalloc(bytes ? bytes : 1);
    if (bytes)
        memcpy(p->reports, in->reports, bytes);
    qsort(p->reports, in->reports_len, sizeof *p->reports, report_order);
}

void plan_copies(struct plan *p, const struct plan_input *in, struct plan_output *out)
{
    const struct catalog *c = in->state->catalog;
    uint64_t pairs = hash_key(slice_make(in->pairs, in->pairs_len * sizeof *in->pairs), 0);
    struct work *works = xcalloc(c->contexts_len ? c->contexts_len : 1, sizeof *works);
    unsigned turns = PLACED_AT_A_TIME;
    targets_match(p, c);
    for (size_t i = 0; i < p->len; i++)
        target_look(&p->targets[i], in, &c->contexts[i], &turns);
    for (size_t i = 0; i < p->len; i++)
        p->targets[i].quiet &= p->pairs == pairs;
    p->pairs = pairs;
    uint32_t room = room_of(p, in);
    reports_sort(p, in);
    bool stopping = false;
    for (size_t i = 0; i < in->nodes_len; i++)
        stopping |= in->nodes[i].stops;
    for (int round = 0; round < 2; round++) {
        for (size_t k = 0; k < p->len; k++) {
            size_t i = round ? (k + p->turn) % p->len : k;
            if (p->targets[i].quiet)
                continue;
            works[i].p = p;
            works[i].in = in;
            works[i].out = out;
            works[i].t = &p->targets[i];
            works[i].info = &c->contexts[i];
            works[i].room = &room;
            works[i].stopping = stopping;
            works[i].urgent = round == 0;
            round_of(&works[i]);
        }
    }
    size_t changes = out->parts_len;
    out->settled = true;
    for (size_t i = 0; i < p->len; i++) {
        if (!p->targets[i].quiet) {
            p->targets[i].done = !works[i].waits;
            p->targets[i].quiet = !works[i].held_back && !changes;
        }
        out->settled &= p->targets[i].done;
        out->misplaced += p->targets[i].misplaced;
    }
    p->turn += out->asks_len == PLAN_ASKS_MAX ? PLAN_ASKS_MAX : 0;
    free(p->reports);
    p->reports = NULL;
    free(works);
}
