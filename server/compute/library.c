/* library.c - sources of modules: the first line, and what the rest registers (register.c). A
 * source is read by a machine of its own, which is gone then. */
#include "compute/library.h"

#include "base/alloc.h"
#include "compute/redis_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* --- the first line --------------------------------------------------------------------------- */

static bool refuse(struct buf *fault, const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool refuse(struct buf *fault, const char *fmt, ...)
{
    char text[SCRIPT_FAULT_MAX + 128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_add(fault, text, strlen(text));
    return false;
}

static bool word_is(struct slice word, const char *text)
{
    return word.len == strlen(text) && strncasecmp((const char *)word.data, text, word.len) == 0;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line, NULL data: there is none. */
static struct slice word_next(struct slice *line)
{
    size_t len = 0;
    while (line->len && is_space(line->data[0])) {
        line->data++;
        line->len--;
    }
    while (len < line->len && !is_space(line->data[len]))
        len++;
    struct slice word = slice_make(len ? line->data : NULL, len);
    line->data += len;
    line->len -= len;
    return word;
}

static struct slice unquoted(struct slice s)
{
    bool quoted =
        s.len >= 2 && (s.data[0] == '"' || s.data[0] == '\'') && s.data[s.len - 1] == s.data[0];
    return quoted ? slice_make(s.data + 1, s.len - 2) : s;
}

#define BAD_NAME                                                                                   \
    "Library names can only contain letters, numbers, or underscores(_) and must be at least one " \
    "character long"

/* "name=NAME", and nothing else. */
static bool words_read(struct slice line, struct slice *ret_name, struct buf *fault)
{
    static const char name[] = "name=";
    struct slice word;
    enum { NAME_LEN = sizeof name - 1 };
    while ((word = word_next(&line)).data) {
        int shown = word.len < 64 ? (int)word.len : 64;
        if (word.len < NAME_LEN || strncasecmp((const char *)word.data, name, NAME_LEN) != 0)
            return refuse(fault, "Invalid metadata value given: %.*s", shown,
                          (const char *)word.data);
        if (ret_name->data)
            return refuse(fault, "Invalid metadata value, name argument was given multiple times");
        *ret_name = unquoted(slice_make(word.data + NAME_LEN, word.len - NAME_LEN));
    }
    return true;
}

static bool name_take(struct module_info *info, struct slice name, struct buf *fault)
{
    if (name.len > MODULE_NAME_MAX)
        return refuse(fault, "Library names have at most %d characters", MODULE_NAME_MAX);
    if (!module_name_good(name))
        return refuse(fault, BAD_NAME);
    memcpy(info->name, name.data, name.len);
    info->name[name.len] = '\0';
    return true;
}

/* Bytes of the first line, without its end, if it is one for us. */
static size_t head_bytes(struct slice source)
{
    if (source.len < 2 || memcmp(source.data, "#!", 2) != 0)
        return 0;
    const uint8_t *end = memchr(source.data, '\n', source.len);
    return end ? (size_t)(end - source.data) : source.len;
}

struct slice library_code(struct slice source)
{
    size_t head = head_bytes(source);
    return slice_make(source.data + head, source.len - head);
}

bool library_head_read(struct slice source, struct slice name, struct module_info *ret_info,
                       struct buf *ret_fault)
{
    size_t bytes = head_bytes(source);
    struct slice line = slice_make(source.data, bytes), said = {NULL, 0};
    *ret_info = (struct module_info){.engine = MODULE_LUA, .source = source};
    if (!bytes && !name.len)
        return refuse(ret_fault, "Missing library metadata");
    if (bytes) {
        struct slice engine = word_next(&line);
        if (bytes == source.len)
            return refuse(ret_fault, "Invalid library metadata");
        if (!word_is(engine, "#!lua"))
            return refuse(ret_fault, "Engine '%.*s' not found",
                          engine.len < 66 ? (int)engine.len - 2 : 64,
                          (const char *)engine.data + 2);
        if (!words_read(line, &said, ret_fault))
            return false;
    }
    if (!name.len && !said.data)
        return refuse(ret_fault, "Library name was not given");
    return name_take(ret_info, name.len ? name : said, ret_fault);
}

/* --- reading a source ------------------------------------------------------------------------- */

static int push_nothing(lua_State *L, void *ctx)
{
    (void)ctx;
    redis_show_register(L, true);
    return 0;
}

static void take_fault(lua_State *L, void *ctx)
{
    struct script *s = ctx;
    struct buf *out = s->reading->fault;
    size_t len;
    bool table = lua_type(L, -1) == LUA_TTABLE;
    if (table) {
        lua_pushliteral(L, "err");
        lua_rawget(L, -2);
    }
    const char *text = luaL_tolstring(L, -1, &len);
    buf_printf(out, "Error registering functions: %s%.*s", table ? "" : "ERR ",
               len < SCRIPT_FAULT_MAX ? (int)len : SCRIPT_FAULT_MAX, text);
    script_trace(out, vm_of(L)->trace);
}

static bool read_run(struct script *s, struct vm *vm, const struct module_info *info,
                     const struct library_limits *limits)
{
    struct vm_run run = {
        .code = {.text = library_code(info->source), .name = info->name},
        .steps = limits->run.steps,
        .time_us = limits->run.time_us,
        .now_us = limits->now_us,
        .push = push_nothing,
        .error = take_fault,
        .ctx = s,
    };
    struct vm_fault fault;
    struct buf *out = s->reading->fault;
    enum vm_end end = vm_run(vm, &run, &fault);
    if (end == VM_SYNTAX)
        return refuse(out, "Error compiling function: %.*s", SCRIPT_FAULT_MAX, fault.text);
    if (end == VM_FAILED)
        return false;
    if (end)
        return refuse(out, "Error registering functions: ERR %.*s", SCRIPT_FAULT_MAX, fault.text);
    return s->reading->len || refuse(out, "No functions registered");
}

bool library_read(struct slice source, struct slice name, const struct library_limits *limits,
                  struct module_info *ret_info, struct buf *ret_fault)
{
    struct vm_conf conf = {
        .memory_max = limits->run.memory, .open = redis_open, .caught = redis_caught};
    struct module_info info;
    if (source.len > MODULE_SOURCE_MAX)
        return refuse(ret_fault, "The library is too large: %zu bytes, of %d at most", source.len,
                      MODULE_SOURCE_MAX);
    if (!library_head_read(source, name, &info, ret_fault))
        return false;
    struct vm *vm = vm_new(&conf);
    if (!vm)
        return refuse(ret_fault, "there is no memory to read it");
    struct reading r = {xcalloc(MODULE_FUNCTIONS_MAX, sizeof *r.functions), 0, ret_fault};
    struct script s = {.loading = true, .reading = &r};
    bool good = read_run(&s, vm, &info, limits);
    vm_free(vm);
    info.functions = r.functions;
    info.functions_len = r.len;
    if (good)
        *ret_info = info;
    else
        free(r.functions);
    return good;
}
