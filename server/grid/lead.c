/* lead.c - the executor: what control/plan.h says, one plan at a time. The next is made when the
 * entries of the last are applied, so nothing is proposed twice; whatever is lost with a leader,
 * the next one plans anew from the state. */
#include "base/alloc.h"
#include "grid/parts_priv.h"

#include <stdlib.h>

enum { PLAN_SOON_MS = 20, TRANSFER_AGAIN_MS = 1000 };

/* C9: a node whose link closed before this one led is waited for as one whose link closes now, from
 * then on; but for two beats from now at least. */
static void hints_give(struct grid_member *m)
{
    msec_t half = member_failure_timeout(m) / 2;
    msec_t least = m->now + 2 * GRID_BEAT_MS - (half < m->now ? half : m->now);
    for (size_t i = 0; i < m->peers_len; i++) {
        const struct grid_peer *p = m->peers[i];
        if (p->closed_at)
            grid_detector_hint(&m->detector, p->life, p->closed_at > least ? p->closed_at : least);
    }
}

void lead_start(struct grid_member *m)
{
    struct lead *l = xcalloc(1, sizeof *l);
    l->plan = plan_new();
    l->out = xcalloc(1, sizeof *l->out);
    l->since = m->now;
    l->plan_at = m->now;
    news_init(&l->reports, sizeof(struct plan_report), offsetof(struct plan_report, epoch));
    news_init(&l->progress, sizeof(struct plan_progress),
              offsetof(struct plan_progress, bytes_left));
    m->lead = l;
    news_of_lead(m);
    for (size_t i = 0; i < m->peers_len; i++) {
        m->peers[i]->proven = 0;
        m->peers[i]->enter_at = 0;
        m->peers[i]->refused[0] = 0;
    }
    m->self_enter_at = 0;
    lead_watch(m);
    grid_detector_start(&m->detector, m->now);
    hints_give(m);
}

void lead_stop(struct grid_member *m)
{
    struct lead *l = m->lead;
    m->lead = NULL;
    plan_free(l->plan);
    free(l->out);
    free(l->pairs);
    news_release(&l->reports);
    news_release(&l->progress);
    free(l);
    answering_end(m);
    asking_leader(m);
}

/* Whom the detector watches: all that are up, but this node. */
void lead_watch(struct grid_member *m)
{
    struct replica_member *list = xcalloc(m->state->nodes_len + 1, sizeof *list);
    size_t len = 0;
    for (size_t i = 0; i < m->state->nodes_len; i++) {
        const struct grid_node *n = &m->state->nodes[i];
        if (n->state == NODE_UP && n->number != m->self.node)
            list[len++] = (struct replica_member){n->number, n->boot};
    }
    m->detector.period = member_failure_timeout(m);
    grid_detector_set(&m->detector, list, len, m->now);
    free(list);
}

bool lead_submit(struct grid_member *m, const struct grid_command *c, uint64_t *ret_index)
{
    struct buf bytes = BUF_INIT;
    m->codec.command_encode(m->codec.ctx, c, &bytes);
    struct slice one = buf_slice(&bytes);
    uint64_t index = 0;
    bool accepted = m->lead && consensus_submit(m, &one, 1, &index) == RAFT_ACCEPTED;
    buf_release(&bytes);
    if (accepted && m->lead)
        *ret_index = index;
    return accepted && m->lead;
}

static bool known_to_stop(const struct grid_member *m, const struct grid_node *n)
{
    const struct grid_peer *p = known_by_number(m, n->number);
    return p && p->stops && p->life.boot == n->boot;
}

static size_t describe(const struct grid_member *m, struct plan_node *nodes)
{
    size_t len = 0;
    for (size_t i = 0; i < m->state->nodes_len; i++) {
        const struct grid_node *n = &m->state->nodes[i];
        if (n->state != NODE_UP)
            continue;
        struct plan_node *d = &nodes[len++];
        *d = (struct plan_node){.number = n->number};
        if (n->number == m->self.node) {
            d->heard = true;
            d->restarted = !id_eq(n->info.boot_id, m->info.boot_id);
            d->stops = m->step_down;
            continue;
        }
        const struct grid_watch *w = grid_detector_watch(&m->detector, n->number);
        const struct grid_peer *p = known_by_id(m, n->info.id);
        d->silent_ms = w ? grid_detector_silence(&m->detector, w, m->now) : 0;
        d->heard = w && w->came;
        d->stops = known_to_stop(m, n);
        d->restarted = p && entering_knock(m, p) && !id_eq(p->hello->info.boot_id, n->info.boot_id);
    }
    return len;
}

static void make_plan(struct grid_member *m)
{
    struct lead *l = m->lead;
    if (l->plan_revision != m->state->revision)
        news_purge(m);
    struct plan_node *nodes = xcalloc(m->state->nodes_len + 1, sizeof *nodes);
    struct plan_input in = {.state = m->state, .now = m->wall, .nodes = nodes};
    in.nodes_len = describe(m, nodes);
    in.reports = (const void *)l->reports.rows;
    in.reports_len = l->reports.len;
    in.progress = (const void *)l->progress.rows;
    in.progress_len = l->progress.len;
    struct plan_pair *pairs = xcalloc(l->pairs_len + 1, sizeof *pairs);
    for (size_t i = 0; i < l->pairs_len && !SABOTAGE(BLIND_TO_PAIRS); i++)
        pairs[in.pairs_len++] = (struct plan_pair){l->pairs[i].low, l->pairs[i].high};
    in.pairs = pairs;
    const struct raft_membership *members = raft_view(m->raft).members;
    in.voters = members->voters;
    in.voters_len = members->voters_len;
    in.self = m->self.node;
    plan_next(l->plan, &in, l->out);
    free(pairs);
    free(nodes);
    l->plan_revision = m->state->revision;
    l->settled = l->out->settled;
    if (!l->out->gone_len) /* else it has not looked at the copies */
        l->misplaced = l->out->misplaced;
}

static void say_asks(struct grid_member *m, const struct plan_output *out)
{
    for (size_t i = 0; i < out->asks_len; i++) {
        const struct plan_ask *a = &out->asks[i];
        if (a->primary.node == m->self.node) {
            m->ports.ask(m->ports.ctx, a);
            continue;
        }
        const struct grid_peer *p = known_by_number(m, a->primary.node);
        if (!p)
            continue;
        struct grid_message msg;
        member_message(m, &msg, GRID_MSG_ASK);
        msg.u.ask = *a;
        member_send(m, p, &msg);
    }
}

void member_on_ask(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg)
{
    (void)p;
    if (m->self.boot && replica_member_eq(msg->u.ask.primary, m->self))
        m->ports.ask(m->ports.ctx, &msg->u.ask);
}

/* What the plan says. Each submission may end the lead. */
static void carry_out(struct grid_member *m)
{
    const struct plan_output *out = m->lead->out;
    struct grid_command c = {.now = m->wall};
    say_asks(m, out);
    if (out->gone_len) {
        c.kind = GRID_GONE;
        c.u.gone.list = out->gone;
        c.u.gone.len = out->gone_len;
        (void)lead_submit(m, &c, &m->lead->plan_index);
    }
    if (m->lead && m->lead->out->parts_len) {
        c.kind = GRID_PARTS;
        c.u.parts.list = m->lead->out->parts;
        c.u.parts.len = m->lead->out->parts_len;
        (void)lead_submit(m, &c, &m->lead->plan_index);
    }
    if (m->lead && m->lead->out->moved[0]) {
        c.kind = GRID_SERVICE_MOVE;
        c.u.move = m->lead->out->move;
        (void)lead_submit(m, &c, &m->lead->plan_index);
    }
    if (m->lead)
        entering_step(m, m->lead->out->may_enter);
    if (m->lead)
        levels_step(m);
    if (m->lead)
        voters_step(m, m->lead->out->voter_add, m->lead->out->voter_drop);
}

/* All other voters that are up stop as well: so who leads does it to the end. */
bool lead_is_last(const struct grid_member *m)
{
    const struct raft_membership *members = raft_view(m->raft).members;
    unsigned up = 0, stopping = 0;
    for (unsigned i = 0; i < members->voters_len; i++) {
        const struct grid_node *n = grid_state_node(m->state, members->voters[i]);
        if (!n || n->state != NODE_UP || n->number == m->self.node)
            continue;
        up++;
        stopping += known_to_stop(m, n);
    }
    return (up && up == stopping && !SABOTAGE(HOT_POTATO)) || members->voters_len == 1;
}

/* A voter that may stay leader: two that drain or stop would hand it to and fro. 0: none. */
static uint32_t heir(const struct grid_member *m)
{
    const struct raft_membership *members = raft_view(m->raft).members;
    uint64_t most = 0;
    uint32_t best = 0;
    for (unsigned i = 0; i < members->voters_len; i++) {
        const struct grid_node *n = grid_state_node(m->state, members->voters[i]);
        struct raft_progress progress;
        bool stays = n && ((!n->draining && !known_to_stop(m, n)) || SABOTAGE(HOT_POTATO));
        bool good = stays && n->state == NODE_UP && n->number != m->self.node &&
                    raft_progress(m->raft, n->number, &progress);
        if (!good || (best && progress.match <= most))
            continue;
        best = n->number;
        most = progress.match;
    }
    return best;
}

/* Who stops hands on to anyone that does not, who drains only to one that stays. */
static void hand_on(struct grid_member *m)
{
    const struct grid_node *self = grid_state_node(m->state, m->self.node);
    bool drains = self && self->draining;
    if ((!m->step_down && !drains) || m->now < m->lead->transfer_at)
        return;
    uint32_t to = heir(m);
    m->lead->transfer_at = m->now + TRANSFER_AGAIN_MS;
    if (to || (m->step_down && !lead_is_last(m)))
        (void)consensus_transfer(m, to);
}

void lead_step(struct grid_member *m)
{
    struct lead *l = m->lead;
    if (!l)
        return;
    bool due = m->now >= l->plan_at || l->plan_revision != m->state->revision;
    if (!due || l->plan_index > raft_view(m->raft).applied)
        return;
    pairs_step(m);
    make_plan(m);
    msec_t dead = grid_detector_next(&m->detector);
    l->plan_at = m->now + PLAN_MS;
    if (dead < l->plan_at)
        l->plan_at = dead > m->now + PLAN_SOON_MS ? dead : m->now + PLAN_SOON_MS;
    carry_out(m);
    if (m->lead)
        hand_on(m);
}

msec_t lead_next(const struct grid_member *m)
{
    if (!m->lead || m->lead->plan_index > raft_view(m->raft).applied)
        return UINT64_MAX;
    return m->lead->plan_revision != m->state->revision ? m->now : m->lead->plan_at;
}
