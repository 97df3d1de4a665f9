/* resolver.h - names of other nodes as addresses, asked on a thread of its own: DNS may take
 * seconds, and no loop waits for it. */
#ifndef GRIDD_NODE_RESOLVER_H
#define GRIDD_NODE_RESOLVER_H

#include "net/addr.h"
#include "node/threads_priv.h"

struct resolver; /* opaque */

struct resolver *resolver_new(void); /* NULL: there is no thread to be had */
/* Ends the thread, when the question it is at is answered; others are forgotten, now and later. Any
 * thread; before the loops that asked are freed. */
void resolver_stop(struct resolver *r);
void resolver_free(struct resolver *r); /* stops it, too; NULL is fine */

/* An answer, on the thread that asked; borrowed for the call. */
typedef void resolved_fn(void *ctx, const char *address, const struct net_addr *addrs, size_t len,
                         const char *why);
/* Ask for "host:port". `done` is called from a note to the loop `back`: len 0, and why, when there
 * is no answer. */
void resolver_ask(struct resolver *r, const char *address, struct loop *back, resolved_fn *done,
                  void *ctx);

#endif
