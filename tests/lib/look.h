/* look.h - programs that wait for what another thread or process tells nobody of: they look again,
 * not for ever; and ports for nodes that such programs start. */
#ifndef GRIDD_TESTS_LIB_LOOK_H
#define GRIDD_TESTS_LIB_LOOK_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_DEADLINE_S = 60, LOOK_PAUSE_NS = 2000000 };

static inline double look_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Between two looks at a condition. False: the deadline is over. */
static inline bool look_again(double began)
{
    nanosleep(&(struct timespec){.tv_nsec = LOOK_PAUSE_NS}, NULL);
    return look_now_s() - began < LOOK_DEADLINE_S;
}

/* Below those of outgoing connections: none of these takes it while its node is down. */
static inline unsigned look_free_port(void)
{
    static unsigned last;
    if (!last)
        last = 10000 + (unsigned)getpid() * 11 % 15000;
    for (;;) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        last = last < 30000 ? last + 1 : 10000;
        a.sin_port = htons((uint16_t)last);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        bool good = bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
        close(fd);
        if (good)
            return last;
    }
}

#endif
