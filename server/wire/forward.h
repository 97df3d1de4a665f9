/* forward.h - operations between nodes: what a node asks of another one for its clients, the
 * answers, and errands of sessions. Flat, little-endian, without protobuf: one goes out for each
 * operation that comes in at another node than its partition's.
 *
 *   message  u8 kind | v number | v revision | body        v = LEB128 varint, z = zigzag varint
 *   ASK      v round | op
 *   ANSWER   result
 *   ERRAND   v errand | z number | v args | args x slice
 *   TOLD     z sum | slice
 *   op       u8 kind | v which fields are there | those, in the order of their bits |
 *            [session: 16 bytes, v number, v lowest] | [v ops of the batch, each an op] |
 *            [v procedure | v args, each a slice |
 *             v keys, each v 1 + its argument, or 0 and a slice |
 *             v own args, v own keys, v steps | steps x { v procedure, v args, v keys }]
 *   result   u8 status | v which fields are there | those | [v items, each which fields, those]
 *
 * A field that is 0 or empty is not there. Bytes come from outside: every count is checked before
 * memory is taken, and what is decoded is an op that a session could have made, so that a shard
 * takes it as it takes any other. */
#ifndef GRIDD_WIRE_FORWARD_H
#define GRIDD_WIRE_FORWARD_H

#include "base/buf.h"
#include "shard/op.h"
#include "wire/arena.h"

enum wire_forward_kind {
    WIRE_ASK = 1,    /* do `op`; answered by one ANSWER with the same number */
    WIRE_ANSWER = 2, /* `result` */
    WIRE_ERRAND = 3, /* run `errand`; number 0: without an answer, else by one TOLD */
    WIRE_TOLD = 4,   /* `errand.number` and `told` */
};

enum { WIRE_ERRAND_ARGS_MAX = 8 };

struct wire_errand {
    uint64_t kind; /* by its number; means nothing here */
    int64_t number;
    uint32_t args_len;
    struct slice args[WIRE_ERRAND_ARGS_MAX];
};

struct wire_forward {
    enum wire_forward_kind kind;
    uint64_t number;   /* the asker's */
    uint64_t revision; /* of the grid's state as the sender knows it */
    uint64_t round;    /* ASK: see session/router.h */
    struct op *op;     /* ASK: without a ticket; of the arena, its bytes of the message */
    struct result result;
    struct wire_errand errand;
    struct slice told; /* TOLD: what was given back */
};

/* Append a message. The op's procedures must be of procedures.def, the parts of its steps must
 * follow one another. */
void wire_forward_ask(struct buf *out, uint64_t number, uint64_t revision, uint64_t round,
                      const struct op *op);
void wire_forward_answer(struct buf *out, uint64_t number, uint64_t revision,
                         const struct result *res);
void wire_forward_errand(struct buf *out, uint64_t number, uint64_t revision,
                         const struct wire_errand *errand);
void wire_forward_told(struct buf *out, uint64_t number, uint64_t revision, int64_t sum,
                       struct slice told);

/* Decode; slices are borrowed from `body`, the rest is of the arena. GRID_EBAD_REQUEST: no such
 * message, or an op that no session makes; ret_message->kind and number are set all the same when
 * they could be read (else 0), so that an ASK can be refused. GRID_EUNSUPPORTED: likewise, a
 * procedure, operation or field of a newer version. GRID_ENOMEM: the arena is over its limit. */
MUST_USE
enum grid_err wire_forward_decode(struct slice body, struct arena *arena,
                                  struct wire_forward *ret_message);

#endif
