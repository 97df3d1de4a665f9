/* http_session.c - the door: requests taken from the connection, judged by their heads, handed to
 * their routes when they are whole; and what handlers ask of the node.
 *
 *   BETWEEN --a byte--> IN_HEAD --head whole--> IN_BODY --body whole--> answered --> BETWEEN
 *
 * A request that is refused by its head is answered when its body has come, so that the connection
 * can go on; where the body is large or waits for "100 Continue" the answer comes at once and
 * ends the connection. */
#include "session/http_priv.h"
#include "session/may.h"

#include "base/json.h"
#include "control/settings.h"

#include <stdio.h>

enum {
    CHUNK_SLACK = 64 << 10,     /* what chunks may add to a body */
    PROGRESS_BYTES = 64 << 10,  /* of a body: a sign of life */
    PASSED_OVER_MAX = 64 << 10, /* a body that is waited for though it is not wanted */
    CREDENTIALS_MAX = 384,
};

/* --- asking ----------------------------------------------------------------------------------- */

void http_submit(struct http_session *h, struct http_pending *p, struct op *op)
{
    session_submit(&h->base, op, session_ticket(&h->base, p->number, 0));
}

void http_submit_again(struct http_session *h, struct http_pending *p, const struct op *op)
{
    session_submit_again(&h->base, op, session_ticket(&h->base, p->number, 0));
}

void http_admin(struct http_session *h, struct http_pending *p, const struct admin_request *r)
{
    session_admin(&h->base, p->number, r);
}

void http_everywhere(struct http_session *h, struct http_pending *p, const struct errand *e)
{
    session_everywhere(&h->base, p->number, e);
}

void *http_alloc(struct http_session *h, struct http_pending *p, size_t bytes)
{
    void *at = arena_alloc(h->base.arena, bytes);
    if (likely(at))
        return at;
    arena_forgive(h->base.arena);
    http_problem(h, p, GRID_EBUSY, "the requests of this moment need too much memory");
    return NULL;
}

/* --- who asks --------------------------------------------------------------------------------- */

/* Basic (RFC 7617). The node is asked each time, so that a user who is taken away is gone at
 * once. */
static enum grid_err who_asks(struct http_session *h, struct slice field)
{
    char text[CREDENTIALS_MAX + 1];
    size_t len;
    if (session_trusts(&h->base))
        return GRID_OK;
    if (field.len < 6 || !word_is(slice_make(field.data, 6), "basic "))
        return GRID_EAUTH;
    struct slice rest = slice_make(field.data + 6, field.len - 6);
    while (rest.len && rest.data[0] == ' ')
        rest = slice_make(rest.data + 1, rest.len - 1);
    if (rest.len > CREDENTIALS_MAX || !base64_decode(rest, (uint8_t *)text, &len))
        return GRID_EAUTH;
    text[len] = '\0';
    char *colon = memchr(text, ':', len);
    if (!colon || strlen(text) != len)
        return GRID_EAUTH;
    *colon = '\0';
    return session_authenticate(&h->base, text, colon + 1);
}

/* --- the request ------------------------------------------------------------------------------ */

static struct slice at_span(const uint8_t *data, struct span s)
{
    return slice_make(s.at ? data + s.at : NULL, s.len);
}

/* The path and the query of a target in origin form, or in absolute form. */
static bool target_split(struct slice target, struct slice *ret_path, struct slice *ret_query)
{
    size_t n = 0;
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++)
        if (target.len > strlen(schemes[i]) &&
            word_is(slice_make(target.data, strlen(schemes[i])), schemes[i]))
            n = strlen(schemes[i]);
    if (n) {
        const uint8_t *slash = memchr(target.data + n, '/', target.len - n);
        if (!slash)
            return false;
        target = slice_make(slash, target.len - (size_t)(slash - target.data));
    }
    if (!target.len || target.data[0] != '/')
        return false;
    const uint8_t *mark = memchr(target.data, '?', target.len);
    size_t path = mark ? (size_t)(mark - target.data) : target.len;
    *ret_path = slice_make(target.data, path);
    *ret_query = mark ? slice_make(mark + 1, target.len - path - 1) : slice_make(NULL, 0);
    return true;
}

static void refuse(struct http_session *h, unsigned status, enum grid_err err, const char *why)
{
    h->refused = status;
    h->refused_err = err;
    h->why = why;
    h->more = NULL;
}

static size_t body_max(const struct http_session *h, const struct http_route *route)
{
    if (route && route->body == BODY_VALUE)
        return (size_t)catalog_setting(session_catalog(&h->base), SETTING_max_value);
    return route && route->body == BODY_JSON ? JSON_BODY_MAX : IGNORED_BODY_MAX;
}

/* "Allow: GET, HEAD, ...", for 405 and OPTIONS. */
static void allow(struct http_session *h, uint64_t methods)
{
    static const struct {
        enum http_method method;
        const char *name;
    } names[] = {{HTTP_GET, "GET, HEAD, "},
                 {HTTP_PUT, "PUT, "},
                 {HTTP_DELETE, "DELETE, "},
                 {HTTP_POST, "POST, "}};
    size_t len = 0;
    char *to = h->allow;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (methods & UINT64_C(1) << names[i].method)
            len += (size_t)snprintf(to + len, sizeof h->allow - len, "%s%s",
                                    len ? "" : "Allow: ", names[i].name);
    snprintf(to + len, sizeof h->allow - len, "OPTIONS\r\n");
    h->more = h->allow;
}

/* A browser says so when a page of another origin wants something changed; with a method and a type
 * that it does not ask about first. */
static bool is_foreign(const struct http_head *head, const struct http_request *r)
{
    struct slice origin = r->headers[HEADER_ORIGIN], host = r->headers[HEADER_HOST];
    if (likely(!origin.data) || head->parser.method == HTTP_GET || head->parser.method == HTTP_HEAD)
        return false;
    const uint8_t *mark = origin.len > 3 ? memmem(origin.data, origin.len, "://", 3) : NULL;
    size_t scheme = mark ? (size_t)(mark - origin.data) + 3 : origin.len;
    struct slice authority = slice_make(origin.data + scheme, origin.len - scheme);
    return !host.len || !slice_eq(authority, host);
}

/* What can be said without the body. */
static void judge(struct http_session *h, const struct http_request *r, uint64_t allowed)
{
    const struct http_head *head = &h->head;
    struct slice expect = r->headers[HEADER_EXPECT];
    enum grid_err err;
    h->refused = 0;
    if (unlikely(h->base.parting == SESSION_REFUSES)) {
        refuse(h, 0, GRID_ESTOPPING, NULL);
    } else if (!r->route && head->parser.method == HTTP_OPTIONS && allowed) {
        refuse(h, 204, GRID_OK, NULL);
        allow(h, allowed);
    } else if (!r->route && allowed) {
        refuse(h, 405, GRID_OK, "the resource does not have this method");
        allow(h, allowed);
    } else if (!r->route) {
        refuse(h, 404, GRID_OK, "no such resource; GET /v1/openapi.json tells which there are");
    } else if (is_foreign(head, r)) {
        refuse(h, 403, GRID_OK, "a page of another origin asks");
    } else if ((err = r->route->open ? GRID_OK : who_asks(h, r->headers[HEADER_AUTHORIZATION]))) {
        refuse(h, 0, err, err == GRID_EBUSY ? "too many wrong passwords just now" : NULL);
    } else if (expect.data && !word_is(expect, "100-continue")) {
        refuse(h, 417, GRID_OK, "the only expectation known is 100-continue");
    } else if (http_head_length(head) > body_max(h, r->route)) {
        refuse(h, 0, GRID_ETOO_LARGE, "the body is larger than the limit");
    }
}

static void request_make(struct http_session *h, const uint8_t *data, struct http_request *r,
                         uint64_t *ret_allowed)
{
    struct slice path;
    struct http_match match = {0};
    *r = (struct http_request){0};
    for (int i = 0; i < HEADER_KINDS; i++)
        r->headers[i] = at_span(data, h->head.headers[i]);
    if (target_split(at_span(data, h->head.target), &path, &r->query))
        http_route_find((enum http_method)h->head.parser.method, path, &match);
    r->route = match.route;
    memcpy(r->params, match.params, sizeof r->params);
    *ret_allowed = match.allowed;
}

static struct http_pending *pending_of(struct http_session *h)
{
    struct http_pending *p = http_pending_push(h);
    p->head = h->head.parser.method == HTTP_HEAD;
    p->old = h->head.parser.http_minor == 0;
    p->close = h->base.parting || !http_should_keep_alive(&h->head.parser);
    return p;
}

/* Nothing is read behind this request. */
static void ends(struct http_session *h, struct http_pending *p)
{
    p->close = true;
    h->ending = true;
}

static void answer_refused(struct http_session *h, struct http_pending *p)
{
    if (h->refused == 204) {
        struct http_answer a = {.status = 204, .more = h->more};
        http_answer(h, p, &a);
    } else if (h->refused) {
        http_refuse(h, p, h->refused, h->why, h->more);
    } else {
        http_problem(h, p, h->refused_err, h->why);
    }
}

static bool is_refused(const struct http_session *h)
{
    return h->refused || h->refused_err;
}

/* --- the body --------------------------------------------------------------------------------- */

/* The body as one run of bytes; chunks are put together. False: no memory, and answered. */
static bool body_make(struct http_session *h, const uint8_t *data, struct http_request *r)
{
    size_t head = h->head.parsed;
    if (!http_head_chunked(&h->head)) {
        r->body = slice_make(data + head, (size_t)http_head_length(&h->head));
        return true;
    }
    uint8_t *to = http_alloc(h, r->pending, (size_t)h->chunks.bytes);
    struct chunked again = {0};
    size_t used;
    if (!to)
        return false;
    enum chunked_step step = chunked_run(&again, data + head, h->scanned, to, &used);
    CHECK(step == CHUNKED_DONE && again.bytes == h->chunks.bytes);
    r->body = slice_make(to, (size_t)again.bytes);
    return true;
}

enum body_step { BODY_MORE, BODY_WHOLE, BODY_BAD };

static enum body_step body_chunked(struct http_session *h, const uint8_t *data, size_t len,
                                   size_t max)
{
    size_t at = h->head.parsed + h->scanned, used = 0;
    enum chunked_step step = chunked_run(&h->chunks, data + at, len - at, NULL, &used);
    h->scanned += used;
    if (step == CHUNKED_BAD)
        refuse(h, 400, GRID_OK, "a malformed chunk");
    else if (h->chunks.bytes + h->chunks.left > max || h->scanned > 2 * max + CHUNK_SLACK)
        refuse(h, 0, GRID_ETOO_LARGE, "the body is larger than the limit");
    else
        return step == CHUNKED_DONE ? BODY_WHOLE : BODY_MORE;
    return BODY_BAD;
}

static enum body_step body_step(struct http_session *h, const uint8_t *data, size_t len, size_t max,
                                size_t *ret_used)
{
    enum body_step step;
    if (http_head_chunked(&h->head)) {
        step = body_chunked(h, data, len, max);
        *ret_used = h->head.parsed + h->scanned;
    } else {
        *ret_used = h->head.parsed + (size_t)http_head_length(&h->head);
        step = len >= *ret_used ? BODY_WHOLE : BODY_MORE;
    }
    h->moves = len - h->progress >= PROGRESS_BYTES;
    if (h->moves)
        h->progress = len;
    return step;
}

/* A refused request whose body is not worth waiting for. */
static bool cannot_wait(const struct http_session *h)
{
    return is_refused(h) &&
           (http_head_chunked(&h->head) || h->continue_wanted || h->base.state == CLOSING ||
            http_head_length(&h->head) > PASSED_OVER_MAX);
}

/* --- taking ----------------------------------------------------------------------------------- */

static size_t refuse_and_end(struct http_session *h, size_t len)
{
    struct http_pending *p = pending_of(h);
    ends(h, p);
    h->stage = BETWEEN;
    answer_refused(h, p);
    return len;
}

/* False: who asks may not do it, and that is answered. */
static bool may(struct http_session *h, struct http_request *r)
{
    char why[MAY_WHY_BYTES];
    enum right right = r->route->right;
    struct slice name = {NULL, 0};
    if (likely(!h->base.rights) || r->route->open)
        return true;
    if (right == RIGHT_READ || right == RIGHT_WRITE) {
        uint32_t cache = http_cache(h, r);
        if (!cache || session_may_cache(&h->base, right, cache))
            return cache != 0;
        session_lacks_cache(&h->base, right, cache, why);
    } else {
        if (right == RIGHT_COMPUTE && !http_segment(h, r, 0, &name))
            return false;
        if (session_may(&h->base, right, name))
            return true;
        session_lacks(&h->base, right, name, why);
    }
    http_problem(h, r->pending, GRID_EDENIED, why);
    return false;
}

/* A whole request. */
static void handle(struct http_session *h, const uint8_t *data, struct http_request *r)
{
    struct http_pending *p = pending_of(h);
    h->stage = BETWEEN;
    r->pending = p;
    if (p->close)
        h->ending = true;
    if (unlikely(is_refused(h)))
        answer_refused(h, p);
    else if (may(h, r) && likely(body_make(h, data, r)))
        r->route->handle(h, r);
}

static void body_begin(struct http_session *h, const struct http_request *r, uint64_t allowed)
{
    h->stage = IN_BODY;
    h->chunks = (struct chunked){0};
    h->scanned = h->progress = 0;
    h->refused_err = GRID_OK;
    judge(h, r, allowed);
    bool body = http_head_chunked(&h->head) || http_head_length(&h->head) > 0;
    h->continue_wanted = body && r->headers[HEADER_EXPECT].data && h->head.parser.http_minor;
}

static size_t take_body(struct http_session *h, const uint8_t *data, size_t len)
{
    struct http_request r;
    uint64_t allowed;
    size_t used;
    bool begins = h->stage == IN_HEAD;
    request_make(h, data, &r, &allowed);
    if (begins)
        body_begin(h, &r, allowed);
    if (unlikely(cannot_wait(h)))
        return refuse_and_end(h, len);
    switch (body_step(h, data, len, body_max(h, r.route), &used)) {
    case BODY_WHOLE:
        handle(h, data, &r);
        return used;
    case BODY_BAD:
        return refuse_and_end(h, len);
    case BODY_MORE:
        break;
    }
    if (begins && h->continue_wanted && len == h->head.parsed)
        http_continue(h);
    return 0;
}

static size_t http_take(struct session *s, const uint8_t *data, size_t len,
                        struct session_turn *turn)
{
    struct http_session *h = http_of(s);
    if (unlikely(h->ending))
        return len;
    if (h->stage == BETWEEN) {
        if (unlikely(*data == '\r' || *data == '\n')) /* some clients end a body with a line */
            return 1;
        if (unlikely(turn->budget == 0)) {
            turn->more = true;
            return 0;
        }
        http_head_begin(&h->head);
        h->stage = IN_HEAD;
    }
    if (h->stage == IN_HEAD) {
        switch (http_head_run(&h->head, data, len)) {
        case HEAD_MORE:
            return 0;
        case HEAD_REFUSED:
            refuse(h, h->head.refused, GRID_OK, h->head.why);
            return refuse_and_end(h, len);
        case HEAD_DONE:
            break;
        }
    }
    size_t used = take_body(h, data, len);
    turn->budget -= used && turn->budget;
    if (used && h->stage == BETWEEN)
        session_count_request(s);
    return used;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void http_result(struct session *s, uint64_t number, uint32_t part, const struct result *res)
{
    (void)part;
    struct http_session *h = http_of(s);
    struct http_pending *p = http_pending_find(h, number);
    bool large = res->value.len && !session_changed(res);
    if (unlikely(large && session_too_much(s, res->value.len + h->held)))
        http_problem(h, p, GRID_EBUSY, "too many unread answers");
    else
        p->result(h, p, res);
}

static void http_collected(struct session *s, uint64_t number, const struct collection *all)
{
    struct http_session *h = http_of(s);
    struct http_pending *p = http_pending_find(h, number);
    p->collected(h, p, all);
}

static void http_admin_result(struct session *s, uint64_t number, enum grid_err status,
                              struct slice detail, struct slice reply)
{
    struct http_session *h = http_of(s);
    struct http_pending *p = http_pending_find(h, number);
    p->admin(h, p, status, detail, reply);
}

/* The first request is waited for, and one that has begun; a body is given longer as long as it
 * comes on. */
static bool http_expects(const struct session *s)
{
    const struct http_session *h = http_of_const(s);
    if (h->stage == IN_BODY)
        return !h->moves;
    return h->stage == IN_HEAD || !h->next;
}

/* Every answer looks: nothing to do when it begins. */
static void http_part(struct session *s)
{
    (void)s;
}

static bool http_full(const struct session *s)
{
    return http_pending_full(http_of_const(s));
}

static void http_release(struct session *s)
{
    http_pending_release(http_of(s));
}

static void http_check(const struct session *s)
{
    const struct http_session *h = http_of_const(s);
    size_t held = 0;
    CHECK(h->next - h->first <= h->ring_cap && h->ring_cap <= PENDING_MAX);
    for (uint64_t i = h->first; i < h->next && !s->closed; i++) {
        const struct http_pending *p = &h->ring[i & (h->ring_cap - 1)];
        CHECK(p->number == i && (i > h->first || !p->answered));
        CHECK(p->answered || !p->held.len);
        held += p->held.len;
    }
    CHECK(s->closed || held == h->held);
}

const struct door http_door = {
    .name = "http",
    .bytes = sizeof(struct http_session),
    .release = http_release,
    .take = http_take,
    .result = http_result,
    .collected = http_collected,
    .admin_result = http_admin_result,
    .expects = http_expects,
    .full = http_full,
    .part = http_part,
    .check = http_check,
};
