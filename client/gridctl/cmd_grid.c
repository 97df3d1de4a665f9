/* cmd_grid.c - nodes in and out of the grid, and what moves between them. */
#include "commands.h"
#include "text.h"
#include "value.h"

#include <inttypes.h>
#include <string.h>

#define COLUMNS(list) (list), sizeof(list) / sizeof *(list)

/* Changes print nothing in text; in JSON the name of what was changed. */
static int ended(struct ctl *c, enum grid_err err, const char *name)
{
    static const struct out_column columns[] = {{"name", OUT_TEXT, false}};
    if (err != GRID_OK)
        return ctl_fail(c, err, name);
    if (!out_json(c->out))
        return EXIT_DONE;
    out_begin(c->out, OUT_LINE, COLUMNS(columns));
    out_text(c->out, name);
    out_end(c->out);
    return EXIT_DONE;
}

/* It is done all the same: why the node will not become empty. */
static void note_kept(struct ctl *c, const char *node)
{
    struct grid_status *s;
    if (grid_get_status(c->grid, &s))
        return;
    for (size_t i = 0; i < s->nodes_len; i++)
        if (strcmp(s->nodes[i].name, node) == 0 && s->nodes[i].kept)
            ctl_error(c, EXIT_DONE,
                      "%s: %" PRIu32 " of its copies stay on it: too few other nodes to hold as "
                      "many as asked; add a node, lower backups, or undrain it",
                      node, s->nodes[i].kept);
    grid_free(s);
}

int cmd_drain(struct ctl *c, const struct args *a)
{
    const char *node = args_text(a, "NODE");
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_node_drain(c->grid, node, true);
    if (!err)
        note_kept(c, node);
    return ended(c, err, node);
}

int cmd_undrain(struct ctl *c, const struct args *a)
{
    const char *node = args_text(a, "NODE");
    int code = ctl_connect(c, 0);
    return code ? code : ended(c, grid_node_drain(c->grid, node, false), node);
}

int cmd_remove(struct ctl *c, const struct args *a)
{
    const char *node = args_text(a, "NODE");
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    return ended(c, grid_node_remove(c->grid, node, args_flag(a, "--accept-loss")), node);
}

static int rebalance(struct ctl *c, bool on)
{
    int code = ctl_connect(c, 0);
    return code ? code : ended(c, grid_rebalance(c->grid, on), "rebalance");
}

int cmd_rebalance_pause(struct ctl *c, const struct args *a)
{
    (void)a;
    return rebalance(c, false);
}

int cmd_rebalance_resume(struct ctl *c, const struct args *a)
{
    (void)a;
    return rebalance(c, true);
}

int cmd_rebalance_status(struct ctl *c, const struct args *a)
{
    static const struct out_column columns[] = {
        {"paused", OUT_BOOL, false},     {"joining", OUT_NUMBER, false},
        {"bytes_left", OUT_SIZE, false}, {"misplaced", OUT_NUMBER, false},
        {"missing", OUT_NUMBER, false},  {"unled", OUT_NUMBER, false},
        {"lost", OUT_NUMBER, false}};
    struct grid_status *s;
    (void)a;
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_get_status(c->grid, &s);
    if (err != GRID_OK)
        return ctl_fail(c, err, NULL);
    out_begin(c->out, OUT_RECORD, COLUMNS(columns));
    out_bool(c->out, s->rebalance_paused);
    out_number(c->out, s->joining);
    out_number(c->out, s->bytes_left);
    out_number(c->out, s->misplaced);
    out_number(c->out, s->short_of_copies);
    out_number(c->out, s->unled);
    out_number(c->out, s->lost);
    out_end(c->out);
    bool whole = !s->joining && !s->misplaced && !s->short_of_copies && !s->unled && !s->lost;
    code = whole ? EXIT_DONE : EXIT_NOT_MET;
    grid_free(s);
    return code;
}
