/* progress.h - one line on a terminal that says how far something is. Silent when `file` is
 * NULL. */
#ifndef GRIDCTL_PROGRESS_H
#define GRIDCTL_PROGRESS_H

#include <stdint.h>
#include <stdio.h>

struct progress {
    FILE *file;
    const char *name;
    uint64_t total; /* in the unit of `done` below; 0: not known */
    uint64_t start_us, shown_us;
};

/* `now_us` is a monotonic clock. */
void progress_start(struct progress *p, FILE *file, const char *name, uint64_t total,
                    uint64_t now_us);
/* At most ten times a second something is drawn. */
void progress_show(struct progress *p, uint64_t done, uint64_t records, uint64_t now_us);
/* Take the line away. */
void progress_end(struct progress *p);

#endif
