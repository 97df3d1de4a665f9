/* sabotage.h - rules that the simulator of this room can switch off, to show that it finds out.
 * Only its objects are compiled with GRIDD_SABOTAGE; in gridd a rule is never off. */
#ifndef GRIDD_REPLICA_SABOTAGE_H
#define GRIDD_REPLICA_SABOTAGE_H

#ifdef GRIDD_SABOTAGE
enum replica_sabotage {
    REPLICA_SABOTAGE_NONE,
#define X(name, text, seeds) REPLICA_SABOTAGE_##name,
#include "tests/sim/replica/sabotage.def"
#undef X
    REPLICA_SABOTAGES
};
extern enum replica_sabotage replica_sabotage;
#define RULE_OFF(name) (replica_sabotage == REPLICA_SABOTAGE_##name)
#else
#define RULE_OFF(name) false
#endif

#endif
