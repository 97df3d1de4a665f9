/* peers_arrive.c - who comes in, and which of two links of a pair stays.
 *
 * Between two nodes that lose sight of each other and dial at the same time, both sides must keep
 * the same one of two connections. The rule: the one that the node with the smaller id dialled;
 * but the newer one, when the same side dialled both (it would not dial again if its first one were
 * alive), or when the other node has started anew: a start never gives way to an earlier one. */
#include "node/peers_priv.h"

#include "base/alloc.h"
#include "base/log.h"
#include "net/listener.h"

#include <stdio.h>
#include <stdlib.h>

enum { DIALLING_MS = 1000 }; /* so long a dial of our own comes before one of the other's */

/* --- brought to the thread of its shard ------------------------------------------------------- */

struct arrival {
    struct note note;
    struct peers_link *link;
    struct peers *to;
};

static void decide(struct peers_link *k);

static void arrival_run(struct note *n, void *thread)
{
    (void)thread;
    struct arrival *a = container_of(n, struct arrival, note);
    struct peers_link *k = a->link;
    k->peers = a->to;
    free(a);
    k->moving = false;
    list_push_back(&k->peers->links, &k->all);
    conn_attach(k->conn, k->peers->conf.loop);
    conn_expect(k->conn);
    decide(k);
}

void arrive_detached(struct peers_link *k)
{
    struct arrival *a = xalloc(sizeof *a);
    *a = (struct arrival){{.run = arrival_run}, k, k->peers->shards[peer_other(k->peer)->to_shard]};
    list_remove(&k->all);
    list_remove(&k->dirty);
    loop_post(a->to->conf.loop, &a->note.mail);
}

/* --- accepted --------------------------------------------------------------------------------- */

static void refuse(struct peers_link *k, enum grid_err status, const char *why)
{
    peer_refuse(k->peer, status, why);
    k->peers->stats.refused++;
    link_finish(k, why);
}

static void turn_away(struct peers_link *k, enum grid_err status, const char *why)
{
    if (k->dialled)
        link_end(k, why);
    else
        refuse(k, status, why);
}

static bool goes_as_twin(struct peers_link *k, const struct peers_link *was)
{
    enum grid_err status;
    char why[PEER_WHY_BYTES];
    if (!twin_refused(k, was, &status, why))
        return false;
    turn_away(k, status, why);
    return true;
}

/* Whether the new link `k`, not up yet, takes the place of `was`. */
static bool replaces(const struct peers_link *k, const struct peers_link *was)
{
    const struct peer_hello *o = peer_other(k->peer), *before = peer_other(was->peer);
    if (o->start && o->start < before->start)
        return false; /* said before the node started anew, and late */
    if (!peers_same(o->boot_id, before->boot_id) || k->dialled == was->dialled)
        return true;
    return k->dialled == peers_first(k->peers, o->node_id);
}

/* `was`, if it is there, stays, and `k` ends. */
static bool gives_in(struct peers_link *k, const struct peers_link *was)
{
    if (!was || was->closing)
        return false;
    if (twins(k, was))
        return goes_as_twin(k, was);
    if (replaces(k, was))
        return false;
    turn_away(k, GRID_EBUSY, "there is such a link already");
    return true;
}

/* One that is up or was not told down yet. */
static struct peers_link *standing(const struct peers_link *k)
{
    list_for_each (it, &k->peers->links) {
        struct peers_link *was = list_entry(it, struct peers_link, all);
        if (was != k && was->up && was->shard == k->shard &&
            peers_same(peer_other(was->peer)->node_id, peer_other(k->peer)->node_id))
            return was;
    }
    return NULL;
}

static void give_way(struct peers_link *was)
{
    link_down(was, "another link took its place");
    link_end(was, "another link took its place");
}

/* An own dial to the same, which comes first. */
static bool dials_first(struct peers_link *k, const struct way *w)
{
    struct peers *p = k->peers;
    return w && w->dialling && !w->dialling->closing &&
           peers_first(p, peer_other(k->peer)->node_id) &&
           loop_mono_ms(p->conf.loop) - w->dialling->since < DIALLING_MS && w->dialling->opened;
}

static void decide(struct peers_link *k)
{
    struct peers *p = k->peers;
    const struct peer_hello *o = peer_other(k->peer);
    k->shard = o->from_shard;
    struct peers_link *was = standing(k);
    struct way *w = way_find(p, o->node_id, k->shard);
    if (p->stopped) {
        refuse(k, GRID_ESTOPPING, "this node stops");
        return;
    }
    if (gives_in(k, was))
        return;
    if (!was && dials_first(k, w)) {
        refuse(k, GRID_EBUSY, "there is such a link already");
        return;
    }
    if (was)
        give_way(was);
    if (w && w->dialling && !w->dialling->closing)
        link_end(w->dialling, "the other side dialled first");
    if (w)
        way_succeeded(w);
    peer_admit(k->peer);
    link_dirty(k);
    link_up(k);
}

void arrive_asked(struct peers_link *k)
{
    struct peers *p = k->peers;
    const struct peer_hello *o = peer_other(k->peer);
    if (p->conf.kind == PEER_CONTROL && o->kind == PEER_DATA) {
        if (o->to_shard >= p->shards_len || p->stopped) {
            refuse(k, GRID_EBUSY, "its shards do not run yet");
            return;
        }
        struct peers_link *was = peers_find(p, o->node_id, 0);
        if (was && twins(k, was) && goes_as_twin(k, was))
            return;
        k->moving = true;
        conn_detach(k->conn);
        return;
    }
    decide(k);
}

void peers_accept(struct peers *p, int fd, const struct net_addr *from)
{
    if (p->stopped) {
        listener_refuse(p->conf.quota, fd);
        return;
    }
    struct peers_link *k = link_new(p, NULL);
    if (conn_new(p->conf.loop, fd, from, &p->in, &peers_handler, k, &k->conn)) {
        log_warn("peers", "no memory for a connection");
        list_remove(&k->all);
        peer_free(k->peer);
        free(k);
        return;
    }
    conn_expect(k->conn);
}

/* --- dialled ---------------------------------------------------------------------------------- */

void arrive_welcome(struct peers_link *k)
{
    struct peers *p = k->peers;
    const struct peer_hello *o = peer_other(k->peer);
    struct way *w = k->way;
    char line[PEER_WHY_BYTES + PEER_ADDRESS_BYTES];
    if (w && w->has_id && !peers_same(w->id, o->node_id)) {
        snprintf(line, sizeof line, "at %s node %s answers, which is another one", w->address,
                 o->node);
        if (peers_news(p, line))
            log_warn("peers", "%s", line);
        link_end(k, line);
        return;
    }
    if (w) {
        memcpy(w->id, o->node_id, PEER_ID_BYTES);
        w->met = true;
        w->dialling = NULL;
        way_succeeded(w);
    }
    k->way = NULL;
    struct peers_link *was = standing(k);
    if (gives_in(k, was))
        return;
    if (was)
        give_way(was);
    link_up(k);
}

/* --- refused ---------------------------------------------------------------------------------- */

static const char *advice(enum grid_err status)
{
    switch ((int)status) {
    case GRID_ECONDITION:
        return "; if both are to be of one grid: the same grid { name } in gridd.conf, and one of "
               "them with a new data directory; else take it out of peers";
    case GRID_EPROTOCOL:
        return "; run versions of gridd that understand each other";
    default:
        return "";
    }
}

void arrive_refused(struct peers_link *k, const struct peer_event *e)
{
    struct peers *p = k->peers;
    char from[NET_ADDR_BYTES], why[PEER_WHY_BYTES];
    snprintf(why, sizeof why, "%s", e->why);
    net_addr_text(conn_peer(k->conn), from);
    if (k->way && e->who && !k->way->has_id) { /* there may be a link that it dialled */
        memcpy(k->way->id, e->who, PEER_ID_BYTES);
        k->way->met = true;
    }
    if (k->way && e->status == GRID_EEXISTS)
        k->way->self = true;
    else if (e->status != GRID_EBUSY && e->status != GRID_ESTOPPING && e->status != GRID_EEXISTS &&
             peers_news(p, why))
        log_warn("peers", "no link with %s: %s%s", from, why, advice(e->status));
    p->stats.refused++;
    if (e->kind == PEER_BROKEN)
        link_finish(k, why);
    else
        link_end(k, why);
}
