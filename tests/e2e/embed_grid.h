/* embed_grid.h - three nodes in this process that form a grid: a, b and c. */
#ifndef GRIDD_TESTS_E2E_EMBED_GRID_H
#define GRIDD_TESTS_E2E_EMBED_GRID_H

#include "tests/e2e/embed.h"

struct trio {
    struct grid_node *node[NODES];
    struct grid_node_conf conf[NODES];
    struct seen *seen[NODES];
    char path[NODES][PATH_BYTES], client[NODES][32], peer[NODES][32];
    const char *peers[NODES + 1];
};

static MAYBE_UNUSED bool trio_start_one(struct trio *t, unsigned i)
{
    char why[GRID_NODE_WHY_BYTES] = "";
    t->node[i] = grid_node_start(&t->conf[i], why);
    if (!t->node[i])
        printf("# %s: %s\n", t->conf[i].name, why);
    return t->node[i] != NULL;
}

static MAYBE_UNUSED bool trio_start(struct trio *t, const char *folder)
{
    static const char *const names[NODES] = {"a", "b", "c"};
    bool good = true;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%.100s/%s", root, folder);
    mkdir(path, 0700);
    for (unsigned i = 0; i < NODES; i++) {
        snprintf(t->client[i], sizeof t->client[i], "127.0.0.1:%u", look_free_port());
        snprintf(t->peer[i], sizeof t->peer[i], "127.0.0.1:%u", look_free_port());
        t->peers[i] = t->peer[i];
    }
    t->peers[NODES] = NULL;
    for (unsigned i = 0; i < NODES; i++) {
        t->seen[i] = seen_new();
        t->conf[i] = alone(t->path[i], names[i], t->seen[i]);
        snprintf(t->path[i], PATH_BYTES, "%.100s/%s/%s", root, folder, names[i]);
        t->conf[i].client = t->client[i];
        t->conf[i].peer = t->peer[i];
        t->conf[i].peers = t->peers;
        t->conf[i].bootstrap_expect = NODES;
        good = trio_start_one(t, i) && good;
    }
    return good;
}

static MAYBE_UNUSED void trio_free(struct trio *t)
{
    for (unsigned i = 0; i < NODES; i++) {
        double began = look_now_s();
        grid_node_stop(t->node[i]);
        printf("# %s stopped in %.1f s\n", t->conf[i].name, look_now_s() - began);
        free(t->seen[i]);
    }
}

/* Until nothing is short of copies, seen by node `at`. */
static MAYBE_UNUSED bool healthy_soon(struct trio *t, unsigned at)
{
    struct grid_cache *c;
    struct grid *g = client_of(t->node[at], &c);
    bool healthy = false;
    for (double began = look_now_s(); g && !healthy && look_again(began);) {
        struct grid_status *s;
        if (grid_get_status(g, &s))
            continue;
        healthy = s->healthy && s->nodes_len == NODES && !s->short_of_copies && !s->misplaced;
        grid_free(s);
    }
    if (g)
        grid_close(g);
    return healthy;
}

#endif
