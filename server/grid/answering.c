/* answering.c - proposals at the leader: into the log in the order they came, answered when they
 * are applied. What is asked again meanwhile is known by (session, number); what was applied
 * before is known by the state itself (C8). Who has just been elected, or hands the lead on, keeps
 * what it is asked until it may lead (again), or does not: who asked would ask much later. */
#include "base/alloc.h"
#include "grid/parts_priv.h"

#include <stdlib.h>

enum { ASKED_MAX = 16384, SUBMIT_MAX = 256 };

static struct asked *asked_of(struct list *l)
{
    return list_entry(l, struct asked, link);
}

static struct asked *find(const struct grid_member *m, uint64_t session, uint64_t number)
{
    for (struct list *it = m->asked.prev; it != &m->asked; it = it->prev) {
        struct asked *a = asked_of(it);
        if (a->session == session && a->number == number)
            return a;
    }
    return NULL;
}

static void drop(struct grid_member *m, struct asked *a)
{
    list_remove(&a->link);
    m->asked_len--;
    buf_release(&a->bytes);
    free(a);
}

static void answer(struct grid_member *m, const struct asked *a, uint64_t revision,
                   const struct grid_outcome *o, size_t parts_len)
{
    if (id_eq(a->origin, m->info.id))
        return; /* told already */
    const struct grid_peer *p = known_by_id(m, a->origin);
    if (!p)
        return;
    struct grid_message msg;
    member_message(m, &msg, GRID_MSG_OUTCOME);
    msg.u.answer.session = a->session;
    msg.u.answer.number = a->number;
    msg.u.answer.revision = revision;
    msg.u.answer.outcome = o;
    msg.u.answer.parts_len = (uint32_t)parts_len;
    member_send(m, p, &msg);
}

/* A node that knows levels asks for nothing too high (asking.c); one that does not is told. */
static bool too_high(struct grid_member *m, const uint8_t *origin, const struct grid_command *c)
{
    struct grid_outcome *o = xcalloc(1, sizeof *o);
    struct asked a = {.session = c->session, .number = c->number};
    id_copy(a.origin, origin);
    bool refused = levels_refuse(m, m->applied, c, o);
    if (refused)
        answer(m, &a, m->state->revision, o, 0);
    free(o);
    return refused;
}

/* Whether it is a command that a node may ask for, and what its message says it is. */
static bool sound(struct grid_member *m, const uint8_t *origin, uint64_t session, uint64_t number,
                  struct slice bytes)
{
    struct grid_command c;
    if (!session || !number || m->codec.command_decode(m->codec.ctx, bytes, &c) != GRID_OK)
        return false;
    bool leaders = c.kind == GRID_FOUND || c.kind == GRID_ENTER || c.kind == GRID_LEVELS;
    bool good = !leaders && c.session == session && c.number == number && !too_high(m, origin, &c);
    m->codec.command_release(m->codec.ctx, &c);
    return good;
}

void answering_take(struct grid_member *m, const uint8_t *origin, uint64_t session, uint64_t number,
                    struct slice command)
{
    if (!m->leading || m->asked_len >= ASKED_MAX || find(m, session, number) ||
        !sound(m, origin, session, number, command))
        return;
    struct asked *a = xcalloc(1, sizeof *a);
    a->session = session;
    a->number = number;
    id_copy(a->origin, origin);
    buf_add(&a->bytes, command.data, command.len);
    list_push_back(&m->asked, &a->link);
    m->asked_len++;
    m->submit_wanted = true;
}

void member_on_propose(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg)
{
    if (m->leading && grid_state_node_by_id(m->applied, p->id))
        answering_take(m, p->id, msg->u.propose.session, msg->u.propose.number,
                       msg->u.propose.command);
}

/* Those of another term may be applied yet, or not: their nodes ask again, and are told. */
static bool submit_some(struct grid_member *m)
{
    struct slice commands[SUBMIT_MAX];
    struct asked *which[SUBMIT_MAX];
    size_t len = 0;
    list_for_each (it, &m->asked) {
        struct asked *a = asked_of(it);
        if (a->submitted || len == SUBMIT_MAX)
            continue;
        which[len] = a;
        commands[len++] = buf_slice(&a->bytes);
    }
    if (!len)
        return false;
    for (size_t i = 0; i < len; i++)
        which[i]->submitted = true;
    /* the entries may be applied within the call, and `which` be gone after it */
    struct buf copy = BUF_INIT;
    for (size_t i = 0; i < len; i++)
        buf_add(&copy, commands[i].data, commands[i].len);
    const uint8_t *at = copy.data;
    for (size_t i = 0; i < len; i++) {
        commands[i].data = at;
        at += commands[i].len;
    }
    uint64_t index;
    enum raft_refusal refused = consensus_submit(m, commands, len, &index);
    buf_release(&copy);
    if (refused == RAFT_ACCEPTED)
        return len == SUBMIT_MAX;
    for (size_t i = 0; i < len && m->lead; i++) {
        which[i]->submitted = false;
        if (refused != RAFT_TRANSFERRING)
            drop(m, which[i]); /* they are asked again */
    }
    return false;
}

void answering_step(struct grid_member *m)
{
    while (m->lead && submit_some(m))
        ;
}

void answering_applied(struct grid_member *m, const struct grid_command *c, uint64_t revision,
                       const struct grid_outcome *o)
{
    if (!c->session)
        return;
    size_t parts_len = c->kind == GRID_PARTS ? c->u.parts.len : 0;
    if (c->session == m->session)
        asking_outcome(m, c->number, revision, o, parts_len);
    struct asked *a = find(m, c->session, c->number);
    if (!a || !a->submitted)
        return;
    answer(m, a, revision, o, parts_len);
    drop(m, a);
}

void answering_end(struct grid_member *m)
{
    while (!list_empty(&m->asked))
        drop(m, asked_of(m->asked.next));
}
