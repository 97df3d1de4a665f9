/* fdlimit.h - how many descriptors the process may have. */
#ifndef GRIDD_NET_FDLIMIT_H
#define GRIDD_NET_FDLIMIT_H

#include <stdint.h>

/* Raise the soft limit to the hard one, of the whole process. */
void fdlimit_raise(void);
/* How many there may be now. */
uint64_t fdlimit(void);

#endif
