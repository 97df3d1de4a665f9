/* resp_table.c - the table, and an index over the names of commands: open addressing, keyed by the
 * name in lower case as two words of eight bytes. */
#include "session/resp_table.h"

#include "base/err.h"
#include "command/commands.h"
#include "compute/eval.h"
#include "compute/library.h"
#include "session/resp_priv.h"

#define CALL(fn, how) .procedure = (fn), .split = RESP_SPLIT_##how
#define SAY(fn) .say = (fn)
#define ACT(fn) .act = (fn)
#define RUN(fn) .procedure = (fn)
#define HOLDS .holds = true
#define BOTH(fn) .say = (fn), .holds = true
#define X(done, name_, arity_, flags_, first_, last_, step_, ...)                                  \
    {.name = (name_),                                                                              \
     .name_len = sizeof(name_) - 1,                                                                \
     .arity = (arity_),                                                                            \
     .flags = (flags_),                                                                            \
     .first = (first_),                                                                            \
     .last = (last_),                                                                              \
     .step = (step_),                                                                              \
     done},
static const struct resp_command commands[] = {
#include "session/resp_commands.def"
};
#undef X
#undef CALL
#undef SAY
#undef ACT
#undef RUN
#undef HOLDS
#undef BOTH

#define X(done, name_, arity_, flags_, first_, last_, step_, ...) {__VA_ARGS__},
static const struct resp_docs docs[] = {
#include "session/resp_commands.def"
};
#undef X

enum { COMMANDS = sizeof commands / sizeof *commands };

/* --- the index -------------------------------------------------------------------------------- */

enum { NAME_BYTES = 16, INDEX_BITS = 9, INDEX_LEN = 1 << INDEX_BITS };

struct name {
    uint64_t a, b;
};

static struct place {
    struct name name;
    const struct resp_command *command;
} places[INDEX_LEN];

/* Eight letters at once to lower case; other bytes stay. */
static inline uint64_t lower(uint64_t w)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t low = w & (ones * 0x7f);
    uint64_t behind_z = low + ones * (0x7f - 'Z'), from_a = low + ones * (0x80 - 'A');
    uint64_t upper = (from_a ^ behind_z) & ~w & (ones * 0x80);
    return w | upper >> 2;
}

/* A name of 1..16 bytes as two words; without reading a byte beside it. */
static inline struct name name_of(struct slice s)
{
    struct name n = {0, 0};
    if (s.len >= 8) {
        memcpy(&n.a, s.data, 8);
        memcpy(&n.b, s.data + s.len - 8, 8);
    } else if (s.len >= 4) {
        uint32_t head, tail;
        memcpy(&head, s.data, 4);
        memcpy(&tail, s.data + s.len - 4, 4);
        n.a = head | (uint64_t)tail << 32;
    } else {
        n.a = (uint64_t)s.data[0] << 16 | (uint64_t)s.data[s.len / 2] << 8 | s.data[s.len - 1];
    }
    n.a = lower(n.a);
    n.b = lower(n.b);
    return n;
}

static inline size_t place_of(struct name n)
{
    return (size_t)(((n.a ^ (n.b * 3)) * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - INDEX_BITS));
}

static const struct resp_command *find(struct slice s)
{
    if (unlikely(!s.len || s.len > NAME_BYTES))
        return NULL;
    struct name n = name_of(s);
    for (size_t i = place_of(n);; i = (i + 1) % INDEX_LEN) {
        const struct place *p = &places[i];
        if (unlikely(!p->command))
            return NULL;
        if (likely(p->name.a == n.a && p->name.b == n.b && p->command->name_len == s.len))
            return p->command;
    }
}

__attribute__((constructor)) static void index_make(void)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (resp_parent_of(&commands[i]))
            continue;
        struct name n = name_of(slice_make(commands[i].name, commands[i].name_len));
        size_t at = place_of(n);
        while (places[at].command)
            at = (at + 1) % INDEX_LEN;
        places[at] = (struct place){n, &commands[i]};
    }
}

/* --- looking up ------------------------------------------------------------------------------- */

static bool is_sub(const struct resp_command *c)
{
    return memchr(c->name, '|', c->name_len);
}

static const struct resp_command *sub_find(const struct resp_command *parent, struct slice name)
{
    for (const struct resp_command *c = parent + 1; c < commands + COMMANDS && is_sub(c); c++)
        if (resp_word_is(name, c->name + parent->name_len + 1))
            return c;
    return NULL;
}

const struct resp_command *resp_command_find(const struct slice *args, uint32_t args_len,
                                             const struct resp_command **ret_parent)
{
    const struct resp_command *c = find(args[0]);
    *ret_parent = NULL;
    if (likely(!c || !c->holds) || args_len < 2)
        return c;
    *ret_parent = c;
    return sub_find(c, args[1]);
}

const struct resp_command *resp_command_named(struct slice name)
{
    const uint8_t *bar = name.len ? memchr(name.data, '|', name.len) : NULL;
    struct slice head = slice_make(name.data, bar ? (size_t)(bar - name.data) : name.len);
    const struct resp_command *c = find(head);
    if (!c || !bar)
        return c;
    return c->holds ? sub_find(c, slice_make(bar + 1, name.len - head.len - 1)) : NULL;
}

const struct resp_command *resp_parent_of(const struct resp_command *c)
{
    if (!is_sub(c))
        return NULL;
    while (is_sub(c))
        c--;
    return c;
}

/* --- looking at ------------------------------------------------------------------------------- */

uint32_t resp_commands_len(void)
{
    return COMMANDS;
}

const struct resp_command *resp_command_at(uint32_t i)
{
    CHECK(i < COMMANDS);
    return &commands[i];
}

const struct resp_docs *resp_docs_of(const struct resp_command *c)
{
    return &docs[c - commands];
}

const char *resp_flag_text(unsigned flag)
{
    static const char *const texts[RESP_FLAGS_LEN] = {
#define X(name, text) text,
        RESP_FLAGS(X)
#undef X
    };
    CHECK(flag < RESP_FLAGS_LEN);
    return texts[flag];
}
