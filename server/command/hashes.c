/* hashes.c - the commands on hashes. A change of a hash that is there is an edit: it costs what it
 * changes, whatever the size of the hash. */
#include "command/command_priv.h"

/* --- changing --------------------------------------------------------------------------------- */

/* Largest number of fields that are compared with each other one by one. */
enum { FEW = 32 };

static bool has(const struct entry *e, struct slice field)
{
    struct slice value;
    return e && fields_get(entry_fields(e), field, &value);
}

/* Whether args[at] was named as a field before: by args[2], args[2 + step] ... */
static bool named_before(const struct call *c, uint32_t at, uint32_t step)
{
    for (uint32_t i = 2; i < at; i += step) {
        if (slice_eq(c->args[i], c->args[at]))
            return true;
    }
    return false;
}

/* Counts different fields among the arguments. Of few, those named twice are found by comparing;
 * of many, by folding them into a hash. */
struct names {
    const struct call *c;
    uint32_t step;
    bool few;
    int64_t len;
    struct buf edits;
};

static struct names names_of(const struct call *c, uint32_t step)
{
    return (struct names){c, step, (c->args_len - 2) / step <= FEW, 0, BUF_INIT};
}

static void names_add(struct names *n, uint32_t at)
{
    if (n->few)
        n->len += !named_before(n->c, at, n->step);
    else
        fields_edit_set(&n->edits, n->c->args[at], slice_make(NULL, 0));
}

static int64_t names_count(struct names *n)
{
    if (n->edits.len) {
        struct slice edits = buf_slice(&n->edits);
        struct buf packed = BUF_INIT;
        fields_fold(slice_make(NULL, 0), &edits, 1, &packed);
        n->len = (int64_t)fields_len((struct fields_view){NULL, buf_slice(&packed)});
        buf_release(&packed);
    }
    buf_release(&n->edits);
    return n->len;
}

/* What one command writes is one record, so it is bounded as a value is. */
static bool fields_fit(struct call *c)
{
    size_t left = call_value_max(c);
    for (uint32_t i = 2; i < c->args_len; i++) {
        if (c->args[i].len > left) {
            reply_error(c, TOO_LONG);
            return false;
        }
        left -= c->args[i].len;
    }
    return true;
}

/* A new hash of the fields and values among the arguments; some may be named twice. */
static void pairs_pack(const struct call *c, bool twice, struct buf *out)
{
    struct buf edits = BUF_INIT;
    for (uint32_t i = 2; i < c->args_len; i += 2) {
        if (twice)
            fields_edit_set(&edits, c->args[i], c->args[i + 1]);
        else
            fields_pack(out, c->args[i], c->args[i + 1]);
    }
    if (twice) {
        struct slice all = buf_slice(&edits);
        fields_fold(slice_make(NULL, 0), &all, 1, out);
    }
    buf_release(&edits);
}

/* Both leave what they write in c->raw: it is not what is answered. */
static void hash_new(struct call *c, bool twice)
{
    pairs_pack(c, twice, c->raw);
    call_put(c, 0, VALUE_HASH, buf_slice(c->raw), call_deadline(c));
}

static void hash_set(struct call *c)
{
    for (uint32_t i = 2; i < c->args_len; i += 2)
        fields_edit_set(c->raw, c->args[i], c->args[i + 1]);
    call_edit(c, 0, buf_slice(c->raw));
}

static bool set_pairs(struct call *c, const char *command, int64_t *ret_new)
{
    const struct entry *e;
    if (c->args_len % 2 == 1) {
        reply_errorf(c, "ERR wrong number of arguments for '%s' command", command);
        return false;
    }
    if (!hash_entry(c, 0, &e) || !fields_fit(c))
        return false;
    struct names fresh = names_of(c, 2);
    for (uint32_t i = 2; i < c->args_len; i += 2) {
        if (!has(e, c->args[i]))
            names_add(&fresh, i);
    }
    *ret_new = names_count(&fresh);
    if (e)
        hash_set(c);
    else
        hash_new(c, (uint64_t)*ret_new * 2 + 2 < c->args_len);
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
    if (e) {
        fields_edit_set(c->raw, field, value);
        call_edit(c, 0, buf_slice(c->raw));
    } else {
        fields_pack(c->raw, field, value);
        call_put(c, 0, VALUE_HASH, buf_slice(c->raw), call_deadline(c));
    }
}

void command_hsetnx(struct call *c)
{
    const struct entry *e;
    if (!hash_entry(c, 0, &e) || !fields_fit(c))
        return;
    bool fresh = !has(e, c->args[2]);
    if (fresh)
        set_one(c, e, c->args[2], c->args[3]);
    reply_integer(c, fresh);
}

void command_hdel(struct call *c)
{
    const struct entry *e;
    if (!hash_entry(c, 0, &e) || !fields_fit(c))
        return;
    struct names there = names_of(c, 1);
    for (uint32_t i = 2; e && i < c->args_len; i++) {
        if (!has(e, c->args[i]))
            continue;
        names_add(&there, i);
        fields_edit_remove(c->raw, c->args[i]);
    }
    int64_t removed = names_count(&there);
    if (removed && (uint64_t)removed == fields_len(entry_fields(e)))
        call_remove(c, 0);
    else if (removed)
        call_edit(c, 0, buf_slice(c->raw));
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
    if (!hash_entry(c, 0, &e) || !fields_fit(c))
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
    char text[INTEGER_BYTES];
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
    if (!hash_entry(c, 0, &e) || !fields_fit(c))
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
        if (!answer_fits(c, value.len))
            return;
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

/* All of it in one answer. */
static bool all_fits(struct call *c, const struct entry *e)
{
    if (!e || fields_packed_bytes(entry_fields(e)) <= ANSWER_BYTES_MAX)
        return true;
    reply_error(c, TOO_MUCH);
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
