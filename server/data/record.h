/* record.h - what one change did to one partition: results, never commands.
 * The same struct is written to the WAL, replicated, checkpointed and applied, so a record must
 * mean the same whenever and wherever it is applied: absolute deadlines, whole new values, the
 * result the client was told.
 * A record is all or nothing (an atomic batch is one record with many effects).
 *
 * On disk and on the wire (little-endian; v = LEB128 varint):
 *   u8 flags | v context | v partition | u64 version | u64 time_ms |
 *   [flags & RECORD_SESSION: 16 bytes id, v number, v lowest, u8 status, i64 result] |
 *   [flags & RECORD_ANSWER: v length, answer] | v effects |
 *   effects x { u8 kind|flags<<4, v cache, [v klen, key], [v alen, affinity], [u8 type],
 *               [v vlen, value], [u64 deadline], [u64 number] }
 * The type stands where it is not BYTES; the value of PUT, EDIT, ADOPT and SESSION is well-formed.
 *
 * A record that restates is not the partition's next: it stands in one node's log alone and says
 * what the partition is there from then on, whatever came before. `version` is its last record
 * then. So a replica is brought what others have (R11):
 *   WIPE, then among the records of the stream ADOPT, SESSION..., COPIED: a whole copy
 *   MEND, REMOVE..., SESSION_END..., then the same: keys and sessions that it has otherwise than
 *   others, since it had applied what was never committed
 * What is adopted may be ahead of the stream, never behind it: records up to it come after it, and
 * change it into what it is. Until COPIED a change of a key that is not there (EDIT, DEADLINE) is
 * passed over, for the key comes later, with it; and entries are counted by looking, for `created`
 * and removals tell what happened elsewhere. */
#ifndef GRIDD_DATA_RECORD_H
#define GRIDD_DATA_RECORD_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/slice.h"
#include "data/value.h"

enum {
    KEY_BYTES_MAX = 480,
    RECORD_EFFECTS_MAX = 10000,
    SESSION_ID_BYTES = 16,
    SESSION_ANSWER_MAX = 64 << 10, /* bytes of an answer that is kept */
};

/* version = epoch << 40 | seq: names a record of a partition for ever. */
enum { SEQ_BITS = 40 };
#define SEQ_MASK ((UINT64_C(1) << SEQ_BITS) - 1)

static inline uint64_t version_make(uint64_t epoch, uint64_t seq)
{
    return epoch << SEQ_BITS | seq;
}

/* Whether nothing can have been between the two in a log (0: there was none before): it is the next
 * one of the same epoch. Between epochs something may have been cut, and mended (R9). */
static inline bool version_follows(uint64_t before, uint64_t after)
{
    return before ? after == before + 1 : (after & SEQ_MASK) == 1;
}

enum effect_kind {
    EFFECT_PUT = 1,         /* the key has this value, affinity and deadline now */
    EFFECT_REMOVE = 2,      /* the key is gone (deleted) */
    EFFECT_EXPIRE = 3,      /* the key is gone (its deadline passed; R14) */
    EFFECT_SESSION_END = 4, /* `key` is a session id whose results are forgotten (R13) */
    EFFECT_EDIT = 5,        /* the value of the key, which exists, is changed by `value` as its type
                          * says (HASH: edits of fields.h); affinity and deadline stay */
    EFFECT_DEADLINE = 6,    /* the key, which exists, has this deadline now; all else stays */
    /* only in records that restate: */
    EFFECT_ADOPT = 7,   /* as PUT; the version of the entry is `number` */
    EFFECT_SESSION = 8, /* `key` is a session id, `value` all its results (sessions.h) */
    EFFECT_WIPE = 9,    /* nothing is there, a copy follows; the first of its record */
    EFFECT_MEND = 10,   /* keys are missing, and come as a copy does; the first of its record */
    EFFECT_COPIED = 11, /* the copy is whole */
};

struct effect {
    enum effect_kind kind;
    bool created;          /* PUT: the key was absent before; lets counts be kept without looking */
    uint32_t cache;        /* number of the cache within the context */
    struct slice key;      /* 1..480 bytes */
    struct slice affinity; /* empty: the key itself */
    uint8_t type;          /* PUT, ADOPT, EDIT: enum value_type */
    struct slice value;    /* PUT, ADOPT: stored form (value.h); EDIT: edits; SESSION: results */
    msec_t deadline;       /* PUT, ADOPT, DEADLINE; unix ms, 0: for ever */
    uint64_t number;       /* ADOPT: version */
    uint64_t hash;         /* content_hash() of cache and key, 0: not known; not in the record */
};

struct session_id {
    uint8_t bytes[SESSION_ID_BYTES];
};

/* What exactly-once (R13) needs: who asked, which request, and what was answered. */
struct record_session {
    struct session_id id;
    uint64_t number; /* of this request, > 0 */
    uint64_t lowest; /* lowest number the client has no answer to; results below it are dropped */
    enum grid_err status; /* the stored answer; as the shard writes it, one byte */
    int64_t
        result; /* INCR: the new number; REMOVE: 1 removed, 0 absent; batch: number of effects */
    struct slice answer; /* bytes that were answered, mostly none; with any, `result` is 0 */
};

struct record {
    uint32_t context;
    uint16_t partition;
    bool has_session;
    bool restates;
    uint64_t version; /* epoch and seq, see above */
    msec_t time_ms;   /* wall clock of the primary when it decided; session age counts from it */
    struct record_session session;
    const struct effect *effects;
    size_t effects_len;
};

/* The effect leaves the key with the entry that it holds. */
static inline bool effect_puts(const struct effect *e)
{
    return e->kind == EFFECT_PUT || e->kind == EFFECT_ADOPT;
}
/* It is about a key of a cache. */
static inline bool effect_has_key(const struct effect *e)
{
    return e->kind <= EFFECT_ADOPT && e->kind != EFFECT_SESSION_END;
}
/* It changes what must be there. */
static inline bool effect_kind_changes(enum effect_kind kind)
{
    return kind == EFFECT_EDIT || kind == EFFECT_DEADLINE;
}
static inline bool effect_changes(const struct effect *e)
{
    return effect_kind_changes(e->kind);
}
static inline bool record_wipes(const struct record *r)
{
    return r->effects_len && r->effects[0].kind == EFFECT_WIPE;
}

static inline bool record_mends(const struct record *r)
{
    return r->effects_len && r->effects[0].kind == EFFECT_MEND;
}

/* Append the encoded form to `out`. */
void record_encode(const struct record *r, struct buf *out);
/* Decode. Slices borrow from `in`; effects go to `effects` (room for `effects_cap`), which
 * ret_record points at.
 * GRID_ECORRUPT: malformed or trailing bytes; GRID_ETOO_LARGE: more effects than room. */
MUST_USE
enum grid_err record_decode(struct slice in, struct effect *effects, size_t effects_cap,
                            struct record *ret_record);
/* Decode all but the effects. False: malformed. */
bool record_peek(struct slice in, struct record *ret_record);
/* What it is about, for who fetches ahead: all but the effects, and of the first effect kind, cache
 * and key (empty: it has none), and no more is looked at. False: malformed. */
bool record_glance(struct slice in, struct record *ret_record, struct effect *ret_first);
/* Upper bound of the bytes record_encode() will add. */
size_t record_size_max(const struct record *r);

/* An effect, or the session, by itself as it is in a record, for who keeps some: to memory of at
 * least so many bytes; the end. A session begins with its id. */
size_t effect_size_max(const struct effect *e);
size_t record_session_size_max(const struct record_session *s);
uint8_t *effect_write(uint8_t *to, const struct effect *e);
uint8_t *record_session_write(uint8_t *to, const struct record_session *s);
/* Of what those wrote; values are not looked at again. Slices borrow. */
void effect_get(struct slice written, struct effect *ret_effect);
void record_session_get(struct slice written, struct record_session *ret_session);
enum effect_kind effect_kind_of(struct slice written);
struct slice effect_key(struct slice written); /* of one that has a key */

#endif
