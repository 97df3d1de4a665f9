/* collector.h - gathers the answers to a request that was split up, and answers it once, in the
 * order of the request, by door.collected().
 * Each part submitted counts as in flight for its session, which therefore outlives the collector.
 * Bytes of values are bounded per collector and per session; a value that does not fit becomes
 * an error in its place. */
#ifndef GRIDD_SESSION_COLLECTOR_H
#define GRIDD_SESSION_COLLECTOR_H

#include "session/session.h"

struct collector; /* opaque */

/* Where the answers go: one place each (many keys), or summed up (COUNT). */
enum gather { GATHER_PLACES, GATHER_SUM };

/* `parts` answers are awaited; frees itself with the last one. */
struct collector *collector_new(struct session *s, uint64_t number, enum gather gather,
                                uint32_t parts);
/* The ticket of a part that is about to be submitted. */
struct ticket collector_ticket(struct collector *c, uint32_t part);
/* The answer to one part, from a partition or (before all are submitted) from the session
 * itself. */
void collector_add(struct collector *c, uint32_t part, const struct result *res);
struct session *collector_session(const struct collector *c);
/* Free those that still wait, when the session is freed. */
void collectors_free(struct session *s);
void collectors_check(const struct session *s);

#endif
