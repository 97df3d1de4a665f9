/* task_keys.c - what a task has made of keys so far. It sees its own changes; they are the call's
 * when it is done, so one that fails has changed nothing. */
#include "compute/task_priv.h"

const struct cache_info *task_cache(struct task *t, struct slice name)
{
    const struct context_info *context = call_context(t->call);
    if (!name.len)
        return call_cache(t->call);
    for (size_t i = 0; i < TASK_CACHES && t->caches[i]; i++)
        if (slice_eq(slice_str(t->caches[i]->name), name))
            return t->caches[i];
    for (size_t i = 0; i < context->caches_len; i++) {
        if (!slice_eq(slice_str(context->caches[i].name), name))
            continue;
        memmove(t->caches + 1, t->caches, (TASK_CACHES - 1) * sizeof(t->caches[0]));
        return t->caches[0] = &context->caches[i];
    }
    return NULL;
}

/* --- finding ---------------------------------------------------------------------------------- */

static struct task_key **place_of(struct task *t, uint32_t number)
{
    if (number >= t->keys_cap) {
        uint32_t cap = t->keys_cap ? t->keys_cap * 2 : 8;
        struct task_key **keys = call_alloc(t->call, cap * sizeof *keys);
        memset(keys, 0, cap * sizeof *keys);
        if (t->keys_cap)
            memcpy(keys, t->keys, t->keys_cap * sizeof *keys);
        t->keys = keys;
        t->keys_cap = cap;
    }
    t->keys_len = number >= t->keys_len ? number + 1 : t->keys_len;
    return &t->keys[number];
}

static struct task_key *key_look(struct task *t, const struct cache_info *cache, uint32_t number)
{
    struct task_key *k = call_alloc(t->call, sizeof *k);
    const struct entry *e = call_entry(t->call, number);
    *k = (struct task_key){.cache = cache, .number = number, .key = call_key(t->call, number)};
    if (!e)
        return k;
    k->there = true;
    k->type = (uint8_t)entry_type(e);
    k->version = entry_version(e);
    k->deadline = entry_deadline(e);
    if (value_is_bytes(entry_type(e)))
        k->value = entry_string(e);
    return k;
}

enum grid_err task_find(struct task *t, const struct cache_info *cache, struct slice key,
                        struct task_key **ret_key)
{
    uint32_t number;
    enum grid_err err = call_find(t->call, cache, key, &number);
    if (unlikely(err))
        return err;
    struct task_key **place = place_of(t, number);
    if (!*place)
        *place = key_look(t, cache, number);
    *ret_key = *place;
    return GRID_OK;
}

const struct task_key *task_made(const struct task *t, const struct cache_info *cache,
                                 struct slice key)
{
    uint32_t number = call_found(t->call, cache, key);
    const struct task_key *k = number < t->keys_len ? t->keys[number] : NULL;
    return k && k->changed ? k : NULL;
}

/* --- changing --------------------------------------------------------------------------------- */

enum grid_err task_put(struct task *t, struct task_key *k, struct slice value, msec_t deadline)
{
    if (!k->valued || value.len > k->room) {
        if (value.len > TASK_WRITTEN_MAX - t->written)
            return GRID_EFULL;
        t->written += value.len;
        k->room = value.len;
        k->value.data = value.len ? call_alloc(t->call, value.len) : NULL;
    }
    if (value.len)
        memcpy((uint8_t *)(uintptr_t)k->value.data, value.data, value.len);
    k->value.len = value.len;
    k->type = VALUE_BYTES;
    k->deadline = deadline;
    k->version = 0;
    k->there = k->changed = k->valued = true;
    return GRID_OK;
}

void task_expire(struct task_key *k, msec_t deadline)
{
    k->deadline = deadline;
    k->changed = true;
    k->version = 0;
}

void task_remove(struct task_key *k)
{
    *k = (struct task_key){.cache = k->cache, .number = k->number, .key = k->key, .changed = true};
}

static void key_make(struct call *c, const struct task_key *k)
{
    bool was = call_entry(c, k->number) != NULL;
    if (k->there && k->valued)
        call_put(c, k->number, VALUE_BYTES, k->value, k->deadline);
    else if (k->there)
        call_expire(c, k->number, k->deadline);
    else if (was)
        call_remove(c, k->number);
}

void task_make(struct task *t)
{
    for (uint32_t i = 0; i < t->keys_len; i++)
        if (t->keys[i] && t->keys[i]->changed)
            key_make(t->call, t->keys[i]);
}
