/* test_fence.c - what a service writes to its own partition: op.direct, done by the shard of this
 * node when it leads, or not at all. With whole nodes, whose leads move.
 * LINK: node net store session coordination compute wire command shard grid control
 * LINK: raft replica data base pb frame conf */
#include "tests/unit/node/nodes.h"

enum { KEYS = 64 };

static enum grid_err write_here(struct node *n, const char *key, const char *value)
{
    struct inside_answer a;
    struct op op = nodes_op(n, OP_PUT, key, value);
    op.direct = true;
    inside_wait(n, &op, &a);
    enum grid_err err = a.result.status;
    inside_answer_release(&a);
    return err;
}

/* The node that takes such a write; -1: none does now. */
static int taker(const struct nodes *t, const char *key)
{
    int is = -1;
    for (unsigned i = 0; i < t->len; i++) {
        enum grid_err err = t->node[i] ? write_here(t->node[i], key, t->names[i]) : GRID_ECLOSED;
        ck_assert_msg(!err || err == GRID_ENOT_PRIMARY || err == GRID_ECLOSED ||
                          err == GRID_ESTOPPING || err == GRID_EENTERING || err == GRID_EIN_DOUBT,
                      "%s: %s", t->names[i], err_text(err));
        if (!err)
            is = (int)i;
    }
    return is;
}

static bool all_taken(const struct nodes *t, int led[KEYS])
{
    char key[16];
    bool all = true;
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        led[i] = taker(t, key);
        all = all && led[i] >= 0;
    }
    return all;
}

static void wait_all_taken(const struct nodes *t, int led[KEYS])
{
    for (double began = look_now_s(); !all_taken(t, led);)
        ck_assert(look_again(began));
}

START_TEST(who_lost_the_lead_writes_nothing_and_who_has_it_does)
{
    struct nodes t;
    int before[KEYS], now[KEYS], lost = -1;
    char key[16], got[8];
    nodes_start(&t, 3);
    for (unsigned i = 0; i < t.len; i++)
        nodes_ready(t.node[i]);
    nodes_stop_one(&t, 2);
    wait_all_taken(&t, before);
    nodes_start_one(&t, 2);
    nodes_ready(t.node[2]);
    for (double began = look_now_s(); lost < 0;) { /* until node 2 has some of the others' leads */
        ck_assert(look_again(began));
        wait_all_taken(&t, now);
        for (int i = 0; i < KEYS && lost < 0; i++)
            lost = before[i] != 2 && now[i] == 2 ? i : -1;
    }
    snprintf(key, sizeof key, "k%d", lost);
    ck_assert_int_eq(write_here(t.node[before[lost]], key, "late"), GRID_ENOT_PRIMARY);
    ck_assert_int_eq(write_here(t.node[2], key, "new"), GRID_OK);
    ck_assert_int_eq(write_here(t.node[before[lost]], key, "late"), GRID_ENOT_PRIMARY);
    for (unsigned i = 0; i < t.len; i++) {
        ck_assert_int_eq(nodes_do(t.node[i], OP_GET, key, "", got, sizeof got), GRID_OK);
        ck_assert_str_eq(got, "new");
    }
    nodes_stop(&t);
}
END_TEST

UNIT_MAIN("node/fence", who_lost_the_lead_writes_nothing_and_who_has_it_does)
