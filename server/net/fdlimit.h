/* fdlimit.h - how many descriptors the process may have. */
#ifndef GRIDD_NET_FDLIMIT_H
#define GRIDD_NET_FDLIMIT_H

#include <stdint.h>

/* Raise the soft limit to the hard one and return what holds now. */
uint64_t fdlimit_raise(void);

#endif
