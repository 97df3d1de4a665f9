/* test_fields.c - both forms of a hash value against a naive model; what comes from outside.
 * LINK: data base */
#include "base/alloc.h"
#include "base/prng.h"
#include "data/fields.h"
#include "tests/lib/unit.h"

#include <stdio.h>

enum { NAMES = 3000, NAME_BYTES = 40 };

/* --- the model: a value per name, or none ----------------------------------------------------- */

struct model {
    int values[NAMES]; /* 0: no such field */
    unsigned len;
};

/* Some names are empty, some are long, some hold zeros. */
static struct slice name_of(unsigned n, uint8_t *out)
{
    size_t len = n == 0 ? 0 : 2 + n % (NAME_BYTES - 2);
    memset(out, 0, NAME_BYTES);
    store_u16(out, (uint16_t)n);
    return slice_make(out, len);
}

static struct slice value_of(int v, uint8_t *out)
{
    size_t len = (size_t)v % 5 == 0 ? 0 : 4 + (size_t)v % 200;
    memset(out, v, 4 + 200);
    store_u32(out, (uint32_t)v);
    return slice_make(out, len);
}

static void model_set(struct model *m, unsigned n, int v)
{
    m->len += !m->values[n];
    m->values[n] = v;
}

static void model_remove(struct model *m, unsigned n)
{
    m->len -= m->values[n] != 0;
    m->values[n] = 0;
}

/* `changes` random edits in the model and in `out`; at least one field stays. */
static void edits_random(struct prng *r, struct model *m, unsigned names, unsigned changes,
                         unsigned removals, struct buf *out)
{
    for (; changes; changes--) {
        uint8_t name[NAME_BYTES], value[256];
        unsigned n = (unsigned)prng_below(r, names);
        if (prng_below(r, 100) < removals && m->len > 1) {
            model_remove(m, n);
            fields_edit_remove(out, name_of(n, name));
        } else {
            int v = 1 + (int)prng_below(r, 1000000);
            model_set(m, n, v);
            fields_edit_set(out, name_of(n, name), value_of(v, value));
        }
    }
}

static void count_one(void *ctx, struct slice field, struct slice value)
{
    (void)field;
    (void)value;
    ++*(unsigned *)ctx;
}

static void same(const struct model *m, struct fields_view v)
{
    unsigned each = 0;
    ck_assert_uint_eq(fields_len(v), m->len);
    for (unsigned n = 0; n < NAMES; n++) {
        uint8_t name[NAME_BYTES], value[256];
        struct slice found;
        bool there = fields_get(v, name_of(n, name), &found);
        ck_assert_int_eq(there, m->values[n] != 0);
        if (there)
            ck_assert(slice_eq(found, value_of(m->values[n], value)));
    }
    fields_each(v, count_one, &each);
    ck_assert_uint_eq(each, m->len);
    struct buf stored = BUF_INIT;
    fields_store(v, &stored);
    ck_assert_uint_eq(stored.len, fields_packed_bytes(v));
    ck_assert(!stored.len || fields_packed_valid(buf_slice(&stored)));
    buf_release(&stored);
}

static void buf_swap(struct buf *a, struct buf *b)
{
    struct buf t = *a;
    *a = *b;
    *b = t;
}

static struct fields_view packed_view(const struct buf *b)
{
    return (struct fields_view){NULL, buf_slice(b)};
}

static struct fields_view map_view(const struct fields *f)
{
    return (struct fields_view){f, slice_make(NULL, 0)};
}

/* --- claims ----------------------------------------------------------------------------------- */

START_TEST(a_packed_value_folded_with_random_edits_is_the_model)
{
    struct prng r = {1};
    static struct model m;
    struct buf packed = BUF_INIT, next = BUF_INIT, edits[3] = {BUF_INIT, BUF_INIT, BUF_INIT};
    for (unsigned round = 0; round < 300; round++) {
        struct slice all[3];
        for (unsigned i = 0; i < 3; i++) {
            edits[i].len = 0;
            edits_random(&r, &m, 60, (unsigned)prng_below(&r, 12), 50, &edits[i]);
            ck_assert(fields_edits_valid(buf_slice(&edits[i])));
            all[i] = buf_slice(&edits[i]);
        }
        next.len = 0;
        fields_fold(buf_slice(&packed), all, 3, &next);
        buf_swap(&packed, &next);
        same(&m, packed_view(&packed));
    }
    for (unsigned i = 0; i < 3; i++)
        buf_release(&edits[i]);
    buf_release(&packed);
    buf_release(&next);
}
END_TEST

START_TEST(a_map_with_random_edits_is_the_model_while_it_grows_and_shrinks)
{
    struct prng r = {2};
    static struct model m;
    struct slab *slab = slab_new();
    struct buf edits = BUF_INIT, first = BUF_INIT;
    uint8_t name[NAME_BYTES], value[256];
    model_set(&m, 7, 77);
    fields_pack(&first, name_of(7, name), value_of(77, value));
    struct fields *f = fields_new(slab, buf_slice(&first), 99);
    for (unsigned round = 0; round < 400; round++) {
        unsigned removals = round / 80 % 2 ? 80 : 20;
        edits.len = 0;
        edits_random(&r, &m, NAMES, (unsigned)prng_below(&r, 80), removals, &edits);
        size_t before = slab_used(slab);
        ck_assert_int_eq(fields_stage(f, buf_slice(&edits)), GRID_OK);
        if (round % 3 == 0) { /* given back, and once more */
            fields_unstage(f);
            ck_assert_uint_eq(slab_used(slab), before);
            ck_assert_int_eq(fields_stage(f, buf_slice(&edits)), GRID_OK);
        }
        fields_apply(f);
        fields_check(f);
        ck_assert_uint_eq(fields_bytes(f), slab_used(slab));
        if (round % 20 == 0)
            same(&m, map_view(f));
    }
    same(&m, map_view(f));
    fields_free(f);
    ck_assert_uint_eq(slab_used(slab), 0);
    slab_free_all(slab);
    buf_release(&edits);
    buf_release(&first);
}
END_TEST

START_TEST(a_map_comes_back_from_what_it_stores)
{
    struct prng r = {3};
    static struct model m;
    struct slab *slab = slab_new();
    struct buf edits = BUF_INIT, packed = BUF_INIT;
    edits_random(&r, &m, NAMES, 5000, 10, &edits);
    struct slice all = buf_slice(&edits);
    fields_fold(slice_make(NULL, 0), &all, 1, &packed);
    struct fields *f = fields_new(slab, buf_slice(&packed), 1);
    same(&m, map_view(f));
    fields_check(f);
    ck_assert_uint_eq(fields_bytes(f), slab_used(slab));
    packed.len = 0;
    fields_store(map_view(f), &packed);
    same(&m, packed_view(&packed));
    fields_free(f);
    slab_free_all(slab);
    buf_release(&edits);
    buf_release(&packed);
}
END_TEST

START_TEST(edits_that_leave_no_field_are_refused_and_leave_the_map_as_it_was)
{
    struct slab *slab = slab_new();
    struct buf packed = BUF_INIT, edits = BUF_INIT;
    fields_pack(&packed, slice_str("a"), slice_str("1"));
    fields_pack(&packed, slice_str("b"), slice_str("2"));
    struct fields *f = fields_new(slab, buf_slice(&packed), 1);
    size_t before = slab_used(slab);
    fields_edit_set(&edits, slice_str("c"), slice_str("3"));
    fields_edit_remove(&edits, slice_str("a"));
    fields_edit_remove(&edits, slice_str("b"));
    size_t kept = edits.len;
    fields_edit_remove(&edits, slice_str("c"));
    ck_assert_int_eq(fields_stage(f, buf_slice(&edits)), GRID_ECORRUPT);
    ck_assert_uint_eq(slab_used(slab), before);
    ck_assert_uint_eq(fields_len(map_view(f)), 2);
    edits.len = kept;
    ck_assert_int_eq(fields_stage(f, buf_slice(&edits)), GRID_OK);
    fields_apply(f);
    ck_assert_uint_eq(fields_len(map_view(f)), 1);
    fields_free(f);
    slab_free_all(slab);
    buf_release(&packed);
    buf_release(&edits);
}
END_TEST

START_TEST(a_fold_keeps_the_place_of_fields_and_appends_new_ones)
{
    struct buf packed = BUF_INIT, edits = BUF_INIT, out = BUF_INIT, want = BUF_INIT;
    for (int i = 0; i < 3; i++)
        fields_pack(&packed, slice_make(&"abc"[i], 1), slice_str("old"));
    fields_edit_set(&edits, slice_str("e"), slice_str("1"));
    fields_edit_set(&edits, slice_str("d"), slice_str("2"));
    fields_edit_set(&edits, slice_str("b"), slice_str("new"));
    fields_edit_remove(&edits, slice_str("a"));
    fields_edit_set(&edits, slice_str("e"), slice_str("3"));
    fields_pack(&want, slice_str("b"), slice_str("new"));
    fields_pack(&want, slice_str("c"), slice_str("old"));
    fields_pack(&want, slice_str("e"), slice_str("3"));
    fields_pack(&want, slice_str("d"), slice_str("2"));
    struct slice all = buf_slice(&edits);
    fields_fold(buf_slice(&packed), &all, 1, &out);
    ck_assert(slice_eq(buf_slice(&out), buf_slice(&want)));
    buf_release(&packed);
    buf_release(&edits);
    buf_release(&out);
    buf_release(&want);
}
END_TEST

/* --- scans ------------------------------------------------------------------------------------ */

static void see(void *ctx, struct slice field, struct slice value)
{
    unsigned *seen = ctx;
    (void)value;
    seen[field.len ? load_u16(field.data) : 0]++;
}

static struct fields *map_of(struct slab *slab, unsigned from, unsigned to)
{
    struct buf packed = BUF_INIT;
    for (unsigned n = from; n < to; n++) {
        uint8_t name[NAME_BYTES];
        fields_pack(&packed, name_of(n, name), slice_str("v"));
    }
    struct fields *f = fields_new(slab, buf_slice(&packed), from + 5);
    buf_release(&packed);
    return f;
}

static void change_one(struct fields *f, unsigned n, bool set)
{
    struct buf edit = BUF_INIT;
    uint8_t name[NAME_BYTES];
    if (set)
        fields_edit_set(&edit, name_of(n, name), slice_str("w"));
    else
        fields_edit_remove(&edit, name_of(n, name));
    ck_assert_int_eq(fields_stage(f, buf_slice(&edit)), GRID_OK);
    fields_apply(f);
    buf_release(&edit);
}

START_TEST(a_scan_of_a_map_that_rests_gives_each_field_once)
{
    struct slab *slab = slab_new();
    static unsigned seen[NAMES];
    struct fields *f = map_of(slab, 0, 1000);
    uint64_t cursor = 0;
    do
        cursor = fields_scan(map_view(f), cursor, see, seen);
    while (cursor);
    for (unsigned n = 0; n < NAMES; n++)
        ck_assert_uint_eq(seen[n], n < 1000);
    fields_free(f);
    slab_free_all(slab);
}
END_TEST

START_TEST(a_scan_misses_no_field_that_stays_while_the_map_grows_and_shrinks)
{
    for (unsigned growing = 0; growing < 2; growing++) {
        struct slab *slab = slab_new();
        static unsigned seen[NAMES];
        memset(seen, 0, sizeof seen);
        struct fields *f = map_of(slab, 0, growing ? 300 : 2500);
        unsigned n = growing ? 300 : 2499;
        uint64_t cursor = 0;
        do {
            cursor = fields_scan(map_view(f), cursor, see, seen);
            for (unsigned i = 0; i < 5 && n >= 300 && n < 2500; i++)
                change_one(f, growing ? n++ : n--, growing);
        } while (cursor);
        for (n = 0; n < 300; n++)
            ck_assert_uint_ge(seen[n], 1);
        fields_free(f);
        slab_free_all(slab);
    }
}
END_TEST

START_TEST(any_cursor_is_safe_and_leads_to_the_end)
{
    struct prng r = {4};
    struct slab *slab = slab_new();
    static unsigned seen[NAMES];
    struct fields *f = map_of(slab, 0, 777);
    for (unsigned n = 0; n < 100; n++) {
        uint64_t cursor = prng_next(&r);
        unsigned steps = 0;
        do
            cursor = fields_scan(map_view(f), cursor, see, seen);
        while (cursor && ++steps < 2000);
        ck_assert_uint_eq(cursor, 0);
    }
    fields_free(f);
    slab_free_all(slab);
}
END_TEST

START_TEST(random_fields_are_drawn_about_evenly_in_both_forms)
{
    struct prng r = {5};
    struct slab *slab = slab_new();
    struct fields *f = map_of(slab, 0, 100);
    struct buf packed = BUF_INIT;
    fields_store(map_view(f), &packed);
    for (unsigned form = 0; form < 2; form++) {
        static unsigned seen[NAMES];
        memset(seen, 0, sizeof seen);
        for (unsigned n = 0; n < 100000; n++) {
            struct slice field, value;
            fields_random(form ? map_view(f) : packed_view(&packed), prng_next(&r), &field, &value);
            see(seen, field, value);
        }
        for (unsigned n = 0; n < 100; n++)
            ck_assert(seen[n] > 600 && seen[n] < 1400);
    }
    fields_free(f);
    slab_free_all(slab);
    buf_release(&packed);
}
END_TEST

START_TEST(a_map_takes_at_most_24_bytes_per_field_beside_its_bytes)
{
    struct slab *slab = slab_new();
    struct buf packed = BUF_INIT;
    enum { FIELDS = 20000, FIELD_BYTES = 10, VALUE_BYTES_LEN = 20 };
    uint8_t value[VALUE_BYTES_LEN] = {0};
    for (uint32_t n = 0; n < FIELDS; n++) {
        uint8_t name[FIELD_BYTES] = {0};
        store_u32(name, n);
        fields_pack(&packed, slice_make(name, sizeof name), slice_make(value, sizeof value));
    }
    struct fields *f = fields_new(slab, buf_slice(&packed), 1);
    ck_assert_uint_le(fields_bytes(f), FIELDS * (FIELD_BYTES + VALUE_BYTES_LEN + 24));
    ck_assert_uint_le(fields_bytes_of(buf_slice(&packed)), fields_bytes(f));
    for (bool gone = false; !gone;) { /* freed in steps */
        size_t before = slab_used(slab);
        gone = fields_free_some(f, 100);
        ck_assert_uint_lt(slab_used(slab), before);
    }
    ck_assert_uint_eq(slab_used(slab), 0);
    slab_free_all(slab);
    buf_release(&packed);
}
END_TEST

/* --- bytes from outside ----------------------------------------------------------------------- */

struct bytes {
    const char *what;
    size_t len;
    uint8_t bytes[24];
};

static const struct bytes bad_packed[] = {
    {"empty", 0, {0}},
    {"no value", 2, {1, 'a'}},
    {"value beyond the end", 4, {1, 'a', 2, 'b'}},
    {"field beyond the end", 2, {9, 'a'}},
    {"length in a longer form", 5, {0x81, 0, 'a', 1, 'b'}},
    {"length without end", 11, {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}},
    {"length of 2^32", 6, {0x80, 0x80, 0x80, 0x80, 0x10, 0}},
    {"field twice", 8, {1, 'a', 1, 'b', 1, 'a', 1, 'c'}},
    {"empty field twice", 4, {0, 0, 0, 0}},
};

static const struct bytes bad_edits[] = {
    {"kind 0", 4, {0, 1, 'a', 0}},
    {"kind 3", 4, {3, 1, 'a', 0}},
    {"kind alone", 1, {EDIT_REMOVE}},
    {"set without a value", 3, {EDIT_SET, 1, 'a'}},
    {"remove with a value", 5, {EDIT_REMOVE, 1, 'a', 1, 'b'}},
    {"field beyond the end", 3, {EDIT_REMOVE, 2, 'a'}},
    {"length in a longer form", 4, {EDIT_REMOVE, 0x81, 0, 'a'}},
};

/* In memory of exactly that length, so that a sanitizer sees any step beyond. */
static bool valid_exact(const struct bytes *b, bool (*valid)(struct slice))
{
    uint8_t *copy = xalloc(b->len ? b->len : 1);
    memcpy(copy, b->bytes, b->len);
    bool is = valid(slice_make(copy, b->len));
    free(copy);
    return is;
}

START_TEST(malformed_bytes_are_neither_fields_nor_edits)
{
    for (size_t i = 0; i < sizeof bad_packed / sizeof *bad_packed; i++)
        ck_assert_msg(!valid_exact(&bad_packed[i], fields_packed_valid), "%s", bad_packed[i].what);
    for (size_t i = 0; i < sizeof bad_edits / sizeof *bad_edits; i++)
        ck_assert_msg(!valid_exact(&bad_edits[i], fields_edits_valid), "%s", bad_edits[i].what);
}
END_TEST

START_TEST(a_field_that_comes_twice_is_found_among_thousands)
{
    struct buf packed = BUF_INIT;
    uint8_t name[NAME_BYTES];
    for (unsigned n = 0; n < NAMES; n++)
        fields_pack(&packed, name_of(n, name), slice_str("v"));
    ck_assert(fields_packed_valid(buf_slice(&packed)));
    fields_pack(&packed, name_of(1234, name), slice_str("v"));
    ck_assert(!fields_packed_valid(buf_slice(&packed)));
    buf_release(&packed);
}
END_TEST

UNIT_MAIN("data/fields", a_packed_value_folded_with_random_edits_is_the_model,
          a_map_with_random_edits_is_the_model_while_it_grows_and_shrinks,
          a_map_comes_back_from_what_it_stores,
          edits_that_leave_no_field_are_refused_and_leave_the_map_as_it_was,
          a_fold_keeps_the_place_of_fields_and_appends_new_ones,
          a_scan_of_a_map_that_rests_gives_each_field_once,
          a_scan_misses_no_field_that_stays_while_the_map_grows_and_shrinks,
          any_cursor_is_safe_and_leads_to_the_end,
          random_fields_are_drawn_about_evenly_in_both_forms,
          a_map_takes_at_most_24_bytes_per_field_beside_its_bytes,
          malformed_bytes_are_neither_fields_nor_edits,
          a_field_that_comes_twice_is_found_among_thousands)
