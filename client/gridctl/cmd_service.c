/* cmd_service.c - services: deployed, listed, shown, stopped, called. */
#include "commands.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS(list) (list), sizeof(list) / sizeof *(list)

/* --- deployed, stopped ------------------------------------------------------------------------ */

static const struct {
    const char *text;
    enum grid_service_mode mode;
} modes[] = {
    {"singleton", GRID_SINGLETON},
    {"node", GRID_PER_NODE},
    {"key", GRID_PER_KEY},
    {"copies", GRID_COPIES},
};

static void name_print(struct ctl *c, const char *name)
{
    static const struct out_column columns[] = {{"name", OUT_TEXT, false}};
    if (!out_json(c->out))
        return;
    out_begin(c->out, OUT_LINE, COLUMNS(columns));
    out_text(c->out, name);
    out_end(c->out);
}

int cmd_service_deploy(struct ctl *c, const struct args *a)
{
    const char *mode = args_text(a, "--mode"), *labels = args_text(a, "--nodes");
    const struct arg_value *copies = args_value(a, "--copies");
    struct grid_service want = {.name = args_text(a, "SERVICE"),
                                .context = args_text(a, "--context"),
                                .labels = labels,
                                .arg = ctl_bytes(args_text(a, "--arg"))};
    for (size_t i = 0; mode && i < sizeof modes / sizeof *modes; i++)
        if (strcmp(mode, modes[i].text) == 0)
            want.mode = modes[i].mode;
    if (copies->set && mode && want.mode != GRID_COPIES)
        return ctl_error(c, EXIT_USAGE, "--copies is of --mode copies");
    if (copies->set)
        want.mode = GRID_COPIES;
    if (want.mode == GRID_COPIES && !copies->set)
        return ctl_error(c, EXIT_USAGE, "--mode copies needs --copies");
    if (labels && want.mode != GRID_PER_NODE)
        return ctl_error(c, EXIT_USAGE,
                         "--nodes is of --mode node; others live where their "
                         "context does");
    want.copies = copies->set ? (uint32_t)copies->number : 1;
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_service_deploy(c->grid, &want);
    if (err)
        return ctl_fail(c, err, want.name);
    name_print(c, want.name);
    return EXIT_DONE;
}

int cmd_service_stop(struct ctl *c, const struct args *a)
{
    const char *name = args_text(a, "SERVICE");
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_service_stop(c->grid, name);
    if (err)
        return ctl_fail(c, err, name);
    name_print(c, name);
    return EXIT_DONE;
}

/* --- listed ----------------------------------------------------------------------------------- */

static const struct out_column service_columns[] = {
    {"name", OUT_TEXT, false},       {"mode", OUT_TEXT, false},  {"context", OUT_TEXT, false},
    {"copies", OUT_NUMBER, true},    {"labels", OUT_TEXT, true}, {"version", OUT_NUMBER, false},
    {"running", OUT_NUMBER, false},  {"nodes", OUT_TEXT, false}, {"calls", OUT_NUMBER, false},
    {"failures", OUT_NUMBER, false}, {"arg", OUT_ESCAPED, true},
};
static const struct out_column instance_columns[] = {
    {"number", OUT_NUMBER, false},  {"key", OUT_ESCAPED, false},  {"node", OUT_TEXT, false},
    {"state", OUT_TEXT, false},     {"token", OUT_NUMBER, false}, {"partition", OUT_NUMBER, true},
    {"since_ms", OUT_NUMBER, true}, {"calls", OUT_NUMBER, false}, {"failures", OUT_NUMBER, false},
    {"error", OUT_ESCAPED, false},
};

/* Nodes that have any, each once. */
static size_t nodes_of(const struct grid_service_info *s, const char **list, size_t cap)
{
    size_t len = 0;
    for (size_t i = 0; i < s->instances_len; i++) {
        bool known = !s->instances[i].node[0];
        for (size_t k = 0; k < len && !known; k++)
            known = strcmp(list[k], s->instances[i].node) == 0;
        if (!known && len < cap)
            list[len++] = s->instances[i].node;
    }
    return len;
}

static void service_row(struct out *o, const struct grid_service_info *s)
{
    enum { NODES = 64 };
    const char *nodes[NODES];
    uint64_t running = 0, calls = 0, failures = 0;
    for (size_t i = 0; i < s->instances_len; i++) {
        running += strcmp(s->instances[i].state, "running") == 0;
        calls += s->instances[i].calls;
        failures += s->instances[i].failures;
    }
    out_text(o, s->name);
    out_text(o, s->mode);
    out_text(o, s->context);
    out_number(o, s->copies);
    out_text(o, s->labels);
    out_number(o, s->version);
    out_number(o, running);
    out_list(o, nodes, 0, nodes_of(s, nodes, NODES));
    out_number(o, calls);
    out_number(o, failures);
    out_bytes(o, s->arg.data, s->arg.len);
}

int cmd_service_list(struct ctl *c, const struct args *a)
{
    struct grid_service_info *list;
    size_t len;
    (void)a;
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_service_list(c->grid, NULL, &list, &len);
    if (err)
        return ctl_fail(c, err, NULL);
    out_begin(c->out, OUT_TABLE, COLUMNS(service_columns));
    for (size_t i = 0; i < len; i++)
        service_row(c->out, &list[i]);
    out_end(c->out);
    grid_free(list);
    return EXIT_DONE;
}

/* The first line of an error says what; --json has all of it. */
static void instance_row(struct out *o, const struct grid_instance_info *i)
{
    const char *end = i->error.len ? memchr(i->error.data, '\n', i->error.len) : NULL;
    size_t line = end ? (size_t)(end - (const char *)i->error.data) : i->error.len;
    out_number(o, i->number);
    out_bytes(o, i->key.data, i->key.len);
    out_text(o, i->node);
    out_text(o, i->state);
    out_number(o, i->token);
    out_number(o, i->partition);
    out_number(o, i->since_ms);
    out_number(o, i->calls);
    out_number(o, i->failures);
    out_bytes(o, i->error.data, out_json(o) ? i->error.len : line);
}

int cmd_service_show(struct ctl *c, const struct args *a)
{
    const char *name = args_text(a, "SERVICE");
    struct grid_service_info *s;
    size_t len;
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_service_list(c->grid, name, &s, &len);
    if (err)
        return ctl_fail(c, err, name);
    if (len && !out_json(c->out)) {
        out_begin(c->out, OUT_RECORD, COLUMNS(service_columns));
        service_row(c->out, s);
        out_end(c->out);
    }
    out_begin(c->out, OUT_TABLE, COLUMNS(instance_columns));
    for (size_t i = 0; len && i < s->instances_len; i++)
        instance_row(c->out, &s->instances[i]);
    out_end(c->out);
    grid_free(s);
    return EXIT_DONE;
}

/* --- called ----------------------------------------------------------------------------------- */

static int call(struct ctl *c, const struct args *a, struct grid_bytes argument)
{
    const char *name = args_text(a, "SERVICE");
    struct grid_value result;
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err =
        grid_service_call(c->grid, name, ctl_bytes(args_text(a, "--key")), args_text(a, "METHOD"),
                          argument, args_value(a, "--again")->set, &result);
    if (err)
        return ctl_fail(c, err, name);
    cmd_result_print(c, &result);
    grid_value_release(&result);
    return EXIT_DONE;
}

int cmd_service_call(struct ctl *c, const struct args *a)
{
    const char *text = args_text(a, "--arg"), *file = args_text(a, "--arg-file");
    struct text read = {0};
    if (text && file)
        return ctl_error(c, EXIT_USAGE, "--arg and --arg-file exclude each other");
    if (!file)
        return call(c, a, ctl_bytes(text));
    int code = ctl_read(c, file, VALUE_BYTES_MAX, &read);
    if (!code)
        code = call(c, a, (struct grid_bytes){read.data, read.len});
    text_release(&read);
    return code;
}

/* --- on each node ----------------------------------------------------------------------------- */

int cmd_broadcast(struct ctl *c, const struct args *a)
{
    static const struct out_column columns[] = {
        {"node", OUT_TEXT, false}, {"outcome", OUT_TEXT, false}, {"rows", OUT_ESCAPED, false}};
    const char *name = args_text(a, "NAME");
    struct grid_node_answer *list;
    size_t len, bad = 0;
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_task_broadcast(c->grid, name, args_text(a, "--nodes"),
                                            ctl_bytes(args_text(a, "--arg")), &list, &len);
    if (err)
        return ctl_fail(c, err, name);
    out_begin(c->out, OUT_TABLE, COLUMNS(columns));
    for (size_t i = 0; i < len; i++) {
        out_text(c->out, list[i].node);
        out_text(c->out, list[i].err ? grid_err_name(list[i].err) : "ok");
        out_bytes(c->out, list[i].rows.data, list[i].rows.len);
        bad += list[i].err != GRID_OK;
    }
    out_end(c->out);
    grid_free(list);
    return bad ? EXIT_NOT_MET : EXIT_DONE;
}
