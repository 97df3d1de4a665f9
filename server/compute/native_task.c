/* native_task.c - a task in C: the table that it calls, over what task_keys.c keeps, which is the
 * same for tasks in Lua. */
#include <grid_module.h>

#include "base/list.h"
#include "base/log.h"
#include "compute/native.h"
#include "compute/task_priv.h"

#include <stdio.h>

enum { SCAN_USUAL = 1000, LOG_BYTES = 1024, FOUND_FIRST = 32 };
#define TTL_MS_MAX (UINT64_C(100) * 366 * 24 * 3600 * 1000)

/* The public part comes first: a grid_call is one. */
struct native_call {
    struct grid_call call;
    struct task task;
    bool failed; /* it said why */
};

static struct task *task_of(struct grid_call *c)
{
    return &container_of(c, struct native_call, call)->task;
}

static struct slice slice_of(struct grid_bytes b)
{
    return slice_make(b.data, b.len);
}

static struct grid_bytes bytes_of(struct slice s)
{
    return (struct grid_bytes){s.data, s.len};
}

/* --- keys ------------------------------------------------------------------------------------- */

static enum grid_err cache_at(struct task *t, const char *name, const struct cache_info **ret_cache)
{
    if (unlikely(call_again(t->call)))
        return GRID_EBUSY; /* it begins again */
    *ret_cache = task_cache(t, name ? slice_str(name) : slice_make(NULL, 0));
    if (unlikely(!*ret_cache || (name && !*name)))
        return GRID_ENO_CACHE;
    return GRID_OK;
}

static enum grid_err key_at(struct task *t, const char *cache, struct grid_bytes key, bool writes,
                            struct task_key **ret_key)
{
    const struct cache_info *at;
    if (unlikely(writes && t->reads_only))
        return GRID_EDENIED;
    enum grid_err err = cache_at(t, cache, &at);
    return unlikely(err) ? err : task_find(t, at, slice_of(key), ret_key);
}

static bool is_bytes(const struct task_key *k)
{
    return value_is_bytes((enum value_type)k->type);
}

static void seen_fill(const struct task_key *k, struct grid_seen *to)
{
    *to = (struct grid_seen){.key = bytes_of(k->key),
                             .version = k->version,
                             .deadline_ms = k->deadline,
                             .type = (enum grid_type)k->type};
    if (is_bytes(k))
        to->value = bytes_of(k->value);
}

static enum grid_err native_get(struct grid_call *c, const char *cache, struct grid_bytes key,
                                struct grid_seen *ret_seen)
{
    struct task_key *k = NULL;
    enum grid_err err = key_at(task_of(c), cache, key, false, &k);
    if (unlikely(err))
        return err;
    if (!k->there)
        return GRID_ENOT_FOUND;
    if (unlikely(!is_bytes(k)))
        return GRID_EWRONG_TYPE;
    seen_fill(k, ret_seen);
    return GRID_OK;
}

static enum grid_err deadline_of(const struct task *t, const struct task_key *k,
                                 const struct grid_write *how, msec_t *ret_deadline)
{
    msec_t usual = k->cache->ttl_ms ? t->call->now + k->cache->ttl_ms : 0;
    switch (how ? how->ttl : GRID_TTL_DEFAULT) {
    case GRID_TTL_DEFAULT:
        *ret_deadline = usual;
        return GRID_OK;
    case GRID_TTL_SET:
        *ret_deadline = t->call->now + how->ttl_ms;
        return how->ttl_ms && how->ttl_ms <= TTL_MS_MAX ? GRID_OK : GRID_EBAD_REQUEST;
    case GRID_TTL_NONE:
        *ret_deadline = 0;
        return GRID_OK;
    case GRID_TTL_KEEP:
        *ret_deadline = k->there ? k->deadline : 0;
        return GRID_OK;
    default:
        return GRID_EBAD_REQUEST;
    }
}

static enum grid_err condition_of(const struct task_key *k, const struct grid_write *how)
{
    switch (how ? how->condition : GRID_ALWAYS) {
    case GRID_ALWAYS:
        return GRID_OK;
    case GRID_IF_ABSENT:
        return k->there ? GRID_ECONDITION : GRID_OK;
    case GRID_IF_PRESENT:
        return k->there ? GRID_OK : GRID_ECONDITION;
    case GRID_IF_VERSION:
        return k->there && k->version == how->version ? GRID_OK : GRID_ECONDITION;
    default:
        return GRID_EBAD_REQUEST;
    }
}

static enum grid_err native_put(struct grid_call *c, const char *cache, struct grid_bytes key,
                                struct grid_bytes value, const struct grid_write *how)
{
    struct task *t = task_of(c);
    struct task_key *k = NULL;
    msec_t deadline = 0;
    enum grid_err err = key_at(t, cache, key, true, &k);
    if (!err)
        err = condition_of(k, how);
    if (!err)
        err = deadline_of(t, k, how, &deadline);
    if (!err && value.len > call_value_max(t->call))
        err = GRID_ETOO_LARGE;
    return err ? err : task_put(t, k, slice_of(value), deadline);
}

static enum grid_err native_delete(struct grid_call *c, const char *cache, struct grid_bytes key)
{
    struct task_key *k = NULL;
    enum grid_err err = key_at(task_of(c), cache, key, true, &k);
    if (err)
        return err;
    if (!k->there)
        return GRID_ENOT_FOUND;
    task_remove(k);
    return GRID_OK;
}

static enum grid_err native_incr(struct grid_call *c, const char *cache, struct grid_bytes key,
                                 int64_t by, int64_t *ret_number)
{
    struct task *t = task_of(c);
    struct task_key *k = NULL;
    int64_t number = 0;
    char text[INTEGER_BYTES];
    msec_t deadline = 0;
    enum grid_err err = key_at(t, cache, key, true, &k);
    if (err)
        return err;
    if (k->there && !is_bytes(k))
        return GRID_EWRONG_TYPE;
    if (k->there && !arg_integer(k->value, &number))
        return GRID_ENOT_NUMBER;
    if (__builtin_add_overflow(number, by, &number))
        return GRID_EOVERFLOW;
    const struct grid_write keep = {.ttl = k->there ? GRID_TTL_KEEP : GRID_TTL_DEFAULT};
    err = deadline_of(t, k, &keep, &deadline);
    if (!err)
        err = task_put(t, k, slice_make(text, integer_format(number, text)), deadline);
    if (!err && ret_number)
        *ret_number = number;
    return err;
}

static enum grid_err native_expire(struct grid_call *c, const char *cache, struct grid_bytes key,
                                   const struct grid_write *how)
{
    struct task *t = task_of(c);
    struct task_key *k = NULL;
    msec_t deadline = 0;
    enum grid_err err = key_at(t, cache, key, true, &k);
    if (!err && how && how->ttl == GRID_TTL_KEEP)
        err = GRID_EBAD_REQUEST;
    if (!err)
        err = deadline_of(t, k, how, &deadline);
    if (!err && !k->there)
        err = GRID_ENOT_FOUND;
    if (!err)
        task_expire(k, deadline);
    return err;
}

/* --- scanning --------------------------------------------------------------------------------- */

struct found {
    struct grid_seen *list;
    size_t len, cap, limit;
};

static void found_add(const struct task *t, struct found *f, const struct grid_seen *seen)
{
    if (f->len == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : FOUND_FIRST;
        struct grid_seen *list = call_alloc(t->call, cap * sizeof *list);
        if (f->len)
            memcpy(list, f->list, f->len * sizeof *list);
        f->list = list;
        f->cap = cap;
    }
    f->list[f->len++] = *seen;
}

static void scan_made(const struct task *t, const struct cache_info *cache, struct slice prefix,
                      struct found *f)
{
    struct grid_seen seen;
    for (uint32_t i = 0; i < t->keys_len && f->len < f->limit; i++) {
        const struct task_key *k = t->keys[i];
        if (!k || !k->changed || !k->there || k->cache != cache ||
            !slice_has_prefix(k->key, prefix))
            continue;
        seen_fill(k, &seen);
        found_add(t, f, &seen);
    }
}

static enum grid_err scan_stored(const struct task *t, const struct cache_info *cache,
                                 struct slice prefix, struct found *f)
{
    uint64_t cursor = 0;
    do {
        const struct entry *const *entries;
        size_t len;
        enum grid_err err = call_scan(t->call, cache, prefix, cursor, &cursor, &entries, &len);
        if (err)
            return err;
        for (size_t i = 0; i < len && f->len < f->limit; i++) {
            const struct entry *e = entries[i];
            struct grid_seen seen = {.key = bytes_of(entry_key(e)),
                                     .version = entry_version(e),
                                     .deadline_ms = entry_deadline(e),
                                     .type = (enum grid_type)entry_type(e)};
            if (value_is_bytes(entry_type(e)))
                seen.value = bytes_of(entry_string(e));
            if (!task_made(t, cache, entry_key(e)))
                found_add(t, f, &seen);
        }
    } while (cursor && f->len < f->limit);
    return GRID_OK;
}

static enum grid_err native_scan(struct grid_call *c, const char *cache, struct grid_bytes prefix,
                                 uint32_t limit, const struct grid_seen **ret_list, size_t *ret_len)
{
    struct task *t = task_of(c);
    const struct cache_info *at;
    struct found f = {.limit = limit ? limit : SCAN_USUAL};
    enum grid_err err = cache_at(t, cache, &at);
    if (err)
        return err;
    if (prefix.len > KEY_BYTES_MAX)
        return GRID_ETOO_LARGE;
    if (f.limit > SCAN_LIMIT_MAX)
        f.limit = SCAN_LIMIT_MAX;
    scan_made(t, at, slice_of(prefix), &f);
    err = scan_stored(t, at, slice_of(prefix), &f);
    if (err)
        return err;
    *ret_list = f.list;
    *ret_len = f.len;
    return GRID_OK;
}

/* --- the result, the rest --------------------------------------------------------------------- */

static enum grid_err answer_add(struct grid_call *c, struct grid_bytes bytes, bool line)
{
    struct task *t = task_of(c);
    struct buf *out = t->call->raw;
    if (container_of(c, struct native_call, call)->failed)
        return GRID_ETASK;
    if (bytes.len + line > t->result_max - out->len)
        return GRID_ETOO_LARGE;
    if (bytes.len)
        buf_add(out, bytes.data, bytes.len);
    if (line)
        buf_add_u8(out, '\n');
    return GRID_OK;
}

static enum grid_err native_result(struct grid_call *c, struct grid_bytes bytes)
{
    return answer_add(c, bytes, false);
}

static enum grid_err native_emit(struct grid_call *c, struct grid_bytes row)
{
    return answer_add(c, row, true);
}

static void fail_say(struct native_call *n, const char *text)
{
    struct task *t = &n->task;
    report_fault(t->call->raw, t->name, slice_str(text), "native code\n");
    n->failed = true;
}

static enum grid_err native_fail(struct grid_call *c, const char *text)
{
    fail_say(container_of(c, struct native_call, call), text ? text : "");
    return GRID_ETASK;
}

static void native_log(struct grid_call *c, const char *text)
{
    const struct task *t = task_of(c);
    log_line(LOG_INFO, "task", "%.*s: %.*s", (int)t->name.len, (const char *)t->name.data,
             (int)LOG_BYTES, text);
}

static void *native_alloc(struct grid_call *c, size_t bytes)
{
    struct task *t = task_of(c);
    if (bytes > TASK_WRITTEN_MAX - t->written)
        return NULL;
    t->written += bytes;
    return call_alloc(t->call, bytes ? bytes : 1);
}

static uint64_t native_random(struct grid_call *c)
{
    return call_random(task_of(c)->call);
}

static const struct grid_call_api api = {
    .size = sizeof api,
    .get = native_get,
    .put = native_put,
    .remove = native_delete,
    .incr = native_incr,
    .expire = native_expire,
    .scan = native_scan,
    .result = native_result,
    .emit = native_emit,
    .fail = native_fail,
    .log = native_log,
    .alloc = native_alloc,
    .random = native_random,
};

void native_task_run(struct call *c, const struct native *f, struct slice name,
                     struct slice argument, size_t result_max)
{
    struct native_call n = {.task = {.call = c,
                                     .name = name,
                                     .reads_only = f->flags & MODULE_NO_WRITES,
                                     .result_max = result_max},
                            .call = {.api = &api,
                                     .key = bytes_of(call_key(c, 0)),
                                     .argument = bytes_of(argument),
                                     .cache = call_cache(c)->name,
                                     .now_ms = c->now,
                                     .ctx = f->given->ctx}};
    enum grid_err err = f->given->task(&n.call);
    if (unlikely(call_again(c))) {
        reply_null(c); /* nobody sees it: it begins again */
        return;
    }
    if (unlikely(err || n.failed)) {
        if (!n.failed)
            fail_say(&n, err_text(err));
        c->reply = (struct reply){REPLY_ERROR, GRID_ETASK, buf_slice(c->raw)};
        return;
    }
    task_make(&n.task);
    c->reply = (struct reply){c->raw->len ? REPLY_BULK : REPLY_OK, 0, buf_slice(c->raw)};
}
