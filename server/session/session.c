/* session.c - the life, the input and the output of a session, whatever it speaks. */
#include "session/session.h"

#include "base/alloc.h"
#include "base/sm.h"
#include "control/level.h"
#include "session/collector.h"
#include "session/may.h"
#include "session/router.h"
#include "session/session_priv.h"

#include <stdio.h>
#include <stdlib.h>

enum { OUTPUT_KEEP_BYTES = 256 << 10 /* kept when all is sent */ };

static const char *const state_names[SESSION_STATES] = {"GREETING", "MOVING", "OPEN", "CLOSING"};
static const uint32_t state_moves[SESSION_STATES] = {
    [GREETING] = 1u << MOVING | 1u << OPEN | 1u << CLOSING,
    [MOVING] = 1u << OPEN | 1u << CLOSING,
    [OPEN] = 1u << CLOSING,
    [CLOSING] = 0,
};
static const struct sm_table states = {"session", state_names, state_moves, SESSION_STATES};

void session_move_to(struct session *s, enum session_state to)
{
    sm_move(&states, &s->state, to);
}

/* It lives on this thread now. */
static void session_arrive(struct session *s, const struct session_ports *ports)
{
    s->ports = ports;
    s->meters = &ports->errands->meters;
    s->meters->doors[s->meter / METER_OPERATIONS].sessions++;
    list_push_back(&ports->errands->sessions, &s->here);
    s->rights = rights_of(ports->rights, s->user);
    s->may.known = 0;
}

static void session_leave(struct session *s)
{
    if (!list_empty(&s->here) && !s->closed)
        s->meters->doors[s->meter / METER_OPERATIONS].sessions--;
    list_remove(&s->here);
}

struct session *session_new(const struct door *door, const struct session_ports *ports,
                            const struct node_view *view, const struct session_limits *limits,
                            const struct session_peer *peer, void *owner)
{
    struct session *s = xcalloc(1, door->bytes);
    s->waiter = WAITER_SESSION;
    s->state = door->greets ? GREETING : OPEN;
    s->door = door;
    s->view = view;
    s->limits = *limits;
    s->peer = *peer;
    memcpy(s->user, peer->user, sizeof s->user);
    s->owner = owner;
    s->reason = "";
    list_init(&s->collectors);
    s->meter = (uint16_t)(meter_door_named(door->name) * METER_OPERATIONS);
    CHECK(s->meter < METERS);
    session_arrive(s, ports);
    if (door->init)
        door->init(s);
    return s;
}

void session_proved(struct session *s, const char *user)
{
    snprintf(s->peer.user, sizeof s->peer.user, "%s", user);
    session_is(s, user);
}

void *session_owner(const struct session *s)
{
    return s->owner;
}

const char *session_door(const struct session *s)
{
    return s->door->name;
}

const char *door_name(const struct door *door)
{
    return door->name;
}

/* --- input ------------------------------------------------------------------------------------ */

size_t session_input(struct session *s, const uint8_t *data, size_t len, struct session_turn *turn)
{
    size_t at = 0;
    turn->more = false;
    s->arena = turn->arena;
    while (at < len && session_wants_read(s)) {
        size_t used = s->door->take(s, data + at, len - at, turn);
        if (!used)
            break;
        at += used;
    }
    s->arena = NULL;
    s->meters->doors[s->meter / METER_OPERATIONS].received += at;
    return s->state == CLOSING ? len : at;
}

bool session_wants_read(const struct session *s)
{
    return (s->state == OPEN || s->state == GREETING) && s->in_flight < s->limits.requests &&
           session_unsent(s) + s->collected < s->limits.output &&
           !(s->door->full && s->door->full(s));
}

bool session_expects(const struct session *s)
{
    return s->door->expects && s->door->expects(s);
}

/* --- asking ----------------------------------------------------------------------------------- */

uint32_t session_level(const struct session *s)
{
    const struct grid_state *grid = session_grid(s);
    return grid ? grid->level : (uint32_t)GRID_LEVEL;
}

void session_admin(struct session *s, uint64_t number, const struct admin_request *request)
{
    struct ticket to = session_ticket(s, number, 0);
    to.meter += METER_ADMIN;
    s->in_flight++;
    s->ports->admin(s->ports->ctx, &to, request);
}

void session_everywhere(struct session *s, uint64_t number, const struct errand *errand)
{
    struct ticket to = session_ticket(s, number, 0);
    to.meter += METER_EVERYWHERE;
    s->in_flight++;
    s->ports->everywhere(s->ports->ctx, &to, errand);
}

void session_sleep(struct session *s, uint64_t number, msec_t ms)
{
    struct ticket to = session_ticket(s, number, 0);
    to.meter += METER_ADMIN;
    s->in_flight++;
    s->ports->sleep(s->ports->ctx, &to, ms);
}

enum grid_err session_authenticate(struct session *s, const char *user, const char *password)
{
    if (!s->ports->authenticate)
        return GRID_OK;
    enum grid_err err = s->ports->authenticate(s->ports->ctx, user, password);
    s->meters->wrong_passwords += err == GRID_EAUTH;
    if (err && ++s->wrong >= WRONG_PASSWORDS)
        session_stop(s, "too many wrong passwords");
    if (!err)
        session_is(s, user);
    return err;
}

/* --- answers ---------------------------------------------------------------------------------- */

static __attribute__((cold, noinline)) struct session *closed_answered(struct session *s)
{
    if (s->in_flight == 0)
        session_free(s);
    return NULL;
}

/* An answer was dropped or given: count it, free a closed session that waits for nothing. Returns
 * it, or NULL when its connection is gone. */
static inline struct session *answered(struct session *s, const struct ticket *to,
                                       enum grid_err status)
{
    CHECK(s->in_flight > 0);
    s->in_flight--;
    meters_done(s->meters, to->meter, to->began, status);
    return likely(!s->closed) ? s : closed_answered(s);
}

void asker_init(struct asker *a,
                void (*result)(struct asker *a, const struct ticket *to, const struct result *res))
{
    *a = (struct asker){WAITER_ASKER, result};
}

/* Who waits has no connection. */
static __attribute__((cold, noinline)) void result_elsewhere(const struct ticket *to,
                                                             const struct result *res)
{
    struct asker *a = to->owner;
    if (*(const enum waiter *)to->owner == WAITER_ROUTER) {
        router_result(to->owner, to, res);
        return;
    }
    CHECK(a->waiter == WAITER_ASKER);
    a->result(a, to, res);
}

struct session *session_result(const struct ticket *to, const struct result *res)
{
    if (*(const enum waiter *)to->owner == WAITER_COLLECTOR) {
        struct collector *c = to->owner;
        struct session *s = collector_session(c);
        collector_add(c, to->part, res);
        return answered(s, to, res->status);
    }
    struct session *s = to->owner;
    if (unlikely(s->waiter != WAITER_SESSION)) {
        result_elsewhere(to, res);
        return NULL;
    }
    if (likely(!s->closed))
        s->door->result(s, to->number, to->part, res);
    return answered(s, to, res->status);
}

struct session *session_admin_result(const struct ticket *to, enum grid_err status,
                                     struct slice detail, struct slice reply)
{
    struct session *s = to->owner;
    CHECK(s->waiter == WAITER_SESSION);
    if (!s->closed)
        s->door->admin_result(s, to->number, status, detail, reply);
    return answered(s, to, status);
}

/* --- output ----------------------------------------------------------------------------------- */

struct slice session_output(const struct session *s)
{
    return slice_make(s->out.len ? s->out.data + s->sent : NULL, session_unsent(s));
}

void session_sent(struct session *s, size_t n)
{
    CHECK(n <= session_unsent(s));
    s->sent += n;
    s->meters->doors[s->meter / METER_OPERATIONS].sent += n;
    if (s->sent == s->out.len) {
        s->out.len = s->sent = 0;
        buf_shrink(&s->out, OUTPUT_KEEP_BYTES);
    } else if (s->sent > OUTPUT_KEEP_BYTES && s->sent > s->out.len / 2) {
        buf_consume(&s->out, s->sent); /* moves less than was sent */
        s->sent = 0;
    }
}

/* --- life ------------------------------------------------------------------------------------- */

void session_move(struct session *s, uint32_t shard)
{
    CHECK(s->in_flight == 0);
    session_move_to(s, MOVING);
    session_leave(s);
    s->ports->move(s->ports->ctx, s, shard);
}

void session_moved(struct session *s, const struct session_ports *ports)
{
    session_arrive(s, ports);
    if (s->state != MOVING) /* it was stopped on the way */
        return;
    session_move_to(s, OPEN);
    s->door->moved(s);
}

bool session_part(struct session *s, enum session_parting how)
{
    if (!s->door->part)
        return false;
    CHECK(how >= s->parting);
    s->parting = (uint8_t)how;
    s->door->part(s);
    return true;
}

void session_stop(struct session *s, const char *reason)
{
    if (s->state == CLOSING)
        return;
    session_move_to(s, CLOSING);
    s->reason = reason;
}

bool session_finished(const struct session *s)
{
    return s->state == CLOSING && s->in_flight == 0 && session_unsent(s) == 0;
}

const char *session_reason(const struct session *s)
{
    return s->reason;
}

uint32_t session_in_flight(const struct session *s)
{
    return s->in_flight;
}

bool session_greeted(const struct session *s)
{
    return s->state == OPEN || s->state == MOVING;
}

const char *session_client(const struct session *s)
{
    return s->client;
}

void session_set_client(struct session *s, struct slice name)
{
    size_t len = name.len;
    if (len >= sizeof s->client) {
        len = sizeof s->client - 1;
        while (len && (name.data[len] & 0xc0) == 0x80)
            len--;
    }
    if (len)
        memcpy(s->client, name.data, len);
    s->client[len] = '\0';
}

void session_news(struct session *s)
{
    if (s->door->news && !s->closed)
        s->door->news(s);
}

void session_close(struct session *s)
{
    if (!s)
        return;
    CHECK(!s->closed);
    if (s->in_flight == 0) {
        session_free(s);
        return;
    }
    session_leave(s);
    s->closed = true;
    s->sent = 0;
    list_push_back(&s->ports->errands->waiting, &s->here);
    if (s->door->release)
        s->door->release(s);
    buf_release(&s->out);
}

void session_free(struct session *s)
{
    if (!s)
        return;
    session_leave(s);
    collectors_free(s);
    if (!s->closed && s->door->release)
        s->door->release(s);
    buf_release(&s->out);
    free(s);
}

void session_check(const struct session *s)
{
    CHECK(s->waiter == WAITER_SESSION && s->state < SESSION_STATES);
    CHECK(s->sent <= s->out.len);
    CHECK(s->closed ? s->in_flight > 0 : true);
    CHECK(s->state == GREETING || s->state == MOVING ? s->in_flight == 0 : true);
    CHECK((s->state == CLOSING) == (s->reason[0] != '\0'));
    buf_check(&s->out);
    collectors_check(s);
    if (s->door->check)
        s->door->check(s);
}
