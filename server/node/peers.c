/* peers.c - a link from its connection to its end, and what its owner does with it.
 *
 * A link is up from link_up() to link_down(), each told once. Whoever ends it (the owner, the other
 * side, silence) makes it `closing`: nothing is given or taken any more; down is told when its
 * connection is closed at the end of the turn, or just before another link takes its place. */
#include "node/peers_priv.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { WINDOW_URGENT = 4 << 20, WINDOW_RECORDS = 16 << 20, WINDOW_BULK = 512 << 10 };
enum { PING_MS = 250, SILENT_MS = 1000, DIAL_MS = 3000, LINGER_MS = 500, TICK_MS = 100 };
enum { CONNECT_MS = 300 }; /* the system itself would ask again after 1 s */

bool peers_news(struct peers *p, const char *text)
{
    msec_t now = loop_mono_ms(p->conf.loop);
    uint64_t h = hash_key(slice_str(text), 1);
    for (unsigned i = 0; i < PEERS_SAID; i++)
        if (p->said[i].hash == h && p->said[i].at && now - p->said[i].at < PEERS_REPEAT_MS)
            return false;
    p->said[p->said_at].hash = h;
    p->said[p->said_at].at = now;
    p->said_at = (p->said_at + 1) % PEERS_SAID;
    return true;
}

/* --- the end of a link ------------------------------------------------------------------------ */

static void link_closing(struct peers_link *k, const char *why)
{
    if (k->closing)
        return;
    k->closing = true;
    snprintf(k->why_text, sizeof k->why_text, "%s", why);
}

void link_end(struct peers_link *k, const char *why)
{
    link_closing(k, why);
    if (!k->moving)
        conn_close(k->conn);
}

void link_finish(struct peers_link *k, const char *why)
{
    peer_output(k->peer, conn_output(k->conn), conn_unsent(k->conn),
                loop_mono_ms(k->peers->conf.loop));
    link_closing(k, why);
    conn_finish(k->conn);
}

static void log_link(const struct peers_link *k, const char *what, const char *why)
{
    const struct peer_hello *o = peer_other(k->peer);
    char address[NET_ADDR_BYTES];
    net_addr_text(conn_peer(k->conn), address);
    if (k->peers->conf.kind == PEER_CONTROL)
        log_info("peers", "link to node %s (%s) is %s%s%s", o->node, address, what,
                 *why ? ": " : "", why);
    else
        log_debug("peers", "link to shard %u of node %s (%s) is %s%s%s", k->shard, o->node, address,
                  what, *why ? ": " : "", why);
}

void link_down(struct peers_link *k, const char *why)
{
    struct peers *p = k->peers;
    if (!k->up)
        return;
    link_closing(k, why);
    k->up = false;
    p->stats.links--;
    p->stats.downs++;
    if (!p->stopped)
        log_link(k, "down", k->why_text);
    p->conf.ports.down(p->conf.ports.ctx, k, k->why_text);
    struct way *w = way_find(p, peer_other(k->peer)->node_id, k->shard);
    if (w && !w->dialling)
        way_failed(p, w, k->why_text, true);
}

void link_up(struct peers_link *k)
{
    struct peers *p = k->peers;
    k->up = true;
    p->stats.links++;
    p->stats.ups++;
    conn_greeted(k->conn);
    log_link(k, "up", "");
    p->conf.ports.up(p->conf.ports.ctx, k);
}

static void link_free(struct peers_link *k)
{
    list_remove(&k->all);
    list_remove(&k->dirty);
    peer_free(k->peer);
    buf_release(&k->trash);
    free(k);
}

/* --- its connection --------------------------------------------------------------------------- */

struct peers_link *link_new(struct peers *p, struct way *way)
{
    struct peers_link *k = xcalloc(1, sizeof *k);
    struct peer_hello self = p->conf.self;
    if (way) {
        self.from_shard = p->conf.kind == PEER_DATA ? p->conf.shard : 0;
        self.to_shard = way->shard;
    }
    k->peers = p;
    k->way = way;
    k->dialled = way != NULL;
    k->shard = way ? way->shard : 0;
    k->since = loop_mono_ms(p->conf.loop);
    k->peer = peer_new(k->dialled, &self, k->since);
    list_init(&k->dirty);
    list_push_back(&p->links, &k->all);
    return k;
}

void link_dirty(struct peers_link *k)
{
    if (list_empty(&k->dirty))
        list_push_back(&k->peers->dirty, &k->dirty);
}

static void on_open(void *ctx, struct conn *c)
{
    struct peers_link *k = ctx;
    k->opened = true;
    conn_expect(c);
    link_dirty(k);
}

static void take(struct peers_link *k, const struct peer_event *e)
{
    struct peers *p = k->peers;
    switch (e->kind) {
    case PEER_NOTHING:
        break;
    case PEER_ASKED:
        arrive_asked(k);
        break;
    case PEER_UP:
        arrive_welcome(k);
        break;
    case PEER_MESSAGE:
        p->stats.messages_in++;
        p->stats.bytes_in += e->body.len;
        if (!p->conf.manual)
            peer_consumed(k->peer, e->class, e->body.len);
        p->conf.ports.message(p->conf.ports.ctx, k, e->class, e->body);
        break;
    case PEER_REFUSED:
    case PEER_BROKEN:
        arrive_refused(k, e);
        break;
    }
}

static size_t on_input(void *ctx, struct conn *c, const uint8_t *data, size_t len)
{
    struct peers_link *k = ctx;
    size_t at = 0;
    while (!k->closing && !k->moving) {
        struct peer_event e;
        at += peer_input(k->peer, data + at, len - at, loop_mono_ms(conn_loop(c)), &e);
        if (e.kind == PEER_NOTHING)
            break;
        take(k, &e);
    }
    if (!k->closing && !k->moving)
        link_dirty(k);
    return k->closing ? len : at;
}

static void on_room(void *ctx, struct conn *c)
{
    (void)c;
    struct peers_link *k = ctx;
    struct peers *p = k->peers;
    link_dirty(k);
    if (!k->up || k->closing || !k->wants_room ||
        peer_queued(k->peer, PEER_BULK) > PEERS_BULK_AHEAD / 2)
        return;
    k->wants_room = false;
    if (p->conf.ports.room)
        p->conf.ports.room(p->conf.ports.ctx, k);
}

static void on_detached(void *ctx, struct conn *c)
{
    (void)c;
    arrive_detached(ctx);
}

static void on_closed(void *ctx, struct conn *c, enum conn_end end, const char *text)
{
    struct peers_link *k = ctx;
    struct peers *p = k->peers;
    const char *why = k->closing ? k->why_text : text;
    struct way *w = k->way;
    if (w && w->dialling == k) { /* it never was up */
        w->dialling = NULL;
        way_failed(p, w, why, k->closing);
    } else if (!k->up && !k->closing && end == CONN_ENDED_HANDSHAKE) {
        char line[NET_WHY_BYTES + NET_ADDR_BYTES], from[NET_ADDR_BYTES];
        snprintf(line, sizeof line, "a connection from %s is refused: %s",
                 net_addr_text(conn_peer(c), from), why);
        if (peers_news(p, why))
            log_warn("peers", "%s", line);
    }
    k->lost = !k->closing;
    link_down(k, why);
    link_free(k);
}

const struct conn_handler peers_handler = {
    .open = on_open,
    .input = on_input,
    .room = on_room,
    .detached = on_detached,
    .closed = on_closed,
};

/* --- giving ----------------------------------------------------------------------------------- */

struct buf *peers_begin(struct peers_link *k, enum peer_class class)
{
    if (k->closing || !k->up)
        return &k->trash;
    return peer_begin(k->peer, class);
}

static size_t link_queued(const struct peers_link *k)
{
    size_t n = 0;
    for (unsigned i = 0; i < PEER_CLASSES; i++)
        n += peer_queued(k->peer, (enum peer_class)i);
    return n;
}

void peers_end(struct peers_link *k)
{
    struct peers *p = k->peers;
    if (k->closing || !k->up) {
        k->trash.len = 0;
        return;
    }
    size_t len = peer_end(k->peer);
    p->stats.messages_out += len > 0;
    p->stats.bytes_out += len;
    link_dirty(k);
    if (unlikely(link_queued(k) > PEERS_QUEUE_MAX))
        link_end(k, "it takes less than is to be sent to it");
}

void peers_send(struct peers_link *k, enum peer_class class, struct slice body)
{
    buf_add(peers_begin(k, class), body.data, body.len);
    peers_end(k);
}

bool peers_room(struct peers_link *k)
{
    if (k->closing || !k->up)
        return true;
    bool room = peer_queued(k->peer, PEER_BULK) < PEERS_BULK_AHEAD;
    k->wants_room = !room;
    return room;
}

void peers_consumed(struct peers_link *k, enum peer_class class, size_t bytes)
{
    if (k->closing || !k->up)
        return;
    peer_consumed(k->peer, class, bytes);
    link_dirty(k);
}

static void link_flush(struct peers_link *k)
{
    struct conn *c = k->conn;
    if (k->closing || k->moving || !conn_alive(c))
        return;
    peer_output(k->peer, conn_output(c), conn_unsent(c), loop_mono_ms(conn_loop(c)));
    bool less = k->wants_room && peer_queued(k->peer, PEER_BULK) <= PEERS_BULK_AHEAD / 2;
    if (less || peer_waits(k->peer))
        conn_want_room(c);
}

void peers_turn_end(struct peers *p)
{
    for (struct list *it; (it = list_pop_front(&p->dirty));)
        link_flush(list_entry(it, struct peers_link, dirty));
}

/* --- time ------------------------------------------------------------------------------------- */

/* A link that is silent was cut, and what was sent meanwhile waits for the system to try again, for
 * as long as the cut was: a new one works at once. After a sleep of this thread's own what came is
 * still to be read. */
static void look_alive(struct peers *p, msec_t now)
{
    bool slept = now - p->pinged_at >= p->conf.silent_ms / 2;
    list_for_each (it, &p->links) {
        struct peers_link *k = list_entry(it, struct peers_link, all);
        if (!k->up || k->closing)
            continue;
        if (!slept && now > peer_heard(k->peer) && now - peer_heard(k->peer) >= p->conf.silent_ms) {
            link_end(k, "nothing was heard of it for too long");
        } else {
            peer_tick(k->peer, now, p->conf.ping_ms);
            link_dirty(k);
        }
    }
    p->pinged_at = now;
}

static void on_timer(void *ctx)
{
    struct peers *p = ctx;
    msec_t now = loop_mono_ms(p->conf.loop);
    if (p->stopped)
        return;
    loop_timer_set(&p->timer, TICK_MS);
    if (now - p->pinged_at >= TICK_MS)
        look_alive(p, now);
    ways_dial(p);
}

void peers_arm(struct peers *p, msec_t ms)
{
    msec_t at = loop_mono_ms(p->conf.loop) + ms;
    if (!p->stopped && (!loop_timer_active(&p->timer) || p->timer.node.key > at))
        loop_timer_set(&p->timer, ms);
}

/* --- life ------------------------------------------------------------------------------------- */

struct peers *peers_new(const struct peers_conf *conf)
{
    static const uint32_t WINDOWS[PEER_CLASSES] = {WINDOW_URGENT, WINDOW_RECORDS, WINDOW_BULK};
    struct peers *p = xcalloc(1, sizeof *p);
    p->conf = *conf;
    p->conf.ping_ms = conf->ping_ms ? conf->ping_ms : PING_MS;
    p->conf.silent_ms = conf->silent_ms ? conf->silent_ms : SILENT_MS;
    p->conf.dial_ms = conf->dial_ms ? conf->dial_ms : DIAL_MS;
    p->conf.self.kind = conf->kind;
    if (!p->conf.self.window[0])
        memcpy(p->conf.self.window, WINDOWS, sizeof WINDOWS);
    p->in = (struct conn_conf){
        .tls = conf->tls,
        .quota = conf->quota,
        .handshake_ms = p->conf.dial_ms,
        .linger_ms = LINGER_MS,
        .input_max = PEER_FRAME_BYTES_MAX + (1 << 20),
        .output_high = SIZE_MAX / 2, /* credit bounds it, and it must go on reading */
        .output_low = PEER_BULK_AHEAD / 2,
        .lost_ms = 3 * p->conf.silent_ms,
    };
    p->out = p->in;
    p->out.quota = NULL;
    p->out_soon = p->out;
    p->out_soon.connect_ms = CONNECT_MS;
    list_init(&p->ways);
    list_init(&p->links);
    list_init(&p->dirty);
    p->pinged_at = loop_mono_ms(conf->loop);
    loop_timer_init(&p->timer, conf->loop, on_timer, p);
    loop_timer_set(&p->timer, TICK_MS);
    return p;
}

void peers_stop(struct peers *p)
{
    p->stopped = true;
    loop_timer_stop(&p->timer);
    list_for_each (it, &p->links)
        link_end(list_entry(it, struct peers_link, all), "this node stops");
}

void peers_free(struct peers *p)
{
    if (!p)
        return;
    CHECK(list_empty(&p->links));
    ways_free(p);
    buf_release(&p->nodes);
    free(p);
}

void peers_set_grid_id(struct peers *p, const uint8_t id[PEER_ID_BYTES])
{
    memcpy(p->conf.self.grid_id, id, PEER_ID_BYTES);
}

void peers_set_shards(struct peers *p, struct peers *const *shards, uint32_t len)
{
    p->shards = shards;
    p->shards_len = len;
}

/* --- to look at ------------------------------------------------------------------------------- */

static struct peers_link *find(struct peers *p, const uint8_t id[PEER_ID_BYTES], uint32_t shard,
                               bool any)
{
    list_for_each (it, &p->links) {
        struct peers_link *k = list_entry(it, struct peers_link, all);
        if (k->up && !k->closing && (any || k->shard == shard) &&
            peers_same(peer_other(k->peer)->node_id, id))
            return k;
    }
    return NULL;
}

struct peers_link *peers_find(struct peers *p, const uint8_t id[PEER_ID_BYTES], uint32_t shard)
{
    return find(p, id, shard, false);
}

struct peers_link *peers_find_any(struct peers *p, const uint8_t id[PEER_ID_BYTES])
{
    return find(p, id, 0, true);
}

void peers_each(struct peers *p, void (*each)(void *ctx, struct peers_link *k), void *ctx)
{
    list_for_each_safe (it, &p->links) {
        struct peers_link *k = list_entry(it, struct peers_link, all);
        if (k->up && !k->closing)
            each(ctx, k);
    }
}

const struct peer_hello *peers_link_other(const struct peers_link *k)
{
    return peer_other(k->peer);
}

bool peers_link_dialled(const struct peers_link *k)
{
    return k->dialled;
}

bool peers_link_lost(const struct peers_link *k)
{
    return k->lost;
}

void peers_link_set_owner(struct peers_link *k, void *owner)
{
    k->owner = owner;
}

void *peers_link_owner(const struct peers_link *k)
{
    return k->owner;
}

void peers_link_close(struct peers_link *k, const char *why)
{
    if (!k->closing)
        link_end(k, why);
}

void peers_stats(const struct peers *p, struct peers_stats *ret_stats)
{
    *ret_stats = p->stats;
    list_for_each (it, &p->links)
        ret_stats->queued += link_queued(list_entry(it, struct peers_link, all));
}

void peers_check(const struct peers *p)
{
    uint32_t up = 0;
    list_for_each (it, &p->links) {
        const struct peers_link *k = list_entry(it, struct peers_link, all);
        peer_check(k->peer);
        up += k->up;
        list_for_each (other, &p->links) {
            const struct peers_link *o = list_entry(other, struct peers_link, all);
            CHECK(o == k || !o->up || !k->up || o->shard != k->shard ||
                  !peers_same(peer_other(o->peer)->node_id, peer_other(k->peer)->node_id));
        }
    }
    CHECK(up == p->stats.links && p->stats.ups - p->stats.downs == up);
}
