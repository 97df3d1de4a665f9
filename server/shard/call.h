/* call.h - procedures: functions over keys of one partition, run by the shard that owns it. What a
 * procedure changes is one record (with OP_CALL of several steps: all that the steps change is),
 * so it happens whole or not at all, and is durable and replicated like any write. Procedures are
 * pure: a shard hands them time and random numbers; they never wait, and are bounded by the size of
 * their arguments and values.
 *
 * An OP_CALL names its keys. Before the procedure runs, each of them is in memory or known to be
 * absent. It looks with call_entry(), changes with call_put() and the like, and leaves its answer
 * in `reply`. Changes take effect together when it returns: what it sees stays as it was when it
 * began. When they cannot be made (memory, log), nothing is changed and the caller gets the status
 * instead of the reply. */
#ifndef GRIDD_SHARD_CALL_H
#define GRIDD_SHARD_CALL_H

#include "base/buf.h"
#include "data/entry.h"
#include "shard/op.h"

struct cache_info;
struct catalog;
struct context_info;
struct job;
struct key_state;
struct natives;

/* What a procedure sees. */
struct call {
    msec_t now;               /* unix ms */
    unsigned flags;           /* the op's: they mean something to who made it */
    const struct slice *args; /* of this step; args[0] is the name it was called by */
    uint32_t args_len;
    uint32_t keys_len;
    struct reply reply; /* out; its bytes stay until the call's end: an entry's, args', static,
                         * or from call_alloc(); REPLY_RAW: what was written to `raw` */
    struct buf *raw;    /* empty at the start of a step; what is put may lie in it, too */
    struct job *job;    /* the shard's own */
    struct key_state *keys;
};

struct slice call_key(const struct call *c, uint32_t key);
/* The live entry of a key; NULL: absent or expired. Borrowed until the step ends. */
const struct entry *call_entry(struct call *c, uint32_t key);
/* Its version; 0: absent. */
uint64_t call_version(struct call *c, uint32_t key);

/* Changes of this step. Of several to one key (it may be named twice) the last one counts; each
 * says what the key, as it was before the step, becomes. Slices are borrowed until the call's
 * end. */

/* The key has this value from now on (stored form, value.h), and the deadline (unix ms, 0: for
 * ever; one that has passed removes the key). Its affinity stays; a new key has the op's. */
void call_put(struct call *c, uint32_t key, enum value_type type, struct slice stored,
              msec_t deadline);
/* Change the value of a live entry as its type says (HASH: fields.h). It must not become empty:
 * remove it then. */
void call_edit(struct call *c, uint32_t key, struct slice edits);
/* Change only the deadline of a live entry. */
void call_expire(struct call *c, uint32_t key, msec_t deadline);
/* Remove a live entry. */
void call_remove(struct call *c, uint32_t key);

/* Deadline of what is written without one: now + the cache's TTL, or 0. */
msec_t call_deadline(const struct call *c);
/* Largest value that may be put. */
size_t call_value_max(const struct call *c);
/* Memory until the call's end, aligned to 8; never NULL: aborts like xalloc(), so callers bound the
 * size by that of arguments and values. */
void *call_alloc(struct call *c, size_t bytes);
uint64_t call_random(struct call *c);

/* --- for procedures that run others (transactions) -------------------------------------------- */

/* Steps of the op. */
uint32_t call_steps(const struct call *c);
/* What step `step` is; *ret_args are its arguments. */
const struct op_step *call_step_is(const struct call *c, uint32_t step,
                                   const struct slice **ret_args);
/* Before the first of them: the op is answered with `err`; leave any reply and return. */
void call_refuse_all(struct call *c, enum grid_err err);
/* Run step `step` and make its changes: later steps see them. Its answer is in c->reply, RAW bytes
 * in c->raw, which is empty before. GRID_EFULL, GRID_ENOMEM, ...: the step changed nothing,
 * c->reply is REPLY_NONE; the others go on. */
MUST_USE
enum grid_err call_step(struct call *c, uint32_t step);

/* --- for procedures that make their steps as they run (scripts): op.makes_steps --------------- */

/* Run a procedure with these arguments and keys (borrowed for the call) as a step, like
 * call_step(). Keys that the op does not name must be of its partition (GRID_ECROSS_PARTITION) and,
 * once anything was changed, in memory (GRID_EBUSY). Before that, a key that may be on disk is
 * fetched: see call_again(). */
MUST_USE
enum grid_err call_do(struct call *c, procedure_fn *procedure, const struct slice *args,
                      uint32_t args_len, const struct slice *keys, uint32_t keys_len);
/* A key has to be fetched: leave any reply and return. The op will be done anew, from its
 * beginning. */
bool call_again(const struct call *c);
/* The op has changed something so far. */
bool call_changed(const struct call *c);

/* --- for procedures that find their keys as they run (tasks): op.finds_keys ------------------- */

/* Such an op names one key, number 0, by which it is placed. Its procedure may look at any key of
 * its context: what is there is what lies in its partition, whatever it was placed by. A new one is
 * placed as the op was, but where its own key leads to the partition, too. Nothing is changed
 * before it returns, so it may begin again until then.
 *
 * Its reply is kept with its bytes (R13), up to SESSION_ANSWER_MAX. REPLY_ERROR: `number` is the
 * status that is answered, nothing is changed, and that is kept, too. */

/* The number of a key of a cache of the op's context, always the same one for it, for call_entry()
 * and the like. GRID_EBAD_REQUEST: it is empty. GRID_ETOO_LARGE: it is too long. GRID_EFULL: they
 * are too many. GRID_EBUSY: it has to be fetched, see call_again(). */
MUST_USE
enum grid_err call_find(struct call *c, const struct cache_info *cache, struct slice key,
                        uint32_t *ret_key);
/* The same without looking: UINT32_MAX: it was not found so far. */
uint32_t call_found(const struct call *c, const struct cache_info *cache, struct slice key);
/* Live entries of a cache with that prefix, some buckets of the partition at a time: `cursor` 0
 * starts, *ret_cursor 0 says done; they are borrowed until the next call. GRID_EBUSY: they are to
 * be fetched, see call_again(). */
MUST_USE
enum grid_err call_scan(struct call *c, const struct cache_info *cache, struct slice prefix,
                        uint64_t cursor, uint64_t *ret_cursor, const struct entry *const **ret_list,
                        size_t *ret_len);
/* The op's own. */
const struct cache_info *call_cache(const struct call *c);
const struct context_info *call_context(const struct call *c);

/* Entries of a cache in the op's partition, about: expired ones count until they are removed. */
uint64_t call_entries(const struct call *c, const struct cache_info *cache);
/* Whether the node takes a job of that name (shard_ports.admits). */
bool call_admits(const struct call *c, struct slice name);

/* What the shard knows of the grid; may be older than what the caller knows. */
const struct catalog *call_catalog(const struct call *c);
/* Functions in C that the node has (compute/native.h); NULL: none. */
const struct natives *call_natives(const struct call *c);
/* The op is answered with `err`, not with a reply: leave any and return. Nothing was changed.
 * False: it is one of several steps, so it cannot be. */
bool call_refuse(struct call *c, enum grid_err err);
/* The same, and `why` is told with it, as the result's value: good until the call's end. */
bool call_refuse_saying(struct call *c, enum grid_err err, struct slice why);

/* What such a procedure may take; settings of the grid. */
struct call_limits {
    uint64_t steps;
    size_t memory;
    uint64_t time_us;
};
struct call_limits call_limits(const struct call *c);
/* A clock that only goes forward; 0: there is none. */
uint64_t call_mono_us(const struct call *c);
/* The time that this thread had of a processor. */
uint64_t call_cpu_us(const struct call *c);
/* What procedures keep in the shard from one call to the next: freed with it. */
struct call_kept {
    void *state;
    void (*free)(void *state);
};
struct call_kept *call_kept(struct call *c);

#endif
