/* world.c - events in the order of their times, and the network. */
#include "tests/sim/replica/story.h"

#include "base/alloc.h"
#include "replica/replica_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t below(struct world *w, uint64_t n)
{
    return prng_below(&w->prng, n);
}

bool chance(struct world *w, unsigned in_1000)
{
    return in_1000 && below(w, 1000) < in_1000;
}

void world_fail(struct world *w, const char *fmt, ...)
{
    va_list ap;
    if (w->failed)
        return;
    w->failed = true;
    va_start(ap, fmt);
    vsnprintf(w->why, sizeof w->why, fmt, ap);
    va_end(ap);
}

usec_t world_delay(struct world *w)
{
    return 20 + below(w, w->mix.delay_us);
}

/* --- the heap --------------------------------------------------------------------------------- */

static bool before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static struct event *heap_add(struct world *w, const struct event *e)
{
    if (w->heap_len == w->heap_cap) {
        w->heap_cap = w->heap_cap ? w->heap_cap * 2 : 1024;
        w->heap = xrealloc(w->heap, w->heap_cap, sizeof *w->heap);
    }
    size_t i = w->heap_len++;
    for (; i > 0 && before(e, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = *e;
    return &w->heap[i];
}

static struct event heap_take(struct world *w)
{
    struct event first = w->heap[0], last = w->heap[--w->heap_len];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->heap_len)
            break;
        if (child + 1 < w->heap_len && before(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!before(&w->heap[child], &last))
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return first;
}

/* Borrowed until the next post. */
struct event *world_post(struct world *w, usec_t at, enum event_kind kind, uint32_t to)
{
    struct event e = {.at = at, .order = ++w->order, .kind = kind, .to = to};
    return heap_add(w, &e);
}

struct event *world_post_to(struct world *w, usec_t delay, enum event_kind kind, uint32_t to)
{
    struct event *e = world_post(w, w->now + delay, kind, to);
    e->process = w->nodes[to].process;
    return e;
}

static void packet_free(struct packet *p)
{
    free(p->records);
    free(p);
}

static void event_free(struct event *e)
{
    if (e->kind == EVENT_STATE)
        grid_state_unref(e->data);
    else if (e->kind == EVENT_PACKET)
        packet_free(e->data);
    else
        free(e->data);
}

/* --- the network ------------------------------------------------------------------------------ */

static struct packet *packet_copy(const struct packet *p)
{
    struct packet *copy = xalloc(sizeof *copy);
    *copy = *p;
    if (p->records) {
        copy->records = xalloc(1 + p->records_len * sizeof *p->records);
        memcpy(copy->records, p->records, p->records_len * sizeof *p->records);
    }
    return copy;
}

static void packet_post(struct world *w, usec_t at, uint32_t from, uint32_t to, struct packet *p)
{
    struct event *e = world_post_to(w, at - w->now, EVENT_PACKET, to);
    e->from = from;
    e->data = p;
}

/* In order, but for those that are repeated or late: never pieces, whose loss a link would tell. */
void world_send(struct world *w, uint32_t from, uint32_t to, struct packet *p)
{
    bool plain = p->kind != PACKET_PIECE;
    if (!w->nodes[to].alive || w->cut[from][to] || (plain && chance(w, w->mix.loss))) {
        packet_free(p);
        return;
    }
    p->link = w->link[from][to];
    usec_t at = w->now + world_delay(w);
    if (plain && chance(w, w->mix.repeat))
        packet_post(w, at + 1 + below(w, 500000), from, to, packet_copy(p));
    if ((plain && chance(w, w->mix.late)) || (!plain && RULE_OFF(LATE_PIECES))) {
        at += below(w, 500000);
    } else {
        if (at <= w->last_at[from][to])
            at = w->last_at[from][to] + 1;
        w->last_at[from][to] = at;
    }
    packet_post(w, at, from, to, p);
}

/* What is in the link is lost, and both ends get to know. */
void world_link_reset(struct world *w, uint32_t a, uint32_t b)
{
    w->tally.resets++;
    for (int i = 0; i < 2; i++) {
        uint32_t n = i ? a : b, other = i ? b : a;
        w->link[n][other]++;
        if (!w->nodes[n].alive)
            continue;
        usec_t down = below(w, 3000), up = down + 1 + below(w, 3000);
        world_post_to(w, down, EVENT_LINK, n)->a = other;
        struct event *e = world_post_to(w, up, EVENT_LINK, n);
        e->a = other;
        e->b = true;
    }
}

void world_wake(struct world *w, struct node *n)
{
    size_t len = w->heap_len;
    usec_t until = n->paused_until;
    n->paused_until = 0;
    if (until <= w->now)
        return;
    w->heap_len = 0;
    for (size_t i = 0; i < len; i++) {
        struct event e = w->heap[i];
        bool waited = (e.kind == EVENT_PACKET || e.kind == EVENT_LINK) && e.to == n->number;
        if (waited && e.at == until)
            e.at = w->now;
        heap_add(w, &e);
    }
}

/* --- one event -------------------------------------------------------------------------------- */

static void node_turn_of(struct world *w, struct event *e)
{
    struct node *n = &w->nodes[e->to];
    if (!n->alive || n->process != e->process)
        return;
    if (n->paused_until > w->now) { /* it gets it when it wakes up */
        e->at = n->paused_until;
        heap_add(w, e);
        e->data = NULL;
        e->kind = EVENT_TICK; /* nothing to free */
        return;
    }
    const struct packet *p = e->data;
    if (e->kind == EVENT_PACKET && p->link != w->link[e->from][e->to] && p->kind != PACKET_BEACON)
        return;
    if (e->kind == EVENT_PACKET && w->cut[e->from][e->to])
        return;
    node_event(n, e);
    node_turn(n);
}

static void event_do(struct world *w, struct event *e)
{
    switch (e->kind) {
    case EVENT_CLIENT:
        client_step(w, e->to, e->a);
        break;
    case EVENT_REPLY:
        client_reply(w, e);
        break;
    case EVENT_PROPOSAL:
        control_proposal(w, e);
        break;
    case EVENT_ENTER:
        control_enter(w, e);
        break;
    case EVENT_HEARTBEAT:
        control_heartbeat(w, e);
        break;
    case EVENT_PLAN:
        control_plan(w);
        break;
    case EVENT_START:
        if (!w->nodes[e->a].alive)
            node_start(&w->nodes[e->a]);
        break;
    case EVENT_CHAOS:
        if (w->story)
            story_step(w);
        else if (!w->calm)
            chaos_step(w);
        break;
    case EVENT_HEAL:
        chaos_heal(w, e);
        break;
    default:
        node_turn_of(w, e);
    }
}

static void turn(struct world *w)
{
    struct event e = heap_take(w);
    w->now = e.at > w->now ? e.at : w->now;
    w->tally.events++;
    event_do(w, &e);
    event_free(&e);
}

/* --- one seed --------------------------------------------------------------------------------- */

enum { PATIENCE_US = 15000000, LOOK_US = 20000 };

static void begin(struct world *w)
{
    struct prng seeds = {w->seed};
    w->prng.state = prng_next(&seeds);
    if (w->story)
        story_mix(w);
    else
        mix_draw(w);
    judge_init(w);
    for (uint32_t i = 1; i <= w->mix.nodes; i++) {
        node_init(w, i);
        node_start(&w->nodes[i]);
    }
    control_init(w);
    for (unsigned i = 0; i < w->mix.clients; i++)
        client_init(w, i);
    world_post(w, 200000, EVENT_CHAOS, 0);
}

static void end(struct world *w)
{
    while (w->heap_len) {
        struct event e = heap_take(w);
        event_free(&e);
    }
    for (uint32_t i = 1; i <= w->mix.nodes; i++)
        node_release(&w->nodes[i]);
    control_release(w);
}

static void node_show(const struct node *n)
{
    const struct replica *r = &n->r;
    struct replica_view v;
    printf("# node %u: %s %u.%u epoch %u role %d phase %d last %lx acked %lx commit %lx floor "
           "%lu%s%s\n",
           n->number, n->alive ? "up" : "down", n->self.node, n->self.boot, r->epoch, r->role,
           r->phase, (unsigned long)r->history.last, (unsigned long)r->acked,
           (unsigned long)r->commit, (unsigned long)n->floor, r->copying ? " copying" : "",
           r->broken ? " broken" : "");
    if (n->alive && r->set)
        printf(
            "#   ask %u adding %u tries %u target %u blocked %lu round %u synced %u cutting %u\n",
            r->set->ask, r->set->adding, r->set->tries, r->set->target,
            (unsigned long)r->set->blocked, r->set->answered, r->set->synced, r->set->cutting);
    for (unsigned i = 0; n->alive && replica_view(r, i, &v); i++)
        printf("#   %u.%u acked %lx%s%s%s\n", v.member.node, v.member.boot, (unsigned long)v.acked,
               v.in_sync ? " in sync" : "", v.joining ? " joining" : "",
               v.copying ? " copying" : "");
}

void world_run(struct world *w)
{
    const char *why = "";
    begin(w);
    while (!w->failed && w->now < w->mix.fault_us)
        turn(w);
    if (w->story && w->story->served && w->given_up)
        world_fail(w, "clients were not served");
    chaos_end(w);
    usec_t look = w->now;
    while (!w->failed) {
        turn(w);
        if (w->now < look)
            continue;
        if (judge_converged(w, &why))
            break;
        look = w->now + LOOK_US;
        if (w->now > w->calm_at + PATIENCE_US)
            world_fail(w, "%s, %d s after the last fault", why, PATIENCE_US / 1000000);
    }
    if (w->trace)
        printf("# %u copies, %u in sync at least, durability %d\n", w->mix.copies,
               w->mix.min_in_sync, w->mix.durability);
    for (uint32_t i = 1; w->trace && i <= w->mix.nodes; i++)
        node_show(&w->nodes[i]);
    end(w);
}
