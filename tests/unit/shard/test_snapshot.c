/* test_snapshot.c - snapshots of a partition against a model, while it is written, evicted,
 * checkpointed, and grows and shrinks between the slices.
 * LINK: shard replica control data base
 */
#include "shard/snapshot.h"

#include "base/prng.h"
#include "tests/unit/shard/harness.h"

enum { KEYS = 700, SEEDS = 60, STEPS = 2500 };

struct key_model {
    bool there;
    uint64_t version;
    msec_t deadline;
};

struct story {
    struct harness *h;
    struct prng r;
    uint32_t cache;
    size_t applied;
    struct key_model now[KEYS], then[KEYS]; /* as of the last record; as of the snapshot */
    msec_t begun;
    struct snapshot *snapshot;
    unsigned seen[KEYS];
    struct buf page;
    unsigned done, broken, fetched, side;
    unsigned puts; /* of 20 writes: few let the table shrink */
    bool wide;     /* the keys of the last writes: many, else few */
};

/* --- the model -------------------------------------------------------------------------------- */

static void model_apply(struct story *t)
{
    static struct effect effects[64];
    for (; t->applied < t->h->log_len; t->applied++) {
        struct record r;
        ck_assert_int_eq(record_decode(buf_slice(&t->h->log[t->applied].bytes), effects, 64, &r),
                         GRID_OK);
        for (size_t i = 0; i < r.effects_len; i++) {
            char text[16] = {0};
            memcpy(text, effects[i].key.data, effects[i].key.len);
            struct key_model *k = &t->now[atoi(text)];
            *k = (struct key_model){effects[i].kind == EFFECT_PUT, r.version, effects[i].deadline};
        }
    }
}

static void rows_take(struct story *t)
{
    t->page.len = 0;
    snapshot_take(t->snapshot, &t->page);
    for (size_t at = 0; at < t->page.len;) {
        struct snapshot_row row;
        char text[16] = {0};
        memcpy(&row, t->page.data + at, sizeof row);
        memcpy(text, t->page.data + at + sizeof row, row.key_len);
        const uint8_t *value = t->page.data + at + sizeof row + row.key_len;
        unsigned key = (unsigned)atoi(text);
        ck_assert_msg(t->then[key].there && t->then[key].version == row.version,
                      "key %u: version %llu was not there", key, (unsigned long long)row.version);
        ck_assert(row.value_len == 20 && value[0] == 'a' + key % 26);
        t->seen[key]++;
        at += sizeof row + row.key_len + row.value_len;
    }
}

static void snapshot_judge(const struct story *t)
{
    for (unsigned i = 0; i < KEYS; i++) {
        const struct key_model *k = &t->then[i];
        bool there = k->there && !(k->deadline && k->deadline <= t->begun);
        ck_assert_msg(t->seen[i] == there, "key %u came %u times", i, t->seen[i]);
    }
}

/* --- steps ------------------------------------------------------------------------------------ */

static void step_write(struct story *t)
{
    char key[16], value[21];
    uint64_t n = prng_below(&t->r, t->wide ? KEYS : 30);
    snprintf(key, sizeof key, "%llu", (unsigned long long)n);
    memset(value, 'a' + (int)(n % 26), 20);
    struct op op = h_op(prng_below(&t->r, 20) < t->puts ? OP_PUT : OP_DELETE, t->cache, key);
    op.value = slice_make(value, 20);
    if (prng_below(&t->r, 8) == 0) {
        op.ttl = TTL_SET;
        op.ttl_ms = 1 + prng_below(&t->r, 200);
    }
    h_do(t->h, op);
}

static void step_read(struct story *t)
{
    char key[16];
    snprintf(key, sizeof key, "%llu", (unsigned long long)prng_below(&t->r, KEYS));
    h_get(t->h, t->cache, key);
}

static void step_checkpoint(struct story *t)
{
    struct harness *h = t->h;
    h_durable(h);
    h_checkpoint_to(h, h->checkpointed + prng_below(&t->r, h->log_len - h->checkpointed + 1));
}

static void step_evict(struct story *t)
{
    step_checkpoint(t);
    h_set_limit(t->h, 1 + prng_below(&t->r, 60000));
    shard_tick(t->h->s, t->h->now);
    h_set_limit(t->h, 0);
}

static void step_cold(struct story *t)
{
    struct harness *h = t->h;
    for (uint64_t n = prng_below(&t->r, 6); n && h->questions_len; n--)
        h_cold_one(h, prng_below(&t->r, h->questions_len), GRID_OK);
}

static void step_tick(struct story *t)
{
    t->h->now += prng_below(&t->r, 20);
    shard_tick(t->h->s, t->h->now);
}

static void step_snapshot(struct story *t)
{
    struct harness *h = t->h;
    if (!t->snapshot) {
        model_apply(t);
        if (snapshot_begin(h->s, t->cache, 0, h->now, &t->snapshot))
            return;
        memcpy(t->then, t->now, sizeof t->then);
        memset(t->seen, 0, sizeof t->seen);
        t->begun = h->now;
        return;
    }
    size_t before = snapshot_bytes(t->snapshot);
    t->side += before > 0;
    enum snapshot_state state =
        snapshot_step(h->s, t->snapshot, 1 + (unsigned)prng_below(&t->r, 4));
    rows_take(t);
    if (state == SNAPSHOT_DONE)
        snapshot_judge(t);
    t->done += state == SNAPSHOT_DONE;
    t->broken += state == SNAPSHOT_BROKEN;
    if (state == SNAPSHOT_DONE || state == SNAPSHOT_BROKEN) {
        snapshot_end(h->s, t->snapshot);
        t->snapshot = NULL;
    }
}

static const struct {
    unsigned weight;
    void (*run)(struct story *t);
} steps[] = {
    {49, step_write}, {5, step_read}, {5, step_checkpoint}, {1, step_evict},
    {15, step_cold},  {3, step_tick}, {22, step_snapshot},
};

static void step(struct story *t)
{
    uint64_t n = prng_below(&t->r, 100);
    size_t i = 0;
    for (; n >= steps[i].weight; i++)
        n -= steps[i].weight;
    steps[i].run(t);
    if (prng_below(&t->r, 100) == 0)
        t->wide = !t->wide;
    if (prng_below(&t->r, 200) == 0)
        t->puts = t->puts > 10 ? 1 : 16;
    h_durable(t->h);
}

static void story_tell(struct story *t, uint64_t seed)
{
    t->h = h_new();
    t->r = (struct prng){seed * 7919 + 1};
    t->cache = h_cache(t->h, "default/default");
    t->h->page_max = 1 + (unsigned)prng_below(&t->r, 40);
    t->h->capture = prng_below(&t->r, 2);
    t->wide = true;
    t->puts = 16;
    for (unsigned i = 0; i < STEPS; i++)
        step(t);
    while (t->snapshot) {
        h_cold(t->h);
        step_snapshot(t);
    }
    h_free(t->h);
    buf_release(&t->page);
}

START_TEST(each_key_of_a_moment_comes_exactly_once_whatever_is_changed_meanwhile)
{
    unsigned done = 0, side = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct story *t = xcalloc(1, sizeof *t);
        story_tell(t, seed);
        done += t->done;
        side += t->side;
        free(t);
    }
    ck_assert_uint_gt(done, SEEDS); /* several each */
    ck_assert_uint_gt(side, SEEDS); /* what was replaced was kept */
}
END_TEST

/* --- cases ------------------------------------------------------------------------------------ */

static enum snapshot_state run_to_end(struct harness *h, struct snapshot *n, unsigned *ret_rows)
{
    struct buf page = BUF_INIT;
    enum snapshot_state state;
    while ((state = snapshot_step(h->s, n, SNAPSHOT_BUCKETS)) == SNAPSHOT_MORE)
        ;
    snapshot_take(n, &page);
    *ret_rows = 0;
    for (size_t at = 0; at < page.len; ++*ret_rows) {
        struct snapshot_row row;
        memcpy(&row, page.data + at, sizeof row);
        at += sizeof row + row.key_len + row.value_len;
    }
    buf_release(&page);
    return state;
}

START_TEST(what_is_not_committed_is_waited_for)
{
    struct harness *h = h_new();
    unsigned rows;
    struct snapshot *n;
    uint32_t c = h_cache(h, "default/default");
    h_put(h, c, "a", "1");
    ck_assert_int_eq(snapshot_begin(h->s, c, 0, h->now, &n), GRID_OK);
    ck_assert_int_eq(run_to_end(h, n, &rows), SNAPSHOT_WAITS);
    ck_assert_uint_eq(rows, 1);
    h_durable(h);
    ck_assert_int_eq(run_to_end(h, n, &rows), SNAPSHOT_DONE);
    snapshot_end(h->s, n);
    h_free(h);
}
END_TEST

START_TEST(one_at_a_time_reads_a_partition_and_other_caches_are_not_in_it)
{
    struct harness *h = h_new();
    unsigned rows;
    struct snapshot *n, *second;
    uint32_t c = h_cache(h, "default/default"), other = h_cache(h, "default/short");
    h_put(h, c, "a", "1");
    h_put(h, other, "a", "1");
    h_durable(h);
    ck_assert_int_eq(snapshot_begin(h->s, c, 0, h->now, &n), GRID_OK);
    ck_assert_int_eq(snapshot_begin(h->s, c, 0, h->now, &second), GRID_EBUSY);
    ck_assert_int_eq(snapshot_begin(h->s, c + 99, 0, h->now, &second), GRID_ENO_CACHE);
    h_put(h, other, "a", "2");
    ck_assert_int_eq(run_to_end(h, n, &rows), SNAPSHOT_DONE);
    ck_assert_uint_eq(rows, 1);
    snapshot_end(h->s, n);
    ck_assert_int_eq(snapshot_begin(h->s, other, 0, h->now, &n), GRID_OK);
    snapshot_end(h->s, n);
    h_free(h);
}
END_TEST

START_TEST(a_page_that_comes_when_nobody_wants_it_any_more_does_no_harm)
{
    struct harness *h = h_new();
    unsigned rows;
    struct snapshot *n;
    uint32_t c = h_cache(h, "default/default");
    h_put(h, c, "a", "1");
    h_checkpoint(h);
    h_evict(h);
    ck_assert_int_eq(snapshot_begin(h->s, c, 0, h->now, &n), GRID_OK);
    ck_assert_int_eq(run_to_end(h, n, &rows), SNAPSHOT_WAITS);
    snapshot_end(h->s, n);
    h_cold(h);
    struct answered *a = h_get(h, c, "a");
    h_cold(h);
    ck_value(a, "1");
    h_free(h);
}
END_TEST

START_TEST(too_much_that_is_changed_meanwhile_breaks_it)
{
    struct harness *h = h_new();
    static char value[(1 << 20) + 1];
    char key[16];
    struct snapshot *n;
    uint32_t c = h_cache(h, "default/default");
    memset(value, 'v', 1 << 20);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 40; i++) {
            snprintf(key, sizeof key, "%d", i);
            h_put(h, c, key, value);
        }
        h_durable(h);
        if (!round)
            ck_assert_int_eq(snapshot_begin(h->s, c, 0, h->now, &n), GRID_OK);
    }
    ck_assert_uint_le(snapshot_bytes(n), SNAPSHOT_KEPT_MAX + (2 << 20));
    ck_assert_int_eq(snapshot_step(h->s, n, 1), SNAPSHOT_BROKEN);
    snapshot_end(h->s, n);
    h_free(h);
}
END_TEST

UNIT_MAIN("shard/snapshot", each_key_of_a_moment_comes_exactly_once_whatever_is_changed_meanwhile,
          what_is_not_committed_is_waited_for,
          one_at_a_time_reads_a_partition_and_other_caches_are_not_in_it,
          a_page_that_comes_when_nobody_wants_it_any_more_does_no_harm,
          too_much_that_is_changed_meanwhile_breaks_it)
