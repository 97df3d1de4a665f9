/* fuzz_resp.c - bytes as what a Redis client sends on a connection, in pieces, to a session whose
 * node answers now, later or never; and the same bytes to the parser alone.
 * The first byte seeds the pieces and the answers; bit 0: there are users; bit 1: one partition;
 * bit 2: there is room for output.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "base/prng.h"
#include "command/commands.h"
#include "command/resp.h"
#include "compute/scripts.h"
#include "session/resp_parse.h"
#include "session/session.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

enum { WAITING_MAX = 16384, TURNS_MAX = 300, PIECES_MAX = 2000 };

struct waiting {
    struct ticket to;
    enum op_kind kind;
    procedure_fn *procedure;
    uint32_t steps;
    bool admin, errand;
    uint64_t number;
    struct buf out;
};

struct node {
    struct catalog *catalog;
    struct session_ports ports;
    struct prng prng;
    struct waiting waiting[WAITING_MAX];
    size_t len;
    unsigned scans;
};

static struct waiting *wait_for(struct node *n, const struct ticket *to)
{
    CHECK(n->len < WAITING_MAX);
    struct waiting *w = &n->waiting[n->len++];
    *w = (struct waiting){.to = *to, .out = BUF_INIT};
    return w;
}

/* Every byte that a call borrows is read. */
static void slices_read(const struct slice *s, uint32_t len)
{
    volatile uint8_t sum = 0;
    for (uint32_t i = 0; i < len; i++)
        for (size_t j = 0; j < s[i].len; j++)
            sum = (uint8_t)(sum + s[i].data[j]);
}

static void call_check(const struct op *op)
{
    CHECK(op->procedure && op->args_len && op->keys_len);
    CHECK(slice_eq(op->key, op->keys[0]));
    slices_read(op->args, op->args_len);
    slices_read(op->keys, op->keys_len);
    for (uint32_t i = 0; i < op->keys_len; i++)
        CHECK(op->keys[i].len && op->keys[i].len <= KEY_BYTES_MAX);
    for (uint32_t i = 0; i < op->steps_len; i++) {
        const struct op_step *s = &op->steps[i];
        CHECK(s->args_len && s->args_at + s->args_len <= op->args_len);
        CHECK(s->keys_len && s->keys_at + s->keys_len <= op->keys_len);
    }
}

static void on_submit(void *ctx, struct op *op)
{
    struct node *n = ctx;
    CHECK(op->partition < PARTITIONS_MAX);
    CHECK(op->kind != OP_SCAN || (op->limit && op->limit <= SCAN_LIMIT_MAX));
    if (op->kind == OP_CALL)
        call_check(op);
    struct waiting *w = wait_for(n, &op->ticket);
    w->kind = op->kind;
    w->procedure = op->procedure;
    w->steps = op->steps_len;
}

static void on_admin(void *ctx, const struct ticket *to, const struct admin_request *r)
{
    (void)r;
    wait_for(ctx, to)->admin = true;
}

static void on_everywhere(void *ctx, const struct ticket *to, const struct errand *e)
{
    struct node *n = ctx;
    struct waiting *w = wait_for(n, to);
    struct errand mine = *e;
    slices_read(e->args, e->args_len);
    w->errand = true;
    w->number = errand_run(n->ports.errands, &mine, &w->out);
}

static void on_wake(void *ctx, struct session *s)
{
    (void)ctx;
    CHECK(s);
}

static const struct catalog *on_catalog(void *ctx)
{
    return ((struct node *)ctx)->catalog;
}

static uint64_t on_now(void *ctx)
{
    (void)ctx;
    return UINT64_C(1700000000000000);
}

static enum grid_err on_authenticate(void *ctx, const char *user, const char *password)
{
    (void)ctx;
    return strlen(user) <= strlen(password) ? GRID_OK : GRID_EAUTH;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void scan_answer(struct node *n, const struct ticket *to)
{
    struct scan_item items[2] = {{.key = slice_str("a")},
                                 {.key = slice_make("k\xff", 2), .type = VALUE_HASH}};
    struct result res = {.items = items, .items_len = (uint32_t)prng_below(&n->prng, 3)};
    if (n->scans++ < 100)
        res.number = (int64_t)(prng_below(&n->prng, 4) << prng_below(&n->prng, SCAN_NUMBER_BITS));
    res.number &= (INT64_C(1) << SCAN_NUMBER_BITS) - 1;
    session_result(to, &res);
}

/* As command_exec() does. */
static void exec_answer(struct node *n, const struct waiting *w)
{
    static const char *const replies[] = {"+OK\r\n",
                                          ":1\r\n",
                                          "$-1\r\n",
                                          "$2\r\n\r\n\r\n",
                                          "*2\r\n:1\r\n*0\r\n",
                                          "%1\r\n+a\r\n~1\r\n_\r\n",
                                          "=5\r\ntxt:x\r\n",
                                          "-ERR x\r\n",
                                          ",1.5\r\n"};
    struct buf out = BUF_INIT;
    resp_array(&out, w->steps);
    for (uint32_t i = 0; i < w->steps; i++) {
        const char *reply = replies[prng_below(&n->prng, sizeof replies / sizeof *replies)];
        buf_add(&out, reply, strlen(reply));
    }
    struct result res = {.reply = REPLY_RAW, .value = buf_slice(&out)};
    if (prng_below(&n->prng, 8) == 0)
        res = (struct result){.reply = REPLY_NULL_ARRAY};
    session_result(&w->to, &res);
    buf_release(&out);
}

static void answer(struct node *n, const struct waiting *w)
{
    static const uint8_t bytes[3000] = "OK";
    struct result res = {.status = prng_below(&n->prng, 8) ? GRID_OK : GRID_EFULL,
                         .version = prng_below(&n->prng, 3),
                         .number = (int64_t)prng_below(&n->prng, 3)};
    if (w->errand)
        res = (struct result){.number = (int64_t)w->number, .value = buf_slice(&w->out)};
    else if (w->kind == OP_CALL && !res.status) {
        res.reply = (enum reply_kind)(REPLY_OK + prng_below(&n->prng, REPLY_ERROR));
        if (res.reply == REPLY_BULK || res.reply == REPLY_STATUS || res.reply == REPLY_ERROR)
            res.value = slice_make(bytes, 2 + (size_t)prng_below(&n->prng, 2990));
        else if (res.reply == REPLY_RAW)
            res.value = slice_str("*0\r\n");
    }
    if (w->admin)
        session_admin_result(&w->to, res.status, slice_str("why"), slice_make(NULL, 0));
    else if (w->kind == OP_SCAN && !res.status)
        scan_answer(n, &w->to);
    else if (w->procedure == command_exec && !res.status)
        exec_answer(n, w);
    else
        session_result(&w->to, &res);
}

/* Answer some of what waits, in any order. */
static void answer_some(struct node *n, size_t count)
{
    while (count-- && n->len) {
        size_t at = (size_t)prng_below(&n->prng, n->len);
        struct waiting w = n->waiting[at];
        n->waiting[at] = n->waiting[--n->len];
        answer(n, &w);
        buf_release(&w.out);
    }
}

/* --- a connection ----------------------------------------------------------------------------- */

static void drain(struct session *s, struct prng *prng)
{
    struct slice out = session_output(s);
    if (out.len)
        session_sent(s, (size_t)prng_below(prng, out.len + 1));
}

static void turns(struct node *n, struct session *s, const uint8_t *data, size_t len)
{
    struct arena *a = arena_new(1 << 20);
    size_t start = 0, there = 0;
    for (int i = 0; i < TURNS_MAX && !session_finished(s); i++) {
        if (there < len)
            there += 1 + (size_t)prng_below(&n->prng, len - there);
        /* a copy in a block of its own: what is read behind the end is seen */
        uint8_t *copy = malloc(there - start + 1);
        CHECK(copy);
        memcpy(copy, data + start, there - start);
        struct session_turn turn = {.arena = a, .budget = (uint32_t)prng_below(&n->prng, 20)};
        size_t used = session_input(s, copy, there - start, &turn);
        CHECK(used <= there - start);
        start += used;
        session_check(s);
        (void)session_expects(s);
        answer_some(n, (size_t)prng_below(&n->prng, 70));
        free(copy);
        drain(s, &n->prng);
        session_check(s);
        arena_reset(a);
    }
    arena_free(a);
}

/* The whole at once and in pieces are cut in the same way. */
static void parse_pieces(struct prng *prng, const uint8_t *data, size_t len)
{
    struct resp_bounds bounds = {.bulk_max = 1 << 20, .stranger = prng_below(prng, 2)};
    struct resp_parser whole, pieces;
    resp_parser_init(&whole);
    resp_parser_init(&pieces);
    for (int i = 0; i < PIECES_MAX && len; i++) {
        enum resp_parsed wanted = resp_parse(&whole, data, len, &bounds), got = RESP_MORE;
        for (size_t there = 0; there < len && got == RESP_MORE;) {
            there += 1 + (size_t)prng_below(prng, len - there);
            got = resp_parse(&pieces, data, there, &bounds);
            resp_parser_check(&pieces);
        }
        CHECK(got == wanted);
        resp_parser_check(&whole);
        if (got != RESP_WHOLE && got != RESP_EMPTY)
            break;
        CHECK(whole.at == pieces.at && whole.at <= len);
        CHECK(got == RESP_EMPTY || whole.spans_len == pieces.spans_len);
        for (uint32_t j = 0; got == RESP_WHOLE && j < whole.spans_len; j++)
            CHECK(slice_eq(resp_parser_arg(&whole, data, j), resp_parser_arg(&pieces, data, j)));
        data += whole.at;
        len -= whole.at;
        resp_parser_next(&whole);
        resp_parser_next(&pieces);
    }
    resp_parser_release(&whole);
    resp_parser_release(&pieces);
}

static void one_partition(struct catalog *c)
{
    char why[WHY_BYTES];
    struct context_info want = {
        .name = "one", .partitions = 1, .durability = DURABILITY_MEMORY, .min_in_sync = 1};
    CHECK(catalog_context_create(c, &want, why) == GRID_OK);
    CHECK(catalog_cache_create(c, slice_str("one/c"), 0, why) == GRID_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (!len)
        return 0;
    struct node *n = calloc(1, sizeof *n);
    CHECK(n);
    n->catalog = catalog_new();
    one_partition(n->catalog);
    n->prng.state = data[0];
    parse_pieces(&n->prng, data + 1, len - 1);
    n->ports = (struct session_ports){.ctx = n,
                                      .submit = on_submit,
                                      .admin = on_admin,
                                      .everywhere = on_everywhere,
                                      .wake = on_wake,
                                      .catalog = on_catalog,
                                      .now_us = on_now,
                                      .errands = errands_new(),
                                      .scripts = scripts_new()};
    if (data[0] & 1)
        n->ports.authenticate = on_authenticate;
    struct node_view view = {.grid = "shop",
                             .node = "a",
                             .address = "host:1",
                             .version = "0.1",
                             .shards = 3,
                             .resp_host = ""};
    struct session_peer peer = {.address = "127.0.0.1:9", .cache = data[0] & 2 ? "one/c" : NULL};
    struct session_limits limits = {100, 1000, data[0] & 4 ? 1 << 22 : 10000, 1 << 22, 5000};
    struct session *s = session_new(&resp_door, &n->ports, &view, &limits, &peer, NULL);
    turns(n, s, data + 1, len - 1);
    session_close(s); /* some answers come too late */
    answer_some(n, WAITING_MAX);
    errands_free(n->ports.errands);
    scripts_free(n->ports.scripts);
    catalog_unref(n->catalog);
    free(n);
    return 0;
}
