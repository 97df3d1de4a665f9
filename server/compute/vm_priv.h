/* vm_priv.h - the machine as the files of its libraries see it. */
#ifndef GRIDD_COMPUTE_VM_PRIV_H
#define GRIDD_COMPUTE_VM_PRIV_H

#include "compute/vm.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

enum {
    HOOK_STEPS = 128,      /* instructions between two looks at the budget */
    HOOK_STEPS_HUGE = 8,   /* ... when each of them may touch very much */
    STEPS_PER_LOOK = 256,  /* that are charged between two looks at the clock */
    CHARGE_STEPS = 16,     /* ... of each call, beside what it charges */
    STEP_BYTES = 64,       /* of memory taken, for one step */
    COROUTINE_STEPS = 500, /* of making one: it has HOOK_STEPS that nobody counts */
    CLOSING_MAX = 64,
    FAULT_BYTES = 512,
    TRACE_BYTES = 1024,
    SPARE_UNIT = 16,
    SPARE_CLASSES = 16,
};

/* Places of the registry. */
enum {
    VM_AT_ENVIRONMENT = 8, /* what code sees */
    VM_AT_SHOWN,           /* the table behind it */
    VM_AT_KEPT = 16,       /* code, by its place */
};

/* What code can do at most. */
struct vm_facts {
    uint32_t steps;         /* instructions, of functions within it, too; 0: nothing is known */
    bool straight;          /* it makes no functions, and each instruction is done once at most */
    bool keeps_environment; /* reads it by name and does nothing else with it */
    bool sets_upvalues;
};

struct vm {
    lua_State *L;
    struct vm_conf conf;
    size_t bytes, bytes_max; /* that it may have now */
    int64_t left;            /* steps */
    uint64_t began_us;       /* the first look at the clock; 0: there was none */
    uint64_t until_us;       /* then it is looked at closely */
    uint64_t cpu_until_us;   /* 0: most of the time is left */
    const struct vm_run *run;
    enum vm_end over; /* VM_DONE: not yet */
    bool armed;       /* the hook is set */
    bool given;       /* what it was given is there: from now on it takes what it has */
    int hook_steps;
    lua_State *running; /* the coroutine, or L */
    bool facts_trusted;
    unsigned unlooked, closing;
    uint64_t random;
    struct vm_spare *spare[SPARE_CLASSES]; /* blocks of memory that nobody has */
    size_t spare_bytes;
    struct vm_kept *kept; /* by place */
    uint16_t *buckets;    /* by key: place + 1 */
    size_t kept_bytes;
    uint64_t uses;
    unsigned host; /* flags of its host's, from run to run */
    int line;
    char source[64];
    char text[FAULT_BYTES];
    char trace[TRACE_BYTES];
};

static inline struct vm *vm_of(lua_State *L)
{
    return *(struct vm **)lua_getextraspace(L);
}

/* Ends the run. */
void vm_stop(lua_State *L, enum vm_end why) __attribute__((noreturn));
void vm_look_clock(lua_State *L);

/* Raises the end when they are used up. */
static inline void vm_charge(lua_State *L, uint64_t steps)
{
    struct vm *vm = vm_of(L);
    vm->left -= steps < INT32_MAX ? (int64_t)steps : INT32_MAX;
    if (unlikely(vm->left <= 0 || vm->over))
        vm_stop(L, VM_STEPS);
    vm->unlooked += (unsigned)(steps < STEPS_PER_LOOK ? steps : STEPS_PER_LOOK) + CHARGE_STEPS;
    if (unlikely(vm->unlooked >= STEPS_PER_LOOK)) {
        vm->unlooked = 0;
        vm_look_clock(L);
    }
}

/* After anything that may have caught an error: the end cannot be caught. */
static inline void vm_go_on(lua_State *L)
{
    struct vm *vm = vm_of(L);
    if (unlikely(vm->over))
        vm_stop(L, vm->over);
}

/* Count instructions from now on: code may go on for ever. */
void vm_arm(lua_State *L);
/* What is called from now on pays ahead, and reaches nothing that does not: vm_facts_stay(). */
void vm_disarm(lua_State *L);
/* vm_facts.c: of the function of Lua at -1; whether this Lua is one that it can read. */
struct vm_facts vm_facts_of(lua_State *L);
bool vm_facts_trusted(lua_State *L);
/* Whether the function of Lua at -1 is the same however often it is called: nothing that it can
 * reach changes. */
bool vm_facts_stay(lua_State *L, struct vm_facts *ret_facts);
/* Keep the function of Lua at -1, made by the code that runs, as code with that key, if it stays as
 * it is. That code, which may run again, keeps its environment, which they share, and has asked for
 * no random numbers, which could have made another function. */
void vm_keep(lua_State *L, struct slice key);

/* A table at -1 becomes one that shows the same and refuses changes. */
void vm_protect(lua_State *L);
/* Whether the value is such a table; then what it shows is pushed. */
bool vm_protected(lua_State *L, int at);
int vm_refuse_change(lua_State *L);
/* Sets functions of the table at -1. */
void vm_functions(lua_State *L, const luaL_Reg *functions);
/* A function of C at -1 becomes one that is charged by its arguments' bytes. */
void vm_charged(lua_State *L);
int vm_charged_call(lua_State *L); /* the function is its first upvalue */

/* The environment: each adds to the table at -1. */
void vm_open_base(lua_State *L);
void vm_open_coroutine(lua_State *L);
void vm_open_math(lua_State *L);
void vm_open_string(lua_State *L);
void vm_open_pattern(lua_State *L); /* to the table of strings */
void vm_open_table(lua_State *L);

#endif
