/* library.c - sources of modules: the first line, what they register, and what they can be called
 * with. A source is read by a machine of its own, which is gone then. */
#include "compute/library.h"

#include "base/alloc.h"
#include "base/json.h"
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

/* --- redis.register_function ------------------------------------------------------------------ */

/* What a source has registered so far. */
struct reading {
    struct module_function *functions;
    size_t len;
    struct buf *fault;
};

static int raise(lua_State *L, const char *line)
{
    return redis_raise(L, slice_str(line));
}

/* The string or number at `at`, which becomes a string in its place; NULL data: it is neither. */
static struct slice text_at(lua_State *L, int at)
{
    size_t len = 0;
    const char *s = lua_isstring(L, at) ? lua_tolstring(L, at, &len) : NULL;
    return slice_make(s, len);
}

static bool help_good(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < ' ' || text.data[i] == 0x7f)
            return false;
    return text.len <= MODULE_HELP_MAX && utf8_valid(text);
}

/* A function as it is declared; its callback is at `callback` of the stack. */
struct declared {
    struct slice name, help;
    int callback;
    unsigned flags;
};

static unsigned flags_read(lua_State *L, int at)
{
    unsigned flags = 0;
    if (lua_type(L, at) != LUA_TTABLE)
        raise(L, "ERR flags argument to redis.register_function must be a table representing "
                 "function flags");
    for (lua_Integer i = 1; lua_rawgeti(L, at, i) != LUA_TNIL; i++) {
        vm_charge(L, 1);
        unsigned flag = lua_type(L, -1) == LUA_TSTRING ? module_flag_named(text_at(L, -1)) : 0;
        if (!flag)
            raise(L, "ERR unknown flag given");
        flags |= flag;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return flags;
}

/* One field of the table: its key is at -2, its value at -1. Both stay on the stack. */
static void field_read(lua_State *L, struct declared *d)
{
    struct slice key = {NULL, 0};
    int value = lua_gettop(L);
    if (lua_type(L, -2) == LUA_TSTRING)
        key = text_at(L, -2);
    if (!key.data) {
        raise(L, "ERR unknown argument given to redis.register_function");
    } else if (word_is(key, "function_name")) {
        d->name = text_at(L, value);
        if (!d->name.data)
            raise(L,
                  "ERR function_name argument given to redis.register_function must be a string");
    } else if (word_is(key, "description")) {
        d->help = text_at(L, value);
        if (!d->help.data)
            raise(L, "ERR description argument given to redis.register_function must be a string");
    } else if (word_is(key, "callback")) {
        d->callback = value;
        if (lua_type(L, value) != LUA_TFUNCTION)
            raise(L, "ERR callback argument given to redis.register_function must be a function");
    } else if (word_is(key, "flags")) {
        d->flags = flags_read(L, value);
    } else {
        raise(L, "ERR unknown argument given to redis.register_function");
    }
}

static void table_read(lua_State *L, struct declared *d)
{
    enum { FIELDS = 4 };
    if (lua_type(L, 1) != LUA_TTABLE)
        raise(L, "ERR calling redis.register_function with a single argument is only applicable to "
                 "Lua table (representing named arguments).");
    lua_pushnil(L);
    for (int i = 0; lua_next(L, 1); i++) {
        if (i == FIELDS)
            raise(L, "ERR unknown argument given to redis.register_function");
        field_read(L, d);
        lua_pushvalue(L, -2); /* the key again; the value stays for who borrows it */
    }
    if (!d->name.data)
        raise(L, "ERR redis.register_function must get a function name argument");
    if (!d->callback)
        raise(L, "ERR redis.register_function must get a callback argument");
}

static void pair_read(lua_State *L, struct declared *d)
{
    d->name = text_at(L, 1);
    d->callback = 2;
    if (!d->name.data)
        raise(L, "ERR first argument to redis.register_function must be a string");
    if (lua_type(L, 2) != LUA_TFUNCTION)
        raise(L, "ERR second argument to redis.register_function must be a function");
}

static void reading_add(lua_State *L, struct reading *r, const struct declared *d)
{
    if (d->name.len > MODULE_NAME_MAX)
        raise(L, "ERR function names have at most 64 characters");
    if (!module_name_good(d->name))
        raise(L, "ERR " BAD_NAME);
    if (!help_good(d->help))
        raise(L, "ERR a description is one line of UTF-8, of at most 255 bytes");
    struct module_function f = {.flags = d->flags};
    memcpy(f.name, d->name.data, d->name.len);
    if (d->help.len)
        memcpy(f.help, d->help.data, d->help.len);
    for (size_t i = 0; i < r->len; i++)
        if (strcasecmp(r->functions[i].name, f.name) == 0)
            raise(L, "ERR Function already exists in the library");
    if (r->len == MODULE_FUNCTIONS_MAX)
        raise(L, "ERR a library has at most 128 functions");
    r->functions[r->len++] = f;
}

int redis_register_function(lua_State *L)
{
    struct script *s = script_of(L);
    struct declared d = {.help = {NULL, 0}};
    int args = lua_gettop(L);
    if (!s->loading) /* a function has kept it */
        return raise(L, "ERR redis.register_function can only be called on FUNCTION LOAD command");
    if (args < 1 || args > 2)
        return raise(L, "ERR wrong number of arguments to redis.register_function");
    if (args == 1)
        table_read(L, &d);
    else
        pair_read(L, &d);
    vm_charge(L, 1 + (d.name.len + d.help.len) / 16);
    if (s->reading) {
        reading_add(L, s->reading, &d);
    } else if (slice_eq(d.name, s->name)) {
        lua_pushvalue(L, d.callback);
        redis_keep_function(L);
    }
    return 0;
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
