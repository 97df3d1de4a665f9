/* sabotage.h - rules that the simulator turns off, one at a time, to see that it finds that. None
 * can be in gridd. */
#ifndef GRIDD_COORDINATION_SABOTAGE_H
#define GRIDD_COORDINATION_SABOTAGE_H

#ifdef GRIDD_SABOTAGE
enum work_sabotage {
    WORK_SABOTAGE_NONE,
    WORK_SABOTAGE_LEASE, /* who led once does not look whether it still does */
    WORK_SABOTAGE_LOOK,  /* nor before it answers */
    WORK_SABOTAGE_TOKEN, /* a token that does not grow */
};
extern enum work_sabotage work_sabotage;
#define WORK_RULE_OFF(name) (work_sabotage == WORK_SABOTAGE_##name)
#else
#define WORK_RULE_OFF(name) false
#endif

#endif
