/* embed_priv.h - what the files of libgridd share. */
#ifndef GRIDD_EMBED_PRIV_H
#define GRIDD_EMBED_PRIV_H

#include "gridd.h"

#include "base/log.h"
#include "node/node.h"

struct grid_node {
    struct node *node;
    struct conf *conf; /* it was started with: the node borrows it */
    struct log_sink log;
    void *ctx;
    void (*told)(void *ctx, enum grid_log_level level, const char *part, const char *text);
    void (*fault)(void *ctx, const char *why);
};

#endif
