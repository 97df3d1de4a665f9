/* box_module.c - a native module for tests/e2e: a service whose instance reads what it is asked
 * for, and tells who it is; a broadcast; jobs that take many steps, or none. */
#include <grid_module.h>

#include <stdio.h>
#include <string.h>

static bool is(struct grid_bytes b, const char *s)
{
    return b.len == strlen(s) && memcmp(b.data, s, b.len) == 0;
}

/* --- a service -------------------------------------------------------------------------------- */

static const struct grid_bytes none;

static enum grid_err box_call(struct grid_instance *i, struct grid_bytes method,
                              struct grid_bytes key)
{
    struct grid_seen seen;
    char who[200];
    if (is(method, "who")) {
        int len = snprintf(who, sizeof who, "%s %llu", i->node, (unsigned long long)i->token);
        return grid_instance_answer(i, (struct grid_bytes){who, (size_t)len});
    }
    enum grid_err err = grid_instance_get(i, "default/default", key, none, &seen);
    return err ? err : grid_instance_answer(i, seen.value);
}

/* --- a broadcast ------------------------------------------------------------------------------ */

static enum grid_err box_look(struct grid_visit *v)
{
    enum grid_err err = grid_visit_emit(v, v->argument);
    for (size_t i = 0; i < v->labels_len && !err; i++)
        err = grid_visit_emit(v, (struct grid_bytes){v->labels[i], strlen(v->labels[i])});
    return err;
}

/* --- jobs, and the task that one of them runs ------------------------------------------------- */

static enum grid_err box_add(struct grid_call *c)
{
    return grid_call_incr(c, NULL, c->key, 1, NULL);
}

static struct grid_bytes number_text(char to[24], int64_t n)
{
    return (struct grid_bytes){to, (size_t)snprintf(to, 24, "%lld", (long long)n)};
}

static enum grid_err one_step(struct grid_attempt *a, int64_t done, int64_t all)
{
    char far[24], state[24];
    snprintf(far, sizeof far, "far%d", (int)(done % 7));
    enum grid_err err = grid_attempt_incr(a, NULL, a->key, 1);
    if (!err)
        err = grid_attempt_incr(a, NULL, (struct grid_bytes){"all", 3}, 1);
    if (!err)
        err =
            grid_attempt_run(a, NULL, "box.add", (struct grid_bytes){far, strlen(far)}, none, NULL);
    return err ? err
               : grid_attempt_checkpoint(a, number_text(state, done + 1),
                                         (double)(done + 1) / (double)all);
}

/* Each step has its own checkpoint. */
static enum grid_err box_steps(struct grid_attempt *a)
{
    int64_t all, done = 0;
    char text[24];
    enum grid_err err = GRID_OK;
    if (!grid_integer_read(a->argument, &all) ||
        (a->has_state && !grid_integer_read(a->state, &done)))
        return grid_attempt_fail(a, "wanted is a number of steps");
    for (; done < all && !err; done++)
        err = one_step(a, done, all);
    return err ? err : grid_attempt_result(a, number_text(text, done));
}

static enum grid_err box_waits(struct grid_attempt *a)
{
    struct grid_seen seen;
    enum grid_err err = GRID_OK;
    while (err == GRID_OK || err == GRID_ENOT_FOUND)
        err = grid_attempt_get(a, NULL, a->key, &seen);
    return err;
}

/* One more than was there: to be begun again when that changes meanwhile. */
static enum grid_err box_reads(struct grid_attempt *a)
{
    struct grid_seen seen;
    int64_t n = 0;
    char text[24];
    enum grid_err err = grid_attempt_get(a, NULL, a->key, &seen);
    if (err && err != GRID_ENOT_FOUND)
        return err;
    if (!err && !grid_integer_read(seen.value, &n))
        return GRID_ENOT_NUMBER;
    return grid_attempt_put(a, NULL, a->key, number_text(text, n + 1), NULL);
}

static const struct grid_native functions[] = {
    {.kind = GRID_NATIVE_SERVICE, .name = "reader", .help = "reads", .call = box_call},
    {.kind = GRID_NATIVE_TASK, .name = "add", .task = box_add},
    {.kind = GRID_NATIVE_BROADCAST, .name = "look", .broadcast = box_look},
    {.kind = GRID_NATIVE_JOB, .name = "steps", .help = "many small steps", .job = box_steps},
    {.kind = GRID_NATIVE_JOB, .name = "waits", .job = box_waits},
    {.kind = GRID_NATIVE_JOB, .name = "reads", .job = box_reads},
};
GRID_MODULE("box", functions);
