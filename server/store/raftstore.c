/* raftstore.c - rows of KV_META: "format", "hard" (term, vote), "identity", "snapshot" (index,
 * term, membership; its data in KV_PARTS, "data"); of KV_ENTRIES: index (big-endian) -> term, kind,
 * data. Integers little-endian unless said; rows are sealed as the checkpoint's are. */
#include "store/raftstore.h"

#include "base/alloc.h"
#include "store/checkpoint_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { INDEX_BYTES = 8, ENTRY_HEAD_BYTES = 9, HARD_BYTES = 12, SNAPSHOT_HEAD_BYTES = 16 };
enum { IDENTITY_BYTES = 2 * GRID_ID_BYTES + 4 };

struct raftstore {
    struct kv *kv;
    char path[256];
};

static enum grid_err fail(const struct raftstore *s, enum grid_err err, const char *what, char *why)
{
    if (err == GRID_ECORRUPT || err == GRID_ENOT_FOUND)
        snprintf(why, STORE_WHY_BYTES,
                 "%s is damaged: %s; restore the data directory from a backup, or remove it as a "
                 "whole and let the node join again as a new one",
                 s->path, what);
    else if (err == GRID_ENEWER)
        snprintf(why, STORE_WHY_BYTES, "%s was written by a newer version; run that version",
                 s->path);
    else if (err == GRID_ENO_SPACE)
        snprintf(why, STORE_WHY_BYTES, "no space for %s; free some", s->path);
    else
        snprintf(why, STORE_WHY_BYTES, "cannot use %s: %s: %s", s->path, what, err_text(err));
    return err == GRID_ENOT_FOUND ? GRID_ECORRUPT : err;
}

static struct slice index_key(uint8_t to[INDEX_BYTES], uint64_t index)
{
    for (int i = 0; i < INDEX_BYTES; i++)
        to[i] = (uint8_t)(index >> (8 * (INDEX_BYTES - 1 - i)));
    return slice_make(to, INDEX_BYTES);
}

static uint64_t key_index(struct slice key)
{
    uint64_t index = 0;
    for (size_t i = 0; i < key.len; i++)
        index = index << 8 | key.data[i];
    return index;
}

/* --- writing ---------------------------------------------------------------------------------- */

static enum grid_err row_put(struct kv *kv, struct kv_txn *t, enum kv_table table, struct slice key,
                             struct buf *row)
{
    row_seal(key, row);
    enum grid_err err = kv->ops->put(t, table, key, buf_slice(row));
    row->len = 0;
    return err;
}

static enum grid_err identity_put(struct kv *kv, struct kv_txn *t, const struct grid_identity *id,
                                  struct buf *row)
{
    row_begin(row);
    buf_add(row, id->grid_id, GRID_ID_BYTES);
    buf_add(row, id->founder, GRID_ID_BYTES);
    buf_add_u32(row, id->number);
    return row_put(kv, t, KV_META, slice_str("identity"), row);
}

static enum grid_err snapshot_put(struct kv *kv, struct kv_txn *t, const struct raft_snapshot *s,
                                  struct buf *row)
{
    row_begin(row);
    buf_add_u64(row, s->index);
    buf_add_u64(row, s->term);
    raft_membership_encode(&s->membership, row);
    enum grid_err err = row_put(kv, t, KV_META, slice_str("snapshot"), row);
    if (err)
        return err;
    row_begin(row);
    buf_add(row, s->data.data, s->data.len);
    return row_put(kv, t, KV_PARTS, slice_str("data"), row);
}

/* Entries with from <= index <= to. */
static enum grid_err entries_remove(struct kv *kv, struct kv_txn *t, uint64_t from, uint64_t to)
{
    uint8_t bytes[INDEX_BYTES];
    struct kv_cursor *c = NULL;
    struct slice key, value;
    enum grid_err err = kv->ops->cursor(t, KV_ENTRIES, &c);
    if (!err)
        err = kv->ops->seek(c, index_key(bytes, from), &key, &value);
    while (!err && key_index(key) <= to) {
        err = kv->ops->cursor_del(c);
        if (!err)
            err = kv->ops->next(c, &key, &value);
    }
    kv->ops->cursor_close(c);
    return err == GRID_ENOT_FOUND ? GRID_OK : err;
}

static enum grid_err entry_put(struct kv *kv, struct kv_txn *t, const struct raft_entry *e,
                               struct buf *row)
{
    uint8_t bytes[INDEX_BYTES];
    row_begin(row);
    buf_add_u64(row, e->term);
    buf_add_u8(row, (uint8_t)e->kind);
    buf_add(row, e->data.data, e->data.len);
    return row_put(kv, t, KV_ENTRIES, index_key(bytes, e->index), row);
}

static enum grid_err raft_put(struct kv *kv, struct kv_txn *t, const struct raft_persist *p,
                              struct buf *row)
{
    row_begin(row);
    buf_add_u64(row, p->term);
    buf_add_u32(row, p->vote);
    enum grid_err err = row_put(kv, t, KV_META, slice_str("hard"), row);
    if (!err && p->snapshot)
        err = snapshot_put(kv, t, p->snapshot, row);
    if (!err && p->drop_to)
        err = entries_remove(kv, t, 0, p->drop_to);
    if (!err && p->cut_from)
        err = entries_remove(kv, t, p->cut_from, UINT64_MAX);
    for (size_t i = 0; !err && i < p->entries_len; i++)
        err = entry_put(kv, t, &p->entries[i], row);
    return err;
}

enum grid_err raftstore_write(struct raftstore *s, struct raftstore_job *const *jobs, size_t len,
                              char *why)
{
    struct kv *kv = s->kv;
    struct kv_txn *t;
    struct buf row = BUF_INIT;
    enum grid_err err = kv->ops->begin(kv, true, &t);
    if (err)
        return fail(s, err, "a write", why);
    for (size_t i = 0; !err && i < len; i++) {
        if (jobs[i]->has_identity)
            err = identity_put(kv, t, &jobs[i]->identity, &row);
        if (!err && jobs[i]->has_raft)
            err = raft_put(kv, t, &jobs[i]->raft, &row);
    }
    buf_release(&row);
    if (err)
        kv->ops->abort(t);
    else
        err = kv->ops->commit(t);
    return err ? fail(s, err, "a write", why) : GRID_OK;
}

/* --- jobs ------------------------------------------------------------------------------------- */

static uint8_t *slice_keep(struct slice *s, uint8_t *at)
{
    if (s->len)
        memcpy(at, s->data, s->len);
    *s = slice_make(at, s->len);
    return at + s->len;
}

struct raftstore_job *raftstore_job_new(const struct grid_persist *p)
{
    static const struct raft_persist nothing;
    const struct raft_persist *r = p->raft ? p->raft : &nothing;
    size_t bytes = sizeof(struct raftstore_job) + r->entries_len * sizeof(struct raft_entry);
    for (size_t i = 0; i < r->entries_len; i++)
        bytes += r->entries[i].data.len;
    if (r->snapshot)
        bytes += sizeof *r->snapshot + r->snapshot->data.len;
    struct raftstore_job *j = xalloc(bytes);
    *j = (struct raftstore_job){
        .job = p->job, .has_identity = p->identity, .has_raft = p->raft, .raft = *r};
    if (p->identity)
        j->identity = *p->identity;
    struct raft_entry *entries = (struct raft_entry *)(j + 1);
    struct raft_snapshot *snapshot = (struct raft_snapshot *)(entries + r->entries_len);
    uint8_t *at = (uint8_t *)(r->snapshot ? snapshot + 1 : snapshot);
    for (size_t i = 0; i < r->entries_len; i++) {
        entries[i] = r->entries[i];
        at = slice_keep(&entries[i].data, at);
    }
    j->raft.entries = entries;
    if (r->snapshot) {
        *snapshot = *r->snapshot;
        slice_keep(&snapshot->data, at);
        j->raft.snapshot = snapshot;
    }
    return j;
}

/* --- reading ---------------------------------------------------------------------------------- */

static enum grid_err row_get(struct kv *kv, struct kv_txn *t, enum kv_table table, const char *name,
                             struct slice *ret_rest)
{
    struct slice row;
    enum grid_err err = kv->ops->get(t, table, slice_str(name), &row);
    return err ? err : row_open(slice_str(name), row, ret_rest);
}

static enum grid_err meta_read(struct kv *kv, struct kv_txn *t, struct raftstore_found *f)
{
    struct slice rest;
    enum grid_err err = row_get(kv, t, KV_META, "hard", &rest);
    if (!err && rest.len != HARD_BYTES)
        return GRID_ECORRUPT;
    if (!err) {
        f->raft.term = load_u64(rest.data);
        f->raft.vote = load_u32(rest.data + 8);
    }
    if (err && err != GRID_ENOT_FOUND)
        return err;
    err = row_get(kv, t, KV_META, "identity", &rest);
    if (!err && rest.len != IDENTITY_BYTES)
        return GRID_ECORRUPT;
    if (!err) {
        memcpy(f->identity.grid_id, rest.data, GRID_ID_BYTES);
        memcpy(f->identity.founder, rest.data + GRID_ID_BYTES, GRID_ID_BYTES);
        f->identity.number = load_u32(rest.data + 2 * (size_t)GRID_ID_BYTES);
    }
    return err == GRID_ENOT_FOUND ? GRID_OK : err;
}

/* Slices are offsets into f->bytes until all is read. */
static struct slice bytes_keep(struct raftstore_found *f, struct slice from)
{
    size_t at = f->bytes.len;
    buf_add(&f->bytes, from.data, from.len);
    return slice_make((const uint8_t *)(uintptr_t)at, from.len);
}

static void bytes_resolve(const struct raftstore_found *f, struct slice *s)
{
    *s = slice_make(f->bytes.data + (uintptr_t)s->data, s->len);
}

static enum grid_err snapshot_read(struct kv *kv, struct kv_txn *t, struct raftstore_found *f)
{
    struct slice head, data;
    struct raft_snapshot *s = &f->raft.snapshot;
    enum grid_err err = row_get(kv, t, KV_META, "snapshot", &head);
    if (err)
        return err == GRID_ENOT_FOUND ? GRID_OK : err;
    err = row_get(kv, t, KV_PARTS, "data", &data);
    if (err)
        return err == GRID_ENOT_FOUND ? GRID_ECORRUPT : err;
    if (head.len < SNAPSHOT_HEAD_BYTES ||
        !raft_membership_decode(
            slice_make(head.data + SNAPSHOT_HEAD_BYTES, head.len - SNAPSHOT_HEAD_BYTES),
            &s->membership))
        return GRID_ECORRUPT;
    s->index = load_u64(head.data);
    s->term = load_u64(head.data + 8);
    s->data = bytes_keep(f, data);
    return GRID_OK;
}

static enum grid_err entry_read(struct raftstore_found *f, struct slice key, struct slice value,
                                size_t *cap)
{
    struct slice rest;
    enum grid_err err = key.len == INDEX_BYTES ? row_open(key, value, &rest) : GRID_ECORRUPT;
    if (err || rest.len < ENTRY_HEAD_BYTES)
        return GRID_ECORRUPT;
    struct raft_entry e = {
        .index = key_index(key), .term = load_u64(rest.data), .kind = rest.data[8]};
    size_t n = f->raft.entries_len;
    if (e.kind < RAFT_ENTRY_NOOP || e.kind > RAFT_ENTRY_MEMBERSHIP ||
        (n && f->entries[n - 1].index + 1 != e.index))
        return GRID_ECORRUPT;
    e.data = bytes_keep(f, slice_make(rest.data + ENTRY_HEAD_BYTES, rest.len - ENTRY_HEAD_BYTES));
    if (n == *cap) {
        *cap = *cap ? *cap * 2 : 256;
        f->entries = xrealloc(f->entries, *cap, sizeof *f->entries);
    }
    f->entries[n] = e;
    f->raft.entries_len++;
    return GRID_OK;
}

static enum grid_err entries_read(struct kv *kv, struct kv_txn *t, struct raftstore_found *f)
{
    uint8_t first[INDEX_BYTES];
    struct kv_cursor *c = NULL;
    struct slice key, value;
    size_t cap = 0;
    enum grid_err err = kv->ops->cursor(t, KV_ENTRIES, &c);
    if (!err)
        err = kv->ops->seek(c, index_key(first, 0), &key, &value);
    while (!err) {
        err = entry_read(f, key, value, &cap);
        if (!err)
            err = kv->ops->next(c, &key, &value);
    }
    kv->ops->cursor_close(c);
    return err == GRID_ENOT_FOUND ? GRID_OK : err;
}

/* Terms do not fall, nor are they beyond the one this node knows: so a row that is missing, that of
 * the vote above all, is noticed; and the log begins where the snapshot ends, or before. */
static bool terms_fit(const struct raft_stored *r)
{
    uint64_t term = 0;
    for (size_t i = 0; i < r->entries_len; i++) {
        if (r->entries[i].term < term)
            return false;
        term = r->entries[i].term;
    }
    return term <= r->term && r->snapshot.term <= r->term &&
           (!r->entries_len || r->entries[0].index <= r->snapshot.index + 1);
}

enum grid_err raftstore_read(struct raftstore *s, char *why, struct raftstore_found *ret_found)
{
    struct raftstore_found *f = ret_found;
    struct kv_txn *t;
    *f = (struct raftstore_found){0};
    enum grid_err err = s->kv->ops->begin(s->kv, false, &t);
    if (err)
        return fail(s, err, "it cannot be read", why);
    err = meta_read(s->kv, t, f);
    if (!err)
        err = snapshot_read(s->kv, t, f);
    if (!err)
        err = entries_read(s->kv, t, f);
    f->raft.entries = f->entries;
    if (!err && !terms_fit(&f->raft))
        err = GRID_ECORRUPT;
    s->kv->ops->abort(t);
    if (err)
        return fail(s, err, "rows are missing or unreadable", why);
    if (f->raft.snapshot.index)
        bytes_resolve(f, &f->raft.snapshot.data);
    for (size_t i = 0; i < f->raft.entries_len; i++)
        bytes_resolve(f, &f->entries[i].data);
    return GRID_OK;
}

void raftstore_found_release(struct raftstore_found *f)
{
    free(f->entries);
    buf_release(&f->bytes);
    *f = (struct raftstore_found){0};
}

/* --- life ------------------------------------------------------------------------------------- */

static enum grid_err format_look(struct kv *kv, bool create)
{
    struct kv_txn *t;
    uint64_t format = 0;
    enum grid_err err = kv->ops->begin(kv, true, &t);
    if (err)
        return err;
    err = number_get(t, kv, "format", &format);
    if (err == GRID_ENOT_FOUND && create) {
        err = number_put(t, kv, "format", RAFTSTORE_FORMAT);
        if (!err)
            return kv->ops->commit(t);
    }
    kv->ops->abort(t);
    return !err && format > RAFTSTORE_FORMAT ? GRID_ENEWER : err;
}

enum grid_err raftstore_open_kv(struct kv **kv, const char *path, bool create, char *why,
                                struct raftstore **ret_store)
{
    struct raftstore *s = xcalloc(1, sizeof *s);
    snprintf(s->path, sizeof s->path, "%s", path);
    s->kv = *kv;
    *kv = NULL;
    enum grid_err err = format_look(s->kv, create);
    if (err) {
        err = fail(s, err, "its rows are missing or unreadable", why);
        raftstore_close(s);
        return err;
    }
    *ret_store = s;
    return GRID_OK;
}

enum grid_err raftstore_open(const char *path, bool create, char *why, struct raftstore **ret_store)
{
    struct kv_lmdb_conf conf = {.path = path, .create = create, .map_bytes = UINT64_C(16) << 30};
    struct kv *kv;
    enum grid_err err = kv_lmdb_open(&conf, why, &kv);
    return err ? err : raftstore_open_kv(&kv, path, create, why, ret_store);
}

void raftstore_close(struct raftstore *s)
{
    if (!s)
        return;
    s->kv->ops->close(s->kv);
    free(s);
}
