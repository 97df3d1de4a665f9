/* lead.c - bringing the others' logs to this one, and committing (thesis 3.5, 3.6, 10.2).
 *
 * Appends are pipelined: what is sent counts as arrived until it is refused, within a window. Every
 * heartbeat is an APPEND too, so whatever was lost shows at the next one; keep-alives are never
 * entries (C9). The own disk is one more follower: its acknowledgement comes as PERSISTED. */
#include "raft/raft_priv.h"

struct peer *lead_peer(struct raft *r, uint32_t id)
{
    for (unsigned i = 0; i < r->peers_len; i++)
        if (r->peers[i].id == id)
            return &r->peers[i];
    return NULL;
}

bool lead_silent(const struct raft *r, const struct peer *p)
{
    return r->now - p->heard > r->conf.election_ms_max;
}

/* --- who there is ----------------------------------------------------------------------------- */

static void peer_add(struct raft *r, uint32_t id)
{
    if (id == r->conf.self || lead_peer(r, id))
        return;
    CHECK(r->peers_len < RAFT_MEMBERS_MAX);
    r->peers[r->peers_len++] =
        (struct peer){.id = id, .next = journal_last(&r->log) + 1, .heard = r->now};
}

void lead_members_changed(struct raft *r)
{
    const struct raft_membership *m = raft_members(r);
    for (unsigned i = 0; i < r->peers_len;) {
        struct peer *p = &r->peers[i];
        if (raft_is_voter(m, p->id) || raft_is_learner(m, p->id)) {
            i++;
            continue;
        }
        snapshot_stop(p);
        *p = r->peers[--r->peers_len];
    }
    for (unsigned i = 0; i < m->voters_len; i++)
        peer_add(r, m->voters[i]);
    for (unsigned i = 0; i < m->learners_len; i++)
        peer_add(r, m->learners[i]);
    if (r->transfer && !raft_is_voter(m, r->transfer))
        r->transfer = 0;
}

/* The no-op is there before anyone is sent anything, so it rides in the first append (C3). */
void lead_begin(struct raft *r)
{
    CHECK(r->role == RAFT_CANDIDATE && r->vote == r->conf.self);
    raft_become(r, RAFT_LEADER, r->conf.self);
    snapshot_forget_incoming(r);
    r->round = 0;
    r->tries = 0;
    r->peers_len = 0;
    r->first = journal_last(&r->log) + 1;
    lead_members_changed(r);
    if (!SABOTAGE(NO_NOOP))
        raft_append(r, r->term, RAFT_ENTRY_NOOP, slice_make(NULL, 0));
    r->beat_at = r->now;
}

void lead_leave(struct raft *r)
{
    for (unsigned i = 0; i < r->peers_len; i++)
        snapshot_stop(&r->peers[i]);
    r->peers_len = 0;
    r->transfer = 0;
    r->ack_due = false;
    r->round = 0;
    read_fail_all(r);
}

/* --- commit ----------------------------------------------------------------------------------- */

static uint64_t match_of(const struct raft *r, uint32_t voter)
{
    if (voter == r->conf.self) /* C1 */
        return SABOTAGE(OWN_ACK_BEFORE_DISK) ? journal_last(&r->log) : r->log.stable;
    for (unsigned i = 0; i < r->peers_len; i++)
        if (r->peers[i].id == voter)
            return r->peers[i].match;
    return 0;
}

static uint64_t heard_of(const struct raft *r, uint32_t voter)
{
    if (voter == r->conf.self)
        return r->now;
    for (unsigned i = 0; i < r->peers_len; i++)
        if (r->peers[i].id == voter)
            return r->peers[i].heard;
    return 0;
}

msec_t lead_quorum_heard(const struct raft *r)
{
    return raft_quorum(r, heard_of);
}

/* 4.2.2: who is not a voter any more has led to the end of its last change. */
static void leave_when_removed(struct raft *r)
{
    const struct mark *mark = journal_members(&r->log);
    if (mark->index > r->commit || raft_is_voter(&mark->membership, r->conf.self))
        return;
    for (unsigned i = 0; i < r->peers_len;) /* no part is sent of what may be given up below */
        if (r->peers[i].mode == PEER_SNAPSHOT) {
            snapshot_stop(&r->peers[i]);
            r->peers[i] = r->peers[--r->peers_len];
        } else {
            i++;
        }
    r->beat = true; /* they are told of the commit, and one of them to go on */
    lead_end(r);
    ask_transfer(r, 0);
    ask_transfer_go(r);
    election_follow(r, r->term, 0);
}

/* C3, figure 3.7: an entry of an earlier term is never committed by counting, for a majority that
 * has it does not keep a later leader from replacing it. */
void lead_commit(struct raft *r)
{
    uint64_t upto = raft_quorum(r, match_of), term;
    if (upto <= r->commit)
        return;
    if (!SABOTAGE(COMMIT_OLD_TERM) && (!journal_term(&r->log, upto, &term) || term != r->term))
        return;
    raft_commit(r, upto);
    if (SABOTAGE(MEMBERS_WHEN_COMMITTED))
        lead_members_changed(r);
    leave_when_removed(r);
}

/* --- time ------------------------------------------------------------------------------------- */

/* A leader whose own disk stands still has nothing applied: someone who has all does better. */
static void hand_over_when_stalled(struct raft *r)
{
    bool stalled =
        r->writes > r->written && r->now - r->disk_moved_at > 2 * r->conf.election_ms_max;
    if (!stalled || r->transfer)
        return;
    for (unsigned i = 0; i < r->peers_len; i++)
        if (r->peers[i].match == journal_last(&r->log) && !ask_transfer(r, r->peers[i].id))
            return;
}

void lead_tick(struct raft *r)
{
    if (r->now - lead_quorum_heard(r) > r->conf.election_ms_max && !SABOTAGE(NO_CHECK_QUORUM)) {
        election_follow(r, r->term, 0); /* 6.2: a leader without a quorum is none */
        return;
    }
    if (r->transfer && r->now >= r->transfer_until && !SABOTAGE(ENDLESS_TRANSFER)) {
        r->transfer = 0;
        r->changed = true;
    }
    hand_over_when_stalled(r);
    if (r->now < r->beat_at)
        return;
    r->beat = true;
    r->beat_at = r->now + r->conf.heartbeat_ms;
    if (SABOTAGE(BEATS_IN_LOG))
        raft_append(r, r->term, RAFT_ENTRY_NOOP, slice_make(NULL, 0));
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Entries from + 1 .. that fit into one message. */
static size_t fill(const struct raft *r, uint64_t from, uint64_t upto)
{
    size_t n = 0;
    while (from + n < upto &&
           (!n || journal_bytes(&r->log, from, from + n + 1) <= r->conf.append_bytes_max))
        n++;
    return n;
}

static size_t append_send(struct raft *r, struct peer *p, uint64_t prev, uint64_t upto)
{
    struct raft_message *m = raft_send(r, RAFT_MESSAGE_APPEND, p->id);
    m->index = prev;
    CHECK(journal_term(&r->log, prev, &m->log_term));
    m->commit = p->commit = r->commit;
    m->round = r->round;
    m->entries_len = fill(r, prev, upto);
    m->entries = m->entries_len ? journal_at(&r->log, prev + 1) : NULL;
    return m->entries_len;
}

/* To whom the log does not reach back: figure 3.1 with no entries in front of everything. */
static void beat_send(struct raft *r, struct peer *p)
{
    struct raft_message *m = raft_send(r, RAFT_MESSAGE_APPEND, p->id);
    m->commit = r->commit;
    m->round = r->round;
}

static void stream(struct raft *r, struct peer *p)
{
    bool due = r->beat || p->commit < r->commit;
    while (p->next <= journal_last(&r->log) &&
           p->next - 1 - p->match < r->conf.window_entries_max &&
           journal_bytes(&r->log, p->match, p->next - 1) < r->conf.window_bytes_max) {
        p->next += append_send(r, p, p->next - 1, journal_last(&r->log));
        due = false;
    }
    if (due)
        append_send(r, p, p->next - 1, p->next - 1);
}

static void peer_send(struct raft *r, struct peer *p)
{
    if (p->mode != PEER_SNAPSHOT && p->next <= r->log.base) {
        p->mode = PEER_SNAPSHOT;
        p->snapshot = snapshot_ref(r->snapshot);
        p->offset = 0;
        p->sent = false;
    }
    if (p->mode == PEER_STREAM) {
        stream(r, p);
    } else if (p->mode == PEER_PROBE) {
        if (r->beat || !p->sent) /* nothing large to who does not answer */
            append_send(r, p, p->next - 1, lead_silent(r, p) ? p->next - 1 : journal_last(&r->log));
        p->sent = true;
    } else {
        if (r->beat)
            beat_send(r, p);
        if (!lead_silent(r, p) && (!p->sent || (r->beat && !SABOTAGE(PART_ONCE))))
            snapshot_send(r, p);
    }
}

void lead_end(struct raft *r)
{
    if (read_wants_round(r))
        r->beat = true;
    if (r->beat) {
        r->round++;
        read_round_begun(r);
    }
    for (unsigned i = 0; i < r->peers_len; i++)
        peer_send(r, &r->peers[i]);
    ask_transfer_go(r);
    r->beat = false;
}

/* --- answers ---------------------------------------------------------------------------------- */

void lead_matched(struct raft *r, struct peer *p, uint64_t match)
{
    if (match > p->match)
        p->match = match;
    if (p->next <= p->match)
        p->next = p->match + 1;
    if (p->mode == PEER_SNAPSHOT && p->match < r->log.base)
        return;
    snapshot_stop(p);
    p->mode = PEER_STREAM;
}

/* C7, the other half: entries here whose term the follower does not have at this place. */
static void refused(struct raft *r, struct peer *p, const struct raft_message *m)
{
    if (p->mode == PEER_STREAM && m->asked > p->match && !SABOTAGE(NEVER_AGAIN)) {
        p->mode = PEER_PROBE; /* something was lost, or overtaken */
        p->next = p->match + 1;
        p->sent = false;
    } else if (p->mode == PEER_PROBE && m->asked == p->next - 1 && m->asked == p->match) {
        r->dropped++; /* C8: it has lost what it had on disk */
    } else if (p->mode == PEER_PROBE && m->asked == p->next - 1) {
        uint64_t may = m->index < m->asked ? m->index : m->asked - 1;
        if (!SABOTAGE(STEP_BY_STEP) && may >= r->log.base)
            may = journal_floor(&r->log, may, m->log_term);
        p->next = (may > p->match ? may : p->match) + 1;
        p->sent = false;
    }
}

void lead_reply(struct raft *r, const struct raft_message *m)
{
    struct peer *p = r->role == RAFT_LEADER ? lead_peer(r, m->from) : NULL;
    if (!p)
        return;
    uint64_t last = journal_last(&r->log);
    if (m->round > r->round || (m->ok && (m->index > m->asked || m->asked > last))) {
        r->dropped++;
        return;
    }
    p->heard = r->now;
    if (m->round > p->round)
        p->round = m->round;
    if (!m->ok) {
        if (m->asked)
            refused(r, p, m);
        return;
    }
    lead_matched(r, p, m->index);
    if (p->mode == PEER_STREAM && p->next <= m->asked)
        p->next = m->asked + 1;
}
