/* marks.c - what a log position stands for: the last version of each partition up to it.
 *
 *   lsn   1 ......... 4096 | 4097 ...... 8192 | 8193 ...
 *   era   {p3 v9, p7 v40}  | {p3 v12}         | open: {p7 v41}
 *
 * An era names each partition it saw once, with its last version in it, so memory is bounded by
 * the partitions touched per era and not by the records. The checkpoint may end inside an era;
 * then the era counts with the next checkpoint: a partition's clean version may lag, never lead.
 * Nothing of a partition is clean before all of a copy that comes in is in the checkpoint: what is
 * brought later may have any older version. So marks_add() comes after the change. */
#include "shard/shard_priv.h"

#include <stdlib.h>

enum { ERA_RECORDS = 4096, ERA_BYTES = 1 << 20 };

struct mark {
    struct partition *partition;
    uint64_t version;
};

struct era {
    struct list link; /* in marks.eras, oldest first */
    uint64_t number;
    uint64_t last_lsn;
    size_t bytes;
    uint32_t records;
    uint32_t len;
    uint32_t cap;
    struct mark *marks;
};

void marks_init(struct marks *m)
{
    list_init(&m->eras);
    m->number = 0;
}

static struct era *era_last(const struct marks *m)
{
    return list_empty(&m->eras) ? NULL : list_entry(m->eras.prev, struct era, link);
}

static struct era *era_open(struct marks *m)
{
    struct era *e = era_last(m);
    if (e && e->records < ERA_RECORDS && e->bytes < ERA_BYTES)
        return e;
    e = xcalloc(1, sizeof *e);
    e->number = ++m->number;
    list_push_back(&m->eras, &e->link);
    return e;
}

static void era_add(struct era *e, struct partition *p, uint64_t version)
{
    if (p->era == e->number) {
        e->marks[p->era_at].version = version;
        return;
    }
    if (e->len == e->cap) {
        e->cap = e->cap ? e->cap * 2 : 16;
        e->marks = xrealloc(e->marks, e->cap, sizeof *e->marks);
    }
    p->era = e->number;
    p->era_at = e->len;
    p->holds++;
    e->marks[e->len++] = (struct mark){p, version};
}

void marks_add(struct marks *m, struct partition *p, uint64_t version, uint64_t lsn, size_t bytes)
{
    struct era *e = era_open(m);
    CHECK(lsn > e->last_lsn);
    e->last_lsn = lsn;
    e->records++;
    e->bytes += bytes;
    era_add(e, p, version);
    if (unlikely(content_copying(p->content)))
        p->clean_era = UINT64_MAX;
    else if (unlikely(p->clean_era == UINT64_MAX))
        p->clean_era = e->number;
}

static void era_free(struct era *e, partition_mark_fn *done, void *ctx)
{
    list_remove(&e->link);
    for (uint32_t i = 0; i < e->len; i++) {
        struct partition *p = e->marks[i].partition;
        p->holds--;
        if (p->era == e->number)
            p->era = 0;
        if (done && e->number >= p->clean_era)
            done(ctx, p, e->marks[i].version);
    }
    free(e->marks);
    free(e);
}

void marks_reach(struct marks *m, uint64_t lsn, partition_mark_fn *done, void *ctx)
{
    while (!list_empty(&m->eras)) {
        struct era *e = list_entry(m->eras.next, struct era, link);
        if (e->last_lsn > lsn)
            break;
        era_free(e, done, ctx);
    }
}

uint64_t marks_between(const struct marks *m, uint64_t first, uint64_t last,
                       partition_mark_fn *each, void *ctx)
{
    uint64_t before = 0, reach = 0;
    list_for_each (it, &m->eras) {
        const struct era *e = list_entry(it, struct era, link);
        bool has = e->last_lsn >= first && before < last;
        before = e->last_lsn;
        for (uint32_t i = 0; i < e->len && has; i++) {
            struct partition *p = e->marks[i].partition;
            each(ctx, p, e->number > p->clean_era ? e->marks[i].version : UINT64_MAX);
        }
        reach = has ? e->last_lsn : reach;
    }
    return reach;
}

void marks_release(struct marks *m)
{
    marks_reach(m, UINT64_MAX, NULL, NULL);
}
