/* grid_store.h - the disk of a node of grid_parts.h: the real log and checkpoint, in memory. */
#ifndef GRIDD_TESTS_SHARD_GRID_STORE_H
#define GRIDD_TESTS_SHARD_GRID_STORE_H

#include "store/checkpoint.h"
#include "tests/unit/shard/grid_parts.h"

static uint64_t p_log(void *ctx, const struct record *rec, bool sync)
{
    struct wnode *n = ctx;
    (void)sync;
    uint64_t lsn = wal_batch_add(&n->batch, rec);
    if (rec->context == n->w->context && rec->effects_len && rec->restates &&
        rec->effects[0].kind == EFFECT_MEND)
        n->mended[rec->partition] = lsn;
    return lsn;
}

static bool p_has_room(void *ctx, size_t bytes)
{
    const struct wnode *n = ctx;
    return !n->full && wal_has_room(n->wal, bytes);
}

static struct question *question_add(struct wnode *n, struct slice key)
{
    n->questions = xrealloc(n->questions, n->questions_len + 1, sizeof *n->questions);
    struct question *q = &n->questions[n->questions_len++];
    *q = (struct question){.key = BUF_INIT};
    buf_add(&q->key, key.data, key.len);
    return q;
}

static void p_cold_get(void *ctx, uint64_t token, uint32_t context, uint16_t partition,
                       uint32_t cache, struct slice key)
{
    struct question *q = question_add(ctx, key);
    q->token = token;
    q->context = context;
    q->partition = partition;
    q->cache = cache;
}

static void p_cold_scan(void *ctx, uint64_t token, uint32_t context, uint16_t partition,
                        uint32_t cache, uint32_t after_cache, struct slice after, uint32_t limit,
                        size_t bytes)
{
    struct wnode *n = ctx;
    p_cold_get(ctx, token, context, partition, cache, after);
    struct question *q = &n->questions[n->questions_len - 1];
    q->scan = true;
    q->after_cache = after_cache;
    q->limit = limit;
    q->bytes = bytes;
}

static void p_soon(void *ctx)
{
    ((struct wnode *)ctx)->fold_soon = true;
}

/* --- cold reads ------------------------------------------------------------------------------- */

static struct cold_entry cold_of(const struct checkpoint_entry *e)
{
    return (struct cold_entry){e->key, e->affinity, e->value, e->version, e->deadline, e->type};
}

static void answer_get(struct wnode *n, const struct question *q)
{
    struct buf out = BUF_INIT;
    struct checkpoint_entry e;
    enum grid_err err = checkpoint_get(n->checkpoint, q->context, q->partition, q->cache,
                                       buf_slice(&q->key), &out, &e);
    struct cold_entry found = {0};
    ck_assert(err == GRID_OK || err == GRID_ENOT_FOUND);
    if (!err)
        found = cold_of(&e);
    shard_cold_found(n->s, q->token, GRID_OK, err ? NULL : &found, WALL + n->w->now);
    buf_release(&out);
}

static void answer_scan(struct wnode *n, const struct question *q)
{
    struct checkpoint_page page = {0};
    enum grid_err err =
        checkpoint_scan(n->checkpoint, q->context, q->partition, q->cache, q->after_cache,
                        buf_slice(&q->key), q->limit, q->bytes, &page);
    ck_assert_int_eq(err, GRID_OK);
    struct cold_entry *entries = xcalloc(page.len + 1, sizeof *entries);
    uint32_t *caches = xcalloc(page.len + 1, sizeof *caches);
    for (size_t i = 0; i < page.len; i++) {
        entries[i] = cold_of(&page.entries[i]);
        caches[i] = page.entries[i].cache;
    }
    shard_cold_scanned(n->s, q->token, GRID_OK, entries, caches, page.len, page.done,
                       WALL + n->w->now);
    free(entries);
    free(caches);
    checkpoint_page_release(&page);
}

static void cold_answer_one(struct wnode *n)
{
    size_t at = below(n->w, n->questions_len);
    struct question q = n->questions[at];
    n->questions[at] = n->questions[--n->questions_len];
    (q.scan ? answer_scan : answer_get)(n, &q);
    buf_release(&q.key);
    n->turn_at = 0;
}

/* As node/reading.c does, all at once. */
static void read_answer(struct wnode *n)
{
    struct log_read *l = n->read;
    uint64_t end = wal_durable(n->wal);
    struct wal_reader *r = wal_reader_open(n->wal, l->after, end);
    struct wal_item item;
    char why[STORE_WHY_BYTES] = "";
    enum grid_err err = GRID_OK;
    bool more = true;
    while (more && !(err = wal_reader_next(r, why, &item)))
        more = item.lost || log_read_take(l, item.lsn, item.context, item.partition, item.payload);
    ck_assert_msg(!err || err == GRID_ENOT_FOUND, "%s", why);
    wal_reader_free(r);
    l->done = err != GRID_OK;
    if (l->done)
        l->reached = end > l->after ? end : l->after;
    n->w->surveys += !l->bytes_max;
    n->w->pages += l->bytes.len > 0;
    n->read = NULL;
    shard_log_read(n->s, l);
    n->turn_at = 0;
}

/* --- the log, the checkpoint ------------------------------------------------------------------ */

static void log_sync(struct wnode *n)
{
    char why[STORE_WHY_BYTES] = "";
    if (n->batch.count) {
        ck_assert_msg(!wal_write(n->wal, &n->batch, why), "%s", why);
        wal_batch_reset(&n->batch);
    }
    ck_assert_msg(!wal_sync(n->wal, why, &n->durable), "%s", why);
    shard_durable(n->s, n->durable, WALL + n->w->now);
    n->turn_at = 0;
}

static bool p_alive(void *ctx, uint32_t context, uint32_t cache)
{
    return !catalog_dropped(((struct wnode *)ctx)->known->catalog, context, cache);
}

static void fold(struct wnode *n)
{
    char why[STORE_WHY_BYTES] = "";
    struct checkpoint_report report = {0};
    struct checkpoint_limits limits = {.ctx = n, .alive = p_alive, .changes_max = 1000};
    uint64_t upto = shard_settled(n->s, wal_durable(n->wal));
    n->fold_soon = false;
    if (upto <= checkpoint_applied(n->checkpoint))
        return;
    struct wal_reader *reader = wal_reader_new(n->wal, checkpoint_applied(n->checkpoint));
    enum grid_err err = checkpoint_run(n->checkpoint, reader, upto, &limits, &report);
    wal_reader_free(reader);
    ck_assert_msg(!err, "seed %llu: %s", (unsigned long long)n->w->seed, report.text);
    ck_assert_uint_eq(report.damaged_len, 0);
    ck_assert(!wal_reclaim(n->wal, checkpoint_applied(n->checkpoint), n->retention, why));
    shard_checkpointed(n->s, checkpoint_applied(n->checkpoint));
    n->w->folds++;
}

static void store_run(struct wnode *n)
{
    struct world *w = n->w;
    char why[STORE_WHY_BYTES] = "";
    if (wal_wants_room(n->wal))
        ck_assert_msg(!wal_prepare(n->wal, why), "%s", why);
    if (chance(w, w->sync_in) && (n->batch.count || wal_durable(n->wal) > n->durable))
        log_sync(n);
    if (n->questions_len && chance(w, w->cold_in))
        cold_answer_one(n);
    if (n->read && chance(w, w->cold_in * 10))
        read_answer(n);
    if (n->fold_soon ? chance(w, 10) : chance(w, w->fold_in))
        fold(n);
}

/* --- life ------------------------------------------------------------------------------------- */

static void head_each(void *ctx, const struct checkpoint_head *head)
{
    struct wnode *n = ctx;
    ck_assert(!head->damaged);
    shard_recover_checkpoint(n->s, head->context, head->partition, head->version, head->counts,
                             head->caches, head->caches_len);
    if (head->copying)
        shard_recover_copying(n->s, head->context, head->partition);
}

static void session_each(void *ctx, uint32_t context, uint16_t partition, struct session_id id,
                         struct slice stored, bool damaged)
{
    ck_assert(!damaged);
    shard_recover_session(((struct wnode *)ctx)->s, context, partition, id, stored);
}

static enum grid_err base_read(void *ctx, uint32_t context, uint16_t partition, uint32_t cache,
                               struct slice key, struct cold_entry *ret_entry)
{
    struct wnode *n = ctx;
    struct checkpoint_entry e;
    enum grid_err err = checkpoint_get(n->checkpoint, context, partition, cache, key, &n->base, &e);
    if (!err)
        *ret_entry = cold_of(&e);
    return err;
}

static void record_each(void *ctx, const struct record *rec, uint64_t lsn)
{
    struct wnode *n = ctx;
    ck_assert_msg(shard_recover_record(n->s, rec, lsn, base_read, n),
                  "seed %llu: lsn %llu finds nothing to change", (unsigned long long)n->w->seed,
                  (unsigned long long)lsn);
}

static uint64_t head_version(void *ctx, uint32_t context, uint16_t partition)
{
    return checkpoint_head_version(((struct wnode *)ctx)->checkpoint, context, partition);
}

static void store_open(struct wnode *n)
{
    char why[STORE_WHY_BYTES] = "";
    bool create = !n->disk;
    if (create) {
        n->disk = disk_mem_new();
        n->store = store_mem_new();
    }
    struct wal_conf wal = {.disk = n->disk,
                           .dir = "wal",
                           .segment_bytes = 256 << 10,
                           .ahead_bytes = 1 << 20,
                           .random = prng_next(&n->w->prng),
                           .create = create};
    struct kv *kv = store_mem_open(n->store);
    struct wal_report report = {0};
    struct wal_visit visit = {.ctx = n, .record = record_each, .head = head_version};
    ck_assert_msg(!checkpoint_open_kv(&kv, create, "data.mdb", why, &n->checkpoint), "%s", why);
    ck_assert_msg(!wal_open(&wal, why, &n->wal), "%s", why);
    ck_assert(!checkpoint_heads(n->checkpoint, head_each, n));
    ck_assert(!checkpoint_sessions(n->checkpoint, session_each, n));
    ck_assert_msg(!wal_recover(n->wal, checkpoint_applied(n->checkpoint), &visit, why, &report),
                  "%s", why);
    ck_assert_uint_ge(report.last_lsn, n->durable);
    n->durable = report.last_lsn;
    ck_assert_uint_eq(report.damaged_len, 0);
    wal_report_release(&report);
    ck_assert_msg(!wal_prepare(n->wal, why), "%s", why);
    wal_batch_init(&n->batch, n->wal);
}

static void store_close(struct wnode *n)
{
    wal_batch_release(&n->batch);
    wal_free(n->wal);
    checkpoint_close(n->checkpoint);
    log_read_free(n->read);
    n->read = NULL;
    while (n->questions_len)
        buf_release(&n->questions[--n->questions_len].key);
}

static void store_crash(struct wnode *n)
{
    store_close(n);
    store_mem_crash(n->store);
    disk_mem_crash(n->disk, &n->w->prng);
}

static void store_free(struct wnode *n)
{
    disk_mem_free(n->disk);
    store_mem_free(n->store);
    free(n->questions);
    buf_release(&n->base);
}

#endif
