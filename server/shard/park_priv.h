/* park_priv.h - what waits: ops for the cold store, results for a commit. */
#ifndef GRIDD_SHARD_PARK_PRIV_H
#define GRIDD_SHARD_PARK_PRIV_H

#include "shard/partition_priv.h"

/* --- park.c: ops and results that wait -------------------------------------------------------- */

/* A copy of an op that waits for the cold store. */
struct parked {
    struct list link; /* in shard.parked_ops */
    struct op op;
    size_t bytes;
    msec_t since;
    uint32_t missing;             /* answers it still waits for */
    unsigned rounds;              /* how often it was parked */
    enum grid_err err;            /* of a cold read */
    const struct cold_page *page; /* what a SCAN asked for, while it runs */
    uint64_t absent_clean;        /* absent[] holds while nothing later than this has left memory */
    uint32_t keys;
    uint8_t *absent; /* per key of the op: known to be nowhere */
};

/* A result that waits for a commit (R6). */
struct waiting {
    struct heap_node node; /* in partition.waiting, by version */
    struct ticket to;
    struct result res;
    const struct entry *entry; /* that res.value points into, or NULL */
    size_t bytes;
};

/* Copy `op`; NULL: too much is parked. */
struct parked *parked_new(struct shard *s, const struct op *op, msec_t now);
void parked_free(struct shard *s, struct parked *w);
/* Key `at` of the op is in a checkpoint as new as `clean` not there, and not in memory. */
void parked_absent(struct parked *w, uint32_t at, uint64_t clean);
void parked_forget(struct parked *w);
/* All answers are there: do the op. */
void parked_run(struct shard *s, struct parked *w, msec_t now);
/* Answer `res` when `version` is committed; keeps a reference to `entry`, copies the rest.
 * False: too much is parked. */
bool wait_commit(struct shard *s, struct partition *p, uint64_t version, const struct ticket *to,
                 const struct result *res, const struct entry *entry);
/* Answer what waits for nothing any more. */
void waiting_answer(struct shard *s, struct partition *p);
void waiting_forget(struct shard *s, struct partition *p);
/* NOT_PRIMARY to all. */
void waiting_refuse(struct shard *s, struct partition *p);
/* FEW_COPIES to all but repetitions, which may have been done (R13). */
void waiting_few(struct shard *s, struct partition *p);

/* --- cold.c: questions to the cold store ------------------------------------------------------ */

enum cold_kind { COLD_KEY, COLD_SCAN, COLD_WARM, COLD_SWEEP, COLD_COPY, COLD_DIGEST };

struct cold {
    struct list link;    /* in its bucket (keys) */
    struct list waiters; /* of struct cold_waiter (keys) */
    enum cold_kind kind;
    uint64_t token;
    struct partition *partition;
    uint64_t asked_clean; /* the answer has everything up to this version */
    bool outdated;        /* the answer is not wanted: ask again */
    uint64_t hash;
    uint32_t cache;
    uint32_t after_cache;
    uint32_t limit;
    size_t bytes;
    void *asker;
    uint16_t key_len; /* the key, or what a range comes after */
    uint8_t key[];
};

struct cold_range {
    enum cold_kind kind; /* not COLD_KEY */
    uint32_t cache;
    uint32_t after_cache;
    struct slice after;
    uint32_t limit;
    size_t bytes;
};

struct cold_page {
    enum grid_err err;
    const struct cold_entry *entries;
    const uint32_t *caches;
    size_t len;
    bool done;
};

void cold_init(struct shard *s);
void cold_release(struct shard *s);
/* Whatever is answered to the questions under way is older than what the partition holds now. */
void cold_ask_again(struct shard *s, const struct partition *p);
void cold_ask_key(struct shard *s, struct partition *p, uint32_t cache, struct slice key,
                  uint64_t hash, struct parked *parked, uint32_t at);
/* `asker`: the parked op of a COLD_SCAN, the copy of a COLD_COPY. */
void cold_ask_range(struct shard *s, struct partition *p, const struct cold_range *range,
                    void *asker);

#endif
