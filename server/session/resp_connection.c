/* resp_connection.c - commands about the connection itself. */
#include "session/resp_priv.h"

void resp_ping(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    (void)r;
    if (q->args_len > 2)
        resp_error_text(out, "ERR wrong number of arguments for 'ping' command");
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
    resp_status(out, slice_str("OK"));
    session_stop(&r->base, "the client said QUIT");
}
