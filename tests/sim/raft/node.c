/* node.c - one process: it steps, its disk writes when it gets to it, its links lose and delay. */
#include "tests/sim/raft/world.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { ARENA_BYTES = 256 << 20, STEPS_MAX = 2000000 };

void *keep(struct world *w, const void *data, size_t len)
{
    if (!w->arena)
        w->arena = xalloc(ARENA_BYTES);
    CHECK(len <= ARENA_BYTES - w->arena_len);
    void *p = w->arena + w->arena_len;
    w->arena_len += (len + 15) & ~(size_t)15;
    if (data && len)
        memcpy(p, data, len);
    return p;
}

static struct slice keep_slice(struct world *w, struct slice s)
{
    return s.len ? slice_make(keep(w, s.data, s.len), s.len) : slice_make(NULL, 0);
}

static const struct raft_entry *keep_entries(struct world *w, const struct raft_entry *e, size_t n)
{
    struct raft_entry *copy = keep(w, e, n * sizeof *e);
    for (size_t i = 0; i < n; i++)
        copy[i].data = keep_slice(w, e[i].data);
    return copy;
}

msec_t node_now(const struct world *w, const struct node *n)
{
    return n->offset_ms + w->now_us * n->rate / 1000000;
}

uint64_t node_wake_us(const struct world *w, const struct node *n)
{
    if (!n->alive)
        return UINT64_MAX;
    uint64_t ms = n->view.wake > n->offset_ms ? n->view.wake - n->offset_ms : 0;
    uint64_t us = ms * 1000000 / n->rate + 1;
    if (us < w->now_us)
        us = w->now_us;
    return us > n->paused_until_us ? us : n->paused_until_us;
}

/* --- links ------------------------------------------------------------------------------------ */

static bool sooner(const struct delivery *a, const struct delivery *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

static void heap_add(struct world *w, struct delivery d)
{
    if (w->heap_len == w->heap_cap) {
        w->heap_cap = w->heap_cap ? 2 * w->heap_cap : 256;
        w->heap = xrealloc(w->heap, w->heap_cap, sizeof *w->heap);
    }
    size_t i = w->heap_len++;
    for (; i && sooner(&d, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = d;
}

static struct delivery heap_take(struct world *w)
{
    struct delivery top = w->heap[0], last = w->heap[--w->heap_len];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->heap_len; i = child) {
        if (child + 1 < w->heap_len && sooner(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!sooner(&w->heap[child], &last))
            break;
        w->heap[i] = w->heap[child];
    }
    if (w->heap_len)
        w->heap[i] = last;
    return top;
}

static void post(struct world *w, const struct raft_message *m)
{
    uint64_t delay = 100 + below(w, w->mix.delay_us) + below(w, w->mix.jitter_us);
    if (w->calm)
        delay = 500; /* and in order */
    else if (chance(w, w->mix.late)) {
        delay += below(w, 4000000);
        w->tally.late++;
    }
    bool calm = w->calm && (m->kind == RAFT_MESSAGE_APPEND || w->answers);
    heap_add(w, (struct delivery){w->now_us + delay, w->order++, calm, m});
}

static void send(struct world *w, const struct raft_message *m)
{
    if (!m->to || m->to > NODES_MAX)
        return;
    if (w->cut[m->from - 1][m->to - 1] || (!w->calm && chance(w, w->mix.loss))) {
        w->tally.lost++;
        return;
    }
    struct raft_message *copy = keep(w, m, sizeof *m);
    copy->entries = keep_entries(w, m->entries, m->entries_len);
    copy->data = keep_slice(w, m->data);
    if (m->membership)
        copy->membership = keep(w, m->membership, sizeof *m->membership);
    post(w, copy);
    if (!w->calm && chance(w, w->mix.repetition)) {
        w->tally.repeated++;
        post(w, copy);
    }
}

void deliver(struct world *w)
{
    struct delivery d = heap_take(w);
    struct node *n = &w->nodes[d.message->to - 1];
    w->now_us = d.at_us > w->now_us ? d.at_us : w->now_us;
    if (!n->alive || w->cut[d.message->from - 1][d.message->to - 1])
        return;
    if (n->paused_until_us > w->now_us) {
        d.at_us = n->paused_until_us;
        heap_add(w, d);
        return;
    }
    struct raft_event ev = {.kind = RAFT_EVENT_RECEIVE, .message = d.message};
    w->answers = d.calm;
    node_step(w, n, &ev);
    w->answers = false;
}

/* --- disk ------------------------------------------------------------------------------------- */

/* What waits is joined into one transaction, or some of it. */
static void write_begin(struct world *w, struct node *n)
{
    n->writing = 0;
    if (!n->writes_len)
        return;
    n->writing = chance(w, 700) ? n->writes_len : 1 + (unsigned)below(w, n->writes_len);
    n->written_us = n->stalled_until_us > w->now_us ? n->stalled_until_us : w->now_us;
    n->written_us += 50 + below(w, n->disk_us);
}

static void write_later(struct world *w, struct node *n, const struct raft_persist *p)
{
    if (n->writes_len == WRITES_MAX) { /* a disk that far behind ends the process */
        node_crash(w, n);
        return;
    }
    struct raft_persist *copy = &n->writes[n->writes_len++];
    *copy = *p;
    copy->entries = keep_entries(w, p->entries, p->entries_len);
    if (p->snapshot) {
        struct raft_snapshot *s = keep(w, p->snapshot, sizeof *s);
        s->data = keep_slice(w, s->data);
        copy->snapshot = s;
    }
    if (!n->writing)
        write_begin(w, n);
}

static void write_end(struct world *w, struct node *n, bool apply)
{
    for (unsigned i = 0; i < n->writing && apply; i++)
        store_apply(w, &n->disk, &n->writes[i]);
    n->writes_len -= n->writing;
    memmove(n->writes, n->writes + n->writing, n->writes_len * sizeof *n->writes);
    write_begin(w, n);
}

/* The transaction is on disk, and if the process lives, it is told. */
void node_disk(struct world *w, struct node *n)
{
    bool failed = !w->calm && chance(w, w->mix.fail);
    struct raft_event ev = {.kind = RAFT_EVENT_PERSISTED,
                            .written = n->writes[n->writing - 1].number};
    w->tally.failed_writes += failed;
    if (failed && !SABOTAGE(FAILED_WRITE)) { /* C8 */
        node_crash(w, n);
        return;
    }
    write_end(w, n, !failed);
    node_step(w, n, &ev);
}

/* --- life ------------------------------------------------------------------------------------- */

static uint64_t state_of(struct slice bytes)
{
    return bytes.len >= 16 ? load_u64(bytes.data + 8) : 0;
}

void node_start(struct world *w, struct node *n)
{
    static struct raft_entry entries[INDEXES_MAX];
    struct store *d = &n->disk;
    if (SABOTAGE(WIPED_DISK) && chance(w, 300))
        *d = (struct store){.entries = d->entries, .cap = d->cap};
    for (size_t i = 0; i < d->len; i++)
        entries[i] = (struct raft_entry){d->first + i, d->entries[i].term, d->entries[i].kind,
                                         d->entries[i].data};
    struct raft_stored stored = {d->term, d->vote, d->snapshot, entries, d->len};
    struct raft_conf conf = w->mix.conf;
    conf.self = n->id;
    conf.seed = prng_next(&w->prng);
    if (raft_new(&conf, &stored, node_now(w, n), &n->raft)) {
        fail(w, n, "what is on disk contradicts itself");
        return;
    }
    store_copy(&n->mem, d);
    n->exists = n->alive = true;
    n->writes_len = n->writing = n->reads_len = 0;
    n->making = 0;
    n->applied = d->snapshot.index;
    n->state = state_of(d->snapshot.data);
    n->leader_heard_term = n->prevote_term = n->closed_ms = 0;
    n->view = raft_view(n->raft);
    n->paused_until_us = 0;
}

/* What was not synced may be there or not, a transaction wholly. */
void node_crash(struct world *w, struct node *n)
{
    while (n->writes_len && chance(w, 500))
        write_end(w, n, true);
    w->tally.lost_writes += n->writes_len;
    w->tally.crashes++;
    raft_free(n->raft);
    n->raft = NULL;
    n->alive = false;
    n->writes_len = n->writing = 0;
    n->restart_us = w->now_us + 10000 + below(w, 3000000);
}

static void apply(struct world *w, struct node *n, const struct raft_update *u)
{
    if (u->restore) {
        judge_restore(w, n, u->restore);
        n->applied = u->restore->index;
        n->state = state_of(u->restore->data);
        w->tally.restores++;
    }
    for (size_t i = 0; i < u->committed_len; i++) {
        const struct raft_entry *e = &u->committed[i];
        if (e->index != n->applied + 1)
            fail(w, n, "entry %lu applied after %lu", (unsigned long)e->index,
                 (unsigned long)n->applied);
        n->applied = e->index;
        if (e->kind == RAFT_ENTRY_COMMAND)
            n->state = hash_slice(n->state, e->data);
    }
}

static void count_rollback(struct world *w, const struct node *n, const struct raft_persist *p)
{
    if (!p->cut_from || p->snapshot)
        return;
    w->tally.rollbacks++;
    for (size_t i = 0; i < n->mem.len; i++)
        w->tally.members_rolled_back +=
            n->mem.first + i >= p->cut_from && n->mem.entries[i].kind == RAFT_ENTRY_MEMBERSHIP;
}

/* C1: to disk, then messages, then entries; the disk may take its time, so the engine does not
 * rely on the order here. */
void node_step(struct world *w, struct node *n, struct raft_event *ev)
{
    struct raft_update u;
    struct raft_view before = n->view;
    ev->now = node_now(w, n);
    if (++w->steps > STEPS_MAX)
        fail(w, n, "busy without end");
    judge_before(w, n, ev);
    raft_step(n->raft, ev, &u);
    raft_check(n->raft);
    n->view = raft_view(n->raft);
    if (u.persist.number) {
        count_rollback(w, n, &u.persist);
        store_apply(w, &n->mem, &u.persist);
        write_later(w, n, &u.persist);
        if (!n->alive)
            return;
    }
    judge_update(w, n, &u);
    apply(w, n, &u);
    judge_after(w, n, ev, &before);
    for (size_t i = 0; i < u.messages_len; i++)
        send(w, &u.messages[i]);
    if (u.snapshot_wanted && chance(w, 300))
        node_make_snapshot(w, n);
}

/* Begun now; done at once or, as by another thread, when it is called again. */
void node_make_snapshot(struct world *w, struct node *n)
{
    if (!n->making) {
        n->making = n->applied;
        n->made = state_bytes(w, n);
        if (chance(w, 500))
            return;
    }
    struct raft_event ev = {.kind = RAFT_EVENT_SNAPSHOT_MADE, .index = n->making, .data = n->made};
    n->making = 0;
    w->tally.snapshots++;
    node_step(w, n, &ev);
}
