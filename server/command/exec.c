/* exec.c - a transaction: watched keys, then one command after the other. */
#include "command/command_priv.h"
#include "command/procedures.h"

/* The op's own keys come first: args[1..] are the versions they had when they were watched, 8 bytes
 * little-endian each. */
static bool watched_unchanged(struct call *c)
{
    for (uint32_t i = 1; i < c->args_len; i++) {
        CHECK(c->args[i].len == 8);
        if (call_version(c, i - 1) != load_u64(c->args[i].data))
            return false;
    }
    return true;
}

static bool too_early(const struct call *c)
{
    for (uint32_t i = 0; i < call_steps(c); i++) {
        const struct slice *args;
        const struct op_step *s = call_step_is(c, i, &args);
        procedure_late_fn *late = procedure_late(s->procedure);
        if (late && late(c, args, s->args_len))
            return true;
    }
    return false;
}

void command_exec(struct call *c)
{
    if (too_early(c)) {
        call_refuse_all(c, GRID_ENOT_PRIMARY); /* which is asked again by and by */
        reply_null(c);                         /* nobody sees it */
        return;
    }
    if (!watched_unchanged(c)) {
        c->reply.kind = REPLY_NULL_ARRAY;
        return;
    }
    struct buf all = BUF_INIT;
    resp_array(&all, call_steps(c));
    for (uint32_t i = 0; i < call_steps(c); i++) {
        enum grid_err err = call_step(c, i);
        if (err)
            resp_error(&all, resp_error_of(err));
        else if (all.len + c->reply.bytes.len > ANSWER_BYTES_MAX)
            resp_error(&all, slice_str(TOO_MUCH));
        else
            resp_reply(&all, &c->reply, resp3(c));
    }
    c->raw->len = 0;
    buf_add(c->raw, all.data, all.len);
    buf_release(&all);
    reply_raw(c);
}
