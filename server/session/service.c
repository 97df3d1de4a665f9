/* service.c - a service's call as an op: that of a procedure (compute/service_call.h) at the
 * partition which its instance is bound to. */
#include "session/service.h"

#include "base/codec.h"
#include "base/hash.h"
#include "compute/service.h"
#include "compute/service_call.h"

struct room { /* that the op borrows */
    struct op op;
    struct slice args[SERVICE_CALL_ARGS], key;
    uint8_t head[SERVICE_HEAD_BYTES];
};

static struct fault judge(const struct service_request *r, const struct service *s)
{
    if (!s)
        return (struct fault){GRID_ENO_SERVICE, "none of this name is deployed"};
    if (r->method.len > SERVICE_METHOD_MAX || !r->method.len)
        return (struct fault){GRID_EBAD_REQUEST, "a method is named by 1 to 64 bytes"};
    if (r->key.len > KEY_BYTES_MAX)
        return (struct fault){GRID_ETOO_LARGE, "a key has at most 480 bytes"};
    if (s->info.mode == SERVICE_KEY && !r->key.len)
        return (struct fault){GRID_EBAD_REQUEST, "of this service each key has an instance: say "
                                                 "which key"};
    return no_fault;
}

static uint32_t number_of(const struct session *s, const struct service_request *r,
                          const struct service_info *info)
{
    if (info->mode != SERVICE_COPIES)
        return 0;
    uint64_t turn = r->key.len ? hash_slot(r->key) : r->turn + s->ports->now_us(s->ports->ctx);
    return (uint32_t)(turn % info->copies);
}

struct fault session_service(struct session *s, const struct service_request *r, struct op **ret_op,
                             bool *ret_here)
{
    const struct catalog *c = session_catalog(s);
    const struct service *service = catalog_service(c, r->name);
    struct fault f = judge(r, service);
    struct room *room = f.err ? NULL : arena_calloc(s->arena, 1, sizeof *room);
    if (f.err)
        return f;
    if (!room)
        return (struct fault){GRID_EBUSY, NULL};
    const struct service_info *info = &service->info;
    uint32_t number = number_of(s, r, info);
    bool by_key = info->mode == SERVICE_KEY;
    room->args[0] = r->name; /* not the catalog's, which may go before the op does */
    room->args[1] = r->method;
    room->args[2] = r->arg;
    room->args[3] = slice_make(room->head, SERVICE_HEAD_BYTES);
    room->key = by_key ? r->key : r->name;
    store_u64(room->head, c->services_revision);
    store_u32(room->head + 8, number);
    room->head[12] = r->again;
    room->op = (struct op){.kind = OP_CALL,
                           .cache = cache_hidden(info->context),
                           .key = room->key,
                           .procedure = command_service,
                           .args = room->args,
                           .args_len = SERVICE_CALL_ARGS,
                           .keys = &room->key,
                           .keys_len = 1,
                           .reads_only = true,
                           .aside = true,
                           .once = !r->again};
    if (by_key)
        session_place_by(&room->op, catalog_context(c, info->context), r->key);
    else if (service_bound(info))
        room->op.partition = info->partitions[number];
    *ret_op = &room->op;
    *ret_here = info->mode == SERVICE_NODE;
    if (*ret_here && !s->ports->service)
        return (struct fault){GRID_EUNSUPPORTED, NULL};
    return no_fault;
}

void session_call(struct session *s, struct op *op, bool here, struct ticket ticket)
{
    if (!here) {
        session_submit(s, op, ticket);
        return;
    }
    session_stamp(op, ticket);
    s->in_flight++;
    s->ports->service(s->ports->ctx, op);
}
