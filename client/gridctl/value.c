/* value.c - see value.h. */
#include "value.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64, HOST_MAX_BYTES = 253 };

struct unit {
    const char *name;
    uint64_t factor;
};

/* Leading digits of *s, which is moved behind them. */
static bool take_digits(const char **s, uint64_t *ret)
{
    uint64_t n = 0;
    const char *p = *s;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (n > (INT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    if (p == *s)
        return false;
    *s = p;
    *ret = n;
    return true;
}

static bool with_unit(const char *s, const struct unit *units, size_t len, uint64_t max,
                      uint64_t *ret)
{
    uint64_t n;
    if (!take_digits(&s, &n))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (strcmp(s, units[i].name) != 0)
            continue;
        if (n > max / units[i].factor)
            return false;
        *ret = n * units[i].factor;
        return true;
    }
    return false;
}

bool value_count(const char *s, uint64_t *ret)
{
    static const struct unit one = {"", 1};
    return with_unit(s, &one, 1, INT64_MAX, ret);
}

bool value_integer(const char *s, int64_t *ret)
{
    bool negative = *s == '-';
    uint64_t n;
    if (strcmp(s, "-9223372036854775808") == 0) {
        *ret = INT64_MIN;
        return true;
    }
    if (!value_count(s + (*s == '-' || *s == '+'), &n))
        return false;
    *ret = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

bool value_duration(const char *s, uint64_t plain_ms, uint64_t *ret_ms)
{
    const uint64_t day = 86400000;
    const struct unit units[] = {{"", plain_ms}, {"ms", 1},      {"s", 1000},
                                 {"m", 60000},   {"h", 3600000}, {"d", day}};
    return with_unit(s, units, sizeof units / sizeof *units, 100000 * day, ret_ms);
}

bool value_size(const char *s, uint64_t *ret_bytes)
{
    static const char letters[] = "KMGT";
    const char *last = s;
    uint64_t n, factor = 1;
    if (!take_digits(&last, &n))
        return false;
    const char *letter = *last ? strchr(letters, *last == 'k' ? 'K' : *last) : NULL;
    if (letter) {
        factor = (uint64_t)1 << (10 * (letter - letters + 1));
        last++;
        last += *last == 'i';
    }
    last += *last == 'B';
    if (*last || n > INT64_MAX / factor)
        return false;
    *ret_bytes = n * factor;
    return true;
}

static bool letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool value_name(const char *s, size_t len)
{
    if (len == 0 || len > NAME_MAX_BYTES || !letter_or_digit(s[0]))
        return false;
    for (size_t i = 1; i < len; i++)
        if (!letter_or_digit(s[i]) && s[i] != '_' && s[i] != '-' && s[i] != '.')
            return false;
    return true;
}

bool value_cache_path(const char *s)
{
    const char *slash = strchr(s, '/');
    return slash && value_name(s, (size_t)(slash - s)) && value_name(slash + 1, strlen(slash + 1));
}

bool value_ip(const char *s)
{
    struct in6_addr ip;
    return inet_pton(AF_INET, s, &ip) == 1 || inet_pton(AF_INET6, s, &ip) == 1;
}

bool value_host(const char *s)
{
    size_t len = strlen(s), label = 0;
    if (value_ip(s))
        return true;
    if (len == 0 || len > HOST_MAX_BYTES)
        return false;
    for (size_t i = 0; i <= len; i++) {
        if (i == len || s[i] == '.') {
            if (label == 0 || label > 63 || s[i - 1] == '-')
                return false;
            label = 0;
        } else if (letter_or_digit(s[i]) || s[i] == '_' || (s[i] == '-' && label > 0)) {
            label++;
        } else {
            return false;
        }
    }
    return true;
}

static bool one_endpoint(const char *s, size_t len)
{
    char host[HOST_MAX_BYTES + 3], *end;
    uint64_t port;
    if (len >= HOST_MAX_BYTES + 3 + 6)
        return false;
    char copy[HOST_MAX_BYTES + 3 + 6 + 1];
    memcpy(copy, s, len);
    copy[len] = '\0';
    char *colon = strrchr(copy, ':');
    if (!colon || (size_t)(colon - copy) >= sizeof host || !value_count(colon + 1, &port))
        return false;
    if (port == 0 || port > 65535)
        return false;
    *colon = '\0';
    if (copy[0] != '[')
        return !strchr(copy, ':') && value_host(copy);
    end = strchr(copy, ']');
    if (!end || end[1])
        return false;
    *end = '\0';
    return value_ip(copy + 1);
}

bool value_endpoints(const char *s)
{
    for (;;) {
        size_t len = strcspn(s, ",");
        if (!one_endpoint(s, len))
            return false;
        if (!s[len])
            return true;
        s += len + 1;
    }
}

const char *value_size_text(char buf[VALUE_TEXT_BYTES], uint64_t bytes)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double n = (double)bytes;
    size_t i = 0;
    for (; n >= 1024 && i < sizeof names / sizeof *names - 1; i++)
        n /= 1024;
    snprintf(buf, VALUE_TEXT_BYTES, i == 0 ? "%.0f %s" : "%.1f %s", n, names[i]);
    return buf;
}

const char *value_duration_text(char buf[VALUE_TEXT_BYTES], uint64_t ms)
{
    uint64_t s = ms / 1000;
    if (ms < 1000)
        snprintf(buf, VALUE_TEXT_BYTES, "%" PRIu64 "ms", ms);
    else if (s < 60)
        snprintf(buf, VALUE_TEXT_BYTES, "%.*fs", ms % 1000 ? 1 : 0, (double)(ms / 100) / 10);
    else if (s < 3600)
        snprintf(buf, VALUE_TEXT_BYTES, "%" PRIu64 "m %" PRIu64 "s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(buf, VALUE_TEXT_BYTES, "%" PRIu64 "h %" PRIu64 "m", s / 3600, s / 60 % 60);
    else
        snprintf(buf, VALUE_TEXT_BYTES, "%" PRIu64 "d %" PRIu64 "h", s / 86400, s / 3600 % 24);
    return buf;
}

const char *value_count_text(char buf[VALUE_TEXT_BYTES], uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
    char *out = buf;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return buf;
}
