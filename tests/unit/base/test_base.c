/* test_base.c - errors, checks, lifecycles, allocation, clocks, log lines.
 * LINK: base */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sm.h"
#include "tests/lib/unit.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(each_status_has_a_name_a_text_and_a_code_of_its_own)
{
    static const int codes[] = {
#define X(name, code, text, retryable) code,
#include "proto/status.def"
#undef X
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        ck_assert(codes[i] > 0 && codes[i] < 256);
        ck_assert_str_ne(err_name((enum grid_err)codes[i]), "UNKNOWN");
        ck_assert_uint_gt(strlen(err_text((enum grid_err)codes[i])), 0);
        for (size_t j = 0; j < i; j++)
            ck_assert_int_ne(codes[i], codes[j]);
    }
    ck_assert_str_eq(err_name(GRID_OK), "OK");
    ck_assert_str_eq(err_name((enum grid_err)9999), "UNKNOWN");
    ck_assert_str_eq(err_text((enum grid_err)9999), "unknown status");
    ck_assert(err_retryable(GRID_EBUSY) && !err_retryable(GRID_EFULL));
    ck_assert(!err_retryable((enum grid_err)9999));
}
END_TEST

/* Run `fn` in a process of its own with stderr caught in `text`. Returns its wait status. */
static int run_apart(void (*fn)(void), char *text, size_t room)
{
    int ends[2], status = 0;
    ck_assert_int_eq(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        fn();
        _exit(0);
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(ends[0], text + len, room - 1 - len)) > 0;)
        len += (size_t)n;
    text[len] = '\0';
    close(ends[0]);
    waitpid(child, &status, 0);
    return status;
}

static void fail_check(void)
{
    CHECK(1 == 2);
}

START_TEST(a_failed_check_says_what_and_aborts)
{
    char text[500];
    int status = run_apart(fail_check, text, sizeof text);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    ck_assert_ptr_nonnull(strstr(text, "1 == 2"));
    ck_assert_ptr_nonnull(strstr(text, "test_base.c"));
}
END_TEST

enum { CLOSED, OPEN, GONE };
static const char *const door_states[] = {"closed", "open", "gone"};
static const uint32_t door_moves[] = {[CLOSED] = 1 << OPEN | 1 << GONE, [OPEN] = 1 << CLOSED};
static const struct sm_table door = {"door", door_states, door_moves, 2};
static const uint32_t full_moves[] = {1 << OPEN | 1 << GONE, 1 << CLOSED, 0};
static const struct sm_table full_door = {"door", door_states, full_moves, 3};

static void move_illegally(void)
{
    unsigned state = GONE;
    sm_move(&full_door, &state, OPEN);
}

START_TEST(legal_moves_are_made_and_others_abort_by_name)
{
    unsigned state = CLOSED;
    sm_move(&door, &state, OPEN);
    sm_move(&door, &state, CLOSED);
    sm_move(&full_door, &state, GONE);
    ck_assert_uint_eq(state, GONE);
    char text[500];
    ck_assert(WIFSIGNALED(run_apart(move_illegally, text, sizeof text)));
    ck_assert_ptr_nonnull(strstr(text, "door may not move from gone to open"));
}
END_TEST

static void overflow_allocation(void)
{
    free(xrealloc(NULL, SIZE_MAX / 2, 4));
}

START_TEST(bookkeeping_memory_is_never_null_and_overflow_aborts)
{
    char *zeroed = xcalloc(100, 3);
    for (int i = 0; i < 300; i++)
        ck_assert_int_eq(zeroed[i], 0);
    free(zeroed);
    void *nothing = xalloc(0);
    ck_assert_ptr_nonnull(nothing);
    free(nothing);
    char *copy = xstrdup("text");
    ck_assert_str_eq(copy, "text");
    copy = xrealloc(copy, 100, 10);
    ck_assert_str_eq(copy, "text");
    free(copy);
    char text[500];
    int status = run_apart(overflow_allocation, text, sizeof text);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    ck_assert_ptr_nonnull(strstr(text, "out of memory"));
}
END_TEST

START_TEST(clocks_go_on)
{
    uint64_t ns = clock_mono_ns();
    msec_t ms = clock_mono_ms();
    ck_assert_uint_gt(clock_wall_ms(), 1600000000000u);
    ck_assert_uint_ge(clock_mono_ns(), ns);
    ck_assert_uint_ge(clock_mono_ms(), ms);
}
END_TEST

static void log_all(void)
{
    log_setup(LOG_INFO, LOG_LOGFMT);
    log_debug("test", "hidden");
    log_info("test", "a \"quoted\" line\nbroken %d", 7);
    log_set_level(LOG_ERROR);
    log_warn("test", "hidden too");
    log_setup(LOG_INFO, LOG_JSON);
    log_error("test", "back\\slash");
}

START_TEST(log_lines_are_one_line_each_quoted_and_filtered)
{
    char text[2000];
    ck_assert_int_eq(run_apart(log_all, text, sizeof text), 0);
    ck_assert_ptr_null(strstr(text, "hidden"));
    ck_assert_ptr_nonnull(
        strstr(text, "level=info room=test msg=\"a \\\"quoted\\\" line\\u000abroken 7\"\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "\"level\":\"error\",\"room\":\"test\",\"msg\":\"back\\\\slash\"}\n"));
    unsigned lines = 0;
    for (const char *p = text; *p; p++)
        lines += *p == '\n';
    ck_assert_uint_eq(lines, 2);
}
END_TEST

static void log_long(void)
{
    char message[5000];
    memset(message, '"', sizeof message);
    message[sizeof message - 1] = '\0';
    log_error("test", "%s", message);
}

START_TEST(a_line_too_long_is_cut_and_still_one_closed_line)
{
    char text[6000];
    ck_assert_int_eq(run_apart(log_long, text, sizeof text), 0);
    size_t len = strlen(text);
    ck_assert_uint_gt(len, 100);
    ck_assert_str_eq(text + len - 3, "\"\"\n");
}
END_TEST

START_TEST(levels_are_known_by_name)
{
    enum log_level level = LOG_DEBUG;
    ck_assert(log_level_parse("warn", &level) && level == LOG_WARN);
    ck_assert(!log_level_parse("WARN", &level) && !log_level_parse("", &level));
    ck_assert_int_eq(level, LOG_WARN);
}
END_TEST

UNIT_MAIN("base/base", each_status_has_a_name_a_text_and_a_code_of_its_own,
          a_failed_check_says_what_and_aborts, legal_moves_are_made_and_others_abort_by_name,
          bookkeeping_memory_is_never_null_and_overflow_aborts, clocks_go_on,
          log_lines_are_one_line_each_quoted_and_filtered,
          a_line_too_long_is_cut_and_still_one_closed_line, levels_are_known_by_name)
