/* mapping.c - the whole of a map, for who asked: its partitions are asked for where they are led
 * (coordination/gather.h), rows are combined on the pool as they come.
 *
 *   begin -> asks -> piece: rows, and of which partitions -> pool: map_merge -> ... -> all are
 *   done, or rows that are not reduced are many enough -> pool: map_finish -> answer
 *
 * All of it is on the thread of the worker that it came to; pieces that other workers' partitions
 * answer come there by note. What is asked for in vain is asked again, until its time is up. */
#include "node/mapping.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "compute/map_room.h"
#include "compute/native.h"
#include "control/catalog.h"
#include "control/state.h"
#include "coordination/gather.h"
#include "node/inside.h"
#include "node/node_priv.h"
#include "node/replication.h"
#include "proto/slot.h"

#include <stdlib.h>
#include <sys/random.h>

enum { MACHINES_KEPT = 8, TICK_MS = 10 };

struct maps {
    pthread_mutex_t lock;
    struct map_machine *machines[MACHINES_KEPT];
    size_t len;
    uint64_t seed;
    struct map_room room;
    atomic_ullong running, done, failed, result_bytes, read_bytes;
    struct maps_of_worker {
        struct list parts, wholes;
    } workers[];
};

struct whole {
    struct list here; /* of the worker's wholes */
    struct aside *aside;
    struct worker *home;
    struct mapping_code code;
    struct map_machine *machine;
    size_t held; /* by it, of the room of all */
    struct gather *gather;
    uint32_t partitions;
    struct list arrived; /* answered */
    struct list pieces;  /* ... with rows to be combined; the pool's while it is busy */
    unsigned open;       /* pieces asked for */
    bool busy;           /* the pool is at work */
    bool reduces, ending;
    enum grid_err err;
    struct buf rows, why;
    msec_t until;
    struct loop_timer timer;
    struct pool_work work;
    struct note note;
};

/* One ask, and what came. */
struct piece {
    struct inside_call call;
    struct note note;
    struct list link;
    struct whole *whole;
    uint32_t number;
    enum grid_err status;
    struct buf answer;
    struct slice rows; /* in it */
    struct slice key;
    struct slice args[MAP_PART_ARGS];
    uint8_t which[2 * GATHER_ASK_MAX], time[4];
};

/* --- machines --------------------------------------------------------------------------------- */

static uint64_t now_us(void *nobody)
{
    (void)nobody;
    return clock_mono_us();
}

static bool is_stopping(void *pool)
{
    return pool_stopping(pool);
}

static struct map_machine *machine_take(struct node *n)
{
    struct maps *maps = n->maps;
    struct map_machine *m = NULL;
    struct map_limits limits = {MAPPING_MEMORY,         MAPPING_ROWS_MAX, MAPPING_PAGE_US,   now_us,
                                .stopped = is_stopping, .ctx = n->pool,   .seed = maps->seed};
    pthread_mutex_lock(&maps->lock);
    if (maps->len)
        m = maps->machines[--maps->len];
    pthread_mutex_unlock(&maps->lock);
    return m ? m : map_machine_new(&limits);
}

struct map_machine *mapping_begun(struct node *n, const struct mapping_code *code,
                                  const struct op *op)
{
    struct map_machine *m = machine_take(n);
    if (m && code->native)
        map_begin_native(m, code->native, op->args[MAPPING_ARG]);
    else if (m)
        map_begin(m, code->module, code->function, op->args[MAPPING_ARG]);
    return m;
}

bool mapping_room(struct node *n, const struct map_machine *m, size_t *held, struct slice *ret_why)
{
    *ret_why = slice_str("the maps that run on a node take more than 1 GiB of memory together");
    return map_room_set(&n->maps->room, held, map_machine_bytes(m));
}

void mapping_machine_give(struct node *n, struct map_machine *m, size_t *held)
{
    struct maps *maps = n->maps;
    if (!m)
        return;
    (void)map_room_set(&maps->room, held, 0);
    pthread_mutex_lock(&maps->lock);
    bool kept = maps->len < MACHINES_KEPT && map_machine_small(m);
    if (kept)
        maps->machines[maps->len++] = m;
    pthread_mutex_unlock(&maps->lock);
    if (!kept)
        map_machine_free(m);
}

/* --- arguments -------------------------------------------------------------------------------- */

msec_t mapping_time(const struct op *op)
{
    return load_u32(op->args[MAPPING_TIME].data);
}

enum grid_err mapping_find(const struct op *op, struct worker *w, struct mapping_code *ret_code)
{
    if (op->args_len != MAP_PART_ARGS || op->args[MAPPING_REVISION].len != 8 ||
        op->args[MAPPING_TIME].len != 4)
        return GRID_EBAD_REQUEST;
    if (load_u64(op->args[MAPPING_REVISION].data) > w->catalog->modules_revision)
        return GRID_ENOT_PRIMARY; /* so it is asked again, until it is known here */
    struct slice name = op->args[MAPPING_NAME];
    struct mapping_code code = {0};
    code.function = catalog_code(w->catalog, MODULE_MAP, name, &code.module);
    if (!code.function)
        code.native = natives_find(w->node->natives, MODULE_MAP, name);
    if (!code.function && !code.native)
        return GRID_ENO_TASK;
    code.catalog = catalog_ref(w->catalog);
    *ret_code = code;
    return GRID_OK;
}

void mapping_missing(const struct op *op, const struct worker *w, enum grid_err err, char *why)
{
    why[0] = '\0';
    if (err == GRID_ENO_TASK)
        natives_missing(w->node->natives, w->catalog, MODULE_MAP, op->args[MAPPING_NAME],
                        w->node->conf.name, why);
}

/* --- its end ---------------------------------------------------------------------------------- */

static void piece_free(struct piece *p)
{
    list_remove(&p->link);
    buf_release(&p->answer);
    free(p);
}

static void whole_free(struct whole *w)
{
    list_remove(&w->here);
    struct list *it;
    while ((it = list_pop_front(&w->pieces)) || (it = list_pop_front(&w->arrived)))
        piece_free(list_entry(it, struct piece, link));
    loop_timer_stop(&w->timer);
    mapping_machine_give(w->home->node, w->machine, &w->held);
    gather_free(w->gather);
    catalog_unref(w->code.catalog);
    buf_release(&w->rows);
    buf_release(&w->why);
    free(w);
}

static void whole_fail(struct whole *w, enum grid_err err, struct slice why)
{
    if (w->err)
        return;
    w->err = err;
    buf_add(&w->why, why.data, why.len);
}

static void whole_count(const struct whole *w)
{
    struct maps *m = w->home->node->maps;
    atomic_fetch_sub(&m->running, 1);
    atomic_fetch_add(w->err ? &m->failed : &m->done, 1);
    atomic_fetch_add(&m->result_bytes, w->err ? 0 : w->rows.len);
}

static void whole_answer(struct whole *w)
{
    whole_count(w);
    uint8_t *bits = NULL;
    struct result res = {.status = w->err, .value = buf_slice(&w->why)};
    if (!w->err) {
        res = (struct result){.reply = w->rows.len ? REPLY_BULK : REPLY_OK,
                              .number = gather_done_len(w->gather),
                              .value = buf_slice(&w->rows)};
        if (!gather_done(w->gather)) {
            bits = xcalloc(1, (w->partitions + 7) / 8);
            gather_bits(w->gather, bits);
            res.cursor = slice_make(bits, (w->partitions + 7) / 8);
        }
    }
    aside_answer(w->aside, &res);
    w->aside = NULL;
    free(bits);
}

static void whole_last(struct note *n, void *thread)
{
    struct whole *w = container_of(n, struct whole, note);
    (void)thread;
    whole_answer(w);
    whole_free(w);
}

/* --- on the pool ------------------------------------------------------------------------------ */

static void whole_go(struct whole *w);
static void pieces_take(struct whole *w);

static void whole_back(struct note *n, void *thread)
{
    struct whole *w = container_of(n, struct whole, note);
    (void)thread;
    w->busy = false;
    pieces_take(w);
    whole_go(w);
}

static bool machine_ready(struct whole *w)
{
    if (w->machine)
        return true;
    w->machine = mapping_begun(w->home->node, &w->code, &w->aside->op);
    if (!w->machine)
        whole_fail(w, GRID_ENOMEM, slice_make(NULL, 0));
    return w->machine != NULL;
}

/* The list of pieces is the pool's while it is busy. */
static void pieces_merge(struct pool_work *work, struct pool_thread *t)
{
    struct whole *w = container_of(work, struct whole, work);
    struct slice why;
    struct list *it;
    while ((it = list_pop_front(&w->pieces))) {
        struct piece *p = list_entry(it, struct piece, link);
        enum grid_err err = pool_stopping(t->pool) ? GRID_ESTOPPING : GRID_OK;
        if (!err && !w->err && machine_ready(w))
            err = map_merge(w->machine, p->rows);
        if (err)
            whole_fail(w, err, w->machine ? map_fault(w->machine) : slice_make(NULL, 0));
        else if (w->machine && !mapping_room(w->home->node, w->machine, &w->held, &why))
            whole_fail(w, GRID_ETASK, why);
        piece_free(p);
    }
    w->note.run = whole_back;
    worker_post(w->home, &w->note);
}

static void rows_finish(struct pool_work *work, struct pool_thread *t)
{
    struct whole *w = container_of(work, struct whole, work);
    struct buf shown = BUF_INIT;
    enum grid_err err = GRID_OK;
    (void)t;
    if (!w->err && w->reduces && w->machine)
        err = map_finish(w->machine, &shown);
    else if (!w->err && !map_rows_show(buf_slice(&w->rows), &shown))
        err = GRID_EIO;
    if (!err && shown.len > MAPPING_SHOWN_MAX)
        err = GRID_ETOO_LARGE;
    if (err)
        whole_fail(w, err, w->machine ? map_fault(w->machine) : slice_make(NULL, 0));
    buf_release(&w->rows);
    w->rows = shown;
    w->note.run = whole_last;
    worker_post(w->home, &w->note);
}

static void pool_give(struct whole *w, void (*run)(struct pool_work *work, struct pool_thread *t))
{
    w->busy = true;
    w->work = (struct pool_work){.priority = POOL_USUAL, .run = run};
    if (pool_post(w->home->node->pool, &w->work))
        return;
    whole_fail(w, GRID_ESTOPPING, slice_make(NULL, 0));
    w->busy = false;
    w->ending = true;
    whole_answer(w);
    whole_free(w);
}

/* --- pieces ----------------------------------------------------------------------------------- */

/* What is wrong with the map itself, and would be anywhere. */
static bool for_good(enum grid_err err)
{
    static const enum grid_err ends[] = {
        GRID_ETASK,     GRID_ENO_TASK,     GRID_ETOO_LARGE, GRID_EBAD_REQUEST,
        GRID_ENO_CACHE, GRID_EDAMAGED,     GRID_ELOST,      GRID_ENO_CONTEXT,
        GRID_ENOMEM,    GRID_EUNSUPPORTED, GRID_ECORRUPT,
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends[i] == err)
            return true;
    return false;
}

/* The partitions that the answer is of. False: it makes no sense. */
static bool answer_read(struct piece *p, uint16_t done[GATHER_ASK_MAX], uint32_t *ret_len,
                        uint8_t *ret_flags)
{
    struct slice in = buf_slice(&p->answer);
    if (in.len < 5)
        return false;
    *ret_flags = in.data[0];
    uint32_t len = load_u32(in.data + 1);
    if (len > GATHER_ASK_MAX || in.len - 5 < 2 * (size_t)len)
        return false;
    for (uint32_t i = 0; i < len; i++)
        done[i] = load_u16(in.data + 5 + 2 * (size_t)i);
    p->rows = slice_make(in.data + 5 + 2 * (size_t)len, in.len - 5 - 2 * (size_t)len);
    *ret_len = len;
    return true;
}

enum { PART_REDUCES = 1, PART_ALONE = 2 };

static void piece_take(struct whole *w, struct piece *p)
{
    uint16_t done[GATHER_ASK_MAX];
    uint32_t len;
    uint8_t flags;
    msec_t now = loop_mono_ms(w->home->loop);
    if (p->status && for_good(p->status))
        whole_fail(w, p->status, buf_slice(&p->answer));
    if (p->status || !answer_read(p, done, &len, &flags)) {
        gather_failed(w->gather, p->number, now);
        piece_free(p);
        return;
    }
    if (!gather_answered(w->gather, p->number, done, len, flags & PART_ALONE, now) ||
        !p->rows.len || w->err) {
        piece_free(p);
        return;
    }
    w->reduces = flags & PART_REDUCES;
    if (w->reduces) {
        list_push_back(&w->pieces, &p->link);
        return;
    }
    buf_add(&w->rows, p->rows.data, p->rows.len);
    piece_free(p);
}

/* What came while the pool had the list. */
static void pieces_take(struct whole *w)
{
    struct list *it;
    while ((it = list_pop_front(&w->arrived)))
        piece_take(w, list_entry(it, struct piece, link));
}

static void piece_back(struct note *n, void *thread)
{
    struct piece *p = container_of(n, struct piece, note);
    struct whole *w = p->whole;
    (void)thread;
    w->open--;
    list_push_back(&w->arrived, &p->link);
    if (w->busy)
        return;
    pieces_take(w);
    whole_go(w);
}

/* On any worker's thread; the control thread's at the end, when nobody waits any more. */
static void piece_done(struct inside_call *c, const struct result *res, struct worker *on)
{
    struct piece *p = container_of(c, struct piece, call);
    p->status = res->status;
    if (!on) {
        piece_free(p);
        return;
    }
    buf_add(&p->answer, res->value.data, res->value.len);
    p->note.run = piece_back;
    worker_post(p->whole->home, &p->note);
}

static void piece_ask(struct whole *w, const struct gather_ask *a)
{
    const struct op *op = &w->aside->op;
    struct piece *p = xcalloc(1, sizeof *p);
    msec_t now = loop_mono_ms(w->home->loop);
    list_init(&p->link);
    p->whole = w;
    p->number = a->number;
    for (uint32_t i = 0; i < a->len; i++)
        store_u16(p->which + 2 * (size_t)i, a->partitions[i]);
    store_u32(p->time, (uint32_t)(w->until > now ? w->until - now : 0));
    memcpy(p->args, op->args, sizeof p->args);
    p->args[MAPPING_WHICH] = slice_make(p->which, 2 * (size_t)a->len);
    p->args[MAPPING_TIME] = slice_make(p->time, sizeof p->time);
    p->key = op->key;
    p->call.op = (struct op){.kind = OP_CALL,
                             .procedure = command_map_part,
                             .aside = true,
                             .reads_only = true,
                             .asks_again = true,
                             .cache = op->cache,
                             .partition = a->partitions[0],
                             .key = p->key,
                             .keys = &p->key,
                             .keys_len = 1,
                             .args = p->args,
                             .args_len = MAP_PART_ARGS};
    p->call.done = piece_done;
    w->open++;
    inside_ask(w->home->node, &p->call);
}

/* --- going on --------------------------------------------------------------------------------- */

/* The node that leads it and its shard there, as one number. */
static uint64_t place_of(void *ctx, uint16_t partition)
{
    const struct whole *w = ctx;
    const struct grid_state *state = replication_state(w->home);
    struct replica_config c = {0};
    if (!state)
        return w->home->replication ? 0 : 1 + partition % w->home->node->shards;
    if (!grid_state_config(state, cache_context(w->aside->op.cache), partition, &c) || !c.led)
        return 0;
    const struct grid_node *n = grid_state_node(state, c.members[0].node);
    return n ? (uint64_t)n->number << 16 | (1 + partition % n->info.shards) : 0;
}

static bool enough(const struct whole *w)
{
    return !w->reduces && w->rows.len >= MAPPING_ENOUGH;
}

static void whole_go(struct whole *w)
{
    struct gather_ask ask;
    msec_t now = loop_mono_ms(w->home->loop);
    if (w->busy || w->ending)
        return;
    if (!w->err && w->home->stopping)
        whole_fail(w, GRID_ESTOPPING, slice_make(NULL, 0));
    if (!w->err && now >= w->until && !gather_done(w->gather))
        whole_fail(w, GRID_ETIMEOUT, slice_make(NULL, 0));
    while (!w->err && !enough(w) && gather_next(w->gather, place_of, w, now, &ask))
        piece_ask(w, &ask);
    if (!list_empty(&w->pieces)) {
        pool_give(w, pieces_merge);
    } else if (!w->open && (w->err || enough(w) || gather_done(w->gather))) {
        w->ending = true;
        loop_timer_stop(&w->timer);
        pool_give(w, rows_finish);
    } else {
        loop_timer_set(&w->timer, TICK_MS);
    }
}

static void whole_fire(void *ctx)
{
    whole_go(ctx);
}

/* --- its beginning ---------------------------------------------------------------------------- */

/* Only the partitions of these keys. */
static bool keys_only(struct whole *w, struct slice in)
{
    uint16_t *list = in.len ? xcalloc(in.len / 2 + 1, sizeof *list) : NULL;
    uint32_t len = 0;
    bool good = true;
    for (size_t at = 0; good && at < in.len;) {
        struct map_key key;
        good = map_key_read(in, &at, &key);
        if (good)
            list[len++] = slot_partition(hash_slot(key.placed_by), w->partitions);
    }
    if (good && in.len)
        gather_only(w->gather, list, len);
    free(list);
    return good;
}

static enum grid_err whole_open(struct whole *w)
{
    const struct op *op = &w->aside->op;
    enum grid_err err = mapping_find(op, w->home, &w->code);
    if (err)
        return err;
    const struct context_info *c = catalog_context(w->code.catalog, cache_context(op->cache));
    if (!c)
        return GRID_ENO_CONTEXT;
    w->partitions = c->partitions;
    w->gather = gather_new(c->partitions, op->args[MAPPING_WHICH]);
    if (!w->gather || !keys_only(w, op->args[MAPPING_KEYS]))
        return GRID_EBAD_REQUEST;
    return GRID_OK;
}

void mapping_begin(struct aside *a)
{
    struct whole *w = xcalloc(1, sizeof *w);
    w->aside = a;
    w->home = a->worker;
    atomic_fetch_add(&w->home->node->maps->running, 1);
    list_init(&w->arrived);
    list_init(&w->pieces);
    list_push_back(&w->home->node->maps->workers[w->home->index].wholes, &w->here);
    loop_timer_init(&w->timer, w->home->loop, whole_fire, w);
    enum grid_err err = whole_open(w);
    if (err) {
        char why[WHY_BYTES];
        mapping_missing(&a->op, w->home, err, why);
        whole_fail(w, err, slice_str(why));
        whole_answer(w);
        whole_free(w);
        return;
    }
    w->until = loop_mono_ms(w->home->loop) + mapping_time(&a->op);
    loop_timer_set(&w->timer, 0);
}

/* --- the node's ------------------------------------------------------------------------------- */

void mapping_init(struct node *n)
{
    n->maps = xcalloc(1, sizeof *n->maps + n->shards * sizeof *n->maps->workers);
    pthread_mutex_init(&n->maps->lock, NULL);
    CHECK(getrandom(&n->maps->seed, sizeof n->maps->seed, 0) == sizeof n->maps->seed);
    for (unsigned i = 0; i < n->shards; i++) {
        list_init(&n->maps->workers[i].parts);
        list_init(&n->maps->workers[i].wholes);
    }
}

void mapping_read(struct node *n, size_t bytes)
{
    atomic_fetch_add(&n->maps->read_bytes, bytes);
}

void mapping_stats(struct node *n, struct map_stats *ret_stats)
{
    struct maps *m = n->maps;
    *ret_stats = (struct map_stats){.running = atomic_load(&m->running),
                                    .done = atomic_load(&m->done),
                                    .failed = atomic_load(&m->failed),
                                    .result_bytes = atomic_load(&m->result_bytes),
                                    .read_bytes = atomic_load(&m->read_bytes)};
}

struct list *mapping_parts(struct worker *w)
{
    return &w->node->maps->workers[w->index].parts;
}

void mapping_worker_end(struct worker *w)
{
    mapping_parts_end(w);
    list_for_each_safe (it, &w->node->maps->workers[w->index].wholes) {
        struct whole *all = list_entry(it, struct whole, here);
        free(all->aside);
        whole_free(all);
    }
}

void mapping_release(struct node *n)
{
    if (!n->maps)
        return;
    for (size_t i = 0; i < n->maps->len; i++)
        map_machine_free(n->maps->machines[i]);
    pthread_mutex_destroy(&n->maps->lock);
    free(n->maps);
    n->maps = NULL;
}
