/* test_holder.c - services of one thread: started where they are led, one piece of work at a time,
 * and no answer of who leads no more.
 * LINK: coordination control base */
#include "coordination/holder.h"
#include "tests/lib/unit.h"
#include "tests/unit/coordination/services.h"

#include <stdio.h>

enum { ANSWERS = 256, RUNS = 256 };

struct answer {
    uint64_t number;
    enum grid_err err;
    bool repeated;
    char text[64];
};

struct ran {
    struct life *life;
    struct service_work work;
    char method[16];
};

static struct {
    struct holder *h;
    struct catalog *catalog;
    msec_t now;
    uint64_t epoch[4]; /* by partition; 0: not led */
    bool labelled;
    uint64_t code;
    struct answer answers[ANSWERS];
    size_t answers_len;
    struct ran runs[RUNS];
    size_t runs_len, done, over, gone;
} w;

static bool leads(void *ctx, uint32_t context, uint32_t partition, uint64_t *ret_epoch)
{
    (void)ctx;
    (void)context;
    *ret_epoch = w.epoch[partition];
    return w.epoch[partition] > 0;
}

static bool labelled(void *ctx, const char *labels)
{
    (void)ctx;
    (void)labels;
    return w.labelled;
}

static uint64_t code(void *ctx, const struct service_info *info)
{
    (void)ctx;
    (void)info;
    return w.code;
}

static void run(void *ctx, struct life *l, const struct service_work *work)
{
    (void)ctx;
    ck_assert_uint_lt(w.runs_len, RUNS);
    struct ran *r = &w.runs[w.runs_len++];
    *r = (struct ran){.life = l, .work = *work};
    if (work->method.len)
        memcpy(r->method, work->method.data, work->method.len);
    *life_host(l) = &w;
}

static void over(void *ctx, struct life *l)
{
    (void)ctx;
    (void)l;
    w.over++;
}

static void gone(void *ctx, struct life *l)
{
    (void)ctx;
    (void)l;
    w.gone++;
}

static void reply(void *ctx, const struct ticket *to, const struct result *res)
{
    (void)ctx;
    ck_assert_uint_lt(w.answers_len, ANSWERS);
    struct answer *a = &w.answers[w.answers_len++];
    *a = (struct answer){.number = to->number, .err = res->status, .repeated = res->repeated};
    snprintf(a->text, sizeof a->text, "%.*s", (int)res->value.len,
             res->value.len ? (const char *)res->value.data : "");
}

static void deploy(enum service_mode mode, uint32_t copies)
{
    char why[WHY_BYTES];
    struct service_info info = {.mode = mode, .context = 2, .copies = copies};
    snprintf(info.name, sizeof info.name, "m.s");
    struct catalog *next = catalog_copy(w.catalog);
    code_deploy(next);
    ck_assert_int_eq(catalog_service_deploy(next, &info, NULL, NULL, why), GRID_OK);
    catalog_unref(w.catalog);
    w.catalog = next;
    holder_set(w.h, next, w.now);
}

static void stop(void)
{
    char why[WHY_BYTES];
    struct catalog *next = catalog_copy(w.catalog);
    ck_assert_int_eq(catalog_service_stop(next, slice_str("m.s"), why), GRID_OK);
    catalog_unref(w.catalog);
    w.catalog = next;
    holder_set(w.h, next, w.now);
}

static void begin(void)
{
    const struct holder_ports ports = {NULL, leads, labelled, code, run, over, gone, reply};
    char why[WHY_BYTES];
    struct context_info context = {.name = "c", .partitions = 1, .min_in_sync = 1};
    memset(&w, 0, sizeof w);
    w.code = 7;
    w.now = 1000;
    w.catalog = catalog_new();
    ck_assert_int_eq(catalog_context_create(w.catalog, &context, why), GRID_OK);
    w.h = holder_new(&ports);
}

static void end(void)
{
    holder_check(w.h);
    holder_free(w.h);
    catalog_unref(w.catalog);
}

static void done_with(const struct service_outcome *o)
{
    ck_assert_uint_lt(w.done, w.runs_len);
    holder_done(w.h, w.runs[w.done++].life, o, w.now);
    holder_check(w.h);
}

static void done(void)
{
    done_with(&(struct service_outcome){.text = slice_str("yes")});
}

static void failed(const char *why)
{
    done_with(&(struct service_outcome){.failed = true, .text = slice_str(why)});
}

/* What was run last, and no more than that. */
static void expect(size_t runs, enum service_work_kind kind)
{
    ck_assert_uint_eq(w.runs_len, runs);
    ck_assert_int_eq(w.runs[runs - 1].work.kind, kind);
}

static void tick(msec_t ms)
{
    w.now += ms;
    (void)holder_tick(w.h, w.now);
    holder_check(w.h);
}

static void call_of(uint64_t number, bool again, const char *key)
{
    struct service_call c = {.name = slice_str("m.s"),
                             .key = slice_str(key),
                             .method = slice_str("get"),
                             .known = w.catalog->services_revision,
                             .again = again,
                             .ticket = {.number = number}};
    holder_call(w.h, &c, 0, w.now);
    holder_check(w.h);
}

static void call(uint64_t number)
{
    call_of(number, false, "");
}

static const struct answer *last(size_t answers)
{
    ck_assert_uint_eq(w.answers_len, answers);
    return &w.answers[answers - 1];
}

static void running(void)
{
    begin();
    w.epoch[0] = 5;
    deploy(SERVICE_SINGLETON, 1);
    done();
}

START_TEST(it_is_started_where_its_partition_is_led_and_not_elsewhere)
{
    begin();
    deploy(SERVICE_SINGLETON, 1);
    ck_assert_uint_eq(w.runs_len, 0);
    w.epoch[0] = 5;
    tick(250);
    expect(1, SERVICE_START);
    ck_assert_uint_eq(w.runs[0].work.token, service_token(1, 5));
    tick(1000);
    expect(1, SERVICE_START); /* one at a time */
    end();
}
END_TEST

START_TEST(calls_are_done_one_after_the_other_in_their_order)
{
    running();
    for (uint64_t i = 1; i <= 3; i++)
        call(i);
    for (uint64_t i = 1; i <= 3; i++) {
        expect(1 + i, SERVICE_CALL);
        ck_assert_str_eq(w.runs[i].method, "get");
        done();
        ck_assert_uint_eq(last(i)->number, i);
        ck_assert_int_eq(last(i)->err, GRID_OK);
        ck_assert_str_eq(last(i)->text, "yes");
    }
    end();
}
END_TEST

START_TEST(calls_wait_while_it_starts_up_to_a_bound)
{
    begin();
    w.epoch[0] = 5;
    deploy(SERVICE_SINGLETON, 1);
    for (uint64_t i = 1; i <= HOLDER_QUEUE_MAX; i++)
        call(i);
    ck_assert_uint_eq(w.answers_len, 0);
    call(99);
    ck_assert_int_eq(last(1)->err, GRID_EBUSY);
    done();
    expect(2, SERVICE_CALL);
    end();
}
END_TEST

START_TEST(who_leads_no_more_is_stopped_and_answers_nothing)
{
    running();
    call(1);
    call(2);
    call_of(3, true, "");
    w.epoch[0] = 0;
    tick(50);
    ck_assert_uint_eq(w.over, 1);
    ck_assert_uint_eq(w.answers_len, 2); /* they were not begun */
    ck_assert_int_eq(w.answers[0].err, GRID_ENOT_PRIMARY);
    ck_assert_int_eq(w.answers[1].err, GRID_ENOT_PRIMARY);
    done();
    ck_assert_int_eq(last(3)->err, GRID_EIN_DOUBT);
    ck_assert(last(3)->repeated); /* so no router asks again */
    expect(3, SERVICE_STOP);
    done();
    ck_assert_uint_eq(w.gone, 1);
    ck_assert_uint_eq(holder_lives(w.h), 0);
    call(4);
    ck_assert_int_eq(last(4)->err, GRID_ENOT_PRIMARY);
    end();
}
END_TEST

START_TEST(a_lead_that_ended_unseen_is_looked_at_before_the_answer)
{
    running();
    call(1);
    w.epoch[0] = 0;
    done();
    ck_assert_int_eq(last(1)->err, GRID_EIN_DOUBT);
    end();
}
END_TEST

START_TEST(a_call_that_may_be_done_twice_is_asked_again_elsewhere)
{
    running();
    call_of(1, true, "");
    w.epoch[0] = 0;
    tick(50);
    done();
    ck_assert_int_eq(last(1)->err, GRID_ENOT_PRIMARY);
    end();
}
END_TEST

START_TEST(it_starts_again_only_when_it_has_stopped)
{
    running();
    w.epoch[0] = 0;
    tick(50);
    expect(2, SERVICE_STOP);
    w.epoch[0] = 9;
    tick(50);
    call(1);
    expect(2, SERVICE_STOP);
    done();
    expect(3, SERVICE_START);
    ck_assert_uint_eq(w.runs[2].work.token, service_token(1, 9));
    done();
    expect(4, SERVICE_CALL);
    end();
}
END_TEST

START_TEST(a_token_grows_with_the_epoch_and_with_each_deployment)
{
    running();
    w.epoch[0] = 6;
    call(1);
    ck_assert_uint_eq(w.runs[1].work.token, service_token(1, 6));
    done();
    deploy(SERVICE_SINGLETON, 1);
    expect(3, SERVICE_STOP);
    ck_assert_uint_eq(w.runs[2].work.token, service_token(1, 6)); /* of the one that ends */
    done();
    expect(4, SERVICE_START);
    ck_assert_uint_eq(w.runs[3].work.token, service_token(2, 6));
    end();
}
END_TEST

START_TEST(a_start_that_fails_is_tried_again_later_and_later)
{
    begin();
    w.epoch[0] = 5;
    deploy(SERVICE_SINGLETON, 1);
    for (msec_t ms = 100; ms <= 800; ms *= 2) {
        size_t runs = w.runs_len;
        failed("no good");
        done(); /* STOP: what it began is ended */
        call(1);
        ck_assert_int_eq(w.answers[w.answers_len - 1].err, GRID_ESERVICE);
        ck_assert_str_eq(w.answers[w.answers_len - 1].text,
                         "it failed, and begins anew in a moment: no good");
        tick(ms - 1);
        ck_assert_uint_eq(w.runs_len, runs + 1);
        tick(1);
        expect(runs + 2, SERVICE_START);
    }
    done();
    call(2);
    expect(w.runs_len, SERVICE_CALL);
    end();
}
END_TEST

START_TEST(one_that_is_not_healthy_is_started_again_and_calls_wait_for_it)
{
    begin();
    w.epoch[0] = 5;
    deploy(SERVICE_SINGLETON, 1);
    done_with(&(struct service_outcome){.has_health = true});
    tick(999);
    ck_assert_uint_eq(w.runs_len, 1);
    tick(1);
    expect(2, SERVICE_HEALTH);
    call(1);
    failed("it is not healthy");
    expect(3, SERVICE_STOP);
    done();
    ck_assert_int_eq(last(1)->err, GRID_ESERVICE); /* it says why */
    tick(100);
    expect(4, SERVICE_START);
    end();
}
END_TEST

START_TEST(ticks_come_between_calls)
{
    begin();
    w.epoch[0] = 5;
    deploy(SERVICE_SINGLETON, 1);
    done_with(&(struct service_outcome){.every_ms = 10});
    ck_assert_uint_eq(holder_tick(w.h, w.now), 10);
    call(1);
    tick(30);
    expect(2, SERVICE_CALL);
    done();
    expect(3, SERVICE_TICK);
    failed("of no matter");
    ck_assert_uint_eq(w.runs_len, 3);
    end();
}
END_TEST

START_TEST(a_call_that_fails_is_answered_why_and_the_next_is_done)
{
    running();
    call(1);
    call(2);
    failed("m.s:3: no");
    ck_assert_int_eq(last(1)->err, GRID_ESERVICE);
    ck_assert_str_eq(last(1)->text, "m.s:3: no");
    expect(3, SERVICE_CALL);
    done_with(&(struct service_outcome){.failed = true, .broken = true});
    expect(4, SERVICE_STOP);
    end();
}
END_TEST

START_TEST(without_code_there_is_none_until_it_comes)
{
    begin();
    w.code = 0;
    w.epoch[0] = 5;
    deploy(SERVICE_SINGLETON, 1);
    call(1);
    ck_assert_int_eq(last(1)->err, GRID_ENO_SERVICE);
    w.code = 8;
    tick(50);
    expect(1, SERVICE_START);
    done();
    w.code = 9; /* a new version */
    tick(50);
    expect(2, SERVICE_STOP);
    done();
    expect(3, SERVICE_START);
    done();
    w.code = 0;
    tick(50);
    expect(4, SERVICE_STOP);
    done();
    ck_assert_uint_eq(w.runs_len, 4);
    end();
}
END_TEST

START_TEST(one_that_is_not_deployed_any_more_is_stopped_and_refuses)
{
    running();
    call(1);
    call(2);
    stop();
    ck_assert_int_eq(last(1)->err, GRID_ENO_SERVICE);
    done();
    ck_assert_int_eq(last(2)->err, GRID_EIN_DOUBT);
    done();
    ck_assert_uint_eq(holder_lives(w.h), 0);
    call(3);
    ck_assert_int_eq(last(3)->err, GRID_ENO_SERVICE);
    end();
}
END_TEST

START_TEST(who_knows_less_than_the_door_refuses)
{
    running();
    struct service_call c = {.name = slice_str("m.s"), .known = 2, .ticket = {.number = 1}};
    holder_call(w.h, &c, 0, w.now);
    ck_assert_int_eq(last(1)->err, GRID_ENOT_PRIMARY);
    end();
}
END_TEST

START_TEST(each_key_has_its_own_which_ends_when_nobody_calls)
{
    begin();
    w.epoch[0] = 5;
    deploy(SERVICE_KEY, 1);
    tick(1000);
    ck_assert_uint_eq(w.runs_len, 0);
    call_of(1, false, "ann");
    call_of(2, false, "bob");
    call_of(3, false, "ann");
    ck_assert_uint_eq(holder_lives(w.h), 2);
    expect(2, SERVICE_START);
    done();
    done();
    done();
    done();
    done();
    ck_assert_uint_eq(last(3)->number, 3);
    tick(HOLDER_KEY_IDLE_MS - 1);
    ck_assert_uint_eq(w.runs_len, 5);
    tick(1);
    expect(7, SERVICE_STOP);
    done();
    done();
    ck_assert_uint_eq(holder_lives(w.h), 0);
    end();
}
END_TEST

/* As many as there can be, the second one called last: the first one ends for one that is new. */
START_TEST(for_a_new_key_the_one_that_nobody_called_for_longest_ends)
{
    char key[16];
    begin();
    w.epoch[0] = 5;
    deploy(SERVICE_KEY, 1);
    for (unsigned i = 0; i < HOLDER_KEYS_MAX; i++) {
        snprintf(key, sizeof key, "k%u", i);
        call_of(i, false, key);
        done();
        done();
        w.runs_len = w.done = w.answers_len = 0;
        w.now++;
    }
    call_of(1, false, "k1");
    done();
    call_of(2, false, "new");
    ck_assert_int_eq(last(2)->err, GRID_EBUSY); /* he asks again */
    expect(2, SERVICE_STOP);
    ck_assert(slice_eq(life_key(w.runs[1].life), slice_str("k0")));
    call_of(3, false, "new");
    ck_assert(slice_eq(life_key(w.runs[2].life), slice_str("k2")));
    done();
    call_of(4, false, "new");
    expect(4, SERVICE_START);
    call_of(5, false, "k2"); /* called before it has ended, it begins anew */
    done();
    expect(5, SERVICE_START);
    ck_assert(slice_eq(life_key(w.runs[4].life), slice_str("k2")));
    ck_assert_uint_eq(holder_lives(w.h), HOLDER_KEYS_MAX);
    end();
}
END_TEST

START_TEST(of_each_node_there_is_one_where_the_labels_are)
{
    begin();
    deploy(SERVICE_NODE, 1);
    call(1);
    ck_assert_int_eq(last(1)->err, GRID_ENO_SERVICE);
    w.labelled = true;
    tick(50);
    expect(1, SERVICE_START);
    done();
    call(2);
    done();
    ck_assert_int_eq(last(2)->err, GRID_OK);
    end();
}
END_TEST

START_TEST(another_mode_begins_when_the_old_one_has_ended)
{
    running();
    w.labelled = true;
    deploy(SERVICE_NODE, 1);
    expect(2, SERVICE_STOP);
    tick(50);
    expect(2, SERVICE_STOP);
    done();
    tick(50);
    expect(3, SERVICE_START);
    end();
}
END_TEST

static void publish(struct catalog *next)
{
    catalog_unref(w.catalog);
    w.catalog = next;
    holder_set(w.h, next, w.now);
    holder_check(w.h);
}

static void call_at(uint64_t number, uint64_t known, uint32_t partition)
{
    struct service_call c = {.name = slice_str("m.s"),
                             .method = slice_str("get"),
                             .known = known,
                             .ticket = {.number = number}};
    holder_call(w.h, &c, partition, w.now);
    holder_check(w.h);
}

/* The only instance of m.s, of a context of four partitions that are all led here, is moved. */
START_TEST(an_instance_that_is_moved_begins_anew_there_with_a_greater_token)
{
    char why[WHY_BYTES];
    struct context_info context = {.name = "four", .partitions = 4, .min_in_sync = 1};
    struct service_info info = {.name = "m.s", .mode = SERVICE_COPIES, .context = 3, .copies = 1};
    begin();
    w.epoch[0] = w.epoch[1] = w.epoch[2] = w.epoch[3] = 5;
    struct catalog *next = catalog_copy(w.catalog);
    code_deploy(next);
    ck_assert_int_eq(catalog_context_create(next, &context, why), GRID_OK);
    ck_assert_int_eq(catalog_service_deploy(next, &info, NULL, NULL, why), GRID_OK);
    publish(next);
    uint32_t at = catalog_service(next, slice_str("m.s"))->info.partitions[0];
    uint64_t known = next->services_revision;
    done(); /* START */
    ck_assert_uint_eq(w.runs[0].work.token, service_token(1, 5));
    call_at(1, known, at);
    expect(2, SERVICE_CALL);
    struct service_move m = {slice_str("m.s"), 0, at, (at + 1) % 4};
    w.epoch[m.to] = 3; /* that partition's was less */
    next = catalog_copy(w.catalog);
    ck_assert_int_eq(catalog_service_move(next, &m, why), GRID_OK);
    publish(next);
    ck_assert_uint_eq(w.over, 1);
    call_at(2, known, at); /* who knows less asks again, when he knows more */
    ck_assert_int_eq(last(1)->err, GRID_EBUSY);
    done();
    ck_assert_int_eq(last(2)->err, GRID_EIN_DOUBT);
    expect(3, SERVICE_STOP);
    ck_assert_uint_eq(w.runs[2].work.token, service_token(1, 5));
    done();
    tick(50);
    expect(4, SERVICE_START);
    ck_assert_uint_eq(w.runs[3].work.token, service_token(2, 3));
    ck_assert_uint_gt(w.runs[3].work.token, w.runs[2].work.token);
    ck_assert_uint_eq(life_partition(w.runs[3].life), m.to);
    done();
    call_at(3, next->services_revision, m.to);
    expect(5, SERVICE_CALL);
    /* There and back before it is looked at: another has had it. */
    next = catalog_copy(w.catalog);
    m = (struct service_move){slice_str("m.s"), 0, m.to, m.from};
    ck_assert_int_eq(catalog_service_move(next, &m, why), GRID_OK);
    m = (struct service_move){slice_str("m.s"), 0, m.to, m.from};
    ck_assert_int_eq(catalog_service_move(next, &m, why), GRID_OK);
    publish(next);
    ck_assert_uint_eq(w.over, 2);
    end();
}
END_TEST

START_TEST(a_node_that_ends_stops_all_and_begins_nothing)
{
    running();
    call(1);
    holder_close(w.h, w.now);
    done();
    ck_assert_int_eq(last(1)->err, GRID_EIN_DOUBT);
    expect(3, SERVICE_STOP);
    done();
    tick(1000);
    ck_assert_uint_eq(holder_lives(w.h), 0);
    call(2);
    ck_assert_int_eq(last(2)->err, GRID_ENOT_PRIMARY);
    end();
}
END_TEST

UNIT_MAIN("coordination/holder", it_is_started_where_its_partition_is_led_and_not_elsewhere,
          calls_are_done_one_after_the_other_in_their_order,
          calls_wait_while_it_starts_up_to_a_bound,
          who_leads_no_more_is_stopped_and_answers_nothing,
          a_lead_that_ended_unseen_is_looked_at_before_the_answer,
          a_call_that_may_be_done_twice_is_asked_again_elsewhere,
          it_starts_again_only_when_it_has_stopped,
          a_token_grows_with_the_epoch_and_with_each_deployment,
          a_start_that_fails_is_tried_again_later_and_later,
          one_that_is_not_healthy_is_started_again_and_calls_wait_for_it, ticks_come_between_calls,
          a_call_that_fails_is_answered_why_and_the_next_is_done,
          without_code_there_is_none_until_it_comes,
          one_that_is_not_deployed_any_more_is_stopped_and_refuses,
          who_knows_less_than_the_door_refuses, each_key_has_its_own_which_ends_when_nobody_calls,
          for_a_new_key_the_one_that_nobody_called_for_longest_ends,
          of_each_node_there_is_one_where_the_labels_are,
          another_mode_begins_when_the_old_one_has_ended,
          an_instance_that_is_moved_begins_anew_there_with_a_greater_token,
          a_node_that_ends_stops_all_and_begins_nothing)
