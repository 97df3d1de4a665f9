/* http_text.c - small readers, each with bounds. */
#include "session/http_text.h"

#include <strings.h>

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool percent_decode(struct slice s, bool plus, uint8_t *out, size_t *ret_len)
{
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c == '%') {
            int high = i + 2 < s.len ? hex_digit(s.data[i + 1]) : -1;
            int low = i + 2 < s.len ? hex_digit(s.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        out[len++] = c;
    }
    *ret_len = len;
    return true;
}

bool digits_parse(struct slice s, uint64_t *ret_number)
{
    uint64_t n = 0;
    if (!s.len)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)s.data[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, digit, &n))
            return false;
    }
    *ret_number = n;
    return true;
}

bool integer_parse(struct slice s, int64_t *ret_number)
{
    bool negative = s.len && s.data[0] == '-';
    uint64_t n;
    if (!digits_parse(slice_make(s.data + negative, s.len - negative), &n) ||
        n > (uint64_t)INT64_MAX + negative)
        return false;
    *ret_number = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

bool duration_parse(struct slice s, msec_t *ret_ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    size_t digits = 0;
    uint64_t n;
    while (digits < s.len && s.data[digits] >= '0' && s.data[digits] <= '9')
        digits++;
    if (!digits_parse(slice_make(s.data, digits), &n) || !n)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (!word_is(slice_make(s.data + digits, s.len - digits), units[i].unit))
            continue;
        return !__builtin_mul_overflow(n, units[i].ms, &n) && (*ret_ms = n, true);
    }
    return false;
}

bool word_is(struct slice s, const char *word)
{
    size_t len = strlen(word);
    return s.len == len && (!len || strncasecmp((const char *)s.data, word, len) == 0);
}

/* --- entity tags ------------------------------------------------------------------------------ */

static void skip_space(struct slice *s)
{
    while (s->len && (s->data[0] == ' ' || s->data[0] == '\t'))
        *s = slice_make(s->data + 1, s->len - 1);
}

/* One tag from the front of *s, which must have one. */
static bool tag_take(struct slice *s, bool weak, struct tags *t)
{
    bool is_weak = s->len > 1 && s->data[0] == 'W' && s->data[1] == '/';
    size_t open = is_weak ? 2 : 0;
    if (s->len < open + 2 || s->data[open] != '"')
        return false;
    const uint8_t *text = s->data + open + 1;
    const uint8_t *close = memchr(text, '"', s->len - open - 1);
    uint64_t version;
    if (!close)
        return false;
    struct slice inner = slice_make(text, (size_t)(close - text));
    *s = slice_make(close + 1, s->len - (size_t)(close + 1 - s->data));
    if ((is_weak && !weak) || !digits_parse(inner, &version) || !version || inner.data[0] == '0')
        return true;
    if (t->len == TAGS_MAX)
        return false;
    t->versions[t->len++] = version;
    return true;
}

bool tags_parse(struct slice s, bool weak, struct tags *ret_tags)
{
    ret_tags->any = false;
    ret_tags->len = 0;
    skip_space(&s);
    if (s.len && s.data[0] == '*') {
        s = slice_make(s.data + 1, s.len - 1);
        skip_space(&s);
        ret_tags->any = true;
        return s.len == 0;
    }
    if (!s.len)
        return false;
    while (s.len) {
        if (!tag_take(&s, weak, ret_tags))
            return false;
        skip_space(&s);
        if (!s.len)
            return true;
        if (s.data[0] != ',')
            return false;
        s = slice_make(s.data + 1, s.len - 1);
        skip_space(&s);
    }
    return false;
}

bool tags_match(const struct tags *t, uint64_t version)
{
    if (!version)
        return false;
    for (unsigned i = 0; i < t->len; i++)
        if (t->versions[i] == version)
            return true;
    return t->any;
}

/* --- chunks ----------------------------------------------------------------------------------- */

/*   SIZE --digit--> SIZE_MORE --;--> EXTENSION      sizes in hexadecimal, at most 8 digits
 *                       |  CR            | CR
 *                       v                v
 *                    SIZE_LF --0--> TRAILER --CR--> END_LF --LF--> done
 *                       | left        |  ^ (a line, CR LF)
 *                       v             v  |
 *   SIZE <--LF-- DATA_LF <-- DATA_CR <-- DATA */
enum chunked_state {
    SIZE,
    SIZE_MORE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    TRAILER_LINE,
    TRAILER_LF,
    END_LF,
};
enum { SIZE_DIGITS_MAX = 8, LINE_MAX_BYTES = 256, TRAILERS_MAX_BYTES = 8192 };

/* One byte outside of data; false: it must not stand there. */
static bool chunked_byte(struct chunked *c, uint8_t byte)
{
    int digit = hex_digit(byte);
    bool text = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
    switch (c->state) {
    case SIZE:
    case SIZE_MORE:
        if (digit >= 0) {
            c->left = c->left << 4 | (unsigned)digit;
            c->state = SIZE_MORE;
            return ++c->line <= SIZE_DIGITS_MAX;
        }
        if (c->state == SIZE)
            return false;
        c->state = byte == '\r' ? SIZE_LF : EXTENSION;
        return byte == '\r' || byte == ';';
    case EXTENSION:
        c->state = byte == '\r' ? SIZE_LF : EXTENSION;
        return (byte == '\r' || text) && ++c->line <= LINE_MAX_BYTES;
    case SIZE_LF:
        c->state = c->left ? DATA : TRAILER;
        c->line = 0;
        return byte == '\n';
    case DATA_CR:
        c->state = DATA_LF;
        return byte == '\r';
    case DATA_LF:
        c->state = SIZE;
        return byte == '\n';
    case TRAILER:
        c->state = byte == '\r' ? END_LF : TRAILER_LINE;
        return (byte == '\r' || text) && ++c->line <= TRAILERS_MAX_BYTES;
    case TRAILER_LINE:
        c->state = byte == '\r' ? TRAILER_LF : TRAILER_LINE;
        return (byte == '\r' || text) && ++c->line <= TRAILERS_MAX_BYTES;
    case TRAILER_LF:
        c->state = TRAILER;
        return byte == '\n';
    case END_LF:
        return byte == '\n';
    default:
        return false;
    }
}

enum chunked_step chunked_run(struct chunked *c, const uint8_t *data, size_t len, uint8_t *out,
                              size_t *ret_used)
{
    size_t i = 0;
    while (i < len) {
        if (c->state == DATA) {
            size_t n = len - i < c->left ? len - i : (size_t)c->left;
            if (out)
                memcpy(out + c->bytes, data + i, n);
            c->bytes += n;
            c->left -= n;
            c->state = c->left ? DATA : DATA_CR;
            i += n;
            continue;
        }
        bool ends = c->state == END_LF;
        if (!chunked_byte(c, data[i++]))
            return CHUNKED_BAD;
        if (ends) {
            *ret_used = i;
            return CHUNKED_DONE;
        }
    }
    *ret_used = i;
    return CHUNKED_MORE;
}
