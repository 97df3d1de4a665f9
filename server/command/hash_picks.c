/* hash_picks.c - some fields of a hash: HRANDFIELD and HSCAN. */
#include "base/alloc.h"
#include "base/hash.h"
#include "command/command_priv.h"
#include "base/glob.h"

#include <stdio.h>
#include <stdlib.h>

/* --- HRANDFIELD ------------------------------------------------------------------------------- */

struct pair {
    struct slice field, value;
};

static void pair_write(struct call *c, const struct pair *p, bool values)
{
    if (values && resp3(c))
        resp_array(c->raw, 2);
    resp_bulk(c->raw, p->field);
    if (values)
        resp_bulk(c->raw, p->value);
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

/* Whether `count` times an average field is more than an answer may be; then that is the reply. */
static bool too_much(struct call *c, struct fields_view v, uint64_t count, size_t bytes_max)
{
    enum { HEAD_BYTES = 12 };
    uint64_t each = fields_packed_bytes(v) / fields_len(v) + HEAD_BYTES;
    if (count <= bytes_max / each)
        return false;
    reply_error(c, TOO_MUCH);
    return true;
}

/* `count` with repetitions: as much of an answer as the largest value is. */
static void any_fields(struct call *c, struct fields_view v, uint64_t count, bool values)
{
    bool nested = values && resp3(c);
    if (too_much(c, v, count, call_value_max(c)))
        return;
    resp_array(c->raw, values && !nested ? 2 * count : count);
    for (uint64_t i = 0; i < count; i++) {
        struct pair p;
        fields_random(v, call_random(c), &p.field, &p.value);
        if (!answer_fits(c, p.field.len + p.value.len))
            return;
        pair_write(c, &p, values);
    }
    reply_raw(c);
}

/* Fields that were taken: each lies at a place of its own. */
struct taken {
    const uint8_t **slots; /* more than will be taken */
    uint64_t mask;
};

/* False: it was taken before. */
static bool take(struct taken *t, const uint8_t *place)
{
    uint64_t at = hash_key(slice_make(&place, sizeof place), 0) & t->mask;
    while (t->slots[at] && t->slots[at] != place)
        at = (at + 1) & t->mask;
    bool fresh = !t->slots[at];
    t->slots[at] = place;
    return fresh;
}

/* `count` different ones of many more: for what was taken before another one is drawn. False: too
 * often. */
static bool few_fields(struct call *c, struct fields_view v, uint64_t count, bool values)
{
    enum { DRAWS = 16 };
    uint64_t slots = 4, left = count;
    while (slots < 2 * count)
        slots *= 2;
    struct taken t = {xcalloc(slots, sizeof *t.slots), slots - 1};
    resp_array(c->raw, values && !resp3(c) ? 2 * count : count);
    for (uint64_t draws = DRAWS * (count + 1); draws && left; draws--) {
        struct pair p;
        fields_random(v, call_random(c), &p.field, &p.value);
        if (!take(&t, p.field.data))
            continue;
        pair_write(c, &p, values);
        left--;
    }
    free(t.slots);
    if (left)
        c->raw->len = 0;
    else
        reply_raw(c);
    return !left;
}

/* `count` different ones, each set as likely as the others (Fisher and Yates). */
static void shuffled_fields(struct call *c, struct fields_view v, uint64_t count, bool values)
{
    uint64_t len = fields_len(v);
    struct gather g = {xcalloc(len, sizeof(struct pair)), 0};
    fields_each(v, gather, &g);
    count = count < len ? count : len;
    resp_array(c->raw, values && !resp3(c) ? 2 * count : count);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = count < len ? i + call_random(c) % (len - i) : i;
        struct pair p = g.pairs[at];
        g.pairs[at] = g.pairs[i];
        pair_write(c, &p, values);
    }
    free(g.pairs);
    reply_raw(c);
}

static void different_fields(struct call *c, struct fields_view v, uint64_t count, bool values)
{
    enum { MANY = 4 };
    uint64_t len = fields_len(v);
    if (too_much(c, v, count < len ? count : len, ANSWER_BYTES_MAX))
        return;
    if (!v.map || count >= len / MANY || !few_fields(c, v, count, values))
        shuffled_fields(c, v, count, values);
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
    if (values && (count < -(INT64_MAX / 2) || count > INT64_MAX / 2)) {
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

/* What one page may cost: it ends behind the field that reaches a limit. */
enum { PAGE_BYTES = 4 << 20, PAGE_WORK = 1 << 24, FIELD_WORK = 1 << 28 };

struct page {
    const struct scan_options *options;
    struct buf out;
    uint64_t len, seen;
    uint64_t work; /* of the pattern, at most */
    bool refused;  /* it would be too much for one field */
};

static void page_add(void *ctx, struct slice field, struct slice value)
{
    struct page *p = ctx;
    p->seen++;
    if (p->options->match) {
        uint64_t work = (uint64_t)p->options->pattern.len * field.len;
        p->work += work;
        p->refused |= work > FIELD_WORK;
        if (p->refused || !glob_matches(p->options->pattern, field))
            return;
    }
    resp_bulk(&p->out, field);
    resp_bulk(&p->out, value);
    p->len += 2;
}

/* Returns the cursor to go on with. */
static uint64_t page_fill(struct page *p, struct fields_view v, uint64_t cursor)
{
    enum { STEPS_PER_FIELD = 10 }; /* many may be empty */
    uint64_t count = (uint64_t)p->options->count;
    uint64_t steps = count < UINT64_MAX / STEPS_PER_FIELD ? count * STEPS_PER_FIELD : UINT64_MAX;
    do
        cursor = fields_scan(v, cursor, page_add, p);
    while (cursor && --steps && p->seen < count && p->out.len < PAGE_BYTES && p->work < PAGE_WORK);
    return cursor;
}

void command_hscan(struct call *c)
{
    uint64_t cursor;
    struct scan_options o = {0};
    const struct entry *e;
    if (!cursor_parse(c->args[2], &cursor)) {
        reply_error(c, "ERR invalid cursor");
        return;
    }
    if (!hash_entry(c, 0, &e) || (e && !scan_options(c, 3, &o)))
        return;
    struct page p = {.options = &o, .out = BUF_INIT};
    cursor = e ? page_fill(&p, entry_fields(e), cursor) : 0;
    char text[24];
    int len = snprintf(text, sizeof text, "%llu", (unsigned long long)cursor);
    resp_array(c->raw, 2);
    resp_bulk(c->raw, slice_make(text, (size_t)len));
    resp_array(c->raw, p.len);
    buf_add(c->raw, p.out.data, p.out.len);
    buf_release(&p.out);
    if (p.refused)
        reply_error(c, "ERR the pattern is too long for these fields");
    else
        reply_raw(c);
}
