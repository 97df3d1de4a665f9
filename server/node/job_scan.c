/* job_scan.c - see job_scan.h. A snapshot that breaks, because the partition moves or more changes
 * than is kept meanwhile, is begun again; what is too large, or breaks each time, is for the job to
 * read page by page. */
#include "node/job_scan.h"

#include "base/alloc.h"
#include "compute/job.h"
#include "node/node_priv.h"
#include "shard/snapshot.h"

#include <stdlib.h>

enum {
    STEPS_PER_TURN = 2,
    WAIT_MS = 1,
    BUSY_MS = 5, /* another snapshot of the partition is under way */
    SCAN_MS = 5000,
    TAKE_BYTES = 256 << 10,
    TRIES = 3,
};

struct scan {
    struct list here; /* worker.jobs.scans */
    struct aside *aside;
    struct worker *worker;
    struct snapshot *snapshot;
    struct buf rows;
    unsigned broken; /* so often */
    msec_t until;    /* loop time */
    struct loop_timer timer;
    struct note again; /* to itself: it goes on in the next turn */
    bool going_on;     /* ... and is under way */
};

static void scan_free(struct scan *s)
{
    list_remove(&s->here);
    snapshot_end(s->worker->shard, s->snapshot);
    loop_timer_stop(&s->timer);
    buf_release(&s->rows);
    free(s);
}

static void scan_answer(struct scan *s, enum grid_err err)
{
    struct result res = {.status = err};
    if (!err)
        res = (struct result){.reply = REPLY_BULK, .value = buf_slice(&s->rows)};
    aside_answer(s->aside, &res);
    s->aside = NULL;
    scan_free(s);
}

/* Those whose keys begin as is wanted. */
static void rows_take(struct scan *s)
{
    struct buf page = BUF_INIT;
    struct slice prefix = s->aside->op.args[JOB_SCAN_PREFIX];
    snapshot_take(s->snapshot, &page);
    for (size_t at = 0; at < page.len;) {
        struct snapshot_row row;
        memcpy(&row, page.data + at, sizeof row);
        const uint8_t *key = page.data + at + sizeof row;
        size_t len = sizeof row + row.key_len + row.value_len;
        bool wanted =
            row.key_len >= prefix.len && (!prefix.len || memcmp(key, prefix.data, prefix.len) == 0);
        if (wanted)
            buf_add(&s->rows, page.data + at, len);
        at += len;
    }
    buf_release(&page);
}

/* False: nothing more in this turn; it may be over. */
static bool snapshot_next(struct scan *s)
{
    struct worker *w = s->worker;
    const struct op *op = &s->aside->op;
    s->rows.len = 0;
    enum grid_err err =
        snapshot_begin(w->shard, op->cache, op->partition, loop_wall_ms(w->loop), &s->snapshot);
    if (!err)
        return true;
    if (err == GRID_EBUSY)
        loop_timer_set(&s->timer, BUSY_MS);
    else
        scan_answer(s, err);
    return false;
}

static bool snapshot_go(struct scan *s)
{
    enum snapshot_state state = snapshot_step(s->worker->shard, s->snapshot, SNAPSHOT_BUCKETS);
    if (state == SNAPSHOT_WAITS) {
        loop_timer_set(&s->timer, WAIT_MS);
        return false;
    }
    if (state == SNAPSHOT_DONE || snapshot_bytes(s->snapshot) >= TAKE_BYTES)
        rows_take(s);
    if (s->rows.len > JOB_SCAN_MAX || (state == SNAPSHOT_BROKEN && ++s->broken == TRIES)) {
        scan_answer(s, GRID_ETOO_LARGE);
        return false;
    }
    if (state == SNAPSHOT_DONE) {
        scan_answer(s, GRID_OK);
        return false;
    }
    if (state == SNAPSHOT_BROKEN) {
        snapshot_end(s->worker->shard, s->snapshot);
        s->snapshot = NULL;
    }
    return true;
}

static void scan_go(struct scan *s);

static void scan_again(struct note *n, void *thread)
{
    struct scan *s = container_of(n, struct scan, again);
    (void)thread;
    s->going_on = false;
    scan_go(s);
}

static void scan_go(struct scan *s)
{
    struct worker *w = s->worker;
    if (w->stopping || w->ended || loop_mono_ms(w->loop) >= s->until) {
        scan_answer(s, w->stopping || w->ended ? GRID_ESTOPPING : GRID_EBUSY);
        return;
    }
    for (unsigned i = 0; i < STEPS_PER_TURN; i++)
        if (!(s->snapshot ? snapshot_go(s) : snapshot_next(s)))
            return;
    s->going_on = true;
    s->again.run = scan_again;
    worker_post(w, &s->again);
}

static void scan_fire(void *ctx)
{
    struct scan *s = ctx;
    if (!s->going_on)
        scan_go(s);
}

void job_scan_begin(struct aside *a)
{
    struct worker *w = a->worker;
    struct scan *s = xcalloc(1, sizeof *s);
    s->aside = a;
    s->worker = w;
    list_push_back(&w->jobs.scans, &s->here);
    loop_timer_init(&s->timer, w->loop, scan_fire, s);
    if (a->op.args_len != JOB_SCAN_ARGS) {
        scan_answer(s, GRID_EBAD_REQUEST);
        return;
    }
    s->until = loop_mono_ms(w->loop) + SCAN_MS;
    loop_timer_set(&s->timer, 0);
}

void job_scans_end(struct worker *w)
{
    list_for_each_safe (it, &w->jobs.scans) {
        struct scan *s = list_entry(it, struct scan, here);
        free(s->aside);
        scan_free(s);
    }
}
