/* leases.c - a slot per node number, in chunks that are made once and never move, so that shards
 * read them while the control thread writes.
 *
 * A time and the low bits of a boot share one word, so that they are always read as a pair:
 *
 *   63                      20 19        0
 *   | until, ms               | boot      |
 *
 * `needs` is stored before `held`, `before` before `granted`, and read after: who sees the new word
 * sees at least what belongs to it; more of either only makes a shard more careful. */
#include "grid/leases.h"

#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { BOOT_BITS = 20, CHUNK = 64, CHUNKS = GRID_NUMBERS_MAX / CHUNK };

struct slot {
    _Atomic uint64_t held;    /* until | boot of the grantor */
    _Atomic uint64_t needs;   /* revision */
    _Atomic uint64_t granted; /* until | boot of the holder */
    _Atomic uint64_t before;  /* until when earlier boots of it have one */
};

struct chunk {
    struct slot slots[CHUNK];
};

struct grid_leases {
    msec_t floor;            /* grants of an earlier start of this process end here at the latest */
    _Atomic uint64_t latest; /* when the last of all grants ends */
    _Atomic(struct chunk *) chunks[CHUNKS];
};

static uint64_t word_of(msec_t until, uint32_t boot)
{
    return until << BOOT_BITS | (boot & ((1u << BOOT_BITS) - 1));
}

static msec_t word_until(uint64_t word)
{
    return word >> BOOT_BITS;
}

static bool word_is(uint64_t word, uint32_t boot)
{
    return ((word ^ boot) & ((1u << BOOT_BITS) - 1)) == 0;
}

struct grid_leases *grid_leases_new(msec_t now)
{
    struct grid_leases *l = xcalloc(1, sizeof *l);
    l->floor = now + GRID_GRACE_MS;
    return l;
}

void grid_leases_free(struct grid_leases *l)
{
    if (!l)
        return;
    for (unsigned i = 0; i < CHUNKS; i++)
        free(atomic_load_explicit(&l->chunks[i], memory_order_relaxed));
    free(l);
}

static struct slot *slot_of(const struct grid_leases *l, uint32_t number)
{
    if (number >= GRID_NUMBERS_MAX)
        return NULL;
    struct chunk *c = atomic_load_explicit(&l->chunks[number / CHUNK], memory_order_acquire);
    return c ? &c->slots[number % CHUNK] : NULL;
}

static struct slot *slot_make(struct grid_leases *l, uint32_t number)
{
    struct slot *s = slot_of(l, number);
    if (s || number >= GRID_NUMBERS_MAX)
        return s;
    struct chunk *c = xcalloc(1, sizeof *c);
    atomic_store_explicit(&l->chunks[number / CHUNK], c, memory_order_release);
    return &c->slots[number % CHUNK];
}

bool grid_lease_held(const struct grid_leases *l, struct replica_member by, uint64_t revision,
                     msec_t now)
{
    const struct slot *s = slot_of(l, by.node);
    if (!s)
        return false;
    uint64_t held = atomic_load_explicit(&s->held, memory_order_acquire);
    return word_is(held, by.boot) && now < word_until(held) &&
           atomic_load_explicit(&s->needs, memory_order_acquire) <= revision;
}

msec_t grid_lease_granted(const struct grid_leases *l, struct replica_member to)
{
    msec_t until = 0;
    const struct slot *s = slot_of(l, to.node);
    if (!to.node) {
        until = atomic_load_explicit(&l->latest, memory_order_acquire);
    } else if (s) {
        uint64_t granted = atomic_load_explicit(&s->granted, memory_order_acquire);
        until = word_is(granted, to.boot) ? word_until(granted)
                                          : atomic_load_explicit(&s->before, memory_order_acquire);
    }
    return until > l->floor ? until : l->floor;
}

void grid_lease_hold(struct grid_leases *l, struct replica_member by, uint64_t revision,
                     msec_t sent)
{
    struct slot *s = slot_make(l, by.node);
    if (!s)
        return;
    uint64_t held = atomic_load_explicit(&s->held, memory_order_relaxed);
    msec_t until = sent + GRID_LEASE_MS;
    if (word_is(held, by.boot) && word_until(held) >= until)
        return; /* came late */
    /* never lower: a grant of an earlier revision was good before, too */
    uint64_t needs = atomic_load_explicit(&s->needs, memory_order_relaxed);
    if (needs < revision)
        atomic_store_explicit(&s->needs, revision, memory_order_release);
    atomic_store_explicit(&s->held, word_of(until, by.boot), memory_order_release);
}

void grid_lease_grant(struct grid_leases *l, struct replica_member to, msec_t now)
{
    struct slot *s = slot_make(l, to.node);
    if (!s)
        return;
    uint64_t granted = atomic_load_explicit(&s->granted, memory_order_relaxed);
    msec_t until = now + GRID_GRACE_MS;
    if (until > atomic_load_explicit(&l->latest, memory_order_relaxed))
        atomic_store_explicit(&l->latest, until, memory_order_release);
    if (!word_is(granted, to.boot)) {
        msec_t before = atomic_load_explicit(&s->before, memory_order_relaxed);
        if (word_until(granted) > before)
            atomic_store_explicit(&s->before, word_until(granted), memory_order_release);
    } else if (word_until(granted) >= until) {
        return;
    }
    atomic_store_explicit(&s->granted, word_of(until, to.boot), memory_order_release);
}

void grid_lease_release(struct grid_leases *l, struct replica_member to)
{
    struct slot *s = slot_of(l, to.node);
    if (s && word_is(atomic_load_explicit(&s->granted, memory_order_relaxed), to.boot))
        atomic_store_explicit(&s->granted, word_of(0, to.boot), memory_order_release);
}

void grid_leases_drop(struct grid_leases *l)
{
    for (unsigned i = 0; i < CHUNKS; i++) {
        struct chunk *c = atomic_load_explicit(&l->chunks[i], memory_order_relaxed);
        for (unsigned j = 0; c && j < CHUNK; j++)
            atomic_store_explicit(&c->slots[j].held, 0, memory_order_release);
    }
}
