/* many.c - many keys at once: items go by shard, in requests of a bounded size, all of them on
 * their way together.
 *
 *   items --by shard--> chunks -> requests -> outcomes in the items
 *      ^-- until the deadline, once more: what was BUSY,  --'
 *          did not fit in an answer, or whose cache is new
 *
 * Item i of a write has number + i as its own (R13), so a request of n items uses up n numbers. */
#include "grid_priv.h"
#include "status.h"

#include <stdlib.h>

enum { CHUNK_ITEMS = 512, CHUNK_BYTES = 512 << 10, REST_MS = 5 };

/* An outcome that no server gives: the item is still to be done. */
#define TO_DO ((enum grid_err)UINT16_MAX)

struct many {
    struct grid_cache *cache;
    uint32_t op; /* of the request */
    struct grid_item *items;
    size_t len;
    uint64_t deadline;
    size_t asked;  /* requests on their way */
    bool lone;     /* one item per request: answers that were too large together */
    bool reopened; /* the cache was opened again */
};

/* What one request carries. */
struct chunk {
    struct many *many;
    size_t len;
    size_t at[]; /* indexes of items */
};

static struct wire_key key_of(const struct many *m, const struct grid_item *i)
{
    struct wire_key k = {.key = i->key, .affinity = i->how.affinity};
    if (m->op == GRID__OP__GET_MANY)
        return k;
    k.how = &i->how;
    if (m->op == GRID__OP__PUT_MANY)
        k.value = i->value;
    return k;
}

/* --- outcomes --------------------------------------------------------------------------------- */

static enum grid_err take_item(const struct request *r, struct grid_item *to,
                               const struct wire_item *from)
{
    enum grid_err status = (enum grid_err)from->status;
    to->result = (struct grid_value){.version = from->version, .deadline_ms = from->deadline_ms};
    if (r->changes && r->doubt && gc_status_says_nothing_of_before(status))
        return GRID_EIN_DOUBT;
    if (r->op == GRID__OP__DELETE_MANY)
        return gc_key_outcome(GRID__OP__DELETE, status, from->result);
    if (r->op != GRID__OP__GET_MANY || status)
        return status;
    to->result.type = (enum grid_type)from->type;
    return gc_value_take(&to->result, from->value, from->media) ? GRID_OK : GRID_ENOMEM;
}

static void on_chunk(struct request *r, const struct outcome *o)
{
    struct chunk *c = r->to;
    struct many *m = c->many;
    struct wire_list list = {.len = 0};
    struct wire_item item;
    if (o->err == GRID_OK)
        list = o->response->items;
    for (size_t i = 0; i < c->len; i++) {
        struct grid_item *to = &m->items[c->at[i]];
        if (o->err)
            to->err = o->err;
        else if (gc_wire_item_next(&list, &item))
            to->err = take_item(r, to, &item);
        else
            to->err = GRID_ECORRUPT;
        /* Not done and may be done later; alone it may fit. */
        bool too_large = m->op == GRID__OP__GET_MANY && to->err == GRID_ETOO_LARGE && c->len > 1;
        if (gc_status_retryable(to->err) || too_large)
            to->err = TO_DO;
        m->lone = m->lone || too_large;
    }
    if (o->err)
        gc_fail(m->cache->grid, o->err, o->detail);
    m->asked--;
    free(c);
}

/* --- requests --------------------------------------------------------------------------------- */

static enum grid_err ask(struct many *m, struct chunk *c, size_t body_len)
{
    struct grid *g = m->cache->grid;
    bool local = g->read_local && m->op == GRID__OP__GET_MANY;
    body_len += gc_wire_number_len(REQUEST_READ_LOCAL, local);
    struct request *r = gc_request_new(g, m->op, m->cache, body_len);
    if (!r)
        return GRID_ENOMEM;
    uint8_t *at = r->body;
    for (size_t i = 0; i < c->len; i++) {
        struct wire_key k = key_of(m, &m->items[c->at[i]]);
        at = gc_wire_put_item(at, &k);
    }
    gc_wire_put_number(at, REQUEST_READ_LOCAL, local);
    r->local = local;
    const struct grid_item *first = &m->items[c->at[0]];
    request_route(r, first->how.affinity.len ? first->how.affinity : first->key);
    r->numbers = (uint32_t)c->len;
    r->changes = r->is_write = m->op != GRID__OP__GET_MANY;
    r->deadline = m->deadline;
    r->finish = on_chunk;
    r->to = c;
    m->asked++;
    gc_request_submit(r);
    return GRID_OK;
}

static size_t bucket_of(const struct many *m, const struct grid_item *i)
{
    return gc_bucket(m->cache, i->how.affinity.len ? i->how.affinity : i->key);
}

/* Cut a chain of items into requests. */
static enum grid_err ask_chain(struct many *m, size_t first, const size_t *next)
{
    size_t bytes_max = m->cache->grid->frame_max / 2;
    size_t items_max = m->lone ? 1 : CHUNK_ITEMS;
    if (bytes_max > CHUNK_BYTES)
        bytes_max = CHUNK_BYTES;
    for (size_t i = first; i < m->len;) {
        struct chunk *c = malloc(sizeof *c + CHUNK_ITEMS * sizeof *c->at);
        size_t bytes = 0;
        if (!c)
            return GRID_ENOMEM;
        *c = (struct chunk){.many = m};
        for (; i < m->len && c->len < items_max; i = next[i]) {
            struct wire_key k = key_of(m, &m->items[i]);
            size_t len = gc_wire_item_len(&k);
            if (c->len && bytes + len > bytes_max)
                break;
            bytes += len;
            c->at[c->len++] = i;
        }
        enum grid_err err = ask(m, c, bytes);
        if (err) {
            free(c);
            return err;
        }
    }
    return GRID_OK;
}

/* One round: what is to do, by shard of the node it goes to. */
static enum grid_err ask_all(struct many *m)
{
    size_t shards = gc_buckets(m->cache->grid);
    size_t *next = malloc((m->len + 1) * sizeof *next);
    size_t *head = gc_calloc(shards, sizeof *head), *tail = gc_calloc(shards, sizeof *tail);
    enum grid_err err = next ? GRID_OK : GRID_ENOMEM;
    for (size_t s = 0; s < shards; s++)
        head[s] = m->len; /* the end of a chain */
    for (size_t i = 0; !err && i < m->len; i++) {
        if (m->items[i].err != TO_DO)
            continue;
        size_t s = bucket_of(m, &m->items[i]);
        next[i] = m->len;
        *(head[s] == m->len ? &head[s] : &next[tail[s]]) = i;
        tail[s] = i;
    }
    for (size_t s = 0; !err && s < shards; s++)
        err = ask_chain(m, head[s], next);
    free(next);
    free(head);
    free(tail);
    while (m->asked)
        gc_turn(m->cache->grid, -1);
    return err;
}

/* --- rounds ----------------------------------------------------------------------------------- */

static void check_items(struct many *m)
{
    for (size_t i = 0; i < m->len; i++) {
        struct grid_item *item = &m->items[i];
        struct wire_key k = key_of(m, item);
        enum grid_err err;
        item->result = (struct grid_value){0};
        item->number = 0;
        item->err = gc_key_fault(m->cache->grid, &k, &err) ? err : TO_DO;
    }
}

/* Items that found no cache get one more chance with a cache that is opened again. */
static bool reopen(struct many *m)
{
    struct grid_cache *same;
    bool needed = false;
    for (size_t i = 0; i < m->len; i++)
        needed = needed || m->items[i].err == GRID_ENO_CACHE || m->items[i].err == GRID_ENO_CONTEXT;
    if (!needed || m->reopened)
        return false;
    m->reopened = true;
    if (grid_cache_open(m->cache->grid, m->cache->path, &same) != GRID_OK)
        return false;
    for (size_t i = 0; i < m->len; i++)
        if (m->items[i].err == GRID_ENO_CACHE || m->items[i].err == GRID_ENO_CONTEXT)
            m->items[i].err = TO_DO;
    return true;
}

static bool anything_to_do(const struct many *m)
{
    for (size_t i = 0; i < m->len; i++)
        if (m->items[i].err == TO_DO)
            return true;
    return false;
}

static void rest(struct grid *g, uint64_t until)
{
    uint64_t end = gc_now_ms() + 1 + gc_dice(g, REST_MS);
    while ((g->now = gc_now_ms()) < end && g->now < until)
        gc_turn(g, (int)(end - g->now));
}

static enum grid_err run(struct grid_cache *cache, uint32_t op, struct grid_item *items, size_t len)
{
    struct grid *g = cache->grid;
    struct many m = {.cache = cache, .op = op, .items = items, .len = len};
    enum grid_err err = gc_may_block(g);
    if (err)
        return err;
    m.deadline = gc_now_ms() + g->timeout_ms;
    check_items(&m);
    while (!err && (anything_to_do(&m) || reopen(&m))) {
        bool was_lone = m.lone;
        err = ask_all(&m);
        if (err || !anything_to_do(&m))
            continue;
        if (gc_now_ms() >= m.deadline)
            break;
        if (was_lone || !m.lone)
            rest(g, m.deadline);
    }
    for (size_t i = 0; i < len; i++)
        if (items[i].err == TO_DO)
            items[i].err = err ? err : GRID_ETIMEOUT;
    return err ? gc_fail(g, err, "") : GRID_OK;
}

enum grid_err grid_get_many(struct grid_cache *c, struct grid_item *items, size_t n)
{
    return run(c, GRID__OP__GET_MANY, items, n);
}

enum grid_err grid_put_many(struct grid_cache *c, struct grid_item *items, size_t n)
{
    return run(c, GRID__OP__PUT_MANY, items, n);
}

enum grid_err grid_delete_many(struct grid_cache *c, struct grid_item *items, size_t n)
{
    return run(c, GRID__OP__DELETE_MANY, items, n);
}

/* --- batch ------------------------------------------------------------------------------------ */

struct batch {
    uint64_t version;
    size_t failed_at;
};

static struct wire_key batch_key(const struct grid_cache *c, const struct grid_item *i)
{
    return (struct wire_key){
        .op = i->op,
        .cache = i->cache && i->cache != c ? i->cache->id : 0,
        .key = i->key,
        .value = i->op == GRID_PUT ? i->value : (struct grid_bytes){NULL, 0},
        .how = &i->how,
        .delta = i->op == GRID_INCR ? i->delta : 0,
    };
}

static const char *item_fault(const struct grid *g, const struct grid_item *item,
                              const struct wire_key *k, enum grid_err *ret_err)
{
    *ret_err = GRID_EBAD_REQUEST;
    if (item->op < GRID_PUT || item->op > GRID_EXPIRE)
        return "not an operation of a batch";
    if (item->cache && item->cache->grid != g)
        return "the cache belongs to another grid";
    return gc_key_fault(g, k, ret_err);
}

static enum grid_err take_batch(struct wait *w, const struct wire_response *a)
{
    struct batch *b = w->to;
    b->version = a->version;
    b->failed_at = a->failed_at;
    return GRID_OK;
}

static enum grid_err batch_once(struct grid_cache *c, struct grid_bytes affinity,
                                const struct grid_item *items, size_t n, struct batch *b)
{
    struct grid *g = c->grid;
    size_t bytes = gc_wire_bytes_len(REQUEST_AFFINITY, affinity.len);
    for (size_t i = 0; i < n; i++) {
        struct wire_key k = batch_key(c, &items[i]);
        enum grid_err err;
        const char *fault = item_fault(g, &items[i], &k, &err);
        b->failed_at = i;
        if (fault)
            return gc_fail(g, err, fault);
        bytes += gc_wire_item_len(&k);
    }
    b->failed_at = n;
    struct request *r = gc_request_new(g, GRID__OP__BATCH, c, bytes);
    if (r) {
        uint8_t *at = gc_wire_put_bytes(r->body, REQUEST_AFFINITY, affinity);
        for (size_t i = 0; i < n; i++) {
            struct wire_key k = batch_key(c, &items[i]);
            at = gc_wire_put_item(at, &k);
        }
        request_route(r, affinity.len ? affinity : items[0].key);
        r->changes = r->is_write = true;
    }
    struct wait w = {.take = take_batch, .to = b};
    return gc_wait(g, r, &w);
}

/* Caches of the items that are not the batch's own are not opened again by themselves. */
static bool reopen_others(struct grid_cache *c, const struct grid_item *items, size_t n)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        struct grid_cache *same;
        if (!items[i].cache || items[i].cache == c)
            continue;
        if (grid_cache_open(c->grid, items[i].cache->path, &same) != GRID_OK)
            return false;
        any = true;
    }
    return any;
}

enum grid_err grid_batch(struct grid_cache *c, struct grid_bytes affinity, struct grid_item *items,
                         size_t n, uint64_t *ret_version, size_t *ret_failed_at)
{
    struct batch b = {0};
    enum grid_err err = gc_may_block(c->grid);
    if (!err && n == 0)
        err = gc_fail(c->grid, GRID_EBAD_REQUEST, "a batch without items");
    if (!err && affinity.len > KEY_BYTES_MAX)
        err = gc_fail(c->grid, GRID_ETOO_LARGE, "an affinity key has at most 480 bytes");
    if (!err)
        err = batch_once(c, affinity, items, n, &b);
    if (err == GRID_ENO_CACHE && reopen_others(c, items, n))
        err = batch_once(c, affinity, items, n, &b);
    for (size_t i = 0; i < n; i++) {
        items[i].err = err;
        items[i].result = (struct grid_value){.version = err ? 0 : b.version};
        items[i].number = 0;
    }
    if (err && ret_failed_at)
        *ret_failed_at = b.failed_at;
    if (!err && ret_version)
        *ret_version = b.version;
    return err;
}
