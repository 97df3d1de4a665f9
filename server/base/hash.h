/* hash.h - the hashes in use, each for one purpose.
 * Table lookups: XXH3 with a seed drawn at start (flooding-safe enough: 64 bits, secret seed).
 * Placement: CRC16 of the Redis Cluster specification. Integrity on disk: CRC-32C (Castagnoli). */
#ifndef GRIDD_BASE_HASH_H
#define GRIDD_BASE_HASH_H

#include "base/slice.h"
#include "proto/slot.h"

uint64_t hash_key(struct slice key, uint64_t seed);
/* CRC-32C of `data`, continued from `crc` (0 to start). Uses the processor's instruction where
 * there is one. */
uint32_t crc32c(uint32_t crc, struct slice data);
/* slot_of() of proto/slot.h, which has slot_partition() too; faster by means of tables. */
uint16_t hash_slot(struct slice affinity);

#endif
