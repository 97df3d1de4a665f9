/* http_broadcast.c - POST /v1/broadcasts/MODULE.NAME: code that runs once on each node; what each
 * of them said, as JSON. */
#include "session/http_priv.h"

#include "base/json.h"
#include "session/broadcast.h"
#include "session/http_once.h"

#include <stdlib.h>

static void add_node(struct buf *out, const struct scan_item *i)
{
    enum grid_err err = (enum grid_err)i->version;
    json_add_comma(out);
    buf_add_text(out, "{\"node\":");
    json_add_string(out, i->key);
    json_add_name(out, "code");
    json_add_string(out, slice_str(err ? err_name(err) : "OK"));
    json_add_name(out, err ? "detail" : "rows");
    if (err && !i->value.len)
        json_add_string(out, slice_str(err_text(err)));
    else
        json_add_bytes(out, i->value);
    buf_add_u8(out, '}');
}

static void on_answers(struct http_session *h, struct http_pending *p, const struct result *res)
{
    struct buf out = BUF_INIT;
    struct scan_item *list;
    size_t len = broadcast_answers(&h->base, res, &list);
    bool other = false;
    buf_add_text(&out, "{\"nodes\":[");
    for (size_t i = 0; i < len; i++) {
        other |= list[i].version == GRID_EEXISTS;
        add_node(&out, &list[i]);
    }
    buf_add_text(&out, "]}\n");
    if (!list)
        http_problem(h, p, GRID_ENOMEM, NULL);
    else if (other)
        http_refuse(h, p, 422, http_once_other, NULL);
    else if (session_too_much(&h->base, out.len + h->held))
        http_problem(h, p, GRID_EBUSY, "too many unread answers");
    else
        http_json(h, p, buf_slice(&out));
    buf_release(&out);
    free(list);
}

void http_broadcast(struct http_session *h, struct http_request *r)
{
    struct broadcast_request want = {.argument = r->body};
    struct http_once once;
    struct errand e;
    if (!http_segment(h, r, 0, &want.name) || !http_query(h, r, "nodes", &want.nodes) ||
        !http_plain(h, r))
        return;
    const struct http_asked a = {.name = want.name, .argument = r->body, .more = want.nodes};
    if (!http_once(h, r, &a, &once))
        return;
    const struct repeat_id id = {once.id, once.number, once.sole};
    want.once = once.there ? &id : NULL;
    struct fault f = broadcast_ask(&h->base, &want, &e);
    if (f.err) {
        http_problem(h, r->pending, f.err, f.why);
        return;
    }
    r->pending->result = on_answers;
    http_everywhere(h, r->pending, &e);
}
