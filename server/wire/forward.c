/* forward.c - operations and results between nodes, written. */
#include "wire/forward_priv.h"

#include "base/codec.h"
#include "command/procedures.h"
#include "control/catalog.h"
#include "proto/slot.h"
#include "wire/request.h"

_Static_assert(sizeof(enum op_condition) == 4 && sizeof(enum op_ttl) == 4 &&
                   sizeof(enum reply_kind) == 4 && sizeof(unsigned) == 4,
               "written as 32 bits");

/* X(field, bit, how, limit): U8 is also for bools, U32 for enums; limit: the largest number, or the
 * longest slice. Bits are for ever. */
#define OP_FIELDS(X)                                                                               \
    X(condition, 0, U32, IF_VERSION)                                                               \
    X(ttl, 1, U32, TTL_KEEP)                                                                       \
    X(all_partitions, 2, U8, 1)                                                                    \
    X(keys_only, 3, U8, 1)                                                                         \
    X(numbered, 4, U8, 1)                                                                          \
    X(reads_only, 5, U8, 1)                                                                        \
    X(cache, 6, U32, UINT32_MAX)                                                                   \
    X(partition, 7, U16, PARTITIONS_MAX - 1)                                                       \
    X(slot, 8, U16, SLOTS - 1)                                                                     \
    X(type, 9, U8, VALUE_TYPES - 1)                                                                \
    X(key, 10, SLICE, KEY_BYTES_MAX)                                                               \
    X(affinity, 11, SLICE, KEY_BYTES_MAX)                                                          \
    X(value, 12, SLICE, SIZE_MAX)                                                                  \
    X(version, 13, U64, UINT64_MAX)                                                                \
    X(delta, 14, I64, UINT64_MAX)                                                                  \
    X(ttl_ms, 15, U64, UINT64_MAX >> 17)                                                           \
    X(limit, 16, U32, SCAN_LIMIT_MAX)                                                              \
    X(prefix, 17, SLICE, KEY_BYTES_MAX)                                                            \
    X(cursor, 18, SLICE, CURSOR_BYTES_MAX)                                                         \
    X(number_cursor, 19, U64, UINT64_MAX)                                                          \
    X(flags, 20, U32, UINT32_MAX)                                                                  \
    X(age_ms, 21, U64, UINT64_MAX >> 17)                                                           \
    X(local, 22, U8, 1)                                                                            \
    X(later, 23, U64, UINT64_MAX)                                                                  \
    X(sole, 27, U8, 1) /* of feature level 4; 24 to 26: forward_priv.h */

#define RESULT_FIELDS(X)                                                                           \
    X(reply, 0, U32, REPLY_RAW)                                                                    \
    X(type, 1, U8, VALUE_TYPES - 1)                                                                \
    X(repeated, 2, U8, 1)                                                                          \
    X(version, 3, U64, UINT64_MAX)                                                                 \
    X(deadline, 4, U64, UINT64_MAX)                                                                \
    X(number, 5, I64, UINT64_MAX)                                                                  \
    X(value, 6, SLICE, SIZE_MAX)                                                                   \
    X(cursor, 7, SLICE, CURSOR_BYTES_MAX)                                                          \
    X(failed_at, 8, U32, UINT32_MAX)

#define ITEM_FIELDS(X)                                                                             \
    X(key, 0, SLICE, KEY_BYTES_MAX)                                                                \
    X(value, 1, SLICE, SIZE_MAX)                                                                   \
    X(version, 2, U64, UINT64_MAX)                                                                 \
    X(deadline, 3, U64, UINT64_MAX)                                                                \
    X(affinity, 4, SLICE, KEY_BYTES_MAX)                                                           \
    X(type, 5, U8, VALUE_TYPES - 1)

#define BIT(field, bit, how, limit) +(UINT64_C(1) << (bit))
#define BIT_OR(field, bit, how, limit) | UINT64_C(1) << (bit)
_Static_assert((0 OP_FIELDS(BIT) + FORWARD_SESSION + FORWARD_BATCH + FORWARD_CALL) ==
                   (0 OP_FIELDS(BIT_OR) | FORWARD_SESSION | FORWARD_BATCH | FORWARD_CALL),
               "each bit is of one thing");
_Static_assert((0 RESULT_FIELDS(BIT) + FORWARD_ITEMS) == (0 RESULT_FIELDS(BIT_OR) | FORWARD_ITEMS),
               "likewise");

#define OP_ROW(field, bit, how, limit) {offsetof(struct op, field), (bit), FORWARD_##how, (limit)},
#define RESULT_ROW(field, bit, how, limit)                                                         \
    {offsetof(struct result, field), (bit), FORWARD_##how, (limit)},
#define ITEM_ROW(field, bit, how, limit)                                                           \
    {offsetof(struct scan_item, field), (bit), FORWARD_##how, (limit)},
static const struct forward_field op_rows[] = {OP_FIELDS(OP_ROW)};
static const struct forward_field result_rows[] = {RESULT_FIELDS(RESULT_ROW)};
static const struct forward_field item_rows[] = {ITEM_FIELDS(ITEM_ROW)};

#define FIELDS(rows)                                                                               \
    {                                                                                              \
        (rows), sizeof(rows) / sizeof *(rows)                                                      \
    }
const struct forward_fields forward_op_fields = FIELDS(op_rows);
const struct forward_fields forward_result_fields = FIELDS(result_rows);
const struct forward_fields forward_item_fields = FIELDS(item_rows);

/* --- fields ----------------------------------------------------------------------------------- */

/* Of one struct, without its slices' bytes. */
enum { FIELDS_BYTES = 32 * VARINT_BYTES_MAX };

static uint64_t field_number(const struct forward_field *f, const uint8_t *from)
{
    uint64_t v64;
    uint32_t v32;
    uint16_t v16;
    switch (f->how) {
    case FORWARD_U8:
        return *from;
    case FORWARD_U16:
        memcpy(&v16, from, sizeof v16);
        return v16;
    case FORWARD_U32:
        memcpy(&v32, from, sizeof v32);
        return v32;
    default: /* of a slice: its length is looked at as such */
        memcpy(&v64, from, sizeof v64);
        return f->how == FORWARD_I64 ? zigzag((int64_t)v64) : v64;
    }
}

static struct slice field_slice(const uint8_t *from)
{
    struct slice s;
    memcpy(&s, from, sizeof s);
    return s;
}

/* The bits of the fields that are there; *ret_bytes: of their slices. */
static uint32_t fields_there(const struct forward_fields *t, const void *of, size_t *ret_bytes)
{
    uint32_t there = 0;
    *ret_bytes = 0;
    for (uint32_t i = 0; i < t->len; i++) {
        const struct forward_field *f = &t->rows[i];
        const uint8_t *from = (const uint8_t *)of + f->offset;
        uint64_t v = f->how == FORWARD_SLICE ? field_slice(from).len : field_number(f, from);
        if (!v)
            continue;
        there |= 1u << f->bit;
        *ret_bytes += f->how == FORWARD_SLICE ? (size_t)v : 0;
    }
    return there;
}

static void fields_write(struct buf *out, const struct forward_fields *t, const void *of,
                         uint32_t more)
{
    size_t bytes;
    uint32_t there = fields_there(t, of, &bytes);
    uint8_t *start = buf_reserve(out, FIELDS_BYTES + bytes), *p = start;
    p = write_varint(p, there | more);
    for (uint32_t i = 0; i < t->len; i++) {
        const struct forward_field *f = &t->rows[i];
        const uint8_t *from = (const uint8_t *)of + f->offset;
        if (!(there & 1u << f->bit))
            continue;
        p = f->how == FORWARD_SLICE ? write_slice(p, field_slice(from))
                                    : write_varint(p, field_number(f, from));
    }
    out->len += (size_t)(p - start);
}

static void add_varint(struct buf *out, uint64_t v)
{
    uint8_t *start = buf_reserve(out, VARINT_BYTES_MAX);
    out->len += (size_t)(write_varint(start, v) - start);
}

static void add_slice(struct buf *out, struct slice s)
{
    uint8_t *start = buf_reserve(out, VARINT_BYTES_MAX + s.len);
    out->len += (size_t)(write_slice(start, s) - start);
}

/* --- ops -------------------------------------------------------------------------------------- */

static void session_write(struct buf *out, const struct record_session *s)
{
    buf_add(out, s->id.bytes, sizeof s->id.bytes);
    add_varint(out, s->number);
    add_varint(out, s->lowest);
}

static void procedure_write(struct buf *out, procedure_fn *procedure)
{
    const struct procedure_info *info = procedure_info_of(procedure);
    CHECK(info);
    add_varint(out, info->number);
}

/* Most keys are arguments, in their order: said by their place. */
static void keys_write(struct buf *out, const struct op *op)
{
    uint32_t at = 0;
    add_varint(out, op->keys_len);
    for (uint32_t i = 0; i < op->keys_len; i++) {
        uint32_t j = at;
        while (j < op->args_len &&
               (op->args[j].data != op->keys[i].data || op->args[j].len != op->keys[i].len))
            j++;
        if (j < op->args_len) {
            add_varint(out, j + 1);
            at = j + 1;
        } else {
            add_varint(out, 0);
            add_slice(out, op->keys[i]);
        }
    }
}

static void call_write(struct buf *out, const struct op *op)
{
    procedure_write(out, op->procedure);
    add_varint(out, op->args_len);
    for (uint32_t i = 0; i < op->args_len; i++)
        add_slice(out, op->args[i]);
    keys_write(out, op);
    uint32_t args = op->steps_len ? op->steps[0].args_at : op->args_len;
    uint32_t keys = op->steps_len ? op->steps[0].keys_at : op->keys_len;
    add_varint(out, args);
    add_varint(out, keys);
    add_varint(out, op->steps_len);
    for (uint32_t i = 0; i < op->steps_len; i++) {
        const struct op_step *s = &op->steps[i];
        CHECK(s->args_at == args && s->keys_at == keys);
        procedure_write(out, s->procedure);
        add_varint(out, s->args_len);
        add_varint(out, s->keys_len);
        args += s->args_len;
        keys += s->keys_len;
    }
    CHECK(args == op->args_len && keys == op->keys_len);
}

/* A call's key is the first of its keys. */
static void op_write(struct buf *out, const struct op *op)
{
    struct op mine = *op;
    bool call = op->kind == OP_CALL;
    if (call)
        mine.key = slice_make(NULL, 0);
    uint32_t more = (op->has_session ? FORWARD_SESSION : 0u) |
                    (op->batch_len ? FORWARD_BATCH : 0u) | (call ? FORWARD_CALL : 0u);
    buf_add_u8(out, (uint8_t)op->kind);
    fields_write(out, &forward_op_fields, &mine, more);
    if (op->has_session)
        session_write(out, &op->session);
    if (op->batch_len) {
        add_varint(out, op->batch_len);
        for (uint32_t i = 0; i < op->batch_len; i++)
            op_write(out, &op->batch[i]);
    }
    if (call)
        call_write(out, op);
}

/* --- messages --------------------------------------------------------------------------------- */

static void head_write(struct buf *out, enum wire_forward_kind kind, uint64_t number,
                       uint64_t revision)
{
    buf_add_u8(out, (uint8_t)kind);
    add_varint(out, number);
    add_varint(out, revision);
}

void wire_forward_ask(struct buf *out, uint64_t number, uint64_t revision, uint64_t round,
                      const struct op *op)
{
    head_write(out, WIRE_ASK, number, revision);
    add_varint(out, round);
    op_write(out, op);
}

void wire_forward_answer(struct buf *out, uint64_t number, uint64_t revision,
                         const struct result *res)
{
    head_write(out, WIRE_ANSWER, number, revision);
    buf_add_u8(out, (uint8_t)res->status);
    fields_write(out, &forward_result_fields, res, res->items_len ? FORWARD_ITEMS : 0u);
    if (!res->items_len)
        return;
    add_varint(out, res->items_len);
    for (uint32_t i = 0; i < res->items_len; i++)
        fields_write(out, &forward_item_fields, &res->items[i], 0);
}

void wire_forward_errand(struct buf *out, uint64_t number, uint64_t revision,
                         const struct wire_errand *errand)
{
    CHECK(errand->args_len <= WIRE_ERRAND_ARGS_MAX);
    head_write(out, WIRE_ERRAND, number, revision);
    add_varint(out, errand->kind);
    add_varint(out, zigzag(errand->number));
    add_varint(out, errand->args_len);
    for (uint32_t i = 0; i < errand->args_len; i++)
        add_slice(out, errand->args[i]);
}

void wire_forward_told(struct buf *out, uint64_t number, uint64_t revision, int64_t sum,
                       struct slice told)
{
    head_write(out, WIRE_TOLD, number, revision);
    add_varint(out, zigzag(sum));
    add_slice(out, told);
}
