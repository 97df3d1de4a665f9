/* sabotage.h - faults of the simulated node itself, put into its ports and its disk, that no run
 * may survive. They prove that the checkers can fail. */
#ifndef GRIDD_TESTS_SIM_SABOTAGE_H
#define GRIDD_TESTS_SIM_SABOTAGE_H

enum sabotage {
    SABOTAGE_NONE,
#define X(name, text, seeds) SABOTAGE_##name,
#include "tests/sim/sabotage.def"
#undef X
    SABOTAGES
};

#endif
