/* shards.h - what the shards of those replicas do. */
#ifndef GRIDD_TESTS_REPLICA_SHARDS_H
#define GRIDD_TESTS_REPLICA_SHARDS_H

#include "tests/unit/replica/members.h"

/* --- what a shard does ------------------------------------------------------------------------ */

static void settle(void)
{
    for (int i = 1; i <= NODES; i++) {
        if (!nodes[i].woken || nodes[i].dead)
            continue;
        nodes[i].woken = false;
        replica_flush(&nodes[i].r, now);
        replica_check(&nodes[i].r);
    }
}

static void stored(struct node *n)
{
    replica_ack(&n->r, replica_last(&n->r));
    settle();
}

static uint64_t append(struct node *n)
{
    uint64_t version = replica_peek(&n->r);
    n->log[n->len++] = version;
    replica_advance(&n->r, version);
    return version;
}

/* As `async` would have it: held as soon as it is there. */
static uint64_t write(struct node *n)
{
    uint64_t version = append(n);
    stored(n);
    return version;
}

static enum replica_verdict deliver(const struct letter *l)
{
    struct node *n = &nodes[l->to];
    if (n->dead)
        return REPLICA_DONE;
    enum replica_verdict v = replica_receive(&n->r, &l->m, now);
    if (v != REPLICA_TAKE)
        return v;
    for (size_t i = 0; i < l->len; i++) {
        if (!replica_take(&n->r, l->records[i]))
            continue;
        n->log[n->len++] = l->records[i];
        replica_advance(&n->r, l->records[i]);
    }
    replica_ack(&n->r, replica_last(&n->r));
    return v;
}

/* All that is under way arrives, and what comes of it. */
static void post(void)
{
    settle();
    for (size_t i = 0; i < letters_len; i++) {
        struct letter l = letters[i];
        deliver(&l);
        settle();
    }
    letters_len = 0;
}

static void later(msec_t ms)
{
    for (msec_t end = now + ms; now < end;) {
        now += 10;
        for (int i = 1; i <= NODES; i++)
            if (!nodes[i].dead && replica_next(&nodes[i].r) <= now)
                replica_tick(&nodes[i].r, now);
        post();
    }
}

static struct replica_config config;

static void configure(unsigned number)
{
    replica_configure(&nodes[number].r, &config, member(number), 1, now);
    replica_check(&nodes[number].r);
}

static void configure_all(void)
{
    for (unsigned i = 1; i <= NODES; i++)
        if (!nodes[i].dead)
            configure(i);
    post();
}

/* A grid of NODES with the first `in_sync` in the set and `joining` more, in epoch 1, serving. */
static void grid(unsigned in_sync, unsigned joining)
{
    for (unsigned i = 1; i <= NODES; i++)
        replica_close(&nodes[i].r);
    memset(nodes, 0, sizeof nodes);
    memset(lease, 1, sizeof lease);
    letters_len = 0;
    now = 100000;
    granted_any = 0;
    config = (struct replica_config){.epoch = 1, .born = 1, .led = true};
    config.in_sync = config.complete = (uint8_t)in_sync;
    config.len = (uint8_t)(in_sync + joining);
    for (unsigned i = 1; i <= config.len; i++)
        config.members[i - 1] = member(i);
    for (unsigned i = 1; i <= NODES; i++) {
        nodes[i].number = i;
        replica_open(&nodes[i].r, &ports, &times);
    }
    configure_all();
}

/* The next configuration: these in sync, these joining; 0 ends a list. */
static void next_config(const unsigned *in_sync, const unsigned *joining)
{
    config.epoch++;
    config.len = 0;
    for (; *in_sync; in_sync++)
        config.members[config.len++] = member(*in_sync);
    config.in_sync = config.complete = config.len;
    for (; joining && *joining; joining++)
        config.members[config.len++] = member(*joining);
}

#define LIST(...) ((const unsigned[]){__VA_ARGS__, 0})

#endif
