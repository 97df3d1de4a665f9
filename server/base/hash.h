/* hash.h - the hashes in use, each for one purpose.
 * Table lookups: XXH3 with a seed drawn at start (flooding-safe enough: 64 bits, secret seed).
 * Placement: CRC16 of the Redis Cluster specification. Integrity on disk: CRC-32C (Castagnoli). */
#ifndef GRIDD_BASE_HASH_H
#define GRIDD_BASE_HASH_H

#include "base/slice.h"

enum { SLOTS = 16384 };

uint64_t hash_key(struct slice key, uint64_t seed);
/* CRC-32C of `data`, continued from `crc` (0 to start). Uses the processor's instruction where there is one. */
uint32_t crc32c(uint32_t crc, struct slice data);
/* The slot 0..16383 of an affinity key: CRC16 (XMODEM) of the whole, or of what stands in the first {...} when it is not empty. */
uint16_t hash_slot(struct slice affinity);

/* The partition of a slot in a context of `partitions` (a power of two <= SLOTS): neighbouring slots stay together. */
static inline uint16_t slot_partition(uint16_t slot, uint32_t partitions)
{
    return (uint16_t)((uint32_t)slot * partitions / SLOTS);
}

#endif
