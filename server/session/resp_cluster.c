/* resp_cluster.c - CLUSTER: who owns which slots, as clients of Redis Cluster ask for it.
 *
 * A node is shown as one endpoint that owns all slots, or, where every shard has a port of its own,
 * as one endpoint for each shard, so that such a client reaches the owning thread without a hop. An
 * endpoint's id is the node's id, 32 digits, and the number of the shard, 8 digits. */
#include "session/resp_priv.h"

#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>

enum { ID_BYTES = 41, RANGE_ALL = 16384 };

/* --- endpoints -------------------------------------------------------------------------------- */

/* How many there are; 1: the node as a whole. */
static uint32_t endpoints(const struct resp_session *r)
{
    return r->base.view->resp_shard_port ? r->base.view->shards : 1;
}

static uint16_t endpoint_port(const struct resp_session *r, uint32_t endpoint)
{
    const struct node_view *v = r->base.view;
    return v->resp_shard_port ? (uint16_t)(v->resp_shard_port + endpoint) : v->resp_port;
}

/* Where this connection came to. */
static uint32_t endpoint_here(const struct resp_session *r)
{
    return r->base.view->resp_shard_port ? r->base.ports->shard : 0;
}

static const char *endpoint_id(const struct resp_session *r, uint32_t endpoint, char id[ID_BYTES])
{
    for (size_t i = 0; i < 16; i++)
        snprintf(id + 2 * i, 3, "%02x", r->base.view->node_id[i]);
    snprintf(id + 32, 9, "%08" PRIx32, endpoint);
    return id;
}

static uint32_t partitions_of(struct resp_session *r)
{
    enum grid_err err;
    const struct context_info *context = resp_context(r, &err);
    return context ? context->partitions : 1;
}

static uint32_t slot_endpoint(const struct resp_session *r, uint32_t partitions, uint32_t slot)
{
    uint32_t partition = slot_partition((uint16_t)slot, partitions);
    return endpoints(r) == 1 ? 0 : partition % r->base.view->shards;
}

/* The run of slots from `from` on with one owner: returns where the next begins. */
static uint32_t range_end(const struct resp_session *r, uint32_t partitions, uint32_t from,
                          uint32_t *ret_endpoint)
{
    uint32_t end = from + 1;
    *ret_endpoint = slot_endpoint(r, partitions, from);
    while (end < RANGE_ALL && slot_endpoint(r, partitions, end) == *ret_endpoint)
        end++;
    return end;
}

bool resp_moved(struct resp_session *r, uint16_t slot, uint16_t partition, char line[RESP_MOVED])
{
    const struct session *s = &r->base;
    uint32_t owner = partition % s->view->shards;
    if (likely(!s->peer.own_port || !s->view->resp_shard_port || owner == s->ports->shard))
        return false;
    snprintf(line, RESP_MOVED, "MOVED %u %s:%u", slot, s->view->resp_host, endpoint_port(r, owner));
    return true;
}

/* --- SLOTS, SHARDS, NODES --------------------------------------------------------------------- */

static void slots_range(struct resp_session *r, struct buf *out, uint32_t from, uint32_t end,
                        uint32_t endpoint)
{
    char id[ID_BYTES];
    resp_array(out, 3);
    resp_integer(out, from);
    resp_integer(out, end - 1);
    resp_array(out, 4);
    resp_bulk(out, slice_str(r->base.view->resp_host));
    resp_integer(out, endpoint_port(r, endpoint));
    resp_bulk(out, slice_str(endpoint_id(r, endpoint, id)));
    resp_array(out, 0);
}

void resp_cluster_slots(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    uint32_t partitions = partitions_of(r), endpoint, len = 0;
    (void)q;
    for (uint32_t at = 0; at < RANGE_ALL; len++)
        at = range_end(r, partitions, at, &endpoint);
    resp_array(out, len);
    for (uint32_t at = 0; at < RANGE_ALL;) {
        uint32_t end = range_end(r, partitions, at, &endpoint);
        slots_range(r, out, at, end, endpoint);
        at = end;
    }
}

static void shard_slots(struct resp_session *r, struct buf *out, uint32_t wanted)
{
    uint32_t partitions = partitions_of(r), endpoint;
    struct buf ranges = BUF_INIT;
    uint64_t len = 0;
    for (uint32_t at = 0; at < RANGE_ALL;) {
        uint32_t end = range_end(r, partitions, at, &endpoint);
        if (endpoint == wanted) {
            resp_integer(&ranges, at);
            resp_integer(&ranges, end - 1);
            len += 2;
        }
        at = end;
    }
    resp_array(out, len);
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
    (void)q;
    resp_array(out, endpoints(r));
    for (uint32_t i = 0; i < endpoints(r); i++) {
        char id[ID_BYTES];
        resp_map(out, 2, r->resp3);
        resp_bulk(out, slice_str("slots"));
        shard_slots(r, out, i);
        resp_bulk(out, slice_str("nodes"));
        resp_array(out, 1);
        resp_map(out, 7, r->resp3);
        pair_text(out, "id", endpoint_id(r, i, id));
        resp_bulk(out, slice_str("port"));
        resp_integer(out, endpoint_port(r, i));
        pair_text(out, "ip", r->base.view->resp_host);
        pair_text(out, "endpoint", r->base.view->resp_host);
        pair_text(out, "role", "master");
        resp_bulk(out, slice_str("replication-offset"));
        resp_integer(out, 0);
        pair_text(out, "health", "online");
    }
}

void resp_cluster_nodes(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    uint32_t partitions = partitions_of(r), endpoint;
    struct buf text = BUF_INIT;
    (void)q;
    for (uint32_t i = 0; i < endpoints(r); i++) {
        char id[ID_BYTES];
        unsigned port = endpoint_port(r, i);
        buf_printf(&text, "%s %s:%u@%u %smaster - 0 0 %" PRIu64 " connected", endpoint_id(r, i, id),
                   r->base.view->resp_host, port, port, i == endpoint_here(r) ? "myself," : "",
                   r->base.view->epoch);
        for (uint32_t at = 0; at < RANGE_ALL;) {
            uint32_t end = range_end(r, partitions, at, &endpoint);
            if (endpoint == i && end == at + 1)
                buf_printf(&text, " %" PRIu32, at);
            else if (endpoint == i)
                buf_printf(&text, " %" PRIu32 "-%" PRIu32, at, end - 1);
            at = end;
        }
        buf_add_u8(&text, '\n');
    }
    resp_verbatim(out, buf_slice(&text), r->resp3);
    buf_release(&text);
}

void resp_cluster_info(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    struct buf text = BUF_INIT;
    (void)q;
    buf_printf(&text,
               "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n"
               "cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:%" PRIu32
               "\r\ncluster_size:%" PRIu32 "\r\ncluster_current_epoch:%" PRIu64
               "\r\ncluster_my_epoch:%" PRIu64
               "\r\ncluster_stats_messages_sent:0\r\ncluster_stats_messages_received:0\r\n"
               "total_cluster_links_buffer_limit_exceeded:0\r\n",
               endpoints(r), endpoints(r), r->base.view->epoch, r->base.view->epoch);
    resp_verbatim(out, buf_slice(&text), r->resp3);
    buf_release(&text);
}

/* --- the rest --------------------------------------------------------------------------------- */

void resp_cluster_myid(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    char id[ID_BYTES];
    (void)q;
    resp_bulk(out, slice_str(endpoint_id(r, endpoint_here(r), id)));
}

void resp_cluster_keyslot(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    resp_integer(out, hash_slot(q->args[2]));
}

/* There are no replicas of endpoints, and no links between them. */
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
