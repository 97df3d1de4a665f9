/* redis_priv.h - a script of a Redis client, as the files of its library see it. */
#ifndef GRIDD_COMPUTE_REDIS_PRIV_H
#define GRIDD_COMPUTE_REDIS_PRIV_H

#include "command/command_priv.h"
#include "compute/vm_priv.h"
#include "control/module.h"

enum { SCRIPT_RESULT_MAX = 64 << 20, SCRIPT_NESTING = 1000, SCRIPT_FAULT_MAX = 512 };

/* What a source has registered so far: room for MODULE_FUNCTIONS_MAX. */
struct reading {
    struct module_function *functions;
    size_t len;
    struct buf *fault;
};
struct task; /* task_priv.h */

/* vm->host: what a run has left where the next one would find it. */
enum {
    SCRIPT_ARGUMENTS = 1 << 0, /* KEYS and ARGV */
    SCRIPT_REGISTER = 1 << 1,  /* redis.register_function */
};

enum { LIBRARY_KEY_BYTES = 10 };

/* One run. */
struct script {
    struct call *call; /* NULL: a library is read, and calls nothing */
    const struct slice *keys, *values;
    uint32_t keys_len, values_len;
    struct slice name; /* in errors: the digest of the text, or the function that is called */
    bool library;      /* a function of one, else a text */
    enum module_kind kind;
    struct task *task;            /* the function is a task, and this is what it does; or NULL */
    struct service_code *service; /* it is a service's, or NULL */
    struct job_run *job;          /* it is a job, beside the shards (job_api.c); or NULL */
    bool loading;                 /* its first level runs */
    bool logged; /* that has said something, so it is no matter of its function alone */
    struct reading *reading;
    bool reads_only;
    bool resp3;        /* what redis.call() answers in */
    bool client_resp3; /* what the client speaks */
    bool halted;       /* the call runs again when a key is here */
    bool too_large;    /* the result */
    bool refused;      /* it did not run: it was ended too often (debt.h) */
    struct buf *out;
    const struct vm_fault *fault;
    /* Of a library's function: what it is given, as of vm_run, and what becomes of its result. */
    int (*push)(lua_State *L, void *script);
    void (*take)(lua_State *L, void *script);
    char code_key[LIBRARY_KEY_BYTES], function_key[LIBRARY_KEY_BYTES]; /* for who keeps them */
};

static inline struct script *script_of(lua_State *L)
{
    return vm_of(L)->run->ctx;
}

/* eval.c: run it on the shard's machine. What is not set of `run`, but who takes errors, is filled
 * in, the script's bounds among it. False: there is no memory for a machine. What was ended at its
 * bounds before may be refused: then script.refused is set, and ret_fault->text is a line that says
 * so, good until the call's end. */
bool script_execute(struct script *s, struct vm_run *run, enum vm_end *ret_end,
                    struct vm_fault *ret_fault);
/* The same, and leave the reply that Redis would. */
void script_run(struct script *s, struct vm_run *run);
/* Whether the shard's machine keeps code of that key. */
bool script_kept(struct call *c, struct slice key);
/* The value at -1 as the reply. */
void script_take_value(lua_State *L, void *ctx);
/* As a table. */
void script_push_list(lua_State *L, const struct slice *list, uint32_t len);
/* KEYS and ARGV of the script before are not there any more. */
void script_hide_arguments(lua_State *L);
/* Append who called the code that failed, if anybody did: from a trace of the machine. */
void script_trace(struct buf *out, const char *trace);

/* A function as the first level declares it; its callback is at `callback` of the stack. */
struct declared {
    enum module_kind kind;
    struct slice name, help;
    int callback;
    unsigned flags;
};

/* register.c: redis.register_function(), grid.task(), grid.job(). */
int redis_register_function(lua_State *L);
int grid_register_task(lua_State *L);
int grid_register_job(lua_State *L);
/* What was found good is among those of the source, or it is what is called. */
int register_declared(lua_State *L, const struct declared *d);
bool register_help_good(struct slice text);
/* map_register.c: grid.map(). */
int grid_register_map(lua_State *L);
/* service_register.c: grid.service(), grid.broadcast(). */
int grid_register_service(lua_State *L);
int grid_register_broadcast(lua_State *L);
/* fcall.c: what they found for this run, at -1. */
void redis_keep_function(lua_State *L);
/* How that function of a module runs, which is its library's first level before it, or not: code,
 * push and take of `ret_run` are set. */
struct module;
/* ... on a machine that is not the shard's: the first level always runs. */
void library_run_new(struct script *s, const struct module *m, const struct module_function *f,
                     struct vm_run *ret_run);
void library_run(struct script *s, const struct module *m, const struct module_function *f,
                 struct vm_run *ret_run);
/* The same where there is no call, on a machine of the caller's that keeps nothing. */
void library_run_alone(struct script *s, const struct module *m, struct vm_run *ret_run);
/* The shard knows as much of modules as the door did: the last argument. */
bool library_up_to_date(const struct call *c);
/* Whether it is there: while the first level of a library runs. */
void redis_show_register(lua_State *L, bool show);

/* redis_api.c: what scripts see beyond Lua. */
void redis_open(lua_State *L);
/* What pcall() gives of an error that is a table with a text. */
void redis_caught(lua_State *L);
/* Raise an error whose text is `line`: CODE and text. */
int redis_raise(lua_State *L, struct slice line);

/* redis_reply.c: replies to values and back. */
void redis_push_reply(lua_State *L, const struct reply *reply);
/* The value at -1 as the reply, appended to script.out. */
void redis_write_value(lua_State *L);

/* redis_json.c, redis_bit.c, redis_struct.c, redis_msgpack.c, grid_api.c: each adds its library to
 * the table at -1. */
void redis_open_json(lua_State *L);
void redis_open_bit(lua_State *L);
void redis_open_struct(lua_State *L);
void redis_open_msgpack(lua_State *L);
void grid_open(lua_State *L);
/* Push a table of what libraries of JSON have: encode, decode, null. */
void redis_json_functions(lua_State *L);
/* A function that Lua can call. */
int redis_json_encode(lua_State *L);

#endif
