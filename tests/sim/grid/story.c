/* story.c - one promise each, told: what happens, and what must have become of it. */
#include "tests/sim/grid/world.h"

#include "base/alloc.h"
#include "control/level.h"

#include <stdio.h>
#include <stdlib.h>

/* All nodes of which `candidates` found, and expect `expect`. */
static struct world *begin(uint64_t seed, unsigned nodes, unsigned candidates, unsigned expect)
{
    struct world *w = xcalloc(1, sizeof *w);
    world_init(w, seed);
    w->mix.nodes = nodes;
    w->mix.expect = expect;
    w->quiet = true;
    for (unsigned i = 0; i < nodes; i++)
        node_make(w, i, i < candidates ? expect : 0);
    return w;
}

static void start_all(struct world *w)
{
    for (unsigned i = 0; i < w->nodes_len; i++)
        node_start(w, &w->nodes[i]);
}

static void peace(struct world *w, msec_t within)
{
    const char *why = "";
    msec_t end = w->now + within;
    while (!w->fault && w->now < end && !world_converged(w, &why))
        world_run(w, w->now + 20);
    if (!w->fault && !world_converged(w, &why))
        world_fail(w, "no peace within %lu ms: %s", (unsigned long)within, why);
}

static struct simnode *leader(struct world *w)
{
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct grid_member_status s;
        if (w->nodes[i].run != RUNNING)
            continue;
        grid_member_status(w->nodes[i].member, node_clock(w, &w->nodes[i]), &s);
        if (s.leads)
            return &w->nodes[i];
    }
    return NULL;
}

static struct simnode *follower(struct world *w)
{
    struct simnode *l = leader(w);
    for (unsigned i = 0; i < w->nodes_len; i++)
        if (&w->nodes[i] != l && w->nodes[i].run == RUNNING)
            return &w->nodes[i];
    return NULL;
}

static void expect(struct world *w, bool fine, const char *what)
{
    if (!fine)
        world_fail(w, "not so: %s", what);
}

static bool in_state(struct world *w, const struct simnode *n)
{
    struct simnode *l = leader(w);
    if (!l)
        return false;
    const struct grid_node *k = grid_state_node_by_id(grid_member_state(l->member), n->info.id);
    return k && k->state == NODE_UP;
}

/* When `n` is gone for its leader; UINT64_MAX: not within. */
static msec_t gone_after(struct world *w, const struct simnode *n, msec_t within)
{
    msec_t from = w->now;
    while (!w->fault && w->now < from + within) {
        world_run(w, w->now + 1);
        if (leader(w) && !in_state(w, n))
            return w->now - from;
    }
    return UINT64_MAX;
}

static void founds_and_settles(struct world *w)
{
    start_all(w);
    peace(w, 4000);
}

/* --- the stories --- */

static void alone_at_once(struct world *w)
{
    start_all(w);
    peace(w, 300);
}

static void three_at_once(struct world *w)
{
    start_all(w);
    peace(w, 3000);
    expect(w, tally.founded >= 1 && w->founded, "a grid was founded");
    struct simnode *l = leader(w);
    unsigned voters = 0;
    world_run(w, w->now + 3000);
    const struct grid_state *s = grid_member_state(l->member);
    for (size_t i = 0; i < s->nodes_len; i++)
        voters += s->nodes[i].voter;
    expect(w, voters == 3, "all three vote");
}

static void two_of_three_wait(struct world *w)
{
    node_start(w, &w->nodes[0]);
    node_start(w, &w->nodes[1]);
    world_run(w, 5000);
    expect(w, !w->founded, "two of three found nothing");
    node_start(w, &w->nodes[2]);
    peace(w, 4000);
}

static void a_joiner_comes(struct world *w)
{
    w->nodes[3].stays_down = true;
    for (unsigned i = 0; i < 3; i++)
        node_start(w, &w->nodes[i]);
    peace(w, 4000);
    w->nodes[3].stays_down = false;
    node_start(w, &w->nodes[3]);
    peace(w, 3000);
}

static void a_paused_node_comes_back_anew(struct world *w)
{
    founds_and_settles(w);
    world_run(w, w->now + 3000);
    struct simnode *n = follower(w);
    uint32_t boot = n->self.boot;
    node_pause(w, n, 5000);
    msec_t after = gone_after(w, n, 3000);
    expect(w, after <= 900, "a paused node is taken for dead");
    world_run(w, w->now + 5000);
    peace(w, 3000);
    expect(w, n->self.boot == boot + 1, "it comes back with a new boot");
}

static void a_leader_that_slept_blames_nobody(struct world *w)
{
    founds_and_settles(w);
    world_run(w, w->now + 2000);
    struct simnode *l = leader(w);
    uint32_t before[NODES + 1];
    memcpy(before, w->gone, sizeof before);
    node_pause(w, l, 2000);
    world_run(w, w->now + 4000);
    peace(w, 3000);
    expect(w, memcmp(before, w->gone, sizeof before) == 0, "nobody was taken for dead");
}

static void a_new_leader_blames_the_dead_alone(struct world *w)
{
    founds_and_settles(w);
    world_run(w, w->now + 3000);
    uint32_t before[NODES + 1];
    memcpy(before, w->gone, sizeof before);
    struct simnode *l = leader(w);
    node_stop(w, l, true);
    world_run(w, w->now + 4000);
    for (uint32_t k = 1; k <= w->nodes_len; k++)
        expect(w, (w->gone[k] != before[k]) == (k == l->disk.identity.number),
               "the dead leader is gone, and nobody else");
}

static void a_one_way_cut_is_a_cut(struct world *w)
{
    founds_and_settles(w);
    world_run(w, w->now + 3000);
    struct simnode *n = follower(w), *l = leader(w);
    w->cut[l->index][n->index] = true; /* it is heard, and hears nothing */
    expect(w, gone_after(w, n, 3000) <= 1500, "who hears nothing is taken for dead");
    uint32_t boots = w->gone[n->disk.identity.number];
    world_run(w, w->now + 4000);
    expect(w, w->gone[n->disk.identity.number] == boots, "and does not come and go");
    w->cut[l->index][n->index] = false;
    peace(w, 5000);
}

static void a_pair_that_is_cut_stays(struct world *w)
{
    founds_and_settles(w);
    world_run(w, w->now + 3000);
    struct simnode *a = NULL, *b = NULL, *l = leader(w);
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct simnode *n = &w->nodes[i];
        if (n == l)
            continue;
        a = a ? a : n;
        b = n;
    }
    w->cut[a->index][b->index] = w->cut[b->index][a->index] = true;
    world_run(w, w->now + 8000);
    expect(w, leader(w) == l && in_state(w, a) && in_state(w, b), "both stay");
    struct grid_summary sum;
    grid_state_summary(grid_member_state(l->member), &sum);
    expect(w, !sum.short_of_copies && !sum.unled, "and every partition has its copies");
    w->cut[a->index][b->index] = w->cut[b->index][a->index] = false;
    peace(w, 5000);
}

static void all_lose_power(struct world *w)
{
    founds_and_settles(w);
    world_run(w, w->now + 3000);
    for (unsigned i = 0; i < w->nodes_len; i++)
        node_stop(w, &w->nodes[i], true);
    for (unsigned i = w->nodes_len; i-- > 0;) {
        node_start(w, &w->nodes[i]);
        world_run(w, w->now + 700);
    }
    peace(w, 8000);
}

static uint64_t gone_revisions[NODES];
static unsigned gone_count;

static void note_gone(struct world *w, uint32_t number)
{
    if (gone_count < NODES)
        gone_revisions[gone_count++] = w->gone_revision[number];
}

static void many_at_once_are_one_entry(struct world *w)
{
    founds_and_settles(w);
    world_run(w, w->now + 4000);
    gone_count = 0;
    w->on_gone = note_gone;
    struct simnode *l = leader(w);
    unsigned killed = 0;
    const struct grid_state *s = grid_member_state(l->member);
    for (unsigned i = 0; i < w->nodes_len && killed < 3; i++) {
        const struct grid_node *k = grid_state_node_by_id(s, w->nodes[i].info.id);
        if (&w->nodes[i] == l || !k || k->voter)
            continue;
        node_stop(w, &w->nodes[i], true);
        killed++;
    }
    world_run(w, w->now + 1500);
    expect(w, killed == 3 && gone_count == 3, "three are gone");
    expect(w, gone_revisions[0] == gone_revisions[2], "by one entry");
    start_all(w);
    peace(w, 5000);
}

static void a_clean_stop_is_known_at_once(struct world *w)
{
    founds_and_settles(w);
    world_run(w, w->now + 3000);
    struct simnode *n = leader(w);
    grid_member_step_down(n->member, node_clock(w, n));
    world_run(w, w->now + 600);
    expect(w, leader(w) && leader(w) != n, "another leads");
    n->self.boot = 0;
    grid_member_released(n->member, node_clock(w, n));
    uint64_t ticket = ticket_new(w, n);
    expect(w, !grid_member_leave(n->member, node_clock(w, n) + 3000, ticket), "it may leave");
    n->wake = w->now;
    event_at(w, w->now, EVENT_WAKE, n->index);
    expect(w, gone_after(w, n, 2000) <= 250, "it is gone at once");
    world_run(w, w->now + 300);
    expect(w, w->tickets[ticket - 1].answered && !w->tickets[ticket - 1].err, "and knows it");
    node_stop(w, n, false);
    world_run(w, w->now + 1000);
    node_start(w, n);
    peace(w, 4000);
}

static void all_drain_and_one_leads(struct world *w)
{
    founds_and_settles(w);
    world_run(w, w->now + 3000);
    for (uint32_t number = 1; number <= 3; number++) {
        struct simnode *n = leader(w);
        struct grid_command c = {.kind = GRID_DRAIN};
        c.u.drain.node = number;
        c.u.drain.on = true;
        uint64_t ticket = ticket_new(w, n);
        expect(w, !grid_member_propose(n->member, &c, UINT64_MAX, ticket), "asked");
        n->wake = w->now;
        event_at(w, w->now, EVENT_WAKE, n->index);
        world_run(w, w->now + 2000);
    }
    struct simnode *l = leader(w);
    for (unsigned i = 0; i < 50; i++) {
        world_run(w, w->now + 100);
        expect(w, leader(w) == l, "the lead does not go round");
    }
}

static void a_removed_node_is_told_so(struct world *w)
{
    founds_and_settles(w);
    world_run(w, w->now + 3000);
    struct simnode *n = follower(w), *l = leader(w);
    node_stop(w, n, false);
    world_run(w, w->now + 1000);
    struct grid_command c = {.kind = GRID_REMOVE};
    c.u.remove.node = n->disk.identity.number;
    uint64_t ticket = ticket_new(w, l);
    expect(w, !grid_member_propose(l->member, &c, node_clock(w, l) + 5000, ticket), "asked");
    l->wake = w->now;
    event_at(w, w->now, EVENT_WAKE, l->index);
    world_run(w, w->now + 1500);
    expect(w, w->tickets[ticket - 1].answered && !w->tickets[ticket - 1].err, "removed");
    node_start(w, n);
    world_run(w, w->now + 2000);
    expect(w, n->refused && strstr(n->why, "removed"), "it is told that it was removed");
    n->removed = true;
    peace(w, 4000);
}

static uint64_t deploy_asked(struct world *w, struct simnode *n)
{
    struct grid_command c = deploy_command();
    uint64_t ticket = ticket_new(w, n);
    expect(w, !grid_member_propose(n->member, &c, node_clock(w, n) + 5000, ticket), "asked");
    n->wake = w->now;
    event_at(w, w->now, EVENT_WAKE, n->index);
    world_run(w, w->now + 500);
    expect(w, w->tickets[ticket - 1].answered, "it is answered at once");
    return ticket - 1;
}

static void restart_as(struct world *w, struct simnode *n, uint32_t level)
{
    node_stop(w, n, false);
    n->info.level = level;
    node_start(w, n);
}

/* Nobody can use what the oldest node does not know, whoever leads, until it is upgraded, too. */
static void an_old_node_holds_the_level(struct world *w)
{
    for (unsigned i = 0; i < w->nodes_len; i++)
        w->nodes[i].info.level = GRID_LEVEL_FIRST;
    founds_and_settles(w);
    world_run(w, w->now + 3000);
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct simnode *n = &w->nodes[i];
        expect(w, w->tickets[deploy_asked(w, n)].err == GRID_EUNSUPPORTED, "it is too high");
        expect(w, w->level == GRID_LEVEL_FIRST, "an old node is there");
        restart_as(w, n, GRID_LEVEL);
        peace(w, 8000);
        world_run(w, w->now + 2000);
    }
    expect(w, w->level == GRID_LEVEL, "the level rose by itself");
    for (unsigned i = 0; i < w->nodes_len; i++)
        expect(w, !w->tickets[deploy_asked(w, &w->nodes[i])].err, "it is done");
}

/* It may be back: only when it is removed, nobody waits for it. */
static void an_old_node_that_is_down_holds_the_level(struct world *w)
{
    struct simnode *old = &w->nodes[w->nodes_len - 1];
    old->info.level = GRID_LEVEL_FIRST;
    founds_and_settles(w);
    world_run(w, w->now + 3000);
    node_stop(w, old, false);
    world_run(w, w->now + 3000);
    struct simnode *l = leader(w);
    expect(w, w->tickets[deploy_asked(w, l)].err == GRID_EUNSUPPORTED, "it is too high");
    struct grid_command c = {.kind = GRID_REMOVE};
    c.u.remove.node = old->disk.identity.number;
    uint64_t ticket = ticket_new(w, l);
    expect(w, !grid_member_propose(l->member, &c, UINT64_MAX, ticket), "asked");
    l->wake = w->now;
    event_at(w, w->now, EVENT_WAKE, l->index);
    world_run(w, w->now + 1000);
    old->removed = true;
    peace(w, 4000);
    expect(w, !w->tickets[deploy_asked(w, l)].err, "it is done");
}

static void who_is_too_old_stays_out(struct world *w)
{
    struct simnode *old = &w->nodes[w->nodes_len - 1];
    old->stays_down = true;
    for (unsigned i = 0; i + 1 < w->nodes_len; i++)
        node_start(w, &w->nodes[i]);
    peace(w, 4000);
    old->info.level = GRID_LEVEL_FIRST;
    node_start(w, old);
    world_run(w, w->now + 5000);
    expect(w, old->refused && strstr(old->why, "level 4"), "it is told why");
    expect(w, !in_state(w, old) && old->run == RUNNING, "and waits outside");
    old->stays_down = false;
    restart_as(w, old, GRID_LEVEL);
    peace(w, 4000);
}

static struct simnode *lowest(struct world *w, unsigned of)
{
    struct simnode *n = &w->nodes[0];
    for (unsigned i = 1; i < of; i++)
        if (memcmp(w->nodes[i].info.id, n->info.id, GRID_ID_BYTES) < 0)
            n = &w->nodes[i];
    return n;
}

static bool is_set(const uint8_t *id)
{
    static const uint8_t none[GRID_ID_BYTES];
    return memcmp(id, none, GRID_ID_BYTES) != 0;
}

static void cut_off(struct world *w, const struct simnode *n)
{
    for (unsigned i = 0; i < w->nodes_len; i++)
        w->cut[n->index][i] = w->cut[i][n->index] = true;
}

/* The founder is cut off as soon as it could found, another candidate comes in its place. */
static void a_founder_is_replaced(struct world *w, bool founded)
{
    for (unsigned i = 0; i < 3; i++)
        node_start(w, &w->nodes[i]);
    struct simnode *a = lowest(w, 3);
    while (w->now < 3000 && !is_set(founded ? a->disk.identity.grid_id : a->disk.identity.founder))
        world_run(w, w->now + 1);
    cut_off(w, a);
    world_run(w, w->now + 500);
    node_stop(w, a, false);
    memset(w->cut, 0, sizeof w->cut);
    node_start(w, &w->nodes[3]);
    world_run(w, w->now + 4000);
    node_stop(w, &w->nodes[3], false);
    node_start(w, a);
    world_run(w, w->now + 3000);
    node_start(w, &w->nodes[3]);
    peace(w, 5000);
}

static void replaced_before_it_founded(struct world *w)
{
    a_founder_is_replaced(w, false);
}

static void replaced_after_it_founded(struct world *w)
{
    a_founder_is_replaced(w, true);
}

#define RULE(bug) (UINT64_C(1) << GRID_SABOTAGE_##bug)

static const struct story {
    const char *name;
    void (*tell)(struct world *w);
    unsigned nodes, expect, candidates;
    uint64_t rules; /* RULE(bug): with it the story does not end well */
} stories[] = {
    {"alone_at_once", alone_at_once, 1, 1, 0, 0},
    {"three_found_one_grid_and_all_vote", three_at_once, 3, 3, 0, 0},
    {"two_of_three_wait_for_the_third", two_of_three_wait, 3, 3, 0, 0},
    {"a_founder_is_replaced_before_it_founded", replaced_before_it_founded, 4, 3, 4,
     RULE(HASTY_FOUNDER)},
    {"a_founder_is_replaced_after_it_founded", replaced_after_it_founded, 4, 3, 4,
     RULE(FORGOTTEN_PROMISE)},
    {"a_joiner_comes_in", a_joiner_comes, 4, 3, 0, RULE(EARLY_DONE)},
    {"a_paused_node_comes_back_anew", a_paused_node_comes_back_anew, 3, 3, 0,
     RULE(GRANT_TO_GONE) | RULE(LONG_LEASE) | RULE(SAME_BOOT)},
    {"a_leader_that_slept_blames_nobody", a_leader_that_slept_blames_nobody, 2, 2, 0,
     RULE(SLEEPY_LEADER)},
    {"a_new_leader_blames_the_dead_alone", a_new_leader_blames_the_dead_alone, 5, 5, 0,
     RULE(HASTY_LEADER)},
    {"a_one_way_cut_is_a_cut", a_one_way_cut_is_a_cut, 4, 4, 0,
     RULE(NO_WAIT) | RULE(UNPROVEN_ENTRY) | RULE(DEAF_NODES)},
    {"a_pair_that_is_cut_stays", a_pair_that_is_cut_stays, 3, 3, 0, RULE(BLIND_TO_PAIRS)},
    {"all_lose_power_and_come_back_in_another_order", all_lose_power, 5, 5, 0,
     RULE(EARLY_PERSISTED)},
    {"many_lost_at_once_are_one_entry", many_at_once_are_one_entry, 7, 7, 0, 0},
    {"a_clean_stop_is_known_at_once", a_clean_stop_is_known_at_once, 3, 3, 0, 0},
    {"all_drain_and_one_leads", all_drain_and_one_leads, 3, 3, 0, RULE(HOT_POTATO)},
    {"a_removed_node_is_told_so", a_removed_node_is_told_so, 4, 4, 0, 0},
    {"an_old_node_holds_the_level", an_old_node_holds_the_level, 4, 4, 0, RULE(UNASKED_LEVEL)},
    {"an_old_node_that_is_down_holds_the_level", an_old_node_that_is_down_holds_the_level, 4, 4, 0,
     RULE(BLIND_LEVEL)},
    {"who_is_too_old_stays_out", who_is_too_old_stays_out, 4, 3, 0, 0},
};
enum { STORIES = sizeof stories / sizeof *stories, SEEDS_PER_STORY = 5 };

static char *tell(const struct story *s, uint64_t seed, bool tracing)
{
    struct world *w = begin(seed, s->nodes, s->candidates ? s->candidates : s->expect, s->expect);
    w->trace = tracing;
    s->tell(w);
    char *fault = w->fault;
    w->fault = NULL;
    world_release(w);
    free(w);
    return fault;
}

bool story_at(size_t at, struct simulator_story *ret_story)
{
    if (at >= STORIES)
        return false;
    *ret_story = (struct simulator_story){stories[at].name, SEEDS_PER_STORY, stories[at].rules};
    return true;
}

char *story_run(const char *name, uint64_t seed, bool tracing)
{
    for (unsigned i = 0; i < STORIES; i++)
        if (strcmp(name, stories[i].name) == 0)
            return tell(&stories[i], seed, tracing);
    return NULL;
}

/* --- how much it takes --- */

enum { CONTEXTS = 20, IDLE_MS = 60000 };

static void make_contexts(struct world *w)
{
    struct simnode *l = leader(w);
    for (unsigned i = 0; i < CONTEXTS; i++) {
        struct context_info info = {.partitions = 1024, .backups = 1, .min_in_sync = 1};
        snprintf(info.name, sizeof info.name, "big%u", i);
        struct grid_command c = {.kind = GRID_CONTEXT_CREATE};
        c.u.context = &info;
        uint64_t ticket = ticket_new(w, l);
        expect(w, !grid_member_propose(l->member, &c, UINT64_MAX, ticket), "a context is made");
    }
    l->wake = w->now;
    event_at(w, w->now, EVENT_WAKE, l->index);
    world_run(w, w->now + 5000);
    expect(w, grid_member_state(l->member)->catalog->contexts_len == CONTEXTS + 1, "contexts");
}

/* In events: what they cost is measured by `make bench SCENARIOS=idle`. */
unsigned idle_measure(void)
{
    enum { EVENTS_PER_SECOND = 400 };
    struct world *w = begin(1, 3, 3, 3);
    start_all(w);
    peace(w, 5000);
    world_run(w, w->now + 3000);
    make_contexts(w);
    peace(w, 20000);
    uint64_t events = tally.events;
    world_run(w, w->now + IDLE_MS);
    events = (tally.events - events) * 1000 / IDLE_MS;
    bool fine = !w->fault && events <= EVENTS_PER_SECOND;
    printf("%s idle, 3 nodes, %d contexts: %lu events a second%s%s\n", fine ? "ok" : "not ok",
           CONTEXTS, (unsigned long)events, w->fault ? ": " : "", w->fault ? w->fault : "");
    world_release(w);
    free(w);
    return !fine;
}

/* --- how long it takes --- */

enum { RUNS = 40 };

static int by_time(const void *a, const void *b)
{
    msec_t x = *(const msec_t *)a, y = *(const msec_t *)b;
    return (x > y) - (x < y);
}

static msec_t election(struct world *w)
{
    msec_t from = w->now;
    node_stop(w, leader(w), true);
    while (!w->fault && !leader(w) && w->now < from + 10000)
        world_run(w, w->now + 1);
    return w->now - from;
}

static msec_t election_with_hint(struct world *w)
{
    msec_t from = w->now;
    node_stop(w, leader(w), false);
    while (!w->fault && !leader(w) && w->now < from + 10000)
        world_run(w, w->now + 1);
    return w->now - from;
}

static msec_t death(struct world *w)
{
    struct simnode *n = follower(w);
    node_stop(w, n, true);
    return gone_after(w, n, 10000);
}

static msec_t death_with_hint(struct world *w)
{
    struct simnode *n = follower(w);
    node_stop(w, n, false);
    return gone_after(w, n, 10000);
}

static msec_t founding(struct world *w)
{
    return w->now;
}

/* Until the last node has the state that shows a change asked of one that does not lead. */
static msec_t spreading(struct world *w)
{
    struct simnode *n = follower(w);
    struct grid_command c = {.kind = GRID_CACHE_CREATE};
    c.u.cache.path = slice_str("default/news");
    uint64_t was = grid_member_state(leader(w)->member)->revision, ticket = ticket_new(w, n);
    msec_t from = w->now;
    expect(w, !grid_member_propose(n->member, &c, UINT64_MAX, ticket), "asked");
    n->wake = w->now;
    event_at(w, w->now, EVENT_WAKE, n->index);
    for (bool all = false; !all && w->now < from + 5000;) {
        world_run(w, w->now + 1);
        all = w->tickets[ticket - 1].answered;
        for (unsigned i = 0; i < w->nodes_len; i++)
            all = all && grid_member_state(w->nodes[i].member)->revision > was;
    }
    return w->now - from;
}

static msec_t leader_death(struct world *w)
{
    struct simnode *n = leader(w);
    node_stop(w, n, true);
    return gone_after(w, n, 10000);
}

static msec_t leader_death_with_hint(struct world *w)
{
    struct simnode *n = leader(w);
    node_stop(w, n, false);
    return gone_after(w, n, 10000);
}

unsigned times_measure(void)
{
    static const struct measure {
        const char *name;
        msec_t (*take)(struct world *w);
        msec_t median, most;
    } measures[] = {
        {"three nodes: start to peace", founding, 1500, 3000},
        {"a node loses power: to gone", death, 780, 820},
        {"a node is killed, links closed: to gone", death_with_hint, 500, 820},
        {"the leader loses power: to a new one", election, 900, 2500},
        {"a change: asked to known everywhere", spreading, 25, 50},
        {"the leader loses power: to gone", leader_death, 1700, 3500},
        {"the leader is killed, links closed: to a new one", election_with_hint, 350, 500},
        {"the leader is killed, links closed: to gone", leader_death_with_hint, 550, 700},
    };
    unsigned failed = 0;
    for (unsigned i = 0; i < sizeof measures / sizeof *measures; i++) {
        unsigned nodes = measures[i].take == spreading ? 5 : 3; /* two of them only follow */
        msec_t times[RUNS];
        for (unsigned k = 0; k < RUNS; k++) {
            struct world *w = begin(1000 + k, nodes, nodes, nodes);
            start_all(w);
            peace(w, 5000);
            if (measures[i].take != founding)
                world_run(w, w->now + 3000 + below(w, 1000));
            times[k] = w->fault ? UINT64_MAX : measures[i].take(w);
            world_release(w);
            free(w);
        }
        qsort(times, RUNS, sizeof *times, by_time);
        bool fine = times[RUNS / 2] <= measures[i].median && times[RUNS - 1] <= measures[i].most;
        printf("%s %s: median %lu ms, most %lu ms\n", fine ? "ok" : "not ok", measures[i].name,
               (unsigned long)times[RUNS / 2], (unsigned long)times[RUNS - 1]);
        failed += !fine;
    }
    return failed;
}
