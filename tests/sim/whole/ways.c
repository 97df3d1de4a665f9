/* ways.c - whom a client asks. Those that know look into the state of any node, and ask for the
 * leader or none. Those that follow do what client/lib does: a node tells them who leads, they ask
 * that one, and others in its place while it is silent. Those that roam ask any node each time, so
 * that a request may be under way by two. Guests stay at one node, and have no session. */
#include "tests/sim/whole/world.h"

enum { SHUN_MS = 1000, ROAM_MS = 1000, ROAM_DOUBLINGS = 5 };

struct simnode *way_any(struct world *w)
{
    struct simnode *n = &w->nodes[below(w, w->nodes_len)];
    return n->running ? n : NULL;
}

msec_t way_ms(struct world *w)
{
    return w->now + 1 + below(w, w->mix.delay_max);
}

/* Of the primary, by what `s` says; -1: nobody. */
static int leader_by(const struct world *w, const struct grid_state *s, unsigned context,
                     uint32_t partition)
{
    const struct cache_info *cache = clients_cache(s, context);
    if (!cache)
        return -1;
    struct replica_member m = grid_state_primary(s, cache_context(cache->id), partition);
    const struct grid_node *g = grid_state_node(s, m.node);
    for (unsigned i = 0; g && g->state == NODE_UP && i < w->nodes_len; i++)
        if (memcmp(w->nodes[i].info.id, g->info.id, GRID_ID_BYTES) == 0)
            return (int)i;
    return -1;
}

/* Where some node takes the primary to be; at times just any. */
struct simnode *way_known(struct world *w, unsigned context, uint32_t partition)
{
    struct simnode *n = way_any(w);
    if (!n || below(w, 12) == 0)
        return n;
    int leader = leader_by(w, n->shards[partition % w->mix.shards].state, context, partition);
    return leader >= 0 && w->nodes[leader].running ? &w->nodes[leader] : NULL;
}

/* --- those that follow ------------------------------------------------------------------------ */

static void leave_home(struct world *w, struct follower *f)
{
    f->home = (f->home + 1) % w->nodes_len;
    f->home_life = 0;
}

static bool connected(const struct world *w, const struct follower *f)
{
    const struct simnode *n = &w->nodes[f->home];
    return n->running && n->life == f->home_life;
}

static void keep_home(struct world *w, unsigned client)
{
    struct follower *f = &w->followers[client];
    if (connected(w, f))
        return;
    if (f->home_life || !w->nodes[f->home].running)
        leave_home(w, f);
    const struct simnode *n = &w->nodes[f->home];
    if (!n->running)
        return;
    f->home_life = n->life;
    f->link++;
    struct event *e = event_at(w, way_ms(w), EVENT_GREET, n->index, 1);
    e->client = client;
    e->number = f->link;
}

static void push(struct simshard *h, unsigned client)
{
    struct world *w = h->node->w;
    struct follower *f = &w->followers[client];
    if (!h->state || !grid_state_founded(h->state))
        return;
    msec_t at = way_ms(w);
    f->told_at = at > f->told_at ? at : f->told_at;
    struct event *e = event_free_at(w, f->told_at, EVENT_TOLD);
    e->client = client;
    e->number = f->link;
    e->state = grid_state_ref(h->state);
    e->astray = h->astray;
    tally.pushes++;
}

void ways_greet(struct simshard *h, const struct event *e)
{
    if (h->node->w->followers[e->client].link == e->number)
        push(h, e->client);
}

void ways_news(struct simshard *h)
{
    struct world *w = h->node->w;
    for (unsigned i = 0; i < w->mix.clients; i++)
        if (w->clients[i].kind == CLIENT_FOLLOWS && w->followers[i].home == h->node->index &&
            connected(w, &w->followers[i]))
            push(h, i);
}

/* It is asked again, elsewhere. */
static void again(struct world *w, struct client *c)
{
    c->attempt = 0;
    c->again_at = w->now;
}

/* True: home is left, which is not done too often. */
static bool roam(struct world *w, struct follower *f)
{
    if (w->now < f->roam_at)
        return false;
    f->roam_at = w->now + ((msec_t)ROAM_MS << f->roams);
    f->roams += f->roams < ROAM_DOUBLINGS;
    tally.roamed++;
    leave_home(w, f);
    return true;
}

/* Who was asked is not in the grid. */
void way_outside(struct world *w, const struct client *c)
{
    struct follower *f = &w->followers[c - w->clients];
    if (c->kind == CLIENT_FOLLOWS && c->asked == f->home)
        (void)roam(w, f);
}

void ways_told(struct world *w, const struct event *e)
{
    struct follower *f = &w->followers[e->client];
    struct client *c = &w->clients[e->client];
    if (f->link != e->number)
        return;
    grid_state_unref(f->topology);
    f->topology = grid_state_ref(e->state);
    f->astray = e->astray;
    if (!e->astray)
        f->roams = 0;
    const struct grid_node *g = grid_state_node_by_id(f->topology, w->nodes[c->asked].info.id);
    if (c->busy && c->attempt && (!g || g->state != NODE_UP))
        again(w, c);
    bool at_home = c->asked == f->home;
    if (e->astray && roam(w, f) && c->busy && c->attempt && at_home)
        again(w, c);
}

static struct simnode *followed(struct world *w, unsigned client, unsigned context,
                                uint32_t partition)
{
    struct follower *f = &w->followers[client];
    keep_home(w, client);
    int leader = f->topology ? leader_by(w, f->topology, context, partition) : -1;
    if (leader >= 0 && w->now >= f->shunned[leader] &&
        !(f->astray && (unsigned)leader == f->home)) {
        if (w->nodes[leader].running)
            return &w->nodes[leader];
        f->shunned[leader] = w->now + SHUN_MS;
    }
    return connected(w, f) ? &w->nodes[f->home] : way_any(w);
}

/* --- all -------------------------------------------------------------------------------------- */

/* NULL: nobody can be reached just now. */
struct simnode *way_choose(struct world *w, const struct client *c, uint32_t partition)
{
    unsigned client = (unsigned)(c - w->clients);
    struct follower *f = &w->followers[client];
    struct simnode *n;
    switch (c->kind) {
    case CLIENT_KNOWS:
        return way_known(w, c->context, partition);
    case CLIENT_FOLLOWS:
        return followed(w, client, c->context, partition);
    case CLIENT_ROAMS:
        return way_any(w);
    case CLIENT_GUEST:
        if (!w->nodes[f->home].running || below(w, 30) == 0)
            f->home = (unsigned)below(w, w->nodes_len);
        n = &w->nodes[f->home];
        return n->running ? n : NULL;
    }
    return NULL;
}

/* Who was asked says nothing, or is gone. */
void way_failed(struct world *w, const struct client *c)
{
    struct follower *f = &w->followers[c - w->clients];
    f->shunned[c->asked] = w->now + SHUN_MS;
    if (c->kind == CLIENT_FOLLOWS && c->asked == f->home)
        leave_home(w, f);
}

void ways_release(struct world *w)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        grid_state_unref(w->followers[i].topology);
}
