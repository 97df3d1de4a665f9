/* message.c - what a message must look like before anything is believed. A link vouches for the
 * sender only: the rest may come from a broken program. */
#include "raft/raft_priv.h"

static bool entries_valid(const struct raft *r, const struct raft_message *m)
{
    uint64_t term = m->log_term ? m->log_term : 1;
    if (m->entries_len > RAFT_NUMBER_MAX || (m->entries_len && !m->entries))
        return false;
    for (size_t i = 0; i < m->entries_len; i++) {
        const struct raft_entry *e = &m->entries[i];
        struct raft_membership members;
        if (e->index != m->index + 1 + i || e->term < term || e->term > m->term)
            return false;
        if (e->data.len > r->conf.command_bytes_max || (e->data.len && !e->data.data))
            return false;
        if (e->kind != RAFT_ENTRY_NOOP && e->kind != RAFT_ENTRY_COMMAND &&
            (e->kind != RAFT_ENTRY_MEMBERSHIP || !raft_membership_decode(e->data, &members)))
            return false;
        term = e->term;
    }
    return true;
}

static bool part_valid(const struct raft *r, const struct raft_message *m)
{
    return m->index && m->membership && raft_membership_valid(m->membership) &&
           m->total <= r->conf.snapshot_bytes_max && m->offset <= m->total &&
           m->data.len <= m->total - m->offset && (m->data.len || m->offset == m->total) &&
           (!m->data.len || m->data.data);
}

bool message_valid(const struct raft *r, const struct raft_message *m)
{
    if (m->kind < RAFT_MESSAGE_PREVOTE || m->kind > RAFT_MESSAGE_TIMEOUT_NOW)
        return false;
    if (!m->from || m->from == r->conf.self || m->to != r->conf.self)
        return false;
    if (!m->term || m->term > RAFT_NUMBER_MAX || m->index > RAFT_NUMBER_MAX)
        return false;
    if (m->kind == RAFT_MESSAGE_APPEND_REPLY || m->kind == RAFT_MESSAGE_SNAPSHOT_REPLY)
        return m->log_term <= RAFT_NUMBER_MAX;
    if (m->log_term > m->term || !m->index != !m->log_term)
        return false;
    if (m->kind == RAFT_MESSAGE_APPEND)
        return entries_valid(r, m);
    return m->kind != RAFT_MESSAGE_SNAPSHOT || part_valid(r, m);
}
