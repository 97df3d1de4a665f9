/* test_rules.c - R1 to R8: who is what, order, commit, leases, changes of the set.
 * LINK: replica data base */
#include "tests/unit/replica/shards.h"

/* --- R1 --------------------------------------------------------------------------------------- */

START_TEST(r1_roles_are_what_the_configuration_says)
{
    grid(2, 1);
    ck_assert_int_eq(nodes[1].r.role, REPLICA_PRIMARY);
    ck_assert_int_eq(nodes[1].r.phase, REPLICA_SERVING);
    ck_assert_int_eq(nodes[2].r.role, REPLICA_BACKUP);
    ck_assert_int_eq(nodes[3].r.role, REPLICA_JOINING);
    ck_assert_int_eq(nodes[4].r.role, REPLICA_NONE);
    ck_assert(!replica_admits(&nodes[2].r) && !replica_reads(&nodes[2].r, now));
}
END_TEST

START_TEST(r1_an_older_epoch_is_refused_and_a_newer_one_waits)
{
    grid(2, 0);
    struct replica_message old = {.kind = REPLICA_KNOCK, .from = member(2), .epoch = 1};
    next_config(LIST(1, 2), NULL);
    ck_assert_int_eq(replica_receive(&nodes[1].r, &old, now), REPLICA_DONE);
    configure(1);
    letters_len = 0;
    ck_assert_int_eq(replica_receive(&nodes[1].r, &old, now), REPLICA_STALE);
    ck_assert_int_eq(letters[0].m.kind, REPLICA_REFUSED);
    ck_assert_uint_eq(letters[0].m.epoch, 2);
    old.epoch = 3;
    ck_assert_int_eq(replica_receive(&nodes[1].r, &old, now), REPLICA_EARLY);
}
END_TEST

START_TEST(r1_another_life_of_a_member_is_a_stranger)
{
    grid(2, 0);
    struct replica_message m = {.kind = REPLICA_KNOCK, .from = {2, 2}, .epoch = 1};
    ck_assert_int_eq(replica_receive(&nodes[1].r, &m, now), REPLICA_STRANGER);
    replica_configure(&nodes[2].r, &config, (struct replica_member){2, 2}, 1, now);
    ck_assert_int_eq(nodes[2].r.role, REPLICA_NONE);
}
END_TEST

START_TEST(r1_what_was_before_the_birth_is_void)
{
    grid(1, 0);
    write(&nodes[1]);
    next_config(LIST(1), NULL);
    config.born = config.epoch;
    configure(1);
    ck_assert(nodes[1].wiped);
    ck_assert_uint_eq(replica_peek(&nodes[1].r), version_make(2, 1));
}
END_TEST

/* --- R2 to R6 --------------------------------------------------------------------------------- */

START_TEST(r3_records_go_to_in_sync_and_joining_in_order)
{
    grid(2, 1);
    for (int i = 0; i < 5; i++)
        write(&nodes[1]);
    post();
    ck_assert_uint_eq(nodes[2].len, 5);
    ck_assert_uint_eq(nodes[3].len, 5);
    ck_assert(!memcmp(nodes[2].log, nodes[1].log, 5 * sizeof(uint64_t)));
}
END_TEST

START_TEST(r4_r5_commit_is_the_lowest_ack_and_waits_for_the_slowest_disk)
{
    grid(2, 0);
    uint64_t version = append(&nodes[1]);
    post();
    ck_assert(replica_pending(&nodes[1].r, version)); /* its own disk */
    stored(&nodes[1]);
    ck_assert(!replica_pending(&nodes[1].r, version));
    version = write(&nodes[1]);
    ck_assert(replica_pending(&nodes[1].r, version)); /* the backup's */
    post();
    ck_assert(!replica_pending(&nodes[1].r, version));
    later(100);
    ck_assert_uint_eq(nodes[2].r.commit, version); /* told without another record */
}
END_TEST

START_TEST(r5_nothing_commits_below_min_in_sync)
{
    grid(1, 1);
    replica_configure(&nodes[1].r, &config, member(1), 2, now);
    ck_assert(replica_short(&nodes[1].r));
    uint64_t version = write(&nodes[1]);
    post();
    ck_assert(replica_pending(&nodes[1].r, version));
    ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_PROMOTE);
    next_config(LIST(1, 2), NULL);
    for (unsigned i = 1; i <= 2; i++)
        replica_configure(&nodes[i].r, &config, member(i), 2, now);
    post();
    ck_assert(!replica_pending(&nodes[1].r, version));
}
END_TEST

/* The backup does not know yet that it is committed, and is the only one left. */
START_TEST(r5_what_was_taken_over_is_read_below_min_in_sync)
{
    grid(2, 0);
    uint64_t version = write(&nodes[1]);
    post();
    ck_assert(!replica_pending(&nodes[1].r, version));
    ck_assert(replica_pending(&nodes[2].r, version));
    nodes[1].dead = true;
    next_config(LIST(2), NULL);
    replica_configure(&nodes[2].r, &config, member(2), 2, now);
    post();
    ck_assert(replica_short(&nodes[2].r));
    ck_assert(replica_reads(&nodes[2].r, now));
    ck_assert(!replica_pending(&nodes[2].r, version));
}
END_TEST

/* Nor does who was alone before it was started anew. */
START_TEST(r5_what_was_found_at_a_start_is_read_below_min_in_sync)
{
    grid(1, 0);
    uint64_t version = write(&nodes[1]);
    replica_close(&nodes[1].r);
    replica_open(&nodes[1].r, &ports, &times);
    replica_recover(&nodes[1].r, version);
    config.epoch++;
    config.members[0] = (struct replica_member){1, 2};
    replica_configure(&nodes[1].r, &config, config.members[0], 2, now);
    post();
    ck_assert(replica_short(&nodes[1].r));
    ck_assert(!replica_pending(&nodes[1].r, version));
}
END_TEST

/* It is known not to be committed, and stays so until there are enough again. */
START_TEST(r5_what_was_pending_when_too_few_stayed_waits)
{
    grid(2, 0);
    uint64_t version = write(&nodes[1]);
    nodes[2].dead = true;
    next_config(LIST(1), NULL);
    replica_configure(&nodes[1].r, &config, member(1), 2, now);
    post();
    stored(&nodes[1]);
    ck_assert(replica_pending(&nodes[1].r, version));
    config.epoch++;
    replica_configure(&nodes[1].r, &config, member(1), 1, now);
    ck_assert(!replica_pending(&nodes[1].r, version));
}
END_TEST

START_TEST(r5_what_was_taken_over_waits_for_who_is_eligible)
{
    grid(2, 0);
    uint64_t version = write(&nodes[1]);
    post();
    nodes[1].dead = true;
    config.epoch++;
    config.members[0] = member(2);
    config.members[1] = member(3);
    config.in_sync = 1; /* and 3 is eligible */
    configure(2);
    post();
    ck_assert_int_eq(nodes[2].r.phase, REPLICA_SERVING);
    ck_assert(replica_pending(&nodes[2].r, version));
    next_config(LIST(2), NULL);
    replica_configure(&nodes[2].r, &config, member(2), 2, now);
    ck_assert(!replica_pending(&nodes[2].r, version));
}
END_TEST

START_TEST(r5_nothing_commits_while_somebody_is_eligible)
{
    grid(2, 0);
    config.epoch++;
    config.in_sync = 1; /* and 2 is eligible */
    configure(1);
    uint64_t version = write(&nodes[1]);
    ck_assert(replica_pending(&nodes[1].r, version));
    ck_assert(replica_short(&nodes[1].r));
}
END_TEST

/* --- R7 --------------------------------------------------------------------------------------- */

START_TEST(r7_reads_need_the_lease_of_every_member_in_sync)
{
    grid(3, 0);
    ck_assert(replica_reads(&nodes[1].r, now));
    lease[1][3] = false;
    ck_assert(!replica_reads(&nodes[1].r, now));
    lease[1][3] = true;
    lease[1][4] = false; /* no member */
    ck_assert(replica_reads(&nodes[1].r, now));
}
END_TEST

START_TEST(r7_who_lends_nothing_for_long_is_asked_out)
{
    grid(2, 0);
    lease[1][2] = false;
    for (int i = 0; i < 5; i++) {
        ck_assert(!replica_reads(&nodes[1].r, now));
        later(TIMEOUT / 4);
    }
    ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_SHRINK);
    ck_assert_uint_eq(nodes[1].about.node, 2);
}
END_TEST

START_TEST(r7_an_eligible_member_lends_too)
{
    grid(2, 0);
    config.epoch++;
    config.in_sync = 1;
    configure(1);
    lease[1][2] = false;
    ck_assert(!replica_reads(&nodes[1].r, now));
}
END_TEST

START_TEST(r7_a_copy_is_read_by_the_leases_of_all_others)
{
    grid(3, 1);
    ck_assert(!replica_copy_reads(&nodes[1].r, now)); /* it leads */
    ck_assert(!replica_copy_reads(&nodes[4].r, now)); /* it joins */
    ck_assert(replica_copy_reads(&nodes[2].r, now));
    for (uint32_t by = 1; by <= 4; by++) { /* who joins may be led by next */
        lease[2][by] = false;
        ck_assert(replica_copy_reads(&nodes[2].r, now) == (by == 2));
        lease[2][by] = true;
    }
    replica_break(&nodes[2].r, now);
    ck_assert(!replica_copy_reads(&nodes[2].r, now));
}
END_TEST

START_TEST(r7_a_copy_that_came_into_the_set_is_read_once_what_it_had_is_committed)
{
    grid(2, 0);
    uint64_t version = write(&nodes[1]);
    later(200);
    ck_assert(replica_copy_reads(&nodes[2].r, now) && replica_copy_shows(&nodes[2].r, version));
    nodes[2].r.sure = version + 1;
    ck_assert(!replica_copy_reads(&nodes[2].r, now));
    ck_assert(!replica_copy_shows(&nodes[2].r, version + 1));
}
END_TEST

/* It may have been brought everything but the tombstone of what is not committed. */
START_TEST(r7_a_copy_that_is_put_into_the_set_is_not_sure_yet_of_what_it_lacks)
{
    grid(2, 1);
    uint64_t before = write(&nodes[1]);
    later(100);
    nodes[2].dead = true;
    uint64_t version = write(&nodes[1]);
    later(100);
    ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_PROMOTE);
    next_config(LIST(1, 2, 3), NULL);
    configure(1);
    configure(3);
    later(100);
    ck_assert(replica_copy_shows(&nodes[3].r, before));
    ck_assert(!replica_copy_shows(&nodes[3].r, version));
    ck_assert(!replica_copy_reads(&nodes[3].r, now));
    nodes[2].dead = false;
    configure(2);
    later(500);
    ck_assert(!replica_pending(&nodes[1].r, version));
    ck_assert(replica_copy_reads(&nodes[3].r, now));
}
END_TEST

/* --- R8 --------------------------------------------------------------------------------------- */

START_TEST(r8_who_does_not_ack_counts_until_the_answer)
{
    grid(2, 0);
    nodes[2].dead = true;
    uint64_t version = write(&nodes[1]);
    later(TIMEOUT + 200);
    ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_SHRINK);
    ck_assert(replica_pending(&nodes[1].r, version));
    replica_answered(&nodes[1].r, 1, REPLICA_ASK_SHRINK, GRID_OK, now);
    ck_assert(replica_pending(&nodes[1].r, version)); /* the configuration tells */
    next_config(LIST(1), NULL);
    configure(1);
    ck_assert(!replica_pending(&nodes[1].r, version));
}
END_TEST

/* As later(), but each letter takes its time; one after the other. */
static void later_over_a_long_way(msec_t ms, msec_t way)
{
    static msec_t arrives[MESSAGES];
    size_t known = 0, first = 0;
    for (msec_t end = now + ms; now < end; now += 10) {
        replica_tick(&nodes[1].r, now);
        replica_tick(&nodes[2].r, now);
        settle();
        for (; first < letters_len; first++) {
            while (known < letters_len)
                arrives[known++] = now + way;
            if (arrives[first] > now)
                break;
            struct letter l = letters[first];
            deliver(&l);
            settle();
        }
    }
    letters_len = 0;
}

START_TEST(r8_an_ack_that_takes_its_time_is_waited_for)
{
    grid(2, 0);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t version = write(&nodes[1]);
        later_over_a_long_way(TIMEOUT, TIMEOUT / 8);
        ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_NONE);
        ck_assert(!replica_pending(&nodes[1].r, version));
    }
}
END_TEST

START_TEST(r8_who_is_added_counts_from_the_asking)
{
    grid(1, 1);
    uint64_t version = write(&nodes[1]);
    post();
    ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_PROMOTE);
    ck_assert(!replica_pending(&nodes[1].r, version));
    nodes[2].dead = true;
    version = write(&nodes[1]);
    post();
    ck_assert(replica_pending(&nodes[1].r, version));
    lease[1][2] = false;
    ck_assert(!replica_reads(&nodes[1].r, now));
}
END_TEST

START_TEST(r8_a_refusal_ends_it_but_not_a_doubt)
{
    static const struct {
        enum grid_err err;
        bool counts;
    } cases[] = {{GRID_ECONDITION, false}, {GRID_EBUSY, false},    {GRID_EIN_DOUBT, true},
                 {GRID_ESTALE, true},      {GRID_ECLOSED, true},   {GRID_OK, true},
                 {GRID_ETIMEOUT, true},    {GRID_ESTOPPING, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        grid(1, 1);
        write(&nodes[1]);
        post();
        ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_PROMOTE);
        nodes[2].dead = true;
        replica_answered(&nodes[1].r, 1, REPLICA_ASK_PROMOTE, cases[i].err, now);
        uint64_t version = write(&nodes[1]);
        post();
        ck_assert_int_eq(replica_pending(&nodes[1].r, version), cases[i].counts);
    }
}
END_TEST

START_TEST(r8_a_refusal_after_a_doubt_ends_nothing)
{
    grid(1, 1);
    write(&nodes[1]);
    post();
    replica_answered(&nodes[1].r, 1, REPLICA_ASK_PROMOTE, GRID_EIN_DOUBT, now);
    nodes[1].ask = REPLICA_ASK_NONE;
    later(3 * RETRY);
    ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_PROMOTE); /* asked again */
    replica_answered(&nodes[1].r, 1, REPLICA_ASK_PROMOTE, GRID_ECONDITION, now);
    nodes[2].dead = true;
    uint64_t version = write(&nodes[1]);
    ck_assert(replica_pending(&nodes[1].r, version));
}
END_TEST

START_TEST(r8_an_answer_to_an_ask_of_another_epoch_means_nothing)
{
    grid(2, 1);
    nodes[2].dead = true;
    write(&nodes[1]);
    later(TIMEOUT + 200);
    next_config(LIST(1), LIST(3));
    configure(1);
    configure(3);
    post();
    ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_PROMOTE);
    replica_answered(&nodes[1].r, 1, REPLICA_ASK_SHRINK, GRID_ECONDITION, now);
    replica_answered(&nodes[1].r, 1, REPLICA_ASK_PROMOTE, GRID_ECONDITION, now);
    nodes[3].dead = true;
    ck_assert(replica_pending(&nodes[1].r, write(&nodes[1])));
}
END_TEST

START_TEST(r8_who_slept_blames_nobody)
{
    grid(2, 0);
    write(&nodes[1]);
    post();
    write(&nodes[1]);
    letters_len = 0; /* lost */
    now += 5 * TIMEOUT;
    replica_tick(&nodes[1].r, now);
    ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_NONE);
    later(300);
    ck_assert_uint_eq(nodes[2].len, 2); /* sent again */
    ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_NONE);
}
END_TEST

/* --- bytes of the wire ------------------------------------------------------------------------ */

START_TEST(any_message_is_survived)
{
    uint64_t seed = 1;
    for (int i = 0; i < 200000; i++) {
        if (i % 1000 == 0)
            grid(2, 1);
        struct replica_message m = {.from = member(1 + (unsigned)(i % 4)), .epoch = 1};
        uint64_t x[4];
        for (int j = 0; j < 4; j++)
            x[j] = seed = seed * 6364136223846793005u + 1442695040888963407u;
        m.kind = (enum replica_message_kind)(x[0] >> 32 & 15);
        m.round = x[0] & 3 ? nodes[1].r.round : (uint32_t)(x[0] >> 40 & 3);
        m.broken = x[0] >> 41 & 1;
        m.copying = x[0] >> 42 & 1;
        m.served = x[0] >> 43 & 1;
        m.stray = x[0] >> 44 & 1;
        m.version = x[1] >> 63 ? x[1] >> 8 : version_make(1, x[1] >> 32 & 7);
        m.commit = x[2] >> 63 ? x[2] : version_make(1, x[2] >> 32 & 7);
        m.history.last = x[3] >> 63 ? x[3] : version_make(1, x[3] >> 32 & 3);
        m.history.ends_len = x[3] >> 40 & 1;
        replica_receive(&nodes[1 + (x[2] >> 40) % 3].r, &m, now);
        for (int n = 1; n <= 3; n++)
            replica_check(&nodes[n].r);
        if (letters_len > MESSAGES / 2)
            letters_len = 0;
    }
}
END_TEST

UNIT_MAIN(
    "replica/rules", r1_roles_are_what_the_configuration_says,
    r1_an_older_epoch_is_refused_and_a_newer_one_waits, r1_another_life_of_a_member_is_a_stranger,
    r1_what_was_before_the_birth_is_void, r3_records_go_to_in_sync_and_joining_in_order,
    r4_r5_commit_is_the_lowest_ack_and_waits_for_the_slowest_disk,
    r5_nothing_commits_below_min_in_sync, r5_what_was_taken_over_is_read_below_min_in_sync,
    r5_what_was_found_at_a_start_is_read_below_min_in_sync,
    r5_what_was_pending_when_too_few_stayed_waits, r5_what_was_taken_over_waits_for_who_is_eligible,
    r5_nothing_commits_while_somebody_is_eligible, r7_reads_need_the_lease_of_every_member_in_sync,
    r7_who_lends_nothing_for_long_is_asked_out, r7_an_eligible_member_lends_too,
    r7_a_copy_is_read_by_the_leases_of_all_others,
    r7_a_copy_that_came_into_the_set_is_read_once_what_it_had_is_committed,
    r7_a_copy_that_is_put_into_the_set_is_not_sure_yet_of_what_it_lacks,
    r8_who_does_not_ack_counts_until_the_answer, r8_an_ack_that_takes_its_time_is_waited_for,
    r8_who_is_added_counts_from_the_asking, r8_a_refusal_ends_it_but_not_a_doubt,
    r8_a_refusal_after_a_doubt_ends_nothing, r8_an_answer_to_an_ask_of_another_epoch_means_nothing,
    r8_who_slept_blames_nobody, any_message_is_survived)
