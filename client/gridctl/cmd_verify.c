/* cmd_verify.c - the copies of each partition compared, some partitions at a time. */
#include "commands.h"
#include "progress.h"
#include "text.h"
#include "value.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

enum { CHUNK = 64, SEQ_BITS = 40 };

struct verifying {
    struct ctl *c;
    struct progress progress;
    uint64_t total, done; /* partitions */
    uint64_t equal, entries, differences;
    json_t *list; /* NULL: text */
    bool headed;
};

static json_t *json_text(const char *s)
{
    json_t *j = json_string(s);
    return j ? j : json_string("?");
}

static json_t *json_u64(uint64_t n)
{
    return json_integer((json_int_t)(n > INT64_MAX ? INT64_MAX : n));
}

static void version_text(char text[48], uint64_t version)
{
    snprintf(text, 48, "%" PRIu64 ".%" PRIu64, version >> SEQ_BITS,
             version & ((UINT64_C(1) << SEQ_BITS) - 1));
}

static void difference_json(struct verifying *v, const char *context,
                            const struct grid_difference *d)
{
    char text[48];
    json_t *j = json_object(), *copies = json_array();
    for (size_t i = 0; i < d->copies_len; i++) {
        const struct grid_copy_info *c = &d->copies[i];
        json_t *copy = json_object();
        json_object_set_new(copy, "node", json_text(c->node));
        json_object_set_new(copy, "state", json_text(c->state));
        version_text(text, c->version);
        json_object_set_new(copy, "version", json_string(text));
        json_object_set_new(copy, "entries", json_u64(c->entries));
        snprintf(text, sizeof text, "%016" PRIx64, c->digest);
        json_object_set_new(copy, "digest", json_string(text));
        json_array_append_new(copies, copy);
    }
    json_object_set_new(j, "context", json_text(context));
    json_object_set_new(j, "partition", json_u64(d->partition));
    json_object_set_new(j, "state", json_text(d->state));
    json_object_set_new(j, "copies", copies);
    json_array_append_new(v->list, j);
}

/* "shop 17: different: a 3.120 (12 entries), b 3.120 (11 entries)" */
static void difference_text(struct verifying *v, const char *context,
                            const struct grid_difference *d)
{
    struct text line = {0};
    char version[48];
    progress_end(&v->progress);
    escape_add(&line, context, strlen(context));
    text_addf(&line, " %" PRIu32 ": ", d->partition);
    escape_add(&line, d->state, strlen(d->state));
    for (size_t i = 0; i < d->copies_len; i++) {
        const struct grid_copy_info *c = &d->copies[i];
        version_text(version, c->version);
        text_addf(&line, "%s ", i ? "," : ":");
        escape_add(&line, c->node, strlen(c->node));
        if (strcmp(c->state, "ok") == 0)
            text_addf(&line, " %s (%" PRIu64 " entries, %016" PRIx64 ")", version, c->entries,
                      c->digest);
        else
            text_addf(&line, " %s", c->state);
    }
    fprintf(v->c->out_file, "%s\n", text_str(&line));
    text_release(&line);
}

static enum grid_err verify_context(struct verifying *v, const struct grid_context_info *info)
{
    for (uint32_t first = 0; first < info->partitions; first += CHUNK) {
        struct grid_verified *found;
        uint32_t count = info->partitions - first < CHUNK ? info->partitions - first : CHUNK;
        enum grid_err err = grid_verify(v->c->grid, info->name, first, count, &found);
        if (err)
            return err;
        for (size_t i = 0; i < found->differences_len; i++)
            (v->list ? difference_json : difference_text)(v, info->name, &found->differences[i]);
        v->equal += found->partitions;
        v->entries += found->entries;
        v->differences += found->differences_len;
        v->done += count;
        progress_show(&v->progress, v->done, v->entries, ctl_now_us());
        grid_free(found);
    }
    return GRID_OK;
}

static void verified_print(struct verifying *v)
{
    char entries[VALUE_TEXT_BYTES];
    if (!v->list) {
        fprintf(v->c->out_file, "%" PRIu64 " of %" PRIu64 " partitions are equal, %s entries\n",
                v->equal, v->total, value_count_text(entries, v->entries));
        return;
    }
    json_t *j = json_object();
    json_object_set_new(j, "ok", json_boolean(v->equal == v->total));
    json_object_set_new(j, "partitions", json_u64(v->total));
    json_object_set_new(j, "equal", json_u64(v->equal));
    json_object_set_new(j, "entries", json_u64(v->entries));
    json_object_set_new(j, "differences", v->list);
    json_dumpf(j, v->c->out_file, JSON_INDENT(2));
    putc('\n', v->c->out_file);
    json_decref(j);
}

int cmd_verify(struct ctl *c, const struct args *a)
{
    struct verifying v = {.c = c};
    struct grid_context_info *list;
    size_t len;
    const char *only = args_text(a, "CONTEXT");
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_context_list(c->grid, only, &list, &len);
    if (err == GRID_OK && only && len == 0) {
        grid_free(list);
        err = GRID_ENO_CONTEXT;
    }
    if (err)
        return ctl_fail(c, err, only);
    for (size_t i = 0; i < len; i++)
        v.total += list[i].partitions;
    v.list = out_json(c->out) ? json_array() : NULL;
    progress_start(&v.progress, c->err_is_terminal ? c->err : NULL, only ? only : "verify", v.total,
                   ctl_now_us());
    for (size_t i = 0; i < len && !err; i++)
        err = verify_context(&v, &list[i]);
    progress_end(&v.progress);
    grid_free(list);
    if (err) {
        json_decref(v.list);
        return ctl_fail(c, err, only);
    }
    verified_print(&v);
    return v.equal == v.total ? EXIT_DONE : EXIT_NOT_MET;
}
