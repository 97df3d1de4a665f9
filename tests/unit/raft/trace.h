/* trace.h - a few engines, their disks and the messages between them, in the hands of a test: it
 * says who hears whom, whose disk stands still, and when time passes. */
#ifndef GRIDD_TESTS_UNIT_RAFT_TRACE_H
#define GRIDD_TESTS_UNIT_RAFT_TRACE_H

#include "base/alloc.h"
#include "raft/raft.h"
#include "tests/lib/unit.h"

#include <stdio.h>

enum { TRACE_NODES = 9, TRACE_LOG = 512, TRACE_QUEUE = 4096 };

struct trace_disk {
    uint64_t term;
    uint32_t vote;
    struct raft_snapshot snapshot;
    struct raft_entry log[TRACE_LOG]; /* ascending indexes */
    size_t len;
};

struct trace_node {
    struct raft *raft; /* NULL: down */
    struct trace_disk disk;
    bool disk_stands; /* writes are asked for, and not done */
    struct raft_persist waiting[64];
    unsigned waiting_len;
    char state[4096]; /* commands applied, one word each */
    uint64_t applied;
    uint64_t reads[64], failed[64];
    unsigned reads_len, failed_len;
    struct raft_update last; /* what it points at is over */
    uint64_t seed;
    msec_t ahead; /* its clock, of the others */
};

struct trace {
    struct trace_node nodes[TRACE_NODES + 1];    /* by number */
    bool deaf[TRACE_NODES + 1][TRACE_NODES + 1]; /* [from][to] */
    struct raft_message queue[TRACE_QUEUE];
    unsigned head, tail;
    msec_t now;
    struct raft_conf conf;
    unsigned sent[RAFT_MESSAGE_TIMEOUT_NOW + 1];
};

/* What a test makes lives until its process ends (Check runs each in one of its own); it can be
 * reached from here, so that a leak of the engine is the only one. */
struct trace_block {
    struct trace_block *next;
    max_align_t bytes[];
};
static struct trace_block *trace_blocks;

static void *trace_keep(const void *data, size_t len)
{
    struct trace_block *b = xcalloc(1, sizeof *b + len + 1);
    b->next = trace_blocks;
    trace_blocks = b;
    if (data && len)
        memcpy(b->bytes, data, len);
    return b->bytes;
}

static const struct raft_entry *trace_keep_entries(const struct raft_entry *e, size_t n)
{
    struct raft_entry *copy = trace_keep(e, n * sizeof *e);
    for (size_t i = 0; i < n; i++)
        copy[i].data = slice_make(trace_keep(e[i].data.data, e[i].data.len), e[i].data.len);
    return copy;
}

static void trace_write(struct trace_disk *d, const struct raft_persist *p)
{
    d->term = p->term;
    d->vote = p->vote;
    if (p->snapshot)
        d->snapshot = *p->snapshot;
    size_t kept = 0;
    for (size_t i = 0; i < d->len; i++)
        if (d->log[i].index > p->drop_to && (!p->cut_from || d->log[i].index < p->cut_from))
            d->log[kept++] = d->log[i];
    d->len = kept;
    for (size_t i = 0; i < p->entries_len; i++) {
        while (d->len && d->log[d->len - 1].index >= p->entries[i].index)
            d->len--;
        d->log[d->len++] = p->entries[i];
    }
}

static void trace_post(struct trace *t, const struct raft_message *m)
{
    t->sent[m->kind]++;
    if (m->to > TRACE_NODES || t->deaf[m->from][m->to])
        return;
    struct raft_message *copy = &t->queue[t->tail++ % TRACE_QUEUE];
    *copy = *m;
    copy->entries = trace_keep_entries(m->entries, m->entries_len);
    copy->data = slice_make(trace_keep(m->data.data, m->data.len), m->data.len);
    if (m->membership)
        copy->membership = trace_keep(m->membership, sizeof *m->membership);
}

static void trace_apply(struct trace_node *n, const struct raft_update *u)
{
    if (u->restore) {
        snprintf(n->state, sizeof n->state, "%.*s", (int)u->restore->data.len,
                 (const char *)u->restore->data.data);
        n->applied = u->restore->index;
    }
    for (size_t i = 0; i < u->committed_len; i++) {
        const struct raft_entry *e = &u->committed[i];
        ck_assert_uint_eq(e->index, n->applied + 1);
        n->applied = e->index;
        size_t len = strlen(n->state);
        if (e->kind == RAFT_ENTRY_COMMAND)
            snprintf(n->state + len, sizeof n->state - len, "%s%.*s", len ? " " : "",
                     (int)e->data.len, (const char *)e->data.data);
    }
    for (size_t i = 0; i < u->reads_len; i++)
        n->reads[n->reads_len++ % 64] = u->reads[i];
    for (size_t i = 0; i < u->reads_failed_len; i++)
        n->failed[n->failed_len++ % 64] = u->reads_failed[i];
}

static enum raft_refusal trace_step(struct trace *t, uint32_t id, struct raft_event ev)
{
    struct trace_node *n = &t->nodes[id];
    struct raft_update u;
    uint64_t number = 0;
    if (!n->raft)
        return RAFT_NOT_LEADER;
    ev.now = t->now + n->ahead;
    raft_step(n->raft, &ev, &u);
    raft_check(n->raft);
    if (u.persist.number) {
        struct raft_persist p = u.persist;
        p.entries = trace_keep_entries(p.entries, p.entries_len);
        if (p.snapshot) {
            struct raft_snapshot *s = trace_keep(p.snapshot, sizeof *s);
            s->data = slice_make(trace_keep(s->data.data, s->data.len), s->data.len);
            p.snapshot = s;
        }
        n->waiting[n->waiting_len++] = p;
        number = p.number;
    }
    for (size_t i = 0; i < u.messages_len; i++)
        trace_post(t, &u.messages[i]);
    trace_apply(n, &u);
    n->last = u;
    if (!number || n->disk_stands)
        return u.refused;
    for (unsigned i = 0; i < n->waiting_len; i++)
        trace_write(&n->disk, &n->waiting[i]);
    n->waiting_len = 0;
    struct raft_update kept = n->last;
    trace_step(t, id, (struct raft_event){.kind = RAFT_EVENT_PERSISTED, .written = number});
    kept.changed |= n->last.changed;
    n->last = kept;
    return u.refused;
}

/* The disk goes on; all that waits is written. */
static inline void trace_disk_goes(struct trace *t, uint32_t id)
{
    struct trace_node *n = &t->nodes[id];
    n->disk_stands = false;
    if (!n->waiting_len)
        return;
    uint64_t number = n->waiting[n->waiting_len - 1].number;
    for (unsigned i = 0; i < n->waiting_len; i++)
        trace_write(&n->disk, &n->waiting[i]);
    n->waiting_len = 0;
    trace_step(t, id, (struct raft_event){.kind = RAFT_EVENT_PERSISTED, .written = number});
}

static inline void trace_start(struct trace *t, uint32_t id)
{
    struct trace_node *n = &t->nodes[id];
    struct raft_stored stored = {n->disk.term, n->disk.vote, n->disk.snapshot, n->disk.log,
                                 n->disk.len};
    t->conf.self = id;
    t->conf.seed = ++n->seed * 1000 + id;
    ck_assert_int_eq(raft_new(&t->conf, &stored, t->now + n->ahead, &n->raft), GRID_OK);
    n->applied = n->disk.snapshot.index;
    snprintf(n->state, sizeof n->state, "%.*s", (int)n->disk.snapshot.data.len,
             n->disk.snapshot.data.data ? (const char *)n->disk.snapshot.data.data : "");
}

/* What was not written is lost. */
static inline void trace_crash(struct trace *t, uint32_t id)
{
    raft_free(t->nodes[id].raft);
    t->nodes[id].raft = NULL;
    t->nodes[id].waiting_len = 0;
    t->nodes[id].disk_stands = false;
}

/* Nodes 1..voters, founded with an empty state; the others are empty, and down. */
static struct trace *trace_new_conf(unsigned voters, struct raft_conf conf)
{
    struct trace *t = trace_keep(NULL, sizeof *t);
    struct raft_membership m = {0};
    struct raft_stored stored;
    t->conf = conf;
    t->now = 1000;
    for (uint32_t id = 1; id <= voters; id++)
        ck_assert(raft_membership_add_voter(&m, id));
    raft_found(&m, slice_make("", 0), &stored);
    for (uint32_t id = 1; id <= voters; id++) {
        t->nodes[id].disk.term = stored.term;
        t->nodes[id].disk.snapshot = stored.snapshot;
        trace_start(t, id);
    }
    return t;
}

static inline struct trace *trace_new(unsigned voters)
{
    return trace_new_conf(voters, (struct raft_conf){0});
}

/* The oldest message on its way arrives. False: there is none. */
static inline bool trace_deliver(struct trace *t)
{
    if (t->head == t->tail)
        return false;
    struct raft_message m = t->queue[t->head++ % TRACE_QUEUE];
    if (!t->deaf[m.from][m.to])
        trace_step(t, m.to, (struct raft_event){.kind = RAFT_EVENT_RECEIVE, .message = &m});
    return true;
}

static inline void trace_settle(struct trace *t)
{
    while (trace_deliver(t))
        continue;
}

/* Time passes for all that live, messages arrive at once. */
static inline void trace_pass(struct trace *t, unsigned ms)
{
    for (unsigned i = 0; i < ms; i += 10) {
        t->now += 10;
        for (uint32_t id = 1; id <= TRACE_NODES; id++)
            trace_step(t, id, (struct raft_event){.kind = RAFT_EVENT_TICK});
        trace_settle(t);
    }
}

static inline struct raft_view trace_view(const struct trace *t, uint32_t id)
{
    ck_assert_ptr_nonnull(t->nodes[id].raft);
    return raft_view(t->nodes[id].raft);
}

/* A leader was not heard for long enough to vote, and one node's patience ends. */
static inline void trace_stand(struct trace *t, uint32_t id)
{
    t->now += 400;
    t->nodes[id].ahead += 500;
    trace_step(t, id, (struct raft_event){.kind = RAFT_EVENT_TICK});
}

static inline void trace_elect(struct trace *t, uint32_t id)
{
    for (int i = 0; i < 3 && trace_view(t, id).role != RAFT_LEADER; i++) {
        trace_stand(t, id);
        trace_settle(t);
    }
    ck_assert_int_eq(trace_view(t, id).role, RAFT_LEADER);
}

static inline uint32_t trace_leader(const struct trace *t)
{
    uint32_t leader = 0;
    uint64_t term = 0;
    for (uint32_t id = 1; id <= TRACE_NODES; id++) {
        if (!t->nodes[id].raft)
            continue;
        struct raft_view v = raft_view(t->nodes[id].raft);
        if (v.role == RAFT_LEADER && v.term > term)
            leader = id, term = v.term;
    }
    return leader;
}

static inline enum raft_refusal trace_submit(struct trace *t, uint32_t id, const char *word)
{
    struct slice command = slice_str(word);
    return trace_step(
        t, id,
        (struct raft_event){.kind = RAFT_EVENT_SUBMIT, .commands = &command, .commands_len = 1});
}

static inline enum raft_refusal trace_change(struct trace *t, uint32_t id, enum raft_change_op op,
                                             uint32_t node)
{
    return trace_step(t, id,
                      (struct raft_event){.kind = RAFT_EVENT_CHANGE, .change = op, .node = node});
}

static inline void trace_snapshot(struct trace *t, uint32_t id)
{
    struct trace_node *n = &t->nodes[id];
    trace_step(t, id,
               (struct raft_event){.kind = RAFT_EVENT_SNAPSHOT_MADE,
                                   .index = n->applied,
                                   .data = slice_str(n->state)});
}

/* Nobody of the one side hears anyone of the other; sides are bits, 1 << number. */
static inline void trace_cut(struct trace *t, unsigned side)
{
    for (unsigned a = 1; a <= TRACE_NODES; a++)
        for (unsigned b = 1; b <= TRACE_NODES; b++)
            t->deaf[a][b] = (side >> a & 1) != (side >> b & 1);
}

static inline void trace_heal(struct trace *t)
{
    memset(t->deaf, 0, sizeof t->deaf);
}

/* A message made up by the test. */
static inline void trace_receive(struct trace *t, struct raft_message m)
{
    trace_step(t, m.to, (struct raft_event){.kind = RAFT_EVENT_RECEIVE, .message = &m});
}

/* The newest message of a kind that a node sent, still on its way; NULL: none. */
static inline const struct raft_message *trace_sent(const struct trace *t, uint32_t from,
                                                    enum raft_message_kind kind)
{
    for (unsigned i = t->tail; i != t->head; i--) {
        const struct raft_message *m = &t->queue[(i - 1) % TRACE_QUEUE];
        if (m->from == from && m->kind == kind)
            return m;
    }
    return NULL;
}

#define ck_state(t, id, words) ck_assert_str_eq((t)->nodes[id].state, words)
#define ck_role(t, id, what) ck_assert_int_eq(trace_view(t, id).role, what)

#endif
