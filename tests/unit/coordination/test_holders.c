/* test_holders.c - several nodes and one lead, in histories made from a seed: no two nodes answer
 * with one token, and tokens grow, whatever leases, clocks and code do. Each rule that sees to it
 * is turned off once, and the histories find that.
 * LINK: control base */
#define GRIDD_SABOTAGE
#include "server/coordination/holder.c"

#include "base/prng.h"
#include "tests/lib/unit.h"
#include "tests/unit/coordination/services.h"

enum work_sabotage work_sabotage;

enum { NODES = 3, STEPS = 6000, SEEDS = 60, WORKS = 64, LEASE_MS = 100, GRACE_MS = 150 };

struct work { /* under way at a node */
    struct life *life;
    enum service_work_kind kind;
    uint64_t token;
    msec_t until;
};

struct node {
    struct holder *h;
    bool up, code, cut;        /* cut: the grid does not hear it, and it hears nothing */
    unsigned rate;             /* of its clock, percent */
    msec_t clock, lease_until; /* of its own clock */
    uint64_t epoch;            /* that it knows; 0: it does not lead */
    struct work works[WORKS];
    unsigned len;
};

static struct {
    struct node nodes[NODES];
    struct catalog *catalog;
    struct prng prng;
    unsigned leader; /* NODES: nobody */
    uint64_t epoch;
    msec_t now, heard; /* by the grid, of the leader */
    uint64_t best, calls, answered, moves;
    bool bad;
} w;

static uint32_t dice(uint32_t range)
{
    return (uint32_t)(prng_next(&w.prng) % range);
}

static uint64_t token_of_call; /* of the call whose answer is given now */

static bool leads_port(void *ctx, uint32_t context, uint32_t partition, uint64_t *ret_epoch)
{
    const struct node *n = ctx;
    (void)context;
    (void)partition;
    *ret_epoch = n->epoch;
    return n->epoch && n->clock < n->lease_until;
}

static bool labelled_port(void *ctx, const char *labels)
{
    (void)ctx;
    (void)labels;
    return false;
}

static uint64_t code_port(void *ctx, const struct service_info *info)
{
    (void)info;
    return ((struct node *)ctx)->code;
}

static void run_port(void *ctx, struct life *l, const struct service_work *work)
{
    struct node *n = ctx;
    ck_assert_uint_lt(n->len, WORKS);
    n->works[n->len++] = (struct work){l, work->kind, work->token,
                                       w.now + (dice(10) ? dice(20) : dice(4 * GRACE_MS))};
    *life_host(l) = n;
}

static void nothing(void *ctx, struct life *l)
{
    (void)ctx;
    (void)l;
}

/* What the judge sees: answers, in the order they are given. */
static void reply_port(void *ctx, const struct ticket *to, const struct result *res)
{
    const struct node *n = ctx;
    uint64_t node = (uint64_t)(n - w.nodes) + 1, token = token_of_call;
    static uint64_t last_owner;
    (void)to;
    if (res->status)
        return;
    w.answered++;
    if (token < w.best || (token == w.best && last_owner != node && w.best))
        w.bad = true;
    w.best = token;
    last_owner = node;
}

static void node_start(struct node *n)
{
    const struct holder_ports ports = {n,        leads_port, labelled_port, code_port,
                                       run_port, nothing,    nothing,       reply_port};
    n->h = holder_new(&ports);
    n->up = true;
    n->len = 0;
    n->epoch = 0;
    n->lease_until = 0;
    holder_set(n->h, w.catalog, n->clock);
}

static void node_stop(struct node *n)
{
    holder_free(n->h);
    n->h = NULL;
    n->up = false;
}

/* The grid gives the lead to another, when that of the last one is surely over. */
static void lead_step(void)
{
    struct node *l = w.leader < NODES ? &w.nodes[w.leader] : NULL;
    if (l && l->up && !l->cut) {
        w.heard = w.now;
        l->lease_until = l->clock + LEASE_MS;
        if (dice(200) == 0) { /* it hands over: it knows first */
            l->epoch = 0;
            holder_set(l->h, w.catalog, l->clock);
            w.leader = NODES;
            w.heard = w.now - 10 * GRACE_MS;
        } else if (dice(50) == 0) {
            l->epoch = ++w.epoch; /* members changed */
        }
        return;
    }
    unsigned next = dice(NODES);
    if (w.now < w.heard + GRACE_MS || !w.nodes[next].up || w.nodes[next].cut)
        return;
    if (w.leader == next && w.nodes[next].epoch == w.epoch)
        return;
    w.moves += w.leader != next;
    w.leader = next;
    w.nodes[next].epoch = ++w.epoch;
    w.nodes[next].lease_until = w.nodes[next].clock + LEASE_MS;
    w.heard = w.now;
    holder_set(w.nodes[next].h, w.catalog, w.nodes[next].clock);
}

/* One that is heard again knows that another leads. */
static void node_hears(unsigned i)
{
    struct node *n = &w.nodes[i];
    if (!n->up || n->cut || i == w.leader || !n->epoch)
        return;
    n->epoch = 0;
    holder_set(n->h, w.catalog, n->clock);
}

static void work_done(struct node *n)
{
    if (!n->len)
        return;
    struct work done = n->works[dice(n->len)];
    if (w.now < done.until)
        return;
    for (unsigned i = 0; i < n->len; i++)
        if (n->works[i].life == done.life && n->works[i].kind == done.kind) {
            n->works[i] = n->works[--n->len];
            break;
        }
    struct service_outcome o = {.failed = dice(8) == 0, .broken = dice(100) == 0, .every_ms = 20};
    o.has_health = true;
    token_of_call = done.token;
    holder_done(n->h, done.life, &o, n->clock);
    holder_check(n->h);
}

static void call(struct node *n)
{
    struct service_call c = {.name = slice_str("m.s"),
                             .method = slice_str("x"),
                             .known = w.catalog->services_revision,
                             .again = dice(2),
                             .ticket = {.number = ++w.calls}};
    holder_call(n->h, &c, 0, n->clock);
}

static void step(void)
{
    unsigned i = dice(NODES);
    struct node *n = &w.nodes[i];
    msec_t ms = dice(10);
    w.now += ms;
    for (unsigned k = 0; k < NODES; k++)
        w.nodes[k].clock += ms * w.nodes[k].rate / 100 + (dice(100) < ms * w.nodes[k].rate % 100);
    lead_step();
    node_hears(i);
    if (dice(100) == 0) {
        n->cut = !n->cut;
    } else if (dice(200) == 0) {
        if (n->up)
            node_stop(n);
        else
            node_start(n);
    } else if (dice(150) == 0) {
        n->code = !n->code;
    }
    if (!n->up)
        return;
    if (dice(3) == 0)
        (void)holder_tick(n->h, n->clock);
    if (dice(2))
        call(n);
    if (dice(2))
        work_done(n);
    holder_check(n->h);
}

/* True: it went as it should. */
static bool history(uint64_t seed)
{
    char why[WHY_BYTES];
    struct service_info info = {.name = "m.s", .context = 2, .copies = 1};
    struct context_info context = {.name = "c", .partitions = 1};
    memset(&w, 0, sizeof w);
    w.prng.state = seed;
    w.now = 10 * GRACE_MS;
    w.leader = NODES;
    w.catalog = catalog_new();
    ck_assert_int_eq(catalog_context_create(w.catalog, &context, why), GRID_OK);
    code_deploy(w.catalog);
    ck_assert_int_eq(catalog_service_deploy(w.catalog, &info, NULL, NULL, why), GRID_OK);
    for (unsigned i = 0; i < NODES; i++) {
        w.nodes[i].rate = 90 + dice(21); /* lease and grace allow for that */
        w.nodes[i].code = true;
        w.nodes[i].clock = 1000 * dice(1000);
        node_start(&w.nodes[i]);
    }
    for (unsigned i = 0; i < STEPS && !w.bad; i++)
        step();
    for (unsigned i = 0; i < NODES; i++)
        if (w.nodes[i].up)
            node_stop(&w.nodes[i]);
    catalog_unref(w.catalog);
    return !w.bad;
}

START_TEST(no_two_holders_answer_with_one_token_and_tokens_grow)
{
    uint64_t answered = 0, moves = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        ck_assert_msg(history(seed), "seed %llu", (unsigned long long)seed);
        answered += w.answered;
        moves += w.moves;
    }
    ck_assert_uint_gt(answered, 50 * SEEDS); /* it was no idle history */
    ck_assert_uint_gt(moves, 3 * SEEDS);
}
END_TEST

START_TEST(each_rule_that_is_off_is_found)
{
    static const enum work_sabotage rules[] = {WORK_SABOTAGE_LEASE, WORK_SABOTAGE_LOOK,
                                               WORK_SABOTAGE_TOKEN};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        bool found = false;
        work_sabotage = rules[i];
        for (uint64_t seed = 1; seed <= SEEDS && !found; seed++)
            found = !history(seed);
        work_sabotage = WORK_SABOTAGE_NONE;
        ck_assert_msg(found, "rule %d", (int)rules[i]);
    }
}
END_TEST

UNIT_MAIN("coordination/holders", no_two_holders_answer_with_one_token_and_tokens_grow,
          each_rule_that_is_off_is_found)
