/* http_answer.c - answers, in the order of the requests.
 *
 *   first                         next
 *     |  waits  | answered | waits |        a ring; what is answered behind one that waits is held
 *
 * The answer to the first goes straight into the session's output, and takes those behind it that
 * are held with it. */
#include "session/http_priv.h"

#include "base/alloc.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RING_FIRST = 4, FIELDS_BYTES = 512 /* of all header lines but `media` and `more` */ };

/* --- what is said ----------------------------------------------------------------------------- */

static const struct {
    unsigned status;
    const char *text;
} statuses[] = {
    {200, "OK"},
    {201, "Created"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

/* What an outcome (status.def) is in HTTP. */
static const uint16_t status_of[] = {
    [GRID_OK] = 200,           [GRID_ENOT_FOUND] = 404,
    [GRID_ECONDITION] = 412,   [GRID_ENOT_PRIMARY] = 503,
    [GRID_EFULL] = 507,        [GRID_ETOO_LARGE] = 413,
    [GRID_EBAD_REQUEST] = 400, [GRID_ENO_CONTEXT] = 404,
    [GRID_ENO_CACHE] = 404,    [GRID_EEXISTS] = 409,
    [GRID_EBUSY] = 503,        [GRID_ENOT_NUMBER] = 409,
    [GRID_EOVERFLOW] = 409,    [GRID_EDENIED] = 403,
    [GRID_EAUTH] = 401,        [GRID_EPROTOCOL] = 505,
    [GRID_ESTALE] = 409,       [GRID_EDAMAGED] = 500,
    [GRID_ELOST] = 500,        [GRID_ECROSS_PARTITION] = 400,
    [GRID_ESTOPPING] = 503,    [GRID_ETIMEOUT] = 504,
    [GRID_EIN_DOUBT] = 504,    [GRID_EUNREACHABLE] = 502,
    [GRID_ENOMEM] = 507,       [GRID_EIO] = 500,
    [GRID_ECORRUPT] = 500,     [GRID_EUNSUPPORTED] = 501,
    [GRID_ECANCELLED] = 503,   [GRID_ECLOSED] = 502,
    [GRID_ETLS] = 502,         [GRID_ENO_SPACE] = 507,
    [GRID_ENEWER] = 500,       [GRID_EIN_USE] = 409,
    [GRID_ENO_SETTING] = 404,  [GRID_EWRONG_TYPE] = 409,
    [GRID_EFEW_COPIES] = 503,  [GRID_EENTERING] = 503,
    [GRID_ETASK] = 422,        [GRID_ENO_TASK] = 404,
    [GRID_ESERVICE] = 422,     [GRID_ENO_SERVICE] = 404,
};

unsigned http_status_of(enum grid_err err)
{
    bool known = (unsigned)err < sizeof status_of / sizeof *status_of && status_of[err];
    return known ? status_of[err] : 500;
}

const char *http_status_text(unsigned status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].status == status)
            return statuses[i].text;
    return "Unknown";
}

/* --- the ring --------------------------------------------------------------------------------- */

static struct http_pending *slot(const struct http_session *h, uint64_t number)
{
    return &h->ring[number & (h->ring_cap - 1)];
}

bool http_pending_full(const struct http_session *h)
{
    return h->next - h->first == PENDING_MAX;
}

static void ring_grow(struct http_session *h)
{
    uint32_t cap = h->ring_cap ? h->ring_cap * 2 : RING_FIRST;
    struct http_pending *ring = xcalloc(cap, sizeof *ring);
    for (uint64_t i = h->first; i < h->next; i++)
        ring[i & (cap - 1)] = *slot(h, i);
    free(h->ring);
    h->ring = ring;
    h->ring_cap = cap;
}

struct http_pending *http_pending_push(struct http_session *h)
{
    CHECK(!http_pending_full(h));
    if (h->next - h->first == h->ring_cap)
        ring_grow(h);
    struct http_pending *p = slot(h, h->next);
    *p = (struct http_pending){.number = h->next++};
    return p;
}

struct http_pending *http_pending_find(struct http_session *h, uint64_t number)
{
    CHECK(number >= h->first && number < h->next);
    struct http_pending *p = slot(h, number);
    CHECK(!p->answered);
    return p;
}

static void pop(struct http_session *h)
{
    struct http_pending *p = slot(h, h->first);
    h->held -= p->held.len;
    buf_release(&p->held);
    if (p->state)
        (p->release ? p->release : free)(p->state);
    p->state = NULL;
    h->first++;
}

void http_pending_release(struct http_session *h)
{
    while (h->first < h->next)
        pop(h);
    free(h->ring);
    h->ring = NULL;
}

static void say_continue(struct http_session *h)
{
    h->continue_due = false;
    buf_add_text(&h->base.out, "HTTP/1.1 100 Continue\r\n\r\n");
}

void http_continue(struct http_session *h)
{
    h->continue_due = true;
    if (h->first == h->next)
        say_continue(h);
}

/* The first is answered: on to those behind it. */
static void advance(struct http_session *h)
{
    bool closes = false;
    while (h->first < h->next && slot(h, h->first)->answered && !closes) {
        struct http_pending *p = slot(h, h->first);
        buf_add(&h->base.out, p->held.data, p->held.len);
        closes = p->close;
        pop(h);
    }
    if (closes)
        session_stop(&h->base, "the connection ends with this answer");
    else if (h->continue_due && h->first == h->next)
        say_continue(h);
}

/* --- writing ---------------------------------------------------------------------------------- */

static uint8_t *put(uint8_t *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}
#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

static uint8_t *put_number(uint8_t *at, uint64_t n)
{
    char digits[20];
    size_t len = 0;
    do
        digits[sizeof digits - ++len] = (char)('0' + n % 10);
    while (n /= 10);
    return put(at, digits + sizeof digits - len, len);
}

static uint8_t *put_date(struct http_session *h, uint8_t *at)
{
    const struct session_ports *ports = h->base.ports;
    uint64_t now_s = ports->now_us(ports->ctx) / 1000000;
    if (unlikely(now_s != h->date_s || !h->date[0])) {
        time_t t = (time_t)now_s;
        struct tm tm;
        gmtime_r(&t, &tm);
        strftime(h->date, sizeof h->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        h->date_s = now_s;
    }
    at = PUT(at, "\r\nDate: ");
    return put(at, h->date, strlen(h->date));
}

static uint8_t *put_status(uint8_t *at, unsigned status)
{
    if (likely(status == 200))
        return PUT(at, "HTTP/1.1 200 OK");
    const char *text = http_status_text(status);
    at = PUT(at, "HTTP/1.1 ");
    at = put_number(at, status);
    *at++ = ' ';
    return put(at, text, strlen(text));
}

static uint8_t *put_fields(struct http_session *h, const struct http_pending *p,
                           const struct http_answer *a, uint8_t *at)
{
    at = put_date(h, at);
    if (a->media.len) {
        at = PUT(at, "\r\nContent-Type: ");
        at = put(at, (const char *)a->media.data, a->media.len);
    }
    if (a->status != 204 && a->status != 304) {
        at = PUT(at, "\r\nContent-Length: ");
        at = put_number(at, a->body.len);
    }
    if (a->version) {
        at = PUT(at, "\r\nETag: \"");
        at = put_number(at, a->version);
        *at++ = '"';
    }
    if (a->ttl_ms) {
        at = PUT(at, "\r\nTTL: ");
        at = put_number(at, (a->ttl_ms + 999) / 1000);
    }
    at = PUT(at, "\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n");
    if (a->more)
        at = put(at, a->more, strlen(a->more));
    if (p->close)
        at = PUT(at, "Connection: close\r\n");
    else if (p->old)
        at = PUT(at, "Connection: keep-alive\r\n");
    return PUT(at, "\r\n");
}

void http_answer(struct http_session *h, struct http_pending *p, const struct http_answer *a)
{
    CHECK(!p->answered);
    bool first = p->number == h->first;
    struct buf *out = first ? &h->base.out : &p->held;
    size_t body = p->head ? 0 : a->body.len;
    size_t room = FIELDS_BYTES + a->media.len + (a->more ? strlen(a->more) : 0) + body;
    if ((h->base.state == CLOSING || h->base.parting) && p->number + 1 == h->next)
        p->close = h->ending = true;
    uint8_t *from = buf_reserve(out, room);
    uint8_t *at = put_fields(h, p, a, put_status(from, a->status));
    if (body)
        at = put(at, (const char *)a->body.data, body);
    size_t len = (size_t)(at - from);
    CHECK(len <= room);
    out->len += len;
    p->answered = true;
    if (first)
        advance(h);
    else
        h->held += len;
}

void http_json(struct http_session *h, struct http_pending *p, struct slice body)
{
    struct http_answer a = {200, slice_str("application/json"), body, 0, 0, NULL};
    http_answer(h, p, &a);
}

static void problem(struct http_session *h, struct http_pending *p, unsigned status,
                    const char *code, const char *detail, const char *more)
{
    struct buf body = BUF_INIT;
    buf_printf(&body, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u",
               http_status_text(status), status);
    json_add_name(&body, "detail");
    struct slice text = slice_str(detail);
    json_add_string(&body, utf8_valid(text) ? text : slice_str("malformed"));
    if (code) {
        json_add_name(&body, "code");
        json_add_string(&body, slice_str(code));
    }
    buf_add_text(&body, "}\n");
    struct http_answer a = {status, slice_str("application/problem+json"), buf_slice(&body), 0, 0,
                            more};
    http_answer(h, p, &a);
    buf_release(&body);
}

void http_problem(struct http_session *h, struct http_pending *p, enum grid_err err,
                  const char *detail)
{
    unsigned status = http_status_of(err);
    const char *more = NULL;
    char why[WAITS_BYTES];
    const struct session_ports *ports = h->base.ports;
    if (!detail && err == GRID_EENTERING && ports->waits && ports->waits(ports->ctx, why))
        detail = why;
    if (!detail && err == GRID_ENOT_PRIMARY)
        detail = "no node leads the partition; nothing was done";
    if (status == 503)
        more = "Retry-After: 1\r\n";
    else if (status == 401)
        more = "WWW-Authenticate: Basic realm=\"gridd\", charset=\"UTF-8\"\r\n";
    problem(h, p, status, err_name(err), detail ? detail : err_text(err), more);
}

void http_refuse(struct http_session *h, struct http_pending *p, unsigned status,
                 const char *detail, const char *more)
{
    problem(h, p, status, NULL, detail, more);
}
