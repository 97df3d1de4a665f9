/* mailbox.c - one word holds everything: NULL (empty, receiver awake), ASLEEP (empty, receiver
 * about to block), or the newest message of a chain that leads to the oldest.
 *
 *   post: swap in the message, chained to what was there; who finds ASLEEP signals the eventfd
 *   take: swap in NULL, turn the chain around
 *   sleep: NULL -> ASLEEP, by compare-and-swap: fails when a message came in between, so no
 *          wake-up is lost
 *
 * The receiver takes all at once, so a message's address cannot come back while a sender compares
 * (no ABA). */
#include "net/mailbox.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
    _Atomic(struct mail *) head;
    int fd;
    atomic_bool wake; /* a wake without a message */
};

static struct mail asleep_mark;
#define ASLEEP (&asleep_mark)

struct mailbox *mailbox_new(void)
{
    struct mailbox *b = xcalloc(1, sizeof *b);
    b->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (b->fd >= 0)
        return b;
    free(b);
    return NULL;
}

void mailbox_free(struct mailbox *b)
{
    if (!b)
        return;
    close(b->fd);
    free(b);
}

static void signal_fd(struct mailbox *b)
{
    uint64_t one = 1;
    /* The only way to fail is a full counter, and then the receiver is signalled already. */
    ssize_t n = write(b->fd, &one, sizeof one);
    (void)n;
}

void mailbox_post(struct mailbox *b, struct mail *m)
{
    struct mail *old = atomic_load_explicit(&b->head, memory_order_relaxed);
    do
        m->next = old == ASLEEP ? NULL : old;
    while (!atomic_compare_exchange_weak_explicit(&b->head, &old, m, memory_order_acq_rel,
                                                  memory_order_relaxed));
    if (old == ASLEEP)
        signal_fd(b);
}

void mailbox_wake(struct mailbox *b)
{
    atomic_store(&b->wake, true);
    struct mail *old = ASLEEP;
    if (atomic_compare_exchange_strong(&b->head, &old, NULL))
        signal_fd(b);
}

struct mail *mailbox_take(struct mailbox *b)
{
    if (!atomic_load_explicit(&b->head, memory_order_relaxed))
        return NULL;
    struct mail *m = atomic_exchange_explicit(&b->head, NULL, memory_order_acq_rel);
    struct mail *oldest = NULL;
    while (m && m != ASLEEP) {
        struct mail *next = m->next;
        m->next = oldest;
        oldest = m;
        m = next;
    }
    return oldest;
}

bool mailbox_sleep(struct mailbox *b)
{
    struct mail *old = NULL;
    if (!atomic_compare_exchange_strong(&b->head, &old, ASLEEP) && old != ASLEEP)
        return false;
    if (!atomic_exchange(&b->wake, false))
        return true;
    mailbox_awake(b);
    return false;
}

void mailbox_awake(struct mailbox *b)
{
    struct mail *old = ASLEEP;
    atomic_compare_exchange_strong(&b->head, &old, NULL);
}

/* Blocks until signalled or the time is up; true: signalled. */
static bool wait_fd(struct mailbox *b, int timeout_ms)
{
    struct pollfd p = {.fd = b->fd, .events = POLLIN};
    msec_t start = clock_mono_ms();
    int left = timeout_ms;
    int n;
    while ((n = poll(&p, 1, left)) < 0 && errno == EINTR) {
        msec_t spent = clock_mono_ms() - start;
        if (timeout_ms >= 0)
            left = spent < (msec_t)timeout_ms ? timeout_ms - (int)spent : 0;
    }
    uint64_t count;
    return n > 0 && read(b->fd, &count, sizeof count) == (ssize_t)sizeof count;
}

struct mail *mailbox_wait(struct mailbox *b, int timeout_ms)
{
    struct mail *m = mailbox_take(b);
    if (m || timeout_ms == 0)
        return m;
    if (mailbox_sleep(b))
        wait_fd(b, timeout_ms);
    return mailbox_take(b);
}

int mailbox_fd(const struct mailbox *b)
{
    return b->fd;
}
