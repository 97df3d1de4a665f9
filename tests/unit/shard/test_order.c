/* test_order.c - ops on one key are done in the order in which they came, whatever they wait for.
 * Leases and gates: test_grid_order.c.
 * LINK: shard replica control data base */
#include "shard/call.h"
#include "tests/unit/shard/harness.h"

/* A partition whose keys are in the checkpoint only. */
static struct harness *cold_new(uint32_t *ret_cache)
{
    struct harness *h = h_new();
    *ret_cache = h_cache(h, "default/default");
    h_put(h, *ret_cache, "a", "1");
    h_put(h, *ret_cache, "b", "2");
    h_checkpoint(h);
    h_restart(h, h->log_len, EPOCH + 1, 0);
    return h;
}

/* The warm-up brings the next key. */
static void warm_one(struct harness *h)
{
    h->page_max = 1;
    shard_tick(h->s, h->now);
    for (size_t i = 0; i < h->questions_len; i++)
        if (h->questions[i].scan) {
            h_cold_one(h, i, GRID_OK);
            return;
        }
    ck_abort_msg("no warm-up");
}

static struct answered *h_incr(struct harness *h, uint32_t cache, const char *key)
{
    struct op op = h_op(OP_INCR, cache, key);
    op.delta = 1;
    return h_do(h, op);
}

/* Reply with the values of all keys; if it writes, put "!" in the place of the first. */
static void procedure_values(struct call *c)
{
    struct buf *raw = c->raw;
    for (uint32_t i = 0; i < c->keys_len; i++) {
        const struct entry *e = call_entry(c, i);
        struct slice v = e ? entry_value(e) : slice_str("-");
        buf_add(raw, v.data, v.len);
    }
    c->reply.kind = REPLY_RAW;
    if (c->flags)
        call_put(c, 0, VALUE_BYTES, slice_str("!"), 0);
}

static struct answered *h_call(struct harness *h, uint32_t cache, const char *first,
                               const char *second, bool writes)
{
    struct slice keys[] = {slice_str(first), slice_str(second)};
    struct op op = h_op(OP_CALL, cache, first);
    op.procedure = procedure_values;
    op.keys = keys;
    op.keys_len = 2;
    op.flags = writes;
    op.reads_only = !writes;
    return h_do(h, op);
}

/* --- the cold store --------------------------------------------------------------------------- */

START_TEST(a_write_waits_behind_a_cold_read_though_the_key_came_meanwhile)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    struct answered *get = h_get(h, c, "a");
    warm_one(h);
    struct answered *put = h_put(h, c, "a", "9"), *then = h_get(h, c, "a");
    h_durable(h);
    ck_waits(get);
    ck_waits(put);
    ck_waits(then);
    h_cold(h);
    h_durable(h);
    ck_value(get, "1");
    ck_answer(put, GRID_OK);
    ck_value(then, "9");
    h_free(h);
}
END_TEST

START_TEST(a_read_waits_behind_a_batch_that_has_its_key)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    warm_one(h);
    struct op ops[] = {h_op(OP_PUT, c, "a"), h_op(OP_PUT, c, "b")};
    ops[0].value = ops[1].value = slice_str("new");
    struct op op = {.kind = OP_BATCH, .cache = c, .batch = ops, .batch_len = 2};
    struct answered *batch = h_do(h, op), *get = h_get(h, c, "a");
    ck_waits(get);
    h_cold(h);
    h_durable(h);
    ck_answer(batch, GRID_OK);
    ck_value(get, "new");
    h_free(h);
}
END_TEST

START_TEST(a_write_waits_behind_a_call_that_looks_at_its_key)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    warm_one(h);
    struct answered *call = h_call(h, c, "b", "a", false), *put = h_put(h, c, "a", "9");
    h_cold(h);
    h_durable(h);
    ck_value(call, "21");
    ck_answer(put, GRID_OK);
    h_free(h);
}
END_TEST

START_TEST(reads_do_not_wait_for_reads_nor_for_other_keys)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    warm_one(h);
    struct answered *call = h_call(h, c, "b", "a", false), *get = h_get(h, c, "a");
    struct answered *other = h_put(h, c, "new", "3");
    ck_waits(call);
    ck_value(get, "1");
    ck_waits(other); /* for the cold store, and with nobody */
    ck_assert_uint_eq(h->questions_len, 3);
    h_cold(h);
    h_durable(h);
    ck_value(call, "21");
    ck_answer(other, GRID_OK);
    h_free(h);
}
END_TEST

START_TEST(what_names_a_key_twice_does_not_wait_for_itself)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    struct answered *call = h_call(h, c, "a", "a", true), *get = h_get(h, c, "a");
    h_cold(h);
    h_durable(h);
    ck_value(call, "11");
    ck_value(get, "!");
    h_free(h);
}
END_TEST

START_TEST(many_on_two_keys_are_done_as_if_one_after_the_other)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    struct answered *before[2], *calls[2], *after[2];
    struct answered *first = h_incr(h, c, "a"), *second = h_incr(h, c, "b");
    for (int i = 0; i < 2; i++) {
        before[i] = h_get(h, c, i ? "b" : "a");
        calls[i] = h_call(h, c, i ? "b" : "a", i ? "a" : "b", true);
        after[i] = h_get(h, c, i ? "b" : "a");
    }
    struct answered *last = h_delete(h, c, "a");
    while (h->questions_len) /* the last that was asked for comes first */
        h_cold_one(h, h->questions_len - 1, GRID_OK);
    h_durable(h);
    ck_assert_int_eq(first->number, 2);
    ck_assert_int_eq(second->number, 3);
    ck_value(before[0], "2");
    ck_value(calls[0], "23");
    ck_value(after[0], "!");
    ck_value(before[1], "3");
    ck_value(calls[1], "3!");
    ck_value(after[1], "!");
    ck_assert_int_eq(last->number, 1);
    h_free(h);
}
END_TEST

START_TEST(a_cold_read_that_fails_fails_alone)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    struct answered *get = h_get(h, c, "a"), *put = h_put(h, c, "a", "9");
    h_cold_err(h, GRID_EIO);
    ck_answer(get, GRID_EIO);
    h_cold(h);
    h_durable(h);
    ck_answer(put, GRID_OK);
    h_free(h);
}
END_TEST

START_TEST(who_waits_behind_another_hears_that_the_context_is_gone)
{
    char why[WHY_BYTES];
    struct harness *h = h_new();
    uint32_t c = h_context(h, "x", DURABILITY_SYNC, 0, FULL_REFUSE);
    h_put(h, c, "a", "1");
    h_checkpoint(h);
    h_restart(h, h->log_len, EPOCH + 1, 0);
    struct answered *get = h_get(h, c, "a"), *put = h_put(h, c, "a", "2");
    struct catalog *next = catalog_copy(h->catalog);
    ck_assert_int_eq(catalog_context_drop(next, slice_str("x"), why), GRID_OK);
    h_publish(h, next);
    shard_tick(h->s, h->now);
    h_cold(h);
    ck_answer(get, GRID_ENO_CACHE);
    ck_answer(put, GRID_ENO_CACHE);
    h_free(h);
}
END_TEST

UNIT_MAIN("shard/order", a_write_waits_behind_a_cold_read_though_the_key_came_meanwhile,
          a_read_waits_behind_a_batch_that_has_its_key,
          a_write_waits_behind_a_call_that_looks_at_its_key,
          reads_do_not_wait_for_reads_nor_for_other_keys,
          what_names_a_key_twice_does_not_wait_for_itself,
          many_on_two_keys_are_done_as_if_one_after_the_other, a_cold_read_that_fails_fails_alone,
          who_waits_behind_another_hears_that_the_context_is_gone)
