/* attempt_scan.c - what an attempt scans: a snapshot of the cache in its partition, as of one
 * moment, in the order of its keys, from which pages are cut. Cursors say where a page ended:
 *
 *   k KEY     behind that key of a snapshot; of one that is not kept any more: of a new one
 *   l CURSOR  of pages that are read one by one, each of a moment of its own: of what is too large,
 *             or led by a node that knows nothing of snapshots for jobs */
#include "node/jobs_priv.h"

#include "base/alloc.h"
#include "data/value.h"
#include "shard/snapshot.h"

#include <stdlib.h>

enum { PAGE_BYTES = 1 << 20, OF_SNAPSHOT = 'k', LIVE = 'l' };

struct attempt_snapshot {
    uint32_t cache;
    struct buf prefix;
    struct inside_answer answer;
    const uint8_t **rows; /* by their keys */
    size_t len;
};

static struct snapshot_row head_of(const uint8_t *row)
{
    struct snapshot_row head;
    memcpy(&head, row, sizeof head);
    return head;
}

static struct slice key_of(const uint8_t *row)
{
    return slice_make(row + sizeof(struct snapshot_row), head_of(row).key_len);
}

static int row_order(const void *a, const void *b)
{
    return slice_cmp(key_of(*(const uint8_t *const *)a), key_of(*(const uint8_t *const *)b));
}

static void snapshot_free(struct attempt_snapshot *s)
{
    if (!s)
        return;
    buf_release(&s->prefix);
    inside_answer_release(&s->answer);
    free(s->rows);
    free(s);
}

void attempt_scans_forget(struct attempt *a)
{
    for (size_t i = 0; i < SCANS_KEPT; i++) {
        snapshot_free(a->scans[i]);
        a->scans[i] = NULL;
    }
}

/* What another node sent. False: it is no snapshot. */
static bool rows_read(struct attempt_snapshot *s, struct slice in)
{
    size_t cap = 0;
    for (size_t at = 0; at < in.len;) {
        if (in.len - at < sizeof(struct snapshot_row))
            return false;
        struct snapshot_row head = head_of(in.data + at);
        size_t len = sizeof head + head.key_len + (size_t)head.value_len;
        if (in.len - at < len || !head.key_len || head.key_len > KEY_BYTES_MAX)
            return false;
        if (s->len == cap) {
            cap = cap ? 2 * cap : 64;
            s->rows = xrealloc(s->rows, cap, sizeof *s->rows);
        }
        s->rows[s->len++] = in.data + at;
        at += len;
    }
    if (s->len)
        qsort(s->rows, s->len, sizeof *s->rows, row_order);
    return true;
}

static enum grid_err snapshot_ask(struct attempt *a, uint32_t cache, struct slice prefix,
                                  struct attempt_snapshot **ret_snapshot)
{
    uint8_t key[JOB_KEY_BYTES];
    job_id_key(&a->id, key);
    const struct slice at = slice_make(key, sizeof key);
    const struct slice args[JOB_SCAN_ARGS] = {slice_str("scan"), prefix};
    struct op op = {.kind = OP_CALL,
                    .procedure = command_job_scan,
                    .aside = true,
                    .reads_only = true,
                    .asks_again = true,
                    .cache = cache,
                    .partition = a->partition,
                    .slot = job_id_slot(&a->id),
                    .key = at,
                    .keys = &at,
                    .keys_len = 1,
                    .args = args,
                    .args_len = JOB_SCAN_ARGS};
    enum grid_err err = attempt_ask(a, &op);
    if (err)
        return err;
    struct attempt_snapshot *s = xcalloc(1, sizeof *s);
    s->cache = cache;
    s->answer = a->answer;
    a->answer = (struct inside_answer){.memory = NULL};
    if (prefix.len)
        buf_add(&s->prefix, prefix.data, prefix.len);
    if (!rows_read(s, s->answer.result.value)) {
        snapshot_free(s);
        return GRID_EDAMAGED;
    }
    *ret_snapshot = s;
    return GRID_OK;
}

static struct attempt_snapshot *snapshot_kept(const struct attempt *a, uint32_t cache,
                                              struct slice prefix)
{
    for (size_t i = 0; i < SCANS_KEPT; i++) {
        struct attempt_snapshot *s = a->scans[i];
        if (s && s->cache == cache && slice_eq(buf_slice(&s->prefix), prefix))
            return s;
    }
    return NULL;
}

/* In place of one of the same question, or of the oldest. */
static void snapshot_keep(struct attempt *a, struct attempt_snapshot *s)
{
    const struct attempt_snapshot *same = snapshot_kept(a, s->cache, buf_slice(&s->prefix));
    size_t at = 0;
    while (at < SCANS_KEPT - 1 && (!same || a->scans[at] != same))
        at++;
    snapshot_free(a->scans[at]);
    memmove(a->scans + 1, a->scans, at * sizeof *a->scans);
    a->scans[0] = s;
}

/* The first row behind `key`. */
static size_t row_behind(const struct attempt_snapshot *s, struct slice key)
{
    size_t low = 0, high = s->len;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (slice_cmp(key_of(s->rows[mid]), key) <= 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void cursor_set(struct attempt *a, uint8_t kind, struct slice what)
{
    a->cursor.len = 0;
    buf_add_u8(&a->cursor, kind);
    if (what.len)
        buf_add(&a->cursor, what.data, what.len);
}

static void page_cut(struct attempt *a, const struct attempt_snapshot *s, size_t from,
                     uint32_t limit, struct job_page *ret_page)
{
    size_t len = 0, bytes = 0;
    a->items = xrealloc(a->items, (size_t)limit + 1, sizeof *a->items);
    for (size_t i = from; i < s->len && len < limit && bytes < PAGE_BYTES; i++) {
        struct snapshot_row head = head_of(s->rows[i]);
        enum value_type type = (enum value_type)head.type;
        struct slice key = key_of(s->rows[i]);
        struct slice value = slice_make(key.data + key.len, head.value_len);
        bool is_bytes = value_is_bytes(type);
        a->items[len] = (struct job_item){.key = key, .version = head.version, .hash = !is_bytes};
        if (is_bytes)
            a->items[len].value = value_bytes(type, value);
        len++;
        bytes += head.value_len;
    }
    *ret_page = (struct job_page){a->items, len, {NULL, 0}};
    if (from + len == s->len)
        return;
    cursor_set(a, OF_SNAPSHOT, a->items[len - 1].key);
    ret_page->cursor = buf_slice(&a->cursor);
}

static enum grid_err live(struct attempt *a, uint32_t cache, struct slice prefix,
                          struct slice cursor, uint32_t limit, struct job_page *ret_page)
{
    struct op op = {.kind = OP_SCAN,
                    .cache = cache,
                    .partition = a->partition,
                    .slot = job_id_slot(&a->id),
                    .prefix = prefix,
                    .cursor = cursor,
                    .limit = limit};
    enum grid_err err = attempt_ask(a, &op);
    if (err)
        return err;
    const struct result *res = &a->answer.result;
    a->items = xrealloc(a->items, res->items_len + 1, sizeof *a->items);
    for (uint32_t i = 0; i < res->items_len; i++) {
        const struct scan_item *it = &res->items[i];
        bool bytes = value_is_bytes((enum value_type)it->type);
        a->items[i] = (struct job_item){.key = it->key, .version = it->version, .hash = !bytes};
        if (bytes)
            a->items[i].value = value_bytes((enum value_type)it->type, it->value);
    }
    *ret_page = (struct job_page){a->items, res->items_len, {NULL, 0}};
    if (res->cursor.len) {
        cursor_set(a, LIVE, res->cursor);
        ret_page->cursor = buf_slice(&a->cursor);
    }
    return GRID_OK;
}

enum grid_err attempt_scan(void *ctx, uint32_t cache, struct slice prefix, struct slice cursor,
                           uint32_t limit, struct job_page *ret_page)
{
    struct attempt *a = ctx;
    struct slice behind = cursor.len ? slice_make(cursor.data + 1, cursor.len - 1) : cursor;
    if (cursor.len && cursor.data[0] != OF_SNAPSHOT && cursor.data[0] != LIVE)
        return GRID_EBAD_REQUEST;
    if (cursor.len && cursor.data[0] == LIVE)
        return live(a, cache, prefix, behind, limit, ret_page);
    struct attempt_snapshot *s = cursor.len ? snapshot_kept(a, cache, prefix) : NULL;
    if (!s) {
        enum grid_err err = snapshot_ask(a, cache, prefix, &s);
        if (err == GRID_ETOO_LARGE || err == GRID_EUNSUPPORTED)
            return live(a, cache, prefix, slice_make(NULL, 0), limit, ret_page);
        if (err)
            return err;
        snapshot_keep(a, s);
    }
    page_cut(a, s, cursor.len ? row_behind(s, behind) : 0, limit, ret_page);
    return GRID_OK;
}
