/* broadcast.c - code that runs once on each node: an errand to all of them. A node's answer is
 *
 *   u8 length, name of the node | u8 outcome | u32 length, rows or why
 *
 * and nodes that are up, and say nothing, have not answered. */
#include "session/grid_priv.h"

#include "base/codec.h"
#include "compute/broadcast.h"
#include "control/settings.h"
#include "control/state.h"
#include "session/broadcast.h"

#include <stdlib.h>

enum { NAME, ARGUMENT, LABELS, ARGS };

static bool has_label(struct slice wanted, const char *const *labels, size_t len)
{
    bool has = !wanted.len;
    for (size_t i = 0; i < len && !has; i++)
        has = slice_eq(wanted, slice_str(labels[i]));
    return has;
}

static uint64_t broadcast_here(struct errands *here, const struct errand *e, struct buf *out)
{
    const struct errand_host *h = &here->host;
    struct buf rows = BUF_INIT;
    size_t labels_len = 0;
    const char *const *labels = h->labels ? h->labels(h->ctx, &labels_len) : NULL;
    if (!h->first)
        return 0;
    const struct catalog *c = h->catalog(h->ctx);
    struct broadcast b = {
        .name = e->args[NAME],
        .arg = e->args[ARGUMENT],
        .node = h->node,
        .labels = labels,
        .labels_len = labels_len,
        .limits = {.steps = (uint64_t)catalog_setting(c, SETTING_script_steps),
                   .memory = (size_t)catalog_setting(c, SETTING_script_memory),
                   .time_us = (uint64_t)catalog_setting(c, SETTING_script_time) * 1000},
        .mono_us = h->mono_us};
    enum grid_err err = GRID_ECONDITION;
    if (has_label(e->args[LABELS], labels, labels_len))
        err = broadcast_run(&b, c, &rows);
    size_t name = strlen(h->node);
    buf_add_u8(out, (uint8_t)name);
    buf_add(out, h->node, name);
    buf_add_u8(out, (uint8_t)err);
    buf_add_u32(out, (uint32_t)rows.len);
    buf_add(out, rows.data, rows.len);
    buf_release(&rows);
    return 1;
}

bool broadcast_errand(struct errand *e)
{
    e->run = broadcast_here;
    return e->args_len == ARGS && e->args[NAME].len <= 2 * MODULE_NAME_MAX + 1 &&
           e->args[LABELS].len <= BROADCAST_LABELS_BYTES;
}

void broadcast_begin(struct grid_session *g, const struct wire_request *r)
{
    const struct module *m = NULL;
    const char *why = r->nodes.len > BROADCAST_LABELS_BYTES ? "nodes are LABEL=VALUE" : NULL;
    struct errand e = {.kind = ERRAND_BROADCAST,
                       .run = broadcast_here,
                       .args_len = ARGS,
                       .args = {r->name, r->op.value, r->nodes}};
    if (why || !catalog_code(session_catalog(&g->base), MODULE_BROADCAST, r->name, &m)) {
        char missing[WHY_BYTES];
        if (!why)
            catalog_code_missing(session_catalog(&g->base), MODULE_BROADCAST, r->name, missing);
        grid_fail(g, r->number, why ? GRID_EBAD_REQUEST : GRID_ENO_TASK, why ? why : missing);
        return;
    }
    struct ticket to = session_ticket(&g->base, r->number, GRID_PART_BROADCAST);
    to.meter += METER_EVERYWHERE;
    g->base.in_flight++;
    g->base.ports->everywhere(g->base.ports->ctx, &to, &e);
}

/* --- the answer ------------------------------------------------------------------------------- */

static bool answered(const struct scan_item *list, size_t len, const char *node)
{
    for (size_t i = 0; i < len; i++)
        if (slice_eq(list[i].key, slice_str(node)))
            return true;
    return false;
}

static size_t items_read(struct slice in, struct scan_item *list, size_t cap)
{
    struct reader r = {in.data, in.data + in.len, false};
    size_t len = 0;
    while (read_left(&r) && len < cap) {
        uint8_t name = read_u8(&r);
        const uint8_t *node = read_bytes(&r, name);
        uint8_t err = read_u8(&r);
        const uint8_t *size = read_bytes(&r, 4);
        uint32_t rows_len = size ? load_u32(size) : 0;
        const uint8_t *rows = rows_len ? read_bytes(&r, rows_len) : NULL;
        if (r.bad)
            break;
        list[len++] = (struct scan_item){
            .key = slice_make(node, name), .value = slice_make(rows, rows_len), .version = err};
    }
    return len;
}

/* Those that have not the label have said so. */
static size_t items_drop(struct scan_item *list, size_t len)
{
    size_t left = 0;
    for (size_t i = 0; i < len; i++)
        if (list[i].version != GRID_ECONDITION)
            list[left++] = list[i];
    return left;
}

void broadcast_end(struct grid_session *g, uint64_t number, const struct result *res)
{
    const struct grid_state *s = session_grid(&g->base);
    size_t most = s ? s->nodes_len + 1 : 1;
    struct scan_item *list = calloc(most, sizeof *list);
    if (!list) {
        grid_fail(g, number, GRID_ENOMEM, NULL);
        return;
    }
    size_t len = items_read(res->value, list, most);
    for (size_t i = 0; s && i < s->nodes_len && len < most; i++) {
        const struct grid_node *n = &s->nodes[i];
        if (n->state == NODE_UP && !answered(list, len, n->info.name))
            list[len++] =
                (struct scan_item){.key = slice_str(n->info.name), .version = GRID_ETIMEOUT};
    }
    struct result told = {.items = list, .items_len = (uint32_t)items_drop(list, len)};
    wire_response_result(&g->base.out, number, &told, grid_news(g));
    free(list);
}
