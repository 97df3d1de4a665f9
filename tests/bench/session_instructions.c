/* session_instructions.c - the path of a GET or PUT from the bytes of its request to the bytes of
 * its answer, without sockets and threads: session, shard and data as in a node's turn. Run under
 * callgrind by session_instructions.sh, which counts inside measured().
 *   session_instructions KIND: 10,000 requests with 100-byte values in turns of 16, a context in
 *   memory. KIND: get, put; task, task-native: in Lua, in C, it reads a number, adds and writes;
 *   resp-*: as a Redis client asks; resp-mset: keys, ten a request; resp-evalsha, resp-fcall: a
 *   script does what the tasks do
 * LINK: session compute wire command shard control replica data base frame pb */
#include <grid_module.h>

#include "base/buf.h"
#include "client.pb-c.h"
#include "command/command_priv.h"
#include "compute/library.h"
#include "compute/native.h"
#include "compute/scripts.h"
#include "proto/frame.h"
#include "session/session.h"
#include "shard/shard.h"

#include <stdio.h>
#include <stdlib.h>

enum { REQUESTS = 10000, TURN = 16, VALUE_LEN = 100, NOW = 1000000 };

struct rig {
    struct catalog *catalog;
    struct shard *shard;
    struct session *session;
    struct arena *arena;
    struct op *ops[TURN];
    size_t ops_len;
    uint64_t answers;
    uint32_t cache;
    struct natives *natives;
};

static void on_submit(void *ctx, struct op *op)
{
    struct rig *r = ctx;
    r->ops[r->ops_len++] = op;
}

static void on_admin(void *ctx, const struct ticket *to, const struct admin_request *request)
{
    (void)ctx;
    (void)to;
    (void)request;
}

static void on_move(void *ctx, struct session *s, uint32_t shard)
{
    (void)ctx;
    (void)s;
    (void)shard;
}

static const struct catalog *on_catalog(void *ctx)
{
    return ((struct rig *)ctx)->catalog;
}

static uint64_t on_now_us(void *ctx)
{
    (void)ctx;
    return NOW * 1000;
}

static void on_reply(void *ctx, const struct ticket *to, const struct result *res)
{
    struct rig *r = ctx;
    CHECK(res->status == GRID_OK);
    r->answers++;
    session_result(to, res);
}

static uint64_t on_log_append(void *ctx, const struct record *rec, bool sync)
{
    (void)ctx;
    (void)rec;
    (void)sync;
    abort(); /* a context in memory writes no log */
}

static bool on_log_has_room(void *ctx, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    return true;
}

static void on_cold_get(void *ctx, uint64_t token, uint32_t context, uint16_t partition,
                        uint32_t cache, struct slice key)
{
    (void)ctx;
    (void)token;
    (void)context;
    (void)partition;
    (void)cache;
    (void)key;
}

static void on_cold_scan(void *ctx, uint64_t token, uint32_t context, uint16_t partition,
                         uint32_t cache, uint32_t after_cache, struct slice after, uint32_t limit,
                         size_t bytes)
{
    (void)after_cache;
    (void)limit;
    (void)bytes;
    on_cold_get(ctx, token, context, partition, cache, after);
}

static void on_checkpoint_soon(void *ctx)
{
    (void)ctx;
}

/* One turn of a node's loop: read, parse, prefetch, execute, write. */
static size_t turn(struct rig *r, const uint8_t *data, size_t len)
{
    struct session_turn t = {.arena = r->arena, .budget = TURN};
    size_t used = session_input(r->session, data, len, &t);
    shard_submit_all(r->shard, r->ops, r->ops_len, NOW);
    r->ops_len = 0;
    session_sent(r->session, session_output(r->session).len);
    arena_reset(r->arena);
    return used;
}

/* What is counted. */
__attribute__((noinline)) void measured(struct rig *r, struct slice stream);
void measured(struct rig *r, struct slice stream)
{
    for (size_t at = 0; at < stream.len;) {
        size_t used = turn(r, stream.data + at, stream.len - at);
        CHECK(used);
        at += used;
    }
}

static __attribute__((noinline)) void unmeasured(struct rig *r, struct slice stream)
{
    for (size_t at = 0; at < stream.len;)
        at += turn(r, stream.data + at, stream.len - at);
}

static void add_frame(struct buf *b, const ProtobufCMessage *m)
{
    size_t len = protobuf_c_message_get_packed_size(m);
    uint8_t *at = buf_reserve(b, FRAME_HEADER_BYTES + len);
    frame_write_header(at, len);
    b->len += FRAME_HEADER_BYTES + protobuf_c_message_pack(m, at + FRAME_HEADER_BYTES);
}

static void add_hello(struct buf *b)
{
    uint8_t id[SESSION_ID_BYTES] = "instructions";
    Grid__Hello m;
    grid__hello__init(&m);
    m.version = m.version_min = 1;
    m.session = (ProtobufCBinaryData){sizeof id, id};
    add_frame(b, &m.base);
}

enum ask { ASK_GET, ASK_PUT, ASK_TASK, ASK_NATIVE };

/* REQUESTS of them on as many keys; writes are exactly-once, as the client library makes them. */
static void add_requests(struct buf *b, const struct rig *r, enum ask ask, uint64_t first)
{
    static const Grid__Op ops[] = {GRID__OP__GET, GRID__OP__PUT, GRID__OP__RUN, GRID__OP__RUN};
    uint8_t key[24], value[VALUE_LEN];
    char lua[] = "lib.add", c[] = "native.add";
    memset(value, 'v', sizeof value);
    value[0] = '1';
    for (uint64_t i = 0; i < REQUESTS; i++) {
        Grid__Request m;
        grid__request__init(&m);
        m.number = first + i;
        m.op = ops[ask];
        m.cache = r->cache;
        m.key.len = (size_t)snprintf((char *)key, sizeof key, "key:%012lu", (unsigned long)i);
        m.key.data = key;
        if (ask != ASK_GET) {
            m.value = (ProtobufCBinaryData){ask == ASK_PUT ? sizeof value : 1, value};
            m.lowest = first + i / TURN * TURN;
        }
        if (ask >= ASK_TASK)
            m.name = ask == ASK_TASK ? lua : c;
        add_frame(b, &m.base);
    }
}

static void add_resp(struct buf *b, bool set)
{
    uint8_t value[VALUE_LEN];
    memset(value, 'v', sizeof value);
    for (unsigned long i = 0; i < REQUESTS; i++) {
        buf_printf(b, "*%d\r\n$3\r\n%s\r\n$16\r\nkey:%012lu\r\n", set ? 3 : 2, set ? "SET" : "GET",
                   i);
        if (set) {
            buf_printf(b, "$%zu\r\n", sizeof value);
            buf_add(b, value, sizeof value);
            buf_printf(b, "\r\n");
        }
    }
}

/* Ten keys each. */
static void add_resp_mset(struct buf *b)
{
    enum { EACH = 10 };
    uint8_t value[VALUE_LEN];
    memset(value, 'v', sizeof value);
    for (unsigned long i = 0; i < REQUESTS; i++) {
        if (i % EACH == 0)
            buf_printf(b, "*%d\r\n$4\r\nMSET\r\n", 1 + 2 * EACH);
        buf_printf(b, "$16\r\nkey:%012lu\r\n$%zu\r\n", i, sizeof value);
        buf_add(b, value, sizeof value);
        buf_printf(b, "\r\n");
    }
}

#define ADD(keys, args)                                                                            \
    "local v = tonumber(redis.call('GET', " keys "[1]) or 0) + tonumber(" args "[1]); "            \
    "redis.call('SET', " keys "[1], v); return v"
static const char script[] = ADD("KEYS", "ARGV");
static const char library[] =
    "#!lua name=bench\nredis.register_function('add', function(keys, args) " ADD("keys",
                                                                                 "args") " end)";

static void add_resp_script(struct buf *b, bool function)
{
    char sha[SHA1_HEX];
    sha1_hex(slice_str(script), sha);
    for (unsigned long i = 0; i < REQUESTS; i++) {
        if (function)
            buf_printf(b, "*5\r\n$5\r\nFCALL\r\n$3\r\nadd\r\n");
        else
            buf_printf(b, "*5\r\n$7\r\nEVALSHA\r\n$40\r\n%.40s\r\n", sha);
        buf_printf(b, "$1\r\n1\r\n$16\r\nkey:%012lu\r\n$1\r\n1\r\n", i);
    }
}

static const char tasks[] = "#!lua name=lib\ngrid.task('add', function(t)\n"
                            "local n = (tonumber(grid.get(t.key)) or 0) + tonumber(t.arg)\n"
                            "grid.put(t.key, n)\nreturn n\nend)";

static enum grid_err native_add(struct grid_call *c)
{
    int64_t by = 0, sum = 0;
    struct grid_seen seen;
    char text[INTEGER_BYTES];
    if (!grid_call_get(c, NULL, c->key, &seen))
        CHECK(arg_integer(slice_make(seen.value.data, seen.value.len), &sum));
    CHECK(arg_integer(slice_make(c->argument.data, c->argument.len), &by));
    struct grid_bytes to = {text, integer_format(sum + by, text)};
    enum grid_err err = grid_call_put(c, NULL, c->key, to, NULL);
    return err ? err : grid_call_result(c, to);
}

static struct natives *make_natives(void)
{
    static const struct grid_native list[] = {
        {.kind = GRID_NATIVE_TASK, .name = "add", .task = native_add}};
    static const struct grid_native_module module = GRID_MODULE_INIT("native", list);
    struct buf why = BUF_INIT;
    struct natives *n = natives_new();
    CHECK(natives_add(n, &module, &why));
    return n;
}

static struct scripts *make_scripts(void)
{
    char sha[SHA1_HEX];
    struct buf fault = BUF_INIT;
    struct scripts *s = scripts_new();
    CHECK(scripts_add(s, slice_str(script), sha, &fault));
    return s;
}

static void make_library(struct catalog *c, const char *source)
{
    char why[WHY_BYTES];
    struct module_info info;
    struct buf fault = BUF_INIT;
    struct library_limits limits = {.run = {.steps = 1000000, .memory = 32 << 20}};
    CHECK(library_read(slice_str(source), slice_str(""), &limits, &info, &fault));
    CHECK(catalog_module_deploy(c, &info, false, why) == GRID_OK);
    free((void *)(uintptr_t)info.functions);
}

static void make_cache(struct rig *r)
{
    char why[WHY_BYTES];
    struct context_info want = {
        .name = "fast", .partitions = 1024, .durability = DURABILITY_MEMORY, .min_in_sync = 1};
    r->catalog = catalog_new();
    CHECK(catalog_context_create(r->catalog, &want, why) == GRID_OK);
    CHECK(catalog_cache_create(r->catalog, slice_str("fast/c"), 0, why) == GRID_OK);
    r->cache = catalog_cache_named(r->catalog, slice_str("fast/c"))->id;
}

static struct shard_ports ports_of(struct rig *r)
{
    return (struct shard_ports){.ctx = r,
                                .reply = on_reply,
                                .log_append = on_log_append,
                                .log_has_room = on_log_has_room,
                                .cold_get = on_cold_get,
                                .cold_scan = on_cold_scan,
                                .checkpoint_soon = on_checkpoint_soon};
}

/* --- what is asked ---------------------------------------------------------------------------- */

static void warm_grid(struct buf *b, const struct rig *r)
{
    add_hello(b);
    add_requests(b, r, ASK_PUT, 1);
    add_requests(b, r, ASK_PUT, 1 + REQUESTS);
}

static void warm_task(struct buf *b, const struct rig *r)
{
    add_hello(b);
    add_requests(b, r, ASK_TASK, 1);
    add_requests(b, r, ASK_TASK, 1 + REQUESTS);
}

static void warm_resp(struct buf *b, const struct rig *r)
{
    (void)r;
    add_resp(b, true);
    add_resp(b, true);
}

static void ask_get(struct buf *b, const struct rig *r)
{
    add_requests(b, r, ASK_GET, 1 + 2 * REQUESTS);
}

static void ask_put(struct buf *b, const struct rig *r)
{
    add_requests(b, r, ASK_PUT, 1 + 2 * REQUESTS);
}

static void ask_task(struct buf *b, const struct rig *r)
{
    add_requests(b, r, ASK_TASK, 1 + 2 * REQUESTS);
}

static void ask_native(struct buf *b, const struct rig *r)
{
    add_requests(b, r, ASK_NATIVE, 1 + 2 * REQUESTS);
}

static void ask_resp_get(struct buf *b, const struct rig *r)
{
    (void)r;
    add_resp(b, false);
}

static void ask_resp_set(struct buf *b, const struct rig *r)
{
    (void)r;
    add_resp(b, true);
}

static void ask_resp_mset(struct buf *b, const struct rig *r)
{
    (void)r;
    add_resp_mset(b);
}

static void ask_script(struct buf *b, const struct rig *r)
{
    (void)r;
    add_resp_script(b, false);
}

static void ask_function(struct buf *b, const struct rig *r)
{
    (void)r;
    add_resp_script(b, true);
}

typedef void ask_fn(struct buf *b, const struct rig *r);

static const struct kind {
    const char *name;
    bool resp;
    ask_fn *warm, *ask;
} kinds[] = {
    {"get", false, warm_grid, ask_get},
    {"put", false, warm_grid, ask_put},
    {"task", false, warm_task, ask_task},
    {"task-native", false, warm_task, ask_native},
    {"resp-get", true, warm_resp, ask_resp_get},
    {"resp-set", true, warm_resp, ask_resp_set},
    {"resp-mset", true, warm_resp, ask_resp_mset},
    {"resp-evalsha", true, ask_script, ask_script},
    {"resp-fcall", true, ask_function, ask_function},
};

static const struct kind *kind_named(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    fprintf(stderr, "usage: session_instructions KIND; kinds:");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        fprintf(stderr, " %s", kinds[i].name);
    fprintf(stderr, "\n");
    exit(2);
}

static void ask(struct rig *r, const struct kind *kind)
{
    struct buf warm = BUF_INIT, stream = BUF_INIT;
    kind->warm(&warm, r);
    kind->ask(&stream, r);
    unmeasured(r, buf_slice(&warm));
    r->answers = 0;
    measured(r, buf_slice(&stream));
    CHECK(r->answers == REQUESTS);
    buf_release(&warm);
    buf_release(&stream);
}

int main(int argc, char **argv)
{
    const struct kind *kind = kind_named(argc == 2 ? argv[1] : "");
    struct rig r = {.arena = arena_new(64 << 20), .natives = make_natives()};
    make_cache(&r);
    make_library(r.catalog, library);
    make_library(r.catalog, tasks);
    struct shard_ports shard_ports = ports_of(&r);
    struct shard_conf conf = {.shards = 1, .epoch = 1, .hash_seed = 42, .natives = r.natives};
    r.shard = shard_new(&conf, &shard_ports, r.catalog);
    struct session_ports ports = {.ctx = &r,
                                  .submit = on_submit,
                                  .admin = on_admin,
                                  .move = on_move,
                                  .catalog = on_catalog,
                                  .now_us = on_now_us,
                                  .scripts = make_scripts(),
                                  .natives = r.natives,
                                  .errands = errands_new()};
    struct node_view view = {
        .grid = "bench", .node = "a", .address = "host:1", .version = "0", .shards = 1};
    struct session_limits limits = SESSION_LIMITS_DEFAULT;
    const struct session_peer peer = {.address = "127.0.0.1:9", .cache = "fast/c"};
    r.session =
        session_new(kind->resp ? &resp_door : &grid_door, &ports, &view, &limits, &peer, NULL);
    ask(&r, kind);
    session_close(r.session);
    errands_free(ports.errands);
    scripts_free(ports.scripts);
    shard_free(r.shard);
    natives_free(r.natives);
    arena_free(r.arena);
    catalog_unref(r.catalog);
    return 0;
}
