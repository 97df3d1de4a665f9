/* fields_map.c - a large hash value: linear hashing (linear.h), a chain of nodes per bucket.
 *
 *   bucket: node -> node -> NULL         node: next | v length, field, v length, value
 *
 * A node holds its field in the packed form: storing is copying. As many buckets as fields, give or
 * take: 16 bytes per field beside its packed form and rounding. */
#include "base/hash.h"
#include "base/prefetch.h"
#include "data/fields_priv.h"
#include "data/linear.h"

#include <limits.h>

enum { SHRINK = 2, RANDOM_TRIES = 64, RANDOM_CHAIN = 4 };

/* Aligned to 4 only, as its sizes are. */
struct __attribute__((packed, aligned(4))) node {
    struct node *next;
    uint8_t packed[];
};

struct fields {
    struct slab *slab;
    struct linear linear;
    uint64_t len;
    uint64_t seed;
    size_t packed_bytes;
    size_t node_bytes;                       /* with rounding */
    struct node *staged_first, *staged_last; /* of the edits that set, in order */
    struct slice edits;                      /* staged */
    bool staged;
};

static struct node **bucket_at(const struct fields *f, uint32_t bucket)
{
    return linear_at(&f->linear, bucket, sizeof(struct node *));
}

static struct node **bucket_of(const struct fields *f, struct slice field)
{
    uint32_t hash = (uint32_t)hash_key(field, f->seed);
    return bucket_at(f, bucket_address(f->linear.buckets, hash));
}

static void node_prefetch(const struct node *node, bool changes)
{
    uintptr_t n = (uintptr_t)node; /* NULL: harmless */
    prefetch((const void *)n);
    if (changes) { /* it is given back to its page */
        prefetch((const void *)slab_head(n));
    } else { /* a value of 100 bytes lies on two lines, or three */
        prefetch((const void *)(n + 64));
        prefetch((const void *)(n + 127));
    }
}

void fields_prefetch(const struct fields *f, struct slice field, bool changes, int stage)
{
    if (stage == 0) {
        prefetch(f);
        prefetch((const char *)(f + 1) - 1);
        return;
    }
    uint32_t offset, hash = (uint32_t)hash_key(field, f->seed);
    uint32_t b = bucket_address(f->linear.buckets, hash);
    if (stage == 1) {
        prefetch(&f->linear.segments[segment_of(b, &offset)]);
        return;
    }
    struct node *const *bucket = bucket_at(f, b);
    if (stage == 2)
        prefetch(bucket);
    else if (stage == 3)
        node_prefetch(*bucket, changes);
    else if (*bucket)
        node_prefetch((*bucket)->next, changes);
}

/* --- nodes ------------------------------------------------------------------------------------ */

/* Returns the bytes of its packed form. */
static size_t node_field(const struct node *n, struct field *ret_field)
{
    return (size_t)(field_next(n->packed, ret_field) - n->packed);
}

static struct slice node_name(const struct node *n)
{
    struct slice name;
    bytes_next(n->packed, &name);
    return name;
}

static struct node *node_new(struct slab *slab, struct slice packed)
{
    struct node *n = slab_alloc(slab, sizeof *n + packed.len);
    if (!n)
        return NULL;
    n->next = NULL;
    memcpy(n->packed, packed.data, packed.len);
    return n;
}

static void node_free(struct slab *slab, struct node *n)
{
    struct field field;
    slab_free(slab, n, sizeof *n + node_field(n, &field));
}

/* Count `n` in (sign 1) or out (-1). */
static void node_account(struct fields *f, const struct node *n, int sign)
{
    struct field field;
    size_t packed = node_field(n, &field), bytes = slab_size(sizeof *n + packed);
    f->packed_bytes += sign > 0 ? packed : 0 - packed;
    f->node_bytes += sign > 0 ? bytes : 0 - bytes;
    f->len += sign > 0 ? 1 : UINT64_MAX;
}

/* --- growing ---------------------------------------------------------------------------------- */

static bool bucket_add(struct fields *f)
{
    if (!linear_add(&f->linear, f->slab, sizeof(struct node *)))
        return false;
    *bucket_at(f, f->linear.buckets - 1) = NULL;
    return true;
}

static void node_link(struct fields *f, struct node *n)
{
    struct node **bucket = bucket_of(f, node_name(n));
    n->next = *bucket;
    *bucket = n;
}

static void chain_spread(struct fields *f, struct node *n)
{
    while (n) {
        struct node *next = n->next;
        node_link(f, n);
        n = next;
    }
}

/* Without memory the chains grow instead. */
static void map_grow(struct fields *f)
{
    if (f->len <= f->linear.buckets || f->linear.buckets >= UINT32_MAX / 2 || !bucket_add(f))
        return;
    struct node **source = bucket_at(f, bucket_source(f->linear.buckets - 1)), *old = *source;
    *source = NULL;
    chain_spread(f, old);
}

static void map_shrink(struct fields *f)
{
    if (f->linear.buckets <= 1 || f->len * SHRINK >= f->linear.buckets)
        return;
    struct node *old = *bucket_at(f, f->linear.buckets - 1);
    linear_drop(&f->linear, f->slab, sizeof(struct node *));
    chain_spread(f, old);
}

/* --- life ------------------------------------------------------------------------------------- */

/* A new node for its field, which may be there. */
static void map_set(struct fields *f, struct node *n)
{
    struct slice name = node_name(n);
    struct node **bucket = bucket_of(f, name), *before = NULL, *old = *bucket;
    for (; old && !slice_eq(node_name(old), name); old = old->next)
        before = old;
    node_account(f, n, 1);
    if (old) {
        n->next = old->next;
        node_account(f, old, -1);
        node_free(f->slab, old);
    } else {
        before = NULL;
        n->next = *bucket;
    }
    if (before)
        before->next = n;
    else
        *bucket = n;
    map_grow(f);
}

static void map_remove(struct fields *f, struct slice name)
{
    struct node **bucket = bucket_of(f, name), *before = NULL, *old = *bucket;
    for (; old && !slice_eq(node_name(old), name); old = old->next)
        before = old;
    if (!old)
        return;
    if (before)
        before->next = old->next;
    else
        *bucket = old->next;
    node_account(f, old, -1);
    node_free(f->slab, old);
    map_shrink(f);
}

struct fields *fields_new(struct slab *slab, struct slice packed, uint64_t hash_seed)
{
    struct fields *f = slab_alloc(slab, sizeof *f);
    if (!f)
        return NULL;
    *f = (struct fields){.slab = slab, .seed = hash_seed};
    bool made = bucket_add(f);
    const uint8_t *at = packed.data, *end = slice_end(packed);
    while (made && at < end) {
        struct field field;
        const uint8_t *next = field_next(at, &field);
        struct node *n = node_new(slab, slice_make(at, (size_t)(next - at)));
        made = n != NULL;
        if (made) {
            node_link(f, n);
            node_account(f, n, 1);
            map_grow(f);
        }
        at = next;
    }
    if (made)
        return f;
    fields_free(f);
    return NULL;
}

bool fields_free_some(struct fields *f, unsigned steps)
{
    CHECK(!f->staged);
    for (; f->linear.buckets && steps; steps--) {
        struct node **last = bucket_at(f, f->linear.buckets - 1), *n = *last;
        if (n) {
            *last = n->next;
            node_free(f->slab, n);
        } else {
            linear_drop(&f->linear, f->slab, sizeof n);
        }
    }
    if (f->linear.buckets)
        return false;
    slab_free(f->slab, f, sizeof *f);
    return true;
}

void fields_free(struct fields *f)
{
    if (!f)
        return;
    bool gone = fields_free_some(f, UINT_MAX);
    CHECK(gone);
}

size_t fields_bytes(const struct fields *f)
{
    return slab_size(sizeof *f) + f->linear.bytes + f->node_bytes;
}

size_t fields_bytes_of(struct slice packed)
{
    size_t bytes = slab_size(sizeof(struct fields));
    for (const uint8_t *at = packed.data, *end = slice_end(packed); at < end;) {
        struct field field;
        const uint8_t *next = field_next(at, &field);
        bytes += slab_size(sizeof(struct node) + (size_t)(next - at)) + sizeof(struct node *);
        at = next;
    }
    return bytes;
}

/* --- changing --------------------------------------------------------------------------------- */

/* The careful way: only a map that could become empty pays for it. */
static bool nothing_left(const struct fields *f, struct slice edits)
{
    struct buf packed = BUF_INIT, after = BUF_INIT;
    map_store(f, &packed);
    fields_fold(buf_slice(&packed), &edits, 1, &after);
    bool empty = after.len == 0;
    buf_release(&packed);
    buf_release(&after);
    return empty;
}

static bool staged_add(struct fields *f, struct slice packed)
{
    struct node *n = node_new(f->slab, packed);
    if (!n)
        return false;
    if (f->staged_last)
        f->staged_last->next = n;
    else
        f->staged_first = n;
    f->staged_last = n;
    return true;
}

enum grid_err fields_stage(struct fields *f, struct slice edits)
{
    CHECK(!f->staged);
    if (edits.len > FIELDS_BYTES_MAX - f->packed_bytes)
        return GRID_ETOO_LARGE;
    f->staged = true;
    f->edits = edits;
    uint64_t removals = 0;
    enum grid_err err = GRID_OK;
    for (const uint8_t *at = edits.data, *end = slice_end(edits); at < end && !err;) {
        struct field field;
        at = edit_next(at, &field);
        removals += field.remove;
        if (!field.remove && !staged_add(f, slice_make(field.at, (size_t)(at - field.at))))
            err = GRID_ENOMEM;
    }
    if (!err && removals >= f->len && nothing_left(f, edits))
        err = GRID_ECORRUPT;
    if (err)
        fields_unstage(f);
    return err;
}

static struct node *staged_take(struct fields *f)
{
    struct node *n = f->staged_first;
    f->staged_first = n->next;
    return n;
}

static void staged_clear(struct fields *f)
{
    CHECK(!f->staged_first);
    f->staged_last = NULL;
    f->edits = slice_make(NULL, 0);
    f->staged = false;
}

void fields_unstage(struct fields *f)
{
    while (f->staged_first)
        node_free(f->slab, staged_take(f));
    staged_clear(f);
}

void fields_apply(struct fields *f)
{
    CHECK(f->staged);
    for (const uint8_t *at = f->edits.data, *end = slice_end(f->edits); at < end;) {
        struct field field;
        at = edit_next(at, &field);
        if (field.remove)
            map_remove(f, field.name);
        else
            map_set(f, staged_take(f));
    }
    staged_clear(f);
}

/* --- a view's side ---------------------------------------------------------------------------- */

uint64_t map_len(const struct fields *f)
{
    return f->len;
}

size_t map_packed_bytes(const struct fields *f)
{
    return f->packed_bytes;
}

bool map_get(const struct fields *f, struct slice field, struct slice *ret_value)
{
    for (const struct node *n = *bucket_of(f, field); n; n = n->next) {
        struct slice name;
        const uint8_t *rest = bytes_next(n->packed, &name);
        if (slice_eq(name, field)) {
            bytes_next(rest, ret_value);
            return true;
        }
    }
    return false;
}

static void chain_visit(const struct node *n, fields_each_fn *each, void *ctx)
{
    for (; n; n = n->next) {
        struct field field;
        node_field(n, &field);
        each(ctx, field.name, field.value);
    }
}

void map_each(const struct fields *f, fields_each_fn *each, void *ctx)
{
    for (uint32_t b = 0; b < f->linear.buckets; b++)
        chain_visit(*bucket_at(f, b), each, ctx);
}

uint64_t map_scan(const struct fields *f, uint64_t cursor, fields_each_fn *each, void *ctx)
{
    uint64_t next;
    uint32_t b = linear_scan(f->linear.buckets, cursor, &next);
    chain_visit(*bucket_at(f, b), each, ctx);
    return next;
}

/* A bucket and a place in its chain are drawn until a node stands there, so that long chains get
 * their share; only what stands further back gets a little less. */
void map_random(const struct fields *f, uint64_t random, struct field *ret_field)
{
    const struct node *n = NULL;
    for (unsigned tries = 0; tries < RANDOM_TRIES && !n; tries++) {
        struct slice number = slice_make(&random, sizeof random);
        random = hash_key(number, tries);
        n = *bucket_at(f, (uint32_t)(random % f->linear.buckets));
        unsigned len = 0, at = (unsigned)(random >> 62);
        for (const struct node *m = n; m; m = m->next)
            len++;
        at = len > RANDOM_CHAIN ? (unsigned)(random >> 32) % len : at;
        for (; n && at; at--)
            n = n->next;
    }
    for (uint32_t b = 0; !n && b < f->linear.buckets; b++)
        n = *bucket_at(f, b);
    CHECK(n);
    node_field(n, ret_field);
}

void map_store(const struct fields *f, struct buf *out)
{
    uint8_t *to = buf_reserve(out, f->packed_bytes);
    for (uint32_t b = 0; b < f->linear.buckets; b++) {
        for (const struct node *n = *bucket_at(f, b); n; n = n->next) {
            struct field field;
            size_t len = node_field(n, &field);
            memcpy(to, n->packed, len);
            to += len;
        }
    }
    out->len += f->packed_bytes;
}

/* --- the invariant ---------------------------------------------------------------------------- */

void fields_check(const struct fields *f)
{
    uint64_t len = 0;
    size_t packed_bytes = 0, node_bytes = 0;
    CHECK(f->linear.buckets > 0 && f->len > 0);
    for (uint32_t b = 0; b < f->linear.buckets; b++) {
        for (const struct node *n = *bucket_at(f, b); n; n = n->next) {
            struct field field;
            struct slice found;
            size_t packed = node_field(n, &field);
            CHECK(bucket_of(f, field.name) == bucket_at(f, b));
            CHECK(map_get(f, field.name, &found) && found.data == field.value.data);
            len++;
            packed_bytes += packed;
            node_bytes += slab_size(sizeof *n + packed);
        }
    }
    CHECK(len == f->len && packed_bytes == f->packed_bytes && node_bytes == f->node_bytes);
    CHECK(f->staged || (!f->staged_first && !f->staged_last));
}
