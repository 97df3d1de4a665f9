/* maps.c - maps over a cache: asks for partitions where they are led, as server/node/mapping.c has
 * it, of snapshots that are read by slices while all goes on. What a map says of a key is a read of
 * it between its beginning and its end, and the history is judged with it; what it says twice is a
 * fault at once. */
#include "tests/sim/whole/world.h"

#include "base/alloc.h"
#include "command/procedures.h"
#include "shard/snapshot.h"
#include "coordination/gather.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    MAP_NUMBER = 126,
    MAP_ARGS_LEN = 2,
    ASKS = 64,
    ASK_MS = 3000,
    SLICE_MS = 40,
    PART_BYTES = 1 << 20,
    CLIENT_OF_MAPS = 200,
};

struct map_ask { /* under way */
    struct gather_ask ask;
    uint64_t attempt; /* 0: the place is free */
    unsigned node;
    uint64_t life;
    msec_t sent_at;
};

struct simmap {
    bool open;
    unsigned context;
    msec_t began;
    struct gather *gather;
    struct map_ask asks[ASKS];
    unsigned seen[KEYS];
    struct told keys[KEYS];
    unsigned parts[PARTITIONS]; /* how often each was counted */
};

/* At the shard that has it. */
struct map_part {
    struct list here;
    struct simshard *shard;
    uint64_t life;
    struct op op;
    uint16_t todo[PARTITIONS], done[PARTITIONS];
    uint32_t len, at, done_len;
    struct snapshot *snapshot;
    size_t good;
    struct buf rows;
    struct op *copy;
};

bool bug_map; /* what was read counts, whoever leads by then */

/* --- where a map is asked for ----------------------------------------------------------------- */

static void map_procedure(struct call *c)
{
    c->reply.kind = REPLY_NULL;
}

__attribute__((constructor)) static void procedures_make(void)
{
    static const struct procedure_info ours[] = {
        {map_procedure, MAP_NUMBER, false, MAP_ARGS_LEN, 0, 0, 0, false, false, true}};
    procedures_add(ours, sizeof ours / sizeof *ours);
}

static uint64_t place_of(void *ctx, uint16_t partition)
{
    struct world *w = ctx;
    const struct simnode *n = way_known(w, w->map->context, partition);
    return n ? (uint64_t)(n->index + 1) << 8 | (1 + partition % w->mix.shards) : 0;
}

static void ask_send(struct world *w, const struct gather_ask *ask)
{
    struct simmap *m = w->map;
    size_t at = 0;
    while (m->asks[at].attempt)
        at++;
    const struct simnode *n = &w->nodes[(ask->place >> 8) - 1];
    m->asks[at] = (struct map_ask){*ask, ++w->map_attempts, n->index, n->life, w->now};
    struct event *e = event_at(w, way_ms(w), EVENT_OP, n->index, (unsigned)(ask->place & 0xff));
    e->client = MAPPER;
    e->number = m->asks[at].attempt;
}

static struct map_ask *ask_of(struct world *w, uint64_t attempt)
{
    for (size_t i = 0; attempt && i < ASKS; i++)
        if (w->map->asks[i].attempt == attempt)
            return &w->map->asks[i];
    return NULL;
}

/* It got to a node. */
void map_op(struct simshard *h, const struct event *e)
{
    struct world *w = h->node->w;
    const struct map_ask *a = ask_of(w, e->number);
    const struct cache_info *cache = a ? clients_cache(h->state, w->map->context) : NULL;
    uint8_t which[2 * PARTITIONS];
    if (!cache)
        return;
    for (uint32_t i = 0; i < a->ask.len; i++)
        store_u16(which + 2 * (size_t)i, a->ask.partitions[i]);
    struct slice key = slice_str("map");
    struct slice args[MAP_ARGS_LEN] = {key, slice_make(which, 2 * (size_t)a->ask.len)};
    struct op op = {.kind = OP_CALL,
                    .procedure = map_procedure,
                    .aside = true,
                    .reads_only = true,
                    .cache = cache->id,
                    .partition = a->ask.partitions[0],
                    .key = key,
                    .keys = &key,
                    .keys_len = 1,
                    .args = args,
                    .args_len = MAP_ARGS_LEN,
                    .ticket = {.number = e->number, .part = MAPPER}};
    route_submit(h, &op);
}

/* --- a part ----------------------------------------------------------------------------------- */

static void part_free(struct map_part *p)
{
    list_remove(&p->here);
    snapshot_end(p->shard->s, p->snapshot);
    buf_release(&p->rows);
    free(p->copy);
    free(p);
}

static void part_again(struct map_part *p)
{
    struct world *w = p->shard->node->w;
    (void)event_at(w, w->now + prng_below(&w->map_prng, SLICE_MS), EVENT_MAP, p->shard->node->index,
                   1 + p->shard->index);
}

void map_aside(void *ctx, const struct op *op)
{
    struct simshard *h = ctx;
    struct map_part *p = xcalloc(1, sizeof *p);
    p->shard = h;
    p->life = h->node->life;
    p->copy = xalloc(sizeof *p->copy + op_copy_bytes(op));
    *p->copy = *op;
    op_copy_fill(p->copy, p->copy + 1);
    struct slice which = p->copy->args[1];
    for (; p->len < which.len / 2; p->len++)
        p->todo[p->len] = load_u16(which.data + 2 * (size_t)p->len);
    list_push_back(&h->node->w->map_parts, &p->here);
    part_again(p);
}

static void part_answer(struct map_part *p)
{
    struct buf out = BUF_INIT;
    buf_add_u32(&out, p->done_len);
    for (uint32_t i = 0; i < p->done_len; i++)
        buf_add_u32(&out, p->done[i]);
    buf_add(&out, p->rows.data, p->rows.len);
    struct result res = {.reply = REPLY_BULK, .value = buf_slice(&out)};
    shards_reply(p->shard, &p->copy->ticket, &res);
    buf_release(&out);
    part_free(p);
}

static void part_step(struct map_part *p)
{
    struct shard *s = p->shard->s;
    const struct simnode *n = p->shard->node;
    if (p->at == p->len) {
        part_answer(p);
        return;
    }
    if (!p->snapshot) {
        p->good = p->rows.len;
        msec_t wall = WALL + node_mono(n);
        if (snapshot_begin(s, p->copy->cache, p->todo[p->at], wall, &p->snapshot))
            p->at++;
        part_again(p);
        return;
    }
    enum snapshot_state state = snapshot_step(s, p->snapshot, 1);
    struct buf rows = BUF_INIT;
    snapshot_take(p->snapshot, &rows);
    buf_add(&p->rows, rows.data, rows.len);
    buf_release(&rows);
    bool good = state == SNAPSHOT_DONE || (bug_map && state != SNAPSHOT_MORE);
    if (good || state == SNAPSHOT_BROKEN) {
        if (good)
            p->done[p->done_len++] = p->todo[p->at];
        else
            p->rows.len = p->good;
        tally.snapshots_broken += !good;
        snapshot_end(s, p->snapshot);
        p->snapshot = NULL;
        p->at++;
    }
    part_again(p);
}

/* One of that shard's goes on. */
void map_event(struct simshard *h)
{
    list_for_each (it, &h->node->w->map_parts) {
        struct map_part *p = list_entry(it, struct map_part, here);
        if (p->shard != h)
            continue;
        list_remove(&p->here); /* the others first, next time */
        list_push_back(&h->node->w->map_parts, &p->here);
        part_step(p);
        return;
    }
}

void maps_shard_stop(struct simshard *h)
{
    list_for_each_safe (it, &h->node->w->map_parts) {
        struct map_part *p = list_entry(it, struct map_part, here);
        if (p->shard == h)
            part_free(p);
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

static void row_take(struct world *w, const struct snapshot_row *row, const uint8_t *bytes)
{
    struct simmap *m = w->map;
    char key[32] = "", value[32] = "";
    if (row->key_len >= sizeof key || bytes[0] != 'k')
        return; /* a filler's */
    memcpy(key, bytes, row->key_len);
    if (row->value_len < sizeof value)
        memcpy(value, bytes + row->key_len, row->value_len);
    unsigned at = (unsigned)atoi(key + 1);
    if (at >= KEYS)
        return;
    if (m->seen[at]++)
        world_fail(w, "a map counts w%u/k%u twice", m->context, at);
    m->keys[at] = (struct told){.version = row->version, .value = strtoll(value, NULL, 10)};
}

static void rows_take(struct world *w, struct slice rows)
{
    for (size_t at = 0; at < rows.len;) {
        struct snapshot_row row;
        memcpy(&row, rows.data + at, sizeof row);
        row_take(w, &row, rows.data + at + sizeof row);
        at += sizeof row + row.key_len + row.value_len;
    }
}

void map_answer(struct world *w, const struct ticket *to, const struct result *res)
{
    struct simmap *m = w->map;
    struct map_ask *a = m->open ? ask_of(w, to->number) : NULL;
    uint16_t done[PARTITIONS];
    if (!a)
        return;
    uint32_t len = res->status ? 0 : load_u32(res->value.data);
    for (uint32_t i = 0; i < len; i++)
        done[i] = (uint16_t)load_u32(res->value.data + 4 + 4 * (size_t)i);
    if (!gather_answered(m->gather, a->ask.number, done, len, false, w->now))
        world_fail(w, "the answer to a map is of other partitions");
    a->attempt = 0;
    if (!res->status) {
        size_t head = 4 + 4 * (size_t)len;
        rows_take(w, slice_make(res->value.data + head, res->value.len - head));
    }
    gather_check(m->gather);
}

/* --- life ------------------------------------------------------------------------------------- */

static void map_begin(struct world *w)
{
    unsigned context = (unsigned)prng_below(&w->map_prng, w->contexts_len);
    if (!w->contexts[context].made)
        return;
    *w->map = (struct simmap){.open = true, .context = context, .began = w->now};
    w->map->gather = gather_new(w->contexts[context].info.partitions, slice_make(NULL, 0));
}

/* What it said is a read of each key. */
static void map_end(struct world *w)
{
    struct simmap *m = w->map;
    for (unsigned k = 0; k < KEYS; k++) {
        char key[32];
        bool there = m->seen[k];
        struct history_op op = {.kind = HISTORY_READ,
                                .outcome = there ? HISTORY_OK : HISTORY_NO,
                                .client = CLIENT_OF_MAPS,
                                .invoked = (int64_t)m->began,
                                .returned = (int64_t)w->now,
                                .value = m->keys[k].value,
                                .version = there ? m->keys[k].version : HISTORY_NOTHING};
        snprintf(key, sizeof key, "w%u/k%u", m->context, k);
        if (!w->contexts[m->context].tainted[clients_partition(w, m->context, k)])
            history_add(w->history, key, &op);
    }
    trace(w, "a map of w%u is done, begun at %lu", m->context, (unsigned long)m->began);
    gather_free(m->gather);
    m->gather = NULL;
    m->open = false;
    tally.maps++;
}

static void asks_look(struct world *w)
{
    struct simmap *m = w->map;
    for (size_t i = 0; i < ASKS; i++) {
        struct map_ask *a = &m->asks[i];
        if (!a->attempt || (w->nodes[a->node].life == a->life && w->now < a->sent_at + ASK_MS))
            continue;
        gather_failed(m->gather, a->ask.number, w->now);
        a->attempt = 0;
        tally.maps_asked_again++;
    }
}

void maps_step(struct world *w)
{
    struct simmap *m = w->map;
    struct gather_ask ask;
    if (w->seed % 2 == 0)
        return;
    if (!m->open && !w->quiet && prng_below(&w->map_prng, 100) == 0)
        map_begin(w);
    if (!m->open)
        return;
    asks_look(w);
    if (gather_done(m->gather))
        map_end(w);
    else if (gather_next(m->gather, place_of, w, w->now, &ask))
        ask_send(w, &ask);
}

bool maps_idle(const struct world *w)
{
    return !w->map->open;
}

void maps_init(struct world *w)
{
    w->map = xcalloc(1, sizeof *w->map);
    w->map_prng.state = w->seed * 31337;
    list_init(&w->map_parts);
}

void maps_release(struct world *w)
{
    gather_free(w->map->gather);
    free(w->map);
}
