/* bench.h - a log in a simulated disk with a checkpoint beside it, on LMDB or in memory. */
#ifndef GRIDD_TESTS_STORE_BENCH_H
#define GRIDD_TESTS_STORE_BENCH_H

#include "harness.h"

#include <unistd.h>

struct bench {
    struct disk *d;
    struct wal *w;
    struct wal_batch b;
    struct store_mem *mem; /* NULL: LMDB */
    struct checkpoint *cp;
    char dir[64];
    uint64_t seq;
};

static inline void bench_open(struct bench *b, bool create)
{
    char why[STORE_WHY_BYTES] = "";
    enum grid_err err;
    if (b->mem) {
        struct kv *kv = store_mem_open(b->mem);
        err = checkpoint_open_kv(&kv, create, "mem", why, &b->cp);
    } else {
        err = checkpoint_open(b->dir, create, why, &b->cp);
    }
    ck_assert_msg(!err, "%s", why);
}

static inline void bench_init(struct bench *b, bool lmdb)
{
    *b = (struct bench){.d = disk_mem_new()};
    b->w = log_new(b->d, 11);
    wal_batch_init(&b->b, b->w);
    if (!lmdb)
        b->mem = store_mem_new();
    strcpy(b->dir, "/tmp/checkpoint-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(b->dir));
    bench_open(b, true);
}

static inline void remove_file(const char *dir, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    unlink(path);
}

static inline void bench_release(struct bench *b)
{
    checkpoint_close(b->cp);
    store_mem_free(b->mem);
    wal_batch_release(&b->b);
    wal_free(b->w);
    disk_mem_free(b->d);
    remove_file(b->dir, "data.mdb");
    remove_file(b->dir, "lock.mdb");
    rmdir(b->dir);
}

static inline void bench_add(struct bench *b, struct effect *e, struct record_session *session)
{
    struct record r = {.context = 1,
                       .partition = 5,
                       .version = version_make(1, ++b->seq),
                       .time_ms = 1000 + b->seq,
                       .effects = e,
                       .effects_len = 1,
                       .restates = e->kind == EFFECT_WIPE || e->kind == EFFECT_COPIED,
                       .has_session = session != NULL};
    if (session)
        r.session = *session;
    wal_batch_add(&b->b, &r);
}

static inline void bench_put(struct bench *b, uint32_t cache, const char *key, const char *value,
                             bool created)
{
    struct effect e = {.kind = EFFECT_PUT,
                       .created = created,
                       .cache = cache,
                       .key = slice_str(key),
                       .affinity = slice_str("aff"),
                       .value = slice_str(value),
                       .deadline = 77};
    bench_add(b, &e, NULL);
}

static inline void bench_remove(struct bench *b, uint32_t cache, const char *key)
{
    struct effect e = {.kind = EFFECT_REMOVE, .cache = cache, .key = slice_str(key)};
    bench_add(b, &e, NULL);
}

static inline void bench_sync(struct bench *b)
{
    ck_assert_int_eq(wal_write(b->w, &b->b, NULL), GRID_OK);
    wal_batch_reset(&b->b);
    ck_assert_int_eq(wal_sync(b->w, NULL, NULL), GRID_OK);
    ck_assert_int_eq(wal_prepare(b->w, NULL), GRID_OK);
}

static inline enum grid_err bench_run(struct bench *b, const struct checkpoint_limits *limits,
                                      struct checkpoint_report *report)
{
    struct wal_reader *r = wal_reader_new(b->w, checkpoint_applied(b->cp));
    enum grid_err err = checkpoint_run(b->cp, r, wal_durable(b->w), limits, report);
    wal_reader_free(r);
    return err;
}

static inline void check_value(struct bench *b, uint32_t cache, const char *key, const char *value)
{
    struct buf out = BUF_INIT;
    struct checkpoint_entry e;
    enum grid_err err = checkpoint_get(b->cp, 1, 5, cache, slice_str(key), &out, &e);
    ck_assert_int_eq(err, value ? GRID_OK : GRID_ENOT_FOUND);
    if (value) {
        ck_assert(slice_eq(e.value, slice_str(value)));
        ck_assert(slice_eq(e.key, slice_str(key)));
        ck_assert(slice_eq(e.affinity, slice_str("aff")));
        ck_assert_uint_eq(e.deadline, 77);
        ck_assert_uint_eq(e.cache, cache);
    }
    buf_release(&out);
}

struct heads_found {
    unsigned len, damaged_len;
    bool damaged, copying;
    uint64_t version;
    uint64_t counts[8];
};

static inline void head_found(void *ctx, const struct checkpoint_head *h)
{
    struct heads_found *f = ctx;
    f->len++;
    f->damaged |= h->damaged;
    f->damaged_len += h->damaged;
    f->copying |= h->copying;
    f->version = h->version;
    for (size_t i = 0; i < h->caches_len; i++)
        f->counts[h->caches[i]] += h->counts[i];
}

static inline struct heads_found heads(struct bench *b)
{
    struct heads_found f = {0};
    ck_assert_int_eq(checkpoint_heads(b->cp, head_found, &f), GRID_OK);
    return f;
}

#endif
