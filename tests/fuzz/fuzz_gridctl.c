/* fuzz_gridctl.c - bytes as a command line, as a line of the shell, and as records of load. No
 * network. LINK: ctl client
 */
#include "client/gridctl/args.h"
#include "client/gridctl/help.h"
#include "client/gridctl/record.h"
#include "client/gridctl/words.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void understand(const char *const *words, size_t len)
{
    struct args args;
    char why[ARGS_WHY_BYTES];
    enum args_outcome outcome = args_parse(words, len, NULL, &args, why);
    if (outcome == ARGS_RUN && (!args.command || strcmp(args.path, args.command->path) != 0))
        abort();
    if (outcome == ARGS_WRONG && (!*why || strpbrk(why, "\n\033")))
        abort();
}

static void ignore(void *arg, const char *word)
{
    (void)arg, (void)word;
}

/* Words separated by NUL bytes. */
static void as_arguments(char *text, size_t size)
{
    const char *words[64];
    size_t n = 0;
    for (size_t at = 0; at < size && n < 64; at += strlen(text + at) + 1)
        words[n++] = text + at;
    understand(words, n);
}

static void as_shell_line(const char *text)
{
    struct words w;
    if (!words_split(text, &w)) {
        understand(w.list, w.len);
        if (w.len > 0)
            help_complete(w.list, w.len - 1, w.list[w.len - 1], ignore, NULL);
    }
    words_release(&w);
}

/* What is read must come back the same when it is written and read again. */
static void as_record(const char *line, size_t len, const struct record_options *options)
{
    static const struct record_options plain[] = {{.format = RECORD_TSV}, {.format = RECORD_JSONL}};
    char why[RECORD_WHY_BYTES];
    struct record first, again;
    struct text written = {0};
    struct records *a = records_new(options, why), *b = records_new(&plain[options->format], why);
    if (a && b && records_parse(a, line, len, &first, why) == RECORD_OK) {
        struct grid_entry entry = {.key = first.key, .value = first.value};
        record_write(&written, options->format, &entry);
        if (records_parse(b, written.data, written.len - 1, &again, why) != RECORD_OK ||
            again.key.len != first.key.len || again.value.len != first.value.len ||
            memcmp(again.key.data, first.key.data, first.key.len) != 0 ||
            (first.value.len && memcmp(again.value.data, first.value.data, first.value.len) != 0))
            abort();
    }
    text_release(&written);
    records_free(a);
    records_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct record_options options[] = {
        {.format = RECORD_TSV},
        {.format = RECORD_TSV, .key = "2", .affinity = "1"},
        {.format = RECORD_TSV, .raw = true},
        {.format = RECORD_JSONL},
        {.format = RECORD_JSONL, .key = "id", .affinity = "id"},
    };
    if (size < 1)
        return 0;
    char *text = malloc(size);
    if (!text)
        abort();
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    unsigned kind = data[0] % 7;
    if (kind == 0)
        as_arguments(text, size - 1);
    else if (kind == 1)
        as_shell_line(text);
    else
        as_record(text, size - 1, &options[kind - 2]);
    free(text);
    return 0;
}
