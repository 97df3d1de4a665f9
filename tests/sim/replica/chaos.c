/* chaos.c - what goes wrong, how likely, and that it ends. */
#include "tests/sim/replica/world.h"

#include <string.h>

/* --- a seed's mix ----------------------------------------------------------------------------- */

/* None in half of the worlds. */
static unsigned maybe(struct world *w, unsigned most)
{
    return chance(w, 500) ? 0 : 1 + (unsigned)below(w, most);
}

void mix_draw(struct world *w)
{
    static const unsigned sizes[] = {1, 2, 2, 3, 3, 3, 3, 3, 4, 5, 7};
    static const enum durability durabilities[] = {DURABILITY_SYNC, DURABILITY_SYNC,
                                                   DURABILITY_ASYNC, DURABILITY_MEMORY};
    struct mix *m = &w->mix;
    m->nodes = sizes[below(w, sizeof sizes / sizeof sizes[0])];
    m->copies = 1 + (unsigned)below(w, m->nodes < 4 ? m->nodes : 4);
    if (m->copies == 1 && m->nodes > 1 && chance(w, 700))
        m->copies = 2;
    m->min_in_sync = chance(w, 600) ? 1 : 1 + (unsigned)below(w, m->copies);
    m->clients = 1 + (unsigned)below(w, CLIENTS_MAX);
    m->durability = durabilities[below(w, 4)];
    m->fault_us = 2000000 + below(w, 4000000);
    m->chaos_us = 30000 + below(w, 150000);
    m->delay_us = 100 + below(w, chance(w, 300) ? 20000 : 2000);
    m->think_us = 4000 + below(w, 40000);
    m->disk_us = 200 + below(w, 5000);
    m->crash = maybe(w, 80);
    m->power = maybe(w, 12);
    m->pause = maybe(w, 80);
    m->suspect = maybe(w, 60);
    m->cut = maybe(w, 100);
    m->cut_control = maybe(w, 60);
    m->outage = maybe(w, 30);
    m->hand_over = maybe(w, 200);
    m->move = maybe(w, 150);
    m->slow = maybe(w, 60);
    m->trim = maybe(w, 200);
    m->loss = maybe(w, 20);
    m->repeat = maybe(w, 40);
    m->late = maybe(w, 20);
    m->lost_answer = maybe(w, 150);
    m->late_proposal = maybe(w, 150);
    m->rate = (unsigned)below(w, 100);
    m->damage = m->durability == DURABILITY_SYNC && m->copies > 1 ? maybe(w, 100) : 0;
}

/* --- what is healed later --------------------------------------------------------------------- */

enum heal { HEAL_CUT, HEAL_DISK };

static void heal_later(struct world *w, enum heal what, uint32_t a, uint32_t b, usec_t us)
{
    struct event *e = world_post(w, w->now + us, EVENT_HEAL, 0);
    e->from = what;
    e->a = a;
    e->b = b;
}

static void mend_link(struct world *w, uint32_t a, uint32_t b)
{
    w->cut[a][b] = false;
    if (a && b)
        world_link_reset(w, a, b);
}

void chaos_heal(struct world *w, const struct event *e)
{
    if (e->from == HEAL_CUT && w->cut[e->a][e->b])
        mend_link(w, (uint32_t)e->a, (uint32_t)e->b);
    else if (e->from == HEAL_DISK)
        w->nodes[e->a].disk_us = 100 + below(w, w->mix.disk_us);
}

/* --- what goes wrong -------------------------------------------------------------------------- */

static struct node *any_node(struct world *w)
{
    return &w->nodes[1 + below(w, w->mix.nodes)];
}

void chaos_cut(struct world *w, uint32_t from, uint32_t to, usec_t us)
{
    w->cut[from][to] = true;
    heal_later(w, HEAL_CUT, from, to, us);
}

static void cut(struct world *w, uint32_t a, uint32_t b)
{
    usec_t us = 50000 + below(w, chance(w, 500) ? 3000000 : 500000);
    w->tally.cuts++;
    if (!chance(w, 300))
        chaos_cut(w, a, b, us);
    if (!chance(w, 300))
        chaos_cut(w, b, a, us + below(w, 100000));
}

void chaos_crash(struct world *w, struct node *n, usec_t down)
{
    if (!n->alive)
        return;
    w->tally.crashes++;
    node_stop(n);
    world_post(w, w->now + 3000 + down, EVENT_START, 0)->a = n->number;
}

static void crash_all(struct world *w)
{
    w->tally.powers++;
    usec_t down = chance(w, 500) ? 50000 : 2000000;
    for (uint32_t i = 1; i <= w->mix.nodes; i++)
        chaos_crash(w, &w->nodes[i], below(w, down));
}

static void suspect(struct world *w, struct node *n)
{
    struct replica_member m = control_member(w, n->number);
    if (!grid_state_lives(w->control.state, m))
        return;
    w->tally.suspicions++;
    control_gone(w, &m, 1);
}

static void hand_over(struct world *w)
{
    struct replica_config c;
    if (!control_config(w, &c) || !c.led || c.in_sync < 2)
        return;
    uint32_t to = c.members[1 + below(w, c.in_sync - 1u)].node, primary = c.members[0].node;
    if (!w->nodes[primary].alive || w->cut[0][primary])
        return;
    world_post_to(w, world_delay(w), EVENT_HAND_OVER, primary)->a = to;
}

static void move(struct world *w)
{
    struct replica_config c;
    struct replica_member m = control_member(w, 1 + (uint32_t)below(w, w->mix.nodes));
    if (control_config(w, &c) && c.led && c.len <= w->mix.copies && replica_config_find(&c, m) < 0)
        control_part(w, PART_ADD_JOINING, m);
}

/* Memory and disk are short; an old part of the disk goes bad. */
static void trim(struct node *n)
{
    struct disk *d = &n->disk;
    uint64_t last = replica_last(&n->r) & SEQ_MASK,
             floor = last - below(n->w, last < 6 ? last + 1 : 6);
    if (n->alive && floor > n->floor)
        n->floor = floor;
    if (n->alive && chance(n->w, 500))
        n->gone = n->floor;
    if (d->synced > d->first && chance(n->w, 100))
        d->first += below(n->w, d->synced - d->first);
    if (d->synced > d->first && chance(n->w, 200))
        d->items[d->first + below(n->w, d->synced - d->first)].bad = true;
}

/* Of what is on all their disks, one of several good copies. */
void chaos_damage(struct world *w, uint32_t node)
{
    struct replica_config c;
    unsigned good = 0;
    if (!control_config(w, &c) || !c.led)
        return;
    for (int i = 0; i < c.in_sync; i++)
        good += c.members[i].node != node && !w->nodes[c.members[i].node].damaged;
    int at = replica_config_find(&c, control_member(w, node));
    struct node *n = &w->nodes[node];
    if (at < 0 || at >= c.in_sync || !good || !n->alive ||
        !replica_member_eq(n->self, c.members[at]))
        return;
    w->tally.damaged++;
    shard_damage(n);
}

void chaos_step(struct world *w)
{
    const struct mix *m = &w->mix;
    bool control = w->now >= w->control.down_until;
    uint32_t a = any_node(w)->number, b = any_node(w)->number;
    struct node *n = any_node(w);
    if (chance(w, m->crash))
        chaos_crash(w, n, below(w, chance(w, 500) ? 30000 : 2500000));
    if (chance(w, m->power))
        crash_all(w);
    if (chance(w, m->pause) && n->alive && n->paused_until < w->now) {
        w->tally.pauses++;
        n->paused_until = w->now + 20000 + below(w, chance(w, 500) ? 3000000 : 300000);
    }
    if (chance(w, m->suspect) && control)
        suspect(w, any_node(w));
    if (chance(w, m->cut) && a != b)
        cut(w, a, b);
    if (chance(w, m->cut_control))
        cut(w, a, 0);
    if (chance(w, m->outage) && control) {
        w->tally.outages++;
        w->control.down_until = w->now + 100000 + below(w, 2000000);
    }
    if (chance(w, m->hand_over) && control)
        hand_over(w);
    if (chance(w, m->move) && control)
        move(w);
    if (chance(w, m->slow)) {
        n->disk_us = 20000 + below(w, 500000);
        heal_later(w, HEAL_DISK, n->number, 0, below(w, 2000000));
    }
    if (chance(w, m->trim))
        trim(any_node(w));
    if (chance(w, m->damage))
        chaos_damage(w, any_node(w)->number);
    world_post(w, w->now + 1 + below(w, 2 * m->chaos_us), EVENT_CHAOS, 0);
}

void chaos_end(struct world *w)
{
    struct mix *m = &w->mix;
    w->calm = true;
    w->calm_at = w->now;
    m->mute = false;
    w->control.down_until = 0;
    m->loss = m->repeat = m->late = m->lost_answer = m->late_proposal = 0;
    for (uint32_t a = 0; a <= m->nodes; a++)
        for (uint32_t b = 0; b <= m->nodes; b++)
            if (w->cut[a][b])
                mend_link(w, a, b);
    for (uint32_t i = 1; i <= m->nodes; i++) {
        struct node *n = &w->nodes[i];
        n->disk_us = 100 + below(w, m->disk_us);
        world_wake(w, n);
        if (!n->alive)
            node_start(n);
    }
}
