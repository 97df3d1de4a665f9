/* snapshot.c - the whole state in place of the log's beginning (thesis, chapter 5).
 *
 * C6: a snapshot is one immutable object from the moment it is made or complete; who is being sent
 * one holds on to it, so its parts are never of two. One part is under way at a time. */
#include "raft/raft_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

struct snapshot *snapshot_new(uint64_t index, uint64_t term, const struct raft_membership *m,
                              struct slice data)
{
    struct snapshot *s = xcalloc(1, sizeof *s);
    uint8_t *copy = xalloc(data.len + 1);
    if (data.len)
        memcpy(copy, data.data, data.len);
    s->refs = 1;
    s->s = (struct raft_snapshot){index, term, *m, slice_make(copy, data.len)};
    return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    s->refs++;
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    if (!s || --s->refs)
        return;
    free((void *)(uintptr_t)s->s.data.data);
    free(s);
}

/* --- making ----------------------------------------------------------------------------------- */

bool snapshot_wanted(const struct raft *r)
{
    uint64_t from = snapshot_index(r);
    return !r->restore && r->applied > from &&
           (r->applied - from >= r->conf.snapshot_entries ||
            journal_bytes(&r->log, from, r->applied) >= r->conf.snapshot_bytes);
}

static void replace(struct raft *r, struct snapshot *s)
{
    snapshot_unref(r->snapshot);
    r->snapshot = s;
    r->write_snapshot = r->write_due = true;
}

/* A few entries stay behind it, so that who lags a little need not be sent the whole. */
void snapshot_made(struct raft *r, uint64_t index, struct slice data)
{
    uint64_t term;
    if (index <= snapshot_index(r) || index > r->applied || r->restore ||
        data.len > r->conf.snapshot_bytes_max)
        return;
    CHECK(journal_term(&r->log, index, &term));
    if (SABOTAGE(SNAPSHOT_TERM))
        term = r->term;
    const struct mark *mark = journal_members_at(&r->log, index); /* C5 */
    if (SABOTAGE(SNAPSHOT_MEMBERS))
        mark = journal_members(&r->log);
    replace(r, snapshot_new(index, term, &mark->membership, data));
    journal_marks_drop(&r->log, index);
    uint64_t to = index > r->conf.keep_entries ? index - r->conf.keep_entries : 0;
    while (to < index && journal_bytes(&r->log, to, index) > r->conf.snapshot_bytes)
        to++;
    if (to <= r->log.base)
        return;
    journal_drop(&r->log, to);
    r->write_drop = to;
}

/* --- sending ---------------------------------------------------------------------------------- */

void snapshot_stop(struct peer *p)
{
    snapshot_unref(p->snapshot);
    p->snapshot = NULL;
}

void snapshot_send(struct raft *r, struct peer *p)
{
    const struct raft_snapshot *s = &p->snapshot->s;
    uint64_t left = s->data.len - p->offset;
    struct raft_message *m = raft_send(r, RAFT_MESSAGE_SNAPSHOT, p->id);
    m->index = s->index;
    m->log_term = s->term;
    m->membership = &s->membership;
    m->offset = p->offset;
    m->total = s->data.len;
    m->data = slice_make(s->data.data + p->offset,
                         (size_t)(left < r->conf.chunk_bytes ? left : r->conf.chunk_bytes));
    p->sent = true;
}

void snapshot_reply(struct raft *r, const struct raft_message *m)
{
    struct peer *p = r->role == RAFT_LEADER ? lead_peer(r, m->from) : NULL;
    if (!p)
        return;
    p->heard = r->now;
    if (p->mode != PEER_SNAPSHOT || m->index != p->snapshot->s.index ||
        m->log_term != p->snapshot->s.term || m->offset > p->snapshot->s.data.len)
        return; /* of another one */
    if (m->ok) {
        uint64_t index = p->snapshot->s.index;
        snapshot_stop(p);
        p->mode = PEER_PROBE;
        lead_matched(r, p, index);
    } else if (m->offset != p->offset) {
        p->offset = m->offset;
        p->sent = m->offset == p->snapshot->s.data.len; /* then it is only being written */
    }
}

/* --- taking in -------------------------------------------------------------------------------- */

void snapshot_forget_incoming(struct raft *r)
{
    if (!r->incoming)
        return;
    buf_release(&r->incoming->data);
    free(r->incoming);
    r->incoming = NULL;
}

static struct raft_message *answer(struct raft *r, const struct raft_message *m, uint64_t offset)
{
    struct raft_message *reply = raft_send(r, RAFT_MESSAGE_SNAPSHOT_REPLY, m->from);
    reply->index = m->index;
    reply->log_term = m->log_term;
    reply->offset = offset;
    return reply;
}

/* Parts of one snapshot of one leader: two nodes' snapshots of an index may differ in bytes. */
static bool same_incoming(const struct incoming *in, const struct raft_message *m)
{
    if (!in || in->from != m->from)
        return false;
    return SABOTAGE(MIXED_PARTS) ||
           (in->index == m->index && in->term == m->log_term && in->total == m->total);
}

static void collect(struct raft *r, const struct raft_message *m)
{
    if (!same_incoming(r->incoming, m)) {
        snapshot_forget_incoming(r);
        r->incoming = xcalloc(1, sizeof *r->incoming);
        r->incoming->from = m->from;
    }
    struct incoming *in = r->incoming;
    in->index = m->index;
    in->term = m->log_term;
    in->total = m->total;
    in->membership = *m->membership;
    if (m->offset == in->data.len)
        buf_add(&in->data, m->data.data, m->data.len);
}

/* 5.3, figure 5.3, 6. to 8.: the state and the whole log give way. It is restored once on disk. */
static void install(struct raft *r)
{
    struct incoming *in = r->incoming;
    struct snapshot *s = snapshot_new(in->index, in->term, &in->membership, buf_slice(&in->data));
    snapshot_unref(r->restore);
    r->restore = snapshot_ref(s);
    r->restore_write = r->writes + 1;
    replace(r, s);
    journal_release(&r->log);
    journal_init(&r->log, in->index, in->term, r->writes + 1, &in->membership);
    r->write_cut = 1;
    r->write_from = 0;
    r->changed = true;
    raft_commit(r, in->index);
    snapshot_forget_incoming(r);
}

void snapshot_receive(struct raft *r, const struct raft_message *m)
{
    uint64_t term;
    if (r->role == RAFT_LEADER) {
        r->dropped++;
        return;
    }
    election_follow(r, r->term, m->from);
    if (m->index > r->commit && journal_term(&r->log, m->index, &term) && term == m->log_term &&
        !SABOTAGE(SNAPSHOT_OVER_ALL))
        raft_commit(r, m->index); /* 5.3: what is in the log, need not be sent */
    if (m->index <= r->commit && !SABOTAGE(SNAPSHOT_OVER_ALL)) {
        snapshot_forget_incoming(r);
        if (r->log.stable >= m->index)
            answer(r, m, 0)->ok = true;
        else
            answer(r, m, m->total);
        return;
    }
    collect(r, m);
    if (r->incoming->data.len < r->incoming->total) {
        answer(r, m, r->incoming->data.len);
        return;
    }
    answer(r, m, m->total);
    install(r);
}
