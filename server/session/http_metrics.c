/* http_metrics.c - for monitoring systems and load balancers: /metrics, /healthz, /readyz. */
#include "session/http_priv.h"

#include "base/metrics.h"

#define MEDIA_OPEN "application/openmetrics-text"
#define MEDIA_PLAIN "text/plain"

static void text_answer(struct http_session *h, struct http_pending *p, unsigned status,
                        const char *media, struct slice body)
{
    struct http_answer a = {.status = status, .media = slice_str(media), .body = body};
    http_answer(h, p, &a);
}

static void metrics_told(struct http_session *h, struct http_pending *p, enum grid_err status,
                         struct slice detail, struct slice reply)
{
    (void)detail;
    if (status) {
        http_problem(h, p, status, NULL);
        return;
    }
    struct buf text = BUF_INIT;
    bool open = p->note;
    metric_text(reply, open ? METRIC_TEXT_OPEN : METRIC_TEXT_PLAIN, &text);
    text_answer(h, p, 200,
                open ? MEDIA_OPEN "; version=1.0.0; charset=utf-8"
                     : MEDIA_PLAIN "; version=0.0.4; charset=utf-8",
                buf_slice(&text));
    buf_release(&text);
}

static bool contains(struct slice text, const char *word)
{
    return text.len && memmem(text.data, text.len, word, strlen(word));
}

void http_metrics(struct http_session *h, struct http_request *r)
{
    r->pending->note = contains(r->headers[HEADER_ACCEPT], MEDIA_OPEN);
    r->pending->admin = metrics_told;
    http_admin(h, r->pending, &(struct admin_request){.op = ADMIN_METRICS});
}

void http_healthz(struct http_session *h, struct http_request *r)
{
    text_answer(h, r->pending, 200, MEDIA_PLAIN, slice_str("alive\n"));
}

static void ready_told(struct http_session *h, struct http_pending *p, enum grid_err status,
                       struct slice detail, struct slice reply)
{
    struct metric_sample s;
    struct buf json = BUF_INIT;
    bool ready = false;
    const char *between = "";
    (void)detail;
    buf_printf(&json, "{\"reasons\":[");
    while (!status && metric_next(&reply, &s)) {
        ready |= s.metric == METRIC_ready && s.value;
        if (s.metric != METRIC_problem || !s.value)
            continue;
        buf_printf(&json, "%s\"%.*s\"", between, (int)s.labels[0].len,
                   (const char *)s.labels[0].data);
        between = ",";
    }
    if (status)
        buf_printf(&json, "\"%s\"", err_text(status));
    buf_printf(&json, "],\"ready\":%s}", ready ? "true" : "false");
    text_answer(h, p, ready ? 200 : 503, "application/json", buf_slice(&json));
    buf_release(&json);
}

void http_readyz(struct http_session *h, struct http_request *r)
{
    r->pending->admin = ready_told;
    http_admin(h, r->pending, &(struct admin_request){.op = ADMIN_METRICS});
}
