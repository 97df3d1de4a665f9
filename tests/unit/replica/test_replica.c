/* test_replica.c - order (R2), acknowledgement (R4) and commit (R5) of one partition.
 * LINK: replica data base */
#include "data/record.h"
#include "replica/replica.h"
#include "tests/lib/unit.h"

START_TEST(versions_are_given_in_order_without_gaps)
{
    struct replica r;
    replica_init(&r, 7);
    for (uint64_t seq = 1; seq <= 100; seq++) {
        ck_assert_uint_eq(replica_peek(&r), version_make(7, seq));
        replica_advance(&r, replica_peek(&r));
        replica_check(&r);
    }
}
END_TEST

START_TEST(a_record_is_pending_until_acked)
{
    struct replica r;
    replica_init(&r, 1);
    uint64_t first = replica_peek(&r);
    replica_advance(&r, first);
    ck_assert(replica_pending(&r, first));
    ck_assert(replica_ack(&r, first));
    ck_assert(!replica_pending(&r, first));
}
END_TEST

START_TEST(an_ack_covers_all_records_before_it_and_never_goes_back)
{
    struct replica r;
    replica_init(&r, 1);
    for (int i = 0; i < 5; i++)
        replica_advance(&r, replica_peek(&r));
    ck_assert(replica_ack(&r, version_make(1, 4)));
    ck_assert(!replica_ack(&r, version_make(1, 2)));
    ck_assert_uint_eq(r.commit, version_make(1, 4));
    ck_assert(replica_pending(&r, version_make(1, 5)));
    replica_check(&r);
}
END_TEST

START_TEST(a_new_epoch_goes_on_behind_the_recovered_seq)
{
    struct replica r;
    replica_init(&r, 9);
    replica_recover(&r, version_make(8, 40));
    replica_recover(&r, version_make(7, 90)); /* older epoch, lower version */
    ck_assert_uint_eq(replica_peek(&r), version_make(9, 41));
    ck_assert(!replica_pending(&r, version_make(8, 40)));
    replica_check(&r);
}
END_TEST

START_TEST(no_version_is_given_when_numbers_are_used_up_or_the_epoch_is_behind)
{
    struct replica r;
    replica_init(&r, 2);
    replica_recover(&r, version_make(2, SEQ_MASK));
    ck_assert_uint_eq(replica_peek(&r), 0);
    replica_init(&r, 2);
    replica_recover(&r, version_make(3, 1));
    ck_assert_uint_eq(replica_peek(&r), 0);
    replica_check(&r);
}
END_TEST

UNIT_MAIN("replica/replica", versions_are_given_in_order_without_gaps,
          a_record_is_pending_until_acked, an_ack_covers_all_records_before_it_and_never_goes_back,
          a_new_epoch_goes_on_behind_the_recovered_seq,
          no_version_is_given_when_numbers_are_used_up_or_the_epoch_is_behind)
