/* http_list.c - the keys of a cache, page by page: partition after partition is scanned, one op at
 * a time and each in a turn of its own, until the page is full.
 *
 *   cursor = base64url(u16 partition | cursor of the shard), opaque and from outside: checked here
 *            and by the shard */
#include "session/http_priv.h"

#include "base/alloc.h"
#include "base/json.h"
#include "wire/request.h"

#include <stdlib.h>

enum {
    LIST_DEFAULT = 1000,
    LIST_BYTES_MAX = 4 << 20, /* then the page is full */
    LIST_SCANS_MAX = PARTITIONS_MAX,
    CURSOR_TEXT_MAX = (CURSOR_BYTES_MAX + 2) / 3 * 4 + 4,
};

struct listing {
    uint32_t cache, partition, partitions;
    uint32_t left;  /* entries the page has room for */
    uint32_t scans; /* done so far */
    bool values, local;
    size_t prefix_len, cursor_len;
    uint8_t prefix[KEY_BYTES_MAX];
    uint8_t cursor[CURSOR_BYTES_MAX];
    struct buf out;
};

static void listing_release(void *state)
{
    struct listing *l = state;
    buf_release(&l->out);
    free(l);
}

static struct op scan_of(const struct listing *l)
{
    return (struct op){.kind = OP_SCAN,
                       .keys_only = !l->values,
                       .local = l->local,
                       .cache = l->cache,
                       .partition = (uint16_t)l->partition,
                       .limit = l->left,
                       .prefix = slice_make(l->prefix, l->prefix_len),
                       .cursor = slice_make(l->cursor, l->cursor_len)};
}

static void page_end(struct http_session *h, struct http_pending *p, struct listing *l)
{
    buf_add_u8(&l->out, ']');
    if (l->partition < l->partitions) {
        struct buf cursor = BUF_INIT;
        buf_add_u16(&cursor, (uint16_t)l->partition);
        buf_add(&cursor, l->cursor, l->cursor_len);
        buf_add_text(&l->out, ",\"cursor\":\"");
        base64url_add(&l->out, buf_slice(&cursor));
        buf_add_u8(&l->out, '"');
        buf_release(&cursor);
    }
    buf_add_text(&l->out, "}\n");
    if (session_too_much(&h->base, l->out.len + h->held))
        http_problem(h, p, GRID_EBUSY, "too many unread answers");
    else
        http_json(h, p, buf_slice(&l->out));
}

static void on_scanned(struct http_session *h, struct http_pending *p, const struct result *res)
{
    struct listing *l = p->state;
    if (res->status) {
        http_problem(h, p, res->status, NULL);
        return;
    }
    for (uint32_t i = 0; i < res->items_len; i++) {
        json_add_comma(&l->out);
        http_add_entry(h, &l->out, &res->items[i], l->values);
    }
    CHECK(res->items_len <= l->left && res->cursor.len <= sizeof l->cursor);
    l->left -= res->items_len;
    l->cursor_len = res->cursor.len;
    if (res->cursor.len)
        memcpy(l->cursor, res->cursor.data, res->cursor.len);
    else
        l->partition++;
    if (l->partition == l->partitions || !l->left || l->out.len >= LIST_BYTES_MAX ||
        ++l->scans == LIST_SCANS_MAX) {
        page_end(h, p, l);
        return;
    }
    struct op op = scan_of(l);
    http_submit_again(h, p, &op);
}

/* False: none of ours. */
static bool cursor_read(struct listing *l, struct slice text)
{
    uint8_t bytes[CURSOR_TEXT_MAX];
    size_t len;
    if (!text.len)
        return true;
    if (text.len > CURSOR_TEXT_MAX || !base64_decode(text, bytes, &len) || len < 2)
        return false;
    l->partition = load_u16(bytes);
    l->cursor_len = len - 2;
    if (l->partition >= l->partitions || l->cursor_len > sizeof l->cursor)
        return false;
    memcpy(l->cursor, bytes + 2, l->cursor_len);
    return true;
}

/* Every parameter into `l`. NULL, or what is wrong. */
static const char *listing_read(struct listing *l, struct slice prefix, struct slice cursor)
{
    if (prefix.len > KEY_BYTES_MAX)
        return "a prefix has at most 480 bytes";
    if (!cursor_read(l, cursor))
        return "the cursor is none of this server's";
    l->prefix_len = prefix.len;
    if (prefix.len)
        memcpy(l->prefix, prefix.data, prefix.len);
    return NULL;
}

void http_list(struct http_session *h, struct http_request *r)
{
    const struct context_info *context;
    struct slice prefix, cursor;
    bool values, info, local;
    uint64_t limit = LIST_DEFAULT;
    uint32_t cache = http_cache(h, r);
    if (!cache || !http_query(h, r, "prefix", &prefix) || !http_query(h, r, "cursor", &cursor) ||
        !http_query_flag(h, r, "values", &values) || !http_query_flag(h, r, "info", &info) ||
        !http_query_local(h, r, &local) ||
        !http_query_number(h, r, "limit", SCAN_LIMIT_MAX, &limit))
        return;
    struct fault f = session_context(&h->base, cache, &context);
    if (f.err) {
        http_problem(h, r->pending, f.err, f.why);
        return;
    }
    if (info) {
        http_cache_info(h, r->pending, cache, context);
        return;
    }
    struct listing *l = xcalloc(1, sizeof *l);
    r->pending->state = l;
    r->pending->release = listing_release;
    l->cache = cache;
    l->partitions = context->partitions;
    l->values = values;
    l->local = local;
    l->left = limit ? (uint32_t)limit : 1;
    const char *why = listing_read(l, prefix, cursor);
    if (why) {
        http_problem(h, r->pending, GRID_EBAD_REQUEST, why);
        return;
    }
    buf_add_text(&l->out, "{\"entries\":[");
    r->pending->result = on_scanned;
    struct op op = scan_of(l);
    http_submit_again(h, r->pending, &op);
}
