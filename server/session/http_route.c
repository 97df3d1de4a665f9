/* http_route.c - which route a path is, its parameters, and those of the query. */
#include "session/http_priv.h"

#include <stdio.h>

/* Whether `path` is the one of the template; each parameter is a segment that is not empty. */
static bool path_match(const char *template, struct slice path, struct slice *params)
{
    const uint8_t *at = path.data, *end = at + path.len;
    for (const char *t = template; *t;) {
        if (*t != '{') {
            if (at == end || *at != (uint8_t)*t)
                return false;
            t++, at++;
            continue;
        }
        const uint8_t *from = at;
        while (at < end && *at != '/')
            at++;
        if (at == from)
            return false;
        *params++ = slice_make(from, (size_t)(at - from));
        t = strchr(t, '}') + 1;
    }
    return at == end;
}

void http_route_find(enum http_method method, struct slice path, struct http_match *ret_match)
{
    struct slice params[PARAMS_MAX] = {{NULL, 0}};
    enum http_method wanted = method == HTTP_HEAD ? HTTP_GET : method;
    *ret_match = (struct http_match){0};
    for (size_t i = 0; i < http_routes_len; i++) {
        const struct http_route *r = &http_routes[i];
        if (!path_match(r->path, path, params))
            continue;
        ret_match->allowed |= UINT64_C(1) << r->method;
        if (r->method != wanted)
            continue;
        ret_match->route = r;
        memcpy(ret_match->params, params, sizeof params);
        return;
    }
}

bool http_segment(struct http_session *h, struct http_request *r, unsigned at,
                  struct slice *ret_part)
{
    struct slice raw = r->params[at];
    *ret_part = raw;
    if (likely(!memchr(raw.data, '%', raw.len)))
        return true;
    uint8_t *to = http_alloc(h, r->pending, raw.len);
    if (!to)
        return false;
    if (percent_decode(raw, false, to, &ret_part->len)) {
        ret_part->data = to;
        return true;
    }
    http_problem(h, r->pending, GRID_EBAD_REQUEST, "a malformed %XX in the path");
    return false;
}

/* --- the query -------------------------------------------------------------------------------- */

static bool query_find(struct slice query, const char *name, struct slice *ret_value)
{
    while (query.len) {
        const uint8_t *and = memchr(query.data, '&', query.len);
        size_t len = and? (size_t)(and-query.data) : query.len;
        const uint8_t *equals = memchr(query.data, '=', len);
        size_t key = equals ? (size_t)(equals - query.data) : len;
        if (key == strlen(name) && memcmp(query.data, name, key) == 0) {
            size_t skip = equals ? key + 1 : key;
            *ret_value = slice_make(query.data + skip, len - skip);
            return true;
        }
        len += and != NULL;
        query = slice_make(query.data + len, query.len - len);
    }
    return false;
}

bool http_query(struct http_session *h, struct http_request *r, const char *name,
                struct slice *ret_value)
{
    struct slice raw;
    *ret_value = slice_make(NULL, 0);
    if (likely(!r->query.len) || !query_find(r->query, name, &raw))
        return true;
    uint8_t *to = http_alloc(h, r->pending, raw.len);
    if (!to)
        return false;
    if (percent_decode(raw, true, to, &ret_value->len)) {
        ret_value->data = to;
        return true;
    }
    http_problem(h, r->pending, GRID_EBAD_REQUEST, "a malformed %XX in the query");
    return false;
}

bool http_query_needed(struct http_session *h, struct http_request *r, const char *name,
                       struct slice *ret_value)
{
    char why[64];
    if (!http_query(h, r, name, ret_value))
        return false;
    if (likely(ret_value->data))
        return true;
    snprintf(why, sizeof why, "%s is missing", name);
    http_problem(h, r->pending, GRID_EBAD_REQUEST, why);
    return false;
}

bool http_affinity(struct http_session *h, struct http_request *r, struct slice *ret_affinity)
{
    *ret_affinity = r->headers[HEADER_AFFINITY];
    return ret_affinity->data || http_query(h, r, "affinity", ret_affinity);
}

bool http_query_number(struct http_session *h, struct http_request *r, const char *name,
                       uint64_t max, uint64_t *ret_number)
{
    struct slice text;
    uint64_t n;
    if (!http_query(h, r, name, &text))
        return false;
    if (!text.data)
        return true;
    if (digits_parse(text, &n) && n <= max) {
        *ret_number = n;
        return true;
    }
    char why[96];
    snprintf(why, sizeof why, "%s is a number from 0 to %llu", name, (unsigned long long)max);
    http_problem(h, r->pending, GRID_EBAD_REQUEST, why);
    return false;
}

bool http_query_flag(struct http_session *h, struct http_request *r, const char *name,
                     bool *ret_flag)
{
    struct slice text;
    char why[64];
    if (!http_query(h, r, name, &text))
        return false;
    *ret_flag = word_is(text, "true") || word_is(text, "1");
    if (!text.data || *ret_flag || word_is(text, "false") || word_is(text, "0"))
        return true;
    snprintf(why, sizeof why, "%s is true or false", name);
    http_problem(h, r->pending, GRID_EBAD_REQUEST, why);
    return false;
}

bool http_query_local(struct http_session *h, struct http_request *r, bool *ret_local)
{
    struct slice text;
    if (!http_query(h, r, "read", &text))
        return false;
    *ret_local = word_is(text, "local");
    if (likely(!text.data) || *ret_local || word_is(text, "primary"))
        return true;
    http_problem(h, r->pending, GRID_EBAD_REQUEST, "read is local or primary");
    return false;
}

/* --- the cache -------------------------------------------------------------------------------- */

/* "context/cache" as it is called. */
static bool cache_path(const struct http_request *r, char *to, size_t room, size_t *ret_len)
{
    size_t len, more;
    if (r->params[0].len + r->params[1].len + 1 > room)
        return false;
    if (!percent_decode(r->params[0], false, (uint8_t *)to, &len))
        return false;
    to[len++] = '/';
    if (!percent_decode(r->params[1], false, (uint8_t *)to + len, &more))
        return false;
    *ret_len = len + more;
    return true;
}

/* NULL: there is none, and the request is answered. */
static const struct cache_info *cache_named(struct http_session *h, struct http_request *r,
                                            struct slice path)
{
    const struct catalog *c = session_catalog(&h->base);
    const struct cache_info *found = path.len ? catalog_cache_named(c, path) : NULL;
    if (likely(found))
        return found;
    const uint8_t *slash = path.len ? memchr(path.data, '/', path.len) : NULL;
    size_t context = slash ? (size_t)(slash - path.data) : 0;
    bool known = catalog_context_named(c, slice_make(path.data, context)) != NULL;
    http_problem(h, r->pending, known ? GRID_ENO_CACHE : GRID_ENO_CONTEXT, NULL);
    return NULL;
}

static const struct cache_info *cache_find(struct http_session *h, struct http_request *r,
                                           struct slice written)
{
    char path[6 * NAME_BYTES_MAX + 2];
    size_t len = 0;
    if (!cache_path(r, path, sizeof path, &len))
        len = 0;
    const struct cache_info *found = cache_named(h, r, slice_make(path, len));
    if (!found)
        return NULL;
    h->cache.revision = session_catalog(&h->base)->revision;
    h->cache.id = found->id;
    h->cache.len = 0;
    if (written.len <= sizeof h->cache.path) {
        memcpy(h->cache.path, written.data, written.len);
        h->cache.len = (uint8_t)written.len;
    }
    return found;
}

uint32_t http_cache(struct http_session *h, struct http_request *r)
{
    const uint8_t *from = r->params[0].data;
    struct slice written = slice_make(from, (size_t)(r->params[1].data - from) + r->params[1].len);
    const struct catalog *c = session_catalog(&h->base);
    if (likely(h->cache.len == written.len && h->cache.revision == c->revision &&
               memcmp(h->cache.path, from, written.len) == 0))
        return h->cache.id;
    const struct cache_info *found = cache_find(h, r, written);
    return found ? found->id : 0;
}

uint32_t http_query_cache(struct http_session *h, struct http_request *r)
{
    struct slice path;
    if (!http_query_needed(h, r, "cache", &path))
        return 0;
    const struct cache_info *found = cache_named(h, r, path);
    return found ? found->id : 0;
}
