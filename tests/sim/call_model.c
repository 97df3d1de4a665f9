/* call_model.c - what the steps of a call must lead to: the reference, on copies of the model's
 * states, since a step sees the changes of those before. */
#include "tests/sim/world.h"

#include "base/alloc.h"
#include "data/fields.h"

#include <stdio.h>
#include <stdlib.h>

struct sight { /* of the keys, during a call */
    struct world *w;
    struct call_sent *call;
    struct state now[SIM_KEYS];
    bool known[SIM_KEYS];
};

static struct state *state_of(struct sight *v, unsigned key)
{
    if (!v->known[key]) {
        v->now[key] = *model_state(&v->w->model, v->call->context, key);
        v->known[key] = true;
        if (v->now[key].lsn > v->call->seen)
            v->call->seen = v->now[key].lsn;
    }
    return &v->now[key];
}

static bool live(const struct sight *v, const struct state *s)
{
    return s->there && (!s->deadline || s->deadline > v->w->now);
}

static struct call_change *change(struct sight *v, enum effect_kind kind, unsigned key,
                                  const struct state *to)
{
    struct state *s = state_of(v, key);
    struct call_change *c = &v->call->changes[v->call->changes_len++];
    *c = (struct call_change){
        .kind = kind, .key = key, .created = kind == EFFECT_PUT && !s->there, .state = *to};
    *s = *to;
    return c;
}

static void removed(struct sight *v, unsigned key)
{
    struct state gone = {0};
    change(v, EFFECT_REMOVE, key, &gone);
}

/* --- steps: each returns what it answers ------------------------------------------------------ */

static int64_t step_set(struct sight *v, const struct call_step *p)
{
    uint8_t value[SIM_FIELD_MAX];
    bool was = live(v, state_of(v, p->key));
    struct state s = {.there = true, .deadline = p->deadline};
    s.value = value_shown(VALUE_BYTES, field_value(p->seed, value));
    if (!p->deadline || p->deadline > v->w->now)
        change(v, EFFECT_PUT, p->key, &s);
    else if (was)
        removed(v, p->key);
    return was;
}

static int64_t step_count(struct sight *v, const struct call_step *p)
{
    char text[24];
    struct state s = *state_of(v, p->key);
    if (!live(v, &s))
        s = (struct state){.there = true};
    s.number += p->delta;
    snprintf(text, sizeof text, "%lld", (long long)s.number);
    s.value = value_shown(VALUE_BYTES, slice_str(text));
    change(v, EFFECT_PUT, p->key, &s);
    return s.number;
}

static int64_t step_move(struct sight *v, const struct call_step *p)
{
    struct state s = *state_of(v, p->key);
    state_of(v, p->other);
    if (!live(v, &s))
        return 0;
    change(v, EFFECT_PUT, p->other, &s);
    removed(v, p->key);
    return 1;
}

static int64_t step_remove(struct sight *v, const struct call_step *p)
{
    if (!live(v, state_of(v, p->key)))
        return 0;
    removed(v, p->key);
    return 1;
}

static int64_t step_expire(struct sight *v, const struct call_step *p)
{
    struct state s = *state_of(v, p->key);
    if (!live(v, &s))
        return 0;
    s.deadline = p->deadline;
    if (p->deadline && p->deadline <= v->w->now)
        removed(v, p->key);
    else
        change(v, EFFECT_DEADLINE, p->key, &s);
    return 1;
}

static void edited(struct sight *v, const struct call_step *p, const struct state *to)
{
    char name[8];
    uint8_t value[SIM_FIELD_MAX];
    struct buf edits = BUF_INIT;
    if (p->kind == STEP_FIELD)
        fields_edit_set(&edits, field_text(p->field, name), field_value(p->seed, value));
    else
        fields_edit_remove(&edits, field_text(p->field, name));
    change(v, EFFECT_EDIT, p->key, to)->edits = value_hash(buf_slice(&edits));
    buf_release(&edits);
}

static int64_t step_field(struct sight *v, const struct call_step *p)
{
    struct state s = *state_of(v, p->key);
    bool was = live(v, &s);
    if (was && s.type != VALUE_HASH)
        return -1;
    if (!was)
        s = (struct state){.there = true, .type = VALUE_HASH};
    int64_t added = !s.fields[p->field];
    s.fields[p->field] = p->seed;
    s.value = fields_shown(s.fields);
    if (was)
        edited(v, p, &s);
    else
        change(v, EFFECT_PUT, p->key, &s);
    return added;
}

static int64_t step_drop(struct sight *v, const struct call_step *p)
{
    static const uint32_t none[SIM_FIELDS];
    struct state s = *state_of(v, p->key);
    if (!live(v, &s))
        return 0;
    if (s.type != VALUE_HASH)
        return -1;
    if (!s.fields[p->field])
        return 0;
    s.fields[p->field] = 0;
    s.value = fields_shown(s.fields);
    if (memcmp(s.fields, none, sizeof none) == 0)
        removed(v, p->key);
    else
        edited(v, p, &s);
    return 1;
}

typedef int64_t step_fn(struct sight *v, const struct call_step *p);

static step_fn *const steps[] = {
    [STEP_SET] = step_set,       [STEP_COUNT] = step_count,   [STEP_MOVE] = step_move,
    [STEP_REMOVE] = step_remove, [STEP_EXPIRE] = step_expire, [STEP_FIELD] = step_field,
    [STEP_DROP] = step_drop,
};

void call_foresee(struct world *w, struct call_sent *k)
{
    struct sight *v = xcalloc(1, sizeof *v);
    v->w = w;
    v->call = k;
    k->changes_len = 0;
    k->seen = 0;
    size_t at = 0;
    for (unsigned i = 0; i < k->len; i++) {
        const struct call_step *p = &k->steps[i];
        if (p->err)
            at += (size_t)snprintf(k->told + at, sizeof k->told - at, "%s;", err_name(p->err));
        else
            at += (size_t)snprintf(k->told + at, sizeof k->told - at, "%lld;",
                                   (long long)steps[p->kind](v, p));
    }
    CHECK(at < sizeof k->told);
    free(v);
}

/* Only what each key is in the end: nobody may see what it was between two steps. */
void call_apply(struct world *w, const struct call_sent *k)
{
    for (unsigned i = 0; i < k->changes_len; i++) {
        bool last = true;
        for (unsigned j = i + 1; j < k->changes_len; j++)
            last &= k->changes[j].key != k->changes[i].key;
        if (!last)
            continue;
        struct state s = k->changes[i].state;
        s.step = w->step;
        s.lsn = k->lsn;
        s.version = k->version;
        model_set(&w->model, k->context, k->changes[i].key, &s);
    }
}
