/* resp_cluster.c - CLUSTER: who owns which slots, as clients of Redis Cluster ask for it.
 *
 * A node is shown as one endpoint that owns the slots of the partitions it leads; a node that is
 * alone, where every shard has a port of its own, as one endpoint for each shard, so that such a
 * client reaches the owning thread without a hop. An endpoint's id is the node's id, 32 digits,
 * and the number of the shard, 8 digits.
 * A node leads some partitions and has copies of others. SLOTS, which tells of ranges, shows who
 * has in-sync copies as the replicas of each; SHARDS and NODES, where an endpoint is either a
 * master or a replica, show masters. What has no owner to be shown (it leads without a door for
 * Redis clients) is shown as this node's, which passes it on. */
#include "session/resp_priv.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "control/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ID_BYTES = 41, RANGE_ALL = SLOTS, NOBODY = UINT16_MAX };

/* --- endpoints -------------------------------------------------------------------------------- */

struct endpoint {
    char id[ID_BYTES];
    char host[GRID_ADDRESS_BYTES_MAX + 1];
    unsigned port;
    uint32_t node; /* its number in the grid; 0: there is none */
    bool here, up;
};

/* What is shown. */
struct shown {
    struct endpoint *endpoints;
    uint32_t len, here; /* `here`: where this connection came to */
    uint32_t partitions;
    uint16_t *owners; /* of the partitions: an endpoint, or NOBODY */
    uint64_t epoch;
};

static void id_make(char id[ID_BYTES], const uint8_t node_id[16], uint32_t shard)
{
    for (size_t i = 0; i < 16; i++)
        snprintf(id + 2 * i, 3, "%02x", node_id[i]);
    snprintf(id + 32, 9, "%08" PRIx32, shard);
}

/* "HOST:PORT". False: it is none. */
static bool address_split(const char *address, char *host, size_t size, unsigned *ret_port)
{
    const char *colon = strrchr(address, ':');
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;
    if (!port || port > UINT16_MAX)
        return false;
    snprintf(host, size, "%.*s", (int)(colon - address), address);
    *ret_port = (unsigned)port;
    return true;
}

static struct endpoint *endpoint_add(struct shown *s, const uint8_t node_id[16], uint32_t shard)
{
    struct endpoint *e = &s->endpoints[s->len++];
    *e = (struct endpoint){.up = true};
    id_make(e->id, node_id, shard);
    return e;
}

/* This node, as clients know it. */
static void endpoint_own(const struct resp_session *r, struct endpoint *e, uint32_t shard)
{
    const struct node_view *v = r->base.view;
    snprintf(e->host, sizeof e->host, "%s", v->resp_host);
    e->port = v->resp_shard_port && !e->node ? v->resp_shard_port + shard : v->resp_port;
}

static void shown_alone(const struct resp_session *r, struct shown *s)
{
    const struct node_view *v = r->base.view;
    uint32_t len = v->resp_shard_port ? v->shards : 1;
    s->endpoints = xcalloc(len, sizeof *s->endpoints);
    for (uint32_t i = 0; i < len; i++)
        endpoint_own(r, endpoint_add(s, v->node_id, i), i);
    s->here = len > 1 ? r->base.ports->shard : 0;
    s->epoch = v->epoch;
    for (uint32_t p = 0; p < s->partitions; p++)
        s->owners[p] = (uint16_t)(len > 1 ? p % len : 0);
}

static uint16_t owner_of(const struct shown *s, uint32_t node)
{
    for (uint32_t i = 0; i < s->len; i++)
        if (s->endpoints[i].node == node)
            return (uint16_t)i;
    return (uint16_t)s->here;
}

static void shown_grid(const struct resp_session *r, const struct grid_state *grid, struct shown *s)
{
    s->endpoints = xcalloc(grid->nodes_len + 1, sizeof *s->endpoints);
    for (size_t i = 0; i < grid->nodes_len; i++) {
        const struct grid_node *n = &grid->nodes[i];
        struct endpoint e = {.node = n->number};
        bool here = memcmp(n->info.id, r->base.view->node_id, GRID_ID_BYTES) == 0;
        if (!here && !address_split(n->info.address[ADDRESS_RESP], e.host, sizeof e.host, &e.port))
            continue;
        struct endpoint *to = endpoint_add(s, n->info.id, 0);
        memcpy(e.id, to->id, sizeof e.id);
        e.up = n->state == NODE_UP;
        *to = e;
        if (!here)
            continue;
        s->here = s->len - 1;
        endpoint_own(r, to, 0);
    }
    if (!s->len)
        endpoint_own(r, endpoint_add(s, r->base.view->node_id, 0), 0);
    s->epoch = grid->revision;
    for (uint32_t p = 0; p < s->partitions; p++) {
        uint32_t node = grid_state_primary(grid, cache_context(r->cache), p).node;
        s->owners[p] = node ? owner_of(s, node) : (uint16_t)NOBODY;
    }
}

static void shown_make(struct resp_session *r, struct shown *s)
{
    enum grid_err err;
    const struct context_info *context = resp_context(r, &err);
    const struct grid_state *grid = session_grid(&r->base);
    *s = (struct shown){.partitions = context ? context->partitions : 1};
    s->owners = xcalloc(s->partitions, sizeof *s->owners);
    if (grid && grid_state_founded(grid))
        shown_grid(r, grid, s);
    else
        shown_alone(r, s);
    s->endpoints[s->here].here = true;
}

static void shown_release(struct shown *s)
{
    free(s->endpoints);
    free(s->owners);
}

/* The run of slots from `*at` on with one owner, who is told; *at is where the next begins. */
static uint16_t range_next(const struct shown *s, uint32_t *at)
{
    uint32_t each = RANGE_ALL / s->partitions;
    uint16_t owner = s->owners[*at / each];
    while (*at < RANGE_ALL && s->owners[*at / each] == owner)
        *at += each;
    return owner;
}

/* --- MOVED ------------------------------------------------------------------------------------ */

static bool moved_away(struct resp_session *r, const struct grid_state *grid, uint16_t slot,
                       uint16_t partition, char line[RESP_MOVED])
{
    uint32_t number = grid_state_primary(grid, cache_context(r->cache), partition).node;
    const struct grid_node *n = number ? grid_state_node(grid, number) : NULL;
    if (!n || !n->info.address[ADDRESS_RESP][0] ||
        memcmp(n->info.id, r->base.view->node_id, GRID_ID_BYTES) == 0)
        return false;
    int len = snprintf(line, RESP_MOVED, "MOVED %u %s", slot, n->info.address[ADDRESS_RESP]);
    return len < RESP_MOVED;
}

bool resp_moved(struct resp_session *r, uint16_t slot, uint16_t partition, char line[RESP_MOVED])
{
    const struct session *s = &r->base;
    if (likely(!s->peer.own_port || !s->view->resp_shard_port))
        return false;
    const struct grid_state *grid = session_grid(s);
    if (grid)
        return moved_away(r, grid, slot, partition, line);
    uint32_t owner = partition % s->view->shards;
    if (owner == s->ports->shard)
        return false;
    snprintf(line, RESP_MOVED, "MOVED %u %s:%u", slot, s->view->resp_host,
             (unsigned)s->view->resp_shard_port + owner);
    return true;
}

/* --- SLOTS, SHARDS, NODES --------------------------------------------------------------------- */

/* Who has a partition, the owner first; none: it has no owner. */
struct holders {
    uint16_t list[REPLICA_MEMBERS_MAX];
    uint32_t len;
};

static struct holders holders_of(const struct resp_session *r, const struct shown *s,
                                 uint32_t partition)
{
    struct holders h = {{s->owners[partition]}, s->owners[partition] != NOBODY};
    struct replica_config c;
    const struct grid_state *grid = session_grid(&r->base);
    if (!h.len || !grid || !grid_state_config(grid, cache_context(r->cache), partition, &c))
        return h;
    for (unsigned k = 1; k < c.in_sync; k++)
        for (uint32_t i = 0; i < s->len; i++)
            if (s->endpoints[i].node == c.members[k].node && s->endpoints[i].up && i != h.list[0])
                h.list[h.len++] = (uint16_t)i;
    return h;
}

static bool holders_same(const struct holders *a, const struct holders *b)
{
    return a->len == b->len && memcmp(a->list, b->list, a->len * sizeof a->list[0]) == 0;
}

static void slots_range(const struct shown *s, struct buf *out, uint32_t from, uint32_t end,
                        const struct holders *h)
{
    resp_array(out, 2 + h->len);
    resp_integer(out, from);
    resp_integer(out, end - 1);
    for (uint32_t i = 0; i < h->len; i++) {
        const struct endpoint *e = &s->endpoints[h->list[i]];
        resp_array(out, 4);
        resp_bulk(out, slice_str(e->host));
        resp_integer(out, e->port);
        resp_bulk(out, slice_str(e->id));
        resp_array(out, 0);
    }
}

void resp_cluster_slots(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    struct shown s;
    struct buf ranges = BUF_INIT;
    uint32_t len = 0;
    (void)q;
    shown_make(r, &s);
    uint32_t each = RANGE_ALL / s.partitions;
    for (uint32_t from = 0, end; from < s.partitions; from = end) {
        struct holders h = holders_of(r, &s, from);
        for (end = from + 1; end < s.partitions; end++) {
            struct holders next = holders_of(r, &s, end);
            if (!holders_same(&h, &next))
                break;
        }
        if (!h.len)
            continue;
        slots_range(&s, &ranges, from * each, end * each, &h);
        len++;
    }
    resp_array(out, len);
    if (len)
        buf_add(out, ranges.data, ranges.len);
    buf_release(&ranges);
    shown_release(&s);
}

static void shard_slots(const struct shown *s, struct buf *out, uint32_t wanted)
{
    struct buf ranges = BUF_INIT;
    uint64_t len = 0;
    for (uint32_t at = 0; at < RANGE_ALL;) {
        uint32_t from = at;
        if (range_next(s, &at) != wanted)
            continue;
        resp_integer(&ranges, from);
        resp_integer(&ranges, at - 1);
        len += 2;
    }
    resp_array(out, len);
    if (len)
        buf_add(out, ranges.data, ranges.len);
    buf_release(&ranges);
}

static void pair_text(struct buf *out, const char *key, const char *value)
{
    resp_bulk(out, slice_str(key));
    resp_bulk(out, slice_str(value));
}

void resp_cluster_shards(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    struct shown s;
    (void)q;
    shown_make(r, &s);
    resp_array(out, s.len);
    for (uint32_t i = 0; i < s.len; i++) {
        const struct endpoint *e = &s.endpoints[i];
        resp_map(out, 2, r->resp3);
        resp_bulk(out, slice_str("slots"));
        shard_slots(&s, out, i);
        resp_bulk(out, slice_str("nodes"));
        resp_array(out, 1);
        resp_map(out, 7, r->resp3);
        pair_text(out, "id", e->id);
        resp_bulk(out, slice_str("port"));
        resp_integer(out, e->port);
        pair_text(out, "ip", e->host);
        pair_text(out, "endpoint", e->host);
        pair_text(out, "role", "master");
        resp_bulk(out, slice_str("replication-offset"));
        resp_integer(out, 0);
        pair_text(out, "health", e->up ? "online" : "fail");
    }
    shown_release(&s);
}

static void node_line(const struct shown *s, uint32_t i, struct buf *text)
{
    const struct endpoint *e = &s->endpoints[i];
    buf_printf(text, "%s %s:%u@%u %smaster%s - 0 0 %" PRIu64 " %s", e->id, e->host, e->port,
               e->port, e->here ? "myself," : "", e->up ? "" : ",fail", s->epoch,
               e->up ? "connected" : "disconnected");
    for (uint32_t at = 0; at < RANGE_ALL;) {
        uint32_t from = at;
        if (range_next(s, &at) != i)
            continue;
        if (at == from + 1)
            buf_printf(text, " %" PRIu32, from);
        else
            buf_printf(text, " %" PRIu32 "-%" PRIu32, from, at - 1);
    }
    buf_add_u8(text, '\n');
}

void resp_cluster_nodes(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    struct shown s;
    struct buf text = BUF_INIT;
    (void)q;
    shown_make(r, &s);
    for (uint32_t i = 0; i < s.len; i++)
        node_line(&s, i, &text);
    resp_verbatim(out, buf_slice(&text), r->resp3);
    buf_release(&text);
    shown_release(&s);
}

/* Slots that somebody owns; *ret_size: how many endpoints own any. */
static uint32_t slots_served(const struct shown *s, uint32_t *ret_size)
{
    uint32_t served = 0;
    bool *owns = xcalloc(s->len, sizeof *owns);
    for (uint32_t p = 0; p < s->partitions; p++) {
        if (s->owners[p] == NOBODY)
            continue;
        served += RANGE_ALL / s->partitions;
        *ret_size += !owns[s->owners[p]];
        owns[s->owners[p]] = true;
    }
    free(owns);
    return served;
}

void resp_cluster_info(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    struct shown s;
    struct buf text = BUF_INIT;
    uint32_t size = 0;
    (void)q;
    shown_make(r, &s);
    uint32_t served = slots_served(&s, &size);
    buf_printf(&text,
               "cluster_state:%s\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:%" PRIu32
               "\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:%" PRIu32
               "\r\ncluster_known_nodes:%" PRIu32 "\r\ncluster_size:%" PRIu32
               "\r\ncluster_current_epoch:%" PRIu64 "\r\ncluster_my_epoch:%" PRIu64
               "\r\ncluster_stats_messages_sent:0\r\ncluster_stats_messages_received:0\r\n"
               "total_cluster_links_buffer_limit_exceeded:0\r\n",
               served == RANGE_ALL ? "ok" : "fail", served, RANGE_ALL - served, s.len, size,
               s.epoch, s.epoch);
    resp_verbatim(out, buf_slice(&text), r->resp3);
    buf_release(&text);
    shown_release(&s);
}

/* --- the rest --------------------------------------------------------------------------------- */

void resp_cluster_myid(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    char id[ID_BYTES];
    bool shards = r->base.view->resp_shard_port && !session_grid(&r->base);
    (void)q;
    id_make(id, r->base.view->node_id, shards ? r->base.ports->shard : 0);
    resp_bulk(out, slice_str(id));
}

void resp_cluster_keyslot(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    resp_integer(out, hash_slot(q->args[2]));
}

/* No endpoint is but a replica of another, and there are no links between them. */
void resp_cluster_none(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    (void)q;
    resp_array(out, 0);
}

/* The grid places slots itself. */
void resp_cluster_refuse(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    (void)q;
    resp_error_text(out, "ERR the grid places its slots itself: see gridctl partition list");
}
