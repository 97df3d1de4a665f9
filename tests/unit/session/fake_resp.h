/* fake_resp.h - a Redis client for tests: requests as lines, replies as text. What was submitted is
 * answered by the test; its arguments stay until fake_turn_end(). */
#ifndef GRIDD_TESTS_SESSION_FAKE_RESP_H
#define GRIDD_TESTS_SESSION_FAKE_RESP_H

#include "command/commands.h"
#include "command/resp.h"
#include "tests/unit/session/fake.h"

#include <stdio.h>

enum { ERRANDS_MAX = 16 };

/* Errands that wait for fake_errands(). */
static struct {
    struct ticket to[ERRANDS_MAX];
    uint64_t number[ERRANDS_MAX];
    struct buf out[ERRANDS_MAX];
    size_t len;
} fake_errand;

static inline void fake_everywhere(void *ctx, const struct ticket *to, const struct errand *e)
{
    struct fake *f = ctx;
    ck_assert_uint_lt(fake_errand.len, ERRANDS_MAX);
    size_t i = fake_errand.len++;
    fake_errand.to[i] = *to;
    fake_errand.out[i] = (struct buf)BUF_INIT;
    fake_errand.number[i] = errand_run(f->ports.errands, e, &fake_errand.out[i]);
}

static inline void fake_errands(void)
{
    for (size_t i = 0; i < fake_errand.len; i++) {
        struct result res = {.number = (int64_t)fake_errand.number[i],
                             .value = buf_slice(&fake_errand.out[i])};
        session_result(&fake_errand.to[i], &res);
        buf_release(&fake_errand.out[i]);
    }
    fake_errand.len = 0;
}

static inline void fake_wake(void *ctx, struct session *s)
{
    (void)ctx;
    ck_assert_ptr_nonnull(s);
}

/* A node whose client is yet to come. */
static inline struct fake *fake_resp_new(void)
{
    struct fake *f = fake_new();
    f->now_us = UINT64_C(1700000000) * 1000000;
    f->limits.output = 1 << 30; /* requests are taken before replies are known */
    f->ports.everywhere = fake_everywhere;
    f->ports.wake = fake_wake;
    return f;
}

static inline struct fake *fake_resp(void)
{
    struct fake *f = fake_resp_new();
    fake_connect_to(f, &resp_door);
    return f;
}

/* Offer what was sent and not taken. The bytes stay where they are until the test ends, as a
 * node's stay for the turn. */
static inline void fake_offer(struct fake *f)
{
    struct session_turn turn = {.arena = f->arena, .budget = f->budget};
    size_t used = session_input(f->session, f->in.data, f->in.len, &turn);
    ck_assert_uint_le(used, f->in.len);
    f->more = turn.more;
    session_check(f->session);
    if (!used)
        return;
    struct buf rest = BUF_INIT;
    if (f->in.len > used)
        buf_add(&rest, f->in.data + used, f->in.len - used);
    ck_assert_uint_lt(f->copies_len, FAKE_COPIES);
    f->copies[f->copies_len++] = f->in.data;
    f->in = rest;
}

static inline void fake_line(struct fake *f, const char *line)
{
    fake_send_bytes(f, line, strlen(line));
    fake_send_bytes(f, "\r\n", 2);
}

/* Send a line and offer it. */
static inline void fake_ask(struct fake *f, const char *line)
{
    fake_line(f, line);
    fake_offer(f);
}

/* All output so far, taken; "|" stands for line ends. Static. */
static inline const char *fake_said(struct fake *f)
{
    static char text[1 << 20];
    struct slice out = session_output(f->session);
    size_t len = 0;
    ck_assert_uint_lt(out.len, sizeof text);
    for (size_t i = 0; i < out.len; i++)
        if (out.data[i] != '\r')
            text[len++] = (char)(out.data[i] == '\n' ? '|' : out.data[i]);
    text[len] = '\0';
    session_sent(f->session, out.len);
    session_check(f->session);
    return text;
}

#define ck_says(f, text) ck_assert_str_eq(fake_said(f), text)
/* Ask, and this is said at once. */
#define ck_asks(f, line, text)                                                                     \
    do {                                                                                           \
        fake_ask(f, line);                                                                         \
        ck_says(f, text);                                                                          \
    } while (0)

static inline void fake_ok(const struct op *op)
{
    fake_answer(op, (struct result){.reply = REPLY_OK});
}

static inline void fake_integer(const struct op *op, int64_t number)
{
    fake_answer(op, (struct result){.reply = REPLY_INTEGER, .number = number});
}

static inline void fake_bulk(const struct op *op, const char *text)
{
    fake_answer(op, (struct result){.reply = REPLY_BULK, .value = slice_str(text)});
}

static inline void fake_raw(const struct op *op, const char *text)
{
    fake_answer(op, (struct result){.reply = REPLY_RAW, .value = slice_str(text)});
}

static inline bool fake_arg_is(const struct op *op, uint32_t i, const char *text)
{
    return i < op->args_len && slice_eq(op->args[i], slice_str(text));
}

/* A context of one partition with one cache, "one/c". */
static inline void fake_one_partition(struct fake *f)
{
    char why[WHY_BYTES];
    struct context_info want = {
        .name = "one", .partitions = 1, .durability = DURABILITY_MEMORY, .min_in_sync = 1};
    ck_assert_int_eq(catalog_context_create(f->catalog, &want, why), GRID_OK);
    ck_assert_int_eq(catalog_cache_create(f->catalog, slice_str("one/c"), 0, why), GRID_OK);
    f->catalog->revision++;
}

#endif
