/* sha1.c - one block of 64 bytes after the other; the last ones hold the length. */
#include "base/sha1.h"

#include <string.h>

enum { BLOCK = 64, LENGTH_AT = 56 };

static uint32_t roll(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static void block_add(uint32_t h[5], const uint8_t *block)
{
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (unsigned i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (unsigned i = 16; i < 80; i++)
        w[i] = roll(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (unsigned i = 0; i < 80; i++) {
        uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                     : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                     : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                              : (b ^ c ^ d) + 0xca62c1d6;
        uint32_t next = roll(a, 5) + f + e + w[i];
        e = d;
        d = c;
        c = roll(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void sha1(struct slice data, uint8_t ret_digest[SHA1_BYTES])
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t last[2 * BLOCK] = {0};
    size_t at = 0;
    for (; data.len - at >= BLOCK; at += BLOCK)
        block_add(h, data.data + at);
    size_t rest = data.len - at, blocks = rest < LENGTH_AT ? 1 : 2;
    if (rest)
        memcpy(last, data.data + at, rest);
    last[rest] = 0x80;
    uint64_t bits = (uint64_t)data.len * 8;
    for (unsigned i = 0; i < 8; i++)
        last[blocks * BLOCK - 1 - i] = (uint8_t)(bits >> (8 * i));
    for (size_t i = 0; i < blocks; i++)
        block_add(h, last + i * BLOCK);
    for (unsigned i = 0; i < SHA1_BYTES; i++)
        ret_digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

void sha1_hex(struct slice data, char ret_hex[SHA1_HEX])
{
    uint8_t digest[SHA1_BYTES];
    sha1(data, digest);
    for (unsigned i = 0; i < SHA1_BYTES; i++) {
        ret_hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        ret_hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
}
