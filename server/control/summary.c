/* summary.c - the control state in numbers, and what differs between two. */
#include "control/settings.h"
#include "control/state_priv.h"

/* Nodes that may have a copy. */
static uint32_t takers_of(const struct grid_state *s, const struct context_info *info)
{
    uint32_t takers = 0;
    for (size_t i = 0; i < s->nodes_len; i++)
        takers += s->nodes[i].state == NODE_UP && !s->nodes[i].draining &&
                  grid_node_selected(&s->nodes[i], info);
    return takers;
}

uint32_t grid_state_copies(const struct grid_state *s, const struct context_info *info)
{
    uint32_t takers = takers_of(s, info), copies;
    copies =
        info->backups == BACKUPS_ALL || info->backups + 1 > takers ? takers : info->backups + 1;
    return copies > REPLICA_MEMBERS_MAX ? REPLICA_MEMBERS_MAX : copies;
}

uint32_t grid_state_unplaced(const struct grid_state *s, const struct context_info *info)
{
    uint32_t copies = grid_state_copies(s, info);
    if (info->backups == BACKUPS_ALL || info->backups + 1 <= copies)
        return 0;
    return info->backups + 1 - copies;
}

uint32_t grid_state_voters_missing(const struct grid_state *s)
{
    uint32_t could = 0, vote = 0, most = (uint32_t)catalog_setting(s->catalog, SETTING_voters);
    for (size_t i = 0; i < s->nodes_len; i++) {
        bool up = s->nodes[i].state == NODE_UP;
        could += up && !s->nodes[i].draining;
        vote += up && s->nodes[i].voter;
    }
    uint32_t wanted = could < most ? could : most;
    wanted -= wanted && wanted % 2 == 0;
    return wanted > vote ? wanted - vote : 0;
}

void grid_state_summary_add(const struct grid_state *s, size_t table, struct grid_summary *sum)
{
    const struct context_info *info = &s->catalog->contexts[table];
    uint32_t copies = grid_state_copies(s, info);
    sum->unplaced += (uint64_t)info->partitions * grid_state_unplaced(s, info);
    for (uint32_t i = 0; i < info->partitions; i++) {
        const struct chunk_head *h;
        grid_table_members(s->tables[table], i, &h);
        sum->partitions++;
        sum->unled += !h->led && !h->lost;
        sum->lost += h->lost;
        sum->short_of_copies += h->led && h->in_sync < copies;
        sum->below_min += h->led && h->in_sync < info->min_in_sync;
        sum->joining += (uint64_t)(h->len - h->complete);
        sum->surplus += h->led && h->in_sync > copies ? h->in_sync - copies : 0;
    }
}

void grid_state_summary(const struct grid_state *s, struct grid_summary *ret_summary)
{
    struct grid_summary sum = {0};
    for (size_t k = 0; k < s->tables_len; k++)
        grid_state_summary_add(s, k, &sum);
    *ret_summary = sum;
}

/* As many copies of each partition stay on drained nodes, for the others cannot hold all. */
static uint32_t kept_of(const struct grid_state *s, const struct context_info *info)
{
    uint32_t takers = takers_of(s, info), asked = info->min_in_sync;
    if (!takers)
        return UINT32_MAX;
    if (info->backups != BACKUPS_ALL && info->backups + 1 > asked)
        asked = info->backups + 1;
    return asked > takers ? asked - takers : 0;
}

static bool drained(const struct grid_state *s, struct replica_member m)
{
    const struct grid_node *n = grid_state_node(s, m.node);
    return n->draining && n->state == NODE_UP;
}

/* Those that it has of a row. While there are more, some are to go, and which is not said yet. */
static void count_kept(const struct grid_state *s, const struct replica_member *m, uint32_t in_sync,
                       uint32_t kept, struct grid_load *loads)
{
    uint32_t there = 0;
    for (uint32_t i = 0; i < in_sync; i++)
        there += drained(s, m[i]);
    for (uint32_t i = 0; i < in_sync && there <= kept; i++)
        if (drained(s, m[i]))
            loads[grid_state_node(s, m[i].node) - s->nodes].kept++;
}

void grid_state_loads(const struct grid_state *s, struct grid_load *ret_loads)
{
    memset(ret_loads, 0, s->nodes_len * sizeof *ret_loads);
    for (size_t k = 0; k < s->tables_len; k++) {
        uint32_t kept = kept_of(s, &s->catalog->contexts[k]);
        for (uint32_t i = 0; i < s->tables[k]->partitions; i++) {
            const struct chunk_head *h;
            const struct replica_member *m = grid_table_members(s->tables[k], i, &h);
            if (kept && h->led)
                count_kept(s, m, h->in_sync, kept, ret_loads);
            for (uint8_t j = 0; j < h->len; j++) {
                const struct grid_node *n = grid_state_node(s, m[j].node);
                struct grid_load *l = &ret_loads[n - s->nodes];
                l->copies += j < h->in_sync;
                l->primaries += j == 0 && h->led;
                l->joining += j >= h->complete;
                l->last += j < h->in_sync && (h->in_sync == 1 || !h->led);
            }
        }
    }
}

static bool rows_equal(const struct grid_table *a, const struct grid_table *b, uint32_t partition)
{
    const struct chunk_head *h, *g;
    grid_table_members(a, partition, &h);
    grid_table_members(b, partition, &g);
    return h->epoch == g->epoch && h->led == g->led;
}

/* The next row at or behind at->next that differs. */
static bool table_next_change(const struct grid_table *a, const struct grid_table *b,
                              struct grid_change *at)
{
    if (a == b)
        return false;
    while (at->next < b->partitions) {
        uint32_t i = at->next;
        if (a->chunks[i / CHUNK_ROWS] == b->chunks[i / CHUNK_ROWS]) {
            at->next = (i / CHUNK_ROWS + 1) * CHUNK_ROWS;
            continue;
        }
        at->next++;
        if (rows_equal(a, b, i))
            continue;
        at->context = b->context;
        at->partition = i;
        return true;
    }
    return false;
}

bool grid_state_next_change(const struct grid_state *before, const struct grid_state *after,
                            struct grid_change *at)
{
    for (; at->table < after->tables_len; at->table++, at->next = 0) {
        const struct grid_table *b = after->tables[at->table];
        const struct grid_table *a = grid_state_table_of(before, b->context);
        if (a && table_next_change(a, b, at))
            return true;
    }
    return false;
}
