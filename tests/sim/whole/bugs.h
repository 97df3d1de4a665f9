/* bugs.h - bugs of the rooms below, brought back: each room has switches of its own. */
#ifndef TESTS_SIM_WHOLE_BUGS_H
#define TESTS_SIM_WHOLE_BUGS_H

struct bug {
    const char *text; /* NULL: the end */
    unsigned seeds;   /* within so many it is found */
    int replica, grid, raft;
};
extern const struct bug bugs[];
void bug_use(const struct bug *b);

#endif
