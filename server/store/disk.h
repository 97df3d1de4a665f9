/* disk.h - files as a handful of functions, so that the same WAL code runs on a real file system
 * and on the simulated one of tests/sim. Every function returns 0 or an errno value (the texts
 * of the callers name it). disk_posix: thread-safe. disk_mem: one thread only. Paths are full
 * paths; a name never ends in '/'. */
#ifndef GRIDD_STORE_DISK_H
#define GRIDD_STORE_DISK_H

#include "base/err.h"
#include "base/prng.h"
#include "base/slice.h"

enum { DISK_SECTOR = 512, STORE_WHY_BYTES = 512 };

struct disk;      /* opaque: a file system */
struct disk_file; /* opaque: an open file */

/* Told each name in a directory, in no order. */
typedef void disk_name_fn(void *ctx, const char *name);

struct disk_ops {
    /* Open for reading and writing; `create`: make it, EEXIST when it is there. */
    int (*open)(struct disk *d, const char *path, bool create, struct disk_file **ret_file);
    void (*close)(struct disk_file *f); /* NULL is fine; syncs nothing */
    /* Read up to `len` bytes; fewer only at the end of the file. */
    int (*pread)(struct disk_file *f, void *data, size_t len, uint64_t at, size_t *ret_len);
    /* Write all of `data`; the file grows as needed. After an error any part of it may be
     * written. */
    int (*pwrite)(struct disk_file *f, struct slice data, uint64_t at);
    /* Make an empty file `bytes` long, of zeros and with its space taken, faster than writing them.
     * NULL: cannot. */
    int (*reserve)(struct disk_file *f, uint64_t bytes);
    int (*sync)(struct disk_file *f); /* fdatasync */
    int (*size)(struct disk_file *f, uint64_t *ret_bytes);
    int (*truncate)(struct disk_file *f, uint64_t bytes);
    int (*rename)(struct disk *d, const char *from, const char *to);
    int (*unlink)(struct disk *d, const char *path);
    int (*mkdir)(struct disk *d, const char *path); /* mode 0700; 0 when it is there already */
    int (*list)(struct disk *d, const char *dir, disk_name_fn *each, void *ctx);
    int (*sync_dir)(struct disk *d,
                    const char *dir); /* makes creates, renames and unlinks in it durable */
    int (*space)(struct disk *d, const char *dir, uint64_t *ret_bytes); /* free for this process */
};

struct disk {
    const struct disk_ops *ops;
};
/* The first member of every open file. */
struct disk_file {
    const struct disk_ops *ops;
};

/* The real file system. Static, never freed. */
struct disk *disk_posix(void);

/* What an errno value means for the caller: ENOSPC, EDQUOT, EFBIG -> NO_SPACE; EACCES, EPERM,
 * EROFS -> DENIED; ENOENT -> NOT_FOUND; else IO. */
enum grid_err disk_err(int error);

/* --- the simulated disk: files in memory, a page cache of unsynced sectors -------------------- */

struct disk *disk_mem_new(void);
void disk_mem_free(struct disk *d); /* files still open become invalid */
/* Power fails: each sector written since the file's last sync is, at random, on disk, not on
 * disk, or torn inside; creates, renames and unlinks since the directory's last sync happened up
 * to some point of their order. Open files are invalid after it except for close(). */
void disk_mem_crash(struct disk *d, struct prng *prng);
/* Bytes of all files may not exceed this (ENOSPC); 0: no limit. */
void disk_mem_set_capacity(struct disk *d, uint64_t bytes);
uint64_t disk_mem_used(const struct disk *d);
/* The next `count` calls of this kind, after `skip` good ones, fail with EIO. */
enum disk_fault { DISK_FAULT_READ, DISK_FAULT_WRITE, DISK_FAULT_SYNC, DISK_FAULTS };
void disk_mem_fail(struct disk *d, enum disk_fault kind, unsigned skip, unsigned count);
/* From now on a sync says that it is done and does nothing; names are durable as ever. */
void disk_mem_lie(struct disk *d, bool lie);
/* Flip one bit of a file, in the cache and on disk. false: no such file or offset. */
bool disk_mem_flip(struct disk *d, const char *path, uint64_t at, unsigned bit);
/* Writes, syncs and directory operations so far; for choosing crash points. */
uint64_t disk_mem_operations(const struct disk *d);
/* From now on, once this many further operations are done, every call fails with EIO (the
 * process is as good as dead). UINT64_MAX: never. */
void disk_mem_stop_after(struct disk *d, uint64_t operations);

#endif
