/* store_mem.c - kv.h in memory, for simulations. A version is a set of sorted arrays of items, and
 * shares both with other versions; a write transaction is a version of its own, which copies an
 * array before it changes it, and its commit makes it current. Readers keep the version they began
 * with. */
#include "store/kv.h"

#include "base/alloc.h"

#include <stdlib.h>

struct item {
    unsigned refs;
    struct slice key;
    struct slice value;
    uint8_t bytes[];
};

struct rows {
    unsigned refs;
    struct item **at;
    size_t len;
    size_t cap;
};

struct version {
    unsigned refs;
    uint64_t bytes;
    struct rows *tables[KV_TABLES];
};

struct store_mem {
    struct version *current;
    uint64_t generation; /* of crashes */
    uint64_t capacity;
    enum grid_err commit_err;
    unsigned commit_skip, commit_count;
};

struct kv_mem {
    struct kv kv;
    struct store_mem *store;
    uint64_t generation;
};

struct mem_txn {
    struct kv_mem *kv;
    struct version *version;
    bool write;
};

struct mem_cursor {
    struct mem_txn *txn;
    enum kv_table table;
    size_t at;
    bool deleted; /* what followed has moved to `at` */
};

/* kv.h leaves these two opaque: here they are the ones above. */
static struct mem_txn *txn_of(struct kv_txn *t)
{
    return (struct mem_txn *)(void *)t;
}

static struct mem_cursor *cursor_of(struct kv_cursor *c)
{
    return (struct mem_cursor *)(void *)c;
}

static struct kv_mem *kv_of(struct kv *kv)
{
    return (struct kv_mem *)(void *)kv;
}

static struct item *item_new(struct slice key, struct slice value)
{
    struct item *i = xalloc(sizeof *i + key.len + value.len);
    i->refs = 1;
    i->key = slice_make(i->bytes, key.len);
    i->value = slice_make(i->bytes + key.len, value.len);
    memcpy(i->bytes, key.data, key.len);
    if (value.len)
        memcpy(i->bytes + key.len, value.data, value.len);
    return i;
}

static void item_unref(struct item *i)
{
    if (--i->refs == 0)
        free(i);
}

static void rows_unref(struct rows *r)
{
    if (--r->refs)
        return;
    for (size_t i = 0; i < r->len; i++)
        item_unref(r->at[i]);
    free(r->at);
    free(r);
}

static struct version *version_copy(const struct version *v)
{
    struct version *n = xcalloc(1, sizeof *n);
    *n = *v;
    n->refs = 1;
    for (int t = 0; t < KV_TABLES; t++)
        n->tables[t]->refs++;
    return n;
}

static void version_unref(struct version *v)
{
    if (--v->refs)
        return;
    for (int t = 0; t < KV_TABLES; t++)
        rows_unref(v->tables[t]);
    free(v);
}

/* The rows of a table, for this version alone to change. */
static struct rows *rows_own(struct version *v, enum kv_table table)
{
    const struct rows *from = v->tables[table];
    if (from->refs == 1)
        return v->tables[table];
    struct rows *to = xcalloc(1, sizeof *to);
    *to = (struct rows){1, NULL, from->len, from->len + from->len / 8 + 16};
    to->at = xcalloc(to->cap, sizeof(struct item *));
    for (size_t i = 0; i < from->len; i++) {
        to->at[i] = from->at[i];
        to->at[i]->refs++;
    }
    rows_unref(v->tables[table]);
    v->tables[table] = to;
    return to;
}

/* Place of the first key >= `key`; *ret_found: it is that key. */
static size_t row_find(const struct rows *r, struct slice key, bool *ret_found)
{
    size_t low = 0, high = r->len;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (slice_cmp(r->at[mid]->key, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *ret_found = low < r->len && slice_eq(r->at[low]->key, key);
    return low;
}

static void row_insert(struct rows *r, size_t at, struct item *i)
{
    if (r->len >= r->cap) {
        r->cap = r->cap ? r->cap * 2 : 16;
        r->at = xrealloc(r->at, r->cap, sizeof(struct item *));
    }
    memmove(r->at + at + 1, r->at + at, (r->len - at) * sizeof(struct item *));
    r->at[at] = i;
    r->len++;
}

static size_t item_bytes(const struct item *i)
{
    return i->key.len + i->value.len;
}

static void row_remove(struct version *v, struct rows *r, size_t at)
{
    v->bytes -= item_bytes(r->at[at]);
    item_unref(r->at[at]);
    r->len--;
    memmove(r->at + at, r->at + at + 1, (r->len - at) * sizeof(struct item *));
}

/* --- kv.h ------------------------------------------------------------------------------------- */

static enum grid_err mem_begin(struct kv *kv, bool write, struct kv_txn **ret_txn)
{
    struct kv_mem *k = kv_of(kv);
    if (k->generation != k->store->generation)
        return GRID_EIO;
    struct mem_txn *t = xcalloc(1, sizeof *t);
    *t = (struct mem_txn){k, k->store->current, write};
    if (write)
        t->version = version_copy(k->store->current);
    else
        t->version->refs++;
    *ret_txn = (struct kv_txn *)(void *)t;
    return GRID_OK;
}

static void mem_abort(struct kv_txn *txn)
{
    if (!txn)
        return;
    version_unref(txn_of(txn)->version);
    free(txn);
}

static enum grid_err mem_commit(struct kv_txn *txn)
{
    struct mem_txn *t = txn_of(txn);
    struct store_mem *s = t->kv->store;
    enum grid_err err = t->kv->generation == s->generation ? GRID_OK : GRID_EIO;
    if (!err && s->commit_count && s->commit_skip-- == 0) {
        s->commit_skip = 0;
        s->commit_count--;
        err = s->commit_err;
    }
    if (!err && t->write) {
        version_unref(s->current);
        s->current = t->version;
        s->current->refs++;
    }
    mem_abort(txn);
    return err;
}

static enum grid_err mem_get(struct kv_txn *txn, enum kv_table table, struct slice key,
                             struct slice *ret_value)
{
    const struct rows *r = txn_of(txn)->version->tables[table];
    bool found;
    size_t at = row_find(r, key, &found);
    if (!found)
        return GRID_ENOT_FOUND;
    *ret_value = r->at[at]->value;
    return GRID_OK;
}

static enum grid_err mem_put(struct kv_txn *txn, enum kv_table table, struct slice key,
                             struct slice value)
{
    struct mem_txn *t = txn_of(txn);
    uint64_t capacity = t->kv->store->capacity;
    CHECK(t->write && key.len && key.len <= KV_KEY_BYTES_MAX);
    if (capacity && t->version->bytes + key.len + value.len > capacity)
        return GRID_ENO_SPACE;
    struct item *i = item_new(key, value);
    struct rows *r = rows_own(t->version, table);
    bool found;
    size_t at = row_find(r, key, &found);
    if (found) {
        t->version->bytes -= item_bytes(r->at[at]);
        item_unref(r->at[at]);
        r->at[at] = i;
    } else {
        row_insert(r, at, i);
    }
    t->version->bytes += item_bytes(i);
    return GRID_OK;
}

static enum grid_err mem_del(struct kv_txn *txn, enum kv_table table, struct slice key)
{
    struct version *v = txn_of(txn)->version;
    bool found;
    size_t at = row_find(v->tables[table], key, &found);
    if (!found)
        return GRID_ENOT_FOUND;
    row_remove(v, rows_own(v, table), at);
    return GRID_OK;
}

static enum grid_err mem_cursor(struct kv_txn *t, enum kv_table table,
                                struct kv_cursor **ret_cursor)
{
    struct mem_cursor *c = xcalloc(1, sizeof *c);
    *c = (struct mem_cursor){.txn = txn_of(t), .table = table};
    *ret_cursor = (struct kv_cursor *)(void *)c;
    return GRID_OK;
}

static enum grid_err cursor_here(const struct mem_cursor *c, struct slice *ret_key,
                                 struct slice *ret_value)
{
    const struct rows *r = c->txn->version->tables[c->table];
    if (c->at >= r->len)
        return GRID_ENOT_FOUND;
    *ret_key = r->at[c->at]->key;
    *ret_value = r->at[c->at]->value;
    return GRID_OK;
}

static enum grid_err mem_seek(struct kv_cursor *cursor, struct slice key, struct slice *ret_key,
                              struct slice *ret_value)
{
    struct mem_cursor *c = cursor_of(cursor);
    bool found;
    c->at = row_find(c->txn->version->tables[c->table], key, &found);
    c->deleted = false;
    return cursor_here(c, ret_key, ret_value);
}

static enum grid_err mem_next(struct kv_cursor *cursor, struct slice *ret_key,
                              struct slice *ret_value)
{
    struct mem_cursor *c = cursor_of(cursor);
    c->at += !c->deleted;
    c->deleted = false;
    return cursor_here(c, ret_key, ret_value);
}

static enum grid_err mem_cursor_del(struct kv_cursor *cursor)
{
    struct mem_cursor *c = cursor_of(cursor);
    struct version *v = c->txn->version;
    if (c->at >= v->tables[c->table]->len)
        return GRID_ENOT_FOUND;
    row_remove(v, rows_own(v, c->table), c->at);
    c->deleted = true;
    return GRID_OK;
}

static void mem_cursor_close(struct kv_cursor *c)
{
    free(c);
}

static void mem_size(struct kv *kv, uint64_t *ret_used, uint64_t *ret_file)
{
    *ret_used = *ret_file = kv_of(kv)->store->current->bytes;
}

static void mem_close(struct kv *kv)
{
    free(kv);
}

static const struct kv_ops mem_ops = {
    .begin = mem_begin,
    .commit = mem_commit,
    .abort = mem_abort,
    .get = mem_get,
    .put = mem_put,
    .del = mem_del,
    .cursor = mem_cursor,
    .seek = mem_seek,
    .next = mem_next,
    .cursor_del = mem_cursor_del,
    .cursor_close = mem_cursor_close,
    .size = mem_size,
    .close = mem_close,
};

/* --- for the simulation ----------------------------------------------------------------------- */

struct store_mem *store_mem_new(void)
{
    struct store_mem *s = xcalloc(1, sizeof *s);
    s->current = xcalloc(1, sizeof *s->current);
    s->current->refs = 1;
    for (int t = 0; t < KV_TABLES; t++) {
        s->current->tables[t] = xcalloc(1, sizeof(struct rows));
        s->current->tables[t]->refs = 1;
    }
    return s;
}

void store_mem_free(struct store_mem *s)
{
    if (!s)
        return;
    version_unref(s->current);
    free(s);
}

struct kv *store_mem_open(struct store_mem *s)
{
    struct kv_mem *k = xcalloc(1, sizeof *k);
    *k = (struct kv_mem){{&mem_ops}, s, s->generation};
    return &k->kv;
}

void store_mem_crash(struct store_mem *s)
{
    s->generation++;
    s->commit_count = 0;
}

void store_mem_set_capacity(struct store_mem *s, uint64_t bytes)
{
    s->capacity = bytes;
}

void store_mem_fail_commit(struct store_mem *s, enum grid_err err, unsigned skip, unsigned count)
{
    s->commit_err = err;
    s->commit_skip = skip;
    s->commit_count = count;
}

bool store_mem_flip(struct store_mem *s, enum kv_table table, uint64_t nth, uint64_t bit)
{
    struct rows *r = s->current->tables[table];
    if (nth >= r->len || r->at[nth]->value.len == 0)
        return false;
    struct item *i = r->at[nth];
    i->bytes[i->key.len + bit / 8 % i->value.len] ^= (uint8_t)(1u << bit % 8);
    return true;
}
