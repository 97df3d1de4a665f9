/* node.c - the node of the world: the real rooms, wired as server/node does it. */
#include "tests/sim/world.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

struct node_shard *node_of_key(struct world *w, unsigned key)
{
    return &w->shards[key_partition(key) % w->mix.shards];
}

/* --- ports ------------------------------------------------------------------------------------ */

static uint64_t port_append(void *ctx, const struct record *rec, bool sync)
{
    struct node_shard *n = ctx;
    (void)sync;
    uint64_t lsn = wal_batch_add(n->batches[n->batches_len - 1], rec);
    client_record(n->world, n, rec, lsn);
    return lsn;
}

static bool port_room(void *ctx, size_t bytes)
{
    return wal_has_room(((struct node_shard *)ctx)->wal, bytes);
}

static struct cold_question *question_add(struct node_shard *n, struct slice key)
{
    n->questions = xrealloc(n->questions, n->questions_len + 1, sizeof *n->questions);
    struct cold_question *q = &n->questions[n->questions_len++];
    *q = (struct cold_question){.key = BUF_INIT};
    buf_add(&q->key, key.data, key.len);
    return q;
}

static void port_cold_get(void *ctx, uint64_t token, uint32_t context, uint16_t partition,
                          uint32_t cache, struct slice key)
{
    struct cold_question *q = question_add(ctx, key);
    q->token = token;
    q->context = context;
    q->partition = partition;
    q->cache = cache;
}

static void port_cold_scan(void *ctx, uint64_t token, uint32_t context, uint16_t partition,
                           uint32_t cache, uint32_t after_cache, struct slice after, uint32_t limit,
                           size_t bytes)
{
    struct cold_question *q = question_add(ctx, after);
    q->token = token;
    q->scan = true;
    q->context = context;
    q->partition = partition;
    q->cache = cache;
    q->after_cache = after_cache;
    q->limit = limit;
    q->bytes = bytes;
}

static void port_reply(void *ctx, const struct ticket *to, const struct result *res)
{
    client_reply(((struct node_shard *)ctx)->world, to, res);
}

static void port_soon(void *ctx)
{
    (void)ctx;
}

/* --- cold reads ------------------------------------------------------------------------------- */

static struct cold_entry cold_entry_of(const struct checkpoint_entry *e)
{
    return (struct cold_entry){e->key, e->affinity, e->value, e->version, e->deadline};
}

static void answer_get(struct world *w, struct node_shard *n, struct cold_question *q)
{
    struct buf out = BUF_INIT;
    struct checkpoint_entry e;
    enum grid_err err = checkpoint_get(n->checkpoint, q->context, q->partition, q->cache,
                                       buf_slice(&q->key), &out, &e);
    struct cold_entry found = {0};
    if (!err)
        found = cold_entry_of(&e);
    shard_cold_found(n->shard, q->token, err == GRID_ENOT_FOUND ? GRID_OK : err,
                     err ? NULL : &found, w->now);
    buf_release(&out);
}

static void answer_scan(struct world *w, struct node_shard *n, struct cold_question *q)
{
    struct checkpoint_page page = {0};
    enum grid_err err =
        checkpoint_scan(n->checkpoint, q->context, q->partition, q->cache, q->after_cache,
                        buf_slice(&q->key), q->limit, q->bytes, &page);
    size_t len = err ? 0 : page.len;
    struct cold_entry *entries = xcalloc(len + 1, sizeof *entries);
    uint32_t *caches = xcalloc(len + 1, sizeof *caches);
    for (size_t i = 0; i < len; i++) {
        entries[i] = cold_entry_of(&page.entries[i]);
        caches[i] = page.entries[i].cache;
    }
    shard_cold_scanned(n->shard, q->token, err, entries, caches, len, page.done, w->now);
    free(entries);
    free(caches);
    checkpoint_page_release(&page);
}

/* Answer one question, any. */
void node_cold(struct world *w, struct node_shard *n)
{
    if (!n->questions_len)
        return;
    size_t at = below(w, n->questions_len);
    struct cold_question q = n->questions[at];
    n->questions[at] = n->questions[--n->questions_len];
    (q.scan ? answer_scan : answer_get)(w, n, &q);
    buf_release(&q.key);
}

/* --- log and checkpoint ----------------------------------------------------------------------- */

static void disk_answer(struct world *w, enum grid_err err, const char *why)
{
    if (err == GRID_EIO)
        w->dead = true;
    else if (err && !(err == GRID_ENO_SPACE && w->full))
        world_fail(w, "the store says %s: %s", err_name(err), why);
}

static void batch_open(struct node_shard *n)
{
    struct wal_batch *b = xcalloc(1, sizeof *b);
    wal_batch_init(b, n->wal);
    n->batches[n->batches_len++] = b;
}

static void batch_close(struct node_shard *n)
{
    struct wal_batch *b = n->batches[0];
    n->batches_len--;
    memmove(n->batches, n->batches + 1, n->batches_len * sizeof(struct wal_batch *));
    wal_batch_release(b);
    free(b);
}

static void log_write(struct world *w, struct node_shard *n)
{
    char why[STORE_WHY_BYTES] = "";
    if (n->batches_len < 2)
        return;
    enum grid_err err = wal_write(n->wal, n->batches[0], why);
    if (err == GRID_ENO_SPACE)
        world_fail(w, "an accepted record does not fit: %s", why);
    disk_answer(w, err, why);
    if (!err)
        batch_close(n);
}

static void log_sync(struct world *w, struct node_shard *n)
{
    char why[STORE_WHY_BYTES] = "";
    uint64_t durable = n->durable;
    enum grid_err err = wal_sync(n->wal, why, &durable);
    disk_answer(w, err, why);
    if (!err)
        n->durable = durable;
}

static void log_tell(struct world *w, struct node_shard *n)
{
    n->told = n->durable;
    shard_durable(n->shard, n->told, w->now);
}

/* One of the things the log thread and its mails do. */
void node_log(struct world *w, struct node_shard *n)
{
    uint64_t what = below(w, 4);
    if (what == 0 && n->batches_len < SIM_QUEUE && n->batches[n->batches_len - 1]->count)
        batch_open(n);
    else if (what == 1)
        log_write(w, n);
    else if (what == 2)
        log_sync(w, n);
    else
        log_tell(w, n);
}

static bool stop_now(void *ctx)
{
    return chance(ctx, 10);
}

static void fold_run(struct world *w, struct node_shard *n)
{
    struct checkpoint_report report = {0};
    struct checkpoint_limits limits = {
        .ctx = w, .stop = w->calm ? NULL : stop_now, .changes_max = w->mix.changes_max};
    struct wal_reader *reader = wal_reader_new(n->wal, checkpoint_applied(n->checkpoint));
    enum grid_err err =
        checkpoint_run(n->checkpoint, reader, wal_durable(n->wal), &limits, &report);
    wal_reader_free(reader);
    if (err == GRID_ECORRUPT && w->flipped)
        n->stuck = true;
    else
        disk_answer(w, err, report.text);
    char why[STORE_WHY_BYTES] = "";
    if (!err)
        disk_answer(w, wal_reclaim(n->wal, checkpoint_applied(n->checkpoint), 0, why), why);
}

void node_fold(struct world *w, struct node_shard *n)
{
    char why[STORE_WHY_BYTES] = "";
    uint64_t what = below(w, 3);
    if (what == 0 && !n->stuck)
        fold_run(w, n);
    else if (what == 1 && wal_wants_room(n->wal))
        disk_answer(w, wal_prepare(n->wal, why), why);
    else if (what == 2)
        shard_checkpointed(n->shard, checkpoint_applied(n->checkpoint));
}

/* --- start ------------------------------------------------------------------------------------ */

static void place_add(struct node_shard *n, uint32_t context, uint16_t partition)
{
    n->places = xrealloc(n->places, n->places_len + 1, sizeof *n->places);
    n->places[n->places_len++] = (struct wal_place){context, partition};
}

static void head_each(void *ctx, const struct checkpoint_head *h)
{
    struct node_shard *n = ctx;
    if (h->damaged)
        place_add(n, h->context, h->partition);
    else
        shard_recover_checkpoint(n->shard, h->context, h->partition, h->version, h->counts,
                                 h->caches, h->caches_len);
}

static void session_each(void *ctx, uint32_t context, uint16_t partition, struct session_id id,
                         struct slice stored, bool damaged)
{
    struct node_shard *n = ctx;
    if (damaged)
        place_add(n, context, partition);
    else
        shard_recover_session(n->shard, context, partition, id, stored);
}

static void record_each(void *ctx, const struct record *rec, uint64_t lsn)
{
    shard_recover_record(((struct node_shard *)ctx)->shard, rec, lsn);
}

static uint64_t head_version(void *ctx, uint32_t context, uint16_t partition)
{
    return checkpoint_head_version(((struct node_shard *)ctx)->checkpoint, context, partition);
}

static void damage_told(struct world *w, struct node_shard *n, const struct wal_report *r)
{
    for (unsigned c = 0; c < SIM_MEMORY; c++) {
        for (uint16_t p = 0; p < SIM_PARTITIONS; p++) {
            uint32_t context = cache_context(w->caches[c]);
            if (p % w->mix.shards == n->index && wal_report_damaged(r, context, p))
                place_add(n, context, p);
        }
    }
    for (size_t i = 0; i < n->places_len; i++) {
        shard_recover_damage(n->shard, n->places[i].context, n->places[i].partition);
        for (unsigned c = 0; c < SIM_MEMORY; c++)
            if (cache_context(w->caches[c]) == n->places[i].context)
                w->model.damaged[c][n->places[i].partition] = true;
    }
    if (n->places_len && !w->flipped)
        world_fail(w, "damage is reported where none was done: %s", r->text);
}

static enum grid_err shard_recover(struct world *w, struct node_shard *n, char *why)
{
    struct wal_report report = {0};
    struct wal_visit visit = {n, record_each, head_version};
    enum grid_err err = checkpoint_heads(n->checkpoint, head_each, n);
    if (!err)
        err = checkpoint_sessions(n->checkpoint, session_each, n);
    if (!err)
        err = wal_recover(n->wal, checkpoint_applied(n->checkpoint), &visit, why, &report);
    if (!err) {
        damage_told(w, n, &report);
        if (report.last_lsn < n->durable && !w->flipped)
            world_fail(w, "shard %u: lsn %llu was durable, %llu came back", n->index,
                       (unsigned long long)n->durable, (unsigned long long)report.last_lsn);
        if (report.last_lsn < n->acked && !w->flipped)
            world_fail(w, "shard %u: an acknowledged write is lost", n->index);
        model_cut(&w->model, n->index, report.last_lsn);
        n->durable = n->told = n->acked = report.last_lsn;
        if (n->places_len || report.lost_records)
            err = checkpoint_mark_damaged(n->checkpoint, n->places, n->places_len, report.last_lsn,
                                          why);
    }
    wal_report_release(&report);
    free(n->places);
    n->places = NULL;
    n->places_len = 0;
    return err;
}

static enum grid_err shard_start(struct world *w, struct node_shard *n, bool create, char *why)
{
    struct shard_ports ports = {
        n, port_reply, port_append, port_room, port_cold_get, port_cold_scan, port_soon};
    struct shard_conf conf = {.index = n->index,
                              .shards = w->mix.shards,
                              .epoch = w->epoch,
                              .memory_limit = w->mix.memory_limit,
                              .hash_seed = below(w, UINT32_MAX)};
    char dir[32];
    snprintf(dir, sizeof dir, "wal-%u", n->index);
    struct wal_conf wal = {.disk = w->disk,
                           .dir = dir,
                           .segment_bytes = w->mix.segment_bytes,
                           .ahead_bytes = 2 * w->mix.segment_bytes,
                           .random = prng_next(&w->prng),
                           .create = create};
    struct kv *kv = store_mem_open(n->store);
    n->stuck = false;
    n->shard = shard_new(&conf, &ports, w->catalog);
    enum grid_err err = checkpoint_open_kv(&kv, create, "data.mdb", why, &n->checkpoint);
    if (!err)
        err = wal_open(&wal, why, &n->wal);
    if (!err)
        err = shard_recover(w, n, why);
    if (!err)
        err = wal_prepare(n->wal, why);
    if (!err || err == GRID_ENO_SPACE)
        batch_open(n);
    return err;
}

/* Starts until it succeeds: a start may be hit by the next fault. */
void node_start(struct world *w, bool create)
{
    char why[STORE_WHY_BYTES] = "";
    w->epoch++;
    w->dead = false;
    for (unsigned i = 0; i < w->mix.shards && !w->dead && !w->failed; i++)
        disk_answer(w, shard_start(w, &w->shards[i], create, why), why);
}

/* --- end -------------------------------------------------------------------------------------- */

static void shard_drop(struct node_shard *n, bool clean)
{
    while (n->batches_len)
        batch_close(n);
    for (size_t i = 0; i < n->questions_len; i++)
        buf_release(&n->questions[i].key);
    free(n->questions);
    n->questions = NULL;
    n->questions_len = 0;
    shard_free(n->shard);
    if (clean)
        wal_close(n->wal);
    else
        wal_free(n->wal);
    checkpoint_close(n->checkpoint);
    n->shard = NULL;
    n->wal = NULL;
    n->checkpoint = NULL;
}

void node_crash(struct world *w)
{
    do {
        disk_mem_stop_after(w->disk, UINT64_MAX);
        for (unsigned i = 0; i < w->mix.shards; i++) {
            shard_drop(&w->shards[i], false);
            store_mem_crash(w->shards[i].store);
            store_mem_fail_commit(w->shards[i].store, GRID_EIO, 0, 0);
        }
        disk_mem_crash(w->disk, &w->prng);
        client_crashed(w);
        w->crashes++;
        if (!w->calm && chance(w, 20))
            disk_mem_stop_after(w->disk, below(w, 20));
        node_start(w, false);
    } while (w->dead && !w->failed);
}

struct pick {
    struct world *w;
    char dir[32], name[96];
    unsigned seen;
};

static void pick_name(void *ctx, const char *name)
{
    struct pick *p = ctx;
    if (below(p->w, ++p->seen) == 0)
        snprintf(p->name, sizeof p->name, "%s/%.60s", p->dir, name);
}

static void flip_log(struct world *w)
{
    struct pick p = {.w = w};
    unsigned shard = (unsigned)below(w, w->mix.shards);
    snprintf(p.dir, sizeof p.dir, "wal-%u", shard);
    w->flipped = true;
    if (chance(w, 30)) {
        store_mem_flip(w->shards[shard].store, below(w, SIM_KEYS), below(w, 256));
        return;
    }
    w->disk->ops->list(w->disk, p.dir, pick_name, &p);
    if (p.seen)
        disk_mem_flip(w->disk, p.name, below(w, 3 * w->mix.segment_bytes / 4),
                      (unsigned)below(w, 8));
}

void node_restart(struct world *w, bool flip)
{
    for (unsigned i = 0; i < w->mix.shards; i++) {
        struct node_shard *n = &w->shards[i];
        batch_open(n);
        while (n->batches_len > 1 && !w->dead && !w->failed)
            log_write(w, n);
        if (!w->dead)
            log_sync(w, n);
    }
    if (w->dead || w->failed)
        return;
    for (unsigned i = 0; i < w->mix.shards; i++)
        shard_drop(&w->shards[i], true);
    client_crashed(w);
    if (flip)
        flip_log(w);
    node_start(w, false);
}

void node_make(struct world *w)
{
    w->disk = disk_mem_new();
    for (unsigned i = 0; i < w->mix.shards; i++)
        w->shards[i] = (struct node_shard){.world = w, .index = i, .store = store_mem_new()};
    node_start(w, true);
}

void node_release(struct world *w)
{
    for (unsigned i = 0; i < w->mix.shards; i++) {
        shard_drop(&w->shards[i], false);
        store_mem_free(w->shards[i].store);
    }
    disk_mem_free(w->disk);
}
