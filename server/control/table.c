/* table.c - the partitions of a context in chunks of 64 rows, shared between states and copied when
 * changed.
 *
 *   state r   tables[] -> table -> chunk 0 | chunk 1  | chunk 2 | ...
 *                                     \                  /
 *   state r+1 tables[] -> table -> chunk 0 | chunk 1' | chunk 2 | ...    a row of chunk 1 differs
 *
 * A row has room for `width` members of its chunk; a chunk is made anew when one needs more. */
#include "control/state_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

static bool shared(const unsigned *refs)
{
    return __atomic_load_n(refs, __ATOMIC_ACQUIRE) > 1;
}

static size_t chunk_bytes(uint32_t width)
{
    return sizeof(struct grid_chunk) + (size_t)CHUNK_ROWS * width * sizeof(struct replica_member);
}

static struct grid_chunk *chunk_new(uint32_t width)
{
    struct grid_chunk *c = xcalloc(1, chunk_bytes(width));
    c->refs = 1;
    c->width = width;
    return c;
}

static void chunk_unref(struct grid_chunk *c)
{
    if (__atomic_fetch_sub(&c->refs, 1, __ATOMIC_ACQ_REL) == 1)
        free(c);
}

/* A chunk of one owner with room for `width`, and what `c` has in it. `c` loses a reference. */
static struct grid_chunk *chunk_own(struct grid_chunk *c, uint32_t width)
{
    if (!shared(&c->refs) && c->width >= width)
        return c;
    struct grid_chunk *own = chunk_new(width > c->width ? width : c->width);
    memcpy(own->heads, c->heads, sizeof own->heads);
    for (size_t i = 0; i < CHUNK_ROWS; i++)
        memcpy(own->members + i * own->width, c->members + i * c->width,
               c->width * sizeof *c->members);
    chunk_unref(c);
    return own;
}

static struct grid_table *table_alloc(uint32_t context, uint32_t partitions)
{
    struct grid_table *t =
        xcalloc(1, sizeof *t + grid_table_chunks(partitions) * sizeof *t->chunks);
    t->refs = 1;
    t->context = context;
    t->partitions = partitions;
    return t;
}

struct grid_table *grid_table_new(uint32_t context, uint32_t partitions)
{
    struct grid_table *t = table_alloc(context, partitions);
    for (uint32_t i = 0; i < grid_table_chunks(partitions); i++)
        t->chunks[i] = chunk_new(0);
    return t;
}

struct grid_table *grid_table_ref(struct grid_table *t)
{
    __atomic_fetch_add(&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

void grid_table_unref(struct grid_table *t)
{
    if (!t || __atomic_fetch_sub(&t->refs, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    for (uint32_t i = 0; i < grid_table_chunks(t->partitions); i++)
        chunk_unref(t->chunks[i]);
    free(t);
}

static void table_own(struct grid_table **t)
{
    struct grid_table *from = *t;
    if (!shared(&from->refs))
        return;
    *t = table_alloc(from->context, from->partitions);
    for (uint32_t i = 0; i < grid_table_chunks(from->partitions); i++) {
        (*t)->chunks[i] = from->chunks[i];
        __atomic_fetch_add(&from->chunks[i]->refs, 1, __ATOMIC_RELAXED);
    }
    grid_table_unref(from);
}

void grid_table_row(const struct grid_table *t, uint32_t partition, struct grid_row *ret_row)
{
    const struct chunk_head *h;
    const struct replica_member *m = grid_table_members(t, partition, &h);
    *ret_row = (struct grid_row){.epoch = h->epoch,
                                 .born = h->born,
                                 .led = h->led,
                                 .lost = h->lost,
                                 .in_sync = h->in_sync,
                                 .complete = h->complete,
                                 .len = h->len,
                                 .away = h->away};
    if (h->len + h->away)
        memcpy(ret_row->m, m, (size_t)(h->len + h->away) * sizeof *m);
}

void grid_table_set(struct grid_table **t, uint32_t partition, const struct grid_row *row)
{
    uint32_t at = partition % CHUNK_ROWS, width = row->len + row->away;
    table_own(t);
    struct grid_chunk **place = &(*t)->chunks[partition / CHUNK_ROWS];
    struct grid_chunk *c = *place = chunk_own(*place, width);
    c->heads[at] = (struct chunk_head){.epoch = row->epoch,
                                       .born = row->born,
                                       .led = row->led,
                                       .lost = row->lost,
                                       .in_sync = row->in_sync,
                                       .complete = row->complete,
                                       .len = row->len,
                                       .away = row->away};
    if (width)
        memcpy(c->members + (size_t)at * c->width, row->m, width * sizeof *row->m);
}
