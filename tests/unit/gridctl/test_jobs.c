/* test_jobs.c - jobs and schedules: what is asked of the grid, and what comes out.
 * LINK: ctl
 */
#include "tests/unit/gridctl/runs.h"

START_TEST(jobs_and_schedules)
{
#define ID "abababababababababababababababab"
    static const struct {
        const char *line, *said; /* to the grid */
        enum grid_job_status status;
        int code;
        const char *out;
    } cases[] = {
        {"submit m.j --cache default/default --key k", "submit m.j k  0 0", 0, 0, ID "\n"},
        {"submit m.j --cache default/default --key k --arg 7 --priority 1 --deadline 2s --wait",
         "submit m.j k 7 1 2000", GRID_JOB_DONE, 0, "four"},
        {"submit m.j --key k", NULL, 0, 2, ""},
        {"jobs wait " ID, NULL, GRID_JOB_DONE, 0, "four"},
        {"jobs wait " ID, NULL, GRID_JOB_FAILED, 3, ""},
        {"jobs wait " ID " --wait-for 1ms", NULL, GRID_JOB_RUNNING, 4, ""},
        {"jobs wait abc", NULL, 0, 2, ""},
        {"jobs cancel " ID, "cancel ab", 0, 0, ""},
        {"jobs list --status done", NULL, GRID_JOB_FAILED, 0,
         "ID  JOB  STATUS  PROGRESS  NODE  ATTEMPT  AGE\n"},
        {"schedule create nightly m.j --cron '0 3 * * *'", "schedule nightly m.j 0 3 * * * 0 ", 0,
         0, ""}, /* without a key */
        {"schedule create s m.j --every 1m --key k", "schedule s m.j - 60000 k", 0, 0, ""},
        {"schedule create s m.j", NULL, 0, 2, ""},
        {"schedule create s m.j --every 1s --cron '* * * * *'", NULL, 0, 2, ""},
        {"schedule pause nightly", "act 4 nightly k", 0, 0, ""},
        {"schedule resume nightly", "act 5 nightly k", 0, 0, ""},
        {"schedule remove nightly", "act 6 nightly k", 0, 0, ""},
        {"schedule run-now nightly", "act 7 nightly k", 0, 0, ""},
        {"schedule pause daily", NULL, 0, 1, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_reset();
        fake.job_status = cases[i].status;
        ck_assert_msg(run(cases[i].line) == cases[i].code, "%s: %s", cases[i].line, err);
        if (cases[i].said)
            ck_assert_str_eq(fake.text, cases[i].said);
        ck_assert_str_eq(out, cases[i].out);
    }
    fake_reset(); /* without a key it is anywhere: the library sees to that */
    ck_assert_int_eq(run("submit m.j --cache default/default"), 0);
    ck_assert_ptr_eq(strstr(fake.text, "submit m.j  "), fake.text);
    ck_assert_int_eq(run("submit m.j --cache default/default --nodes ssd"), 2);
    ck_assert_ptr_nonnull(strstr(err, "LABEL=VALUE"));
    fake_reset();
    ck_assert_int_eq(run("jobs show " ID), 0);
    ck_assert_ptr_nonnull(strstr(out, "50.0%"));
    ck_assert_int_eq(run("--json jobs list"), 0);
    const char *older = strstr(out, "\"id\": \"" ID "\""), *younger = strstr(out, "\"id\": \"cdcd");
    ck_assert(older && younger && older < younger);
    ck_assert_int_eq(run("schedule list"), 0);
    ck_assert_ptr_nonnull(strstr(out, "0 3 * * *"));
    ck_assert_int_eq(run("schedule show nightly"), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gridctl/jobs");
    TCase *tcase = tcase_create("jobs");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, jobs_and_schedules);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
