/* test_router.c - operations for other nodes: three nodes of two shards with a made-up network and
 * made-up shards, whose partitions move while links break. What clients are told must be what was
 * done: each increment once, in the order of its connection.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "session/router.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/prng.h"
#include "data/value.h"
#include "session/session.h"
#include "tests/unit/control/grid.h"
#include "wire/forward.h"

enum {
    NODES = 3,
    SHARDS = 2,
    PARTITIONS = 4,
    CONNECTIONS = 6,
    OPS_MAX = 20000,
    STATES_MAX = 4000,
    WINDOW = 12,
    HOLD_MS = 4000,
};

enum fate { FATE_NONE, FATE_DONE, FATE_NOT_DONE, FATE_DOUBT };

struct message {
    struct list link;
    struct buf bytes;
};

/* An op in a shard, or one that waits for its commit there. */
struct todo {
    struct list link;
    struct op *op;
};

/* One shard of one node. */
struct place_of_work {
    struct world *w;
    uint32_t node, shard;
    struct router *router;
    struct list todo, pending;
    struct router_link *up[NODES]; /* to the same shard of the others */
    struct list in[NODES];         /* messages from there */
};

struct world {
    enum { OWNER_OF_TICKETS = 77 } owner;
    struct prng prng;
    msec_t now;
    struct place_of_work at[NODES][SHARDS];
    struct grid_state *states[STATES_MAX];
    uint32_t states_len, knows[NODES];
    uint32_t context;
    bool stopped[PARTITIONS]; /* the leader refuses for a while: a hand-over */
    uint32_t ops;
    struct {
        enum fate fate;
        unsigned done, told;
        uint32_t conn, partition;
    } op[OPS_MAX];
    uint32_t order[OPS_MAX], order_len; /* as they were done */
    struct {
        uint64_t number;
        uint8_t who;
    } seen[OPS_MAX]; /* R13, of all partitions */
    uint32_t seen_len, outstanding[CONNECTIONS];
    bool calm;
};

static struct world *w;

static uint32_t below(uint32_t n)
{
    return (uint32_t)prng_below(&w->prng, n);
}

static const struct grid_state *truth(void)
{
    return w->states[w->states_len - 1];
}

static uint32_t leader(uint32_t partition)
{
    return grid_state_primary(truth(), w->context, partition).node;
}

/* --- what was told ---------------------------------------------------------------------------- */

static void told(uint64_t number, enum grid_err status)
{
    ck_assert_uint_eq(w->op[number].told++, 0);
    w->outstanding[w->op[number].conn]--;
    w->op[number].fate = status == GRID_OK          ? FATE_DONE
                         : status == GRID_EIN_DOUBT ? FATE_DOUBT
                                                    : FATE_NOT_DONE;
    ck_assert_msg(!status || status == GRID_EIN_DOUBT || status == GRID_ENOT_PRIMARY, "%d", status);
}

static void reply(const struct ticket *to, enum grid_err status)
{
    struct result res = {.status = status, .number = 1};
    if (to->owner == w)
        told(to->number, status);
    else
        ck_assert_ptr_null(session_result(to, &res));
}

static void port_reply(void *ctx, const struct ticket *to, const struct result *res)
{
    (void)ctx;
    reply(to, res->status);
}

/* --- made-up shards --------------------------------------------------------------------------- */

static void todo_add(struct list *list, const struct op *op)
{
    struct todo *t = xalloc(sizeof *t);
    t->op = xalloc(sizeof *op + op_copy_bytes(op));
    *t->op = *op;
    op_copy_fill(t->op, t->op + 1);
    list_push_back(list, &t->link);
}

static void todo_free(struct todo *t)
{
    free(t->op);
    free(t);
}

static void port_local(void *ctx, const struct op *op)
{
    struct place_of_work *p = ctx;
    ck_assert(op->direct);
    todo_add(&p->todo, op);
}

static void port_submit(void *ctx, struct op *op)
{
    port_local(ctx, op);
}

static bool seen(const struct op *op, bool add)
{
    uint8_t who = op->session.id.bytes[0];
    for (uint32_t i = 0; i < w->seen_len; i++)
        if (w->seen[i].number == op->session.number && w->seen[i].who == who)
            return true;
    if (add) {
        w->seen[w->seen_len].who = who;
        w->seen[w->seen_len++].number = op->session.number;
    }
    return false;
}

/* The effect; `delta` says which op it is. */
static void commit(const struct op *op)
{
    if (op->has_session && seen(op, true))
        return;
    w->op[op->delta].done++;
    w->order[w->order_len++] = (uint32_t)op->delta;
}

static void shard_do_one(struct place_of_work *p, struct todo *t)
{
    ck_assert(!t->op->local); /* no copy may answer what was passed on */
    if (t->op->direct && router_takes(p->router, t->op, w->now)) {
        todo_free(t);
        return;
    }
    bool leads = leader(t->op->partition) == p->node && !w->stopped[t->op->partition];
    if (leads)
        todo_add(&p->pending, t->op);
    else if (t->op->direct)
        reply(&t->op->ticket, GRID_ENOT_PRIMARY);
    else
        router_take(p->router, t->op, w->now);
    todo_free(t);
}

/* All of a turn. */
static void shard_do(struct place_of_work *p)
{
    for (struct list *n; (n = list_pop_front(&p->todo));)
        shard_do_one(p, list_entry(n, struct todo, link));
}

static void shard_commit(struct place_of_work *p)
{
    struct list *n = list_pop_front(&p->pending);
    if (!n)
        return;
    struct todo *t = list_entry(n, struct todo, link);
    commit(t->op);
    reply(&t->op->ticket, GRID_OK);
    todo_free(t);
}

/* It leads no more: of what was pending some was committed, and nobody is told. */
static void shard_lost(struct place_of_work *p, uint32_t partition)
{
    bool committed = true;
    list_for_each_safe (it, &p->pending) {
        struct todo *t = list_entry(it, struct todo, link);
        if (t->op->partition != partition)
            continue;
        list_remove(&t->link);
        committed = committed && below(2);
        if (committed)
            commit(t->op);
        reply(&t->op->ticket, GRID_EIN_DOUBT);
        todo_free(t);
    }
}

/* --- network ---------------------------------------------------------------------------------- */

struct end { /* what a router has as its link */
    struct place_of_work *from, *to;
    bool up;
};
static struct end ends[NODES][NODES][SHARDS];

static void port_send(void *ctx, void *link, struct slice message)
{
    struct end *e = link;
    (void)ctx;
    if (!e->up)
        return;
    struct message *m = xcalloc(1, sizeof *m);
    buf_add(&m->bytes, message.data, message.len);
    list_push_back(&e->to->in[e->from->node - 1], &m->link);
}

static void message_free(struct message *m)
{
    buf_release(&m->bytes);
    free(m);
}

static void deliver(struct place_of_work *p, uint32_t from)
{
    struct list *n = list_pop_front(&p->in[from]);
    if (!n)
        return;
    struct message *m = list_entry(n, struct message, link);
    struct arena *a = arena_new(1 << 20);
    ck_assert(router_message(p->router, p->up[from], buf_slice(&m->bytes), a, w->now));
    arena_free(a);
    message_free(m);
}

static void link_up(struct place_of_work *p, uint32_t other)
{
    struct place_of_work *q = &w->at[other][p->shard];
    uint32_t me = p->node - 1;
    if (p->up[other] || other == me)
        return;
    ends[me][other][p->shard].up = ends[other][me][p->shard].up = true;
    struct node_info a = info_of(p->node, 1), b = info_of(other + 1, 1);
    p->up[other] = router_up(p->router, b.id, p->shard, &ends[me][other][p->shard], w->now);
    q->up[me] = router_up(q->router, a.id, p->shard, &ends[other][me][p->shard], w->now);
}

static void half_down(struct place_of_work *p, uint32_t other)
{
    struct router_link *l = p->up[other];
    p->up[other] = NULL;
    for (struct list *n; (n = list_pop_front(&p->in[other]));)
        message_free(list_entry(n, struct message, link));
    router_down(p->router, l, w->now);
}

static void link_break(struct place_of_work *p, uint32_t other)
{
    if (!p->up[other])
        return;
    ends[p->node - 1][other][p->shard].up = ends[other][p->node - 1][p->shard].up = false;
    half_down(&w->at[other][p->shard], p->node - 1);
    half_down(p, other);
}

/* --- the grid --------------------------------------------------------------------------------- */

static void lead_moves(uint32_t partition, uint32_t node)
{
    uint32_t was = leader(partition);
    if (was == node || w->states_len == STATES_MAX)
        return;
    shard_do(&w->at[was - 1][partition % SHARDS]); /* what came before the news is done before */
    struct grid_state *next = grid_state_copy(truth());
    ck_assert_int_eq(part(next, PART_HAND_OVER, w->context, partition, present(next, node)),
                     GRID_OK);
    w->states[w->states_len++] = next;
    w->stopped[partition] = false;
    shard_lost(&w->at[was - 1][partition % SHARDS], partition);
}

static void news(uint32_t node, uint32_t version)
{
    w->knows[node] = version;
    for (uint32_t s = 0; s < SHARDS; s++)
        router_set_grid(w->at[node][s].router, w->states[version],
                        (struct replica_member){node + 1, 1}, w->now);
}

/* --- clients ---------------------------------------------------------------------------------- */

static void client_asks(uint32_t conn)
{
    if (w->outstanding[conn] == WINDOW || w->ops == OPS_MAX)
        return;
    struct op op = {.kind = OP_INCR,
                    .cache = w->context << 16 | 1,
                    .partition = (uint16_t)below(PARTITIONS),
                    .key = slice_str("counter"),
                    .delta = w->ops};
    op.ticket = (struct ticket){.owner = w, .number = w->ops};
    w->op[w->ops].conn = conn;
    w->op[w->ops++].partition = op.partition;
    w->outstanding[conn]++;
    struct place_of_work *p = &w->at[conn % NODES][op.partition % SHARDS];
    if (!router_takes(p->router, &op, w->now))
        todo_add(&p->todo, &op);
}

/* --- a run ------------------------------------------------------------------------------------ */

static void start(uint64_t seed)
{
    w = xcalloc(1, sizeof *w);
    w->prng.state = seed;
    w->now = 1000;
    w->states[w->states_len++] = founded(NODES);
    w->context = make_context(w->states[0], "all", PARTITIONS, NODES - 1, DURABILITY_ASYNC, 1);
    struct router_ports ports = {NULL, port_local, port_submit, port_reply, port_send, NULL};
    for (uint32_t n = 0; n < NODES; n++) {
        for (uint32_t s = 0; s < SHARDS; s++) {
            struct place_of_work *p = &w->at[n][s];
            struct router_conf conf = {.session = {{(uint8_t)(1 + n * SHARDS + s)}},
                                       .bytes_max = 1 << 20,
                                       .hold_ms = HOLD_MS};
            *p = (struct place_of_work){.w = w, .node = n + 1, .shard = s};
            list_init(&p->todo);
            list_init(&p->pending);
            ports.ctx = p;
            p->router = router_new(&conf, &ports);
            for (uint32_t o = 0; o < NODES; o++) {
                list_init(&p->in[o]);
                ends[n][o][s] = (struct end){p, &w->at[o][s], false};
            }
        }
        news(n, 0);
    }
}

static void todo_drop(struct list *list)
{
    for (struct list *n; (n = list_pop_front(list));)
        todo_free(list_entry(n, struct todo, link));
}

static void stop(void)
{
    for (uint32_t n = 0; n < NODES; n++) {
        for (uint32_t s = 0; s < SHARDS; s++) {
            todo_drop(&w->at[n][s].todo);
            todo_drop(&w->at[n][s].pending);
            for (uint32_t o = 0; o < NODES; o++)
                for (struct list *m; (m = list_pop_front(&w->at[n][s].in[o]));)
                    message_free(list_entry(m, struct message, link));
        }
    }
    for (uint32_t n = 0; n < NODES; n++)
        for (uint32_t s = 0; s < SHARDS; s++)
            router_free(w->at[n][s].router);
    for (uint32_t i = 0; i < w->states_len; i++)
        grid_state_unref(w->states[i]);
    free(w);
}

static void fault(void)
{
    struct place_of_work *p = &w->at[below(NODES)][below(SHARDS)];
    uint32_t partition = below(PARTITIONS), node = below(NODES);
    switch (below(6)) {
    case 0:
        link_break(p, node);
        break;
    case 1:
    case 2:
        link_up(p, node);
        break;
    case 3:
        w->stopped[partition] = below(2);
        break;
    default:
        lead_moves(partition, 1 + node);
    }
}

static void step(void)
{
    struct place_of_work *p = &w->at[below(NODES)][below(SHARDS)];
    uint32_t node = below(NODES);
    switch (below(8)) {
    case 0:
        w->now += below(w->calm ? 3 : 6);
        break;
    case 1:
        router_tick(p->router, w->now);
        break;
    case 2:
        if (w->knows[node] + 1 < w->states_len)
            news(node, w->knows[node] + 1 + below(w->states_len - w->knows[node] - 1));
        break;
    case 3:
    case 4:
        shard_do(p);
        break;
    case 5:
        shard_commit(p);
        break;
    default:
        deliver(p, node);
    }
    router_check(p->router);
}

static void heal(void)
{
    w->calm = true;
    memset(w->stopped, 0, sizeof w->stopped);
    for (uint32_t n = 0; n < NODES; n++)
        for (uint32_t s = 0; s < SHARDS; s++)
            for (uint32_t o = 0; o < NODES; o++)
                link_up(&w->at[n][s], o);
}

static uint32_t waiting(void)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < CONNECTIONS; i++)
        sum += w->outstanding[i];
    return sum;
}

/* What was told is what was done. */
static void judge(uint64_t seed)
{
    uint32_t last[CONNECTIONS][PARTITIONS] = {{0}};
    for (uint32_t i = 0; i < w->ops; i++) {
        ck_assert_msg(w->op[i].told == 1, "seed %lu: op %u told %u times", seed, i, w->op[i].told);
        ck_assert_msg(w->op[i].done <= 1 && (w->op[i].fate != FATE_DONE || w->op[i].done) &&
                          (w->op[i].fate != FATE_NOT_DONE || !w->op[i].done),
                      "seed %lu: op %u, fate %d, was done %u times", seed, i, (int)w->op[i].fate,
                      w->op[i].done);
    }
    for (uint32_t i = 0; i < w->order_len; i++) {
        uint32_t id = w->order[i], *before = &last[w->op[id].conn][w->op[id].partition];
        if (w->op[id].fate != FATE_DONE)
            continue;
        ck_assert_msg(id >= *before, "seed %lu: op %u was done after %u", seed, id, *before);
        *before = id;
    }
}

static void run(uint64_t seed, uint32_t *ret_done, uint32_t *ret_doubt)
{
    start(seed);
    heal();
    w->calm = false;
    for (uint32_t i = 0; i < 12000; i++) {
        if (below(100) == 0)
            fault();
        if (below(6) == 0)
            client_asks(below(CONNECTIONS));
        step();
    }
    heal();
    msec_t from = w->now;
    for (uint32_t i = 0; waiting() && i < 2000000; i++)
        step();
    ck_assert_msg(!waiting() && w->now - from < HOLD_MS, "seed %lu: %u wait for ever", seed,
                  waiting());
    judge(seed);
    for (uint32_t i = 0; i < w->ops; i++) {
        *ret_done += w->op[i].fate == FATE_DONE;
        *ret_doubt += w->op[i].fate == FATE_DOUBT;
    }
    stop();
}

START_TEST(each_increment_is_done_once_and_in_order_whatever_moves_and_breaks)
{
    uint32_t done = 0, doubt = 0;
    const char *seeds = getenv("SEEDS");
    uint64_t len = seeds ? strtoull(seeds, NULL, 10) : 40;
    for (uint64_t seed = 1; seed <= len; seed++)
        run(seed, &done, &doubt);
    ck_assert_uint_gt(done, 100 * len);
    ck_assert_uint_lt(doubt, done / 10);
}
END_TEST

/* --- one by one ------------------------------------------------------------------------------- */

/* An op of partition 1 at node 1, whose leader is `node`. */
static void asks_at_1(uint32_t node)
{
    start(5);
    lead_moves(1, node);
    for (uint32_t n = 0; n < NODES; n++)
        news(n, w->states_len - 1);
}

static void ask(uint64_t number, bool asks_again)
{
    struct op op = {.kind = OP_INCR,
                    .cache = w->context << 16 | 1,
                    .partition = 1,
                    .key = slice_str("counter"),
                    .delta = (int64_t)number,
                    .asks_again = asks_again,
                    .local = true,
                    .ticket = {.owner = w, .number = number}};
    w->outstanding[0]++;
    router_take(w->at[0][1].router, &op, w->now);
}

static void pass(msec_t ms)
{
    router_tick(w->at[0][1].router, w->now += ms);
}

START_TEST(an_op_that_nobody_was_asked_for_is_not_done_and_one_that_was_is_in_doubt)
{
    asks_at_1(2);
    ask(0, false);
    pass(HOLD_MS - 1);
    ck_assert_int_eq(w->op[0].fate, FATE_NONE);
    pass(1);
    ck_assert_int_eq(w->op[0].fate, FATE_NOT_DONE);
    link_up(&w->at[0][1], 1);
    ask(1, false);
    link_break(&w->at[0][1], 1);
    pass(HOLD_MS);
    ck_assert_int_eq(w->op[1].fate, FATE_DOUBT);
    stop();
}
END_TEST

START_TEST(who_asks_again_by_himself_hears_at_once_that_a_node_that_is_down_is_waited_for)
{
    start(5);
    gone(w->states[0], (const uint32_t[]){1, 2, 3}, NODES);
    ask(0, false);
    ask(1, true);
    ck_assert(w->op[0].fate == FATE_NONE && w->op[1].fate == FATE_NOT_DONE);
    stop();
}
END_TEST

START_TEST(an_op_is_asked_for_when_the_link_comes_up)
{
    asks_at_1(3);
    ask(0, false);
    link_up(&w->at[0][1], 2);
    deliver(&w->at[2][1], 0);
    shard_do(&w->at[2][1]);
    shard_commit(&w->at[2][1]);
    deliver(&w->at[0][1], 2);
    ck_assert_int_eq(w->op[0].fate, FATE_DONE);
    struct router_stats stats;
    router_stats(w->at[0][1].router, &stats);
    ck_assert(stats.waiting == 0 && stats.bytes == 0 && stats.asked == 1);
    stop();
}
END_TEST

START_TEST(an_answer_that_does_not_fit_what_was_asked_is_not_taken)
{
    static const struct scan_item two[] = {{.key = {(const uint8_t *)"a", 1}},
                                           {.key = {(const uint8_t *)"b", 1}}};
    static const struct scan_item malformed = {.key = {(const uint8_t *)"a", 1},
                                               .type = VALUE_HASH,
                                               .value = {(const uint8_t *)"\xff", 1}};
    static const struct {
        enum op_kind kind;
        bool numbered, fits;
        struct result result;
    } cases[] = {
        {OP_SCAN, false, true, {.items = two, .items_len = 1}},
        {OP_SCAN, false, false, {.items = two, .items_len = 2}},
        {OP_SCAN, true, true, {.items = two, .items_len = 2}},
        {OP_SCAN, true, false, {.items = &malformed, .items_len = 1}},
        {OP_INCR, false, false, {.items = two, .items_len = 1}},
        {OP_GET, false, true, {.value = {(const uint8_t *)"\xff", 1}}},
        {OP_GET, false, false, {.type = VALUE_HASH, .value = {(const uint8_t *)"\xff", 1}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        asks_at_1(2);
        link_up(&w->at[0][1], 1);
        struct op op = {.kind = cases[i].kind,
                        .numbered = cases[i].numbered,
                        .limit = 1,
                        .cache = w->context << 16 | 1,
                        .partition = 1,
                        .key = slice_str("k"),
                        .ticket = {.owner = w}};
        w->outstanding[0]++;
        router_take(w->at[0][1].router, &op, w->now);
        struct buf answer = BUF_INIT;
        struct arena *a = arena_new(1 << 20);
        wire_forward_answer(&answer, 1, 1, &cases[i].result);
        ck_assert_int_eq(
            router_message(w->at[0][1].router, w->at[0][1].up[1], buf_slice(&answer), a, w->now),
            cases[i].fits);
        ck_assert_int_eq(w->op[0].fate, cases[i].fits ? FATE_DONE : FATE_NONE);
        arena_free(a);
        buf_release(&answer);
        stop();
    }
}
END_TEST

/* Node 2 was asked and hears nothing; node 3 takes over. */
static void asked_in_vain(void)
{
    asks_at_1(2);
    link_up(&w->at[0][1], 1);
    link_up(&w->at[0][1], 2);
    ask(0, false);
    pass(1000);
    lead_moves(1, 3);
}

static bool done_by_3(void)
{
    deliver(&w->at[2][1], 0);
    shard_do(&w->at[2][1]);
    shard_commit(&w->at[2][1]);
    deliver(&w->at[0][1], 2);
    router_check(w->at[0][1].router);
    return w->op[0].fate == FATE_DONE;
}

START_TEST(an_op_is_asked_for_elsewhere_when_who_was_asked_leads_no_more_and_says_nothing)
{
    asked_in_vain();
    for (uint32_t n = 0; n < NODES; n++)
        news(n, w->states_len - 1);
    pass(99);
    ck_assert(!done_by_3()); /* it may answer yet */
    pass(1);
    ck_assert(done_by_3());
    deliver(&w->at[1][1], 0); /* it does, late */
    shard_do(&w->at[1][1]);
    deliver(&w->at[0][1], 1);
    ck_assert_uint_eq(w->op[0].told, 1);
    ck_assert_uint_eq(w->op[0].done, 1);
    stop();
}
END_TEST

START_TEST(an_op_is_asked_for_elsewhere_at_once_when_who_was_asked_is_down)
{
    asked_in_vain();
    struct grid_state *next = grid_state_copy(truth());
    gone_one(next, 2);
    w->states[w->states_len++] = next;
    for (uint32_t n = 0; n < NODES; n++)
        news(n, w->states_len - 1);
    ck_assert(done_by_3());
    stop();
}
END_TEST

static enum grid_err last_status;

static void status_reply(void *ctx, const struct ticket *to, const struct result *res)
{
    (void)ctx;
    (void)to;
    last_status = res->status;
}

START_TEST(what_waits_is_bounded)
{
    asks_at_1(2);
    struct router_conf conf = {.bytes_max = 2000};
    struct router_ports ports = {.reply = status_reply};
    struct router *r = router_new(&conf, &ports);
    router_set_grid(r, truth(), (struct replica_member){1, 1}, w->now);
    struct op op = {.kind = OP_GET, .cache = w->context << 16 | 1, .partition = 1};
    op.key = slice_make((uint8_t[400]){0}, 400);
    for (unsigned i = 0; i < 9 && !last_status; i++)
        router_take(r, &op, w->now);
    ck_assert_int_eq(last_status, GRID_EBUSY);
    router_check(r);
    router_free(r);
    stop();
}
END_TEST

/* --- errands ---------------------------------------------------------------------------------- */

static struct ticket ran;
static unsigned runs;
static struct result gathered;
static struct buf gathered_value;

static void errand_reply(void *ctx, const struct ticket *to, const struct result *res)
{
    (void)ctx;
    (void)to;
    gathered = *res;
    buf_add(&gathered_value, res->value.data, res->value.len);
    runs += 100;
}

static void errand_everywhere(void *ctx, const struct ticket *to, const struct errand *e)
{
    (void)ctx;
    ck_assert(e->kind == ERRAND_PUBLISH && slice_eq(e->args[1], slice_str("hello")));
    ran = *to;
    runs++;
}

static void errands_start(void)
{
    start(9);
    gathered_value.len = runs = 0;
    for (uint32_t n = 0; n < NODES; n++) {
        struct place_of_work *p = &w->at[n][0];
        struct router_ports ports = {p,         port_local,       port_submit, errand_reply,
                                     port_send, errand_everywhere};
        router_free(p->router);
        p->router = router_new(&(struct router_conf){.bytes_max = 1}, &ports);
        router_set_grid(p->router, truth(), (struct replica_member){n + 1, 1}, w->now);
    }
    link_up(&w->at[0][0], 1);
    link_up(&w->at[0][0], 2);
    struct errand e = {ERRAND_PUBLISH, NULL, 0, 2, {slice_str("news"), slice_str("hello")}, 0};
    router_errand(w->at[0][0].router, &(struct ticket){.owner = w}, &e, w->now);
}

static void answer_errand(int64_t number, const char *told_text)
{
    struct result res = {.number = number, .value = slice_str(told_text)};
    session_result(&ran, &res);
}

START_TEST(an_errand_goes_to_every_node_and_the_answers_are_added_up)
{
    errands_start();
    answer_errand(1, "a");
    for (uint32_t n = 1; n < NODES; n++) {
        deliver(&w->at[n][0], 0);
        ck_assert_uint_eq(runs, 1 + n);
        answer_errand(n * 10, "b");
        deliver(&w->at[0][0], n);
    }
    ck_assert_uint_eq(runs, 103);
    ck_assert(gathered.number == 31 && slice_eq(buf_slice(&gathered_value), slice_str("abb")));
    stop();
}
END_TEST

START_TEST(an_errand_passes_over_a_node_that_is_gone_or_silent)
{
    errands_start();
    answer_errand(1, "");
    link_break(&w->at[0][0], 1);
    ck_assert_uint_eq(runs, 1);
    w->now += ROUTER_ERRAND_MS;
    router_tick(w->at[0][0].router, w->now);
    ck_assert(runs == 101 && gathered.number == 1);
    deliver(&w->at[2][0], 0);
    answer_errand(5, "");
    deliver(&w->at[0][0], 2); /* too late */
    ck_assert_uint_eq(runs, 102);
    stop();
    buf_release(&gathered_value);
}
END_TEST

UNIT_MAIN("session/router", each_increment_is_done_once_and_in_order_whatever_moves_and_breaks,
          an_op_that_nobody_was_asked_for_is_not_done_and_one_that_was_is_in_doubt,
          who_asks_again_by_himself_hears_at_once_that_a_node_that_is_down_is_waited_for,
          an_op_is_asked_for_when_the_link_comes_up,
          an_answer_that_does_not_fit_what_was_asked_is_not_taken,
          an_op_is_asked_for_elsewhere_when_who_was_asked_leads_no_more_and_says_nothing,
          an_op_is_asked_for_elsewhere_at_once_when_who_was_asked_is_down, what_waits_is_bounded,
          an_errand_goes_to_every_node_and_the_answers_are_added_up,
          an_errand_passes_over_a_node_that_is_gone_or_silent)
