/* native_broadcast.c - a broadcast in C: the table that it calls, and its run. */
#include <grid_module.h>

#include "base/list.h"
#include "base/log.h"
#include "compute/broadcast_priv.h"
#include "compute/native.h"
#include "compute/native_store.h"
#include "compute/report.h"

enum { LOG_BYTES = 1024 };

/* The public part comes first: a grid_visit is one. */
struct native_visit {
    struct grid_visit visit;
    const struct native *native;
    struct native_store scratch;
    struct buf *out;
    bool failed; /* it said why */
};

static struct native_visit *visit_of(struct grid_visit *v)
{
    return container_of(v, struct native_visit, visit);
}

static enum grid_err answer_add(struct grid_visit *v, struct grid_bytes bytes, bool line)
{
    struct native_visit *n = visit_of(v);
    if (n->failed)
        return GRID_ETASK;
    if (bytes.len + line > BROADCAST_ROWS_MAX - n->out->len)
        return GRID_ETOO_LARGE;
    if (bytes.len)
        buf_add(n->out, bytes.data, bytes.len);
    if (line)
        buf_add_u8(n->out, '\n');
    return GRID_OK;
}

static enum grid_err visit_result(struct grid_visit *v, struct grid_bytes bytes)
{
    return answer_add(v, bytes, false);
}

static enum grid_err visit_emit(struct grid_visit *v, struct grid_bytes row)
{
    return answer_add(v, row, true);
}

static void say(struct native_visit *n, const char *text)
{
    report_fault(n->out, slice_make(n->native->path, n->native->path_len), slice_str(text),
                 "native code\n");
    n->failed = true;
}

static enum grid_err visit_fail(struct grid_visit *v, const char *text)
{
    say(visit_of(v), text ? text : "");
    return GRID_ETASK;
}

static void visit_log(struct grid_visit *v, const char *text)
{
    log_line(LOG_INFO, "broadcast", "%s: %.*s", visit_of(v)->native->path, (int)LOG_BYTES, text);
}

static void *visit_alloc(struct grid_visit *v, size_t bytes)
{
    return native_store_take_within(&visit_of(v)->scratch, bytes, NATIVE_SCRATCH_MAX);
}

static const struct grid_visit_api api = {
    .size = sizeof api,
    .result = visit_result,
    .emit = visit_emit,
    .fail = visit_fail,
    .log = visit_log,
    .alloc = visit_alloc,
};

enum grid_err broadcast_run_native(const struct broadcast *b, const struct native *f,
                                   struct buf *out)
{
    struct native_visit n = {.native = f,
                             .out = out,
                             .visit = {.api = &api,
                                       .node = b->node,
                                       .labels = b->labels,
                                       .labels_len = b->labels_len,
                                       .argument = {b->arg.data, b->arg.len},
                                       .ctx = f->given->ctx}};
    enum grid_err err = f->given->broadcast(&n.visit);
    if (err && !n.failed)
        say(&n, err_text(err));
    native_store_clear(&n.scratch);
    return n.failed ? GRID_ETASK : GRID_OK;
}
