/* resp_script.c - code of clients: EVAL and its kin, FCALL, and SCRIPT.
 *
 *   EVAL text ...    -> kept by its digest, node-wide -> text ... digest | compute/eval.c, at the
 *   EVALSHA sha ...  -> its text, or NOSCRIPT         -> sha ... text    | partition of its keys
 *   FCALL name ...   -> how much is known of modules  -> name ... so much | compute/fcall.c
 *
 * Without keys a script is placed by its digest, a function by its name. */
#include "session/resp_priv.h"

#include "compute/eval.h"
#include "compute/library.h"
#include "compute/scripts.h"

#include <stdio.h>

enum { TEXT = 1, FIRST_KEY = 3 };

/* --- a request that a shard understands ------------------------------------------------------- */

static bool by_digest(const struct resp_request *q)
{
    return q->command->procedure == command_evalsha || q->command->procedure == command_evalsha_ro;
}

static bool is_function(const struct resp_command *c)
{
    return c->procedure == command_fcall || c->procedure == command_fcall_ro;
}

static void *turn_memory(void *ctx, size_t bytes)
{
    struct resp_session *r = ctx;
    return arena_alloc(r->base.arena, bytes);
}

/* A copy of the turn. NULL data: no room. */
static struct slice turn_copy(struct resp_session *r, struct slice s)
{
    uint8_t *copy = turn_memory(r, s.len + 1);
    if (copy && s.len)
        memcpy(copy, s.data, s.len);
    return slice_make(copy, copy ? s.len : 0);
}

/* What goes behind the arguments; `fault` gets why there is none. NULL data: that, or no room. */
static struct slice extra_of(struct resp_session *r, const struct resp_request *q,
                             struct buf *fault)
{
    struct scripts *scripts = r->base.ports->scripts;
    struct slice extra = {NULL, 0};
    if (by_digest(q)) {
        if (!scripts_get(scripts, q->args[TEXT], turn_memory, r, &extra))
            buf_add(fault, eval_no_script, sizeof eval_no_script - 1);
        return extra;
    }
    char sha[SHA1_HEX];
    if (scripts_add(scripts, q->args[TEXT], sha, fault))
        extra = turn_copy(r, slice_make(sha, SHA1_HEX));
    return extra;
}

/* Whether there is such a function the shard says, which may know more; a name that none can have
 * is no key to place it by. NULL: nothing is wrong. */
static const char *function_fault(struct resp_session *r, const struct resp_request *q)
{
    const struct module *m;
    const char *line;
    struct slice name = q->args[TEXT];
    if (!module_name_good(name))
        return library_no_function;
    if (library_keys(q->args, q->args_len, false, &line) >= 0)
        return NULL;
    return catalog_function(session_catalog(&r->base), name, &m) ? line : library_no_function;
}

static struct slice function_extra(struct resp_session *r)
{
    uint8_t revision[LIBRARY_EXTRA_BYTES];
    store_u64(revision, session_catalog(&r->base)->modules_revision);
    return turn_copy(r, slice_make(revision, sizeof revision));
}

static const char *script_fault(const struct resp_request *q)
{
    const char *line = NULL;
    bool no_name = by_digest(q) && q->args[TEXT].len != SHA1_HEX;
    if (!no_name)
        (void)eval_keys(q->args, q->args_len, false, &line);
    return line;
}

enum resp_taken resp_script_complete(struct resp_session *r, const struct resp_request *q,
                                     struct resp_request *ret_whole)
{
    struct buf fault = BUF_INIT;
    bool function = is_function(q->command);
    const char *line = function ? function_fault(r, q) : script_fault(q);
    if (line)
        buf_add(&fault, line, strlen(line));
    struct slice *args = arena_alloc(r->base.arena, (q->args_len + 1) * sizeof *args);
    struct slice extra = {NULL, 0};
    if (args && !fault.len)
        extra = function ? function_extra(r) : extra_of(r, q, &fault);
    bool said = fault.len > 0;
    if (said) {
        struct buf *out = resp_open_now(r);
        resp_error(out, buf_slice(&fault));
        resp_close_now(r);
    }
    buf_release(&fault);
    if (said)
        return RESP_TAKEN;
    if (!args || !extra.data)
        return resp_no_room(q->turn);
    memcpy(args, q->args, q->args_len * sizeof *args);
    args[q->args_len] = extra;
    *ret_whole = (struct resp_request){q->command, args, q->args_len + 1, q->turn};
    return RESP_TAKEN;
}

struct resp_keys resp_script_keys(const struct resp_command *c, const struct slice *args,
                                  uint32_t args_len)
{
    const char *fault;
    int64_t keys = eval_keys(args, args_len, true, &fault);
    if (keys > 0)
        return (struct resp_keys){FIRST_KEY, FIRST_KEY + (uint32_t)keys - 1, 1};
    bool name_first =
        c->procedure == command_evalsha || c->procedure == command_evalsha_ro || is_function(c);
    uint32_t name = name_first ? (uint32_t)TEXT : args_len - 1;
    return (struct resp_keys){name, name, 1};
}

/* --- SCRIPT ----------------------------------------------------------------------------------- */

void resp_script_load(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    char sha[SHA1_HEX];
    struct buf fault = BUF_INIT;
    if (scripts_add(r->base.ports->scripts, q->args[2], sha, &fault))
        resp_bulk(out, slice_make(sha, SHA1_HEX));
    else
        resp_error(out, buf_slice(&fault));
    buf_release(&fault);
}

void resp_script_exists(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    resp_array(out, q->args_len - 2);
    for (uint32_t i = 2; i < q->args_len; i++)
        resp_integer(out, scripts_get(r->base.ports->scripts, q->args[i], NULL, NULL, NULL));
}

void resp_script_flush(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    bool known = q->args_len == 2 || (q->args_len == 3 && (resp_word_is(q->args[2], "sync") ||
                                                           resp_word_is(q->args[2], "async")));
    if (!known) {
        resp_error_text(out, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
        return;
    }
    scripts_flush(r->base.ports->scripts);
    resp_ok(out);
}

/* A script that runs keeps its shard from hearing this; its bounds end it soon. */
void resp_script_kill(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    (void)q;
    resp_error_text(out, "NOTBUSY No scripts in execution right now.");
}

void resp_script_debug(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    if (resp_word_is(q->args[2], "no"))
        resp_ok(out);
    else if (resp_word_is(q->args[2], "yes") || resp_word_is(q->args[2], "sync"))
        resp_error_text(out, "ERR scripts cannot be debugged here");
    else
        resp_error_text(out, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
}
