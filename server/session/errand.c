/* errand.c - the sessions of one thread, and who runs what among them. */
#include "session/errand.h"

#include "base/alloc.h"
#include "session/jobs.h"
#include "session/broadcast.h"
#include "session/repeats.h"
#include "session/session_priv.h"

#include <stdlib.h>

struct errands *errands_new(void)
{
    struct errands *e = xcalloc(1, sizeof *e);
    list_init(&e->sessions);
    list_init(&e->waiting);
    return e;
}

void errands_free(struct errands *e)
{
    if (!e)
        return;
    CHECK(list_empty(&e->sessions));
    for (struct list *it; (it = list_pop_front(&e->waiting));) /* answers that never came */
        session_free(list_entry(it, struct session, here));
    resp_channels_free(e->channels);
    resp_knobs_free(e->knobs);
    repeats_free(e->repeats);
    free(e);
}

void errands_host(struct errands *e, const struct errand_host *host)
{
    e->host = *host;
    e->began_ms = host->mono_us(NULL) / 1000;
    if (host->first && !e->repeats)
        e->repeats = repeats_new();
}

struct meters *errands_meters(struct errands *e)
{
    return &e->meters;
}

bool errand_known(struct errand *e)
{
    switch (e->kind) {
    case ERRAND_PUBLISH:
    case ERRAND_NAMES:
    case ERRAND_COUNTS:
        return resp_errand(e);
    case ERRAND_JOBS:
        return jobs_errand(e);
    case ERRAND_WORK:
        return work_errand(e);
    case ERRAND_BROADCAST:
        return broadcast_errand(e);
    default:
        return false;
    }
}

uint64_t errand_run(struct errands *here, const struct errand *e, struct buf *out)
{
    return e->run(here, e, out);
}
