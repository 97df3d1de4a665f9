/* test_threads.c - threads of a node: guests of a program while they run, and what is asked of
 * those beside a worker at their end.
 * LINK: node net store session coordination compute wire command shard grid control
 * LINK: raft replica data base pb frame conf
 */
#include "node/node_priv.h"
#include "tests/lib/unit.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>

START_TEST(what_is_asked_of_the_reading_thread_after_its_end_is_given_up)
{
    struct node n = {0};
    struct worker w = {.node = &n};
    w.loop = loop_new(&(struct loop_hooks){0});
    ck_assert(reading_start(&w));
    reading_end(&w);
    reading_ask(&w, log_read_new(0, 0)); /* by a turn while other threads end */
    ck_assert(!reading_keeps(&w));
    loop_free(w.loop);
}
END_TEST

START_TEST(a_log_that_has_ended_has_no_room)
{
    struct node n = {0};
    struct worker w = {.node = &n};
    w.loop = loop_new(&(struct loop_hooks){0});
    ck_assert(log_start(&w));
    log_end(&w);
    ck_assert(!log_has_room(&w, 1)); /* for what other workers, that end later, ask of this one */
    loop_free(w.loop);
}
END_TEST

START_TEST(what_was_never_started_ends)
{
    struct worker w = {0};
    cold_end(&w);
    reading_end(&w);
    log_end(&w);
    folding_end(&w);
    preparing_end(&w);
}
END_TEST

struct guest {
    struct log_sink sink;
    unsigned lines;
    sigset_t blocked;
    char number[16];
};

static void line_take(void *ctx, enum log_level level, const char *room, const char *text)
{
    struct guest *g = ctx;
    ck_assert_int_eq(level, LOG_WARN);
    ck_assert_str_eq(room, "node");
    ck_assert_str_eq(text, "said by a guest");
    g->lines++;
}

static void *guest_body(void *arg)
{
    struct guest *g = arg;
    log_info("node", "below the level");
    log_warn("node", "said by a %s", "guest");
    pthread_sigmask(SIG_BLOCK, NULL, &g->blocked);
    snprintf(g->number, sizeof g->number, "%.1f", 1.5);
    return NULL;
}

START_TEST(a_thread_takes_no_signals_logs_where_its_maker_does_and_has_no_locale)
{
    static const int process[] = {SIGTERM, SIGINT, SIGPIPE, SIGCHLD, SIGXFSZ, SIGALRM},
                     own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct guest g = {.sink = {.level = LOG_WARN, .line = line_take, .ctx = &g}};
    sigset_t before, after;
    pthread_t thread;
    (void)setlocale(LC_ALL, "de_DE.UTF-8"); /* where there is one, numbers have commas */
    sigemptyset(&before);
    sigaddset(&before, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    log_use(&g.sink);
    ck_assert(thread_start_shard(&thread, "guest", 7, guest_body, &g));
    log_use(NULL);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(g.lines, 1);
    ck_assert_str_eq(g.number, "1.5");
    for (size_t i = 0; i < sizeof process / sizeof *process; i++)
        ck_assert_int_eq(sigismember(&g.blocked, process[i]), 1);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        ck_assert_int_eq(sigismember(&g.blocked, own[i]), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int i = 1; i < SIGRTMIN; i++)
        ck_assert_int_eq(sigismember(&after, i), sigismember(&before, i));
}
END_TEST

UNIT_MAIN("node/threads", what_is_asked_of_the_reading_thread_after_its_end_is_given_up,
          a_log_that_has_ended_has_no_room, what_was_never_started_ends,
          a_thread_takes_no_signals_logs_where_its_maker_does_and_has_no_locale)
