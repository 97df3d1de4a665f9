/* control.c - the control plane as one service that may be away: the real state machine of
 * server/control, a detector of the dead, a simple planner. What nodes ask for comes late, again,
 * or not at all. */
#include "base/alloc.h"
#include "tests/sim/replica/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPERATOR_US = 3000000 }; /* so long all may do without one, when the faults are over */

static struct node_info info_of(uint32_t number, uint32_t life)
{
    struct node_info i = {.weight = 1, .shards = 1};
    store_u32(i.id, number);
    i.id[15] = 1;
    i.boot_id[0] = (uint8_t)number;
    i.boot_id[1] = (uint8_t)life;
    i.boot_id[2] = (uint8_t)(life >> 8);
    i.boot_id[15] = 1;
    snprintf(i.name, sizeof i.name, "n%u", number);
    return i;
}

/* --- applying --------------------------------------------------------------------------------- */

static void publish_to(struct world *w, uint32_t number)
{
    struct node *n = &w->nodes[number];
    if (!n->alive || w->cut[0][number])
        return; /* it asks again */
    struct event *e = world_post_to(w, world_delay(w) + below(w, 3000), EVENT_STATE, number);
    e->data = grid_state_ref(w->control.state);
}

static void loss_allowed(struct world *w, const struct replica_config *before,
                         const struct replica_config *after)
{
    if (after->born != before->born) {
        w->tally.lost++;
        judge_loss(w, after->born, 0);
    } else if (!before->led && after->led && w->mix.durability != DURABILITY_SYNC) {
        judge_loss(w, 0, after->epoch);
    }
}

static enum grid_err control_apply(struct world *w, const struct grid_command *c)
{
    struct control *k = &w->control;
    struct grid_state *next = grid_state_copy(k->state);
    struct grid_outcome out;
    struct replica_config before = {0}, after = {0};
    bool was = grid_state_config(k->state, k->context, 0, &before);
    enum grid_err err = grid_state_apply(next, c, &out);
    if (!err && c->kind == GRID_PARTS)
        err = (enum grid_err)out.part_err[0];
    if (!out.changed) {
        grid_state_unref(next);
        return err;
    }
    grid_state_unref(k->state);
    k->state = next;
    if (was && grid_state_config(next, k->context, 0, &after))
        loss_allowed(w, &before, &after);
    bool same = before.members[0].node == after.members[0].node;
    k->returned = same && after.led && (!before.led || k->returned);
    if (w->trace && after.epoch != before.epoch) {
        printf("# %10.3f control: epoch %lu, %s", (double)w->now / 1e6, (unsigned long)after.epoch,
               after.lost  ? "lost"
               : after.led ? "led"
                           : "unled");
        for (unsigned i = 0; i < after.len; i++)
            printf("%s %u.%u",
                   i == after.in_sync    ? " |"
                   : i == after.complete ? " ||"
                                         : "",
                   after.members[i].node, after.members[i].boot);
        printf("\n");
    }
    for (uint32_t i = 1; i <= w->mix.nodes; i++)
        publish_to(w, i);
    return err;
}

bool control_config(const struct world *w, struct replica_config *ret_config)
{
    return grid_state_config(w->control.state, w->control.context, 0, ret_config);
}

struct replica_member control_member(const struct world *w, uint32_t number)
{
    const struct grid_node *g = grid_state_node(w->control.state, number);
    return (struct replica_member){number, g ? g->boot : 0};
}

static enum grid_err part_apply(struct world *w, struct part_change *p)
{
    if (RULE_OFF(EPOCH_BLIND))
        p->epoch = grid_state_epoch(w->control.state, w->control.context, 0);
    struct grid_command c = {.kind = GRID_PARTS, .now = w->now / 1000, .u.parts = {p, 1}};
    return control_apply(w, &c);
}

void control_part(struct world *w, enum part_change_kind kind, struct replica_member member)
{
    struct part_change p = {kind, w->control.context, 0,
                            grid_state_epoch(w->control.state, w->control.context, 0), member};
    (void)part_apply(w, &p);
}

void control_gone(struct world *w, const struct replica_member *list, size_t len)
{
    struct grid_command c = {.kind = GRID_GONE, .now = w->now / 1000, .u.gone = {list, len}};
    (void)control_apply(w, &c);
}

/* --- the beginning ---------------------------------------------------------------------------- */

static struct grid_state *founded[NODES_MAX + 1]; /* without any context; made once */

static struct grid_state *found(unsigned nodes)
{
    struct grid_state *s = grid_state_new();
    struct node_info founders[NODES_MAX];
    bool voters[NODES_MAX] = {false};
    uint8_t id[GRID_ID_BYTES] = "grid";
    struct grid_outcome out;
    for (uint32_t i = 0; i < nodes; i++)
        founders[i] = info_of(i + 1, 1);
    voters[0] = true;
    struct catalog *none = catalog_new_empty();
    struct grid_command c = {
        .kind = GRID_FOUND, .now = 1, .u.found = {"sim", id, founders, voters, nodes, none, 1}};
    CHECK(grid_state_apply(s, &c, &out) == GRID_OK);
    catalog_unref(none);
    return s;
}

void control_init(struct world *w)
{
    struct control *k = &w->control;
    if (!founded[w->mix.nodes])
        founded[w->mix.nodes] = found(w->mix.nodes);
    memset(k, 0, sizeof *k);
    k->state = grid_state_copy(founded[w->mix.nodes]);
    struct context_info info = {.name = "sim",
                                .partitions = 1,
                                .backups = w->mix.copies - 1,
                                .durability = w->mix.durability,
                                .min_in_sync = w->mix.min_in_sync};
    struct grid_command c = {.kind = GRID_CONTEXT_CREATE, .u.context = &info};
    struct grid_outcome out;
    CHECK(grid_state_apply(k->state, &c, &out) == GRID_OK);
    k->context = catalog_context_named(k->state->catalog, slice_str("sim"))->id;
    for (uint32_t i = 1; i <= w->mix.nodes; i++)
        publish_to(w, i);
    world_post(w, 50000, EVENT_PLAN, 0);
}

void control_release(struct world *w)
{
    grid_state_unref(w->control.state);
    w->control.state = NULL;
}

/* --- what nodes ask for ----------------------------------------------------------------------- */

static void tally_asked(struct world *w, const struct proposal *q, enum grid_err err)
{
    if (err)
        return;
    w->tally.shrinks += q->what == REPLICA_ASK_SHRINK;
    w->tally.promotes += q->what == REPLICA_ASK_PROMOTE;
    w->tally.hand_overs += q->what == REPLICA_ASK_HAND_OVER;
    w->tally.given_back += q->what == REPLICA_ASK_GIVE_BACK;
}

void control_proposal(struct world *w, struct event *e)
{
    struct proposal *q = e->data;
    bool heard = !w->cut[e->from][0] && w->now >= w->control.down_until;
    enum grid_err err = GRID_EIN_DOUBT;
    if (heard || e->b) {
        err = part_apply(w, &q->change);
        tally_asked(w, q, err);
    }
    struct node *n = &w->nodes[e->from];
    if (e->b || !n->alive || n->process != e->a)
        return; /* it was told that it is in doubt */
    usec_t delay = world_delay(w);
    if (!heard || w->cut[0][e->from] || chance(w, w->mix.lost_answer)) {
        err = GRID_EIN_DOUBT;
        w->tally.in_doubt++;
        delay += 100000 + below(w, 400000);
    }
    struct event *answer = world_post_to(w, delay, EVENT_ANSWER, e->from);
    answer->a = (uint64_t)err;
    answer->data = q;
    e->data = NULL;
}

static bool silent(const struct world *w, uint32_t number, usec_t us)
{
    return w->now > w->control.heard[number] + us;
}

/* Before it enters anew, its old life is over, and so is that of all who are not heard of. */
void control_enter(struct world *w, const struct event *e)
{
    struct control *k = &w->control;
    if (w->cut[e->from][0] || w->now < k->down_until)
        return;
    struct node *n = &w->nodes[e->from];
    if (!n->alive || n->lives != e->a)
        return;
    const struct grid_node *g = grid_state_node(k->state, e->from);
    struct node_info info = info_of(e->from, (uint32_t)e->a);
    if (g->state == NODE_UP && memcmp(g->info.boot_id, info.boot_id, GRID_ID_BYTES) != 0) {
        struct replica_member list[NODES_MAX];
        size_t len = 0;
        list[len++] = control_member(w, e->from);
        for (uint32_t i = 1; i <= w->mix.nodes; i++)
            if (i != e->from && silent(w, i, 350000))
                list[len++] = control_member(w, i);
        control_gone(w, list, len);
    }
    k->heard[e->from] = w->now;
    struct grid_command c = {.kind = GRID_ENTER, .now = w->now / 1000, .u.enter = &info};
    (void)control_apply(w, &c);
    publish_to(w, e->from);
}

/* --- the planner ------------------------------------------------------------------------------ */

static void detect(struct world *w)
{
    struct replica_member list[NODES_MAX];
    size_t len = 0;
    for (uint32_t i = 1; i <= w->mix.nodes; i++) {
        const struct grid_node *g = grid_state_node(w->control.state, i);
        if (g->state == NODE_UP && silent(w, i, FAILURE_MS * 1000))
            list[len++] = control_member(w, i);
    }
    if (len)
        control_gone(w, list, len);
}

/* R10: all that were in sync are back, and the most advanced is known. */
static void lead(struct world *w, const struct replica_config *c)
{
    const struct control *k = &w->control;
    int best = -1;
    bool all = true;
    for (int i = 0; i < c->complete; i++) {
        uint32_t node = c->members[i].node;
        bool in_sync = i < c->in_sync;
        if (!grid_state_lives(k->state, c->members[i]) ||
            !replica_member_eq(k->reports[node].member, c->members[i]) ||
            !k->reports[node].version) {
            all = all && !in_sync;
            continue;
        }
        if (best < 0 || k->reports[node].version > k->reports[c->members[best].node].version)
            best = i;
    }
    if (best < 0 || (!all && !RULE_OFF(LEAD_ANY)))
        return;
    w->tally.leads++;
    judge_led(w, c, c->members[best]);
    control_part(w, PART_LEAD, c->members[best]);
}

/* One that joins has all that it needs: it will be put into the set, and lead. */
static bool heir_comes(const struct node *n)
{
    struct replica_view v;
    for (unsigned i = 0; replica_view(&n->r, i, &v); i++)
        if (v.joining && v.acked)
            return true;
    return false;
}

/* A damaged copy that was alone, and began a new life before it had given the lead back, does not
 * know to whom. When nobody who joins can be brought on, either, an operator ends it, and has the
 * one lead that has all. */
static void operator(struct world *w, const struct replica_config *c)
{
    struct replica_member leads = {0}, bad = c->members[0];
    const struct node *n = &w->nodes[bad.node];
    if (!w->control.returned || c->in_sync != 1 || !n->silent || !replica_member_eq(n->self, bad) ||
        n->r.phase != REPLICA_SERVING || heir_comes(n))
        return;
    for (uint32_t i = 1; i <= w->mix.nodes; i++)
        if (grid_state_lives(w->control.state, control_member(w, i)) && judge_has_all(w, i))
            leads = control_member(w, i);
    if (!leads.node)
        return;
    control_gone(w, &bad, 1);
    control_part(w, PART_RECOVER, leads);
}

static bool is_member(const struct replica_config *c, uint32_t node)
{
    for (int i = 0; i < c->len; i++)
        if (c->members[i].node == node && (i < c->in_sync || i >= c->complete))
            return true;
    return false;
}

static unsigned up(const struct world *w)
{
    unsigned len = 0;
    for (uint32_t i = 1; i <= w->mix.nodes; i++)
        len += grid_state_node(w->control.state, i)->state == NODE_UP;
    return len;
}

static void join_one(struct world *w, const struct replica_config *c)
{
    uint32_t at = 1 + (uint32_t)below(w, w->mix.nodes);
    for (uint32_t i = 0; i < w->mix.nodes; i++, at = at % w->mix.nodes + 1)
        if (!is_member(c, at) && grid_state_node(w->control.state, at)->state == NODE_UP) {
            control_part(w, PART_ADD_JOINING, control_member(w, at));
            return;
        }
}

void control_plan(struct world *w)
{
    struct replica_config c;
    world_post(w, w->now + 50000, EVENT_PLAN, 0);
    if (w->now < w->control.down_until)
        return;
    detect(w);
    CHECK(control_config(w, &c));
    if (w->calm && w->now > w->calm_at + OPERATOR_US)
        operator(w, &c);
    CHECK(control_config(w, &c));
    unsigned joining = (unsigned)(c.len - c.complete), living = up(w);
    unsigned want = w->mix.copies < living ? w->mix.copies : living;
    if (c.lost && living) {
        control_part(w, PART_RESET, (struct replica_member){0});
    } else if (!c.led) {
        lead(w, &c);
    } else if (c.in_sync + joining < want &&
               (w->calm || c.complete == c.in_sync || chance(w, 100))) {
        join_one(w, &c);
    } else if (c.in_sync > w->mix.copies && (w->calm || (!w->story && chance(w, 300)))) {
        control_part(w, PART_SHRINK, c.members[1 + below(w, c.in_sync - 1u)]);
    } else if (!w->calm && joining && chance(w, 20)) {
        control_part(w, PART_DROP_JOINING, c.members[c.complete]);
    }
}

/* A sign of life; of an unled partition, how far it has got. */
void control_heartbeat(struct world *w, const struct event *e)
{
    struct control *k = &w->control;
    struct replica_member m = {e->from, (uint32_t)e->a};
    if (w->cut[e->from][0])
        return;
    const struct grid_state *has = w->nodes[e->from].state;
    if (!has || has->revision < k->state->revision)
        publish_to(w, e->from); /* what was sent was lost, or is on its way */
    if (!grid_state_lives(k->state, m))
        return;
    k->heard[e->from] = w->now;
    k->reports[e->from].member = m;
    k->reports[e->from].version = e->b;
}
