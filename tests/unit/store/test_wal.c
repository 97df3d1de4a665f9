/* test_wal.c - the log: what was synced is found, what is damaged is named, nothing is invented.
 * LINK: store data base */
#include "harness.h"
#include "tests/lib/unit.h"

#include <dirent.h>
#include <unistd.h>

START_TEST(synced_records_are_found_after_a_crash)
{
    struct disk *d = disk_mem_new();
    struct prng prng = {7};
    uint64_t seqs[PARTITIONS] = {0}, durable;
    struct wal *w = log_new(d, 1);
    ck_assert_int_eq(log_append(w, 10, 1, seqs), GRID_OK);
    ck_assert_int_eq(wal_sync(w, NULL, &durable), GRID_OK);
    ck_assert_uint_eq(durable, 10);
    disk_mem_crash(d, &prng);
    wal_free(w);
    struct found f;
    struct wal_report r;
    w = log_recover(d, 2, 0, &f, &r);
    ck_assert_uint_eq(f.count, 10);
    ck_assert(!f.gap && !f.wrong);
    ck_assert_uint_eq(r.last_lsn, 10);
    ck_assert(!r.unattributable);
    ck_assert_str_eq(r.text, "");
    wal_report_release(&r);
    wal_free(w);
    disk_mem_free(d);
}
END_TEST

/* One life of a log: random batches and syncs, preparing and reclaiming, until the power fails
 * at a random operation. */
struct life {
    struct disk *d;
    struct prng prng;
    uint64_t next, durable, checkpointed;
    uint64_t seqs[LSN_MAX][PARTITIONS]; /* as of each lsn */
};

static bool life_step(struct life *l, struct wal *w)
{
    if (wal_prepare(w, NULL))
        return false;
    unsigned n = 1 + (unsigned)prng_below(&l->prng, 12);
    if (l->next + n >= LSN_MAX)
        return false;
    uint64_t seqs[PARTITIONS];
    memcpy(seqs, l->seqs[l->next - 1], sizeof seqs);
    struct wal_batch b;
    static struct made made;
    wal_batch_init(&b, w);
    for (unsigned i = 0; i < n; i++) {
        const struct record *rec = make_record(&made, l->next + i, seqs);
        if (!wal_has_room(w, record_size_max(rec)))
            break;
        wal_batch_add(&b, rec);
        memcpy(l->seqs[l->next + i], seqs, sizeof seqs);
    }
    l->next += b.count;
    bool alive = wal_write(w, &b, NULL) == GRID_OK;
    wal_batch_release(&b);
    uint64_t durable;
    if (alive && prng_below(&l->prng, 2) == 0) {
        alive = wal_sync(w, NULL, &durable) == GRID_OK;
        if (alive)
            l->durable = durable;
    }
    if (alive && prng_below(&l->prng, 6) == 0) {
        l->checkpointed = l->durable;
        alive = wal_reclaim(w, l->checkpointed, prng_below(&l->prng, 3) * SEGMENT, NULL) == GRID_OK;
    }
    wal_check(w);
    return alive;
}

static void life_check(struct life *l, struct wal **w, uint64_t random)
{
    static struct found f;
    struct wal_report r;
    *w = log_recover(l->d, random, l->checkpointed, &f, &r);
    ck_assert_msg(!f.wrong && !f.gap, "invented or skipped records");
    ck_assert_msg(!r.unattributable && r.damaged_len == 0, "no damage: %s", r.text);
    ck_assert_uint_ge(r.last_lsn, l->durable);
    ck_assert_uint_lt(r.last_lsn, l->next);
    ck_assert_uint_eq(f.last, r.last_lsn);
    l->next = r.last_lsn + 1;
    l->durable = r.last_lsn;
    wal_report_release(&r);
}

START_TEST(any_crash_leaves_a_prefix_with_all_that_was_synced)
{
    static struct life l;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        l = (struct life){.d = disk_mem_new(), .prng = {seed * 7919}, .next = 1};
        struct wal *w = log_new(l.d, seed);
        for (unsigned lives = 0; lives < 6; lives++) {
            disk_mem_stop_after(l.d, prng_below(&l.prng, 120));
            while (life_step(&l, w))
                ;
            disk_mem_crash(l.d, &l.prng);
            wal_free(w);
            life_check(&l, &w, seed * 100 + lives);
        }
        wal_free(w);
        disk_mem_free(l.d);
    }
}
END_TEST

/* A log of two segments and more, closed cleanly, with `lsns` records. */
static uint64_t small_log(struct disk *d, uint64_t lsns)
{
    uint64_t seqs[PARTITIONS] = {0}, next = 1;
    struct wal *w = log_new(d, 3);
    while (next <= lsns) {
        ck_assert_int_eq(wal_prepare(w, NULL), GRID_OK);
        ck_assert_int_eq(log_append(w, 5, next, seqs), GRID_OK);
        ck_assert_int_eq(wal_sync(w, NULL, NULL), GRID_OK);
        next += 5;
    }
    wal_close(w);
    return next - 1;
}

static void check_judgement(const struct found *f, const struct wal_report *r, uint64_t last,
                            uint64_t at)
{
    ck_assert_msg(!f->wrong, "byte %lu: invented", (unsigned long)at);
    for (uint64_t lsn = 1; lsn <= last; lsn++) {
        if (!f->seen[lsn])
            ck_assert_msg(wal_report_damaged(r, 1, partition_of_lsn(lsn)),
                          "byte %lu: lsn %lu is silently missing", (unsigned long)at,
                          (unsigned long)lsn);
    }
}

START_TEST(a_flip_of_any_byte_is_repaired_or_named)
{
    uint64_t repaired = 0, named = 0, all = 0;
    static struct found f;
    struct wal_report r;
    struct disk *d = disk_mem_new();
    uint64_t last = small_log(d, 95);
    const char *names[] = {"wal/0000000000000001.wal", "wal/0000000000000002.wal"};
    for (unsigned file = 0; file < 2; file++) {
        for (uint64_t at = 0; at < SEGMENT; at++) {
            if (!disk_mem_flip(d, names[file], at, (unsigned)at % 8))
                break;
            struct wal *w = log_recover(d, 4, 0, &f, &r);
            check_judgement(&f, &r, last, at + file * SEGMENT);
            repaired += r.repaired > 0;
            named += r.damaged_len == 1 && !r.unattributable;
            all += r.unattributable;
            wal_report_release(&r);
            wal_free(w);
            ck_assert(disk_mem_flip(d, names[file], at, (unsigned)at % 8));
        }
    }
    ck_assert_uint_gt(repaired, 100);
    ck_assert_uint_gt(named, 10000);
    ck_assert_uint_eq(all,
                      0); /* one flip is never more than one record's damage after a clean close */
    disk_mem_free(d);
}
END_TEST

START_TEST(a_lost_run_of_sectors_is_named_or_taken_as_all)
{
    static struct found f;
    struct wal_report r;
    struct disk *d = disk_mem_new();
    uint64_t last = small_log(d, 95);
    uint64_t all = 0;
    for (uint64_t at = 0; at < SEGMENT; at += 1536) {
        for (uint64_t i = 0; i < 3072 && at + i < SEGMENT; i++)
            disk_mem_flip(d, "wal/0000000000000001.wal", at + i, (unsigned)i);
        struct wal *w = log_recover(d, 4, 0, &f, &r);
        check_judgement(&f, &r, last, at);
        all += r.unattributable;
        wal_report_release(&r);
        wal_free(w);
        for (uint64_t i = 0; i < 3072 && at + i < SEGMENT; i++)
            disk_mem_flip(d, "wal/0000000000000001.wal", at + i, (unsigned)i);
    }
    ck_assert_uint_gt(all, 0);
    disk_mem_free(d);
}
END_TEST

START_TEST(unharmed_partitions_are_proven_by_their_sequence)
{
    /* three batches; the middle one, of partition 1 alone, is wiped together with its tail */
    struct disk *d = disk_mem_new();
    struct wal *w = log_new(d, 5);
    struct wal_batch b;
    struct wal_stats st;
    wal_batch_init(&b, w);
    uint64_t at = 4096, end = 0;
    static const struct {
        uint16_t partition;
        uint64_t seq;
    } plan[3][2] = {{{1, 1}, {2, 1}}, {{1, 2}, {1, 3}}, {{1, 4}, {2, 2}}};
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 2; j++) {
            struct effect e = {.kind = EFFECT_REMOVE, .cache = 1, .key = slice_str("k")};
            struct record rec = {.context = 1,
                                 .partition = plan[i][j].partition,
                                 .version = version_make(1, plan[i][j].seq),
                                 .effects = &e,
                                 .effects_len = 1};
            wal_batch_add(&b, &rec);
        }
        ck_assert_int_eq(wal_write(w, &b, NULL), GRID_OK);
        ck_assert_int_eq(wal_sync(w, NULL, NULL), GRID_OK);
        wal_batch_reset(&b);
        wal_stats(w, &st);
        if (i == 0)
            at += st.written_bytes;
        if (i == 1)
            end = 4096 + st.written_bytes;
    }
    wal_batch_release(&b);
    wal_free(w);
    for (; at < end; at++)
        ck_assert(disk_mem_flip(d, "wal/0000000000000001.wal", at, 0));
    w = log_open(d, false, 6);
    struct wal_visit visit = {0};
    struct wal_report r = {0};
    ck_assert_int_eq(wal_recover(w, 0, &visit, NULL, &r), GRID_OK);
    ck_assert(r.unattributable);
    ck_assert_uint_eq(r.lost_records, 2);
    ck_assert(wal_report_damaged(&r, 1, 1));
    ck_assert(!wal_report_damaged(&r, 1, 2));
    ck_assert(wal_report_damaged(&r, 1, 3));
    ck_assert_uint_gt(strlen(r.text), 0);
    wal_report_release(&r);
    wal_free(w);
    disk_mem_free(d);
}
END_TEST

START_TEST(a_record_of_a_later_epoch_proves_nothing)
{
    /* what was cut from partition 1, and mended, was between (R9); 3 has its first */
    static const struct {
        uint16_t partition;
        uint32_t epoch;
        uint64_t seq;
        bool restates;
    } plan[3][3] = {{{1, 1, 7, false}, {2, 1, 1, false}, {4, 1, 1, false}},
                    {{1, 2, 7, true}, {1, 2, 7, true}, {1, 2, 7, true}},
                    {{1, 2, 8, false}, {2, 1, 2, false}, {3, 2, 1, false}}};
    struct disk *d = disk_mem_new();
    struct wal *w = log_new(d, 5);
    struct wal_batch b;
    struct wal_stats st;
    uint64_t ends[3];
    wal_batch_init(&b, w);
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 3; j++) {
            struct effect e = {.kind = EFFECT_REMOVE, .cache = 1, .key = slice_str("k")};
            struct record rec = {.context = 1,
                                 .partition = plan[i][j].partition,
                                 .version = version_make(plan[i][j].epoch, plan[i][j].seq),
                                 .restates = plan[i][j].restates,
                                 .effects = &e,
                                 .effects_len = 1};
            wal_batch_add(&b, &rec);
        }
        ck_assert_int_eq(wal_write(w, &b, NULL), GRID_OK);
        ck_assert_int_eq(wal_sync(w, NULL, NULL), GRID_OK);
        wal_batch_reset(&b);
        wal_stats(w, &st);
        ends[i] = 4096 + st.written_bytes;
    }
    wal_batch_release(&b);
    wal_free(w);
    for (uint64_t at = ends[0]; at < ends[1]; at++)
        ck_assert(disk_mem_flip(d, "wal/0000000000000001.wal", at, 0));
    w = log_open(d, false, 6);
    struct wal_visit visit = {0};
    struct wal_report r = {0};
    ck_assert_int_eq(wal_recover(w, 0, &visit, NULL, &r), GRID_OK);
    ck_assert(r.unattributable && r.lost_records == 3);
    ck_assert(wal_report_damaged(&r, 1, 1));
    ck_assert(!wal_report_damaged(&r, 1, 2) && !wal_report_damaged(&r, 1, 3));
    wal_report_release(&r);
    wal_free(w);
    disk_mem_free(d);
}
END_TEST

START_TEST(a_missing_segment_in_the_middle_is_damage)
{
    static struct found f;
    struct wal_report r;
    struct disk *d = disk_mem_new();
    uint64_t last = small_log(d, 400);
    ck_assert_int_eq(d->ops->unlink(d, "wal/0000000000000002.wal"), 0);
    struct wal *w = log_recover(d, 4, 0, &f, &r);
    check_judgement(&f, &r, last, 0);
    ck_assert_uint_gt(r.lost_records, 0);
    ck_assert_uint_eq(r.last_lsn, last);
    wal_report_release(&r);
    wal_free(w);
    disk_mem_free(d);
}
END_TEST

/* Ten synced records in the first segment, the next one ready and empty; then a crash. */
static struct disk *short_log(uint64_t random)
{
    uint64_t seqs[PARTITIONS] = {0};
    struct disk *d = disk_mem_new();
    struct wal *w = log_new(d, random);
    ck_assert_int_eq(log_append(w, 10, 1, seqs), GRID_OK);
    ck_assert_int_eq(wal_sync(w, NULL, NULL), GRID_OK);
    ck_assert_int_eq(wal_prepare(w, NULL), GRID_OK);
    wal_free(w);
    return d;
}

START_TEST(a_missing_beginning_is_damage_though_nothing_follows_it)
{
    static struct found f;
    struct wal_report r;
    struct disk *d = short_log(3);
    ck_assert_int_eq(d->ops->unlink(d, "wal/0000000000000001.wal"), 0);
    for (uint64_t start = 4; start < 6; start++) { /* found again until it is accounted for */
        struct wal *w = log_recover(d, start, 0, &f, &r);
        ck_assert_uint_eq(f.count, 0);
        check_judgement(&f, &r, 10, 0);
        wal_report_release(&r);
        wal_free(w);
    }
    disk_mem_free(d);
}
END_TEST

START_TEST(a_segment_of_another_log_is_not_taken_for_ours)
{
    static struct found f;
    static uint8_t bytes[SEGMENT];
    struct wal_report r;
    struct disk *d = short_log(3), *other = short_log(30);
    struct disk_file *from, *to;
    size_t got;
    ck_assert_int_eq(other->ops->open(other, "wal/0000000000000001.wal", false, &from), 0);
    ck_assert_int_eq(d->ops->open(d, "wal/0000000000000001.wal", false, &to), 0);
    ck_assert_int_eq(from->ops->pread(from, bytes, SEGMENT, 0, &got), 0);
    ck_assert_int_eq(to->ops->pwrite(to, slice_make(bytes, SEGMENT), 0), 0);
    from->ops->close(from);
    to->ops->close(to);
    struct wal *w = log_recover(d, 4, 0, &f, &r);
    ck_assert_uint_eq(f.count, 0);
    check_judgement(&f, &r, 10, 0);
    wal_report_release(&r);
    wal_free(w);
    disk_mem_free(d);
    disk_mem_free(other);
}
END_TEST

START_TEST(a_log_cut_short_is_damage)
{
    static struct found f;
    for (uint64_t bytes = 0; bytes < SEGMENT; bytes += 1000) {
        struct wal_report r;
        struct disk *d = disk_mem_new();
        uint64_t last = small_log(d, 400);
        struct disk_file *file;
        ck_assert_int_eq(d->ops->open(d, "wal/0000000000000003.wal", false, &file), 0);
        ck_assert_int_eq(file->ops->truncate(file, bytes), 0);
        file->ops->close(file);
        struct wal *w = log_recover(d, 4, 0, &f, &r);
        check_judgement(&f, &r, last, bytes);
        ck_assert(r.lost_records || r.unattributable);
        wal_report_release(&r);
        wal_free(w);
        disk_mem_free(d);
    }
}
END_TEST

START_TEST(a_log_that_ends_before_the_checkpoint_is_damage)
{
    static struct found f;
    struct wal_report r;
    struct disk *d = disk_mem_new();
    uint64_t last = small_log(d, 20);
    struct wal *w = log_recover(d, 4, last + 10, &f, &r);
    ck_assert(r.unattributable);
    ck_assert_uint_eq(r.last_lsn, last + 10);
    wal_report_release(&r);
    wal_free(w);
    w = log_recover(d, 5, last, &f, &r);
    ck_assert(!r.unattributable);
    ck_assert_uint_eq(f.count, 0);
    wal_report_release(&r);
    wal_free(w);
    disk_mem_free(d);
}
END_TEST

START_TEST(damage_at_the_end_is_found_again_until_the_log_goes_on)
{
    static struct found f;
    struct wal_report r;
    struct disk *d = disk_mem_new();
    small_log(d, 20);
    struct disk_file *file;
    ck_assert_int_eq(d->ops->open(d, "wal/0000000000000001.wal", false, &file), 0);
    ck_assert_int_eq(file->ops->truncate(file, 4500), 0);
    file->ops->close(file);
    for (uint64_t i = 0; i < 3; i++) {
        struct wal *w = log_recover(d, 4 + i, 0, &f, &r);
        ck_assert(r.unattributable);
        wal_report_release(&r);
        wal_free(w);
    }
    disk_mem_free(d);
}
END_TEST

START_TEST(a_newer_format_is_refused)
{
    uint8_t page[4096];
    size_t n;
    struct disk *d = disk_mem_new();
    struct disk_file *file;
    char why[STORE_WHY_BYTES] = "";
    small_log(d, 10);
    ck_assert_int_eq(d->ops->open(d, "wal/0000000000000001.wal", false, &file), 0);
    ck_assert_int_eq(file->ops->pread(file, page, sizeof page, 0, &n), 0);
    for (int copy = 0; copy < 2; copy++) {
        uint8_t *p = page + copy * 2048;
        store_u32(p + 8, WAL_FORMAT + 1);
        store_u32(p + 64, crc32c(0, slice_make(p, 64)));
    }
    ck_assert_int_eq(file->ops->pwrite(file, slice_make(page, sizeof page), 0), 0);
    file->ops->close(file);
    struct wal *w = NULL;
    struct wal_conf conf = {.disk = d, .dir = "wal", .segment_bytes = SEGMENT};
    ck_assert_int_eq(wal_open(&conf, why, &w), GRID_ENEWER);
    ck_assert_ptr_nonnull(strstr(why, "newer version"));
    ck_assert_ptr_null(w);
    disk_mem_free(d);
}
END_TEST

START_TEST(a_missing_or_empty_log_is_an_error_unless_new)
{
    struct disk *d = disk_mem_new();
    char why[STORE_WHY_BYTES] = "";
    struct wal *w = NULL;
    struct wal_conf conf = {.disk = d, .dir = "wal", .segment_bytes = SEGMENT};
    ck_assert_int_eq(wal_open(&conf, why, &w), GRID_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(why, "is missing"));
    ck_assert_int_eq(d->ops->mkdir(d, "wal"), 0);
    ck_assert_int_eq(wal_open(&conf, why, &w), GRID_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(why, "no log segment"));
    disk_mem_free(d);
}
END_TEST

START_TEST(a_full_disk_refuses_room_and_gives_it_back_later)
{
    struct disk *d = disk_mem_new();
    uint64_t seqs[PARTITIONS] = {0}, next = 1;
    char why[STORE_WHY_BYTES] = "";
    struct made made;
    struct wal *w = log_new(d, 1);
    disk_mem_set_capacity(d, disk_mem_used(d) + SEGMENT / 2);
    for (;;) {
        uint64_t copy[PARTITIONS];
        memcpy(copy, seqs, sizeof copy);
        if (!wal_has_room(w, record_size_max(make_record(&made, next, copy))))
            break;
        ck_assert_int_eq(log_append(w, 1, next++, seqs), GRID_OK);
    }
    ck_assert_int_eq(wal_sync(w, NULL, NULL), GRID_OK);
    ck_assert_int_eq(wal_prepare(w, why), GRID_ENO_SPACE);
    ck_assert_ptr_nonnull(strstr(why, "free some space"));
    ck_assert(wal_wants_room(w));
    disk_mem_set_capacity(d, 0);
    ck_assert_int_eq(wal_prepare(w, why), GRID_OK);
    ck_assert_int_eq(log_append(w, 1, next, seqs), GRID_OK);
    ck_assert_int_eq(wal_sync(w, NULL, NULL), GRID_OK);
    wal_close(w);
    static struct found f;
    struct wal_report r;
    w = log_recover(d, 2, 0, &f, &r);
    ck_assert_uint_eq(f.count, next);
    wal_report_release(&r);
    wal_free(w);
    disk_mem_free(d);
}
END_TEST

START_TEST(failed_writes_and_syncs_are_told)
{
    struct disk *d = disk_mem_new();
    uint64_t seqs[PARTITIONS] = {0};
    char why[STORE_WHY_BYTES] = "";
    struct wal *w = log_new(d, 1);
    ck_assert_int_eq(log_append(w, 1, 1, seqs), GRID_OK);
    disk_mem_fail(d, DISK_FAULT_SYNC, 0, 1);
    ck_assert_int_eq(wal_sync(w, why, NULL), GRID_EIO);
    ck_assert_uint_eq(wal_durable(w), 0);
    ck_assert_ptr_nonnull(strstr(why, "cannot sync wal"));
    disk_mem_fail(d, DISK_FAULT_WRITE, 0, 1);
    ck_assert_int_eq(log_append(w, 1, 2, seqs), GRID_EIO);
    wal_free(w);
    struct wal_visit visit = {0};
    struct wal_report r = {0};
    w = log_open(d, false, 3);
    disk_mem_fail(d, DISK_FAULT_READ, 0, 1);
    ck_assert_int_eq(wal_recover(w, 0, &visit, why, &r), GRID_EIO);
    wal_report_release(&r);
    wal_free(w);
    disk_mem_free(d);
}
END_TEST

START_TEST(segments_are_recycled_and_retention_is_kept)
{
    struct disk *d = disk_mem_new();
    uint64_t seqs[PARTITIONS] = {0}, next = 1;
    struct wal *w = log_new(d, 1);
    for (unsigned round = 0; round < 60; round++) {
        ck_assert_int_eq(wal_prepare(w, NULL), GRID_OK);
        ck_assert_int_eq(log_append(w, 30, next, seqs), GRID_OK);
        ck_assert_int_eq(wal_sync(w, NULL, NULL), GRID_OK);
        next += 30;
        ck_assert_int_eq(wal_reclaim(w, next - 1, 2 * SEGMENT, NULL), GRID_OK);
        ck_assert_uint_le(disk_mem_used(d), 14 * SEGMENT);
    }
    struct wal_stats st;
    wal_stats(w, &st);
    ck_assert_uint_gt(st.first_lsn, 1);
    ck_assert_uint_lt(st.first_lsn, next - 1);
    wal_close(w);
    disk_mem_free(d);
}
END_TEST

START_TEST(lives_without_records_leave_nothing_to_be_folded)
{
    struct disk *d = disk_mem_new();
    struct prng prng = {7};
    uint64_t seqs[PARTITIONS] = {0};
    struct wal *w = log_new(d, 1);
    ck_assert_int_eq(log_append(w, 10, 1, seqs), GRID_OK);
    ck_assert_int_eq(wal_sync(w, NULL, NULL), GRID_OK);
    for (uint64_t life = 2; life < 12; life++) {
        ck_assert_uint_eq(wal_behind(w, 0), SEGMENT);
        ck_assert_uint_eq(wal_behind(w, 10), 0);
        disk_mem_crash(d, &prng);
        wal_free(w);
        struct found f;
        struct wal_report r;
        w = log_recover(d, life, 0, &f, &r);
        ck_assert_uint_eq(f.count, 10);
        wal_report_release(&r);
        ck_assert_int_eq(wal_prepare(w, NULL), GRID_OK);
    }
    wal_free(w);
    disk_mem_free(d);
}
END_TEST

START_TEST(a_reader_follows_the_writer)
{
    struct disk *d = disk_mem_new();
    uint64_t seqs[PARTITIONS] = {0}, next = 1, read = 0;
    struct wal *w = log_new(d, 1);
    struct wal_reader *reader = wal_reader_new(w, 0);
    struct wal_item item;
    for (unsigned round = 0; round < 60; round++) {
        ck_assert_int_eq(wal_prepare(w, NULL), GRID_OK);
        ck_assert_int_eq(log_append(w, 17, next, seqs), GRID_OK);
        next += 17;
        if (round % 3)
            continue;
        ck_assert_int_eq(wal_sync(w, NULL, NULL), GRID_OK);
        ck_assert_int_eq(log_append(w, 1, next++, seqs),
                         GRID_OK); /* not durable: must not be seen */
        wal_reader_bound(reader, wal_durable(w));
        while (wal_reader_next(reader, NULL, &item) == GRID_OK) {
            ck_assert(!item.lost);
            ck_assert_uint_eq(item.lsn, ++read);
            ck_assert_uint_eq(item.partition, partition_of_lsn(item.lsn));
        }
        ck_assert_uint_eq(read, wal_durable(w));
        wal_reader_free(reader);
        ck_assert_int_eq(wal_reclaim(w, read > 40 ? read - 40 : 0, 0, NULL), GRID_OK);
        reader = wal_reader_new(w, read);
    }
    wal_reader_free(reader);
    wal_close(w);
    disk_mem_free(d);
}
END_TEST

START_TEST(records_of_the_largest_size_fit_and_larger_ones_are_refused)
{
    struct disk *d = disk_mem_new();
    struct wal *w = log_new(d, 1);
    size_t max = wal_record_max(w);
    ck_assert(wal_has_room(w, max));
    ck_assert(!wal_has_room(w, 64u << 20));
    uint8_t *value = xcalloc(1, max);
    struct effect e = {.kind = EFFECT_PUT, .cache = 1, .key = slice_str("k")};
    struct record rec = {
        .context = 1, .partition = 1, .version = 1, .effects = &e, .effects_len = 1};
    e.value = slice_make(value, max - record_size_max(&rec) - 8);
    struct wal_batch b;
    wal_batch_init(&b, w);
    ck_assert(wal_has_room(w, record_size_max(&rec)));
    wal_batch_add(&b, &rec); /* over more than one segment */
    ck_assert_int_eq(wal_write(w, &b, NULL), GRID_OK);
    ck_assert_int_eq(wal_sync(w, NULL, NULL), GRID_OK);
    wal_batch_release(&b);
    wal_free(w);
    struct wal_visit visit = {0};
    struct wal_report r = {0};
    w = log_open(d, false, 3);
    ck_assert_int_eq(wal_recover(w, 0, &visit, NULL, &r), GRID_OK);
    ck_assert_uint_eq(r.records, 1);
    wal_report_release(&r);
    wal_free(w);
    free(value);
    disk_mem_free(d);
}
END_TEST

START_TEST(the_log_works_on_a_real_file_system)
{
    char dir[] = "/tmp/wal-test-XXXXXX", path[64];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    struct wal_conf conf = {
        .disk = disk_posix(), .dir = dir, .segment_bytes = SEGMENT, .random = 9, .create = true};
    struct wal_visit visit = {0};
    struct wal_report r = {0};
    uint64_t seqs[PARTITIONS] = {0};
    struct wal *w;
    ck_assert_int_eq(wal_open(&conf, NULL, &w), GRID_OK);
    ck_assert_int_eq(wal_recover(w, 0, &visit, NULL, &r), GRID_OK);
    ck_assert_int_eq(wal_prepare(w, NULL), GRID_OK);
    ck_assert_int_eq(log_append(w, 50, 1, seqs), GRID_OK);
    ck_assert_int_eq(wal_sync(w, NULL, NULL), GRID_OK);
    wal_free(w);
    wal_report_release(&r);
    conf.create = false;
    static struct found f;
    visit = (struct wal_visit){.ctx = &f, .record = found_record};
    ck_assert_int_eq(wal_open(&conf, NULL, &w), GRID_OK);
    ck_assert_int_eq(wal_recover(w, 0, &visit, NULL, &r), GRID_OK);
    ck_assert_uint_eq(f.count, 50);
    ck_assert(!f.wrong);
    wal_free(w);
    wal_report_release(&r);
    DIR *stream = opendir(dir);
    for (struct dirent *e; (e = readdir(stream));) {
        snprintf(path, sizeof path, "%s/%.40s", dir, e->d_name);
        unlink(path);
    }
    closedir(stream);
    rmdir(dir);
}
END_TEST

UNIT_MAIN("store/wal", synced_records_are_found_after_a_crash,
          any_crash_leaves_a_prefix_with_all_that_was_synced,
          a_flip_of_any_byte_is_repaired_or_named, a_lost_run_of_sectors_is_named_or_taken_as_all,
          unharmed_partitions_are_proven_by_their_sequence,
          a_record_of_a_later_epoch_proves_nothing, a_missing_segment_in_the_middle_is_damage,
          a_missing_beginning_is_damage_though_nothing_follows_it,
          a_segment_of_another_log_is_not_taken_for_ours, a_log_cut_short_is_damage,
          a_log_that_ends_before_the_checkpoint_is_damage,
          damage_at_the_end_is_found_again_until_the_log_goes_on, a_newer_format_is_refused,
          a_missing_or_empty_log_is_an_error_unless_new,
          a_full_disk_refuses_room_and_gives_it_back_later, failed_writes_and_syncs_are_told,
          segments_are_recycled_and_retention_is_kept,
          lives_without_records_leave_nothing_to_be_folded, a_reader_follows_the_writer,
          records_of_the_largest_size_fit_and_larger_ones_are_refused,
          the_log_works_on_a_real_file_system)
