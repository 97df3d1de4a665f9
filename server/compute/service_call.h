/* service_call.h - the call of a service as a procedure, which is handed on by the shard of the
 * partition that its instance is bound to (op.aside), and never run there.
 *
 * Arguments: MODULE.SERVICE, the method, what it is given, SERVICE_HEAD_BYTES: services_revision of
 * the catalog that the door has (8), number of the instance (4), whether twice is fine (1). The
 * op's key is that of an instance of mode key, else the service's name; its cache the hidden one of
 * the service's context. */
#ifndef GRIDD_COMPUTE_SERVICE_CALL_H
#define GRIDD_COMPUTE_SERVICE_CALL_H

#include "shard/call.h"

procedure_fn command_service;

enum { SERVICE_CALL_ARGS = 4, SERVICE_HEAD_BYTES = 13 };

#endif
