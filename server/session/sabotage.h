/* sabotage.h - rules of the router that the simulator of whole grids can switch off, to show that
 * it finds out. Only its objects are compiled with GRIDD_SABOTAGE; in gridd a rule is never off. */
#ifndef GRIDD_SESSION_SABOTAGE_H
#define GRIDD_SESSION_SABOTAGE_H

#ifdef GRIDD_SABOTAGE
enum router_sabotage {
    ROUTER_SABOTAGE_NONE,
#define X(name, text, seeds) ROUTER_SABOTAGE_##name,
#include "tests/sim/whole/router.def"
#undef X
    ROUTER_SABOTAGES
};
extern enum router_sabotage router_sabotage;
#define RULE_OFF(name) (router_sabotage == ROUTER_SABOTAGE_##name)
#else
#define RULE_OFF(name) false
#endif

#endif
