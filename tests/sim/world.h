/* world.h - one node in a world of one seed: virtual clock and disk around the real shards, logs
 * and checkpoints. Whatever a thread would do is an event that happens when the seed says so. */
#ifndef GRIDD_TESTS_SIM_WORLD_H
#define GRIDD_TESTS_SIM_WORLD_H

#include "base/prng.h"
#include "shard/shard.h"
#include "store/checkpoint.h"
#include "tests/sim/model.h"

enum { SIM_SHARDS = 2, SIM_CLIENTS = 4, SIM_WINDOW = 3, SIM_QUEUE = 64, SIM_VALUE_MAX = 3000 };

struct mix { /* what this seed is like; weights of events */
    unsigned shards, keys, value_max, ttl_percent, repeat_percent;
    uint64_t memory_limit, segment_bytes, changes_max;
    unsigned write, read, log, fold, cold, tick, crash, stop, fault, full, flip;
    unsigned steps;
};

struct cold_question {
    uint64_t token;
    bool scan;
    uint32_t context, cache, after_cache, limit;
    uint16_t partition;
    size_t bytes;
    struct buf key;
};

struct node_shard {
    struct world *world;
    unsigned index;
    struct shard *shard;
    struct wal *wal;
    struct checkpoint *checkpoint;
    struct store_mem *store;
    struct wal_batch *batches[SIM_QUEUE]; /* the last one is open */
    unsigned batches_len;
    uint64_t durable;      /* what the log synced */
    uint64_t told;         /* what the shard was told of it */
    uint64_t acked;        /* the highest lsn a client relies on */
    uint64_t checkpointed; /* told */
    bool stuck;            /* no more checkpoints until the next start */
    struct cold_question *questions;
    size_t questions_len;
    struct wal_place *places; /* while recovering */
    size_t places_len;
};

struct delivery { /* an op on its way; its index is the ticket */
    bool waiting;
    bool write;
    enum op_kind kind;
    unsigned client, slot, context, key;
    uint64_t number;
    uint64_t step;
    msec_t since;
    struct state seen; /* COUNT, GET at the end */
    enum grid_err status;
    int64_t counted;
};

struct client {
    struct request window[SIM_WINDOW];
    uint64_t next;
};

struct world {
    uint64_t seed;
    struct prng prng;
    struct mix mix;
    struct disk *disk;
    struct catalog *catalog;
    uint32_t caches[SIM_CONTEXTS];
    struct node_shard shards[SIM_SHARDS];
    struct model model;
    struct client clients[SIM_CLIENTS];
    struct delivery *deliveries;
    size_t deliveries_len;
    msec_t now;
    uint64_t step, epoch;
    bool dead;    /* the disk failed: the process ends */
    bool flipped; /* bits were flipped: DAMAGED is an answer */
    bool full;    /* the disk may be full */
    bool calm;    /* faults have stopped */
    bool verbose, failed;
    uint64_t crashes, writes, reads, repeats;
};

/* Says so once, with the seed; the run ends. */
void world_fail(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool chance(struct world *w, unsigned percent);
uint64_t below(struct world *w, uint64_t n);

/* One seed from start to end; w->seed and verbose are set. */
void world_run(struct world *w);

void node_make(struct world *w);
void node_start(struct world *w, bool create);
void node_crash(struct world *w);
/* Everything synced and closed, then started again; `flip`: with one bit of a log flipped. */
void node_restart(struct world *w, bool flip);
void node_log(struct world *w, struct node_shard *n);
void node_fold(struct world *w, struct node_shard *n);
void node_cold(struct world *w, struct node_shard *n);
void node_release(struct world *w);
struct node_shard *node_of_key(struct world *w, unsigned key);

void client_write(struct world *w);
void client_read(struct world *w);
void client_reply(void *ctx, const struct ticket *to, const struct result *res);
/* A record on its way to the log: does it follow from the model? */
void client_record(struct world *w, struct node_shard *n, const struct record *r, uint64_t lsn);
void client_crashed(struct world *w);
bool client_busy(const struct world *w);
/* All quiet: every key and count is as the model has it. */
void client_agree(struct world *w);

#endif
