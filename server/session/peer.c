/* peer.c - greeting, credit, classes. What is given waits as whole frames in one queue per class;
 * peer_output() moves them on, by exchanging buffers when all of a queue may go and nothing is in
 * front of it, so that a turn's records are written once. */
#include "session/peer.h"

#include "base/alloc.h"
#include "base/sm.h"
#include "proto/frame.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum peer_state { ASKING, ASKED, DECIDING, OPEN, CLOSED };
static const char *const STATES[] = {"asking", "asked", "deciding", "open", "closed"};
#define TO(state) (1u << (state))
static const uint32_t MOVES[] = {
    [ASKING] = TO(OPEN) | TO(CLOSED),
    [ASKED] = TO(DECIDING) | TO(CLOSED),
    [DECIDING] = TO(OPEN) | TO(CLOSED),
    [OPEN] = TO(CLOSED),
    [CLOSED] = TO(CLOSED),
};
static const struct sm_table LIFE = {"peer", STATES, MOVES, sizeof MOVES / sizeof *MOVES};

enum { QUEUE_KEEP_BYTES = 64 << 10 };

/* Whole frames of one class that wait. */
struct queue {
    struct buf frames;
    size_t at;     /* bytes at the front that are gone */
    size_t bodies; /* bytes of the bodies that wait */
};

/* Bodies of one class, one way, since the connection began. */
struct account {
    uint64_t passed;  /* sent, or come */
    uint64_t granted; /* of these: told to be consumed */
    uint32_t window;
};

struct peer {
    unsigned state;
    bool dialled;
    bool has_other;
    struct peer_hello self, other;
    msec_t heard, said;
    struct buf words; /* greeting, grants, pings: need no credit */
    struct queue queues[PEER_CLASSES];
    struct account out[PEER_CLASSES], in[PEER_CLASSES];
    uint64_t consumed[PEER_CLASSES]; /* of what came */
    struct queue *begun;             /* a message is being given */
    size_t begun_at;
    char why[PEER_WHY_BYTES];
};

struct peer *peer_new(bool dialled, const struct peer_hello *self, msec_t now)
{
    struct peer *p = xcalloc(1, sizeof *p);
    p->state = dialled ? ASKING : ASKED;
    p->dialled = dialled;
    p->self = *self;
    p->self.version = PEER_VERSION_MAX;
    p->self.version_min = PEER_VERSION_MIN;
    p->heard = p->said = now;
    for (unsigned i = 0; i < PEER_CLASSES; i++)
        p->in[i].window = self->window[i];
    if (dialled)
        wire_peer_hello(&p->words, &p->self);
    return p;
}

void peer_free(struct peer *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < PEER_CLASSES; i++)
        buf_release(&p->queues[i].frames);
    buf_release(&p->words);
    free(p);
}

static void move_to(struct peer *p, enum peer_state to)
{
    sm_move(&LIFE, &p->state, to);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void close_now(struct peer *p)
{
    move_to(p, CLOSED);
    for (unsigned i = 0; i < PEER_CLASSES; i++) {
        buf_release(&p->queues[i].frames);
        p->queues[i] = (struct queue){0};
    }
}

/* The other is told why. */
PRINTF_LIKE(4, 5)
static void refuse(struct peer *p, struct peer_event *e, enum grid_err status, const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    vsnprintf(p->why, sizeof p->why, fmt, list);
    va_end(list);
    close_now(p);
    wire_peer_refusal(&p->words, status, p->why, p->self.grid, p->self.node_id);
    *e = (struct peer_event){.kind = PEER_BROKEN, .status = status, .why = p->why};
}

void peer_refuse(struct peer *p, enum grid_err status, const char *why)
{
    struct peer_event unused;
    if (p->state != CLOSED)
        refuse(p, &unused, status, "%s", why);
}

/* --- greeting --------------------------------------------------------------------------------- */

static bool same_id(const uint8_t a[PEER_ID_BYTES], const uint8_t b[PEER_ID_BYTES])
{
    return memcmp(a, b, PEER_ID_BYTES) == 0;
}

static bool no_id(const uint8_t id[PEER_ID_BYTES])
{
    static const uint8_t none[PEER_ID_BYTES];
    return same_id(id, none);
}

/* The newest version both speak; 0: there is none. */
static uint32_t version_common(const struct peer_hello *self, const struct peer_hello *other)
{
    uint32_t v = self->version < other->version ? self->version : other->version;
    return v >= self->version_min && v >= other->version_min ? v : 0;
}

static bool version_fits(struct peer *p, const struct peer_hello *o, struct peer_event *e)
{
    uint32_t common = version_common(&p->self, o);
    if (common && p->dialled && o->version > p->self.version)
        common = 0; /* it chose what we do not speak */
    if (!common)
        refuse(p, e, GRID_EPROTOCOL,
               "%s speaks versions %u to %u of the protocol between nodes, %s %u to %u", o->node,
               o->version_min, o->version, p->self.node, p->self.version_min, p->self.version);
    return common;
}

static bool grid_fits(struct peer *p, const struct peer_hello *o, struct peer_event *e)
{
    const struct peer_hello *self = &p->self;
    if (strcmp(o->grid, self->grid) != 0)
        refuse(p, e, GRID_ECONDITION, "%s is a node of grid '%s', %s of grid '%s'", o->node,
               o->grid, self->node, self->grid);
    else if (!no_id(o->grid_id) && !no_id(self->grid_id) && !same_id(o->grid_id, self->grid_id))
        refuse(p, e, GRID_ECONDITION,
               "%s and %s are of different grids, both named '%s': each was founded by itself",
               o->node, self->node, self->grid);
    else
        return true;
    return false;
}

static bool node_fits(struct peer *p, const struct peer_hello *o, struct peer_event *e)
{
    const struct peer_hello *self = &p->self;
    bool answers = !p->dialled || (o->kind == self->kind && o->from_shard == self->to_shard &&
                                   o->to_shard == self->from_shard);
    if (same_id(o->boot_id, self->boot_id))
        refuse(p, e, GRID_EEXISTS, "%s met itself", self->node);
    else if (same_id(o->node_id, self->node_id))
        refuse(p, e, GRID_EIN_USE,
               "%s at %.60s and %s at %.60s have the same node id: a copied data directory?",
               o->node, o->address, self->node, self->address);
    else if (o->to_shard >= self->shards || !answers)
        refuse(p, e, GRID_EBAD_REQUEST, "%s asked for what %s has not", o->node, self->node);
    else
        return true;
    return false;
}

static void open_up(struct peer *p)
{
    move_to(p, OPEN);
    for (unsigned i = 0; i < PEER_CLASSES; i++)
        p->out[i].window = p->other.window[i];
}

static void take_hello(struct peer *p, struct slice body, struct peer_event *e)
{
    struct peer_hello o;
    if (wire_peer_hello_decode(body, &o)) {
        refuse(p, e, GRID_EBAD_REQUEST, "a greeting that is none");
        return;
    }
    p->other = o;
    p->has_other = true;
    if (!version_fits(p, &o, e) || !grid_fits(p, &o, e) || !node_fits(p, &o, e))
        return;
    if (p->dialled)
        open_up(p);
    else
        move_to(p, DECIDING);
    e->kind = p->dialled ? PEER_UP : PEER_ASKED;
}

static void take_refusal(struct peer *p, struct slice body, struct peer_event *e)
{
    struct peer_refusal r;
    if (wire_peer_refusal_decode(body, &r)) {
        refuse(p, e, GRID_EBAD_REQUEST, "a refusal that is none");
        return;
    }
    snprintf(p->why, sizeof p->why, "%s", r.why[0] ? r.why : err_text(r.status));
    close_now(p);
    *e = (struct peer_event){.kind = PEER_REFUSED, .status = r.status, .why = p->why};
    if (r.has_id)
        e->who = memcpy(p->other.node_id, r.node_id, PEER_ID_BYTES);
}

void peer_admit(struct peer *p)
{
    CHECK(p->state == DECIDING);
    p->self.kind = p->other.kind;
    p->self.from_shard = p->other.to_shard;
    p->self.to_shard = p->other.from_shard;
    struct peer_hello answer = p->self;
    answer.version = version_common(&p->self, &p->other);
    wire_peer_hello(&p->words, &answer);
    open_up(p);
}

/* --- input ------------------------------------------------------------------------------------ */

/* What is under way may grow by `bytes`. */
static bool credit(const struct account *a, size_t bytes)
{
    uint64_t under_way = a->passed - a->granted;
    return under_way <= a->window / 2 || under_way + bytes <= a->window;
}

static void take_message(struct peer *p, const struct peer_frame *f, struct peer_event *e)
{
    struct account *a = &p->in[f->class];
    if (f->body.len > PEER_MESSAGE_BYTES_MAX || !credit(a, f->body.len)) {
        refuse(p, e, GRID_EBAD_REQUEST, "%s sends more than it may", p->other.node);
        return;
    }
    a->passed += f->body.len;
    *e = (struct peer_event){.kind = PEER_MESSAGE, .class = f->class, .body = f->body};
}

static void take_grant(struct peer *p, const struct peer_frame *f, struct peer_event *e)
{
    struct account *a = &p->out[f->class];
    if (f->bytes < a->granted || f->bytes > a->passed)
        refuse(p, e, GRID_EBAD_REQUEST, "%s grants what was not sent", p->other.node);
    else
        a->granted = f->bytes;
}

static void take_frame(struct peer *p, struct slice frame, struct peer_event *e)
{
    struct peer_frame f;
    if (wire_peer_frame(frame, &f))
        refuse(p, e, GRID_EBAD_REQUEST, "bytes that are no message between nodes");
    else if (f.kind == PEER_FRAME_REFUSAL)
        take_refusal(p, f.body, e);
    else if (f.kind == PEER_FRAME_HELLO && p->state != OPEN)
        take_hello(p, f.body, e);
    else if (p->state != OPEN || f.kind == PEER_FRAME_HELLO)
        refuse(p, e, GRID_EBAD_REQUEST, "a greeting was expected, or none");
    else if (f.kind == PEER_FRAME_MESSAGE)
        take_message(p, &f, e);
    else if (f.kind == PEER_FRAME_GRANT)
        take_grant(p, &f, e);
}

size_t peer_input(struct peer *p, const uint8_t *data, size_t len, msec_t now,
                  struct peer_event *ret_event)
{
    *ret_event = (struct peer_event){.kind = PEER_NOTHING};
    if (len)
        p->heard = now;
    size_t at = 0;
    while (p->state != DECIDING && p->state != CLOSED && ret_event->kind == PEER_NOTHING) {
        size_t body;
        size_t max = p->state == OPEN ? PEER_FRAME_BYTES_MAX : FRAME_BYTES_HELLO;
        enum frame_status status = frame_peek(data + at, len - at, max, &body);
        if (status == FRAME_MORE)
            break;
        if (status != FRAME_WHOLE) {
            refuse(p, ret_event, GRID_EBAD_REQUEST, "bytes that are no message between nodes");
            return len;
        }
        take_frame(p, slice_make(data + at + FRAME_HEADER_BYTES, body), ret_event);
        at += FRAME_HEADER_BYTES + body;
    }
    return p->state == CLOSED ? len : at;
}

void peer_consumed(struct peer *p, enum peer_class class, size_t bytes)
{
    if (p->state != OPEN)
        return;
    p->consumed[class] += bytes;
    CHECK(p->consumed[class] <= p->in[class].passed);
}

/* --- output ----------------------------------------------------------------------------------- */

struct buf *peer_begin(struct peer *p, enum peer_class class)
{
    CHECK(p->state == OPEN && !p->begun);
    p->begun = &p->queues[class];
    p->begun_at = wire_peer_begin(&p->begun->frames, class);
    return &p->begun->frames;
}

size_t peer_end(struct peer *p)
{
    CHECK(p->begun);
    struct queue *q = p->begun;
    size_t len = q->frames.len - p->begun_at - PEER_FRAME_HEAD_BYTES;
    p->begun = NULL;
    if (!len) {
        q->frames.len = p->begun_at;
        return 0;
    }
    wire_peer_end(&q->frames, p->begun_at);
    q->bodies += len;
    return len;
}

void peer_send(struct peer *p, enum peer_class class, struct slice body)
{
    buf_add(peer_begin(p, class), body.data, body.len);
    peer_end(p);
}

size_t peer_queued(const struct peer *p, enum peer_class class)
{
    return p->queues[class].frames.len - p->queues[class].at;
}

static void queue_gone(struct queue *q, size_t bytes)
{
    q->at += bytes;
    if (q->at == q->frames.len) {
        q->frames.len = q->at = 0;
        buf_shrink(&q->frames, QUEUE_KEEP_BYTES);
    } else if (q->at > QUEUE_KEEP_BYTES && q->at > q->frames.len / 2) {
        buf_consume(&q->frames, q->at);
        q->at = 0;
    }
}

/* All of a queue may go and nothing is in front of it: nothing is copied. */
static bool exchange(struct queue *q, struct account *a, struct buf *out)
{
    if (out->len || q->at || a->passed - a->granted + q->bodies > a->window)
        return false;
    struct buf empty = *out;
    *out = q->frames;
    q->frames = empty;
    a->passed += q->bodies;
    q->bodies = 0;
    return true;
}

/* Whole frames, as far as credit reaches and until `out` is `out_max` long. */
static void move_frames(struct queue *q, struct account *a, struct buf *out, size_t out_max)
{
    size_t end = q->at;
    while (end < q->frames.len && out->len + (end - q->at) < out_max) {
        size_t frame = FRAME_HEADER_BYTES + load_u32(q->frames.data + end);
        size_t body = frame - PEER_FRAME_HEAD_BYTES;
        if (!credit(a, body))
            break;
        a->passed += body;
        q->bodies -= body;
        end += frame;
    }
    if (end == q->at)
        return;
    buf_add(out, q->frames.data + q->at, end - q->at);
    queue_gone(q, end - q->at);
}

static void tell_consumed(struct peer *p)
{
    for (unsigned i = 0; i < PEER_CLASSES; i++) {
        struct account *a = &p->in[i];
        if (p->consumed[i] - a->granted < a->window / 4)
            continue;
        a->granted = p->consumed[i];
        wire_peer_grant(&p->words, (enum peer_class)i, a->granted);
    }
}

void peer_output(struct peer *p, struct buf *out, size_t unsent, msec_t now)
{
    CHECK(!p->begun);
    size_t before = out->len;
    if (p->state == OPEN)
        tell_consumed(p);
    if (p->words.len) {
        buf_add(out, p->words.data, p->words.len);
        p->words.len = 0;
        buf_shrink(&p->words, QUEUE_KEEP_BYTES);
    }
    for (unsigned i = PEER_URGENT; i < PEER_BULK; i++)
        if (p->queues[i].frames.len && !exchange(&p->queues[i], &p->out[i], out))
            move_frames(&p->queues[i], &p->out[i], out, SIZE_MAX);
    unsent += out->len - before;
    if (p->queues[PEER_BULK].frames.len && unsent < PEER_BULK_AHEAD)
        move_frames(&p->queues[PEER_BULK], &p->out[PEER_BULK], out,
                    out->len + PEER_BULK_AHEAD - unsent);
    if (out->len != before)
        p->said = now;
}

bool peer_waits(const struct peer *p)
{
    const struct queue *q = &p->queues[PEER_BULK];
    if (!q->frames.len)
        return false;
    size_t frame = FRAME_HEADER_BYTES + load_u32(q->frames.data + q->at);
    return credit(&p->out[PEER_BULK], frame - PEER_FRAME_HEAD_BYTES);
}

void peer_tick(struct peer *p, msec_t now, msec_t ping_ms)
{
    if (p->state == OPEN && now - p->said >= ping_ms && !p->words.len)
        wire_peer_ping(&p->words);
}

/* --- to look at ------------------------------------------------------------------------------- */

const struct peer_hello *peer_other(const struct peer *p)
{
    CHECK(p->has_other);
    return &p->other;
}

bool peer_open(const struct peer *p)
{
    return p->state == OPEN;
}

bool peer_dialled(const struct peer *p)
{
    return p->dialled;
}

msec_t peer_heard(const struct peer *p)
{
    return p->heard;
}

static void account_check(const struct account *a)
{
    uint64_t under_way = a->passed - a->granted;
    CHECK(a->granted <= a->passed);
    CHECK(under_way <= a->window || under_way <= a->window / 2 + PEER_MESSAGE_BYTES_MAX);
}

void peer_check(const struct peer *p)
{
    CHECK(p->state <= CLOSED);
    buf_check(&p->words);
    for (unsigned i = 0; i < PEER_CLASSES; i++) {
        const struct queue *q = &p->queues[i];
        buf_check(&q->frames);
        CHECK(q->at <= q->frames.len);
        CHECK(p->state == OPEN || !q->frames.len);
        account_check(&p->out[i]);
        account_check(&p->in[i]);
        CHECK(p->consumed[i] <= p->in[i].passed && p->consumed[i] >= p->in[i].granted);
    }
}
