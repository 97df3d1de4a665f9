/* map.h - maps as ops. */
#ifndef GRIDD_SESSION_MAP_H
#define GRIDD_SESSION_MAP_H

#include "session/session_priv.h"

/* An op that runs a map over its cache; what it borrows stays as it does for tasks. Its
 * answer: value, cursor, number are as those of MAP in client.proto. */
struct map_request {
    struct slice name, argument, cursor, keys; /* keys: as MAP in client.proto */
    uint32_t time_ms;                          /* 0: as usual */
};
struct map_room {
    struct slice args[6], key;
    uint8_t revision[8], time[4];
};
struct fault session_map(struct session *s, struct op *op, const struct map_request *r);

#endif
