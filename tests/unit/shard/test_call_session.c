/* test_call_session.c - R13 for procedures; ops that are another node's.
 * LINK: command shard replica control data base */
#include "command/commands.h"

#include "tests/unit/shard/harness.h"

enum { WHO = 7 };

/* The command of up to three words, as request `number` of the session. */
static struct answered *call(struct harness *h, procedure_fn *procedure, uint64_t number,
                             const char *const words[3])
{
    struct slice args[3];
    struct op op = h_op(OP_CALL, h_cache(h, "default/default"), words[1]);
    while (op.args_len < 3 && words[op.args_len]) {
        args[op.args_len] = slice_str(words[op.args_len]);
        op.args_len++;
    }
    op.procedure = procedure;
    op.args = args;
    op.keys = &args[1];
    op.keys_len = 1;
    session_set(&op, WHO, number, 1);
    struct answered *a = h_do(h, op);
    h_durable(h);
    return a;
}

static const char *const incr[3] = {"incr", "n"}, *const setnx[3] = {"setnx", "k", "v"},
                         *const getset[3] = {"getset", "k", "w"}, *const del[3] = {"del", "k"};

START_TEST(a_repeated_call_is_done_once_and_gets_the_reply_again)
{
    struct harness *h = h_new();
    call(h, command_incr, 1, incr);
    struct answered *a = call(h, command_incr, 1, incr);
    ck_answer(a, GRID_OK);
    ck_assert(a->repeated && a->reply == REPLY_INTEGER && a->number == 1);
    a = call(h, command_incr, 2, incr);
    ck_assert(!a->repeated && a->number == 2);
    h_restart(h, h->log_len, 2, 0);
    a = call(h, command_incr, 1, incr);
    ck_assert(a->repeated && a->reply == REPLY_INTEGER && a->number == 1);
    h_free(h);
}
END_TEST

START_TEST(what_a_repeated_call_told_in_bytes_is_in_doubt_and_not_done_again)
{
    struct harness *h = h_new();
    call(h, command_setnx, 1, setnx);
    struct answered *a = call(h, command_getset, 2, getset);
    ck_assert(a->reply == REPLY_BULK && slice_eq(buf_slice(&a->value), slice_str("v")));
    ck_answer(call(h, command_getset, 2, getset), GRID_EIN_DOUBT);
    ck_assert_uint_eq(h->log_len, 2);
    h_free(h);
}
END_TEST

START_TEST(a_call_that_is_asked_again_is_not_done_behind_a_later_one)
{
    struct harness *h = h_new();
    struct slice args[] = {slice_str("incr"), slice_str("n")};
    struct op op = h_op(OP_CALL, h_cache(h, "default/default"), "n");
    call(h, command_incr, 2, incr);
    op.procedure = command_incr;
    op.args = args;
    op.args_len = 2;
    op.keys = &args[1];
    op.keys_len = 1;
    op.later = 2;
    session_set(&op, WHO, 1, 1);
    struct answered *a = h_do(h, op);
    ck_answer(a, GRID_EIN_DOUBT);
    ck_assert(a->repeated);
    ck_assert_uint_eq(h->log_len, 1);
    h_free(h);
}
END_TEST

START_TEST(a_call_that_changed_nothing_cannot_do_so_when_it_is_repeated)
{
    struct harness *h = h_new();
    call(h, command_setnx, 1, setnx);
    struct answered *a = call(h, command_setnx, 2, setnx);
    ck_assert(!a->status && a->reply == REPLY_INTEGER && a->number == 0);
    call(h, command_del, 3, del);
    a = call(h, command_setnx, 2, setnx);
    ck_assert(a->repeated && a->reply == REPLY_INTEGER && a->number == 0);
    ck_answer(h_get(h, h_cache(h, "default/default"), "k"), GRID_ENOT_FOUND);
    h_free(h);
}
END_TEST

START_TEST(a_repeated_transaction_is_done_once)
{
    struct harness *h = h_new();
    struct slice args[] = {slice_str("exec"), slice_str("incr"), slice_str("n")};
    struct op_step step = {command_incr, 1, 2, 0, 1};
    struct op op = h_op(OP_CALL, h_cache(h, "default/default"), "n");
    op.procedure = command_exec;
    op.args = args;
    op.args_len = 3;
    op.keys = &args[2];
    op.keys_len = 1;
    op.steps = &step;
    op.steps_len = 1;
    session_set(&op, WHO, 5, 1);
    struct answered *a = h_do(h, op);
    h_durable(h);
    ck_answer(a, GRID_OK);
    ck_assert(a->reply == REPLY_RAW);
    ck_answer(h_do(h, op), GRID_EIN_DOUBT);
    h_restart(h, h->log_len, 2, 0);
    ck_answer(h_do(h, op), GRID_EIN_DOUBT);
    a = h_get(h, h_cache(h, "default/default"), "n");
    ck_assert(slice_eq(buf_slice(&a->value), slice_str("1")));
    h_free(h);
}
END_TEST

/* --- another node's --------------------------------------------------------------------------- */

static unsigned rerouted;

static void reroute(void *ctx, const struct op *op)
{
    (void)ctx;
    rerouted++;
    ck_assert(slice_eq(op->key, slice_str("k")));
}

START_TEST(an_op_of_another_node_is_handed_back_unless_it_is_for_this_one_only)
{
    struct harness *h = h_new();
    struct shard_conf conf = {.index = 1, .shards = 2, .epoch = 1, .hash_seed = 42};
    struct shard_ports ports = h->ports;
    ports.reroute = reroute;
    struct shard *other = shard_new(&conf, &ports, h->catalog);
    struct op op = h_op(OP_GET, h_cache(h, "default/default"), "k");
    op.ticket.number = 1;
    shard_submit(other, &op, h->now);
    ck_assert(rerouted == 1 && h->answers[1].times == 0);
    op.direct = true;
    shard_submit(other, &op, h->now);
    ck_assert_uint_eq(rerouted, 1);
    ck_answer(&h->answers[1], GRID_ENOT_PRIMARY);
    shard_free(other);
    h_free(h);
}
END_TEST

UNIT_MAIN("shard/call_session", a_repeated_call_is_done_once_and_gets_the_reply_again,
          what_a_repeated_call_told_in_bytes_is_in_doubt_and_not_done_again,
          a_call_that_is_asked_again_is_not_done_behind_a_later_one,
          a_call_that_changed_nothing_cannot_do_so_when_it_is_repeated,
          a_repeated_transaction_is_done_once,
          an_op_of_another_node_is_handed_back_unless_it_is_for_this_one_only)
