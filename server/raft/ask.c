/* ask.c - what the caller may want of a leader: entries (thesis 3.5), other members (chapter 4),
 * another leader (3.10). */
#include "raft/raft_priv.h"

static enum raft_refusal may_append(const struct raft *r)
{
    if (r->role != RAFT_LEADER)
        return RAFT_NOT_LEADER;
    return r->transfer ? RAFT_TRANSFERRING : RAFT_ACCEPTED;
}

enum raft_refusal ask_submit(struct raft *r, const struct raft_event *ev)
{
    uint64_t bytes = journal_bytes(&r->log, r->commit, journal_last(&r->log));
    enum raft_refusal refused = may_append(r);
    for (size_t i = 0; i < ev->commands_len && !refused; i++) {
        bytes += ev->commands[i].len + LOG_ENTRY_OVERHEAD;
        if (ev->commands[i].len > r->conf.command_bytes_max)
            refused = RAFT_INVALID;
        else if (bytes > r->conf.pending_bytes_max)
            refused = RAFT_FULL;
    }
    for (size_t i = 0; i < ev->commands_len && !refused; i++)
        raft_append(r, r->term, RAFT_ENTRY_COMMAND, ev->commands[i]);
    return refused;
}

/* --- members ---------------------------------------------------------------------------------- */

/* 4.2.1: a voter that lags would hold up every commit. */
static bool caught_up(const struct raft *r, uint32_t node)
{
    for (unsigned i = 0; i < r->peers_len; i++) {
        const struct peer *p = &r->peers[i];
        if (p->id == node)
            return !lead_silent(r, p) && p->mode == PEER_STREAM && p->match >= r->first &&
                   p->match + r->conf.window_entries_max / 4 >= r->commit;
    }
    return false;
}

static enum raft_refusal change(const struct raft *r, const struct raft_event *ev,
                                struct raft_membership *m)
{
    bool voter = raft_is_voter(m, ev->node), learner = raft_is_learner(m, ev->node);
    bool last = voter && m->voters_len == 1;
    bool done = false;
    switch (ev->change) {
    case RAFT_ADD:
        done = ev->node && !voter && !learner && raft_membership_add_learner(m, ev->node);
        break;
    case RAFT_PROMOTE:
        if (learner && m->voters_len < RAFT_VOTERS_MAX && !caught_up(r, ev->node))
            return RAFT_LAGGING;
        done = learner && raft_membership_add_voter(m, ev->node);
        break;
    case RAFT_DEMOTE:
        done = voter && !last && raft_membership_add_learner(m, ev->node);
        break;
    case RAFT_REMOVE:
        done = (voter || learner) && !last;
        raft_membership_remove(m, ev->node);
        break;
    }
    return done ? RAFT_ACCEPTED : RAFT_INVALID;
}

/* C3: before an entry of this term is committed, a change of an earlier leader may still be
 * coming or going, and two single changes that do not know of each other have majorities without
 * a voter in common. */
enum raft_refusal ask_change(struct raft *r, const struct raft_event *ev)
{
    const struct mark *mark = journal_members(&r->log);
    enum raft_refusal refused = may_append(r);
    if (refused)
        return refused;
    if (r->commit < r->first && !SABOTAGE(CHANGE_TOO_EARLY))
        return RAFT_NOT_READY;
    if (mark->index > r->commit && !SABOTAGE(TWO_CHANGES))
        return RAFT_CHANGING;
    struct raft_membership m = mark->membership;
    refused = change(r, ev, &m);
    if (refused)
        return refused;
    struct buf data = BUF_INIT;
    raft_membership_encode(&m, &data);
    raft_append(r, r->term, RAFT_ENTRY_MEMBERSHIP, buf_slice(&data));
    buf_release(&data);
    lead_members_changed(r);
    return RAFT_ACCEPTED;
}

/* --- transfer --------------------------------------------------------------------------------- */

static uint32_t best_voter(const struct raft *r)
{
    const struct peer *best = NULL;
    for (unsigned i = 0; i < r->peers_len; i++) {
        const struct peer *p = &r->peers[i];
        if (!raft_is_voter(raft_members(r), p->id) || lead_silent(r, p))
            continue;
        if (!best || p->match > best->match)
            best = p;
    }
    return best ? best->id : 0;
}

enum raft_refusal ask_transfer(struct raft *r, uint32_t node)
{
    enum raft_refusal refused = may_append(r);
    if (refused)
        return refused;
    if (!node && !(node = best_voter(r)))
        return RAFT_LAGGING;
    const struct peer *p = lead_peer(r, node);
    if (!p || !raft_is_voter(raft_members(r), node))
        return RAFT_INVALID;
    if (lead_silent(r, p))
        return RAFT_LAGGING;
    r->transfer = node;
    r->transfer_sent = false;
    r->transfer_until = r->now + r->conf.election_ms_max;
    r->changed = true;
    return RAFT_ACCEPTED;
}

/* Once the node has all of the log; again at each heartbeat, for a message may be lost. */
void ask_transfer_go(struct raft *r)
{
    const struct peer *p = r->transfer ? lead_peer(r, r->transfer) : NULL;
    if (!p || p->match < journal_last(&r->log) || (r->transfer_sent && !r->beat))
        return;
    r->transfer_sent = true;
    raft_send(r, RAFT_MESSAGE_TIMEOUT_NOW, p->id);
}
