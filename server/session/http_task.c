/* http_task.c - POST /v1/tasks/MODULE.TASK: a task where its data is.
 *
 * An HTTP client is no session (R13). User, task, cache, key and Idempotency-Key are the id of one
 * that asks once: nobody is told what another's request has done. */
#include "session/http_priv.h"

#include "base/sha1.h"
#include "compute/task.h"

#include <stdio.h>

enum { IDEMPOTENCY_KEY_MAX = 128 };
_Static_assert((int)SHA1_BYTES >= (int)SESSION_ID_BYTES, "an id is the beginning of a digest");

static void on_run(struct http_session *h, struct http_pending *p, const struct result *res)
{
    char why[TASK_DETAIL_MAX + 1];
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
static bool set_once(struct http_session *h, struct http_request *r, struct op *op)
{
    struct slice once = r->headers[HEADER_IDEMPOTENCY_KEY];
    struct buf named = BUF_INIT;
    uint8_t digest[SHA1_BYTES];
    if (!once.data || !op_changes(op))
        return true;
    if (!once.len || once.len > IDEMPOTENCY_KEY_MAX) {
        http_problem(h, r->pending, GRID_EBAD_REQUEST, "an Idempotency-Key has 1 to 128 bytes");
        return false;
    }
    const struct slice parts[] = {op->args[0], op->key, once, slice_str(h->base.user)};
    buf_add_u32(&named, op->cache);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        buf_add_u32(&named, (uint32_t)parts[i].len);
        buf_add(&named, parts[i].data, parts[i].len);
    }
    sha1(buf_slice(&named), digest);
    buf_release(&named);
    memcpy(op->session.id.bytes, digest, SESSION_ID_BYTES);
    op->session.number = op->session.lowest = 1;
    op->has_session = true;
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
    if (!set_once(h, r, op))
        return;
    r->pending->result = on_run;
    http_submit(h, r->pending, op);
}
