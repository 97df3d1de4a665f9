/* park.c - what waits: copies of ops (for the cold store) and results (for a commit, R6).
 *
 * A parked op is one allocation:
 *   struct parked | claims | ops of a batch, or args, keys, steps of a call | bytes of all slices |
 *   absent
 * A waiting result is one allocation too; a value it shows is kept by a reference to its entry. */
#include "shard/shard_priv.h"

#include <stdlib.h>

enum { MORE_KEYS_MAX = 256 };

/* --- ops -------------------------------------------------------------------------------------- */

static bool park_take(struct shard *s, size_t bytes)
{
    if (s->parked >= PARKED_MAX || s->parked_bytes + bytes > PARKED_BYTES_MAX)
        return false;
    s->parked++;
    s->parked_bytes += bytes;
    return true;
}

static void park_give(struct shard *s, size_t bytes)
{
    CHECK(s->parked > 0 && s->parked_bytes >= bytes);
    s->parked--;
    s->parked_bytes -= bytes;
}

/* Nothing is known of its keys. */
void parked_forget(struct parked *w)
{
    memset(w->absent, 0, w->keys);
    for (uint32_t i = 0; i < w->more_len; i++)
        w->more[i]->absent = false;
    w->absent_clean = UINT64_MAX;
}

void parked_absent(struct parked *w, uint32_t at, uint64_t clean)
{
    if (unlikely(at >= w->keys))
        w->more[at - w->keys]->absent = true;
    else
        w->absent[at] = 1;
    if (clean < w->absent_clean)
        w->absent_clean = clean;
}

struct parked *parked_new(struct shard *s, const struct op *op, msec_t now)
{
    uint32_t keys = op->batch_len ? op->batch_len : op->keys_len ? op->keys_len : 1;
    size_t bytes = sizeof(struct parked) + op_copy_bytes(op);
    bytes += keys * (sizeof(struct claim) + 1);
    if (!park_take(s, bytes))
        return NULL;
    struct parked *w = malloc(bytes);
    if (!w) {
        park_give(s, bytes);
        return NULL;
    }
    *w = (struct parked){.op = *op, .bytes = bytes, .since = now, .keys = keys};
    list_init(&w->link);
    list_init(&w->ready);
    w->claims = (struct claim *)(void *)(w + 1);
    w->absent = op_copy_fill(&w->op, w->claims + keys);
    parked_forget(w);
    return w;
}

void parked_free(struct shard *s, struct parked *w)
{
    if (w->partition)
        order_leave(w, &s->ready);
    list_remove(&w->link);
    list_remove(&w->ready);
    park_give(s, w->bytes);
    for (uint32_t i = 0; i < w->more_len; i++)
        free(w->more[i]);
    free(w->more);
    free(w->range);
    free(w);
}

/* --- keys that an op does not name ------------------------------------------------------------ */

struct more_key *parked_more_find(const struct parked *w, uint32_t cache, struct slice key,
                                  uint64_t hash, uint32_t *ret_at)
{
    for (uint32_t i = 0; i < w->more_len; i++) {
        struct more_key *k = w->more[i];
        if (k->hash != hash || k->cache != cache || !slice_eq(slice_make(k->key, k->len), key))
            continue;
        *ret_at = w->keys + i;
        return k;
    }
    return NULL;
}

bool parked_more_add(struct shard *s, struct parked *w, uint32_t cache, struct slice key,
                     uint64_t hash, uint32_t *ret_at)
{
    size_t bytes = sizeof(struct more_key) + sizeof(struct more_key *) + key.len;
    if (w->more_len == MORE_KEYS_MAX || s->parked_bytes + bytes > PARKED_BYTES_MAX)
        return false;
    s->parked_bytes += bytes;
    w->bytes += bytes;
    w->more = xrealloc(w->more, w->more_len + 1, sizeof *w->more);
    struct more_key *k = xalloc(sizeof *k + key.len);
    *k = (struct more_key){.hash = hash, .cache = cache, .len = (uint16_t)key.len};
    memcpy(k->key, key.data, key.len);
    *ret_at = w->keys + w->more_len;
    w->more[w->more_len++] = k;
    return true;
}

struct more_range *parked_range(struct shard *s, struct parked *w)
{
    if (w->range || s->parked_bytes + sizeof *w->range > PARKED_BYTES_MAX)
        return w->range;
    s->parked_bytes += sizeof *w->range;
    w->bytes += sizeof *w->range;
    return w->range = xalloc(sizeof *w->range);
}

/* --- results ---------------------------------------------------------------------------------- */

static void slice_move(struct slice *s, uint8_t **at)
{
    if (s->len)
        memcpy(*at, s->data, s->len);
    s->data = *at;
    *at += s->len;
}

static size_t items_bytes(const struct result *res)
{
    size_t bytes = res->items_len * sizeof(struct scan_item);
    for (uint32_t i = 0; i < res->items_len; i++)
        bytes += res->items[i].key.len + res->items[i].value.len + res->items[i].affinity.len;
    return bytes;
}

/* Copy what `res` points at behind `w`; the value stays with the entry when there is one. */
static void waiting_fill(struct waiting *w, const struct result *res)
{
    bool copied = !w->entry;
    struct scan_item *items = (struct scan_item *)(void *)(w + 1);
    uint8_t *at = (uint8_t *)(items + res->items_len);
    w->res = *res;
    for (uint32_t i = 0; i < res->items_len; i++) {
        items[i] = res->items[i];
        slice_move(&items[i].key, &at);
        slice_move(&items[i].value, &at);
        slice_move(&items[i].affinity, &at);
    }
    w->res.items = items;
    slice_move(&w->res.cursor, &at);
    if (copied)
        slice_move(&w->res.value, &at);
}

bool wait_commit(struct shard *s, struct partition *p, uint64_t version, const struct ticket *to,
                 const struct result *res, const struct entry *entry)
{
    size_t bytes = sizeof(struct waiting) + items_bytes(res) + res->cursor.len;
    bytes += entry ? 0 : res->value.len;
    size_t held = bytes + (entry ? res->value.len : 0);
    struct waiting *w = park_take(s, held) ? malloc(bytes) : NULL;
    if (!w)
        return false;
    *w = (struct waiting){.to = *to, .bytes = held, .entry = entry};
    list_init(&w->lapsed);
    waiting_fill(w, res);
    if (entry)
        entry_ref(s->pool, entry);
    heap_push(&p->waiting, &w->node, version);
    return true;
}

static void waiting_free(struct shard *s, struct waiting *w)
{
    list_remove(&w->lapsed);
    if (w->entry)
        entry_unref(s->pool, w->entry);
    park_give(s, w->bytes);
    free(w);
}

/* What was seen is not told: who asked asks again, at the primary. */
static void waiting_fail(struct shard *s, const struct waiting *w)
{
    struct result res = {.status = GRID_ENOT_PRIMARY};
    s->ports.reply(s->ports.ctx, &w->to, &res);
}

static void waiting_lapse(struct shard *s, struct partition *p, struct waiting *w)
{
    w->since = s->now;
    list_push_back(&p->lapsed, &w->lapsed);
    if (list_empty(&p->holding))
        list_push_back(&s->holding, &p->holding);
}

void waiting_answer(struct shard *s, struct partition *p)
{
    for (;;) {
        struct heap_node *n = heap_min(&p->waiting);
        if (!n || replica_pending(&p->replica, n->key))
            return;
        heap_remove(&p->waiting, n);
        struct waiting *w = container_of(n, struct waiting, node);
        if (unlikely(!lease_holds(s, p))) {
            waiting_lapse(s, p, w);
            continue;
        }
        s->ports.reply(s->ports.ctx, &w->to, &w->res);
        waiting_free(s, w);
    }
}

/* Of the partition's first; they are committed in order. */
static struct waiting *lapsed_first(const struct partition *p)
{
    return list_empty(&p->lapsed) ? NULL : list_entry(p->lapsed.next, struct waiting, lapsed);
}

void lapsed_look(struct shard *s, struct partition *p, msec_t now)
{
    struct waiting *w = lapsed_first(p);
    bool holds = w && lease_holds(s, p);
    for (; w && (holds || now >= w->since + HOLD_MS_MAX); w = lapsed_first(p)) {
        if (holds)
            s->ports.reply(s->ports.ctx, &w->to, &w->res);
        else
            waiting_fail(s, w);
        waiting_free(s, w);
    }
}

void waiting_refuse(struct shard *s, struct partition *p)
{
    struct heap_node *n;
    for (struct waiting *w; (w = lapsed_first(p));) {
        waiting_fail(s, w);
        waiting_free(s, w);
    }
    while ((n = heap_min(&p->waiting))) {
        heap_remove(&p->waiting, n);
        struct waiting *w = container_of(n, struct waiting, node);
        waiting_fail(s, w);
        waiting_free(s, w);
    }
}

void waiting_few(struct shard *s, struct partition *p)
{
    struct heap stay = {0};
    struct heap_node *n;
    while ((n = heap_min(&p->waiting))) {
        struct waiting *w = container_of(n, struct waiting, node);
        uint64_t version = n->key;
        heap_remove(&p->waiting, n);
        if (w->res.repeated) {
            heap_push(&stay, n, version);
            continue;
        }
        struct result res = {.status = GRID_EFEW_COPIES};
        s->ports.reply(s->ports.ctx, &w->to, &res);
        waiting_free(s, w);
    }
    heap_release(&p->waiting);
    p->waiting = stay;
}

void waiting_forget(struct shard *s, struct partition *p)
{
    struct heap_node *n;
    for (struct waiting *w; (w = lapsed_first(p));)
        waiting_free(s, w);
    while ((n = heap_min(&p->waiting))) {
        heap_remove(&p->waiting, n);
        waiting_free(s, container_of(n, struct waiting, node));
    }
    heap_release(&p->waiting);
}
