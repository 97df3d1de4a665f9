/* job_keys.c - the keys that a job has read or written since its last step: what it sees of them,
 * and what its next step does. A key remembers the version that was read; what is added to a number
 * is added when the step is done, and reads nothing. */
#include "compute/job_run_priv.h"

#include "base/alloc.h"
#include "base/hash.h"

void job_keys_forget(struct job_run *r)
{
    for (uint32_t i = 0; i < r->keys_len; i++)
        buf_release(&r->keys[i].bytes);
    r->keys_len = 0;
    r->bytes = 0;
    memset(r->buckets, 0, sizeof r->buckets);
}

struct job_key *job_key_of(struct job_run *r, uint32_t cache, struct slice key)
{
    uint32_t *bucket = &r->buckets[hash_key(key, cache) % JOB_BUCKETS];
    for (uint32_t at = *bucket; at; at = r->keys[at - 1].next) {
        struct job_key *k = &r->keys[at - 1];
        if (k->w.cache == cache && slice_eq(k->w.key, key))
            return k;
    }
    if (r->keys_len == JOB_KEYS_MAX)
        return NULL;
    if (r->keys_len == r->keys_cap) {
        r->keys_cap = r->keys_cap ? r->keys_cap * 2 : 16;
        r->keys = xrealloc(r->keys, r->keys_cap, sizeof *r->keys);
    }
    struct job_key *k = &r->keys[r->keys_len++];
    *k = (struct job_key){.bytes = BUF_INIT, .next = *bucket, .w = {.cache = cache}};
    buf_add(&k->bytes, key.data, key.len);
    k->w.key = slice_make(k->bytes.data, key.len);
    *bucket = r->keys_len;
    r->bytes += key.len + sizeof *k;
    return k;
}

struct slice job_key_value(const struct job_key *k)
{
    size_t at = k->w.key.len;
    return slice_make(k->bytes.data + at, k->bytes.len - at);
}

void job_key_set(struct job_run *r, struct job_key *k, enum job_write_kind kind, struct slice value)
{
    size_t key_len = k->w.key.len, was = k->bytes.len;
    struct buf copy = BUF_INIT; /* the value may be the key's own */
    buf_add(&copy, value.data, value.len);
    k->bytes.len = key_len;
    buf_add(&k->bytes, copy.data, copy.len);
    buf_release(&copy);
    k->w.key = slice_make(k->bytes.data, key_len);
    k->w.kind = kind;
    k->hash = k->hash && kind == JOB_READ;
    k->there = kind == JOB_PUT || (kind == JOB_READ && k->there);
    r->bytes += k->bytes.len;
    r->bytes -= was;
}

bool job_cache_named(const struct job_run *r, struct slice name, uint32_t *ret_cache)
{
    const struct context_info *context =
        catalog_context(r->conf->catalog, cache_context((uint32_t)r->row.cache));
    for (size_t i = 0; context && i < context->caches_len; i++)
        if (slice_eq(slice_str(context->caches[i].name), name)) {
            *ret_cache = context->caches[i].id;
            return true;
        }
    return false;
}

enum grid_err job_key_read(struct job_run *r, struct job_key *k)
{
    struct job_got got = {.there = false};
    int64_t number = 0;
    char text[INTEGER_BYTES];
    if (k->w.checked || k->w.kind == JOB_PUT || k->w.kind == JOB_DELETE)
        return GRID_OK;
    enum grid_err err = r->ports->get(r->ports->ctx, (uint32_t)k->w.cache, k->w.key, &got);
    if (err)
        return err;
    k->w.checked = 1;
    k->w.version = got.there ? got.version : 0;
    k->hash = got.hash;
    k->there = got.there;
    if (k->w.kind == JOB_READ) {
        job_key_set(r, k, JOB_READ, got.there && !got.hash ? got.value : slice_make(NULL, 0));
        return GRID_OK;
    }
    if (got.there && (got.hash || !arg_integer(got.value, &number)))
        return GRID_ENOT_NUMBER;
    if (__builtin_add_overflow(number, k->w.delta, &number))
        return GRID_EOVERFLOW;
    job_key_set(r, k, JOB_ADD, slice_make(text, integer_format(number, text)));
    k->there = true;
    return GRID_OK;
}

enum grid_err job_key_add(struct job_run *r, struct job_key *k, int64_t by)
{
    bool known = k->w.checked || k->w.kind == JOB_PUT || k->w.kind == JOB_DELETE;
    uint64_t ttl = k->w.ttl_ms;
    int64_t number = known ? 0 : k->w.delta;
    char text[INTEGER_BYTES];
    if (known && k->there && (k->hash || !arg_integer(job_key_value(k), &number)))
        return GRID_ENOT_NUMBER;
    if (__builtin_add_overflow(number, by, &number))
        return GRID_EOVERFLOW;
    if (known) {
        job_key_set(r, k, JOB_PUT, slice_make(text, integer_format(number, text)));
        k->w.ttl_ms = ttl;
        return GRID_OK;
    }
    k->w.kind = JOB_ADD;
    k->w.delta = number;
    return GRID_OK;
}
