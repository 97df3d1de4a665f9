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

/* --- arguments -------------------------------------------------------------------------------- */

bool arg_is(struct slice arg, const char *word)
{
    for (size_t i = 0; i < arg.len; i++) {
        uint8_t b = arg.data[i];
        b = b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b;
        if (!word[i] || b != (uint8_t)word[i])
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
    char digits[INTEGER_BYTES];
    size_t at = INTEGER_BYTES;
    uint64_t n = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    if (number < 0)
        digits[--at] = '-';
    memcpy(out, digits + at, INTEGER_BYTES - at);
    return INTEGER_BYTES - at;
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
