/* known.c - whom a member knows: by the state, by WELCOME, by HELLO. There are few (the nodes of a
 * grid), so they are looked up one by one. */
#include "base/alloc.h"
#include "grid/parts_priv.h"

#include <stdlib.h>

struct grid_peer *known_by_id(const struct grid_member *m, const uint8_t *id)
{
    for (size_t i = 0; i < m->peers_len; i++)
        if (id_eq(m->peers[i]->id, id))
            return m->peers[i];
    return NULL;
}

struct grid_peer *known_by_number(const struct grid_member *m, uint32_t number)
{
    for (size_t i = 0; number && i < m->peers_len; i++)
        if (m->peers[i]->number == number)
            return m->peers[i];
    return NULL;
}

struct grid_peer *known_make(struct grid_member *m, const uint8_t *id)
{
    struct grid_peer *p = known_by_id(m, id);
    if (p || id_is_zero(id) || id_eq(id, m->info.id))
        return p;
    if (m->peers_len >= PEERS_MAX)
        return NULL;
    p = xcalloc(1, sizeof *p);
    id_copy(p->id, id);
    p->seen = m->now;
    m->peers = xrealloc(m->peers, m->peers_len + 1, sizeof *m->peers);
    m->peers[m->peers_len++] = p;
    return p;
}

void known_address(struct grid_peer *p, const char *address)
{
    size_t len = strnlen(address, sizeof p->address);
    if (len == 0 || len == sizeof p->address)
        return;
    memmove(p->address, address, len + 1);
}

void known_forget(struct grid_member *m)
{
    if (m->now < m->forget_at)
        return;
    m->forget_at = m->now + FORGET_MS / 4;
    size_t kept = 0;
    for (size_t i = 0; i < m->peers_len; i++) {
        struct grid_peer *p = m->peers[i];
        bool known = grid_state_node_by_id(m->state, p->id) != NULL;
        if (known || m->now < p->seen + FORGET_MS) {
            m->peers[kept++] = p;
            continue;
        }
        free(p->hello);
        free(p);
    }
    m->peers_len = kept;
}

void known_of_state(struct grid_member *m)
{
    for (size_t i = 0; i < m->state->nodes_len; i++) {
        const struct grid_node *n = &m->state->nodes[i];
        struct grid_peer *p = known_make(m, n->info.id);
        if (!p)
            continue;
        p->number = n->number;
        if (!p->address[0] || !p->hello_at || m->now > p->hello_at + FORGET_MS)
            known_address(p, n->info.address[ADDRESS_PEER]);
    }
}

void member_message(const struct grid_member *m, struct grid_message *msg,
                    enum grid_message_kind kind)
{
    memset(msg, 0, sizeof *msg);
    msg->kind = kind;
    id_copy(msg->grid_id, m->identity.grid_id);
    id_copy(msg->from, m->info.id);
    msg->member = m->self;
}

void member_send(struct grid_member *m, const struct grid_peer *p, const struct grid_message *msg)
{
    struct grid_to to = {.address = p->address};
    id_copy(to.id, p->id);
    m->ports.send(m->ports.ctx, &to, msg);
}

void member_random_id(struct grid_member *m, uint8_t *id)
{
    do {
        store_u64(id, prng_next(&m->prng[0]));
        store_u64(id + 8, prng_next(&m->prng[1]));
    } while (id_is_zero(id));
}
