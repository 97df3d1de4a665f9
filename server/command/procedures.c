/* procedures.c - the table of procedures.def, and the ways to a row: by number, from a function, by
 * the name of a command. Open addressing, filled before main(), by higher rooms, too. */
#include "command/procedures.h"

#include "base/err.h"
#include "command/command_priv.h"

enum { NUMBERS = 128, INDEX_BITS = 8, INDEX_LEN = 1 << INDEX_BITS, NAME_MAX_LEN = 24 };

static const struct procedure_info rows[] = {
#define X(name, number, writes, arity, first, last, step)                                          \
    {command_##name, (number), (writes), (arity), (first), (last), (step), false, false, false},
#include "command/procedures.def"
#undef X
};

static const char *const names[] = {
#define X(name, number, writes, arity, first, last, step) #name,
#include "command/procedures.def"
#undef X
};

enum { ROWS = sizeof rows / sizeof *rows };

/* A name in lower case, with zeros behind it. */
struct name {
    uint64_t words[NAME_MAX_LEN / 8];
};

static struct name row_names[ROWS];
static const struct procedure_info *numbered[NUMBERS], *places[INDEX_LEN];
static uint8_t name_places[INDEX_LEN]; /* row + 1 */
static procedure_late_fn *lates[NUMBERS];

static size_t place_of(procedure_fn *procedure)
{
    uint64_t address = (uint64_t)(uintptr_t)procedure;
    return (size_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - INDEX_BITS));
}

static bool name_same(const struct name *a, const struct name *b)
{
    return !((a->words[0] ^ b->words[0]) | (a->words[1] ^ b->words[1]) |
             (a->words[2] ^ b->words[2]));
}

static size_t name_place(const struct name *n)
{
    uint64_t h = n->words[0] * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ n->words[1]) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ n->words[2]) * UINT64_C(0x9e3779b97f4a7c15);
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
        memcpy(row_names[i].words, names[i], strlen(names[i]));
        size_t at = name_place(&row_names[i]);
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

/* The command's name, or "name_subcommand", in lower case; only letters become letters by that.
 * False: it is longer than any. */
static bool name_read(struct slice name, struct slice second, struct name *ret_name)
{
    uint8_t *to = (uint8_t *)ret_name->words;
    if (unlikely(name.len + (second.len ? second.len + 1 : 0) > NAME_MAX_LEN || !name.len))
        return false;
    *ret_name = (struct name){{0}};
    for (size_t i = 0; i < name.len; i++)
        to[i] = name.data[i] | 0x20;
    if (likely(!second.len))
        return true;
    to[name.len] = '_';
    for (size_t i = 0; i < second.len; i++)
        to[name.len + 1 + i] = second.data[i] | 0x20;
    return true;
}

const struct procedure_info *procedure_named(struct slice name, struct slice second)
{
    struct name n;
    bool both = unlikely(name.len == 6) && (arg_is(name, "object") || arg_is(name, "memory"));
    if (both && !second.len)
        return NULL;
    if (!name_read(name, both ? second : slice_make(NULL, 0), &n))
        return NULL;
    for (size_t i = name_place(&n); name_places[i]; i = (i + 1) % INDEX_LEN)
        if (name_same(&row_names[name_places[i] - 1], &n))
            return &rows[name_places[i] - 1];
    return NULL;
}

bool procedure_fits(const struct procedure_info *p, uint32_t args_len, uint32_t keys_len)
{
    int64_t args = args_len, last = p->last >= 0 ? p->last : args + p->last;
    if (p->makes_steps)
        return args > -p->arity && keys_len;
    if (p->finds_keys || p->aside)
        return (p->arity < 0 ? args >= -p->arity : args == p->arity) && keys_len == 1;
    if (!p->first || (p->arity >= 0 ? args != p->arity : args < -p->arity))
        return false;
    if (last >= args)
        last = args - 1;
    if (last < p->first)
        return false;
    return keys_len == (uint32_t)((last - p->first) / p->step + 1);
}

void procedure_set_late(procedure_fn *procedure, procedure_late_fn *late)
{
    const struct procedure_info *p = procedure_info_of(procedure);
    CHECK(p && p->number < NUMBERS);
    lates[p->number] = late;
}

procedure_late_fn *procedure_late(procedure_fn *procedure)
{
    const struct procedure_info *p = procedure_info_of(procedure);
    return p ? lates[p->number] : NULL;
}
