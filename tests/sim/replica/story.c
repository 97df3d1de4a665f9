/* story.c - the stories, and who is who in them. */
#include "tests/sim/replica/story.h"

#include <stdlib.h>

#define S(rule) REPLICA_SABOTAGE_##rule

const struct story stories[] = {
    {"commit_with_a_backup_dropped_locally", S(DROPPED_BEFORE_ANSWER), 3, 2, 1, DURABILITY_SYNC,
     false,
     .deeds = {{500, AWAY, CONTROL, CONTROL, 900},
               {10, CUT, PRIMARY, BACKUP, 3000},
               {800, CRASH, PRIMARY, CONTROL, 3000}}},
    {"cut_off_after_asking_for_a_new_member", S(JOINING_NOT_COUNTED), 3, 1, 1, DURABILITY_SYNC,
     false,
     .deeds = {{500, LATE_ASKS, CONTROL, CONTROL, 4000},
               {10, JOIN, OUTSIDER, CONTROL, 0},
               {250, ALONE, PRIMARY, CONTROL, 4000}}},
    {"no_answer_taken_for_no", S(DOUBT_IS_REFUSAL), 3, 1, 1, DURABILITY_SYNC, false,
     .deeds = {{500, LATE_ASKS, CONTROL, CONTROL, 4000},
               {10, JOIN, OUTSIDER, CONTROL, 0},
               {450, ALONE, PRIMARY, CONTROL, 4000}}},
    {"last_replica_standing_leads_again", S(LEAD_ANY), 3, 3, 1, DURABILITY_ASYNC, false,
     .deeds = {{700, SLOW, BACKUP, CONTROL, 900}, {600, POWER, CONTROL, CONTROL, 600}}},
    {"an_old_life_comes_back_with_an_empty_disk", S(SAME_LIFE), 3, 2, 1, DURABILITY_MEMORY, false,
     .deeds = {{500, CRASH, BACKUP, CONTROL, 20}, {100, SUSPECT, PRIMARY, CONTROL, 0}}},
    {"a_command_of_an_old_controller_comes_late", S(EPOCH_BLIND), 3, 1, 1, DURABILITY_SYNC, false,
     .deeds = {{500, LATE_ASKS, CONTROL, CONTROL, 0},
               {10, JOIN, OUTSIDER, CONTROL, 0},
               {200, DROP, JOINING, CONTROL, 0},
               {5, CUT, PRIMARY, OUTSIDER, 3000},
               {5, JOIN, OUTSIDER, CONTROL, 0},
               {1500, SUSPECT, PRIMARY, CONTROL, 0}}},
    {"a_lease_looked_at_once_for_many_reads", S(LEASE_FIRST), 3, 2, 1, DURABILITY_SYNC, false,
     .deeds = {{500, PAUSE, PRIMARY, CONTROL, 1200},
               {1, SUSPECT, PRIMARY, CONTROL, 0},
               {2000, PAUSE, PRIMARY, CONTROL, 1200},
               {1, SUSPECT, PRIMARY, CONTROL, 0},
               {2000, PAUSE, PRIMARY, CONTROL, 1200},
               {1, SUSPECT, PRIMARY, CONTROL, 0},
               {2000, PAUSE, PRIMARY, CONTROL, 1200},
               {1, SUSPECT, PRIMARY, CONTROL, 0}}},
    {"a_paused_primary_reads_without_a_lease", S(LEASES), 3, 2, 1, DURABILITY_SYNC, false,
     .deeds = {{500, ALONE, PRIMARY, CONTROL, 3000}, {100, SUSPECT, PRIMARY, CONTROL, 0}}},
    {"the_old_lease_has_not_ended", S(GRACE), 3, 2, 1, DURABILITY_SYNC, false,
     .deeds = {{500, ALONE, PRIMARY, CONTROL, 3000}, {20, SUSPECT, PRIMARY, CONTROL, 0}}},
    {"another_primary_than_the_last_gives_its_word", S(EVERY_WORD), 3, 3, 1, DURABILITY_SYNC, false,
     .deeds = {{500, ALONE, PRIMARY, CONTROL, 3000}, {20, SUSPECT, PRIMARY, CONTROL, 0}}},
    {"a_lease_granted_after_taking_over", S(REVISION_BLIND), 2, 2, 1, DURABILITY_SYNC, false,
     .deeds = {{500, ONE_WAY, CONTROL, PRIMARY, 6000},
               {20, HAND_OVER, PRIMARY, BACKUP, 0},
               {4000, WAIT, CONTROL, CONTROL, 0}}},
    {"serving_before_the_tail_is_committed", S(TAIL_NOT_COMMITTED), 3, 3, 1, DURABILITY_SYNC, false,
     .deeds = {{500, CUT, PRIMARY, BACKUP, 300},
               {100, CRASH, PRIMARY, CONTROL, 1500},
               {10, CUT, BACKUP, SECOND, 400}}},
    {"pieces_of_a_copy_behind_the_stream", S(LATE_PIECES), 2, 2, 1, DURABILITY_SYNC, false,
     .deeds = {{900, CRASH, BACKUP, CONTROL, 1500},
               {1300, TRIM, PRIMARY, CONTROL, 0},
               {700, SUSPECT, PRIMARY, CONTROL, 0},
               {1500, WAIT, CONTROL, CONTROL, 0}},
     .think_ms = 60},
    {"a_copy_over_what_was_there_before", S(NOT_WIPED), 2, 2, 1, DURABILITY_SYNC, false,
     .deeds = {{900, CRASH, BACKUP, CONTROL, 1500},
               {1300, TRIM, PRIMARY, CONTROL, 0},
               {700, SUSPECT, PRIMARY, CONTROL, 0},
               {1500, WAIT, CONTROL, CONTROL, 0}},
     .think_ms = 300},
    {"a_copy_that_was_not_on_disk", S(ASYNC_COPIES), 2, 2, 1, DURABILITY_ASYNC, false,
     .deeds = {{900, CRASH, BACKUP, CONTROL, 1500},
               {1300, TRIM, PRIMARY, CONTROL, 0},
               {260, SUSPECT, PRIMARY, CONTROL, 0},
               {1, CRASH, PRIMARY, CONTROL, 10}},
     .think_ms = 300},
    {"half_a_copy_in_the_set", S(COPYING_ACKS), 3, 1, 1, DURABILITY_SYNC, false,
     .deeds = {{600, TRIM, PRIMARY, CONTROL, 0},
               {5, JOIN, OUTSIDER, CONTROL, 0},
               {20, SUSPECT, PRIMARY, CONTROL, 0}}},
    {"a_read_of_what_is_not_committed", S(UNCOMMITTED_READS), 3, 2, 1, DURABILITY_SYNC, false,
     .deeds = {{500, SLOW, BACKUP, CONTROL, 200}, {600, CRASH, PRIMARY, CONTROL, 800}}},
    {"a_tail_that_never_happened", S(NO_CUT), 3, 3, 1, DURABILITY_SYNC, false,
     .deeds = {{500, CUT, PRIMARY, BACKUP, 600}, {100, CRASH, PRIMARY, CONTROL, 1500}}},
    {"what_was_cut_is_in_the_log_on_disk", S(CUT_RECORDS), 3, 3, 2, DURABILITY_SYNC, false,
     .deeds = {{500, CRASH, SECOND, CONTROL, 4000},
               {1200, ALONE, PRIMARY, CONTROL, 800},
               {100, SUSPECT, PRIMARY, CONTROL, 0},
               {1800, HAND_OVER, PRIMARY, BACKUP, 0},
               {200, FORGET, PRIMARY, CONTROL, 0},
               {2500, WAIT, CONTROL, CONTROL, 0}}},
    {"a_retry_done_twice_after_a_copy", S(SESSIONS_LEFT), 3, 1, 1, DURABILITY_SYNC, false,
     .deeds = {{500, MUTE, CONTROL, CONTROL, 0},
               {100, TRIM, PRIMARY, CONTROL, 0},
               {5, JOIN, OUTSIDER, CONTROL, 0},
               {400, ALONE, PRIMARY, CONTROL, 2500},
               {10, SUSPECT, PRIMARY, CONTROL, 0},
               {1000, WAIT, CONTROL, CONTROL, 0}}},
    {"records_that_mean_what_the_clock_says", S(COMMANDS), 2, 2, 1, DURABILITY_SYNC, false,
     .deeds = {{500, HAND_OVER, PRIMARY, BACKUP, 0}}},
    {"deadlines_on_backups", S(BACKUPS_EXPIRE), 3, 2, 1, DURABILITY_SYNC, false,
     .deeds = {{800, ALONE, PRIMARY, CONTROL, 1500}, {700, HAND_OVER, PRIMARY, BACKUP, 0}}},
    {"cut_from_its_backup_while_both_see_the_leader", S(NEVER_SHRINK), 3, 2, 1, DURABILITY_SYNC,
     true, .deeds = {{500, CUT, PRIMARY, BACKUP, 6000}, {5000, WAIT, CONTROL, CONTROL, 0}}},
    {"cut_one_way_from_its_backup", S(NEVER_SHRINK), 3, 2, 1, DURABILITY_SYNC, true,
     .deeds = {{500, ONE_WAY, BACKUP, PRIMARY, 6000}, {5000, WAIT, CONTROL, CONTROL, 0}}},
    {"the_whole_grid_loses_power", S(LYING_DISK), 3, 3, 1, DURABILITY_SYNC, false,
     .deeds = {{500, POWER, CONTROL, CONTROL, 400}, {1500, POWER, CONTROL, CONTROL, 20}}},
    {"acked_in_memory_where_the_disk_was_promised", S(EARLY_ACK), 3, 2, 1, DURABILITY_SYNC, false,
     .deeds = {{500, SLOW, BACKUP, CONTROL, 300},
               {400, CRASH, PRIMARY, CONTROL, 3000},
               {60, CRASH, BACKUP, CONTROL, 30}}},
    {"too_few_in_sync", S(MIN_IN_SYNC), 2, 2, 2, DURABILITY_SYNC, false,
     .deeds = {{500, CUT, PRIMARY, BACKUP, 1500}, {750, ALONE, PRIMARY, CONTROL, 1500}}},
    {"the_last_good_copy_joins_one_that_is_damaged", S(BROKEN_COPIES), 2, 2, 1, DURABILITY_SYNC,
     false,
     .deeds = {{500, LATE_ASKS, CONTROL, CONTROL, 0},
               {10, CUT, PRIMARY, BACKUP, 300},
               {60, TRIM, PRIMARY, CONTROL, 0},
               {1, DAMAGE, PRIMARY, CONTROL, 0},
               {5, SUSPECT, BACKUP, CONTROL, 0},
               {4000, WAIT, CONTROL, CONTROL, 0}}},
    {"a_damaged_backup_leads_alone", S(KEEPS_LEAD), 2, 2, 1, DURABILITY_SYNC, false,
     .deeds = {{500, DAMAGE, BACKUP, CONTROL, 0}, {0, CRASH, PRIMARY, CONTROL, 1500}}},
    {"a_damaged_primary_is_left_alone", S(BROKEN_COMMITS), 3, 2, 1, DURABILITY_SYNC, false,
     .deeds = {{500, CUT, PRIMARY, BACKUP, 2000},
               {300, DAMAGE, PRIMARY, CONTROL, 0},
               {0, SUSPECT, BACKUP, CONTROL, 0}}},
    {"a_damaged_primary_cut_from_its_backup", S(NONE), 3, 2, 1, DURABILITY_SYNC, false,
     .deeds = {{500, CUT, PRIMARY, BACKUP, 3000}, {50, DAMAGE, PRIMARY, CONTROL, 0}}},
    {"a_slow_disk_that_is_not_dead", S(NONE), 3, 2, 1, DURABILITY_SYNC, true,
     .deeds = {{500, SLOW, BACKUP, CONTROL, 250}, {2000, SLOW, BACKUP, CONTROL, 1}}},
    {"flapping_nodes", S(NONE), 3, 2, 1, DURABILITY_SYNC, false,
     .deeds = {{300, CRASH, BACKUP, CONTROL, 10},
               {200, CRASH, PRIMARY, CONTROL, 10},
               {200, CRASH, BACKUP, CONTROL, 10},
               {200, CRASH, PRIMARY, CONTROL, 10},
               {200, CRASH, PRIMARY, CONTROL, 10},
               {200, CRASH, BACKUP, CONTROL, 10},
               {200, CRASH, PRIMARY, CONTROL, 10}}},
    {"paused_declared_gone_and_back_amid_hand_overs", S(NONE), 4, 3, 1, DURABILITY_SYNC, false,
     .deeds = {{400, HAND_OVER, PRIMARY, BACKUP, 0},
               {50, PAUSE, PRIMARY, CONTROL, 2500},
               {100, SUSPECT, FIRST_PRIMARY, CONTROL, 0},
               {700, HAND_OVER, PRIMARY, BACKUP, 0},
               {300, HAND_OVER, PRIMARY, BACKUP, 0},
               {900, HAND_OVER, PRIMARY, BACKUP, 0},
               {300, HAND_OVER, PRIMARY, BACKUP, 0}}},
    {"a_hand_over_to_who_dies", S(NONE), 3, 2, 1, DURABILITY_SYNC, false,
     .deeds = {{500, HAND_OVER, PRIMARY, BACKUP, 0}, {1, CRASH, BACKUP, CONTROL, 2000}}},
    {"a_hand_over_that_nobody_answers", S(NONE), 3, 2, 1, DURABILITY_SYNC, false,
     .deeds = {{500, LOST_ANSWERS, CONTROL, CONTROL, 2000},
               {10, HAND_OVER, PRIMARY, BACKUP, 0},
               {300, AWAY, CONTROL, CONTROL, 600},
               {50, HAND_OVER, PRIMARY, BACKUP, 0}}},
    {"a_reset_forgets_what_was_before", S(VOID_KEPT), 2, 1, 1, DURABILITY_MEMORY, false,
     .deeds = {{500, SUSPECT, PRIMARY, CONTROL, 0},
               {600, SUSPECT, PRIMARY, CONTROL, 0},
               {600, SUSPECT, PRIMARY, CONTROL, 0}}},
};
const size_t stories_len = sizeof stories / sizeof stories[0];

/* A quiet world. */
void story_mix(struct world *w)
{
    const struct story *s = w->story;
    usec_t us = 1500000;
    for (unsigned i = 0; i < DEEDS_MAX; i++)
        us += s->deeds[i].ms * 1000;
    w->mix = (struct mix){.nodes = s->nodes,
                          .copies = s->copies,
                          .min_in_sync = s->min_in_sync,
                          .clients = CLIENTS_MAX,
                          .durability = s->durability,
                          .fault_us = us,
                          .chaos_us = 1000,
                          .delay_us = 800,
                          .think_us = s->think_ms ? s->think_ms * 1000 : 3000,
                          .attempt_us = s->attempt_ms * 1000,
                          .disk_us = 1000,
                          .rate = 20};
}

/* --- who is who ------------------------------------------------------------------------------- */

static uint32_t outsider(const struct world *w, const struct replica_config *c)
{
    for (uint32_t i = w->mix.nodes; i > 0; i--)
        if (replica_config_find(c, control_member(w, i)) < 0)
            return i;
    return 0;
}

/* Its number; 0: there is none. */
static uint32_t find(const struct world *w, enum who who)
{
    struct replica_config c;
    if (!control_config(w, &c))
        return 0;
    switch (who) {
    case CONTROL:
        return 0;
    case PRIMARY:
        return c.len ? c.members[0].node : 0;
    case BACKUP:
        return c.in_sync > 1 ? c.members[1].node : 0;
    case SECOND:
        return c.in_sync > 2 ? c.members[2].node : 0;
    case JOINING:
        return c.len > c.complete ? c.members[c.complete].node : 0;
    case OUTSIDER:
        return outsider(w, &c);
    case FIRST_PRIMARY:
        return w->first_paused;
    }
    return 0;
}

/* --- what is done ----------------------------------------------------------------------------- */

static void deed_to_node(struct world *w, const struct deed *d, uint32_t who, usec_t us)
{
    struct node *n = &w->nodes[who];
    struct replica_member m = control_member(w, who);
    switch (d->what) {
    case CRASH:
        chaos_crash(w, n, us);
        break;
    case PAUSE:
        n->paused_until = w->now + us;
        w->first_paused = who;
        break;
    case ALONE:
        for (uint32_t i = 0; i <= w->mix.nodes; i++) {
            if (i == who)
                continue;
            chaos_cut(w, who, i, us);
            chaos_cut(w, i, who, us);
        }
        break;
    case SUSPECT:
        control_gone(w, &m, 1);
        break;
    case SLOW:
        n->disk_us = us;
        break;
    case TRIM:
        n->floor = n->gone = replica_last(&n->r) & SEQ_MASK;
        break;
    case FORGET:
        n->floor = replica_last(&n->r) & SEQ_MASK;
        break;
    case DAMAGE:
        chaos_damage(w, who);
        break;
    case JOIN:
        control_part(w, PART_ADD_JOINING, m);
        break;
    case LEAVE:
        control_part(w, PART_SHRINK, m);
        break;
    case DROP:
        control_part(w, PART_DROP_JOINING, m);
        break;
    default:
        abort(); /* not a deed to a node */
    }
}

static void deed_to_pair(struct world *w, const struct deed *d, usec_t us)
{
    uint32_t who = find(w, d->who), whom = find(w, d->whom);
    if ((d->who && !who) || (d->whom && !whom) || who == whom)
        return;
    if (d->what == HAND_OVER) {
        if (w->nodes[who].alive)
            world_post_to(w, 10, EVENT_HAND_OVER, who)->a = whom;
        return;
    }
    chaos_cut(w, who, whom, us);
    if (d->what == CUT)
        chaos_cut(w, whom, who, us);
}

static void deed_do(struct world *w, const struct deed *d)
{
    usec_t us = d->for_ms * 900 + below(w, d->for_ms * 200 + 1);
    uint32_t who = find(w, d->who);
    switch (d->what) {
    case POWER:
        for (uint32_t i = 1; i <= w->mix.nodes; i++)
            chaos_crash(w, &w->nodes[i], us);
        break;
    case CUT:
    case ONE_WAY:
    case HAND_OVER:
        deed_to_pair(w, d, us);
        break;
    case AWAY:
        w->control.down_until = w->now + us;
        break;
    case WAIT:
        break;
    case MUTE:
        w->mix.mute = true;
        break;
    case LATE_ASKS:
        w->mix.late_proposal = 1000;
        break;
    case LOST_ANSWERS:
        w->mix.lost_answer = 1000;
        break;
    default:
        if (who)
            deed_to_node(w, d, who, us);
    }
}

void story_step(struct world *w)
{
    const struct deed *deeds = w->story->deeds;
    unsigned at = w->deed++;
    if (at > 0)
        deed_do(w, &deeds[at - 1]);
    if (at < DEEDS_MAX && deeds[at].what) {
        usec_t us = deeds[at].ms * 900 + below(w, deeds[at].ms * 200 + 1);
        world_post(w, w->now + us, EVENT_CHAOS, 0);
    }
}
