/* admin_json.c - replies of administration as JSON, for people and their tools: the members are
 * those that `gridctl --json` prints. */
#include "base/json.h"
#include "wire/admin.h"

#include <stdio.h>

static void add_text(struct buf *out, const char *name, const char *text)
{
    struct slice s = slice_str(text ? text : "");
    json_add_name(out, name);
    json_add_string(out, utf8_valid(s) ? s : slice_str("?"));
}

static void add_number(struct buf *out, const char *name, uint64_t n)
{
    json_add_name(out, name);
    buf_printf(out, "%llu", (unsigned long long)n);
}

static void add_flag(struct buf *out, const char *name, bool flag)
{
    json_add_name(out, name);
    buf_printf(out, "%s", flag ? "true" : "false");
}

static void add_texts(struct buf *out, const char *name, const char *const *texts, size_t len)
{
    json_add_name(out, name);
    buf_add_u8(out, '[');
    for (size_t i = 0; i < len; i++) {
        struct slice s = slice_str(texts[i]);
        json_add_comma(out);
        json_add_string(out, utf8_valid(s) ? s : slice_str("?"));
    }
    buf_add_u8(out, ']');
}

static void add_node(struct buf *out, const struct admin_node *n)
{
    char id[33];
    for (size_t i = 0; i < 16; i++)
        for (size_t k = 0; k < 2; k++)
            id[2 * i + k] = "0123456789abcdef"[n->node_id[i] >> (k ? 0 : 4) & 15];
    id[32] = '\0';
    buf_add_u8(out, '{');
    add_text(out, "name", n->name);
    add_text(out, "id", id);
    add_text(out, "state", n->state);
    add_text(out, "address", n->address);
    add_text(out, "version", n->version);
    add_number(out, "uptime_ms", n->uptime_ms);
    add_number(out, "shards", n->shards);
    add_number(out, "number", n->number);
    add_flag(out, "voter", n->voter);
    add_flag(out, "leader", n->leader);
    add_number(out, "primaries", n->primaries);
    add_number(out, "copies", n->copies);
    add_number(out, "joining", n->joining);
    add_number(out, "kept", n->kept);
    add_number(out, "level", n->level);
    add_texts(out, "labels", n->labels, n->labels_len);
    json_add_name(out, "metrics");
    buf_add_u8(out, '{');
    for (size_t i = 0; i < n->metrics_len; i++)
        add_number(out, n->metrics[i].name, n->metrics[i].value);
    buf_add_text(out, "}}");
}

static void add_status(struct buf *out, const struct admin_status *s)
{
    add_text(out, "grid", s->grid);
    add_flag(out, "healthy", s->healthy);
    add_texts(out, "problems", s->problems, s->problems_len);
    add_texts(out, "notes", s->notes, s->notes_len);
    add_number(out, "contexts", s->contexts);
    add_number(out, "caches", s->caches);
    add_number(out, "entries", s->entries);
    add_number(out, "bytes", s->bytes);
    add_number(out, "partitions", s->partitions);
    add_number(out, "partitions_damaged", s->partitions_damaged);
    add_number(out, "revision", s->revision);
    add_number(out, "unled", s->unled);
    add_number(out, "lost", s->lost);
    add_number(out, "short_of_copies", s->short_of_copies);
    add_number(out, "unplaced", s->unplaced);
    add_number(out, "below_min", s->below_min);
    add_number(out, "joining", s->joining);
    add_number(out, "bytes_left", s->bytes_left);
    add_number(out, "misplaced", s->misplaced);
    add_flag(out, "rebalance_paused", s->rebalance_paused);
    add_number(out, "level", s->level);
    json_add_name(out, "nodes");
    buf_add_u8(out, '[');
    for (size_t i = 0; i < s->nodes_len; i++) {
        json_add_comma(out);
        add_node(out, &s->nodes[i]);
    }
    buf_add_u8(out, ']');
}

static void add_caches(struct buf *out, const struct admin_reply *r)
{
    json_add_name(out, "caches");
    buf_add_u8(out, '[');
    for (size_t i = 0; i < r->caches_len; i++) {
        const struct admin_cache *c = &r->caches[i];
        char path[PATH_BYTES_MAX + 1];
        snprintf(path, sizeof path, "%s/%s", c->context->name, c->info->name);
        json_add_comma(out);
        buf_add_u8(out, '{');
        add_text(out, "name", path);
        add_number(out, "ttl_ms", c->info->ttl_ms);
        add_number(out, "entries", c->entries);
        buf_add_u8(out, '}');
    }
    buf_add_u8(out, ']');
}

void wire_admin_reply_json(const struct admin_reply *reply, struct buf *out)
{
    buf_add_u8(out, '{');
    if (reply->status)
        add_status(out, reply->status);
    else
        add_caches(out, reply);
    buf_add_text(out, "}\n");
}
