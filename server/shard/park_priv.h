/* park_priv.h - what waits: ops for the cold store, results for a commit. */
#ifndef GRIDD_SHARD_PARK_PRIV_H
#define GRIDD_SHARD_PARK_PRIV_H

#include "shard/order_priv.h"

/* --- park.c: ops and results that wait -------------------------------------------------------- */

enum held { HELD_NOT = 0, HELD_GATE, HELD_LEASE };

/* A copy of an op that waits: for the cold store, at the gate, behind others. */
struct parked {
    struct list link;  /* in partition.queue; in shard.parked_ops when no client waits for it */
    struct list ready; /* in shard.ready: it is done next */
    struct op op;
    size_t bytes;
    msec_t since;
    struct partition *partition; /* in whose queue it is, or NULL */
    struct claim *claims;        /* order.c */
    uint32_t claims_len, behind; /* of them, not granted */
    uint8_t held;                /* enum held: at the gate, and why */
    bool late;                   /* one of those it waits with did so for too long: refused */
    bool gone;                   /* it is answered, and only the cold store does not know */
    uint32_t missing;            /* answers of the cold store it still waits for */
    unsigned rounds;             /* how often it was parked */
    struct more_key **more;      /* keys that its op does not name (call_do.c) */
    uint32_t more_len;
    struct more_range *range;     /* what its procedure goes through (call_range.c); or NULL */
    enum grid_err err;            /* of a cold read */
    const struct cold_page *page; /* what a SCAN asked for, or a call, while it runs */
    uint64_t absent_clean;        /* absent[] holds while nothing later than this has left memory */
    uint32_t keys;
    uint8_t *absent; /* per key of the op: known to be nowhere */
};

/* What the cold store was asked for, beside the op's own keys: number `keys` and on. */
struct more_key {
    uint64_t hash;
    uint32_t cache; /* number within the context */
    bool absent;    /* as struct parked.absent[] */
    uint16_t len;
    uint8_t key[];
};

/* A part of a cache that is brought into memory: keys that begin with `prefix`, so far up to
 * `after`. All of it is here when it is done and nothing has left memory since it was begun. */
struct more_range {
    uint32_t cache; /* number within the context */
    bool done;
    uint64_t evictions;
    uint16_t prefix_len, after_len;
    uint8_t prefix[KEY_BYTES_MAX], after[KEY_BYTES_MAX];
};

/* A result that waits for a commit (R6). */
struct waiting {
    struct heap_node node; /* in partition.waiting, by version */
    struct list lapsed;    /* in partition.lapsed: it is committed, and the lease is over */
    msec_t since;          /* ... since when */
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
/* Its place among the keys that the op does not name; NULL: it has none. */
struct more_key *parked_more_find(const struct parked *w, uint32_t cache, struct slice key,
                                  uint64_t hash, uint32_t *ret_at);
/* Make one. False: it has too many, or too much is parked. */
bool parked_more_add(struct shard *s, struct parked *w, uint32_t cache, struct slice key,
                     uint64_t hash, uint32_t *ret_at);
/* The range that its procedure goes through, made at first use. NULL: too much is parked. */
struct more_range *parked_range(struct shard *s, struct parked *w);
/* Do the op, as far as that goes now. */
void parked_run(struct shard *s, struct parked *w, msec_t now);
/* Do all that is in shard.ready. */
void parked_go(struct shard *s, msec_t now);
/* Answer `res` when `version` is committed; keeps a reference to `entry`, copies the rest.
 * False: too much is parked. */
bool wait_commit(struct shard *s, struct partition *p, uint64_t version, const struct ticket *to,
                 const struct result *res, const struct entry *entry);
/* Answer what waits for nothing any more. What the lease is missing for waits for the next one: it
 * was read before what came later was done. */
void waiting_answer(struct shard *s, struct partition *p);
/* Some wait for a lease: answer them if it is there, refuse those that waited for too long. */
void lapsed_look(struct shard *s, struct partition *p, msec_t now);
void waiting_forget(struct shard *s, struct partition *p);
/* NOT_PRIMARY to all. */
void waiting_refuse(struct shard *s, struct partition *p);
/* FEW_COPIES to all but repetitions, which may have been done (R13). */
void waiting_few(struct shard *s, struct partition *p);

/* --- cold.c: questions to the cold store ------------------------------------------------------ */

enum cold_kind {
    COLD_KEY,
    COLD_SCAN,
    COLD_WARM,
    COLD_SWEEP,
    COLD_COPY,
    COLD_DIGEST,
    COLD_SNAPSHOT
};

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
    uint64_t clean; /* when it was asked for: what has left memory since may be newer */
};

void cold_init(struct shard *s);
void cold_release(struct shard *s);
/* Whatever is answered to the questions under way is older than what the partition holds now. */
void cold_ask_again(struct shard *s, const struct partition *p);
void cold_ask_key(struct shard *s, struct partition *p, uint32_t cache, struct slice key,
                  uint64_t hash, struct parked *parked, uint32_t at);
struct snapshot;
void snapshot_answer(struct snapshot *n, const struct cold_page *page);
/* `asker`: the parked op of a COLD_SCAN, the copy of a COLD_COPY. */
void cold_ask_range(struct shard *s, struct partition *p, const struct cold_range *range,
                    void *asker);

#endif
