/* journal.c - an array of entries with an array of notes beside it, so that a range of entries can
 * be lent as it is. Dropping moves the rest down: seldom, after a snapshot. */
#include "raft/journal.h"

#include "base/alloc.h"
#include "raft/sabotage.h"

#include <stdlib.h>

static void mark_push(struct journal *l, uint64_t index, const struct raft_membership *m)
{
    if (l->marks_len == l->marks_cap) {
        l->marks_cap = l->marks_cap ? 2 * l->marks_cap : 4;
        l->marks = xrealloc(l->marks, l->marks_cap, sizeof *l->marks);
    }
    l->marks[l->marks_len++] = (struct mark){index, *m};
}

void journal_init(struct journal *l, uint64_t index, uint64_t term, uint64_t write,
                  const struct raft_membership *m)
{
    *l = (struct journal){.base = index, .base_term = term, .base_write = write};
    mark_push(l, index, m);
}

void journal_release(struct journal *l)
{
    for (size_t i = 0; i < l->len; i++)
        free((void *)(uintptr_t)l->entries[i].data.data);
    free(l->entries);
    free(l->notes);
    free(l->marks);
    *l = (struct journal){0};
}

bool journal_term(const struct journal *l, uint64_t index, uint64_t *ret_term)
{
    if (index < l->base || index > journal_last(l))
        return false;
    *ret_term = index == l->base ? l->base_term : journal_at(l, index)->term;
    return true;
}

uint64_t journal_last_term(const struct journal *l)
{
    return l->len ? l->entries[l->len - 1].term : l->base_term;
}

uint64_t journal_floor(const struct journal *l, uint64_t upto, uint64_t term)
{
    uint64_t low = l->base, high = upto < journal_last(l) ? upto : journal_last(l);
    if (high <= low)
        return low;
    while (low < high) { /* terms do not fall, so halving finds the last one */
        uint64_t middle = low + (high - low + 1) / 2;
        if (journal_at(l, middle)->term <= term)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static uint64_t sum_at(const struct journal *l, uint64_t index)
{
    return index <= l->base ? l->base_sum : l->notes[index - l->base - 1].sum;
}

uint64_t journal_bytes(const struct journal *l, uint64_t from, uint64_t to)
{
    return from < to ? sum_at(l, to) - sum_at(l, from) : 0;
}

void journal_append(struct journal *l, const struct raft_entry *e, uint64_t write)
{
    if (l->len == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 16;
        l->entries = xrealloc(l->entries, l->cap, sizeof *l->entries);
        l->notes = xrealloc(l->notes, l->cap, sizeof *l->notes);
    }
    uint8_t *data = NULL;
    if (e->data.len) {
        data = xalloc(e->data.len);
        memcpy(data, e->data.data, e->data.len);
    }
    uint64_t index = journal_last(l) + 1;
    uint64_t sum = sum_at(l, journal_last(l)) + e->data.len + LOG_ENTRY_OVERHEAD;
    l->entries[l->len] =
        (struct raft_entry){index, e->term, e->kind, slice_make(data, e->data.len)};
    l->notes[l->len] = (struct note){write, sum};
    l->len++;
    if (e->kind == RAFT_ENTRY_MEMBERSHIP) {
        struct raft_membership m;
        CHECK(raft_membership_decode(e->data, &m));
        mark_push(l, index, &m);
    }
}

void journal_cut(struct journal *l, uint64_t from)
{
    CHECK(from > l->base);
    while (journal_last(l) >= from)
        free((void *)(uintptr_t)l->entries[--l->len].data.data);
    if (l->stable >= from)
        l->stable = from - 1;
    while (!SABOTAGE(NO_ROLLBACK) && l->marks_len > 1 && l->marks[l->marks_len - 1].index >= from)
        l->marks_len--;
}

void journal_drop(struct journal *l, uint64_t to)
{
    if (to <= l->base)
        return;
    CHECK(to <= journal_last(l));
    size_t n = (size_t)(to - l->base);
    l->base_term = journal_at(l, to)->term;
    l->base_sum = sum_at(l, to);
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)l->entries[i].data.data);
    l->base = to;
    l->base_write = l->notes[n - 1].write;
    l->len -= n;
    memmove(l->entries, l->entries + n, l->len * sizeof *l->entries);
    memmove(l->notes, l->notes + n, l->len * sizeof *l->notes);
}

void journal_written(struct journal *l, uint64_t write)
{
    if (l->base_write > write)
        return;
    if (l->stable < l->base)
        l->stable = l->base;
    while (l->stable < journal_last(l) && l->notes[l->stable - l->base].write <= write)
        l->stable++;
}

const struct mark *journal_members(const struct journal *l)
{
    return &l->marks[l->marks_len - 1];
}

const struct mark *journal_members_at(const struct journal *l, uint64_t index)
{
    size_t i = l->marks_len - 1;
    while (i && l->marks[i].index > index)
        i--;
    return &l->marks[i];
}

void journal_marks_drop(struct journal *l, uint64_t index)
{
    size_t n = (size_t)(journal_members_at(l, index) - l->marks);
    l->marks_len -= n;
    memmove(l->marks, l->marks + n, l->marks_len * sizeof *l->marks);
}

void journal_check(const struct journal *l)
{
    CHECK(l->len <= l->cap && l->marks_len);
    CHECK(l->stable <= journal_last(l));
    uint64_t term = l->base_term, write = 0;
    for (size_t i = 0; i < l->len; i++) {
        CHECK(l->entries[i].index == l->base + 1 + i);
        CHECK(l->entries[i].term >= term && l->notes[i].write >= write);
        term = l->entries[i].term;
        write = l->notes[i].write;
    }
    for (size_t i = 1; i < l->marks_len; i++)
        CHECK(l->marks[i].index > l->marks[i - 1].index && l->marks[i].index <= journal_last(l));
}
