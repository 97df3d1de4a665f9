/* rights.h - what a user may do, as text in one line:
 *
 *   NAME: RIGHT[=PATTERN], RIGHT[=PATTERN], ...     "ann: read, write=shop/c*, compute=bank.*"
 *
 * NAME is a user or the common name of a certificate; * stands for all that no other line names. Of
 * RIGHT there are those below; PATTERN (base/glob.h) says of what: read and write of the caches
 * "context/cache", compute of "module.function", or "eval": scripts that clients bring. Who is
 * named by no line may do all, so a configuration without lines is one without bounds. */
#ifndef GRIDD_BASE_RIGHTS_H
#define GRIDD_BASE_RIGHTS_H

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>

/* The first is what is needed where nothing else is said: a table of operations whose new line
 * names no right lets operators in alone. */
#define RIGHTS(X)                                                                                  \
    X(ADMIN, "admin")     /* settings, contexts, caches, nodes, modules, other clients */          \
    X(COMPUTE, "compute") /* code, which may do in its context what it likes */                    \
    X(WRITE, "write")                                                                              \
    X(READ, "read")

enum right {
#define X(name, text) RIGHT_##name,
    RIGHTS(X)
#undef X
        RIGHT_ANYBODY, /* who came in */
};

enum { RIGHTS_LEN = RIGHT_ANYBODY, RIGHTS_NAME_BYTES = 64 };

struct rights;      /* opaque: of one user */
struct rights_list; /* opaque: of all */

bool rights_line_good(const char *line);
/* Bytes of the name that a good line begins with. */
size_t rights_line_name(const char *line);
/* `lines`: good ones, borrowed for the call. Release with rights_list_free(). */
struct rights_list *rights_list_new(const char *const *lines, size_t len);
void rights_list_free(struct rights_list *l); /* NULL is fine */
/* NULL: he may do all. Borrowed from the list. */
const struct rights *rights_of(const struct rights_list *l, const char *user);
/* Whether they have the right for that name; NULL data: for every name there may be. */
bool rights_have(const struct rights *r, enum right right, struct slice name);
const char *right_text(enum right right); /* of those that have one */

#endif
