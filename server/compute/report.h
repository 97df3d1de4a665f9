/* report.h - what users' code tells people and its callers: why it failed, lines of its log, values
 * as text. The same for all kinds of code. */
#ifndef GRIDD_COMPUTE_REPORT_H
#define GRIDD_COMPUTE_REPORT_H

#include "compute/redis_priv.h"

enum { REPORT_LINE_BYTES = 1024, REPORT_FAULT_MAX = 4096 };

/* Why code failed, in place of what is in `out`: TEXT, "traceback of NAME:", then the lines of
 * `trace`, which may be none. What is no text for people is shown as `?`. */
void report_fault(struct buf *out, struct slice name, struct slice text, const char *trace);
/* The same of the error at -1 of the stack: a text, or anything, which is shown as JSON. */
void report_error(lua_State *L, struct buf *out, struct slice name);
/* The arguments of the function as a line of a log, cut where it is full. Charged. */
void report_line(lua_State *L, char ret_line[REPORT_LINE_BYTES]);
/* The value at `at` of the stack, a text or as JSON; it stays there. What is neither is an error:
 * "`what` is a string, ...". */
struct slice report_value(lua_State *L, int at, const char *what);

#endif
