/* start.c - how the node of the world starts and ends. */
#include "tests/sim/world.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

/* --- recovery --------------------------------------------------------------------------------- */

struct finding { /* what one start is told */
    struct node_shard *n;
    unsigned records;
    struct buf base; /* an entry of the checkpoint */
};

static void head_each(void *ctx, const struct checkpoint_head *h)
{
    struct node_shard *n = ((struct finding *)ctx)->n;
    bool forget = n->world->sabotage == SABOTAGE_FORGOTTEN_COUNTS;
    if (h->damaged)
        damage_add(n, h->context, h->partition);
    else
        shard_recover_checkpoint(n->shard, h->context, h->partition, h->version, h->counts,
                                 h->caches, forget && h->caches_len ? 0 : h->caches_len);
}

static void session_each(void *ctx, uint32_t context, uint16_t partition, struct session_id id,
                         struct slice stored, bool damaged)
{
    struct node_shard *n = ((struct finding *)ctx)->n;
    if (damaged)
        damage_add(n, context, partition);
    else if (n->world->sabotage != SABOTAGE_FORGOTTEN_SESSIONS)
        shard_recover_session(n->shard, context, partition, id, stored);
}

static enum grid_err base_read(void *ctx, uint32_t context, uint16_t partition, uint32_t cache,
                               struct slice key, struct cold_entry *ret_entry)
{
    struct finding *f = ctx;
    struct checkpoint_entry e;
    enum grid_err err =
        checkpoint_get(f->n->checkpoint, context, partition, cache, key, &f->base, &e);
    if (!err)
        *ret_entry = cold_entry_of(&e);
    return err;
}

static void record_each(void *ctx, const struct record *rec, uint64_t lsn)
{
    struct finding *f = ctx;
    enum sabotage how = f->n->world->sabotage;
    struct record told = *rec;
    f->records++;
    if (how == SABOTAGE_FORGOTTEN_RECORD && f->records % 8 == 0)
        return;
    if (how == SABOTAGE_FORGOTTEN_EXPIRY && rec->effects_len &&
        rec->effects[0].kind == EFFECT_EXPIRE)
        return;
    if (how == SABOTAGE_FORGOTTEN_SESSIONS)
        told.has_session = false;
    if (!shard_recover_record(f->n->shard, &told, lsn, base_read, f))
        damage_add(f->n, rec->context, rec->partition);
}

static uint64_t head_version(void *ctx, uint32_t context, uint16_t partition)
{
    return checkpoint_head_version(((struct finding *)ctx)->n->checkpoint, context, partition);
}

static void damage_told(struct world *w, struct node_shard *n, const struct wal_report *r)
{
    for (unsigned c = 0; c < SIM_MEMORY; c++) {
        uint32_t context = cache_context(w->caches[c]);
        for (uint16_t p = (uint16_t)n->index; p < SIM_PARTITIONS; p += (uint16_t)w->mix.shards)
            if (wal_report_damaged(r, context, p))
                damage_add(n, context, p);
    }
    for (size_t i = 0; i < n->unmarked_len && w->sabotage != SABOTAGE_HIDDEN_DAMAGE; i++)
        shard_recover_damage(n->shard, n->unmarked[i].context, n->unmarked[i].partition);
    if (n->unmarked_len && !w->flipped)
        world_fail(w, "damage is reported where none was done: %s", r->text);
    w->tally.unharmed += w->flipped && !n->unmarked_len;
    if (w->sabotage == SABOTAGE_HIDDEN_DAMAGE)
        memset(w->model.damaged, 0, sizeof w->model.damaged);
}

/* What came back is what the model goes on with. */
static void tail_told(struct world *w, struct node_shard *n, const struct wal_report *r)
{
    if (r->last_lsn < n->durable && !w->flipped)
        world_fail(w, "shard %u: lsn %llu was durable, %llu came back", n->index,
                   (unsigned long long)n->durable, (unsigned long long)r->last_lsn);
    if (r->last_lsn < n->acked && !w->flipped)
        world_fail(w, "shard %u: an acknowledged write is lost", n->index);
    w->tally.tails += r->torn_bytes != 0;
    w->tally.cuts += r->last_lsn < n->appended;
    model_cut(&w->model, n->index, r->last_lsn);
    n->appended = n->durable = n->acked = r->last_lsn;
}

static enum grid_err shard_recover(struct world *w, struct node_shard *n, char *why)
{
    struct finding f = {.n = n};
    struct wal_report report = {0};
    struct wal_visit visit = {.ctx = &f, .record = record_each, .head = head_version};
    enum grid_err err = checkpoint_heads(n->checkpoint, head_each, &f);
    if (!err)
        err = checkpoint_sessions(n->checkpoint, session_each, &f);
    if (!err)
        err = wal_recover(n->wal, checkpoint_applied(n->checkpoint), &visit, why, &report);
    if (!err) {
        damage_told(w, n, &report);
        tail_told(w, n, &report);
        err = damage_mark(n, why);
    }
    wal_report_release(&report);
    buf_release(&f.base);
    return err;
}

static enum grid_err shard_open(struct world *w, struct node_shard *n, bool create, char *why)
{
    struct shard_ports ports = node_ports;
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
    ports.ctx = n;
    n->stuck = false;
    n->purge = true;
    n->shard = shard_new(&conf, &ports, w->catalog);
    enum grid_err err = checkpoint_open_kv(&kv, create, "data.mdb", why, &n->checkpoint);
    if (!err)
        err = wal_open(&wal, why, &n->wal);
    return err;
}

static enum grid_err shard_start(struct world *w, struct node_shard *n, bool create, char *why)
{
    enum grid_err err = shard_open(w, n, create, why);
    if (!err)
        err = shard_recover(w, n, why);
    if (!err)
        err = wal_prepare(n->wal, why);
    if (!err || err == GRID_ENO_SPACE)
        batch_open(n);
    return err;
}

/* It may be hit by the next fault: then w->dead. */
static void node_start(struct world *w, bool create)
{
    char why[STORE_WHY_BYTES] = "";
    w->epoch += w->sabotage != SABOTAGE_REUSED_VERSIONS || !w->epoch;
    w->dead = false;
    for (unsigned i = 0; i < w->mix.shards && !w->dead && !w->failed; i++)
        disk_answer(w, shard_start(w, &w->shards[i], create, why), why);
}

/* --- end -------------------------------------------------------------------------------------- */

static void shard_count(struct world *w, const struct shard *s)
{
    struct shard_stats stats;
    shard_stats(s, &stats);
    w->tally.expired += stats.expired;
    w->tally.evicted += stats.evicted;
    w->tally.cold_reads += stats.cold_reads;
}

static void shard_drop(struct world *w, struct node_shard *n, bool clean)
{
    if (n->shard)
        shard_count(w, n->shard);
    while (n->batches_len)
        batch_close(n);
    for (size_t i = 0; i < n->questions_len; i++)
        buf_release(&n->questions[i].key);
    free(n->questions);
    free(n->unmarked);
    shard_free(n->shard);
    if (clean)
        wal_close(n->wal);
    else
        wal_free(n->wal);
    checkpoint_close(n->checkpoint);
    n->questions = NULL;
    n->unmarked = NULL;
    n->questions_len = n->unmarked_len = 0;
    n->shard = NULL;
    n->wal = NULL;
    n->checkpoint = NULL;
}

static void node_die(struct world *w)
{
    disk_mem_stop_after(w->disk, UINT64_MAX);
    for (unsigned i = 0; i < w->mix.shards; i++) {
        shard_drop(w, &w->shards[i], false);
        store_mem_crash(w->shards[i].store);
        store_mem_fail_commit(w->shards[i].store, GRID_EIO, 0, 0);
    }
    disk_mem_crash(w->disk, &w->prng);
    if (!w->story)
        client_crashed(w);
}

void node_crash(struct world *w)
{
    do {
        node_die(w);
        if (!w->calm && chance(w, 20))
            disk_mem_stop_after(w->disk, below(w, 20));
        node_start(w, false);
        w->tally.start_stops += w->dead;
    } while (w->dead && !w->failed);
}

void node_give_up(struct world *w, struct node_shard *n, uint32_t context, uint16_t partition)
{
    char why[STORE_WHY_BYTES] = "";
    struct finding f = {.n = n};
    struct wal_place place = {context, partition};
    enum grid_err err = checkpoint_give_up(n->checkpoint, &place, why);
    if (!err && shard_recover_give_up(n->shard, context, partition))
        err = checkpoint_partition(n->checkpoint, &place, head_each, session_each, &f);
    disk_answer(w, err, why);
}

/* --- flipped bits ----------------------------------------------------------------------------- */

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

/* A byte of a file, 0: there is none. */
static uint8_t disk_byte(struct disk *d, const char *path, uint64_t at)
{
    struct disk_file *f;
    uint8_t byte = 0;
    size_t len = 0;
    if (d->ops->open(d, path, false, &f) != 0)
        return 0;
    if (f->ops->pread(f, &byte, 1, at, &len) != 0 || !len)
        byte = 0;
    d->ops->close(f);
    return byte;
}

/* Most of a log is zeros that nobody reads: find what is written. */
static bool flip_log(struct world *w)
{
    for (unsigned tries = 0; tries < 100; tries++) {
        struct pick p = {.w = w};
        uint64_t at = below(w, w->mix.segment_bytes);
        snprintf(p.dir, sizeof p.dir, "wal-%u", (unsigned)below(w, w->mix.shards));
        w->disk->ops->list(w->disk, p.dir, pick_name, &p);
        if (p.seen && disk_byte(w->disk, p.name, at))
            return disk_mem_flip(w->disk, p.name, at, (unsigned)below(w, 8));
    }
    return false;
}

void node_flip_log(struct world *w)
{
    w->flipped = w->sabotage != SABOTAGE_SILENT_FLIP;
    w->tally.flips_running += flip_log(w);
}

void node_flip_store(struct world *w, struct node_shard *n)
{
    static const enum kv_table tables[] = {KV_ENTRIES, KV_ENTRIES, KV_PARTS, KV_HEADS, KV_SESSIONS};
    enum kv_table table = tables[below(w, 5)];
    bool done = false;
    w->flipped = w->sabotage != SABOTAGE_SILENT_FLIP;
    for (unsigned tries = 0; tries < 10 && !done; tries++)
        done = store_mem_flip(n->store, table, below(w, SIM_KEYS), below(w, 8 * 256));
    w->tally.flips_store += done;
}

/* Nothing is under way any more. False: it died of it. */
static bool node_finish(struct world *w)
{
    for (unsigned i = 0; i < w->mix.shards; i++) {
        struct node_shard *n = &w->shards[i];
        batch_open(n);
        while (n->batches_len > 1 && !w->dead && !w->failed)
            log_write(w, n);
        if (!w->dead)
            log_sync(w, n);
    }
    return !w->dead && !w->failed;
}

void node_restart(struct world *w, enum flip flip)
{
    if (flip == FLIP_CRASHED) {
        node_die(w);
    } else {
        if (!node_finish(w))
            return;
        for (unsigned i = 0; i < w->mix.shards; i++)
            shard_drop(w, &w->shards[i], true);
        if (!w->story)
            client_crashed(w);
    }
    if (flip != FLIP_NONE) {
        w->flipped = w->sabotage != SABOTAGE_SILENT_FLIP;
        bool done = flip_log(w);
        w->tally.flips_stopped += done && flip == FLIP_STOPPED;
        w->tally.flips_crashed += done && flip == FLIP_CRASHED;
    }
    node_start(w, false);
}

/* --- the world's ------------------------------------------------------------------------------ */

void node_make(struct world *w)
{
    w->disk = disk_mem_new();
    disk_mem_lie(w->disk, w->sabotage == SABOTAGE_LYING_DISK);
    for (unsigned i = 0; i < w->mix.shards; i++)
        w->shards[i] = (struct node_shard){.world = w, .index = i, .store = store_mem_new()};
    node_start(w, true);
}

void node_release(struct world *w)
{
    for (unsigned i = 0; i < w->mix.shards; i++) {
        shard_drop(w, &w->shards[i], false);
        store_mem_free(w->shards[i].store);
    }
    disk_mem_free(w->disk);
}
