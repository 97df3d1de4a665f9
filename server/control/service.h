/* service.h - services that are deployed: code of a module that lives, and is called by name. Part
 * of the catalog; immutable and reference-counted (atomically), as modules are.
 *
 * An instance of a SINGLETON, and each of COPIES, is bound to one partition of the service's
 * context: who leads that has it. So there is one at most (R1, R7), and it moves as partitions do.
 * One of KEY lives where its key is led; one of NODE on each node that has the labels.
 * COPIES are bound to other partitions when a node leads two of them, and another none (plan.h):
 * until who had it hears of that there may be two, of different tokens.
 * Its fencing token is (version of the instance, epoch of the partition) as one number; a version
 * is the revision of services that deployed or moved it, which none has twice. Both are of one
 * state of the grid, so tokens grow, over all deployments of a name, and two holders never have the
 * same. */
#ifndef GRIDD_CONTROL_SERVICE_H
#define GRIDD_CONTROL_SERVICE_H

#include "control/module.h"

enum {
    SERVICE_NAME_BYTES = 2 * MODULE_NAME_MAX + 1, /* MODULE.SERVICE */
    SERVICE_COPIES_MAX = 32,
    SERVICE_LABELS_BYTES = 129, /* LABEL=VALUE */
    SERVICE_ARG_MAX = 4096,
    SERVICES_MAX = 128,
    SERVICE_EPOCH_BITS = 24, /* of a token; as versions of entries have */
};

/* X(NAME, code, text) */
#define SERVICE_MODES(X)                                                                           \
    X(SINGLETON, 0, "singleton")                                                                   \
    X(NODE, 1, "node")                                                                             \
    X(KEY, 2, "key")                                                                               \
    X(COPIES, 3, "copies")

enum service_mode {
#define X(name, code, text) SERVICE_##name = (code),
    SERVICE_MODES(X)
#undef X
        SERVICE_MODES_LEN
};

struct service_info {
    char name[SERVICE_NAME_BYTES + 1];
    enum service_mode mode;
    uint32_t context;                      /* id */
    uint32_t copies;                       /* COPIES: 1..SERVICE_COPIES_MAX; others: 1 */
    char labels[SERVICE_LABELS_BYTES + 1]; /* NODE: LABEL=VALUE; empty: all nodes */
    uint64_t version;
    uint16_t partitions[SERVICE_COPIES_MAX]; /* SINGLETON, COPIES: of instance i */
    uint64_t bound[SERVICE_COPIES_MAX]; /* COPIES: revision that moved it there; 0: `version` did */
    struct slice arg;                   /* any bytes, for its code */
    bool native; /* its code is in C (compute/native.h), which nodes have, not the catalog */
};

struct service {
    struct service_info info;
    unsigned refs; /* private */
};

/* A copy of what is borrowed; one reference, the caller's. */
struct service *service_new(const struct service_info *info);
struct service *service_ref(struct service *s);
void service_unref(struct service *s); /* NULL is fine */
/* Instances that are bound to a partition. */
static inline uint32_t service_bound(const struct service_info *info)
{
    return info->mode == SERVICE_SINGLETON || info->mode == SERVICE_COPIES ? info->copies : 0;
}
/* Of one instance: that of the service, until it is bound to another partition. */
static inline uint64_t service_version(const struct service_info *info, uint32_t number)
{
    bool moved = number < service_bound(info) && info->bound[number];
    return moved ? info->bound[number] : info->version;
}
static inline uint64_t service_token(uint64_t version, uint64_t epoch)
{
    return version << SERVICE_EPOCH_BITS | (epoch & ((UINT64_C(1) << SERVICE_EPOCH_BITS) - 1));
}
static inline uint32_t service_token_epoch(uint64_t token)
{
    return (uint32_t)(token & ((UINT64_C(1) << SERVICE_EPOCH_BITS) - 1));
}
/* The `choice`-th partition of `partitions` (a power of two) that instance `i` may be bound to. */
uint16_t service_candidate(struct slice name, uint32_t i, uint32_t choice, uint32_t partitions);
/* NULL, or what is wrong with it by itself. Static. */
const char *service_fault(const struct service_info *info);
const char *service_mode_text(enum service_mode mode); /* "singleton"... */
/* False: there is none of that text. */
bool service_mode_named(struct slice text, enum service_mode *ret_mode);

#endif
