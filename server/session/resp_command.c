/* resp_command.c - COMMAND and HELP: the table, told to clients as Redis tells its own. */
#include "session/resp_priv.h"

#include <stdio.h>
#include <stdlib.h>

/* --- lists of words in one text --------------------------------------------------------------- */

/* The next word of `text`, which ends at `end` or the text's end; *text moves behind it. */
static struct slice word_next(const char **text, char end)
{
    const char *start = *text;
    while (**text && **text != end)
        ++*text;
    struct slice word = slice_make(start, (size_t)(*text - start));
    *text += **text == end;
    return word;
}

static uint32_t words_count(const char *text)
{
    uint32_t n = 0;
    while (*text) {
        word_next(&text, ' ');
        n++;
    }
    return n;
}

static void words_say(struct buf *out, const char *text)
{
    while (*text)
        resp_status(out, word_next(&text, ' '));
}

/* --- flags and categories --------------------------------------------------------------------- */

static void flags_say(struct buf *out, const struct resp_command *c, bool resp3)
{
    uint32_t known = c->flags & ((1u << RESP_FLAGS_LEN) - 1);
    resp_set(out, (uint64_t)__builtin_popcount(known), resp3);
    for (unsigned f = 0; f < RESP_FLAGS_LEN; f++)
        if (known & 1u << f)
            resp_status(out, slice_str(resp_flag_text(f)));
}

/* Categories that flags imply, and those of the table, in Redis's order. */
static const struct category {
    const char *name;
    uint32_t flags; /* any of them implies it */
} categories[] = {
    {"keyspace", 0},
    {"read", RESP_READONLY},
    {"write", RESP_WRITE},
    {"string", 0},
    {"hash", 0},
    {"bitmap", 0},
    {"pubsub", RESP_PUBSUB},
    {"admin", RESP_ADMIN},
    {"fast", RESP_FAST},
    {"slow", 0},
    {"blocking", RESP_BLOCKING},
    {"dangerous", RESP_ADMIN},
    {"connection", 0},
    {"transaction", 0},
    {"scripting", 0},
};
enum { CATEGORIES = sizeof categories / sizeof *categories };

static bool has_word(const char *text, const char *word)
{
    while (*text)
        if (slice_eq(word_next(&text, ' '), slice_str(word)))
            return true;
    return false;
}

static bool in_category(const struct resp_command *c, const struct category *k)
{
    if (k->flags == RESP_READONLY && (c->flags & RESP_SCRIPT)) /* Redis tells none of scripts */
        return false;
    if (c->flags & k->flags || has_word(resp_docs_of(c)->acl, k->name))
        return true;
    return strcmp(k->name, "slow") == 0 && !(c->flags & RESP_FAST);
}

static void categories_say(struct buf *out, const struct resp_command *c, bool resp3)
{
    uint64_t n = 0;
    for (size_t i = 0; i < CATEGORIES; i++)
        n += in_category(c, &categories[i]);
    resp_set(out, n, resp3);
    for (size_t i = 0; i < CATEGORIES; i++) {
        if (!in_category(c, &categories[i]))
            continue;
        char at[32] = "@";
        resp_status(out, slice_str(strcat(at, categories[i].name)));
    }
}

/* --- where keys stand ------------------------------------------------------------------------- */

static void pair_number(struct buf *out, const char *name, int64_t number)
{
    resp_bulk(out, slice_str(name));
    resp_integer(out, number);
}

static void pair_text(struct buf *out, const char *name, const char *text)
{
    resp_bulk(out, slice_str(name));
    resp_bulk(out, slice_str(text));
}

static void begin_say(struct buf *out, const char *flags, int64_t index, bool resp3)
{
    resp_bulk(out, slice_str("flags"));
    resp_set(out, words_count(flags), resp3);
    words_say(out, flags);
    resp_bulk(out, slice_str("begin_search"));
    resp_map(out, 2, resp3);
    pair_text(out, "type", "index");
    resp_bulk(out, slice_str("spec"));
    resp_map(out, 1, resp3);
    pair_number(out, "index", index);
}

/* "#at:flags", with "n" before the colon where Redis has a note */
static void counted_keys_say(struct buf *out, const char *spec, bool resp3)
{
    bool reads = strstr(spec, "RO");
    const char *flags = strchr(spec, ':') + 1;
    bool notes = flags[-2] == 'n';
    resp_map(out, notes ? 4 : 3, resp3);
    if (notes)
        pair_text(out, "notes",
                  reads ? "We cannot tell how the keys will be used so we assume the "
                          "worst, RO and ACCESS"
                        : "We cannot tell how the keys will be used so we assume the "
                          "worst, RW and UPDATE");
    begin_say(out, flags, strtol(spec + 1, NULL, 10), resp3);
    resp_bulk(out, slice_str("find_keys"));
    resp_map(out, 2, resp3);
    pair_text(out, "type", "keynum");
    resp_bulk(out, slice_str("spec"));
    resp_map(out, 3, resp3);
    pair_number(out, "keynumidx", 0);
    pair_number(out, "firstkey", 1);
    pair_number(out, "keystep", 1);
}

/* "first,last,step,limit:flags" */
static void key_spec_say(struct buf *out, const char *spec, bool resp3)
{
    int at[4] = {0};
    if (*spec == '#') {
        counted_keys_say(out, spec, resp3);
        return;
    }
    char *end = NULL;
    for (int i = 0; i < 4; i++) {
        at[i] = (int)strtol(spec, &end, 10);
        spec = end + 1;
    }
    const char *stop = strchr(spec, ';');
    char flags[64];
    size_t len = stop ? (size_t)(stop - spec) : strlen(spec);
    CHECK(len < sizeof flags);
    memcpy(flags, spec, len);
    flags[len] = '\0';
    resp_map(out, 3, resp3);
    begin_say(out, flags, at[0], resp3);
    resp_bulk(out, slice_str("find_keys"));
    resp_map(out, 2, resp3);
    pair_text(out, "type", "range");
    resp_bulk(out, slice_str("spec"));
    resp_map(out, 3, resp3);
    pair_number(out, "lastkey", at[1]);
    pair_number(out, "keystep", at[2]);
    pair_number(out, "limit", at[3]);
}

static void key_specs_say(struct buf *out, const struct resp_command *c, bool resp3)
{
    const char *specs = resp_docs_of(c)->keys;
    uint64_t n = *specs != '\0';
    for (const char *p = specs; *p; p++)
        n += *p == ';';
    resp_set(out, n, resp3);
    for (const char *p = specs; p && *p; p = strchr(p, ';'), p = p ? p + 1 : NULL)
        key_spec_say(out, p, resp3);
}

/* --- one command ------------------------------------------------------------------------------ */

static uint32_t subs_len(const struct resp_command *c)
{
    const struct resp_command *end = resp_command_at(0) + resp_commands_len();
    uint32_t n = 0;
    while (c->holds && c + 1 + n < end && resp_parent_of(c + 1 + n) == c)
        n++;
    return n;
}

static void info_say(struct buf *out, const struct resp_command *c, bool resp3)
{
    uint32_t subs = subs_len(c);
    resp_array(out, 10);
    resp_bulk(out, slice_make(c->name, c->name_len));
    resp_integer(out, c->arity);
    flags_say(out, c, resp3);
    resp_integer(out, c->first);
    resp_integer(out, c->last);
    resp_integer(out, c->step);
    categories_say(out, c, resp3);
    resp_set(out, words_count(resp_docs_of(c)->tips), resp3);
    for (const char *tips = resp_docs_of(c)->tips; *tips;)
        resp_bulk(out, word_next(&tips, ' '));
    key_specs_say(out, c, resp3);
    if (subs)
        resp_array(out, subs);
    else
        resp_set(out, 0, resp3);
    for (uint32_t i = 1; i <= subs; i++)
        info_say(out, c + i, resp3);
}

static void docs_say(struct buf *out, const struct resp_command *c, bool resp3)
{
    const struct resp_docs *d = resp_docs_of(c);
    uint32_t subs = subs_len(c);
    uint64_t pairs = 3u + (*d->complexity != '\0') + (d->deprecated ? 3u : 0u) + (subs != 0);
    resp_bulk(out, slice_make(c->name, c->name_len));
    resp_map(out, pairs, resp3);
    pair_text(out, "summary", d->summary);
    pair_text(out, "since", d->since);
    pair_text(out, "group", d->group);
    if (*d->complexity)
        pair_text(out, "complexity", d->complexity);
    if (d->deprecated) {
        resp_bulk(out, slice_str("doc_flags"));
        resp_set(out, 1, resp3);
        resp_status(out, slice_str("deprecated"));
        pair_text(out, "deprecated_since", d->deprecated);
        pair_text(out, "replaced_by", d->replacement);
    }
    if (!subs)
        return;
    resp_bulk(out, slice_str("subcommands"));
    resp_map(out, subs, resp3);
    for (uint32_t i = 1; i <= subs; i++)
        docs_say(out, c + i, resp3);
}

/* --- all of them ------------------------------------------------------------------------------ */

static bool is_top(uint32_t i)
{
    return !resp_parent_of(resp_command_at(i));
}

static uint32_t tops_len(void)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < resp_commands_len(); i++)
        n += is_top(i);
    return n;
}

void resp_command(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)q;
    resp_array(out, tops_len());
    for (uint32_t i = 0; i < resp_commands_len(); i++)
        if (is_top(i))
            info_say(out, resp_command_at(i), r->resp3);
}

void resp_command_count(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    (void)q;
    resp_integer(out, tops_len());
}

void resp_command_info(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    if (q->args_len == 2) {
        resp_command(r, q, out);
        return;
    }
    resp_array(out, q->args_len - 2);
    for (uint32_t i = 2; i < q->args_len; i++) {
        const struct resp_command *c = resp_command_named(q->args[i]);
        if (c)
            info_say(out, c, r->resp3);
        else
            resp_null(out, r->resp3);
    }
}

void resp_command_docs(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    uint64_t n = 0;
    if (q->args_len == 2) {
        resp_map(out, tops_len(), r->resp3);
        for (uint32_t i = 0; i < resp_commands_len(); i++)
            if (is_top(i))
                docs_say(out, resp_command_at(i), r->resp3);
        return;
    }
    for (uint32_t i = 2; i < q->args_len; i++)
        n += resp_command_named(q->args[i]) != NULL;
    resp_map(out, n, r->resp3);
    for (uint32_t i = 2; i < q->args_len; i++) {
        const struct resp_command *c = resp_command_named(q->args[i]);
        if (c)
            docs_say(out, c, r->resp3);
    }
}

/* --- LIST ------------------------------------------------------------------------------------- */

static bool wanted(const struct resp_command *c, struct slice by, struct slice what)
{
    if (!by.len)
        return true;
    if (resp_word_is(by, "pattern"))
        return resp_name_fits(what, c->name);
    for (size_t i = 0; i < CATEGORIES && resp_word_is(by, "aclcat"); i++)
        if (resp_word_is(what, categories[i].name))
            return in_category(c, &categories[i]);
    return false;
}

void resp_command_list(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    struct slice by = {NULL, 0}, what = {NULL, 0};
    if (q->args_len == 5 && resp_word_is(q->args[2], "filterby")) {
        by = q->args[3];
        what = q->args[4];
    }
    bool known =
        resp_word_is(by, "pattern") || resp_word_is(by, "aclcat") || resp_word_is(by, "module");
    if (q->args_len > 2 && !known) {
        resp_error_text(out, "ERR syntax error");
        return;
    }
    uint64_t n = 0;
    for (uint32_t i = 0; i < resp_commands_len(); i++)
        n += wanted(resp_command_at(i), by, what);
    resp_array(out, n);
    for (uint32_t i = 0; i < resp_commands_len(); i++) {
        const struct resp_command *c = resp_command_at(i);
        if (wanted(c, by, what))
            resp_bulk(out, slice_make(c->name, c->name_len));
    }
}

/* --- GETKEYS ---------------------------------------------------------------------------------- */

/* The command behind GETKEYS; NULL: an error was said. */
static const struct resp_command *getkeys_command(const struct resp_request *q, struct buf *out)
{
    const struct resp_command *parent;
    const struct resp_command *c = resp_command_find(q->args + 2, q->args_len - 2, &parent);
    if (!c)
        resp_error_text(out, "ERR Invalid command specified");
    else if (c->first <= 0 && !(c->flags & RESP_MOVABLE_KEYS))
        resp_error_text(out, "ERR The command has no key arguments");
    else if (!resp_arity_fits(c, q->args_len - 2))
        resp_error_text(out, "ERR Invalid number of arguments specified for command");
    else
        return c;
    return NULL;
}

/* One key, or all of them where the specification has a range. */
static void keys_of_spec(const struct resp_request *q, const char *spec, uint32_t *ret_first,
                         uint32_t *ret_last, uint32_t *ret_step)
{
    char *end = NULL;
    if (*spec == '#') {
        long at = strtol(spec + 1, &end, 10);
        int64_t keys;
        *ret_first = (uint32_t)at + 1;
        *ret_step = 1;
        if (!resp_number(q->args[2 + at], &keys) || keys < 0 || keys > q->args_len - at - 3)
            keys = 0;
        *ret_last = (uint32_t)(at + keys);
        return;
    }
    long first = strtol(spec, &end, 10), last = strtol(end + 1, &end, 10);
    long step = strtol(end + 1, &end, 10), args = (long)q->args_len - 2;
    *ret_first = (uint32_t)first;
    last = last < 0 ? args + last : first + last;
    *ret_last = (uint32_t)(last < args ? last : args - 1);
    *ret_step = (uint32_t)step;
}

/* What SET does to its key depends on its options. */
static const char *variable_flags(const struct resp_request *q)
{
    for (uint32_t i = 5; i < q->args_len; i++) {
        if (resp_word_is(q->args[i], "get"))
            return "RW access update";
    }
    return "OW update";
}

static void getkeys(const struct resp_request *q, struct buf *out, bool flags, bool resp3)
{
    const struct resp_command *c = getkeys_command(q, out);
    if (!c)
        return;
    uint64_t n = 0;
    uint32_t first, last, step;
    const char *specs = resp_docs_of(c)->keys;
    for (const char *p = specs; p; p = strchr(p, ';'), p = p ? p + 1 : NULL) {
        keys_of_spec(q, p, &first, &last, &step);
        n += last >= first ? (last - first) / step + 1 : 0;
    }
    resp_array(out, n);
    for (const char *p = specs; p; p = strchr(p, ';'), p = p ? p + 1 : NULL) {
        keys_of_spec(q, p, &first, &last, &step);
        const char *words = strchr(p, ':') + 1, *stop = strchr(words, ';');
        char text[64] = "";
        strncat(text, words, stop ? (size_t)(stop - words) : sizeof text - 1);
        if (strstr(text, "variable_flags"))
            snprintf(text, sizeof text, "%s", variable_flags(q));
        for (uint32_t i = first; i <= last; i += step) {
            if (flags)
                resp_array(out, 2);
            resp_bulk(out, q->args[2 + i]);
            if (!flags)
                continue;
            resp_set(out, words_count(text), resp3);
            words_say(out, text);
        }
    }
}

void resp_command_getkeys(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    getkeys(q, out, false, r->resp3);
}

void resp_command_getkeysandflags(struct resp_session *r, const struct resp_request *q,
                                  struct buf *out)
{
    getkeys(q, out, true, r->resp3);
}

/* --- HELP ------------------------------------------------------------------------------------- */

static void upper_say(struct buf *line, const char *text)
{
    for (; *text; text++)
        buf_add_u8(line, (uint8_t)(*text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text));
}

/* Of any command that holds subcommands: each, and what it is for. */
void resp_help(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    const struct resp_command *parent = resp_parent_of(q->command);
    struct buf line = BUF_INIT;
    uint32_t subs = subs_len(parent);
    (void)r;
    resp_array(out, 1 + 2 * (uint64_t)subs);
    upper_say(&line, parent->name);
    buf_printf(&line, " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    resp_status(out, buf_slice(&line));
    for (uint32_t i = 1; i <= subs; i++) {
        line.len = 0;
        upper_say(&line, parent[i].name + parent->name_len + 1);
        resp_status(out, buf_slice(&line));
        line.len = 0;
        buf_printf(&line, "    %s.", resp_docs_of(&parent[i])->summary);
        resp_status(out, buf_slice(&line));
    }
    buf_release(&line);
}
