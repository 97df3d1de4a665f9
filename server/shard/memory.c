/* memory.c - limits: of the shard and of a context's part in it.
 *
 *   context          at the limit                                   beyond
 *   memory, refuse   FULL                                           -
 *   memory, evict    entries leave by CLOCK and are gone            limit + 1/4: FULL
 *   sync, async      clean entries leave by CLOCK, come back from   limit + 1/4 + 16 MiB: FULL
 *                    the checkpoint; too few: checkpoint soon
 *
 * The work of one op is bounded; tick does the rest. Reads and deletes need no room. At the
 * shard's limit every context that may evict gives, in turn, whoever asks. */
#include "shard/others_priv.h"

enum {
    OP_STEPS = 256,
    TICK_STEPS = 8192,
    PARTITION_STEPS = 64,
    LOOKS_MAX = 1024,
    SLACK = 16 << 20
};

static bool context_evicts(const struct context_info *info)
{
    return info->durability != DURABILITY_MEMORY || info->full_policy == FULL_EVICT;
}

static uint64_t slack(const struct context_info *info, uint64_t limit)
{
    if (info->durability != DURABILITY_MEMORY)
        return limit / 4 + SLACK;
    return info->full_policy == FULL_EVICT ? limit / 4 : 0;
}

/* Bytes above `limit` (0: none) with `need` more. */
static uint64_t above(uint64_t limit, uint64_t used, size_t need)
{
    uint64_t want = used + need;
    return limit && want > limit ? want - limit : 0;
}

bool memory_warm_room(const struct shard *s, const struct partition *p)
{
    const struct shard_context *c = p->context;
    return (!c->limit || c->bytes < c->limit - c->limit / 8) &&
           (!s->conf.memory_limit || s->bytes < s->conf.memory_limit - s->conf.memory_limit / 8);
}

/* --- eviction --------------------------------------------------------------------------------- */

static bool may_evict(const struct partition *p)
{
    return p->context && !p->damaged && !p->unfolded && !content_watched(p->content) &&
           context_evicts(p->context->info);
}

/* Of a memory context that other nodes hold, too: what leaves is removed by a record, so that all
 * copies stay the same (R14). */
ASIDE static uint64_t evict_by_record(struct shard *s, struct partition *p, unsigned allowed,
                                      unsigned *ret_taken)
{
    const struct entry *victims[PARTITION_STEPS];
    struct effect effects[PARTITION_STEPS];
    *ret_taken = allowed;
    if (p->gate != GATE_OPEN)
        return 0;
    size_t len = content_victims(p->content, allowed, victims, PARTITION_STEPS, ret_taken);
    for (size_t i = 0; i < len; i++)
        effects[i] = (struct effect){
            .kind = EFFECT_REMOVE, .cache = entry_cache(victims[i]), .key = entry_key(victims[i])};
    struct record rec = {.effects = effects, .effects_len = len, .time_ms = s->now};
    struct answer none = {.status = GRID_OK};
    return len && !record_make(s, p, &rec, NULL, &none) ? len : 0;
}

/* Evict from `p` until `bytes` are free or its steps are used up. */
static void partition_evict(struct shard *s, struct partition *p, uint64_t bytes, unsigned *steps)
{
    bool memory = p->context->info->durability == DURABILITY_MEMORY;
    unsigned allowed = *steps < PARTITION_STEPS ? *steps : PARTITION_STEPS;
    unsigned taken = 0;
    uint64_t entries = 0;
    if (unlikely(memory && p->replica.ports))
        entries = evict_by_record(s, p, allowed, &taken);
    else
        content_evict(p->content, memory ? EVICT_FOR_EVER : EVICT_CLEAN, bytes, allowed, &taken,
                      &entries);
    *steps -= taken < *steps ? taken : *steps;
    s->stats.evicted += entries;
    p->evictions += entries;
    if (entries)
        partition_account(s, p);
}

static void context_evict(struct shard *s, struct shard_context *c, size_t need, unsigned *steps)
{
    uint32_t looks = c->partitions_len < LOOKS_MAX ? c->partitions_len : LOOKS_MAX;
    for (; looks && *steps; looks--) {
        uint64_t excess = above(c->limit, c->bytes, need);
        if (!excess)
            return;
        c->hand = (c->hand + 1) % c->partitions_len;
        struct partition *p = c->partitions[c->hand];
        if (p && may_evict(p))
            partition_evict(s, p, excess, steps);
    }
}

static void shard_evict(struct shard *s, size_t need, unsigned *steps)
{
    size_t looks = s->partitions_len < LOOKS_MAX ? s->partitions_len : LOOKS_MAX;
    for (; looks && *steps; looks--) {
        uint64_t excess = above(s->conf.memory_limit, s->bytes, need);
        if (!excess)
            return;
        struct partition *p = list_entry(s->partitions.next, struct partition, link);
        list_remove(&p->link);
        list_push_back(&s->partitions, &p->link);
        if (may_evict(p))
            partition_evict(s, p, excess, steps);
    }
}

/* --- asking for room -------------------------------------------------------------------------- */

static bool over(const struct shard *s, const struct shard_context *c, size_t need)
{
    return above(c->limit, c->bytes, need) || above(s->conf.memory_limit, s->bytes, need);
}

static bool over_slack(const struct shard *s, const struct shard_context *c, size_t need)
{
    uint64_t context = c->limit ? c->limit + slack(c->info, c->limit) : 0;
    uint64_t all = s->conf.memory_limit;
    all = all ? all + slack(c->info, all) : 0;
    return above(context, c->bytes, need) || above(all, s->bytes, need);
}

void memory_give(struct shard *s, struct partition *p, size_t need)
{
    unsigned steps = OP_STEPS;
    if (likely(!over(s, p->context, need)))
        return;
    context_evict(s, p->context, need, &steps);
    shard_evict(s, need, &steps);
}

enum room memory_room(struct shard *s, struct partition *p, size_t need, bool evict)
{
    struct shard_context *c = p->context;
    if (likely(!over(s, c, need)) || !need)
        return ROOM_THERE;
    uint64_t before = s->stats.evicted;
    if (evict)
        memory_give(s, p, need);
    if (s->stats.evicted != before)
        return ROOM_MADE;
    if (over(s, c, need) && c->info->durability != DURABILITY_MEMORY)
        s->ports.checkpoint_soon(s->ports.ctx);
    return over_slack(s, c, need) ? ROOM_FULL : ROOM_THERE;
}

bool memory_tick(struct shard *s)
{
    uint64_t before = s->stats.evicted;
    unsigned steps = TICK_STEPS;
    bool still = false;
    for (uint32_t id = 0; id < s->contexts_len; id++) {
        struct shard_context *c = s->contexts[id];
        if (!c || !above(c->limit, c->bytes, 0))
            continue;
        context_evict(s, c, 0, &steps);
        still |= above(c->limit, c->bytes, 0) != 0;
    }
    shard_evict(s, 0, &steps);
    still |= above(s->conf.memory_limit, s->bytes, 0) != 0;
    if (still)
        s->ports.checkpoint_soon(s->ports.ctx);
    return still && s->stats.evicted != before;
}
