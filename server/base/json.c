/* json.c - strings by runs: what needs no escape is copied at once. */
#include "base/json.h"

/* Bytes of the character at `s`, 0: it is none. Table 3-7 of the Unicode standard. */
static size_t character(const uint8_t *s, size_t len)
{
    uint8_t c = s[0], low = 0x80, high = 0xbf;
    size_t more;
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if (more >= len)
        return 0;
    if (c == 0xe0)
        low = 0xa0;
    else if (c == 0xed)
        high = 0x9f;
    else if (c == 0xf0)
        low = 0x90;
    else if (c == 0xf4)
        high = 0x8f;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i <= more; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return more + 1;
}

bool utf8_valid(struct slice s)
{
    for (size_t i = 0; i < s.len;) {
        size_t n = character(s.data + i, s.len - i);
        if (!n)
            return false;
        i += n;
    }
    return true;
}

static void add_escape(struct buf *out, uint8_t c)
{
    static const char shorts[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    for (size_t i = 0; i + 1 < sizeof shorts; i += 2) {
        if ((uint8_t)shorts[i] == c) {
            buf_add_u8(out, '\\');
            buf_add_u8(out, (uint8_t)shorts[i + 1]);
            return;
        }
    }
    buf_printf(out, "\\u%04x", c);
}

void json_add_string(struct buf *out, struct slice s)
{
    size_t from = 0;
    buf_add_u8(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        buf_add(out, s.data + from, i - from);
        add_escape(out, c);
        from = i + 1;
    }
    if (s.len > from)
        buf_add(out, s.data + from, s.len - from);
    buf_add_u8(out, '"');
}

void json_add_bytes(struct buf *out, struct slice s)
{
    if (utf8_valid(s)) {
        json_add_string(out, s);
        return;
    }
    buf_add_text(out, "{\"base64\":\"");
    base64_add(out, s);
    buf_add_text(out, "\"}");
}

void json_add_comma(struct buf *out)
{
    uint8_t last = out->len ? out->data[out->len - 1] : '{';
    if (last != '{' && last != '[')
        buf_add_u8(out, ',');
}

void json_add_name(struct buf *out, const char *name)
{
    json_add_comma(out);
    json_add_string(out, slice_str(name));
    buf_add_u8(out, ':');
}

/* --- base64 ----------------------------------------------------------------------------------- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(struct buf *out, struct slice s, const char *letters, bool padded)
{
    uint8_t *to = buf_reserve(out, (s.len + 2) / 3 * 4), *at = to;
    for (size_t i = 0; i < s.len; i += 3) {
        size_t n = s.len - i < 3 ? s.len - i : 3;
        uint32_t v = (uint32_t)s.data[i] << 16;
        v |= n > 1 ? (uint32_t)s.data[i + 1] << 8 : 0;
        v |= n > 2 ? s.data[i + 2] : 0;
        for (size_t k = 0; k <= n; k++)
            *at++ = (uint8_t)letters[v >> (18 - 6 * k) & 63];
        for (size_t k = n; k < 3 && padded; k++)
            *at++ = '=';
    }
    out->len += (size_t)(at - to);
}

void base64_add(struct buf *out, struct slice s)
{
    encode(out, s, alphabet, true);
}

void base64url_add(struct buf *out, struct slice s)
{
    encode(out, s, alphabet_url, false);
}

static int letter(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(struct slice s, uint8_t *out, size_t *ret_len)
{
    uint32_t v = 0;
    size_t len = 0;
    bool padded = s.len && s.len % 4 == 0;
    for (size_t i = 0; i < 2 && padded && s.data[s.len - 1] == '='; i++)
        s.len--;
    if (s.len % 4 == 1)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        int n = letter(s.data[i]);
        if (n < 0)
            return false;
        v = v << 6 | (uint32_t)n;
        if (i % 4)
            out[len++] = (uint8_t)(v >> (i % 4 == 1 ? 4 : i % 4 == 2 ? 2 : 0));
    }
    *ret_len = len;
    unsigned unused = s.len % 4 == 2 ? 15 : s.len % 4 == 3 ? 3 : 0;
    return (v & unused) == 0;
}
