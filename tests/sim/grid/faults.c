/* faults.c - what a seed does to its world: its mix is drawn first, then each 10 ms one thing at
 * most goes wrong. At the end all faults stop, and all must be well. */
#include "tests/sim/grid/world.h"

#include "control/level.h"

#include <stdio.h>

enum { STEP_MS = 10 };

static unsigned some(struct world *w, unsigned most)
{
    return below(w, 2) ? 0 : (unsigned)below(w, most + 1);
}

/* A rolling upgrade, and back at times. */
static void start(struct world *w, struct simnode *n)
{
    if (n->run != DOWN)
        return;
    bool older = chance(w, n->known < GRID_LEVEL ? w->mix.old : w->mix.old / 8) && !w->quiet;
    n->info.level = older ? GRID_LEVEL_FIRST : GRID_LEVEL;
    tally.old += older;
    node_start(w, n);
}

void faults_draw(struct world *w)
{
    struct mix *m = &w->mix;
    m->nodes = 1 + (unsigned)below(w, 7);
    m->expect = 1 + (unsigned)below(w, m->nodes);
    m->kill = some(w, 60);
    m->power = some(w, 60);
    m->pause = some(w, 60);
    m->cut = some(w, 80);
    m->oneway = some(w, 60);
    m->ask = 50 + (unsigned)below(w, 500);
    m->drain = some(w, 15);
    m->remove = below(w, 4) ? 0 : 60;
    m->clean = some(w, 30);
    m->loss = some(w, 50);
    m->delay_max = 1 + below(w, below(w, 4) ? 5 : 60);
    m->disk_max = 1 + below(w, below(w, 4) ? 10 : 150);
    m->skew = below(w, 2);
    m->reorder = below(w, 4) == 0;
    m->spare = m->expect > 1 && below(w, 3) == 0;
    m->old = below(w, 3) ? 0 : 1000 + (unsigned)below(w, 9000);
    m->length = 4000 + below(w, 16000);
    trace(w, "%u nodes, %u found, loss %u/1000, delay %lu, disk %lu%s%s%s", m->nodes, m->expect,
          m->loss, (unsigned long)m->delay_max, (unsigned long)m->disk_max, m->skew ? ", skew" : "",
          m->reorder ? ", out of order" : "", m->spare ? ", a spare" : "");
    unsigned len = m->nodes;
    if (m->spare && m->nodes < NODES)
        len = ++m->nodes;
    for (unsigned i = 0; i < len; i++)
        node_make(w, i, i < m->expect || (m->spare && i == len - 1) ? m->expect : 0);
    for (unsigned i = 0; i < len; i++)
        if (!m->spare || i + 1 < len)
            start(w, &w->nodes[i]);
    event_at(w, w->now + STEP_MS, EVENT_FAULT, 0);
}

static struct simnode *any(struct world *w)
{
    return &w->nodes[below(w, w->nodes_len)];
}

static unsigned candidates(const struct world *w)
{
    unsigned len = 0;
    for (unsigned i = 0; i < w->nodes_len; i++)
        len += w->nodes[i].run != DOWN && w->nodes[i].expect > 0;
    return len;
}

/* Before there is a grid no more candidates run than are expected. */
static bool may_start(const struct world *w, const struct simnode *n)
{
    return w->founded || !n->expect || candidates(w) < w->mix.expect;
}

struct grid_command deploy_command(void)
{
    static const struct module_function f = {.name = "f"};
    static const struct module_info info = {.name = "m",
                                            .engine = MODULE_LUA,
                                            .source = {(const uint8_t *)"x", 1},
                                            .functions = &f,
                                            .functions_len = 1};
    return (struct grid_command){.kind = GRID_MODULE_DEPLOY, .u.module = {&info, true}};
}

static void ask_something(struct world *w)
{
    struct simnode *n = any(w);
    if (n->run != RUNNING || !n->in)
        return;
    static char path[64];
    uint64_t ticket = ticket_new(w, n);
    bool deploy = w->mix.old && below(w, 4) == 0;
    w->tickets[ticket - 1].cache = !deploy;
    w->tickets[ticket - 1].deploy = deploy;
    struct grid_command c = deploy_command();
    if (!deploy) {
        c.kind = GRID_CACHE_CREATE;
        snprintf(path, sizeof path, "default/c%lu", (unsigned long)ticket);
        c.u.cache.path = slice_str(path);
        c.u.cache.ttl_ms = 0;
    }
    msec_t deadline = node_clock(w, n) + 2000 + below(w, 30000);
    tally.asked++;
    if (grid_member_propose(n->member, &c, deadline, ticket) != GRID_OK)
        w->tickets[ticket - 1].answered = true;
    n->wake = w->now;
    event_at(w, w->now, EVENT_WAKE, n->index);
}

static void operate(struct world *w, enum grid_command_kind kind)
{
    struct simnode *n = any(w), *about = any(w);
    if (n->run != RUNNING || !n->in || !about->disk.identity.number)
        return;
    struct grid_command c = {.kind = kind};
    if (kind == GRID_DRAIN) {
        c.u.drain.node = about->disk.identity.number;
        c.u.drain.on = below(w, 2) && !w->quiet;
    } else {
        if (about->run != DOWN || w->nodes_len < 3 || about->index == 0)
            return;
        c.u.remove.node = about->disk.identity.number;
    }
    uint64_t ticket = ticket_new(w, n);
    if (grid_member_propose(n->member, &c, node_clock(w, n) + 20000, ticket) != GRID_OK)
        w->tickets[ticket - 1].answered = true;
    n->wake = w->now;
    event_at(w, w->now, EVENT_WAKE, n->index);
}

void faults_see_removed(struct world *w)
{
    for (unsigned i = 0; i < w->nodes_len; i++) {
        const struct simnode *n = &w->nodes[i];
        if (n->run != RUNNING)
            continue;
        const struct grid_state *s = grid_member_state(n->member);
        for (unsigned k = 0; k < w->nodes_len; k++) {
            if (w->nodes[k].removed || !grid_state_removed(s, w->nodes[k].info.id))
                continue;
            w->nodes[k].removed = true;
            tally.removed++;
        }
    }
}

static void cut(struct world *w, bool oneway)
{
    unsigned a = (unsigned)below(w, w->nodes_len), b = (unsigned)below(w, w->nodes_len);
    tally.cuts++;
    if (below(w, 3) == 0 && !oneway) { /* one from all others */
        for (unsigned i = 0; i < w->nodes_len; i++)
            w->cut[a][i] = w->cut[i][a] = true;
        trace(w, "node %u is cut off", a);
        return;
    }
    w->cut[a][b] = true;
    if (!oneway)
        w->cut[b][a] = true;
    trace(w, "cut %u %s %u", a, oneway ? "->" : "<->", b);
}

static void heal(struct world *w)
{
    memset(w->cut, 0, sizeof w->cut);
    trace(w, "the network is whole");
}

static void clean_stop(struct world *w)
{
    struct simnode *n = any(w);
    if (n->run != RUNNING || !n->in)
        return;
    grid_member_step_down(n->member, node_clock(w, n));
    n->self.boot = 0; /* its shards serve nothing any more */
    grid_member_released(n->member, node_clock(w, n));
    uint64_t ticket = ticket_new(w, n);
    if (grid_member_leave(n->member, node_clock(w, n) + 3000, ticket) != GRID_OK)
        w->tickets[ticket - 1].answered = true;
    n->wake = w->now;
    event_at(w, w->now, EVENT_WAKE, n->index);
    n->stop_at = w->now + 50 + below(w, 500);
    tally.left++;
}

void faults_step(struct world *w)
{
    const struct mix *m = &w->mix;
    if (w->quiet)
        return;
    event_at(w, w->now + STEP_MS, EVENT_FAULT, 0);
    faults_see_removed(w);
    if (m->spare && !w->founded && chance(w, 150))
        node_stop(w, any(w), below(w, 2));
    if (chance(w, m->kill))
        tally.kills++, node_stop(w, any(w), false);
    if (chance(w, m->power / 4)) {
        bool all = below(w, 4) == 0;
        tally.powers++;
        for (unsigned i = 0; all && i < w->nodes_len; i++)
            node_stop(w, &w->nodes[i], true);
        node_stop(w, any(w), true);
    }
    if (chance(w, m->pause))
        tally.pauses++, node_pause(w, any(w), 50 + below(w, below(w, 2) ? 1000 : 6000));
    if (chance(w, m->cut))
        cut(w, false);
    if (chance(w, m->oneway))
        cut(w, true);
    if (chance(w, 100))
        heal(w);
    if (chance(w, m->ask))
        ask_something(w);
    if (chance(w, m->drain))
        operate(w, GRID_DRAIN);
    if (chance(w, m->remove))
        operate(w, GRID_REMOVE);
    if (chance(w, m->clean))
        clean_stop(w);
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct simnode *n = &w->nodes[i];
        if (n->stop_at && w->now >= n->stop_at) {
            n->stop_at = 0;
            node_stop(w, n, false);
        }
        if (n->run == DOWN && chance(w, w->founded ? 100 : 200) && may_start(w, n))
            start(w, n);
    }
}

/* Whether the candidates that promised to `founder`, or to nobody, are enough to found. */
static bool enough(const struct world *w, const struct simnode *founder)
{
    static const uint8_t nobody[GRID_ID_BYTES];
    unsigned len = 0;
    for (unsigned i = 0; i < w->nodes_len; i++) {
        const struct simnode *n = &w->nodes[i];
        const uint8_t *to = n->disk.identity.founder;
        bool none = memcmp(to, nobody, GRID_ID_BYTES) == 0;
        len += n->expect && (none || memcmp(to, founder->info.id, GRID_ID_BYTES) == 0);
    }
    return len >= w->mix.expect;
}

/* No grid yet, and one candidate too many: the operator lets those run that can found, and where
 * promises contradict each other, begins anew. */
static void choose_founders(struct world *w)
{
    const struct simnode *founder = NULL;
    static const uint8_t nobody[GRID_ID_BYTES];
    for (unsigned i = 0; i < w->nodes_len; i++) {
        const struct simnode *n = &w->nodes[i];
        const uint8_t *own = n->disk.identity.founder;
        bool free_or_own =
            memcmp(own, nobody, GRID_ID_BYTES) == 0 || memcmp(own, n->info.id, GRID_ID_BYTES) == 0;
        bool promised = false;
        for (unsigned k = 0; k < w->nodes_len; k++)
            promised = promised ||
                       memcmp(w->nodes[k].disk.identity.founder, n->info.id, GRID_ID_BYTES) == 0;
        if (n->expect && free_or_own && enough(w, n) && (!founder || promised))
            founder = n;
    }
    unsigned len = founder != NULL;
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct simnode *n = &w->nodes[i];
        node_stop(w, n, false);
        if (!founder)
            disk_release(&n->disk);
        const uint8_t *to = n->disk.identity.founder;
        bool fits = !founder || memcmp(to, nobody, GRID_ID_BYTES) == 0 ||
                    memcmp(to, founder->info.id, GRID_ID_BYTES) == 0;
        if (!n->expect || n == founder)
            continue;
        n->stays_down = !fits || len == w->mix.expect;
        len += !n->stays_down;
    }
}

/* Faults are over: everyone comes back, and must find together. */
void faults_end(struct world *w)
{
    heal(w);
    w->quiet = true;
    w->mix.loss = 0;
    w->mix.delay_max = w->mix.delay_max < 20 ? w->mix.delay_max : 20;
    w->mix.disk_max = w->mix.disk_max < 20 ? w->mix.disk_max : 20;
    faults_see_removed(w);
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct simnode *n = &w->nodes[i];
        if (n->stop_at)
            node_stop(w, n, false);
        n->stop_at = 0;
        node_resume(w, n);
        if (n->info.level < GRID_LEVEL) /* the upgrade comes to its end */
            node_stop(w, n, false);
    }
    if (!w->founded && w->mix.spare)
        choose_founders(w);
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct simnode *n = &w->nodes[i];
        if (n->run == DOWN)
            n->info.level = GRID_LEVEL;
        if (!n->stays_down)
            start(w, n);
    }
}
