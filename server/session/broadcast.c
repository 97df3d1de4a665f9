/* broadcast.c - code that runs once on each node: an errand to all of them. A node's answer is
 *
 *   u8 length, name of the node | u8 outcome | u32 length, rows or why
 *
 * and nodes that are up, and say nothing, have not answered. Who asks again, at whichever node,
 * says who he is: a node that ran it then answers what it answered (repeats.h). One that began its
 * life after it was asked first does not know whether it did, and says so. */
#include "session/broadcast.h"

#include "base/codec.h"
#include "base/sha1.h"
#include "compute/broadcast.h"
#include "compute/native.h"
#include "control/level.h"
#include "control/settings.h"
#include "control/state.h"

#include <stdlib.h>

enum { NAME, ARGUMENT, LABELS, ARGS, IDENTITY = ARGS, ARGS_ONCE };

/* --- on a node -------------------------------------------------------------------------------- */

struct caster {
    struct repeat_id id;
    msec_t age_ms;
    bool known;
};

static struct caster caster_of(const struct errand *e)
{
    struct caster a = {.known = e->args_len == ARGS_ONCE};
    if (!a.known)
        return a;
    struct reader r = {e->args[IDENTITY].data, e->args[IDENTITY].data + BROADCAST_IDENTITY_BYTES,
                       false};
    memcpy(a.id.session.bytes, read_bytes(&r, SESSION_ID_BYTES), SESSION_ID_BYTES);
    a.id.number = read_u64(&r);
    a.age_ms = read_u64(&r);
    a.id.sole = read_u8(&r);
    return a;
}

static bool has_label(struct slice wanted, const char *const *labels, size_t len)
{
    bool has = !wanted.len;
    for (size_t i = 0; i < len && !has; i++)
        has = slice_eq(wanted, slice_str(labels[i]));
    return has;
}

static enum grid_err run(const struct errand_host *h, const struct errand *e,
                         const char *const *labels, size_t labels_len, struct buf *rows)
{
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
        .mono_us = h->mono_us,
        .natives = h->natives};
    return broadcast_run(&b, c, rows);
}

/* Run it, unless it was. */
static enum grid_err run_once(struct errands *here, const struct errand *e,
                              const char *const *labels, size_t labels_len, struct buf *rows)
{
    const struct errand_host *h = &here->host;
    struct caster a = caster_of(e);
    msec_t now = h->mono_us(NULL) / 1000;
    enum grid_err err = GRID_OK;
    struct slice said;
    if (!a.known)
        return run(h, e, labels, labels_len, rows);
    switch (repeats_find(here->repeats, &a.id, now, &err, &said)) {
    case REPEAT_OTHER:
        return GRID_EEXISTS;
    case REPEAT_SAME:
        buf_add(rows, said.data, said.len);
        if (err == GRID_EIN_DOUBT)
            buf_add_text(rows, "it was run; what it answered is not kept any more");
        return err;
    case REPEAT_NEW:
        break;
    }
    if (a.age_ms > now - here->began_ms) {
        buf_add_text(rows, "the node started after it was asked first, and may have run it before");
        return GRID_EIN_DOUBT;
    }
    err = run(h, e, labels, labels_len, rows);
    if (!err || err == GRID_ETASK)
        repeats_add(here->repeats, &a.id, now, err, buf_slice(rows));
    return err;
}

static uint64_t broadcast_here(struct errands *here, const struct errand *e, struct buf *out)
{
    const struct errand_host *h = &here->host;
    struct buf rows = BUF_INIT;
    size_t labels_len = 0;
    const char *const *labels = h->labels ? h->labels(h->ctx, &labels_len) : NULL;
    if (!h->first)
        return 0;
    enum grid_err err = GRID_ECONDITION;
    if (has_label(e->args[LABELS], labels, labels_len))
        err = run_once(here, e, labels, labels_len, &rows);
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
    bool once = e->args_len == ARGS_ONCE;
    e->run = broadcast_here;
    return (e->args_len == ARGS || once) && e->args[NAME].len <= 2 * MODULE_NAME_MAX + 1 &&
           e->args[LABELS].len <= BROADCAST_LABELS_BYTES &&
           (!once || e->args[IDENTITY].len == BROADCAST_IDENTITY_BYTES);
}

/* --- asked ------------------------------------------------------------------------------------ */

/* Nobody gets at what another user asked, or at what ran under another name, by knowing a
 * session. */
static void identity_fill(const struct session *s, struct broadcast_request *r)
{
    struct buf named = BUF_INIT;
    uint8_t digest[SHA1_BYTES];
    const struct slice parts[] = {slice_str(s->user),
                                  r->once->sole ? slice_make(NULL, 0) : r->name};
    buf_add_u8(&named, r->once->sole);
    buf_add(&named, r->once->session.bytes, SESSION_ID_BYTES);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        buf_add_u32(&named, (uint32_t)parts[i].len);
        buf_add(&named, parts[i].data, parts[i].len);
    }
    sha1(buf_slice(&named), digest);
    buf_release(&named);
    uint8_t *at = r->identity;
    memcpy(at, digest, SESSION_ID_BYTES);
    store_u64(at + SESSION_ID_BYTES, r->once->number);
    store_u64(at + SESSION_ID_BYTES + 8, r->age_ms);
    at[BROADCAST_IDENTITY_BYTES - 1] = r->once->sole;
}

struct fault broadcast_ask(struct session *s, struct broadcast_request *r,
                           struct errand *ret_errand)
{
    const struct natives *natives = s->ports->natives;
    const struct module *m = NULL;
    if (r->nodes.len > BROADCAST_LABELS_BYTES ||
        (r->nodes.len && !memchr(r->nodes.data, '=', r->nodes.len)))
        return (struct fault){GRID_EBAD_REQUEST, "nodes are LABEL=VALUE"};
    if (!catalog_code(session_catalog(s), MODULE_BROADCAST, r->name, &m) &&
        !natives_find(natives, MODULE_BROADCAST, r->name)) {
        natives_missing(natives, session_catalog(s), MODULE_BROADCAST, r->name, NULL, r->why);
        return (struct fault){GRID_ENO_TASK, r->why};
    }
    if (r->once && r->age_ms > REPEATS_MS / 2)
        return (struct fault){GRID_ESTALE, "it was asked first too long ago to be run once"};
    bool once = r->once && session_level(s) >= GRID_LEVEL_SPREAD;
    *ret_errand = (struct errand){.kind = ERRAND_BROADCAST,
                                  .run = broadcast_here,
                                  .args_len = once ? ARGS_ONCE : ARGS,
                                  .args = {r->name, r->argument, r->nodes}};
    if (!once)
        return no_fault;
    identity_fill(s, r);
    ret_errand->args[IDENTITY] = slice_make(r->identity, sizeof r->identity);
    return no_fault;
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

size_t broadcast_answers(struct session *s, const struct result *res, struct scan_item **ret_list)
{
    const struct grid_state *grid = session_grid(s);
    size_t most = grid ? grid->nodes_len + 1 : 1;
    struct scan_item *list = calloc(most, sizeof *list);
    *ret_list = list;
    if (!list)
        return 0;
    size_t len = items_read(res->value, list, most);
    for (size_t i = 0; grid && i < grid->nodes_len && len < most; i++) {
        const struct grid_node *n = &grid->nodes[i];
        if (n->state == NODE_UP && !answered(list, len, n->info.name))
            list[len++] =
                (struct scan_item){.key = slice_str(n->info.name), .version = GRID_ETIMEOUT};
    }
    return items_drop(list, len);
}
