/* task.c - a task as an op: the call of a procedure (compute/task.h) where its key is. */
#include "session/session_priv.h"

#include "base/codec.h"
#include "compute/library.h"
#include "compute/task.h"

/* MODULE.TASK; whether there is one the shard says, which may know more. */
static bool name_good(struct slice name)
{
    const uint8_t *dot = name.len ? memchr(name.data, '.', name.len) : NULL;
    size_t len = dot ? (size_t)(dot - name.data) : 0;
    return dot && module_name_good(slice_make(name.data, len)) &&
           module_name_good(slice_make(dot + 1, name.len - len - 1));
}

struct fault session_task(struct session *s, struct op *op, struct slice name)
{
    const struct module *m;
    struct fault f = session_place(s, op);
    if (unlikely(f.err))
        return f;
    if (unlikely(!name_good(name)))
        return (struct fault){GRID_ENO_TASK, "a task is named MODULE.TASK"};
    struct slice *args = arena_alloc(s->arena, (TASK_ARGS + 1) * sizeof *args);
    uint8_t *revision = arena_alloc(s->arena, LIBRARY_EXTRA_BYTES);
    if (unlikely(!args || !revision))
        return (struct fault){GRID_EBUSY, NULL};
    const struct catalog *c = session_catalog(s);
    const struct module_function *task = catalog_task(c, name, &m);
    store_u64(revision, c->modules_revision);
    args[0] = name;
    args[1] = op->value;
    args[2] = slice_make(revision, LIBRARY_EXTRA_BYTES);
    args[TASK_ARGS] = op->key;
    op->kind = OP_CALL;
    op->value = slice_make(NULL, 0);
    op->reads_only = task && task->flags & MODULE_NO_WRITES;
    op->procedure = op->reads_only ? command_task_ro : command_task;
    op->finds_keys = true;
    op->args = args;
    op->args_len = TASK_ARGS;
    op->keys = args + TASK_ARGS;
    op->keys_len = 1;
    return no_fault;
}
