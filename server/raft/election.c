/* election.c - who leads (thesis 3.4), without disturbing who does (4.2.3, 9.6).
 *
 *              patience ends            a majority would vote        a majority votes
 *   FOLLOWER ---------------> PRECANDIDATE ---------------> CANDIDATE ------------> LEADER
 *      ^                         ^  (asks again)                |                     |
 *      |                         +------- patience ends --------+                     |
 *      +---- a leader of this term, or any later term; of the leader: no quorum ------+
 *
 * C4: every round begins with a pre-vote, so a term is begun only where it can be won. Only
 * TIMEOUT_NOW (3.10) goes to CANDIDATE at once. Who sees the leader's link close has it for two
 * beats more, unless it is heard again, by a new link: so the members of a process that died need
 * no whole patience, and one whose link broke finds no majority. */
#include "raft/raft_priv.h"

void election_reset(struct raft *r)
{
    uint64_t spread = r->conf.election_ms_max - r->conf.election_ms_min;
    r->election_at = r->now + r->conf.election_ms_min + 1 + prng_below(&r->prng, spread);
}

void election_follow(struct raft *r, uint64_t term, uint32_t leader)
{
    if (term > r->term || leader != r->leader) {
        r->verified = r->told = r->round = 0; /* C2: of this leader's log, nothing is known */
        r->ack_due = false;
        snapshot_forget_incoming(r);
    }
    if (r->role == RAFT_LEADER)
        election_reset(r);
    raft_become(r, RAFT_FOLLOWER, leader);
    if (term > r->term)
        raft_set_term(r, term, 0);
    if (!leader)
        return;
    r->tries = 0;
    r->leader_heard = true;
    r->leader_heard_at = r->now;
    r->leader_closed = r->leader_closed && SABOTAGE(CLOSED_FOR_EVER);
    election_reset(r);
}

/* Others see the same a moment later, and then they may vote. */
void election_closed(struct raft *r, uint32_t node)
{
    if (r->role != RAFT_FOLLOWER || !r->leader || r->leader != node || r->leader_closed)
        return;
    uint64_t beat = r->conf.heartbeat_ms;
    msec_t soon = r->now + 2 * beat + beat / 8 + prng_below(&r->prng, beat);
    r->leader_closed = true;
    r->leader_closed_at = r->now;
    if (soon < r->election_at)
        r->election_at = soon;
}

/* --- standing --------------------------------------------------------------------------------- */

static bool grant(struct raft *r, uint32_t voter)
{
    const struct raft_membership *m = raft_members(r);
    for (unsigned i = 0; i < r->granted_len; i++)
        if (r->granted[i] == voter)
            voter = 0;
    if (r->granted_len < RAFT_VOTERS_MAX && raft_is_voter(m, voter))
        r->granted[r->granted_len++] = voter;
    return r->granted_len > (SABOTAGE(MINORITY) ? (m->voters_len - 1u) / 2 : m->voters_len / 2u);
}

static void ask_all(struct raft *r, enum raft_message_kind kind)
{
    const struct raft_membership *members = raft_members(r);
    for (unsigned i = 0; i < members->voters_len; i++) {
        if (members->voters[i] == r->conf.self)
            continue;
        struct raft_message *m = raft_send(r, kind, members->voters[i]);
        m->term = r->term + (kind == RAFT_MESSAGE_PREVOTE);
        m->index = journal_last(&r->log);
        m->log_term = journal_last_term(&r->log);
        m->force = kind == RAFT_MESSAGE_VOTE && r->forced;
    }
}

/* C1: nobody is asked, and the own vote does not count, before it is on disk. */
static void ask_for_votes(struct raft *r)
{
    if (r->asked || (r->vote_write > r->written && !SABOTAGE(OWN_VOTE_BEFORE_DISK)))
        return;
    r->asked = true;
    ask_all(r, RAFT_MESSAGE_VOTE);
    if (grant(r, r->conf.self))
        lead_begin(r);
}

static void stand(struct raft *r, bool forced)
{
    raft_become(r, RAFT_CANDIDATE, 0);
    raft_set_term(r, r->term + 1, r->conf.self);
    r->granted_len = 0;
    r->tries++;
    r->forced = forced;
    r->asked = false;
    r->verified = r->told = 0;
    election_reset(r);
    ask_for_votes(r);
}

static void stand_if_welcome(struct raft *r)
{
    bool again = r->role == RAFT_PRECANDIDATE;
    raft_become(r, RAFT_PRECANDIDATE, SABOTAGE(LEADER_FOR_EVER) ? r->leader : 0);
    r->granted_len = 0;
    if (grant(r, r->conf.self) || SABOTAGE(NO_PREVOTE)) {
        stand(r, false);
        return;
    }
    ask_all(r, RAFT_MESSAGE_PREVOTE);
    /* The others' patience may end a little later: asking again soon costs nothing. */
    uint64_t beat = r->conf.heartbeat_ms;
    r->election_at = r->now + beat + prng_below(&r->prng, again ? 2 * beat : beat);
}

/* 4.2.2, figure 4.6: who is no voter by an entry that may never be committed is perhaps the only
 * one with a log that can win. It does not count itself. */
static bool may_stand(const struct raft *r)
{
    const struct mark *mark = journal_members(&r->log);
    uint32_t self = r->conf.self;
    if (raft_is_voter(raft_members(r), self))
        return true;
    return mark->index > r->commit && !SABOTAGE(NO_LAST_STAND) &&
           raft_is_voter(&journal_members_at(&r->log, r->commit)->membership, self);
}

void election_tick(struct raft *r)
{
    if (r->now < r->election_at)
        return;
    if (may_stand(r)) {
        stand_if_welcome(r);
        return;
    }
    raft_become(r, RAFT_FOLLOWER, 0); /* it is not for this node to stand, but the leader is gone */
    election_reset(r);
}

void election_written(struct raft *r)
{
    if (r->role == RAFT_CANDIDATE)
        ask_for_votes(r);
    if (!r->vote_owed || r->vote_write > r->written)
        return;
    r->vote_owed = false;
    raft_send(r, RAFT_MESSAGE_VOTE_REPLY, r->vote)->ok = true;
}

/* A vote that was given to another means that two stood at once. Once, that is tried again soon;
 * if it happens again, disks or links are slow, and need the whole time. */
static void hasten(struct raft *r)
{
    uint64_t beat = r->conf.heartbeat_ms;
    msec_t soon = r->now + beat / 2 + prng_below(&r->prng, 2 * beat);
    if (r->tries == 1 && soon < r->election_at)
        r->election_at = soon;
}

void election_reply(struct raft *r, const struct raft_message *m)
{
    bool before = m->kind == RAFT_MESSAGE_PREVOTE_REPLY;
    if (!m->ok) {
        if (!before && r->role == RAFT_CANDIDATE)
            hasten(r);
        return;
    }
    if (before && (r->role != RAFT_PRECANDIDATE || m->term != r->term + 1))
        return;
    if (!before && (r->role != RAFT_CANDIDATE || !r->asked))
        return;
    if (!grant(r, m->from))
        return;
    if (before)
        stand(r, false);
    else
        lead_begin(r);
}

/* 3.10: the leader says so, and has sent all of its log. */
void election_timeout_now(struct raft *r, const struct raft_message *m)
{
    if (r->role != RAFT_FOLLOWER || (r->leader && r->leader != m->from))
        return;
    if (may_stand(r))
        stand(r, true);
}

/* --- voting ----------------------------------------------------------------------------------- */

/* 3.6.1: who lacks a committed entry cannot have a majority (figure 3.8). */
static bool log_up_to_date(const struct raft *r, const struct raft_message *m)
{
    uint64_t term = journal_last_term(&r->log);
    if (SABOTAGE(VOTE_FOR_ANY_LOG))
        return true;
    return m->log_term > term || (m->log_term == term && m->index >= journal_last(&r->log));
}

/* 4.2.3: a node that hears a leader votes for nobody. C4: that is a matter of time, whatever else
 * it believes; a leader's time is that of its quorum. */
static bool has_leader(const struct raft *r)
{
    if (SABOTAGE(LEADER_FOR_EVER))
        return r->leader != 0;
    if (r->role == RAFT_LEADER)
        return r->now - lead_quorum_heard(r) < r->conf.election_ms_min;
    if (r->leader_closed && r->now - r->leader_closed_at >= 2 * r->conf.heartbeat_ms)
        return false;
    return r->leader_heard && r->now - r->leader_heard_at < r->conf.election_ms_min;
}

void election_prevote(struct raft *r, const struct raft_message *m)
{
    bool ok = m->term > r->term && log_up_to_date(r, m) && !has_leader(r);
    if (SABOTAGE(OWN_MEMBERS_ONLY) && !raft_is_voter(raft_members(r), r->conf.self))
        return;
    struct raft_message *reply = raft_send(r, RAFT_MESSAGE_PREVOTE_REPLY, m->from);
    reply->ok = ok;
    if (ok)
        reply->term = m->term;
}

static bool vote_free(const struct raft *r, const struct raft_message *m)
{
    return !r->vote || r->vote == m->from || SABOTAGE(TWO_VOTES);
}

/* C4: whatever its own role is, and whoever it thinks is member: the one who asks may know of a
 * change that this node does not (4.1). */
void election_vote(struct raft *r, const struct raft_message *m)
{
    if (!m->force && m->term > r->term && has_leader(r) && !SABOTAGE(DISTURBED))
        return;
    if (SABOTAGE(OWN_MEMBERS_ONLY) && !raft_is_voter(raft_members(r), r->conf.self))
        return;
    if (m->term > r->term)
        election_follow(r, m->term, 0);
    if (m->term < r->term || !vote_free(r, m) || !log_up_to_date(r, m)) {
        raft_send(r, RAFT_MESSAGE_VOTE_REPLY, m->from);
        return;
    }
    if (r->role == RAFT_PRECANDIDATE)
        raft_become(r, RAFT_FOLLOWER, 0);
    if (r->vote != m->from) {
        raft_set_term(r, r->term, m->from);
        election_reset(r);
    }
    if (r->vote_write <= r->written || SABOTAGE(VOTE_BEFORE_DISK))
        raft_send(r, RAFT_MESSAGE_VOTE_REPLY, m->from)->ok = true;
    else
        r->vote_owed = true; /* C1: see election_written() */
}
