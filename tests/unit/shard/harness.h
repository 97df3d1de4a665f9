/* harness.h - a shard in a fake world: the log is an array, the disk is told when it is durable,
 * the checkpoint is an array made from the log, and cold reads are answered when the test says
 * so. */
#ifndef GRIDD_TESTS_SHARD_HARNESS_H
#define GRIDD_TESTS_SHARD_HARNESS_H

#include "data/fields.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "control/settings.h"
#include "shard/shard.h"
#include "tests/lib/unit.h"

#include <stdio.h>

enum { ANSWERS_MAX = 4096, CTX_SYNC = 1 };

struct answered {
    int times;
    enum grid_err status;
    bool repeated;
    uint64_t version;
    msec_t deadline;
    int64_t number;
    uint32_t failed_at;
    uint32_t items;
    size_t affinity; /* of SCAN: bytes of all affinities */
    enum reply_kind reply;
    uint8_t type;
    struct buf value; /* of GET, CALL */
    struct buf keys;  /* of SCAN: "key=value;" each */
    struct buf cursor;
};

struct logged {
    struct buf bytes;
    bool sync;
};

struct stored { /* an entry of the checkpoint */
    uint32_t context, cache;
    uint16_t partition;
    uint64_t version;
    msec_t deadline;
    uint8_t type;
    struct buf key, value, affinity;
};

struct question { /* a cold read that is not answered yet */
    uint64_t token;
    bool scan;
    uint32_t context, cache, after_cache, limit;
    uint16_t partition;
    struct buf key;
    struct stored *found; /* the answer: the checkpoint when it was asked, or when answered */
    size_t found_len;
    bool captured, done;
};

struct harness {
    struct shard *s;
    struct catalog *catalog;
    struct shard_ports ports;
    msec_t now;
    struct answered answers[ANSWERS_MAX];
    struct logged *log;
    size_t log_len;
    uint64_t checkpointed;
    unsigned damaged; /* records that found their partition damaged at a restart */
    bool log_full;
    size_t log_room; /* bytes of one record that fit; 0: any */
    int checkpoint_asked;
    struct stored *store;
    size_t store_len;
    struct question *questions;
    size_t questions_len;
    bool capture;      /* cold reads see the checkpoint as it is when they are asked */
    uint32_t page_max; /* entries of a cold scan; 0: as asked */
    uint64_t number;   /* of the next op */
    unsigned steps;    /* see h_check() */
    void (*aside)(void *ctx, const struct op *op); /* from the next start on */
    const struct natives *natives;                 /* likewise */
};

static inline void buf_set(struct buf *b, struct slice s)
{
    b->len = 0;
    buf_add(b, s.data, s.len);
}

/* --- ports ------------------------------------------------------------------------------------ */

static void h_reply(void *ctx, const struct ticket *to, const struct result *res)
{
    struct harness *h = ctx;
    if (to->number == ANSWERS_MAX) /* of the op beside the one that matters, see h_do() */
        return;
    ck_assert_uint_lt(to->number, ANSWERS_MAX);
    struct answered *a = &h->answers[to->number];
    a->times++;
    a->status = res->status;
    a->repeated = res->repeated;
    a->version = res->version;
    a->deadline = res->deadline;
    a->number = res->number;
    a->failed_at = res->failed_at;
    a->items = res->items_len;
    a->reply = res->reply;
    a->type = res->type;
    buf_set(&a->value, res->value);
    buf_set(&a->cursor, res->cursor);
    a->keys.len = a->affinity = 0;
    for (uint32_t i = 0; i < res->items_len; i++) {
        buf_add(&a->keys, res->items[i].key.data, res->items[i].key.len);
        buf_add_u8(&a->keys, '=');
        buf_add(&a->keys, res->items[i].value.data, res->items[i].value.len);
        buf_add_u8(&a->keys, ';');
        a->affinity += res->items[i].affinity.len;
    }
}

static uint64_t h_log_append(void *ctx, const struct record *rec, bool sync)
{
    struct harness *h = ctx;
    h->log = xrealloc(h->log, h->log_len + 1, sizeof *h->log);
    struct logged *l = &h->log[h->log_len++];
    *l = (struct logged){BUF_INIT, sync};
    record_encode(rec, &l->bytes);
    ck_assert_uint_le(l->bytes.len, record_size_max(rec));
    return h->log_len;
}

static bool h_log_has_room(void *ctx, size_t bytes)
{
    const struct harness *h = ctx;
    return !h->log_full && (!h->log_room || bytes <= h->log_room);
}

static void h_checkpoint_soon(void *ctx)
{
    ((struct harness *)ctx)->checkpoint_asked++;
}

/* --- the checkpoint --------------------------------------------------------------------------- */

/* Behind each step while there are few, then behind one of sixteen, and h_free() looks at the end:
 * it takes as long as there are entries. */
static inline void h_check(struct harness *h)
{
    if (h->steps++ < 1000 || h->steps % 16 == 0)
        shard_check(h->s);
}

static inline int stored_cmp(const struct stored *a, uint32_t context, uint16_t partition,
                             uint32_t cache, struct slice key)
{
    uint64_t x = (uint64_t)a->context << 48 | (uint64_t)a->partition << 32 | a->cache;
    uint64_t y = (uint64_t)context << 48 | (uint64_t)partition << 32 | cache;
    return x != y ? (x > y) - (x < y) : slice_cmp(buf_slice(&a->key), key);
}

/* Place of the first that is not before the named one; *ret_found: it is that one. */
static inline size_t store_find(const struct harness *h, uint32_t context, uint16_t partition,
                                uint32_t cache, struct slice key, bool *ret_found)
{
    size_t low = 0, high = h->store_len;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (stored_cmp(&h->store[mid], context, partition, cache, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *ret_found =
        low < h->store_len && stored_cmp(&h->store[low], context, partition, cache, key) == 0;
    return low;
}

static inline void stored_release(struct stored *e)
{
    buf_release(&e->key);
    buf_release(&e->value);
    buf_release(&e->affinity);
}

/* Change an entry that is there. */
static inline void store_change(struct stored *e, const struct record *r, const struct effect *f)
{
    e->version = r->version;
    if (f->kind == EFFECT_DEADLINE) {
        e->deadline = f->deadline;
        return;
    }
    struct buf after = BUF_INIT;
    fields_fold(buf_slice(&e->value), &f->value, 1, &after);
    ck_assert_uint_gt(after.len, 0);
    buf_release(&e->value);
    e->value = after;
}

static inline void store_apply(struct harness *h, const struct record *r, const struct effect *f)
{
    bool found;
    size_t at = store_find(h, r->context, r->partition, f->cache, f->key, &found);
    if (f->kind == EFFECT_EDIT || f->kind == EFFECT_DEADLINE) {
        ck_assert(found);
        store_change(&h->store[at], r, f);
        return;
    }
    if (found && f->kind != EFFECT_SESSION_END) {
        stored_release(&h->store[at]);
        memmove(&h->store[at], &h->store[at + 1], (h->store_len - at - 1) * sizeof *h->store);
        h->store_len--;
    }
    if (f->kind != EFFECT_PUT)
        return;
    h->store = xrealloc(h->store, h->store_len + 1, sizeof *h->store);
    memmove(&h->store[at + 1], &h->store[at], (h->store_len - at) * sizeof *h->store);
    h->store_len++;
    struct stored *e = &h->store[at];
    *e = (struct stored){.context = r->context,
                         .cache = f->cache,
                         .partition = r->partition,
                         .version = r->version,
                         .deadline = f->deadline,
                         .type = f->type};
    buf_set(&e->key, f->key);
    buf_set(&e->value, f->value);
    buf_set(&e->affinity, f->affinity);
}

/* Move the checkpoint up to `lsn` and tell the shard. */
static inline void h_checkpoint_to(struct harness *h, uint64_t lsn)
{
    static struct effect effects[RECORD_EFFECTS_MAX];
    for (; h->checkpointed < lsn; h->checkpointed++) {
        struct record r;
        ck_assert_int_eq(record_decode(buf_slice(&h->log[h->checkpointed].bytes), effects,
                                       RECORD_EFFECTS_MAX, &r),
                         GRID_OK);
        for (size_t i = 0; i < r.effects_len; i++)
            store_apply(h, &r, &effects[i]);
    }
    shard_checkpointed(h->s, lsn);
}

static inline void h_durable(struct harness *h)
{
    shard_durable(h->s, h->log_len, h->now);
}

static inline void h_checkpoint(struct harness *h)
{
    h_durable(h);
    h_checkpoint_to(h, h->log_len);
}

static inline struct cold_entry stored_entry(const struct stored *e)
{
    return (struct cold_entry){.key = buf_slice(&e->key),
                               .affinity = buf_slice(&e->affinity),
                               .value = buf_slice(&e->value),
                               .version = e->version,
                               .deadline = e->deadline,
                               .type = e->type};
}

static enum grid_err store_base(void *ctx, uint32_t context, uint16_t partition, uint32_t cache,
                                struct slice key, struct cold_entry *ret_entry)
{
    const struct harness *h = ctx;
    bool found;
    size_t at = store_find(h, context, partition, cache, key, &found);
    if (!found)
        return GRID_ENOT_FOUND;
    *ret_entry = stored_entry(&h->store[at]);
    return GRID_OK;
}

static inline bool question_wants(const struct question *q, const struct stored *e)
{
    if (!q->scan)
        return stored_cmp(e, q->context, q->partition, q->cache, buf_slice(&q->key)) == 0;
    if (e->context != q->context || e->partition != q->partition)
        return false;
    if (q->cache != UINT32_MAX)
        return e->cache == q->cache && slice_cmp(buf_slice(&e->key), buf_slice(&q->key)) > 0;
    return stored_cmp(e, q->context, q->partition, q->after_cache, buf_slice(&q->key)) > 0;
}

/* Look the answer up in the checkpoint. */
static inline void question_look(const struct harness *h, struct question *q)
{
    bool found;
    uint32_t cache = q->scan && q->cache == UINT32_MAX ? q->after_cache : q->cache;
    size_t from = store_find(h, q->context, q->partition, cache, buf_slice(&q->key), &found);
    q->captured = q->done = true;
    for (size_t i = from; i < h->store_len && q->done; i++) {
        const struct stored *e = &h->store[i];
        if (e->context != q->context || e->partition != q->partition || (!q->scan && i > from))
            break;
        if (!question_wants(q, e))
            continue;
        if (q->scan && q->found_len == q->limit) {
            q->done = false;
            break;
        }
        q->found = xrealloc(q->found, q->found_len + 1, sizeof *q->found);
        struct stored *copy = &q->found[q->found_len++];
        *copy = *e;
        copy->key = copy->value = copy->affinity = (struct buf)BUF_INIT;
        buf_set(&copy->key, buf_slice(&e->key));
        buf_set(&copy->value, buf_slice(&e->value));
        buf_set(&copy->affinity, buf_slice(&e->affinity));
    }
}

static inline void question_release(struct question *q)
{
    for (size_t i = 0; i < q->found_len; i++)
        stored_release(&q->found[i]);
    free(q->found);
    buf_release(&q->key);
}

static struct question *h_question(struct harness *h, uint64_t token, uint32_t context,
                                   uint16_t partition, uint32_t cache, struct slice key)
{
    h->questions = xrealloc(h->questions, h->questions_len + 1, sizeof *h->questions);
    struct question *q = &h->questions[h->questions_len++];
    *q = (struct question){
        .token = token, .context = context, .partition = partition, .cache = cache};
    buf_set(&q->key, key);
    return q;
}

static void h_cold_get(void *ctx, uint64_t token, uint32_t context, uint16_t partition,
                       uint32_t cache, struct slice key)
{
    struct question *q = h_question(ctx, token, context, partition, cache, key);
    if (((struct harness *)ctx)->capture)
        question_look(ctx, q);
}

static void h_cold_scan(void *ctx, uint64_t token, uint32_t context, uint16_t partition,
                        uint32_t cache, uint32_t after_cache, struct slice after, uint32_t limit,
                        size_t bytes)
{
    (void)bytes;
    struct question *q = h_question(ctx, token, context, partition, cache, after);
    q->scan = true;
    q->after_cache = after_cache;
    uint32_t max = ((struct harness *)ctx)->page_max;
    q->limit = max && max < limit ? max : limit;
    if (((struct harness *)ctx)->capture)
        question_look(ctx, q);
}

static inline void question_answer(struct harness *h, struct question *q, enum grid_err err)
{
    if (!q->captured)
        question_look(h, q);
    struct cold_entry *entries = xcalloc(q->found_len + 1, sizeof *entries);
    uint32_t *caches = xcalloc(q->found_len + 1, sizeof *caches);
    for (size_t i = 0; i < q->found_len; i++) {
        entries[i] = stored_entry(&q->found[i]);
        caches[i] = q->found[i].cache;
    }
    if (q->scan)
        shard_cold_scanned(h->s, q->token, err, entries, caches, err ? 0 : q->found_len, q->done,
                           h->now);
    else
        shard_cold_found(h->s, q->token, err, err || !q->found_len ? NULL : entries, h->now);
    free(entries);
    free(caches);
    h_check(h);
}

/* Answer one cold read. */
static inline void h_cold_one(struct harness *h, size_t at, enum grid_err err)
{
    struct question q = h->questions[at];
    memmove(&h->questions[at], &h->questions[at + 1],
            (--h->questions_len - at) * sizeof *h->questions);
    question_answer(h, &q, err);
    question_release(&q);
}

/* Answer the cold reads asked so far with `err`; returns how many. */
static inline size_t h_cold_err(struct harness *h, enum grid_err err)
{
    size_t n = h->questions_len;
    for (size_t i = 0; i < n; i++)
        h_cold_one(h, 0, err);
    return n;
}

/* Answer all cold reads, and those they lead to. */
static inline void h_cold(struct harness *h)
{
    while (h_cold_err(h, GRID_OK))
        ;
}

/* --- life ------------------------------------------------------------------------------------- */

enum { EPOCH = 5 };

static inline void h_open(struct harness *h, uint64_t memory_limit, uint64_t epoch)
{
    struct shard_conf conf = {.index = 0,
                              .shards = 1,
                              .epoch = epoch,
                              .memory_limit = memory_limit,
                              .hash_seed = 42,
                              .natives = h->natives};
    h->ports = (struct shard_ports){.ctx = h,
                                    .reply = h_reply,
                                    .log_append = h_log_append,
                                    .log_has_room = h_log_has_room,
                                    .cold_get = h_cold_get,
                                    .cold_scan = h_cold_scan,
                                    .checkpoint_soon = h_checkpoint_soon,
                                    .aside = h->aside};
    h->s = shard_new(&conf, &h->ports, h->catalog);
}

/* Context 1 `default`: sync; cache 1<<16 and one more with a default time to live of 1 s. The
 * helpers below add others. */
static inline struct harness *h_new_limit(uint64_t memory_limit)
{
    char why[WHY_BYTES];
    struct harness *h = xcalloc(1, sizeof *h);
    h->now = 1000000;
    h->number = 1;
    h->catalog = catalog_new();
    ck_assert_int_eq(catalog_cache_create(h->catalog, slice_str("default/short"), 1000, why),
                     GRID_OK);
    h_open(h, memory_limit, EPOCH);
    return h;
}

static inline struct harness *h_new(void)
{
    return h_new_limit(0);
}

static inline void h_free(struct harness *h)
{
    shard_check(h->s);
    shard_free(h->s);
    catalog_unref(h->catalog);
    for (size_t i = 0; i < ANSWERS_MAX; i++) {
        buf_release(&h->answers[i].value);
        buf_release(&h->answers[i].keys);
        buf_release(&h->answers[i].cursor);
    }
    for (size_t i = 0; i < h->log_len; i++)
        buf_release(&h->log[i].bytes);
    for (size_t i = 0; i < h->store_len; i++)
        stored_release(&h->store[i]);
    for (size_t i = 0; i < h->questions_len; i++)
        question_release(&h->questions[i]);
    free(h->log);
    free(h->store);
    free(h->questions);
    free(h);
}

/* Publish a changed catalog: h_change(h) gives the copy, h_publish() hands it to the shard. */
static inline void h_publish(struct harness *h, struct catalog *next)
{
    next->revision++;
    catalog_unref(h->catalog);
    h->catalog = next;
    shard_set_catalog(h->s, next);
}

/* A context NAME with a cache NAME/c; returns the cache's id. */
static inline uint32_t h_context(struct harness *h, const char *name, enum durability durability,
                                 uint64_t memory_limit, enum full_policy policy)
{
    char why[WHY_BYTES], path[2 * NAME_BYTES_MAX];
    struct catalog *next = catalog_copy(h->catalog);
    struct context_info want = {.partitions = 4,
                                .durability = durability,
                                .memory_limit = memory_limit,
                                .min_in_sync = 1,
                                .full_policy = policy};
    snprintf(want.name, sizeof want.name, "%s", name);
    snprintf(path, sizeof path, "%s/c", name);
    ck_assert_msg(catalog_context_create(next, &want, why) == GRID_OK, "%s", why);
    ck_assert_msg(catalog_cache_create(next, slice_str(path), 0, why) == GRID_OK, "%s", why);
    h_publish(h, next);
    return catalog_cache_named(h->catalog, slice_str(path))->id;
}

/* Change the memory limit of the first context, `default`. */
static inline void h_set_limit(struct harness *h, uint64_t memory_limit)
{
    struct catalog *next = catalog_copy(h->catalog);
    next->contexts[0].memory_limit = memory_limit;
    h_publish(h, next);
}

/* Change the memory limit of every context. */
static inline void h_set_limits(struct harness *h, uint64_t memory_limit)
{
    struct catalog *next = catalog_copy(h->catalog);
    for (size_t i = 0; i < next->contexts_len; i++)
        next->contexts[i].memory_limit = memory_limit;
    h_publish(h, next);
}

/* Evict whatever is clean, then take the limit away. */
static inline void h_evict(struct harness *h)
{
    h_set_limit(h, 1);
    for (int i = 0; i < 5; i++)
        shard_tick(h->s, h->now);
    h_set_limit(h, 0);
    shard_check(h->s);
}

static inline uint32_t h_cache(const struct harness *h, const char *path)
{
    return catalog_cache_named(h->catalog, slice_str(path))->id;
}

/* Start again as after a crash that kept the log up to `lsn` and the checkpoint as it is. */
static inline void h_restart(struct harness *h, uint64_t lsn, uint64_t epoch, uint64_t memory_limit)
{
    static struct effect effects[RECORD_EFFECTS_MAX];
    shard_free(h->s);
    while (h->log_len > lsn)
        buf_release(&h->log[--h->log_len].bytes);
    for (size_t i = 0; i < h->questions_len; i++)
        question_release(&h->questions[i]);
    h->questions_len = 0;
    h_open(h, memory_limit, epoch);
    for (size_t i = 0; i < h->store_len;) {
        uint64_t version = 0, count = 0;
        const struct stored *first = &h->store[i];
        uint32_t cache = first->cache;
        for (; i < h->store_len && h->store[i].partition == first->partition &&
               h->store[i].context == first->context && h->store[i].cache == cache;
             i++, count++)
            version = h->store[i].version > version ? h->store[i].version : version;
        shard_recover_checkpoint(h->s, first->context, first->partition, version, &count, &cache,
                                 1);
    }
    for (uint64_t at = h->checkpointed; at < h->log_len; at++) {
        struct record r;
        ck_assert_int_eq(
            record_decode(buf_slice(&h->log[at].bytes), effects, RECORD_EFFECTS_MAX, &r), GRID_OK);
        h->damaged += !shard_recover_record(h->s, &r, at + 1, store_base, h);
    }
    shard_check(h->s);
}

/* --- ops -------------------------------------------------------------------------------------- */

/* Submit and return the answer slot; it is filled now or later. */
static inline struct answered *h_do(struct harness *h, struct op op)
{
    ck_assert_uint_lt(h->number, ANSWERS_MAX);
    op.ticket.number = h->number;
    struct op other = {.kind = OP_COUNT, .cache = op.cache, .ticket = {.number = ANSWERS_MAX}};
    if (h->number % 2)
        shard_submit_all(h->s, (struct op *[]){&op, &other}, 2, h->now);
    else
        shard_submit(h->s, &op, h->now);
    h_check(h);
    return &h->answers[h->number++];
}

static inline struct op h_op(enum op_kind kind, uint32_t cache, const char *key)
{
    return (struct op){.kind = kind, .cache = cache, .key = slice_str(key)};
}

static inline struct answered *h_get(struct harness *h, uint32_t cache, const char *key)
{
    return h_do(h, h_op(OP_GET, cache, key));
}

static inline struct answered *h_put(struct harness *h, uint32_t cache, const char *key,
                                     const char *value)
{
    struct op op = h_op(OP_PUT, cache, key);
    op.value = slice_str(value);
    return h_do(h, op);
}

static inline struct answered *h_delete(struct harness *h, uint32_t cache, const char *key)
{
    return h_do(h, h_op(OP_DELETE, cache, key));
}

static inline struct answered *h_count(struct harness *h, uint32_t cache)
{
    struct op op = h_op(OP_COUNT, cache, "");
    op.all_partitions = true;
    return h_do(h, op);
}

static inline void session_set(struct op *op, uint8_t who, uint64_t number, uint64_t lowest)
{
    op->has_session = true;
    memset(op->session.id.bytes, who, SESSION_ID_BYTES);
    op->session.number = number;
    op->session.lowest = lowest;
}

static inline void ck_answer(const struct answered *a, enum grid_err want)
{
    ck_assert_int_eq(a->times, 1);
    ck_assert_str_eq(err_name(a->status), err_name(want));
}

static inline void ck_value(const struct answered *a, const char *want)
{
    ck_answer(a, GRID_OK);
    ck_assert(slice_eq(buf_slice(&a->value), slice_str(want)));
}

#define ck_waits(a) ck_assert_int_eq((a)->times, 0)

#endif
