/* resp_ring.c - replies go out in the order of the requests, whatever order they come in.
 *
 * `later` only grows while something in it waits; when half of it is gone the rest is moved
 * together, so that it stays within twice of what it holds. */
#include "session/resp_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { SLOTS_FIRST = 16, LATER_KEEP = 64 << 10 };

/* Until replies are known: few requests at a time. */
enum { EXPECTED_FIRST = 256 << 10, EXPECTED_FADES = 16, AT_ONCE_LEAST = 4 };

void resp_ring_init(struct resp_session *r)
{
    r->slots = xcalloc(SLOTS_FIRST, sizeof *r->slots);
    r->slots_mask = SLOTS_FIRST - 1;
    r->head = r->tail = 1;
    r->expected = EXPECTED_FIRST;
}

static void slot_release(struct resp_slot *slot)
{
    if (slot->state)
        slot->state_free(slot->state);
    slot->state = NULL;
}

void resp_ring_release(struct resp_session *r)
{
    for (uint64_t n = r->head; n != r->tail; n++)
        slot_release(resp_slot_at(r, n));
    free(r->slots);
    r->slots = NULL;
    r->head = r->tail;
    buf_release(&r->later);
}

static void ring_grow(struct resp_session *r)
{
    uint32_t mask = r->slots_mask * 2 + 1;
    struct resp_slot *slots = xcalloc((size_t)mask + 1, sizeof *slots);
    for (uint64_t n = r->head; n != r->tail; n++)
        slots[n & mask] = *resp_slot_at(r, n);
    free(r->slots);
    r->slots = slots;
    r->slots_mask = mask;
}

struct resp_slot *resp_slot_new(struct resp_session *r, uint64_t *ret_number)
{
    if (unlikely(r->tail - r->head > r->slots_mask))
        ring_grow(r);
    struct resp_slot *slot = resp_slot_at(r, r->tail);
    *ret_number = r->tail++;
    slot->result = NULL;
    slot->state = NULL;
    slot->said = false;
    slot->began = r->base.meters->now_us;
    slot->command = r->last;
    slot->silent = r->reply_off || r->reply_skip;
    return slot;
}

/* --- saying ----------------------------------------------------------------------------------- */

/* Move what is still wanted of `later` together. */
static void later_pack(struct resp_session *r)
{
    struct buf packed = BUF_INIT;
    buf_reserve(&packed, r->later_live);
    for (uint64_t n = r->head; n != r->tail; n++) {
        struct resp_slot *slot = resp_slot_at(r, n);
        if (!slot->said || !slot->len)
            continue;
        size_t at = packed.len;
        buf_add(&packed, r->later.data + slot->at, slot->len);
        slot->at = (uint32_t)at;
    }
    buf_release(&r->later);
    r->later = packed;
}

/* The head was said: so may be those that waited for it. */
static void ring_advance(struct resp_session *r)
{
    for (; r->head != r->tail; r->head++) {
        struct resp_slot *slot = resp_slot_at(r, r->head);
        if (!slot->said)
            break;
        if (slot->len)
            buf_add(&r->base.out, r->later.data + slot->at, slot->len);
        r->later_live -= slot->len;
    }
    if (r->later_live == 0) {
        r->later.len = 0;
        buf_shrink(&r->later, LATER_KEEP);
    } else if (r->later.len > LATER_KEEP && r->later.len / 2 > r->later_live) {
        later_pack(r);
    }
}

struct buf *resp_open(struct resp_session *r, uint64_t number)
{
    struct buf *out = likely(number == r->head) ? &r->base.out : &r->later;
    r->mark = out->len;
    return out;
}

static inline void expect(struct resp_session *r, size_t said)
{
    if (unlikely(said >= r->expected))
        r->expected = said;
    else
        r->expected -= (r->expected - said) / EXPECTED_FADES;
}

void resp_close(struct resp_session *r, uint64_t number)
{
    struct resp_slot *slot = resp_slot_at(r, number);
    if (unlikely(r->base.meters->now_us != slot->began))
        resp_slowlog_look(r, number);
    if (unlikely(slot->state != NULL))
        slot_release(slot);
    if (likely(number == r->head)) {
        expect(r, r->base.out.len - r->mark);
        if (unlikely(slot->silent))
            r->base.out.len = r->mark;
        r->head++;
        if (r->head != r->tail || r->later.len)
            ring_advance(r);
        return;
    }
    expect(r, r->later.len - r->mark);
    if (unlikely(slot->silent))
        r->later.len = r->mark;
    slot->said = true;
    slot->len = (uint32_t)(r->later.len - r->mark);
    slot->at =
        slot->len ? (uint32_t)r->mark : 0; /* nothing has no place that could be taken away */
    r->later_live += slot->len;
}

struct buf *resp_open_now(struct resp_session *r)
{
    if (unlikely(r->head != r->tail)) {
        uint64_t number;
        resp_slot_new(r, &number);
        return resp_open(r, number);
    }
    r->tail++; /* without a slot: nothing stands before it */
    return resp_open(r, r->head);
}

void resp_close_now(struct resp_session *r)
{
    bool silent = (r->reply_off || r->reply_skip) && !r->pushed;
    r->pushed = false;
    if (unlikely(r->head != r->tail - 1)) { /* what was said may have turned replies on or off */
        resp_slot_at(r, r->tail - 1)->silent = silent;
        resp_close(r, r->tail - 1);
        return;
    }
    if (unlikely(silent))
        r->base.out.len = r->mark;
    r->head++;
}

void resp_say_result(struct resp_session *r, struct buf *out, const struct result *res, bool writes)
{
    if (unlikely(res->status)) {
        resp_error(out, resp_error_of(res->status));
        return;
    }
    if (unlikely(!writes && resp_too_much(r, res->value.len))) {
        resp_error(out, resp_error_of(GRID_EBUSY));
        return;
    }
    struct reply reply = {res->reply, res->number, res->value};
    resp_reply(out, &reply, r->resp3);
}

/* --- bounds ----------------------------------------------------------------------------------- */

bool resp_too_much(const struct resp_session *r, size_t bytes)
{
    const struct session *s = &r->base;
    return bytes && session_unsent(s) + s->collected + r->later_live + bytes > s->limits.output_max;
}

/* As many requests are under way as will fill the output: a client that asks for large values
 * without end gets each of them, and its connection holds a few. */
bool resp_ring_full(const struct resp_session *r)
{
    uint64_t at_once = r->tail - r->head;
    return at_once >= r->base.limits.requests || r->later_live >= r->base.limits.output ||
           (at_once >= AT_ONCE_LEAST && at_once * r->expected >= r->base.limits.output);
}

void resp_ring_check(const struct resp_session *r)
{
    size_t live = 0;
    CHECK(r->head <= r->tail);
    CHECK(r->tail - r->head <= (uint64_t)r->slots_mask + 1);
    for (uint64_t n = r->head; n != r->tail; n++) {
        const struct resp_slot *slot = &r->slots[n & r->slots_mask];
        CHECK(!slot->said || slot->at + (size_t)slot->len <= r->later.len);
        live += slot->said ? slot->len : 0;
    }
    CHECK(r->head == r->tail || !r->slots[r->head & r->slots_mask].said);
    CHECK(live == r->later_live);
    buf_check(&r->later);
}
