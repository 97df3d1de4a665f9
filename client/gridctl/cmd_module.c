/* cmd_module.c - libraries of functions and tasks: deployed, listed, shown, removed. */
#include "commands.h"
#include "text.h"

enum { SOURCE_MAX = 256 << 10 }; /* the grid takes no more */

#define COLUMNS(list) (list), sizeof(list) / sizeof *(list)

static const struct out_column module_columns[] = {
    {"name", OUT_TEXT, false}, {"engine", OUT_TEXT, false},      {"version", OUT_NUMBER, false},
    {"size", OUT_SIZE, false}, {"functions", OUT_TEXT, false},   {"kinds", OUT_TEXT, true},
    {"flags", OUT_TEXT, true}, {"descriptions", OUT_TEXT, true}, {"digest", OUT_TEXT, true},
};
static const struct out_column function_columns[] = {
    {"function", OUT_TEXT, false},
    {"kind", OUT_TEXT, false},
    {"flags", OUT_TEXT, false},
    {"description", OUT_TEXT, false},
};

/* --- deploy ----------------------------------------------------------------------------------- */

static void module_row(struct out *o, const struct grid_module_info *m)
{
    out_text(o, m->name);
    out_text(o, m->engine);
    out_number(o, m->version);
    out_number(o, m->size);
    out_list(o, m->functions->name, sizeof *m->functions, m->functions_len);
    out_list(o, m->functions->kind, sizeof *m->functions, m->functions_len);
    out_list(o, m->functions->flags, sizeof *m->functions, m->functions_len);
    out_list(o, m->functions->help, sizeof *m->functions, m->functions_len);
    out_text(o, m->digest);
}

static int deploy(struct ctl *c, const struct args *a, struct grid_bytes source)
{
    struct grid_module_info *module;
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_module_deploy(c->grid, args_text(a, "--name"), source, &module);
    if (err)
        return ctl_fail(c, err, args_text(a, "FILE"));
    if (out_json(c->out)) {
        out_begin(c->out, OUT_RECORD, COLUMNS(module_columns));
        module_row(c->out, module);
        out_end(c->out);
    }
    grid_free(module);
    return EXIT_DONE;
}

int cmd_module_deploy(struct ctl *c, const struct args *a)
{
    struct text source = {0};
    int code = ctl_read(c, args_text(a, "FILE"), SOURCE_MAX, &source);
    if (!code)
        code = deploy(c, a, (struct grid_bytes){source.data, source.len});
    text_release(&source);
    return code;
}

/* --- the rest --------------------------------------------------------------------------------- */

int cmd_module_list(struct ctl *c, const struct args *a)
{
    struct grid_module_info *list;
    size_t len;
    (void)a;
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_module_list(c->grid, NULL, &list, &len);
    if (err)
        return ctl_fail(c, err, NULL);
    out_begin(c->out, OUT_TABLE, COLUMNS(module_columns));
    for (size_t i = 0; i < len; i++)
        module_row(c->out, &list[i]);
    out_end(c->out);
    grid_free(list);
    return EXIT_DONE;
}

static void functions_print(struct out *o, const struct grid_module_info *m)
{
    out_begin(o, OUT_TABLE, COLUMNS(function_columns));
    for (size_t i = 0; i < m->functions_len; i++) {
        out_text(o, m->functions[i].name);
        out_text(o, m->functions[i].kind);
        out_text(o, m->functions[i].flags);
        out_text(o, m->functions[i].help);
    }
    out_end(o);
}

static void source_print(struct out *o, const struct grid_module_info *m)
{
    static const struct out_column columns[] = {{"source", OUT_RAW, false}};
    if (!out_json(o)) { /* as it is, to the byte */
        fwrite(m->source.data, 1, m->source.len, out_file(o));
        return;
    }
    out_begin(o, OUT_RECORD, COLUMNS(columns));
    out_bytes(o, m->source.data, m->source.len);
    out_end(o);
}

int cmd_module_show(struct ctl *c, const struct args *a)
{
    const char *name = args_text(a, "NAME");
    struct grid_module_info *m;
    size_t len;
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_module_list(c->grid, name, &m, &len);
    if (err)
        return ctl_fail(c, err, name);
    if (len && args_value(a, "--source")->set) {
        source_print(c->out, m);
    } else if (len) {
        out_begin(c->out, OUT_RECORD, COLUMNS(module_columns));
        module_row(c->out, m);
        out_end(c->out);
        if (!out_json(c->out))
            functions_print(c->out, m);
    }
    grid_free(m);
    return EXIT_DONE;
}

int cmd_module_remove(struct ctl *c, const struct args *a)
{
    static const struct out_column columns[] = {{"name", OUT_TEXT, false}};
    const char *name = args_text(a, "NAME");
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_module_remove(c->grid, name);
    if (err)
        return ctl_fail(c, err, name);
    if (out_json(c->out)) {
        out_begin(c->out, OUT_LINE, COLUMNS(columns));
        out_text(c->out, name);
        out_end(c->out);
    }
    return EXIT_DONE;
}
