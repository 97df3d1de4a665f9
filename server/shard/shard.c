/* shard.c - making a shard, its catalog, its numbers, its invariant.
 *
 *              submit                          ports
 *   ops ----> job.c -> read.c, scan.c  ------> reply
 *                |  \-> write.c (evaluate.c, batch.c) -> log_append
 *                |            |  apply, pending
 *                v            v
 *             park.c      partition.c --- memory.c (limits), marks.c (clean versions)
 *                |
 *             cold.c  <------> cold_get, cold_scan   tick.c: expiry, sessions, eviction, purge */
#include "shard/others_priv.h"

#include <stdlib.h>

struct shard *shard_new(const struct shard_conf *conf, const struct shard_ports *ports,
                        struct catalog *catalog)
{
    CHECK(conf->shards > 0 && conf->index < conf->shards && conf->epoch > 0);
    struct shard *s = xcalloc(1, sizeof *s);
    s->conf = *conf;
    s->ports = *ports;
    s->pool = entry_pool_new();
    s->call.prng.state = conf->hash_seed;
    list_init(&s->partitions);
    list_init(&s->parked_ops);
    list_init(&s->ready);
    order_init(&s->order);
    list_init(&s->holding);
    list_init(&s->digests);
    list_init(&s->doomed);
    list_init(&s->promises.partitions);
    if (ports->grid)
        sharing_init(s);
    marks_init(&s->marks);
    cold_init(s);
    shard_set_catalog(s, catalog);
    return s;
}

static void contexts_free(struct shard *s)
{
    for (uint32_t id = 0; id < s->contexts_len; id++) {
        if (!s->contexts[id])
            continue;
        free(s->contexts[id]->partitions);
        free(s->contexts[id]);
    }
    free(s->contexts);
}

void shard_free(struct shard *s)
{
    if (!s)
        return;
    cold_release(s);
    digests_release(s);
    marks_release(&s->marks);
    for (; s->inflight_len; s->inflight_len--) {
        s->inflight[s->inflight_first].partition->holds--;
        free((void *)(uintptr_t)s->inflight[s->inflight_first].answer.bytes.data);
        s->inflight_first = (s->inflight_first + 1) & (s->inflight_cap - 1);
    }
    free(s->inflight);
    list_for_each_safe (it, &s->parked_ops)
        parked_free(s, list_entry(it, struct parked, link));
    promises_forget(s);
    list_for_each_safe (it, &s->partitions)
        partition_free(s, list_entry(it, struct partition, link));
    contexts_free(s);
    doomed_release(s);
    sharing_release(s);
    promises_release(&s->promises);
    heap_release(&s->expiry);
    heap_release(&s->expiry_memory);
    call_memory_release(&s->call);
    free(s->keys);
    free(s->effects);
    free(s->items);
    scan_numbers_release(&s->scan_numbers);
    buf_release(&s->shown);
    free(s->bucket);
    entry_pool_free(s->pool);
    catalog_unref(s->catalog);
    free(s);
}

/* --- catalog ---------------------------------------------------------------------------------- */

static struct shard_context *context_new(const struct shard_conf *conf,
                                         const struct context_info *info)
{
    struct shard_context *c = xcalloc(1, sizeof *c);
    c->id = info->id;
    c->partitions_len = (info->partitions + conf->shards - 1) / conf->shards;
    c->partitions = xcalloc(c->partitions_len, sizeof(struct partition *));
    return c;
}

static void context_update(struct shard *s, const struct context_info *info)
{
    if (info->id >= s->contexts_len) {
        uint32_t len = info->id + 1;
        s->contexts = xrealloc(s->contexts, len, sizeof(struct shard_context *));
        memset(s->contexts + s->contexts_len, 0,
               (len - s->contexts_len) * sizeof(struct shard_context *));
        s->contexts_len = len;
    }
    if (!s->contexts[info->id])
        s->contexts[info->id] = context_new(&s->conf, info);
    struct shard_context *c = s->contexts[info->id];
    c->info = info;
    c->limit = info->memory_limit / s->conf.shards + (info->memory_limit != 0);
}

/* The partitions of a dropped context go on by themselves until nothing names them; tick purges
 * them. */
static void context_drop(struct shard *s, struct shard_context *c)
{
    for (uint32_t i = 0; i < c->partitions_len; i++) {
        if (c->partitions[i])
            partition_drop(s, c->partitions[i]);
    }
    s->contexts[c->id] = NULL;
    free(c->partitions);
    free(c);
}

/* Whether a cache of it has gone since: each that came took a number. */
static bool caches_gone(const struct context_info *before, const struct context_info *after)
{
    return !before || !after ||
           after->cache_next - before->cache_next != after->caches_len - before->caches_len;
}

/* What may hold entries that nobody can ask for any more is purged. */
static void purge_begin(struct shard *s, const struct catalog *before)
{
    list_for_each (it, &s->partitions) {
        struct partition *p = list_entry(it, struct partition, link);
        const struct context_info *was = before ? catalog_context(before, p->context_id) : NULL;
        if (p->context && !caches_gone(was, p->context->info))
            continue;
        p->purge = true;
        p->purge_cursor = 0;
    }
}

void shard_set_catalog(struct shard *s, struct catalog *catalog)
{
    struct catalog *old = s->catalog;
    s->catalog = catalog_ref(catalog);
    memset(s->routes, 0, sizeof s->routes);
    for (uint32_t id = 0; id < s->contexts_len; id++) {
        if (s->contexts[id] && !catalog_context(catalog, id))
            context_drop(s, s->contexts[id]);
    }
    for (size_t i = 0; i < catalog->contexts_len; i++)
        context_update(s, &catalog->contexts[i]);
    purge_begin(s, old);
    catalog_unref(old);
}

struct key_state *scratch_keys(struct shard *s, uint32_t len)
{
    if (len > s->keys_cap) {
        s->keys = xrealloc(s->keys, len, sizeof *s->keys);
        s->keys_cap = len;
    }
    return s->keys;
}

size_t shard_value_max(const struct shard *s)
{
    return (size_t)catalog_setting(s->catalog, SETTING_max_value);
}

struct effect *scratch_effects(struct shard *s, uint32_t len)
{
    if (len > s->effects_cap) {
        s->effects = xrealloc(s->effects, len, sizeof *s->effects);
        s->effects_cap = len;
    }
    return s->effects;
}

struct shard_context *shard_context_of(const struct shard *s, uint32_t id)
{
    return id < s->contexts_len ? s->contexts[id] : NULL;
}

/* --- the clean version ------------------------------------------------------------------------ */

static void mark_reached(void *ctx, struct partition *p, uint64_t version)
{
    p->unfolded = false;
    if (unlikely(p->others != NULL) && version > partition_applied(p)) {
        p->others->clean_due = version;
        version = partition_applied(p);
    }
    p->tidy = content_cleaned(p->content, version);
    partition_account(ctx, p);
}

void shard_checkpointed(struct shard *s, uint64_t lsn)
{
    marks_reach(&s->marks, lsn, mark_reached, s);
}

struct lost {
    shard_lost_fn *each;
    void *ctx;
};

static void lost_mark(void *ctx, struct partition *p, uint64_t version)
{
    struct lost *l = ctx;
    if (p->context)
        l->each(l->ctx, p->context_id, p->index, version);
}

uint64_t shard_log_lost(struct shard *s, uint64_t first, uint64_t last, shard_lost_fn *each,
                        void *ctx)
{
    struct lost l = {each, ctx};
    return marks_between(&s->marks, first, last, lost_mark, &l);
}

struct chunks *shard_memory(const struct shard *s)
{
    return slab_source(entry_pool_slab(s->pool));
}

/* --- numbers ---------------------------------------------------------------------------------- */

void shard_stats(const struct shard *s, struct shard_stats *ret_stats)
{
    *ret_stats = s->stats;
    ret_stats->memory_bytes = s->bytes + entry_pool_bytes(s->pool);
    ret_stats->entry_bytes = s->bytes;
    ret_stats->memory_limit = s->conf.memory_limit;
    ret_stats->parked = s->parked;
    list_for_each (it, &s->partitions) {
        const struct partition *p = list_entry(it, struct partition, link);
        if (!p->context)
            continue;
        ret_stats->entries += content_total(p->content);
        ret_stats->partitions++;
        ret_stats->partitions_complete += content_complete(p->content);
        ret_stats->partitions_damaged += p->damaged;
        ret_stats->bytes_left += copies_left(p);
        if (p->role != REPLICA_PRIMARY)
            continue;
        ret_stats->entries_led += content_total(p->content);
        ret_stats->pending_records += replica_last(&p->replica) - p->replica.commit;
    }
}

static const char *role_name(const struct partition *p)
{
    static const char *const names[] = {
        [REPLICA_NONE] = "none",     [REPLICA_JOINING] = "joining", [REPLICA_ELIGIBLE] = "eligible",
        [REPLICA_BACKUP] = "backup", [REPLICA_PRIMARY] = "primary", [REPLICA_WAITING] = "waiting",
    };
    return names[p->role];
}

static const char *state_name(const struct partition *p)
{
    if (p->damaged)
        return "damaged";
    if (p->lost)
        return "lost";
    if (content_copying(p->content))
        return "copying";
    switch ((enum gate)p->gate) {
    case GATE_HOLD:
        return "taking over";
    case GATE_READS:
        return "handing over";
    case GATE_FEW:
        return "too few copies";
    case GATE_OPEN:
    case GATE_AWAY:
    case GATE_LOST:
    case GATE_DAMAGED:
        break;
    }
    return content_complete(p->content) ? "ok" : "warming";
}

bool shard_partition_info(const struct shard *s, uint32_t context, uint16_t partition,
                          struct shard_partition_info *ret_info)
{
    const struct shard_context *c = shard_context_of(s, context);
    if (!c || partition >= c->info->partitions || partition % s->conf.shards != s->conf.index)
        return false;
    const struct partition *p = c->partitions[partition / s->conf.shards];
    *ret_info = (struct shard_partition_info){
        .epoch = s->conf.epoch, .role = s->sharing ? "none" : "primary", .state = "ok"};
    if (!p)
        return true;
    ret_info->epoch = p->replica.epoch;
    ret_info->version = replica_last(&p->replica);
    ret_info->commit = p->replica.commit;
    ret_info->entries = content_total(p->content);
    ret_info->bytes = p->bytes;
    ret_info->damaged = p->damaged;
    ret_info->role = role_name(p);
    ret_info->state = state_name(p);
    ret_info->bytes_left = copies_left(p);
    struct replica_view view;
    while (replica_view(&p->replica, ret_info->members, &view))
        ret_info->members++;
    return true;
}

void shard_context_usage(const struct shard *s, uint32_t context, struct shard_usage *ret_usage)
{
    const struct shard_context *c = shard_context_of(s, context);
    *ret_usage = (struct shard_usage){.bytes = c ? c->bytes : 0};
    for (uint32_t i = 0; c && i < c->partitions_len; i++) {
        const struct partition *p = c->partitions[i];
        if (p && p->role == REPLICA_PRIMARY)
            ret_usage->entries += content_total(p->content);
    }
}

uint64_t shard_cache_entries(const struct shard *s, uint32_t cache)
{
    const struct shard_context *c = shard_context_of(s, cache_context(cache));
    uint64_t n = 0;
    for (uint32_t i = 0; c && i < c->partitions_len; i++) {
        if (c->partitions[i] && c->partitions[i]->role == REPLICA_PRIMARY)
            n += content_count(c->partitions[i]->content, cache_number(cache));
    }
    return n;
}

uint64_t shard_partition_entries(const struct shard *s, uint32_t cache, uint16_t partition)
{
    const struct shard_context *c = shard_context_of(s, cache_context(cache));
    if (!c || partition >= c->info->partitions || partition % s->conf.shards != s->conf.index)
        return 0;
    const struct partition *p = c->partitions[partition / s->conf.shards];
    return p ? content_count(p->content, cache_number(cache)) : 0;
}

/* --- invariants ------------------------------------------------------------------------------- */

/* Who waits, waits for something. */
static void queue_check(const struct partition *p)
{
    uint32_t queued = 0, held = 0, leases = 0;
    list_for_each (it, &p->queue) {
        const struct parked *w = list_entry(it, struct parked, link);
        CHECK(w->partition == p && !w->gone && (w->held || w->missing || w->behind));
        queued++;
        held += w->held != HELD_NOT;
        leases += w->held == HELD_LEASE;
    }
    CHECK(queued == p->queued && held == p->held && leases == p->leases);
}

static void partition_check(const struct partition *p)
{
    replica_check(&p->replica);
    content_check(p->content);
    heap_check(&p->waiting);
    struct heap_node *n = heap_min(&p->waiting);
    CHECK(!n || replica_pending(&p->replica, n->key) || p->replica.commit != p->committed);
    CHECK(content_clean(p->content) <= replica_last(&p->replica));
    CHECK(content_last(p->content) <= replica_last(&p->replica));
    CHECK(p->bytes == content_bytes(p->content));
    CHECK(!p->expiry.place || p->expiry.key == content_expiry_next(p->content));
    CHECK(p->expiry.place || !p->context || p->gate != GATE_OPEN ||
          !content_expiry_next(p->content));
    CHECK(p->gate != GATE_OPEN ||
          (p->role == REPLICA_PRIMARY && !p->damaged && !p->lost && !wipe_due(p)));
    CHECK((p->promises.first == 0) == list_empty(&p->promises.link));
    CHECK((!p->held && list_empty(&p->lapsed)) || !list_empty(&p->holding));
    CHECK(!p->led || (p->context && p->role == REPLICA_PRIMARY));
    CHECK(p->shut == (p->gate != GATE_OPEN || p->queued));
    queue_check(p);
}

void shard_check(const struct shard *s)
{
    uint64_t bytes = 0;
    size_t partitions = 0;
    list_for_each (it, &s->partitions) {
        const struct partition *p = list_entry(it, struct partition, link);
        partition_check(p);
        partition_tail_check(s, p);
        bytes += p->bytes;
        partitions++;
    }
    CHECK(bytes == s->bytes && partitions == s->partitions_len);
    heap_check(&s->expiry);
    heap_check(&s->expiry_memory);
    uint64_t lsn = 0;
    for (size_t i = 0; i < s->inflight_len; i++) {
        const struct inflight *f = &s->inflight[(s->inflight_first + i) & (s->inflight_cap - 1)];
        CHECK(f->lsn > lsn);
        CHECK(s->sharing || f->version <= replica_last(&f->partition->replica));
        lsn = f->lsn;
    }
    if (s->sharing)
        tail_check(&s->sharing->tail);
    CHECK(s->parked <= PARKED_MAX && s->parked_bytes <= PARKED_BYTES_MAX);
    CHECK(list_empty(&s->ready));
    order_check(&s->order);
}
