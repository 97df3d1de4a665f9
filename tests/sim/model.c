/* model.c - the reference: evaluates requests on its own, a few lines for each kind. */
#include "tests/sim/model.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/prng.h"
#include "data/fields.h"

#include <stdio.h>
#include <stdlib.h>

static const struct state absent;

/* --- keys and values -------------------------------------------------------------------------- */

struct slice key_text(unsigned key, char *out)
{
    snprintf(out, 32, "key-%02u", key);
    return slice_str(out);
}

unsigned key_parse(struct slice text)
{
    char copy[8] = {0};
    if (text.len != 6)
        return SIM_KEYS;
    memcpy(copy, text.data, 6);
    unsigned key = (unsigned)strtoul(copy + 4, NULL, 10);
    return key < SIM_KEYS ? key : SIM_KEYS;
}

struct slice request_value(const struct request *r, unsigned at, uint8_t *out)
{
    struct prng p = {r->value_seed + at};
    for (size_t i = 0; i < r->value_len; i++)
        out[i] = (uint8_t)prng_next(&p);
    return slice_make(out, r->value_len);
}

uint64_t value_hash(struct slice value)
{
    return hash_key(value, 7);
}

struct slice field_text(unsigned field, char *out)
{
    snprintf(out, 8, "f%u", field);
    return slice_str(out);
}

struct slice field_value(uint32_t seed, uint8_t *out)
{
    size_t len = 1 + seed % SIM_FIELD_MAX;
    struct prng p = {seed};
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)prng_next(&p);
    return slice_make(out, len);
}

static uint64_t field_shown(unsigned field, struct slice value)
{
    return value_hash(value) * (2 * field + 3);
}

static void field_add(void *ctx, struct slice field, struct slice value)
{
    uint64_t *sum = ctx;
    *sum += field_shown(field.len == 2 ? (unsigned)field.data[1] - '0' : SIM_FIELDS, value);
}

uint64_t value_shown(uint8_t type, struct slice stored)
{
    uint64_t sum = VALUE_HASH;
    if (type != VALUE_HASH)
        return value_hash(stored) + type;
    if (fields_packed_valid(stored))
        fields_each((struct fields_view){NULL, stored}, field_add, &sum);
    return sum;
}

uint64_t fields_shown(const uint32_t *fields)
{
    uint8_t value[SIM_FIELD_MAX];
    uint64_t sum = VALUE_HASH;
    for (unsigned i = 0; i < SIM_FIELDS; i++)
        if (fields[i])
            sum += field_shown(i, field_value(fields[i], value));
    return sum;
}

/* --- states ----------------------------------------------------------------------------------- */

const struct state *model_state(const struct model *m, unsigned context, unsigned key)
{
    const struct key_history *h = &m->keys[context][key];
    return h->len ? &h->states[h->len - 1] : &absent;
}

void model_set(struct model *m, unsigned context, unsigned key, const struct state *s)
{
    struct key_history *h = &m->keys[context][key];
    if (h->len == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        h->states = xrealloc(h->states, h->cap, sizeof *h->states);
    }
    h->states[h->len++] = *s;
}

static bool live(const struct state *s, msec_t now)
{
    return s->there && (!s->deadline || s->deadline > now);
}

/* --- requests --------------------------------------------------------------------------------- */

static enum grid_err condition_of(const struct request *r, const struct state *old, bool is_live)
{
    if (r->condition == IF_ABSENT && is_live)
        return GRID_ECONDITION;
    if (r->condition == IF_PRESENT && !is_live)
        return GRID_ECONDITION;
    if (r->condition == IF_VERSION && (!is_live || old->version != r->version))
        return GRID_ECONDITION;
    return GRID_OK;
}

static msec_t deadline_of(const struct request *r, enum op_kind kind, const struct state *old,
                          bool is_live, msec_t now)
{
    bool keeps = r->ttl == TTL_KEEP || (r->ttl == TTL_DEFAULT && kind == OP_INCR);
    if (r->ttl == TTL_SET)
        return now + r->ttl_ms;
    return keeps && is_live ? old->deadline : 0;
}

static enum grid_err key_outcome(const struct model *m, const struct request *r, unsigned at,
                                 msec_t now, struct outcome *o)
{
    static uint8_t value[1 << 16];
    const struct state *old = model_state(m, r->context, r->keys[at]);
    bool is_live = live(old, now);
    enum op_kind kind = r->kinds[at];
    enum grid_err err = condition_of(r, old, is_live);
    if (err)
        return err;
    if ((kind == OP_DELETE || kind == OP_EXPIRE) && !is_live)
        return GRID_ENOT_FOUND;
    struct state *s = &o->states[at];
    *s = (struct state){0};
    if (kind == OP_EXPIRE)
        *s = *old; /* and what it holds stays */
    s->there = kind != OP_DELETE;
    s->deadline = s->there ? deadline_of(r, kind, old, is_live, now) : 0;
    if (kind == OP_DELETE)
        o->result = 1;
    if (kind == OP_PUT) {
        s->value = value_hash(request_value(r, at, value));
        o->result = !is_live;
    }
    if (kind == OP_INCR) {
        char text[24];
        s->number = (is_live ? old->number : 0) + r->delta;
        snprintf(text, sizeof text, "%lld", (long long)s->number);
        s->value = value_hash(slice_str(text));
        o->result = s->number;
    }
    return GRID_OK;
}

struct outcome model_evaluate(const struct model *m, const struct request *r, msec_t now)
{
    struct outcome o = {.status = GRID_OK};
    for (unsigned i = 0; i < r->keys_len && !o.status; i++)
        o.status = key_outcome(m, r, i, now, &o);
    if (r->kind == OP_BATCH)
        o.result = (int64_t)r->keys_len;
    return o;
}

const struct applied *model_applied(const struct model *m, const struct request *r)
{
    for (size_t i = m->applied_len; i-- > 0;) {
        const struct applied *a = &m->applied[i];
        if (a->client == r->client && a->number == r->number)
            return a;
    }
    return NULL;
}

void model_add(struct model *m, const struct applied *a)
{
    if (m->applied_len == m->applied_cap) {
        m->applied_cap = m->applied_cap ? m->applied_cap * 2 : 64;
        m->applied = xrealloc(m->applied, m->applied_cap, sizeof *m->applied);
    }
    m->applied[m->applied_len++] = *a;
}

void model_cut(struct model *m, unsigned shard, uint64_t lsn)
{
    for (unsigned c = 0; c < SIM_CONTEXTS; c++) {
        for (unsigned k = 0; k < SIM_KEYS; k++) {
            struct key_history *h = &m->keys[c][k];
            if (key_partition(k) % m->shards != shard)
                continue;
            while (h->len && (c == SIM_MEMORY || h->states[h->len - 1].lsn > lsn))
                h->len--;
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < m->applied_len; i++) {
        const struct applied *a = &m->applied[i];
        if (a->shard != shard || (a->context != SIM_MEMORY && a->lsn <= lsn))
            m->applied[kept++] = *a;
    }
    m->applied_len = kept;
}

void model_forget(struct model *m, unsigned context)
{
    for (unsigned k = 0; k < SIM_KEYS; k++) {
        m->keys[context][k].len = 0;
        if (context == SIM_SYNC)
            m->acked[k] = 0;
    }
}

/* --- reads ------------------------------------------------------------------------------------ */

static bool state_seen(const struct state *s, msec_t since, msec_t now, const struct state *seen)
{
    if (!seen->there)
        return !live(s, now);
    return live(s, since) && s->version == seen->version &&
           (seen->unknown || s->value == seen->value) && s->deadline == seen->deadline;
}

bool model_may_see(const struct model *m, unsigned context, unsigned key, uint64_t from,
                   msec_t since, msec_t now, uint64_t durable, const struct state *seen)
{
    const struct key_history *h = &m->keys[context][key];
    for (size_t i = h->len; i-- > 0;) {
        const struct state *s = &h->states[i];
        bool committed = context != SIM_SYNC || s->lsn <= durable;
        if (committed && state_seen(s, since, now, seen))
            return true;
        if (s->step < from)
            return false; /* it held when the read was sent: nothing older may be seen */
    }
    return !seen->there;
}

bool model_there_since(const struct model *m, unsigned context, unsigned key, uint64_t from,
                       msec_t now)
{
    const struct key_history *h = &m->keys[context][key];
    for (size_t i = h->len; i-- > 0;) {
        if (!live(&h->states[i], now))
            return false;
        if (h->states[i].step < from)
            return true;
    }
    return false;
}

void model_release(struct model *m)
{
    for (unsigned c = 0; c < SIM_CONTEXTS; c++)
        for (unsigned k = 0; k < SIM_KEYS; k++)
            free(m->keys[c][k].states);
    free(m->applied);
    *m = (struct model){0};
}
