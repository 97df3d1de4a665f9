/* apply_parts.c - changes of partitions, by compare-and-set on their epochs (R1). */
#include "control/state_priv.h"

#include "base/alloc.h"

#include <stdio.h>

/* Where lost partitions of a context begin again; made once per command and context. */
struct reset {
    bool made;
    uint32_t context;
    struct placing p;
};

static void reset_make(struct reset *r, struct apply *a, const struct context_info *info)
{
    if (r->made && r->context == info->id)
        return;
    if (r->made)
        placing_release(&r->p);
    placing_init(&r->p, a->s, info, a->c->now, 0);
    placing_place(&r->p, a->s, grid_state_table_of(a->s, info->id));
    r->context = info->id;
    r->made = true;
}

static enum grid_err reset(struct reset *z, struct apply *a, const struct context_info *info,
                           const struct part_change *c, struct grid_row *r, char *why)
{
    struct replica_member m[REPLICA_MEMBERS_MAX];
    uint32_t len = 0;
    if (!r->lost || r->epoch == GRID_EPOCH_MAX) {
        snprintf(why, WHY_BYTES, "it is not lost");
        return GRID_ECONDITION;
    }
    reset_make(z, a, info);
    for (; len < place_copies(&z->p.conf); len++) {
        uint32_t at = z->p.rows[(size_t)c->partition * z->p.conf.copies + len];
        m[len] = (struct replica_member){a->s->nodes[at].number, a->s->nodes[at].boot};
    }
    if (!len) {
        snprintf(why, WHY_BYTES, "no node is there to hold it");
        return GRID_ECONDITION;
    }
    grid_row_begin(m, len, r->epoch + 1, r);
    return GRID_OK;
}

static enum grid_err part_apply(struct apply *a, struct reset *z, const struct part_change *c,
                                char *why)
{
    struct grid_table **t = grid_state_table(a->s, c->context);
    struct grid_row_view v = {a->s, catalog_context(a->s->catalog, c->context)};
    struct grid_row r;
    if (!t || c->partition >= (*t)->partitions) {
        snprintf(why, WHY_BYTES, "there is no such partition");
        return GRID_ENO_CONTEXT;
    }
    grid_table_row(*t, c->partition, &r);
    if (r.epoch != c->epoch) {
        snprintf(why, WHY_BYTES, "partition %u of %s has epoch %u, not %u", c->partition,
                 v.info->name, r.epoch, c->epoch);
        return GRID_ESTALE;
    }
    enum grid_err err =
        c->kind == PART_RESET ? reset(z, a, v.info, c, &r, why) : grid_row_change(&v, c, &r, why);
    if (!err)
        grid_table_set(t, c->partition, &r);
    return err;
}

enum grid_err apply_parts(struct apply *a)
{
    const struct grid_command *c = a->c;
    struct reset z = {0};
    size_t made = 0;
    if (c->u.parts.len < 1 || c->u.parts.len > GRID_PARTS_MAX)
        return grid_apply_refuse(a, GRID_EBAD_REQUEST, "1 to %d changes of partitions at a time",
                                 GRID_PARTS_MAX);
    for (size_t i = 0; i < c->u.parts.len; i++) {
        char why[WHY_BYTES] = "no such change";
        a->out->part_err[i] = (uint8_t)part_apply(a, &z, &c->u.parts.list[i], why);
        made += a->out->part_err[i] == GRID_OK;
        if (a->out->part_err[i] && !a->out->why[0])
            memcpy(a->out->why, why, sizeof why);
    }
    if (z.made)
        placing_release(&z.p);
    if (!made)
        return (enum grid_err)a->out->part_err[0];
    a->out->why[0] = 0;
    return GRID_OK;
}
