/* topology.c - the nodes of a grid and who is primary of which partition, as a node pushes it. A
 * hint: a request that comes to a node that is not primary is passed on there, so what is not known
 * goes to any node, and what was known wrong costs a hop. */
#include "topology.h"
#include "proto/slot.h"

#include <stdlib.h>

enum { NODES_MAX = 4096, CONTEXTS_MAX = 65536 };

/* --- nodes ------------------------------------------------------------------------------------ */

static struct member *member_find(const struct topology *t, uint32_t number)
{
    for (size_t i = 0; i < t->members_len; i++)
        if (t->members[i]->number == number)
            return t->members[i];
    return NULL;
}

static struct member *member_make(struct topology *t, uint32_t number)
{
    struct member *m = member_find(t, number);
    if (m || t->members_len == NODES_MAX)
        return m;
    t->members = gc_realloc(t->members, (t->members_len + 1) * sizeof(struct member *));
    m = t->members[t->members_len++] = gc_calloc(1, sizeof *m);
    m->number = number;
    return m;
}

static void member_take(struct topology *t, const struct wire_node *n)
{
    struct member *m = member_make(t, n->number);
    struct endpoint endpoint;
    if (!m || n->shards < 1 || n->shards > SHARDS_MAX || !gc_endpoint_parse(n->address, &endpoint))
        return;
    if (n->shards > m->room) { /* links to the shards it had stay, should it have fewer now */
        struct link **by_shard = gc_calloc(n->shards, sizeof(struct link *));
        for (uint32_t i = 0; i < m->room; i++)
            by_shard[i] = m->by_shard[i];
        free(m->by_shard);
        m->by_shard = by_shard;
        m->room = n->shards;
    }
    m->shards = n->shards;
    m->endpoint = endpoint;
    m->up = n->up;
}

static bool nodes_take(struct topology *t, struct wire_list *list)
{
    struct wire_node n;
    for (size_t i = 0; i < t->members_len; i++)
        t->members[i]->up = false;
    while (gc_wire_node_next(list, &n))
        member_take(t, &n);
    size_t bucket = 0;
    for (size_t i = 0; i < t->members_len; i++) {
        t->members[i]->bucket = bucket;
        bucket += t->members[i]->shards;
    }
    t->buckets = bucket;
    return list->len == 0;
}

/* What it did, others do by now, or soon. */
static void astray_take(struct topology *t, uint32_t number)
{
    struct member *m = number ? member_find(t, number) : NULL;
    t->astray = number != 0;
    for (size_t i = 0; !number && i < t->members_len; i++)
        t->members[i]->astray = false;
    if (m) {
        m->astray = true;
        m->up = false;
    }
}

/* --- partitions ------------------------------------------------------------------------------- */

static struct ownership *ownership_find(const struct topology *t, uint32_t id)
{
    for (size_t i = 0; i < t->contexts_len; i++)
        if (t->contexts[i].id == id)
            return &t->contexts[i];
    return NULL;
}

static struct ownership *ownership_make(struct topology *t, uint32_t id)
{
    struct ownership *o = ownership_find(t, id);
    if (o || t->contexts_len == CONTEXTS_MAX)
        return o;
    t->contexts = gc_realloc(t->contexts, (t->contexts_len + 1) * sizeof *t->contexts);
    o = &t->contexts[t->contexts_len++];
    *o = (struct ownership){.id = id};
    return o;
}

static bool owners_take(struct topology *t, struct wire_owners *w)
{
    struct ownership *o = ownership_make(t, w->id);
    uint32_t partition, number;
    if (!o || w->partitions > SLOTS)
        return false;
    if (w->partitions != o->partitions) {
        free(o->primaries);
        o->primaries = w->partitions ? gc_calloc(w->partitions, sizeof *o->primaries) : NULL;
        o->partitions = w->partitions;
    }
    for (partition = 0; gc_wire_number_next(&w->primaries, &number); partition++) {
        if (partition >= o->partitions)
            return false;
        o->primaries[partition] = number;
    }
    while (gc_wire_number_next(&w->changes, &partition)) {
        if (!gc_wire_number_next(&w->changes, &number) || partition >= o->partitions)
            return false;
        o->primaries[partition] = number;
    }
    return w->primaries.len == 0 && w->changes.len == 0;
}

/* --- the whole -------------------------------------------------------------------------------- */

bool gc_topology_take(struct topology *t, struct grid_bytes body)
{
    struct wire_topology w;
    struct wire_owners owners;
    if (!gc_wire_topology(body, &w))
        return false;
    if (w.since && w.since != t->revision)
        return true; /* of another connection than the one that told the rest */
    t->revision = 0; /* until it was read as a whole */
    if (!nodes_take(t, &w.nodes))
        return false;
    astray_take(t, w.astray);
    while (gc_wire_owners_next(&w.contexts, &owners))
        if (!owners_take(t, &owners))
            return false;
    if (w.contexts.len)
        return false;
    t->revision = w.revision;
    return true;
}

struct member *gc_topology_owner(const struct topology *t, uint32_t context, uint16_t slot)
{
    const struct ownership *o = t->revision ? ownership_find(t, context) : NULL;
    if (!o || !o->partitions)
        return NULL;
    struct member *m = member_find(t, o->primaries[slot_partition(slot, o->partitions)]);
    return m && m->up && m->shards ? m : NULL;
}

void gc_topology_release(struct topology *t)
{
    for (size_t i = 0; i < t->members_len; i++) {
        free(t->members[i]->by_shard);
        free(t->members[i]);
    }
    for (size_t i = 0; i < t->contexts_len; i++)
        free(t->contexts[i].primaries);
    free(t->members);
    free(t->contexts);
}
