/* doors.c - the addresses a node is reached at, and what is spoken at each. */
#include "node/node_priv.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

static void entered(void *ctx, int fd, const struct net_addr *peer)
{
    struct entrance *e = ctx;
    struct node *n = e->node;
    unsigned shard = e->shard >= 0 ? (unsigned)e->shard : n->next_worker++ % n->shards;
    worker_accept(&n->workers[shard], fd, peer, e);
}

static enum grid_err entrance_open(struct node *n, const struct door *door, const char *name,
                                   const char *address, int shard, char *why)
{
    struct entrance *e = &n->entrances[n->entrances_len];
    CHECK(n->entrances_len < ENTRANCES_MAX);
    *e = (struct entrance){.node = n, .door = door, .shard = shard};
    struct listener_conf conf = {address, name, &n->quota, e, entered};
    enum grid_err err = listener_new(n->loop, &conf, &e->listener, why);
    if (!err)
        n->entrances_len++;
    return err;
}

enum grid_err doors_open(struct node *n, char *why)
{
    const struct {
        const struct door *door;
        const char *name, *address;
    } doors[] = {
        {&grid_door, "client", n->conf.listen_client},
    };
    for (size_t i = 0; i < sizeof doors / sizeof *doors; i++) {
        if (!doors[i].address)
            continue;
        enum grid_err err =
            entrance_open(n, doors[i].door, doors[i].name, doors[i].address, -1, why);
        if (err)
            return err;
    }
    return GRID_OK;
}

void doors_close(struct node *n)
{
    for (unsigned i = 0; i < n->entrances_len; i++)
        listener_free(n->entrances[i].listener);
    n->entrances_len = 0;
}
