/* may.h - what who asks may do (base/rights.h). Each door asks here before it does a request, with
 * the right that its table names for it; whose line names none is for operators alone. */
#ifndef GRIDD_SESSION_MAY_H
#define GRIDD_SESSION_MAY_H

#include "session/session_priv.h"

enum { MAY_WHY_BYTES = 320 };

/* Who it is from now on: a user, the common name of a certificate, or "". */
void session_is(struct session *s, const char *user);
/* `name` as in base/rights.h; empty: nothing in particular. */
static inline bool session_may(struct session *s, enum right right, struct slice name)
{
    return likely(!s->rights) || rights_have(s->rights, right, name);
}
bool session_may_cache_slowly(struct session *s, enum right right, uint32_t cache);
/* Of a cache (global id). One that is not there: of all caches. */
static inline bool session_may_cache(struct session *s, enum right right, uint32_t cache)
{
    return likely(!s->rights) || session_may_cache_slowly(s, right, cache);
}
/* For people: which right is missing, of what. */
void session_lacks(const struct session *s, enum right right, struct slice name,
                   char why[MAY_WHY_BYTES]);
void session_lacks_cache(const struct session *s, enum right right, uint32_t cache,
                         char why[MAY_WHY_BYTES]);
/* Administrative requests, whichever door they come by. */
enum right session_admin_right(enum admin_op op);

#endif
