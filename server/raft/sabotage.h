/* sabotage.h - bugs that the simulator of this room can bring back, to show that it finds them.
 * Only its objects are compiled with GRIDD_SABOTAGE; in gridd a switch is the constant false. */
#ifndef GRIDD_RAFT_SABOTAGE_H
#define GRIDD_RAFT_SABOTAGE_H

#ifdef GRIDD_SABOTAGE
enum raft_sabotage {
    RAFT_SABOTAGE_NONE,
#define X(name, text, seeds) RAFT_SABOTAGE_##name,
#include "tests/sim/raft/sabotage.def"
#undef X
    RAFT_SABOTAGES
};
extern enum raft_sabotage raft_sabotage;
#define SABOTAGE(name) (raft_sabotage == RAFT_SABOTAGE_##name)
#else
#define SABOTAGE(name) false
#endif

#endif
