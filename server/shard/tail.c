/* tail.c - records in chunks: a chunk is given back as a whole. */
#include "shard/tail_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { CHUNKS_MIN = 64, PLACE_BITS = 32 };

struct head {
    uint64_t version, version_before;
    tail_place before, after;
    uint64_t len;
};

struct tail_chunk {
    struct buf buf;
    size_t bytes; /* as counted in tail.bytes */
};

void tail_init(struct tail *t, size_t bytes_max)
{
    size_t chunk = bytes_max / 16;
    if (chunk > TAIL_CHUNK_BYTES)
        chunk = TAIL_CHUNK_BYTES;
    if (chunk < TAIL_CHUNK_BYTES_MIN)
        chunk = TAIL_CHUNK_BYTES_MIN;
    *t = (struct tail){.first = 1, .bytes_max = bytes_max, .chunk_bytes = chunk};
}

static struct tail_chunk **slot(const struct tail *t, uint64_t number)
{
    return &t->chunks[number & (t->cap - 1)];
}

static void oldest_free(struct tail *t)
{
    struct tail_chunk *c = *slot(t, t->first);
    t->first++;
    t->len--;
    t->bytes -= c->bytes;
    buf_release(&c->buf);
    free(c);
}

void tail_release(struct tail *t)
{
    while (t->len)
        oldest_free(t);
    free(t->chunks);
    t->chunks = NULL;
    t->cap = 0;
}

static void chunks_grow(struct tail *t)
{
    size_t cap = t->cap ? t->cap * 2 : CHUNKS_MIN;
    struct tail_chunk **chunks = xcalloc(cap, sizeof(struct tail_chunk *));
    for (uint64_t n = t->first; n < t->first + t->len; n++)
        chunks[n & (cap - 1)] = *slot(t, n);
    free(t->chunks);
    t->chunks = chunks;
    t->cap = cap;
}

/* The chunk that takes `bytes` more; the newest one always stays. */
static struct tail_chunk *chunk_for(struct tail *t, size_t bytes)
{
    if (t->len) {
        struct tail_chunk *last = *slot(t, t->first + t->len - 1);
        if (last->buf.len + bytes <= last->bytes)
            return last;
    }
    size_t size = bytes > t->chunk_bytes ? bytes : t->chunk_bytes;
    while (t->len && t->bytes + size > t->bytes_max)
        oldest_free(t);
    if (t->len == t->cap)
        chunks_grow(t);
    struct tail_chunk *c = xcalloc(1, sizeof *c);
    c->bytes = size;
    buf_reserve(&c->buf, size);
    t->bytes += size;
    *slot(t, t->first + t->len++) = c;
    return c;
}

/* Where its head is in memory, or NULL. */
static uint8_t *head_at(const struct tail *t, tail_place at)
{
    uint64_t number = at >> PLACE_BITS;
    if (number < t->first || number >= t->first + t->len)
        return NULL;
    const struct tail_chunk *c = *slot(t, number);
    CHECK((uint32_t)at + sizeof(struct head) <= c->buf.len);
    return c->buf.data + (uint32_t)at;
}

static tail_place head_add(struct tail *t, struct tail_chunk *c, const struct head *h)
{
    tail_place at = (t->first + t->len - 1) << PLACE_BITS | c->buf.len;
    uint8_t *before = head_at(t, h->before);
    if (before)
        memcpy(before + offsetof(struct head, after), &at, sizeof at);
    buf_add(&c->buf, h, sizeof *h);
    return at;
}

/* The record behind the head at `at` ends here. */
static void head_close(struct tail_chunk *c, tail_place at)
{
    size_t begin = (uint32_t)at + sizeof(struct head);
    uint64_t len = c->buf.len - begin;
    memcpy(c->buf.data + (uint32_t)at + offsetof(struct head, len), &len, sizeof len);
}

tail_place tail_add(struct tail *t, tail_place before, uint64_t version_before,
                    const struct record *r)
{
    struct tail_chunk *c = chunk_for(t, sizeof(struct head) + record_size_max(r));
    struct head h = {.version = r->version, .version_before = version_before, .before = before};
    tail_place at = head_add(t, c, &h);
    record_encode(r, &c->buf);
    head_close(c, at);
    return at;
}

tail_place tail_add_bytes(struct tail *t, tail_place before, uint64_t version_before,
                          uint64_t version, struct slice bytes)
{
    struct tail_chunk *c = chunk_for(t, sizeof(struct head) + bytes.len);
    struct head h = {.version = version, .version_before = version_before, .before = before};
    tail_place at = head_add(t, c, &h);
    buf_add(&c->buf, bytes.data, bytes.len);
    head_close(c, at);
    return at;
}

bool tail_at(const struct tail *t, tail_place at, struct tail_record *ret_record)
{
    const uint8_t *head = head_at(t, at);
    if (!head)
        return false;
    struct head h;
    memcpy(&h, head, sizeof h);
    *ret_record = (struct tail_record){.version = h.version,
                                       .version_before = h.version_before,
                                       .before = h.before,
                                       .after = h.after,
                                       .bytes = slice_make(head + sizeof h, h.len)};
    return true;
}

bool tail_find_after(const struct tail *t, tail_place last, uint64_t version, tail_place *ret_place)
{
    struct tail_record r;
    for (tail_place at = last; tail_at(t, at, &r) && r.version > version; at = r.before) {
        if (r.version_before != version)
            continue;
        *ret_place = at;
        return true;
    }
    return false;
}

void tail_check(const struct tail *t)
{
    size_t bytes = 0;
    for (uint64_t n = t->first; n < t->first + t->len; n++) {
        const struct tail_chunk *c = *slot(t, n);
        CHECK(c->buf.len <= c->bytes);
        bytes += c->bytes;
    }
    CHECK(bytes == t->bytes && t->len <= t->cap);
}
