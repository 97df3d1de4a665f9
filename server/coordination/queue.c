/* queue.c - see queue.h. */
#include "coordination/queue.h"

#include "base/alloc.h"
#include "base/err.h"

#include <stdlib.h>

#define ORDER_BITS 56

struct queue_line {
    struct heap_node first; /* in queue.lines, by the order of the first */
    struct list link;       /* of its bucket */
    struct list away;       /* in queue.aside */
    struct list all;        /* of struct queued; orders rise */
    uint64_t kind;
    unsigned priority;
};

static struct queued *first_of(const struct queue_line *l)
{
    return list_entry(l->all.next, struct queued, link);
}

static struct list *bucket_of(struct queue *q, uint64_t kind)
{
    return &q->buckets[kind % QUEUE_BUCKETS];
}

static struct queue_line *line_of(struct queue *q, unsigned priority, uint64_t kind)
{
    struct list *bucket = bucket_of(q, kind);
    list_for_each (it, bucket) {
        struct queue_line *l = list_entry(it, struct queue_line, link);
        if (l->kind == kind && l->priority == priority)
            return l;
    }
    struct queue_line *l = xcalloc(1, sizeof *l);
    l->kind = kind;
    l->priority = priority;
    list_init(&l->all);
    list_init(&l->away);
    list_init(&l->link);
    list_push_back(bucket, &l->link);
    return l;
}

/* Where its first one says. */
static void line_place(struct queue *q, struct queue_line *l)
{
    heap_remove(&q->lines, &l->first);
    if (list_empty(&l->away))
        heap_push(&q->lines, &l->first, first_of(l)->order);
}

void queue_init(struct queue *q)
{
    *q = (struct queue){.lines = HEAP_INIT};
    list_init(&q->aside);
    for (size_t i = 0; i < QUEUE_BUCKETS; i++)
        list_init(&q->buckets[i]);
}

void queue_release(struct queue *q)
{
    CHECK(!q->lines.len && list_empty(&q->aside));
    heap_release(&q->lines);
}

void queue_put(struct queue *q, struct queued *e, unsigned priority, uint64_t kind)
{
    CHECK(!e->line && priority < 128);
    struct queue_line *l = line_of(q, priority, kind);
    e->line = l;
    e->order = (uint64_t)priority << ORDER_BITS | q->orders++;
    list_init(&e->link);
    list_push_back(&l->all, &e->link);
    if (first_of(l) == e)
        line_place(q, l);
}

void queue_remove(struct queue *q, struct queued *e)
{
    struct queue_line *l = e->line;
    if (!l)
        return;
    bool first = first_of(l) == e;
    list_remove(&e->link);
    e->line = NULL;
    if (!list_empty(&l->all)) {
        if (first)
            line_place(q, l);
        return;
    }
    heap_remove(&q->lines, &l->first);
    list_remove(&l->away);
    list_remove(&l->link);
    free(l);
}

struct queued *queue_first(const struct queue *q)
{
    struct heap_node *n = heap_min(&q->lines);
    return n ? first_of(container_of(n, struct queue_line, first)) : NULL;
}

void queue_aside(struct queue *q, const struct queued *e)
{
    struct queue_line *l = e->line;
    CHECK(l && list_empty(&l->away));
    list_push_back(&q->aside, &l->away);
    line_place(q, l);
}

void queue_again(struct queue *q)
{
    for (struct list *it; (it = list_pop_front(&q->aside));)
        line_place(q, list_entry(it, struct queue_line, away));
}

size_t queue_check(const struct queue *q)
{
    size_t waiting = 0, lines = 0, aside = 0;
    for (size_t i = 0; i < QUEUE_BUCKETS; i++) {
        list_for_each (it, &q->buckets[i]) {
            const struct queue_line *l = list_entry(it, struct queue_line, link);
            uint64_t before = 0;
            CHECK(!list_empty(&l->all) && l->kind % QUEUE_BUCKETS == i);
            CHECK(list_empty(&l->away) == (l->first.place != 0));
            CHECK(!l->first.place || l->first.key == first_of(l)->order);
            list_for_each (at, &l->all) {
                const struct queued *e = list_entry(at, struct queued, link);
                CHECK(e->line == l && e->order >> ORDER_BITS == l->priority);
                CHECK(e->order >= before);
                before = e->order + 1;
                waiting++;
            }
            lines++;
        }
    }
    list_for_each (it, &q->aside)
        aside++;
    CHECK(lines == q->lines.len + aside);
    heap_check(&q->lines);
    return waiting;
}
