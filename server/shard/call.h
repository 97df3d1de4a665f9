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

struct job;

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
    uint32_t keys_at;
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
/* Run step `step` and make its changes: later steps see them. Its answer is in c->reply, RAW bytes
 * in c->raw, which is empty before. GRID_EFULL, GRID_ENOMEM, ...: the step changed nothing,
 * c->reply is REPLY_NONE; the others go on. */
MUST_USE
enum grid_err call_step(struct call *c, uint32_t step);

#endif
