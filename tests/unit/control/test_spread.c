/* test_spread.c - instances of mode copies: spread over the nodes, and again when those change,
 * with few moves, and versions that grow.
 * LINK: control replica base */
#include "base/alloc.h"
#include "base/prng.h"
#include "control/level.h"
#include "control/plan.h"
#include "tests/unit/control/grid.h"

enum { STEPS_MAX = 20000, STEP_MS = 1100 };

/* A grid that does what its leader plans, at once. */
struct world {
    struct grid_state *s;
    struct plan *plan;
    struct plan_output *o;
    msec_t now;
    size_t moves;
    uint32_t context;
};

static void raise_level(struct grid_state *s)
{
    struct node_level list[GRID_NODES_MAX];
    for (size_t i = 0; i < s->nodes_len; i++)
        list[i] = (struct node_level){{s->nodes[i].number, s->nodes[i].boot}, GRID_LEVEL};
    struct grid_command c = {.kind = GRID_LEVELS, .u.levels = {list, s->nodes_len}};
    ck_assert_int_eq(apply(s, &c), GRID_OK);
}

static void deploy(struct world *w, const char *name, enum service_mode mode, uint32_t copies)
{
    struct service_info want = {.mode = mode, .context = w->context, .copies = copies};
    snprintf(want.name, sizeof want.name, "%s", name);
    struct grid_command c = {.kind = GRID_SERVICE_DEPLOY, .u.service = &want};
    ck_assert_msg(apply(w->s, &c) == GRID_OK, "%s", out.why);
}

static struct world world_new(uint32_t nodes)
{
    struct module_function f[] = {{.name = "s", .kind = MODULE_SERVICE},
                                  {.name = "t", .kind = MODULE_SERVICE}};
    struct module_info m = {.name = "m",
                            .engine = MODULE_LUA,
                            .source = slice_str("x"),
                            .functions = f,
                            .functions_len = 2};
    struct world w = {.s = founded(nodes),
                      .plan = plan_new(),
                      .o = xalloc(sizeof(struct plan_output)),
                      .now = 2000};
    raise_level(w.s);
    w.context = make_context(w.s, "x", 64, 1, DURABILITY_SYNC, 1);
    struct grid_command c = {.kind = GRID_MODULE_DEPLOY, .u.module = {&m, false}};
    ck_assert_int_eq(apply(w.s, &c), GRID_OK);
    return w;
}

static void world_free(struct world *w)
{
    plan_free(w->plan);
    grid_state_unref(w->s);
    free(w->o);
}

static void perform(struct world *w, const struct grid_command *c)
{
    struct grid_state *next = grid_state_copy(w->s);
    ck_assert_msg(grid_state_apply(next, c, &out) == GRID_OK, "%s", out.why);
    grid_state_check(next);
    grid_state_unref(w->s);
    w->s = next;
}

static void do_parts(struct world *w, const struct part_change *list, size_t len)
{
    struct grid_command c = {.kind = GRID_PARTS, .now = w->now, .u.parts = {list, len}};
    if (len)
        perform(w, &c);
}

static void do_asks_and_promotes(struct world *w)
{
    struct part_change list[PLAN_ASKS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < w->o->asks_len; i++) {
        const struct plan_ask *a = &w->o->asks[i];
        if (grid_state_epoch(w->s, a->context, a->partition) == a->epoch)
            list[n++] =
                (struct part_change){PART_HAND_OVER, a->context, a->partition, a->epoch, a->to};
    }
    do_parts(w, list, n);
    for (size_t k = 0; k < w->s->tables_len; k++) {
        for (uint32_t i = 0; i < w->s->tables[k]->partitions; i++) {
            struct replica_config c = config(w->s, w->s->tables[k]->context, i);
            struct part_change p = {PART_PROMOTE, w->s->tables[k]->context, i, (uint32_t)c.epoch,
                                    c.members[c.complete < c.len ? c.complete : 0]};
            do_parts(w, &p, c.complete < c.len);
        }
    }
}

static uint64_t token_of(const struct world *w, const struct service_info *info, uint32_t i)
{
    return service_token(service_version(info, i),
                         grid_state_epoch(w->s, info->context, info->partitions[i]));
}

/* The instance that moves gets a greater token than it had, the others keep theirs. */
static void do_move(struct world *w)
{
    struct grid_command c = {.kind = GRID_SERVICE_MOVE, .u.move = w->o->move};
    struct service_info was = catalog_service(w->s->catalog, c.u.move.name)->info;
    perform(w, &c);
    const struct service_info *is = &catalog_service(w->s->catalog, c.u.move.name)->info;
    for (uint32_t i = 0; i < is->copies; i++) {
        bool moved = i == c.u.move.number;
        ck_assert_uint_eq(is->partitions[i], moved ? c.u.move.to : was.partitions[i]);
        ck_assert(moved ? token_of(w, is, i) > token_of(w, &was, i)
                        : token_of(w, is, i) == token_of(w, &was, i));
    }
    w->moves++;
    grid_state_check(w->s);
}

static bool step(struct world *w)
{
    struct plan_node nodes[GRID_NODES_MAX];
    struct plan_input in = {.state = w->s, .now = w->now, .nodes = nodes};
    for (size_t i = 0; i < w->s->nodes_len; i++)
        if (w->s->nodes[i].state == NODE_UP)
            nodes[in.nodes_len++] =
                (struct plan_node){w->s->nodes[i].number, 50, true, false, false};
    plan_next(w->plan, &in, w->o);
    bool moves = w->o->moved[0] != '\0';
    bool any = w->o->parts_len || w->o->asks_len || moves;
    ck_assert(!moves || (!w->o->parts_len && !w->o->asks_len && !w->o->settled));
    do_parts(w, w->o->parts, w->o->parts_len);
    do_asks_and_promotes(w);
    if (moves)
        do_move(w);
    return any;
}

static void settle(struct world *w)
{
    int steps = 0;
    while ((step(w) || (w->now += STEP_MS, step(w)) || !w->o->settled) && ++steps < STEPS_MAX)
        ;
    ck_assert_int_lt(steps, STEPS_MAX);
}

/* Most and fewest instances of any node that could have one. */
static void loads(const struct world *w, const char *name, uint32_t *ret_most, uint32_t *ret_fewest)
{
    const struct service_info *info = &catalog_service(w->s->catalog, slice_str(name))->info;
    uint32_t load[GRID_NODES_MAX] = {0};
    *ret_most = 0;
    *ret_fewest = UINT32_MAX;
    for (uint32_t i = 0; i < info->copies; i++) {
        load[grid_state_primary(w->s, info->context, info->partitions[i]).node]++;
        for (uint32_t k = 0; k < i; k++)
            ck_assert_uint_ne(info->partitions[i], info->partitions[k]);
    }
    for (size_t i = 0; i < w->s->nodes_len; i++) {
        const struct grid_node *n = &w->s->nodes[i];
        uint32_t is = load[n->number];
        if (n->state != NODE_UP || n->draining)
            continue;
        *ret_most = is > *ret_most ? is : *ret_most;
        *ret_fewest = is < *ret_fewest ? is : *ret_fewest;
    }
}

static void spread(const struct world *w, const char *name)
{
    uint32_t most, fewest;
    loads(w, name, &most, &fewest);
    ck_assert_msg(most <= fewest + 1, "%s: %u and %u", name, most, fewest);
}

START_TEST(a_node_that_comes_gets_its_share_and_no_other_instance_moves)
{
    struct world w = world_new(2);
    deploy(&w, "m.s", SERVICE_COPIES, 3);
    settle(&w);
    spread(&w, "m.s");
    struct node_info info = info_of(3, 1);
    info.level = GRID_LEVEL;
    struct grid_command c = {.kind = GRID_ENTER, .now = 2000, .u.enter = &info};
    w.moves = 0;
    perform(&w, &c);
    settle(&w);
    spread(&w, "m.s");
    ck_assert_uint_le(w.moves, 1);
    world_free(&w);
}
END_TEST

START_TEST(nothing_moves_while_not_all_nodes_know_how)
{
    struct world w = world_new(3);
    deploy(&w, "m.s", SERVICE_COPIES, 3);
    w.s->level = GRID_LEVEL_SPREAD - 1;
    for (uint32_t n = 1; n <= 3; n++) {
        drained(w.s, n, true);
        settle(&w);
        drained(w.s, n, false);
        settle(&w);
    }
    ck_assert_uint_eq(w.moves, 0);
    world_free(&w);
}
END_TEST

/* Whatever nodes come, leave, drain and stay again: when all is done no node has two more than
 * another, and what it took is no more than what could be wrong. */
START_TEST(they_are_spread_again_whatever_nodes_do)
{
    size_t moves = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct prng r = {seed};
        struct world w = world_new(2 + (uint32_t)prng_below(&r, 4));
        uint32_t copies = 1 + (uint32_t)prng_below(&r, 8), node_next = (uint32_t)w.s->nodes_len + 1;
        deploy(&w, "m.s", SERVICE_COPIES, copies);
        deploy(&w, "m.t", SERVICE_SINGLETON, 1);
        uint16_t one = catalog_service(w.s->catalog, slice_str("m.t"))->info.partitions[0];
        for (int i = 0; i < 8; i++) {
            uint32_t n = w.s->nodes[prng_below(&r, w.s->nodes_len)].number;
            size_t up = 0;
            for (size_t k = 0; k < w.s->nodes_len; k++)
                up += w.s->nodes[k].state == NODE_UP && !w.s->nodes[k].draining;
            const struct grid_node *is = grid_state_node(w.s, n);
            if (prng_below(&r, 4) == 0 && w.s->nodes_len < 8) {
                struct node_info info = info_of(node_next++, 1);
                info.level = GRID_LEVEL;
                struct grid_command c = {.kind = GRID_ENTER, .now = w.now, .u.enter = &info};
                perform(&w, &c);
            } else if (is->draining) {
                drained(w.s, n, false);
            } else if (up > 2) {
                drained(w.s, n, true);
            }
            w.moves = 0;
            settle(&w);
            spread(&w, "m.s");
            ck_assert_uint_le(w.moves, copies);
            moves += w.moves;
        }
        ck_assert_uint_eq(catalog_service(w.s->catalog, slice_str("m.t"))->info.partitions[0], one);
        world_free(&w);
    }
    ck_assert_uint_gt(moves, 5);
}
END_TEST

START_TEST(a_move_that_does_not_fit_is_refused)
{
    struct world w = world_new(3);
    deploy(&w, "m.s", SERVICE_COPIES, 3);
    deploy(&w, "m.t", SERVICE_SINGLETON, 1);
    const struct service_info *s = &catalog_service(w.s->catalog, slice_str("m.s"))->info;
    uint32_t at = s->partitions[1], other = s->partitions[2];
    uint32_t to = 0, single = catalog_service(w.s->catalog, slice_str("m.t"))->info.partitions[0];
    while (to == at || to == other || to == s->partitions[0])
        to++;
    const struct {
        struct service_move move;
        enum grid_err err;
    } cases[] = {
        {{slice_str("m.x"), 1, at, to}, GRID_ENO_SERVICE},
        {{slice_str("m.s"), 3, at, to}, GRID_ECONDITION},
        {{slice_str("m.s"), 1, at, 64}, GRID_ECONDITION},
        {{slice_str("m.s"), 1, at, other}, GRID_ECONDITION},
        {{slice_str("m.s"), 1, other, to}, GRID_ESTALE},
        {{slice_str("m.t"), 0, single, single ? 0 : 1}, GRID_ECONDITION},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct grid_command c = {.kind = GRID_SERVICE_MOVE, .u.move = cases[i].move};
        ck_assert_int_eq(apply(w.s, &c), cases[i].err);
        ck_assert_uint_gt(strlen(out.why), 10);
    }
    ck_assert_uint_eq(grid_command_level(&(struct grid_command){.kind = GRID_SERVICE_MOVE}),
                      GRID_LEVEL_SPREAD);
    world_free(&w);
}
END_TEST

START_TEST(deployed_anew_an_instance_that_was_moved_has_the_version_of_the_service)
{
    struct world w = world_new(3);
    deploy(&w, "m.s", SERVICE_COPIES, 1);
    struct service_info was = catalog_service(w.s->catalog, slice_str("m.s"))->info;
    w.o->move = (struct service_move){slice_str("m.s"), 0, was.partitions[0],
                                      (was.partitions[0] + 1u) % 64};
    do_move(&w);
    struct service_info moved = catalog_service(w.s->catalog, slice_str("m.s"))->info;
    ck_assert(moved.version == was.version && service_version(&moved, 0) > was.version);
    deploy(&w, "m.s", SERVICE_COPIES, 1);
    const struct service_info *anew = &catalog_service(w.s->catalog, slice_str("m.s"))->info;
    ck_assert_uint_eq(anew->partitions[0], moved.partitions[0]);
    ck_assert(service_version(anew, 0) == anew->version &&
              anew->version > service_version(&moved, 0));
    world_free(&w);
}
END_TEST

UNIT_MAIN("control/spread", a_node_that_comes_gets_its_share_and_no_other_instance_moves,
          nothing_moves_while_not_all_nodes_know_how, they_are_spread_again_whatever_nodes_do,
          a_move_that_does_not_fit_is_refused,
          deployed_anew_an_instance_that_was_moved_has_the_version_of_the_service)
