/* shard_priv.h - what the files of this room share. See README.md for the reading order. */
#ifndef GRIDD_SHARD_SHARD_PRIV_H
#define GRIDD_SHARD_SHARD_PRIV_H

#include "base/alloc.h"
#include "control/settings.h"
#include "shard/call_priv.h"
#include "shard/park_priv.h"
#include "shard/promise_priv.h"
#include "shard/scan_priv.h"

enum {
    PARKED_MAX = 100000,          /* ops that wait in one shard */
    PARKED_BYTES_MAX = 256 << 20, /* and what they hold */
    ROUTES = 64,                  /* remembered cache lookups */
    COLD_BUCKETS = 4096,
    COLD_ROUNDS_MAX = 16, /* how often one op goes back to the cold store */
    SHOWN_KEEP = 1 << 20, /* of shard.shown */
    HOLD_MS_MAX = 3000,   /* what waits at the gate, or for a lease, is refused then */
};

/* --- the shard -------------------------------------------------------------------------------- */

struct route {
    const struct cache_info *cache;
    struct shard_context *context;
};

/* The pass through the checkpoint for what has expired there (sweep.c). */
struct sweep {
    struct partition *partition; /* NULL: none */
    bool asked;                  /* a page is under way */
    msec_t next_at;
    msec_t earliest; /* deadline seen that is still to come; 0: none */
    uint32_t cache;  /* where it goes on */
    uint16_t after_len;
    uint8_t after[KEY_BYTES_MAX];
};

struct shard {
    struct shard_conf conf;
    struct shard_ports ports;
    struct catalog *catalog;
    struct route routes[ROUTES];
    struct shard_context **contexts; /* by id */
    uint32_t contexts_len;
    struct entry_pool *pool;
    struct list partitions; /* all, dropped ones too; rotated by tick and eviction */
    size_t partitions_len;
    uint64_t bytes;
    struct heap expiry;        /* of partition.expiry: sync, async */
    struct heap expiry_memory; /* and memory contexts, which a full log does not hold up */
    struct marks marks;
    struct inflight *inflight; /* ring, by lsn */
    size_t inflight_first, inflight_len, inflight_cap;
    struct list parked_ops, ready;
    size_t parked, parked_bytes;
    struct cold **cold; /* by slot */
    uint32_t cold_len, cold_cap;
    uint32_t *cold_free;
    uint32_t cold_free_len;
    uint32_t cold_generation;
    struct list cold_buckets[COLD_BUCKETS];
    struct order order;
    unsigned warm_reads;
    struct sweep sweep;
    struct promises promises;
    struct list digests; /* being made */
    struct list doomed;  /* contents being freed */
    struct buf digest_bytes;
    msec_t now;              /* of the last turn or tick, unix ms */
    uint64_t logged;         /* lsn of the last record given to the log */
    struct list holding;     /* partitions where ops wait at the gate */
    struct sharing *sharing; /* with other nodes (others_priv.h); NULL: there are none */
    struct key_state *keys;  /* scratch */
    uint32_t keys_cap;
    struct effect *effects;
    uint32_t effects_cap;
    struct call_memory call;
    struct scan_item *items;
    uint32_t items_cap;
    struct scan_numbers scan_numbers;
    struct buf shown; /* values of maps, as an answer shows them */
    const struct entry **bucket;
    size_t bucket_cap;
    struct shard_stats stats;
};

/* A cache's info and context, remembered until the catalog changes. NULL: no such cache. */
const struct route *route_find(struct shard *s, uint32_t cache_id);
struct shard_context *shard_context_of(const struct shard *s, uint32_t id);
struct key_state *scratch_keys(struct shard *s, uint32_t len);
struct effect *scratch_effects(struct shard *s, uint32_t len);
/* Largest value that may be put, or shown. */
size_t shard_value_max(const struct shard *s);

/* --- job.c: one op being done ----------------------------------------------------------------- */

struct key_state { /* one key of a write */
    const struct op *op;
    struct slice key;
    const struct cache_info *cache;
    uint64_t hash;
    const struct entry *stored; /* what is there, expired or not */
    const struct entry *live;   /* the same, NULL when expired */
    uint64_t seen;              /* version of the entry or tombstone that was looked at */
    bool missing;               /* on disk perhaps */
    int64_t number;
    uint8_t text[20];
};

struct job {
    struct shard *s;
    const struct op *op;
    struct parked *parked; /* the copy, when it was parked before */
    bool kept;             /* it is parked again */
    struct shard_context *context;
    const struct cache_info *cache;
    struct partition *partition;
    msec_t now;
    struct key_state *keys;
    uint32_t keys_len;
    struct key_state key;
    uint64_t depends;                     /* version a refusal, or a reply, depends on */
    bool transaction;                     /* CALL: its steps are applied one by one */
    const struct key_state *wanted;       /* CALL: a key that must be fetched before it can go on */
    const struct cache_info *range_cache; /* CALL: ... and a range of a cache; NULL: none */
    struct slice range_prefix;
    enum grid_err refused; /* CALL: by its procedure */
    struct slice refused_why;
    uint32_t failed_at;
};

/* --- others.c: of what concerns who has no others --------------------------------------------- */

/* R7: whether what was just read may be told. */
bool lease_asked(struct shard *s, struct partition *p);
static inline bool lease_holds(struct shard *s, struct partition *p)
{
    return likely(!p->replica.set) || lease_asked(s, p);
}

/* --- gate.c ----------------------------------------------------------------------------------- */

/* Whether the op may be done: GRID_OK, or why not; `kept`: it waits. Of those that are shut. */
enum grid_err gate_job(struct job *j);
/* Whether it is a local read of a copy that does not lead; and whether that may be told now. */
bool gate_copy(const struct job *j);
bool gate_copy_reads(const struct job *j);
/* What a record would be refused with; the gate is not open. */
enum grid_err gate_record(const struct partition *p);
void gate_set(struct shard *s, struct partition *p, enum gate gate, msec_t now);
/* It is, or is not, damaged any more. */
void gate_look(struct shard *s, struct partition *p);
/* Let the op wait until the lease is there again: GRID_OK, or why not. */
enum grid_err gate_wait(struct job *j);
/* Ops that waited for too long are refused, those that waited for a lease are done again. */
void gate_tick(struct shard *s, msec_t now);
/* It is at the gate no more. */
void gate_leave(struct parked *w);

void job_reply(struct job *j, const struct result *res);
/* R7: whether this node leads the partition now. False: the op waits, or was answered. */
MUST_USE
bool job_leased(struct job *j);
void job_fail(struct job *j, enum grid_err err);
/* Reply when `version` is committed (R6). */
void job_reply_at(struct job *j, uint64_t version, const struct result *res,
                  const struct entry *entry);
uint64_t job_hash(const struct job *j);
/* Milliseconds it was parked. */
msec_t job_waited(const struct job *j);
/* Whether key `at` is known to be on disk neither. */
bool job_absent(const struct job *j, uint32_t at);
/* Whether it was at the cold store. */
static inline bool job_was_cold(const struct job *j)
{
    return j->parked && j->parked->rounds;
}
/* Keep a copy of the op, in its place among those that wait. False: too much is parked. */
MUST_USE
bool job_keep(struct job *j);
/* ... while the cold store is asked. False: too much is parked, and the op is answered. */
bool job_park(struct job *j);
/* Park until all keys marked missing are here. */
void job_park_keys(struct job *j);

void get_run(struct job *j);
void count_run(struct job *j);
void scan_run(struct job *j);
void write_run(struct job *j);
void call_run(struct job *j);
void aside_run(struct job *j);
void scan_answer(struct shard *s, struct parked *w, const struct cold_page *page, msec_t now);
void sweep_answer(struct shard *s, struct partition *p, const struct cold_page *page, msec_t now);
void warm_answer(struct shard *s, struct partition *p, const struct cold_page *page, msec_t now);

/* --- tick.c ----------------------------------------------------------------------------------- */

/* Make the record that removes an expired entry. False: not now, the log is full. */
bool expire_record(struct shard *s, struct partition *p, uint32_t cache, struct slice key,
                   msec_t now);

/* --- evaluate.c, batch.c ---------------------------------------------------------------------- */

MUST_USE
enum grid_err op_valid_read(const struct op *op);
MUST_USE
enum grid_err op_valid_write(const struct op *op, uint64_t value_max);
MUST_USE
enum grid_err key_evaluate(struct key_state *k, msec_t now, struct effect *ret_effect);
bool number_parse(struct slice text, int64_t *ret_number);
/* `out`: 20 bytes. Returns the length. */
size_t number_format(int64_t number, uint8_t *out);
MUST_USE
enum grid_err batch_keys(struct job *j, uint64_t value_max);

/* --- write.c ---------------------------------------------------------------------------------- */

/* R13: answer a request that was done before, or that is too old to know. */
bool session_answered(struct job *j);
/* What a repetition of a call will need goes into the record; the op has a session. */
void session_store(const struct op *op, const struct answer *a, struct record *rec);

/* Make the record of `rec` (session, effects, time set) the partition's next, and answer `a` to
 * `to` (may be NULL) when it is committed. On an error nothing is changed or answered. */
void answer_send(struct shard *s, const struct ticket *to, const struct answer *a,
                 uint64_t version);
struct slice slice_own(struct slice s);
/* Tell what follows when the log has it: f->lsn. */
void inflight_add(struct shard *s, const struct inflight *f);
MUST_USE
enum grid_err record_make(struct shard *s, struct partition *p, struct record *rec,
                          const struct ticket *to, const struct answer *a);
/* The same for a record whose effects are applied already, with the version that is next, and for
 * which there is room in the log. */
void record_applied(struct shard *s, struct partition *p, struct record *rec,
                    const struct ticket *to, const struct answer *a);

#endif
