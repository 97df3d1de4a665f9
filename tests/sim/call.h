/* call.h - calls of the simulated clients (call.c), and what they must lead to (call_model.c). */
#ifndef GRIDD_TESTS_SIM_CALL_H
#define GRIDD_TESTS_SIM_CALL_H

#include "tests/sim/model.h"

struct world;

enum { SIM_STEPS = 5, SIM_CALL_TEXT = 200 };

enum step_kind { STEP_SET, STEP_COUNT, STEP_MOVE, STEP_REMOVE, STEP_EXPIRE, STEP_FIELD, STEP_DROP };

struct call_step { /* what a procedure is to do */
    enum step_kind kind;
    unsigned key, other; /* MOVE: from, to */
    unsigned field;      /* FIELD, DROP */
    uint32_t seed;       /* of the value */
    int64_t delta;
    msec_t deadline;
    enum grid_err err; /* how it went */
};

struct call_change { /* an effect that a record must have */
    enum effect_kind kind;
    unsigned key;
    bool created;
    uint64_t edits;
    struct state state;
};

struct call_sent { /* a call, and what it must lead to, as the model was when it ran */
    unsigned context, len;
    struct call_step steps[SIM_STEPS]; /* more than one: a transaction */
    bool ran, recorded;
    char told[SIM_CALL_TEXT];
    uint64_t seen; /* highest lsn of what it looked at */
    uint64_t lsn, version;
    struct call_change changes[2 * SIM_STEPS];
    unsigned changes_len;
};

void client_call(struct world *w);
/* The node made this record without a client's session: it must be the running call's. */
void call_record(struct world *w, unsigned context, const struct record *r, uint64_t lsn);
void call_reply(struct world *w, struct call_sent *k, const struct result *res);
/* The call runs, its steps went as they say: note what it must lead to. */
void call_foresee(struct world *w, struct call_sent *k);
/* The model holds it from now on. */
void call_apply(struct world *w, const struct call_sent *k);

#endif
