/* test_values.c - typed values in a partition: hashes in both forms, media types, deadlines.
 * against a naive model, and rule by rule.
 * LINK: data base */
#include "base/alloc.h"
#include "base/prng.h"
#include "data/content.h"
#include "tests/lib/unit.h"

#include <stdio.h>

struct world {
    struct entry_pool *pool;
    struct content *c;
    uint64_t version;
};

static struct world world_new(void)
{
    struct world w = {.pool = entry_pool_new()};
    w.c = content_new(w.pool, 5);
    content_set_stored(w.c);
    return w;
}

static size_t used(const struct world *w)
{
    return slab_used(entry_pool_slab(w->pool));
}

static void world_free(struct world *w)
{
    content_check(w->c);
    content_free(w->c);
    ck_assert_uint_eq(used(w), 0);
    entry_pool_free(w->pool);
}

static const struct entry *get(struct world *w, const char *key)
{
    struct slice k = slice_str(key);
    return content_get(w->c, 1, k, content_hash(w->c, 1, k));
}

static struct effect effect(enum effect_kind kind, const char *key, enum value_type type,
                            const struct buf *value)
{
    return (struct effect){.kind = kind,
                           .cache = 1,
                           .key = slice_str(key),
                           .type = (uint8_t)type,
                           .value = value ? buf_slice(value) : slice_make(NULL, 0)};
}

static enum grid_err apply(struct world *w, struct effect e)
{
    struct record rec = {.version = ++w->version, .effects = &e, .effects_len = 1};
    enum grid_err err = content_stage(w->c, &rec);
    if (!err)
        content_apply(w->c, &rec);
    return err;
}

/* Fields f0 .. f(n-1), each with a value of 100 bytes. */
static void hash_of(unsigned n, struct buf *out)
{
    out->len = 0;
    for (unsigned i = 0; i < n; i++) {
        char name[16];
        uint8_t value[100];
        memset(value, (int)i, sizeof value);
        fields_pack(out, slice_make(name, (size_t)snprintf(name, sizeof name, "f%u", i)),
                    slice_make(value, sizeof value));
    }
}

static void hash_put(struct world *w, const char *key, unsigned n, bool created)
{
    struct buf packed = BUF_INIT;
    hash_of(n, &packed);
    struct effect e = effect(EFFECT_PUT, key, VALUE_HASH, &packed);
    e.created = created;
    e.affinity = slice_str("affinity");
    e.deadline = 1000;
    ck_assert_int_eq(apply(w, e), GRID_OK);
    buf_release(&packed);
}

static bool field_is(const struct entry *e, const char *field, const char *value)
{
    struct slice found;
    return fields_get(entry_fields(e), slice_str(field), &found) &&
           slice_eq(found, slice_str(value));
}

START_TEST(a_hash_is_packed_while_small_and_a_map_while_large_and_keeps_the_rest)
{
    struct world w = world_new();
    struct buf edits = BUF_INIT;
    hash_put(&w, "k", 9, true);
    ck_assert(entry_type(get(&w, "k")) == VALUE_HASH && !entry_is_map(get(&w, "k")));
    fields_edit_set(&edits, slice_str("more"),
                    slice_str("a value that makes it larger: it is a map"));
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(apply(&w, effect(EFFECT_EDIT, "k", VALUE_HASH, &edits)), GRID_OK);
        hash_put(&w, "k", 9 + i, false); /* over a larger one, too */
        ck_assert_int_eq(apply(&w, effect(EFFECT_EDIT, "k", VALUE_HASH, &edits)), GRID_OK);
        content_check(w.c);
    }
    const struct entry *e = get(&w, "k");
    ck_assert(entry_is_map(e) && fields_len(entry_fields(e)) == 11);
    ck_assert(entry_version(e) == w.version && entry_deadline(e) == 1000);
    ck_assert(slice_eq(entry_affinity(e), slice_str("affinity")));
    edits.len = 0;
    for (unsigned i = 0; i < 9; i++) {
        char name[16];
        fields_edit_remove(&edits, slice_make(name, (size_t)snprintf(name, sizeof name, "f%u", i)));
    }
    ck_assert_int_eq(apply(&w, effect(EFFECT_EDIT, "k", VALUE_HASH, &edits)), GRID_OK);
    e = get(&w, "k");
    ck_assert(!entry_is_map(e) && fields_len(entry_fields(e)) == 2);
    ck_assert(entry_version(e) == w.version && entry_deadline(e) == 1000);
    ck_assert(slice_eq(entry_affinity(e), slice_str("affinity")));
    ck_assert_uint_eq(content_count(w.c, 1), 1);
    buf_release(&edits);
    world_free(&w);
}
END_TEST

START_TEST(a_deadline_changes_alone)
{
    for (unsigned fields = 2; fields < 40; fields += 30) {
        struct world w = world_new();
        hash_put(&w, "k", fields, true);
        static const msec_t deadlines[] = {5, 0, 7, 9};
        for (unsigned i = 0; i < 4; i++) {
            struct effect e = effect(EFFECT_DEADLINE, "k", VALUE_BYTES, NULL);
            e.deadline = deadlines[i];
            ck_assert_int_eq(apply(&w, e), GRID_OK);
            const struct entry *found = get(&w, "k");
            ck_assert(entry_deadline(found) == deadlines[i] && entry_version(found) == w.version);
            ck_assert(entry_type(found) == VALUE_HASH && entry_is_map(found) == (fields > 9));
            ck_assert_uint_eq(fields_len(entry_fields(found)), fields);
            ck_assert(slice_eq(entry_affinity(found), slice_str("affinity")));
            ck_assert_uint_eq(content_expiry_next(w.c), deadlines[i]);
            content_check(w.c);
        }
        world_free(&w);
    }
}
END_TEST

START_TEST(what_is_staged_and_given_back_leaves_nothing)
{
    struct world w = world_new();
    struct buf edits = BUF_INIT, large = BUF_INIT;
    hash_put(&w, "small", 3, true);
    hash_put(&w, "large", 30, true);
    fields_edit_set(&edits, slice_str("f1"), slice_str("new"));
    fields_edit_set(&edits, slice_str("g"), slice_str("new"));
    hash_of(50, &large);
    struct effect effects[] = {effect(EFFECT_EDIT, "small", VALUE_HASH, &edits),
                               effect(EFFECT_EDIT, "large", VALUE_HASH, &edits),
                               effect(EFFECT_DEADLINE, "small", VALUE_BYTES, NULL),
                               effect(EFFECT_DEADLINE, "large", VALUE_BYTES, NULL),
                               effect(EFFECT_PUT, "large", VALUE_HASH, &large)};
    for (unsigned i = 0; i < 5; i++) {
        size_t before = used(&w), bytes = content_bytes(w.c);
        struct record rec = {.version = 9, .effects = &effects[i], .effects_len = 1};
        ck_assert_int_eq(content_stage(w.c, &rec), GRID_OK);
        content_unstage(w.c);
        entry_pool_tidy(w.pool, 1000);
        ck_assert_uint_eq(used(&w), before);
        ck_assert_uint_eq(content_bytes(w.c), bytes);
        content_check(w.c);
        ck_assert(!field_is(get(&w, "small"), "g", "new"));
        ck_assert(!field_is(get(&w, "large"), "g", "new"));
    }
    buf_release(&edits);
    buf_release(&large);
    world_free(&w);
}
END_TEST

START_TEST(a_change_of_what_is_not_there_or_of_another_type_is_refused)
{
    struct world w = world_new();
    struct buf edits = BUF_INIT, text = BUF_INIT;
    buf_add(&text, "text", 4);
    fields_edit_remove(&edits, slice_str("f0"));
    struct effect edit = effect(EFFECT_EDIT, "k", VALUE_HASH, &edits);
    struct effect deadline = effect(EFFECT_DEADLINE, "k", VALUE_BYTES, NULL);
    ck_assert_int_eq(apply(&w, edit), GRID_ECORRUPT);
    ck_assert_int_eq(apply(&w, deadline), GRID_ECORRUPT);
    hash_put(&w, "k", 1, true);
    ck_assert_int_eq(apply(&w, edit), GRID_ECORRUPT); /* nothing would be left */
    ck_assert_int_eq(apply(&w, effect(EFFECT_PUT, "k", VALUE_BYTES, &text)), GRID_OK);
    ck_assert_int_eq(apply(&w, edit), GRID_ECORRUPT);
    ck_assert_int_eq(apply(&w, effect(EFFECT_REMOVE, "k", VALUE_BYTES, NULL)), GRID_OK);
    ck_assert_int_eq(apply(&w, edit), GRID_ECORRUPT);
    ck_assert_int_eq(apply(&w, deadline), GRID_ECORRUPT);
    buf_release(&edits);
    buf_release(&text);
    world_free(&w);
}
END_TEST

START_TEST(a_change_older_than_what_is_there_is_left_out)
{
    struct world w = world_new();
    struct buf edits = BUF_INIT;
    w.version = 100;
    hash_put(&w, "k", 30, true);
    hash_put(&w, "gone", 3, true);
    ck_assert_int_eq(apply(&w, effect(EFFECT_REMOVE, "gone", VALUE_BYTES, NULL)), GRID_OK);
    w.version = 50;
    fields_edit_set(&edits, slice_str("f0"), slice_str("old"));
    ck_assert_int_eq(apply(&w, effect(EFFECT_EDIT, "k", VALUE_HASH, &edits)), GRID_OK);
    ck_assert_int_eq(apply(&w, effect(EFFECT_DEADLINE, "k", VALUE_BYTES, NULL)), GRID_OK);
    ck_assert_int_eq(apply(&w, effect(EFFECT_EDIT, "gone", VALUE_HASH, &edits)), GRID_OK);
    ck_assert(!field_is(get(&w, "k"), "f0", "old") && entry_deadline(get(&w, "k")) == 1000);
    ck_assert(entry_is_tombstone(get(&w, "gone")));
    buf_release(&edits);
    world_free(&w);
}
END_TEST

START_TEST(a_record_that_names_a_key_again_is_replayed_in_order)
{
    struct world w = world_new();
    struct buf packed = BUF_INIT, edits = BUF_INIT, more = BUF_INIT;
    hash_of(20, &packed);
    fields_edit_set(&edits, slice_str("f0"), slice_str("edited"));
    fields_edit_set(&more, slice_str("f0"), slice_str("edited twice"));
    struct effect effects[] = {
        effect(EFFECT_PUT, "k", VALUE_HASH, &packed),  effect(EFFECT_EDIT, "k", VALUE_HASH, &edits),
        effect(EFFECT_REMOVE, "k", VALUE_BYTES, NULL), effect(EFFECT_PUT, "k", VALUE_HASH, &packed),
        effect(EFFECT_EDIT, "k", VALUE_HASH, &edits),  effect(EFFECT_EDIT, "k", VALUE_HASH, &more)};
    effects[0].created = effects[3].created = true;
    struct record rec = {.version = 3, .effects = effects, .effects_len = 6, .has_session = true};
    rec.session.number = rec.session.lowest = 1;
    for (size_t again = 0; again < 2; again++) { /* a second time is as good as once, but counts */
        for (size_t i = 0; i <= 6; i++)
            ck_assert_int_eq(content_replay(w.c, &rec, i), GRID_OK);
        ck_assert(field_is(get(&w, "k"), "f0", "edited twice"));
        ck_assert_uint_eq(content_count(w.c, 1), again + 1);
    }
    struct session_answer answer;
    ck_assert_int_eq(sessions_find(content_sessions(w.c), &rec.session, &answer), SESSION_REPEATED);
    content_set_count(w.c, 1, 1);
    buf_release(&packed);
    buf_release(&edits);
    buf_release(&more);
    world_free(&w);
}
END_TEST

START_TEST(entries_of_the_checkpoint_have_their_type_and_bad_ones_are_refused)
{
    struct world w = world_new();
    struct buf packed = BUF_INIT;
    hash_of(30, &packed);
    struct entry_parts parts = {.key = slice_str("k"),
                                .value = buf_slice(&packed),
                                .type = VALUE_HASH,
                                .version = 1,
                                .cache = 1};
    uint64_t hash = content_hash(w.c, 1, parts.key);
    content_set_complete(w.c, false);
    ck_assert(content_committed(w.c, 5) == false);
    parts.value.len--;
    ck_assert_int_eq(content_insert_cold(w.c, &parts, hash), GRID_ECORRUPT);
    parts.type = VALUE_TYPES;
    ck_assert_int_eq(content_insert_cold(w.c, &parts, hash), GRID_ECORRUPT);
    parts.value.len++;
    parts.type = VALUE_HASH;
    ck_assert_int_eq(content_insert_cold(w.c, &parts, hash), GRID_OK);
    ck_assert(entry_is_map(get(&w, "k")) && fields_len(entry_fields(get(&w, "k"))) == 30);
    buf_release(&packed);
    world_free(&w);
}
END_TEST

START_TEST(media_types_stand_before_the_bytes)
{
    struct world w = world_new();
    struct buf media = BUF_INIT;
    buf_add(&media, "\012text/plainhello", 16);
    struct effect e = effect(EFFECT_PUT, "k", VALUE_MEDIA, &media);
    e.created = true;
    ck_assert_int_eq(apply(&w, e), GRID_OK);
    const struct entry *found = get(&w, "k");
    ck_assert(slice_eq(entry_string(found), slice_str("hello")));
    ck_assert(
        slice_eq(value_media(entry_type(found), entry_value(found)), slice_str("text/plain")));
    ck_assert(slice_eq(entry_value(found), buf_slice(&media)));
    buf_release(&media);
    world_free(&w);
}
END_TEST

START_TEST(a_large_map_is_freed_in_steps)
{
    struct world w = world_new();
    size_t empty = used(&w);
    hash_put(&w, "k", 5000, true);
    size_t full = used(&w);
    ck_assert_int_eq(apply(&w, effect(EFFECT_REMOVE, "k", VALUE_BYTES, NULL)), GRID_OK);
    content_check(w.c); /* it is not the content's any more */
    ck_assert_uint_gt(used(&w), full / 2);
    ck_assert_uint_gt(entry_pool_bytes(w.pool), full / 2);
    unsigned calls = 0;
    while (entry_pool_tidy(w.pool, 100))
        calls++;
    ck_assert_uint_gt(calls, 50);
    ck_assert_uint_lt(used(&w), empty + 1000);
    world_free(&w);
}
END_TEST

/* --- against a model -------------------------------------------------------------------------- */

enum { KEYS = 12, FIELDS = 60 };

struct model_key {
    bool there, hash;
    msec_t deadline;
    uint64_t version;
    int fields[FIELDS]; /* 0: none */
    unsigned len;
};

struct run {
    struct world w;
    struct prng r;
    struct model_key keys[KEYS];
    struct buf value;
};

static size_t field_name(unsigned n, char *out)
{
    return (size_t)snprintf(out, 16, "field%u", n);
}

static struct slice field_value(int v, uint8_t *out)
{
    memset(out, v, 64);
    return slice_make(out, 1 + (size_t)v % 64);
}

/* The packed form of fields drawn anew, or edits of some that leave at least one. */
static void hash_draw(struct run *run, struct model_key *k, bool edits)
{
    run->value.len = 0;
    if (!edits)
        memset(k->fields, 0, sizeof k->fields), k->len = 0;
    uint64_t changes = 1 + prng_below(&run->r, edits ? 6 : FIELDS);
    for (; changes; changes--) {
        char name[16];
        uint8_t bytes[64];
        unsigned n = (unsigned)prng_below(&run->r, FIELDS);
        struct slice field = slice_make(name, field_name(n, name));
        int v = 1 + (int)prng_below(&run->r, 200);
        if (edits && prng_below(&run->r, 100) < 65 && k->len > 1) {
            k->len -= k->fields[n] != 0;
            k->fields[n] = 0;
            fields_edit_remove(&run->value, field);
        } else if (edits || !k->fields[n]) {
            k->len += !k->fields[n];
            k->fields[n] = v;
            (edits ? fields_edit_set : fields_pack)(&run->value, field, field_value(v, bytes));
        }
    }
}

static void step(struct run *run)
{
    unsigned n = (unsigned)prng_below(&run->r, KEYS);
    struct model_key *k = &run->keys[n];
    char key[16];
    snprintf(key, sizeof key, "key%u", n);
    struct effect e = effect(EFFECT_PUT, key, VALUE_BYTES, NULL);
    uint64_t what = prng_below(&run->r, 100);
    msec_t deadline = prng_below(&run->r, 2) ? 0 : 1 + prng_below(&run->r, 1000);
    if (k->there && what < 10) {
        e.kind = EFFECT_REMOVE;
        k->there = false;
    } else if (k->there && what < 20) {
        e.kind = EFFECT_DEADLINE;
        e.deadline = k->deadline = deadline;
    } else if (k->there && k->hash && what < 90) {
        hash_draw(run, k, true);
        e = effect(EFFECT_EDIT, key, VALUE_HASH, &run->value);
    } else {
        k->hash = prng_below(&run->r, 4) > 0;
        if (k->hash) {
            hash_draw(run, k, false);
            e = effect(EFFECT_PUT, key, VALUE_HASH, &run->value);
        }
        e.created = !k->there;
        e.deadline = k->deadline = deadline;
        k->there = true;
    }
    k->version = run->w.version + 1;
    ck_assert_int_eq(apply(&run->w, e), GRID_OK);
}

static void key_same(struct run *run, unsigned n)
{
    const struct model_key *k = &run->keys[n];
    char key[16];
    snprintf(key, sizeof key, "key%u", n);
    const struct entry *e = get(&run->w, key);
    if (!k->version)
        return;
    ck_assert_uint_eq(entry_version(e), k->version);
    ck_assert_int_eq(entry_is_tombstone(e), !k->there);
    if (!k->there)
        return;
    ck_assert_uint_eq(entry_deadline(e), k->deadline);
    ck_assert_int_eq(entry_type(e), k->hash ? VALUE_HASH : VALUE_BYTES);
    if (!k->hash)
        return;
    ck_assert_uint_eq(fields_len(entry_fields(e)), k->len);
    for (unsigned f = 0; f < FIELDS; f++) {
        char name[16];
        uint8_t bytes[64];
        struct slice found, field = slice_make(name, field_name(f, name));
        bool there = fields_get(entry_fields(e), field, &found);
        ck_assert_int_eq(there, k->fields[f] != 0);
        ck_assert(!there || slice_eq(found, field_value(k->fields[f], bytes)));
    }
}

START_TEST(random_changes_of_typed_values_are_the_model)
{
    static struct run run;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        run = (struct run){.w = world_new(), .r = {seed}};
        for (unsigned n = 0; n < 500; n++) {
            step(&run);
            key_same(&run, (unsigned)prng_below(&run.r, KEYS));
            content_check(run.w.c);
        }
        for (unsigned n = 0; n < KEYS; n++)
            key_same(&run, n);
        content_committed(run.w.c, run.w.version);
        content_cleaned(run.w.c, run.w.version);
        unsigned steps;
        uint64_t entries;
        content_evict(run.w.c, EVICT_CLEAN, SIZE_MAX, 10000, &steps, &entries);
        ck_assert_uint_gt(entries, 0);
        buf_release(&run.value);
        world_free(&run.w);
    }
}
END_TEST

UNIT_MAIN("data/values", a_hash_is_packed_while_small_and_a_map_while_large_and_keeps_the_rest,
          a_deadline_changes_alone, what_is_staged_and_given_back_leaves_nothing,
          a_change_of_what_is_not_there_or_of_another_type_is_refused,
          a_change_older_than_what_is_there_is_left_out,
          a_record_that_names_a_key_again_is_replayed_in_order,
          entries_of_the_checkpoint_have_their_type_and_bad_ones_are_refused,
          media_types_stand_before_the_bytes, a_large_map_is_freed_in_steps,
          random_changes_of_typed_values_are_the_model)
