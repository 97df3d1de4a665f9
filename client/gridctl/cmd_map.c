/* cmd_map.c - map: rows of a map over a cache, or over some of its keys. */
#include "commands.h"
#include "progress.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static void row_print(struct ctl *c, const struct grid_map_row *row)
{
    out_bytes(c->out, row->key.data, row->key.len);
    out_bytes(c->out, row->value.data, row->value.len);
}

static int rows_print(struct ctl *c, struct grid_map *m, const char *name)
{
    static const struct out_column columns[] = {{"key", OUT_ESCAPED, false},
                                                {"value", OUT_ESCAPED, false}};
    struct grid_map_row row;
    struct progress p;
    uint64_t done, total, rows = 0;
    enum grid_err err;
    grid_map_progress(m, &done, &total);
    progress_start(&p, c->err_is_terminal ? c->err : NULL, name, total, ctl_now_us());
    out_begin(c->out, OUT_STREAM, columns, sizeof columns / sizeof *columns);
    while (!(err = grid_map_next(m, &row))) {
        grid_map_progress(m, &done, &total);
        progress_show(&p, done, ++rows, ctl_now_us());
        row_print(c, &row);
    }
    progress_end(&p);
    out_end(c->out);
    return err == GRID_ENOT_FOUND ? EXIT_DONE : ctl_fail(c, err, name);
}

struct map_keys {
    struct grid_bytes *keys, *affinities;
    size_t len;
};

/* What scan prints so is plain again, where it lies. */
static struct grid_bytes plain_between(char *from, const char *to, struct text *scratch)
{
    scratch->len = 0;
    unescape_add(scratch, from, (size_t)(to - from));
    if (scratch->len)
        memcpy(from, scratch->data, scratch->len);
    return (struct grid_bytes){from, scratch->len};
}

/* Keys of a text, one a line, with what they are placed by behind a tab; they lie in it. */
static void keys_of(struct text *text, struct map_keys *ret_keys)
{
    struct map_keys *k = ret_keys;
    struct text scratch = {0};
    k->keys = mem_new(text->len + 1, sizeof *k->keys);
    k->affinities = mem_new(text->len + 1, sizeof *k->affinities);
    for (char *at = text->data, *end = text->data + text->len; at < end;) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        char *tab = memchr(at, '\t', (size_t)(stop - at));
        if (stop > at) {
            k->keys[k->len] = plain_between(at, tab ? tab : stop, &scratch);
            k->affinities[k->len++] = plain_between(tab ? tab + 1 : stop, stop, &scratch);
        }
        at = stop + 1;
    }
    text_release(&scratch);
}

static int map_run(struct ctl *c, const struct args *a, struct grid_map_options *how)
{
    const char *name = args_text(a, "MAP");
    struct grid_cache *cache;
    struct grid_map *m;
    int code = ctl_open(c, args_text(a, "--cache"), &cache);
    if (code)
        return code;
    how->timeout_ms = (uint32_t)args_number(a, "--time", 0);
    enum grid_err err = grid_task_map(cache, name, ctl_bytes(args_text(a, "--arg")), how, &m);
    if (err)
        return ctl_fail(c, err, name);
    code = rows_print(c, m, name);
    grid_map_free(m);
    return code;
}

int cmd_map(struct ctl *c, const struct args *a)
{
    const char *file = args_text(a, "--keys");
    struct grid_map_options how = {0};
    struct map_keys keys = {0};
    struct text text = {0};
    int code = file ? ctl_read(c, file, VALUE_BYTES_MAX, &text) : 0;
    if (!code && file) {
        keys_of(&text, &keys);
        how.keys = keys.keys;
        how.affinities = keys.affinities;
        how.keys_len = keys.len;
        if (!how.keys_len)
            code = ctl_error(c, EXIT_USAGE, "%s: there are no keys in it", file);
    }
    if (!code)
        code = map_run(c, a, &how);
    free(keys.keys);
    free(keys.affinities);
    text_release(&text);
    return code;
}
