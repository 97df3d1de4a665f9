/* history_configs.c - sets of configurations: a table of places (linear probing) in an array. */
#include "base/alloc.h"
#include "base/hash.h"
#include "tests/lib/history_priv.h"

#include <stdlib.h>

void config_shape_init(struct config_shape *shape, size_t firm, size_t sorts)
{
    shape->firm_words = (firm + 63) / 64;
    shape->sorts = sorts;
    size_t sort_words = (sorts + 1) / 2;
    shape->bytes = sizeof(struct config) + (shape->firm_words + sort_words) * sizeof(uint64_t);
}

struct config *configs_at(const struct config_shape *shape, const struct configs *set, size_t i)
{
    return (struct config *)(void *)(set->all + i * shape->bytes);
}

/* State and firm operations: what two must have in common to be compared. */
static size_t head_bytes(const struct config_shape *shape)
{
    return sizeof(struct config) + shape->firm_words * sizeof(uint64_t);
}

static size_t first_place(const struct config_shape *shape, const struct configs *set,
                          const struct config *c)
{
    return (size_t)hash_key(slice_make(c, head_bytes(shape)), 0) & (set->places - 1);
}

/* Whether `a` used no more of what is in doubt than `b`. */
static bool uses_less(const struct config_shape *shape, const struct config *a,
                      const struct config *b)
{
    const uint32_t *x = config_used(shape, (struct config *)(uintptr_t)a);
    const uint32_t *y = config_used(shape, (struct config *)(uintptr_t)b);
    for (size_t i = 0; i < shape->sorts; i++)
        if (x[i] > y[i])
            return false;
    return true;
}

static void grow(const struct config_shape *shape, struct configs *set)
{
    set->cap = set->cap ? set->cap * 2 : 16;
    set->places = set->cap * 2;
    set->all = xrealloc(set->all, set->cap, shape->bytes);
    free(set->table);
    set->table = xcalloc(set->places, sizeof *set->table);
    for (size_t i = 0; i < set->len; i++) {
        size_t at = first_place(shape, set, configs_at(shape, set, i));
        while (set->table[at])
            at = (at + 1) & (set->places - 1);
        set->table[at] = (uint32_t)(i + 1);
    }
}

size_t configs_add(const struct config_shape *shape, struct configs *set, const struct config *c,
                   bool replace)
{
    size_t compared = 0;
    if (set->len == set->cap)
        grow(shape, set);
    size_t at = first_place(shape, set, c);
    for (; set->table[at]; at = (at + 1) & (set->places - 1)) {
        struct config *there = configs_at(shape, set, set->table[at] - 1);
        compared++;
        if (memcmp(there, c, head_bytes(shape)) != 0)
            continue;
        if (uses_less(shape, there, c))
            return compared;
        if (replace && uses_less(shape, c, there)) {
            memcpy(there, c, shape->bytes);
            return compared;
        }
    }
    memcpy(set->all + set->len * shape->bytes, c, shape->bytes);
    set->table[at] = (uint32_t)++set->len;
    return compared;
}

void configs_clear(struct configs *set)
{
    if (set->len)
        memset(set->table, 0, set->places * sizeof *set->table);
    set->len = 0;
}

size_t configs_bytes(const struct config_shape *shape, const struct configs *set)
{
    return set->cap * shape->bytes + set->places * sizeof *set->table;
}

void configs_release(struct configs *set)
{
    free(set->all);
    free(set->table);
}
