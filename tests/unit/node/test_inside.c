/* test_inside.c - what code inside a node asks for: of a node alone, of partitions that other nodes
 * lead, and while nodes end.
 * LINK: node net store session coordination compute wire command shard grid control
 * LINK: raft replica data base pb frame conf
 */
#include "node/pool.h"
#include "tests/unit/node/nodes.h"

enum { KEYS = 64, THREADS = 4 };

static char *key_of(unsigned i, char to[16])
{
    snprintf(to, 16, "key%u", i);
    return to;
}

START_TEST(what_is_written_is_read_and_placed_as_clients_place_it)
{
    struct nodes t;
    char got[32] = "", key[16];
    nodes_start(&t, 1);
    for (unsigned i = 0; i < KEYS; i++)
        ck_assert_int_eq(nodes_do(t.node[0], OP_PUT, key_of(i, key), key, NULL, 0), GRID_OK);
    for (unsigned i = 0; i < KEYS; i++) {
        ck_assert_int_eq(nodes_do(t.node[0], OP_GET, key_of(i, key), "", got, sizeof got), GRID_OK);
        ck_assert_str_eq(got, key);
    }
    ck_assert_int_eq(nodes_do(t.node[0], OP_GET, "nowhere", "", NULL, 0), GRID_ENOT_FOUND);
    ck_assert_int_eq(nodes_do(t.node[0], OP_INCR, "key1", "", NULL, 0), GRID_ENOT_NUMBER);
    nodes_stop(&t);
}
END_TEST

START_TEST(what_no_client_may_ask_is_refused_before_it_goes_anywhere)
{
    static char long_key[600];
    struct nodes t;
    nodes_start(&t, 1);
    memset(long_key, 'k', sizeof long_key - 1);
    const struct {
        const char *cache, *key;
        enum grid_err err;
    } cases[] = {
        {"default/default", "", GRID_EBAD_REQUEST},
        {"default/none", "k", GRID_ENO_CACHE},
        {"none/default", "k", GRID_ENO_CONTEXT},
        {"default", "k", GRID_EBAD_REQUEST},
        {"", "k", GRID_EBAD_REQUEST},
        {"default/default", long_key, GRID_ETOO_LARGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct op op = {.kind = OP_GET};
        const char *why;
        ck_assert_int_eq(inside_place(t.node[0], slice_str(cases[i].cache), slice_str(cases[i].key),
                                      slice_str(""), &op, &why),
                         cases[i].err);
    }
    struct op op = nodes_op(t.node[0], OP_PUT, "k", "");
    struct task_room room;
    const char *why;
    ck_assert_int_eq(inside_task(t.node[0], &op, slice_str("nodot"), &room, &why), GRID_ENO_TASK);
    ck_assert_ptr_nonnull(why);
    ck_assert_int_eq(inside_task(t.node[0], &op, slice_str("no.such"), &room, &why), GRID_OK);
    struct inside_answer a;
    inside_wait(t.node[0], &op, &a);
    ck_assert_int_eq(a.result.status, GRID_ENO_TASK);
    inside_answer_release(&a);
    nodes_stop(&t);
}
END_TEST

/* --- without the worker ----------------------------------------------------------------------- */

struct peeked {
    unsigned calls;
    enum grid_err err;
    char value[32];
};

static void peek_take(void *ctx, const struct result *res)
{
    struct peeked *p = ctx;
    p->calls++;
    p->err = res->status;
    snprintf(p->value, sizeof p->value, "%.*s", (int)res->value.len,
             res->value.len ? (const char *)res->value.data : "");
}

/* A worker that is in a turn lends nothing; it soon waits again. */
static bool peek_soon(struct node *n, const char *key, struct peeked *ret_peeked)
{
    struct op op = nodes_op(n, OP_GET, key, "");
    *ret_peeked = (struct peeked){.calls = 0};
    for (double began = look_now_s(); !inside_peek(n, &op, peek_take, ret_peeked);)
        if (look_now_s() - began > 1)
            return false;
    ck_assert_uint_eq(ret_peeked->calls, 1);
    return true;
}

START_TEST(what_lies_in_memory_is_read_without_the_worker)
{
    struct nodes t;
    struct peeked p;
    nodes_start(&t, 1);
    ck_assert_int_eq(nodes_do(t.node[0], OP_PUT, "k", "v1", NULL, 0), GRID_OK);
    ck_assert(!peek_soon(t.node[0], "k", &p)); /* nobody said that he would */
    inside_lend(t.node[0]);
    ck_assert_int_eq(nodes_do(t.node[0], OP_PUT, "k", "v2", NULL, 0), GRID_OK);
    ck_assert(peek_soon(t.node[0], "k", &p));
    ck_assert_int_eq(p.err, GRID_OK);
    ck_assert_str_eq(p.value, "v2");
    ck_assert_int_eq(nodes_do(t.node[0], OP_DELETE, "k", "", NULL, 0), GRID_OK);
    ck_assert(peek_soon(t.node[0], "k", &p));
    ck_assert_int_eq(p.err, GRID_ENOT_FOUND);
    nodes_stop(&t);
}
END_TEST

START_TEST(only_who_leads_is_read_without_the_worker)
{
    struct nodes t;
    unsigned leads = 0, wrong = 0;
    char key[16];
    nodes_start(&t, 3);
    for (unsigned i = 0; i < t.len; i++)
        nodes_ready(t.node[i]);
    for (unsigned i = 0; i < t.len; i++)
        inside_lend(t.node[i]);
    for (unsigned i = 0; i < 24; i++)
        ck_assert_int_eq(nodes_do(t.node[i % 3], OP_PUT, key_of(i, key), key, NULL, 0), GRID_OK);
    for (unsigned i = 0; i < 24; i++) {
        struct op op = nodes_op(t.node[0], OP_GET, key_of(i, key), "");
        struct peeked p = {.calls = 0};
        unsigned of = 0;
        for (unsigned at = 0; at < 3; at++)
            for (unsigned tries = 0; tries < 2000; tries++)
                if (inside_peek(t.node[at], &op, peek_take, &p)) {
                    of++;
                    wrong += p.err || strcmp(p.value, key) != 0;
                    break;
                }
        leads += of;
        wrong += of > 1;
    }
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_gt(leads, 0);
    nodes_stop(&t);
}
END_TEST

/* --- many at once ----------------------------------------------------------------------------- */

struct counting {
    struct node *node;
    unsigned done, wrong;
};

static void *count_body(void *arg)
{
    struct counting *c = arg;
    for (unsigned i = 0; i < 200; i++) {
        struct inside_answer a;
        struct op op = nodes_op(c->node, OP_INCR, "counter", "");
        op.delta = 1;
        inside_wait(c->node, &op, &a);
        c->done += !a.result.status;
        c->wrong += a.result.status != GRID_OK;
        inside_answer_release(&a);
    }
    return NULL;
}

static void count_with(struct nodes *t)
{
    struct counting all[THREADS];
    pthread_t threads[THREADS];
    char got[32] = "";
    for (unsigned i = 0; i < THREADS; i++) {
        all[i] = (struct counting){.node = t->node[i % t->len]};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_body, &all[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_uint_eq(all[i].wrong, 0);
    }
    ck_assert_int_eq(nodes_do(t->node[0], OP_GET, "counter", "", got, sizeof got), GRID_OK);
    ck_assert_str_eq(got, "800");
}

START_TEST(threads_that_count_together_count_each_once)
{
    struct nodes t;
    nodes_start(&t, 1);
    count_with(&t);
    nodes_stop(&t);
}
END_TEST

START_TEST(partitions_of_other_nodes_are_asked_there)
{
    struct nodes t;
    char got[32] = "", key[16];
    nodes_start(&t, 3);
    for (unsigned i = 0; i < t.len; i++)
        nodes_ready(t.node[i]);
    for (unsigned i = 0; i < KEYS; i++)
        ck_assert_int_eq(nodes_do(t.node[i % 3], OP_PUT, key_of(i, key), key, NULL, 0), GRID_OK);
    for (unsigned i = 0; i < KEYS; i++) {
        ck_assert_int_eq(nodes_do(t.node[(i + 1) % 3], OP_GET, key_of(i, key), "", got, sizeof got),
                         GRID_OK);
        ck_assert_str_eq(got, key);
    }
    count_with(&t);
    nodes_stop_one(&t, 2);
    for (unsigned i = 0; i < KEYS; i++)
        ck_assert_int_eq(nodes_do(t.node[0], OP_GET, key_of(i, key), "", got, sizeof got), GRID_OK);
    nodes_stop(&t);
}
END_TEST

/* --- the end ---------------------------------------------------------------------------------- */

struct chain { /* asks again and again until it is told that the node has ended */
    struct inside_call call;
    struct node *node;
    atomic_uint done, ended;
};

static void chain_done(struct inside_call *c, const struct result *res, struct worker *on)
{
    struct chain *k = container_of(c, struct chain, call);
    atomic_fetch_add(&k->done, 1);
    if (on && !res->status) {
        inside_ask(k->node, c);
        return;
    }
    ck_assert(on ? res->status == GRID_ESTOPPING : res->status == GRID_ECLOSED);
    atomic_fetch_add(&k->ended, 1);
}

START_TEST(whoever_asks_while_the_node_ends_is_answered_once)
{
    struct nodes t;
    static struct chain chains[8];
    nodes_start(&t, 1);
    for (unsigned i = 0; i < 8; i++) {
        char key[16];
        chains[i].node = t.node[0];
        chains[i].call.op = nodes_op(t.node[0], OP_PUT, key_of(i, key), "v");
        chains[i].call.op.key = slice_str("borrowed for longer");
        chains[i].call.done = chain_done;
        inside_ask(t.node[0], &chains[i].call);
    }
    for (double began = look_now_s(); atomic_load(&chains[7].done) < 50;)
        ck_assert(look_again(began));
    nodes_stop(&t);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(atomic_load(&chains[i].ended), 1);
}
END_TEST

/* A fault is met by a thread of the node. */
static void kill_done(struct inside_call *c, const struct result *res, struct worker *on)
{
    (void)res, (void)on;
    node_fail(container_of(c, struct chain, call)->node, "test", "killed");
}

static void kill_soon(struct chain *killer, struct node *n)
{
    killer->node = n;
    killer->call.op = nodes_op(n, OP_GET, "key", "");
    killer->call.done = kill_done;
    inside_ask(n, &killer->call);
}

static void count_done(struct inside_call *c, const struct result *res, struct worker *on)
{
    (void)on;
    ck_assert(res->status != GRID_ENOT_FOUND);
    atomic_fetch_add(&container_of(c, struct chain, call)->done, 1);
}

struct asks_on { /* work of a pool: waits for one answer after the other, until it has to end */
    struct pool_work work;
    struct node *node;
    atomic_uint asked;
    enum grid_err last;
};

static void asks_on_run(struct pool_work *work, struct pool_thread *t)
{
    struct asks_on *a = container_of(work, struct asks_on, work);
    do {
        a->last = nodes_do(a->node, OP_PUT, "key", "value", NULL, 0);
        atomic_fetch_add(&a->asked, 1);
    } while (a->last != GRID_ECLOSED && !pool_stopping(t->pool));
}

/* It may be held for as long as nobody leads: a stop waits for that, and for threads that wait, no
 * longer than a while. */
START_TEST(what_nobody_leads_is_answered_in_the_end)
{
    static struct chain killers[3], chain;
    static struct asks_on a;
    struct nodes t;
    nodes_start(&t, 3);
    for (unsigned i = 0; i < t.len; i++)
        nodes_ready(t.node[i]);
    for (unsigned i = 1; i < 3; i++)
        kill_soon(&killers[i], t.node[i]);
    for (unsigned i = 1; i < 3; i++)
        for (double began = look_now_s(); !node_failed(t.node[i]);)
            ck_assert(look_again(began));
    chain.call.op = nodes_op(t.node[0], OP_PUT, "key", "value");
    chain.call.done = count_done;
    inside_ask(t.node[0], &chain.call);
    a = (struct asks_on){.node = t.node[0], .work = {.priority = POOL_USUAL, .run = asks_on_run}};
    ck_assert(pool_post(t.node[0]->pool, &a.work));
    nodes_stop(&t);
    ck_assert_uint_eq(atomic_load(&chain.done), 1);
    ck_assert_uint_ge(atomic_load(&a.asked), 1);
}
END_TEST

START_TEST(a_pool_whose_threads_wait_for_answers_ends_with_a_node_that_fails)
{
    for (unsigned i = 0; i < 4; i++) {
        struct nodes t;
        static struct asks_on a;
        nodes_start(&t, 1);
        a = (struct asks_on){.node = t.node[0],
                             .work = {.priority = POOL_USUAL, .run = asks_on_run}};
        ck_assert(pool_post(i % 2 ? t.node[0]->pool : t.node[0]->service_pool, &a.work));
        for (double began = look_now_s(); atomic_load(&a.asked) < 20;)
            ck_assert(look_again(began));
        node_fail(t.node[0], "test", "killed");
        nodes_stop(&t);
    }
}
END_TEST

UNIT_MAIN("node/inside", what_is_written_is_read_and_placed_as_clients_place_it,
          what_no_client_may_ask_is_refused_before_it_goes_anywhere,
          what_lies_in_memory_is_read_without_the_worker, only_who_leads_is_read_without_the_worker,
          threads_that_count_together_count_each_once, partitions_of_other_nodes_are_asked_there,
          whoever_asks_while_the_node_ends_is_answered_once,
          what_nobody_leads_is_answered_in_the_end,
          a_pool_whose_threads_wait_for_answers_ends_with_a_node_that_fails)
