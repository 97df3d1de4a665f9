/* resp_session.c - bytes in, requests out: the door of Redis clients. */
#include "session/may.h"
#include "session/resp_priv.h"

#include "control/settings.h"

#include <stdio.h>
#include <strings.h>

enum { BULK_MAX_LEAST = 512 << 10 /* whatever max_value is: commands are more than values */ };

/* --- refusing --------------------------------------------------------------------------------- */

void resp_refuse(struct resp_session *r, const char *line)
{
    struct buf *out = resp_open_now(r);
    resp_error_text(out, line);
    resp_close_now(r);
}

enum resp_taken resp_no_room(struct session_turn *turn)
{
    turn->more = true;
    return RESP_LATER;
}

enum { TOLD_BYTES = 128 };

/* As much of an argument as is told to people: up to `max` bytes or a NUL. */
static void tell(struct buf *to, struct slice arg, size_t max)
{
    size_t len = arg.len < max ? arg.len : max;
    const uint8_t *nul = len ? memchr(arg.data, 0, len) : NULL;
    if (len)
        buf_add(to, arg.data, nul ? (size_t)(nul - arg.data) : len);
}

static void try_help(struct buf *line, const struct resp_command *parent)
{
    buf_printf(line, "'. Try ");
    for (const char *c = parent->name; *c; c++)
        buf_add_u8(line, (uint8_t)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c));
    buf_printf(line, " HELP.");
}

static void unknown_say(struct buf *line, const struct slice *args, uint32_t args_len,
                        const struct resp_command *parent)
{
    buf_printf(line, parent ? "ERR unknown subcommand '" : "ERR unknown command '");
    tell(line, args[parent ? 1 : 0], TOLD_BYTES);
    if (parent) {
        try_help(line, parent);
        return;
    }
    buf_printf(line, "', with args beginning with: ");
    size_t from = line->len;
    for (uint32_t i = 1; i < args_len && line->len - from < TOLD_BYTES; i++) {
        buf_add_u8(line, '\'');
        tell(line, args[i], TOLD_BYTES + 1 - (line->len - from));
        buf_printf(line, "' ");
    }
}

/* An error that makes a transaction fail, when one is being put together. */
static enum resp_taken refuse_line(struct resp_session *r, struct slice line)
{
    resp_multi_spoil(r);
    resp_error(resp_open_now(r), line);
    resp_close_now(r);
    return RESP_TAKEN;
}

/* A browser that was made to send a form here: what follows in it must not be done. */
static bool is_http(struct slice name)
{
    return (name.len == 4 && strncasecmp((const char *)name.data, "post", 4) == 0) ||
           (name.len == 5 && strncasecmp((const char *)name.data, "host:", 5) == 0);
}

static enum resp_taken refuse_unknown(struct resp_session *r, const struct resp_request *q,
                                      const struct resp_command *parent)
{
    struct buf line = BUF_INIT;
    if (is_http(q->args[0])) {
        session_stop(&r->base, "it speaks HTTP to the door of Redis clients");
        return RESP_TAKEN;
    }
    unknown_say(&line, q->args, q->args_len, parent);
    refuse_line(r, buf_slice(&line));
    buf_release(&line);
    return RESP_TAKEN;
}

void resp_error_subcommand(struct buf *out, const struct resp_request *q)
{
    struct buf line = BUF_INIT;
    buf_printf(&line, "ERR unknown subcommand or wrong number of arguments for '");
    tell(&line, q->args[1], TOLD_BYTES);
    try_help(&line, resp_parent_of(q->command));
    resp_error(out, buf_slice(&line));
    buf_release(&line);
}

enum resp_taken resp_refuse_subcommand(struct resp_session *r, const struct resp_request *q)
{
    resp_error_subcommand(resp_open_now(r), q);
    resp_close_now(r);
    return RESP_TAKEN;
}

void resp_error_word(struct buf *out, const char *before, struct slice word, const char *behind)
{
    struct buf line = BUF_INIT;
    buf_add_text(&line, before);
    buf_add_u8(&line, '\'');
    tell(&line, word, SIZE_MAX);
    buf_add_u8(&line, '\'');
    buf_add_text(&line, behind);
    resp_error(out, buf_slice(&line));
    buf_release(&line);
}

enum resp_taken resp_refuse_word(struct resp_session *r, const char *before, struct slice word,
                                 const char *behind)
{
    resp_error_word(resp_open_now(r), before, word, behind);
    resp_close_now(r);
    return RESP_TAKEN;
}

static enum resp_taken refuse_arity(struct resp_session *r, const struct resp_command *c)
{
    char line[160];
    bool exec = c->act == resp_exec;
    snprintf(line, sizeof line, "%s wrong number of arguments for '%s' command",
             exec ? "EXECABORT Transaction discarded because of:" : "ERR", c->name);
    if (exec)
        resp_multi_reset(r);
    return refuse_line(r, slice_str(line));
}

void resp_everywhere(struct resp_session *r, const struct errand *e, resp_result_fn *result)
{
    uint64_t number;
    struct resp_slot *slot = resp_slot_new(r, &number);
    slot->result = result;
    session_everywhere(&r->base, number, e);
}

/* --- one request ------------------------------------------------------------------------------ */

static enum resp_taken do_say(struct resp_session *r, const struct resp_request *q)
{
    q->command->say(r, q, resp_open_now(r));
    resp_close_now(r);
    return RESP_TAKEN;
}

static inline enum resp_taken do_plain(struct resp_session *r, const struct resp_request *q)
{
    if (likely(q->command->procedure != NULL))
        return resp_call(r, q);
    return q->command->say ? do_say(r, q) : q->command->act(r, q);
}

enum resp_taken resp_do(struct resp_session *r, const struct resp_request *q)
{
    if (q->command->flags & RESP_ALONE) {
        r->alone = true;
        if (r->base.in_flight)
            return RESP_LATER;
    }
    return do_plain(r, q);
}

static enum resp_taken refuse_subscribed(struct resp_session *r, const struct resp_request *q)
{
    char line[192];
    snprintf(line, sizeof line,
             "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
             "are allowed in this context",
             q->command->name);
    return refuse_line(r, slice_str(line));
}

/* Who has yet to say who he is, what is queued, and what is done alone. */
static enum resp_taken do_gated(struct resp_session *r, const struct resp_request *q)
{
    if (unlikely(r->gate & GATE_PARTING) &&
        !r->job.begun) /* clients ask another node, as they do of Redis */
        return refuse_line(r, slice_str("LOADING The node is stopping; nothing was done"));
    if ((r->gate & GATE_STRANGER) && !(q->command->flags & RESP_NO_AUTH))
        return refuse_line(r, slice_str("NOAUTH Authentication required."));
    if (unlikely((r->gate & GATE_PUBSUB) && !(q->command->flags & RESP_SUBSCRIBED)))
        return refuse_subscribed(r, q);
    if ((r->gate & GATE_MULTI) && !(q->command->flags & RESP_AT_ONCE))
        return resp_multi_queue(r, q);
    return resp_do(r, q);
}

/* Of one that was begun it was asked then. */
static bool refused_right(struct resp_session *r, const struct resp_request *q)
{
    char why[MAY_WHY_BYTES], line[MAY_WHY_BYTES + 128];
    if ((r->gate & GATE_STRANGER) || r->job.begun || r->job.state || resp_may(r, q, why))
        return false;
    snprintf(line, sizeof line, "NOPERM this user has no permissions to run the '%s' command: %s",
             q->command->name, why);
    refuse_line(r, slice_str(line));
    return true;
}

static enum resp_taken dispatch(struct resp_session *r, struct resp_request *q)
{
    const struct resp_command *parent, *c = resp_command_find(q->args, q->args_len, &parent);
    if (unlikely(!c))
        return refuse_unknown(r, q, parent);
    if (unlikely(!resp_arity_fits(c, q->args_len) || (c->holds && !c->say)))
        return refuse_arity(r, c);
    q->command = r->last = c;
    if (unlikely(r->base.rights != NULL) && refused_right(r, q))
        return RESP_TAKEN;
    if (unlikely(r->gate || (c->flags & RESP_ALONE)))
        return do_gated(r, q);
    return do_plain(r, q);
}

/* CLIENT REPLY SKIP is for the one command behind it. */
static void skip_replies(struct resp_session *r)
{
    r->reply_skip = r->reply_skip_next;
    r->reply_skip_next = false;
}

/* --- input ------------------------------------------------------------------------------------ */

void resp_begin(struct resp_session *r)
{
    const struct session_peer *peer = &r->base.peer;
    const char *path = peer->cache ? peer->cache : "default/default";
    const struct cache_info *cache =
        catalog_cache_named(session_catalog(&r->base), slice_str(path));
    r->cache = cache ? cache->id : 0;
    session_is(&r->base, peer->user);
    r->gate = (r->gate & GATE_PARTING) | (session_trusts(&r->base) ? 0 : GATE_STRANGER);
    snprintf(r->user, sizeof r->user, "%s", peer->user[0] ? peer->user : "default");
}

/* The first request: who is at the other end is known by now. */
static void begin(struct resp_session *r)
{
    struct errands *here = r->base.ports->errands;
    r->id = here->clients++ * r->base.view->shards + r->base.ports->shard + 1;
    r->since_us = r->base.ports->now_us(r->base.ports->ctx);
    resp_begin(r);
}

static size_t bulk_max(const struct resp_session *r)
{
    size_t most = (size_t)catalog_setting(session_catalog(&r->base), SETTING_max_value);
    return most > BULK_MAX_LEAST ? most : BULK_MAX_LEAST;
}

static void give_up(struct resp_session *r)
{
    char line[RESP_WHY_BYTES + 8];
    snprintf(line, sizeof line, "ERR %s", r->parser.why);
    resp_refuse(r, line);
    session_stop(&r->base, "the client does not speak as Redis clients do");
}

static enum resp_taken take_whole(struct resp_session *r, const uint8_t *data,
                                  struct session_turn *turn)
{
    struct resp_parser *p = &r->parser;
    size_t bytes = p->spans_len * sizeof(struct slice) + (p->is_inline ? p->text.len : 0);
    struct slice *args = arena_alloc(turn->arena, bytes);
    if (unlikely(!args))
        return resp_no_room(turn);
    for (uint32_t i = 0; i < p->spans_len; i++)
        args[i] = resp_parser_arg(p, data, i);
    if (unlikely(p->is_inline)) { /* the next line will take the parser's text */
        uint8_t *text = (uint8_t *)(args + p->spans_len);
        if (p->text.len)
            memcpy(text, p->text.data, p->text.len);
        for (uint32_t i = 0; i < p->spans_len; i++)
            args[i].data = text + p->spans[i].at;
    }
    struct resp_request q = {.args = args, .args_len = p->spans_len, .turn = turn};
    return dispatch(r, &q);
}

static size_t take_done(struct resp_session *r)
{
    size_t used = r->parser.at;
    resp_parser_next(&r->parser);
    return used;
}

static size_t resp_take(struct session *s, const uint8_t *data, size_t len,
                        struct session_turn *turn)
{
    struct resp_session *r = resp_of(s);
    if (unlikely(r->gate & GATE_FRESH))
        begin(r);
    if (r->head == r->tail)
        r->active_us = s->ports->now_us(s->ports->ctx);
    struct resp_bounds bounds = {bulk_max(r), r->gate & GATE_STRANGER};
    switch (resp_parse(&r->parser, data, len, &bounds)) {
    case RESP_MORE:
        return 0;
    case RESP_EMPTY:
        return take_done(r);
    case RESP_BROKEN:
        give_up(r);
        return len;
    case RESP_WHOLE:
        break;
    }
    if (unlikely(turn->budget == 0)) {
        turn->more = true;
        return 0;
    }
    if (take_whole(r, data, turn) == RESP_LATER) {
        CHECK(s->in_flight || turn->more || s->state == CLOSING); /* or nobody would call again */
        return 0;
    }
    r->alone = false;
    turn->budget -= turn->budget > 0;
    session_count_request(s);
    if (unlikely(r->reply_skip || r->reply_skip_next))
        skip_replies(r);
    return take_done(r);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void resp_result(struct session *s, uint64_t number, uint32_t part, const struct result *res)
{
    struct resp_session *r = resp_of(s);
    struct resp_slot *slot = resp_slot_at(r, number);
    if (unlikely(slot->result != NULL)) {
        slot->result(r, slot, number, part, res);
        return;
    }
    resp_say_result(r, resp_open(r, number), res, slot->writes);
    resp_close(r, number);
}

static void resp_collected(struct session *s, uint64_t number, const struct collection *all)
{
    (void)s;
    (void)number;
    (void)all;
    check_failed("this door has no collectors", __FILE__, __LINE__, __func__);
}

static void resp_admin_result(struct session *s, uint64_t number, enum grid_err status,
                              struct slice detail, struct slice reply)
{
    struct result res = {.status = status, .reply = REPLY_BULK, .value = status ? detail : reply};
    resp_result(s, number, 0, &res);
}

/* --- life ------------------------------------------------------------------------------------- */

static bool resp_full(const struct session *s)
{
    const struct resp_session *r = resp_of_const(s);
    return resp_ring_full(r) || (r->alone && s->in_flight);
}

static void resp_part(struct session *s)
{
    if (s->parting == SESSION_REFUSES)
        resp_of(s)->gate |= GATE_PARTING;
}

static bool resp_expects(const struct session *s)
{
    return resp_of_const(s)->gate & (GATE_STRANGER | GATE_FRESH);
}

static void resp_init(struct session *s)
{
    struct resp_session *r = resp_of(s);
    r->gate = GATE_FRESH;
    list_init(&r->subscriptions);
    resp_parser_init(&r->parser);
    resp_ring_init(r);
}

static void resp_release(struct session *s)
{
    struct resp_session *r = resp_of(s);
    if (r->job.state)
        r->job.state_free(r->job.state);
    r->job.state = NULL;
    resp_pubsub_release(r);
    buf_release(&r->name);
    resp_multi_release(r);
    resp_parser_release(&r->parser);
    resp_ring_release(r);
}

static void resp_check(const struct session *s)
{
    const struct resp_session *r = resp_of_const(s);
    if (s->closed)
        return;
    resp_parser_check(&r->parser);
    resp_ring_check(r);
    CHECK(s->in_flight == 0 || r->head != r->tail);
}

const struct door resp_door = {
    .name = "resp",
    .bytes = sizeof(struct resp_session),
    .init = resp_init,
    .release = resp_release,
    .take = resp_take,
    .result = resp_result,
    .collected = resp_collected,
    .admin_result = resp_admin_result,
    .expects = resp_expects,
    .full = resp_full,
    .part = resp_part,
    .check = resp_check,
};
