/* damage.c - partitions found damaged while the node runs, and those an operator gives up.
 *
 *   worker: a cold read is corrupt --note--> checkpoint thread: mark it in the checkpoint
 *   checkpoint thread: a fold met it --note--> worker: refuse it
 *
 *   worker: give up --note--> checkpoint thread: wait until all its records are durable, fold them
 *           in, remove what cannot be read and the mark --note--> worker: go on with what is there
 *
 * What cannot be marked, because the disk is full, is tried again; until then no log is written
 * that could hide it. */
#include "node/node_priv.h"

#include "base/alloc.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

struct damage_note {
    struct note note;
    struct wal_place place;
};

struct give_up {
    struct note note;
    struct give_up *next;
    struct wal_place *places;
    size_t len;
    uint64_t lsn; /* the last record that counts */
    enum grid_err err;
    char why[STORE_WHY_BYTES];
    damage_done_fn *done;
    void *ctx;
};

static struct note *damage_note_new(const struct wal_place *place,
                                    void (*run)(struct note *n, void *thread))
{
    struct damage_note *d = xalloc(sizeof *d);
    *d = (struct damage_note){{.run = run}, *place};
    return &d->note;
}

/* --- found ------------------------------------------------------------------------------------ */

void damage_add(struct damage *d, uint32_t context, uint16_t partition)
{
    for (size_t i = 0; i < d->len; i++)
        if (d->places[i].context == context && d->places[i].partition == partition)
            return;
    if (d->len == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 16;
        d->places = xrealloc(d->places, d->cap, sizeof *d->places);
    }
    d->places[d->len++] = (struct wal_place){context, partition};
}

/* On the checkpoint thread. */
static void found_run(struct note *n, void *thread)
{
    struct worker *w = thread;
    struct damage_note *d = container_of(n, struct damage_note, note);
    damage_add(&w->folding.unmarked, d->place.context, d->place.partition);
    w->folding.heard++;
    free(d);
}

void damage_note(struct worker *w, uint32_t context, uint16_t partition)
{
    struct wal_place place = {context, partition};
    w->folding.noted++;
    mailbox_post(w->folding.helper.box, &damage_note_new(&place, found_run)->mail);
}

bool damage_noted(const struct worker *w)
{
    return atomic_load(&w->folding.marked) == w->folding.noted;
}

void damage_found(struct worker *w, uint32_t context, uint16_t partition)
{
    log_error("store", "context %u partition %u is damaged on disk and refused from now on",
              context, partition);
    damage_note(w, context, partition);
}

bool damage_unmarked(const struct worker *w)
{
    return w->folding.unmarked.len != 0;
}

enum grid_err damage_mark(struct worker *w, char *why)
{
    struct damage *d = &w->folding.unmarked;
    if (!damage_unmarked(w))
        return GRID_OK;
    enum grid_err err = checkpoint_mark_damaged(w->checkpoint, d->places, d->len, why);
    if (err)
        return err;
    log_info("store", "shard %u: %zu partitions are marked on disk as damaged", w->index, d->len);
    damage_release(d);
    atomic_store(&w->folding.marked, w->folding.heard);
    return GRID_OK;
}

void damage_release(struct damage *d)
{
    free(d->places);
    *d = (struct damage){0};
}

/* On the worker. */
static void met_run(struct note *n, void *thread)
{
    struct worker *w = thread;
    struct damage_note *d = container_of(n, struct damage_note, note);
    shard_recover_damage(w->shard, d->place.context, d->place.partition);
    free(d);
}

void damage_met(struct worker *w, const struct wal_place *places, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        log_error("store", "context %u partition %u is damaged on disk and refused from now on",
                  places[i].context, places[i].partition);
        worker_post(w, damage_note_new(&places[i], met_run));
    }
}

/* --- given up --------------------------------------------------------------------------------- */

static void head_each(void *ctx, const struct checkpoint_head *h)
{
    struct worker *w = ctx;
    shard_recover_checkpoint(w->shard, h->context, h->partition, h->version, h->counts, h->caches,
                             h->caches_len);
}

static void session_each(void *ctx, uint32_t context, uint16_t partition, struct session_id id,
                         struct slice stored, bool damaged)
{
    struct worker *w = ctx;
    if (damaged)
        shard_recover_damage(w->shard, context, partition);
    else
        shard_recover_session(w->shard, context, partition, id, stored);
}

/* The disk has it: now the shard. */
static void place_go_on(struct worker *w, const struct wal_place *place)
{
    if (!shard_recover_give_up(w->shard, place->context, place->partition))
        return;
    if (checkpoint_partition(w->checkpoint, place, head_each, session_each, w))
        shard_recover_damage(w->shard, place->context, place->partition);
    else
        log_warn("node", "context %u partition %u: its damage was given up by an operator",
                 place->context, place->partition);
}

/* On the worker. */
static void given_up_run(struct note *n, void *thread)
{
    struct worker *w = thread;
    struct give_up *g = container_of(n, struct give_up, note);
    for (size_t i = 0; i < g->len && !g->err; i++)
        place_go_on(w, &g->places[i]);
    g->done(w, g->ctx, g->err, g->why);
    free(g->places);
    free(g);
}

static void asked_run(struct note *n, void *thread)
{
    struct worker *w = thread;
    struct give_up *g = container_of(n, struct give_up, note);
    g->next = w->folding.give_ups;
    w->folding.give_ups = g;
}

void damage_give_up(struct worker *w, struct wal_place *places, size_t len, damage_done_fn *done,
                    void *ctx)
{
    struct give_up *g = xcalloc(1, sizeof *g);
    *g = (struct give_up){.note = {.run = asked_run},
                          .places = places,
                          .len = len,
                          .lsn = w->appended_lsn,
                          .done = done,
                          .ctx = ctx};
    mailbox_post(w->folding.helper.box, &g->note.mail);
}

uint64_t damage_wanted_lsn(const struct worker *w)
{
    uint64_t lsn = 0;
    for (const struct give_up *g = w->folding.give_ups; g; g = g->next)
        lsn = g->lsn > lsn ? g->lsn : lsn;
    return lsn;
}

static void places_give_up(struct worker *w, struct give_up *g)
{
    for (size_t i = 0; i < g->len && !g->err; i++)
        g->err = checkpoint_give_up(w->checkpoint, &g->places[i], g->why);
    if (g->err == GRID_EIO)
        node_fail(w->node, "store", g->why);
}

void damage_give_ups(struct worker *w, enum grid_err err)
{
    struct give_up **at = &w->folding.give_ups;
    while (*at) {
        struct give_up *g = *at;
        if (!err && checkpoint_applied(w->checkpoint) < g->lsn) {
            at = &g->next;
            continue;
        }
        *at = g->next;
        g->err = err;
        snprintf(g->why, sizeof g->why, "shard %u: no checkpoint can be written: %s", w->index,
                 err_text(err));
        if (!err)
            places_give_up(w, g);
        g->note.run = given_up_run;
        worker_post(w, &g->note);
    }
}
