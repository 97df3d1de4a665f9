/* shard.c - what is in the partition of a node: content, log, disk; requests; copies and cuts, as
 * the ports of the replica ask for them. */
#include "base/alloc.h"
#include "tests/sim/replica/world.h"

#include <stdlib.h>
#include <string.h>

static uint64_t seq_of(uint64_t version)
{
    return version & SEQ_MASK;
}

/* --- content ---------------------------------------------------------------------------------- */

void content_apply_record(struct content *c, const struct sim_record *r)
{
    struct sim_entry *e = &c->keys[r->key];
    e->version = r->version;
    e->present = r->kind != OP_DELETE && r->kind != OP_EXPIRE_KEY;
    e->value = e->present ? r->value : 0;
    e->deadline = e->present ? r->deadline : 0;
    if (r->client < CLIENTS_MAX)
        c->sessions[r->client] = (struct sim_session){r->version, r->value, r->number};
}

/* --- disk ------------------------------------------------------------------------------------- */

void disk_cut(struct disk *d, size_t keep)
{
    for (size_t i = keep; i < d->len; i++) {
        free(d->items[i].content);
        free(d->items[i].records);
    }
    d->len = keep;
    d->first = d->first < keep ? d->first : keep;
    d->synced = d->syncing = keep;
    d->busy = false;
}

size_t disk_read(struct node *n, uint64_t version, struct sim_record *records, size_t max)
{
    const struct disk *d = &n->disk;
    size_t len = 0;
    for (size_t i = d->first; i < d->synced && len < max; i++) {
        const struct item *it = &d->items[i];
        if (it->kind != ITEM_RECORD || it->bad || !replica_follows(&n->r, version, it->version))
            continue;
        records[len++] = it->record;
        version = it->version;
    }
    return len;
}

void disk_history(const struct disk *d, struct replica_history *ret_history)
{
    struct replica_history h = {0};
    for (size_t i = d->first; i < d->synced; i++) {
        const struct item *it = &d->items[i];
        bool restates = it->kind == ITEM_WIPE || it->kind == ITEM_MENDED;
        if (it->bad || (it->kind != ITEM_RECORD && !restates))
            continue;
        bool next = it->version > h.last && seq_of(it->version) == seq_of(h.last) + 1;
        if (it->kind == ITEM_RECORD && next)
            replica_history_add(&h, it->version);
        else if (it->version != h.last)
            h = (struct replica_history){.last = it->version, .torn = it->version != 0};
    }
    *ret_history = h;
}

void shard_item(struct node *n, const struct item *it)
{
    struct disk *d = &n->disk;
    if (d->len == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 256;
        d->items = xrealloc(d->items, d->cap, sizeof *d->items);
    }
    d->items[d->len++] = *it;
}

void shard_sync(struct node *n)
{
    struct disk *d = &n->disk;
    struct world *w = n->w;
    if (d->busy || d->len == d->synced || w->mix.durability == DURABILITY_MEMORY)
        return;
    d->busy = true;
    d->syncing = d->len;
    usec_t delay = 50 + below(w, n->disk_us);
    if (w->mix.durability == DURABILITY_ASYNC)
        delay += 100000;
    world_post_to(w, delay, EVENT_DISK, n->number);
}

/* R4. What restates a log is on disk before the first ack after it, for `async` too: what it
 * replaces is gone, and half of it is nothing. */
static void held(struct node *n)
{
    bool waits = n->w->mix.durability == DURABILITY_ASYNC && n->restated > n->disk.synced &&
                 !RULE_OFF(ASYNC_COPIES);
    if (n->w->mix.durability != DURABILITY_SYNC && !waits)
        replica_ack(&n->r, replica_last(&n->r));
}

static void durable(struct node *n, const struct item *it)
{
    if (it->kind != ITEM_COPIED && it->kind != ITEM_PIECE)
        n->durable = it->version;
}

static void stored(struct node *n, const struct item *it)
{
    if (it->kind == ITEM_COPIED && it->version == n->in_round)
        replica_copied(&n->r, node_now(n));
    else if (it->kind != ITEM_COPIED && it->kind != ITEM_PIECE &&
             n->w->mix.durability == DURABILITY_SYNC)
        replica_ack(&n->r, it->version);
}

void disk_durable(struct node *n)
{
    n->durable = 0;
    for (size_t i = 0; i < n->disk.len; i++)
        durable(n, &n->disk.items[i]);
}

void shard_disk_done(struct node *n)
{
    struct disk *d = &n->disk;
    size_t from = d->synced;
    d->busy = false;
    d->synced = d->syncing;
    for (size_t i = from; i < d->synced; i++) {
        const struct item *it = &d->items[i];
        durable(n, it);
        stored(n, it);
    }
    held(n);
    n->woken = true; /* there is more to be read, perhaps */
}

/* --- recovery (R10) --------------------------------------------------------------------------- */

static void records_put(struct node *n, const struct item *it)
{
    if (it->records_len)
        memcpy(n->log, it->records, it->records_len * sizeof *it->records);
}

static void item_recover(struct node *n, const struct item *it, bool *copying)
{
    durable(n, it);
    switch (it->kind) {
    case ITEM_RECORD:
        n->log[seq_of(it->version) - 1] = it->record;
        content_apply_record(&n->content, &it->record);
        replica_recover(&n->r, it->version);
        break;
    case ITEM_WIPE:
        memset(&n->content, 0, sizeof n->content);
        records_put(n, it);
        n->floor = it->records_len;
        replica_restate(&n->r, it->version);
        *copying = it->version > 0 || it->records;
        break;
    case ITEM_PIECE:
        if (it->piece < KEYS && it->content->keys[it->piece].present)
            n->content.keys[it->piece] = it->content->keys[it->piece];
        else if (it->piece == KEYS)
            memcpy(n->content.sessions, it->content->sessions, sizeof n->content.sessions);
        break;
    case ITEM_MEND:
        *copying = true;
        break;
    case ITEM_MENDED:
        n->content = *it->content;
        records_put(n, it);
        replica_restate(&n->r, it->version);
        *copying = false;
        break;
    case ITEM_COPIED:
        *copying = false;
        break;
    }
}

void shard_recover(struct node *n)
{
    bool copying = false;
    for (size_t i = 0; i < n->disk.len; i++)
        item_recover(n, &n->disk.items[i], &copying);
    if (copying && !RULE_OFF(ASYNC_COPIES))
        replica_recover_copying(&n->r);
    if (n->damaged)
        shard_damage(n);
    n->silent = n->damaged;
    if (n->w->mix.durability != DURABILITY_MEMORY && chance(n->w, n->w->mix.trim))
        n->r.history = (struct replica_history){.last = n->r.history.last}; /* of a checkpoint */
}

void shard_damage(struct node *n)
{
    n->damaged = true;
    memset(&n->content, 1, sizeof n->content); /* as no copy is: and a bool may be 1 */
    n->waiting_len = 0;
    replica_break(&n->r, node_now(n));
}

/* --- records ---------------------------------------------------------------------------------- */

void shard_log(struct node *n, const struct sim_record *r)
{
    uint64_t seq = seq_of(r->version);
    CHECK(seq > 0 && seq <= LOG_MAX);
    n->log[seq - 1] = *r;
    struct sim_record applied = *r;
    if (RULE_OFF(COMMANDS) && r->kind == OP_STAMP)
        applied.value = (int64_t)node_now(n);
    content_apply_record(&n->content, &applied);
    if (n->w->mix.durability != DURABILITY_MEMORY)
        shard_item(n,
                   &(struct item){.kind = ITEM_RECORD, .version = r->version, .record = applied});
    replica_advance(&n->r, r->version);
    held(n);
}

static bool expired(const struct node *n, const struct sim_entry *e)
{
    return e->present && e->deadline && e->deadline <= n->w->now / 1000;
}

/* R14 */
void shard_expire(struct node *n)
{
    for (uint8_t k = 0; k < KEYS; k++) {
        if (!expired(n, &n->content.keys[k]))
            continue;
        if (RULE_OFF(BACKUPS_EXPIRE) && n->r.role == REPLICA_BACKUP)
            n->content.keys[k] = (struct sim_entry){0};
        uint64_t version = replica_admits(&n->r) && !n->damaged ? replica_peek(&n->r) : 0;
        if (!version || replica_short(&n->r))
            continue;
        struct sim_record r = {
            .version = version, .kind = OP_EXPIRE_KEY, .key = k, .client = CLIENTS_MAX};
        shard_log(n, &r);
    }
}

/* --- requests --------------------------------------------------------------------------------- */

void shard_answer(struct node *n, const struct request *q, const struct reply *r)
{
    struct world *w = n->w;
    if (chance(w, w->mix.loss) || w->mix.mute)
        return;
    struct event *e = world_post(w, w->now + world_delay(w), EVENT_REPLY, q->client);
    struct reply *copy = xalloc(sizeof *copy);
    *copy = *r;
    copy->ticket = q->ticket;
    copy->epoch = n->r.epoch;
    e->data = copy;
}

static void answer_retry(struct node *n, const struct request *q)
{
    shard_answer(n, q, &(struct reply){.status = REPLY_RETRY});
}

static void answer_write(struct node *n, const struct request *q, uint64_t version, int64_t value)
{
    if (!replica_pending(&n->r, version)) {
        shard_answer(n, q, &(struct reply){.version = version, .value = value, .present = true});
        return;
    }
    if (n->waiting_len < PENDING_MAX)
        n->waiting[n->waiting_len++] =
            (struct waiting){.version = version, .q = *q, .value = value};
}

static struct sim_record evaluate(const struct node *n, const struct request *q)
{
    const struct sim_entry *e = &n->content.keys[q->key];
    struct sim_record r = {
        .kind = q->kind, .key = q->key, .client = q->client, .number = q->number};
    r.value = q->value;
    if (q->kind == OP_INCR)
        r.value = (e->present ? e->value : 0) + 1;
    else if (q->kind == OP_STAMP)
        r.value = (int64_t)node_now(n);
    if (q->expires)
        r.deadline = n->w->now / 1000 + 300;
    return r;
}

/* What it has is wrong, or a part of a copy. */
static bool unfit(const struct node *n)
{
    return n->damaged || n->r.copying;
}

static void write_request(struct node *n, const struct request *q)
{
    if (!replica_admits(&n->r) || unfit(n)) {
        answer_retry(n, q);
        return;
    }
    const struct sim_session *s = &n->content.sessions[q->client];
    if (s->number == q->number) { /* R13 */
        n->w->tally.repeated++;
        answer_write(n, q, s->version, s->value);
        return;
    }
    if (s->number > q->number)
        return; /* nobody waits for it */
    if (replica_short(&n->r)) {
        n->w->tally.shorts++;
        answer_retry(n, q);
        return;
    }
    struct sim_record r = evaluate(n, q);
    r.version = replica_peek(&n->r);
    if (!r.version || seq_of(r.version) > LOG_MAX)
        return;
    shard_log(n, &r);
    answer_write(n, q, r.version, r.value);
}

/* False: the primary is to be asked. */
static bool copy_read(struct node *n, const struct request *q, const struct sim_entry *e)
{
    if (!q->local || n->r.role != REPLICA_BACKUP || !replica_copy_shows(&n->r, e->version) ||
        !replica_copy_reads(&n->r, node_now(n)))
        return false;
    n->w->tally.local++;
    shard_answer(n, q,
                 &(struct reply){.version = e->version, .value = e->value, .present = e->present});
    return true;
}

/* R6, R7: first the value, then whether it may be told. */
void shard_read(struct node *n, const struct request *q)
{
    const struct sim_entry *e = &n->content.keys[q->key];
    if (n->r.role != REPLICA_PRIMARY || unfit(n)) {
        if (unfit(n) || !copy_read(n, q, e))
            answer_retry(n, q);
        return;
    }
    if (replica_pending(&n->r, e->version) && !RULE_OFF(UNCOMMITTED_READS)) {
        if (n->waiting_len < PENDING_MAX)
            n->waiting[n->waiting_len++] = (struct waiting){.version = e->version, .q = *q};
        return;
    }
    if (!q->leased && !replica_reads(&n->r, node_now(n))) {
        n->w->tally.unleased++;
        answer_retry(n, q);
        return;
    }
    shard_answer(n, q,
                 &(struct reply){.version = e->version, .value = e->value, .present = e->present});
}

void shard_request(struct node *n, const struct event *e)
{
    struct request *q = e->data;
    if (q->kind != OP_READ_KEY) {
        write_request(n, q);
        return;
    }
    q->leased = RULE_OFF(LEASE_FIRST) && n->leased;
    struct request *copy = xalloc(sizeof *copy);
    *copy = *q;
    world_post_to(n->w, below(n->w, 2000), EVENT_READ, n->number)->data = copy;
}

/* Commit moved, or it leads no more: who waited is answered, or left to its doubts. */
void shard_committed(struct node *n)
{
    judge_committed(n);
    if (n->r.role != REPLICA_PRIMARY)
        n->waiting_len = 0;
    unsigned len = n->waiting_len, kept = 0;
    for (unsigned i = 0; i < len; i++) {
        struct waiting *x = &n->waiting[i];
        if (replica_pending(&n->r, x->version)) {
            n->waiting[kept++] = *x;
            continue;
        }
        struct request q = x->q;
        if (q.kind == OP_READ_KEY)
            world_post_to(n->w, 0, EVENT_READ, n->number)->data =
                memcpy(xalloc(sizeof q), &q, sizeof q);
        else
            answer_write(n, &q, x->version, x->value);
    }
    n->waiting_len = kept;
}

/* --- cuts (R9) -------------------------------------------------------------------------------- */

/* Keys and sessions that its records after `version` touched. */
static void touched(const struct node *n, uint64_t version, uint32_t *keys, uint32_t *sessions)
{
    for (uint64_t seq = seq_of(version) + 1; seq <= seq_of(replica_last(&n->r)); seq++) {
        const struct sim_record *r = &n->log[seq - 1];
        *keys |= 1u << r->key;
        if (r->client < CLIENTS_MAX)
            *sessions |= 1u << r->client;
    }
}

static void mend_content(struct node *n, const struct packet *p)
{
    for (unsigned k = 0; k < KEYS; k++)
        if (p->keys >> k & 1)
            n->content.keys[k] = p->content.keys[k];
    for (unsigned c = 0; c < CLIENTS_MAX; c++)
        if (p->sessions >> c & 1 && !RULE_OFF(SESSIONS_MENDED))
            n->content.sessions[c] = p->content.sessions[c];
}

static void item_mended(struct node *n, uint64_t version)
{
    if (n->w->mix.durability == DURABILITY_MEMORY)
        return;
    struct item it = {.kind = ITEM_MEND, .version = version};
    shard_item(n, &it);
    it.kind = ITEM_MENDED;
    it.content = xalloc(sizeof *it.content);
    *it.content = n->content;
    it.records_len = seq_of(version);
    it.records = xalloc(1 + it.records_len * sizeof *it.records);
    if (it.records_len)
        memcpy(it.records, n->log, it.records_len * sizeof *it.records);
    shard_item(n, &it);
    n->restated = n->disk.len;
}

/* Sabotage: what is cut goes at once, what it touched comes later. */
static void mend_first(struct node *n, uint32_t keys)
{
    struct replica_history h = n->r.history;
    replica_history_cut(&h, n->cut_common);
    for (unsigned k = 0; k < KEYS; k++)
        if (keys >> k & 1)
            n->content.keys[k] = (struct sim_entry){0};
    replica_mended(&n->r, &h, node_now(n));
    item_mended(n, replica_last(&n->r));
    held(n);
}

void shard_cut(struct node *n)
{
    n->cut_asked = false;
    if (seq_of(n->cut_common) < n->floor || n->damaged) {
        replica_stray(&n->r, node_now(n));
        return;
    }
    struct packet *p = xcalloc(1, sizeof *p);
    p->kind = PACKET_MEND_ASK;
    p->m.from = n->self;
    p->m.epoch = n->r.epoch;
    p->m.round = n->cut_round;
    p->m.version = n->cut_common;
    touched(n, n->cut_common, &p->keys, &p->sessions);
    uint32_t keys = p->keys;
    world_send(n->w, n->number, replica_primary(&n->r).node, p);
    if (RULE_OFF(MEND_BY_PARTS))
        mend_first(n, keys);
}

static void mend_answer(struct node *n, uint32_t to, const struct packet *ask)
{
    uint64_t common = ask->m.version, last = replica_last(&n->r);
    if (n->r.role != REPLICA_PRIMARY || n->r.epoch != ask->m.epoch || seq_of(common) < n->floor ||
        common > last || n->damaged)
        return;
    struct packet *p = xcalloc(1, sizeof *p);
    *p = (struct packet){.kind = PACKET_MEND, .m = ask->m, .keys = ask->keys};
    p->sessions = ask->sessions;
    p->m.from = n->self;
    p->m.history = n->r.history;
    p->content = n->content;
    touched(n, common, &p->keys, &p->sessions);
    p->records_len = seq_of(last) - seq_of(common);
    p->records = xalloc(1 + p->records_len * sizeof *p->records);
    if (p->records_len)
        memcpy(p->records, n->log + seq_of(common), p->records_len * sizeof *p->records);
    world_send(n->w, n->number, to, p);
}

static void mend_arrived(struct node *n, const struct packet *p)
{
    if (RULE_OFF(MEND_BY_PARTS)) {
        if (n->r.epoch == p->m.epoch && n->cut_round == p->m.round)
            mend_content(n, p);
        return;
    }
    if (n->cut_round != p->m.round || !replica_current(&n->r, p->m.from, p->m.epoch, p->m.round) ||
        !replica_mendable(&n->r, p->m.round, &p->m.history))
        return;
    n->w->tally.mends++;
    mend_content(n, p);
    if (p->records_len)
        memcpy(n->log + seq_of(n->cut_common), p->records, p->records_len * sizeof *p->records);
    replica_mended(&n->r, &p->m.history, node_now(n));
    item_mended(n, replica_last(&n->r));
    held(n);
}

/* --- copies (R11) ----------------------------------------------------------------------------- */

static void piece_send(struct node *n, uint32_t to, const struct outgoing *o)
{
    struct packet *p = xcalloc(1, sizeof *p);
    *p = (struct packet){.kind = PACKET_PIECE, .piece = o->next, .content = n->content};
    p->m.from = n->self;
    p->m.epoch = n->r.epoch;
    p->m.round = o->round;
    world_send(n->w, n->number, to, p);
}

void shard_copy_step(struct node *n, uint32_t to, uint32_t round)
{
    struct outgoing *o = &n->out[to - 1];
    if (!o->on || o->round != round)
        return;
    if (replica_may_copy(&n->r, o->to) && !n->damaged) {
        piece_send(n, to, o);
        if (o->next++ == KEYS + 1)
            return;
    }
    struct event *e = world_post_to(n->w, 500 + below(n->w, 4000), EVENT_COPY, n->number);
    e->a = to;
    e->b = round;
}

static void piece_arrived(struct node *n, const struct packet *p)
{
    bool memory = n->w->mix.durability == DURABILITY_MEMORY;
    if (n->in_round != p->m.round || !n->r.copying ||
        !replica_current(&n->r, p->m.from, p->m.epoch, p->m.round))
        return;
    if (p->piece != n->in_next && !RULE_OFF(LATE_PIECES)) {
        replica_break(&n->r, node_now(n)); /* some were lost */
        return;
    }
    n->in_next++;
    struct item it = {.kind = ITEM_PIECE, .piece = p->piece};
    if (p->piece == KEYS + 1) {
        it = (struct item){.kind = ITEM_COPIED, .version = p->m.round};
        if (memory || (RULE_OFF(ASYNC_COPIES) && n->w->mix.durability == DURABILITY_ASYNC))
            replica_copied(&n->r, node_now(n));
    } else if (p->piece < KEYS && p->content.keys[p->piece].present) {
        n->content.keys[p->piece] = p->content.keys[p->piece]; /* absent ones are not sent */
    } else if (p->piece == KEYS && !RULE_OFF(SESSIONS_LEFT)) {
        memcpy(n->content.sessions, p->content.sessions, sizeof n->content.sessions);
    }
    if (memory)
        return;
    it.content = xalloc(sizeof *it.content);
    *it.content = p->content;
    shard_item(n, &it);
}

/* --- what arrives ----------------------------------------------------------------------------- */

/* Sabotage: who is in a newer epoch acks all the same. */
static void old_ack(struct node *n, const struct packet *p)
{
    if (p->m.kind != REPLICA_RECORDS || p->m.epoch >= n->r.epoch || !p->records_len)
        return;
    struct packet *ack = xcalloc(1, sizeof *ack);
    ack->m = (struct replica_message){.kind = REPLICA_ACK, .from = n->self, .epoch = p->m.epoch};
    ack->m.round = p->m.round;
    ack->m.version = p->records[p->records_len - 1].version;
    world_send(n->w, n->number, p->m.from.node, ack);
}

static void replica_arrived(struct node *n, struct packet *p)
{
    if (RULE_OFF(OLD_EPOCHS))
        old_ack(n, p);
    n->arriving = p;
    enum replica_verdict v = replica_receive(&n->r, &p->m, node_now(n));
    n->arriving = NULL;
    if (v != REPLICA_TAKE)
        return;
    for (size_t i = 0; i < p->records_len; i++)
        if (replica_take(&n->r, p->records[i].version))
            shard_log(n, &p->records[i]);
}

void shard_packet(struct node *n, uint32_t from, struct packet *p)
{
    if (p->kind == PACKET_REPLICA)
        replica_arrived(n, p);
    else if (p->kind == PACKET_PIECE)
        piece_arrived(n, p);
    else if (p->kind == PACKET_MEND_ASK)
        mend_answer(n, from, p);
    else
        mend_arrived(n, p);
}
