/* peers_way.c - whom to dial, and when: at once where this node's id is the smaller one, after a
 * little patience where it is the larger one, for then the other dials; after a failure again in a
 * time that doubles, but soon for some seconds: where a cut was short, the link is back with it. */
#include "node/peers_priv.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "node/resolver.h"

#include <stdio.h>
#include <stdlib.h>

enum { RETRY_MS = 50, RETRY_MAX_MS = 1000, PATIENCE_MS = 500, SELF_MS = 60000, WANTED_MS = 10000 };
enum { HURRIED = 12, RETRY_HURRIED_MS = 200 }; /* failures, and the longest time between two */

struct way *way_find(struct peers *p, const uint8_t id[PEER_ID_BYTES], uint32_t shard)
{
    list_for_each (it, &p->ways) {
        struct way *w = list_entry(it, struct way, all);
        if (w->has_id && w->shard == shard && peers_same(w->id, id))
            return w;
    }
    return NULL;
}

static struct way *way_new(struct peers *p, const char *address)
{
    struct way *w = xcalloc(1, sizeof *w);
    w->address = xstrdup(address);
    w->dial_at = loop_mono_ms(p->conf.loop);
    list_push_back(&p->ways, &w->all);
    return w;
}

static void way_free(struct way *w)
{
    if (w->dialling) {
        w->dialling->way = NULL;
        link_end(w->dialling, "it is not wanted any more");
    }
    list_remove(&w->all);
    free(w->address);
    free(w);
}

void ways_free(struct peers *p)
{
    list_for_each_safe (it, &p->ways)
        way_free(list_entry(it, struct way, all));
}

/* --- success and failure ---------------------------------------------------------------------- */

void way_succeeded(struct way *w)
{
    w->failures = 0;
    w->complained = false;
    w->self = false;
}

/* Which node waits how long is as good as random, and the same again for one seed. */
static msec_t jitter(const struct peers *p, const struct way *w, msec_t ms)
{
    uint64_t h = hash_key(slice_make(p->conf.self.boot_id, PEER_ID_BYTES), w->failures + w->shard);
    return ms / 2 + h % (ms / 2 + 1);
}

void way_failed(struct peers *p, struct way *w, const char *why, bool told)
{
    msec_t now = loop_mono_ms(p->conf.loop);
    msec_t ms = (msec_t)RETRY_MS << (w->failures < 5 ? w->failures : 5);
    msec_t most = w->failures < HURRIED ? RETRY_HURRIED_MS : RETRY_MAX_MS;
    if (ms > most)
        ms = most;
    if (w->failures == 0 && w->has_id && !peers_first(p, w->id))
        ms = PATIENCE_MS;
    if (w->self)
        ms = SELF_MS;
    w->failures++;
    snprintf(w->why, sizeof w->why, "%s", why);
    w->dial_at = now + jitter(p, w, ms);
    if (w->addrs_at >= w->addrs_len)
        w->addrs_len = w->addrs_at = 0; /* a name may stand for others by now */
    if (!told && !w->complained && w->failures > 1 && !p->stopped) {
        w->complained = true;
        log_warn("peers", "%s cannot be reached: %s", w->address, why);
    }
    peers_arm(p, w->dial_at - now);
}

/* --- dialling --------------------------------------------------------------------------------- */

static void on_resolved(void *ctx, const char *address, const struct net_addr *addrs, size_t len,
                        const char *why)
{
    struct peers *p = ctx;
    list_for_each (it, &p->ways) {
        struct way *w = list_entry(it, struct way, all);
        if (!w->resolving || strcmp(w->address, address) != 0)
            continue;
        w->resolving = false;
        w->addrs_at = 0;
        w->addrs_len = len;
        memcpy(w->addrs, addrs, len * sizeof *addrs);
        if (len)
            peers_arm(p, 0);
        else
            way_failed(p, w, why, false);
    }
}

/* Whether there is an address to dial now. */
static bool way_resolve(struct peers *p, struct way *w)
{
    if (w->addrs_at < w->addrs_len)
        return true;
    w->addrs_at = w->addrs_len = 0;
    if (net_addr_parse(w->address, &w->addrs[0])) {
        w->addrs_len = 1;
        return true;
    }
    if (!p->conf.resolver) {
        way_failed(p, w, "not an address", false);
        return false;
    }
    w->resolving = true;
    resolver_ask(p->conf.resolver, w->address, p->conf.loop, on_resolved, p);
    return false;
}

/* A cut may be short: at first what is not answered soon is asked again. A long way needs the
 * patience of every other dial behind. */
static bool way_hurries(const struct way *w)
{
    return w->failures < HURRIED || w->failures % 2;
}

static void way_dial(struct peers *p, struct way *w)
{
    if (!way_resolve(p, w))
        return;
    struct peers_link *k = link_new(p, w);
    const struct net_addr *to = &w->addrs[w->addrs_at++];
    const struct conn_conf *how = way_hurries(w) ? &p->out_soon : &p->out;
    if (conn_dial(p->conf.loop, to, how, &peers_handler, k, &k->conn)) {
        list_remove(&k->all);
        peer_free(k->peer);
        free(k);
        way_failed(p, w, "the system gives no socket", false);
        return;
    }
    w->dialling = k;
}

static bool way_served(struct peers *p, const struct way *w)
{
    return (w->has_id || w->met) && peers_find(p, w->id, w->shard);
}

/* The same node is being dialled as a seed, or by its id, already. */
static bool way_in_hand(const struct peers *p, const struct way *w)
{
    list_for_each (it, &p->ways) {
        const struct way *other = list_entry(it, struct way, all);
        if (other != w && other->dialling && (other->has_id || other->met) &&
            (w->has_id || w->met) && other->shard == w->shard && peers_same(other->id, w->id))
            return true;
    }
    return false;
}

void ways_dial(struct peers *p)
{
    msec_t now = loop_mono_ms(p->conf.loop);
    list_for_each_safe (it, &p->ways) {
        struct way *w = list_entry(it, struct way, all);
        if (!w->has_id && !w->seed && now >= w->until) {
            if (!w->resolving && !w->dialling)
                way_free(w);
            continue;
        }
        if (w->dialling || w->resolving || way_served(p, w) || way_in_hand(p, w))
            continue;
        if (now >= w->dial_at)
            way_dial(p, w);
        else
            peers_arm(p, w->dial_at - now);
    }
}

/* --- what fails ------------------------------------------------------------------------------- */

/* A node whose address is known is told once, not as a seed, too. */
static bool way_is_in_vain(struct peers *p, const struct way *w)
{
    if (w->failures < 2 || w->self || way_served(p, w) || (!w->has_id && !w->seed))
        return false;
    list_for_each (it, &p->ways) {
        const struct way *other = list_entry(it, struct way, all);
        if (!w->has_id && other->has_id && strcmp(w->address, other->address) == 0)
            return false;
    }
    return true;
}

bool peers_trouble(struct peers *p, size_t index, struct peers_trouble *ret_trouble)
{
    list_for_each (it, &p->ways) {
        const struct way *w = list_entry(it, struct way, all);
        if (!way_is_in_vain(p, w) || index--)
            continue;
        *ret_trouble = (struct peers_trouble){w->address, w->has_id ? w->id : NULL, w->why};
        return true;
    }
    return false;
}

/* --- whom ------------------------------------------------------------------------------------- */

bool peers_pairs(uint32_t a, uint32_t na, uint32_t b, uint32_t nb)
{
    uint32_t x = na, y = nb;
    while (y) {
        uint32_t rest = x % y;
        x = y;
        y = rest;
    }
    return x && a % x == b % x;
}

static void want(struct peers *p, const struct peers_node *n, uint32_t shard)
{
    struct way *w = way_find(p, n->id, shard);
    if (!w) {
        w = way_new(p, n->address);
        w->has_id = true;
        memcpy(w->id, n->id, PEER_ID_BYTES);
        w->shard = shard;
        if (!peers_first(p, n->id))
            w->dial_at += PATIENCE_MS;
    }
    w->wanted = true;
    if (strcmp(w->address, n->address) == 0)
        return;
    free(w->address); /* it has moved: links that are up stay, they are to the same node */
    w->address = xstrdup(n->address);
    w->addrs_len = w->addrs_at = 0;
    w->resolving = false;
    w->failures = 0;
    w->dial_at = loop_mono_ms(p->conf.loop);
}

/* Whether they are others than the last time. */
static bool nodes_news(struct peers *p, const struct peers_node *nodes, size_t len)
{
    struct buf all = BUF_INIT;
    buf_add_u32(&all, (uint32_t)len);
    for (size_t i = 0; i < len; i++) {
        buf_add(&all, nodes[i].id, PEER_ID_BYTES);
        buf_add_u32(&all, nodes[i].shards);
        buf_add(&all, nodes[i].address, strlen(nodes[i].address) + 1);
    }
    if (slice_eq(buf_slice(&all), buf_slice(&p->nodes))) {
        buf_release(&all);
        return false;
    }
    buf_release(&p->nodes);
    p->nodes = all;
    return true;
}

void peers_set_nodes(struct peers *p, const struct peers_node *nodes, size_t len)
{
    bool data = p->conf.kind == PEER_DATA;
    if (!nodes_news(p, nodes, len))
        return;
    list_for_each (it, &p->ways)
        list_entry(it, struct way, all)->wanted = false;
    for (size_t i = 0; i < len; i++) {
        if (peers_same(nodes[i].id, p->conf.self.node_id))
            continue;
        for (uint32_t s = 0; s < (data ? nodes[i].shards : 1); s++)
            if (!data || peers_pairs(p->conf.shard, p->conf.self.shards, s, nodes[i].shards))
                want(p, &nodes[i], s);
    }
    list_for_each_safe (it, &p->ways) {
        struct way *w = list_entry(it, struct way, all);
        if (!w->has_id || w->wanted)
            continue;
        struct peers_link *k = peers_find(p, w->id, w->shard);
        if (k && (data || k->dialled))
            link_end(k, "it is not wanted any more");
        way_free(w);
    }
    peers_arm(p, 0);
}

static struct way *seed_find(struct peers *p, const char *address)
{
    list_for_each (it, &p->ways) {
        struct way *w = list_entry(it, struct way, all);
        if (!w->has_id && strcmp(w->address, address) == 0)
            return w;
    }
    return NULL;
}

void peers_set_seeds(struct peers *p, const char *const *addresses, size_t len)
{
    list_for_each (it, &p->ways)
        list_entry(it, struct way, all)->seed = false;
    for (size_t i = 0; i < len; i++) {
        struct way *w = seed_find(p, addresses[i]);
        if (!w)
            w = way_new(p, addresses[i]);
        w->seed = true;
    }
    peers_arm(p, 0);
}

struct peers_link *peers_want(struct peers *p, const char *address)
{
    struct way *w = seed_find(p, address);
    if (!w) {
        w = way_new(p, address);
        peers_arm(p, 0);
    }
    w->until = loop_mono_ms(p->conf.loop) + WANTED_MS;
    return w->met ? peers_find(p, w->id, 0) : NULL;
}
