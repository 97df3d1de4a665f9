/* fake_grid.h - grid.h in memory, for tests of gridctl that need no server: one cache, a few
 * settings, outcomes on demand. Include it in one test program, which then links no client
 * library. */
#ifndef GRIDD_TESTS_FAKE_GRID_H
#define GRIDD_TESTS_FAKE_GRID_H

#include <grid.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAKE_ENTRIES = 4096, FAKE_QUEUE = 2048 };

struct fake_entry {
    char *key, *value;
    size_t key_len, value_len;
    uint64_t version;
};

struct fake_put {
    enum grid_err err;
    grid_done_fn *done;
    void *arg;
};

struct grid {
    int unused;
};
struct grid_cache {
    int unused;
};
struct grid_scan {
    size_t at;
    struct grid_scan_options how;
};

static struct {
    enum grid_err connect_err, err; /* what the next calls say */
    const char *detail;
    size_t puts_until_err; /* err comes after so many asynchronous puts */
    struct fake_entry entries[FAKE_ENTRIES];
    size_t len, queue_len, connects;
    struct fake_put queue[FAKE_QUEUE];
    struct grid_write how;            /* of the last write */
    struct grid_context_info context; /* of the last create or alter */
    unsigned fields;
    uint64_t ttl_ms;
    int64_t setting;
    uint32_t partition, backups; /* that the context has; 0: all */
    bool unhealthy, differs, read_local;
    enum grid_job_status job_status;
    char text[256]; /* what was deployed: name and source; what was run: key, affinity key */
} fake;

static struct grid fake_grid;
static struct grid_cache fake_cache;

static inline void fake_reset(void)
{
    for (size_t i = 0; i < fake.len; i++) {
        free(fake.entries[i].key);
        free(fake.entries[i].value);
    }
    memset(&fake, 0, sizeof fake);
    fake.detail = "";
}

static char *fake_copy(const void *data, size_t len)
{
    char *p = malloc(len + 1);
    if (!p)
        abort();
    if (len)
        memcpy(p, data, len);
    p[len] = '\0';
    return p;
}

static struct fake_entry *fake_find(struct grid_bytes key)
{
    for (size_t i = 0; i < fake.len; i++)
        if (fake.entries[i].key_len == key.len &&
            memcmp(fake.entries[i].key, key.data, key.len) == 0)
            return &fake.entries[i];
    return NULL;
}

static struct fake_entry *fake_set(struct grid_bytes key, struct grid_bytes value)
{
    struct fake_entry *e = fake_find(key);
    if (!e) {
        if (fake.len == FAKE_ENTRIES)
            abort();
        e = &fake.entries[fake.len++];
        *e = (struct fake_entry){.key = fake_copy(key.data, key.len), .key_len = key.len};
    }
    free(e->value);
    e->value = fake_copy(value.data, value.len);
    e->value_len = value.len;
    e->version++;
    return e;
}

enum grid_err grid_connect(const struct grid_options *options, struct grid **ret_grid, char *why)
{
    (void)options;
    fake.connects++;
    if (fake.connect_err) {
        snprintf(why, GRID_WHY_BYTES, "%s", fake.detail);
        return fake.connect_err;
    }
    *ret_grid = &fake_grid;
    return GRID_OK;
}

void grid_close(struct grid *g)
{
    (void)g;
}

const char *grid_err_text(enum grid_err err)
{
    return err == GRID_ENOT_FOUND ? "not found" : err == GRID_EUNREACHABLE ? "unreachable" : "text";
}

const char *grid_err_name(enum grid_err err)
{
    (void)err;
    return "NAME";
}

const char *grid_error(const struct grid *g)
{
    (void)g;
    return fake.detail ? fake.detail : "";
}

const char *grid_version(void)
{
    return "0.0.0";
}

enum grid_err grid_cache_open(struct grid *g, const char *path, struct grid_cache **ret_cache)
{
    (void)g;
    if (strcmp(path, "default/default") != 0)
        return GRID_ENO_CACHE;
    *ret_cache = &fake_cache;
    return GRID_OK;
}

void grid_value_release(struct grid_value *v)
{
    free(v->data);
}

enum grid_err grid_get(struct grid_cache *c, struct grid_bytes key, struct grid_bytes affinity,
                       struct grid_value *ret_value)
{
    (void)c, (void)affinity;
    struct fake_entry *e = fake_find(key);
    if (fake.err)
        return fake.err;
    if (!e)
        return GRID_ENOT_FOUND;
    *ret_value = (struct grid_value){
        .data = fake_copy(e->value, e->value_len), .len = e->value_len, .version = e->version};
    return GRID_OK;
}

enum grid_err grid_put(struct grid_cache *c, struct grid_bytes key, struct grid_bytes value,
                       const struct grid_write *how, uint64_t *ret_version)
{
    (void)c;
    struct fake_entry *e = fake_find(key);
    uint64_t version = e ? e->version : 0;
    fake.how = *how;
    if (fake.err)
        return fake.err;
    *ret_version = version;
    if (how->condition == GRID_IF_ABSENT && version)
        return GRID_ECONDITION;
    if (how->condition == GRID_IF_VERSION && how->version != version)
        return GRID_ECONDITION;
    *ret_version = fake_set(key, value)->version;
    return GRID_OK;
}

enum grid_err grid_delete(struct grid_cache *c, struct grid_bytes key, const struct grid_write *how)
{
    (void)c, (void)how;
    struct fake_entry *e = fake_find(key);
    if (fake.err)
        return fake.err;
    if (!e)
        return GRID_ENOT_FOUND;
    free(e->key);
    free(e->value);
    *e = fake.entries[--fake.len];
    return GRID_OK;
}

enum grid_err grid_incr(struct grid_cache *c, struct grid_bytes key, int64_t by,
                        const struct grid_write *how, int64_t *ret_number)
{
    (void)c, (void)how;
    struct fake_entry *e = fake_find(key);
    char text[32];
    if (fake.err)
        return fake.err;
    *ret_number = (e ? strtoll(e->value, NULL, 10) : 0) + by;
    int len = snprintf(text, sizeof text, "%lld", (long long)*ret_number);
    fake_set(key, (struct grid_bytes){text, (size_t)len});
    return GRID_OK;
}

enum grid_err grid_expire(struct grid_cache *c, struct grid_bytes key, const struct grid_write *how,
                          uint64_t *ret_version)
{
    (void)c;
    fake.how = *how;
    *ret_version = 9;
    return fake_find(key) ? fake.err : GRID_ENOT_FOUND;
}

void grid_read_local(struct grid *g, bool on)
{
    (void)g;
    fake.read_local = on;
}

enum grid_err grid_scan_start(struct grid_cache *c, const struct grid_scan_options *how,
                              struct grid_scan **ret_scan)
{
    (void)c;
    *ret_scan = calloc(1, sizeof **ret_scan);
    if (!*ret_scan)
        abort();
    if (how)
        (*ret_scan)->how = *how;
    return GRID_OK;
}

enum grid_err grid_scan_next(struct grid_scan *s, struct grid_entry *ret_entry)
{
    if (fake.err)
        return fake.err;
    while (s->at < fake.len) {
        const struct fake_entry *e = &fake.entries[s->at++];
        size_t n = s->how.prefix.len;
        if (n > e->key_len || (n && memcmp(e->key, s->how.prefix.data, n) != 0))
            continue;
        *ret_entry = (struct grid_entry){
            .key = {e->key, e->key_len}, .value = {e->value, e->value_len}, .version = e->version};
        return GRID_OK;
    }
    return GRID_ENOT_FOUND;
}

void grid_scan_free(struct grid_scan *s)
{
    free(s);
}

enum grid_err grid_count(struct grid_cache *c, uint64_t *ret_count)
{
    (void)c;
    *ret_count = fake.len;
    return fake.err;
}

void grid_put_async(struct grid_cache *c, struct grid_bytes key, struct grid_bytes value,
                    const struct grid_write *how, grid_done_fn *done, void *arg)
{
    (void)c;
    bool bad = fake.err && fake.puts_until_err == 0;
    if (fake.queue_len == FAKE_QUEUE)
        abort();
    fake.how = *how;
    fake.puts_until_err -= fake.puts_until_err > 0;
    fake.queue[fake.queue_len++] = (struct fake_put){bad ? fake.err : GRID_OK, done, arg};
    if (!bad)
        fake_set(key, value);
}

/* Answers backwards, as a grid of several nodes may. */
void grid_flush(struct grid *g)
{
    (void)g;
    while (fake.queue_len > 0) {
        struct fake_put p = fake.queue[--fake.queue_len];
        struct grid_result result = {.err = p.err, .detail = fake.detail};
        p.done(p.arg, &result);
    }
}

size_t grid_poll(struct grid *g, int timeout_ms)
{
    if (timeout_ms != 0)
        grid_flush(g);
    return fake.queue_len;
}

enum grid_err grid_ping(struct grid *g)
{
    (void)g;
    return fake.err;
}

enum grid_err grid_get_status(struct grid *g, struct grid_status **ret_status)
{
    static struct grid_metric metrics[] = {{"requests", 5, "", true},
                                           {"memory", 4096, "bytes", false}};
    static char label[] = "zone=dc1", problem[] = "disk \033[31mfull";
    static char *labels[] = {label}, *problems[] = {problem};
    static char note[] = "too few \033nodes", *notes[] = {note};
    struct {
        struct grid_status status;
        struct grid_node_info node;
    } *all = calloc(1, sizeof *all);
    (void)g;
    if (!all)
        abort();
    if (fake.err) {
        free(all);
        return fake.err;
    }
    all->node = (struct grid_node_info){.name = "a",
                                        .id = "00ff",
                                        .address = "127.0.0.1:7400",
                                        .version = "0.1.0",
                                        .state = "serving",
                                        .uptime_ms = 61000,
                                        .shards = 2,
                                        .labels = labels,
                                        .labels_len = 1,
                                        .metrics = metrics,
                                        .metrics_len = 2};
    all->status = (struct grid_status){.grid = "shop",
                                       .healthy = !fake.unhealthy,
                                       .problems = problems,
                                       .problems_len = fake.unhealthy,
                                       .notes = notes,
                                       .notes_len = 1,
                                       .nodes = &all->node,
                                       .nodes_len = 1,
                                       .contexts = 1,
                                       .caches = 1,
                                       .entries = 1234567,
                                       .bytes = 3 << 20,
                                       .partitions = 1024};
    *ret_status = &all->status;
    return GRID_OK;
}

enum grid_err grid_locate(struct grid_cache *c, struct grid_bytes key, struct grid_bytes affinity,
                          struct grid_location **ret_location)
{
    struct {
        struct grid_location location;
        char names[2][GRID_NAME_BYTES];
    } *all = calloc(1, sizeof *all);
    (void)c, (void)key, (void)affinity;
    if (!all)
        abort();
    snprintf(all->names[0], sizeof all->names[0], "a");
    snprintf(all->names[1], sizeof all->names[1], "b");
    all->location = (struct grid_location){.partition = 7,
                                           .epoch = 3,
                                           .slot = 9,
                                           .shard = 1,
                                           .primary = "a",
                                           .address = "127.0.0.1:7400",
                                           .in_sync = all->names,
                                           .in_sync_len = 2};
    *ret_location = &all->location;
    return GRID_OK;
}

enum grid_err grid_context_create(struct grid *g, const struct grid_context_info *want)
{
    (void)g;
    fake.context = *want;
    return fake.err;
}

enum grid_err grid_context_alter(struct grid *g, const struct grid_context_info *want,
                                 unsigned fields)
{
    (void)g;
    fake.context = *want;
    fake.fields = fields;
    return fake.err;
}

enum grid_err grid_context_drop(struct grid *g, const char *name)
{
    (void)g;
    return strcmp(name, "default") == 0 ? fake.err : GRID_ENO_CONTEXT;
}

enum grid_err grid_context_list(struct grid *g, const char *name,
                                struct grid_context_info **ret_list, size_t *ret_len)
{
    (void)g;
    *ret_list = calloc(1, sizeof **ret_list);
    if (!*ret_list)
        abort();
    **ret_list = (struct grid_context_info){.name = "default",
                                            .id = 1,
                                            .partitions = 1024,
                                            .backups = GRID_BACKUPS_ALL,
                                            .min_in_sync = 1,
                                            .caches = 1,
                                            .entries = 3,
                                            .bytes = 3 << 20,
                                            .copies = 2};
    if (fake.backups)
        (*ret_list)->backups = fake.backups;
    *ret_len = !name || strcmp(name, "default") == 0;
    return fake.err;
}

enum grid_err grid_cache_create(struct grid *g, const char *path, uint64_t ttl_ms)
{
    (void)g, (void)path;
    fake.ttl_ms = ttl_ms;
    return fake.err;
}

enum grid_err grid_cache_drop(struct grid *g, const char *path)
{
    (void)g;
    return strcmp(path, "default/default") == 0 ? fake.err : GRID_ENO_CACHE;
}

enum grid_err grid_cache_list(struct grid *g, const char *context,
                              struct grid_cache_info **ret_list, size_t *ret_len)
{
    (void)g, (void)context;
    *ret_list = calloc(1, sizeof **ret_list);
    if (!*ret_list)
        abort();
    **ret_list = (struct grid_cache_info){.name = "default/default", .id = 65537, .entries = 3};
    *ret_len = 1;
    return fake.err;
}

enum grid_err grid_setting_list(struct grid *g, struct grid_setting_info **ret_list,
                                size_t *ret_len)
{
    (void)g;
    *ret_list = calloc(2, sizeof **ret_list);
    if (!*ret_list)
        abort();
    (*ret_list)[0] =
        (struct grid_setting_info){"log_sync_interval", 100, 100, 1, 10000, "ms", "how long"};
    (*ret_list)[1] = (struct grid_setting_info){"max_value", 16777216, 16777216, 1024,
                                                67108864,    "bytes",  "largest"};
    *ret_len = 2;
    return GRID_OK;
}

enum grid_err grid_setting_set(struct grid *g, const char *name, int64_t value)
{
    (void)g, (void)name;
    fake.setting = value;
    return fake.err;
}

enum grid_err grid_partition_list(struct grid *g, const char *context,
                                  struct grid_partition_info **ret_list, size_t *ret_len)
{
    (void)g, (void)context;
    static char first[] = "a", second[] = "b";
    static char *names[] = {first, second};
    *ret_list = calloc(1, sizeof **ret_list);
    if (!*ret_list)
        abort();
    **ret_list = (struct grid_partition_info){.context = "default",
                                              .partition = 7,
                                              .shard = 2,
                                              .epoch = 3,
                                              .seq = 40,
                                              .entries = 5,
                                              .state = "ok",
                                              .primary = "a",
                                              .in_sync = names,
                                              .in_sync_len = 2};
    *ret_len = 1;
    return fake.err;
}

enum grid_err grid_partition_recover(struct grid *g, const char *context, uint64_t *ret_partitions)
{
    (void)g, (void)context;
    *ret_partitions = 3;
    return fake.err;
}

/* Of one module, "lib". */
static enum grid_err fake_modules(struct grid_module_info **ret_list)
{
    static const struct grid_function_info function = {
        .name = "f", .kind = "function", .help = "h", .flags = "no-writes"};
    struct {
        struct grid_module_info module;
        struct grid_function_info function;
    } *all = calloc(1, sizeof *all);
    if (!all)
        abort();
    all->function = function;
    all->module = (struct grid_module_info){.name = "lib",
                                            .engine = "lua",
                                            .digest = "abc",
                                            .version = 3,
                                            .size = 4,
                                            .functions = &all->function,
                                            .functions_len = 1,
                                            .source = {"x\n\0z", 4}};
    *ret_list = &all->module;
    return GRID_OK;
}

enum grid_err grid_module_deploy(struct grid *g, const char *name, struct grid_bytes source,
                                 struct grid_module_info **ret_module)
{
    (void)g;
    snprintf(fake.text, sizeof fake.text, "%s:%.*s", name ? name : "", (int)source.len,
             (const char *)source.data);
    return fake.err ? fake.err : fake_modules(ret_module);
}

enum grid_err grid_module_list(struct grid *g, const char *name, struct grid_module_info **ret_list,
                               size_t *ret_len)
{
    (void)g;
    if (name && strcmp(name, "lib") != 0)
        return GRID_ENOT_FOUND;
    *ret_len = 1;
    return fake_modules(ret_list);
}

enum grid_err grid_service_call(struct grid *g, const char *name, struct grid_bytes key,
                                const char *method, struct grid_bytes argument, bool again,
                                struct grid_value *ret_result)
{
    (void)g;
    snprintf(fake.text, sizeof fake.text, "service %s %s %.*s %.*s%s", name, method, (int)key.len,
             (const char *)key.data, (int)argument.len, (const char *)argument.data,
             again ? " again" : "");
    if (!fake.err)
        *ret_result = (struct grid_value){.data = strdup("four"), .len = 4};
    return fake.err;
}

enum grid_err grid_task_broadcast(struct grid *g, const char *name, const char *nodes,
                                  struct grid_bytes argument, struct grid_node_answer **ret_list,
                                  size_t *ret_len)
{
    static const struct grid_node_answer two[] = {{.node = "a", .rows = {"1\n2", 3}},
                                                  {.node = "b", .err = GRID_ETIMEOUT}};
    struct grid_node_answer *list = calloc(2, sizeof *list);
    (void)g;
    snprintf(fake.text, sizeof fake.text, "%s %s %.*s", name, nodes ? nodes : "-",
             (int)argument.len, (const char *)argument.data);
    if (!list)
        abort();
    memcpy(list, two, sizeof two);
    *ret_list = list;
    *ret_len = 2;
    return fake.err;
}

enum grid_err grid_service_deploy(struct grid *g, const struct grid_service *want)
{
    (void)g;
    snprintf(fake.text, sizeof fake.text, "deploy %s mode %d copies %u context %s labels %s",
             want->name, (int)want->mode, want->copies, want->context ? want->context : "-",
             want->labels ? want->labels : "-");
    return fake.err;
}

enum grid_err grid_service_list(struct grid *g, const char *name,
                                struct grid_service_info **ret_list, size_t *ret_len)
{
    struct {
        struct grid_service_info service;
        struct grid_instance_info instances[2];
    } *all = calloc(1, sizeof *all);
    (void)g;
    (void)name;
    all->service = (struct grid_service_info){.name = "m.s",
                                              .mode = "copies",
                                              .context = "default",
                                              .copies = 2,
                                              .version = 3,
                                              .instances = all->instances,
                                              .instances_len = 2};
    all->instances[0] = (struct grid_instance_info){.node = "a",
                                                    .state = "running",
                                                    .token = 77,
                                                    .calls = 5,
                                                    .failures = 1,
                                                    .error = {"m:1: no\ntraceback", 17}};
    all->instances[1] = (struct grid_instance_info){.number = 1, .state = "nowhere"};
    *ret_list = &all->service;
    *ret_len = 1;
    return fake.err;
}

enum grid_err grid_service_stop(struct grid *g, const char *name)
{
    (void)g;
    snprintf(fake.text, sizeof fake.text, "stop %s", name);
    return fake.err;
}

enum grid_err grid_module_remove(struct grid *g, const char *name)
{
    (void)g;
    return strcmp(name, "lib") == 0 ? fake.err : GRID_ENOT_FOUND;
}

/* "TASK(ARGUMENT)" */
enum grid_err grid_task_run(struct grid_cache *c, const char *name, struct grid_bytes key,
                            struct grid_bytes affinity, struct grid_bytes argument,
                            struct grid_value *ret_result)
{
    (void)c;
    char *text = malloc(strlen(name) + argument.len + 3);
    if (!text)
        abort();
    size_t len = (size_t)sprintf(text, "%s(", name);
    if (argument.len)
        memcpy(text + len, argument.data, argument.len);
    text[len + argument.len] = ')';
    snprintf(fake.text, sizeof fake.text, "%.*s@%.*s", (int)key.len, (const char *)key.data,
             (int)affinity.len, affinity.len ? (const char *)affinity.data : "");
    if (fake.err)
        free(text);
    else
        *ret_result = (struct grid_value){.data = text, .len = len + argument.len + 1};
    return fake.err;
}

/* A row for each key, or one: "MAP" and the argument. */
struct grid_map {
    const struct grid_map_options *how;
    char name[64], argument[64];
    size_t at;
};

enum grid_err grid_task_map(struct grid_cache *c, const char *name, struct grid_bytes argument,
                            const struct grid_map_options *how, struct grid_map **ret_map)
{
    struct grid_map *m = calloc(1, sizeof *m);
    (void)c;
    if (!m)
        abort();
    m->how = how;
    snprintf(m->name, sizeof m->name, "%s", name);
    snprintf(m->argument, sizeof m->argument, "%.*s", (int)argument.len,
             argument.len ? (const char *)argument.data : "");
    *ret_map = m;
    return GRID_OK;
}

enum grid_err grid_map_next(struct grid_map *m, struct grid_map_row *ret_row)
{
    size_t len = m->how->keys_len ? m->how->keys_len : 1;
    if (fake.err || m->at == len)
        return fake.err ? fake.err : GRID_ENOT_FOUND;
    ret_row->key =
        m->how->keys_len ? m->how->keys[m->at] : (struct grid_bytes){m->name, strlen(m->name)};
    ret_row->value = (struct grid_bytes){m->argument, strlen(m->argument)};
    m->at++;
    return GRID_OK;
}

void grid_map_progress(const struct grid_map *m, uint64_t *ret_done, uint64_t *ret_total)
{
    *ret_done = m->at;
    *ret_total = 1;
}

void grid_map_free(struct grid_map *m)
{
    free(m);
}

enum grid_err grid_partition_repair(struct grid *g, const char *context, uint32_t partition,
                                    const char *node)
{
    (void)g, (void)context, (void)node;
    fake.partition = partition;
    return fake.err;
}

enum grid_err grid_verify(struct grid *g, const char *context, uint32_t first, uint32_t count,
                          struct grid_verified **ret_verified)
{
    (void)g;
    (void)context;
    enum { COPIES = 2 };
    size_t bytes = sizeof(struct grid_verified) + sizeof(struct grid_difference) +
                   COPIES * sizeof(struct grid_copy_info);
    struct grid_verified *v = calloc(1, bytes);
    if (!v)
        abort();
    *ret_verified = v;
    v->partitions = count;
    v->entries = count;
    if (!fake.differs || first)
        return GRID_OK;
    v->partitions--;
    v->differences = (struct grid_difference *)(v + 1);
    v->differences_len = 1;
    struct grid_difference *d = v->differences;
    d->partition = 3;
    snprintf(d->state, sizeof d->state, "different");
    d->copies = (struct grid_copy_info *)(d + 1);
    d->copies_len = COPIES;
    for (int i = 0; i < COPIES; i++) {
        snprintf(d->copies[i].node, sizeof d->copies[i].node, "%c", "ab"[i]);
        snprintf(d->copies[i].state, sizeof d->copies[i].state, "ok");
        d->copies[i].version = (UINT64_C(2) << 40) + 9;
        d->copies[i].entries = 5;
        d->copies[i].digest = (uint64_t)i;
    }
    return GRID_OK;
}

enum grid_err grid_partition_reset(struct grid *g, const char *context, uint64_t *ret_partitions)
{
    (void)g, (void)context;
    *ret_partitions = 0;
    return fake.err;
}

enum grid_err grid_node_drain(struct grid *g, const char *node, bool on)
{
    (void)g, (void)node, (void)on;
    return fake.err;
}

enum grid_err grid_node_remove(struct grid *g, const char *node, bool accept_loss)
{
    (void)g, (void)node, (void)accept_loss;
    return fake.err;
}

enum grid_err grid_rebalance(struct grid *g, bool on)
{
    (void)g, (void)on;
    return fake.err;
}

void grid_free(void *list)
{
    free(list);
}

#endif
