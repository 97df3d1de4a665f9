/* bugs.c - see bugs.h. */
#include "tests/sim/whole/bugs.h"

#include "compute/sabotage.h"
#include "replica/sabotage.h"
#include "tests/sim/whole/clients.h"
#undef RULE_OFF
#include "session/sabotage.h"

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
enum router_sabotage router_sabotage;
enum work_sabotage work_sabotage;
bool bug_blind;

static const struct {
    int replica, grid, raft;
    bool blind, map;
} switches[BUGS_BELOW] = {
    [1] = {.replica = REPLICA_SABOTAGE_GRACE},
    [2] = {.replica = REPLICA_SABOTAGE_NO_CUT},
    [3] = {.grid = GRID_SAME_BOOT},
    [4] = {.raft = RAFT_APPLY_UNCOMMITTED},
    [5] = {.blind = true},
    [6] = {.replica = REPLICA_SABOTAGE_COPY_LEASES},
    [7] = {.map = true},
};
enum bug_of_work {
#define X(name, text, passed, seeds) BUG_OF_WORK_##name,
#include "tests/sim/whole/work.def"
#undef X
};
const struct simulator_bug bugs[BUGS] = {
    [1] = {"grace", 200},
    [2] = {"no-cut", 200},
    [3] = {"same-boot", 200},
    [4] = {"apply-uncommitted", 200},
    [5] = {"logged-before-the-catalog", 2000},
    [6] = {"copy-leases", 200},
    [7] = {"map-trusts-broken", 400},
#define X(name, text, seeds) [BUGS_BELOW - 1 + ROUTER_SABOTAGE_##name] = {text, seeds},
#include "tests/sim/whole/router.def"
#undef X
#define X(name, text, passed, seeds) [BUGS_OF_WORK + BUG_OF_WORK_##name] = {text, seeds},
#include "tests/sim/whole/work.def"
#undef X
};
static const enum work_sabotage of_work[] = {
#define X(name, text, passed, seeds) WORK_SABOTAGE_##name,
#include "tests/sim/whole/work.def"
#undef X
};

uint64_t bug_passed(unsigned bug)
{
    static const uint16_t list[] = {
#define X(name, text, passed, seeds) passed,
#include "tests/sim/whole/work.def"
#undef X
    };
    return bug >= BUGS_OF_WORK ? list[bug - BUGS_OF_WORK] : 0;
}

void bug_use(unsigned bug)
{
    bool router = bug >= BUGS_BELOW && bug < BUGS_OF_WORK;
    router_sabotage = (enum router_sabotage)(router ? bug + 1 - BUGS_BELOW : 0);
    work_sabotage = bug >= BUGS_OF_WORK ? of_work[bug - BUGS_OF_WORK] : WORK_SABOTAGE_NONE;
    bug = bug < BUGS_BELOW ? bug : 0;
    replica_sabotage = (enum replica_sabotage)switches[bug].replica;
    grid_sabotage = switches[bug].grid;
    raft_sabotage = switches[bug].raft;
    bug_blind = switches[bug].blind;
    bug_map = switches[bug].map;
}
