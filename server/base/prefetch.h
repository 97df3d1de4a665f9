/* prefetch.h - asking the memory for bytes before they are looked at. */
#ifndef GRIDD_BASE_PREFETCH_H
#define GRIDD_BASE_PREFETCH_H

/* Any address will do, NULL too. Never __builtin_prefetch() alone: gcc takes a function that does
 * nothing else for one without effect, and leaves its calls out. */
static inline __attribute__((always_inline)) void prefetch(const void *p)
{
    __builtin_prefetch(p);
    __asm__ volatile("");
}

#endif
