/* test_log_damage.c - the log is damaged while it is folded in.
 * LINK: store data base */
#include "bench.h"

/* Of the record that has `text`, in the only segment. */
static void log_flip(struct bench *b, const char *text)
{
    static const char name[] = "wal/0000000000000001.wal";
    uint8_t page[8192];
    size_t n;
    struct disk_file *f;
    ck_assert_int_eq(b->d->ops->open(b->d, name, false, &f), 0);
    ck_assert_int_eq(f->ops->pread(f, page, sizeof page, 0, &n), 0);
    f->ops->close(f);
    uint8_t *hurt = memmem(page, n, text, strlen(text));
    ck_assert_ptr_nonnull(hurt);
    disk_mem_flip(b->d, name, (uint64_t)(hurt - page), 3);
}

static void put_elsewhere(struct bench *b, uint16_t partition)
{
    struct effect e = {
        .kind = EFFECT_PUT, .created = true, .cache = 1, .key = slice_str("k"), .value = {0}};
    struct record r = {.context = 1,
                       .partition = partition,
                       .version = version_make(1, 1),
                       .time_ms = 1000,
                       .effects = &e,
                       .effects_len = 1};
    wal_batch_add(&b->b, &r);
}

START_TEST(new_damage_of_the_log_marks_its_partition_and_the_checkpoint_goes_on)
{
    struct bench b;
    struct checkpoint_report rep;
    bench_init(&b, _i);
    bench_put(&b, 1, "a", "1", true);
    bench_put(&b, 1, "b", "the payload that will be hurt", true);
    put_elsewhere(&b, 6);
    bench_sync(&b);
    bench_put(&b, 1, "c", "3", true);
    bench_sync(&b);
    log_flip(&b, "the payload");
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
    ck_assert_uint_eq(checkpoint_applied(b.cp), 4);
    ck_assert_uint_eq(rep.damaged_len, 1);
    ck_assert_uint_eq(rep.damaged[0].partition, 5);
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
    ck_assert_uint_eq(rep.damaged_len, 0); /* once */
    checkpoint_close(b.cp);
    bench_open(&b, false);
    struct heads_found found = heads(&b);
    ck_assert_uint_eq(found.len, 2);
    ck_assert_uint_eq(found.damaged_len, 1);
    check_value(&b, 1, "a", "1");
    check_value(&b, 1, "c", "3"); /* what is readable is kept */
    bench_release(&b);
}
END_TEST

START_TEST(a_copy_behind_new_damage_of_the_log_undoes_its_mark)
{
    struct bench b;
    struct checkpoint_report rep;
    struct effect wipe = {.kind = EFFECT_WIPE}, copied = {.kind = EFFECT_COPIED};
    bench_init(&b, _i);
    bench_put(&b, 1, "a", "the payload that will be hurt", true);
    bench_sync(&b);
    bench_add(&b, &wipe, NULL);
    bench_put(&b, 1, "b", "2", true);
    bench_add(&b, &copied, NULL);
    bench_sync(&b);
    log_flip(&b, "the payload");
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
    ck_assert_uint_eq(rep.damaged_len, 0);
    ck_assert(!heads(&b).damaged);
    check_value(&b, 1, "b", "2");
    bench_release(&b);
}
END_TEST

START_TEST(damage_that_recovery_told_of_stays_marked_though_a_copy_began_before_it)
{
    struct bench b;
    struct checkpoint_report rep;
    struct effect wipe = {.kind = EFFECT_WIPE}, copied = {.kind = EFFECT_COPIED};
    struct wal_place place = {1, 5};
    struct found found;
    struct wal_report report;
    bench_init(&b, _i);
    bench_add(&b, &wipe, NULL);
    bench_put(&b, 1, "a", "1", true);
    bench_put(&b, 1, "b", "the payload that will be hurt", true);
    bench_add(&b, &copied, NULL);
    bench_sync(&b);
    bench_put(&b, 1, "c", "3", true); /* its batch says that the first was durable */
    bench_sync(&b);
    log_flip(&b, "the payload");
    wal_free(b.w);
    b.w = log_recover(b.d, 12, 0, &found, &report);
    ck_assert(wal_report_damaged(&report, 1, 5));
    wal_report_release(&report);
    ck_assert_int_eq(checkpoint_mark_damaged(b.cp, &place, 1, NULL), GRID_OK);
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
    ck_assert_uint_eq(checkpoint_applied(b.cp), 5);
    ck_assert_uint_eq(rep.damaged_len, 0); /* it is known */
    ck_assert(heads(&b).damaged);
    bench_release(&b);
}
END_TEST

/* All of the batch that has `text`, so that nothing tells whose record it was. */
static void log_lose(struct bench *b, const char *text)
{
    static const char name[] = "wal/0000000000000001.wal";
    uint8_t page[8192];
    size_t n;
    struct disk_file *f;
    ck_assert_int_eq(b->d->ops->open(b->d, name, false, &f), 0);
    ck_assert_int_eq(f->ops->pread(f, page, sizeof page, 0, &n), 0);
    f->ops->close(f);
    const uint8_t *stamp = page + 32, *at = memmem(page, n, text, strlen(text)), *begin, *next;
    ck_assert_ptr_nonnull(at);
    next = page + 4096;
    do { /* each batch begins with the stamp */
        begin = next;
        next = memmem(begin + 8, n - (size_t)(begin + 8 - page), stamp, 8);
        ck_assert_ptr_nonnull(next);
    } while (next < at);
    for (; begin < next; begin++)
        disk_mem_flip(b->d, name, (uint64_t)(begin - page), 3);
}

START_TEST(what_names_nobody_is_passed_over_when_others_have_accounted_for_it)
{
    struct bench b;
    struct checkpoint_report rep;
    bench_init(&b, _i);
    bench_put(&b, 1, "a", "1", true);
    bench_sync(&b);
    bench_put(&b, 1, "b", "a batch that goes as a whole", true);
    bench_sync(&b);
    bench_put(&b, 1, "c", "3", true);
    bench_sync(&b);
    log_lose(&b, "a batch that goes");
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_ECORRUPT);
    ck_assert_uint_eq(rep.lost_first, 2);
    ck_assert_uint_eq(rep.lost_last, 2);
    ck_assert_uint_eq(checkpoint_applied(b.cp), 1);
    struct checkpoint_limits limits = {.accounted_lsn = 2};
    ck_assert_int_eq(bench_run(&b, &limits, &rep), GRID_OK);
    ck_assert_uint_eq(checkpoint_applied(b.cp), 3);
    check_value(&b, 1, "a", "1");
    check_value(&b, 1, "c", "3");
    struct found found;
    struct wal_report report;
    wal_free(b.w);
    b.w = log_recover(b.d, 12, 3, &found, &report); /* it is behind: nobody is harmed */
    ck_assert(!report.unattributable);
    ck_assert(!wal_report_damaged(&report, 1, 6));
    wal_report_release(&report);
    bench_release(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/log_damage");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, new_damage_of_the_log_marks_its_partition_and_the_checkpoint_goes_on, 0,
                        2);
    tcase_add_loop_test(tc, a_copy_behind_new_damage_of_the_log_undoes_its_mark, 0, 2);
    tcase_add_loop_test(tc, what_names_nobody_is_passed_over_when_others_have_accounted_for_it, 0,
                        2);
    tcase_add_loop_test(tc, damage_that_recovery_told_of_stays_marked_though_a_copy_began_before_it,
                        0, 2);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
