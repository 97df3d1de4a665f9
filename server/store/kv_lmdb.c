/* kv_lmdb.c - kv.h over LMDB: one environment, five named databases. The only user of <lmdb.h>.
 *
 * SYNC on, WRITEMAP off: a commit is durable or did not happen. NOTLS: a read transaction
 * belongs to whoever holds it. The map is address space only and set once, large; when the
 * system gives less it is doubled later, at the beginning of a write, while no reader is inside
 * (`mapping`). LMDB has no checksums and trusts its pages. What can be checked cheaply is
 * checked at open; what it asserts, or a fault it causes while a transaction is open, ends the
 * process with a clear line (kv_lmdb_guard). */
#include "store/kv.h"

#include "base/alloc.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_BYTES_MAX (UINT64_C(1) << 40)
#define MAP_BYTES_SOME (UINT64_C(1) << 32) /* where there is less: others want of it, too */
#define MAP_BYTES_MIN (UINT64_C(1) << 28)
enum { READERS_DEFAULT = 126, PAGES_SLACK = 128, EXIT_DAMAGED = 2, PROBE_BYTES = 1 << 16 };

static const char *const table_names[KV_TABLES] = {"meta", "heads", "sessions", "entries", "parts"};

struct kv_lmdb {
    struct kv kv;
    MDB_env *env;
    MDB_dbi tables[KV_TABLES];
    char *path;
    pthread_rwlock_t mapping; /* readers share it; growing the map excludes them */
    uint64_t map_bytes;
    bool map_full;
    _Atomic uint64_t used; /* bytes, when they were last looked at */
};

struct kv_txn {
    struct kv_lmdb *kv;
    MDB_txn *txn;
    bool write;
    MDB_cursor *writers[KV_TABLES]; /* of put: a key near the last one is found without a search */
};

struct kv_cursor {
    MDB_cursor *cursor;
};

/* --- faults ----------------------------------------------------------------------------------- */

/* Where this thread has a transaction open, for the fault handler. */
static _Thread_local const char *inside;
static _Thread_local unsigned inside_depth;
static atomic_bool guarded;

static void fault_say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return;
}

static void fault_handler(int number)
{
    if (!inside) {
        signal(number, SIG_DFL); /* not ours: happens again at once, and ends as it would have */
        return;
    }
    fault_say("level=error room=store msg=\"");
    fault_say(inside);
    fault_say("/data.mdb is damaged: reading it failed inside LMDB; restore it from a backup\"\n");
    _exit(EXIT_DAMAGED);
}

void kv_lmdb_guard(void)
{
    atomic_store(&guarded, true);
    struct sigaction action = {.sa_handler = fault_handler};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
}

static void enter(const struct kv_lmdb *l)
{
    inside = l->path;
    inside_depth++;
}

static void leave(void)
{
    if (--inside_depth == 0)
        inside = NULL;
}

static void assert_failed(MDB_env *env, const char *what)
{
    const char *path = mdb_env_get_userctx(env);
    log_error("store", "%s/data.mdb is damaged: LMDB says %s; restore it from a backup", path,
              what);
    if (atomic_load(&guarded))
        _exit(EXIT_DAMAGED); /* else LMDB aborts */
}

static enum grid_err lmdb_err(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return GRID_OK;
    case MDB_NOTFOUND:
        return GRID_ENOT_FOUND;
    case MDB_MAP_FULL:
        return GRID_ENO_SPACE;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_CURSOR_FULL:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_DBI:
        return GRID_ECORRUPT;
    case MDB_VERSION_MISMATCH:
        return GRID_ENEWER;
    case MDB_READERS_FULL:
        return GRID_EBUSY;
    default:
        break;
    }
    enum grid_err err = rc > 0 ? disk_err(rc) : GRID_EIO;
    return err == GRID_ENOT_FOUND ? GRID_EIO : err;
}

/* --- transactions ----------------------------------------------------------------------------- */

static struct kv_lmdb *lmdb_of(struct kv *kv)
{
    return (struct kv_lmdb *)(void *)kv;
}

/* No write transaction is open. */
static void map_grow(struct kv_lmdb *l)
{
    pthread_rwlock_wrlock(&l->mapping);
    if (l->map_bytes < MAP_BYTES_MAX && mdb_env_set_mapsize(l->env, l->map_bytes * 2) == 0)
        l->map_bytes *= 2;
    l->map_full = false;
    pthread_rwlock_unlock(&l->mapping);
}

static enum grid_err lmdb_begin(struct kv *kv, bool write, struct kv_txn **ret_txn)
{
    struct kv_lmdb *l = lmdb_of(kv);
    if (write && l->map_full)
        map_grow(l);
    if (!write)
        pthread_rwlock_rdlock(&l->mapping);
    struct kv_txn *t = xcalloc(1, sizeof *t);
    *t = (struct kv_txn){.kv = l, .write = write};
    enter(l);
    int rc = mdb_txn_begin(l->env, NULL, write ? 0 : MDB_RDONLY, &t->txn);
    if (!rc) {
        *ret_txn = t;
        return GRID_OK;
    }
    leave();
    if (!write)
        pthread_rwlock_unlock(&l->mapping);
    free(t);
    return lmdb_err(rc);
}

static void txn_end(struct kv_txn *t)
{
    leave();
    if (!t->write)
        pthread_rwlock_unlock(&t->kv->mapping);
    free(t);
}

static void writers_close(struct kv_txn *t)
{
    for (size_t i = 0; i < KV_TABLES; i++)
        if (t->writers[i])
            mdb_cursor_close(t->writers[i]);
}

static void lmdb_abort(struct kv_txn *t)
{
    if (!t)
        return;
    writers_close(t);
    mdb_txn_abort(t->txn);
    txn_end(t);
}

/* Whether the file cannot grow. LMDB says EIO for a write cut short by a full disk, as for a
 * broken one. */
static bool disk_full(const struct kv_lmdb *l)
{
    struct stat st;
    int fd;
    if (mdb_env_get_fd(l->env, &fd) || fstat(fd, &st))
        return false;
    return fallocate(fd, 0, st.st_size, PROBE_BYTES) && disk_err(errno) == GRID_ENO_SPACE;
}

static enum grid_err txn_err(struct kv_txn *t, int rc)
{
    if (rc == MDB_MAP_FULL)
        t->kv->map_full = true;
    if (rc == EIO && t->write && disk_full(t->kv))
        return GRID_ENO_SPACE; /* the last commit stands, nothing refers to what was cut short */
    return lmdb_err(rc);
}

static enum grid_err lmdb_commit(struct kv_txn *t)
{
    writers_close(t);
    enum grid_err err = txn_err(t, mdb_txn_commit(t->txn));
    txn_end(t);
    return err;
}

static MDB_val val_of(struct slice s)
{
    return (MDB_val){s.len, (void *)(uintptr_t)s.data};
}

static struct slice slice_of(const MDB_val *v)
{
    return slice_make(v->mv_data, v->mv_size);
}

static enum grid_err lmdb_get(struct kv_txn *t, enum kv_table table, struct slice key,
                              struct slice *ret_value)
{
    MDB_val k = val_of(key), v;
    enum grid_err err = txn_err(t, mdb_get(t->txn, t->kv->tables[table], &k, &v));
    if (!err)
        *ret_value = slice_of(&v);
    return err;
}

static enum grid_err lmdb_put(struct kv_txn *t, enum kv_table table, struct slice key,
                              struct slice value)
{
    MDB_val k = val_of(key), v = val_of(value);
    MDB_cursor **writer = &t->writers[table];
    int rc = *writer ? 0 : mdb_cursor_open(t->txn, t->kv->tables[table], writer);
    return txn_err(t, rc ? rc : mdb_cursor_put(*writer, &k, &v, 0));
}

static enum grid_err lmdb_del(struct kv_txn *t, enum kv_table table, struct slice key)
{
    MDB_val k = val_of(key);
    return txn_err(t, mdb_del(t->txn, t->kv->tables[table], &k, NULL));
}

static enum grid_err lmdb_cursor(struct kv_txn *t, enum kv_table table,
                                 struct kv_cursor **ret_cursor)
{
    MDB_cursor *cursor;
    enum grid_err err = txn_err(t, mdb_cursor_open(t->txn, t->kv->tables[table], &cursor));
    if (err)
        return err;
    struct kv_cursor *c = xcalloc(1, sizeof *c);
    c->cursor = cursor;
    *ret_cursor = c;
    return GRID_OK;
}

static enum grid_err cursor_move(struct kv_cursor *c, struct slice key, MDB_cursor_op op,
                                 struct slice *ret_key, struct slice *ret_value)
{
    MDB_val k = val_of(key), v;
    enum grid_err err = lmdb_err(mdb_cursor_get(c->cursor, &k, &v, op));
    if (err)
        return err;
    *ret_key = slice_of(&k);
    *ret_value = slice_of(&v);
    return GRID_OK;
}

static enum grid_err lmdb_seek(struct kv_cursor *c, struct slice key, struct slice *ret_key,
                               struct slice *ret_value)
{
    return cursor_move(c, key, key.len ? MDB_SET_RANGE : MDB_FIRST, ret_key, ret_value);
}

static enum grid_err lmdb_next(struct kv_cursor *c, struct slice *ret_key, struct slice *ret_value)
{
    /* after mdb_cursor_del() MDB_NEXT gives what moved into the place */
    return cursor_move(c, slice_make(NULL, 0), MDB_NEXT, ret_key, ret_value);
}

static enum grid_err lmdb_cursor_del(struct kv_cursor *c)
{
    return lmdb_err(mdb_cursor_del(c->cursor, 0));
}

static void lmdb_cursor_close(struct kv_cursor *c)
{
    if (!c)
        return;
    mdb_cursor_close(c->cursor);
    free(c);
}

static void lmdb_size(struct kv *kv, uint64_t *ret_used, uint64_t *ret_file)
{
    struct kv_lmdb *l = lmdb_of(kv);
    MDB_envinfo info;
    MDB_stat st;
    struct stat file = {0};
    int fd;
    /* While the map is about to move: what was so last time. */
    if (pthread_rwlock_tryrdlock(&l->mapping) == 0) {
        if (mdb_env_info(l->env, &info) == 0 && mdb_env_stat(l->env, &st) == 0)
            atomic_store(&l->used, (info.me_last_pgno + 1) * (uint64_t)st.ms_psize);
        pthread_rwlock_unlock(&l->mapping);
    }
    *ret_used = atomic_load(&l->used);
    *ret_file = 0;
    if (mdb_env_get_fd(l->env, &fd) == 0 && fstat(fd, &file) == 0)
        *ret_file = (uint64_t)file.st_size;
}

static void lmdb_close(struct kv *kv)
{
    struct kv_lmdb *l = lmdb_of(kv);
    if (l->env)
        mdb_env_close(l->env);
    pthread_rwlock_destroy(&l->mapping);
    free(l->path);
    free(l);
}

static const struct kv_ops lmdb_ops = {
    .begin = lmdb_begin,
    .commit = lmdb_commit,
    .abort = lmdb_abort,
    .get = lmdb_get,
    .put = lmdb_put,
    .del = lmdb_del,
    .cursor = lmdb_cursor,
    .seek = lmdb_seek,
    .next = lmdb_next,
    .cursor_del = lmdb_cursor_del,
    .cursor_close = lmdb_cursor_close,
    .size = lmdb_size,
    .close = lmdb_close,
};

/* --- opening ---------------------------------------------------------------------------------- */

static enum grid_err say(char *why, enum grid_err err, const char *path, const char *what)
{
    const char *advice = err == GRID_EDENIED ? "; give the user of this process the right to use it"
                         : err == GRID_ENO_SPACE ? "; free some space"
                         : err == GRID_ENEWER    ? "; run the version that wrote it"
                         : err == GRID_ECORRUPT  ? "; restore it from a backup"
                                                 : "";
    if (why)
        snprintf(why, STORE_WHY_BYTES, "%s/data.mdb: %s%s", path, what, advice);
    return err;
}

/* Whether there is a file to open, or one may be made. */
static enum grid_err file_check(const struct kv_lmdb_conf *conf, char *why)
{
    char file[4096];
    struct stat st;
    if ((size_t)snprintf(file, sizeof file, "%s/data.mdb", conf->path) >= sizeof file)
        return say(why, GRID_EIO, "...", "the path is too long");
    if (conf->create && mkdir(conf->path, 0700) && errno != EEXIST)
        return say(why, disk_err(errno), conf->path, strerror(errno));
    if (stat(file, &st) == 0) {
        if (!S_ISREG(st.st_mode))
            return say(why, GRID_ECORRUPT, conf->path, "not a file");
        if (st.st_size == 0 && !conf->create)
            return say(why, GRID_ECORRUPT, conf->path, "the file is empty");
        return GRID_OK;
    }
    if (errno != ENOENT)
        return say(why, disk_err(errno), conf->path, strerror(errno));
    return conf->create ? GRID_OK : say(why, GRID_ECORRUPT, conf->path, "the file is missing");
}

/* LMDB maps the file and would fault behind its end. It may leave a few of the last pages
 * unwritten. */
static enum grid_err length_check(struct kv_lmdb *l, char *why)
{
    uint64_t used, file;
    MDB_stat st;
    lmdb_size(&l->kv, &used, &file);
    if (mdb_env_stat(l->env, &st) || used > file + (uint64_t)PAGES_SLACK * st.ms_psize)
        return say(why, GRID_ECORRUPT, l->path, "the file is cut off");
    return GRID_OK;
}

static int env_open(struct kv_lmdb *l, const struct kv_lmdb_conf *conf, uint64_t map_bytes)
{
    int rc = mdb_env_create(&l->env);
    if (rc)
        return rc;
    rc = mdb_env_set_userctx(l->env, l->path);
    if (!rc)
        rc = mdb_env_set_assert(l->env, assert_failed);
    if (!rc)
        rc = mdb_env_set_maxdbs(l->env, KV_TABLES);
    if (!rc)
        rc = mdb_env_set_maxreaders(l->env, conf->readers ? conf->readers : READERS_DEFAULT);
    if (!rc)
        rc = mdb_env_set_mapsize(l->env, (size_t)map_bytes);
    if (!rc)
        rc = mdb_env_open(l->env, l->path, MDB_NOTLS, 0600);
    int fd = -1; /* of the data: LMDB leaves it to programs that are executed */
    if (!rc && mdb_env_get_fd(l->env, &fd) == 0)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (rc) {
        mdb_env_close(l->env);
        l->env = NULL;
    }
    l->map_bytes = map_bytes;
    return rc;
}

/* Environments made before there were parts have no such table: *ret_missing. */
static int tables_look(struct kv_lmdb *l, bool create, bool *ret_missing)
{
    MDB_txn *txn;
    *ret_missing = false;
    int rc = mdb_txn_begin(l->env, NULL, create ? 0 : MDB_RDONLY, &txn);
    if (rc)
        return rc;
    for (int i = 0; i < KV_TABLES && !rc; i++) {
        rc = mdb_dbi_open(txn, table_names[i], create ? MDB_CREATE : 0, &l->tables[i]);
        if (rc == MDB_NOTFOUND && i == KV_PARTS) {
            *ret_missing = true;
            rc = 0;
        }
    }
    if (!rc)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
}

static int tables_open(struct kv_lmdb *l, bool create)
{
    bool missing;
    int dead;
    int rc = mdb_reader_check(l->env, &dead);
    if (!rc)
        rc = tables_look(l, create, &missing);
    if (!rc && missing)
        rc = tables_look(l, true, &missing);
    return rc;
}

enum grid_err kv_lmdb_open(const struct kv_lmdb_conf *conf, char *why, struct kv **ret_kv)
{
    enum grid_err err = file_check(conf, why);
    if (err)
        return err;
    struct kv_lmdb *l = xcalloc(1, sizeof *l);
    l->kv.ops = &lmdb_ops;
    l->path = xstrdup(conf->path);
    pthread_rwlock_init(&l->mapping, NULL);
    enter(l);
    uint64_t map_bytes = conf->map_bytes ? conf->map_bytes : MAP_BYTES_MAX;
    int rc = env_open(l, conf, map_bytes);
    /* What runs a program in its own way, as valgrind does, may say EINVAL. */
    while ((rc == ENOMEM || rc == EINVAL) && !conf->map_bytes && map_bytes > MAP_BYTES_MIN) {
        map_bytes = map_bytes > MAP_BYTES_SOME ? MAP_BYTES_SOME : map_bytes / 2;
        rc = env_open(l, conf, map_bytes);
    }
    if (!rc && !conf->create)
        err = length_check(l, why);
    if (!rc && !err)
        rc = tables_open(l, conf->create);
    leave();
    if (rc)
        err = say(why, lmdb_err(rc), l->path, mdb_strerror(rc));
    if (err) {
        lmdb_close(&l->kv);
        return err;
    }
    *ret_kv = &l->kv;
    return GRID_OK;
}
