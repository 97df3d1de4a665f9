/* member.c - everyone but the primary: says what it has, takes what it is brought, acks.
 *
 * It takes records only in a round in which the primary has compared the two logs, so all it acks
 * is in the primary's log. What it has beyond the common point it keeps until the cut is done as a
 * whole: it may have to lead with it (R9). */
#include "replica/replica_priv.h"

#include "data/record.h"

static struct replica_member primary_of(const struct replica *r)
{
    return r->set->peers[0].member;
}

/* Asks for a HELLO, once; again when none comes. */
void member_knock(struct replica *r, msec_t now)
{
    struct replica_set *s = r->set;
    s->synced = s->cutting = false;
    s->answered = 0;
    s->knocked = true;
    s->retry_at = now + r->times->retry_ms;
    struct replica_message m = message(r, REPLICA_KNOCK, 0);
    r->ports->send(r->ports->ctx, r, primary_of(r), &m);
    wake(r);
}

static void hello_received(struct replica *r, const struct replica_message *m)
{
    struct replica_set *s = r->set;
    s->synced = s->cutting = s->knocked = false;
    s->answered = m->round;
    struct replica_message answer = message(r, REPLICA_STATUS, m->round);
    answer.history = r->history;
    answer.broken = r->broken;
    answer.stray = r->stray;
    answer.copying = r->copying;
    answer.served = s->served || RULE_OFF(EVERY_WORD);
    answer.copy = s->copy;
    r->ports->send(r->ports->ctx, r, primary_of(r), &answer);
}

static bool in_set(const struct replica *r)
{
    return r->role != REPLICA_JOINING && !RULE_OFF(WIPE_IN_SYNC);
}

static void cut_received(struct replica *r, const struct replica_message *m)
{
    struct replica_set *s = r->set;
    if (s->cutting || s->synced || m->version >= r->history.last)
        return;
    if (in_set(r) && m->version < r->commit)
        return; /* never; it will be asked out */
    s->cutting = true;
    s->mark = m->version;
    r->ports->cut(r->ports->ctx, r, m->version, m->round);
}

static void copy_received(struct replica *r, const struct replica_message *m)
{
    struct replica_set *s = r->set;
    if (in_set(r) || s->synced || s->copy == m->round)
        return;
    if (m->history.last >> SEQ_BITS > r->epoch)
        return;
    r->history = m->history;
    r->acked = m->history.last; /* held when the copy is; till then `copying` says that it is not */
    r->commit = 0;
    r->copying = true;
    r->broken = r->stray = false;
    s->cutting = false;
    s->synced = true; /* there is nothing else in its log */
    s->heard = 0;
    s->copy = m->round;
    r->ports->wipe(r->ports->ctx, r, true, m->round);
}

static enum replica_verdict records_received(struct replica *r, const struct replica_message *m,
                                             msec_t now)
{
    struct replica_set *s = r->set;
    if (s->cutting)
        return REPLICA_DONE;
    if (m->version > r->history.last && !RULE_OFF(GAPS)) {
        member_knock(r, now);
        return REPLICA_DONE;
    }
    s->ack_due = s->ack_due || !s->synced;
    s->synced = true;
    s->heard = m->commit;
    commit_update(r);
    wake(r);
    return REPLICA_TAKE;
}

enum replica_verdict member_receive(struct replica *r, const struct replica_message *m, msec_t now)
{
    struct replica_set *s = r->set;
    if (m->kind == REPLICA_HELLO) {
        hello_received(r, m);
        return REPLICA_DONE;
    }
    if (m->kind != REPLICA_CUT && m->kind != REPLICA_COPY && m->kind != REPLICA_RECORDS)
        return REPLICA_STRANGER;
    if (!s->answered || m->round != s->answered) {
        bool newer = !s->answered || (int32_t)(m->round - s->answered) > 0;
        if (!s->knocked && newer)
            member_knock(r, now);
        return REPLICA_DONE;
    }
    if (m->kind == REPLICA_RECORDS)
        return records_received(r, m, now);
    if (m->kind == REPLICA_CUT)
        cut_received(r, m);
    else
        copy_received(r, m);
    return REPLICA_DONE;
}

bool replica_take(const struct replica *r, uint64_t version)
{
    uint64_t last = r->history.last;
    bool next = (version & SEQ_MASK) == (last & SEQ_MASK) + 1 || RULE_OFF(GAPS);
    return r->set && r->set->synced && version > last && next && version >> SEQ_BITS <= r->epoch;
}

bool replica_current(const struct replica *r, struct replica_member from, uint64_t epoch,
                     uint32_t round)
{
    const struct replica_set *s = r->set;
    bool follows = r->role == REPLICA_BACKUP || r->role == REPLICA_JOINING;
    if (!follows || !replica_member_eq(from, primary_of(r)))
        return false;
    if (s->cutting)
        return epoch == r->epoch && round == s->answered;
    return r->copying && round == s->copy; /* it goes on over epochs, this node's or the sender's */
}

bool replica_mendable(const struct replica *r, uint32_t round,
                      const struct replica_history *history)
{
    const struct replica_set *s = r->set;
    return s && s->cutting && s->answered == round && replica_history_valid(history) &&
           history->last >= s->mark && history->last >> SEQ_BITS <= r->epoch;
}

void replica_mended(struct replica *r, const struct replica_history *history, msec_t now)
{
    struct replica_set *s = r->set;
    CHECK(s && replica_mendable(r, s->answered, history));
    r->history = *history;
    r->sure = history->last;
    r->acked = 0; /* half of it is nothing */
    if (r->commit > s->mark)
        r->commit = s->mark;
    member_knock(r, now);
}

void replica_copied(struct replica *r, msec_t now)
{
    (void)now;
    if (!r->copying)
        return;
    r->copying = false;
    if (!r->set)
        return;
    r->set->ack_due = true;
    wake(r);
}

static void unfit_say(struct replica *r, msec_t now)
{
    if (r->role == REPLICA_BACKUP || r->role == REPLICA_JOINING)
        member_knock(r, now);
    wake(r);
}

void replica_break(struct replica *r, msec_t now)
{
    if (r->broken)
        return;
    r->broken = true;
    unfit_say(r, now);
}

void replica_stray(struct replica *r, msec_t now)
{
    if (r->stray || r->role == REPLICA_PRIMARY)
        return;
    r->stray = true;
    unfit_say(r, now);
}

void member_flush(struct replica *r, msec_t now)
{
    struct replica_set *s = r->set;
    (void)now;
    bool due = s->ack_due || s->told < r->acked;
    if (!due || !s->synced || r->broken || r->stray)
        return;
    struct replica_message m = message(r, REPLICA_ACK, s->answered);
    m.version = RULE_OFF(EARLY_ACK) ? r->history.last : r->acked;
    m.copying = r->copying;
    s->told = r->acked;
    s->ack_due = false;
    r->ports->send(r->ports->ctx, r, primary_of(r), &m);
}

bool replica_handing_over(const struct replica *r)
{
    const struct replica_set *s = r->set;
    if (!s || r->role != REPLICA_BACKUP || !s->served)
        return false;
    return !s->synced || s->ack_due || s->told < r->acked;
}

void member_tick(struct replica *r, msec_t now)
{
    if (r->set->knocked && now >= r->set->retry_at)
        member_knock(r, now);
}
