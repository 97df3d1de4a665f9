/* call_steps.c - transactions: an OP_CALL of several steps.
 *
 *   room for all -> keys -> the procedure: step 0, step 1 ... -> one record -> reply at commit
 *                              each: procedure -> changes -> room -> staged, applied
 *
 * The steps cannot run again, for each sees the changes of those before: room is made ahead, then
 * each step's changes are made at once, with the version that the one record will have. Nobody
 * sees them before its commit. What the record needs is copied, for later steps replace it. */
#include "shard/shard_priv.h"

enum { STEP_BYTES = 64 }; /* of a step's change beside its arguments, about */

uint32_t call_steps(const struct call *c)
{
    return c->job->op->steps_len;
}

const struct op_step *call_step_is(const struct call *c, uint32_t step,
                                   const struct slice **ret_args)
{
    const struct op *op = c->job->op;
    CHECK(step < op->steps_len);
    *ret_args = op->args + op->steps[step].args_at;
    return &op->steps[step];
}

/* About what all steps may take: their arguments. */
static size_t transaction_need(const struct op *op)
{
    size_t need = op->steps_len * (size_t)STEP_BYTES;
    for (uint32_t i = 0; i < op->args_len; i++)
        need += op->args[i].len;
    return need;
}

/* Whether the changes of a step, `rec`, fit in memory, in the record, and the record in the log. */
static enum grid_err step_room(struct job *j, const struct record *rec, size_t bytes)
{
    const struct call_memory *m = &j->s->call;
    size_t most = j->partition->replica.ports ? SHARED_RECORD_BYTES_MAX : CALL_RECORD_BYTES_MAX;
    if (m->effects_len > RECORD_EFFECTS_MAX || m->bytes + bytes > most)
        return GRID_ETOO_LARGE;
    if (unlikely(j->partition->gate != GATE_OPEN))
        return gate_record(j->partition);
    if (!rec->version)
        return GRID_EDAMAGED;
    if (memory_room(j->s, j->partition, m->need, false) == ROOM_FULL)
        return GRID_EFULL;
    return j->context->info->durability == DURABILITY_MEMORY ||
                   j->s->ports.log_has_room(j->s->ports.ctx, m->bytes + bytes)
               ? GRID_OK
               : GRID_EFULL;
}

static enum grid_err step_stage(struct job *j, size_t first, const struct record *rec)
{
    struct call_memory *m = &j->s->call;
    size_t bytes = record_size_max(rec);
    enum grid_err err = step_room(j, rec, bytes);
    for (size_t i = first; i < m->effects_len && !err; i++) {
        m->effects[i].value = call_memory_keep(m, m->effects[i].value);
        m->effects[i].affinity = call_memory_keep(m, m->effects[i].affinity);
    }
    if (!err)
        err = content_stage(j->partition->content, rec);
    if (!err)
        m->bytes += bytes;
    return err;
}

/* Make the changes of a step, pending. */
static enum grid_err step_apply(struct job *j, size_t first)
{
    struct call_memory *m = &j->s->call;
    struct partition *p = j->partition;
    call_effects_once(m, first);
    struct record rec = {.context = p->context_id,
                         .partition = p->index,
                         .version = replica_peek(&p->replica),
                         .effects = m->effects + first,
                         .effects_len = m->effects_len - first,
                         .time_ms = j->now};
    enum grid_err err = step_stage(j, first, &rec);
    if (err) {
        m->effects_len = first;
        return err;
    }
    content_apply(p->content, &rec);
    partition_account(j->s, p);
    return GRID_OK;
}

/* Procedures that make steps themselves have made all their changes when they return. */
enum grid_err call_step_run(struct call *c, procedure_fn *procedure)
{
    struct job *j = c->job;
    struct call_memory *m = &j->s->call;
    if (unlikely(j->wanted != NULL)) { /* all begins again: nothing may be changed meanwhile */
        c->reply = (struct reply){.kind = REPLY_NONE};
        return GRID_EBUSY;
    }
    m->need = 0;
    call_procedure(c, procedure);
    if (m->effects_len == m->effects_made)
        return GRID_OK;
    if (c->reply.kind != REPLY_RAW) /* it may lie in what is replaced now */
        c->reply.bytes = call_memory_keep(m, c->reply.bytes);
    enum grid_err err = step_apply(j, m->effects_made);
    if (err)
        c->reply = (struct reply){.kind = REPLY_NONE};
    m->effects_made = m->effects_len;
    return err;
}

enum grid_err call_step(struct call *c, uint32_t step)
{
    struct job *j = c->job;
    struct call whole = *c;
    CHECK(step < j->op->steps_len);
    const struct op_step *s = &j->op->steps[step];
    CHECK(s->args_at + s->args_len <= j->op->args_len && s->keys_at + s->keys_len <= j->keys_len);
    c->args = s->args_len ? j->op->args + s->args_at : NULL;
    c->args_len = s->args_len;
    c->keys = j->keys + s->keys_at;
    c->keys_len = s->keys_len;
    enum grid_err err = call_step_run(c, s->procedure);
    whole.reply = c->reply;
    *c = whole;
    return err;
}

/* Beside the changes, which are made already. */
static void session_apply(struct job *j, const struct record *rec)
{
    struct record alone = *rec;
    alone.version = replica_peek(&j->partition->replica);
    alone.effects_len = 0;
    enum grid_err err = content_stage(j->partition->content, &alone);
    CHECK(!err); /* there is nothing to find room for */
    content_apply(j->partition->content, &alone);
}

void transaction_run(struct job *j, struct call *c)
{
    struct call_memory *m = &j->s->call;
    if (!job_was_cold(j))
        memory_give(j->s, j->partition, transaction_need(j->op));
    if (!call_look(j))
        return;
    j->transaction = true;
    m->effects_len = m->effects_made = m->bytes = 0;
    call_procedure(c, j->op->procedure);
    if (unlikely(j->wanted != NULL)) {
        call_fetch_wanted(j);
        return;
    }
    if (unlikely(j->refused)) {
        job_fail(j, j->refused);
        return;
    }
    if (!m->effects_len && !call_recorded(j->op)) {
        call_answer(j, c);
        return;
    }
    struct record rec = {.time_ms = j->now, .effects = m->effects, .effects_len = m->effects_len};
    struct answer a = {.number = c->reply.number, .reply = c->reply.kind, .bytes = c->reply.bytes};
    if (call_recorded(j->op))
        session_store(j->op, &a, &rec);
    if (!m->effects_len) {
        enum grid_err err = record_make(j->s, j->partition, &rec, &j->op->ticket, &a);
        if (err)
            job_fail(j, err);
        return;
    }
    if (rec.has_session)
        session_apply(j, &rec);
    record_applied(j->s, j->partition, &rec, &j->op->ticket, &a);
}
