/* test_eval.c - scripts of Redis clients, done by a shard: replies taken from redis-server 7.0.15,
 * one record for all that a script changed, keys that were not named.
 * LINK: session compute wire command shard replica control data base pb frame */
#include "compute/eval.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/sha1.h"

#include "tests/unit/command/cases.h"

#define SHA "0123456789012345678901234567890123456789"
#define AT(line) " script: " SHA ", on @user_script:" #line "."

struct script_case {
    const char *text;
    const char *words; /* number of keys, keys, arguments */
    const char *reply;
};

/* Begin a script; its answer comes at once or later. */
static struct answered *begin(struct world *w, procedure_fn *procedure, const char *text,
                              const char *words)
{
    static struct words line;
    struct slice args[WORDS_MAX];
    line = (struct words){0};
    words_read(&line, words);
    int64_t keys = strtoll((const char *)line.at[0].data, NULL, 10);
    if (keys >= line.len) /* more than there are: the script is placed by its digest */
        keys = 0;
    args[0] = slice_str("eval");
    args[1] = slice_str(text);
    memcpy(args + 2, line.at, line.len * sizeof *args);
    char sha[SHA1_HEX];
    sha1_hex(slice_str(text), sha);
    args[2 + line.len] = slice_make(sha, SHA1_HEX);
    struct op op = {.kind = OP_CALL,
                    .cache = w->cache,
                    .procedure = procedure,
                    .makes_steps = true,
                    .reads_only = procedure == command_eval_ro,
                    .flags = w->flags,
                    .key = keys > 0 ? args[3] : args[2 + line.len],
                    .args = args,
                    .args_len = 3 + line.len};
    op.keys = keys > 0 ? args + 3 : &op.key;
    op.keys_len = keys > 0 ? (uint32_t)keys : 1;
    return h_do(w->h, op);
}

/* Its reply as text, with the same digest for all. */
static const char *finish(struct world *w, const struct answered *a)
{
    h_durable(w->h);
    world_answered(w, a);
    char *at = strstr(w->text, " script: ");
    if (at && strlen(at) > 9 + SHA1_HEX)
        memcpy(at + 9, SHA, SHA1_HEX);
    return w->text;
}

static const char *eval(struct world *w, procedure_fn *procedure, const char *text,
                        const char *words)
{
    w->h->now += 200000; /* what was ended before is paid for */
    return finish(w, begin(w, procedure, text, words));
}

#define EVAL(w, text, words) eval(w, command_eval, text, words)

static const struct script_case cases[] = {
    {"return 3.99", "0", ":3"},
    {"return {1,2,nil,4}", "0", "*2 :1 :2"},
    {"return {1,{2,'x',{}},false,true}", "0", "*4 :1 *3 :2 $1 x *0 $-1 :1"},
    {"return true", "0", ":1"},
    {"return false", "0", "$-1"},
    {"return", "0", "$-1"},
    {"return {ok='fine'}", "0", "+fine"},
    {"return {err='MY thing'}", "0", "-MY thing"},
    {"return {double=3.5}", "0", "$3 3.5"},
    {"return {map={a=1}}", "0", "*2 $1 a :1"},
    {"return redis.error_reply('My b')", "0", "-My b"},
    {"return redis.status_reply('x y')", "0", "+x y"},
    {"return {#KEYS,#ARGV,KEYS[2],ARGV[1]}", "2 {a}a {a}b x y z", "*4 :2 :3 $4 {a}b $1 x"},
    {"return redis.call('SET',KEYS[1],ARGV[1])", "1 a v", "+OK"},
    {"return redis.call('GET',KEYS[1])", "1 a", "$1 v"},
    {"return type(redis.call('GET',KEYS[1]))", "1 none", "$7 boolean"},
    {"redis.setresp(3) return type(redis.call('GET',KEYS[1]))", "1 none", "$3 nil"},
    {"return redis.call('INCR',KEYS[1])", "1 a",
     "-ERR value is not an integer or out of range" AT(1)},
    {"return redis.pcall('INCR',KEYS[1])", "1 a", "-ERR value is not an integer or out of range"},
    {"return {pcall(redis.call,'INCR')}", "0",
     "*2 $-1 $58 ERR Wrong number of args calling Redis command from script"},
    {"return redis.call('HSET',KEYS[1],'f',1)", "1 h", ":1"},
    {"return redis.call('HGETALL',KEYS[1])", "1 h", "*2 $1 f $1 1"},
    {"redis.setresp(3) return redis.call('HGETALL',KEYS[1]).map.f", "1 h", "$1 1"},
    {"return redis.call('GET',KEYS[1])", "1 h",
     "-WRONGTYPE Operation against a key holding the wrong kind of value" AT(1)},
    {"x=1", "0", "-ERR user_script:1: Attempt to modify a readonly table" AT(1)},
    {"return foo", "0",
     "-ERR user_script:1: Script attempted to access nonexistent global variable 'foo'" AT(1)},
    {"error('boom')", "0", "-ERR user_script:1: boom" AT(1)},
    {"\n\nerror('zero',0)", "0", "-ERR zero" AT(3)},
    {"error({err='My b'})", "0", "-My b" AT(1)},
    {"error()", "0", "-ERR nil" AT(1)},
    {"return redis.call()", "0",
     "-ERR Please specify at least one argument for this redis lib call" AT(1)},
    {"return redis.call('NOPE')", "0", "-ERR Unknown Redis command called from script" AT(1)},
    {"return redis.call('GET')", "0",
     "-ERR Wrong number of args calling Redis command from script" AT(1)},
    {"return redis.call('GET',{})", "0",
     "-ERR Lua redis lib command arguments must be strings or integers" AT(1)},
    {"return redis.call('MULTI')", "0", "-ERR This Redis command is not allowed from script" AT(1)},
    {"return redis.call('GET_OR_NULL','a')", "0",
     "-ERR Unknown Redis command called from script" AT(1)},
    {"return redis.call('GET','')", "0", "-ERR the key is empty" AT(1)},
    {"return redis.call('OBJECT','REFCOUNT',KEYS[1])", "1 a", ":1"},
    {"return redis.call('ping')", "0", "+PONG"},
    {"return redis.call('SET',KEYS[1],10/3)", "1 a", "+OK"},
    {"return redis.call('GET',KEYS[1])", "1 a", "$18 3.3333333333333335"},
    {"return 1", "-1", "-ERR Number of keys can't be negative"},
    {"return 1", "3 a", "-ERR Number of keys can't be greater than number of args"},
    {"return 1", "a", "-ERR value is not an integer or out of range"},
    {"return +", "0",
     "-ERR Error compiling script (new function): user_script:1: unexpected symbol near '+'"},
    {"#!lua flags=no-writes\nreturn redis.call('SET',KEYS[1],'b')", "1 a",
     "-ERR Write commands are not allowed from read-only scripts." AT(2)},
    {"#!lua flags=foo\nreturn 1", "0", "-ERR Unexpected flag in script shebang: foo"},
    {"return redis.sha1hex('')", "0", "$40 da39a3ee5e6b4b0d3255bfef95601890afd80709"},
    {"return cjson.encode({1,'x\\n\"/',true,cjson.null,{a=1.5}})", "0",
     "$33 [1,\"x\\x5cn\\x5c\"\\x5c/\",true,null,{\"a\":1.5}]"},
    {"return cjson.decode('{\"a\":[1,2.5,\"\\\\u00e9\"]}').a[3]", "0", "$2 \\xc3\\xa9"},
    {"return cjson.decode('[1,2,{]')", "0",
     "-ERR user_script:1: Expected object key string but found T_ARR_END at character 7" AT(1)},
    {"return bit.tohex(bit.bor(0xf0, bit.lshift(1, 31)))", "0", "$8 800000f0"},
    {"return cmsgpack.unpack(cmsgpack.pack({a={1,'x'}})).a[2]", "0", "$1 x"},
    {"return {struct.unpack('>i2Bc0', struct.pack('>i2Bc0', -2, 3, 'abc'))}", "0",
     "*3 :-2 $3 abc :7"},
    {"return cmsgpack.unpack(('\\145'):rep(100000))", "0",
     "-ERR user_script:1: Bad data format in input." AT(1)},
    {"return cmsgpack.unpack('\\221\\255\\255\\255\\255')", "0",
     "-ERR user_script:1: Missing bytes in input." AT(1)},
    {"return struct.unpack('c2147483647', 'x')", "0",
     "-ERR user_script:1: bad argument #2 to 'unpack' (data string too short)" AT(1)},
};

/* Of the libraries: it would take for ever. */
static const char *const endless[] = {
    "local s = ('x'):rep(1 << 20) while true do cmsgpack.pack(s) end",
    "local t = {} for i = 1, 10000 do t[i] = i end while true do cmsgpack.pack(t) end",
    "local s = cmsgpack.pack(('x'):rep(1 << 20)) while true do cmsgpack.unpack(s) end",
    "local s = ('x'):rep(1 << 20) while true do struct.pack('s', s) end",
    "local f = ('x'):rep(1 << 20) while true do struct.size(f) end",
    "local s = ('x'):rep(1 << 20) while true do struct.unpack('c1048576', s) end",
};

START_TEST(libraries_end_with_the_budget)
{
    struct world *w = world_new();
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        const char *reply = EVAL(w, endless[i], "0");
        ck_assert_msg(strstr(reply, "the script was ended") != NULL, "%s: %s", endless[i], reply);
    }
    world_free(w);
}
END_TEST

START_TEST(replies_are_those_of_redis)
{
    struct world *w = world_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *reply = EVAL(w, cases[i].text, cases[i].words);
        ck_assert_msg(strcmp(reply, cases[i].reply) == 0, "%s: %s, expected %s", cases[i].text,
                      reply, cases[i].reply);
    }
    ck_assert_str_eq(eval(w, command_eval_ro, "return redis.call('SET',KEYS[1],'b')", "1 a"),
                     "-ERR Write commands are not allowed from read-only scripts." AT(1));
    w->flags = CALL_RESP3;
    ck_assert_str_eq(EVAL(w, "return {false,{double=3.5},{map={a=1}},true}", "0"),
                     "*4 _ ,3.5 %1 $1 a :1 :1");
    ck_assert_str_eq(
        EVAL(w, "redis.setresp(3) return {false,true,redis.call('HGETALL',KEYS[1])}", "1 h"),
        "*3 #f #t %1 $1 f $1 1");
    world_free(w);
}
END_TEST

START_TEST(commands_see_those_before_and_are_one_record)
{
    struct world *w = world_new();
    size_t records = w->h->log_len;
    ck_assert_str_eq(EVAL(w,
                          "redis.call('SET',KEYS[1],1) redis.call('INCR',KEYS[1])"
                          " redis.call('HSET',KEYS[2],'f',redis.call('GET',KEYS[1]))"
                          " redis.call('HSET',KEYS[2],'g','x') redis.call('HDEL',KEYS[2],'f')"
                          " redis.call('DEL',KEYS[1])"
                          " return {redis.call('EXISTS',KEYS[1]),redis.call('HGETALL',KEYS[2])}",
                          "2 k h"),
                     "*2 :0 *2 $1 g $1 x");
    ck_assert_uint_eq(w->h->log_len, records + 1);
    ASK(w, "EXISTS k", ":0");
    ASK(w, "HGETALL h", "*2 $1 g $1 x");
    ck_assert_str_eq(EVAL(w, "return redis.call('HGETALL',KEYS[1])", "1 h"), "*2 $1 g $1 x");
    ck_assert_uint_eq(w->h->log_len, records + 1);
    world_free(w);
}
END_TEST

START_TEST(what_was_changed_before_an_error_stays)
{
    struct world *w = world_new();
    ASK(w, "SET s abc", "+OK");
    ck_assert_str_eq(EVAL(w, "redis.call('SET',KEYS[1],1) redis.call('INCR',KEYS[2])", "2 k s"),
                     "-ERR value is not an integer or out of range" AT(1));
    ASK(w, "GET k", "$1 1");
    ck_assert_str_eq(EVAL(w, "redis.call('SET',KEYS[1],2)\nwhile true do end", "1 k"),
                     "-ERR the script was ended: user_script:2: too many steps; what it changed "
                     "before stays" AT(2));
    ASK(w, "GET k", "$1 2");
    ck_assert_str_eq(EVAL(w, "while true do end", "1 k"),
                     "-ERR the script was ended: user_script:1: too many steps; nothing was "
                     "changed" AT(1));
    ck_assert_str_eq(EVAL(w, "return ('x'):rep(1 << 40)", "1 k"),
                     "-ERR user_script:1: resulting string too large" AT(1));
    ck_assert_str_eq(EVAL(w, "local t = {} for i = 1, 60 do t = {t, t} end return t", "0"),
                     "-ERR the script was ended: too many steps; nothing was changed script: " SHA
                     ", on @user_script:0.");
    ck_assert_str_eq(EVAL(w, "return redis.call('GET',KEYS[1])", "1 k"), "$1 2");
    world_free(w);
}
END_TEST

/* --- keys that were not named ----------------------------------------------------------------- */

/* Keys of the partition that scripts run in here, and one of another. */
static void keys_name(const struct world *w, char here[4][16], char *there)
{
    uint32_t partitions = catalog_context(w->h->catalog, cache_context(w->cache))->partitions;
    int len = 0;
    bool other = false;
    for (int i = 0; len < 4 || !other; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%d", i);
        if (slot_partition(hash_slot(slice_str(key)), partitions) != 0) {
            other = true;
            memcpy(there, key, sizeof key);
        } else if (len < 4) {
            memcpy(here[len++], key, sizeof key);
        }
    }
}

START_TEST(a_key_that_was_not_named_is_used_when_it_is_in_memory)
{
    struct world *w = world_new();
    char here[4][16], there[16], words[128];
    keys_name(w, here, there);
    snprintf(words, sizeof words, "1 k %s %s", here[0], there);
    ck_assert_str_eq(EVAL(w, "redis.call('SET',ARGV[1],7) return 1", words), ":1");
    ck_assert_str_eq(
        EVAL(w, "redis.call('SET',KEYS[1],1) return redis.call('INCR',ARGV[1])", words), ":8");
    ck_assert_str_eq(EVAL(w, "return redis.call('GET',ARGV[1])", words), "$1 8");
    ck_assert_str_eq(EVAL(w, "return redis.call('GET',ARGV[2])", words),
                     "-ERR Script attempted to access a non local key in a cluster node" AT(1));
    world_free(w);
}
END_TEST

static void keys_to_disk(struct world *w, char here[4][16])
{
    char line[64];
    for (int i = 0; i < 4; i++) {
        snprintf(line, sizeof line, "SET %s %d", here[i], i);
        ASK(w, line, "+OK");
    }
    h_checkpoint_to(w->h, w->h->log_len);
    h_evict(w->h);
}

/* It begins again for each of them; nothing it did before counts twice. */
START_TEST(keys_on_disk_that_were_not_named_are_fetched)
{
    struct world *w = world_new();
    char here[4][16], there[16], words[128];
    keys_name(w, here, there);
    keys_to_disk(w, here);
    size_t records = w->h->log_len;
    snprintf(words, sizeof words, "1 %s %s %s none%s", here[0], here[1], here[2], here[3]);
    const char *text = "local a, b = redis.call('GET',ARGV[1]), redis.call('GET',ARGV[2])"
                       " redis.call('INCRBY',KEYS[1],100) redis.call('INCRBY',ARGV[1],a + b)"
                       " return {redis.call('GET',KEYS[1]),redis.call('GET',ARGV[1])}";
    struct answered *a = begin(w, command_eval, text, words);
    ck_waits(a);
    h_cold(w->h);
    ck_assert_str_eq(finish(w, a), "*2 $3 100 $1 4");
    ck_assert_uint_eq(w->h->log_len, records + 1);
    shard_check(w->h->s);
    world_free(w);
}
END_TEST

START_TEST(a_key_on_disk_cannot_be_fetched_after_changes)
{
    struct world *w = world_new();
    char here[4][16], there[16], words[128];
    keys_name(w, here, there);
    keys_to_disk(w, here);
    snprintf(words, sizeof words, "1 %s %s", here[0], here[1]);
    struct answered *a = begin(
        w, command_eval, "redis.call('SET',KEYS[1],'x') return redis.call('GET',ARGV[1])", words);
    ck_waits(a);
    h_cold(w->h);
    ck_assert_str_eq(finish(w, a), "-ERR a key that is not among KEYS is not in memory, and "
                                   "something was changed already" AT(1));
    a = begin(w, command_eval, "return redis.call('GET',KEYS[1])", words);
    h_cold(w->h);
    ck_assert_str_eq(finish(w, a), "$1 x");
    world_free(w);
}
END_TEST

/* What stands behind it in a transaction is not done before it. */
START_TEST(a_transaction_waits_for_keys_of_its_scripts)
{
    struct world *w = world_new();
    char here[4][16], there[16], sha[SHA1_HEX];
    keys_name(w, here, there);
    keys_to_disk(w, here);
    size_t records = w->h->log_len;
    const char *text = "return redis.call('GET',ARGV[1])";
    sha1_hex(slice_str(text), sha);
    struct slice args[] = {
        slice_str("exec"), slice_str("eval"),  slice_str(text),           slice_str("1"),
        slice_str("new"),  slice_str(here[1]), slice_make(sha, SHA1_HEX), slice_str("incr"),
        slice_str("new")};
    struct slice keys[] = {slice_str("new"), slice_str("new")};
    struct op_step steps[] = {{command_eval, 1, 6, 0, 1}, {command_incr, 7, 2, 1, 1}};
    struct op op = {.kind = OP_CALL,
                    .cache = w->cache,
                    .procedure = command_exec,
                    .args = args,
                    .args_len = 9,
                    .key = keys[0],
                    .keys = keys,
                    .keys_len = 2,
                    .steps = steps,
                    .steps_len = 2};
    struct answered *a = h_do(w->h, op);
    ck_waits(a);
    ck_assert_uint_eq(w->h->log_len, records);
    h_cold(w->h);
    ck_assert_str_eq(finish(w, a), "*2 $1 1 :1");
    ck_assert_uint_eq(w->h->log_len, records + 1);
    ASK(w, "GET new", "$1 1");
    world_free(w);
}
END_TEST

START_TEST(keys_that_are_nowhere_are_asked_for_once)
{
    struct world *w = world_new();
    char here[4][16], there[16];
    keys_name(w, here, there);
    keys_to_disk(w, here);
    const char *text = "for i = 1, 3000 do local k = 'n' .. i pcall(redis.call, 'GET', k) end"
                       " return 'done'";
    struct answered *a = begin(w, command_eval, text, "1 k");
    h_cold(w->h);
    const char *reply = finish(w, a);
    ck_assert_msg(strcmp(reply, "$4 done") == 0 || strncmp(reply, "-TRYAGAIN", 9) == 0, "%s",
                  reply);
    world_free(w);
}
END_TEST

START_TEST(one_machine_serves_all_runs)
{
    struct world *w = world_new();
    for (int i = 1; i <= 1000; i++) {
        char expected[16];
        snprintf(expected, sizeof expected, ":%d", i);
        ck_assert_str_eq(EVAL(w, "return redis.call('INCR',KEYS[1])", "1 n"), expected);
    }
    world_free(w);
}
END_TEST

UNIT_MAIN("compute/eval", libraries_end_with_the_budget, replies_are_those_of_redis,
          commands_see_those_before_and_are_one_record, what_was_changed_before_an_error_stays,
          a_key_that_was_not_named_is_used_when_it_is_in_memory,
          keys_on_disk_that_were_not_named_are_fetched,
          a_key_on_disk_cannot_be_fetched_after_changes,
          a_transaction_waits_for_keys_of_its_scripts, keys_that_are_nowhere_are_asked_for_once,
          one_machine_serves_all_runs)
