/* test_model.c - random operations, evictions, checkpoints, late cold answers and restarts
 * against the simplest model: a list that the records of the log are applied to. Whenever all is
 * quiet, shard and model must agree.
 * LINK: shard replica control data base */
#include "base/prng.h"
#include "tests/unit/shard/harness.h"

enum { MODEL_KEYS = 60, STEPS = 350, SEEDS = 150, MODEL_LIMIT = 20000, MODEL_VALUE = 1500 };

struct model_entry {
    bool there;
    uint64_t version;
    msec_t deadline;
    struct buf value;
};

struct model {
    struct harness *h;
    struct prng r;
    uint32_t cache;
    uint64_t seed, epoch, limit;
    size_t applied; /* records */
    struct model_entry entries[MODEL_KEYS];
};

static unsigned key_number(struct slice key)
{
    char text[16] = {0};
    memcpy(text, key.data, key.len < 15 ? key.len : 15);
    return (unsigned)atoi(text);
}

static void model_apply(struct model *m)
{
    static struct effect effects[64];
    for (; m->applied < m->h->log_len; m->applied++) {
        struct record r;
        ck_assert_int_eq(record_decode(buf_slice(&m->h->log[m->applied].bytes), effects, 64, &r),
                         GRID_OK);
        for (size_t i = 0; i < r.effects_len; i++) {
            struct model_entry *e = &m->entries[key_number(effects[i].key)];
            bool put = effects[i].kind == EFFECT_PUT;
            ck_assert_msg(!put || effects[i].created == !e->there, "created is wrong");
            ck_assert_msg(put || e->there, "removed what was absent");
            e->there = put;
            e->version = r.version;
            e->deadline = effects[i].deadline;
            buf_set(&e->value, effects[i].value);
        }
    }
}

static void key_of(unsigned n, char *out)
{
    snprintf(out, 16, "%u", n);
}

static void step_write(struct model *m)
{
    static char value[MODEL_VALUE + 1];
    char keys[4][16];
    struct op ops[4];
    unsigned first = (unsigned)prng_below(&m->r, MODEL_KEYS);
    memset(value, 'a' + (int)prng_below(&m->r, 26), MODEL_VALUE);
    for (unsigned i = 0; i < 4; i++) {
        key_of((first + i) % MODEL_KEYS, keys[i]);
        const enum op_kind kinds[] = {OP_PUT, OP_PUT, OP_DELETE, OP_EXPIRE};
        ops[i] = h_op(kinds[prng_below(&m->r, 4)], m->cache, keys[i]);
        ops[i].value = slice_make(value, prng_below(&m->r, MODEL_VALUE));
        if (prng_below(&m->r, 8) == 0) {
            ops[i].ttl = TTL_SET;
            ops[i].ttl_ms = 1 + prng_below(&m->r, 50);
        }
        if (prng_below(&m->r, 6) == 0)
            ops[i].condition = (enum op_condition)prng_below(&m->r, 3);
    }
    if (prng_below(&m->r, 5))
        h_do(m->h, ops[0]);
    else
        h_do(m->h, (struct op){.kind = OP_BATCH, .cache = m->cache, .batch = ops, .batch_len = 4});
}

static void step_read(struct model *m)
{
    char key[16];
    key_of((unsigned)prng_below(&m->r, MODEL_KEYS), key);
    h_get(m->h, m->cache, key);
}

static void step_scan(struct model *m)
{
    struct op op = {.kind = OP_SCAN, .cache = m->cache, .limit = 7};
    h_do(m->h, op);
}

static void step_durable(struct model *m)
{
    h_durable(m->h);
}

static void step_checkpoint(struct model *m)
{
    struct harness *h = m->h;
    h_durable(h);
    h_checkpoint_to(h, h->checkpointed + prng_below(&m->r, h->log_len - h->checkpointed + 1));
}

/* Answer some of the cold reads, in any order. */
static void step_cold(struct model *m)
{
    struct harness *h = m->h;
    for (uint64_t n = prng_below(&m->r, 6); n && h->questions_len; n--)
        h_cold_one(h, prng_below(&m->r, h->questions_len),
                   prng_below(&m->r, 20) ? GRID_OK : GRID_EIO);
}

static void step_tick(struct model *m)
{
    m->h->now += prng_below(&m->r, 20);
    shard_tick(m->h->s, m->h->now);
    shard_check(m->h->s);
}

static void step_restart(struct model *m)
{
    h_durable(m->h);
    h_restart(m->h, m->h->log_len, ++m->epoch, m->limit);
}

struct step {
    unsigned weight;
    void (*run)(struct model *m);
};

static const struct step steps[] = {
    {40, step_write},     {25, step_read}, {6, step_scan}, {15, step_durable},
    {6, step_checkpoint}, {20, step_cold}, {8, step_tick}, {1, step_restart},
};

static void step(struct model *m)
{
    unsigned all = 0;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        all += steps[i].weight;
    unsigned pick = (unsigned)prng_below(&m->r, all);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (pick < steps[i].weight) {
            steps[i].run(m);
            return;
        }
        pick -= steps[i].weight;
    }
}

static void quiet(struct model *m)
{
    h_cold(m->h);
    h_durable(m->h);
    h_cold(m->h);
    h_durable(m->h);
}

static void agree(struct model *m)
{
    struct harness *h = m->h;
    quiet(m);
    model_apply(m);
    uint64_t there = 0;
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        const struct model_entry *e = &m->entries[i];
        char key[16];
        key_of(i, key);
        struct answered *a = h_get(h, m->cache, key);
        quiet(m);
        there += e->there;
        bool live = e->there && (!e->deadline || e->deadline > h->now);
        ck_assert_int_eq(a->times, 1);
        ck_assert_msg(a->status == (live ? GRID_OK : GRID_ENOT_FOUND), "seed %u key %u: %s",
                      (unsigned)m->seed, i, err_name(a->status));
        if (!live)
            continue;
        ck_assert_uint_eq(a->version, e->version);
        ck_assert_uint_eq(a->deadline, e->deadline);
        ck_assert(slice_eq(buf_slice(&a->value), buf_slice(&e->value)));
    }
    ck_assert_uint_eq((uint64_t)h_count(h, m->cache)->number, there);
}

static void model_run(uint64_t seed)
{
    struct model *m = xcalloc(1, sizeof *m);
    m->seed = m->r.state = seed;
    m->epoch = EPOCH;
    m->limit = seed % 3 ? MODEL_LIMIT : 0;
    m->h = h_new_limit(m->limit);
    m->h->capture = seed % 4 != 0;
    m->h->page_max = 5;
    m->cache = seed % 2 ? h_context(m->h, "d", DURABILITY_ASYNC, 0, FULL_REFUSE)
                        : h_cache(m->h, "default/default");
    for (unsigned i = 0; i < STEPS; i++) {
        step(m);
        if (i % 100 == 99)
            agree(m);
    }
    agree(m);
    for (uint64_t i = 1; i < m->h->number; i++)
        ck_assert_msg(m->h->answers[i].times <= 1, "answered twice");
    for (unsigned i = 0; i < MODEL_KEYS; i++)
        buf_release(&m->entries[i].value);
    h_free(m->h);
    free(m);
}

START_TEST(shard_and_log_agree_whenever_all_is_quiet)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        model_run(seed);
}
END_TEST

UNIT_MAIN("shard/model", shard_and_log_agree_whenever_all_is_quiet)
