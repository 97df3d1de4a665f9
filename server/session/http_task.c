/* http_task.c - POST /v1/tasks/MODULE.TASK: a task where its data is. */
#include "session/http_priv.h"

#include "compute/task.h"
#include "session/http_once.h"

#include <stdio.h>

static void on_run(struct http_session *h, struct http_pending *p, const struct result *res)
{
    char why[TASK_DETAIL_MAX + 1];
    if (unlikely(res->status == GRID_EEXISTS)) {
        http_refuse(h, p, 422, http_once_other, NULL);
        return;
    }
    if (unlikely(res->status)) {
        size_t len = res->value.len < TASK_DETAIL_MAX ? res->value.len : TASK_DETAIL_MAX;
        if (res->status != GRID_ETASK && res->status != GRID_ENO_TASK)
            len = 0;
        if (len)
            memcpy(why, res->value.data, len);
        why[len] = '\0';
        http_problem(h, p, res->status, why[0] ? why : NULL);
        return;
    }
    struct http_answer a = {
        .status = 200, .media = slice_str("application/octet-stream"), .body = res->value};
    http_answer(h, p, &a);
}

/* False: answered. */
static bool set_once(struct http_session *h, struct http_request *r, struct op *op,
                     struct slice name)
{
    const struct http_asked a = {op->cache, op->key, name, r->body, {NULL, 0}};
    struct http_once once;
    if (!op_changes(op))
        return true;
    if (!http_once(h, r, &a, &once))
        return false;
    op->has_session = once.there;
    op->sole = once.sole;
    op->session.id = once.id;
    op->session.number = once.number;
    op->session.lowest = 1;
    return true;
}

void http_run(struct http_session *h, struct http_request *r)
{
    struct slice name, key, affinity;
    uint32_t cache = http_query_cache(h, r);
    if (!cache || !http_query_needed(h, r, "key", &key) || !http_affinity(h, r, &affinity) ||
        !http_segment(h, r, 0, &name) || !http_plain(h, r))
        return;
    struct op *op = http_alloc(h, r->pending, sizeof *op);
    if (!op)
        return;
    *op = (struct op){.cache = cache, .key = key, .affinity = affinity, .value = r->body};
    struct fault f = session_task(&h->base, op, name);
    if (f.err) {
        http_problem(h, r->pending, f.err, f.why);
        return;
    }
    if (!set_once(h, r, op, name))
        return;
    r->pending->result = on_run;
    http_submit(h, r->pending, op);
}
