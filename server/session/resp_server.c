/* resp_server.c - commands about the server as a whole that need nobody else. */
#include "session/resp_priv.h"

#include "control/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void resp_time(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    char text[24];
    uint64_t now = r->base.ports->now_us(r->base.ports->ctx);
    (void)q;
    resp_array(out, 2);
    snprintf(text, sizeof text, "%" PRIu64, now / 1000000);
    resp_bulk(out, slice_str(text));
    snprintf(text, sizeof text, "%" PRIu64, now % 1000000);
    resp_bulk(out, slice_str(text));
}

/* Everything before it is answered, so as durable as its context wants it; nobody has a copy. */
void resp_wait(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    int64_t replicas, timeout;
    (void)r;
    if (!resp_number(q->args[1], &replicas))
        resp_error_text(out, "ERR value is not an integer or out of range");
    else if (!resp_number(q->args[2], &timeout))
        resp_error_text(out, "ERR timeout is not an integer or out of range");
    else if (timeout < 0)
        resp_error_text(out, "ERR timeout is negative");
    else
        resp_integer(out, 0);
}

/* --- DEBUG SLEEP ------------------------------------------------------------------------------ */

enum { SLEEP_SECONDS_MAX = 3600 };

/* Redis reads it as strtod() does: what is no number sleeps not at all. */
static msec_t sleep_of(struct slice text)
{
    char word[32];
    size_t len = text.len < sizeof word ? text.len : sizeof word - 1;
    memcpy(word, text.data, len);
    word[len] = 0;
    double seconds = strtod(word, NULL);
    if (!(seconds > 0))
        return 0;
    return (msec_t)((seconds < SLEEP_SECONDS_MAX ? seconds : SLEEP_SECONDS_MAX) * 1000);
}

enum resp_taken resp_debug(struct resp_session *r, const struct resp_request *q)
{
    if (!catalog_setting(session_catalog(&r->base), SETTING_debug_commands)) {
        resp_refuse(r, "ERR DEBUG command not allowed. An administrator can allow it: gridctl "
                       "settings set debug_commands 1");
        return RESP_TAKEN;
    }
    if (q->args_len != 3 || !resp_word_is(q->args[1], "sleep")) {
        resp_refuse(r, "ERR DEBUG knows one subcommand: DEBUG SLEEP seconds");
        return RESP_TAKEN;
    }
    uint64_t number;
    resp_slot_new(r, &number);
    session_sleep(&r->base, number, sleep_of(q->args[2]));
    return RESP_TAKEN;
}

/* --- there is one database -------------------------------------------------------------------- */

static bool db_read(struct slice text, int64_t *ret_db)
{
    return resp_number(text, ret_db) && *ret_db <= INT32_MAX && *ret_db >= INT32_MIN;
}

void resp_move(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    int64_t db;
    (void)r;
    if (!db_read(q->args[2], &db))
        resp_error_text(out, "ERR value is not an integer or out of range");
    else if (db)
        resp_error_text(out, "ERR DB index is out of range");
    else
        resp_error_text(out, "ERR source and destination objects are the same");
}

void resp_swapdb(struct resp_session *r, const struct resp_request *q, struct buf *out)
{
    int64_t a, b;
    (void)r;
    if (!db_read(q->args[1], &a))
        resp_error_text(out, "ERR invalid first DB index");
    else if (!db_read(q->args[2], &b))
        resp_error_text(out, "ERR invalid second DB index");
    else if (a || b)
        resp_error_text(out, "ERR DB index is out of range");
    else
        resp_ok(out);
}
