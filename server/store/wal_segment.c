/* wal_segment.c - the files of the log.
 *
 *   new.wal -- zeros, header, fdatasync, rename --> N.wal -- all in the checkpoint --> free-N.wal
 *                                                   ^                                    |
 *                                                   +--- header, fdatasync, rename <-----+
 * Every rename is made durable before the file's content is changed, so that a file named N.wal
 * is always whole. */
#include "store/wal_priv.h"

#include "base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILL_BYTES = 1 << 20, SPARES_MAX = 2 };

static const char *fail_hint(enum grid_err err)
{
    switch (err) {
    case GRID_EDENIED:
        return "; give the user of this process the right to read and write it";
    case GRID_ENO_SPACE:
        return "; free some space";
    default:
        return "";
    }
}

void wal_say(char *why, const char *fmt, ...)
{
    if (!why)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, STORE_WHY_BYTES, fmt, ap);
    va_end(ap);
}

enum grid_err wal_fail(const struct wal *w, char *why, const char *what, const char *name,
                       int error)
{
    enum grid_err err = disk_err(error);
    wal_say(why, "cannot %s %s%s%s: %s%s", what, w->dir, *name ? "/" : "", name, strerror(error),
            fail_hint(err));
    return err == GRID_ENOT_FOUND ? GRID_EIO : err;
}

static char *path_of(const struct wal *w, const char *name)
{
    size_t len = strlen(w->dir) + strlen(name) + 2;
    char *path = xalloc(len);
    snprintf(path, len, "%s/%s", w->dir, name);
    return path;
}

enum { NAME_BYTES = 32 };

static void segment_name(char *to, uint64_t number)
{
    snprintf(to, NAME_BYTES, "%016" PRIx64 ".wal", number);
}

static void spare_name(char *to, uint64_t number)
{
    snprintf(to, NAME_BYTES, "free-%016" PRIx64 ".wal", number);
}

static bool number_parse(const char *name, const char *prefix, uint64_t *ret_number)
{
    size_t n = strlen(prefix);
    if (strncmp(name, prefix, n) != 0 || strlen(name + n) != 20 ||
        strcmp(name + n + 16, ".wal") != 0 || strspn(name + n, "0123456789abcdef") != 16)
        return false;
    *ret_number = strtoull(name + n, NULL, 16);
    return *ret_number > 0 && *ret_number < UINT32_MAX;
}

static int rename_in(struct wal *w, const char *from, const char *to)
{
    char *from_path = path_of(w, from), *to_path = path_of(w, to);
    int error = w->disk->ops->rename(w->disk, from_path, to_path);
    free(from_path);
    free(to_path);
    return error;
}

static int unlink_in(struct wal *w, const char *name)
{
    char *path = path_of(w, name);
    int error = w->disk->ops->unlink(w->disk, path);
    free(path);
    return error == ENOENT ? 0 : error;
}

static int open_in(struct wal *w, const char *name, bool create, struct disk_file **ret_file)
{
    char *path = path_of(w, name);
    int error = w->disk->ops->open(w->disk, path, create, ret_file);
    free(path);
    return error;
}

static int sync_dir(struct wal *w)
{
    return w->disk->ops->sync_dir(w->disk, w->dir);
}

static void segment_free(struct segment *s)
{
    if (s->file)
        s->file->ops->close(s->file);
    free(s);
}

void segment_unref(struct wal *w, struct segment *s)
{
    pthread_mutex_lock(&w->lock);
    bool last = --s->refs == 0;
    pthread_mutex_unlock(&w->lock);
    if (last)
        segment_free(s);
}

static void segment_append(struct wal *w, struct segment *s)
{
    if (w->segments_len == w->segments_cap) {
        w->segments_cap = w->segments_cap ? w->segments_cap * 2 : 16;
        w->segments = xrealloc(w->segments, w->segments_cap, sizeof(struct segment *));
    }
    w->segments[w->segments_len++] = s;
}

struct segment *segment_find(const struct wal *w, uint64_t number)
{
    for (size_t i = w->segments_len; i-- > 0;) {
        if (w->segments[i]->number == number)
            return w->segments[i];
    }
    return NULL;
}

void segments_free(struct wal *w)
{
    for (size_t i = 0; i < w->segments_len; i++)
        segment_unref(w, w->segments[i]);
    free(w->segments);
    free(w->spares);
    w->segments = NULL;
    w->spares = NULL;
    w->segments_len = w->spares_len = 0;
}

/* --- loading ---------------------------------------------------------------------------------- */

static void spare_add(struct wal *w, uint64_t number)
{
    w->spares = xrealloc(w->spares, w->spares_len + 1, sizeof *w->spares);
    w->spares[w->spares_len++] = number;
}

static void name_each(void *ctx, const char *name)
{
    struct wal *w = ctx;
    uint64_t number;
    if (number_parse(name, "free-", &number)) {
        spare_add(w, number);
    } else if (number_parse(name, "", &number)) {
        struct segment *s = xcalloc(1, sizeof *s);
        s->refs = 1;
        s->number = number;
        segment_append(w, s);
    }
}

static int segment_order(const void *a, const void *b)
{
    const struct segment *const *x = a, *const *y = b;
    return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

static enum grid_err segment_load(struct wal *w, struct segment *s, char *why)
{
    char name[NAME_BYTES];
    uint8_t page[SEGMENT_DATA];
    size_t len = 0;
    segment_name(name, s->number);
    int error = open_in(w, name, false, &s->file);
    if (error)
        return wal_fail(w, why, "open", name, error);
    error = s->file->ops->size(s->file, &s->bytes_there);
    if (!error)
        error = s->file->ops->pread(s->file, page, sizeof page, 0, &len);
    if (error)
        return wal_fail(w, why, "read", name, error);
    enum grid_err err = segment_header_get(page, len, s);
    if (err == GRID_ENEWER)
        wal_say(why, "%s/%s was written by a newer version; run that version", w->dir, name);
    if (err == GRID_ECORRUPT) {
        s->bad = true; /* what it held is damage that recovery accounts for */
        s->bytes = s->bytes_there;
        err = GRID_OK;
    }
    return err;
}

static void segment_adopt(struct segment *s, const struct segment *from, bool doubtful)
{
    s->bad = false;
    s->doubtful = doubtful;
    s->bytes = from->bytes;
    s->stamp = from->stamp;
    s->incarnation = from->incarnation;
    s->open_lsn = from->open_lsn;
    s->open_number = from->open_number;
}

/* A segment with no readable header is of the same incarnation as a later one that began before
 * it. Of the last ones the same as those before them is likely; that is no proof. */
static void segments_adopt(struct wal *w)
{
    for (size_t i = w->segments_len; i-- > 1;) {
        struct segment *s = w->segments[i - 1], *next = w->segments[i];
        if (s->bad && !next->bad && next->open_number <= s->number)
            segment_adopt(s, next, false);
    }
    for (size_t i = 1; i < w->segments_len; i++) {
        if (w->segments[i]->bad && !w->segments[i - 1]->bad)
            segment_adopt(w->segments[i], w->segments[i - 1], true);
    }
}

enum grid_err segments_load(struct wal *w, bool create, char *why)
{
    if (create) {
        int error = w->disk->ops->mkdir(w->disk, w->dir);
        if (error)
            return wal_fail(w, why, "make", "", error);
    }
    int error = w->disk->ops->list(w->disk, w->dir, name_each, w);
    if (error == ENOENT) {
        wal_say(why, "%s is missing; restore it from a backup", w->dir);
        return GRID_ECORRUPT;
    }
    if (error)
        return wal_fail(w, why, "list", "", error);
    if (!create && w->segments_len == 0) {
        wal_say(why, "%s holds no log segment; restore it from a backup", w->dir);
        return GRID_ECORRUPT;
    }
    if (w->segments_len)
        qsort(w->segments, w->segments_len, sizeof(struct segment *), segment_order);
    for (size_t i = 0; i < w->segments_len; i++) {
        struct segment *s = w->segments[i];
        enum grid_err err = segment_load(w, s, why);
        if (err)
            return err;
        w->next_number = s->number + 1;
        struct segment *before = i ? w->segments[i - 1] : NULL;
        if (before && !before->bad && !s->bad && before->incarnation == s->incarnation &&
            before->stamp != s->stamp)
            before->bad = s->bad = w->foreign = true; /* one life has one stamp */
        if (s->incarnation + 1 < w->incarnation)
            s->bad = true; /* lives of a log follow each other: not what it says it is */
        if (!s->bad)
            w->incarnation = s->incarnation + 1;
    }
    segments_adopt(w);
    return GRID_OK;
}

/* --- making, using again ---------------------------------------------------------------------- */

/* N.wal -> free-N.wal, or gone when enough are waiting or it is of another size. Durable on return,
 * then it may be used. */
static int segment_retire(struct wal *w, const struct segment *s)
{
    char name[NAME_BYTES], spare[NAME_BYTES];
    segment_name(name, s->number);
    spare_name(spare, s->number);
    pthread_mutex_lock(&w->lock);
    bool keep =
        w->spares_len < SPARES_MAX && s->bytes == w->segment_bytes && s->bytes_there == s->bytes;
    pthread_mutex_unlock(&w->lock);
    int error = keep ? rename_in(w, name, spare) : unlink_in(w, name);
    if (!error)
        error = sync_dir(w);
    if (error || !keep)
        return error;
    pthread_mutex_lock(&w->lock);
    spare_add(w, s->number);
    pthread_mutex_unlock(&w->lock);
    return 0;
}

enum grid_err segments_cut(struct wal *w, uint64_t last, char *why)
{
    size_t kept = w->segments_len;
    while (kept > 0 && w->segments[kept - 1]->number > last)
        kept--;
    if (kept == w->segments_len)
        return GRID_OK;
    int error = 0;
    for (size_t i = w->segments_len; i > kept && !error; i--)
        error = segment_retire(w, w->segments[i - 1]); /* last first: never a hole in the middle */
    if (error)
        return wal_fail(w, why, "rename segments in", "", error);
    for (size_t i = kept; i < w->segments_len; i++)
        segment_unref(w, w->segments[i]);
    w->segments_len = kept;
    w->next_number = kept ? w->segments[kept - 1]->number + 1 : 1;
    return GRID_OK;
}

/* The first segment of a life is wanted at once; later ones are filled, so that a sync has no
 * metadata to write. */
static int fill(const struct wal *w, struct disk_file *f)
{
    if (!atomic_load(&w->prepared) && f->ops->reserve)
        return f->ops->reserve(f, w->segment_bytes);
    uint8_t *zeros = xcalloc(1, FILL_BYTES);
    int error = 0;
    for (uint64_t at = 0; at < w->segment_bytes && !error; at += FILL_BYTES) {
        uint64_t left = w->segment_bytes - at;
        error = f->ops->pwrite(f, slice_make(zeros, left < FILL_BYTES ? left : FILL_BYTES), at);
    }
    free(zeros);
    return error;
}

static int header_write(const struct segment *s)
{
    uint8_t page[SEGMENT_DATA] = {0};
    segment_header_put(page, s);
    segment_header_put(page + SEGMENT_HEADER_COPY, s);
    int error = s->file->ops->pwrite(s->file, slice_make(page, sizeof page), 0);
    return error ? error : s->file->ops->sync(s->file);
}

static bool spare_take(struct wal *w, uint64_t *ret_number)
{
    pthread_mutex_lock(&w->lock);
    bool found = w->spares_len > 0;
    if (found)
        *ret_number = w->spares[--w->spares_len];
    pthread_mutex_unlock(&w->lock);
    return found;
}

/* Open a file of segment_bytes, filled, under some name that is not the log's. */
static int blank_open(struct wal *w, char *name, struct disk_file **ret_file)
{
    uint64_t number;
    while (spare_take(w, &number)) {
        spare_name(name, number);
        uint64_t bytes = 0;
        int error = open_in(w, name, false, ret_file);
        if (!error)
            error = (*ret_file)->ops->size(*ret_file, &bytes);
        if (!error && bytes == w->segment_bytes)
            return 0;
        if (*ret_file)
            (*ret_file)->ops->close(*ret_file);
        *ret_file = NULL;
        error = unlink_in(w, name);
        if (error)
            return error;
    }
    strcpy(name, "new.wal");
    int error = unlink_in(w, name);
    if (!error)
        error = open_in(w, name, true, ret_file);
    if (!error)
        error = fill(w, *ret_file);
    return error;
}

static enum grid_err segment_make(struct wal *w, char *why)
{
    char blank[NAME_BYTES] = "", name[NAME_BYTES];
    struct segment *s = xcalloc(1, sizeof *s);
    *s = (struct segment){.refs = 1,
                          .number = w->next_number,
                          .bytes = w->segment_bytes,
                          .bytes_there = w->segment_bytes,
                          .stamp = w->stamp,
                          .incarnation = w->incarnation,
                          .open_lsn = w->open_lsn,
                          .open_number = w->open_number};
    segment_name(name, s->number);
    int error = blank_open(w, blank, &s->file);
    if (!error)
        error = header_write(s);
    if (!error)
        error = rename_in(w, blank, name);
    if (!error)
        error = sync_dir(w);
    if (error) {
        enum grid_err err = wal_fail(w, why, "make", name, error);
        segment_free(s);
        if (err == GRID_ENO_SPACE && unlink_in(w, blank))
            wal_say(why, "cannot unlink %s/%s", w->dir, blank);
        return err;
    }
    pthread_mutex_lock(&w->lock);
    segment_append(w, s);
    w->next_number++;
    pthread_mutex_unlock(&w->lock);
    atomic_fetch_add(&w->prepared, s->bytes - SEGMENT_DATA);
    return GRID_OK;
}

bool wal_wants_room(const struct wal *w)
{
    return atomic_load(&w->prepared) < atomic_load(&w->accepted) + w->ahead_bytes;
}

enum grid_err wal_prepare(struct wal *w, char *why)
{
    CHECK(w->recovered);
    enum grid_err err = GRID_OK;
    pthread_mutex_lock(&w->making);
    while (!err && wal_wants_room(w))
        err = segment_make(w, why);
    pthread_mutex_unlock(&w->making);
    return err;
}

/* --- reclaiming ------------------------------------------------------------------------------- */

/* Whether the log goes without segment i: all of it is in the checkpoint, and a later one tells
 * by itself how far the log had come. */
static bool reclaimable(const struct wal *w, size_t i, uint64_t lsn)
{
    if (i + 1 >= w->segments_len)
        return false;
    const struct segment *s = w->segments[i];
    bool unused = !s->bad && s->incarnation == w->incarnation && s->last_lsn == 0;
    if (unused || s == w->current || s->last_lsn > lsn)
        return false;
    for (size_t j = i + 1; j < w->segments_len; j++) {
        const struct segment *next = w->segments[j];
        if (next->first_lsn || (!next->bad && next->incarnation > s->incarnation))
            return next->first_lsn <= lsn;
    }
    return false;
}

/* Take the oldest segments out of the list that may go; the caller owns what is returned. */
static size_t reclaim_take(struct wal *w, uint64_t lsn, uint64_t retention, struct segment ***ret)
{
    pthread_mutex_lock(&w->lock);
    uint64_t bytes = 0;
    size_t past = 0, n = 0;
    while (reclaimable(w, past, lsn))
        bytes += w->segments[past++]->bytes_there;
    while (n < past && bytes > retention)
        bytes -= w->segments[n++]->bytes_there;
    if (n) {
        *ret = xcalloc(n, sizeof(struct segment *));
        memcpy(*ret, w->segments, n * sizeof(struct segment *));
        memmove(w->segments, w->segments + n, (w->segments_len - n) * sizeof(struct segment *));
        w->segments_len -= n;
    }
    pthread_mutex_unlock(&w->lock);
    return n;
}

enum grid_err wal_reclaim(struct wal *w, uint64_t lsn, uint64_t retention_bytes, char *why)
{
    struct segment **gone = NULL;
    size_t n = reclaim_take(w, lsn, retention_bytes, &gone);
    int error = 0;
    for (size_t i = 0; i < n && !error; i++)
        error = segment_retire(w, gone[i]);
    for (size_t i = 0; i < n; i++)
        segment_unref(w, gone[i]);
    free(gone);
    return error ? wal_fail(w, why, "recycle segments in", "", error) : GRID_OK;
}
