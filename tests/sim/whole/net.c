/* net.c - links between threads. A link keeps order within a class, and loses what is under way
 * when it drops; where the network is cut, it holds what it has, as TCP does, until the cut ends or
 * the link drops. */
#include "tests/sim/whole/world.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { STEP_MS = 10, HELD_MS = 15, BULK_BYTES = 256 << 10, CUT_DROP = 60 /* per 10,000 a step */ };

static void pipe_clear(struct pipe *p)
{
    while (p->first) {
        struct parcel *c = p->first;
        p->first = c->next;
        buf_release(&c->bytes);
        free(c);
    }
    p->end = &p->first;
    p->bytes = 0;
    p->full = false;
}

static struct simlink *between(struct world *w, unsigned a, unsigned x, unsigned b, unsigned y)
{
    return a < b ? &w->links[a][b][x][y] : &w->links[b][a][y][x];
}

/* Every link that there may be, once. */
static struct simlink *each(struct world *w, size_t *at)
{
    const size_t actors = (size_t)ACTORS * ACTORS;
    for (; *at < NODES * NODES * actors; ++*at) {
        unsigned a = (unsigned)(*at / actors / NODES), b = (unsigned)(*at / actors % NODES);
        unsigned x = (unsigned)(*at / ACTORS % ACTORS), y = (unsigned)(*at % ACTORS);
        if (a < b && b < w->nodes_len && (x == 0) == (y == 0) && x <= w->mix.shards &&
            y <= w->mix.shards) {
            ++*at;
            return &w->links[a][b][x][y];
        }
    }
    return NULL;
}

void net_init(struct world *w)
{
    for (unsigned a = 0; a < NODES; a++)
        for (unsigned b = a + 1; b < NODES; b++)
            for (unsigned i = 0; i < ACTORS * ACTORS; i++) {
                struct simlink *l = &w->links[a][b][i / ACTORS][i % ACTORS];
                l->ends[0] = (struct end){.node = a, .actor = i / ACTORS, .link = l};
                l->ends[1] = (struct end){.node = b, .actor = i % ACTORS, .link = l, .side = 1};
                for (unsigned c = 0; c < 2 * CLASSES; c++)
                    pipe_clear(&l->pipes[c / CLASSES][c % CLASSES]);
            }
}

void net_release(struct world *w)
{
    size_t at = 0;
    for (struct simlink *l; (l = each(w, &at)) != NULL;)
        for (unsigned c = 0; c < 2 * CLASSES; c++)
            pipe_clear(&l->pipes[c / CLASSES][c % CLASSES]);
}

struct simlink *net_link(struct world *w, unsigned from, unsigned actor, unsigned to,
                         unsigned to_actor, unsigned *ret_side)
{
    if (from == to)
        return NULL;
    struct simlink *l = between(w, from, actor, to, to_actor);
    *ret_side = from < to ? 0 : 1;
    return l->ends[*ret_side].gen ? l : NULL;
}

static void arm(struct world *w, struct simlink *l, unsigned side, unsigned class, msec_t at)
{
    struct pipe *p = &l->pipes[side][class];
    if (p->armed || !p->first)
        return;
    const struct end *to = &l->ends[1 - side];
    p->armed = true;
    struct event *e = event_at(w, at, EVENT_PIPE, to->node, to->actor);
    e->link = l;
    e->side = side;
    e->class = class;
}

/* Takes the bytes. */
void net_send(struct world *w, struct simlink *l, unsigned side, unsigned class, struct buf *bytes)
{
    struct pipe *p = &l->pipes[side][class];
    if (!l->up || l->ends[side].gen != l->gen) { /* nobody is at the other end */
        buf_release(bytes);
        return;
    }
    struct parcel *c = xcalloc(1, sizeof *c);
    c->bytes = *bytes;
    *bytes = (struct buf)BUF_INIT;
    c->at = w->now + 1 + below(w, w->mix.delay_max);
    if (!w->calm && chance(w, w->mix.clog))
        c->at += below(w, 400);
    if (c->at < p->last)
        c->at = p->last;
    p->last = c->at;
    p->bytes += c->bytes.len;
    p->full = p->full || p->bytes >= BULK_BYTES;
    *p->end = c;
    p->end = &c->next;
    arm(w, l, side, class, p->first->at);
}

static void deliver(struct world *w, struct simlink *l, unsigned side, struct slice bytes)
{
    const struct end *to = &l->ends[1 - side];
    struct simnode *n = &w->nodes[to->node];
    if (to->actor == 0)
        node_message(n, l->ends[side].node, bytes);
    else
        shard_message_in(&n->shards[to->actor - 1], &l->ends[1 - side], bytes);
}

void net_arrive(struct world *w, struct event *e)
{
    struct simlink *l = e->link;
    unsigned side = e->side;
    struct pipe *p = &l->pipes[side][e->class];
    p->armed = false;
    if (w->cut[l->ends[side].node][l->ends[1 - side].node]) {
        arm(w, l, side, e->class, w->now + HELD_MS);
        return;
    }
    while (p->first && p->first->at <= w->now && !w->fault) {
        struct parcel *c = p->first;
        p->first = c->next;
        if (!p->first)
            p->end = &p->first;
        p->bytes -= c->bytes.len;
        if (l->up && l->ends[1 - side].gen == l->gen)
            deliver(w, l, side, buf_slice(&c->bytes));
        buf_release(&c->bytes);
        free(c);
    }
    const struct end *from = &l->ends[side];
    if (p->full && p->bytes < BULK_BYTES / 2) {
        p->full = false;
        if (from->actor && from->gen) {
            struct simshard *h = &w->nodes[from->node].shards[from->actor - 1];
            h->room = true;
            if (h->s)
                shard_dirty(h);
        }
    }
    arm(w, l, side, e->class, p->first ? p->first->at : 0);
}

void net_again(struct world *w, struct event *e)
{
    struct pipe *p = &e->link->pipes[e->side][e->class];
    p->armed = false;
    arm(w, e->link, e->side, e->class, p->first ? p->first->at : 0);
}

/* --- up and down ------------------------------------------------------------------------------ */

static void tell(struct world *w, struct simlink *l, unsigned side, bool up)
{
    struct end *end = &l->ends[side];
    struct simnode *n = &w->nodes[end->node];
    unsigned other = l->ends[1 - side].node;
    if (!n->running)
        return;
    if (end->actor) {
        shard_link(&n->shards[end->actor - 1], end, other, up);
    } else if (!up && n->member) {
        grid_member_closed(n->member, node_mono(n), w->nodes[other].info.id);
        node_step(n);
    }
}

static void hear(struct world *w, struct simlink *l, unsigned side)
{
    if (!l->ends[side].gen)
        return;
    l->ends[side].gen = 0;
    tell(w, l, side, false);
    l->ends[side].told = 0;
}

void net_down(struct world *w, struct event *e)
{
    if (e->link->ends[e->side].gen == e->number)
        hear(w, e->link, e->side);
}

static void over(struct simlink *l)
{
    l->up = false;
    for (unsigned c = 0; c < 2 * CLASSES; c++)
        pipe_clear(&l->pipes[c / CLASSES][c % CLASSES]);
}

static void hear_later(struct world *w, struct simlink *l, unsigned side, msec_t within)
{
    const struct end *end = &l->ends[side];
    if (!end->gen || !w->nodes[end->node].running)
        return;
    struct event *e = event_at(w, w->now + 1 + below(w, within), EVENT_DOWN, end->node, end->actor);
    e->link = l;
    e->side = side;
    e->number = end->gen;
}

void net_drop(struct world *w, struct simlink *l)
{
    if (!l->up)
        return;
    over(l);
    l->again_at = w->now + 5 + below(w, 500);
    hear_later(w, l, 0, 50);
    hear_later(w, l, 1, below(w, 4) ? 50 : 1500);
}

void net_closed(struct world *w, unsigned node, bool told)
{
    size_t at = 0;
    for (struct simlink *l; (l = each(w, &at)) != NULL;)
        for (unsigned side = 0; side < 2; side++) {
            if (l->ends[side].node != node)
                continue;
            l->ends[side].gen = l->ends[side].told = 0;
            l->ends[side].route = NULL; /* freed with its router */
            if (l->up)
                hear_later(w, l, 1 - side, told ? 10 : 3000);
            over(l);
        }
}

static bool knows(const struct world *w, const struct end *a, const struct end *b)
{
    const struct simshard *h = &w->nodes[a->node].shards[a->actor - 1];
    return h->s && h->state && grid_state_node_by_id(h->state, w->nodes[b->node].info.id);
}

static bool may_connect(const struct world *w, const struct simlink *l)
{
    const struct end *a = &l->ends[0], *b = &l->ends[1];
    const struct simnode *n = &w->nodes[a->node], *m = &w->nodes[b->node];
    if (!n->running || !m->running || node_stalled(n, a->actor) || node_stalled(m, b->actor) ||
        w->cut[a->node][b->node] || w->cut[b->node][a->node])
        return false;
    return a->actor == 0 || knows(w, a, b) || knows(w, b, a);
}

void net_step(struct world *w)
{
    size_t at = 0;
    event_free_at(w, w->now + STEP_MS, EVENT_NET);
    for (struct simlink *l; (l = each(w, &at)) != NULL;) {
        const struct end *a = &l->ends[0], *b = &l->ends[1];
        if (l->up && (w->cut[a->node][b->node] || w->cut[b->node][a->node]) && chance(w, CUT_DROP))
            net_drop(w, l);
        if (l->up || w->now < l->again_at || !may_connect(w, l))
            continue;
        hear(w, l, 0);
        hear(w, l, 1);
        l->up = true;
        l->ends[0].gen = l->ends[1].gen = ++l->gen;
        tell(w, l, 0, true);
        tell(w, l, 1, true);
    }
}
