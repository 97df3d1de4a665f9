/* pairs.c - at the leader: pairs of nodes that both see it, but not each other. A report stands
 * until it was not repeated for a while, so that a link that comes and goes counts as broken. */
#include "base/alloc.h"
#include "grid/parts_priv.h"

#include <stdlib.h>

enum { PAIRS_MAX = 1024, HEALED_MS = 3000 };

void pairs_heard(struct grid_member *m, uint32_t from, const uint32_t *quiet, size_t len)
{
    struct lead *l = m->lead;
    for (size_t i = 0; i < len; i++) {
        if (quiet[i] == from || quiet[i] == m->self.node || !grid_state_node(m->state, quiet[i]))
            continue;
        uint32_t low = quiet[i] < from ? quiet[i] : from;
        uint32_t high = quiet[i] < from ? from : quiet[i];
        size_t at = 0;
        while (at < l->pairs_len && (l->pairs[at].low != low || l->pairs[at].high != high))
            at++;
        if (at == l->pairs_len) {
            if (at == PAIRS_MAX)
                return;
            l->pairs = xrealloc(l->pairs, at + 1, sizeof *l->pairs);
            l->pairs[at] = (struct pair){.low = low, .high = high, .since = m->now};
            l->pairs_len++;
            l->plan_at = m->now;
        }
        l->pairs[at].last = m->now;
    }
}

void pairs_step(struct grid_member *m)
{
    struct lead *l = m->lead;
    size_t kept = 0;
    for (size_t i = 0; i < l->pairs_len; i++)
        if (m->now < l->pairs[i].last + HEALED_MS)
            l->pairs[kept++] = l->pairs[i];
    l->pairs_len = kept;
}

bool pairs_broken(const struct grid_member *m, uint32_t a, uint32_t b)
{
    uint32_t low = a < b ? a : b, high = a < b ? b : a;
    for (size_t i = 0; m->lead && i < m->lead->pairs_len; i++)
        if (m->lead->pairs[i].low == low && m->lead->pairs[i].high == high)
            return true;
    return false;
}
