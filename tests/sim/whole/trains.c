/* trains.c - writes of one key that a client without a session sends one after the other by one
 * connection, without waiting. What is done of them is done once and in their order, whoever leads
 * meanwhile: the versions of their answers tell. */
#include "tests/sim/whole/world.h"

#include <stdio.h>

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
    char key[24];
    if (!cache)
        return;
    snprintf(key, sizeof key, "t%u", t->partition);
    struct op op = {.kind = OP_PUT,
                    .cache = cache->id,
                    .partition = (uint16_t)t->partition,
                    .key = slice_str(key),
                    .value = slice_str(key),
                    .ticket = {.number = e->number, .part = TRAIN}};
    route_submit(h, &op);
}

void train_answer(struct world *w, const struct ticket *to, const struct result *res)
{
    struct train *t = train_of(w, to->number);
    unsigned at = (unsigned)(to->number % TRAIN_LEN);
    if (!t || w->contexts[t->context].tainted[t->partition])
        return;
    trace(w, "train %lu to w%u/%u: %u is told %s, version %lx", (unsigned long)t->number,
          t->context, t->partition, at, res->status ? err_name(res->status) : "done",
          (unsigned long)res->version);
    if (t->told[at])
        world_fail(w, "a request of train %lu is answered twice", (unsigned long)t->number);
    t->told[at] = true;
    t->version[at] = res->status ? 0 : res->version;
    tally.trains++;
    for (unsigned i = 0; !res->status && i < TRAIN_LEN; i++)
        if (t->version[i] && i != at && (i < at) != (t->version[i] < t->version[at]))
            world_fail(w, "of train %lu to w%u/%u, %u and %u were done in another order",
                       (unsigned long)t->number, t->context, t->partition, i, at);
}
