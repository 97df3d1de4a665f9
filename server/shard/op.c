/* op.c - names of operations, from op.def. */
#include "shard/op.h"

struct op_row {
    const char *text;
    bool writes;
};

static const struct op_row op_rows[] = {
#define X(name, code, text, writes) [code] = {text, writes},
#include "shard/op.def"
#undef X
    [OP_CALL] = {"call", true},
};

static const struct op_row *op_row(enum op_kind kind)
{
    size_t i = (size_t)kind;
    return i < sizeof op_rows / sizeof *op_rows && op_rows[i].text ? &op_rows[i] : NULL;
}

const char *op_text(enum op_kind kind)
{
    const struct op_row *row = op_row(kind);
    return row ? row->text : "?";
}

bool op_writes(enum op_kind kind)
{
    const struct op_row *row = op_row(kind);
    return row && row->writes;
}
