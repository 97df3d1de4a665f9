/* digest.c - the sum of what a shard holds of a partition, to be compared with what others hold
 * (verify): the same for equal content, however it lies in memory and on disk.
 *
 *   SESSIONS --> MEMORY --> DISK, if not all is in memory --> answered
 *
 * By slices. When a record comes between, it begins again; who wants an answer for certain freezes
 * the partition before (shard_freeze). Nothing else is compared but what records say: so counts of
 * entries are the sums' own. */
#include "data/fields.h"
#include "base/hash.h"
#include "shard/others_priv.h"

#include <stdlib.h>

enum {
    BUCKETS_PER_TURN = 512,
    SESSIONS_PER_TURN = 256,
    PAGE_ENTRIES = 500,
    PAGE_BYTES = 256 << 10,
    BEGINNINGS_MAX = 20,
};

enum digest_phase { DIGEST_SESSIONS, DIGEST_MEMORY, DIGEST_DISK, DIGEST_DONE };

struct digest {
    struct list link; /* in shard.digests */
    struct partition *partition;
    struct ticket to;
    enum digest_phase phase;
    unsigned beginnings;
    bool asked;
    bool incomplete;
    struct buf ids;
    uint64_t version, cursor, evictions;
    uint64_t sum, entries;
    uint32_t cache;
    uint16_t after_len;
    uint8_t after[KEY_BYTES_MAX];
    uint64_t clean; /* MEMORY passed over what is as old */
};

/* --- one entry -------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t with)
{
    h = (h ^ with) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 29;
}

static void field_sum(void *ctx, struct slice field, struct slice value)
{
    *(uint64_t *)ctx += mix(hash_key(field, 3), hash_key(value, 5));
}

/* Of the stored form; the order of fields means nothing. */
static uint64_t value_sum(uint8_t type, struct fields_view fields, struct slice value)
{
    uint64_t sum = 0;
    if (type != VALUE_HASH)
        return hash_key(value, 7);
    fields_each(fields, field_sum, &sum);
    return sum;
}

static void sum_add(struct digest *d, const struct cold_entry *e, uint32_t cache, uint64_t value)
{
    uint64_t h = mix(hash_key(e->key, 1), hash_key(e->affinity, 2));
    h = mix(mix(h, value), e->version);
    d->sum += mix(mix(h, e->deadline), (uint64_t)e->type << 32 | cache);
    d->entries++;
}

static void entry_sum(void *ctx, const struct entry *e)
{
    struct digest *d = ctx;
    if (entry_is_tombstone(e) || entry_version(e) <= d->clean)
        return;
    struct cold_entry c = {.key = entry_key(e),
                           .affinity = entry_affinity(e),
                           .version = entry_version(e),
                           .deadline = entry_deadline(e),
                           .type = (uint8_t)entry_type(e)};
    struct fields_view fields = {0};
    if (c.type == VALUE_HASH)
        fields = entry_fields(e);
    sum_add(d, &c, entry_cache(e), value_sum(c.type, fields, entry_value(e)));
}

/* --- slices ----------------------------------------------------------------------------------- */

static void digest_begin(struct digest *d)
{
    struct partition *p = d->partition;
    d->phase = DIGEST_SESSIONS;
    d->version = replica_last(&p->replica);
    d->evictions = p->evictions;
    d->incomplete = !content_complete(p->content);
    /* an entry that is as old is in the checkpoint, and is told by it alone */
    d->clean = d->incomplete ? content_clean(p->content) : 0;
    d->cursor = d->sum = d->entries = 0;
    d->cache = d->after_len = 0;
    d->ids.len = 0;
    d->beginnings++;
    sessions_ids(content_sessions(p->content), &d->ids);
}

static void digest_end(struct shard *s, struct digest *d, enum grid_err err)
{
    struct result res = {.status = err, .version = d->version, .number = (int64_t)d->sum};
    s->ports.reply(s->ports.ctx, &d->to, &res);
    list_remove(&d->link);
    d->partition->holds--;
    buf_release(&d->ids);
    free(d);
}

static void sessions_sum(struct digest *d, struct buf *stored)
{
    for (int i = 0; i < SESSIONS_PER_TURN && d->ids.len; i++) {
        struct session_id id;
        d->ids.len -= SESSION_ID_BYTES;
        memcpy(id.bytes, d->ids.data + d->ids.len, SESSION_ID_BYTES);
        stored->len = 0;
        if (sessions_store(content_sessions(d->partition->content), &id, stored))
            d->sum +=
                hash_key(buf_slice(stored), hash_key(slice_make(id.bytes, SESSION_ID_BYTES), 11));
    }
    if (!d->ids.len)
        d->phase = DIGEST_MEMORY;
}

static void memory_sum(struct digest *d)
{
    for (int i = 0; i < BUCKETS_PER_TURN; i++) {
        d->cursor = content_scan(d->partition->content, d->cursor, entry_sum, d);
        if (d->cursor)
            continue;
        d->phase = d->incomplete ? DIGEST_DISK : DIGEST_DONE;
        return;
    }
}

static void disk_ask(struct shard *s, struct digest *d)
{
    struct cold_range range = {.kind = COLD_DIGEST,
                               .cache = UINT32_MAX,
                               .after_cache = d->cache,
                               .after = slice_make(d->after, d->after_len),
                               .limit = PAGE_ENTRIES,
                               .bytes = PAGE_BYTES};
    d->asked = true;
    cold_ask_range(s, d->partition, &range, d);
}

/* Whether what was summed up so far is still what is there. */
static bool digest_stands(const struct digest *d)
{
    const struct partition *p = d->partition;
    return d->version == replica_last(&p->replica) && partition_applied(p) == d->version &&
           (d->incomplete ? content_clean(p->content) == d->clean : d->evictions == p->evictions);
}

void digest_answer(struct shard *s, struct digest *d, const struct cold_page *page)
{
    d->asked = false;
    if (page->err || !digest_stands(d)) {
        d->version = UINT64_MAX; /* from the start */
        return;
    }
    struct content *content = d->partition->content;
    for (size_t i = 0; i < page->len; i++) {
        const struct cold_entry *e = &page->entries[i];
        uint32_t cache = page->caches[i];
        const struct entry *there =
            content_get(content, cache, e->key, content_hash(content, cache, e->key));
        struct fields_view fields = {.packed = e->value};
        /* what memory has newer was counted there */
        if (partition_has_cache(s, d->partition, cache) &&
            (!there || entry_version(there) <= d->clean))
            sum_add(d, e, cache, value_sum(e->type, fields, e->value));
        d->cache = cache;
        d->after_len = (uint16_t)e->key.len;
        memcpy(d->after, e->key.data, e->key.len);
    }
    if (page->done)
        d->phase = DIGEST_DONE;
}

/* False: it has ended. */
static bool digest_step(struct shard *s, struct digest *d)
{
    const struct partition *p = d->partition;
    if (d->asked)
        return true;
    if (!p->context || p->damaged || content_copying(p->content)) {
        digest_end(s, d, GRID_ENOT_PRIMARY);
        return false;
    }
    if (!digest_stands(d)) {
        if (d->beginnings == BEGINNINGS_MAX) {
            digest_end(s, d, GRID_EBUSY);
            return false;
        }
        digest_begin(d);
    }
    if (d->phase == DIGEST_SESSIONS)
        sessions_sum(d, &s->digest_bytes);
    else if (d->phase == DIGEST_MEMORY)
        memory_sum(d);
    else if (d->phase == DIGEST_DISK)
        disk_ask(s, d);
    if (d->phase != DIGEST_DONE)
        return true;
    digest_end(s, d, GRID_OK);
    return false;
}

bool digests_run(struct shard *s)
{
    bool more = false;
    list_for_each_safe (it, &s->digests) {
        struct digest *d = list_entry(it, struct digest, link);
        if (digest_step(s, d))
            more |= !d->asked;
    }
    return more;
}

void digests_release(struct shard *s)
{
    list_for_each_safe (it, &s->digests) {
        struct digest *d = list_entry(it, struct digest, link);
        d->partition->holds--;
        buf_release(&d->ids);
        free(d);
    }
    buf_release(&s->digest_bytes);
}

/* --- asked for -------------------------------------------------------------------------------- */

void shard_digest(struct shard *s, uint32_t context, uint16_t partition, const struct ticket *to)
{
    struct partition *p = partition_there(s, context, partition);
    if (!p || p->damaged) {
        struct result res = {.status = p ? GRID_EDAMAGED : GRID_ENOT_PRIMARY};
        s->ports.reply(s->ports.ctx, to, &res);
        return;
    }
    struct digest *d = xcalloc(1, sizeof *d);
    d->partition = p;
    d->to = *to;
    d->version = UINT64_MAX; /* it begins with the next step */
    p->holds++;
    list_push_back(&s->digests, &d->link);
}

bool shard_freeze(struct shard *s, uint32_t context, uint16_t partition, msec_t ms, msec_t now)
{
    struct partition *p = partition_there(s, context, partition);
    if (!p || !s->sharing || p->role != REPLICA_PRIMARY)
        return false;
    p->frozen_until = ms ? now + ms : 0;
    partition_touch(s, p);
    if (ms && list_empty(&p->holding)) /* it is looked at until it thaws */
        list_push_back(&s->holding, &p->holding);
    return true;
}
