/* work.h - who has jobs, schedules and services run, and judges them. */
#ifndef TESTS_SIM_WHOLE_WORK_H
#define TESTS_SIM_WHOLE_WORK_H

#include "tests/sim/whole/world.h"

struct fiber;
struct holder;
struct inside_call;
struct service_work;

/* work.c: random numbers of its own: what else a seed draws stays as it was. */
uint64_t work_below(struct world *w, uint64_t n);
void work_init(struct world *w);
void work_release(struct world *w);
void work_step(struct world *w);
bool work_idle(const struct world *w);
/* Schedules go on until then. */
void work_wind_up(struct world *w);
void work_judge(struct world *w);
void work_show(const struct world *w); /* for who looks for a fault */
void work_op(struct simshard *h, const struct event *e);
void work_answer(struct world *w, const struct ticket *to, const struct result *res);
/* Label of a node. */
char *work_label(unsigned node);
struct shard_ports;
void work_ports(struct simshard *h, struct shard_ports *ports);
/* What code asks; on its fiber. Then: what it was answered; the fiber is over. */
void work_asks(struct fiber *f, const struct op *op);
void work_told(struct simnode *n, struct fiber *f, const struct op *op, const struct result *res);
void work_fiber_over(struct world *w, const struct fiber *f);

/* --- between its files ------------------------------------------------------------------------ */

struct work_ask {     /* one thing at a time is asked for */
    uint64_t attempt; /* 0: nothing is under way */
    unsigned node;
    uint64_t life;
    msec_t sent_at, again_at;
};
enum work_kind { WORK_JOB, WORK_SCHEDULE, WORK_SERVICE };

/* False: something is under way, or it is too early. */
bool work_may_ask(struct world *w, struct work_ask *a);
void work_send(struct world *w, struct work_ask *a, enum work_kind kind, unsigned index,
               unsigned context, uint32_t partition);
/* Placed by that key; false: the cache is not there yet. */
bool work_place(const struct world *w, unsigned context, const char *key, uint16_t *ret_slot,
                uint16_t *ret_partition);
bool work_tainted(const struct world *w, unsigned context, uint32_t partition);
/* What is stored in the cache of a context, at the end, by that partition's primary. */
struct slice work_stored(struct world *w, unsigned context, uint32_t partition, bool hidden,
                         struct slice key, uint64_t *ret_version);

struct jobs_sim *jobs_sim_new(struct world *w);
void jobs_sim_free(struct jobs_sim *j);
void jobs_sim_step(struct world *w, struct jobs_sim *j);
bool jobs_sim_idle(const struct world *w, const struct jobs_sim *j);
void jobs_sim_show(const struct jobs_sim *j);
void jobs_sim_judge(struct world *w, struct jobs_sim *j);
struct work_ask *jobs_sim_ask(struct jobs_sim *j, enum work_kind kind, unsigned index);
void jobs_sim_op(struct simshard *h, struct jobs_sim *j, enum work_kind kind, unsigned index,
                 const struct ticket *to);
void jobs_sim_answer(struct world *w, struct jobs_sim *j, enum work_kind kind, unsigned index,
                     const struct result *res);

struct services_sim *services_sim_new(void);
void services_sim_free(struct services_sim *s);
void services_sim_step(struct world *w, struct services_sim *s);
bool services_sim_idle(const struct world *w, const struct services_sim *s);
void services_sim_show(const struct services_sim *s);
void services_sim_judge(struct world *w, struct services_sim *s);
struct work_ask *services_sim_ask(struct services_sim *s, unsigned index);
void services_sim_op(struct simshard *h, struct services_sim *s, unsigned index,
                     const struct ticket *to);
void services_sim_answer(struct world *w, struct services_sim *s, unsigned index,
                         const struct result *res);
/* A write of its code was done; a node answers a call. */
void services_sim_wrote(struct simnode *n, struct services_sim *s, const struct op *op,
                        const struct result *res);
void services_sim_says(struct simnode *n, const struct result *res);

struct simwork {
    struct prng prng;
    msec_t wind_up; /* 0: not yet */
    bool deployed;
    uint64_t asks;
    struct jobs_sim *jobs;         /* NULL: none in this seed */
    struct services_sim *services; /* likewise */
};

#endif
