/* scan_number.c - cursors of SCAN that are numbers, for protocols that have no other.
 *
 *   MEMORY: 0 | incomplete: 1 | low bits of epoch: 8 | of warm-ups: 7 | table cursor: 32
 *   DISK:   1 | low bits of epoch: 8 | generation: 40, by which the last key is found here
 *
 * The MEMORY pass needs no memory of ours: its pages end between buckets. A partition that was
 * complete then and is complete now, without a warm-up between, was complete throughout. A number
 * of an earlier start begins again, and so does one that was forgotten or is nobody's: then keys
 * come twice, none is missed. */
#include "shard/shard_priv.h"

#include <stdlib.h>

enum { SAVED_MAX = 4096, GENERATION_BITS = 40, EPOCH_BITS = 8, WARM_BITS = 7, TABLE_BITS = 32 };

#define BITS(n) ((UINT64_C(1) << (n)) - 1)
#define NUMBER_SAVED (UINT64_C(1) << (SCAN_NUMBER_BITS - 1))
#define NUMBER_INCOMPLETE (UINT64_C(1) << (SCAN_NUMBER_BITS - 2))

static uint64_t epoch_bits(const struct partition *p)
{
    return p->scan_epoch & BITS(EPOCH_BITS);
}

static uint64_t warm_bits(const struct partition *p)
{
    return p->warmed & BITS(WARM_BITS);
}

static struct scan_saved *saved_new(struct scan_numbers *n, const struct partition *p)
{
    if (!n->saved)
        n->saved = xcalloc(SAVED_MAX, sizeof *n->saved);
    uint64_t generation = n->generation++ & BITS(GENERATION_BITS);
    struct scan_saved *saved = &n->saved[generation % SAVED_MAX];
    free(saved->after);
    *saved =
        (struct scan_saved){.number = NUMBER_SAVED | epoch_bits(p) << GENERATION_BITS | generation};
    return saved;
}

uint64_t scan_number_make(struct scan_numbers *n, const struct partition *p, uint32_t cache,
                          const struct scan *c)
{
    if (c->pass == PASS_MEMORY)
        return (c->incomplete ? NUMBER_INCOMPLETE : 0) |
               (epoch_bits(p) << WARM_BITS | warm_bits(p)) << TABLE_BITS |
               (c->at & BITS(TABLE_BITS));
    struct scan_saved *saved = saved_new(n, p);
    saved->cache = cache;
    saved->partition = p->index;
    saved->after_len = (uint16_t)c->after.len;
    saved->after = xalloc(c->after.len + 1);
    if (c->after.len)
        memcpy(saved->after, c->after.data, c->after.len);
    return saved->number;
}

static struct scan saved_find(const struct scan_numbers *n, const struct partition *p,
                              uint32_t cache, uint64_t number)
{
    const struct scan_saved *saved =
        n->saved ? &n->saved[(number & BITS(GENERATION_BITS)) % SAVED_MAX] : NULL;
    if (!saved || saved->number != number || saved->cache != cache || saved->partition != p->index)
        return scan_start(p);
    return (struct scan){.pass = PASS_DISK, .after = slice_make(saved->after, saved->after_len)};
}

struct scan scan_number_find(const struct scan_numbers *n, const struct partition *p,
                             uint32_t cache, uint64_t number)
{
    struct scan c = scan_start(p);
    if (!number || number >> SCAN_NUMBER_BITS)
        return c;
    if (number & NUMBER_SAVED)
        return saved_find(n, p, cache, number);
    if ((number >> (TABLE_BITS + WARM_BITS) & BITS(EPOCH_BITS)) != epoch_bits(p))
        return c;
    c.at = number & BITS(TABLE_BITS);
    c.incomplete = c.incomplete || number & NUMBER_INCOMPLETE ||
                   (number >> TABLE_BITS & BITS(WARM_BITS)) != warm_bits(p);
    return c;
}

void scan_numbers_release(struct scan_numbers *n)
{
    for (size_t i = 0; n->saved && i < SAVED_MAX; i++)
        free(n->saved[i].after);
    free(n->saved);
}
