/* detector.c - deadlines computed from three times per node. There are few nodes and few calls, so
 * nothing is kept in order. */
#include "grid/detector.h"

#include "base/alloc.h"
#include "base/err.h"
#include "grid/sabotage.h"

#include <stdlib.h>

void grid_detector_init(struct grid_detector *d, msec_t period, msec_t beat)
{
    *d = (struct grid_detector){.period = period, .beat = beat};
}

void grid_detector_release(struct grid_detector *d)
{
    free(d->watches);
    d->watches = NULL;
    d->len = 0;
}

void grid_detector_start(struct grid_detector *d, msec_t now)
{
    for (size_t i = 0; i < d->len; i++) {
        struct grid_watch *w = &d->watches[i];
        w->heard = w->proven = SABOTAGE(HASTY_LEADER) ? 1 : now;
        w->hint = 0;
        w->came = false;
    }
}

static struct grid_watch *find(const struct grid_detector *d, uint32_t number)
{
    size_t low = 0, high = d->len;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (d->watches[mid].node.node < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low < d->len && d->watches[low].node.node == number ? &d->watches[low] : NULL;
}

void grid_detector_set(struct grid_detector *d, const struct replica_member *nodes, size_t len,
                       msec_t now)
{
    struct grid_watch *fresh = xcalloc(len ? len : 1, sizeof *fresh);
    for (size_t i = 0; i < len; i++) {
        const struct grid_watch *old = find(d, nodes[i].node);
        if (old && old->node.boot == nodes[i].boot)
            fresh[i] = *old;
        else
            fresh[i] = (struct grid_watch){.node = nodes[i], .heard = now, .proven = now};
    }
    free(d->watches);
    d->watches = fresh;
    d->len = len;
}

void grid_detector_hear(struct grid_detector *d, struct replica_member node, msec_t echoed,
                        msec_t now)
{
    struct grid_watch *w = find(d, node.node);
    if (!w || w->node.boot != node.boot)
        return;
    w->heard = now;
    w->came = true;
    w->hint = 0;
    if (echoed > w->proven)
        w->proven = echoed;
}

void grid_detector_hint(struct grid_detector *d, struct replica_member node, msec_t now)
{
    struct grid_watch *w = find(d, node.node);
    if (w && w->node.boot == node.boot && !w->hint)
        w->hint = now;
}

static msec_t due(const struct grid_detector *d, const struct grid_watch *w)
{
    msec_t at = w->heard + d->period;
    msec_t unproven = w->proven + d->period + 3 * d->beat; /* an echo is two beats and a way old */
    msec_t hinted = w->hint ? w->hint + d->period / 2 : UINT64_MAX;
    at = at < unproven || SABOTAGE(DEAF_NODES) ? at : unproven;
    return at < hinted ? at : hinted;
}

msec_t grid_detector_next(const struct grid_detector *d)
{
    msec_t next = UINT64_MAX;
    for (size_t i = 0; i < d->len; i++) {
        msec_t at = due(d, &d->watches[i]);
        next = at < next ? at : next;
    }
    return next;
}

const struct grid_watch *grid_detector_watch(const struct grid_detector *d, uint32_t number)
{
    return find(d, number);
}

msec_t grid_detector_silence(const struct grid_detector *d, const struct grid_watch *w, msec_t now)
{
    msec_t at = due(d, w);
    return at > now + d->period ? 0 : now + d->period - at;
}

void grid_detector_check(const struct grid_detector *d)
{
    for (size_t i = 1; i < d->len; i++)
        CHECK(d->watches[i - 1].node.node < d->watches[i].node.node);
}
