/* test_parts.c - large hashes in the checkpoint: what a fold touches, what is purged, what damage
 * does to them.
 * LINK: store data base */
#include "bench.h"

#include "data/fields.h"
#include "store/checkpoint_priv.h"

enum { FIELDS = 3000, PARTS_SEEN = 512 };

static void field_text(unsigned field, char *name, char *value)
{
    sprintf(name, "field-%u", field);
    sprintf(value, "value-%u-of-some-length", field * 7919);
}

static void bench_large(struct bench *b, uint32_t cache, const char *key, unsigned fields)
{
    struct buf value = BUF_INIT;
    char name[32], text[64];
    for (unsigned i = 0; i < fields; i++) {
        field_text(i, name, text);
        fields_pack(&value, slice_str(name), slice_str(text));
    }
    struct effect e = {.kind = EFFECT_PUT,
                       .created = true,
                       .cache = cache,
                       .key = slice_str(key),
                       .affinity = slice_str("aff"),
                       .deadline = 77,
                       .type = VALUE_HASH,
                       .value = buf_slice(&value)};
    bench_add(b, &e, NULL);
    bench_sync(b);
    buf_release(&value);
}

static void bench_edit(struct bench *b, const char *key, unsigned field, const char *value)
{
    struct buf edits = BUF_INIT;
    char name[32], text[64];
    field_text(field, name, text);
    fields_edit_set(&edits, slice_str(name), slice_str(value));
    struct effect e = {.kind = EFFECT_EDIT,
                       .cache = 1,
                       .key = slice_str(key),
                       .type = VALUE_HASH,
                       .value = buf_slice(&edits)};
    bench_add(b, &e, NULL);
    buf_release(&edits);
}

static void fold_all(struct bench *b, struct checkpoint_report *report)
{
    bench_sync(b);
    ck_assert_int_eq(bench_run(b, NULL, report), GRID_OK);
}

static enum grid_err large_get(struct bench *b, const char *key, struct buf *out,
                               struct checkpoint_entry *e)
{
    return checkpoint_get(b->cp, 1, 5, 1, slice_str(key), out, e);
}

/* Checksums of all parts. */
static unsigned parts_look(struct bench *b, uint32_t *crcs)
{
    struct kv_txn *t;
    struct kv_cursor *c;
    struct slice key, row;
    unsigned n = 0;
    const struct kv_ops *ops = b->cp->kv->ops;
    ck_assert_int_eq(ops->begin(b->cp->kv, false, &t), GRID_OK);
    ck_assert_int_eq(ops->cursor(t, KV_PARTS, &c), GRID_OK);
    enum grid_err err = ops->seek(c, slice_str(""), &key, &row);
    for (; !err; err = ops->next(c, &key, &row)) {
        ck_assert_uint_lt(n, PARTS_SEEN);
        crcs[n++] = load_u32(row.data);
    }
    ops->cursor_close(c);
    ops->abort(t);
    return n;
}

START_TEST(a_fold_writes_the_parts_that_its_edits_touch_and_no_others)
{
    struct bench b;
    struct checkpoint_report rep;
    struct checkpoint_entry e;
    struct buf out = BUF_INIT;
    static uint32_t before[PARTS_SEEN], after[PARTS_SEEN];
    bench_init(&b, _i);
    bench_large(&b, 1, "h", FIELDS);
    fold_all(&b, &rep);
    unsigned parts = parts_look(&b, before), changed = 0;
    ck_assert_uint_gt(parts, 50);
    bench_edit(&b, "h", 17, "x");
    bench_edit(&b, "h", 18, "y");
    bench_edit(&b, "h", 17, "z");
    fold_all(&b, &rep);
    ck_assert_uint_eq(parts_look(&b, after), parts);
    for (unsigned i = 0; i < parts; i++)
        changed += before[i] != after[i];
    ck_assert_uint_ge(changed, 1);
    ck_assert_uint_le(changed, 2);
    ck_assert_int_eq(large_get(&b, "h", &out, &e), GRID_OK);
    struct slice value;
    struct fields_view v = {.packed = e.value};
    ck_assert_uint_eq(fields_len(v), FIELDS);
    ck_assert(fields_get(v, slice_str("field-17"), &value) && slice_eq(value, slice_str("z")));
    ck_assert(fields_get(v, slice_str("field-18"), &value) && slice_eq(value, slice_str("y")));
    ck_assert(slice_eq(e.affinity, slice_str("aff")));
    ck_assert_uint_eq(e.deadline, 77);
    ck_assert_uint_eq(e.version, version_make(1, 4));
    buf_release(&out);
    bench_release(&b);
}
END_TEST

START_TEST(parts_go_with_their_entry)
{
    struct bench b;
    struct checkpoint_report rep;
    static uint32_t crcs[PARTS_SEEN];
    bench_init(&b, _i);
    bench_large(&b, 1, "h", FIELDS);
    bench_large(&b, 1, "i", FIELDS);
    fold_all(&b, &rep);
    bench_put(&b, 1, "h", "a string", false);
    bench_large(&b, 1, "i", FIELDS / 2);
    fold_all(&b, &rep);
    unsigned half = parts_look(&b, crcs);
    ck_assert_uint_gt(half, 20);
    check_value(&b, 1, "h", "a string");
    bench_remove(&b, 1, "i");
    fold_all(&b, &rep);
    ck_assert_uint_eq(parts_look(&b, crcs), 0);
    bench_release(&b);
}
END_TEST

static bool not_cache_two(void *ctx, uint32_t context, uint32_t cache)
{
    (void)ctx;
    return context == 1 && cache != 2;
}

START_TEST(a_dropped_cache_is_purged_by_steps_and_no_reader_meets_half_a_value)
{
    struct bench b;
    struct checkpoint_report rep;
    struct checkpoint_page page = {0};
    struct checkpoint_limits limits = {.alive = not_cache_two, .changes_max = 7};
    static uint32_t crcs[PARTS_SEEN];
    bool more = true;
    unsigned rounds = 0;
    bench_init(&b, _i);
    bench_large(&b, 1, "kept", FIELDS / 2);
    fold_all(&b, &rep);
    unsigned kept = parts_look(&b, crcs);
    bench_large(&b, 2, "h", FIELDS);
    bench_large(&b, 2, "i", FIELDS);
    fold_all(&b, &rep);
    for (; more; rounds++) {
        ck_assert_int_eq(checkpoint_purge(b.cp, &limits, &more), GRID_OK);
        ck_assert_int_eq(
            checkpoint_scan(b.cp, 1, 5, UINT32_MAX, 0, slice_str(""), 9, 1 << 20, &page), GRID_OK);
        ck_assert_uint_eq(page.len, 1);
    }
    ck_assert_uint_gt(rounds, 10);
    ck_assert_uint_eq(parts_look(&b, crcs), kept);
    ck_assert_uint_eq(heads(&b).counts[2], 0);
    checkpoint_page_release(&page);
    bench_release(&b);
}
END_TEST

/* Spoil part `part` of "hurt" (kinds 0 and 1: both of its edges), or take it away. */
static void part_hurt(struct bench *b, uint32_t part, bool missing)
{
    uint8_t bytes[KV_KEY_BYTES_MAX], name[KV_KEY_BYTES_MAX];
    struct slice key = part_key(name, entry_key(bytes, 1, 5, 1, slice_str("hurt")), part);
    struct slice row;
    struct kv_txn *t;
    const struct kv_ops *ops = b->cp->kv->ops;
    uint8_t spoiled[8192];
    ck_assert_int_eq(ops->begin(b->cp->kv, true, &t), GRID_OK);
    ck_assert_int_eq(ops->get(t, KV_PARTS, key, &row), GRID_OK);
    ck_assert_uint_le(row.len, sizeof spoiled);
    memcpy(spoiled, row.data, row.len);
    spoiled[row.len / 2] ^= 4;
    ck_assert_int_eq(missing ? ops->del(t, KV_PARTS, key)
                             : ops->put(t, KV_PARTS, key, slice_make(spoiled, row.len)),
                     GRID_OK);
    ck_assert_int_eq(ops->commit(t), GRID_OK);
}

static void damage_told(struct bench *b)
{
    struct checkpoint_entry e;
    struct checkpoint_page page = {0};
    struct buf out = BUF_INIT;
    ck_assert_int_eq(large_get(b, "hurt", &out, &e), GRID_ECORRUPT);
    ck_assert_int_eq(checkpoint_scan(b->cp, 1, 5, 1, 0, slice_str(""), 9, 1 << 20, &page),
                     GRID_ECORRUPT);
    ck_assert_int_eq(large_get(b, "fine", &out, &e), GRID_OK);
    checkpoint_page_release(&page);
    buf_release(&out);
}

static void field_good(void *ctx, struct slice field, struct slice value)
{
    unsigned *edited = ctx;
    char name[32], text[64], found[32];
    snprintf(found, sizeof found, "%.*s", (int)field.len, (const char *)field.data);
    field_text((unsigned)strtoul(found + strlen("field-"), NULL, 10), name, text);
    ck_assert_str_eq(found, name);
    if (slice_eq(value, slice_str("later")))
        ++*edited;
    else
        ck_assert(slice_eq(value, slice_str(text)));
}

START_TEST(a_part_that_cannot_be_read_damages_its_partition_and_alone_is_given_up)
{
    struct bench b;
    struct checkpoint_report rep;
    struct checkpoint_entry e;
    struct buf out = BUF_INIT;
    struct wal_place place = {1, 5};
    static uint32_t crcs[PARTS_SEEN];
    bench_init(&b, _i & 1);
    bench_large(&b, 1, "fine", FIELDS / 2);
    bench_large(&b, 1, "hurt", FIELDS);
    fold_all(&b, &rep);
    unsigned parts = parts_look(&b, crcs);
    part_hurt(&b, 9, _i & 2);
    damage_told(&b);
    if (_i & 4) { /* a fold meets it */
        for (unsigned i = 0; i < FIELDS; i += 5)
            bench_edit(&b, "hurt", i, "later");
        fold_all(&b, &rep);
        ck_assert_uint_eq(rep.damaged_len, 1);
        damage_told(&b);
    } else { /* a reader did */
        ck_assert_int_eq(checkpoint_mark_damaged(b.cp, &place, 1, NULL), GRID_OK);
    }
    ck_assert(heads(&b).damaged);
    ck_assert_int_eq(checkpoint_give_up(b.cp, &place, NULL), GRID_OK);
    ck_assert(!heads(&b).damaged);
    ck_assert_uint_eq(heads(&b).counts[1], 2);
    ck_assert_uint_eq(parts_look(&b, crcs), parts);
    ck_assert_int_eq(large_get(&b, "hurt", &out, &e), GRID_OK);
    struct fields_view v = {.packed = e.value};
    unsigned edited = 0;
    fields_each(v, field_good, &edited);
    ck_assert_uint_lt(fields_len(v), FIELDS);
    ck_assert_uint_gt(fields_len(v), FIELDS - 200);
    ck_assert_uint_eq(edited, _i & 4 ? FIELDS / 5 : 0); /* what the log had is kept */
    buf_release(&out);
    bench_release(&b);
}
END_TEST

START_TEST(parts_of_an_unreadable_entry_are_given_up_with_it)
{
    struct bench b;
    struct checkpoint_report rep;
    struct wal_place place = {1, 5};
    static uint32_t crcs[PARTS_SEEN];
    struct kv_txn *t;
    uint8_t bytes[KV_KEY_BYTES_MAX];
    bench_init(&b, _i & 1);
    const struct kv_ops *ops = b.cp->kv->ops;
    bench_large(&b, 1, "fine", FIELDS / 2);
    fold_all(&b, &rep);
    unsigned fine = parts_look(&b, crcs);
    bench_large(&b, 1, "hurt", FIELDS);
    fold_all(&b, &rep);
    struct slice key = entry_key(bytes, 1, 5, 1, slice_str("hurt"));
    ck_assert_int_eq(ops->begin(b.cp->kv, true, &t), GRID_OK);
    ck_assert_int_eq(ops->put(t, KV_ENTRIES, key, slice_str("not what was written")), GRID_OK);
    ck_assert_int_eq(ops->commit(t), GRID_OK);
    if (_i & 2) { /* overwritten before anybody met it: nothing is lost */
        bench_put(&b, 1, "hurt", "new", false);
        fold_all(&b, &rep);
        ck_assert_uint_eq(rep.damaged_len, 0);
        check_value(&b, 1, "hurt", "new");
    } else {
        damage_told(&b);
        ck_assert_int_eq(checkpoint_give_up(b.cp, &place, NULL), GRID_OK);
        check_value(&b, 1, "hurt", NULL);
        ck_assert_uint_eq(heads(&b).counts[1], 1);
    }
    ck_assert_uint_eq(parts_look(&b, crcs), fine);
    bench_release(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/parts");
    TCase *tc = tcase_create("store/parts");
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, a_fold_writes_the_parts_that_its_edits_touch_and_no_others, 0, 2);
    tcase_add_loop_test(tc, parts_go_with_their_entry, 0, 2);
    tcase_add_loop_test(tc, a_dropped_cache_is_purged_by_steps_and_no_reader_meets_half_a_value, 0,
                        2);
    tcase_add_loop_test(tc, a_part_that_cannot_be_read_damages_its_partition_and_alone_is_given_up,
                        0, 8);
    tcase_add_loop_test(tc, parts_of_an_unreadable_entry_are_given_up_with_it, 0, 4);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
