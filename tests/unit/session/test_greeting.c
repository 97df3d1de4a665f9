/* test_greeting.c - the first frame: who may talk, in which version, on which thread.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "tests/lib/unit.h"
#include "tests/unit/session/fake.h"

static Grid__HelloReply *greet(struct fake *f, const Grid__Hello *hello)
{
    fake_connect(f);
    fake_send(f, &hello->base);
    fake_turn(f);
    return (Grid__HelloReply *)(void *)fake_receive(f, &grid__hello_reply__descriptor);
}

START_TEST(hello_is_answered_with_what_a_client_needs_to_know)
{
    struct fake *f = fake_new();
    Grid__Hello hello = fake_hello();
    Grid__HelloReply *m = greet(f, &hello);
    ck_assert_uint_eq(m->status, GRID_OK);
    ck_assert_uint_eq(m->version, 1);
    ck_assert_uint_eq(m->version_max, 1);
    ck_assert_uint_eq(m->shard, FAKE_SHARD + 1);
    ck_assert_uint_eq(m->shards, FAKE_SHARDS);
    ck_assert_str_eq(m->grid, "shop");
    ck_assert_str_eq(m->node, "a");
    ck_assert_uint_eq(m->value_max, 16 << 20);
    ck_assert_uint_gt(m->frame_max, 16 << 20);
    ck_assert_uint_eq(m->topology, f->catalog->revision);
    ck_assert_uint_eq(m->session_ttl_ms, 3600000);
    ck_assert(session_greeted(f->session));
    ck_assert(session_wants_read(f->session));
    grid__hello_reply__free_unpacked(m, NULL);
    fake_free(f);
}
END_TEST

START_TEST(a_version_outside_the_range_is_refused_by_name)
{
    static const struct {
        uint32_t version, version_min;
        bool fine;
    } rows[] = {{1, 1, true},  {1, 0, true},           {5, 1, true}, {0, 0, false},
                {2, 2, false}, {UINT32_MAX, 2, false}, {1, 2, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fake *f = fake_new();
        Grid__Hello hello = fake_hello();
        hello.version = rows[i].version;
        hello.version_min = rows[i].version_min;
        Grid__HelloReply *m = greet(f, &hello);
        ck_assert_uint_eq(m->status, rows[i].fine ? GRID_OK : GRID_EPROTOCOL);
        if (rows[i].fine) {
            ck_assert_uint_eq(m->version, 1);
        } else {
            ck_assert_ptr_nonnull(strstr(m->detail, "this server 1 to 1"));
            ck_assert(session_finished(f->session));
        }
        grid__hello_reply__free_unpacked(m, NULL);
        fake_free(f);
    }
}
END_TEST

START_TEST(another_grid_a_crooked_session_id_and_a_wrong_password_are_refused)
{
    static const struct {
        const char *grid, *session, *user, *password;
        enum grid_err want;
    } rows[] = {
        {"shop", "0123456789abcdef", "ann", "secret", GRID_OK},
        {"", "", "ann", "secret", GRID_OK},
        {"other", "", "ann", "secret", GRID_EDENIED},
        {"", "0123456789abcde", "ann", "secret", GRID_EBAD_REQUEST},
        {"", "0123456789abcdef0", "ann", "secret", GRID_EBAD_REQUEST},
        {"", "", "ann", "wrong", GRID_EAUTH},
        {"", "", "", "", GRID_EAUTH},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fake *f = fake_new();
        f->ports.authenticate = fake_authenticate;
        f->password = "secret";
        Grid__Hello hello = fake_hello();
        hello.grid = (char *)(void *)fake_bytes(rows[i].grid).data;
        hello.user = (char *)(void *)fake_bytes(rows[i].user).data;
        hello.password = (char *)(void *)fake_bytes(rows[i].password).data;
        hello.session = fake_bytes(rows[i].session);
        Grid__HelloReply *m = greet(f, &hello);
        ck_assert_uint_eq(m->status, rows[i].want);
        ck_assert(rows[i].want == GRID_OK || session_finished(f->session));
        ck_assert(rows[i].want == GRID_OK || *session_reason(f->session));
        grid__hello_reply__free_unpacked(m, NULL);
        fake_free(f);
    }
}
END_TEST

START_TEST(a_certificate_stands_for_a_password)
{
    struct fake *f = fake_new();
    f->ports.authenticate = fake_authenticate;
    f->password = "secret";
    fake_connect(f);
    session_proved(f->session, "node-a");
    Grid__Hello hello = fake_hello();
    fake_send(f, &hello.base);
    fake_turn(f);
    ck_assert(session_greeted(f->session));
    fake_free(f);
}
END_TEST

START_TEST(a_connection_that_wants_another_shard_moves_there_before_it_is_answered)
{
    struct fake *f = fake_new(), *there = fake_new();
    there->ports.shard = 3;
    fake_connect(f);
    Grid__Hello hello = fake_hello();
    hello.shard = 4;
    fake_send(f, &hello.base);
    Grid__Request get = fake_request(f, 1, GRID__OP__GET, "k");
    fake_send(f, &get.base);
    fake_turn(f);
    ck_assert_int_eq(f->moved_to, 3);
    fake_expect_nothing(f);
    ck_assert(!session_wants_read(f->session));
    ck_assert_uint_gt(f->in.len, 0); /* the request waits until the connection has arrived */
    fake_turn(f);
    ck_assert_uint_eq(f->ops_len, 0);

    session_moved(f->session, &there->ports);
    Grid__HelloReply *m =
        (Grid__HelloReply *)(void *)fake_receive(f, &grid__hello_reply__descriptor);
    ck_assert_uint_eq(m->shard, 4);
    grid__hello_reply__free_unpacked(m, NULL);
    fake_turn(f);
    ck_assert_uint_eq(there->ops_len, 1);
    ck_assert_uint_eq(there->ops[0]->ticket.thread, 3);
    fake_free(f);
    fake_free(there);
}
END_TEST

START_TEST(asking_for_this_shard_any_shard_or_one_there_is_not_stays)
{
    static const uint32_t shards[] = {0, FAKE_SHARD + 1, FAKE_SHARDS + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof shards / sizeof *shards; i++) {
        struct fake *f = fake_new();
        Grid__Hello hello = fake_hello();
        hello.shard = shards[i];
        Grid__HelloReply *m = greet(f, &hello);
        ck_assert_uint_eq(m->status, GRID_OK);
        ck_assert_uint_eq(m->shard, FAKE_SHARD + 1);
        ck_assert_int_eq(f->moved_to, -1);
        grid__hello_reply__free_unpacked(m, NULL);
        fake_free(f);
    }
}
END_TEST

START_TEST(a_first_frame_that_is_no_hello_is_answered_in_words_and_ends_the_connection)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum grid_err want;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", 18, GRID_ETOO_LARGE},
        {"\x00\x00\x00\x00", 4, GRID_EBAD_REQUEST},
        {"\x02\x00\x00\x00\xff\xff", 6, GRID_EBAD_REQUEST},
        {"\x01\x40\x00\x00", 4, GRID_ETOO_LARGE},
        {"\x16\x03\x01\x02\x00\x01", 6, GRID_ETOO_LARGE}, /* a TLS greeting */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fake *f = fake_new();
        fake_connect(f);
        fake_send_bytes(f, rows[i].bytes, rows[i].len);
        fake_turn(f);
        Grid__HelloReply *m =
            (Grid__HelloReply *)(void *)fake_receive(f, &grid__hello_reply__descriptor);
        ck_assert_ptr_nonnull(m);
        ck_assert_uint_eq(m->status, rows[i].want);
        ck_assert_uint_gt(strlen(m->detail), 0);
        ck_assert(session_finished(f->session));
        ck_assert_uint_eq(f->in.len, 0);
        grid__hello_reply__free_unpacked(m, NULL);
        fake_free(f);
    }
}
END_TEST

START_TEST(the_name_of_a_client_is_cut_between_characters)
{
    struct fake *f = fake_new();
    char name[200];
    for (size_t i = 0; i + 3 < sizeof name; i += 3)
        memcpy(name + i, "\xe2\x82\xac", 4);
    Grid__Hello hello = fake_hello();
    hello.client = name;
    Grid__HelloReply *m = greet(f, &hello);
    ck_assert_uint_eq(strlen(session_client(f->session)), 63);
    grid__hello_reply__free_unpacked(m, NULL);
    fake_free(f);
}
END_TEST

UNIT_MAIN("session/greeting", hello_is_answered_with_what_a_client_needs_to_know,
          a_version_outside_the_range_is_refused_by_name,
          another_grid_a_crooked_session_id_and_a_wrong_password_are_refused,
          a_certificate_stands_for_a_password,
          a_connection_that_wants_another_shard_moves_there_before_it_is_answered,
          asking_for_this_shard_any_shard_or_one_there_is_not_stays,
          a_first_frame_that_is_no_hello_is_answered_in_words_and_ends_the_connection,
          the_name_of_a_client_is_cut_between_characters)
