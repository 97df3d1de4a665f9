/* grid_session.c - frames in, frames out. */
#include "session/broadcast.h"
#include "session/grid_priv.h"
#include "session/jobs.h"

#include "control/settings.h"
#include "proto/frame.h"

#include <stdlib.h>

enum { NUMBER_BYTES_MAX = 11 /* what wire_request_number() wants to see */ };

/* --- input ------------------------------------------------------------------------------------ */

/* Largest body of a frame that is taken now. */
static size_t frame_max(const struct grid_session *g)
{
    if (g->base.state == GREETING)
        return FRAME_BYTES_HELLO;
    size_t now =
        (size_t)catalog_setting(session_catalog(&g->base), SETTING_max_value) + FRAME_SLACK;
    return now > g->frame_told ? now : g->frame_told;
}

void grid_fail(struct grid_session *g, uint64_t number, enum grid_err err, const char *detail)
{
    session_count_refusal(&g->base, err);
    struct slice why = detail ? slice_str(detail) : slice_make(NULL, 0);
    wire_response_status(&g->base.out, number, err, why, grid_news(g));
}

/* The connection cannot go on: say why in the message the client expects now. */
static void give_up(struct grid_session *g, uint64_t number, enum grid_err err, const char *why)
{
    if (g->base.state == GREETING)
        grid_refuse_hello(g, err, why);
    else
        grid_fail(g, number, err, why);
    session_stop(&g->base, why);
}

/* A frame over the limit is answered and passed over, so that one large value does not cost the
 * connection.
 * Returns the bytes used; 0: more are needed to know whom to answer. */
static size_t pass_over(struct grid_session *g, const uint8_t *data, size_t len)
{
    size_t body = load_u32(data);
    if (g->base.state == GREETING || body > FRAME_BYTES_MAX) {
        give_up(g, 0, GRID_ETOO_LARGE, "the frame is larger than any may be");
        return len;
    }
    if (len < FRAME_HEADER_BYTES + NUMBER_BYTES_MAX) /* the limit is larger, so they will come */
        return 0;
    uint64_t number =
        wire_request_number(slice_make(data + FRAME_HEADER_BYTES, len - FRAME_HEADER_BYTES));
    if (!number) {
        give_up(g, 0, GRID_ETOO_LARGE, "the frame is larger than the limit");
        return len;
    }
    grid_fail(g, number, GRID_ETOO_LARGE, "the frame is larger than the limit");
    g->skip = FRAME_HEADER_BYTES + body;
    return 0;
}

static size_t skip(struct grid_session *g, size_t len)
{
    size_t n = len < g->skip ? len : g->skip;
    g->skip -= n;
    return n;
}

enum taken { TAKEN, TAKE_LATER };

/* The arena had no room for a message. With others in it: try again next turn, once. */
static enum taken no_room(struct grid_session *g, struct slice body, struct arena *arena,
                          size_t used_before)
{
    arena_forgive(arena);
    if (used_before && !g->starved) {
        g->starved = true;
        return TAKE_LATER;
    }
    uint64_t number = wire_request_number(body);
    enum grid_err err = used_before ? GRID_EBUSY : GRID_ETOO_LARGE;
    if (number)
        grid_fail(g, number, err, "the request needs too much memory");
    else
        give_up(g, 0, err, "the request needs too much memory");
    g->starved = false;
    return TAKEN;
}

static enum taken take_body(struct grid_session *g, struct slice body, struct arena *arena)
{
    size_t used = arena_used(arena);
    struct wire_request *request = NULL;
    struct wire_hello hello;
    bool greeting = g->base.state == GREETING;
    enum grid_err err = greeting ? wire_hello_decode(body, arena, &hello)
                                 : wire_request_decode(body, arena, &request);
    if (unlikely(err == GRID_ENOMEM))
        return no_room(g, body, arena, used);
    g->starved = false;
    if (unlikely(err))
        give_up(g, wire_request_number(body), err, "malformed message");
    else if (greeting)
        grid_greet(g, &hello);
    else
        grid_dispatch(g, request);
    return TAKEN;
}

/* One step; returns the bytes used, 0: nothing can be done now. */
static size_t grid_take(struct session *s, const uint8_t *data, size_t len,
                        struct session_turn *turn)
{
    struct grid_session *g = grid_of(s);
    if (unlikely(g->skip))
        return skip(g, len);
    size_t body;
    enum frame_status status = frame_peek(data, len, frame_max(g), &body);
    if (status == FRAME_MORE)
        return 0;
    if (unlikely(turn->budget == 0)) {
        turn->more = true;
        return 0;
    }
    if (unlikely(status == FRAME_EMPTY)) {
        give_up(g, 0, GRID_EBAD_REQUEST, "an empty frame");
        return len;
    }
    if (unlikely(status == FRAME_TOO_LARGE)) {
        size_t used = pass_over(g, data, len);
        return g->skip ? skip(g, len) : used;
    }
    if (take_body(g, slice_make(data + FRAME_HEADER_BYTES, body), turn->arena) == TAKE_LATER) {
        turn->more = true;
        return 0;
    }
    turn->budget--;
    session_count_request(s);
    return FRAME_HEADER_BYTES + body;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void give(struct grid_session *g, uint64_t number, const struct result *res)
{
    static const char nobody[] = "no node leads the partition";
    if (unlikely(res->status == GRID_ENOT_PRIMARY))
        wire_response_status(&g->base.out, number, res->status, slice_str(nobody), grid_news(g));
    else if (unlikely(res->status == GRID_ETASK || res->status == GRID_ENO_TASK ||
                      res->status == GRID_ESERVICE ||
                      res->status == GRID_ENO_SERVICE)) /* why, in words */
        wire_response_status(&g->base.out, number, res->status, res->value, grid_news(g));
    else
        wire_response_result(&g->base.out, number, res, grid_news(g));
}

static void give_job(struct grid_session *g, uint64_t number, unsigned action,
                     const struct result *res)
{
    struct buf out = BUF_INIT;
    struct result told = *res;
    session_job_said(&g->base, action, &told, &out);
    const char *why = told.status ? session_job_why(action, told.status) : NULL;
    if (why)
        wire_response_status(&g->base.out, number, told.status, slice_str(why), grid_news(g));
    else
        give(g, number, &told);
    buf_release(&out);
}

static void give_answers(struct grid_session *g, uint64_t number, const struct result *res)
{
    struct scan_item *list;
    struct result told = {.items_len = (uint32_t)broadcast_answers(&g->base, res, &list)};
    told.items = list;
    if (list)
        wire_response_result(&g->base.out, number, &told, grid_news(g));
    else
        grid_fail(g, number, GRID_ENOMEM, NULL);
    free(list);
}

static void grid_result(struct session *s, uint64_t number, uint32_t part, const struct result *res)
{
    struct grid_session *g = grid_of(s);
    if (unlikely(part == GRID_PART_BROADCAST)) {
        give_answers(g, number, res);
        return;
    }
    if (unlikely(part)) {
        give_job(g, number, part - 1, res);
        return;
    }
    bool large = (res->value.len || res->items_len) && !session_changed(res);
    if (unlikely(large && session_too_much(s, res->value.len + 1)))
        grid_fail(g, number, GRID_EBUSY, "too many unread answers");
    else
        give(g, number, res);
}

static void grid_collected(struct session *s, uint64_t number, const struct collection *all)
{
    struct grid_session *g = grid_of(s);
    if (all->items) {
        wire_response_items(&s->out, number, all->items, all->len, grid_news(g));
        return;
    }
    struct result res = {.status = all->err, .number = all->err ? 0 : all->sum};
    give(g, number, &res);
}

static void grid_admin_result(struct session *s, uint64_t number, enum grid_err status,
                              struct slice detail, struct slice reply)
{
    struct grid_session *g = grid_of(s);
    if (reply.len > FRAME_BYTES_MAX - FRAME_SLACK)
        grid_fail(g, number, GRID_ETOO_LARGE, "the list is too long for one answer");
    else
        wire_response_admin(&s->out, number, status, detail, reply, grid_news(g));
}

const struct door grid_door = {
    .name = "grid",
    .bytes = sizeof(struct grid_session),
    .greets = true,
    .release = grid_topology_release,
    .take = grid_take,
    .result = grid_result,
    .collected = grid_collected,
    .admin_result = grid_admin_result,
    .moved = grid_welcome,
    .news = grid_topology_push,
};
