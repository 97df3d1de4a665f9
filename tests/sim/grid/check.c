/* check.c - what must hold whatever happens, judged from outside. */
#include "tests/sim/grid/world.h"

#include "control/level.h"

#include <stdio.h>

static uint64_t mix_in(uint64_t h, uint64_t v)
{
    struct prng p = {h ^ v * 0xff51afd7ed558ccdu};
    return prng_next(&p);
}

static uint64_t mix_bytes(uint64_t h, const void *data, size_t len)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return mix_in(h, len);
}

/* All that followers see. What voters remember besides is not in it. */
static uint64_t digest_of(const struct grid_state *s)
{
    uint64_t h = mix_in(s->revision, s->catalog->revision);
    h = mix_bytes(h, s->grid_id, GRID_ID_BYTES);
    h = mix_in(h, s->node_next);
    h = mix_in(h, s->level << 8 | s->catalog->modules_len);
    for (size_t i = 0; i < s->nodes_len; i++) {
        const struct grid_node *n = &s->nodes[i];
        h = mix_in(h, (uint64_t)n->number << 32 | n->boot);
        h = mix_bytes(h, n->info.id, GRID_ID_BYTES);
        h = mix_bytes(h, n->info.boot_id, GRID_ID_BYTES);
        if (s->level > GRID_LEVEL_FIRST) /* until then older nodes may have left it out */
            h = mix_in(h, n->info.level);
        h = mix_in(h, (uint64_t)n->state << 2 | (uint64_t)n->draining << 1 | n->voter);
    }
    for (size_t i = 0; i < s->catalog->contexts_len; i++)
        h = mix_in(h, s->catalog->contexts[i].caches_len);
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct replica_config c;
        if (!grid_state_config(s, s->catalog->contexts[0].id, i, &c))
            continue;
        h = mix_in(h, c.epoch << 8 | (uint64_t)c.led << 1 | c.lost);
        h = mix_in(h, (uint64_t)c.in_sync << 16 | (uint64_t)c.complete << 8 | c.len);
        for (unsigned k = 0; k < c.len; k++)
            h = mix_in(h, (uint64_t)c.members[k].node << 32 | c.members[k].boot);
    }
    return h ? h : 1;
}

static void check_boots(struct world *w, const struct grid_state *s)
{
    for (size_t i = 0; i < s->nodes_len; i++) {
        const struct grid_node *n = &s->nodes[i];
        if (n->number > NODES)
            continue;
        uint32_t over = n->state == NODE_UP ? n->boot - 1 : n->boot;
        if (over > w->gone[n->number]) {
            tally.gone++;
            w->gone[n->number] = over;
            w->gone_revision[n->number] = s->revision;
            if (w->on_gone)
                w->on_gone(w, n->number);
        }
    }
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct replica_member m = grid_state_primary(s, s->catalog->contexts[0].id, i);
        if (m.node && m.node <= NODES && m.boot <= w->gone[m.node] &&
            s->revision >= w->gone_revision[m.node])
            world_fail(w, "partition %u is led by %u.%u, whose boot is over", i, m.node, m.boot);
    }
}

/* Whoever is in the grid knows its level, which never falls. */
static void check_level(struct world *w, const struct grid_state *s)
{
    if (s->level < w->level)
        world_fail(w, "the level falls from %u to %u", w->level, s->level);
    w->level = s->level;
    for (unsigned i = 0; i < w->nodes_len; i++) {
        const struct simnode *n = &w->nodes[i];
        const struct grid_node *k = grid_state_node_by_id(s, n->info.id);
        if (k && memcmp(k->info.boot_id, n->info.boot_id, GRID_ID_BYTES) == 0 &&
            n->info.level < s->level)
            world_fail(w, "node %u is in a grid of level %u and knows %u", i, s->level,
                       n->info.level);
    }
}

/* Who was made older again, or was removed, may meet what it cannot read; nobody else. */
void check_broken(struct world *w, struct simnode *n, const char *why)
{
    bool newer = strstr(why, err_text(GRID_ENEWER)) != NULL;
    bool removed = n->removed;
    for (unsigned i = 0; i < w->nodes_len && !removed; i++)
        removed = w->nodes[i].run == RUNNING && w->nodes[i].member &&
                  grid_state_removed(grid_member_state(w->nodes[i].member), n->info.id);
    if (!newer || (n->known <= n->info.level && !removed))
        world_fail(w, "node %u: %s", n->index, why);
    n->broken = true;
    tally.broken++;
}

void check_published(struct world *w, struct simnode *n, const struct grid_state *s)
{
    if (s->revision >= REVISIONS)
        return;
    if (!n->disk.identity.number)
        world_fail(w, "node %u goes by a state of a grid that its disk does not know", n->index);
    if (w->founded && memcmp(w->grid_id, s->grid_id, GRID_ID_BYTES) != 0)
        world_fail(w, "node %u has the state of another grid", n->index);
    memcpy(w->grid_id, s->grid_id, GRID_ID_BYTES);
    w->founded = true;
    uint64_t digest = digest_of(s);
    uint64_t *known = &w->digest[s->revision];
    if (*known && *known != digest)
        world_fail(w, "node %u has another state of revision %lu than others", n->index,
                   (unsigned long)s->revision);
    if (!*known)
        grid_state_check(s);
    *known = digest;
    if (s->revision > w->newest) {
        w->newest = s->revision;
        check_boots(w, s);
        check_level(w, s);
    }
}

void check_identity(struct world *w, struct simnode *n)
{
    const uint8_t *id = n->disk.identity.grid_id;
    static const uint8_t none[GRID_ID_BYTES];
    if (memcmp(id, none, GRID_ID_BYTES) == 0)
        return;
    if (w->founded && memcmp(w->grid_id, id, GRID_ID_BYTES) != 0)
        world_fail(w, "node %u is of a second grid", n->index);
    memcpy(w->grid_id, id, GRID_ID_BYTES);
    w->founded = true;
}

void check_leaders(struct world *w, struct simnode *n)
{
    struct grid_member_status s;
    if (below(w, 16) == 0)
        grid_member_check(n->member);
    grid_member_status(n->member, node_clock(w, n), &s);
    if (!s.leads || s.term >= TERMS)
        return;
    uint8_t *who = &w->leader_of[s.term];
    if (*who && *who != n->index + 1)
        world_fail(w, "nodes %u and %u lead term %lu", *who - 1, n->index, (unsigned long)s.term);
    if (!*who)
        trace(w, "node %u leads term %lu", n->index, (unsigned long)s.term);
    *who = (uint8_t)(n->index + 1);
}

/* R7: at no moment would two nodes answer a read of one partition. */
void check_reads(struct world *w)
{
    for (unsigned i = 0; i < PARTITIONS; i++) {
        struct simnode *first = NULL;
        for (unsigned k = 0; k < w->nodes_len; k++) {
            struct simnode *n = &w->nodes[k];
            if (!shards_serve(w, n, i))
                continue;
            if (first)
                world_fail(w, "nodes %u (epoch %lu) and %u (epoch %lu) answer reads of %u",
                           first->index, (unsigned long)first->parts[i].epoch, n->index,
                           (unsigned long)n->parts[i].epoch, i);
            first = n;
        }
    }
}

static msec_t granted(const struct simnode *n, uint32_t number, uint32_t from, uint32_t to)
{
    msec_t until = 0;
    for (uint32_t boot = from; boot && boot <= to; boot++) {
        struct replica_member life = {number, boot};
        msec_t one = grid_lease_granted(grid_member_leases(n->member), life);
        until = one > until ? one : until;
    }
    return until;
}

/* R7: once a state says that a life is over, what was granted to it is final. (Once a later life is
 * granted something, the table keeps one time for all earlier ones: no use looking then.) */
void check_grants(struct world *w, struct simnode *n)
{
    const struct grid_state *s = n->state;
    for (size_t i = 0; i < s->nodes_len; i++) {
        const struct grid_node *k = &s->nodes[i];
        msec_t none = granted(n, NODES + 1, 1, 1);
        if (k->number > NODES || k->state == NODE_UP ||
            granted(n, k->number, k->boot + 1, k->boot + 5) > none)
            continue;
        struct final *f = &n->finals[k->number];
        msec_t until = granted(n, k->number, k->boot, k->boot);
        if (f->boot == k->boot && until > f->until)
            world_fail(w, "node %u grants to %u.%u, whose boot is over", n->index, k->number,
                       k->boot);
        *f = (struct final){k->boot, until};
    }
}

/* --- at the end ------------------------------------------------------------------------------- */

static const char *all_partitions(const struct grid_state *s)
{
    static char why[160];
    struct grid_summary sum;
    grid_state_summary(s, &sum);
    if (!sum.unled && !sum.lost && !sum.short_of_copies)
        return NULL;
    snprintf(why, sizeof why, "of %lu partitions %lu unled, %lu lost, %lu short of copies",
             (unsigned long)sum.partitions, (unsigned long)sum.unled, (unsigned long)sum.lost,
             (unsigned long)sum.short_of_copies);
    return why;
}

bool world_converged(struct world *w, const char **ret_why)
{
    static char why[400];
    const struct simnode *leader = NULL;
    *ret_why = why;
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct simnode *n = &w->nodes[i];
        if (n->removed || n->stays_down)
            continue;
        struct grid_member_status s;
        snprintf(why, sizeof why, "node %u does not run", i);
        if (n->run != RUNNING)
            return false;
        grid_member_status(n->member, node_clock(w, n), &s);
        snprintf(why, sizeof why, "node %u is not in: phase %d, %s", i, (int)s.phase, s.why);
        if (s.phase != GRID_IN)
            return false;
        snprintf(why, sizeof why, "nodes %u and %u lead", i, leader ? leader->index : 0);
        if (s.leads && leader)
            return false;
        leader = s.leads ? n : leader;
    }
    snprintf(why, sizeof why, "nobody leads");
    if (!leader)
        return false;
    const struct grid_state *state = grid_member_state(leader->member);
    uint32_t level = GRID_LEVEL;
    for (unsigned i = 0; i < w->nodes_len; i++)
        if (!w->nodes[i].removed && w->nodes[i].info.level < level)
            level = w->nodes[i].info.level;
    snprintf(why, sizeof why, "the level of the grid is %u, and should be %u", state->level, level);
    if (state->level != level)
        return false;
    for (unsigned i = 0; i < w->nodes_len; i++) {
        const struct simnode *n = &w->nodes[i];
        snprintf(why, sizeof why, "node %u lags behind", i);
        if (!n->removed && !n->stays_down &&
            grid_member_state(n->member)->revision != state->revision)
            return false;
    }
    *ret_why = all_partitions(state);
    if (*ret_why)
        return false;
    for (size_t i = 0; i < w->tickets_len; i++) {
        snprintf(why, sizeof why, "proposal %zu of node %u was not answered (partition %d)", i + 1,
                 w->tickets[i].node, (int)w->tickets[i].partition - 1);
        *ret_why = why;
        if (!w->tickets[i].answered)
            return false;
    }
    return true;
}
