/* map.c - see map.h: the machine around a map. Each call runs the first level of its module, which
 * registers the map, and then map_run_rows() (map_lua.c); of one in C, native_map_run(). */
#include "compute/map.h"

#include "base/alloc.h"
#include "base/list.h"
#include "command/procedures.h"
#include "compute/library.h"
#include "compute/map_priv.h"
#include "compute/native_map.h"
#include "compute/task.h"

#include <stdlib.h>

enum { SMALL_BYTES = 8 << 20 };

struct map_machine *map_machine_new(const struct map_limits *limits)
{
    struct map_machine *m = xcalloc(1, sizeof *m);
    struct vm_conf conf = {
        .memory_max = limits->memory, .open = redis_open, .caught = redis_caught};
    m->limits = *limits;
    m->vm = vm_new(&conf);
    m->native_map = native_map_new(m);
    if (m->vm)
        return m;
    native_map_free(m->native_map);
    free(m);
    return NULL;
}

void map_machine_free(struct map_machine *m)
{
    if (!m)
        return;
    vm_free(m->vm);
    native_map_free(m->native_map);
    buf_release(&m->emitted);
    buf_release(&m->fault);
    free(m);
}

bool map_machine_small(const struct map_machine *m)
{
    return vm_bytes(m->vm) < SMALL_BYTES && m->emitted.cap < SMALL_BYTES &&
           native_map_bytes(m->native_map) < SMALL_BYTES;
}

static void begin(struct map_machine *m, struct slice arg)
{
    m->module = NULL;
    m->function = NULL;
    m->native = NULL;
    m->arg = arg;
    m->has_table = false;
    m->reducer = MAP_REDUCE_NOT;
    m->emitted.len = m->fault.len = 0;
}

void map_begin(struct map_machine *m, const struct module *module,
               const struct module_function *function, struct slice arg)
{
    begin(m, arg);
    m->module = module;
    m->function = function;
}

void map_begin_native(struct map_machine *m, const struct native *native, struct slice arg)
{
    begin(m, arg);
    m->native = native;
    native_map_begin(m->native_map);
}

/* --- a run ------------------------------------------------------------------------------------ */

static struct slice name_of(const struct map_machine *m, char text[TASK_NAME_BYTES + 1])
{
    snprintf(text, TASK_NAME_BYTES + 1, "%s.%s", m->module->info.name, m->function->name);
    return slice_str(text);
}

static void take_error(lua_State *L, void *ctx)
{
    struct map_machine *m = container_of((struct script *)ctx, struct map_machine, script);
    char name[TASK_NAME_BYTES + 1];
    report_error(L, &m->fault, name_of(m, name));
}

static int push_none(lua_State *L, void *ctx)
{
    (void)L;
    (void)ctx;
    return 0;
}

static void take_none(lua_State *L, void *ctx)
{
    (void)L;
    (void)ctx;
}

static uint64_t clock_us(void *ctx)
{
    const struct map_machine *m = container_of((struct script *)ctx, struct map_machine, script);
    return m->limits.now_us(NULL);
}

static bool stopped(void *ctx)
{
    const struct map_machine *m = container_of((struct script *)ctx, struct map_machine, script);
    return m->limits.stopped(m->limits.ctx);
}

static enum grid_err lua_run(struct map_machine *m)
{
    struct vm_fault fault;
    struct vm_run r;
    m->script = (struct script){.kind = MODULE_MAP,
                                .name = slice_str(m->function->name),
                                .library = true,
                                .reads_only = true,
                                .push = push_none,
                                .take = take_none};
    library_run_new(&m->script, m->module, m->function, &r);
    r.steps = UINT64_MAX; /* bounded by time */
    r.time_us = m->limits.page_us;
    r.now_us = m->limits.now_us ? clock_us : NULL;
    r.stopped = m->limits.stopped ? stopped : NULL;
    r.error = take_error;
    r.ctx = &m->script;
    enum vm_end end = vm_run(m->vm, &r, &fault);
    if (end == VM_DONE)
        return GRID_OK;
    if (m->too_large)
        return GRID_ETOO_LARGE;
    if (m->bad)
        return GRID_EBAD_REQUEST;
    if (end == VM_STOPPED)
        return GRID_ESTOPPING;
    char name[TASK_NAME_BYTES + 1];
    if (end != VM_FAILED)
        report_fault(&m->fault, name_of(m, name), slice_str(fault.text), fault.trace);
    return GRID_ETASK;
}

static enum grid_err run(struct map_machine *m, enum map_mode mode, struct slice in)
{
    m->mode = mode;
    m->in = in;
    m->too_large = m->bad = false;
    return m->native ? native_map_run(m->native_map) : lua_run(m);
}

enum grid_err map_page(struct map_machine *m, struct slice page)
{
    return run(m, MAP_PAGE, page);
}

enum grid_err map_merge(struct map_machine *m, struct slice emitted)
{
    return run(m, MAP_MERGE, emitted);
}

enum grid_err map_take(struct map_machine *m, struct buf *emitted)
{
    enum grid_err err = run(m, MAP_TAKE, slice_make(NULL, 0));
    if (!err)
        buf_add(emitted, m->emitted.data, m->emitted.len);
    m->emitted.len = 0;
    return err;
}

/* --- the last step ---------------------------------------------------------------------------- */

static int row_order(const void *a, const void *b)
{
    const struct map_emitted *x = a, *y = b;
    return slice_cmp(x->key, y->key);
}

/* `to`: the rows by their keys. */
static void rows_sort(struct slice rows, struct buf *to)
{
    struct map_emitted *list = NULL, row;
    size_t len = 0, cap = 0;
    for (size_t at = 0; at < rows.len && map_emitted_read(rows, &at, &row);) {
        if (len == cap) {
            cap = cap ? cap * 2 : 64;
            list = xrealloc(list, cap, sizeof *list);
        }
        list[len++] = row;
    }
    if (len)
        qsort(list, len, sizeof *list, row_order);
    for (size_t i = 0; i < len; i++)
        map_emitted_add(to, list[i].key, list[i].value, list[i].what);
    free(list);
}

enum grid_err map_finish(struct map_machine *m, struct buf *shown)
{
    struct buf sorted = BUF_INIT;
    enum grid_err err = run(m, MAP_FINISH, slice_make(NULL, 0));
    if (!err && map_reduces(m))
        rows_sort(buf_slice(&m->emitted), &sorted);
    if (!err && !map_rows_show(buf_slice(map_reduces(m) ? &sorted : &m->emitted), shown))
        err = GRID_EBAD_REQUEST;
    buf_release(&sorted);
    m->emitted.len = 0;
    return err;
}

struct slice map_fault(const struct map_machine *m)
{
    return buf_slice(&m->fault);
}

bool map_reduces(const struct map_machine *m)
{
    return m->reducer != MAP_REDUCE_NOT;
}

size_t map_rows_bytes(const struct map_machine *m)
{
    return m->emitted.len;
}

size_t map_machine_bytes(const struct map_machine *m)
{
    return vm_bytes(m->vm) + m->emitted.cap + native_map_bytes(m->native_map);
}

/* --- the procedures, which no shard runs ------------------------------------------------------ */

void command_map_part(struct call *c)
{
    c->reply = (struct reply){.kind = REPLY_NULL};
}

void command_map(struct call *c)
{
    c->reply = (struct reply){.kind = REPLY_OK};
}

__attribute__((constructor)) static void procedures_make(void)
{
    static const struct procedure_info ours[] = {
        {command_map_part, 96, false, MAP_PART_ARGS, 0, 0, 0, false, false, true},
        {command_map, 97, false, MAP_ARGS, 0, 0, 0, false, false, true},
    };
    procedures_add(ours, sizeof ours / sizeof *ours);
}
