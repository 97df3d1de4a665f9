/* test_membership.c - two sorted sets and their bytes.
 * LINK: raft base */
#include "raft/membership.h"
#include "tests/lib/unit.h"

START_TEST(a_node_is_voter_or_learner_or_neither)
{
    struct raft_membership m = {0};
    ck_assert(raft_membership_add_voter(&m, 7) && raft_membership_add_voter(&m, 3));
    ck_assert(raft_membership_add_learner(&m, 5) && raft_membership_add_learner(&m, 3));
    ck_assert(raft_is_voter(&m, 7) && !raft_is_voter(&m, 3) && raft_is_learner(&m, 3));
    ck_assert(raft_membership_valid(&m));
    raft_membership_remove(&m, 3);
    raft_membership_remove(&m, 99);
    ck_assert(!raft_is_learner(&m, 3) && m.learners_len == 1 && m.voters_len == 1);
}
END_TEST

START_TEST(there_is_room_for_seven_voters_and_64_learners)
{
    struct raft_membership m = {0};
    for (uint32_t i = 1; i <= RAFT_VOTERS_MAX; i++)
        ck_assert(raft_membership_add_voter(&m, i));
    for (uint32_t i = 100; i < 100 + RAFT_LEARNERS_MAX; i++)
        ck_assert(raft_membership_add_learner(&m, i));
    struct raft_membership before = m;
    ck_assert(!raft_membership_add_voter(&m, 50) && !raft_membership_add_learner(&m, 50));
    ck_assert(!raft_membership_add_voter(&m, 100) && !raft_membership_add_learner(&m, 1));
    ck_assert(raft_membership_eq(&m, &before));
}
END_TEST

START_TEST(bytes_become_the_same_membership_again)
{
    struct raft_membership m = {0}, back;
    struct buf b = BUF_INIT;
    for (uint32_t i = 0; i < 5; i++)
        ck_assert(raft_membership_add_voter(&m, 1000 - i) &&
                  raft_membership_add_learner(&m, 2000 + i));
    raft_membership_encode(&m, &b);
    ck_assert(raft_membership_decode(buf_slice(&b), &back));
    ck_assert(raft_membership_eq(&m, &back));
    for (size_t len = 0; len < b.len; len++)
        ck_assert(!raft_membership_decode(slice_make(b.data, len), &back));
    buf_add_u8(&b, 0);
    ck_assert(!raft_membership_decode(buf_slice(&b), &back));
    buf_release(&b);
}
END_TEST

START_TEST(bytes_that_are_no_membership_are_refused)
{
    static const struct {
        uint8_t bytes[12];
        size_t len;
    } cases[] = {
        {{0, 0}, 2},                          /* no voter */
        {{1, 0, 0, 0, 0, 0}, 6},              /* node 0 */
        {{2, 0, 2, 0, 0, 0, 1, 0, 0, 0}, 10}, /* not sorted */
        {{2, 0, 1, 0, 0, 0, 1, 0, 0, 0}, 10}, /* twice */
        {{1, 1, 1, 0, 0, 0, 1, 0, 0, 0}, 10}, /* both */
        {{8, 0}, 2},                          /* too many */
        {{1, 65}, 2},
    };
    struct raft_membership m;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert(!raft_membership_decode(slice_make(cases[i].bytes, cases[i].len), &m));
}
END_TEST

UNIT_MAIN("raft/membership", a_node_is_voter_or_learner_or_neither,
          there_is_room_for_seven_voters_and_64_learners, bytes_become_the_same_membership_again,
          bytes_that_are_no_membership_are_refused)
