/* read.c - linearizable reads without entries (thesis 6.4). A read is of the commit index at the
 * time it was asked; a round of heartbeats, begun afterwards and answered by a majority, shows that
 * no later leader had committed anything by then. No clocks: reads are too seldom for a lease. */
#include "raft/raft_priv.h"

#include "base/alloc.h"

static void push(uint64_t **list, size_t *len, size_t *cap, uint64_t id)
{
    if (*len == *cap) {
        *cap = *cap ? 2 * *cap : 16;
        *list = xrealloc(*list, *cap, sizeof **list);
    }
    (*list)[(*len)++] = id;
}

static void fail(struct raft *r, uint64_t id)
{
    push(&r->failed, &r->failed_len, &r->failed_cap, id);
}

void read_add(struct raft *r, uint64_t id)
{
    if (r->role != RAFT_LEADER || r->reads_len == r->conf.reads_max) {
        fail(r, id);
        return;
    }
    if (r->reads_len == r->reads_cap) {
        r->reads_cap = r->reads_cap ? 2 * r->reads_cap : 16;
        r->reads = xrealloc(r->reads, r->reads_cap, sizeof *r->reads);
    }
    /* C3: before the first commit of the term the commit index may be behind what was told. */
    bool knows = r->commit >= r->first || SABOTAGE(READ_TOO_EARLY);
    r->reads[r->reads_len++] = (struct read){.id = id, .index = knows ? r->commit : 0};
}

static uint64_t round_of(const struct raft *r, uint32_t voter)
{
    if (voter == r->conf.self)
        return r->round;
    for (unsigned i = 0; i < r->peers_len; i++)
        if (r->peers[i].id == voter)
            return r->peers[i].round;
    return 0;
}

/* One at a time: who comes meanwhile shares the next. A heartbeat makes a lost one good. */
bool read_wants_round(const struct raft *r)
{
    bool waits = r->reads_len && !r->reads[r->reads_len - 1].round;
    return waits && raft_quorum(r, round_of) == r->round;
}

void read_round_begun(struct raft *r)
{
    for (size_t i = r->reads_len; i && !r->reads[i - 1].round; i--)
        r->reads[i - 1].round = r->round;
}

void read_end(struct raft *r)
{
    if (r->role != RAFT_LEADER || !r->reads_len)
        return;
    uint64_t answered = SABOTAGE(READ_UNASKED) ? r->round : raft_quorum(r, round_of);
    size_t n = 0;
    for (; n < r->reads_len; n++) {
        struct read *read = &r->reads[n];
        if (!read->index && r->commit >= r->first)
            read->index = r->commit;
        if (!read->round || read->round > answered || r->applied < read->index ||
            (!read->index && !SABOTAGE(READ_TOO_EARLY)))
            break;
        push(&r->done, &r->done_len, &r->done_cap, read->id);
    }
    r->reads_len -= n;
    memmove(r->reads, r->reads + n, r->reads_len * sizeof *r->reads);
}

void read_fail_all(struct raft *r)
{
    for (size_t i = 0; i < r->reads_len; i++)
        fail(r, r->reads[i].id);
    r->reads_len = 0;
}
