/* mapping_part.c - a shard's part of a map: on its worker's thread snapshots of the partitions are
 * read, one after the other, by slices of a turn; the pool maps a page while the next is filled.
 *
 *   worker:  snapshot -> page ---> pool: map_page ---note---> worker ... all read, or time is up
 *                                                     worker -> pool: map_take -> answer
 *
 * Rows of a partition that is not good after all are dropped from the page; when some of them were
 * mapped already, all that was done is worth nothing, and the answer says so. */
#include "node/mapping.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "control/catalog.h"
#include "coordination/gather.h"
#include "node/node_priv.h"
#include "proto/slot.h"
#include "shard/snapshot.h"

#include <stdlib.h>

enum { STEPS_PER_TURN = 2, WAIT_MS = 1, COMMIT_MS = 3000 };

struct part_key {
    uint16_t partition;
    struct slice key;
};

struct part {
    struct list here; /* of the worker's parts */
    struct aside *aside;
    struct worker *worker;
    struct mapping_code code;
    struct map_machine *machine; /* NULL: nothing was mapped yet, or it failed */
    size_t held;                 /* by it, of the room of all */
    uint32_t len, at, done_len;
    uint16_t todo[GATHER_ASK_MAX], done[GATHER_ASK_MAX];
    struct part_key *keys; /* in order; NULL: all */
    size_t keys_len;
    struct snapshot *snapshot;
    msec_t snapshot_by; /* loop time at which it is given up */
    size_t page_good;   /* bytes of the page that are of partitions which are done */
    bool spilled;       /* rows of this snapshot were mapped already */
    bool spoiled;
    bool busy; /* the pool has `running` */
    bool last; /* ... and rows, why, err: what is to be answered */
    struct buf page, running, taken;
    enum grid_err err, ran; /* ran: of the page that the pool had */
    struct buf why, ran_why;
    msec_t until; /* loop time: nothing more is begun then */
    msec_t end;   /* ... and nobody wants it any more */
    struct loop_timer timer;
    struct pool_work work;
    struct note note;
    struct note again; /* to itself: it goes on in the next turn */
    bool going_on;     /* ... and is under way */
};

static void part_free(struct part *p)
{
    list_remove(&p->here);
    snapshot_end(p->worker->shard, p->snapshot);
    loop_timer_stop(&p->timer);
    mapping_machine_give(p->worker->node, p->machine, &p->held);
    catalog_unref(p->code.catalog);
    buf_release(&p->page);
    buf_release(&p->running);
    buf_release(&p->taken);
    buf_release(&p->why);
    buf_release(&p->ran_why);
    free(p->keys);
    free(p);
}

/* --- the answer ------------------------------------------------------------------------------- */

enum { PART_REDUCES = 1, PART_ALONE = 2 };

static void part_answer(struct part *p)
{
    struct buf out = BUF_INIT;
    uint8_t flags = p->spoiled ? PART_ALONE : 0;
    struct result res = {.status = p->err, .reply = REPLY_BULK};
    if (p->err) {
        res.reply = REPLY_NONE;
        res.value = buf_slice(&p->why);
    } else {
        if (p->machine && map_reduces(p->machine))
            flags |= PART_REDUCES;
        uint32_t done = p->spoiled ? 0 : p->done_len;
        buf_add_u8(&out, flags);
        buf_add_u32(&out, done);
        for (uint32_t i = 0; i < done; i++) {
            uint8_t two[2];
            store_u16(two, p->done[i]);
            buf_add(&out, two, sizeof two);
        }
        if (!p->spoiled)
            buf_add(&out, p->taken.data, p->taken.len);
        res.value = buf_slice(&out);
    }
    aside_answer(p->aside, &res);
    p->aside = NULL;
    buf_release(&out);
}

/* --- on the pool ------------------------------------------------------------------------------ */

static void part_go(struct part *p);

static void part_fail(struct part *p, enum grid_err err, struct slice why)
{
    p->err = err;
    p->why.len = 0;
    buf_add(&p->why, why.data, why.len);
}

static void part_back(struct note *n, void *thread)
{
    struct part *p = container_of(n, struct part, note);
    (void)thread;
    p->busy = false;
    if (p->ran && !p->err)
        part_fail(p, p->ran, buf_slice(&p->ran_why));
    part_go(p);
}

static void part_last(struct note *n, void *thread)
{
    struct part *p = container_of(n, struct part, note);
    (void)thread;
    part_answer(p);
    part_free(p);
}

/* What holds much is not held until its turn to answer comes. */
static void page_fail(struct part *p, enum grid_err err, struct slice why)
{
    p->ran = err;
    p->ran_why.len = 0;
    buf_add(&p->ran_why, why.data, why.len);
    mapping_machine_give(p->worker->node, p->machine, &p->held);
    p->machine = NULL;
}

static void page_map(struct pool_work *w, struct pool_thread *t)
{
    struct part *p = container_of(w, struct part, work);
    struct slice why = {NULL, 0};
    enum grid_err err = GRID_OK;
    if (!p->machine)
        p->machine = mapping_begun(p->worker->node, &p->code, &p->aside->op);
    if (pool_stopping(t->pool))
        err = GRID_ESTOPPING;
    else if (!p->machine)
        err = GRID_ENOMEM;
    else if ((err = map_page(p->machine, buf_slice(&p->running))))
        why = map_fault(p->machine);
    else if (!mapping_room(p->worker->node, p->machine, &p->held, &why))
        err = GRID_ETASK;
    if (err)
        page_fail(p, err, why);
    p->running.len = 0;
    p->note.run = part_back;
    worker_post(p->worker, &p->note);
}

static void rows_take(struct pool_work *w, struct pool_thread *t)
{
    struct part *p = container_of(w, struct part, work);
    (void)t;
    if (p->machine && !p->err && !p->spoiled) {
        enum grid_err err = map_take(p->machine, &p->taken);
        if (err)
            part_fail(p, err, map_fault(p->machine));
    }
    p->note.run = part_last;
    worker_post(p->worker, &p->note);
}

/* False: it is over, and gone. */
static bool pool_give(struct part *p, void (*run)(struct pool_work *w, struct pool_thread *t))
{
    p->busy = true;
    p->last = run == rows_take;
    p->work = (struct pool_work){.priority = POOL_USUAL, .run = run};
    if (pool_post(p->worker->node->pool, &p->work))
        return true;
    p->busy = false;
    part_fail(p, GRID_ESTOPPING, slice_make(NULL, 0));
    part_answer(p);
    part_free(p);
    return false;
}

/* --- on the worker ---------------------------------------------------------------------------- */

static int key_order(const void *a, const void *b)
{
    const struct part_key *x = a, *y = b;
    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    return slice_cmp(x->key, y->key);
}

static bool key_wanted(const struct part *p, struct slice key)
{
    const struct part_key k = {p->todo[p->at], key};
    return bsearch(&k, p->keys, p->keys_len, sizeof k, key_order) != NULL;
}

/* Rows from `from` on that nobody wants go. */
static void page_filter(struct part *p, size_t from)
{
    size_t to = from;
    for (size_t at = from; p->keys && at < p->page.len;) {
        struct snapshot_row row;
        memcpy(&row, p->page.data + at, sizeof row);
        size_t bytes = sizeof row + row.key_len + row.value_len;
        if (key_wanted(p, slice_make(p->page.data + at + sizeof row, row.key_len))) {
            memmove(p->page.data + to, p->page.data + at, bytes);
            to += bytes;
        }
        at += bytes;
    }
    if (p->keys)
        p->page.len = to;
}

/* What the snapshot has read goes to the page. */
static void rows_move(struct part *p)
{
    size_t from = p->page.len;
    if (!from) {
        snapshot_take(p->snapshot, &p->page);
    } else {
        struct buf rows = BUF_INIT;
        snapshot_take(p->snapshot, &rows);
        buf_add(&p->page, rows.data, rows.len);
        buf_release(&rows);
    }
    mapping_read(p->worker->node, p->page.len - from);
    page_filter(p, from);
}

static void snapshot_leave(struct part *p, bool good)
{
    if (good) {
        rows_move(p);
        p->page_good = p->page.len;
        p->done[p->done_len++] = p->todo[p->at];
    } else {
        p->page.len = p->page_good;
        p->spoiled = p->spilled;
    }
    snapshot_end(p->worker->shard, p->snapshot);
    p->snapshot = NULL;
    p->at++;
}

/* Of this one: what it cannot have is for another node to do, or later. */
static void snapshot_next(struct part *p)
{
    struct worker *w = p->worker;
    p->spilled = false;
    p->page_good = p->page.len;
    p->snapshot_by = loop_mono_ms(w->loop) + COMMIT_MS;
    enum grid_err err = snapshot_begin(w->shard, p->aside->op.cache, p->todo[p->at],
                                       loop_wall_ms(w->loop), &p->snapshot);
    if (err == GRID_ENO_CACHE || err == GRID_EDAMAGED || err == GRID_ELOST)
        part_fail(p, err, slice_make(NULL, 0));
    if (err)
        p->at++;
}

/* False: nothing more in this turn. */
static bool snapshot_go(struct part *p, msec_t *ret_wait)
{
    enum snapshot_state state = snapshot_step(p->worker->shard, p->snapshot, SNAPSHOT_BUCKETS);
    bool late = loop_mono_ms(p->worker->loop) >= p->snapshot_by;
    if (state == SNAPSHOT_WAITS && !late) {
        *ret_wait = WAIT_MS;
        return false;
    }
    if (state == SNAPSHOT_DONE)
        snapshot_leave(p, true);
    else if (state != SNAPSHOT_MORE)
        snapshot_leave(p, false);
    else if (p->page.len + snapshot_bytes(p->snapshot) >= MAPPING_PAGE)
        rows_move(p);
    return true;
}

static bool part_over(const struct part *p)
{
    return p->err || p->spoiled || p->worker->stopping || p->worker->ended ||
           (!p->snapshot && (p->at == p->len || loop_mono_ms(p->worker->loop) >= p->until));
}

static bool page_send(struct part *p)
{
    struct buf empty = p->running;
    p->spilled = p->spilled || (p->snapshot && p->page.len > p->page_good);
    p->running = p->page;
    p->page = empty;
    p->page_good = 0;
    return pool_give(p, page_map);
}

static void part_again(struct note *n, void *thread)
{
    struct part *p = container_of(n, struct part, again);
    (void)thread;
    p->going_on = false;
    part_go(p);
}

/* By mail rather than by the clock, whose least step is much longer than a turn. */
static void part_next_turn(struct part *p)
{
    p->going_on = true;
    p->again.run = part_again;
    worker_post(p->worker, &p->again);
}

static void part_go(struct part *p)
{
    msec_t wait = 0;
    if (p->going_on || p->last)
        return;
    if (!p->err && loop_mono_ms(p->worker->loop) >= p->end)
        part_fail(p, GRID_ETIMEOUT, slice_make(NULL, 0));
    for (unsigned i = 0; i < STEPS_PER_TURN && !part_over(p) && p->page.len < MAPPING_PAGE; i++) {
        if (!p->snapshot)
            snapshot_next(p);
        else if (!snapshot_go(p, &wait))
            break;
    }
    bool over = part_over(p);
    if (p->busy && (over || p->page.len >= MAPPING_PAGE))
        return; /* the pool's note goes on with it */
    if (over && (p->err || p->spoiled || !p->page.len)) {
        if ((p->worker->stopping || p->worker->ended) && !p->err)
            part_fail(p, GRID_ESTOPPING, slice_make(NULL, 0));
        loop_timer_stop(&p->timer);
        (void)pool_give(p, rows_take);
        return;
    }
    if ((over || p->page.len >= MAPPING_PAGE) && (!page_send(p) || over))
        return;
    if (wait)
        loop_timer_set(&p->timer, wait);
    else
        part_next_turn(p);
}

static void part_fire(void *ctx)
{
    part_go(ctx);
}

/* --- its beginning ---------------------------------------------------------------------------- */

static bool keys_read(struct part *p, struct slice in)
{
    const struct context_info *c =
        catalog_context(p->code.catalog, cache_context(p->aside->op.cache));
    if (!in.len)
        return true;
    if (!c)
        return false;
    p->keys = xcalloc(in.len / 3 + 1, sizeof *p->keys);
    for (size_t at = 0; at < in.len;) {
        struct map_key key;
        if (!map_key_read(in, &at, &key))
            return false;
        uint16_t partition = slot_partition(hash_slot(key.placed_by), c->partitions);
        p->keys[p->keys_len++] = (struct part_key){partition, key.key};
    }
    qsort(p->keys, p->keys_len, sizeof *p->keys, key_order);
    return true;
}

static bool which_read(struct part *p, struct slice in)
{
    if (!in.len || in.len % 2 || in.len / 2 > GATHER_ASK_MAX)
        return false;
    p->len = (uint32_t)(in.len / 2);
    for (uint32_t i = 0; i < p->len; i++)
        p->todo[i] = load_u16(in.data + 2 * (size_t)i);
    return true;
}

void mapping_part_begin(struct aside *a)
{
    struct part *p = xcalloc(1, sizeof *p);
    struct worker *w = a->worker;
    p->aside = a;
    p->worker = w;
    list_push_back(mapping_parts(w), &p->here);
    loop_timer_init(&p->timer, w->loop, part_fire, p);
    enum grid_err err = mapping_find(&a->op, w, &p->code);
    if (!err &&
        (!which_read(p, a->op.args[MAPPING_WHICH]) || !keys_read(p, a->op.args[MAPPING_KEYS])))
        err = GRID_EBAD_REQUEST;
    if (err) {
        char why[WHY_BYTES];
        mapping_missing(&a->op, w, err, why);
        part_fail(p, err, slice_str(why));
        part_answer(p);
        part_free(p);
        return;
    }
    p->until = loop_mono_ms(w->loop) + MAPPING_SLICE_MS;
    p->end = loop_mono_ms(w->loop) + mapping_time(&a->op);
    loop_timer_set(&p->timer, 0);
}

void mapping_parts_end(struct worker *w)
{
    struct list *all = mapping_parts(w);
    list_for_each_safe (it, all) {
        struct part *p = list_entry(it, struct part, here);
        free(p->aside);
        part_free(p);
    }
}
