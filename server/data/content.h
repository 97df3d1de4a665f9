/* content.h - the content of one partition: entries, tombstones, exactly-once results, counts.
 * Pure; one thread.
 *
 * Resident: in memory. Pending: version > commit (R6). Clean: version <= clean, that is, in the
 * checkpoint.
 * Complete: every live entry is resident. A tombstone hides an older value elsewhere: it stays
 * while it is pending and, in a content with a checkpoint, until it is clean.
 *
 * A change in two steps, so that it cannot fail half-way and so that a record may borrow from
 * entries it replaces:
 *   content_stage(c, rec)   makes the new entries (may fail politely)
 *   ... append rec to the log, or anything else that reads rec ...
 *   content_apply(c, rec)   links them; cannot fail
 *
 * Invariant (content_check): each entry with a deadline is in the expiry heap once, each tombstone
 * in the list of tombstones once, oldest first; commit and clean never go back; when complete,
 * counts equal live entries; bytes are exact. */
#ifndef GRIDD_DATA_CONTENT_H
#define GRIDD_DATA_CONTENT_H

#include "data/entry.h"
#include "data/sessions.h"

struct content; /* opaque */

/* An empty, complete partition. The pool is shared by the shard's contents and outlives them. */
struct content *content_new(struct entry_pool *pool, uint64_t hash_seed);
/* It has a checkpoint: EVICT_CLEAN is for such contents only. Before the first record. */
void content_set_stored(struct content *c);
void content_free(
    struct content *c); /* all at once; NULL is fine. For many entries use content_purge() before */

/* --- looking ---------------------------------------------------------------------------------- */

uint64_t content_hash(const struct content *c, uint32_t cache, struct slice key);
/* Bring what content_get() will look at, and what it hangs on, into the processor's caches. Each
 * step waits for the one before: for many keys first content_prefetch_self() for all, then each
 * stage for all that ask for more (true). `id`: of the request's session, NULL: none. `changes`:
 * the key will be written. */
enum { CONTENT_STAGES = 4 };
void content_prefetch_self(const struct content *c);
bool content_prefetch(const struct content *c, uint64_t hash, const struct session_id *id,
                      bool changes, int stage);
/* After these stages: the map of fields that the key has, if it has one. A guess, to be prefetched
 * as fields.h says, no more. NULL: none. */
const struct fields *content_guess_map(const struct content *c, uint64_t hash);
/* The entry or tombstone, or NULL. Borrowed until the next call that applies, evicts or purges;
 * entry_ref() keeps it longer. Marks it as used for eviction. */
const struct entry *content_get(struct content *c, uint32_t cache, struct slice key, uint64_t hash);

typedef void content_each_fn(void *ctx, const struct entry *e);
/* Entries and tombstones of all caches, one bucket at a time: see table_scan(). 0 starts, 0 says
 * done. */
uint64_t content_scan(const struct content *c, uint64_t cursor, content_each_fn *each, void *ctx);

/* Live entries of a cache, resident or not (expired ones until their EXPIRE record). */
uint64_t content_count(const struct content *c, uint32_t cache);
uint64_t content_total(const struct content *c);
/* All memory: entries with rounding, buckets, expiry, sessions, the struct itself. O(1). */
size_t content_bytes(const struct content *c);
struct sessions *content_sessions(struct content *c);
bool content_complete(const struct content *c);
uint64_t content_commit(const struct content *c);
uint64_t content_clean(const struct content *c);
uint64_t content_last(const struct content *c); /* greatest version applied */
/* Greatest version of an entry or tombstone that left memory but for replacement: a cold answer
 * asked for when content_clean() was lower may miss it. */
uint64_t content_left(const struct content *c);
/* --- watching: a view of it as it was at some moment ----------------------------------------- */

/* Who makes a view of the content hears of each entry before it is replaced, removed or changed in
 * its place; `order`: where it stands in the order of content_scan_once(). It must not change the
 * content. One at a time; NULL: nobody. Entries do not leave a content that is watched but by
 * records: who evicts asks content_watched(). */
struct content_watch {
    void (*replaced)(struct content_watch *w, const struct entry *old, uint32_t order);
};
void content_set_watch(struct content *c, struct content_watch *w);
const struct content_watch *content_watched(const struct content *c);
/* As content_scan(), but what is there all the time is visited exactly once: nothing that stands
 * before the cursor. */
uint64_t content_scan_once(const struct content *c, uint64_t cursor, content_each_fn *each,
                           void *ctx);

/* --- changing --------------------------------------------------------------------------------- */

/* Bytes content_apply() will add, about: new entries with rounding, their share of the buckets, a
 * session. */
size_t content_need(const struct content *c, const struct record *rec);
/* Make what content_apply(rec) will link. GRID_ENOMEM; GRID_ETOO_LARGE: a hash would be;
 * GRID_ECORRUPT: an EDIT or DEADLINE of what is not there or not of that type, or that leaves
 * nothing. Then nothing is kept. Nothing may come between but content_get() and content_unstage(),
 * which gives it back. Each key at most once in a record. */
MUST_USE
enum grid_err content_stage(struct content *c, const struct record *rec);
void content_unstage(struct content *c);
/* Apply the staged record: effects, counts and session result. Its entries are pending until
 * committed. Versions need not grow (recovery): an effect older than what is resident is counted
 * but not linked. A record that restates is applied whatever is resident: as record.h says. One
 * with WIPE asks for a new content that is set to copying. */
void content_apply(struct content *c, const struct record *rec);
/* Stage and apply one effect of a record that may name a key more than once (a transaction): call
 * for each in order, then with effects_len for what else is in it. Errors as content_stage(); then
 * what was applied before stays. */
MUST_USE
enum grid_err content_replay(struct content *c, const struct record *rec, size_t effect);
/* Everything up to `version` is committed, or is in the checkpoint. Older ones are fine. Drops
 * tombstones that nobody needs any more, some at each call; true: there are more to drop, call
 * content_tidy(). */
bool content_committed(struct content *c, uint64_t version);
bool content_cleaned(struct content *c, uint64_t version);
bool content_tidy(struct content *c);
/* The content is new and a copy comes in: between the records of WIPE and COPIED. Tombstones
 * stay until then. */
void content_set_copying(struct content *c);
bool content_copying(const struct content *c);
/* Tell that not everything is resident (recovery), or that now it is (warm-up done). */
void content_set_complete(struct content *c, bool complete);
void content_set_count(struct content *c, uint32_t cache, uint64_t count);

/* Add an entry of the checkpoint when its key is not resident, tombstones included (else: nothing
 * to do, OK). Counts do not change. GRID_ENOMEM; GRID_ECORRUPT: key or affinity of impossible
 * length, a value that is none of its type. */
MUST_USE
enum grid_err content_insert_cold(struct content *c, const struct entry_parts *parts,
                                  uint64_t hash);

/* --- expiry (R14), eviction, purge ------------------------------------------------------------ */

/* Deadline of the resident entry that expires first; 0: none has one. */
msec_t content_expiry_next(const struct content *c);
/* That entry when it is due at `now`, else NULL. It stays until an EXPIRE effect is applied; it
 * may be pending. */
const struct entry *content_due(const struct content *c, msec_t now);

/* Earliest deadline among the entries that are in the checkpoint only, or an earlier time; 0: none
 * has one. Evictions lower it; setting is for who has read them all. Of contents that were said
 * to be incomplete nothing is known: then it is 1. */
msec_t content_cold_deadline(const struct content *c);
void content_set_cold_deadline(struct content *c, msec_t deadline);

enum evict_mode {
    /* entries that are in the checkpoint; the content is incomplete then, counts stay */
    EVICT_CLEAN,
    EVICT_FOR_EVER /* committed entries of a content without a checkpoint; counts go down */
};
/* CLOCK: look at up to `steps` entries behind the hand and drop those unused since its last pass,
 * until `bytes` are freed.
 * Returns what was freed; *ret_steps is how many were looked at. Entries that are pinned leave,
 * too. */
size_t content_evict(struct content *c, enum evict_mode mode, size_t bytes, unsigned steps,
                     unsigned *ret_steps, uint64_t *ret_entries);

/* The same way, but nothing leaves: up to `max` committed entries that would, for a record that
 * removes them. Borrowed until the next call that changes anything. Returns how many. */
size_t content_victims(struct content *c, unsigned steps, const struct entry **ret_entries,
                       size_t max, unsigned *ret_steps);

typedef bool content_gone_fn(void *ctx, uint16_t cache);
/* Drop all entries, tombstones and counts of the caches that are `gone`, looking at no more than
 * *buckets, which is what is left of them after it. *cursor: 0 to start.
 * True: done, all of them are dropped. */
bool content_purge(struct content *c, content_gone_fn *gone, void *ctx, uint64_t *cursor,
                   unsigned *buckets);

void content_check(const struct content *c);

#endif
