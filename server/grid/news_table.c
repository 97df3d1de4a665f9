/* news_table.c - open addressing over an array; rows leave all at once, so nothing is ever taken
 * out of the index: it is made anew. */
#include "base/alloc.h"
#include "base/err.h"
#include "base/hash.h"
#include "grid/news_priv.h"

#include <stdlib.h>

enum { NEWS_MAX = 1 << 22 }; /* more is no news */

void news_init(struct news *n, size_t row_bytes, size_t key_bytes)
{
    *n = (struct news){.row_bytes = row_bytes, .key_bytes = key_bytes};
}

void news_release(struct news *n)
{
    free(n->rows);
    free(n->index);
    news_init(n, n->row_bytes, n->key_bytes);
}

static uint8_t *row_at(const struct news *n, size_t i)
{
    return n->rows + i * n->row_bytes;
}

/* The place in the index of this key, or the free one where it belongs. */
static size_t place_of(const struct news *n, const void *row)
{
    size_t mask = n->index_cap - 1;
    size_t at = hash_key(slice_make(row, n->key_bytes), 0) & mask;
    while (n->index[at] && memcmp(row_at(n, n->index[at] - 1), row, n->key_bytes) != 0)
        at = (at + 1) & mask;
    return at;
}

static void index_again(struct news *n)
{
    memset(n->index, 0, n->index_cap * sizeof *n->index);
    for (size_t i = 0; i < n->len; i++)
        n->index[place_of(n, row_at(n, i))] = (uint32_t)i + 1;
}

static void grow(struct news *n)
{
    n->cap = n->cap ? n->cap * 2 : 64;
    n->rows = xrealloc(n->rows, n->cap, n->row_bytes);
    n->index_cap = n->cap * 2;
    n->index = xrealloc(n->index, n->index_cap, sizeof *n->index);
    index_again(n);
}

bool news_put(struct news *n, const void *row)
{
    if (n->len == n->cap) {
        if (n->len >= NEWS_MAX)
            return false;
        grow(n);
    }
    size_t at = place_of(n, row);
    if (!n->index[at]) {
        n->index[at] = (uint32_t)++n->len;
    } else if (memcmp(row_at(n, n->index[at] - 1), row, n->row_bytes) == 0) {
        return false;
    }
    memcpy(row_at(n, n->index[at] - 1), row, n->row_bytes);
    return true;
}

void news_keep(struct news *n, bool (*keep)(const void *ctx, const void *row), const void *ctx)
{
    size_t kept = 0;
    for (size_t i = 0; i < n->len; i++) {
        if (!keep(ctx, row_at(n, i)))
            continue;
        if (kept != i)
            memcpy(row_at(n, kept), row_at(n, i), n->row_bytes);
        kept++;
    }
    if (kept == n->len)
        return;
    n->len = kept;
    index_again(n);
}

void news_check(const struct news *n)
{
    CHECK(n->len <= n->cap && n->cap * 2 == n->index_cap);
    for (size_t i = 0; i < n->len; i++)
        CHECK(n->index[place_of(n, row_at(n, i))] == i + 1);
}
