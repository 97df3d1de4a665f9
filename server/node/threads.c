/* threads.c - the threads of a node, as guests of a program: they take no signals, log where their
 * maker does, and write numbers as C does, whatever the program's locale is. */
#include "node/node_priv.h"

#include "base/alloc.h"
#include "base/log.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct starting {
    void *(*body)(void *arg);
    void *arg;
    struct log_sink *log;
};

static void *guest_body(void *arg)
{
    struct starting s = *(struct starting *)arg;
    free(arg);
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = (locale_t)0;
    if (plain)
        before = uselocale(plain);
    log_use(s.log);
    void *ret = s.body(s.arg);
    if (plain) {
        uselocale(before);
        freelocale(plain);
    }
    return ret;
}

/* But for those that a thread brings on itself: blocked, they would end the program without its
 * handlers. A write behind the end of a pipe or of a file's limit is told by an error then. */
static void signals_block(sigset_t *ret_before)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_BLOCK, &all, ret_before);
}

bool thread_start(pthread_t *ret_thread, const char *name, void *(*body)(void *arg), void *arg)
{
    struct starting *s = xalloc(sizeof *s);
    *s = (struct starting){body, arg, log_used()};
    sigset_t before;
    pthread_t thread;
    signals_block(&before);
    int error = pthread_create(&thread, NULL, guest_body, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        log_error("node", "no thread \"%s\": the system gives no more", name);
        free(s);
        return false;
    }
    pthread_setname_np(thread, name);
    *ret_thread = thread;
    return true;
}

bool thread_start_shard(pthread_t *ret_thread, const char *what, unsigned shard,
                        void *(*body)(void *arg), void *arg)
{
    char name[THREAD_NAME_BYTES];
    snprintf(name, sizeof name, "%s-%u", what, shard);
    return thread_start(ret_thread, name, body, arg);
}

void thread_give_way(void)
{
    (void)!setpriority(PRIO_PROCESS, (id_t)gettid(), BACKGROUND_NICE);
}

bool helper_start(struct helper *h, struct worker *w, const char *what, void *(*body)(void *w))
{
    h->box = mailbox_new();
    if (h->box && thread_start_shard(&h->thread, what, w->index, body, w))
        return true;
    mailbox_free(h->box);
    h->box = NULL;
    return false;
}

void helper_end(struct helper *h, struct worker *w)
{
    if (!h->box)
        return;
    atomic_store(&h->stop, true);
    mailbox_wake(h->box);
    pthread_join(h->thread, NULL);
    loop_turn(w->loop, false);
    mailbox_free(h->box);
    h->box = NULL;
}
