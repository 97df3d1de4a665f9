/* cmd_task.c - run: a task where its data is. */
#include "commands.h"
#include "text.h"

void cmd_result_print(struct ctl *c, const struct grid_value *result)
{
    static const struct out_column columns[] = {{"result", OUT_RAW, false}};
    const char *bytes = result->data;
    if (out_json(c->out)) {
        out_begin(c->out, OUT_RECORD, columns, 1);
        out_bytes(c->out, bytes, result->len);
        out_end(c->out);
        return;
    }
    fwrite(bytes, 1, result->len, c->out_file); /* to the byte; but a prompt begins its own line */
    if (c->out_is_terminal && result->len && bytes[result->len - 1] != '\n')
        putc('\n', c->out_file);
}

static int run(struct ctl *c, const struct args *a, struct grid_bytes argument)
{
    const char *task = args_text(a, "TASK");
    struct grid_bytes key = ctl_bytes(args_text(a, "--key"));
    struct grid_bytes affinity = ctl_bytes(args_text(a, "--affinity"));
    struct grid_cache *cache;
    struct grid_value result;
    int code = ctl_open(c, args_text(a, "--cache"), &cache);
    if (code)
        return code;
    enum grid_err err = grid_task_run(cache, task, key, affinity, argument, &result);
    if (err)
        return ctl_fail(c, err, task);
    cmd_result_print(c, &result);
    grid_value_release(&result);
    return EXIT_DONE;
}

int cmd_run(struct ctl *c, const struct args *a)
{
    const char *text = args_text(a, "--arg"), *file = args_text(a, "--arg-file");
    if (text && file)
        return ctl_error(c, EXIT_USAGE, "--arg and --arg-file exclude each other");
    if (!file)
        return run(c, a, ctl_bytes(text));
    struct text read = {0};
    int code = ctl_read(c, file, VALUE_BYTES_MAX, &read);
    if (!code)
        code = run(c, a, (struct grid_bytes){read.data, read.len});
    text_release(&read);
    return code;
}
