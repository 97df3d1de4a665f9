/* resp_keyspace.c - commands on all keys of the cache: DBSIZE, SCAN, KEYS, RANDOMKEY, FLUSHALL.
 *
 * A cursor of SCAN is `number` * partitions + partition: which partition, and how far in it. The
 * start of a partition is a small number, and so are cursors as a whole as long as they can be:
 * there are languages whose numbers have 53 bits. */
#include "command/commands.h"
#include "session/resp_sweep.h"

#include "base/alloc.h"
#include "base/glob.h"
#include "base/prng.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SCAN_COUNT_DEFAULT = 10,
    KEYS_PAGE = 1000,
    KEYS_PAGES = 64,
    RANDOM_PAGE = 256,
    FLUSH_PAGE = 500, /* keys that are removed by one call */
    FLUSH_PAGES = 64,
};

struct keyspace_job {
    struct sweep sweep;
    struct buf out;
    uint64_t found; /* keys in `out` */
    uint64_t looked;
    uint32_t pages; /* that the next step asks for */
    bool wrapped;   /* RANDOMKEY: the partitions before the first one are looked at, too */
    uint32_t from;
};

static void job_free(void *state)
{
    struct keyspace_job *j = state;
    sweep_release(&j->sweep);
    buf_release(&j->out);
    free(j);
}

static struct keyspace_job *job_new(struct resp_session *r, uint32_t partitions, uint32_t at,
                                    uint64_t number)
{
    struct keyspace_job *j = xcalloc(1, sizeof *j);
    sweep_init(&j->sweep, partitions, at, number);
    j->pages = 1;
    r->job.state = j;
    r->job.state_free = job_free;
    return j;
}

static enum resp_taken job_end(struct resp_session *r)
{
    job_free(r->job.state);
    r->job.state = NULL;
    return RESP_TAKEN;
}

static enum resp_taken job_fail(struct resp_session *r, enum grid_err err)
{
    resp_error(resp_open_now(r), resp_error_of(err));
    resp_close_now(r);
    return job_end(r);
}

static enum resp_taken job_ask(struct resp_session *r, const struct resp_request *q, uint32_t pages,
                               uint32_t limit, struct slice prefix)
{
    struct keyspace_job *j = r->job.state;
    return sweep_ask(r, &j->sweep, pages, limit, prefix) ? RESP_LATER : resp_no_room(q->turn);
}

static enum resp_taken refuse(struct resp_session *r, const char *line)
{
    resp_refuse(r, line);
    return RESP_TAKEN;
}

static enum resp_taken refuse_err(struct resp_session *r, enum grid_err err)
{
    resp_error(resp_open_now(r), resp_error_of(err));
    resp_close_now(r);
    return RESP_TAKEN;
}

/* --- DBSIZE ----------------------------------------------------------------------------------- */

static void count_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                         uint32_t part, const struct result *res)
{
    (void)part;
    slot->sum += res->number;
    if (res->status && !slot->error)
        slot->error = res->status;
    if (--slot->left)
        return;
    struct buf *out = resp_open(r, number);
    if (slot->error)
        resp_error(out, resp_error_of(slot->error));
    else
        resp_integer(out, slot->sum);
    resp_close(r, number);
}

enum resp_taken resp_dbsize(struct resp_session *r, const struct resp_request *q)
{
    enum grid_err err;
    const struct context_info *context = resp_context(r, &err);
    if (!context)
        return refuse_err(r, err);
    uint32_t len = session_count_parts(&r->base, context);
    struct op *ops = arena_calloc(r->base.arena, len, sizeof *ops);
    if (!ops)
        return resp_no_room(q->turn);
    uint64_t number;
    struct resp_slot *slot = resp_slot_new(r, &number);
    slot->result = count_result;
    slot->left = len;
    slot->sum = 0;
    slot->error = GRID_OK;
    for (uint32_t i = 0; i < len; i++) {
        ops[i] = session_count_op(&r->base, r->cache, i);
        session_submit(&r->base, &ops[i], session_ticket(&r->base, number, i));
    }
    return RESP_TAKEN;
}

/* --- SCAN ------------------------------------------------------------------------------------- */

struct scan_wish {
    uint64_t cursor;
    int64_t count;
    struct slice pattern, type;
    bool matches, typed;
};

static const char *scan_read(const struct resp_request *q, struct scan_wish *wish)
{
    *wish = (struct scan_wish){.count = SCAN_COUNT_DEFAULT};
    if (!cursor_parse(q->args[1], &wish->cursor))
        return "ERR invalid cursor";
    for (uint32_t i = 2; i < q->args_len; i += 2) {
        if (i + 1 == q->args_len)
            return "ERR syntax error";
        if (resp_word_is(q->args[i], "count")) {
            if (!resp_number(q->args[i + 1], &wish->count))
                return "ERR value is not an integer or out of range";
            if (wish->count < 1)
                return "ERR syntax error";
        } else if (resp_word_is(q->args[i], "match")) {
            wish->matches = true;
            wish->pattern = q->args[i + 1];
        } else if (resp_word_is(q->args[i], "type")) {
            wish->typed = true;
            wish->type = q->args[i + 1];
        } else {
            return "ERR syntax error";
        }
    }
    return NULL;
}

static bool scan_wants(const struct scan_wish *wish, struct slice key, enum value_type type)
{
    const char *name = value_is_bytes(type) ? "string" : type == VALUE_HASH ? "hash" : "none";
    return (!wish->matches || glob_matches(wish->pattern, key)) &&
           (!wish->typed || resp_word_is(wish->type, name));
}

/* Take over pages until enough was looked at; one that is not done ends the reply. */
static void scan_pages(struct keyspace_job *j, const struct scan_wish *wish)
{
    struct sweep *w = &j->sweep;
    uint32_t i = 0;
    bool ended = false;
    while (i < w->pages_len && !ended) {
        const struct sweep_page *page = &w->pages[i++];
        struct slice key;
        enum value_type type;
        for (size_t at = 0; sweep_key(page, &at, &key, &type);) {
            if (!scan_wants(wish, key, type))
                continue;
            resp_bulk(&j->out, key);
            j->found++;
        }
        j->looked += page->len;
        ended = page->next != 0 || j->looked >= (uint64_t)wish->count;
    }
    sweep_move(w, i);
}

static enum resp_taken scan_say(struct resp_session *r, struct keyspace_job *j)
{
    char cursor[24];
    const struct sweep *w = &j->sweep;
    uint64_t next = sweep_done(w) ? 0 : w->number * w->partitions + w->at;
    snprintf(cursor, sizeof cursor, "%" PRIu64, next);
    struct buf *out = resp_open_now(r);
    resp_array(out, 2);
    resp_bulk(out, slice_str(cursor));
    resp_array(out, j->found);
    if (j->out.len)
        buf_add(out, j->out.data, j->out.len);
    resp_close_now(r);
    return job_end(r);
}

enum resp_taken resp_scan(struct resp_session *r, const struct resp_request *q)
{
    struct keyspace_job *j = r->job.state;
    struct scan_wish wish;
    const char *fault = scan_read(q, &wish);
    if (!j) {
        enum grid_err err;
        const struct context_info *context = resp_context(r, &err);
        if (fault || !context)
            return fault ? refuse(r, fault) : refuse_err(r, err);
        j = job_new(r, context->partitions, (uint32_t)(wish.cursor % context->partitions),
                    wish.cursor / context->partitions);
    } else if (j->sweep.err) {
        return job_fail(r, j->sweep.err);
    } else if (j->sweep.pages_len) {
        scan_pages(j, &wish);
        if (sweep_done(&j->sweep) || j->looked >= (uint64_t)wish.count)
            return scan_say(r, j);
        j->pages = j->pages * 2 < KEYS_PAGES ? j->pages * 2 : KEYS_PAGES; /* few keys in each */
    }
    int64_t left = wish.count - (int64_t)j->looked;
    return job_ask(r, q, j->pages, (uint32_t)(left < SCAN_LIMIT_MAX ? left : SCAN_LIMIT_MAX),
                   slice_make(NULL, 0));
}

/* --- KEYS ------------------------------------------------------------------------------------- */

static enum grid_err keys_pages(struct resp_session *r, struct keyspace_job *j,
                                struct slice pattern)
{
    struct sweep *w = &j->sweep;
    uint32_t i = 0;
    bool ended = false;
    while (i < w->pages_len && !ended) {
        const struct sweep_page *page = &w->pages[i++];
        struct slice key;
        enum value_type type;
        for (size_t at = 0; sweep_key(page, &at, &key, &type);) {
            if (!glob_matches(pattern, key))
                continue;
            resp_bulk(&j->out, key);
            j->found++;
        }
        ended = page->next != 0;
    }
    sweep_move(w, i);
    return resp_too_much(r, j->out.len) ? GRID_ETOO_LARGE : GRID_OK;
}

enum resp_taken resp_keys(struct resp_session *r, const struct resp_request *q)
{
    struct keyspace_job *j = r->job.state;
    if (!j) {
        enum grid_err err;
        const struct context_info *context = resp_context(r, &err);
        if (!context)
            return refuse_err(r, err);
        j = job_new(r, context->partitions, 0, 0);
    } else if (j->sweep.err) {
        return job_fail(r, j->sweep.err);
    } else if (j->sweep.pages_len) {
        enum grid_err err = keys_pages(r, j, q->args[1]);
        if (err)
            return job_fail(r, err);
    }
    if (!sweep_done(&j->sweep))
        return job_ask(r, q, KEYS_PAGES, KEYS_PAGE, glob_prefix(q->args[1]));
    struct buf *out = resp_open_now(r);
    resp_array(out, j->found);
    if (j->out.len)
        buf_add(out, j->out.data, j->out.len);
    resp_close_now(r);
    return job_end(r);
}

/* --- RANDOMKEY -------------------------------------------------------------------------------- */

static uint64_t chance(struct resp_session *r)
{
    struct prng p = {r->base.ports->now_us(r->base.ports->ctx) ^ r->id << 48 ^ r->tail};
    return prng_next(&p);
}

static bool random_say(struct resp_session *r, const struct keyspace_job *j)
{
    const struct sweep *w = &j->sweep;
    uint32_t start = (uint32_t)(chance(r) % w->pages_len);
    for (uint32_t i = 0; i < w->pages_len; i++) {
        const struct sweep_page *page = &w->pages[(start + i) % w->pages_len];
        if (!page->len)
            continue;
        struct slice key;
        enum value_type type;
        size_t at = 0;
        for (uint64_t left = chance(r) % page->len + 1; left; left--)
            sweep_key(page, &at, &key, &type);
        resp_bulk(resp_open_now(r), key);
        resp_close_now(r);
        return true;
    }
    return false;
}

/* From some partition on, then those before it. */
enum resp_taken resp_randomkey(struct resp_session *r, const struct resp_request *q)
{
    struct keyspace_job *j = r->job.state;
    if (!j) {
        enum grid_err err;
        const struct context_info *context = resp_context(r, &err);
        if (!context)
            return refuse_err(r, err);
        j = job_new(r, context->partitions, (uint32_t)(chance(r) % context->partitions), 0);
        j->from = j->sweep.at;
    } else if (j->sweep.err) {
        return job_fail(r, j->sweep.err);
    } else if (j->sweep.pages_len) {
        if (random_say(r, j))
            return job_end(r);
        j->sweep.at += j->sweep.pages_len; /* they were empty */
        j->pages = j->pages * 2 < SWEEP_PAGES_MAX ? j->pages * 2 : SWEEP_PAGES_MAX;
    }
    if (sweep_done(&j->sweep) && !j->wrapped) {
        j->wrapped = true;
        sweep_release(&j->sweep);
        sweep_init(&j->sweep, j->from, 0, 0);
    }
    if (!sweep_done(&j->sweep))
        return job_ask(r, q, j->pages, RANDOM_PAGE, slice_make(NULL, 0));
    resp_null(resp_open_now(r), r->resp3);
    resp_close_now(r);
    return job_end(r);
}

/* --- FLUSHALL, FLUSHDB ------------------------------------------------------------------------ */

static void flush_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                         uint32_t part, const struct result *res)
{
    struct sweep *w = slot->state;
    (void)part;
    if (res->status && !w->err)
        w->err = res->status;
    if (--slot->left)
        return;
    slot->state = NULL;
    resp_open(r, number);
    resp_close(r, number);
}

static void flush_keep(void *state)
{
    (void)state; /* the job releases it */
}

/* A call that removes the keys of a page; NULL: no room. */
static struct op *flush_op(struct resp_session *r, const struct sweep *w, uint32_t i)
{
    const struct sweep_page *page = &w->pages[i];
    struct arena *a = r->base.arena;
    struct op *op = arena_calloc(a, 1, sizeof *op);
    struct slice *args = arena_alloc(a, (1 + (size_t)page->len) * sizeof *args);
    uint8_t *bytes = arena_alloc(a, page->keys.len);
    if (!op || !args || !bytes)
        return NULL;
    memcpy(bytes, page->keys.data, page->keys.len);
    struct sweep_page copy = {.keys = {bytes, page->keys.len, page->keys.len}};
    enum value_type type;
    size_t at = 0;
    uint32_t len = 0;
    args[0] = slice_str("del");
    while (sweep_key(&copy, &at, &args[1 + len], &type))
        len++;
    op->kind = OP_CALL;
    op->cache = r->cache;
    op->partition = (uint16_t)(w->at + i);
    op->slot = 0;
    op->procedure = command_del;
    op->args = args;
    op->args_len = 1 + len;
    op->keys = args + 1;
    op->keys_len = len;
    op->key = args[1];
    return op;
}

/* Remove what the pages show; false: no room for it in this turn. */
static bool flush_pages(struct resp_session *r, struct sweep *w)
{
    struct op *ops[SWEEP_PAGES_MAX];
    uint32_t len = 0;
    for (uint32_t i = 0; i < w->pages_len; i++) {
        if (!w->pages[i].len)
            continue;
        ops[len] = flush_op(r, w, i);
        if (!ops[len++])
            return false;
    }
    if (!len)
        return true;
    uint64_t number;
    struct resp_slot *slot = resp_slot_new(r, &number);
    slot->result = flush_result;
    slot->state = w;
    slot->state_free = flush_keep;
    slot->left = len;
    for (uint32_t i = 0; i < len; i++)
        session_submit(&r->base, ops[i], session_ticket(&r->base, number, i));
    return true;
}

static enum resp_taken flush_step(struct resp_session *r, const struct resp_request *q,
                                  struct keyspace_job *j)
{
    struct sweep *w = &j->sweep;
    if (w->err)
        return job_fail(r, w->err);
    if (w->pages_len) {
        if (!flush_pages(r, w))
            return resp_no_room(q->turn);
        uint32_t done = 1;
        while (done < w->pages_len && !w->pages[done - 1].next)
            done++;
        sweep_move(w, done);
        sweep_release(w);
        if (r->base.in_flight)
            return RESP_LATER;
    }
    if (!sweep_done(w))
        return job_ask(r, q, FLUSH_PAGES, FLUSH_PAGE, slice_make(NULL, 0));
    resp_ok(resp_open_now(r));
    resp_close_now(r);
    return job_end(r);
}

enum resp_taken resp_flush(struct resp_session *r, const struct resp_request *q)
{
    struct keyspace_job *j = r->job.state;
    if (!j) {
        enum grid_err err;
        const struct context_info *context = resp_context(r, &err);
        bool word = q->args_len == 1 || (q->args_len == 2 && (resp_word_is(q->args[1], "async") ||
                                                              resp_word_is(q->args[1], "sync")));
        if (!word)
            return refuse(r, "ERR syntax error");
        if (!context)
            return refuse_err(r, err);
        j = job_new(r, context->partitions, 0, 0);
    }
    return flush_step(r, q, j);
}
