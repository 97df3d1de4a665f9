/* resp_parse.c - one loop over "$length" and bytes; the rest is for what is not whole or not
 * right. */
#include "session/resp_parse.h"

#include "base/alloc.h"
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

enum { SPANS_FIRST = 16, SPANS_KEEP = 4096, TEXT_KEEP = 4096, NUMBER_DIGITS = 18 };

void resp_parser_init(struct resp_parser *p)
{
    *p = (struct resp_parser){.spans_cap = SPANS_FIRST};
    p->spans = xalloc(SPANS_FIRST * sizeof *p->spans);
}

void resp_parser_release(struct resp_parser *p)
{
    free(p->spans);
    p->spans = NULL;
    p->spans_len = p->spans_cap = 0;
    buf_release(&p->text);
}

void resp_parser_next(struct resp_parser *p)
{
    p->args = 0;
    p->spans_len = 0;
    p->at = 0;
    p->whole = false;
    if (unlikely(p->is_inline)) {
        p->is_inline = false;
        p->text.len = 0;
        buf_shrink(&p->text, TEXT_KEEP);
    }
    if (unlikely(p->spans_cap > SPANS_KEEP)) {
        p->spans_cap = SPANS_FIRST;
        p->spans = xrealloc(p->spans, SPANS_FIRST, sizeof *p->spans);
    }
}

static enum resp_parsed broken(struct resp_parser *p, const char *why)
{
    snprintf(p->why, sizeof p->why, "%s", why);
    return RESP_BROKEN;
}

static void span_add(struct resp_parser *p, size_t at, size_t len)
{
    if (unlikely(p->spans_len == p->spans_cap)) {
        p->spans_cap *= 2;
        p->spans = xrealloc(p->spans, p->spans_cap, sizeof *p->spans);
    }
    p->spans[p->spans_len++] = (struct resp_span){(uint32_t)at, (uint32_t)len};
}

/* --- arrays ----------------------------------------------------------------------------------- */

enum line { LINE_MORE, LINE_TOO_LONG, LINE_BAD, LINE_GOOD };

/* `s` has no number; it matters only once its end is there. */
static enum line line_without_number(const uint8_t *s, size_t len)
{
    const uint8_t *end = len ? memchr(s, '\r', len) : NULL;
    if (!end)
        return len > RESP_LINE_MAX ? LINE_TOO_LONG : LINE_MORE;
    return (size_t)(end - s) + 2 > len ? LINE_MORE : LINE_BAD;
}

/* A number up to a line end: no zeros in front, no plus. *ret_used: bytes with the line end. */
static enum line line_number(const uint8_t *s, size_t len, int64_t *ret_number, size_t *ret_used)
{
    size_t sign = len && s[0] == '-', i = sign;
    int64_t n = 0;
    while (i < len && (uint8_t)(s[i] - '0') <= 9 && i - sign < NUMBER_DIGITS)
        n = n * 10 + (s[i++] - '0');
    if (unlikely(i >= len || s[i] != '\r' || i == sign || (s[sign] == '0' && i + sign > 1)))
        return line_without_number(s, len);
    if (unlikely(i + 1 >= len))
        return LINE_MORE;
    *ret_number = sign ? -n : n;
    *ret_used = i + 2;
    return LINE_GOOD;
}

static enum resp_parsed array_begin(struct resp_parser *p, const uint8_t *data, size_t len,
                                    const struct resp_bounds *bounds)
{
    int64_t n = 0;
    size_t used = 0;
    if (likely(len > 3 && data[2] == '\r' && data[1] - (unsigned)'1' < 9)) {
        p->at = 4;
        p->args = data[1] - (unsigned)'0';
        return RESP_WHOLE;
    }
    enum line line = line_number(data + 1, len - 1, &n, &used);
    if (line == LINE_MORE)
        return RESP_MORE;
    if (unlikely(line == LINE_TOO_LONG))
        return broken(p, "Protocol error: too big mbulk count string");
    if (unlikely(line == LINE_BAD || n > RESP_ARGS_MAX))
        return broken(p, "Protocol error: invalid multibulk length");
    if (unlikely(n > 10 && bounds->stranger))
        return broken(p, "Protocol error: unauthenticated multibulk length");
    p->at = 1 + used;
    if (unlikely(n <= 0))
        return RESP_EMPTY;
    p->args = (uint32_t)n;
    return RESP_WHOLE;
}

static enum resp_parsed expected_bulk(struct resp_parser *p, uint8_t got)
{
    snprintf(p->why, sizeof p->why, "Protocol error: expected '$', got '%c'", got);
    return RESP_BROKEN;
}

/* The usual argument: one to three digits of length, and it is whole. Returns the bytes of its
 * head, 0: another. */
static inline size_t short_arg(const uint8_t *s, size_t left, size_t *ret_bulk)
{
    if (unlikely(left < 7 || s[0] != '$'))
        return 0;
    unsigned n = s[1] - (unsigned)'0', digit = s[2] - (unsigned)'0';
    size_t head = 4;
    if (unlikely(n - 1 > 8))
        return 0;
    if (digit <= 9) {
        n = n * 10 + digit;
        digit = s[3] - (unsigned)'0';
        head = 5;
        if (digit <= 9) {
            n = n * 10 + digit;
            head = 6;
        }
    }
    *ret_bulk = n;
    return likely(s[head - 2] == '\r' && left >= head + n + 2) ? head : 0;
}

/* The next argument; p->at moves on only when it is whole. */
static enum resp_parsed array_arg(struct resp_parser *p, const uint8_t *data, size_t len,
                                  const struct resp_bounds *bounds)
{
    const uint8_t *s = data + p->at;
    size_t left = len - p->at, used = 0;
    int64_t n = 0;
    size_t bulk, head = short_arg(s, left, &bulk);
    if (likely(head && p->at + head <= RESP_REQUEST_MAX - bulk - 2)) {
        span_add(p, p->at + head, bulk);
        p->at += head + bulk + 2;
        return RESP_WHOLE;
    }
    if (!left)
        return RESP_MORE;
    enum line line = line_number(s + 1, left - 1, &n, &used);
    if (line == LINE_MORE)
        return RESP_MORE;
    if (unlikely(line == LINE_TOO_LONG))
        return broken(p, "Protocol error: too big bulk count string");
    if (unlikely(s[0] != '$'))
        return expected_bulk(p, s[0]);
    if (unlikely(line == LINE_BAD || n < 0 || (uint64_t)n > bounds->bulk_max))
        return broken(p, "Protocol error: invalid bulk length");
    if (unlikely(n > 16384 && bounds->stranger))
        return broken(p, "Protocol error: unauthenticated bulk length");
    head = 1 + used;
    bulk = (size_t)n;
    if (unlikely(p->at + head > RESP_REQUEST_MAX - bulk - 2))
        return broken(p, "Protocol error: too big request");
    if (left < head + bulk + 2)
        return RESP_MORE;
    span_add(p, p->at + head, bulk);
    p->at += head + bulk + 2;
    return RESP_WHOLE;
}

/* --- lines ------------------------------------------------------------------------------------ */

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint8_t escaped(uint8_t c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

/* What stands between quotes, from s[at] on; returns the place behind the closing one, 0: there is
 * none, or more follows it at once. */
static size_t quoted(struct buf *to, struct slice s, size_t at, uint8_t quote)
{
    for (; at < s.len; at++) {
        const uint8_t *c = s.data + at;
        size_t left = s.len - at;
        if (*c == quote)
            return left == 1 || is_space(c[1]) ? at + 1 : 0;
        if (*c != '\\' || left < 2 || (quote == '\'' && c[1] != '\'')) {
            buf_add_u8(to, *c);
        } else if (quote == '"' && c[1] == 'x' && left > 3 && hex_digit(c[2]) >= 0 &&
                   hex_digit(c[3]) >= 0) {
            buf_add_u8(to, (uint8_t)(hex_digit(c[2]) * 16 + hex_digit(c[3])));
            at += 3;
        } else {
            buf_add_u8(to, quote == '"' ? escaped(c[1]) : c[1]);
            at++;
        }
    }
    return 0;
}

/* One word from s[at] on, which is no space; returns the place behind it, 0: quotes do not
 * match. */
static size_t word(struct buf *to, struct slice s, size_t at)
{
    while (at < s.len && !is_space(s.data[at])) {
        uint8_t c = s.data[at];
        if (c == '"' || c == '\'') {
            at = quoted(to, s, at + 1, c);
            if (!at)
                return 0;
        } else {
            buf_add_u8(to, c);
            at++;
        }
    }
    return at;
}

static enum resp_parsed inline_request(struct resp_parser *p, const uint8_t *data, size_t len)
{
    const uint8_t *end = memchr(data + p->at, '\n', len - p->at);
    if (!end) {
        p->at = len; /* looked at already */
        return len > RESP_LINE_MAX ? broken(p, "Protocol error: too big inline request")
                                   : RESP_MORE;
    }
    struct slice line = slice_make(data, (size_t)(end - data));
    if (line.len > RESP_LINE_MAX)
        return broken(p, "Protocol error: too big inline request");
    p->is_inline = true;
    for (size_t at = 0; at < line.len;) {
        if (is_space(line.data[at])) {
            at++;
            continue;
        }
        size_t from = p->text.len;
        at = word(&p->text, line, at);
        if (!at)
            return broken(p, "Protocol error: unbalanced quotes in request");
        span_add(p, from, p->text.len - from);
    }
    if (p->spans_len)
        buf_reserve(&p->text, 1); /* empty words have a place, too */
    p->at = line.len + 1;
    p->whole = true;
    return p->spans_len ? RESP_WHOLE : RESP_EMPTY;
}

enum resp_parsed resp_parse(struct resp_parser *p, const uint8_t *data, size_t len,
                            const struct resp_bounds *bounds)
{
    if (unlikely(p->whole))
        return RESP_WHOLE;
    if (unlikely(!len))
        return RESP_MORE;
    if (unlikely(data[0] != '*'))
        return inline_request(p, data, len);
    if (!p->args) {
        enum resp_parsed begun = array_begin(p, data, len, bounds);
        if (unlikely(begun != RESP_WHOLE))
            return begun;
    }
    while (p->spans_len < p->args) {
        enum resp_parsed arg = array_arg(p, data, len, bounds);
        if (unlikely(arg != RESP_WHOLE))
            return arg;
    }
    p->whole = true;
    return RESP_WHOLE;
}

void resp_parser_check(const struct resp_parser *p)
{
    CHECK(p->spans_len <= p->spans_cap);
    CHECK(p->is_inline || p->spans_len <= p->args);
    CHECK(!p->whole || p->is_inline || (p->args && p->spans_len == p->args));
    buf_check(&p->text);
}
