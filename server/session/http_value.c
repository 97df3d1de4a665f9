/* http_value.c - values and entries as JSON.
 *
 *   bytes that are UTF-8   "..."          fields of a hash   {"field":value, ...}
 *   other bytes            {"base64":"..."}
 * A hash that has a field whose name is not UTF-8 is [[field, value], ...]. */
#include "session/http_priv.h"

#include "base/json.h"
#include "data/fields.h"

static void field_looked_at(void *ctx, struct slice field, struct slice value)
{
    bool *plain = ctx;
    (void)value;
    *plain = *plain && utf8_valid(field);
}

static void field_add(void *ctx, struct slice field, struct slice value)
{
    json_add_comma(ctx);
    json_add_string(ctx, field);
    buf_add_u8(ctx, ':');
    json_add_bytes(ctx, value);
}

static void pair_add(void *ctx, struct slice field, struct slice value)
{
    json_add_comma(ctx);
    buf_add_u8(ctx, '[');
    json_add_bytes(ctx, field);
    buf_add_u8(ctx, ',');
    json_add_bytes(ctx, value);
    buf_add_u8(ctx, ']');
}

void http_add_fields(struct buf *out, struct slice packed)
{
    struct fields_view view = {NULL, packed};
    bool plain = true;
    fields_each(view, field_looked_at, &plain);
    buf_add_u8(out, plain ? '{' : '[');
    fields_each(view, plain ? field_add : pair_add, out);
    buf_add_u8(out, plain ? '}' : ']');
}

/* What another door wrote may not be fit for a header line. */
struct slice http_media(enum value_type type, struct slice stored)
{
    struct slice media = value_media(type, stored);
    for (size_t i = 0; i < media.len; i++)
        if (media.data[i] < ' ' || media.data[i] > '~')
            return slice_make(NULL, 0);
    return media;
}

static msec_t now_ms(const struct http_session *h)
{
    return h->base.ports->now_us(h->base.ports->ctx) / 1000;
}

msec_t http_ttl_left(const struct http_session *h, msec_t deadline)
{
    msec_t now = now_ms(h);
    return !deadline ? 0 : deadline > now ? deadline - now : 1;
}

void http_add_entry(const struct http_session *h, struct buf *out, const struct scan_item *e,
                    bool with_value)
{
    enum value_type type = (enum value_type)e->type;
    struct slice media = http_media(type, e->value);
    buf_add_u8(out, '{');
    if (e->key.len) {
        json_add_name(out, "key");
        json_add_bytes(out, e->key);
    }
    json_add_name(out, "version");
    buf_printf(out, "\"%llu\"", (unsigned long long)e->version);
    if (e->deadline) {
        json_add_name(out, "ttl_ms");
        buf_printf(out, "%llu", (unsigned long long)http_ttl_left(h, e->deadline));
    }
    if (e->affinity.len) {
        json_add_name(out, "affinity");
        json_add_bytes(out, e->affinity);
    }
    if (with_value && media.len) {
        json_add_name(out, "media");
        json_add_string(out, media);
    }
    if (with_value) {
        json_add_name(out, "value");
        if (type == VALUE_HASH)
            http_add_fields(out, e->value);
        else
            json_add_bytes(out, value_bytes(type, e->value));
    }
    buf_add_u8(out, '}');
}

void http_add_error(struct buf *out, enum grid_err err)
{
    buf_printf(out, "{\"status\":%u,\"code\":\"%s\",\"detail\":\"%s\"}", http_status_of(err),
               err_name(err), err_text(err));
}
