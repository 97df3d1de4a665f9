/* test_exec.c - transactions: what they answer, watched keys, errors on the way.
 * LINK: command shard replica control data base */
#include "tests/unit/command/cases.h"

enum { STEPS_MAX = 16 };

struct watch {
    const char *key;
    uint64_t version;
};

/* What EXEC is made of. */
struct transaction {
    struct words words[STEPS_MAX];
    struct op_step steps[STEPS_MAX];
    uint32_t len;
    struct slice args[STEPS_MAX * WORDS_MAX], keys[STEPS_MAX * WORDS_MAX];
    uint32_t args_len, keys_len;
    uint8_t versions[STEPS_MAX][8];
};

static void watch_add(struct transaction *t, uint32_t i, const struct watch *w)
{
    store_u64(t->versions[i], w->version);
    t->args[t->args_len++] = slice_make(t->versions[i], 8);
    t->keys[t->keys_len++] = slice_str(w->key);
}

static void step_add(struct transaction *t, const char *line)
{
    struct words *w = &t->words[t->len];
    words_read(w, line);
    const struct command_row *row = command_row_of(w);
    struct op_step *step = &t->steps[t->len++];
    *step = (struct op_step){row->procedure, t->args_len, w->len, t->keys_len, 0};
    memcpy(t->args + t->args_len, w->at, w->len * sizeof *w->at);
    t->args_len += w->len;
    step->keys_len = keys_find(row, w, t->keys + t->keys_len);
    t->keys_len += step->keys_len;
}

/* EXEC of `lines` (NULL behind the last), if what is watched (a NULL key behind the last) is as it
 * was. The reply as text. */
static const char *exec(struct world *w, const struct watch *watched, const char *const *lines)
{
    struct transaction *t = xcalloc(1, sizeof *t);
    t->args[t->args_len++] = slice_str("exec");
    for (uint32_t i = 0; watched && watched[i].key; i++)
        watch_add(t, i, &watched[i]);
    for (; *lines; lines++)
        step_add(t, *lines);
    struct op op = {.kind = OP_CALL,
                    .cache = w->cache,
                    .procedure = command_exec,
                    .flags = w->flags,
                    .key = t->keys[0],
                    .args = t->args,
                    .args_len = t->args_len,
                    .keys = t->keys,
                    .keys_len = t->keys_len,
                    .steps = t->steps,
                    .steps_len = t->len};
    struct answered *a = h_do(w->h, op);
    h_durable(w->h);
    world_answered(w, a);
    free(t);
    return w->text;
}

#define EXEC(w, watched, ...) exec(w, watched, (const char *const[]){__VA_ARGS__, NULL})

static uint64_t version_of(struct world *w, const char *key)
{
    struct answered *a = h_get(w->h, w->cache, key);
    return a->version;
}

/* --- claims ----------------------------------------------------------------------------------- */

START_TEST(steps_see_those_before_and_are_one_record)
{
    struct world *w = world_new();
    size_t records = w->h->log_len;
    ck_assert_str_eq(EXEC(w, NULL, "SET k 1", "INCR k", "HSET h f v", "HSET h f w g x", "HGETALL h",
                          "MGET k none", "RENAME k m", "GET k", "GET m"),
                     "*9 +OK :2 :1 :1 *4 $1 f $1 w $1 g $1 x *2 $1 2 $-1 +OK $-1 $1 2");
    ck_assert_uint_eq(w->h->log_len, records + 1);
    ASK(w, "GET m", "$1 2");
    ASK(w, "EXISTS k", ":0");
    ASK(w, "HGETALL h", "*4 $1 f $1 w $1 g $1 x");
    world_free(w);
}
END_TEST

START_TEST(an_error_of_one_step_leaves_the_others)
{
    struct world *w = world_new();
    ASK(w, "SET k abc", "+OK");
    ck_assert_str_eq(EXEC(w, NULL, "SET a 1", "INCR k", "HSET k f v", "SET b 2", "GET a"),
                     "*5 +OK -ERR value is not an integer or out of range "
                     "-WRONGTYPE Operation against a key holding the wrong kind of value +OK $1 1");
    ASK(w, "MGET a b k", "*3 $1 1 $1 2 $3 abc");
    world_free(w);
}
END_TEST

START_TEST(a_watched_key_that_changed_stops_all)
{
    struct world *w = world_new();
    ASK(w, "SET k 1", "+OK");
    struct watch watched[] = {{"k", version_of(w, "k")}, {"none", 0}, {NULL, 0}};
    ck_assert_str_eq(EXEC(w, watched, "GET k", "SET other 1"), "*2 $1 1 +OK");
    ASK(w, "SET k 1", "+OK"); /* the same value is a change, too */
    ck_assert_str_eq(EXEC(w, watched, "SET other 2"), "*-1");
    ASK(w, "GET other", "$1 1");
    watched[0].version = version_of(w, "k");
    ASK(w, "SET none v", "+OK");
    ck_assert_str_eq(EXEC(w, watched, "SET other 2"), "*-1");
    ASK(w, "DEL none", ":1");
    ck_assert_str_eq(EXEC(w, watched, "SET k 2", "SET none 1"), "*2 +OK +OK");
    ck_assert_str_eq(EXEC(w, watched, "SET k 3"), "*-1");
    w->flags = CALL_RESP3;
    ck_assert_str_eq(EXEC(w, watched, "SET k 3"), "_");
    world_free(w);
}
END_TEST

START_TEST(a_watched_key_that_expired_has_changed)
{
    struct world *w = world_new();
    ASK(w, "SET k 1 PX 500", "+OK");
    struct watch watched[] = {{"k", version_of(w, "k")}, {NULL, 0}};
    ck_assert_str_eq(EXEC(w, watched, "GET k"), "*1 $1 1");
    w->h->now += 500;
    ck_assert_str_eq(EXEC(w, watched, "SET other 1"), "*-1");
    ASK(w, "EXISTS other", ":0");
    world_free(w);
}
END_TEST

START_TEST(replies_of_steps_are_nested_in_resp3)
{
    struct world *w = world_new();
    w->flags = CALL_RESP3;
    ck_assert_str_eq(
        EXEC(w, NULL, "HSET h f v", "HGETALL h", "GET none", "HRANDFIELD h 1 WITHVALUES"),
        "*4 :1 %1 $1 f $1 v _ *1 *2 $1 f $1 v");
    world_free(w);
}
END_TEST

START_TEST(a_key_is_counted_once_after_steps_that_changed_it)
{
    struct world *w = world_new();
    ck_assert_str_eq(EXEC(w, NULL, "MSET a 1 b 2", "DEL a a b none", "EXISTS a b", "SET a 3",
                          "DEL a", "HSET a f v", "HDEL a f", "TYPE a"),
                     "*8 +OK :2 :0 +OK :1 :1 :1 +none");
    ASK(w, "EXISTS a b", ":0");
    world_free(w);
}
END_TEST

UNIT_MAIN("command/exec", steps_see_those_before_and_are_one_record,
          an_error_of_one_step_leaves_the_others, a_watched_key_that_changed_stops_all,
          a_watched_key_that_expired_has_changed, replies_of_steps_are_nested_in_resp3,
          a_key_is_counted_once_after_steps_that_changed_it)
