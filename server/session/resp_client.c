/* resp_client.c - CLIENT: what connections there are, on this thread and (by errands) on all. */
#include "session/resp_priv.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdio.h>

/* --- one connection --------------------------------------------------------------------------- */

const char *resp_client_rename(struct resp_session *r, struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] < '!' || name.data[i] > '~')
            return "ERR Client names cannot contain spaces, newlines or special characters.";
    if (name.len > RESP_NAME_MAX)
        return "ERR Client names have at most 1024 bytes.";
    r->name.len = 0;
    if (name.len)
        buf_add(&r->name, name.data, name.len);
    session_set_client(&r->base, name);
    return NULL;
}

void resp_client_id(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)q;
    resp_integer(out, (int64_t)r->id);
}

void resp_client_getname(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)q;
    if (r->name.len)
        resp_bulk(out, buf_slice(&r->name));
    else
        resp_null(out, r->resp3);
}

void resp_client_setname(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    const char *fault = resp_client_rename(r, q->args[2]);
    if (fault)
        resp_error_text(out, fault);
    else
        resp_ok(out);
}

/* Replies to what comes behind it, or to the one request behind it, are not sent. */
void resp_client_reply(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    if (resp_word_is(q->args[2], "on")) {
        r->reply_off = r->reply_skip = false;
        resp_ok(out);
    } else if (resp_word_is(q->args[2], "off")) {
        r->reply_off = true;
    } else if (resp_word_is(q->args[2], "skip")) {
        r->reply_skip_next = !r->reply_off;
    } else {
        resp_error_text(out, "ERR syntax error");
    }
}

/* A word that is ON or OFF and means nothing here. */
static void on_or_off(const struct resp_request *q, struct buf *out)
{
    if (resp_word_is(q->args[2], "on") || resp_word_is(q->args[2], "off"))
        resp_ok(out);
    else
        resp_error_text(out, "ERR syntax error");
}

void resp_client_no_evict(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    on_or_off(q, out);
}

/* The options behind CLIENT TRACKING ON or OFF: NULL, or the error. */
static const char *tracking_fault(const struct resp_request *q)
{
    static const char *const alone[] = {"bcast", "optin", "optout", "noloop"};
    for (uint32_t i = 3; i < q->args_len; i++) {
        bool known = false, more = i + 1 < q->args_len;
        int64_t id;
        for (size_t k = 0; k < sizeof alone / sizeof *alone; k++)
            known |= resp_word_is(q->args[i], alone[k]);
        if (known)
            continue;
        if (more && resp_word_is(q->args[i], "redirect")) {
            if (!resp_number(q->args[++i], &id))
                return "ERR value is not an integer or out of range";
        } else if (more && resp_word_is(q->args[i], "prefix")) {
            i++;
        } else {
            return "ERR syntax error";
        }
    }
    return NULL;
}

void resp_client_tracking(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    const char *fault = tracking_fault(q);
    (void)r;
    if (fault)
        resp_error_text(out, fault);
    else if (resp_word_is(q->args[2], "on"))
        resp_error_text(out, "ERR client side caching is not supported");
    else
        on_or_off(q, out);
}

void resp_client_trackinginfo(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)q;
    resp_map(out, 3, r->resp3);
    resp_bulk(out, slice_str("flags"));
    resp_set(out, 1, r->resp3);
    resp_bulk(out, slice_str("off"));
    resp_bulk(out, slice_str("redirect"));
    resp_integer(out, -1);
    resp_bulk(out, slice_str("prefixes"));
    resp_array(out, 0);
}

void resp_client_getredir(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    (void)q;
    resp_integer(out, -1);
}

void resp_client_caching(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    (void)q;
    resp_error_text(out, "ERR CLIENT CACHING can be called only when the client is in tracking "
                         "mode with OPTIN or OPTOUT mode enabled");
}

/* No command here waits for another client. */
void resp_client_unblock(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    int64_t id;
    (void)r;
    if (q->args_len > 4)
        resp_error_subcommand(out, q);
    else if (q->args_len == 4 && !resp_word_is(q->args[3], "timeout") &&
             !resp_word_is(q->args[3], "error"))
        resp_error_text(out, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    else if (!resp_number(q->args[2], &id))
        resp_error_text(out, "ERR value is not an integer or out of range");
    else
        resp_integer(out, 0);
}

/* --- what is told of one ---------------------------------------------------------------------- */

static const char *client_flags(const struct resp_session *r)
{
    if (r->gate & GATE_MULTI)
        return "x";
    return r->gate & GATE_PUBSUB ? "P" : "N";
}

static void client_line(const struct resp_session *r, struct buf *out)
{
    const struct session *s = &r->base;
    uint64_t now = s->ports->now_us(s->ports->ctx);
    buf_printf(out, "id=%" PRIu64 " addr=%s laddr=%s fd=0 name=%.*s", r->id, s->peer.address,
               s->peer.local, (int)r->name.len, r->name.len ? (const char *)r->name.data : "");
    buf_printf(out,
               " age=%" PRIu64 " idle=%" PRIu64 " flags=%s db=0 sub=0 psub=0 ssub=0 multi=-1"
               " qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=%zu rbp=%zu obl=0 oll=0 omem=%zu"
               " tot-mem=%zu events=r cmd=%s user=%s redir=-1 resp=%d\n",
               (now - r->since_us) / 1000000, (now - r->active_us) / 1000000, client_flags(r),
               s->out.cap, s->out.len, r->later.cap,
               sizeof *r + s->out.cap + r->later.cap +
                   (r->slots_mask + 1) * sizeof(struct resp_slot),
               r->last ? r->last->name : "NULL", r->user, r->resp3 ? 3 : 2);
}

void resp_client_info(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    struct buf line = BUF_INIT;
    (void)q;
    client_line(r, &line);
    resp_verbatim(out, buf_slice(&line), r->resp3);
    buf_release(&line);
}

/* --- all of them ------------------------------------------------------------------------------ */

/* Which are meant, as the arguments of an errand. Empty: whichever. */
enum filter { FILTER_IDS, FILTER_TYPE, FILTER_ADDR, FILTER_LADDR, FILTER_USER, FILTERS };
enum { TYPE_NORMAL, TYPE_MASTER, TYPE_REPLICA, TYPE_PUBSUB, TYPES };

static const char *const type_names[TYPES] = {"normal", "master", "replica", "pubsub"};

static int type_of(struct slice word)
{
    if (resp_word_is(word, "slave"))
        return TYPE_REPLICA;
    for (int t = 0; t < TYPES; t++)
        if (resp_word_is(word, type_names[t]))
            return t;
    return -1;
}

static bool id_listed(struct slice ids, uint64_t id)
{
    for (size_t at = 0; at + sizeof id <= ids.len; at += sizeof id)
        if (load_u64(ids.data + at) == id)
            return true;
    return false;
}

static bool text_fits(struct slice wanted, const char *text)
{
    return !wanted.len || slice_eq(wanted, slice_str(text));
}

static bool client_fits(const struct resp_session *r, const struct errand *e)
{
    struct slice type = e->args[FILTER_TYPE];
    int own = r->gate & GATE_PUBSUB ? TYPE_PUBSUB : TYPE_NORMAL;
    return (!e->args[FILTER_IDS].len || id_listed(e->args[FILTER_IDS], r->id)) &&
           (!type.len || type_of(type) == own) &&
           text_fits(e->args[FILTER_ADDR], r->base.peer.address) &&
           text_fits(e->args[FILTER_LADDR], r->base.peer.local) &&
           text_fits(e->args[FILTER_USER], r->user);
}

static uint64_t list_run(struct errands *here, const struct errand *e, struct buf *out)
{
    list_for_each (it, &here->sessions) {
        struct session *s = list_entry(it, struct session, here);
        if (s->door == &resp_door && s->state == OPEN && client_fits(resp_of(s), e))
            client_line(resp_of(s), out);
    }
    return 0;
}

/* `e->number`: the client that is spared; 0: none. */
static uint64_t kill_run(struct errands *here, const struct errand *e, struct buf *out)
{
    uint64_t killed = 0;
    (void)out;
    list_for_each (it, &here->sessions) {
        struct session *s = list_entry(it, struct session, here);
        if (s->door != &resp_door || s->state != OPEN || !client_fits(resp_of(s), e) ||
            resp_of(s)->id == (uint64_t)e->number)
            continue;
        session_stop(s, "CLIENT KILL");
        s->ports->wake(s->ports->ctx, s);
        killed++;
    }
    return killed;
}

static void list_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                        uint32_t part, const struct result *res)
{
    (void)slot;
    (void)part;
    resp_verbatim(resp_open(r, number), res->value, r->resp3);
    resp_close(r, number);
}

static void kill_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                        uint32_t part, const struct result *res)
{
    (void)slot;
    (void)part;
    resp_integer(resp_open(r, number), res->number);
    resp_close(r, number);
}

/* By the address alone: OK, or there is none. */
static void kill_one_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                            uint32_t part, const struct result *res)
{
    (void)slot;
    (void)part;
    struct buf *out = resp_open(r, number);
    if (res->number)
        resp_ok(out);
    else
        resp_error_text(out, "ERR No such client");
    resp_close(r, number);
}

static enum resp_taken refuse(struct resp_session *r, const char *line)
{
    resp_refuse(r, line);
    return RESP_TAKEN;
}

static enum resp_taken refuse_type(struct resp_session *r, struct slice type)
{
    return resp_refuse_word(r, "ERR Unknown client type ", type, "");
}

/* Numbers of clients, side by side, none below `least`. */
static bool ids_read(const struct slice *args, uint32_t len, int64_t least, struct buf *ids)
{
    for (uint32_t i = 0; i < len; i++) {
        int64_t id;
        if (!resp_number(args[i], &id) || id < least)
            return false;
        buf_add_u64(ids, (uint64_t)id);
    }
    return true;
}

enum resp_taken resp_client_list(struct resp_session *r, const struct resp_request *q)
{
    struct errand e = {.run = list_run, .args_len = FILTERS};
    struct buf ids = BUF_INIT;
    if (q->args_len == 4 && resp_word_is(q->args[2], "type")) {
        if (type_of(q->args[3]) < 0)
            return refuse_type(r, q->args[3]);
        e.args[FILTER_TYPE] = q->args[3];
    } else if (q->args_len > 3 && resp_word_is(q->args[2], "id")) {
        if (!ids_read(q->args + 3, q->args_len - 3, INT64_MIN, &ids)) {
            buf_release(&ids);
            return refuse(r, "ERR Invalid client ID");
        }
        e.args[FILTER_IDS] = buf_slice(&ids);
    } else if (q->args_len > 2) {
        return refuse(r, "ERR syntax error");
    }
    resp_everywhere(r, &e, list_result);
    buf_release(&ids);
    return RESP_TAKEN;
}

/* An address that is empty is nobody's, where an empty filter lets all through. */
static struct slice address_wanted(struct slice value)
{
    return value.len ? value : slice_str("?");
}

/* Where passwords are asked for, nobody is told who may come in: a stranger has no connections. */
static bool user_known(const struct resp_session *r, struct slice user)
{
    return r->base.ports->authenticate ? user.len != 0 : slice_eq(user, slice_str("default"));
}

/* False: refused. */
static bool kill_filter(struct resp_session *r, struct slice name, struct slice value,
                        struct errand *e, struct buf *id)
{
    if (resp_word_is(name, "id")) {
        id->len = 0;
        if (!ids_read(&value, 1, 1, id)) {
            resp_refuse(r, "ERR client-id should be greater than 0");
            return false;
        }
        e->args[FILTER_IDS] = buf_slice(id);
    } else if (resp_word_is(name, "type")) {
        if (type_of(value) < 0) {
            refuse_type(r, value);
            return false;
        }
        e->args[FILTER_TYPE] = value;
    } else if (resp_word_is(name, "addr")) {
        e->args[FILTER_ADDR] = address_wanted(value);
    } else if (resp_word_is(name, "laddr")) {
        e->args[FILTER_LADDR] = address_wanted(value);
    } else if (resp_word_is(name, "user")) {
        if (!user_known(r, value)) {
            resp_refuse_word(r, "ERR No such user ", value, "");
            return false;
        }
        e->args[FILTER_USER] = value;
    } else if (resp_word_is(name, "skipme") && resp_word_is(value, "yes")) {
        e->number = (int64_t)r->id;
    } else if (resp_word_is(name, "skipme") && resp_word_is(value, "no")) {
        e->number = 0;
    } else {
        resp_refuse(r, "ERR syntax error");
        return false;
    }
    return true;
}

enum resp_taken resp_client_kill(struct resp_session *r, const struct resp_request *q)
{
    struct errand e = {.run = kill_run, .args_len = FILTERS};
    if (q->args_len == 3) {
        e.args[FILTER_ADDR] = address_wanted(q->args[2]);
        resp_everywhere(r, &e, kill_one_result);
        return RESP_TAKEN;
    }
    struct buf id = BUF_INIT;
    e.number = (int64_t)r->id;
    uint32_t i = 2;
    while (i + 1 < q->args_len && kill_filter(r, q->args[i], q->args[i + 1], &e, &id))
        i += 2;
    if (i == q->args_len)
        resp_everywhere(r, &e, kill_result);
    else if (i + 1 == q->args_len)
        resp_refuse(r, "ERR syntax error"); /* a filter without its value */
    buf_release(&id);
    return RESP_TAKEN;
}
