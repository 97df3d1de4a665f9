/* checkpoint_purge.c - what is done to the store beside folding the log: marking damage and giving
 * it up, removing what was dropped. Progress of a purge is in the heads: a cache leaves its head's
 * list when its last entry is gone, a head of a dropped context goes last. */
#include "store/checkpoint_priv.h"

#include "base/alloc.h"
#include "data/sessions.h"

#include <stdio.h>
#include <stdlib.h>

enum { PURGE_DEFAULT = 50000 };

static enum grid_err mark_one(struct checkpoint *cp, struct kv_txn *t, const struct wal_place *p,
                              struct head_row *h, struct buf *buf)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct slice key = head_key(bytes, p->context, p->partition), row;
    enum grid_err err = cp->kv->ops->get(t, KV_HEADS, key, &row);
    if (err && err != GRID_ENOT_FOUND)
        return err;
    if (err || head_row_get(key, row, h))
        h->version = h->len = 0;
    h->damaged = true;
    head_row_put(buf, key, h);
    return cp->kv->ops->put(t, KV_HEADS, key, buf_slice(buf));
}

enum grid_err checkpoint_mark_damaged(struct checkpoint *cp, const struct wal_place *places,
                                      size_t n, char *why)
{
    struct head_row h = {0};
    struct buf buf = BUF_INIT;
    struct kv_txn *t = NULL;
    enum grid_err err = cp->kv->ops->begin(cp->kv, true, &t);
    for (size_t i = 0; i < n && !err; i++)
        err = mark_one(cp, t, &places[i], &h, &buf);
    if (!err)
        err = cp->kv->ops->commit(t);
    else
        cp->kv->ops->abort(t);
    if (err && why)
        snprintf(why, STORE_WHY_BYTES, "%s: cannot mark damaged partitions: %s", cp->path,
                 err_text(err));
    head_row_release(&h);
    buf_release(&buf);
    return err;
}

/* --- giving up -------------------------------------------------------------------------------- */

static bool session_readable(struct slice key, struct slice row, struct buf *scratch)
{
    struct slice stored;
    scratch->len = 0;
    return !row_open(key, row, &stored) && !sessions_fold(stored, NULL, 0, scratch);
}

/* Of one in parts they were looked at before. */
static bool entry_readable(struct slice key, struct slice row, struct entry_row *ret_row)
{
    return !entry_row_get(key, row, ret_row) &&
           (ret_row->parts || value_valid(ret_row->entry.type, ret_row->entry.value));
}

/* Remove the unreadable rows of a partition from `table` and count the others. */
static enum grid_err rows_sort_out(struct checkpoint *cp, struct kv_txn *t, enum kv_table table,
                                   struct slice prefix, struct head_row *h)
{
    const struct kv_ops *ops = cp->kv->ops;
    struct kv_cursor *c;
    struct slice key, row;
    struct buf scratch = BUF_INIT;
    enum grid_err err = ops->cursor(t, table, &c);
    if (err)
        return err;
    err = ops->seek(c, prefix, &key, &row);
    while (!err && slice_has_prefix(key, prefix)) {
        struct entry_row r = {.parts = 0};
        bool good = table == KV_ENTRIES ? entry_readable(key, row, &r)
                                        : session_readable(key, row, &scratch);
        if (!good)
            err = ops->cursor_del(c);
        else if (table == KV_ENTRIES)
            ++*head_row_count(h, r.entry.cache);
        if (r.entry.version > h->version)
            h->version = r.entry.version;
        if (!err)
            err = ops->next(c, &key, &row);
    }
    ops->cursor_close(c);
    buf_release(&scratch);
    return err == GRID_ENOT_FOUND ? GRID_OK : err;
}

enum grid_err checkpoint_give_up(struct checkpoint *cp, const struct wal_place *place, char *why)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct slice key = head_key(bytes, place->context, place->partition), row;
    struct head_row h = {0};
    struct buf buf = BUF_INIT;
    struct kv_txn *t = NULL;
    const struct kv_ops *ops = cp->kv->ops;
    enum grid_err err = ops->begin(cp->kv, true, &t);
    if (!err && (ops->get(t, KV_HEADS, key, &row) || head_row_get(key, row, &h)))
        h.version = 0;
    h.len = 0;
    h.damaged = h.copying = false;
    struct rows rows = {.kv = cp->kv, .txn = t};
    if (!err)
        err = parts_give_up(&rows, key);
    rows_release(&rows);
    if (!err)
        err = rows_sort_out(cp, t, KV_ENTRIES, key, &h);
    if (!err)
        err = rows_sort_out(cp, t, KV_SESSIONS, key, &h);
    head_row_put(&buf, key, &h);
    if (!err)
        err = ops->put(t, KV_HEADS, key, buf_slice(&buf));
    if (!err)
        err = ops->commit(t);
    else
        ops->abort(t);
    if (err && why)
        snprintf(why, STORE_WHY_BYTES, "%s: damage cannot be given up: %s", cp->path,
                 err_text(err));
    head_row_release(&h);
    buf_release(&buf);
    return err;
}

/* --- purge ------------------------------------------------------------------------------------ */

struct purge {
    struct checkpoint *cp;
    const struct checkpoint_limits *limits;
    struct kv_txn *txn;
    size_t left;              /* rows that may still be removed in this transaction */
    struct wal_place *places; /* partitions with something to remove */
    size_t places_len, places_cap;
};

static bool alive(const struct purge *p, uint32_t context, uint32_t cache)
{
    return p->limits->alive(p->limits->ctx, context, cache);
}

static bool head_wants(const struct purge *p, const struct checkpoint_head *h)
{
    if (!alive(p, h->context, UINT32_MAX))
        return true;
    for (size_t i = 0; i < h->caches_len; i++) {
        if (!alive(p, h->context, h->caches[i]))
            return true;
    }
    return false;
}

static void head_each(void *ctx, const struct checkpoint_head *h)
{
    struct purge *p = ctx;
    if (!head_wants(p, h))
        return;
    if (p->places_len == p->places_cap) {
        p->places_cap = p->places_cap ? p->places_cap * 2 : 64;
        p->places = xrealloc(p->places, p->places_cap, sizeof *p->places);
    }
    p->places[p->places_len++] = (struct wal_place){h->context, h->partition};
}

enum grid_err rows_wipe_some(struct kv *kv, struct kv_txn *t, enum kv_table table,
                             struct slice prefix, size_t *left)
{
    struct kv_cursor *c;
    struct slice key, row;
    enum grid_err err = kv->ops->cursor(t, table, &c);
    if (err)
        return err;
    err = kv->ops->seek(c, prefix, &key, &row);
    while (!err && slice_has_prefix(key, prefix)) {
        if (*left == 0) {
            err = GRID_EBUSY;
            break;
        }
        --*left;
        err = kv->ops->cursor_del(c);
        if (!err)
            err = kv->ops->next(c, &key, &row);
    }
    kv->ops->cursor_close(c);
    return err == GRID_ENOT_FOUND ? GRID_OK : err;
}

enum grid_err rows_wipe(struct kv *kv, struct kv_txn *t, enum kv_table table, struct slice prefix)
{
    size_t left = SIZE_MAX;
    return rows_wipe_some(kv, t, table, prefix, &left);
}

static enum grid_err rows_remove(struct purge *p, enum kv_table table, struct slice prefix)
{
    return rows_wipe_some(p->cp->kv, p->txn, table, prefix, &p->left);
}

/* Parts go after their entries: nobody meets an entry that lacks some. */
static enum grid_err entries_remove(struct purge *p, struct slice prefix)
{
    enum grid_err err = rows_remove(p, KV_ENTRIES, prefix);
    return err ? err : rows_remove(p, KV_PARTS, prefix);
}

static enum grid_err context_purge(struct purge *p, const struct wal_place *at)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct slice key = head_key(bytes, at->context, at->partition);
    enum grid_err err = entries_remove(p, key);
    if (!err)
        err = rows_remove(p, KV_SESSIONS, key);
    if (!err)
        err = p->cp->kv->ops->del(p->txn, KV_HEADS, key);
    return err;
}

static enum grid_err caches_purge(struct purge *p, const struct wal_place *at)
{
    uint8_t head[KV_KEY_BYTES_MAX], prefix[KV_KEY_BYTES_MAX];
    struct slice key = head_key(head, at->context, at->partition), row;
    struct head_row h = {0};
    struct buf buf = BUF_INIT;
    enum grid_err err = p->cp->kv->ops->get(p->txn, KV_HEADS, key, &row);
    if (!err)
        err = head_row_get(key, row, &h);
    for (size_t i = h.len; i-- > 0 && !err;) {
        if (alive(p, at->context, h.caches[i]))
            continue;
        err = entries_remove(
            p, entry_key(prefix, at->context, at->partition, h.caches[i], slice_make(NULL, 0)));
        if (!err)
            head_row_drop(&h, i);
    }
    if (!err || err == GRID_EBUSY) {
        head_row_put(&buf, key, &h);
        enum grid_err put = p->cp->kv->ops->put(p->txn, KV_HEADS, key, buf_slice(&buf));
        err = put ? put : err;
    }
    head_row_release(&h);
    buf_release(&buf);
    return err;
}

enum grid_err checkpoint_purge(struct checkpoint *cp, const struct checkpoint_limits *limits,
                               bool *ret_more)
{
    struct purge p = {.cp = cp, .limits = limits};
    p.left = limits->changes_max ? limits->changes_max : PURGE_DEFAULT;
    *ret_more = false;
    if (!limits->alive)
        return GRID_OK;
    enum grid_err err = checkpoint_heads(cp, head_each, &p);
    if (!err && p.places_len)
        err = cp->kv->ops->begin(cp->kv, true, &p.txn);
    for (size_t i = 0; i < p.places_len && !err; i++) {
        const struct wal_place *at = &p.places[i];
        err = alive(&p, at->context, UINT32_MAX) ? caches_purge(&p, at) : context_purge(&p, at);
    }
    bool full = err == GRID_EBUSY;
    if (p.txn && (!err || full))
        err = cp->kv->ops->commit(p.txn);
    else
        cp->kv->ops->abort(p.txn);
    *ret_more = !err && full;
    free(p.places);
    return err;
}
