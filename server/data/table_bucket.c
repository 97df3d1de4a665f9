/* table_bucket.c - one bucket and its chain. All but the last bucket of a chain are full, and the
 * last has two entries at least: one alone would stand in the slot that the link to it takes. */
#include "data/table_priv.h"

struct table_place bucket_free_slot(struct table_bucket *b)
{
    for (unsigned i = 0; !bucket_chained(b) && i < TABLE_SLOTS; i++)
        if (!slot_get(b, i))
            return (struct table_place){b, i};
    return (struct table_place){NULL, 0};
}

static void place_set(struct table_place at, struct entry *e, uint8_t tag)
{
    slot_set(at.bucket, at.slot, e);
    at.bucket->tags[at.slot] = tag;
}

/* A bucket more behind `b`; what stood in the slot of the link moves there. */
static struct table_bucket *chain_extend(struct table *t, struct table_bucket *b)
{
    struct table_bucket *next = slab_alloc(entry_pool_slab(t->pool), sizeof *next);
    CHECK(next); /* bookkeeping */
    *next = (struct table_bucket){.tags = {0}};
    place_set((struct table_place){next, 0}, slot_get(b, LINK), b->tags[LINK]);
    slot_set(b, LINK, next);
    b->tags[LINK] = 0;
    b->tags[META] |= CHAINED;
    t->overflow++;
    return next;
}

void bucket_put(struct table *t, struct table_bucket *b, struct entry *e, uint8_t tag)
{
    while (bucket_chained(b))
        b = bucket_next(b);
    struct table_place at = bucket_free_slot(b);
    if (!at.bucket)
        at = bucket_free_slot(chain_extend(t, b));
    place_set(at, e, tag);
}

/* The only entry of the last bucket goes to the slot of the link in `before`. */
static void chain_cut(struct table *t, struct table_bucket *before, struct table_place only)
{
    struct table_bucket *last = bucket_next(before);
    struct entry *e = slot_get(last, only.slot);
    uint8_t tag = last->tags[only.slot];
    before->tags[META] &= (uint8_t)~CHAINED;
    place_set((struct table_place){before, LINK}, e, tag);
    slab_free(entry_pool_slab(t->pool), last, sizeof *last);
    t->overflow--;
}

void bucket_take(struct table *t, struct table_bucket *first, struct table_place at)
{
    struct table_bucket *last = first, *before = NULL;
    while (bucket_chained(last)) {
        before = last;
        last = bucket_next(last);
    }
    if (!before) {
        place_set(at, NULL, 0);
        return;
    }
    unsigned top = TABLE_SLOTS - 1;
    while (!slot_get(last, top))
        top--;
    place_set(at, slot_get(last, top), last->tags[top]);
    place_set((struct table_place){last, top}, NULL, 0);
    if (top == 1)
        chain_cut(t, before, (struct table_place){last, 0});
}
