/* replies.c - what an administrative request is answered with: what the workers have, and what
 * other nodes said. To another node only the former. */
#include "node/administration_priv.h"

#include "base/alloc.h"
#include "control/level.h"
#include "node/membership.h"
#include "node/peers.h"

#include <stdio.h>
#include <stdlib.h>

/* --- contexts, caches ------------------------------------------------------------------------- */

void reply_encode(struct job *j, const struct admin_reply *reply)
{
    if (j->request.json)
        wire_admin_reply_json(reply, &j->reply);
    else
        wire_admin_reply_encode(reply, &j->reply);
}

/* What the others have of it. */
static void context_hear(const struct job *j, struct admin_context *c)
{
    for (size_t k = 0; k < j->words_len; k++) {
        const struct admin_reply *r = &j->words[k].reply;
        for (size_t i = 0; j->words[k].there && i < r->contexts_len; i++)
            if (r->contexts[i].info->id == c->info->id) {
                c->entries += r->contexts[i].entries;
                c->bytes += r->contexts[i].bytes;
            }
    }
}

static void cache_hear(const struct job *j, struct admin_cache *c)
{
    for (size_t k = 0; k < j->words_len; k++) {
        const struct admin_reply *r = &j->words[k].reply;
        for (size_t i = 0; j->words[k].there && i < r->caches_len; i++)
            if (r->caches[i].info->id == c->info->id)
                c->entries += r->caches[i].entries;
    }
}

static void contexts_reply(struct job *j, struct admin_reply *reply)
{
    struct admin_context *list = xcalloc(j->catalog->contexts_len, sizeof *list);
    const char *name = j->request.op == ADMIN_CONTEXT_SHOW ? j->request.context.name : "";
    for (size_t i = 0; i < j->catalog->contexts_len; i++) {
        const struct context_info *info = &j->catalog->contexts[i];
        if (name[0] && strcmp(name, info->name) != 0)
            continue;
        struct admin_context *c = &list[reply->contexts_len++];
        c->info = info;
        c->copies = j->node->membership ? grid_state_copies(membership_state(j->node), info) : 1;
        for (unsigned s = 0; s < j->node->shards; s++) {
            c->entries += j->shares[s].contexts[i].entries;
            c->bytes += j->shares[s].contexts[i].bytes;
        }
        context_hear(j, c);
    }
    if (name[0] && !reply->contexts_len) {
        j->err = GRID_ENO_CONTEXT;
        snprintf(j->why, sizeof j->why, "no context %s", name);
    }
    reply->contexts = list;
    reply_encode(j, reply);
    free(list);
}

static void caches_reply(struct job *j, struct admin_reply *reply)
{
    size_t total = 0, at = 0;
    bool found = !j->request.name[0];
    for (size_t i = 0; i < j->catalog->contexts_len; i++)
        total += j->catalog->contexts[i].caches_len;
    struct admin_cache *list = xcalloc(total, sizeof *list);
    for (size_t i = 0; i < j->catalog->contexts_len; i++) {
        const struct context_info *info = &j->catalog->contexts[i];
        found |= job_wants(j, info);
        for (size_t k = 0; k < info->caches_len; k++, at++) {
            if (!job_wants(j, info))
                continue;
            struct admin_cache *c = &list[reply->caches_len++];
            c->context = info;
            c->info = &info->caches[k];
            for (unsigned s = 0; s < j->node->shards; s++)
                c->entries += j->shares[s].caches[at];
            cache_hear(j, c);
        }
    }
    if (!found) {
        j->err = GRID_ENO_CONTEXT;
        snprintf(j->why, sizeof j->why, "no context %s", j->request.name);
    }
    reply->caches = list;
    reply_encode(j, reply);
    free(list);
}

/* --- partitions ------------------------------------------------------------------------------- */

/* Rows of others by partition, of the contexts that are shown. */
struct heard {
    const struct admin_partition **of_primary; /* what its primary says; NULL: nothing */
    const char **damaged;                      /* name of a node whose copy is */
};

/* Where the partitions of a context begin in the list; SIZE_MAX: it is not shown. */
static size_t context_base(const struct job *j, const char *name, uint32_t *ret_id)
{
    size_t base = 0;
    for (size_t i = 0; i < j->catalog->contexts_len; i++) {
        const struct context_info *info = &j->catalog->contexts[i];
        if (!job_wants(j, info))
            continue;
        *ret_id = info->id;
        if (strcmp(info->name, name) == 0)
            return base;
        base += info->partitions;
    }
    return SIZE_MAX;
}

static void word_hear(const struct job *j, const struct word *w, size_t total, struct heard *h)
{
    const struct grid_state *s = membership_state(j->node);
    const struct grid_node *node = grid_state_node(s, w->node);
    const char *name = NULL;
    size_t base = SIZE_MAX;
    uint32_t id = 0;
    for (size_t i = 0; node && i < w->reply.partitions_len; i++) {
        const struct admin_partition *p = &w->reply.partitions[i];
        if (!name || strcmp(name, p->context) != 0)
            base = context_base(j, name = p->context, &id);
        if (base == SIZE_MAX || base + p->partition >= total)
            continue;
        if (grid_state_primary(s, id, p->partition).node == w->node)
            h->of_primary[base + p->partition] = p;
        if (strcmp(p->state, "damaged") == 0)
            h->damaged[base + p->partition] = node->info.name;
    }
}

/* Who has a partition, by the grid. `names` has room for two times REPLICA_MEMBERS_MAX. */
static void partition_place(const struct job *j, uint32_t context, struct admin_partition *to,
                            const struct admin_partition *said, const char **names)
{
    const struct grid_state *s = membership_state(j->node);
    struct replica_config c;
    if (!grid_state_config(s, context, to->partition, &c))
        return;
    size_t joining = REPLICA_MEMBERS_MAX;
    to->epoch = c.epoch;
    to->in_sync = names;
    to->joining = names + REPLICA_MEMBERS_MAX;
    for (unsigned i = 0; i < c.len; i++) {
        const struct grid_node *n = grid_state_node(s, c.members[i].node);
        if (n && i < c.in_sync)
            names[to->in_sync_len++] = n->info.name;
        else if (n && i >= c.complete)
            names[joining + to->joining_len++] = n->info.name;
    }
    to->primary = c.led && to->in_sync_len ? names[0] : NULL;
    const struct grid_node *first = c.len ? grid_state_node(s, c.members[0].node) : NULL;
    bool own = first && memcmp(first->info.id, j->node->view.node_id, GRID_ID_BYTES) == 0;
    if (c.lost || !c.led) {
        to->state = c.lost ? "lost" : "waiting";
        to->seq = to->entries = 0;
    } else if (said) {
        to->seq = said->seq;
        to->entries = said->entries;
        to->state = said->state;
    } else if (!own && !census_word(j, c.members[0].node)) {
        to->seq = to->entries = 0;
        to->state = "unknown"; /* its primary did not answer */
    } else if (!own) {
        to->seq = to->entries = 0;
        to->state = "ok";
    }
}

/* To another node: what there is here. */
static bool is_told(const struct job *j, const struct shard_partition_info *from)
{
    return !j->remote || from->version || (from->state && strcmp(from->state, "ok") != 0);
}

static void partitions_fill(struct job *j, const struct heard *h, struct admin_partition *list,
                            const char **names, size_t *ret_len)
{
    size_t *at = xcalloc(j->node->shards, sizeof *at), len = 0, place = 0;
    for (size_t i = 0; i < j->catalog->contexts_len; i++) {
        const struct context_info *info = &j->catalog->contexts[i];
        if (!job_wants(j, info))
            continue;
        for (uint32_t p = 0; p < info->partitions; p++, place++) {
            unsigned s = p % j->node->shards;
            const struct shard_partition_info *from = &j->shares[s].partitions[at[s]++];
            if (!is_told(j, from))
                continue;
            struct admin_partition *to = &list[len];
            *to = (struct admin_partition){.context = info->name,
                                           .partition = p,
                                           .shard = s,
                                           .epoch = from->epoch,
                                           .seq = from->version & SEQ_MASK,
                                           .version = from->version,
                                           .entries = from->entries,
                                           .state = from->state ? from->state : "ok"};
            if (names && !j->remote)
                partition_place(j, info->id, to, h->of_primary[place],
                                names + len * 2 * REPLICA_MEMBERS_MAX);
            if (h->damaged[place] && strcmp(to->state, "ok") == 0)
                to->state = "copy damaged";
            len++;
        }
    }
    *ret_len = len;
    free(at);
}

static void partitions_reply(struct job *j, struct admin_reply *reply)
{
    size_t total = 0;
    bool found = !j->request.name[0];
    for (size_t i = 0; i < j->catalog->contexts_len; i++) {
        total += j->catalog->contexts[i].partitions;
        found |= job_wants(j, &j->catalog->contexts[i]);
    }
    struct admin_partition *list = xcalloc(total, sizeof *list);
    struct heard h = {xcalloc(total, sizeof *h.of_primary), xcalloc(total, sizeof *h.damaged)};
    const char **names =
        j->node->membership ? xcalloc(total, 2 * REPLICA_MEMBERS_MAX * sizeof *names) : NULL;
    for (size_t i = 0; i < j->words_len; i++)
        if (j->words[i].there)
            word_hear(j, &j->words[i], total, &h);
    partitions_fill(j, &h, list, names, &reply->partitions_len);
    if (!found) {
        j->err = GRID_ENO_CONTEXT;
        snprintf(j->why, sizeof j->why, "no context %s", j->request.name);
    }
    reply->partitions = list;
    reply_encode(j, reply);
    free(list);
    free(h.of_primary);
    free(h.damaged);
    free(names);
}

/* What all workers together have. */
static void samples_make(struct job *j, struct measures *ret_sum, struct buf *samples)
{
    struct shard_usage *usage = xcalloc(j->catalog->contexts_len, sizeof *usage);
    for (unsigned s = 0; s < j->node->shards; s++) {
        measures_add(ret_sum, &j->shares[s].measures);
        for (size_t i = 0; i < j->catalog->contexts_len; i++) {
            usage[i].entries += j->shares[s].contexts[i].entries;
            usage[i].bytes += j->shares[s].contexts[i].bytes;
        }
    }
    measures_tell(j->node, j->catalog, ret_sum, usage, samples);
    free(usage);
}

static void metrics_reply(struct job *j, struct admin_reply *reply)
{
    (void)reply; /* plain samples, for sessions of this node */
    struct measures *sum = xcalloc(1, sizeof *sum);
    samples_make(j, sum, &j->reply);
    free(sum);
}

/* --- status ----------------------------------------------------------------------------------- */

enum { PROBLEM_BYTES = 400, NODES_NAMED = 5, CONTEXTS_NAMED = 3 };
struct lines { /* one problem each */
    char (*list)[PROBLEM_BYTES];
    const char **texts;
    size_t len, cap;
};

static void line_add(struct lines *l, const char *who, const char *text)
{
    if (l->len == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 16;
        l->list = xrealloc(l->list, l->cap, sizeof *l->list);
    }
    snprintf(l->list[l->len++], sizeof l->list[0], "%s%s%s", who, *who ? ": " : "", text);
}

static void count_add(struct lines *l, uint64_t count, const char *one, const char *many)
{
    char text[PROBLEM_BYTES];
    if (!count)
        return;
    snprintf(text, sizeof text, "%llu %s", (unsigned long long)count, count == 1 ? one : many);
    line_add(l, "", text);
}

static const char **lines_finish(struct lines *l)
{
    l->texts = xcalloc(l->len + 1, sizeof *l->texts);
    for (size_t i = 0; i < l->len; i++)
        l->texts[i] = l->list[i];
    return l->texts;
}

static void lines_release(struct lines *l)
{
    free(l->list);
    free(l->texts);
}

/* A grid of several: all its nodes, what is missing, what moves. */
struct grid_view {
    struct admin_node *nodes;
    struct grid_load *loads;
    const char **labels; /* one text per node: as it was written */
};

/* What a node said of itself goes over what the grid knows. */
static void node_hear(struct job *j, const struct grid_node *from, struct admin_node *to,
                      struct admin_status *status, struct lines *problems)
{
    const struct word *w = census_word(j, from->number);
    const struct admin_status *said = w ? w->reply.status : NULL;
    to->state = from->state == NODE_DOWN ? "down" : "silent";
    if (from->state == NODE_UP && !said && membership_self(j->node).node) /* else none can */
        line_add(problems, from->info.name, "it does not answer");
    if (!said || !said->nodes_len)
        return;
    to->state = said->nodes[0].state;
    to->version = said->nodes[0].version;
    to->uptime_ms = said->nodes[0].uptime_ms;
    to->metrics = said->nodes[0].metrics;
    to->metrics_len = said->nodes[0].metrics_len;
    status->entries += said->entries;
    status->bytes += said->bytes;
    status->bytes_left += said->bytes_left;
    status->misplaced += said->misplaced;
    status->partitions_damaged += said->partitions_damaged;
    for (size_t i = 0; i < said->problems_len; i++)
        line_add(problems, from->info.name, said->problems[i]);
}

/* What was drained stays as it is until an operator does something. */
static void kept_add(const struct admin_node *n, struct lines *l)
{
    char text[PROBLEM_BYTES];
    if (!n->kept)
        return;
    snprintf(text, sizeof text,
             "%u cop%s on it, though it is drained: too few other nodes to hold as many as asked; "
             "add a node, lower backups, or undrain it",
             n->kept, n->kept == 1 ? "y stays" : "ies stay");
    line_add(l, n->name, text);
}

static void node_look(struct job *j, const struct admin_node *here, struct admin_status *status,
                      struct grid_view *view, size_t i, struct lines *problems)
{
    const struct grid_node *from = &membership_state(j->node)->nodes[i];
    struct admin_node *to = &view->nodes[i];
    view->labels[i] = from->info.labels;
    if (memcmp(from->info.id, j->node->view.node_id, GRID_ID_BYTES) == 0) {
        *to = *here;
    } else {
        *to = (struct admin_node){.name = from->info.name,
                                  .node_id = from->info.id,
                                  .address = from->info.address[ADDRESS_CLIENT],
                                  .version = "",
                                  .shards = from->info.shards,
                                  .labels = &view->labels[i],
                                  .labels_len = from->info.labels[0] != 0};
        node_hear(j, from, to, status, problems);
    }
    if (from->draining && strcmp(to->state, "serving") == 0)
        to->state = view->loads[i].copies || view->loads[i].joining ? "draining" : "drained";
    to->number = from->number;
    to->voter = from->voter;
    to->level = membership_level(j->node, from);
    to->primaries = view->loads[i].primaries;
    to->copies = view->loads[i].copies;
    to->joining = view->loads[i].joining;
    to->kept = view->loads[i].kept;
    kept_add(to, problems);
}

/* Links that this node should have. Of one outside of its grid that is all it knows. */
static void links_look(struct node *n, const char *who, struct lines *l)
{
    bool in = membership_self(n).node != 0;
    struct peers_trouble t;
    for (size_t i = 0; membership_trouble(n, i, &t); i++) {
        char text[PROBLEM_BYTES];
        const struct grid_node *other =
            t.id ? grid_state_node_by_id(membership_state(n), t.id) : NULL;
        if (in && (!other || other->state != NODE_UP))
            continue;
        snprintf(text, sizeof text, "%s%s%s cannot be reached: %s", other ? other->info.name : "",
                 other ? " at " : "", t.address, t.why);
        line_add(l, who, text);
    }
}

static void twins_look(const struct node *n, const char *who, struct lines *l)
{
    struct peers_twin t;
    for (size_t i = 0; membership_twin(n, i, &t); i++) {
        char text[PROBLEM_BYTES];
        snprintf(text, sizeof text,
                 "two processes run with the node id of %s: at %.100s, and refused at %.100s; is "
                 "one data directory a copy of the other?",
                 t.node, t.stays, t.goes);
        line_add(l, who, text);
    }
}

/* For how long, what waits for it, and when the grid ceases to. `awaited` partitions have no
 * primary without it. */
static void down_add(const struct grid_state *s, const struct grid_node *n, uint32_t awaited,
                     struct lines *l)
{
    char text[PROBLEM_BYTES];
    msec_t now = clock_wall_ms(),
           delay = (msec_t)catalog_setting(s->catalog, SETTING_rebuild_delay);
    msec_t since = now > n->since ? now - n->since : 0;
    int len =
        snprintf(text, sizeof text, "it is down, for %llu s", (unsigned long long)since / 1000);
    if (awaited)
        len += snprintf(text + len, sizeof text - (size_t)len, "; %u partition%s for it", awaited,
                        awaited == 1 ? " waits" : "s wait");
    if (since < delay && !s->rebalance_paused && !n->draining)
        snprintf(text + len, sizeof text - (size_t)len,
                 "; its copies are made anew elsewhere in %llu s (rebuild_delay)",
                 (unsigned long long)(delay - since) / 1000);
    line_add(l, n->info.name, text);
}

static void nodes_down(const struct grid_state *s, const struct grid_load *loads, struct lines *l)
{
    uint64_t down = 0;
    for (size_t i = 0; i < s->nodes_len; i++)
        if (s->nodes[i].state == NODE_DOWN && ++down <= NODES_NAMED)
            down_add(s, &s->nodes[i], loads[i].last, l);
    if (down > NODES_NAMED)
        count_add(l, down - NODES_NAMED, "more node is down: see gridctl nodes",
                  "more nodes are down: see gridctl nodes");
}

/* What may be wrong with partitions, and what helps. */
static const struct part_problem {
    size_t at; /* in struct grid_summary */
    const char *one, *many, *help;
} part_problems[] = {
    {offsetof(struct grid_summary, lost), "partition has lost its last copy",
     "partitions have lost their last copy", ": gridctl partition list, reset"},
    {offsetof(struct grid_summary, unled), "partition has no primary", "partitions have no primary",
     ": start the node that is down, or gridctl partition recover goes on without it"},
    {offsetof(struct grid_summary, below_min), "partition takes no writes",
     "partitions take no writes",
     ": fewer copies than min_in_sync: start a node, or gridctl context alter"},
    {offsetof(struct grid_summary, short_of_copies), "partition has fewer copies than it should",
     "partitions have fewer copies than they should", ""},
};

/* How many, of which contexts. */
static void part_problem_add(const struct grid_state *s, const struct grid_summary *sums,
                             const struct part_problem *p, struct lines *l)
{
    struct buf of = BUF_INIT;
    uint64_t all = 0, contexts = 0;
    for (size_t k = 0; k < s->tables_len; k++) {
        uint64_t n;
        memcpy(&n, (const char *)&sums[k] + p->at, sizeof n);
        all += n;
        if (n && ++contexts <= CONTEXTS_NAMED)
            buf_printf(&of, "%s%s", contexts > 1 ? ", " : "", s->catalog->contexts[k].name);
    }
    if (contexts > CONTEXTS_NAMED)
        buf_printf(&of, ", %llu more", (unsigned long long)contexts - CONTEXTS_NAMED);
    if (all) {
        char text[PROBLEM_BYTES];
        snprintf(text, sizeof text, "%llu %s (%.*s)%s", (unsigned long long)all,
                 all == 1 ? p->one : p->many, (int)of.len, (const char *)of.data, p->help);
        line_add(l, "", text);
    }
    buf_release(&of);
}

static void grid_problems(const struct grid_state *s, struct lines *l)
{
    struct grid_summary *sums = xcalloc(s->tables_len + 1, sizeof *sums);
    for (size_t k = 0; k < s->tables_len; k++)
        grid_state_summary_add(s, k, &sums[k]);
    for (size_t i = 0; i < sizeof part_problems / sizeof *part_problems; i++)
        part_problem_add(s, sums, &part_problems[i], l);
    free(sums);
    count_add(
        l, grid_state_voters_missing(s),
        "voter is missing: until it is added, the loss of a node may stop the control plane",
        "voters are missing: until they are added, the loss of a node may stop the control plane");
}

/* Contexts that ask for more copies than there are nodes for. */
static void unplaced_look(const struct grid_state *s, struct lines *notes)
{
    for (size_t k = 0; k < s->tables_len; k++) {
        const struct context_info *info = &s->catalog->contexts[k];
        char text[PROBLEM_BYTES];
        if (!grid_state_unplaced(s, info))
            continue;
        snprintf(text, sizeof text,
                 "context %s can have %u of the %u copies it asks: too few nodes to hold them",
                 info->name, grid_state_copies(s, info), info->backups + 1);
        line_add(notes, "", text);
    }
}

/* Three could keep the log, and lose one. */
static void voters_look(const struct grid_state *s, struct lines *notes)
{
    if (s->nodes_len >= 3 && catalog_setting(s->catalog, SETTING_voters) == 1)
        line_add(notes, "",
                 "one voter: the grid stops when it is lost; gridctl settings set voters 3");
}

/* What is known to older nodes alone holds the others up. */
static void levels_look(const struct grid_state *s, const struct grid_view *view,
                        struct lines *notes)
{
    char text[PROBLEM_BYTES];
    uint32_t highest = s->level, older = 0;
    for (size_t i = 0; i < s->nodes_len; i++)
        highest = view->nodes[i].level > highest ? view->nodes[i].level : highest;
    for (size_t i = 0; i < s->nodes_len; i++) {
        const struct admin_node *n = &view->nodes[i];
        if (n->level == highest || ++older > NODES_NAMED)
            continue;
        snprintf(text, sizeof text,
                 "its version of gridd knows feature level %u, others %u: what needs more than %u "
                 "is refused until it is upgraded or removed",
                 n->level, highest, s->level);
        line_add(notes, n->name, text);
    }
    if (older > NODES_NAMED)
        count_add(notes, older - NODES_NAMED, "more node is older: see gridctl nodes",
                  "more nodes are older: see gridctl nodes");
}

static void grid_look(struct job *j, const struct admin_node *here, struct admin_status *status,
                      struct grid_view *view, struct lines *problems, struct lines *notes)
{
    const struct grid_state *s = membership_state(j->node);
    struct grid_member_status member;
    struct grid_summary sum;
    membership_status(j->node, &member);
    if (!grid_state_founded(s))
        return;
    view->nodes = xcalloc(s->nodes_len, sizeof *view->nodes);
    view->loads = xcalloc(s->nodes_len, sizeof *view->loads);
    view->labels = xcalloc(s->nodes_len, sizeof *view->labels);
    grid_state_loads(s, view->loads);
    grid_state_summary(s, &sum);
    for (size_t i = 0; i < s->nodes_len; i++) {
        node_look(j, here, status, view, i, problems);
        view->nodes[i].leader = view->nodes[i].number == member.leader;
    }
    status->nodes = view->nodes;
    status->nodes_len = s->nodes_len;
    status->partitions = sum.partitions;
    status->unled = sum.unled;
    status->lost = sum.lost;
    status->short_of_copies = sum.short_of_copies;
    status->below_min = sum.below_min;
    status->unplaced = sum.unplaced;
    status->joining = sum.joining;
    status->rebalance_paused = s->rebalance_paused;
    status->revision = s->revision;
    status->level = s->level;
    nodes_down(s, view->loads, problems);
    grid_problems(s, problems);
    unplaced_look(s, notes);
    voters_look(s, notes);
    levels_look(s, view, notes);
}

static const char *own_state(const struct node *n)
{
    struct grid_member_status s;
    if (n->stopping)
        return "stopping";
    if (!n->membership)
        return "serving";
    membership_status(n, &s);
    return s.phase == GRID_IN ? "serving" : s.phase == GRID_REFUSED ? "refused" : "entering";
}

static void grid_view_release(struct grid_view *view)
{
    free(view->nodes);
    free(view->loads);
    free(view->labels);
}

static void status_reply(struct job *j, struct admin_reply *reply)
{
    struct node *n = j->node;
    struct measures *sum = xcalloc(1, sizeof *sum);
    struct buf samples = BUF_INIT, names = BUF_INIT;
    samples_make(j, sum, &samples);
    struct problem own[PROBLEMS_MAX];
    struct lines problems = {0}, notes = {0};
    const char *who = n->membership && !j->remote ? n->conf.name : "";
    size_t own_len = measures_problems(n, sum, own);
    for (size_t i = 0; i < own_len; i++)
        line_add(&problems, who, own[i].text);
    if (n->membership) {
        links_look(n, who, &problems);
        twins_look(n, who, &problems);
    }
    struct grid_view grid = {0};
    struct admin_node node = {.name = n->conf.name,
                              .node_id = n->view.node_id,
                              .address = n->view.address,
                              .version = n->view.version,
                              .uptime_ms = clock_mono_ms() - n->started_ms,
                              .shards = n->shards,
                              .labels = n->conf.labels,
                              .labels_len = n->conf.labels_len,
                              .state = own_state(n),
                              .level = GRID_LEVEL};
    struct admin_metric *metrics = measures_admin(buf_slice(&samples), &names, &node.metrics_len);
    node.metrics = metrics;
    struct admin_status status = {.grid = n->view.grid,
                                  .nodes = &node,
                                  .nodes_len = 1,
                                  .contexts = (uint32_t)j->catalog->contexts_len,
                                  .entries = sum->stats.entries_led,
                                  .bytes = sum->stats.entry_bytes,
                                  .bytes_left = sum->stats.bytes_left,
                                  .partitions = sum->stats.partitions,
                                  .partitions_damaged = sum->stats.partitions_damaged,
                                  .revision = j->catalog->revision,
                                  .level = GRID_LEVEL};
    if (n->membership) {
        struct grid_member_status member;
        membership_status(n, &member);
        status.misplaced = member.misplaced;
    }
    if (n->membership && !j->remote)
        grid_look(j, &node, &status, &grid, &problems, &notes);
    status.problems = lines_finish(&problems);
    status.problems_len = problems.len;
    status.healthy = problems.len == 0;
    status.notes = lines_finish(&notes);
    status.notes_len = notes.len;
    for (size_t i = 0; i < j->catalog->contexts_len; i++)
        status.caches += (uint32_t)j->catalog->contexts[i].caches_len;
    reply->status = &status;
    reply_encode(j, reply);
    grid_view_release(&grid);
    lines_release(&problems);
    lines_release(&notes);
    free(metrics);
    free(sum);
    buf_release(&samples);
    buf_release(&names);
}

static void settings_reply(struct job *j, struct admin_reply *reply)
{
    reply->settings = j->catalog->settings;
    reply_encode(j, reply);
}

static void plain_reply(struct job *j, struct admin_reply *reply)
{
    reply_encode(j, reply);
}

void reply_make(struct job *j)
{
    static void (*const replies[])(struct job *, struct admin_reply *) = {
        [ADMIN_STATUS] = status_reply,
        [ADMIN_CONTEXT_LIST] = contexts_reply,
        [ADMIN_CONTEXT_SHOW] = contexts_reply,
        [ADMIN_CACHE_LIST] = caches_reply,
        [ADMIN_SETTINGS_LIST] = settings_reply,
        [ADMIN_PARTITION_LIST] = partitions_reply,
        [ADMIN_PARTITION_RECOVER] = rescue_reply,
        [ADMIN_VERIFY] = verify_reply,
        [ADMIN_PARTITION_REPAIR] = repair_reply,
        [ADMIN_PARTITION_RESET] = rescue_reply,
        [ADMIN_MODULE_DEPLOY] = modules_reply,
        [ADMIN_MODULE_LIST] = modules_reply,
        [ADMIN_MODULE_SHOW] = modules_reply,
        [ADMIN_SERVICE_DEPLOY] = services_reply,
        [ADMIN_SERVICE_LIST] = services_reply,
    };
    struct admin_reply reply = {.revision = j->catalog->revision};
    unsigned op = (unsigned)j->request.op;
    void (*make)(struct job *, struct admin_reply *) =
        op < sizeof replies / sizeof *replies ? replies[op] : NULL;
    if (op == ADMIN_METRICS)
        make = metrics_reply;
    (make ? make : plain_reply)(j, &reply);
}
