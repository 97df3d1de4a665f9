/* queue.h - jobs that wait for a place: those of the first priority first, and of one priority who
 * came first. What is of one kind finds a place, or none, together: such jobs are one line, and
 * only the first of a line is tried. So a line that does not move holds up no other. Pure.
 *
 *   first of all lines, by priority and order --tried--> has a place: taken out
 *                                               '------> none: its line is set aside, until again
 *
 * Invariant (queue_check): lines have somebody in them; each is in the heap by who is first in it,
 * or set aside. */
#ifndef GRIDD_COORDINATION_QUEUE_H
#define GRIDD_COORDINATION_QUEUE_H

#include "base/heap.h"
#include "base/list.h"

#include <stdbool.h>

enum { QUEUE_BUCKETS = 64 };

struct queue_line;
struct queued { /* in what waits; all zero: it does not */
    struct list link;
    struct queue_line *line;
    uint64_t order;
};

struct queue {
    struct heap lines;                  /* that were not set aside */
    struct list aside;                  /* that were */
    struct list buckets[QUEUE_BUCKETS]; /* all lines, by their kind */
    uint64_t orders;
};

void queue_init(struct queue *q);
void queue_release(struct queue *q); /* nobody waits any more */

/* At the end of the line of `kind`, which is a hash, in that priority (0: first; less than 128). */
void queue_put(struct queue *q, struct queued *e, unsigned priority, uint64_t kind);
/* Fine for one that does not wait. */
void queue_remove(struct queue *q, struct queued *e);
static inline bool queue_has(const struct queued *e)
{
    return e->line;
}

/* Who is to be tried; NULL: nobody is, until queue_again(). */
struct queued *queue_first(const struct queue *q);
/* There is no place for it, nor for those behind it. */
void queue_aside(struct queue *q, const struct queued *e);
void queue_again(struct queue *q);

/* Returns how many wait. */
size_t queue_check(const struct queue *q);

#endif
