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

/* Keys of a text, one a line; they lie in it. */
static size_t keys_of(struct text *text, struct grid_bytes **ret_keys)
{
    size_t len = 0;
    struct grid_bytes *keys = mem_new(text->len + 1, sizeof *keys);
    for (char *at = text->data, *end = text->data + text->len; at < end;) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        if (stop > at)
            keys[len++] = (struct grid_bytes){at, (size_t)(stop - at)};
        at = stop + 1;
    }
    *ret_keys = keys;
    return len;
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
    struct grid_bytes *keys = NULL;
    struct text text = {0};
    int code = file ? ctl_read(c, file, VALUE_BYTES_MAX, &text) : 0;
    if (!code && file) {
        how.keys_len = keys_of(&text, &keys);
        how.keys = keys;
        if (!how.keys_len)
            code = ctl_error(c, EXIT_USAGE, "%s: there are no keys in it", file);
    }
    if (!code)
        code = map_run(c, a, &how);
    free(keys);
    text_release(&text);
    return code;
}
