/* fixture.h - nodes that are nothing but links: each with a control loop, a listener, and a loop
 * for each shard, all run by one thread in a clock of the test's. A message says which it is on its
 * link: order, loss and repetition show at once. */
#ifndef GRIDD_TESTS_NODE_FIXTURE_H
#define GRIDD_TESTS_NODE_FIXTURE_H

#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "base/prng.h"
#include "net/listener.h"
#include "node/peers.h"
#include "node/threads_priv.h"
#include "tests/lib/certs.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAYBE_UNUSED __attribute__((unused))
enum { SHARDS_MAX = 4, BODY_HEAD = 16 };

struct world {
    msec_t now;
    char dir[64];
    bool tls;
};

struct node_end;

/* One thread's links. */
struct thread_end {
    struct node_end *node;
    struct loop *loop;
    struct peers *peers;
    unsigned ups, downs, rooms, got;
    uint64_t bytes[PEER_CLASSES];
    char down_why[PEER_WHY_BYTES];
};

/* What the test keeps per link: numbers of messages each way. */
struct count {
    uint64_t sent[PEER_CLASSES], got[PEER_CLASSES];
};

struct node_end {
    struct world *world;
    struct thread_end control, shards[SHARDS_MAX];
    struct peers *shard_peers[SHARDS_MAX];
    uint32_t shards_len;
    struct listener *listener;
    struct quota quota;
    struct tls *tls;
    struct peer_hello self;
    char address[NET_ADDR_BYTES];
    bool paused; /* its threads do not run */
};

static MAYBE_UNUSED msec_t world_clock(void *ctx)
{
    return ((struct world *)ctx)->now;
}

static MAYBE_UNUSED void on_up(void *ctx, struct peers_link *k)
{
    struct thread_end *t = ctx;
    t->ups++;
    ck_assert_ptr_null(peers_link_owner(k));
    peers_link_set_owner(k, xcalloc(1, sizeof(struct count)));
}

static MAYBE_UNUSED void on_down(void *ctx, struct peers_link *k, const char *why)
{
    struct thread_end *t = ctx;
    t->downs++;
    ck_assert_str_ne(why, "");
    snprintf(t->down_why, sizeof t->down_why, "%s", why);
    free(peers_link_owner(k));
    peers_link_set_owner(k, NULL);
}

static MAYBE_UNUSED void on_message(void *ctx, struct peers_link *k, enum peer_class class,
                                    struct slice body)
{
    struct thread_end *t = ctx;
    struct count *n = peers_link_owner(k);
    ck_assert_ptr_nonnull(n);
    ck_assert_uint_ge(body.len, BODY_HEAD);
    ck_assert_uint_eq(load_u64(body.data), n->got[class]++);
    ck_assert_uint_eq(load_u64(body.data + 8), body.len);
    for (size_t i = BODY_HEAD; i < body.len; i += 509)
        ck_assert_uint_eq(body.data[i], (uint8_t)(i + n->got[class]));
    t->got++;
    t->bytes[class] += body.len;
}

static MAYBE_UNUSED void on_peers_room(void *ctx, struct peers_link *k)
{
    (void)k;
    ((struct thread_end *)ctx)->rooms++;
}

static MAYBE_UNUSED void say(struct peers_link *k, enum peer_class class, size_t len)
{
    struct count *n = peers_link_owner(k);
    ck_assert_ptr_nonnull(n);
    struct buf *b = peers_begin(k, class);
    uint8_t *at = buf_reserve(b, len);
    store_u64(at, n->sent[class]++);
    store_u64(at + 8, len);
    memset(at + BODY_HEAD, 0, len - BODY_HEAD);
    for (size_t i = BODY_HEAD; i < len; i += 509)
        at[i] = (uint8_t)(i + n->sent[class]);
    b->len += len;
    peers_end(k);
}

static MAYBE_UNUSED void run_note(void *ctx, struct mail *m)
{
    struct note *n = container_of(m, struct note, mail);
    n->run(n, ctx);
}

static MAYBE_UNUSED void thread_turn_end(void *ctx)
{
    struct thread_end *t = ctx;
    if (t->peers)
        peers_turn_end(t->peers);
}

static MAYBE_UNUSED void thread_loop(struct node_end *e, struct thread_end *t)
{
    t->node = e;
    t->loop = loop_new(&(struct loop_hooks){t, run_note, thread_turn_end, NULL});
    if (e->world->now)
        loop_set_clock(t->loop, world_clock, e->world);
}

static MAYBE_UNUSED void thread_peers(struct node_end *e, struct thread_end *t, enum peer_kind kind,
                                      uint32_t shard)
{
    struct peers_conf conf = {
        .loop = t->loop,
        .kind = kind,
        .self = e->self,
        .shard = shard,
        .tls = e->tls,
        .quota = &e->quota,
        .ports = {t, on_up, on_message, on_peers_room, on_down},
    };
    t->peers = peers_new(&conf);
}

static MAYBE_UNUSED void on_accepted(void *ctx, int fd, const struct net_addr *from)
{
    struct node_end *e = ctx;
    peers_accept(e->control.peers, fd, from);
}

static MAYBE_UNUSED struct tls *node_tls(struct world *w, const char *cert)
{
    struct tls *tls = NULL;
    char why[NET_WHY_BYTES], crt[64], key[64];
    snprintf(crt, sizeof crt, "%s.crt", cert);
    snprintf(key, sizeof key, "%s.key", cert);
    struct tls_conf tc = {certs_path(w->dir, "ca.crt"), certs_path(w->dir, crt),
                          certs_path(w->dir, key), TLS_PEER_NODE};
    ck_assert_msg(tls_new(&tc, &tls, why) == GRID_OK, "%s", why);
    return tls;
}

/* `id` orders the nodes: the smaller one dials first. `cert` NULL: the node's. */
static MAYBE_UNUSED struct node_end *node_make(struct world *w, uint8_t id, uint32_t shards,
                                               const char *grid, const char *cert)
{
    static uint8_t boots;
    struct node_end *e = xcalloc(1, sizeof *e);
    char why[NET_WHY_BYTES];
    e->world = w;
    e->quota.max = 1000;
    e->shards_len = shards;
    e->tls = w->tls ? node_tls(w, cert ? cert : "server") : NULL;
    e->self.shards = shards;
    e->self.node_id[0] = id;
    e->self.boot_id[0] = ++boots;
    e->self.start = boots;
    snprintf(e->self.grid, sizeof e->self.grid, "%s", grid);
    snprintf(e->self.node, sizeof e->self.node, "n%u", id);
    thread_loop(e, &e->control);
    struct listener_conf lc = {"127.0.0.1:0", "peer", &e->quota, e, on_accepted};
    ck_assert_msg(listener_new(e->control.loop, &lc, &e->listener, why) == GRID_OK, "%s", why);
    listener_text(e->listener, e->address);
    snprintf(e->self.address, sizeof e->self.address, "%s", e->address);
    thread_peers(e, &e->control, PEER_CONTROL, 0);
    for (uint32_t s = 0; s < shards; s++) {
        thread_loop(e, &e->shards[s]);
        thread_peers(e, &e->shards[s], PEER_DATA, s);
        e->shard_peers[s] = e->shards[s].peers;
    }
    peers_set_shards(e->control.peers, e->shard_peers, shards);
    return e;
}

static MAYBE_UNUSED void node_free_all(struct node_end *e)
{
    listener_free(e->listener);
    peers_stop(e->control.peers);
    for (uint32_t s = 0; s < e->shards_len; s++)
        peers_stop(e->shards[s].peers);
    for (uint32_t s = 0; s < e->shards_len; s++)
        loop_free(e->shards[s].loop);
    loop_free(e->control.loop);
    for (uint32_t s = 0; s < e->shards_len; s++) {
        ck_assert_uint_eq(e->shards[s].ups, e->shards[s].downs);
        peers_free(e->shards[s].peers);
    }
    ck_assert_uint_eq(e->control.ups, e->control.downs);
    peers_free(e->control.peers);
    ck_assert_uint_eq(e->quota.live, 0);
    tls_free(e->tls);
    free(e);
}

/* Every node knows every other, on all threads. */
static MAYBE_UNUSED void acquaint(struct node_end *const *nodes, size_t len)
{
    struct peers_node list[8] = {0};
    for (size_t i = 0; i < len; i++) {
        memcpy(list[i].id, nodes[i]->self.node_id, PEER_ID_BYTES);
        list[i].address = nodes[i]->address;
        list[i].shards = nodes[i]->shards_len;
    }
    for (size_t i = 0; i < len; i++) {
        peers_set_nodes(nodes[i]->control.peers, list, len);
        for (uint32_t s = 0; s < nodes[i]->shards_len; s++)
            peers_set_nodes(nodes[i]->shards[s].peers, list, len);
    }
}

static MAYBE_UNUSED void thread_turn(struct thread_end *t)
{
    loop_turn(t->loop, false);
    peers_check(t->peers);
}

/* One millisecond of everyone. */
static MAYBE_UNUSED void round_all(struct node_end *const *nodes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (nodes[i]->paused)
            continue;
        thread_turn(&nodes[i]->control);
        for (uint32_t s = 0; s < nodes[i]->shards_len; s++)
            thread_turn(&nodes[i]->shards[s]);
    }
    nodes[0]->world->now++;
}

static MAYBE_UNUSED void rounds(struct node_end *const *nodes, size_t len, unsigned n)
{
    for (; n; n--)
        round_all(nodes, len);
}

static MAYBE_UNUSED uint32_t links_of(const struct thread_end *t)
{
    struct peers_stats st;
    peers_stats(t->peers, &st);
    return st.links;
}

/* All links there are to be, once each on both sides. */
static MAYBE_UNUSED bool all_up(struct node_end *const *nodes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (links_of(&nodes[i]->control) != len - 1)
            return false;
        for (uint32_t s = 0; s < nodes[i]->shards_len; s++) {
            uint32_t want = 0;
            for (size_t j = 0; j < len; j++)
                for (uint32_t t = 0; j != i && t < nodes[j]->shards_len; t++)
                    want += peers_pairs(s, nodes[i]->shards_len, t, nodes[j]->shards_len);
            if (links_of(&nodes[i]->shards[s]) != want)
                return false;
        }
    }
    return true;
}

static MAYBE_UNUSED bool until_up(struct node_end *const *nodes, size_t len, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        if (all_up(nodes, len))
            return true;
        round_all(nodes, len);
    }
    return false;
}

static MAYBE_UNUSED void world_begin(struct world *w, bool tls)
{
    *w = (struct world){.now = 1000000, .tls = tls};
    log_setup(LOG_ERROR, LOG_LOGFMT);
    snprintf(w->dir, sizeof w->dir, "/tmp/gridd-peers-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(w->dir));
    if (tls)
        certs_make(w->dir);
}

static MAYBE_UNUSED void world_end(struct world *w)
{
    static const char *const FILES[] = {"ca.crt",     "ca.key",     "server.crt",
                                        "server.key", "client.crt", "client.key"};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++)
        unlink(certs_path(w->dir, FILES[i]));
    rmdir(w->dir);
}

#endif
