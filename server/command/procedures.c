/* procedures.c - the table of procedures.def, and the way back from a function to its row: open
 * addressing over the addresses. */
#include "command/procedures.h"

#include "base/err.h"
#include "command/commands.h"

static const struct procedure_info rows[] = {
#define X(name, number, writes, arity, first, last, step)                                          \
    [number] = {command_##name, (number), (writes), (arity), (first), (last), (step)},
#include "command/procedures.def"
#undef X
};

enum { ROWS = sizeof rows / sizeof *rows, INDEX_BITS = 8, INDEX_LEN = 1 << INDEX_BITS };

static const struct procedure_info *places[INDEX_LEN];

static size_t place_of(procedure_fn *procedure)
{
    uint64_t address = (uint64_t)(uintptr_t)procedure;
    return (size_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - INDEX_BITS));
}

__attribute__((constructor)) static void index_make(void)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (!rows[i].procedure)
            continue;
        size_t at = place_of(rows[i].procedure);
        while (places[at])
            at = (at + 1) % INDEX_LEN;
        places[at] = &rows[i];
    }
}

const struct procedure_info *procedure_numbered(uint64_t number)
{
    return number < ROWS && rows[number].procedure ? &rows[number] : NULL;
}

const struct procedure_info *procedure_info_of(procedure_fn *procedure)
{
    for (size_t i = place_of(procedure); places[i]; i = (i + 1) % INDEX_LEN)
        if (places[i]->procedure == procedure)
            return places[i];
    return NULL;
}

bool procedure_fits(const struct procedure_info *p, uint32_t args_len, uint32_t keys_len)
{
    int64_t args = args_len, last = p->last >= 0 ? p->last : args + p->last;
    if (!p->first || (p->arity >= 0 ? args != p->arity : args < -p->arity))
        return false;
    if (last >= args)
        last = args - 1;
    if (last < p->first)
        return false;
    return keys_len == (uint32_t)((last - p->first) / p->step + 1);
}
