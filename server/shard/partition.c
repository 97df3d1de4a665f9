/* partition.c - a partition's life and what it holds.
 *
 *   complete --evicted--> incomplete --warm-up done--> complete   (memory contexts stay complete)
 *   any --found damaged--> damaged --given up--> incomplete
 *   any --context dropped--> dropped --nothing names it, content purged--> freed */
#include "shard/others_priv.h"

#include <stdlib.h>

enum { DOOMED_BUCKETS = 2048 };

static struct content *content_make(const struct shard *s, const struct shard_context *c)
{
    struct content *content = content_new(s->pool, s->conf.hash_seed);
    if (c->info->durability != DURABILITY_MEMORY)
        content_set_stored(content);
    return content;
}

void partition_led_look(struct shard *s, struct partition *p)
{
    bool serves = p->gate == GATE_OPEN || p->gate == GATE_FEW || p->gate == GATE_READS;
    bool led = p->context && p->role == REPLICA_PRIMARY && serves;
    if (likely(p->led == led))
        return;
    p->led = led;
    if (s->ports.led)
        s->ports.led(s->ports.ctx, p->context_id, p->index, led);
}

static struct partition *partition_new(struct shard *s, struct shard_context *c, uint16_t index)
{
    struct partition *p = xcalloc(1, sizeof *p);
    p->context = c;
    p->context_id = c->id;
    p->index = index;
    p->content = content_make(s, c);
    partition_share(s, p);
    list_init(&p->link);
    list_push_back(&s->partitions, &p->link);
    s->partitions_len++;
    partition_account(s, p);
    partition_led_look(s, p);
    return p;
}

struct partition *partition_of(struct shard *s, struct shard_context *c, uint16_t index)
{
    struct partition **place = &c->partitions[index / s->conf.shards];
    if (unlikely(!*place))
        *place = partition_new(s, c, index);
    return *place;
}

static struct heap *expiry_heap(struct shard *s, const struct partition *p)
{
    bool memory = p->context && p->context->info->durability == DURABILITY_MEMORY;
    return memory ? &s->expiry_memory : &s->expiry;
}

void partition_free(struct shard *s, struct partition *p)
{
    waiting_forget(s, p);
    list_for_each_safe (it, &p->queue)
        parked_free(s, list_entry(it, struct parked, link));
    partition_unshare(s, p);
    sweep_forget(s, p);
    heap_remove(expiry_heap(s, p), &p->expiry);
    list_remove(&p->link);
    s->partitions_len--;
    s->bytes -= p->bytes;
    content_free(p->content);
    free(p);
}

void partition_drop(struct shard *s, struct partition *p)
{
    partition_leave(s, p);
    heap_remove(expiry_heap(s, p), &p->expiry);
    p->context->bytes -= p->bytes;
    p->context = NULL;
    partition_led_look(s, p);
}

void partition_damage(struct shard *s, struct partition *p)
{
    p->damaged = true;
    if (p->gate != GATE_AWAY && p->gate != GATE_LOST)
        gate_put(p, GATE_DAMAGED); /* at once */
    partition_led_look(s, p);
    content_set_complete(p->content, false); /* counts and entries need not agree any more */
    partition_account(s, p);
}

/* What is large is not freed at once. */
struct doomed {
    struct list link; /* in shard.doomed */
    struct content *content;
    uint64_t cursor;
};

static void content_doom(struct shard *s, struct content *content)
{
    struct doomed *d = xalloc(sizeof *d);
    *d = (struct doomed){.content = content};
    list_push_back(&s->doomed, &d->link);
}

static bool all_gone(void *ctx, uint16_t cache)
{
    (void)ctx;
    (void)cache;
    return true;
}

static void doomed_free(struct doomed *d)
{
    content_free(d->content);
    list_remove(&d->link);
    free(d);
}

bool doomed_tick(struct shard *s)
{
    if (list_empty(&s->doomed))
        return false;
    struct doomed *d = list_entry(s->doomed.next, struct doomed, link);
    unsigned buckets = DOOMED_BUCKETS;
    if (content_purge(d->content, all_gone, NULL, &d->cursor, &buckets))
        doomed_free(d);
    return !list_empty(&s->doomed);
}

void doomed_release(struct shard *s)
{
    list_for_each_safe (it, &s->doomed)
        doomed_free(list_entry(it, struct doomed, link));
}

void partition_empty(struct shard *s, struct partition *p)
{
    content_doom(s, p->content);
    p->content = content_make(s, p->context);
    content_set_complete(p->content, false);
    content_committed(p->content, p->replica.commit);
    p->tidy = p->damaged = false;
    gate_look(s, p);
    p->warm_retry_at = p->warm_failures = 0;
    p->replica.copying = p->replica.broken = p->replica.stray = false;
    p->evictions++; /* scans and the warm-up must look again */
    cold_ask_again(s, p);
    sweep_forget(s, p);
    partition_account(s, p);
}

/* A copy begins to come in. */
void partition_wipe(struct shard *s, struct partition *p)
{
    content_doom(s, p->content);
    p->content = content_make(s, p->context);
    content_set_copying(p->content);
    p->tidy = p->damaged = p->unfolded = false;
    gate_look(s, p);
    p->warm_retry_at = p->warm_failures = 0;
    p->evictions++; /* scans and the warm-up must look again */
    cold_ask_again(s, p);
    sweep_forget(s, p);
    partition_account(s, p);
}

/* Count what changed in memory, and when the next deadline is. */
void partition_account(struct shard *s, struct partition *p)
{
    uint64_t bytes = content_bytes(p->content);
    s->bytes += bytes - p->bytes;
    if (!p->context) {
        p->bytes = bytes;
        return;
    }
    p->context->bytes += bytes - p->bytes;
    p->bytes = bytes;
    /* who does not decide, expires nothing (R14) */
    msec_t next = unlikely(p->gate != GATE_OPEN) ? 0 : content_expiry_next(p->content);
    if (likely(next == p->expiry.key))
        return;
    heap_remove(expiry_heap(s, p), &p->expiry);
    p->expiry.key = 0;
    if (next)
        heap_push(expiry_heap(s, p), &p->expiry, next);
}

bool partition_has_cache(const struct shard *s, const struct partition *p, uint32_t cache)
{
    return !catalog_dropped(s->catalog, p->context_id, cache);
}

void partition_committed(struct shard *s, struct partition *p)
{
    uint64_t commit = p->replica.commit;
    if (unlikely(p->others != NULL) && commit > partition_applied(p))
        commit = partition_applied(p);
    p->tidy = content_committed(p->content, commit);
    partition_account(s, p);
    waiting_answer(s, p);
}

enum grid_err partition_insert_cold(struct shard *s, struct partition *p, uint32_t cache,
                                    const struct cold_entry *e, uint64_t hash)
{
    struct entry_parts parts = {.key = e->key,
                                .affinity = e->affinity,
                                .value = e->value,
                                .type = e->type,
                                .version = e->version,
                                .deadline = e->deadline,
                                .cache = (uint16_t)cache};
    enum grid_err err = content_insert_cold(p->content, &parts, hash);
    partition_account(s, p);
    return err;
}
