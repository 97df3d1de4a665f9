/* runs.h - runs of gridctl against the fake grid. */
#ifndef GRIDD_TESTS_GRIDCTL_RUNS_H
#define GRIDD_TESTS_GRIDCTL_RUNS_H

#include "client/gridctl/ctl.h"
#include "client/gridctl/words.h"
#include "tests/unit/gridctl/fake_jobs.h"

#include <check.h>
#include <stdio.h>

/* One run: what was printed, and the exit code. */
static char *out, *err;

static int run_with(const char *line, const char *input)
{
    size_t out_len, err_len;
    struct words w;
    char nothing[] = "";
    free(out);
    free(err);
    struct ctl c = {
        .in = *input ? tmpfile() : fmemopen(nothing, 1, "r"),
        .out_file = open_memstream(&out, &out_len),
        .err = open_memstream(&err, &err_len),
    };
    ck_assert_ptr_nonnull(c.in);
    if (*input) {
        fputs(input, c.in);
        rewind(c.in);
    } else {
        getc(c.in);
    }
    ck_assert_ptr_null(words_split(line, &w));
    int code = ctl_run(&c, w.list, w.len);
    words_release(&w);
    ck_assert(ctl_release(&c));
    fclose(c.in);
    fclose(c.out_file);
    fclose(c.err);
    return code;
}

static int run(const char *line)
{
    return run_with(line, "");
}

static void setup(void)
{
    fake_reset();
}

static void teardown(void)
{
    fake_reset();
    free(out);
    free(err);
    out = err = NULL;
}

#endif
