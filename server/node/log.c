/* log.c - the log thread of a shard: group commit. A batch closes when the previous sync returns:
 * while the thread syncs, the shard fills the next one. */
#include "node/node_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { BATCH_BYTES_MAX = 8 << 20, SYNC_MS_DEFAULT = 100 };

static struct batch *batch_get(struct worker *w)
{
    struct batch *b = w->spare;
    if (b) {
        w->spare = b->written;
    } else {
        b = xcalloc(1, sizeof *b);
        wal_batch_init(&b->wal, w->wal);
    }
    b->sync = false;
    b->written = NULL;
    return b;
}

uint64_t log_append(void *ctx, const struct record *rec, bool sync)
{
    struct worker *w = ctx;
    if (w->batch && w->batch->wal.bytes.len > BATCH_BYTES_MAX)
        log_hand_over(w);
    if (!w->batch)
        w->batch = batch_get(w);
    w->batch->sync |= sync;
    w->appended_lsn = wal_batch_add(&w->batch->wal, rec);
    return w->appended_lsn;
}

bool log_has_room(void *ctx, size_t bytes)
{
    struct worker *w = ctx;
    if (unlikely(atomic_load_explicit(&w->no_space, memory_order_relaxed) & SPACE_CATALOG ||
                 !w->log.helper.box)) /* other workers, that end later, may ask yet */
        return false;
    if (likely(wal_has_room(w->wal, bytes)))
        return true;
    preparing_wake(w);
    folding_wake(w);
    return false;
}

void log_hand_over(struct worker *w)
{
    struct batch *b = w->batch;
    if (!b)
        return;
    w->batch = NULL;
    w->log_bytes += b->wal.bytes.len;
    w->log_records += b->wal.count;
    mailbox_post(w->log.helper.box, &b->note.mail);
    if (wal_wants_room(w->wal))
        preparing_wake(w);
}

/* On the worker: the log is durable. */
static void durable_run(struct note *n, void *thread)
{
    struct worker *w = thread;
    struct batch *b = container_of(n, struct batch, note);
    uint64_t durable = b->durable;
    while (b) {
        struct batch *next = b->written;
        wal_batch_reset(&b->wal);
        b->written = w->spare;
        w->spare = b;
        b = next;
    }
    shard_durable(w->shard, durable, loop_wall_ms(w->loop));
}

static void batches_free(struct batch *b)
{
    while (b) {
        struct batch *next = b->written;
        wal_batch_release(&b->wal);
        free(b);
        b = next;
    }
}

struct written {
    struct batch *first; /* written and not yet synced, linked by `written` */
    bool sync;
    msec_t since;
};

/* What is given to a node that has failed is never written: nobody is told that it was. */
static void log_write(struct worker *w, struct mail *m, struct written *out)
{
    char why[STORE_WHY_BYTES];
    while (m) {
        struct mail *next = m->next;
        struct batch *b = container_of(container_of(m, struct note, mail), struct batch, note);
        if (!node_failed(w->node) && wal_write(w->wal, &b->wal, why) != GRID_OK)
            node_fail(w->node, "store", why);
        if (!out->first)
            out->since = clock_mono_ms();
        b->written = out->first;
        out->first = b;
        out->sync |= b->sync;
        m = next;
    }
}

static void log_sync(struct worker *w, struct written *out)
{
    char why[STORE_WHY_BYTES];
    struct batch *b = out->first;
    uint64_t began = clock_mono_us();
    if (wal_sync(w->wal, why, &b->durable) != GRID_OK) {
        node_fail(w->node, "store", why);
        return;
    }
    histogram_add(&w->log.syncs, (uint32_t)(clock_mono_us() - began), 1);
    *out = (struct written){0};
    b->note.run = durable_run;
    worker_post(w, &b->note);
}

static void *log_body(void *arg)
{
    struct worker *w = arg;
    struct written out = {0};
    for (;;) {
        bool stop = atomic_load(&w->log.helper.stop);
        int wait = out.first ? SYNC_MS_DEFAULT / 2 : -1;
        struct mail *m = mailbox_take(w->log.helper.box);
        if (!m && !stop)
            m = mailbox_wait(w->log.helper.box, wait);
        log_write(w, m, &out);
        if (node_failed(w->node)) {
            batches_free(out.first);
            out = (struct written){0};
        }
        msec_t interval = (msec_t)atomic_load(&w->log_interval_ms);
        if (out.first && (out.sync || stop || clock_mono_ms() - out.since >= interval))
            log_sync(w, &out);
        if (stop && !m && !out.first)
            return NULL;
    }
}

bool log_start(struct worker *w)
{
    return helper_start(&w->log.helper, w, "log", log_body);
}

void log_end(struct worker *w)
{
    log_hand_over(w);
    helper_end(&w->log.helper, w);
    batches_free(w->batch);
    batches_free(w->spare);
    w->batch = w->spare = NULL;
}
