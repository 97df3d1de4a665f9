/* configure.c - a new configuration: what this node is in it, and what of the old one stays.
 *
 * A primary that leads in the next epoch that it hears of, too, goes on: as long as its life lasts
 * nobody else leads but by its asking, in the epoch in force. Nobody else was put into the set,
 * either, but by its asking: who is in sync now has been so. Only if it asked to hand over may it
 * have been handed back what others led meanwhile, unless the epoch is the very next. Any other
 * primary takes over (R9): it serves when
 *   - the leases that this node granted to whoever may have served are over. A member of the old
 *     configuration that is in the new set need not be waited for: its ack in the new epoch proves
 *     that it has left the old one. Every member keeps this time, for a primary may go before it
 *     has waited (it took over from A, A was dropped, it leaves: who comes then waits for A);
 *   - every member in sync has acked the whole tail, in the new epoch.
 *
 * There is nothing to wait for when a member in sync says that it served last (R12). While it did,
 * nobody of an older epoch could; whoever was made primary between it and this one needed its ack
 * in that epoch, and it has not even seen that. So a hand-over is quick though the next primary
 * missed an epoch, or is here for so short a time that it knows nothing of what was before. */
#include "replica/replica_priv.h"

#include "base/alloc.h"
#include "data/record.h"

#include <stdlib.h>

static uint8_t role_of(const struct replica_config *c, int self)
{
    if (self < 0)
        return REPLICA_NONE;
    if (self >= c->complete)
        return REPLICA_JOINING;
    if (!c->led)
        return REPLICA_WAITING;
    if (self == 0)
        return REPLICA_PRIMARY;
    return self < c->in_sync ? REPLICA_BACKUP : REPLICA_ELIGIBLE;
}

static struct replica_set *set_new(const struct replica_config *c, int self)
{
    struct replica_set *s = xcalloc(1, sizeof *s + c->len * sizeof s->peers[0]);
    s->len = c->len;
    s->in_sync = c->in_sync;
    s->complete = c->complete;
    s->self = self < 0 ? c->len : (uint8_t)self;
    s->led = c->led;
    for (unsigned i = 0; i < c->len; i++)
        s->peers[i].member = c->members[i];
    return s;
}

/* --- R9: how long to wait --------------------------------------------------------------------- */

static msec_t granted(struct replica *r, struct replica_member to)
{
    return r->ports ? r->ports->lease_granted(r->ports->ctx, r, to) : 0;
}

/* Who was complete in the configuration before, and is not in the set now, may have served. */
static msec_t grace_old(struct replica *r, const struct replica_set *old,
                        const struct replica_config *c)
{
    msec_t grace = 0;
    for (unsigned i = 0; i < old->complete; i++) {
        struct replica_member m = old->peers[i].member;
        int now = replica_config_find(c, m);
        if (m.node == r->self.node || (now >= 0 && now < c->in_sync))
            continue;
        msec_t until = granted(r, m);
        grace = until > grace ? until : grace;
    }
    return grace;
}

/* `next`: nobody has led since the epoch in force, of which this node knew all. */
static msec_t grace_of(struct replica *r, const struct replica_set *old,
                       const struct replica_config *c, bool next)
{
    if (c->born == c->epoch || RULE_OFF(GRACE))
        return 0; /* nothing was before */
    msec_t grace = old ? old->grace : 0;
    msec_t until;
    if (next && old)
        until = grace_old(r, old, c);
    else
        until = granted(r, (struct replica_member){0});
    return until > grace ? until : grace;
}

/* --- what stays ------------------------------------------------------------------------------- */

/* The primary goes on: what it knows of those who stay is true. `skipped`: who joins may have been
 * out of the set meanwhile, and have forgotten what it had. */
static void reign_on(struct replica *r, struct replica_set *old, struct replica_set *s,
                     bool skipped)
{
    s->mark = old->mark;
    s->told = 0;
    s->ticked = old->ticked;
    for (unsigned i = 0; i < s->len; i++) {
        int was = set_find(old, s->peers[i].member);
        if (was < 0 || (skipped && i >= s->complete))
            continue;
        s->peers[i] = old->peers[was];
        old->peers[was].copy = 0; /* goes on */
        if (i < s->complete)
            primary_forget(r, &s->peers[i]);
        if (i < s->complete && i >= s->in_sync)
            s->peers[i].state = PEER_IDLE;
    }
}

static void peers_end_all(struct replica *r, struct replica_set *old)
{
    for (unsigned i = 0; i < old->len; i++)
        if (old->peers[i].copy)
            primary_forget(r, &old->peers[i]);
}

/* The copy that comes in goes on, if its sender may. */
static void member_stays(const struct replica_set *old, struct replica_set *s)
{
    if (old->led && s->led && replica_member_eq(old->peers[0].member, s->peers[0].member))
        s->copy = old->copy;
}

/* R12: nobody has served since this node did, but for who leads in `c`. */
static bool served_last(const struct replica *r, const struct replica_set *old,
                        const struct replica_config *c)
{
    if (r->role == REPLICA_PRIMARY)
        return r->phase != REPLICA_TAKEOVER;
    return old && old->served && old->led && c->led &&
           replica_member_eq(old->peers[0].member, c->members[0]);
}

/* Whether the other one had all that was committed in the epoch of `old`, or will be without
 * another ack of this node, which does not ack any more: who was in sync with it, or counted as
 * such (R8); and of one that was joining, and acked, who promoted it. What it acked before, who
 * leads may commit without who left: of a backup all of that is to be committed already. */
static bool had_all(const struct replica *r, const struct replica_set *old, unsigned i)
{
    if (old->self >= old->complete)
        return i == 0 && old->told > 0;
    if (old->self > 0 && i > 0 && r->commit < r->acked)
        return false;
    return i < old->in_sync || (i + 1 == old->adding && old->tries);
}

static bool joins(const struct replica_config *c, uint32_t node)
{
    for (unsigned i = c->complete; i < c->len; i++)
        if (c->members[i].node == node)
            return true;
    return false;
}

/* Where another leads, who joins may be copied over. */
static void before_add(const struct replica *r, const struct replica_config *c,
                       struct replica_set *s, struct replica_member m)
{
    int at = replica_config_find(c, m);
    if (s->before_len == BEFORE_MAX || (at >= 0 && at < c->in_sync) ||
        (r->role != REPLICA_PRIMARY && joins(c, m.node)))
        return;
    for (unsigned i = 0; i < s->before_len; i++)
        if (s->before[i].node == m.node)
            return;
    s->before[s->before_len++] = m;
}

/* So many of the members of the old configuration may be what they were. In epochs that this node
 * has not heard of another may have led, and copied over who was in sync. Not in a few: one leaves,
 * joins again, and who leads leaves this node alone; before that it was handed over, if this node
 * led. */
static unsigned before_known(const struct replica *r, const struct replica_set *old,
                             const struct replica_config *c, bool heard)
{
    if (heard)
        return old->len;
    return c->epoch <= r->epoch + (old->self == 0 ? 3u : 2u) ? old->in_sync : 1;
}

/* R9: it cannot rely on what it has, and may have to lead; those who had all are not in sync any
 * more: who left last is first. Nothing was committed since, in epochs that it has not heard of
 * either: it was in sync in all of them, for it is put into the set only in one that it knows, or
 * the next. */
static void before_find(const struct replica *r, const struct replica_set *old,
                        const struct replica_config *c, struct replica_set *s, bool heard)
{
    if (!s || !r->broken || !old || !old->led || c->born > r->epoch)
        return;
    for (unsigned i = 0; i < before_known(r, old, c, heard); i++)
        if (i != old->self && !old->peers[i].broken && had_all(r, old, i))
            before_add(r, c, s, old->peers[i].member);
    for (unsigned i = 0; i < old->before_len && heard; i++)
        before_add(r, c, s, old->before[i]);
}

/* --- what begins ------------------------------------------------------------------------------ */

/* R1: what was recorded before the partition was born is void. */
static void bury(struct replica *r, const struct replica_config *c)
{
    uint64_t last = r->history.last;
    if ((!last && !r->copying) || last >> SEQ_BITS >= c->born || RULE_OFF(VOID_KEPT))
        return;
    r->history = (struct replica_history){0};
    r->acked = r->commit = 0;
    r->copying = r->broken = r->stray = false;
    if (r->ports)
        r->ports->wipe(r->ports->ctx, r, false, 0);
}

static void lead(struct replica *r, msec_t now)
{
    struct replica_set *s = r->set;
    r->stray = false; /* there is nobody to whose log it does not fit */
    if (s) {
        for (unsigned i = 1; i < s->len; i++)
            if (i < s->in_sync || i >= s->complete)
                primary_hello(r, &s->peers[i], now);
    }
    wake(r);
}

static void take_over(struct replica *r, msec_t grace)
{
    r->phase = REPLICA_TAKEOVER;
    if (r->set) {
        r->set->grace = grace;
        r->set->mark = r->history.last;
    } else {
        r->phase = REPLICA_SERVING;
    }
}

/* Whether a set is to be kept: this node is in it, with others; or alone, and waits for leases to
 * end, for its disk, or for others to come. */
static bool set_wanted(const struct replica *r, const struct replica_config *c, msec_t grace,
                       msec_t now)
{
    bool ready = grace <= now && r->acked == r->history.last && r->min_in_sync <= 1 && !r->broken;
    return r->role != REPLICA_NONE && !(r->role == REPLICA_PRIMARY && c->len == 1 && ready);
}

/* Whether nobody can have led between the epoch in force and `c`. */
static bool follows(const struct replica *r, const struct replica_config *c, bool leads)
{
    if (c->epoch == r->epoch + 1u)
        return true;
    bool asked = r->set && r->set->handed;
    return leads && r->role == REPLICA_PRIMARY && c->born <= r->epoch && !asked;
}

static void install(struct replica *r, const struct replica_config *c, int self, msec_t now)
{
    struct replica_set *old = r->set;
    bool leads = role_of(c, self) == REPLICA_PRIMARY, was_primary = r->role == REPLICA_PRIMARY;
    bool next = follows(r, c, leads), skipped = c->epoch != r->epoch + 1u;
    bool reigns = leads && was_primary && next && r->phase != REPLICA_TAKEOVER;
    bool served = served_last(r, old, c), was_backup = r->role == REPLICA_BACKUP;
    msec_t grace = reigns ? 0 : grace_of(r, old, c, next);
    r->broken = r->broken || (leads && r->copying); /* a part of a copy is none */
    r->role = role_of(c, self);
    r->set = set_wanted(r, c, grace, now) ? set_new(c, self) : NULL;
    if (r->set) {
        r->set->grace = grace;
        r->set->served = served;
        r->set->formed = now;
    }
    if (r->role == REPLICA_PRIMARY || r->role == REPLICA_BACKUP)
        before_find(r, old, c, r->set, next);
    r->epoch = (uint32_t)c->epoch;
    r->reign = reigns ? r->reign : r->epoch;
    if (!was_backup)
        r->sure = r->history.last;
    if (old && leads && was_primary && next && r->set)
        reign_on(r, old, r->set, skipped);
    else if (old && r->set && !leads && !was_primary)
        member_stays(old, r->set);
    if (old && was_primary)
        peers_end_all(r, old);
    free(old);
    if (reigns && (!outlived(r) || RULE_OFF(BROKEN_COMMITS)))
        r->phase = REPLICA_SERVING;
    else if (leads)
        take_over(r, grace);
    else
        r->phase = REPLICA_IDLE;
}

/* --- the call --------------------------------------------------------------------------------- */

static void leave(struct replica *r)
{
    if (r->set && r->role == REPLICA_PRIMARY)
        peers_end_all(r, r->set);
    free(r->set);
    r->set = NULL;
    r->role = REPLICA_NONE;
    r->phase = REPLICA_IDLE;
    wake(r);
}

void replica_configure(struct replica *r, const struct replica_config *c,
                       struct replica_member self, unsigned min_in_sync, msec_t now)
{
    if (!c) {
        leave(r);
        return;
    }
    bool same_life = replica_member_eq(self, r->self);
    if (c->epoch < r->epoch || (c->epoch == r->epoch && same_life && r->role != REPLICA_NONE)) {
        if (c->epoch == r->epoch && min_in_sync != r->min_in_sync) {
            r->min_in_sync = (uint8_t)min_in_sync;
            commit_update(r);
        }
        return;
    }
    replica_config_check(c);
    if (!same_life) {
        leave(r);
        /* others must not take its rounds for those of another life, or node */
        r->round = self.node * 0x9e3779b1u + self.boot * 0x85ebca6bu;
    }
    r->self = self;
    r->min_in_sync = (uint8_t)(min_in_sync < UINT8_MAX ? min_in_sync : UINT8_MAX);
    bury(r, c);
    install(r, c, replica_config_find(c, self), now);
    if (r->role == REPLICA_PRIMARY)
        lead(r, now);
    else if (r->role == REPLICA_BACKUP || r->role == REPLICA_JOINING)
        member_knock(r, now);
    commit_update(r);
    wake(r);
}
