/* replica.c - order, commit, and who may be answered.
 *
 *      commit <= acked <= last
 *   ------|--------|-------|----->  versions of one partition
 *   visible  pending (R6)     replica_peek: epoch in force, seq(last) + 1
 *
 * configure.c: what a new configuration means (R1, R9). primary.c: the other members as the primary
 * sees them. asks.c: what it wants of the control plane (R8, R11, R12). member.c: everyone else. */
#include "replica/replica_priv.h"

#include "data/record.h"

#include <stdlib.h>

void replica_open(struct replica *r, const struct replica_ports *ports,
                  const struct replica_times *times)
{
    CHECK(!ports == !times);
    *r = (struct replica){.ports = ports, .times = times};
}

void replica_init(struct replica *r, uint64_t epoch)
{
    CHECK(epoch > 0 && epoch < UINT64_C(1) << (64 - SEQ_BITS));
    replica_open(r, NULL, NULL);
    r->epoch = (uint32_t)epoch;
    r->role = REPLICA_PRIMARY;
    r->phase = REPLICA_SERVING;
}

void replica_close(struct replica *r)
{
    free(r->set);
    r->set = NULL;
}

void wake(struct replica *r)
{
    if (!r->ports || r->woken)
        return;
    r->woken = true;
    r->ports->wake(r->ports->ctx, r);
}

struct replica_message message(const struct replica *r, enum replica_message_kind kind,
                               uint32_t round)
{
    return (struct replica_message){
        .kind = kind, .from = r->self, .epoch = r->epoch, .round = round};
}

int set_find(const struct replica_set *s, struct replica_member m)
{
    for (int i = 0; i < s->len; i++)
        if (replica_member_eq(s->peers[i].member, m))
            return i;
    return -1;
}

/* --- what is found at a start (R10) ----------------------------------------------------------- */

void replica_recover(struct replica *r, uint64_t version)
{
    if (version <= r->history.last)
        return;
    replica_history_add(&r->history, version);
    r->acked = version;
    commit_update(r);
}

void replica_restate(struct replica *r, uint64_t version)
{
    if (version != r->history.last) /* of another's log, whose epochs are not told */
        r->history = (struct replica_history){.last = version, .torn = version != 0};
    r->acked = version;
    if (r->commit > version)
        r->commit = version;
    if (r->role == REPLICA_PRIMARY)
        commit_update(r);
}

void replica_recover_copying(struct replica *r)
{
    r->copying = true;
}

void replica_recalled(struct replica *r, const struct replica_history *older)
{
    replica_history_extend(&r->history, older);
}

/* --- order (R2) and commit (R5) --------------------------------------------------------------- */

bool replica_follows(const struct replica *r, uint64_t after, uint64_t version)
{
    bool next = (version & SEQ_MASK) == (after & SEQ_MASK) + 1 || RULE_OFF(LOG_GAPS);
    bool has = replica_history_floor(&r->history, version) == version || RULE_OFF(CUT_RECORDS);
    return version > after && version <= r->history.last && next && has;
}

uint64_t replica_peek(const struct replica *r)
{
    uint64_t seq = (r->history.last & SEQ_MASK) + 1;
    if (seq > SEQ_MASK || r->history.last >> SEQ_BITS > r->epoch)
        return 0;
    return version_make(r->epoch, seq);
}

void replica_advance(struct replica *r, uint64_t version)
{
    replica_history_add(&r->history, version);
    if (!r->set)
        return;
    commit_update(r); /* a member may have heard of it before */
    if (r->role == REPLICA_PRIMARY)
        wake(r);
}

/* R8: as long as it is open which set is in force, all of them count. */
bool counts(const struct replica_set *s, unsigned i)
{
    if (RULE_OFF(JOINING_NOT_COUNTED))
        return i < s->in_sync;
    if (RULE_OFF(DROPPED_BEFORE_ANSWER) && s->ask == REPLICA_ASK_SHRINK)
        return i < s->in_sync && !s->peers[i].since;
    return i < s->in_sync || i + 1 == s->adding;
}

bool replica_short(const struct replica *r)
{
    if (r->role != REPLICA_PRIMARY)
        return false;
    if (!r->set)
        return r->min_in_sync > 1;
    if (RULE_OFF(MIN_IN_SYNC))
        return false;
    return r->set->in_sync < r->min_in_sync || r->set->complete > r->set->in_sync;
}

/* R5: the lowest acknowledgement over the members that count. */
static uint64_t lowest_ack(const struct replica *r)
{
    uint64_t lowest = RULE_OFF(OWN_ACK) ? r->history.last : r->acked;
    const struct replica_set *s = r->set;
    for (unsigned i = 0; s && i < s->len; i++)
        if (i != s->self && counts(s, i) && s->peers[i].acked < lowest)
            lowest = s->peers[i].acked;
    return lowest;
}

/* R5: how far it may go. What this node took over cannot be told from what was committed before,
 * and all in sync hold it: below min_in_sync, too, it is to be read, unless somebody may lead
 * without it. */
static uint64_t commit_max(const struct replica *r)
{
    const struct replica_set *s = r->set;
    if (r->phase == REPLICA_TAKEOVER)
        return 0;
    if (!replica_short(r))
        return UINT64_MAX;
    return s && s->complete == s->in_sync ? s->mark : 0;
}

bool commit_update(struct replica *r)
{
    uint64_t commit = r->commit;
    if (r->role == REPLICA_PRIMARY) {
        uint64_t lowest = lowest_ack(r), max = commit_max(r);
        commit = lowest < max ? lowest : max;
    } else if (r->set && r->set->synced) {
        commit = r->set->heard < r->history.last ? r->set->heard : r->history.last;
    }
    if (commit <= r->commit)
        return false;
    r->commit = commit;
    if (r->set)
        wake(r);
    return true;
}

bool replica_ack(struct replica *r, uint64_t version)
{
    version = replica_history_floor(&r->history, version); /* what it was of may be cut since */
    if (version <= r->acked)
        return false;
    r->acked = version;
    if (r->set)
        wake(r);
    return commit_update(r);
}

/* --- who may be answered (R7) ----------------------------------------------------------------- */

/* A member that is complete may become primary without this node's consent; so may one that is
 * being added, once the control plane has got to know (R8). */
static bool lends(const struct replica_set *s, unsigned i)
{
    return i != s->self && (i < s->complete || counts(s, i));
}

bool replica_reads(struct replica *r, msec_t now)
{
    if (r->phase != REPLICA_SERVING && r->phase != REPLICA_STOPPED)
        return false;
    struct replica_set *s = r->set;
    if (!s)
        return true;
    for (unsigned i = 0; i < s->len; i++) {
        if (!lends(s, i) || RULE_OFF(LEASES))
            continue;
        if (r->ports->lease_held(r->ports->ctx, r, s->peers[i].member, now))
            continue;
        if (!s->blocked || s->blocks != i) {
            s->blocked = now;
            s->blocks = (uint8_t)i;
            wake(r);
        }
        return false;
    }
    s->blocked = 0;
    return true;
}

bool replica_copy_shows(const struct replica *r, uint64_t version)
{
    return !replica_pending(r, version) || RULE_OFF(COPY_UNCOMMITTED);
}

/* A member that joins may lead soon, by a promotion that this node has not heard of. */
bool replica_copy_reads(const struct replica *r, msec_t now)
{
    const struct replica_set *s = r->set;
    if (r->role != REPLICA_BACKUP || !s || !s->synced || s->cutting || r->broken || r->stray ||
        r->copying || !replica_copy_shows(r, r->sure))
        return false;
    for (unsigned i = 0; i < s->len; i++)
        if (i != s->self && !RULE_OFF(COPY_LEASES) &&
            !r->ports->lease_held(r->ports->ctx, (struct replica *)(uintptr_t)r, s->peers[i].member,
                                  now))
            return false;
    return true;
}

/* --- what comes in, and goes out -------------------------------------------------------------- */

enum replica_verdict replica_receive(struct replica *r, const struct replica_message *m, msec_t now)
{
    if (m->epoch > r->epoch)
        return REPLICA_EARLY;
    if (m->epoch < r->epoch) {
        if (m->kind == REPLICA_REFUSED || !r->ports || member_none(r->self))
            return REPLICA_STALE;
        struct replica_message refused = message(r, REPLICA_REFUSED, 0);
        r->ports->send(r->ports->ctx, r, m->from, &refused);
        return REPLICA_STALE;
    }
    int from = r->set ? set_find(r->set, m->from) : -1;
    if (from < 0 || from == r->set->self)
        return REPLICA_STRANGER;
    if (!replica_history_valid(&m->history) || m->kind == REPLICA_REFUSED)
        return REPLICA_DONE;
    if (r->role == REPLICA_PRIMARY) {
        primary_receive(r, m, now);
        asks_drive(r, now);
        return REPLICA_DONE;
    }
    if (from != 0 || (r->role != REPLICA_BACKUP && r->role != REPLICA_JOINING))
        return REPLICA_STRANGER;
    return member_receive(r, m, now);
}

void replica_flush(struct replica *r, msec_t now)
{
    r->woken = false;
    if (!r->set || !r->ports)
        return;
    if (r->role == REPLICA_PRIMARY) {
        asks_drive(r, now);
        primary_flush(r, now);
    } else {
        member_flush(r, now);
    }
}

msec_t replica_next(const struct replica *r)
{
    if (!r->set || !r->ports)
        return NEVER;
    if (r->role != REPLICA_PRIMARY)
        return r->set->knocked ? r->set->retry_at : NEVER;
    msec_t peers = primary_next(r), asks = asks_next(r);
    return peers < asks ? peers : asks;
}

void replica_tick(struct replica *r, msec_t now)
{
    if (!r->set || !r->ports)
        return;
    if (r->role == REPLICA_PRIMARY) {
        primary_tick(r, now);
        asks_drive(r, now);
        primary_flush(r, now);
    } else {
        member_tick(r, now);
    }
}

/* --- for people ------------------------------------------------------------------------------- */

bool replica_view(const struct replica *r, unsigned index, struct replica_view *ret_view)
{
    const struct replica_set *s = r->set;
    if (!s)
        return false;
    unsigned i = s->self <= index ? index + 1 : index;
    if (i >= s->len)
        return false;
    const struct replica_peer *p = &s->peers[i];
    *ret_view = (struct replica_view){.member = p->member,
                                      .acked = p->acked,
                                      .in_sync = i < s->in_sync,
                                      .joining = i >= s->complete,
                                      .copying = p->state == PEER_COPYING};
    return true;
}

struct replica_member replica_primary(const struct replica *r)
{
    if (r->role == REPLICA_PRIMARY)
        return r->self;
    if (!r->set || !r->set->led)
        return (struct replica_member){0};
    return r->set->peers[0].member;
}

static void set_check(const struct replica *r, const struct replica_set *s)
{
    CHECK(s->in_sync <= s->complete && s->complete <= s->len);
    CHECK(s->self <= s->len && s->adding <= s->len && s->target <= s->len);
    CHECK((r->role == REPLICA_PRIMARY) == (s->led && s->self == 0));
    if (r->role != REPLICA_PRIMARY) {
        CHECK(!s->ask && !s->adding && !s->target);
        CHECK(!s->synced || !s->cutting);
        return;
    }
    CHECK(!s->adding || s->adding > s->complete);
    for (unsigned i = 1; i < s->len; i++) {
        const struct replica_peer *p = &s->peers[i];
        CHECK(p->acked <= r->history.last && p->sent <= r->history.last);
        CHECK(p->state != PEER_COPYING || (p->copy && i >= s->complete));
        CHECK(i >= s->in_sync || r->phase == REPLICA_TAKEOVER || p->acked >= s->mark);
    }
    CHECK(r->phase == REPLICA_TAKEOVER || s->complete > s->in_sync || r->commit >= s->mark);
}

void replica_check(const struct replica *r)
{
    replica_history_check(&r->history);
    CHECK(r->commit <= r->history.last && r->acked <= r->history.last);
    CHECK((r->role == REPLICA_PRIMARY) == (r->phase != REPLICA_IDLE));
    CHECK(r->phase == REPLICA_IDLE || r->epoch > 0);
    CHECK(r->role != REPLICA_BACKUP || !r->copying || r->broken);
    if (r->role == REPLICA_PRIMARY && (!r->set || !r->set->adding))
        CHECK(r->commit <= lowest_ack(r) || r->phase == REPLICA_TAKEOVER || replica_short(r));
    if (r->set)
        set_check(r, r->set);
}
