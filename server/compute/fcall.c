/* fcall.c - functions of libraries as procedures: the first level of the library runs, then the
 * function that it registered. One that stays as it is, whatever calls it (vm_keep()), is kept, and
 * the first level does not run again: nobody could tell. */
#include "base/codec.h"
#include "command/procedures.h"
#include "compute/library.h"
#include "compute/redis_priv.h"
#include "control/catalog.h"

#include <stdio.h>

enum { EXTRA = 1, FUNCTION = 1, FIRST_KEY = 3 };

static const char kept_function; /* place of the registry: what is called in this run */

void redis_keep_function(lua_State *L)
{
    lua_rawsetp(L, LUA_REGISTRYINDEX, &kept_function);
}

/* The first level has no arguments, and the environment none of a script before. */
static int push_nothing(lua_State *L, void *ctx)
{
    struct script *s = ctx;
    lua_pushnil(L);
    redis_keep_function(L);
    script_hide_arguments(L);
    redis_show_register(L, true);
    s->loading = true;
    return 0;
}

static void call_registered(lua_State *L, void *ctx)
{
    struct script *s = ctx;
    s->loading = false;
    redis_show_register(L, false);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &kept_function) != LUA_TFUNCTION)
        redis_raise(L, slice_str("ERR the library did not register it this time"));
    lua_pushnil(L);
    redis_keep_function(L);
    if (!lua_iscfunction(L, -1) && !s->resp3 && !s->logged)
        vm_keep(L, slice_make(s->function_key, LIBRARY_KEY_BYTES));
    lua_call(L, s->push(L, s), 1);
    s->take(L, s);
}

static int push_kept(lua_State *L, void *ctx)
{
    struct script *s = ctx;
    script_hide_arguments(L);
    redis_show_register(L, false);
    return s->push(L, s);
}

static struct slice key_make(char key[LIBRARY_KEY_BYTES], char what, const struct module *m,
                             size_t function)
{
    key[0] = what;
    store_u64((uint8_t *)key + 1, m->info.version);
    key[LIBRARY_KEY_BYTES - 1] = (char)function;
    return slice_make(key, LIBRARY_KEY_BYTES);
}

void library_run(struct script *s, const struct module *m, const struct module_function *f,
                 struct vm_run *ret_run)
{
    size_t function = (size_t)(f - m->info.functions);
    struct slice key = key_make(s->function_key, 'f', m, function);
    s->library = true;
    if (likely(script_kept(s->call, key))) {
        *ret_run = (struct vm_run){
            .code = {.key = key, .name = m->info.name}, .push = push_kept, .take = s->take};
        return;
    }
    *ret_run = (struct vm_run){.code = {.key = key_make(s->code_key, 'm', m, 0),
                                        .text = library_code(m->info.source),
                                        .name = m->info.name},
                               .push = push_nothing,
                               .take = call_registered};
}

void library_run_new(struct script *s, const struct module *m, const struct module_function *f,
                     struct vm_run *ret_run)
{
    (void)key_make(s->function_key, 'f', m, (size_t)(f - m->info.functions));
    *ret_run = (struct vm_run){.code = {.key = key_make(s->code_key, 'm', m, 0),
                                        .text = library_code(m->info.source),
                                        .name = m->info.name},
                               .push = push_nothing,
                               .take = call_registered};
}

/* Nothing of the shard is there: what asks for it finds that a module is loaded. */
static void call_alone(lua_State *L, void *ctx)
{
    struct script *s = ctx;
    redis_show_register(L, false);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &kept_function) != LUA_TFUNCTION)
        redis_raise(L, slice_str("ERR the module did not register it this time"));
    lua_call(L, s->push(L, s), 1);
    s->take(L, s);
}

void library_run_alone(struct script *s, const struct module *m, struct vm_run *ret_run)
{
    s->library = true;
    *ret_run = (struct vm_run){.code = {.text = library_code(m->info.source), .name = m->info.name},
                               .push = push_nothing,
                               .take = call_alone,
                               .ctx = s};
}

static int push_lists(lua_State *L, void *ctx)
{
    const struct script *s = ctx;
    script_push_list(L, s->keys, s->keys_len);
    script_push_list(L, s->values, s->values_len);
    return 2;
}

int64_t library_keys(const struct slice *args, uint32_t args_len, bool extra,
                     const char **ret_fault)
{
    int64_t n, most = (int64_t)args_len - FIRST_KEY - (extra ? EXTRA : 0);
    *ret_fault = most < 0                    ? "ERR wrong number of arguments for 'fcall' command"
                 : !arg_integer(args[2], &n) ? "ERR Bad number of keys provided"
                 : n > most ? "ERR Number of keys can't be greater than number of args"
                 : n < 0    ? "ERR Number of keys can't be negative"
                            : NULL;
    return *ret_fault ? -1 : n;
}

bool library_up_to_date(const struct call *c)
{
    return load_u64(c->args[c->args_len - 1].data) <= call_catalog(c)->modules_revision;
}

/* The shard knows all that the door knew; else the call is answered: as one that came to the wrong
 * node is, which routers ask again by and by. */
static bool up_to_date(struct call *c)
{
    struct slice extra = c->args[c->args_len - 1];
    if (extra.len != LIBRARY_EXTRA_BYTES) {
        reply_error(c, library_no_function);
        return false;
    }
    if (likely(library_up_to_date(c)))
        return true;
    if (call_refuse(c, GRID_ENOT_PRIMARY))
        reply_null(c); /* nobody sees it */
    else               /* a step is looked at before all of them: see late() */
        reply_error(c, "TRYAGAIN the functions are not known here yet");
    return false;
}

static void run(struct call *c, const struct module *m, const struct module_function *f,
                uint32_t keys)
{
    struct script s = {.call = c,
                       .keys = c->args + FIRST_KEY,
                       .keys_len = keys,
                       .values = c->args + FIRST_KEY + keys,
                       .values_len = c->args_len - FIRST_KEY - EXTRA - keys,
                       .name = slice_str(f->name),
                       .push = push_lists,
                       .take = script_take_value,
                       .reads_only = f->flags & MODULE_NO_WRITES,
                       .client_resp3 = resp3(c)};
    struct vm_run r;
    library_run(&s, m, f, &r);
    script_run(&s, &r);
}

static void fcall(struct call *c, bool reads_only)
{
    const char *fault;
    const struct module *m;
    int64_t keys = library_keys(c->args, c->args_len, true, &fault);
    if (c->args_len <= FIRST_KEY) {
        reply_error(c, fault);
        return;
    }
    if (!up_to_date(c))
        return;
    const struct module_function *f = catalog_function(call_catalog(c), c->args[FUNCTION], &m);
    if (!f)
        reply_error(c, library_no_function);
    else if (keys < 0)
        reply_error(c, fault);
    else if (reads_only && !(f->flags & MODULE_NO_WRITES))
        reply_error(c, "ERR Can not execute a script with write flag using *_ro command.");
    else
        run(c, m, f, (uint32_t)keys);
}

void command_fcall(struct call *c)
{
    fcall(c, false);
}

void command_fcall_ro(struct call *c)
{
    fcall(c, true);
}

static bool late(const struct call *c, const struct slice *args, uint32_t args_len)
{
    struct slice extra = args_len ? args[args_len - 1] : slice_make(NULL, 0);
    return extra.len == LIBRARY_EXTRA_BYTES &&
           load_u64(extra.data) > call_catalog(c)->modules_revision;
}

__attribute__((constructor)) static void procedures_make(void)
{
    static const struct procedure_info ours[] = {
        {command_fcall, 71, true, -3, 0, 0, 0, true, false, false},
        {command_fcall_ro, 72, false, -3, 0, 0, 0, true, false, false},
    };
    procedures_add(ours, sizeof ours / sizeof *ours);
    procedure_set_late(command_fcall, late);
    procedure_set_late(command_fcall_ro, late);
}
