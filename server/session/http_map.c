/* http_map.c - POST /v1/maps/MODULE.MAP: a map over a cache; its rows as JSON, by pages where they
 * are not reduced. */
#include "session/http_priv.h"

#include "base/json.h"
#include "session/map.h"

enum { TIME_MS_MAX = 24 * 3600 * 1000, CURSOR_MAX = PARTITIONS_MAX / 8, ROW_HEAD = 8 };

static void rows_add(struct buf *out, struct slice rows)
{
    for (size_t at = 0; rows.len - at >= ROW_HEAD;) {
        size_t key = load_u32(rows.data + at), value = load_u32(rows.data + at + 4);
        CHECK(key + value <= rows.len - at - ROW_HEAD); /* the node's own */
        json_add_comma(out);
        buf_add_text(out, "{\"key\":");
        json_add_bytes(out, slice_make(rows.data + at + ROW_HEAD, key));
        buf_add_text(out, ",\"value\":");
        json_add_bytes(out, slice_make(rows.data + at + ROW_HEAD + key, value));
        buf_add_u8(out, '}');
        at += ROW_HEAD + key + value;
    }
}

static void on_mapped(struct http_session *h, struct http_pending *p, const struct result *res)
{
    struct buf out = BUF_INIT;
    if (res->status) {
        buf_add(&out, res->value.data, res->value.len);
        buf_add_u8(&out, 0);
        http_problem(h, p, res->status, out.len > 1 ? (const char *)out.data : NULL);
        buf_release(&out);
        return;
    }
    buf_add_text(&out, "{\"rows\":[");
    rows_add(&out, res->value);
    buf_printf(&out, "],\"partitions_done\":%lld", (long long)res->number);
    if (res->cursor.len) {
        buf_add_text(&out, ",\"cursor\":\"");
        base64url_add(&out, res->cursor);
        buf_add_u8(&out, '"');
    }
    buf_add_text(&out, "}\n");
    if (session_too_much(&h->base, out.len + h->held))
        http_problem(h, p, GRID_EBUSY, "too many unread answers");
    else
        http_json(h, p, buf_slice(&out));
    buf_release(&out);
}

/* False: answered. */
static bool cursor_read(struct http_session *h, struct http_request *r, struct slice *ret_cursor)
{
    struct slice text;
    size_t len = 0;
    if (!http_query(h, r, "cursor", &text))
        return false;
    uint8_t *bytes = http_alloc(h, r->pending, text.len + 1);
    if (!bytes)
        return false;
    if (text.len && (text.len > 2 * CURSOR_MAX || !base64_decode(text, bytes, &len))) {
        http_problem(h, r->pending, GRID_EBAD_REQUEST, "the cursor is none of this server's");
        return false;
    }
    *ret_cursor = slice_make(bytes, len);
    return true;
}

void http_map(struct http_session *h, struct http_request *r)
{
    struct map_request map = {.argument = r->body};
    uint64_t time_ms = 0;
    uint32_t cache = http_query_cache(h, r);
    if (!cache || !http_segment(h, r, 0, &map.name) || !cursor_read(h, r, &map.cursor) ||
        !http_query_number(h, r, "time_ms", TIME_MS_MAX, &time_ms) || !http_plain(h, r))
        return;
    struct op *op = http_alloc(h, r->pending, sizeof *op);
    if (!op)
        return;
    map.time_ms = (uint32_t)time_ms;
    *op = (struct op){.cache = cache};
    struct fault f = session_map(&h->base, op, &map);
    if (f.err) {
        http_problem(h, r->pending, f.err, f.why);
        return;
    }
    r->pending->result = on_mapped;
    http_submit(h, r->pending, op);
}
