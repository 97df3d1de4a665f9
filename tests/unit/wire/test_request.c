/* test_request.c - what a client says: whole, odd, hostile.
 * LINK: wire control base pb frame */
#include "wire/request.h"

#include "base/buf.h"
#include "base/prng.h"
#include "client.pb-c.h"
#include "tests/lib/unit.h"

static struct arena *arena;

static void start(void)
{
    arena = arena_new(64 << 20);
}

static void stop(void)
{
    arena_free(arena);
}

static struct buf packed(const ProtobufCMessage *m)
{
    struct buf b = BUF_INIT;
    b.len = protobuf_c_message_pack(m, buf_reserve(&b, protobuf_c_message_get_packed_size(m) + 1));
    return b;
}

static ProtobufCBinaryData bytes(char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
}

static Grid__Request request_of(uint64_t number, unsigned op)
{
    Grid__Request m;
    grid__request__init(&m);
    m.number = number;
    m.op = (Grid__Op)op;
    return m;
}

/* Pack and decode. */
static struct wire_request *through(const Grid__Request *m)
{
    struct buf b = packed(&m->base);
    uint8_t *body = arena_alloc(arena, b.len + 1); /* stays until the result was looked at */
    memcpy(body, b.data, b.len);
    struct wire_request *r = NULL;
    ck_assert_int_eq(wire_request_decode(slice_make(body, b.len), arena, &r), GRID_OK);
    ck_assert_uint_eq(wire_request_number(buf_slice(&b)), m->number);
    buf_release(&b);
    return r;
}

START_TEST(every_field_of_a_write_arrives)
{
    start();
    char key[] = "key", value[] = "value", affinity[] = "aff";
    Grid__Request m = request_of(77, GRID__OP__PUT);
    m.cache = 65537;
    m.key = bytes(key);
    m.value = bytes(value);
    m.affinity = bytes(affinity);
    m.lowest = 70;
    m.age_ms = 12;
    m.condition = GRID__CONDITION__IF_VERSION;
    m.version = 1234567890123;
    m.delta = -5;
    m.ttl = GRID__TTL__TTL_SET;
    m.ttl_ms = 60000;
    m.topology = 9;
    const struct wire_request *r = through(&m);
    ck_assert_uint_eq(r->number, 77);
    ck_assert_uint_eq(r->code, OP_PUT);
    ck_assert_int_eq(r->refused, GRID_OK);
    ck_assert_uint_eq(r->topology, 9);
    ck_assert_int_eq(r->op.kind, OP_PUT);
    ck_assert_uint_eq(r->op.cache, 65537);
    ck_assert(slice_eq(r->op.key, slice_str("key")));
    ck_assert(slice_eq(r->op.value, slice_str("value")));
    ck_assert(slice_eq(r->op.affinity, slice_str("aff")));
    ck_assert_uint_eq(r->op.session.number, 77);
    ck_assert_uint_eq(r->op.session.lowest, 70);
    ck_assert_uint_eq(r->op.age_ms, 12);
    ck_assert_int_eq(r->op.condition, IF_VERSION);
    ck_assert_uint_eq(r->op.version, 1234567890123);
    ck_assert_int_eq(r->op.delta, -5);
    ck_assert_int_eq(r->op.ttl, TTL_SET);
    ck_assert_uint_eq(r->op.ttl_ms, 60000);
    stop();
}
END_TEST

START_TEST(a_media_type_is_put_before_the_value_and_a_hash_says_that_it_is_one)
{
    start();
    char key[] = "key", value[] = "bytes", media[] = "text/plain", hash[] = "\1f\1v";
    Grid__Request m = request_of(1, GRID__OP__PUT);
    m.key = bytes(key);
    m.value = bytes(value);
    m.media = bytes(media);
    const struct wire_request *r = through(&m);
    ck_assert_int_eq(r->refused, GRID_OK);
    ck_assert_int_eq(r->op.type, VALUE_MEDIA);
    ck_assert(slice_eq(r->op.value, slice_str("\012text/plainbytes")));
    m.media.len = 0;
    m.value = bytes(hash);
    m.type = GRID__VALUE_TYPE__HASH;
    r = through(&m);
    ck_assert_int_eq(r->refused, GRID_OK);
    ck_assert(r->op.type == VALUE_HASH && slice_eq(r->op.value, slice_str(hash)));
    m.op = GRID__OP__GET; /* it puts nothing */
    ck_assert_int_eq(through(&m)->op.type, VALUE_BYTES);
    stop();
}
END_TEST

START_TEST(a_type_that_is_none_or_does_not_go_with_its_media_type_is_refused)
{
    static const struct {
        uint32_t type;
        size_t media;
    } cases[] = {{VALUE_TYPES, 0}, {UINT32_MAX, 0}, {VALUE_MEDIA, 0}, {VALUE_HASH, 1}, {0, 128}};
    start();
    char key[] = "key";
    uint8_t media[128] = "a";
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        Grid__Item item, *list[] = {&item};
        grid__item__init(&item);
        Grid__Request m = request_of(1, i % 2 ? GRID__OP__PUT_MANY : GRID__OP__PUT);
        item.key = m.key = bytes(key);
        item.media = m.media = (ProtobufCBinaryData){cases[i / 2].media, media};
        item.type = m.type = cases[i / 2].type;
        m.items = list;
        m.n_items = i % 2;
        ck_assert_int_eq(through(&m)->refused, GRID_EBAD_REQUEST);
    }
    stop();
}
END_TEST

START_TEST(every_field_of_a_scan_arrives)
{
    start();
    char prefix[] = "pre", cursor[] = "cur";
    Grid__Request m = request_of(1, GRID__OP__SCAN);
    m.partition = 1000000;
    m.limit = 17;
    m.prefix = bytes(prefix);
    m.cursor = bytes(cursor);
    m.keys_only = 1;
    m.one_partition = m.read_local = 1;
    const struct wire_request *r = through(&m);
    ck_assert(r->op.local);
    ck_assert_uint_eq(r->partition, 1000000);
    ck_assert_uint_eq(r->op.limit, 17);
    ck_assert(slice_eq(r->op.prefix, slice_str("pre")));
    ck_assert(slice_eq(r->op.cursor, slice_str("cur")));
    ck_assert(r->op.keys_only && r->one_partition);
    stop();
}
END_TEST

START_TEST(items_become_ops_of_the_kind_of_the_request_in_its_cache_unless_they_name_one)
{
    start();
    char a[] = "a", b[] = "b";
    Grid__Item items[2], *list[] = {&items[0], &items[1]};
    grid__item__init(&items[0]);
    grid__item__init(&items[1]);
    items[0].key = bytes(a);
    items[1].key = bytes(b);
    items[1].cache = 8;
    items[1].op = GRID__OP__SCAN; /* not looked at in a many-key request */
    Grid__Request m = request_of(1, GRID__OP__DELETE_MANY);
    m.cache = 7;
    m.items = list;
    m.n_items = 2;
    const struct wire_request *r = through(&m);
    ck_assert_int_eq(r->refused, GRID_OK);
    ck_assert_uint_eq(r->items_len, 2);
    ck_assert_int_eq(r->items[0].kind, OP_DELETE);
    ck_assert_int_eq(r->items[1].kind, OP_DELETE);
    ck_assert_uint_eq(r->items[0].cache, 7);
    ck_assert_uint_eq(r->items[1].cache, 8);
    ck_assert(slice_eq(r->items[1].key, slice_str("b")));
    m.op = GRID__OP__BATCH;
    r = through(&m);
    ck_assert_int_eq(r->refused, GRID_EBAD_REQUEST); /* neither NONE nor SCAN is a change */
    items[0].op = GRID__OP__PUT;
    items[1].op = GRID__OP__INCR;
    r = through(&m);
    ck_assert_int_eq(r->refused, GRID_OK);
    ck_assert_ptr_eq(r->op.batch, r->items);
    ck_assert_uint_eq(r->op.batch_len, 2);
    stop();
}
END_TEST

START_TEST(values_no_write_may_have_are_refused_by_name_and_not_looked_at_in_reads)
{
    static const struct {
        int condition, ttl;
        uint64_t ttl_ms;
        enum grid_err put;
    } rows[] = {
        {0, 0, 0, GRID_OK},
        {4, 0, 0, GRID_EBAD_REQUEST},
        {-1, 0, 0, GRID_EBAD_REQUEST},
        {0, 4, 0, GRID_EBAD_REQUEST},
        {0, -7, 0, GRID_EBAD_REQUEST},
        {0, TTL_SET, 0, GRID_EBAD_REQUEST},
        {0, TTL_SET, 1, GRID_OK},
        {0, TTL_SET, UINT64_MAX, GRID_EBAD_REQUEST},
        {0, TTL_NONE, UINT64_MAX, GRID_OK},
    };
    start();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Grid__Request m = request_of(3, GRID__OP__PUT);
        m.condition = (Grid__Condition)rows[i].condition;
        m.ttl = (Grid__Ttl)rows[i].ttl;
        m.ttl_ms = rows[i].ttl_ms;
        const struct wire_request *r = through(&m);
        ck_assert_int_eq(r->refused, rows[i].put);
        ck_assert(!r->refused || r->why);
        m.op = GRID__OP__GET;
        ck_assert_int_eq(through(&m)->refused, GRID_OK);
    }
    stop();
}
END_TEST

START_TEST(more_items_than_a_record_can_have_are_refused)
{
    start();
    size_t n = RECORD_EFFECTS_MAX + 1;
    Grid__Item item, **list = malloc(n * sizeof(Grid__Item *));
    grid__item__init(&item);
    for (size_t i = 0; i < n; i++)
        list[i] = &item;
    Grid__Request m = request_of(4, GRID__OP__GET_MANY);
    m.items = list;
    m.n_items = n;
    const struct wire_request *r = through(&m);
    ck_assert_int_eq(r->refused, GRID_ETOO_LARGE);
    ck_assert_uint_eq(r->items_len, 0);
    m.n_items = n - 1;
    ck_assert_int_eq(through(&m)->refused, GRID_OK);
    free(list);
    stop();
}
END_TEST

START_TEST(a_small_frame_that_would_grow_large_in_memory_is_stopped_by_the_arena)
{
    struct arena *small = arena_new(1 << 20);
    struct buf b = BUF_INIT;
    for (int i = 0; i < 200000; i++)
        buf_add(&b, "\x72\x00", 2); /* field 14, an empty item */
    struct wire_request *r;
    ck_assert_int_eq(wire_request_decode(buf_slice(&b), small, &r), GRID_ENOMEM);
    arena_check(small);
    ck_assert_uint_lt(arena_used(small), 3 << 20);
    buf_release(&b);
    arena_free(small);
}
END_TEST

START_TEST(an_admin_request_arrives_as_plain_data)
{
    start();
    char name[] = "orders", nodes[] = "zone=a", field1[] = "backups", field2[] = "nodes";
    char *fields[] = {field1, field2};
    Grid__ContextInfo context;
    grid__context_info__init(&context);
    context.name = name;
    context.partitions = 64;
    context.backups = 2;
    context.durability = DURABILITY_ASYNC;
    context.full_policy = FULL_EVICT;
    context.memory_limit = 1 << 30;
    context.nodes = nodes;
    Grid__Admin admin;
    grid__admin__init(&admin);
    admin.op = GRID__ADMIN_OP__CONTEXT_ALTER;
    admin.name = name;
    admin.context = &context;
    admin.value = -3;
    admin.fields = fields;
    admin.n_fields = 2;
    Grid__Request m = request_of(5, GRID__OP__ADMIN);
    m.admin = &admin;
    const struct wire_request *r = through(&m);
    ck_assert_int_eq(r->refused, GRID_OK);
    const struct admin_request *to = r->admin;
    ck_assert_int_eq(to->op, ADMIN_CONTEXT_ALTER);
    ck_assert_str_eq(to->name, "orders");
    ck_assert_str_eq(to->context.name, "orders");
    ck_assert_str_eq(to->context.nodes, "zone=a");
    ck_assert_uint_eq(to->context.partitions, 64);
    ck_assert_int_eq(to->context.durability, DURABILITY_ASYNC);
    ck_assert_int_eq(to->context.full_policy, FULL_EVICT);
    ck_assert_int_eq(to->value, -3);
    ck_assert_uint_eq(to->fields, FIELD_BACKUPS | FIELD_NODES);
    stop();
}
END_TEST

START_TEST(odd_admin_requests_are_refused)
{
    start();
    char ok[] = "a", odd[] = "a\x1b[31m", not_utf8[] = "\xc0\xaf", field[] = "name";
    char *fields[] = {field}, longest[PATH_BYTES_MAX + 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    struct {
        char *name, *context;
        unsigned op, durability, policy;
        size_t fields;
        enum grid_err want;
    } rows[] = {
        {ok, ok, ADMIN_STATUS, 0, 0, 0, GRID_OK},
        {ok, ok, 99, 0, 0, 0, GRID_EUNSUPPORTED},
        {ok, ok, 0, 0, 0, 0, GRID_EUNSUPPORTED},
        {odd, ok, ADMIN_CACHE_DROP, 0, 0, 0, GRID_EBAD_REQUEST},
        {not_utf8, ok, ADMIN_CACHE_DROP, 0, 0, 0, GRID_EBAD_REQUEST},
        {longest, ok, ADMIN_CACHE_DROP, 0, 0, 0, GRID_EBAD_REQUEST},
        {ok, longest, ADMIN_CONTEXT_CREATE, 0, 0, 0, GRID_EBAD_REQUEST},
        {ok, ok, ADMIN_CONTEXT_CREATE, 3, 0, 0, GRID_EBAD_REQUEST},
        {ok, ok, ADMIN_CONTEXT_CREATE, 0, 2, 0, GRID_EBAD_REQUEST},
        {ok, ok, ADMIN_CONTEXT_ALTER, 0, 0, 1, GRID_EBAD_REQUEST},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Grid__ContextInfo context;
        grid__context_info__init(&context);
        context.name = rows[i].context;
        context.durability = rows[i].durability;
        context.full_policy = rows[i].policy;
        Grid__Admin admin;
        grid__admin__init(&admin);
        admin.op = (Grid__AdminOp)rows[i].op;
        admin.name = rows[i].name;
        admin.context = &context;
        admin.fields = fields;
        admin.n_fields = rows[i].fields;
        Grid__Request m = request_of(5, GRID__OP__ADMIN);
        m.admin = &admin;
        ck_assert_int_eq(through(&m)->refused, rows[i].want);
    }
    stop();
}
END_TEST

START_TEST(unknown_operations_and_fields_are_let_through_for_the_session_to_answer)
{
    start();
    Grid__Request m = request_of(6, 4711);
    struct buf b = packed(&m.base);
    buf_add(&b, "\xf8\x07\x01", 3); /* field 127 = 1 */
    struct wire_request *r;
    ck_assert_int_eq(wire_request_decode(buf_slice(&b), arena, &r), GRID_OK);
    ck_assert_uint_eq(r->code, 4711);
    ck_assert_uint_eq(r->number, 6);
    buf_release(&b);
    stop();
}
END_TEST

START_TEST(a_request_cut_off_or_changed_anywhere_never_does_harm)
{
    char key[] = "key", name[] = "default/default";
    Grid__Item items[3], *list[] = {&items[0], &items[1], &items[2]};
    for (int i = 0; i < 3; i++) {
        grid__item__init(&items[i]);
        items[i].key = bytes(key);
        items[i].op = GRID__OP__PUT;
    }
    Grid__Admin admin;
    grid__admin__init(&admin);
    admin.name = name;
    Grid__Request m = request_of(300, GRID__OP__BATCH);
    m.key = bytes(key);
    m.items = list;
    m.n_items = 3;
    m.name = name;
    m.admin = &admin;
    struct buf b = packed(&m.base);
    struct arena *small = arena_new(64 << 10);
    struct prng prng = {7};
    struct wire_request *r;
    int refused = 0;
    for (size_t len = 0; len < b.len; len++) {
        refused += wire_request_decode(slice_make(b.data, len), small, &r) != GRID_OK;
        arena_reset(small);
    }
    ck_assert_int_gt(refused, 0);
    for (int round = 0; round < 20000; round++) {
        size_t at = (size_t)prng_below(&prng, b.len);
        uint8_t was = b.data[at];
        b.data[at] = (uint8_t)prng_next(&prng);
        enum grid_err err = wire_request_decode(buf_slice(&b), small, &r);
        ck_assert(err == GRID_OK || err == GRID_EBAD_REQUEST || err == GRID_ENOMEM);
        b.data[at] = was;
        arena_reset(small);
    }
    buf_release(&b);
    arena_free(small);
}
END_TEST

START_TEST(the_number_is_found_at_the_start_of_a_body_and_nowhere_else)
{
    ck_assert_uint_eq(wire_request_number(slice_make("\x08\x01", 2)), 1);
    ck_assert_uint_eq(wire_request_number(slice_make("\x08\xac\x02\x10", 4)), 300);
    ck_assert_uint_eq(
        wire_request_number(slice_make("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11)),
        UINT64_MAX);
    ck_assert_uint_eq(wire_request_number(slice_make("\x08\xff\xff", 3)), 0);
    ck_assert_uint_eq(wire_request_number(slice_make("\x10\x01", 2)), 0);
    ck_assert_uint_eq(wire_request_number(slice_make("\x08", 1)), 0);
    ck_assert_uint_eq(wire_request_number(slice_make(NULL, 0)), 0);
    ck_assert_uint_eq(
        wire_request_number(slice_make("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12)), 0);
}
END_TEST

START_TEST(a_hello_arrives_and_its_strings_must_be_clean_text)
{
    start();
    char client[] = "gridctl 1", user[] = "u", password[] = "\xff\xfe", grid[] = "shop";
    char id[] = "0123456789abcdef", escape[] = "\x1b]0;x", half[] = "\xe2\x82";
    Grid__Hello m;
    grid__hello__init(&m);
    m.version = 1;
    m.version_min = 1;
    m.session = bytes(id);
    m.shard = 3;
    m.client = client;
    m.user = user;
    m.password = password; /* never shown, so any bytes */
    m.grid = grid;
    struct buf b = packed(&m.base);
    struct wire_hello h;
    ck_assert_int_eq(wire_hello_decode(buf_slice(&b), arena, &h), GRID_OK);
    ck_assert_uint_eq(h.version, 1);
    ck_assert_uint_eq(h.shard, 3);
    ck_assert(slice_eq(h.session, slice_str(id)));
    ck_assert_str_eq(h.client, client);
    ck_assert_str_eq(h.password, password);
    ck_assert_str_eq(h.grid, grid);
    buf_release(&b);
    char **places[] = {&m.client, &m.user, &m.grid};
    for (size_t i = 0; i < 6; i++) {
        char **place = places[i / 2], *was = *place;
        *place = i % 2 ? escape : half;
        b = packed(&m.base);
        ck_assert_int_eq(wire_hello_decode(buf_slice(&b), arena, &h), GRID_EBAD_REQUEST);
        buf_release(&b);
        *place = was;
    }
    stop();
}
END_TEST

UNIT_MAIN("wire/request", every_field_of_a_write_arrives,
          a_media_type_is_put_before_the_value_and_a_hash_says_that_it_is_one,
          a_type_that_is_none_or_does_not_go_with_its_media_type_is_refused,
          every_field_of_a_scan_arrives,
          items_become_ops_of_the_kind_of_the_request_in_its_cache_unless_they_name_one,
          values_no_write_may_have_are_refused_by_name_and_not_looked_at_in_reads,
          more_items_than_a_record_can_have_are_refused,
          a_small_frame_that_would_grow_large_in_memory_is_stopped_by_the_arena,
          an_admin_request_arrives_as_plain_data, odd_admin_requests_are_refused,
          unknown_operations_and_fields_are_let_through_for_the_session_to_answer,
          a_request_cut_off_or_changed_anywhere_never_does_harm,
          the_number_is_found_at_the_start_of_a_body_and_nowhere_else,
          a_hello_arrives_and_its_strings_must_be_clean_text)
