/* sm.c - one check. */
#include "base/sm.h"

#include <stdio.h>

void sm_move(const struct sm_table *t, unsigned *state, unsigned to)
{
    CHECK(*state < t->len && to < t->len);
    bool legal = t->moves[*state] >> to & 1;
    if (!legal)
        fprintf(stderr, "gridd: %s may not move from %s to %s\n", t->name, t->states[*state],
                t->states[to]);
    CHECK(legal);
    *state = to;
}
