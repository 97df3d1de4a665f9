/* holder.h - services of one thread of a node: which instances are here, and what they do. Pure:
 * time is an argument, effects go out by ports that only enqueue. Drawn by the simulator.
 *
 *              here, there is code               done
 *   (none) ------------------------> STARTING ----------> RUNNING --+ CALL, TICK, HEALTH
 *                 ^  ^                   | failed           |    <--+
 *                 |  | later             v                  | not here, other code, not healthy
 *                 |  +-- WAITING <-------+   done           v
 *                 +-------- or (none) <------------------ STOPPING
 *
 * An instance is here when this node leads its partition as a read needs it (R7): ports.leads() is
 * asked before each piece of work, before each answer, and at each look. When that ends, what runs
 * is over: ports.over() says so at once, its answer does not count, and STOP is run. Only then may
 * it start again. An instance that leads no more for a moment is stopped all the same. */
#ifndef GRIDD_COORDINATION_HOLDER_H
#define GRIDD_COORDINATION_HOLDER_H

#include "control/catalog.h"
#include "shard/op.h"

struct holder; /* opaque */
struct life;   /* opaque: an instance */

/* X(NAME, text) */
#define LIFE_STATES(X)                                                                             \
    X(WAITING, "waiting") /* to be started, later: it failed */                                    \
    X(NO_CODE, "no code") /* no module here, nor program, has it */                                \
    X(STARTING, "starting")                                                                        \
    X(RUNNING, "running")                                                                          \
    X(STOPPING, "stopping")

enum life_state {
#define X(name, text) LIFE_##name,
    LIFE_STATES(X)
#undef X
};

/* START, then any of the others one at a time, then STOP, whether START was done or not. */
enum service_work_kind { SERVICE_START, SERVICE_STOP, SERVICE_HEALTH, SERVICE_TICK, SERVICE_CALL };

struct service_work {
    enum service_work_kind kind;
    uint64_t token;           /* STOP: of before */
    struct slice method, arg; /* CALL; good until it is done */
};

struct service_outcome {
    bool failed;       /* text says why, with line and traceback */
    bool broken;       /* its code cannot go on: it is started anew */
    struct slice text; /* CALL: the answer, or the error; HEALTH that is false: failed */
    msec_t every_ms;   /* START: of TICK; 0: it has none */
    bool has_health;   /* START */
};

struct service_call {
    struct slice name, key; /* key: of mode KEY */
    struct slice method, arg;
    uint32_t number; /* of COPIES */
    uint64_t known;  /* services_revision of who asks: who knows less refuses */
    bool again;      /* twice is fine */
    struct ticket ticket;
};

struct holder_ports {
    void *ctx;
    /* Whether this node leads it now, as a read would need it; *ret_epoch is the partition's in the
     * state that the holder was given last. */
    bool (*leads)(void *ctx, uint32_t context, uint32_t partition, uint64_t *ret_epoch);
    /* Of mode NODE: this thread has those of this node, which has the labels. */
    bool (*labelled)(void *ctx, const char *labels);
    /* Which code there is for a service; 0: none. Another number: other code. */
    uint64_t (*code)(void *ctx, const struct service_info *info);
    /* Run it, elsewhere: answered by holder_done(), not from inside. START: with that code. */
    void (*run)(void *ctx, struct life *l, const struct service_work *w);
    /* What it is, and what runs there now, is over. */
    void (*over)(void *ctx, struct life *l);
    /* It is gone, after STOP. */
    void (*gone)(void *ctx, struct life *l);
    void (*reply)(void *ctx, const struct ticket *to, const struct result *res);
};

enum { HOLDER_QUEUE_MAX = 64, HOLDER_KEYS_MAX = 1024, HOLDER_KEY_IDLE_MS = 5 * 60 * 1000 };

struct holder *holder_new(const struct holder_ports *ports);
/* Calls are forgotten; nothing is told. Lives that are left are gone. NULL is fine. */
void holder_free(struct holder *h);
/* What is deployed has changed, or what is led, or which code there is: look at it all. `now`: ms
 * of any clock that only grows; here and below. Takes its own reference. */
void holder_set(struct holder *h, struct catalog *c, msec_t now);
/* Copies what it needs of the call, which is for that partition (0: of mode NODE). */
void holder_call(struct holder *h, const struct service_call *c, uint32_t partition, msec_t now);
void holder_done(struct holder *h, struct life *l, const struct service_outcome *o, msec_t now);
/* All is stopped, and nothing is begun any more. */
void holder_close(struct holder *h, msec_t now);
/* Leases, ticks, what starts again. Returns the ms until it wants to be called again; UINT64_MAX:
 * not by itself. */
msec_t holder_tick(struct holder *h, msec_t now);
/* Lives there are. */
size_t holder_lives(const struct holder *h);
void holder_check(const struct holder *h);

/* --- of an instance, for who runs it ---------------------------------------------------------- */

/* The service as it was deployed when the life began; stays as long as it. */
const struct service_info *life_service(const struct life *l);
uint64_t life_code(const struct life *l);
struct slice life_key(const struct life *l);
uint32_t life_number(const struct life *l);
uint32_t life_partition(const struct life *l);
/* What who runs it keeps; NULL at first. */
void **life_host(struct life *l);

struct life_facts {
    const struct service_info *info;
    uint32_t number, partition;
    struct slice key;
    const char *state;
    uint64_t token; /* 0: it is not here */
    msec_t since;   /* as `now` was */
    uint64_t calls, failures;
    struct slice error; /* the last one */
};
/* Each life, of that service (empty: all). */
void holder_each(const struct holder *h, struct slice name,
                 void (*each)(void *ctx, const struct life_facts *f), void *ctx);

#endif
