/* test_call.c - procedures: one record, R6, cold keys, room, transactions.
 * LINK: shard replica control data base */
#include "shard/call.h"

#include "tests/unit/shard/harness.h"

/* --- procedures ------------------------------------------------------------------------------- */

/* GET key */
static void proc_get(struct call *c)
{
    const struct entry *e = call_entry(c, 0);
    c->reply.kind = e ? REPLY_BULK : REPLY_NULL;
    if (e)
        c->reply.bytes = entry_string(e);
}

/* APPEND key bytes: answers the old value */
static void proc_append(struct call *c)
{
    const struct entry *e = call_entry(c, 0);
    struct slice old = e ? entry_string(e) : slice_make(NULL, 0);
    uint8_t *value = call_alloc(c, old.len + c->args[1].len + 1);
    if (old.len)
        memcpy(value, old.data, old.len);
    memcpy(value + old.len, c->args[1].data, c->args[1].len);
    call_put(c, 0, VALUE_BYTES, slice_make(value, old.len + c->args[1].len), 0);
    c->reply = (struct reply){REPLY_BULK, 0, old};
}

/* MOVE from to: the value of one key becomes that of the other */
static void proc_move(struct call *c)
{
    const struct entry *e = call_entry(c, 0);
    c->reply.kind = REPLY_INTEGER;
    if (!e)
        return;
    call_put(c, 1, entry_type(e), entry_value(e), entry_deadline(e));
    call_remove(c, 0);
    c->reply.number = 1;
}

static void proc_expire(struct call *c)
{
    call_put(c, 0, VALUE_BYTES, slice_str("gone"), c->now);
    c->reply.kind = REPLY_OK;
}

/* Runs all steps; raw: how each was answered. */
static void proc_exec(struct call *c)
{
    struct buf all = BUF_INIT;
    for (uint32_t i = 0; i < call_steps(c); i++) {
        enum grid_err err = call_step(c, i);
        if (err)
            buf_printf(&all, "%s;", err_name(err));
        else if (c->reply.kind == REPLY_BULK)
            buf_printf(&all, "%.*s;", (int)c->reply.bytes.len, (const char *)c->reply.bytes.data);
        else
            buf_printf(&all, "%lld;", (long long)c->reply.number);
    }
    c->raw->len = 0;
    buf_add(c->raw, all.data, all.len);
    buf_release(&all);
    c->reply = (struct reply){.kind = REPLY_RAW};
}

/* --- asking ----------------------------------------------------------------------------------- */

static struct answered *call1(struct harness *h, uint32_t c, procedure_fn *fn, const char *key,
                              const char *arg)
{
    struct slice args[] = {slice_str("name"), slice_str(arg)};
    struct op op = h_op(OP_CALL, c, key);
    op.procedure = fn;
    op.args = args;
    op.args_len = 2;
    op.reads_only = fn == proc_get;
    return h_do(h, op);
}

static struct answered *call2(struct harness *h, uint32_t c, procedure_fn *fn, const char *from,
                              const char *to)
{
    struct slice keys[] = {slice_str(from), slice_str(to)};
    struct op op = h_op(OP_CALL, c, from);
    op.procedure = fn;
    op.keys = keys;
    op.keys_len = 2;
    return h_do(h, op);
}

/* APPEND k 1, APPEND k 2, GET k, MOVE k l */
static struct answered *transaction(struct harness *h, uint32_t c)
{
    static struct op_step steps[] = {{proc_append, 0, 2, 0, 1},
                                     {proc_append, 2, 2, 1, 1},
                                     {proc_get, 0, 1, 2, 1},
                                     {proc_move, 0, 1, 3, 2}};
    struct slice args[] = {slice_str("append"), slice_str("1"), slice_str("append"),
                           slice_str("2")};
    struct slice keys[] = {slice_str("k"), slice_str("k"), slice_str("k"), slice_str("k"),
                           slice_str("l")};
    struct op op = h_op(OP_CALL, c, "k");
    op.procedure = proc_exec;
    op.args = args;
    op.args_len = 4;
    op.keys = keys;
    op.keys_len = 5;
    op.steps = steps;
    op.steps_len = 4;
    return h_do(h, op);
}

static void ck_bulk(const struct answered *a, const char *want)
{
    ck_value(a, want);
    ck_assert_int_eq(a->reply, REPLY_BULK);
}

/* --- one procedure ---------------------------------------------------------------------------- */

START_TEST(a_change_is_answered_with_its_reply_when_durable_and_not_before)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    call1(h, c, proc_append, "k", "old");
    h_durable(h);
    struct answered *a = call1(h, c, proc_append, "k", "new");
    ck_waits(a);
    h_durable(h);
    ck_bulk(a, "old");
    ck_bulk(call1(h, c, proc_get, "k", ""), "oldnew");
    h_free(h);
}
END_TEST

START_TEST(a_reply_shows_what_was_seen_though_it_waits_for_a_commit)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    call1(h, c, proc_append, "k", "a");
    struct answered *get = call1(h, c, proc_get, "k", "");
    ck_waits(get);
    call1(h, c, proc_append, "k", "b");
    shard_durable(h->s, 1, h->now);
    ck_bulk(get, "a");
    struct answered *none = call1(h, c, proc_get, "other", "");
    ck_answer(none, GRID_OK);
    ck_assert_int_eq(none->reply, REPLY_NULL);
    h_free(h);
}
END_TEST

START_TEST(changes_of_two_keys_are_one_record)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    call1(h, c, proc_append, "a", "v");
    h_durable(h);
    size_t before = h->log_len;
    struct answered *move = call2(h, c, proc_move, "a", "b");
    ck_assert_uint_eq(h->log_len, before + 1);
    h_durable(h);
    ck_answer(move, GRID_OK);
    ck_assert_int_eq(move->number, 1);
    ck_answer(h_get(h, c, "a"), GRID_ENOT_FOUND);
    ck_value(h_get(h, c, "b"), "v");
    ck_assert_int_eq(h_count(h, c)->number, 1);
    h_restart(h, h->log_len, EPOCH + 1, 0);
    ck_value(h_get(h, c, "b"), "v");
    h_free(h);
}
END_TEST

START_TEST(a_procedure_that_changes_nothing_makes_no_record)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct answered *a = call2(h, c, proc_move, "a", "b");
    ck_answer(a, GRID_OK);
    ck_assert_int_eq(a->number, 0);
    ck_assert_uint_eq(h->log_len, 0);
    h_free(h);
}
END_TEST

START_TEST(a_deadline_that_has_passed_removes_what_is_there_and_makes_nothing)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    call1(h, c, proc_expire, "k", "");
    ck_assert_uint_eq(h->log_len, 0);
    call1(h, c, proc_append, "k", "v");
    call1(h, c, proc_expire, "k", "");
    h_durable(h);
    ck_answer(h_get(h, c, "k"), GRID_ENOT_FOUND);
    h_free(h);
}
END_TEST

START_TEST(keys_on_disk_only_are_here_when_the_procedure_runs)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    call1(h, c, proc_append, "a", "v");
    h_durable(h);
    h_checkpoint_to(h, h->log_len);
    h_evict(h);
    struct answered *move = call2(h, c, proc_move, "a", "b");
    ck_waits(move);
    h_cold(h);
    h_durable(h);
    ck_assert_int_eq(move->number, 1);
    ck_value(h_get(h, c, "b"), "v");
    h_free(h);
}
END_TEST

START_TEST(without_room_in_the_log_nothing_is_changed)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    h->log_full = true;
    ck_answer(call1(h, c, proc_append, "k", "v"), GRID_EFULL);
    ck_answer(h_get(h, c, "k"), GRID_ENOT_FOUND);
    h_free(h);
}
END_TEST

/* --- transactions ----------------------------------------------------------------------------- */

static void ck_transaction(const struct answered *a)
{
    ck_answer(a, GRID_OK);
    ck_assert_int_eq(a->reply, REPLY_RAW);
    ck_assert(slice_eq(buf_slice(&a->value), slice_str(";1;12;1;")));
}

START_TEST(steps_see_the_changes_of_those_before_and_are_one_record)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct answered *a = transaction(h, c);
    ck_waits(a);
    ck_waits(h_get(h, c, "l"));
    ck_assert_uint_eq(h->log_len, 1);
    h_durable(h);
    ck_transaction(a);
    ck_value(h_get(h, c, "l"), "12");
    ck_answer(h_get(h, c, "k"), GRID_ENOT_FOUND);
    ck_assert_int_eq(h_count(h, c)->number, 1);
    h_free(h);
}
END_TEST

START_TEST(a_transaction_comes_back_whole_from_the_log)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    transaction(h, c);
    h_durable(h);
    h_restart(h, h->log_len, EPOCH + 1, 0);
    ck_value(h_get(h, c, "l"), "12");
    ck_answer(h_get(h, c, "k"), GRID_ENOT_FOUND);
    ck_assert_int_eq(h_count(h, c)->number, 1);
    h_free(h);
}
END_TEST

START_TEST(a_transaction_in_memory_is_answered_at_once)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
    ck_transaction(transaction(h, c));
    ck_assert_uint_eq(h->log_len, 0);
    ck_value(h_get(h, c, "l"), "12");
    h_free(h);
}
END_TEST

START_TEST(a_step_without_room_changes_nothing_and_the_others_go_on)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    h->log_full = true;
    struct answered *a = transaction(h, c);
    ck_answer(a, GRID_OK);
    ck_assert(slice_eq(buf_slice(&a->value), slice_str("FULL;FULL;0;0;")));
    ck_assert_uint_eq(h->log_len, 0);
    ck_answer(h_get(h, c, "k"), GRID_ENOT_FOUND);
    h_free(h);
}
END_TEST

UNIT_MAIN("shard/call", a_change_is_answered_with_its_reply_when_durable_and_not_before,
          a_reply_shows_what_was_seen_though_it_waits_for_a_commit,
          changes_of_two_keys_are_one_record, a_procedure_that_changes_nothing_makes_no_record,
          a_deadline_that_has_passed_removes_what_is_there_and_makes_nothing,
          keys_on_disk_only_are_here_when_the_procedure_runs,
          without_room_in_the_log_nothing_is_changed,
          steps_see_the_changes_of_those_before_and_are_one_record,
          a_transaction_comes_back_whole_from_the_log, a_transaction_in_memory_is_answered_at_once,
          a_step_without_room_changes_nothing_and_the_others_go_on)
