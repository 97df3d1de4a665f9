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
