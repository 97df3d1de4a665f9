/* hash_picks.c - some fields of a hash: HRANDFIELD and HSCAN. */
#include "base/alloc.h"
#include "command/command_priv.h"
#include "base/glob.h"

#include <stdio.h>
#include <stdlib.h>

#define TOO_MUCH "ERR the answer would be too large"

/* --- HRANDFIELD ------------------------------------------------------------------------------- */

struct pair {
    struct slice field, value;
};

static void pairs_write(struct call *c, const struct pair *pairs, uint64_t len, bool values)
{
    bool nested = values && resp3(c);
    resp_array(c->raw, values && !nested ? 2 * len : len);
    for (uint64_t i = 0; i < len; i++) {
        if (nested)
            resp_array(c->raw, 2);
        resp_bulk(c->raw, pairs[i].field);
        if (values)
            resp_bulk(c->raw, pairs[i].value);
    }
    reply_raw(c);
}

struct gather {
    struct pair *pairs;
    uint64_t len;
};

static void gather(void *ctx, struct slice field, struct slice value)
{
    struct gather *g = ctx;
    g->pairs[g->len++] = (struct pair){field, value};
}

/* `count` with repetitions: as much of an answer as the largest value could give at once. */
static void any_fields(struct call *c, struct fields_view v, uint64_t count, bool values)
{
    bool nested = values && resp3(c);
    enum { BULK_BYTES_MIN = 6 };
    size_t bytes_max = call_value_max(c);
    if (count > bytes_max / BULK_BYTES_MIN) {
        reply_error(c, TOO_MUCH);
        return;
    }
    resp_array(c->raw, values && !nested ? 2 * count : count);
    for (uint64_t i = 0; i < count; i++) {
        struct pair p;
        fields_random(v, call_random(c), &p.field, &p.value);
        if (nested)
            resp_array(c->raw, 2);
        resp_bulk(c->raw, p.field);
        if (values)
            resp_bulk(c->raw, p.value);
        if (c->raw->len > bytes_max) {
            reply_error(c, TOO_MUCH);
            return;
        }
    }
    reply_raw(c);
}

/* `count` different ones, each set as likely as the others (Fisher and Yates). */
static void different_fields(struct call *c, struct fields_view v, uint64_t count, bool values)
{
    uint64_t len = fields_len(v);
    struct gather g = {xcalloc(len, sizeof(struct pair)), 0};
    fields_each(v, gather, &g);
    count = count < len ? count : len;
    for (uint64_t i = 0; i < count && count < len; i++) {
        uint64_t at = i + call_random(c) % (len - i);
        struct pair p = g.pairs[i];
        g.pairs[i] = g.pairs[at];
        g.pairs[at] = p;
    }
    pairs_write(c, g.pairs, count, values);
    free(g.pairs);
}

void command_hrandfield(struct call *c)
{
    int64_t count = 0;
    bool values = false;
    if (c->args_len > 2 && !arg_integer(c->args[2], &count)) {
        reply_error(c, NOT_INTEGER);
        return;
    }
    if (count == INT64_MIN) {
        reply_error(c, "ERR value is out of range, value must between -9223372036854775807 and "
                       "9223372036854775807");
        return;
    }
    if (c->args_len > 4 || (c->args_len == 4 && !arg_is(c->args[3], "withvalues"))) {
        reply_error(c, SYNTAX);
        return;
    }
    values = c->args_len == 4;
    if (count < -(INT64_MAX / 2) || (values && count > INT64_MAX / 2)) {
        reply_error(c, "ERR value is out of range");
        return;
    }
    const struct entry *e;
    if (!hash_entry(c, 0, &e))
        return;
    struct pair one;
    if (c->args_len == 2 && e) {
        fields_random(entry_fields(e), call_random(c), &one.field, &one.value);
        reply_bulk(c, one.field);
    } else if (c->args_len == 2) {
        reply_null(c);
    } else if (!e || !count) {
        resp_array(c->raw, 0);
        reply_raw(c);
    } else if (count < 0) {
        any_fields(c, entry_fields(e), (uint64_t)-count, values);
    } else {
        different_fields(c, entry_fields(e), (uint64_t)count, values);
    }
}

/* --- HSCAN ------------------------------------------------------------------------------------ */

bool scan_options(struct call *c, uint32_t first, struct scan_options *ret_options)
{
    struct scan_options o = {.count = 10};
    for (uint32_t i = first; i < c->args_len; i += 2) {
        bool more = i + 1 < c->args_len;
        if (more && arg_is(c->args[i], "count")) {
            if (!arg_integer(c->args[i + 1], &o.count)) {
                reply_error(c, NOT_INTEGER);
                return false;
            }
            if (o.count < 1) {
                reply_error(c, SYNTAX);
                return false;
            }
        } else if (more && arg_is(c->args[i], "match")) {
            o.pattern = c->args[i + 1];
            o.match = !(o.pattern.len == 1 && o.pattern.data[0] == '*');
        } else {
            reply_error(c, SYNTAX);
            return false;
        }
    }
    *ret_options = o;
    return true;
}

bool cursor_parse(struct slice text, uint64_t *ret_cursor)
{
    uint64_t n = 0;
    bool negative = text.len && text.data[0] == '-';
    size_t at = negative || (text.len && text.data[0] == '+');
    if (at && text.len == at)
        return false;
    for (size_t i = at; i < text.len; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, digit, &n))
            return false;
    }
    *ret_cursor = negative ? 0 - n : n;
    return true;
}

struct page {
    const struct scan_options *options;
    struct buf out;
    uint64_t len, seen;
};

static void page_add(void *ctx, struct slice field, struct slice value)
{
    struct page *p = ctx;
    p->seen++;
    if (p->options->match && !glob_matches(p->options->pattern, field))
        return;
    resp_bulk(&p->out, field);
    resp_bulk(&p->out, value);
    p->len += 2;
}

void command_hscan(struct call *c)
{
    uint64_t cursor;
    struct scan_options o = {.count = 1};
    const struct entry *e;
    if (!cursor_parse(c->args[2], &cursor)) {
        reply_error(c, "ERR invalid cursor");
        return;
    }
    if (!hash_entry(c, 0, &e) || (e && !scan_options(c, 3, &o)))
        return;
    struct page p = {&o, BUF_INIT, 0, 0};
    enum { STEPS_PER_FIELD = 10 };
    uint64_t steps = (uint64_t)o.count < UINT64_MAX / 16 ? (uint64_t)o.count * STEPS_PER_FIELD : 0;
    if (!e)
        cursor = 0;
    else
        do
            cursor = fields_scan(entry_fields(e), cursor, page_add, &p);
        while (cursor && steps-- && p.seen < (uint64_t)o.count);
    char text[24];
    resp_array(c->raw, 2);
    resp_bulk(c->raw, slice_make(text, (size_t)snprintf(text, sizeof text, "%llu",
                                                        (unsigned long long)cursor)));
    resp_array(c->raw, p.len);
    buf_add(c->raw, p.out.data, p.out.len);
    buf_release(&p.out);
    reply_raw(c);
}
