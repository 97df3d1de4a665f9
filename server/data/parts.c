/* parts.c - dealing fields and edits out: measured first, then put in their places. */
#include "data/parts.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "data/fields_priv.h"
#include "data/linear.h"

#include <stdlib.h>

typedef const uint8_t *next_fn(const uint8_t *at, struct field *ret_field);

static uint32_t part_of(const struct field *f, uint32_t parts, uint64_t seed)
{
    return bucket_address(parts, (uint32_t)hash_key(f->name, seed));
}

/* The bytes of each part, for now where its end will be. */
static void measure(struct dealt *d, next_fn *next, struct slice bytes, uint64_t seed)
{
    struct field f;
    for (const uint8_t *at = bytes.data, *end = slice_end(bytes), *after; at < end; at = after) {
        after = next(at, &f);
        d->ends[part_of(&f, d->parts, seed)] += (size_t)(after - at);
    }
}

/* Sizes become places where each part begins. */
static void sum(struct dealt *d)
{
    size_t total = 0;
    for (uint32_t i = 0; i < d->parts; i++) {
        size_t len = d->ends[i];
        d->ends[i] = total;
        total += len;
    }
    d->bytes = xalloc(total + 1);
}

/* Each place moves on to where its part ends. */
static void place(struct dealt *d, next_fn *next, struct slice bytes, uint64_t seed)
{
    struct field f;
    for (const uint8_t *at = bytes.data, *end = slice_end(bytes), *after; at < end; at = after) {
        after = next(at, &f);
        size_t *to = &d->ends[part_of(&f, d->parts, seed)];
        memcpy(d->bytes + *to, at, (size_t)(after - at));
        *to += (size_t)(after - at);
    }
}

static void deal_begin(struct dealt *d, uint32_t parts)
{
    CHECK(parts > 0);
    *d = (struct dealt){.ends = xcalloc(parts, sizeof *d->ends), .parts = parts};
}

void parts_deal(struct dealt *d, struct slice packed, uint32_t parts, uint64_t seed)
{
    deal_begin(d, parts);
    measure(d, field_next, packed, seed);
    sum(d);
    place(d, field_next, packed, seed);
}

void parts_deal_edits(struct dealt *d, const struct slice *edits, size_t edits_len, uint32_t parts,
                      uint64_t seed)
{
    deal_begin(d, parts);
    for (size_t i = 0; i < edits_len; i++)
        measure(d, edit_next, edits[i], seed);
    sum(d);
    for (size_t i = 0; i < edits_len; i++)
        place(d, edit_next, edits[i], seed);
}

void dealt_release(struct dealt *d)
{
    free(d->bytes);
    free(d->ends);
    *d = (struct dealt){0};
}

uint32_t parts_source(uint32_t part)
{
    return bucket_source(part);
}

void parts_split(struct slice packed, uint32_t part, uint64_t seed, struct buf *stay,
                 struct buf *go)
{
    struct field f;
    for (const uint8_t *at = packed.data, *end = slice_end(packed), *after; at < end; at = after) {
        after = field_next(at, &f);
        buf_add(part_of(&f, part + 1, seed) == part ? go : stay, at, (size_t)(after - at));
    }
}

size_t parts_edits(struct slice edits)
{
    size_t n = 0;
    struct field f;
    for (const uint8_t *at = edits.data, *end = slice_end(edits); at < end; n++)
        at = edit_next(at, &f);
    return n;
}
