/* test_router_doubt.c - what is told, and asked again, of operations that were asked for in vain
 * before.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "session/router.h"

#include "base/alloc.h"
#include "base/list.h"
#include "tests/unit/control/grid.h"
#include "wire/forward.h"

#include <time.h>

static enum grid_err told;
static unsigned answers, asked[4]; /* of node */
static uint64_t behind;            /* what was asked first may be: op.later */

static void reply(void *ctx, const struct ticket *to, const struct result *res)
{
    (void)ctx, (void)to;
    told = res->status;
    answers++;
}

static void send(void *ctx, void *link, struct slice message)
{
    (void)ctx, (void)message;
    ++*(unsigned *)link;
}

static void send_looking(void *ctx, void *link, struct slice message)
{
    struct arena *a = arena_new(1 << 20);
    struct wire_forward m;
    ck_assert_int_eq(wire_forward_decode(message, a, &m), GRID_OK);
    if (!*(unsigned *)link)
        behind = m.op->later;
    arena_free(a);
    send(ctx, link, message);
}

static struct router_link *link_to(struct router *r, uint32_t node)
{
    struct node_info n = info_of(node, 1);
    return router_up(r, n.id, 1, &asked[node], 1);
}

static struct grid_state *led_by(struct grid_state *s, uint32_t context, uint32_t node)
{
    if (grid_state_primary(s, context, 1).node != node)
        ck_assert_int_eq(part(s, PART_HAND_OVER, context, 1, present(s, node)), GRID_OK);
    return s;
}

static void answer(struct router *r, struct router_link *l, uint64_t number, uint64_t revision,
                   enum grid_err status)
{
    struct result res = {.status = status};
    struct buf bytes = BUF_INIT;
    struct arena *a = arena_new(1 << 20);
    wire_forward_answer(&bytes, number, revision, &res);
    ck_assert(router_message(r, l, buf_slice(&bytes), a, 1));
    arena_free(a);
    buf_release(&bytes);
}

/* Node 1 asks node 3; `in_vain`: after node 2, which led before and whose link broke. */
static enum grid_err told_by_3(struct op op, bool in_vain, enum grid_err status)
{
    struct grid_state *s = founded(3);
    uint32_t context = make_context(s, "all", 4, 2, DURABILITY_ASYNC, 1);
    struct router_conf conf = {.bytes_max = 1 << 20};
    struct router_ports ports = {.reply = reply, .send = send};
    struct router *r = router_new(&conf, &ports);
    struct router_link *two = link_to(r, 2), *three = link_to(r, 3);
    answers = asked[2] = asked[3] = 0;
    op.cache = context << 16 | 1;
    op.partition = 1;
    op.key = slice_str("k");
    led_by(s, context, in_vain ? 2 : 3);
    router_set_grid(r, s, (struct replica_member){1, 1}, 1);
    router_take(r, &op, 1);
    struct grid_state *next = led_by(grid_state_copy(s), context, 3);
    router_set_grid(r, next, (struct replica_member){1, 1}, 1);
    router_down(r, two, 1);
    ck_assert(asked[2] == in_vain && asked[3] == 1 && !answers);
    answer(r, three, 1 + in_vain, next->revision, status);
    ck_assert_uint_eq(answers, 1);
    router_check(r);
    router_free(r);
    grid_state_unref(s);
    grid_state_unref(next);
    return told;
}

START_TEST(who_has_not_looked_whether_it_was_done_before_leaves_it_in_doubt)
{
    static const enum grid_err errs[] = {GRID_EFEW_COPIES, GRID_EFULL,     GRID_EBUSY,
                                         GRID_EDAMAGED,    GRID_ENO_CACHE, GRID_ETOO_LARGE,
                                         GRID_ENO_TASK};
    struct op incr = {.kind = OP_INCR}, own = {.kind = OP_INCR, .has_session = true};
    struct op get = {.kind = OP_GET};
    for (unsigned i = 0; i < sizeof errs / sizeof *errs; i++) {
        ck_assert_int_eq(told_by_3(incr, true, errs[i]), GRID_EIN_DOUBT);
        ck_assert_int_eq(told_by_3(own, true, errs[i]), GRID_EIN_DOUBT);
        ck_assert_int_eq(told_by_3(incr, false, errs[i]), errs[i]);
        ck_assert_int_eq(told_by_3(get, true, errs[i]), errs[i]);
    }
}
END_TEST

START_TEST(who_has_looked_is_believed)
{
    static const enum grid_err errs[] = {GRID_OK,          GRID_ECONDITION, GRID_ENOT_FOUND,
                                         GRID_ENOT_NUMBER, GRID_EOVERFLOW,  GRID_ETASK};
    for (unsigned i = 0; i < sizeof errs / sizeof *errs; i++)
        ck_assert_int_eq(told_by_3((struct op){.kind = OP_INCR}, true, errs[i]), errs[i]);
}
END_TEST

/* Node 1 asks node 2, then node 3, then node 2 again, whose link is slow but never broke. */
START_TEST(an_answer_to_an_older_asking_is_not_taken_for_one_to_the_last)
{
    static const uint32_t leaders[] = {2, 3, 2};
    struct grid_state *s[] = {founded(3), NULL, NULL};
    uint32_t context = make_context(s[0], "all", 4, 2, DURABILITY_ASYNC, 1);
    struct router_conf conf = {.bytes_max = 1 << 20};
    struct router_ports ports = {.reply = reply, .send = send};
    struct router *r = router_new(&conf, &ports);
    struct router_link *two = link_to(r, 2);
    struct op incr = {.kind = OP_INCR, .cache = context << 16 | 1, .partition = 1};
    incr.key = slice_str("k");
    link_to(r, 3);
    answers = asked[2] = asked[3] = 0;
    for (unsigned i = 0; i < 3; i++) {
        s[i] = led_by(i ? grid_state_copy(s[i - 1]) : s[0], context, leaders[i]);
        router_set_grid(r, s[i], (struct replica_member){1, 1}, 1 + i * 1000);
        if (i == 0)
            router_take(r, &incr, 1);
        (void)router_tick(r, 1 + i * 1000 + 500);
    }
    ck_assert(asked[2] == 2 && asked[3] == 1);
    answer(r, two, 1, s[2]->revision, GRID_EFULL);
    ck_assert_uint_eq(answers, 0);
    answer(r, two, 3, s[2]->revision, GRID_OK);
    ck_assert(answers == 1 && told == GRID_OK);
    router_check(r);
    router_free(r);
    for (unsigned i = 0; i < 3; i++)
        grid_state_unref(s[i]);
}
END_TEST

/* Node 2 answers `op` of node 1 with `res`, while node 1 has no memory left for its items. */
static enum grid_err told_without_memory(struct op op, const struct result *res)
{
    struct grid_state *s = founded(3);
    uint32_t context = make_context(s, "all", 4, 2, DURABILITY_ASYNC, 1);
    struct router_conf conf = {.bytes_max = 1 << 20};
    struct router_ports ports = {.reply = reply, .send = send};
    struct router *r = router_new(&conf, &ports);
    struct router_link *two = link_to(r, 2);
    struct arena *a = arena_new(1 << 20);
    struct buf bytes = BUF_INIT;
    op.cache = context << 16 | 1;
    op.partition = 1;
    answers = 0;
    router_set_grid(r, led_by(s, context, 2), (struct replica_member){1, 1}, 1);
    router_take(r, &op, 1);
    wire_forward_answer(&bytes, 1, s->revision, res);
    ck_assert_ptr_nonnull(arena_alloc(a, 1 << 20));
    ck_assert(router_message(r, two, buf_slice(&bytes), a, 1));
    ck_assert_uint_eq(answers, 1);
    router_check(r);
    router_free(r);
    arena_free(a);
    buf_release(&bytes);
    grid_state_unref(s);
    return told;
}

START_TEST(an_answer_that_finds_no_memory_is_told_at_once)
{
    struct scan_item item = {.key = slice_str("k")};
    struct result page = {.items = &item, .items_len = 1}, done = {.number = 1};
    struct op scan = {.kind = OP_SCAN, .limit = 1};
    struct op incr = {.kind = OP_INCR, .key = slice_str("k")};
    ck_assert_int_eq(told_without_memory(scan, &page), GRID_EBUSY);
    ck_assert_int_eq(told_without_memory(incr, &page), GRID_EIN_DOUBT);
    ck_assert_int_eq(told_without_memory(incr, &done), GRID_OK);
}
END_TEST

/* --- what is asked again, and what came after it ---------------------------------------------- */

enum became { LOST, REFUSED, DONE };

/* Node 1 asks node 2, whose link breaks then, for `first` and for `later`, of which became what is
 * said. Returns how often node 3, which leads next, is asked: `first` is refused, or asked for
 * again. */
static unsigned asked_again(struct op first, struct op later, enum became became)
{
    struct grid_state *s = founded(3);
    uint32_t context = make_context(s, "all", 4, 2, DURABILITY_ASYNC, 1);
    struct router_conf conf = {.bytes_max = 1 << 20};
    struct router_ports ports = {.reply = reply, .send = send_looking};
    struct router *r = router_new(&conf, &ports);
    struct router_link *two = link_to(r, 2);
    first.cache = later.cache = context << 16 | 1;
    first.partition = later.partition = 1;
    link_to(r, 3);
    answers = asked[2] = asked[3] = 0;
    led_by(s, context, 2);
    router_set_grid(r, s, (struct replica_member){1, 1}, 1);
    router_take(r, &first, 1);
    router_take(r, &later, 1);
    ck_assert(asked[2] == 2 && behind == 0);
    if (became == DONE)
        answer(r, two, 2, s->revision, GRID_OK);
    for (uint64_t i = 1; i <= 2 && became == REFUSED; i++)
        answer(r, two, i, s->revision, GRID_ENOT_PRIMARY);
    unsigned before = answers;
    struct grid_state *next = led_by(grid_state_copy(s), context, 3);
    router_down(r, two, 1);
    router_set_grid(r, next, (struct replica_member){1, 1}, 1);
    router_check(r);
    unsigned again = asked[3], left = became == DONE ? 1 : 2;
    ck_assert_uint_eq(again + (answers - before), left);
    ck_assert(answers == before ||
              told == (op_changes(&first) ? GRID_EIN_DOUBT : GRID_ENOT_PRIMARY));
    router_free(r);
    grid_state_unref(s);
    grid_state_unref(next);
    return again;
}

START_TEST(a_read_is_not_asked_again_behind_what_came_later_and_may_have_been_done)
{
    const struct op put = {.kind = OP_PUT, .key = slice_str("k"), .ticket = {.owner = &told}};
    const struct op get = {.kind = OP_GET, .key = slice_str("k"), .ticket = {.owner = &told}};
    struct op key = put, connection = put;
    key.key = slice_str("l");
    connection.ticket.owner = &answers;
    ck_assert_uint_eq(asked_again(get, put, LOST), 1);
    ck_assert_uint_eq(asked_again(get, put, DONE), 0);
    ck_assert_uint_eq(asked_again(get, put, REFUSED), 2);
    ck_assert_uint_eq(asked_again(get, get, LOST), 2);
    ck_assert_uint_eq(asked_again(get, get, DONE), 0);
    ck_assert_uint_eq(asked_again(get, key, LOST), 2);
    ck_assert_uint_eq(asked_again(get, key, DONE), 1);
    ck_assert_uint_eq(asked_again(get, connection, LOST), 2);
    ck_assert_uint_eq(asked_again(get, connection, DONE), 1);
}
END_TEST

static struct op with_session(struct op op, uint8_t id, uint64_t number)
{
    op.has_session = true;
    op.session = (struct record_session){.id = {{id}}, .number = number, .lowest = 1};
    return op;
}

START_TEST(a_write_that_is_asked_again_says_which_later_one_may_have_overtaken_it)
{
    const struct op put = {.kind = OP_PUT, .key = slice_str("k"), .ticket = {.owner = &told}};
    struct op key = put, connection = put, get = put;
    struct op seven = with_session(put, 1, 7), nine = with_session(put, 1, 9);
    key.key = slice_str("l");
    connection.ticket.owner = &answers;
    get.kind = OP_GET;
    struct overtaking {
        struct op first, later;
        enum became became;
        uint64_t behind;
    } cases[] = {
        {put, put, LOST, 2},        {put, put, DONE, 2},        {put, put, REFUSED, 0},
        {seven, nine, LOST, 9},     {seven, nine, DONE, 9},     {seven, nine, REFUSED, 0},
        {put, key, LOST, 0},        {put, key, DONE, 0},        {put, get, LOST, 0},
        {put, connection, LOST, 0}, {put, connection, DONE, 0},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct overtaking *k = &cases[i];
        ck_assert_uint_eq(asked_again(k->first, k->later, k->became), k->became == DONE ? 1 : 2);
        ck_assert_uint_eq(behind, k->behind);
    }
}
END_TEST

START_TEST(a_write_is_not_asked_again_behind_what_the_leader_cannot_look_for)
{
    const struct op put = {.kind = OP_PUT, .key = slice_str("k"), .ticket = {.owner = &told}};
    struct op get = put;
    struct op seven = with_session(put, 1, 7), nine = with_session(put, 1, 9);
    get.kind = OP_GET;
    ck_assert_uint_eq(asked_again(put, get, DONE), 0);
    ck_assert_uint_eq(asked_again(nine, seven, LOST), 1);
    ck_assert_uint_eq(asked_again(put, seven, LOST), 1);
    ck_assert_uint_eq(asked_again(seven, with_session(put, 2, 9), LOST), 1);
    ck_assert_uint_eq(asked_again(nine, seven, REFUSED), 2);
}
END_TEST

/* One connection each: what others ask of the partition costs none of them time. */
START_TEST(very_many_reads_of_a_partition_are_asked_again_and_answered_in_any_order)
{
    enum { MANY = 60000 };
    static char connections[MANY];
    struct grid_state *s = founded(3);
    uint32_t context = make_context(s, "all", 4, 2, DURABILITY_ASYNC, 1);
    struct router_conf conf = {.bytes_max = 1 << 30};
    struct router_ports ports = {.reply = reply, .send = send};
    struct router *r = router_new(&conf, &ports);
    struct router_link *two = link_to(r, 2), *three = link_to(r, 3);
    struct op get = {.kind = OP_GET, .cache = context << 16 | 1, .partition = 1};
    get.key = slice_str("k");
    answers = asked[2] = asked[3] = 0;
    led_by(s, context, 2);
    router_set_grid(r, s, (struct replica_member){1, 1}, 1);
    clock_t before = clock();
    for (unsigned i = 0; i < MANY; i++) {
        get.ticket.owner = &connections[i];
        router_take(r, &get, 1);
    }
    struct grid_state *next = led_by(grid_state_copy(s), context, 3);
    router_down(r, two, 1);
    router_set_grid(r, next, (struct replica_member){1, 1}, 1);
    ck_assert_uint_eq(asked[3], MANY);
    for (unsigned i = MANY; i > 0; i--)
        answer(r, three, MANY + i, next->revision, GRID_OK);
    ck_assert_uint_eq(answers, MANY);
    ck_assert_int_lt(clock() - before, 3 * CLOCKS_PER_SEC); /* each with each: tens of seconds */
    router_free(r);
    grid_state_unref(s);
    grid_state_unref(next);
}
END_TEST

START_TEST(an_errand_for_one_node_goes_to_no_other_and_without_it_is_answered_at_once)
{
    struct grid_state *s = founded(3);
    struct router_conf conf = {.bytes_max = 1 << 20};
    struct router_ports ports = {.reply = reply, .send = send}; /* none of this node's threads */
    struct router *r = router_new(&conf, &ports);
    struct errand e = {.kind = ERRAND_WORK, .number = WORK_LOAD, .node = 3};
    struct router_link *two = link_to(r, 2), *three = link_to(r, 3);
    struct ticket to = {.owner = &to};
    answers = asked[2] = asked[3] = 0;
    router_set_grid(r, s, (struct replica_member){1, 1}, 1);
    router_errand(r, &to, &e, 1);
    ck_assert(!asked[2] && asked[3] == 1 && !answers);
    router_down(r, two, 1);
    ck_assert_uint_eq(answers, 0);
    router_down(r, three, 1);
    ck_assert_uint_eq(answers, 1);
    router_errand(r, &to, &e, 1);
    ck_assert(answers == 2 && asked[3] == 1);
    router_check(r);
    router_free(r);
    grid_state_unref(s);
}
END_TEST

UNIT_MAIN("session/router_doubt", who_has_not_looked_whether_it_was_done_before_leaves_it_in_doubt,
          who_has_looked_is_believed, an_answer_to_an_older_asking_is_not_taken_for_one_to_the_last,
          an_answer_that_finds_no_memory_is_told_at_once,
          a_read_is_not_asked_again_behind_what_came_later_and_may_have_been_done,
          a_write_that_is_asked_again_says_which_later_one_may_have_overtaken_it,
          a_write_is_not_asked_again_behind_what_the_leader_cannot_look_for,
          very_many_reads_of_a_partition_are_asked_again_and_answered_in_any_order,
          an_errand_for_one_node_goes_to_no_other_and_without_it_is_answered_at_once)
