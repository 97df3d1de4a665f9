/* test_raftstore.c - what raft was promised is there again: all of a write or nothing of it.
 * LINK: store raft data base */
#include "store/raftstore.h"
#include "tests/lib/unit.h"

#include "base/alloc.h"

#include <stdlib.h>

static char why[STORE_WHY_BYTES];
static struct store_mem *disk;

static struct raftstore *store_open(bool create)
{
    struct raftstore *s = NULL;
    struct kv *kv = store_mem_open(disk);
    ck_assert_msg(!raftstore_open_kv(&kv, "control", create, why, &s), "%s", why);
    return s;
}

static struct slice text(const char *s)
{
    return slice_str(s);
}

static enum grid_err put(struct raftstore *s, uint64_t term, const struct raft_snapshot *snapshot,
                         uint64_t drop_to, uint64_t cut_from, uint64_t from, uint64_t to)
{
    static const char *const words[] = {"", "one", "two", "three", "four", "five", "six"};
    struct raft_entry entries[8];
    size_t len = 0;
    for (uint64_t i = from; i && i <= to; i++)
        entries[len++] = (struct raft_entry){i, term, RAFT_ENTRY_COMMAND, text(words[i])};
    struct raft_persist raft = {.number = 1,
                                .term = term,
                                .vote = 3,
                                .snapshot = snapshot,
                                .drop_to = drop_to,
                                .cut_from = cut_from,
                                .entries = entries,
                                .entries_len = len};
    struct grid_persist p = {.job = 1, .raft = &raft};
    struct raftstore_job *job = raftstore_job_new(&p);
    memset(entries, 0, sizeof entries); /* the job has its own */
    enum grid_err err = raftstore_write(s, &job, 1, why);
    free(job);
    return err;
}

START_TEST(an_empty_store_has_nothing)
{
    disk = store_mem_new();
    struct raftstore *s = store_open(true);
    struct raftstore_found f;
    ck_assert(!raftstore_read(s, why, &f));
    ck_assert_uint_eq(f.raft.term, 0);
    ck_assert_uint_eq(f.raft.entries_len, 0);
    ck_assert_uint_eq(f.identity.number, 0);
    raftstore_found_release(&f);
    raftstore_close(s);
    store_mem_free(disk);
}
END_TEST

START_TEST(what_was_written_is_read_after_a_restart)
{
    disk = store_mem_new();
    struct raftstore *s = store_open(true);
    struct grid_identity id = {.grid_id = "grid", .number = 7, .founder = "founder"};
    struct grid_persist p = {.job = 1, .identity = &id};
    struct raftstore_job *job = raftstore_job_new(&p);
    ck_assert(!raftstore_write(s, &job, 1, why));
    free(job);
    ck_assert(!put(s, 2, NULL, 0, 0, 1, 4));
    ck_assert(!put(s, 3, NULL, 0, 3, 3, 5)); /* 3 and 4 are cut, and come anew */
    raftstore_close(s);
    s = store_open(false);
    struct raftstore_found f;
    ck_assert(!raftstore_read(s, why, &f));
    ck_assert_uint_eq(f.identity.number, 7);
    ck_assert_str_eq((const char *)f.identity.grid_id, "grid");
    ck_assert_uint_eq(f.raft.term, 3);
    ck_assert_uint_eq(f.raft.vote, 3);
    ck_assert_uint_eq(f.raft.entries_len, 5);
    for (uint64_t i = 0; i < 5; i++) {
        ck_assert_uint_eq(f.raft.entries[i].index, i + 1);
        ck_assert_uint_eq(f.raft.entries[i].term, i < 2 ? 2 : 3);
    }
    ck_assert(slice_eq(f.raft.entries[4].data, text("five")));
    raftstore_found_release(&f);
    raftstore_close(s);
    store_mem_free(disk);
}
END_TEST

START_TEST(a_snapshot_takes_the_place_of_what_it_covers)
{
    disk = store_mem_new();
    struct raftstore *s = store_open(true);
    struct raft_snapshot snapshot = {.index = 3, .term = 2, .data = text("whole")};
    ck_assert(raft_membership_add_voter(&snapshot.membership, 1));
    ck_assert(!put(s, 2, NULL, 0, 0, 1, 5));
    ck_assert(!put(s, 2, &snapshot, 3, 0, 0, 0));
    struct raftstore_found f;
    ck_assert(!raftstore_read(s, why, &f));
    ck_assert_uint_eq(f.raft.snapshot.index, 3);
    ck_assert(raft_is_voter(&f.raft.snapshot.membership, 1));
    ck_assert(slice_eq(f.raft.snapshot.data, text("whole")));
    ck_assert_uint_eq(f.raft.entries_len, 2);
    ck_assert_uint_eq(f.raft.entries[0].index, 4);
    raftstore_found_release(&f);
    raftstore_close(s);
    store_mem_free(disk);
}
END_TEST

START_TEST(a_write_that_fails_leaves_what_was)
{
    disk = store_mem_new();
    struct raftstore *s = store_open(true);
    ck_assert(!put(s, 2, NULL, 0, 0, 1, 3));
    store_mem_fail_commit(disk, GRID_ENO_SPACE, 0, 1);
    ck_assert_int_eq(put(s, 9, NULL, 0, 2, 2, 5), GRID_ENO_SPACE);
    struct raftstore_found f;
    ck_assert(!raftstore_read(s, why, &f));
    ck_assert_uint_eq(f.raft.term, 2);
    ck_assert_uint_eq(f.raft.entries_len, 3);
    raftstore_found_release(&f);
    ck_assert(!put(s, 9, NULL, 0, 2, 2, 5));
    raftstore_close(s);
    store_mem_free(disk);
}
END_TEST

START_TEST(damage_is_told)
{
    for (uint64_t row = 0; row < 3; row++) {
        disk = store_mem_new();
        struct raftstore *s = store_open(true);
        ck_assert(!put(s, 2, NULL, 0, 0, 1, 3));
        ck_assert(store_mem_flip(disk, KV_ENTRIES, row, 77));
        struct raftstore_found f;
        ck_assert_int_eq(raftstore_read(s, why, &f), GRID_ECORRUPT);
        ck_assert_ptr_nonnull(strstr(why, "damaged"));
        raftstore_found_release(&f);
        raftstore_close(s);
        store_mem_free(disk);
    }
}
END_TEST

START_TEST(a_vote_that_is_missing_is_noticed)
{
    disk = store_mem_new();
    struct raftstore *s = store_open(true);
    ck_assert(!put(s, 2, NULL, 0, 0, 1, 4));
    raftstore_close(s);
    struct kv *kv = store_mem_open(disk);
    struct kv_txn *t;
    ck_assert(!kv->ops->begin(kv, true, &t));
    ck_assert(!kv->ops->del(t, KV_META, slice_str("hard")));
    ck_assert(!kv->ops->commit(t));
    kv->ops->close(kv);
    s = store_open(false);
    struct raftstore_found f;
    ck_assert_int_eq(raftstore_read(s, why, &f), GRID_ECORRUPT);
    raftstore_found_release(&f);
    raftstore_close(s);
    store_mem_free(disk);
}
END_TEST

START_TEST(a_missing_store_is_not_made_anew)
{
    disk = store_mem_new();
    struct raftstore *s = NULL;
    struct kv *kv = store_mem_open(disk);
    ck_assert_int_eq(raftstore_open_kv(&kv, "control", false, why, &s), GRID_ECORRUPT);
    store_mem_free(disk);
}
END_TEST

UNIT_MAIN("store/raftstore", an_empty_store_has_nothing, what_was_written_is_read_after_a_restart,
          a_snapshot_takes_the_place_of_what_it_covers, a_write_that_fails_leaves_what_was,
          damage_is_told, a_vote_that_is_missing_is_noticed, a_missing_store_is_not_made_anew)
