/* runner.c - see runner.h.
 *
 * An item is a key of the hidden cache. What is read of it may come late: of two answers the one of
 * the higher version counts; what is absent while its partition is scanned is kept as gone until
 * the scan is over, for a page of it may be older. */
#include "coordination/runner.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "compute/sabotage.h"
#include "coordination/queue.h"

#include <stdlib.h>

enum {
    BUCKETS_MIN = 64,
    READY_LOOKS = 256, /* jobs tried in one tick */
    RETRY_MS = 500,    /* what could not be read, begun, fired */
    ALIVE_MS = 1000,   /* between two looks whether who runs a job still does */
    PLACE_MS = 1000,   /* ... whether some node has a place for one with labels */
    BEGIN_MS = 5000,   /* one that was started stands in its row by then */
    LOST_MS = 50,      /* before another node is asked */
};

enum item_state { ITEM_IDLE, ITEM_READY, ITEM_STARTED };

struct part;
struct item {
    struct heap_node timer;
    struct queued wait; /* in runner.ready, while READY */
    struct list of;     /* in part.items */
    struct item *next;  /* of its bucket */
    struct part *part;
    uint64_t hash, version;
    enum item_state state;
    bool looking, again; /* it is being read; and has to be read again */
    bool gone, known;
    bool schedule;
    uint64_t status, priority, attempt;
    uint64_t fired;             /* of a schedule */
    msec_t due, deadline, hold; /* hold: nothing is tried before */
    struct buf bytes;           /* key, then the row; of a job without arg, state and result */
    uint32_t key_len;
    uint32_t module; /* where it is counted as queued: place + 1 in runner.modules */
};

struct part {
    struct list link; /* in runner.parts */
    struct list items;
    struct heap_node retry; /* of the scan */
    uint32_t context;
    uint16_t partition;
    uint64_t era; /* of its being led: what was asked before means nothing */
    bool scanning;
};

struct pending_led {
    uint32_t context;
    uint16_t partition;
};

struct module_count {
    char name[MODULE_NAME_MAX + 1];
    size_t queued;
};

struct runner {
    struct runner_ports ports;
    struct module_count *modules; /* that had jobs; few */
    size_t modules_len, queued;
    struct list parts;
    struct queue ready;
    bool tried;         /* all of them, since those without a place were set aside */
    struct heap timers; /* of items */
    struct heap scans;  /* of parts */
    struct item **buckets;
    size_t buckets_len, items;
    struct pending_led *led; /* that may hold something */
    size_t led_len, led_cap;
    uint64_t era;
    struct runner_stats stats;
};

static uint64_t hash_of(uint32_t context, uint16_t partition, struct slice key)
{
    return hash_key(key, (uint64_t)context << 16 | partition);
}

static struct slice item_key(const struct item *i)
{
    return slice_make(i->bytes.data, i->key_len);
}

static struct slice item_row(const struct item *i)
{
    return slice_make(i->bytes.data + i->key_len, i->bytes.len - i->key_len);
}

static struct runner_job job_of(const struct item *i, struct job_row *ret_row)
{
    struct runner_job j = {.context = i->part->context, .partition = i->part->partition};
    bool good = job_key_id(item_key(i), &j.id) && job_row_decode(item_row(i), ret_row);
    CHECK(good);
    j.name = ret_row->name;
    j.anywhere = job_anywhere(ret_row->labels, &j.labels);
    return j;
}

/* --- how many are queued ---------------------------------------------------------------------- */

static struct slice module_part(struct slice name)
{
    const uint8_t *dot = name.len ? memchr(name.data, '.', name.len) : NULL;
    size_t len = dot ? (size_t)(dot - name.data) : name.len;
    return slice_make(name.data, len < MODULE_NAME_MAX ? len : (size_t)MODULE_NAME_MAX);
}

static size_t module_find(const struct runner *r, struct slice module)
{
    size_t at = 0;
    while (at < r->modules_len && !slice_eq(slice_str(r->modules[at].name), module))
        at++;
    return at;
}

static void uncount(struct runner *r, struct item *i)
{
    if (!i->module)
        return;
    r->modules[i->module - 1].queued--;
    r->queued--;
    i->module = 0;
}

static void count(struct runner *r, struct item *i, struct slice name)
{
    struct slice module = module_part(name);
    size_t at = module_find(r, module);
    if (at == r->modules_len) {
        r->modules = xrealloc(r->modules, ++r->modules_len, sizeof *r->modules);
        r->modules[at] = (struct module_count){.queued = 0};
        memcpy(r->modules[at].name, module.data, module.len);
    }
    r->modules[at].queued++;
    r->queued++;
    i->module = (uint32_t)at + 1;
}

/* --- items ------------------------------------------------------------------------------------ */

static struct item *item_find(const struct runner *r, const struct part *p, struct slice key)
{
    uint64_t hash = hash_of(p->context, p->partition, key);
    struct item *i = r->buckets_len ? r->buckets[hash & (r->buckets_len - 1)] : NULL;
    while (i && (i->hash != hash || i->part != p || !slice_eq(item_key(i), key)))
        i = i->next;
    return i;
}

static void buckets_grow(struct runner *r)
{
    size_t len = r->buckets_len ? r->buckets_len * 2 : BUCKETS_MIN;
    struct item **buckets = xcalloc(len, sizeof *buckets);
    for (size_t b = 0; b < r->buckets_len; b++) {
        for (struct item *i = r->buckets[b], *next; i; i = next) {
            next = i->next;
            i->next = buckets[i->hash & (len - 1)];
            buckets[i->hash & (len - 1)] = i;
        }
    }
    free(r->buckets);
    r->buckets = buckets;
    r->buckets_len = len;
}

static struct item *item_new(struct runner *r, struct part *p, struct slice key)
{
    if (r->items >= r->buckets_len)
        buckets_grow(r);
    struct item *i = xcalloc(1, sizeof *i);
    i->part = p;
    i->hash = hash_of(p->context, p->partition, key);
    i->bytes = (struct buf)BUF_INIT;
    buf_add(&i->bytes, key.data, key.len);
    i->key_len = (uint32_t)key.len;
    list_init(&i->of);
    list_push_back(&p->items, &i->of);
    struct item **bucket = &r->buckets[i->hash & (r->buckets_len - 1)];
    i->next = *bucket;
    *bucket = i;
    r->items++;
    return i;
}

static void item_free(struct runner *r, struct item *i)
{
    struct item **at = &r->buckets[i->hash & (r->buckets_len - 1)];
    while (*at != i)
        at = &(*at)->next;
    *at = i->next;
    uncount(r, i);
    heap_remove(&r->timers, &i->timer);
    queue_remove(&r->ready, &i->wait);
    list_remove(&i->of);
    buf_release(&i->bytes);
    free(i);
    r->items--;
}

static void item_at(struct runner *r, struct item *i, msec_t at)
{
    heap_remove(&r->timers, &i->timer);
    if (at != UINT64_MAX)
        heap_push(&r->timers, &i->timer, at);
}

/* --- partitions ------------------------------------------------------------------------------- */

static struct part *part_find(const struct runner *r, uint32_t context, uint16_t partition)
{
    list_for_each (it, &r->parts) {
        struct part *p = list_entry(it, struct part, link);
        if (p->context == context && p->partition == partition)
            return p;
    }
    return NULL;
}

static struct part *part_asked(const struct runner *r, uint64_t era, uint32_t context,
                               uint16_t partition)
{
    struct part *p = part_find(r, context, partition);
    return p && p->era == era ? p : NULL;
}

static struct part *part_new(struct runner *r, uint32_t context, uint16_t partition)
{
    struct part *p = xcalloc(1, sizeof *p);
    p->context = context;
    p->partition = partition;
    p->era = ++r->era;
    list_init(&p->items);
    list_init(&p->link);
    list_push_back(&r->parts, &p->link);
    return p;
}

static void part_free(struct runner *r, struct part *p)
{
    list_for_each_safe (it, &p->items)
        item_free(r, list_entry(it, struct item, of));
    heap_remove(&r->scans, &p->retry);
    list_remove(&p->link);
    free(p);
}

static void part_scan(struct runner *r, struct part *p, struct slice cursor)
{
    p->scanning = true;
    r->ports.scan(r->ports.ctx, p->era, p->context, p->partition, cursor);
}

static void pending_drop(struct runner *r, uint32_t context, uint16_t partition)
{
    for (size_t i = 0; i < r->led_len; i++)
        if (r->led[i].context == context && r->led[i].partition == partition)
            r->led[i--] = r->led[--r->led_len];
}

void runner_led(struct runner *r, uint32_t context, uint16_t partition, bool led)
{
    struct part *p = part_find(r, context, partition);
    if (p)
        part_free(r, p);
    pending_drop(r, context, partition);
    if (!led)
        return;
    if (r->led_len == r->led_cap) {
        r->led_cap = r->led_cap ? r->led_cap * 2 : 16;
        r->led = xrealloc(r->led, r->led_cap, sizeof *r->led);
    }
    r->led[r->led_len++] = (struct pending_led){context, partition};
}

static void item_read(struct runner *r, struct item *i)
{
    i->again = i->looking;
    if (i->looking)
        return;
    i->looking = true;
    r->ports.look(r->ports.ctx, i->part->era, i->part->context, i->part->partition, item_key(i));
}

static void led_run(struct runner *r)
{
    for (size_t i = 0; i < r->led_len; i++) {
        const struct pending_led *l = &r->led[i];
        if (!part_find(r, l->context, l->partition) &&
            r->ports.holds(r->ports.ctx, l->context, l->partition))
            part_scan(r, part_new(r, l->context, l->partition), slice_make(NULL, 0));
    }
    r->led_len = 0;
}

void runner_touched(struct runner *r, uint32_t context, uint16_t partition, struct slice key)
{
    led_run(r); /* so that it is scanned, if it was told to be led and not looked at yet */
    struct part *p = part_find(r, context, partition);
    if (!p)
        p = part_new(r, context, partition);
    struct item *i = item_find(r, p, key);
    item_read(r, i ? i : item_new(r, p, key));
}

/* --- rows ------------------------------------------------------------------------------------- */

static void ended_count(struct runner *r, uint64_t status)
{
    r->stats.done += status == JOB_DONE;
    r->stats.failed += status == JOB_FAILED;
    r->stats.cancelled += status == JOB_CANCELLED;
}

/* `changed`: it is, just now; and not only read for the first time. */
static bool row_take(struct runner *r, struct item *i, struct slice value, bool changed)
{
    struct job_row j;
    struct schedule_row s;
    uncount(r, i);
    i->bytes.len = i->key_len;
    i->schedule = i->bytes.data[0] == 's';
    if (i->schedule) {
        if (!schedule_row_decode(value, &s))
            return false;
        r->stats.fired += i->known && s.fired > i->fired ? s.fired - i->fired : 0;
        i->fired = s.fired;
        buf_add(&i->bytes, value.data, value.len);
        return true;
    }
    if (i->key_len != JOB_KEY_BYTES || i->bytes.data[0] != 'j' || !job_row_decode(value, &j))
        return false;
    if ((i->known || changed) && !job_ended(&(struct job_row){.status = i->status}))
        ended_count(r, j.status);
    i->status = j.status;
    i->priority = j.priority;
    i->attempt = j.attempt;
    i->due = j.due;
    i->deadline = j.deadline;
    j.arg = j.state = j.result = slice_make(NULL, 0);
    job_row_encode(&j, &i->bytes);
    if (j.status == JOB_QUEUED)
        count(r, i, j.name);
    return true;
}

/* Its state follows from its row anew. */
static void item_take(struct runner *r, struct item *i, const struct runner_entry *e, bool changed)
{
    if (e->version <= i->version)
        return;
    uint64_t attempt = i->attempt;
    i->version = e->version;
    i->gone = false;
    i->known = row_take(r, i, e->value, changed);
    if (i->state == ITEM_STARTED && i->attempt == attempt && i->status == JOB_QUEUED &&
        !i->schedule)
        return; /* something else of it has changed */
    queue_remove(&r->ready, &i->wait);
    i->state = ITEM_IDLE;
    i->hold = 0;
    item_at(r, i, i->known ? 0 : UINT64_MAX);
}

static void item_gone(struct runner *r, struct item *i)
{
    uncount(r, i);
    i->gone = true;
    i->known = false;
    i->state = ITEM_IDLE;
    queue_remove(&r->ready, &i->wait);
    item_at(r, i, UINT64_MAX);
    if (!i->part->scanning && !i->looking)
        item_free(r, i);
}

void runner_row(struct runner *r, uint64_t era, uint32_t context, uint16_t partition,
                const struct runner_entry *e)
{
    struct part *p = part_asked(r, era, context, partition);
    struct item *i = p ? item_find(r, p, e->key) : NULL;
    if (!i)
        return;
    bool again = i->again;
    i->looking = i->again = false;
    if (again)
        item_read(r, i);
    if (e->version)
        item_take(r, i, e, true);
    else
        item_gone(r, i);
}

void runner_page(struct runner *r, uint64_t era, uint32_t context, uint16_t partition,
                 const struct runner_entry *list, size_t len, struct slice cursor)
{
    struct part *p = part_asked(r, era, context, partition);
    if (!p)
        return;
    for (size_t k = 0; k < len; k++) {
        struct item *i = item_find(r, p, list[k].key);
        if (i && i->gone)
            continue;
        item_take(r, i ? i : item_new(r, p, list[k].key), &list[k], false);
    }
    if (cursor.len) {
        part_scan(r, p, cursor);
        return;
    }
    p->scanning = false;
    list_for_each_safe (it, &p->items) {
        struct item *i = list_entry(it, struct item, of);
        if (i->gone && !i->looking)
            item_free(r, i);
    }
}

void runner_unread(struct runner *r, uint64_t era, uint32_t context, uint16_t partition,
                   struct slice key, msec_t now)
{
    struct part *p = part_asked(r, era, context, partition);
    if (!p)
        return;
    heap_remove(&r->scans, &p->retry); /* all of it is read again: that is never wrong */
    heap_push(&r->scans, &p->retry, now + RETRY_MS);
    struct item *i = key.len ? item_find(r, p, key) : NULL;
    if (!i)
        return;
    i->looking = i->again = false;
    if (!i->known && !i->gone)
        item_free(r, i);
}

/* --- what is due ------------------------------------------------------------------------------ */

static void schedule_run(struct runner *r, struct item *i, msec_t now)
{
    struct schedule_row row;
    bool good = schedule_row_decode(item_row(i), &row);
    CHECK(good);
    msec_t tick = schedule_due(&row, now);
    if (tick) {
        r->ports.fire(r->ports.ctx, i->part->context, i->part->partition, item_key(i), &row, tick);
        item_at(r, i, now + RETRY_MS); /* it is touched before, mostly */
        return;
    }
    msec_t next = row.paused ? 0 : schedule_next(&row, row.last > now ? row.last : now);
    item_at(r, i, next ? next : UINT64_MAX);
}

/* Of jobs of one module that want the same nodes none has a place when one has none. */
static uint64_t kind_of(const struct item *i)
{
    struct job_row row;
    struct runner_job j = job_of(i, &row);
    return hash_key(j.labels, hash_key(module_part(j.name), j.anywhere));
}

static void item_ready(struct runner *r, struct item *i)
{
    i->state = ITEM_READY;
    queue_remove(&r->ready, &i->wait);
    queue_put(&r->ready, &i->wait, (unsigned)i->priority, kind_of(i));
    item_at(r, i, i->deadline ? i->deadline : UINT64_MAX);
}

static msec_t sooner(msec_t a, msec_t b)
{
    return b && b < a ? b : a;
}

static void running_look(struct runner *r, struct item *i, msec_t now)
{
    struct job_row row;
    struct runner_job j = job_of(i, &row);
    j.attempt = i->attempt;
    if (r->ports.alive(r->ports.ctx, row.node, &j) && !WORK_RULE_OFF(ALIVE)) {
        item_at(r, i, sooner(now + ALIVE_MS, i->deadline));
        return;
    }
    r->stats.taken_over++;
    item_ready(r, i);
}

static void item_run(struct runner *r, struct item *i, msec_t now)
{
    if (i->schedule) {
        schedule_run(r, i, now);
        return;
    }
    if (i->status != JOB_QUEUED && i->status != JOB_RUNNING) {
        item_at(r, i, UINT64_MAX);
        return;
    }
    if (i->deadline && i->deadline <= now) {
        queue_remove(&r->ready, &i->wait);
        i->state = ITEM_IDLE;
        struct job_row row;
        struct job_id id = job_of(i, &row).id;
        r->ports.expire(r->ports.ctx, i->part->context, i->part->partition, &id);
        item_at(r, i, now + RETRY_MS);
        return;
    }
    if (i->state == ITEM_READY)
        return;
    i->state = ITEM_IDLE;
    msec_t from = i->hold > i->due ? i->hold : i->due;
    if (from > now)
        item_at(r, i, sooner(from, i->deadline));
    else if (i->status == JOB_RUNNING)
        running_look(r, i, now);
    else
        item_ready(r, i);
}

static void ready_start(struct runner *r, struct item *i, msec_t now)
{
    struct job_row row;
    struct runner_job j = job_of(i, &row);
    j.attempt = i->attempt + 1;
    enum runner_place place = r->ports.start(r->ports.ctx, &j);
    if (place != RUNNER_STARTED && place != RUNNER_NOWHERE) {
        queue_aside(&r->ready, &i->wait);
        return;
    }
    queue_remove(&r->ready, &i->wait);
    i->state = place == RUNNER_STARTED ? ITEM_STARTED : ITEM_IDLE;
    i->hold = now + (place == RUNNER_STARTED ? BEGIN_MS : PLACE_MS);
    r->stats.started += place == RUNNER_STARTED;
    item_at(r, i, sooner(i->hold, i->deadline));
}

static void ready_run(struct runner *r, msec_t now)
{
    struct queued *e = NULL;
    if (r->tried)
        queue_again(&r->ready);
    for (unsigned looks = 0; looks < READY_LOOKS && (e = queue_first(&r->ready)); looks++)
        ready_start(r, container_of(e, struct item, wait), now);
    r->tried = !queue_first(&r->ready);
}

msec_t runner_tick(struct runner *r, msec_t now)
{
    struct heap_node *n;
    led_run(r);
    while ((n = heap_min(&r->scans)) && n->key <= now) {
        struct part *p = container_of(n, struct part, retry);
        heap_remove(&r->scans, n);
        part_scan(r, p, slice_make(NULL, 0));
    }
    while ((n = heap_min(&r->timers)) && n->key <= now) {
        struct item *i = container_of(n, struct item, timer);
        heap_remove(&r->timers, n);
        item_run(r, i, now);
    }
    ready_run(r, now);
    msec_t next = r->tried ? UINT64_MAX : now;
    if ((n = heap_min(&r->timers)) && n->key < next)
        next = n->key;
    if ((n = heap_min(&r->scans)) && n->key < next)
        next = n->key;
    return next == UINT64_MAX ? next : next > now ? next - now : 1;
}

void runner_lost(struct runner *r, uint32_t context, uint16_t partition, const struct job_id *id,
                 uint64_t attempt, msec_t now)
{
    uint8_t key[JOB_KEY_BYTES];
    job_id_key(id, key);
    struct part *p = part_find(r, context, partition);
    struct item *i = p ? item_find(r, p, slice_make(key, sizeof key)) : NULL;
    if (!i || !i->known)
        return;
    if (i->state == ITEM_STARTED && i->attempt + 1 == attempt) {
        i->state = ITEM_IDLE;
        i->hold = now + LOST_MS;
        item_at(r, i, sooner(i->hold, i->deadline));
    } else if (i->state == ITEM_IDLE && i->status == JOB_RUNNING && i->attempt == attempt) {
        r->stats.taken_over++;
        item_ready(r, i);
    }
}

/* --- life, numbers ---------------------------------------------------------------------------- */

struct runner *runner_new(const struct runner_ports *ports)
{
    struct runner *r = xcalloc(1, sizeof *r);
    r->ports = *ports;
    list_init(&r->parts);
    queue_init(&r->ready);
    return r;
}

void runner_free(struct runner *r)
{
    if (!r)
        return;
    list_for_each_safe (it, &r->parts)
        part_free(r, list_entry(it, struct part, link));
    queue_release(&r->ready);
    heap_release(&r->timers);
    heap_release(&r->scans);
    free(r->modules);
    free(r->buckets);
    free(r->led);
    free(r);
}

size_t runner_queued(const struct runner *r, struct slice name)
{
    size_t at = module_find(r, module_part(name));
    return name.len ? at < r->modules_len ? r->modules[at].queued : 0 : r->queued;
}

static void each_item(const struct runner *r, void (*each)(void *ctx, const struct item *i),
                      void *ctx)
{
    list_for_each (it, &r->parts) {
        const struct part *p = list_entry(it, struct part, link);
        list_for_each (of, &p->items) {
            const struct item *i = list_entry(of, struct item, of);
            if (i->known)
                each(ctx, i);
        }
    }
}

static void stats_add(void *ctx, const struct item *i)
{
    struct runner_stats *s = ctx;
    if (i->schedule)
        s->schedules++;
    else if (i->status == JOB_QUEUED)
        s->queued++;
    else if (i->status == JOB_RUNNING)
        s->running++;
    else
        s->ended++;
}

void runner_stats(const struct runner *r, struct runner_stats *ret_stats)
{
    *ret_stats = r->stats;
    each_item(r, stats_add, ret_stats);
}

struct each {
    runner_each_fn *each;
    void *ctx;
};

static void each_tell(void *ctx, const struct item *i)
{
    const struct each *e = ctx;
    e->each(e->ctx, i->part->context, item_key(i), item_row(i));
}

void runner_each(const struct runner *r, runner_each_fn *each, void *ctx)
{
    each_item(r, each_tell, &(struct each){each, ctx});
}

/* Who is ready, is in the queue of its priority, and is known; who is to be read, is being read. */
void runner_check(const struct runner *r)
{
    size_t items = 0, ready = 0, counted = 0;
    list_for_each (it, &r->parts) {
        const struct part *p = list_entry(it, struct part, link);
        CHECK(part_find(r, p->context, p->partition) == p);
        list_for_each (of, &p->items) {
            const struct item *i = list_entry(of, struct item, of);
            CHECK(i->part == p && item_find(r, p, item_key(i)) == i);
            CHECK(!i->again || i->looking);
            CHECK((i->state == ITEM_READY) == queue_has(&i->wait));
            CHECK(i->state == ITEM_IDLE || (i->known && !i->schedule));
            CHECK(!i->gone || p->scanning || i->looking);
            ready += i->state == ITEM_READY;
            counted += i->module != 0;
            items++;
        }
    }
    CHECK(items == r->items && ready == queue_check(&r->ready) && counted == r->queued);
    heap_check(&r->timers);
    heap_check(&r->scans);
}
