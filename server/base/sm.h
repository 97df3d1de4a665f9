/* sm.h - legal moves of a lifecycle as a table: row = from, bit = to. CHECKed at each move. */
#ifndef GRIDD_BASE_SM_H
#define GRIDD_BASE_SM_H

#include "base/err.h"

#include <stdint.h>

struct sm_table {
    const char *name;
    const char *const *states; /* names, `len` of them */
    const uint32_t *moves;     /* moves[from] has bit `to` set when legal */
    unsigned len;
};

/* Move *state to `to`; an illegal move is a programmer error and says both names. */
void sm_move(const struct sm_table *t, unsigned *state, unsigned to);

#endif
