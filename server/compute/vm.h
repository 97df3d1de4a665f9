/* vm.h - a machine for users' code: Lua 5.4, text only, within bounds of steps, memory and time
 * that no code can pass. Pure; one thread at a time.
 *
 * What code can reach is the environment made at vm_new(): nothing in it can be changed, and no run
 * leaves anything behind for the next. Whatever ends a run, the machine is good for the next one.
 * A step is about one instruction; functions that touch many bytes or elements charge more. When
 * the budget is used up nothing of the code goes on: no pcall, coroutine, metamethod or __close
 * handler. */
#ifndef GRIDD_COMPUTE_VM_H
#define GRIDD_COMPUTE_VM_H

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct lua_State lua_State;
struct vm; /* opaque */

enum vm_end {
    VM_DONE,
    VM_FAILED, /* an error of the code */
    VM_SYNTAX, /* it is no code */
    VM_STEPS,  /* the budget was used up */
    VM_MEMORY,
    VM_TIME,
    VM_STOPPED, /* its host wanted so: vm_halt() */
};

enum { VM_TEXT_MAX = 256 << 10, VM_KEY_MAX = 40 };

struct vm_conf {
    size_t memory_max; /* of everything in it */
    void (*open)(
        lua_State *L); /* adds to the environment, which is the table at -1; NULL: nothing */
    void (*caught)(lua_State *L); /* makes what pcall() gives of the error at -1; NULL: the error */
};

/* NULL: there is no memory for it. */
struct vm *vm_new(const struct vm_conf *conf);
void vm_free(struct vm *vm); /* NULL is fine */
/* Bytes that it holds. */
size_t vm_bytes(const struct vm *vm);

struct vm_code {
    struct slice key; /* names the text for ever, as its digest does; empty: it is not kept */
    struct slice text;
    const char *name; /* in errors: "NAME:LINE: what" */
};

struct vm_run {
    struct vm_code code;
    uint64_t steps;
    size_t memory;    /* beyond what the machine holds when it begins; 0: all that it may have */
    uint64_t time_us; /* 0, or no now_us(): not bounded by time */
    uint64_t (*now_us)(void *ctx);
    /* Time that this thread had of a processor: what others had of it does not count then. Asked
     * when a sixteenth of the time is over; NULL: now_us(). */
    uint64_t (*cpu_us)(void *ctx);
    bool (*stopped)(void *ctx); /* asked now and then: its host wants it to end; may be NULL */
    uint64_t seed;              /* of math.random() */
    /* Both may raise errors. push() leaves the arguments and returns how many; without code (all
     * zero) it leaves a function before them. take() finds the result at -1. */
    int (*push)(lua_State *L, void *ctx);
    void (*take)(lua_State *L, void *ctx);
    void (*error)(lua_State *L, void *ctx); /* VM_FAILED: the error's value is at -1; may be NULL */
    void *ctx;
};

/* How it went wrong; borrowed until the next run. */
struct vm_fault {
    const char *text;   /* NAME:LINE: what */
    const char *source; /* NAME of the code that was running; "" if there was none */
    int line;
    const char *trace; /* lines, bounded */
};

enum vm_end vm_run(struct vm *vm, const struct vm_run *run, struct vm_fault *ret_fault);
/* Only look whether it is code. */
enum vm_end vm_compile(struct vm *vm, const struct vm_code *code, struct vm_fault *ret_fault);
/* Whether code of that key is kept. */
bool vm_has(struct vm *vm, struct slice key);
/* Forget all code. */
void vm_forget(struct vm *vm);
/* Within a function of the host's: end the run, VM_STOPPED. Does not return. */
void vm_halt(lua_State *L);
/* Steps that are left of the run, or were when it ended. */
uint64_t vm_left(const struct vm *vm);
/* Time that the last run took so far, at most; 0: it was short. */
uint64_t vm_took_us(const struct vm *vm, const struct vm_run *run);

#endif
