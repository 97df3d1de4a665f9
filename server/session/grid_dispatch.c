/* grid_dispatch.c - what becomes of each request: submitted to a partition, split up, or answered
 * on the spot.
 *
 *   request --table--> single:   one op                     -> result -> response
 *                      run:      one op that is a call      -> result -> response
 *                      batch:    one op with many changes   -> result -> response
 *                      many:     an op for each item        -> collector -> response
 *                      count:    an op for each shard       -> collector -> response
 *                      ping, open_cache, locate             -> response
 *                      admin:    to the control thread      -> response */
#include "session/collector.h"
#include "session/grid_priv.h"
#include "session/broadcast.h"
#include "session/service.h"
#include "session/map.h"
#include "session/may.h"
#include "session/jobs.h"

#include "base/hash.h"
#include "control/settings.h"
#include "control/state.h"

#include <stdio.h>

enum { SCAN_LIMIT_DEFAULT = 1000 };

static void fail(struct grid_session *g, const struct wire_request *r, struct fault f)
{
    grid_fail(g, r->number, f.err, f.why);
}

/* R13: `numbers` of them, from the request's on, are used up by the request. */
static struct fault check_once(const struct grid_session *g, const struct wire_request *r,
                               uint32_t numbers)
{
    if (!r->op.session.lowest)
        return no_fault;
    if (unlikely(!g->has_id))
        return (struct fault){GRID_EBAD_REQUEST, "exactly-once needs a session id in the Hello"};
    if (unlikely(r->op.session.lowest > r->number))
        return (struct fault){GRID_EBAD_REQUEST, "lowest is above the number of the request"};
    if (unlikely(r->number > UINT64_MAX - numbers))
        return (struct fault){GRID_EBAD_REQUEST, "the request number is too large"};
    return no_fault;
}

static void set_once(const struct grid_session *g, const struct wire_request *r, struct op *op,
                     uint64_t number)
{
    op->has_session = r->op.session.lowest != 0 && op_changes(op);
    if (!op->has_session)
        return;
    op->session.id = g->id;
    op->session.number = number;
    op->session.lowest = r->op.session.lowest;
    op->age_ms = r->op.age_ms;
}

/* --- one key ---------------------------------------------------------------------------------- */

static inline void submit_once(struct grid_session *g, struct wire_request *r, struct fault f)
{
    if (unlikely(f.err)) {
        fail(g, r, f);
        return;
    }
    set_once(g, r, &r->op, r->number);
    session_submit(&g->base, &r->op, session_ticket(&g->base, r->number, 0));
}

static void do_single(struct grid_session *g, struct wire_request *r)
{
    struct fault f = session_place(&g->base, &r->op);
    if (likely(!f.err) && r->op.kind != OP_GET)
        f = check_once(g, r, 1);
    submit_once(g, r, f);
}

static void do_run(struct grid_session *g, struct wire_request *r)
{
    struct fault f = session_task(&g->base, &r->op, r->name);
    if (likely(!f.err))
        f = check_once(g, r, 1);
    submit_once(g, r, f);
}

static void do_map(struct grid_session *g, struct wire_request *r)
{
    const struct map_request map = {r->name, r->op.value, r->op.cursor, r->op.prefix, r->op.limit};
    struct fault f = session_map(&g->base, &r->op, &map);
    if (f.err)
        fail(g, r, f);
    else
        session_submit(&g->base, &r->op, session_ticket(&g->base, r->number, 0));
}

static void do_broadcast(struct grid_session *g, struct wire_request *r)
{
    const struct repeat_id once = {.session = g->id, .number = r->number};
    struct broadcast_request want = {.name = r->name,
                                     .argument = r->op.value,
                                     .nodes = r->nodes,
                                     .once = r->op.session.lowest ? &once : NULL,
                                     .age_ms = r->op.age_ms};
    struct errand e;
    struct fault f = check_once(g, r, 1);
    if (!f.err)
        f = broadcast_ask(&g->base, &want, &e);
    if (f.err) {
        fail(g, r, f);
        return;
    }
    struct ticket to = session_ticket(&g->base, r->number, GRID_PART_BROADCAST);
    to.meter += METER_EVERYWHERE;
    g->base.in_flight++;
    g->base.ports->everywhere(g->base.ports->ctx, &to, &e);
}

static void do_service(struct grid_session *g, struct wire_request *r)
{
    const struct service_request want = {.name = r->name,
                                         .key = r->op.key,
                                         .method = r->method,
                                         .arg = r->op.value,
                                         .again = r->again,
                                         .turn = r->number};
    struct op *op;
    bool here;
    struct fault f = session_service(&g->base, &want, &op, &here);
    if (unlikely(f.err)) {
        fail(g, r, f);
        return;
    }
    op->asks_again = true;
    session_call(&g->base, op, here, session_ticket(&g->base, r->number, 0));
}

/* The action, and 1, is the part of the ticket: the answer is told in its way. */
static void do_job(struct grid_session *g, struct wire_request *r)
{
    struct job_ask *ask = &r->job;
    if (r->code == WIRE_SUBMIT)
        ask->action = JOB_ACTIONS_LEN;
    else if (ask->action >= JOB_ACTIONS_LEN) {
        fail(g, r, (struct fault){GRID_EUNSUPPORTED, "this server does not know the action"});
        return;
    }
    if (ask->action == ACTION_JOB_LIST) {
        struct errand e = session_job_list();
        session_everywhere(&g->base, r->number, &e);
        return;
    }
    struct fault f = session_job(&g->base, &r->op, r->name, ask);
    if (!f.err && r->op.kind != OP_GET)
        f = check_once(g, r, 1);
    if (f.err) {
        fail(g, r, f);
        return;
    }
    r->op.asks_again = true;
    set_once(g, r, &r->op, r->number);
    session_submit(&g->base, &r->op, session_ticket(&g->base, r->number, ask->action + 1));
}

/* --- one partition ---------------------------------------------------------------------------- */

/* An item lies where the batch lies: by the batch's affinity, or each by its own key. */
static struct fault prepare_item(struct grid_session *g, const struct op *batch, struct op *item)
{
    item->affinity = batch->affinity;
    struct fault f = session_place(&g->base, item);
    if (f.err)
        return f;
    if (cache_context(item->cache) != cache_context(batch->cache))
        return (struct fault){GRID_ECROSS_PARTITION, "a batch stays in one context"};
    if (item->partition != batch->partition)
        return (struct fault){GRID_ECROSS_PARTITION, "a batch stays in one partition"};
    return no_fault;
}

static struct fault check_batch(struct grid_session *g, struct wire_request *r)
{
    if (r->items_len == 0)
        return (struct fault){GRID_EBAD_REQUEST, "a batch without items"};
    if (r->items_len > g->base.limits.items)
        return (struct fault){GRID_ETOO_LARGE, "too many items in one request"};
    if (r->op.affinity.len > KEY_BYTES_MAX)
        return (struct fault){GRID_ETOO_LARGE, "an affinity key has at most 480 bytes"};
    return check_once(g, r, 1);
}

static void do_batch(struct grid_session *g, struct wire_request *r)
{
    const struct context_info *context;
    struct fault f = session_context(&g->base, r->op.cache, &context);
    if (!f.err)
        f = check_batch(g, r);
    if (f.err) {
        fail(g, r, f);
        return;
    }
    session_place_by(&r->op, context, r->op.affinity.len ? r->op.affinity : r->items[0].key);
    for (uint32_t i = 0; i < r->items_len; i++) {
        f = prepare_item(g, &r->op, &r->items[i]);
        if (f.err) {
            struct slice why = f.why ? slice_str(f.why) : slice_make(NULL, 0);
            wire_response_failed_at(&g->base.out, r->number, f.err, why, i, grid_news(g));
            return;
        }
    }
    set_once(g, r, &r->op, r->number);
    session_submit(&g->base, &r->op, session_ticket(&g->base, r->number, 0));
}

static struct fault check_partition(const struct wire_request *r,
                                    const struct context_info *context)
{
    if (r->partition >= context->partitions)
        return (struct fault){GRID_EBAD_REQUEST, "the context has no such partition"};
    return no_fault;
}

static void do_scan(struct grid_session *g, struct wire_request *r)
{
    const struct context_info *context;
    struct fault f = session_context(&g->base, r->op.cache, &context);
    if (!f.err)
        f = check_partition(r, context);
    if (!f.err && r->op.prefix.len > KEY_BYTES_MAX)
        f = (struct fault){GRID_ETOO_LARGE, "a prefix has at most 480 bytes"};
    if (!f.err && r->op.cursor.len > CURSOR_BYTES_MAX)
        f = (struct fault){GRID_EBAD_REQUEST, "the cursor is none of this server's"};
    if (f.err) {
        fail(g, r, f);
        return;
    }
    if (r->op.limit == 0)
        r->op.limit = SCAN_LIMIT_DEFAULT;
    if (r->op.limit > SCAN_LIMIT_MAX)
        r->op.limit = SCAN_LIMIT_MAX;
    r->op.partition = (uint16_t)r->partition;
    session_submit(&g->base, &r->op, session_ticket(&g->base, r->number, 0));
}

/* --- split up --------------------------------------------------------------------------------- */

static void count_everywhere(struct grid_session *g, struct wire_request *r, uint32_t parts)
{
    struct op *ops = arena_calloc(g->base.arena, parts, sizeof *ops);
    if (!ops) {
        fail(g, r, (struct fault){GRID_EBUSY, NULL});
        return;
    }
    struct collector *c = collector_new(&g->base, r->number, GATHER_SUM, parts);
    for (uint32_t i = 0; i < parts; i++) {
        ops[i] = session_count_op(&g->base, r->op.cache, i);
        ops[i].asks_again = true;
        ops[i].local = r->op.local;
        session_submit(&g->base, &ops[i], collector_ticket(c, i));
    }
}

static void do_count(struct grid_session *g, struct wire_request *r)
{
    const struct context_info *context;
    struct fault f = session_context(&g->base, r->op.cache, &context);
    if (!f.err && r->one_partition)
        f = check_partition(r, context);
    if (f.err) {
        fail(g, r, f);
        return;
    }
    if (r->one_partition) {
        r->op.partition = (uint16_t)r->partition;
        session_submit(&g->base, &r->op, session_ticket(&g->base, r->number, 0));
        return;
    }
    count_everywhere(g, r, session_count_parts(&g->base, context));
}

static struct fault check_many(const struct grid_session *g, const struct wire_request *r)
{
    if (r->items_len > g->base.limits.items)
        return (struct fault){GRID_ETOO_LARGE, "too many items in one request"};
    return r->code == WIRE_GET_MANY ? no_fault : check_once(g, r, r->items_len);
}

/* Item i of a many-key write has number + i (R13): items in the same partition have results of
 * their own. */
static void do_many(struct grid_session *g, struct wire_request *r)
{
    struct fault f = check_many(g, r);
    if (f.err) {
        fail(g, r, f);
        return;
    }
    if (r->items_len == 0) {
        wire_response_items(&g->base.out, r->number, NULL, 0, grid_news(g));
        return;
    }
    struct collector *to = collector_new(&g->base, r->number, GATHER_PLACES, r->items_len);
    uint32_t len = r->items_len; /* the collector may be gone with the last item */
    for (uint32_t i = 0; i < len; i++) {
        struct op *op = &r->items[i];
        f = session_place(&g->base, op);
        if (f.err) {
            struct result res = {.status = f.err};
            collector_add(to, i, &res);
            continue;
        }
        set_once(g, r, op, r->number + i);
        op->asks_again = true;
        session_submit(&g->base, op, collector_ticket(to, i));
    }
}

/* --- on the spot ------------------------------------------------------------------------------ */

static void do_ping(struct grid_session *g, struct wire_request *r)
{
    wire_response_status(&g->base.out, r->number, GRID_OK, slice_make(NULL, 0), grid_news(g));
}

static void do_open_cache(struct grid_session *g, struct wire_request *r)
{
    const struct catalog *c = session_catalog(&g->base);
    const struct cache_info *cache = catalog_cache_named(c, r->name);
    if (cache) {
        const struct context_info *context = catalog_context(c, cache_context(cache->id));
        wire_response_cache(&g->base.out, r->number, context, cache, grid_news(g));
        return;
    }
    const uint8_t *slash = r->name.len ? memchr(r->name.data, '/', r->name.len) : NULL;
    if (!slash)
        fail(g, r, (struct fault){GRID_EBAD_REQUEST, "a cache is named CONTEXT/CACHE"});
    else if (catalog_context_named(c, slice_make(r->name.data, (size_t)(slash - r->name.data))))
        fail(g, r, (struct fault){GRID_ENO_CACHE, NULL});
    else
        fail(g, r, (struct fault){GRID_ENO_CONTEXT, NULL});
}

static void locate_in(const struct grid_state *grid, uint32_t context, struct wire_location *l,
                      const char *in_sync[LOCATION_IN_SYNC_MAX])
{
    struct replica_config c = {0};
    l->primary = l->address = "";
    l->in_sync_len = 0;
    if (!grid_state_config(grid, context, l->partition, &c))
        return;
    l->epoch = c.epoch;
    for (unsigned i = 0; i < c.in_sync; i++) {
        const struct grid_node *n = grid_state_node(grid, c.members[i].node);
        if (n)
            in_sync[l->in_sync_len++] = n->info.name;
    }
    const struct grid_node *primary = c.led ? grid_state_node(grid, c.members[0].node) : NULL;
    if (!primary)
        return;
    l->primary = primary->info.name;
    l->address = primary->info.address[ADDRESS_CLIENT];
    l->shard = l->partition % primary->info.shards + 1;
}

static void do_locate(struct grid_session *g, struct wire_request *r)
{
    struct fault f = session_place(&g->base, &r->op);
    if (f.err) {
        fail(g, r, f);
        return;
    }
    const struct grid_state *grid = session_grid(&g->base);
    const char *in_sync[LOCATION_IN_SYNC_MAX] = {g->base.view->node};
    struct wire_location l = {
        .partition = r->op.partition,
        .epoch = g->base.view->epoch,
        .primary = g->base.view->node,
        .in_sync = in_sync,
        .in_sync_len = 1,
        .slot = r->op.slot,
        .shard = r->op.partition % g->base.view->shards + 1,
        .address = g->base.view->address,
    };
    if (grid)
        locate_in(grid, cache_context(r->op.cache), &l, in_sync);
    wire_response_location(&g->base.out, r->number, &l, grid_news(g));
}

static void do_admin(struct grid_session *g, struct wire_request *r)
{
    if (!r->admin) {
        fail(g, r, (struct fault){GRID_EBAD_REQUEST, "an administrative request without one"});
        return;
    }
    session_admin(&g->base, r->number, r->admin);
}

/* --- the table -------------------------------------------------------------------------------- */

/* Each with the right that it takes, of its cache or, to run code, of that; admin where none is
 * named. ADMIN: see session_admin_right(). */
static const struct {
    void (*handle)(struct grid_session *, struct wire_request *);
    enum right right;
} handlers[] = {
    [OP_GET] = {do_single, RIGHT_READ},
    [OP_PUT] = {do_single, RIGHT_WRITE},
    [OP_DELETE] = {do_single, RIGHT_WRITE},
    [OP_INCR] = {do_single, RIGHT_WRITE},
    [OP_EXPIRE] = {do_single, RIGHT_WRITE},
    [OP_BATCH] = {do_batch, RIGHT_WRITE},
    [OP_SCAN] = {do_scan, RIGHT_READ},
    [OP_COUNT] = {do_count, RIGHT_READ},
    [WIRE_MAP] = {do_map, RIGHT_COMPUTE},
    [WIRE_SUBMIT] = {do_job, RIGHT_COMPUTE},
    [WIRE_JOB] = {do_job, RIGHT_COMPUTE},
    [WIRE_RUN] = {do_run, RIGHT_COMPUTE},
    [WIRE_GET_MANY] = {do_many, RIGHT_READ},
    [WIRE_PUT_MANY] = {do_many, RIGHT_WRITE},
    [WIRE_DELETE_MANY] = {do_many, RIGHT_WRITE},
    [WIRE_PING] = {do_ping, RIGHT_ANYBODY},
    [WIRE_OPEN_CACHE] = {do_open_cache, RIGHT_ANYBODY},
    [WIRE_LOCATE] = {do_locate, RIGHT_ANYBODY},
    [WIRE_ADMIN] = {do_admin, RIGHT_ANYBODY},
    [WIRE_SERVICE_CALL] = {do_service, RIGHT_COMPUTE},
    [WIRE_BROADCAST] = {do_broadcast, RIGHT_COMPUTE},
};

static void deny(struct grid_session *g, const struct wire_request *r, const char *why)
{
    char text[MAY_WHY_BYTES + 64];
    snprintf(text, sizeof text, "%s: %s", err_text(GRID_EDENIED), why);
    grid_fail(g, r->number, GRID_EDENIED, text);
}

static bool refused_cache(struct grid_session *g, const struct wire_request *r, enum right right,
                          uint32_t cache)
{
    char why[MAY_WHY_BYTES];
    if (likely(session_may_cache(&g->base, right, cache)))
        return false;
    session_lacks_cache(&g->base, right, cache, why);
    deny(g, r, why);
    return true;
}

/* All items of a request, or none of it. */
static bool refused_caches(struct grid_session *g, const struct wire_request *r, enum right right)
{
    if (!r->items_len)
        return refused_cache(g, r, right, r->op.cache);
    for (uint32_t i = 0; i < r->items_len; i++)
        if (refused_cache(g, r, right, r->items[i].cache))
            return true;
    return false;
}

/* The name that the request gives is that of the job, or nothing comes of it. */
static bool job_is_named(unsigned action)
{
    return action == ACTION_JOB_CANCEL || action == ACTION_SCHEDULE_CREATE;
}

/* Who asks is a user of whom it is written what he may do. */
static bool refused_right(struct grid_session *g, const struct wire_request *r)
{
    char why[MAY_WHY_BYTES];
    enum right right = handlers[r->code].right;
    struct slice name = {NULL, 0};
    if (r->code == WIRE_ADMIN && r->admin)
        right = session_admin_right(r->admin->op);
    if (right == RIGHT_READ || right == RIGHT_WRITE)
        return refused_caches(g, r, right);
    if (r->code == WIRE_JOB && session_job_looks(r->job.action))
        return false;
    if (right == RIGHT_COMPUTE && (r->code != WIRE_JOB || job_is_named(r->job.action)))
        name = r->name;
    if (session_may(&g->base, right, name))
        return false;
    session_lacks(&g->base, right, name, why);
    deny(g, r, why);
    return true;
}

/* A node that is not in its grid knows neither caches nor who has what: the client asks another, or
 * again. Operators are told what the node itself knows. */
static bool refused_outside(struct grid_session *g, const struct wire_request *r)
{
    char why[WAITS_BYTES], text[WAITS_BYTES + 64];
    const struct session_ports *ports = g->base.ports;
    if (r->code == WIRE_ADMIN || !ports->waits(ports->ctx, why))
        return false;
    snprintf(text, sizeof text, "%s: %s", err_text(GRID_EENTERING), why);
    grid_fail(g, r->number, GRID_EENTERING, text);
    return true;
}

void grid_dispatch(struct grid_session *g, struct wire_request *r)
{
    if (unlikely(r->topology))
        g->topology = r->topology;
    if (unlikely(!r->number)) {
        grid_fail(g, 0, GRID_EBAD_REQUEST, "a request without a number");
        session_stop(&g->base, "a request without a number");
        return;
    }
    if (unlikely(r->code >= sizeof handlers / sizeof *handlers || !handlers[r->code].handle)) {
        fail(g, r, (struct fault){GRID_EUNSUPPORTED, "this server does not know the operation"});
        return;
    }
    if (unlikely(r->refused)) {
        fail(g, r, (struct fault){r->refused, r->why});
        return;
    }
    if (unlikely(g->base.ports->outside) && refused_outside(g, r))
        return;
    if (unlikely(g->base.rights != NULL) && refused_right(g, r))
        return;
    r->op.asks_again = true;
    handlers[r->code].handle(g, r);
}
