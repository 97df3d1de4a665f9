/* native_store.h - memory of native code that goes all at once. One thread's. */
#ifndef GRIDD_COMPUTE_NATIVE_STORE_H
#define GRIDD_COMPUTE_NATIVE_STORE_H

#include "base/slice.h"

/* What one function of native code may take for itself. */
enum { NATIVE_SCRATCH_MAX = 32 << 20 };

struct native_chunk;  /* opaque */
struct native_store { /* all zero: it has nothing */
    struct native_chunk *chunks;
    size_t left; /* private: of the newest, at its end */
    size_t held;
};

/* Aligned for any value, not cleared; until native_store_clear(). */
void *native_store_take(struct native_store *s, size_t bytes);
/* The same within `most` held bytes; NULL: that would be more. */
void *native_store_take_within(struct native_store *s, size_t bytes, size_t most);
void native_store_clear(struct native_store *s);

#endif
