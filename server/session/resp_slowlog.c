/* resp_slowlog.c - SLOWLOG and LATENCY: requests that were answered long after they came, by
 * thread, and gathered when somebody asks. What is kept of a request is its command: arguments are
 * gone by then, and may be nobody's business. */
#include "session/resp_priv.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

enum { SLOW_US = 10000, GET_DEFAULT = 10 };

void resp_slowlog_look(struct resp_session *r, uint64_t number)
{
    struct errands *here = r->base.ports->errands;
    const struct resp_slot *slot = resp_slot_at(r, number);
    uint32_t took = here->meters.now_us - slot->began;
    if (likely(took < SLOW_US) || !slot->command ||
        slot->command->flags & (RESP_SKIP_SLOWLOG | RESP_BLOCKING))
        return;
    struct slow_request *s = &here->slow[here->slow_next % SLOWLOG_LEN];
    uint64_t shards = r->base.view->shards;
    *s = (struct slow_request){.id = here->slow_next * shards + r->base.ports->shard,
                               .time_us = r->base.ports->now_us(r->base.ports->ctx),
                               .took_us = took};
    snprintf(s->command, sizeof s->command, "%s", slot->command->name);
    snprintf(s->address, sizeof s->address, "%s", r->base.peer.address);
    snprintf(s->client, sizeof s->client, "%s", r->base.client);
    here->slow_next++;
    if (here->slow_next - here->slow_first > SLOWLOG_LEN)
        here->slow_first = here->slow_next - SLOWLOG_LEN;
}

/* --- SLOWLOG ---------------------------------------------------------------------------------- */

static uint64_t slow_run(struct errands *here, const struct errand *e, struct buf *out)
{
    uint64_t len = here->slow_next - here->slow_first;
    if (e->number) {
        here->slow_first = here->slow_next;
        return 0;
    }
    for (uint64_t n = here->slow_first; n < here->slow_next; n++)
        buf_add(out, &here->slow[n % SLOWLOG_LEN], sizeof here->slow[0]);
    return len;
}

static int newest_first(const void *a, const void *b)
{
    const struct slow_request *x = a, *y = b;
    return (x->time_us < y->time_us) - (x->time_us > y->time_us);
}

static void get_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                       uint32_t part, const struct result *res)
{
    uint64_t len = res->value.len / sizeof(struct slow_request), most = (uint64_t)slot->sum;
    struct slow_request *all = xcalloc(len + 1, sizeof *all);
    (void)part;
    if (res->value.len)
        memcpy(all, res->value.data, res->value.len);
    qsort(all, len, sizeof *all, newest_first);
    struct buf *out = resp_open(r, number);
    resp_array(out, len < most ? len : most);
    for (uint64_t i = 0; i < len && i < most; i++) {
        resp_array(out, 6);
        resp_integer(out, (int64_t)all[i].id);
        resp_integer(out, (int64_t)(all[i].time_us / 1000000));
        resp_integer(out, all[i].took_us);
        resp_array(out, 1);
        resp_bulk(out, slice_str(all[i].command));
        resp_bulk(out, slice_str(all[i].address));
        resp_bulk(out, slice_str(all[i].client));
    }
    resp_close(r, number);
    free(all);
}

static void len_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                       uint32_t part, const struct result *res)
{
    (void)slot;
    (void)part;
    resp_integer(resp_open(r, number), res->number);
    resp_close(r, number);
}

static void reset_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                         uint32_t part, const struct result *res)
{
    (void)slot;
    (void)part;
    (void)res;
    resp_ok(resp_open(r, number));
    resp_close(r, number);
}

enum resp_taken resp_slowlog_get(struct resp_session *r, const struct resp_request *q)
{
    int64_t most = GET_DEFAULT;
    if (q->args_len > 3)
        return resp_refuse_subcommand(r, q);
    if (q->args_len == 3 && (!resp_number(q->args[2], &most) || most < -1)) {
        resp_refuse(r, "ERR count should be greater than or equal to -1");
        return RESP_TAKEN;
    }
    uint64_t number;
    struct resp_slot *slot = resp_slot_new(r, &number);
    slot->result = get_result;
    slot->sum = most < 0 ? INT64_MAX : most;
    session_everywhere(&r->base, number, &(struct errand){.run = slow_run});
    return RESP_TAKEN;
}

enum resp_taken resp_slowlog_len(struct resp_session *r, const struct resp_request *q)
{
    (void)q;
    resp_everywhere(r, &(struct errand){.run = slow_run}, len_result);
    return RESP_TAKEN;
}

enum resp_taken resp_slowlog_reset(struct resp_session *r, const struct resp_request *q)
{
    (void)q;
    resp_everywhere(r, &(struct errand){.run = slow_run, .number = 1}, reset_result);
    return RESP_TAKEN;
}

/* --- LATENCY: by event, of which none is watched; distributions are in /metrics --------------- */

void resp_latency_none(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    (void)q;
    resp_array(out, 0);
}

void resp_latency_reset(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    (void)q;
    resp_integer(out, 0);
}

void resp_latency_doctor(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)q;
    resp_verbatim(out,
                  slice_str("Latencies by operation and door are histograms of /metrics; requests "
                            "that took 10 ms and more are in SLOWLOG.\n"),
                  r->resp3);
}

/* LATENCY HISTOGRAM: by kind of operation, over all threads. `e->number`: which, a bit for each. */
static uint64_t histogram_run(struct errands *here, const struct errand *e, struct buf *out)
{
    for (unsigned op = 0; op < METER_OPERATIONS; op++) {
        const struct histogram *h =
            &here->meters.latency[METER_RESP * (unsigned)METER_OPERATIONS + op];
        for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
            buf_add_u64(out, e->number >> op & 1 ? metric_read(&h->buckets[i]) : 0);
    }
    return 0;
}

enum { OP_NUMBERS = HISTOGRAM_BOUNDS + 1, THREAD_NUMBERS = METER_OPERATIONS * OP_NUMBERS };

static void histogram_sum(struct slice from, unsigned op, uint64_t sum[OP_NUMBERS])
{
    memset(sum, 0, OP_NUMBERS * sizeof *sum);
    for (size_t at = op * (size_t)OP_NUMBERS; (at + OP_NUMBERS) * 8 <= from.len;
         at += THREAD_NUMBERS) {
        for (size_t i = 0; i < OP_NUMBERS; i++)
            sum[i] += load_u64(from.data + (at + i) * 8);
    }
}

static void histogram_say(const struct resp_session *r, struct buf *out, unsigned op,
                          const uint64_t sum[OP_NUMBERS])
{
    uint64_t calls = 0, shown = 0;
    for (size_t i = 0; i < OP_NUMBERS; i++) {
        calls += sum[i];
        shown += i < HISTOGRAM_BOUNDS && sum[i];
    }
    resp_bulk(out, slice_str(meter_operation_text(op)));
    resp_map(out, 2, r->resp3);
    resp_bulk(out, slice_str("calls"));
    resp_integer(out, (int64_t)calls);
    resp_bulk(out, slice_str("histogram_usec"));
    resp_map(out, shown, r->resp3);
    calls = 0;
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        calls += sum[i];
        if (!sum[i])
            continue;
        resp_integer(out, histogram_bounds_us[i]);
        resp_integer(out, (int64_t)calls);
    }
}

static void histogram_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                             uint32_t part, const struct result *res)
{
    uint64_t sum[OP_NUMBERS], used = 0;
    struct buf *out = resp_open(r, number), all = BUF_INIT;
    (void)slot;
    (void)part;
    for (unsigned op = 0; op < METER_OPERATIONS; op++) {
        bool any = false;
        histogram_sum(res->value, op, sum);
        for (size_t i = 0; i < OP_NUMBERS; i++)
            any |= sum[i] != 0;
        if (!any || !meter_operation_text(op))
            continue;
        histogram_say(r, &all, op, sum);
        used++;
    }
    resp_map(out, used, r->resp3);
    buf_add(out, all.data, all.len);
    buf_release(&all);
    resp_close(r, number);
}

enum resp_taken resp_latency_histogram(struct resp_session *r, const struct resp_request *q)
{
    int64_t wanted = q->args_len == 2 ? -1 : 0;
    _Static_assert(METER_OPERATIONS <= 63, "a bit for each");
    for (uint32_t i = 2; i < q->args_len; i++) {
        for (unsigned op = 0; op < METER_OPERATIONS; op++) {
            const char *name = meter_operation_text(op);
            if (name && resp_word_is(q->args[i], name))
                wanted |= (int64_t)1 << op;
        }
    }
    resp_everywhere(r, &(struct errand){.run = histogram_run, .number = wanted}, histogram_result);
    return RESP_TAKEN;
}
