/* glob.h - patterns of the kind "user:*:[a-f]?": `*` any bytes, `?` one byte, `[a-c]`, `[^a]` one
 * of a set, `\x` the byte x itself. As in Redis. */
#ifndef GRIDD_BASE_GLOB_H
#define GRIDD_BASE_GLOB_H

#include "base/slice.h"

/* Takes at most pattern.len * text.len steps. An empty text is like the empty pattern only: "*" is
 * at least one byte long there, as in Redis. */
bool glob_matches(struct slice pattern, struct slice text);
/* What every match begins with. Borrowed from the pattern. */
struct slice glob_prefix(struct slice pattern);

#endif
