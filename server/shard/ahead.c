/* ahead.c - many ops at once. What an op looks at hangs together by pointers, each of which is a
 * wait for memory: partition -> content -> directory -> bucket -> entry, and sessions -> session.
 * So ops go in groups, and the group goes down these steps together: the waits of one step
 * overlap. A group is small enough for what it fetched to be in the first cache when it is used.
 * Records of a primary go the same way, be they of many partitions or of one. */
#include "shard/others_priv.h"

#include "base/prefetch.h"

enum { GROUP = 64, FIELD_ARG = 2, LINE_BYTES = 64, SET_BYTES = 256 };

/* An op and where it will look. */
struct ahead {
    struct op *op;
    const struct partition *partition;
    const struct fields *map;
};

/* A partition that other nodes have, too: all of it is looked at, */
static inline void shared_fetch(const struct partition *p)
{
    for (size_t at = 0; at < offsetof(struct partition, warm_after); at += LINE_BYTES)
        prefetch((const char *)p + at);
}

/* ... and what hangs on it. */
static inline void others_fetch(const struct partition *p)
{
    const char *set = (const char *)p->replica.set;
    for (size_t at = 0; set && at < SET_BYTES; at += LINE_BYTES)
        prefetch(set + at);
    prefetch(p->others);
}

static const struct partition *partition_ahead(struct shard *s, const struct op *op)
{
    const struct route *r = route_find(s, op->cache);
    if (!r || !op->key.len || op->partition >= r->context->info->partitions ||
        op->partition % s->conf.shards != s->conf.index)
        return NULL;
    return r->context->partitions[op->partition / s->conf.shards];
}

/* Returns how many of the group have somewhere to look. */
static size_t group_begin(struct shard *s, struct op *const *ops, size_t len, struct ahead *group)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        const struct partition *p = partition_ahead(s, ops[i]);
        if (!p)
            continue;
        prefetch(p);
        prefetch(&p->bytes);
        if (unlikely(s->sharing != NULL))
            shared_fetch(p);
        group[n++] = (struct ahead){ops[i], p, NULL};
    }
    return n;
}

/* What a call names behind its key is a field of it, if it has any. */
static bool names_field(const struct op *op)
{
    return op->kind == OP_CALL && op->args_len > FIELD_ARG && op->keys_len <= 1 && !op->finds_keys;
}

static void group_fetch_fields(struct ahead *group, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        group[i].map = content_guess_map(group[i].partition->content, group[i].op->hash);
        if (group[i].map)
            group[n++] = group[i];
    }
    for (int stage = 0; stage < FIELDS_STAGES; stage++) {
        for (size_t i = 0; i < n; i++)
            fields_prefetch(group[i].map, group[i].op->args[FIELD_ARG], !group[i].op->reads_only,
                            stage);
    }
}

static void group_fetch(struct shard *s, struct op *const *ops, size_t len)
{
    struct ahead group[GROUP], fields[GROUP];
    size_t n = group_begin(s, ops, len, group), fields_len = 0;
    for (size_t i = 0; i < n; i++)
        content_prefetch_self(group[i].partition->content);
    for (size_t i = 0; s->sharing && i < n; i++)
        others_fetch(group[i].partition);
    for (size_t i = 0; i < n; i++) {
        struct op *op = group[i].op;
        op->hash = content_hash(group[i].partition->content, cache_number(op->cache), op->key);
        if (names_field(op))
            fields[fields_len++] = group[i];
    }
    for (int stage = 0; stage < CONTENT_STAGES; stage++) {
        size_t left = 0;
        for (size_t i = 0; i < n; i++) {
            const struct op *op = group[i].op;
            if (content_prefetch(group[i].partition->content, op->hash,
                                 op->has_session ? &op->session.id : NULL,
                                 !op->reads_only && op_writes(op->kind), stage))
                group[left++] = group[i];
        }
        n = left;
    }
    group_fetch_fields(fields, fields_len);
}

void shard_submit_all(struct shard *s, struct op *const *ops, size_t len, msec_t now)
{
    for (size_t at = 0; at < len; at += GROUP) {
        size_t n = len - at < GROUP ? len - at : GROUP;
        if (n > 1)
            group_fetch(s, ops + at, n);
        for (size_t i = 0; i < n; i++)
            shard_submit(s, ops[at + i], now);
    }
}

/* --- records of a primary --------------------------------------------------------------------- */

/* A record that came, and what of it is looked at. */
struct arriving {
    const struct partition *partition;
    struct slice bytes;
    struct record head;
    uint64_t hash;
};

static void arriving_fetch(struct arriving *group, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        struct effect e;
        struct arriving *a = &group[i];
        if (!record_glance(a->bytes, &a->head, &e) || !e.key.len)
            continue;
        a->hash = content_hash(a->partition->content, e.cache, e.key);
        group[n++] = *a;
    }
    for (int stage = 0; stage < CONTENT_STAGES; stage++) {
        size_t left = 0;
        for (size_t i = 0; i < n; i++) {
            const struct arriving *a = &group[i];
            const struct session_id *id = a->head.has_session ? &a->head.session.id : NULL;
            if (content_prefetch(a->partition->content, a->hash, id, true, stage))
                group[left++] = *a;
        }
        n = left;
    }
}

void records_fetch(const struct partition *p, const struct slice *records, size_t len)
{
    struct arriving group[RECORDS_AHEAD];
    for (size_t i = 0; i < len; i++)
        group[i] = (struct arriving){.partition = p, .bytes = records[i]};
    arriving_fetch(group, len);
}

static void messages_fetch(struct shard *s, const struct shard_message *messages, size_t len)
{
    struct arriving group[GROUP];
    const struct partition *partitions[GROUP];
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        partitions[i] = partition_there(s, messages[i].context, messages[i].partition);
        if (partitions[i])
            shared_fetch(partitions[i]);
    }
    for (size_t i = 0; i < len; i++) {
        if (!partitions[i])
            continue;
        others_fetch(partitions[i]);
        if (!messages[i].records_len)
            continue;
        content_prefetch_self(partitions[i]->content);
        if (messages[i].records_len == 1) /* of more, take.c does it */
            group[n++] =
                (struct arriving){.partition = partitions[i], .bytes = messages[i].records[0]};
    }
    arriving_fetch(group, n);
}

void shard_receive_all(struct shard *s, const struct shard_message *messages, size_t len,
                       msec_t now)
{
    if (!s->sharing || !len)
        return;
    msec_t mono = mono_now(s);
    for (size_t at = 0; at < len; at += GROUP) {
        size_t n = len - at < GROUP ? len - at : GROUP;
        if (n > 1)
            messages_fetch(s, messages + at, n);
        for (size_t i = 0; i < n; i++)
            message_take(s, &messages[at + i], now, mono);
    }
}
