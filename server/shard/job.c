/* job.c - one op being done: the way to its partition, its answer, and its parking. */
#include "shard/others_priv.h"

#include <stdlib.h>

/* --- routing ---------------------------------------------------------------------------------- */

const struct route *route_find(struct shard *s, uint32_t cache_id)
{
    struct route *r = &s->routes[cache_id % ROUTES];
    if (likely(r->cache && r->cache->id == cache_id))
        return r;
    const struct cache_info *cache = catalog_cache(s->catalog, cache_id);
    if (!cache)
        return NULL;
    *r = (struct route){cache, shard_context_of(s, cache_context(cache_id))};
    return r;
}

static enum grid_err job_route(struct job *j)
{
    struct shard *s = j->s;
    const struct op *op = j->op;
    const struct route *r = route_find(s, op->cache);
    if (!r)
        return GRID_ENO_CACHE;
    j->cache = r->cache;
    j->context = r->context;
    if (op->kind == OP_COUNT && op->all_partitions)
        return GRID_OK;
    if (op->partition >= j->context->info->partitions)
        return GRID_EBAD_REQUEST;
    if (op->partition % s->conf.shards != s->conf.index)
        return GRID_ENOT_PRIMARY;
    if (unlikely(s->sharing != NULL)) {
        j->partition = j->context->partitions[op->partition / s->conf.shards];
        if (!j->partition)
            return partition_absent(s, j->context, op->partition);
    } else {
        j->partition = partition_of(s, j->context, op->partition);
    }
    return likely(!j->partition->shut && !op->epoch) ? GRID_OK : gate_job(j);
}

/* --- running ---------------------------------------------------------------------------------- */

typedef void job_fn(struct job *j);

static job_fn *const job_fns[] = {
    [OP_GET] = get_run,    [OP_PUT] = write_run,    [OP_DELETE] = write_run,
    [OP_INCR] = write_run, [OP_EXPIRE] = write_run, [OP_BATCH] = write_run,
    [OP_SCAN] = scan_run,  [OP_COUNT] = count_run,  [OP_CALL] = call_run,
};

static void job_run(struct job *j)
{
    size_t kind = (size_t)j->op->kind;
    enum grid_err err = GRID_EBAD_REQUEST;
    if (kind < sizeof job_fns / sizeof *job_fns && job_fns[kind])
        err = job_route(j);
    if (unlikely(err)) {
        if (!j->kept)
            job_fail(j, err);
    } else {
        job_fns[kind](j);
    }
}

void shard_submit(struct shard *s, const struct op *op, msec_t now)
{
    struct job j = {.s = s, .op = op, .now = now};
    if (op_changes(op))
        s->stats.writes++;
    else
        s->stats.reads++;
    job_run(&j);
}

/* Of one that is answered: its keys are free, but the cold store will name it. */
static void parked_part(struct shard *s, struct parked *w)
{
    order_leave(w, &s->ready);
    list_push_back(&s->parked_ops, &w->link);
    w->gone = true;
}

void parked_run(struct shard *s, struct parked *w, msec_t now)
{
    struct job j = {.s = s, .op = &w->op, .parked = w, .now = now};
    if (unlikely(w->gone)) {
        parked_free(s, w);
        return;
    }
    gate_leave(w);
    if (w->err == GRID_ENOT_PRIMARY && w->op.kind != OP_FETCH)
        w->err = GRID_OK; /* the gate says so, or lets it wait in its place */
    if (w->err)
        job_fail(&j, w->err);
    else if (unlikely(w->op.kind == OP_FETCH))
        fetch_run(&j);
    else
        job_run(&j);
    if (!j.kept && w->missing)
        parked_part(s, w);
    else if (!j.kept)
        parked_free(s, w);
}

void parked_go(struct shard *s, msec_t now)
{
    struct list *it;
    while ((it = list_pop_front(&s->ready)))
        parked_run(s, list_entry(it, struct parked, ready), now);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void job_refuse(struct job *j, enum grid_err err)
{
    struct result res = {.status = err};
    j->s->ports.reply(j->s->ports.ctx, &j->op->ticket, &res);
}

/* Of an op that was not done, by who would answer NOT_PRIMARY. False: that is the answer. */
static bool job_pass_on(struct job *j)
{
    const struct shard_ports *ports = &j->s->ports;
    if (!ports->reroute || j->op->direct)
        return false;
    ports->reroute(ports->ctx, j->op);
    return true;
}

/* A copy gives values, or says that there is none; all else is for the primary to say. False: it
 * was passed on, or refused. */
static bool copy_lets(struct job *j, const struct result *res)
{
    if ((!res->status || res->status == GRID_ENOT_FOUND) && gate_copy_reads(j)) {
        j->s->stats.local_reads++;
        return true;
    }
    if (!job_pass_on(j))
        job_refuse(j, GRID_ENOT_PRIMARY);
    return false;
}

/* R7. False: the op waits, or was refused. */
ASIDE static bool lease_lets(struct job *j, const struct result *res)
{
    if (gate_copy(j))
        return copy_lets(j, res);
    if (lease_asked(j->s, j->partition))
        return true;
    enum grid_err err = gate_wait(j);
    if (err)
        job_refuse(j, err);
    return false;
}

bool job_leased(struct job *j)
{
    return !j->partition->replica.set || lease_lets(j, NULL);
}

void job_reply(struct job *j, const struct result *res)
{
    if (unlikely(j->partition && j->partition->replica.set) && !lease_lets(j, res))
        return;
    j->s->ports.reply(j->s->ports.ctx, &j->op->ticket, res);
}

void job_fail(struct job *j, enum grid_err err)
{
    if (unlikely(j->op->kind == OP_FETCH)) {
        fetch_done(j, err);
        return;
    }
    if (err == GRID_ENOT_PRIMARY && job_pass_on(j))
        return;
    struct result res = {.status = err, .failed_at = j->failed_at, .value = j->refused_why};
    if (err == GRID_EFULL || err == GRID_EBUSY) /* of the node, not of what is in the partition: */
        j->s->ports.reply(j->s->ports.ctx, &j->op->ticket, &res); /* it waits for no lease (R7) */
    else
        job_reply(j, &res);
}

/* What may not be shown yet the primary is asked for, which knows sooner what becomes of it. */
static void copy_reply_at(struct job *j, uint64_t version, const struct result *res)
{
    if (replica_copy_shows(&j->partition->replica, version))
        job_reply(j, res);
    else
        job_fail(j, GRID_ENOT_PRIMARY);
}

void job_reply_at(struct job *j, uint64_t version, const struct result *res,
                  const struct entry *entry)
{
    if (likely(!replica_pending(&j->partition->replica, version)))
        job_reply(j, res);
    else if (gate_copy(j))
        copy_reply_at(j, version, res);
    else if (j->partition->gate == GATE_FEW && !res->repeated)
        job_fail(j, GRID_EFEW_COPIES);
    else if (!wait_commit(j->s, j->partition, version, &j->op->ticket, res, entry))
        job_fail(j, GRID_EBUSY);
}

/* --- parking ---------------------------------------------------------------------------------- */

msec_t job_waited(const struct job *j)
{
    return j->parked && j->now > j->parked->since ? j->now - j->parked->since : 0;
}

uint64_t job_hash(const struct job *j)
{
    const struct op *op = j->op;
    return op->hash ? op->hash
                    : content_hash(j->partition->content, cache_number(op->cache), op->key);
}

bool job_absent(const struct job *j, uint32_t at)
{
    const struct parked *w = j->parked;
    return w && w->absent[at] && content_left(j->partition->content) <= w->absent_clean;
}

bool job_keep(struct job *j)
{
    struct shard *s = j->s;
    if (!j->parked) {
        j->parked = parked_new(s, j->op, j->now);
        if (!j->parked)
            return false;
        if (j->op->kind == OP_FETCH)
            list_push_back(&s->parked_ops, &j->parked->link);
        else
            order_join(&s->order, j->partition, j->parked);
    }
    j->kept = true;
    return true;
}

bool job_park(struct job *j)
{
    if (job_keep(j) && ++j->parked->rounds <= COLD_ROUNDS_MAX)
        return true;
    j->kept = false;
    job_fail(j, GRID_EBUSY);
    return false;
}

void job_park_keys(struct job *j)
{
    bool fresh = !job_was_cold(j);
    if (!job_park(j))
        return;
    struct parked *w = j->parked;
    if (!fresh && content_left(j->partition->content) > w->absent_clean)
        parked_forget(w);
    for (uint32_t i = 0; i < j->keys_len; i++) {
        const struct key_state *k = &j->keys[i];
        if (k->missing)
            cold_ask_key(j->s, j->partition, cache_number(k->op->cache), k->key, k->hash, w, i);
    }
}

void scan_answer(struct shard *s, struct parked *w, const struct cold_page *page, msec_t now)
{
    w->err = page->err;
    w->page = page;
    w->missing = 0;
    parked_run(s, w, now);
}
