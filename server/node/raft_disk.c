/* raft_disk.c - see raft_disk.h. */
#include "node/raft_disk.h"

#include "base/alloc.h"
#include "base/log.h"
#include "node/node_priv.h"

#include <poll.h>
#include <stdlib.h>

enum { JOBS_MAX = 256, RETRY_MS = 200 };

struct raft_disk {
    struct raftstore *store;
    struct loop *loop;
    struct raft_disk_ports ports;
    struct mailbox *box;
    pthread_t thread;
    atomic_bool stop;
    bool gave_up; /* a write failed, or there was no space when it was to stop */
};

struct persist_note {
    struct mail mail;
    struct raftstore_job *job;
};

struct written_note {
    struct note note; /* outlives the thread, so it holds what it needs */
    void (*written)(void *ctx, uint64_t job);
    void *ctx;
    uint64_t job;
};

static void written_run(struct note *n, void *thread)
{
    struct written_note *w = container_of(n, struct written_note, note);
    (void)thread;
    w->written(w->ctx, w->job);
    free(w);
}

static void jobs_write(struct raft_disk *d, struct raftstore_job *const *jobs, size_t len)
{
    char why[STORE_WHY_BYTES];
    bool told = false;
    enum grid_err err;
    if (d->gave_up)
        return;
    while ((err = raftstore_write(d->store, jobs, len, why)) == GRID_ENO_SPACE) {
        if (!told) {
            log_error("control", "%s: the node takes no part in decisions until then", why);
            d->ports.full(d->ports.ctx, true);
        }
        told = true;
        if (atomic_load(&d->stop)) {
            d->gave_up = true; /* what came later must not be there without this */
            return;
        }
        poll(NULL, 0, RETRY_MS);
    }
    if (err) {
        d->gave_up = true;
        d->ports.broken(d->ports.ctx, why);
        return;
    }
    if (told) {
        log_info("control", "there is space on the disk again: the node takes part in decisions");
        d->ports.full(d->ports.ctx, false);
    }
    struct written_note *w = xalloc(sizeof *w);
    *w = (struct written_note){
        {.run = written_run}, d->ports.written, d->ports.ctx, jobs[len - 1]->job};
    loop_post(d->loop, &w->note.mail);
}

static struct mail *mail_write(struct raft_disk *d, struct mail *m)
{
    struct raftstore_job *jobs[JOBS_MAX];
    size_t len = 0;
    while (m && len < JOBS_MAX) {
        struct persist_note *p = container_of(m, struct persist_note, mail);
        m = m->next;
        jobs[len++] = p->job;
        free(p);
    }
    jobs_write(d, jobs, len);
    for (size_t i = 0; i < len; i++)
        free(jobs[i]);
    return m;
}

static void *body(void *arg)
{
    struct raft_disk *d = arg;
    for (;;) {
        bool stop = atomic_load(&d->stop);
        struct mail *m = stop ? mailbox_take(d->box) : mailbox_wait(d->box, -1);
        if (!m && stop)
            return NULL;
        while (m)
            m = mail_write(d, m);
    }
}

struct raft_disk *raft_disk_new(struct raftstore *store, struct loop *loop,
                                const struct raft_disk_ports *ports)
{
    struct raft_disk *d = xcalloc(1, sizeof *d);
    d->store = store;
    d->loop = loop;
    d->ports = *ports;
    d->box = mailbox_new();
    if (d->box && thread_start(&d->thread, "control-disk", body, d))
        return d;
    mailbox_free(d->box);
    free(d);
    return NULL;
}

void raft_disk_persist(struct raft_disk *d, const struct grid_persist *p)
{
    struct persist_note *n = xalloc(sizeof *n);
    *n = (struct persist_note){{NULL}, raftstore_job_new(p)};
    mailbox_post(d->box, &n->mail);
}

void raft_disk_free(struct raft_disk *d)
{
    if (!d)
        return;
    atomic_store(&d->stop, true);
    mailbox_wake(d->box);
    pthread_join(d->thread, NULL);
    mailbox_free(d->box);
    free(d);
}
