/* checkpoint_kept.c - the memory of a fold's transaction. What one needed the next one needs again:
 * it is not given back and taken anew, for the system clears what it gives. */
#include "store/notes_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { BLOCK_BYTES = 1 << 20, ALIGN = 8 };

void *array_grow(void *p, size_t len, size_t *cap, size_t bytes)
{
    if (len < *cap)
        return p;
    *cap = *cap ? *cap * 2 : 256;
    return xrealloc(p, *cap, bytes);
}

static void *large_new(struct kept *k, size_t len)
{
    k->large = array_grow(k->large, k->large_len, &k->large_cap, sizeof(uint8_t *));
    k->taken_large = true;
    return k->large[k->large_len++] = xalloc(len);
}

static void block_begin(struct kept *k)
{
    if (k->blocks_len == k->blocks_made) {
        k->blocks = array_grow(k->blocks, k->blocks_len, &k->blocks_cap, sizeof(uint8_t *));
        k->blocks[k->blocks_made++] = xalloc(BLOCK_BYTES);
    }
    k->blocks_len++;
    k->left = BLOCK_BYTES;
}

void *kept_room(struct kept *k, size_t len)
{
    if (len > BLOCK_BYTES)
        return large_new(k, len);
    k->taken_large = false;
    if (len > k->left)
        block_begin(k);
    return k->blocks[k->blocks_len - 1] + BLOCK_BYTES - k->left;
}

void kept_take(struct kept *k, size_t len)
{
    size_t whole = (len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    k->bytes += whole;
    if (!k->taken_large)
        k->left -= whole;
}

void kept_clear(struct kept *k)
{
    for (size_t i = 0; i < k->large_len; i++)
        free(k->large[i]);
    k->large_len = k->blocks_len = k->left = k->bytes = 0;
}

void kept_release(struct kept *k)
{
    kept_clear(k);
    for (size_t i = 0; i < k->blocks_made; i++)
        free(k->blocks[i]);
    free(k->blocks);
    free(k->large);
    *k = (struct kept){0};
}
