/* admin.c - the reply to an administrative request as one AdminReply message. */
#include "wire/admin.h"

#include "client.pb-c.h"
#include "wire/wire_priv.h"

#include <stdio.h>

static const char *const admin_texts[] = {
#define X(name, code, text) [code] = text,
    ADMIN_OPS(X)
#undef X
};

bool admin_op_known(unsigned code)
{
    return code < sizeof admin_texts / sizeof *admin_texts && admin_texts[code];
}

const char *admin_op_text(enum admin_op op)
{
    return admin_op_known((unsigned)op) ? admin_texts[op] : "?";
}

void wire_fill_context(Grid__ContextInfo *to, const struct context_info *from)
{
    grid__context_info__init(to);
    to->name = wire_text(from->name);
    to->id = from->id;
    to->partitions = from->partitions;
    to->backups = from->backups;
    to->durability = (uint32_t)from->durability;
    to->memory_limit = from->memory_limit;
    to->min_in_sync = from->min_in_sync;
    to->nodes = wire_text(from->nodes);
    to->full_policy = (uint32_t)from->full_policy;
    to->caches = (uint32_t)from->caches_len;
}

/* `len` messages of `type` in a row and the list of pointers protobuf-c wants. */
#define TAKE_LIST(a, type, len, ret_rows, ret_list)                                                \
    do {                                                                                           \
        *(ret_rows) = wire_take(a, len, sizeof(type));                                             \
        *(ret_list) = wire_take(a, len, sizeof(type *));                                           \
        for (size_t at_ = 0; at_ < (len); at_++)                                                   \
            (*(ret_list))[at_] = &(*(ret_rows))[at_];                                              \
    } while (0)

static char **text_list(struct arena *a, const char *const *from, size_t len)
{
    char **list = wire_take(a, len, sizeof *list);
    for (size_t i = 0; i < len; i++)
        list[i] = wire_text(from[i]);
    return list;
}

static void fill_contexts(struct arena *a, Grid__AdminReply *m, const struct admin_reply *r)
{
    Grid__ContextInfo *rows;
    TAKE_LIST(a, Grid__ContextInfo, r->contexts_len, &rows, &m->contexts);
    for (size_t i = 0; i < r->contexts_len; i++) {
        wire_fill_context(&rows[i], r->contexts[i].info);
        rows[i].entries = r->contexts[i].entries;
        rows[i].bytes = r->contexts[i].bytes;
        rows[i].copies = r->contexts[i].copies;
    }
    m->n_contexts = r->contexts_len;
}

static void fill_caches(struct arena *a, Grid__AdminReply *m, const struct admin_reply *r)
{
    Grid__CacheInfo *rows;
    TAKE_LIST(a, Grid__CacheInfo, r->caches_len, &rows, &m->caches);
    for (size_t i = 0; i < r->caches_len; i++) {
        const struct admin_cache *from = &r->caches[i];
        grid__cache_info__init(&rows[i]);
        rows[i].name = wire_take(a, 1, PATH_BYTES_MAX + 1);
        snprintf(rows[i].name, PATH_BYTES_MAX + 1, "%s/%s", from->context->name, from->info->name);
        rows[i].id = from->info->id;
        rows[i].ttl_ms = from->info->ttl_ms;
        rows[i].entries = from->entries;
    }
    m->n_caches = r->caches_len;
}

static void fill_settings(struct arena *a, Grid__AdminReply *m, const struct admin_reply *r)
{
    if (!r->settings)
        return;
    Grid__SettingInfo *rows;
    TAKE_LIST(a, Grid__SettingInfo, (size_t)SETTINGS_LEN, &rows, &m->settings);
    for (size_t i = 0; i < SETTINGS_LEN; i++) {
        const struct setting_row *from = &setting_rows[i];
        grid__setting_info__init(&rows[i]);
        rows[i].name = wire_text(from->name);
        rows[i].value = r->settings[i];
        rows[i].standard = from->value;
        rows[i].min = from->min;
        rows[i].max = from->max;
        rows[i].unit = wire_text(from->unit);
        rows[i].help = wire_text(from->help);
    }
    m->n_settings = SETTINGS_LEN;
}

static void fill_functions(struct arena *a, Grid__ModuleInfo *to, const struct module_info *from)
{
    Grid__FunctionInfo *rows;
    TAKE_LIST(a, Grid__FunctionInfo, from->functions_len, &rows, &to->functions);
    for (size_t i = 0; i < from->functions_len; i++) {
        const struct module_function *f = &from->functions[i];
        grid__function_info__init(&rows[i]);
        rows[i].name = wire_text(f->name);
        rows[i].help = wire_text(f->help);
        rows[i].kind = wire_text(module_kind_text(f->kind));
        rows[i].flags = wire_take(a, (size_t)__builtin_popcount(f->flags), sizeof(char *));
        for (unsigned flag = 1; flag <= f->flags; flag <<= 1)
            if (f->flags & flag)
                rows[i].flags[rows[i].n_flags++] = wire_text(module_flag_text(flag));
    }
    to->n_functions = from->functions_len;
}

static void fill_modules(struct arena *a, Grid__AdminReply *m, const struct admin_reply *r)
{
    Grid__ModuleInfo *rows;
    TAKE_LIST(a, Grid__ModuleInfo, r->modules_len, &rows, &m->modules);
    for (size_t i = 0; i < r->modules_len; i++) {
        const struct module *from = r->modules[i].module;
        grid__module_info__init(&rows[i]);
        rows[i].name = wire_text(from->info.name);
        rows[i].engine = wire_text(from->info.engine == MODULE_NATIVE ? "native" : "lua");
        rows[i].version = from->info.version;
        rows[i].digest = wire_take(a, SHA1_HEX + 1, 1);
        memcpy(rows[i].digest, from->digest, SHA1_HEX);
        rows[i].size = from->info.source.len;
        fill_functions(a, &rows[i], &from->info);
        if (!r->modules[i].with_source)
            continue;
        rows[i].source.len = from->info.source.len;
        rows[i].source.data = wire_take(a, from->info.source.len, 1);
        memcpy(rows[i].source.data, from->info.source.data, from->info.source.len);
    }
    m->n_modules = r->modules_len;
}

static ProtobufCBinaryData copy_of(struct arena *a, struct slice s)
{
    ProtobufCBinaryData to = {s.len, wire_take(a, s.len, 1)};
    if (s.len)
        memcpy(to.data, s.data, s.len);
    return to;
}

static void fill_instance(struct arena *a, Grid__InstanceInfo *to,
                          const struct admin_instance *from)
{
    grid__instance_info__init(to);
    to->number = from->number;
    to->key = copy_of(a, from->key);
    to->partition = from->partition;
    to->node = wire_text(from->node);
    to->state = wire_text(from->state);
    to->token = from->token;
    to->since_ms = from->since_ms;
    to->calls = from->calls;
    to->failures = from->failures;
    to->error = wire_text(from->error);
    to->service = wire_text(from->service);
}

static void fill_service(struct arena *a, Grid__ServiceInfo *to, const struct service_info *info)
{
    grid__service_info__init(to);
    to->name = wire_text(info->name);
    to->mode = wire_text(service_mode_text(info->mode));
    to->copies = info->copies;
    to->labels = wire_text(info->labels);
    to->version = info->version;
    to->arg = copy_of(a, info->arg);
}

/* Those of another node stand in one that has no name. */
static void fill_services(struct arena *a, Grid__AdminReply *m, const struct admin_reply *r)
{
    Grid__ServiceInfo *rows;
    Grid__InstanceInfo *instances;
    size_t len = r->services_len + (r->instances_len > 0);
    TAKE_LIST(a, Grid__ServiceInfo, len, &rows, &m->services);
    m->n_services = len;
    for (size_t i = 0; i < len; i++) {
        bool own = i < r->services_len;
        const struct admin_instance *from = own ? r->services[i].instances : r->instances;
        size_t n = own ? r->services[i].instances_len : r->instances_len;
        if (own)
            fill_service(a, &rows[i], r->services[i].info);
        else
            grid__service_info__init(&rows[i]);
        rows[i].context = wire_text(own ? r->services[i].context : "");
        TAKE_LIST(a, Grid__InstanceInfo, n, &instances, &rows[i].instances);
        rows[i].n_instances = n;
        for (size_t k = 0; k < n; k++)
            fill_instance(a, &instances[k], &from[k]);
    }
}

static void fill_copies(struct arena *a, Grid__PartitionInfo *to,
                        const struct admin_partition *from)
{
    Grid__CopyInfo *rows;
    TAKE_LIST(a, Grid__CopyInfo, from->copies_len, &rows, &to->copies);
    for (size_t i = 0; i < from->copies_len; i++) {
        grid__copy_info__init(&rows[i]);
        rows[i].node = wire_text(from->copies[i].node);
        rows[i].version = from->copies[i].version;
        rows[i].digest = from->copies[i].digest;
        rows[i].entries = from->copies[i].entries;
        rows[i].state = wire_text(from->copies[i].state);
    }
    to->n_copies = from->copies_len;
}

static void fill_partitions(struct arena *a, Grid__AdminReply *m, const struct admin_reply *r)
{
    Grid__PartitionInfo *rows;
    TAKE_LIST(a, Grid__PartitionInfo, r->partitions_len, &rows, &m->partitions);
    for (size_t i = 0; i < r->partitions_len; i++) {
        const struct admin_partition *from = &r->partitions[i];
        grid__partition_info__init(&rows[i]);
        rows[i].context = wire_text(from->context);
        rows[i].partition = from->partition;
        rows[i].shard = from->shard + 1;
        rows[i].epoch = from->epoch;
        rows[i].seq = from->seq;
        rows[i].state = wire_text(from->state);
        rows[i].entries = from->entries;
        rows[i].primary = wire_text(from->primary ? from->primary : "");
        rows[i].in_sync = text_list(a, from->in_sync, from->in_sync_len);
        rows[i].n_in_sync = from->in_sync_len;
        rows[i].joining = text_list(a, from->joining, from->joining_len);
        rows[i].n_joining = from->joining_len;
        rows[i].version = from->version;
        rows[i].digest = from->digest;
        fill_copies(a, &rows[i], from);
    }
    m->n_partitions = r->partitions_len;
}

static void fill_node(struct arena *a, Grid__NodeInfo *to, const struct admin_node *from)
{
    grid__node_info__init(to);
    to->name = wire_text(from->name);
    to->node_id.data = wire_take(a, 1, 16);
    to->node_id.len = 16;
    memcpy(to->node_id.data, from->node_id, 16);
    to->address = wire_text(from->address);
    to->version = wire_text(from->version);
    to->uptime_ms = from->uptime_ms;
    to->shards = from->shards;
    to->labels = text_list(a, from->labels, from->labels_len);
    to->n_labels = from->labels_len;
    to->state = wire_text(from->state);
    to->number = from->number;
    to->voter = from->voter;
    to->leader = from->leader;
    to->primaries = from->primaries;
    to->copies = from->copies;
    to->joining = from->joining;
    to->kept = from->kept;
    to->level = from->level;
    Grid__Metric *rows;
    TAKE_LIST(a, Grid__Metric, from->metrics_len, &rows, &to->metrics);
    for (size_t i = 0; i < from->metrics_len; i++) {
        grid__metric__init(&rows[i]);
        rows[i].name = wire_text(from->metrics[i].name);
        rows[i].value = from->metrics[i].value;
        rows[i].unit = wire_text(from->metrics[i].unit);
        rows[i].counter = from->metrics[i].counter;
    }
    to->n_metrics = from->metrics_len;
}

static void fill_status(struct arena *a, Grid__AdminReply *m, const struct admin_status *from)
{
    if (!from)
        return;
    Grid__Status *to = wire_take(a, 1, sizeof *to);
    grid__status__init(to);
    to->grid = wire_text(from->grid);
    to->healthy = from->healthy;
    to->problems = text_list(a, from->problems, from->problems_len);
    to->n_problems = from->problems_len;
    to->notes = text_list(a, from->notes, from->notes_len);
    to->n_notes = from->notes_len;
    Grid__NodeInfo *rows;
    TAKE_LIST(a, Grid__NodeInfo, from->nodes_len, &rows, &to->nodes);
    for (size_t i = 0; i < from->nodes_len; i++)
        fill_node(a, &rows[i], &from->nodes[i]);
    to->n_nodes = from->nodes_len;
    to->contexts = from->contexts;
    to->caches = from->caches;
    to->entries = from->entries;
    to->partitions = from->partitions;
    to->partitions_damaged = from->partitions_damaged;
    to->revision = from->revision;
    to->unled = from->unled;
    to->lost = from->lost;
    to->short_of_copies = from->short_of_copies;
    to->unplaced = from->unplaced;
    to->below_min = from->below_min;
    to->joining = from->joining;
    to->bytes_left = from->bytes_left;
    to->rebalance_paused = from->rebalance_paused;
    to->bytes = from->bytes;
    to->misplaced = from->misplaced;
    to->level = from->level;
    m->status = to;
}

void wire_admin_reply_encode(const struct admin_reply *reply, struct buf *out)
{
    struct arena *a = arena_new(SIZE_MAX / 2);
    Grid__AdminReply m;
    grid__admin_reply__init(&m);
    fill_status(a, &m, reply->status);
    fill_contexts(a, &m, reply);
    fill_caches(a, &m, reply);
    fill_settings(a, &m, reply);
    fill_partitions(a, &m, reply);
    fill_modules(a, &m, reply);
    fill_services(a, &m, reply);
    m.revision = reply->revision;
    m.verified = reply->verified;
    m.entries = reply->entries;
    m.went_on = reply->went_on;
    wire_pack(&m.base, out);
    arena_free(a);
}
