/* test_nodes.c - a grid of several nodes, of which one is paused, cut off, slow or wrong: who is
 * asked instead, and when. Node 1 is the endpoint that the client was given first.
 * LINK: client */
#include "fixture.h"

#include <event2/event.h>
#include <poll.h>
#include <time.h>

enum { NODES = 3, PARTITIONS = 16, PING = GRID__OP__PING, SLOW_MS = 1600 };

static struct fake nodes[NODES + 1]; /* from 1 */

/* What a node knows of the grid: who leads all partitions. */
struct view {
    Grid__Topology m;
    Grid__TopologyNode node[NODES], *node_list[NODES];
    Grid__TopologyContext context, *context_list[1];
    uint32_t primaries[PARTITIONS];
};

static struct view *view_of(struct view *v, uint64_t revision, uint32_t primary)
{
    static char name[] = "fake";
    grid__topology__init(&v->m);
    for (uint32_t i = 0; i < NODES; i++) {
        Grid__TopologyNode *n = v->node_list[i] = &v->node[i];
        grid__topology_node__init(n);
        n->number = i + 1;
        n->name = name;
        n->address = nodes[i + 1].endpoint;
        n->shards = 1;
        n->up = true;
    }
    grid__topology_context__init(&v->context);
    for (uint32_t i = 0; i < PARTITIONS; i++)
        v->primaries[i] = primary;
    v->context.partitions = PARTITIONS;
    v->context.n_primaries = PARTITIONS;
    v->context.primaries = v->primaries;
    v->context_list[0] = &v->context;
    v->m.revision = revision;
    v->m.nodes = v->node_list;
    v->m.n_nodes = NODES;
    v->m.contexts = v->context_list;
    v->m.n_contexts = 1;
    return v;
}

static void tell(uint32_t node, struct view *v)
{
    fake_push(&nodes[node], &v->m);
}

/* All nodes know of `primary`, the client too. */
static struct view first;

static void begin_nodes(uint32_t primary, const struct fake_conf *of_primary,
                        struct event_base *base)
{
    char endpoints[NODES * 64] = "";
    for (uint32_t n = 1; n <= NODES; n++)
        fake_start(&nodes[n], n == primary ? of_primary : NULL);
    view_of(&first, 10, primary);
    for (uint32_t n = 1; n <= NODES; n++) {
        nodes[n].conf.topology = &first.m;
        snprintf(endpoints + strlen(endpoints), sizeof endpoints - strlen(endpoints), "%s%s",
                 n > 1 ? "," : "", nodes[n].endpoint);
    }
    connect_with((struct grid_options){.endpoints = endpoints, .base = base});
}

static void end_nodes(void)
{
    grid_close(grid);
    for (uint32_t n = 1; n <= NODES; n++) {
        fake_pause(&nodes[n], false);
        fake_stop(&nodes[n]);
    }
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Until it is done, or for so long. */
static void turn_until(struct dones *d, unsigned len, uint64_t ms)
{
    for (uint64_t end = now_ms() + ms; d->len < len && now_ms() < end;)
        (void)grid_poll(grid, 10);
}

static void put_async(struct dones *d)
{
    grid_put_async(cache, bytes("k"), bytes("v"), NULL, on_done, d);
}

/* It has come to the node, which does not answer. */
static void put_in_vain(struct dones *d, uint32_t node)
{
    put_async(d);
    while (!fake_count(&nodes[node], PUT))
        (void)grid_poll(grid, 10);
}

/* One of many in a row, that are not to be too many. */
static void put_at_leisure(void)
{
    ck_assert_int_eq(put("k"), GRID_OK);
    (void)poll(NULL, 0, 2);
}

/* --- silence ---------------------------------------------------------------------------------- */

START_TEST(a_node_that_is_silent_is_avoided_and_tried_again)
{
    begin_nodes(2, NULL, NULL);
    ck_assert_int_eq(put("k"), GRID_OK);
    ck_assert_uint_eq(fake_count(&nodes[2], PUT), 1);
    fake_pause(&nodes[2], true);
    uint64_t from = now_ms();
    ck_assert_int_eq(put("k"), GRID_OK); /* others pass it on */
    ck_assert_uint_lt(now_ms() - from, 5000);
    ck_assert_uint_eq(fake_count(&nodes[1], PUT), 1);
    from = now_ms();
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(put("k"), GRID_OK); /* and nobody waits for it again */
    ck_assert_uint_lt(now_ms() - from, 400);
    fake_pause(&nodes[2], false);
    for (size_t before = fake_count(&nodes[2], PUT); fake_count(&nodes[2], PUT) < before + 3;)
        put_at_leisure();
    end_nodes();
}
END_TEST

struct based {
    struct event_base *base;
    struct dones dones;
};

static void on_based(void *arg, const struct grid_result *r)
{
    struct based *b = arg;
    on_done(&b->dones, r);
    event_base_loopbreak(b->base);
}

START_TEST(a_node_that_is_silent_is_avoided_by_who_waits_in_events)
{
    struct based b = {.base = event_base_new()};
    begin_nodes(2, NULL, b.base);
    ck_assert_int_eq(put("k"), GRID_OK);
    fake_pause(&nodes[2], true);
    uint64_t from = now_ms();
    grid_put_async(cache, bytes("k"), bytes("v"), NULL, on_based, &b);
    event_base_dispatch(b.base);
    ck_assert_int_eq(b.dones.err, GRID_OK);
    ck_assert_uint_lt(now_ms() - from, 5000);
    ck_assert_uint_eq(fake_count(&nodes[1], PUT), 1);
    end_nodes();
    event_base_free(b.base);
}
END_TEST

START_TEST(home_is_left_when_it_is_silent_and_news_come_from_another)
{
    struct view second;
    begin_nodes(1, NULL, NULL);
    ck_assert_int_eq(put("k"), GRID_OK);
    fake_pause(&nodes[1], true);
    for (uint32_t n = 2; n <= NODES; n++)
        tell(n, view_of(&second, 11, 3));
    uint64_t from = now_ms();
    ck_assert_int_eq(put("k"), GRID_OK);
    ck_assert_uint_lt(now_ms() - from, 5000);
    ck_assert_int_eq(put("k"), GRID_OK);
    ck_assert_uint_ge(fake_count(&nodes[3], PUT), 1);
    ck_assert_uint_eq(fake_count(&nodes[1], PUT), 1);
    end_nodes();
}
END_TEST

START_TEST(home_is_left_when_it_is_silent_though_only_others_are_asked)
{
    struct view second;
    struct dones dones = {0};
    struct fake_conf conf = {.script = {{.act = FAKE_SILENT}}, .script_len = 1};
    begin_nodes(2, &conf, NULL);
    fake_pause(&nodes[1], true);
    for (uint32_t n = 2; n <= NODES; n++)
        tell(n, view_of(&second, 11, 3));
    second.node[1].up = false; /* node 2 is down, and only answers pings */
    put_async(&dones);
    turn_until(&dones, 1, 10000);
    ck_assert_int_eq(dones.err, GRID_OK);
    ck_assert_uint_eq(fake_count(&nodes[3], PUT), 1);
    end_nodes();
}
END_TEST

START_TEST(a_node_that_is_slow_is_waited_for)
{
    struct dones dones = {0};
    struct fake_conf conf = {.script = {{.act = FAKE_HELD}}, .script_len = 1};
    begin_nodes(2, &conf, NULL);
    nodes[2].holding = true;
    put_async(&dones);
    turn_until(&dones, 1, SLOW_MS);
    ck_assert_uint_eq(dones.len, 0);
    ck_assert_uint_ge(fake_count(&nodes[2], PING), 2);
    ck_assert_uint_le(fake_count(&nodes[2], PING), SLOW_MS / 300);
    nodes[2].holding = false;
    turn_until(&dones, 1, 10000);
    ck_assert_int_eq(dones.err, GRID_OK);
    ck_assert_uint_eq(fake_count(&nodes[2], PUT), 1);
    ck_assert_uint_eq(nodes[2].connections, 1);
    ck_assert_uint_eq(nodes[1].connections, 1);
    end_nodes();
}
END_TEST

START_TEST(pings_are_not_seen_and_none_is_sent_while_nothing_is_unanswered)
{
    struct dones dones = {0};
    begin_nodes(2, NULL, NULL);
    for (int i = 0; i < 5; i++) {
        put_async(&dones);
        (void)grid_poll(grid, 0);
        turn_until(&dones, (unsigned)i + 1, 10000);
    }
    for (uint64_t end = now_ms() + 700; now_ms() < end;)
        (void)grid_poll(grid, 10);
    ck_assert_uint_eq(dones.len, 5);
    for (uint32_t n = 1; n <= NODES; n++)
        ck_assert_uint_eq(fake_count(&nodes[n], PING), 0);
    end_nodes();
}
END_TEST

START_TEST(what_was_given_to_another_to_pass_on_is_asked_straight_when_that_can_be)
{
    struct dones dones = {0};
    begin_nodes(2, NULL, NULL);
    ck_assert_int_eq(put("k"), GRID_OK);
    fake_pause(&nodes[2], true);
    nodes[1].conf.script[0] = (struct fake_step){.act = FAKE_SILENT}; /* it cannot pass it on */
    nodes[1].conf.script_len = 1;
    put_in_vain(&dones, 1);
    fake_pause(&nodes[2], false);
    size_t before = fake_count(&nodes[2], PUT);
    uint64_t from = now_ms();
    turn_until(&dones, 1, 10000);
    ck_assert_int_eq(dones.err, GRID_OK);
    ck_assert_uint_lt(now_ms() - from, 5000);
    ck_assert_uint_ge(fake_count(&nodes[2], PUT), before + 1);
    ck_assert_uint_eq(fake_count(&nodes[1], PUT), 1);
    end_nodes();
}
END_TEST

/* --- local reads ------------------------------------------------------------------------------ */

static void read_all_ways(void)
{
    struct grid_value value;
    struct grid_scan *scan;
    struct grid_entry entry;
    struct grid_item item = {.key = bytes("k")};
    uint64_t count;
    ck_assert_int_eq(grid_get(cache, bytes("k"), none, &value), GRID_OK);
    grid_value_release(&value);
    ck_assert_int_eq(grid_get_many(cache, &item, 1), GRID_OK);
    grid_value_release(&item.result);
    ck_assert_int_eq(grid_count(cache, &count), GRID_OK);
    ck_assert_int_eq(grid_scan_start(cache, NULL, &scan), GRID_OK);
    while (grid_scan_next(scan, &entry) == GRID_OK)
        ;
    grid_scan_free(scan);
}

START_TEST(local_reads_are_asked_of_home_and_all_else_of_who_leads)
{
    static const uint32_t reads[] = {GRID__OP__GET, GRID__OP__GET_MANY, GRID__OP__COUNT,
                                     GRID__OP__SCAN};
    begin_nodes(2, NULL, NULL);
    ck_assert_int_eq(put("k"), GRID_OK);
    grid_read_local(grid, true);
    read_all_ways();
    for (size_t i = 0; i < 4; i++) {
        ck_assert_uint_gt(fake_count(&nodes[1], reads[i]), 0);
        ck_assert(fake_nth(&nodes[1], reads[i], 0).local);
        ck_assert_uint_eq(fake_count(&nodes[2], reads[i]), 0);
    }
    ck_assert_int_eq(put("k"), GRID_OK);
    ck_assert_uint_eq(fake_count(&nodes[2], PUT), 2);
    ck_assert(!fake_nth(&nodes[2], PUT, 1).local);
    grid_read_local(grid, false);
    read_all_ways();
    ck_assert_uint_eq(fake_count(&nodes[2], GRID__OP__GET), 1);
    ck_assert(!fake_nth(&nodes[2], GRID__OP__GET, 0).local);
    end_nodes();
}
END_TEST

START_TEST(a_local_read_that_home_does_not_answer_is_asked_of_who_leads)
{
    struct dones dones = {0};
    begin_nodes(2, NULL, NULL);
    ck_assert_int_eq(put("k"), GRID_OK);
    nodes[1].conf.script[0] = (struct fake_step){.act = FAKE_SILENT};
    nodes[1].conf.script_len = 1;
    grid_read_local(grid, true);
    grid_get_async(cache, bytes("k"), none, on_done, &dones);
    uint64_t from = now_ms();
    turn_until(&dones, 1, 10000);
    ck_assert_int_eq(dones.err, GRID_OK);
    ck_assert_uint_lt(now_ms() - from, 4000);
    ck_assert_uint_eq(fake_count(&nodes[1], GRID__OP__GET), 1);
    ck_assert_uint_eq(fake_count(&nodes[2], GRID__OP__GET), 1);
    end_nodes();
}
END_TEST

/* --- news ------------------------------------------------------------------------------------- */

START_TEST(what_a_node_that_is_down_did_not_answer_another_is_asked_at_once)
{
    struct view second;
    struct dones dones = {0};
    struct fake_conf conf = {.script = {{.act = FAKE_SILENT}}, .script_len = 1};
    begin_nodes(2, &conf, NULL);
    put_in_vain(&dones, 2);
    view_of(&second, 11, 3);
    second.node[1].up = false;
    uint64_t from = now_ms();
    tell(1, &second);
    turn_until(&dones, 1, 10000);
    ck_assert_int_eq(dones.err, GRID_OK);
    ck_assert_uint_lt(now_ms() - from, 300);
    ck_assert_uint_eq(fake_nth(&nodes[3], PUT, 0).number, fake_nth(&nodes[2], PUT, 0).number);
    end_nodes();
}
END_TEST

START_TEST(who_leads_is_asked_once_it_was_told)
{
    struct view second;
    begin_nodes(2, NULL, NULL);
    ck_assert_int_eq(put("k"), GRID_OK);
    tell(1, view_of(&second, 11, 3));
    while (fake_count(&nodes[3], PUT) < 2)
        put_at_leisure();
    size_t before = fake_count(&nodes[2], PUT);
    ck_assert_int_eq(put("k"), GRID_OK);
    ck_assert_uint_eq(fake_count(&nodes[2], PUT), before);
    end_nodes();
}
END_TEST

START_TEST(home_is_left_when_it_has_lost_touch_with_the_grid)
{
    struct view lost, second;
    struct dones dones = {0};
    struct fake_conf conf = {.script = {{.act = FAKE_SILENT}}, .script_len = 1};
    begin_nodes(1, &conf, NULL);
    put_in_vain(&dones, 1);
    for (uint32_t n = 2; n <= NODES; n++)
        tell(n, view_of(&second, 11, 3));
    view_of(&lost, 10, 1);
    lost.m.astray = 1;
    uint64_t from = now_ms();
    tell(1, &lost);
    turn_until(&dones, 1, 10000);
    ck_assert_int_eq(dones.err, GRID_OK);
    ck_assert_uint_lt(now_ms() - from, 300);
    ck_assert_int_eq(put("k"), GRID_OK);
    ck_assert_uint_ge(fake_count(&nodes[3], PUT), 1);
    ck_assert_uint_eq(fake_count(&nodes[1], PUT), 1);
    end_nodes();
}
END_TEST

START_TEST(who_is_new_and_meets_a_node_that_has_lost_touch_goes_to_another)
{
    static struct view lost, whole;
    char endpoints[NODES * 64];
    for (uint32_t n = 1; n <= NODES; n++)
        fake_start(&nodes[n], NULL);
    view_of(&lost, 10, 1);
    lost.m.astray = 1;
    view_of(&whole, 11, 2);
    nodes[1].conf.topology = &lost.m;
    nodes[2].conf.topology = nodes[3].conf.topology = &whole.m;
    snprintf(endpoints, sizeof endpoints, "%s,%s", nodes[1].endpoint, nodes[2].endpoint);
    connect_with((struct grid_options){.endpoints = endpoints, .timeout_ms = 4000});
    ck_assert_int_eq(put("k"), GRID_OK);
    ck_assert_uint_eq(fake_count(&nodes[1], PUT), 0);
    end_nodes();
}
END_TEST

/* Whoever can do anything at all is asked for it, and connections do not come and go for ever. */
START_TEST(a_node_that_has_lost_touch_is_asked_when_there_is_no_other)
{
    struct view lost;
    begin_nodes(1, NULL, NULL);
    for (uint32_t n = 2; n <= NODES; n++)
        fake_down(&nodes[n]);
    view_of(&lost, 10, 1);
    lost.m.astray = 1;
    tell(1, &lost);
    for (uint64_t end = now_ms() + SLOW_MS; now_ms() < end;)
        put_at_leisure();
    ck_assert_uint_le(nodes[1].connections, 5);
    for (uint32_t n = 2; n <= NODES; n++)
        fake_up(&nodes[n]);
    end_nodes();
}
END_TEST

/* It was removed, say, and tells no topology. */
START_TEST(a_node_that_is_not_in_its_grid_is_left_for_the_next_endpoint)
{
    static struct view whole;
    static const struct fake_conf outside = {.outside = true};
    char endpoints[NODES * 64];
    for (uint32_t n = 1; n <= NODES; n++)
        fake_start(&nodes[n], n < NODES ? &outside : NULL);
    view_of(&whole, 11, NODES);
    nodes[NODES].conf.topology = &whole.m;
    snprintf(endpoints, sizeof endpoints, "%s,%s,%s", nodes[1].endpoint, nodes[2].endpoint,
             nodes[3].endpoint);
    connect_with((struct grid_options){.endpoints = endpoints, .timeout_ms = 4000});
    ck_assert_int_eq(put("k"), GRID_OK);
    ck_assert_uint_eq(fake_count(&nodes[NODES], PUT), 1);
    end_nodes();
}
END_TEST

START_TEST(a_node_that_is_not_in_its_grid_is_asked_again_when_there_is_no_other)
{
    static const struct fake_conf outside = {.outside = true};
    char why[GRID_WHY_BYTES];
    fake_start(&nodes[1], &outside);
    struct grid_options options = {.endpoints = nodes[1].endpoint, .timeout_ms = 500};
    ck_assert_int_eq(grid_connect(&options, &grid, why), GRID_OK);
    ck_assert_int_eq(grid_cache_open(grid, "default/default", &cache), GRID_ETIMEOUT);
    ck_assert_ptr_nonnull(strstr(grid_error(grid), "the node has not entered the grid yet"));
    ck_assert_uint_eq(nodes[1].connections, 1);
    grid_close(grid);
    fake_stop(&nodes[1]);
}
END_TEST

UNIT_MAIN("client/nodes", a_node_that_is_silent_is_avoided_and_tried_again,
          a_node_that_is_silent_is_avoided_by_who_waits_in_events,
          home_is_left_when_it_is_silent_and_news_come_from_another,
          home_is_left_when_it_is_silent_though_only_others_are_asked,
          a_node_that_is_slow_is_waited_for,
          what_was_given_to_another_to_pass_on_is_asked_straight_when_that_can_be,
          pings_are_not_seen_and_none_is_sent_while_nothing_is_unanswered,
          what_a_node_that_is_down_did_not_answer_another_is_asked_at_once,
          local_reads_are_asked_of_home_and_all_else_of_who_leads,
          a_local_read_that_home_does_not_answer_is_asked_of_who_leads,
          who_leads_is_asked_once_it_was_told, home_is_left_when_it_has_lost_touch_with_the_grid,
          who_is_new_and_meets_a_node_that_has_lost_touch_goes_to_another,
          a_node_that_has_lost_touch_is_asked_when_there_is_no_other,
          a_node_that_is_not_in_its_grid_is_left_for_the_next_endpoint,
          a_node_that_is_not_in_its_grid_is_asked_again_when_there_is_no_other)
