/* asking.c - proposals of this node: numbered, sent to the leader, said again until one of three
 * is sure: it was applied, it was refused, or nobody will ever tell (C8).
 *
 *   propose --> waiting --(in the window)--> sent --OUTCOME--> answered --(state is here)--> done
 *                                             ^  |
 *                                             +--+ again: silence, another leader
 *
 * What needs a higher level than the grid's is answered here: a leader of an older version could
 * not read it. The level only rises, so what is let through here is no surprise anywhere. */
#include "base/alloc.h"
#include "grid/parts_priv.h"

#include <stdlib.h>

static struct proposal *proposal_of(struct list *l)
{
    return list_entry(l, struct proposal, link);
}

static void proposal_free(struct grid_member *m, struct proposal *p)
{
    list_remove(&p->link);
    m->proposals_len--;
    buf_release(&p->bytes);
    free(p->tickets);
    free(p->outcome);
    free(p);
}

static void finish(struct grid_member *m, struct proposal *p, enum grid_err err)
{
    const struct grid_outcome *o = err == GRID_ECLOSED ? NULL : p->outcome;
    for (size_t i = 0; i < p->tickets_len; i++) {
        struct grid_done d = {.ticket = p->tickets[i], .err = err};
        if (o) {
            d.revision = p->revision;
            d.member = o->member;
            d.part_err = o->part_err;
            d.parts_len = p->parts_len;
        }
        if (o && p->changes) { /* repeated: the state knows which were made */
            d.err = p->parts_len ? (enum grid_err)o->part_err[i] : GRID_EIN_DOUBT;
            d.parts_len = 0;
        }
        d.why = o && o->why[0] ? o->why : d.err ? err_text(d.err) : "";
        m->ports.done(m->ports.ctx, &d);
    }
    proposal_free(m, p);
}

static struct proposal *add(struct grid_member *m, struct grid_command *c, msec_t deadline,
                            size_t tickets)
{
    struct proposal *p = xcalloc(1, sizeof *p);
    c->session = m->session;
    c->number = p->number = ++m->number_next;
    c->now = m->wall;
    m->codec.command_encode(m->codec.ctx, c, &p->bytes);
    p->deadline = deadline;
    p->tickets = xcalloc(tickets, sizeof *p->tickets);
    p->tickets_len = tickets;
    list_push_back(&m->proposals, &p->link);
    m->proposals_len++;
    return p;
}

enum grid_err grid_member_propose(struct grid_member *m, const struct grid_command *c,
                                  msec_t deadline, uint64_t ticket)
{
    if (m->proposals_len + m->changes_len >= GRID_PROPOSALS_MAX)
        return GRID_EBUSY;
    struct grid_command copy = *c;
    struct grid_outcome *refused = xcalloc(1, sizeof *refused);
    struct proposal *p = add(m, &copy, deadline, 1);
    p->tickets[0] = ticket;
    p->answered = levels_refuse(m, m->state, c, refused);
    if (p->answered)
        p->outcome = refused;
    else
        free(refused);
    m->submit_wanted = true;
    return GRID_OK;
}

enum grid_err grid_member_change(struct grid_member *m, const struct part_change *change,
                                 msec_t deadline, uint64_t ticket)
{
    if (m->proposals_len + m->changes_len >= GRID_PROPOSALS_MAX)
        return GRID_EBUSY;
    if (m->changes_len == m->changes_cap) {
        m->changes_cap = m->changes_cap ? m->changes_cap * 2 : 64;
        m->changes = xrealloc(m->changes, m->changes_cap, sizeof *m->changes);
    }
    m->changes[m->changes_len++] = (struct change_wait){*change, deadline, ticket};
    m->submit_wanted = true;
    return GRID_OK;
}

static void changes_flush(struct grid_member *m)
{
    struct part_change list[GRID_PARTS_MAX];
    for (size_t at = 0; at < m->changes_len;) {
        size_t len = m->changes_len - at < GRID_PARTS_MAX ? m->changes_len - at : GRID_PARTS_MAX;
        msec_t deadline = 0;
        for (size_t i = 0; i < len; i++) {
            list[i] = m->changes[at + i].change;
            if (m->changes[at + i].deadline > deadline)
                deadline = m->changes[at + i].deadline;
        }
        struct grid_command c = {.kind = GRID_PARTS};
        c.u.parts.list = list;
        c.u.parts.len = len;
        struct proposal *p = add(m, &c, deadline, len);
        p->changes = true;
        for (size_t i = 0; i < len; i++)
            p->tickets[i] = m->changes[at + i].ticket;
        at += len;
    }
    m->changes_len = 0;
}

static void send_one(struct grid_member *m, struct proposal *p)
{
    if (m->lead) {
        p->sent = m->now;
        answering_take(m, m->info.id, m->session, p->number, buf_slice(&p->bytes));
        return;
    }
    const struct grid_peer *leader = known_by_number(m, m->leader);
    if (!leader)
        return;
    p->sent = m->now;
    struct grid_message msg;
    member_message(m, &msg, GRID_MSG_PROPOSE);
    msg.u.propose.session = m->session;
    msg.u.propose.number = p->number;
    msg.u.propose.command = buf_slice(&p->bytes);
    member_send(m, leader, &msg);
}

void asking_step(struct grid_member *m)
{
    changes_flush(m);
    asking_published(m);
    list_for_each_safe (it, &m->proposals) {
        struct proposal *p = proposal_of(it);
        if (!p->answered && p->deadline <= m->now)
            finish(m, p, GRID_EIN_DOUBT);
    }
    uint64_t first = 0;
    list_for_each (it, &m->proposals) {
        struct proposal *p = proposal_of(it);
        if (p->answered)
            continue;
        first = first ? first : p->number;
        if (p->number >= first + GRID_SESSION_WINDOW)
            break;
        if (!p->sent || m->now >= p->sent + RESEND_MS)
            send_one(m, p);
    }
}

msec_t asking_next(const struct grid_member *m)
{
    msec_t next = UINT64_MAX;
    uint64_t first = 0;
    for (struct list *it = m->proposals.next; it != &m->proposals; it = it->next) {
        const struct proposal *p = proposal_of(it);
        if (p->answered)
            continue;
        first = first ? first : p->number;
        msec_t at = p->deadline;
        if (p->number < first + GRID_SESSION_WINDOW && p->sent && p->sent + RESEND_MS < at)
            at = p->sent + RESEND_MS;
        next = at < next ? at : next;
        if (p->number > first + GRID_SESSION_WINDOW)
            break; /* their deadlines are looked at when they come near */
    }
    return next;
}

void asking_leader(struct grid_member *m)
{
    list_for_each (it, &m->proposals)
        proposal_of(it)->sent = 0;
    m->submit_wanted = true;
}

void asking_outcome(struct grid_member *m, uint64_t number, uint64_t revision,
                    const struct grid_outcome *o, size_t parts_len)
{
    list_for_each (it, &m->proposals) {
        struct proposal *p = proposal_of(it);
        if (p->number != number)
            continue;
        if (p->answered)
            return;
        p->answered = true;
        p->outcome = xcalloc(1, sizeof *p->outcome);
        *p->outcome = *o;
        p->parts_len = o->repeated || (p->changes && parts_len != p->tickets_len) ? 0 : parts_len;
        p->revision = revision;
        m->submit_wanted = true;
        asking_published(m);
        return;
    }
}

/* Outcomes are told when the state that shows them is here. */
void asking_published(struct grid_member *m)
{
    list_for_each_safe (it, &m->proposals) {
        struct proposal *p = proposal_of(it);
        bool shown = p->revision <= m->state->revision && !m->newer;
        if (p->answered && (shown || SABOTAGE(EARLY_DONE)))
            finish(m, p, p->outcome->err);
    }
}

void member_on_answer(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg)
{
    const struct grid_answer *a = &msg->u.answer;
    (void)p;
    if (a->session == m->session && a->parts_len <= GRID_PARTS_MAX)
        asking_outcome(m, a->number, a->revision, a->outcome, a->parts_len);
}

void asking_end(struct grid_member *m)
{
    changes_flush(m);
    while (!list_empty(&m->proposals))
        finish(m, proposal_of(m->proposals.next), GRID_ECLOSED);
    free(m->changes);
}
