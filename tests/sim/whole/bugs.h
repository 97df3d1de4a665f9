/* bugs.h - bugs of the rooms below, brought back: each room has switches of its own. */
#ifndef TESTS_SIM_WHOLE_BUGS_H
#define TESTS_SIM_WHOLE_BUGS_H

#include "tests/lib/simulator.h"

enum {
    BUGS_BELOW = 8, /* of the rooms that have simulators of their own, first none */
    BUGS_OF_WORK = BUGS_BELOW
#define X(name, text, seeds) +1
#include "tests/sim/whole/router.def"
#undef X
    ,
    BUGS = BUGS_OF_WORK
#define X(name, text, passed, seeds) +1
#include "tests/sim/whole/work.def"
#undef X
};
extern const struct simulator_bug bugs[BUGS];
extern bool bug_blind;      /* logs take what the disk's catalog does not know */
void bug_use(unsigned bug); /* 0: none */
uint64_t bug_passed(unsigned bug);

#endif
