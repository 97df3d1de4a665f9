/* router_places.c - flights by their numbers, and by who asked; partitions by their keys: chains in
 * fixed tables. */
#include "session/router_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

static size_t bucket_of(uint64_t key)
{
    return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 52);
}

_Static_assert(ROUTER_BUCKETS == 1 << 12, "bucket_of() gives 12 bits");

struct place *place_find(const struct router *r, uint32_t key)
{
    struct place *p = r->by_key[bucket_of(key)];
    while (p && p->key != key)
        p = p->chain;
    return p;
}

struct place *place_new(struct router *r, uint32_t key)
{
    struct place *p = xcalloc(1, sizeof *p), **bucket = &r->by_key[bucket_of(key)];
    p->key = key;
    p->round = r->round;
    p->chain = *bucket;
    *bucket = p;
    list_init(&p->flights);
    list_push_back(&r->places, &p->all);
    return p;
}

void place_free(struct router *r, struct place *p)
{
    struct place **at = &r->by_key[bucket_of(p->key)];
    while (*at != p)
        at = &(*at)->chain;
    *at = p->chain;
    list_remove(&p->all);
    free(p);
}

struct flight *flight_find(const struct router *r, uint64_t number)
{
    struct flight *f = r->by_number[number % ROUTER_BUCKETS];
    while (f && f->number != number)
        f = f->chain;
    return f;
}

/* With those of some other connections. */
struct list *flights_of(struct router *r, const void *owner)
{
    return &r->by_owner[bucket_of((uintptr_t)owner) % ROUTER_OWNERS];
}

static void number_add(struct router *r, struct flight *f)
{
    struct flight **bucket = &r->by_number[f->number % ROUTER_BUCKETS];
    f->chain = *bucket;
    *bucket = f;
}

static void number_remove(struct router *r, const struct flight *f)
{
    struct flight **at = &r->by_number[f->number % ROUTER_BUCKETS];
    while (*at != f)
        at = &(*at)->chain;
    *at = f->chain;
}

void flight_renumber(struct router *r, struct flight *f)
{
    number_remove(r, f);
    f->number = ++r->number;
    number_add(r, f);
}

void flight_add(struct router *r, struct flight *f)
{
    number_add(r, f);
    list_push_back(&r->flights, &f->all);
    list_push_back(flights_of(r, f->op.ticket.owner), &f->owned);
    r->waiting++;
    r->bytes += f->bytes;
}

void flight_remove(struct router *r, struct flight *f)
{
    number_remove(r, f);
    list_remove(&f->all);
    list_remove(&f->owned);
    r->waiting--;
    r->bytes -= f->bytes;
}
