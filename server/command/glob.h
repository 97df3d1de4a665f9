/* glob.h - patterns as KEYS, SCAN and PSUBSCRIBE take them: * ? [abc] [^a] [a-z] \x, any bytes. */
#ifndef GRIDD_COMMAND_GLOB_H
#define GRIDD_COMMAND_GLOB_H

#include "base/slice.h"

/* Whether all of `text` matches. Time is bounded by the product of the lengths. */
bool glob_match(struct slice pattern, struct slice text, bool ignore_case);

#endif
