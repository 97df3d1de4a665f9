/* resp_text.c - words and numbers, as Redis reads them. */
#include "session/resp_text.h"

#include "base/buf.h"
#include "base/glob.h"

#include <ctype.h>
#include <strings.h>

bool resp_word_is(struct slice s, const char *word)
{
    return s.len == strlen(word) && strncasecmp((const char *)s.data, word, s.len) == 0;
}

bool resp_name_fits(struct slice pattern, const char *name)
{
    struct buf small = BUF_INIT;
    for (size_t i = 0; i < pattern.len; i++)
        buf_add_u8(&small, (uint8_t)tolower(pattern.data[i]));
    bool fits = glob_matches(buf_slice(&small), slice_str(name));
    buf_release(&small);
    return fits;
}

bool resp_number(struct slice s, int64_t *ret_number)
{
    size_t sign = s.len && s.data[0] == '-', digits = s.len - sign;
    if (!digits || digits > 19 || (s.data[sign] == '0' && s.len > 1))
        return false;
    uint64_t n = 0, most = (uint64_t)INT64_MAX + sign;
    for (size_t i = sign; i < s.len; i++) {
        uint8_t d = (uint8_t)(s.data[i] - '0');
        if (d > 9)
            return false;
        n = n * 10 + d; /* 19 digits fit */
    }
    if (n > most)
        return false;
    *ret_number = (int64_t)(sign ? 0 - n : n);
    return true;
}

bool resp_memory(struct slice s, int64_t *ret_bytes)
{
    static const struct {
        const char *name;
        int64_t bytes;
    } units[] = {
        {"", 1},        {"b", 1},        {"k", 1000},       {"kb", 1 << 10},
        {"m", 1000000}, {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1 << 30},
    };
    size_t digits = 0;
    while (digits < s.len && (uint8_t)(s.data[digits] - '0') <= 9)
        digits++;
    int64_t n;
    if (!resp_number(slice_make(s.data, digits), &n))
        return false;
    struct slice unit = slice_make(s.data + digits, s.len - digits);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (resp_word_is(unit, units[i].name))
            return !__builtin_mul_overflow(n, units[i].bytes, ret_bytes);
    return false;
}

bool resp_string(struct slice s, char *to, size_t size)
{
    if (s.len >= size || (s.len && memchr(s.data, 0, s.len)))
        return false;
    if (s.len)
        memcpy(to, s.data, s.len);
    to[s.len] = '\0';
    return true;
}
