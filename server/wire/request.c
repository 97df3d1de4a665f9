/* request.c - Hello and Request. Hot requests are read in place (request_flat.c). Of the others
 * protobuf-c copies the fields into the arena, where they are pointed at, not copied again. */
#include "wire/request_priv.h"

#include "client.pb-c.h"
#include "wire/wire_priv.h"

#define SAME_CODE(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #ours)
#define X(name, code, text, writes) SAME_CODE(OP_##name, GRID__OP__##name);
#include "shard/op.def"
#undef X
SAME_CODE(WIRE_RUN, GRID__OP__RUN);
SAME_CODE(WIRE_MAP, GRID__OP__MAP);
SAME_CODE(WIRE_SERVICE_CALL, GRID__OP__SERVICE_CALL);
SAME_CODE(WIRE_SUBMIT, GRID__OP__SUBMIT);
SAME_CODE(WIRE_JOB, GRID__OP__JOB);
SAME_CODE(WIRE_BROADCAST, GRID__OP__BROADCAST);
SAME_CODE(WIRE_GET_MANY, GRID__OP__GET_MANY);
SAME_CODE(WIRE_PUT_MANY, GRID__OP__PUT_MANY);
SAME_CODE(WIRE_DELETE_MANY, GRID__OP__DELETE_MANY);
SAME_CODE(WIRE_PING, GRID__OP__PING);
SAME_CODE(WIRE_OPEN_CACHE, GRID__OP__OPEN_CACHE);
SAME_CODE(WIRE_LOCATE, GRID__OP__LOCATE);
SAME_CODE(WIRE_ADMIN, GRID__OP__ADMIN);
SAME_CODE(IF_VERSION, GRID__CONDITION__IF_VERSION);
SAME_CODE(TTL_KEEP, GRID__TTL__TTL_KEEP);
#define X(name, code, text) SAME_CODE(ADMIN_##name, GRID__ADMIN_OP__##name);
ADMIN_OPS(X)
#undef X

enum { TTL_MS_BITS = 47 }; /* 4,000 years; the sum with the time of day stays far from the edge */

static enum grid_err unpack_failed(struct arena *arena)
{
    return arena_refused(arena) ? GRID_ENOMEM : GRID_EBAD_REQUEST;
}

enum grid_err wire_hello_decode(struct slice body, struct arena *arena,
                                struct wire_hello *ret_hello)
{
    const Grid__Hello *m =
        (const Grid__Hello *)(void *)wire_unpack(&grid__hello__descriptor, body, arena);
    if (!m)
        return unpack_failed(arena);
    if (!wire_text_ok(m->client) || !wire_text_ok(m->user) || !wire_text_ok(m->grid))
        return GRID_EBAD_REQUEST;
    *ret_hello = (struct wire_hello){
        .version = m->version,
        .version_min = m->version_min,
        .session = wire_bytes(m->session),
        .shard = m->shard,
        .client = m->client,
        .user = m->user,
        .password = m->password,
        .grid = m->grid,
        .topology = m->topology,
    };
    return GRID_OK;
}

static void refuse(struct wire_request *r, enum grid_err err, const char *why)
{
    if (r->refused)
        return;
    r->refused = err;
    r->why = why;
}

static bool single_write(enum op_kind kind)
{
    return kind >= OP_PUT && kind <= OP_EXPIRE;
}

/* What single requests and items have in common. Other operations ignore these fields. */
static void check_ranges(struct wire_request *r, const struct op *op)
{
    if (!single_write(op->kind))
        return;
    if (unlikely((unsigned)op->condition > IF_VERSION))
        refuse(r, GRID_EBAD_REQUEST, "unknown condition");
    if (unlikely((unsigned)op->ttl > TTL_KEEP))
        refuse(r, GRID_EBAD_REQUEST, "unknown kind of time to live");
    if (unlikely(op->ttl == TTL_SET && (op->ttl_ms == 0 || op->ttl_ms >> TTL_MS_BITS)))
        refuse(r, GRID_EBAD_REQUEST, "time to live out of range");
}

/* Type and media type of what is put: op's value becomes the stored form. */
static enum grid_err fill_value(struct wire_request *r, struct op *op, uint32_t type,
                                struct slice media, struct arena *arena)
{
    if (likely(!type && !media.len) || op->kind != OP_PUT)
        return GRID_OK;
    if (type >= VALUE_TYPES || media.len > MEDIA_BYTES_MAX ||
        (media.len ? type > VALUE_MEDIA : type == VALUE_MEDIA)) {
        refuse(r, GRID_EBAD_REQUEST, "unknown type of value, or a media type that is none");
        return GRID_OK;
    }
    op->type = media.len ? VALUE_MEDIA : (uint8_t)type;
    if (!media.len)
        return GRID_OK;
    uint8_t *stored = arena_alloc(arena, 1 + media.len + op->value.len);
    if (!stored)
        return GRID_ENOMEM;
    stored[0] = (uint8_t)media.len;
    memcpy(stored + 1, media.data, media.len);
    if (op->value.len)
        memcpy(stored + 1 + media.len, op->value.data, op->value.len);
    op->value = slice_make(stored, 1 + media.len + op->value.len);
    return GRID_OK;
}

static const struct {
    const char *name;
    enum context_field field;
} context_fields[] = {
    {"backups", FIELD_BACKUPS},
    {"durability", FIELD_DURABILITY},
    {"memory_limit", FIELD_MEMORY_LIMIT},
    {"min_in_sync", FIELD_MIN_IN_SYNC},
    {"nodes", FIELD_NODES},
    {"full_policy", FIELD_FULL_POLICY},
};

static bool field_named(const char *name, unsigned *fields)
{
    for (size_t i = 0; i < sizeof context_fields / sizeof *context_fields; i++) {
        if (strcmp(context_fields[i].name, name) == 0) {
            *fields |= context_fields[i].field;
            return true;
        }
    }
    return false;
}

static void fill_context(struct wire_request *r, const Grid__ContextInfo *m,
                         struct context_info *to)
{
    if (!wire_text_copy(to->name, sizeof to->name, m->name))
        refuse(r, GRID_EBAD_REQUEST, "the name of the context is too long or no text");
    if (!wire_text_copy(to->nodes, sizeof to->nodes, m->nodes))
        refuse(r, GRID_EBAD_REQUEST, "the node selector is too long or no text");
    if (m->durability > DURABILITY_MEMORY)
        refuse(r, GRID_EBAD_REQUEST, "unknown durability");
    if (m->full_policy > FULL_EVICT)
        refuse(r, GRID_EBAD_REQUEST, "unknown policy for a full context");
    to->partitions = m->partitions;
    to->backups = m->backups;
    to->durability = (enum durability)m->durability;
    to->full_policy = (enum full_policy)m->full_policy;
    to->memory_limit = m->memory_limit;
    to->min_in_sync = m->min_in_sync;
}

static void fill_service(struct wire_request *r, const Grid__ServiceInfo *m,
                         struct admin_request *to)
{
    if (!wire_text_copy(to->name, sizeof to->name, m->name) ||
        !wire_text_copy(to->context.name, sizeof to->context.name, m->context) ||
        !wire_text_copy(to->labels, sizeof to->labels, m->labels))
        refuse(r, GRID_EBAD_REQUEST, "a name is too long or no text");
    if (!service_mode_named(slice_str(m->mode), &to->mode))
        refuse(r, GRID_EBAD_REQUEST, "the mode of a service is singleton, node, key or copies");
    to->copies = m->copies;
    to->source = wire_bytes(m->arg);
    if (m->arg.len > SERVICE_ARG_MAX)
        refuse(r, GRID_ETOO_LARGE, "the argument of a service has at most 4096 bytes");
}

static enum grid_err fill_admin(struct wire_request *r, const Grid__Admin *m, struct arena *arena)
{
    struct admin_request *to = arena_calloc(arena, 1, sizeof *to);
    if (!to)
        return GRID_ENOMEM;
    if (!admin_op_known((unsigned)m->op))
        refuse(r, GRID_EUNSUPPORTED, "this server does not know the administrative operation");
    to->op = (enum admin_op)m->op;
    if (!wire_text_copy(to->name, sizeof to->name, m->name))
        refuse(r, GRID_EBAD_REQUEST, "the name is too long or no text");
    if (m->context)
        fill_context(r, m->context, &to->context);
    if (m->cache) {
        to->ttl_ms = m->cache->ttl_ms;
        if (to->ttl_ms >> TTL_MS_BITS)
            refuse(r, GRID_EBAD_REQUEST, "time to live out of range");
    }
    for (size_t i = 0; i < m->n_fields; i++)
        if (!field_named(m->fields[i], &to->fields))
            refuse(r, GRID_EBAD_REQUEST, "no such field of a context");
    if (to->op == ADMIN_MODULE_REMOVE && !to->name[0])
        refuse(r, GRID_EBAD_REQUEST, "no module is named");
    to->value = m->value;
    to->partition = m->partition;
    to->all_partitions = m->all_partitions;
    to->accept_loss = m->accept_loss;
    to->count = m->count;
    to->replace = m->replace;
    to->source = wire_bytes(m->source);
    if (to->op == ADMIN_SERVICE_DEPLOY && m->service)
        fill_service(r, m->service, to);
    else if (to->op == ADMIN_SERVICE_DEPLOY)
        refuse(r, GRID_EBAD_REQUEST, "no service is named");
    if (to->op == ADMIN_VERIFY && (!to->count || to->count > VERIFY_MAX))
        refuse(r, GRID_EBAD_REQUEST, "too many partitions, or none");
    r->admin = to;
    return GRID_OK;
}

static enum op_kind item_kind(const struct wire_request *r, const Grid__Item *m)
{
    static const enum op_kind kinds[] = {
        [WIRE_GET_MANY] = OP_GET, [WIRE_PUT_MANY] = OP_PUT, [WIRE_DELETE_MANY] = OP_DELETE};
    return r->code == OP_BATCH ? (enum op_kind)m->op : kinds[r->code];
}

static enum grid_err fill_item(struct wire_request *r, const Grid__Item *m, struct op *op,
                               struct arena *arena)
{
    op->kind = item_kind(r, m);
    op->condition = (enum op_condition)m->condition;
    op->ttl = (enum op_ttl)m->ttl;
    op->keys_only = r->op.keys_only;
    op->local = r->op.local;
    op->cache = m->cache ? m->cache : r->op.cache;
    op->key = wire_bytes(m->key);
    op->affinity = wire_bytes(m->affinity);
    op->value = wire_bytes(m->value);
    op->version = m->version;
    op->delta = m->delta;
    op->ttl_ms = m->ttl_ms;
    check_ranges(r, op);
    if (r->code == OP_BATCH && !single_write(op->kind))
        refuse(r, GRID_EBAD_REQUEST, "a batch is made of put, delete, incr and expire");
    return fill_value(r, op, m->type, wire_bytes(m->media), arena);
}

static enum grid_err fill_items(struct wire_request *r, const Grid__Request *m, struct arena *arena)
{
    if (m->n_items > RECORD_EFFECTS_MAX) {
        refuse(r, GRID_ETOO_LARGE, "too many items in one request");
        return GRID_OK;
    }
    r->items = arena_calloc(arena, m->n_items, sizeof *r->items);
    if (!r->items)
        return GRID_ENOMEM;
    for (size_t i = 0; i < m->n_items; i++) {
        enum grid_err err = fill_item(r, m->items[i], &r->items[i], arena);
        if (err)
            return err;
    }
    r->items_len = (uint32_t)m->n_items;
    if (r->code == OP_BATCH) {
        r->op.batch = r->items;
        r->op.batch_len = r->items_len;
    }
    return GRID_OK;
}

static void fill_job(struct wire_request *r, const Grid__JobAsk *m)
{
    if (!wire_text_ok(m->labels) || !wire_text_ok(m->schedule) || !wire_text_ok(m->cron))
        refuse(r, GRID_EBAD_REQUEST, "labels, the schedule or its times are no text");
    r->job = (struct job_ask){.action = (unsigned)m->action,
                              .id = wire_bytes(m->id),
                              .labels = slice_str(m->labels),
                              .schedule = slice_str(m->schedule),
                              .cron = slice_str(m->cron),
                              .priority = m->priority,
                              .attempts = m->attempts,
                              .backoff_ms = m->backoff_ms,
                              .time_ms = m->time_ms,
                              .delay_ms = m->delay_ms,
                              .keep_ms = m->keep_ms,
                              .every_ms = m->every_ms};
}

static bool has_items(unsigned code)
{
    return code == OP_BATCH || (code >= WIRE_GET_MANY && code <= WIRE_DELETE_MANY);
}

/* Operations that look at more than the flat fields, when these are absent too. */
static bool needs_rest(unsigned code)
{
    return has_items(code) || code == WIRE_OPEN_CACHE;
}

static void fill_op(const Grid__Request *m, struct op *op)
{
    op->condition = (enum op_condition)m->condition;
    op->ttl = (enum op_ttl)m->ttl;
    op->keys_only = m->keys_only;
    op->local = m->read_local;
    op->cache = m->cache;
    op->key = wire_bytes(m->key);
    op->affinity = wire_bytes(m->affinity);
    op->value = wire_bytes(m->value);
    op->version = m->version;
    op->delta = m->delta;
    op->ttl_ms = m->ttl_ms;
    op->limit = m->limit;
    op->prefix = wire_bytes(m->prefix);
    op->cursor = wire_bytes(m->cursor);
    op->session.lowest = m->lowest;
    op->age_ms = m->age_ms;
}

static void fill_request(const Grid__Request *m, struct wire_request *r)
{
    r->number = m->number;
    r->code = (unsigned)m->op;
    r->topology = m->topology;
    r->partition = m->partition;
    r->one_partition = m->one_partition;
    r->media = wire_bytes(m->media);
    r->type = m->type;
    r->name = slice_str(m->name);
    r->method = slice_str(m->method);
    r->nodes = slice_str(m->nodes);
    r->again = m->again;
    fill_op(m, &r->op);
}

/* What the code and the number mean for the op, and whether its values are in range. */
enum grid_err request_settle(struct wire_request *r, struct arena *arena)
{
    r->op.kind = (enum op_kind)r->code;
    r->op.session.number = r->number;
    if (unlikely(r->op.local))
        r->op.local = r->code == OP_GET || r->code == OP_SCAN || r->code == OP_COUNT ||
                      r->code == WIRE_GET_MANY;
    check_ranges(r, &r->op);
    return fill_value(r, &r->op, r->type, r->media, arena);
}

/* What only a request with messages in it has. */
static enum grid_err fill_rest(const Grid__Request *m, struct wire_request *r, struct arena *arena)
{
    if (has_items(r->code))
        return fill_items(r, m, arena);
    if ((r->code == WIRE_SUBMIT || r->code == WIRE_JOB) && m->job)
        fill_job(r, m->job);
    if (r->code == WIRE_ADMIN && m->admin)
        return fill_admin(r, m->admin, arena);
    if (r->code == WIRE_OPEN_CACHE && !wire_text_ok(m->name))
        refuse(r, GRID_EBAD_REQUEST, "the name is no text");
    return GRID_OK;
}

enum grid_err request_unpack(struct slice body, struct arena *arena, struct wire_request *r)
{
    const Grid__Request *m =
        (const Grid__Request *)(void *)wire_unpack(&grid__request__descriptor, body, arena);
    if (unlikely(!m))
        return unpack_failed(arena);
    *r = (struct wire_request){.number = 0};
    fill_request(m, r);
    enum grid_err err = request_settle(r, arena);
    return err ? err : fill_rest(m, r, arena);
}

enum grid_err wire_request_decode(struct slice body, struct arena *arena,
                                  struct wire_request **ret_request)
{
    struct wire_request *r = arena_calloc(arena, 1, sizeof *r);
    if (unlikely(!r))
        return GRID_ENOMEM;
    enum grid_err err = GRID_OK;
    if (likely(request_flat(body, r) && !needs_rest(r->code)))
        err = request_settle(r, arena);
    else
        err = request_unpack(body, arena, r);
    if (!err)
        *ret_request = r;
    return err;
}

uint64_t wire_request_number(struct slice body)
{
    if (body.len < 2 || body.data[0] != (1 << 3 | 0))
        return 0;
    uint64_t number = 0;
    for (size_t i = 1; i < body.len && i <= 10; i++) {
        number |= (uint64_t)(body.data[i] & 0x7f) << (7 * (i - 1) & 63);
        if (!(body.data[i] & 0x80))
            return number;
    }
    return 0;
}
