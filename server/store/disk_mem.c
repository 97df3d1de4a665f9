/* disk_mem.c - the simulated disk.
 *
 *   node (inode): cache  what reads see          dirty: one flag per sector that differs in time
 *                 disk   what a crash leaves
 *   names: path -> node as it is now        names_disk: as a crash leaves it
 *   pending: name operations since the last sync of their directory, oldest first; of these a crash
 *   keeps a random prefix */
#include "store/disk.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>

struct node {
    struct node *next; /* all nodes of the disk */
    struct buf cache;
    struct buf disk;
    bool *dirty;
    size_t dirty_len;
};

struct name {
    char *path;
    struct node *node; /* NULL: no such name (only while applying) */
};

struct names {
    struct name *at;
    size_t len;
};

/* `from` NULL: create `to`; `to` NULL: unlink `from`; else rename. */
struct pending {
    char *from;
    char *to;
    struct node *node;
};

struct disk_mem {
    struct disk disk;
    struct node *nodes;
    struct names names;
    struct names names_disk;
    struct pending *pending;
    size_t pending_len;
    char **dirs;
    size_t dirs_len;
    uint64_t generation; /* of crashes */
    uint64_t capacity;
    uint64_t operations;
    uint64_t stop_at;
    bool lies; /* about syncs */
    struct {
        unsigned skip, count;
    } faults[DISK_FAULTS];
};

struct mem_file {
    struct disk_file file;
    struct disk_mem *disk;
    struct node *node;
    uint64_t generation;
};

static const struct disk_ops mem_ops;

static struct disk_mem *mem_of(struct disk *d)
{
    return (struct disk_mem *)(void *)d;
}

static const struct disk_mem *mem_of_const(const struct disk *d)
{
    return (const struct disk_mem *)(const void *)d;
}

static struct mem_file *file_of(struct disk_file *f)
{
    return (struct mem_file *)(void *)f;
}

/* --- names ------------------------------------------------------------------------------------ */

static struct name *name_find(const struct names *n, const char *path)
{
    for (size_t i = 0; i < n->len; i++) {
        if (strcmp(n->at[i].path, path) == 0)
            return &n->at[i];
    }
    return NULL;
}

static void name_drop(struct names *n, const char *path)
{
    struct name *found = name_find(n, path);
    if (!found)
        return;
    free(found->path);
    *found = n->at[--n->len];
}

static void name_set(struct names *n, const char *path, struct node *node)
{
    struct name *found = name_find(n, path);
    if (found) {
        found->node = node;
        return;
    }
    n->at = xrealloc(n->at, n->len + 1, sizeof *n->at);
    n->at[n->len++] = (struct name){xstrdup(path), node};
}

static void names_apply(struct names *n, const struct pending *p)
{
    if (p->from)
        name_drop(n, p->from);
    if (p->to)
        name_set(n, p->to, p->node);
}

static void names_clear(struct names *n)
{
    for (size_t i = 0; i < n->len; i++)
        free(n->at[i].path);
    free(n->at);
    *n = (struct names){0};
}

static void pending_add(struct disk_mem *d, const char *from, const char *to, struct node *node)
{
    d->pending = xrealloc(d->pending, d->pending_len + 1, sizeof *d->pending);
    struct pending *p = &d->pending[d->pending_len++];
    *p = (struct pending){from ? xstrdup(from) : NULL, to ? xstrdup(to) : NULL, node};
    names_apply(&d->names, p);
}

static void pending_free(struct pending *p)
{
    free(p->from);
    free(p->to);
}

static bool path_in(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return path && strncmp(path, dir, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

static bool dir_exists(const struct disk_mem *d, const char *dir)
{
    for (size_t i = 0; i < d->dirs_len; i++) {
        if (strcmp(d->dirs[i], dir) == 0)
            return true;
    }
    return false;
}

/* --- faults ----------------------------------------------------------------------------------- */

static bool stopped(const struct disk_mem *d)
{
    return d->operations >= d->stop_at;
}

/* Count an operation that changes something; EIO when the process is as good as dead. */
static int operation(struct disk_mem *d)
{
    if (stopped(d))
        return EIO;
    d->operations++;
    return 0;
}

static int fault(struct disk_mem *d, enum disk_fault kind)
{
    if (!d->faults[kind].count)
        return 0;
    if (d->faults[kind].skip) {
        d->faults[kind].skip--;
        return 0;
    }
    d->faults[kind].count--;
    return EIO;
}

static int check_open(const struct mem_file *f)
{
    return f->generation != f->disk->generation || stopped(f->disk) ? EIO : 0;
}

/* --- operations ------------------------------------------------------------------------------- */

static int mem_open(struct disk *disk, const char *path, bool create, struct disk_file **ret_file)
{
    struct disk_mem *d = mem_of(disk);
    if (stopped(d))
        return EIO;
    struct name *found = name_find(&d->names, path);
    if (found && create)
        return EEXIST;
    if (!found && !create)
        return ENOENT;
    struct node *node = found ? found->node : NULL;
    if (!found) {
        int error = operation(d);
        if (error)
            return error;
        node = xcalloc(1, sizeof *node);
        node->next = d->nodes;
        d->nodes = node;
        pending_add(d, NULL, path, node);
    }
    struct mem_file *f = xalloc(sizeof *f);
    *f = (struct mem_file){{&mem_ops}, d, node, d->generation};
    *ret_file = &f->file;
    return 0;
}

static void mem_close(struct disk_file *f)
{
    free(f);
}

static int mem_pread(struct disk_file *file, void *data, size_t len, uint64_t at, size_t *ret_len)
{
    struct mem_file *f = file_of(file);
    int error = check_open(f);
    if (!error)
        error = fault(f->disk, DISK_FAULT_READ);
    if (error)
        return error;
    const struct buf *b = &f->node->cache;
    size_t n = at >= b->len ? 0 : b->len - at < len ? b->len - at : len;
    if (n)
        memcpy(data, b->data + at, n);
    *ret_len = n;
    return 0;
}

/* Make `b` `bytes` long, new ones zero. */
static void buf_set_len(struct buf *b, size_t bytes)
{
    if (bytes > b->len)
        memset(buf_reserve(b, bytes - b->len), 0, bytes - b->len);
    b->len = bytes;
}

static void node_dirty(struct node *n, uint64_t from, uint64_t to)
{
    size_t sectors = (size_t)((to + DISK_SECTOR - 1) / DISK_SECTOR);
    if (sectors > n->dirty_len) {
        n->dirty = xrealloc(n->dirty, sectors, sizeof *n->dirty);
        memset(n->dirty + n->dirty_len, 0, sectors - n->dirty_len);
        n->dirty_len = sectors;
    }
    for (size_t s = (size_t)(from / DISK_SECTOR); s < sectors; s++)
        n->dirty[s] = true;
}

static int mem_pwrite(struct disk_file *file, struct slice data, uint64_t at)
{
    struct mem_file *f = file_of(file);
    struct disk_mem *d = f->disk;
    int error = check_open(f);
    if (!error)
        error = operation(d);
    if (!error)
        error = fault(d, DISK_FAULT_WRITE);
    if (error || !data.len)
        return error;
    struct buf *b = &f->node->cache;
    size_t end = (size_t)at + data.len;
    if (end > b->len && d->capacity && disk_mem_used(&d->disk) + end - b->len > d->capacity)
        return ENOSPC;
    if (end > b->len)
        buf_set_len(b, end);
    memcpy(b->data + at, data.data, data.len);
    node_dirty(f->node, at, end);
    return 0;
}

static int mem_sync(struct disk_file *file)
{
    struct mem_file *f = file_of(file);
    int error = check_open(f);
    if (!error)
        error = operation(f->disk);
    if (!error)
        error = fault(f->disk, DISK_FAULT_SYNC);
    if (error || f->disk->lies)
        return error;
    struct node *n = f->node;
    buf_set_len(&n->disk, n->cache.len);
    for (size_t s = 0; s < n->dirty_len; s++) {
        size_t at = s * DISK_SECTOR;
        if (n->dirty[s] && at < n->cache.len) {
            size_t len = n->cache.len - at < DISK_SECTOR ? n->cache.len - at : DISK_SECTOR;
            memcpy(n->disk.data + at, n->cache.data + at, len);
        }
        n->dirty[s] = false;
    }
    return 0;
}

static int mem_size(struct disk_file *file, uint64_t *ret_bytes)
{
    struct mem_file *f = file_of(file);
    int error = check_open(f);
    if (!error)
        *ret_bytes = f->node->cache.len;
    return error;
}

static int mem_truncate(struct disk_file *file, uint64_t bytes)
{
    struct mem_file *f = file_of(file);
    int error = check_open(f);
    if (!error)
        error = operation(f->disk);
    if (error)
        return error;
    buf_set_len(&f->node->cache, (size_t)bytes);
    return 0;
}

static int mem_rename(struct disk *disk, const char *from, const char *to)
{
    struct disk_mem *d = mem_of(disk);
    int error = operation(d);
    if (error)
        return error;
    struct name *found = name_find(&d->names, from);
    if (!found)
        return ENOENT;
    pending_add(d, from, to, found->node);
    return 0;
}

static int mem_unlink(struct disk *disk, const char *path)
{
    struct disk_mem *d = mem_of(disk);
    int error = operation(d);
    if (error)
        return error;
    if (!name_find(&d->names, path))
        return ENOENT;
    pending_add(d, path, NULL, NULL);
    return 0;
}

static int mem_mkdir(struct disk *disk, const char *path)
{
    struct disk_mem *d = mem_of(disk);
    if (dir_exists(d, path))
        return 0;
    int error = operation(d);
    if (error)
        return error;
    d->dirs = xrealloc(d->dirs, d->dirs_len + 1, sizeof *d->dirs);
    d->dirs[d->dirs_len++] = xstrdup(path);
    return 0;
}

static int mem_list(struct disk *disk, const char *dir, disk_name_fn *each, void *ctx)
{
    struct disk_mem *d = mem_of(disk);
    if (stopped(d))
        return EIO;
    if (!dir_exists(d, dir))
        return ENOENT;
    for (size_t i = 0; i < d->names.len; i++) {
        if (path_in(d->names.at[i].path, dir))
            each(ctx, d->names.at[i].path + strlen(dir) + 1);
    }
    return 0;
}

static int mem_sync_dir(struct disk *disk, const char *dir)
{
    struct disk_mem *d = mem_of(disk);
    int error = operation(d);
    if (error)
        return error;
    size_t kept = 0;
    for (size_t i = 0; i < d->pending_len; i++) {
        struct pending *p = &d->pending[i];
        if (path_in(p->from ? p->from : p->to, dir)) {
            names_apply(&d->names_disk, p);
            pending_free(p);
        } else {
            d->pending[kept++] = *p;
        }
    }
    d->pending_len = kept;
    return 0;
}

static int mem_space(struct disk *disk, const char *dir, uint64_t *ret_bytes)
{
    (void)dir;
    struct disk_mem *d = mem_of(disk);
    uint64_t used = disk_mem_used(disk);
    *ret_bytes = !d->capacity ? UINT64_MAX : used < d->capacity ? d->capacity - used : 0;
    return 0;
}

static const struct disk_ops mem_ops = {
    .open = mem_open,
    .close = mem_close,
    .pread = mem_pread,
    .pwrite = mem_pwrite,
    .sync = mem_sync,
    .size = mem_size,
    .truncate = mem_truncate,
    .rename = mem_rename,
    .unlink = mem_unlink,
    .mkdir = mem_mkdir,
    .list = mem_list,
    .sync_dir = mem_sync_dir,
    .space = mem_space,
};

/* --- for the test ----------------------------------------------------------------------------- */

struct disk *disk_mem_new(void)
{
    struct disk_mem *d = xcalloc(1, sizeof *d);
    d->disk.ops = &mem_ops;
    d->stop_at = UINT64_MAX;
    return &d->disk;
}

void disk_mem_free(struct disk *disk)
{
    if (!disk)
        return;
    struct disk_mem *d = mem_of(disk);
    for (struct node *n = d->nodes, *next; n; n = next) {
        next = n->next;
        buf_release(&n->cache);
        buf_release(&n->disk);
        free(n->dirty);
        free(n);
    }
    for (size_t i = 0; i < d->pending_len; i++)
        pending_free(&d->pending[i]);
    for (size_t i = 0; i < d->dirs_len; i++)
        free(d->dirs[i]);
    names_clear(&d->names);
    names_clear(&d->names_disk);
    free(d->pending);
    free(d->dirs);
    free(d);
}

/* One sector of a node after the power failed. */
static void sector_crash(struct node *n, size_t s, struct prng *prng)
{
    size_t at = s * DISK_SECTOR;
    uint64_t fate = prng_below(prng, 8);
    if (at >= n->cache.len || fate < 3)
        return; /* never reached the disk */
    size_t len = n->cache.len - at < DISK_SECTOR ? n->cache.len - at : DISK_SECTOR;
    if (fate == 7)
        len = (size_t)prng_below(prng, len + 1); /* torn */
    if (at + len > n->disk.len)
        buf_set_len(&n->disk, at + len);
    memcpy(n->disk.data + at, n->cache.data + at, len);
}

static void node_crash(struct node *n, struct prng *prng)
{
    for (size_t s = 0; s < n->dirty_len; s++) {
        if (n->dirty[s])
            sector_crash(n, s, prng);
        n->dirty[s] = false;
    }
    n->cache.len = 0;
    buf_add(&n->cache, n->disk.data, n->disk.len);
}

void disk_mem_crash(struct disk *disk, struct prng *prng)
{
    struct disk_mem *d = mem_of(disk);
    size_t kept = (size_t)prng_below(prng, d->pending_len + 1);
    for (size_t i = 0; i < d->pending_len; i++) {
        if (i < kept)
            names_apply(&d->names_disk, &d->pending[i]);
        pending_free(&d->pending[i]);
    }
    d->pending_len = 0;
    for (struct node *n = d->nodes; n; n = n->next)
        node_crash(n, prng);
    names_clear(&d->names);
    for (size_t i = 0; i < d->names_disk.len; i++)
        name_set(&d->names, d->names_disk.at[i].path, d->names_disk.at[i].node);
    d->generation++;
    d->stop_at = UINT64_MAX;
    memset(d->faults, 0, sizeof d->faults);
}

void disk_mem_set_capacity(struct disk *d, uint64_t bytes)
{
    mem_of(d)->capacity = bytes;
}

uint64_t disk_mem_used(const struct disk *disk)
{
    const struct disk_mem *d = mem_of_const(disk);
    uint64_t used = 0;
    for (size_t i = 0; i < d->names.len; i++)
        used += d->names.at[i].node->cache.len;
    return used;
}

void disk_mem_fail(struct disk *d, enum disk_fault kind, unsigned skip, unsigned count)
{
    mem_of(d)->faults[kind].skip = skip;
    mem_of(d)->faults[kind].count = count;
}

void disk_mem_lie(struct disk *d, bool lie)
{
    mem_of(d)->lies = lie;
}

bool disk_mem_flip(struct disk *disk, const char *path, uint64_t at, unsigned bit)
{
    struct name *found = name_find(&mem_of(disk)->names, path);
    if (!found || at >= found->node->cache.len)
        return false;
    struct node *n = found->node;
    uint8_t mask = (uint8_t)(1u << (bit & 7));
    n->cache.data[at] ^= mask;
    if (at < n->disk.len)
        n->disk.data[at] ^= mask;
    return true;
}

uint64_t disk_mem_operations(const struct disk *d)
{
    return mem_of_const(d)->operations;
}

void disk_mem_stop_after(struct disk *disk, uint64_t operations)
{
    struct disk_mem *d = mem_of(disk);
    d->stop_at = operations == UINT64_MAX ? UINT64_MAX : d->operations + operations;
}
