/* test_forward.c - operations and results between nodes: whole, odd, hostile.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "wire/forward.h"

#include "base/prng.h"
#include "command/commands.h"
#include "command/procedures.h"
#include "session/resp_priv.h"
#include "tests/lib/unit.h"

enum { KEYS = 3 };

static struct arena *arena;
static struct buf out = BUF_INIT;

static void start(void)
{
    arena = arena_new(64 << 20);
}

static void stop(void)
{
    arena_free(arena);
    buf_release(&out);
}

static struct slice text(const char *s)
{
    return slice_str(s);
}

/* Written and read. */
static const struct op *op_through(const struct op *op)
{
    static struct wire_forward m;
    out.len = 0;
    wire_forward_ask(&out, 7, 300, 12, op);
    ck_assert_int_eq(wire_forward_decode(buf_slice(&out), arena, &m), GRID_OK);
    ck_assert(m.kind == WIRE_ASK && m.number == 7 && m.revision == 300 && m.round == 12);
    return m.op;
}

static void same_fields(const struct op *a, const struct op *b)
{
    ck_assert(a->kind == b->kind && a->condition == b->condition && a->ttl == b->ttl);
    ck_assert(a->all_partitions == b->all_partitions && a->keys_only == b->keys_only);
    ck_assert(a->local == b->local && a->numbered == b->numbered &&
              a->has_session == b->has_session);
    ck_assert(a->cache == b->cache && a->partition == b->partition && a->slot == b->slot);
    ck_assert(a->type == b->type && a->version == b->version && a->delta == b->delta);
    ck_assert(a->ttl_ms == b->ttl_ms && a->limit == b->limit && a->flags == b->flags);
    ck_assert(a->number_cursor == b->number_cursor && a->reads_only == b->reads_only);
    ck_assert(a->age_ms == b->age_ms && a->session.number == b->session.number);
    ck_assert(a->session.lowest == b->session.lowest && a->later == b->later);
    ck_assert(a->sole == b->sole);
    ck_assert_mem_eq(a->session.id.bytes, b->session.id.bytes, SESSION_ID_BYTES);
    ck_assert(slice_eq(a->key, b->key) && slice_eq(a->affinity, b->affinity));
    ck_assert(slice_eq(a->value, b->value) && slice_eq(a->prefix, b->prefix));
    ck_assert(slice_eq(a->cursor, b->cursor));
}

static struct op write_op(void)
{
    struct op op = {.kind = OP_PUT,
                    .condition = IF_VERSION,
                    .ttl = TTL_SET,
                    .has_session = true,
                    .cache = 65537,
                    .partition = 1023,
                    .slot = 16383,
                    .type = VALUE_MEDIA,
                    .key = text("key"),
                    .affinity = text("aff"),
                    .value = text("\4text bytes"),
                    .version = UINT64_MAX,
                    .delta = INT64_MIN,
                    .ttl_ms = 60000,
                    .session = {.number = 400, .lowest = 390},
                    .later = 420,
                    .sole = true,
                    .age_ms = 12};
    memcpy(op.session.id.bytes, "0123456789abcdef", SESSION_ID_BYTES);
    return op;
}

START_TEST(every_field_of_a_write_arrives)
{
    start();
    struct op op = write_op();
    same_fields(op_through(&op), &op);
    ck_assert_uint_lt(out.len, 120);
    stop();
}
END_TEST

START_TEST(every_field_of_a_scan_arrives)
{
    start();
    struct op op = {.kind = OP_SCAN,
                    .all_partitions = true,
                    .keys_only = true,
                    .numbered = true,
                    .local = true,
                    .cache = UINT32_MAX,
                    .limit = SCAN_LIMIT_MAX,
                    .prefix = text("pre"),
                    .cursor = text("cur"),
                    .number_cursor = UINT64_MAX};
    same_fields(op_through(&op), &op);
    stop();
}
END_TEST

START_TEST(a_batch_arrives_op_by_op)
{
    start();
    struct op items[] = {write_op(), {.kind = OP_INCR, .cache = 65538, .delta = -4}};
    items[0].has_session = false;
    items[0].session = (struct record_session){.number = 0};
    items[1].key = text("n");
    struct op op = write_op();
    op.kind = OP_BATCH;
    op.batch = items;
    op.batch_len = 2;
    const struct op *got = op_through(&op);
    same_fields(got, &op);
    ck_assert_uint_eq(got->batch_len, 2);
    same_fields(&got->batch[0], &items[0]);
    same_fields(&got->batch[1], &items[1]);
    stop();
}
END_TEST

START_TEST(a_call_arrives_with_its_procedure_and_keys_that_are_arguments_are_sent_once)
{
    start();
    struct slice args[] = {text("mset"), text("a"), text("1"), text("b"), text("2")};
    struct slice keys[] = {args[1], args[3]};
    struct op op = {.kind = OP_CALL, .cache = 65537, .procedure = command_mset, .flags = 1};
    op.args = args;
    op.args_len = 5;
    op.keys = keys;
    op.keys_len = 2;
    op.key = keys[0];
    const struct op *got = op_through(&op);
    same_fields(got, &op);
    ck_assert(got->procedure == command_mset && got->args_len == 5 && got->keys_len == 2);
    for (unsigned i = 0; i < 5; i++)
        ck_assert(slice_eq(got->args[i], args[i]));
    ck_assert(got->keys[0].data == got->args[1].data && got->keys[1].data == got->args[3].data);
    stop();
}
END_TEST

/* WATCH w, then SET a 1 and GET a. */
static struct slice tx_args[] = {{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0},
                                 {NULL, 0}, {NULL, 0}, {NULL, 0}};
static struct slice tx_keys[KEYS];
static struct op_step tx_steps[2];

static struct op transaction(void)
{
    const char *words[] = {"exec", "8 bytes!", "set", "a", "1", "get", "a"};
    for (unsigned i = 0; i < 7; i++)
        tx_args[i] = text(words[i]);
    tx_keys[0] = text("w");
    tx_keys[1] = tx_args[3];
    tx_keys[2] = tx_args[6];
    tx_steps[0] = (struct op_step){command_set, 2, 3, 1, 1};
    tx_steps[1] = (struct op_step){command_get, 5, 2, 2, 1};
    return (struct op){.kind = OP_CALL,
                       .procedure = command_exec,
                       .key = tx_keys[0],
                       .args = tx_args,
                       .args_len = 7,
                       .keys = tx_keys,
                       .keys_len = KEYS,
                       .steps = tx_steps,
                       .steps_len = 2};
}

START_TEST(a_transaction_arrives_step_by_step)
{
    start();
    struct op op = transaction();
    const struct op *got = op_through(&op);
    same_fields(got, &op);
    ck_assert(got->procedure == command_exec && got->steps_len == 2);
    ck_assert_mem_eq(got->steps, tx_steps, sizeof tx_steps);
    ck_assert(slice_eq(got->keys[2], tx_keys[2]) && slice_eq(got->args[1], tx_args[1]));
    stop();
}
END_TEST

static enum grid_err refused(const struct op *op)
{
    struct wire_forward m;
    out.len = 0;
    wire_forward_ask(&out, 9, 0, 1, op);
    enum grid_err err = wire_forward_decode(buf_slice(&out), arena, &m);
    ck_assert(m.kind == WIRE_ASK && m.number == 9);
    return err;
}

START_TEST(calls_that_no_session_makes_are_refused)
{
    start();
    struct op op = transaction();
    op.reads_only = true; /* but a step writes */
    ck_assert_int_eq(refused(&op), GRID_EBAD_REQUEST);
    op = transaction();
    tx_args[1] = text("no version");
    ck_assert_int_eq(refused(&op), GRID_EBAD_REQUEST);
    op = transaction();
    tx_steps[1].procedure = command_exec; /* would run itself for ever */
    ck_assert_int_eq(refused(&op), GRID_EBAD_REQUEST);
    op = transaction();
    tx_steps[1].procedure = command_set; /* one argument short */
    ck_assert_int_eq(refused(&op), GRID_EBAD_REQUEST);
    op = transaction();
    op.procedure = command_get; /* with steps */
    ck_assert_int_eq(refused(&op), GRID_EBAD_REQUEST);
    op = (struct op){.kind = OP_CALL, .procedure = command_get, .args = tx_args, .args_len = 1};
    op.reads_only = true;
    ck_assert_int_eq(refused(&op), GRID_EBAD_REQUEST);
    op.args_len = op.keys_len = 2;
    op.keys = tx_keys;
    ck_assert_int_eq(refused(&op), GRID_EBAD_REQUEST);
    op.keys_len = 1;
    ck_assert_int_eq(refused(&op), GRID_OK);
    op.reads_only = false;
    ck_assert_int_eq(refused(&op), GRID_EBAD_REQUEST);
    stop();
}
END_TEST

START_TEST(every_field_of_a_result_arrives)
{
    start();
    struct scan_item items[2] = {{text("k"), text("v"), 5, 6, text("aff"), VALUE_HASH},
                                 {text("l"), {NULL, 0}, 0, 0, {NULL, 0}, VALUE_BYTES}};
    struct result res = {.status = GRID_ECONDITION,
                         .reply = REPLY_RAW,
                         .type = VALUE_MEDIA,
                         .repeated = true,
                         .version = UINT64_MAX,
                         .deadline = 99,
                         .number = -3,
                         .value = text("*1\r\n:1\r\n"),
                         .items = items,
                         .items_len = 2,
                         .cursor = text("cur"),
                         .failed_at = 77};
    struct wire_forward m;
    wire_forward_answer(&out, 5, 0, &res);
    ck_assert_int_eq(wire_forward_decode(buf_slice(&out), arena, &m), GRID_OK);
    ck_assert(m.kind == WIRE_ANSWER && m.number == 5);
    const struct result *r = &m.result;
    ck_assert(r->status == res.status && r->reply == res.reply && r->type == res.type);
    ck_assert(r->repeated && r->version == res.version && r->deadline == 99 && r->number == -3);
    ck_assert(slice_eq(r->value, res.value) && slice_eq(r->cursor, res.cursor));
    ck_assert(r->failed_at == 77 && r->items_len == 2);
    ck_assert(slice_eq(r->items[0].key, items[0].key) && r->items[0].version == 5);
    ck_assert(slice_eq(r->items[0].affinity, items[0].affinity) && r->items[0].deadline == 6);
    ck_assert(r->items[0].type == VALUE_HASH && slice_eq(r->items[1].key, items[1].key));
    stop();
}
END_TEST

START_TEST(errands_and_what_they_gave_back_arrive)
{
    start();
    struct wire_errand e = {3, -9, 2, {text("channel"), text("message")}};
    struct wire_forward m;
    wire_forward_errand(&out, 0, 8, &e);
    ck_assert_int_eq(wire_forward_decode(buf_slice(&out), arena, &m), GRID_OK);
    ck_assert(m.kind == WIRE_ERRAND && m.number == 0 && m.errand.kind == 3);
    ck_assert(m.errand.number == -9 && m.errand.args_len == 2);
    ck_assert(slice_eq(m.errand.args[1], e.args[1]));
    out.len = 0;
    wire_forward_told(&out, 4, 8, 12, text("names"));
    ck_assert_int_eq(wire_forward_decode(buf_slice(&out), arena, &m), GRID_OK);
    ck_assert(m.kind == WIRE_TOLD && m.errand.number == 12 && slice_eq(m.told, text("names")));
    stop();
}
END_TEST

START_TEST(what_a_newer_version_says_is_refused_by_name)
{
    start();
    struct wire_forward m;
    uint8_t kind[] = {99, 5, 0};
    ck_assert_int_eq(wire_forward_decode(slice_make(kind, 3), arena, &m), GRID_EUNSUPPORTED);
    ck_assert_uint_eq(m.number, 5);
    uint8_t op[] = {WIRE_ASK, 5, 0, 1, 14, 0},
            field[] = {WIRE_ASK, 5, 0, 1, OP_GET, 0x80, 0x80, 0x80, 0x80, 1, 1};
    ck_assert_int_eq(wire_forward_decode(slice_make(op, 6), arena, &m), GRID_EUNSUPPORTED);
    ck_assert_int_eq(wire_forward_decode(slice_make(field, 11), arena, &m), GRID_EUNSUPPORTED);
    stop();
}
END_TEST

START_TEST(a_message_cut_off_or_changed_anywhere_never_does_harm)
{
    start();
    struct prng prng = {4};
    struct op op = transaction();
    wire_forward_ask(&out, 7, 300, 12, &op);
    uint8_t copy[200];
    struct wire_forward m;
    for (size_t cut = 0; cut < out.len; cut++)
        ck_assert_int_ne(wire_forward_decode(slice_make(out.data, cut), arena, &m), GRID_OK);
    for (unsigned i = 0; i < 20000; i++) {
        memcpy(copy, out.data, out.len);
        copy[prng_next(&prng) % out.len] = (uint8_t)prng_next(&prng);
        copy[prng_next(&prng) % out.len] = (uint8_t)prng_next(&prng);
        if (wire_forward_decode(slice_make(copy, out.len), arena, &m) == GRID_OK)
            ck_assert(m.kind != WIRE_ASK || op_text(m.op->kind)[0] != '?');
        arena_reset(arena);
    }
    stop();
}
END_TEST

START_TEST(a_small_message_that_would_grow_large_in_memory_is_stopped)
{
    start();
    uint8_t batch[] = {WIRE_ASK, 1, 0, 1, OP_BATCH, 0x80, 0x80, 0x80, 0x10, 0x90, 0x4e};
    struct wire_forward m;
    ck_assert_int_eq(wire_forward_decode(slice_make(batch, sizeof batch), arena, &m),
                     GRID_EBAD_REQUEST);
    ck_assert_uint_lt(arena_used(arena), 1000);
    stop();
}
END_TEST

START_TEST(the_table_of_procedures_says_what_the_table_of_commands_says)
{
    uint32_t calls = 0;
    for (uint32_t i = 0; i < resp_commands_len(); i++) {
        const struct resp_command *c = resp_command_at(i);
        if (!c->procedure)
            continue;
        const struct procedure_info *p = procedure_info_of(c->procedure);
        ck_assert_msg(p != NULL, "%s has no number", c->name);
        ck_assert_msg(p->arity == c->arity && p->first == c->first && p->last == c->last &&
                          p->step == c->step && p->writes == resp_writes(c),
                      "%s", c->name);
        ck_assert_ptr_eq(procedure_numbered(p->number), p);
        calls++;
    }
    ck_assert_uint_gt(calls, 60);
    ck_assert_ptr_null(procedure_numbered(0));
    ck_assert_ptr_null(procedure_numbered(UINT64_MAX));
    ck_assert_ptr_null(procedure_info_of(NULL));
}
END_TEST

/* MSETNX with a value too few is refused by the procedure, wherever that runs. */
START_TEST(whatever_a_session_calls_may_be_done_by_another_node)
{
    struct slice words[16];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        words[i] = slice_str("0");
    for (uint32_t i = 0; i < resp_commands_len(); i++) {
        const struct resp_command *c = resp_command_at(i);
        uint32_t least = (uint32_t)abs(c->arity), most = c->arity < 0 ? least + 6 : least;
        for (uint32_t args = least; c->procedure && args <= most; args++) {
            uint32_t len = args + (c->flags & RESP_SCRIPT ? 1 : 0); /* as it is sent */
            struct resp_keys k = resp_keys_of(c, words, len);
            uint32_t keys = k.first ? (k.last - k.first) / k.step + 1 : 0;
            if (keys)
                ck_assert_msg(procedure_fits(procedure_info_of(c->procedure), len, keys),
                              "%s of %u words, %u keys", c->name, args, keys);
        }
    }
}
END_TEST

UNIT_MAIN("wire/forward", every_field_of_a_write_arrives, every_field_of_a_scan_arrives,
          a_batch_arrives_op_by_op,
          a_call_arrives_with_its_procedure_and_keys_that_are_arguments_are_sent_once,
          a_transaction_arrives_step_by_step, calls_that_no_session_makes_are_refused,
          every_field_of_a_result_arrives, errands_and_what_they_gave_back_arrive,
          what_a_newer_version_says_is_refused_by_name,
          a_message_cut_off_or_changed_anywhere_never_does_harm,
          a_small_message_that_would_grow_large_in_memory_is_stopped,
          the_table_of_procedures_says_what_the_table_of_commands_says,
          whatever_a_session_calls_may_be_done_by_another_node)
