/* nodes.h - whole nodes in this process, on directories of their own: one alone, or several that
 * form a grid. */
#ifndef GRIDD_TESTS_NODE_NODES_H
#define GRIDD_TESTS_NODE_NODES_H

#include "node/inside.h"
#include "node/node_priv.h"
#include "tests/lib/look.h"
#include "tests/lib/unit.h"

#include "base/alloc.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAYBE_UNUSED __attribute__((unused))
enum { NODES_MAX = 3 };

struct nodes {
    char root[64];
    char names[NODES_MAX][8], data[NODES_MAX][80], peer[NODES_MAX][32];
    const char *peers[NODES_MAX];
    struct node_conf conf[NODES_MAX];
    struct node *node[NODES_MAX];
    unsigned len;
};

static void nodes_line(void *ctx, enum log_level level, const char *room, const char *text)
{
    (void)ctx, (void)level, (void)room, (void)text;
}
static struct log_sink nodes_silence = {.level = LOG_ERROR, .line = nodes_line};

static MAYBE_UNUSED void nodes_start_one(struct nodes *t, unsigned i)
{
    char why[NODE_WHY_BYTES] = "";
    enum grid_err err = node_start(&t->conf[i], why, &t->node[i]);
    ck_assert_msg(!err, "%s: %s", t->conf[i].name, why);
}

/* 1: alone, a grid of one for ever. */
static MAYBE_UNUSED void nodes_start(struct nodes *t, unsigned len)
{
    static const struct node_conf usual = {.grid = "test",
                                           .listen_client = "127.0.0.1:0",
                                           .shards = 2,
                                           .segment_bytes = 4 << 20,
                                           .memory_bytes = 64 << 20,
                                           .connections = 100,
                                           .requests = 1024,
                                           .output_bytes = 1 << 20,
                                           .log = &nodes_silence};
    *t = (struct nodes){.len = len};
    log_use(&nodes_silence);
    snprintf(t->root, sizeof t->root, "/tmp/gridd-nodes-XXXXXX");
    ck_assert(mkdtemp(t->root));
    for (unsigned i = 0; i < len; i++) {
        snprintf(t->names[i], sizeof t->names[i], "n%u", i);
        snprintf(t->data[i], sizeof t->data[i], "%s/%s", t->root, t->names[i]);
        snprintf(t->peer[i], sizeof t->peer[i], "127.0.0.1:%u", look_free_port());
        t->peers[i] = t->peer[i];
        t->conf[i] = usual;
        t->conf[i].name = t->names[i];
        t->conf[i].data = t->data[i];
        if (len == 1)
            continue;
        t->conf[i].listen_peer = t->peer[i];
        t->conf[i].peers = t->peers;
        t->conf[i].peers_len = len;
        t->conf[i].bootstrap_expect = len;
    }
    for (unsigned i = 0; i < len; i++)
        nodes_start_one(t, i);
}

static MAYBE_UNUSED void nodes_stop_one(struct nodes *t, unsigned i)
{
    node_stop(t->node[i]);
    t->node[i] = NULL;
}

static MAYBE_UNUSED void nodes_stop(struct nodes *t)
{
    char command[96];
    for (unsigned i = 0; i < t->len; i++)
        nodes_stop_one(t, i);
    snprintf(command, sizeof command, "rm -rf '%s'", t->root);
    ck_assert_int_eq(system(command), 0);
}

#define NODES_CACHE "default/default"

/* An op on one key of the default cache, placed. ENTERING until the node knows of it. */
static MAYBE_UNUSED struct op nodes_op(struct node *n, enum op_kind kind, const char *key,
                                       const char *value)
{
    struct op op = {.kind = kind, .value = slice_str(value)};
    const char *why;
    ck_assert_int_eq(
        inside_place(n, slice_str(NODES_CACHE), slice_str(key), slice_str(""), &op, &why), GRID_OK);
    return op;
}

static MAYBE_UNUSED enum grid_err nodes_do(struct node *n, enum op_kind kind, const char *key,
                                           const char *value, char *ret_value, size_t size)
{
    struct inside_answer a;
    struct op op = nodes_op(n, kind, key, value);
    inside_wait(n, &op, &a);
    enum grid_err err = a.result.status;
    if (!err && ret_value)
        snprintf(ret_value, size, "%.*s", (int)a.result.value.len,
                 (const char *)a.result.value.data);
    inside_answer_release(&a);
    return err;
}

/* Until it serves what is asked. */
static MAYBE_UNUSED void nodes_ready(struct node *n)
{
    enum grid_err err = GRID_EENTERING;
    for (double began = look_now_s(); err;) {
        err = nodes_do(n, OP_PUT, "are you there", "yes", NULL, 0);
        if (err)
            ck_assert_msg(look_again(began), "it is %s", err_text(err));
    }
}

#endif
