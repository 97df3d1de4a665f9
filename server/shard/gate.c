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
 *   DAMAGED  until an operator gives the loss up, or another node's copy comes. HOLD while there
 *            may be a good copy, which is to lead
 *
 * A gate that opens does what waited, in order, before anything that comes later; one that shuts
 * refuses it, so that the door asks at the new place. What may be done while others wait has to be
 * for other keys (order.c). All that wait are refused together, in the order they came, and so is
 * who waits for the cold store: what is asked for elsewhere must not find later ones done. */
#include "shard/others_priv.h"

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

static enum grid_err held_add(struct job *j, enum held why)
{
    struct partition *p = j->partition;
    if (!job_keep(j))
        return GRID_EBUSY;
    j->parked->page = NULL;
    j->parked->held = (uint8_t)why;
    p->held++;
    p->leases += why == HELD_LEASE;
    if (list_empty(&p->holding))
        list_push_back(&j->s->holding, &p->holding);
    return GRID_OK;
}

/* Unless something of it has to be looked at yet. */
static void holding_end(struct partition *p)
{
    if (!p->held && !p->frozen_until && list_empty(&p->lapsed))
        list_remove(&p->holding);
}

void gate_leave(struct parked *w)
{
    struct partition *p = w->partition;
    if (!w->held)
        return;
    p->held--;
    p->leases -= w->held == HELD_LEASE;
    w->held = HELD_NOT;
    holding_end(p);
}

enum grid_err gate_wait(struct job *j)
{
    return j->parked && j->parked->late ? GRID_ENOT_PRIMARY : held_add(j, HELD_LEASE);
}

/* Nothing is done here, but what a copy may say. */
static bool gate_refuses(const struct partition *p)
{
    return p->gate == GATE_AWAY || p->gate == GATE_LOST || p->gate == GATE_DAMAGED;
}

static bool job_behind(const struct job *j)
{
    return j->parked ? j->parked->behind > 0 : order_waits(&j->s->order, j->partition, j->op);
}

/* Somebody else may have led since what the op goes by was so. */
static bool gate_fences(const struct job *j)
{
    return j->op->epoch && j->op->epoch < j->partition->replica.reign;
}

enum grid_err gate_job(struct job *j)
{
    const struct partition *p = j->partition;
    if (gate_fences(j))
        return GRID_ENOT_PRIMARY;
    if (!p->shut)
        return GRID_OK;
    if (p->gate == GATE_AWAY && gate_copy(j) && gate_copy_reads(j)) {
        j->kept = j->parked && j->parked->missing; /* the checkpoint was asked already */
        return j->kept ? GRID_ENOT_PRIMARY : GRID_OK;
    }
    enum grid_err err = gate_refusal(p), busy = GRID_OK;
    if (gate_refuses(p) || (j->parked && j->parked->late))
        return err;
    if (p->gate == GATE_HOLD || (p->gate == GATE_READS && op_changes(j->op)))
        busy = held_add(j, HELD_GATE);
    else if (!job_behind(j))
        return GRID_OK;
    else
        busy = job_keep(j) ? GRID_OK : GRID_EBUSY;
    return busy ? busy : err;
}

/* To be done next: all, or those that are at the gate for `why` (HELD_NOT: for anything). */
static void queue_ready(struct shard *s, const struct partition *p, bool all, enum held why)
{
    list_for_each (it, &p->queue) {
        struct parked *w = list_entry(it, struct parked, link);
        if ((all || (why ? w->held == why : w->held)) && list_empty(&w->ready))
            list_push_back(&s->ready, &w->ready);
    }
}

/* The first at the gate came before all others there. */
static bool queue_late(const struct partition *p, msec_t now)
{
    list_for_each (it, &p->queue) {
        const struct parked *w = list_entry(it, struct parked, link);
        if (w->held)
            return now >= w->since + HOLD_MS_MAX;
    }
    return false;
}

static void queue_look(struct shard *s, struct partition *p, msec_t now)
{
    bool late = queue_late(p, now);
    for (struct list *it = p->queue.next; late && it != &p->queue; it = it->next) {
        struct parked *w = list_entry(it, struct parked, link);
        w->late = true;
        w->op.direct = w->op.direct || w->held == HELD_LEASE; /* who asked hears of it */
    }
    if (late || gate_refuses(p) || !p->context)
        queue_ready(s, p, true, HELD_NOT);
    else if (p->leases && p->gate != GATE_HOLD && lease_asked(s, p))
        queue_ready(s, p, false, HELD_LEASE);
    parked_go(s, now);
}

void gate_set(struct shard *s, struct partition *p, enum gate gate, msec_t now)
{
    if (p->gate == gate)
        return;
    gate_put(p, gate);
    partition_led_look(s, p);
    partition_account(s, p);
    if (gate == GATE_FEW)
        waiting_few(s, p);
    if (gate == GATE_HOLD)
        return;
    queue_ready(s, p, gate_refuses(p), HELD_NOT);
    parked_go(s, now);
}

void gate_look(struct shard *s, struct partition *p)
{
    if (s->sharing) {
        partition_touch(s, p);
        return;
    }
    gate_put(p, p->damaged ? GATE_DAMAGED : GATE_OPEN);
    partition_led_look(s, p);
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
        lapsed_look(s, p, now);
        queue_look(s, p, now);
        holding_end(p);
    }
}
