/* peers_twin.c - two processes with one node id, as when a machine was copied: one of them is let
 * in, and both addresses are told.
 *
 * A node that has started anew is none: what it was is not heard any more, or listened at the same
 * address. Where both are heard, the one stays that is where the grid says that the node is, else
 * the one that came first. It is told when it goes on, for a link that ends and the next that is
 * made may be seen in either order. */
#include "node/peers_priv.h"

#include "base/log.h"

#include <stdio.h>

enum { TWIN_SHOWN_MS = 5000 }; /* after it was last seen */

static msec_t now_of(const struct peers *p)
{
    return loop_mono_ms(p->conf.loop);
}

/* A process that lives gives a sign of it more often. */
static msec_t alive_ms(const struct peers *p)
{
    return p->conf.silent_ms;
}

bool twins(const struct peers_link *k, const struct peers_link *was)
{
    const struct peer_hello *o = peer_other(k->peer), *before = peer_other(was->peer);
    bool moved = o->address[0] && before->address[0] && strcmp(o->address, before->address) != 0;
    return moved && !peers_same(o->boot_id, before->boot_id) &&
           now_of(was->peers) < peer_heard(was->peer) + alive_ms(was->peers);
}

static struct twin *entry(struct peers *p, const struct peer_hello *stays,
                          const struct peer_hello *goes)
{
    struct twin *t = p->twins;
    for (unsigned i = 0; i < PEERS_TWINS; i++) {
        if (strcmp(p->twins[i].goes, goes->address) == 0 &&
            strcmp(p->twins[i].stays, stays->address) == 0)
            return &p->twins[i];
        t = p->twins[i].last < t->last ? &p->twins[i] : t;
    }
    t->last = 0;
    snprintf(t->node, sizeof t->node, "%s", stays->node);
    snprintf(t->stays, sizeof t->stays, "%s", stays->address);
    snprintf(t->goes, sizeof t->goes, "%s", goes->address);
    return t;
}

/* Whether it goes on. */
static bool note(struct peers *p, const struct peer_hello *stays, const struct peer_hello *goes)
{
    struct twin *t = entry(p, stays, goes);
    msec_t now = now_of(p);
    if (!t->last || now >= t->last + TWIN_SHOWN_MS)
        t->first = now;
    t->last = now;
    if (now < t->first + alive_ms(p))
        return false;
    char line[3 * PEER_ADDRESS_BYTES + PEER_WHY_BYTES];
    snprintf(line, sizeof line,
             "two processes run with the node id of %s: at %s, and refused at %s; is one data "
             "directory a copy of the other?",
             t->node, t->stays, t->goes);
    if (p->conf.kind == PEER_CONTROL && peers_news(p, line))
        log_warn("peers", "%s", line);
    return true;
}

bool twin_refused(struct peers_link *k, const struct peers_link *was, enum grid_err *ret_status,
                  char *why)
{
    struct peers *p = k->peers;
    const struct peer_hello *o = peer_other(k->peer), *before = peer_other(was->peer);
    const struct way *w = way_find(p, o->node_id, was->shard);
    if (w && strcmp(w->address, o->address) == 0) {
        (void)note(p, o, before);
        return false;
    }
    bool told = note(p, before, o);
    *ret_status = told ? GRID_EIN_USE : GRID_EBUSY;
    snprintf(why, PEER_WHY_BYTES,
             "another process with the node id of %s runs at %.100s: is the data directory a copy?",
             before->node, before->address);
    return true;
}

bool peers_twin(const struct peers *p, size_t index, struct peers_twin *ret_twin)
{
    for (unsigned i = 0; i < PEERS_TWINS; i++) {
        const struct twin *t = &p->twins[i];
        bool shown =
            t->last && t->last >= t->first + alive_ms(p) && now_of(p) < t->last + TWIN_SHOWN_MS;
        if (!shown || index--)
            continue;
        *ret_twin = (struct peers_twin){t->node, t->stays, t->goes};
        return true;
    }
    return false;
}
