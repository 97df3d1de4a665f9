/* folding.c - the checkpoint thread of a shard: folds the durable log into LMDB, purges what was
 * dropped. Woken by flags; the notes posted to it can wait, so it may be slow. */
#include "node/node_priv.h"

#include "base/alloc.h"
#include "base/log.h"
#include "control/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    IDLE_MS = 200,
    RETRY_MS = 1000,
    REST_MS = 60000, /* longer than from one checkpoint to the next */
    REST_SHARE = 4,
    RATE_RECORDS_MIN = 1000,
    FOLD_BYTES_MIN = 16 << 20, /* of a transaction, which keeps its records in memory */
    FOLD_BYTES_MAX = 256 << 20,
    FOLD_SHARE = 4,    /* of the shard's memory */
    CHANGE_BYTES = 64, /* of a short record */
};

void folding_wake(struct worker *w)
{
    mailbox_wake(w->folding.helper.box);
}

void folding_soon(void *ctx)
{
    struct worker *w = ctx;
    if (!atomic_exchange(&w->folding.soon, true))
        folding_wake(w);
}

void folding_set_catalog(struct worker *w, struct catalog *c)
{
    pthread_mutex_lock(&w->folding.catalog_lock);
    catalog_unref(w->folding.catalog);
    w->folding.catalog = catalog_ref(c);
    pthread_mutex_unlock(&w->folding.catalog_lock);
    atomic_store(&w->folding.purge, true);
    folding_wake(w);
}

bool folding_alive(void *ctx, uint32_t context, uint32_t cache)
{
    return !catalog_dropped(ctx, context, cache);
}

struct checkpointed {
    struct note note;
    uint64_t lsn;
};

static void checkpointed_run(struct note *n, void *thread)
{
    struct checkpointed *c = container_of(n, struct checkpointed, note);
    struct worker *w = thread;
    shard_checkpointed(w->shard, c->lsn);
    free(c);
    pressure_look(w);
}

/* What one round needs. */
struct round {
    struct worker *w;
    struct catalog *catalog;
    struct checkpoint_limits limits;
    bool last;          /* the node stops: fold everything */
    bool purge;         /* something dropped may be in the checkpoint */
    bool going_on;      /* a checkpoint is made in several transactions, one each round */
    bool reclaimed;     /* segments were looked at; lives without a write leave some, too */
    uint64_t upto;      /* lsn it goes to */
    uint64_t bytes;     /* wal written_bytes when it began */
    unsigned asked;     /* this round's transactions, and one */
    uint64_t accounted; /* what the log lost up to here is marked */
    uint64_t bytes_at;  /* wal written_bytes at the last checkpoint */
    uint64_t most;      /* records of the largest fold whose memory is kept */
    msec_t large_at;    /* last time that a good part of it was needed */
    msec_t done_at;
    msec_t retry_at;
};

/* The store was written to, or could not be. */
static void store_note(struct round *r, enum grid_err err, const char *why)
{
    if (err != GRID_OK && err != GRID_ENO_SPACE) {
        node_fail(r->w->node, "store", why);
        return;
    }
    node_space(r->w, SPACE_STORE, err, why);
    if (err == GRID_ENO_SPACE)
        r->retry_at = clock_mono_ms() + RETRY_MS;
}

/* What is damaged is marked before the log goes on. */
static void mark(struct round *r)
{
    char why[STORE_WHY_BYTES];
    if (damage_unmarked(r->w))
        store_note(r, damage_mark(r->w, why), why);
    if (!damage_unmarked(r->w))
        preparing_allow(r->w);
}

static void reclaim(struct round *r)
{
    struct worker *w = r->w;
    char why[STORE_WHY_BYTES];
    uint64_t retention = (uint64_t)catalog_setting(r->catalog, SETTING_log_retention);
    r->reclaimed = true;
    if (atomic_load(&w->no_space))
        retention = 0;
    else if (reading_keeps(w))
        retention *= 2;
    if (wal_reclaim(w->wal, checkpoint_applied(w->checkpoint), retention, why) != GRID_OK)
        node_fail(w->node, "store", why);
    preparing_wake(w); /* there may be segments to use again */
}

/* Up to where the log may be folded: what other nodes may still cut from it stays out (R9). */
static uint64_t foldable(struct worker *w)
{
    uint64_t durable = wal_durable(w->wal), settled = atomic_load(&w->settled);
    return settled < durable ? settled : durable;
}

static bool due(struct round *r)
{
    struct worker *w = r->w;
    if (atomic_load(&w->folding.stuck) || w->folding.hole.last ||
        foldable(w) <= checkpoint_applied(w->checkpoint))
        return false;
    if (damage_wanted_lsn(w) > checkpoint_applied(w->checkpoint))
        return true;
    struct wal_stats stats;
    wal_stats(w->wal, &stats);
    int64_t bytes = catalog_setting(r->catalog, SETTING_checkpoint_bytes);
    int64_t interval = catalog_setting(r->catalog, SETTING_checkpoint_interval);
    return r->going_on || r->last || atomic_exchange(&w->folding.soon, false) ||
           stats.written_bytes - r->bytes_at >= (uint64_t)bytes ||
           clock_mono_ms() - r->done_at >= (msec_t)interval || !wal_has_room(w->wal, 1 << 20);
}

static bool round_alive(void *ctx, uint32_t context, uint32_t cache)
{
    return folding_alive(((struct round *)ctx)->catalog, context, cache);
}

/* One transaction a round, so that what it made possible is done soon. */
static bool round_stop(void *ctx)
{
    return ((struct round *)ctx)->asked++ > 0;
}

static void fold_begin(struct round *r)
{
    struct wal_stats stats;
    wal_stats(r->w->wal, &stats);
    r->bytes = stats.written_bytes;
    r->upto = foldable(r->w);
}

static uint64_t clamp(uint64_t n, uint64_t min, uint64_t max)
{
    return n < min ? min : n > max ? max : n;
}

/* What starts a checkpoint goes into one transaction, if memory allows: pages are written once. */
static struct checkpoint_limits fold_limits(const struct round *r)
{
    struct checkpoint_limits limits = r->limits;
    const struct node *node = r->w->node;
    uint64_t share = clamp(node->memory_bytes / node->shards / FOLD_SHARE, 0, FOLD_BYTES_MAX);
    uint64_t bytes = (uint64_t)catalog_setting(r->catalog, SETTING_checkpoint_bytes);
    limits.bytes_max = (size_t)clamp(bytes < share ? bytes : share, FOLD_BYTES_MIN, FOLD_BYTES_MAX);
    limits.changes_max = limits.bytes_max / CHANGE_BYTES;
    return limits;
}

static void fold(struct round *r)
{
    struct worker *w = r->w;
    struct checkpoint_report report = {0};
    struct checkpoint_limits limits = fold_limits(r);
    if (!r->going_on)
        fold_begin(r);
    r->asked = 0;
    uint64_t start = clock_mono_us();
    struct wal_reader *reader = wal_reader_new(w->wal, checkpoint_applied(w->checkpoint));
    enum grid_err err = checkpoint_run(w->checkpoint, reader, r->upto, &limits, &report);
    wal_reader_free(reader);
    uint64_t applied = checkpoint_applied(w->checkpoint);
    uint64_t took = clock_mono_us() - start;
    histogram_add(&w->folding.folds, (uint32_t)took, 1);
    metric_count(&w->folding.records, report.records);
    if (report.records > r->most)
        r->most = report.records;
    if (report.records >= r->most / REST_SHARE)
        r->large_at = clock_mono_ms();
    if (report.records > RATE_RECORDS_MIN)
        atomic_store(&w->folding.rate, report.records / (took / 1000 + 1) + 1);
    r->going_on = !err && report.transactions && applied < r->upto;
    if (err == GRID_ECORRUPT && report.lost_last && !r->last) {
        hole_ask(w, report.lost_first, report.lost_last);
        err = GRID_OK;
    }
    if (err == GRID_ECORRUPT) {
        log_error("store", "shard %u: no more checkpoints until the next start: %s", w->index,
                  report.text);
        atomic_store(&w->folding.stuck, true);
        return;
    }
    store_note(r, err, report.text);
    if (node_failed(w->node))
        return;
    damage_met(w, report.damaged, report.damaged_len);
    reclaim(r);
    r->done_at = clock_mono_ms();
    if (!err && !r->going_on)
        r->bytes_at = r->bytes;
    struct checkpointed *c = xalloc(sizeof *c);
    *c = (struct checkpointed){{.run = checkpointed_run}, applied};
    worker_post(w, &c->note);
}

/* Whose the records were that the log lost. */
static void hole_look(struct round *r)
{
    struct worker *w = r->w;
    char why[STORE_WHY_BYTES] = "";
    uint64_t last = w->folding.hole.last;
    enum grid_err err = last ? hole_settle(w, why) : GRID_EBUSY;
    if (err == GRID_EBUSY)
        return;
    store_note(r, err, why);
    if (err)
        return;
    r->accounted = last;
    atomic_store(&w->folding.soon, true);
}

static void purge(struct round *r)
{
    if (r->last || !r->purge)
        return;
    char why[STORE_WHY_BYTES];
    bool more = false;
    enum grid_err err = checkpoint_purge(r->w->checkpoint, &r->limits, &more);
    snprintf(why, sizeof why, "dropped caches are not yet purged: %s", err_text(err));
    r->purge = more || err == GRID_ENO_SPACE;
    if (err == GRID_ECORRUPT)
        log_warn("store", "shard %u: %s", r->w->index, why);
    else if (err)
        store_note(r, err, why);
}

static void give_ups(struct round *r)
{
    enum grid_err err = GRID_OK;
    if (atomic_load(&r->w->folding.stuck))
        err = GRID_ECORRUPT;
    else if (atomic_load(&r->w->no_space))
        err = GRID_ENO_SPACE;
    else if (r->last || node_failed(r->w->node))
        err = GRID_ESTOPPING;
    damage_give_ups(r->w, err);
}

/* What is left to do of a round. */
static void round_work(struct round *r)
{
    if (!r->last)
        mark(r);
    if (due(r) && !damage_unmarked(r->w))
        fold(r);
    else if (atomic_load(&r->w->no_space) & SPACE_LOG || (!r->reclaimed && !damage_unmarked(r->w)))
        reclaim(r);
    purge(r);
}

static void notes_run(struct worker *w, struct mail *m)
{
    while (m) {
        struct mail *next = m->next;
        struct note *n = container_of(m, struct note, mail);
        n->run(n, w);
        m = next;
    }
}

static void *folding_body(void *arg)
{
    struct worker *w = arg;
    thread_give_way();
    struct round r = {.w = w, .done_at = clock_mono_ms()};
    for (;;) {
        r.last = atomic_load(&w->folding.helper.stop);
        notes_run(w, mailbox_take(w->folding.helper.box));
        r.purge |= atomic_exchange(&w->folding.purge, false); /* before the catalog that set it */
        pthread_mutex_lock(&w->folding.catalog_lock);
        r.catalog = catalog_ref(w->folding.catalog);
        pthread_mutex_unlock(&w->folding.catalog_lock);
        if (!node_failed(w->node))
            hole_look(&r);
        r.limits = (struct checkpoint_limits){
            .ctx = &r, .alive = round_alive, .stop = round_stop, .accounted_lsn = r.accounted};
        if (!node_failed(w->node) && (r.last || clock_mono_ms() >= r.retry_at))
            round_work(&r);
        give_ups(&r);
        catalog_unref(r.catalog);
        if (r.going_on && !node_failed(w->node))
            continue;
        if (r.last)
            return NULL;
        if (clock_mono_ms() - r.large_at >= REST_MS) {
            checkpoint_rest(w->checkpoint);
            r.most = 0;
        }
        notes_run(w, mailbox_wait(w->folding.helper.box, IDLE_MS));
    }
}

/* Whether earlier lives of the log left so much that the next start would be slow again. */
static bool tail_long(const struct worker *w)
{
    return wal_behind(w->wal, checkpoint_applied(w->checkpoint)) >=
           (uint64_t)catalog_setting(w->folding.catalog, SETTING_checkpoint_bytes);
}

bool folding_start(struct worker *w)
{
    pthread_mutex_init(&w->folding.catalog_lock, NULL);
    w->folding.catalog = catalog_ref(w->catalog);
    atomic_store(&w->folding.soon, tail_long(w));
    atomic_store(&w->folding.purge, true); /* the last life may have ended before its purge */
    return helper_start(&w->folding.helper, w, "fold", folding_body);
}

void folding_end(struct worker *w)
{
    if (!w->folding.catalog)
        return;
    helper_end(&w->folding.helper, w);
    pthread_mutex_destroy(&w->folding.catalog_lock);
    catalog_unref(w->folding.catalog);
    w->folding.catalog = NULL;
    hole_release(&w->folding.hole);
}
