/* everywhere.c - errands of sessions: to every worker, back to the one that asked, and there to the
 * session with what all of them said. */
#include "node/routing.h"

#include "base/alloc.h"

#include <stdlib.h>

struct trip {         /* one errand */
    struct note note; /* on the way back */
    struct ticket to;
    struct node *node;
    struct errand errand; /* its slices point behind the visits */
    atomic_uint left;
    struct trip_visit *visits;
};

struct trip_visit {
    struct note note;
    struct trip *trip;
    uint64_t number;
    struct buf out;
};

static void trip_home(struct note *n, void *thread)
{
    struct trip *t = container_of(n, struct trip, note);
    struct buf all = BUF_INIT;
    struct result res = {.status = GRID_OK};
    for (unsigned i = 0; i < t->node->shards; i++) {
        res.number += (int64_t)t->visits[i].number;
        if (t->visits[i].out.len)
            buf_add(&all, t->visits[i].out.data, t->visits[i].out.len);
        buf_release(&t->visits[i].out);
    }
    res.value = buf_slice(&all);
    worker_dirty(thread, session_result(&t->to, &res));
    buf_release(&all);
    free(t);
}

static void visit_run(struct note *n, void *thread)
{
    struct trip_visit *v = container_of(n, struct trip_visit, note);
    struct worker *w = thread;
    struct trip *t = v->trip;
    v->number = errand_run(w->ports.errands, &t->errand, &v->out);
    if (atomic_fetch_sub(&t->left, 1) == 1) {
        t->note.run = trip_home;
        worker_post(&t->node->workers[t->to.thread], &t->note);
    }
}

void everywhere(void *worker, const struct ticket *to, const struct errand *errand)
{
    struct worker *w = worker;
    if (w->router && errand->kind)
        router_errand(w->router, to, errand, loop_mono_ms(w->loop));
    else
        everywhere_here(w, to, errand);
}

void everywhere_here(struct worker *w, const struct ticket *to, const struct errand *errand)
{
    unsigned shards = w->node->shards;
    size_t bytes = 0;
    CHECK(errand->args_len <= ERRAND_ARGS_MAX);
    for (uint32_t i = 0; i < errand->args_len; i++)
        bytes += errand->args[i].len;
    struct trip *t = xcalloc(1, sizeof *t + shards * sizeof *t->visits + bytes);
    t->to = *to;
    t->node = w->node;
    t->errand = *errand;
    t->visits = (struct trip_visit *)(void *)(t + 1);
    uint8_t *at = (uint8_t *)(t->visits + shards);
    for (uint32_t i = 0; i < errand->args_len; i++) {
        struct slice *arg = &t->errand.args[i];
        if (arg->len)
            memcpy(at, arg->data, arg->len);
        arg->data = at;
        at += arg->len;
    }
    atomic_init(&t->left, shards);
    for (unsigned i = 0; i < shards; i++) {
        t->visits[i].note = (struct note){.run = visit_run};
        t->visits[i].trip = t;
        worker_post(&w->node->workers[i], &t->visits[i].note);
    }
}
