/* strings.c - whole values: SET and GET with all that they can be asked. */
#include "command/command_priv.h"

/* --- options of a time to live ---------------------------------------------------------------- */

enum ttl_word { TTL_NO, TTL_EX, TTL_PX, TTL_EXAT, TTL_PXAT };

static const struct {
    const char *word;
    struct expiry_unit unit;
} ttl_words[] = {
    [TTL_EX] = {"ex", {false, 1000}},
    [TTL_PX] = {"px", {false, 1}},
    [TTL_EXAT] = {"exat", {true, 1000}},
    [TTL_PXAT] = {"pxat", {true, 1}},
};

static enum ttl_word ttl_word(struct slice arg)
{
    for (enum ttl_word w = TTL_EX; w <= TTL_PXAT; w++) {
        if (arg_is(arg, ttl_words[w].word))
            return w;
    }
    return TTL_NO;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Reply with a string or null. False: it is of another type. */
static bool get(struct call *c)
{
    const struct entry *e;
    if (!string_entry(c, 0, &e))
        return false;
    if (likely(e))
        reply_bulk(c, entry_string(e));
    else
        reply_null(c);
    return true;
}

void command_get(struct call *c)
{
    (void)get(c);
}

void command_get_or_null(struct call *c)
{
    const struct entry *e = call_entry(c, 0);
    if (e && value_is_bytes(entry_type(e)))
        reply_bulk(c, entry_string(e));
    else
        reply_null(c);
}

void command_mget(struct call *c)
{
    resp_array(c->raw, c->keys_len);
    for (uint32_t i = 0; i < c->keys_len; i++) {
        const struct entry *e = call_entry(c, i);
        bool there = e && value_is_bytes(entry_type(e));
        if (there && !answer_fits(c, entry_string(e).len))
            return;
        if (there)
            resp_bulk(c->raw, entry_string(e));
        else
            resp_null(c->raw, resp3(c));
    }
    reply_raw(c);
}

void command_strlen(struct call *c)
{
    const struct entry *e;
    if (string_entry(c, 0, &e))
        reply_integer(c, (int64_t)string_of(e).len);
}

void command_getdel(struct call *c)
{
    const struct entry *e = call_entry(c, 0);
    if (get(c) && e)
        call_remove(c, 0);
}

void command_getex(struct call *c)
{
    enum ttl_word ttl = TTL_NO;
    bool persist = false;
    msec_t deadline = 0;
    struct slice when = {NULL, 0};
    for (uint32_t i = 2; i < c->args_len; i++) {
        enum ttl_word w = ttl_word(c->args[i]);
        if (w && (!ttl || ttl == w) && !persist && i + 1 < c->args_len) {
            ttl = w;
            when = c->args[++i];
        } else if (arg_is(c->args[i], "persist") && !ttl) {
            persist = true;
        } else {
            reply_error(c, SYNTAX);
            return;
        }
    }
    const struct entry *e;
    if (!string_entry(c, 0, &e))
        return;
    if (!e) {
        reply_null(c);
        return;
    }
    if (ttl && !deadline_parse(c, when, ttl_words[ttl].unit, "getex", true, &deadline))
        return;
    reply_bulk(c, entry_string(e));
    if (ttl || (persist && entry_deadline(e)))
        call_expire(c, 0, deadline);
}

/* --- writing ---------------------------------------------------------------------------------- */

static bool value_fits(struct call *c, size_t len)
{
    if (likely(len <= call_value_max(c)))
        return true;
    reply_error(c, TOO_LONG);
    return false;
}

static void put(struct call *c, uint32_t key, struct slice value, msec_t deadline)
{
    call_put(c, key, VALUE_BYTES, value, deadline);
}

struct set_options {
    bool absent, present, get, keep;
    enum ttl_word ttl;
    struct slice when;
};

static bool set_option(struct call *c, uint32_t *at, struct set_options *o)
{
    struct slice arg = c->args[*at];
    enum ttl_word w = ttl_word(arg);
    if (arg_is(arg, "nx") && !o->present)
        return o->absent = true;
    if (arg_is(arg, "xx") && !o->absent)
        return o->present = true;
    if (arg_is(arg, "get"))
        return o->get = true;
    if (arg_is(arg, "keepttl") && !o->ttl)
        return o->keep = true;
    if (!w || (o->ttl && o->ttl != w) || o->keep || *at + 1 == c->args_len)
        return false;
    o->ttl = w;
    o->when = c->args[++*at];
    return true;
}

static void set_with(struct call *c, const struct set_options *o)
{
    msec_t deadline = 0;
    const struct entry *e = call_entry(c, 0);
    if (o->ttl && !deadline_parse(c, o->when, ttl_words[o->ttl].unit, "set", true, &deadline))
        return;
    if (o->get && !get(c))
        return;
    if ((o->absent && e) || (o->present && !e)) {
        if (!o->get)
            reply_null(c);
        return;
    }
    if (!o->ttl)
        deadline = o->keep ? (e ? entry_deadline(e) : 0) : call_deadline(c);
    if (!value_fits(c, c->args[2].len))
        return;
    put(c, 0, c->args[2], deadline);
    if (!o->get)
        reply_ok(c);
}

void command_set(struct call *c)
{
    if (likely(c->args_len == 3 && c->args[2].len <= call_value_max(c))) {
        put(c, 0, c->args[2], call_deadline(c));
        reply_ok(c);
        return;
    }
    struct set_options o = {0};
    for (uint32_t i = 3; i < c->args_len; i++) {
        if (!set_option(c, &i, &o)) {
            reply_error(c, SYNTAX);
            return;
        }
    }
    set_with(c, &o);
}

void command_setnx(struct call *c)
{
    bool absent = !call_entry(c, 0);
    if (!value_fits(c, c->args[2].len))
        return;
    if (absent)
        put(c, 0, c->args[2], call_deadline(c));
    reply_integer(c, absent);
}

static void set_for(struct call *c, const char *command, msec_t unit)
{
    msec_t deadline;
    struct expiry_unit from_now = {false, unit};
    if (!deadline_parse(c, c->args[2], from_now, command, true, &deadline) ||
        !value_fits(c, c->args[3].len))
        return;
    put(c, 0, c->args[3], deadline);
    reply_ok(c);
}

void command_setex(struct call *c)
{
    set_for(c, "setex", 1000);
}

void command_psetex(struct call *c)
{
    set_for(c, "psetex", 1);
}

void command_getset(struct call *c)
{
    if (get(c) && value_fits(c, c->args[2].len))
        put(c, 0, c->args[2], call_deadline(c));
}

/* --- many ------------------------------------------------------------------------------------- */

static bool pairs(struct call *c, const char *command)
{
    if (c->args_len % 2 == 1)
        return true;
    reply_errorf(c, "ERR wrong number of arguments for '%s' command", command);
    return false;
}

/* The last value of a key named twice counts. */
static bool put_all(struct call *c)
{
    for (uint32_t i = 0; i < c->keys_len; i++) {
        if (!value_fits(c, c->args[2 + 2 * (size_t)i].len))
            return false;
    }
    for (uint32_t i = 0; i < c->keys_len; i++)
        put(c, i, c->args[2 + 2 * (size_t)i], call_deadline(c));
    return true;
}

void command_mset(struct call *c)
{
    if (pairs(c, "mset") && put_all(c))
        reply_ok(c);
}

void command_msetnx(struct call *c)
{
    if (!pairs(c, "msetnx"))
        return;
    for (uint32_t i = 0; i < c->keys_len; i++) {
        if (call_entry(c, i)) {
            reply_integer(c, 0);
            return;
        }
    }
    if (put_all(c))
        reply_integer(c, 1);
}

/* --- parts of strings ------------------------------------------------------------------------- */

static msec_t kept_deadline(const struct call *c, const struct entry *e)
{
    return e ? entry_deadline(e) : call_deadline(c);
}

void command_append(struct call *c)
{
    const struct entry *e;
    if (!string_entry(c, 0, &e))
        return;
    struct slice old = string_of(e), more = c->args[2];
    if (!value_fits(c, old.len + more.len))
        return;
    uint8_t *value = call_alloc(c, old.len + more.len + 1);
    if (old.len)
        memcpy(value, old.data, old.len);
    if (more.len)
        memcpy(value + old.len, more.data, more.len);
    put(c, 0, slice_make(value, old.len + more.len), kept_deadline(c, e));
    reply_integer(c, (int64_t)(old.len + more.len));
}

void command_getrange(struct call *c)
{
    int64_t from, to;
    const struct entry *e;
    if (!arg_integer(c->args[2], &from) || !arg_integer(c->args[3], &to)) {
        reply_error(c, NOT_INTEGER);
        return;
    }
    if (!string_entry(c, 0, &e))
        return;
    struct slice s = string_of(e);
    int64_t len = (int64_t)s.len;
    bool backwards = from < 0 && to < 0 && from > to;
    from = from < 0 ? from + len : from;
    to = to < 0 ? to + len : to;
    from = from < 0 ? 0 : from;
    to = to < 0 ? 0 : to;
    to = to >= len ? len - 1 : to;
    if (backwards || from > to || len == 0)
        reply_bulk(c, slice_make(NULL, 0));
    else
        reply_bulk(c, slice_make(s.data + from, (size_t)(to - from + 1)));
}

void command_setrange(struct call *c)
{
    int64_t offset;
    const struct entry *e;
    struct slice part = c->args[3];
    if (!arg_integer(c->args[2], &offset)) {
        reply_error(c, NOT_INTEGER);
        return;
    }
    if (offset < 0) {
        reply_error(c, "ERR offset is out of range");
        return;
    }
    if (!string_entry(c, 0, &e))
        return;
    struct slice old = string_of(e);
    if (!part.len) {
        reply_integer(c, (int64_t)old.len);
        return;
    }
    size_t max = call_value_max(c);
    if (part.len > max || (uint64_t)offset > max - part.len) {
        reply_error(c, TOO_LONG);
        return;
    }
    size_t end = (size_t)offset + part.len, len = old.len > end ? old.len : end;
    uint8_t *value = call_alloc(c, len);
    memset(value, 0, len);
    if (old.len)
        memcpy(value, old.data, old.len);
    memcpy(value + offset, part.data, part.len);
    put(c, 0, slice_make(value, len), kept_deadline(c, e));
    reply_integer(c, (int64_t)len);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void add(struct call *c, int64_t by)
{
    const struct entry *e;
    int64_t number = 0;
    if (!string_entry(c, 0, &e))
        return;
    if (e && !arg_integer(entry_string(e), &number)) {
        reply_error(c, NOT_INTEGER);
        return;
    }
    if (__builtin_add_overflow(number, by, &number)) {
        reply_error(c, "ERR increment or decrement would overflow");
        return;
    }
    char *text = call_alloc(c, INTEGER_BYTES);
    put(c, 0, slice_make(text, integer_format(number, text)), kept_deadline(c, e));
    reply_integer(c, number);
}

void command_incr(struct call *c)
{
    add(c, 1);
}

void command_decr(struct call *c)
{
    add(c, -1);
}

void command_incrby(struct call *c)
{
    int64_t by;
    if (arg_integer(c->args[2], &by))
        add(c, by);
    else
        reply_error(c, NOT_INTEGER);
}

void command_decrby(struct call *c)
{
    int64_t by;
    if (!arg_integer(c->args[2], &by))
        reply_error(c, NOT_INTEGER);
    else if (by == INT64_MIN)
        reply_error(c, "ERR decrement would overflow");
    else
        add(c, -by);
}

void command_incrbyfloat(struct call *c)
{
    const struct entry *e;
    long double number = 0, by;
    if (!string_entry(c, 0, &e))
        return;
    if ((e && !arg_float(entry_string(e), &number)) || !arg_float(c->args[2], &by)) {
        reply_error(c, NOT_FLOAT);
        return;
    }
    if (!float_finite(number + by)) {
        reply_error(c, "ERR increment would produce NaN or Infinity");
        return;
    }
    char *text = call_alloc(c, FLOAT_BYTES);
    struct slice value = slice_make(text, float_format(number + by, text));
    put(c, 0, value, kept_deadline(c, e));
    reply_bulk(c, value);
}
