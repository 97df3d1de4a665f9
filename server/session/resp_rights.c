/* resp_rights.c - which right a command takes: its flags say it. A command on keys that has none of
 * them is for operators. */
#include "session/may.h"
#include "session/resp_priv.h"

#include "compute/eval.h"
#include "compute/library.h"

#include <stdio.h>

enum { SCRIPT_NAME = 1, NAME_BYTES = 2 * (MODULE_NAME_MAX + 1) };

enum right resp_right(const struct resp_command *c)
{
    static const struct {
        uint32_t flags;
        enum right right;
    } rights[] = {
        {RESP_OPERATES | RESP_ADMIN, RIGHT_ADMIN},
        {RESP_SCRIPT | RESP_BRINGS_CODE, RIGHT_COMPUTE},
        {RESP_WRITE, RIGHT_WRITE},
        {RESP_READONLY, RIGHT_READ},
    };
    for (size_t i = 0; i < sizeof rights / sizeof *rights; i++)
        if (c->flags & rights[i].flags)
            return rights[i].right;
    if (c->flags & RESP_PUBSUB)
        return c->act == resp_publish ? RIGHT_WRITE : RIGHT_READ;
    if (c->act == resp_watch)
        return RIGHT_READ;
    return c->procedure ? RIGHT_ADMIN : RIGHT_ANYBODY;
}

/* "library.function"; of one that is not known here only its own. */
static struct slice function_name(struct resp_session *r, struct slice name, char text[NAME_BYTES])
{
    const struct module *m;
    const struct module_function *f = catalog_function(session_catalog(&r->base), name, &m);
    if (!f)
        return name;
    snprintf(text, NAME_BYTES, "%s.%s", m->info.name, f->name);
    return slice_str(text);
}

static bool may_cache(struct resp_session *r, enum right right, char *why)
{
    if (session_may_cache(&r->base, right, r->cache))
        return true;
    session_lacks_cache(&r->base, right, r->cache, why);
    return false;
}

/* A text that the client brings may do what the client may; a function that was deployed does what
 * it was deployed for. */
static bool may_compute(struct resp_session *r, const struct resp_request *q, char *why)
{
    const struct resp_command *c = q->command;
    char text[NAME_BYTES];
    bool function = c->procedure == command_fcall || c->procedure == command_fcall_ro;
    struct slice name = function ? function_name(r, q->args[SCRIPT_NAME], text) : slice_str("eval");
    if (!session_may(&r->base, RIGHT_COMPUTE, name)) {
        session_lacks(&r->base, RIGHT_COMPUTE, name, why);
        return false;
    }
    return function || !c->procedure ||
           may_cache(r, resp_writes(c) ? RIGHT_WRITE : RIGHT_READ, why);
}

bool resp_may(struct resp_session *r, const struct resp_request *q, char *why)
{
    enum right right = resp_right(q->command);
    if (right == RIGHT_COMPUTE)
        return may_compute(r, q, why);
    if (right == RIGHT_READ || right == RIGHT_WRITE)
        return may_cache(r, right, why);
    if (session_may(&r->base, right, slice_make(NULL, 0)))
        return true;
    session_lacks(&r->base, right, slice_make(NULL, 0), why);
    return false;
}
