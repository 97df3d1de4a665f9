/* hash.c - the bytes of a hash value: field after field, each with its length and its value's
 * before it (LEB128). What is read may be anything. */
#include "grid.h"

#include <string.h>

enum { LENGTH_BYTES_MAX = 5 };

static bool take_bytes(const uint8_t **at, const uint8_t *end, struct grid_bytes *ret)
{
    uint64_t len = 0;
    const uint8_t *p = *at;
    unsigned shift = 0;
    do {
        if (p == end || shift == 7 * LENGTH_BYTES_MAX)
            return false;
        len |= (uint64_t)(*p & 0x7f) << shift;
        shift += 7;
    } while (*p++ & 0x80);
    if (len > (uint64_t)(end - p))
        return false;
    *ret = (struct grid_bytes){p, (size_t)len};
    *at = p + len;
    return true;
}

bool grid_hash_next(struct grid_bytes hash, size_t *at, struct grid_bytes *ret_field,
                    struct grid_bytes *ret_value)
{
    struct grid_bytes field, value;
    if (*at >= hash.len)
        return false;
    const uint8_t *start = hash.data, *p = start + *at, *end = start + hash.len;
    if (!take_bytes(&p, end, &field) || !take_bytes(&p, end, &value))
        return false;
    *at = (size_t)(p - start);
    *ret_field = field;
    *ret_value = value;
    return true;
}

static size_t length_bytes(size_t len)
{
    size_t n = 1;
    while (len >>= 7)
        n++;
    return n;
}

static uint8_t *put_bytes(uint8_t *to, struct grid_bytes b)
{
    size_t len = b.len;
    for (; len >= 0x80; len >>= 7)
        *to++ = (uint8_t)(len | 0x80);
    *to++ = (uint8_t)len;
    if (b.len)
        memcpy(to, b.data, b.len);
    return to + b.len;
}

size_t grid_hash_add(void *to, struct grid_bytes field, struct grid_bytes value)
{
    if (to)
        put_bytes(put_bytes(to, field), value);
    return length_bytes(field.len) + field.len + length_bytes(value.len) + value.len;
}
