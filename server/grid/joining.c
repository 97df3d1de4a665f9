/* joining.c - HELLO and WELCOME: how a node finds its grid, proves to the leader that both ways of
 * their link work, and learns who it is there.
 *
 *   HELLO (to all it knows) -----> any member
 *   <------------------ WELCOME (who leads, its number, why not)
 *   HELLO -----------------------> the leader
 *   <------------------ WELCOME (sent)
 *   HELLO (echo of sent) --------> the leader: ENTER is committed
 *   <------------------ WELCOME (number, boot), the stream, or the log */
#include "base/alloc.h"
#include "control/level.h"
#include "grid/parts_priv.h"

#include <stdio.h>

#include <stdlib.h>

static void hello_make(const struct grid_member *m, struct grid_message *msg,
                       struct grid_sight *sights)
{
    member_message(m, msg, GRID_MSG_HELLO);
    struct grid_hello *h = &msg->u.hello;
    h->info = &m->info;
    h->grid = m->grid;
    h->bootstrap_expect = m->expect;
    id_copy(h->founder, m->stable.founder);
    if (!id_is_zero(m->stable.founder))
        id_copy(h->attempt, m->attempt);
    h->sights = sights;
    h->sights_len = id_is_zero(m->identity.grid_id) ? founding_sights(m, sights) : 0;
    if (id_is_zero(m->stable.grid_id))
        memset(msg->grid_id, 0, sizeof msg->grid_id); /* not before it is on disk */
}

void hello_send(struct grid_member *m, struct grid_peer *p)
{
    struct grid_message msg;
    struct grid_sight sights[GRID_SIGHTS_MAX];
    hello_make(m, &msg, sights);
    msg.u.hello.echo = p->echo;
    p->hello_sent = m->now;
    member_send(m, p, &msg);
}

static void hello_addresses(struct grid_member *m)
{
    struct grid_message msg;
    struct grid_sight sights[GRID_SIGHTS_MAX];
    hello_make(m, &msg, sights);
    for (size_t i = 0; i < m->addresses_len; i++) {
        bool known = strcmp(m->addresses[i], m->info.address[ADDRESS_PEER]) == 0;
        for (size_t j = 0; !known && j < m->peers_len; j++)
            known = strcmp(m->peers[j]->address, m->addresses[i]) == 0 &&
                    m->now < m->peers[j]->seen + FRESH_MS;
        struct grid_to to = {.address = m->addresses[i]};
        if (!known)
            m->ports.send(m->ports.ctx, &to, &msg);
    }
}

/* A node that is in its grid and hears nobody: it may have been taken for dead meanwhile. */
static bool lonely(const struct grid_member *m)
{
    if (m->phase != GRID_IN || m->leading || m->state->nodes_len < 2)
        return false;
    const struct grid_peer *leader = known_by_number(m, m->leader);
    msec_t since = leader && leader->heard > m->woke ? leader->heard : m->woke;
    return m->now > since + member_failure_timeout(m);
}

void joining_step(struct grid_member *m)
{
    if (m->now < m->hello_next)
        return;
    bool seldom = m->phase == GRID_REFUSED || m->phase == GRID_IN;
    m->hello_next = m->now + (seldom ? HELLO_SELDOM_MS / 2 : HELLO_MS);
    if (m->phase == GRID_IN && !lonely(m))
        return;
    hello_addresses(m);
    for (size_t i = 0; i < m->peers_len; i++)
        hello_send(m, m->peers[i]);
    if (m->phase == GRID_ENTERING && !m->why[0])
        member_why(m, "asks to enter the grid");
}

msec_t joining_next(const struct grid_member *m)
{
    return m->hello_next;
}

/* --- at a member of a grid ------------------------------------------------------------------- */

static bool boot_is_over(const struct grid_node *n, const uint8_t *boot_id)
{
    uint64_t half = load_u64(boot_id);
    bool over = n->state == NODE_DOWN && id_eq(n->info.boot_id, boot_id);
    for (unsigned i = 0; i < GRID_PAST_BOOTS; i++)
        over = over || n->past[i] == (half ? half : 1);
    return over;
}

static size_t welcome_nodes(const struct grid_member *m, const uint8_t *but,
                            struct grid_sight *sights)
{
    size_t len = 0;
    for (size_t i = 0; i < m->state->nodes_len && len < GRID_SIGHTS_MAX; i++) {
        const struct grid_node *n = &m->state->nodes[i];
        if (id_eq(n->info.id, but) || (!n->voter && m->state->nodes_len > GRID_SIGHTS_MAX))
            continue;
        struct grid_sight *s = &sights[len++];
        memset(s, 0, sizeof *s);
        id_copy(s->id, n->info.id);
        const struct grid_peer *p = known_by_id(m, s->id);
        memcpy(s->address, p && p->address[0] ? p->address : n->info.address[ADDRESS_PEER],
               sizeof s->address);
        s->heard = n->state == NODE_UP;
    }
    return len;
}

static void welcome_leader(const struct grid_member *m, struct grid_welcome *w)
{
    if (m->lead) {
        w->sent = m->now;
        w->leader = m->self.node;
        id_copy(w->leader_id, m->info.id);
        w->leader_address = m->info.address[ADDRESS_PEER];
        return;
    }
    const struct grid_peer *leader = known_by_number(m, m->leader);
    if (!leader)
        return;
    w->leader = m->leader;
    id_copy(w->leader_id, leader->id);
    w->leader_address = leader->address;
}

void welcome_send(struct grid_member *m, struct grid_peer *p, const uint8_t *boot_id,
                  const char *refused)
{
    struct grid_message msg;
    struct grid_sight sights[GRID_SIGHTS_MAX];
    member_message(m, &msg, GRID_MSG_WELCOME);
    struct grid_welcome *w = &msg.u.welcome;
    w->grid = m->grid;
    w->leader_address = "";
    w->refused = refused;
    w->for_good = refused && refused != p->refused;
    id_copy(w->boot_id, boot_id);
    if (member_founded(m)) {
        const struct grid_node *n = grid_state_node_by_id(m->state, p->id);
        if (n) {
            w->you.node = n->number;
            if (n->state == NODE_UP && id_eq(n->info.boot_id, w->boot_id))
                w->you.boot = n->boot;
            w->gone = boot_is_over(n, w->boot_id);
        }
        welcome_leader(m, w);
        w->nodes = sights;
        w->nodes_len = welcome_nodes(m, p->id, sights);
    }
    member_send(m, p, &msg);
}

/* Why this HELLO is no use here, or NULL. */
static const char *no_entry(const struct grid_member *m, const struct grid_peer *p,
                            const struct grid_message *msg, char *why)
{
    if (strcmp(msg->u.hello.grid, m->grid) != 0) {
        snprintf(why, WHY_BYTES, "this grid is called %s, not %.64s", m->grid, msg->u.hello.grid);
        return why;
    }
    if (!member_founded(m))
        return NULL;
    if (!id_is_zero(msg->grid_id) && !id_eq(msg->grid_id, m->identity.grid_id)) {
        snprintf(why, WHY_BYTES, "the data directory belongs to another grid called %s", m->grid);
        return why;
    }
    uint32_t was = grid_state_removed(m->state, p->id);
    if (was) {
        snprintf(why, WHY_BYTES,
                 "it was removed from the grid (as node %u): only an empty data directory may join",
                 was);
        return why;
    }
    if (node_info_level(msg->u.hello.info) < m->state->level) {
        grid_level_too_old(m->state, msg->u.hello.info, why);
        return why;
    }
    return p->refused[0] ? p->refused : NULL;
}

static void remember(struct grid_peer *p, const struct grid_message *msg)
{
    const struct grid_hello *h = &msg->u.hello;
    if (!p->hello)
        p->hello = xcalloc(1, sizeof *p->hello);
    struct candidate *c = p->hello;
    if (!id_eq(c->info.boot_id, h->info->boot_id) || strcmp(c->info.name, h->info->name) != 0)
        p->refused[0] = 0;
    c->info = *h->info;
    c->expect = h->bootstrap_expect;
    c->of_grid = !id_is_zero(msg->grid_id);
    id_copy(c->founder, h->founder);
    id_copy(c->attempt, h->attempt);
    c->heard_len = 0;
    for (size_t i = 0; i < h->sights_len && c->heard_len < GRID_SIGHTS_MAX; i++)
        if (h->sights[i].heard)
            id_copy(c->heard[c->heard_len++], h->sights[i].id);
}

void member_on_hello(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg)
{
    const struct grid_hello *h = &msg->u.hello;
    char why[WHY_BYTES];
    if (!id_eq(h->info->id, p->id) || id_is_zero(h->info->boot_id))
        return;
    const char *refused = no_entry(m, p, msg, why);
    bool same = strcmp(h->grid, m->grid) == 0;
    if (same) {
        remember(p, msg);
        p->hello_at = m->now;
        if (h->info->address[ADDRESS_PEER][0])
            known_address(p, h->info->address[ADDRESS_PEER]);
    }
    if (member_founded(m) || refused) {
        if (m->lead && (!refused || refused == p->refused) && h->echo >= m->lead->since &&
            h->echo <= m->now && m->now < h->echo + FRESH_MS)
            p->proven = m->now;
        if (m->lead && SABOTAGE(UNPROVEN_ENTRY))
            p->proven = m->now;
        if (m->lead && !refused)
            m->lead->plan_at = m->now;
        welcome_send(m, p, h->info->boot_id, refused);
    } else if (id_is_zero(m->identity.grid_id)) {
        founding_hello(m, p, h);
    }
}

/* --- at who said HELLO --- */

/* By its own grid, or by the only one there is. A stray address is no reason to despair. It goes on
 * proving to the leader that it is there, for what it is refused for may change. */
static void refused(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg)
{
    const struct grid_welcome *w = &msg->u.welcome;
    bool own = id_eq(m->identity.grid_id, msg->grid_id);
    bool lost = m->now > m->welcomed_at + GRID_REFUSED_AFTER_MS;
    if (m->phase == GRID_IN || !id_eq(w->boot_id, m->info.boot_id) || (!own && !lost))
        return;
    bool known = strncmp(m->refusal, w->refused, sizeof m->refusal - 1) == 0;
    snprintf(m->refusal, sizeof m->refusal, "%s", w->refused);
    member_why(m, "%s", w->refused);
    m->for_good = w->for_good;
    if (m->phase == GRID_ENTERING)
        member_phase(m, GRID_REFUSED);
    if (!known)
        member_notice(m, GRID_NOTICE_REFUSED, m->refusal);
    if (w->sent && (w->sent >= p->echo + FRESH_MS / 2 || w->sent < p->echo)) {
        p->echo = w->sent;
        hello_send(m, p);
    }
}

/* False: not for us. */
static bool grid_fits(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg)
{
    const struct grid_welcome *w = &msg->u.welcome;
    bool same = strcmp(w->grid, m->grid) == 0 && !id_is_zero(msg->grid_id);
    m->met |= same;
    if (w->refused) {
        refused(m, p, msg);
        return false;
    }
    if (!same || (id_is_zero(m->identity.grid_id) && m->has_data))
        return false; /* what is stored here would be taken for that grid's */
    if (id_is_zero(m->identity.grid_id)) {
        id_copy(m->identity.grid_id, msg->grid_id);
        consensus_persist(m, true, NULL);
    }
    return id_eq(m->identity.grid_id, msg->grid_id);
}

static void learn_nodes(struct grid_member *m, const struct grid_welcome *w)
{
    for (size_t i = 0; i < w->nodes_len; i++) {
        struct grid_peer *p = known_make(m, w->nodes[i].id);
        if (p && (!p->address[0] || m->now > p->seen + FRESH_MS))
            known_address(p, w->nodes[i].address);
    }
    struct grid_peer *leader = id_is_zero(w->leader_id) ? NULL : known_make(m, w->leader_id);
    if (!leader)
        return;
    leader->number = w->leader;
    if (!leader->address[0] || m->now > leader->seen + FRESH_MS)
        known_address(leader, w->leader_address);
    if (m->phase != GRID_IN && m->now >= leader->hello_sent + HELLO_MS / 4)
        hello_send(m, leader);
}

static void learn_self(struct grid_member *m, struct grid_peer *p, const struct grid_welcome *w)
{
    if (w->you.node && !m->identity.number) {
        m->identity.number = w->you.node;
        m->self.node = w->you.node;
        consensus_persist(m, true, NULL);
    }
    if (w->you.node != m->identity.number || !id_eq(w->boot_id, m->info.boot_id))
        return;
    if (w->gone) {
        member_life_over(m);
    } else if (w->you.boot && m->phase == GRID_ENTERING && !m->self.boot) {
        m->self.boot = w->you.boot;
        m->entered_at = m->now;
        m->beat_next = m->now;
        if (!p->number)
            p->number = w->leader;
    }
}

void member_on_welcome(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg)
{
    const struct grid_welcome *w = &msg->u.welcome;
    if (!grid_fits(m, p, msg))
        return;
    m->welcomed_at = m->now;
    m->refusal[0] = 0;
    m->for_good = false;
    if (m->phase == GRID_SEEKING || m->phase == GRID_REFUSED) {
        member_phase(m, GRID_ENTERING);
        member_why(m, "asks to enter the grid");
    }
    if (msg->member.node)
        p->number = msg->member.node;
    learn_nodes(m, w);
    if (w->sent && m->phase == GRID_ENTERING) {
        bool fresh = w->sent > p->echo || w->sent + FRESH_MS < p->echo;
        p->echo = w->sent;
        if (fresh && m->now >= p->hello_sent + HELLO_MS / 8)
            hello_send(m, p);
    }
    learn_self(m, p, w);
}
