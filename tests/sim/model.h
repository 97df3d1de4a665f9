/* model.h - what the keys must hold, told by nobody but the log port and the answers. Every key has
 * its states in order, each with the lsn that made it: a crash that keeps the log up to an lsn pops
 * the states behind it. Knows nothing of tables, checkpoints or sessions' storage.
 * Rules R1-R14: server/replica/README.md. */
#ifndef GRIDD_TESTS_SIM_MODEL_H
#define GRIDD_TESTS_SIM_MODEL_H

#include "shard/op.h"

enum { SIM_CONTEXTS = 3, SIM_KEYS = 48, SIM_COUNTERS = 8, SIM_PARTITIONS = 4, SIM_BATCH = 3 };
enum { SIM_FIELDS = 8, SIM_FIELD_MAX = 600 };
enum { SIM_SYNC, SIM_ASYNC, SIM_MEMORY }; /* contexts by their durability */

struct state { /* of a key, from `step` until the next state */
    uint64_t step;
    uint64_t lsn; /* 0: memory */
    uint64_t version;
    uint64_t value; /* as value_shown() has it */
    uint8_t type;
    uint32_t fields[SIM_FIELDS]; /* HASH: seeds of their values; 0: not there */
    bool unknown;                /* seen without its value */
    int64_t number;              /* counters */
    msec_t deadline;
    bool there;
};

struct key_history {
    struct state *states;
    size_t len, cap;
};

struct request { /* one write of a client, the same over all its deliveries */
    bool open;
    unsigned context;
    unsigned client;
    uint64_t number;
    enum op_kind kind; /* BATCH: of kinds[] */
    unsigned keys_len;
    unsigned keys[SIM_BATCH];
    enum op_kind kinds[SIM_BATCH];
    enum op_condition condition;
    enum op_ttl ttl;
    msec_t ttl_ms;
    uint64_t version; /* IF_VERSION */
    int64_t delta;
    uint64_t value_seed;
    size_t value_len;
    msec_t since; /* first sent */
};

struct applied { /* a request's record */
    unsigned context, shard, client;
    uint64_t number, lsn, version;
    enum grid_err status;
    int64_t result;
};

struct model {
    struct key_history keys[SIM_CONTEXTS][SIM_KEYS];
    struct applied *applied;
    size_t applied_len, applied_cap;
    uint64_t version[SIM_CONTEXTS][SIM_PARTITIONS]; /* the highest ever, lost ones too */
    bool damaged[SIM_CONTEXTS][SIM_PARTITIONS];
    unsigned shards;
    int64_t acked[SIM_KEYS]; /* sync counters: sum of what clients were told was added */
};

/* What a request must lead to. */
struct outcome {
    enum grid_err status;
    int64_t result;
    struct state states[SIM_BATCH];
};

static inline bool is_counter(unsigned key)
{
    return key < SIM_COUNTERS;
}
static inline unsigned key_partition(unsigned key)
{
    return key % SIM_PARTITIONS;
}

/* `out`: 32 bytes. The key's text. */
struct slice key_text(unsigned key, char *out);
/* The key of a text, or SIM_KEYS. */
unsigned key_parse(struct slice text);
/* The value that request writes to keys[at], `out` holds value_len bytes. */
struct slice request_value(const struct request *r, unsigned at, uint8_t *out);
uint64_t value_hash(struct slice value);
/* Of a value in its stored form: the order of fields does not matter. */
uint64_t value_shown(uint8_t type, struct slice stored);
uint64_t fields_shown(const uint32_t *fields);
/* A field's name, and its value; `out`: 8 and SIM_FIELD_MAX bytes. */
struct slice field_text(unsigned field, char *out);
struct slice field_value(uint32_t seed, uint8_t *out);

/* The present state of a key. Borrowed until the next change. */
const struct state *model_state(const struct model *m, unsigned context, unsigned key);
void model_set(struct model *m, unsigned context, unsigned key, const struct state *s);
struct outcome model_evaluate(const struct model *m, const struct request *r, msec_t now);
const struct applied *model_applied(const struct model *m, const struct request *r);
void model_add(struct model *m, const struct applied *a);
/* The shard's log was cut behind `lsn`, and memory is gone. */
void model_cut(struct model *m, unsigned shard, uint64_t lsn);
/* The context's cache was dropped: none of its keys was ever there. */
void model_forget(struct model *m, unsigned context);
/* Whether the key was there, as far as anyone could know, from step `from` until now. */
bool model_there_since(const struct model *m, unsigned context, unsigned key, uint64_t from,
                       msec_t now);
/* Whether a read that took from step `from` (time `since`) until now may have seen this; version 0:
 * absent. */
bool model_may_see(const struct model *m, unsigned context, unsigned key, uint64_t from,
                   msec_t since, msec_t now, uint64_t durable, const struct state *seen);
void model_release(struct model *m);

#endif
