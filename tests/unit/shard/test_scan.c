/* test_scan.c - pages, prefixes, hostile cursors, change while scanning.
 * LINK: shard replica control data base */
#include "base/prng.h"
#include "tests/unit/shard/harness.h"

enum { KEYS = 500 };

struct sweep { /* a whole scan: how often each key-N was seen */
    unsigned seen[KEYS];
    unsigned pages, others;
};

static struct op scan_op(uint32_t cache, uint32_t limit)
{
    return (struct op){.kind = OP_SCAN, .cache = cache, .limit = limit};
}

static void sweep_page(struct sweep *w, const struct answered *a)
{
    char *text = xalloc(a->keys.len + 1);
    if (a->keys.len)
        memcpy(text, a->keys.data, a->keys.len);
    text[a->keys.len] = 0;
    char *save = NULL;
    for (char *item = strtok_r(text, ";", &save); item; item = strtok_r(NULL, ";", &save)) {
        unsigned n;
        if (sscanf(item, "key-%u=", &n) == 1 && n < KEYS)
            w->seen[n]++;
        else
            w->others++;
    }
    free(text);
    w->pages++;
}

static struct op numbered(struct op op)
{
    op.numbered = true;
    return op;
}

typedef void between_fn(struct harness *h, uint32_t cache, unsigned page);

static void scan_all(struct harness *h, struct op op, between_fn *between, struct sweep *w)
{
    struct buf cursor = BUF_INIT;
    *w = (struct sweep){.pages = 0};
    do {
        op.cursor = buf_slice(&cursor);
        struct answered *a = h_do(h, op);
        h_cold(h);
        h_durable(h);
        ck_answer(a, GRID_OK);
        ck_assert_uint_le(a->items, op.limit + (op.numbered ? 100 : 0));
        sweep_page(w, a);
        buf_set(&cursor, buf_slice(&a->cursor));
        op.number_cursor = (uint64_t)a->number;
        ck_assert(!(op.numbered ? cursor.len : op.number_cursor));
        ck_assert_uint_eq(op.number_cursor >> SCAN_NUMBER_BITS, 0);
        if (between)
            between(h, op.cache, w->pages);
        ck_assert_uint_lt(w->pages, 1000);
    } while (cursor.len || op.number_cursor);
    buf_release(&cursor);
}

static void put_n(struct harness *h, uint32_t cache, unsigned n, const char *value)
{
    char key[16];
    snprintf(key, sizeof key, "key-%u", n);
    h_put(h, cache, key, value);
}

static void put_all(struct harness *h, uint32_t cache)
{
    for (unsigned i = 0; i < KEYS; i++)
        put_n(h, cache, i, "v");
    h_durable(h);
}

static void seen_once(const struct sweep *w)
{
    for (unsigned i = 0; i < KEYS; i++)
        ck_assert_uint_eq(w->seen[i], 1);
    ck_assert_uint_eq(w->others, 0);
}

START_TEST(a_scan_of_a_complete_partition_gives_each_key_once)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct sweep w;
    put_all(h, c);
    h_put(h, h_cache(h, "default/short"), "of another cache", "x");
    h_durable(h);
    scan_all(h, scan_op(c, 7), NULL, &w);
    seen_once(&w);
    scan_all(h, scan_op(c, 10000), NULL, &w);
    seen_once(&w);
    scan_all(h, scan_op(c, 1), NULL, &w); /* pages end inside buckets */
    seen_once(&w);
    scan_all(h, numbered(scan_op(c, 1)), NULL, &w);
    seen_once(&w);
    scan_all(h, numbered(scan_op(c, 10000)), NULL, &w);
    seen_once(&w);
    h_free(h);
}
END_TEST

START_TEST(a_scan_of_an_incomplete_partition_reads_memory_and_checkpoint)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct sweep w;
    put_all(h, c);
    h_checkpoint(h);
    h_restart(h, h->log_len, EPOCH + 1, 0);
    h_put(h, c, "fresh", "x");
    h_delete(h, c, "key-5");
    h_get(h, c, "key-6");
    h_cold(h);
    h_durable(h);
    for (int by_number = 0; by_number < 2; by_number++) {
        struct op op = scan_op(c, 50);
        op.numbered = by_number;
        scan_all(h, op, NULL, &w);
        for (unsigned i = 0; i < KEYS; i++)
            ck_assert_uint_eq(w.seen[i], i != 5);
        ck_assert_uint_eq(w.others, 1);
    }
    h_free(h);
}
END_TEST

START_TEST(a_prefix_gives_only_keys_that_begin_so)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct sweep w;
    put_all(h, c);
    struct op op = scan_op(c, 9);
    op.prefix = slice_str("key-1");
    scan_all(h, op, NULL, &w);
    for (int restarted = 0; restarted < 2; restarted++) {
        for (unsigned i = 0; i < KEYS; i++) {
            char key[16];
            snprintf(key, sizeof key, "key-%u", i);
            ck_assert_uint_eq(w.seen[i], strncmp(key, "key-1", 5) == 0);
        }
        h_checkpoint(h);
        h_restart(h, h->log_len, EPOCH + 1, 0);
        scan_all(h, op, NULL, &w);
    }
    h_free(h);
}
END_TEST

/* Writes, deletes, checkpoints and faults between pages; key-0 .. key-99 are left alone or
 * rewritten only. */
static struct prng change;

static void change_things(struct harness *h, uint32_t cache, unsigned page)
{
    for (int i = 0; i < 5; i++)
        put_n(h, cache, (unsigned)prng_below(&change, 100), "rewritten");
    char key[16];
    snprintf(key, sizeof key, "key-%u", 100 + (unsigned)prng_below(&change, 400));
    h_delete(h, cache, key);
    for (uint64_t n = prng_below(&change, 6) ? 1 : 50; n; n--) {
        snprintf(key, sizeof key, "grown-%u-%u", page, (unsigned)n);
        h_put(h, cache, key, "x");
    }
    h_cold(h);
    h_durable(h);
    if (prng_below(&change, 3) == 0)
        h_checkpoint_to(h, h->checkpointed + prng_below(&change, h->log_len - h->checkpointed + 1));
    if (prng_below(&change, 10) == 0) {
        h_checkpoint(h);
        h_evict(h);
        for (uint64_t n = prng_below(&change, 3); n; n--) {
            shard_tick(h->s, h->now); /* warm again before the next page */
            h_cold(h);
        }
    }
    if (prng_below(&change, 4) == 0)
        shard_tick(h->s, h->now);
}

START_TEST(a_key_present_throughout_is_given_at_least_once_whatever_changes)
{
    for (uint64_t seed = 0; seed < 80; seed++) {
        struct op op = scan_op(0, 13);
        op.numbered = seed >= 40;
        change.state = seed;
        struct harness *h = h_new();
        uint32_t c = h_cache(h, "default/default");
        struct sweep w;
        put_all(h, c);
        if (seed % 2) {
            h_checkpoint(h);
            h_restart(h, h->log_len, EPOCH + 1, 0);
        }
        h->capture = seed % 4 < 2;
        h->page_max = 20;
        op.cache = c;
        scan_all(h, op, change_things, &w);
        for (unsigned i = 0; i < 100; i++)
            ck_assert_msg(w.seen[i] >= 1, "seed %u key %u", (unsigned)seed, i);
        h_free(h);
    }
}
END_TEST

enum { FILLERS = 4000, FILLERS_STEP = 40 };

static void fillers_do(struct harness *h, uint32_t cache, enum op_kind kind, unsigned from,
                       unsigned len)
{
    static struct op ops[FILLERS];
    static char keys[FILLERS][16];
    for (unsigned i = 0; i < len; i++) {
        snprintf(keys[i], sizeof keys[i], "fill-%u", from + i);
        ops[i] = h_op(kind, cache, keys[i]);
    }
    struct answered *a =
        h_do(h, (struct op){.kind = OP_BATCH, .cache = cache, .batch = ops, .batch_len = len});
    h_durable(h);
    ck_answer(a, GRID_OK);
}

static void shrink(struct harness *h, uint32_t cache, unsigned page)
{
    if (page <= FILLERS / FILLERS_STEP)
        fillers_do(h, cache, OP_DELETE, (page - 1) * FILLERS_STEP, FILLERS_STEP);
}

START_TEST(a_table_that_shrinks_during_the_scan_loses_no_key)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct sweep w;
    fillers_do(h, c, OP_PUT, 0, FILLERS);
    put_all(h, c);
    scan_all(h, scan_op(c, 3), shrink, &w);
    for (unsigned i = 0; i < KEYS; i++)
        ck_assert_uint_ge(w.seen[i], 1);
    fillers_do(h, c, OP_PUT, 0, FILLERS);
    scan_all(h, numbered(scan_op(c, 3)), shrink, &w);
    for (unsigned i = 0; i < KEYS; i++)
        ck_assert_uint_ge(w.seen[i], 1);
    h_free(h);
}
END_TEST

START_TEST(a_scan_that_saw_a_pending_entry_waits_for_its_commit)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    h_put(h, c, "key-1", "v");
    struct answered *a = h_do(h, scan_op(c, 10));
    ck_waits(a);
    h_put(h, c, "key-1", "w");
    shard_durable(h->s, 1, h->now);
    ck_answer(a, GRID_OK);
    ck_assert(slice_eq(buf_slice(&a->keys), slice_str("key-1=v;")));
    h_free(h);
}
END_TEST

START_TEST(keys_only_leaves_values_out)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    h_put(h, c, "key-1", "v");
    h_durable(h);
    struct op op = scan_op(c, 10);
    op.keys_only = true;
    ck_assert(slice_eq(buf_slice(&h_do(h, op)->keys), slice_str("key-1=;")));
    h_free(h);
}
END_TEST

START_TEST(a_page_is_bounded_in_bytes)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    static char big[300001];
    memset(big, 'b', sizeof big - 1);
    for (unsigned i = 0; i < 20; i++)
        put_n(h, c, i, big);
    h_durable(h);
    struct sweep w;
    scan_all(h, scan_op(c, 10000), NULL, &w);
    ck_assert_uint_ge(w.pages, 5);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_uint_eq(w.seen[i], 1);
    h_free(h);
}
END_TEST

START_TEST(hostile_cursors_are_refused_or_harmless)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    put_all(h, c);
    struct prng r = {1};
    uint8_t bytes[600];
    for (unsigned i = 0; i < 2000; i++) {
        struct op op = scan_op(c, 10);
        size_t len = i < 1000 ? prng_below(&r, 40) : prng_below(&r, sizeof bytes);
        for (size_t k = 0; k < len; k++)
            bytes[k] = (uint8_t)prng_next(&r);
        bytes[0] = (uint8_t)prng_below(&r, 4);
        if (prng_below(&r, 2))
            store_u64(bytes + 1, EPOCH);
        op.cursor = slice_make(bytes, len);
        struct answered *a = h_do(h, op);
        h_cold(h);
        ck_assert_int_eq(a->times, 1);
        ck_assert(a->status == GRID_OK || a->status == GRID_EBAD_REQUEST);
    }
    struct op op = scan_op(c, 0);
    ck_answer(h_do(h, op), GRID_EBAD_REQUEST);
    h_free(h);
}
END_TEST

START_TEST(a_cursor_of_an_earlier_start_begins_again)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    put_all(h, c);
    struct answered *a = h_do(h, scan_op(c, 400));
    h_restart(h, h->log_len, EPOCH + 1, 0);
    struct op op = scan_op(c, 10000);
    op.cursor = buf_slice(&a->cursor);
    struct answered *b = h_do(h, op);
    ck_answer(b, GRID_OK);
    ck_assert_uint_eq(b->items, KEYS);
    h_free(h);
}
END_TEST

START_TEST(any_number_is_a_safe_cursor)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    put_all(h, c);
    struct prng r = {2};
    struct sweep w;
    for (unsigned i = 0; i < 1000; i++) {
        struct op op = numbered(scan_op(c, 100));
        op.number_cursor = prng_next(&r) >> prng_below(&r, 64);
        struct answered *a = h_do(h, op);
        h_cold(h);
        ck_answer(a, GRID_OK);
        ck_assert_uint_eq((uint64_t)a->number >> SCAN_NUMBER_BITS, 0);
    }
    struct op op = numbered(scan_op(c, 100));
    op.number_cursor = UINT64_MAX;
    scan_all(h, op, NULL, &w);
    seen_once(&w);
    h_free(h);
}
END_TEST

START_TEST(a_number_of_an_earlier_start_begins_again)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    put_all(h, c);
    struct answered *a = h_do(h, numbered(scan_op(c, 400)));
    ck_assert_int_ne(a->number, 0);
    h_restart(h, h->log_len, EPOCH + 1, 0);
    struct op op = numbered(scan_op(c, 10000));
    op.number_cursor = (uint64_t)a->number;
    struct answered *b = h_do(h, op);
    ck_answer(b, GRID_OK);
    ck_assert_uint_eq(b->items, KEYS);
    h_free(h);
}
END_TEST

/* A page of an incomplete partition, its answer being nobody's. */
static void page_unheard(struct harness *h, uint32_t cache, uint64_t cursor)
{
    struct op op = numbered(scan_op(cache, 10));
    op.number_cursor = cursor;
    op.ticket.number = ANSWERS_MAX;
    shard_submit(h->s, &op, h->now);
    h_cold(h);
}

START_TEST(a_number_that_was_forgotten_begins_again)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct sweep w;
    put_all(h, c);
    h_checkpoint(h);
    h_restart(h, h->log_len, EPOCH + 1, 0);
    struct op op = numbered(scan_op(c, 400));
    op.number_cursor = (uint64_t)h_do(h, op)->number; /* on disk, from the start */
    ck_assert_uint_ne(op.number_cursor, 0);
    struct answered *page = h_do(h, op);
    h_cold(h);
    uint64_t known = (uint64_t)page->number;
    ck_assert_uint_ne(known, 0);
    for (unsigned i = 0; i < 4095; i++)
        page_unheard(h, c, op.number_cursor);
    op.number_cursor = known;
    page = h_do(h, op);
    h_cold(h);
    ck_assert_uint_eq(page->items, 100); /* the rest */
    page_unheard(h, c, known);
    page_unheard(h, c, 0);
    op.number_cursor = known;
    scan_all(h, op, NULL, &w);
    seen_once(&w);
    h_free(h);
}
END_TEST

UNIT_MAIN("shard/scan", a_scan_of_a_complete_partition_gives_each_key_once,
          a_scan_of_an_incomplete_partition_reads_memory_and_checkpoint,
          a_prefix_gives_only_keys_that_begin_so,
          a_key_present_throughout_is_given_at_least_once_whatever_changes,
          a_table_that_shrinks_during_the_scan_loses_no_key,
          a_scan_that_saw_a_pending_entry_waits_for_its_commit, keys_only_leaves_values_out,
          a_page_is_bounded_in_bytes, hostile_cursors_are_refused_or_harmless,
          a_cursor_of_an_earlier_start_begins_again, any_number_is_a_safe_cursor,
          a_number_of_an_earlier_start_begins_again, a_number_that_was_forgotten_begins_again)
