/* content_sweep.c - what leaves memory without a record: tombstones that hide nothing any more,
 * cold entries, dropped caches. All of it in bounded steps. And the invariant. */
#include "data/content_priv.h"

enum { TIDY_STEPS = 64, BUCKET_VICTIMS_MAX = 32 };

/* Entries to drop, found in one bucket. */
struct victims {
    struct entry *entries[BUCKET_VICTIMS_MAX];
    unsigned len, seen;
    bool full; /* there are more */
};

static void victims_add(struct victims *v, struct entry *e)
{
    if (v->len < BUCKET_VICTIMS_MAX)
        v->entries[v->len++] = e;
    else
        v->full = true;
}

/* --- tombstones ------------------------------------------------------------------------------- */

static struct entry_links *links_of(const struct content *c, const struct entry *e)
{
    return (struct entry_links *)(uintptr_t)(e ? (const void *)entry_extra_at(e)
                                               : (const void *)&c->tombstones);
}

static void tombstone_insert(struct content *c, struct entry *before, struct entry *e)
{
    struct entry *after = links_of(c, before)->next;
    *links_of(c, e) = (struct entry_links){.prev = before, .next = after};
    links_of(c, before)->next = e;
    links_of(c, after)->prev = e;
    c->tombstones_len++;
}

void tombstone_add(struct content *c, struct entry *e)
{
    struct entry *before = c->tombstones.prev;
    while (before && entry_version(before) > entry_version(e))
        before = links_of(c, before)->prev;
    tombstone_insert(c, before, e);
}

void tombstone_remove(struct content *c, const struct entry *e)
{
    struct entry_links *links = links_of(c, e);
    links_of(c, links->prev)->next = links->next;
    links_of(c, links->next)->prev = links->prev;
    c->tombstones_len--;
}

static bool tombstone_needed(const struct content *c, const struct entry *e)
{
    return entry_version(e) > c->commit || (c->stored && entry_version(e) > c->clean);
}

static void version_raise(uint64_t *at, uint64_t version)
{
    if (version > *at)
        *at = version;
}

bool content_tidy(struct content *c)
{
    if (c->copying) /* they tell what is not there */
        return false;
    for (unsigned steps = 0; steps < TIDY_STEPS; steps++) {
        struct entry *oldest = c->tombstones.next;
        if (!oldest || tombstone_needed(c, oldest))
            return false;
        version_raise(&c->left, entry_version(oldest));
        content_unlink(c, oldest);
    }
    return c->tombstones.next && !tombstone_needed(c, c->tombstones.next);
}

/* --- expiry ----------------------------------------------------------------------------------- */

msec_t content_expiry_next(const struct content *c)
{
    const struct entry *e = expiry_min(&c->expiry);
    return e ? entry_deadline(e) : 0;
}

const struct entry *content_due(const struct content *c, msec_t now)
{
    const struct entry *e = expiry_min(&c->expiry);
    return e && entry_expired(e, now) ? e : NULL;
}

msec_t content_cold_deadline(const struct content *c)
{
    return c->cold_deadline;
}

void content_set_cold_deadline(struct content *c, msec_t deadline)
{
    c->cold_deadline = deadline;
}

/* An entry that stays in the checkpoint leaves memory. */
static void cold_deadline_lower(struct content *c, msec_t deadline)
{
    if (deadline && (!c->cold_deadline || deadline < c->cold_deadline))
        c->cold_deadline = deadline;
}

/* --- eviction --------------------------------------------------------------------------------- */

struct clock {
    struct victims victims;
    uint64_t version_max; /* of what may leave */
};

static void clock_pass(void *ctx, struct entry *e)
{
    struct clock *clock = ctx;
    clock->victims.seen++;
    if (entry_is_tombstone(e) || entry_version(e) > clock->version_max)
        return;
    if (e->bits & ENTRY_CLOCK)
        e->bits &= (uint16_t)~ENTRY_CLOCK;
    else
        victims_add(&clock->victims, e);
}

/* Returns the bytes freed. */
static size_t clock_drop(struct content *c, const struct victims *v, enum evict_mode mode)
{
    size_t before = content_bytes(c);
    for (unsigned i = 0; i < v->len; i++) {
        struct entry *e = v->entries[i];
        version_raise(&c->left, entry_version(e));
        if (mode == EVICT_FOR_EVER) {
            counts_add(&c->counts, entry_cache(e), -1);
        } else {
            c->complete = false;
            cold_deadline_lower(c, entry_deadline(e));
        }
        content_unlink(c, e);
    }
    size_t after = content_bytes(c);
    return before > after ? before - after : 0;
}

size_t content_evict(struct content *c, enum evict_mode mode, size_t bytes, unsigned steps,
                     unsigned *ret_steps, uint64_t *ret_entries)
{
    uint64_t version_max = c->commit;
    if (mode == EVICT_CLEAN && c->clean < version_max)
        version_max = c->clean;
    CHECK(mode == EVICT_FOR_EVER || c->stored);
    size_t freed = 0;
    *ret_steps = 0;
    *ret_entries = 0;
    while (c->table.len && freed < bytes && *ret_steps < steps) {
        struct clock clock = {.version_max = version_max};
        c->hand = table_scan(&c->table, c->hand, clock_pass, &clock);
        freed += clock_drop(c, &clock.victims, mode);
        *ret_entries += clock.victims.len;
        *ret_steps += clock.victims.seen + 1;
    }
    return freed;
}

size_t content_victims(struct content *c, unsigned steps, const struct entry **ret_entries,
                       size_t max, unsigned *ret_steps)
{
    size_t len = 0;
    *ret_steps = 0;
    while (c->table.len && len + BUCKET_VICTIMS_MAX <= max && *ret_steps < steps) {
        struct clock clock = {.version_max = c->commit};
        c->hand = table_scan(&c->table, c->hand, clock_pass, &clock);
        for (unsigned i = 0; i < clock.victims.len; i++)
            ret_entries[len++] = clock.victims.entries[i];
        *ret_steps += clock.victims.seen + 1;
        if (!c->hand)
            break; /* who was given is not given again */
    }
    return len;
}

/* --- dropped caches --------------------------------------------------------------------------- */

struct purge {
    struct victims victims;
    content_gone_fn *gone;
    void *ctx;
};

static void purge_pass(void *ctx, struct entry *e)
{
    struct purge *purge = ctx;
    if (purge->gone(purge->ctx, entry_cache(e)))
        victims_add(&purge->victims, e);
}

bool content_purge(struct content *c, content_gone_fn *gone, void *ctx, uint64_t *cursor,
                   unsigned *buckets)
{
    for (; *buckets; --*buckets) {
        struct purge purge = {.gone = gone, .ctx = ctx};
        uint64_t next = table_scan(&c->table, *cursor, purge_pass, &purge);
        for (unsigned i = 0; i < purge.victims.len; i++) {
            struct entry *e = purge.victims.entries[i];
            if (!entry_is_tombstone(e))
                counts_add(&c->counts, entry_cache(e), -1);
            content_unlink(c, e);
        }
        if (purge.victims.full)
            continue;
        *cursor = next;
        if (next == 0) {
            counts_drop(&c->counts, gone, ctx);
            return true;
        }
    }
    return false;
}

/* --- the invariant ---------------------------------------------------------------------------- */

struct sum {
    const struct content *content;
    struct counts live;
    size_t bytes, deadlines, tombstones;
};

static void entry_check(void *ctx, struct entry *e)
{
    struct sum *sum = ctx;
    sum->bytes += entry_size(e);
    if (entry_is_map(e)) {
        CHECK(!(e->bits & ENTRY_PINNED));
        fields_check(entry_map(e));
    }
    CHECK(entry_version(e) <= sum->content->last || sum->content->copying);
    sum->tombstones += entry_is_tombstone(e);
    sum->deadlines += entry_deadline(e) != 0;
    if (!entry_is_tombstone(e))
        counts_add(&sum->live, entry_cache(e), 1);
}

static void counts_check(const struct content *c, struct counts *live)
{
    for (uint32_t i = 0; c->complete && i < c->counts.len; i++)
        CHECK(c->counts.items[i].count == counts_get(live, c->counts.items[i].cache));
    for (uint32_t i = 0; c->complete && i < live->len; i++)
        CHECK(live->items[i].count == counts_get(&c->counts, live->items[i].cache));
}

void content_check(const struct content *c)
{
    struct sum sum = {.content = c};
    uint64_t cursor = 0;
    do
        cursor = table_scan(&c->table, cursor, entry_check, &sum);
    while (cursor);
    table_check(&c->table);
    if (c->seen.bucket) {
        const struct entry *seen = table_at(c->seen);
        struct table_place at =
            table_place(&c->table, entry_cache(seen), entry_key(seen), c->seen_hash);
        CHECK(at.bucket == c->seen.bucket && at.slot == c->seen.slot);
    }
    expiry_check(&c->expiry);
    sessions_check(c->sessions);
    counts_check(c, &sum.live);
    counts_release(&sum.live);
    CHECK(sum.bytes == c->entry_bytes);
    CHECK(sum.deadlines == c->expiry.len);
    CHECK(sum.tombstones == c->tombstones_len);
    CHECK(c->commit <= c->last && (c->complete || c->stored));
    uint64_t before = 0;
    for (const struct entry *e = c->tombstones.next; e; e = links_of(c, e)->next) {
        CHECK(entry_is_tombstone(e) && entry_version(e) >= before && sum.tombstones-- > 0);
        before = entry_version(e);
    }
    CHECK(sum.tombstones == 0);
}
