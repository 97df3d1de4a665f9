/* parts.h - the fields of a large hash dealt out to parts by the hash of each field (linear
 * hashing: linear.h), so that who stores it reads and writes only the parts that a change touches.
 * A part is packed as the whole is (fields.h), or empty. Pure; all bytes were found valid. */
#ifndef GRIDD_DATA_PARTS_H
#define GRIDD_DATA_PARTS_H

#include "base/buf.h"
#include "base/slice.h"

/* Bytes sorted by part, in their order within each. */
struct dealt {
    uint8_t *bytes;
    size_t *ends; /* of each part's bytes */
    uint32_t parts;
};

/* Release with dealt_release(). `seed` is the hash's own for ever. O(bytes + parts). */
void parts_deal(struct dealt *d, struct slice packed, uint32_t parts, uint64_t seed);
void parts_deal_edits(struct dealt *d, const struct slice *edits, size_t edits_len, uint32_t parts,
                      uint64_t seed);
void dealt_release(struct dealt *d);

static inline struct slice dealt_part(const struct dealt *d, uint32_t part)
{
    size_t from = part ? d->ends[part - 1] : 0;
    return slice_make(d->bytes + from, d->ends[part] - from);
}

/* The part that part `part` > 0 is split from when it is added. */
uint32_t parts_source(uint32_t part);
/* What of the source goes to the new part `part`, and what stays: appended. */
void parts_split(struct slice packed, uint32_t part, uint64_t seed, struct buf *stay,
                 struct buf *go);
/* How many edits there are: so many parts they touch at most. */
size_t parts_edits(struct slice edits);

#endif
