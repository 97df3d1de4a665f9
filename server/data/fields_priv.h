/* fields_priv.h - walking over bytes that were found valid, and the map's side of a view. */
#ifndef GRIDD_DATA_FIELDS_PRIV_H
#define GRIDD_DATA_FIELDS_PRIV_H

#include "data/codec_priv.h"
#include "data/fields.h"

/* One field of a packed form or of edits. */
struct field {
    const uint8_t *at; /* where `v length, field` begins */
    struct slice name;
    struct slice value; /* empty when the edit removes it */
    bool remove;
};

static inline const uint8_t *slice_end(struct slice s)
{
    return s.len ? s.data + s.len : s.data;
}

static inline const uint8_t *varint_next(const uint8_t *p, size_t *ret_number)
{
    size_t n = *p & 0x7f;
    for (unsigned shift = 7; *p++ & 0x80; shift += 7)
        n |= (size_t)(*p & 0x7f) << shift;
    *ret_number = n;
    return p;
}

static inline const uint8_t *bytes_next(const uint8_t *p, struct slice *ret_bytes)
{
    size_t len;
    p = varint_next(p, &len);
    *ret_bytes = slice_make(p, len);
    return p + len;
}

static inline const uint8_t *field_next(const uint8_t *p, struct field *ret_field)
{
    ret_field->at = p;
    ret_field->remove = false;
    return bytes_next(bytes_next(p, &ret_field->name), &ret_field->value);
}

static inline const uint8_t *edit_next(const uint8_t *p, struct field *ret_field)
{
    if (*p == EDIT_SET)
        return field_next(p + 1, ret_field);
    *ret_field = (struct field){.at = p + 1, .remove = true};
    return bytes_next(p + 1, &ret_field->name);
}

/* --- fields_map.c ----------------------------------------------------------------------------- */

uint64_t map_len(const struct fields *f);
size_t map_packed_bytes(const struct fields *f);
bool map_get(const struct fields *f, struct slice field, struct slice *ret_value);
void map_each(const struct fields *f, fields_each_fn *each, void *ctx);
uint64_t map_scan(const struct fields *f, uint64_t cursor, fields_each_fn *each, void *ctx);
void map_random(const struct fields *f, uint64_t random, struct field *ret_field);
void map_store(const struct fields *f, struct buf *out);

#endif
