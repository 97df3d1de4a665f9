/* http_many.c - many keys in one request, in JSON: taken apart here, one op for each key, answers
 * gathered in the order of the request. Each key is done or not done for itself.
 *
 * The body is read by jansson: at most JSON_BODY_MAX bytes, and freed before the handler returns;
 * what the ops borrow is copied to the turn's memory. */
#include "session/http_priv.h"

#include "base/json.h"
#include "session/collector.h"

#include <jansson.h>

/* --- reading ---------------------------------------------------------------------------------- */

/* What is being read, and what was wrong with it. */
struct reading {
    struct http_session *h;
    struct http_request *r;
    uint32_t cache;
    enum grid_err err;
    const char *why;
};

static bool wrong(struct reading *g, enum grid_err err, const char *why)
{
    g->err = err;
    g->why = why;
    return false;
}

static void *room(struct reading *g, size_t bytes)
{
    void *at = arena_alloc(g->h->base.arena, bytes);
    if (!at) {
        arena_forgive(g->h->base.arena);
        wrong(g, GRID_EBUSY, "the requests of this moment need too much memory");
    }
    return at;
}

/* A string, or {"base64": string}, behind `head` bytes that are left free. */
static bool bytes_read(struct reading *g, const json_t *j, size_t head, struct slice *ret_bytes)
{
    const json_t *coded =
        json_is_object(j) && json_object_size(j) == 1 ? json_object_get(j, "base64") : NULL;
    const json_t *text = coded ? coded : j;
    if (!json_is_string(text))
        return wrong(g, GRID_EBAD_REQUEST, "bytes are a string or {\"base64\":string}");
    struct slice s = slice_make(json_string_value(text), json_string_length(text));
    uint8_t *to = room(g, head + s.len);
    size_t len = s.len;
    if (!to)
        return false;
    if (coded && !base64_decode(s, to + head, &len))
        return wrong(g, GRID_EBAD_REQUEST, "malformed base64");
    if (!coded && s.len)
        memcpy(to + head, s.data, s.len);
    *ret_bytes = slice_make(to, head + len);
    return true;
}

/* A member of an entry; NULL is fine for `j`: not there. */
static bool ttl_read(struct reading *g, const json_t *j, struct op *op)
{
    struct slice text = json_is_string(j) ? slice_make(json_string_value(j), json_string_length(j))
                                          : slice_make(NULL, 0);
    if (!j)
        return true;
    op->ttl = TTL_SET;
    if (json_is_integer(j) && json_integer_value(j) > 0 &&
        json_integer_value(j) <= INT64_MAX / 1000)
        op->ttl_ms = (msec_t)json_integer_value(j) * 1000;
    else if (text.data && word_is(text, "none"))
        op->ttl = TTL_NONE;
    else if (text.data && word_is(text, "keep"))
        op->ttl = TTL_KEEP;
    else if (!text.data || !duration_parse(text, &op->ttl_ms))
        return wrong(g, GRID_EBAD_REQUEST, "ttl is seconds, a string such as \"5m\", or \"none\"");
    return true;
}

static bool condition_read(struct reading *g, const json_t *absent, const json_t *version,
                           struct op *op)
{
    if (absent && !json_is_boolean(absent))
        return wrong(g, GRID_EBAD_REQUEST, "if_absent is true or false");
    if (json_is_true(absent))
        op->condition = IF_ABSENT;
    if (!version)
        return true;
    if (op->condition || !json_is_string(version) ||
        !digits_parse(slice_make(json_string_value(version), json_string_length(version)),
                      &op->version))
        return wrong(g, GRID_EBAD_REQUEST, "if_version is a version as a string");
    op->condition = IF_VERSION;
    return true;
}

/* The value with its media type in its stored form (value.h). */
static bool value_read(struct reading *g, const json_t *value, const json_t *media, struct op *op)
{
    size_t len = json_is_string(media) ? json_string_length(media) : 0;
    size_t head = len ? 1 + len : 0;
    if (media && (!len || len > MEDIA_BYTES_MAX))
        return wrong(g, GRID_EBAD_REQUEST, "media is a media type of at most 127 bytes");
    for (size_t i = 0; i < len; i++)
        if (json_string_value(media)[i] < ' ' || json_string_value(media)[i] > '~')
            return wrong(g, GRID_EBAD_REQUEST, "a media type is printable ASCII");
    if (!bytes_read(g, value, head, &op->value))
        return false;
    if (!len)
        return true;
    uint8_t *to = (uint8_t *)(uintptr_t)op->value.data;
    to[0] = (uint8_t)len;
    memcpy(to + 1, json_string_value(media), len);
    op->type = VALUE_MEDIA;
    return true;
}

/* An entry to be put. */
static bool entry_read(struct reading *g, const json_t *j, struct op *op)
{
    const json_t *key = NULL, *value = NULL, *media = NULL, *affinity = NULL, *ttl = NULL,
                 *absent = NULL, *version = NULL;
    const struct {
        const char *name;
        const json_t **to;
    } members[] = {{"key", &key},           {"value", &value}, {"media", &media},
                   {"affinity", &affinity}, {"ttl", &ttl},     {"if_absent", &absent},
                   {"if_version", &version}};
    size_t known = 0;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        *members[i].to = json_object_get(j, members[i].name);
        known += *members[i].to != NULL;
    }
    if (!json_is_object(j) || known != json_object_size(j) || !key || !value)
        return wrong(g, GRID_EBAD_REQUEST,
                     "an entry is an object of key, value and, if wanted, media, affinity, ttl, "
                     "if_absent, if_version");
    return bytes_read(g, key, 0, &op->key) && value_read(g, value, media, op) &&
           (!affinity || bytes_read(g, affinity, 0, &op->affinity)) && ttl_read(g, ttl, op) &&
           condition_read(g, absent, version, op);
}

/* A key: bytes, or {"key": bytes, "affinity": bytes}. */
static bool key_read(struct reading *g, const json_t *j, struct op *op)
{
    const json_t *key = json_is_object(j) ? json_object_get(j, "key") : NULL;
    const json_t *affinity = key ? json_object_get(j, "affinity") : NULL;
    if (!key)
        return bytes_read(g, j, 0, &op->key);
    if (json_object_size(j) != 1 + (affinity != NULL))
        return wrong(g, GRID_EBAD_REQUEST, "a key is bytes, or an object of key and affinity");
    return bytes_read(g, key, 0, &op->key) &&
           (!affinity || bytes_read(g, affinity, 0, &op->affinity));
}

static bool ops_read(struct reading *g, const json_t *list, enum op_kind kind, struct op **ret_ops)
{
    size_t len = json_array_size(list);
    if (!len || len > g->h->base.limits.items)
        return wrong(g, len ? GRID_ETOO_LARGE : GRID_EBAD_REQUEST,
                     len ? "too many keys in one request" : "no keys");
    struct op *ops = room(g, len * sizeof *ops);
    if (!ops)
        return false;
    for (size_t i = 0; i < len; i++) {
        const json_t *j = json_array_get(list, i);
        ops[i] = (struct op){.kind = kind, .cache = g->cache};
        if (!(kind == OP_PUT ? entry_read : key_read)(g, j, &ops[i]))
            return false;
    }
    *ret_ops = ops;
    return true;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void add_got(const struct http_session *h, struct buf *out, const struct wire_item *item)
{
    struct scan_item e = {.value = item->value,
                          .version = item->version,
                          .deadline = item->deadline,
                          .type = item->type};
    http_add_entry(h, out, &e, true);
}

static void add_put(const struct http_session *h, struct buf *out, const struct wire_item *item)
{
    (void)h;
    buf_printf(out, "{\"status\":%u,\"version\":\"%llu\"}", item->number ? 201u : 204u,
               (unsigned long long)item->version);
}

static void add_deleted(const struct http_session *h, struct buf *out, const struct wire_item *item)
{
    (void)h;
    (void)item;
    buf_add_text(out, "{\"status\":204}");
}

static void on_many(struct http_session *h, struct http_pending *p, const struct collection *all)
{
    static void (*const adds[])(const struct http_session *, struct buf *,
                                const struct wire_item *) = {
        [OP_GET] = add_got, [OP_PUT] = add_put, [OP_DELETE] = add_deleted};
    struct buf out = BUF_INIT;
    buf_add_text(&out, "{\"results\":[");
    for (uint32_t i = 0; i < all->len; i++) {
        json_add_comma(&out);
        if (all->items[i].status)
            http_add_error(&out, all->items[i].status);
        else
            adds[p->note](h, &out, &all->items[i]);
    }
    buf_add_text(&out, "]}\n");
    if (session_too_much(&h->base, out.len + h->held))
        http_problem(h, p, GRID_EBUSY, "too many unread answers");
    else
        http_json(h, p, buf_slice(&out));
    buf_release(&out);
}

/* --- the requests ----------------------------------------------------------------------------- */

static void submit_all(struct http_session *h, struct http_pending *p, struct op *ops, uint32_t len)
{
    uint64_t number = p->number;
    p->collected = on_many;
    struct collector *to = collector_new(&h->base, number, GATHER_PLACES, len);
    for (uint32_t i = 0; i < len; i++) { /* the collector may be gone with the last */
        struct fault f = session_place(&h->base, &ops[i]);
        struct result res = {.status = f.err};
        if (f.err)
            collector_add(to, i, &res);
        else
            session_submit(&h->base, &ops[i], collector_ticket(to, i));
    }
}

static void many(struct http_session *h, struct http_request *r, enum op_kind kind,
                 const char *member)
{
    struct op *ops = NULL;
    json_error_t where;
    struct reading g = {.h = h, .r = r, .cache = http_cache(h, r)};
    bool local = false;
    if (!g.cache || (kind == OP_GET && !http_query_local(h, r, &local)))
        return;
    json_t *body = json_loadb((const char *)r->body.data, r->body.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
    const json_t *list = json_object_get(body, member);
    uint32_t len = (uint32_t)json_array_size(list);
    if (!body)
        wrong(&g, GRID_EBAD_REQUEST, where.text);
    else if (!json_is_array(list) || json_object_size(body) != 1)
        wrong(&g, GRID_EBAD_REQUEST,
              kind == OP_PUT ? "the body is {\"entries\":[...]}" : "the body is {\"keys\":[...]}");
    else
        ops_read(&g, list, kind, &ops);
    if (g.err)
        http_problem(h, r->pending, g.err, g.why);
    json_decref(body);
    if (g.err)
        return;
    for (uint32_t i = 0; i < len; i++)
        ops[i].local = local;
    r->pending->note = kind;
    submit_all(h, r->pending, ops, len);
}

void http_get_many(struct http_session *h, struct http_request *r)
{
    many(h, r, OP_GET, "keys");
}

void http_put_many(struct http_session *h, struct http_request *r)
{
    many(h, r, OP_PUT, "entries");
}

void http_delete_many(struct http_session *h, struct http_request *r)
{
    many(h, r, OP_DELETE, "keys");
}
