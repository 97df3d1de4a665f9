/* cmd_status.c - ping, status, nodes, version. */
#include "commands.h"
#include "text.h"
#include "value.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COLUMNS(list) (list), sizeof(list) / sizeof *(list)

/* --- ping --- */

static void pause_ms(uint64_t ms)
{
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* One try. Its message goes to `message`, emptied first. */
static int ping_once(struct ctl *c, uint32_t timeout_ms, struct text *message, uint64_t *ret_us)
{
    FILE *err = c->err;
    char *said = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&said, &len);
    if (memory)
        c->err = memory;
    int code = ctl_connect(c, timeout_ms);
    if (code == 0) {
        uint64_t start = ctl_now_us();
        enum grid_err outcome = grid_ping(c->grid);
        *ret_us = ctl_now_us() - start;
        code = outcome == GRID_OK ? 0 : ctl_fail(c, outcome, NULL);
    }
    c->err = err;
    if (memory)
        fclose(memory);
    text_clear(message);
    text_add(message, said, len);
    free(said);
    return code;
}

/* Try until it answers, the time is over, or trying again cannot help. */
static int ping_until(struct ctl *c, uint64_t wait_ms, uint64_t *ret_us)
{
    struct text message = {0};
    uint64_t end = ctl_now_us() + wait_ms * 1000, pause = 10;
    int code;
    for (;;) {
        uint64_t now = ctl_now_us();
        uint64_t left = now < end ? (end - now) / 1000 : 0;
        uint64_t half = left < 200 ? 100 : left / 2; /* to connect, and to be answered */
        uint32_t timeout = wait_ms ? (uint32_t)half : 0;
        code = ping_once(c, timeout, &message, ret_us);
        if (code == EXIT_DONE || code == EXIT_USAGE || left <= pause)
            break;
        pause_ms(pause);
        pause = pause < 200 ? pause * 2 : pause;
    }
    fputs(text_str(&message), c->err);
    text_release(&message);
    return code;
}

int cmd_ping(struct ctl *c, const struct args *a)
{
    static const struct out_column columns[] = {{"ok", OUT_BOOL, false}, {"us", OUT_NUMBER, false}};
    uint64_t us = 0;
    int code = ping_until(c, args_number(a, "--wait", 0), &us);
    if (code)
        return code;
    if (out_json(c->out)) {
        out_begin(c->out, OUT_LINE, COLUMNS(columns));
        out_bool(c->out, true);
        out_number(c->out, us);
        out_end(c->out);
    } else {
        fprintf(c->out_file, "ok %.3f ms\n", (double)us / 1000);
    }
    return EXIT_DONE;
}

/* --- status --- */

/* Text of a server is not to be trusted with a JSON library that wants UTF-8. */
static json_t *json_text(const char *s)
{
    json_t *j = json_string(s);
    return j ? j : json_string("?");
}

static json_t *json_u64(uint64_t n)
{
    return json_integer((json_int_t)(n > INT64_MAX ? INT64_MAX : n));
}

static json_t *json_strings(char *const *list, size_t len)
{
    json_t *array = json_array();
    for (size_t i = 0; i < len; i++)
        json_array_append_new(array, json_text(list[i]));
    return array;
}

static json_t *json_node(const struct grid_node_info *node)
{
    json_t *metrics = json_object(), *j = json_object();
    for (size_t i = 0; i < node->metrics_len; i++)
        json_object_set_new(metrics, node->metrics[i].name, json_u64(node->metrics[i].value));
    json_object_set_new(j, "name", json_text(node->name));
    json_object_set_new(j, "id", json_text(node->id));
    json_object_set_new(j, "state", json_text(node->state));
    json_object_set_new(j, "address", json_text(node->address));
    json_object_set_new(j, "version", json_text(node->version));
    json_object_set_new(j, "uptime_ms", json_u64(node->uptime_ms));
    json_object_set_new(j, "shards", json_u64(node->shards));
    json_object_set_new(j, "number", json_u64(node->number));
    json_object_set_new(j, "voter", json_boolean(node->voter));
    json_object_set_new(j, "leader", json_boolean(node->leader));
    json_object_set_new(j, "primaries", json_u64(node->primaries));
    json_object_set_new(j, "copies", json_u64(node->copies));
    json_object_set_new(j, "joining", json_u64(node->joining));
    json_object_set_new(j, "kept", json_u64(node->kept));
    json_object_set_new(j, "level", json_u64(node->level));
    json_object_set_new(j, "labels", json_strings(node->labels, node->labels_len));
    json_object_set_new(j, "metrics", metrics);
    return j;
}

static void status_json(struct out *o, const struct grid_status *s, uint64_t rate)
{
    json_t *nodes = json_array(), *j = json_object();
    for (size_t i = 0; i < s->nodes_len; i++)
        json_array_append_new(nodes, json_node(&s->nodes[i]));
    json_object_set_new(j, "grid", json_text(s->grid));
    json_object_set_new(j, "healthy", json_boolean(s->healthy));
    json_object_set_new(j, "problems", json_strings(s->problems, s->problems_len));
    json_object_set_new(j, "notes", json_strings(s->notes, s->notes_len));
    json_object_set_new(j, "contexts", json_u64(s->contexts));
    json_object_set_new(j, "caches", json_u64(s->caches));
    json_object_set_new(j, "entries", json_u64(s->entries));
    json_object_set_new(j, "bytes", json_u64(s->bytes));
    json_object_set_new(j, "partitions", json_u64(s->partitions));
    json_object_set_new(j, "partitions_damaged", json_u64(s->partitions_damaged));
    json_object_set_new(j, "revision", json_u64(s->revision));
    json_object_set_new(j, "unled", json_u64(s->unled));
    json_object_set_new(j, "lost", json_u64(s->lost));
    json_object_set_new(j, "short_of_copies", json_u64(s->short_of_copies));
    json_object_set_new(j, "unplaced", json_u64(s->unplaced));
    json_object_set_new(j, "below_min", json_u64(s->below_min));
    json_object_set_new(j, "joining", json_u64(s->joining));
    json_object_set_new(j, "bytes_left", json_u64(s->bytes_left));
    json_object_set_new(j, "bytes_per_second", json_u64(rate));
    json_object_set_new(j, "misplaced", json_u64(s->misplaced));
    json_object_set_new(j, "rebalance_paused", json_boolean(s->rebalance_paused));
    json_object_set_new(j, "level", json_u64(s->level));
    json_object_set_new(j, "nodes", nodes);
    json_dumpf(j, out_file(o), JSON_INDENT(2));
    putc('\n', out_file(o));
    json_decref(j);
}

static bool levels_differ(const struct grid_status *s)
{
    for (size_t i = 0; i < s->nodes_len; i++)
        if (s->nodes[i].level != s->level)
            return true;
    return false;
}

/* In text, levels are shown where they differ. */
static void print_nodes(struct out *o, const struct grid_status *s)
{
    static const struct out_column text_columns[] = {
        {"node", OUT_TEXT, false},        {"state", OUT_TEXT, false},
        {"address", OUT_TEXT, false},     {"uptime", OUT_DURATION, false},
        {"shards", OUT_NUMBER, false},    {"role", OUT_TEXT, false},
        {"primaries", OUT_NUMBER, false}, {"copies", OUT_NUMBER, false},
        {"joining", OUT_NUMBER, false},   {"version", OUT_TEXT, false},
        {"labels", OUT_TEXT, false},      {"level", OUT_NUMBER, false}};
    static const struct out_column json_columns[] = {
        {"name", OUT_TEXT, false},        {"state", OUT_TEXT, false},
        {"address", OUT_TEXT, false},     {"uptime_ms", OUT_DURATION, false},
        {"shards", OUT_NUMBER, false},    {"role", OUT_TEXT, false},
        {"primaries", OUT_NUMBER, false}, {"copies", OUT_NUMBER, false},
        {"joining", OUT_NUMBER, false},   {"version", OUT_TEXT, false},
        {"labels", OUT_TEXT, false},      {"level", OUT_NUMBER, false},
        {"id", OUT_TEXT, false}};
    bool json = out_json(o), levels = json || levels_differ(s);
    out_begin(o, OUT_TABLE, json ? json_columns : text_columns, json ? 13 : levels ? 12 : 11);
    for (size_t i = 0; i < s->nodes_len; i++) {
        const struct grid_node_info *node = &s->nodes[i];
        out_text(o, node->name);
        out_text(o, node->state);
        out_text(o, node->address);
        if (json || node->uptime_ms)
            out_number(o, node->uptime_ms);
        else
            out_text(o, "-");
        out_number(o, node->shards);
        out_text(o, node->leader ? "leader" : node->voter ? "voter" : "");
        out_number(o, node->primaries);
        out_number(o, node->copies);
        out_number(o, node->joining);
        out_text(o, node->version);
        out_list(o, node->labels, 0, node->labels_len);
        if (levels)
            out_number(o, node->level);
        if (json)
            out_text(o, node->id);
    }
    out_end(o);
}

/* What moves and how long it will take, at `rate` bytes a second (0: not known). */
static void print_moving(FILE *f, const struct grid_status *s, uint64_t rate)
{
    char left[VALUE_TEXT_BYTES], speed[VALUE_TEXT_BYTES], time[VALUE_TEXT_BYTES];
    fprintf(f, "moving      %" PRIu64 " copies on their way", s->joining);
    if (s->bytes_left)
        fprintf(f, ", %s left", value_size_text(left, s->bytes_left));
    if (s->bytes_left && rate)
        fprintf(f, ", %s/s, about %s", value_size_text(speed, rate),
                value_duration_text(time, s->bytes_left * 1000 / rate));
    if (s->misplaced)
        fprintf(f, "; %" PRIu64 " partitions not yet where they should be", s->misplaced);
    fputs("\n", f);
}

static void status_text(struct out *o, const struct grid_status *s, uint64_t rate)
{
    FILE *f = out_file(o);
    struct text safe = {0};
    char entries[VALUE_TEXT_BYTES], memory[VALUE_TEXT_BYTES];
    const char *colour = !out_colour(o) ? "" : s->healthy ? "\033[1;32m" : "\033[1;31m";
    escape_add(&safe, s->grid, strlen(s->grid));
    fprintf(f, "grid %s: %s%s%s\n", text_str(&safe), colour, s->healthy ? "healthy" : "NOT HEALTHY",
            out_colour(o) ? "\033[0m" : "");
    for (size_t i = 0; i < s->problems_len; i++) {
        text_clear(&safe);
        escape_add(&safe, s->problems[i], strlen(s->problems[i]));
        fprintf(f, "  ! %s\n", text_str(&safe));
    }
    for (size_t i = 0; i < s->notes_len; i++) {
        text_clear(&safe);
        escape_add(&safe, s->notes[i], strlen(s->notes[i]));
        fprintf(f, "  - %s\n", text_str(&safe));
    }
    text_release(&safe);
    fprintf(f,
            "\ncontexts    %" PRIu64 "\ncaches      %" PRIu64 "\nentries     %s\nin memory   %s\n",
            s->contexts, s->caches, value_count_text(entries, s->entries),
            value_size_text(memory, s->bytes));
    fprintf(f, "partitions  %" PRIu64, s->partitions);
    if (s->partitions_damaged)
        fprintf(f, " (%" PRIu64 " damaged)", s->partitions_damaged);
    if (s->rebalance_paused)
        fputs(", rebalance paused", f);
    fputs("\n", f);
    if (s->joining || s->misplaced)
        print_moving(f, s, rate);
    fputs("\n", f);
    print_nodes(o, s);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct grid_node_info *)a)->name,
                  ((const struct grid_node_info *)b)->name);
}

/* Nodes by name: where one stands does not depend on who is asked. */
static int get_status(struct ctl *c, struct grid_status **ret_status)
{
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_get_status(c->grid, ret_status);
    if (err)
        return ctl_fail(c, err, NULL);
    qsort((*ret_status)->nodes, (*ret_status)->nodes_len, sizeof *(*ret_status)->nodes, by_name);
    return 0;
}

/* While copies are on their way: how fast, seen by looking twice. *status is the newer one then. */
static uint64_t moving_rate(struct ctl *c, struct grid_status **status)
{
    enum { LOOK_MS = 300 };
    struct grid_status *later;
    uint64_t before = (*status)->bytes_left, start = ctl_now_us();
    if (!(*status)->joining || !before)
        return 0;
    pause_ms(LOOK_MS);
    if (get_status(c, &later))
        return 0;
    uint64_t left = later->bytes_left, us = ctl_now_us() - start;
    grid_free(*status);
    *status = later;
    return left < before && us ? (before - left) * 1000000 / us : 0;
}

int cmd_status(struct ctl *c, const struct args *a)
{
    struct grid_status *status;
    int code = get_status(c, &status);
    if (code)
        return code;
    (void)a;
    uint64_t rate = moving_rate(c, &status);
    (out_json(c->out) ? status_json : status_text)(c->out, status, rate);
    code = status->healthy ? EXIT_DONE : EXIT_NOT_MET;
    grid_free(status);
    return code;
}

int cmd_nodes(struct ctl *c, const struct args *a)
{
    struct grid_status *status;
    int code = get_status(c, &status);
    if (code)
        return code;
    (void)a;
    print_nodes(c->out, status);
    grid_free(status);
    return EXIT_DONE;
}

int cmd_version(struct ctl *c, const struct args *a)
{
    static const struct out_column columns[] = {{"gridctl", OUT_TEXT, false},
                                                {"libgridclient", OUT_TEXT, false}};
    (void)a;
    if (!out_json(c->out)) {
        fprintf(c->out_file, "gridctl %s (libgridclient %s)\n", GRIDD_VERSION, grid_version());
        return EXIT_DONE;
    }
    out_begin(c->out, OUT_LINE, COLUMNS(columns));
    out_text(c->out, GRIDD_VERSION);
    out_text(c->out, grid_version());
    out_end(c->out);
    return EXIT_DONE;
}
