/* http_admin.c - the node and its caches, for people and their tools. */
#include "session/http_priv.h"

#include "base/json.h"
#include "session/collector.h"

#include <stdio.h>

static void on_admin(struct http_session *h, struct http_pending *p, enum grid_err status,
                     struct slice detail, struct slice reply)
{
    char why[160];
    if (!status) {
        http_json(h, p, reply);
        return;
    }
    snprintf(why, sizeof why, "%.*s", (int)detail.len, (const char *)detail.data);
    http_problem(h, p, status, detail.len ? why : NULL);
}

static void ask(struct http_session *h, struct http_request *r, enum admin_op op)
{
    struct admin_request request = {.op = op, .json = true};
    r->pending->admin = on_admin;
    http_admin(h, r->pending, &request);
}

void http_status(struct http_session *h, struct http_request *r)
{
    ask(h, r, ADMIN_STATUS);
}

void http_caches(struct http_session *h, struct http_request *r)
{
    ask(h, r, ADMIN_CACHE_LIST);
}

/* --- one cache -------------------------------------------------------------------------------- */

static void on_counted(struct http_session *h, struct http_pending *p, const struct collection *all)
{
    const struct catalog *c = session_catalog(&h->base);
    const struct cache_info *cache = catalog_cache(c, (uint32_t)p->note);
    const struct context_info *context = catalog_context(c, cache_context((uint32_t)p->note));
    static const char *const durabilities[] = {"sync", "async", "memory"};
    struct buf out = BUF_INIT;
    if (all->err || !cache || !context) { /* dropped meanwhile */
        http_problem(h, p, all->err ? all->err : GRID_ENO_CACHE, NULL);
        return;
    }
    buf_printf(&out,
               "{\"name\":\"%s/%s\",\"entries\":%lld,\"ttl_ms\":%llu,\"context\":{\"name\":\"%s\","
               "\"partitions\":%u,\"durability\":\"%s\"}}\n",
               context->name, cache->name, (long long)all->sum, (unsigned long long)cache->ttl_ms,
               context->name, context->partitions, durabilities[context->durability]);
    http_json(h, p, buf_slice(&out));
    buf_release(&out);
}

void http_cache_info(struct http_session *h, struct http_pending *p, uint32_t cache,
                     const struct context_info *context)
{
    uint32_t parts = session_count_parts(&h->base, context);
    struct op *ops = http_alloc(h, p, parts * sizeof *ops);
    if (!ops)
        return;
    p->collected = on_counted;
    p->note = cache;
    struct collector *to = collector_new(&h->base, p->number, GATHER_SUM, parts);
    for (uint32_t i = 0; i < parts; i++) {
        ops[i] = session_count_op(&h->base, cache, i);
        session_submit(&h->base, &ops[i], collector_ticket(to, i));
    }
}
