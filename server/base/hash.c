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
/* crc16_tables[k][x]: CRC16 of byte x with k zero bytes behind it, so that 8 bytes are taken at a
 * time: lookups that do not wait for each other. */
static uint16_t crc16_tables[8][256];

__attribute__((constructor)) static void tables_make(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
        crc32c_table[i] = c;
        for (size_t zeros = 0; zeros < 8; zeros++) {
            uint8_t bytes[8] = {(uint8_t)i};
            crc16_tables[zeros][i] = slot_crc16(bytes, zeros + 1);
        }
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

static uint16_t crc16(const uint8_t *p, size_t len)
{
    unsigned crc = 0;
    for (; len >= 8; p += 8, len -= 8)
        crc = (unsigned)(crc16_tables[7][p[0] ^ crc >> 8] ^ crc16_tables[6][p[1] ^ (crc & 0xff)] ^
                         crc16_tables[5][p[2]] ^ crc16_tables[4][p[3]] ^ crc16_tables[3][p[4]] ^
                         crc16_tables[2][p[5]] ^ crc16_tables[1][p[6]] ^ crc16_tables[0][p[7]]);
    for (; len; p++, len--)
        crc = (crc << 8 & 0xff00) ^ crc16_tables[0][(crc >> 8) ^ *p];
    return (uint16_t)crc;
}

uint16_t hash_slot(struct slice affinity)
{
    size_t len = affinity.len;
    const uint8_t *data = slot_tag(affinity.data, &len);
    return crc16(data, len) & (SLOTS - 1);
}
