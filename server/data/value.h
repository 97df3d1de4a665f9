/* value.h - types of values. A value has a stored form, the same in records, in rows of the
 * checkpoint and between nodes:
 *
 *   BYTES  the bytes themselves
 *   MEDIA  u8 length of a media type (1..127), the media type, the bytes
 *   HASH   fields, packed: fields.h
 *
 * A further type (list, set, sorted set) gets a number here, a file like fields.c, its line in
 * value.c, and its part in what content_change.c does for hashes. */
#ifndef GRIDD_DATA_VALUE_H
#define GRIDD_DATA_VALUE_H

#include "base/slice.h"

#include <stdbool.h>

enum value_type {
    VALUE_BYTES = 0,
    VALUE_MEDIA = 1,
    VALUE_HASH = 2,
    VALUE_TYPES,
};

enum { MEDIA_BYTES_MAX = 127 };

/* Whether bytes from outside are the stored form of a value of that type, which may be any number;
 * whether they are edits that its kind of value takes. */
bool value_valid(unsigned type, struct slice stored);
bool value_edits_valid(unsigned type, struct slice edits);

/* Whether a value of this type is a string of bytes to its users. */
static inline bool value_is_bytes(enum value_type type)
{
    return type <= VALUE_MEDIA;
}

/* The bytes of a BYTES or MEDIA value in its stored form. */
static inline struct slice value_bytes(enum value_type type, struct slice stored)
{
    if (type != VALUE_MEDIA || !stored.len || stored.data[0] >= stored.len)
        return stored;
    size_t head = 1 + (size_t)stored.data[0];
    return slice_make(stored.data + head, stored.len - head);
}

/* Its media type; empty: it has none. */
static inline struct slice value_media(enum value_type type, struct slice stored)
{
    if (type != VALUE_MEDIA || !stored.len || stored.data[0] >= stored.len)
        return slice_make(NULL, 0);
    return slice_make(stored.data + 1, stored.data[0]);
}

#endif
