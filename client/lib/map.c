/* map.c - maps: rows by pages. What is not reduced comes page by page, each with a cursor that says
 * which partitions are done; what is reduced is one page. */
#include "grid_priv.h"

#include <stdlib.h>

enum { ROW_HEAD = 8, TIME_MS = 60000, AFFINITY_FOLLOWS = 0x8000 };

struct grid_map {
    struct grid_cache *cache;
    uint8_t *name, *argument, *keys, *page, *cursor;
    size_t name_len, argument_len, keys_len, page_len, cursor_len, at;
    uint64_t until; /* monotonic ms */
    uint64_t done;  /* partitions */
    bool over;
    grid_map_row_fn *row; /* asynchronous */
    grid_done_fn *finished;
    void *arg;
};

static bool copy(uint8_t **to, size_t *to_len, const void *data, size_t len)
{
    *to = malloc(len ? len : 1);
    if (!*to)
        return false;
    if (len)
        memcpy(*to, data, len);
    *to_len = len;
    return true;
}

/* Of key `i`; none: it is placed by itself. */
static struct grid_bytes affinity_of(const struct grid_map_options *how, size_t i)
{
    return how->affinities ? how->affinities[i] : (struct grid_bytes){NULL, 0};
}

static void key_pack(struct grid_map *m, struct grid_bytes k, size_t flag)
{
    size_t head = k.len | flag;
    m->keys[m->keys_len++] = (uint8_t)head;
    m->keys[m->keys_len++] = (uint8_t)(head >> 8);
    memcpy(m->keys + m->keys_len, k.data, k.len);
    m->keys_len += k.len;
}

static bool keys_pack(struct grid_map *m, const struct grid_map_options *how)
{
    size_t bytes = 0, len = how ? how->keys_len : 0;
    for (size_t i = 0; i < len; i++)
        bytes += 4 + how->keys[i].len + affinity_of(how, i).len;
    m->keys = malloc(bytes ? bytes : 1);
    if (!m->keys)
        return false;
    for (size_t i = 0; i < len; i++) {
        struct grid_bytes affinity = affinity_of(how, i);
        key_pack(m, how->keys[i], affinity.len ? AFFINITY_FOLLOWS : 0);
        if (affinity.len)
            key_pack(m, affinity, 0);
    }
    return true;
}

static enum grid_err map_new(struct grid_cache *c, const char *name, struct grid_bytes argument,
                             const struct grid_map_options *how, struct grid_map **ret_map)
{
    for (size_t i = 0; how && i < how->keys_len; i++)
        if (!how->keys[i].len || how->keys[i].len > KEY_BYTES_MAX ||
            affinity_of(how, i).len > KEY_BYTES_MAX)
            return GRID_EBAD_REQUEST;
    struct grid_map *m = gc_calloc(1, sizeof *m);
    m->cache = c;
    m->until = gc_now_ms() + (how && how->timeout_ms ? how->timeout_ms : TIME_MS);
    if (copy(&m->name, &m->name_len, name, strlen(name)) &&
        copy(&m->argument, &m->argument_len, argument.data, argument.len) && keys_pack(m, how)) {
        *ret_map = m;
        return GRID_OK;
    }
    grid_map_free(m);
    return GRID_ENOMEM;
}

void grid_map_free(struct grid_map *m)
{
    if (!m)
        return;
    free(m->name);
    free(m->argument);
    free(m->keys);
    free(m->page);
    free(m->cursor);
    free(m);
}

/* The next page is asked for. NULL: no memory. */
static struct request *page_request(const struct grid_map *m)
{
    uint64_t now = gc_now_ms(), left = m->until > now ? m->until - now : 1;
    const struct {
        unsigned field;
        struct grid_bytes bytes;
    } fields[] = {
        {REQUEST_VALUE, {m->argument, m->argument_len}},
        {REQUEST_PREFIX, {m->keys, m->keys_len}},
        {REQUEST_CURSOR, {m->cursor, m->cursor_len}},
        {REQUEST_NAME, {m->name, m->name_len}},
    };
    enum { FIELDS = sizeof fields / sizeof *fields };
    size_t len = gc_wire_number_len(REQUEST_LIMIT, left);
    for (size_t i = 0; i < FIELDS; i++)
        len += gc_wire_bytes_len(fields[i].field, fields[i].bytes.len);
    struct request *r = gc_request_new(m->cache->grid, GRID__OP__MAP, m->cache, len);
    if (!r)
        return NULL;
    uint8_t *at = r->body;
    for (size_t i = 0; i < FIELDS; i++)
        at = gc_wire_put_bytes(at, fields[i].field, fields[i].bytes);
    gc_wire_put_number(at, REQUEST_LIMIT, left);
    r->deadline = now + left;
    return r;
}

static enum grid_err page_keep(struct grid_map *m, const struct wire_response *a)
{
    free(m->page);
    free(m->cursor);
    m->page = m->cursor = NULL;
    m->page_len = m->cursor_len = m->at = 0;
    if (!copy(&m->page, &m->page_len, a->value.data, a->value.len) ||
        !copy(&m->cursor, &m->cursor_len, a->cursor.data, a->cursor.len))
        return GRID_ENOMEM;
    m->done = (uint64_t)a->result;
    m->over = !m->cursor_len;
    return GRID_OK;
}

static size_t number_at(const uint8_t *at)
{
    return (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
}

/* False: the page is read, or (at is not its end) it is malformed. */
static bool row_next(struct grid_map *m, struct grid_map_row *ret_row)
{
    size_t left = m->page_len - m->at;
    const uint8_t *at = m->page + m->at;
    if (left < ROW_HEAD)
        return false;
    size_t key = number_at(at), value = number_at(at + 4);
    if (key > left - ROW_HEAD || value > left - ROW_HEAD - key)
        return false;
    *ret_row = (struct grid_map_row){{at + ROW_HEAD, key}, {at + ROW_HEAD + key, value}};
    m->at += ROW_HEAD + key + value;
    return true;
}

/* --- blocking --------------------------------------------------------------------------------- */

static enum grid_err take_page(struct wait *w, const struct wire_response *a)
{
    return a->status ? GRID_OK : page_keep(w->to, a);
}

enum grid_err grid_task_map(struct grid_cache *c, const char *name, struct grid_bytes argument,
                            const struct grid_map_options *how, struct grid_map **ret_map)
{
    enum grid_err err = map_new(c, name, argument, how, ret_map);
    return err ? gc_fail(c->grid, err, err == GRID_ENOMEM ? "" : "a key has 1 to 480 bytes") : err;
}

enum grid_err grid_map_next(struct grid_map *m, struct grid_map_row *ret_row)
{
    while (!row_next(m, ret_row)) {
        if (m->at != m->page_len)
            return gc_fail(m->cache->grid, GRID_ECORRUPT, "the server sent a malformed row");
        if (m->over)
            return GRID_ENOT_FOUND;
        struct wait w = {.take = take_page, .to = m};
        enum grid_err err = gc_wait(m->cache->grid, page_request(m), &w);
        if (err)
            return err;
    }
    return GRID_OK;
}

void grid_map_progress(const struct grid_map *m, uint64_t *ret_done, uint64_t *ret_total)
{
    *ret_done = m->done;
    *ret_total = m->cache->partitions;
}

/* --- asynchronous ----------------------------------------------------------------------------- */

static void page_ask(struct grid_map *m);

static void map_end(struct grid_map *m, enum grid_err err, const char *detail)
{
    struct grid_result result = {.err = err, .detail = detail};
    m->finished(m->arg, &result);
    grid_map_free(m);
}

static void on_page(struct request *r, const struct outcome *o)
{
    struct grid_map *m = r->to;
    struct grid_map_row row;
    enum grid_err err = o->err ? o->err : page_keep(m, o->response);
    while (!err && row_next(m, &row))
        m->row(m->arg, &row);
    if (!err && m->at != m->page_len)
        err = GRID_ECORRUPT;
    if (err || m->over)
        map_end(m, err, o->detail);
    else
        page_ask(m);
}

static void page_ask(struct grid_map *m)
{
    struct request *r = page_request(m);
    bool none = !r;
    if (none)
        r = gc_calloc(1, sizeof *r + 1);
    if (none) {
        r->grid = m->cache->grid;
        r->numbers = 1;
        list_init(&r->queue);
        list_init(&r->pending);
        list_init(&r->write);
    }
    r->is_async = true;
    r->finish = on_page;
    r->to = m;
    if (none)
        gc_request_refuse(r, GRID_ENOMEM, "out of memory");
    else
        gc_request_submit(r);
}

enum grid_err grid_task_map_async(struct grid_cache *c, const char *name,
                                  struct grid_bytes argument, const struct grid_map_options *how,
                                  grid_map_row_fn *row, grid_done_fn *done, void *arg)
{
    struct grid_map *m;
    enum grid_err err = map_new(c, name, argument, how, &m);
    if (err)
        return gc_fail(c->grid, err, err == GRID_ENOMEM ? "" : "a key has 1 to 480 bytes");
    m->row = row;
    m->finished = done;
    m->arg = arg;
    page_ask(m);
    return GRID_OK;
}
