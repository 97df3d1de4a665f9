/* disk.c - see disk.h. */
#include "tests/sim/grid/disk.h"

#include "base/alloc.h"

#include <stdlib.h>

static struct slice own(struct slice s)
{
    uint8_t *data = xalloc(s.len + 1);
    if (s.len)
        memcpy(data, s.data, s.len);
    return slice_make(data, s.len);
}

static void disown(struct slice s)
{
    free((void *)(uintptr_t)s.data);
}

struct write *write_new(const struct grid_persist *p)
{
    struct write *w = xcalloc(1, sizeof *w);
    w->job = p->job;
    if (p->identity) {
        w->has_identity = true;
        w->identity = *p->identity;
    }
    if (!p->raft)
        return w;
    w->has_raft = true;
    w->raft.term = p->raft->term;
    w->raft.vote = p->raft->vote;
    w->drop_to = p->raft->drop_to;
    w->cut_from = p->raft->cut_from;
    if (p->raft->snapshot) {
        w->has_snapshot = true;
        w->raft.snapshot = *p->raft->snapshot;
        w->raft.snapshot.data = own(p->raft->snapshot->data);
    }
    w->raft.entries = xcalloc(p->raft->entries_len + 1, sizeof *w->raft.entries);
    w->raft.entries_len = p->raft->entries_len;
    for (size_t i = 0; i < w->raft.entries_len; i++) {
        w->raft.entries[i] = p->raft->entries[i];
        w->raft.entries[i].data = own(p->raft->entries[i].data);
    }
    return w;
}

void disk_release(struct simdisk *d)
{
    for (size_t i = 0; i < d->entries_len; i++)
        disown(d->entries[i].data);
    free(d->entries);
    disown(d->snapshot.data);
    memset(d, 0, sizeof *d);
}

void write_free(struct write *w)
{
    disk_release(&w->raft);
    free(w);
}

static void keep_entries(struct simdisk *d, uint64_t above, uint64_t below_index)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->entries_len; i++) {
        if (d->entries[i].index > above && d->entries[i].index < below_index)
            d->entries[kept++] = d->entries[i];
        else
            disown(d->entries[i].data);
    }
    d->entries_len = kept;
}

void disk_apply(struct simdisk *d, struct write *w)
{
    if (w->has_identity)
        d->identity = w->identity;
    if (w->has_raft) {
        d->term = w->raft.term;
        d->vote = w->raft.vote;
        if (w->has_snapshot) {
            disown(d->snapshot.data);
            d->snapshot = w->raft.snapshot;
            w->raft.snapshot.data = slice_make(NULL, 0);
        }
        if (w->drop_to)
            keep_entries(d, w->drop_to, UINT64_MAX);
        if (w->cut_from)
            keep_entries(d, 0, w->cut_from);
        if (w->raft.entries_len)
            keep_entries(d, 0, w->raft.entries[0].index);
        size_t len = d->entries_len + w->raft.entries_len;
        d->entries = xrealloc(d->entries, len + 1, sizeof *d->entries);
        for (size_t i = 0; i < w->raft.entries_len; i++)
            d->entries[d->entries_len++] = w->raft.entries[i];
        w->raft.entries_len = 0;
    }
    write_free(w);
}
