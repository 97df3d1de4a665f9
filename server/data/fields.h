/* fields.h - the value of type HASH: fields and their values, any bytes, each field once. Pure; one
 * thread.
 *
 *   packed   field after field: v length, field, v length, value    (v = LEB128 varint)
 *            The stored form, and the form in memory while it is at most FIELDS_PACKED_BYTES.
 *   map      struct fields: a hash table in the shard's slab, for larger ones; grows and shrinks by
 *            steps, is changed in place
 *   edits    what a record says of a change: u8 EDIT_SET, v length, field, v length, value
 *                                          | u8 EDIT_REMOVE, v length, field
 *            applied in order; a field may come more than once
 *
 * A view reads either form. Invariant (fields_check): each field is found by its hash; len and
 * bytes are exact. */
#ifndef GRIDD_DATA_FIELDS_H
#define GRIDD_DATA_FIELDS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "data/slab.h"

struct fields; /* opaque: the map */

enum {
    FIELDS_PACKED_BYTES = 1024,
    FIELDS_BYTES_MAX = 1 << 30, /* of the packed form of any hash */
};
enum { EDIT_SET = 1, EDIT_REMOVE = 2 };

/* --- reading ---------------------------------------------------------------------------------- */

/* One of the two forms; borrowed. */
struct fields_view {
    const struct fields *map; /* NULL: packed */
    struct slice packed;
};

/* Fields; O(1) of a map. */
uint64_t fields_len(struct fields_view v);
/* Bytes of its packed form. O(1). */
size_t fields_packed_bytes(struct fields_view v);
/* False: no such field. */
bool fields_get(struct fields_view v, struct slice field, struct slice *ret_value);
typedef void fields_each_fn(void *ctx, struct slice field, struct slice value);
void fields_each(struct fields_view v, fields_each_fn *each, void *ctx);
/* Visit some fields (a bucket) and return the cursor to go on with; 0: done. Start with 0. A field
 * that is there during the whole scan is visited at least once, however the map grows and shrinks
 * meanwhile; packed: all at once. Any number is a safe cursor. */
uint64_t fields_scan(struct fields_view v, uint64_t cursor, fields_each_fn *each, void *ctx);
/* A field, each about as likely as the others; `random`: any number. Not of an empty one. */
void fields_random(struct fields_view v, uint64_t random, struct slice *ret_field,
                   struct slice *ret_value);
/* Append the packed form. */
void fields_store(struct fields_view v, struct buf *out);

/* --- packed form and edits -------------------------------------------------------------------- */

/* Append one field (the caller knows that it is not there yet). */
void fields_pack(struct buf *out, struct slice field, struct slice value);
void fields_edit_set(struct buf *out, struct slice field, struct slice value);
void fields_edit_remove(struct buf *out, struct slice field);
/* Whether bytes from outside are well-formed: shortest varints, no bytes behind, and (packed) no
 * field twice, at least one, at most FIELDS_BYTES_MAX. */
bool fields_packed_valid(struct slice packed);
bool fields_edits_valid(struct slice edits);
/* Append the packed form of `packed` after `edits`, in order. Both were found valid; `packed` may
 * be empty. A field that stays keeps its place, new ones come last. Nothing is appended when no
 * field is left. O(both). */
void fields_fold(struct slice packed, const struct slice *edits, size_t edits_len, struct buf *out);

/* --- the map ---------------------------------------------------------------------------------- */

/* From the packed form. NULL: no memory. */
struct fields *fields_new(struct slab *slab, struct slice packed, uint64_t hash_seed);
void fields_free(struct fields *f); /* NULL is fine. O(fields): see fields_free_some() */
/* Free up to `steps` of its fields and buckets. True: all is gone, `f` too. Until then nothing else
 * may be done with it. */
bool fields_free_some(struct fields *f, unsigned steps);
/* Take the memory that fields_apply() will need; the edits were found valid and stay readable until
 * then. GRID_ENOMEM; GRID_ECORRUPT: no field would be left; GRID_ETOO_LARGE: too many bytes would
 * be. Then nothing is kept. Nothing may come between the two but fields_unstage(), which gives it
 * back. */
MUST_USE
enum grid_err fields_stage(struct fields *f, struct slice edits);
void fields_unstage(struct fields *f);
/* Apply what was staged; cannot fail. */
void fields_apply(struct fields *f);
/* Bring what looking at one field needs into the processor's caches. Each stage waits for the one
 * before: for many, each stage for all. `changes`: it will be written. */
enum { FIELDS_STAGES = 5 };
void fields_prefetch(const struct fields *f, struct slice field, bool changes, int stage);
/* All memory it takes, with rounding, but for what is staged. O(1). */
size_t fields_bytes(const struct fields *f);
/* About what a map of the packed form takes, at least. O(fields). */
size_t fields_bytes_of(struct slice packed);
void fields_check(const struct fields *f);

#endif
