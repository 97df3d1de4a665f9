/* rows.c - what may happen to the configuration of one partition (R1, R8, R10, R11, R12).
 *
 * A row is taken apart into its four lists, changed, and put together again; there, what holds of
 * every row is made to hold: who is eligible is so only while less than min_in_sync are in sync
 * (else records may be committed without it, KIP-966), and only in the life in which it was in
 * sync: it may lead without the primary's knowing, so the primary's reads need its lease (R7),
 * which one that is gone cannot give.
 *
 *            GONE, nobody in sync left
 *     led ------------------------------> unled     of `memory`: lost
 *      ^                                   |  \
 *      |  back (alone), LEAD, RECOVER      |   \ REMOVE of the last
 *      +-----------------------------------+    v
 *      ^                                       lost
 *      +------------- RESET, RECOVER ------------+                                      */
#include "control/state_priv.h"

#include <stdio.h>

struct members {
    uint8_t n;
    struct replica_member m[REPLICA_MEMBERS_MAX];
};

struct lists {
    struct members in_sync, eligible, joining;
    uint8_t away_n;
    uint32_t away[GRID_AWAY_MAX]; /* newest first */
};

static int members_find(const struct members *l, uint32_t node)
{
    for (int i = 0; i < l->n; i++)
        if (l->m[i].node == node)
            return i;
    return -1;
}

static void members_add(struct members *l, struct replica_member m)
{
    CHECK(l->n < REPLICA_MEMBERS_MAX);
    l->m[l->n++] = m;
}

static struct replica_member members_cut(struct members *l, int at)
{
    struct replica_member m = l->m[at];
    for (l->n--; at < l->n; at++)
        l->m[at] = l->m[at + 1];
    return m;
}

static void away_cut(struct lists *l, uint32_t node)
{
    uint8_t n = 0;
    for (uint8_t i = 0; i < l->away_n; i++)
        if (l->away[i] != node)
            l->away[n++] = l->away[i];
    l->away_n = n;
}

static void away_add(struct lists *l, uint32_t node)
{
    away_cut(l, node);
    if (l->away_n == GRID_AWAY_MAX)
        l->away_n--;
    for (uint8_t i = l->away_n++; i > 0; i--)
        l->away[i] = l->away[i - 1];
    l->away[0] = node;
}

static void away_all(struct lists *l, struct members *from)
{
    while (from->n)
        away_add(l, members_cut(from, 0).node);
}

static struct lists take_apart(const struct grid_row *r)
{
    struct lists l = {0};
    for (uint8_t i = 0; i < r->len; i++)
        members_add(i < r->in_sync    ? &l.in_sync
                    : i < r->complete ? &l.eligible
                                      : &l.joining,
                    r->m[i]);
    for (; l.away_n < r->away; l.away_n++)
        l.away[l.away_n] = r->m[r->len + l.away_n].node;
    return l;
}

static bool lives(const struct grid_row_view *v, struct replica_member m)
{
    return grid_state_lives(v->s, m);
}

static uint32_t copies_asked(const struct context_info *info)
{
    return info->backups == BACKUPS_ALL ? 1 : info->backups + 1;
}

/* See above. */
static void settle(const struct grid_row_view *v, bool led, struct lists *l)
{
    bool needless = led && l->in_sync.n >= v->info->min_in_sync;
    for (int i = l->eligible.n; i-- > 0;)
        if (needless || !lives(v, l->eligible.m[i]))
            away_add(l, members_cut(&l->eligible, i).node);
    if (led && l->in_sync.n >= copies_asked(v->info))
        l->away_n = 0;
    for (const struct members *m = &l->in_sync; m <= &l->joining; m++)
        for (uint8_t i = 0; i < m->n; i++)
            away_cut(l, m->m[i].node);
}

static void put_members(struct grid_row *r, const struct members *l)
{
    for (uint8_t i = 0; i < l->n; i++)
        r->m[r->len++] = l->m[i];
}

static bool same_config(const struct grid_row *a, const struct grid_row *b)
{
    return a->led == b->led && a->lost == b->lost && a->in_sync == b->in_sync &&
           a->complete == b->complete && a->len == b->len &&
           memcmp(a->m, b->m, a->len * sizeof *a->m) == 0;
}

/* The next configuration, if it is another. The last epoch is never left: there the partition
 * stands still. True: the row changed. */
static bool put_together(const struct grid_row_view *v, bool led, struct lists *l,
                         struct grid_row *r)
{
    bool last = r->epoch == GRID_EPOCH_MAX;
    led &= !last;
    if (last)
        l->joining.n = 0;
    settle(v, led, l);
    bool lost = l->in_sync.n == 0;
    struct grid_row next = {.epoch = r->epoch, .born = r->born, .led = led && !lost, .lost = lost};
    if (lost)
        l->eligible.n = l->joining.n = l->away_n = 0;
    put_members(&next, &l->in_sync);
    next.in_sync = next.len;
    put_members(&next, &l->eligible);
    next.complete = next.len;
    put_members(&next, &l->joining);
    for (; next.away < l->away_n; next.away++)
        next.m[next.len + next.away] = (struct replica_member){l->away[next.away], 0};
    bool config = !same_config(r, &next);
    bool away = r->away != next.away ||
                memcmp(r->m + r->len, next.m + next.len, next.away * sizeof *next.m) != 0;
    next.epoch += config && !last;
    *r = next;
    return config || away;
}

/* --- ends and beginnings of lives ------------------------------------------------------------- */

static void drop_dead(const struct grid_row_view *v, struct lists *l, struct members *from,
                      struct members *to)
{
    for (int i = 0; i < from->n;) {
        if (lives(v, from->m[i])) {
            i++;
            continue;
        }
        struct replica_member m = members_cut(from, i);
        if (to)
            members_add(to, m);
        else
            away_add(l, m.node);
    }
}

/* Nobody in sync is left; one that is eligible and up has all that was committed. */
static bool eligible_leads(const struct grid_row_view *v, struct lists *l)
{
    int at = 0;
    while (at < l->eligible.n && !lives(v, l->eligible.m[at]))
        at++;
    if (at == l->eligible.n)
        return false;
    members_add(&l->in_sync, members_cut(&l->eligible, at));
    return true;
}

bool grid_row_gone(const struct grid_row_view *v, struct grid_row *r)
{
    bool touched = false;
    for (uint8_t i = 0; i < r->len; i++)
        touched |= !lives(v, r->m[i]);
    if (!r->led || !touched)
        return false; /* unled: it waits for them as before */
    struct lists l = take_apart(r);
    struct members dead = {0};
    drop_dead(v, &l, &l.in_sync, &dead);
    drop_dead(v, &l, &l.joining, NULL);
    bool led = l.in_sync.n || eligible_leads(v, &l);
    if (led) {
        for (uint8_t i = 0; i < dead.n; i++)
            members_add(&l.eligible, dead.m[i]);
    } else {
        away_all(&l, &l.joining);
        if (v->info->durability != DURABILITY_MEMORY)
            l.in_sync = dead; /* R10 */
    }
    return put_together(v, led, &l, r);
}

/* The last one in sync goes on when it is back (R10). */
static bool last_is_back(const struct grid_row_view *v, const struct lists *l)
{
    return l->in_sync.n == 1 && lives(v, l->in_sync.m[0]);
}

bool grid_row_returned(const struct grid_row_view *v, uint32_t node, struct grid_row *r)
{
    uint32_t boot = grid_state_node(v->s, node)->boot;
    uint8_t at = 0;
    while (at < r->complete && r->m[at].node != node)
        at++;
    if (at == r->complete || r->m[at].boot == boot)
        return false;
    struct lists l = take_apart(r);
    if (at < r->in_sync)
        l.in_sync.m[at].boot = boot;
    else
        l.eligible.m[at - r->in_sync].boot = boot;
    return put_together(v, r->led || last_is_back(v, &l), &l, r);
}

bool grid_row_removed(const struct grid_row_view *v, uint32_t node, struct grid_row *r)
{
    struct lists l = take_apart(r);
    int in_sync = members_find(&l.in_sync, node), eligible = members_find(&l.eligible, node);
    away_cut(&l, node);
    if (eligible >= 0)
        members_cut(&l.eligible, eligible);
    if (in_sync >= 0)
        members_cut(&l.in_sync, in_sync);
    if (!l.in_sync.n) { /* they have all that was committed, too */
        l.in_sync = l.eligible;
        l.eligible.n = 0;
    }
    return put_together(v, r->led || last_is_back(v, &l), &l, r);
}

bool grid_row_needs(const struct grid_row_view *v, uint32_t node, const struct grid_row *r)
{
    struct lists l = take_apart(r);
    if (members_find(&l.in_sync, node) < 0)
        return false;
    return (l.in_sync.n == 1 && !l.eligible.n) ||
           (!r->led && v->info->durability != DURABILITY_SYNC);
}

bool grid_row_settle_eligible(const struct grid_row_view *v, struct grid_row *r)
{
    struct lists l = take_apart(r);
    return put_together(v, r->led, &l, r);
}

void grid_row_begin(const struct replica_member *members, uint32_t len, uint32_t epoch,
                    struct grid_row *r)
{
    CHECK(len > 0 && len <= REPLICA_MEMBERS_MAX);
    *r = (struct grid_row){.epoch = epoch, .born = epoch, .led = true};
    for (; r->len < len; r->len++)
        r->m[r->len] = members[r->len];
    r->in_sync = r->complete = r->len;
}

/* --- what is asked for ------------------------------------------------------------------------ */

static enum grid_err refuse(char *why, const char *text)
{
    snprintf(why, WHY_BYTES, "%s", text);
    return GRID_ECONDITION;
}

/* Its place in a list, in the life that is meant. */
static int find(const struct members *l, struct replica_member m)
{
    int at = members_find(l, m.node);
    return at >= 0 && replica_member_eq(l->m[at], m) ? at : -1;
}

static enum grid_err shrink(const struct grid_row_view *v, const struct part_change *c,
                            struct lists *l, char *why)
{
    int at = find(&l->in_sync, c->member);
    if (at < 0)
        return refuse(why, "it is not in sync");
    if (at == 0)
        return refuse(why, "the primary cannot leave; it hands over first");
    struct replica_member m = members_cut(&l->in_sync, at);
    if (l->in_sync.n < v->info->min_in_sync)
        members_add(&l->eligible, m);
    else
        away_add(l, m.node);
    return GRID_OK;
}

static bool members_room(const struct lists *l)
{
    return l->in_sync.n + l->eligible.n + l->joining.n < REPLICA_MEMBERS_MAX;
}

static enum grid_err add_joining(const struct grid_row_view *v, const struct part_change *c,
                                 struct lists *l, char *why)
{
    if (!lives(v, c->member))
        return refuse(why, "the node is not up in this boot");
    if (members_find(&l->in_sync, c->member.node) >= 0 ||
        members_find(&l->joining, c->member.node) >= 0)
        return refuse(why, "it is a member already");
    int eligible = members_find(&l->eligible, c->member.node);
    if (eligible >= 0) /* it may give up what it has to catch up */
        members_cut(&l->eligible, eligible);
    if (!members_room(l))
        return refuse(why, "the partition has as many members as it can have");
    members_add(&l->joining, c->member);
    return GRID_OK;
}

static enum grid_err drop_joining(const struct part_change *c, struct lists *l, char *why)
{
    int at = find(&l->joining, c->member);
    if (at < 0)
        return refuse(why, "it is not joining");
    members_cut(&l->joining, at);
    return GRID_OK;
}

static enum grid_err promote(const struct part_change *c, struct lists *l, char *why)
{
    int at = find(&l->joining, c->member);
    if (at < 0)
        return refuse(why, "it is not joining");
    members_add(&l->in_sync, members_cut(&l->joining, at));
    return GRID_OK;
}

static enum grid_err hand_over(const struct part_change *c, struct lists *l, char *why)
{
    int at = find(&l->in_sync, c->member);
    if (at < 0)
        return refuse(why, "it is not in sync");
    if (at == 0)
        return refuse(why, "it is the primary already");
    l->in_sync.m[at] = l->in_sync.m[0];
    l->in_sync.m[0] = c->member;
    return GRID_OK;
}

static enum grid_err lead(const struct grid_row_view *v, const struct part_change *c,
                          struct lists *l, char *why)
{
    if (find(&l->in_sync, c->member) < 0 && find(&l->eligible, c->member) < 0)
        return refuse(why, "it is not known to have every record");
    if (!lives(v, c->member))
        return refuse(why, "the node is not up in this boot");
    struct members all = l->in_sync;
    for (uint8_t i = 0; i < l->eligible.n; i++)
        members_add(&all, l->eligible.m[i]);
    l->in_sync = (struct members){1, {c->member}};
    l->eligible.n = 0;
    for (uint8_t i = 0; i < all.n; i++) {
        if (all.m[i].node == c->member.node)
            continue;
        if (lives(v, all.m[i]))
            members_add(&l->joining, all.m[i]);
        else
            away_add(l, all.m[i].node);
    }
    return GRID_OK;
}

static enum grid_err recover(const struct grid_row_view *v, const struct part_change *c,
                             struct lists *l, char *why)
{
    if (v->info->durability == DURABILITY_MEMORY)
        return refuse(why, "it was in memory only, nothing can be recovered: reset it");
    if (!lives(v, c->member))
        return refuse(why, "the node is not up in this boot");
    away_all(l, &l->in_sync);
    away_all(l, &l->eligible);
    l->in_sync = (struct members){1, {c->member}};
    return GRID_OK;
}

/* Who asked is out, and catches up. What the other has is on its disk, or in memory while its boot
 * lasts; where one copy is enough it may be gone. */
static enum grid_err give_back(const struct grid_row_view *v, const struct part_change *c,
                               struct lists *l, bool *ret_led, char *why)
{
    const struct grid_node *n = grid_state_node(v->s, c->member.node);
    struct replica_member last = l->in_sync.m[0], to = c->member;
    if (l->in_sync.n != 1 || to.node == last.node)
        return refuse(why, "the primary is not alone in sync");
    if (!n || !v->info->backups)
        return refuse(why, "nothing is there any more");
    if (v->info->durability == DURABILITY_MEMORY && !lives(v, to))
        return refuse(why, "it was in memory only");
    *ret_led = n->state == NODE_UP;
    to.boot = n->boot;
    int joining = members_find(&l->joining, to.node),
        eligible = members_find(&l->eligible, to.node);
    if (joining >= 0)
        members_cut(&l->joining, joining);
    if (eligible >= 0)
        members_cut(&l->eligible, eligible);
    l->in_sync.m[0] = to;
    if (*ret_led && members_room(l))
        members_add(&l->joining, last);
    else
        away_add(l, last.node);
    return GRID_OK;
}

enum grid_err grid_row_change(const struct grid_row_view *v, const struct part_change *c,
                              struct grid_row *r, char *why)
{
    struct lists l = take_apart(r);
    enum grid_err err = GRID_EBAD_REQUEST;
    bool led = true;
    bool unled_only = c->kind == PART_LEAD || c->kind == PART_RECOVER;
    if (r->epoch == GRID_EPOCH_MAX)
        return refuse(why, "its epochs are used up");
    if (unled_only && r->led)
        return refuse(why, "it has a primary");
    if (!unled_only && !r->led)
        return refuse(why, r->lost ? "it is lost" : "it has no primary");
    switch (c->kind) {
    case PART_SHRINK:
        err = shrink(v, c, &l, why);
        break;
    case PART_ADD_JOINING:
        err = add_joining(v, c, &l, why);
        break;
    case PART_DROP_JOINING:
        err = drop_joining(c, &l, why);
        break;
    case PART_PROMOTE:
        err = promote(c, &l, why);
        break;
    case PART_HAND_OVER:
        err = hand_over(c, &l, why);
        break;
    case PART_LEAD:
        err = lead(v, c, &l, why);
        break;
    case PART_RECOVER:
        err = recover(v, c, &l, why);
        break;
    case PART_GIVE_BACK:
        err = give_back(v, c, &l, &led, why);
        break;
    case PART_RESET:
        break;
    }
    if (!err && !led)
        away_all(&l, &l.joining);
    if (!err)
        (void)put_together(v, led, &l, r);
    return err;
}
