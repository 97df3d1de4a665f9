/* test_requests.c - what becomes of each kind of request.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "base/hash.h"
#include "tests/lib/unit.h"
#include "tests/unit/session/fake.h"
#include "wire/request.h"

#include <stdio.h>

enum { N = 5 };

static Grid__Item rows[N], *list[N];

/* N items with keys k0, k1, ... */
static void with_items(Grid__Request *m)
{
    static const char *const keys[N] = {"k0", "k1", "k2", "k3", "k4"};
    for (size_t i = 0; i < N; i++) {
        grid__item__init(&rows[i]);
        rows[i].key = fake_bytes(keys[i]);
        rows[i].value = fake_bytes("value");
        rows[i].op = GRID__OP__PUT;
        list[i] = &rows[i];
    }
    m->items = list;
    m->n_items = N;
}

static void send_one(struct fake *f, const Grid__Request *m)
{
    fake_turn_end(f);
    fake_send(f, &m->base);
    fake_turn(f);
}

START_TEST(an_op_on_one_key_goes_to_the_partition_of_its_key_or_affinity_key)
{
    struct fake *f = fake_new();
    fake_greet(f);
    for (unsigned op = GRID__OP__GET; op <= GRID__OP__EXPIRE; op++) {
        Grid__Request m = fake_request(f, op, op, "foo");
        send_one(f, &m);
        ck_assert_uint_eq(f->ops_len, 1);
        ck_assert_uint_eq(f->ops[0]->kind, op);
        ck_assert_uint_eq(f->ops[0]->slot, 12182); /* CRC16 of the Redis Cluster specification */
        ck_assert_uint_eq(f->ops[0]->partition, 12182 * 1024 / SLOTS);
        ck_assert(!f->ops[0]->has_session);
        ck_assert_uint_eq(f->ops[0]->ticket.number, op);
        m.affinity = fake_bytes("bar");
        send_one(f, &m);
        ck_assert_uint_eq(f->ops[0]->slot, 5061);
        ck_assert(slice_eq(f->ops[0]->affinity, slice_str("bar")));
    }
    fake_free(f);
}
END_TEST

START_TEST(keys_values_and_caches_out_of_range_are_refused_and_the_connection_stays)
{
    struct fake *f = fake_new();
    fake_greet(f);
    char long_key[KEY_BYTES_MAX + 2], *large = malloc((16 << 20) + 2);
    memset(long_key, 'k', sizeof long_key);
    long_key[KEY_BYTES_MAX + 1] = '\0';
    memset(large, 'v', (16 << 20) + 1);
    large[(16 << 20) + 1] = '\0';
    const struct {
        const char *key, *affinity, *value;
        uint32_t cache;
        enum grid_err want;
    } table[] = {
        {"", "", "", f->cache, GRID_EBAD_REQUEST},
        {long_key, "", "", f->cache, GRID_ETOO_LARGE},
        {"k", long_key, "", f->cache, GRID_ETOO_LARGE},
        {"k", "", large, f->cache, GRID_ETOO_LARGE},
        {"k", "", "", 0, GRID_ENO_CONTEXT},
        {"k", "", "", UINT32_MAX, GRID_ENO_CONTEXT},
        {"k", "", "", f->cache + 1, GRID_ENO_CACHE},
        {"k", "", "", cache_hidden(cache_context(f->cache)), GRID_ENO_CACHE},
        {long_key + 1, long_key + 1, large + 1, f->cache, GRID_OK},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        Grid__Request m = fake_request(f, i + 1, GRID__OP__PUT, table[i].key);
        m.affinity = fake_bytes(table[i].affinity);
        m.value = fake_bytes(table[i].value);
        m.cache = table[i].cache;
        send_one(f, &m);
        ck_assert_uint_eq(f->ops_len, table[i].want == GRID_OK);
        if (table[i].want)
            fake_expect(f, i + 1, table[i].want);
        ck_assert(session_wants_read(f->session));
    }
    free(large);
    fake_free(f);
}
END_TEST

START_TEST(an_unknown_operation_is_refused_and_the_connection_stays)
{
    static const unsigned codes[] = {0, 15, 19, 31, 36, 1000, UINT32_MAX};
    struct fake *f = fake_new();
    fake_greet(f);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        Grid__Request m = fake_request(f, i + 1, codes[i], "key");
        send_one(f, &m);
        fake_expect(f, i + 1, GRID_EUNSUPPORTED);
        ck_assert(session_wants_read(f->session));
    }
    fake_free(f);
}
END_TEST

START_TEST(exactly_once_is_asked_for_by_lowest_and_needs_a_session_id)
{
    struct fake *f = fake_new();
    fake_greet(f);
    Grid__Request m = fake_request(f, 50, GRID__OP__PUT, "key");
    m.lowest = 48;
    m.age_ms = 7;
    send_one(f, &m);
    ck_assert(f->ops[0]->has_session);
    ck_assert_int_eq(memcmp(f->ops[0]->session.id.bytes, "0123456789abcdef", 16), 0);
    ck_assert_uint_eq(f->ops[0]->session.number, 50);
    ck_assert_uint_eq(f->ops[0]->session.lowest, 48);
    ck_assert_uint_eq(f->ops[0]->age_ms, 7);
    m.op = GRID__OP__GET;
    send_one(f, &m);
    ck_assert(!f->ops[0]->has_session);
    m.op = GRID__OP__PUT;
    m.lowest = 51;
    send_one(f, &m);
    fake_expect(f, 50, GRID_EBAD_REQUEST);
    fake_free(f);

    f = fake_new();
    fake_connect(f);
    Grid__Hello hello = fake_hello();
    hello.session = fake_bytes("");
    fake_send(f, &hello.base);
    fake_turn(f);
    session_sent(f->session, session_output(f->session).len);
    m = fake_request(f, 1, GRID__OP__PUT, "key");
    m.lowest = 1;
    send_one(f, &m);
    fake_expect(f, 1, GRID_EBAD_REQUEST);
    fake_free(f);
}
END_TEST

START_TEST(item_i_of_a_many_key_write_has_number_plus_i)
{
    struct fake *f = fake_new();
    fake_greet(f);
    static const unsigned codes[] = {GRID__OP__PUT_MANY, GRID__OP__DELETE_MANY};
    for (size_t k = 0; k < 2; k++) {
        Grid__Request m = fake_request(f, 100, codes[k], "");
        m.lowest = 90;
        m.age_ms = 3;
        with_items(&m);
        send_one(f, &m);
        ck_assert_uint_eq(f->ops_len, N);
        for (size_t i = 0; i < N; i++) {
            const struct op *op = f->ops[i];
            ck_assert_int_eq(op->kind, k ? OP_DELETE : OP_PUT);
            ck_assert(op->has_session);
            ck_assert_uint_eq(op->session.number, 100 + i);
            ck_assert_uint_eq(op->session.lowest, 90);
            ck_assert_uint_eq(op->age_ms, 3);
            ck_assert_uint_eq(op->slot, hash_slot(op->key));
        }
    }
    Grid__Request m = fake_request(f, UINT64_MAX - 2, GRID__OP__PUT_MANY, "");
    m.lowest = 90;
    with_items(&m);
    send_one(f, &m);
    fake_expect(f, UINT64_MAX - 2, GRID_EBAD_REQUEST); /* the numbers would begin again */
    fake_free(f);
}
END_TEST

START_TEST(many_answers_in_any_order_become_one_in_the_order_of_the_request)
{
    static const size_t order[N] = {3, 0, 4, 2, 1};
    struct fake *f = fake_new();
    fake_greet(f);
    Grid__Request m = fake_request(f, 7, GRID__OP__GET_MANY, "");
    with_items(&m);
    rows[2].key = fake_bytes(""); /* refused in its place */
    send_one(f, &m);
    ck_assert_uint_eq(f->ops_len, N - 1);
    for (size_t i = 0; i < N; i++) {
        char value[20];
        size_t place = order[i];
        snprintf(value, sizeof value, "value %zu", place);
        struct result res = {.version = place, .deadline = place, .value = slice_str(value)};
        if (place == 4)
            res = (struct result){.status = GRID_ENOT_FOUND};
        if (place == 2)
            continue;
        fake_expect_nothing(f);
        fake_answer(f->ops[place < 2 ? place : place - 1], res);
    }
    Grid__Response *r = fake_response(f);
    ck_assert_uint_eq(r->number, 7);
    ck_assert_uint_eq(r->status, GRID_OK);
    ck_assert_uint_eq(r->n_items, N);
    ck_assert_int_eq(memcmp(r->items[0]->value.data, "value 0", 7), 0);
    ck_assert_int_eq(memcmp(r->items[1]->value.data, "value 1", 7), 0);
    ck_assert_uint_eq(r->items[2]->status, GRID_EBAD_REQUEST);
    ck_assert_int_eq(memcmp(r->items[3]->value.data, "value 3", 7), 0);
    ck_assert_uint_eq(r->items[3]->version, 3);
    ck_assert_uint_eq(r->items[4]->status, GRID_ENOT_FOUND);
    grid__response__free_unpacked(r, NULL);
    ck_assert_uint_eq(session_in_flight(f->session), 0);
    session_check(f->session);
    fake_free(f);
}
END_TEST

START_TEST(many_items_that_all_fail_or_are_none_are_answered_at_once)
{
    struct fake *f = fake_new();
    fake_greet(f);
    Grid__Request m = fake_request(f, 1, GRID__OP__PUT_MANY, "");
    fake_send(f, &m.base);
    m.number = 2;
    m.cache = 0;
    with_items(&m);
    fake_send(f, &m.base);
    fake_turn(f);
    ck_assert_uint_eq(f->ops_len, 0);
    fake_expect(f, 1, GRID_OK);
    Grid__Response *r = fake_response(f);
    ck_assert_uint_eq(r->n_items, N);
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_eq(r->items[i]->status, GRID_ENO_CONTEXT);
    grid__response__free_unpacked(r, NULL);
    fake_free(f);
}
END_TEST

START_TEST(values_beyond_the_budget_of_an_answer_become_too_large_in_their_place)
{
    struct fake *f = fake_new();
    f->limits.reply = 2500;
    fake_greet(f);
    static uint8_t value[1000];
    Grid__Request m = fake_request(f, 1, GRID__OP__GET_MANY, "");
    with_items(&m);
    send_one(f, &m);
    for (size_t i = 0; i < N; i++) {
        size_t len = i == 4 ? 400 : sizeof value;
        fake_answer(f->ops[i], (struct result){.value = slice_make(value, len)});
        if (i < N - 1)
            session_check(f->session);
    }
    static const enum grid_err want[N] = {GRID_OK, GRID_OK, GRID_ETOO_LARGE, GRID_ETOO_LARGE,
                                          GRID_OK};
    Grid__Response *r = fake_response(f);
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_eq(r->items[i]->status, want[i]);
    grid__response__free_unpacked(r, NULL);
    fake_free(f);
}
END_TEST

START_TEST(more_items_than_the_limit_are_refused_as_a_whole)
{
    static const unsigned codes[] = {GRID__OP__GET_MANY, GRID__OP__PUT_MANY, GRID__OP__DELETE_MANY,
                                     GRID__OP__BATCH};
    struct fake *f = fake_new();
    f->limits.items = N - 1;
    fake_greet(f);
    for (size_t i = 0; i < 4; i++) {
        Grid__Request m = fake_request(f, i + 1, codes[i], "");
        with_items(&m);
        send_one(f, &m);
        ck_assert_uint_eq(f->ops_len, 0);
        fake_expect(f, i + 1, GRID_ETOO_LARGE);
    }
    fake_free(f);
}
END_TEST

START_TEST(a_batch_is_one_op_with_one_number_in_the_partition_of_its_affinity)
{
    struct fake *f = fake_new();
    fake_greet(f);
    Grid__Request m = fake_request(f, 9, GRID__OP__BATCH, "");
    with_items(&m);
    m.affinity = fake_bytes("foo");
    m.lowest = 9;
    rows[1].op = GRID__OP__DELETE;
    send_one(f, &m);
    ck_assert_uint_eq(f->ops_len, 1);
    const struct op *op = f->ops[0];
    ck_assert_int_eq(op->kind, OP_BATCH);
    ck_assert_uint_eq(op->slot, 12182);
    ck_assert_uint_eq(op->session.number, 9);
    ck_assert_uint_eq(op->batch_len, N);
    ck_assert_int_eq(op->batch[1].kind, OP_DELETE);
    for (size_t i = 0; i < N; i++) {
        ck_assert_uint_eq(op->batch[i].partition, op->partition);
        ck_assert(slice_eq(op->batch[i].affinity, slice_str("foo")));
        ck_assert(!op->batch[i].has_session);
    }
    fake_answer(op, (struct result){.status = GRID_ECONDITION, .failed_at = 3});
    Grid__Response *r = fake_response(f);
    ck_assert_uint_eq(r->status, GRID_ECONDITION);
    ck_assert_uint_eq(r->failed_at, 3);
    grid__response__free_unpacked(r, NULL);
    fake_free(f);
}
END_TEST

START_TEST(a_batch_that_cannot_be_one_says_which_item)
{
    struct fake *f = fake_new();
    fake_greet(f);
    char why[WHY_BYTES];
    struct context_info want = {.name = "other", .partitions = 16, .backups = 1, .min_in_sync = 1};
    ck_assert_int_eq(catalog_context_create(f->catalog, &want, why), GRID_OK);
    ck_assert_int_eq(catalog_cache_create(f->catalog, slice_str("other/c"), 0, why), GRID_OK);
    uint32_t other = catalog_cache_named(f->catalog, slice_str("other/c"))->id;
    const struct {
        const char *affinity, *key;
        uint32_t cache;
        enum grid_err want;
    } table[] = {
        {"", "{k0}x", 0, GRID_ECROSS_PARTITION}, /* the others have partitions of their own */
        {"a", "", 0, GRID_EBAD_REQUEST},         {"a", "k", other, GRID_ECROSS_PARTITION},
        {"a", "k", 12345678, GRID_ENO_CONTEXT},  {"a", "k", f->cache + 9, GRID_ENO_CACHE},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        Grid__Request m = fake_request(f, i + 1, GRID__OP__BATCH, "");
        with_items(&m);
        m.affinity = fake_bytes(table[i].affinity);
        rows[1].key = fake_bytes(i ? table[i].key : "k1");
        rows[1].cache = table[i].cache;
        send_one(f, &m);
        ck_assert_uint_eq(f->ops_len, 0);
        Grid__Response *r = fake_response(f);
        ck_assert_uint_eq(r->status, table[i].want);
        ck_assert_uint_eq(r->failed_at, 1);
        grid__response__free_unpacked(r, NULL);
    }
    Grid__Request m = fake_request(f, 9, GRID__OP__BATCH, "");
    send_one(f, &m);
    fake_expect(f, 9, GRID_EBAD_REQUEST); /* no items */
    with_items(&m);
    static const char *const same[N] = {"{a}0", "{a}1", "{a}2", "{a}3", "{a}4"};
    for (size_t i = 0; i < N; i++)
        rows[i].key = fake_bytes(same[i]);
    send_one(f, &m);
    ck_assert_uint_eq(f->ops_len, 1); /* a hash tag is an affinity key */
    fake_free(f);
}
END_TEST

START_TEST(a_count_asks_each_shard_and_adds_up)
{
    struct fake *f = fake_new();
    fake_greet(f);
    Grid__Request m = fake_request(f, 1, GRID__OP__COUNT, "");
    send_one(f, &m);
    ck_assert_uint_eq(f->ops_len, FAKE_SHARDS);
    for (size_t i = 0; i < FAKE_SHARDS; i++) {
        ck_assert(f->ops[i]->all_partitions);
        ck_assert_uint_eq(f->ops[i]->partition % FAKE_SHARDS, i);
        fake_answer(f->ops[i], (struct result){.number = (int64_t)i + 1});
    }
    Grid__Response *r = fake_response(f);
    ck_assert_int_eq(r->result, 1 + 2 + 3 + 4);
    grid__response__free_unpacked(r, NULL);
    send_one(f, &m);
    for (size_t i = 0; i < FAKE_SHARDS; i++)
        fake_answer(f->ops[i], (struct result){.status = i == 2 ? GRID_EDAMAGED : GRID_OK});
    fake_expect(f, 1, GRID_EDAMAGED);
    m.one_partition = 1;
    m.partition = 1023;
    send_one(f, &m);
    ck_assert_uint_eq(f->ops_len, 1);
    ck_assert(!f->ops[0]->all_partitions);
    ck_assert_uint_eq(f->ops[0]->partition, 1023);
    m.partition = 1024;
    send_one(f, &m);
    fake_expect(f, 1, GRID_EBAD_REQUEST);
    fake_free(f);
}
END_TEST

START_TEST(reads_may_be_local_and_writes_are_not)
{
    static const unsigned kinds[] = {GRID__OP__GET,      GRID__OP__SCAN,       GRID__OP__COUNT,
                                     GRID__OP__GET_MANY, GRID__OP__PUT,        GRID__OP__INCR,
                                     GRID__OP__PUT_MANY, GRID__OP__DELETE_MANY};
    struct fake *f = fake_new();
    fake_greet(f);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int local = 0; local < 2; local++) {
            Grid__Request m = fake_request(f, 10 * (i + 1), kinds[i], "key");
            m.read_local = local;
            if (kinds[i] >= GRID__OP__GET_MANY)
                with_items(&m);
            send_one(f, &m);
            ck_assert_uint_gt(f->ops_len, 0);
            for (size_t k = 0; k < f->ops_len; k++)
                ck_assert(f->ops[k]->local == (local && i < 4));
        }
    Grid__Request m = fake_request(f, 1000, GRID__OP__BATCH, "");
    with_items(&m);
    m.n_items = 1;
    m.read_local = 1;
    send_one(f, &m);
    ck_assert_uint_eq(f->ops_len, 1);
    ck_assert(!f->ops[0]->local && !f->ops[0]->batch[0].local);
    fake_free(f);
}
END_TEST

START_TEST(a_context_with_fewer_partitions_than_shards_is_counted_where_it_is)
{
    struct fake *f = fake_new();
    fake_greet(f);
    char why[WHY_BYTES];
    struct context_info want = {.name = "small", .partitions = 2, .backups = 1, .min_in_sync = 1};
    ck_assert_int_eq(catalog_context_create(f->catalog, &want, why), GRID_OK);
    ck_assert_int_eq(catalog_cache_create(f->catalog, slice_str("small/c"), 0, why), GRID_OK);
    Grid__Request m = fake_request(f, 1, GRID__OP__COUNT, "");
    m.cache = catalog_cache_named(f->catalog, slice_str("small/c"))->id;
    send_one(f, &m);
    ck_assert_uint_eq(f->ops_len, 2);
    fake_free(f);
}
END_TEST

START_TEST(a_scan_passes_through_within_its_bounds)
{
    struct fake *f = fake_new();
    fake_greet(f);
    Grid__Request m = fake_request(f, 1, GRID__OP__SCAN, "");
    m.partition = 17;
    m.keys_only = 1;
    m.prefix = fake_bytes("pre");
    static const uint32_t limits[][2] = {{0, 1000}, {5, 5}, {UINT32_MAX, SCAN_LIMIT_MAX}};
    for (size_t i = 0; i < 3; i++) {
        m.limit = limits[i][0];
        send_one(f, &m);
        ck_assert_uint_eq(f->ops[0]->limit, limits[i][1]);
        ck_assert_uint_eq(f->ops[0]->partition, 17);
        ck_assert(slice_eq(f->ops[0]->prefix, slice_str("pre")));
    }
    struct scan_item item = {slice_str("key"), slice_str("value"), 4, 5, {NULL, 0}, 0};
    fake_answer(f->ops[0],
                (struct result){.items = &item, .items_len = 1, .cursor = slice_str("c")});
    Grid__Response *r = fake_response(f);
    ck_assert_uint_eq(r->n_items, 1);
    ck_assert_uint_eq(r->items[0]->version, 4);
    grid__response__free_unpacked(r, NULL);
    m.partition = 1024;
    send_one(f, &m);
    fake_expect(f, 1, GRID_EBAD_REQUEST);
    char cursor[CURSOR_BYTES_MAX + 2];
    memset(cursor, 'c', sizeof cursor - 1);
    cursor[sizeof cursor - 1] = '\0';
    m.partition = 0;
    m.cursor = fake_bytes(cursor);
    send_one(f, &m);
    fake_expect(f, 1, GRID_EBAD_REQUEST);
    fake_free(f);
}
END_TEST

START_TEST(a_cache_is_opened_by_name_and_what_is_missing_is_named)
{
    static const struct {
        const char *name;
        enum grid_err want;
    } table[] = {{"default/default", GRID_OK},
                 {"default/none", GRID_ENO_CACHE},
                 {"none/default", GRID_ENO_CONTEXT},
                 {"default", GRID_EBAD_REQUEST},
                 {"", GRID_EBAD_REQUEST},
                 {"/", GRID_ENO_CONTEXT},
                 {"a\x01/b", GRID_EBAD_REQUEST}};
    struct fake *f = fake_new();
    fake_greet(f);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        Grid__Request m = fake_request(f, i + 1, GRID__OP__OPEN_CACHE, "");
        m.name = (char *)(void *)fake_bytes(table[i].name).data;
        send_one(f, &m);
        Grid__Response *r = fake_response(f);
        ck_assert_uint_eq(r->status, table[i].want);
        ck_assert_int_eq(r->result, table[i].want ? 0 : f->cache);
        ck_assert(table[i].want || r->context->partitions == 1024);
        grid__response__free_unpacked(r, NULL);
    }
    fake_free(f);
}
END_TEST

START_TEST(a_key_is_located)
{
    struct fake *f = fake_new();
    fake_greet(f);
    Grid__Request m = fake_request(f, 1, GRID__OP__LOCATE, "foo");
    send_one(f, &m);
    Grid__Response *r = fake_response(f);
    ck_assert_uint_eq(r->location->slot, 12182);
    ck_assert_uint_eq(r->location->partition, 761);
    ck_assert_uint_eq(r->location->shard, 761 % FAKE_SHARDS + 1);
    ck_assert_uint_eq(r->location->epoch, 5);
    ck_assert_str_eq(r->location->primary, "a");
    ck_assert_str_eq(r->location->address, "127.0.0.1:7400");
    grid__response__free_unpacked(r, NULL);
    fake_free(f);
}
END_TEST

START_TEST(admin_requests_go_to_the_control_thread_and_back)
{
    struct fake *f = fake_new();
    fake_greet(f);
    Grid__Request m = fake_request(f, 3, GRID__OP__ADMIN, "");
    send_one(f, &m);
    fake_expect(f, 3, GRID_EBAD_REQUEST);
    Grid__Admin admin;
    grid__admin__init(&admin);
    admin.op = GRID__ADMIN_OP__CACHE_DROP;
    admin.name = (char *)(void *)fake_bytes("default/x").data;
    m.admin = &admin;
    send_one(f, &m);
    ck_assert_uint_eq(f->admins, 1);
    ck_assert_int_eq(f->admin.op, ADMIN_CACHE_DROP);
    ck_assert_str_eq(f->admin.name, "default/x");
    ck_assert_ptr_eq(session_admin_result(&f->admin_ticket, GRID_ENO_CACHE, slice_str("no cache x"),
                                          slice_make(NULL, 0)),
                     f->session);
    fake_expect(f, 3, GRID_ENO_CACHE);
    fake_free(f);
}
END_TEST

static bool sees_nobody(void *ctx, char *why)
{
    (void)ctx;
    snprintf(why, WAITS_BYTES, "it sees nobody");
    return true;
}

START_TEST(a_node_outside_of_its_grid_answers_operators_alone)
{
    static const Grid__Op ops[] = {GRID__OP__GET,  GRID__OP__PUT,        GRID__OP__COUNT,
                                   GRID__OP__PING, GRID__OP__OPEN_CACHE, GRID__OP__LOCATE};
    struct fake *f = fake_new();
    fake_greet(f);
    f->ports.waits = sees_nobody;
    f->ports.outside = true;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        Grid__Request m = fake_request(f, 1 + i, ops[i], "foo");
        send_one(f, &m);
        Grid__Response *r = fake_response(f);
        ck_assert_int_eq(r->status, GRID_EENTERING);
        ck_assert_str_eq(r->detail, "the node has not entered the grid yet: it sees nobody");
        grid__response__free_unpacked(r, NULL);
        ck_assert_uint_eq(f->ops_len, 0);
    }
    Grid__Admin admin;
    grid__admin__init(&admin);
    admin.op = GRID__ADMIN_OP__STATUS;
    Grid__Request m = fake_request(f, 9, GRID__OP__ADMIN, "");
    m.admin = &admin;
    send_one(f, &m);
    ck_assert_uint_eq(f->admins, 1);
    session_admin_result(&f->admin_ticket, GRID_OK, slice_str(""), slice_make(NULL, 0));
    fake_free(f);
}
END_TEST

START_TEST(a_client_with_an_old_topology_is_told_the_newest_revision_in_every_answer)
{
    struct fake *f = fake_new();
    f->catalog->revision = 10;
    fake_greet(f);
    static const struct {
        uint64_t has, told;
    } table[] = {{0, 0}, {10, 0}, {9, 10}, {0, 10}, {11, 0}, {1, 10}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        Grid__Request m = fake_request(f, i + 1, GRID__OP__GET, "key");
        m.topology = table[i].has;
        send_one(f, &m);
        fake_answer(f->ops[0], (struct result){.version = 1});
        Grid__Response *r = fake_response(f);
        ck_assert_uint_eq(r->topology, table[i].told);
        grid__response__free_unpacked(r, NULL);
    }
    fake_free(f);
}
END_TEST

START_TEST(a_catalog_of_the_same_revision_that_is_made_again_is_looked_into)
{
    struct fake *f = fake_new();
    fake_greet(f);
    Grid__Request m = fake_request(f, 1, GRID__OP__GET, "foo");
    send_one(f, &m);
    struct catalog *old = f->catalog;
    f->catalog = catalog_copy(old); /* as a node does that is sent the whole state */
    ck_assert_uint_eq(f->catalog->revision, old->revision);
    old->contexts[0].partitions = 1; /* nobody may look there any more */
    m.number = 2;
    send_one(f, &m);
    ck_assert_uint_eq(f->ops[0]->partition, 12182 * 1024 / SLOTS);
    catalog_unref(old);
    fake_free(f);
}
END_TEST

UNIT_MAIN("session/requests", an_op_on_one_key_goes_to_the_partition_of_its_key_or_affinity_key,
          keys_values_and_caches_out_of_range_are_refused_and_the_connection_stays,
          an_unknown_operation_is_refused_and_the_connection_stays,
          exactly_once_is_asked_for_by_lowest_and_needs_a_session_id,
          item_i_of_a_many_key_write_has_number_plus_i,
          many_answers_in_any_order_become_one_in_the_order_of_the_request,
          many_items_that_all_fail_or_are_none_are_answered_at_once,
          values_beyond_the_budget_of_an_answer_become_too_large_in_their_place,
          more_items_than_the_limit_are_refused_as_a_whole,
          a_batch_is_one_op_with_one_number_in_the_partition_of_its_affinity,
          a_batch_that_cannot_be_one_says_which_item, a_count_asks_each_shard_and_adds_up,
          reads_may_be_local_and_writes_are_not,
          a_context_with_fewer_partitions_than_shards_is_counted_where_it_is,
          a_scan_passes_through_within_its_bounds,
          a_cache_is_opened_by_name_and_what_is_missing_is_named, a_key_is_located,
          admin_requests_go_to_the_control_thread_and_back,
          a_node_outside_of_its_grid_answers_operators_alone,
          a_client_with_an_old_topology_is_told_the_newest_revision_in_every_answer,
          a_catalog_of_the_same_revision_that_is_made_again_is_looked_into)
