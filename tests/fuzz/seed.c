/* seed.c - writes the seed corpus of the targets that read protobuf: make fuzz-seeds, then commit
 * what changed.
 * LINK: wire command shard grid raft control replica data base pb frame */
#include "base/buf.h"
#include "client.pb-c.h"
#include "command/commands.h"
#include "data/record.h"
#include "proto/frame.h"
#include "raft/raft.h"
#include "wire/control.h"
#include "wire/forward.h"
#include "wire/peer.h"
#include "wire/peer_frame.h"
#include "wire/response.h"
#include "wire/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

static void save(const char *target, const char *name, struct slice bytes)
{
    char path[200];
    snprintf(path, sizeof path, "tests/fuzz/corpus/%s/%s", target, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes.data, 1, bytes.len, f) != bytes.len || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

static ProtobufCBinaryData bytes(char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
}

/* As a body for `target`, and framed behind a leading byte for the session and frame targets. */
static void save_message(const char *target, const char *file, const ProtobufCMessage *m)
{
    struct buf b = BUF_INIT;
    size_t len = protobuf_c_message_get_packed_size(m);
    uint8_t *at = buf_reserve(&b, 1 + FRAME_HEADER_BYTES + len);
    at[0] = strcmp(file, "hello") != 0; /* odd: the target says hello itself */
    frame_write_header(at + 1, len);
    protobuf_c_message_pack(m, at + 1 + FRAME_HEADER_BYTES);
    save(target, file, slice_make(at + 1 + FRAME_HEADER_BYTES, len));
    if (strcmp(target, "request") == 0)
        save("session", file, slice_make(at, 1 + FRAME_HEADER_BYTES + len));
    save("frame", file, slice_make(at + 1, FRAME_HEADER_BYTES + len));
    buf_release(&b);
}

static char key[] = "{user}:17", value[] = "value", name[] = "default/default",
            id[] = "0123456789abcdef", task[] = "bank.transfer";

static void save_hello(void)
{
    Grid__Hello m;
    grid__hello__init(&m);
    m.version = m.version_min = 1;
    m.session = bytes(id);
    m.shard = 2;
    m.client = name;
    m.user = key;
    m.password = value;
    save_message("request", "hello", &m.base);
}

static void save_requests(void)
{
    static const struct {
        Grid__Op op;
        const char *name;
        bool items, local;
    } rows[] = {
        {GRID__OP__GET, "get", false, false},
        {GRID__OP__PUT, "put", false, false},
        {GRID__OP__DELETE, "delete", false, false},
        {GRID__OP__INCR, "incr", false, false},
        {GRID__OP__EXPIRE, "expire", false, false},
        {GRID__OP__BATCH, "batch", true, false},
        {GRID__OP__SCAN, "scan", false, false},
        {GRID__OP__COUNT, "count", false, false},
        {GRID__OP__GET_MANY, "get_many", true, false},
        {GRID__OP__PUT_MANY, "put_many", true, false},
        {GRID__OP__DELETE_MANY, "delete_many", true, false},
        {GRID__OP__PING, "ping", false, false},
        {GRID__OP__OPEN_CACHE, "open_cache", false, false},
        {GRID__OP__LOCATE, "locate", false, false},
        {GRID__OP__GET, "get_local", false, true},
        {GRID__OP__RUN, "run", false, false},
    };
    Grid__Item items[2], *list[] = {&items[0], &items[1]};
    for (size_t i = 0; i < 2; i++) {
        grid__item__init(&items[i]);
        items[i].op = i ? GRID__OP__INCR : GRID__OP__PUT;
        items[i].key = bytes(i ? name : key);
        items[i].value = bytes(value);
        items[i].delta = -4;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Grid__Request m;
        grid__request__init(&m);
        m.number = 300 + i;
        m.read_local = rows[i].local;
        m.op = rows[i].op;
        m.cache = 65537;
        m.key = bytes(key);
        m.value = bytes(value);
        m.affinity = bytes(id);
        m.lowest = 299;
        m.condition = GRID__CONDITION__IF_PRESENT;
        m.ttl = GRID__TTL__TTL_SET;
        m.ttl_ms = 60000;
        m.limit = 10;
        m.name = rows[i].op == GRID__OP__RUN ? task : name;
        m.items = list;
        m.n_items = rows[i].items ? 2 : 0;
        save_message("request", rows[i].name, &m.base);
    }
}

static void save_admin(void)
{
    char field[] = "backups", nodes[] = "zone=a", context_name[] = "orders";
    char *fields[] = {field};
    Grid__ContextInfo context;
    grid__context_info__init(&context);
    context.name = context_name;
    context.nodes = nodes;
    context.partitions = 16;
    Grid__Admin admin;
    grid__admin__init(&admin);
    admin.op = GRID__ADMIN_OP__CONTEXT_ALTER;
    admin.name = context_name;
    admin.context = &context;
    admin.fields = fields;
    admin.n_fields = 1;
    Grid__Request m;
    grid__request__init(&m);
    m.number = 1;
    m.op = GRID__OP__ADMIN;
    m.admin = &admin;
    save_message("request", "admin", &m.base);
}

static void save_reply(const char *file, struct buf *b)
{
    save("reply", file, slice_make(b->data + FRAME_HEADER_BYTES, b->len - FRAME_HEADER_BYTES));
    b->len = 0;
}

static void save_replies(const struct catalog *c)
{
    struct buf b = BUF_INIT;
    struct scan_item scanned = {slice_str(key), slice_str(value), 5, 6, slice_str(key), 0};
    struct result get = {.version = 1ull << 41, .deadline = 99, .value = slice_str(value)};
    struct result scan = {.items = &scanned, .items_len = 1, .cursor = slice_str(id)};
    struct wire_item item = {GRID_OK, 1, 2, -3, slice_str(value), 0};
    struct wire_location location = {.partition = 7,
                                     .epoch = 1,
                                     .primary = "a",
                                     .slot = 120,
                                     .shard = 2,
                                     .address = "127.0.0.1:7400"};
    struct wire_hello_reply hello = {.version = 1,
                                     .version_max = 1,
                                     .shard = 1,
                                     .shards = 4,
                                     .node_id = slice_str(id),
                                     .node = "a",
                                     .grid = "shop"};
    const struct context_info *context = &c->contexts[0];
    struct admin_context contexts = {context, 1, 2, 1};
    struct admin_reply admin = {.contexts = &contexts, .contexts_len = 1, .settings = c->settings};
    wire_hello_reply(&b, &hello);
    save_reply("hello", &b);
    wire_response_result(&b, 1, &get, 0);
    save_reply("get", &b);
    wire_response_result(&b, 1, &scan, 7);
    save_reply("scan", &b);
    wire_response_items(&b, 1, &item, 1, 0);
    save_reply("many", &b);
    wire_response_status(&b, 1, GRID_EFULL, slice_str(value), 0);
    save_reply("error", &b);
    wire_response_cache(&b, 1, context, &context->caches[0], 0);
    save_reply("open_cache", &b);
    wire_response_location(&b, 1, &location, 0);
    save_reply("locate", &b);
    struct buf body = BUF_INIT;
    wire_admin_reply_encode(&admin, &body);
    wire_response_admin(&b, 1, GRID_OK, slice_make(NULL, 0), buf_slice(&body), 0);
    save_reply("admin", &b);
    wire_catalog_encode(c, &b);
    save("catalog", "default", buf_slice(&b));
    buf_release(&body);
    buf_release(&b);
}

static void save_records(void)
{
    static const uint8_t hash[] = {1, 'a', 1, 'b'}, edits[] = {2, 1, 'c', 1, 1, 'a', 1, 'd'};
    struct slice id_slice = slice_str(id), key_slice = slice_str(key);
    struct effect effects[] = {
        {.kind = EFFECT_PUT, .created = true, .cache = 1, .key = key_slice, .affinity = id_slice},
        {.kind = EFFECT_REMOVE, .cache = 2, .key = slice_str(name)},
        {.kind = EFFECT_EXPIRE, .cache = 1, .key = id_slice},
        {.kind = EFFECT_PUT, .key = key_slice, .type = VALUE_HASH},
        {.kind = EFFECT_EDIT, .key = key_slice, .type = VALUE_HASH},
        {.kind = EFFECT_PUT, .key = id_slice, .type = VALUE_MEDIA},
        {.kind = EFFECT_DEADLINE, .key = id_slice, .deadline = 99},
    };
    effects[0].value = slice_str(value);
    effects[0].deadline = 1234567890;
    effects[3].value = slice_make(hash, sizeof hash);
    effects[4].value = slice_make(edits, sizeof edits);
    effects[5].value = slice_str("\4text bytes");
    struct record r = {.context = 1,
                       .partition = 5,
                       .version = version_make(3, 9),
                       .time_ms = 77,
                       .effects = effects,
                       .effects_len = 3};
    struct buf b = BUF_INIT;
    record_encode(&r, &b);
    save("record", "plain", buf_slice(&b));
    b.len = 0;
    r.has_session = true;
    memcpy(r.session.id.bytes, id, sizeof r.session.id.bytes);
    r.session.number = 300;
    r.session.lowest = 299;
    r.session.result = -1;
    record_encode(&r, &b);
    save("record", "session", buf_slice(&b));
    b.len = 0;
    r.effects_len = sizeof effects / sizeof *effects;
    record_encode(&r, &b);
    save("record", "typed", buf_slice(&b));
    buf_release(&b);
}

static void save_forward(const char *file, struct buf *b)
{
    save("forward", file, buf_slice(b));
    b->len = 0;
}

static void save_calls(struct buf *b)
{
    struct slice args[] = {slice_str("exec"), slice_str("8 bytes!"), slice_str("set"),
                           slice_str(key), slice_str(value)};
    struct slice keys[] = {slice_str(name), args[3]};
    struct op_step step = {command_set, 2, 3, 1, 1};
    struct op op = {.kind = OP_CALL, .cache = 65537, .procedure = command_set};
    op.args = args + 2;
    op.args_len = 3;
    op.keys = keys + 1;
    op.keys_len = 1;
    op.key = args[3];
    wire_forward_ask(b, 1, 2, 3, &op);
    save_forward("call", b);
    op.procedure = command_exec;
    op.args = args;
    op.args_len = 5;
    op.keys = keys;
    op.keys_len = 2;
    op.steps = &step;
    op.steps_len = 1;
    wire_forward_ask(b, 1, 2, 3, &op);
    save_forward("exec", b);
}

static void save_forwards(void)
{
    struct buf b = BUF_INIT;
    struct op item = {.kind = OP_PUT, .cache = 65537, .key = slice_str(key)};
    item.value = slice_str(value);
    struct op put = item, batch = {.kind = OP_BATCH, .batch = &item, .batch_len = 1};
    put.has_session = true;
    put.session.number = 300;
    put.session.lowest = 299;
    struct op scan = {.kind = OP_SCAN, .limit = 10, .prefix = slice_str(key), .numbered = true};
    struct scan_item scanned = {slice_str(key), slice_str(value), 5, 6, slice_str(key), 0};
    struct result res = {.items = &scanned, .items_len = 1, .number = -4};
    struct wire_errand errand = {1, 2, 2, {slice_str(name), slice_str(value)}};
    wire_forward_ask(&b, 1, 2, 3, &put);
    save_forward("put", &b);
    wire_forward_ask(&b, 1, 2, 3, &batch);
    save_forward("batch", &b);
    wire_forward_ask(&b, 1, 2, 3, &scan);
    save_forward("scan", &b);
    wire_forward_answer(&b, 1, 2, &res);
    save_forward("answer", &b);
    wire_forward_errand(&b, 1, 2, &errand);
    save_forward("errand", &b);
    wire_forward_told(&b, 1, 2, 3, slice_str(value));
    save_forward("told", &b);
    save_calls(&b);
    buf_release(&b);
}

static void save_grid(const char *file, const struct grid_message *m, struct buf *b)
{
    b->len = 0;
    wire_peer_put(b, WIRE_PEER_GRID);
    wire_grid_encode(m, b);
    save("peer", file, buf_slice(b));
}

static void save_grids(struct buf *b)
{
    struct node_info info = {.id = "id", .boot_id = "boot", .name = "a", .weight = 1};
    struct grid_sight sight = {"x", "h:1", true};
    struct raft_entry entry = {2, 1, RAFT_ENTRY_COMMAND, slice_str(value)};
    struct raft_message append = {.kind = RAFT_MESSAGE_APPEND,
                                  .from = 1,
                                  .to = 2,
                                  .index = 1,
                                  .entries = &entry,
                                  .entries_len = 1};
    struct plan_report report = {1, 2, {3, 4}, 5, 6, true};
    struct plan_progress progress = {1, 2, 3};
    struct grid_message m = {.kind = GRID_MSG_HELLO, .from = "a"};
    m.u.hello = (struct grid_hello){.info = &info, .grid = name, .sights = &sight, .sights_len = 1};
    save_grid("hello", &m, b);
    m = (struct grid_message){.kind = GRID_MSG_RAFT, .from = "a", .member = {1, 1}};
    m.u.raft = &append;
    save_grid("append", &m, b);
    m.kind = GRID_MSG_NEWS;
    m.u.news = (struct grid_news){&report, 1, &progress, 1};
    save_grid("news", &m, b);
    m.kind = GRID_MSG_BEACON;
    m.u.beacon = (struct grid_beacon){.sent = 1, .to = {2, 3}, .echo = 4, .probe = true};
    save_grid("beacon", &m, b);
}

static void save_peers(void)
{
    struct buf b = BUF_INIT;
    struct slice record = slice_str(value);
    struct shard_message m = {
        .kind = SHARD_REPLICA, .context = 1, .records = &record, .records_len = 1};
    m.replica = (struct replica_message){.kind = REPLICA_RECORDS, .from = {1, 2}, .epoch = 3};
    m.replica.history = (struct replica_history){.last = 9};
    struct peer_hello hello = {.version = 1,
                               .version_min = 1,
                               .grid = "shop",
                               .node_id = "b",
                               .boot_id = "b",
                               .node = "b",
                               .shards = 4,
                               .kind = PEER_DATA};
    for (int i = 0; i < PEER_CLASSES; i++)
        hello.window[i] = PEER_WINDOW_MIN;
    save_grids(&b);
    b.len = 0;
    wire_peer_put(&b, WIRE_PEER_SHARD);
    wire_shard_encode(&m, &b);
    save("peer", "records", buf_slice(&b));
    b.len = 0;
    buf_add_u8(&b, 'p'); /* even: accepted; not a kind of message */
    wire_peer_hello(&b, &hello);
    size_t begin = wire_peer_begin(&b, PEER_RECORDS);
    buf_add_text(&b, value);
    wire_peer_end(&b, begin);
    wire_peer_grant(&b, PEER_BULK, 5);
    wire_peer_ping(&b);
    wire_peer_refusal(&b, GRID_EBUSY, "why", "shop", (const uint8_t *)"sixteen bytes id");
    save("peer", "connection", buf_slice(&b));
    buf_release(&b);
}

/* The first byte says what it is: see fuzz_control.c. */
static void save_control(const char *file, uint8_t kind, const struct buf *body)
{
    struct buf b = BUF_INIT;
    buf_add_u8(&b, kind);
    buf_add(&b, body->data, body->len);
    save("control", file, buf_slice(&b));
    buf_release(&b);
}

static void save_controls(const struct catalog *c)
{
    struct node_info info = {.id = "a", .boot_id = "b", .name = "n", .weight = 1, .shards = 2};
    static const bool voter[] = {true};
    struct part_change part = {PART_SHRINK, 1, 3, 5, {1, 1}};
    struct module_function function = {
        .name = "f", .help = "h", .flags = MODULE_NO_WRITES, .kind = MODULE_TASK};
    struct module_info module = {.name = "m",
                                 .engine = MODULE_LUA,
                                 .source = slice_str("s"),
                                 .functions = &function,
                                 .functions_len = 1};
    struct grid_command list[] = {
        {.kind = GRID_FOUND, .u.found = {"g", info.id, &info, voter, 1, c, 2}},
        {.kind = GRID_ENTER, .session = 7, .number = 1, .u.enter = &info},
        {.kind = GRID_PARTS, .u.parts = {&part, 1}},
        {.kind = GRID_CACHE_CREATE, .u.cache = {slice_str("default/x"), 5}},
        {.kind = GRID_GONE, .u.gone = {&part.member, 1}},
        {.kind = GRID_MODULE_DEPLOY, .u.module = {&module, true}},
    };
    struct grid_state *s = grid_state_new();
    struct control_tail *t = control_tail_new(1 << 20);
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char file[] = {'c', (char)('0' + i), 0};
        struct grid_outcome out;
        (void)grid_state_apply(s, &list[i], &out);
        b.len = 0;
        wire_command_encode(&list[i], &b);
        save_control(file, 1, &b);
        if (out.changed)
            control_tail_add(t, s->revision, buf_slice(&b));
    }
    b.len = 0;
    wire_state_encode(s, &b);
    save_control("state", 0, &b);
    uint64_t revision;
    b.len = 0;
    if (control_tail_delta(t, 1, 1 << 20, &revision, &b))
        save_control("delta", 2, &b);
    buf_release(&b);
    control_tail_free(t);
    grid_state_unref(s);
}

int main(void)
{
    struct catalog *c = catalog_new();
    save_hello();
    save_requests();
    save_admin();
    save_replies(c);
    save_records();
    save_forwards();
    save_peers();
    save_controls(c);
    catalog_unref(c);
    return 0;
}
