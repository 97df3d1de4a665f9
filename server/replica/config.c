/* config.c - the invariant of a configuration. */
#include "replica/config.h"

void replica_config_check(const struct replica_config *c)
{
    CHECK(c->in_sync <= c->complete && c->complete <= c->len && c->len <= REPLICA_MEMBERS_MAX);
    CHECK(c->born <= c->epoch);
    CHECK(!c->led || (c->in_sync > 0 && !c->lost));
    for (int i = 0; i < c->len; i++) {
        CHECK(c->members[i].node > 0 && c->members[i].boot > 0);
        for (int j = 0; j < i; j++)
            CHECK(c->members[i].node != c->members[j].node);
    }
}
