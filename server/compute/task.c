/* task.c - atomic tasks as procedures: the first level of the module runs, then the task that it
 * registered; what that made of keys is the call's changes when it is done (task_keys.c). */
#include "base/json.h"
#include "command/procedures.h"
#include "compute/library.h"
#include "compute/native.h"
#include "compute/task_priv.h"

#include <ctype.h>

enum { NAME, ARGUMENT, REVISION };

/* --- the result ------------------------------------------------------------------------------- */

/* The table that it is given. */
static int push_given(lua_State *L, void *ctx)
{
    const struct script *script = ctx;
    struct call *c = script->call;
    const struct {
        const char *name;
        struct slice value;
    } fields[] = {
        {"key", call_key(c, 0)},
        {"arg", c->args[ARGUMENT]},
        {"cache", slice_str(call_cache(c)->name)},
    };
    lua_createtable(L, 0, sizeof fields / sizeof *fields);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct slice v = fields[i].value;
        lua_pushlstring(L, v.len ? (const char *)v.data : "", v.len);
        lua_setfield(L, -2, fields[i].name);
    }
    return 1;
}

static void answer_put(lua_State *L, struct slice s, bool line)
{
    const struct task *t = script_of(L)->task;
    struct buf *out = t->call->raw;
    if (s.len + line > t->result_max - out->len)
        luaL_error(L, "the result is larger than %I bytes", (lua_Integer)t->result_max);
    vm_charge(L, 1 + s.len / 64);
    buf_add(out, s.data, s.len);
    if (line)
        buf_add_u8(out, '\n');
}

void task_answer_add(lua_State *L, int at, bool line)
{
    char text[INTEGER_BYTES];
    if (lua_isinteger(L, at)) {
        answer_put(L, slice_make(text, integer_format(lua_tointeger(L, at), text)), line);
        return;
    }
    answer_put(L, report_value(L, at, "a result"), line);
}

static void take_result(lua_State *L, void *ctx)
{
    (void)ctx;
    if (!lua_isnil(L, -1))
        task_answer_add(L, lua_gettop(L), false);
}

/* --- why it failed ---------------------------------------------------------------------------- */

/* The error that it raised: a text, or anything, which is shown as JSON. */
static void take_error(lua_State *L, void *ctx)
{
    struct script *s = ctx;
    report_error(L, s->out, s->task->name);
}

/* --- the procedure ---------------------------------------------------------------------------- */

static void refuse(struct call *c, enum grid_err err)
{
    bool refused = call_refuse(c, err);
    CHECK(refused); /* no task is a step */
    reply_null(c);  /* nobody sees it */
}

/* What lies in c->raw says why. */
static void refuse_raw(struct call *c, enum grid_err err)
{
    bool refused = call_refuse_saying(c, err, buf_slice(c->raw));
    CHECK(refused);
    reply_null(c);
}

static void refuse_saying(struct call *c, const struct task *t, const char *why)
{
    c->raw->len = 0;
    buf_printf(c->raw, "%.*s is not run now: %s", (int)t->name.len, (const char *)t->name.data,
               why);
    refuse_raw(c, GRID_ETASK);
}

/* `recorded`: its answer may be kept, which has bounds then. */
static void run(struct call *c, const struct module *m, const struct module_function *f,
                bool recorded)
{
    struct task t = {.call = c,
                     .name = c->args[NAME],
                     .reads_only = f->flags & MODULE_NO_WRITES,
                     .result_max = recorded ? (size_t)TASK_RESULT_MAX : call_value_max(c)};
    struct script s = {.call = c,
                       .name = slice_str(f->name),
                       .kind = MODULE_TASK,
                       .task = &t,
                       .reads_only = true,
                       .push = push_given,
                       .take = take_result};
    struct vm_run r;
    library_run(&s, m, f, &r);
    r.error = take_error;
    struct vm_fault fault;
    enum vm_end end;
    if (!script_execute(&s, &r, &end, &fault)) {
        refuse(c, GRID_EBUSY);
        return;
    }
    if (unlikely(s.refused)) {
        refuse_saying(c, &t, fault.text);
        return;
    }
    if (unlikely(s.halted)) {
        reply_null(c); /* nobody sees it: it begins again */
        return;
    }
    if (unlikely(end)) {
        if (end != VM_FAILED)
            report_fault(s.out, t.name, slice_str(fault.text), fault.trace);
        c->reply = (struct reply){REPLY_ERROR, GRID_ETASK, buf_slice(c->raw)};
        return;
    }
    task_make(&t);
    c->reply = (struct reply){c->raw->len ? REPLY_BULK : REPLY_OK, 0, buf_slice(c->raw)};
}

/* What is in the catalog comes first. */
static void native(struct call *c, bool reads_only)
{
    struct slice name = c->args[NAME];
    const struct native *f = natives_find(call_natives(c), MODULE_TASK, name);
    if (!f) {
        char why[WHY_BYTES];
        natives_missing(call_natives(c), call_catalog(c), MODULE_TASK, name, NULL, why);
        c->raw->len = 0;
        buf_add(c->raw, why, strlen(why));
        refuse_raw(c, GRID_ENO_TASK);
        return;
    }
    if (reads_only && !(f->flags & MODULE_NO_WRITES)) {
        refuse(c, GRID_EBUSY);
        return;
    }
    native_task_run(c, f, name, c->args[ARGUMENT],
                    reads_only ? call_value_max(c) : (size_t)TASK_RESULT_MAX);
}

static void task(struct call *c, bool reads_only)
{
    const struct module *m;
    if (c->args_len != TASK_ARGS || c->args[REVISION].len != LIBRARY_EXTRA_BYTES) {
        refuse(c, GRID_EBAD_REQUEST);
        return;
    }
    if (!library_up_to_date(c)) {
        refuse(c, GRID_ENOT_PRIMARY); /* so it is asked again, until it is */
        return;
    }
    const struct module_function *f = catalog_task(call_catalog(c), c->args[NAME], &m);
    if (!f)
        native(c, reads_only);
    else if (reads_only && !(f->flags & MODULE_NO_WRITES))
        refuse(c, GRID_EBUSY);
    else
        run(c, m, f, !reads_only);
}

void command_task(struct call *c)
{
    task(c, false);
}

void command_task_ro(struct call *c)
{
    task(c, true);
}

__attribute__((constructor)) static void procedures_make(void)
{
    static const struct procedure_info ours[] = {
        {command_task, 73, true, TASK_ARGS, 0, 0, 0, false, true, false},
        {command_task_ro, 74, false, TASK_ARGS, 0, 0, 0, false, true, false},
    };
    procedures_add(ours, sizeof ours / sizeof *ours);
}
