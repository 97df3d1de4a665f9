/* fdlimit.c - the soft limit of open files up to the hard one. */
#include "net/fdlimit.h"

#include <sys/resource.h>

uint64_t fdlimit_raise(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return 0;
    struct rlimit wanted = {.rlim_cur = r.rlim_max, .rlim_max = r.rlim_max};
    if (r.rlim_cur < r.rlim_max && setrlimit(RLIMIT_NOFILE, &wanted) == 0)
        r = wanted;
    return r.rlim_cur;
}
