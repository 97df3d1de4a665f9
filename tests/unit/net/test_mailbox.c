/* test_mailbox.c - messages between threads.
 * LINK: net base */
#include "base/alloc.h"
#include "base/list.h"
#include "net/loop.h"
#include "net/mailbox.h"
#include "tests/lib/unit.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

enum { SENDERS = 4, EACH = 20000 };

struct note {
    struct mail mail;
    unsigned sender;
    unsigned number;
};

struct sender {
    struct mailbox *box;
    unsigned index;
};

static void *send_all(void *ctx)
{
    struct sender *s = ctx;
    for (unsigned i = 0; i < EACH; i++) {
        struct note *n = xalloc(sizeof *n);
        n->sender = s->index;
        n->number = i;
        mailbox_post(s->box, &n->mail);
    }
    return NULL;
}

struct tally {
    unsigned next[SENDERS];
    unsigned total;
    bool disorder;
};

static void count(struct tally *t, struct mail *m)
{
    struct note *n = container_of(m, struct note, mail);
    t->disorder = t->disorder || n->number != t->next[n->sender];
    t->next[n->sender]++;
    t->total++;
    free(n);
}

static void start(struct sender *s, pthread_t *threads, struct mailbox *box)
{
    for (unsigned i = 0; i < SENDERS; i++) {
        s[i] = (struct sender){box, i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, send_all, &s[i]), 0);
    }
}

START_TEST(a_waiting_thread_gets_all_messages_in_order_of_each_sender)
{
    struct mailbox *box = mailbox_new();
    struct sender s[SENDERS];
    pthread_t threads[SENDERS];
    struct tally t = {0};
    start(s, threads, box);
    while (t.total < SENDERS * EACH) {
        for (struct mail *m = mailbox_wait(box, -1), *next; m; m = next) {
            next = m->next;
            count(&t, m);
        }
    }
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert(!t.disorder);
    ck_assert_ptr_null(mailbox_take(box));
    mailbox_free(box);
}
END_TEST

struct loop_tally {
    struct tally tally;
    struct loop *loop;
};

static void on_mail(void *ctx, struct mail *m)
{
    struct loop_tally *t = ctx;
    count(&t->tally, m);
    if (t->tally.total == SENDERS * EACH)
        loop_stop(t->loop);
}

START_TEST(a_loop_gets_all_messages_in_order_of_each_sender)
{
    struct loop_tally t = {0};
    t.loop = loop_new(&(struct loop_hooks){.ctx = &t, .mail = on_mail});
    struct sender s[SENDERS];
    pthread_t threads[SENDERS];
    start(s, threads, loop_mailbox(t.loop));
    loop_run(t.loop);
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(t.tally.total, SENDERS * EACH);
    ck_assert(!t.tally.disorder);
    loop_free(t.loop);
}
END_TEST

static bool signalled(struct mailbox *box)
{
    struct pollfd p = {.fd = mailbox_fd(box), .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

START_TEST(only_a_sleeping_receiver_is_signalled)
{
    struct mailbox *box = mailbox_new();
    struct mail a, b, c;
    mailbox_post(box, &a);
    ck_assert(!signalled(box));
    ck_assert(!mailbox_sleep(box)); /* there is something to take */
    ck_assert_ptr_eq(mailbox_take(box), &a);
    ck_assert(mailbox_sleep(box));
    mailbox_awake(box);
    mailbox_post(box, &b);
    ck_assert(!signalled(box));
    ck_assert_ptr_eq(mailbox_take(box), &b);
    ck_assert(mailbox_sleep(box));
    mailbox_post(box, &c);
    ck_assert(signalled(box));
    ck_assert_ptr_eq(mailbox_take(box), &c);
    mailbox_free(box);
}
END_TEST

START_TEST(a_wake_prevents_the_next_sleep)
{
    struct mailbox *box = mailbox_new();
    mailbox_wake(box);
    ck_assert_ptr_null(mailbox_wait(box, -1));
    mailbox_wake(box);
    ck_assert(!mailbox_sleep(box));
    ck_assert(mailbox_sleep(box));
    mailbox_wake(box);
    ck_assert(signalled(box));
    mailbox_free(box);
}
END_TEST

START_TEST(a_wait_ends_with_its_time)
{
    struct mailbox *box = mailbox_new();
    ck_assert_ptr_null(mailbox_wait(box, 0));
    ck_assert_ptr_null(mailbox_wait(box, 1));
    mailbox_free(box);
}
END_TEST

UNIT_MAIN("net/mailbox", a_waiting_thread_gets_all_messages_in_order_of_each_sender,
          a_loop_gets_all_messages_in_order_of_each_sender, only_a_sleeping_receiver_is_signalled,
          a_wake_prevents_the_next_sleep, a_wait_ends_with_its_time)
