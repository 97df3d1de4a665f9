/* cases.h - commands as a client types them, done by a shard, and their replies as it gets them.
 *
 * A line: words; 'in quotes' with spaces, \xHH any byte, \r and \n. A reply: the protocol's bytes
 * with a space for each line end, none at the end, and \xHH for what cannot be printed. */
#ifndef GRIDD_TESTS_COMMAND_CASES_H
#define GRIDD_TESTS_COMMAND_CASES_H

#include "command/commands.h"
#include "command/resp.h"
#include "session/resp_table.h"

#include "tests/unit/shard/harness.h"

#include <ctype.h>

enum { WORDS_MAX = 128, LINE_BYTES = 4096, REPLY_BYTES = 8192 };

struct command_case {
    const char *line, *reply;
};

/* --- the table of commands, as sessions have it ----------------------------------------------- */

struct command_row {
    const char *name;
    procedure_fn *procedure; /* NULL: not one of ours */
    uint32_t flags;
    int first, last, step;
};

static const struct command_row command_rows[] = {
#define CALL(fn, split) fn
#define SAY(fn) NULL
#define ACT(fn) NULL
#define RUN(fn) NULL
#define HOLDS NULL
#define BOTH(fn) NULL
#define X(how, name, arity, flags, first, last, step, ...) {name, how, flags, first, last, step},
#include "session/resp_commands.def"
#undef X
#undef CALL
#undef SAY
#undef ACT
#undef RUN
#undef HOLDS
#undef BOTH
};

struct words {
    struct slice at[WORDS_MAX];
    uint32_t len;
    uint8_t bytes[LINE_BYTES];
    size_t bytes_len;
};

static inline bool row_is(const struct command_row *row, const struct words *w)
{
    struct slice name = slice_str(row->name), sub = {NULL, 0};
    const char *bar = strchr(row->name, '|');
    if (bar) {
        name.len = (size_t)(bar - row->name);
        sub = slice_str(bar + 1);
    }
    return w->at[0].len == name.len &&
           strncasecmp((const char *)w->at[0].data, row->name, name.len) == 0 &&
           (!bar || (w->len > 1 && w->at[1].len == sub.len &&
                     strncasecmp((const char *)w->at[1].data, bar + 1, sub.len) == 0));
}

static inline const struct command_row *command_row_of(const struct words *w)
{
    for (size_t i = 0; i < sizeof command_rows / sizeof *command_rows; i++) {
        if (command_rows[i].procedure && row_is(&command_rows[i], w))
            return &command_rows[i];
    }
    ck_abort_msg("no command %.*s", (int)w->at[0].len, (const char *)w->at[0].data);
    return NULL;
}

/* --- text in and out -------------------------------------------------------------------------- */

static inline uint8_t hex_value(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* One byte of a word. */
static inline const char *byte_read(const char *p, uint8_t *ret_byte)
{
    if (*p != '\\') {
        *ret_byte = (uint8_t)*p;
        return p + 1;
    }
    *ret_byte = p[1] == 'r'   ? '\r'
                : p[1] == 'n' ? '\n'
                              : (uint8_t)(hex_value(p[2]) << 4 | hex_value(p[3]));
    return p + (p[1] == 'x' ? 4 : 2);
}

static inline void word_add(struct words *w, struct slice word)
{
    ck_assert(w->len < WORDS_MAX && w->bytes_len + word.len <= LINE_BYTES);
    uint8_t *to = w->bytes + w->bytes_len;
    if (word.len)
        memcpy(to, word.data, word.len);
    w->bytes_len += word.len;
    w->at[w->len++] = slice_make(to, word.len);
}

static inline void words_read(struct words *w, const char *line)
{
    while (*(line += strspn(line, " "))) {
        uint8_t word[LINE_BYTES];
        size_t len = 0;
        char end = *line == '\'' ? '\'' : ' ';
        for (line += end == '\''; *line && *line != end; len++)
            line = byte_read(line, &word[len]);
        line += *line == '\'';
        word_add(w, slice_make(word, len));
    }
}

static inline void reply_text(const struct buf *reply, char *out)
{
    char *to = out;
    for (size_t i = 0; i < reply->len; i++) {
        uint8_t b = reply->data[i];
        ck_assert_int_lt(to - out, REPLY_BYTES - 8);
        if (b == '\r' && i + 1 < reply->len && reply->data[i + 1] == '\n') {
            *to++ = ' ';
            i++;
        } else if (isprint(b) && b != '\\') {
            *to++ = (char)b;
        } else {
            to += sprintf(to, "\\x%02x", b);
        }
    }
    while (to > out && to[-1] == ' ')
        to--;
    *to = '\0';
}

/* --- asking ----------------------------------------------------------------------------------- */

struct world {
    struct harness *h;
    uint32_t cache;
    unsigned flags;         /* CALL_RESP3 or 0 */
    struct buf reply;       /* the last one */
    char text[REPLY_BYTES]; /* as reply_text() shows it */
};

static inline struct world *world_new(void)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->h = h_new();
    w->cache = h_cache(w->h, "default/default");
    return w;
}

static inline void world_free(struct world *w)
{
    h_free(w->h);
    buf_release(&w->reply);
    free(w);
}

/* Its keys, and how many of them. */
static inline uint32_t keys_find(const struct command_row *row, const struct words *w,
                                 struct slice *keys)
{
    uint32_t len = 0;
    int last = row->last >= 0 ? row->last : (int)w->len + row->last;
    for (int i = row->first; i <= last && i < (int)w->len; i += row->step)
        keys[len++] = w->at[i];
    return len;
}

static inline void world_answered(struct world *w, const struct answered *a)
{
    w->reply.len = 0;
    ck_assert_int_eq(a->times, 1);
    struct reply r = {a->reply, a->number, buf_slice(&a->value)};
    if (a->status)
        resp_error(&w->reply, resp_error_of(a->status));
    else
        resp_reply(&w->reply, &r, w->flags & CALL_RESP3);
    reply_text(&w->reply, w->text);
}

static inline void ask_words(struct world *w, const struct words *words)
{
    struct slice keys[WORDS_MAX];
    const struct command_row *row = command_row_of(words);
    struct op op = {.kind = OP_CALL,
                    .cache = w->cache,
                    .procedure = row->procedure,
                    .flags = w->flags,
                    .args = words->at,
                    .args_len = words->len,
                    .keys = keys,
                    .keys_len = keys_find(row, words, keys),
                    .reads_only = !(row->flags & RESP_WRITE)};
    op.key = keys[0];
    struct answered *a = h_do(w->h, op);
    h_durable(w->h);
    world_answered(w, a);
}

/* Do one command; the reply as text. */
static inline const char *ask(struct world *w, const char *line)
{
    struct words words = {.len = 0};
    words_read(&words, line);
    ask_words(w, &words);
    return w->text;
}

static inline void cases_run_in(struct world *w, const struct command_case *cases, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const char *got = ask(w, cases[i].line);
        ck_assert_msg(strcmp(got, cases[i].reply) == 0, "%s -> %s, not %s", cases[i].line, got,
                      cases[i].reply);
    }
}

/* In an empty cache. */
static inline void cases_run(const struct command_case *cases, size_t len, unsigned flags)
{
    struct world *w = world_new();
    w->flags = flags;
    cases_run_in(w, cases, len);
    world_free(w);
}

#define RUN(cases) cases_run(cases, sizeof(cases) / sizeof *(cases), 0)
#define RUN3(cases) cases_run(cases, sizeof(cases) / sizeof *(cases), CALL_RESP3)
#define ASK(w, line, reply) ck_assert_str_eq(ask(w, line), reply)

#endif
