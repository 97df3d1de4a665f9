/* judge.c - what must hold, whatever the replicas think. There is one truth: the first time that a
 * replica calls a record committed, it becomes the next of it, and no replica may ever commit
 * another in its place. The truth is run through a model of its own, and what clients are told is
 * held against it. */
#include "base/alloc.h"
#include "tests/sim/replica/world.h"

#include <stdlib.h>
#include <string.h>

void judge_init(struct world *w)
{
    struct judge *j = &w->judge;
    struct sim_record *truth = j->truth;
    memset(j, 0, sizeof *j);
    j->truth = truth ? truth : xalloc(LOG_MAX * sizeof *truth);
    j->born = 1;
}

void judge_release(struct world *w)
{
    free(w->judge.truth);
    w->judge.truth = NULL;
}

/* --- the truth -------------------------------------------------------------------------------- */

/* A result is what the state before says, and a request is done once (R13). */
static void record_judge(struct world *w, const struct sim_record *r)
{
    struct judge *j = &w->judge;
    const struct sim_entry *e = &j->content.keys[r->key];
    if (r->kind == OP_INCR && r->value != (e->present ? e->value : 0) + 1)
        world_fail(w, "an increment to %ld was made of %ld", (long)r->value, (long)e->value);
    if (r->client >= CLIENTS_MAX)
        return;
    if (r->number <= j->numbers[r->client])
        world_fail(w, "request %u of client %u was done twice, or after %u", r->number, r->client,
                   j->numbers[r->client]);
    j->numbers[r->client] = r->number;
}

/* R4: a member in sync says that it holds what it has on disk. */
static void disks_judge(struct node *n, const struct sim_record *r)
{
    struct world *w = n->w;
    struct replica_view v;
    if (w->mix.durability != DURABILITY_SYNC || n->r.role != REPLICA_PRIMARY)
        return;
    if (n->durable < r->version)
        world_fail(w, "record %lx is committed before it is on the disk of node %u",
                   (unsigned long)r->version, n->number);
    for (unsigned i = 0; replica_view(&n->r, i, &v); i++)
        if (v.in_sync && w->nodes[v.member.node].durable < r->version)
            world_fail(w, "record %lx is committed before it is on the disk of node %u",
                       (unsigned long)r->version, v.member.node);
}

static void truth_add(struct node *n, const struct sim_record *r)
{
    struct world *w = n->w;
    struct judge *j = &w->judge;
    record_judge(w, r);
    disks_judge(n, r);
    content_apply_record(&j->content, r);
    j->truth[j->len++] = *r;
}

static void truth_cut(struct judge *j, uint64_t len)
{
    memset(&j->content, 0, sizeof j->content);
    memset(j->numbers, 0, sizeof j->numbers);
    memset(j->past_len, 0, sizeof j->past_len);
    j->floor_all = 0;
    j->len = len;
    for (uint64_t i = 0; i < len; i++) {
        const struct sim_record *r = &j->truth[i];
        content_apply_record(&j->content, r);
        if (r->client < CLIENTS_MAX)
            j->numbers[r->client] = r->number;
    }
    for (unsigned k = 0; k < KEYS; k++)
        if (j->floor[k] > j->content.keys[k].version)
            j->floor[k] = j->content.keys[k].version;
    j->era++;
}

void judge_loss(struct world *w, uint64_t born, uint64_t epoch)
{
    struct judge *j = &w->judge;
    j->loss = epoch;
    if (!born)
        return;
    j->born = born;
    truth_cut(j, 0);
}

/* The allowed loss: what the primary has not is no longer true. */
static void loss_take(struct judge *j, const struct node *n)
{
    uint64_t len = 0, last = replica_last(&n->r) & SEQ_MASK;
    while (len < j->len && len < last && n->log[len].version == j->truth[len].version)
        len++;
    j->loss = 0;
    if (len == j->len)
        return;
    truth_cut(j, len);
    j->born = n->r.epoch; /* who has not heard of it knows what is lost */
}

void judge_committed(struct node *n)
{
    struct world *w = n->w;
    struct judge *j = &w->judge;
    uint64_t commit = n->r.commit & SEQ_MASK;
    if (commit < n->seen_commit && w->mix.durability == DURABILITY_SYNC)
        world_fail(w, "node %u takes back what it called committed", n->number);
    if (commit < n->seen_commit)
        n->seen_commit = commit;
    bool knows = n->r.role == REPLICA_PRIMARY || n->r.role == REPLICA_BACKUP;
    if (!knows || commit == n->seen_commit || n->r.epoch < j->born)
        return;
    if (j->loss && n->r.epoch >= j->loss)
        loss_take(j, n);
    if (n->silent && commit > j->len)
        commit = j->len; /* what is only there is lost, and nobody will miss it */
    for (uint64_t i = n->seen_commit; i < commit && !w->failed; i++) {
        if (i == j->len)
            truth_add(n, &n->log[i]);
        else if (n->log[i].version != j->truth[i].version)
            world_fail(w, "node %u (epoch %u) commits %lx as record %lu, which is %lx", n->number,
                       n->r.epoch, (unsigned long)n->log[i].version, (unsigned long)i + 1,
                       (unsigned long)j->truth[i].version);
    }
    n->seen_commit = commit;
}

/* What a node knows, or will find on its disk. */
static uint64_t knows(const struct node *n)
{
    if (n->damaged)
        return 0;
    if (n->alive)
        return n->r.copying ? 0 : replica_last(&n->r);
    return n->durable;
}

bool judge_has_all(const struct world *w, uint32_t node)
{
    const struct judge *j = &w->judge;
    return !j->len || knows(&w->nodes[node]) >= j->truth[j->len - 1].version;
}

void judge_led(struct world *w, const struct replica_config *unled, struct replica_member leads)
{
    for (int i = 0; i < unled->in_sync; i++) {
        const struct node *n = &w->nodes[unled->members[i].node];
        if (knows(n) > knows(&w->nodes[leads.node]))
            world_fail(w, "node %u leads, node %u knows more", leads.node, n->number);
    }
}

/* --- what clients are told -------------------------------------------------------------------- */

static const struct sim_record *truth_find(const struct judge *j, uint64_t version)
{
    uint64_t seq = version & SEQ_MASK;
    if (!seq || seq > j->len || j->truth[seq - 1].version != version)
        return NULL;
    return &j->truth[seq - 1];
}

static bool removes(const struct sim_record *r)
{
    return r->kind == OP_DELETE || r->kind == OP_EXPIRE_KEY;
}

/* Whether the key was absent at some time since `floor`. */
static bool was_absent(const struct judge *j, uint8_t key, uint64_t floor)
{
    uint64_t seq = floor & SEQ_MASK;
    if (!seq)
        return true;
    for (uint64_t i = seq - 1; i < j->len; i++)
        if (j->truth[i].key == key && removes(&j->truth[i]))
            return true;
    return false;
}

static void told_read(struct world *w, const struct client *c, uint64_t version, int64_t value,
                      bool present)
{
    const struct judge *j = &w->judge;
    const struct sim_record *r = truth_find(j, version);
    if (version && (!r || r->key != c->key))
        world_fail(w, "a read was told version %lx, which is not committed",
                   (unsigned long)version);
    else if (!present && !was_absent(j, c->key, c->floor))
        world_fail(w, "a read was told that key %u is absent; %lx was told before", c->key,
                   (unsigned long)c->floor);
    else if (present && (removes(r) || r->value != value))
        world_fail(w, "a read was told %ld, which version %lx is not", (long)value,
                   (unsigned long)version);
    else if (present && version < c->floor)
        world_fail(w, "a stale read: version %lx; %lx was told before", (unsigned long)version,
                   (unsigned long)c->floor);
}

static void told_write(struct world *w, const struct client *c, uint64_t version, int64_t value)
{
    const struct sim_record *r = truth_find(&w->judge, version);
    if (!r)
        world_fail(w, "a write was told version %lx, which is not committed",
                   (unsigned long)version);
    else if (r->number != c->number || r->key != c->key || r->value != value)
        world_fail(w, "a write was told version %lx, which is another's", (unsigned long)version);
    else if (version <= c->floor_all)
        world_fail(w, "a write got version %lx after %lx was told", (unsigned long)version,
                   (unsigned long)c->floor_all);
}

static void floor_raise(struct world *w, uint8_t key, uint64_t version)
{
    struct judge *j = &w->judge;
    if (version <= j->floor[key])
        return;
    j->floor[key] = version;
    unsigned at = j->past_len[key]++ % PAST;
    j->past[key][at].at = w->now;
    j->past[key][at].version = version;
}

/* A copy may answer as things were when its leases were granted, by its clock. */
uint64_t judge_floor_local(const struct world *w, uint8_t key)
{
    const struct judge *j = &w->judge;
    usec_t age = (usec_t)(LEASE_MS + 2) * 1000 * 1000 / (1000 - w->mix.rate / 2);
    for (unsigned i = j->past_len[key]; i && j->past_len[key] - i < PAST; i--) {
        uint64_t version = j->past[key][(i - 1) % PAST].version;
        if (j->past[key][(i - 1) % PAST].at + age <= w->now)
            return version < j->floor[key] ? version : j->floor[key];
    }
    return 0;
}

void judge_told(struct world *w, const struct client *c, const struct reply *r)
{
    struct judge *j = &w->judge;
    if (c->era != j->era || j->loss || r->epoch < j->born)
        return; /* some may be lost in between */
    if (c->kind == OP_READ_KEY)
        told_read(w, c, r->version, r->value, r->present);
    else
        told_write(w, c, r->version, r->value);
    floor_raise(w, c->key, r->version);
    if (r->version > j->floor_all)
        j->floor_all = r->version;
}

/* --- the end ---------------------------------------------------------------------------------- */

static bool content_same(const struct content *a, const struct content *b)
{
    for (unsigned k = 0; k < KEYS; k++) {
        const struct sim_entry *x = &a->keys[k], *y = &b->keys[k];
        if (x->present != y->present || x->value != y->value || x->deadline != y->deadline ||
            (x->present && x->version != y->version))
            return false;
    }
    for (unsigned c = 0; c < CLIENTS_MAX; c++)
        if (a->sessions[c].number != b->sessions[c].number ||
            a->sessions[c].value != b->sessions[c].value)
            return false;
    return true;
}

static const char *member_behind(struct world *w, const struct replica_config *c)
{
    for (int i = 0; i < c->in_sync; i++) {
        const struct node *n = &w->nodes[c->members[i].node];
        if (n->damaged || n->r.copying)
            return "a member in sync is damaged";
        if (n->r.epoch != c->epoch ||
            replica_last(&n->r) != replica_last(&w->nodes[c->members[0].node].r))
            return "a member in sync is behind";
        if (i == 0 &&
            (n->r.commit != replica_last(&n->r) || (n->r.commit & SEQ_MASK) != w->judge.len))
            return "the primary has not committed all";
    }
    for (int i = 0; i < c->in_sync; i++)
        if (!content_same(&w->nodes[c->members[i].node].content, &w->judge.content))
            world_fail(w, "node %u has another content than the truth", c->members[i].node);
    return NULL;
}

bool judge_converged(struct world *w, const char **ret_why)
{
    struct replica_config c;
    unsigned want = w->mix.copies < w->mix.nodes ? w->mix.copies : w->mix.nodes;
    CHECK(control_config(w, &c));
    *ret_why = NULL;
    if (!c.led)
        *ret_why = "nobody leads";
    else if (w->nodes[c.members[0].node].r.phase != REPLICA_SERVING)
        *ret_why = "the primary does not serve";
    else if (c.in_sync != want || c.len != c.in_sync)
        *ret_why = "not as many in sync as wanted";
    for (unsigned i = 0; i < w->mix.clients && !*ret_why; i++)
        if (w->clients[i].done < 2)
            *ret_why = "a client is not served";
    if (*ret_why)
        return false;
    w->silent = true;
    *ret_why = member_behind(w, &c);
    return !*ret_why;
}
