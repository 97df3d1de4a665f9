/* sessions.h - exactly-once results of one partition (R13): session id -> {lowest, last use,
 * results by number}. Pure.
 * Numbers below `lowest` were answered and are forgotten. The state of a session is a function of
 * the records applied to it, in order: memory, checkpoint and copies go through the same code.
 *
 * Stored form: u8 1 | v lowest | v last_used | v count | count x { v number - before - 1, u8
 * status, v zigzag result, v version }, numbers growing; the first counts from lowest. When any has
 * bytes for an answer: u8 2, and behind each version v length, answer.
 * Invariant (sessions_check): numbers of a session grow and are >= lowest; `bytes` is exact. */
#ifndef GRIDD_DATA_SESSIONS_H
#define GRIDD_DATA_SESSIONS_H

#include "data/record.h"

enum {
    SESSION_RESULTS_MAX = 65536,    /* of one session in one partition */
    SESSION_ANSWERS_MAX = 16 << 20, /* and bytes of its answers, about */
    SESSION_SESSIONS_MAX = 65536,   /* of one partition */
};

enum session_state {
    SESSION_NEW,       /* not done yet */
    SESSION_REPEATED,  /* done: here is the stored answer */
    SESSION_FORGOTTEN, /* below lowest: answered long ago, must not be done again */
    SESSION_FULL,      /* too many unanswered results or sessions: refuse it */
};

struct session_answer {
    enum grid_err status;
    int64_t result;
    uint64_t version;    /* of the record: pending until committed */
    struct slice answer; /* borrowed until the next non-const call */
};

/* What a record did to a session. */
struct session_change {
    struct record_session session;
    uint64_t version;
    msec_t time_ms;
};

struct sessions; /* opaque */

struct sessions *sessions_new(uint64_t hash_seed);
void sessions_free(struct sessions *s); /* NULL is fine */
/* Whether request `rs` (id, number, lowest) was done. ret_answer is set for SESSION_REPEATED only.
 * */
enum session_state sessions_find(const struct sessions *s, const struct record_session *rs,
                                 struct session_answer *ret_answer);
/* Whether there is anything of that session: results of it are, or were. */
bool sessions_known(const struct sessions *s, const struct session_id *id);
/* Whether a request of that session with a number above rs->number, up to `later`, was done before
 * `rs`; it may be that `rs` was not. True as well when there are too many to look at them all. */
bool sessions_overtaken(const struct sessions *s, const struct record_session *rs, uint64_t later);
/* Stages 0, 1 and 2, each for all requests of a turn; then the others below and above. */
void sessions_prefetch(const struct sessions *s, const struct session_id *id, int stage);
/* Keep the result of a record. Beyond SESSION_RESULTS_MAX or SESSION_ANSWERS_MAX the oldest results
 * are dropped. */
void sessions_apply(struct sessions *s, const struct session_change *change);
/* EFFECT_SESSION_END. An unknown session is fine. */
void sessions_end(struct sessions *s, const struct session_id *id);
/* The session unused for longest, if that is `ttl` ms or more at `now`: it is due for
 * EFFECT_SESSION_END. NULL: none.
 * Borrowed until the next non-const call. */
const struct session_id *sessions_due(const struct sessions *s, msec_t now, msec_t ttl);
/* When sessions_due() will have one, unix ms; 0: there are no sessions. */
msec_t sessions_due_at(const struct sessions *s, msec_t ttl);

/* Put back the stored state of a session; replaces what is there. GRID_ECORRUPT: nothing changed.
 * */
MUST_USE
enum grid_err sessions_restore(struct sessions *s, struct session_id id, struct slice stored);
/* Whether bytes from outside are a stored form. */
bool sessions_valid(struct slice stored);
/* Append the stored form of a session. False: there is no such session, nothing added. */
bool sessions_store(const struct sessions *s, const struct session_id *id, struct buf *out);
/* Append the stored form of a session that has seen the records of both: what is here, if anything,
 * and `stored`, which was found valid. */
void sessions_merge(const struct sessions *s, const struct session_id *id, struct slice stored,
                    struct buf *out);
/* Fold changes of one session, in order of version, into its stored form (empty: none yet) and
 * append the new one to `out`.
 * GRID_ECORRUPT: `stored` is malformed, nothing added. */
MUST_USE
enum grid_err sessions_fold(struct slice stored, const struct session_change *changes, size_t len,
                            struct buf *out);

size_t sessions_len(const struct sessions *s);
/* Append the ids of all, SESSION_ID_BYTES each, in any order. */
void sessions_ids(const struct sessions *s, struct buf *out);
/* All memory taken, allocator's rounding included. */
size_t sessions_bytes(const struct sessions *s);
void sessions_check(const struct sessions *s);

#endif
