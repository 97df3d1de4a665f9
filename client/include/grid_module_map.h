/* grid_module_map.h - maps in C, a part of grid_module.h: what they are is told in
 * gridd-modules(7), MAPS. One runs on the pool of a node, a page of entries at a time, beside the
 * shards: it may take its time, but not wait. What clients see does not tell it from one in Lua. */
#ifndef GRID_MODULE_MAP_H
#define GRID_MODULE_MAP_H

#include <grid.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An entry as a map sees it; borrowed until it returns. */
struct grid_mapped {
    struct grid_bytes key, value; /* the value of a hash is empty */
    uint64_t version;
    enum grid_type type;
};

/* The value of a row. */
enum grid_row_kind {
    GRID_ROW_NONE = 0,
    GRID_ROW_INTEGER = 'i',
    GRID_ROW_NUMBER = 'd',
    GRID_ROW_BYTES = 's'
};
struct grid_row {
    enum grid_row_kind kind;
    int64_t integer;         /* GRID_ROW_INTEGER */
    double number;           /* GRID_ROW_NUMBER */
    struct grid_bytes bytes; /* GRID_ROW_BYTES */
};

struct grid_mapper;
struct grid_mapper_api { /* by the inline functions below */
    size_t size;
    enum grid_err (*emit_integer)(struct grid_mapper *m, struct grid_bytes key, int64_t value);
    enum grid_err (*emit_number)(struct grid_mapper *m, struct grid_bytes key, double value);
    enum grid_err (*emit_bytes)(struct grid_mapper *m, struct grid_bytes key,
                                struct grid_bytes value);
    enum grid_err (*fail)(struct grid_mapper *m, const char *text);
    void (*log)(struct grid_mapper *m, const char *text);
    void *(*alloc)(struct grid_mapper *m, size_t bytes);
};

/* What each function of a map is given; good until it returns, on its thread. */
struct grid_mapper {
    const struct grid_mapper_api *api;
    struct grid_bytes argument;
    void *ctx; /* grid_native.ctx; several threads may run the map at once */
};

/* Once for each entry. An outcome other than GRID_OK ends the map: its caller gets GRID_ETASK with
 * a text, that of grid_mapper_fail() or that of the outcome. An entry may be shown more than once:
 * what is emitted counts once. */
typedef enum grid_err grid_map_fn(struct grid_mapper *m, const struct grid_mapped *entry);

/* How rows of one key become one: first on each node, then where all meet. SUM, MIN and MAX take
 * numbers (integers whose sum is none of 64 bits become a double), COUNT any value. */
enum grid_reducer {
    GRID_REDUCE_NOT = 0, /* rows are told as they are emitted, page by page */
    GRID_REDUCE_BY = 1,  /* by grid_native.reduce */
    GRID_REDUCE_SUM = 2,
    GRID_REDUCE_COUNT = 3,
    GRID_REDUCE_MIN = 4,
    GRID_REDUCE_MAX = 5
};

/* *row, of what there is so far, becomes that of both. Rows come in any order. What row->bytes then
 * points at is copied: memory of grid_mapper_alloc(), or of either value. */
typedef enum grid_err grid_reduce_fn(struct grid_mapper *m, struct grid_bytes key,
                                     struct grid_row *row, const struct grid_row *more);

/* The last step of a reduced row, where all meet: *row becomes what is told; GRID_ROW_NONE:
 * nothing. */
typedef enum grid_err grid_final_fn(struct grid_mapper *m, struct grid_bytes key,
                                    struct grid_row *row);

/* One more row, within a map function only (else GRID_EDENIED). GRID_ETOO_LARGE: the key has more
 * than 64 KiB. GRID_EFULL: rows that are not reduced take more than 32 MiB of a part, or reduced
 * ones 256 MiB of the node; GRID_EBAD_REQUEST: the grid reduces numbers only. What was refused ends
 * the map, whatever it returns then. */
static inline enum grid_err grid_mapper_emit_integer(struct grid_mapper *m, struct grid_bytes key,
                                                     int64_t value)
{
    return m->api->emit_integer(m, key, value);
}
static inline enum grid_err grid_mapper_emit_number(struct grid_mapper *m, struct grid_bytes key,
                                                    double value)
{
    return m->api->emit_number(m, key, value);
}
static inline enum grid_err grid_mapper_emit_bytes(struct grid_mapper *m, struct grid_bytes key,
                                                   struct grid_bytes value)
{
    return m->api->emit_bytes(m, key, value);
}

/* Why it fails, for people, copied; returns GRID_ETASK, to be returned. */
static inline enum grid_err grid_mapper_fail(struct grid_mapper *m, const char *text)
{
    return m->api->fail(m, text);
}

/* A line of the node's log. */
static inline void grid_mapper_log(struct grid_mapper *m, const char *text)
{
    m->api->log(m, text);
}

/* Memory until the function returns; NULL: more than 32 MiB. */
static inline void *grid_mapper_alloc(struct grid_mapper *m, size_t bytes)
{
    return m->api->alloc(m, bytes);
}

/* Digits, with a sign before them perhaps, that fit in 64 bits, and nothing else. */
static inline bool grid_integer_read(struct grid_bytes text, int64_t *ret_number)
{
    const unsigned char *at = (const unsigned char *)text.data, *end = at + text.len;
    uint64_t n = 0, eight = 0;
    bool minus = at < end && *at == '-';
    at += minus;
    if (at == end)
        return false;
    for (; end - at > 8; at += 8) { /* zeros first */
        memcpy(&eight, at, 8);
        if (eight != 0x3030303030303030u)
            break;
    }
    while (end - at > 1 && *at == '0')
        at++;
    if (end - at > 19)
        return false;
    for (; at < end; at++) {
        unsigned digit = *at - (unsigned)'0';
        if (digit > 9)
            return false;
        n = n * 10 + digit;
    }
    if (n > (uint64_t)INT64_MAX + minus)
        return false;
    *ret_number = minus ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

#ifdef __cplusplus
}
#endif
#endif
