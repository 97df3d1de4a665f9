/* gate.c - ops that come to a partition that does not serve them now.
 *
 *   OPEN     done. A read that found its lease ended waits for the next one (R7)
 *   FEW      reads are done, and repetitions of writes; writes are refused: min_in_sync (R5). So
 *            are reads of what was pending then: it may yet be committed, but nobody knows when
 *   READS    reads are done, writes wait: a hand-over is under way (R12)
 *   HOLD     all wait, then they are refused: it is about to open here, or to move (R9). With FULL
 *            when what is missing is room in the log for a WIPE
 *   AWAY     NOT_PRIMARY: another node serves it, or nobody. A backup may do local reads
 *   LOST     until an operator resets it
 *   DAMAGED  until an operator gives the loss up, or another node's copy comes. HOLD while there is
 *            a good copy in sync, to which it is handed over
 *
 * A gate that opens does what waited, in order, before anything that comes later; one that shuts
 * refuses it, so that the door asks at the new place. */
#include "shard/others_priv.h"

enum { HOLD_MS_MAX = 3000 };

static enum grid_err gate_refusal(const struct partition *p)
{
    enum gate gate = (enum gate)p->gate;
    if (gate == GATE_DAMAGED)
        return GRID_EDAMAGED;
    if (gate == GATE_HOLD && wipe_due(p))
        return GRID_EFULL;
    return gate == GATE_LOST ? GRID_ELOST : GRID_ENOT_PRIMARY;
}

enum grid_err gate_record(const struct partition *p)
{
    return p->gate == GATE_FEW ? GRID_EFEW_COPIES : gate_refusal(p);
}

static bool writes(const struct op *op)
{
    return op_writes(op->kind) && !op->reads_only;
}

bool gate_copy(const struct job *j)
{
    const struct partition *p = j->partition;
    return j->op->local && !j->op->numbered && p && p->role == REPLICA_BACKUP &&
           (j->op->kind == OP_GET || j->op->kind == OP_SCAN || j->op->kind == OP_COUNT);
}

/* Records that it holds but has not applied are acknowledged by the primary, maybe. */
bool gate_copy_reads(const struct job *j)
{
    const struct partition *p = j->partition;
    return !p->damaged && partition_applied(p) == replica_last(&p->replica) &&
           replica_copy_reads(&p->replica, mono_now(j->s));
}

static bool held_add(struct job *j)
{
    struct partition *p = j->partition;
    if (!j->parked)
        j->parked = parked_new(j->s, j->op, j->now);
    if (!j->parked || job_waited(j) >= HOLD_MS_MAX)
        return false;
    j->kept = true;
    j->parked->page = NULL;
    list_remove(&j->parked->link);
    list_push_back(&p->held, &j->parked->link);
    if (list_empty(&p->holding))
        list_push_back(&j->s->holding, &p->holding);
    return true;
}

bool gate_wait(struct job *j)
{
    return held_add(j);
}

enum grid_err gate_job(struct job *j)
{
    enum gate gate = (enum gate)j->partition->gate;
    if (gate == GATE_FEW || (gate == GATE_READS && !writes(j->op)) ||
        (gate == GATE_AWAY && gate_copy(j) && gate_copy_reads(j)))
        return GRID_OK;
    if (gate == GATE_READS || gate == GATE_HOLD)
        held_add(j);
    return gate_refusal(j->partition);
}

/* All are done again, or those that wait for too long. */
static void held_run(struct shard *s, struct partition *p, bool all, msec_t now)
{
    struct list held;
    list_init(&held);
    list_for_each_safe (it, &p->held) {
        const struct parked *w = list_entry(it, struct parked, link);
        if (!all && now < w->since + HOLD_MS_MAX)
            continue;
        list_remove(it);
        list_push_back(&held, it);
    }
    if (list_empty(&p->held) && !p->frozen_until)
        list_remove(&p->holding);
    struct list *it;
    while ((it = list_pop_front(&held))) {
        list_push_back(&s->parked_ops, it);
        parked_run(s, list_entry(it, struct parked, link), now);
    }
}

void gate_set(struct shard *s, struct partition *p, enum gate gate, msec_t now)
{
    if (p->gate == gate)
        return;
    p->gate = (uint8_t)gate;
    partition_account(s, p);
    if (gate == GATE_FEW)
        waiting_few(s, p);
    if (gate != GATE_HOLD && !list_empty(&p->held))
        held_run(s, p, true, now);
}

void gate_look(struct shard *s, struct partition *p)
{
    if (s->sharing)
        partition_touch(s, p);
    else
        p->gate = p->damaged ? GATE_DAMAGED : GATE_OPEN;
}

void gate_tick(struct shard *s, msec_t now)
{
    struct list holding, *it;
    list_init(&holding);
    while ((it = list_pop_front(&s->holding)))
        list_push_back(&holding, it);
    while ((it = list_pop_front(&holding))) {
        struct partition *p = list_entry(it, struct partition, holding);
        list_push_back(&s->holding, it); /* unless nothing is left */
        if (p->frozen_until && now >= p->frozen_until) {
            p->frozen_until = 0;
            partition_touch(s, p);
        }
        held_run(s, p, p->gate != GATE_HOLD, now);
    }
}
