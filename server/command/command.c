/* command.c - what the commands share. */
#include "command/command_priv.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* --- replies ---------------------------------------------------------------------------------- */

void reply_errorf(struct call *c, const char *fmt, ...)
{
    enum { LINE_BYTES = 301 };
    char *line = call_alloc(c, LINE_BYTES);
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, LINE_BYTES, fmt, args);
    va_end(args);
    reply_error(c, line);
}

/* --- keys ------------------------------------------------------------------------------------- */

bool string_entry(struct call *c, uint32_t key, const struct entry **ret_entry)
{
    const struct entry *e = call_entry(c, key);
    *ret_entry = e;
    if (likely(!e || value_is_bytes(entry_type(e))))
        return true;
    reply_error(c, WRONG_TYPE);
    return false;
}

bool hash_entry(struct call *c, uint32_t key, const struct entry **ret_entry)
{
    const struct entry *e = call_entry(c, key);
    *ret_entry = e;
    if (likely(!e || entry_type(e) == VALUE_HASH))
        return true;
    reply_error(c, WRONG_TYPE);
    return false;
}

enum { FEW_KEYS = 16 };

struct key_place {
    struct slice key;
    uint32_t at;
};

static int key_place_order(const void *a, const void *b)
{
    const struct key_place *x = a, *y = b;
    int order = slice_cmp(x->key, y->key);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

void keys_unique(struct call *c, struct key_use *use)
{
    struct key_place *places = call_alloc(c, c->keys_len * sizeof *places);
    for (uint32_t i = 0; i < c->keys_len; i++) {
        places[i] = (struct key_place){call_key(c, i), i};
        use[i] = (struct key_use){i, false};
    }
    if (c->keys_len < 2)
        return;
    qsort(places, c->keys_len, sizeof *places, key_place_order);
    for (uint32_t i = 1; i < c->keys_len; i++) {
        if (!slice_eq(places[i].key, places[i - 1].key))
            continue;
        use[places[i].at].first = use[places[i - 1].at].first;
        use[places[i - 1].at].again = true;
    }
}

/* --- arguments -------------------------------------------------------------------------------- */

bool arg_is(struct slice arg, const char *word)
{
    for (size_t i = 0; i < arg.len; i++) {
        uint8_t b = arg.data[i];
        b = b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b;
        if (b != (uint8_t)word[i]) /* also where the word ends */
            return false;
    }
    return word[arg.len] == '\0';
}

bool arg_integer(struct slice text, int64_t *ret_number)
{
    size_t i = 0;
    bool negative = text.len && text.data[0] == '-';
    i += negative;
    size_t digits = text.len - i;
    if (digits == 0 || digits > 19 || (text.data[i] == '0' && (digits > 1 || negative)))
        return false;
    uint64_t n = 0;
    for (; i < text.len; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9)
            return false;
        n = n * 10 + digit; /* 19 digits fit */
    }
    if (n > (uint64_t)INT64_MAX + negative)
        return false;
    *ret_number = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

size_t integer_format(int64_t number, char *out)
{
    return (size_t)snprintf(out, 21, "%lld", (long long)number);
}

bool arg_float(struct slice text, long double *ret_number)
{
    char copy[FLOAT_BYTES];
    char *end;
    if (!text.len || text.len >= sizeof copy || memchr(text.data, 0, text.len) ||
        (text.data[0] <= ' ' || text.data[0] == 127))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    errno = 0;
    long double n = strtold(copy, &end);
    if (end != copy + text.len || isnan(n) ||
        (errno == ERANGE && (n == HUGE_VALL || n == -HUGE_VALL || fpclassify(n) == FP_ZERO)))
        return false;
    *ret_number = n;
    return true;
}

bool float_finite(long double number)
{
    return isfinite(number);
}

size_t float_format(long double number, char *out)
{
    int n = snprintf(out, FLOAT_BYTES, "%.17Lf", number);
    size_t len = n > 0 && n < FLOAT_BYTES ? (size_t)n : 0;
    if (memchr(out, '.', len)) {
        while (out[len - 1] == '0')
            len--;
        len -= out[len - 1] == '.';
    }
    if (len == 2 && out[0] == '-' && out[1] == '0') {
        out[0] = '0';
        len = 1;
    }
    return len;
}

bool deadline_parse(struct call *c, struct slice text, struct expiry_unit unit, const char *command,
                    bool positive, msec_t *ret_deadline)
{
    int64_t n;
    if (!arg_integer(text, &n)) {
        reply_error(c, NOT_INTEGER);
        return false;
    }
    bool fits = !(positive && n <= 0) && n <= INT64_MAX / (int64_t)unit.unit &&
                n >= INT64_MIN / (int64_t)unit.unit;
    if (fits) {
        n *= (int64_t)unit.unit;
        fits = unit.at || n <= INT64_MAX - (int64_t)c->now;
    }
    if (!fits) {
        reply_errorf(c, "ERR invalid expire time in '%s' command", command);
        return false;
    }
    n += unit.at ? 0 : (int64_t)c->now;
    *ret_deadline = n > 0 ? (msec_t)n : 1;
    return true;
}
