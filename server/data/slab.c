/* slab.c - chunks of 4 MiB, cut in pages, each page for objects of one class.
 *
 *   chunk, aligned to its size: 64 units of 64 KiB; a bit per free unit
 *   page: 1 unit (objects to 8 KiB) or 4 units, aligned to its size
 *         = objects | header of 64 bytes | objects      in front: none, or what fits (slab_head())
 *
 * Classes beyond STEPS_MAX are fractions of a page, so that nothing is left over at its end. An
 * object's page is its address with the low bits cleared; objects up to STEPS_MAX have their
 * page's header where slab_head() says, larger ones at its start. Pages with free objects are in
 * their class's list; full ones in none. Fresh objects are cut off one by one, so memory is
 * touched only when it is needed. */
#include "data/slab.h"

#include "base/alloc.h"
#include "base/list.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define SLAB_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_ASAN 1
#endif
#endif
#ifdef SLAB_ASAN
#include <sanitizer/asan_interface.h>
#define poison(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define unpoison(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define poison(p, n) ((void)(p), (void)(n))
#define unpoison(p, n) ((void)(p), (void)(n))
#endif

enum {
    UNIT = SLAB_PAGE_BYTES,
    BIG_UNITS = 4,
    CHUNK_UNITS = CHUNK_BYTES / UNIT,
    PAGE_HEAD = 64,
    FINE_STEP = 4,
    FINE_MAX = 512, /* bytes: up to here classes are FINE_STEP apart */
    STEP = 8,
    STEPS_MAX = 1024,       /* bytes: up to here classes are STEP apart */
    LINE = SLAB_LINE_BYTES, /* classes beyond are multiples of it */
    SMALL_MAX = 8 << 10,    /* bytes: up to here pages have one unit */
    FINE_CLASSES = FINE_MAX / FINE_STEP,
    STEP_CLASSES = FINE_CLASSES + (STEPS_MAX - FINE_MAX) / STEP,
    OBJECT_MIN = 8,    /* room for a link */
    FRACTION_MIN = 8,  /* objects of the largest class in a page */
    COLOUR_SHIFT = 10, /* UNIT / LINE, as a power of two: slab_head() */
    CLASSES_MAX = 256,
};

struct chunk {
    struct list link; /* in slab.chunks, when it has free units at the front */
    uint8_t *base;
    uint64_t free;     /* bit per unit */
    uint64_t coloured; /* bit per unit where a page begins: its header is at slab_head() */
};

struct page {
    struct list link; /* in class.pages, when it has free objects */
    struct chunk *chunk;
    void *free;     /* objects given back, linked through their first word */
    uint32_t fresh; /* objects never used yet */
    uint32_t used;
    uint16_t class;
    uint16_t units;
    uint16_t room; /* objects in all */
    uint8_t *next; /* fresh object */
};
_Static_assert(CHUNK_UNITS == 64, "a bit of chunk.free for each");
_Static_assert(sizeof(struct page) <= PAGE_HEAD, "page header");

struct class
{
    struct list pages;
    uint32_t bytes;
    uint32_t units;
    uintptr_t mask;    /* of an object's address: its page's first byte */
    uintptr_t colours; /* of slab_head(); 0: none */
};

struct slab {
    struct chunks *source;
    struct list chunks; /* those with free units first */
    size_t chunks_len, chunks_idle;
    size_t used, held;
    size_t large; /* objects from malloc */
    struct class classes[CLASSES_MAX];
};

/* Classes are the same for all slabs: made once, before main(). */
static uint32_t class_bytes[CLASSES_MAX];
static unsigned classes_len;
static uint8_t class_of_step[(32 << 10) / LINE +
                             1]; /* beyond STEPS_MAX: first class that may hold n * LINE bytes */
static size_t large_min;

static void classes_of_fractions(size_t page, size_t limit)
{
    for (size_t n = (page - PAGE_HEAD) / STEPS_MAX; n >= FRACTION_MIN; n--) {
        uint32_t bytes = (uint32_t)((page - PAGE_HEAD) / n & ~(size_t)(LINE - 1));
        uint32_t last = class_bytes[classes_len - 1];
        bool useful = n == FRACTION_MIN || (page - PAGE_HEAD) / (n - 1) > last + last / 8;
        if (bytes > last && bytes <= limit && useful)
            class_bytes[classes_len++] = bytes;
    }
}

__attribute__((constructor)) static void classes_make(void)
{
    for (; classes_len < STEP_CLASSES; classes_len++)
        class_bytes[classes_len] = classes_len < FINE_CLASSES
                                       ? (classes_len + 1) * FINE_STEP
                                       : FINE_MAX + (classes_len - FINE_CLASSES + 1) * STEP;
    classes_of_fractions(UNIT, SMALL_MAX);
    classes_of_fractions((size_t)UNIT * BIG_UNITS, SIZE_MAX);
    CHECK(classes_len < CLASSES_MAX);
    large_min = class_bytes[classes_len - 1] + 1;
    unsigned class = STEP_CLASSES - 1;
    for (size_t i = 0; i < sizeof class_of_step; i++) {
        while (class + 1 < classes_len && class_bytes[class] < i * LINE)
            class ++;
        class_of_step[i] = (uint8_t) class;
    }
}

static unsigned class_for(size_t bytes)
{
    if (likely(bytes <= FINE_MAX))
        return (unsigned)(((bytes < OBJECT_MIN ? (size_t)OBJECT_MIN : bytes) - 1) / FINE_STEP);
    if (bytes <= STEPS_MAX)
        return FINE_CLASSES + (unsigned)((bytes - FINE_MAX - 1) / STEP);
    unsigned class = class_of_step[bytes / LINE];
    while (class_bytes[class] < bytes)
        class ++;
    return class;
}

/* --- chunks and pages ------------------------------------------------------------------------- */

static struct chunk *chunk_new(struct slab *s)
{
    uint8_t *base = chunk_take(s->source);
    if (!base)
        return NULL;
    struct chunk *c = xcalloc(1, sizeof *c);
    c->base = base;
    c->free = UINT64_MAX;
    list_push_front(&s->chunks, &c->link);
    s->chunks_len++;
    s->chunks_idle++;
    return c;
}

static void chunk_drop(struct slab *s, struct chunk *c)
{
    list_remove(&c->link);
    unpoison(c->base, CHUNK_BYTES);
    chunk_release(c->base);
    free(c);
    s->chunks_len--;
    s->chunks_idle--;
}

/* Where `units` free units begin, aligned to their number; -1: nowhere. */
static int chunk_room(const struct chunk *c, unsigned units)
{
    if (units == 1)
        return c->free ? __builtin_ctzll(c->free) : -1;
    uint64_t runs = c->free & c->free >> 1;
    runs &= runs >> 2;
    runs &= UINT64_C(0x1111111111111111);
    return runs ? __builtin_ctzll(runs) : -1;
}

static struct chunk *chunk_find(struct slab *s, unsigned units, int *ret_unit)
{
    list_for_each (it, &s->chunks) {
        struct chunk *c = list_entry(it, struct chunk, link);
        if (!c->free)
            break;
        *ret_unit = chunk_room(c, units);
        if (*ret_unit >= 0)
            return c;
    }
    *ret_unit = 0;
    return chunk_new(s);
}

static uint64_t unit_bits(unsigned units, unsigned at)
{
    return ((UINT64_C(1) << units) - 1) << at;
}

/* The page of an object of the class, or of the page's first byte. */
static inline struct page *page_of(const struct class *cl, const void *object)
{
    uintptr_t at = (uintptr_t)object & cl->mask;
    return (struct page *)(at + (at >> COLOUR_SHIFT & cl->colours));
}

static uint8_t *page_begin(const struct page *p)
{
    return (uint8_t *)((uintptr_t)p & ~(uintptr_t)(UNIT - 1));
}

static inline void *object_fresh(const struct class *cl, struct page *p)
{
    uint8_t *object = p->next;
    p->fresh--;
    p->next += cl->bytes;
    if (unlikely(p->next + cl->bytes > (uint8_t *)p && object < (uint8_t *)p))
        p->next = (uint8_t *)p + PAGE_HEAD;
    return object;
}

static struct page *page_new(struct slab *s, unsigned class)
{
    struct class *cl = &s->classes[class];
    int unit;
    struct chunk *c = chunk_find(s, cl->units, &unit);
    if (!c)
        return NULL;
    s->chunks_idle -= c->free == UINT64_MAX;
    c->free &= ~unit_bits(cl->units, (unsigned)unit);
    c->coloured &= ~unit_bits(cl->units, (unsigned)unit);
    c->coloured |= (uint64_t)(cl->colours != 0) << unit;
    if (!c->free) {
        list_remove(&c->link);
        list_push_back(&s->chunks, &c->link);
    }
    uint8_t *begin = c->base + (size_t)unit * UNIT;
    struct page *p = page_of(cl, begin);
    size_t front = (size_t)((uint8_t *)p - begin), behind = cl->units * UNIT - PAGE_HEAD - front;
    unpoison(p, PAGE_HEAD);
    *p = (struct page){.chunk = c};
    p->room = (uint16_t)(front / cl->bytes + behind / cl->bytes);
    p->fresh = p->room;
    p->next = front < cl->bytes ? (uint8_t *)p + PAGE_HEAD : begin;
    p->class = (uint16_t) class;
    p->units = (uint16_t)cl->units;
    list_init(&p->link);
    list_push_front(&cl->pages, &p->link);
    s->held += (size_t)cl->units * UNIT;
    return p;
}

static void page_release(struct slab *s, struct page *p)
{
    struct chunk *c = p->chunk;
    unsigned units = p->units;
    uint8_t *begin = page_begin(p);
    list_remove(&p->link);
    s->held -= (size_t)units * UNIT;
    poison(begin, (size_t)units * UNIT);
    c->free |= unit_bits(units, (unsigned)((begin - c->base) / UNIT));
    list_remove(&c->link);
    list_push_front(&s->chunks, &c->link);
    if (c->free != UINT64_MAX)
        return;
    if (s->chunks_idle++ > 0)
        chunk_drop(s, c);
}

/* --- objects ---------------------------------------------------------------------------------- */

static void *large_alloc(struct slab *s, size_t bytes)
{
    void *p = bytes % LINE ? malloc(bytes) : aligned_alloc(LINE, bytes);
    if (!p)
        return NULL;
    s->used += slab_size(bytes);
    s->held += malloc_usable_size(p) + sizeof(size_t);
    s->large++;
    return p;
}

static void large_free(struct slab *s, void *p, size_t bytes)
{
    s->used -= slab_size(bytes);
    s->held -= malloc_usable_size(p) + sizeof(size_t);
    s->large--;
    free(p);
}

void *slab_alloc(struct slab *s, size_t bytes)
{
    CHECK(bytes > 0);
    if (unlikely(bytes >= large_min))
        return large_alloc(s, bytes);
    unsigned class = class_for(bytes);
    struct class *cl = &s->classes[class];
    struct page *p;
    if (likely(!list_empty(&cl->pages)))
        p = list_entry(cl->pages.next, struct page, link);
    else if (!(p = page_new(s, class)))
        return NULL;
    void *object = p->free;
    if (object) {
        unpoison(object, cl->bytes);
        memcpy(&p->free, object, sizeof p->free);
    } else {
        object = object_fresh(cl, p);
        unpoison(object, cl->bytes);
    }
    if (++p->used == p->room)
        list_remove(&p->link);
    s->used += cl->bytes;
    return object;
}

void slab_free(struct slab *s, void *object, size_t bytes)
{
    if (!object)
        return;
    if (unlikely(bytes >= large_min)) {
        large_free(s, object, bytes);
        return;
    }
    unsigned class = class_for(bytes);
    struct class *cl = &s->classes[class];
    struct page *p = page_of(cl, object);
    CHECK(p->class == class && p->used > 0);
    memcpy(object, &p->free, sizeof p->free);
    p->free = object;
    poison(object, cl->bytes);
    s->used -= cl->bytes;
    if (p->used-- == p->room)
        list_push_front(&cl->pages, &p->link);
    if (p->used == 0)
        page_release(s, p);
}

size_t slab_size(size_t bytes)
{
    if (bytes >= large_min)
        return (bytes + sizeof(size_t) + 15) & ~(size_t)15;
    return class_bytes[class_for(bytes)];
}

/* --- the slab --------------------------------------------------------------------------------- */

struct slab *slab_new(void)
{
    struct slab *s = xcalloc(1, sizeof *s);
    s->source = chunks_new();
    list_init(&s->chunks);
    for (unsigned i = 0; i < classes_len; i++) {
        struct class *cl = &s->classes[i];
        list_init(&cl->pages);
        cl->bytes = class_bytes[i];
        cl->units = cl->bytes > SMALL_MAX ? BIG_UNITS : 1;
        cl->mask = ~((uintptr_t)cl->units * UNIT - 1);
        cl->colours = cl->bytes <= STEPS_MAX ? (SLAB_COLOURS - 1) * LINE : 0;
    }
    return s;
}

void slab_free_all(struct slab *s)
{
    if (!s)
        return;
    CHECK(s->used == 0 && s->large == 0);
    while (!list_empty(&s->chunks))
        chunk_drop(s, list_entry(s->chunks.next, struct chunk, link));
    chunks_free(s->source);
    free(s);
}

struct chunks *slab_source(const struct slab *s)
{
    return s->source;
}

size_t slab_used(const struct slab *s)
{
    return s->used;
}

size_t slab_held(const struct slab *s)
{
    return s->held;
}

static size_t page_check(const struct page *p, const struct slab *s)
{
    const struct class *cl = &s->classes[p->class];
    CHECK(p->used > 0 && p->used + p->fresh <= p->room);
    CHECK((p->used == p->room) == (p->link.next == &p->link));
    return (size_t)p->used * cl->bytes;
}

void slab_check(const struct slab *s)
{
    size_t used = 0, held = 0, idle = 0, chunks = 0;
    list_for_each (it, &s->chunks) {
        const struct chunk *c = list_entry(it, struct chunk, link);
        chunks++;
        idle += c->free == UINT64_MAX;
        for (unsigned unit = 0; unit < CHUNK_UNITS;) {
            if (c->free >> unit & 1) {
                unit++;
                continue;
            }
            uintptr_t begin = (uintptr_t)c->base + (uintptr_t)unit * UNIT;
            bool coloured = c->coloured >> unit & 1;
            const struct page *p = (const struct page *)(coloured ? slab_head(begin) : begin);
            CHECK(p->chunk == c && (s->classes[p->class].colours != 0) == coloured &&
                  (p->units == 1 || unit % p->units == 0));
            used += page_check(p, s);
            held += (size_t)p->units * UNIT;
            unit += p->units;
        }
    }
    CHECK(chunks == s->chunks_len && idle == s->chunks_idle && idle <= 1);
    CHECK(s->large ? used < s->used && held < s->held : used == s->used && held == s->held);
}
