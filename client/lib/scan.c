/* scan.c - all entries of a cache: partition after partition, a few pages asked for ahead, so that
 * the round trips overlap.
 *
 *   partition 0 .. n-1 -> slots (asked for, or pages) -> page being read -> grid_scan_next()
 *
 * A page is a copy of the items as they came; it is decoded as it is read. When a page says there
 * is more of its partition, that is asked for when the page is begun. */
#include "grid_priv.h"

#include <stdlib.h>

enum { AHEAD = 8, PAGE_DEFAULT = 1000 };

struct slot {
    struct grid_scan *scan;
    struct request *asked; /* NULL: it is here, or the slot is free */
    uint32_t partition;
    bool here;
    enum grid_err err;
    char detail[DETAIL_BYTES];
    struct wire_list items;
    struct grid_bytes cursor; /* empty: the partition is done */
    uint8_t *data;            /* what items and cursor point into */
};

struct grid_scan {
    struct list node;
    struct grid *grid; /* NULL: closed */
    struct grid_cache *cache;
    uint8_t prefix[KEY_BYTES_MAX];
    size_t prefix_len;
    bool keys_only, local;
    uint32_t page, partitions, partition; /* partition: the next one to ask for */
    struct slot slots[AHEAD];
    struct slot *reading;
};

static void slot_clear(struct slot *s)
{
    free(s->data);
    *s = (struct slot){.scan = s->scan};
}

static enum grid_err keep_page(struct slot *s, const struct wire_response *a)
{
    size_t items = a->items.rest.len, cursor = a->cursor.len;
    s->data = malloc(items + cursor + 1);
    if (!s->data)
        return GRID_ENOMEM;
    if (items)
        memcpy(s->data, a->items.rest.data, items);
    if (cursor)
        memcpy(s->data + items, a->cursor.data, cursor);
    s->items = a->items;
    s->items.rest = (struct grid_bytes){s->data, items};
    s->cursor = (struct grid_bytes){s->data + items, cursor};
    return GRID_OK;
}

static void on_page(struct request *r, const struct outcome *o)
{
    struct slot *s = r->to;
    s->asked = NULL;
    s->here = true;
    s->err = o->err;
    if (o->err == GRID_OK)
        s->err = keep_page(s, o->response);
    else
        gc_text_add(s->detail, sizeof s->detail, "%s", o->detail);
}

static enum grid_err ask(struct slot *s, uint32_t partition, struct grid_bytes cursor)
{
    struct grid_scan *scan = s->scan;
    struct grid_bytes prefix = {scan->prefix, scan->prefix_len};
    size_t len = gc_wire_number_len(REQUEST_PARTITION, partition) +
                 gc_wire_number_len(REQUEST_LIMIT, scan->page) +
                 gc_wire_bytes_len(REQUEST_PREFIX, prefix.len) +
                 gc_wire_bytes_len(REQUEST_CURSOR, cursor.len) +
                 gc_wire_number_len(REQUEST_KEYS_ONLY, scan->keys_only) +
                 gc_wire_number_len(REQUEST_READ_LOCAL, scan->local);
    struct request *r = gc_request_new(scan->grid, GRID__OP__SCAN, scan->cache, len);
    if (!r)
        return GRID_ENOMEM;
    uint8_t *at = gc_wire_put_number(r->body, REQUEST_PARTITION, partition);
    at = gc_wire_put_number(at, REQUEST_LIMIT, scan->page);
    at = gc_wire_put_bytes(at, REQUEST_PREFIX, prefix);
    at = gc_wire_put_bytes(at, REQUEST_CURSOR, cursor);
    at = gc_wire_put_number(at, REQUEST_KEYS_ONLY, scan->keys_only);
    gc_wire_put_number(at, REQUEST_READ_LOCAL, scan->local);
    r->local = scan->local;
    r->slot = (uint16_t)((uint64_t)partition * SLOTS / scan->partitions);
    r->routed = true;
    r->finish = on_page;
    r->to = s;
    s->asked = r;
    s->partition = partition;
    gc_request_submit(r);
    return GRID_OK;
}

enum grid_err grid_scan_start(struct grid_cache *c, const struct grid_scan_options *how,
                              struct grid_scan **ret_scan)
{
    static const struct grid_scan_options plain;
    struct grid *g = c->grid;
    enum grid_err err = gc_may_block(g);
    if (err)
        return err;
    if (!how)
        how = &plain;
    if (how->prefix.len > KEY_BYTES_MAX)
        return gc_fail(g, GRID_ETOO_LARGE, "a prefix has at most 480 bytes");
    if (!c->partitions)
        return gc_fail(g, GRID_EPROTOCOL, "the server did not say how many partitions there are");
    struct grid_scan *scan = gc_calloc(1, sizeof *scan);
    scan->grid = g;
    scan->cache = c;
    scan->partitions = c->partitions;
    scan->prefix_len = how->prefix.len;
    if (how->prefix.len)
        memcpy(scan->prefix, how->prefix.data, how->prefix.len);
    scan->keys_only = how->keys_only;
    scan->local = g->read_local;
    scan->page = how->page ? how->page : PAGE_DEFAULT;
    for (size_t i = 0; i < AHEAD; i++)
        scan->slots[i].scan = scan;
    list_push_back(&g->scans, &scan->node);
    *ret_scan = scan;
    return GRID_OK;
}

/* Ask for partitions as long as slots are free. */
static enum grid_err ask_ahead(struct grid_scan *scan)
{
    for (size_t i = 0; i < AHEAD && scan->partition < scan->partitions; i++) {
        struct slot *s = &scan->slots[i];
        if (s->asked || s->here || s == scan->reading)
            continue;
        enum grid_err err = ask(s, scan->partition, (struct grid_bytes){NULL, 0});
        if (err)
            return err;
        scan->partition++;
    }
    return GRID_OK;
}

/* Begin to read a page that is here; what follows it is asked for into the slot of the page before.
 * GRID_ENOT_FOUND: the scan is over. */
static enum grid_err next_page(struct grid_scan *scan)
{
    struct grid *g = scan->grid;
    struct slot *old = scan->reading;
    if (old && old->cursor.len) {
        struct slot next = {.scan = scan};
        uint8_t *data = old->data;
        uint32_t partition = old->partition;
        struct grid_bytes cursor = old->cursor;
        *old = next;
        enum grid_err err = ask(old, partition, cursor);
        free(data);
        if (err)
            return err;
    } else if (old) {
        slot_clear(old);
    }
    scan->reading = NULL;
    enum grid_err err = ask_ahead(scan);
    if (err)
        return err;
    for (;;) {
        bool waiting = false;
        for (size_t i = 0; i < AHEAD; i++) {
            struct slot *s = &scan->slots[i];
            waiting = waiting || s->asked;
            if (!s->here)
                continue;
            s->here = false;
            scan->reading = s;
            return s->err;
        }
        if (!waiting)
            return GRID_ENOT_FOUND;
        gc_turn(g, -1);
    }
}

enum grid_err grid_scan_next(struct grid_scan *s, struct grid_entry *ret_entry)
{
    struct wire_item item;
    if (!s->grid)
        return GRID_ECLOSED;
    enum grid_err err = gc_may_block(s->grid);
    while (!err) {
        struct slot *page = s->reading;
        if (page && gc_wire_item_next(&page->items, &item)) {
            *ret_entry =
                (struct grid_entry){item.key,         item.value,    item.version,
                                    item.deadline_ms, item.affinity, (enum grid_type)item.type,
                                    item.media};
            return GRID_OK;
        }
        if (page && page->items.len)
            return gc_fail(s->grid, GRID_ECORRUPT, "the server sent a malformed entry");
        err = next_page(s);
    }
    if (err == GRID_ENOT_FOUND && !(s->reading && s->reading->err))
        return err; /* the end is no failure */
    return gc_fail(s->grid, err, s->reading ? s->reading->detail : "");
}

static void detach(struct grid_scan *s)
{
    for (size_t i = 0; i < AHEAD; i++) {
        if (s->slots[i].asked)
            gc_request_abandon(s->slots[i].asked);
        s->slots[i].asked = NULL;
    }
    list_remove(&s->node);
    s->grid = NULL;
}

void gc_scans_detach(struct grid *g)
{
    while (!list_empty(&g->scans))
        detach(list_entry(g->scans.next, struct grid_scan, node));
}

void grid_scan_free(struct grid_scan *s)
{
    if (!s)
        return;
    if (s->grid)
        detach(s);
    for (size_t i = 0; i < AHEAD; i++)
        slot_clear(&s->slots[i]);
    free(s);
}

static enum grid_err take_count(struct wait *w, const struct wire_response *a)
{
    if (a->status == GRID_OK)
        *(uint64_t *)w->to = (uint64_t)a->result;
    return GRID_OK;
}

enum grid_err grid_count(struct grid_cache *c, uint64_t *ret_count)
{
    struct wait w = {.take = take_count, .to = ret_count};
    bool local = c->grid->read_local;
    size_t len = gc_wire_number_len(REQUEST_READ_LOCAL, local);
    struct request *r = gc_request_new(c->grid, GRID__OP__COUNT, c, len);
    if (r)
        gc_wire_put_number(r->body, REQUEST_READ_LOCAL, local);
    return gc_wait(c->grid, r, &w);
}
