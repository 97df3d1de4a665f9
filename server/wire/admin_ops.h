/* admin_ops.h - what operators ask: one list. */
#ifndef GRIDD_WIRE_ADMIN_OPS_H
#define GRIDD_WIRE_ADMIN_OPS_H

/* Codes are those of enum AdminOp in client.proto: X(NAME, code, text). */
#define ADMIN_OPS(X)                                                                               \
    X(STATUS, 1, "status")                                                                         \
    X(CONTEXT_CREATE, 2, "context create")                                                         \
    X(CONTEXT_LIST, 3, "context list")                                                             \
    X(CONTEXT_SHOW, 4, "context show")                                                             \
    X(CONTEXT_ALTER, 5, "context alter")                                                           \
    X(CONTEXT_DROP, 6, "context drop")                                                             \
    X(CACHE_CREATE, 7, "cache create")                                                             \
    X(CACHE_LIST, 8, "cache list")                                                                 \
    X(CACHE_DROP, 9, "cache drop")                                                                 \
    X(SETTINGS_LIST, 10, "settings list")                                                          \
    X(SETTINGS_SET, 11, "settings set")                                                            \
    X(PARTITION_LIST, 12, "partition list")                                                        \
    X(PARTITION_RECOVER, 13, "partition recover")                                                  \
    X(PARTITION_RESET, 14, "partition reset")                                                      \
    X(NODE_DRAIN, 15, "drain")                                                                     \
    X(NODE_UNDRAIN, 16, "undrain")                                                                 \
    X(NODE_REMOVE, 17, "remove")                                                                   \
    X(REBALANCE_PAUSE, 18, "rebalance pause")                                                      \
    X(REBALANCE_RESUME, 19, "rebalance resume")                                                    \
    X(VERIFY, 20, "verify")                                                                        \
    X(PARTITION_REPAIR, 21, "partition repair")                                                    \
    X(MODULE_DEPLOY, 22, "module deploy")                                                          \
    X(MODULE_LIST, 23, "module list")                                                              \
    X(MODULE_SHOW, 24, "module show")                                                              \
    X(MODULE_REMOVE, 25, "module remove")                                                          \
    X(SERVICE_DEPLOY, 26, "service deploy")                                                        \
    X(SERVICE_LIST, 27, "service list")                                                            \
    X(SERVICE_STOP, 28, "service stop")

enum admin_op {
#define X(name, code, text) ADMIN_##name = (code),
    ADMIN_OPS(X)
#undef X
    /* Inside the node only: answered with samples (base/metrics.h). */
    ADMIN_METRICS = 1000,
};

#endif
