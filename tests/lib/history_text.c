/* history_text.c - operations as lines that programs read, and as sentences that people do. */
#include "tests/lib/history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { LINE_BYTES = 1024 };
enum word { CLIENT, KEY, INVOKED, RETURNED, OUTCOME, KIND, ARGUMENT, RESULT, VERSION, WORDS };

static const char *const outcomes[] = {"ok", "no", "doubt", "failed"};
enum argument { NONE, VALUE, VALUE_AT_VERSION, BY };

static const struct {
    const char *name;
    enum argument argument;
    bool results, may_refuse;
} kinds[] = {
    [HISTORY_READ] = {"read", NONE, true, true},
    [HISTORY_PUT] = {"put", VALUE, false, false},
    [HISTORY_DELETE] = {"delete", NONE, false, true},
    [HISTORY_PUT_IF_ABSENT] = {"absent", VALUE, false, true},
    [HISTORY_PUT_IF_VERSION] = {"version", VALUE_AT_VERSION, false, true},
    [HISTORY_INCR] = {"incr", BY, true, false},
};
enum { KINDS = sizeof kinds / sizeof *kinds, OUTCOMES = sizeof outcomes / sizeof *outcomes };

/* --- reading ---------------------------------------------------------------------------------- */

static bool parse_int(const char *word, int64_t *ret_number)
{
    char *end;
    errno = 0;
    long long number = strtoll(word, &end, 10);
    if (end == word || *end || errno)
        return false;
    *ret_number = number;
    return true;
}

static bool parse_value(const char *word, int64_t *ret_value)
{
    if (strcmp(word, "garbled") != 0)
        return parse_int(word, ret_value);
    *ret_value = HISTORY_GARBLED;
    return true;
}

/* A version above 0 and below HISTORY_NOTHING. */
static bool parse_version(const char *word, uint64_t *ret_version)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(word, &end, 10);
    if (*word == '-' || end == word || *end || errno || !number || number == HISTORY_NOTHING)
        return false;
    *ret_version = number;
    return true;
}

static bool parse_argument(char *word, struct history_op *op)
{
    char *at;
    switch (kinds[op->kind].argument) {
    case NONE:
        return strcmp(word, "-") == 0;
    case VALUE:
        return parse_int(word, &op->value);
    case BY:
        return parse_int(word, &op->by);
    case VALUE_AT_VERSION:
        at = strchr(word, '@');
        if (!at)
            return false;
        *at = '\0';
        return parse_int(word, &op->value) && parse_version(at + 1, &op->expected);
    }
    return false;
}

static bool parse_told_version(const char *word, struct history_op *op)
{
    if (strcmp(word, "-") == 0)
        return true;
    if (strcmp(word, "0") != 0)
        return parse_version(word, &op->version);
    op->version = HISTORY_NOTHING;
    return op->outcome == HISTORY_NO && op->kind != HISTORY_PUT_IF_ABSENT;
}

static bool parse_times(char *const *words, struct history_op *op)
{
    if (!parse_int(words[INVOKED], &op->invoked))
        return false;
    if (strcmp(words[RETURNED], "-") == 0) {
        op->returned = op->invoked;
        return op->outcome >= HISTORY_IN_DOUBT;
    }
    return parse_int(words[RETURNED], &op->returned) && op->returned >= op->invoked;
}

static size_t find_name(const char *word, const char *const *names, size_t n)
{
    size_t i = 0;
    while (i < n && strcmp(word, names[i]) != 0)
        i++;
    return i;
}

/* NULL, or what is wrong. */
static const char *parse_op(char *const *words, struct history_op *op)
{
    int64_t client;
    size_t kind = 0, outcome = find_name(words[OUTCOME], outcomes, OUTCOMES);
    while (kind < KINDS && strcmp(words[KIND], kinds[kind].name) != 0)
        kind++;
    if (kind == KINDS)
        return "no such kind";
    op->kind = (enum history_kind)kind;
    if (outcome == OUTCOMES || (outcome == HISTORY_NO && !kinds[kind].may_refuse))
        return "no such outcome";
    op->outcome = (enum history_outcome)outcome;
    if (!parse_int(words[CLIENT], &client) || client < 0 || client > UINT32_MAX)
        return "the client is a number";
    op->client = (uint32_t)client;
    if (strlen(words[KEY]) > HISTORY_KEY_BYTES)
        return "the key is too long";
    if (!parse_times(words, op))
        return "times are numbers, the second not before the first";
    if (!parse_argument(words[ARGUMENT], op))
        return "the argument is not of this kind";
    bool told = op->outcome == HISTORY_OK && kinds[kind].results;
    if (told ? !parse_value(words[RESULT], &op->value) : strcmp(words[RESULT], "-") != 0)
        return "the result is not of this kind";
    return parse_told_version(words[VERSION], op) ? NULL : "the version is not of this outcome";
}

const char *history_op_parse(char *line, const char **ret_key, struct history_op *ret_op)
{
    struct history_op op = {0};
    char *words[WORDS + 1], *rest = line;
    size_t n = 0;
    while (n <= WORDS && (words[n] = strsep(&rest, " ")))
        n += *words[n] != '\0';
    if (n != WORDS)
        return "nine words expected";
    const char *wrong = parse_op(words, &op);
    if (wrong)
        return wrong;
    *ret_key = words[KEY];
    *ret_op = op;
    return NULL;
}

/* NULL, or what is wrong. */
static const char *read_line(struct history *h, char *line)
{
    struct history_op op;
    const char *key;
    line[strcspn(line, "#\n")] = '\0';
    if (!line[strspn(line, " ")])
        return NULL;
    const char *wrong = history_op_parse(line, &key, &op);
    if (!wrong)
        history_add(h, key, &op);
    return wrong;
}

enum grid_err history_read(struct history *h, FILE *file, struct buf *why)
{
    char line[LINE_BYTES];
    size_t number = 0;
    while (fgets(line, sizeof line, file)) {
        number++;
        if (number > HISTORY_OPS_MAX)
            return GRID_ETOO_LARGE;
        const char *wrong =
            strlen(line) == sizeof line - 1 ? "the line is too long" : read_line(h, line);
        if (wrong) {
            buf_printf(why, "line %zu: %s", number, wrong);
            return GRID_EBAD_REQUEST;
        }
    }
    return ferror(file) ? GRID_EIO : GRID_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void add_value(int64_t value, struct buf *out)
{
    if (value == HISTORY_GARBLED)
        buf_add_text(out, "garbled");
    else
        buf_printf(out, "%" PRId64, value);
}

void history_op_line(const struct history_op *op, const char *key, struct buf *out)
{
    bool returns = op->outcome != HISTORY_IN_DOUBT;
    buf_printf(out, "%" PRIu32 " %s %" PRId64 " ", op->client, key, op->invoked);
    if (returns)
        buf_printf(out, "%" PRId64, op->returned);
    else
        buf_add_text(out, "-");
    buf_printf(out, " %s %s ", outcomes[op->outcome], kinds[op->kind].name);
    switch (kinds[op->kind].argument) {
    case NONE:
        buf_add_text(out, "-");
        break;
    case BY:
        buf_printf(out, "%" PRId64, op->by);
        break;
    case VALUE:
        buf_printf(out, "%" PRId64, op->value);
        break;
    case VALUE_AT_VERSION:
        buf_printf(out, "%" PRId64 "@%" PRIu64, op->value, op->expected);
        break;
    }
    buf_add_text(out, " ");
    if (op->outcome == HISTORY_OK && kinds[op->kind].results)
        add_value(op->value, out);
    else
        buf_add_text(out, "-");
    if (op->version == HISTORY_UNTOLD || !returns)
        buf_add_text(out, " -\n");
    else
        buf_printf(out, " %" PRIu64 "\n", op->version == HISTORY_NOTHING ? 0 : op->version);
}

static void add_asked(const struct history_op *op, struct buf *out)
{
    switch (op->kind) {
    case HISTORY_READ:
        buf_add_text(out, "read");
        break;
    case HISTORY_PUT:
        buf_printf(out, "put %" PRId64, op->value);
        break;
    case HISTORY_DELETE:
        buf_add_text(out, "delete");
        break;
    case HISTORY_PUT_IF_ABSENT:
        buf_printf(out, "put %" PRId64 " if there is nothing", op->value);
        break;
    case HISTORY_PUT_IF_VERSION:
        buf_printf(out, "put %" PRId64 " if it is version %" PRIu64, op->value, op->expected);
        break;
    case HISTORY_INCR:
        buf_printf(out, "add %" PRId64, op->by);
        break;
    }
}

static const char *refusal(const struct history_op *op)
{
    bool conditional = op->kind == HISTORY_PUT_IF_ABSENT || op->kind == HISTORY_PUT_IF_VERSION;
    return conditional && op->version != HISTORY_NOTHING ? "refused" : "nothing there";
}

void history_op_words(const struct history_op *op, struct buf *out)
{
    buf_printf(out, "from %" PRId64, op->invoked);
    if (op->outcome == HISTORY_IN_DOUBT)
        buf_add_text(out, " on");
    else
        buf_printf(out, " to %" PRId64, op->returned);
    buf_printf(out, " client %" PRIu32 ": ", op->client);
    add_asked(op, out);
    if (op->outcome == HISTORY_IN_DOUBT) {
        buf_add_text(out, ": in doubt");
    } else if (op->outcome == HISTORY_OK && kinds[op->kind].results) {
        buf_add_text(out, ": ");
        add_value(op->value, out);
    } else {
        buf_printf(out, ": %s",
                   op->outcome == HISTORY_OK       ? "done"
                   : op->outcome == HISTORY_FAILED ? "not done"
                                                   : refusal(op));
    }
    if (op->outcome <= HISTORY_NO && op->version != HISTORY_UNTOLD &&
        op->version != HISTORY_NOTHING)
        buf_printf(out, ", version %" PRIu64, op->version);
}
