/* test_conn.c - connections, each claim over plain and over TLS.
 * LINK: net base certs */
#include "tests/unit/net/fixture.h"

static const bool KINDS[] = {false, true};
#define EACH_KIND(s)                                                                               \
    for (size_t kind = 0; kind < 2; kind++)                                                        \
        for (struct server *s = server_new(KINDS[kind], TLS_PEER_REQUIRED); s;                     \
             server_free(s), s = NULL)

START_TEST(frames_of_any_size_are_echoed)
{
    static const size_t SIZES[] = {1, 100, 4092, 4096, 16384, 65532, 65536, 300000, 5 << 20};
    EACH_KIND(s)
    {
        struct client c = client_new(s);
        for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++)
            echo_once(s, &c, SIZES[i], (unsigned)i);
        client_free(&c);
        until(s, &s->closed, 1);
        ck_assert_int_eq(s->end, CONN_ENDED_PEER);
    }
}
END_TEST

START_TEST(input_that_comes_byte_by_byte_is_offered_whole)
{
    EACH_KIND(s)
    {
        struct client c = client_new(s);
        uint8_t *f = frame_new(60, 7), back[64];
        for (size_t i = 0; i < 64; i++) {
            ck_assert_uint_eq(s->frames, 0);
            client_send(s, &c, f + i, 1);
            for (int t = 0; t < 3; t++)
                turn(s);
        }
        client_recv(s, &c, back, 64);
        ck_assert_int_eq(memcmp(f, back, 64), 0);
        ck_assert_uint_eq(s->frames, 1);
        free(f);
        client_free(&c);
    }
}
END_TEST

START_TEST(answers_of_one_turn_go_out_in_one_write)
{
    EACH_KIND(s)
    {
        struct client c = client_new(s);
        struct buf many = BUF_INIT;
        uint8_t *f = frame_new(100, 1), back[50 * 104];
        for (int i = 0; i < 50; i++)
            buf_add(&many, f, 104);
        struct loop_stats before, after;
        loop_stats(s->loop, &before);
        ck_assert_int_eq(client_write(&c, many.data, many.len), (ssize_t)many.len);
        turn(s);
        loop_stats(s->loop, &after);
        ck_assert_uint_eq(s->frames, 50);
        ck_assert_uint_eq(after.reads - before.reads, 1);
        ck_assert_uint_eq(after.writes - before.writes, 1);
        client_recv(s, &c, back, sizeof back);
        buf_release(&many);
        free(f);
        client_free(&c);
    }
}
END_TEST

START_TEST(input_of_many_connections_stays_valid_until_the_turn_ends)
{
    EACH_KIND(s)
    {
        enum { CLIENTS = 60 };
        struct client c[CLIENTS];
        for (int i = 0; i < CLIENTS; i++)
            c[i] = client_new(s);
        for (int i = 0; i < CLIENTS; i++) {
            uint8_t *f = frame_new(8000, (unsigned)i);
            ck_assert_int_eq(client_write(&c[i], f, 8004), 8004);
            free(f);
        }
        turn(s);
        turn(s);
        for (int i = 0; i < CLIENTS; i++) {
            uint8_t *f = frame_new(8000, (unsigned)i), back[8004];
            client_recv(s, &c[i], back, sizeof back);
            ck_assert_int_eq(memcmp(f, back, sizeof back), 0);
            free(f);
            client_free(&c[i]);
        }
    }
}
END_TEST

START_TEST(requests_left_by_a_bound_are_offered_again_without_new_bytes)
{
    EACH_KIND(s)
    {
        s->frames_per_input = 3;
        struct client c = client_new(s);
        struct buf many = BUF_INIT;
        for (unsigned i = 0; i < 100; i++) {
            uint8_t *f = frame_new(40 + i, i);
            buf_add(&many, f, 44 + i);
            free(f);
        }
        ck_assert_int_eq(client_write(&c, many.data, many.len), (ssize_t)many.len);
        turn(s);
        ck_assert_uint_eq(s->frames, 3);
        until(s, &s->frames, 100);
        uint8_t *back = xalloc(many.len);
        client_recv(s, &c, back, many.len);
        ck_assert_int_eq(memcmp(back, many.data, many.len), 0);
        free(back);
        buf_release(&many);
        client_free(&c);
    }
}
END_TEST

START_TEST(a_paused_connection_gets_no_input_until_resumed)
{
    EACH_KIND(s)
    {
        struct client c = client_new(s);
        conn_pause(s->last);
        uint8_t *f = frame_new(100, 1), back[104];
        client_send(s, &c, f, 104);
        for (int i = 0; i < 20; i++)
            turn(s);
        ck_assert_uint_eq(s->inputs, 0);
        conn_resume(s->last);
        client_recv(s, &c, back, sizeof back);
        ck_assert_uint_eq(s->frames, 1);
        free(f);
        client_free(&c);
    }
}
END_TEST

START_TEST(reading_stops_while_too_much_is_unsent_and_goes_on_later)
{
    EACH_KIND(s)
    {
        s->conf.output_high = 100000;
        s->answer_extra = 1 << 20;
        struct client c = client_new(s);
        uint8_t *f = frame_new(10, 1);
        unsigned sent = 0;
        for (; sent < 40; sent++) {
            client_send(s, &c, f, 14);
            turn(s);
            turn(s);
        }
        unsigned at_first = s->frames;
        ck_assert_uint_lt(at_first, sent);
        for (int i = 0; i < 50; i++)
            turn(s);
        ck_assert_uint_eq(s->frames, at_first);
        size_t all = sent * (14 + s->answer_extra);
        uint8_t *back = xalloc(all);
        client_recv(s, &c, back, all);
        ck_assert_uint_eq(s->frames, sent);
        free(back);
        free(f);
        client_free(&c);
    }
}
END_TEST

START_TEST(a_peer_that_takes_nothing_is_closed_and_one_that_takes_a_little_is_not)
{
    EACH_KIND(s)
    {
        s->conf.slow_reader_ms = 5000;
        s->answer_extra = 32 << 20;
        struct client c = client_new(s);
        uint8_t *f = frame_new(10, 1), *some = xalloc(1 << 20);
        s->now += 100000; /* a long silence before is no fault */
        client_send(s, &c, f, 14);
        for (int i = 0; i < 8; i++) {
            turn(s);
            s->now += 4000;
            client_recv(s, &c, some, 1 << 20);
            for (int t = 0; t < 10; t++)
                turn(s);
        }
        ck_assert_uint_eq(s->closed, 0);
        for (int i = 0; i < 4 && !s->closed; i++) {
            s->now += 5000;
            turn(s);
        }
        ck_assert_uint_eq(s->closed, 1);
        ck_assert_int_eq(s->end, CONN_ENDED_SLOW);
        free(f);
        free(some);
        client_free(&c);
    }
}
END_TEST

START_TEST(an_idle_connection_is_closed_and_activity_puts_that_off)
{
    EACH_KIND(s)
    {
        s->conf.idle_ms = 1000;
        struct client c = client_new(s);
        for (unsigned i = 0; i < 5; i++) {
            s->now += 900;
            echo_once(s, &c, 10, i);
        }
        ck_assert_uint_eq(s->closed, 0);
        s->now += 1000;
        ck_assert(client_ended(s, &c));
        ck_assert_int_eq(s->end, CONN_ENDED_IDLE);
        client_free(&c);
    }
}
END_TEST

START_TEST(who_does_not_greet_in_time_is_closed_however_busy)
{
    EACH_KIND(s)
    {
        s->conf.handshake_ms = 1000;
        struct client guest = client_new(s);
        conn_expect(s->last);
        conn_greeted(s->last);
        struct client stranger = client_new(s);
        conn_expect(s->last);
        s->now += 900;
        echo_once(s, &stranger, 10, 1);
        s->now += 100;
        ck_assert(client_ended(s, &stranger));
        ck_assert_int_eq(s->end, CONN_ENDED_IDLE);
        s->now += 5000;
        echo_once(s, &guest, 10, 2);
        ck_assert_uint_eq(s->closed, 1);
        client_free(&stranger);
        client_free(&guest);
    }
}
END_TEST

START_TEST(finish_delivers_all_output_although_input_is_unread)
{
    EACH_KIND(s)
    {
        struct client c = client_new(s);
        conn_pause(s->last);
        uint8_t *junk = frame_new(60000, 3), *back = xalloc(3 << 20);
        client_send(s, &c, junk, 60004);
        turn(s);
        memset(buf_reserve(conn_output(s->last), 3 << 20), 'y', 3 << 20);
        conn_output(s->last)->len += 3 << 20;
        conn_finish(s->last);
        conn_finish(s->last);
        ck_assert(!conn_alive(s->last));
        client_recv(s, &c, back, 3 << 20);
        ck_assert_int_eq(back[(3 << 20) - 1], 'y');
        ck_assert(client_ended(s, &c));
        ck_assert_uint_eq(s->closed, 0); /* lingering: the peer has not closed */
        client_free(&c);
        until(s, &s->closed, 1);
        ck_assert_int_eq(s->end, CONN_ENDED_OWNER);
        free(junk);
        free(back);
    }
}
END_TEST

START_TEST(lingering_ends_with_its_time)
{
    EACH_KIND(s)
    {
        struct client c = client_new(s);
        conn_finish(s->last);
        ck_assert(client_ended(s, &c));
        ck_assert_uint_eq(s->closed, 0);
        s->now += 500;
        until(s, &s->closed, 1);
        ck_assert_int_eq(s->end, CONN_ENDED_OWNER);
        client_free(&c);
    }
}
END_TEST

START_TEST(a_peer_that_ended_its_side_still_gets_its_answers)
{
    EACH_KIND(s)
    {
        s->handler.input_ended = on_input_ended;
        s->frames_per_input = 1;
        struct client c = client_new(s);
        uint8_t *f = frame_new(100, 1), back[3 * 104];
        for (int i = 0; i < 3; i++)
            client_send(s, &c, f, 104);
        if (c.ssl)
            SSL_shutdown(c.ssl);
        shutdown(c.fd, SHUT_WR);
        until(s, &s->input_ended, 1);
        ck_assert_uint_eq(s->frames, 3);
        conn_finish(s->last);
        client_recv(s, &c, back, sizeof back);
        ck_assert(client_ended(s, &c));
        ck_assert_uint_eq(s->closed, 1);
        free(f);
        client_free(&c);
    }
}
END_TEST

START_TEST(a_reset_ends_it_once)
{
    EACH_KIND(s)
    {
        struct client c = client_new(s);
        struct linger hard = {1, 0};
        setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        client_free(&c);
        until(s, &s->closed, 1);
        ck_assert_int_eq(s->end, CONN_ENDED_BROKEN);
        for (int i = 0; i < 10; i++)
            turn(s);
        ck_assert_uint_eq(s->closed, 1);
    }
}
END_TEST

START_TEST(unfinished_input_beyond_the_limit_ends_it)
{
    EACH_KIND(s)
    {
        s->conf.input_max = 100000;
        struct client c = client_new(s);
        uint8_t *f = frame_new(300000, 1);
        size_t at = 0;
        for (int i = 0; i < 2000 && !s->closed && at < 300000; i++) {
            ssize_t n = client_write(&c, f + at, 300000 - at);
            at += n > 0 ? (size_t)n : 0;
            turn(s);
        }
        until(s, &s->closed, 1);
        ck_assert_int_eq(s->end, CONN_ENDED_INPUT);
        free(f);
        client_free(&c);
    }
}
END_TEST

START_TEST(close_sends_what_is_there_and_later_output_is_dropped)
{
    EACH_KIND(s)
    {
        struct client c = client_new(s);
        buf_add(conn_output(s->last), "farewell", 8);
        conn_close(s->last);
        conn_close(s->last);
        buf_add(conn_output(s->last), "too late", 8);
        ck_assert_uint_eq(s->closed, 0);
        turn(s);
        ck_assert_uint_eq(s->closed, 1);
        char back[8];
        client_recv(s, &c, back, 8);
        ck_assert_int_eq(memcmp(back, "farewell", 8), 0);
        ck_assert(client_ended(s, &c));
        client_free(&c);
    }
}
END_TEST

START_TEST(no_ready_connection_starves_when_turns_are_full)
{
    enum { CLIENTS = 100, BYTES = 200000 };
    struct server *s = server_new(false, TLS_PEER_NONE);
    struct client c[CLIENTS];
    uint8_t *f = frame_new(BYTES - 4, 1);
    for (int i = 0; i < CLIENTS; i++)
        c[i] = client_new(s);
    size_t at[CLIENTS] = {0};
    for (int t = 0; t < 40 && s->frames < CLIENTS; t++) {
        for (int i = 0; i < CLIENTS; i++) {
            ssize_t n = at[i] < BYTES ? client_write(&c[i], f + at[i], BYTES - at[i]) : 0;
            at[i] += (size_t)(n > 0 ? n : 0);
        }
        turn(s);
    }
    ck_assert_uint_eq(s->frames, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        client_free(&c[i]);
    free(f);
    server_free(s);
}
END_TEST

START_TEST(a_stopped_loop_closes_every_connection_once)
{
    EACH_KIND(s)
    {
        struct client c[5];
        for (int i = 0; i < 5; i++)
            c[i] = client_new(s);
        listener_free(s->listener);
        s->listener = NULL;
        loop_free(s->loop);
        ck_assert_uint_eq(s->closed, 5);
        ck_assert_int_eq(s->end, CONN_ENDED_STOP);
        s->loop = loop_new(&(struct loop_hooks){0});
        for (int i = 0; i < 5; i++)
            client_free(&c[i]);
    }
}
END_TEST

UNIT_MAIN("net/conn", frames_of_any_size_are_echoed, input_that_comes_byte_by_byte_is_offered_whole,
          answers_of_one_turn_go_out_in_one_write,
          input_of_many_connections_stays_valid_until_the_turn_ends,
          requests_left_by_a_bound_are_offered_again_without_new_bytes,
          a_paused_connection_gets_no_input_until_resumed,
          reading_stops_while_too_much_is_unsent_and_goes_on_later,
          a_peer_that_takes_nothing_is_closed_and_one_that_takes_a_little_is_not,
          an_idle_connection_is_closed_and_activity_puts_that_off,
          who_does_not_greet_in_time_is_closed_however_busy,
          finish_delivers_all_output_although_input_is_unread, lingering_ends_with_its_time,
          a_peer_that_ended_its_side_still_gets_its_answers, a_reset_ends_it_once,
          unfinished_input_beyond_the_limit_ends_it,
          close_sends_what_is_there_and_later_output_is_dropped,
          no_ready_connection_starves_when_turns_are_full,
          a_stopped_loop_closes_every_connection_once)
