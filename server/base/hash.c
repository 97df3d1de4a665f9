/* hash.c - XXH3 from xxhash, CRC-32C by SSE4.2 or by table. */
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

/* Table of the reflected polynomial 0x82f63b78, made at start. */
static uint32_t crc32c_table[256];
static bool crc32c_in_hardware;

__attribute__((constructor)) static void table_make(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
        crc32c_table[i] = c;
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
