/* request_flat.c - a Request without messages within it, read where it lies: all of the hot
 * operations. Fields are numbers and bytes, so this is a table and a loop; it costs a tenth of the
 * general reader and copies nothing. Whatever is unusual in any way (a message, an unknown field,
 * another wire type, a number that does not fit) is left to protobuf-c, which decides what it
 * means; fuzz_request compares the two. */
#include "wire/request_priv.h"

#include <stddef.h>

enum form { LEFT, NUMBER, NUMBER32, SIGNED, FLAG, BYTES, TEXT };
enum { FIELDS = 27, VARINT_BYTES_MAX = 10, VARINT = 0, DELIMITED = 2 };

#define AT(member) offsetof(struct wire_request, member)
/* By field number of client.proto; test_request.c holds it against protobuf-c. */
static const struct {
    uint16_t at;
    uint8_t form; /* enum form */
    uint8_t wire_type;
} fields[FIELDS] = {
    [1] = {AT(number), NUMBER, VARINT},
    [2] = {AT(code), NUMBER32, VARINT},
    [3] = {AT(op.cache), NUMBER32, VARINT},
    [4] = {AT(op.key), BYTES, DELIMITED},
    [5] = {AT(op.value), BYTES, DELIMITED},
    [6] = {AT(op.affinity), BYTES, DELIMITED},
    [7] = {AT(op.session.lowest), NUMBER, VARINT},
    [8] = {AT(op.age_ms), NUMBER, VARINT},
    [9] = {AT(op.condition), NUMBER32, VARINT},
    [10] = {AT(op.version), NUMBER, VARINT},
    [11] = {AT(op.delta), SIGNED, VARINT},
    [12] = {AT(op.ttl), NUMBER32, VARINT},
    [13] = {AT(op.ttl_ms), NUMBER, VARINT},
    [15] = {AT(partition), NUMBER32, VARINT},
    [16] = {AT(op.limit), NUMBER32, VARINT},
    [17] = {AT(op.prefix), BYTES, DELIMITED},
    [18] = {AT(op.cursor), BYTES, DELIMITED},
    [19] = {AT(op.keys_only), FLAG, VARINT},
    [20] = {AT(name), TEXT, DELIMITED},
    [22] = {AT(topology), NUMBER, VARINT},
    [23] = {AT(one_partition), FLAG, VARINT},
    [24] = {AT(media), BYTES, DELIMITED},
    [25] = {AT(type), NUMBER32, VARINT},
    [26] = {AT(op.local), FLAG, VARINT},
};
_Static_assert(sizeof(enum op_condition) == 4 && sizeof(enum op_ttl) == 4, "stored as 32 bits");

/* A varint of which each byte but the last has its high bit set. NULL: cut off or too long. */
static inline const uint8_t *varint_read(const uint8_t *at, const uint8_t *end, uint64_t *ret_v)
{
    if (likely(at < end && *at < 0x80)) {
        *ret_v = *at;
        return at + 1;
    }
    uint64_t v = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX && at < end; i++) {
        uint8_t byte = *at++;
        v |= (uint64_t)(byte & 0x7f) << (7 * i & 63);
        if (byte < 0x80) {
            *ret_v = v;
            return i == VARINT_BYTES_MAX - 1 && byte > 1 ? NULL : at;
        }
    }
    return NULL;
}

/* False: the number does not fit. */
static inline bool number_store(void *to, enum form form, uint64_t v)
{
    switch (form) {
    case NUMBER:
        memcpy(to, &v, sizeof v);
        return true;
    case SIGNED:
        v = v >> 1 ^ (v & 1 ? UINT64_MAX : 0);
        memcpy(to, &v, sizeof v);
        return true;
    case NUMBER32: {
        uint32_t narrow = (uint32_t)v;
        memcpy(to, &narrow, sizeof narrow);
        return v <= UINT32_MAX;
    }
    case FLAG:
        *(bool *)to = v != 0;
        return v <= 1;
    default:
        return false;
    }
}

bool request_flat(struct slice body, struct wire_request *r)
{
    const uint8_t *at = body.data, *end = body.data + body.len;
    while (at < end) {
        uint64_t tag, v;
        at = varint_read(at, end, &tag);
        if (unlikely(!at || tag >> 3 >= FIELDS))
            return false;
        unsigned field = (unsigned)(tag >> 3);
        enum form form = (enum form)fields[field].form;
        if (unlikely(form == LEFT || (tag & 7) != fields[field].wire_type))
            return false;
        at = varint_read(at, end, &v);
        if (unlikely(!at))
            return false;
        void *to = (uint8_t *)r + fields[field].at;
        if (form == BYTES || form == TEXT) {
            if (unlikely(v > (size_t)(end - at) || (form == TEXT && v && memchr(at, 0, v))))
                return false;
            struct slice bytes = v ? slice_make(at, v) : slice_make(NULL, 0);
            memcpy(to, &bytes, sizeof bytes);
            at += v;
        } else if (unlikely(!number_store(to, form, v))) {
            return false;
        }
    }
    return true;
}
