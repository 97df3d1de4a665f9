/* sabotage.h - rules of jobs, schedules and services that the simulator turns off, one at a time,
 * to see that it finds that. None can be in gridd. */
#ifndef GRIDD_COMPUTE_SABOTAGE_H
#define GRIDD_COMPUTE_SABOTAGE_H

#ifdef GRIDD_SABOTAGE
enum work_sabotage {
    WORK_SABOTAGE_NONE,
    WORK_SABOTAGE_LEASE, /* who led once does not look whether it still does */
    WORK_SABOTAGE_LOOK,  /* nor before it answers */
    WORK_SABOTAGE_TOKEN, /* a token that does not grow */
    WORK_SABOTAGE_FENCE, /* nor is held against who led since */
    WORK_SABOTAGE_ALIVE, /* who leads begins what runs elsewhere */
    WORK_SABOTAGE_BEGIN, /* an attempt begins whatever its number */
    WORK_SABOTAGE_STEP,  /* a step is taken of whichever attempt */
    WORK_SABOTAGE_TICK,  /* a tick is fired by whoever says so */
};
extern enum work_sabotage work_sabotage;
#define WORK_RULE_OFF(name) (work_sabotage == WORK_SABOTAGE_##name)
#else
#define WORK_RULE_OFF(name) false
#endif

#endif
