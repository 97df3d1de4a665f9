/* bits.c - strings as rows of bits; bit 0 is the highest one of the first byte. */
#include "command/command_priv.h"

#define NOT_OFFSET "ERR bit offset is not an integer or out of range"
#define NOT_BIT "ERR bit is not an integer or out of range"

/* --- one -------------------------------------------------------------------------------------- */

static bool offset_parse(struct call *c, struct slice text, uint64_t *ret_offset)
{
    int64_t n;
    if (arg_integer(text, &n) && n >= 0 && (uint64_t)n / 8 < call_value_max(c)) {
        *ret_offset = (uint64_t)n;
        return true;
    }
    reply_error(c, NOT_OFFSET);
    return false;
}

/* What lies behind the end is 0. */
static bool bit_at(struct slice s, uint64_t at)
{
    return at / 8 < s.len && s.data[at / 8] >> (7 - at % 8) & 1;
}

void command_getbit(struct call *c)
{
    uint64_t at;
    const struct entry *e;
    if (offset_parse(c, c->args[2], &at) && string_entry(c, 0, &e))
        reply_integer(c, bit_at(string_of(e), at));
}

void command_setbit(struct call *c)
{
    uint64_t at;
    int64_t bit;
    const struct entry *e;
    if (!offset_parse(c, c->args[2], &at))
        return;
    if (!arg_integer(c->args[3], &bit) || bit < 0 || bit > 1) {
        reply_error(c, NOT_BIT);
        return;
    }
    if (!string_entry(c, 0, &e))
        return;
    struct slice old = string_of(e);
    bool was = bit_at(old, at);
    reply_integer(c, was);
    if (was == bit && at / 8 < old.len)
        return;
    size_t len = at / 8 < old.len ? old.len : at / 8 + 1;
    uint8_t *value = call_alloc(c, len);
    memset(value, 0, len);
    if (old.len)
        memcpy(value, old.data, old.len);
    uint8_t mask = (uint8_t)(0x80 >> at % 8);
    value[at / 8] = (uint8_t)(bit ? value[at / 8] | mask : value[at / 8] & ~mask);
    call_put(c, 0, VALUE_BYTES, slice_make(value, len), e ? entry_deadline(e) : call_deadline(c));
}

/* --- ranges ----------------------------------------------------------------------------------- */

/* Of bits, the last one with it; empty when from > to. */
struct bits {
    int64_t from, to;
};

/* BYTE or BIT. False: another word; the reply says so. */
static bool unit_parse(struct call *c, uint32_t at, int64_t *ret_bits)
{
    bool bit = arg_is(c->args[at], "bit");
    *ret_bits = bit ? 1 : 8;
    if (bit || arg_is(c->args[at], "byte"))
        return true;
    reply_error(c, SYNTAX);
    return false;
}

/* `from` and `to` in units of `unit` bits; negative: from the end of a string of `len` bytes. */
static struct bits bits_of(int64_t from, int64_t to, int64_t unit, size_t len)
{
    int64_t total = (int64_t)len * 8 / unit;
    from = from < 0 ? from + total : from;
    to = to < 0 ? to + total : to;
    from = from < 0 ? 0 : from;
    to = to < 0 ? 0 : to;
    to = to >= total ? total - 1 : to;
    if (from > to)
        return (struct bits){0, -1};
    return (struct bits){from * unit, (to + 1) * unit - 1};
}

/* Of the byte that holds bit `at`: the bits that lie in the range, which `at` does. */
static uint8_t byte_in(struct slice s, int64_t at, struct bits r, uint8_t flip)
{
    uint8_t byte = (uint8_t)(s.data[at / 8] ^ flip);
    int64_t first = at / 8 * 8;
    if (r.from > first)
        byte &= (uint8_t)(0xff >> (r.from - first));
    if (r.to < first + 7)
        byte &= (uint8_t)(0xff << (first + 7 - r.to));
    return byte;
}

static int64_t bits_count(struct slice s, struct bits r)
{
    int64_t n = 0, at = r.from;
    while (at <= r.to) {
        uint64_t word;
        if (at % 8 == 0 && r.to - at >= 63) {
            memcpy(&word, s.data + at / 8, sizeof word);
            at += 64;
        } else {
            word = byte_in(s, at, r, 0);
            at = at / 8 * 8 + 8;
        }
        n += __builtin_popcountll(word);
    }
    return n;
}

/* -1: none. */
static int64_t bits_find(struct slice s, struct bits r, bool bit)
{
    uint8_t flip = bit ? 0 : 0xff;
    for (int64_t at = r.from; at <= r.to; at = at / 8 * 8 + 8) {
        uint8_t byte = byte_in(s, at, r, flip);
        if (byte)
            return at / 8 * 8 + __builtin_clz(byte) - 24;
    }
    return -1;
}

void command_bitcount(struct call *c)
{
    const struct entry *e;
    int64_t from = 0, to = -1, unit = 8;
    if (!string_entry(c, 0, &e))
        return;
    if (!e) {
        reply_integer(c, 0);
        return;
    }
    if (c->args_len == 3 || c->args_len > 5) {
        reply_error(c, SYNTAX);
        return;
    }
    if (c->args_len > 3 && (!arg_integer(c->args[2], &from) || !arg_integer(c->args[3], &to))) {
        reply_error(c, NOT_INTEGER);
        return;
    }
    bool backwards = from < 0 && to < 0 && from > to;
    if (!backwards && c->args_len == 5 && !unit_parse(c, 4, &unit))
        return;
    struct slice s = string_of(e);
    reply_integer(c, backwards ? 0 : bits_count(s, bits_of(from, to, unit, s.len)));
}

/* BITPOS key bit [from [to [unit]]]: false: the reply says why. */
static bool range_parse(struct call *c, size_t len, struct bits *ret_range)
{
    int64_t from = 0, to = -1, unit = 8;
    if (c->args_len > 6) {
        reply_error(c, SYNTAX);
        return false;
    }
    if (c->args_len > 3 && !arg_integer(c->args[3], &from)) {
        reply_error(c, NOT_INTEGER);
        return false;
    }
    if (c->args_len == 6 && !unit_parse(c, 5, &unit))
        return false;
    if (c->args_len > 4 && !arg_integer(c->args[4], &to)) {
        reply_error(c, NOT_INTEGER);
        return false;
    }
    *ret_range = bits_of(from, to, unit, len);
    return true;
}

void command_bitpos(struct call *c)
{
    int64_t bit;
    const struct entry *e;
    struct bits range;
    if (!arg_integer(c->args[2], &bit)) {
        reply_error(c, NOT_INTEGER);
        return;
    }
    if (bit < 0 || bit > 1) {
        reply_error(c, "ERR The bit argument must be 1 or 0.");
        return;
    }
    if (!string_entry(c, 0, &e))
        return;
    if (!e) {
        reply_integer(c, bit ? -1 : 0);
        return;
    }
    struct slice s = string_of(e);
    if (!range_parse(c, s.len, &range))
        return;
    int64_t at = bits_find(s, range, bit);
    bool behind = at < 0 && !bit && c->args_len < 5 && range.from <= range.to; /* zeros follow */
    reply_integer(c, behind ? (int64_t)s.len * 8 : at);
}

/* --- several ---------------------------------------------------------------------------------- */

enum operation { OP_AND, OP_OR, OP_XOR, OP_NOT, OPERATIONS };

static uint8_t combined(enum operation op, uint8_t a, uint8_t b)
{
    switch (op) {
    case OP_AND:
        return a & b;
    case OP_OR:
        return a | b;
    case OP_XOR:
        return a ^ b;
    default:
        return (uint8_t)~b;
    }
}

/* One more source: of a string that is shorter the rest is 0. */
static void combine(enum operation op, uint8_t *to, size_t len, struct slice s)
{
    for (size_t i = 0; i < len; i++)
        to[i] = combined(op, to[i], i < s.len ? s.data[i] : 0);
}

/* Length of the longest source; false: one is no string, and that is the reply. */
static bool sources_len(struct call *c, size_t *ret_len)
{
    *ret_len = 0;
    for (uint32_t i = 1; i < c->keys_len; i++) {
        const struct entry *e;
        if (!string_entry(c, i, &e))
            return false;
        *ret_len = *ret_len > string_of(e).len ? *ret_len : string_of(e).len;
    }
    return true;
}

void command_bitop(struct call *c)
{
    static const char *const words[OPERATIONS] = {"and", "or", "xor", "not"};
    enum operation op = OP_AND;
    size_t len;
    while (op < OPERATIONS && !arg_is(c->args[1], words[op]))
        op++;
    if (op == OPERATIONS) {
        reply_error(c, SYNTAX);
        return;
    }
    if (op == OP_NOT && c->keys_len != 2) {
        reply_error(c, "ERR BITOP NOT must be called with a single source key.");
        return;
    }
    if (!sources_len(c, &len))
        return;
    uint8_t *value = call_alloc(c, len + 1);
    struct slice first = string_of(call_entry(c, 1));
    memset(value, 0, len + 1);
    if (first.len)
        memcpy(value, first.data, first.len);
    for (uint32_t i = op == OP_NOT ? 1 : 2; i < c->keys_len; i++)
        combine(op, value, len, string_of(call_entry(c, i)));
    if (len)
        call_put(c, 0, VALUE_BYTES, slice_make(value, len), call_deadline(c));
    else if (call_entry(c, 0))
        call_remove(c, 0);
    reply_integer(c, (int64_t)len);
}
