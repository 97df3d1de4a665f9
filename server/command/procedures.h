/* procedures.h - procedures by number, so that a call can be told to another node. */
#ifndef GRIDD_COMMAND_PROCEDURES_H
#define GRIDD_COMMAND_PROCEDURES_H

#include "shard/call.h"

/* What the caller of a procedure has to see to; as in procedures.def. */
struct procedure_info {
    procedure_fn *procedure;
    uint16_t number;
    bool writes;
    int8_t arity; /* with the name; negative: at least */
    int8_t first, last, step;
    bool makes_steps; /* call_do(); its keys are those of its caller: one at least */
    bool finds_keys;  /* call_find(); one key */
    bool aside;       /* op.aside; one key, and it is never run by a shard */
};

/* NULL: there is none. */
const struct procedure_info *procedure_numbered(uint64_t number);
const struct procedure_info *procedure_info_of(procedure_fn *procedure);
/* Of a client's command; `second` is its subcommand, where it has them. NULL: there is none that
 * is done by one procedure. */
const struct procedure_info *procedure_named(struct slice name, struct slice second);
/* Procedures of a higher room; `rows` stay. Their numbers are not in procedures.def. */
void procedures_add(const struct procedure_info *rows, size_t len);
/* Whether the shard knows too little yet to run that with these arguments: then no step of its
 * transaction is run, for that is asked again. Where nothing is set it never is so. */
typedef bool procedure_late_fn(const struct call *c, const struct slice *args, uint32_t args_len);
void procedure_set_late(procedure_fn *procedure, procedure_late_fn *late);
procedure_late_fn *procedure_late(procedure_fn *procedure);
/* Whether a door calls it with so many arguments and keys; not for command_exec. A value that is
 * missing behind the last key is for the procedure to see. */
bool procedure_fits(const struct procedure_info *p, uint32_t args_len, uint32_t keys_len);

#endif
