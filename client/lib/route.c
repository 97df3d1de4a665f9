/* route.c - where requests go: shards as the server told them, caches as they were opened. */
#include "grid_priv.h"
#include "proto/frame.h"

#include <stdlib.h>

enum { FRAME_MAX_LEAST = 4096, ROAM_MS = 1000, ROAM_DOUBLINGS = 5 };

void gc_learn(struct grid *g, struct link *l, const struct wire_hello_reply *reply)
{
    uint32_t shards = reply->shards >= 1 && reply->shards <= SHARDS_MAX ? reply->shards : 1;
    size_t frame_max = reply->frame_max;
    g->frame_max = frame_max < FRAME_MAX_LEAST   ? FRAME_MAX_LEAST
                   : frame_max > FRAME_BYTES_MAX ? FRAME_BYTES_MAX
                                                 : frame_max;
    if (shards != g->shards) {
        struct link **by_shard = gc_calloc(shards, sizeof(struct link *));
        for (uint32_t i = 0; i < shards && i < g->shards; i++)
            by_shard[i] = g->by_shard[i];
        free(g->by_shard);
        g->by_shard = by_shard;
        g->shards = shards;
    }
    if (l->shard || reply->shard < 1 || reply->shard > shards || g->by_shard[reply->shard - 1])
        return;
    l->shard = reply->shard; /* from now on it asks for this one */
    g->by_shard[l->shard - 1] = l;
}

void gc_roam(struct grid *g)
{
    if (g->now < g->roam_at)
        return;
    g->roam_at = g->now + ((uint64_t)ROAM_MS << g->roams);
    g->roams += g->roams < ROAM_DOUBLINGS;
    if (g->endpoints_len)
        g->preferred = (g->preferred + 1) % g->endpoints_len;
    gc_link_break(g->home, "the node has lost touch with the grid");
}

void gc_learn_topology(struct grid *g, struct link *l, struct grid_bytes body)
{
    if (l != g->home)
        return;
    if (!gc_topology_take(&g->topology, body)) {
        gc_link_break(l, "the server sent a malformed topology");
        return;
    }
    if (!g->topology.astray)
        g->roams = 0;
    /* What nodes that are gone have not answered, others are asked (R13). */
    list_for_each (it, &g->links) {
        struct link *other = list_entry(it, struct link, node);
        if (!other->member || other->member->up)
            continue;
        if (other->state != LINK_DOWN)
            gc_link_break(other, "the node is down");
        else
            gc_requests_reroute(other);
    }
    if (g->topology.astray)
        gc_roam(g);
}

/* Any node passes a request on to where it belongs: the one where news come in, if it answers; else
 * that which was heard last. */
static struct link *relay(struct grid *g)
{
    struct link *best = NULL;
    if (gc_link_sound(g->home) || !g->topology.revision)
        return g->home;
    list_for_each (it, &g->links) {
        struct link *l = list_entry(it, struct link, node);
        if (l->state == LINK_OPEN && (!best || l->last_ms > best->last_ms))
            best = l;
    }
    return best ? best : g->home;
}

struct link *gc_route_straight(const struct grid *g, const struct request *r)
{
    bool placed = r->routed && r->cache && r->cache->partitions;
    struct member *m = placed ? gc_topology_owner(&g->topology, r->cache->id >> 16, r->slot) : NULL;
    return m ? m->by_shard[slot_partition(r->slot, r->cache->partitions) % m->shards] : NULL;
}

static struct link *route_among_nodes(struct grid *g, const struct request *r)
{
    bool placed = r->routed && r->cache && r->cache->partitions;
    struct member *m = placed ? gc_topology_owner(&g->topology, r->cache->id >> 16, r->slot) : NULL;
    if (g->home->state == LINK_DOWN)
        gc_link_want(g->home);
    if (!m)
        return relay(g);
    uint32_t shard = slot_partition(r->slot, r->cache->partitions) % m->shards;
    if (!m->by_shard[shard])
        m->by_shard[shard] = gc_link_new(g, m, shard + 1);
    struct link *l = m->by_shard[shard];
    if (!l->shunned)
        return l;
    gc_link_retry(l);
    return relay(g);
}

struct link *gc_route(struct grid *g, const struct request *r)
{
    if (unlikely(r->local) && g->topology.revision && gc_link_sound(g->home))
        return g->home;
    if (g->topology.revision)
        return route_among_nodes(g, r);
    if (!r->routed || !r->cache || !r->cache->partitions || !g->shards)
        return g->home;
    uint32_t shard = slot_partition(r->slot, r->cache->partitions) % g->shards;
    if (!g->by_shard[shard])
        g->by_shard[shard] = gc_link_new(g, NULL, shard + 1);
    return g->by_shard[shard];
}

size_t gc_buckets(const struct grid *g)
{
    size_t n = g->topology.revision ? g->topology.buckets : g->shards;
    return n ? n : 1;
}

size_t gc_bucket(const struct grid_cache *c, struct grid_bytes placed_by)
{
    const struct grid *g = c->grid;
    uint16_t slot = slot_of(placed_by.data, placed_by.len);
    uint32_t partition = c->partitions ? slot_partition(slot, c->partitions) : 0;
    if (!g->topology.revision)
        return g->shards ? partition % g->shards : 0;
    const struct member *m = gc_topology_owner(&g->topology, c->id >> 16, slot);
    return m ? m->bucket + partition % m->shards : 0;
}

/* --- caches ----------------------------------------------------------------------------------- */

static struct request *open_request(struct grid *g, const char *path)
{
    struct grid_bytes name = {path, strlen(path)};
    struct request *r =
        gc_request_new(g, GRID__OP__OPEN_CACHE, NULL, gc_wire_bytes_len(REQUEST_NAME, name.len));
    if (r)
        gc_wire_put_bytes(r->body, REQUEST_NAME, name);
    return r;
}

static void opened(struct grid_cache *c, const struct wire_response *a)
{
    c->id = (uint32_t)a->result;
    c->partitions = gc_wire_context_partitions(a->context);
}

static void on_reopened(struct request *open, const struct outcome *o)
{
    struct grid_cache *c = open->to;
    struct list *it;
    c->opening = false;
    if (o->err == GRID_OK)
        opened(c, o->response);
    /* When it could not be opened, the server says why once more, and that is what they hear. */
    while ((it = list_pop_front(&c->waiting)))
        gc_request_send(list_entry(it, struct request, queue));
}

void gc_cache_reopen(struct request *r)
{
    struct grid_cache *c = r->cache;
    r->reopened = true;
    if (r->cache_id != c->id && !c->opening) { /* another request had it opened meanwhile */
        gc_request_send(r);
        return;
    }
    struct request *open = c->opening ? NULL : open_request(r->grid, c->path);
    if (!c->opening && !open) {
        gc_request_send(r);
        return;
    }
    list_push_back(&c->waiting, &r->queue);
    if (!open)
        return;
    c->opening = true;
    open->finish = on_reopened;
    open->to = c;
    gc_request_submit(open);
}

void gc_cache_free(struct grid_cache *c)
{
    list_remove(&c->node);
    free(c->path);
    free(c);
}

static struct grid_cache *cache_find(const struct grid *g, const char *path)
{
    list_for_each (it, &g->caches) {
        struct grid_cache *c = list_entry(it, struct grid_cache, node);
        if (strcmp(c->path, path) == 0)
            return c;
    }
    return NULL;
}

static enum grid_err take_opened(struct wait *w, const struct wire_response *a)
{
    opened(w->to, a);
    return GRID_OK;
}

enum grid_err grid_cache_open(struct grid *g, const char *path, struct grid_cache **ret_cache)
{
    struct grid_cache found = {0};
    struct wait w = {.take = take_opened, .to = &found};
    enum grid_err err = gc_wait(g, open_request(g, path), &w);
    if (err)
        return err;
    struct grid_cache *c = cache_find(g, path);
    if (!c) {
        c = gc_calloc(1, sizeof *c);
        c->grid = g;
        c->path = gc_strdup(path);
        list_init(&c->waiting);
        list_push_back(&g->caches, &c->node);
    }
    c->id = found.id;
    c->partitions = found.partitions;
    *ret_cache = c;
    return GRID_OK;
}
