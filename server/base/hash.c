/* hash.c - XXH3 from xxhash, CRC16 by table, CRC-32C by SSE4.2 or by table. */
#define XXH_INLINE_ALL
#include "base/hash.h"

#include <xxhash.h>
#ifdef __x86_64__
#include <nmmintrin.h>
#endif

uint64_t hash_key(struct slice key, uint64_t seed)
{
    return XXH3_64bits_withSeed(key.data, key.len, seed);
}

/* Tables of the reflected polynomial 0x82f63b78 and of 0x1021, made at start. */
static uint32_t crc32c_table[256];
static uint16_t crc16_table[256];
static bool crc32c_in_hardware;

__attribute__((constructor)) static void tables_make(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        uint16_t s = (uint16_t)(i << 8);
        for (int bit = 0; bit < 8; bit++) {
            c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
            s = (uint16_t)(s & 0x8000 ? s << 1 ^ 0x1021 : s << 1);
        }
        crc32c_table[i] = c;
        crc16_table[i] = s;
    }
#ifdef __x86_64__
    crc32c_in_hardware = __builtin_cpu_supports("sse4.2");
#endif
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, struct slice data)
{
    const uint8_t *p = data.data, *end = p + data.len;
    uint64_t c = crc;
    for (; end - p >= 8; p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        c = _mm_crc32_u64(c, word);
    }
    for (; p < end; p++)
        c = _mm_crc32_u8((uint32_t)c, *p);
    return (uint32_t)c;
}
#endif

static uint32_t crc32c_bytes(uint32_t crc, struct slice data)
{
    for (size_t i = 0; i < data.len; i++)
        crc = crc >> 8 ^ crc32c_table[(crc ^ data.data[i]) & 0xff];
    return crc;
}

uint32_t crc32c(uint32_t crc, struct slice data)
{
    if (!data.len)
        return crc;
#ifdef __x86_64__
    if (crc32c_in_hardware)
        return ~crc32c_sse42(~crc, data);
#endif
    return ~crc32c_bytes(~crc, data);
}

static uint16_t crc16(struct slice data)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < data.len; i++)
        crc = (uint16_t)(crc << 8 ^ crc16_table[(crc >> 8 ^ data.data[i]) & 0xff]);
    return crc;
}

uint16_t hash_slot(struct slice affinity)
{
    const uint8_t *open = affinity.len ? memchr(affinity.data, '{', affinity.len) : NULL;
    if (open) {
        const uint8_t *start = open + 1;
        size_t rest = (size_t)(affinity.data + affinity.len - start);
        const uint8_t *close = rest ? memchr(start, '}', rest) : NULL;
        if (close && close > start)
            affinity = slice_make(start, (size_t)(close - start));
    }
    return crc16(affinity) & (SLOTS - 1);
}
