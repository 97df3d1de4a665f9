/* asks.c - what a primary wants of the control plane, one ask at a time, and the end of a takeover.
 *
 * All are compare-and-set on the epoch, so the next configuration settles every ask of the epoch
 * before, heard or not. Until then (R8):
 *   SHRINK     the member counts as before, so an answer in doubt changes nothing: ask again
 *   PROMOTE    the member counts from before the first asking, for the entry may be there already.
 *              It stops when it surely is not: refused, and asked once only
 *   HAND_OVER  changes no set. The next primary serves when this one has acked in the new epoch, or
 *              its leases are over; so this one may give it up and go on at any time (R12)
 *
 * A primary that cannot rely on what it has asks nobody out but who cannot, either: any other one
 * in sync may have the last good copy. It hands over to such a one: drained, when all keep up; else
 * at once, reached or not, as if it had died (R9). Once a good one has left the set it commits
 * nothing more, and when it is alone in sync
 *   GIVE_BACK  to that one, or to one of those, up or not: best to one that is heard of */
#include "replica/replica_priv.h"

#include "data/record.h"

enum { LAG_MAX = 256 }; /* records that a member to be promoted may be behind */

static void ask(struct replica *r, enum replica_ask what, struct replica_member member, msec_t now)
{
    r->set->ask = (uint8_t)what;
    r->set->retry_at = now + r->times->retry_ms;
    r->set->handed = r->set->handed || what == REPLICA_ASK_HAND_OVER;
    r->ports->ask(r->ports->ctx, r, what, member);
    if (RULE_OFF(DROPPED_BEFORE_ANSWER))
        commit_update(r);
}

bool outlived(const struct replica *r)
{
    return r->broken && r->set && r->set->before_len && !RULE_OFF(KEEPS_LEAD);
}

static bool gives_back(const struct replica *r)
{
    return outlived(r) && r->set->in_sync == 1;
}

/* --- R9 --------------------------------------------------------------------------------------- */

static bool tail_acked(const struct replica *r)
{
    const struct replica_set *s = r->set;
    if (RULE_OFF(TAIL_NOT_COMMITTED))
        return true;
    if (r->acked < s->mark)
        return false;
    for (unsigned i = 1; i < s->in_sync; i++) {
        const struct replica_peer *p = &s->peers[i];
        if (p->acked < s->mark || p->state == PEER_SILENT || p->state == PEER_CUTTING)
            return false;
    }
    return true;
}

static void takeover_step(struct replica *r, msec_t now)
{
    if (r->phase != REPLICA_TAKEOVER || now < r->set->grace || outlived(r))
        return;
    r->set->grace = 0;
    if (!tail_acked(r))
        return;
    r->phase = REPLICA_SERVING;
    commit_update(r);
    wake(r);
}

/* --- R12 -------------------------------------------------------------------------------------- */

static void resume(struct replica *r)
{
    r->set->target = 0;
    if (r->phase == REPLICA_STOPPED)
        r->phase = REPLICA_SERVING;
    wake(r);
}

bool replica_hand_over(struct replica *r, struct replica_member to, msec_t now)
{
    struct replica_set *s = r->set;
    int i = s ? set_find(s, to) : -1;
    if (r->role != REPLICA_PRIMARY || i < 1 || i >= s->in_sync)
        return false;
    if (r->phase == REPLICA_STOPPED)
        return s->target == i + 1;
    if (r->phase != REPLICA_SERVING || s->ask || s->adding || replica_short(r))
        return false;
    r->phase = REPLICA_STOPPED;
    s->target = (uint8_t)(i + 1);
    s->stopped = now;
    asks_drive(r, now);
    wake(r);
    return true;
}

static void hand_over_step(struct replica *r, msec_t now)
{
    struct replica_set *s = r->set;
    if (r->phase != REPLICA_STOPPED)
        return;
    const struct replica_peer *p = &s->peers[s->target - 1];
    bool late = now >= s->stopped + r->times->stop_ms;
    if (late && (s->ask || !r->broken || p->state != PEER_STREAM)) {
        resume(r);
        return;
    }
    bool drained = r->commit == r->history.last && p->state == PEER_STREAM;
    if ((drained || late) && !s->ask)
        ask(r, REPLICA_ASK_HAND_OVER, p->member, now);
}

/* From when on a primary that cannot rely on what it has gives way to it. Who was not heard of in
 * this epoch may be no better: it is given the time of one that owes an ack (R8) from when the
 * epoch began, for the link that kept what it owes may be whole now. */
static msec_t ready_at(const struct replica *r, const struct replica_peer *p)
{
    if (p->broken)
        return NEVER;
    if (p->state != PEER_SILENT)
        return r->set->retry_at;
    msec_t from = p->since > r->set->formed ? p->since : r->set->formed;
    msec_t silent = p->since ? from + r->times->timeout_ms : NEVER;
    return silent > r->set->retry_at ? silent : r->set->retry_at;
}

/* One that streams, if there is one: it takes over soonest. 0: nobody is good. */
static unsigned heir(const struct replica *r)
{
    const struct replica_set *s = r->set;
    unsigned best = 0;
    for (unsigned i = 1; i < s->in_sync; i++) {
        const struct replica_peer *p = &s->peers[i];
        if (p->state == PEER_STREAM && !p->broken)
            return i;
        if (ready_at(r, p) < (best ? ready_at(r, &s->peers[best]) : NEVER))
            best = i;
    }
    return best;
}

static bool gives_way(const struct replica *r)
{
    const struct replica_set *s = r->set;
    return r->broken && (r->phase == REPLICA_SERVING || r->phase == REPLICA_TAKEOVER) && !s->ask &&
           !(s->adding && s->tries);
}

/* Whether what is under way is acknowledged soon. */
static bool all_keep_up(const struct replica *r)
{
    const struct replica_set *s = r->set;
    for (unsigned i = 1; i < s->in_sync; i++)
        if (s->peers[i].state != PEER_STREAM)
            return false;
    return r->phase == REPLICA_SERVING && !replica_short(r);
}

static void give_way_step(struct replica *r, msec_t now)
{
    struct replica_set *s = r->set;
    unsigned i = gives_way(r) ? heir(r) : 0;
    if (!i || now < ready_at(r, &s->peers[i]))
        return;
    s->adding = 0; /* never asked for */
    commit_update(r);
    if (all_keep_up(r))
        (void)replica_hand_over(r, s->peers[i].member, now);
    else
        ask(r, REPLICA_ASK_HAND_OVER, s->peers[i].member, now);
}

static void before_cut(struct replica *r, unsigned i)
{
    struct replica_set *s = r->set;
    for (s->before_len--; i < s->before_len; i++)
        s->before[i] = s->before[i + 1];
}

/* Who joins again and says that what it has is bad is no better. */
static void before_look(struct replica *r)
{
    struct replica_set *s = r->set;
    for (unsigned i = s->before_len; i-- > 0;) {
        int at = set_find(s, s->before[i]);
        if (at >= 0 && s->peers[at].broken)
            before_cut(r, i);
    }
}

/* It joins, and has not said yet whether what it has is bad. */
static bool unheard(const struct replica *r, struct replica_member m)
{
    int at = set_find(r->set, m);
    return at >= 0 && r->set->peers[at].state == PEER_SILENT;
}

/* The one to be asked for is the first. Who lends us a lease is up; others are waited for. */
static bool before_choose(struct replica *r, msec_t now)
{
    struct replica_set *s = r->set;
    for (unsigned i = 0; i < s->before_len; i++) {
        struct replica_member m = s->before[i];
        if (unheard(r, m) || !r->ports->lease_held(r->ports->ctx, r, m, now))
            continue;
        s->before[i] = s->before[0];
        s->before[0] = m;
        return true;
    }
    return now >= s->formed + r->times->timeout_ms;
}

static void give_back_step(struct replica *r, msec_t now)
{
    struct replica_set *s = r->set;
    if (!gives_back(r) || s->ask || now < s->retry_at)
        return;
    before_look(r);
    if (!s->before_len)
        wake(r);
    else if (before_choose(r, now))
        ask(r, REPLICA_ASK_GIVE_BACK, s->before[0], now);
    else
        s->retry_at = now + r->times->retry_ms;
}

bool replica_gives_way(const struct replica *r)
{
    const struct replica_set *s = r->set;
    if (!r->broken || r->role != REPLICA_PRIMARY || !s)
        return false;
    if (gives_back(r))
        return true;
    unsigned i = 1;
    while (i < s->in_sync && s->peers[i].broken)
        i++;
    return i < s->in_sync;
}

/* --- R11: into the set ------------------------------------------------------------------------ */

/* It streams now, acks, and is not far behind. */
static bool small_lag(const struct replica *r, const struct replica_peer *p)
{
    if (!p->acked && r->history.last)
        return false;
    uint64_t lag = (r->history.last & SEQ_MASK) - (p->acked & SEQ_MASK);
    return p->state == PEER_STREAM && p->acked <= r->history.last && lag <= LAG_MAX;
}

/* Has every record that is committed, or that this node took over. */
static bool complete(const struct replica *r, const struct replica_peer *p)
{
    bool has = p->acked >= r->commit && p->acked >= r->set->mark;
    return (p->state == PEER_STREAM && has) || RULE_OFF(PROMOTED_BEHIND);
}

/* Acks of earlier rounds do not make it ready: it must be streaming now. */
static void adding_begin(struct replica *r, msec_t now)
{
    struct replica_set *s = r->set;
    for (unsigned i = s->complete; i < s->len; i++) {
        struct replica_peer *p = &s->peers[i];
        if (!small_lag(r, p))
            continue;
        if (!r->ports->lease_held(r->ports->ctx, r, p->member, now) ||
            kept(r, p->sent) != REPLICA_KEPT) {
            s->retry_at = now + r->times->retry_ms;
            continue; /* reads would have to wait for it, or writes for a disk */
        }
        s->adding = (uint8_t)(i + 1);
        s->tries = 0;
        p->since = 0;
        return;
    }
}

static void promote_step(struct replica *r, msec_t now)
{
    struct replica_set *s = r->set;
    if (r->phase != REPLICA_SERVING || s->ask)
        return;
    if (!s->adding)
        adding_begin(r, now);
    if (!s->adding)
        return;
    const struct replica_peer *p = &s->peers[s->adding - 1];
    bool stuck = (p->since && now >= p->since + r->times->timeout_ms) ||
                 (s->blocked && s->blocks + 1 == s->adding);
    if (!s->tries && (stuck || !(p->state == PEER_STREAM || p->state == PEER_SILENT))) {
        s->adding = 0; /* never asked for */
        commit_update(r);
        return;
    }
    if (s->tries ? now < s->retry_at : !complete(r, p))
        return; /* once asked, it is settled by asking: it counts in any case */
    s->tries = (uint8_t)(s->tries + (s->tries < UINT8_MAX));
    ask(r, REPLICA_ASK_PROMOTE, p->member, now);
}

/* --- R8: out of it ---------------------------------------------------------------------------- */

static bool may_ask_out(const struct replica *r, const struct replica_peer *p)
{
    return !r->broken || p->broken;
}

/* Index of one that must go; 0: nobody. */
static unsigned unfit(const struct replica *r, msec_t now)
{
    const struct replica_set *s = r->set;
    msec_t timeout = r->times->timeout_ms;
    for (unsigned i = 1; i < s->in_sync; i++) {
        const struct replica_peer *p = &s->peers[i];
        bool gone = p->state == PEER_LOST || (p->since && now >= p->since + timeout);
        if (gone && may_ask_out(r, p))
            return i;
    }
    bool lent = !s->blocked || s->blocks >= s->in_sync || now < s->blocked + timeout;
    return lent || !may_ask_out(r, &s->peers[s->blocks]) ? 0 : s->blocks;
}

static void shrink_step(struct replica *r, msec_t now)
{
    struct replica_set *s = r->set;
    if (s->ask || now < s->retry_at)
        return;
    unsigned i = unfit(r, now);
    if (RULE_OFF(NEVER_SHRINK))
        s->retry_at = now + r->times->retry_ms;
    if (!i || RULE_OFF(NEVER_SHRINK))
        return;
    if (s->blocked && s->blocks == i &&
        r->ports->lease_held(r->ports->ctx, r, s->peers[i].member, now)) {
        s->blocked = 0; /* nobody has read since */
        return;
    }
    if (r->phase == REPLICA_STOPPED)
        resume(r);
    ask(r, REPLICA_ASK_SHRINK, s->peers[i].member, now);
}

/* --- together --------------------------------------------------------------------------------- */

void asks_drive(struct replica *r, msec_t now)
{
    if (!r->set)
        return;
    takeover_step(r, now);
    hand_over_step(r, now);
    give_way_step(r, now);
    give_back_step(r, now);
    shrink_step(r, now);
    promote_step(r, now);
}

/* Whether the answer says that it was not done, and never will be. */
static bool refused(enum grid_err err)
{
    return err == GRID_ECONDITION || err_retryable(err);
}

static bool may_forget(const struct replica_set *s, enum grid_err err)
{
    return (refused(err) && s->tries == 1) || RULE_OFF(DOUBT_IS_REFUSAL);
}

void replica_answered(struct replica *r, uint64_t epoch, enum replica_ask what, enum grid_err err,
                      msec_t now)
{
    struct replica_set *s = r->set;
    if (!s || epoch != r->epoch || s->ask != what)
        return;
    if (err == GRID_OK || err == GRID_ESTALE)
        return; /* the next configuration tells */
    s->ask = REPLICA_ASK_NONE;
    s->retry_at = now + r->times->retry_ms;
    if (what == REPLICA_ASK_PROMOTE && may_forget(s, err)) {
        s->adding = 0;
        commit_update(r);
    }
    if (what == REPLICA_ASK_HAND_OVER)
        resume(r);
    if (what == REPLICA_ASK_GIVE_BACK && err == GRID_ECONDITION)
        before_cut(r, 0); /* that one has nothing any more */
    wake(r);
}

/* Whether somebody waits for nothing but a lease, or its turn. */
static bool candidates(const struct replica *r)
{
    const struct replica_set *s = r->set;
    for (unsigned i = s->complete; r->phase == REPLICA_SERVING && i < s->len; i++)
        if (small_lag(r, &s->peers[i]))
            return true;
    return false;
}

msec_t asks_next(const struct replica *r)
{
    const struct replica_set *s = r->set;
    msec_t next = NEVER, at;
    if (r->phase == REPLICA_TAKEOVER && s->grace && !outlived(r))
        next = s->grace;
    if (r->phase == REPLICA_STOPPED && (at = s->stopped + r->times->stop_ms) < next)
        next = at;
    if (s->ask)
        return next;
    if ((s->adding ? s->tries > 0 : candidates(r)) && s->retry_at < next)
        next = s->retry_at;
    if (gives_way(r) && heir(r) && (at = ready_at(r, &s->peers[heir(r)])) < next)
        next = at;
    if (gives_back(r) && s->retry_at < next)
        next = s->retry_at;
    if (s->blocked && s->blocks < s->in_sync && may_ask_out(r, &s->peers[s->blocks]) &&
        (at = s->blocked + r->times->timeout_ms) < next)
        next = at > s->retry_at ? at : s->retry_at;
    for (unsigned i = 1; i < s->in_sync; i++) {
        const struct replica_peer *p = &s->peers[i];
        if (!may_ask_out(r, p))
            continue;
        at = p->state == PEER_LOST ? 0 : p->since + r->times->timeout_ms;
        at = at > s->retry_at ? at : s->retry_at;
        if ((p->state == PEER_LOST || p->since) && at < next)
            next = at;
    }
    return next;
}
