/* placing.c - the control state as placement sees it: nodes by index, a row of copies per
 * partition.
 * While a copy moves, a partition has one more than it should: those on their way count, for they
 * were wanted, and of those there the one on the fullest node does not. */
#include "control/state_priv.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"

#include <stdlib.h>

static uint32_t zone_of(const struct grid_node *n)
{
    struct slice zone = grid_node_label(n, "zone");
    uint32_t h = (uint32_t)hash_key(zone, 0);
    return zone.len ? (h ? h : 1) : PLACE_ZONE_NONE;
}

void placing_init(struct placing *p, const struct grid_state *s, const struct context_info *info,
                  msec_t now, msec_t patience)
{
    uint32_t takers = 0;
    p->nodes = xcalloc(s->nodes_len ? s->nodes_len : 1, sizeof *p->nodes);
    for (size_t i = 0; i < s->nodes_len; i++) {
        const struct grid_node *n = &s->nodes[i];
        bool there = n->state == NODE_UP || (n->since + patience > now && patience);
        p->nodes[i] =
            (struct place_node){.id = load_u64(n->info.id),
                                .weight = n->info.weight,
                                .zone = zone_of(n),
                                .takes = there && !n->draining && grid_node_selected(n, info)};
        takers += p->nodes[i].takes;
    }
    uint32_t copies = info->backups == BACKUPS_ALL ? takers : info->backups + 1;
    if (copies > REPLICA_MEMBERS_MAX)
        copies = REPLICA_MEMBERS_MAX;
    p->conf = (struct place_conf){.nodes = p->nodes,
                                  .nodes_len = (uint32_t)s->nodes_len,
                                  .partitions = info->partitions,
                                  .copies = copies ? copies : 1,
                                  .seed = load_u64(s->grid_id) ^ info->id * 0x9e3779b97f4a7c15u};
    p->rows = NULL;
}

void placing_release(struct placing *p)
{
    free(p->nodes);
    free(p->rows);
}

struct today {
    const struct placing *p;
    const struct grid_state *s;
    uint32_t *load; /* copies of each node that are sure to stay */
    uint16_t *rows;
};

enum { ROW_LEN_MAX = GRID_ROW_MEMBERS_MAX };

struct held { /* who has, gets or had a copy and may have one; the primary first */
    uint32_t len;
    uint32_t there; /* in sync: the first ones */
    uint32_t sure;  /* joining or in sync: the first ones */
    uint16_t node[ROW_LEN_MAX];
};

static struct held held_of(const struct today *t, const struct grid_row *r)
{
    struct held h = {0};
    const uint8_t order[4][2] = {{0, r->in_sync},
                                 {r->complete, r->len},
                                 {r->in_sync, r->complete},
                                 {r->len, (uint8_t)(r->len + r->away)}};
    for (int k = 0; k < 4; k++) {
        for (uint8_t i = order[k][0]; i < order[k][1]; i++) {
            const struct grid_node *n = grid_state_node(t->s, r->m[i].node);
            if (n && t->p->nodes[n - t->s->nodes].takes)
                h.node[h.len++] = (uint16_t)(n - t->s->nodes);
        }
        if (k == 0)
            h.there = h.len;
        if (k <= 1)
            h.sure = h.len;
    }
    return h;
}

/* Leave the fullest of those out that have a copy, until there are no more than asked. */
static void held_trim(const struct today *t, struct held *h)
{
    uint32_t copies = t->p->conf.copies;
    if (h->len > copies)
        h->len = h->sure > copies ? h->sure : copies;
    while (h->len > copies && h->there) {
        uint32_t most = 0;
        for (uint32_t i = 1; i < h->there; i++) {
            const struct place_node *a = &t->p->nodes[h->node[i]], *b = &t->p->nodes[h->node[most]];
            uint64_t wa = a->weight ? a->weight : 1, wb = b->weight ? b->weight : 1;
            if (t->load[h->node[i]] * wb >= t->load[h->node[most]] * wa)
                most = i;
        }
        memmove(&h->node[most], &h->node[most + 1], (h->len - most - 1) * sizeof *h->node);
        h->len--;
        h->there--;
    }
    if (h->len > copies)
        h->len = copies;
}

static void today_set(struct today *t, uint32_t partition, const struct held *h)
{
    uint16_t *row = t->rows + (size_t)partition * t->p->conf.copies;
    for (uint32_t i = 0; i < t->p->conf.copies; i++) {
        row[i] = i < h->len ? h->node[i] : PLACE_NONE;
        if (i < h->len)
            t->load[h->node[i]]++;
    }
}

static void today_fill(struct today *t, const struct grid_table *table)
{
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < table->partitions; i++) {
            struct grid_row r;
            grid_table_row(table, i, &r);
            struct held h = held_of(t, &r);
            if ((h.sure > t->p->conf.copies) != (pass == 1))
                continue;
            held_trim(t, &h);
            today_set(t, i, &h);
        }
    }
}

void placing_place(struct placing *p, const struct grid_state *s, const struct grid_table *t)
{
    size_t cells = (size_t)p->conf.partitions * p->conf.copies;
    struct today today = {.p = p,
                          .s = s,
                          .load = xcalloc(s->nodes_len ? s->nodes_len : 1, sizeof *today.load),
                          .rows = xalloc(cells * sizeof *today.rows)};
    p->rows = xalloc(cells * sizeof *p->rows);
    for (size_t i = 0; i < cells; i++)
        today.rows[i] = PLACE_NONE;
    if (t)
        today_fill(&today, t);
    place(&p->conf, today.rows, p->rows);
    free(today.load);
    free(today.rows);
}
