/* test_listener.c - addresses, limits, descriptors.
 * LINK: net base certs */
#include "net/fdlimit.h"
#include "tests/unit/net/fixture.h"

#include <sys/resource.h>

START_TEST(connections_beyond_the_quota_are_closed_at_once_and_counted)
{
    struct server *s = server_new(false, TLS_PEER_NONE);
    s->quota.max = 3;
    struct client c[5];
    for (int i = 0; i < 5; i++)
        c[i] = client_new(s);
    struct listener_stats st;
    listener_stats(s->listener, &st);
    ck_assert_uint_eq(st.accepted, 3);
    ck_assert_uint_eq(st.refused_limit, 2);
    ck_assert(client_ended(s, &c[4]));
    client_free(&c[0]);
    until(s, &s->closed, 1);
    struct client again = client_new(s);
    echo_once(s, &again, 10, 1);
    client_free(&again);
    for (int i = 1; i < 5; i++)
        client_free(&c[i]);
    server_free(s);
}
END_TEST

START_TEST(a_process_without_descriptors_refuses_and_goes_on)
{
    struct server *s = server_new(false, TLS_PEER_NONE);
    struct client c = {.fd = -1}, first = client_new(s);
    client_connect(s, &c);
    struct rlimit before, none;
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = (rlim_t)dup(0); /* the lowest that is free, and all below are taken */
    close((int)none.rlim_cur);
    setrlimit(RLIMIT_NOFILE, &none);
    for (int i = 0; i < 20; i++)
        turn(s);
    setrlimit(RLIMIT_NOFILE, &before);
    struct listener_stats st;
    listener_stats(s->listener, &st);
    ck_assert_uint_eq(st.refused_fds, 1);
    ck_assert(client_ended(s, &c));
    echo_once(s, &first, 10, 1);
    client_free(&c);
    client_free(&first);
    server_free(s);
}
END_TEST

START_TEST(a_port_in_use_is_named_with_the_reason)
{
    struct server *s = server_new(false, TLS_PEER_NONE);
    char address[NET_ADDR_BYTES], why[NET_WHY_BYTES];
    snprintf(address, sizeof address, "127.0.0.1:%u", listener_port(s->listener));
    struct listener_conf lc = {address, "test", &s->quota, s, on_accepted};
    struct listener *second = NULL;
    ck_assert_int_eq(listener_new(s->loop, &lc, &second, why), GRID_EIN_USE);
    ck_assert_msg(strstr(why, address) && strstr(why, "Address already in use"), "%s", why);
    ck_assert(listener_loopback(s->listener));
    server_free(s);
}
END_TEST

START_TEST(bad_addresses_are_refused_with_their_text)
{
    static const char *const BAD[] = {
        "",         "localhost",        "127.0.0.1:",  "127.0.0.1:65536", "127.0.0.1:x",
        "::1:7400", "127.0.0.1:123456", "1.2.3.4.5:1", "[::1:1",          "300.1.1.1:80"};
    struct loop *l = loop_new(&(struct loop_hooks){0});
    struct quota quota = QUOTA_INIT(0);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        char why[NET_WHY_BYTES] = "";
        struct listener *ls = NULL;
        struct listener_conf lc = {BAD[i], "test", &quota, NULL, on_accepted};
        ck_assert_msg(listener_new(l, &lc, &ls, why) == GRID_EBAD_REQUEST, "%s: %s", BAD[i], why);
        ck_assert_msg(strstr(why, BAD[i]) != NULL, "%s", why);
    }
    loop_free(l);
}
END_TEST

START_TEST(names_and_wildcards_are_listened_on_at_one_port)
{
    static const struct {
        const char *address;
        bool loopback;
    } GOOD[] = {{"localhost:0", true}, {"*:0", false}, {":0", false}, {"0.0.0.0:0", false}};
    struct loop *l = loop_new(&(struct loop_hooks){0});
    struct quota quota = QUOTA_INIT(0);
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        char why[NET_WHY_BYTES] = "";
        struct listener *ls = NULL;
        struct listener_conf lc = {GOOD[i].address, "test", &quota, NULL, on_accepted};
        ck_assert_msg(listener_new(l, &lc, &ls, why) == GRID_OK, "%s", why);
        ck_assert_uint_gt(listener_port(ls), 0);
        ck_assert_int_eq(listener_loopback(ls), GOOD[i].loopback);
        listener_free(ls);
    }
    loop_free(l);
}
END_TEST

START_TEST(addresses_are_written_as_they_are_read)
{
    static const char *const TEXTS[] = {"127.0.0.1:7400", "[::1]:7400", "10.1.2.3:1",
                                        "[2001:db8::7]:65535"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        struct net_addr a[NET_ADDRS_MAX];
        char why[NET_WHY_BYTES], text[NET_ADDR_BYTES];
        size_t len = 0;
        ck_assert_msg(net_resolve(TEXTS[i], a, &len, why) == GRID_OK, "%s", why);
        ck_assert_uint_eq(len, 1);
        ck_assert_str_eq(net_addr_text(&a[0], text), TEXTS[i]);
        ck_assert_int_eq(net_addr_loopback(&a[0]), i < 2);
    }
}
END_TEST

START_TEST(the_descriptor_limit_is_raised_to_the_hard_one)
{
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max / 2;
    setrlimit(RLIMIT_NOFILE, &r);
    ck_assert_uint_eq(fdlimit(), r.rlim_max / 2);
    fdlimit_raise();
    ck_assert_uint_eq(fdlimit(), r.rlim_max);
}
END_TEST

UNIT_MAIN("net/listener", connections_beyond_the_quota_are_closed_at_once_and_counted,
          a_process_without_descriptors_refuses_and_goes_on, a_port_in_use_is_named_with_the_reason,
          bad_addresses_are_refused_with_their_text,
          names_and_wildcards_are_listened_on_at_one_port, addresses_are_written_as_they_are_read,
          the_descriptor_limit_is_raised_to_the_hard_one)
