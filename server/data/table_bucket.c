/* table_bucket.c - one bucket and its chain. All but the last bucket of a chain are full, and the
 * last has two entries at least: one alone would stand in the slot that the link to it takes. */
#include "data/table_priv.h"

struct table_place bucket_free_slot(struct table_bucket *b)
{
    for (unsigned i = 0; !bucket_chained(b) && i < TABLE_SLOTS; i++)
        if (!b->slots[i])
            return (struct table_place){b, i};
    return (struct table_place){NULL, 0};
}

static void place_set(struct table_place at, struct entry *e, uint8_t tag)
{
    at.bucket->slots[at.slot] = e;
    at.bucket->tags[at.slot] = tag;
}

/* A bucket more behind `b`; what stood in the slot of the link moves there. */
static struct table_bucket *chain_extend(struct table *t, struct table_bucket *b)
{
    struct table_bucket *next = slab_alloc(entry_pool_slab(t->pool), sizeof *next);
    CHECK(next); /* bookkeeping */
    *next = (struct table_bucket){.tags = {b->tags[TABLE_SLOTS - 1]}};
    next->slots[0] = b->slots[TABLE_SLOTS - 1];
    b->next = next;
    b->tags[TABLE_SLOTS - 1] = 0;
    b->tags[META] |= CHAINED;
    t->overflow++;
    return next;
}

void bucket_put(struct table *t, struct table_bucket *b, struct entry *e, uint8_t tag)
{
    while (bucket_chained(b))
        b = b->next;
    struct table_place at = bucket_free_slot(b);
    if (!at.bucket)
        at = bucket_free_slot(chain_extend(t, b));
    place_set(at, e, tag);
}

/* The only entry of the last bucket goes to the slot of the link in `before`. */
static void chain_cut(struct table *t, struct table_bucket *before, struct table_place only)
{
    struct table_bucket *last = before->next;
    struct entry *e = last->slots[only.slot];
    uint8_t tag = last->tags[only.slot];
    before->tags[META] &= (uint8_t)~CHAINED;
    place_set((struct table_place){before, TABLE_SLOTS - 1}, e, tag);
    slab_free(entry_pool_slab(t->pool), last, sizeof *last);
    t->overflow--;
}

void bucket_take(struct table *t, struct table_bucket *first, struct table_place at)
{
    struct table_bucket *last = first, *before = NULL;
    while (bucket_chained(last)) {
        before = last;
        last = last->next;
    }
    if (!before) {
        place_set(at, NULL, 0);
        return;
    }
    unsigned top = TABLE_SLOTS - 1;
    while (!last->slots[top])
        top--;
    place_set(at, last->slots[top], last->tags[top]);
    place_set((struct table_place){last, top}, NULL, 0);
    if (top == 1)
        chain_cut(t, before, (struct table_place){last, 0});
}
