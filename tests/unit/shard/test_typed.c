/* test_typed.c - typed values through a shard: what GET and SCAN show, what other ops make of them,
 * and how changes of them come back after a restart.
 * LINK: shard replica control data base */
#include "base/alloc.h"
#include "shard/call.h"
#include "tests/unit/shard/harness.h"

enum { LARGE = 30 }; /* fields that make a map */

/* --- procedures ------------------------------------------------------------------------------- */

static struct slice buf_keep(struct call *c, struct buf *b)
{
    uint8_t *copy = call_alloc(c, b->len);
    memcpy(copy, b->data, b->len);
    struct slice s = slice_make(copy, b->len);
    buf_release(b);
    return s;
}

/* FILL key n: a hash of n fields f0, f1, ... of 60 bytes each */
static void proc_fill(struct call *c)
{
    struct buf packed = BUF_INIT;
    int fields = atoi((const char *)c->args[1].data);
    for (int i = 0; i < fields; i++) {
        char name[16];
        uint8_t value[60] = {(uint8_t)i};
        snprintf(name, sizeof name, "f%d", i);
        fields_pack(&packed, slice_str(name), slice_make(value, sizeof value));
    }
    call_put(c, 0, VALUE_HASH, buf_keep(c, &packed), 0);
    c->reply.kind = REPLY_OK;
}

/* SET key value: of the field "x" */
static void proc_set(struct call *c)
{
    struct buf edits = BUF_INIT;
    fields_edit_set(&edits, slice_str("x"), c->args[1]);
    call_edit(c, 0, buf_keep(c, &edits));
    c->reply.kind = REPLY_OK;
}

static void proc_field(struct call *c)
{
    const struct entry *e = call_entry(c, 0);
    c->reply.kind = REPLY_NULL;
    if (e && fields_get(entry_fields(e), slice_str("x"), &c->reply.bytes))
        c->reply.kind = REPLY_BULK;
}

static void proc_persist(struct call *c)
{
    call_expire(c, 0, 0);
    c->reply.kind = REPLY_OK;
}

/* Runs all steps. */
static void proc_exec(struct call *c)
{
    for (uint32_t i = 0; i < call_steps(c); i++)
        ck_assert_int_eq(call_step(c, i), GRID_OK);
    c->raw->len = 0;
    c->reply = (struct reply){.kind = REPLY_OK};
}

static struct answered *call(struct harness *h, uint32_t c, procedure_fn *fn, const char *key,
                             const char *arg)
{
    struct slice args[] = {slice_str("name"), slice_str(arg)};
    struct op op = h_op(OP_CALL, c, key);
    op.procedure = fn;
    op.args = args;
    op.args_len = 2;
    op.reads_only = fn == proc_field;
    return h_do(h, op);
}

static void ck_field(struct harness *h, uint32_t c, const char *key, const char *want)
{
    struct answered *a = call(h, c, proc_field, key, "");
    h_cold(h);
    h_durable(h);
    ck_answer(a, GRID_OK);
    ck_assert_int_eq(a->reply, want ? REPLY_BULK : REPLY_NULL);
    if (want)
        ck_value(a, want);
}

static const char *count_text(int fields)
{
    return fields == LARGE ? "30" : "3";
}

/* A hash of `fields` fields with the version that it got. */
static struct harness *hash_new(uint32_t *ret_cache, int fields)
{
    struct harness *h = h_new();
    uint32_t c = *ret_cache = h_cache(h, "default/default");
    call(h, c, proc_fill, "k", count_text(fields));
    h_durable(h);
    return h;
}

static const int sizes[] = {3, LARGE};

/* --- what is shown ---------------------------------------------------------------------------- */

START_TEST(get_shows_type_and_stored_form_of_both_forms)
{
    for (int i = 0; i < 2; i++) {
        uint32_t c;
        struct harness *h = hash_new(&c, sizes[i]);
        struct answered *a = h_get(h, c, "k");
        ck_answer(a, GRID_OK);
        ck_assert_int_eq(a->type, VALUE_HASH);
        ck_assert(fields_packed_valid(buf_slice(&a->value)));
        struct fields_view v = {NULL, buf_slice(&a->value)};
        ck_assert_uint_eq(fields_len(v), (unsigned)sizes[i]);
        h_free(h);
    }
}
END_TEST

START_TEST(a_read_of_a_pending_change_waits_and_shows_what_it_saw)
{
    for (int i = 0; i < 2; i++) {
        uint32_t c;
        struct harness *h = hash_new(&c, sizes[i]);
        call(h, c, proc_set, "k", "one");
        struct answered *get = h_get(h, c, "k"), *field = call(h, c, proc_field, "k", "");
        ck_waits(get);
        ck_waits(field);
        call(h, c, proc_set, "k", "two");
        shard_durable(h->s, 2, h->now);
        ck_value(field, "one");
        struct slice found;
        struct fields_view v = {NULL, buf_slice(&get->value)};
        ck_assert(fields_get(v, slice_str("x"), &found) && slice_eq(found, slice_str("one")));
        h_durable(h);
        h_free(h);
    }
}
END_TEST

START_TEST(scan_shows_hashes_and_leaves_out_the_value_of_one_that_is_too_large)
{
    uint32_t c;
    struct harness *h = hash_new(&c, LARGE);
    call(h, c, proc_fill, "l", "31");
    call(h, c, proc_fill, "m", "2");
    h_put(h, c, "n", "bytes");
    h_durable(h);
    struct op scan = {.kind = OP_SCAN, .cache = c, .limit = 100};
    struct answered *a = h_do(h, scan);
    ck_answer(a, GRID_OK);
    ck_assert_uint_eq(a->items, 4);
    size_t all = a->keys.len;
    ck_assert_uint_gt(all, 63 * 60);
    struct catalog *next = catalog_copy(h->catalog);
    next->settings[SETTING_max_value] = 1024;
    h_publish(h, next);
    a = h_do(h, scan);
    ck_assert_uint_eq(a->items, 4);
    ck_assert_uint_lt(a->keys.len, 300);
    ck_answer(h_get(h, c, "k"), GRID_ETOO_LARGE);
    h_free(h);
}
END_TEST

/* --- what other ops make of it ---------------------------------------------------------------- */

START_TEST(a_media_type_is_put_shown_counted_and_expires)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct op put = h_op(OP_PUT, c, "k");
    put.type = VALUE_MEDIA;
    put.value = slice_str("\00341");
    ck_answer(h_do(h, put), GRID_EBAD_REQUEST); /* it is too short */
    put.value = slice_str("\0011");
    put.type = VALUE_HASH;
    ck_answer(h_do(h, put), GRID_EBAD_REQUEST);
    put.type = VALUE_MEDIA;
    put.value = slice_str("\004text41");
    h_do(h, put);
    struct op expire = h_op(OP_EXPIRE, c, "k");
    expire.ttl = TTL_SET;
    expire.ttl_ms = 1000;
    h_do(h, expire);
    h_durable(h);
    struct answered *a = h_get(h, c, "k");
    ck_value(a, "\004text41");
    ck_assert(a->type == VALUE_MEDIA && a->deadline == h->now + 1000);
    struct op incr = h_op(OP_INCR, c, "k");
    incr.delta = 1;
    h_do(h, incr);
    h_durable(h);
    a = h_get(h, c, "k");
    ck_value(a, "42");
    ck_assert(a->type == VALUE_BYTES && a->deadline == h->now + 1000);
    h_free(h);
}
END_TEST

START_TEST(a_hash_is_no_number_may_be_replaced_removed_and_may_expire)
{
    for (int i = 0; i < 2; i++) {
        uint32_t c;
        struct harness *h = hash_new(&c, sizes[i]);
        struct op incr = h_op(OP_INCR, c, "k"), expire = h_op(OP_EXPIRE, c, "k");
        incr.delta = 1;
        ck_answer(h_do(h, incr), GRID_EWRONG_TYPE);
        expire.ttl = TTL_SET;
        expire.ttl_ms = 10;
        h_do(h, expire);
        h_durable(h);
        ck_assert_uint_eq(h_get(h, c, "k")->deadline, h->now + 10);
        call(h, c, proc_persist, "k", "");
        h_durable(h);
        ck_assert_uint_eq(h_get(h, c, "k")->deadline, 0);
        h_do(h, expire);
        h_durable(h);
        h->now += 10;
        ck_answer(h_get(h, c, "k"), GRID_ENOT_FOUND);
        shard_tick(h->s, h->now);
        h_durable(h);
        ck_assert_int_eq(h_count(h, c)->number, 0);
        call(h, c, proc_fill, "k", count_text(sizes[i]));
        h_put(h, c, "k", "bytes");
        h_durable(h);
        ck_value(h_get(h, c, "k"), "bytes");
        h_delete(h, c, "k");
        h_durable(h);
        ck_answer(h_get(h, c, "k"), GRID_ENOT_FOUND);
        h_free(h);
    }
}
END_TEST

/* --- coming back ------------------------------------------------------------------------------ */

START_TEST(changes_come_back_from_the_log_over_what_the_checkpoint_has)
{
    for (int i = 0; i < 2; i++) {
        for (int stored = 0; stored < 2; stored++) {
            uint32_t c;
            struct harness *h = hash_new(&c, sizes[i]);
            if (stored)
                h_checkpoint(h);
            call(h, c, proc_set, "k", "one");
            struct op expire = h_op(OP_EXPIRE, c, "k");
            expire.ttl = TTL_SET;
            expire.ttl_ms = 1000;
            h_do(h, expire);
            call(h, c, proc_set, "k", "two");
            h_durable(h);
            uint64_t version = h_get(h, c, "k")->version;
            h_restart(h, h->log_len, EPOCH + 1, 0);
            ck_assert_uint_eq(h->damaged, 0);
            struct answered *a = h_get(h, c, "k");
            h_cold(h);
            ck_assert(a->version == version && a->deadline == h->now + 1000);
            struct fields_view v = {NULL, buf_slice(&a->value)};
            ck_assert_uint_eq(fields_len(v), (unsigned)sizes[i] + 1);
            ck_field(h, c, "k", "two");
            ck_assert_int_eq(h_count(h, c)->number, 1);
            h_free(h);
        }
    }
}
END_TEST

/* FILL k, SET k: one record that makes and changes a key. */
START_TEST(a_transaction_that_changes_what_it_made_comes_back)
{
    for (int i = 0; i < 2; i++) {
        struct harness *h = h_new();
        uint32_t c = h_cache(h, "default/default");
        struct op_step steps[] = {{proc_fill, 0, 2, 0, 1}, {proc_set, 2, 2, 1, 1}};
        struct slice args[] = {slice_str("fill"), slice_str(count_text(sizes[i])), slice_str("set"),
                               slice_str("value")};
        struct slice keys[] = {slice_str("k"), slice_str("k")};
        struct op op = h_op(OP_CALL, c, "k");
        op.procedure = proc_exec;
        op.args = args;
        op.args_len = 4;
        op.keys = keys;
        op.keys_len = 2;
        op.steps = steps;
        op.steps_len = 2;
        h_put(h, c, "other", "1");
        h_checkpoint(h); /* so that the partition is not complete when it comes back */
        h_do(h, op);
        h_durable(h);
        h_restart(h, h->log_len, EPOCH + 1, 0);
        ck_assert_uint_eq(h->damaged, 0);
        ck_field(h, c, "k", "value");
        ck_assert_int_eq(h_count(h, c)->number, 2);
        h_checkpoint(h);
        h_evict(h);
        ck_field(h, c, "k", "value");
        h_free(h);
    }
}
END_TEST

START_TEST(a_change_of_an_entry_that_is_nowhere_damages_its_partition)
{
    uint32_t c;
    struct harness *h = hash_new(&c, 3);
    h_put(h, c, "other", "1");
    h_checkpoint(h);
    call(h, c, proc_set, "k", "one");
    h_durable(h);
    for (size_t i = 0; i < h->store_len; i++) /* the row is lost */
        if (slice_eq(buf_slice(&h->store[i].key), slice_str("k")))
            buf_set(&h->store[i].key, slice_str("l"));
    h_restart(h, h->log_len, EPOCH + 1, 0);
    ck_assert_uint_eq(h->damaged, 1);
    ck_answer(h_get(h, c, "other"), GRID_EDAMAGED);
    h_free(h);
}
END_TEST

START_TEST(what_was_evicted_is_read_back_with_its_type)
{
    for (int i = 0; i < 2; i++) {
        uint32_t c;
        struct harness *h = hash_new(&c, sizes[i]);
        call(h, c, proc_set, "k", "value");
        h_checkpoint(h);
        h_evict(h);
        struct answered *edit = call(h, c, proc_set, "k", "again");
        ck_assert_uint_eq(h->questions_len, 1);
        h_cold(h);
        h_durable(h);
        ck_answer(edit, GRID_OK);
        ck_field(h, c, "k", "again");
        h_free(h);
    }
}
END_TEST

UNIT_MAIN("shard/typed", get_shows_type_and_stored_form_of_both_forms,
          a_read_of_a_pending_change_waits_and_shows_what_it_saw,
          scan_shows_hashes_and_leaves_out_the_value_of_one_that_is_too_large,
          a_media_type_is_put_shown_counted_and_expires,
          a_hash_is_no_number_may_be_replaced_removed_and_may_expire,
          changes_come_back_from_the_log_over_what_the_checkpoint_has,
          a_transaction_that_changes_what_it_made_comes_back,
          a_change_of_an_entry_that_is_nowhere_damages_its_partition,
          what_was_evicted_is_read_back_with_its_type)
