/* test_record.c - records survive encoding; nothing else is taken for one.
 * LINK: data base */
#include "base/alloc.h"
#include "base/prng.h"
#include "data/fields.h"
#include "data/record.h"
#include "tests/lib/unit.h"

enum { EFFECTS = 6, HEAD_BYTES_MIN = 20 };

static const uint8_t bytes[600] = {7, 8, 9};
static const uint8_t media[] = "\4text the bytes";
static const uint8_t hash[] = {1, 'a', 1, 'b', 2, 'c', 'd', 0};
static const uint8_t edits[] = {EDIT_SET, 1, 'a', 1, 'b', EDIT_REMOVE, 1, 'c'};

static void value_random(struct prng *r, struct effect *e)
{
    switch (prng_below(r, 4)) {
    case 0:
        e->type = VALUE_MEDIA;
        e->value = slice_make(media, 6 + prng_below(r, sizeof media - 6));
        break;
    case 1:
        e->type = VALUE_HASH;
        e->value = slice_make(hash, prng_below(r, 2) ? 4 : sizeof hash);
        break;
    default:
        e->value = slice_make(bytes, prng_below(r, sizeof bytes));
    }
}

static void change_random(struct prng *r, struct effect *e)
{
    if (e->kind == EFFECT_EDIT) {
        e->type = VALUE_HASH;
        e->value = slice_make(edits, prng_below(r, 2) ? 5 : sizeof edits);
    } else if (e->kind == EFFECT_DEADLINE) {
        e->deadline = prng_below(r, 2) ? 0 : prng_next(r);
    }
}

/* One of those that only records which restate have. */
static void restating_random(struct prng *r, struct effect *e, bool first)
{
    static const uint8_t results[] = {1, 0, 0, 0};
    if (e->kind == EFFECT_ADOPT)
        e->number = prng_next(r);
    if (e->kind == EFFECT_SESSION)
        e->value = slice_make(results, sizeof results);
    if ((e->kind == EFFECT_WIPE || e->kind == EFFECT_MEND) && !first)
        e->kind = EFFECT_COPIED;
    if (e->kind >= EFFECT_WIPE)
        e->key.len = 0;
}

static void record_random(struct prng *r, struct effect *effects, struct record *ret)
{
    *ret = (struct record){.context = (uint32_t)prng_next(r) >> prng_below(r, 32),
                           .partition = (uint16_t)prng_below(r, 16384),
                           .has_session = prng_below(r, 2),
                           .restates = false,
                           .version = prng_next(r),
                           .time_ms = prng_next(r),
                           .effects = effects,
                           .effects_len = prng_below(r, EFFECTS + 1)};
    if (ret->has_session)
        ret->session =
            (struct record_session){.id = {{(uint8_t)prng_next(r)}},
                                    .number = 1 + (prng_next(r) >> prng_below(r, 64)) / 2,
                                    .lowest = prng_next(r) >> prng_below(r, 64),
                                    .status = (enum grid_err)prng_below(r, 35),
                                    .result = (int64_t)prng_next(r)};
    if (ret->has_session && prng_below(r, 2)) {
        ret->session.result = 0;
        ret->session.answer = slice_make(bytes, 1 + prng_below(r, KEY_BYTES_MAX));
    }
    ret->restates = !ret->has_session && prng_below(r, 2);
    for (size_t i = 0; i < ret->effects_len; i++) {
        struct effect *e = &effects[i];
        unsigned kinds = ret->restates ? EFFECT_COPIED : EFFECT_DEADLINE;
        *e = (struct effect){.kind = (enum effect_kind)(1 + prng_below(r, kinds))};
        e->cache = (uint32_t)prng_below(r, 65536);
        e->key = slice_make(bytes, 1 + prng_below(r, KEY_BYTES_MAX));
        if (e->kind == EFFECT_SESSION_END || e->kind == EFFECT_SESSION)
            e->key.len = SESSION_ID_BYTES;
        change_random(r, e);
        restating_random(r, e, i == 0);
        if (!effect_puts(e))
            continue;
        e->created = prng_below(r, 2);
        e->affinity = slice_make(bytes, prng_below(r, 2) * prng_below(r, KEY_BYTES_MAX + 1));
        value_random(r, e);
        e->deadline = prng_below(r, 2) ? 0 : prng_next(r);
    }
}

static void effect_same(const struct effect *a, const struct effect *b)
{
    ck_assert_int_eq(a->kind, b->kind);
    ck_assert_int_eq(a->created, b->created);
    ck_assert_uint_eq(a->cache, b->cache);
    ck_assert_uint_eq(a->type, b->type);
    ck_assert(slice_eq(a->key, b->key));
    ck_assert(slice_eq(a->affinity, b->affinity));
    ck_assert(slice_eq(a->value, b->value));
    ck_assert_uint_eq(a->deadline, b->deadline);
    ck_assert_uint_eq(a->number, b->number);
}

static void record_same(const struct record *a, const struct record *b)
{
    ck_assert_uint_eq(a->context, b->context);
    ck_assert_uint_eq(a->partition, b->partition);
    ck_assert_uint_eq(a->version, b->version);
    ck_assert_uint_eq(a->time_ms, b->time_ms);
    ck_assert_int_eq(a->has_session, b->has_session);
    ck_assert_int_eq(a->restates, b->restates);
    ck_assert_mem_eq(a->session.id.bytes, b->session.id.bytes, SESSION_ID_BYTES);
    ck_assert_uint_eq(a->session.number, b->session.number);
    ck_assert_uint_eq(a->session.lowest, b->session.lowest);
    ck_assert_int_eq(a->session.status, b->session.status);
    ck_assert_int_eq(a->session.result, b->session.result);
    ck_assert(slice_eq(a->session.answer, b->session.answer));
    ck_assert_uint_eq(a->effects_len, b->effects_len);
    for (size_t i = 0; i < a->effects_len; i++)
        effect_same(&a->effects[i], &b->effects[i]);
}

START_TEST(a_record_comes_back_as_it_was_and_fits_its_bound)
{
    struct prng r = {1};
    struct buf buf = BUF_INIT;
    for (int n = 0; n < 2000; n++) {
        struct effect effects[EFFECTS], decoded[EFFECTS];
        struct record rec, back;
        record_random(&r, effects, &rec);
        buf.len = 0;
        buf_add(&buf, "abc", 3); /* it is appended */
        record_encode(&rec, &buf);
        ck_assert_uint_le(buf.len - 3, record_size_max(&rec));
        struct slice in = slice_make(buf.data + 3, buf.len - 3);
        ck_assert_int_eq(record_decode(in, decoded, EFFECTS, &back), GRID_OK);
        record_same(&rec, &back);
    }
    buf_release(&buf);
}
END_TEST

/* Decode from memory of exactly that length, so that a sanitizer sees any step beyond. */
static enum grid_err decode_exact(const uint8_t *data, size_t len, struct record *ret)
{
    static struct effect effects[EFFECTS];
    uint8_t *copy = xalloc(len);
    if (len)
        memcpy(copy, data, len);
    enum grid_err err = record_decode(slice_make(copy, len), effects, EFFECTS, ret);
    free(copy);
    return err;
}

static bool glance_exact(const uint8_t *data, size_t len, struct record *ret, struct effect *first)
{
    uint8_t *copy = xalloc(len);
    if (len)
        memcpy(copy, data, len);
    bool well = record_glance(slice_make(copy, len), ret, first);
    free(copy);
    return well;
}

START_TEST(a_glance_sees_the_head_and_the_first_key_and_no_byte_beyond)
{
    struct prng r = {9};
    struct buf buf = BUF_INIT;
    for (int n = 0; n < 300; n++) {
        struct effect effects[EFFECTS], first;
        struct record rec, seen;
        record_random(&r, effects, &rec);
        buf.len = 0;
        record_encode(&rec, &buf);
        ck_assert(record_glance(buf_slice(&buf), &seen, &first));
        ck_assert_uint_eq(seen.version, rec.version);
        ck_assert_int_eq(seen.has_session, rec.has_session);
        bool keyed = rec.effects_len && effect_has_key(&effects[0]);
        ck_assert(slice_eq(first.key, keyed ? effects[0].key : slice_make(NULL, 0)));
        ck_assert_uint_eq(first.cache, rec.effects_len ? effects[0].cache : 0);
        for (size_t len = 0; len < buf.len; len++)
            ck_assert(!glance_exact(buf.data, len, &seen, &first) || len >= HEAD_BYTES_MIN);
    }
    buf_release(&buf);
}
END_TEST

START_TEST(a_truncated_or_longer_record_is_refused)
{
    struct prng r = {2};
    struct buf buf = BUF_INIT;
    struct record back;
    for (int n = 0; n < 100; n++) {
        struct effect effects[EFFECTS];
        struct record rec;
        record_random(&r, effects, &rec);
        buf.len = 0;
        record_encode(&rec, &buf);
        for (size_t len = 0; len < buf.len; len++)
            ck_assert_int_eq(decode_exact(buf.data, len, &back), GRID_ECORRUPT);
        buf_add_u8(&buf, 0);
        ck_assert_int_eq(decode_exact(buf.data, buf.len, &back), GRID_ECORRUPT);
    }
    buf_release(&buf);
}
END_TEST

START_TEST(what_decodes_after_a_mutation_encodes_to_the_same_bytes)
{
    struct prng r = {3};
    struct buf buf = BUF_INIT, again = BUF_INIT;
    unsigned taken = 0;
    for (int n = 0; n < 20000; n++) {
        struct effect effects[EFFECTS];
        struct record rec, back;
        record_random(&r, effects, &rec);
        buf.len = again.len = 0;
        record_encode(&rec, &buf);
        for (uint64_t flips = 1 + prng_below(&r, 3); flips; flips--)
            buf.data[prng_below(&r, buf.len < 60 ? buf.len : 60)] = (uint8_t)prng_next(&r);
        enum grid_err err = record_decode(buf_slice(&buf), effects, EFFECTS, &back);
        ck_assert(err == GRID_OK || err == GRID_ECORRUPT || err == GRID_ETOO_LARGE);
        if (err)
            continue;
        taken++;
        record_encode(&back, &again);
        ck_assert(slice_eq(buf_slice(&buf), buf_slice(&again)));
    }
    ck_assert_uint_gt(taken, 100);
    buf_release(&buf);
    buf_release(&again);
}
END_TEST

START_TEST(more_effects_than_room_is_too_large_and_impossible_counts_are_corrupt)
{
    struct effect effects[2] = {{.kind = EFFECT_REMOVE, .key = slice_str("a")},
                                {.kind = EFFECT_REMOVE, .key = slice_str("b")}};
    struct record rec = {.version = 1, .effects = effects, .effects_len = 2}, back;
    struct buf buf = BUF_INIT;
    record_encode(&rec, &buf);
    ck_assert_int_eq(record_decode(buf_slice(&buf), effects, 1, &back), GRID_ETOO_LARGE);
    size_t count_at = 1 + 1 + 1 + 8 + 8;
    ck_assert_uint_eq(buf.data[count_at], 2);
    buf.data[count_at] = 127;
    ck_assert_int_eq(record_decode(buf_slice(&buf), effects, 2, &back), GRID_ECORRUPT);
    buf_release(&buf);
}
END_TEST

/* One effect as bytes behind a valid head. */
struct bad_effect {
    const char *what;
    size_t len;
    uint8_t bytes[24];
};

static const struct bad_effect bad_effects[] = {
    {"kind 0", 4, {0, 1, 1, 'k'}},
    {"kind 7", 4, {7, 1, 1, 'k'}},
    {"edit without a type", 5, {5, 1, 1, 'k', 0}},
    {"edit of bytes", 6, {5 | 8 << 4, 1, 1, 'k', 0, 0}},
    {"edit of a media type", 6, {5 | 8 << 4, 1, 1, 'k', VALUE_MEDIA, 0}},
    {"edit with a deadline", 14, {5 | 12 << 4, 1, 1, 'k', VALUE_HASH, 0, 1}},
    {"malformed edit", 8, {5 | 8 << 4, 1, 1, 'k', VALUE_HASH, 2, EDIT_SET, 0}},
    {"type 0 said", 6, {1 | 8 << 4, 1, 1, 'k', 0, 0}},
    {"type 3", 6, {1 | 8 << 4, 1, 1, 'k', 3, 0}},
    {"hash without fields", 6, {1 | 8 << 4, 1, 1, 'k', VALUE_HASH, 0}},
    {"hash with a field twice", 10, {1 | 8 << 4, 1, 1, 'k', VALUE_HASH, 4, 0, 0, 0, 0}},
    {"media type of 0 bytes", 7, {1 | 8 << 4, 1, 1, 'k', VALUE_MEDIA, 1, 0}},
    {"media type beyond the value", 8, {1 | 8 << 4, 1, 1, 'k', VALUE_MEDIA, 2, 2, 'a'}},
    {"deadline 0 said", 12, {6 | 4 << 4, 1, 1, 'k', 0}},
    {"deadline with a value", 6, {6 | 8 << 4, 1, 1, 'k', VALUE_HASH, 0}},
    {"flags on a removal", 4, {2 | 1 << 4, 1, 1, 'k'}},
    {"empty key", 4, {2, 1, 0, 0}},
    {"key of 481 bytes", 5, {2, 1, 0xe1, 3, 0}},
    {"cache of 65536", 6, {2, 0x80, 0x80, 4, 1, 'k'}},
    {"cache in a longer form", 5, {2, 0x81, 0, 1, 'k'}},
    {"empty affinity", 6, {1 | 2 << 4, 1, 1, 'k', 0, 0}},
    {"deadline 0", 13, {1 | 4 << 4, 1, 1, 'k', 0}},
    {"value beyond the end", 5, {1, 1, 1, 'k', 9}},
    {"session id of 15 bytes", 18, {4, 0, 15}},
    {"varint without end", 14, {2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 'k'}},
};

START_TEST(each_malformed_effect_is_refused)
{
    for (size_t i = 0; i < sizeof bad_effects / sizeof *bad_effects; i++) {
        const struct bad_effect *bad = &bad_effects[i];
        struct record rec = {.version = 1}, back;
        struct buf buf = BUF_INIT;
        record_encode(&rec, &buf);
        buf.data[buf.len - 1] = 1;
        buf_add(&buf, bad->bytes, bad->len);
        ck_assert_msg(decode_exact(buf.data, buf.len, &back) == GRID_ECORRUPT, "%s", bad->what);
        buf_release(&buf);
    }
}
END_TEST

START_TEST(an_answer_is_some_bytes_of_a_session_that_has_no_number)
{
    struct record rec = {.version = 1,
                         .has_session = true,
                         .session = {.number = 1, .answer = slice_str("a")}},
                  back;
    struct buf buf = BUF_INIT;
    record_encode(&rec, &buf);
    ck_assert_int_eq(decode_exact(buf.data, buf.len, &back), GRID_OK);
    size_t answer_at = buf.len - 3; /* length, "a", no effects */
    static const struct {
        size_t back;
        uint8_t byte;
    } bad[] = {{0, 0}, {1, 1}}; /* no bytes at all; a number beside them */
    for (size_t i = 0; i < 2; i++) {
        uint8_t *at = &buf.data[answer_at - bad[i].back], was = *at;
        *at = bad[i].byte;
        ck_assert_int_eq(decode_exact(buf.data, buf.len, &back), GRID_ECORRUPT);
        *at = was;
    }
    buf.data[0] = 4; /* of no session */
    ck_assert_int_eq(decode_exact(buf.data, buf.len, &back), GRID_ECORRUPT);
    buf_release(&buf);
}
END_TEST

UNIT_MAIN("data/record", a_record_comes_back_as_it_was_and_fits_its_bound,
          a_glance_sees_the_head_and_the_first_key_and_no_byte_beyond,
          a_truncated_or_longer_record_is_refused,
          what_decodes_after_a_mutation_encodes_to_the_same_bytes,
          more_effects_than_room_is_too_large_and_impossible_counts_are_corrupt,
          each_malformed_effect_is_refused, an_answer_is_some_bytes_of_a_session_that_has_no_number)
