/* bugs.h - bugs of the rooms below, brought back: each room has switches of its own. */
#ifndef TESTS_SIM_WHOLE_BUGS_H
#define TESTS_SIM_WHOLE_BUGS_H

#include "tests/lib/simulator.h"

enum { BUGS = 5 };
extern const struct simulator_bug bugs[BUGS];
void bug_use(unsigned bug); /* 0: none */

#endif
