/* test_peer.c - one connection between two nodes, without the socket.
 * LINK: session compute wire base pb frame */
#include "session/peer.h"
#include "tests/lib/unit.h"

/* Both ends of a connection, and what is under way between them. */
struct pair {
    struct peer *a, *b; /* a dialled */
    struct buf ab, ba;
    struct peer_event last;
};

static struct peer_hello hello_of(const char *node)
{
    struct peer_hello h = {.grid = "shop",
                           .shards = 2,
                           .kind = PEER_DATA,
                           .from_shard = 1,
                           .window = {PEER_WINDOW_MIN, PEER_WINDOW_MIN, PEER_WINDOW_MIN}};
    strcpy(h.node, node);
    strcpy((char *)h.node_id, node);
    strcpy((char *)h.boot_id, node);
    return h;
}

static struct pair pair_make(const struct peer_hello *a, const struct peer_hello *b)
{
    struct pair p = {.a = peer_new(true, a, 1), .b = peer_new(false, b, 1)};
    return p;
}

static void pair_free(struct pair *p)
{
    peer_check(p->a);
    peer_check(p->b);
    peer_free(p->a);
    peer_free(p->b);
    buf_release(&p->ab);
    buf_release(&p->ba);
}

/* One event at `to`, of what stands in `from`. */
static enum peer_event_kind step(struct pair *p, struct peer *to, struct buf *from)
{
    size_t n = peer_input(to, from->data, from->len, 2, &p->last);
    if (p->last.kind != PEER_MESSAGE)
        buf_consume(from, n);
    else
        from->len = 0; /* these tests send one at a time */
    return p->last.kind;
}

static void greet(struct pair *p)
{
    peer_output(p->a, &p->ab, 0, 1);
    ck_assert_int_eq(step(p, p->b, &p->ab), PEER_ASKED);
    ck_assert_int_eq(peer_other(p->b)->from_shard, 1);
    peer_admit(p->b);
    peer_output(p->b, &p->ba, 0, 1);
    ck_assert_int_eq(step(p, p->a, &p->ba), PEER_UP);
    ck_assert_int_eq(peer_other(p->a)->to_shard, 1);
    ck_assert(peer_open(p->a) && peer_open(p->b));
}

static void send_one(struct peer *p, enum peer_class class, size_t len)
{
    struct buf *b = peer_begin(p, class);
    memset(buf_reserve(b, len), 'x', len);
    b->len += len;
    ck_assert_uint_eq(peer_end(p), len);
}

START_TEST(greeting_agrees_and_messages_pass)
{
    struct peer_hello a = hello_of("a"), b = hello_of("b");
    struct pair p = pair_make(&a, &b);
    greet(&p);
    peer_send(p.a, PEER_RECORDS, slice_str("hello"));
    peer_output(p.a, &p.ab, 0, 1);
    ck_assert_int_eq(step(&p, p.b, &p.ab), PEER_MESSAGE);
    ck_assert(slice_eq(p.last.body, slice_str("hello")));
    peer_begin(p.a, PEER_RECORDS);
    ck_assert_uint_eq(peer_end(p.a), 0);
    peer_output(p.a, &p.ab, 0, 1);
    ck_assert_uint_eq(p.ab.len, 0);
    pair_free(&p);
}
END_TEST

START_TEST(who_does_not_fit_is_told_why)
{
    static const struct {
        const char *says;
        enum grid_err status;
        size_t at;
        uint8_t byte;
    } CASES[] = {
        {"of grid 'Xhop'", GRID_ECONDITION, offsetof(struct peer_hello, grid), 'X'},
        {"each was founded by itself", GRID_ECONDITION, offsetof(struct peer_hello, grid_id), 'X'},
        {"same node id", GRID_EIN_USE, offsetof(struct peer_hello, node_id), 'b'},
        {"met itself", GRID_EEXISTS, offsetof(struct peer_hello, boot_id), 'b'},
        {"has not", GRID_EBAD_REQUEST, offsetof(struct peer_hello, to_shard), 2},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct peer_hello a = hello_of("a"), b = hello_of("b");
        b.grid_id[0] = 'b';
        ((uint8_t *)&a)[CASES[i].at] = CASES[i].byte;
        struct pair p = pair_make(&a, &b);
        peer_output(p.a, &p.ab, 0, 1);
        ck_assert_int_eq(step(&p, p.b, &p.ab), PEER_BROKEN);
        ck_assert_int_eq(p.last.status, CASES[i].status);
        ck_assert_msg(strstr(p.last.why, CASES[i].says) != NULL, "%s", p.last.why);
        peer_output(p.b, &p.ba, 0, 1);
        ck_assert_int_eq(step(&p, p.a, &p.ba), PEER_REFUSED);
        ck_assert_int_eq(p.last.status, CASES[i].status);
        ck_assert_msg(strstr(p.last.why, CASES[i].says) != NULL, "%s", p.last.why);
        pair_free(&p);
    }
}
END_TEST

START_TEST(versions_that_do_not_meet_are_named)
{
    struct peer_hello a = hello_of("a"), b = hello_of("b");
    struct pair p = pair_make(&a, &b);
    a.version = 7;
    a.version_min = 5;
    wire_peer_hello(&p.ab, &a);
    ck_assert_int_eq(step(&p, p.b, &p.ab), PEER_BROKEN);
    ck_assert_int_eq(p.last.status, GRID_EPROTOCOL);
    ck_assert_ptr_nonnull(strstr(p.last.why, "5 to 7"));
    pair_free(&p);
}
END_TEST

START_TEST(credit_is_waited_for_and_bulk_waits_for_the_socket)
{
    struct peer_hello a = hello_of("a"), b = hello_of("b");
    struct pair p = pair_make(&a, &b);
    greet(&p);
    for (int i = 0; i < 4; i++)
        send_one(p.a, PEER_RECORDS, PEER_WINDOW_MIN / 2);
    peer_output(p.a, &p.ab, 0, 1);
    ck_assert_uint_eq(peer_queued(p.a, PEER_RECORDS),
                      2 * (PEER_WINDOW_MIN / 2 + PEER_FRAME_HEAD_BYTES));
    send_one(p.a, PEER_URGENT, 10); /* another class has credit of its own */
    p.ab.len = 0;
    peer_output(p.a, &p.ab, 0, 1);
    ck_assert_int_eq(step(&p, p.b, &p.ab), PEER_MESSAGE);
    ck_assert_int_eq(p.last.class, PEER_URGENT);
    send_one(p.a, PEER_BULK, 10);
    peer_output(p.a, &p.ab, PEER_BULK_AHEAD, 1);
    ck_assert_uint_eq(p.ab.len, 0);
    ck_assert(peer_waits(p.a));
    peer_output(p.a, &p.ab, 0, 1);
    ck_assert_uint_gt(p.ab.len, 0);
    ck_assert(!peer_waits(p.a));
    pair_free(&p);
}
END_TEST

START_TEST(what_is_consumed_is_granted_and_the_rest_follows)
{
    struct peer_hello a = hello_of("a"), b = hello_of("b");
    struct pair p = pair_make(&a, &b);
    greet(&p);
    unsigned came = 0;
    for (int i = 0; i < 20; i++)
        send_one(p.a, PEER_RECORDS, PEER_WINDOW_MIN / 3);
    for (int i = 0; i < 200 && came < 20; i++) {
        peer_output(p.a, &p.ab, p.ab.len, 1);
        for (;;) {
            size_t n = peer_input(p.b, p.ab.data, p.ab.len, 2, &p.last);
            buf_consume(&p.ab, n);
            if (p.last.kind != PEER_MESSAGE)
                break;
            came++;
            peer_consumed(p.b, p.last.class, p.last.body.len);
        }
        peer_output(p.b, &p.ba, p.ba.len, 1);
        step(&p, p.a, &p.ba);
        peer_check(p.a);
        peer_check(p.b);
    }
    ck_assert_uint_eq(came, 20);
    ck_assert_uint_eq(peer_queued(p.a, PEER_RECORDS), 0);
    pair_free(&p);
}
END_TEST

START_TEST(who_sends_more_than_it_may_is_cut_off)
{
    struct peer_hello a = hello_of("a"), b = hello_of("b");
    struct pair p = pair_make(&a, &b);
    greet(&p);
    uint8_t bytes[PEER_WINDOW_MIN / 2 + 1] = {0};
    enum peer_event_kind kind = PEER_NOTHING;
    for (int i = 0; i < 3; i++) {
        size_t begin = wire_peer_begin(&p.ab, PEER_RECORDS);
        buf_add(&p.ab, bytes, sizeof bytes);
        wire_peer_end(&p.ab, begin);
        kind = step(&p, p.b, &p.ab);
        ck_assert_int_eq(kind, i < 1 ? PEER_MESSAGE : PEER_BROKEN);
        if (kind == PEER_BROKEN)
            break;
    }
    ck_assert_ptr_nonnull(strstr(p.last.why, "more than it may"));
    pair_free(&p);
}
END_TEST

START_TEST(nonsense_ends_it)
{
    static const char *const CASES[] = {"GET / HTTP/1.1\r\n\r\n", "\x01\0\0\0\x01",
                                        "\x03\0\0\0\x2a\x01x", "\x02\0\0\0\x0a\x05"};
    static const size_t LENS[] = {18, 5, 7, 6};
    for (size_t i = 0; i < 4; i++) {
        struct peer_hello b = hello_of("b");
        struct pair p = pair_make(&b, &b);
        buf_add(&p.ab, CASES[i], LENS[i]);
        ck_assert_int_eq(step(&p, p.b, &p.ab), PEER_BROKEN);
        ck_assert_uint_eq(p.ab.len, 0);
        pair_free(&p);
    }
}
END_TEST

START_TEST(a_grant_of_what_was_not_sent_ends_it)
{
    struct peer_hello a = hello_of("a"), b = hello_of("b");
    struct pair p = pair_make(&a, &b);
    greet(&p);
    wire_peer_grant(&p.ba, PEER_BULK, 1);
    ck_assert_int_eq(step(&p, p.a, &p.ba), PEER_BROKEN);
    pair_free(&p);
}
END_TEST

START_TEST(an_idle_one_gives_signs_of_life)
{
    struct peer_hello a = hello_of("a"), b = hello_of("b");
    struct pair p = pair_make(&a, &b);
    greet(&p);
    peer_tick(p.a, 400, 500);
    peer_output(p.a, &p.ab, 0, 400);
    ck_assert_uint_eq(p.ab.len, 0);
    peer_tick(p.a, 501, 500);
    peer_output(p.a, &p.ab, 0, 501);
    ck_assert_uint_gt(p.ab.len, 0);
    peer_input(p.b, p.ab.data, p.ab.len, 777, &p.last);
    ck_assert_int_eq(p.last.kind, PEER_NOTHING);
    ck_assert_uint_eq(peer_heard(p.b), 777);
    pair_free(&p);
}
END_TEST

UNIT_MAIN("session/peer", greeting_agrees_and_messages_pass, who_does_not_fit_is_told_why,
          versions_that_do_not_meet_are_named, credit_is_waited_for_and_bulk_waits_for_the_socket,
          what_is_consumed_is_granted_and_the_rest_follows, who_sends_more_than_it_may_is_cut_off,
          nonsense_ends_it, a_grant_of_what_was_not_sent_ends_it, an_idle_one_gives_signs_of_life)
