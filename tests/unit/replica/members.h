/* members.h - a few replicas of one partition, and what they send each other. Versions stand for
 * records. */
#ifndef GRIDD_TESTS_REPLICA_MEMBERS_H
#define GRIDD_TESTS_REPLICA_MEMBERS_H

#include "base/alloc.h"
#include "base/list.h"
#include "data/record.h"
#include "replica/replica.h"
#include "tests/lib/unit.h"

#include <stdlib.h>
#include <string.h>

enum {
    NODES = 4,
    RECORDS = 64,
    MESSAGES = 256,
    RETRY = 100,
    TIMEOUT = 1000,
    STOP = 500,
    GRACE = 500
};

/* A member with its log: versions alone. */
struct node {
    struct replica r;
    unsigned number; /* 1.. */
    uint64_t log[RECORDS];
    size_t len;
    size_t kept_from;             /* records before are not in memory */
    size_t stored_from;           /* ... and these not on disk */
    unsigned looks;               /* so often it does not know yet what is on disk */
    unsigned recalls;             /* so often epochs are looked for */
    struct replica_history older; /* and found at last */
    bool woken, wiped, dead;
    int copies, copy_ends, cuts;
    uint64_t pieces; /* of a copy, that came in */
    uint32_t cut_round, copy_round;
    enum replica_ask ask;
    struct replica_member about;
    uint64_t ask_epoch;
};

struct letter {
    struct replica_message m;
    unsigned to;
    uint64_t records[RECORDS];
    size_t len;
};

static struct node nodes[NODES + 1];
static struct letter letters[MESSAGES];
static size_t letters_len;
static msec_t now;
static bool lease[NODES + 1][NODES + 1]; /* holder, grantor */
static msec_t granted_any;
static const struct replica_times times = {
    .timeout_ms = TIMEOUT, .retry_ms = RETRY, .tell_ms = 20, .stop_ms = STOP};

static struct node *node_of(struct replica *r)
{
    return container_of(r, struct node, r);
}

static struct replica_member member(unsigned number)
{
    return (struct replica_member){number, 1};
}

/* --- ports ------------------------------------------------------------------------------------ */
/* --- ports ------------------------------------------------------------------------------------ */

static struct letter *letter_new(struct replica_member to, const struct replica_message *m)
{
    ck_assert_uint_lt(letters_len, MESSAGES);
    struct letter *l = &letters[letters_len++];
    *l = (struct letter){.m = *m, .to = to.node};
    return l;
}

static void on_send(void *ctx, struct replica *r, struct replica_member to,
                    const struct replica_message *m)
{
    (void)ctx;
    struct letter *l = letter_new(to, m);
    if (m->kind == REPLICA_STATUS)
        l->m.pieces = node_of(r)->pieces;
}

static size_t log_find(const struct node *n, uint64_t version)
{
    size_t i = 0;
    while (i < n->len && n->log[i] <= version)
        i++;
    return i;
}

static bool is_stored(struct node *n, uint64_t version)
{
    return n->stored_from && log_find(n, version) >= n->stored_from;
}

static enum replica_kept on_kept(void *ctx, struct replica *r, uint64_t version)
{
    (void)ctx;
    struct node *n = node_of(r);
    if (log_find(n, version) >= n->kept_from)
        return REPLICA_KEPT;
    if (n->looks) {
        n->looks--;
        return REPLICA_UNKNOWN;
    }
    return is_stored(n, version) ? REPLICA_STORED : REPLICA_GONE;
}

static bool on_recall(void *ctx, struct replica *r)
{
    (void)ctx;
    struct node *n = node_of(r);
    if (!n->recalls)
        return false;
    if (!--n->recalls)
        replica_recalled(r, &n->older);
    return true;
}

static uint64_t on_stream(void *ctx, struct replica *r, struct replica_member to,
                          const struct replica_message *m)
{
    struct node *n = node_of(r);
    (void)ctx;
    if (log_find(n, m->version) < n->kept_from && !is_stored(n, m->version))
        return UINT64_MAX;
    struct letter *l = letter_new(to, m);
    for (size_t i = log_find(n, m->version); i < n->len; i++)
        l->records[l->len++] = n->log[i];
    return n->len ? n->log[n->len - 1] : m->version;
}

static void on_ask(void *ctx, struct replica *r, enum replica_ask what, struct replica_member about)
{
    (void)ctx;
    struct node *n = node_of(r);
    n->ask = what;
    n->about = about;
    n->ask_epoch = r->epoch;
}

static void on_copy(void *ctx, struct replica *r, struct replica_member to, uint32_t round)
{
    (void)ctx, (void)to;
    node_of(r)->copies++;
    node_of(r)->copy_round = round;
}

static uint64_t pieces_sent; /* of any copy */

static bool on_copy_on(void *ctx, struct replica *r, struct replica_member to, uint64_t pieces)
{
    (void)ctx, (void)to, (void)r;
    if (pieces > pieces_sent)
        return false;
    pieces_sent = pieces;
    return true;
}

static void on_copy_end(void *ctx, struct replica *r, struct replica_member to)
{
    (void)ctx, (void)to;
    node_of(r)->copy_ends++;
}

static void on_cut(void *ctx, struct replica *r, uint64_t common, uint32_t round)
{
    (void)ctx, (void)common;
    node_of(r)->cuts++;
    node_of(r)->cut_round = round;
}

static void on_wipe(void *ctx, struct replica *r, bool copying, uint32_t round)
{
    (void)ctx, (void)round, (void)copying;
    struct node *n = node_of(r);
    n->wiped = true;
    n->len = 0;
    if (replica_last(r))
        n->log[n->len++] = replica_last(r);
    n->kept_from = n->len;
}

static void on_wake(void *ctx, struct replica *r)
{
    (void)ctx;
    node_of(r)->woken = true;
}

static bool on_lease(void *ctx, struct replica *r, struct replica_member by, msec_t at)
{
    (void)ctx, (void)at;
    return lease[node_of(r)->number][by.node];
}

static msec_t on_granted(void *ctx, struct replica *r, struct replica_member to)
{
    (void)ctx, (void)r, (void)to;
    return granted_any;
}

static const struct replica_ports ports = {.send = on_send,
                                           .stream = on_stream,
                                           .kept = on_kept,
                                           .recall = on_recall,
                                           .ask = on_ask,
                                           .copy = on_copy,
                                           .copy_on = on_copy_on,
                                           .copy_end = on_copy_end,
                                           .cut = on_cut,
                                           .wipe = on_wipe,
                                           .wake = on_wake,
                                           .lease_held = on_lease,
                                           .lease_granted = on_granted};

#endif
