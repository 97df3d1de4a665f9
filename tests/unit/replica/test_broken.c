/* test_broken.c - R8, R9, R11, R12: who leads and cannot rely on what it has.
 * LINK: replica data base */
#include "tests/unit/replica/shards.h"

/* Whatever is asked for, and about whom. */
static void asks(unsigned number, enum replica_ask what, unsigned about)
{
    ck_assert_int_eq(nodes[number].ask, what);
    if (about)
        ck_assert(replica_member_eq(nodes[number].about, member(about)));
}

START_TEST(r12_a_broken_primary_asks_nobody_out_that_may_be_good_and_gives_way)
{
    grid(2, 0);
    write(&nodes[1]);
    nodes[2].dead = true;
    replica_linked(&nodes[1].r, 2, false, now);
    settle();
    replica_break(&nodes[1].r, now);
    ck_assert(replica_gives_way(&nodes[1].r));
    later(TIMEOUT - 100);
    asks(1, REPLICA_ASK_NONE, 0);
    later(200);
    asks(1, REPLICA_ASK_HAND_OVER, 2); /* though it is not reached, and has not got all */
    replica_answered(&nodes[1].r, 1, REPLICA_ASK_HAND_OVER, GRID_EIN_DOUBT, now);
    nodes[1].ask = REPLICA_ASK_NONE;
    later(2 * TIMEOUT);
    asks(1, REPLICA_ASK_HAND_OVER, 2);
}
END_TEST

START_TEST(r12_it_hands_over_to_one_that_cannot_follow_it)
{
    grid(2, 0);
    write(&nodes[1]);
    replica_stray(&nodes[2].r, now);
    replica_break(&nodes[1].r, now);
    later(STOP + RETRY);
    asks(1, REPLICA_ASK_HAND_OVER, 2);
}
END_TEST

START_TEST(r12_but_one_that_is_broken_too_it_does)
{
    grid(3, 0);
    write(&nodes[1]);
    post();
    replica_break(&nodes[2].r, now);
    post();
    replica_answered(&nodes[1].r, 1, REPLICA_ASK_SHRINK, GRID_EIN_DOUBT, now);
    nodes[1].ask = REPLICA_ASK_NONE;
    nodes[3].dead = true;
    replica_linked(&nodes[1].r, 3, false, now);
    replica_break(&nodes[1].r, now);
    later(2 * RETRY);
    asks(1, REPLICA_ASK_SHRINK, 2);
    next_config(LIST(1, 3), NULL);
    configure(1);
    later(TIMEOUT + RETRY);
    asks(1, REPLICA_ASK_HAND_OVER, 3);
}
END_TEST

/* 3 owed an ack, and was asked out; 2 has long owed one, too, and is broken, which its link kept
 * from 1. */
START_TEST(r12_who_may_say_that_it_is_broken_too_is_heard_before_it_is_given_the_lead)
{
    grid(3, 0);
    nodes[2].dead = nodes[3].dead = true;
    write(&nodes[1]);
    later(TIMEOUT + RETRY);
    asks(1, REPLICA_ASK_SHRINK, 0);
    replica_break(&nodes[2].r, now);
    replica_break(&nodes[1].r, now);
    later(TIMEOUT);
    nodes[1].ask = REPLICA_ASK_NONE;
    next_config(LIST(1, 2), NULL);
    configure(1);
    settle();
    asks(1, REPLICA_ASK_NONE, 0);
    letters_len = 0;
    nodes[2].dead = false;
    configure(2);
    replica_linked(&nodes[1].r, 2, true, now);
    later(TIMEOUT / 2);
    asks(1, REPLICA_ASK_SHRINK, 2);
    next_config(LIST(1), NULL);
    configure(1);
    settle();
    asks(1, REPLICA_ASK_GIVE_BACK, 3);
}
END_TEST

START_TEST(r12_broken_in_a_takeover_it_hands_over_without_waiting)
{
    grid(3, 0);
    write(&nodes[1]);
    post();
    replica_break(&nodes[2].r, now);
    nodes[1].dead = true;
    granted_any = now + GRACE;
    next_config(LIST(2, 3), NULL);
    configure_all();
    ck_assert_int_eq(nodes[2].r.phase, REPLICA_TAKEOVER);
    asks(2, REPLICA_ASK_HAND_OVER, 3);
}
END_TEST

START_TEST(r9_broken_and_alone_it_gives_the_lead_back_and_commits_nothing)
{
    grid(2, 0);
    write(&nodes[1]);
    post();
    write(&nodes[1]);
    letters_len = 0; /* 2 has not got it */
    replica_break(&nodes[1].r, now);
    next_config(LIST(1), NULL); /* asked for before */
    configure(1);
    settle();
    asks(1, REPLICA_ASK_GIVE_BACK, 2);
    ck_assert(replica_gives_way(&nodes[1].r) && !replica_admits(&nodes[1].r));
    later(TIMEOUT);
    ck_assert_uint_eq(nodes[1].r.commit, version_make(1, 1));
    replica_answered(&nodes[1].r, 2, REPLICA_ASK_GIVE_BACK, GRID_ECONDITION, now);
    later(RETRY);
    ck_assert_int_eq(nodes[1].r.phase,
                     REPLICA_SERVING); /* there is nobody: refusing is the shard's */
    ck_assert(!replica_gives_way(&nodes[1].r));
}
END_TEST

START_TEST(r9_so_does_a_backup_that_is_made_primary_alone)
{
    grid(2, 0);
    write(&nodes[1]);
    post();
    replica_break(&nodes[2].r, now);
    nodes[1].dead = true;
    next_config(LIST(2), NULL);
    configure(2);
    settle();
    asks(2, REPLICA_ASK_GIVE_BACK, 1);
    next_config(LIST(2), LIST(3));
    configure(2);
    settle();
    asks(2, REPLICA_ASK_GIVE_BACK, 1);
    ck_assert_uint_eq(nodes[2].ask_epoch, 3);
}
END_TEST

/* 1 is damaged, and both others left it, 2 last. */
static void left_alone(void)
{
    grid(3, 0);
    write(&nodes[1]);
    post();
    replica_break(&nodes[1].r, now);
    next_config(LIST(1, 2), NULL);
    configure(1);
    next_config(LIST(1), NULL);
    configure(1);
}

START_TEST(r9_the_lead_is_given_back_to_one_that_is_up_first)
{
    left_alone();
    lease[1][2] = false;
    settle();
    asks(1, REPLICA_ASK_GIVE_BACK, 3);
    replica_answered(&nodes[1].r, 3, REPLICA_ASK_GIVE_BACK, GRID_ECONDITION, now);
    nodes[1].ask = REPLICA_ASK_NONE;
    later(TIMEOUT - 100);
    asks(1, REPLICA_ASK_NONE, 0);
    later(200);
    asks(1, REPLICA_ASK_GIVE_BACK, 2); /* it is waited for */
}
END_TEST

START_TEST(r9_the_lead_is_not_given_back_to_who_is_damaged_too)
{
    left_alone();
    replica_break(&nodes[2].r, now);
    next_config(LIST(1), LIST(2));
    configure_all();
    post();
    asks(1, REPLICA_ASK_GIVE_BACK, 3);
}
END_TEST

START_TEST(r9_nor_to_who_may_have_been_copied_over)
{
    grid(3, 0);
    write(&nodes[1]);
    post();
    replica_break(&nodes[2].r, now);
    next_config(LIST(1, 2), LIST(3));
    configure(2);
    nodes[1].dead = true;
    next_config(LIST(2), NULL);
    configure(2);
    settle();
    asks(2, REPLICA_ASK_GIVE_BACK, 1);
    replica_answered(&nodes[2].r, 3, REPLICA_ASK_GIVE_BACK, GRID_ECONDITION, now);
    nodes[2].ask = REPLICA_ASK_NONE;
    later(2 * TIMEOUT);
    asks(2, REPLICA_ASK_NONE, 0);
}
END_TEST

/* 1 asked to hand over to 2, and hears next that it is alone; so many epochs passed. */
static void left_unheard(unsigned epochs)
{
    grid(2, 0);
    write(&nodes[1]);
    nodes[2].dead = true;
    replica_linked(&nodes[1].r, 2, false, now);
    settle();
    replica_break(&nodes[1].r, now);
    later(TIMEOUT + 100);
    asks(1, REPLICA_ASK_HAND_OVER, 2);
    nodes[1].ask = REPLICA_ASK_NONE;
    while (epochs--)
        next_config(LIST(1), NULL);
    configure(1);
    later(TIMEOUT + RETRY);
}

START_TEST(r9_it_is_given_back_by_who_missed_a_few_epochs_of_another)
{
    left_unheard(3);
    asks(1, REPLICA_ASK_GIVE_BACK, 2);
    ck_assert_uint_eq(nodes[1].r.commit, 0);
    left_unheard(4);
    asks(1, REPLICA_ASK_NONE, 0);
}
END_TEST

START_TEST(r9_nor_to_who_lacks_what_was_committed_by_earlier_acks)
{
    grid(3, 0);
    nodes[3].dead = true;
    write(&nodes[1]);
    post(); /* 2 acks it, and 3 is asked out for it */
    replica_break(&nodes[2].r, now);
    next_config(LIST(1, 2), NULL);
    configure(1);
    configure(2);
    settle();
    ck_assert_uint_eq(nodes[1].r.commit, version_make(1, 1));
    nodes[1].dead = true;
    next_config(LIST(2), NULL);
    configure(2);
    lease[2][1] = false;
    later(TIMEOUT - 100);
    asks(2, REPLICA_ASK_NONE, 0);
    later(200);
    asks(2, REPLICA_ASK_GIVE_BACK, 1);
}
END_TEST

START_TEST(r11_a_broken_primary_wipes_nobody)
{
    grid(1, 0);
    write(&nodes[1]);
    nodes[1].kept_from = 1;
    replica_break(&nodes[1].r, now);
    next_config(LIST(1), LIST(2));
    configure_all();
    later(TIMEOUT);
    ck_assert(!nodes[2].wiped);
    nodes[1].r.broken = false; /* an operator gave up what was damaged */
    later(2 * RETRY);
    ck_assert(nodes[2].wiped);
}
END_TEST

START_TEST(r11_half_a_copy_that_is_made_primary_is_not_relied_on)
{
    grid(1, 0);
    write(&nodes[1]);
    nodes[1].kept_from = 1;
    next_config(LIST(1), LIST(2));
    configure_all();
    post();
    ck_assert(nodes[2].r.copying);
    nodes[1].dead = true;
    next_config(LIST(2), LIST(3));
    configure(2);
    configure(3);
    later(TIMEOUT);
    ck_assert(nodes[2].r.broken && nodes[2].r.copying);
    ck_assert(!nodes[3].wiped);
    replica_copied(&nodes[2].r, now);
    ck_assert(nodes[2].r.broken);
}
END_TEST

START_TEST(r9_who_cannot_be_cut_leads_with_what_it_has)
{
    grid(2, 0);
    write(&nodes[1]);
    post();
    replica_stray(&nodes[2].r, now);
    post();
    asks(1, REPLICA_ASK_SHRINK, 2);
    nodes[1].dead = true;
    next_config(LIST(2), NULL);
    configure(2);
    later(GRACE + 10);
    ck_assert_int_eq(nodes[2].r.phase, REPLICA_SERVING);
    ck_assert(!nodes[2].r.stray);
}
END_TEST

UNIT_MAIN("replica/broken", r12_a_broken_primary_asks_nobody_out_that_may_be_good_and_gives_way,
          r12_it_hands_over_to_one_that_cannot_follow_it, r12_but_one_that_is_broken_too_it_does,
          r12_who_may_say_that_it_is_broken_too_is_heard_before_it_is_given_the_lead,
          r12_broken_in_a_takeover_it_hands_over_without_waiting,
          r9_broken_and_alone_it_gives_the_lead_back_and_commits_nothing,
          r9_so_does_a_backup_that_is_made_primary_alone,
          r9_the_lead_is_given_back_to_one_that_is_up_first,
          r9_the_lead_is_not_given_back_to_who_is_damaged_too,
          r9_nor_to_who_may_have_been_copied_over,
          r9_it_is_given_back_by_who_missed_a_few_epochs_of_another,
          r9_nor_to_who_lacks_what_was_committed_by_earlier_acks, r11_a_broken_primary_wipes_nobody,
          r11_half_a_copy_that_is_made_primary_is_not_relied_on,
          r9_who_cannot_be_cut_leads_with_what_it_has)
