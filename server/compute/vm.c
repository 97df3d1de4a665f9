/* vm.c - the machine: memory, budget, runs, and code that is kept.
 *
 *   vm_run -> lua_pcall -> runner: code (kept or compiled) -> arguments -> the code -> the result
 *                |  hook, every HOOK_STEPS instructions:  budget, clock
 *                |  allocator:                            memory; bytes are steps, too
 *                '- functions of C:                       vm_charge()
 *
 * Code that does each of its instructions once at most (vm_facts.c) pays for all of them ahead, and
 * there is no hook: until it makes other code or a coroutine, or takes memory as it makes sense for
 * the clock to look.
 *
 * The end is an error that nobody catches: our pcall() and the like raise it again, and once it is
 * there the hook raises it at every instruction. Its value takes no memory. A hook that raises runs
 * message handlers without hooks, so those of the code are not called then (vm_base.c). */
#include "compute/vm_priv.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEPT_MAX = 1024,
    BUCKET_BITS = 10,
    KEPT_SHARE = 4,    /* of the memory may be code that is kept */
    CODE_SHARE = 8,    /* less than that is no code that has to go when memory is short */
    COLLECT_SHARE = 2, /* a run that leaves more behind is cleaned up after at once */
    SCAN_BYTES = 64,   /* of a full collection, for one step */
    LARGE_BYTES = 4096,
    HUGE_BYTES = 32 << 10,
    HUGE_BYTES_PER_US = 4096,
    WALL_SHARE = 16,   /* of its time a run has by the clock on the wall */
    LAST_BYTES = 1024, /* may be taken at once when the run is over: unwinding takes some */
    TRACE_LEVELS = 10,
    GC_PAUSE = 600,        /* a cycle begins at six times the live bytes: mostly the libraries */
    SPARE_MAX = 128 << 10, /* bytes of blocks that are not given back */
    REMEMBER = 1,          /* its place on the stack, for ever */
};

struct vm_kept {
    char key[VM_KEY_MAX];
    uint8_t key_len; /* 0: the place is free */
    bool made;       /* a function that other code has made: its upvalues stay */
    uint16_t next;   /* of the same bucket: place + 1 */
    struct vm_facts facts;
    size_t bytes;
    uint64_t used;
};

struct vm_spare {
    struct vm_spare *next;
};

/* --- the clock -------------------------------------------------------------------------------- */

static uint64_t cpu_us(const struct vm_run *run)
{
    return run->cpu_us ? run->cpu_us(run->ctx) : run->now_us(run->ctx);
}

/* The clock on the wall is cheap to ask, and runs while others have the processor. So when a part
 * of the time is over by it, all the rest is left by the other one. */
static bool is_over(struct vm *vm, const struct vm_run *run, uint64_t now, uint64_t ahead)
{
    if (!vm->cpu_until_us && now <= vm->until_us)
        return now + ahead > vm->began_us + run->time_us;
    uint64_t cpu = cpu_us(run);
    if (!vm->cpu_until_us)
        vm->cpu_until_us = cpu + run->time_us - run->time_us / WALL_SHARE;
    vm->until_us = now + (vm->cpu_until_us > cpu ? vm->cpu_until_us - cpu : 0);
    return cpu + ahead > vm->cpu_until_us;
}

/* Whether there is no time for what will take `ahead_us`. */
static bool is_late(struct vm *vm, uint64_t ahead_us)
{
    const struct vm_run *run = vm->run;
    if (!run || !run->now_us || !run->time_us)
        return false;
    uint64_t now = run->now_us(run->ctx);
    if (unlikely(!vm->began_us)) {
        vm->began_us = now; /* what never looked took no time */
        vm->until_us = now + run->time_us / WALL_SHARE;
    }
    return unlikely(now + ahead_us > vm->until_us) && is_over(vm, run, now, ahead_us);
}

void vm_look_clock(lua_State *L)
{
    const struct vm_run *run = vm_of(L)->run;
    if (run && run->stopped && run->stopped(run->ctx))
        vm_stop(L, VM_STOPPED);
    if (unlikely(is_late(vm_of(L), 0)))
        vm_stop(L, VM_TIME);
}

uint64_t vm_took_us(const struct vm *vm, const struct vm_run *run)
{
    if (!vm->began_us)
        return 0;
    if (!vm->cpu_until_us) /* what came after the last look may be another's time */
        return vm->until_us - vm->began_us;
    return cpu_us(run) + run->time_us - vm->cpu_until_us;
}

/* --- memory ----------------------------------------------------------------------------------- */

static void *refuse(struct vm *vm)
{
    vm->left -= (int64_t)(vm->bytes / SCAN_BYTES); /* Lua looks through all of it now */
    return NULL;
}

/* A run takes about what the one before has left: blocks that are no larger than the last class are
 * kept by their size. */
static size_t class_of(size_t bytes)
{
    return (bytes - 1) / SPARE_UNIT;
}

static void block_free(struct vm *vm, void *from, size_t bytes)
{
    struct vm_spare *block = from;
    size_t class = class_of(bytes);
    if (class >= SPARE_CLASSES || vm->spare_bytes >= SPARE_MAX) {
        free(from);
        return;
    }
    block->next = vm->spare[class];
    vm->spare[class] = block;
    vm->spare_bytes += (class + 1) * SPARE_UNIT;
}

static void *block_alloc(struct vm *vm, size_t bytes)
{
    size_t class = class_of(bytes);
    if (class >= SPARE_CLASSES)
        return malloc(bytes);
    struct vm_spare *block = vm->spare[class];
    if (unlikely(!block))
        return malloc((class + 1) * SPARE_UNIT);
    vm->spare[class] = block->next;
    vm->spare_bytes -= (class + 1) * SPARE_UNIT;
    return block;
}

static void *block_move(struct vm *vm, void *from, size_t old, size_t bytes)
{
    size_t a = class_of(old), b = class_of(bytes);
    if (a >= SPARE_CLASSES && b >= SPARE_CLASSES)
        return realloc(from, bytes);
    if (a == b)
        return from;
    void *to = block_alloc(vm, bytes);
    if (likely(to)) {
        memcpy(to, from, old < bytes ? old : bytes);
        block_free(vm, from, old);
    }
    return to;
}

static void spare_release(struct vm *vm)
{
    for (size_t i = 0; i < SPARE_CLASSES; i++) {
        for (struct vm_spare *block = vm->spare[i], *next; block; block = next) {
            next = block->next;
            free(block);
        }
    }
}

static void hook(lua_State *L, lua_Debug *ar);

/* Count instructions of the code that runs from now on. Lua allows it at any moment, as from a
 * signal. */
static void hook_set(struct vm *vm, lua_State *L, int steps)
{
    vm->armed = true;
    vm->hook_steps = steps;
    lua_sethook(L, hook, LUA_MASKCOUNT, steps);
}

/* Memory of that size is not there before it is touched, which takes long, and each instruction may
 * touch all of it again. False: there is no time for that. */
static bool huge_lets(struct vm *vm, size_t bytes)
{
    if (!vm->run || !vm->given)
        return true;
    if (unlikely(is_late(vm, bytes / HUGE_BYTES_PER_US))) {
        vm->over = VM_TIME;
        return false;
    }
    if (vm->hook_steps != HOOK_STEPS_HUGE)
        hook_set(vm, vm->running, HOOK_STEPS_HUGE);
    return true;
}

static void *allocate(void *ud, void *from, size_t old, size_t bytes)
{
    struct vm *vm = ud;
    if (!from)
        old = 0;
    if (bytes == 0) {
        if (from)
            block_free(vm, from, old);
        vm->bytes -= old;
        return NULL;
    }
    if (bytes > old) {
        size_t more = bytes - old;
        if (unlikely(vm->bytes + more > vm->bytes_max || (vm->over && more > LAST_BYTES)))
            return refuse(vm);
        vm->left -= (int64_t)(more / STEP_BYTES);
        if (unlikely(more > HUGE_BYTES) && !huge_lets(vm, more))
            return refuse(vm);
        if (unlikely(!vm->armed && (more > LARGE_BYTES || vm->left <= 0)) && vm->run)
            hook_set(vm, vm->L, HOOK_STEPS);
    }
    void *to = from ? block_move(vm, from, old, bytes) : block_alloc(vm, bytes);
    if (unlikely(!to))
        return bytes > old ? refuse(vm) : from;
    vm->bytes += bytes - old;
    return to;
}

/* --- the budget ------------------------------------------------------------------------------- */

static void hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    struct vm *vm = vm_of(L);
    int steps = lua_gethookcount(L);
    vm->left -= steps;
    if (unlikely(vm->left <= 0 || vm->over))
        vm_stop(L, VM_STEPS);
    vm_look_clock(L);
    if (unlikely(steps != vm->hook_steps))
        hook_set(vm, L, vm->hook_steps);
}

/* Without it there is one stack only. */
void vm_arm(lua_State *L)
{
    if (!vm_of(L)->armed)
        hook_set(vm_of(L), L, HOOK_STEPS);
}

void vm_disarm(lua_State *L)
{
    struct vm *vm = vm_of(L);
    if (!vm->armed || vm->over || L != vm->L)
        return;
    lua_sethook(L, NULL, 0, 0);
    vm->armed = false;
    vm->hook_steps = 0;
}

void vm_stop(lua_State *L, enum vm_end why)
{
    struct vm *vm = vm_of(L);
    vm->armed = true;
    if (!vm->over)
        vm->over = why;
    lua_sethook(L, hook, LUA_MASKCOUNT, 1);
    lua_pushlightuserdata(L, vm); /* there is room for one: a stack has some to spare */
    lua_error(L);
    abort(); /* it does not return */
}

void vm_halt(lua_State *L)
{
    vm_stop(L, VM_STOPPED);
}

uint64_t vm_left(const struct vm *vm)
{
    return vm->left > 0 ? (uint64_t)vm->left : 0;
}

size_t vm_bytes(const struct vm *vm)
{
    return vm->bytes;
}

/* --- where it went wrong ---------------------------------------------------------------------- */

static void trace_add(struct vm *vm, const lua_Debug *ar)
{
    size_t at = strlen(vm->trace);
    snprintf(vm->trace + at, sizeof vm->trace - at, "%s:%d\n", ar->short_src, ar->currentline);
}

/* Runs where the error was raised, before anything is unwound; takes no memory. */
static int remember(lua_State *L)
{
    struct vm *vm = vm_of(L);
    lua_Debug ar;
    vm->trace[0] = '\0';
    vm->source[0] = '\0';
    vm->line = 0;
    for (int level = 0, lines = 0; lines < TRACE_LEVELS && lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sl", &ar);
        if (ar.currentline < 0)
            continue;
        if (!lines++) {
            snprintf(vm->source, sizeof vm->source, "%s", ar.short_src);
            vm->line = ar.currentline;
        }
        trace_add(vm, &ar);
    }
    return 1;
}

static void text_of_error(struct vm *vm)
{
    lua_State *L = vm->L;
    int type = lua_type(L, -1);
    if (type == LUA_TSTRING) /* not a number, which would be converted and take memory */
        snprintf(vm->text, sizeof vm->text, "%s", lua_tostring(L, -1));
    else
        snprintf(vm->text, sizeof vm->text, "%s:%d: (an error that is a %s)", vm->source, vm->line,
                 lua_typename(L, type));
}

static void text_of_end(struct vm *vm, enum vm_end end)
{
    const char *what = end == VM_STEPS    ? "too many steps"
                       : end == VM_MEMORY ? "not enough memory"
                                          : "it took too long";
    if (vm->source[0])
        snprintf(vm->text, sizeof vm->text, "%s:%d: %s", vm->source, vm->line, what);
    else
        snprintf(vm->text, sizeof vm->text, "%s", what);
}

/* --- code that is kept ------------------------------------------------------------------------ */

static uint16_t *bucket_of(const struct vm *vm, struct slice key)
{
    uint64_t h = 0;
    memcpy(&h, key.data, key.len < sizeof h ? key.len : sizeof h);
    return &vm->buckets[(h + key.data[key.len - 1]) * UINT64_C(0x9e3779b97f4a7c15) >>
                        (64 - BUCKET_BITS)];
}

static struct slice key_of(const struct vm_kept *k)
{
    return slice_make(k->key, k->key_len);
}

static struct vm_kept *kept_find(const struct vm *vm, struct slice key)
{
    uint16_t at = key.len ? *bucket_of(vm, key) : 0;
    while (at && !slice_eq(key_of(&vm->kept[at - 1]), key))
        at = vm->kept[at - 1].next;
    return at ? &vm->kept[at - 1] : NULL;
}

static int place_of(const struct vm *vm, const struct vm_kept *k)
{
    return VM_AT_KEPT + (int)(k - vm->kept);
}

static void kept_drop(lua_State *L, struct vm_kept *k)
{
    struct vm *vm = vm_of(L);
    uint16_t *at = bucket_of(vm, key_of(k)), place = (uint16_t)(k - vm->kept + 1);
    while (*at != place)
        at = &vm->kept[*at - 1].next;
    *at = k->next;
    lua_pushnil(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, place_of(vm, k));
    vm->kept_bytes -= k->bytes;
    k->key_len = 0;
}

/* A free place, as those used least recently go. */
static struct vm_kept *kept_place(lua_State *L, size_t bytes)
{
    struct vm *vm = vm_of(L);
    for (;;) {
        uint32_t free_at = KEPT_MAX, oldest = KEPT_MAX;
        for (uint32_t i = 0; i < KEPT_MAX; i++) {
            if (!vm->kept[i].key_len)
                free_at = i;
            else if (oldest == KEPT_MAX || vm->kept[i].used < vm->kept[oldest].used)
                oldest = i;
        }
        bool fits = vm->kept_bytes + bytes <= vm->conf.memory_max / KEPT_SHARE;
        if (free_at < KEPT_MAX && (fits || oldest == KEPT_MAX))
            return &vm->kept[free_at];
        kept_drop(L, &vm->kept[oldest]);
    }
}

/* The function at -1. */
static struct vm_kept *kept_add(lua_State *L, struct slice key, size_t bytes,
                                const struct vm_facts *facts)
{
    struct vm *vm = vm_of(L);
    if (bytes > vm->conf.memory_max / KEPT_SHARE)
        return NULL;
    struct vm_kept *k = kept_place(L, bytes);
    lua_pushvalue(L, -1);
    lua_rawseti(L, LUA_REGISTRYINDEX, place_of(vm, k)); /* may fail: nothing is said of it yet */
    uint16_t *bucket = bucket_of(vm, key);
    memcpy(k->key, key.data, key.len);
    k->key_len = (uint8_t)key.len;
    k->next = *bucket;
    *bucket = (uint16_t)(k - vm->kept + 1);
    k->bytes = bytes;
    k->made = false;
    k->facts = *facts;
    k->used = ++vm->uses;
    vm->kept_bytes += bytes;
    return k;
}

static uint64_t random_of(const struct vm_run *run)
{
    return run->seed & ((UINT64_C(1) << 48) - 1);
}

static void environment_set(lua_State *L, int which)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, which);
    if (!lua_setupvalue(L, -2, 1))
        lua_pop(L, 1);
}

/* Compiles it and pushes the function. */
static struct vm_facts code_compile(lua_State *L, const struct vm_code *code)
{
    struct vm *vm = vm_of(L);
    char name[64];
    size_t before = vm->bytes;
    snprintf(name, sizeof name, "@%s", code->name);
    vm_charge(L, code->text.len);
    const char *text = code->text.len ? (const char *)code->text.data : "";
    int status = luaL_loadbufferx(L, text, code->text.len, name, "t");
    if (status && !vm->over)
        vm->over = status == LUA_ERRMEM ? VM_MEMORY : VM_SYNTAX;
    if (status)
        lua_error(L);
    size_t bytes = vm->bytes > before ? vm->bytes - before : code->text.len;
    environment_set(L, VM_AT_ENVIRONMENT);
    struct vm_facts facts = vm_facts_of(L);
    if (code->key.len && code->key.len <= VM_KEY_MAX)
        (void)kept_add(L, code->key, bytes, &facts);
    return facts;
}

void vm_keep(lua_State *L, struct slice key)
{
    struct vm *vm = vm_of(L);
    const struct vm_run *run = vm->run;
    struct vm_facts facts;
    const struct vm_kept *from = kept_find(vm, run->code.key);
    if (!from || !from->facts.keeps_environment || key.len > VM_KEY_MAX || kept_find(vm, key) ||
        vm->random != random_of(run))
        return;
    size_t bytes = from->bytes; /* it may be all that is left of that */
    if (!vm_facts_stay(L, &facts))
        return;
    struct vm_kept *k = kept_add(L, key, bytes, &facts);
    if (k)
        k->made = true;
}

/* Pushes the function, with the environment: the code may have set its _ENV. Code that keeps it may
 * see the table that is behind it. */
static struct vm_facts code_push(lua_State *L, const struct vm_code *code)
{
    struct vm *vm = vm_of(L);
    struct vm_kept *k = kept_find(vm, code->key);
    struct vm_facts facts;
    if (likely(k)) {
        k->used = ++vm->uses;
        facts = k->facts;
        lua_rawgeti(L, LUA_REGISTRYINDEX, place_of(vm, k));
    } else {
        facts = code_compile(L, code);
    }
    if (!k || !k->made)
        environment_set(L, facts.keeps_environment ? VM_AT_SHOWN : VM_AT_ENVIRONMENT);
    return facts;
}

bool vm_has(struct vm *vm, struct slice key)
{
    return kept_find(vm, key) != NULL;
}

static int forget(lua_State *L)
{
    struct vm *vm = vm_of(L);
    for (uint32_t i = 0; i < KEPT_MAX; i++)
        if (vm->kept[i].key_len)
            kept_drop(L, &vm->kept[i]);
    lua_gc(L, LUA_GCCOLLECT);
    return 0;
}

void vm_forget(struct vm *vm)
{
    vm->over = VM_DONE;
    lua_pushcfunction(vm->L, forget);
    if (lua_pcall(vm->L, 0, 0, 0))
        lua_settop(vm->L, REMEMBER);
}

/* --- runs ------------------------------------------------------------------------------------- */

static int runner(lua_State *L)
{
    const struct vm_run *run = lua_touserdata(L, 1);
    struct vm_facts facts = {0};
    if (run->code.text.data || run->code.key.len)
        facts = code_push(L, &run->code);
    if (facts.straight && facts.steps)
        vm_charge(L, facts.steps);
    else
        vm_arm(L);
    int args = run->push ? run->push(L, run->ctx) : 0;
    vm_of(L)->given = true;
    lua_call(L, args, 1);
    if (run->take)
        run->take(L, run->ctx);
    return 0;
}

static int compiler(lua_State *L)
{
    (void)code_push(L, lua_touserdata(L, 1));
    return 0;
}

static int reporter(lua_State *L)
{
    const struct vm_run *run = vm_of(L)->run;
    run->error(L, run->ctx);
    return 0;
}

static enum vm_end end_of(struct vm *vm, int status)
{
    if (status == LUA_OK)
        return VM_DONE;
    if (vm->over)
        return vm->over;
    return status == LUA_ERRMEM ? VM_MEMORY : VM_FAILED;
}

/* The error's value is at -1. */
static enum vm_end failed(struct vm *vm, enum vm_end end, struct vm_fault *ret_fault)
{
    lua_State *L = vm->L;
    if (end == VM_FAILED || end == VM_SYNTAX)
        text_of_error(vm);
    else
        text_of_end(vm, end);
    vm->over = VM_DONE;
    if (end == VM_FAILED && vm->run && vm->run->error) {
        int64_t left = vm->left;
        vm->left = (int64_t)vm->conf.memory_max; /* it is bounded itself */
        lua_pushcfunction(L, reporter);
        lua_insert(L, -2);
        if (lua_pcall(L, 1, 0, 0))
            end = VM_MEMORY;
        vm->left = left;
    }
    *ret_fault = (struct vm_fault){vm->text, vm->source, vm->line, vm->trace};
    return end;
}

static enum vm_end protect(struct vm *vm, lua_CFunction fn, const void *arg,
                           struct vm_fault *ret_fault)
{
    lua_State *L = vm->L;
    vm->over = VM_DONE;
    vm->unlooked = vm->closing = 0;
    vm->hook_steps = 0;
    vm->running = vm->L;
    vm->text[0] = vm->trace[0] = vm->source[0] = '\0';
    vm->line = 0;
    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, (void *)(uintptr_t)arg);
    enum vm_end end = end_of(vm, lua_pcall(L, 1, 0, REMEMBER));
    if (unlikely(end))
        end = failed(vm, end, ret_fault);
    if (vm->armed)
        lua_sethook(L, NULL, 0, 0);
    vm->armed = false;
    lua_settop(L, REMEMBER);
    vm->run = NULL;
    if (unlikely(end == VM_MEMORY || vm->bytes > vm->conf.memory_max / COLLECT_SHARE)) {
        vm->over = VM_DONE;
        lua_gc(L, LUA_GCCOLLECT);
        if (end == VM_MEMORY && vm->bytes > vm->conf.memory_max / CODE_SHARE)
            vm_forget(vm); /* it may be code that takes it */
    }
    return end;
}

enum vm_end vm_run(struct vm *vm, const struct vm_run *run, struct vm_fault *ret_fault)
{
    vm->run = run;
    vm->left = run->steps < INT64_MAX / 2 ? (int64_t)run->steps : INT64_MAX / 2;
    vm->began_us = vm->cpu_until_us = 0;
    vm->given = false;
    vm->random = random_of(run);
    if (unlikely(run->memory && run->memory < vm->conf.memory_max - vm->bytes))
        vm->bytes_max = vm->bytes + run->memory;
    enum vm_end end = protect(vm, runner, run, ret_fault);
    vm->bytes_max = vm->conf.memory_max;
    return end;
}

enum vm_end vm_compile(struct vm *vm, const struct vm_code *code, struct vm_fault *ret_fault)
{
    vm->run = NULL;
    vm->left = INT64_MAX / 2;
    return protect(vm, compiler, code, ret_fault);
}

/* --- making it -------------------------------------------------------------------------------- */

static int absent(lua_State *L)
{
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
    return luaL_error(L, "Script attempted to access nonexistent global variable '%s'", name);
}

static int open_all(lua_State *L)
{
    struct vm *vm = vm_of(L);
    lua_gc(L, LUA_GCINC, GC_PAUSE, 0, 0);
    lua_newtable(L); /* what is shown */
    lua_pushvalue(L, -1);
    lua_rawseti(L, LUA_REGISTRYINDEX, VM_AT_SHOWN);
    lua_pushvalue(L, -1);
    lua_newtable(L);
    lua_pushcfunction(L, absent);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    vm_protect(L);
    lua_pushvalue(L, -1);
    lua_rawseti(L, LUA_REGISTRYINDEX, VM_AT_ENVIRONMENT);
    lua_setfield(L, -2, "_G");
    vm_open_base(L);
    vm_open_coroutine(L);
    vm_open_math(L);
    vm_open_string(L);
    vm_open_table(L);
    if (vm->conf.open)
        vm->conf.open(L);
    vm->facts_trusted = vm_facts_trusted(L);
    return 0;
}

struct vm *vm_new(const struct vm_conf *conf)
{
    struct vm *vm = xcalloc(1, sizeof *vm);
    vm->conf = *conf;
    vm->left = INT64_MAX / 2;
    vm->bytes_max = conf->memory_max;
    vm->L = lua_newstate(allocate, vm);
    if (!vm->L) {
        spare_release(vm);
        free(vm);
        return NULL;
    }
    *(struct vm **)lua_getextraspace(vm->L) = vm;
    vm->kept = xcalloc(KEPT_MAX, sizeof *vm->kept);
    vm->buckets = xcalloc(1 << BUCKET_BITS, sizeof *vm->buckets);
    lua_pushcfunction(vm->L, remember);
    lua_pushcfunction(vm->L, open_all);
    if (lua_pcall(vm->L, 0, 0, 0)) {
        vm_free(vm);
        return NULL;
    }
    return vm;
}

void vm_free(struct vm *vm)
{
    if (!vm)
        return;
    lua_close(vm->L);
    spare_release(vm);
    free(vm->buckets);
    free(vm->kept);
    free(vm);
}
