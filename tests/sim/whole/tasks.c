/* tasks.c - counters that are counted by tasks: procedures that find their keys (shard/call.h).
 *
 * A task counts its key, and a second one that nobody else writes: both are the same, always, for
 * they are one record. It fails when the count is odd, or even, as its argument says: who is told
 * so is told it again, though it could be done by then (R13). */
#include "tests/sim/whole/world.h"

#include "command/procedures.h"
#include "shard/call.h"

#include <stdio.h>
#include <stdlib.h>

enum { TASK_NUMBER = 127 };

static int64_t number_of(const struct entry *e)
{
    char text[24] = "0";
    struct slice s = e ? entry_string(e) : slice_make(NULL, 0);
    CHECK(s.len < sizeof text);
    if (s.len)
        memcpy(text, s.data, s.len);
    text[s.len ? s.len : 1] = '\0';
    return strtoll(text, NULL, 10);
}

static void fails(struct call *c, enum grid_err err, const char *why)
{
    c->reply = (struct reply){REPLY_ERROR, err, slice_str(why)};
}

static void count(struct call *c)
{
    char name[32];
    uint32_t other;
    struct slice key = call_key(c, 0), want = c->args[1];
    int len = snprintf(name, sizeof name, "twin-%.*s", (int)key.len, (const char *)key.data);
    enum grid_err err = call_find(c, call_cache(c), slice_make(name, (size_t)len), &other);
    int64_t n = number_of(call_entry(c, 0));
    if (err && call_again(c))
        c->reply.kind = REPLY_NULL;
    else if (err)
        fails(c, err, "its twin cannot be found");
    else if (n != number_of(call_entry(c, other)))
        fails(c, GRID_ECORRUPT, "its twin is not the same");
    else if (want.len && (n & 1) == want.data[0] - '0')
        fails(c, GRID_ETASK, "it is the wrong time");
    if (c->reply.kind)
        return;
    c->raw->len = 0;
    buf_printf(c->raw, "%lld", (long long)n + 1);
    call_put(c, 0, VALUE_BYTES, buf_slice(c->raw), 0);
    call_put(c, other, VALUE_BYTES, buf_slice(c->raw), 0);
    c->reply = (struct reply){REPLY_BULK, 0, buf_slice(c->raw)};
}

__attribute__((constructor)) static void procedures_make(void)
{
    static const struct procedure_info ours[] = {
        {count, TASK_NUMBER, true, TASK_ARGS_LEN, 0, 0, 0, false, true, false}};
    procedures_add(ours, sizeof ours / sizeof *ours);
}

/* In every other seed: those that found something without tasks still do. */
bool task_counts(const struct world *w, const struct client *c)
{
    const struct simkey *k = &w->contexts[c->context].keys[c->key];
    return w->seed % 2 == 0 && c->op.kind == HISTORY_INCR && k->counter;
}

/* Like the key, `args` stay until it is submitted. */
void task_fill(const struct client *c, struct op *op, struct slice args[TASK_ARGS_LEN])
{
    static const char *const when[] = {"", "0", "1"};
    args[0] = slice_str("count");
    args[1] = slice_str(when[c->number % 3]);
    op->kind = OP_CALL;
    op->procedure = count;
    op->finds_keys = true;
    op->args = args;
    op->args_len = TASK_ARGS_LEN;
    op->keys = &op->key;
    op->keys_len = 1;
}
