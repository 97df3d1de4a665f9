/* fibers.h - threads of which one runs at a time, when the simulator says so, while that waits. */
#ifndef TESTS_SIM_WHOLE_FIBERS_H
#define TESTS_SIM_WHOLE_FIBERS_H

#include "base/clock.h"
#include "base/list.h"

#include <stdbool.h>

struct fiber; /* opaque */
struct simnode;

typedef void fiber_fn(void *ctx, void *arg);
struct fiber *fiber_new(struct simnode *n, fiber_fn *body, void *ctx, void *arg);
void fiber_free(struct fiber *f);         /* it is over */
struct list *fiber_link(struct fiber *f); /* its owner's */
struct fiber *fiber_of(struct list *link);
struct simnode *fiber_node(const struct fiber *f);
void *fiber_ctx(const struct fiber *f);
/* Run it until it waits. True: it is over. */
bool fiber_go(struct fiber *f);
/* It goes on by an event, not before so many ms, or somewhat later. */
void fiber_wake(struct fiber *f, msec_t ms);
/* Whether the event `number` is the one that it waits for, if it is one of that list at all. */
bool fiber_awaits(struct list *first, struct list *head, const struct fiber *f, uint64_t number);

/* On a fiber. */
struct fiber *fiber_here(void);
void fiber_wait(void);
void fiber_sleep(msec_t ms);

#endif
