/* test_native_broadcast.c - broadcasts in C: what they see of the node, and what they answer.
 * LINK: compute command shard replica control data base */
#include <grid_module.h>

#include "compute/broadcast.h"
#include "compute/native.h"
#include "tests/lib/unit.h"

#include <stdio.h>

static struct grid_bytes text(const char *s)
{
    return (struct grid_bytes){s, strlen(s)};
}

static enum grid_err looks(struct grid_visit *v)
{
    enum grid_err err = grid_visit_emit(v, text(v->node));
    for (size_t i = 0; i < v->labels_len && !err; i++)
        err = grid_visit_emit(v, text(v->labels[i]));
    grid_visit_log(v, "looked");
    return err ? err : grid_visit_result(v, v->argument);
}

static enum grid_err fails(struct grid_visit *v)
{
    (void)!grid_visit_emit(v, text("nothing of this"));
    return v->argument.len ? grid_visit_fail(v, "because") : GRID_EBUSY;
}

static enum grid_err large(struct grid_visit *v)
{
    char *most = grid_visit_alloc(v, BROADCAST_ROWS_MAX);
    memset(most, 'x', BROADCAST_ROWS_MAX);
    ck_assert_ptr_null(grid_visit_alloc(v, 33 << 20));
    ck_assert(grid_visit_emit(v, (struct grid_bytes){most, BROADCAST_ROWS_MAX}) == GRID_ETOO_LARGE);
    return grid_visit_result(v, (struct grid_bytes){most, BROADCAST_ROWS_MAX});
}

static const struct grid_native functions[] = {
    {.kind = GRID_NATIVE_BROADCAST, .name = "looks", .broadcast = looks},
    {.kind = GRID_NATIVE_BROADCAST, .name = "fails", .broadcast = fails},
    {.kind = GRID_NATIVE_BROADCAST, .name = "large", .broadcast = large},
};

static enum grid_err answer(const char *name, const char *arg, struct buf *out)
{
    static const struct grid_native_module m = GRID_MODULE_INIT("m", functions);
    static const char *const labels[] = {"zone=a", "rack=1"};
    struct buf fault = BUF_INIT;
    struct natives *natives = natives_new();
    struct catalog *c = catalog_new_empty();
    ck_assert(natives_add(natives, &m, &fault));
    struct broadcast b = {.name = slice_str(name),
                          .arg = slice_str(arg),
                          .node = "n",
                          .labels = labels,
                          .labels_len = 2,
                          .natives = natives};
    enum grid_err err = broadcast_run(&b, c, out);
    catalog_unref(c);
    natives_free(natives);
    return err;
}

static void says(const char *name, const char *arg, enum grid_err want, const char *text_wanted)
{
    struct buf out = BUF_INIT;
    ck_assert_int_eq(answer(name, arg, &out), want);
    buf_add_u8(&out, 0);
    ck_assert_str_eq((const char *)out.data, text_wanted);
    buf_release(&out);
}

START_TEST(it_sees_its_node_and_answers_rows_and_a_result)
{
    says("m.looks", "arg", GRID_OK, "n\nzone=a\nrack=1\narg");
}
END_TEST

START_TEST(what_fails_answers_why_and_nothing_else)
{
    char busy[200];
    says("m.fails", "x", GRID_ETASK, "because\ntraceback of m.fails:\n  native code");
    snprintf(busy, sizeof busy, "%s\ntraceback of m.fails:\n  native code", err_text(GRID_EBUSY));
    says("m.fails", "", GRID_ETASK, busy);
    says("m.none", "", GRID_ENO_TASK,
         "no module m is deployed, and node n has no broadcast of that name");
}
END_TEST

START_TEST(an_answer_is_bounded)
{
    struct buf out = BUF_INIT;
    ck_assert_int_eq(answer("m.large", "", &out), GRID_OK);
    ck_assert_uint_eq(out.len, BROADCAST_ROWS_MAX);
    buf_release(&out);
}
END_TEST

UNIT_MAIN("compute/native_broadcast", it_sees_its_node_and_answers_rows_and_a_result,
          what_fails_answers_why_and_nothing_else, an_answer_is_bounded)
