/* shards.c - as much of the shards of a node as the control plane can see: they adopt states late,
 * wait out what was granted, serve on leases, shrink, promote, hand over, report. */
#include "tests/sim/grid/world.h"

#include "base/alloc.h"

enum { CONTEXT = 1, SHRINK_AFTER_MS = 800 };

void shards_reset(struct world *w, struct simnode *n)
{
    (void)w;
    grid_state_unref(n->state);
    n->state = NULL;
    n->self = (struct replica_member){0, 0};
    memset(n->parts, 0, sizeof n->parts);
    memset(n->finals, 0, sizeof n->finals);
}

void shards_gone(struct world *w, struct simnode *n)
{
    (void)w;
    n->self.boot = 0;
}

static uint32_t context_of(const struct grid_state *s)
{
    return s->catalog && s->catalog->contexts_len ? s->catalog->contexts[0].id : 0;
}

static bool leads(const struct simnode *n, const struct part *p)
{
    return p->config.led && n->self.boot && replica_member_eq(p->config.members[0], n->self);
}

/* All that may have led since this node last looked: whoever it is, it was granted something. */
static msec_t grants_end(const struct simnode *n, const struct grid_state *s)
{
    msec_t end = 0;
    const struct grid_leases *l = grid_member_leases(n->member);
    for (size_t i = 0; i < s->nodes_len; i++) {
        if (s->nodes[i].number == n->self.node)
            continue;
        for (uint32_t back = 0; back < 2 && back < s->nodes[i].boot; back++) {
            struct replica_member m = {s->nodes[i].number, s->nodes[i].boot - back};
            msec_t until = grid_lease_granted(l, m);
            end = until > end ? until : end;
        }
    }
    return SABOTAGE(NO_WAIT) ? 0 : end;
}

void shards_adopt(struct world *w, struct simnode *n, struct grid_state *s)
{
    if (n->run != RUNNING || (n->state && s->revision <= n->state->revision)) {
        grid_state_unref(s);
        return;
    }
    uint32_t context = context_of(s);
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct part *p = &n->parts[i];
        struct replica_config c;
        if (!grid_state_config(s, context, i, &c) || c.epoch == p->epoch)
            continue;
        bool led = leads(n, p);
        p->epoch = c.epoch;
        p->config = c;
        p->stopped = false;
        p->adding = (struct replica_member){0, 0};
        if (leads(n, p) && !led)
            p->wait = grants_end(n, s);
    }
    grid_state_unref(n->state);
    n->state = s;
    (void)w;
}

/* Whether a read would be answered now. */
bool shards_serve(const struct world *w, const struct simnode *n, unsigned partition)
{
    const struct part *p = &n->parts[partition];
    if (n->run != RUNNING || !n->state || !leads(n, p) || p->stopped)
        return false;
    msec_t now = node_clock(w, n);
    if (now < p->wait)
        return false;
    const struct grid_leases *l = grid_member_leases(n->member);
    for (unsigned i = 1; i < p->config.in_sync; i++)
        if (!grid_lease_held(l, p->config.members[i], n->state->revision, now))
            return false;
    return !p->adding.node || grid_lease_held(l, p->adding, n->state->revision, now);
}

static void change(struct world *w, struct simnode *n, unsigned i, enum part_change_kind kind,
                   struct replica_member member)
{
    struct part *p = &n->parts[i];
    struct part_change c = {.kind = kind,
                            .context = context_of(n->state),
                            .partition = i,
                            .epoch = (uint32_t)p->epoch,
                            .member = member};
    uint64_t ticket = ticket_new(w, n);
    trace(w, "node %u asks (%lu) for change %d of %u in epoch %u: %u.%u", n->index,
          (unsigned long)ticket, (int)kind, i, c.epoch, member.node, member.boot);
    w->tickets[ticket - 1].partition = i + 1;
    w->tickets[ticket - 1].epoch = p->epoch;
    if (grid_member_change(n->member, &c, UINT64_MAX, ticket) != GRID_OK) {
        w->tickets[ticket - 1].answered = true;
        return;
    }
    p->asking = true;
    p->asking_ticket = ticket;
    event_at(w, w->now, EVENT_WAKE, n->index);
    n->wake = w->now;
}

void shards_done(struct world *w, struct simnode *n, struct ticket *t, const struct grid_done *d)
{
    struct part *p = &n->parts[t->partition - 1];
    (void)w;
    if (n->run != RUNNING || p->asking_ticket != d->ticket)
        return;
    p->asking = false;
    p->asking_ticket = 0;
    if (d->err && p->epoch == t->epoch && d->err != GRID_EIN_DOUBT) {
        p->adding = (struct replica_member){0, 0};
        p->stopped = false;
    }
    if (!d->err)
        tally.promoted++;
}

void shards_ask(struct world *w, struct simnode *n, const struct plan_ask *ask)
{
    if (n->run != RUNNING || !n->state || ask->partition >= PARTITIONS)
        return;
    struct part *p = &n->parts[ask->partition];
    if (!leads(n, p) || p->epoch != ask->epoch || p->asking || p->stopped)
        return;
    p->stopped = true;
    tally.handed++;
    change(w, n, ask->partition, PART_HAND_OVER, ask->to);
}

static void tend_led(struct world *w, struct simnode *n, unsigned i)
{
    struct part *p = &n->parts[i];
    msec_t now = node_clock(w, n);
    const struct grid_leases *l = grid_member_leases(n->member);
    bool good = true;
    for (unsigned k = 1; k < p->config.in_sync; k++)
        good = good && grid_lease_held(l, p->config.members[k], n->state->revision, now);
    if (good)
        p->good_at = now;
    if (p->asking || p->stopped)
        return;
    if (!good && now > p->good_at + SHRINK_AFTER_MS) {
        for (unsigned k = 1; k < p->config.in_sync; k++)
            if (!grid_lease_held(l, p->config.members[k], n->state->revision, now)) {
                change(w, n, i, PART_SHRINK, p->config.members[k]);
                return;
            }
    }
    if (p->config.complete >= p->config.len)
        return;
    struct replica_member m = p->config.members[p->config.complete];
    struct plan_progress progress = {context_of(n->state), i, 1000};
    grid_member_progress(n->member, &progress);
    if (below(w, 4) == 0 && grid_lease_held(l, m, n->state->revision, now)) {
        p->adding = m;
        change(w, n, i, PART_PROMOTE, m);
    }
}

void shards_tick(struct world *w, struct simnode *n)
{
    if (n->run != RUNNING)
        return;
    event_at(w, w->now + 50 + below(w, 50), EVENT_SHARD, n->index);
    if (!n->state)
        return;
    check_grants(w, n);
    if (!n->self.boot)
        return;
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct part *p = &n->parts[i];
        if (leads(n, p))
            tend_led(w, n, i);
        bool member = !p->config.led && replica_config_find(&p->config, n->self) >= 0;
        if (member && p->config.epoch) {
            struct plan_report r = {context_of(n->state),   i, n->self,
                                    (uint32_t)p->epoch - 1, 7, false};
            grid_member_report(n->member, &r);
        }
    }
    event_at(w, w->now, EVENT_WAKE, n->index);
    n->wake = w->now;
}
