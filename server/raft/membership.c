/* membership.c - two small sorted sets. */
#include "raft/membership.h"

static int find(const uint32_t *nodes, unsigned len, uint32_t node)
{
    for (unsigned i = 0; i < len; i++)
        if (nodes[i] == node)
            return (int)i;
    return -1;
}

static void insert(uint32_t *nodes, uint8_t *len, uint32_t node)
{
    unsigned at = *len;
    for (; at && nodes[at - 1] > node; at--)
        nodes[at] = nodes[at - 1];
    nodes[at] = node;
    (*len)++;
}

static void erase(uint32_t *nodes, uint8_t *len, uint32_t node)
{
    int at = find(nodes, *len, node);
    if (at < 0)
        return;
    (*len)--;
    memmove(nodes + at, nodes + at + 1, (size_t)(*len - at) * sizeof *nodes);
}

bool raft_is_voter(const struct raft_membership *m, uint32_t node)
{
    return find(m->voters, m->voters_len, node) >= 0;
}

bool raft_is_learner(const struct raft_membership *m, uint32_t node)
{
    return find(m->learners, m->learners_len, node) >= 0;
}

bool raft_membership_add_voter(struct raft_membership *m, uint32_t node)
{
    if (raft_is_voter(m, node))
        return true;
    if (m->voters_len == RAFT_VOTERS_MAX)
        return false;
    raft_membership_remove(m, node);
    insert(m->voters, &m->voters_len, node);
    return true;
}

bool raft_membership_add_learner(struct raft_membership *m, uint32_t node)
{
    if (raft_is_learner(m, node))
        return true;
    if (m->learners_len == RAFT_LEARNERS_MAX)
        return false;
    raft_membership_remove(m, node);
    insert(m->learners, &m->learners_len, node);
    return true;
}

void raft_membership_remove(struct raft_membership *m, uint32_t node)
{
    erase(m->voters, &m->voters_len, node);
    erase(m->learners, &m->learners_len, node);
}

static bool same(const uint32_t *a, unsigned a_len, const uint32_t *b, unsigned b_len)
{
    return a_len == b_len && memcmp(a, b, a_len * sizeof *a) == 0;
}

bool raft_membership_eq(const struct raft_membership *a, const struct raft_membership *b)
{
    return same(a->voters, a->voters_len, b->voters, b->voters_len) &&
           same(a->learners, a->learners_len, b->learners, b->learners_len);
}

static bool sorted(const uint32_t *nodes, unsigned len)
{
    uint32_t before = 0;
    for (unsigned i = 0; i < len; before = nodes[i++])
        if (nodes[i] <= before)
            return false;
    return true;
}

bool raft_membership_valid(const struct raft_membership *m)
{
    if (!m->voters_len || m->voters_len > RAFT_VOTERS_MAX || m->learners_len > RAFT_LEARNERS_MAX)
        return false;
    for (unsigned i = 0; i < m->learners_len; i++)
        if (raft_is_voter(m, m->learners[i]))
            return false;
    return sorted(m->voters, m->voters_len) && sorted(m->learners, m->learners_len);
}

void raft_membership_encode(const struct raft_membership *m, struct buf *to)
{
    buf_add_u8(to, m->voters_len);
    buf_add_u8(to, m->learners_len);
    for (unsigned i = 0; i < m->voters_len; i++)
        buf_add_u32(to, m->voters[i]);
    for (unsigned i = 0; i < m->learners_len; i++)
        buf_add_u32(to, m->learners[i]);
}

bool raft_membership_decode(struct slice s, struct raft_membership *ret_membership)
{
    struct raft_membership m = {0};
    if (s.len < 2 || s.data[0] > RAFT_VOTERS_MAX || s.data[1] > RAFT_LEARNERS_MAX)
        return false;
    m.voters_len = s.data[0];
    m.learners_len = s.data[1];
    if (s.len != 2 + 4 * ((size_t)m.voters_len + m.learners_len))
        return false;
    const uint8_t *p = s.data + 2;
    for (unsigned i = 0; i < m.voters_len; i++, p += 4)
        m.voters[i] = load_u32(p);
    for (unsigned i = 0; i < m.learners_len; i++, p += 4)
        m.learners[i] = load_u32(p);
    if (!raft_membership_valid(&m))
        return false;
    *ret_membership = m;
    return true;
}
