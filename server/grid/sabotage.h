/* sabotage.h - bugs that the simulator of this room can bring back, to show that it finds them.
 * Only its objects are compiled with GRIDD_SABOTAGE; in gridd a switch is the constant false. */
#ifndef GRIDD_GRID_SABOTAGE_H
#define GRIDD_GRID_SABOTAGE_H

#ifdef GRIDD_SABOTAGE
enum grid_sabotage {
    GRID_SABOTAGE_NONE,
#define X(name, text, seeds) GRID_SABOTAGE_##name,
#include "tests/sim/grid/sabotage.def"
#undef X
    GRID_SABOTAGES
};
extern enum grid_sabotage grid_sabotage;
#define SABOTAGE(name) (grid_sabotage == GRID_SABOTAGE_##name)
#else
#define SABOTAGE(name) false
#endif

#endif
