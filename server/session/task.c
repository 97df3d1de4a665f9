/* task.c - a task as an op: the call of a procedure (compute/task.h) where its key is. */
#include "session/session_priv.h"

#include "base/codec.h"
#include "compute/library.h"
#include "compute/native.h"
#include "compute/task.h"

/* MODULE.TASK; whether there is one the shard says, which may know more. */
static bool name_good(struct slice name)
{
    const uint8_t *dot = name.len ? memchr(name.data, '.', name.len) : NULL;
    size_t len = dot ? (size_t)(dot - name.data) : 0;
    return dot && module_name_good(slice_make(name.data, len)) &&
           module_name_good(slice_make(dot + 1, name.len - len - 1));
}

/* What this node knows of it. */
static bool writes_nothing(const struct catalog *c, const struct natives *natives,
                           struct slice name)
{
    const struct module *m;
    const struct module_function *task = catalog_task(c, name, &m);
    if (task)
        return task->flags & MODULE_NO_WRITES;
    const struct native *native = natives_find(natives, MODULE_TASK, name);
    return native && native->flags & MODULE_NO_WRITES;
}

enum grid_err op_task(const struct catalog *c, const struct natives *natives, struct op *op,
                      struct slice name, struct task_room *room, const char **ret_why)
{
    *ret_why = NULL;
    if (unlikely(!name_good(name))) {
        *ret_why = "a task is named MODULE.TASK";
        return GRID_ENO_TASK;
    }
    CHECK(sizeof room->revision == LIBRARY_EXTRA_BYTES &&
          sizeof room->slices / sizeof *room->slices == TASK_ARGS + 1);
    store_u64(room->revision, c->modules_revision);
    room->slices[0] = name;
    room->slices[1] = op->value;
    room->slices[2] = slice_make(room->revision, LIBRARY_EXTRA_BYTES);
    room->slices[TASK_ARGS] = op->key;
    op->kind = OP_CALL;
    op->value = slice_make(NULL, 0);
    op->reads_only = writes_nothing(c, natives, name);
    op->procedure = op->reads_only ? command_task_ro : command_task;
    op->finds_keys = true;
    op->args = room->slices;
    op->args_len = TASK_ARGS;
    op->keys = room->slices + TASK_ARGS;
    op->keys_len = 1;
    return GRID_OK;
}

struct fault session_task(struct session *s, struct op *op, struct slice name)
{
    struct fault f = session_place(s, op);
    if (unlikely(f.err))
        return f;
    struct task_room *room = arena_alloc(s->arena, sizeof *room);
    if (unlikely(!room))
        return (struct fault){GRID_EBUSY, NULL};
    f.err = op_task(session_catalog(s), s->ports->natives, op, name, room, &f.why);
    return f;
}
