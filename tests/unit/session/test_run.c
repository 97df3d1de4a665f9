/* test_run.c - RUN of the grid protocol: what a shard is asked, and how it is answered.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "base/codec.h"
#include "base/hash.h"
#include "compute/library.h"
#include "compute/task.h"
#include "tests/lib/unit.h"
#include "tests/unit/session/fake.h"

static Grid__Request request(const struct fake *f, uint64_t number, char *name)
{
    Grid__Request m = fake_request(f, number, GRID__OP__RUN, "key");
    m.name = name;
    m.value = fake_bytes("argument");
    return m;
}

static void send_one(struct fake *f, const Grid__Request *m)
{
    fake_send(f, &m->base);
    fake_turn(f);
}

static void deploy(struct fake *f)
{
    static const struct module_function tasks[] = {
        {.name = "reads", .flags = MODULE_NO_WRITES, .kind = MODULE_TASK},
        {.name = "writes", .kind = MODULE_TASK}};
    struct module_info info = {.name = "m",
                               .engine = MODULE_LUA,
                               .source = slice_str("s"),
                               .functions = tasks,
                               .functions_len = 2};
    char why[WHY_BYTES];
    ck_assert_int_eq(catalog_module_deploy(f->catalog, &info, true, why), GRID_OK);
}

static const struct op *asked(struct fake *f, char *name, const char *affinity, uint64_t lowest)
{
    Grid__Request m = request(f, 7, name);
    m.affinity = fake_bytes(affinity);
    m.lowest = lowest;
    f->ops_len = 0;
    send_one(f, &m);
    ck_assert_uint_eq(f->ops_len, 1);
    const struct op *op = f->ops[0];
    ck_assert(op->kind == OP_CALL && op->finds_keys && !op->makes_steps &&
              op->args_len == TASK_ARGS);
    ck_assert(slice_eq(op->args[0], slice_str(name)));
    ck_assert(slice_eq(op->args[1], slice_str("argument")));
    ck_assert_uint_eq(load_u64(op->args[2].data), f->catalog->modules_revision);
    ck_assert(op->keys_len == 1 && slice_eq(op->keys[0], slice_str("key")));
    ck_assert(slice_eq(op->key, slice_str("key")) && !op->value.len);
    ck_assert_uint_eq(op->partition,
                      slot_partition(hash_slot(slice_str(affinity[0] ? affinity : "key")), 1024));
    return op;
}

START_TEST(a_task_is_a_call_at_the_partition_of_its_key_or_affinity)
{
    char writes[] = "m.writes", reads[] = "m.reads", unknown[] = "new.one";
    struct fake *f = fake_new();
    fake_greet(f);
    deploy(f);
    const struct op *op = asked(f, writes, "", 5);
    ck_assert(op->procedure == command_task && !op->reads_only && op->has_session);
    ck_assert(op->session.number == 7 && op->session.lowest == 5);
    fake_answer(op, (struct result){.reply = REPLY_OK});
    fake_expect(f, 7, GRID_OK);
    op = asked(f, writes, "place", 0);
    ck_assert(!op->has_session && slice_eq(op->affinity, slice_str("place")));
    fake_answer(op, (struct result){.reply = REPLY_OK});
    fake_expect(f, 7, GRID_OK);
    op = asked(f, reads, "", 5);
    ck_assert(op->procedure == command_task_ro && op->reads_only && !op->has_session);
    fake_answer(op, (struct result){.reply = REPLY_OK});
    fake_expect(f, 7, GRID_OK);
    op = asked(f, unknown, "", 5); /* the shard may know it */
    ck_assert(op->procedure == command_task && op->has_session);
    fake_answer(op, (struct result){.status = GRID_ENO_TASK});
    fake_expect(f, 7, GRID_ENO_TASK);
    fake_free(f);
}
END_TEST

START_TEST(what_can_be_no_task_is_refused_at_once)
{
    struct fake *f = fake_new();
    fake_greet(f);
    char names[][80] = {"", "m", ".", "m.", ".t", "m.t.u", "m t.u", "m.t\n", "m..t"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Grid__Request m = request(f, i + 1, names[i]);
        send_one(f, &m);
        fake_expect(f, i + 1, GRID_ENO_TASK);
    }
    char name[] = "m.t";
    Grid__Request m = request(f, 20, name);
    m.key = fake_bytes("");
    send_one(f, &m);
    fake_expect(f, 20, GRID_EBAD_REQUEST);
    m = request(f, 21, name);
    m.lowest = 22;
    send_one(f, &m);
    fake_expect(f, 21, GRID_EBAD_REQUEST);
    ck_assert_uint_eq(f->ops_len, 0);
    fake_free(f);
}
END_TEST

START_TEST(its_result_is_a_value_and_why_it_failed_is_a_detail)
{
    char name[] = "m.t";
    struct fake *f = fake_new();
    fake_greet(f);
    Grid__Request m = request(f, 1, name);
    send_one(f, &m);
    fake_answer(f->ops[0], (struct result){.reply = REPLY_BULK,
                                           .version = 9,
                                           .repeated = true,
                                           .value = slice_str("result")});
    Grid__Response *r = fake_response(f);
    ck_assert(r->status == GRID_OK && r->version == 9 && r->repeated_);
    ck_assert(slice_eq(slice_make(r->value.data, r->value.len), slice_str("result")));
    grid__response__free_unpacked(r, NULL);
    send_one(f, &m);
    fake_answer(f->ops[1], (struct result){.status = GRID_ETASK, .value = slice_str("m:3: no")});
    r = fake_response(f);
    ck_assert(r->status == GRID_ETASK && r->value.len == 0);
    ck_assert_str_eq(r->detail, "m:3: no");
    grid__response__free_unpacked(r, NULL);
    fake_free(f);
}
END_TEST

/* BUSY would say that it was not done. */
START_TEST(what_a_task_changed_is_told_however_much_is_unread)
{
    char name[] = "m.t";
    static uint8_t large[1000];
    struct fake *f = fake_new();
    f->limits.output_max = 1500;
    fake_greet(f);
    for (uint64_t i = 0; i < 4; i++) {
        Grid__Request m = request(f, i + 1, name);
        send_one(f, &m);
    }
    for (uint64_t i = 0; i < 4; i++)
        fake_answer(f->ops[i], (struct result){.reply = REPLY_BULK,
                                               .version = i < 3,
                                               .value = slice_make(large, sizeof large)});
    for (uint64_t i = 0; i < 4; i++)
        fake_expect(f, i + 1, i < 3 ? GRID_OK : GRID_EBUSY);
    fake_free(f);
}
END_TEST

UNIT_MAIN("session/run", a_task_is_a_call_at_the_partition_of_its_key_or_affinity,
          what_can_be_no_task_is_refused_at_once,
          its_result_is_a_value_and_why_it_failed_is_a_detail,
          what_a_task_changed_is_told_however_much_is_unread)
