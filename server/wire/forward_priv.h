/* forward_priv.h - the fields of what goes between nodes as tables: forward.c writes by them,
 * forward_decode.c reads. */
#ifndef GRIDD_WIRE_FORWARD_PRIV_H
#define GRIDD_WIRE_FORWARD_PRIV_H

#include "wire/forward.h"

enum forward_how { FORWARD_U8, FORWARD_U16, FORWARD_U32, FORWARD_U64, FORWARD_I64, FORWARD_SLICE };

struct forward_field {
    uint16_t offset;
    uint8_t bit, how;
    uint64_t max;
};

struct forward_fields {
    const struct forward_field *rows;
    uint32_t len;
};

extern const struct forward_fields forward_op_fields, forward_result_fields, forward_item_fields;

/* Bits of an op, none of which is a field's: what else hangs on it. */
enum { FORWARD_SESSION = 1u << 24, FORWARD_BATCH = 1u << 25, FORWARD_CALL = 1u << 26 };
/* ... of a result. */
enum { FORWARD_ITEMS = 1u << 24 };

#endif
