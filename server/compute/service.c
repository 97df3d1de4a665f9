/* service.c - a machine for one service: opened, its functions run, closed.
 *
 * Places of the registry: the table of functions, and `s`. Both stay for the machine's life. */
#include "compute/native_service.h"
#include "compute/service_priv.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

static const char functions_at, self_at;

static const char *const function_names[] = {"start", "stop", "health", "tick", "call"};

/* --- what the first level registers ----------------------------------------------------------- */

void service_keep(lua_State *L, int at)
{
    lua_pushvalue(L, at);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &functions_at);
}

static int push_nothing(lua_State *L, void *ctx)
{
    (void)ctx;
    redis_show_register(L, true);
    return 0;
}

static void set_text(lua_State *L, const char *name, struct slice text)
{
    lua_pushlstring(L, text.len ? (const char *)text.data : "", text.len);
    lua_setfield(L, -2, name);
}

static bool has_function(lua_State *L, int at, enum service_function f)
{
    lua_pushstring(L, function_names[f]);
    bool is = lua_rawget(L, at) == LUA_TFUNCTION;
    lua_pop(L, 1);
    return is;
}

static void take_registered(lua_State *L, void *ctx)
{
    struct service_code *c = ((struct script *)ctx)->service;
    const struct service_host *h = c->host;
    c->script.loading = false;
    redis_show_register(L, false);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &functions_at) != LUA_TTABLE)
        luaL_error(L, "the module did not register it this time");
    int at = lua_gettop(L);
    for (int f = 0; f < SERVICE_FNS; f++)
        c->has[f] = has_function(L, at, (enum service_function)f);
    c->facts.has_health = c->has[SERVICE_FN_HEALTH];
    lua_pushliteral(L, "every");
    lua_rawget(L, at);
    if (c->has[SERVICE_FN_TICK])
        c->facts.every_ms = (msec_t)lua_tointeger(L, -1);
    lua_newtable(L);
    service_api(L);
    set_text(L, "name", slice_str(c->name));
    set_text(L, "node", slice_str(h->node));
    set_text(L, "arg", h->arg);
    if (h->key.len)
        set_text(L, "key", h->key);
    lua_pushinteger(L, h->number);
    lua_setfield(L, -2, "number");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &self_at);
}

static void take_error(lua_State *L, void *ctx)
{
    struct service_code *c = ((struct script *)ctx)->service;
    report_error(L, c->out, slice_str(c->name));
}

/* --- runs ------------------------------------------------------------------------------------- */

static uint64_t clock_us(void *ctx)
{
    const struct service_host *h = ((struct script *)ctx)->service->host;
    return h->mono_us(h->ctx);
}

static bool stopped(void *ctx)
{
    const struct service_code *c = ((struct script *)ctx)->service;
    return c->host->over(c->host->ctx);
}

static const char *why_stopped(const struct service_code *c)
{
    return c->function == SERVICE_FN_STOP ? "its stop() was ended: the node stops"
                                          : "it was ended: it does not live here any more";
}

static enum vm_end execute(struct service_code *c, struct vm_run *run)
{
    struct vm_fault fault;
    run->steps = c->host->steps;
    run->time_us = c->host->time_us;
    run->now_us = clock_us;
    run->stopped = stopped;
    run->error = take_error;
    run->ctx = &c->script;
    run->seed = clock_us(run->ctx);
    enum vm_end end = vm_run(c->vm, run, &fault);
    if (end && end != VM_FAILED)
        report_fault(c->out, slice_str(c->name),
                     slice_str(end == VM_STOPPED ? why_stopped(c) : fault.text), fault.trace);
    return end;
}

static int push_function(lua_State *L, void *ctx)
{
    const struct service_code *c = ((struct script *)ctx)->service;
    int calls = c->function == SERVICE_FN_CALL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &functions_at);
    lua_pushstring(L, function_names[c->function]);
    if (lua_rawget(L, -2) != LUA_TFUNCTION)
        luaL_error(L, "the service has no function %s", function_names[c->function]);
    lua_remove(L, -2);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &self_at);
    lua_pushinteger(L, (lua_Integer)c->token);
    lua_setfield(L, -2, "token");
    if (!calls)
        return 1;
    lua_pushlstring(L, c->method.len ? (const char *)c->method.data : "", c->method.len);
    lua_pushlstring(L, c->arg.len ? (const char *)c->arg.data : "", c->arg.len);
    return 3;
}

static void take_answer(lua_State *L, void *ctx)
{
    struct service_code *c = ((struct script *)ctx)->service;
    c->well = lua_toboolean(L, -1);
    if (c->function != SERVICE_FN_CALL || lua_isnil(L, -1))
        return;
    struct slice text = report_value(L, -1, "an answer");
    if (text.len > SERVICE_ANSWER_MAX)
        luaL_error(L, "the answer is larger than %d bytes", SERVICE_ANSWER_MAX);
    c->out->len = 0;
    buf_add(c->out, text.data, text.len);
}

bool service_run(struct service_code *c, enum service_function f, uint64_t token,
                 struct slice method, struct slice arg, struct buf *out, bool *ret_broken)
{
    struct vm_run run = {.push = push_function, .take = take_answer};
    c->function = f;
    c->token = token;
    c->method = method;
    c->arg = arg;
    c->out = out;
    c->well = false;
    *ret_broken = false;
    if (c->native)
        return native_service_run(c->native, f, token, method, arg, out);
    if (!c->has[f] && f != SERVICE_FN_CALL)
        return true;
    enum vm_end end = execute(c, &run);
    *ret_broken = end == VM_MEMORY;
    if (end)
        return false;
    if (f != SERVICE_FN_HEALTH || c->well)
        return true;
    out->len = 0;
    buf_printf(out, "its health() did not answer true");
    return false;
}

/* --- life ------------------------------------------------------------------------------------- */

struct service_code *service_open(const struct module_info *m, struct slice service,
                                  const struct service_host *host, struct buf *ret_why)
{
    struct vm_conf conf = {.memory_max = host->memory, .open = redis_open, .caught = redis_caught};
    struct service_code *c = xcalloc(1, sizeof *c);
    c->host = host;
    c->out = ret_why;
    snprintf(c->name, sizeof c->name, "%s.%.*s", m->name, (int)service.len,
             (const char *)service.data);
    c->script = (struct script){.service = c,
                                .kind = MODULE_SERVICE,
                                .name = slice_str(c->name + strlen(m->name) + 1),
                                .library = true,
                                .loading = true};
    c->vm = vm_new(&conf);
    struct vm_run run = {.code = {.text = library_code(m->source), .name = m->name},
                         .push = push_nothing,
                         .take = take_registered};
    if (!c->vm)
        buf_printf(ret_why, "there is no memory for it");
    if (c->vm && !execute(c, &run))
        return c;
    service_close(c);
    return NULL;
}

struct service_code *service_open_native(const struct native *native,
                                         const struct service_host *host)
{
    struct service_code *c = xcalloc(1, sizeof *c);
    c->native = native_service_new(native, host);
    native_service_facts(c->native, &c->facts);
    return c;
}

void service_close(struct service_code *c)
{
    if (!c)
        return;
    native_service_free(c->native);
    vm_free(c->vm);
    free(c);
}

void service_facts(const struct service_code *c, struct service_facts *ret_facts)
{
    *ret_facts = c->facts;
}
