/* snapshot.c - what a cache has in a partition as of version S, its last record at the beginning.
 *
 *   MEMORY: the table, each place of it once: entries with C0 < version <= S
 *   DISK:   only if not all was in memory at the beginning: rows with version <= C0, which is the
 *           clean version of then, unless memory has that key otherwise
 *   COMMIT: until all of it is committed, and the lease was there after that (R6, R7)
 *
 * An entry of S that is replaced before it was given, is given at once: what comes in its place
 * is newer than S, so it is not given again. Before means: MEMORY has not passed its place, or DISK
 * its key. Why an entry of S comes exactly once: (a) its version is above C0: it is in memory at
 * the beginning (what is not in the checkpoint is), and stays there until it is replaced, for
 * nothing is evicted meanwhile; so MEMORY gives it, or its replacement does. (b) it is at most C0:
 * MEMORY passes over it. It is in the checkpoint, until a newer one is; whoever replaces it has
 * fetched it before (the sweep waits). A row that DISK reads is given when memory has nothing of
 * that key, or just this version: else it was replaced before the beginning (MEMORY gave what did
 * it), or after (then it was given). */
#include "shard/snapshot.h"

#include "shard/others_priv.h"

#include <stdlib.h>

enum { PAGE_ENTRIES = 1000, PAGE_BYTES = 256 << 10 };

enum pass { MEMORY, DISK, COMMIT };

struct snapshot {
    struct content_watch watch;
    struct partition *partition;
    struct content *content;
    enum pass pass;
    uint64_t version, clean; /* S, C0; 0: all was in memory */
    uint64_t epoch, cursor;
    uint32_t cache; /* number within the context */
    msec_t now;     /* what has expired by then is absent */
    bool incomplete, broken;
    bool asked; /* a page of the disk is under way */
    bool ended; /* ... and nobody wants it */
    struct buf rows;
    uint16_t after_len; /* DISK: keys up to this one were given */
    uint8_t after[KEY_BYTES_MAX];
};

/* --- rows ------------------------------------------------------------------------------------- */

static void row_add(struct snapshot *n, struct slice key, struct slice value, uint64_t version,
                    uint8_t type)
{
    struct snapshot_row head = {version, (uint32_t)value.len, (uint16_t)key.len, type, 0};
    uint8_t *at = buf_reserve(&n->rows, sizeof head + key.len + value.len);
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, key.data, key.len);
    if (value.len)
        memcpy(at + sizeof head + key.len, value.data, value.len);
    n->rows.len += sizeof head + key.len + value.len;
}

static void entry_add(struct snapshot *n, const struct entry *e)
{
    if (entry_cache(e) != n->cache || entry_is_tombstone(e) || entry_expired(e, n->now))
        return;
    enum value_type type = entry_type(e);
    struct slice value = value_is_bytes(type) ? entry_string(e) : slice_make(NULL, 0);
    row_add(n, entry_key(e), value, entry_version(e), (uint8_t)type);
}

static void entry_each(void *ctx, const struct entry *e)
{
    struct snapshot *n = ctx;
    if (entry_version(e) > n->clean && entry_version(e) <= n->version)
        entry_add(n, e);
}

/* DISK has given it, or has found that it is not there. */
static bool disk_passed(const struct snapshot *n, struct slice key)
{
    return n->pass == COMMIT ||
           (n->pass == DISK && slice_cmp(key, slice_make(n->after, n->after_len)) <= 0);
}

static void replaced(struct content_watch *w, const struct entry *old, uint32_t order)
{
    struct snapshot *n = container_of(w, struct snapshot, watch);
    uint64_t version = entry_version(old);
    if (version > n->version || entry_cache(old) != n->cache || n->broken)
        return;
    bool given = version > n->clean ? n->pass != MEMORY || order < n->cursor
                                    : disk_passed(n, entry_key(old));
    if (given)
        return;
    entry_add(n, old);
    n->broken = n->rows.len > SNAPSHOT_KEPT_MAX;
}

/* --- life ------------------------------------------------------------------------------------- */

static enum grid_err partition_may(const struct partition *p)
{
    if (p->damaged)
        return GRID_EDAMAGED;
    if (p->lost)
        return GRID_ELOST;
    bool leads = p->gate == GATE_OPEN || p->gate == GATE_FEW || p->gate == GATE_READS;
    if (!leads || p->role != REPLICA_PRIMARY || content_copying(p->content))
        return GRID_ENOT_PRIMARY;
    return content_watched(p->content) ? GRID_EBUSY : GRID_OK;
}

enum grid_err snapshot_begin(struct shard *s, uint32_t cache, uint16_t partition, msec_t now,
                             struct snapshot **ret_snapshot)
{
    const struct route *r = route_find(s, cache);
    if (!r)
        return GRID_ENO_CACHE;
    if (partition >= r->context->info->partitions)
        return GRID_EBAD_REQUEST;
    struct partition *p = partition % s->conf.shards == s->conf.index
                              ? r->context->partitions[partition / s->conf.shards]
                              : NULL;
    if (!p && !s->sharing && partition % s->conf.shards == s->conf.index)
        p = partition_of(s, r->context, partition);
    enum grid_err err = p ? partition_may(p) : GRID_ENOT_PRIMARY;
    if (err)
        return err;
    struct snapshot *n = xcalloc(1, sizeof *n);
    n->watch.replaced = replaced;
    n->partition = p;
    n->content = p->content;
    n->version = replica_last(&p->replica);
    n->incomplete = !content_complete(p->content);
    n->clean = n->incomplete ? content_clean(p->content) : 0;
    n->epoch = p->replica.epoch;
    n->cache = cache_number(cache);
    n->now = now;
    p->holds++;
    content_set_watch(p->content, &n->watch);
    *ret_snapshot = n;
    return GRID_OK;
}

static bool stands(const struct snapshot *n)
{
    const struct partition *p = n->partition;
    return !n->broken && p->context && p->content == n->content &&
           content_watched(p->content) == &n->watch && p->replica.epoch == n->epoch &&
           p->gate != GATE_HOLD && p->gate != GATE_AWAY && p->gate != GATE_LOST &&
           p->gate != GATE_DAMAGED && !p->damaged && p->role == REPLICA_PRIMARY;
}

static void snapshot_free(struct snapshot *n)
{
    buf_release(&n->rows);
    free(n);
}

void snapshot_end(struct shard *s, struct snapshot *n)
{
    (void)s;
    if (!n)
        return;
    struct partition *p = n->partition;
    if (p->content == n->content && content_watched(p->content) == &n->watch)
        content_set_watch(p->content, NULL);
    p->holds--;
    n->ended = true;
    if (!n->asked)
        snapshot_free(n);
}

/* --- slices ----------------------------------------------------------------------------------- */

static void memory_step(struct snapshot *n, unsigned buckets)
{
    for (; buckets; buckets--) {
        n->cursor = content_scan_once(n->content, n->cursor, entry_each, n);
        if (n->cursor)
            continue;
        n->pass = n->incomplete ? DISK : COMMIT;
        return;
    }
}

static void disk_ask(struct shard *s, struct snapshot *n)
{
    struct cold_range range = {.kind = COLD_SNAPSHOT,
                               .cache = n->cache,
                               .after = slice_make(n->after, n->after_len),
                               .limit = PAGE_ENTRIES,
                               .bytes = PAGE_BYTES};
    n->asked = true;
    cold_ask_range(s, n->partition, &range, n);
}

/* Whether a row of the checkpoint is of S. */
static bool row_stands(const struct snapshot *n, const struct cold_entry *e)
{
    if (e->version > n->clean || (e->deadline && e->deadline <= n->now))
        return false;
    const struct entry *there =
        content_get(n->content, n->cache, e->key, content_hash(n->content, n->cache, e->key));
    return there ? entry_version(there) == e->version : !content_complete(n->content);
}

void snapshot_answer(struct snapshot *n, const struct cold_page *page)
{
    n->asked = false;
    if (n->ended) {
        snapshot_free(n);
        return;
    }
    n->broken = n->broken || page->err;
    if (!stands(n))
        return;
    for (size_t i = 0; i < page->len; i++) {
        const struct cold_entry *e = &page->entries[i];
        enum value_type type = (enum value_type)e->type;
        struct slice value = slice_make(NULL, 0);
        if (value_is_bytes(type) && value_valid(e->type, e->value))
            value = value_bytes(type, e->value);
        if (row_stands(n, e))
            row_add(n, e->key, value, e->version, e->type);
        n->after_len = (uint16_t)e->key.len;
        memcpy(n->after, e->key.data, e->key.len);
    }
    if (page->done)
        n->pass = COMMIT;
}

enum snapshot_state snapshot_step(struct shard *s, struct snapshot *n, unsigned buckets)
{
    const struct partition *p = n->partition;
    if (!stands(n))
        return SNAPSHOT_BROKEN;
    if (n->asked)
        return SNAPSHOT_WAITS;
    if (n->pass == MEMORY) {
        memory_step(n, buckets);
        return SNAPSHOT_MORE;
    }
    if (n->pass == DISK) {
        disk_ask(s, n);
        return SNAPSHOT_WAITS;
    }
    bool told = !replica_pending(&p->replica, n->version) && lease_holds(s, n->partition);
    return told ? SNAPSHOT_DONE : SNAPSHOT_WAITS;
}

/* --- what was read ---------------------------------------------------------------------------- */

size_t snapshot_bytes(const struct snapshot *n)
{
    return n->rows.len;
}

void snapshot_take(struct snapshot *n, struct buf *to)
{
    struct buf rows = n->rows;
    CHECK(!to->len);
    n->rows = *to;
    *to = rows;
}

uint64_t snapshot_version(const struct snapshot *n)
{
    return n->version;
}
