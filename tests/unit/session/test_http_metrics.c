/* test_http_metrics.c - health and metrics: what is asked of the node, how its samples are told.
 * LINK: session compute wire command shard replica control data base frame pb */
#include "base/metrics.h"
#include "tests/lib/unit.h"
#include "tests/unit/session/fake_http.h"

static void answer(struct fake *f, bool ready, bool full)
{
    struct buf samples = BUF_INIT;
    metric_add(&samples, METRIC_reads, NULL, NULL, 7);
    metric_add(&samples, METRIC_ready, NULL, NULL, ready);
    metric_add(&samples, METRIC_problem, "damaged_partitions", NULL, !ready);
    metric_add(&samples, METRIC_problem, "disk_full", NULL, full);
    session_admin_result(&f->admin_ticket, GRID_OK, slice_str(""), buf_slice(&samples));
    buf_release(&samples);
}

START_TEST(health_is_answered_at_once)
{
    struct fake *f = fake_http();
    fake_text(f, "GET /healthz" HOST "\r\n");
    const char *out = fake_out(f);
    ck_has(out, "HTTP/1.1 200 OK\r\n");
    ck_has(out, "alive");
    ck_assert_uint_eq(f->admins, 0);
    fake_free(f);
}
END_TEST

START_TEST(a_node_without_a_problem_is_ready)
{
    struct fake *f = fake_http();
    fake_text(f, "GET /readyz" HOST "\r\n");
    ck_assert_int_eq(f->admin.op, ADMIN_METRICS);
    answer(f, true, false);
    const char *out = fake_out(f);
    ck_has(out, "HTTP/1.1 200 OK\r\n");
    ck_has(out, "{\"reasons\":[],\"ready\":true}");
    fake_free(f);
}
END_TEST

START_TEST(a_node_that_is_not_ready_says_why_with_503)
{
    struct fake *f = fake_http();
    fake_text(f, "GET /readyz" HOST "\r\n");
    answer(f, false, true);
    const char *out = fake_out(f);
    ck_has(out, "HTTP/1.1 503 ");
    ck_has(out, "{\"reasons\":[\"damaged_partitions\",\"disk_full\"],\"ready\":false}");
    fake_text(f, "HEAD /readyz" HOST "\r\n");
    answer(f, false, false);
    ck_assert_int_eq(fake_status(f), 503);
    fake_free(f);
}
END_TEST

START_TEST(a_node_that_cannot_be_asked_is_not_ready)
{
    struct fake *f = fake_http();
    fake_text(f, "GET /readyz" HOST "\r\n");
    session_admin_result(&f->admin_ticket, GRID_ESTOPPING, slice_str(""), slice_str(""));
    ck_assert_int_eq(fake_status(f), 503);
    fake_free(f);
}
END_TEST

START_TEST(metrics_come_as_openmetrics_to_those_who_accept_it_else_in_the_older_format)
{
    static const struct {
        const char *accept, *type, *line;
    } rows[] = {
        {"", "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n",
         "# TYPE gridd_reads_total counter\n"},
        {"Accept: */*\r\n", "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n",
         "# TYPE gridd_reads_total counter\n"},
        {"Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1\r\n",
         "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n",
         "# TYPE gridd_reads counter\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fake *f = fake_http();
        char request[400];
        snprintf(request, sizeof request, "GET /metrics" HOST "%s\r\n", rows[i].accept);
        fake_text(f, request);
        answer(f, true, false);
        const char *out = fake_out(f);
        ck_has(out, "HTTP/1.1 200 OK\r\n");
        ck_has(out, rows[i].type);
        ck_has(out, rows[i].line);
        ck_has(out, "gridd_reads_total 7\n");
        ck_has(out, "# EOF\n");
        fake_free(f);
    }
}
END_TEST

static enum grid_err nobody(void *ctx, const char *user, const char *password)
{
    (void)ctx, (void)user, (void)password;
    return GRID_EAUTH;
}

START_TEST(where_users_are_asked_health_stays_open_and_metrics_do_not)
{
    static const struct {
        const char *path;
        int status; /* 0: not refused, the node is asked */
    } rows[] = {{"/healthz", 200}, {"/readyz", 0}, {"/metrics", 401}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fake *f = fake_http();
        char request[200];
        f->ports.authenticate = nobody;
        snprintf(request, sizeof request, "GET %s" HOST "\r\n", rows[i].path);
        fake_text(f, request);
        ck_assert_int_eq(fake_status(f), rows[i].status);
        ck_assert_uint_eq(f->admins, rows[i].status ? 0 : 1);
        if (f->admins)
            answer(f, true, false);
        fake_free(f);
    }
}
END_TEST

UNIT_MAIN("session/http_metrics", health_is_answered_at_once, a_node_without_a_problem_is_ready,
          a_node_that_is_not_ready_says_why_with_503, a_node_that_cannot_be_asked_is_not_ready,
          metrics_come_as_openmetrics_to_those_who_accept_it_else_in_the_older_format,
          where_users_are_asked_health_stays_open_and_metrics_do_not)
