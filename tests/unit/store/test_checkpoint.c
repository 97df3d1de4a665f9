/* test_checkpoint.c - folding the log: the same over LMDB and in memory;
 * full, damaged, newer and missing stores.
 * LINK: store data base */
#include "bench.h"

#include "base/hash.h"
#include "data/sessions.h"
#include "store/checkpoint_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(the_last_effect_of_each_key_is_stored)
{
    struct bench b;
    struct checkpoint_report rep;
    struct checkpoint_limits limits = {.changes_max = 2};
    bench_init(&b, _i);
    bench_put(&b, 1, "a", "1", true);
    bench_put(&b, 1, "b", "1", true);
    bench_put(&b, 1, "a", "2", false);
    bench_remove(&b, 1, "b");
    bench_put(&b, 2, "a", "other cache", true);
    bench_sync(&b);
    ck_assert_int_eq(bench_run(&b, &limits, &rep), GRID_OK);
    ck_assert_uint_eq(rep.applied_lsn, 5);
    ck_assert_uint_gt(rep.transactions, 1);
    for (int again = 0; again < 2; again++) {
        check_value(&b, 1, "a", "2");
        check_value(&b, 1, "b", NULL);
        check_value(&b, 2, "a", "other cache");
        struct heads_found f = heads(&b);
        ck_assert_uint_eq(f.len, 1);
        ck_assert_uint_eq(f.version, version_make(1, 5));
        ck_assert_uint_eq(f.counts[1], 1);
        ck_assert_uint_eq(f.counts[2], 1);
        ck_assert_uint_eq(checkpoint_head_version(b.cp, 1, 5), version_make(1, 5));
        ck_assert_uint_eq(checkpoint_applied(b.cp), 5);
        checkpoint_close(b.cp);
        bench_open(&b, false);
    }
    bench_release(&b);
}
END_TEST

START_TEST(scans_page_through_a_cache_or_a_partition)
{
    struct bench b;
    struct checkpoint_report rep;
    struct checkpoint_page page = {0};
    char key[16], after[16] = "";
    bench_init(&b, _i);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%03u", i);
        bench_put(&b, 1 + i % 3, key, "value", true);
    }
    bench_sync(&b);
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
    unsigned found = 0, pages = 0;
    do {
        ck_assert_int_eq(checkpoint_scan(b.cp, 1, 5, 1, 0, slice_str(after), 7, 1 << 20, &page),
                         GRID_OK);
        for (size_t i = 0; i < page.len; i++, found += 3) {
            snprintf(key, sizeof key, "k%03u", found);
            ck_assert(slice_eq(page.entries[i].key, slice_str(key)));
            strcpy(after, key);
        }
        pages++;
    } while (!page.done);
    ck_assert_uint_eq(found, 102);
    ck_assert_uint_ge(pages, 5);
    uint32_t cache = 0;
    found = 0;
    after[0] = '\0';
    do {
        ck_assert_int_eq(
            checkpoint_scan(b.cp, 1, 5, UINT32_MAX, cache, slice_str(after), 1000, 60, &page),
            GRID_OK);
        for (size_t i = 0; i < page.len; i++, found++) {
            ck_assert_uint_ge(page.entries[i].cache, cache);
            cache = page.entries[i].cache;
            snprintf(after, sizeof after, "%.*s", (int)page.entries[i].key.len,
                     (const char *)page.entries[i].key.data);
        }
    } while (!page.done);
    ck_assert_uint_eq(found, 100);
    ck_assert_int_eq(checkpoint_scan(b.cp, 1, 6, 1, 0, slice_str(""), 7, 99, &page), GRID_OK);
    ck_assert(page.done && page.len == 0);
    checkpoint_page_release(&page);
    bench_release(&b);
}
END_TEST

struct sessions_found {
    unsigned len;
    bool damaged;
    struct sessions *sessions;
};

static void head_ignore(void *ctx, const struct checkpoint_head *h)
{
    (void)ctx;
    (void)h;
}

static void session_found(void *ctx, uint32_t context, uint16_t partition, struct session_id id,
                          struct slice stored, bool damaged)
{
    struct sessions_found *f = ctx;
    ck_assert_uint_eq(context, 1);
    ck_assert_uint_eq(partition, 5);
    f->len++;
    f->damaged |= damaged;
    if (!damaged)
        ck_assert_int_eq(sessions_restore(f->sessions, id, stored), GRID_OK);
}

START_TEST(session_results_are_kept_until_the_session_ends)
{
    struct bench b;
    struct checkpoint_report rep;
    struct effect e = {
        .kind = EFFECT_PUT, .cache = 1, .key = slice_str("k"), .value = slice_str("v")};
    struct record_session s = {.id = {{1, 2, 3}}, .number = 1, .lowest = 1, .result = 42};
    bench_init(&b, _i);
    for (s.number = 1; s.number <= 3; s.number++)
        bench_add(&b, &e, &s);
    bench_sync(&b);
    struct checkpoint_limits limits = {.changes_max = 1};
    ck_assert_int_eq(bench_run(&b, &limits, &rep), GRID_OK);
    struct sessions_found f = {.sessions = sessions_new(1)};
    ck_assert_int_eq(checkpoint_sessions(b.cp, session_found, &f), GRID_OK);
    ck_assert_uint_eq(f.len, 1);
    struct session_answer answer;
    for (s.number = 1; s.number <= 3; s.number++) {
        ck_assert_int_eq(sessions_find(f.sessions, &s, &answer), SESSION_REPEATED);
        ck_assert_int_eq(answer.result, 42);
        ck_assert_uint_eq(answer.version, version_make(1, s.number));
    }
    struct effect end = {.kind = EFFECT_SESSION_END, .key = slice_make(s.id.bytes, 16)};
    bench_add(&b, &end, NULL);
    bench_sync(&b);
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
    f.len = 0;
    ck_assert_int_eq(checkpoint_sessions(b.cp, session_found, &f), GRID_OK);
    ck_assert_uint_eq(f.len, 0);
    sessions_free(f.sessions);
    bench_release(&b);
}
END_TEST

START_TEST(sessions_that_begin_alike_and_take_turns_keep_their_own_results)
{
    struct bench b;
    struct checkpoint_report rep;
    struct session_answer answer;
    struct effect e = {
        .kind = EFFECT_PUT, .cache = 1, .key = slice_str("k"), .value = slice_str("v")};
    struct record_session all[] = {
        {.id = {{1, 2, 3, 4, 5, 6, 7, 8, 9}}, .lowest = 1, .result = 42},
        {.id = {{1, 2, 3, 4, 5, 6, 7, 8, 1}}, .lowest = 1, .result = 43}};
    bench_init(&b, _i);
    for (uint64_t number = 1; number <= 3; number++)
        for (size_t i = 0; i < 2; i++) {
            all[i].number = number;
            bench_add(&b, &e, &all[i]);
        }
    struct effect end = {.kind = EFFECT_SESSION_END, .key = slice_make(all[1].id.bytes, 16)};
    bench_add(&b, &end, NULL);
    all[0].number = 4;
    bench_add(&b, &e, &all[0]);
    all[1].number = 5;
    bench_add(&b, &e, &all[1]);
    bench_sync(&b);
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
    struct sessions_found f = {.sessions = sessions_new(1)};
    ck_assert_int_eq(checkpoint_sessions(b.cp, session_found, &f), GRID_OK);
    ck_assert_uint_eq(f.len, 2);
    for (uint64_t number = 1; number <= 5; number++)
        for (size_t i = 0; i < 2; i++) {
            all[i].number = number;
            bool stored = i ? number == 5 : number < 5;
            ck_assert_int_eq(sessions_find(f.sessions, &all[i], &answer),
                             stored ? SESSION_REPEATED : SESSION_NEW);
            ck_assert(!stored || answer.result == all[i].result);
        }
    sessions_free(f.sessions);
    bench_release(&b);
}
END_TEST

static bool only_cache_one(void *ctx, uint32_t context, uint32_t cache)
{
    (void)ctx;
    return context == 1 && (cache == 1 || cache == UINT32_MAX);
}

static bool nothing(void *ctx, uint32_t context, uint32_t cache)
{
    (void)ctx, (void)context, (void)cache;
    return false;
}

START_TEST(dropped_caches_and_contexts_are_skipped_and_purged)
{
    struct bench b;
    struct checkpoint_report rep;
    struct checkpoint_limits limits = {.alive = only_cache_one, .changes_max = 10};
    char key[16];
    bool more;
    bench_init(&b, _i);
    for (unsigned i = 0; i < 60; i++) {
        snprintf(key, sizeof key, "k%u", i);
        bench_put(&b, 1 + i % 2, key, "v", true);
    }
    bench_sync(&b);
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
    bench_put(&b, 2, "late", "v", true);
    bench_sync(&b);
    ck_assert_int_eq(bench_run(&b, &limits, &rep), GRID_OK);
    check_value(&b, 2, "late", NULL);
    unsigned rounds = 0;
    do {
        ck_assert_int_eq(checkpoint_purge(b.cp, &limits, &more), GRID_OK);
        rounds++;
    } while (more);
    ck_assert_uint_ge(rounds, 3);
    struct heads_found f = heads(&b);
    ck_assert_uint_eq(f.counts[1], 30);
    ck_assert_uint_eq(f.counts[2], 0);
    check_value(&b, 1, "k0", "v");
    check_value(&b, 2, "k1", NULL);
    limits.alive = nothing;
    do {
        ck_assert_int_eq(checkpoint_purge(b.cp, &limits, &more), GRID_OK);
    } while (more);
    ck_assert_uint_eq(heads(&b).len, 0);
    check_value(&b, 1, "k0", NULL);
    bench_release(&b);
}
END_TEST

START_TEST(a_full_store_loses_nothing_and_goes_on_later)
{
    struct bench b;
    struct checkpoint_report rep;
    bench_init(&b, false);
    bench_put(&b, 1, "a", "1", true);
    bench_sync(&b);
    store_mem_set_capacity(b.mem, 1);
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_ENO_SPACE);
    ck_assert_uint_eq(checkpoint_applied(b.cp), 0);
    ck_assert_uint_gt(strlen(rep.text), 0);
    check_value(&b, 1, "a", NULL);
    store_mem_set_capacity(b.mem, 0);
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
    check_value(&b, 1, "a", "1");
    bench_put(&b, 1, "a", "2", false);
    bench_sync(&b);
    store_mem_fail_commit(b.mem, GRID_EIO, 0, 1);
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_EIO);
    ck_assert_uint_eq(checkpoint_applied(b.cp), 1);
    bench_release(&b);
}
END_TEST

START_TEST(a_file_size_limit_stops_lmdb_politely)
{
    struct bench b;
    struct checkpoint_report rep;
    static char big[200001];
    char key[16];
    bench_init(&b, true);
    bench_put(&b, 1, "first", "1", true);
    bench_sync(&b);
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
    memset(big, 'x', sizeof big - 1);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, limit;
    getrlimit(RLIMIT_FSIZE, &old);
    limit = (struct rlimit){256 << 10, old.rlim_max};
    for (unsigned i = 0; i < 8; i++) {
        snprintf(key, sizeof key, "k%u", i);
        static char part[5001];
        memset(part, 'a' + (int)i, sizeof part - 1);
        for (unsigned j = 0; j < 6; j++) {
            snprintf(key, sizeof key, "k%u-%u", i, j);
            bench_put(&b, 1, key, part, true);
        }
        bench_sync(&b);
    }
    setrlimit(RLIMIT_FSIZE, &limit);
    enum grid_err err = bench_run(&b, NULL, &rep);
    setrlimit(RLIMIT_FSIZE, &old);
    ck_assert_int_eq(err, GRID_ENO_SPACE);
    ck_assert_uint_eq(checkpoint_applied(b.cp), 1);
    check_value(&b, 1, "first", "1");
    check_value(&b, 1, "k0-0", NULL);
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
    ck_assert_uint_eq(rep.applied_lsn, 49);
    bench_release(&b);
}
END_TEST

/* Flip one bit of the file where `text` stands. */
static void flip_text(const char *path, const char *text)
{
    static char data[1 << 20];
    int fd = open(path, O_RDWR);
    ssize_t n = pread(fd, data, sizeof data, 0);
    unsigned flipped = 0;
    ck_assert_int_gt(n, 0);
    for (ssize_t i = 0; i + (ssize_t)strlen(text) <= n; i++) {
        if (memcmp(data + i, text, strlen(text)) == 0) {
            data[i] ^= 4;
            ck_assert_int_eq(pwrite(fd, data + i, 1, i), 1);
            flipped++;
        }
    }
    close(fd);
    ck_assert_uint_gt(flipped, 0);
}

START_TEST(a_flipped_byte_in_a_value_is_found)
{
    struct bench b;
    struct checkpoint_report rep;
    struct checkpoint_page page = {0};
    struct checkpoint_entry e;
    struct buf out = BUF_INIT;
    char path[128];
    bench_init(&b, true);
    bench_put(&b, 1, "good", "fine", true);
    bench_put(&b, 1, "hurt", "a value to be damaged", true);
    bench_sync(&b);
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
    checkpoint_close(b.cp);
    snprintf(path, sizeof path, "%s/data.mdb", b.dir);
    flip_text(path, "a value to be damaged");
    bench_open(&b, false);
    check_value(&b, 1, "good", "fine");
    ck_assert_int_eq(checkpoint_get(b.cp, 1, 5, 1, slice_str("hurt"), &out, &e), GRID_ECORRUPT);
    ck_assert_int_eq(checkpoint_scan(b.cp, 1, 5, 1, 0, slice_str(""), 10, 1000, &page),
                     GRID_ECORRUPT);
    checkpoint_page_release(&page);
    buf_release(&out);
    bench_release(&b);
}
END_TEST

/* Open and read everything; the way a start does. 0: fine, 1: a clear error or damage told, 2:
 * the guard spoke. */
static int read_all(const char *dir)
{
    char why[STORE_WHY_BYTES] = "";
    struct checkpoint *cp;
    struct checkpoint_page page = {0};
    struct heads_found f = {0};
    if (checkpoint_open(dir, false, why, &cp))
        return *why ? 1 : 99;
    int bad = checkpoint_heads(cp, head_found, &f) || f.damaged || f.len != 1 || f.counts[1] != 40;
    bad |= checkpoint_scan(cp, 1, 5, 1, 0, slice_str(""), 1000, 1 << 20, &page) != GRID_OK;
    bad |= page.len != 40;
    for (size_t i = 0; i < page.len; i++)
        bad |= page.entries[i].value.len != 100 || page.entries[i].value.data[7] != 'v';
    checkpoint_page_release(&page);
    checkpoint_close(cp);
    return bad;
}

START_TEST(a_flip_anywhere_in_the_file_is_never_a_wrong_answer)
{
    struct bench b;
    struct checkpoint_report rep;
    char key[16], value[101], path[128];
    unsigned outcome[3] = {0};
    bench_init(&b, true);
    memset(value, 'v', 100);
    value[100] = '\0';
    for (unsigned i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "k%02u", i);
        bench_put(&b, 1, key, value, true);
    }
    bench_sync(&b);
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
    checkpoint_close(b.cp);
    snprintf(path, sizeof path, "%s/data.mdb", b.dir);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    int fd = open(path, O_RDWR);
    for (off_t at = 0; at < st.st_size; at += at % 4096 < 64 ? 1 : 13) {
        uint8_t byte, flipped;
        ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
        flipped = byte ^ (uint8_t)(1 << at % 8);
        ck_assert_int_eq(pwrite(fd, &flipped, 1, at), 1);
        pid_t pid = fork();
        if (pid == 0) {
            kv_lmdb_guard();
            if (!freopen("/dev/null", "w", stderr))
                _exit(98);
            alarm(20);
            _exit(read_all(b.dir));
        }
        int status;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) <= 2, "byte %ld: status %x",
                      (long)at, (unsigned)status);
        outcome[WEXITSTATUS(status)]++;
        ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
    ck_assert_uint_gt(outcome[0], 0);
    ck_assert_uint_gt(outcome[1], 0);
    bench_open(&b, false);
    bench_release(&b);
}
END_TEST

START_TEST(missing_empty_short_and_newer_files_are_refused_with_a_reason)
{
    struct bench b;
    char path[128], moved[128], why[STORE_WHY_BYTES];
    struct checkpoint *cp = NULL;
    bench_init(&b, true);
    static const char *const reasons[] = {"missing", "empty", "cut off", "newer version"};
    static const enum grid_err errors[] = {GRID_ECORRUPT, GRID_ECORRUPT, GRID_ECORRUPT,
                                           GRID_ENEWER};
    snprintf(path, sizeof path, "%s/data.mdb", b.dir);
    snprintf(moved, sizeof moved, "%s/moved", b.dir);
    static char big[3000];
    memset(big, 'x', sizeof big - 1);
    for (unsigned i = 0; i < 600; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        bench_put(&b, 1, key, big, true);
        if (i % 5 == 4)
            bench_sync(&b);
    }
    struct checkpoint_report rep;
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
    checkpoint_close(b.cp);
    for (unsigned i = 0; i < 4; i++) {
        if (i == 0)
            ck_assert_int_eq(rename(path, moved), 0);
        if (i == 1)
            ck_assert_int_eq(creat(path, 0600) < 0, 0);
        if (i == 2) {
            ck_assert_int_eq(rename(moved, path), 0);
            ck_assert_int_eq(truncate(path, 4096 * 8), 0);
        }
        if (i == 3) { /* a store of the next format */
            unlink(path);
            struct kv_lmdb_conf conf = {.path = b.dir, .create = true};
            struct kv *kv;
            struct kv_txn *t;
            ck_assert_int_eq(kv_lmdb_open(&conf, why, &kv), GRID_OK);
            ck_assert_int_eq(kv->ops->begin(kv, true, &t), GRID_OK);
            ck_assert_int_eq(number_put(t, kv, "format", CHECKPOINT_FORMAT + 1), GRID_OK);
            ck_assert_int_eq(kv->ops->commit(t), GRID_OK);
            kv->ops->close(kv);
        }
        ck_assert_int_eq(checkpoint_open(b.dir, false, why, &cp), errors[i]);
        ck_assert_msg(strstr(why, reasons[i]) != NULL, "%s", why);
    }
    unlink(path);
    bench_open(&b, true);
    bench_release(&b);
}
END_TEST

START_TEST(a_file_that_may_not_be_read_is_named)
{
    struct bench b;
    char path[128];
    bench_init(&b, true);
    checkpoint_close(b.cp);
    snprintf(path, sizeof path, "%s/data.mdb", b.dir);
    ck_assert_int_eq(chmod(b.dir, 0755), 0);
    ck_assert_int_eq(chmod(path, 0), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char why[STORE_WHY_BYTES] = "";
        struct checkpoint *cp;
        if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
            _exit(3);
        enum grid_err err = checkpoint_open(b.dir, false, why, &cp);
        _exit(err == GRID_EDENIED && strstr(why, path) && strstr(why, "ermission") ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(chmod(path, 0600), 0);
    bench_open(&b, false);
    bench_release(&b);
}
END_TEST

/* Write over a row so that its checksum is wrong. */
static void row_spoil(struct bench *b, enum kv_table table, struct slice key)
{
    const struct kv_ops *ops = b->cp->kv->ops;
    struct kv_txn *t;
    ck_assert_int_eq(ops->begin(b->cp->kv, true, &t), GRID_OK);
    ck_assert_int_eq(ops->put(t, table, key, slice_str("not what was written")), GRID_OK);
    ck_assert_int_eq(ops->commit(t), GRID_OK);
}

START_TEST(a_partition_given_up_keeps_what_is_readable_and_stays_so)
{
    struct bench b;
    struct checkpoint_report rep;
    struct wal_place place = {1, 5};
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct effect e = {
        .kind = EFFECT_PUT, .created = true, .cache = 1, .key = slice_str("s"), .value = {0}};
    struct record_session one = {.id = {{1}}, .number = 1, .lowest = 1};
    struct record_session two = {.id = {{2}}, .number = 1, .lowest = 1};
    bench_init(&b, _i);
    bench_put(&b, 1, "good", "fine", true);
    bench_put(&b, 1, "hurt", "lost", true);
    bench_add(&b, &e, &one);
    e.created = false;
    bench_add(&b, &e, &two);
    bench_sync(&b);
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
    row_spoil(&b, KV_ENTRIES, entry_key(bytes, 1, 5, 1, slice_str("hurt")));
    row_spoil(&b, KV_SESSIONS, session_key(bytes, 1, 5, &one.id));
    ck_assert_int_eq(checkpoint_mark_damaged(b.cp, &place, 1, NULL), GRID_OK);
    bench_put(&b, 1, "later", "folded in all the same", true);
    bench_sync(&b);
    ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
    ck_assert_uint_eq(rep.damaged_len, 0);
    ck_assert_int_eq(checkpoint_give_up(b.cp, &place, NULL), GRID_OK);
    for (int again = 0; again < 2; again++) {
        struct heads_found f = heads(&b);
        ck_assert(!f.damaged);
        ck_assert_uint_eq(f.counts[1], 3);
        ck_assert_uint_eq(f.version, version_make(1, 5));
        check_value(&b, 1, "good", "fine");
        check_value(&b, 1, "hurt", NULL);
        check_value(&b, 1, "later", "folded in all the same");
        struct sessions_found found = {.sessions = sessions_new(1)};
        ck_assert_int_eq(checkpoint_partition(b.cp, &place, head_ignore, session_found, &found),
                         GRID_OK);
        ck_assert_uint_eq(found.len, 1);
        ck_assert(!found.damaged);
        sessions_free(found.sessions);
        checkpoint_close(b.cp);
        bench_open(&b, false);
    }
    bench_release(&b);
}
END_TEST

START_TEST(a_fold_that_meets_unreadable_rows_marks_and_tells_their_partition)
{
    struct bench b;
    struct checkpoint_report rep;
    struct wal_place place = {1, 5};
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct effect e = {
        .kind = EFFECT_PUT, .created = true, .cache = 1, .key = slice_str("s"), .value = {0}};
    struct record_session one = {.id = {{1}}, .number = 1, .lowest = 1};
    bench_init(&b, _i);
    for (int rows = 0; rows < 2; rows++) {
        bench_add(&b, &e, &one);
        bench_sync(&b);
        ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
        ck_assert_uint_eq(rep.damaged_len, 0);
        if (rows)
            row_spoil(&b, KV_HEADS, head_key(bytes, 1, 5));
        else
            row_spoil(&b, KV_SESSIONS, session_key(bytes, 1, 5, &one.id));
        one.number++;
        bench_add(&b, &e, &one);
        bench_sync(&b);
        ck_assert_int_eq(bench_run(&b, NULL, &rep), GRID_OK);
        ck_assert_uint_eq(rep.damaged_len, 1);
        ck_assert_uint_eq(rep.damaged[0].context, 1);
        ck_assert_uint_eq(rep.damaged[0].partition, 5);
        ck_assert(heads(&b).damaged);
        ck_assert_int_eq(checkpoint_give_up(b.cp, &place, NULL), GRID_OK);
        ck_assert_uint_eq(heads(&b).counts[1], 1);
    }
    bench_release(&b);
}
END_TEST

START_TEST(a_map_that_is_full_grows)
{
    struct bench b;
    struct kv_lmdb_conf conf = {.create = true, .map_bytes = 1 << 20};
    struct kv *kv;
    struct checkpoint_report rep;
    static char big[3001];
    char key[16];
    bench_init(&b, true);
    checkpoint_close(b.cp);
    conf.path = b.dir;
    ck_assert_int_eq(kv_lmdb_open(&conf, NULL, &kv), GRID_OK);
    ck_assert_int_eq(checkpoint_open_kv(&kv, true, b.dir, NULL, &b.cp), GRID_OK);
    memset(big, 'x', sizeof big - 1);
    for (unsigned i = 0; i < 700; i++) {
        snprintf(key, sizeof key, "k%u", i);
        bench_put(&b, 1, key, big, true);
        if (i % 5 == 4)
            bench_sync(&b);
    }
    struct checkpoint_limits limits = {.changes_max = 50};
    unsigned full = 0;
    enum grid_err err;
    while ((err = bench_run(&b, &limits, &rep)) == GRID_ENO_SPACE && full < 10)
        full++;
    ck_assert_int_eq(err, GRID_OK);
    ck_assert_uint_gt(full, 0);
    ck_assert_uint_eq(rep.applied_lsn, 700);
    check_value(&b, 1, "k699", big);
    bench_release(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store/checkpoint");
    TCase *tc = tcase_create("store/checkpoint");
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, the_last_effect_of_each_key_is_stored, 0, 2);
    tcase_add_loop_test(tc, scans_page_through_a_cache_or_a_partition, 0, 2);
    tcase_add_loop_test(tc, session_results_are_kept_until_the_session_ends, 0, 2);
    tcase_add_loop_test(tc, sessions_that_begin_alike_and_take_turns_keep_their_own_results, 0, 2);
    tcase_add_loop_test(tc, dropped_caches_and_contexts_are_skipped_and_purged, 0, 2);
    tcase_add_loop_test(tc, a_partition_given_up_keeps_what_is_readable_and_stays_so, 0, 2);
    tcase_add_loop_test(tc, a_fold_that_meets_unreadable_rows_marks_and_tells_their_partition, 0,
                        2);
    tcase_add_test(tc, a_full_store_loses_nothing_and_goes_on_later);
    tcase_add_test(tc, a_file_size_limit_stops_lmdb_politely);
    tcase_add_test(tc, a_flipped_byte_in_a_value_is_found);
    tcase_add_test(tc, a_flip_anywhere_in_the_file_is_never_a_wrong_answer);
    tcase_add_test(tc, missing_empty_short_and_newer_files_are_refused_with_a_reason);
    tcase_add_test(tc, a_file_that_may_not_be_read_is_named);
    tcase_add_test(tc, a_map_that_is_full_grows);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
