/* lcs.c - the longest common subsequence of two strings, by the table of lengths, which is as large
 * as their product, and bounded. */
#include "command/command_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

struct lcs {
    struct slice a, b;
    uint32_t *length; /* of prefixes: (a.len + 1) x (b.len + 1) */
};

struct lcs_options {
    bool len, index, with_len;
    int64_t min_len;
};

static uint32_t *cell(const struct lcs *l, size_t i, size_t j)
{
    return &l->length[i * (l->b.len + 1) + j];
}

static void table_fill(struct lcs *l)
{
    for (size_t i = 1; i <= l->a.len; i++) {
        for (size_t j = 1; j <= l->b.len; j++) {
            uint32_t up = *cell(l, i - 1, j), left = *cell(l, i, j - 1);
            *cell(l, i, j) = l->a.data[i - 1] == l->b.data[j - 1] ? *cell(l, i - 1, j - 1) + 1
                             : up > left                          ? up
                                                                  : left;
        }
    }
}

/* A run that both have; offsets of its first and last byte. */
struct run {
    bool open;
    size_t a_from, a_to, b_from, b_to;
};

struct runs {
    const struct lcs_options *o;
    struct buf *out;
    bool resp3;
    uint64_t len;
};

static void run_write(struct runs *all, const struct run *r)
{
    size_t len = r->a_to - r->a_from + 1;
    if (!r->open || (int64_t)len < all->o->min_len)
        return;
    resp_array(all->out, all->o->with_len ? 3 : 2);
    resp_array(all->out, 2);
    resp_integer(all->out, (int64_t)r->a_from);
    resp_integer(all->out, (int64_t)r->a_to);
    resp_array(all->out, 2);
    resp_integer(all->out, (int64_t)r->b_from);
    resp_integer(all->out, (int64_t)r->b_to);
    if (all->o->with_len)
        resp_integer(all->out, (int64_t)len);
    all->len++;
}

/* Back from the end of the table: the bytes go to `text` from its end, the runs to `all`. */
static void walk_back(const struct lcs *l, uint8_t *text, struct runs *all)
{
    size_t i = l->a.len, j = l->b.len, at = *cell(l, i, j);
    struct run r = {0};
    while (i > 0 && j > 0) {
        if (l->a.data[i - 1] == l->b.data[j - 1]) {
            text[--at] = l->a.data[i - 1];
            if (r.open && r.a_from == i && r.b_from == j) {
                r.a_from = i - 1;
                r.b_from = j - 1;
            } else {
                run_write(all, &r);
                r = (struct run){true, i - 1, i - 1, j - 1, j - 1};
            }
            i--;
            j--;
        } else if (*cell(l, i - 1, j) > *cell(l, i, j - 1)) {
            i--;
        } else {
            j--;
        }
    }
    run_write(all, &r);
}

static bool options_take(struct call *c, struct lcs_options *o)
{
    for (uint32_t i = 3; i < c->args_len; i++) {
        if (arg_is(c->args[i], "idx")) {
            o->index = true;
        } else if (arg_is(c->args[i], "len")) {
            o->len = true;
        } else if (arg_is(c->args[i], "withmatchlen")) {
            o->with_len = true;
        } else if (arg_is(c->args[i], "minmatchlen") && i + 1 < c->args_len) {
            if (!arg_integer(c->args[++i], &o->min_len)) {
                reply_error(c, NOT_INTEGER);
                return false;
            }
            o->min_len = o->min_len < 0 ? 0 : o->min_len;
        } else {
            reply_error(c, SYNTAX);
            return false;
        }
    }
    if (o->index && o->len)
        reply_error(c, "ERR If you want both the length and indexes, please just use IDX.");
    return !(o->index && o->len);
}

static void lcs_reply(struct call *c, const struct lcs *l, const struct lcs_options *o)
{
    uint32_t len = *cell(l, l->a.len, l->b.len);
    struct buf runs = BUF_INIT;
    struct runs all = {o, &runs, resp3(c), 0};
    if (o->len) {
        reply_integer(c, len);
        return;
    }
    uint8_t *text = call_alloc(c, len + 1);
    walk_back(l, text, &all);
    if (o->index) {
        resp_map(c->raw, 2, resp3(c));
        resp_bulk(c->raw, slice_str("matches"));
        resp_array(c->raw, all.len);
        buf_add(c->raw, runs.data, runs.len);
        resp_bulk(c->raw, slice_str("len"));
        resp_integer(c->raw, len);
        reply_raw(c);
    } else {
        reply_bulk(c, slice_make(text, len));
    }
    buf_release(&runs);
}

void command_lcs(struct call *c)
{
    struct lcs_options o = {0};
    struct lcs l = {0};
    const struct entry *a = call_entry(c, 0), *b = call_entry(c, 1);
    if ((a && !value_is_bytes(entry_type(a))) || (b && !value_is_bytes(entry_type(b)))) {
        reply_error(c, "ERR The specified keys must contain string values");
        return;
    }
    if (!options_take(c, &o))
        return;
    l.a = string_of(a);
    l.b = string_of(b);
    if ((l.a.len + 1) > call_value_max(c) / sizeof(uint32_t) / (l.b.len + 1)) {
        reply_error(c, "ERR Insufficient memory, transient memory for LCS exceeds "
                       "proto-max-bulk-len");
        return;
    }
    l.length = xcalloc((l.a.len + 1) * (l.b.len + 1), sizeof *l.length);
    table_fill(&l);
    lcs_reply(c, &l, &o);
    free(l.length);
}
