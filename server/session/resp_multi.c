/* resp_multi.c - transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.
 *
 * Requests behind MULTI are copied and queued. EXEC makes one call of those on keys, which lie in
 * one partition: it happens whole or not at all, and is one record. WATCH remembers versions; the
 * call looks first whether they are still the same.
 *
 * Commands of the session itself (PING, TIME, PUBLISH, ...) are done when the call has succeeded,
 * and their replies put in their places: then EXEC is taken in steps, alone.
 *
 *   queued:   SET   PING   HSET           the call's replies: "+OK" ":1"
 *   replies:  +OK   +PONG  :1 */
#include "session/resp_priv.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "command/commands.h"

#include <stdlib.h>

enum {
    QUEUE_BYTES_MAX = 64 << 20, /* of the arguments of one transaction */
    QUEUE_MAX = 1 << 20,
    WATCHED_MAX = 4096,
};

struct queued {
    const struct resp_command *command;
    uint32_t args_at, args_len;
};

struct watched {
    struct resp_span key; /* of watch_bytes */
    uint64_t version;
};

struct resp_multi {
    struct buf bytes;       /* of all arguments */
    struct resp_span *args; /* of `bytes` */
    uint32_t args_len, args_cap;
    struct queued *queue;
    uint32_t queue_len, queue_cap;
    uint32_t calls, keys; /* commands on keys, and their keys */
    bool dirty;           /* something could not be queued */
    bool writes;
    bool placed; /* `slot` is known */
    uint16_t slot;
    struct buf watch_bytes;
    struct watched *watched;
    uint32_t watched_len;
    uint32_t watching;   /* versions that are still to come */
    uint32_t generation; /* of the list: late versions are not for the next one */
    uint16_t watch_slot;
    /* EXEC in steps */
    enum { IDLE, CALLING, CALLED, SAYING } phase;
    struct buf replies; /* of the call */
    size_t replies_at;
    uint32_t at; /* queued commands that are done */
    struct result outcome;
};

static struct resp_multi *multi_of(struct resp_session *r)
{
    if (!r->multi)
        r->multi = xcalloc(1, sizeof *r->multi);
    return r->multi;
}

static void queue_clear(struct resp_session *r)
{
    struct resp_multi *m = r->multi;
    r->gate &= ~(unsigned)GATE_MULTI;
    if (!m)
        return;
    buf_release(&m->bytes);
    buf_release(&m->replies);
    free(m->args);
    free(m->queue);
    m->args = NULL;
    m->queue = NULL;
    m->args_len = m->args_cap = m->queue_len = m->queue_cap = 0;
    m->calls = m->keys = m->at = 0;
    m->replies_at = 0;
    m->dirty = m->placed = m->writes = false;
    m->phase = IDLE;
}

static void watch_clear(struct resp_session *r)
{
    struct resp_multi *m = r->multi;
    if (!m || !m->watched_len)
        return;
    buf_release(&m->watch_bytes);
    free(m->watched);
    m->watched = NULL;
    m->watched_len = 0;
    m->generation++;
    m->watching = 0;
}

void resp_multi_reset(struct resp_session *r)
{
    queue_clear(r);
    watch_clear(r);
}

void resp_multi_release(struct resp_session *r)
{
    resp_multi_reset(r);
    free(r->multi);
    r->multi = NULL;
}

void resp_multi_spoil(struct resp_session *r)
{
    if (r->gate & GATE_MULTI)
        r->multi->dirty = true;
}

/* --- queueing --------------------------------------------------------------------------------- */

static enum resp_taken spoil(struct resp_session *r, const char *line)
{
    resp_multi_spoil(r);
    resp_refuse(r, line);
    return RESP_TAKEN;
}

/* NULL: the keys lie where those of the commands before do. */
static const char *queue_place(struct resp_session *r, const struct resp_request *q,
                               const struct resp_keys *k)
{
    struct resp_multi *m = r->multi;
    enum grid_err err;
    const struct context_info *context = resp_context(r, &err);
    if (!context)
        return "ERR no such cache";
    for (uint32_t i = k->first; i <= k->last; i += k->step) {
        const char *fault = resp_key_fault(q->args[i]);
        if (fault)
            return fault;
        uint16_t slot = hash_slot(q->args[i]);
        if (!m->placed)
            m->slot = slot;
        m->placed = true;
        if (slot_partition(slot, context->partitions) !=
            slot_partition(m->slot, context->partitions))
            return resp_crossslot;
    }
    m->keys += (k->last - k->first) / k->step + 1;
    m->calls++;
    m->writes |= resp_writes(q->command);
    return NULL;
}

static const char *queue_room(const struct resp_multi *m, const struct resp_request *q)
{
    size_t bytes = m->bytes.len;
    for (uint32_t i = 0; i < q->args_len; i++)
        bytes += q->args[i].len;
    return bytes > QUEUE_BYTES_MAX || m->args_len + q->args_len > QUEUE_MAX
               ? "ERR the transaction is too large"
               : NULL;
}

static void queue_add(struct resp_multi *m, const struct resp_request *q)
{
    if (m->queue_len == m->queue_cap) {
        m->queue_cap = m->queue_cap ? m->queue_cap * 2 : 8;
        m->queue = xrealloc(m->queue, m->queue_cap, sizeof *m->queue);
    }
    while (m->args_cap < m->args_len + q->args_len) {
        m->args_cap = m->args_cap ? m->args_cap * 2 : 32;
        m->args = xrealloc(m->args, m->args_cap, sizeof *m->args);
    }
    m->queue[m->queue_len++] = (struct queued){q->command, m->args_len, q->args_len};
    for (uint32_t i = 0; i < q->args_len; i++) {
        m->args[m->args_len++] =
            (struct resp_span){(uint32_t)m->bytes.len, (uint32_t)q->args[i].len};
        if (q->args[i].len)
            buf_add(&m->bytes, q->args[i].data, q->args[i].len);
    }
    buf_reserve(&m->bytes, 1); /* an empty argument has a place, too */
}

enum resp_taken resp_multi_queue(struct resp_session *r, const struct resp_request *q)
{
    if (q->command->flags & RESP_NO_MULTI)
        return spoil(r, "ERR Command not allowed inside a transaction");
    struct resp_request script = {0};
    if (unlikely(q->command->flags & RESP_SCRIPT)) {
        enum resp_taken taken = resp_script_complete(r, q, &script);
        if (!script.command) {
            r->multi->dirty |= taken == RESP_TAKEN;
            return taken;
        }
        q = &script;
    }
    const char *fault = queue_room(r->multi, q);
    struct resp_keys k = resp_keys_of(q->command, q->args, q->args_len);
    if (!fault && q->command->procedure)
        fault = queue_place(r, q, &k);
    if (fault)
        return spoil(r, fault);
    queue_add(r->multi, q);
    resp_status(resp_open_now(r), slice_str("QUEUED"));
    resp_close_now(r);
    return RESP_TAKEN;
}

void resp_multi_begin(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)q;
    if (r->gate & GATE_MULTI) {
        resp_error_text(out, "ERR MULTI calls can not be nested");
        return;
    }
    multi_of(r);
    r->gate |= GATE_MULTI;
    resp_ok(out);
}

void resp_multi_discard(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)q;
    if (!(r->gate & GATE_MULTI)) {
        resp_error_text(out, "ERR DISCARD without MULTI");
        return;
    }
    resp_multi_reset(r);
    resp_ok(out);
}

/* --- watching --------------------------------------------------------------------------------- */

static void watch_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                         uint32_t part, const struct result *res)
{
    struct resp_multi *m = r->multi;
    bool ours = slot->sum == m->generation;
    if (res->status && res->status != GRID_ENOT_FOUND)
        slot->error = res->status;
    if (ours) {
        m->watched[part].version = res->status ? 0 : res->version;
        m->watching--;
    }
    if (--slot->left)
        return;
    struct buf *out = resp_open(r, number);
    if (slot->error)
        resp_error(out, resp_error_of(slot->error));
    else
        resp_ok(out);
    resp_close(r, number);
    if (slot->error && ours)
        watch_clear(r);
}

/* NULL: all lie where those watched before do. */
static const char *watch_fault(const struct resp_session *r, const struct resp_request *q,
                               const struct context_info *context)
{
    const struct resp_multi *m = r->multi;
    uint16_t slot = m->watched_len ? m->watch_slot : hash_slot(q->args[1]);
    if (r->gate & GATE_MULTI)
        return "ERR WATCH inside MULTI is not allowed";
    for (uint32_t i = 1; i < q->args_len; i++) {
        const char *fault = resp_key_fault(q->args[i]);
        if (fault)
            return fault;
        if (slot_partition(hash_slot(q->args[i]), context->partitions) !=
            slot_partition(slot, context->partitions))
            return resp_crossslot;
    }
    return m->watched_len + q->args_len - 1 > WATCHED_MAX ? "ERR too many watched keys" : NULL;
}

static void watch_add(struct resp_multi *m, const struct resp_request *q)
{
    uint32_t len = q->args_len - 1;
    m->watched = xrealloc(m->watched, m->watched_len + len, sizeof *m->watched);
    if (!m->watched_len)
        m->watch_slot = hash_slot(q->args[1]);
    for (uint32_t i = 0; i < len; i++) {
        struct resp_span at = {(uint32_t)m->watch_bytes.len, (uint32_t)q->args[1 + i].len};
        buf_add(&m->watch_bytes, q->args[1 + i].data, at.len);
        m->watched[m->watched_len++] = (struct watched){at, 0};
    }
    m->watching += len;
}

enum resp_taken resp_watch(struct resp_session *r, const struct resp_request *q)
{
    struct resp_multi *m = multi_of(r);
    enum grid_err err;
    const struct context_info *context = resp_context(r, &err);
    const char *fault = context ? watch_fault(r, q, context) : "ERR no such cache";
    if (fault) {
        resp_refuse(r, fault);
        return RESP_TAKEN;
    }
    uint32_t len = q->args_len - 1, from = m->watched_len;
    struct op *ops = arena_calloc(r->base.arena, len, sizeof *ops);
    if (!ops)
        return resp_no_room(q->turn);
    watch_add(m, q);
    uint64_t number;
    struct resp_slot *slot = resp_slot_new(r, &number);
    slot->result = watch_result;
    slot->left = len;
    slot->sum = m->generation;
    slot->error = GRID_OK;
    for (uint32_t i = 0; i < len; i++) {
        ops[i].kind = OP_GET;
        ops[i].keys_only = true;
        ops[i].cache = r->cache;
        ops[i].key = q->args[1 + i];
        session_place_by(&ops[i], context, ops[i].key);
        session_submit(&r->base, &ops[i], session_ticket(&r->base, number, from + i));
    }
    return RESP_TAKEN;
}

void resp_unwatch(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)q;
    watch_clear(r);
    resp_ok(out);
}

/* --- EXEC: the call --------------------------------------------------------------------------- */

/* Arrays of an op that is being made; all of the turn. */
struct parts {
    struct op *op;
    struct slice *args, *keys;
    struct op_step *steps;
    const uint8_t *bytes; /* of the queue */
};

/* args: the name, a version for each watched key, then those of the calls. */
static bool parts_make(struct resp_session *r, struct parts *p)
{
    const struct resp_multi *m = r->multi;
    struct arena *a = r->base.arena;
    size_t versions = m->watched_len * sizeof(uint64_t);
    p->op = arena_calloc(a, 1, sizeof *p->op);
    p->args = arena_calloc(a, 1 + (size_t)m->watched_len + m->args_len, sizeof *p->args);
    p->keys = arena_calloc(a, (size_t)m->watched_len + m->keys, sizeof *p->keys);
    p->steps = arena_calloc(a, m->calls, sizeof *p->steps);
    uint8_t *at = arena_alloc(a, versions + m->watch_bytes.len + m->bytes.len + 1);
    if (!p->op || !p->args || !p->keys || !p->steps || !at)
        return false;
    uint8_t *keys = at + versions, *bytes = keys + m->watch_bytes.len;
    if (m->watch_bytes.len)
        memcpy(keys, m->watch_bytes.data, m->watch_bytes.len);
    if (m->bytes.len)
        memcpy(bytes, m->bytes.data, m->bytes.len);
    p->args[0] = slice_str("exec");
    for (uint32_t i = 0; i < m->watched_len; i++, at += sizeof(uint64_t)) {
        store_u64(at, m->watched[i].version);
        p->args[1 + i] = slice_make(at, sizeof(uint64_t));
        p->keys[i] = slice_make(keys + m->watched[i].key.at, m->watched[i].key.len);
    }
    p->bytes = bytes;
    return true;
}

static void parts_fill(struct resp_session *r, struct parts *p)
{
    const struct resp_multi *m = r->multi;
    uint32_t steps = 0, keys = m->watched_len, args = 1 + m->watched_len;
    for (uint32_t i = 0; i < m->queue_len; i++) {
        const struct queued *c = &m->queue[i];
        if (!c->command->procedure)
            continue;
        struct op_step *s = &p->steps[steps++];
        *s = (struct op_step){c->command->procedure, args, c->args_len, keys, 0};
        for (uint32_t j = 0; j < c->args_len; j++) {
            struct resp_span at = m->args[c->args_at + j];
            p->args[args++] = slice_make(p->bytes + at.at, at.len);
        }
        struct resp_keys k = resp_keys_of(c->command, p->args + s->args_at, c->args_len);
        for (uint32_t j = k.first; j <= k.last; j += k.step)
            p->keys[keys++] = p->args[s->args_at + j];
        s->keys_len = keys - s->keys_at;
    }
    p->op->kind = OP_CALL;
    p->op->cache = r->cache;
    p->op->procedure = command_exec;
    p->op->flags = r->resp3 ? CALL_RESP3 : 0;
    p->op->reads_only = !m->writes;
    p->op->args = p->args;
    p->op->args_len = args;
    p->op->keys = p->keys;
    p->op->keys_len = keys;
    p->op->key = p->keys[0];
    p->op->steps = p->steps;
    p->op->steps_len = steps;
}

/* The one call; its result is the reply, or goes to `result`. False: no room. */
static bool exec_call(struct resp_session *r, const struct context_info *context,
                      resp_result_fn *result)
{
    struct parts p;
    if (!parts_make(r, &p))
        return false;
    parts_fill(r, &p);
    session_place_by(p.op, context, p.keys[0]);
    uint64_t number;
    struct resp_slot *slot = resp_slot_new(r, &number);
    slot->result = result;
    slot->writes = true;
    session_submit(&r->base, p.op, session_ticket(&r->base, number, 0));
    return true;
}

/* --- EXEC: the reply -------------------------------------------------------------------------- */

/* Length of the reply at the front of `s`; 0: there is no whole one. */
static size_t reply_len(struct slice s)
{
    size_t at = 0;
    for (uint64_t left = 1; left > 0; left--) {
        const uint8_t *line = s.data + at,
                      *end = s.len > at ? memchr(line, '\n', s.len - at) : NULL;
        int64_t n = 0;
        if (!end || end - line < 2 || end[-1] != '\r')
            return 0;
        size_t head = (size_t)(end - line) + 1;
        bool bulk = memchr("$=!", line[0], 3), items = memchr("*~>%", line[0], 4);
        if ((bulk || items) && (!resp_number(slice_make(line + 1, head - 3), &n) || n < -1 ||
                                n > (int64_t)(s.len - at)))
            return 0;
        at += head;
        if (items && n > 0)
            left += (uint64_t)n * (line[0] == '%' ? 2 : 1);
        if (!bulk || n < 0)
            continue;
        at += (size_t)n + 2;
        if (at > s.len || memcmp(s.data + at - 2, "\r\n", 2) != 0)
            return 0;
    }
    return at;
}

/* Where the replies of `calls` begin in the array of them; 0: it is no such array. */
static size_t replies_begin(struct slice array, uint32_t calls)
{
    const uint8_t *end = array.len ? memchr(array.data, '\n', array.len) : NULL;
    int64_t n;
    if (!end || end - array.data < 3 || array.data[0] != '*' || end[-1] != '\r' ||
        !resp_number(slice_make(array.data + 1, (size_t)(end - array.data) - 2), &n) || n != calls)
        return 0;
    size_t begin = (size_t)(end + 1 - array.data), at = begin;
    for (uint32_t i = 0; i < calls; i++) {
        size_t len = reply_len(slice_make(array.data + at, array.len - at));
        if (!len)
            return 0;
        at += len;
    }
    return at == array.len ? begin : 0;
}

/* The replies are kept, without the head of their array; nothing is said yet. Another node may have
 * made them: what makes no sense is as good as no answer. */
static void called(struct resp_session *r, struct resp_slot *slot, uint64_t number, uint32_t part,
                   const struct result *res)
{
    struct resp_multi *m = r->multi;
    (void)slot;
    (void)part;
    m->phase = CALLED;
    m->outcome = (struct result){.status = res->status, .reply = res->reply};
    if (!res->status && res->reply == REPLY_RAW) {
        size_t begin = replies_begin(res->value, m->calls);
        if (begin)
            buf_add(&m->replies, res->value.data + begin, res->value.len - begin);
        else
            m->outcome.status = GRID_EIN_DOUBT;
    }
    resp_open(r, number);
    resp_close(r, number);
}

static void say_call(struct resp_session *r)
{
    struct resp_multi *m = r->multi;
    struct slice rest = slice_make(m->replies.data + m->replies_at, m->replies.len - m->replies_at);
    size_t len = reply_len(rest);
    buf_add(resp_open_now(r), rest.data, len);
    resp_close_now(r);
    m->replies_at += len;
}

/* One queued command of the session. */
static enum resp_taken say_own(struct resp_session *r, struct session_turn *turn,
                               const struct queued *c)
{
    struct resp_multi *m = r->multi;
    struct slice *args = arena_calloc(r->base.arena, c->args_len, sizeof *args);
    uint8_t *bytes = arena_alloc(r->base.arena, m->bytes.len + 1);
    if (!args || !bytes)
        return resp_no_room(turn);
    if (m->bytes.len)
        memcpy(bytes, m->bytes.data, m->bytes.len);
    for (uint32_t i = 0; i < c->args_len; i++) {
        struct resp_span at = m->args[c->args_at + i];
        args[i] = slice_make(bytes + at.at, at.len);
    }
    struct resp_request q = {c->command, args, c->args_len, turn};
    return resp_do(r, &q);
}

static enum resp_taken exec_say(struct resp_session *r, struct session_turn *turn)
{
    struct resp_multi *m = r->multi;
    for (; m->at < m->queue_len; m->at++) {
        const struct queued *c = &m->queue[m->at];
        if (c->command->procedure)
            say_call(r);
        else if (say_own(r, turn, c) == RESP_LATER)
            return RESP_LATER;
    }
    queue_clear(r);
    return RESP_TAKEN;
}

/* The call has succeeded, or not. */
static enum resp_taken exec_called(struct resp_session *r, struct session_turn *turn)
{
    struct resp_multi *m = r->multi;
    struct buf *out = resp_open_now(r);
    bool done = !m->outcome.status && m->outcome.reply == REPLY_RAW;
    if (done)
        resp_array(out, m->queue_len);
    else
        resp_say_result(r, out, &m->outcome, true);
    resp_close_now(r);
    watch_clear(r);
    if (!done) {
        queue_clear(r);
        return RESP_TAKEN;
    }
    m->phase = SAYING;
    r->gate &= ~(unsigned)GATE_MULTI;
    return exec_say(r, turn);
}

/* --- EXEC ------------------------------------------------------------------------------------- */

static enum resp_taken exec_refuse(struct resp_session *r, const char *line)
{
    resp_multi_reset(r);
    resp_refuse(r, line);
    return RESP_TAKEN;
}

/* Nothing is in flight, so that replies of all kinds stay in their order. */
static enum resp_taken exec_mixed(struct resp_session *r, const struct resp_request *q,
                                  const struct context_info *context)
{
    struct resp_multi *m = r->multi;
    r->alone = true;
    if (r->base.in_flight)
        return RESP_LATER;
    if (m->calls + m->watched_len == 0) {
        m->outcome = (struct result){.status = GRID_OK, .reply = REPLY_RAW};
        return exec_called(r, q->turn);
    }
    if (!exec_call(r, context, called))
        return resp_no_room(q->turn);
    m->phase = CALLING;
    return RESP_LATER;
}

enum resp_taken resp_exec(struct resp_session *r, const struct resp_request *q)
{
    struct resp_multi *m = r->multi;
    if (m && m->phase != IDLE) {
        r->alone = true;
        return m->phase == SAYING ? exec_say(r, q->turn) : exec_called(r, q->turn);
    }
    if (!(r->gate & GATE_MULTI)) {
        resp_refuse(r, "ERR EXEC without MULTI");
        return RESP_TAKEN;
    }
    if (m->watching) { /* versions are still to come */
        r->alone = true;
        return RESP_LATER;
    }
    if (m->dirty)
        return exec_refuse(r, "EXECABORT Transaction discarded because of previous errors.");
    enum grid_err err;
    const struct context_info *context = resp_context(r, &err);
    if (!context)
        return exec_refuse(r, "EXECABORT Transaction discarded because of: no such cache");
    if (m->watched_len && m->placed &&
        slot_partition(m->slot, context->partitions) !=
            slot_partition(m->watch_slot, context->partitions))
        return exec_refuse(r, "EXECABORT Transaction discarded because of: CROSSSLOT watched keys "
                              "and those of the transaction don't hash to the same slot");
    if (m->calls != m->queue_len || m->calls == 0)
        return exec_mixed(r, q, context);
    if (!exec_call(r, context, NULL))
        return resp_no_room(q->turn);
    resp_multi_reset(r);
    return RESP_TAKEN;
}
