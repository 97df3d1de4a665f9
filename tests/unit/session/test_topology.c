/* test_topology.c - what clients that asked for it are pushed, and when.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "tests/unit/session/fake.h"

#include "tests/unit/control/grid.h"

static struct grid_state *known;
static bool lost;

static const struct grid_state *port_grid(void *ctx)
{
    (void)ctx;
    return known;
}

static bool port_astray(void *ctx)
{
    (void)ctx;
    return lost;
}

/* A client of node 1 of three, greeted. */
static struct fake *greeted(void)
{
    struct fake *f = fake_new();
    struct node_info self = info_of(1, 1);
    known = founded(3);
    lost = false;
    (void)make_context(known, "all", 8, 1, DURABILITY_ASYNC, 1);
    memcpy(f->view.node_id, self.id, sizeof f->view.node_id);
    f->ports.grid = port_grid;
    f->ports.astray = port_astray;
    fake_connect(f);
    Grid__Hello hello = fake_hello();
    hello.topology = true;
    fake_send(f, &hello.base);
    fake_turn(f);
    grid__hello_reply__free_unpacked(
        (Grid__HelloReply *)(void *)fake_receive(f, &grid__hello_reply__descriptor), NULL);
    return f;
}

static void end(struct fake *f)
{
    fake_free(f);
    grid_state_unref(known);
}

/* The push that must be there; NULL: there must be none. The caller's. */
static Grid__Response *pushed(struct fake *f)
{
    Grid__Response *r = fake_response(f);
    ck_assert(!r || (r->number == 0 && r->owners));
    return r;
}

static void pass_over(struct fake *f)
{
    Grid__Response *r = pushed(f);
    ck_assert_ptr_nonnull(r);
    grid__response__free_unpacked(r, NULL);
}

START_TEST(all_is_pushed_after_the_greeting_and_nothing_until_something_changes)
{
    struct fake *f = greeted();
    Grid__Response *r = pushed(f);
    ck_assert_ptr_nonnull(r);
    ck_assert_uint_eq(r->owners->n_nodes, 3);
    ck_assert_uint_eq(r->owners->since, 0);
    ck_assert_uint_eq(r->owners->astray, 0);
    grid__response__free_unpacked(r, NULL);
    session_news(f->session);
    ck_assert_ptr_null(pushed(f));
    end(f);
}
END_TEST

START_TEST(a_node_that_has_lost_touch_says_so_and_takes_it_back)
{
    struct fake *f = greeted();
    pass_over(f);
    for (unsigned i = 0; i < 4; i++) {
        lost = i % 2 == 0;
        session_news(f->session);
        Grid__Response *r = pushed(f);
        ck_assert_ptr_nonnull(r);
        ck_assert_uint_eq(r->owners->astray, lost ? 1 : 0);
        ck_assert_uint_eq(r->owners->since, known->revision);
        ck_assert_uint_eq(r->owners->n_nodes, 3);
        grid__response__free_unpacked(r, NULL);
        session_news(f->session);
        ck_assert_ptr_null(pushed(f));
    }
    end(f);
}
END_TEST

START_TEST(a_node_that_was_removed_says_so_too_though_nobody_has_its_number)
{
    struct fake *f = greeted();
    pass_over(f);
    memset(f->view.node_id, 99, sizeof f->view.node_id);
    lost = true;
    session_news(f->session);
    Grid__Response *r = pushed(f);
    ck_assert_ptr_nonnull(r);
    ck_assert_uint_eq(r->owners->astray, UINT32_MAX);
    grid__response__free_unpacked(r, NULL);
    end(f);
}
END_TEST

UNIT_MAIN("session/topology", all_is_pushed_after_the_greeting_and_nothing_until_something_changes,
          a_node_that_has_lost_touch_says_so_and_takes_it_back,
          a_node_that_was_removed_says_so_too_though_nobody_has_its_number)
