/* http_openapi.c - the description of all routes in OpenAPI 3.0, made from their table. */
#include "session/http_priv.h"

#include "base/json.h"

#include <stdio.h>

static void add_text(struct buf *out, const char *name, const char *text)
{
    json_add_name(out, name);
    json_add_string(out, slice_str(text));
}

static void add_raw(struct buf *out, const char *name, const char *json)
{
    json_add_name(out, name);
    buf_add_text(out, json);
}

static const char *method_name(enum http_method method)
{
    switch (method) {
    case HTTP_GET:
        return "get";
    case HTTP_HEAD:
        return "head";
    case HTTP_PUT:
        return "put";
    case HTTP_DELETE:
        return "delete";
    default:
        return "post";
    }
}

/* --- parameters ------------------------------------------------------------------------------- */

static void add_param(struct buf *out, const char *name, size_t len, const char *in,
                      const char *schema, const char *summary, bool needed)
{
    json_add_comma(out);
    buf_add_u8(out, '{');
    json_add_name(out, "name");
    json_add_string(out, slice_make(name, len));
    add_text(out, "in", in);
    if (needed)
        add_raw(out, "required", "true");
    add_raw(out, "schema", schema);
    if (summary)
        add_text(out, "description", summary);
    buf_add_u8(out, '}');
}

static void add_params(struct buf *out, const struct http_route *r)
{
    json_add_name(out, "parameters");
    buf_add_u8(out, '[');
    for (const char *at = r->path; (at = strchr(at, '{')); at++)
        add_param(out, at + 1, (size_t)(strchr(at, '}') - at - 1), "path", "{\"type\":\"string\"}",
                  NULL, true);
    for (size_t i = 0; r->params && r->params[i]; i++) {
        const struct http_param *p = r->params[i];
        add_param(out, p->name, strlen(p->name), p->in, p->schema, p->summary,
                  i < r->params_needed);
    }
    buf_add_u8(out, ']');
}

/* --- bodies ----------------------------------------------------------------------------------- */

static void add_content(struct buf *out, const char *media, const char *schema)
{
    json_add_name(out, "content");
    buf_add_u8(out, '{');
    json_add_name(out, media);
    buf_add_u8(out, '{');
    add_raw(out, "schema", schema);
    buf_add_text(out, "}}");
}

static void add_request(struct buf *out, const struct http_route *r)
{
    if (r->body == BODY_NONE)
        return;
    json_add_name(out, "requestBody");
    buf_add_u8(out, '{');
    add_raw(out, "required", "true");
    if (r->body == BODY_JSON)
        add_content(out, "application/json", r->request);
    else
        add_content(out, "*/*", "{\"type\":\"string\",\"format\":\"binary\"}");
    buf_add_u8(out, '}');
}

static void add_outcome(struct buf *out, unsigned status, const char *summary, const char *media,
                        const char *schema)
{
    static const char problem[] = "{\"$ref\":\"#/components/schemas/Problem\"}";
    char code[12] = "default";
    if (status)
        snprintf(code, sizeof code, "%u", status);
    json_add_name(out, code);
    buf_add_u8(out, '{');
    add_text(out, "description", summary);
    if (media)
        add_content(out, media, schema ? schema : problem);
    buf_add_u8(out, '}');
}

static void add_outcomes(struct buf *out, const struct http_route *r)
{
    json_add_name(out, "responses");
    buf_add_u8(out, '{');
    for (const struct http_outcome *o = r->outcomes; o && o->status; o++)
        add_outcome(out, o->status, o->summary, o->media, o->schema);
    add_outcome(out, 0, "a problem (RFC 9457)", "application/problem+json", NULL);
    buf_add_u8(out, '}');
}

static void add_operation(struct buf *out, const struct http_route *r)
{
    json_add_name(out, method_name(r->method));
    buf_add_u8(out, '{');
    add_text(out, "operationId", r->name);
    add_text(out, "summary", r->summary);
    add_params(out, r);
    add_request(out, r);
    add_outcomes(out, r);
    if (r->open)
        add_raw(out, "security", "[]");
    buf_add_u8(out, '}');
}

/* --- the whole -------------------------------------------------------------------------------- */

static bool path_is_first(size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(http_routes[i].path, http_routes[at].path) == 0)
            return false;
    return true;
}

static void add_paths(struct buf *out)
{
    json_add_name(out, "paths");
    buf_add_u8(out, '{');
    for (size_t i = 0; i < http_routes_len; i++) {
        if (!path_is_first(i))
            continue;
        json_add_name(out, http_routes[i].path);
        buf_add_u8(out, '{');
        for (size_t k = i; k < http_routes_len; k++)
            if (strcmp(http_routes[i].path, http_routes[k].path) == 0)
                add_operation(out, &http_routes[k]);
        buf_add_u8(out, '}');
    }
    buf_add_u8(out, '}');
}

void http_openapi(struct http_session *h, struct http_request *r)
{
    static const char rest[] =
        ",\"components\":{\"securitySchemes\":{\"basic\":{\"type\":\"http\",\"scheme\":\"basic\"}},"
        "\"schemas\":{\"Problem\":{\"type\":\"object\",\"properties\":{"
        "\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
        "\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},"
        "\"code\":{\"type\":\"string\",\"description\":\"name of the outcome, for programs\"}}}}},"
        "\"security\":[{},{\"basic\":[]}]}\n";
    struct buf out = BUF_INIT;
    buf_add_text(&out, "{\"openapi\":\"3.0.3\",\"info\":{\"title\":\"gridd\"");
    add_text(&out, "version", h->base.view->version);
    buf_add_u8(&out, '}');
    add_paths(&out);
    buf_add_text(&out, rest);
    http_json(h, r->pending, buf_slice(&out));
    buf_release(&out);
}
