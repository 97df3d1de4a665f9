/* resolver.c - a thread that asks the system, one question after the other. */
#include "node/resolver.h"

#include "base/alloc.h"
#include "base/list.h"

#include <stdlib.h>

struct question {
    struct note note;
    char *address;
    struct loop *back;
    resolved_fn *done;
    void *ctx;
    struct net_addr addrs[NET_ADDRS_MAX];
    size_t len;
    char why[NET_WHY_BYTES];
};

struct resolver {
    struct mailbox *box;
    pthread_t thread;
    atomic_bool stop;
};

static void forget(struct question *q)
{
    free(q->address);
    free(q);
}

static void answer_run(struct note *n, void *thread)
{
    (void)thread;
    struct question *q = container_of(n, struct question, note);
    q->done(q->ctx, q->address, q->addrs, q->len, q->why);
    forget(q);
}

static void ask(struct question *q)
{
    if (net_resolve(q->address, q->addrs, &q->len, q->why))
        q->len = 0;
    loop_post(q->back, &q->note.mail);
}

static void *body(void *arg)
{
    struct resolver *r = arg;
    while (!atomic_load_explicit(&r->stop, memory_order_acquire)) {
        for (struct mail *m = mailbox_wait(r->box, -1), *next; m; m = next) {
            next = m->next;
            struct question *q =
                container_of(container_of(m, struct note, mail), struct question, note);
            if (atomic_load_explicit(&r->stop, memory_order_acquire))
                forget(q);
            else
                ask(q);
        }
    }
    return NULL;
}

struct resolver *resolver_new(void)
{
    struct resolver *r = xcalloc(1, sizeof *r);
    r->box = mailbox_new();
    if (r->box && thread_start(&r->thread, "resolver", body, r))
        return r;
    mailbox_free(r->box);
    free(r);
    return NULL;
}

void resolver_stop(struct resolver *r)
{
    if (atomic_exchange(&r->stop, true))
        return;
    mailbox_wake(r->box);
    pthread_join(r->thread, NULL);
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    resolver_stop(r);
    for (struct mail *m = mailbox_take(r->box), *next; m; m = next) {
        next = m->next;
        forget(container_of(container_of(m, struct note, mail), struct question, note));
    }
    mailbox_free(r->box);
    free(r);
}

void resolver_ask(struct resolver *r, const char *address, struct loop *back, resolved_fn *done,
                  void *ctx)
{
    struct question *q = xcalloc(1, sizeof *q);
    q->note.run = answer_run;
    q->address = xstrdup(address);
    q->back = back;
    q->done = done;
    q->ctx = ctx;
    mailbox_post(r->box, &q->note.mail);
}
