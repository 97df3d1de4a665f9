/* procedures.c - the table of procedures.def, and the ways to a row: by number, from a function, by
 * the name of a command. Open addressing, filled before main(), by higher rooms, too. */
#include "command/procedures.h"

#include "base/err.h"
#include "command/command_priv.h"

#include <ctype.h>

enum { NUMBERS = 128, INDEX_BITS = 8, INDEX_LEN = 1 << INDEX_BITS, NAME_MAX_LEN = 24 };

static const struct procedure_info rows[] = {
#define X(name, number, writes, arity, first, last, step)                                          \
    {command_##name, (number), (writes), (arity), (first), (last), (step), false, false},
#include "command/procedures.def"
#undef X
};

static const char *const names[] = {
#define X(name, number, writes, arity, first, last, step) #name,
#include "command/procedures.def"
#undef X
};

enum { ROWS = sizeof rows / sizeof *rows };

static const struct procedure_info *numbered[NUMBERS], *places[INDEX_LEN];
static uint8_t name_places[INDEX_LEN]; /* row + 1 */

static size_t place_of(procedure_fn *procedure)
{
    uint64_t address = (uint64_t)(uintptr_t)procedure;
    return (size_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - INDEX_BITS));
}

static size_t name_place(const char *name, size_t len)
{
    uint64_t h = len;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)name[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> (64 - INDEX_BITS));
}

void procedures_add(const struct procedure_info *more, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        size_t at = place_of(more[i].procedure);
        while (places[at])
            at = (at + 1) % INDEX_LEN;
        places[at] = &more[i];
        CHECK(more[i].number < NUMBERS && !numbered[more[i].number]);
        numbered[more[i].number] = &more[i];
    }
}

__attribute__((constructor)) static void index_make(void)
{
    procedures_add(rows, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].procedure == command_exec || rows[i].procedure == command_get_or_null)
            continue;
        size_t at = name_place(names[i], strlen(names[i]));
        while (name_places[at])
            at = (at + 1) % INDEX_LEN;
        name_places[at] = (uint8_t)(i + 1);
    }
}

const struct procedure_info *procedure_numbered(uint64_t number)
{
    return number < NUMBERS ? numbered[number] : NULL;
}

const struct procedure_info *procedure_info_of(procedure_fn *procedure)
{
    for (size_t i = place_of(procedure); places[i]; i = (i + 1) % INDEX_LEN)
        if (places[i]->procedure == procedure)
            return places[i];
    return NULL;
}

/* Appends `s` in lower case. False: it is longer than any name, or has what no name has. */
static bool name_add(char *name, size_t *len, struct slice s)
{
    if (s.len == 0 || *len + s.len > NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!isalpha(s.data[i]))
            return false;
        name[(*len)++] = (char)tolower(s.data[i]);
    }
    return true;
}

const struct procedure_info *procedure_named(struct slice name, struct slice second)
{
    char text[NAME_MAX_LEN + 1];
    size_t len = 0;
    if (!name_add(text, &len, name))
        return NULL;
    if (unlikely(arg_is(name, "object") || arg_is(name, "memory"))) {
        text[len++] = '_';
        if (!name_add(text, &len, second))
            return NULL;
    }
    for (size_t i = name_place(text, len); name_places[i]; i = (i + 1) % INDEX_LEN) {
        size_t row = name_places[i] - 1u;
        if (strlen(names[row]) == len && memcmp(names[row], text, len) == 0)
            return &rows[row];
    }
    return NULL;
}

bool procedure_fits(const struct procedure_info *p, uint32_t args_len, uint32_t keys_len)
{
    int64_t args = args_len, last = p->last >= 0 ? p->last : args + p->last;
    if (p->makes_steps)
        return args > -p->arity && keys_len;
    if (p->finds_keys)
        return args == p->arity && keys_len == 1;
    if (!p->first || (p->arity >= 0 ? args != p->arity : args < -p->arity))
        return false;
    if (last >= args)
        last = args - 1;
    if (last < p->first)
        return false;
    return keys_len == (uint32_t)((last - p->first) / p->step + 1);
}
