/* resp_function_dump.c - FUNCTION DUMP and RESTORE: all libraries as bytes that are opaque to
 * clients, and back.
 *
 *   count x { u8 length, name | u32 length, source } | u16 format | u64 hash of all before
 *
 * RESTORE is as many changes as there are libraries (FLUSH: one more before them), one after the
 * other; what can be found wrong without running code is found before the first. */
#include "session/resp_priv.h"

#include "base/alloc.h"
#include "base/codec.h"
#include "base/hash.h"
#include "compute/library.h"

#include <stdlib.h>

enum { FIRST = 2, FORMAT = 1, TAIL = 10, SEED = 0x6d66 };

/* --- DUMP ------------------------------------------------------------------------------------- */

void resp_function_dump(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    const struct catalog *c = session_catalog(&r->base);
    struct buf dump = BUF_INIT;
    size_t bytes = 0;
    (void)q;
    for (size_t i = 0; i < c->modules_len; i++)
        bytes += c->modules[i]->info.source.len;
    if (resp_too_much(r, bytes)) {
        resp_error(out, resp_error_of(GRID_EBUSY));
        return;
    }
    for (size_t i = 0; i < c->modules_len; i++) {
        const struct module_info *m = &c->modules[i]->info;
        buf_add_u8(&dump, (uint8_t)strlen(m->name));
        buf_add(&dump, m->name, strlen(m->name));
        buf_add_u32(&dump, (uint32_t)m->source.len);
        buf_add(&dump, m->source.data, m->source.len);
    }
    uint8_t tail[TAIL];
    store_u16(tail, FORMAT);
    buf_add(&dump, tail, 2);
    store_u64(tail, hash_key(buf_slice(&dump), SEED));
    buf_add(&dump, tail, 8);
    resp_bulk(out, buf_slice(&dump));
    buf_release(&dump);
}

/* --- RESTORE ---------------------------------------------------------------------------------- */

struct restore {
    struct {
        struct slice name, source;
    } list[MODULES_MAX];
    size_t len;
    bool flush, replace;
};

/* False: not what DUMP made. */
static bool dump_open(struct slice dump, struct restore *to)
{
    if (dump.len < TAIL)
        return false;
    size_t len = dump.len - TAIL;
    const uint8_t *tail = dump.data + len;
    if (load_u16(tail) != FORMAT ||
        load_u64(tail + 2) != hash_key(slice_make(dump.data, len + 2), SEED))
        return false;
    struct reader in = {dump.data, dump.data + len, false};
    while (read_left(&in)) {
        if (to->len == MODULES_MAX)
            return false;
        uint8_t name = read_u8(&in);
        const uint8_t *text = read_bytes(&in, name), *size = read_bytes(&in, 4);
        uint32_t source = size ? load_u32(size) : 0;
        const uint8_t *code = read_bytes(&in, source);
        if (in.bad)
            return false;
        to->list[to->len].name = slice_make(text, name);
        to->list[to->len++].source = slice_make(code, source);
    }
    return true;
}

/* NULL, or what is wrong with the request. */
static const char *restore_read(const struct resp_request *q, struct restore *to)
{
    struct slice policy = q->args_len > FIRST + 1 ? q->args[FIRST + 1] : slice_str("append");
    to->flush = resp_word_is(policy, "flush");
    to->replace = resp_word_is(policy, "replace");
    if (!to->flush && !to->replace && !resp_word_is(policy, "append"))
        return "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.";
    if (!dump_open(q->args[FIRST], to))
        return "ERR DUMP payload version or checksum are wrong";
    return NULL;
}

static void error_say(struct resp_session *r, const struct buf *why)
{
    struct buf line = BUF_INIT;
    buf_printf(&line, "ERR %.*s", (int)why->len, (const char *)why->data);
    resp_error(resp_open_now(r), buf_slice(&line));
    resp_close_now(r);
    buf_release(&line);
}

/* Of what is restored, before anything is. */
static bool restore_judge(const struct resp_session *r, const struct restore *is, struct buf *why)
{
    const struct catalog *c = session_catalog(&r->base);
    for (size_t i = 0; i < is->len; i++) {
        struct module_info info;
        struct slice name = is->list[i].name;
        if (!module_name_good(name) || !library_head_read(is->list[i].source, name, &info, why))
            return false;
        bool there = !is->flush && !is->replace && catalog_module_named(c, name);
        if (there) {
            buf_printf(why, "Library %s already exists", info.name);
            return false;
        }
    }
    return true;
}

static size_t steps_of(const struct restore *is)
{
    return is->len + is->flush;
}

struct progress { /* r->job.state */
    size_t at;    /* the step that is asked for */
    bool ended;
};

static void ask(struct resp_session *r, const struct restore *is)
{
    const struct progress *p = r->job.state;
    size_t at = p->at - (is->flush && p->at);
    struct admin_request a = {.op = ADMIN_MODULE_DEPLOY, .replace = is->replace};
    if (is->flush && !p->at) {
        a.op = ADMIN_MODULE_REMOVE;
    } else {
        memcpy(a.name, is->list[at].name.data, is->list[at].name.len);
        a.source = is->list[at].source;
    }
    session_admin(&r->base, r->job.number, &a);
}

/* Of one step. What failed is the end of it: slot->left is 0 then. */
static void restored(struct resp_session *r, struct resp_slot *slot, uint64_t number, uint32_t part,
                     const struct result *res)
{
    struct progress *p = r->job.state;
    (void)part;
    p->at++;
    slot->left = res->status ? 0 : slot->left - 1;
    if (slot->left)
        return;
    p->ended = true;
    struct buf *out = resp_open(r, number);
    if (res->status && res->value.len) {
        struct buf line = BUF_INIT;
        buf_printf(&line, "ERR %.*s", (int)res->value.len, (const char *)res->value.data);
        resp_error(out, buf_slice(&line));
        buf_release(&line);
    } else if (res->status) {
        resp_error(out, resp_error_of(res->status));
    } else {
        resp_ok(out);
    }
    resp_close(r, number);
}

static enum resp_taken begin(struct resp_session *r, const struct restore *is)
{
    struct buf why = BUF_INIT;
    if (!restore_judge(r, is, &why)) {
        if (!why.len)
            buf_add_text(&why, "DUMP payload version or checksum are wrong");
        error_say(r, &why);
        buf_release(&why);
        return RESP_TAKEN;
    }
    if (!steps_of(is)) {
        resp_ok(resp_open_now(r));
        resp_close_now(r);
        return RESP_TAKEN;
    }
    struct resp_slot *slot = resp_slot_new(r, &r->job.number);
    slot->result = restored;
    slot->left = (uint32_t)steps_of(is);
    r->job.state = xcalloc(1, sizeof(struct progress));
    r->job.state_free = free;
    ask(r, is);
    return RESP_LATER;
}

/* Offered again after each step: the next one, until restored() has said that it was the last. */
enum resp_taken resp_function_restore(struct resp_session *r, const struct resp_request *q)
{
    if (q->args_len > FIRST + 2)
        return resp_refuse_subcommand(r, q);
    struct restore *is = arena_calloc(r->base.arena, 1, sizeof *is);
    if (!is)
        return resp_no_room(q->turn);
    const char *fault = restore_read(q, is);
    if (fault) {
        resp_refuse(r, fault);
        return RESP_TAKEN;
    }
    struct progress *p = r->job.state;
    if (!p)
        return begin(r, is);
    if (!p->ended) {
        ask(r, is);
        return RESP_LATER;
    }
    free(p);
    r->job.state = NULL;
    return RESP_TAKEN;
}
