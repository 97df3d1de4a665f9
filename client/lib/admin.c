/* admin.c - what gridctl speaks: one Admin message out, one AdminReply back, unpacked by protobuf-c
 * in an arena and copied into one allocation of the caller's. Changes are not exactly-once (R13 is
 * for data): when an answer was lost and the repetition says "exists already", that is in doubt. */
#include "admin_priv.h"
#include "arena.h"

#include <stdio.h>
#include <stdlib.h>

/* --- asking ----------------------------------------------------------------------------------- */

struct ask {
    convert_fn *convert; /* NULL: only the outcome matters */
    void *to;
};

static enum grid_err take_reply(struct wait *w, const struct wire_response *a)
{
    const struct ask *ask = w->to;
    struct arena arena;
    if (a->status || !ask->convert)
        return GRID_OK;
    gc_arena_init(&arena);
    enum grid_err err = GRID_ECORRUPT;
    const Grid__AdminReply *reply =
        grid__admin_reply__unpack(&arena.allocator, a->admin.len, a->admin.data);
    if (reply)
        err = ask->convert(reply, ask->to);
    gc_arena_release(&arena);
    return err;
}

enum grid_err gc_admin(struct grid *g, const Grid__Admin *m, convert_fn *convert, void *to)
{
    struct ask ask = {convert, to};
    struct wait w = {.take = take_reply, .to = &ask};
    size_t len = grid__admin__get_packed_size(m);
    uint8_t *packed = gc_calloc(1, len + 1);
    grid__admin__pack(m, packed);
    struct request *r =
        gc_request_new(g, GRID__OP__ADMIN, NULL, gc_wire_bytes_len(REQUEST_ADMIN, len));
    if (r) {
        gc_wire_put_bytes(r->body, REQUEST_ADMIN, (struct grid_bytes){packed, len});
        r->changes = !convert;
    }
    free(packed);
    return gc_wait(g, r, &w);
}

/* --- copying into one allocation -------------------------------------------------------------- */

static size_t texts_bytes(char *const *texts, size_t n)
{
    size_t bytes = rounded(n * sizeof *texts);
    for (size_t i = 0; i < n; i++)
        bytes += rounded(strlen(texts[i]) + 1);
    return bytes;
}

static char **take_texts(struct heap *h, char *const *texts, size_t n)
{
    char **to = heap_take(h, n * sizeof *to);
    for (size_t i = 0; i < n; i++) {
        size_t bytes = strlen(texts[i]) + 1;
        to[i] = memcpy(heap_take(h, bytes), texts[i], bytes);
    }
    return to;
}

/* A cleared list of n things, at least one byte of it. */
static void *list_new(size_t n, size_t bytes)
{
    return calloc(n ? n : 1, bytes);
}

/* --- status ----------------------------------------------------------------------------------- */

static void hex(char *to, size_t size, ProtobufCBinaryData id)
{
    *to = '\0';
    for (size_t i = 0; i < id.len && 2 * i + 2 < size; i++)
        snprintf(to + 2 * i, 3, "%02x", id.data[i]);
}

static size_t status_bytes(const Grid__Status *s)
{
    size_t bytes = rounded(sizeof(struct grid_status)) + texts_bytes(s->problems, s->n_problems) +
                   texts_bytes(s->notes, s->n_notes) +
                   rounded(s->n_nodes * sizeof(struct grid_node_info));
    for (size_t i = 0; i < s->n_nodes; i++) {
        const Grid__NodeInfo *n = s->nodes[i];
        bytes += texts_bytes(n->labels, n->n_labels);
        bytes += rounded(n->n_metrics * sizeof(struct grid_metric));
    }
    return bytes;
}

static void take_node(struct heap *h, struct grid_node_info *to, const Grid__NodeInfo *from)
{
    SET_TEXT(to->name, from->name);
    hex(to->id, sizeof to->id, from->node_id);
    SET_TEXT(to->address, from->address);
    SET_TEXT(to->version, from->version);
    SET_TEXT(to->state, from->state);
    to->uptime_ms = from->uptime_ms;
    to->shards = from->shards;
    to->number = from->number;
    to->voter = from->voter;
    to->leader = from->leader;
    to->primaries = from->primaries;
    to->copies = from->copies;
    to->joining = from->joining;
    to->kept = from->kept;
    to->level = from->level;
    to->labels = take_texts(h, from->labels, from->n_labels);
    to->labels_len = from->n_labels;
    to->metrics = heap_take(h, from->n_metrics * sizeof *to->metrics);
    to->metrics_len = from->n_metrics;
    for (size_t i = 0; i < from->n_metrics; i++) {
        const Grid__Metric *m = from->metrics[i];
        SET_TEXT(to->metrics[i].name, m->name);
        SET_TEXT(to->metrics[i].unit, m->unit);
        to->metrics[i].value = m->value;
        to->metrics[i].counter = m->counter;
    }
}

static enum grid_err convert_status(const Grid__AdminReply *reply, void *to)
{
    const Grid__Status *from = reply->status;
    if (!from)
        return GRID_ECORRUPT;
    struct heap h = {calloc(1, status_bytes(from))};
    if (!h.at)
        return GRID_ENOMEM;
    struct grid_status *s = heap_take(&h, sizeof *s);
    SET_TEXT(s->grid, from->grid);
    s->healthy = from->healthy;
    s->problems = take_texts(&h, from->problems, from->n_problems);
    s->problems_len = from->n_problems;
    s->notes = take_texts(&h, from->notes, from->n_notes);
    s->notes_len = from->n_notes;
    s->nodes = heap_take(&h, from->n_nodes * sizeof *s->nodes);
    s->nodes_len = from->n_nodes;
    for (size_t i = 0; i < from->n_nodes; i++)
        take_node(&h, &s->nodes[i], from->nodes[i]);
    s->contexts = from->contexts;
    s->caches = from->caches;
    s->entries = from->entries;
    s->partitions = from->partitions;
    s->partitions_damaged = from->partitions_damaged;
    s->revision = from->revision;
    s->unled = from->unled;
    s->lost = from->lost;
    s->short_of_copies = from->short_of_copies;
    s->unplaced = from->unplaced;
    s->below_min = from->below_min;
    s->joining = from->joining;
    s->bytes = from->bytes;
    s->bytes_left = from->bytes_left;
    s->misplaced = from->misplaced;
    s->rebalance_paused = from->rebalance_paused;
    s->level = from->level;
    *(struct grid_status **)to = s;
    return GRID_OK;
}

enum grid_err grid_get_status(struct grid *g, struct grid_status **ret_status)
{
    Grid__Admin m = message(GRID__ADMIN_OP__STATUS);
    return gc_admin(g, &m, convert_status, ret_status);
}

/* --- contexts --------------------------------------------------------------------------------- */

static enum grid_err convert_contexts(const Grid__AdminReply *reply, void *to)
{
    struct out_list *out = to;
    struct grid_context_info *list = list_new(reply->n_contexts, sizeof *list);
    if (!list)
        return GRID_ENOMEM;
    for (size_t i = 0; i < reply->n_contexts; i++) {
        const Grid__ContextInfo *from = reply->contexts[i];
        struct grid_context_info *c = &list[i];
        SET_TEXT(c->name, from->name);
        SET_TEXT(c->nodes, from->nodes);
        c->id = from->id;
        c->partitions = from->partitions;
        c->backups = from->backups;
        c->min_in_sync = from->min_in_sync;
        c->caches = from->caches;
        c->durability = (enum grid_durability)from->durability;
        c->evict = from->full_policy == 1;
        c->memory_limit = from->memory_limit;
        c->entries = from->entries;
        c->bytes = from->bytes;
        c->copies = from->copies;
    }
    *(struct grid_context_info **)out->list = list;
    *out->len = reply->n_contexts;
    return GRID_OK;
}

static Grid__ContextInfo context_message(const struct grid_context_info *want)
{
    Grid__ContextInfo c;
    grid__context_info__init(&c);
    c.name = text_of(want->name);
    c.nodes = text_of(want->nodes);
    c.partitions = want->partitions;
    c.backups = want->backups;
    c.durability = want->durability;
    c.memory_limit = want->memory_limit;
    c.min_in_sync = want->min_in_sync;
    c.full_policy = want->evict;
    return c;
}

enum grid_err grid_context_create(struct grid *g, const struct grid_context_info *want)
{
    Grid__Admin m = message(GRID__ADMIN_OP__CONTEXT_CREATE);
    Grid__ContextInfo c = context_message(want);
    m.context = &c;
    return gc_admin(g, &m, NULL, NULL);
}

enum grid_err grid_context_alter(struct grid *g, const struct grid_context_info *want,
                                 unsigned fields)
{
    static const char *const names[] = {"backups",     "durability", "memory_limit",
                                        "min_in_sync", "nodes",      "full_policy"};
    enum { FIELDS = sizeof names / sizeof *names };
    char *wanted[FIELDS];
    Grid__Admin m = message(GRID__ADMIN_OP__CONTEXT_ALTER);
    Grid__ContextInfo c = context_message(want);
    for (unsigned i = 0; i < FIELDS; i++)
        if (fields & 1u << i)
            wanted[m.n_fields++] = text_of(names[i]);
    m.fields = wanted;
    m.context = &c;
    return gc_admin(g, &m, NULL, NULL);
}

enum grid_err grid_context_drop(struct grid *g, const char *name)
{
    Grid__Admin m = message(GRID__ADMIN_OP__CONTEXT_DROP);
    Grid__ContextInfo c;
    grid__context_info__init(&c);
    c.name = text_of(name);
    m.context = &c;
    return gc_admin(g, &m, NULL, NULL);
}

enum grid_err grid_context_list(struct grid *g, const char *name,
                                struct grid_context_info **ret_list, size_t *ret_len)
{
    struct out_list out = {ret_list, ret_len};
    Grid__Admin m = message(name ? GRID__ADMIN_OP__CONTEXT_SHOW : GRID__ADMIN_OP__CONTEXT_LIST);
    Grid__ContextInfo c;
    grid__context_info__init(&c);
    c.name = text_of(name);
    m.context = name ? &c : NULL;
    return gc_admin(g, &m, convert_contexts, &out);
}

/* --- caches ----------------------------------------------------------------------------------- */

static enum grid_err convert_caches(const Grid__AdminReply *reply, void *to)
{
    struct out_list *out = to;
    struct grid_cache_info *list = list_new(reply->n_caches, sizeof *list);
    if (!list)
        return GRID_ENOMEM;
    for (size_t i = 0; i < reply->n_caches; i++) {
        const Grid__CacheInfo *from = reply->caches[i];
        SET_TEXT(list[i].name, from->name);
        list[i].id = from->id;
        list[i].ttl_ms = from->ttl_ms;
        list[i].entries = from->entries;
    }
    *(struct grid_cache_info **)out->list = list;
    *out->len = reply->n_caches;
    return GRID_OK;
}

enum grid_err grid_cache_create(struct grid *g, const char *path, uint64_t ttl_ms)
{
    Grid__Admin m = message(GRID__ADMIN_OP__CACHE_CREATE);
    Grid__CacheInfo c;
    grid__cache_info__init(&c);
    c.name = m.name = text_of(path);
    c.ttl_ms = ttl_ms;
    m.cache = &c;
    return gc_admin(g, &m, NULL, NULL);
}

enum grid_err grid_cache_drop(struct grid *g, const char *path)
{
    Grid__Admin m = message(GRID__ADMIN_OP__CACHE_DROP);
    m.name = text_of(path);
    return gc_admin(g, &m, NULL, NULL);
}

enum grid_err grid_cache_list(struct grid *g, const char *context,
                              struct grid_cache_info **ret_list, size_t *ret_len)
{
    struct out_list out = {ret_list, ret_len};
    Grid__Admin m = message(GRID__ADMIN_OP__CACHE_LIST);
    m.name = text_of(context);
    return gc_admin(g, &m, convert_caches, &out);
}

/* --- modules ---------------------------------------------------------------------------------- */

static void take_functions(struct heap *h, struct grid_module_info *to,
                           const Grid__ModuleInfo *from)
{
    to->functions = heap_take(h, from->n_functions * sizeof *to->functions);
    to->functions_len = from->n_functions;
    for (size_t i = 0; i < from->n_functions; i++) {
        const Grid__FunctionInfo *f = from->functions[i];
        struct grid_function_info *info = &to->functions[i];
        SET_TEXT(info->name, f->name);
        SET_TEXT(info->kind, *f->kind ? f->kind : "function");
        SET_TEXT(info->help, f->help);
        for (size_t k = 0, at = 0; k < f->n_flags && at < sizeof info->flags; k++)
            at += (size_t)snprintf(info->flags + at, sizeof info->flags - at, "%s%s", k ? "," : "",
                                   f->flags[k]);
    }
}

static void take_module(struct heap *h, struct grid_module_info *to, const Grid__ModuleInfo *from)
{
    SET_TEXT(to->name, from->name);
    SET_TEXT(to->engine, from->engine);
    SET_TEXT(to->digest, from->digest);
    to->version = from->version;
    to->size = from->size;
    take_functions(h, to, from);
    void *source = heap_take(h, from->source.len);
    if (from->source.len)
        memcpy(source, from->source.data, from->source.len);
    to->source = (struct grid_bytes){source, from->source.len};
}

static enum grid_err convert_modules(const Grid__AdminReply *reply, void *to)
{
    struct out_list *out = to;
    size_t bytes = rounded((reply->n_modules + 1) * sizeof(struct grid_module_info));
    for (size_t i = 0; i < reply->n_modules; i++)
        bytes += rounded(reply->modules[i]->n_functions * sizeof(struct grid_function_info)) +
                 rounded(reply->modules[i]->source.len);
    struct heap h = {calloc(1, bytes)};
    if (!h.at)
        return GRID_ENOMEM;
    struct grid_module_info *list = heap_take(&h, (reply->n_modules + 1) * sizeof *list);
    for (size_t i = 0; i < reply->n_modules; i++)
        take_module(&h, &list[i], reply->modules[i]);
    *(struct grid_module_info **)out->list = list;
    *out->len = reply->n_modules;
    return GRID_OK;
}

enum grid_err grid_module_deploy(struct grid *g, const char *name, struct grid_bytes source,
                                 struct grid_module_info **ret_module)
{
    size_t len;
    struct out_list out = {ret_module, &len};
    union {
        const void *in;
        uint8_t *out;
    } bytes = {source.data};
    Grid__Admin m = message(GRID__ADMIN_OP__MODULE_DEPLOY);
    m.name = text_of(name);
    m.source.data = bytes.out;
    m.source.len = source.len;
    m.replace = true;
    return gc_admin(g, &m, convert_modules, &out);
}

enum grid_err grid_module_list(struct grid *g, const char *name, struct grid_module_info **ret_list,
                               size_t *ret_len)
{
    struct out_list out = {ret_list, ret_len};
    Grid__Admin m = message(name ? GRID__ADMIN_OP__MODULE_SHOW : GRID__ADMIN_OP__MODULE_LIST);
    m.name = text_of(name);
    return gc_admin(g, &m, convert_modules, &out);
}

enum grid_err grid_module_remove(struct grid *g, const char *name)
{
    Grid__Admin m = message(GRID__ADMIN_OP__MODULE_REMOVE);
    m.name = text_of(name);
    return gc_admin(g, &m, NULL, NULL);
}

/* --- settings --------------------------------------------------------------------------------- */

static enum grid_err convert_settings(const Grid__AdminReply *reply, void *to)
{
    struct out_list *out = to;
    struct grid_setting_info *list = list_new(reply->n_settings, sizeof *list);
    if (!list)
        return GRID_ENOMEM;
    for (size_t i = 0; i < reply->n_settings; i++) {
        const Grid__SettingInfo *from = reply->settings[i];
        SET_TEXT(list[i].name, from->name);
        SET_TEXT(list[i].unit, from->unit);
        SET_TEXT(list[i].help, from->help);
        list[i].value = from->value;
        list[i].standard = from->standard;
        list[i].min = from->min;
        list[i].max = from->max;
    }
    *(struct grid_setting_info **)out->list = list;
    *out->len = reply->n_settings;
    return GRID_OK;
}

enum grid_err grid_setting_list(struct grid *g, struct grid_setting_info **ret_list,
                                size_t *ret_len)
{
    struct out_list out = {ret_list, ret_len};
    Grid__Admin m = message(GRID__ADMIN_OP__SETTINGS_LIST);
    return gc_admin(g, &m, convert_settings, &out);
}

enum grid_err grid_setting_set(struct grid *g, const char *name, int64_t value)
{
    Grid__Admin m = message(GRID__ADMIN_OP__SETTINGS_SET);
    m.name = text_of(name);
    m.value = value;
    return gc_admin(g, &m, NULL, NULL);
}

/* --- partitions ------------------------------------------------------------------------------- */

static enum grid_err convert_partitions(const Grid__AdminReply *reply, void *to)
{
    struct out_list *out = to;
    size_t bytes = rounded((reply->n_partitions + 1) * sizeof(struct grid_partition_info));
    for (size_t i = 0; i < reply->n_partitions; i++)
        bytes += texts_bytes(reply->partitions[i]->in_sync, reply->partitions[i]->n_in_sync) +
                 texts_bytes(reply->partitions[i]->joining, reply->partitions[i]->n_joining);
    struct heap h = {calloc(1, bytes)};
    if (!h.at)
        return GRID_ENOMEM;
    struct grid_partition_info *list = heap_take(&h, (reply->n_partitions + 1) * sizeof *list);
    for (size_t i = 0; i < reply->n_partitions; i++) {
        const Grid__PartitionInfo *from = reply->partitions[i];
        SET_TEXT(list[i].context, from->context);
        SET_TEXT(list[i].state, from->state);
        SET_TEXT(list[i].primary, from->primary);
        list[i].in_sync = take_texts(&h, from->in_sync, from->n_in_sync);
        list[i].in_sync_len = from->n_in_sync;
        list[i].joining = take_texts(&h, from->joining, from->n_joining);
        list[i].joining_len = from->n_joining;
        list[i].partition = from->partition;
        list[i].shard = from->shard;
        list[i].epoch = from->epoch;
        list[i].seq = from->seq;
        list[i].entries = from->entries;
    }
    *(struct grid_partition_info **)out->list = list;
    *out->len = reply->n_partitions;
    return GRID_OK;
}

enum grid_err grid_partition_list(struct grid *g, const char *context,
                                  struct grid_partition_info **ret_list, size_t *ret_len)
{
    struct out_list out = {ret_list, ret_len};
    Grid__Admin m = message(GRID__ADMIN_OP__PARTITION_LIST);
    m.name = text_of(context);
    return gc_admin(g, &m, convert_partitions, &out);
}

static enum grid_err convert_went_on(const Grid__AdminReply *reply, void *to)
{
    uint64_t *ret_partitions = to;
    if (ret_partitions)
        *ret_partitions = reply->went_on;
    return GRID_OK;
}

enum grid_err grid_partition_recover(struct grid *g, const char *context, uint64_t *ret_partitions)
{
    Grid__Admin m = message(GRID__ADMIN_OP__PARTITION_RECOVER);
    m.name = text_of(context);
    m.all_partitions = m.accept_loss = true;
    return gc_admin(g, &m, convert_went_on, ret_partitions);
}

enum grid_err grid_partition_reset(struct grid *g, const char *context, uint64_t *ret_partitions)
{
    Grid__Admin m = message(GRID__ADMIN_OP__PARTITION_RESET);
    m.name = text_of(context);
    m.all_partitions = true;
    return gc_admin(g, &m, convert_went_on, ret_partitions);
}

enum grid_err grid_partition_repair(struct grid *g, const char *context, uint32_t partition,
                                    const char *node)
{
    Grid__Admin m = message(GRID__ADMIN_OP__PARTITION_REPAIR);
    Grid__ContextInfo c;
    grid__context_info__init(&c);
    c.name = text_of(context);
    m.context = &c;
    m.name = text_of(node);
    m.partition = partition;
    return gc_admin(g, &m, NULL, NULL);
}

/* --- copies compared -------------------------------------------------------------------------- */

static void take_copies(struct heap *h, struct grid_difference *to, const Grid__PartitionInfo *from)
{
    to->partition = from->partition;
    SET_TEXT(to->state, from->state);
    to->copies = heap_take(h, from->n_copies * sizeof *to->copies);
    to->copies_len = from->n_copies;
    for (size_t i = 0; i < from->n_copies; i++) {
        const Grid__CopyInfo *c = from->copies[i];
        SET_TEXT(to->copies[i].node, c->node);
        SET_TEXT(to->copies[i].state, c->state);
        to->copies[i].version = c->version;
        to->copies[i].digest = c->digest;
        to->copies[i].entries = c->entries;
    }
}

static enum grid_err convert_verified(const Grid__AdminReply *reply, void *to)
{
    struct grid_verified *v;
    size_t bytes = rounded(sizeof *v) + rounded(reply->n_partitions * sizeof *v->differences);
    for (size_t i = 0; i < reply->n_partitions; i++)
        bytes += rounded(reply->partitions[i]->n_copies * sizeof *v->differences->copies);
    struct heap h = {calloc(1, bytes)};
    if (!h.at)
        return GRID_ENOMEM;
    v = heap_take(&h, sizeof *v);
    v->partitions = reply->verified;
    v->entries = reply->entries;
    v->differences = heap_take(&h, reply->n_partitions * sizeof *v->differences);
    v->differences_len = reply->n_partitions;
    for (size_t i = 0; i < reply->n_partitions; i++)
        take_copies(&h, &v->differences[i], reply->partitions[i]);
    *(struct grid_verified **)to = v;
    return GRID_OK;
}

enum grid_err grid_verify(struct grid *g, const char *context, uint32_t first, uint32_t count,
                          struct grid_verified **ret_verified)
{
    Grid__Admin m = message(GRID__ADMIN_OP__VERIFY);
    m.name = text_of(context);
    m.partition = first;
    m.count = count;
    return gc_admin(g, &m, convert_verified, ret_verified);
}

/* --- nodes ------------------------------------------------------------------------------------ */

enum grid_err grid_node_drain(struct grid *g, const char *node, bool on)
{
    Grid__Admin m = message(on ? GRID__ADMIN_OP__NODE_DRAIN : GRID__ADMIN_OP__NODE_UNDRAIN);
    m.name = text_of(node);
    return gc_admin(g, &m, NULL, NULL);
}

enum grid_err grid_node_remove(struct grid *g, const char *node, bool accept_loss)
{
    Grid__Admin m = message(GRID__ADMIN_OP__NODE_REMOVE);
    m.name = text_of(node);
    m.accept_loss = accept_loss;
    return gc_admin(g, &m, NULL, NULL);
}

enum grid_err grid_rebalance(struct grid *g, bool on)
{
    Grid__Admin m =
        message(on ? GRID__ADMIN_OP__REBALANCE_RESUME : GRID__ADMIN_OP__REBALANCE_PAUSE);
    return gc_admin(g, &m, NULL, NULL);
}

/* --- where a key lies ------------------------------------------------------------------------- */

static enum grid_err convert_location(const Grid__Location *from,
                                      struct grid_location **ret_location)
{
    size_t names = from->n_in_sync * GRID_NAME_BYTES;
    struct heap h = {calloc(1, rounded(sizeof **ret_location) + rounded(names))};
    if (!h.at)
        return GRID_ENOMEM;
    struct grid_location *l = heap_take(&h, sizeof *l);
    l->partition = from->partition;
    l->slot = from->slot;
    l->shard = from->shard;
    l->epoch = from->epoch;
    SET_TEXT(l->primary, from->primary);
    SET_TEXT(l->address, from->address);
    l->in_sync = heap_take(&h, names);
    l->in_sync_len = from->n_in_sync;
    for (size_t i = 0; i < from->n_in_sync; i++)
        SET_TEXT(l->in_sync[i], from->in_sync[i]);
    *ret_location = l;
    return GRID_OK;
}

static enum grid_err take_location(struct wait *w, const struct wire_response *a)
{
    struct arena arena;
    if (a->status)
        return GRID_OK;
    gc_arena_init(&arena);
    enum grid_err err = GRID_ECORRUPT;
    const Grid__Location *from =
        grid__location__unpack(&arena.allocator, a->location.len, a->location.data);
    if (from)
        err = convert_location(from, w->to);
    gc_arena_release(&arena);
    return err;
}

enum grid_err grid_locate(struct grid_cache *c, struct grid_bytes key, struct grid_bytes affinity,
                          struct grid_location **ret_location)
{
    struct wire_key k = {.key = key, .affinity = affinity};
    struct wait w = {.take = take_location, .to = ret_location};
    return gc_wait(c->grid, gc_key_request(c, GRID__OP__LOCATE, &k), &w);
}

void grid_free(void *list)
{
    free(list);
}
