/* admin.h - what gridctl asks of a node and is told, as plain structs. A request is copied to the
 * control thread as it is, and what it borrows (a source) beside it. A reply borrows everything; it
 * is encoded where it is made, and travels as bytes. */
#ifndef GRIDD_WIRE_ADMIN_H
#define GRIDD_WIRE_ADMIN_H

#include "base/buf.h"
#include "control/catalog.h"
#include "control/settings.h"
#include "wire/admin_ops.h"
#include "wire/arena.h"

enum {
    PATH_BYTES_MAX = 2 * NAME_BYTES_MAX + 1, /* context/cache */
    VERIFY_MAX = 256,                        /* partitions of one request */
};

/* CONTEXT_ALTER: which fields of `context` shall change; the names in Admin.fields are those of
 * ContextInfo. */
enum context_field {
    FIELD_BACKUPS = 1,
    FIELD_DURABILITY = 2,
    FIELD_MEMORY_LIMIT = 4,
    FIELD_MIN_IN_SYNC = 8,
    FIELD_NODES = 16,
    FIELD_FULL_POLICY = 32,
};

struct admin_request {
    enum admin_op op;
    /* Context, context/cache, setting, node, module or service. MODULE_DEPLOY: empty, as the
     * source says; MODULE_REMOVE: empty, all (inside the node only). */
    char name[PATH_BYTES_MAX + 1];
    struct context_info context;    /* CONTEXT_*, PARTITION_REPAIR; ids 0, caches NULL */
    unsigned fields;                /* CONTEXT_ALTER: enum context_field, or-ed */
    msec_t ttl_ms;                  /* CACHE_CREATE */
    int64_t value;                  /* SETTINGS_SET */
    uint32_t partition;             /* PARTITION_*; VERIFY: the first of `count` */
    uint32_t count;                 /* VERIFY, up to VERIFY_MAX */
    uint64_t only[VERIFY_MAX / 64]; /* between nodes: which of them, a bit each */
    bool freeze;                    /* likewise: let writes to them wait for a moment */
    bool all_partitions;
    bool accept_loss;       /* PARTITION_RECOVER, NODE_REMOVE */
    bool replace;           /* MODULE_DEPLOY: the one of its name */
    struct slice source;    /* MODULE_DEPLOY; SERVICE_DEPLOY: its argument */
    enum service_mode mode; /* SERVICE_DEPLOY; its context is context.name, empty: default */
    uint32_t copies;        /* ... of mode COPIES */
    char labels[SERVICE_LABELS_BYTES + 1]; /* ... of mode NODE */
    bool json;                             /* the reply, by wire_admin_reply_json() */
};

struct admin_context {
    const struct context_info *info;
    uint64_t entries;
    uint64_t bytes;
    uint32_t copies; /* that the nodes there are can hold */
};

struct admin_cache {
    const struct context_info *context;
    const struct cache_info *info;
    uint64_t entries;
};

struct admin_module {
    const struct module *module;
    bool with_source;
};

/* Of a service, somewhere. */
struct admin_instance {
    const char *service; /* between nodes: MODULE.SERVICE */
    uint32_t number;     /* SINGLETON, COPIES: which of them */
    struct slice key;    /* KEY */
    uint32_t partition;  /* ... but of NODE */
    const char *node;    /* name; "": nobody has it */
    const char *state;   /* "running", "starting", ... */
    uint64_t token;      /* 0: none */
    uint64_t since_ms;   /* unix ms; when it came to this state */
    uint64_t calls, failures;
    const char *error; /* the last one; several lines; "" */
};

struct admin_service {
    const struct service_info *info;
    const char *context;
    const struct admin_instance *instances;
    size_t instances_len;
};

struct admin_copy { /* VERIFY: of a partition */
    const char *node;
    uint64_t version, digest, entries;
    const char *state; /* "ok", or why it could not be compared */
};

struct admin_partition {
    const char *context;
    uint32_t partition;
    uint32_t shard; /* from 0 here, from 1 on the wire */
    uint64_t epoch;
    uint64_t seq;
    uint64_t entries;
    const char *state;   /* "ok", "warming", "damaged", "lost"... */
    const char *primary; /* name; NULL: nobody */
    const char *const *in_sync;
    size_t in_sync_len;
    const char *const *joining;
    size_t joining_len;
    uint64_t version, digest; /* between nodes */
    const struct admin_copy *copies;
    size_t copies_len;
};

struct admin_metric {
    const char *name;
    uint64_t value;
    const char *unit;
    bool counter; /* else a gauge */
};

struct admin_node {
    const char *name;
    const uint8_t *node_id; /* 16 bytes */
    const char *address;
    const char *version;
    uint64_t uptime_ms;
    uint32_t shards;
    const char *const *labels;
    size_t labels_len;
    const char *state; /* "serving", "recovering", "stopping", "down", "draining" */
    const struct admin_metric *metrics;
    size_t metrics_len;
    uint32_t number; /* from here on: in a grid of several */
    bool voter, leader;
    uint32_t primaries, copies, joining, kept;
    uint32_t level; /* feature level that it knows */
};

struct admin_status {
    const char *grid;
    bool healthy;
    const char *const *problems; /* one line each */
    size_t problems_len;
    const char *const *notes; /* likewise: to be known, and nothing is wrong */
    size_t notes_len;
    const struct admin_node *nodes;
    size_t nodes_len;
    uint32_t contexts;
    uint32_t caches;
    uint64_t entries;
    uint64_t partitions;
    uint64_t partitions_damaged;
    uint64_t revision;
    uint64_t bytes; /* in memory */
    uint64_t unled, lost, short_of_copies, below_min, joining, bytes_left, misplaced, unplaced;
    bool rebalance_paused;
    uint32_t level; /* feature level of the grid */
};

/* What an operation does not give stays zero. Strings are UTF-8; NULL is "". */
struct admin_reply {
    const struct admin_status *status;
    const struct admin_context *contexts;
    size_t contexts_len;
    const struct admin_cache *caches;
    size_t caches_len;
    const int64_t *settings; /* SETTINGS_LEN values in the order of settings.def, or NULL */
    const struct admin_partition *partitions;
    size_t partitions_len;
    const struct admin_module *modules;
    size_t modules_len;
    const struct admin_service *services;
    size_t services_len;
    const struct admin_instance
        *instances; /* between nodes: of all services that it was asked for */
    size_t instances_len;
    uint64_t revision;
    uint32_t verified; /* VERIFY: partitions that are equal everywhere */
    uint64_t entries;  /* ... and what is in them */
    uint64_t went_on;  /* PARTITION_RECOVER, PARTITION_RESET: partitions that it was done for */
};

/* "context create"; "?" for a number that is none. */
const char *admin_op_text(enum admin_op op);
bool admin_op_known(unsigned code);

/* Append the encoded AdminReply message to `out`; hand it to grid_session_admin_result() on the
 * session's thread. */
void wire_admin_reply_encode(const struct admin_reply *reply, struct buf *out);
/* The same of a status or a list of caches as a JSON object. */
void wire_admin_reply_json(const struct admin_reply *reply, struct buf *out);

/* --- between nodes (WIRE_PEER_ADMIN on control links) ----------------------------------------- */

/* A question is asked by one node and answered by another with what it has itself. Replies name
 * contexts and caches by id, and have no settings. */
struct admin_letter {
    bool is_answer;
    uint64_t number; /* of the asker's question */
    /* Not 0: nothing is asked for, but an answer as soon as this revision is known there. */
    uint64_t known;
    /* Of `request`: op, name, context.name, partition, count, only, all_partitions,
     * freeze. */
    struct admin_request request;
    enum grid_err err; /* of an answer */
    struct slice why;
    struct slice reply; /* as by wire_admin_reply_encode(); empty with an error */
};
void wire_admin_letter_encode(const struct admin_letter *l, struct buf *out);
/* Borrows from `in`. */
MUST_USE
enum grid_err wire_admin_letter_decode(struct slice in, struct admin_letter *ret_letter);
/* What the reply borrows is of the arena. GRID_EBAD_REQUEST: it is none. */
MUST_USE
enum grid_err wire_admin_reply_decode(struct slice in, struct arena *arena,
                                      struct admin_reply *ret_reply);

#endif
