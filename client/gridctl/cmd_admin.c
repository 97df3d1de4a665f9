/* cmd_admin.c - contexts, caches, settings, partitions. */
#include "commands.h"
#include "text.h"
#include "value.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define COLUMNS(list) (list), sizeof(list) / sizeof *(list)

/* --- contexts --- */

static const char *const durability_names[] = {"sync", "async", "memory"};

static const struct out_column context_columns[] = {{"name", OUT_TEXT, false},
                                                    {"partitions", OUT_NUMBER, false},
                                                    {"backups", OUT_NUMBER, false},
                                                    {"copies", OUT_NUMBER, false},
                                                    {"durability", OUT_TEXT, false},
                                                    {"memory_limit", OUT_SIZE, false},
                                                    {"min_in_sync", OUT_NUMBER, false},
                                                    {"when_full", OUT_TEXT, false},
                                                    {"nodes", OUT_TEXT, false},
                                                    {"caches", OUT_NUMBER, false},
                                                    {"entries", OUT_NUMBER, false},
                                                    {"bytes", OUT_SIZE, false},
                                                    {"id", OUT_NUMBER, true}};

/* Those there can be; of as many as are asked for, where these are more. */
static void copies_cell(struct out *o, const struct grid_context_info *info)
{
    char text[32];
    if (out_json(o) || info->backups == GRID_BACKUPS_ALL || info->copies > info->backups) {
        out_number(o, info->copies);
        return;
    }
    snprintf(text, sizeof text, "%" PRIu32 " of %" PRIu32, info->copies, info->backups + 1);
    out_text(o, text);
}

static void context_row(struct out *o, const struct grid_context_info *info)
{
    out_text(o, info->name);
    out_number(o, info->partitions);
    if (info->backups == GRID_BACKUPS_ALL)
        out_text(o, "all");
    else
        out_number(o, info->backups);
    copies_cell(o, info);
    out_text(o, (unsigned)info->durability < 3 ? durability_names[info->durability] : "?");
    if (info->memory_limit || out_json(o))
        out_number(o, info->memory_limit);
    else
        out_none(o, "-");
    out_number(o, info->min_in_sync);
    out_text(o, info->evict ? "evict" : "refuse");
    if (*info->nodes)
        out_text(o, info->nodes);
    else
        out_none(o, "all");
    out_number(o, info->caches);
    out_number(o, info->entries);
    out_number(o, info->bytes);
    out_number(o, info->id);
}

/* What the options say goes over `info`; returns the fields that were given. */
static unsigned context_options(const struct args *a, struct grid_context_info *info)
{
    unsigned fields = 0;
    const struct arg_value *v = args_value(a, "--backups");
    if (v->set) {
        fields |= GRID_FIELD_BACKUPS;
        info->backups = (uint32_t)v->number;
    }
    v = args_value(a, "--durability");
    if (v->set) {
        fields |= GRID_FIELD_DURABILITY;
        info->durability = (enum grid_durability)v->number;
    }
    v = args_value(a, "--memory-limit");
    if (v->set) {
        fields |= GRID_FIELD_MEMORY_LIMIT;
        info->memory_limit = v->number;
    }
    v = args_value(a, "--min-in-sync");
    if (v->set) {
        fields |= GRID_FIELD_MIN_IN_SYNC;
        info->min_in_sync = v->number > UINT32_MAX ? UINT32_MAX : (uint32_t)v->number;
    }
    v = args_value(a, "--nodes");
    if (v->set) {
        fields |= GRID_FIELD_NODES;
        snprintf(info->nodes, sizeof info->nodes, "%s", v->text);
    }
    v = args_value(a, "--when-full");
    if (v->set) {
        fields |= GRID_FIELD_EVICT;
        info->evict = v->number == 1;
    }
    return fields;
}

static void copy_name(char name[GRID_NAME_BYTES], const struct args *a)
{
    snprintf(name, GRID_NAME_BYTES, "%s", args_text(a, "NAME"));
}

/* Changes print nothing in text; in JSON the name of what was changed. */
static int changed(struct ctl *c, const char *name)
{
    static const struct out_column columns[] = {{"name", OUT_TEXT, false}};
    if (!out_json(c->out))
        return EXIT_DONE;
    out_begin(c->out, OUT_LINE, COLUMNS(columns));
    out_text(c->out, name);
    out_end(c->out);
    return EXIT_DONE;
}

static int ended(struct ctl *c, enum grid_err err, const char *name)
{
    return err == GRID_OK ? changed(c, name) : ctl_fail(c, err, name);
}

int cmd_context_create(struct ctl *c, const struct args *a)
{
    struct grid_context_info want = {.backups = 1, .min_in_sync = 1};
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    copy_name(want.name, a);
    want.partitions = (uint32_t)args_number(a, "--partitions", 0);
    context_options(a, &want);
    return ended(c, grid_context_create(c->grid, &want), want.name);
}

int cmd_context_alter(struct ctl *c, const struct args *a)
{
    struct grid_context_info want = {0};
    unsigned fields = context_options(a, &want);
    if (!fields)
        return ctl_error(c, EXIT_USAGE,
                         "nothing to change is given; see gridctl context alter --help");
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    copy_name(want.name, a);
    return ended(c, grid_context_alter(c->grid, &want, fields), want.name);
}

int cmd_context_drop(struct ctl *c, const struct args *a)
{
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    return ended(c, grid_context_drop(c->grid, args_text(a, "NAME")), args_text(a, "NAME"));
}

static int print_contexts(struct ctl *c, const char *name, enum out_shape shape)
{
    struct grid_context_info *list;
    size_t len;
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_context_list(c->grid, name, &list, &len);
    if (err == GRID_OK && name && len == 0) {
        grid_free(list);
        err = GRID_ENO_CONTEXT;
    }
    if (err != GRID_OK)
        return ctl_fail(c, err, name);
    out_begin(c->out, shape, COLUMNS(context_columns));
    for (size_t i = 0; i < len && (i == 0 || shape == OUT_TABLE); i++)
        context_row(c->out, &list[i]);
    out_end(c->out);
    grid_free(list);
    return EXIT_DONE;
}

int cmd_context_list(struct ctl *c, const struct args *a)
{
    (void)a;
    return print_contexts(c, NULL, OUT_TABLE);
}

int cmd_context_show(struct ctl *c, const struct args *a)
{
    return print_contexts(c, args_text(a, "NAME"), OUT_RECORD);
}

/* --- caches --- */

int cmd_cache_create(struct ctl *c, const struct args *a)
{
    const char *path = args_text(a, "CACHE");
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    return ended(c, grid_cache_create(c->grid, path, args_number(a, "--ttl", 0)), path);
}

int cmd_cache_drop(struct ctl *c, const struct args *a)
{
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    return ended(c, grid_cache_drop(c->grid, args_text(a, "CACHE")), args_text(a, "CACHE"));
}

int cmd_cache_list(struct ctl *c, const struct args *a)
{
    static const struct out_column columns[] = {{"name", OUT_TEXT, false},
                                                {"ttl_ms", OUT_DURATION, true},
                                                {"entries", OUT_NUMBER, false},
                                                {"id", OUT_NUMBER, true}};
    static const struct out_column text_columns[] = {{"name", OUT_TEXT, false},
                                                     {"ttl", OUT_DURATION, false},
                                                     {"entries", OUT_NUMBER, false},
                                                     {"id", OUT_NUMBER, true}};
    struct grid_cache_info *list;
    size_t len;
    bool json = out_json(c->out);
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_cache_list(c->grid, args_text(a, "CONTEXT"), &list, &len);
    if (err != GRID_OK)
        return ctl_fail(c, err, args_text(a, "CONTEXT"));
    out_begin(c->out, OUT_TABLE, json ? columns : text_columns, 4);
    for (size_t i = 0; i < len; i++) {
        out_text(c->out, list[i].name);
        if (list[i].ttl_ms || json)
            out_number(c->out, list[i].ttl_ms);
        else
            out_none(c->out, "none");
        out_number(c->out, list[i].entries);
        out_number(c->out, list[i].id);
    }
    out_end(c->out);
    grid_free(list);
    return EXIT_DONE;
}

/* --- settings --- */

static int get_settings(struct ctl *c, struct grid_setting_info **ret_list, size_t *ret_len)
{
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_setting_list(c->grid, ret_list, ret_len);
    return err == GRID_OK ? 0 : ctl_fail(c, err, NULL);
}

static const struct grid_setting_info *find_setting(const struct grid_setting_info *list,
                                                    size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    return NULL;
}

int cmd_settings_list(struct ctl *c, const struct args *a)
{
    static const struct out_column columns[] = {
        {"name", OUT_TEXT, false},      {"value", OUT_NUMBER, false}, {"unit", OUT_TEXT, false},
        {"default", OUT_NUMBER, false}, {"min", OUT_NUMBER, false},   {"max", OUT_NUMBER, false},
        {"help", OUT_TEXT, false}};
    struct grid_setting_info *list;
    size_t len;
    int code = get_settings(c, &list, &len);
    if (code)
        return code;
    (void)a;
    out_begin(c->out, OUT_TABLE, COLUMNS(columns));
    for (size_t i = 0; i < len; i++) {
        out_text(c->out, list[i].name);
        out_signed(c->out, list[i].value);
        out_text(c->out, list[i].unit);
        out_signed(c->out, list[i].standard);
        out_signed(c->out, list[i].min);
        out_signed(c->out, list[i].max);
        out_text(c->out, list[i].help);
    }
    out_end(c->out);
    grid_free(list);
    return EXIT_DONE;
}

int cmd_settings_get(struct ctl *c, const struct args *a)
{
    static const struct out_column columns[] = {
        {"name", OUT_TEXT, true}, {"value", OUT_NUMBER, false}, {"unit", OUT_TEXT, true}};
    struct grid_setting_info *list;
    size_t len;
    int code = get_settings(c, &list, &len);
    if (code)
        return code;
    const struct grid_setting_info *s = find_setting(list, len, args_text(a, "NAME"));
    if (s) {
        out_begin(c->out, OUT_LINE, COLUMNS(columns));
        out_text(c->out, s->name);
        out_signed(c->out, s->value);
        out_text(c->out, s->unit);
        out_end(c->out);
    } else {
        code = ctl_error(c, EXIT_NOT_MET, "%s: no such setting", args_text(a, "NAME"));
    }
    grid_free(list);
    return code;
}

/* A plain number counts in the setting's own unit. */
static bool setting_value(const struct grid_setting_info *s, const char *text, int64_t *ret)
{
    uint64_t n;
    if (value_integer(text, ret))
        return true;
    if (!(strcmp(s->unit, "ms") == 0 ? value_duration(text, 1, &n)
                                     : strcmp(s->unit, "bytes") == 0 && value_size(text, &n)))
        return false;
    *ret = (int64_t)n;
    return true;
}

/* It is done all the same. */
static void note_one_voter(struct ctl *c, const char *name, int64_t value)
{
    struct grid_status *s;
    if (strcmp(name, "voters") != 0 || value != 1 || grid_get_status(c->grid, &s))
        return;
    if (s->nodes_len >= 3)
        ctl_error(c, EXIT_DONE,
                  "one voter: the grid stops when it is lost; of %zu nodes, three can vote",
                  s->nodes_len);
    grid_free(s);
}

int cmd_settings_set(struct ctl *c, const struct args *a)
{
    struct grid_setting_info *list;
    const char *name = args_text(a, "NAME"), *text = args_text(a, "VALUE");
    char shown[QUOTE_BYTES];
    size_t len;
    int64_t value;
    int code = get_settings(c, &list, &len);
    if (code)
        return code;
    const struct grid_setting_info *s = find_setting(list, len, name);
    if (!s)
        code = ctl_error(c, EXIT_NOT_MET, "%s: no such setting", name);
    else if (!setting_value(s, text, &value))
        code = ctl_error(c, EXIT_USAGE, "%s: %s is not a number from %" PRId64 " to %" PRId64 " %s",
                         name, quote(shown, text, strlen(text)), s->min, s->max, s->unit);
    else if (value < s->min || value > s->max)
        code = ctl_error(c, EXIT_USAGE, "%s: %s is not from %" PRId64 " to %" PRId64 " %s", name,
                         quote(shown, text, strlen(text)), s->min, s->max, s->unit);
    else
        code = ended(c, grid_setting_set(c->grid, name, value), name);
    if (!code)
        note_one_voter(c, name, value);
    grid_free(list);
    return code;
}

/* --- partitions --- */

int cmd_partition_list(struct ctl *c, const struct args *a)
{
    static const struct out_column columns[] = {
        {"context", OUT_TEXT, false}, {"partition", OUT_NUMBER, false},
        {"shard", OUT_NUMBER, false}, {"epoch", OUT_NUMBER, false},
        {"seq", OUT_NUMBER, false},   {"entries", OUT_NUMBER, false},
        {"state", OUT_TEXT, false},   {"primary", OUT_TEXT, false},
        {"in_sync", OUT_TEXT, false}, {"joining", OUT_TEXT, false}};
    struct grid_partition_info *list;
    size_t len;
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_partition_list(c->grid, args_text(a, "CONTEXT"), &list, &len);
    if (err != GRID_OK)
        return ctl_fail(c, err, args_text(a, "CONTEXT"));
    out_begin(c->out, OUT_TABLE, COLUMNS(columns));
    for (size_t i = 0; i < len; i++) {
        out_text(c->out, list[i].context);
        out_number(c->out, list[i].partition);
        out_number(c->out, list[i].shard);
        out_number(c->out, list[i].epoch);
        out_number(c->out, list[i].seq);
        out_number(c->out, list[i].entries);
        out_text(c->out, list[i].state);
        out_text(c->out, list[i].primary);
        out_list(c->out, list[i].in_sync, 0, list[i].in_sync_len);
        out_list(c->out, list[i].joining, 0, list[i].joining_len);
    }
    out_end(c->out);
    grid_free(list);
    return EXIT_DONE;
}

static bool confirmed(struct ctl *c, const char *question, const char *context)
{
    char answer[16] = "";
    fprintf(c->err, question, context);
    fflush(c->err);
    if (!fgets(answer, sizeof answer, c->in))
        return false;
    return answer[0] == 'y' || answer[0] == 'Y';
}

typedef enum grid_err give_up_fn(struct grid *g, const char *context, uint64_t *ret_partitions);

static int give_up(struct ctl *c, const struct args *a, const char *question, give_up_fn *call)
{
    static const struct out_column columns[] = {{"partitions", OUT_NUMBER, false}};
    uint64_t partitions;
    const char *context = args_text(a, "CONTEXT");
    int fd = fileno(c->in);
    if (!args_flag(a, "--accept-loss")) {
        if (fd < 0 || !isatty(fd) || !c->err_is_terminal)
            return ctl_error(c, EXIT_USAGE, "data will be lost: --accept-loss is needed");
        if (!confirmed(c, question, context))
            return ctl_error(c, EXIT_NOT_MET, "nothing done");
    }
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = call(c->grid, context, &partitions);
    if (err)
        return ctl_fail(c, err, context);
    out_begin(c->out, OUT_RECORD, COLUMNS(columns));
    out_number(c->out, partitions);
    out_end(c->out);
    return EXIT_DONE;
}

int cmd_partition_recover(struct ctl *c, const struct args *a)
{
    static const char question[] = "Give up what is damaged in context %s, or only on nodes that "
                                   "are down, and go on with what "
                                   "there is?\nWhat cannot be read is lost for ever. [y/N] ";
    return give_up(c, a, question, grid_partition_recover);
}

int cmd_partition_reset(struct ctl *c, const struct args *a)
{
    static const char question[] =
        "Begin anew, empty, with the partitions of context %s whose last "
        "copy is lost? [y/N] ";
    return give_up(c, a, question, grid_partition_reset);
}

int cmd_partition_repair(struct ctl *c, const struct args *a)
{
    const char *node = args_text(a, "NODE");
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    uint64_t number = args_number(a, "PARTITION", 0);
    uint32_t partition = number < UINT32_MAX ? (uint32_t)number : UINT32_MAX; /* there is none */
    return ended(c, grid_partition_repair(c->grid, args_text(a, "CONTEXT"), partition, node), node);
}
