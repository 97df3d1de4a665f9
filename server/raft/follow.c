/* follow.c - entries from the leader of the term (thesis 3.5, 3.6; figure 3.1, AppendEntries). */
#include "raft/raft_priv.h"

void follow_refuse(struct raft *r, const struct raft_message *m)
{
    struct raft_message *reply = raft_send(r, RAFT_MESSAGE_APPEND_REPLY, m->from);
    reply->asked = m->index;
    reply->round = m->round;
}

static uint64_t on_disk(const struct raft *r)
{
    if (SABOTAGE(ACK_BEFORE_DISK))
        return r->verified;
    return r->verified < r->log.stable ? r->verified : r->log.stable;
}

/* C2: of this log only what this leader's appends have shown to be its own. */
static void acknowledge(struct raft *r)
{
    struct raft_message *reply = raft_send(r, RAFT_MESSAGE_APPEND_REPLY, r->leader);
    reply->ok = true;
    reply->round = r->round;
    reply->index = r->told = on_disk(r);
    reply->asked = r->verified;
    if (SABOTAGE(ACK_WHOLE_LOG))
        reply->index = reply->asked = r->log.stable;
    r->ack_due = r->told < r->verified;
}

/* C7: skips every entry of a term that the leader's log does not have at this place. */
static void refuse(struct raft *r, const struct raft_message *m)
{
    uint64_t may = journal_floor(&r->log, m->index, m->log_term);
    if (SABOTAGE(STEP_BY_STEP))
        may = m->index - 1 < journal_last(&r->log) ? m->index - 1 : journal_last(&r->log);
    if (may < r->commit)
        may = r->commit; /* what is committed is in every leader's log (figure 3.2) */
    follow_refuse(r, m);
    struct raft_message *reply = &r->out[r->out_len - 1];
    reply->index = may;
    CHECK(journal_term(&r->log, may, &reply->log_term));
}

/* Figure 3.1, 3. and 4.: what conflicts goes, with all behind it; what is there stays, for a late
 * message must not take back what a newer one has brought. False: the sender is not a leader. */
static bool take(struct raft *r, const struct raft_message *m)
{
    for (size_t i = 0; i < m->entries_len; i++) {
        const struct raft_entry *e = &m->entries[i];
        uint64_t term;
        if (e->index <= r->log.base)
            continue;
        bool have = journal_term(&r->log, e->index, &term);
        if (have && term == e->term && !(SABOTAGE(CUT_ALWAYS) && i == 0 && e->index > r->commit))
            continue;
        if (have && e->index <= r->commit)
            return false;
        if (have)
            raft_cut(r, e->index);
        raft_append(r, e->term, e->kind, e->data);
    }
    return true;
}

void follow_append(struct raft *r, const struct raft_message *m)
{
    uint64_t term, end = m->index + m->entries_len;
    if (r->role == RAFT_LEADER) {
        r->dropped++; /* figure 3.2, Election Safety: it cannot be */
        return;
    }
    election_follow(r, r->term, m->from);
    bool asks = m->round > r->round;
    if (asks)
        r->round = m->round;
    bool known = journal_term(&r->log, m->index, &term);
    if (m->index >= r->log.base && (!known || term != m->log_term)) {
        refuse(r, m);
        return;
    }
    if (!take(r, m)) {
        r->dropped++;
        return;
    }
    if (end > r->verified)
        r->verified = end;
    uint64_t committed = SABOTAGE(COMMIT_BEYOND) ? journal_last(&r->log) : end; /* C2 */
    raft_commit(r, m->commit < committed ? m->commit : committed);
    if (asks || on_disk(r) >= end)
        acknowledge(r);
    else
        r->ack_due = true; /* C1: see follow_end() */
}

void follow_end(struct raft *r)
{
    if (r->role == RAFT_FOLLOWER && r->leader && r->restore && r->restore_write <= r->written) {
        struct raft_message *reply = raft_send(r, RAFT_MESSAGE_SNAPSHOT_REPLY, r->leader);
        reply->index = r->restore->s.index;
        reply->log_term = r->restore->s.term;
        reply->ok = true;
    }
    if (r->ack_due && r->leader && r->role == RAFT_FOLLOWER && on_disk(r) > r->told)
        acknowledge(r);
}
