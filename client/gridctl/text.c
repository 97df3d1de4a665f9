/* text.c - see text.h. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void out_of_memory(void)
{
    fputs("gridctl: out of memory\n", stderr);
    exit(3);
}

void *mem_new(size_t n, size_t bytes)
{
    void *p = calloc(n ? n : 1, bytes ? bytes : 1);
    if (!p)
        out_of_memory();
    return p;
}

void *mem_grow(void *p, size_t n, size_t bytes)
{
    void *grown = reallocarray(p, n ? n : 1, bytes ? bytes : 1);
    if (!grown)
        out_of_memory();
    return grown;
}

void text_reserve(struct text *t, size_t len)
{
    if (len >= SIZE_MAX / 2 - t->len)
        out_of_memory();
    size_t need = t->len + len + 1;
    if (need <= t->size)
        return;
    size_t size = t->size ? t->size : 64;
    while (size < need)
        size *= 2;
    t->data = mem_grow(t->data, size, 1);
    t->data[t->len] = '\0';
    t->size = size;
}

void text_add(struct text *t, const void *data, size_t len)
{
    text_reserve(t, len);
    if (len)
        memcpy(t->data + t->len, data, len);
    t->len += len;
    t->data[t->len] = '\0';
}

void text_add_str(struct text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

void text_addf(struct text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len > 0) {
        text_reserve(t, (size_t)len);
        vsnprintf(t->data + t->len, (size_t)len + 1, format, again);
        t->len += (size_t)len;
    }
    va_end(again);
}

void text_clear(struct text *t)
{
    t->len = 0;
    if (t->data)
        t->data[0] = '\0';
}

void text_release(struct text *t)
{
    free(t->data);
    *t = (struct text){0};
}

const char *text_str(const struct text *t)
{
    return t->data ? t->data : "";
}

/* Bytes of the UTF-8 sequence at `p`, 0 when there is none (overlong, surrogate, out of range,
 * cut off). */
static size_t utf8_len(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool beyond = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
    return overlong || beyond ? 0 : n;
}

bool utf8_valid(const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0, n; i < len; i += n)
        if ((n = utf8_len(p + i, len - i)) == 0)
            return false;
    return true;
}

/* Control characters, of which U+0080..9f are the two-byte ones, would steer a terminal. */
static bool printable(const unsigned char *p, size_t n)
{
    if (n == 1)
        return p[0] >= 0x20 && p[0] != 0x7f && p[0] != '\\';
    return n > 2 || (n == 2 && !(p[0] == 0xc2 && p[1] < 0xa0));
}

/* One byte that cannot stay as it is. */
static void escape_byte(struct text *out, unsigned char c)
{
    if (c == '\t')
        text_add(out, "\\t", 2);
    else if (c == '\n')
        text_add(out, "\\n", 2);
    else if (c == '\\')
        text_add(out, "\\\\", 2);
    else
        text_addf(out, "\\x%02x", c);
}

void escape_add(struct text *out, const void *data, size_t len)
{
    const unsigned char *p = data;
    size_t run = 0; /* what stays as it is and was not added yet begins here */
    for (size_t i = 0; i < len;) {
        size_t n = utf8_len(p + i, len - i);
        if (printable(p + i, n)) {
            i += n;
            continue;
        }
        text_add(out, p + run, i - run);
        escape_byte(out, p[i]);
        run = ++i;
    }
    text_add(out, p + run, len - run);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What the escape at `p` (behind its backslash) stands for; *ret_used 0 when it is none. */
static char unescape_one(const char *p, size_t left, size_t *ret_used)
{
    *ret_used = 1;
    if (left && *p == 't')
        return '\t';
    if (left && *p == 'n')
        return '\n';
    if (left && *p == '\\')
        return '\\';
    *ret_used = 0;
    if (left < 3 || *p != 'x' || hex_digit(p[1]) < 0 || hex_digit(p[2]) < 0)
        return '\\';
    *ret_used = 3;
    return (char)(hex_digit(p[1]) << 4 | hex_digit(p[2]));
}

void unescape_add(struct text *out, const char *data, size_t len)
{
    const char *end = data + len;
    text_reserve(out, len);
    while (data < end) {
        const char *slash = memchr(data, '\\', (size_t)(end - data));
        const char *stop = slash ? slash : end;
        text_add(out, data, (size_t)(stop - data));
        if (!slash)
            break;
        size_t used;
        char c = unescape_one(slash + 1, (size_t)(end - slash - 1), &used);
        text_add(out, &c, 1);
        data = slash + 1 + used;
    }
}

const char *quote(char buf[QUOTE_BYTES], const void *data, size_t len)
{
    enum { SHOWN = 60 };
    struct text t = {0};
    escape_add(&t, data, len < SHOWN ? len : SHOWN);
    size_t shown = t.len < QUOTE_BYTES - 6 ? t.len : QUOTE_BYTES - 6;
    snprintf(buf, QUOTE_BYTES, "\"%.*s\"%s", (int)shown, text_str(&t), len > SHOWN ? "..." : "");
    text_release(&t);
    return buf;
}

static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_add(struct text *out, const void *data, size_t len)
{
    const unsigned char *p = data;
    text_reserve(out, len / 3 * 4 + 4);
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t bits = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                        (n > 2 ? (uint32_t)p[i + 2] : 0);
        char four[4] = {digits64[bits >> 18], digits64[bits >> 12 & 63],
                        n > 1 ? digits64[bits >> 6 & 63] : '=', n > 2 ? digits64[bits & 63] : '='};
        text_add(out, four, 4);
    }
}

bool base64_decode(const char *data, size_t len, struct text *out)
{
    if (len % 4)
        return false;
    size_t pad = len && data[len - 1] == '=' ? (data[len - 2] == '=' ? 2 : 1) : 0;
    uint32_t bits = 0;
    text_reserve(out, len / 4 * 3);
    for (size_t i = 0; i < len; i++) {
        const char *digit = data[i] ? memchr(digits64, data[i], 64) : NULL;
        if (!digit && i < len - pad)
            return false;
        bits = bits << 6 | (digit ? (uint32_t)(digit - digits64) : 0);
        if (i % 4 < 3)
            continue;
        char three[3] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
        text_add(out, three, i + 1 == len ? 3 - pad : 3);
        bits = 0;
    }
    return true;
}

static void json_add_string(struct text *out, const unsigned char *p, size_t len)
{
    text_add(out, "\"", 1);
    for (size_t i = 0, run = 0; i <= len; i++) {
        if (i < len && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\' && p[i] != 0x7f)
            continue;
        text_add(out, p + run, i - run);
        run = i + 1;
        if (i == len)
            break;
        if (p[i] == '"' || p[i] == '\\')
            text_addf(out, "\\%c", p[i]);
        else
            text_addf(out, "\\u%04x", p[i]);
    }
    text_add(out, "\"", 1);
}

void json_add_bytes(struct text *out, const void *data, size_t len)
{
    if (utf8_valid(data, len)) {
        json_add_string(out, data, len);
        return;
    }
    text_add_str(out, "{\"base64\": \"");
    base64_add(out, data, len);
    text_add_str(out, "\"}");
}
