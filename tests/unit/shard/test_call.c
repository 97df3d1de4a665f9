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

/* PAIR key key value value: the later value counts when it is one key */
static void proc_pair(struct call *c)
{
    call_put(c, 0, VALUE_BYTES, c->args[1], 0);
    call_put(c, 1, VALUE_BYTES, c->args[2], 0);
    c->reply = (struct reply){.kind = REPLY_INTEGER, .number = 2};
}

/* FILL keys... value */
static void proc_fill(struct call *c)
{
    for (uint32_t i = 0; i < c->keys_len; i++)
        call_put(c, i, VALUE_BYTES, c->args[0], 0);
    c->reply = (struct reply){.kind = REPLY_INTEGER, .number = c->keys_len};
}

/* DEL key */
static void proc_remove(struct call *c)
{
    c->reply = (struct reply){.kind = REPLY_INTEGER, .number = call_entry(c, 0) != NULL};
    if (call_entry(c, 0))
        call_remove(c, 0);
}

/* SETAT key value version: unless the key has another version by now */
static void proc_watched(struct call *c)
{
    c->reply.kind = REPLY_NULL_ARRAY;
    if (call_version(c, 0) != load_u64(c->args[2].data))
        return;
    call_put(c, 0, VALUE_BYTES, c->args[1], call_deadline(c));
    c->reply.kind = REPLY_OK;
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

static struct answered *pair(struct harness *h, uint32_t c, const char *a, const char *b)
{
    struct slice args[] = {slice_str("pair"), slice_str("1"), slice_str("2")};
    struct slice keys[] = {slice_str(a), slice_str(b)};
    struct op op = h_op(OP_CALL, c, a);
    op.procedure = proc_pair;
    op.args = args;
    op.args_len = 3;
    op.keys = keys;
    op.keys_len = 2;
    return h_do(h, op);
}

static struct answered *watched(struct harness *h, uint32_t c, const char *key, uint64_t version)
{
    uint8_t bytes[8];
    store_u64(bytes, version);
    struct slice args[] = {slice_str("setat"), slice_str("new"), slice_make(bytes, 8)};
    struct op op = h_op(OP_CALL, c, key);
    op.procedure = proc_watched;
    op.args = args;
    op.args_len = 3;
    return h_do(h, op);
}

/* APPEND k v for each value: one transaction */
static struct answered *appends(struct harness *h, uint32_t c, const struct slice *values,
                                uint32_t len)
{
    struct slice args[16], keys[8];
    struct op_step steps[8];
    ck_assert_uint_le(len, 8);
    for (uint32_t i = 0; i < len; i++) {
        args[2 * i] = slice_str("append");
        args[2 * i + 1] = values[i];
        keys[i] = slice_str("k");
        steps[i] = (struct op_step){proc_append, 2 * i, 2, i, 1};
    }
    struct op op = h_op(OP_CALL, c, "k");
    op.procedure = proc_exec;
    op.args = args;
    op.args_len = 2 * len;
    op.keys = keys;
    op.keys_len = len;
    op.steps = steps;
    op.steps_len = len;
    return h_do(h, op);
}

/* A run of `len` bytes; good until the next one. */
static struct slice large(size_t len)
{
    static uint8_t bytes[2 << 20];
    ck_assert_uint_le(len, sizeof bytes);
    memset(bytes, 'x', len);
    return slice_make(bytes, len);
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

START_TEST(the_reply_shows_what_the_change_replaced)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
    struct op put = h_op(OP_PUT, c, "k");
    put.value = large(1 << 20);
    h_do(h, put);
    struct answered *a = call1(h, c, proc_append, "k", "y");
    ck_answer(a, GRID_OK);
    ck_assert(slice_eq(buf_slice(&a->value), large(1 << 20)));
    h_free(h);
}
END_TEST

START_TEST(what_depends_on_a_pending_removal_waits)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    call1(h, c, proc_append, "k", "v");
    h_durable(h);
    call1(h, c, proc_remove, "k", "");
    struct answered *get = call1(h, c, proc_get, "k", "");
    struct answered *move = call2(h, c, proc_move, "k", "l");
    ck_waits(get);
    ck_waits(move);
    h_durable(h);
    ck_answer(get, GRID_OK);
    ck_assert_int_eq(get->reply, REPLY_NULL);
    ck_assert_int_eq(move->number, 0);
    h_free(h);
}
END_TEST

START_TEST(an_async_change_is_answered_at_once)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "a", DURABILITY_ASYNC, 0, FULL_REFUSE);
    call1(h, c, proc_append, "k", "v");
    ck_bulk(call1(h, c, proc_append, "k", "w"), "v");
    ck_assert_uint_eq(h->log_len, 2);
    h_free(h);
}
END_TEST

START_TEST(of_two_changes_to_one_key_the_last_counts)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    pair(h, c, "k", "k");
    h_durable(h);
    ck_value(h_get(h, c, "k"), "2");
    ck_assert_int_eq(h_count(h, c)->number, 1);
    pair(h, c, "k", "l");
    h_durable(h);
    ck_value(h_get(h, c, "k"), "1");
    ck_value(h_get(h, c, "l"), "2");
    ck_assert_int_eq(h_count(h, c)->number, 2);
    h_restart(h, h->log_len, EPOCH + 1, 0);
    ck_assert_int_eq(h_count(h, c)->number, 2);
    h_free(h);
}
END_TEST

START_TEST(a_key_is_placed_as_before_and_a_new_one_as_the_op)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
    struct op put = h_op(OP_PUT, c, "a");
    put.affinity = slice_str("tag");
    h_do(h, put);
    call2(h, c, proc_move, "a", "b");
    struct op scan = {.kind = OP_SCAN, .cache = c, .limit = 10};
    ck_assert_uint_eq(h_do(h, scan)->affinity, 0);
    struct slice args[] = {slice_str("append"), slice_str("v")};
    struct op op = h_op(OP_CALL, c, "c");
    op.procedure = proc_append;
    op.affinity = slice_str("tag");
    op.args = args;
    op.args_len = 2;
    h_do(h, op);
    ck_assert_uint_eq(h_do(h, scan)->affinity, 3);
    call1(h, c, proc_append, "c", "w");
    ck_assert_uint_eq(h_do(h, scan)->affinity, 3);
    h_free(h);
}
END_TEST

START_TEST(at_the_limit_a_change_needs_room_only_for_what_it_adds)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 60000, FULL_REFUSE);
    struct op put = h_op(OP_PUT, c, "k");
    put.value = large(50000);
    ck_answer(h_do(h, put), GRID_OK);
    struct slice value = large(50000);
    struct op op = h_op(OP_CALL, c, "k");
    op.procedure = proc_fill;
    op.args = &value;
    op.args_len = 1;
    ck_answer(h_do(h, op), GRID_OK);
    op.key = slice_str("l");
    ck_answer(h_do(h, op), GRID_EFULL);
    ck_answer(h_get(h, c, "l"), GRID_ENOT_FOUND);
    ck_answer(call1(h, c, proc_remove, "k", ""), GRID_OK);
    ck_answer(h_do(h, op), GRID_OK);
    h_free(h);
}
END_TEST

/* The procedure runs again when room was made: what it saw may have left. */
START_TEST(what_was_evicted_for_a_change_was_not_looked_at)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 15000, FULL_EVICT);
    char key[16];
    for (int i = 0; i < 400; i++) {
        snprintf(key, sizeof key, "k%d", i % 50);
        struct answered *a = call1(h, c, proc_append, key, "0123456789012345678901234567890123456");
        ck_answer(a, GRID_OK);
        struct answered *get = h_get(h, c, key);
        ck_answer(get, GRID_OK);
        ck_assert_uint_eq(get->value.len, a->value.len + 37);
    }
    struct shard_stats stats;
    shard_stats(h->s, &stats);
    ck_assert_uint_gt(stats.evicted, 0);
    h_free(h);
}
END_TEST

START_TEST(a_watched_key_that_has_changed_stops_the_change)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
    uint64_t version = call1(h, c, proc_append, "k", "v")->version;
    ck_assert_int_eq(watched(h, c, "k", version + 1)->reply, REPLY_NULL_ARRAY);
    ck_value(h_get(h, c, "k"), "v");
    ck_assert_int_eq(watched(h, c, "k", version)->reply, REPLY_OK);
    ck_value(h_get(h, c, "k"), "new");
    ck_assert_int_eq(watched(h, c, "absent", 0)->reply, REPLY_OK);
    h_free(h);
}
END_TEST

START_TEST(calls_are_counted_as_other_ops)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
    struct shard_stats before, after;
    shard_stats(h->s, &before);
    shard_submit(h->s,
                 &(struct op){.kind = OP_CALL,
                              .cache = c,
                              .key = slice_str("k"),
                              .procedure = proc_get,
                              .reads_only = true},
                 h->now);
    struct slice value = slice_str("v");
    shard_submit(h->s,
                 &(struct op){.kind = OP_CALL,
                              .cache = c,
                              .key = slice_str("k"),
                              .procedure = proc_fill,
                              .args = &value,
                              .args_len = 1},
                 h->now);
    shard_submit(h->s,
                 &(struct op){.kind = OP_CALL,
                              .cache = c,
                              .key = slice_str("k"),
                              .procedure = proc_get,
                              .reads_only = true},
                 h->now);
    shard_stats(h->s, &after);
    ck_assert_uint_eq(after.reads - before.reads, 2);
    ck_assert_uint_eq(after.writes - before.writes, 1);
    ck_assert_uint_eq(after.hits - before.hits, 1);
    ck_assert_uint_eq(after.misses - before.misses, 1);
    h_free(h);
}
END_TEST

START_TEST(a_key_of_no_length_or_too_long_is_refused)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct slice keys[] = {slice_str("k"), slice_make("", 0)};
    struct op op = h_op(OP_CALL, c, "k");
    op.procedure = proc_move;
    op.keys = keys;
    op.keys_len = 2;
    ck_answer(h_do(h, op), GRID_EBAD_REQUEST);
    keys[1] = large(KEY_BYTES_MAX + 1);
    ck_answer(h_do(h, op), GRID_ETOO_LARGE);
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

START_TEST(a_step_too_large_for_the_log_changes_nothing_and_the_others_go_on)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    h->log_room = 5000;
    struct slice values[] = {slice_str("1"), large(6000), slice_str("2")};
    struct answered *a = appends(h, c, values, 3);
    h->log_room = 0;
    ck_assert_uint_eq(h->log_len, 1);
    h_durable(h);
    ck_answer(a, GRID_OK);
    ck_assert(slice_eq(buf_slice(&a->value), slice_str(";FULL;1;")));
    ck_value(h_get(h, c, "k"), "12");
    h_free(h);
}
END_TEST

START_TEST(a_step_without_memory_changes_nothing_and_the_others_go_on)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 60000, FULL_REFUSE);
    struct slice values[] = {large(30000), large(30000), slice_str("2")};
    struct answered *a = appends(h, c, values, 3);
    ck_answer(a, GRID_OK);
    struct answered *get = h_get(h, c, "k");
    ck_answer(get, GRID_OK);
    ck_assert_uint_eq(get->value.len, 30001);
    h_free(h);
}
END_TEST

START_TEST(a_transaction_holds_no_more_changes_than_a_record)
{
    enum { EACH = 6000 };
    static char texts[2 * EACH][8];
    static struct slice keys[2 * EACH];
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    for (int i = 0; i < 2 * EACH; i++) {
        snprintf(texts[i], sizeof texts[i], "k%d", i);
        keys[i] = slice_str(texts[i]);
    }
    struct slice value = slice_str("v");
    struct op_step steps[] = {{proc_fill, 0, 1, 0, EACH}, {proc_fill, 0, 1, EACH, EACH}};
    struct op op = h_op(OP_CALL, c, "k0");
    op.procedure = proc_exec;
    op.args = &value;
    op.args_len = 1;
    op.keys = keys;
    op.keys_len = 2 * EACH;
    op.steps = steps;
    op.steps_len = 2;
    struct answered *a = h_do(h, op);
    h_durable(h);
    ck_answer(a, GRID_OK);
    ck_assert(slice_eq(buf_slice(&a->value), slice_str("6000;TOO_LARGE;")));
    ck_assert_int_eq(h_count(h, c)->number, EACH);
    op.procedure = proc_fill;
    op.steps_len = 0;
    ck_answer(h_do(h, op), GRID_ETOO_LARGE);
    ck_assert_int_eq(h_count(h, c)->number, EACH);
    h_free(h);
}
END_TEST

START_TEST(a_transaction_over_keys_on_disk_waits_for_all_of_them)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    call1(h, c, proc_append, "k", "0");
    h_checkpoint(h);
    h_evict(h);
    struct answered *a = transaction(h, c);
    ck_waits(a);
    h_cold(h);
    ck_waits(a);
    h_durable(h);
    ck_answer(a, GRID_OK);
    ck_assert(slice_eq(buf_slice(&a->value), slice_str("0;01;012;1;")));
    ck_value(h_get(h, c, "l"), "012");
    h_free(h);
}
END_TEST

START_TEST(a_transaction_that_changes_nothing_waits_for_what_it_saw)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct slice key = slice_str("k");
    struct op_step step = {proc_get, 0, 0, 0, 1};
    struct op op = h_op(OP_CALL, c, "k");
    op.procedure = proc_exec;
    op.keys = &key;
    op.keys_len = 1;
    op.steps = &step;
    op.steps_len = 1;
    call1(h, c, proc_append, "k", "v");
    struct answered *a = h_do(h, op);
    ck_waits(a);
    ck_assert_uint_eq(h->log_len, 1);
    h_durable(h);
    ck_answer(a, GRID_OK);
    ck_assert(slice_eq(buf_slice(&a->value), slice_str("v;")));
    h_free(h);
}
END_TEST

/* --- beside the shard ------------------------------------------------------------------------- */

static struct op aside_last;
static unsigned asides;

static void aside_take(void *ctx, const struct op *op)
{
    (void)ctx;
    aside_last = *op;
    asides++;
}

static struct answered *call_aside(struct harness *h, uint32_t c, const char *key)
{
    struct op op = h_op(OP_CALL, c, key);
    op.procedure = proc_append; /* it is not run */
    op.aside = true;
    op.reads_only = true;
    op.keys = &op.key;
    op.keys_len = 1;
    return h_do(h, op);
}

START_TEST(a_call_to_be_done_beside_the_shard_is_handed_on_and_answered_by_others)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    h->aside = aside_take;
    h_restart(h, 0, 2, 0); /* with that port */
    asides = 0;
    struct answered *a = call_aside(h, c, "k");
    ck_waits(a);
    ck_assert_uint_eq(asides, 1);
    ck_assert(aside_last.aside && aside_last.cache == c && aside_last.procedure == proc_append);
    ck_assert_uint_eq(h->log_len, 0);
    ck_answer(call_aside(h, c + 77, "k"), GRID_ENO_CACHE);
    ck_assert_uint_eq(asides, 1);
    h_free(h);
}
END_TEST

START_TEST(where_nobody_does_such_calls_they_are_refused)
{
    struct harness *h = h_new();
    ck_answer(call_aside(h, h_cache(h, "default/default"), "k"), GRID_EUNSUPPORTED);
    h_free(h);
}
END_TEST

UNIT_MAIN("shard/call", a_call_to_be_done_beside_the_shard_is_handed_on_and_answered_by_others,
          where_nobody_does_such_calls_they_are_refused,
          a_change_is_answered_with_its_reply_when_durable_and_not_before,
          a_reply_shows_what_was_seen_though_it_waits_for_a_commit,
          changes_of_two_keys_are_one_record, a_procedure_that_changes_nothing_makes_no_record,
          a_deadline_that_has_passed_removes_what_is_there_and_makes_nothing,
          keys_on_disk_only_are_here_when_the_procedure_runs,
          without_room_in_the_log_nothing_is_changed, the_reply_shows_what_the_change_replaced,
          what_depends_on_a_pending_removal_waits, an_async_change_is_answered_at_once,
          of_two_changes_to_one_key_the_last_counts,
          a_key_is_placed_as_before_and_a_new_one_as_the_op,
          at_the_limit_a_change_needs_room_only_for_what_it_adds,
          what_was_evicted_for_a_change_was_not_looked_at,
          a_watched_key_that_has_changed_stops_the_change, calls_are_counted_as_other_ops,
          a_key_of_no_length_or_too_long_is_refused,
          steps_see_the_changes_of_those_before_and_are_one_record,
          a_transaction_comes_back_whole_from_the_log, a_transaction_in_memory_is_answered_at_once,
          a_step_without_room_changes_nothing_and_the_others_go_on,
          a_step_too_large_for_the_log_changes_nothing_and_the_others_go_on,
          a_step_without_memory_changes_nothing_and_the_others_go_on,
          a_transaction_holds_no_more_changes_than_a_record,
          a_transaction_over_keys_on_disk_waits_for_all_of_them,
          a_transaction_that_changes_nothing_waits_for_what_it_saw)
