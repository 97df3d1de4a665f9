/* aside.c - calls that are not done by the shard but beside it, for they take long: they come to
 * who leads the partition like any call (gate, order, R7), and are handed on there. Whoever does
 * them answers by the op's ticket. */
#include "shard/shard_priv.h"

void aside_run(struct job *j)
{
    const struct shard_ports *ports = &j->s->ports;
    if (!ports->aside)
        job_fail(j, GRID_EUNSUPPORTED);
    else if (job_leased(j))
        ports->aside(ports->ctx, j->op);
}

bool shard_leads(struct shard *s, uint32_t context, uint32_t partition, uint64_t *ret_epoch)
{
    const struct shard_context *c = shard_context_of(s, context);
    if (!c || partition >= c->info->partitions || partition % s->conf.shards != s->conf.index)
        return false;
    struct partition *p = c->partitions[partition / s->conf.shards];
    *ret_epoch = s->conf.epoch;
    if (!p)
        return !s->sharing;
    *ret_epoch = p->replica.epoch;
    bool serves = p->gate == GATE_OPEN || p->gate == GATE_FEW;
    return serves && (!s->sharing || p->role == REPLICA_PRIMARY) && lease_holds(s, p);
}
