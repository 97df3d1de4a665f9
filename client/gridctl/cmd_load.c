/* cmd_load.c - load: a file into a cache, pipelined; dump: the way back.
 *
 *   lines -> records -> at most SLOTS puts on their way -> completions
 *
 * Reading waits while the slots or FLYING_BYTES_MAX are used up, so that a slow grid slows the
 * reading down and memory stays small. The first thing that goes wrong stops the reading; what is
 * on its way is waited for and counted. */
#include "commands.h"
#include "progress.h"
#include "record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SLOTS = 1024, FLYING_BYTES_MAX = 32 << 20 };

struct load;

/* One put on its way. */
struct slot {
    struct load *load;
    uint64_t line;
    size_t bytes;
    struct slot *next; /* among the free ones */
};

struct load {
    struct ctl *c;
    struct grid_cache *cache;
    const char *file; /* as messages name it */
    struct lines lines;
    struct records *records;
    struct grid_write how;
    struct slot slots[SLOTS], *idle;
    size_t flying_bytes;
    uint64_t loaded, in_doubt, failed;
    uint64_t failed_line; /* lowest line that was not done, with its reason */
    enum grid_err failed_err;
    char failed_why[256];
    struct progress progress;
};

static void put_done(void *arg, const struct grid_result *result)
{
    struct slot *slot = arg;
    struct load *l = slot->load;
    bool doubt = ctl_exit_code(result->err, false) == EXIT_IN_DOUBT;
    slot->next = l->idle;
    l->idle = slot;
    l->flying_bytes -= slot->bytes;
    if (result->err == GRID_OK) {
        l->loaded++;
        return;
    }
    if (doubt)
        l->in_doubt++;
    else
        l->failed++;
    if (l->failed_line && l->failed_line < slot->line)
        return;
    l->failed_line = slot->line;
    l->failed_err = result->err;
    snprintf(l->failed_why, sizeof l->failed_why, "%s", result->detail ? result->detail : "");
}

static void send_record(struct load *l, const struct record *record)
{
    struct grid_write how = l->how;
    if (record->deadline_ms) {
        uint64_t now = ctl_unix_ms();
        if (record->deadline_ms <= now)
            return; /* it is over */
        how.ttl = GRID_TTL_SET;
        how.ttl_ms = record->deadline_ms - now;
    }
    how.affinity = record->affinity;
    how.type = record->type;
    how.media = record->media;
    while (!l->idle || l->flying_bytes > FLYING_BYTES_MAX)
        grid_poll(l->c->grid, -1);
    struct slot *slot = l->idle;
    l->idle = slot->next;
    slot->line = l->lines.number;
    slot->bytes = record->key.len + record->value.len;
    l->flying_bytes += slot->bytes;
    grid_put_async(l->cache, record->key, record->value, &how, put_done, slot);
    if (slot->line % 64 == 0) {
        grid_poll(l->c->grid, 0);
        progress_show(&l->progress, l->lines.bytes, l->loaded, ctl_now_us());
    }
}

/* Read and send until the end, a bad line or a failure. Returns 0, or EXIT_USAGE with `why` set
 * for line lines.number. */
static int load_lines(struct load *l, char why[RECORD_WHY_BYTES])
{
    const char *line;
    size_t len;
    struct record record;
    while (!l->failed_line) {
        enum lines_outcome outcome = lines_next(&l->lines, &line, &len);
        if (outcome == LINES_END)
            return 0;
        if (outcome == LINES_ERROR)
            snprintf(why, RECORD_WHY_BYTES, "%s", strerror(errno));
        if (outcome == LINES_TOO_LONG)
            snprintf(why, RECORD_WHY_BYTES, "the line is longer than %d bytes", RECORD_LINE_MAX);
        if (outcome != LINES_OK)
            return EXIT_USAGE;
        switch (records_parse(l->records, line, len, &record, why)) {
        case RECORD_OK:
            send_record(l, &record);
            break;
        case RECORD_SKIP:
            break;
        case RECORD_BAD:
            return EXIT_USAGE;
        }
    }
    return 0;
}

/* The first failure, with how many more there were. */
static int report_failure(struct load *l)
{
    struct text safe = {0};
    const char *text = grid_err_text(l->failed_err);
    escape_add(&safe, l->failed_why, strlen(l->failed_why));
    ctl_error(l->c, 0, "%s:%" PRIu64 ": %s%s%s", l->file, l->failed_line, text,
              safe.len ? ": " : "", text_str(&safe));
    text_release(&safe);
    if (l->failed + l->in_doubt > 1)
        ctl_error(l->c, 0, "%" PRIu64 " records were not written, %" PRIu64 " are in doubt",
                  l->failed, l->in_doubt);
    return l->in_doubt ? EXIT_IN_DOUBT : ctl_exit_code(l->failed_err, false);
}

static int load_run(struct load *l)
{
    static const struct out_column columns[] = {{"loaded", OUT_NUMBER, false}};
    char why[RECORD_WHY_BYTES] = "";
    uint64_t start = ctl_now_us();
    int code = load_lines(l, why);
    grid_flush(l->c->grid);
    progress_end(&l->progress);
    double seconds = (double)(ctl_now_us() - start) / 1e6;
    if (code)
        ctl_error(l->c, 0, "%s:%" PRIu64 ": %s", l->file, l->lines.number, why);
    if (l->failed_line)
        code = report_failure(l);
    fprintf(l->c->err, "loaded %" PRIu64 " records in %.2f s (%.0f/s)\n", l->loaded, seconds,
            seconds > 0 ? (double)l->loaded / seconds : 0);
    if (out_json(l->c->out)) {
        out_begin(l->c->out, OUT_LINE, columns, 1);
        out_number(l->c->out, l->loaded);
        out_end(l->c->out);
    }
    return code;
}

static enum record_format format_of(const struct args *a, const char *file)
{
    static const char *const endings[] = {".jsonl", ".ndjson", ".json"};
    const struct arg_value *given = args_value(a, "--format");
    size_t len = strlen(file);
    if (given->set)
        return given->number == 1 ? RECORD_JSONL : RECORD_TSV;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i]);
        if (len > n && strcmp(file + len - n, endings[i]) == 0)
            return RECORD_JSONL;
    }
    return RECORD_TSV;
}

static int load_open(struct load *l, const struct args *a, const char *file)
{
    char why[RECORD_WHY_BYTES];
    struct stat st;
    struct record_options options = {
        .format = format_of(a, file),
        .key = args_text(a, "--key"),
        .affinity = args_text(a, "--affinity"),
        .header = args_flag(a, "--header"),
        .raw = args_flag(a, "--raw"),
    };
    const struct arg_value *ttl = args_value(a, "--ttl");
    if (ttl->set) {
        l->how.ttl = ttl->number ? GRID_TTL_SET : GRID_TTL_NONE;
        l->how.ttl_ms = ttl->number;
    }
    l->records = records_new(&options, why);
    if (!l->records)
        return ctl_error(l->c, EXIT_USAGE, "%s", why);
    bool standard = strcmp(file, "-") == 0;
    if (standard && l->c->in_shell)
        return ctl_error(l->c, EXIT_USAGE, "- reads standard input, which is the shell's here");
    l->file = standard ? "standard input" : file;
    l->lines.file = standard ? l->c->in : fopen(file, "re");
    if (!l->lines.file || fstat(fileno(l->lines.file), &st) < 0)
        return ctl_error(l->c, EXIT_USAGE, "%s: %s", file, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return ctl_error(l->c, EXIT_USAGE, "%s: is a directory", file);
    uint64_t total = S_ISREG(st.st_mode) && st.st_size > 0 ? (uint64_t)st.st_size : 0;
    progress_start(&l->progress, l->c->err_is_terminal ? l->c->err : NULL, l->file, total,
                   ctl_now_us());
    return 0;
}

int cmd_load(struct ctl *c, const struct args *a)
{
    struct load *l = mem_new(1, sizeof *l);
    l->c = c;
    for (size_t i = 0; i < SLOTS; i++) {
        l->slots[i] = (struct slot){.load = l, .next = l->idle};
        l->idle = &l->slots[i];
    }
    int code = load_open(l, a, args_text(a, "FILE"));
    if (code == 0)
        code = ctl_cache(c, &l->cache);
    if (code == 0)
        code = load_run(l);
    if (l->lines.file && l->lines.file != c->in)
        fclose(l->lines.file);
    lines_release(&l->lines);
    records_free(l->records);
    free(l);
    return code;
}

/* What tsv does not carry. */
static void dump_notes(struct ctl *c, bool jsonl, uint64_t placed, uint64_t media)
{
    if (placed && !jsonl)
        ctl_error(c, 0,
                  "%" PRIu64 " entries have an affinity key, which tsv does not carry; "
                  "--format jsonl does",
                  placed);
    if (media && !jsonl)
        ctl_error(c, 0,
                  "%" PRIu64 " entries have a media type, which tsv does not carry; "
                  "--format jsonl does",
                  media);
}

int cmd_dump(struct ctl *c, const struct args *a)
{
    bool jsonl =
        args_value(a, "--format")->set ? args_number(a, "--format", 0) == 1 : out_json(c->out);
    struct grid_cache *cache;
    struct grid_scan *scan;
    struct grid_entry entry;
    struct text line = {0};
    int code = ctl_read_cache(c, &cache);
    if (code)
        return code;
    enum grid_err err = grid_scan_start(cache, NULL, &scan);
    if (err != GRID_OK)
        return ctl_fail(c, err, args_text(a, "CACHE"));
    uint64_t placed = 0, left_out = 0, media = 0;
    while ((err = grid_scan_next(scan, &entry)) == GRID_OK && !ferror(c->out_file)) {
        text_clear(&line);
        placed += entry.affinity.len > 0;
        media += entry.media.len > 0;
        left_out += !record_write(&line, jsonl ? RECORD_JSONL : RECORD_TSV, &entry);
        fwrite(line.data, 1, line.len, c->out_file);
    }
    grid_scan_free(scan);
    text_release(&line);
    dump_notes(c, jsonl, placed, media);
    if (left_out)
        code = ctl_error(c, EXIT_NOT_MET,
                         jsonl ? "%" PRIu64 " hashes were left out: they are larger than max_value"
                               : "%" PRIu64 " hashes were left out: tsv has no form for them; "
                                 "--format jsonl has",
                         left_out);
    return err == GRID_OK || err == GRID_ENOT_FOUND ? code
                                                    : ctl_fail(c, err, args_text(a, "CACHE"));
}
