/* resp_connection.c - commands about the connection itself: who is there, what it speaks, which
 * cache it means. */
#include "session/resp_priv.h"

#include <stdio.h>

enum { WORD_BYTES = 512 /* of a user or a password */ };

/* To who listens, a reply must look like a push. */
static void pong_push(const struct resp_request *q, struct buf *out)
{
    resp_array(out, 2);
    resp_bulk(out, slice_str("pong"));
    resp_bulk(out, q->args_len == 2 ? q->args[1] : slice_make(NULL, 0));
}

void resp_ping(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    if (q->args_len > 2)
        resp_error_text(out, "ERR wrong number of arguments for 'ping' command");
    else if (r->gate & GATE_PUBSUB)
        pong_push(q, out);
    else if (q->args_len == 2)
        resp_bulk(out, q->args[1]);
    else
        resp_status(out, slice_str("PONG"));
}

void resp_echo(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    resp_bulk(out, q->args[1]);
}

void resp_quit(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)q;
    resp_ok(out);
    session_stop(&r->base, "the client said QUIT");
}

/* --- who is there ----------------------------------------------------------------------------- */

/* NULL: `user` is let in; else the error. */
static const char *admit(struct resp_session *r, struct slice user, struct slice password)
{
    static const char wrong[] = "WRONGPASS invalid username-password pair or user is disabled.";
    char u[WORD_BYTES], p[WORD_BYTES];
    if (!r->base.ports->authenticate)
        return slice_eq(user, slice_str("default")) ? NULL : wrong;
    if (!resp_string(user, u, sizeof u) || !resp_string(password, p, sizeof p))
        return wrong;
    enum grid_err err = session_authenticate(&r->base, u, p);
    if (err == GRID_EBUSY)
        return "ERR too many wrong passwords just now, try again later";
    if (err)
        return wrong;
    snprintf(r->user, sizeof r->user, "%.*s", (int)(sizeof r->user - 1), u);
    r->gate &= ~(unsigned)GATE_STRANGER;
    return NULL;
}

void resp_auth(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    const char *fault;
    if (q->args_len > 3)
        fault = "ERR syntax error";
    else if (q->args_len == 3)
        fault = admit(r, q->args[1], q->args[2]);
    else if (!r->base.ports->authenticate)
        fault = "ERR AUTH <password> called without any password configured for the default user. "
                "Are you sure your configuration is correct?";
    else
        fault = admit(r, slice_str("default"), q->args[1]);
    if (fault)
        resp_error_text(out, fault);
    else
        resp_ok(out);
}

/* --- what it speaks --------------------------------------------------------------------------- */

/* Do the options, each as it comes, as Redis does: NULL, or the error. *ret_unknown: the option
 * that is none, or NULL. */
static const char *hello_options(struct resp_session *r, const struct resp_request *q,
                                 const struct slice **ret_unknown)
{
    const char *fault = NULL;
    *ret_unknown = NULL;
    for (uint32_t i = 2; !fault && i < q->args_len; i++) {
        uint32_t behind = q->args_len - i - 1;
        if (resp_word_is(q->args[i], "auth") && behind >= 2) {
            fault = admit(r, q->args[i + 1], q->args[i + 2]);
            i += 2;
        } else if (resp_word_is(q->args[i], "setname") && behind >= 1) {
            fault = resp_client_rename(r, q->args[++i]);
        } else {
            *ret_unknown = &q->args[i];
            break;
        }
    }
    return fault;
}

/* NULL, or the error, if it is not *ret_unknown. */
static const char *hello_do(struct resp_session *r, const struct resp_request *q,
                            const struct slice **ret_unknown)
{
    int64_t version = r->resp3 ? 3 : 2;
    if (q->args_len > 1 && !resp_number(q->args[1], &version))
        return "ERR Protocol version is not an integer or out of range";
    if (version < 2 || version > 3)
        return "NOPROTO unsupported protocol version";
    const char *fault = hello_options(r, q, ret_unknown);
    if (fault || *ret_unknown)
        return fault;
    if (r->gate & GATE_STRANGER)
        return "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
               "HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client "
               "and select the RESP protocol version at the same time";
    r->resp3 = version == 3;
    return NULL;
}

static void hello_say(const struct resp_session *r, struct buf *out)
{
    resp_map(out, 7, r->resp3);
    resp_bulk(out, slice_str("server"));
    resp_bulk(out, slice_str("redis"));
    resp_bulk(out, slice_str("version"));
    resp_bulk(out, slice_str(RESP_REDIS_VERSION));
    resp_bulk(out, slice_str("proto"));
    resp_integer(out, r->resp3 ? 3 : 2);
    resp_bulk(out, slice_str("id"));
    resp_integer(out, (int64_t)r->id);
    resp_bulk(out, slice_str("mode"));
    resp_bulk(out, slice_str("standalone"));
    resp_bulk(out, slice_str("role"));
    resp_bulk(out, slice_str("master"));
    resp_bulk(out, slice_str("modules"));
    resp_array(out, 0);
}

void resp_hello(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    const struct slice *unknown = NULL;
    const char *fault = hello_do(r, q, &unknown);
    if (unknown)
        resp_error_word(out, "ERR Syntax error in HELLO option ", *unknown, "");
    else if (fault)
        resp_error_text(out, fault);
    else
        hello_say(r, out);
}

void resp_reset(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)q;
    r->resp3 = false;
    r->reply_off = r->reply_skip = r->reply_skip_next = false;
    r->name.len = 0;
    resp_pubsub_release(r);
    resp_multi_reset(r);
    resp_begin(r);
    resp_status(out, slice_str("RESET"));
}

/* --- which data ------------------------------------------------------------------------------- */

void resp_select(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    int64_t db;
    (void)r;
    if (!resp_number(q->args[1], &db) || db > INT32_MAX || db < INT32_MIN)
        resp_error_text(out, "ERR value is not an integer or out of range");
    else if (db)
        resp_error_text(out, "ERR DB index is out of range");
    else
        resp_ok(out);
}

void resp_grid_use(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    const struct catalog *c = session_catalog(&r->base);
    const struct cache_info *cache = catalog_cache_named(c, q->args[1]);
    if (!cache) {
        resp_error_text(out, "ERR no such cache: name it CONTEXT/CACHE");
        return;
    }
    r->cache = cache->id;
    resp_multi_reset(r); /* what was watched was in the other */
    resp_ok(out);
}

/* Nobody needs a redirection here: whoever asks, this node answers. */
void resp_cluster_mode(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    (void)q;
    resp_ok(out);
}
