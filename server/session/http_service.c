/* http_service.c - POST /v1/services/MODULE.SERVICE/METHOD: a service called, wherever it lives. */
#include "session/http_priv.h"

#include "compute/service.h"
#include "session/service.h"

static void on_call(struct http_session *h, struct http_pending *p, const struct result *res)
{
    char why[SERVICE_ERROR_MAX + 1];
    if (unlikely(res->status)) {
        bool words = res->status == GRID_ESERVICE || res->status == GRID_ENO_SERVICE;
        size_t len = words && res->value.len < sizeof why ? res->value.len : 0;
        if (len)
            memcpy(why, res->value.data, len);
        why[len] = '\0';
        http_problem(h, p, res->status, len ? why : NULL);
        return;
    }
    struct http_answer a = {
        .status = 200, .media = slice_str("application/octet-stream"), .body = res->value};
    http_answer(h, p, &a);
}

void http_service(struct http_session *h, struct http_request *r)
{
    struct service_request want = {.arg = r->body, .turn = r->pending->number};
    struct op *op;
    bool here;
    if (!http_segment(h, r, 0, &want.name) || !http_segment(h, r, 1, &want.method) ||
        !http_query(h, r, "key", &want.key) || !http_query_flag(h, r, "again", &want.again) ||
        !http_plain(h, r))
        return;
    struct fault f = session_service(&h->base, &want, &op, &here);
    if (f.err) {
        http_problem(h, r->pending, f.err, f.why);
        return;
    }
    r->pending->result = on_call;
    session_call(&h->base, op, here, session_ticket(&h->base, r->pending->number, 0));
}
