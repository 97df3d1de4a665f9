/* world.h - one node in a world of one seed: virtual clock and disk around the real shards, logs
 * and checkpoints. Whatever a thread would do is an event that happens when the seed says so. */
#ifndef GRIDD_TESTS_SIM_WORLD_H
#define GRIDD_TESTS_SIM_WORLD_H

#include "base/prng.h"
#include "shard/shard.h"
#include "store/checkpoint.h"
#include "tests/sim/call.h"
#include "tests/sim/model.h"
#include "tests/sim/sabotage.h"

enum { SIM_SHARDS = 2, SIM_CLIENTS = 4, SIM_WINDOW = 3, SIM_SCANS = 2 };
enum { SIM_QUEUE = 64, SIM_VALUE_MAX = 3000, SIM_SESSION_TTL = 60000 };

struct tally {
#define X(name, text) uint64_t name;
#include "tests/sim/tally.def"
#undef X
};

struct mix { /* what this seed is like; weights of events */
    unsigned shards, keys, value_max, ttl_percent, repeat_percent;
    uint64_t memory_limit, segment_bytes, changes_max;
    unsigned write, read, scan, call, log, fold, cold, tick, leap;
    unsigned crash, stop, fault, full, drop, flip;
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
    uint64_t appended; /* the last record handed to the log */
    uint64_t durable;  /* what the log synced */
    uint64_t acked;    /* the highest lsn a client relies on */
    bool stuck;        /* no more checkpoints until the next start */
    bool purge;        /* something was dropped */
    struct cold_question *questions;
    size_t questions_len;
    struct wal_place *unmarked; /* damage that the checkpoint does not know yet */
    size_t unmarked_len;
};

struct delivery { /* an op on its way; its index is the ticket */
    bool waiting;
    bool write;
    bool keys_only;
    enum op_kind kind;
    unsigned client, slot, context, key;
    unsigned generation; /* of the context's cache */
    uint64_t number;
    uint64_t step;
    msec_t since;
    enum grid_err status;
    int64_t counted;
};

struct client {
    struct request window[SIM_WINDOW];
    uint64_t next;
};

struct scan_walk { /* of one partition, page by page */
    bool open, waiting, keys_only, numbered;
    unsigned context, partition;
    uint64_t number; /* the cursor, when it is one */
    unsigned prefix; /* length of the keys' text that must agree with key_text(first) */
    uint32_t limit;
    uint64_t from; /* keys there ever since this step must come */
    msec_t since;
    bool seen[SIM_KEYS];
    uint8_t cursor[600];
    size_t cursor_len;
};

struct world {
    uint64_t seed;
    enum sabotage sabotage;
    struct prng prng;
    struct mix mix;
    struct tally tally;
    struct disk *disk;
    struct catalog *catalog;
    uint32_t caches[SIM_CONTEXTS];
    unsigned generations[SIM_CONTEXTS]; /* +1 when the cache was dropped and made again */
    struct node_shard shards[SIM_SHARDS];
    struct model model;
    struct client clients[SIM_CLIENTS];
    struct scan_walk scans[SIM_SCANS];
    struct delivery *deliveries;
    size_t deliveries_len;
    struct call_sent *calls;
    size_t calls_len;
    struct call_sent *running; /* the last that ran */
    msec_t now;
    uint64_t step, epoch;
    bool dead;    /* the disk failed: the process ends */
    bool flipped; /* bits were flipped: DAMAGED is an answer */
    bool full;    /* the disk may be full */
    bool calm;    /* faults have stopped */
    bool failed;
    char why[400];
    struct story *story; /* a told scenario instead of clients and model; NULL: none */
};

/* Keeps what was said first; the run ends. */
void world_fail(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool chance(struct world *w, unsigned percent);
uint64_t below(struct world *w, uint64_t n);

/* One seed from start to end; seed and sabotage are set. */
void world_run(struct world *w);
void world_release(struct world *w);

/* --- catalog.c: contexts and caches ----------------------------------------------------------- */

void contexts_make(struct world *w);
/* The cache of a context, or the context with it, goes, and one of the same name comes. */
void cache_make_again(struct world *w, unsigned context);
void context_make_again(struct world *w, unsigned context);
/* SIM_CONTEXTS: it was dropped. */
unsigned context_of(const struct world *w, uint32_t id);

/* --- node.c, start.c: the node ---------------------------------------------------------------- */

struct node_shard *node_of_key(struct world *w, unsigned key);
void node_make(struct world *w);
void node_crash(struct world *w);
enum flip { FLIP_NONE, FLIP_STOPPED, FLIP_CRASHED };
/* Everything synced and closed, or (FLIP_CRASHED) a crash; one bit flipped; then started again. */
void node_restart(struct world *w, enum flip flip);
/* An operator gives up what a damaged partition lost; everything is folded in before. */
void node_give_up(struct world *w, struct node_shard *n, uint32_t context, uint16_t partition);
/* One bit of a log or of the store, while it is in use. */
void node_flip_log(struct world *w);
void node_flip_store(struct world *w, struct node_shard *n);
/* One of the things the threads do, any. */
void node_log(struct world *w, struct node_shard *n);
void node_fold(struct world *w, struct node_shard *n);
struct cold_entry cold_entry_of(const struct checkpoint_entry *e);
void node_cold(struct world *w, struct node_shard *n);
void node_release(struct world *w);

/* What node_log() and node_fold() choose from. */
void log_close(struct world *w, struct node_shard *n);
void log_write(struct world *w, struct node_shard *n);
void log_sync(struct world *w, struct node_shard *n);
void log_tell(struct world *w, struct node_shard *n);
void fold_run(struct world *w, struct node_shard *n);
void fold_prepare(struct world *w, struct node_shard *n);
void fold_purge(struct world *w, struct node_shard *n);
void fold_tell(struct world *w, struct node_shard *n);
/* What the store or the disk said: EIO ends the process, a full disk is told where one is full. */
void disk_answer(struct world *w, enum grid_err err, const char *why);
void batch_open(struct node_shard *n);
void batch_close(struct node_shard *n);
void damage_add(struct node_shard *n, uint32_t context, uint16_t partition);
enum grid_err damage_mark(struct node_shard *n, char *why);
extern const struct shard_ports node_ports; /* ctx is to be set */

/* --- client.c: requests and reads ------------------------------------------------------------- */

void client_write(struct world *w);
void client_read(struct world *w);
void client_crashed(struct world *w);
/* The cache of `context` was dropped: nobody waits any more. */
void client_dropped(struct world *w, unsigned context);
bool client_busy(const struct world *w);
struct delivery *delivery_add(struct world *w, struct op *op, unsigned context);
void op_send(struct world *w, struct op *op);
void read_send(struct world *w, unsigned context, unsigned key, bool keys_only);

/* --- answer.c: what is held against records and answers --------------------------------------- */

void client_reply(struct world *w, const struct ticket *to, const struct result *res);
/* A record on its way to the log: does it follow from the model? */
void client_record(struct world *w, const struct record *r, uint64_t lsn);

/* --- scan.c ----------------------------------------------------------------------------------- */

void scan_send(struct world *w);
void scan_reply(struct world *w, struct scan_walk *s, const struct delivery *d,
                const struct result *res);
void scan_crashed(struct world *w);
void scan_dropped(struct world *w, unsigned context);

/* --- agree.c: the quiet end ------------------------------------------------------------------- */

/* Every key and count is as the model has it, everything folds, the log gets short. */
void world_agree(struct world *w);
void count_agrees(struct world *w, unsigned context, unsigned partition);

/* --- story.c --- */

void story_reply(struct story *s, const struct ticket *to, const struct result *res);
/* Told with one fate of what was not synced. NULL: it ends well; else what broke. */
const char *story_run(const char *name, unsigned fate);

#endif
