/* service.c - services: called, deployed, listed, stopped. */
#include "admin_priv.h"
#include "wait.h"

#include <stdlib.h>

/* --- called ----------------------------------------------------------------------------------- */

/* NULL: there is no memory. */
static struct request *call_request(struct grid *g, const char *name, struct grid_bytes key,
                                    const char *method, struct grid_bytes argument, bool again)
{
    const struct {
        unsigned field;
        struct grid_bytes bytes;
    } fields[] = {
        {REQUEST_KEY, key},
        {REQUEST_VALUE, argument},
        {REQUEST_NAME, {name, strlen(name)}},
        {REQUEST_METHOD, {method, strlen(method)}},
    };
    enum { FIELDS = sizeof fields / sizeof *fields };
    size_t len = gc_wire_number_len(REQUEST_AGAIN, again);
    for (int i = 0; i < FIELDS; i++)
        len += gc_wire_bytes_len(fields[i].field, fields[i].bytes.len);
    struct request *r = gc_request_new(g, GRID__OP__SERVICE_CALL, NULL, len);
    if (!r)
        return NULL;
    uint8_t *at = r->body;
    for (int i = 0; i < FIELDS; i++)
        at = gc_wire_put_bytes(at, fields[i].field, fields[i].bytes);
    gc_wire_put_number(at, REQUEST_AGAIN, again);
    r->changes = r->once = !again;
    return r;
}

enum grid_err grid_service_call(struct grid *g, const char *name, struct grid_bytes key,
                                const char *method, struct grid_bytes argument, bool again,
                                struct grid_value *ret_result)
{
    struct wait w = {.take = gc_take_value, .to = ret_result};
    return gc_wait(g, call_request(g, name, key, method, argument, again), &w);
}

void grid_service_call_async(struct grid *g, const char *name, struct grid_bytes key,
                             const char *method, struct grid_bytes argument, bool again,
                             grid_done_fn *done, void *arg)
{
    gc_start_async(g, call_request(g, name, key, method, argument, again), done, arg);
}

/* --- on each node ----------------------------------------------------------------------------- */

static enum grid_err take_answers(struct wait *w, const struct wire_response *a)
{
    struct out_list *out = w->to;
    struct wire_list items = a->items;
    struct wire_item i;
    struct grid_node_answer *list;
    size_t bytes = rounded((items.len + 1) * sizeof *list), len = 0;
    if (a->status)
        return GRID_OK;
    while (gc_wire_item_next(&items, &i))
        bytes += rounded(i.value.len);
    struct heap h = {calloc(1, bytes)};
    if (!h.at || items.len) {
        free(h.at);
        return items.len ? GRID_ECORRUPT : GRID_ENOMEM;
    }
    items = a->items;
    list = heap_take(&h, (items.len + 1) * sizeof *list);
    while (gc_wire_item_next(&items, &i)) {
        struct grid_node_answer *to = &list[len++];
        char *rows = heap_take(&h, i.value.len);
        if (i.value.len)
            memcpy(rows, i.value.data, i.value.len);
        snprintf(to->node, sizeof to->node, "%.*s", (int)i.key.len,
                 i.key.len ? (const char *)i.key.data : "");
        to->err = (enum grid_err)i.version;
        to->rows = (struct grid_bytes){rows, i.value.len};
    }
    *(struct grid_node_answer **)out->list = list;
    *out->len = len;
    return GRID_OK;
}

enum grid_err grid_task_broadcast(struct grid *g, const char *name, const char *nodes,
                                  struct grid_bytes argument, struct grid_node_answer **ret_list,
                                  size_t *ret_len)
{
    struct grid_bytes named = {name, strlen(name)}, label = {nodes, nodes ? strlen(nodes) : 0};
    struct out_list out = {ret_list, ret_len};
    struct wait w = {.take = take_answers, .to = &out};
    size_t len = gc_wire_bytes_len(REQUEST_VALUE, argument.len) +
                 gc_wire_bytes_len(REQUEST_NAME, named.len) +
                 gc_wire_bytes_len(REQUEST_NODES, label.len);
    struct request *r = gc_request_new(g, GRID__OP__BROADCAST, NULL, len);
    if (r) {
        uint8_t *at = gc_wire_put_bytes(r->body, REQUEST_VALUE, argument);
        at = gc_wire_put_bytes(at, REQUEST_NAME, named);
        gc_wire_put_bytes(at, REQUEST_NODES, label);
        r->changes = r->is_write = true;
    }
    return gc_wait(g, r, &w);
}

/* --- deployed --------------------------------------------------------------------------------- */

enum grid_err grid_service_deploy(struct grid *g, const struct grid_service *want)
{
    static const char *const modes[] = {"singleton", "node", "key", "copies"};
    union {
        const void *in;
        uint8_t *out;
    } arg = {want->arg.data};
    Grid__Admin m = message(GRID__ADMIN_OP__SERVICE_DEPLOY);
    Grid__ServiceInfo s;
    grid__service_info__init(&s);
    if ((unsigned)want->mode >= sizeof modes / sizeof *modes)
        return gc_fail(g, GRID_EBAD_REQUEST, "no such mode of a service");
    s.name = text_of(want->name);
    s.mode = text_of(modes[want->mode]);
    s.context = text_of(want->context);
    s.copies = want->copies;
    s.labels = text_of(want->labels);
    s.arg.data = arg.out;
    s.arg.len = want->arg.len;
    m.service = &s;
    return gc_admin(g, &m, NULL, NULL);
}

enum grid_err grid_service_stop(struct grid *g, const char *name)
{
    Grid__Admin m = message(GRID__ADMIN_OP__SERVICE_STOP);
    m.name = text_of(name);
    return gc_admin(g, &m, NULL, NULL);
}

/* --- listed ----------------------------------------------------------------------------------- */

static size_t service_bytes(const Grid__ServiceInfo *s)
{
    size_t bytes = rounded(s->arg.len);
    bytes += rounded(s->n_instances * sizeof(struct grid_instance_info));
    for (size_t i = 0; i < s->n_instances; i++)
        bytes += rounded(s->instances[i]->key.len) + rounded(strlen(s->instances[i]->error));
    return bytes;
}

static void take_instance(struct heap *h, struct grid_instance_info *to,
                          const Grid__InstanceInfo *from)
{
    ProtobufCBinaryData error = {strlen(from->error), (uint8_t *)from->error};
    to->number = from->number;
    to->partition = from->partition;
    to->key = heap_copy(h, from->key);
    SET_TEXT(to->node, from->node);
    SET_TEXT(to->state, from->state);
    to->token = from->token;
    to->since_ms = from->since_ms;
    to->calls = from->calls;
    to->failures = from->failures;
    to->error = heap_copy(h, error);
}

static void take_service(struct heap *h, struct grid_service_info *to,
                         const Grid__ServiceInfo *from)
{
    SET_TEXT(to->name, from->name);
    SET_TEXT(to->mode, from->mode);
    SET_TEXT(to->context, from->context);
    SET_TEXT(to->labels, from->labels);
    to->copies = from->copies;
    to->version = from->version;
    to->arg = heap_copy(h, from->arg);
    to->instances = heap_take(h, from->n_instances * sizeof *to->instances);
    to->instances_len = from->n_instances;
    for (size_t i = 0; i < from->n_instances; i++)
        take_instance(h, &to->instances[i], from->instances[i]);
}

static enum grid_err convert_services(const Grid__AdminReply *reply, void *to)
{
    struct out_list *out = to;
    struct grid_service_info *list;
    size_t bytes = rounded((reply->n_services + 1) * sizeof *list);
    for (size_t i = 0; i < reply->n_services; i++)
        bytes += service_bytes(reply->services[i]);
    struct heap h = {calloc(1, bytes)};
    if (!h.at)
        return GRID_ENOMEM;
    list = heap_take(&h, (reply->n_services + 1) * sizeof *list);
    for (size_t i = 0; i < reply->n_services; i++)
        take_service(&h, &list[i], reply->services[i]);
    *(struct grid_service_info **)out->list = list;
    *out->len = reply->n_services;
    return GRID_OK;
}

enum grid_err grid_service_list(struct grid *g, const char *name,
                                struct grid_service_info **ret_list, size_t *ret_len)
{
    struct out_list out = {ret_list, ret_len};
    Grid__Admin m = message(GRID__ADMIN_OP__SERVICE_LIST);
    m.name = text_of(name);
    return gc_admin(g, &m, convert_services, &out);
}
