/* redis_priv.h - a script of a Redis client, as the files of its library see it. */
#ifndef GRIDD_COMPUTE_REDIS_PRIV_H
#define GRIDD_COMPUTE_REDIS_PRIV_H

#include "command/command_priv.h"
#include "compute/vm_priv.h"

enum { SCRIPT_RESULT_MAX = 64 << 20, SCRIPT_NESTING = 1000, SCRIPT_FAULT_MAX = 512 };

struct reading; /* library.c */

/* One run. */
struct script {
    struct call *call; /* NULL: a library is read, and calls nothing */
    const struct slice *keys, *values;
    uint32_t keys_len, values_len;
    struct slice name; /* in errors: the digest of the text, or the function that is called */
    bool library;      /* a function of one, else a text */
    bool loading;      /* its first level runs */
    struct reading *reading;
    bool reads_only;
    bool resp3;        /* what redis.call() answers in */
    bool client_resp3; /* what the client speaks */
    bool halted;       /* the call runs again when a key is here */
    bool too_large;    /* the result */
    struct buf *out;
    const struct vm_fault *fault;
};

static inline struct script *script_of(lua_State *L)
{
    return vm_of(L)->run->ctx;
}

/* eval.c: run it in the call's shard and leave the reply. What is not set of `run`, the script's
 * bounds among it, is filled in. */
void script_run(struct script *s, struct vm_run *run);
/* As a table. */
void script_push_list(lua_State *L, const struct slice *list, uint32_t len);
/* KEYS and ARGV of the script before are not there any more; the code is at -1. */
void script_hide_arguments(lua_State *L);
/* Append who called the code that failed, if anybody did: from a trace of the machine. */
void script_trace(struct buf *out, const char *trace);

/* library.c, fcall.c: redis.register_function(), and what it found for this run, at -1. */
int redis_register_function(lua_State *L);
void redis_keep_function(lua_State *L);
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

/* redis_json.c, redis_bit.c: each adds its library to the table at -1. */
void redis_open_json(lua_State *L);
void redis_open_bit(lua_State *L);

#endif
