/* test_values.c - values of types in the checkpoint: edits folded in, whatever falls between two
 * folds; what an edit does not fit to is damage.
 * LINK: store data base */
#include "bench.h"

#include "base/prng.h"
#include "data/fields.h"
#include "store/checkpoint_priv.h"

#include <lmdb.h>

static void fields_text(struct buf *out, const char *text, bool edits)
{
    char copy[256], *rest = copy;
    snprintf(copy, sizeof copy, "%s", text);
    out->len = 0;
    for (char *one; (one = strsep(&rest, " "));) {
        char *value = strchr(one, '=');
        if (value)
            *value++ = '\0';
        if (!value)
            fields_edit_remove(out, slice_str(one));
        else if (edits)
            fields_edit_set(out, slice_str(one), slice_str(value));
        else
            fields_pack(out, slice_str(one), slice_str(value));
    }
}

/* `put` and `edit`: "field=value field" where a field alone is removed. */
static void bench_hash(struct bench *b, enum effect_kind kind, const char *key, const char *text)
{
    struct buf value = BUF_INIT;
    fields_text(&value, text, kind == EFFECT_EDIT);
    struct effect e = {.kind = kind,
                       .created = kind == EFFECT_PUT,
                       .cache = 1,
                       .key = slice_str(key),
                       .type = VALUE_HASH,
                       .value = buf_slice(&value)};
    if (kind == EFFECT_PUT) {
        e.affinity = slice_str("aff");
        e.deadline = 77;
    }
    bench_add(b, &e, NULL);
    buf_release(&value);
}

static void bench_deadline(struct bench *b, const char *key, msec_t deadline)
{
    struct effect e = {
        .kind = EFFECT_DEADLINE, .cache = 1, .key = slice_str(key), .deadline = deadline};
    bench_add(b, &e, NULL);
}

static void fold_all(struct bench *b, struct checkpoint_report *report)
{
    bench_sync(b);
    ck_assert_int_eq(bench_run(b, NULL, report), GRID_OK);
}

static void check_entry(const struct checkpoint_entry *e, enum value_type type, struct slice value,
                        msec_t deadline, uint64_t seq)
{
    ck_assert_int_eq(e->type, type);
    ck_assert(slice_eq(e->value, value));
    ck_assert(slice_eq(e->affinity, slice_str("aff")));
    ck_assert_uint_eq(e->deadline, deadline);
    ck_assert_uint_eq(e->version, version_make(1, seq));
}

static void check_hash(struct bench *b, const char *key, const char *text, msec_t deadline,
                       uint64_t seq)
{
    struct buf out = BUF_INIT, value = BUF_INIT;
    struct checkpoint_entry e;
    fields_text(&value, text, false);
    ck_assert_int_eq(checkpoint_get(b->cp, 1, 5, 1, slice_str(key), &out, &e), GRID_OK);
    check_entry(&e, VALUE_HASH, buf_slice(&value), deadline, seq);
    buf_release(&out);
    buf_release(&value);
}

START_TEST(the_type_of_a_value_is_kept)
{
    struct bench b;
    struct checkpoint_report rep;
    struct checkpoint_page page = {0};
    static const uint8_t media[] = "\4text<p>";
    bench_init(&b, _i);
    bench_put(&b, 1, "bytes", "plain", true);
    bench_hash(&b, EFFECT_PUT, "hash", "a=1 b=2");
    struct effect e = {.kind = EFFECT_PUT,
                       .created = true,
                       .cache = 1,
                       .key = slice_str("media"),
                       .affinity = slice_str("aff"),
                       .type = VALUE_MEDIA,
                       .value = slice_make(media, sizeof media - 1)};
    bench_add(&b, &e, NULL);
    fold_all(&b, &rep);
    check_value(&b, 1, "bytes", "plain");
    check_hash(&b, "hash", "a=1 b=2", 77, 2);
    ck_assert_int_eq(checkpoint_scan(b.cp, 1, 5, 1, 0, slice_str(""), 9, 999, &page), GRID_OK);
    ck_assert_uint_eq(page.len, 3);
    ck_assert_int_eq(page.entries[0].type, VALUE_BYTES);
    ck_assert_int_eq(page.entries[1].type, VALUE_HASH);
    check_entry(&page.entries[2], VALUE_MEDIA, slice_make(media, sizeof media - 1), 0, 3);
    checkpoint_page_release(&page);
    bench_release(&b);
}
END_TEST

START_TEST(edits_and_deadlines_change_what_was_there)
{
    struct bench b;
    struct checkpoint_report rep;
    bench_init(&b, _i & 1);
    bool often = _i & 2; /* a fold after each record */
    bench_hash(&b, EFFECT_PUT, "h", "a=1 b=2");
    bench_hash(&b, EFFECT_PUT, "gone", "a=1");
    if (often)
        fold_all(&b, &rep);
    bench_hash(&b, EFFECT_EDIT, "h", "b=22 c=3 a");
    bench_hash(&b, EFFECT_EDIT, "gone", "z=1");
    if (often)
        fold_all(&b, &rep);
    bench_deadline(&b, "h", 99);
    bench_remove(&b, 1, "gone");
    if (often)
        fold_all(&b, &rep);
    bench_hash(&b, EFFECT_EDIT, "h", "c d=4");
    fold_all(&b, &rep);
    ck_assert_uint_eq(rep.damaged_len, 0);
    check_hash(&b, "h", "b=22 d=4", 99, 7);
    check_value(&b, 1, "gone", NULL);
    ck_assert_uint_eq(heads(&b).counts[1], 1);
    bench_deadline(&b, "h", 0);
    bench_hash(&b, EFFECT_PUT, "gone", "back=1");
    bench_hash(&b, EFFECT_EDIT, "gone", "back=2");
    bench_deadline(&b, "gone", 5);
    fold_all(&b, &rep);
    check_hash(&b, "h", "b=22 d=4", 0, 8);
    check_hash(&b, "gone", "back=2", 5, 11);
    ck_assert_uint_eq(heads(&b).counts[1], 2);
    bench_put(&b, 1, "h", "a string", false);
    bench_deadline(&b, "h", 77);
    fold_all(&b, &rep);
    check_value(&b, 1, "h", "a string");
    ck_assert(!heads(&b).damaged);
    bench_release(&b);
}
END_TEST

/* What a change cannot build on; the second fold meets it, or the only one. */
static void misfit(struct bench *b, int kind)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct kv_txn *t;
    const struct kv_ops *ops = b->cp->kv->ops;
    if (kind == 0)
        bench_hash(b, EFFECT_EDIT, "absent", "a=1");
    if (kind == 1)
        bench_hash(b, EFFECT_EDIT, "string", "a=1");
    if (kind == 2)
        bench_deadline(b, "absent", 1);
    if (kind == 3)
        bench_hash(b, EFFECT_EDIT, "hash", "a b"); /* nothing would be left */
    if (kind == 4) {
        bench_remove(b, 1, "hash");
        bench_hash(b, EFFECT_EDIT, "hash", "a=1");
    }
    if (kind == 5) { /* its row is spoiled */
        ck_assert_int_eq(ops->begin(b->cp->kv, true, &t), GRID_OK);
        ck_assert_int_eq(ops->put(t, KV_ENTRIES, entry_key(bytes, 1, 5, 1, slice_str("hash")),
                                  slice_str("not what was written")),
                         GRID_OK);
        ck_assert_int_eq(ops->commit(t), GRID_OK);
        bench_deadline(b, "hash", 1);
    }
    if (kind == 6) { /* fields that are none, under a good checksum */
        struct slice key = entry_key(bytes, 1, 5, 1, slice_str("hash"));
        struct entry_row e = {.entry = {.type = VALUE_HASH, .value = slice_str("\100a")}};
        struct buf row = BUF_INIT;
        entry_row_put(&row, key, &e);
        ck_assert_int_eq(ops->begin(b->cp->kv, true, &t), GRID_OK);
        ck_assert_int_eq(ops->put(t, KV_ENTRIES, key, buf_slice(&row)), GRID_OK);
        ck_assert_int_eq(ops->commit(t), GRID_OK);
        buf_release(&row);
        bench_hash(b, EFFECT_EDIT, "hash", "a=1");
    }
}
enum { MISFITS = 7 };

START_TEST(a_change_that_fits_to_nothing_damages_its_partition)
{
    struct bench b;
    struct checkpoint_report rep;
    struct wal_place place = {1, 5};
    bench_init(&b, _i & 1);
    bench_put(&b, 1, "string", "s", true);
    bench_hash(&b, EFFECT_PUT, "hash", "a=1 b=2");
    fold_all(&b, &rep);
    misfit(&b, _i / 2);
    misfit(&b, 0); /* a second one hides nothing of it */
    bench_put(&b, 1, "later", "v", true);
    fold_all(&b, &rep);
    ck_assert_uint_eq(rep.damaged_len, 1);
    ck_assert_uint_eq(rep.damaged[0].context, 1);
    ck_assert_uint_eq(rep.damaged[0].partition, 5);
    ck_assert(heads(&b).damaged);
    check_value(&b, 1, "later", "v");
    misfit(&b, 0);
    fold_all(&b, &rep);
    ck_assert_uint_eq(rep.damaged_len, 0); /* it is known */
    ck_assert_int_eq(checkpoint_give_up(b.cp, &place, NULL), GRID_OK);
    ck_assert(!heads(&b).damaged);
    check_value(&b, 1, "string", "s");
    bench_release(&b);
}
END_TEST

START_TEST(a_transaction_ends_before_it_has_read_too_much_to_edit)
{
    struct bench b;
    struct checkpoint_report rep;
    struct checkpoint_limits limits = {.bytes_max = 5000};
    char key[16], text[128];
    static char big[4001];
    memset(big, 'x', sizeof big - 1);
    bench_init(&b, _i);
    for (unsigned i = 0; i < 20; i++) {
        struct buf value = BUF_INIT;
        snprintf(key, sizeof key, "h%u", i);
        fields_pack(&value, slice_str("big"), slice_str(big));
        struct effect e = {.kind = EFFECT_PUT,
                           .created = true,
                           .cache = 1,
                           .key = slice_str(key),
                           .affinity = slice_str("aff"),
                           .type = VALUE_HASH,
                           .value = buf_slice(&value)};
        bench_add(&b, &e, NULL);
        bench_sync(&b);
        buf_release(&value);
    }
    fold_all(&b, &rep);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "h%u", i);
        snprintf(text, sizeof text, "small=%u", i);
        bench_hash(&b, EFFECT_EDIT, key, text);
        bench_hash(&b, EFFECT_EDIT, "h0", text);
    }
    bench_sync(&b);
    ck_assert_int_eq(bench_run(&b, &limits, &rep), GRID_OK);
    ck_assert_uint_ge(rep.transactions, 4);
    ck_assert_uint_le(rep.transactions, 8); /* h0 counts once in each */
    ck_assert_uint_eq(rep.damaged_len, 0);
    bench_release(&b);
}
END_TEST

/* As it was before there were parts. */
static void parts_drop(const char *dir)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi parts;
    ck_assert_int_eq(mdb_env_create(&env), 0);
    ck_assert_int_eq(mdb_env_set_maxdbs(env, KV_TABLES), 0);
    ck_assert_int_eq(mdb_env_open(env, dir, 0, 0600), 0);
    ck_assert_int_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    ck_assert_int_eq(mdb_dbi_open(txn, "parts", 0, &parts), 0);
    ck_assert_int_eq(mdb_drop(txn, parts, 1), 0);
    ck_assert_int_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

/* A store as format 1 made it: rows without types. */
static void old_store_make(struct kv *kv)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct buf row = BUF_INIT;
    struct kv_txn *t;
    struct head_row head = {.version = version_make(1, 2)};
    *head_row_count(&head, 1) = 1;
    ck_assert_int_eq(kv->ops->begin(kv, true, &t), GRID_OK);
    ck_assert_int_eq(number_put(t, kv, "format", 1), GRID_OK);
    ck_assert_int_eq(number_put(t, kv, "applied", 0), GRID_OK);
    struct slice key = head_key(bytes, 1, 5);
    head_row_put(&row, key, &head);
    ck_assert_int_eq(kv->ops->put(t, KV_HEADS, key, buf_slice(&row)), GRID_OK);
    key = entry_key(bytes, 1, 5, 1, slice_str("old"));
    row_begin(&row);
    buf_add_u64(&row, version_make(1, 2));
    buf_add_u64(&row, 77);
    buf_add_u16(&row, 3);
    buf_add(&row, "affvalue", 8);
    row_seal(key, &row);
    ck_assert_int_eq(kv->ops->put(t, KV_ENTRIES, key, buf_slice(&row)), GRID_OK);
    ck_assert_int_eq(kv->ops->commit(t), GRID_OK);
    head_row_release(&head);
    buf_release(&row);
}

START_TEST(a_store_of_the_first_format_is_read_and_is_of_this_format_from_then_on)
{
    struct bench b;
    struct kv *kv;
    struct kv_txn *t;
    struct checkpoint_report rep;
    uint64_t format;
    bench_init(&b, _i);
    checkpoint_close(b.cp);
    if (b.mem) {
        store_mem_free(b.mem);
        b.mem = store_mem_new();
        kv = store_mem_open(b.mem);
    } else {
        remove_file(b.dir, "data.mdb");
        struct kv_lmdb_conf conf = {.path = b.dir, .create = true};
        ck_assert_int_eq(kv_lmdb_open(&conf, NULL, &kv), GRID_OK);
    }
    old_store_make(kv);
    kv->ops->close(kv);
    if (!b.mem)
        parts_drop(b.dir);
    for (int again = 0; again < 2; again++) {
        bench_open(&b, false);
        check_value(&b, 1, "old", "value");
        ck_assert_uint_eq(heads(&b).counts[1], 1);
        ck_assert_int_eq(b.cp->kv->ops->begin(b.cp->kv, false, &t), GRID_OK);
        ck_assert_int_eq(number_get(t, b.cp->kv, "format", &format), GRID_OK);
        ck_assert_uint_eq(format, CHECKPOINT_FORMAT);
        b.cp->kv->ops->abort(t);
        if (!again)
            checkpoint_close(b.cp);
    }
    b.seq = 2;
    bench_deadline(&b, "old", 78);
    bench_deadline(&b, "old", 77);
    fold_all(&b, &rep);
    check_value(&b, 1, "old", "value");
    bench_release(&b);
}
END_TEST

/* --- random histories against a model --------------------------------------------------------- */

enum { KEYS = 6, FIELDS = 1500, STEPS = 400 };

/* A field's value follows from its number, 0: no such field. */
struct model_entry {
    bool there;
    bool string;
    msec_t deadline;
    uint64_t version;
    uint32_t numbers[FIELDS];
    unsigned fields;
};

struct model {
    struct bench b;
    struct prng r;
    uint32_t number;
    struct model_entry now[KEYS];
    struct buf value;
    unsigned edits, parted;
    size_t whole_bytes;
};

static struct slice field_name(unsigned field)
{
    static char name[32];
    snprintf(name, sizeof name, "field-%u", field);
    return slice_str(name);
}

static struct slice field_value(uint32_t number)
{
    static char value[400];
    size_t len = number * 7 % 11 ? number % 40 : number % 400;
    memset(value, 'a' + (int)(number % 26), len);
    memcpy(value, &number, len < sizeof number ? len : sizeof number);
    return slice_make(value, len);
}

static void model_set(struct model *m, struct model_entry *e, unsigned field, bool edit)
{
    e->fields += !e->numbers[field];
    e->numbers[field] = ++m->number;
    if (edit)
        fields_edit_set(&m->value, field_name(field), field_value(m->number));
    else
        fields_pack(&m->value, field_name(field), field_value(m->number));
}

static void model_put(struct model *m, struct model_entry *e, struct effect *effect)
{
    *effect = (struct effect){.kind = EFFECT_PUT,
                              .created = !e->there,
                              .affinity = slice_str("aff"),
                              .deadline = prng_below(&m->r, 2)};
    *e = (struct model_entry){
        .there = true, .deadline = effect->deadline, .string = prng_below(&m->r, 4) == 0};
    if (e->string) {
        e->numbers[0] = ++m->number;
        effect->value = field_value(m->number);
        return;
    }
    effect->type = VALUE_HASH;
    unsigned from = (unsigned)prng_below(&m->r, FIELDS);
    unsigned n = prng_below(&m->r, 3) ? (unsigned)prng_below(&m->r, 20)
                                      : (unsigned)prng_below(&m->r, FIELDS);
    for (unsigned i = 0; i <= n; i++)
        model_set(m, e, (from + i) % FIELDS, false);
    effect->value = buf_slice(&m->value);
}

static void model_edit(struct model *m, struct model_entry *e, struct effect *effect)
{
    *effect = (struct effect){.kind = EFFECT_EDIT, .type = VALUE_HASH};
    unsigned from = (unsigned)prng_below(&m->r, FIELDS);
    unsigned n = (unsigned)prng_below(&m->r, prng_below(&m->r, 4) ? 6 : FIELDS);
    bool shrink = prng_below(&m->r, 3) == 0;
    for (unsigned i = 0; i <= n && i < FIELDS; i++) {
        unsigned field = (from + i) % FIELDS;
        if (!shrink || e->fields <= 1) {
            model_set(m, e, field, true);
        } else {
            e->fields -= e->numbers[field] != 0;
            e->numbers[field] = 0;
            fields_edit_remove(&m->value, field_name(field));
        }
    }
    if (!e->fields) /* a record never leaves an empty hash */
        model_set(m, e, from, true);
    effect->value = buf_slice(&m->value);
    m->edits++;
}

static void model_step(struct model *m)
{
    unsigned at = (unsigned)prng_below(&m->r, KEYS);
    struct model_entry *e = &m->now[at];
    struct effect effect = {0};
    char key[16];
    uint64_t dice = prng_below(&m->r, 20);
    m->value.len = 0;
    if (!e->there || dice == 0) {
        model_put(m, e, &effect);
    } else if (dice == 1) {
        effect.kind = prng_below(&m->r, 2) ? EFFECT_REMOVE : EFFECT_EXPIRE;
        *e = (struct model_entry){0};
    } else if (dice < 4 || e->string) {
        effect = (struct effect){.kind = EFFECT_DEADLINE, .deadline = prng_below(&m->r, 3)};
        e->deadline = effect.deadline;
    } else {
        model_edit(m, e, &effect);
    }
    snprintf(key, sizeof key, "key%u", at);
    effect.cache = 1;
    effect.key = slice_str(key);
    bench_add(&m->b, &effect, NULL);
    e->version = version_make(1, m->b.seq);
}

static void field_check(void *ctx, struct slice field, struct slice value)
{
    struct model_entry *left = ctx;
    char name[32];
    snprintf(name, sizeof name, "%.*s", (int)field.len, (const char *)field.data);
    unsigned at = (unsigned)strtoul(name + strlen("field-"), NULL, 10);
    ck_assert_uint_lt(at, FIELDS);
    ck_assert(left->numbers[at] && slice_eq(value, field_value(left->numbers[at])));
    left->numbers[at] = 0;
    left->fields--;
}

static void entry_check(const struct model_entry *e, const struct checkpoint_entry *found)
{
    static struct model_entry left;
    left = *e;
    ck_assert_int_eq(found->type, e->string ? VALUE_BYTES : VALUE_HASH);
    ck_assert_uint_eq(found->deadline, e->deadline);
    ck_assert_uint_eq(found->version, e->version);
    ck_assert(slice_eq(found->affinity, slice_str("aff")));
    if (e->string) {
        ck_assert(slice_eq(found->value, field_value(e->numbers[0])));
        return;
    }
    ck_assert(value_valid(found->type, found->value));
    fields_each((struct fields_view){.packed = found->value}, field_check, &left);
    ck_assert_uint_eq(left.fields, 0);
}

/* Every part has its entry, each entry its parts, about as many as it needs. */
static void parts_check(struct model *m)
{
    struct kv_txn *t;
    struct kv_cursor *c;
    struct slice key, row;
    struct entry_row r;
    uint64_t parts = 0, rows = 0, part_bytes = m->whole_bytes / WHOLE_PARTS;
    const struct kv_ops *ops = m->b.cp->kv->ops;
    ck_assert_int_eq(ops->begin(m->b.cp->kv, false, &t), GRID_OK);
    ck_assert_int_eq(ops->cursor(t, KV_ENTRIES, &c), GRID_OK);
    enum grid_err err = ops->seek(c, slice_str(""), &key, &row);
    for (; !err; err = ops->next(c, &key, &row)) {
        ck_assert_int_eq(entry_row_get(key, row, &r), GRID_OK);
        parts += r.parts;
        if (r.parts)
            ck_assert(r.bytes / part_bytes <= r.parts && r.bytes / part_bytes >= r.parts / 4);
        else
            ck_assert(r.entry.type == VALUE_BYTES || r.entry.value.len <= part_bytes * WHOLE_PARTS);
    }
    ops->cursor_close(c);
    ck_assert_int_eq(ops->cursor(t, KV_PARTS, &c), GRID_OK);
    for (err = ops->seek(c, slice_str(""), &key, &row); !err; err = ops->next(c, &key, &row))
        rows++;
    ops->cursor_close(c);
    ops->abort(t);
    ck_assert_uint_eq(parts, rows);
    m->parted += parts > 0;
}

static void model_check(struct model *m)
{
    struct checkpoint_entry e;
    struct checkpoint_page page = {0};
    struct buf out = BUF_INIT;
    size_t there = 0, found = 0;
    char key[16] = "";
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "key%u", i);
        enum grid_err err = checkpoint_get(m->b.cp, 1, 5, 1, slice_str(key), &out, &e);
        ck_assert_int_eq(err, m->now[i].there ? GRID_OK : GRID_ENOT_FOUND);
        if (!err)
            entry_check(&m->now[i], &e);
        there += !err;
    }
    key[0] = '\0';
    do {
        ck_assert_int_eq(checkpoint_scan(m->b.cp, 1, 5, 1, 0, slice_str(key), 3,
                                         1 + prng_below(&m->r, 30000), &page),
                         GRID_OK);
        for (size_t i = 0; i < page.len; i++) {
            snprintf(key, sizeof key, "%.*s", (int)page.entries[i].key.len,
                     (const char *)page.entries[i].key.data);
            entry_check(&m->now[key[3] - '0'], &page.entries[i]);
        }
        found += page.len;
    } while (!page.done);
    ck_assert_uint_eq(found, there);
    struct heads_found f = heads(&m->b);
    ck_assert(!f.damaged);
    ck_assert_uint_eq(f.counts[1], there);
    parts_check(m);
    checkpoint_page_release(&page);
    buf_release(&out);
}

/* The process died, perhaps while it committed. */
static void model_crash(struct model *m)
{
    if (m->b.mem)
        store_mem_crash(m->b.mem);
    checkpoint_close(m->b.cp);
    bench_open(&m->b, false);
}

static void model_fold(struct model *m)
{
    struct checkpoint_report rep;
    struct checkpoint_limits limits = {.changes_max = 1 + prng_below(&m->r, 40),
                                       .whole_bytes = m->whole_bytes};
    if (prng_below(&m->r, 2))
        limits.bytes_max = 2000 + prng_below(&m->r, 30000);
    bench_sync(&m->b);
    if (prng_below(&m->r, 3) == 0)
        checkpoint_rest(m->b.cp);
    if (m->b.mem && prng_below(&m->r, 2)) {
        store_mem_fail_commit(m->b.mem, GRID_ENO_SPACE, (unsigned)prng_below(&m->r, 3), 1);
        enum grid_err err = bench_run(&m->b, &limits, &rep);
        ck_assert(!err || err == GRID_ENO_SPACE);
        if (prng_below(&m->r, 2))
            model_crash(m);
        store_mem_fail_commit(m->b.mem, GRID_OK, 0, 0);
    }
    ck_assert_int_eq(bench_run(&m->b, &limits, &rep), GRID_OK);
    ck_assert_uint_eq(rep.damaged_len, 0);
    model_check(m);
    if (prng_below(&m->r, 4) == 0) {
        model_crash(m);
        model_check(m);
    }
}

START_TEST(what_is_stored_is_what_the_log_says_however_it_is_folded)
{
    static struct model m;
    m = (struct model){.r = {(uint64_t)_i + 1}, .value = BUF_INIT};
    m.whole_bytes = _i % 2 ? (size_t)WHOLE_BYTES : (size_t)WHOLE_PARTS << prng_below(&m.r, 9);
    bench_init(&m.b, _i % 4 == 0);
    for (unsigned i = 0; i < STEPS; i++) {
        model_step(&m);
        if (prng_below(&m.r, 12) == 0)
            model_fold(&m);
        else if (m.value.len > 4000)
            bench_sync(&m.b);
    }
    model_fold(&m);
    ck_assert_uint_gt(m.edits, STEPS / 4);
    ck_assert_uint_gt(m.parted, 3);
    buf_release(&m.value);
    bench_release(&m.b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/values");
    TCase *tc = tcase_create("store/values");
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, the_type_of_a_value_is_kept, 0, 2);
    tcase_add_loop_test(tc, edits_and_deadlines_change_what_was_there, 0, 4);
    tcase_add_loop_test(tc, a_change_that_fits_to_nothing_damages_its_partition, 0, 2 * MISFITS);
    tcase_add_loop_test(tc, a_transaction_ends_before_it_has_read_too_much_to_edit, 0, 2);
    tcase_add_loop_test(tc, a_store_of_the_first_format_is_read_and_is_of_this_format_from_then_on,
                        0, 2);
    tcase_add_loop_test(tc, what_is_stored_is_what_the_log_says_however_it_is_folded, 0, 20);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
