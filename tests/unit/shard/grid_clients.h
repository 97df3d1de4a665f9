/* grid_clients.h - who uses the world of grid_parts.h, and what they must be told. */
#ifndef GRIDD_TESTS_SHARD_GRID_CLIENTS_H
#define GRIDD_TESTS_SHARD_GRID_CLIENTS_H

#include "tests/unit/shard/grid_store.h"

static void client_done(struct world *w, struct client *c, const struct result *res)
{
    w->ops_done++;
    c->busy = false;
    c->again_at = w->now + below(w, 20);
    if (c->reads) {
        char text[32] = "0";
        if (res->status == GRID_OK && res->value.len < sizeof text)
            snprintf(text, sizeof text, "%.*s", (int)res->value.len, (const char *)res->value.data);
        uint64_t value = strtoull(text, NULL, 10);
        ck_assert_msg((w->lossy || value >= c->floor) && value <= w->issued[c->counter],
                      "seed %llu: a read of counter %u at %llu gave %llu, acknowledged %llu, asked "
                      "for %llu",
                      (unsigned long long)w->seed, c->counter, (unsigned long long)w->now,
                      (unsigned long long)value, (unsigned long long)c->floor,
                      (unsigned long long)w->issued[c->counter]);
        return;
    }
    ck_assert_msg((w->lossy || (uint64_t)res->number > c->floor) &&
                      (uint64_t)res->number <= w->issued[c->counter],
                  "seed %llu: an increment of counter %u at %llu gave %lld, acknowledged %llu, "
                  "asked for %llu",
                  (unsigned long long)w->seed, c->counter, (unsigned long long)w->now,
                  (long long)res->number, (unsigned long long)c->floor,
                  (unsigned long long)w->issued[c->counter]);
    w->acked_at[c->counter][w->acked[c->counter]++ % ACKED] = w->now;
}

/* What a copy must have, whose leases are as old as they may be. */
static uint64_t floor_local(const struct world *w, unsigned counter)
{
    uint64_t acked = w->acked[counter], least = acked < ACKED ? 0 : acked - ACKED;
    while (acked > least && w->acked_at[counter][(acked - 1) % ACKED] + GRID_LEASE_MS >= w->now)
        acked--;
    return acked > least ? acked : 0;
}

static void p_reply(void *ctx, const struct ticket *to, const struct result *res)
{
    struct wnode *n = ctx;
    struct world *w = n->w;
    if (to->part == CLIENTS + 1)
        w->digests[to->number] = *res;
    if (to->part >= CLIENTS)
        return;
    struct client *c = &w->clients[to->part];
    if (!c->busy || to->number != c->attempt)
        return; /* an earlier delivery */
    bool answer = res->status == GRID_OK || (c->reads && res->status == GRID_ENOT_FOUND);
    if (answer) {
        client_done(w, c, res);
        return;
    }
    if (c->reads) { /* a new one */
        c->busy = false;
        c->again_at = w->now + 1 + below(w, 20);
        return;
    }
    ck_assert_msg(res->status == GRID_ENOT_PRIMARY || res->status == GRID_EIN_DOUBT ||
                      res->status == GRID_EBUSY || res->status == GRID_EFEW_COPIES ||
                      res->status == GRID_ELOST || res->status == GRID_ENO_CACHE ||
                      res->status == GRID_EFULL,
                  "seed %llu: %s", (unsigned long long)w->seed, err_name(res->status));
    w->retries++;
    c->attempt = 0;
    c->again_at = w->now + 1 + below(w, 30);
}

static struct slice counter_key(unsigned counter, char *text)
{
    snprintf(text, 16, "c%u", counter);
    return slice_str(text);
}

static uint16_t counter_partition(unsigned counter)
{
    return (uint16_t)(counter % PARTITIONS);
}

static struct wnode *client_target(struct world *w, uint16_t partition, bool local)
{
    struct replica_member m = grid_state_primary(w->truth, w->context, partition);
    struct wnode *n = m.node ? node_numbered(w, m.node) : NULL;
    if (!n || local || chance(w, 10))
        n = &w->nodes[below(w, w->nodes_len)];
    return n->s && n->paused_until <= w->now ? n : NULL;
}

static void client_send(struct world *w, struct client *c)
{
    char text[16];
    struct op op = {.kind = c->reads ? OP_GET : OP_INCR,
                    .cache = w_cache(w),
                    .partition = counter_partition(c->counter),
                    .key = counter_key(c->counter, text),
                    .local = c->local,
                    .delta = 1};
    struct wnode *n = client_target(w, op.partition, c->local);
    c->sent_at = w->now;
    c->attempt = 0;
    if (!n) {
        c->again_at = w->now + 10;
        return;
    }
    static uint64_t attempts;
    c->attempt = ++attempts;
    op.ticket = (struct ticket){.number = c->attempt, .part = (uint32_t)(c - w->clients)};
    if (!c->reads) {
        op.has_session = true;
        memset(op.session.id.bytes, (int)(c - w->clients) + 1, SESSION_ID_BYTES);
        op.session.number = op.session.lowest = c->number;
        op.age_ms = w->now - c->first_at;
    }
    shard_submit(n->s, &op, WALL + w->now);
    n->turn_at = 0;
}

static void client_run(struct world *w, struct client *c)
{
    if (w->now < c->again_at)
        return;
    if (!c->busy) {
        if (w->quiet)
            return;
        c->busy = true;
        c->reads = below(w, 3) == 0;
        c->counter = (unsigned)below(w, COUNTERS);
        c->local = c->reads && below(w, 2) == 0;
        c->floor = c->local ? floor_local(w, c->counter) : w->acked[c->counter];
        c->number += !c->reads;
        w->issued[c->counter] += !c->reads;
        c->first_at = w->now;
        client_send(w, c);
    } else if (!c->attempt || w->now > c->sent_at + 400) {
        if (c->reads) {
            c->busy = false; /* no answer: forget it */
            return;
        }
        client_send(w, c);
    }
}

/* Adds a field to a hash, or makes it; what is an edit in one record is a put in another. */
static void procedure_field(struct call *c)
{
    struct buf edits = BUF_INIT;
    const struct entry *e = call_entry(c, 0);
    fields_edit_set(&edits, c->args[0], c->args[1]);
    if (e && entry_type(e) == VALUE_HASH) {
        uint8_t *at = call_alloc(c, edits.len);
        memcpy(at, edits.data, edits.len);
        call_edit(c, 0, slice_make(at, edits.len));
    } else {
        struct buf packed = BUF_INIT;
        struct slice edit = buf_slice(&edits);
        fields_fold(slice_make(NULL, 0), &edit, 1, &packed);
        uint8_t *at = call_alloc(c, packed.len);
        memcpy(at, packed.data, packed.len);
        call_put(c, 0, VALUE_HASH, slice_make(at, packed.len), 0);
        buf_release(&packed);
    }
    buf_release(&edits);
    c->reply.kind = REPLY_OK;
}

static void field_send(struct world *w)
{
    char key[24], field[24];
    uint8_t value[512] = {0};
    unsigned number = (unsigned)below(w, 12);
    snprintf(key, sizeof key, "h%u", number);
    snprintf(field, sizeof field, "field-%u", (unsigned)below(w, 100));
    memset(value, (int)below(w, 256), sizeof value);
    struct slice args[] = {slice_str(field), slice_make(value, below(w, sizeof value))};
    struct slice keys[] = {slice_str(key)};
    struct op op = {.kind = OP_CALL,
                    .cache = w_cache(w),
                    .partition = (uint16_t)(number % PARTITIONS),
                    .key = keys[0],
                    .keys = keys,
                    .keys_len = 1,
                    .args = args,
                    .args_len = 2,
                    .procedure = procedure_field,
                    .ticket = {.part = CLIENTS}};
    struct wnode *n = client_target(w, op.partition, false);
    if (n) {
        shard_submit(n->s, &op, WALL + w->now);
        n->turn_at = 0;
    }
}

/* Something to copy: written by nobody's session, forgotten when it fails. */
static void filler_send(struct world *w)
{
    char key[24];
    static uint8_t value[60000];
    unsigned number = (unsigned)below(w, 200);
    snprintf(key, sizeof key, "f%u", number);
    struct op op = {.kind = below(w, 8) == 0 ? OP_DELETE : OP_PUT,
                    .cache = w_cache(w),
                    .partition = (uint16_t)(number % PARTITIONS),
                    .key = slice_str(key),
                    .value = slice_make(value, 1 + below(w, w->value_bytes)),
                    .ticket = {.part = CLIENTS}};
    value[0] = (uint8_t)below(w, 256);
    if (op.kind == OP_PUT && chance(w, 4)) {
        op.ttl = TTL_SET;
        op.ttl_ms = 1 + below(w, 3000);
    }
    struct wnode *n = client_target(w, op.partition, false);
    if (n) {
        shard_submit(n->s, &op, WALL + w->now);
        n->turn_at = 0;
    }
}

#endif
