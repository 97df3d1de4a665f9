/* grid_session.c - frames in, frames out, and the life of a session. */
#include "session/grid_session.h"

#include "base/alloc.h"
#include "base/sm.h"
#include "control/settings.h"
#include "proto/frame.h"
#include "session/collector.h"
#include "session/session_priv.h"

#include <stdlib.h>

enum {
    OUTPUT_KEEP_BYTES = 256 << 10, /* kept when all is sent */
    NUMBER_BYTES_MAX = 11,         /* what wire_request_number() wants to see */
};

static const char *const state_names[SESSION_STATES] = {"GREETING", "MOVING", "OPEN", "CLOSING"};
static const uint32_t state_moves[SESSION_STATES] = {
    [GREETING] = 1u << MOVING | 1u << OPEN | 1u << CLOSING,
    [MOVING] = 1u << OPEN | 1u << CLOSING,
    [OPEN] = 1u << CLOSING,
    [CLOSING] = 0,
};
static const struct sm_table states = {"session", state_names, state_moves, SESSION_STATES};

void session_move_to(struct grid_session *s, enum session_state to)
{
    sm_move(&states, &s->state, to);
}

struct grid_session *grid_session_new(const struct session_ports *ports,
                                      const struct node_view *view,
                                      const struct session_limits *limits, void *owner)
{
    struct grid_session *s = xcalloc(1, sizeof *s);
    s->waiter = WAITER_SESSION;
    s->state = GREETING;
    s->ports = ports;
    s->view = view;
    s->limits = *limits;
    s->owner = owner;
    s->reason = "";
    list_init(&s->collectors);
    return s;
}

void *grid_session_owner(const struct grid_session *s)
{
    return s->owner;
}

/* --- input ------------------------------------------------------------------------------------ */

size_t session_frame_max(const struct grid_session *s)
{
    if (s->state == GREETING)
        return FRAME_BYTES_HELLO;
    size_t now = (size_t)catalog_setting(session_catalog(s), SETTING_max_value) + FRAME_SLACK;
    return now > s->frame_told ? now : s->frame_told;
}

void session_fail(struct grid_session *s, uint64_t number, enum grid_err err, const char *detail)
{
    struct slice why = detail ? slice_str(detail) : slice_make(NULL, 0);
    wire_response_status(&s->out, number, err, why, session_news(s));
}

/* The connection cannot go on: say why in the message the client expects now. */
static void give_up(struct grid_session *s, uint64_t number, enum grid_err err, const char *why)
{
    if (s->state == GREETING)
        session_refuse_hello(s, err, why);
    else
        session_fail(s, number, err, why);
    grid_session_stop(s, why);
}

/* A frame over the limit is answered and passed over, so that one large value does not cost the
 * connection.
 * Returns the bytes used; 0: more are needed to know whom to answer. */
static size_t pass_over(struct grid_session *s, const uint8_t *data, size_t len)
{
    size_t body = load_u32(data);
    if (s->state == GREETING || body > FRAME_BYTES_MAX) {
        give_up(s, 0, GRID_ETOO_LARGE, "the frame is larger than any may be");
        return len;
    }
    if (len < FRAME_HEADER_BYTES + NUMBER_BYTES_MAX) /* the limit is larger, so they will come */
        return 0;
    uint64_t number =
        wire_request_number(slice_make(data + FRAME_HEADER_BYTES, len - FRAME_HEADER_BYTES));
    if (!number) {
        give_up(s, 0, GRID_ETOO_LARGE, "the frame is larger than the limit");
        return len;
    }
    session_fail(s, number, GRID_ETOO_LARGE, "the frame is larger than the limit");
    s->skip = FRAME_HEADER_BYTES + body;
    return 0;
}

static size_t skip(struct grid_session *s, size_t len)
{
    size_t n = len < s->skip ? len : s->skip;
    s->skip -= n;
    return n;
}

enum taken { TAKEN, TAKE_LATER };

/* The arena had no room for a message. With others in it: try again next turn, once. */
static enum taken no_room(struct grid_session *s, struct slice body, struct arena *arena,
                          size_t used_before)
{
    arena_forgive(arena);
    if (used_before && !s->starved) {
        s->starved = true;
        return TAKE_LATER;
    }
    uint64_t number = wire_request_number(body);
    enum grid_err err = used_before ? GRID_EBUSY : GRID_ETOO_LARGE;
    if (number)
        session_fail(s, number, err, "the request needs too much memory");
    else
        give_up(s, 0, err, "the request needs too much memory");
    s->starved = false;
    return TAKEN;
}

static enum taken take_body(struct grid_session *s, struct slice body, struct arena *arena)
{
    size_t used = arena_used(arena);
    struct wire_request *request = NULL;
    struct wire_hello hello;
    bool greeting = s->state == GREETING;
    enum grid_err err = greeting ? wire_hello_decode(body, arena, &hello)
                                 : wire_request_decode(body, arena, &request);
    if (unlikely(err == GRID_ENOMEM))
        return no_room(s, body, arena, used);
    s->starved = false;
    if (unlikely(err))
        give_up(s, wire_request_number(body), err, "malformed message");
    else if (greeting)
        session_greet(s, &hello);
    else
        session_dispatch(s, request);
    return TAKEN;
}

/* One step; returns the bytes used, 0: nothing can be done now. */
static size_t take_frame(struct grid_session *s, const uint8_t *data, size_t len,
                         struct session_turn *turn)
{
    if (unlikely(s->skip))
        return skip(s, len);
    size_t body;
    enum frame_status status = frame_peek(data, len, session_frame_max(s), &body);
    if (status == FRAME_MORE)
        return 0;
    if (unlikely(turn->budget == 0)) {
        turn->more = true;
        return 0;
    }
    if (unlikely(status == FRAME_EMPTY)) {
        give_up(s, 0, GRID_EBAD_REQUEST, "an empty frame");
        return len;
    }
    if (unlikely(status == FRAME_TOO_LARGE)) {
        size_t used = pass_over(s, data, len);
        return s->skip ? skip(s, len) : used;
    }
    if (take_body(s, slice_make(data + FRAME_HEADER_BYTES, body), turn->arena) == TAKE_LATER) {
        turn->more = true;
        return 0;
    }
    turn->budget--;
    return FRAME_HEADER_BYTES + body;
}

size_t grid_session_input(struct grid_session *s, const uint8_t *data, size_t len,
                          struct session_turn *turn)
{
    size_t at = 0;
    turn->more = false;
    s->arena = turn->arena;
    while (at < len && grid_session_wants_read(s)) {
        size_t used = take_frame(s, data + at, len - at, turn);
        if (!used)
            break;
        at += used;
    }
    s->arena = NULL;
    return s->state == CLOSING ? len : at;
}

size_t grid_session_frame_bytes(const struct grid_session *s, const uint8_t *data, size_t len)
{
    size_t body;
    if (s->skip || s->state == CLOSING ||
        frame_peek(data, len, session_frame_max(s), &body) == FRAME_TOO_LARGE)
        return FRAME_HEADER_BYTES + NUMBER_BYTES_MAX;
    return FRAME_HEADER_BYTES + body;
}

bool grid_session_wants_read(const struct grid_session *s)
{
    return (s->state == OPEN || s->state == GREETING) && s->in_flight < s->limits.requests &&
           session_unsent(s) + s->collected < s->limits.output;
}

/* --- answers ---------------------------------------------------------------------------------- */

struct grid_session *session_answered(struct grid_session *s)
{
    CHECK(s->in_flight > 0);
    s->in_flight--;
    if (likely(!s->closed))
        return s;
    if (s->in_flight == 0)
        grid_session_free(s);
    return NULL;
}

/* A client that asks for more than it reads is told so; the answer to a write is small and
 * always given. */
static bool too_much(const struct grid_session *s, const struct result *res)
{
    return (res->value.len || res->items_len) &&
           session_unsent(s) + s->collected + res->value.len > s->limits.output_max;
}

static void answer(struct grid_session *s, uint64_t number, const struct result *res)
{
    if (unlikely(too_much(s, res)))
        session_fail(s, number, GRID_EBUSY, "too many unread answers");
    else
        wire_response_result(&s->out, number, res, session_news(s));
}

struct grid_session *grid_session_result(const struct ticket *to, const struct result *res)
{
    if (*(const enum waiter *)to->owner == WAITER_COLLECTOR) {
        struct collector *c = to->owner;
        struct grid_session *s = collector_session(c);
        collector_add(c, to->part, res);
        return session_answered(s);
    }
    struct grid_session *s = to->owner;
    CHECK(s->waiter == WAITER_SESSION);
    if (likely(!s->closed))
        answer(s, to->number, res);
    return session_answered(s);
}

struct grid_session *grid_session_admin_result(const struct ticket *to, enum grid_err status,
                                               struct slice detail, struct slice reply)
{
    struct grid_session *s = to->owner;
    CHECK(s->waiter == WAITER_SESSION);
    if (!s->closed) {
        if (reply.len > FRAME_BYTES_MAX - FRAME_SLACK)
            session_fail(s, to->number, GRID_ETOO_LARGE, "the list is too long for one answer");
        else
            wire_response_admin(&s->out, to->number, status, detail, reply, session_news(s));
    }
    return session_answered(s);
}

/* --- output ----------------------------------------------------------------------------------- */

struct slice grid_session_output(const struct grid_session *s)
{
    return slice_make(s->out.len ? s->out.data + s->sent : NULL, session_unsent(s));
}

void grid_session_sent(struct grid_session *s, size_t n)
{
    CHECK(n <= session_unsent(s));
    s->sent += n;
    if (s->sent == s->out.len) {
        s->out.len = s->sent = 0;
        buf_shrink(&s->out, OUTPUT_KEEP_BYTES);
    } else if (s->sent > OUTPUT_KEEP_BYTES && s->sent > s->out.len / 2) {
        buf_consume(&s->out, s->sent); /* moves less than was sent */
        s->sent = 0;
    }
}

/* --- life ------------------------------------------------------------------------------------- */

void grid_session_stop(struct grid_session *s, const char *reason)
{
    if (s->state == CLOSING)
        return;
    session_move_to(s, CLOSING);
    s->reason = reason;
    s->skip = 0;
}

bool grid_session_finished(const struct grid_session *s)
{
    return s->state == CLOSING && s->in_flight == 0 && session_unsent(s) == 0;
}

const char *grid_session_reason(const struct grid_session *s)
{
    return s->reason;
}

uint32_t grid_session_in_flight(const struct grid_session *s)
{
    return s->in_flight;
}

bool grid_session_greeted(const struct grid_session *s)
{
    return s->state == OPEN || s->state == MOVING;
}

const char *grid_session_client(const struct grid_session *s)
{
    return s->client;
}

void grid_session_close(struct grid_session *s)
{
    if (!s)
        return;
    CHECK(!s->closed);
    if (s->in_flight == 0) {
        grid_session_free(s);
        return;
    }
    s->closed = true;
    s->sent = 0;
    buf_release(&s->out);
}

void grid_session_free(struct grid_session *s)
{
    if (!s)
        return;
    collectors_free(s);
    buf_release(&s->out);
    free(s);
}

void grid_session_check(const struct grid_session *s)
{
    CHECK(s->waiter == WAITER_SESSION && s->state < SESSION_STATES);
    CHECK(s->sent <= s->out.len);
    CHECK(s->closed ? s->in_flight > 0 : true);
    CHECK(s->state == GREETING || s->state == MOVING ? s->in_flight == 0 : true);
    CHECK((s->state == CLOSING) == (s->reason[0] != '\0'));
    buf_check(&s->out);
    collectors_check(s);
}
