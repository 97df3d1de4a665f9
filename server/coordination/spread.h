/* spread.h - which node a job goes to that does not run where it lies: the least loaded one with a
 * place for it, by what nodes say of themselves. Pure. A choice is a guess: the node takes the job,
 * or says no, and only its begin step (compute/job.h) counts. */
#ifndef GRIDD_COORDINATION_SPREAD_H
#define GRIDD_COORDINATION_SPREAD_H

#include "base/buf.h"
#include "control/module.h"
#include "replica/config.h"

enum { SPREAD_MODULES_MAX = 256 };

struct spread_module {
    char name[MODULE_NAME_MAX + 1];
    uint32_t running;
};

/* What runs on a node. */
struct spread_load {
    struct replica_member member;
    uint32_t places, running; /* jobs it runs at once; that run */
    uint32_t of_module;       /* of one module at once; 0: as many as there are places */
    uint32_t modules_len;
    struct spread_module modules[SPREAD_MODULES_MAX]; /* of those that run */
};

/* A job more; one more than it can tell of is not told of. */
void spread_add(struct spread_load *l, struct slice module);
void spread_encode(const struct spread_load *l, struct buf *out);
/* Take one from the front of `bytes`, which may come from anywhere. False: there is none. */
MUST_USE
bool spread_decode(struct slice *bytes, struct spread_load *ret_load);

bool spread_has_place(const struct spread_load *l, struct slice module);
/* Of two that are as loaded, `dice` decides, so that they share. NULL: none has a place. Entries
 * may be NULL. */
struct spread_load *spread_pick(struct spread_load *const *list, size_t len, struct slice module,
                                uint64_t dice);

#endif
