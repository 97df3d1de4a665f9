/* story.h - told scenarios: a world in which only what is told goes wrong. Each is a pitfall of
 * primary and backup with a configuration kept elsewhere; told SEEDS_PER_STORY times with other
 * delays, it ends well, and with its rule broken it does not. */
#ifndef GRIDD_TESTS_SIM_REPLICA_STORY_H
#define GRIDD_TESTS_SIM_REPLICA_STORY_H

#include "tests/sim/replica/world.h"

enum { DEEDS_MAX = 10, SEEDS_PER_STORY = 40 };

enum deed_kind {
    CRASH = 1,   /* who, for so long */
    POWER,       /* all */
    PAUSE,       /* who */
    CUT,         /* who and whom, both ways */
    ONE_WAY,     /* from who to whom */
    ALONE,       /* who, from all nodes and the control plane */
    SUSPECT,     /* who is declared gone, wrongly */
    HAND_OVER,   /* to whom */
    SLOW,        /* disk of who: each sync takes so long, for the rest */
    TRIM,        /* the tail of who, in memory and on disk */
    FORGET,      /* in memory alone */
    JOIN,        /* who */
    LEAVE,       /* who is shrunk away */
    AWAY,        /* the control plane */
    WAIT,        /* nothing */
    DROP,        /* who joins stops */
    DAMAGE,      /* who finds that what it has is wrong */
    MUTE,        /* clients get no answers */
    LATE_ASKS,   /* asks come late, and their answers not at all */
    LOST_ANSWERS /* asks are done, and in doubt */
};

/* As things are when the deed is done. */
enum who { CONTROL, PRIMARY, BACKUP, SECOND, JOINING, OUTSIDER, FIRST_PRIMARY };

struct deed {
    unsigned ms; /* after the one before, give or take a tenth */
    enum deed_kind what;
    enum who who, whom;
    unsigned for_ms;
};

struct story {
    const char *name;
    unsigned rule; /* enum replica_sabotage */
    unsigned nodes, copies, min_in_sync;
    enum durability durability;
    bool served; /* nobody waits long, and nobody is asked out without need */
    struct deed deeds[DEEDS_MAX];
    unsigned think_ms, attempt_ms; /* of clients; 0: as usual */
};

extern const struct story stories[];
extern const size_t stories_len;
void story_mix(struct world *w);
void story_step(struct world *w);

#endif
