/* test_content.c - a partition against a naive model, and its rules one by one.
 * LINK: data base */
#include "base/alloc.h"
#include "base/prng.h"
#include "data/content.h"
#include "tests/lib/unit.h"

#include <stdio.h>

enum { KEYS = 200, CACHES = 3 };

struct world {
    struct entry_pool *pool;
    struct content *c;
    uint64_t version;
};

static struct world world_new(uint64_t seed)
{
    struct world w = {.pool = entry_pool_new()};
    w.c = content_new(w.pool, seed);
    return w;
}

/* One with a checkpoint. */
static struct world world_new_stored(uint64_t seed)
{
    struct world w = world_new(seed);
    content_set_stored(w.c);
    return w;
}

static void world_free(struct world *w)
{
    content_check(w->c);
    content_free(w->c);
    ck_assert_uint_eq(slab_used(entry_pool_slab(w->pool)), 0);
    entry_pool_free(w->pool);
}

static const struct entry *get(struct world *w, uint32_t cache, const char *key)
{
    struct slice k = slice_str(key);
    return content_get(w->c, cache, k, content_hash(w->c, cache, k));
}

static bool live(const struct entry *e)
{
    return e && !entry_is_tombstone(e);
}

static struct effect put(const char *key, const char *value, bool created)
{
    return (struct effect){.kind = EFFECT_PUT,
                           .created = created,
                           .cache = 1,
                           .key = slice_str(key),
                           .value = slice_str(value)};
}

static struct effect removal(const char *key)
{
    return (struct effect){.kind = EFFECT_REMOVE, .cache = 1, .key = slice_str(key)};
}

static uint64_t apply(struct world *w, const struct effect *effects, size_t len)
{
    struct record rec = {.version = ++w->version, .effects = effects, .effects_len = len};
    ck_assert_int_eq(content_stage(w->c, &rec), GRID_OK);
    content_apply(w->c, &rec);
    return rec.version;
}

static uint64_t apply_one(struct world *w, struct effect e)
{
    return apply(w, &e, 1);
}

static enum grid_err insert_cold(struct world *w, const char *key, const char *value,
                                 uint64_t version)
{
    struct entry_parts parts = {
        .key = slice_str(key), .value = slice_str(value), .version = version, .cache = 1};
    return content_insert_cold(w->c, &parts, content_hash(w->c, 1, parts.key));
}

/* Evict with a budget that is never the limit. */
static uint64_t evict(struct world *w, enum evict_mode mode, size_t bytes)
{
    unsigned steps;
    uint64_t entries;
    content_evict(w->c, mode, bytes, 100000, &steps, &entries);
    return entries;
}

START_TEST(an_entry_keeps_all_its_parts)
{
    struct world w = world_new(1);
    struct effect e = put("key", "value", true);
    e.affinity = slice_str("affinity");
    e.deadline = 77;
    apply_one(&w, e);
    const struct entry *found = get(&w, 1, "key");
    ck_assert(slice_eq(entry_key(found), slice_str("key")));
    ck_assert(slice_eq(entry_value(found), slice_str("value")));
    ck_assert(slice_eq(entry_affinity(found), slice_str("affinity")));
    ck_assert_uint_eq(entry_deadline(found), 77);
    ck_assert_uint_eq(entry_version(found), 1);
    ck_assert(entry_expired(found, 77) && !entry_expired(found, 76));
    world_free(&w);
}
END_TEST

START_TEST(values_and_caches_of_any_size_keep_all_their_parts)
{
    static const size_t lengths[] = {0, 1, 254, 255, 256, 1000, 70000};
    static const uint32_t caches[] = {0, 255, 256, UINT16_MAX};
    static uint8_t value[70000];
    struct world w = world_new(1);
    for (unsigned n = 0; n < 7 * 4 * 4; n++) {
        struct effect e = put("key", "", n < 4);
        e.cache = caches[n % 4];
        e.created = n < 4;
        e.value = slice_make(value, lengths[n / 4 % 7]);
        e.deadline = n % 3 ? 1000 + n : 0;
        e.affinity = slice_str(n % 5 ? "affinity" : "");
        apply_one(&w, e);
        const struct entry *found = get(&w, e.cache, "key");
        ck_assert_uint_eq(entry_cache(found), e.cache);
        ck_assert(slice_eq(entry_key(found), e.key) && slice_eq(entry_value(found), e.value));
        ck_assert(slice_eq(entry_affinity(found), e.affinity));
        ck_assert_uint_eq(entry_deadline(found), e.deadline);
        content_check(w.c);
    }
    for (unsigned i = 0; i < 4; i++) {
        struct effect e = removal("key");
        e.cache = caches[i];
        apply_one(&w, e);
        ck_assert(entry_is_tombstone(get(&w, caches[i], "key")));
        ck_assert_uint_eq(entry_cache(get(&w, caches[i], "key")), caches[i]);
        content_check(w.c);
    }
    content_committed(w.c, w.version);
    ck_assert_ptr_null(get(&w, UINT16_MAX, "key"));
    world_free(&w);
}
END_TEST

START_TEST(a_staged_record_that_is_given_back_leaves_nothing)
{
    struct world w = world_new(1);
    size_t bytes = content_bytes(w.c);
    struct effect effects[] = {put("a", "1", true), put("b", "2", true)};
    struct record rec = {.version = 1, .effects = effects, .effects_len = 2};
    ck_assert_int_eq(content_stage(w.c, &rec), GRID_OK);
    content_unstage(w.c);
    ck_assert_uint_eq(content_bytes(w.c), bytes);
    ck_assert_ptr_null(get(&w, 1, "a"));
    world_free(&w);
}
END_TEST

START_TEST(a_record_may_borrow_from_the_entry_it_replaces)
{
    struct world w = world_new(1);
    apply_one(&w, put("key", "the value", true));
    struct effect e = put("key", "", false);
    e.value = entry_value(get(&w, 1, "key"));
    e.deadline = 5;
    apply_one(&w, e);
    ck_assert(slice_eq(entry_value(get(&w, 1, "key")), slice_str("the value")));
    ck_assert_uint_eq(content_count(w.c, 1), 1);
    world_free(&w);
}
END_TEST

START_TEST(a_referenced_entry_outlives_its_replacement_and_its_content)
{
    struct world w = world_new(1);
    apply_one(&w, put("key", "old", true));
    const struct entry *old = get(&w, 1, "key");
    entry_ref(w.pool, old);
    entry_ref(w.pool, old);
    apply_one(&w, put("key", "new", false));
    ck_assert(slice_eq(entry_value(old), slice_str("old")));
    entry_unref(w.pool, old);
    const struct entry *new = get(&w, 1, "key");
    entry_ref(w.pool, new);
    content_free(w.c);
    ck_assert(slice_eq(entry_value(old), slice_str("old")));
    ck_assert(slice_eq(entry_value(new), slice_str("new")));
    entry_unref(w.pool, old);
    entry_unref(w.pool, new);
    w.c = content_new(w.pool, 1);
    world_free(&w);
}
END_TEST

START_TEST(many_references_are_counted_apart)
{
    enum { N = 500 };
    struct world w = world_new(1);
    const struct entry *entries[N];
    struct prng r = {3};
    for (unsigned i = 0; i < N; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        apply_one(&w, put(key, key, true));
        entry_ref(w.pool, entries[i] = get(&w, 1, key));
    }
    for (unsigned i = 0; i < N; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        apply_one(&w, removal(key));
    }
    for (unsigned left = N; left; left--) {
        unsigned i = (unsigned)prng_below(&r, left);
        ck_assert(slice_eq(entry_value(entries[i]), entry_key(entries[i])));
        entry_unref(w.pool, entries[i]);
        entries[i] = entries[left - 1];
    }
    world_free(&w);
}
END_TEST

START_TEST(a_tombstone_stays_while_its_removal_is_pending)
{
    struct world w = world_new(1);
    content_committed(w.c, apply_one(&w, put("key", "v", true)));
    uint64_t version = apply_one(&w, removal("key"));
    ck_assert(entry_is_tombstone(get(&w, 1, "key")));
    ck_assert_uint_eq(content_count(w.c, 1), 0);
    content_check(w.c);
    ck_assert(!content_committed(w.c, version));
    ck_assert_ptr_null(get(&w, 1, "key"));
    ck_assert_uint_eq(content_left(w.c), version);
    world_free(&w);
}
END_TEST

START_TEST(a_tombstone_of_a_content_with_a_checkpoint_stays_until_it_is_clean)
{
    struct world w = world_new_stored(1);
    content_set_complete(w.c, false);
    content_set_count(w.c, 1, 1);
    uint64_t version = apply_one(&w, removal("key"));
    content_committed(w.c, version);
    ck_assert(entry_is_tombstone(get(&w, 1, "key")));
    ck_assert_int_eq(insert_cold(&w, "key", "old", 0), GRID_OK);
    ck_assert(entry_is_tombstone(get(&w, 1, "key")));
    content_cleaned(w.c, version);
    ck_assert_ptr_null(get(&w, 1, "key"));
    ck_assert_uint_eq(content_count(w.c, 1), 0);
    world_free(&w);
}
END_TEST

START_TEST(a_put_over_a_tombstone_lives)
{
    struct world w = world_new(1);
    apply_one(&w, put("key", "1", true));
    apply_one(&w, removal("key"));
    uint64_t version = apply_one(&w, put("key", "2", true));
    content_check(w.c);
    content_committed(w.c, version);
    ck_assert(live(get(&w, 1, "key")));
    ck_assert_uint_eq(content_count(w.c, 1), 1);
    world_free(&w);
}
END_TEST

START_TEST(many_tombstones_are_dropped_in_slices)
{
    enum { N = 1000 };
    struct world w = world_new(1);
    for (unsigned i = 0; i < N; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        apply_one(&w, put(key, "v", true));
        apply_one(&w, removal(key));
    }
    unsigned slices = 1;
    for (bool more = content_committed(w.c, w.version); more; more = content_tidy(w.c))
        slices++;
    ck_assert_uint_gt(slices, 5);
    ck_assert_ptr_null(get(&w, 1, "0"));
    ck_assert_ptr_null(get(&w, 1, "999"));
    world_free(&w);
}
END_TEST

START_TEST(a_cold_entry_never_replaces_a_resident_one)
{
    struct world w = world_new_stored(1);
    content_set_complete(w.c, false);
    apply_one(&w, put("key", "new", true));
    ck_assert_int_eq(insert_cold(&w, "key", "old", 1), GRID_OK);
    ck_assert(slice_eq(entry_value(get(&w, 1, "key")), slice_str("new")));
    ck_assert_int_eq(insert_cold(&w, "other", "cold", 1), GRID_OK);
    ck_assert(slice_eq(entry_value(get(&w, 1, "other")), slice_str("cold")));
    ck_assert_int_eq(insert_cold(&w, "", "no key", 1), GRID_ECORRUPT);
    world_free(&w);
}
END_TEST

START_TEST(only_clean_entries_are_evicted_and_counts_stay)
{
    struct world w = world_new_stored(1);
    content_committed(w.c, apply_one(&w, put("clean", "v", true)));
    content_cleaned(w.c, w.version);
    content_committed(w.c, apply_one(&w, put("dirty", "v", true)));
    apply_one(&w, put("pending", "v", true));
    ck_assert_uint_eq(evict(&w, EVICT_CLEAN, SIZE_MAX), 1);
    ck_assert(!content_complete(w.c));
    ck_assert_ptr_null(get(&w, 1, "clean"));
    ck_assert(live(get(&w, 1, "dirty")) && live(get(&w, 1, "pending")));
    ck_assert_uint_eq(content_count(w.c, 1), 3);
    world_free(&w);
}
END_TEST

START_TEST(a_removal_that_is_not_clean_does_not_keep_clean_entries_in_memory)
{
    struct world w = world_new_stored(1);
    content_committed(w.c, apply_one(&w, put("a", "v", true)));
    content_committed(w.c, apply_one(&w, put("b", "v", true)));
    content_cleaned(w.c, w.version);
    content_committed(w.c, apply_one(&w, removal("a")));
    ck_assert_uint_eq(evict(&w, EVICT_CLEAN, SIZE_MAX), 1);
    ck_assert(!content_complete(w.c));
    ck_assert_int_eq(insert_cold(&w, "a", "v", 1), GRID_OK);
    ck_assert(entry_is_tombstone(get(&w, 1, "a")));
    content_cleaned(w.c, w.version);
    ck_assert_ptr_null(get(&w, 1, "a"));
    world_free(&w);
}
END_TEST

START_TEST(an_entry_in_use_survives_one_pass_of_the_hand)
{
    enum { N = 400 };
    struct world w = world_new(1);
    char key[16];
    for (unsigned i = 0; i < N; i++) {
        snprintf(key, sizeof key, "%u", i);
        content_committed(w.c, apply_one(&w, put(key, "some value of no interest", true)));
    }
    size_t all = content_bytes(w.c);
    evict(&w, EVICT_FOR_EVER, 1); /* takes the mark of use off entries on its way */
    while (content_bytes(w.c) > all / 2) {
        get(&w, 1, "7");
        get(&w, 1, "8");
        evict(&w, EVICT_FOR_EVER, 200);
    }
    ck_assert(live(get(&w, 1, "7")) || live(get(&w, 1, "8")));
    ck_assert(content_complete(w.c));
    ck_assert_uint_lt(content_count(w.c, 1), N);
    world_free(&w);
}
END_TEST

START_TEST(deadlines_come_due_in_order)
{
    struct world w = world_new(1);
    struct prng r = {9};
    for (unsigned i = 0; i < 500; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", (unsigned)prng_below(&r, 300));
        struct effect e = put(key, "v", !live(get(&w, 1, key)));
        e.deadline = prng_below(&r, 4) ? 1 + prng_below(&r, 1000) : 0;
        apply_one(&w, e);
    }
    content_check(w.c);
    msec_t before = 0;
    ck_assert_ptr_null(content_due(w.c, 0));
    while (content_expiry_next(w.c)) {
        msec_t next = content_expiry_next(w.c);
        ck_assert_uint_ge(next, before);
        ck_assert_ptr_null(content_due(w.c, next - 1));
        const struct entry *due = content_due(w.c, next);
        ck_assert_uint_eq(entry_deadline(due), next);
        apply_one(&w, (struct effect){.kind = EFFECT_EXPIRE, .cache = 1, .key = entry_key(due)});
        before = next;
    }
    content_committed(w.c, w.version);
    world_free(&w);
}
END_TEST

static bool is_cache(void *ctx, uint16_t cache)
{
    return cache == *(const uint16_t *)ctx;
}

START_TEST(a_dropped_cache_is_purged_in_slices_and_others_stay)
{
    enum { N = 500 };
    struct world w = world_new(1);
    for (unsigned i = 0; i < N; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        struct effect effects[] = {put(key, "v", true), put(key, "v", true)};
        effects[1].cache = 2;
        effects[1].deadline = 1000 + i;
        apply(&w, effects, 2);
    }
    apply_one(&w, (struct effect){.kind = EFFECT_REMOVE, .cache = 2, .key = slice_str("3")});
    uint16_t gone = 2;
    uint64_t cursor = 0;
    unsigned slices = 1, buckets = 5;
    for (; !content_purge(w.c, is_cache, &gone, &cursor, &buckets); slices++, buckets = 5) {
        ck_assert_uint_eq(buckets, 0);
        content_check(w.c);
    }
    ck_assert_uint_gt(slices, 5);
    ck_assert_uint_eq(content_count(w.c, 1), N);
    ck_assert_uint_eq(content_count(w.c, 2), 0);
    ck_assert_ptr_null(get(&w, 2, "3"));
    ck_assert_uint_eq(content_expiry_next(w.c), 0);
    world_free(&w);
}
END_TEST

START_TEST(a_session_result_is_found_again_and_ends_by_effect)
{
    struct world w = world_new(1);
    struct record rec = {.version = 1, .has_session = true, .time_ms = 5};
    rec.session = (struct record_session){
        .id = {{1, 2, 3}}, .number = 4, .lowest = 4, .status = GRID_ECONDITION, .result = -9};
    ck_assert_int_eq(content_stage(w.c, &rec), GRID_OK);
    content_apply(w.c, &rec);
    struct session_answer answer;
    ck_assert_int_eq(sessions_find(content_sessions(w.c), &rec.session, &answer), SESSION_REPEATED);
    ck_assert_int_eq(answer.status, GRID_ECONDITION);
    ck_assert_int_eq(answer.result, -9);
    ck_assert_uint_eq(answer.version, 1);
    w.version = 1;
    apply_one(&w, (struct effect){.kind = EFFECT_SESSION_END,
                                  .key = slice_make(rec.session.id.bytes, SESSION_ID_BYTES)});
    ck_assert_int_eq(sessions_find(content_sessions(w.c), &rec.session, &answer), SESSION_NEW);
    world_free(&w);
}
END_TEST

/* --- the model -------------------------------------------------------------------------------- */

struct model_key {
    bool live, disk_live; /* truth, and what a checkpoint up to `clean` would have */
    uint64_t version, disk_version;
    msec_t deadline, disk_deadline;
    unsigned value, disk_value; /* length of the value */
};

struct model {
    struct world w;
    struct prng r;
    struct model_key keys[CACHES][KEYS];
    uint64_t counts[CACHES];
    uint64_t clean, commit;
    bool disk; /* a context with a checkpoint */
};

static const uint8_t filler[5000] = {1, 2, 3};

static struct slice key_bytes(unsigned i, char *out)
{
    int n = snprintf(out, 24, "k%u%.*s", i, (int)(i % 7), "xxxxxxx");
    return slice_make(out, (size_t)n);
}

/* What the checkpoint knows is asked for first, as a shard would. */
static const struct entry *fault_in(struct model *m, unsigned cache, unsigned i)
{
    char text[24];
    struct slice key = key_bytes(i, text);
    uint64_t hash = content_hash(m->w.c, cache, key);
    const struct entry *e = content_get(m->w.c, cache, key, hash);
    const struct model_key *k = &m->keys[cache][i];
    if (e || content_complete(m->w.c) || !k->disk_live)
        return e;
    struct entry_parts parts = {.key = key,
                                .value = slice_make(filler, k->disk_value),
                                .version = k->disk_version,
                                .deadline = k->disk_deadline,
                                .cache = (uint16_t)cache};
    ck_assert_int_eq(content_insert_cold(m->w.c, &parts, hash), GRID_OK);
    return content_get(m->w.c, cache, key, hash);
}

static void model_look(struct model *m, unsigned cache, unsigned i)
{
    const struct model_key *k = &m->keys[cache][i];
    const struct entry *e = fault_in(m, cache, i);
    ck_assert_int_eq(live(e), k->live);
    if (!k->live)
        return;
    ck_assert_uint_eq(entry_version(e), k->version);
    ck_assert_uint_eq(entry_deadline(e), k->deadline);
    ck_assert_uint_eq(entry_value(e).len, k->value);
}

/* A record of one to four keys, each at most once. */
static void model_write(struct model *m)
{
    struct effect effects[4];
    char text[4][24];
    size_t len = 0;
    unsigned first = (unsigned)prng_below(&m->r, KEYS);
    for (size_t want = 1 + prng_below(&m->r, 4); len < want; len++) {
        unsigned i = (unsigned)(first + len) % KEYS, cache = (unsigned)prng_below(&m->r, CACHES);
        struct model_key *k = &m->keys[cache][i];
        fault_in(m, cache, i);
        bool put_it = !k->live || prng_below(&m->r, 3);
        effects[len] = (struct effect){.kind = put_it ? EFFECT_PUT : EFFECT_REMOVE,
                                       .created = put_it && !k->live,
                                       .cache = cache,
                                       .key = key_bytes(i, text[len])};
        m->counts[cache] += put_it ? !k->live : -1ull;
        k->live = put_it;
        k->version = m->w.version + 1;
        k->deadline = k->value = 0;
        if (put_it) {
            k->value = (unsigned)prng_below(&m->r, prng_below(&m->r, 20) ? 100 : sizeof filler);
            k->deadline = prng_below(&m->r, 3) ? 0 : 1 + prng_below(&m->r, 1000);
            effects[len].value = slice_make(filler, k->value);
            effects[len].deadline = k->deadline;
        }
    }
    apply(&m->w, effects, len);
}

/* The checkpoint takes everything in when there is nothing pending, so that the model needs no
 * history. */
static void model_checkpoint(struct model *m)
{
    content_committed(m->w.c, m->w.version);
    m->commit = m->w.version;
    if (!m->disk)
        return;
    for (unsigned cache = 0; cache < CACHES; cache++) {
        for (unsigned i = 0; i < KEYS; i++) {
            struct model_key *k = &m->keys[cache][i];
            k->disk_live = k->live;
            k->disk_version = k->version;
            k->disk_deadline = k->deadline;
            k->disk_value = k->value;
        }
    }
    m->clean = m->w.version;
    content_cleaned(m->w.c, m->clean);
}

static void model_warm_up(struct model *m)
{
    if (content_complete(m->w.c))
        return;
    for (unsigned cache = 0; cache < CACHES; cache++)
        for (unsigned i = 0; i < KEYS; i++)
            fault_in(m, cache, i);
    content_set_complete(m->w.c, true);
}

static void model_step(struct model *m)
{
    uint64_t dice = prng_below(&m->r, 100);
    if (dice < 55)
        model_write(m);
    else if (dice < 85)
        model_look(m, (unsigned)prng_below(&m->r, CACHES), (unsigned)prng_below(&m->r, KEYS));
    else if (dice < 92)
        content_committed(m->w.c, m->commit += prng_below(&m->r, m->w.version - m->commit + 1));
    else if (dice < 95)
        model_checkpoint(m);
    else if (dice < 98 && m->disk)
        evict(&m->w, EVICT_CLEAN, prng_below(&m->r, 4000));
    else if (dice < 99)
        content_tidy(m->w.c);
    else
        model_warm_up(m);
}

static void model_run(uint64_t seed)
{
    struct model *m = xcalloc(1, sizeof *m);
    m->r.state = seed;
    m->disk = seed % 3 != 0;
    m->w = m->disk ? world_new_stored(prng_next(&m->r)) : world_new(prng_next(&m->r));
    for (unsigned step = 0; step < 3000; step++) {
        model_step(m);
        if (step % 50 == 0)
            content_check(m->w.c);
    }
    for (unsigned cache = 0; cache < CACHES; cache++) {
        ck_assert_uint_eq(content_count(m->w.c, cache), m->counts[cache]);
        for (unsigned i = 0; i < KEYS; i++)
            model_look(m, cache, i);
    }
    world_free(&m->w);
    free(m);
}

START_TEST(a_random_history_agrees_with_the_model)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        model_run(seed);
}
END_TEST

UNIT_MAIN("data/content", values_and_caches_of_any_size_keep_all_their_parts,
          an_entry_keeps_all_its_parts, a_staged_record_that_is_given_back_leaves_nothing,
          a_record_may_borrow_from_the_entry_it_replaces,
          a_referenced_entry_outlives_its_replacement_and_its_content,
          many_references_are_counted_apart, a_tombstone_stays_while_its_removal_is_pending,
          a_tombstone_of_a_content_with_a_checkpoint_stays_until_it_is_clean,
          a_put_over_a_tombstone_lives, many_tombstones_are_dropped_in_slices,
          a_cold_entry_never_replaces_a_resident_one,
          only_clean_entries_are_evicted_and_counts_stay,
          a_removal_that_is_not_clean_does_not_keep_clean_entries_in_memory,
          an_entry_in_use_survives_one_pass_of_the_hand, deadlines_come_due_in_order,
          a_dropped_cache_is_purged_in_slices_and_others_stay,
          a_session_result_is_found_again_and_ends_by_effect,
          a_random_history_agrees_with_the_model)
