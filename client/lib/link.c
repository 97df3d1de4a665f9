/* link.c - one connection to a shard: connecting over the targets in turn, TLS, Hello, frames in
 * and out, and again with jittered exponential back-off while there is something to send. States:
 * grid_priv.h.
 *
 * A round tries every address of every endpoint once. The next one after a good connection begins
 * at the same endpoint. */
#include "grid_priv.h"
#include "proto/frame.h"

#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BACKOFF_MS_MIN = 5, BACKOFF_DOUBLINGS = 6, ATTEMPT_MS_MIN = 100, ATTEMPT_MS_MAX = 3000 };
/* Of a node of several: others pass requests on. */
enum { DIAL_MS = 500, QUIET_MS = 300, PATIENCE_MS = 700, PATIENCE_MS_MAX = 8000 };
enum { READ_BYTES = 64 << 10, READS_MAX = 16, UNSENT_BYTES_MAX = 1 << 20, IDLE_MS = 100 };

static const uint8_t legal_moves[LINK_STATES] = {
    [LINK_DOWN] = 1 << LINK_CONNECTING,
    [LINK_CONNECTING] = 1 << LINK_DOWN | 1 << LINK_SECURING | 1 << LINK_GREETING,
    [LINK_SECURING] = 1 << LINK_DOWN | 1 << LINK_GREETING,
    [LINK_GREETING] = 1 << LINK_DOWN | 1 << LINK_OPEN,
    [LINK_OPEN] = 1 << LINK_DOWN,
};

static void move_to(struct link *l, enum link_state to)
{
    if (!(legal_moves[l->state] & 1 << to))
        abort();
    l->state = to;
}

struct link *gc_link_new(struct grid *g, const struct member *member, uint32_t shard)
{
    struct link *l = gc_calloc(1, sizeof *l);
    l->grid = g;
    l->member = member;
    l->shard = shard;
    l->stream.fd = -1;
    l->patience_ms = PATIENCE_MS;
    l->targets = gc_calloc(TARGETS_MAX, sizeof *l->targets);
    list_init(&l->queued);
    list_init(&l->sent);
    list_push_back(&g->links, &l->node);
    return l;
}

/* --- events of the caller's base -------------------------------------------------------------- */

static void on_event(int fd, short what, void *arg)
{
    struct link *l = arg;
    struct grid *g = l->grid;
    (void)fd;
    g->now = gc_now_ms();
    gc_link_ready(l, what & EV_READ, what & EV_WRITE);
    gc_settle(g);
}

/* Watch for what is wanted: always for reading, for writing while something is unsent. */
static void watch(struct link *l)
{
    struct grid *g = l->grid;
    l->wants_write = l->state == LINK_CONNECTING || gc_stream_unsent(&l->stream, &l->out);
    if (!g->base || l->stream.fd < 0)
        return;
    if (!l->readable) {
        l->readable = event_new(g->base, l->stream.fd, EV_READ | EV_PERSIST, on_event, l);
        l->writable = event_new(g->base, l->stream.fd, EV_WRITE | EV_PERSIST, on_event, l);
        event_add(l->readable, NULL);
    }
    if (l->wants_write == l->writable_on)
        return;
    l->writable_on = l->wants_write;
    if (l->wants_write)
        event_add(l->writable, NULL);
    else
        event_del(l->writable);
}

static void disconnect(struct link *l)
{
    if (l->readable) {
        event_free(l->readable);
        event_free(l->writable);
    }
    l->readable = l->writable = NULL;
    l->writable_on = l->wants_write = false;
    gc_stream_close(&l->stream);
    gc_buf_release(&l->in);
    gc_buf_release(&l->out);
    if (l->state != LINK_DOWN)
        move_to(l, LINK_DOWN);
    l->due = 0;
}

void gc_link_free(struct link *l)
{
    disconnect(l);
    list_remove(&l->node);
    free(l->targets);
    free(l);
}

/* --- failing ---------------------------------------------------------------------------------- */

static bool wanted(const struct link *l)
{
    const struct grid *g = l->grid;
    if (l == g->home && (!g->connected || (g->topology.revision && g->unanswered)))
        return true; /* it is where news of the topology come in */
    return l->retry || !list_empty(&l->queued);
}

static uint64_t backoff_ms(struct link *l)
{
    unsigned doublings = l->rounds < BACKOFF_DOUBLINGS ? l->rounds : BACKOFF_DOUBLINGS;
    uint64_t ms = (uint64_t)BACKOFF_MS_MIN << doublings;
    return ms / 2 + gc_dice(l->grid, ms / 2 + 1);
}

/* The attempt, or an open connection, is over: on to the next target, or rest before the next
 * round. */
static void fail(struct link *l, enum grid_err refusal, const char *text)
{
    const struct endpoint *e =
        l->target_at < l->targets_len ? l->targets[l->target_at].endpoint : NULL;
    if (!*l->trying)
        l->refusal = GRID_OK;
    if (e)
        gc_text_add(l->trying, sizeof l->trying,
                    strchr(e->host, ':') ? "%s[%s]:%s: %s" : "%s%s:%s: %s", *l->trying ? "; " : "",
                    e->host, e->port, text);
    else
        gc_text_add(l->trying, sizeof l->trying, "%s", text);
    memcpy(l->why, l->trying, sizeof l->why);
    if (refusal && !l->refusal)
        l->refusal = refusal;
    bool was_open = l->state == LINK_OPEN;
    l->shunned = l->member != NULL;
    l->retry = false;
    l->retry_at = l->grid->now + (was_open ? BACKOFF_MS_MIN : DIAL_MS);
    gc_requests_return(l);
    disconnect(l);
    if (was_open && l->read_bytes) {
        l->target_at = l->targets_len = 0; /* a new round, at the same endpoint first */
        *l->trying = '\0';
    } else if (++l->target_at >= l->targets_len) {
        l->target_at = l->targets_len = 0;
        *l->trying = '\0';
        l->due = l->grid->now + backoff_ms(l);
        l->rounds++;
    }
    if (!l->due && wanted(l))
        l->due = l->grid->now;
    if (!wanted(l))
        l->due = 0;
    if (l->grid->topology.revision)
        gc_requests_reroute(l);
}

void gc_link_break(struct link *l, const char *format, ...)
{
    char text[GRID_WHY_BYTES];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fail(l, GRID_OK, text);
}

/* --- connecting ------------------------------------------------------------------------------- */

static void greet(struct link *l)
{
    const struct grid *g = l->grid;
    struct wire_hello hello = {.shard = l->shard,
                               .client = g->name,
                               .user = g->user,
                               .password = g->password,
                               .grid = g->grid_name,
                               .topology = l == g->home};
    memcpy(hello.session, g->session, sizeof hello.session);
    move_to(l, LINK_GREETING);
    if (!gc_buf_reserve(&l->out, WIRE_HELLO_BYTES_MAX)) {
        fail(l, GRID_OK, "no memory");
        return;
    }
    size_t len = gc_wire_hello(l->out.data + l->out.end, &hello);
    l->out.end += len;
    l->encoded_bytes += len;
    gc_link_flush(l);
}

static void secure(struct link *l)
{
    char why[GRID_WHY_BYTES] = "";
    enum io step = gc_stream_handshake(&l->stream, why);
    if (step == IO_DONE)
        greet(l);
    else if (step == IO_AGAIN)
        watch(l);
    else if (step == IO_FAILED)
        fail(l, GRID_ETLS, why);
    else
        fail(l, GRID_OK, *why ? why : "the server closed the connection during the TLS handshake");
}

static void connected(struct link *l)
{
    char why[GRID_WHY_BYTES] = "";
    struct grid *g = l->grid;
    if (gc_stream_connected(&l->stream, why) != IO_DONE) {
        fail(l, GRID_OK, why);
        return;
    }
    if (!g->tls) {
        greet(l);
        return;
    }
    move_to(l, LINK_SECURING);
    const struct endpoint *e = l->targets[l->target_at].endpoint;
    if (gc_stream_start_tls(&l->stream, g->tls, e->host, why) == IO_DONE)
        secure(l);
    else
        fail(l, GRID_OK, why);
}

static uint64_t attempt_ms(const struct link *l)
{
    uint64_t ms = l->grid->timeout_ms / (l->targets_len + 1);
    if (l->grid->topology.revision && ms > DIAL_MS)
        return DIAL_MS;
    if (ms < ATTEMPT_MS_MIN)
        return ATTEMPT_MS_MIN;
    return ms < ATTEMPT_MS_MAX ? ms : ATTEMPT_MS_MAX;
}

/* The node that was heard last. */
static const struct member *sound_member(const struct grid *g)
{
    const struct link *best = NULL;
    list_for_each (it, &g->links) {
        const struct link *l = list_entry(it, struct link, node);
        const struct member *m = l->member;
        if (m && m->up && !m->astray && gc_link_sound(l) && (!best || l->last_ms > best->last_ms))
            best = l;
    }
    return best ? best->member : NULL;
}

/* The node it is to; else one that answers, those of the caller, and those that the grid told
 * of. */
static size_t targets_find(struct link *l, char why[GRID_WHY_BYTES])
{
    const struct grid *g = l->grid;
    if (l->member)
        return gc_targets_find(&l->member->endpoint, 1, 0, l->targets, 0, why);
    const struct member *sound = sound_member(g);
    size_t n = sound ? gc_targets_find(&sound->endpoint, 1, 0, l->targets, 0, why) : 0;
    n = gc_targets_find(g->endpoints, g->endpoints_len, g->preferred, l->targets, n, why);
    for (size_t i = 0; i < g->topology.members_len; i++)
        if (g->topology.members[i]->up && g->topology.members[i]->shards)
            n = gc_targets_find(&g->topology.members[i]->endpoint, 1, 0, l->targets, n, why);
    return n;
}

static void start(struct link *l)
{
    char why[GRID_WHY_BYTES] = "";
    struct grid *g = l->grid;
    move_to(l, LINK_CONNECTING);
    l->sent_bytes = l->encoded_bytes = l->read_bytes = 0;
    l->pinged_ms = 0;
    l->retry = false;
    if (l->target_at >= l->targets_len) {
        l->target_at = 0;
        l->targets_len = targets_find(l, why);
        if (!l->targets_len) {
            fail(l, GRID_OK, why);
            return;
        }
    }
    l->due = g->now + attempt_ms(l);
    switch (gc_stream_connect(&l->stream, &l->targets[l->target_at], why)) {
    case IO_DONE:
        connected(l);
        break;
    case IO_AGAIN:
        watch(l);
        break;
    default:
        fail(l, GRID_OK, why);
    }
}

void gc_link_want(struct link *l)
{
    if (l->state == LINK_DOWN && !l->due) {
        l->due = l->grid->now;
        gc_wake(l->grid);
    }
}

void gc_link_retry(struct link *l)
{
    if (l->state != LINK_DOWN || l->due || l->retry_at > l->grid->now)
        return;
    l->retry = true;
    gc_link_want(l);
}

/* --- frames ----------------------------------------------------------------------------------- */

static void refused(struct link *l, enum grid_err status, struct grid_bytes detail)
{
    char text[GRID_WHY_BYTES];
    const char *name = grid_err_text(status);
    bool for_good = status == GRID_EPROTOCOL || status == GRID_EAUTH || status == GRID_EDENIED ||
                    status == GRID_EBAD_REQUEST;
    snprintf(text, sizeof text, "%s%s%.*s", name, detail.len ? ": " : "",
             (int)(detail.len < 160 ? detail.len : 160),
             detail.len ? (const char *)detail.data : "");
    fail(l, for_good ? status : GRID_OK, text);
}

static void hello_reply(struct link *l, struct grid_bytes body)
{
    struct wire_hello_reply reply;
    struct grid *g = l->grid;
    if (!gc_wire_hello_reply(body, &reply)) {
        fail(l, GRID_OK, "the answer to Hello is malformed; is it a gridd?");
        return;
    }
    if (reply.status) {
        refused(l, (enum grid_err)reply.status, reply.detail);
        return;
    }
    if (reply.version != PROTOCOL_VERSION) {
        static const char text[] = "the server chose a version that was not offered";
        refused(l, GRID_EPROTOCOL, (struct grid_bytes){text, sizeof text - 1});
        return;
    }
    move_to(l, LINK_OPEN);
    l->due = 0;
    l->shunned = false;
    l->refusal = GRID_OK;
    *l->trying = *l->why = '\0';
    for (size_t i = 0; i < g->endpoints_len; i++)
        if (l->targets[l->target_at].endpoint == &g->endpoints[i])
            g->preferred = i;
    l->read_bytes = 0; /* fail(): nothing but the greeting came */
    gc_learn(g, l, &reply);
    gc_wake(g);
}

static const char *not_a_frame(const struct link *l, enum frame_status status)
{
    const uint8_t *at = l->in.data + l->in.start;
    if (l->state == LINK_GREETING && at[0] == 0x15 && at[1] == 3) /* a TLS alert */
        return "the server wants TLS";
    if (status == FRAME_EMPTY)
        return "the server sent an empty frame";
    return l->state == LINK_GREETING ? "the answer to Hello is too large; is it a gridd?"
                                     : "the server sent a frame larger than any may be";
}

/* Take whole frames from l->in. Afterwards the link may be down. */
static void take_frames(struct link *l)
{
    while (l->state >= LINK_GREETING && buf_len(&l->in)) {
        bool greeting = l->state == LINK_GREETING;
        const uint8_t *at = l->in.data + l->in.start;
        size_t limit = greeting ? FRAME_BYTES_HELLO : FRAME_BYTES_MAX, body_len;
        enum frame_status status = frame_peek(at, buf_len(&l->in), limit, &body_len);
        if (status == FRAME_MORE)
            return;
        if (status != FRAME_WHOLE) {
            fail(l, GRID_OK, not_a_frame(l, status));
            return;
        }
        struct grid_bytes body = {at + FRAME_HEADER_BYTES, body_len};
        struct wire_response response;
        if (greeting) {
            hello_reply(l, body);
            if (l->state != LINK_OPEN)
                return;
        } else if (likely(gc_wire_response(body, &response))) {
            l->rounds = 0; /* it is a good connection */
            l->patience_ms = PATIENCE_MS;
            gc_requests_answer(l->grid, l, &response);
        } else {
            fail(l, GRID_OK, "the server sent a malformed message");
            return;
        }
        gc_buf_consume(&l->in, FRAME_HEADER_BYTES + body_len);
    }
}

/* Room for the rest of the frame that has begun, taken as it comes: never more than twice what
 * came. */
static bool make_room(struct link *l)
{
    size_t body_len = 0, have = buf_len(&l->in), need = READ_BYTES;
    if (have)
        frame_peek(l->in.data + l->in.start, have, FRAME_BYTES_MAX, &body_len);
    if (FRAME_HEADER_BYTES + body_len > have + need)
        need = FRAME_HEADER_BYTES + body_len - have;
    if (need > READ_BYTES && need > have)
        need = have > READ_BYTES ? have : READ_BYTES;
    return gc_buf_reserve(&l->in, need);
}

static void read_some(struct link *l)
{
    /* What TLS holds back no poll tells of: read until there is none. */
    for (unsigned i = 0; (i < READS_MAX || l->stream.tls) && l->state >= LINK_GREETING; i++) {
        char why[GRID_WHY_BYTES] = "";
        size_t n = 0;
        if (!make_room(l)) {
            fail(l, GRID_OK, "no memory for what the server sends");
            return;
        }
        size_t room = l->in.cap - l->in.end;
        enum io step = gc_stream_read(&l->stream, l->in.data + l->in.end, room, &n, why);
        if (step == IO_AGAIN)
            return;
        if (step != IO_DONE) {
            bool tls = l->stream.tls && step == IO_FAILED;
            bool shy = l->state == LINK_GREETING && !l->stream.tls;
            if (!*why)
                gc_text_add(why, sizeof why, "the server closed the connection");
            if (shy)
                gc_text_add(why, sizeof why, " before it answered; does it want TLS?");
            fail(l, tls ? GRID_ETLS : GRID_OK, why);
            return;
        }
        l->in.end += n;
        l->read_bytes += n;
        l->last_ms = l->grid->now;
        take_frames(l);
        if (!l->stream.tls && n < room)
            return;
    }
}

/* --- silence ---------------------------------------------------------------------------------- */

/* Where there are other nodes, one that is silent is noticed before the deadlines of requests:
 *
 *   something is unanswered, QUIET_MS without a byte --> PING --patience_ms without one--> broken
 *
 * A node that only is slow to do what it was asked answers the PING. Of `home` that is asked while
 * anything is unanswered anywhere, for it would not tell where that belongs now. */

static bool among_nodes(const struct grid *g)
{
    return g->topology.revision && g->topology.members_len > 1;
}

static bool pinged(const struct link *l)
{
    return l->pinged_ms > l->last_ms;
}

bool gc_link_sound(const struct link *l)
{
    return l->state == LINK_OPEN && !pinged(l);
}

/* Until it is over, its silence means something. */
static bool watched(const struct link *l)
{
    const struct grid *g = l->grid;
    return pinged(l) || !list_empty(&l->sent) || (l == g->home && g->unanswered);
}

static void watch_silence(struct link *l)
{
    if (l->state != LINK_OPEN || l->due)
        return;
    l->asked_ms = l->grid->now;
    l->due = l->asked_ms + QUIET_MS;
}

/* No request of the caller: it has a number, and nobody waits for the answer. */
static void ping(struct link *l)
{
    struct grid *g = l->grid;
    struct wire_head head = {.number = ++g->number, .op = GRID__OP__PING};
    if (l->state != LINK_OPEN || pinged(l) || !gc_buf_reserve(&l->out, WIRE_HEAD_BYTES_MAX))
        return;
    size_t len = gc_wire_head(l->out.data + l->out.end, &head, 0);
    l->out.end += len;
    l->encoded_bytes += len;
    l->pinged_ms = g->now;
    l->due = g->now + l->patience_ms;
    gc_link_flush(l);
}

/* All connections to its node: the others may be as dead, and be used next. */
static void ping_node(struct link *l)
{
    for (uint32_t i = 0; l->member && i < l->member->room; i++)
        if (l->member->by_shard[i])
            ping(l->member->by_shard[i]);
    ping(l);
}

static void silent(struct link *l)
{
    struct grid *g = l->grid;
    if (!l->member && g->endpoints_len)
        g->preferred = (g->preferred + 1) % g->endpoints_len;
    /* Should it live, and only not read what is behind many requests, that needs more time. */
    l->patience_ms = l->patience_ms < PATIENCE_MS_MAX / 2 ? l->patience_ms * 2 : PATIENCE_MS_MAX;
    fail(l, GRID_OK, "no answer in time");
    l->retry_at = g->now + DIAL_MS;
}

static void look_whether_silent(struct link *l)
{
    struct grid *g = l->grid;
    uint64_t since = l->last_ms > l->asked_ms ? l->last_ms : l->asked_ms;
    if (!among_nodes(g) || !watched(l))
        return;
    if (l == g->home && g->topology.astray && g->now >= g->roam_at) {
        gc_roam(g);
        return;
    }
    gc_requests_recall(l);
    if (!pinged(l)) {
        l->due = since + QUIET_MS;
        if (l->due <= g->now)
            ping_node(l);
        return;
    }
    l->due = l->pinged_ms + l->patience_ms;
    if (l->due > g->now)
        return;
    read_some(l); /* what came while the caller did something else */
    if (l->state != LINK_OPEN)
        return;
    l->due = l->last_ms + QUIET_MS;
    if (pinged(l))
        silent(l);
}

void gc_link_tick(struct link *l)
{
    if (!l->due || l->due > l->grid->now)
        return;
    l->due = 0;
    if (l->state == LINK_OPEN) {
        look_whether_silent(l);
        return;
    }
    if (l->state != LINK_DOWN)
        fail(l, GRID_OK, "no answer in time");
    else if (wanted(l))
        start(l);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* A connection that was idle may have been closed meanwhile: hear it before something is sent in
 * vain. */
static void look_whether_open(struct link *l)
{
    if (list_empty(&l->sent) && l->grid->now - l->last_ms > IDLE_MS && !list_empty(&l->queued))
        read_some(l);
}

void gc_link_flush(struct link *l)
{
    char why[GRID_WHY_BYTES] = "";
    if (l->state == LINK_OPEN)
        look_whether_open(l);
    while (l->state >= LINK_GREETING) {
        bool waiting = !list_empty(&l->sent);
        while (l->state == LINK_OPEN && buf_len(&l->out) < UNSENT_BYTES_MAX &&
               gc_requests_encode(l))
            ;
        if (!waiting && !list_empty(&l->sent)) {
            l->asked_ms = l->grid->now;
            if (among_nodes(l->grid)) {
                watch_silence(l);
                watch_silence(l->grid->home);
            }
        }
        if (!gc_stream_unsent(&l->stream, &l->out))
            break;
        enum io step = gc_stream_write(&l->stream, &l->out, why);
        l->sent_bytes = l->encoded_bytes - buf_len(&l->out);
        if (step == IO_AGAIN)
            break;
        if (step != IO_DONE) {
            /* What it said before it went, perhaps why, is still to be read. */
            read_some(l);
            if (l->state != LINK_DOWN)
                fail(l, GRID_OK, *why ? why : "the connection broke");
            return;
        }
    }
    watch(l);
}

void gc_link_ready(struct link *l, bool readable, bool writable)
{
    if (l->state == LINK_CONNECTING) {
        connected(l);
        return;
    }
    if (l->state == LINK_SECURING) {
        secure(l);
        return;
    }
    if (readable && l->state >= LINK_GREETING)
        read_some(l);
    if (writable && l->state >= LINK_GREETING)
        gc_link_flush(l);
}
