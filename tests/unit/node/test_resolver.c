/* test_resolver.c - names are asked for beside the loop.
 * LINK: node net base */
#include "base/list.h"
#include "node/resolver.h"
#include "tests/lib/unit.h"

#include <stdio.h>

struct answer {
    unsigned count;
    size_t len;
    char address[64], why[NET_WHY_BYTES];
    struct net_addr first;
};

static void on_mail(void *ctx, struct mail *m)
{
    struct note *n = container_of(m, struct note, mail);
    n->run(n, ctx);
}

static void on_answer(void *ctx, const char *address, const struct net_addr *addrs, size_t len,
                      const char *why)
{
    struct answer *a = ctx;
    a->count++;
    a->len = len;
    if (len)
        a->first = addrs[0];
    snprintf(a->address, sizeof a->address, "%s", address);
    snprintf(a->why, sizeof a->why, "%s", why);
}

START_TEST(an_answer_comes_to_the_loop_that_asked)
{
    struct answer a = {0};
    struct loop *l = loop_new(&(struct loop_hooks){.mail = on_mail});
    struct resolver *r = resolver_new();
    resolver_ask(r, "localhost:7401", l, on_answer, &a);
    while (!a.count)
        loop_turn(l, true);
    ck_assert_uint_gt(a.len, 0);
    ck_assert(net_addr_loopback(&a.first));
    ck_assert_uint_eq(net_addr_port(&a.first), 7401);
    resolver_ask(r, "no address", l, on_answer, &a);
    while (a.count < 2)
        loop_turn(l, true);
    ck_assert_uint_eq(a.len, 0);
    ck_assert_str_eq(a.address, "no address");
    ck_assert_str_ne(a.why, "");
    resolver_free(r);
    loop_free(l);
}
END_TEST

START_TEST(after_a_stop_nothing_is_answered_and_nothing_is_lost)
{
    struct answer a = {0};
    struct loop *l = loop_new(&(struct loop_hooks){.mail = on_mail});
    struct resolver *r = resolver_new();
    for (int i = 0; i < 10; i++)
        resolver_ask(r, "127.0.0.1:1", l, on_answer, &a);
    resolver_stop(r);
    unsigned most = 10;
    resolver_ask(r, "127.0.0.1:1", l, on_answer, &a);
    loop_free(l);
    ck_assert_uint_le(a.count, most);
    resolver_free(r);
    resolver_free(NULL);
}
END_TEST

UNIT_MAIN("node/resolver", an_answer_comes_to_the_loop_that_asked,
          after_a_stop_nothing_is_answered_and_nothing_is_lost)
