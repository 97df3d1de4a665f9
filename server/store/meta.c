/* meta.c - DIR/LOCK and DIR/meta. Rows are sealed as the checkpoint's are. */
#include "store/meta.h"

#include "base/alloc.h"
#include "store/checkpoint_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct meta {
    char *dir;
    int lock;
    struct kv *kv;
    struct meta_info info;
};

static enum grid_err fail(char *why, enum grid_err err, const char *fmt, ...) PRINTF_LIKE(3, 4);
static enum grid_err fail(char *why, enum grid_err err, const char *fmt, ...)
{
    if (why) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(why, STORE_WHY_BYTES, fmt, ap);
        va_end(ap);
    }
    return err;
}

static enum grid_err fail_errno(char *why, const char *what, const char *path, int error)
{
    enum grid_err err = disk_err(error);
    const char *advice = err == GRID_EDENIED
                             ? "; give it to the user of this process, or choose another directory"
                         : err == GRID_ENO_SPACE  ? "; free some space"
                         : err == GRID_ENOT_FOUND ? "; make the directory above it"
                                                  : "";
    err = err == GRID_ENOT_FOUND ? GRID_EIO : err;
    return fail(why, err, "cannot %s %s: %s%s", what, path, strerror(error), advice);
}

static char *join(const char *dir, const char *name)
{
    size_t len = strlen(dir) + strlen(name) + 2;
    char *path = xalloc(len);
    snprintf(path, len, "%s/%s", dir, name);
    return path;
}

/* --- the directory ---------------------------------------------------------------------------- */

struct content {
    bool meta;   /* DIR/meta */
    bool shards; /* any DIR/shard-N, or DIR/control */
    bool other;  /* what is not ours */
};

static void content_name(struct content *c, const char *name)
{
    if (strcmp(name, "meta") == 0)
        c->meta = true;
    else if (strcmp(name, "control") == 0 || strncmp(name, "shard-", 6) == 0)
        c->shards = true;
    else if (strcmp(name, "LOCK") != 0 && strcmp(name, "lost+found") != 0 &&
             strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
        c->other = true;
}

static enum grid_err content_read(const char *dir, struct content *c, char *why)
{
    DIR *stream = opendir(dir);
    if (!stream)
        return fail_errno(why, "read", dir, errno);
    struct dirent *e;
    while ((errno = 0, e = readdir(stream)))
        content_name(c, e->d_name);
    int error = errno;
    closedir(stream);
    return error ? fail_errno(why, "read", dir, error) : GRID_OK;
}

static enum grid_err lock_take(struct meta *m, char *why)
{
    char *path = join(m->dir, "LOCK");
    char pid[32] = "";
    enum grid_err err = GRID_OK;
    m->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (m->lock < 0) {
        err = fail_errno(why, "open", path, errno);
    } else if (flock(m->lock, LOCK_EX | LOCK_NB)) {
        ssize_t n = errno == EWOULDBLOCK ? read(m->lock, pid, sizeof pid - 1) : 0;
        pid[n > 0 ? n : 0] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        err = fail(why, GRID_EIN_USE, "%s is in use by process %s; stop it first", m->dir,
                   *pid ? pid : "?");
    } else {
        int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
        if (ftruncate(m->lock, 0) || pwrite(m->lock, pid, (size_t)n, 0) != n)
            err = fail_errno(why, "write", path, errno);
    }
    free(path);
    return err;
}

/* A child of the program may have the descriptor, too, and with it the lock. */
static void lock_give(struct meta *m)
{
    if (m->lock < 0)
        return;
    (void)flock(m->lock, LOCK_UN);
    close(m->lock);
}

/* --- rows ------------------------------------------------------------------------------------- */

static enum grid_err bytes_put(struct meta *m, struct kv_txn *t, const char *name,
                               struct slice bytes)
{
    struct buf row = BUF_INIT;
    row_begin(&row);
    buf_add(&row, bytes.data, bytes.len);
    row_seal(slice_str(name), &row);
    enum grid_err err = m->kv->ops->put(t, KV_META, slice_str(name), buf_slice(&row));
    buf_release(&row);
    return err;
}

static enum grid_err bytes_get(struct meta *m, struct kv_txn *t, const char *name,
                               struct slice *ret_bytes)
{
    struct slice row;
    enum grid_err err = m->kv->ops->get(t, KV_META, slice_str(name), &row);
    return err ? err : row_open(slice_str(name), row, ret_bytes);
}

static enum grid_err rows_make(struct meta *m, struct kv_txn *t, const struct meta_conf *conf)
{
    uint8_t id[NODE_ID_BYTES];
    if (getrandom(id, sizeof id, 0) != sizeof id)
        return GRID_EIO;
    enum grid_err err = number_put(t, m->kv, "format", META_FORMAT);
    if (!err)
        err = bytes_put(m, t, "node", slice_make(id, sizeof id));
    if (!err)
        err = bytes_put(m, t, "grid", slice_str(conf->grid));
    if (!err)
        err = number_put(t, m->kv, "shards", conf->shards);
    if (!err)
        err = number_put(t, m->kv, "boot", 0);
    return err ? err : number_put(t, m->kv, "made", 0);
}

static enum grid_err rows_read(struct meta *m, struct kv_txn *t)
{
    struct slice id, grid;
    uint64_t shards = 0, made = 0, control = 0;
    enum grid_err err = bytes_get(m, t, "node", &id);
    if (!err)
        err = bytes_get(m, t, "grid", &grid);
    if (!err)
        err = number_get(t, m->kv, "shards", &shards);
    if (!err)
        err = number_get(t, m->kv, "boot", &m->info.boot);
    if (!err)
        err = number_get(t, m->kv, "made", &made);
    if (err)
        return err == GRID_ENOT_FOUND ? GRID_ECORRUPT : err;
    err = number_get(t, m->kv, "control", &control);
    if (err && err != GRID_ENOT_FOUND) /* absent: it has always been alone */
        return err;
    if (id.len != NODE_ID_BYTES || grid.len > META_GRID_BYTES || !shards ||
        shards > META_SHARDS_MAX)
        return GRID_ECORRUPT;
    memcpy(m->info.node_id, id.data, NODE_ID_BYTES);
    memcpy(m->info.grid, grid.data, grid.len);
    m->info.grid[grid.len] = '\0';
    m->info.shards = (unsigned)shards;
    m->info.fresh = !made;
    m->info.control = control;
    return GRID_OK;
}

static enum grid_err rows_open(struct meta *m, struct kv_txn *t, const struct meta_conf *conf,
                               bool create)
{
    uint64_t format = 0;
    enum grid_err err = number_get(t, m->kv, "format", &format);
    if (err == GRID_ENOT_FOUND && create) {
        err = rows_make(m, t, conf);
        format = META_FORMAT;
    }
    if (!err && format > META_FORMAT)
        return GRID_ENEWER;
    if (!err)
        err = rows_read(m, t);
    if (err)
        return err == GRID_ENOT_FOUND ? GRID_ECORRUPT : err;
    if (conf->grid && *conf->grid && strcmp(conf->grid, m->info.grid) != 0)
        return GRID_ECONDITION;
    m->info.boot++;
    return number_put(t, m->kv, "boot", m->info.boot);
}

static enum grid_err rows_fail(const struct meta *m, const struct meta_conf *conf,
                               enum grid_err err, char *why)
{
    switch (err) {
    case GRID_ENEWER:
        return fail(why, err, "%s was written by a newer version; run that version", m->dir);
    case GRID_ECONDITION:
        return fail(why, err, "%s belongs to grid '%s', not '%s'; choose another directory", m->dir,
                    m->info.grid, conf->grid);
    case GRID_ECORRUPT:
        return fail(why, err,
                    "%s/meta is damaged: its rows are missing or unreadable; restore %s "
                    "from a backup",
                    m->dir, m->dir);
    default:
        return fail(why, err, "cannot use %s/meta: %s", m->dir, err_text(err));
    }
}

/* --- meta.h ----------------------------------------------------------------------------------- */

static enum grid_err dir_open(struct meta *m, bool *ret_create, char *why)
{
    struct content c = {0};
    if (mkdir(m->dir, 0700) && errno != EEXIST)
        return fail_errno(why, "make", m->dir, errno);
    enum grid_err err = content_read(m->dir, &c, why);
    if (err)
        return err;
    if (!c.meta && c.other)
        return fail(why, GRID_ECORRUPT,
                    "%s is not a gridd data directory but holds other files; choose an empty one",
                    m->dir);
    if (!c.meta && c.shards)
        return fail(why, GRID_ECORRUPT, "%s/meta is missing; restore %s from a backup", m->dir,
                    m->dir);
    *ret_create = !c.shards;
    return lock_take(m, why);
}

static enum grid_err meta_load(struct meta *m, const struct meta_conf *conf, bool create, char *why)
{
    char *path = join(m->dir, "meta");
    struct kv_lmdb_conf kv_conf = {.path = path, .create = create, .map_bytes = 1u << 30};
    struct kv_txn *t;
    enum grid_err err = kv_lmdb_open(&kv_conf, why, &m->kv);
    free(path);
    if (err)
        return err;
    err = m->kv->ops->begin(m->kv, true, &t);
    if (err)
        return rows_fail(m, conf, err, why);
    err = rows_open(m, t, conf, create);
    if (err)
        m->kv->ops->abort(t);
    else
        err = m->kv->ops->commit(t);
    return err ? rows_fail(m, conf, err, why) : GRID_OK;
}

enum grid_err meta_open(const struct meta_conf *conf, char *why, struct meta **ret_meta)
{
    struct meta *m = xcalloc(1, sizeof *m);
    bool create = false;
    CHECK(conf->shards >= 1 && conf->shards <= META_SHARDS_MAX);
    CHECK(!conf->grid || strlen(conf->grid) <= META_GRID_BYTES);
    m->dir = xstrdup(conf->dir);
    m->lock = -1;
    enum grid_err err = dir_open(m, &create, why);
    if (!err)
        err = meta_load(m, conf, create, why);
    int error = err ? 0 : disk_posix()->ops->sync_dir(disk_posix(), m->dir);
    if (error)
        err = fail_errno(why, "sync", m->dir, error);
    if (err) {
        meta_close(m);
        return err;
    }
    *ret_meta = m;
    return GRID_OK;
}

const struct meta_info *meta_info(const struct meta *m)
{
    return &m->info;
}

static enum grid_err mark(struct meta *m, const char *name, char *why)
{
    struct kv_txn *t;
    int error = disk_posix()->ops->sync_dir(disk_posix(), m->dir);
    if (error)
        return fail_errno(why, "sync", m->dir, error);
    enum grid_err err = m->kv->ops->begin(m->kv, true, &t);
    if (!err) {
        err = number_put(t, m->kv, name, 1);
        if (err)
            m->kv->ops->abort(t);
        else
            err = m->kv->ops->commit(t);
    }
    if (err)
        return fail(why, err, "cannot write %s/meta: %s", m->dir, err_text(err));
    return GRID_OK;
}

enum grid_err meta_made(struct meta *m, char *why)
{
    enum grid_err err = mark(m, "made", why);
    m->info.fresh = err != GRID_OK;
    return err;
}

enum grid_err meta_control_made(struct meta *m, char *why)
{
    enum grid_err err = mark(m, "control", why);
    m->info.control = err == GRID_OK;
    return err;
}

enum grid_err meta_catalog_get(struct meta *m, char *why, uint64_t *ret_revision, struct buf *out)
{
    struct kv_txn *t;
    struct slice row;
    enum grid_err err = m->kv->ops->begin(m->kv, false, &t);
    if (!err) {
        err = bytes_get(m, t, "catalog", &row);
        if (!err && row.len < 8)
            err = GRID_ECORRUPT;
        if (!err) {
            *ret_revision = load_u64(row.data);
            buf_add(out, row.data + 8, row.len - 8);
        }
        m->kv->ops->abort(t);
    }
    if (err && err != GRID_ENOT_FOUND)
        return fail(why, err, "cannot read the catalog in %s/meta: %s; restore it from a backup",
                    m->dir, err_text(err));
    return err;
}

enum grid_err meta_catalog_set(struct meta *m, uint64_t revision, struct slice catalog, char *why)
{
    struct kv_txn *t;
    struct buf bytes = BUF_INIT;
    buf_add_u64(&bytes, revision);
    buf_add(&bytes, catalog.data, catalog.len);
    enum grid_err err = m->kv->ops->begin(m->kv, true, &t);
    if (!err) {
        err = bytes_put(m, t, "catalog", buf_slice(&bytes));
        if (err)
            m->kv->ops->abort(t);
        else
            err = m->kv->ops->commit(t);
    }
    buf_release(&bytes);
    return err ? fail(why, err, "cannot write the catalog to %s/meta: %s", m->dir, err_text(err))
               : GRID_OK;
}

void meta_close(struct meta *m)
{
    if (!m)
        return;
    if (m->kv)
        m->kv->ops->close(m->kv);
    lock_give(m);
    free(m->dir);
    free(m);
}
