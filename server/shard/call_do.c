/* call_do.c - scripts: procedures whose steps are made as they run.
 *
 *   the op's keys -> the procedure -> call_do: its keys -> a step, applied at once (call_steps.c)
 *                         ^                      |  not in memory, nothing changed yet
 *                         '-- when it is here <--'  the op is parked, in its place
 *
 * So a script begins again for each key that it does not name and that is on disk only; that is
 * bounded (parked_more_add()): who has more keys names them. */
#include "shard/shard_priv.h"

#include "base/hash.h"

enum { NAMES_TRIED = 4 };

/* The op names it, so it is here, or known to be nowhere. */
static bool is_named(const struct job *j, struct slice key, struct key_state *ret_key)
{
    for (uint32_t i = 0; i < j->keys_len && i < NAMES_TRIED; i++) {
        if (!slice_eq(j->keys[i].key, key))
            continue;
        *ret_key = j->keys[i];
        return true;
    }
    if (j->keys_len <= NAMES_TRIED)
        return false;
    uint64_t hash = content_hash(j->partition->content, cache_number(j->op->cache), key);
    for (uint32_t i = NAMES_TRIED; i < j->keys_len; i++) {
        if (j->keys[i].hash != hash || !slice_eq(j->keys[i].key, key))
            continue;
        *ret_key = j->keys[i];
        return true;
    }
    return false;
}

bool call_key_absent(const struct job *j, const struct key_state *k)
{
    uint32_t at;
    const struct parked *w = j->parked;
    uint32_t cache = cache_number(k->cache->id);
    const struct more_key *m = w ? parked_more_find(w, cache, k->key, k->hash, &at) : NULL;
    return m && m->absent && content_left(j->partition->content) <= w->absent_clean;
}

static enum grid_err key_take(struct job *j, struct key_state *k, struct slice key)
{
    const struct op *op = j->op;
    struct call_memory *m = &j->s->call;
    if (likely(is_named(j, key, k)))
        return GRID_OK;
    if (slot_partition(hash_slot(key), j->context->info->partitions) != op->partition)
        return GRID_ECROSS_PARTITION;
    uint64_t hash = content_hash(j->partition->content, cache_number(op->cache), key);
    enum grid_err err = call_key_name(k, j, key, hash);
    if (unlikely(err))
        return err;
    k->key = call_memory_keep(m, key); /* effects refer to it until the call's end */
    call_key_look(j, k);
    if (likely(k->seen || content_complete(j->partition->content) || call_key_absent(j, k)))
        return GRID_OK;
    j->wanted = m->effects_len ? NULL : k;
    return GRID_EBUSY;
}

enum grid_err call_do(struct call *c, procedure_fn *procedure, const struct slice *args,
                      uint32_t args_len, const struct slice *keys, uint32_t keys_len)
{
    struct job *j = c->job;
    struct call whole = *c;
    CHECK(j->transaction);
    struct key_state *states = call_memory_take(&j->s->call, keys_len * sizeof *states);
    for (uint32_t i = 0; i < keys_len; i++) {
        enum grid_err err = keys[i].len ? key_take(j, &states[i], keys[i]) : GRID_EBAD_REQUEST;
        if (unlikely(err))
            return err;
    }
    c->args = args;
    c->args_len = args_len;
    c->keys = states;
    c->keys_len = keys_len;
    enum grid_err err = call_step_run(c, procedure);
    whole.reply = c->reply;
    *c = whole;
    return err;
}

bool call_again(const struct call *c)
{
    return c->job->wanted || c->job->range_cache;
}

bool call_changed(const struct call *c)
{
    return c->job->s->call.effects_len > 0;
}

/* --- fetching --------------------------------------------------------------------------------- */

/* False: it was fetched too often, or there are too many. */
static bool wanted_place(struct job *j, const struct key_state *k, uint32_t *ret_at)
{
    struct parked *w = j->parked;
    uint32_t cache = cache_number(k->cache->id);
    if (parked_more_find(w, cache, k->key, k->hash, ret_at))
        return ++w->rounds <= COLD_ROUNDS_MAX;
    w->rounds += !w->rounds;
    return parked_more_add(j->s, w, cache, k->key, k->hash, ret_at);
}

void call_fetch_wanted(struct job *j)
{
    const struct key_state *k = j->wanted;
    uint32_t at;
    bool kept = job_keep(j);
    if (kept && content_left(j->partition->content) > j->parked->absent_clean)
        parked_forget(j->parked);
    if (!kept || !wanted_place(j, k, &at)) {
        j->kept = false;
        job_fail(j, GRID_EBUSY);
        return;
    }
    cold_ask_key(j->s, j->partition, cache_number(k->cache->id), k->key, k->hash, j->parked, at);
}

const struct catalog *call_catalog(const struct call *c)
{
    return c->job->s->catalog;
}

const struct natives *call_natives(const struct call *c)
{
    return c->job->s->conf.natives;
}

bool call_refuse(struct call *c, enum grid_err err)
{
    if (c->job->op->steps_len)
        return false;
    CHECK(!call_changed(c));
    c->job->refused = err;
    return true;
}

void call_refuse_all(struct call *c, enum grid_err err)
{
    CHECK(!call_changed(c));
    c->job->refused = err;
}

bool call_refuse_saying(struct call *c, enum grid_err err, struct slice why)
{
    if (!call_refuse(c, err))
        return false;
    c->job->refused_why = why;
    return true;
}

/* --- limits ----------------------------------------------------------------------------------- */

struct call_limits call_limits(const struct call *c)
{
    const struct catalog *catalog = c->job->s->catalog;
    return (struct call_limits){
        .steps = (uint64_t)catalog_setting(catalog, SETTING_script_steps),
        .memory = (size_t)catalog_setting(catalog, SETTING_script_memory),
        .time_us = (uint64_t)catalog_setting(catalog, SETTING_script_time) * 1000,
    };
}

uint64_t call_mono_us(const struct call *c)
{
    const struct shard_ports *ports = &c->job->s->ports;
    return ports->mono_us ? ports->mono_us(ports->ctx) : 0;
}

uint64_t call_cpu_us(const struct call *c)
{
    const struct shard_ports *ports = &c->job->s->ports;
    return ports->cpu_us ? ports->cpu_us(ports->ctx) : call_mono_us(c);
}

struct call_kept *call_kept(struct call *c)
{
    return &c->job->s->call.kept;
}
