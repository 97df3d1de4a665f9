/* tasks.h - a shard with modules, and tasks that are run in it as a door would ask for them. */
#ifndef GRIDD_TESTS_COMPUTE_TASKS_H
#define GRIDD_TESTS_COMPUTE_TASKS_H

#include "compute/library.h"
#include "compute/task.h"

#include "control/catalog.h"
#include "tests/unit/shard/harness.h"

#include <stdlib.h>

#define MOD "#!lua name=m\n"

static const struct library_limits limits = {.run = {.steps = 10000000, .memory = 4 << 20}};

enum { WHO = 9 };

/* Tasks run in cache c of a context of 4 partitions, which has a cache d, too. */
struct world {
    struct harness *h;
    uint32_t c, d;
    char text[TASK_RESULT_MAX + 1];
};

static inline struct world *world_new(void)
{
    char why[WHY_BYTES];
    struct world *w = xcalloc(1, sizeof *w);
    w->h = h_new();
    w->c = h_context(w->h, "x", DURABILITY_SYNC, 0, FULL_REFUSE);
    struct catalog *next = catalog_copy(w->h->catalog);
    ck_assert_int_eq(catalog_cache_create(next, slice_str("x/d"), 60000, why), GRID_OK);
    static const struct {
        const char *name;
        int64_t value;
    } settings[] = {{"script_steps", 4000000}, {"script_memory", 4 << 20}, {"max_value", 1 << 20}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        ck_assert_int_eq(
            catalog_setting_set(next, slice_str(settings[i].name), settings[i].value, why),
            GRID_OK);
    h_publish(w->h, next);
    w->d = catalog_cache_named(w->h->catalog, slice_str("x/d"))->id;
    return w;
}

static inline void world_free(struct world *w)
{
    h_free(w->h);
    free(w);
}

static inline const char *load(struct world *w, const char *source)
{
    static char text[512];
    char why[WHY_BYTES];
    struct module_info info;
    struct buf fault = BUF_INIT;
    struct catalog *next = catalog_copy(w->h->catalog);
    text[0] = '\0';
    if (library_read(slice_str(source), slice_str(""), &limits, &info, &fault)) {
        ck_assert_int_eq(catalog_module_deploy(next, &info, true, why), GRID_OK);
        free((void *)(uintptr_t)info.functions);
        h_publish(w->h, next);
    } else {
        snprintf(text, sizeof text, "%.*s", (int)fault.len, (const char *)fault.data);
        catalog_unref(next);
    }
    buf_release(&fault);
    return text;
}

static inline void deploy(struct world *w, const char *source)
{
    ck_assert_str_eq(load(w, source), "");
}

/* A module `m` of one task `t` with that body. */
static inline void deploy_body(struct world *w, const char *body, bool read_only)
{
    char *source = xcalloc(1, strlen(body) + 128);
    sprintf(source, MOD "grid.task{name='t', read_only=%s, run=function(t)\n%s\nend}",
            read_only ? "true" : "false", body);
    deploy(w, source);
    free(source);
}

static inline uint16_t partition_of(const char *key)
{
    return slot_partition(hash_slot(slice_str(key)), 4);
}

struct asked {
    const char *name, *key, *affinity, *arg;
    uint64_t number; /* of an exactly-once request; 0: it is none */
    bool ro, sole;
    uint64_t revision; /* that the door knows; 0: the newest */
};

static inline struct answered *begin(struct world *w, struct asked a)
{
    uint8_t extra[LIBRARY_EXTRA_BYTES];
    store_u64(extra, a.revision ? a.revision : w->h->catalog->modules_revision);
    struct slice args[] = {slice_str(a.name), slice_str(a.arg ? a.arg : ""),
                           slice_make(extra, sizeof extra)};
    struct op op = h_op(OP_CALL, w->c, a.key);
    op.affinity = slice_str(a.affinity ? a.affinity : "");
    op.partition = partition_of(a.affinity ? a.affinity : a.key);
    op.procedure = a.ro ? command_task_ro : command_task;
    op.reads_only = a.ro;
    op.finds_keys = true;
    op.args = args;
    op.args_len = TASK_ARGS;
    op.keys = &op.key;
    op.keys_len = 1;
    if (a.number)
        session_set(&op, WHO, a.number, 1);
    op.sole = a.sole;
    return h_do(w->h, op);
}

/* The result; of one that failed "STATUS detail". */
static inline const char *says(struct world *w, struct answered *a)
{
    h_durable(w->h);
    ck_assert_int_eq(a->times, 1);
    size_t at = a->status ? (size_t)sprintf(w->text, "%s ", err_name(a->status)) : 0;
    ck_assert_uint_lt(at + a->value.len, sizeof w->text);
    if (a->value.len)
        memcpy(w->text + at, a->value.data, a->value.len);
    w->text[at + a->value.len] = '\0';
    return w->text;
}

static inline const char *run(struct world *w, const char *arg)
{
    return says(w, begin(w, (struct asked){.name = "m.t", .key = "k", .arg = arg}));
}

static inline void put(struct world *w, uint32_t cache, const char *key, const char *value)
{
    struct op op = h_op(OP_PUT, cache, key);
    op.value = slice_str(value);
    op.partition = partition_of("k");
    op.affinity = partition_of(key) == op.partition ? slice_str("") : slice_str("k");
    struct answered *a = h_do(w->h, op);
    h_cold(w->h);
    h_durable(w->h);
    ck_answer(a, GRID_OK);
}

static inline struct answered *get_at(struct world *w, uint32_t cache, const char *key,
                                      const char *place)
{
    struct op op = h_op(OP_GET, cache, key);
    op.partition = partition_of(place);
    return h_do(w->h, op);
}

/* What the partition of `k` has. */
static inline void has(struct world *w, uint32_t cache, const char *key, const char *value)
{
    struct answered *a = get_at(w, cache, key, "k");
    if (value)
        ck_value(a, value);
    else
        ck_answer(a, GRID_ENOT_FOUND);
}

#endif
