/* trains.c - writes and reads of one key that a client without a session sends one after the other
 * by one connection, without waiting. What is done of them is done once and in their order, whoever
 * leads meanwhile: the versions and values of their answers tell. */
#include "tests/sim/whole/world.h"

#include <stdio.h>
#include <stdlib.h>

void train_send(struct world *w)
{
    unsigned context = (unsigned)below(w, w->contexts_len);
    uint32_t partition = clients_partition(w, context, (unsigned)below(w, PARTITIONS));
    struct simnode *n = &w->nodes[below(w, w->nodes_len)];
    struct train *t = &w->trains[w->trains_len % TRAINS];
    if (!n->running)
        return;
    *t = (struct train){.number = w->trains_len++, .context = context, .partition = partition};
    msec_t at = way_ms(w);
    for (unsigned i = 0; i < TRAIN_LEN; i++) {
        t->reads[i] = below(w, 5) < 2;
        if (below(w, 4) == 0)
            at += below(w, 10);
        struct event *e = event_at(w, at, EVENT_OP, n->index, 1 + partition % w->mix.shards);
        e->client = TRAIN;
        e->number = t->number * TRAIN_LEN + i;
    }
}

static struct train *train_of(struct world *w, uint64_t number)
{
    struct train *t = &w->trains[number / TRAIN_LEN % TRAINS];
    return t->number == number / TRAIN_LEN ? t : NULL;
}

void train_op(struct simshard *h, const struct event *e)
{
    struct train *t = train_of(h->node->w, e->number);
    const struct cache_info *cache = t ? clients_cache(h->state, t->context) : NULL;
    bool reads = t && t->reads[e->number % TRAIN_LEN];
    char key[24], value[24];
    if (!cache)
        return;
    snprintf(key, sizeof key, "t%u", t->partition);
    snprintf(value, sizeof value, "%lu", (unsigned long)e->number);
    struct op op = {.kind = reads ? OP_GET : OP_PUT,
                    .cache = cache->id,
                    .partition = (uint16_t)t->partition,
                    .key = slice_str(key),
                    .value = reads ? slice_make(NULL, 0) : slice_str(value),
                    .ticket = {.owner = t, .number = e->number, .part = TRAIN}};
    route_submit(h, &op);
}

/* Whether `b`, which came after `a`, was told what it can be told when it is done after it. */
static bool follows(const struct train *t, unsigned a, unsigned b)
{
    if (t->reads[a] && !t->reads[b])
        return t->version[a] < t->version[b];
    return t->reads[b] ? t->version[a] <= t->version[b] : t->version[a] < t->version[b];
}

/* A value tells who wrote it, be that writer answered or not. */
static void value_check(struct world *w, const struct train *t, unsigned at, struct slice value)
{
    char text[24] = "";
    if (!value.len || value.len >= sizeof text)
        return;
    memcpy(text, value.data, value.len);
    uint64_t by = strtoull(text, NULL, 10);
    if (by / TRAIN_LEN == t->number && by % TRAIN_LEN > at)
        world_fail(w, "of train %lu to w%u/%u, %u reads what %lu wrote, which came later",
                   (unsigned long)t->number, t->context, t->partition, at,
                   (unsigned long)(by % TRAIN_LEN));
}

void train_answer(struct world *w, const struct ticket *to, const struct result *res)
{
    struct train *t = train_of(w, to->number);
    unsigned at = (unsigned)(to->number % TRAIN_LEN);
    if (!t || w->contexts[t->context].tainted[t->partition])
        return;
    trace(w, "train %lu to w%u/%u: %u, a %s, is told %s, version %lx", (unsigned long)t->number,
          t->context, t->partition, at, t->reads[at] ? "read" : "write",
          res->status ? err_name(res->status) : "done", (unsigned long)res->version);
    if (t->told[at])
        world_fail(w, "a request of train %lu is answered twice", (unsigned long)t->number);
    t->told[at] = true;
    t->done[at] = !res->status || (t->reads[at] && res->status == GRID_ENOT_FOUND);
    t->version[at] = res->status ? 0 : res->version;
    tally.trains++;
    if (!t->done[at])
        return;
    tally.read_trains += t->reads[at];
    value_check(w, t, at, t->reads[at] ? res->value : slice_make(NULL, 0));
    for (unsigned i = 0; i < TRAIN_LEN; i++)
        if (t->done[i] && i != at && !(i < at ? follows(t, i, at) : follows(t, at, i)))
            world_fail(w, "of train %lu to w%u/%u, %u and %u were done in another order",
                       (unsigned long)t->number, t->context, t->partition, i, at);
}
