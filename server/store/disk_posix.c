/* disk_posix.c - disk.h over the system's calls. Interrupted and short calls are continued here. */
#include "store/disk.h"

#include "base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct posix_file {
    struct disk_file file;
    int fd;
};

static int fd_of(struct disk_file *f)
{
    return ((struct posix_file *)(void *)f)->fd;
}

static const struct disk_ops posix_ops;

static int posix_open(struct disk *d, const char *path, bool create, struct disk_file **ret_file)
{
    (void)d;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT | O_EXCL : 0), 0600);
    if (fd < 0)
        return errno;
    struct stat st;
    int error = fstat(fd, &st) ? errno : S_ISREG(st.st_mode) ? 0 : EINVAL;
    if (error) {
        close(fd);
        return error;
    }
    struct posix_file *f = xalloc(sizeof *f);
    f->file.ops = &posix_ops;
    f->fd = fd;
    *ret_file = &f->file;
    return 0;
}

static void posix_close(struct disk_file *f)
{
    if (!f)
        return;
    close(fd_of(f));
    free(f);
}

static int posix_pread(struct disk_file *f, void *data, size_t len, uint64_t at, size_t *ret_len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd_of(f), (char *)data + done, len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *ret_len = done;
    return 0;
}

static int posix_pwrite(struct disk_file *f, struct slice data, uint64_t at)
{
    for (size_t done = 0; done < data.len;) {
        ssize_t n = pwrite(fd_of(f), data.data + done, data.len - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        done += (size_t)n;
    }
    return 0;
}

static int posix_reserve(struct disk_file *f, uint64_t bytes)
{
    int error;
    do
        error = posix_fallocate(fd_of(f), 0, (off_t)bytes);
    while (error == EINTR);
    return error;
}

static int posix_sync(struct disk_file *f)
{
    return fdatasync(fd_of(f)) ? errno : 0;
}

static int posix_size(struct disk_file *f, uint64_t *ret_bytes)
{
    struct stat st;
    if (fstat(fd_of(f), &st))
        return errno;
    *ret_bytes = (uint64_t)st.st_size;
    return 0;
}

static int posix_truncate(struct disk_file *f, uint64_t bytes)
{
    return ftruncate(fd_of(f), (off_t)bytes) ? errno : 0;
}

static int posix_rename(struct disk *d, const char *from, const char *to)
{
    (void)d;
    return rename(from, to) ? errno : 0;
}

static int posix_unlink(struct disk *d, const char *path)
{
    (void)d;
    return unlink(path) ? errno : 0;
}

static int posix_mkdir(struct disk *d, const char *path)
{
    (void)d;
    return mkdir(path, 0700) && errno != EEXIST ? errno : 0;
}

static int posix_list(struct disk *d, const char *dir, disk_name_fn *each, void *ctx)
{
    (void)d;
    DIR *stream = opendir(dir);
    if (!stream)
        return errno;
    struct dirent *e;
    while ((errno = 0, e = readdir(stream))) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            each(ctx, e->d_name);
    }
    int error = errno;
    closedir(stream);
    return error;
}

static int posix_sync_dir(struct disk *d, const char *dir)
{
    (void)d;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = fsync(fd) ? errno : 0;
    close(fd);
    return error;
}

static int posix_space(struct disk *d, const char *dir, uint64_t *ret_bytes)
{
    (void)d;
    struct statvfs st;
    if (statvfs(dir, &st))
        return errno;
    *ret_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}

static const struct disk_ops posix_ops = {
    .open = posix_open,
    .close = posix_close,
    .pread = posix_pread,
    .pwrite = posix_pwrite,
    .reserve = posix_reserve,
    .sync = posix_sync,
    .size = posix_size,
    .truncate = posix_truncate,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .mkdir = posix_mkdir,
    .list = posix_list,
    .sync_dir = posix_sync_dir,
    .space = posix_space,
};

struct disk *disk_posix(void)
{
    static struct disk disk = {&posix_ops};
    return &disk;
}

enum grid_err disk_err(int error)
{
    switch (error) {
    case 0:
        return GRID_OK;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return GRID_ENO_SPACE;
    case EACCES:
    case EPERM:
    case EROFS:
        return GRID_EDENIED;
    case ENOENT:
        return GRID_ENOT_FOUND;
    default:
        return GRID_EIO;
    }
}
