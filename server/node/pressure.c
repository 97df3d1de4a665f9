/* pressure.c - when writers are faster than the threads behind the log.
 *
 *   no room    a segment is not ready, though the disk is not full: no connection of the node is
 *              read until it is (preparing.c)
 *   behind     the checkpoint lags, and a restart would take long. Beyond SOFT times
 *              checkpoint_bytes a turn's records are paid for by a pause: at one checkpoint_bytes
 *              more as long as folding them takes, so the lag settles there; smooth, instead of a
 *              stop and a go. At HARD times no connection is read until a fold is done. */
#include "node/node_priv.h"

#include "base/alloc.h"
#include "control/settings.h"

#include <stdlib.h>

enum { SOFT = 2, HARD = 4, PAUSE_MS_MAX = 50 };

static bool room_low(const struct worker *w)
{
    return !wal_has_room(w->wal, wal_record_max(w->wal) / 4) && !atomic_load(&w->no_space);
}

/* Bytes of the log that are not in the checkpoint, about; 0 when waiting would not help. */
static uint64_t behind(const struct worker *w)
{
    if (!w->log_records || atomic_load(&w->no_space) || atomic_load(&w->folding.stuck))
        return 0;
    uint64_t records = w->appended_lsn - checkpoint_applied(w->checkpoint);
    return records * (w->log_bytes / w->log_records);
}

static uint64_t step(const struct worker *w)
{
    return (uint64_t)catalog_setting(w->catalog, SETTING_checkpoint_bytes);
}

static void read_on(struct note *n, void *thread)
{
    free(n);
    worker_read_on(thread);
}

void pressure_look(struct worker *w)
{
    struct node *n = w->node;
    bool tight = room_low(w) || w->paused || behind(w) > HARD * step(w);
    if (wal_wants_room(w->wal))
        preparing_wake(w);
    if (tight == w->tight)
        return;
    w->tight = tight;
    if (tight) {
        atomic_fetch_add(&n->tight, 1);
        return;
    }
    if (atomic_fetch_sub(&n->tight, 1) > 1)
        return;
    for (unsigned i = 0; i < n->shards; i++) {
        struct note *note = xalloc(sizeof *note);
        *note = (struct note){.run = read_on};
        worker_post(&n->workers[i], note);
    }
}

static void pause_over(void *ctx)
{
    struct worker *w = ctx;
    w->paused = false;
    pressure_look(w);
}

/* What the records of this turn cost beyond SOFT, in us. */
static uint64_t price(const struct worker *w, uint64_t records)
{
    uint64_t lag = behind(w), soft = SOFT * step(w), rate = atomic_load(&w->folding.rate);
    if (lag <= soft || !rate)
        return 0;
    return records * 1000 / rate * ((lag - soft) >> 10) / (step(w) >> 10);
}

void pressure_turn(struct worker *w)
{
    uint64_t records = w->appended_lsn - w->paid_lsn;
    w->paid_lsn = w->appended_lsn;
    if (unlikely(room_low(w)) && !w->tight)
        pressure_look(w);
    uint64_t us = records ? price(w, records) : 0;
    if (likely(!us))
        return;
    w->debt_us += us;
    msec_t ms = w->debt_us / 1000 < PAUSE_MS_MAX ? w->debt_us / 1000 : (msec_t)PAUSE_MS_MAX;
    if (!ms || w->paused)
        return;
    w->debt_us = 0;
    w->paused = true;
    loop_timer_set(&w->pause, ms);
    pressure_look(w);
}

void pressure_init(struct worker *w)
{
    loop_timer_init(&w->pause, w->loop, pause_over, w);
}

void pressure_release(struct worker *w)
{
    loop_timer_stop(&w->pause);
}
