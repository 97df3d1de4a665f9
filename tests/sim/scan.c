/* scan.c - walks through a partition page by page, while it changes, over crashes. What a page
 * gives must have been there; what was there all the time must have come. */
#include "tests/sim/world.h"

/* The key whose text begins as all keys of the walk do. */
static bool in_walk(const struct scan_walk *s, unsigned key)
{
    char text[32], first[32];
    key_text(key, text);
    key_text(s->partition, first);
    return key_partition(key) == s->partition && memcmp(text, first, s->prefix) == 0;
}

static void walk_begin(struct world *w, struct scan_walk *s)
{
    static const unsigned prefixes[] = {0, 0, 3, 5};
    *s = (struct scan_walk){.open = true,
                            .context = (unsigned)below(w, SIM_CONTEXTS),
                            .partition = (unsigned)below(w, SIM_PARTITIONS),
                            .prefix = prefixes[below(w, 4)],
                            .keys_only = chance(w, 20),
                            .numbered = chance(w, 40),
                            .limit = 1 + (uint32_t)below(w, 8),
                            .from = w->step};
}

void scan_send(struct world *w)
{
    unsigned at = (unsigned)below(w, SIM_SCANS);
    struct scan_walk *s = &w->scans[at];
    char first[32];
    if (s->waiting || (w->calm && !s->open))
        return;
    if (!s->open)
        walk_begin(w, s);
    struct op op = {.kind = OP_SCAN,
                    .keys_only = s->keys_only,
                    .cache = w->caches[s->context],
                    .partition = (uint16_t)s->partition,
                    .limit = s->limit,
                    .prefix = slice_make(key_text(s->partition, first).data, s->prefix),
                    .numbered = s->numbered,
                    .number_cursor = s->number,
                    .cursor = slice_make(s->cursor, s->cursor_len)};
    s->waiting = true;
    delivery_add(w, &op, s->context)->slot = at;
    op_send(w, &op);
}

static void item_agrees(struct world *w, struct scan_walk *s, const struct delivery *d,
                        const struct scan_item *item)
{
    unsigned key = key_parse(item->key);
    struct state seen = {.there = true,
                         .version = item->version,
                         .deadline = item->deadline,
                         .value = value_shown(item->type, item->value),
                         .unknown = s->keys_only && !item->value.len};
    if (key >= SIM_KEYS || !in_walk(s, key)) {
        world_fail(w, "a scan gives a key of elsewhere");
        return;
    }
    s->seen[key] = true;
    if (!model_may_see(&w->model, s->context, key, d->step, d->since, w->now,
                       node_of_key(w, key)->durable, &seen))
        world_fail(w, "context %u key %u: a scan gives version %llx, which it never was",
                   s->context, key, (unsigned long long)item->version);
}

static void walk_end(struct world *w, struct scan_walk *s)
{
    for (unsigned k = 0; k < SIM_KEYS; k++)
        if (in_walk(s, k) && !s->seen[k] &&
            model_there_since(&w->model, s->context, k, s->from, w->now))
            world_fail(w, "context %u key %u: it was there all the time, and no scan gave it",
                       s->context, k);
    w->tally.scans++;
    s->open = false;
}

void scan_reply(struct world *w, struct scan_walk *s, const struct delivery *d,
                const struct result *res)
{
    s->waiting = false;
    if (w->flipped && res->status == GRID_EDAMAGED)
        s->open = false;
    if (res->status == GRID_EBUSY || (w->flipped && res->status == GRID_EDAMAGED))
        return;
    uint32_t most = s->limit + (s->numbered ? (uint32_t)SIM_KEYS : 0); /* whole buckets */
    if (res->status || res->items_len > most || res->cursor.len > sizeof s->cursor) {
        world_fail(w, "a scan answers %s, %u items", err_name(res->status), res->items_len);
        return;
    }
    for (uint32_t i = 0; i < res->items_len; i++)
        item_agrees(w, s, d, &res->items[i]);
    w->tally.pages++;
    w->tally.numbered += s->numbered;
    s->number = (uint64_t)res->number;
    s->cursor_len = res->cursor.len;
    if (res->cursor.len)
        memcpy(s->cursor, res->cursor.data, res->cursor.len);
    else if (!s->number)
        walk_end(w, s);
}

/* The walk goes on with the cursor it has, and begins anew by it. */
void scan_crashed(struct world *w)
{
    for (unsigned i = 0; i < SIM_SCANS; i++) {
        struct scan_walk *s = &w->scans[i];
        s->waiting = false;
        s->from = w->step;
        memset(s->seen, 0, sizeof s->seen);
    }
}

void scan_dropped(struct world *w, unsigned context)
{
    for (unsigned i = 0; i < SIM_SCANS; i++)
        if (w->scans[i].context == context)
            w->scans[i] = (struct scan_walk){0};
}
