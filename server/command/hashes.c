/* hashes.c - the commands on hashes. A change of a hash that is there is an edit: it costs what it
 * changes, whatever the size of the hash. */
#include "command/command_priv.h"

/* --- changing --------------------------------------------------------------------------------- */

/* Fields set by one command; NULL entry: a new hash. */
struct hash_write {
    const struct entry *entry;
    struct buf bytes; /* edits, or the packed form */
};

/* Edits of a call outlive it in its memory. */
static struct slice kept(struct call *c, struct buf *b)
{
    uint8_t *copy = call_alloc(c, b->len + 1);
    if (b->len)
        memcpy(copy, b->data, b->len);
    struct slice s = slice_make(copy, b->len);
    buf_release(b);
    return s;
}

static void hash_put(struct call *c, const struct entry *e, struct buf *edits)
{
    struct slice bytes = kept(c, edits);
    if (e) {
        call_edit(c, 0, bytes);
        return;
    }
    struct buf packed = BUF_INIT;
    fields_fold(slice_make(NULL, 0), &bytes, 1, &packed);
    call_put(c, 0, VALUE_HASH, kept(c, &packed), call_deadline(c));
}

static bool field_fits(struct call *c, struct slice field, struct slice value)
{
    if (field.len + value.len <= call_value_max(c))
        return true;
    reply_error(c, TOO_LONG);
    return false;
}

static bool has(const struct entry *e, struct slice field)
{
    struct slice value;
    return e && fields_get(entry_fields(e), field, &value);
}

/* Whether args[at] was named as a field by an earlier pair of the command. Commands name few. */
static bool named_before(const struct call *c, uint32_t at)
{
    for (uint32_t i = 2; i < at; i += 2) {
        if (slice_eq(c->args[i], c->args[at]))
            return true;
    }
    return false;
}

enum { FEW_PAIRS = 64 };

/* Fields that are new, each counted once. For many pairs those named twice are found by the packed
 * form of what is new. */
static int64_t fields_new_count(struct call *c, const struct entry *e)
{
    int64_t n = 0;
    struct buf fresh = BUF_INIT;
    for (uint32_t i = 2; i < c->args_len; i += 2) {
        if (has(e, c->args[i]))
            continue;
        if (c->args_len <= FEW_PAIRS * 2)
            n += !named_before(c, i);
        else
            fields_edit_set(&fresh, c->args[i], slice_make(NULL, 0));
    }
    if (fresh.len) {
        struct slice edits = buf_slice(&fresh);
        struct buf packed = BUF_INIT;
        fields_fold(slice_make(NULL, 0), &edits, 1, &packed);
        n = (int64_t)fields_len((struct fields_view){NULL, buf_slice(&packed)});
        buf_release(&packed);
    }
    buf_release(&fresh);
    return n;
}

static bool set_pairs(struct call *c, const char *command, int64_t *ret_new)
{
    const struct entry *e;
    if (c->args_len % 2 == 1) {
        reply_errorf(c, "ERR wrong number of arguments for '%s' command", command);
        return false;
    }
    if (!hash_entry(c, 0, &e))
        return false;
    for (uint32_t i = 2; i < c->args_len; i += 2) {
        if (!field_fits(c, c->args[i], c->args[i + 1]))
            return false;
    }
    struct buf edits = BUF_INIT;
    for (uint32_t i = 2; i < c->args_len; i += 2)
        fields_edit_set(&edits, c->args[i], c->args[i + 1]);
    *ret_new = fields_new_count(c, e);
    hash_put(c, e, &edits);
    return true;
}

void command_hset(struct call *c)
{
    int64_t fresh;
    if (set_pairs(c, "hset", &fresh))
        reply_integer(c, fresh);
}

void command_hmset(struct call *c)
{
    int64_t fresh;
    if (set_pairs(c, "hmset", &fresh))
        reply_ok(c);
}

static void set_one(struct call *c, const struct entry *e, struct slice field, struct slice value)
{
    struct buf edits = BUF_INIT;
    fields_edit_set(&edits, field, value);
    hash_put(c, e, &edits);
}

void command_hsetnx(struct call *c)
{
    const struct entry *e;
    if (!hash_entry(c, 0, &e) || !field_fits(c, c->args[2], c->args[3]))
        return;
    bool fresh = !has(e, c->args[2]);
    if (fresh)
        set_one(c, e, c->args[2], c->args[3]);
    reply_integer(c, fresh);
}

void command_hdel(struct call *c)
{
    const struct entry *e;
    if (!hash_entry(c, 0, &e))
        return;
    struct buf edits = BUF_INIT, there = BUF_INIT;
    for (uint32_t i = 2; e && i < c->args_len; i++) {
        if (!has(e, c->args[i]))
            continue;
        fields_edit_set(&there, c->args[i], slice_make(NULL, 0)); /* each once, folded */
        fields_edit_remove(&edits, c->args[i]);
    }
    int64_t removed = 0;
    if (there.len) {
        struct slice named = buf_slice(&there);
        struct buf packed = BUF_INIT;
        fields_fold(slice_make(NULL, 0), &named, 1, &packed);
        removed = (int64_t)fields_len((struct fields_view){NULL, buf_slice(&packed)});
        buf_release(&packed);
    }
    if (removed && (uint64_t)removed == fields_len(entry_fields(e)))
        call_remove(c, 0);
    else if (removed)
        call_edit(c, 0, kept(c, &edits));
    buf_release(&edits);
    buf_release(&there);
    reply_integer(c, removed);
}

static struct slice value_of(const struct entry *e, struct slice field, bool *ret_there)
{
    struct slice value = {NULL, 0};
    *ret_there = e && fields_get(entry_fields(e), field, &value);
    return value;
}

void command_hincrby(struct call *c)
{
    int64_t by, number = 0;
    bool there;
    const struct entry *e;
    if (!arg_integer(c->args[3], &by)) {
        reply_error(c, NOT_INTEGER);
        return;
    }
    if (!hash_entry(c, 0, &e) || !field_fits(c, c->args[2], c->args[3]))
        return;
    struct slice old = value_of(e, c->args[2], &there);
    if (there && !arg_integer(old, &number)) {
        reply_error(c, "ERR hash value is not an integer");
        return;
    }
    if (__builtin_add_overflow(number, by, &number)) {
        reply_error(c, "ERR increment or decrement would overflow");
        return;
    }
    char text[24];
    set_one(c, e, c->args[2], slice_make(text, integer_format(number, text)));
    reply_integer(c, number);
}

void command_hincrbyfloat(struct call *c)
{
    long double by, number = 0;
    bool there;
    const struct entry *e;
    if (!arg_float(c->args[3], &by)) {
        reply_error(c, NOT_FLOAT);
        return;
    }
    if (!float_finite(by)) {
        reply_error(c, "ERR value is NaN or Infinity");
        return;
    }
    if (!hash_entry(c, 0, &e) || !field_fits(c, c->args[2], c->args[3]))
        return;
    struct slice old = value_of(e, c->args[2], &there);
    if (there && !arg_float(old, &number)) {
        reply_error(c, "ERR hash value is not a float");
        return;
    }
    if (!float_finite(number + by)) {
        reply_error(c, "ERR increment would produce NaN or Infinity");
        return;
    }
    char *text = call_alloc(c, FLOAT_BYTES);
    struct slice value = slice_make(text, float_format(number + by, text));
    set_one(c, e, c->args[2], value);
    reply_bulk(c, value);
}

/* --- reading ---------------------------------------------------------------------------------- */

void command_hget(struct call *c)
{
    bool there;
    const struct entry *e;
    if (!hash_entry(c, 0, &e))
        return;
    struct slice value = value_of(e, c->args[2], &there);
    if (there)
        reply_bulk(c, value);
    else
        reply_null(c);
}

void command_hmget(struct call *c)
{
    const struct entry *e;
    if (!hash_entry(c, 0, &e))
        return;
    resp_array(c->raw, c->args_len - 2);
    for (uint32_t i = 2; i < c->args_len; i++) {
        bool there;
        struct slice value = value_of(e, c->args[i], &there);
        if (there)
            resp_bulk(c->raw, value);
        else
            resp_null(c->raw, resp3(c));
    }
    reply_raw(c);
}

void command_hexists(struct call *c)
{
    const struct entry *e;
    if (hash_entry(c, 0, &e))
        reply_integer(c, has(e, c->args[2]));
}

void command_hlen(struct call *c)
{
    const struct entry *e;
    if (hash_entry(c, 0, &e))
        reply_integer(c, e ? (int64_t)fields_len(entry_fields(e)) : 0);
}

void command_hstrlen(struct call *c)
{
    bool there;
    const struct entry *e;
    if (hash_entry(c, 0, &e))
        reply_integer(c, (int64_t)value_of(e, c->args[2], &there).len);
}

enum shown { SHOW_FIELDS = 1, SHOW_VALUES = 2 };

struct show {
    struct buf *out;
    unsigned what;
};

static void show(void *ctx, struct slice field, struct slice value)
{
    const struct show *s = ctx;
    if (s->what & SHOW_FIELDS)
        resp_bulk(s->out, field);
    if (s->what & SHOW_VALUES)
        resp_bulk(s->out, value);
}

/* All of it in one answer: bounded, as values are. */
static bool all_fits(struct call *c, const struct entry *e)
{
    enum { ALL_BYTES_MAX = 512 << 20 };
    if (!e || fields_packed_bytes(entry_fields(e)) <= ALL_BYTES_MAX)
        return true;
    reply_error(c, "ERR the hash is too large for one answer: use HSCAN");
    return false;
}

static void show_all(struct call *c, unsigned what)
{
    const struct entry *e;
    if (!hash_entry(c, 0, &e) || !all_fits(c, e))
        return;
    uint64_t len = e ? fields_len(entry_fields(e)) : 0;
    struct show s = {c->raw, what};
    if (what == (SHOW_FIELDS | SHOW_VALUES))
        resp_map(c->raw, len, resp3(c));
    else
        resp_array(c->raw, len);
    if (e)
        fields_each(entry_fields(e), show, &s);
    reply_raw(c);
}

void command_hgetall(struct call *c)
{
    show_all(c, SHOW_FIELDS | SHOW_VALUES);
}

void command_hkeys(struct call *c)
{
    show_all(c, SHOW_FIELDS);
}

void command_hvals(struct call *c)
{
    show_all(c, SHOW_VALUES);
}
