/* slot.h - where an affinity key lies, for both sides: CRC16 of the Redis Cluster specification
 * (XMODEM, polynomial 0x1021), {hash tag} included, onto 16384 slots, mapped onto the partitions of
 * a context. Pure. */
#ifndef GRIDD_PROTO_SLOT_H
#define GRIDD_PROTO_SLOT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { SLOTS = 16384 };

/* A byte at a time without a table: x holds what eight steps of the polynomial shift out. */
static inline uint16_t slot_crc16(const uint8_t *data, size_t len)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        uint32_t x = (crc >> 8 ^ data[i]) & 0xff;
        x ^= x >> 4;
        crc = crc << 8 ^ x << 12 ^ x << 5 ^ x;
    }
    return (uint16_t)crc;
}

/* What of an affinity key counts: the whole, or what stands in the first {...} when that is not
 * empty. Returns where it begins; *len is its length. */
static inline const uint8_t *slot_tag(const void *affinity, size_t *len)
{
    const uint8_t *data = affinity;
    const uint8_t *open = *len ? memchr(data, '{', *len) : NULL;
    if (!open)
        return data;
    const uint8_t *start = open + 1;
    size_t rest = *len - (size_t)(start - data);
    const uint8_t *close = rest ? memchr(start, '}', rest) : NULL;
    if (!close || close == start)
        return data;
    *len = (size_t)(close - start);
    return start;
}

/* The slot 0..16383 of an affinity key. */
static inline uint16_t slot_of(const void *affinity, size_t len)
{
    const uint8_t *data = slot_tag(affinity, &len);
    return slot_crc16(data, len) & (SLOTS - 1);
}

/* The partition of a slot in a context of `partitions` (a power of two <= SLOTS): neighbouring
 * slots stay together. */
static inline uint16_t slot_partition(uint16_t slot, uint32_t partitions)
{
    return (uint16_t)((uint32_t)slot * partitions / SLOTS);
}

#endif
