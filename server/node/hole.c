/* hole.c - records that the log has lost while the node runs, and nothing in it says whose.
 *
 *   checkpoint thread: a fold met it --note--> worker: who may have had any, as the shard remembers
 *   --note--> checkpoint thread, when the log is durable so far: unharmed is whose next record in
 *   the log follows the one before the hole, or who has none that the checkpoint does not have. The
 *   others are marked damaged, as the next start would do; then the fold passes over the hole */
#include "node/node_priv.h"

#include "base/alloc.h"
#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>

struct suspect {
    struct wal_place place;
    uint64_t version; /* its last one; UINT64_MAX: that says nothing */
    bool seen;        /* its first record behind the hole */
    bool follows;     /* ... is the one after that before it */
};

static struct suspect *suspect_find(const struct hole *h, uint32_t context, uint16_t partition)
{
    for (size_t i = 0; i < h->len; i++)
        if (h->list[i].place.context == context && h->list[i].place.partition == partition)
            return &h->list[i];
    return NULL;
}

void hole_release(struct hole *h)
{
    free(h->list);
    *h = (struct hole){.last = 0};
}

/* --- who may have had any --------------------------------------------------------------------- */

/* On the worker. */
static void suspect_add(void *ctx, uint32_t context, uint16_t partition, uint64_t version)
{
    struct hole *h = ctx;
    struct suspect *s = suspect_find(h, context, partition);
    if (s) {
        s->version = version > s->version ? version : s->version;
        return;
    }
    if (h->len == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 64;
        h->list = xrealloc(h->list, h->cap, sizeof *h->list);
    }
    h->list[h->len++] = (struct suspect){.place = {context, partition}, .version = version};
}

static void answered_run(struct note *n, void *thread)
{
    (void)thread;
    container_of(n, struct hole, note)->answered = true;
}

static void asked_run(struct note *n, void *thread)
{
    struct hole *h = container_of(n, struct hole, note);
    struct worker *w = thread;
    h->reach = shard_log_lost(w->shard, h->first, h->last, suspect_add, h);
    h->note.run = answered_run;
    mailbox_post(w->folding.helper.box, &h->note.mail);
}

void hole_ask(struct worker *w, uint64_t first, uint64_t last)
{
    struct hole *h = &w->folding.hole;
    log_error("store",
              "shard %u: the records %" PRIu64 "..%" PRIu64 " of the log cannot be read, nor whose "
              "they are: looking for who is harmed",
              w->index, first, last);
    *h = (struct hole){.note = {.run = asked_run}, .first = first, .last = last};
    worker_post(w, &h->note);
}

/* --- who had ---------------------------------------------------------------------------------- */

static void record_look(struct worker *w, const struct hole *h, const struct wal_item *item)
{
    struct record r;
    struct suspect *s;
    if (item->lost || !record_peek(item->payload, &r) ||
        !(s = suspect_find(h, r.context, r.partition)) || s->seen)
        return;
    uint64_t head = checkpoint_head_version(w->checkpoint, r.context, r.partition);
    s->seen = true;
    s->follows = !r.restates && version_follows(head, r.version);
}

static enum grid_err log_look(struct worker *w, const struct hole *h, char *why)
{
    struct wal_item item;
    enum grid_err err = GRID_OK;
    if (h->reach <= h->last)
        return GRID_OK;
    struct wal_reader *reader = wal_reader_open(w->wal, h->last, h->reach);
    while (!(err = wal_reader_next(reader, why, &item)))
        record_look(w, h, &item);
    wal_reader_free(reader);
    return err == GRID_ENOT_FOUND ? GRID_OK : err;
}

static bool harmed(struct worker *w, const struct suspect *s)
{
    if (s->version == UINT64_MAX || s->seen)
        return s->version == UINT64_MAX || !s->follows;
    return s->version >
           checkpoint_head_version(w->checkpoint, s->place.context, s->place.partition);
}

static enum grid_err harm_mark(struct worker *w, const struct hole *h, char *why)
{
    struct damage d = {0};
    for (size_t i = 0; i < h->len; i++)
        if (harmed(w, &h->list[i]))
            damage_add(&d, h->list[i].place.context, h->list[i].place.partition);
    enum grid_err err =
        d.len ? checkpoint_mark_damaged(w->checkpoint, d.places, d.len, why) : GRID_OK;
    if (!err)
        damage_met(w, d.places, d.len);
    damage_release(&d);
    return err;
}

enum grid_err hole_settle(struct worker *w, char *why)
{
    struct hole *h = &w->folding.hole;
    if (!h->answered || wal_durable(w->wal) < h->reach)
        return GRID_EBUSY;
    for (size_t i = 0; i < h->len; i++)
        h->list[i].seen = false; /* it may be the second time */
    enum grid_err err = log_look(w, h, why);
    if (!err)
        err = harm_mark(w, h, why);
    if (!err)
        hole_release(h);
    return err;
}
