/* replica.c - order and commit.
 *
 *      commit <= acked <= last
 *   ------|--------|-------|----->  versions of one partition
 *   visible  pending (R6)     replica_peek: epoch in force, seq(last) + 1
 */
#include "replica/replica.h"

#include "data/record.h"

void replica_init(struct replica *r, uint64_t epoch)
{
    CHECK(epoch > 0 && epoch < UINT64_C(1) << (64 - SEQ_BITS));
    *r = (struct replica){
        .epoch = (uint32_t)epoch, .role = REPLICA_PRIMARY, .phase = REPLICA_SERVING};
}

void replica_recover(struct replica *r, uint64_t version)
{
    if (version <= r->history.last)
        return;
    replica_history_add(&r->history, version);
    r->acked = r->commit = version;
}

void replica_restate(struct replica *r, uint64_t version)
{
    if (version != r->history.last) /* of another's log, whose epochs are not told */
        r->history = (struct replica_history){.last = version, .torn = version != 0};
    r->acked = version;
    if (r->commit > version)
        r->commit = version;
}

uint64_t replica_peek(const struct replica *r)
{
    uint64_t seq = (r->history.last & SEQ_MASK) + 1;
    if (seq > SEQ_MASK || r->history.last >> SEQ_BITS > r->epoch)
        return 0;
    return version_make(r->epoch, seq);
}

void replica_advance(struct replica *r, uint64_t version)
{
    replica_history_add(&r->history, version);
}

/* R5: the lowest acknowledgement over the in-sync set, which is this node's own. */
static uint64_t lowest_ack(const struct replica *r)
{
    return r->acked;
}

bool replica_ack(struct replica *r, uint64_t version)
{
    CHECK(version <= r->history.last);
    if (version <= r->acked)
        return false;
    r->acked = version;
    uint64_t commit = lowest_ack(r);
    if (commit <= r->commit)
        return false;
    r->commit = commit;
    return true;
}

void replica_check(const struct replica *r)
{
    CHECK(r->epoch > 0);
    CHECK(r->commit <= r->acked && r->acked <= r->history.last);
    uint64_t next = replica_peek(r);
    CHECK(next == 0 || next > r->history.last);
    replica_history_check(&r->history);
}
