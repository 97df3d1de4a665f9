/* bugs.c - see bugs.h. */
#include "tests/sim/whole/bugs.h"

#include "replica/sabotage.h"

enum grid_bug {
    GRID_NONE,
#define X(name, text, seeds) GRID_##name,
#include "tests/sim/grid/sabotage.def"
#undef X
};
enum raft_bug {
    RAFT_NONE,
#define X(name, text, seeds) RAFT_##name,
#include "tests/sim/raft/sabotage.def"
#undef X
};

extern int grid_sabotage, raft_sabotage;
int grid_sabotage, raft_sabotage; /* enums of those rooms, whose headers do not go together */
enum replica_sabotage replica_sabotage;

const struct bug bugs[] = {
    {"grace", 200, REPLICA_SABOTAGE_GRACE, 0, 0},
    {"no-cut", 200, REPLICA_SABOTAGE_NO_CUT, 0, 0},
    {"same-boot", 200, 0, GRID_SAME_BOOT, 0},
    {"apply-uncommitted", 200, 0, 0, RAFT_APPLY_UNCOMMITTED},
    {0},
};

void bug_use(const struct bug *b)
{
    replica_sabotage = (enum replica_sabotage)b->replica;
    grid_sabotage = b->grid;
    raft_sabotage = b->raft;
}
