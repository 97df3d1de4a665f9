/* http_once.h - Idempotency-Key: what is asked again with it is done once. */
#ifndef GRIDD_SESSION_HTTP_ONCE_H
#define GRIDD_SESSION_HTTP_ONCE_H

#include "session/http_priv.h"

struct http_asked {
    uint32_t cache;                    /* 0: of none */
    struct slice key;                  /* in that */
    struct slice name, argument, more; /* what is asked of it */
};
struct http_once {
    bool there; /* there is one: the rest is set */
    bool sole;  /* nothing else may be asked with it; all nodes know that */
    struct session_id id;
    uint64_t number;
    uint8_t digest[20]; /* that `id` is the beginning of */
};
/* False: the request is answered. */
bool http_once(struct http_session *h, struct http_request *r, const struct http_asked *a,
               struct http_once *ret_once);
extern const char http_once_other[]; /* for people, with 422: it was another request */

#endif
