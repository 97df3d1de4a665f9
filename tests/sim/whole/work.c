/* work.c - what users of jobs, schedules and services have in common: code that is deployed, and
 * how it is asked for. */
#include "tests/sim/whole/work.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "compute/library.h"
#include "compute/sabotage.h"
#include "node/jobs.h"
#include "proto/slot.h"
#include "shard/others_priv.h"
#include "tests/sim/whole/machine.h"

#include <stdio.h>
#include <stdlib.h>

enum { PATIENCE_MS = 400, ASK_BITS = 8, DEPLOY_ONE_OF = 40 };

/* A job appends the number of each of its steps to a key of its own, or adds it there without a
 * look at what is there; and counts it in a key that all have. Some have a task elsewhere say it,
 * too. */
static const char source[] =
    "#!lua name=m\n"
    "grid.job('steps', function(j)\n"
    "  local total, what = string.match(j.arg, '(%d+) (%a+)')\n"
    "  local n = tonumber(j.state or '0')\n"
    "  while n < tonumber(total) do\n"
    "    n = n + 1\n"
    "    local log = 'log-' .. j.key\n"
    "    if what == 'blind' then j.incr(log, n)\n"
    "    else j.put(log, (j.get(log) or '') .. ',' .. n) end\n"
    "    j.incr('sum')\n"
    "    if what == 'clash' then j.put('shared', tonumber(j.get('shared') or 0) + 1) end\n"
    "    if what == 'task' then j.run('m.mark', 'mark-' .. j.key, ',' .. n) end\n"
    "    if what == 'fail' and n == 2 and j.attempt < 3 then error('it fails') end\n"
    "    if what == 'never' and n == 2 then error('it never works') end\n"
    "    if n < tonumber(total) then j.checkpoint(n, n / total) end\n"
    "  end\n"
    "  return n\n"
    "end)\n"
    "grid.job('tick', function(j) return j.incr('ticks-' .. j.key) end)\n"
    "grid.task('mark', function(t)\n"
    "  grid.put(t.key, (grid.get(t.key) or '') .. t.arg)\n"
    "end)\n"
    "for _, name in ipairs{'one', 'some', 'key', 'node'} do\n"
    "  grid.service(name, {call = function(s, method, arg)\n"
    "    local key, n = string.match(arg, '(%S+) (%d+)')\n"
    "    s.put('c', key, s.token .. ' ' .. n)\n"
    "    return key .. ' ' .. s.token\n"
    "  end, health = function(s) return true end})\n"
    "end\n";

uint64_t work_below(struct world *w, uint64_t n)
{
    return n ? prng_below(&w->work->prng, n) : 0;
}

char *work_label(unsigned node)
{
    static char labels[2][8] = {"box=a", "box=b"};
    return labels[node % 2];
}

/* --- what is deployed ------------------------------------------------------------------------- */

static const struct module_info *module_read(void)
{
    static const struct library_limits limits = {.run = {.steps = 10000000, .memory = 4 << 20}};
    static struct module_info info;
    struct buf fault = BUF_INIT;
    if (!info.functions && !library_read(slice_str(source), slice_str(""), &limits, &info, &fault))
        printf("%.*s\n", (int)fault.len, (const char *)fault.data);
    CHECK(info.functions);
    buf_release(&fault);
    return &info;
}

static void deploy(struct world *w)
{
    const struct simnode *s = &w->nodes[work_below(w, w->nodes_len)];
    struct grid_command c = {.kind = GRID_MODULE_DEPLOY, .u.module = {module_read(), true}};
    if (w->newest && w->newest->catalog->modules_len)
        w->work->deployed = true;
    else if (work_below(w, DEPLOY_ONE_OF) == 0 && s->running)
        (void)node_propose((struct simnode *)(uintptr_t)s, &c);
}

/* --- asking ----------------------------------------------------------------------------------- */

bool work_may_ask(struct world *w, struct work_ask *a)
{
    const struct simnode *n = &w->nodes[a->node];
    if (a->attempt && n->life == a->life && w->now < a->sent_at + PATIENCE_MS)
        return false;
    a->attempt = 0;
    return w->now >= a->again_at;
}

/* Who leads it as some node knows, or just any node. */
void work_send(struct world *w, struct work_ask *a, enum work_kind kind, unsigned index,
               unsigned context, uint32_t partition)
{
    struct simnode *n = work_below(w, 4) ? way_known(w, context, partition)
                                         : &w->nodes[work_below(w, w->nodes_len)];
    a->again_at = w->now + 5 + work_below(w, 20);
    if (!n || !n->running)
        return;
    a->attempt = (++w->work->asks << ASK_BITS | index) << 2 | kind;
    a->node = n->index;
    a->life = n->life;
    a->sent_at = w->now;
    struct event *e = event_at(w, w->now + 1 + work_below(w, w->mix.delay_max), EVENT_OP, n->index,
                               1 + partition % w->mix.shards);
    e->client = WORKER;
    e->number = a->attempt;
}

static struct work_ask *ask_of(struct world *w, uint64_t attempt, enum work_kind *ret_kind,
                               unsigned *ret_index)
{
    *ret_kind = (enum work_kind)(attempt & 3);
    *ret_index = attempt >> 2 & ((1 << ASK_BITS) - 1);
    return *ret_kind == WORK_SERVICE ? services_sim_ask(w->work->services, *ret_index)
                                     : jobs_sim_ask(w->work->jobs, *ret_kind, *ret_index);
}

void work_op(struct simshard *h, const struct event *e)
{
    struct world *w = h->node->w;
    struct ticket to = {.part = WORKER, .number = e->number};
    enum work_kind kind;
    unsigned index;
    const struct work_ask *a = ask_of(w, e->number, &kind, &index);
    if (a->attempt != e->number)
        return; /* it was given up */
    if (kind == WORK_SERVICE)
        services_sim_op(h, w->work->services, index, &to);
    else
        jobs_sim_op(h, w->work->jobs, kind, index, &to);
}

void work_answer(struct world *w, const struct ticket *to, const struct result *res)
{
    enum work_kind kind;
    unsigned index;
    struct work_ask *a = ask_of(w, to->number, &kind, &index);
    if (a->attempt != to->number)
        return;
    a->attempt = 0;
    if (kind == WORK_SERVICE)
        services_sim_answer(w, w->work->services, index, res);
    else
        jobs_sim_answer(w, w->work->jobs, kind, index, res);
}

/* --- where things are ------------------------------------------------------------------------- */

static const struct cache_info *cache_of(const struct world *w, unsigned context)
{
    return clients_cache(w->newest, context);
}

bool work_place(const struct world *w, unsigned context, const char *key, uint16_t *ret_slot,
                uint16_t *ret_partition)
{
    if (!cache_of(w, context))
        return false;
    *ret_slot = hash_slot(slice_str(key));
    *ret_partition = slot_partition(*ret_slot, w->contexts[context].info.partitions);
    return true;
}

bool work_tainted(const struct world *w, unsigned context, uint32_t partition)
{
    return w->contexts[context].tainted[partition] != 0;
}

struct slice work_stored(struct world *w, unsigned context, uint32_t partition, bool hidden,
                         struct slice key, uint64_t *ret_version)
{
    const struct cache_info *cache = cache_of(w, context);
    struct replica_config c;
    uint32_t id = cache_context(cache->id), at = hidden ? cache_hidden(id) : cache->id;
    CHECK(grid_state_config(w->newest, id, partition, &c));
    const struct simnode *n = node_of(w, c.members[0].node);
    const struct partition *p = n ? part_of(n, id, partition) : NULL;
    at = cache_number(at);
    const struct entry *e =
        p ? content_get(p->content, at, key, content_hash(p->content, at, key)) : NULL;
    bool there = e && !entry_is_tombstone(e);
    *ret_version = there ? entry_version(e) : 0;
    return there ? entry_string(e) : slice_make(NULL, 0);
}

/* --- ports of a shard ------------------------------------------------------------------------- */

static void p_led(void *ctx, uint32_t context, uint16_t partition, bool led)
{
    struct worker *k = machine_worker(ctx);
    if (k)
        jobs_led(k, context, partition, led);
}

static void p_touched(void *ctx, uint32_t context, uint16_t partition, struct slice key)
{
    struct worker *k = machine_worker(ctx);
    if (k)
        jobs_touched(k, context, partition, key);
}

static bool p_admits(void *ctx, struct slice name)
{
    struct worker *k = machine_worker(ctx);
    return k && jobs_admits(k, name);
}

void work_ports(struct simshard *h, struct shard_ports *ports)
{
    if (!h->node->w->work)
        return;
    ports->led = p_led;
    ports->touched = p_touched;
    ports->admits = p_admits;
    ports->aside = machine_aside;
}

/* --- life ------------------------------------------------------------------------------------- */

void work_step(struct world *w)
{
    struct simwork *k = w->work;
    if (!k)
        return;
    if (!k->deployed) {
        deploy(w);
        return;
    }
    if (k->jobs)
        jobs_sim_step(w, k->jobs);
    if (k->services)
        services_sim_step(w, k->services);
}

bool work_idle(const struct world *w)
{
    const struct simwork *k = w->work;
    return !k || ((!k->jobs || jobs_sim_idle(w, k->jobs)) &&
                  (!k->services || services_sim_idle(w, k->services)));
}

void work_wind_up(struct world *w)
{
    if (w->work)
        w->work->wind_up = w->now;
}

void work_show(const struct world *w)
{
    if (w->work && w->work->jobs)
        jobs_sim_show(w->work->jobs);
    if (w->work && w->work->services)
        services_sim_show(w->work->services);
}

void work_judge(struct world *w)
{
    struct simwork *k = w->work;
    if (k && k->jobs)
        jobs_sim_judge(w, k->jobs);
    if (k && k->services)
        services_sim_judge(w, k->services);
}

void work_init(struct world *w)
{
    bool broken = work_sabotage != WORK_SABOTAGE_NONE; /* then each seed is to find it */
    bool jobs = broken ? w->seed % 2 : w->seed % 8 == 6;
    bool services = broken ? !jobs : w->seed % 8 == 0;
    if (!jobs && !services)
        return;
    w->work = xcalloc(1, sizeof *w->work);
    w->work->prng.state = w->seed * 7907;
    w->work->jobs = jobs ? jobs_sim_new(w) : NULL;
    w->work->services = services ? services_sim_new() : NULL;
}

void work_release(struct world *w)
{
    if (!w->work)
        return;
    jobs_sim_free(w->work->jobs);
    services_sim_free(w->work->services);
    free(w->work);
}
