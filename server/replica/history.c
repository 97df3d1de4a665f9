/* history.c - common points by epochs. */
#include "replica/history.h"

#include "data/record.h"

static uint64_t epoch_of(uint64_t version)
{
    return version >> SEQ_BITS;
}

void replica_history_add(struct replica_history *h, uint64_t version)
{
    CHECK(version > h->last);
    if (h->last && epoch_of(h->last) != epoch_of(version)) {
        if (h->ends_len == REPLICA_ENDS_MAX)
            h->torn = true;
        else
            h->ends_len++;
        for (unsigned i = h->ends_len - 1u; i > 0; i--)
            h->ends[i] = h->ends[i - 1];
        h->ends[0] = h->last;
    }
    h->last = version;
}

void replica_history_cut(struct replica_history *h, uint64_t version)
{
    unsigned gone = 0;
    while (gone < h->ends_len && h->ends[gone] >= version)
        gone++;
    if (h->last <= version)
        return;
    for (unsigned i = gone; i < h->ends_len; i++)
        h->ends[i - gone] = h->ends[i];
    h->ends_len = (uint8_t)(h->ends_len - gone);
    h->last = version;
    if (!version)
        h->torn = false;
}

/* The end of the i-th epoch, newest first; 0: there is none. */
static uint64_t end_at(const struct replica_history *h, unsigned i)
{
    if (i == 0)
        return h->last;
    return i <= h->ends_len ? h->ends[i - 1] : 0;
}

uint64_t replica_history_floor(const struct replica_history *h, uint64_t version)
{
    for (unsigned i = 0;; i++) {
        uint64_t end = end_at(h, i);
        if (end <= version || epoch_of(end) == epoch_of(version))
            return end < version ? end : version;
        if (i == h->ends_len)
            return h->torn ? version : 0; /* of an epoch that is not in the list */
    }
}

void replica_history_extend(struct replica_history *h, const struct replica_history *older)
{
    uint64_t oldest = end_at(h, h->ends_len);
    unsigned i = 0;
    if (!oldest || !older->last || replica_history_floor(older, oldest) != oldest)
        return;
    while (i <= older->ends_len && epoch_of(end_at(older, i)) > epoch_of(oldest))
        i++;
    if (i > older->ends_len || epoch_of(end_at(older, i)) != epoch_of(oldest))
        return; /* of an epoch that is not in the list */
    h->torn = older->torn;
    for (i++; i <= older->ends_len; i++) {
        if (h->ends_len == REPLICA_ENDS_MAX) {
            h->torn = true;
            return;
        }
        h->ends[h->ends_len++] = end_at(older, i);
    }
}

bool replica_history_common(const struct replica_history *a, const struct replica_history *b,
                            uint64_t *ret_version)
{
    unsigned i = 0, j = 0;
    for (;;) {
        uint64_t x = end_at(a, i), y = end_at(b, j);
        if (!x || !y)
            break;
        if (epoch_of(x) == epoch_of(y)) {
            *ret_version = x < y ? x : y;
            return true;
        }
        if (x > y)
            i++;
        else
            j++;
    }
    if (a->torn || b->torn)
        return false;
    *ret_version = 0;
    return true;
}

bool replica_history_valid(const struct replica_history *h)
{
    if (h->ends_len > REPLICA_ENDS_MAX || (!h->last && (h->ends_len || h->torn)))
        return false;
    uint64_t above = h->last;
    for (unsigned i = 0; i < h->ends_len; i++) {
        if (!h->ends[i] || epoch_of(h->ends[i]) >= epoch_of(above))
            return false;
        above = h->ends[i];
    }
    return true;
}

void replica_history_check(const struct replica_history *h)
{
    CHECK(replica_history_valid(h));
}
