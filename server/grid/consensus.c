/* consensus.c - raft of this node: events in, and what it wants done. Entries are commands; they
 * are applied here, on whoever takes part, and nowhere else. */
#include "base/alloc.h"
#include "grid/parts_priv.h"

#include <stdlib.h>

void consensus_persist(struct grid_member *m, bool identity, const struct raft_persist *write)
{
    struct job j = {.job = ++m->job_last, .identity = identity, .as = m->identity};
    j.write = write && m->raft ? write->number : 0;
    m->jobs = xrealloc(m->jobs, m->jobs_len + 1, sizeof *m->jobs);
    m->jobs[m->jobs_len++] = j;
    struct grid_persist p = {
        .job = j.job, .identity = identity ? &m->identity : NULL, .raft = write};
    m->ports.persist(m->ports.ctx, &p);
}

bool consensus_takes_part(const struct grid_member *m)
{
    if (!m->raft)
        return false;
    const struct raft_membership *members = raft_view(m->raft).members;
    return raft_is_voter(members, m->self.node) || raft_is_learner(members, m->self.node);
}

static void broken(struct grid_member *m, const char *what, enum grid_err err)
{
    member_why(m, "%s: %s%s", what, err_text(err),
               err == GRID_ENEWER ? "; start a newer version of gridd" : "");
    member_notice(m, GRID_NOTICE_BROKEN, m->why);
}

static bool restore(struct grid_member *m, struct slice data)
{
    struct grid_state *s;
    enum grid_err err = m->codec.state_decode(m->codec.ctx, data, &s);
    if (err) {
        broken(m, "a snapshot of the control log cannot be read", err);
        return false;
    }
    grid_state_unref(m->applied);
    m->applied = s;
    return true;
}

static void apply_entry(struct grid_member *m, struct grid_state *working,
                        const struct raft_entry *e, struct grid_outcome *outcome)
{
    struct grid_command c;
    enum grid_err err = m->codec.command_decode(m->codec.ctx, e->data, &c);
    if (err) {
        broken(m, "an entry of the control log cannot be read", err);
        return;
    }
    (void)grid_state_apply(working, &c, outcome);
    if (outcome->changed)
        m->codec.tail_add(m->tail, working->revision, e->data);
    answering_applied(m, &c, working->revision, outcome);
    entering_applied(m, &c, outcome);
    m->codec.command_release(m->codec.ctx, &c);
}

static void apply(struct grid_member *m, const struct raft_update *u)
{
    bool restored = u->restore && restore(m, u->restore->data);
    struct grid_state *working = u->committed_len ? grid_state_copy(m->applied) : NULL;
    struct grid_outcome *outcome = working ? xcalloc(1, sizeof *outcome) : NULL;
    for (size_t i = 0; i < u->committed_len; i++)
        if (u->committed[i].kind == RAFT_ENTRY_COMMAND)
            apply_entry(m, working, &u->committed[i], outcome);
    free(outcome);
    if (working) {
        grid_state_unref(m->applied);
        m->applied = working;
    }
    if (working || restored)
        publish_take(m, grid_state_ref(m->applied));
}

static void role(struct grid_member *m)
{
    struct raft_view v = raft_view(m->raft);
    m->leading = v.role == RAFT_LEADER;
    if (!m->leading)
        answering_end(m);
    leader_heard(m, v.term, v.leader);
    if (v.ready && !m->lead)
        lead_start(m);
    else if (!v.ready && m->lead)
        lead_stop(m);
}

static void do_update(struct grid_member *m, const struct raft_update *u)
{
    if (u->persist.number)
        consensus_persist(m, false, &u->persist);
    for (size_t i = 0; i < u->messages_len; i++) {
        const struct grid_peer *p = known_by_number(m, u->messages[i].to);
        if (!p)
            continue;
        struct grid_message msg;
        member_message(m, &msg, GRID_MSG_RAFT);
        msg.u.raft = &u->messages[i];
        member_send(m, p, &msg);
    }
    apply(m, u);
    if (u->changed || m->leading != (m->lead != NULL))
        role(m);
}

static void drive(struct grid_member *m, struct raft_event *event, struct raft_update *u)
{
    event->now = m->now;
    raft_step(m->raft, event, u);
    do_update(m, u);
    if (!u->snapshot_wanted)
        return;
    struct buf data = BUF_INIT;
    m->codec.state_encode(m->codec.ctx, m->applied, &data);
    struct raft_event made = {.kind = RAFT_EVENT_SNAPSHOT_MADE, .now = m->now};
    made.index = raft_view(m->raft).applied;
    made.data = buf_slice(&data);
    struct raft_update of_made;
    raft_step(m->raft, &made, &of_made);
    do_update(m, &of_made);
    buf_release(&data);
}

void consensus_start(struct grid_member *m, const struct raft_stored *disk)
{
    CHECK(!m->raft && m->identity.number);
    grid_state_unref(m->applied);
    m->applied = grid_state_new();
    if (disk->snapshot.index && !restore(m, disk->snapshot.data))
        return;
    struct raft_conf conf = {.self = m->identity.number, .seed = prng_next(&m->prng[0])};
    enum grid_err err = raft_new(&conf, disk, m->now, &m->raft);
    if (err) {
        m->raft = NULL;
        broken(m, "the control log cannot be read", err);
        return;
    }
    if (grid_state_founded(m->applied))
        publish_take(m, grid_state_ref(m->applied));
    role(m);
}

void consensus_tick(struct grid_member *m)
{
    if (!m->raft || m->now < raft_view(m->raft).wake)
        return;
    struct raft_event event = {.kind = RAFT_EVENT_TICK};
    struct raft_update u;
    drive(m, &event, &u);
}

void consensus_persisted(struct grid_member *m, uint64_t job)
{
    size_t done = 0;
    uint64_t write = 0;
    for (; done < m->jobs_len && m->jobs[done].job <= job; done++) {
        if (m->jobs[done].identity)
            m->stable = m->jobs[done].as;
        if (m->jobs[done].write)
            write = m->jobs[done].write;
    }
    m->jobs_len -= done;
    if (m->jobs_len)
        memmove(m->jobs, m->jobs + done, m->jobs_len * sizeof *m->jobs);
    if (m->founding && !id_is_zero(m->stable.grid_id))
        founding_on_disk(m);
    else
        founding_step(m);
    if (!write)
        return;
    struct raft_event event = {.kind = RAFT_EVENT_PERSISTED, .written = write};
    struct raft_update u;
    drive(m, &event, &u);
}

void consensus_closed(struct grid_member *m, uint32_t node)
{
    if (!m->raft || !node)
        return;
    struct raft_event event = {.kind = RAFT_EVENT_CLOSED, .node = node};
    struct raft_update u;
    drive(m, &event, &u);
}

void member_on_raft(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg)
{
    const struct raft_message *r = msg->u.raft;
    if (r->to != m->identity.number || !r->to || r->from != msg->member.node ||
        (p->number && p->number != r->from))
        return;
    p->number = r->from;
    if (!m->raft && !m->founding) { /* a leader takes this node in: it knows nothing yet */
        struct raft_stored empty;
        memset(&empty, 0, sizeof empty);
        consensus_start(m, &empty);
    }
    if (!m->raft)
        return;
    struct raft_event event = {.kind = RAFT_EVENT_RECEIVE, .message = r};
    struct raft_update u;
    drive(m, &event, &u);
}

enum raft_refusal consensus_submit(struct grid_member *m, const struct slice *commands, size_t len,
                                   uint64_t *ret_index)
{
    struct raft_event event = {
        .kind = RAFT_EVENT_SUBMIT, .commands = commands, .commands_len = len};
    struct raft_update u;
    drive(m, &event, &u);
    if (u.refused == RAFT_ACCEPTED)
        *ret_index = u.index + len - 1;
    return u.refused;
}

enum raft_refusal consensus_change(struct grid_member *m, enum raft_change_op op, uint32_t node)
{
    struct raft_event event = {.kind = RAFT_EVENT_CHANGE, .change = op, .node = node};
    struct raft_update u;
    drive(m, &event, &u);
    return u.refused;
}

enum raft_refusal consensus_transfer(struct grid_member *m, uint32_t node)
{
    struct raft_event event = {.kind = RAFT_EVENT_TRANSFER, .node = node};
    struct raft_update u;
    drive(m, &event, &u);
    return u.refused;
}
