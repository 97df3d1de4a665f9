/* reading.c - the thread that reads a shard's log again, for replicas that rejoin (R11): neither
 * the shard's turns nor the log's writes wait for it. What the log lacks, the shard finds out. */
#include "node/node_priv.h"

#include "base/alloc.h"
#include "base/log.h"

#include <stdlib.h>

enum {
    KEEP_MS = 5000,   /* for so long after a question the log is kept for the next one */
    READER_MS = 1000, /* and the files are open */
};

struct reading_job {
    struct note note;
    struct log_read *read;
};

/* Where the thread is in the log. */
struct place {
    struct worker *w;
    struct wal_reader *reader; /* NULL: nowhere */
    uint64_t at;               /* lsn: has read so far */
    uint64_t end;              /* ... and will not read further */
};

bool reading_keeps(const struct worker *w)
{
    return clock_mono_ms() < atomic_load(&w->reading.keep_until);
}

/* On the worker. */
static void read_run(struct note *n, void *thread)
{
    struct reading_job *j = container_of(n, struct reading_job, note);
    struct worker *w = thread;
    shard_log_read(w->shard, j->read);
    free(j);
}

static void place_leave(struct place *p)
{
    wal_reader_free(p->reader);
    p->reader = NULL;
}

static void place_find(struct place *p, uint64_t after)
{
    if (p->reader && p->at == after)
        return;
    place_leave(p);
    p->at = after;
    p->end = wal_durable(p->w->wal);
    p->reader = wal_reader_open(p->w->wal, after, p->end);
}

static bool stopped(const struct worker *w)
{
    return atomic_load_explicit(&w->reading.helper.stop, memory_order_relaxed);
}

static void log_go_through(struct place *p, struct log_read *l)
{
    char why[STORE_WHY_BYTES];
    struct wal_item item;
    enum grid_err err = GRID_OK;
    bool more = true;
    if (stopped(p->w))
        return;
    place_find(p, l->after);
    while (more && !stopped(p->w) && !(err = wal_reader_next(p->reader, why, &item)))
        more = item.lost || log_read_take(l, item.lsn, item.context, item.partition, item.payload);
    p->at = l->reached;
    if (!err)
        return;
    if (err != GRID_ENOT_FOUND)
        log_warn("store", "shard %u: replicas that rejoin get whole copies: %s", p->w->index, why);
    l->done = true;
    l->reached = p->end > l->after ? p->end : l->after;
    place_leave(p);
}

static void *reading_body(void *arg)
{
    struct worker *w = arg;
    struct mailbox *box = w->reading.helper.box;
    struct place p = {.w = w};
    thread_give_way();
    for (;;) {
        bool stop = atomic_load(&w->reading.helper.stop);
        struct mail *m = mailbox_take(box);
        if (!m && !stop)
            m = mailbox_wait(box, p.reader ? READER_MS : -1);
        if (!m)
            place_leave(&p);
        if (!m && stop)
            return NULL;
        while (m) {
            struct mail *next = m->next;
            struct reading_job *j =
                container_of(container_of(m, struct note, mail), struct reading_job, note);
            log_go_through(&p, j->read);
            worker_post(w, &j->note);
            m = next;
        }
    }
}

/* When the node has stopped nobody is told any more. */
void reading_ask(void *ctx, struct log_read *l)
{
    struct worker *w = ctx;
    if (atomic_load(&w->reading.helper.stop)) {
        log_read_free(l);
        return;
    }
    struct reading_job *j = xalloc(sizeof *j);
    *j = (struct reading_job){{.run = read_run}, l};
    atomic_store(&w->reading.keep_until, clock_mono_ms() + KEEP_MS);
    mailbox_post(w->reading.helper.box, &j->note.mail);
}

bool reading_start(struct worker *w)
{
    return helper_start(&w->reading.helper, w, "read", reading_body);
}

void reading_end(struct worker *w)
{
    helper_end(&w->reading.helper, w);
}
