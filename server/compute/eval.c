/* eval.c - scripts as procedures. A shard has one machine for all of them, made at first use.
 *
 * What a script changed stays when it fails, as in Redis. Before it changed anything it may end and
 * begin again (a key had to be fetched), which nobody sees: until then it has done nothing. */
#include "compute/eval.h"

#include "base/alloc.h"
#include "command/procedures.h"
#include "compute/debt.h"
#include "compute/redis_priv.h"
#include "compute/scripts.h"

#include <stdio.h>
#include <stdlib.h>

enum { EXTRA = 1, FIRST_KEY = 3, DEBT_TEXT = 96, STEPS_PER_US = 100, LATE_SHARE = 2 };

/* --- the machine ------------------------------------------------------------------------------ */

struct machine { /* one per shard */
    struct vm *vm;
    struct call_limits limits; /* that the debt is of */
    struct debt debt;
};

static void machine_free(void *state)
{
    struct machine *m = state;
    vm_free(m->vm);
    free(m);
}

static struct machine *machine(struct call *c)
{
    struct call_kept *kept = call_kept(c);
    if (likely(kept->state != NULL))
        return kept->state;
    struct vm_conf conf = {
        .memory_max = call_limits(c).memory, .open = redis_open, .caught = redis_caught};
    struct vm *vm = vm_new(&conf);
    if (!vm)
        return NULL;
    struct machine *m = xcalloc(1, sizeof *m);
    m->vm = vm;
    kept->state = m;
    kept->free = machine_free;
    return m;
}

/* --- a run ------------------------------------------------------------------------------------ */

void script_push_list(lua_State *L, const struct slice *list, uint32_t len)
{
    lua_createtable(L, (int)len, 0);
    for (uint32_t i = 0; i < len; i++) {
        lua_pushlstring(L, list[i].len ? (const char *)list[i].data : "", list[i].len);
        lua_rawseti(L, -2, i + 1);
    }
}

/* KEYS and ARGV are put where scripts see them, behind the table that they cannot change. */
static int push_arguments(lua_State *L, void *ctx)
{
    const struct script *s = ctx;
    vm_of(L)->host |= SCRIPT_ARGUMENTS;
    lua_rawgeti(L, LUA_REGISTRYINDEX, VM_AT_SHOWN);
    script_push_list(L, s->keys, s->keys_len);
    lua_setfield(L, -2, "KEYS");
    script_push_list(L, s->values, s->values_len);
    lua_setfield(L, -2, "ARGV");
    lua_pop(L, 1);
    redis_show_register(L, false); /* it may be left of a library that failed */
    return 0;
}

void script_hide_arguments(lua_State *L)
{
    if (!(vm_of(L)->host & SCRIPT_ARGUMENTS))
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, VM_AT_SHOWN);
    lua_pushnil(L);
    lua_setfield(L, -2, "KEYS");
    lua_pushnil(L);
    lua_setfield(L, -2, "ARGV");
    lua_pop(L, 1);
    vm_of(L)->host &= ~(unsigned)SCRIPT_ARGUMENTS;
}

void script_take_value(lua_State *L, void *ctx)
{
    struct script *s = ctx;
    s->out->len = 0;
    redis_write_value(L);
}

void script_trace(struct buf *out, const char *trace)
{
    const char *end;
    for (bool first = true; (end = strchr(trace, '\n')); trace = end + 1, first = false)
        if (!first)
            buf_printf(out, ", called from @%.*s", (int)(end - trace), trace);
}

/* Where it went wrong; of libraries, how it came there. */
static void where_add(const struct script *s, struct buf *out, const char *source, int line,
                      const char *trace)
{
    buf_printf(out, " script: %.*s, on @%s:%d", (int)s->name.len, (const char *)s->name.data,
               source[0] ? source : "user_script", line);
    if (s->library)
        script_trace(out, trace);
    buf_add_u8(out, '.');
}

/* The error that the code raised, with where. */
static void take_error(lua_State *L, void *ctx)
{
    struct script *s = ctx;
    struct vm *vm = vm_of(L);
    size_t len;
    struct buf line = BUF_INIT;
    bool table = lua_type(L, -1) == LUA_TTABLE;
    if (table) {
        lua_pushliteral(L, "err");
        lua_rawget(L, -2);
    }
    const char *text = luaL_tolstring(L, -1, &len);
    buf_printf(&line, "%s%.*s", table ? "" : "ERR ",
               len < SCRIPT_FAULT_MAX ? (int)len : SCRIPT_FAULT_MAX, text);
    where_add(s, &line, vm->source, vm->line, vm->trace);
    s->out->len = 0;
    resp_error(s->out, buf_slice(&line));
    buf_release(&line);
}

static void say_ended(struct script *s, const struct vm_fault *f, const char *changed)
{
    struct buf line = BUF_INIT;
    buf_printf(&line, "ERR the script was ended: %s; %s", f->text, changed);
    where_add(s, &line, f->source, f->line, f->trace);
    s->out->len = 0;
    resp_error(s->out, buf_slice(&line));
    buf_release(&line);
    reply_raw(s->call);
}

/* It ended for another reason than an error of its own. */
static void say_end(struct script *s, enum vm_end end, const struct vm_fault *f)
{
    const char *changed =
        call_changed(s->call) ? "what it changed before stays" : "nothing was changed";
    if (end == VM_SYNTAX)
        reply_errorf(s->call, "ERR Error compiling script (new function): %s", f->text);
    else if (s->too_large)
        reply_errorf(s->call, "ERR the script's answer would be too large; %s", changed);
    else
        say_ended(s, f, changed);
}

static uint64_t clock_us(void *ctx)
{
    const struct script *s = ctx;
    return call_mono_us(s->call);
}

static uint64_t cpu_us(void *ctx)
{
    const struct script *s = ctx;
    return call_cpu_us(s->call);
}

bool script_kept(struct call *c, struct slice key)
{
    struct machine *m = machine(c);
    return m && vm_has(m->vm, key);
}

/* --- what was ended at its bounds ------------------------------------------------------------- */

static uint64_t debt_now(const struct call *c)
{
    uint64_t now = call_mono_us(c);
    return now ? now : c->now * 1000;
}

static struct slice debt_key(const struct script *s)
{
    return s->library ? slice_make(s->function_key, LIBRARY_KEY_BYTES) : s->name;
}

/* False: it may not run now, and why is told. It may have less time than others. Who has other
 * bounds than before owes nothing. */
static bool debt_lets(struct script *s, struct machine *m, struct vm_run *run,
                      const struct call_limits *limits, struct vm_fault *ret_fault)
{
    struct call *c = s->call;
    if (limits->steps != m->limits.steps || limits->time_us != m->limits.time_us)
        m->debt.len = 0;
    m->limits = *limits;
    if (likely(!m->debt.len))
        return true;
    struct debt_ruling r =
        debt_ask(&m->debt, debt_key(s), vm_has(m->vm, run->code.key), run->time_us, debt_now(c));
    if (unlikely(r.time_us < run->time_us)) {
        run->steps = run->steps / run->time_us * r.time_us;
        run->time_us = r.time_us;
        run->memory = limits->memory / DEBT_NEW_MEMORY_SHARE;
    }
    if (likely(!r.refused))
        return true;
    char *text = call_alloc(c, DEBT_TEXT);
    unsigned long long ms = (r.wait_us + 999) / 1000;
    if (r.times)
        snprintf(text, DEBT_TEXT, "it used up its bounds %u times; it runs again in %llu ms",
                 r.times, ms);
    else
        snprintf(text, DEBT_TEXT, "other new code used up its bounds; it runs in %llu ms", ms);
    *ret_fault = (struct vm_fault){.text = text, .source = "", .trace = ""};
    s->refused = true;
    return false;
}

/* What failed of itself after much of its time is no better than what was ended. `began_us`: where
 * somebody owes, when it began, for all that it took counts then, what it left to be freed, too. */
static void debt_look(const struct script *s, struct machine *m, const struct vm_run *run,
                      enum vm_end end, uint64_t began_us)
{
    uint64_t took = began_us ? call_cpu_us(s->call) - began_us : vm_took_us(m->vm, run);
    if (!took)
        took = (run->steps - vm_left(m->vm)) / STEPS_PER_US;
    if (end == VM_STEPS || end == VM_TIME || end == VM_MEMORY ||
        (end == VM_FAILED && took > m->limits.time_us / LATE_SHARE))
        debt_charge(&m->debt, debt_key(s), took, run->time_us == m->limits.time_us,
                    debt_now(s->call));
}

bool script_execute(struct script *s, struct vm_run *run, enum vm_end *ret_end,
                    struct vm_fault *ret_fault)
{
    struct call *c = s->call;
    struct machine *m = machine(c);
    struct call_limits limits = call_limits(c);
    if (!m)
        return false;
    run->steps = limits.steps;
    run->time_us = limits.time_us;
    run->now_us = clock_us;
    run->cpu_us = cpu_us;
    run->seed = call_random(c);
    run->ctx = s;
    s->out = c->raw;
    *ret_end = VM_STOPPED;
    if (unlikely(!debt_lets(s, m, run, &limits, ret_fault)))
        return true;
    uint64_t began_us = unlikely(m->debt.len) ? call_cpu_us(c) : 0;
    *ret_end = vm_run(m->vm, run, ret_fault);
    if (unlikely(*ret_end))
        debt_look(s, m, run, *ret_end, began_us);
    return true;
}

void script_run(struct script *s, struct vm_run *run)
{
    struct call *c = s->call;
    struct vm_fault fault;
    enum vm_end end;
    run->error = take_error;
    if (!script_execute(s, run, &end, &fault)) {
        reply_error(c, "OOM there is no memory for scripts");
        return;
    }
    if (likely(end == VM_DONE || end == VM_FAILED))
        reply_raw(c);
    else if (s->refused)
        reply_errorf(c, "BUSY the script is not run now: %s", fault.text);
    else if (s->halted)
        reply_null(c); /* nobody sees it: the call begins again */
    else
        say_end(s, end, &fault);
}

/* --- arguments -------------------------------------------------------------------------------- */

int64_t eval_keys(const struct slice *args, uint32_t args_len, bool extra, const char **ret_fault)
{
    int64_t n, most = (int64_t)args_len - FIRST_KEY - (extra ? EXTRA : 0);
    *ret_fault = most < 0                    ? "ERR wrong number of arguments for 'eval' command"
                 : !arg_integer(args[2], &n) ? NOT_INTEGER
                 : n > most ? "ERR Number of keys can't be greater than number of args"
                 : n < 0    ? "ERR Number of keys can't be negative"
                            : NULL;
    return *ret_fault ? -1 : n;
}

static void eval(struct call *c, bool by_digest, bool reads_only)
{
    const char *fault;
    int64_t keys = eval_keys(c->args, c->args_len, true, &fault);
    if (keys < 0) {
        reply_error(c, fault);
        return;
    }
    struct slice last = c->args[c->args_len - 1];
    struct slice digest = by_digest ? c->args[1] : last, text = by_digest ? last : c->args[1];
    bool none = digest.len != SHA1_HEX || (by_digest && !text.len);
    if (none || text.len > VM_TEXT_MAX) {
        reply_error(c, none ? eval_no_script : "ERR the script is too large");
        return;
    }
    struct script_head head;
    char head_fault[128];
    if (!script_head_read(text, &head, head_fault)) {
        reply_errorf(c, "%s", head_fault);
        return;
    }
    char sha[SHA1_HEX];
    script_sha_lower(sha, digest.data);
    struct script s = {.call = c,
                       .keys = c->args + FIRST_KEY,
                       .keys_len = (uint32_t)keys,
                       .values = c->args + FIRST_KEY + keys,
                       .values_len = c->args_len - FIRST_KEY - EXTRA - (uint32_t)keys,
                       .name = slice_make(sha, SHA1_HEX),
                       .reads_only = reads_only || head.reads_only,
                       .client_resp3 = resp3(c)};
    struct vm_run r = {.code = {.key = s.name,
                                .text = slice_make(text.data + head.bytes, text.len - head.bytes),
                                .name = "user_script"},
                       .push = push_arguments,
                       .take = script_take_value};
    script_run(&s, &r);
}

void command_eval(struct call *c)
{
    eval(c, false, false);
}

void command_eval_ro(struct call *c)
{
    eval(c, false, true);
}

void command_evalsha(struct call *c)
{
    eval(c, true, false);
}

void command_evalsha_ro(struct call *c)
{
    eval(c, true, true);
}

__attribute__((constructor)) static void procedures_make(void)
{
    static const struct procedure_info ours[] = {
        {command_eval, 67, true, -3, 0, 0, 0, true, false, false},
        {command_eval_ro, 68, false, -3, 0, 0, 0, true, false, false},
        {command_evalsha, 69, true, -3, 0, 0, 0, true, false, false},
        {command_evalsha_ro, 70, false, -3, 0, 0, 0, true, false, false},
    };
    procedures_add(ours, sizeof ours / sizeof *ours);
}
