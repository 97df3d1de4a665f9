/* native_service.h - a service in C, in the machine of service.h. Private to it. */
#ifndef GRIDD_COMPUTE_NATIVE_SERVICE_H
#define GRIDD_COMPUTE_NATIVE_SERVICE_H

#include "compute/service.h"

struct native;
struct native_service; /* opaque */

/* Borrows both. Nothing of it is called yet. */
struct native_service *native_service_new(const struct native *native,
                                          const struct service_host *host);
void native_service_free(struct native_service *n); /* NULL is fine */
void native_service_facts(const struct native_service *n, struct service_facts *ret_facts);
/* As service_run(). */
bool native_service_run(struct native_service *n, enum service_function f, uint64_t token,
                        struct slice method, struct slice arg, struct buf *out);

#endif
