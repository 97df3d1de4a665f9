/* test_many.c - many keys, batches, scans, counts, administration.
 * LINK: client */
#include "fixture.h"

enum { N = 3000 };

static struct grid_item items[N];
static char keys[N][16];

static void fill(size_t n)
{
    memset(items, 0, sizeof items);
    for (size_t i = 0; i < n; i++) {
        snprintf(keys[i], sizeof keys[i], "key%zu", i);
        items[i].key = bytes(keys[i]);
        items[i].value = bytes("value");
    }
}

START_TEST(each_item_gets_its_own_value)
{
    struct fake_conf conf = {.shards = 3};
    begin(&conf);
    fill(N);
    ck_assert_int_eq(grid_get_many(cache, items, N), GRID_OK);
    for (size_t i = 0; i < N; i++) {
        ck_assert_int_eq(items[i].err, GRID_OK);
        ck_assert_uint_eq(items[i].result.len, strlen(keys[i]));
        ck_assert_mem_eq(items[i].result.data, keys[i], strlen(keys[i]));
        grid_value_release(&items[i].result);
    }
    end();
}
END_TEST

START_TEST(a_write_of_many_uses_up_a_number_for_each_item)
{
    uint64_t next = 0;
    begin(NULL);
    fill(N);
    ck_assert_int_eq(grid_put_many(cache, items, N), GRID_OK);
    size_t requests = fake_count(&fake, GRID__OP__PUT_MANY);
    ck_assert_uint_gt(requests, 1);
    for (size_t i = 0; i < requests; i++) {
        struct fake_seen s = fake_nth(&fake, GRID__OP__PUT_MANY, i);
        if (i)
            ck_assert_uint_eq(s.number, next);
        next = s.number + s.items;
        ck_assert_uint_le(s.lowest, s.number);
    }
    ck_assert_int_eq(put("k"), GRID_OK);
    ck_assert_uint_eq(fake_nth(&fake, PUT, 0).number, next);
    ck_assert_uint_eq(items[7].result.version, fake_nth(&fake, GRID__OP__PUT_MANY, 0).number + 7);
    end();
}
END_TEST

START_TEST(a_bad_item_harms_no_other)
{
    begin(NULL);
    fill(3);
    items[1].key = none;
    ck_assert_int_eq(grid_delete_many(cache, items, 3), GRID_OK);
    ck_assert_int_eq(items[0].err, GRID_OK);
    ck_assert_int_eq(items[1].err, GRID_EBAD_REQUEST);
    ck_assert_int_eq(items[2].err, GRID_OK);
    ck_assert_uint_eq(fake_nth(&fake, GRID__OP__DELETE_MANY, 0).items, 2);
    end();
}
END_TEST

START_TEST(many_are_repeated_as_they_were)
{
    struct fake_conf conf = {.script = {{.act = FAKE_DROP}}, .script_len = 1};
    begin(&conf);
    fill(10);
    ck_assert_int_eq(grid_put_many(cache, items, 10), GRID_OK);
    struct fake_seen first = fake_nth(&fake, GRID__OP__PUT_MANY, 0),
                     again = fake_nth(&fake, GRID__OP__PUT_MANY, 1);
    ck_assert_uint_eq(again.number, first.number);
    ck_assert_uint_eq(again.items, 10);
    ck_assert_int_eq(items[9].err, GRID_OK);
    end();
}
END_TEST

START_TEST(nothing_to_do_is_done)
{
    begin(NULL);
    ck_assert_int_eq(grid_get_many(cache, NULL, 0), GRID_OK);
    ck_assert_int_eq(grid_batch(cache, none, NULL, 0, NULL, NULL), GRID_EBAD_REQUEST);
    end();
}
END_TEST

START_TEST(a_batch_has_one_number_and_tells_what_failed)
{
    uint64_t version = 0;
    size_t failed_at = 99;
    begin(NULL);
    fill(3);
    items[0].op = GRID_PUT;
    items[1].op = GRID_INCR;
    items[2].op = GRID_DELETE;
    ck_assert_int_eq(grid_batch(cache, bytes("a"), items, 3, &version, NULL), GRID_OK);
    ck_assert_uint_eq(version, fake_nth(&fake, GRID__OP__BATCH, 0).number);
    ck_assert_int_eq(put("k"), GRID_OK);
    ck_assert_uint_eq(fake_nth(&fake, PUT, 0).number, version + 1);
    items[1].key = none;
    ck_assert_int_eq(grid_batch(cache, bytes("a"), items, 3, NULL, &failed_at), GRID_EBAD_REQUEST);
    ck_assert_uint_eq(failed_at, 1);
    end();
}
END_TEST

START_TEST(a_scan_gives_every_page_of_every_partition)
{
    struct fake_conf conf = {.shards = 2, .partitions = 64, .scan_pages = 3, .scan_entries = 5};
    struct grid_scan *scan;
    struct grid_entry e;
    static bool seen[64][3][5];
    size_t n = 0;
    begin(&conf);
    ck_assert_int_eq(grid_scan_start(cache, NULL, &scan), GRID_OK);
    enum grid_err err;
    while ((err = grid_scan_next(scan, &e)) == GRID_OK) {
        unsigned partition, page, i;
        char key[32];
        snprintf(key, sizeof key, "%.*s", (int)e.key.len, (const char *)e.key.data);
        ck_assert_int_eq(sscanf(key, "%u.%u.%u", &partition, &page, &i), 3);
        ck_assert_mem_eq(e.value.data, e.key.data, e.key.len);
        ck_assert(!seen[partition][page][i]);
        seen[partition][page][i] = true;
        n++;
    }
    ck_assert_int_eq(err, GRID_ENOT_FOUND);
    ck_assert_uint_eq(n, 64 * 3 * 5);
    ck_assert_int_eq(grid_scan_next(scan, &e), GRID_ENOT_FOUND);
    grid_scan_free(scan);
    end();
}
END_TEST

START_TEST(a_scan_may_be_left_and_may_outlive_its_grid)
{
    struct fake_conf conf = {.scan_pages = 2, .scan_entries = 2};
    struct grid_scan *left, *outlives;
    struct grid_entry e;
    begin(&conf);
    ck_assert_int_eq(grid_scan_start(cache, NULL, &left), GRID_OK);
    ck_assert_int_eq(grid_scan_start(cache, NULL, &outlives), GRID_OK);
    ck_assert_int_eq(grid_scan_next(left, &e), GRID_OK);
    ck_assert_int_eq(grid_scan_next(outlives, &e), GRID_OK);
    grid_scan_free(left);
    ck_assert_int_eq(put("k"), GRID_OK);
    end();
    ck_assert_int_eq(grid_scan_next(outlives, &e), GRID_ECLOSED);
    grid_scan_free(outlives);
}
END_TEST

START_TEST(a_scan_tells_what_failed)
{
    struct fake_conf conf = {.script = {{.status = GRID_EDAMAGED, .detail = "partition 0"}},
                             .script_len = 1};
    struct grid_scan *scan;
    struct grid_entry e;
    begin(&conf);
    ck_assert_int_eq(grid_scan_start(cache, NULL, &scan), GRID_OK);
    ck_assert_int_eq(grid_scan_next(scan, &e), GRID_EDAMAGED);
    ck_assert_str_eq(grid_error(grid), "partition 0");
    grid_scan_free(scan);
    end();
}
END_TEST

START_TEST(a_count_is_told)
{
    uint64_t count = 0;
    begin(NULL);
    ck_assert_int_eq(grid_count(cache, &count), GRID_OK);
    ck_assert_uint_eq(count, 12);
    end();
}
END_TEST

START_TEST(a_status_is_one_allocation_with_all_in_it)
{
    static char name[] = "a", problem[] = "disk full", label[] = "zone=x", metric[] = "requests";
    char *problems[] = {problem}, *labels[] = {label};
    uint8_t id[16] = {0xab, 0xcd};
    Grid__Metric m;
    Grid__NodeInfo node;
    Grid__Status status;
    Grid__AdminReply reply;
    grid__metric__init(&m);
    grid__node_info__init(&node);
    grid__status__init(&status);
    grid__admin_reply__init(&reply);
    Grid__Metric *metrics[] = {&m};
    Grid__NodeInfo *nodes[] = {&node};
    m.name = metric;
    m.value = 7;
    m.counter = true;
    node.name = name;
    node.node_id = (ProtobufCBinaryData){sizeof id, id};
    node.labels = labels;
    node.n_labels = 1;
    node.metrics = metrics;
    node.n_metrics = 1;
    status.problems = problems;
    status.n_problems = 1;
    status.nodes = nodes;
    status.n_nodes = 1;
    reply.status = &status;
    struct fake_conf conf = {.admin = &reply};
    struct grid_status *s;
    begin(&conf);
    ck_assert_int_eq(grid_get_status(grid, &s), GRID_OK);
    ck_assert_str_eq(s->problems[0], problem);
    ck_assert_str_eq(s->nodes[0].name, name);
    ck_assert_str_eq(s->nodes[0].id, "abcd0000000000000000000000000000");
    ck_assert_str_eq(s->nodes[0].labels[0], label);
    ck_assert_str_eq(s->nodes[0].metrics[0].name, metric);
    ck_assert_uint_eq(s->nodes[0].metrics[0].value, 7);
    ck_assert(s->nodes[0].metrics[0].counter);
    grid_free(s);
    end();
}
END_TEST

START_TEST(a_reply_without_what_was_asked_for_is_corrupt)
{
    struct grid_status *s;
    begin(NULL);
    ck_assert_int_eq(grid_get_status(grid, &s), GRID_ECORRUPT);
    end();
}
END_TEST

START_TEST(a_change_that_may_have_been_made_is_in_doubt)
{
    struct grid_context_info want = {.name = "orders"};
    struct fake_conf conf = {.script = {{.act = FAKE_DROP}, {.status = GRID_EEXISTS}},
                             .script_len = 2};
    begin(&conf);
    ck_assert_int_eq(grid_context_create(grid, &want), GRID_EIN_DOUBT);
    ck_assert_int_eq(grid_context_create(grid, &want), GRID_OK);
    end();
}
END_TEST

START_TEST(a_location_has_its_copies)
{
    static char a[] = "a", b[] = "b";
    char *in_sync[] = {a, b};
    struct grid_location *l;
    Grid__Location from;
    grid__location__init(&from);
    from.partition = 7;
    from.primary = a;
    from.in_sync = in_sync;
    from.n_in_sync = 2;
    struct fake_conf conf = {.location = &from};
    begin(&conf);
    ck_assert_int_eq(grid_locate(cache, bytes("k"), none, &l), GRID_OK);
    ck_assert_uint_eq(l->partition, 7);
    ck_assert_uint_eq(l->in_sync_len, 2);
    ck_assert_str_eq(l->in_sync[1], "b");
    grid_free(l);
    end();
}
END_TEST

UNIT_MAIN("client/many", each_item_gets_its_own_value,
          a_write_of_many_uses_up_a_number_for_each_item, a_bad_item_harms_no_other,
          many_are_repeated_as_they_were, nothing_to_do_is_done,
          a_batch_has_one_number_and_tells_what_failed, a_scan_gives_every_page_of_every_partition,
          a_scan_may_be_left_and_may_outlive_its_grid, a_scan_tells_what_failed, a_count_is_told,
          a_status_is_one_allocation_with_all_in_it, a_reply_without_what_was_asked_for_is_corrupt,
          a_change_that_may_have_been_made_is_in_doubt, a_location_has_its_copies)
