/* founding.c - N candidates make one grid, whatever is lost, late or started again meanwhile.
 *
 *   1. Each HELLO says whom its sender hears. When all N hear each other, the founder is known: who
 *      any of them has promised to, else the lowest id.
 *   2. The founder promises to itself, on disk; then it draws an attempt, the id of the grid to be.
 *   3. Each other sees the attempt, promises to the founder, on disk, and says so with the attempt.
 *   4. The founder has the promise of all for its attempt: it writes the first snapshot of the log
 *      and its identity in one transaction. Now there is a grid; the others enter it.
 *
 * Why there is never a second one: who founds has the promise of all N, its own included, and a
 * promise is for ever. So only candidates of disjoint sets could found two, and a candidate that
 * sees more than N of them founds nothing. A founder that starts again has a new attempt, for which
 * promises are asked anew, so that those of the dead are not counted.
 *
 * N = 1 is the word of who configured it: nobody else is needed. Still it asks the peers it has for
 * a while, for it may have been one of them, with a disk that is lost. */
#include "base/alloc.h"
#include "grid/parts_priv.h"

#include <stdlib.h>

static bool fresh(const struct grid_member *m, const struct grid_peer *p)
{
    return p->hello && m->now < p->hello_at + FRESH_MS;
}

size_t founding_sights(const struct grid_member *m, struct grid_sight *sights)
{
    size_t len = 0;
    for (size_t i = 0; i < m->peers_len && len < GRID_SIGHTS_MAX; i++) {
        const struct grid_peer *p = m->peers[i];
        if (!p->address[0] && !fresh(m, p))
            continue;
        struct grid_sight *s = &sights[len++];
        memset(s, 0, sizeof *s);
        id_copy(s->id, p->id);
        memcpy(s->address, p->address, sizeof s->address);
        s->heard = fresh(m, p) && !p->hello->of_grid;
    }
    return len;
}

/* Whether `of` hears `id` itself. */
static bool hears(const struct candidate *of, const uint8_t *id)
{
    for (size_t i = 0; i < of->heard_len; i++)
        if (id_eq(of->heard[i], id))
            return true;
    return false;
}

/* Who needs nobody else to found a grid might be a node of one that lost its disk. */
static bool asks_peers(const struct grid_member *m)
{
    bool others = false;
    for (size_t i = 0; i < m->addresses_len; i++)
        others = others || strcmp(m->addresses[i], m->info.address[ADDRESS_PEER]) != 0;
    return m->expect == 1 && others && m->now < m->began_at + ALONE_MS;
}

/* The other candidates, when they are the right ones, and all hear each other; else 0 and why. */
static size_t gather(struct grid_member *m, struct grid_peer **others)
{
    size_t len = 0;
    for (size_t i = 0; i < m->peers_len && len < GRID_FOUNDERS_MAX; i++) {
        struct grid_peer *p = m->peers[i];
        if (!fresh(m, p))
            continue;
        if (p->hello->of_grid) {
            member_why(m, "node %s has a grid already: waits for its voters", p->hello->info.name);
            return 0;
        }
        if (p->hello->expect == 0)
            continue; /* it joins only */
        if (p->hello->expect != m->expect) {
            member_why(m, "bootstrap_expect is %u here and %u on %s", m->expect, p->hello->expect,
                       p->hello->info.name);
            return 0;
        }
        others[len++] = p;
    }
    if (len + 1 != m->expect) {
        member_why(m, "sees %zu of the %u nodes that found the grid%s", len + 1, m->expect,
                   len + 1 > m->expect ? ": too many" : "");
        return 0;
    }
    if (asks_peers(m)) {
        member_why(m, "asks its peers whether there is a grid, before it founds one");
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        bool all = hears(others[i]->hello, m->info.id);
        for (size_t j = 0; j < len; j++)
            all = all && (i == j || hears(others[i]->hello, others[j]->id));
        if (!all) {
            member_why(m, "node %s does not see all others yet", others[i]->hello->info.name);
            return 0;
        }
    }
    return len + 1;
}

/* NULL and why: promises that contradict each other, or to one who is not there. */
static const uint8_t *founder_of(struct grid_member *m, struct grid_peer *const *others, size_t len)
{
    const uint8_t *lowest = m->info.id, *promised = NULL;
    if (!id_is_zero(m->identity.founder) && !SABOTAGE(FORGOTTEN_PROMISE))
        promised = m->identity.founder;
    for (size_t i = 0; i < len; i++) {
        const uint8_t *theirs = others[i]->hello->founder;
        if (memcmp(others[i]->id, lowest, GRID_ID_BYTES) < 0)
            lowest = others[i]->id;
        if (id_is_zero(theirs) || SABOTAGE(FORGOTTEN_PROMISE))
            continue;
        if (promised && !id_eq(promised, theirs)) {
            member_why(m, "node %s promised to another founder: begin with empty data directories",
                       others[i]->hello->info.name);
            return NULL;
        }
        promised = theirs;
    }
    if (!promised)
        return lowest;
    bool here = id_eq(promised, m->info.id);
    for (size_t i = 0; i < len; i++)
        here = here || id_eq(promised, others[i]->id);
    if (!here)
        member_why(m, "a founder was promised to that is not here");
    return here ? promised : NULL;
}

static void hello_all(struct grid_member *m)
{
    for (size_t i = 0; i < m->peers_len; i++)
        if (fresh(m, m->peers[i]))
            hello_send(m, m->peers[i]);
}

static void promise(struct grid_member *m, const uint8_t *founder)
{
    if (!id_is_zero(m->identity.founder) && !SABOTAGE(FORGOTTEN_PROMISE))
        return;
    if (id_eq(m->identity.founder, founder))
        return;
    id_copy(m->identity.founder, founder);
    consensus_persist(m, true, NULL);
}

static void members_of_first(struct raft_membership *members)
{
    memset(members, 0, sizeof *members);
    CHECK(raft_membership_add_voter(members, 1));
}

static int by_id(const void *a, const void *b)
{
    const struct node_info *x = a, *y = b;
    return memcmp(x->id, y->id, GRID_ID_BYTES);
}

/* The state that FOUND makes, or NULL and why. The founder comes first: it is number 1. */
static struct grid_state *first_state(struct grid_member *m, struct grid_peer *const *others,
                                      size_t len)
{
    struct node_info *infos = xcalloc(len + 1, sizeof *infos);
    bool *voter = xcalloc(len + 1, sizeof *voter);
    infos[0] = m->info;
    voter[0] = true;
    for (size_t i = 0; i < len; i++)
        infos[i + 1] = others[i]->hello->info;
    qsort(infos + 1, len, sizeof *infos, by_id);
    struct grid_command c = {.kind = GRID_FOUND, .now = m->wall};
    c.u.found.grid = m->grid;
    c.u.found.grid_id = m->attempt;
    c.u.found.founders = infos;
    c.u.found.voter = voter;
    c.u.found.founders_len = len + 1;
    c.u.found.adopt = m->adopt;
    c.u.found.epoch = m->adopt_epoch;
    struct grid_outcome *outcome = xcalloc(1, sizeof *outcome);
    struct grid_state *s = grid_state_new();
    if (grid_state_apply(s, &c, outcome) != GRID_OK) {
        member_why(m, "cannot found the grid: %s", outcome->why);
        grid_state_unref(s);
        s = NULL;
    }
    free(outcome);
    free(voter);
    free(infos);
    return s;
}

static void found(struct grid_member *m, struct grid_peer *const *others, size_t len)
{
    struct grid_state *s = first_state(m, others, len);
    if (!s)
        return;
    buf_release(&m->founded);
    m->codec.state_encode(m->codec.ctx, s, &m->founded);
    grid_state_unref(s);
    struct raft_membership members;
    struct raft_stored disk;
    members_of_first(&members);
    raft_found(&members, buf_slice(&m->founded), &disk);
    struct raft_persist write = {
        .number = 1, .term = disk.term, .vote = disk.vote, .snapshot = &disk.snapshot};
    id_copy(m->identity.grid_id, m->attempt);
    m->identity.number = 1;
    m->self.node = 1;
    m->founding = true;
    consensus_persist(m, true, &write);
}

void founding_on_disk(struct grid_member *m)
{
    struct raft_membership members;
    struct raft_stored disk;
    members_of_first(&members);
    raft_found(&members, buf_slice(&m->founded), &disk);
    m->founding = false;
    member_notice(m, GRID_NOTICE_FOUNDED, NULL);
    consensus_start(m, &disk);
    buf_release(&m->founded);
}

static void as_founder(struct grid_member *m, struct grid_peer *const *others, size_t len)
{
    promise(m, m->info.id);
    if (!id_eq(m->stable.founder, m->info.id))
        return;
    if (id_is_zero(m->attempt)) {
        member_random_id(m, m->attempt);
        hello_all(m);
    }
    size_t promised = 0;
    for (size_t i = 0; i < len; i++) {
        const struct candidate *c = others[i]->hello;
        promised += id_eq(c->founder, m->info.id) && id_eq(c->attempt, m->attempt);
    }
    if (promised == len || SABOTAGE(HASTY_FOUNDER))
        found(m, others, len);
    else
        member_why(m, "founds the grid: %zu of %zu nodes have promised", promised + 1, len + 1);
}

static void as_promiser(struct grid_member *m, struct grid_peer *const *others, size_t len,
                        const uint8_t *founder)
{
    member_why(m, "waits for another node to found the grid");
    for (size_t i = 0; i < len; i++) {
        const struct candidate *c = others[i]->hello;
        if (!id_eq(others[i]->id, founder) || !id_eq(c->founder, founder) || id_is_zero(c->attempt))
            continue;
        promise(m, founder);
        if (!id_eq(m->stable.founder, founder) || id_eq(m->attempt, c->attempt))
            continue;
        id_copy(m->attempt, c->attempt);
        hello_send(m, others[i]);
    }
}

void founding_step(struct grid_member *m)
{
    if (m->phase != GRID_SEEKING || !m->expect || !id_is_zero(m->identity.grid_id))
        return;
    if (m->met && m->has_data)
        member_why(m, "its peers have a grid, which what was stored here without it cannot join: "
                      "begin with an empty data directory, or take the peers away");
    if (m->met)
        return;
    struct grid_peer *others[GRID_FOUNDERS_MAX];
    size_t len = gather(m, others);
    if (!len)
        return;
    const uint8_t *founder = founder_of(m, others, len - 1);
    if (!founder)
        return;
    if (id_eq(founder, m->info.id))
        as_founder(m, others, len - 1);
    else
        as_promiser(m, others, len - 1, founder);
}

void founding_hello(struct grid_member *m, struct grid_peer *p, const struct grid_hello *h)
{
    for (size_t i = 0; i < h->sights_len; i++) {
        struct grid_peer *other = known_make(m, h->sights[i].id);
        if (other && !other->address[0])
            known_address(other, h->sights[i].address);
    }
    founding_step(m);
    if (m->phase == GRID_SEEKING && m->now >= p->hello_sent + HELLO_MS / 4)
        hello_send(m, p);
}
