/* test_plan.c - what the leader does next: who is gone, which copies move and when, who votes.
 * LINK: control replica base */
#include "base/alloc.h"
#include "base/prng.h"
#include "control/plan.h"
#include "control/settings.h"
#include "tests/unit/control/grid.h"

enum { START_MS = 2000, LATER_MS = 10000000, STEP_MS = 1100, STEPS_MAX = 20000 };

/* A grid whose joining members catch up at once, and whose primaries do what they are asked. */
struct world {
    struct grid_state *s;
    struct plan *plan;
    struct plan_output *o;
    msec_t now;
    size_t made;    /* copies begun */
    size_t handed;  /* primaries moved */
    size_t joining; /* most at a time */
    bool promotes;
    struct plan_pair pair; /* does not see each other; {0, 0}: all see all */
    uint32_t stops;        /* number of a node */
};

static struct world world_new(struct grid_state *s)
{
    return (struct world){.s = s,
                          .plan = plan_new(),
                          .o = xalloc(sizeof(struct plan_output)),
                          .now = START_MS,
                          .promotes = true};
}

static void world_free(struct world *w)
{
    plan_free(w->plan);
    grid_state_unref(w->s);
    free(w->o);
}

static void plan_all_heard(struct world *w)
{
    struct plan_node nodes[GRID_NODES_MAX];
    struct plan_input in = {.state = w->s, .now = w->now, .nodes = nodes};
    for (size_t i = 0; i < w->s->nodes_len; i++)
        if (w->s->nodes[i].state == NODE_UP)
            nodes[in.nodes_len++] = (struct plan_node){w->s->nodes[i].number, 50, true, false,
                                                       w->s->nodes[i].number == w->stops};
    in.pairs = &w->pair;
    in.pairs_len = w->pair.low > 0;
    plan_next(w->plan, &in, w->o);
}

static void perform(struct world *w, const struct part_change *list, size_t len)
{
    struct grid_command c = {.kind = GRID_PARTS, .now = w->now, .u.parts = {list, len}};
    struct grid_state *next = grid_state_copy(w->s);
    ck_assert_int_eq(grid_state_apply(next, &c, &out), GRID_OK);
    for (size_t i = 0; i < len; i++)
        if (out.part_err[i])
            ck_abort_msg("change %zu of kind %d is refused", i, list[i].kind);
    grid_state_unref(w->s);
    w->s = next;
}

static void do_asks(struct world *w)
{
    struct part_change list[PLAN_ASKS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < w->o->asks_len; i++) {
        const struct plan_ask *a = &w->o->asks[i];
        if (grid_state_epoch(w->s, a->context, a->partition) != a->epoch)
            continue;
        list[n++] = (struct part_change){PART_HAND_OVER, a->context, a->partition, a->epoch, a->to};
    }
    w->handed += n;
    if (n)
        perform(w, list, n);
}

/* Everyone who joins is in sync now. Returns how many joined. */
static size_t do_promotes(struct world *w)
{
    size_t joining = 0;
    for (size_t k = 0; k < w->s->tables_len; k++) {
        uint32_t context = w->s->tables[k]->context;
        for (uint32_t i = 0; i < w->s->tables[k]->partitions; i++) {
            struct replica_config c;
            grid_state_config(w->s, context, i, &c);
            joining += (size_t)(c.len - c.complete);
            if (c.len == c.complete || !w->promotes)
                continue;
            struct part_change p = {PART_PROMOTE, context, i, (uint32_t)c.epoch,
                                    c.members[c.complete]};
            perform(w, &p, 1);
        }
    }
    return joining;
}

static bool step(struct world *w)
{
    plan_all_heard(w);
    for (size_t i = 0; i < w->o->parts_len; i++)
        w->made += w->o->parts[i].kind == PART_ADD_JOINING;
    bool any = w->o->parts_len || w->o->asks_len;
    if (w->o->parts_len)
        perform(w, w->o->parts, w->o->parts_len);
    do_asks(w);
    size_t joining = do_promotes(w);
    if (joining > w->joining)
        w->joining = joining;
    return any;
}

/* What waits for a moment to pass is waited for. */
static bool step_or_wait(struct world *w)
{
    if (step(w))
        return true;
    w->now += STEP_MS;
    return step(w) || !w->o->settled;
}

static void settle(struct world *w)
{
    int steps = 0;
    while (step_or_wait(w) && ++steps < STEPS_MAX)
        ;
    ck_assert_int_lt(steps, STEPS_MAX);
    ck_assert(!step(w) && w->o->settled);
    grid_state_check(w->s);
}

/* As many steps as change something. */
static void run_down(struct world *w)
{
    int steps = 0;
    while ((step(w) || (w->now += STEP_MS, step(w))) && ++steps < STEPS_MAX)
        ;
    ck_assert_int_lt(steps, STEPS_MAX);
}

/* Copies and primaries within 1.05 of the share of each node that takes some. */
static void balanced(const struct world *w)
{
    for (size_t k = 0; k < w->s->tables_len; k++) {
        const struct context_info *info = &w->s->catalog->contexts[k];
        uint32_t copies = grid_state_copies(w->s, info), takers = 0;
        uint32_t all[64] = {0}, first[64] = {0};
        for (size_t i = 0; i < w->s->nodes_len; i++)
            takers += w->s->nodes[i].state == NODE_UP && !w->s->nodes[i].draining;
        for (uint32_t p = 0; p < info->partitions; p++) {
            struct replica_config c = config(w->s, info->id, p);
            ck_assert(c.led && c.in_sync == copies && c.len == copies);
            first[c.members[0].node]++;
            for (int i = 0; i < c.len; i++)
                all[c.members[i].node]++;
        }
        double share = (double)info->partitions / takers;
        for (size_t i = 0; i < 64; i++) {
            ck_assert(all[i] <= 1.05 * share * copies + 1);
            ck_assert(first[i] <= 1.05 * share + 1);
        }
    }
}

/* --- copies ---------------------------------------------------------------------------------- */

START_TEST(a_new_grid_has_nothing_to_do)
{
    struct world w = world_new(founded(3));
    ck_assert(!step(&w));
    ck_assert(w.o->settled);
    balanced(&w);
    world_free(&w);
}
END_TEST

START_TEST(a_new_node_takes_its_share_and_little_else_moves)
{
    for (uint32_t nodes = 1; nodes <= 9; nodes += 4) {
        struct world w = world_new(founded(nodes));
        make_context(w.s, "x", 512, 2, DURABILITY_SYNC, 1);
        settle(&w);
        w.made = 0;
        enter(w.s, nodes + 1, 1);
        settle(&w);
        balanced(&w);
        struct grid_load loads[64];
        grid_state_loads(w.s, loads);
        ck_assert_uint_le(w.made, loads[nodes].copies + loads[nodes].copies / 10 + 2);
        world_free(&w);
    }
}
END_TEST

START_TEST(what_is_not_yet_where_it_should_be_is_counted)
{
    struct world w = world_new(founded(2));
    ck_assert(!step(&w));
    ck_assert_uint_eq(w.o->misplaced, 0);
    enter(w.s, 3, 1);
    uint32_t left = UINT32_MAX;
    for (int steps = 0; step_or_wait(&w); steps++) {
        ck_assert_int_lt(steps, STEPS_MAX);
        ck_assert_uint_gt(w.o->misplaced, 0);
        ck_assert_uint_le(w.o->misplaced, left);
        left = w.o->misplaced;
    }
    ck_assert_uint_eq(w.o->misplaced, 0);
    world_free(&w);
}
END_TEST

START_TEST(a_node_that_comes_back_in_time_gets_what_it_had_and_nothing_else_moves)
{
    struct world w = world_new(founded(5));
    struct grid_load before[5], after[5];
    grid_state_loads(w.s, before);
    gone_one(w.s, 2);
    run_down(&w);
    ck_assert_uint_eq(w.made, 0);
    ck_assert(!w.o->settled);
    enter(w.s, 2, 2);
    plan_free(w.plan); /* another leader */
    w.plan = plan_new();
    settle(&w);
    grid_state_loads(w.s, after);
    ck_assert_uint_eq(w.made, before[1].copies);
    for (int i = 0; i < 5; i++)
        ck_assert_uint_eq(before[i].copies, after[i].copies);
    balanced(&w);
    world_free(&w);
}
END_TEST

START_TEST(copies_of_a_dead_node_are_made_elsewhere_after_rebuild_delay)
{
    struct world w = world_new(founded(4));
    struct grid_load before[4];
    grid_state_loads(w.s, before);
    gone_one(w.s, 3);
    w.now = 3000 + 29999;
    while (step(&w))
        ;
    ck_assert_uint_eq(w.made, 0);
    w.now = 3000 + 30000;
    settle(&w);
    ck_assert_uint_ge(w.made, before[2].copies);
    ck_assert_uint_le(w.made, before[2].copies + before[2].copies / 10 + 2);
    balanced(&w);
    world_free(&w);
}
END_TEST

START_TEST(copies_of_a_removed_node_are_made_at_once)
{
    struct world w = world_new(founded(4));
    removed(w.s, 3, false);
    settle(&w);
    ck_assert_uint_gt(w.made, 0);
    balanced(&w);
    world_free(&w);
}
END_TEST

START_TEST(draining_moves_everything_away_and_never_below_the_copies_asked)
{
    struct world w = world_new(founded(4));
    drained(w.s, 2, true);
    for (int steps = 0; step_or_wait(&w) && steps < STEPS_MAX; steps++)
        for (uint32_t p = 0; p < 1024; p++)
            ck_assert(config(w.s, 1, p).in_sync >= 2);
    struct grid_load loads[4];
    grid_state_loads(w.s, loads);
    ck_assert_uint_eq(loads[1].copies, 0);
    balanced(&w);
    ck_assert_int_eq(removed(w.s, 2, false), GRID_OK);
    world_free(&w);
}
END_TEST

START_TEST(draining_one_of_two_moves_the_primaries_and_keeps_the_copies)
{
    struct world w = world_new(founded(2));
    drained(w.s, 1, true);
    settle(&w);
    for (uint32_t p = 0; p < 1024; p++) {
        struct replica_config c = config(w.s, 1, p);
        ck_assert(c.in_sync == 2 && c.members[0].node == 2);
    }
    drained(w.s, 1, false);
    settle(&w);
    balanced(&w);
    world_free(&w);
}
END_TEST

START_TEST(few_copies_are_under_way_at_a_time_and_one_per_partition)
{
    struct world w = world_new(founded(3));
    set_setting(w.s, "rebalance_parallel", 7);
    enter(w.s, 4, 1);
    w.promotes = false;
    run_down(&w);
    ck_assert_uint_eq(w.made, 7);
    for (uint32_t p = 0; p < 1024; p++) {
        struct replica_config c = config(w.s, 1, p);
        ck_assert(c.len - c.complete <= 1);
    }
    w.promotes = true;
    settle(&w);
    ck_assert_uint_le(w.joining, 7);
    balanced(&w);
    world_free(&w);
}
END_TEST

START_TEST(no_copy_begins_while_too_many_bytes_are_under_way)
{
    struct world w = world_new(founded(3));
    enter(w.s, 4, 1);
    struct plan_progress progress = {1, 5, (uint64_t)2 << 30};
    struct plan_node nodes[4];
    struct plan_input in = {
        .state = w.s, .now = w.now, .nodes = nodes, .nodes_len = 4, .progress = &progress};
    for (uint32_t i = 0; i < 4; i++)
        nodes[i] = (struct plan_node){i + 1, 0, true, false, false};
    in.progress_len = 1;
    plan_next(w.plan, &in, w.o);
    ck_assert_uint_eq(w.o->parts_len, 0);
    progress.bytes_left = 1000;
    plan_next(w.plan, &in, w.o);
    ck_assert_uint_gt(w.o->parts_len, 0);
    world_free(&w);
}
END_TEST

START_TEST(what_is_missing_comes_before_what_should_be_elsewhere)
{
    struct world w = world_new(founded(4));
    uint32_t x = make_context(w.s, "x", 1024, 1, DURABILITY_SYNC, 1);
    enter(w.s, 5, 1); /* all contexts should move something to it */
    gone_one(w.s, 1);
    w.now = LATER_MS;
    plan_all_heard(&w);
    ck_assert_uint_gt(w.o->parts_len, 0);
    for (size_t i = 0; i < w.o->parts_len; i++) {
        struct replica_config c = config(w.s, w.o->parts[i].context, w.o->parts[i].partition);
        ck_assert(c.in_sync == 1);
    }
    (void)x;
    world_free(&w);
}
END_TEST

START_TEST(when_paused_only_what_is_missing_is_made)
{
    struct world w = world_new(founded(3));
    struct grid_command pause = {.kind = GRID_POLICY, .u.policy = {true}};
    apply(w.s, &pause);
    enter(w.s, 4, 1);
    run_down(&w);
    ck_assert_uint_eq(w.made + w.handed, 0);
    gone_one(w.s, 1);
    w.now = LATER_MS;
    run_down(&w);
    ck_assert_uint_gt(w.made, 0);
    for (uint32_t p = 0; p < 1024; p++)
        ck_assert_uint_eq(config(w.s, 1, p).in_sync, 2);
    pause.u.policy.rebalance_paused = false;
    apply(w.s, &pause);
    settle(&w);
    balanced(&w);
    world_free(&w);
}
END_TEST

START_TEST(a_context_on_all_nodes_follows_them)
{
    struct world w = world_new(founded(3));
    uint32_t all = make_context(w.s, "all", 16, BACKUPS_ALL, DURABILITY_ASYNC, 1);
    for (uint32_t n = 4; n <= 6; n++)
        enter(w.s, n, 1);
    settle(&w);
    ck_assert_uint_eq(config(w.s, all, 3).in_sync, 6);
    drained(w.s, 1, true);
    gone_one(w.s, 2);
    w.now = LATER_MS;
    settle(&w);
    ck_assert_uint_eq(config(w.s, all, 3).in_sync, 4);
    balanced(&w);
    world_free(&w);
}
END_TEST

START_TEST(a_selector_and_zones_are_kept)
{
    struct grid_state *s = founded(6);
    for (uint32_t n = 1; n <= 6; n++) {
        struct node_info i = info_of(n, 1);
        snprintf(i.labels, sizeof i.labels, "zone=%c,role=%s", 'a' + (int)(n % 2),
                 n <= 4 ? "data" : "other");
        struct grid_command c = {.kind = GRID_ALTER, .u.alter = &i};
        ck_assert_int_eq(apply(s, &c), GRID_OK);
    }
    struct world w = world_new(s);
    struct context_info info = {
        .name = "sel", .partitions = 64, .backups = 1, .min_in_sync = 1, .nodes = "role=data"};
    struct grid_command c = {.kind = GRID_CONTEXT_CREATE, .u.context = &info};
    ck_assert_int_eq(apply(w.s, &c), GRID_OK);
    settle(&w);
    for (uint32_t p = 0; p < 64; p++) {
        struct replica_config r = config(w.s, 2, p);
        ck_assert(r.members[0].node <= 4 && r.members[1].node <= 4);
        ck_assert(r.members[0].node % 2 != r.members[1].node % 2);
    }
    for (uint32_t p = 0; p < 1024; p++) {
        struct replica_config r = config(w.s, 1, p);
        ck_assert(r.members[0].node % 2 != r.members[1].node % 2);
    }
    world_free(&w);
}
END_TEST

START_TEST(more_and_fewer_backups_are_made)
{
    struct world w = world_new(founded(4));
    struct context_info info = *catalog_context(w.s->catalog, 1);
    struct grid_command c = {.kind = GRID_CONTEXT_ALTER, .u.context = &info};
    info.backups = 2;
    apply(w.s, &c);
    settle(&w);
    balanced(&w);
    ck_assert_uint_eq(w.made, 1024);
    info.backups = 0;
    apply(w.s, &c);
    settle(&w);
    balanced(&w);
    world_free(&w);
}
END_TEST

START_TEST(another_leader_goes_on_where_the_last_one_ended)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct prng r = {seed};
        struct world w = world_new(founded(4));
        enter(w.s, 5, 1);
        int steps = 0;
        do {
            if (prng_below(&r, 4) == 0) {
                plan_free(w.plan);
                w.plan = plan_new();
            }
            w.promotes = prng_below(&r, 3) > 0;
        } while ((step(&w) || !w.o->settled) && ++steps < STEPS_MAX);
        ck_assert_int_lt(steps, STEPS_MAX);
        balanced(&w);
        struct grid_load loads[5];
        grid_state_loads(w.s, loads);
        ck_assert_uint_le(w.made, loads[4].copies * 13 / 10);
        world_free(&w);
    }
}
END_TEST

/* --- who leads what nobody leads (R10) ------------------------------------------------------- */

static void lead_with(struct world *w, const struct plan_report *reports, size_t len)
{
    struct plan_node nodes[8];
    struct plan_input in = {
        .state = w->s, .now = w->now, .nodes = nodes, .reports = reports, .reports_len = len};
    for (size_t i = 0; i < w->s->nodes_len; i++)
        if (w->s->nodes[i].state == NODE_UP)
            nodes[in.nodes_len++] =
                (struct plan_node){w->s->nodes[i].number, 0, true, false, false};
    plan_next(w->plan, &in, w->o);
}

START_TEST(the_most_advanced_leads_when_all_are_back_and_have_said_so)
{
    static const struct {
        enum durability durability;
        bool both_back, both_told, late, broken[2];
        uint32_t leads; /* 0: nobody yet */
    } rows[] = {
        {DURABILITY_SYNC, true, true, false, {0, 0}, 2},
        {DURABILITY_SYNC, true, false, false, {0, 0}, 0},
        {DURABILITY_SYNC, false, false, false, {0, 0}, 0},
        {DURABILITY_SYNC, false, false, true, {0, 0}, 1},
        {DURABILITY_ASYNC, true, true, false, {0, 0}, 2},
        {DURABILITY_ASYNC, false, false, true, {0, 0}, 0},
        {DURABILITY_SYNC, true, true, false, {0, 1}, 1},
        {DURABILITY_SYNC, false, false, true, {1, 0}, 0}, /* the other may have all */
        {DURABILITY_SYNC, true, true, false, {1, 1}, 2},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        struct world w = world_new(founded(2));
        uint32_t x = make_context(w.s, "x", 1, 1, rows[k].durability, 1), both[] = {1, 2};
        gone(w.s, both, 2);
        enter(w.s, 1, 2);
        if (rows[k].both_back)
            enter(w.s, 2, 2);
        struct plan_report reports[] = {{x, 0, {1, 2}, 3, 17, rows[k].broken[0]},
                                        {x, 0, {2, 2}, 3, 18, rows[k].broken[1]}};
        w.now = rows[k].late ? LATER_MS : 3500;
        lead_with(&w, reports, rows[k].both_told ? 2 : 1);
        uint32_t leads = 0;
        for (size_t i = 0; i < w.o->parts_len; i++)
            if (w.o->parts[i].kind == PART_LEAD && w.o->parts[i].context == x)
                leads = w.o->parts[i].member.node;
        ck_assert_msg(leads == rows[k].leads, "case %zu: %u", k, leads);
        world_free(&w);
    }
}
END_TEST

/* --- who is gone ----------------------------------------------------------------------------- */

START_TEST(deaths_of_one_moment_are_told_in_one_entry)
{
    static const struct {
        struct plan_node nodes[3]; /* silence of three; heard, restarted */
        size_t gone;
        bool may_enter;
    } rows[] = {
        {{{1, 0, true, false, false}, {2, 100, true, false, false}, {3, 90, true, false, false}},
         0,
         true},
        {{{1, 0, true, false, false}, {2, 700, true, false, false}, {3, 90, true, false, false}},
         1,
         false},
        {{{1, 0, true, false, false}, {2, 700, true, false, false}, {3, 640, true, false, false}},
         0,
         false},
        {{{1, 0, true, false, false}, {2, 760, true, false, false}, {3, 700, true, false, false}},
         2,
         false},
        {{{1, 0, true, false, false}, {2, 900, true, false, false}, {3, 600, true, false, false}},
         1,
         false},
        /* a new leader: nothing was heard of anybody yet */
        {{{1, 0, true, true, false}, {2, 300, false, false, false}, {3, 300, false, false, false}},
         0,
         false},
        {{{1, 0, true, true, false}, {2, 300, false, true, false}, {3, 300, false, true, false}},
         3,
         false},
        {{{1, 0, true, true, false}, {2, 700, false, false, false}, {3, 700, false, true, false}},
         3,
         false},
        {{{1, 0, true, false, false}, {2, 10, true, true, false}, {3, 90, true, false, false}},
         1,
         false},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        struct world w = world_new(founded(3));
        struct plan_input in = {.state = w.s, .now = w.now, .nodes = rows[k].nodes, .nodes_len = 3};
        plan_next(w.plan, &in, w.o);
        ck_assert_msg(w.o->gone_len == rows[k].gone, "case %zu: %zu", k, w.o->gone_len);
        ck_assert_msg(w.o->may_enter == rows[k].may_enter, "case %zu", k);
        world_free(&w);
    }
}
END_TEST

/* --- voters ---------------------------------------------------------------------------------- */

struct ballot {
    const char *zones; /* a letter per node; '-': no zone */
    const char *down;  /* D: down for long, d: for a moment, g: draining, .: up */
    uint32_t voters[8];
    int64_t wanted;
    uint32_t self, add, drop;
};

static void ballot_hold(struct world *w, const struct ballot *b)
{
    for (uint32_t n = 1; b->zones[n - 1]; n++) {
        struct node_info i = info_of(n, 1);
        if (b->zones[n - 1] != '-')
            snprintf(i.labels, sizeof i.labels, "zone=%c", b->zones[n - 1]);
        struct grid_command c = {.kind = GRID_ALTER, .u.alter = &i};
        ck_assert_int_eq(apply(w->s, &c), GRID_OK);
    }
    for (uint32_t n = 1; b->down[n - 1]; n++) {
        struct replica_member m = {n, 1};
        struct grid_command c = {
            .kind = GRID_GONE, .now = b->down[n - 1] == 'd' ? LATER_MS : 1, .u.gone = {&m, 1}};
        if (b->down[n - 1] == 'D' || b->down[n - 1] == 'd')
            apply(w->s, &c);
        if (b->down[n - 1] == 'g')
            drained(w->s, n, true);
    }
    set_setting(w->s, "voters", b->wanted);
}

START_TEST(voters_are_enough_alive_and_spread)
{
    static const struct ballot rows[] = {
        {"---", "...", {1, 2, 3}, 3, 1, 0, 0},
        {"---", "...", {1}, 3, 1, 2, 0},
        {"--", "..", {1}, 3, 1, 0, 0},
        {"---", "...", {1, 2}, 3, 1, 3, 0},
        {"----", "....", {1, 2, 3, 4}, 3, 1, 0, 4},
        {"-----", ".....", {1, 2, 3}, 5, 1, 4, 0},
        {"----", "..d.", {1, 2, 3}, 3, 1, 0, 0},
        {"----", "..D.", {1, 2, 3}, 3, 1, 4, 0},
        {"----", "..D.", {1, 2, 3, 4}, 3, 1, 0, 3},
        {"---", "..D", {1, 2, 3}, 3, 1, 0, 0},
        {"----", "..g.", {1, 2, 3}, 3, 1, 4, 0},
        {"---", "...", {1, 2, 3, 9}, 3, 1, 0, 9},
        {"---", "...", {1, 9}, 3, 1, 0, 9}, /* before 9, which was removed, is gone */
        {"aabc", "....", {1, 2, 3}, 3, 1, 4, 0},
        {"aabc", "....", {1, 2, 3, 4}, 3, 1, 0, 2},
        {"aabc", "....", {1, 2, 3, 4}, 3, 2, 0, 1},
        {"aabc", "....", {1, 3, 4}, 3, 1, 0, 0},
        {"-----", ".....", {1, 2, 3, 4, 5}, 3, 5, 0, 4},
        {"-----", ".....", {1, 2, 3}, 1, 3, 0, 2},
        {"-----", ".....", {1, 2}, 1, 1, 0, 2},
        {"---", "...", {1, 2, 3}, 4, 1, 0, 0},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        const struct ballot *b = &rows[k];
        struct world w = world_new(founded((uint32_t)strlen(b->zones)));
        struct plan_node nodes[8];
        ballot_hold(&w, b);
        struct plan_input in = {
            .state = w.s, .now = LATER_MS, .nodes = nodes, .voters = b->voters, .self = b->self};
        while (b->voters[in.voters_len])
            in.voters_len++;
        for (size_t i = 0; i < w.s->nodes_len; i++)
            if (w.s->nodes[i].state == NODE_UP)
                nodes[in.nodes_len++] =
                    (struct plan_node){w.s->nodes[i].number, 0, true, false, false};
        plan_next(w.plan, &in, w.o);
        ck_assert_msg(w.o->voter_add == b->add && w.o->voter_drop == b->drop,
                      "case %zu: add %u, drop %u", k, w.o->voter_add, w.o->voter_drop);
        world_free(&w);
    }
}
END_TEST

/* The copies of 1 and 2 that are together; with `shrink` they are apart from then on (R8). */
static size_t together(struct world *w, bool shrink)
{
    size_t rows = 0;
    for (uint32_t p = 0; p < 1024; p++) {
        struct replica_config c = config(w->s, 1, p);
        bool both = c.in_sync == 2 && c.members[0].node <= 2 && c.members[1].node <= 2;
        rows += both;
        struct part_change out_with = {PART_SHRINK, 1, p, (uint32_t)c.epoch, c.members[1]};
        if (both && shrink)
            perform(w, &out_with, 1);
    }
    return rows;
}

START_TEST(another_stands_in_while_two_nodes_do_not_see_each_other)
{
    struct world w = world_new(founded(3));
    ck_assert_uint_gt(together(&w, true), 300);
    w.pair = (struct plan_pair){1, 2};
    run_down(&w);
    ck_assert_uint_eq(together(&w, false), 0);
    for (uint32_t p = 0; p < 1024; p++)
        ck_assert_uint_eq(config(w.s, 1, p).in_sync, 2);
    w.pair.low = 0;
    settle(&w);
    ck_assert_uint_gt(together(&w, false), 300);
    balanced(&w);
    world_free(&w);
}
END_TEST

START_TEST(who_joins_a_primary_it_does_not_see_stops)
{
    struct world w = world_new(founded(3));
    together(&w, true);
    w.promotes = false;
    step(&w);
    w.pair = (struct plan_pair){1, 2};
    run_down(&w);
    for (uint32_t p = 0; p < 1024; p++) {
        struct replica_config c = config(w.s, 1, p);
        ck_assert(c.len == c.complete || c.members[0].node + c.members[c.complete].node != 3);
    }
    world_free(&w);
}
END_TEST

/* Changes of the plan that put node 2 out of what it led at first. */
static size_t put_out(const struct world *w, const bool *led)
{
    size_t n = 0;
    for (size_t i = 0; i < w->o->parts_len; i++) {
        const struct part_change *c = &w->o->parts[i];
        n += c->kind == PART_SHRINK && c->member.node == 2 && led[c->partition];
    }
    return n;
}

START_TEST(who_handed_over_stays_until_the_new_primary_has_heard_from_it)
{
    static bool led[1024];
    struct world w = world_new(founded(3));
    for (uint32_t p = 0; p < 1024; p++)
        led[p] = config(w.s, 1, p).members[0].node == 2;
    drained(w.s, 2, true);
    while (!w.handed)
        step(&w);
    w.now += 100;
    plan_all_heard(&w);
    ck_assert_uint_eq(put_out(&w, led), 0);
    ck_assert(!w.o->settled);
    w.now += STEP_MS;
    plan_all_heard(&w);
    ck_assert_uint_gt(put_out(&w, led), 0);
    world_free(&w);
}
END_TEST

/* It was made primary of its share again, and it stops: only it moves anything, until it goes. */
START_TEST(who_stops_is_given_nothing)
{
    struct world w = world_new(founded(3));
    settle(&w);
    drained(w.s, 2, true);
    settle(&w);
    drained(w.s, 2, false);
    w.stops = 2;
    for (int i = 0; i < 20; i++) {
        step(&w);
        for (size_t k = 0; k < w.o->asks_len; k++)
            ck_assert_uint_ne(w.o->asks[k].to.node, 2);
        for (size_t k = 0; k < w.o->parts_len; k++)
            ck_assert(w.o->parts[k].kind != PART_ADD_JOINING || w.o->parts[k].member.node != 2);
    }
    ck_assert(!w.o->settled);
    w.stops = 0;
    size_t handed = w.handed;
    settle(&w);
    ck_assert_uint_gt(w.handed, handed);
    world_free(&w);
}
END_TEST

UNIT_MAIN("control/plan", who_stops_is_given_nothing,
          who_handed_over_stays_until_the_new_primary_has_heard_from_it,
          another_stands_in_while_two_nodes_do_not_see_each_other,
          who_joins_a_primary_it_does_not_see_stops, a_new_grid_has_nothing_to_do,
          a_new_node_takes_its_share_and_little_else_moves,
          what_is_not_yet_where_it_should_be_is_counted,
          a_node_that_comes_back_in_time_gets_what_it_had_and_nothing_else_moves,
          copies_of_a_dead_node_are_made_elsewhere_after_rebuild_delay,
          copies_of_a_removed_node_are_made_at_once,
          draining_moves_everything_away_and_never_below_the_copies_asked,
          draining_one_of_two_moves_the_primaries_and_keeps_the_copies,
          few_copies_are_under_way_at_a_time_and_one_per_partition,
          no_copy_begins_while_too_many_bytes_are_under_way,
          what_is_missing_comes_before_what_should_be_elsewhere,
          when_paused_only_what_is_missing_is_made, a_context_on_all_nodes_follows_them,
          a_selector_and_zones_are_kept, more_and_fewer_backups_are_made,
          another_leader_goes_on_where_the_last_one_ended,
          the_most_advanced_leads_when_all_are_back_and_have_said_so,
          deaths_of_one_moment_are_told_in_one_entry, voters_are_enough_alive_and_spread)
