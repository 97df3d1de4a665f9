/* fuzz_vm.c - code for the machine, compiled and then kept: whatever it is, its run ends within its
 * bounds, the next one finds what the first one found, and it is read from its dump as it is.
 * LINK: compute command shard replica control data base */
#include "compute/redis_priv.h"

#include "base/err.h"
#include "tests/fuzz/fuzz.h"

enum { MEMORY = 1 << 20, STEPS = 20000, TEXT_MAX = 4096 };

static void take_number(lua_State *L, void *ctx)
{
    *(lua_Integer *)ctx = lua_tointeger(L, -1);
}

static void open_libraries(lua_State *L)
{
    redis_open_json(L);
    redis_open_bit(L);
    redis_open_struct(L);
    redis_open_msgpack(L);
}

/* How much of the environment there is. */
static lua_Integer environment(struct vm *vm)
{
    static const char text[] =
        "local function all(t) local n = 0 for k, v in pairs(t) do n = n + 1"
        " if type(v) == 'table' and v ~= _G then n = n + all(v) end end return n end"
        " return all(_G)";
    lua_Integer n = 0;
    struct vm_fault fault;
    struct vm_run run = {.code = {.key = slice_str("environment"), slice_str(text), "fuzz"},
                         .steps = STEPS,
                         .take = take_number,
                         .ctx = &n};
    CHECK(vm_run(vm, &run, &fault) == VM_DONE);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct vm_conf conf = {.memory_max = MEMORY, .open = open_libraries};
    struct vm *vm = vm_new(&conf);
    struct vm_fault fault;
    CHECK(vm);
    lua_Integer before = environment(vm);
    struct vm_run run = {
        .code = {slice_str("code"), slice_make(data, len < TEXT_MAX ? len : TEXT_MAX), "fuzz"},
        .steps = STEPS};
    for (int i = 0; i < 3; i++) {
        enum vm_end end = vm_run(vm, &run, &fault);
        CHECK(end != VM_STOPPED && end != VM_TIME);
        CHECK(end == VM_DONE || fault.text);
        CHECK(vm_bytes(vm) <= MEMORY && vm_left(vm) <= STEPS + MEMORY);
        CHECK(environment(vm) == before);
    }
    vm_free(vm);
    return 0;
}
