/* node.c - the node of the world while it runs: the real rooms, wired as server/node does it. */
#include "tests/sim/world.h"

#include "base/alloc.h"

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
    struct record rest = *rec;
    if (n->world->sabotage == SABOTAGE_SPLIT_RECORDS && !rec->has_session && rec->effects_len > 1) {
        rest.effects_len = 1;
        wal_batch_add(n->batches[n->batches_len - 1], &rest);
        rest = *rec;
        rest.effects++;
        rest.effects_len--;
    }
    uint64_t lsn = wal_batch_add(n->batches[n->batches_len - 1], &rest);
    n->appended = lsn;
    if (!n->world->story)
        client_record(n->world, rec, lsn);
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
    struct world *w = ((struct node_shard *)ctx)->world;
    if (w->story)
        story_reply(w->story, to, res);
    else
        client_reply(w, to, res);
}

static void port_soon(void *ctx)
{
    (void)ctx;
}

const struct shard_ports node_ports = {.reply = port_reply,
                                       .log_append = port_append,
                                       .log_has_room = port_room,
                                       .cold_get = port_cold_get,
                                       .cold_scan = port_cold_scan,
                                       .checkpoint_soon = port_soon};

/* --- cold reads ------------------------------------------------------------------------------- */

struct cold_entry cold_entry_of(const struct checkpoint_entry *e)
{
    return (struct cold_entry){e->key, e->affinity, e->value, e->version, e->deadline, e->type};
}

/* A row was found unreadable: the node remembers that for the next start. */
static void cold_corrupt(struct world *w, struct node_shard *n, const struct cold_question *q)
{
    if (!w->flipped)
        world_fail(w, "an unreadable row where no bit was flipped");
    damage_add(n, q->context, q->partition);
}

static void answer_get(struct world *w, struct node_shard *n, struct cold_question *q)
{
    struct buf out = BUF_INIT;
    struct checkpoint_entry e;
    enum grid_err err = checkpoint_get(n->checkpoint, q->context, q->partition, q->cache,
                                       buf_slice(&q->key), &out, &e);
    struct cold_entry found = {0};
    if (err == GRID_ECORRUPT)
        cold_corrupt(w, n, q);
    if ((err == GRID_ECORRUPT && w->sabotage == SABOTAGE_CORRUPT_IS_ABSENT) ||
        (!err && w->sabotage == SABOTAGE_BLIND_COLD_READ && chance(w, 20)))
        err = GRID_ENOT_FOUND;
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
    if (err == GRID_ECORRUPT)
        cold_corrupt(w, n, q);
    size_t len = err ? 0 : page.len;
    if (len && w->sabotage == SABOTAGE_SHORT_COLD_SCAN && chance(w, 20))
        len--;
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
    if (w->sabotage == SABOTAGE_LOST_ANSWER && chance(w, 2)) {
        buf_release(&n->questions[--n->questions_len].key);
        return;
    }
    size_t at = below(w, n->questions_len);
    struct cold_question q = n->questions[at];
    n->questions[at] = n->questions[--n->questions_len];
    (q.scan ? answer_scan : answer_get)(w, n, &q);
    buf_release(&q.key);
}

/* --- the log ---------------------------------------------------------------------------------- */

void disk_answer(struct world *w, enum grid_err err, const char *why)
{
    if (err == GRID_EIO)
        w->dead = true;
    else if (err && !(err == GRID_ENO_SPACE && w->full))
        world_fail(w, "the store says %s: %s", err_name(err), why);
}

void batch_open(struct node_shard *n)
{
    struct wal_batch *b = xcalloc(1, sizeof *b);
    wal_batch_init(b, n->wal);
    n->batches[n->batches_len++] = b;
}

void batch_close(struct node_shard *n)
{
    struct wal_batch *b = n->batches[0];
    n->batches_len--;
    memmove(n->batches, n->batches + 1, n->batches_len * sizeof(struct wal_batch *));
    wal_batch_release(b);
    free(b);
}

void log_close(struct world *w, struct node_shard *n)
{
    (void)w;
    if (n->batches_len < SIM_QUEUE && n->batches[n->batches_len - 1]->count)
        batch_open(n);
}

void log_write(struct world *w, struct node_shard *n)
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

void log_sync(struct world *w, struct node_shard *n)
{
    char why[STORE_WHY_BYTES] = "";
    uint64_t durable = n->durable;
    enum grid_err err = wal_sync(n->wal, why, &durable);
    disk_answer(w, err, why);
    if (!err)
        n->durable = durable;
}

void log_tell(struct world *w, struct node_shard *n)
{
    bool early = w->sabotage == SABOTAGE_EARLY_ACK;
    shard_durable(n->shard, early ? n->appended : n->durable, w->now);
}

void node_log(struct world *w, struct node_shard *n)
{
    typedef void log_fn(struct world *, struct node_shard *);
    static log_fn *const things[] = {log_close, log_write, log_sync, log_tell};
    things[below(w, 4)](w, n);
}

/* --- the checkpoint --------------------------------------------------------------------------- */

void damage_add(struct node_shard *n, uint32_t context, uint16_t partition)
{
    struct world *w = n->world;
    unsigned c = context_of(w, context);
    if (c < SIM_CONTEXTS && !w->model.damaged[c][partition]) {
        w->model.damaged[c][partition] = true;
        w->tally.damaged++;
    }
    n->unmarked = xrealloc(n->unmarked, n->unmarked_len + 1, sizeof *n->unmarked);
    n->unmarked[n->unmarked_len++] = (struct wal_place){context, partition};
}

enum grid_err damage_mark(struct node_shard *n, char *why)
{
    if (!n->unmarked_len)
        return GRID_OK;
    enum grid_err err = checkpoint_mark_damaged(n->checkpoint, n->unmarked, n->unmarked_len, why);
    if (!err)
        n->unmarked_len = 0;
    return err;
}

static bool stop_now(void *ctx)
{
    struct world *w = ctx;
    return !w->calm && chance(w, 10);
}

static bool alive(void *ctx, uint32_t context, uint32_t cache)
{
    const struct catalog *c = ((struct world *)ctx)->catalog;
    if (cache == UINT32_MAX)
        return catalog_context(c, context) != NULL;
    return catalog_cache(c, context << 16 | cache) != NULL;
}

static struct checkpoint_limits limits_of(struct world *w)
{
    return (struct checkpoint_limits){.ctx = w,
                                      .alive = alive,
                                      .stop = stop_now,
                                      .changes_max = w->mix.changes_max,
                                      .whole_bytes = 1 + w->seed % 8 * 100};
}

static void damage_met(struct node_shard *n, const struct checkpoint_report *report)
{
    for (size_t i = 0; i < report->damaged_len; i++) {
        const struct wal_place *p = &report->damaged[i];
        damage_add(n, p->context, p->partition);
        shard_recover_damage(n->shard, p->context, p->partition);
        if (!n->world->flipped)
            world_fail(n->world, "a fold met damage where no bit was flipped");
    }
}

void fold_run(struct world *w, struct node_shard *n)
{
    char why[STORE_WHY_BYTES] = "";
    struct checkpoint_report report = {0};
    struct checkpoint_limits limits = limits_of(w);
    if (n->stuck || n->unmarked_len)
        return;
    struct wal_reader *reader = wal_reader_new(n->wal, checkpoint_applied(n->checkpoint));
    enum grid_err err =
        checkpoint_run(n->checkpoint, reader, wal_durable(n->wal), &limits, &report);
    wal_reader_free(reader);
    if (err == GRID_ECORRUPT && w->flipped)
        n->stuck = true;
    else
        disk_answer(w, err, report.text);
    damage_met(n, &report);
    w->tally.folds += !err;
    w->tally.store_full += err == GRID_ENO_SPACE;
    if (err && err != GRID_ENO_SPACE)
        return;
    bool early = w->sabotage == SABOTAGE_EARLY_RECLAIM;
    uint64_t upto = early ? wal_durable(n->wal) : checkpoint_applied(n->checkpoint);
    disk_answer(w, wal_reclaim(n->wal, upto, 0, why), why);
}

void fold_prepare(struct world *w, struct node_shard *n)
{
    char why[STORE_WHY_BYTES] = "";
    enum grid_err err = damage_mark(n, why);
    if (!err && wal_wants_room(n->wal))
        err = wal_prepare(n->wal, why);
    w->tally.log_full += err == GRID_ENO_SPACE;
    disk_answer(w, err, why);
}

void fold_purge(struct world *w, struct node_shard *n)
{
    struct checkpoint_limits limits = limits_of(w);
    bool more = false;
    if (!n->purge)
        return;
    enum grid_err err = checkpoint_purge(n->checkpoint, &limits, &more);
    disk_answer(w, err == GRID_ECORRUPT && w->flipped ? GRID_OK : err, "purge");
    n->purge = err || more;
    w->tally.purges += !err;
}

void fold_tell(struct world *w, struct node_shard *n)
{
    bool early = w->sabotage == SABOTAGE_EARLY_CLEAN;
    shard_checkpointed(n->shard, early ? n->durable : checkpoint_applied(n->checkpoint));
}

void node_fold(struct world *w, struct node_shard *n)
{
    typedef void fold_fn(struct world *, struct node_shard *);
    static fold_fn *const things[] = {fold_run, fold_prepare, fold_purge, fold_tell};
    things[below(w, 4)](w, n);
}
