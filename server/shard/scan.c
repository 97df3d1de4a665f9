/* scan.c - SCAN of one partition by pages.
 *
 *   MEMORY: the table by its own cursor. Of an incomplete partition only what is not clean: the
 *           rest is in the checkpoint.
 *   DISK:   the checkpoint in key order, memory overriding (tombstone: skip; resident: its value).
 *
 * A partition that was complete all through the MEMORY pass needs no DISK pass; the cursor
 * carries what tells: whether it was ever seen incomplete, and the number of evictions at the
 * start. Why a key present throughout comes at least once: it is clean when MEMORY passes it,
 * then it is in the checkpoint from then on, or it is not, then MEMORY gives it.
 *
 * The table is visited a bucket at a time, and a bucket in order of its keys, so that a page may
 * end inside one; when the table has changed its shape until the next page (the visit leads
 * elsewhere then), the bucket is given again from its start.
 *
 *   cursor = u8 pass | u64 epoch |
 *            MEMORY: u64 table cursor, u64 where that led, u64 evictions, u8 incomplete | last key
 *
 * With numbers for cursors (scan_number.c) pages are of whole buckets.
 *
 * A cursor comes from outside: lengths and ranges are checked, any table cursor is safe. One of
 * an earlier start of the node begins again, for tables differ. */
#include "shard/shard_priv.h"

#include <stdlib.h>

enum { CURSOR_HEAD = 9, CURSOR_MEMORY = CURSOR_HEAD + 25, SCAN_STEPS_MAX = 20000 };

/* --- cursors ---------------------------------------------------------------------------------- */

static size_t cursor_encode(const struct scan *c, uint64_t epoch, uint8_t *out)
{
    size_t len = CURSOR_HEAD;
    out[0] = (uint8_t)c->pass;
    store_u64(out + 1, epoch);
    if (c->pass == PASS_MEMORY) {
        store_u64(out + CURSOR_HEAD, c->at);
        store_u64(out + CURSOR_HEAD + 8, c->next);
        store_u64(out + CURSOR_HEAD + 16, c->evictions);
        out[CURSOR_HEAD + 24] = c->incomplete;
        len = CURSOR_MEMORY;
    }
    if (c->after.len)
        memcpy(out + len, c->after.data, c->after.len);
    return len + c->after.len;
}

struct scan scan_start(const struct partition *p)
{
    return (struct scan){.pass = PASS_MEMORY,
                         .evictions = p->evictions,
                         .incomplete = !content_complete(p->content)};
}

static bool cursor_foreign(const struct job *j)
{
    struct slice in = j->op->cursor;
    return in.len >= CURSOR_HEAD && load_u64(in.data + 1) != j->partition->scan_epoch;
}

static bool cursor_decode(struct slice in, const struct partition *p, struct scan *ret_scan)
{
    *ret_scan = scan_start(p);
    if (!in.len)
        return true;
    uint8_t pass = in.data[0];
    size_t head = pass == PASS_MEMORY ? CURSOR_MEMORY : CURSOR_HEAD;
    if ((pass != PASS_MEMORY && pass != PASS_DISK) || in.len < head ||
        in.len > head + KEY_BYTES_MAX)
        return false;
    if (load_u64(in.data + 1) != p->scan_epoch)
        return true;
    ret_scan->pass = pass;
    ret_scan->after = slice_make(in.data + head, in.len - head);
    if (pass == PASS_DISK)
        return p->context->info->durability != DURABILITY_MEMORY;
    ret_scan->at = load_u64(in.data + CURSOR_HEAD);
    ret_scan->next = load_u64(in.data + CURSOR_HEAD + 8);
    ret_scan->evictions = load_u64(in.data + CURSOR_HEAD + 16);
    ret_scan->incomplete = ret_scan->incomplete || in.data[CURSOR_HEAD + 24];
    return true;
}

/* --- a page ----------------------------------------------------------------------------------- */

struct page {
    struct job *job;
    struct scan_item *items;
    uint32_t len;
    size_t bytes;
    uint64_t newest; /* version that must be committed before the page is told (R6) */
    bool dirty_only;
};

static bool page_full(const struct page *g)
{
    return g->len >= g->job->op->limit || g->bytes >= SCAN_BYTES_MAX;
}

/* A hash that is larger than any value may be is shown without its value. */
static void page_add(struct page *g, const struct scan_item *item)
{
    struct shard *s = g->job->s;
    if (unlikely(g->len == s->items_cap)) { /* the last bucket of a page of whole ones */
        s->items_cap *= 2;
        s->items = g->items = xrealloc(s->items, s->items_cap, sizeof *s->items);
    }
    struct scan_item *to = &g->items[g->len++];
    *to = *item;
    if (g->job->op->keys_only || (to->type == VALUE_HASH && to->value.len > shard_value_max(s)))
        to->value = slice_make(NULL, 0);
    g->bytes += to->key.len + to->value.len + to->affinity.len;
}

/* Write a map down; its place is not known yet, but its length. */
static struct slice map_show(struct page *g, const struct entry *e)
{
    size_t bytes = fields_packed_bytes(entry_fields(e));
    if (!g->job->op->keys_only && bytes <= shard_value_max(g->job->s))
        fields_store(entry_fields(e), &g->job->s->shown);
    return slice_make(NULL, bytes);
}

static void page_entry(struct page *g, const struct entry *e)
{
    if (!slice_has_prefix(entry_key(e), g->job->op->prefix))
        return;
    if (entry_version(e) > g->newest)
        g->newest = entry_version(e);
    if (entry_is_tombstone(e) || entry_expired(e, g->job->now))
        return;
    struct scan_item item = {entry_key(e),      entry_value(e),    entry_version(e),
                             entry_deadline(e), entry_affinity(e), (uint8_t)entry_type(e)};
    if (entry_is_map(e))
        item.value = map_show(g, e);
    page_add(g, &item);
}

/* The maps were written down one after the other: now their place is known. */
static void maps_place(struct page *g)
{
    const uint8_t *at = g->job->s->shown.data;
    for (uint32_t i = 0; i < g->len; i++) {
        struct slice *value = &g->items[i].value;
        if (!value->data && value->len) {
            value->data = at;
            at += value->len;
        }
    }
}

static void page_reply(struct page *g, const struct scan *next)
{
    uint8_t cursor[CURSOR_MEMORY + KEY_BYTES_MAX];
    struct result res = {.items = g->items, .items_len = g->len};
    const struct job *j = g->job;
    maps_place(g);
    if (next && j->op->numbered)
        res.number =
            (int64_t)scan_number_make(&j->s->scan_numbers, j->partition, j->op->cache, next);
    else if (next)
        res.cursor = slice_make(cursor, cursor_encode(next, j->partition->scan_epoch, cursor));
    job_reply_at(g->job, g->newest, &res, NULL);
}

static struct page page_new(struct job *j)
{
    struct shard *s = j->s;
    if (!s->items) {
        s->items = xcalloc(SCAN_LIMIT_MAX, sizeof *s->items);
        s->items_cap = SCAN_LIMIT_MAX;
    }
    s->shown.len = 0;
    buf_shrink(&s->shown, SHOWN_KEEP);
    return (struct page){.job = j, .items = s->items};
}

/* --- the DISK pass ---------------------------------------------------------------------------- */

struct slice scan_before(struct slice prefix, uint8_t *out)
{
    if (!prefix.len)
        return prefix;
    memcpy(out, prefix.data, prefix.len);
    size_t last = prefix.len - 1;
    if (out[last]-- == 0)
        return slice_make(out, last);
    memset(out + prefix.len, 0xff, KEY_BYTES_MAX - prefix.len);
    return slice_make(out, KEY_BYTES_MAX);
}

static void disk_ask(struct job *j, const struct scan *c)
{
    uint8_t first[KEY_BYTES_MAX];
    if (!job_park(j))
        return;
    struct cold_range range = {.kind = COLD_SCAN,
                               .cache = cache_number(j->op->cache),
                               .after = c->after,
                               .limit = j->op->limit,
                               .bytes = SCAN_BYTES_MAX};
    if (!range.after.len)
        range.after = scan_before(j->op->prefix, first);
    j->parked->missing = 1;
    cold_ask_range(j->s, j->partition, &range, j->parked);
}

/* An entry of the checkpoint, unless memory knows better. */
static void page_cold(struct page *g, const struct cold_entry *e)
{
    struct job *j = g->job;
    struct content *content = j->partition->content;
    uint32_t cache = cache_number(j->op->cache);
    if (!slice_has_prefix(e->key, j->op->prefix))
        return;
    const struct entry *resident =
        content_get(content, cache, e->key, content_hash(content, cache, e->key));
    if (resident) {
        page_entry(g, resident);
        return;
    }
    if (content_complete(content) || (e->deadline && e->deadline <= j->now))
        return;
    struct scan_item item = {e->key, e->value, e->version, e->deadline, e->affinity, e->type};
    page_add(g, &item);
}

bool scan_beyond(struct slice key, struct slice prefix)
{
    return !slice_has_prefix(key, prefix) && slice_cmp(key, prefix) > 0;
}

static void disk_page(struct job *j, const struct cold_page *cold)
{
    struct page g = page_new(j);
    struct scan next = {.pass = PASS_DISK};
    size_t i = 0;
    for (; i < cold->len && !page_full(&g); i++) {
        next.after = cold->entries[i].key;
        if (scan_beyond(next.after, j->op->prefix)) {
            page_reply(&g, NULL);
            return;
        }
        page_cold(&g, &cold->entries[i]);
    }
    page_reply(&g, i < cold->len || !cold->done ? &next : NULL);
}

/* --- the MEMORY pass -------------------------------------------------------------------------- */

/* The entries of one bucket, of all caches. */
struct bucket {
    struct shard *s;
    size_t len;
};

static void bucket_add(void *arg, const struct entry *e)
{
    struct bucket *b = arg;
    struct shard *s = b->s;
    if (b->len == s->bucket_cap) {
        s->bucket_cap = s->bucket_cap ? s->bucket_cap * 2 : 16;
        s->bucket = xrealloc(s->bucket, s->bucket_cap, sizeof *s->bucket);
    }
    s->bucket[b->len++] = e;
}

static int entry_order(const void *a, const void *b)
{
    const struct entry *x = *(const struct entry *const *)a, *y = *(const struct entry *const *)b;
    return slice_cmp(entry_key(x), entry_key(y));
}

/* False: the page is full before the bucket is done. */
static bool page_bucket(struct page *g, const struct bucket *b, struct slice after, struct scan *c)
{
    const struct job *j = g->job;
    uint64_t clean = content_clean(j->partition->content);
    for (size_t i = 0; i < b->len; i++) {
        const struct entry *e = j->s->bucket[i];
        if (entry_cache(e) != cache_number(j->op->cache) ||
            (g->dirty_only && entry_version(e) <= clean) ||
            (after.len && slice_cmp(entry_key(e), after) <= 0))
            continue;
        if (page_full(g) && !j->op->numbered)
            return false;
        page_entry(g, e);
        c->after = entry_key(e);
    }
    return true;
}

/* Bucket by bucket until the page is full. True: there are more. */
static bool memory_pass(struct page *g, struct scan *c)
{
    struct shard *s = g->job->s;
    for (unsigned steps = 0; steps < SCAN_STEPS_MAX && !page_full(g); steps++) {
        struct bucket b = {.s = s};
        uint64_t next = content_scan(g->job->partition->content, c->at, bucket_add, &b);
        if (b.len > 1 && !g->job->op->numbered)
            qsort(s->bucket, b.len, sizeof(*s->bucket), entry_order);
        struct slice after = next == c->next ? c->after : slice_make(NULL, 0);
        c->next = next;
        if (!page_bucket(g, &b, after, c))
            return true;
        c->after = slice_make(NULL, 0);
        c->at = next;
        if (!next)
            return false;
    }
    return true;
}

static void memory_page(struct job *j, struct scan *c)
{
    struct partition *p = j->partition;
    struct page g = page_new(j);
    g.dirty_only = !content_complete(p->content);
    bool more = memory_pass(&g, c);
    if (more) {
        page_reply(&g, c);
        return;
    }
    bool disk = p->context->info->durability != DURABILITY_MEMORY &&
                (c->incomplete || p->evictions != c->evictions);
    struct scan next = {.pass = PASS_DISK};
    page_reply(&g, disk ? &next : NULL);
}

/* --- the op ----------------------------------------------------------------------------------- */

static bool scan_find(const struct job *j, struct scan *ret_scan)
{
    const struct op *op = j->op;
    if (!op->numbered)
        return cursor_decode(op->cursor, j->partition, ret_scan);
    *ret_scan = scan_number_find(&j->s->scan_numbers, j->partition, op->cache, op->number_cursor);
    return true;
}

void scan_run(struct job *j)
{
    const struct op *op = j->op;
    struct scan c;
    if (!op->limit || op->limit > SCAN_LIMIT_MAX || op->prefix.len > KEY_BYTES_MAX ||
        !scan_find(j, &c))
        job_fail(j, GRID_EBAD_REQUEST);
    else if (gate_copy(j) && cursor_foreign(j))
        job_fail(j, GRID_ENOT_PRIMARY); /* or a scan that went to the primary would never end */
    else if (j->parked && j->parked->page)
        disk_page(j, j->parked->page);
    else if (c.pass == PASS_DISK)
        disk_ask(j, &c);
    else
        memory_page(j, &c);
}
