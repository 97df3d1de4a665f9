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

/* What this node knows of it: whether it is there, and writes nothing. */
static bool task_known(const struct catalog *c, const struct natives *natives, struct slice name,
                       bool *ret_reads_only)
{
    const struct module *m;
    const struct module_function *task = catalog_task(c, name, &m);
    const struct native *native = task ? NULL : natives_find(natives, MODULE_TASK, name);
    *ret_reads_only =
        (task && task->flags & MODULE_NO_WRITES) || (native && native->flags & MODULE_NO_WRITES);
    return task || native;
}

static void task_call(const struct catalog *c, struct op *op, struct slice name, bool reads_only,
                      struct task_room *room)
{
    CHECK(sizeof room->revision == LIBRARY_EXTRA_BYTES &&
          sizeof room->slices / sizeof *room->slices == TASK_ARGS + 1);
    store_u64(room->revision, c->modules_revision);
    room->slices[0] = name;
    room->slices[1] = op->value;
    room->slices[2] = slice_make(room->revision, LIBRARY_EXTRA_BYTES);
    room->slices[TASK_ARGS] = op->key;
    op->kind = OP_CALL;
    op->value = slice_make(NULL, 0);
    op->reads_only = reads_only;
    op->procedure = reads_only ? command_task_ro : command_task;
    op->finds_keys = true;
    op->args = room->slices;
    op->args_len = TASK_ARGS;
    op->keys = room->slices + TASK_ARGS;
    op->keys_len = 1;
}

enum grid_err op_task(const struct catalog *c, const struct natives *natives, struct op *op,
                      struct slice name, struct task_room *room, const char **ret_why)
{
    bool reads_only;
    *ret_why = NULL;
    if (unlikely(!task_known(c, natives, name, &reads_only) && !name_good(name))) {
        *ret_why = "a task is named MODULE.TASK";
        return GRID_ENO_TASK;
    }
    task_call(c, op, name, reads_only, room);
    return GRID_OK;
}

/* As the last one was: a session runs one task many times, mostly. */
static bool task_again(struct session *s, const struct catalog *c, struct slice name)
{
    if (likely(s->task.len && s->task.revision == c->modules_revision &&
               slice_eq(slice_make(s->task.name, s->task.len), name)))
        return true;
    bool reads_only, there = task_known(c, s->ports->natives, name, &reads_only);
    s->task.len = there && name.len <= TASK_KNOWN_BYTES ? (uint8_t)name.len : 0;
    if (!s->task.len)
        return false;
    s->task.reads_only = reads_only;
    s->task.revision = c->modules_revision;
    memcpy(s->task.name, name.data, name.len);
    return true;
}

struct fault session_task(struct session *s, struct op *op, struct slice name)
{
    const struct catalog *c = session_catalog(s);
    struct fault f = session_place(s, op);
    if (unlikely(f.err))
        return f;
    struct task_room *room = arena_alloc(s->arena, sizeof *room);
    if (unlikely(!room))
        return (struct fault){GRID_EBUSY, NULL};
    if (likely(task_again(s, c, name)))
        task_call(c, op, name, s->task.reads_only, room);
    else
        f.err = op_task(c, s->ports->natives, op, name, room, &f.why);
    return f;
}
