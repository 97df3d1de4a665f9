/* alloc.h - bookkeeping memory: aborts with a clear line when the system has none.
 * User data never comes from here: it is allocated within a budget and may fail politely. */
#ifndef GRIDD_BASE_ALLOC_H
#define GRIDD_BASE_ALLOC_H

#include <stddef.h>

/* `bytes` of uninitialised memory, never NULL; release with free(). */
void *xalloc(size_t bytes) __attribute__((malloc, returns_nonnull));
/* `n * bytes` zeroed, overflow checked, never NULL; release with free(). */
void *xcalloc(size_t n, size_t bytes) __attribute__((malloc, returns_nonnull));
/* Resize to `n * bytes`, overflow checked, never NULL. */
void *xrealloc(void *p, size_t n, size_t bytes) __attribute__((returns_nonnull));
/* A copy of `s`, never NULL; release with free(). */
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));

#endif
