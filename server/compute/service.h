/* service.h - the code of a service that lives (control/service.h): a machine of its own, which
 * keeps what the code leaves in its variables from one call to the next; or functions in C. Pure
 * but for its host: what code asks of the grid goes there, and may wait. One thread at a time.
 *
 * The first level of the module runs when it is opened, and registers by grid.service() a table of
 * functions: start(s), stop(s), health(s), tick(s) with `every`, call(s, method, argument). `s` is
 * one table for the whole life; what it shows of the grid is in service_api.c. */
#ifndef GRIDD_COMPUTE_SERVICE_H
#define GRIDD_COMPUTE_SERVICE_H

#include "base/buf.h"
#include "compute/library.h"
#include "shard/op.h"

enum {
    SERVICE_ANSWER_MAX = 16 << 20,
    SERVICE_METHOD_MAX = 64,
    SERVICE_ERROR_MAX = 4096,
    SERVICE_EVERY_MAX = 24 * 3600 * 1000,
};

/* What code asks: GET, PUT, DELETE, INCR, EXPIRE of one key, or (CALL) a task. */
struct service_ask {
    enum op_kind kind;
    struct slice cache, key, affinity; /* cache: "context/cache", or of the service's context */
    struct slice value;                /* PUT; CALL: argument */
    struct slice task;                 /* CALL */
    int64_t delta;
    enum op_ttl ttl;
    msec_t ttl_ms;
    enum op_condition condition;
    uint64_t version;
};

struct service_got {
    struct buf value; /* the caller's; or, of an error, why */
    uint64_t version;
    int64_t number;
};

struct service_host {
    void *ctx;
    /* It may wait. GRID_EDENIED: the life is over, nothing is done for it any more. */
    enum grid_err (*ask)(void *ctx, const struct service_ask *a, struct service_got *got);
    bool (*over)(void *ctx); /* what runs is to end; STOP: the node does not wait any more */
    uint64_t (*mono_us)(void *ctx);
    msec_t (*wall_ms)(void *ctx);
    const char *node; /* name */
    struct slice key, arg;
    uint32_t number;
    /* For each run. */
    uint64_t steps, time_us;
    size_t memory;
};

struct service_code; /* opaque */

/* Borrows the host; the module's source is needed for the call alone. NULL: `ret_why` (empty
 * before) says why not, as a text of several lines. */
struct service_code *service_open(const struct module_info *m, struct slice service,
                                  const struct service_host *host, struct buf *ret_why);
/* One in C (native.h), which is borrowed. */
struct native;
struct service_code *service_open_native(const struct native *native,
                                         const struct service_host *host);
void service_close(struct service_code *c); /* NULL is fine */

struct service_facts {
    msec_t every_ms; /* of tick; 0: it has none */
    bool has_health;
};
void service_facts(const struct service_code *c, struct service_facts *ret_facts);

enum service_function {
    SERVICE_FN_START,
    SERVICE_FN_STOP,
    SERVICE_FN_HEALTH,
    SERVICE_FN_TICK,
    SERVICE_FN_CALL,
    SERVICE_FNS
};
/* Run one; absent ones but `call` are done at once. `out` (empty before) is the answer, or why it
 * failed. False: it failed; *ret_broken: the machine's memory is used up. HEALTH: false, too, when
 * it answered false or nil. */
bool service_run(struct service_code *c, enum service_function f, uint64_t token,
                 struct slice method, struct slice arg, struct buf *out, bool *ret_broken);

#endif
