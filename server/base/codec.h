/* codec.h - bounded reading of hostile bytes, and varints (LEB128, shortest form only).
 * A reader that met anything wrong stays `bad` and yields zeros; look once at the end. */
#ifndef GRIDD_BASE_CODEC_H
#define GRIDD_BASE_CODEC_H

#include "base/buf.h"

enum { VARINT_BYTES_MAX = 10 };

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad;
};

static inline size_t read_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}

/* The next `n` bytes, or NULL (then nothing more can be read). */
static inline const uint8_t *read_bytes(struct reader *r, size_t n)
{
    if (r->bad || n > read_left(r)) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += n;
    return p;
}

static inline uint8_t read_u8(struct reader *r)
{
    const uint8_t *p = read_bytes(r, 1);
    return p ? *p : 0;
}

static inline uint64_t read_u64(struct reader *r)
{
    const uint8_t *p = read_bytes(r, 8);
    return p ? load_u64(p) : 0;
}

/* A number of at most `max`. */
static inline uint64_t read_varint(struct reader *r, uint64_t max)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b = read_u8(r);
        bool longer = b & 0x80, overlong = b == 0 && shift > 0, too_big = shift == 63 && b > 1;
        if (r->bad || overlong || too_big)
            break;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!longer) {
            if (v > max)
                break;
            return v;
        }
    }
    r->bad = true;
    return 0;
}

/* A length of min..max, then that many bytes. */
static inline struct slice read_slice(struct reader *r, size_t min, size_t max)
{
    size_t len = (size_t)read_varint(r, max);
    const uint8_t *p = len >= min ? read_bytes(r, len) : NULL;
    if (!p) {
        r->bad = true;
        len = 0;
    }
    return slice_make(p, len);
}

static inline uint8_t *write_varint(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}

static inline uint8_t *write_u64(uint8_t *p, uint64_t v)
{
    store_u64(p, v);
    return p + 8;
}

static inline uint8_t *write_slice(uint8_t *p, struct slice s)
{
    p = write_varint(p, s.len);
    if (s.len)
        memcpy(p, s.data, s.len);
    return p + s.len;
}

/* Signed numbers as small ones where they are close to zero. */
static inline uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

static inline int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1 ^ (v & 1 ? UINT64_MAX : 0));
}

#endif
