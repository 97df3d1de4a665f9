/* test_moves.c - R9 to R12: takeover, restart, joining, hand-over.
 * LINK: replica data base */
#include "tests/unit/replica/shards.h"

/* The cut is done: the log is the primary's. */
static void mend(struct node *n, const struct node *from)
{
    ck_assert(replica_mendable(&n->r, n->cut_round, &from->r.history));
    memcpy(n->log, from->log, sizeof n->log);
    n->len = from->len;
    replica_mended(&n->r, &from->r.history, now);
    ck_assert_uint_eq(n->r.acked, 0); /* until it is on disk */
    stored(n);
}

/* --- R9 --------------------------------------------------------------------------------------- */

START_TEST(r9_a_new_primary_waits_for_the_lease_it_granted)
{
    grid(2, 0);
    write(&nodes[1]);
    post();
    nodes[1].dead = true;
    granted_any = now + GRACE;
    next_config(LIST(2), NULL);
    configure_all();
    later(GRACE - 50);
    ck_assert_int_eq(nodes[2].r.phase, REPLICA_TAKEOVER);
    ck_assert(!replica_admits(&nodes[2].r) && !replica_reads(&nodes[2].r, now));
    later(100);
    ck_assert_int_eq(nodes[2].r.phase, REPLICA_SERVING);
    ck_assert_uint_eq(nodes[2].r.commit, version_make(1, 1));
    ck_assert_uint_eq(replica_peek(&nodes[2].r), version_make(2, 2));
}
END_TEST

START_TEST(r9_it_serves_when_its_tail_is_acked_by_the_new_set)
{
    grid(3, 0);
    write(&nodes[1]);
    post();
    write(&nodes[1]);
    letters_len = 1; /* to 2 alone */
    post();
    nodes[1].dead = true;
    next_config(LIST(2, 3), NULL);
    configure(2);
    settle();
    letters_len = 0;
    ck_assert_int_eq(nodes[2].r.phase, REPLICA_TAKEOVER);
    configure(3);
    post();
    ck_assert_int_eq(nodes[2].r.phase, REPLICA_SERVING);
    ck_assert_uint_eq(nodes[3].len, 2);
    ck_assert_uint_eq(nodes[2].r.commit, version_make(1, 2));
}
END_TEST

START_TEST(r9_others_cut_beyond_the_common_point_and_keep_it_until_that_is_done)
{
    grid(3, 0);
    write(&nodes[1]);
    post();
    write(&nodes[1]);
    letters[0] = letters[1];
    letters_len = 1; /* to 3 alone */
    post();
    nodes[1].dead = true;
    next_config(LIST(2, 3), NULL);
    configure_all();
    ck_assert_int_eq(nodes[3].cuts, 1);
    ck_assert_uint_eq(replica_last(&nodes[3].r), version_make(1, 2));
    ck_assert_int_eq(nodes[2].r.phase, REPLICA_TAKEOVER);
    mend(&nodes[3], &nodes[2]);
    post();
    ck_assert_int_eq(nodes[2].r.phase, REPLICA_SERVING);
    write(&nodes[2]);
    post();
    ck_assert_uint_eq(replica_last(&nodes[3].r), version_make(2, 2));
    ck_assert_uint_eq(nodes[3].len, 2);
}
END_TEST

START_TEST(r9_a_cut_is_waited_for_as_long_as_it_gets_on)
{
    grid(3, 0);
    write(&nodes[1]);
    letters[0] = letters[1];
    letters_len = 1; /* to 3 alone */
    post();
    nodes[1].dead = true;
    next_config(LIST(2, 3), NULL);
    configure_all();
    ck_assert_int_eq(nodes[3].cuts, 1);
    for (int i = 0; i < 20; i++) {
        later(10 * RETRY);
        replica_mending(&nodes[2].r, member(3), nodes[3].cut_round, now);
    }
    ck_assert_int_eq(nodes[3].cuts, 1);
    later(10 * RETRY);
    replica_mending(&nodes[2].r, member(3), nodes[3].cut_round - 1, now); /* of another round */
    later(10 * RETRY);
    ck_assert_int_eq(nodes[3].cuts, 2);
}
END_TEST

START_TEST(r9_who_has_not_finished_its_cut_leads_with_what_it_had)
{
    grid(3, 0);
    write(&nodes[1]);
    letters[0] = letters[1];
    letters_len = 1; /* to 3 alone */
    post();
    nodes[1].dead = true;
    next_config(LIST(2, 3), NULL);
    configure_all();
    ck_assert_int_eq(nodes[3].cuts, 1);
    nodes[2].dead = true;
    next_config(LIST(3), NULL);
    configure_all();
    ck_assert(!replica_mendable(&nodes[3].r, nodes[3].cut_round, &nodes[2].r.history));
    ck_assert_int_eq(nodes[3].r.phase, REPLICA_SERVING);
    ck_assert_uint_eq(nodes[3].r.commit, version_make(1, 1));
}
END_TEST

/* A promotion that it asked for, and a removal, came as one. */
START_TEST(r9_a_primary_that_missed_an_epoch_goes_on)
{
    grid(2, 1);
    write(&nodes[1]);
    post();
    granted_any = now + GRACE;
    config.epoch++;
    next_config(LIST(1, 3), NULL);
    configure(1);
    ck_assert_int_eq(nodes[1].r.phase, REPLICA_SERVING);
    configure_all();
    uint64_t version = write(&nodes[1]);
    post();
    ck_assert_uint_eq(nodes[1].r.commit, version);
    ck_assert_uint_eq(nodes[3].r.acked, version);
}
END_TEST

START_TEST(r9_unless_it_had_asked_to_hand_over)
{
    grid(2, 0);
    ck_assert(replica_hand_over(&nodes[1].r, member(2), now));
    settle();
    replica_answered(&nodes[1].r, 1, REPLICA_ASK_HAND_OVER, GRID_EIN_DOUBT, now);
    granted_any = now + GRACE;
    config.epoch++;
    next_config(LIST(1, 2), NULL);
    configure_all();
    ck_assert_int_eq(nodes[1].r.phase, REPLICA_TAKEOVER);
    later(GRACE + 50);
    ck_assert_int_eq(nodes[1].r.phase, REPLICA_SERVING);
}
END_TEST

START_TEST(r9_nor_when_the_partition_was_reset_meanwhile)
{
    grid(2, 0);
    write(&nodes[1]);
    post();
    granted_any = now + GRACE;
    config.born = ++config.epoch;
    next_config(LIST(1, 2), NULL);
    configure_all();
    ck_assert_int_eq(nodes[1].r.phase, REPLICA_TAKEOVER);
    ck_assert_uint_eq(replica_last(&nodes[1].r), 0);
}
END_TEST

/* It turned bad when it was about to lead: another has all that it has. */
START_TEST(r12_who_cannot_rely_on_what_it_has_hands_over_when_it_leads)
{
    grid(3, 0);
    write(&nodes[1]);
    post();
    ck_assert(replica_hand_over(&nodes[1].r, member(2), now));
    ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_HAND_OVER);
    replica_break(&nodes[2].r, now);
    next_config(LIST(2, 1, 3), NULL);
    configure_all();
    later(20);
    ck_assert_int_eq(nodes[2].ask, REPLICA_ASK_HAND_OVER);
    ck_assert(replica_gives_way(&nodes[2].r));
    unsigned heir = nodes[2].about.node;
    ck_assert_uint_ne(heir, 2);
    replica_answered(&nodes[2].r, config.epoch, REPLICA_ASK_HAND_OVER, GRID_ECONDITION, now);
    nodes[2].ask = REPLICA_ASK_NONE;
    later(RETRY + 20);
    ck_assert_int_eq(nodes[2].ask, REPLICA_ASK_HAND_OVER); /* again, but not at once */
    next_config(LIST(heir, 2, 4 - heir), NULL);
    configure_all();
    later(20);
    ck_assert_int_eq(nodes[heir].ask, REPLICA_ASK_SHRINK);
    ck_assert_uint_eq(nodes[heir].about.node, 2);
}
END_TEST

START_TEST(r12_nor_does_it_hand_over_to_one_that_cannot_either)
{
    grid(2, 0);
    replica_break(&nodes[2].r, now);
    post();
    replica_break(&nodes[1].r, now);
    post();
    ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_SHRINK);
    next_config(LIST(1), NULL);
    configure_all();
    later(20);
    ck_assert_int_eq(nodes[1].r.phase, REPLICA_SERVING);
    ck_assert(!replica_gives_way(&nodes[1].r));
}
END_TEST

/* It may have been out of the set, and have lost what it had acked. */
START_TEST(r11_who_joins_after_a_missed_epoch_begins_anew)
{
    grid(2, 1);
    uint64_t version = write(&nodes[1]);
    post();
    struct replica_view view;
    ck_assert(replica_view(&nodes[1].r, 1, &view));
    ck_assert_uint_eq(view.acked, version);
    config.epoch++;
    next_config(LIST(1, 2), LIST(3));
    configure(1);
    ck_assert(replica_view(&nodes[1].r, 1, &view));
    ck_assert_uint_eq(view.acked, 0);
}
END_TEST

/* --- R10, R11 --------------------------------------------------------------------------------- */

START_TEST(r10_a_sole_member_goes_on_from_its_disk)
{
    grid(1, 0);
    replica_close(&nodes[1].r);
    replica_open(&nodes[1].r, &ports, &times);
    for (uint64_t seq = 1; seq <= 9; seq++)
        replica_recover(&nodes[1].r, version_make(1, seq));
    ck_assert_int_eq(nodes[1].r.role, REPLICA_NONE);
    ck_assert(!replica_reads(&nodes[1].r, now));
    next_config(LIST(1), NULL);
    configure(1);
    ck_assert_int_eq(nodes[1].r.phase, REPLICA_SERVING);
    ck_assert_uint_eq(nodes[1].r.commit, version_make(1, 9));
}
END_TEST

START_TEST(r10_who_waits_for_others_serves_nothing)
{
    grid(2, 0);
    config.led = false;
    config.epoch++;
    configure_all();
    for (int i = 1; i <= 2; i++) {
        ck_assert_int_eq(nodes[i].r.role, REPLICA_WAITING);
        ck_assert(!replica_admits(&nodes[i].r) && !replica_reads(&nodes[i].r, now));
    }
}
END_TEST

START_TEST(r11_it_catches_up_from_the_tail_when_that_goes_back_far_enough)
{
    grid(1, 0);
    for (int i = 0; i < 6; i++)
        write(&nodes[1]);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        replica_recover(&nodes[2].r, version_make(1, seq));
        nodes[2].log[nodes[2].len++] = version_make(1, seq);
    }
    nodes[1].kept_from = 2;
    next_config(LIST(1), LIST(2, 3));
    configure_all();
    ck_assert(!nodes[2].wiped);
    ck_assert_uint_eq(nodes[2].len, 6);
    ck_assert(nodes[3].wiped); /* had nothing */
    ck_assert_int_eq(nodes[1].copies, 1);
}
END_TEST

static void has_records(struct node *n, uint64_t last)
{
    for (uint64_t seq = 1; seq <= last; seq++) {
        replica_recover(&n->r, version_make(1, seq));
        n->log[n->len++] = version_make(1, seq);
    }
}

START_TEST(r11_what_the_disk_has_is_streamed_when_that_is_known_and_a_member_with_more_is_copied)
{
    grid(1, 0);
    for (int i = 0; i < 6; i++)
        write(&nodes[1]);
    has_records(&nodes[2], 3);
    has_records(&nodes[3], 2);
    replica_recover(&nodes[3].r, version_make(2, 3));
    nodes[1].kept_from = 5;
    nodes[1].stored_from = 2;
    nodes[1].looks = 3;
    next_config(LIST(1), NULL);
    next_config(LIST(1), LIST(2, 3));
    configure_all();
    ck_assert_uint_eq(nodes[2].len, 3);
    later(RETRY);
    later(RETRY);
    ck_assert_uint_eq(nodes[2].len, 6);
    ck_assert(!nodes[2].wiped);
    ck_assert(nodes[3].wiped); /* a cut needs memory */
    ck_assert_int_eq(nodes[1].copies, 1);
}
END_TEST

START_TEST(r11_epochs_that_a_start_forgot_are_looked_for_on_disk)
{
    for (unsigned looks = 0; looks < 3; looks++) {
        grid(1, 0);
        for (int i = 0; i < 4; i++)
            write(&nodes[1]);
        has_records(&nodes[2], 4);
        next_config(LIST(1), NULL);
        configure_all();
        write(&nodes[1]);
        struct replica *r = &nodes[1].r;
        nodes[1].older = r->history;
        r->history = (struct replica_history){.last = replica_last(r)};
        nodes[1].recalls = looks;
        next_config(LIST(1), LIST(2));
        configure_all();
        later(RETRY);
        later(RETRY);
        later(RETRY);
        ck_assert_int_eq(nodes[1].copies, looks == 0);
        ck_assert_uint_eq(replica_last(&nodes[2].r), replica_last(r));
    }
}
END_TEST

START_TEST(r11_a_copy_goes_on_with_the_stream_and_is_promoted_when_whole)
{
    grid(1, 0);
    write(&nodes[1]);
    nodes[1].kept_from = 1;
    next_config(LIST(1), LIST(2));
    configure_all();
    ck_assert(nodes[2].r.copying);
    ck_assert(replica_current(&nodes[2].r, member(1), 2, nodes[1].copy_round));
    write(&nodes[1]);
    post();
    ck_assert_uint_eq(nodes[2].len, 2);
    ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_NONE);
    replica_copied(&nodes[2].r, now);
    post();
    ck_assert_int_eq(nodes[1].copy_ends, 1);
    ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_PROMOTE);
}
END_TEST

START_TEST(r11_a_copy_goes_on_over_an_epoch_and_ends_with_its_target)
{
    grid(2, 0);
    write(&nodes[1]);
    post();
    nodes[1].kept_from = 1;
    next_config(LIST(1, 2), LIST(3, 4));
    configure_all();
    ck_assert_int_eq(nodes[1].copies, 2);
    next_config(LIST(1), LIST(3));
    configure_all();
    ck_assert_int_eq(nodes[1].copies, 2);
    ck_assert_int_eq(nodes[1].copy_ends, 1);
    ck_assert(nodes[3].r.copying);
    next_config(LIST(1), NULL);
    configure_all();
    ck_assert_int_eq(nodes[1].copy_ends, 2);
}
END_TEST

static void link_breaks(unsigned node)
{
    replica_linked(&nodes[1].r, node, false, now);
    ck_assert(!replica_may_copy(&nodes[1].r, member(node)));
    replica_linked(&nodes[1].r, node, true, now);
    ck_assert(!replica_may_copy(&nodes[1].r, member(node)));
    post();
    ck_assert(replica_may_copy(&nodes[1].r, member(node)));
}

START_TEST(r11_a_copy_goes_on_when_a_link_broke)
{
    grid(1, 0);
    write(&nodes[1]);
    nodes[1].kept_from = 1;
    next_config(LIST(1), LIST(2));
    configure_all();
    uint32_t round = nodes[1].copy_round;
    pieces_sent = 5;
    nodes[2].pieces = 3;
    link_breaks(2);
    ck_assert_int_eq(nodes[1].copies, 1);
    ck_assert_uint_eq(pieces_sent, 3);
    ck_assert(replica_current(&nodes[2].r, member(1), 2, round));
    pieces_sent = 2; /* of another one */
    link_breaks(2);
    ck_assert_int_eq(nodes[1].copies, 2);
    ck_assert(!replica_current(&nodes[2].r, member(1), 2, round));
    ck_assert(replica_current(&nodes[2].r, member(1), 2, nodes[1].copy_round));
}
END_TEST

START_TEST(r11_a_copy_that_came_is_not_begun_again_by_repeated_messages)
{
    grid(1, 0);
    write(&nodes[1]);
    nodes[1].kept_from = 1;
    next_config(LIST(1), LIST(2));
    configure_all();
    replica_copied(&nodes[2].r, now);
    struct replica_message m = {
        .kind = REPLICA_HELLO, .from = member(1), .epoch = 2, .round = nodes[1].copy_round};
    replica_receive(&nodes[2].r, &m, now);
    m.kind = REPLICA_COPY;
    m.history = nodes[1].r.history;
    replica_receive(&nodes[2].r, &m, now);
    ck_assert(!nodes[2].r.copying);
}
END_TEST

START_TEST(r11_who_is_in_sync_is_never_wiped_but_asked_out)
{
    grid(2, 0);
    write(&nodes[1]);
    post();
    replica_break(&nodes[2].r, now);
    post();
    ck_assert(!nodes[2].wiped);
    ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_SHRINK);
    next_config(LIST(1), LIST(2));
    nodes[1].kept_from = 1;
    configure_all();
    ck_assert(nodes[2].wiped && !nodes[2].r.broken);
}
END_TEST

/* --- R12 -------------------------------------------------------------------------------------- */

START_TEST(r12_it_stops_drains_and_asks)
{
    grid(2, 0);
    uint64_t version = write(&nodes[1]);
    ck_assert(replica_hand_over(&nodes[1].r, member(2), now));
    ck_assert(!replica_admits(&nodes[1].r));
    ck_assert(replica_reads(&nodes[1].r, now));
    ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_NONE);
    post();
    ck_assert_int_eq(nodes[1].ask, REPLICA_ASK_HAND_OVER);
    granted_any = now + GRACE;
    next_config(LIST(2, 1), NULL);
    configure(2);
    post();
    ck_assert_int_eq(nodes[2].r.phase, REPLICA_TAKEOVER); /* the old one may still serve reads */
    configure(1);
    post();
    ck_assert_int_eq(nodes[2].r.phase, REPLICA_SERVING); /* and has left: no grace */
    ck_assert_int_eq(nodes[1].r.role, REPLICA_BACKUP);
    ck_assert_uint_eq(nodes[2].r.commit, version);
}
END_TEST

START_TEST(r12_the_same_for_an_empty_partition)
{
    grid(2, 0);
    ck_assert(replica_hand_over(&nodes[1].r, member(2), now));
    next_config(LIST(2, 1), NULL);
    configure(2);
    post();
    ck_assert_int_eq(nodes[2].r.phase, REPLICA_TAKEOVER);
    configure(1);
    post();
    ck_assert_int_eq(nodes[2].r.phase, REPLICA_SERVING);
}
END_TEST

/* It came in a moment ago, and two configurations came as one: who served says what it missed. */
START_TEST(r12_who_hands_over_says_that_nobody_else_served)
{
    grid(1, 0);
    uint64_t version = write(&nodes[1]);
    granted_any = now + GRACE;
    next_config(LIST(1), LIST(2));
    configure_all();
    next_config(LIST(1, 2), NULL);
    configure(1);
    post();
    ck_assert(replica_hand_over(&nodes[1].r, member(2), now));
    next_config(LIST(2, 1), NULL);
    configure_all();
    ck_assert_int_eq(nodes[2].r.phase, REPLICA_SERVING);
    ck_assert_uint_eq(nodes[2].r.commit, version);
}
END_TEST

/* The one between had not been acked, so it served nothing; but who comes after it cannot know. */
START_TEST(r12_who_served_before_another_does_not_say_so)
{
    grid(3, 0);
    write(&nodes[1]);
    post();
    granted_any = now + GRACE;
    next_config(LIST(2, 1, 3), NULL);
    configure(1);
    post();
    next_config(LIST(3, 1), NULL);
    configure(1);
    configure(3);
    post();
    ck_assert_int_eq(nodes[3].r.phase, REPLICA_TAKEOVER);
    later(GRACE + 50);
    ck_assert_int_eq(nodes[3].r.phase, REPLICA_SERVING);
}
END_TEST

START_TEST(r12_it_goes_on_when_that_fails)
{
    for (int how = 0; how < 4; how++) {
        grid(2, 0);
        write(&nodes[1]);
        post();
        ck_assert(replica_hand_over(&nodes[1].r, member(2), now));
        settle();
        if (how == 0) {
            replica_answered(&nodes[1].r, 1, REPLICA_ASK_HAND_OVER, GRID_ECONDITION, now);
        } else if (how == 1) {
            replica_answered(&nodes[1].r, 1, REPLICA_ASK_HAND_OVER, GRID_EIN_DOUBT, now);
        } else if (how == 2) {
            later(STOP + 20);
        } else {
            nodes[2].dead = true;
            next_config(LIST(1), NULL);
            configure(1);
        }
        ck_assert(replica_admits(&nodes[1].r));
    }
}
END_TEST

static struct replica_history history_of(const uint64_t *versions, size_t len)
{
    struct replica_history h = {0};
    for (size_t i = 0; i < len; i++)
        replica_history_add(&h, versions[i]);
    return h;
}

START_TEST(a_history_takes_on_older_epochs_of_the_same_log_alone)
{
    const uint64_t log[] = {version_make(1, 1), version_make(2, 2), version_make(2, 3),
                            version_make(4, 4), version_make(5, 5)};
    const struct replica_history all = history_of(log, 5), early = history_of(log, 3);
    for (size_t from = 0; from < 5; from++) {
        struct replica_history h = history_of(log + from, 5 - from);
        replica_history_extend(&h, &all);
        ck_assert_mem_eq(&h, &all, sizeof h);
        h = history_of(log + from, 5 - from);
        replica_history_extend(&h, &early); /* which does not reach the oldest one, or does */
        ck_assert_uint_eq(h.ends_len, from < 3 ? 3 : 4 - from);
    }
    uint64_t cut = version_make(2, 4); /* never happened */
    struct replica_history h = history_of(&cut, 1);
    replica_history_extend(&h, &all);
    ck_assert_uint_eq(h.ends_len, 0);
    uint64_t many[12];
    for (unsigned i = 0; i < 12; i++)
        many[i] = version_make(i + 1, i + 1);
    const struct replica_history torn = history_of(many, 12);
    h = history_of(many + 11, 1);
    replica_history_extend(&h, &torn);
    ck_assert_mem_eq(&h, &torn, sizeof h);
    ck_assert(h.torn);
    h = history_of(many + 2, 1);
    replica_history_extend(&h, &torn); /* of an epoch that it does not list */
    ck_assert_uint_eq(h.ends_len, 0);
}
END_TEST

START_TEST(what_was_cut_is_acked_up_to_what_is_left)
{
    struct replica_history h = {0};
    const struct {
        uint64_t asked, floor;
    } cases[] = {{version_make(1, 2), version_make(1, 2)},
                 {version_make(1, 9), version_make(1, 3)},
                 {version_make(2, 4), version_make(1, 3)},
                 {version_make(3, 4), version_make(3, 4)},
                 {version_make(3, 9), version_make(3, 5)},
                 {version_make(4, 1), version_make(3, 5)},
                 {0, 0}};
    for (uint64_t seq = 1; seq <= 5; seq++)
        replica_history_add(&h, version_make(seq <= 3 ? 1 : 3, seq));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_uint_eq(replica_history_floor(&h, cases[i].asked), cases[i].floor);
}
END_TEST

START_TEST(rounds_of_two_lives_differ)
{
    grid(2, 0);
    uint32_t round = nodes[1].r.round;
    replica_configure(&nodes[1].r, NULL, member(1), 1, now);
    next_config(LIST(1, 2), NULL);
    config.members[0].boot = 2;
    replica_configure(&nodes[1].r, &config, config.members[0], 1, now);
    ck_assert_uint_gt(nodes[1].r.round - round, 1000);
}
END_TEST

UNIT_MAIN("replica/moves", r9_a_new_primary_waits_for_the_lease_it_granted,
          r9_it_serves_when_its_tail_is_acked_by_the_new_set,
          r9_others_cut_beyond_the_common_point_and_keep_it_until_that_is_done,
          r9_who_has_not_finished_its_cut_leads_with_what_it_had,
          r9_a_cut_is_waited_for_as_long_as_it_gets_on, r9_a_primary_that_missed_an_epoch_goes_on,
          r9_unless_it_had_asked_to_hand_over, r9_nor_when_the_partition_was_reset_meanwhile,
          r12_who_cannot_rely_on_what_it_has_hands_over_when_it_leads,
          r12_nor_does_it_hand_over_to_one_that_cannot_either,
          r11_who_joins_after_a_missed_epoch_begins_anew, r10_a_sole_member_goes_on_from_its_disk,
          r10_who_waits_for_others_serves_nothing,
          r11_it_catches_up_from_the_tail_when_that_goes_back_far_enough,
          r11_what_the_disk_has_is_streamed_when_that_is_known_and_a_member_with_more_is_copied,
          r11_epochs_that_a_start_forgot_are_looked_for_on_disk,
          r11_a_copy_goes_on_with_the_stream_and_is_promoted_when_whole,
          r11_a_copy_goes_on_over_an_epoch_and_ends_with_its_target,
          r11_a_copy_goes_on_when_a_link_broke,
          r11_a_copy_that_came_is_not_begun_again_by_repeated_messages,
          r11_who_is_in_sync_is_never_wiped_but_asked_out, r12_it_stops_drains_and_asks,
          r12_the_same_for_an_empty_partition, r12_who_hands_over_says_that_nobody_else_served,
          r12_who_served_before_another_does_not_say_so, r12_it_goes_on_when_that_fails,
          what_was_cut_is_acked_up_to_what_is_left,
          a_history_takes_on_older_epochs_of_the_same_log_alone, rounds_of_two_lives_differ)
