/* ahead.c - many ops at once. What an op looks at hangs together by pointers, each of which is a
 * wait for memory: partition -> content -> directory -> bucket -> entry, and sessions -> session.
 * So ops go in groups, and the group goes down these steps together: the waits of one step
 * overlap. A group is small enough for what it fetched to be in the first cache when it is used. */
#include "shard/shard_priv.h"

enum { GROUP = 64, FIELD_ARG = 2 };

/* An op and where it will look. */
struct ahead {
    struct op *op;
    const struct partition *partition;
    const struct fields *map;
};

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
        __builtin_prefetch(p);
        __builtin_prefetch(&p->bytes);
        group[n++] = (struct ahead){ops[i], p, NULL};
    }
    return n;
}

/* What a call names behind its key is a field of it, if it has any. */
static bool names_field(const struct op *op)
{
    return op->kind == OP_CALL && op->args_len > FIELD_ARG && op->keys_len <= 1;
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
