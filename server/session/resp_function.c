/* resp_function.c - FUNCTION: libraries of functions, which are modules of the grid.
 *
 *   LOAD, DELETE, FLUSH -> the control thread, as of any administrator; it is answered when all
 *                          nodes know, and stays in the input until then: what follows may need it
 *   LIST, STATS         -> the catalog that this thread has
 *   FCALL               -> resp_script.c */
#include "session/resp_priv.h"

#include "base/alloc.h"
#include "base/glob.h"
#include "compute/library.h"

#include <stdlib.h>

enum { FIRST = 2, WORD_SHOWN = 128 };

/* --- changes ---------------------------------------------------------------------------------- */

static void error_say(struct buf *out, struct slice why)
{
    struct buf line = BUF_INIT;
    buf_printf(&line, "ERR %.*s", (int)why.len, (const char *)why.data);
    resp_error(out, buf_slice(&line));
    buf_release(&line);
}

/* slot->state: what is said when it is done; NULL: OK. */
static void changed(struct resp_session *r, struct resp_slot *slot, uint64_t number, uint32_t part,
                    const struct result *res)
{
    struct buf *out = resp_open(r, number);
    (void)part;
    if (res->status && res->value.len) {
        error_say(out, res->value);
    } else if (res->status) {
        resp_error(out, resp_error_of(res->status));
    } else if (slot->state) {
        resp_bulk(out, slice_str(slot->state));
    } else {
        resp_ok(out);
    }
    resp_close(r, number);
}

/* When it is offered again it is done. */
static enum resp_taken change(struct resp_session *r, const struct admin_request *request,
                              const char *says)
{
    uint64_t number;
    struct resp_slot *slot = resp_slot_new(r, &number);
    slot->result = changed;
    if (says) {
        slot->state = xalloc(strlen(says) + 1);
        slot->state_free = free;
        memcpy(slot->state, says, strlen(says) + 1);
    }
    session_admin(&r->base, number, request);
    r->job.begun = true;
    return RESP_LATER;
}

static bool changed_before(struct resp_session *r)
{
    bool begun = r->job.begun;
    r->job.begun = false;
    return begun;
}

static enum resp_taken refuse(struct resp_session *r, const char *line)
{
    resp_refuse(r, line);
    return RESP_TAKEN;
}

/* `why` is released. */
static enum resp_taken refuse_buf(struct resp_session *r, struct buf *why)
{
    struct buf *out = resp_open_now(r);
    error_say(out, buf_slice(why));
    resp_close_now(r);
    buf_release(why);
    return RESP_TAKEN;
}

/* As Redis does it, which quotes nothing here. */
static void word_add(struct buf *why, const char *before, struct slice word)
{
    int len = word.len < WORD_SHOWN ? (int)word.len : WORD_SHOWN;
    buf_printf(why, "%s%.*s", before, len, (const char *)word.data);
}

/* What is wrong with it is told at once where that takes no machine. */
enum resp_taken resp_function_load(struct resp_session *r, const struct resp_request *q)
{
    struct admin_request a = {.op = ADMIN_MODULE_DEPLOY, .source = q->args[q->args_len - 1]};
    struct module_info info;
    struct buf why = BUF_INIT;
    if (changed_before(r))
        return RESP_TAKEN;
    for (uint32_t i = FIRST; i + 1 < q->args_len; i++) {
        a.replace = resp_word_is(q->args[i], "replace");
        if (!a.replace) {
            word_add(&why, "Unknown option given: ", q->args[i]);
            return refuse_buf(r, &why);
        }
    }
    if (!library_head_read(a.source, slice_str(""), &info, &why))
        return refuse_buf(r, &why);
    if (!a.replace && catalog_module_named(session_catalog(&r->base), slice_str(info.name))) {
        buf_printf(&why, "Library '%s' already exists", info.name);
        return refuse_buf(r, &why);
    }
    return change(r, &a, info.name);
}

enum resp_taken resp_function_delete(struct resp_session *r, const struct resp_request *q)
{
    struct admin_request a = {.op = ADMIN_MODULE_REMOVE};
    if (changed_before(r))
        return RESP_TAKEN;
    if (!module_name_good(q->args[FIRST]))
        return refuse(r, "ERR Library not found");
    memcpy(a.name, q->args[FIRST].data, q->args[FIRST].len);
    return change(r, &a, NULL);
}

enum resp_taken resp_function_flush(struct resp_session *r, const struct resp_request *q)
{
    struct admin_request a = {.op = ADMIN_MODULE_REMOVE};
    if (changed_before(r))
        return RESP_TAKEN;
    if (q->args_len > FIRST + 1)
        return resp_refuse_subcommand(r, q);
    if (q->args_len == FIRST + 1 && !resp_word_is(q->args[FIRST], "sync") &&
        !resp_word_is(q->args[FIRST], "async"))
        return refuse(r, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    return change(r, &a, NULL);
}

/* --- what there is ---------------------------------------------------------------------------- */

static void pair(struct buf *out, const char *name, struct slice value)
{
    resp_bulk(out, slice_str(name));
    resp_bulk(out, value);
}

static void flags_say(struct buf *out, unsigned flags, bool resp3)
{
    resp_set(out, (uint64_t)__builtin_popcount(flags), resp3);
    for (unsigned flag = 1; flag <= flags; flag <<= 1)
        if (flags & flag)
            resp_status(out, slice_str(module_flag_text(flag)));
}

static void function_say(struct buf *out, const struct module_function *f, bool resp3)
{
    resp_map(out, 3, resp3);
    pair(out, "name", slice_str(f->name));
    resp_bulk(out, slice_str("description"));
    if (f->help[0])
        resp_bulk(out, slice_str(f->help));
    else
        resp_null(out, resp3);
    resp_bulk(out, slice_str("flags"));
    flags_say(out, f->flags, resp3);
}

/* Its tasks are none to Redis clients, who cannot call them. */
static size_t functions_of(const struct module_info *m)
{
    size_t len = 0;
    for (size_t i = 0; i < m->functions_len; i++)
        len += m->functions[i].kind == MODULE_FUNCTION;
    return len;
}

static void module_say(struct buf *out, const struct module_info *m, bool code, bool resp3)
{
    resp_map(out, code ? 4 : 3, resp3);
    pair(out, "library_name", slice_str(m->name));
    pair(out, "engine", slice_str("LUA"));
    resp_bulk(out, slice_str("functions"));
    resp_array(out, functions_of(m));
    for (size_t i = 0; i < m->functions_len; i++)
        if (m->functions[i].kind == MODULE_FUNCTION)
            function_say(out, &m->functions[i], resp3);
    if (code)
        pair(out, "library_code", m->source);
}

/* Which of them; NULL data: all. */
static bool list_read(const struct resp_request *q, struct slice *pattern, bool *code,
                      struct buf *out)
{
    for (uint32_t i = FIRST; i < q->args_len; i++) {
        if (!*code && resp_word_is(q->args[i], "withcode")) {
            *code = true;
        } else if (!pattern->data && resp_word_is(q->args[i], "libraryname")) {
            if (++i == q->args_len) {
                resp_error_text(out, "ERR library name argument was not given");
                return false;
            }
            *pattern = q->args[i];
        } else {
            struct buf why = BUF_INIT;
            word_add(&why, "Unknown argument ", q->args[i]);
            error_say(out, buf_slice(&why));
            buf_release(&why);
            return false;
        }
    }
    return true;
}

void resp_function_list(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    const struct catalog *c = session_catalog(&r->base);
    struct slice pattern = {NULL, 0};
    const struct module *list[MODULES_MAX];
    bool code = false;
    size_t len = 0, bytes = 0;
    if (!list_read(q, &pattern, &code, out))
        return;
    for (size_t i = 0; i < c->modules_len; i++) {
        const struct module *m = c->modules[i];
        if (pattern.data && !glob_matches(pattern, slice_str(m->info.name)))
            continue;
        list[len++] = m;
        bytes += code ? m->info.source.len : 0;
    }
    if (resp_too_much(r, bytes)) {
        resp_error(out, resp_error_of(GRID_EBUSY));
        return;
    }
    resp_array(out, len);
    for (size_t i = 0; i < len; i++)
        module_say(out, &list[i]->info, code, r->resp3);
}

void resp_function_stats(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    const struct catalog *c = session_catalog(&r->base);
    size_t functions = 0;
    (void)q;
    for (size_t i = 0; i < c->modules_len; i++)
        functions += functions_of(&c->modules[i]->info);
    resp_map(out, 2, r->resp3);
    resp_bulk(out, slice_str("running_script"));
    resp_null(out, r->resp3);
    resp_bulk(out, slice_str("engines"));
    resp_map(out, 1, r->resp3);
    resp_bulk(out, slice_str("LUA"));
    resp_map(out, 2, r->resp3);
    resp_bulk(out, slice_str("libraries_count"));
    resp_integer(out, (int64_t)c->modules_len);
    resp_bulk(out, slice_str("functions_count"));
    resp_integer(out, (int64_t)functions);
}
