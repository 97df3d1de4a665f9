/* test_copies.c - a copy that comes in while its origin changes is the origin in the end, in memory
 * and in the checkpoint, wherever folds fall; a tail that is cut leaves nothing.
 * LINK: store data base */
#include "bench.h"

#include "base/prng.h"
#include "data/content.h"
#include "data/fields.h"
#include "tests/lib/unit.h"

enum { KEYS = 60, SESSIONS = 4, CACHES = 2, CACHE_FIRST = 1 };

struct copies {
    struct bench bench;
    struct entry_pool *pool;
    struct content *origin, *copy;
    struct prng r;
    uint64_t version; /* of the origin */
    uint64_t epoch;
    struct buf value;
    bool mirrored; /* the copy gets what the origin does */
    bool no_folds; /* but those asked for */
    const struct cuts *cuts;
};

static void copies_init(struct copies *w, uint64_t seed)
{
    *w = (struct copies){.r = {seed}, .epoch = 2, .pool = entry_pool_new()};
    bench_init(&w->bench, seed % 4 == 0);
    w->origin = content_new(w->pool, 1);
    w->copy = content_new(w->pool, 2);
    content_set_stored(w->origin);
    content_set_stored(w->copy);
}

static void copies_release(struct copies *w)
{
    content_free(w->origin);
    content_free(w->copy);
    ck_assert_uint_eq(slab_used(entry_pool_slab(w->pool)), 0);
    entry_pool_free(w->pool);
    buf_release(&w->value);
    bench_release(&w->bench);
}

static void content_do(struct content *c, const struct record *rec)
{
    ck_assert_int_eq(content_stage(c, rec), GRID_OK);
    content_apply(c, rec);
}

static void fold(struct copies *w)
{
    struct checkpoint_report report;
    bench_sync(&w->bench);
    struct checkpoint_limits limits = {.cuts = w->cuts};
    ck_assert_int_eq(bench_run(&w->bench, &limits, &report), GRID_OK);
    ck_assert_uint_eq(report.damaged_len, 0);
}

/* The copy's node logs and applies a record as a node does. */
static void receive(struct copies *w, struct record *rec)
{
    struct effect effects[16];
    struct buf bytes = BUF_INIT;
    struct record back;
    rec->context = 1;
    rec->partition = 5;
    wal_batch_add(&w->bench.b, rec);
    record_encode(rec, &bytes);
    ck_assert_int_eq(record_decode(buf_slice(&bytes), effects, 16, &back), GRID_OK);
    ck_assert_int_eq(back.restates, rec->restates);
    if (record_wipes(&back)) {
        content_free(w->copy);
        w->copy = content_new(w->pool, w->version);
        content_set_stored(w->copy);
        content_set_copying(w->copy);
    }
    content_do(w->copy, &back);
    content_check(w->copy);
    buf_release(&bytes);
    if (!w->no_folds && prng_below(&w->r, 20) == 0)
        fold(w);
}

static void restate(struct copies *w, uint64_t version, struct effect *effects, size_t len)
{
    struct record rec = {
        .restates = true, .version = version, .effects = effects, .effects_len = len};
    receive(w, &rec);
}

/* --- what happens to the origin --------------------------------------------------------------- */

static struct slice key_of(unsigned n, char *text)
{
    return slice_make(text, (size_t)snprintf(text, 16, "key%u", n % KEYS));
}

static void hash_draw(struct copies *w, bool edits)
{
    char field[16];
    w->value.len = 0;
    unsigned len = prng_below(&w->r, 8) ? 3 : 60; /* some are maps */
    for (unsigned i = 0; i < len; i++) {
        struct slice name =
            slice_make(field, (size_t)snprintf(field, sizeof field, "field%u", edits ? i * 7 : i));
        if (edits)
            fields_edit_set(&w->value, name, slice_str("another value of some length"));
        else
            fields_pack(&w->value, name, slice_str("value"));
    }
}

static struct effect effect_draw(struct copies *w, struct content *c, char *key)
{
    struct effect e = {.cache = CACHE_FIRST + (uint32_t)prng_below(&w->r, CACHES),
                       .key = key_of((unsigned)prng_below(&w->r, KEYS), key)};
    const struct entry *there = content_get(c, e.cache, e.key, content_hash(c, e.cache, e.key));
    bool live = there && !entry_is_tombstone(there);
    uint64_t what = prng_below(&w->r, 10);
    e.deadline = prng_below(&w->r, 2) ? 0 : 1 + prng_below(&w->r, 99);
    if (live && what < 2) {
        e.kind = EFFECT_REMOVE;
    } else if (live && what < 4) {
        e.kind = EFFECT_DEADLINE;
    } else if (live && entry_type(there) == VALUE_HASH && what < 8) {
        e.kind = EFFECT_EDIT;
        e.type = VALUE_HASH;
        hash_draw(w, true);
        e.value = buf_slice(&w->value);
    } else {
        e.kind = EFFECT_PUT;
        e.created = !live;
        e.type = prng_below(&w->r, 2) ? VALUE_HASH : VALUE_BYTES;
        hash_draw(w, false);
        e.value = buf_slice(&w->value);
    }
    return e;
}

enum { LATE_MAX = 64 };

/* Records on their way to the copy, which is told what is adopted ahead of them. */
static struct buf late[LATE_MAX];
static size_t late_len;

/* All but the last `left` of them come. */
static void late_come(struct copies *w, uint64_t left)
{
    static struct effect effects[16];
    size_t n = 0;
    for (; late_len - n > left; n++) {
        struct record rec;
        ck_assert_int_eq(record_decode(buf_slice(&late[n]), effects, 16, &rec), GRID_OK);
        receive(w, &rec);
        buf_release(&late[n]);
    }
    memmove(late, late + n, (late_len - n) * sizeof *late);
    late_len -= n;
}

static void late_add(struct copies *w, const struct record *rec)
{
    if (late_len == LATE_MAX)
        late_come(w, LATE_MAX / 2);
    late[late_len] = (struct buf)BUF_INIT;
    record_encode(rec, &late[late_len++]);
    if (!content_copying(w->copy))
        late_come(w, 0);
}

/* A random record, given to the copy as well when it listens. Returns its version. */
static uint64_t origin_step(struct copies *w)
{
    char key[16];
    struct effect e = effect_draw(w, w->origin, key);
    w->version = version_make(w->epoch, (w->version & SEQ_MASK) + 1);
    struct record rec = {
        .version = w->version, .time_ms = w->version, .effects = &e, .effects_len = 1};
    if (prng_below(&w->r, 2)) {
        rec.has_session = true;
        rec.session.id.bytes[0] = (uint8_t)(1 + prng_below(&w->r, SESSIONS));
        rec.session.number = w->version & SEQ_MASK;
        rec.session.lowest = rec.session.number > 9 ? rec.session.number - 9 : 0;
        rec.session.result = (int64_t)prng_below(&w->r, 5);
    }
    content_do(w->origin, &rec);
    if (w->mirrored)
        late_add(w, &rec);
    return w->version;
}

/* --- the copy --------------------------------------------------------------------------------- */

static void adopt(void *ctx, const struct entry *e)
{
    struct copies *w = ctx;
    struct buf value = BUF_INIT;
    if (entry_is_tombstone(e))
        return;
    if (entry_type(e) == VALUE_HASH)
        fields_store(entry_fields(e), &value);
    else
        buf_add(&value, entry_value(e).data, entry_value(e).len);
    struct effect adopted = {.kind = EFFECT_ADOPT,
                             .cache = entry_cache(e),
                             .key = entry_key(e),
                             .type = (uint8_t)entry_type(e),
                             .value = buf_slice(&value),
                             .deadline = entry_deadline(e),
                             .number = entry_version(e)};
    restate(w, content_last(w->copy), &adopted, 1);
    buf_release(&value);
}

static void adopt_session(struct copies *w, unsigned n)
{
    struct session_id id = {.bytes = {(uint8_t)n}};
    struct buf stored = BUF_INIT;
    if (sessions_store(content_sessions(w->origin), &id, &stored)) {
        struct effect e = {.kind = EFFECT_SESSION,
                           .key = slice_make(id.bytes, sizeof id.bytes),
                           .value = buf_slice(&stored)};
        restate(w, content_last(w->copy), &e, 1);
    }
    buf_release(&stored);
}

static void copy_begin(struct copies *w, struct effect *effects, size_t len)
{
    restate(w, w->version, effects, len);
    ck_assert(content_copying(w->copy));
    w->mirrored = true;
}

static void copy_end(struct copies *w)
{
    struct effect e = {.kind = EFFECT_COPIED};
    late_come(w, 0);
    restate(w, w->version, &e, 1);
    ck_assert(!content_copying(w->copy));
    content_check(w->copy);
}

static void copy_all(struct copies *w)
{
    struct effect wipe = {.kind = EFFECT_WIPE};
    copy_begin(w, &wipe, 1);
    uint64_t cursor = 0;
    do {
        for (uint64_t n = prng_below(&w->r, 4); n; n--)
            origin_step(w);
        cursor = content_scan(w->origin, cursor, adopt, w);
        late_come(w, prng_below(&w->r, 10));
    } while (cursor);
    for (unsigned n = 1; n <= SESSIONS; n++) {
        origin_step(w);
        adopt_session(w, n);
    }
    origin_step(w);
    copy_end(w);
}

/* --- what must be the same -------------------------------------------------------------------- */

struct field_looked_up {
    struct fields_view in;
    unsigned missing;
};

static void field_each(void *ctx, struct slice field, struct slice value)
{
    struct field_looked_up *l = ctx;
    struct slice found;
    l->missing += !fields_get(l->in, field, &found) || !slice_eq(found, value);
}

static void value_same(const struct entry *e, enum value_type type, struct fields_view fields,
                       struct slice bytes)
{
    ck_assert_int_eq(entry_type(e), type);
    if (type != VALUE_HASH) {
        ck_assert(slice_eq(entry_value(e), bytes));
        return;
    }
    struct field_looked_up l = {.in = fields};
    fields_each(entry_fields(e), field_each, &l);
    ck_assert_uint_eq(l.missing, 0);
    ck_assert_uint_eq(fields_len(entry_fields(e)), fields_len(fields));
}

static void row_same(struct copies *w, uint32_t cache, struct slice key, const struct entry *e)
{
    struct buf out = BUF_INIT;
    struct checkpoint_entry row;
    enum grid_err err = checkpoint_get(w->bench.cp, 1, 5, cache, key, &out, &row);
    ck_assert_int_eq(err, e ? GRID_OK : GRID_ENOT_FOUND);
    if (e) {
        ck_assert_uint_eq(row.version, entry_version(e));
        ck_assert_uint_eq(row.deadline, entry_deadline(e));
        value_same(e, row.type, (struct fields_view){NULL, row.value}, row.value);
    }
    buf_release(&out);
}

static void key_same(struct copies *w, uint32_t cache, struct slice key)
{
    const struct entry *a = content_get(w->origin, cache, key, content_hash(w->origin, cache, key));
    const struct entry *b = content_get(w->copy, cache, key, content_hash(w->copy, cache, key));
    a = a && !entry_is_tombstone(a) ? a : NULL;
    b = b && !entry_is_tombstone(b) ? b : NULL;
    ck_assert_int_eq(a != NULL, b != NULL);
    if (a) {
        ck_assert_uint_eq(entry_version(a), entry_version(b));
        ck_assert_uint_eq(entry_deadline(a), entry_deadline(b));
        value_same(a, entry_type(b), entry_fields(b), entry_value(b));
    }
    row_same(w, cache, key, a);
}

struct stored_session {
    struct copies *w;
    unsigned len;
};

static void session_same(void *ctx, uint32_t context, uint16_t partition, struct session_id id,
                         struct slice stored, bool damaged)
{
    struct stored_session *s = ctx;
    struct buf a = BUF_INIT, b = BUF_INIT;
    (void)context;
    (void)partition;
    ck_assert(!damaged);
    ck_assert(sessions_store(content_sessions(s->w->origin), &id, &a));
    ck_assert(sessions_store(content_sessions(s->w->copy), &id, &b));
    ck_assert(slice_eq(buf_slice(&a), buf_slice(&b)) && slice_eq(buf_slice(&a), stored));
    buf_release(&a);
    buf_release(&b);
    s->len++;
}

static void all_same(struct copies *w)
{
    char key[16];
    fold(w);
    struct heads_found h = heads(&w->bench);
    ck_assert(!h.damaged && !h.copying);
    ck_assert_uint_eq(h.version, w->version);
    ck_assert_uint_eq(content_last(w->copy), w->version);
    for (uint32_t cache = CACHE_FIRST; cache < CACHE_FIRST + CACHES; cache++) {
        for (unsigned n = 0; n < KEYS; n++)
            key_same(w, cache, key_of(n, key));
        ck_assert_uint_eq(content_count(w->copy, cache), content_count(w->origin, cache));
        ck_assert_uint_eq(h.counts[cache], content_count(w->origin, cache));
    }
    struct stored_session s = {w, 0};
    ck_assert_int_eq(checkpoint_sessions(w->bench.cp, session_same, &s), GRID_OK);
    ck_assert_uint_eq(s.len, sessions_len(content_sessions(w->origin)));
    ck_assert_uint_eq(s.len, sessions_len(content_sessions(w->copy)));
}

/* What the copy's node had before: another history. */
static void junk(struct copies *w)
{
    char key[16];
    for (unsigned n = 0; n < 50; n++) {
        struct effect e = effect_draw(w, w->copy, key);
        struct record rec = {
            .version = version_make(1, n + 1), .time_ms = 1, .effects = &e, .effects_len = 1};
        rec.has_session = n % 3 == 0;
        rec.session = (struct record_session){.id.bytes[0] = (uint8_t)(40 + n), .number = 1};
        receive(w, &rec);
    }
}

START_TEST(a_copy_of_what_changes_meanwhile_is_what_it_copies)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct copies w;
        copies_init(&w, seed);
        junk(&w);
        for (uint64_t n = prng_below(&w.r, 300); n; n--)
            origin_step(&w);
        copy_all(&w);
        all_same(&w);
        for (unsigned n = 0; n < 50; n++)
            origin_step(&w);
        all_same(&w);
        copies_release(&w);
    }
}
END_TEST

START_TEST(a_copy_that_was_given_up_begins_anew)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct copies w;
        struct effect e = {.kind = EFFECT_WIPE};
        copies_init(&w, seed);
        for (unsigned n = 0; n < 200; n++)
            origin_step(&w);
        restate(&w, w.version, &e, 1);
        w.mirrored = true;
        content_scan(w.origin, 0, adopt, &w);
        origin_step(&w);
        late_come(&w, 0);
        fold(&w);
        ck_assert(heads(&w.bench).copying);
        w.mirrored = false; /* cut off for a while */
        for (unsigned n = 0; n < 20; n++)
            origin_step(&w);
        copy_all(&w);
        all_same(&w);
        copies_release(&w);
    }
}
END_TEST

/* --- mending ---------------------------------------------------------------------------------- */

enum { STRAYS = 6 };

/* One that the copy alone has. */
static void stray(struct copies *w, unsigned n, struct effect *e, bool applied)
{
    struct record rec = {.context = 1,
                         .partition = 5,
                         .version = version_make(w->epoch, (w->version & SEQ_MASK) + 1 + n),
                         .time_ms = 1,
                         .effects = e,
                         .effects_len = 1,
                         .has_session = true};
    rec.session = (struct record_session){.id.bytes[0] = (uint8_t)(1 + n), .number = 1000000 + n};
    if (applied)
        content_do(w->copy, &rec);
    wal_batch_add(&w->bench.b, &rec);
}

/* Records that only the copy has, then all that they touched is forgotten and comes back. */
static void stray_and_mend(struct copies *w)
{
    char keys[STRAYS][16];
    struct effect touched[STRAYS], effects[1 + 2 * STRAYS] = {{.kind = EFFECT_MEND}};
    struct session_id ids[STRAYS];
    size_t len = 1;
    memset(ids, 0, sizeof ids);
    for (unsigned i = 0; i < STRAYS; i++) {
        touched[i] = effect_draw(w, w->copy, keys[i]);
        stray(w, i, &touched[i], true);
    }
    for (unsigned i = 0; i < STRAYS; i++) {
        bool named = false;
        for (unsigned j = 0; j < i; j++)
            named |=
                touched[j].cache == touched[i].cache && slice_eq(touched[j].key, touched[i].key);
        if (!named)
            effects[len++] = (struct effect){
                .kind = EFFECT_REMOVE, .cache = touched[i].cache, .key = touched[i].key};
        ids[i].bytes[0] = (uint8_t)(1 + i);
    }
    w->epoch++;
    for (unsigned i = 0; i < STRAYS; i++)
        effects[len++] = (struct effect){.kind = EFFECT_SESSION_END,
                                         .key = slice_make(ids[i].bytes, sizeof ids[i].bytes)};
    copy_begin(w, effects, len);
    for (unsigned i = 0; i < STRAYS; i++) {
        origin_step(w);
        const struct entry *e =
            content_get(w->origin, touched[i].cache, touched[i].key,
                        content_hash(w->origin, touched[i].cache, touched[i].key));
        if (e)
            adopt(w, e);
        adopt_session(w, 1 + i);
        late_come(w, prng_below(&w->r, 4));
    }
    copy_end(w);
}

START_TEST(what_others_never_had_is_mended)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct copies w;
        copies_init(&w, seed);
        w.mirrored = true;
        for (unsigned n = 0; n < 100; n++)
            origin_step(&w);
        for (unsigned n = 0; n < 3; n++) {
            stray_and_mend(&w);
            all_same(&w);
        }
        copies_release(&w);
    }
}
END_TEST

/* --- cutting ---------------------------------------------------------------------------------- */

struct replayed {
    struct copies *w;
    struct cuts_survey survey;
    struct cuts cuts;
    unsigned left_out;
};

static void survey(void *ctx, const struct record *head, uint64_t lsn)
{
    struct replayed *r = ctx;
    cuts_survey_add(&r->survey, head, lsn, &r->cuts);
}

static void replay(void *ctx, const struct record *rec, uint64_t lsn)
{
    struct replayed *r = ctx;
    if (cuts_have(&r->cuts, rec->context, rec->partition, rec->version, lsn))
        r->left_out++;
    else
        content_do(r->w->copy, rec);
}

/* Start anew from the log alone. */
static struct replayed restart(struct copies *w)
{
    struct replayed r = {.w = w};
    struct wal_report report = {0};
    struct wal_visit visit = {.ctx = &r, .survey = survey, .record = replay};
    bench_sync(&w->bench);
    wal_free(w->bench.w);
    w->bench.w = log_open(w->bench.d, false, w->version);
    content_free(w->copy);
    w->copy = content_new(w->pool, 3);
    content_set_stored(w->copy);
    ck_assert_int_eq(wal_recover(w->bench.w, 0, &visit, NULL, &report), GRID_OK);
    ck_assert_int_eq(wal_prepare(w->bench.w, NULL), GRID_OK);
    wal_batch_release(&w->bench.b);
    wal_batch_init(&w->bench.b, w->bench.w);
    wal_report_release(&report);
    cuts_survey_release(&r.survey);
    cuts_check(&r.cuts);
    return r;
}

START_TEST(a_tail_that_was_cut_is_left_out_by_a_start_and_by_folds)
{
    char key[16];
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct copies w;
        copies_init(&w, seed);
        w.mirrored = true;
        w.no_folds = true;
        unsigned strays = 0;
        for (unsigned n = 0; n < 5; n++) {
            for (uint64_t m = 1 + prng_below(&w.r, 30); m; m--)
                origin_step(&w);
            unsigned len = (unsigned)prng_below(&w.r, STRAYS);
            for (unsigned i = 0; i < len; i++) {
                struct effect e = effect_draw(&w, w.copy, key);
                stray(&w, i, &e, false);
            }
            strays += len;
            w.epoch++;
            origin_step(&w);
        }
        struct replayed r = restart(&w);
        ck_assert_uint_eq(r.left_out, strays);
        w.cuts = &r.cuts;
        all_same(&w);
        cuts_release(&r.cuts);
        copies_release(&w);
    }
}
END_TEST

UNIT_MAIN("store/copies", a_copy_of_what_changes_meanwhile_is_what_it_copies,
          a_copy_that_was_given_up_begins_anew, what_others_never_had_is_mended,
          a_tail_that_was_cut_is_left_out_by_a_start_and_by_folds)
