/* test_threads.c - the threads of a store at once, as a node has them: one appends and syncs, one
 * prepares, folds, reclaims and purges, one reads. Every record is accounted for.
 * LINK: store data base */
#include "tests/lib/unit.h"

#include "base/alloc.h"
#include "store/checkpoint.h"
#include "store/wal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    RECORDS = 30000,
    KEYS = 700,
    BATCH = 40,
    KEPT = 1, /* caches */
    DROPPED = 2,
    CONTEXT = 1,
    PARTITION = 3,
};

struct store {
    char dir[64], cp_dir[80], wal_dir[80];
    struct wal *wal;
    struct checkpoint *cp;
    pthread_mutex_t mutex; /* of `changed` */
    pthread_cond_t changed;
    uint64_t durable; /* under mutex: what the writer told */
    bool room;        /* under mutex: the checkpoint thread made some */
    atomic_bool written, folded, dropped;
    unsigned reads, wrong;
};

/* Record n writes key n % KEYS; every third one goes to the cache that is dropped half-way. */
static uint32_t cache_of(unsigned n)
{
    return n % 3 == 2 ? DROPPED : KEPT;
}

static struct slice key_of(unsigned n, char *out)
{
    return slice_make(out, (size_t)snprintf(out, 16, "key-%u", n % KEYS));
}

static struct slice value_of(unsigned n, char *out)
{
    return slice_make(out, (size_t)snprintf(out, 64, "value %u of key %u", n, n % KEYS));
}

static bool alive(void *ctx, uint32_t context, uint32_t cache)
{
    struct store *s = ctx;
    return context == CONTEXT && (cache != DROPPED || !atomic_load(&s->dropped));
}

/* --- the log ---------------------------------------------------------------------------------- */

static void room_wait(struct store *s, size_t bytes)
{
    pthread_mutex_lock(&s->mutex);
    while (!wal_has_room(s->wal, bytes)) {
        s->room = false;
        pthread_cond_broadcast(&s->changed);
        while (!s->room)
            pthread_cond_wait(&s->changed, &s->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
}

static void record_add(struct store *s, struct wal_batch *b, unsigned n)
{
    char key[16], value[64];
    struct effect e = {.kind = EFFECT_PUT,
                       .cache = cache_of(n),
                       .key = key_of(n, key),
                       .value = value_of(n, value)};
    struct record r = {.context = CONTEXT,
                       .partition = PARTITION,
                       .version = version_make(1, n + 1),
                       .effects = &e,
                       .effects_len = 1};
    room_wait(s, record_size_max(&r));
    CHECK(wal_batch_add(b, &r) == n + 1);
}

static void *log_thread(void *ctx)
{
    struct store *s = ctx;
    struct wal_batch b;
    wal_batch_init(&b, s->wal);
    for (unsigned n = 0; n < RECORDS;) {
        for (unsigned i = 0; i < BATCH && n < RECORDS; i++)
            record_add(s, &b, n++);
        uint64_t durable = 0;
        CHECK(!wal_write(s->wal, &b, NULL) && !wal_sync(s->wal, NULL, &durable));
        wal_batch_reset(&b);
        if (n > RECORDS / 2)
            atomic_store(&s->dropped, true);
        pthread_mutex_lock(&s->mutex);
        s->durable = durable;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->mutex);
    }
    wal_batch_release(&b);
    atomic_store(&s->written, true);
    pthread_mutex_lock(&s->mutex);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

/* --- the checkpoint --------------------------------------------------------------------------- */

static void fold(struct store *s)
{
    struct checkpoint_limits limits = {.ctx = s, .alive = alive, .changes_max = 300};
    struct checkpoint_report report;
    struct wal_reader *reader = wal_reader_new(s->wal, checkpoint_applied(s->cp));
    CHECK(!checkpoint_run(s->cp, reader, wal_durable(s->wal), &limits, &report));
    wal_reader_free(reader);
    CHECK(!wal_reclaim(s->wal, checkpoint_applied(s->cp), 0, NULL));
    for (bool more = atomic_load(&s->dropped); more;)
        CHECK(!checkpoint_purge(s->cp, &limits, &more));
}

static void *checkpoint_thread(void *ctx)
{
    struct store *s = ctx;
    for (bool last = false; !last;) {
        last = atomic_load(&s->written);
        CHECK(!wal_prepare(s->wal, NULL));
        fold(s);
        pthread_mutex_lock(&s->mutex);
        s->room = true;
        pthread_cond_broadcast(&s->changed);
        while (!last && s->room && s->durable == checkpoint_applied(s->cp) &&
               !atomic_load(&s->written))
            pthread_cond_wait(&s->changed, &s->mutex);
        pthread_mutex_unlock(&s->mutex);
    }
    atomic_store(&s->folded, true);
    return NULL;
}

/* --- a reader --------------------------------------------------------------------------------- */

/* Whatever is read was written: a value of its key, never older than one seen before. */
static void *reader_thread(void *ctx)
{
    struct store *s = ctx;
    struct buf out = BUF_INIT;
    static unsigned seen[KEYS];
    for (unsigned i = 0; !atomic_load(&s->folded); i++) {
        char key[16], want[64];
        struct checkpoint_entry e;
        enum grid_err err =
            checkpoint_get(s->cp, CONTEXT, PARTITION, KEPT, key_of(i, key), &out, &e);
        struct wal_stats stats;
        wal_stats(s->wal, &stats);
        if (err == GRID_ENOT_FOUND)
            continue;
        unsigned n = err ? 0 : (unsigned)(e.version & SEQ_MASK) - 1;
        s->reads++;
        s->wrong += err || n < seen[i % KEYS] || !slice_eq(e.value, value_of(n, want));
        seen[i % KEYS] = n;
    }
    buf_release(&out);
    return NULL;
}

/* --- the test --------------------------------------------------------------------------------- */

static void record_found(void *ctx, const struct record *r, uint64_t lsn)
{
    (void)r;
    *(uint64_t *)ctx = lsn;
}

static void store_open(struct store *s, bool create, uint64_t *ret_last)
{
    char why[STORE_WHY_BYTES] = "";
    struct wal_conf conf = {.disk = disk_posix(),
                            .dir = s->wal_dir,
                            .segment_bytes = 16 * 4096,
                            .random = create ? 7 : 8,
                            .create = create};
    struct wal_visit visit = {.ctx = ret_last, .record = record_found};
    struct wal_report report = {0};
    ck_assert_msg(!checkpoint_open(s->cp_dir, create, why, &s->cp), "%s", why);
    ck_assert_msg(!wal_open(&conf, why, &s->wal), "%s", why);
    *ret_last = checkpoint_applied(s->cp);
    ck_assert_int_eq(wal_recover(s->wal, *ret_last, &visit, NULL, &report), GRID_OK);
    ck_assert_uint_eq(report.last_lsn, *ret_last);
    ck_assert_uint_eq(report.lost_records, 0);
    wal_report_release(&report);
    ck_assert_int_eq(wal_prepare(s->wal, NULL), GRID_OK);
}

static void entries_check(struct store *s)
{
    struct buf out = BUF_INIT;
    struct checkpoint_entry e;
    char key[16], want[64];
    for (unsigned k = 0; k < KEYS; k++) {
        unsigned last = RECORDS - 1;
        while (last % KEYS != k || cache_of(last) != KEPT)
            last--;
        ck_assert_int_eq(checkpoint_get(s->cp, CONTEXT, PARTITION, KEPT, key_of(k, key), &out, &e),
                         GRID_OK);
        ck_assert_uint_eq(e.version, version_make(1, last + 1));
        ck_assert(slice_eq(e.value, value_of(last, want)));
        ck_assert_int_eq(
            checkpoint_get(s->cp, CONTEXT, PARTITION, DROPPED, key_of(k, key), &out, &e),
            GRID_ENOT_FOUND);
    }
    buf_release(&out);
}

static void name_unlink(void *ctx, const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", (const char *)ctx, name);
    unlink(path);
}

static void dir_remove(char *dir)
{
    disk_posix()->ops->list(disk_posix(), dir, name_unlink, dir);
    rmdir(dir);
}

START_TEST(what_is_logged_folded_reclaimed_purged_and_read_at_once_is_all_there)
{
    struct store *s = xcalloc(1, sizeof *s);
    uint64_t last;
    pthread_t log, checkpoint, reader;
    strcpy(s->dir, "/tmp/store-threads-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(s->dir));
    snprintf(s->cp_dir, sizeof s->cp_dir, "%s/cp", s->dir);
    snprintf(s->wal_dir, sizeof s->wal_dir, "%s/wal", s->dir);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->changed, NULL);
    store_open(s, true, &last);
    ck_assert_int_eq(pthread_create(&checkpoint, NULL, checkpoint_thread, s), 0);
    ck_assert_int_eq(pthread_create(&reader, NULL, reader_thread, s), 0);
    ck_assert_int_eq(pthread_create(&log, NULL, log_thread, s), 0);
    pthread_join(log, NULL);
    pthread_join(checkpoint, NULL);
    pthread_join(reader, NULL);
    wal_check(s->wal);
    ck_assert_uint_eq(checkpoint_applied(s->cp), RECORDS);
    ck_assert_uint_eq(s->wrong, 0);
    for (int again = 0; again < 2; again++) {
        entries_check(s);
        wal_close(s->wal);
        checkpoint_close(s->cp);
        store_open(s, false, &last);
        ck_assert_uint_eq(last, RECORDS);
    }
    wal_close(s->wal);
    checkpoint_close(s->cp);
    dir_remove(s->wal_dir);
    dir_remove(s->cp_dir);
    rmdir(s->dir);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}
END_TEST

UNIT_MAIN("store/threads", what_is_logged_folded_reclaimed_purged_and_read_at_once_is_all_there)
