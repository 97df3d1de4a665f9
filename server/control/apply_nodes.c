/* apply_nodes.c - nodes come and go, and every partition they touch moves in the same entry. */
#include "control/state_priv.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "control/level.h"

#include <stdlib.h>

/* --- what a node says of itself ------------------------------------------------------------- */

static bool plain(const char *text, size_t room)
{
    size_t len = strnlen(text, room);
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return len < room;
}

static bool labels_good(const char *labels)
{
    for (const char *at = labels; *at;) {
        const char *end = strchrnul(at, ',');
        const char *equals = memchr(at, '=', (size_t)(end - at));
        if (!equals || equals == at || (*end && !end[1]))
            return false;
        at = *end ? end + 1 : end;
    }
    return true;
}

static bool id_given(const uint8_t *id)
{
    static const uint8_t none[GRID_ID_BYTES];
    return memcmp(id, none, sizeof none) != 0;
}

enum grid_err node_info_check(struct apply *a, const struct node_info *info)
{
    bool addresses = true;
    for (int i = 0; i < ADDRESSES; i++)
        addresses &= plain(info->address[i], sizeof info->address[i]);
    if (strnlen(info->name, sizeof info->name) == sizeof info->name ||
        !control_name_good(slice_str(info->name)))
        return grid_apply_refuse(a, GRID_EBAD_REQUEST, "a node is not named \"%.64s\"", info->name);
    if (!id_given(info->id) || !id_given(info->boot_id))
        return grid_apply_refuse(a, GRID_EBAD_REQUEST, "node %s has no id", info->name);
    if (!plain(info->labels, sizeof info->labels) || !labels_good(info->labels))
        return grid_apply_refuse(a, GRID_EBAD_REQUEST,
                                 "labels of node %s are not KEY=VALUE,KEY=VALUE", info->name);
    if (!addresses || !info->weight || !info->shards)
        return grid_apply_refuse(a, GRID_EBAD_REQUEST,
                                 "node %s says nonsense of its addresses, weight or shards",
                                 info->name);
    return GRID_OK;
}

/* --- rows that a node touches ----------------------------------------------------------------- */

typedef bool row_fn(const struct grid_row_view *v, uint32_t node, struct grid_row *r);

static bool touches(const struct grid_table *t, uint32_t partition, const uint8_t *marked)
{
    const struct chunk_head *h;
    const struct replica_member *m = grid_table_members(t, partition, &h);
    for (int i = 0; i < h->len + h->away; i++)
        if (marked[m[i].node])
            return true;
    return false;
}

/* Call `change` for each row that has a marked node in it; `marked` is by number. */
static void rows_change(struct grid_state *s, const uint8_t *marked, row_fn *change, uint32_t node)
{
    for (size_t k = 0; k < s->tables_len; k++) {
        struct grid_row_view v = {s, &s->catalog->contexts[k]};
        for (uint32_t i = 0; i < v.info->partitions; i++) {
            struct grid_row r;
            if (!touches(s->tables[k], i, marked))
                continue;
            grid_table_row(s->tables[k], i, &r);
            if (change(&v, node, &r))
                grid_table_set(&s->tables[k], i, &r);
        }
    }
}

static bool gone(const struct grid_row_view *v, uint32_t node, struct grid_row *r)
{
    (void)node;
    return grid_row_gone(v, r);
}

static struct grid_node *node_own(struct grid_state *s, uint32_t number)
{
    const struct grid_node *n = grid_state_node(s, number);
    size_t at = (size_t)(n - s->nodes);
    return n ? grid_nodes_own(s) + at : NULL;
}

static uint64_t boot_half(const uint8_t *boot_id)
{
    uint64_t half = load_u64(boot_id);
    return half ? half : 1;
}

static void node_down(struct grid_node *n, msec_t now)
{
    n->state = NODE_DOWN;
    n->since = now;
    memmove(n->past + 1, n->past, sizeof n->past - sizeof *n->past);
    n->past[0] = boot_half(n->info.boot_id);
}

/* The lives of `nodes` end, all at once. */
static void nodes_down(struct grid_state *s, const uint32_t *nodes, size_t len, msec_t now)
{
    uint8_t *marked = xcalloc(s->node_next, 1);
    for (size_t i = 0; i < len; i++) {
        marked[nodes[i]] = 1;
        node_down(node_own(s, nodes[i]), now);
    }
    rows_change(s, marked, gone, 0);
    free(marked);
}

static void rows_of(struct grid_state *s, uint32_t node, row_fn *change)
{
    uint8_t *marked = xcalloc(s->node_next, 1);
    marked[node] = 1;
    rows_change(s, marked, change, node);
    free(marked);
}

/* The first partition that would lose records with the node. */
static bool needed(const struct grid_state *s, uint32_t node, const struct context_info **ret_info,
                   uint32_t *ret_partition)
{
    for (size_t k = 0; k < s->tables_len; k++) {
        struct grid_row_view v = {s, &s->catalog->contexts[k]};
        for (uint32_t i = 0; i < v.info->partitions; i++) {
            struct grid_row r;
            grid_table_row(s->tables[k], i, &r);
            if (!grid_row_needs(&v, node, &r))
                continue;
            *ret_info = v.info;
            *ret_partition = i;
            return true;
        }
    }
    return false;
}

/* For ever. */
static enum grid_err node_remove(struct apply *a, const struct grid_node *n, bool accept_loss)
{
    struct grid_state *s = a->s;
    uint32_t number = n->number, partition;
    const struct context_info *info;
    if (s->removed->len == GRID_REMOVED_MAX)
        return grid_apply_refuse(a, GRID_EFULL,
                                 "as many nodes were removed as a grid can remember");
    if (!accept_loss && needed(s, number, &info, &partition))
        return grid_apply_refuse(
            a, GRID_ECONDITION,
            "%s (number %u) has the last copy of partition %u of %s: drain it, or accept loss",
            n->info.name, number, partition, info->name);
    struct grid_tombstone t = {.number = number};
    memcpy(t.id, n->info.id, sizeof t.id);
    if (n->state == NODE_UP)
        nodes_down(s, &number, 1, a->c->now);
    rows_of(s, number, grid_row_removed);
    grid_nodes_delete(s, number);
    grid_removed_insert(s, &t);
    return GRID_OK;
}

/* A node that lost its disk, or its host, comes as another one: it takes the place of the one that
 * is down, which is removed, unless that has the last copy of something. */
static enum grid_err place_take(struct apply *a, const struct grid_node *named)
{
    const struct context_info *info;
    uint32_t partition;
    if (named->state == NODE_UP)
        return grid_apply_refuse(a, GRID_EEXISTS, "another node is up with the name %s (number %u)",
                                 named->info.name, named->number);
    if (needed(a->s, named->number, &info, &partition))
        return grid_apply_refuse(a, GRID_EEXISTS,
                                 "the name %s is that of node %u, which has the last copy of "
                                 "partition %u of %s: start it with its own data, or remove it and "
                                 "accept loss",
                                 named->info.name, named->number, partition, info->name);
    return node_remove(a, named, false);
}

/* --- commands --------------------------------------------------------------------------------- */

static bool boot_past(const struct grid_node *n, const uint8_t *boot_id)
{
    for (int i = 0; i < GRID_PAST_BOOTS; i++)
        if (n->past[i] == boot_half(boot_id))
            return true;
    return false;
}

static enum grid_err enter_new(struct apply *a, const struct node_info *info)
{
    struct grid_state *s = a->s;
    if (s->nodes_len == GRID_NODES_MAX)
        return grid_apply_refuse(a, GRID_EFULL, "the grid has %d nodes, as many as it can have",
                                 GRID_NODES_MAX);
    struct grid_node n = {.number = s->node_next++, .boot = 1, .info = *info, .since = a->c->now};
    grid_nodes_insert(s, &n);
    a->out->member = (struct replica_member){n.number, n.boot};
    return GRID_OK;
}

static enum grid_err enter_known(struct apply *a, const struct node_info *info, uint32_t number)
{
    struct grid_state *s = a->s;
    const struct grid_node *known = grid_state_node(s, number);
    if (known->boot == UINT32_MAX)
        return grid_apply_refuse(a, GRID_EFULL, "node %s was started too often", info->name);
    if (known->state == NODE_UP)
        nodes_down(s, &number, 1, a->c->now);
    struct grid_node *n = node_own(s, number);
    n->boot++;
    n->info = *info;
    n->state = NODE_UP;
    n->since = a->c->now;
    a->out->member = (struct replica_member){n->number, n->boot};
    rows_of(s, number, grid_row_returned);
    return GRID_OK;
}

enum grid_err apply_enter(struct apply *a)
{
    const struct node_info *info = a->c->u.enter;
    const struct grid_node *known = grid_state_node_by_id(a->s, info->id);
    enum grid_err err = node_info_check(a, info);
    if (err)
        return err;
    if (grid_state_removed(a->s, info->id))
        return grid_apply_refuse(
            a, GRID_EDENIED,
            "this node was removed from the grid for ever (it was number %u); with "
            "an empty data directory it may enter as a new one",
            grid_state_removed(a->s, info->id));
    if (node_info_level(info) < a->s->level) {
        grid_level_too_old(a->s, info, a->out->why);
        return GRID_EUNSUPPORTED;
    }
    if (known && memcmp(known->info.boot_id, info->boot_id, GRID_ID_BYTES) == 0 &&
        known->state == NODE_UP) {
        a->out->member = (struct replica_member){known->number, known->boot};
        a->same = true;
        return GRID_OK;
    }
    if (known && boot_past(known, info->boot_id))
        return grid_apply_refuse(
            a, GRID_ESTALE, "node %s was given up: it enters again with a new boot id", info->name);
    const struct grid_node *named = grid_state_node_named(a->s, slice_str(info->name));
    if (named && known && named != known)
        return grid_apply_refuse(a, GRID_EEXISTS, "another node has the name %s already",
                                 info->name);
    if (named && !known)
        err = place_take(a, named);
    if (err)
        return err;
    return known ? enter_known(a, info, known->number) : enter_new(a, info);
}

enum grid_err apply_gone(struct apply *a)
{
    uint32_t *nodes = xcalloc(a->c->u.gone.len ? a->c->u.gone.len : 1, sizeof *nodes);
    size_t len = 0;
    for (size_t i = 0; i < a->c->u.gone.len; i++) {
        bool repeated = false;
        for (size_t k = 0; k < len; k++)
            repeated |= nodes[k] == a->c->u.gone.list[i].node;
        if (!repeated && grid_state_lives(a->s, a->c->u.gone.list[i]))
            nodes[len++] = a->c->u.gone.list[i].node;
    }
    if (len)
        nodes_down(a->s, nodes, len, a->c->now);
    a->same = len == 0;
    free(nodes);
    return GRID_OK;
}

enum grid_err apply_alter(struct apply *a)
{
    const struct node_info *info = a->c->u.alter;
    const struct grid_node *known = grid_state_node_by_id(a->s, info->id);
    enum grid_err err = node_info_check(a, info);
    if (err)
        return err;
    if (!known || known->state != NODE_UP || strcmp(known->info.name, info->name) != 0 ||
        memcmp(known->info.boot_id, info->boot_id, GRID_ID_BYTES) != 0)
        return grid_apply_refuse(a, GRID_ESTALE, "no node %s is up with this id and boot id",
                                 info->name);
    a->out->member = (struct replica_member){known->number, known->boot};
    struct node_info next = known->info;
    memcpy(next.labels, info->labels, sizeof next.labels);
    memcpy(next.address, info->address, sizeof next.address);
    next.weight = info->weight;
    a->same = memcmp(&next, &known->info, sizeof next) == 0;
    if (!a->same)
        node_own(a->s, known->number)->info = next;
    return GRID_OK;
}

enum grid_err apply_drain(struct apply *a)
{
    const struct grid_node *n = grid_state_node(a->s, a->c->u.drain.node);
    if (!n)
        return grid_apply_refuse(a, GRID_ENOT_FOUND, "no node has the number %u",
                                 a->c->u.drain.node);
    a->same = n->draining == a->c->u.drain.on;
    if (!a->same)
        node_own(a->s, n->number)->draining = a->c->u.drain.on;
    return GRID_OK;
}

enum grid_err apply_remove(struct apply *a)
{
    uint32_t number = a->c->u.remove.node;
    const struct grid_node *n = grid_state_node(a->s, number);
    if (!n)
        return grid_apply_refuse(a, GRID_ENOT_FOUND, "no node has the number %u", number);
    if (a->s->nodes_len == 1)
        return grid_apply_refuse(a, GRID_ECONDITION, "%s is the last node", n->info.name);
    return node_remove(a, n, a->c->u.remove.accept_loss);
}

enum grid_err apply_voters(struct apply *a)
{
    a->same = true;
    for (size_t i = 0; i < a->s->nodes_len; i++) {
        bool voter = false;
        for (size_t k = 0; k < a->c->u.voters.len; k++)
            voter |= a->c->u.voters.list[k] == a->s->nodes[i].number;
        if (a->s->nodes[i].voter == voter)
            continue;
        grid_nodes_own(a->s)[i].voter = voter;
        a->same = false;
    }
    return GRID_OK;
}

/* The list says of each node what it knows: what the state has of it may be less, for an older
 * version that wrote the snapshot left it out. */
enum grid_err apply_levels(struct apply *a)
{
    const struct grid_state *s = a->s;
    size_t len = a->c->u.levels.len;
    const struct node_level *list = a->c->u.levels.list;
    bool all = len == s->nodes_len;
    uint32_t lowest = UINT32_MAX;
    for (size_t i = 0; all && i < len; i++) {
        all = list[i].member.node == s->nodes[i].number && list[i].member.boot == s->nodes[i].boot;
        lowest = list[i].level < lowest ? list[i].level : lowest;
    }
    if (!all)
        return grid_apply_refuse(a, GRID_ESTALE, "nodes came or went since levels were compared");
    a->same = lowest <= s->level;
    if (a->same)
        return GRID_OK;
    struct grid_node *own = grid_nodes_own(a->s);
    for (size_t i = 0; i < len; i++)
        own[i].info.level = list[i].level;
    a->s->level = lowest;
    return GRID_OK;
}
