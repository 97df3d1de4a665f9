/* simulator.h - the command line that all simulators share: seeds, told stories, and bugs brought
 * back, each of which must be found. Prints lines "ok NAME" and "not ok NAME".
 *   PROGRAM    what `make test` runs: stories, a fixed number of seeds, the bugs no story tells of
 *   PROGRAM [--seeds N] [--start S|random]    seeds, each with a mix of faults of its own
 *   PROGRAM --seed S [--trace]                one again
 *   PROGRAM --story all|NAME [--seed S]       told scenarios; each fails when its rule is broken
 *   PROGRAM --sabotage all|untold|NAME        bugs; with --seed or --story: that, with the bug
 * --stats: with counts of what happened. */
#ifndef GRIDD_TESTS_LIB_SIMULATOR_H
#define GRIDD_TESTS_LIB_SIMULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct simulator_story {
    const char *name;
    unsigned seeds; /* it is told so often, with other delays and fates */
    uint64_t rules; /* bit b: with bug b it does not end well */
};

struct simulator_bug {
    const char *name;
    unsigned seeds; /* within so many it is found */
};

struct simulator {
    const char *program;
    uint64_t seeds;       /* of `make test`, from 1 */
    const uint64_t *kept; /* that found something once */
    size_t kept_len;
    /* Run one seed; of a story, or as it is drawn (story NULL). NULL: all is well; else when and
     * how it broke, valid until the next call. */
    const char *(*run)(uint64_t seed, const char *story, bool trace);
    /* The story `at`; false: there are no more. NULL: no stories. */
    bool (*story)(size_t at, struct simulator_story *ret_story);
    void (*break_rule)(unsigned bug); /* from 1; 0: none */
    const struct simulator_bug *bugs; /* bugs[1] is the first */
    size_t bugs_len;
    uint64_t (*passed)(unsigned bug); /* seeds that a search begins behind; NULL: none */
    /* What happened in all seeds of this process, and its names. */
    const uint64_t *counts;
    const char *const *count_names;
    size_t counts_len;
    bool all_happen;        /* in 1,000 seeds none of them is 0 */
    unsigned (*more)(void); /* further claims of `make test`; returns how many failed. NULL: none */
};

int simulator_main(const struct simulator *s, int argc, char **argv);

#endif
