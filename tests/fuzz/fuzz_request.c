/* fuzz_request.c - the body of a frame as a Hello and as a Request with items and Admin; what comes
 * out is within its bounds.
 * LINK: wire control base pb frame */
#include "base/err.h"
#include "tests/fuzz/fuzz.h"
#include "wire/request_priv.h"

enum { ARENA_LIMIT = 4 << 20 };

static volatile uint8_t sink;

/* For the sanitizer to see every byte. */
static void touch(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        sink = s.data[i];
}

static void look_at(const struct wire_request *r)
{
    const struct slice slices[] = {r->op.key,    r->op.value,  r->op.affinity,
                                   r->op.prefix, r->op.cursor, r->name};
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++)
        touch(slices[i]);
    CHECK(r->items_len <= RECORD_EFFECTS_MAX);
    for (uint32_t i = 0; i < r->items_len; i++) {
        const struct op *op = &r->items[i];
        touch(op->key);
        touch(op->value);
        touch(op->affinity);
        CHECK(r->refused || (op->condition <= IF_VERSION && op->ttl <= TTL_KEEP) ||
              op->kind == OP_GET);
    }
    if (r->admin) {
        CHECK(strlen(r->admin->name) <= PATH_BYTES_MAX);
        CHECK(strlen(r->admin->context.name) <= NAME_BYTES_MAX);
        CHECK(r->refused || admin_op_known(r->admin->op));
    }
    CHECK(!r->refused || r->why);
}

/* What is read in place is what protobuf-c reads. */
static void compare(struct slice body, struct arena *a)
{
    struct wire_request flat = {.number = 0}, whole;
    if (!request_flat(body, &flat))
        return;
    CHECK(request_settle(&flat, a) == GRID_OK);
    CHECK(request_unpack(body, a, &whole) == GRID_OK);
    CHECK(flat.number == whole.number && flat.code == whole.code);
    CHECK(flat.topology == whole.topology && flat.partition == whole.partition);
    CHECK(flat.one_partition == whole.one_partition);
    const struct op *x = &flat.op, *y = &whole.op;
    CHECK(x->kind == y->kind && x->condition == y->condition && x->ttl == y->ttl);
    CHECK(x->keys_only == y->keys_only && x->local == y->local);
    CHECK(x->cache == y->cache && x->version == y->version);
    CHECK(x->delta == y->delta && x->ttl_ms == y->ttl_ms && x->limit == y->limit);
    CHECK(x->session.number == y->session.number && x->session.lowest == y->session.lowest);
    CHECK(x->age_ms == y->age_ms);
    CHECK(slice_eq(x->key, y->key) && slice_eq(x->value, y->value));
    CHECK(slice_eq(x->affinity, y->affinity) && slice_eq(x->prefix, y->prefix));
    CHECK(slice_eq(x->cursor, y->cursor) && x->type == y->type);
    CHECK(slice_eq(flat.name, whole.name));
    bool more = whole.items_len || whole.admin;
    CHECK(!more && (flat.refused == whole.refused || whole.code == WIRE_OPEN_CACHE));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct arena *a = arena_new(ARENA_LIMIT);
    struct slice body = slice_make(data, len);
    struct wire_request *r;
    struct wire_hello h;
    if (wire_request_decode(body, a, &r) == GRID_OK)
        look_at(r);
    arena_check(a);
    CHECK(arena_used(a) <= ARENA_LIMIT + ARENA_CHUNK_BYTES);
    arena_reset(a);
    compare(body, a);
    arena_reset(a);
    if (wire_hello_decode(body, a, &h) == GRID_OK)
        CHECK(strlen(h.client) + strlen(h.user) + strlen(h.password) + strlen(h.grid) <= len);
    (void)wire_request_number(body);
    arena_free(a);
    return 0;
}
