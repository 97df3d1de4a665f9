/* admin_letter.c - what nodes ask each other for an operator, and what they answer.
 *
 *   u8 kind | u64 number | question: u8 op, u8 flags, u32 partition, u32 count, u64 only[],
 *                          | v length name, v length context name
 *                          answer: u8 err, v length why, then the reply to the end
 *                          known: u64 revision */
#include "base/codec.h"
#include "wire/admin.h"
#include "wire/wire_priv.h"

#include <string.h>

enum { QUESTION = 1, ANSWER = 2, KNOWN = 3 };
enum { FLAG_ALL = 1, FLAG_FREEZE = 2 };

static void add_text(struct buf *out, struct slice s)
{
    uint8_t head[VARINT_BYTES_MAX];
    buf_add(out, head, (size_t)(write_varint(head, s.len) - head));
    buf_add(out, s.data, s.len);
}

void wire_admin_letter_encode(const struct admin_letter *l, struct buf *out)
{
    const struct admin_request *r = &l->request;
    buf_add_u8(out, l->is_answer ? ANSWER : l->known ? KNOWN : QUESTION);
    buf_add_u64(out, l->number);
    if (l->is_answer) {
        buf_add_u8(out, (uint8_t)l->err);
        add_text(out, l->why.len > UINT16_MAX ? slice_make(NULL, 0) : l->why);
        buf_add(out, l->reply.data, l->reply.len);
        return;
    }
    if (l->known) {
        buf_add_u64(out, l->known);
        return;
    }
    buf_add_u8(out, (uint8_t)r->op);
    buf_add_u8(out, (uint8_t)((r->all_partitions ? FLAG_ALL : 0) | (r->freeze ? FLAG_FREEZE : 0)));
    buf_add_u32(out, r->partition);
    buf_add_u32(out, r->count);
    for (size_t i = 0; i < VERIFY_MAX / 64; i++)
        buf_add_u64(out, r->only[i]);
    add_text(out, slice_str(r->name));
    add_text(out, slice_str(r->context.name));
}

static uint32_t read_u32(struct reader *r)
{
    const uint8_t *p = read_bytes(r, 4);
    return p ? load_u32(p) : 0;
}

static void read_name(struct reader *r, char *to, size_t cap)
{
    struct slice s = read_slice(r, 0, cap - 1);
    if (s.len && memchr(s.data, 0, s.len))
        r->bad = true;
    if (s.len && !r->bad)
        memcpy(to, s.data, s.len);
}

static void read_question(struct reader *r, struct admin_request *to)
{
    uint8_t op = read_u8(r);
    to->op = (enum admin_op)op;
    uint8_t flags = read_u8(r);
    to->all_partitions = flags & FLAG_ALL;
    to->freeze = flags & FLAG_FREEZE;
    to->partition = read_u32(r);
    to->count = read_u32(r);
    for (size_t i = 0; i < VERIFY_MAX / 64; i++)
        to->only[i] = read_u64(r);
    read_name(r, to->name, sizeof to->name);
    read_name(r, to->context.name, sizeof to->context.name);
    if (!admin_op_known(op) || to->count > VERIFY_MAX)
        r->bad = true;
}

enum grid_err wire_admin_letter_decode(struct slice in, struct admin_letter *ret_letter)
{
    struct reader r = {in.data, in.data + in.len, false};
    *ret_letter = (struct admin_letter){.number = 0};
    uint8_t kind = read_u8(&r);
    ret_letter->is_answer = kind == ANSWER;
    ret_letter->number = read_u64(&r);
    if (kind == QUESTION) {
        read_question(&r, &ret_letter->request);
    } else if (kind == ANSWER) {
        ret_letter->err = (enum grid_err)read_u8(&r);
        ret_letter->why = read_slice(&r, 0, UINT16_MAX);
        ret_letter->reply = slice_make(r.at, read_left(&r));
    } else if (kind == KNOWN) {
        ret_letter->known = read_u64(&r);
        r.bad |= !ret_letter->known;
    } else {
        r.bad = true;
    }
    return r.bad ? GRID_EBAD_REQUEST : GRID_OK;
}

/* --- replies ---------------------------------------------------------------------------------- */

/* False: the arena is over its limit. */
#define TAKE(a, to, n)                                                                             \
    do {                                                                                           \
        (to) = arena_calloc(a, (n) ? (n) : 1, sizeof *(to));                                       \
        if (!(to))                                                                                 \
            return false;                                                                          \
    } while (0)

static bool take_contexts(const Grid__AdminReply *m, struct arena *a, struct admin_reply *r)
{
    struct admin_context *list;
    struct context_info *infos;
    TAKE(a, list, m->n_contexts);
    TAKE(a, infos, m->n_contexts);
    for (size_t i = 0; i < m->n_contexts; i++) {
        infos[i].id = m->contexts[i]->id;
        list[i] = (struct admin_context){&infos[i], m->contexts[i]->entries, m->contexts[i]->bytes,
                                         m->contexts[i]->copies};
    }
    r->contexts = list;
    r->contexts_len = m->n_contexts;
    return true;
}

static bool take_caches(const Grid__AdminReply *m, struct arena *a, struct admin_reply *r)
{
    static const struct context_info somewhere;
    struct admin_cache *list;
    struct cache_info *infos;
    TAKE(a, list, m->n_caches);
    TAKE(a, infos, m->n_caches);
    for (size_t i = 0; i < m->n_caches; i++) {
        infos[i].id = m->caches[i]->id;
        list[i] = (struct admin_cache){&somewhere, &infos[i], m->caches[i]->entries};
    }
    r->caches = list;
    r->caches_len = m->n_caches;
    return true;
}

static bool take_partitions(const Grid__AdminReply *m, struct arena *a, struct admin_reply *r)
{
    struct admin_partition *list;
    TAKE(a, list, m->n_partitions);
    for (size_t i = 0; i < m->n_partitions; i++) {
        const Grid__PartitionInfo *from = m->partitions[i];
        list[i] = (struct admin_partition){.context = from->context,
                                           .partition = from->partition,
                                           .shard = from->shard - 1,
                                           .epoch = from->epoch,
                                           .seq = from->seq,
                                           .entries = from->entries,
                                           .state = from->state,
                                           .version = from->version,
                                           .digest = from->digest};
    }
    r->partitions = list;
    r->partitions_len = m->n_partitions;
    return true;
}

static bool take_node(const Grid__NodeInfo *m, struct arena *a, struct admin_node *to)
{
    struct admin_metric *metrics;
    TAKE(a, metrics, m->n_metrics);
    for (size_t i = 0; i < m->n_metrics; i++)
        metrics[i] = (struct admin_metric){m->metrics[i]->name, m->metrics[i]->value,
                                           m->metrics[i]->unit, m->metrics[i]->counter};
    static const uint8_t nobody[16];
    *to = (struct admin_node){.name = m->name,
                              .node_id = m->node_id.len == 16 ? m->node_id.data : nobody,
                              .address = m->address,
                              .version = m->version,
                              .uptime_ms = m->uptime_ms,
                              .shards = m->shards,
                              .labels = (const char *const *)m->labels,
                              .labels_len = m->n_labels,
                              .state = m->state,
                              .metrics = metrics,
                              .metrics_len = m->n_metrics};
    return true;
}

static bool take_status(const Grid__Status *m, struct arena *a, struct admin_reply *r)
{
    struct admin_status *to;
    struct admin_node *nodes;
    if (!m)
        return true;
    TAKE(a, to, (size_t)1);
    TAKE(a, nodes, m->n_nodes);
    for (size_t i = 0; i < m->n_nodes; i++)
        if (!take_node(m->nodes[i], a, &nodes[i]))
            return false;
    *to = (struct admin_status){.grid = m->grid,
                                .healthy = m->healthy,
                                .problems = (const char *const *)m->problems,
                                .problems_len = m->n_problems,
                                .nodes = nodes,
                                .nodes_len = m->n_nodes,
                                .entries = m->entries,
                                .bytes = m->bytes,
                                .partitions_damaged = m->partitions_damaged,
                                .bytes_left = m->bytes_left,
                                .misplaced = m->misplaced};
    r->status = to;
    return true;
}

static bool take_instances(const Grid__AdminReply *m, struct arena *a, struct admin_reply *r)
{
    struct admin_instance *list;
    const Grid__ServiceInfo *all = m->n_services ? m->services[0] : NULL;
    size_t len = all ? all->n_instances : 0;
    TAKE(a, list, len);
    for (size_t i = 0; i < len; i++) {
        const Grid__InstanceInfo *from = all->instances[i];
        list[i] = (struct admin_instance){.service = from->service,
                                          .number = from->number,
                                          .key = wire_bytes(from->key),
                                          .partition = from->partition,
                                          .node = from->node,
                                          .state = from->state,
                                          .token = from->token,
                                          .since_ms = from->since_ms,
                                          .calls = from->calls,
                                          .failures = from->failures,
                                          .error = from->error};
    }
    r->instances = list;
    r->instances_len = len;
    return true;
}

enum grid_err wire_admin_reply_decode(struct slice in, struct arena *arena,
                                      struct admin_reply *ret_reply)
{
    const Grid__AdminReply *m =
        (const Grid__AdminReply *)(void *)wire_unpack(&grid__admin_reply__descriptor, in, arena);
    *ret_reply = (struct admin_reply){.revision = 0};
    if (!m)
        return arena_refused(arena) ? GRID_ENOMEM : GRID_EBAD_REQUEST;
    ret_reply->revision = m->revision;
    ret_reply->verified = m->verified;
    ret_reply->went_on = m->went_on;
    bool taken = take_status(m->status, arena, ret_reply) && take_contexts(m, arena, ret_reply) &&
                 take_caches(m, arena, ret_reply) && take_partitions(m, arena, ret_reply) &&
                 take_instances(m, arena, ret_reply);
    return taken ? GRID_OK : GRID_ENOMEM;
}
