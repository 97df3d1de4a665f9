/* call_memory.c - the memory of a call: blocks that are given back together at its end, all but
 * one, so that a usual call takes none; and the list of its changes. */
#include "shard/shard_priv.h"

#include <stdlib.h>

enum { BLOCK_BYTES = 64 << 10, EFFECTS_KEEP = 1024 };

/* A larger one than usual is not kept, so the first block always has the usual size. */
static void block_add(struct call_memory *m, size_t bytes)
{
    if (m->len == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 8;
        m->blocks = xrealloc(m->blocks, m->cap, sizeof *m->blocks);
    }
    if (m->len == 0 && bytes > BLOCK_BYTES)
        m->blocks[m->len++] = xalloc(BLOCK_BYTES);
    m->left = bytes > BLOCK_BYTES ? bytes : (size_t)BLOCK_BYTES;
    m->at = m->blocks[m->len++] = xalloc(m->left);
}

void *call_memory_take(struct call_memory *m, size_t bytes)
{
    bytes = (bytes + 7) & ~(size_t)7;
    if (unlikely(bytes > m->left || !m->len))
        block_add(m, bytes);
    uint8_t *p = m->at;
    m->at += bytes;
    m->left -= bytes;
    return p;
}

void call_memory_reset(struct call_memory *m)
{
    if (unlikely(m->raw.cap > CALL_RAW_KEEP)) {
        m->raw.len = 0;
        buf_shrink(&m->raw, CALL_RAW_KEEP);
    }
    if (unlikely(m->effects_cap > EFFECTS_KEEP)) {
        free(m->effects);
        m->effects = NULL;
        m->effects_cap = m->effects_len = 0;
    }
    if (likely(m->len == 0))
        return;
    while (m->len > 1)
        free(m->blocks[--m->len]);
    m->at = m->blocks[0];
    m->left = BLOCK_BYTES;
}

void call_memory_release(struct call_memory *m)
{
    for (size_t i = 0; i < m->len; i++)
        free(m->blocks[i]);
    free(m->blocks);
    free(m->effects);
    buf_release(&m->raw);
    if (m->kept.free)
        m->kept.free(m->kept.state);
}

struct slice call_memory_keep(struct call_memory *m, struct slice s)
{
    if (!s.len)
        return slice_make(NULL, 0);
    uint8_t *copy = call_memory_take(m, s.len);
    memcpy(copy, s.data, s.len);
    return slice_make(copy, s.len);
}

/* --- changes ---------------------------------------------------------------------------------- */

struct effect *call_effect_new(struct call_memory *m)
{
    if (unlikely(m->effects_len == m->effects_cap)) {
        m->effects_cap = m->effects_cap ? m->effects_cap * 2 : 64;
        m->effects = xrealloc(m->effects, m->effects_cap, sizeof *m->effects);
    }
    return &m->effects[m->effects_len++];
}

static bool same_key(const struct effect *a, const struct effect *b)
{
    return a->hash == b->hash && a->cache == b->cache && slice_eq(a->key, b->key);
}

/* Open addressing over the hashes; `seen` holds indexes + 1. */
void call_effects_once(struct call_memory *m, size_t first)
{
    uint32_t len = (uint32_t)(m->effects_len - first), size = 4;
    if (likely(len < 2))
        return;
    while (size < 2 * len)
        size *= 2;
    uint32_t *seen = call_memory_take(m, size * sizeof *seen);
    memset(seen, 0, size * sizeof *seen);
    struct effect *effects = m->effects + first;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < len; i++) {
        uint32_t at = (uint32_t)effects[i].hash & (size - 1);
        while (seen[at] && !same_key(&effects[seen[at] - 1], &effects[i]))
            at = (at + 1) & (size - 1);
        if (!seen[at])
            seen[at] = ++kept;
        effects[seen[at] - 1] = effects[i];
    }
    m->effects_len = first + kept;
}
