/* recovery.c - opens the store of one shard and brings its partitions back: heads and sessions of
 * the checkpoint, then the log behind it. What is damaged is marked, told, and refused; never
 * silently empty. */
#include "node/node_priv.h"

#include "base/alloc.h"
#include "base/log.h"
#include "node/start_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>

struct found {
    struct worker *w;
    struct damage damage;
    struct buf base; /* an entry of the checkpoint */
};

static void head_each(void *ctx, const struct checkpoint_head *head)
{
    struct found *d = ctx;
    if (head->damaged)
        damage_add(&d->damage, head->context, head->partition);
    else
        shard_recover_checkpoint(d->w->shard, head->context, head->partition, head->version,
                                 head->counts, head->caches, head->caches_len);
    if (head->copying)
        shard_recover_copying(d->w->shard, head->context, head->partition);
}

static void session_each(void *ctx, uint32_t context, uint16_t partition, struct session_id id,
                         struct slice stored, bool damaged)
{
    struct found *d = ctx;
    if (damaged)
        damage_add(&d->damage, context, partition);
    else
        shard_recover_session(d->w->shard, context, partition, id, stored);
}

static enum grid_err base_read(void *ctx, uint32_t context, uint16_t partition, uint32_t cache,
                               struct slice key, struct cold_entry *ret_entry)
{
    struct found *d = ctx;
    struct checkpoint_entry e;
    enum grid_err err =
        checkpoint_get(d->w->checkpoint, context, partition, cache, key, &d->base, &e);
    if (!err)
        *ret_entry = cold_entry_of(&e);
    return err;
}

static void record_each(void *ctx, const struct record *rec, uint64_t lsn)
{
    struct found *d = ctx;
    if (shard_recover_record(d->w->shard, rec, lsn, base_read, d))
        return;
    damage_add(&d->damage, rec->context, rec->partition);
    log_error("store",
              "context %u partition %u: lsn %llu changes an entry that is not there or cannot be "
              "read, or there is no memory for it",
              rec->context, rec->partition, (unsigned long long)lsn);
}

static uint64_t head_version(void *ctx, uint32_t context, uint16_t partition)
{
    struct found *d = ctx;
    return checkpoint_head_version(d->w->checkpoint, context, partition);
}

/* Partitions of this shard that the log says are damaged. */
static void damage_of_log(struct found *d, const struct wal_report *report)
{
    struct worker *w = d->w;
    for (size_t i = 0; i < w->catalog->contexts_len; i++) {
        const struct context_info *info = &w->catalog->contexts[i];
        if (info->durability == DURABILITY_MEMORY)
            continue;
        for (uint32_t p = w->index; p < info->partitions; p += w->node->shards)
            if (wal_report_damaged(report, info->id, (uint16_t)p))
                damage_add(&d->damage, info->id, (uint16_t)p);
    }
}

static enum grid_err stores_open(struct worker *w, bool create, char *why)
{
    char path[4096];
    struct node *n = w->node;
    snprintf(path, sizeof path, "%s/shard-%u", n->conf.data, w->index);
    if (create && mkdir(path, 0700) != 0 && errno != EEXIST) {
        snprintf(why, STORE_WHY_BYTES, "%.400s: cannot be made: %s", path, strerror(errno));
        return disk_err(errno);
    }
    snprintf(path, sizeof path, "%s/shard-%u/data.mdb", n->conf.data, w->index);
    enum grid_err err = checkpoint_open(path, create, why, &w->checkpoint);
    if (err)
        return err;
    snprintf(path, sizeof path, "%s/shard-%u/wal", n->conf.data, w->index);
    struct wal_conf conf = {.disk = disk_posix(),
                            .dir = path,
                            .segment_bytes = n->conf.segment_bytes,
                            .create = create};
    CHECK(getrandom(&conf.random, sizeof conf.random, 0) == sizeof conf.random);
    return wal_open(&conf, why, &w->wal);
}

static enum grid_err partitions_recover(struct worker *w, struct found *d,
                                        struct wal_report *report, char *why)
{
    enum grid_err err = checkpoint_heads(w->checkpoint, head_each, d);
    if (!err)
        err = checkpoint_sessions(w->checkpoint, session_each, d);
    if (err) {
        snprintf(why, STORE_WHY_BYTES, "shard %u: the checkpoint cannot be read: %s", w->index,
                 err_text(err));
        return err;
    }
    struct wal_visit visit = {.ctx = d, .record = record_each, .head = head_version};
    err = wal_recover(w->wal, checkpoint_applied(w->checkpoint), &visit, why, report);
    if (err)
        return err;
    damage_of_log(d, report);
    for (size_t i = 0; i < d->damage.len; i++)
        shard_recover_damage(w->shard, d->damage.places[i].context, d->damage.places[i].partition);
    if (report->text[0])
        log_warn("store", "shard %u: %s", w->index, report->text);
    if (d->damage.len)
        log_error("store",
                  "shard %u: %zu partitions are damaged and refused; see gridctl partition list",
                  w->index, d->damage.len);
    log_info("store", "shard %u: recovered up to lsn %llu, %llu records replayed", w->index,
             (unsigned long long)report->last_lsn, (unsigned long long)report->records);
    w->appended_lsn = w->paid_lsn = report->last_lsn;
    w->folding.unmarked = d->damage;
    d->damage = (struct damage){0};
    return GRID_OK;
}

/* What must be on disk before the log may go on. A full disk is no reason not to serve reads: the
 * threads try again. */
static enum grid_err room_make(struct worker *w, bool create, char *why)
{
    enum grid_err err = damage_mark(w, why);
    enum space what = err ? SPACE_STORE : SPACE_LOG;
    if (!err)
        err = wal_prepare(w->wal, why);
    if (err != GRID_ENO_SPACE || create)
        return err;
    node_space(w, what, err, why);
    return GRID_OK;
}

enum grid_err recovery_run(struct worker *w, bool create, char *why)
{
    enum grid_err err = stores_open(w, create, why);
    if (err)
        return err;
    struct found found = {.w = w};
    struct wal_report report = {0};
    err = partitions_recover(w, &found, &report, why);
    wal_report_release(&report);
    damage_release(&found.damage);
    buf_release(&found.base);
    return err ? err : room_make(w, create, why);
}
