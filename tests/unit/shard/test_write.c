/* test_write.c - conditions, numbers, times to live, batches, order and durability.
 * LINK: shard replica control data base */
#include "tests/unit/shard/harness.h"

START_TEST(a_sync_put_is_answered_when_durable_and_not_before)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct answered *put = h_put(h, c, "k", "v");
    ck_waits(put);
    ck_assert_uint_eq(h->log_len, 1);
    ck_assert(h->log[0].sync);
    h_durable(h);
    ck_answer(put, GRID_OK);
    ck_assert_uint_eq(put->version, version_make(EPOCH, 1));
    ck_value(h_get(h, c, "k"), "v");
    h_free(h);
}
END_TEST

START_TEST(an_async_put_is_answered_at_once_and_logged)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "a", DURABILITY_ASYNC, 0, FULL_REFUSE);
    ck_answer(h_put(h, c, "k", "v"), GRID_OK);
    ck_assert_uint_eq(h->log_len, 1);
    ck_assert(!h->log[0].sync);
    h_free(h);
}
END_TEST

START_TEST(a_memory_put_is_answered_at_once_and_never_logged)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
    ck_answer(h_put(h, c, "k", "v"), GRID_OK);
    ck_answer(h_delete(h, c, "k"), GRID_OK);
    ck_answer(h_get(h, c, "k"), GRID_ENOT_FOUND);
    ck_assert_uint_eq(h->log_len, 0);
    h_free(h);
}
END_TEST

START_TEST(a_read_of_a_pending_entry_waits_for_its_commit)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    h_put(h, c, "k", "1");
    h_durable(h);
    h_put(h, c, "k", "2");
    struct answered *get = h_get(h, c, "k");
    ck_waits(get);
    h_put(h, c, "k", "3"); /* stacked on the pending one; the reader keeps what it saw */
    shard_durable(h->s, 2, h->now);
    ck_value(get, "2");
    struct answered *late = h_get(h, c, "k");
    ck_waits(late);
    h_durable(h);
    ck_value(late, "3");
    h_free(h);
}
END_TEST

START_TEST(a_read_of_a_pending_delete_waits_for_its_commit)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    h_put(h, c, "k", "1");
    h_durable(h);
    struct answered *del = h_delete(h, c, "k");
    struct answered *get = h_get(h, c, "k");
    ck_waits(get);
    h_durable(h);
    ck_answer(del, GRID_OK);
    ck_assert_int_eq(del->number, 1);
    ck_answer(get, GRID_ENOT_FOUND);
    h_free(h);
}
END_TEST

START_TEST(a_failed_condition_on_a_pending_entry_waits_for_its_commit)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct answered *put = h_put(h, c, "k", "1");
    struct op op = h_op(OP_PUT, c, "k");
    op.condition = IF_ABSENT;
    struct answered *cas = h_do(h, op);
    ck_waits(cas);
    ck_assert_uint_eq(h->log_len, 1);
    h_durable(h);
    ck_answer(cas, GRID_ECONDITION);
    ck_assert_uint_eq(cas->version, put->version);
    h_free(h);
}
END_TEST

START_TEST(reads_of_other_keys_do_not_wait)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    h_put(h, c, "k", "1");
    h_durable(h);
    h_put(h, c, "other", "1");
    ck_value(h_get(h, c, "k"), "1");
    ck_answer(h_get(h, c, "none"), GRID_ENOT_FOUND);
    h_free(h);
}
END_TEST

struct condition_case {
    enum op_kind kind;
    enum op_condition condition;
    bool present;
    bool version_right;
    enum grid_err want;
};

static const struct condition_case condition_cases[] = {
    {OP_PUT, IF_ALWAYS, false, false, GRID_OK},
    {OP_PUT, IF_ALWAYS, true, false, GRID_OK},
    {OP_PUT, IF_ABSENT, false, false, GRID_OK},
    {OP_PUT, IF_ABSENT, true, false, GRID_ECONDITION},
    {OP_PUT, IF_PRESENT, false, false, GRID_ECONDITION},
    {OP_PUT, IF_PRESENT, true, false, GRID_OK},
    {OP_PUT, IF_VERSION, false, false, GRID_ECONDITION},
    {OP_PUT, IF_VERSION, true, false, GRID_ECONDITION},
    {OP_PUT, IF_VERSION, true, true, GRID_OK},
    {OP_DELETE, IF_ALWAYS, false, false, GRID_ENOT_FOUND},
    {OP_DELETE, IF_ALWAYS, true, false, GRID_OK},
    {OP_DELETE, IF_VERSION, true, false, GRID_ECONDITION},
    {OP_DELETE, IF_VERSION, true, true, GRID_OK},
    {OP_INCR, IF_ABSENT, true, false, GRID_ECONDITION},
    {OP_INCR, IF_VERSION, true, true, GRID_OK},
    {OP_EXPIRE, IF_ALWAYS, false, false, GRID_ENOT_FOUND},
    {OP_EXPIRE, IF_ALWAYS, true, false, GRID_OK},
    {OP_EXPIRE, IF_VERSION, true, false, GRID_ECONDITION},
};

START_TEST(conditions_decide_by_presence_and_version)
{
    for (size_t i = 0; i < sizeof condition_cases / sizeof *condition_cases; i++) {
        const struct condition_case *k = &condition_cases[i];
        struct harness *h = h_new();
        uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
        uint64_t version = k->present ? h_put(h, c, "k", "7")->version : 0;
        struct op op = h_op(k->kind, c, "k");
        op.condition = k->condition;
        op.version = k->version_right ? version : version + 1;
        struct answered *a = h_do(h, op);
        ck_assert_msg(a->times == 1 && a->status == k->want, "case %zu: %s", i,
                      err_name(a->status));
        if (a->status == GRID_ECONDITION)
            ck_assert_uint_eq(a->version, version);
        h_free(h);
    }
}
END_TEST

struct number_case {
    const char *before; /* NULL: absent */
    int64_t delta;
    enum grid_err want;
    int64_t after;
};

static const struct number_case number_cases[] = {
    {NULL, 5, GRID_OK, 5},
    {"0", -1, GRID_OK, -1},
    {"41", 1, GRID_OK, 42},
    {"-9223372036854775808", 0, GRID_OK, INT64_MIN},
    {"9223372036854775806", 1, GRID_OK, INT64_MAX},
    {"9223372036854775807", 1, GRID_EOVERFLOW, 0},
    {"-9223372036854775808", -1, GRID_EOVERFLOW, 0},
    {"9223372036854775808", 0, GRID_ENOT_NUMBER, 0},
    {"-9223372036854775809", 0, GRID_ENOT_NUMBER, 0},
    {"99999999999999999999", 0, GRID_ENOT_NUMBER, 0},
    {"", 1, GRID_ENOT_NUMBER, 0},
    {"-", 1, GRID_ENOT_NUMBER, 0},
    {"-0", 1, GRID_ENOT_NUMBER, 0},
    {"+1", 1, GRID_ENOT_NUMBER, 0},
    {"01", 1, GRID_ENOT_NUMBER, 0},
    {" 1", 1, GRID_ENOT_NUMBER, 0},
    {"1 ", 1, GRID_ENOT_NUMBER, 0},
    {"1.0", 1, GRID_ENOT_NUMBER, 0},
    {"abc", 1, GRID_ENOT_NUMBER, 0},
};

START_TEST(incr_reads_strict_decimal_numbers_and_refuses_overflow)
{
    for (size_t i = 0; i < sizeof number_cases / sizeof *number_cases; i++) {
        const struct number_case *k = &number_cases[i];
        struct harness *h = h_new();
        uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
        if (k->before)
            h_put(h, c, "k", k->before);
        struct op op = h_op(OP_INCR, c, "k");
        op.delta = k->delta;
        struct answered *a = h_do(h, op);
        ck_assert_msg(a->status == k->want, "case %zu: %s", i, err_name(a->status));
        if (k->want == GRID_OK) {
            char text[32];
            snprintf(text, sizeof text, "%lld", (long long)k->after);
            ck_assert_int_eq(a->number, k->after);
            ck_value(h_get(h, c, "k"), text);
        }
        h_free(h);
    }
}
END_TEST

START_TEST(times_to_live_are_absolute_and_decided_once)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/short"); /* 1 s by default */
    h_put(h, c, "k", "1");
    h_durable(h);
    ck_assert_uint_eq(h_get(h, c, "k")->deadline, h->now + 1000);
    msec_t deadline = h->now + 1000;
    h->now += 400;
    struct op keep = h_op(OP_PUT, c, "k");
    keep.ttl = TTL_KEEP;
    h_do(h, keep);
    h_do(h, h_op(OP_INCR, c, "n"));
    h_durable(h);
    ck_assert_uint_eq(h_get(h, c, "k")->deadline, deadline);
    msec_t made = h->now;
    h->now += 100;
    h_do(h, h_op(OP_INCR, c, "n")); /* keeps what the key has */
    h_durable(h);
    ck_assert_uint_eq(h_get(h, c, "n")->deadline, made + 1000);
    struct op expire = h_op(OP_EXPIRE, c, "n");
    expire.ttl = TTL_NONE;
    h_do(h, expire);
    h_durable(h);
    struct answered *n = h_get(h, c, "n");
    ck_value(n, "0");
    ck_assert_uint_eq(n->deadline, 0);
    h_free(h);
}
END_TEST

struct refusal_case {
    enum op_kind kind;
    size_t key_len, value_len;
    enum op_ttl ttl;
    msec_t ttl_ms;
    enum grid_err want;
};

static const struct refusal_case refusal_cases[] = {
    {OP_PUT, 0, 1, TTL_NONE, 0, GRID_EBAD_REQUEST},
    {OP_PUT, 481, 1, TTL_NONE, 0, GRID_ETOO_LARGE},
    {OP_PUT, 480, 1, TTL_NONE, 0, GRID_OK},
    {OP_PUT, 1, 0, TTL_NONE, 0, GRID_OK},
    {OP_PUT, 1, (16 << 20) + 1, TTL_NONE, 0, GRID_ETOO_LARGE},
    {OP_PUT, 1, 16 << 20, TTL_NONE, 0, GRID_OK},
    {OP_PUT, 1, 1, TTL_SET, 0, GRID_EBAD_REQUEST},
    {OP_PUT, 1, 1, TTL_SET, UINT64_MAX, GRID_EBAD_REQUEST},
    {OP_PUT, 1, 1, (enum op_ttl)9, 1, GRID_EBAD_REQUEST},
    {OP_EXPIRE, 1, 0, TTL_KEEP, 0, GRID_EBAD_REQUEST},
    {OP_GET, 0, 0, TTL_NONE, 0, GRID_EBAD_REQUEST},
    {OP_GET, 481, 0, TTL_NONE, 0, GRID_ETOO_LARGE},
    {OP_DELETE, 481, 0, TTL_NONE, 0, GRID_ETOO_LARGE},
    {(enum op_kind)77, 1, 1, TTL_NONE, 0, GRID_EBAD_REQUEST},
    {(enum op_kind)0, 1, 1, TTL_NONE, 0, GRID_EBAD_REQUEST},
};

START_TEST(what_is_malformed_or_too_large_is_refused)
{
    uint8_t *bytes = xcalloc(1, (16 << 20) + 1);
    for (size_t i = 0; i < sizeof refusal_cases / sizeof *refusal_cases; i++) {
        const struct refusal_case *k = &refusal_cases[i];
        struct harness *h = h_new();
        struct op op = {.kind = k->kind,
                        .cache = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE),
                        .key = {bytes, k->key_len},
                        .value = {bytes, k->value_len},
                        .ttl = k->ttl,
                        .ttl_ms = k->ttl_ms};
        struct answered *a = h_do(h, op);
        ck_assert_msg(a->times == 1 && a->status == k->want, "case %zu: %s", i,
                      err_name(a->status));
        h_free(h);
    }
    free(bytes);
}
END_TEST

START_TEST(unknown_caches_and_foreign_partitions_are_refused)
{
    struct harness *h = h_new();
    ck_answer(h_get(h, 77 << 16 | 3, "k"), GRID_ENO_CACHE);
    struct op op = h_op(OP_GET, h_cache(h, "default/default"), "k");
    op.partition = PARTITIONS_DEFAULT;
    ck_answer(h_do(h, op), GRID_EBAD_REQUEST);
    h_free(h);
}
END_TEST

/* --- batches ---------------------------------------------------------------------------------- */

static struct op batch_op(uint32_t cache, const struct op *ops, uint32_t len)
{
    return (struct op){.kind = OP_BATCH, .cache = cache, .batch = ops, .batch_len = len};
}

START_TEST(a_batch_is_one_record_and_one_version)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default"), d = h_cache(h, "default/short");
    h_put(h, c, "gone", "x");
    struct op ops[] = {h_op(OP_PUT, c, "a"), h_op(OP_DELETE, c, "gone"), h_op(OP_INCR, d, "a")};
    ops[0].value = slice_str("1");
    ops[2].delta = 3;
    struct answered *a = h_do(h, batch_op(c, ops, 3));
    h_durable(h);
    ck_answer(a, GRID_OK);
    ck_assert_int_eq(a->number, 3);
    ck_assert_uint_eq(h->log_len, 2);
    ck_assert_uint_eq(h_get(h, c, "a")->version, a->version);
    ck_value(h_get(h, d, "a"), "3");
    ck_answer(h_get(h, c, "gone"), GRID_ENOT_FOUND);
    h_free(h);
}
END_TEST

START_TEST(a_batch_that_fails_in_one_place_changes_nothing)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
    struct op ops[] = {h_op(OP_PUT, c, "a"), h_op(OP_PUT, c, "b"), h_op(OP_DELETE, c, "none")};
    struct answered *a = h_do(h, batch_op(c, ops, 3));
    ck_answer(a, GRID_ENOT_FOUND);
    ck_assert_uint_eq(a->failed_at, 2);
    ck_answer(h_get(h, c, "a"), GRID_ENOT_FOUND);
    ck_assert_int_eq(h_count(h, c)->number, 0);
    h_free(h);
}
END_TEST

START_TEST(a_batch_with_a_key_twice_or_a_foreign_op_is_refused)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default"), d = h_cache(h, "default/short");
    uint32_t other = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
    struct op twice[] = {h_op(OP_PUT, c, "a"), h_op(OP_PUT, d, "a"), h_op(OP_DELETE, c, "a")};
    struct answered *a = h_do(h, batch_op(c, twice, 3));
    ck_answer(a, GRID_EBAD_REQUEST);
    ck_assert_uint_eq(a->failed_at, 2);
    struct op reads[] = {h_op(OP_PUT, c, "a"), h_op(OP_GET, c, "b")};
    ck_answer(h_do(h, batch_op(c, reads, 2)), GRID_EBAD_REQUEST);
    struct op nested[] = {h_op(OP_BATCH, c, "a")};
    ck_answer(h_do(h, batch_op(c, nested, 1)), GRID_EBAD_REQUEST);
    struct op foreign[] = {h_op(OP_PUT, c, "a"), h_op(OP_PUT, other, "b")};
    a = h_do(h, batch_op(c, foreign, 2));
    ck_answer(a, GRID_EBAD_REQUEST);
    ck_assert_uint_eq(a->failed_at, 1);
    struct op unknown[] = {h_op(OP_PUT, c, "a"), h_op(OP_PUT, (c & 0xffff0000) | 999, "b")};
    ck_answer(h_do(h, batch_op(c, unknown, 2)), GRID_ENO_CACHE);
    ck_answer(h_do(h, batch_op(c, NULL, 0)), GRID_EBAD_REQUEST);
    ck_assert_uint_eq(h->log_len, 0);
    h_free(h);
}
END_TEST

START_TEST(a_batch_of_many_keys_is_done_whole)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    static struct op ops[5000];
    static char keys[5000][16];
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(keys[i], sizeof keys[i], "key-%u", i);
        ops[i] = h_op(OP_INCR, c, keys[i]);
        ops[i].delta = i;
    }
    struct answered *a = h_do(h, batch_op(c, ops, 5000));
    h_durable(h);
    ck_answer(a, GRID_OK);
    ck_value(h_get(h, c, "key-4999"), "4999");
    ck_assert_int_eq(h_count(h, c)->number, 5000);
    h_free(h);
}
END_TEST

START_TEST(a_full_log_refuses_writes_and_serves_reads)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    uint32_t m = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
    h_put(h, c, "k", "v");
    h_durable(h);
    h->log_full = true;
    ck_answer(h_put(h, c, "k", "w"), GRID_EFULL);
    ck_answer(h_delete(h, c, "k"), GRID_EFULL);
    ck_value(h_get(h, c, "k"), "v");
    ck_answer(h_put(h, m, "k", "w"), GRID_OK);
    h->log_full = false;
    struct answered *a = h_put(h, c, "k", "w");
    h_durable(h);
    ck_answer(a, GRID_OK);
    h_free(h);
}
END_TEST

START_TEST(affinity_stays_with_the_entry)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct op op = h_op(OP_PUT, c, "k");
    op.affinity = slice_str("customer-7");
    op.value = slice_str("1");
    h_do(h, op);
    h_do(h, h_op(OP_INCR, c, "k"));
    h_checkpoint(h);
    ck_assert(slice_eq(buf_slice(&h->store[0].affinity), slice_str("customer-7")));
    h_free(h);
}
END_TEST

UNIT_MAIN("shard/write", a_sync_put_is_answered_when_durable_and_not_before,
          an_async_put_is_answered_at_once_and_logged,
          a_memory_put_is_answered_at_once_and_never_logged,
          a_read_of_a_pending_entry_waits_for_its_commit,
          a_read_of_a_pending_delete_waits_for_its_commit,
          a_failed_condition_on_a_pending_entry_waits_for_its_commit,
          reads_of_other_keys_do_not_wait, conditions_decide_by_presence_and_version,
          incr_reads_strict_decimal_numbers_and_refuses_overflow,
          times_to_live_are_absolute_and_decided_once, what_is_malformed_or_too_large_is_refused,
          unknown_caches_and_foreign_partitions_are_refused, a_batch_is_one_record_and_one_version,
          a_batch_that_fails_in_one_place_changes_nothing,
          a_batch_with_a_key_twice_or_a_foreign_op_is_refused, a_batch_of_many_keys_is_done_whole,
          a_full_log_refuses_writes_and_serves_reads, affinity_stays_with_the_entry)
