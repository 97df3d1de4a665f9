/* test_native_map.c - maps in C: as those in Lua, whose machine and rows they share.
 * LINK: compute command shard replica control data base */
#include <grid_module.h>

#include "base/clock.h"
#include "base/codec.h"
#include "compute/map.h"
#include "compute/native.h"
#include "tests/lib/unit.h"
#include "tests/unit/compute/maps.h"

#include <stdio.h>
#include <stdlib.h>

static struct grid_bytes text(const char *s)
{
    return (struct grid_bytes){s, strlen(s)};
}

/* --- the maps --------------------------------------------------------------------------------- */

static enum grid_err by_letter(struct grid_mapper *m, const struct grid_mapped *e)
{
    int64_t n;
    if (!grid_integer_read(e->value, &n))
        return GRID_ENOT_NUMBER;
    return grid_mapper_emit_integer(m, (struct grid_bytes){e->key.data, 1}, n);
}

static enum grid_err one(struct grid_mapper *m, const struct grid_mapped *e)
{
    int64_t n;
    if (!grid_integer_read(e->value, &n))
        return GRID_ENOT_NUMBER;
    return n % 2 ? grid_mapper_emit_number(m, text("k"), (double)n + 0.5)
                 : grid_mapper_emit_integer(m, text("k"), n);
}

static enum grid_err whole(struct grid_mapper *m, const struct grid_mapped *e)
{
    char *value = grid_mapper_alloc(m, e->value.len + m->argument.len);
    memcpy(value, m->argument.data, m->argument.len);
    memcpy(value + m->argument.len, e->value.data, e->value.len);
    return grid_mapper_emit_bytes(m, e->key,
                                  (struct grid_bytes){value, e->value.len + m->argument.len});
}

static enum grid_err keys(struct grid_mapper *m, const struct grid_mapped *e)
{
    return grid_mapper_emit_bytes(m, text(""), e->key);
}

/* "a-b" of a and b, the lesser first. */
static enum grid_err join(struct grid_mapper *m, struct grid_bytes key, struct grid_row *row,
                          const struct grid_row *more)
{
    const struct grid_bytes a = row->bytes, b = more->bytes;
    char *both = grid_mapper_alloc(m, a.len + 1 + b.len);
    ck_assert(key.len == 0 && row->kind == GRID_ROW_BYTES && more->kind == GRID_ROW_BYTES);
    ck_assert_int_eq(grid_mapper_alloc(m, 33 << 20) == NULL, true);
    memcpy(both, a.data, a.len);
    both[a.len] = '-';
    memcpy(both + a.len + 1, b.data, b.len);
    row->bytes = (struct grid_bytes){both, a.len + 1 + b.len};
    return GRID_OK;
}

static enum grid_err length(struct grid_mapper *m, struct grid_bytes key, struct grid_row *row)
{
    (void)m;
    (void)key;
    *row = (struct grid_row){.kind = GRID_ROW_INTEGER, .integer = (int64_t)row->bytes.len};
    return GRID_OK;
}

static enum grid_err drop(struct grid_mapper *m, struct grid_bytes key, struct grid_row *row)
{
    (void)m;
    if (key.len && *(const char *)key.data == 'b')
        row->kind = GRID_ROW_NONE;
    return GRID_OK;
}

static enum grid_err fails(struct grid_mapper *m, const struct grid_mapped *e)
{
    char why[64];
    snprintf(why, sizeof why, "because of %.*s", (int)e->key.len, (const char *)e->key.data);
    return grid_mapper_fail(m, why);
}

static enum grid_err long_key(struct grid_mapper *m, const struct grid_mapped *e)
{
    static char key[(64 << 10) + 1];
    (void)e;
    (void)!grid_mapper_emit_integer(m, (struct grid_bytes){key, sizeof key}, 1);
    return GRID_OK; /* it is ended all the same */
}

static enum grid_err reduce_emits(struct grid_mapper *m, struct grid_bytes key,
                                  struct grid_row *row, const struct grid_row *more)
{
    (void)row;
    (void)more;
    return grid_mapper_emit_integer(m, key, 1);
}

static enum grid_err reduce_to_nothing(struct grid_mapper *m, struct grid_bytes key,
                                       struct grid_row *row, const struct grid_row *more)
{
    (void)m;
    (void)key;
    (void)more;
    row->kind = GRID_ROW_NONE;
    return GRID_OK;
}

/* As many rows, of keys of their own, as the context says. */
static enum grid_err many(struct grid_mapper *m, const struct grid_mapped *e)
{
    enum grid_err err = GRID_OK;
    for (int64_t i = 0, n = *(const int64_t *)m->ctx; i < n && !err; i++) {
        char key[32];
        snprintf(key, sizeof key, "%.*s%lld", (int)e->key.len, (const char *)e->key.data,
                 (long long)i);
        err = grid_mapper_emit_integer(m, text(key), i);
    }
    return err;
}

static uint64_t now; /* us */

static enum grid_err slow(struct grid_mapper *m, const struct grid_mapped *e)
{
    (void)m;
    (void)e;
    now += 1000000;
    return GRID_OK;
}

static int64_t rows_wanted = 3000;

#define MAP(its_name, function, ...)                                                               \
    {                                                                                              \
        .kind = GRID_NATIVE_MAP, .name = its_name, .map = (function), __VA_ARGS__                  \
    }

static const struct grid_native functions[] = {
    MAP("sum", by_letter, .reducer = GRID_REDUCE_SUM),
    MAP("sums", one, .reducer = GRID_REDUCE_SUM),
    MAP("least", one, .reducer = GRID_REDUCE_MIN),
    MAP("most", one, .reducer = GRID_REDUCE_MAX),
    MAP("count", whole, .reducer = GRID_REDUCE_COUNT),
    MAP("bytes", whole, .reducer = GRID_REDUCE_SUM),
    MAP("rows", whole, .reducer = GRID_REDUCE_NOT),
    MAP("join", keys, .reducer = GRID_REDUCE_BY, .reduce = join),
    MAP("length", keys, .reducer = GRID_REDUCE_BY, .reduce = join, .final = length),
    MAP("drop", by_letter, .reducer = GRID_REDUCE_SUM, .final = drop),
    MAP("fails", fails, .reducer = GRID_REDUCE_SUM),
    MAP("long_key", long_key, .reducer = GRID_REDUCE_SUM),
    MAP("emits", keys, .reducer = GRID_REDUCE_BY, .reduce = reduce_emits),
    MAP("nothing", keys, .reducer = GRID_REDUCE_BY, .reduce = reduce_to_nothing),
    MAP("many", many, .ctx = &rows_wanted, .reducer = GRID_REDUCE_SUM),
    MAP("all", many, .ctx = &rows_wanted, .reducer = GRID_REDUCE_NOT),
    MAP("slow", slow, .reducer = GRID_REDUCE_NOT),
};

/* --- the machine ------------------------------------------------------------------------------ */

static struct natives *natives;

static void natives_make(void)
{
    static const struct grid_native_module m = GRID_MODULE_INIT("m", functions);
    struct buf fault = BUF_INIT;
    natives = natives_new();
    ck_assert_msg(natives_add(natives, &m, &fault), "%.*s", (int)fault.len, (char *)fault.data);
    buf_release(&fault);
}

static uint64_t now_us(void *nobody)
{
    (void)nobody;
    return now;
}

static struct map_machine *machine(const char *name, const char *arg)
{
    struct map_limits limits = {
        .memory = 1 << 20, .rows_bytes = 100000, .page_us = 2500000, .now_us = now_us, .seed = 7};
    char path[80];
    snprintf(path, sizeof path, "m.%s", name);
    struct map_machine *m = map_machine_new(&limits);
    const struct native *f = natives_find(natives, MODULE_MAP, slice_str(path));
    ck_assert_msg(f != NULL, "%s", name);
    map_begin_native(m, f, slice_str(arg));
    return m;
}

START_TEST(rows_are_reduced_where_they_are_and_again_where_they_meet)
{
    natives_make();
    map_says("sum", "", "a=84;b=-6;");
    map_says("sums", "", "k=79;"); /* -2.5 twice, 10 and 32 twice */
    map_says("least", "", "k=-2.5;");
    map_says("most", "", "k=32;");
    map_says("count", "", "a1=2;a2=2;b1=2;");
    map_says("join", "", "=a1-b1-a2-a1-b1-a2;");
    map_says("length", "", "=17;");
    map_says("drop", "", "a=84;");
    map_says("rows", "x", "a1=x10;b1=x-3;a2=x32;a1=x10;b1=x-3;a2=x32;");
    natives_free(natives);
}
END_TEST

static void map_fails(const char *name, enum grid_err want, const char *says)
{
    struct buf page = BUF_INIT, shown = BUF_INIT;
    struct map_machine *m = machine(name, "");
    char said[MAP_FAULT_BYTES], path[80];
    snprintf(path, sizeof path, "traceback of m.%s:\n  native code", name);
    page_make(&page);
    map_failed(m, name, want, says, said);
    ck_assert_msg(want != GRID_ETASK || strstr(said, path), "%s: %s", name, said);
    map_begin_native(m, natives_find(natives, MODULE_MAP, slice_str("m.sum")), slice_str(""));
    ck_assert_int_eq(map_page(m, buf_slice(&page)), GRID_OK); /* the machine is good for more */
    ck_assert_int_eq(map_finish(m, &shown), GRID_OK);
    shown_text(&shown, said);
    ck_assert_str_eq(said, "a=42;b=-3;");
    map_machine_free(m);
    buf_release(&page);
    buf_release(&shown);
}

START_TEST(what_fails_is_told_and_the_machine_is_good_for_the_next)
{
    natives_make();
    map_fails("fails", GRID_ETASK, "because of a1");
    map_fails("long_key", GRID_ETASK, err_text(GRID_ETOO_LARGE));
    map_fails("bytes", GRID_ETASK, "must be a number");
    map_fails("emits", GRID_ETASK, err_text(GRID_EDENIED));
    map_fails("nothing", GRID_ETASK, err_text(GRID_EBAD_REQUEST));
    map_fails("slow", GRID_ETASK, "took too long");
    natives_free(natives);
}
END_TEST

/* A second each: it may take two and a half. */
START_TEST(one_that_is_slow_is_ended_in_time)
{
    natives_make();
    struct buf page = BUF_INIT;
    struct map_machine *m = machine("slow", "");
    for (int i = 0; i < 1000; i++)
        page_add(&page, "x", "", 4);
    now = 0;
    ck_assert_int_eq(map_page(m, buf_slice(&page)), GRID_ETASK);
    ck_assert_uint_eq(now, 3000000);
    map_machine_free(m);
    buf_release(&page);
    natives_free(natives);
}
END_TEST

START_TEST(what_a_map_holds_is_bounded)
{
    natives_make();
    rows_wanted = 100000;
    map_fails("many", GRID_ETASK, "its rows take more than 1048576 bytes");
    map_fails("all", GRID_ETOO_LARGE, "");
    natives_free(natives);
}
END_TEST

START_TEST(thousands_of_rows_keep_their_keys_apart)
{
    natives_make();
    struct buf page = BUF_INIT, emitted = BUF_INIT;
    struct map_machine *m = machine("many", "");
    rows_wanted = 3000;
    page_add(&page, "x", "", 4);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(map_page(m, buf_slice(&page)), GRID_OK);
    ck_assert(map_reduces(m) && map_machine_small(m));
    ck_assert_int_eq(map_take(m, &emitted), GRID_OK);
    size_t at = 0;
    for (unsigned i = 0; i < 3000; i++) { /* each once, twice its number */
        char key[32];
        int len = snprintf(key, sizeof key, "x%u", i);
        ck_assert_uint_eq(load_u32(emitted.data + at), (unsigned)len);
        ck_assert_int_eq(emitted.data[at + 8], 'i');
        ck_assert(memcmp(emitted.data + at + 9, key, (size_t)len) == 0);
        ck_assert_uint_eq(load_u64(emitted.data + at + 9 + (size_t)len), 2 * i);
        at += 9 + (size_t)len + 8;
    }
    ck_assert_uint_eq(at, emitted.len);
    emitted.len = 0;
    ck_assert_int_eq(map_take(m, &emitted), GRID_OK); /* it was forgotten */
    ck_assert_uint_eq(emitted.len, 0);
    map_machine_free(m);
    buf_release(&page);
    buf_release(&emitted);
    natives_free(natives);
}
END_TEST

START_TEST(rows_of_others_may_be_any_bytes)
{
    natives_make();
    static const uint8_t bytes[] = {1, 0, 0, 0, 2, 0, 0, 0, 's', 'k', 'a', 'b'};
    struct map_machine *m = machine("sum", "");
    for (size_t len = 1; len < sizeof bytes; len++)
        ck_assert_int_eq(map_merge(m, slice_make(bytes, len)), GRID_EBAD_REQUEST);
    ck_assert_int_eq(map_merge(m, slice_make(bytes, sizeof bytes)), GRID_ETASK); /* no number */
    map_machine_free(m);
    natives_free(natives);
}
END_TEST

START_TEST(integers_are_read_as_they_are_written)
{
    static const struct {
        const char *text;
        bool good;
        int64_t number;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"000000000000000000000000000042", true, 42},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {"1 ", false, 0},
        {"00000000000000001x", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t n = 0;
        ck_assert_msg(grid_integer_read(text(cases[i].text), &n) == cases[i].good, "%s",
                      cases[i].text);
        ck_assert_int_eq(n, cases[i].number);
    }
}
END_TEST

START_TEST(sums_that_are_no_integers_become_doubles)
{
    natives_make();
    struct buf page = BUF_INIT, shown = BUF_INIT;
    struct map_machine *m = machine("sum", "");
    char said[128];
    page_add(&page, "a", "9223372036854775807", 4);
    page_add(&page, "a", "1", 4);
    ck_assert_int_eq(map_page(m, buf_slice(&page)), GRID_OK);
    ck_assert_int_eq(map_finish(m, &shown), GRID_OK);
    shown_text(&shown, said);
    ck_assert_str_eq(said, "a=9.2233720368547758e+18;");
    map_machine_free(m);
    buf_release(&page);
    buf_release(&shown);
    natives_free(natives);
}
END_TEST

UNIT_MAIN("compute/native_map", rows_are_reduced_where_they_are_and_again_where_they_meet,
          what_fails_is_told_and_the_machine_is_good_for_the_next,
          one_that_is_slow_is_ended_in_time, what_a_map_holds_is_bounded,
          thousands_of_rows_keep_their_keys_apart, rows_of_others_may_be_any_bytes,
          integers_are_read_as_they_are_written, sums_that_are_no_integers_become_doubles)
