/* http_cache.c - one key: GET, PUT, DELETE, incr, expire.
 *
 * A condition that is one version, "is there" or "is not there" goes with the op. Any other (a
 * list, both fields) is looked at first:
 *
 *   GET (version) --met--> the op, if the version is still that one --> answer
 *        \--not met--> 412 */
#include "session/http_priv.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

static const char OCTETS[] = "application/octet-stream";

/* --- making an op ----------------------------------------------------------------------------- */

/* An op on the key of the path, in the turn's arena. NULL: answered. */
static struct op *op_of(struct http_session *h, struct http_request *r, enum op_kind kind)
{
    struct slice key, affinity;
    uint32_t cache = http_cache(h, r);
    if (!cache || !http_segment(h, r, 2, &key) || !http_affinity(h, r, &affinity))
        return NULL;
    struct op *op = http_alloc(h, r->pending, sizeof *op);
    if (op)
        *op = (struct op){.kind = kind, .cache = cache, .key = key, .affinity = affinity};
    return op;
}

static bool place(struct http_session *h, struct http_request *r, struct op *op)
{
    struct fault f = session_place(&h->base, op);
    if (unlikely(f.err))
        http_problem(h, r->pending, f.err, f.why);
    return !f.err;
}

/* A time to live from a header field or the query; `keep`: that word may stand there. */
static bool ttl_of(struct http_session *h, struct http_request *r, struct slice text, bool keep,
                   struct op *op)
{
    if (!text.data)
        return true;
    if (word_is(text, "none"))
        op->ttl = TTL_NONE;
    else if (keep && word_is(text, "keep"))
        op->ttl = TTL_KEEP;
    else if (duration_parse(text, &op->ttl_ms))
        op->ttl = TTL_SET;
    else
        http_problem(h, r->pending, GRID_EBAD_REQUEST,
                     "a time to live is a number of seconds, one with ms, s, m, h or d behind it, "
                     "or none");
    return op->ttl != TTL_DEFAULT;
}

/* --- conditions ------------------------------------------------------------------------------- */

struct conditions {
    bool has_match, has_none_match;
    struct tags match, none_match;
};

static bool conditions_of(struct http_session *h, struct http_request *r, struct conditions *c)
{
    struct slice match = r->headers[HEADER_IF_MATCH], none = r->headers[HEADER_IF_NONE_MATCH];
    c->has_match = match.data != NULL;
    c->has_none_match = none.data != NULL;
    if ((c->has_match && !tags_parse(match, false, &c->match)) ||
        (c->has_none_match && !tags_parse(none, true, &c->none_match))) {
        http_problem(h, r->pending, GRID_EBAD_REQUEST,
                     "If-Match and If-None-Match are * or at most 16 entity tags");
        return false;
    }
    return true;
}

/* As a condition of the op. False: it takes a look first. */
static bool condition_simple(const struct conditions *c, struct op *op)
{
    if (c->has_match && c->has_none_match)
        return false;
    if (c->has_match && c->match.any) {
        op->condition = IF_PRESENT;
    } else if (c->has_match && c->match.len == 1) {
        op->condition = IF_VERSION;
        op->version = c->match.versions[0];
    } else if (c->has_none_match && c->none_match.any) {
        op->condition = IF_ABSENT;
    } else {
        return !c->has_match && !c->has_none_match;
    }
    return true;
}

/* A write that waits for a look. */
struct look {
    struct op op;
    struct conditions conditions;
    http_result_fn *then;
    uint8_t bytes[];
};

static bool conditions_met(const struct conditions *c, uint64_t version)
{
    return !(c->has_match && !tags_match(&c->match, version)) &&
           !(c->has_none_match && tags_match(&c->none_match, version));
}

static void on_look(struct http_session *h, struct http_pending *p, const struct result *res)
{
    struct look *l = p->state;
    if (res->status && res->status != GRID_ENOT_FOUND) {
        http_problem(h, p, res->status, NULL);
        return;
    }
    uint64_t version = res->status ? 0 : res->version;
    if (!conditions_met(&l->conditions, version)) {
        http_problem(h, p, GRID_ECONDITION, NULL);
        return;
    }
    l->op.condition = version ? IF_VERSION : IF_ABSENT;
    l->op.version = version;
    p->result = l->then;
    http_submit_again(h, p, &l->op);
}

static struct slice keep(uint8_t **to, struct slice s)
{
    if (s.len)
        memcpy(*to, s.data, s.len);
    s.data = *to;
    *to += s.len;
    return s;
}

static void look_first(struct http_session *h, struct http_pending *p, struct op *op,
                       const struct conditions *c)
{
    struct look *l = xalloc(sizeof *l + op->key.len + op->affinity.len + op->value.len);
    uint8_t *to = l->bytes;
    *l = (struct look){.op = *op, .conditions = *c, .then = p->result};
    l->op.key = keep(&to, op->key);
    l->op.affinity = keep(&to, op->affinity);
    l->op.value = keep(&to, op->value);
    p->state = l;
    p->result = on_look;
    *op = (struct op){.kind = OP_GET,
                      .keys_only = true,
                      .cache = op->cache,
                      .partition = op->partition,
                      .slot = op->slot,
                      .key = op->key,
                      .affinity = op->affinity};
    http_submit(h, p, op);
}

/* Place a write under its conditions and submit it. */
static void write(struct http_session *h, struct http_request *r, struct op *op,
                  http_result_fn *then)
{
    struct conditions c;
    if (!conditions_of(h, r, &c) || !place(h, r, op))
        return;
    r->pending->result = then;
    if (likely(condition_simple(&c, op)))
        http_submit(h, r->pending, op);
    else
        look_first(h, r->pending, op, &c);
}

/* --- GET -------------------------------------------------------------------------------------- */

/* A hash is given as a JSON object. */
static void answer_hash(struct http_session *h, struct http_pending *p, const struct result *res)
{
    struct buf body = BUF_INIT;
    http_add_fields(&body, res->value);
    buf_add_u8(&body, '\n');
    struct http_answer a = {.status = 200,
                            .media = slice_str("application/json"),
                            .body = buf_slice(&body),
                            .version = res->version,
                            .ttl_ms = http_ttl_left(h, res->deadline)};
    http_answer(h, p, &a);
    buf_release(&body);
}

static void on_got(struct http_session *h, struct http_pending *p, const struct result *res)
{
    if (unlikely(res->status)) {
        http_problem(h, p, res->status, NULL);
        return;
    }
    const struct conditions *c = p->state;
    if (unlikely(c && !conditions_met(c, res->version))) {
        if (c->has_match && !tags_match(&c->match, res->version)) {
            http_problem(h, p, GRID_ECONDITION, NULL);
            return;
        }
        struct http_answer same = {.status = 304, .version = res->version};
        http_answer(h, p, &same);
        return;
    }
    enum value_type type = (enum value_type)res->type;
    if (unlikely(type == VALUE_HASH)) {
        answer_hash(h, p, res);
        return;
    }
    struct slice media = http_media(type, res->value);
    struct http_answer a = {.status = 200,
                            .media = media.len ? media : slice_make(OCTETS, sizeof OCTETS - 1),
                            .body = value_bytes(type, res->value),
                            .version = res->version,
                            .ttl_ms = http_ttl_left(h, res->deadline)};
    http_answer(h, p, &a);
}

void http_get(struct http_session *h, struct http_request *r)
{
    struct op *op = op_of(h, r, OP_GET);
    if (unlikely(!op || !http_query_local(h, r, &op->local) || !place(h, r, op)))
        return;
    if (unlikely(r->headers[HEADER_IF_MATCH].data || r->headers[HEADER_IF_NONE_MATCH].data)) {
        struct conditions *c = r->pending->state = xcalloc(1, sizeof *c);
        if (!conditions_of(h, r, c))
            return;
    }
    r->pending->result = on_got;
    http_submit(h, r->pending, op);
}

/* --- PUT, DELETE ------------------------------------------------------------------------------ */

bool http_plain(struct http_session *h, struct http_request *r)
{
    struct slice coding = r->headers[HEADER_CONTENT_ENCODING];
    if (likely(!coding.data || word_is(coding, "identity")))
        return true;
    http_refuse(h, r->pending, 415, "a Content-Encoding would be lost", NULL);
    return false;
}

/* The stored form (value.h) of the body with its Content-Type. */
static bool value_of(struct http_session *h, struct http_request *r, struct op *op)
{
    struct slice media = r->headers[HEADER_CONTENT_TYPE];
    op->value = r->body;
    if (!http_plain(h, r))
        return false;
    if (!media.len || word_is(media, OCTETS))
        return true;
    if (media.len > MEDIA_BYTES_MAX) {
        http_refuse(h, r->pending, 415, "a Content-Type has at most 127 bytes", NULL);
        return false;
    }
    uint8_t *to = http_alloc(h, r->pending, 1 + media.len + r->body.len);
    if (!to)
        return false;
    op->type = VALUE_MEDIA;
    op->value = slice_make(to, 1 + media.len + r->body.len);
    *to++ = (uint8_t)media.len;
    memcpy(to, media.data, media.len);
    if (r->body.len)
        memcpy(to + media.len, r->body.data, r->body.len);
    return true;
}

static void on_put(struct http_session *h, struct http_pending *p, const struct result *res)
{
    if (unlikely(res->status)) {
        http_problem(h, p, res->status, NULL);
        return;
    }
    struct http_answer a = {.status = res->number ? 201 : 204, .version = res->version};
    http_answer(h, p, &a);
}

void http_put(struct http_session *h, struct http_request *r)
{
    struct op *op = op_of(h, r, OP_PUT);
    struct slice ttl = r->headers[HEADER_TTL];
    if (!op || !value_of(h, r, op))
        return;
    if (!ttl.data && !http_query(h, r, "ttl", &ttl))
        return;
    if (ttl_of(h, r, ttl, true, op))
        write(h, r, op, on_put);
}

static void on_done(struct http_session *h, struct http_pending *p, const struct result *res)
{
    if (res->status) {
        http_problem(h, p, res->status, NULL);
        return;
    }
    struct http_answer a = {.status = 204, .version = p->note ? res->version : 0};
    http_answer(h, p, &a);
}

void http_delete(struct http_session *h, struct http_request *r)
{
    struct op *op = op_of(h, r, OP_DELETE);
    if (op)
        write(h, r, op, on_done);
}

/* --- counters, times to live ------------------------------------------------------------------ */

static void on_incr(struct http_session *h, struct http_pending *p, const struct result *res)
{
    if (res->status) {
        http_problem(h, p, res->status, NULL);
        return;
    }
    char text[64];
    int len = snprintf(text, sizeof text, "{\"value\":%lld}\n", (long long)res->number);
    struct http_answer a = {.status = 200,
                            .media = slice_str("application/json"),
                            .body = slice_make(text, (size_t)len),
                            .version = res->version};
    http_answer(h, p, &a);
}

void http_incr(struct http_session *h, struct http_request *r)
{
    struct slice by;
    struct op *op = op_of(h, r, OP_INCR);
    if (!op || !http_query(h, r, "by", &by))
        return;
    op->delta = 1;
    if (by.data && !integer_parse(by, &op->delta)) {
        http_problem(h, r->pending, GRID_EBAD_REQUEST, "by is a 64-bit whole number");
        return;
    }
    write(h, r, op, on_incr);
}

void http_expire(struct http_session *h, struct http_request *r)
{
    struct slice ttl;
    struct op *op = op_of(h, r, OP_EXPIRE);
    if (!op || !http_query(h, r, "ttl", &ttl) || !ttl_of(h, r, ttl, false, op))
        return;
    if (op->ttl == TTL_DEFAULT) {
        http_problem(h, r->pending, GRID_EBAD_REQUEST, "ttl is missing");
        return;
    }
    r->pending->note = 1;
    write(h, r, op, on_done);
}
