/* primary.c - the other members, as the primary brings them what it has (R3, R9, R11).
 *
 * With each it begins by a question, HELLO; the answer decides how it goes on. A round is one such
 * question with all that follows: what belongs to another round is passed over, on both sides. So
 * a member's acks since this node leads are about a log that is part of this one. */
#include "replica/replica_priv.h"

void primary_forget(struct replica *r, struct replica_peer *p)
{
    if (p->copy && r->ports)
        r->ports->copy_end(r->ports->ctx, r, p->member);
    p->copy = 0;
}

static void hello_send(struct replica *r, struct replica_peer *p, msec_t now)
{
    struct replica_message m = message(r, REPLICA_HELLO, p->round);
    m.version = r->history.last;
    p->asked_at = now;
    r->ports->send(r->ports->ctx, r, p->member, &m);
}

/* A copy that is under way may go on after it. */
void primary_hello(struct replica *r, struct replica_peer *p, msec_t now)
{
    r->round += r->round == UINT32_MAX ? 2 : 1; /* 0 is none */
    p->round = r->round;
    p->state = PEER_SILENT;
    hello_send(r, p, now);
}

/* --- the stream (R3) -------------------------------------------------------------------------- */

static bool streams(const struct replica_peer *p)
{
    return p->state == PEER_STREAM || p->state == PEER_COPYING;
}

/* It is in sync, or may be already (R8): it is not to be wiped. */
static bool in_set(const struct replica *r, const struct replica_peer *p)
{
    const struct replica_set *s = r->set;
    unsigned i = (unsigned)(p - s->peers);
    return i < s->in_sync || (i + 1 == s->adding && s->tries);
}

/* It cannot be brought up to date from the records that are kept. */
static void peer_lose(struct replica *r, struct replica_peer *p, msec_t now)
{
    primary_forget(r, p);
    if (!in_set(r, p)) {
        primary_hello(r, p, now); /* then a copy */
        return;
    }
    p->state = PEER_LOST; /* asks.c */
    wake(r);
}

static void records_send(struct replica *r, struct replica_peer *p, msec_t now)
{
    struct replica_message m = message(r, REPLICA_RECORDS, p->round);
    m.version = p->sent;
    m.commit = r->commit;
    uint64_t sent = r->ports->stream(r->ports->ctx, r, p->member, &m);
    if (sent == UINT64_MAX) {
        peer_lose(r, p, now);
        return;
    }
    CHECK(sent >= p->sent && sent <= r->history.last);
    p->sent = sent;
}

/* --- how a round goes on ---------------------------------------------------------------------- */

static void stream_start(struct replica *r, struct replica_peer *p, uint64_t from, msec_t now)
{
    p->state = PEER_STREAM;
    p->asked_at = now;
    p->sent = from;
    records_send(r, p, now); /* none, maybe: it learns that its log is right */
}

static void copy_start(struct replica *r, struct replica_peer *p)
{
    primary_forget(r, p);
    struct replica_message m = message(r, REPLICA_COPY, p->round);
    m.history = r->history;
    p->copy = p->round;
    p->state = PEER_COPYING;
    p->sent = r->history.last;
    p->acked = 0;
    r->ports->send(r->ports->ctx, r, p->member, &m);
    r->ports->copy(r->ports->ctx, r, p->member, p->round);
}

static void cut_send(struct replica *r, struct replica_peer *p, uint64_t common, msec_t now)
{
    struct replica_message m = message(r, REPLICA_CUT, p->round);
    m.version = common;
    p->state = PEER_CUTTING;
    p->asked_at = now;
    r->ports->send(r->ports->ctx, r, p->member, &m);
}

enum replica_kept kept(struct replica *r, uint64_t version)
{
    return version == r->history.last ? REPLICA_KEPT : r->ports->kept(r->ports->ctx, r, version);
}

static void copy_or_lose(struct replica *r, struct replica_peer *p)
{
    if (!in_set(r, p) || RULE_OFF(WIPE_IN_SYNC)) {
        if (!r->broken || RULE_OFF(BROKEN_COPIES)) /* it may have the last good one */
            copy_start(r, p);
        return;
    }
    p->state = PEER_LOST;
    wake(r);
}

enum common_point {
    COMMON_NOT,   /* from where this node could bring it on */
    COMMON_LATER, /* it is being looked for on disk: the next HELLO asks again */
    COMMON_FOUND
};

/* Who is in sync is not kept waiting for a disk: without it the others go on, and it joins anew. */
static enum common_point common_find(struct replica *r, const struct replica_peer *p,
                                     const struct replica_history *h, uint64_t *ret_common)
{
    const struct replica_ports *ports = r->ports;
    uint64_t common = 0;
    bool counted = in_set(r, p), known = replica_history_common(&r->history, h, &common);
    if (RULE_OFF(NO_COMMON_POINT)) {
        common = h->last < r->history.last ? h->last : r->history.last;
        known = true;
    }
    if ((!known || (!common && h->last)) && !counted)
        return ports->recall(ports->ctx, r) ? COMMON_LATER : COMMON_NOT;
    if (!known)
        return COMMON_NOT;
    *ret_common = common;
    enum replica_kept k = kept(r, common);
    if (k == REPLICA_UNKNOWN && !counted)
        return COMMON_LATER;
    if (k == REPLICA_STORED && !counted && common && h->last == common)
        return COMMON_FOUND;
    return k == REPLICA_KEPT ? COMMON_FOUND : COMMON_NOT;
}

/* R9, R11: the common point of the two logs decides. */
static void status_received(struct replica *r, struct replica_peer *p,
                            const struct replica_message *m, msec_t now)
{
    uint64_t common = 0, last = m->history.last;
    if (p->state != PEER_SILENT || m->round != p->round)
        return;
    p->broken = m->broken || m->copying;
    if (m->served && p < &r->set->peers[r->set->in_sync])
        r->set->grace = 0; /* R12 */
    if (m->copying && !m->broken && p->copy && m->copy == p->copy &&
        kept(r, last) == REPLICA_KEPT &&
        r->ports->copy_on(r->ports->ctx, r, p->member, m->pieces)) {
        p->state = PEER_COPYING;
        p->sent = last;
        records_send(r, p, now);
        return;
    }
    primary_forget(r, p);
    bool whole = !p->broken && !m->stray;
    enum common_point at = whole ? common_find(r, p, &m->history, &common) : COMMON_NOT;
    if (at == COMMON_NOT)
        copy_or_lose(r, p);
    else if (at == COMMON_FOUND && last > common && !RULE_OFF(NO_CUT))
        cut_send(r, p, common, now);
    else if (at == COMMON_FOUND)
        stream_start(r, p, common, now);
}

static void ack_received(struct replica *r, struct replica_peer *p, const struct replica_message *m,
                         msec_t now)
{
    if (!streams(p) || m->round != p->round)
        return;
    if (m->broken) {
        p->broken = true;
        peer_lose(r, p, now);
        return;
    }
    if (m->copying && !RULE_OFF(COPYING_ACKS))
        return;
    p->broken = false;
    if (p->state == PEER_COPYING)
        primary_forget(r, p);
    p->state = PEER_STREAM;
    uint64_t version = replica_history_floor(&r->history, m->version);
    if (version <= p->acked)
        return;
    p->acked = version;
    p->since = p->acked < r->history.last ? now : 0;
    commit_update(r);
    wake(r);
}

void replica_mending(struct replica *r, struct replica_member from, uint32_t round, msec_t now)
{
    int i = r->role == REPLICA_PRIMARY && r->set ? set_find(r->set, from) : -1;
    if (i > 0 && r->set->peers[i].state == PEER_CUTTING && r->set->peers[i].round == round)
        r->set->peers[i].asked_at = now;
}

bool replica_may_copy(const struct replica *r, struct replica_member to)
{
    int i = r->role == REPLICA_PRIMARY && r->set ? set_find(r->set, to) : -1;
    if (i < 0)
        return false;
    const struct replica_peer *p = &r->set->peers[i];
    return p->state == PEER_COPYING && p->sent == r->history.last;
}

bool replica_rejoins(const struct replica *r, struct replica_member to)
{
    int i = r->role == REPLICA_PRIMARY && r->set ? set_find(r->set, to) : -1;
    return i > 0 && streams(&r->set->peers[i]) && !in_set(r, &r->set->peers[i]);
}

void primary_receive(struct replica *r, const struct replica_message *m, msec_t now)
{
    struct replica_peer *p = &r->set->peers[set_find(r->set, m->from)];
    if (m->kind == REPLICA_STATUS)
        status_received(r, p, m, now);
    else if (m->kind == REPLICA_ACK)
        ack_received(r, p, m, now);
    else if (m->kind == REPLICA_KNOCK && p->state == PEER_SILENT)
        hello_send(r, p, now); /* it had not heard of this epoch when the first one came */
    else if (m->kind == REPLICA_KNOCK && p->state != PEER_LOST && p->state != PEER_IDLE)
        primary_hello(r, p, now);
}

void replica_linked(struct replica *r, uint32_t node, bool up, msec_t now)
{
    struct replica_set *s = r->set;
    if (!s || !r->ports)
        return;
    if (r->role != REPLICA_PRIMARY) {
        bool follows = r->role == REPLICA_BACKUP || r->role == REPLICA_JOINING;
        if (up && follows && s->peers[0].member.node == node)
            member_knock(r, now);
        return;
    }
    for (struct replica_peer *p = s->peers + 1; p < peers_end(s); p++) {
        if (p->member.node != node || p->state == PEER_LOST || p->state == PEER_IDLE)
            continue;
        p->state = PEER_SILENT; /* a copy goes on after the pieces that came */
        p->asked_at = now;
        if (up)
            primary_hello(r, p, now);
    }
    wake(r);
}

/* --- time ------------------------------------------------------------------------------------- */

static bool owes(const struct replica *r, const struct replica_peer *p)
{
    if (p->state == PEER_IDLE)
        return false;
    return p->acked < r->history.last || p->state == PEER_SILENT || p->state == PEER_CUTTING;
}

/* Since when each owes something. Who counts is watched closely. */
static void debts(struct replica *r, msec_t now)
{
    struct replica_set *s = r->set;
    bool any = false;
    for (struct replica_peer *p = s->peers + 1; p < peers_end(s); p++) {
        if (!owes(r, p))
            p->since = 0;
        else if (!p->since)
            p->since = now;
        any = any || (p->since && counts(s, (unsigned)(p - s->peers)));
    }
    if (any && !s->ticked)
        s->ticked = now;
    else if (!any)
        s->ticked = 0;
}

void primary_flush(struct replica *r, msec_t now)
{
    struct replica_set *s = r->set;
    int told = 1; /* this node */
    for (struct replica_peer *p = s->peers + 1; p < peers_end(s); p++) {
        if (!streams(p) || p->sent == r->history.last)
            continue;
        records_send(r, p, now);
        told++;
    }
    debts(r, now);
    if (told == s->len)
        s->told = r->commit;
    if (s->told == r->commit)
        s->tell_at = 0;
    else if (!s->tell_at)
        s->tell_at = now + r->times->tell_ms;
}

static void commit_tell(struct replica *r, msec_t now)
{
    struct replica_set *s = r->set;
    s->told = r->commit;
    s->tell_at = 0;
    for (struct replica_peer *p = s->peers + 1; p < peers_end(s); p++)
        if (streams(p) && p->sent == r->history.last)
            records_send(r, p, now);
}

/* When to begin anew: a question without an answer, a stream without an ack of what was sent; a
 * copy seldom, for its ack takes its time, and it goes on over that; a cut when it does not get on.
 * A stream that begins anew makes worthless what is under way, so it is given more time once it had
 * to: the way may be long. */
static msec_t retry_at(const struct replica *r, const struct replica_peer *p)
{
    msec_t retry = r->times->retry_ms;
    switch ((enum peer_state)p->state) {
    case PEER_SILENT:
        return p->asked_at + retry;
    case PEER_CUTTING: /* since it last got on */
    case PEER_COPYING:
        return p->asked_at + 16 * retry;
    case PEER_STREAM:
        if (p->since && (p->acked < p->sent || in_set(r, p)))
            return (p->since > p->asked_at ? p->since : p->asked_at) +
                   (p->slow ? 4 * retry : 2 * retry);
        break;
    case PEER_IDLE:
    case PEER_LOST:
        break;
    }
    return NEVER;
}

static void peer_retry(struct replica *r, struct replica_peer *p, msec_t now)
{
    if (now < retry_at(r, p))
        return;
    p->slow |= p->state == PEER_STREAM;
    if (p->state == PEER_SILENT)
        hello_send(r, p, now);
    else
        primary_hello(r, p, now);
}

void primary_tick(struct replica *r, msec_t now)
{
    struct replica_set *s = r->set;
    /* This node was asleep: what it missed is not the others' fault. */
    bool slept = s->ticked && now > s->ticked + r->times->timeout_ms / 2;
    for (struct replica_peer *p = s->peers + 1; p < peers_end(s); p++) {
        if (slept && p->since)
            p->since = now;
        peer_retry(r, p, now);
    }
    if (slept && s->blocked)
        s->blocked = now;
    if (s->ticked)
        s->ticked = now;
    if (s->tell_at && now >= s->tell_at)
        commit_tell(r, now);
}

static msec_t earlier(msec_t a, msec_t b)
{
    return a < b ? a : b;
}

msec_t primary_next(const struct replica *r)
{
    const struct replica_set *s = r->set;
    msec_t next = s->tell_at ? s->tell_at : NEVER;
    if (s->ticked)
        next = earlier(next, s->ticked + r->times->timeout_ms / 4);
    for (unsigned i = 1; i < s->len; i++)
        next = earlier(next, retry_at(r, &s->peers[i]));
    return next;
}
