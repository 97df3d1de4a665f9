/* native_map.c - a map in C: the loop over entries, emit, and the table of rows that are reduced.
 *
 *   page -> map() -> emit -> row of that key: the last one again, or by hash -> reduced in place
 *
 * A row is one allocation, key behind it, that stays where it is; rows go all at once. Each emit
 * looks first at the row that was emitted last: a map that sums up all has one. */
#include <grid_module.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/log.h"
#include "compute/native_map.h"
#include "compute/native_store.h"
#include "compute/native.h"
#include "shard/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    ROW_KEY_MAX = 64 << 10,
    ROW_BYTES_MAX = 512 << 20,
    LOOK_ROWS = 256, /* after which time is looked at, at the latest: */
    LOOK_US = 1000,  /* sooner, where so few rows took longer than that */
    LOG_BYTES = 1024,
    SLOTS_FIRST = 64,
};

/* --- rows ------------------------------------------------------------------------------------- */

struct row {
    uint64_t hash;
    uint32_t key_len;
    uint32_t cap; /* of value.bytes, which are its own */
    struct grid_row value;
    uint8_t key[];
};

/* The public part comes first: a grid_mapper is one. */
struct native_map {
    struct grid_mapper mapper;
    struct map_machine *m;
    const struct grid_native *given;
    enum grid_reducer how;
    bool mapping; /* a map function runs, and may emit */
    bool said;    /* it said why it fails */
    enum grid_err refused;
    struct row *last; /* that was emitted */
    struct row **slots, **list;
    size_t slots_len, len, list_cap; /* a power of two; 0: none yet */
    struct native_store rows, scratch;
};

static struct native_map *map_of(struct grid_mapper *m)
{
    return container_of(m, struct native_map, mapper);
}

static struct slice slice_of(struct grid_bytes b)
{
    return slice_make(b.data, b.len);
}

static struct grid_bytes bytes_of(struct slice s)
{
    return (struct grid_bytes){s.data, s.len};
}

static struct grid_bytes row_key(const struct row *r)
{
    return (struct grid_bytes){r->key, r->key_len};
}

static bool row_is(const struct row *r, struct grid_bytes key)
{
    return r->key_len == key.len && (!key.len || memcmp(r->key, key.data, key.len) == 0);
}

static void rows_clear(struct native_map *n)
{
    native_store_clear(&n->rows);
    free(n->slots);
    free(n->list);
    n->slots = n->list = NULL;
    n->slots_len = n->len = n->list_cap = 0;
    n->last = NULL;
}

size_t native_map_bytes(const struct native_map *n)
{
    return n->rows.held + n->scratch.held + (n->slots_len + n->list_cap) * sizeof *n->slots;
}

/* Room for one more. */
static void rows_grow(struct native_map *n)
{
    if (n->len == n->list_cap) {
        n->list_cap = n->list_cap ? n->list_cap * 2 : SLOTS_FIRST / 2;
        n->list = xrealloc(n->list, n->list_cap, sizeof *n->list);
    }
    if (n->len * 2 < n->slots_len)
        return;
    free(n->slots);
    n->slots_len = n->slots_len ? n->slots_len * 2 : SLOTS_FIRST;
    n->slots = xcalloc(n->slots_len, sizeof *n->slots);
    for (size_t i = 0; i < n->len; i++) {
        size_t at = n->list[i]->hash & (n->slots_len - 1);
        while (n->slots[at])
            at = (at + 1) & (n->slots_len - 1);
        n->slots[at] = n->list[i];
    }
}

/* Of that key: its value is GRID_ROW_NONE when it is new. */
static struct row *row_find(struct native_map *n, struct grid_bytes key)
{
    uint64_t hash = hash_key(slice_of(key), n->m->limits.seed);
    size_t at = 0, mask = n->slots_len - 1;
    if (n->slots)
        for (at = hash & mask; n->slots[at]; at = (at + 1) & mask)
            if (n->slots[at]->hash == hash && row_is(n->slots[at], key))
                return n->slots[at];
    rows_grow(n);
    struct row *r = native_store_take(&n->rows, sizeof *r + key.len);
    *r = (struct row){.hash = hash, .key_len = (uint32_t)key.len};
    if (key.len)
        memcpy(r->key, key.data, key.len);
    mask = n->slots_len - 1;
    for (at = hash & mask; n->slots[at];)
        at = (at + 1) & mask;
    n->slots[at] = n->list[n->len++] = r;
    return r;
}

/* --- failing ---------------------------------------------------------------------------------- */

static enum grid_err refuse(struct native_map *n, enum grid_err err)
{
    if (!n->refused)
        n->refused = err;
    return err;
}

static void say(struct native_map *n, struct slice text)
{
    const struct native *f = n->m->native;
    report_fault(&n->m->fault, slice_make(f->path, f->path_len), text, "native code\n");
    n->said = true;
}

static void say_full(struct native_map *n, const char *what, size_t bytes)
{
    char text[128];
    int len = snprintf(text, sizeof text, "%s take more than %zu bytes", what, bytes);
    say(n, slice_make(text, (size_t)len));
}

/* What a function came to: GRID_OK, or how the run ends. */
static enum grid_err outcome(struct native_map *n, enum grid_err err)
{
    if (n->scratch.held)
        native_store_clear(&n->scratch);
    if (likely(!err && !n->refused && !n->said))
        return GRID_OK;
    if (n->m->too_large)
        return GRID_ETOO_LARGE;
    if (!n->said)
        say(n, slice_str(err_text(n->refused ? n->refused : err)));
    return GRID_ETASK;
}

/* --- reducing --------------------------------------------------------------------------------- */

/* Exact where long doubles have 64 bits; else as doubles compare. */
static bool number_less(const struct grid_row *a, const struct grid_row *b)
{
    if (a->kind == GRID_ROW_INTEGER && b->kind == GRID_ROW_INTEGER)
        return a->integer < b->integer;
    long double x = a->kind == GRID_ROW_INTEGER ? (long double)a->integer : (long double)a->number;
    long double y = b->kind == GRID_ROW_INTEGER ? (long double)b->integer : (long double)b->number;
    return x < y;
}

/* What a function made of it. */
static bool row_good(const struct grid_row *r)
{
    return r->kind == GRID_ROW_INTEGER || r->kind == GRID_ROW_NUMBER ||
           (r->kind == GRID_ROW_BYTES && r->bytes.len <= ROW_BYTES_MAX);
}

static double number_of(const struct grid_row *r)
{
    return r->kind == GRID_ROW_INTEGER ? (double)r->integer : r->number;
}

static void sum(struct grid_row *to, const struct grid_row *more)
{
    int64_t both;
    if (to->kind == GRID_ROW_INTEGER && more->kind == GRID_ROW_INTEGER &&
        !__builtin_add_overflow(to->integer, more->integer, &both))
        to->integer = both;
    else
        *to = (struct grid_row){.kind = GRID_ROW_NUMBER, .number = number_of(to) + number_of(more)};
}

static void least(struct grid_row *to, const struct grid_row *more)
{
    if (number_less(more, to))
        *to = *more;
}

static void greatest(struct grid_row *to, const struct grid_row *more)
{
    if (!number_less(more, to))
        *to = *more;
}

/* Bytes become the row's own. */
static void row_set(struct native_map *n, struct row *r, const struct grid_row *value)
{
    struct grid_bytes old = r->value.bytes;
    r->value = *value;
    if (value->kind != GRID_ROW_BYTES) {
        r->value.bytes = old;
        return;
    }
    uint8_t *to = (uint8_t *)(uintptr_t)old.data;
    if (value->bytes.len > r->cap) {
        r->cap = value->bytes.len > 2 * (size_t)r->cap ? (uint32_t)value->bytes.len : 2 * r->cap;
        to = native_store_take(&n->rows, r->cap);
    }
    if (value->bytes.len)
        memmove(to, value->bytes.data, value->bytes.len);
    r->value.bytes = (struct grid_bytes){to, value->bytes.len};
}

static enum grid_err reduce_by_code(struct native_map *n, struct row *r,
                                    const struct grid_row *value)
{
    struct grid_row both = r->value;
    bool mapping = n->mapping;
    n->mapping = false;
    enum grid_err err = n->given->reduce(&n->mapper, row_key(r), &both, value);
    n->mapping = mapping;
    if (!err && !row_good(&both))
        err = GRID_EBAD_REQUEST;
    if (err)
        return refuse(n, err);
    row_set(n, r, &both);
    return GRID_OK;
}

static enum grid_err row_add(struct native_map *n, struct row *r, const struct grid_row *value)
{
    static void (*const by[])(struct grid_row * to, const struct grid_row *more) = {
        [GRID_REDUCE_SUM] = sum,
        [GRID_REDUCE_COUNT] = sum,
        [GRID_REDUCE_MIN] = least,
        [GRID_REDUCE_MAX] = greatest,
    };
    n->last = r;
    if (r->value.kind == GRID_ROW_NONE)
        row_set(n, r, value);
    else if (n->how != GRID_REDUCE_BY)
        by[n->how](&r->value, value);
    else
        return reduce_by_code(n, r, value);
    return GRID_OK;
}

/* A row of that key and value, of somebody's: whatever it is, or GRID_EBAD_REQUEST. */
static enum grid_err reduce(struct native_map *n, struct grid_bytes key,
                            const struct grid_row *value)
{
    if (n->how != GRID_REDUCE_BY && value->kind == GRID_ROW_BYTES) {
        say(n, slice_str("what is reduced by the grid must be a number, not bytes"));
        return GRID_EBAD_REQUEST;
    }
    struct row *r = n->last && row_is(n->last, key) ? n->last : row_find(n, key);
    enum grid_err err = row_add(n, r, value);
    if (unlikely(!err && native_map_bytes(n) > n->m->limits.memory)) {
        say_full(n, "its rows", n->m->limits.memory);
        err = GRID_EFULL;
    }
    return err;
}

/* --- rows out --------------------------------------------------------------------------------- */

static enum grid_err row_out(struct native_map *n, struct grid_bytes key,
                             const struct grid_row *value)
{
    uint8_t eight[8];
    uint64_t bits = (uint64_t)value->integer;
    struct buf *out = &n->m->emitted;
    if (value->kind == GRID_ROW_NUMBER)
        memcpy(&bits, &value->number, sizeof bits);
    store_u64(eight, bits);
    map_emitted_add(out, slice_of(key),
                    value->kind == GRID_ROW_BYTES ? slice_of(value->bytes)
                                                  : slice_make(eight, sizeof eight),
                    (uint8_t)value->kind);
    if (likely(out->len <= n->m->limits.rows_bytes))
        return GRID_OK;
    n->m->too_large = true;
    return refuse(n, GRID_EFULL);
}

static enum grid_err emit(struct native_map *n, struct grid_bytes key, struct grid_row value)
{
    if (unlikely(!n->mapping))
        return refuse(n, GRID_EDENIED);
    if (unlikely(key.len > ROW_KEY_MAX || value.bytes.len > ROW_BYTES_MAX))
        return refuse(n, GRID_ETOO_LARGE);
    if (n->how == GRID_REDUCE_COUNT)
        value = (struct grid_row){.kind = GRID_ROW_INTEGER, .integer = 1};
    if (n->how == GRID_REDUCE_NOT)
        return row_out(n, key, &value);
    enum grid_err err = reduce(n, key, &value);
    return err ? refuse(n, err) : GRID_OK;
}

static enum grid_err emit_integer(struct grid_mapper *m, struct grid_bytes key, int64_t value)
{
    struct native_map *n = map_of(m);
    struct row *r = n->last;
    if (likely(r && n->how == GRID_REDUCE_SUM && n->mapping && row_is(r, key))) {
        struct grid_row more = {.kind = GRID_ROW_INTEGER, .integer = value};
        sum(&r->value, &more);
        return GRID_OK;
    }
    return emit(n, key, (struct grid_row){.kind = GRID_ROW_INTEGER, .integer = value});
}

static enum grid_err emit_number(struct grid_mapper *m, struct grid_bytes key, double value)
{
    return emit(map_of(m), key, (struct grid_row){.kind = GRID_ROW_NUMBER, .number = value});
}

static enum grid_err emit_bytes(struct grid_mapper *m, struct grid_bytes key,
                                struct grid_bytes value)
{
    return emit(map_of(m), key, (struct grid_row){.kind = GRID_ROW_BYTES, .bytes = value});
}

/* --- the rest of its table -------------------------------------------------------------------- */

static enum grid_err fail(struct grid_mapper *m, const char *text)
{
    say(map_of(m), slice_str(text ? text : ""));
    return GRID_ETASK;
}

static void log_text(struct grid_mapper *m, const char *text)
{
    log_line(LOG_INFO, "map", "%s: %.*s", map_of(m)->m->native->path, (int)LOG_BYTES, text);
}

static void *scratch(struct grid_mapper *m, size_t bytes)
{
    return native_store_take_within(&map_of(m)->scratch, bytes, NATIVE_SCRATCH_MAX);
}

static const struct grid_mapper_api api = {
    .size = sizeof api,
    .emit_integer = emit_integer,
    .emit_number = emit_number,
    .emit_bytes = emit_bytes,
    .fail = fail,
    .log = log_text,
    .alloc = scratch,
};

struct native_map *native_map_new(struct map_machine *m)
{
    struct native_map *n = xcalloc(1, sizeof *n);
    n->m = m;
    n->mapper.api = &api;
    return n;
}

void native_map_free(struct native_map *n)
{
    if (!n)
        return;
    rows_clear(n);
    native_store_clear(&n->scratch);
    free(n);
}

void native_map_begin(struct native_map *n)
{
    rows_clear(n);
    n->given = n->m->native->given;
    n->how = n->given->reducer;
    n->mapper.ctx = n->given->ctx;
    n->m->reducer = n->how == GRID_REDUCE_NOT ? MAP_REDUCE_NOT : MAP_REDUCE_CODE;
}

/* --- the loops -------------------------------------------------------------------------------- */

/* When time is looked at: after one row, after two more, four, ... */
struct looks {
    uint64_t began, last; /* us */
    unsigned step, left;
};

static enum grid_err time_look(struct native_map *n, struct looks *l)
{
    const struct map_limits *limits = &n->m->limits;
    uint64_t now = limits->now_us ? limits->now_us(NULL) : 0;
    unsigned twice = l->step < LOOK_ROWS ? 2 * l->step : (unsigned)LOOK_ROWS;
    l->step = now - l->last > LOOK_US ? 1 : twice;
    l->left = l->step;
    l->last = now;
    if (limits->stopped && limits->stopped(limits->ctx))
        return GRID_ESTOPPING;
    if (!limits->page_us || now - l->began <= limits->page_us)
        return GRID_OK;
    say(n, slice_str("it took too long"));
    return GRID_ETASK;
}

static enum grid_err page_run(struct native_map *n)
{
    struct slice page = n->m->in;
    grid_map_fn *map = n->given->map;
    uint64_t now = n->m->limits.now_us ? n->m->limits.now_us(NULL) : 0;
    struct looks looks = {now, now, 1, 1};
    for (size_t at = 0; at < page.len;) {
        struct snapshot_row row;
        memcpy(&row, page.data + at, sizeof row);
        const uint8_t *key = page.data + at + sizeof row;
        const struct grid_mapped entry = {.key = {key, row.key_len},
                                          .value = {key + row.key_len, row.value_len},
                                          .version = row.version,
                                          .type = (enum grid_type)row.type};
        at += sizeof row + row.key_len + row.value_len;
        n->mapping = true;
        enum grid_err err = map(&n->mapper, &entry);
        n->mapping = false;
        err = outcome(n, err);
        if (likely(!err) && unlikely(--looks.left == 0 || at >= page.len))
            err = time_look(n, &looks);
        if (unlikely(err))
            return err;
    }
    return GRID_OK;
}

static struct grid_row row_read(const struct map_emitted *from)
{
    struct grid_row row = {.kind = (enum grid_row_kind)from->what};
    if (from->what == 's' || from->what == 'j')
        return (struct grid_row){.kind = GRID_ROW_BYTES, .bytes = bytes_of(from->value)};
    uint64_t bits = load_u64(from->value.data);
    if (row.kind == GRID_ROW_INTEGER)
        row.integer = (int64_t)bits;
    else
        memcpy(&row.number, &bits, sizeof row.number);
    return row;
}

static enum grid_err merge_run(struct native_map *n)
{
    struct slice in = n->m->in;
    struct map_emitted from;
    if (n->how == GRID_REDUCE_NOT) {
        buf_add(&n->m->emitted, in.data, in.len);
        return n->m->emitted.len <= n->m->limits.rows_bytes ? GRID_OK : GRID_ETOO_LARGE;
    }
    for (size_t at = 0; at < in.len;) {
        if (!map_emitted_read(in, &at, &from) || from.key.len > ROW_KEY_MAX)
            return GRID_EBAD_REQUEST;
        struct grid_row row = row_read(&from);
        enum grid_err err = outcome(n, reduce(n, bytes_of(from.key), &row));
        if (err)
            return err;
    }
    return GRID_OK;
}

static enum grid_err take_run(struct native_map *n)
{
    grid_final_fn *final = n->m->mode == MAP_FINISH ? n->given->final : NULL;
    enum grid_err err = GRID_OK;
    for (size_t i = 0; i < n->len && !err; i++) {
        struct row *r = n->list[i];
        struct grid_row row = r->value;
        if (final)
            err = final(&n->mapper, row_key(r), &row);
        if (!err && row.kind != GRID_ROW_NONE)
            err = row_good(&row) ? row_out(n, row_key(r), &row) : GRID_EBAD_REQUEST;
        err = outcome(n, err);
    }
    rows_clear(n);
    return err;
}

enum grid_err native_map_run(struct native_map *n)
{
    static enum grid_err (*const runs[])(struct native_map *) = {
        [MAP_PAGE] = page_run,
        [MAP_MERGE] = merge_run,
        [MAP_TAKE] = take_run,
        [MAP_FINISH] = take_run,
    };
    n->refused = GRID_OK;
    n->said = false;
    n->mapper.argument = bytes_of(n->m->arg);
    return runs[n->m->mode](n);
}
