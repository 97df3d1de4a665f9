/* test_job_run.c - the code of a job: what it sees, what its steps are, how it ends.
 * LINK: compute command shard replica control data base */
#include "tests/unit/compute/job_stage.h"

static enum job_outcome play(struct stage *s, const char *body, const char *state)
{
    struct world *w = world_new();
    char source[2048];
    snprintf(source, sizeof source, MOD "grid.job('j', function(j)\n%s\nend)", body);
    deploy(w, source);
    struct job_run_conf conf = stage_conf(w, state);
    conf.module = w->h->catalog->modules[0];
    enum job_outcome outcome = stage_play(s, &conf);
    world_free(w);
    return outcome;
}

static const struct {
    const char *body, *says;
} cases[] = {
    {"return j.key .. j.arg .. j.attempt .. tostring(j.state)", "done 4 [kA2nil]\n"},
    {"j.put('x', 1) j.checkpoint('half', 0.5) return {1}", "more 4 [half] put x=1\ndone 5 [[1]]\n"},
    {"local v = j.get('k') j.put('k', v + 1)", "done 4 [] put k=6@9\n"},
    {"j.get('none') j.delete('k')", "done 4 [] read none@0 delete k\n"},
    {"j.incr('k') j.incr('k', 4)", "done 4 [] add k+5\n"},
    {"j.incr('k') local n = j.get('k') j.incr('k') return n", "done 4 [6] put k=7@9\n"},
    {"j.put('x', 'a') return j.get('x')", "done 4 [a] put x=a\n"},
    {"j.delete('k') return tostring(j.get('k'))", "done 4 [nil] delete k\n"},
    {"j.put('d', 'x', 'v', {ttl = 5}) j.checkpoint({n = 1})",
     "more 4 [{\"n\":1}] put x=v\ndone 5 []\n"},
    {"local r, c = j.scan{} return r[1].key .. #j.scan{after = c}", "done 4 [a1]\n"},
    {"return j.run('m.t', 'q', 5)", "run m.t q 5 50331649\ndone 4 [7]\n"},
    {"return select(2, pcall(j.run, 'm.bad', 'q'))", "run m.bad q  50331649\ndone 4 [it failed]\n"},
    {"j.log('a', 1)", "log a 1\ndone 4 []\n"},
    {"j.put('x', 1) error('no')", "fail 4 [m:3: no]\n"},
    {"j.get()", "fail 4 [m:3: j.get: wrong number of arguments]\n"},
    {"j.put('none', 'x', 'v')", "fail 4 [m:3: j.put: there is no cache 'none' in the context]\n"},
    {"j.checkpoint(1, 2)", "fail 4 [m:3: j.checkpoint: progress is a number from 0 to 1]\n"},
    {"return grid.get('k')", "fail 4 [m:3: grid.get: only a task that runs can call it]\n"},
    {"local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end", NULL},
};

START_TEST(what_a_job_does_is_in_its_steps)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stage s = {.value = "5"};
        ck_assert_int_eq(play(&s, cases[i].body, NULL), JOB_RUN_ENDED);
        if (cases[i].says)
            ck_assert_msg(strcmp((const char *)s.said.data, cases[i].says) == 0, "%s: %s",
                          cases[i].body, (const char *)s.said.data);
        else
            ck_assert(strncmp((const char *)s.said.data, "fail", 4) == 0);
        buf_release(&s.said);
    }
}
END_TEST

START_TEST(it_goes_on_from_its_state)
{
    struct stage s = {.value = "5"};
    ck_assert_int_eq(play(&s, "return j.state .. '!'", "half"), JOB_RUN_ENDED);
    ck_assert_str_eq((const char *)s.said.data, "done 4 [half!]\n");
    buf_release(&s.said);
}
END_TEST

START_TEST(nothing_of_it_goes_on_when_it_is_fenced_or_meets_a_conflict)
{
    static const char body[] = "pcall(j.checkpoint, 1) j.put('x', 1) j.checkpoint(2)";
    struct stage fenced = {.answer = JOB_FENCED}, conflict = {.answer = JOB_CONFLICT};
    ck_assert_int_eq(play(&fenced, body, NULL), JOB_RUN_LOST);
    ck_assert_str_eq((const char *)fenced.said.data, "more 4 [1]\n");
    ck_assert_int_eq(play(&conflict, body, NULL), JOB_RUN_CONFLICT);
    ck_assert_str_eq((const char *)conflict.said.data, "more 4 [1]\n");
    buf_release(&fenced.said);
    buf_release(&conflict.said);
}
END_TEST

START_TEST(an_endless_loop_ends_when_it_is_told_to_stop)
{
    struct stage s = {.stop_after = 1000};
    ck_assert_int_eq(play(&s, "while true do end", NULL), JOB_RUN_LOST);
    ck_assert_str_eq((const char *)s.said.data, "");
    buf_release(&s.said);
}
END_TEST

START_TEST(what_is_refused_at_the_end_fails_the_job)
{
    struct stage s = {.err = GRID_ENOT_NUMBER};
    ck_assert_int_eq(play(&s, "j.incr('x')", NULL), JOB_RUN_ENDED);
    ck_assert_ptr_nonnull(strstr((const char *)s.said.data, "\nfail 4 [what it wrote"));
    buf_release(&s.said);
}
END_TEST

UNIT_MAIN("compute/job_run", what_a_job_does_is_in_its_steps, it_goes_on_from_its_state,
          nothing_of_it_goes_on_when_it_is_fenced_or_meets_a_conflict,
          an_endless_loop_ends_when_it_is_told_to_stop, what_is_refused_at_the_end_fails_the_job)
