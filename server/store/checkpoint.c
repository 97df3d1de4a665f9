/* checkpoint.c - opening and reading. Folding the log in is checkpoint_fold.c. */
#include "store/checkpoint.h"

#include "base/alloc.h"
#include "store/checkpoint_priv.h"

#include <stdio.h>
#include <stdlib.h>

static void say(char *why, const char *path, const char *what)
{
    if (why)
        snprintf(why, STORE_WHY_BYTES, "%s: %s", path, what);
}

/* --- opening ---------------------------------------------------------------------------------- */

static enum grid_err state_make(struct checkpoint *cp, struct kv_txn *t)
{
    enum grid_err err = number_put(t, cp->kv, "format", CHECKPOINT_FORMAT);
    if (!err)
        err = number_put(t, cp->kv, "applied", 0);
    return err;
}

static enum grid_err state_load(struct checkpoint *cp, struct kv_txn *t, bool create,
                                uint64_t *ret_format)
{
    uint64_t applied = 0;
    enum grid_err err = number_get(t, cp->kv, "format", ret_format);
    if (err == GRID_ENOT_FOUND && create) {
        err = state_make(cp, t);
        *ret_format = CHECKPOINT_FORMAT;
    }
    if (!err && *ret_format > CHECKPOINT_FORMAT)
        return GRID_ENEWER;
    if (!err)
        err = number_get(t, cp->kv, "applied", &applied);
    atomic_store(&cp->applied_lsn, applied);
    return err == GRID_ENOT_FOUND ? GRID_ECORRUPT : err;
}

/* Rows of format 1 stay as they are; an older program must not meet those written from now on. */
static enum grid_err format_raise(struct checkpoint *cp)
{
    struct kv_txn *t;
    enum grid_err err = cp->kv->ops->begin(cp->kv, true, &t);
    if (err)
        return err;
    err = number_put(t, cp->kv, "format", CHECKPOINT_FORMAT);
    if (!err)
        return cp->kv->ops->commit(t);
    cp->kv->ops->abort(t);
    return err;
}

static enum grid_err state_open(struct checkpoint *cp, bool create)
{
    struct kv_txn *t;
    uint64_t format = 0;
    enum grid_err err = cp->kv->ops->begin(cp->kv, create, &t);
    if (err)
        return err;
    err = state_load(cp, t, create, &format);
    if (err || !create)
        cp->kv->ops->abort(t);
    else
        err = cp->kv->ops->commit(t);
    return !err && format < CHECKPOINT_FORMAT ? format_raise(cp) : err;
}

enum grid_err checkpoint_open_kv(struct kv **kv, bool create, const char *path, char *why,
                                 struct checkpoint **ret_cp)
{
    struct checkpoint *cp = xcalloc(1, sizeof *cp);
    cp->kv = *kv;
    cp->path = xstrdup(path);
    *kv = NULL;
    enum grid_err err = state_open(cp, create);
    if (err) {
        say(why, path,
            err == GRID_ENEWER ? "written by a newer version; run that version"
            : err == GRID_ECORRUPT
                ? "damaged: its first rows are missing or unreadable; restore it from a backup"
                : err_text(err));
        checkpoint_close(cp);
        return err;
    }
    *ret_cp = cp;
    return GRID_OK;
}

enum grid_err checkpoint_open(const char *path, bool create, char *why, struct checkpoint **ret_cp)
{
    struct kv_lmdb_conf conf = {.path = path, .create = create};
    struct kv *kv;
    enum grid_err err = kv_lmdb_open(&conf, why, &kv);
    return err ? err : checkpoint_open_kv(&kv, create, path, why, ret_cp);
}

void checkpoint_close(struct checkpoint *cp)
{
    if (!cp)
        return;
    fold_free(cp->fold);
    cp->kv->ops->close(cp->kv);
    free(cp->path);
    free(cp);
}

uint64_t checkpoint_applied(const struct checkpoint *cp)
{
    return atomic_load(&cp->applied_lsn);
}

void checkpoint_stats(struct checkpoint *cp, struct checkpoint_stats *ret_stats)
{
    ret_stats->applied_lsn = checkpoint_applied(cp);
    cp->kv->ops->size(cp->kv, &ret_stats->used_bytes, &ret_stats->file_bytes);
}

/* --- entries ---------------------------------------------------------------------------------- */

/* Bytes of the entry when it is copied out. */
static size_t entry_size(const struct entry_row *r)
{
    size_t value = r->parts ? (size_t)r->bytes : r->entry.value.len;
    return r->entry.key.len + r->entry.affinity.len + value;
}

/* Copy an entry's slices behind `out`. They are offsets until entry_fix(), since the bytes may
 * move. */
static enum grid_err entry_copy(struct checkpoint *cp, struct kv_txn *t, struct slice row_key,
                                struct entry_row *r, struct buf *out)
{
    struct checkpoint_entry *e = &r->entry;
    struct slice *slices[] = {&e->key, &e->affinity, &e->value};
    enum grid_err err = GRID_OK;
    for (size_t i = 0; i < sizeof slices / sizeof *slices && !err; i++) {
        size_t at = out->len;
        if (slices[i] == &e->value && r->parts)
            err = parts_read(cp->kv, t, row_key, r, out);
        else
            buf_add(out, slices[i]->data, slices[i]->len);
        *slices[i] = slice_make((const uint8_t *)(uintptr_t)at, out->len - at);
    }
    return err;
}

static void entry_fix(struct checkpoint_entry *e, const struct buf *bytes)
{
    e->key.data = bytes->data + (uintptr_t)e->key.data;
    e->affinity.data = bytes->data + (uintptr_t)e->affinity.data;
    e->value.data = bytes->data + (uintptr_t)e->value.data;
}

enum grid_err checkpoint_get(struct checkpoint *cp, uint32_t context, uint16_t partition,
                             uint32_t cache, struct slice key, struct buf *out,
                             struct checkpoint_entry *ret_entry)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct slice row_key = entry_key(bytes, context, partition, cache, key), row;
    struct entry_row r;
    struct kv_txn *t;
    if (!key.len)
        return GRID_ENOT_FOUND;
    enum grid_err err = cp->kv->ops->begin(cp->kv, false, &t);
    if (err)
        return err;
    out->len = 0;
    err = cp->kv->ops->get(t, KV_ENTRIES, row_key, &row);
    if (!err)
        err = entry_row_get(row_key, row, &r);
    if (!err)
        buf_reserve(out, r.entry.key.len + r.entry.affinity.len + r.entry.value.len);
    if (!err)
        err = entry_copy(cp, t, row_key, &r, out);
    cp->kv->ops->abort(t);
    if (err)
        return err;
    entry_fix(&r.entry, out);
    *ret_entry = r.entry;
    return GRID_OK;
}

/* Where a page begins, and what it must not leave. */
struct range {
    uint8_t from[KV_KEY_BYTES_MAX];
    size_t from_len;
    uint8_t prefix[ENTRY_PREFIX_BYTES];
    size_t prefix_len;
    bool after; /* the entry at `from` itself is not wanted */
};

static void range_make(struct range *r, uint32_t context, uint16_t partition, uint32_t cache,
                       uint32_t after_cache, struct slice after)
{
    bool all = cache == UINT32_MAX;
    uint32_t first = !all ? cache : after.len ? after_cache : 0;
    r->from_len = entry_key(r->from, context, partition, first, after).len;
    memcpy(r->prefix, r->from, ENTRY_PREFIX_BYTES);
    r->prefix_len = all ? HEAD_KEY_BYTES : ENTRY_PREFIX_BYTES;
    r->after = after.len > 0;
}

/* Copy one entry into the page, unless it is full. */
static enum grid_err page_add(struct checkpoint *cp, struct kv_txn *t, size_t bytes_max,
                              struct slice key, struct slice row, struct checkpoint_page *p)
{
    struct entry_row r;
    enum grid_err err = entry_row_get(key, row, &r);
    if (!err && p->len && p->bytes.len + entry_size(&r) > bytes_max)
        return GRID_EFULL;
    if (!err)
        err = entry_copy(cp, t, key, &r, &p->bytes);
    if (err)
        return err;
    if (p->len == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 64;
        p->entries = xrealloc(p->entries, p->cap, sizeof *p->entries);
    }
    p->entries[p->len++] = r.entry;
    return GRID_OK;
}

static enum grid_err page_fill(struct checkpoint *cp, struct kv_txn *t, const struct range *r,
                               uint32_t limit, size_t bytes_max, struct checkpoint_page *page)
{
    const struct kv_ops *ops = cp->kv->ops;
    struct kv_cursor *c;
    struct slice key, row, from = slice_make(r->from, r->from_len);
    enum grid_err err = ops->cursor(t, KV_ENTRIES, &c);
    if (err)
        return err;
    err = ops->seek(c, from, &key, &row);
    if (!err && r->after && slice_eq(key, from))
        err = ops->next(c, &key, &row);
    while (!err && slice_has_prefix(key, slice_make(r->prefix, r->prefix_len))) {
        err = page->len < limit ? page_add(cp, t, bytes_max, key, row, page) : GRID_EFULL;
        if (!err)
            err = ops->next(c, &key, &row);
    }
    ops->cursor_close(c);
    page->done = !err || err == GRID_ENOT_FOUND;
    return page->done || err == GRID_EFULL ? GRID_OK : err;
}

enum grid_err checkpoint_scan(struct checkpoint *cp, uint32_t context, uint16_t partition,
                              uint32_t cache, uint32_t after_cache, struct slice after,
                              uint32_t limit, size_t bytes_max, struct checkpoint_page *page)
{
    struct range r;
    struct kv_txn *t;
    range_make(&r, context, partition, cache, after_cache, after);
    page->len = page->bytes.len = 0;
    page->done = false;
    enum grid_err err = cp->kv->ops->begin(cp->kv, false, &t);
    if (err)
        return err;
    err = page_fill(cp, t, &r, limit ? limit : 1, bytes_max, page);
    cp->kv->ops->abort(t);
    for (size_t i = 0; i < page->len; i++)
        entry_fix(&page->entries[i], &page->bytes);
    return err;
}

void checkpoint_page_release(struct checkpoint_page *page)
{
    free(page->entries);
    buf_release(&page->bytes);
    *page = (struct checkpoint_page){0};
}

/* --- heads and sessions ----------------------------------------------------------------------- */

typedef void row_fn(void *ctx, struct slice key, struct slice row);

/* The rows whose keys begin with `prefix`. */
static enum grid_err each_row(struct checkpoint *cp, enum kv_table table, struct slice prefix,
                              row_fn *each, void *ctx)
{
    const struct kv_ops *ops = cp->kv->ops;
    struct kv_txn *t;
    struct kv_cursor *c = NULL;
    struct slice key, row;
    enum grid_err err = ops->begin(cp->kv, false, &t);
    if (err)
        return err;
    err = ops->cursor(t, table, &c);
    if (!err)
        err = ops->seek(c, prefix, &key, &row);
    while (!err && slice_has_prefix(key, prefix)) {
        each(ctx, key, row);
        err = ops->next(c, &key, &row);
    }
    ops->cursor_close(c);
    ops->abort(t);
    return err == GRID_ENOT_FOUND ? GRID_OK : err;
}

struct heads_walk {
    checkpoint_head_fn *each;
    void *ctx;
    struct head_row row;
    bool corrupt; /* a row whose partition cannot even be named */
};

static void head_each(void *ctx, struct slice key, struct slice row)
{
    struct heads_walk *w = ctx;
    if (key.len != HEAD_KEY_BYTES) {
        w->corrupt = true;
        return;
    }
    bool bad = head_row_get(key, row, &w->row) != GRID_OK;
    struct checkpoint_head head = {.context = load_be16(key.data),
                                   .partition = load_be16(key.data + 2),
                                   .damaged = bad || w->row.damaged,
                                   .copying = !bad && w->row.copying,
                                   .version = bad ? 0 : w->row.version,
                                   .caches = w->row.caches,
                                   .counts = w->row.counts,
                                   .caches_len = bad ? 0 : w->row.len};
    w->each(w->ctx, &head);
}

enum grid_err checkpoint_heads(struct checkpoint *cp, checkpoint_head_fn *each, void *ctx)
{
    struct heads_walk w = {.each = each, .ctx = ctx};
    enum grid_err err = each_row(cp, KV_HEADS, slice_make(NULL, 0), head_each, &w);
    head_row_release(&w.row);
    return !err && w.corrupt ? GRID_ECORRUPT : err;
}

uint64_t checkpoint_head_version(struct checkpoint *cp, uint32_t context, uint16_t partition)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct slice key = head_key(bytes, context, partition), row;
    struct head_row h = {0};
    struct kv_txn *t;
    uint64_t version = 0;
    if (cp->kv->ops->begin(cp->kv, false, &t))
        return 0;
    if (!cp->kv->ops->get(t, KV_HEADS, key, &row) && !head_row_get(key, row, &h))
        version = h.version;
    cp->kv->ops->abort(t);
    head_row_release(&h);
    return version;
}

struct sessions_walk {
    checkpoint_session_fn *each;
    void *ctx;
    bool corrupt;
};

static void session_each(void *ctx, struct slice key, struct slice row)
{
    struct sessions_walk *w = ctx;
    struct session_id id;
    struct slice stored = {NULL, 0};
    if (key.len != SESSION_KEY_BYTES) {
        w->corrupt = true;
        return;
    }
    memcpy(id.bytes, key.data + HEAD_KEY_BYTES, SESSION_ID_BYTES);
    bool bad = row_open(key, row, &stored) != GRID_OK;
    w->each(w->ctx, load_be16(key.data), load_be16(key.data + 2), id, stored, bad);
}

enum grid_err checkpoint_sessions(struct checkpoint *cp, checkpoint_session_fn *each, void *ctx)
{
    struct sessions_walk w = {each, ctx, false};
    enum grid_err err = each_row(cp, KV_SESSIONS, slice_make(NULL, 0), session_each, &w);
    return !err && w.corrupt ? GRID_ECORRUPT : err;
}

enum grid_err checkpoint_partition(struct checkpoint *cp, const struct wal_place *place,
                                   checkpoint_head_fn *head, checkpoint_session_fn *session,
                                   void *ctx)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct slice prefix = head_key(bytes, place->context, place->partition);
    struct heads_walk heads = {.each = head, .ctx = ctx};
    struct sessions_walk sessions = {.each = session, .ctx = ctx};
    enum grid_err err = each_row(cp, KV_HEADS, prefix, head_each, &heads);
    if (!err)
        err = each_row(cp, KV_SESSIONS, prefix, session_each, &sessions);
    head_row_release(&heads.row);
    return err;
}
