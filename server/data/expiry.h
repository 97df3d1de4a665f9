/* expiry.h - the entries of one partition that have a deadline, soonest first. 8 bytes per entry:
 * a 4-ary heap of pointers; the place of an entry in it stands in the entry.
 * Invariant (expiry_check): no entry's deadline is before its parent's; each entry knows its
 * place. */
#ifndef GRIDD_DATA_EXPIRY_H
#define GRIDD_DATA_EXPIRY_H

#include "data/entry.h"

struct expiry {
    struct entry **nodes; /* NULL: none */
    uint32_t len, cap;
};

/* Zero-initialised: empty. Entries without a deadline are fine in all calls and are not kept. */
void expiry_add(struct expiry *x, struct entry *e);
void expiry_remove(struct expiry *x, const struct entry *e);
/* `e` comes in the place of `old`; either may lack a deadline. */
void expiry_replace(struct expiry *x, const struct entry *old, struct entry *e);
/* The entry that expires first, or NULL. */
const struct entry *expiry_min(const struct expiry *x);
size_t expiry_bytes(const struct expiry *x);
void expiry_release(struct expiry *x);
void expiry_check(const struct expiry *x);

#endif
