/* service.h - services called at a door. */
#ifndef GRIDD_SESSION_SERVICE_H
#define GRIDD_SESSION_SERVICE_H

#include "session/session_priv.h"

struct service_request {
    struct slice name, key, method, arg;
    bool again;    /* twice is fine */
    uint64_t turn; /* of several copies each has its turn, from one request to the next */
};
/* Make the op of it, in the session's arena; `*ret_here`: for session_ports.service. */
struct fault session_service(struct session *s, const struct service_request *r, struct op **ret_op,
                             bool *ret_here);
/* Submit that. */
void session_call(struct session *s, struct op *op, bool here, struct ticket ticket);

#endif
