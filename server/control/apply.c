/* apply.c - commands in: once each (C8), whole or not at all. Nodes: apply_nodes.c; partitions:
 * apply_parts.c. */
#include "control/state_priv.h"

#include "base/alloc.h"
#include "control/level.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum grid_err grid_apply_refuse(struct apply *a, enum grid_err err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(a->out->why, sizeof a->out->why, fmt, ap);
    va_end(ap);
    return err;
}

/* --- founding --------------------------------------------------------------------------------- */

static enum grid_err found_check(struct apply *a)
{
    const struct grid_command *c = a->c;
    bool voters = false;
    if (!control_name_good(slice_str(c->u.found.grid)))
        return grid_apply_refuse(a, GRID_EBAD_REQUEST, "a grid is not named \"%.64s\"",
                                 c->u.found.grid);
    if (c->u.found.founders_len < 1 || c->u.found.founders_len > GRID_FOUNDERS_MAX ||
        c->u.found.epoch >= GRID_EPOCH_MAX)
        return grid_apply_refuse(a, GRID_EBAD_REQUEST, "a grid is founded by 1 to %d nodes",
                                 GRID_FOUNDERS_MAX);
    for (size_t i = 0; i < c->u.found.founders_len; i++) {
        const struct node_info *n = &c->u.found.founders[i];
        enum grid_err err = node_info_check(a, n);
        if (err)
            return err;
        for (size_t k = 0; k < i; k++)
            if (memcmp(n->id, c->u.found.founders[k].id, GRID_ID_BYTES) == 0 ||
                strcmp(n->name, c->u.found.founders[k].name) == 0)
                return grid_apply_refuse(a, GRID_EEXISTS, "two founders have the name or id of %s",
                                         n->name);
        voters |= c->u.found.voter[i];
    }
    return voters ? GRID_OK : grid_apply_refuse(a, GRID_EBAD_REQUEST, "no founder is a voter");
}

/* All of the table, empty and in sync, where placement wants it. False: no node takes any. */
static bool table_begin(struct grid_state *s, const struct context_info *info, msec_t now)
{
    struct placing p;
    placing_init(&p, s, info, now, 0);
    uint32_t copies = place_copies(&p.conf);
    if (copies) {
        placing_place(&p, s, NULL);
        for (uint32_t i = 0; i < info->partitions; i++) {
            struct replica_member m[REPLICA_MEMBERS_MAX];
            struct grid_row r;
            for (uint32_t k = 0; k < copies; k++) {
                const struct grid_node *n = &s->nodes[p.rows[(size_t)i * p.conf.copies + k]];
                m[k] = (struct replica_member){n->number, n->boot};
            }
            grid_row_begin(m, copies, 1, &r);
            grid_table_set(grid_state_table(s, info->id), i, &r);
        }
    }
    placing_release(&p);
    return copies > 0;
}

/* What was on the first founder's disk is the grid's now; of `memory`, nothing was. */
static void table_adopt(struct grid_state *s, const struct context_info *info, uint32_t epoch)
{
    struct replica_member first = {s->nodes[0].number, s->nodes[0].boot};
    struct grid_row r;
    grid_row_begin(&first, 1, epoch ? epoch : 1, &r);
    if (info->durability != DURABILITY_MEMORY)
        r.born = 0;
    for (uint32_t i = 0; i < info->partitions; i++)
        grid_table_set(grid_state_table(s, info->id), i, &r);
}

static uint32_t lowest_level(const struct grid_command *c)
{
    uint32_t lowest = UINT32_MAX;
    for (size_t i = 0; i < c->u.found.founders_len; i++) {
        uint32_t level = node_info_level(&c->u.found.founders[i]);
        lowest = level < lowest ? level : lowest;
    }
    return lowest;
}

static enum grid_err apply_found(struct apply *a)
{
    const struct grid_command *c = a->c;
    struct grid_state *s = a->s;
    if (grid_state_founded(s))
        return grid_apply_refuse(a, GRID_EEXISTS, "the grid %s is founded already", s->grid);
    enum grid_err err = found_check(a);
    if (err)
        return err;
    snprintf(s->grid, sizeof s->grid, "%s", c->u.found.grid);
    memcpy(s->grid_id, c->u.found.grid_id, GRID_ID_BYTES);
    for (size_t i = 0; i < c->u.found.founders_len; i++) {
        struct grid_node n = {.number = s->node_next++,
                              .boot = 1,
                              .info = c->u.found.founders[i],
                              .voter = c->u.found.voter[i],
                              .since = c->now};
        grid_nodes_insert(s, &n);
    }
    const struct catalog *adopt = c->u.found.adopt;
    s->level = lowest_level(c);
    grid_state_catalog_set(s, adopt ? catalog_copy(adopt) : catalog_new());
    for (size_t i = 0; i < s->catalog->contexts_len; i++) {
        if (adopt)
            table_adopt(s, &s->catalog->contexts[i], c->u.found.epoch);
        else
            CHECK(table_begin(s, &s->catalog->contexts[i], c->now));
    }
    a->out->member = (struct replica_member){1, 1};
    return GRID_OK;
}

/* --- catalog ---------------------------------------------------------------------------------- */

static uint32_t leads(const void *ctx, uint32_t context, uint32_t partition)
{
    return grid_state_primary(ctx, context, partition).node;
}

/* All nodes have the same state: while some know nothing of versions that were replaced, none keeps
 * them. */
static enum grid_err deploy(const struct apply *a, struct catalog *next, char *why)
{
    const struct grid_command *c = a->c;
    enum grid_err err = catalog_module_deploy(next, c->u.module.info, c->u.module.replace, why);
    if (a->s->level < GRID_LEVEL_NATIVE)
        catalog_modules_forget(next);
    return err;
}

static enum grid_err catalog_change(struct apply *a, struct catalog *next)
{
    const struct grid_command *c = a->c;
    char *why = a->out->why;
    switch (c->kind) {
    case GRID_CONTEXT_CREATE:
        return catalog_context_create(next, c->u.context, why);
    case GRID_CONTEXT_ALTER:
        return catalog_context_alter(next, c->u.context, why);
    case GRID_CONTEXT_DROP:
        return catalog_context_drop(next, c->u.name, why);
    case GRID_CACHE_CREATE:
        return catalog_cache_create(next, c->u.cache.path, c->u.cache.ttl_ms, why);
    case GRID_CACHE_DROP:
        return catalog_cache_drop(next, c->u.cache.path, why);
    case GRID_MODULE_DEPLOY:
        return deploy(a, next, why);
    case GRID_MODULE_REMOVE:
        return catalog_module_remove(next, c->u.name, why);
    case GRID_SERVICE_DEPLOY:
        return catalog_service_deploy(next, c->u.service, leads, a->s, why);
    case GRID_SERVICE_STOP:
        return catalog_service_stop(next, c->u.name, why);
    case GRID_SERVICE_MOVE:
        return catalog_service_move(next, &c->u.move, why);
    default:
        return catalog_setting_set(next, c->u.setting.name, c->u.setting.value, why);
    }
}

/* Records that were acknowledged from memory must be known to be the last before the disk alone is
 * trusted. */
static enum grid_err durability_check(struct apply *a)
{
    const struct context_info *want = a->c->u.context;
    const struct context_info *info = catalog_context_named(a->s->catalog, slice_str(want->name));
    const struct grid_table *t = info ? grid_state_table_of(a->s, info->id) : NULL;
    for (uint32_t i = 0; t && info->durability != want->durability && i < t->partitions; i++) {
        const struct chunk_head *h;
        grid_table_members(t, i, &h);
        if (!h->led)
            return grid_apply_refuse(
                a, GRID_ECONDITION,
                "partition %u of %s has no primary: durability cannot change now", i, info->name);
    }
    return GRID_OK;
}

static void table_settle(struct grid_state *s, const struct context_info *info)
{
    struct grid_table **t = grid_state_table(s, info->id);
    struct grid_row_view v = {s, info};
    for (uint32_t i = 0; i < info->partitions; i++) {
        struct grid_row r;
        grid_table_row(*t, i, &r);
        if (grid_row_settle_eligible(&v, &r))
            grid_table_set(t, i, &r);
    }
}

static bool has_place(const struct grid_state *s, const struct context_info *info)
{
    struct placing p;
    placing_init(&p, s, info, 0, 0);
    uint32_t copies = place_copies(&p.conf);
    placing_release(&p);
    return copies > 0;
}

static enum grid_err apply_catalog(struct apply *a)
{
    struct grid_state *s = a->s;
    bool create = a->c->kind == GRID_CONTEXT_CREATE, alter = a->c->kind == GRID_CONTEXT_ALTER;
    enum grid_err err = alter ? durability_check(a) : (enum grid_err)GRID_OK;
    if (err)
        return err;
    struct catalog *next = catalog_copy(s->catalog);
    err = catalog_change(a, next);
    if (!err && create && !has_place(s, &next->contexts[next->contexts_len - 1]))
        err = grid_apply_refuse(a, GRID_ECONDITION, "no node is there to hold it (nodes: \"%s\")",
                                a->c->u.context->nodes);
    if (err) {
        catalog_unref(next);
        return err;
    }
    next->revision++;
    grid_state_catalog_set(s, next);
    if (create)
        CHECK(table_begin(s, &next->contexts[next->contexts_len - 1], a->c->now));
    if (alter)
        table_settle(s, catalog_context_named(next, slice_str(a->c->u.context->name)));
    return GRID_OK;
}

static enum grid_err apply_policy(struct apply *a)
{
    a->same = a->s->rebalance_paused == a->c->u.policy.rebalance_paused;
    a->s->rebalance_paused = a->c->u.policy.rebalance_paused;
    return GRID_OK;
}

/* --- C8 --------------------------------------------------------------------------------------- */

static struct grid_session *session_find(struct grid_state *s, uint64_t session)
{
    for (size_t i = 0; i < s->sessions->len; i++)
        if (s->sessions->list[i].session == session)
            return &s->sessions->list[i];
    return NULL;
}

/* True: it was applied before, or too long ago to tell; *ret_err is the answer. */
static bool session_met(struct apply *a, enum grid_err *ret_err)
{
    const struct grid_session *found = session_find(a->s, a->c->session);
    uint64_t n = a->c->number;
    if (!found || n > found->high)
        return false;
    if (found->high - n >= GRID_SESSION_WINDOW) {
        *ret_err = grid_apply_refuse(a, GRID_ESTALE, "a command older than is remembered");
        return true;
    }
    if (!(found->mask >> (found->high - n) & 1))
        return false;
    *ret_err = (enum grid_err)found->err[n % GRID_SESSION_WINDOW];
    a->out->repeated = true;
    return true;
}

static struct grid_session *session_place(struct grid_state *s, uint64_t session)
{
    struct grid_session *found = session_find(s, session);
    size_t at = found ? (size_t)(found - s->sessions->list) : s->sessions->len;
    if (!found && at == GRID_SESSIONS_MAX) { /* the one that was used longest ago goes */
        at = 0;
        for (size_t i = 1; i < s->sessions->len; i++)
            if (s->sessions->list[i].used < s->sessions->list[at].used)
                at = i;
    }
    struct grid_session *list = grid_sessions_own(s, at == s->sessions->len);
    if (!found)
        list[at] = (struct grid_session){.session = session};
    return &list[at];
}

static void session_note(struct grid_state *s, const struct grid_command *c, enum grid_err err)
{
    struct grid_session *e = session_place(s, c->session);
    if (c->number > e->high) {
        uint64_t by = c->number - e->high;
        e->mask = by >= GRID_SESSION_WINDOW ? 0 : e->mask << by;
        e->high = c->number;
    }
    e->mask |= (uint64_t)1 << (e->high - c->number);
    e->err[c->number % GRID_SESSION_WINDOW] = (uint8_t)err;
    e->used = s->revision;
}

/* --- all of them ------------------------------------------------------------------------------ */

static enum grid_err dispatch(struct apply *a)
{
    if (a->c->kind == GRID_FOUND)
        return apply_found(a);
    if (!grid_state_founded(a->s))
        return grid_apply_refuse(a, GRID_ECONDITION, "the grid is not founded yet");
    switch (a->c->kind) {
    case GRID_ENTER:
        return apply_enter(a);
    case GRID_GONE:
        return apply_gone(a);
    case GRID_ALTER:
        return apply_alter(a);
    case GRID_DRAIN:
        return apply_drain(a);
    case GRID_REMOVE:
        return apply_remove(a);
    case GRID_PARTS:
        return apply_parts(a);
    case GRID_VOTERS:
        return apply_voters(a);
    case GRID_POLICY:
        return apply_policy(a);
    case GRID_LEVELS:
        return apply_levels(a);
    case GRID_CONTEXT_CREATE:
    case GRID_CONTEXT_ALTER:
    case GRID_CONTEXT_DROP:
    case GRID_CACHE_CREATE:
    case GRID_CACHE_DROP:
    case GRID_SETTING_SET:
    case GRID_MODULE_DEPLOY:
    case GRID_MODULE_REMOVE:
    case GRID_SERVICE_DEPLOY:
    case GRID_SERVICE_STOP:
    case GRID_SERVICE_MOVE:
        return apply_catalog(a);
    case GRID_FOUND:
        break;
    }
    return grid_apply_refuse(a, GRID_EBAD_REQUEST, "no such command");
}

enum grid_err grid_state_apply(struct grid_state *working, const struct grid_command *c,
                               struct grid_outcome *ret_outcome)
{
    CHECK(__atomic_load_n(&working->refs, __ATOMIC_RELAXED) == 1);
    *ret_outcome = (struct grid_outcome){0};
    struct apply a = {working, c, ret_outcome, false};
    enum grid_err err = GRID_OK;
    if (c->session && !c->number)
        return ret_outcome->err =
                   grid_apply_refuse(&a, GRID_EBAD_REQUEST, "a command has a number");
    if (c->session && session_met(&a, &err))
        return ret_outcome->err = err;
    uint64_t was = working->revision;
    err = dispatch(&a);
    bool founded = grid_state_founded(working) || (c->kind == GRID_FOUND && !err);
    ret_outcome->changed = founded && ((!err && !a.same) || c->session);
    if (ret_outcome->changed)
        working->revision = was + 1;
    if (founded && c->session)
        session_note(working, c, err);
    return ret_outcome->err = err;
}
