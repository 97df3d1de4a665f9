/* main.c - gridctl: ask and steer a grid of gridd nodes. */
#include "ctl.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *environment(const char *name)
{
    return getenv(name);
}

int main(int argc, char **argv)
{
    struct ctl c = {
        .in = stdin,
        .out_file = stdout,
        .err = stderr,
        .out_is_terminal = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
        .err_is_terminal = isatty(STDERR_FILENO),
        .env = environment,
    };
    signal(SIGPIPE, SIG_IGN); /* of sockets; that of stdout is looked at below */
    int code = ctl_run(&c, (const char *const *)argv + 1, argc > 0 ? (size_t)argc - 1 : 0);
    if (ctl_release(&c))
        return code;
    if (c.out_errno == EPIPE) { /* the reader went away: end as any filter does */
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    fprintf(stderr, "gridctl: standard output: %s\n", strerror(c.out_errno));
    return code ? code : EXIT_USAGE;
}
