/* machine.h - what files of server/node stand on, made from a seed: workers, their mail and timers,
 * threads of pools, clocks, and what code asks of the grid (node/inside.h). So jobs and services
 * are run here by the real jobs.c, attempts.c and services.c, with real code of users on them.
 *
 * A thread of a pool is a thread, but only one at a time ever runs, the simulator or one of them:
 * each waits until it is woken by an event, and the simulator waits until it waits or is done. */
#ifndef TESTS_SIM_WHOLE_MACHINE_H
#define TESTS_SIM_WHOLE_MACHINE_H

#include "tests/sim/whole/world.h"

struct machine; /* opaque: of a process */
struct errand;
struct worker;

/* After its shards, which end after it. */
struct machine *machine_new(struct simnode *n);
void machine_stop(struct machine *m);
/* Code of that node runs from now on: it asks for the time. */
void machine_enter(const struct simnode *n);
struct worker *machine_worker(struct simshard *h);
/* Of its shard: what it is told of the grid; at the end of its turn. */
void machine_news(struct simshard *h);
void machine_turn(struct simshard *h);
void machine_event(struct world *w, struct event *e);
/* An op of code inside is answered. */
void machine_answer(struct world *w, const struct ticket *to, const struct result *res);
/* shard_ports.aside */
void machine_aside(void *shard, const struct op *op);
/* router_ports.everywhere */
void machine_errand(struct simshard *h, const struct ticket *to, const struct errand *errand);
void machine_check(struct simshard *h);
/* No code runs. */
bool machine_idle(const struct machine *m);
/* For who looks for a fault. */
void machine_show(struct machine *m);
/* It is being stopped: nothing waits any more. */
bool machine_dead(const struct simnode *n);

#endif
