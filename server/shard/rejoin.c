/* rejoin.c - R11 at the primary: who was away for longer than the tail goes back is brought what is
 * in the log on disk.
 *
 *   kept?  --> survey of the log, once for all partitions --> UNKNOWN until it is there
 *   stream --> stored --scan begins--> scanned --the tail has what follows--> from the tail
 *                                              \--a record is missing--> a copy
 *
 * A scan is one pass through the log for all who waited when it began, page by page: the next page
 * is read when all have taken theirs, or do not wait any more. So no more than a page is in memory,
 * and the slowest sets the pace. What the log says is looked at record by record: each must follow
 * the one before, and be in the history. */
#include "shard/others_priv.h"

#include <stdlib.h>

enum {
    PAGE_BYTES = 1 << 20,
    GATHER_MS = 20,         /* after so long a scan begins, for who else comes meanwhile */
    AGAIN_MS = 20,          /* a record may be on its way to the disk */
    SURVEY_KEEP_MS = 60000, /* what was found out holds for so long */
};

static uint64_t seq_of(uint64_t version)
{
    return version & SEQ_MASK;
}

void rejoin_init(struct rejoin *j)
{
    list_init(&j->waiting);
    tail_init(&j->page, SIZE_MAX);
}

void rejoin_release(struct rejoin *j)
{
    tail_release(&j->page);
    log_read_free(j->survey);
}

static void read_ask(struct shard *s, struct log_read *l)
{
    s->sharing->rejoin.asked = true;
    s->ports.grid->log_read(s->ports.ctx, l);
}

/* --- what the log has ------------------------------------------------------------------------- */

/* False: it is not known yet. */
static bool surveyed(struct shard *s)
{
    struct rejoin *j = &s->sharing->rejoin;
    msec_t mono = mono_now(s);
    if (j->survey && mono < j->surveyed_at + SURVEY_KEEP_MS)
        return true;
    j->survey_wanted = true;
    if (!j->asked)
        read_ask(s, log_read_new(0, 0));
    return false;
}

static void survey_take(struct shard *s, struct log_read *l)
{
    struct rejoin *j = &s->sharing->rejoin;
    log_read_free(j->survey);
    j->survey = l;
    j->survey_wanted = false;
    j->surveyed_at = mono_now(s);
    list_for_each (it, &s->partitions) {
        struct partition *p = list_entry(it, struct partition, link);
        const struct log_chain *c = log_read_chain(l, p->context_id, p->index);
        p->stored_from = c ? c->from : seq_of(replica_last(&p->replica));
        if (c)
            replica_recalled(&p->replica, &c->history);
    }
}

static bool logged(const struct partition *p)
{
    return p->context && p->context->info->durability != DURABILITY_MEMORY;
}

enum replica_kept port_kept(void *ctx, struct replica *r, uint64_t version)
{
    struct shard *s = ctx;
    struct partition *p = container_of(r, struct partition, replica);
    tail_place place;
    if (version == replica_last(r) || tail_find_after(&s->sharing->tail, p->tail, version, &place))
        return REPLICA_KEPT;
    if (!logged(p))
        return REPLICA_GONE;
    if (!surveyed(s))
        return REPLICA_UNKNOWN;
    return seq_of(version) < p->stored_from ? REPLICA_GONE : REPLICA_STORED;
}

bool port_recall(void *ctx, struct replica *r)
{
    struct partition *p = container_of(r, struct partition, replica);
    return logged(p) && !surveyed(ctx);
}

/* --- who waits -------------------------------------------------------------------------------- */

bool rejoin_wants(struct shard *s, struct partition *p, struct outgoing *out, uint64_t version)
{
    struct rejoin *j = &s->sharing->rejoin;
    if (!logged(p) || !j->survey || seq_of(version) < p->stored_from ||
        !replica_rejoins(&p->replica, out->to))
        return false;
    out->stored = true;
    out->scanned = false;
    out->way = REJOIN_STORED;
    out->version = version;
    out->at = 0;
    if (list_empty(&p->others->rejoining))
        list_push_back(&j->waiting, &p->others->rejoining);
    if (!j->scanning && !j->due)
        j->due = mono_now(s) + GATHER_MS;
    return true;
}

void rejoin_leave(struct outgoing *out)
{
    out->stored = out->scanned = false;
    out->at = 0;
}

static bool waits(const struct partition *p, const struct outgoing *out)
{
    return out->stored && out->scanned && replica_rejoins(&p->replica, out->to);
}

/* All who wait for the page have what it brought. */
static bool page_taken(const struct rejoin *j)
{
    list_for_each (it, &j->waiting) {
        const struct others *o = list_entry(it, struct others, rejoining);
        for (uint32_t i = 0; o->page_at && i < o->out_len; i++)
            if (waits(o->partition, &o->out[i]) && o->out[i].version < o->page_last)
                return false;
    }
    return true;
}

/* Who has come as far as the tail goes back, or cannot be brought on, waits no more. */
static void others_settle(struct shard *s, struct others *o)
{
    struct partition *p = o->partition;
    bool any = false;
    o->page_at = 0;
    for (uint32_t i = 0; i < o->out_len; i++) {
        struct outgoing *out = &o->out[i];
        tail_place place;
        if (!out->stored)
            continue;
        bool gone = seq_of(out->version) < p->stored_from || !logged(p);
        if (gone || !replica_rejoins(&p->replica, out->to) ||
            out->version == replica_last(&p->replica) ||
            tail_find_after(&s->sharing->tail, p->tail, out->version, &place)) {
            rejoin_leave(out);
            partition_touch(s, p);
        }
        any = any || out->stored;
    }
    if (!any)
        list_remove(&o->rejoining);
}

/* --- the scan --------------------------------------------------------------------------------- */

/* All who wait are in the one that begins. Returns the lsn that it begins behind. */
static uint64_t scan_begin(struct shard *s)
{
    struct rejoin *j = &s->sharing->rejoin;
    uint64_t start = UINT64_MAX;
    list_for_each (it, &j->waiting) {
        struct others *o = list_entry(it, struct others, rejoining);
        const struct log_chain *c =
            log_read_chain(j->survey, o->partition->context_id, o->partition->index);
        o->page_last = UINT64_MAX;
        for (uint32_t i = 0; i < o->out_len; i++) {
            struct outgoing *out = &o->out[i];
            out->scanned = out->stored;
            if (out->stored && out->version < o->page_last)
                o->page_last = out->version;
        }
        o->goal = replica_last(&o->partition->replica);
        o->goal_lsn = s->logged;
        uint64_t at = c ? log_chain_start(c, o->page_last) : 0;
        start = at < start ? at : start;
    }
    return start;
}

/* False: nobody is in the scan any more. */
static bool page_ask(struct shard *s)
{
    struct rejoin *j = &s->sharing->rejoin;
    struct log_read *l = log_read_new(j->reached, PAGE_BYTES);
    list_for_each (it, &j->waiting) {
        const struct others *o = list_entry(it, struct others, rejoining);
        bool any = false;
        for (uint32_t i = 0; i < o->out_len; i++)
            any = any || waits(o->partition, &o->out[i]);
        if (any)
            log_read_want(
                l, &(struct log_want){o->partition->context_id, o->partition->index, o->page_last});
    }
    if (l->wants_len) {
        read_ask(s, l);
        return true;
    }
    log_read_free(l);
    return false;
}

void rejoin_run(struct shard *s)
{
    struct rejoin *j = &s->sharing->rejoin;
    if (j->asked || (!j->survey_wanted && list_empty(&j->waiting)) || !page_taken(j))
        return;
    tail_release(&j->page);
    list_for_each_safe (it, &j->waiting)
        others_settle(s, list_entry(it, struct others, rejoining));
    if (j->survey_wanted) {
        read_ask(s, log_read_new(0, 0));
        return;
    }
    if (mono_now(s) < j->due || list_empty(&j->waiting))
        return;
    if (j->scanning && page_ask(s))
        return;
    j->due = 0;
    j->reached = scan_begin(s);
    j->scanning = page_ask(s);
}

msec_t rejoin_next(struct shard *s)
{
    const struct rejoin *j = &s->sharing->rejoin;
    msec_t mono = mono_now(s);
    if (j->asked || list_empty(&j->waiting))
        return UINT64_MAX;
    return j->due > mono ? j->due - mono : j->page.len ? UINT64_MAX : AGAIN_MS;
}

static void record_take(struct shard *s, struct slice bytes)
{
    struct record rec;
    if (!record_peek(bytes, &rec))
        return;
    struct partition *p = partition_there(s, rec.context, rec.partition);
    struct others *o = p ? p->others : NULL;
    if (!o || list_empty(&o->rejoining) || !replica_follows(&p->replica, o->page_last, rec.version))
        return; /* it is there already, was cut, or one before it is missing */
    o->page_at =
        tail_add_bytes(&s->sharing->rejoin.page, o->page_at, o->page_last, rec.version, bytes);
    o->page_last = rec.version;
    partition_touch(s, p);
}

/* Somebody who waits for it is in the scan. */
static bool in_scan(const struct others *o)
{
    for (uint32_t i = 0; i < o->out_len; i++)
        if (o->out[i].scanned)
            return true;
    return false;
}

/* The log was read as far as it goes. Who has not come to where it was when the scan began, has to
 * be copied. */
static void missing_look(struct shard *s, uint64_t reached)
{
    list_for_each (it, &s->sharing->rejoin.waiting) {
        struct others *o = list_entry(it, struct others, rejoining);
        if (reached < o->goal_lsn || !in_scan(o))
            continue;
        if (o->page_last < o->goal)
            o->partition->stored_from = seq_of(o->goal);
        o->goal = replica_last(&o->partition->replica);
        o->goal_lsn = s->logged;
    }
}

void shard_log_read(struct shard *s, struct log_read *l)
{
    struct rejoin *j = &s->sharing->rejoin;
    size_t at = 0;
    struct slice record;
    j->asked = false;
    if (!l->bytes_max) {
        survey_take(s, l);
        return;
    }
    while (log_read_next(l, &at, &record))
        record_take(s, record);
    j->reached = l->reached;
    j->due = l->done ? mono_now(s) + AGAIN_MS : 0;
    if (l->done)
        missing_look(s, l->reached);
    log_read_free(l);
}
