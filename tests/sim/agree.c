/* agree.c - the quiet end: no faults, no new requests. */
#include "tests/sim/world.h"

static void quiet(struct world *w)
{
    for (unsigned rounds = 0; rounds < 2000 && !w->failed; rounds++)
        for (unsigned i = 0; i < w->mix.shards; i++) {
            node_cold(w, &w->shards[i]);
            node_log(w, &w->shards[i]);
        }
}

void count_agrees(struct world *w, unsigned context, unsigned partition)
{
    struct op op = {
        .kind = OP_COUNT, .cache = w->caches[context], .partition = (uint16_t)partition};
    int64_t want = 0;
    for (unsigned k = partition; k < SIM_KEYS; k += SIM_PARTITIONS) {
        const struct state *s = model_state(&w->model, context, k);
        bool expired = s->deadline && s->deadline <= w->now;
        want += s->there && !(context == SIM_MEMORY && expired); /* R14: until its record */
    }
    size_t at = (size_t)(delivery_add(w, &op, context) - w->deliveries);
    op_send(w, &op);
    const struct delivery *d = &w->deliveries[at];
    w->tally.counts++;
    if (!(w->flipped && d->status == GRID_EDAMAGED) && d->counted != want)
        world_fail(w, "context %u partition %u: count is %lld, should be %lld", context, partition,
                   (long long)d->counted, (long long)want);
}

static void content_agrees(struct world *w)
{
    for (unsigned c = 0; c < SIM_CONTEXTS && !w->failed; c++) {
        for (unsigned k = 0; k < SIM_KEYS && !w->failed; k++)
            read_send(w, c, k, false);
        quiet(w);
        for (unsigned p = 0; p < SIM_PARTITIONS && !w->failed; p++)
            count_agrees(w, c, p);
    }
    if (client_busy(w) && !w->failed)
        world_fail(w, "reads are not answered though all is quiet");
    for (unsigned k = 0; k < SIM_COUNTERS && !w->flipped && !w->failed; k++)
        if (w->model.acked[k] > model_state(&w->model, SIM_SYNC, k)->number)
            world_fail(w, "counter %u lost an increment", k);
}

/* Everything is folded, and the log holds no more than what it keeps ready. */
static void folds(struct world *w, struct node_shard *n)
{
    struct wal_stats stats;
    unsigned rounds = 200, purges = 100000; /* a purge may take a row a round (changes_max) */
    while (rounds && !n->stuck && !w->failed) {
        log_close(w, n);
        log_write(w, n);
        log_sync(w, n);
        log_tell(w, n);
        fold_prepare(w, n);
        fold_run(w, n);
        fold_purge(w, n);
        fold_tell(w, n);
        if (n->purge && purges)
            purges--;
        else
            rounds--;
    }
    if (w->failed || n->stuck)
        return;
    wal_stats(n->wal, &stats);
    if (checkpoint_applied(n->checkpoint) != n->appended || n->purge)
        world_fail(w, "shard %u: lsn %llu of %llu is folded though all is quiet", n->index,
                   (unsigned long long)checkpoint_applied(n->checkpoint),
                   (unsigned long long)n->appended);
    if (stats.bytes > 8 * w->mix.segment_bytes)
        world_fail(w, "shard %u: the log keeps %llu bytes", n->index,
                   (unsigned long long)stats.bytes);
}

void world_agree(struct world *w)
{
    for (unsigned i = 0; i < w->mix.shards; i++)
        for (unsigned k = 0; k < 100; k++)
            shard_tick(w->shards[i].shard, w->now);
    w->step++;
    content_agrees(w);
    for (unsigned i = 0; i < w->mix.shards && !w->failed; i++) {
        folds(w, &w->shards[i]);
        shard_check(w->shards[i].shard);
    }
}
