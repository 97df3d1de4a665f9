/* topology.c - see topology.h. Pushes are rare: memory is taken and given back for each. */
#include "wire/topology.h"

#include "base/alloc.h"
#include "client.pb-c.h"
#include "wire/wire_priv.h"

#include <stdlib.h>

struct push {
    Grid__Topology m;
    Grid__TopologyNode *nodes, **node_list;
    Grid__TopologyContext *contexts, **context_list;
    uint32_t *numbers; /* what primaries and changes point into */
    size_t numbers_len, numbers_cap;
};

static void nodes_fill(struct push *p, const struct grid_state *s)
{
    p->nodes = xcalloc(s->nodes_len, sizeof *p->nodes);
    p->node_list = xcalloc(s->nodes_len, sizeof *p->node_list);
    for (size_t i = 0; i < s->nodes_len; i++) {
        const struct grid_node *n = &s->nodes[i];
        Grid__TopologyNode *to = p->node_list[i] = &p->nodes[i];
        grid__topology_node__init(to);
        to->number = n->number;
        to->name = wire_text(n->info.name);
        to->address = wire_text(n->info.address[ADDRESS_CLIENT]);
        to->shards = n->info.shards;
        to->up = n->state == NODE_UP;
    }
    p->m.nodes = p->node_list;
    p->m.n_nodes = s->nodes_len;
}

static void number_add(struct push *p, uint32_t number)
{
    if (p->numbers_len == p->numbers_cap) {
        p->numbers_cap = p->numbers_cap ? p->numbers_cap * 2 : 1024;
        p->numbers = xrealloc(p->numbers, p->numbers_cap, sizeof *p->numbers);
    }
    p->numbers[p->numbers_len++] = number;
}

static Grid__TopologyContext *context_add(struct push *p, uint32_t id, uint32_t partitions)
{
    Grid__TopologyContext *c = p->context_list[p->m.n_contexts] = &p->contexts[p->m.n_contexts];
    p->m.n_contexts++;
    grid__topology_context__init(c);
    c->id = id;
    c->partitions = partitions;
    return c;
}

static const struct grid_table *table_of(const struct grid_state *s, uint32_t context)
{
    for (size_t i = 0; i < s->tables_len; i++)
        if (s->tables[i]->context == context)
            return s->tables[i];
    return NULL;
}

/* Those that `before` does not have, as a whole. */
static void contexts_fill(struct push *p, const struct grid_state *before,
                          const struct grid_state *s)
{
    for (size_t i = 0; i < s->tables_len; i++) {
        const struct grid_table *t = s->tables[i];
        if (before && table_of(before, t->context))
            continue;
        Grid__TopologyContext *c = context_add(p, t->context, t->partitions);
        c->n_primaries = t->partitions;
        for (uint32_t k = 0; k < t->partitions; k++)
            number_add(p, grid_state_primary(s, t->context, k).node);
    }
    for (size_t i = 0; before && i < before->tables_len; i++)
        if (!table_of(s, before->tables[i]->context))
            context_add(p, before->tables[i]->context, 0);
}

static void changes_fill(struct push *p, const struct grid_state *before,
                         const struct grid_state *s)
{
    struct grid_change at = {0};
    Grid__TopologyContext *c = NULL;
    while (grid_state_next_change(before, s, &at)) {
        uint32_t was = grid_state_primary(before, at.context, at.partition).node;
        uint32_t is = grid_state_primary(s, at.context, at.partition).node;
        if (was == is)
            continue;
        if (!c || c->id != at.context)
            c = context_add(p, at.context, table_of(s, at.context)->partitions);
        number_add(p, at.partition);
        number_add(p, is);
        c->n_changes += 2;
    }
}

/* The array has moved while it grew. */
static void numbers_place(struct push *p)
{
    uint32_t *at = p->numbers;
    for (size_t i = 0; i < p->m.n_contexts; i++) {
        p->contexts[i].primaries = at;
        at += p->contexts[i].n_primaries;
        p->contexts[i].changes = at;
        at += p->contexts[i].n_changes;
    }
    p->m.contexts = p->context_list;
}

void wire_topology_push(struct buf *out, const struct grid_state *before,
                        const struct grid_state *now, uint32_t astray)
{
    struct push p = {0};
    size_t contexts = 2 * now->tables_len + (before ? before->tables_len : 0);
    grid__topology__init(&p.m);
    p.contexts = xcalloc(contexts, sizeof *p.contexts);
    p.context_list = xcalloc(contexts, sizeof *p.context_list);
    p.m.revision = now->revision;
    p.m.since = before ? before->revision : 0;
    p.m.astray = astray;
    nodes_fill(&p, now);
    contexts_fill(&p, before, now);
    if (before)
        changes_fill(&p, before, now);
    numbers_place(&p);
    Grid__Response m;
    grid__response__init(&m);
    m.owners = &p.m;
    wire_pack_frame(&m.base, out);
    free(p.nodes);
    free(p.node_list);
    free(p.contexts);
    free(p.context_list);
    free(p.numbers);
}

static bool node_differs(const struct grid_node *a, const struct grid_node *b)
{
    return a->number != b->number || a->state != b->state || a->info.shards != b->info.shards ||
           strcmp(a->info.address[ADDRESS_CLIENT], b->info.address[ADDRESS_CLIENT]) != 0;
}

bool wire_topology_differs(const struct grid_state *before, const struct grid_state *now)
{
    if (before->nodes_len != now->nodes_len || before->tables_len != now->tables_len)
        return true;
    for (size_t i = 0; i < now->nodes_len; i++)
        if (node_differs(&before->nodes[i], &now->nodes[i]))
            return true;
    for (size_t i = 0; i < now->tables_len; i++)
        if (before->tables[i]->context != now->tables[i]->context)
            return true;
    struct grid_change at = {0};
    while (grid_state_next_change(before, now, &at))
        if (grid_state_primary(before, at.context, at.partition).node !=
            grid_state_primary(now, at.context, at.partition).node)
            return true;
    return false;
}
