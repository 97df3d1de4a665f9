/* state.c - the life of a control state, its shared lists, and lookups. Rows: table.c. */
#include "control/state_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

/* --- shared lists: each begins with its references and its length ----------------------------- */

#define LIST_NEW(type, room)                                                                       \
    xcalloc(1, sizeof(struct type) + (room) * sizeof(*((struct type *)0)->list))

static void refs_add(unsigned *refs)
{
    __atomic_fetch_add(refs, 1, __ATOMIC_RELAXED);
}

static bool refs_last(unsigned *refs)
{
    return __atomic_fetch_sub(refs, 1, __ATOMIC_ACQ_REL) == 1;
}

static bool refs_shared(const unsigned *refs)
{
    return __atomic_load_n(refs, __ATOMIC_ACQUIRE) > 1;
}

static void nodes_set(struct grid_state *s, struct grid_nodes *list)
{
    s->nodes_shared = list;
    s->nodes = list->list;
    s->nodes_len = list->len;
}

/* A list with `room` more, and what it has until now, but for the node `without`. */
static void nodes_remake(struct grid_state *s, size_t room, uint32_t without)
{
    struct grid_nodes *from = s->nodes_shared, *to = LIST_NEW(grid_nodes, from->len + room);
    to->refs = 1;
    for (size_t i = 0; i < from->len; i++)
        if (from->list[i].number != without)
            to->list[to->len++] = from->list[i];
    if (refs_last(&from->refs))
        free(from);
    nodes_set(s, to);
}

struct grid_node *grid_nodes_own(struct grid_state *s)
{
    if (refs_shared(&s->nodes_shared->refs))
        nodes_remake(s, 0, 0);
    return s->nodes_shared->list;
}

void grid_nodes_insert(struct grid_state *s, const struct grid_node *n)
{
    nodes_remake(s, 1, 0);
    struct grid_nodes *l = s->nodes_shared;
    size_t at = l->len;
    for (; at > 0 && l->list[at - 1].number > n->number; at--)
        l->list[at] = l->list[at - 1];
    l->list[at] = *n;
    l->len++;
    nodes_set(s, l);
}

void grid_nodes_delete(struct grid_state *s, uint32_t number)
{
    nodes_remake(s, 0, number);
}

void grid_nodes_set_all(struct grid_state *s, const struct grid_node *list, size_t len)
{
    struct grid_nodes *to = LIST_NEW(grid_nodes, len);
    to->refs = 1;
    to->len = len;
    if (len)
        memcpy(to->list, list, len * sizeof *list);
    if (refs_last(&s->nodes_shared->refs))
        free(s->nodes_shared);
    nodes_set(s, to);
}

void grid_removed_set_all(struct grid_state *s, const struct grid_tombstone *list, size_t len)
{
    struct grid_removed *to = LIST_NEW(grid_removed, len);
    to->refs = 1;
    to->len = len;
    if (len)
        memcpy(to->list, list, len * sizeof *list);
    if (refs_last(&s->removed->refs))
        free(s->removed);
    s->removed = to;
}

void grid_removed_insert(struct grid_state *s, const struct grid_tombstone *t)
{
    size_t len = s->removed->len, at = 0;
    struct grid_tombstone *list = xcalloc(len + 1, sizeof *list);
    while (at < len && s->removed->list[at].number < t->number)
        at++;
    for (size_t i = 0; i <= len; i++)
        list[i] = i == at ? *t : s->removed->list[i - (i > at)];
    grid_removed_set_all(s, list, len + 1);
    free(list);
}

struct grid_session *grid_sessions_own(struct grid_state *s, size_t room)
{
    struct grid_sessions *from = s->sessions;
    if (!room && !refs_shared(&from->refs))
        return from->list;
    struct grid_sessions *to = LIST_NEW(grid_sessions, from->len + room);
    to->refs = 1;
    to->len = from->len + room;
    if (from->len)
        memcpy(to->list, from->list, from->len * sizeof *from->list);
    if (refs_last(&from->refs))
        free(from);
    s->sessions = to;
    return to->list;
}

/* --- life ----------------------------------------------------------------------------------- */

struct grid_state *grid_state_new(void)
{
    struct grid_state *s = xcalloc(1, sizeof *s);
    s->refs = 1;
    s->node_next = 1;
    nodes_set(s, LIST_NEW(grid_nodes, 0));
    s->removed = LIST_NEW(grid_removed, 0);
    s->sessions = LIST_NEW(grid_sessions, 0);
    s->nodes_shared->refs = s->removed->refs = s->sessions->refs = 1;
    return s;
}

struct grid_state *grid_state_copy(const struct grid_state *s)
{
    struct grid_state *c = xcalloc(1, sizeof *c);
    c->revision = s->revision;
    memcpy(c->grid, s->grid, sizeof c->grid);
    memcpy(c->grid_id, s->grid_id, sizeof c->grid_id);
    c->catalog = s->catalog ? catalog_ref(s->catalog) : NULL;
    nodes_set(c, s->nodes_shared);
    c->node_next = s->node_next;
    c->level = s->level;
    c->rebalance_paused = s->rebalance_paused;
    c->tables = xcalloc(s->tables_len ? s->tables_len : 1, sizeof *c->tables);
    c->tables_len = s->tables_len;
    for (size_t i = 0; i < s->tables_len; i++)
        c->tables[i] = grid_table_ref(s->tables[i]);
    c->removed = s->removed;
    c->sessions = s->sessions;
    refs_add(&c->nodes_shared->refs);
    refs_add(&c->removed->refs);
    refs_add(&c->sessions->refs);
    c->refs = 1;
    return c;
}

struct grid_state *grid_state_ref(struct grid_state *s)
{
    refs_add(&s->refs);
    return s;
}

void grid_state_unref(struct grid_state *s)
{
    if (!s || !refs_last(&s->refs))
        return;
    for (size_t i = 0; i < s->tables_len; i++)
        grid_table_unref(s->tables[i]);
    free(s->tables);
    catalog_unref(s->catalog);
    if (refs_last(&s->nodes_shared->refs))
        free(s->nodes_shared);
    if (refs_last(&s->removed->refs))
        free(s->removed);
    if (refs_last(&s->sessions->refs))
        free(s->sessions);
    free(s);
}

void grid_state_catalog_set(struct grid_state *s, struct catalog *c_take)
{
    struct grid_table **tables =
        xcalloc(c_take->contexts_len ? c_take->contexts_len : 1, sizeof *tables);
    size_t from = 0;
    for (size_t i = 0; i < c_take->contexts_len; i++) {
        const struct context_info *info = &c_take->contexts[i];
        while (from < s->tables_len && s->tables[from]->context < info->id)
            grid_table_unref(s->tables[from++]);
        bool there = from < s->tables_len && s->tables[from]->context == info->id;
        tables[i] = there ? s->tables[from++] : grid_table_new(info->id, info->partitions);
    }
    while (from < s->tables_len)
        grid_table_unref(s->tables[from++]);
    free(s->tables);
    s->tables = tables;
    s->tables_len = c_take->contexts_len;
    catalog_unref(s->catalog);
    s->catalog = c_take;
}

/* --- lookups -------------------------------------------------------------------------------- */

const struct grid_node *grid_state_node(const struct grid_state *s, uint32_t number)
{
    size_t low = 0, high = s->nodes_len;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (s->nodes[mid].number < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low < s->nodes_len && s->nodes[low].number == number ? &s->nodes[low] : NULL;
}

const struct grid_node *grid_state_node_by_id(const struct grid_state *s, const uint8_t *id)
{
    for (size_t i = 0; i < s->nodes_len; i++)
        if (memcmp(s->nodes[i].info.id, id, GRID_ID_BYTES) == 0)
            return &s->nodes[i];
    return NULL;
}

const struct grid_node *grid_state_node_named(const struct grid_state *s, struct slice name)
{
    for (size_t i = 0; i < s->nodes_len; i++)
        if (slice_eq(slice_str(s->nodes[i].info.name), name))
            return &s->nodes[i];
    return NULL;
}

uint32_t grid_state_removed(const struct grid_state *s, const uint8_t *id)
{
    for (size_t i = 0; i < s->removed->len; i++)
        if (memcmp(s->removed->list[i].id, id, GRID_ID_BYTES) == 0)
            return s->removed->list[i].number;
    return 0;
}

size_t grid_state_removed_len(const struct grid_state *s)
{
    return s->removed->len;
}

bool grid_state_lives(const struct grid_state *s, struct replica_member m)
{
    const struct grid_node *n = grid_state_node(s, m.node);
    return n && n->state == NODE_UP && n->boot == m.boot;
}

struct slice grid_node_label(const struct grid_node *n, const char *key)
{
    size_t len = strlen(key);
    for (const char *at = n->info.labels; *at;) {
        const char *end = strchrnul(at, ',');
        if ((size_t)(end - at) > len && at[len] == '=' && memcmp(at, key, len) == 0)
            return slice_make(at + len + 1, (size_t)(end - at) - len - 1);
        at = *end ? end + 1 : end;
    }
    return slice_make("", 0);
}

bool grid_node_labelled(const struct grid_node *n, struct slice label)
{
    bool found = !label.len;
    for (const char *at = n->info.labels; *at && !found;) {
        const char *end = strchrnul(at, ',');
        found = slice_eq(slice_make(at, (size_t)(end - at)), label);
        at = *end ? end + 1 : end;
    }
    return found;
}

bool grid_node_selected(const struct grid_node *n, const struct context_info *info)
{
    const char *equals = strchr(info->nodes, '=');
    char key[sizeof info->nodes];
    if (!equals)
        return true;
    memcpy(key, info->nodes, sizeof key);
    key[equals - info->nodes] = 0;
    return slice_eq(grid_node_label(n, key), slice_str(equals + 1));
}

const struct grid_table *grid_state_table_of(const struct grid_state *s, uint32_t context)
{
    size_t low = 0, high = s->tables_len;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (s->tables[mid]->context < context)
            low = mid + 1;
        else
            high = mid;
    }
    return low < s->tables_len && s->tables[low]->context == context ? s->tables[low] : NULL;
}

struct grid_table **grid_state_table(struct grid_state *s, uint32_t context)
{
    for (size_t i = 0; i < s->tables_len; i++)
        if (s->tables[i]->context == context)
            return &s->tables[i];
    return NULL;
}

static const struct grid_table *table_with(const struct grid_state *s, uint32_t context,
                                           uint32_t partition)
{
    const struct grid_table *t = grid_state_table_of(s, context);
    return t && partition < t->partitions ? t : NULL;
}

bool grid_state_config(const struct grid_state *s, uint32_t context, uint32_t partition,
                       struct replica_config *ret_config)
{
    const struct grid_table *t = table_with(s, context, partition);
    if (!t)
        return false;
    const struct chunk_head *h;
    const struct replica_member *m = grid_table_members(t, partition, &h);
    *ret_config = (struct replica_config){.epoch = h->epoch,
                                          .born = h->born,
                                          .led = h->led,
                                          .lost = h->lost,
                                          .in_sync = h->in_sync,
                                          .complete = h->complete,
                                          .len = h->len};
    if (h->len)
        memcpy(ret_config->members, m, h->len * sizeof *m);
    return true;
}

struct replica_member grid_state_primary(const struct grid_state *s, uint32_t context,
                                         uint32_t partition)
{
    const struct grid_table *t = table_with(s, context, partition);
    const struct chunk_head *h;
    const struct replica_member *m = t ? grid_table_members(t, partition, &h) : NULL;
    return t && h->led ? m[0] : (struct replica_member){0, 0};
}

uint32_t grid_state_epoch(const struct grid_state *s, uint32_t context, uint32_t partition)
{
    const struct grid_table *t = table_with(s, context, partition);
    return t ? t->chunks[partition / CHUNK_ROWS]->heads[partition % CHUNK_ROWS].epoch : 0;
}

uint32_t grid_state_away(const struct grid_state *s, uint32_t context, uint32_t partition,
                         uint32_t ret_nodes[GRID_AWAY_MAX])
{
    const struct grid_table *t = table_with(s, context, partition);
    if (!t)
        return 0;
    const struct chunk_head *h;
    const struct replica_member *m = grid_table_members(t, partition, &h);
    for (uint32_t i = 0; i < h->away; i++)
        ret_nodes[i] = m[h->len + i].node;
    return h->away;
}
