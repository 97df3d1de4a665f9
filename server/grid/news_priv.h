/* news_priv.h - the newest of each kind of news: rows of one size, each begun by its key, found by
 * a hash of it. Rows lie one behind the other, so that a planner reads them as an array.
 * Invariant (news_check): no key twice. */
#ifndef GRIDD_GRID_NEWS_PRIV_H
#define GRIDD_GRID_NEWS_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct news {
    size_t row_bytes;
    size_t key_bytes;
    uint8_t *rows;
    size_t len;
    size_t cap;
    uint32_t *index; /* of rows, + 1; 0: free. A power of two, at most half full */
    size_t index_cap;
};

void news_init(struct news *n, size_t row_bytes, size_t key_bytes);
void news_release(struct news *n);
/* True when it was not known so. */
bool news_put(struct news *n, const void *row);
/* Drop those that are not to be kept. */
void news_keep(struct news *n, bool (*keep)(const void *ctx, const void *row), const void *ctx);
void news_check(const struct news *n);

#endif
