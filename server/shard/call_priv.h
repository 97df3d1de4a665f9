/* call_priv.h - what the files of calls share: the memory of the procedure that runs, its changes,
 * and how it is begun and answered. */
#ifndef GRIDD_SHARD_CALL_PRIV_H
#define GRIDD_SHARD_CALL_PRIV_H

#include "base/err.h"
#include "base/prng.h"
#include "shard/call.h"

enum {
    CALL_RAW_KEEP = 256 << 10,
    CALL_RECORD_BYTES_MAX = 256 << 20,  /* of what one call may change */
    SHARED_RECORD_BYTES_MAX = 63 << 20, /* of any record that goes to other nodes */
};

/* What the procedure that is running has taken, and what it changes. One per shard. */
struct call_memory {
    uint8_t **blocks;
    size_t len, cap;
    uint8_t *at; /* free in the last block */
    size_t left;
    struct effect *effects; /* of a transaction: of all steps so far */
    size_t effects_len, effects_cap;
    size_t effects_made; /* of a transaction: these are applied */
    size_t need;         /* bytes of memory that the changes take, beyond what they replace */
    size_t bytes;        /* of a transaction: bytes of the record so far, at most */
    uint32_t keys_cap;   /* of a procedure that finds its keys: room for them */
    uint32_t *places;    /* ... and where they are, by hash: numbers + 1; 0: nothing is there */
    uint32_t places_len; /* a power of two, or 0 */
    struct buf raw;
    struct prng prng;
    struct call_kept kept;
};

/* --- call_memory.c ---------------------------------------------------------------------------- */

void *call_memory_take(struct call_memory *m, size_t bytes);
/* Forget what was taken, and keep little. */
void call_memory_reset(struct call_memory *m);
void call_memory_release(struct call_memory *m);
/* A copy that stays until the call's end. */
struct slice call_memory_keep(struct call_memory *m, struct slice s);
struct effect *call_effect_new(struct call_memory *m);
/* Of the effects from `first` on, the last of each key stays: each of them says what the key, as
 * it was before all of them, becomes. */
void call_effects_once(struct call_memory *m, size_t first);

/* --- call.c ----------------------------------------------------------------------------------- */

struct key_state;
/* GRID_EBAD_REQUEST, GRID_ETOO_LARGE: it is no key. */
MUST_USE
enum grid_err call_key_name(struct key_state *k, const struct job *j, struct slice key,
                            uint64_t hash);
/* Look at the key as it is now. */
void call_key_look(struct job *j, struct key_state *k);
/* Look all keys up. False: some are on disk only; the op is parked until they are here (or is
 * answered BUSY). */
bool call_look(struct job *j);
/* Run a procedure: its changes are behind those that are there, its answer is in c->reply. */
void call_procedure(struct call *c, procedure_fn *procedure);
/* What changes nothing is a record all the same, so that it cannot change anything when it is
 * repeated: see write_refuse(). */
static inline bool call_recorded(const struct op *op)
{
    return unlikely(op->has_session) && !op->reads_only;
}
/* Answer what changed nothing: when all that was looked at is committed (R6). */
void call_answer(struct job *j, const struct call *c);

/* --- call_steps.c ----------------------------------------------------------------------------- */

void transaction_run(struct job *j, struct call *c);
/* Run a procedure and make its changes. On an error they are not made, and c->reply is NONE. */
MUST_USE
enum grid_err call_step_run(struct call *c, procedure_fn *procedure);

/* --- call_do.c -------------------------------------------------------------------------------- */

/* It was asked for before, in vain. */
bool call_key_absent(const struct job *j, const struct key_state *k);
/* Park the op until the key that its procedure wanted is here, too. */
void call_fetch_wanted(struct job *j);

/* --- call_find.c ------------------------------------------------------------------------------ */

/* A procedure that finds its keys begins. */
void call_find_begin(struct call *c);

/* --- call_range.c ----------------------------------------------------------------------------- */

/* Whether all that is live of the range is in memory. */
bool call_range_here(const struct job *j, const struct cache_info *cache, struct slice prefix);
/* Park the op until it is: job.range_cache. */
void call_fetch_range(struct job *j);
/* A part of it came. False: the op waits for the next, or was answered. */
MUST_USE
bool call_range_take(struct job *j);

#endif
