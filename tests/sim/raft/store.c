/* store.c - what a disk holds. Data lives in the arena of the world: a crash frees nothing. */
#include "tests/sim/raft/world.h"

#include "base/alloc.h"

uint64_t mix64(uint64_t a, uint64_t b)
{
    uint64_t h = (a ^ 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 32 ^ b) * 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 29;
}

uint64_t hash_slice(uint64_t h, struct slice s)
{
    h = mix64(h, s.len);
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ s.data[i]) * 0x100000001b3u;
    return h;
}

uint64_t store_last(const struct store *s)
{
    return s->len ? s->first + s->len - 1 : s->snapshot.index;
}

bool store_chain(const struct store *s, uint64_t index, uint64_t *ret_chain)
{
    if (s->len && index >= s->first && index < s->first + s->len)
        *ret_chain = s->entries[index - s->first].chain;
    else if (index == s->snapshot.index)
        *ret_chain = index ? s->snapshot_chain : 0;
    else
        return false;
    return true;
}

static void push(struct world *w, struct store *s, const struct raft_entry *e)
{
    uint64_t chain;
    if (!store_chain(s, e->index - 1, &chain)) {
        fail(w, NULL, "a gap in what is written, before entry %lu", (unsigned long)e->index);
        return;
    }
    if (s->len == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->entries = xrealloc(s->entries, s->cap, sizeof *s->entries);
    }
    if (!s->len)
        s->first = e->index;
    chain = hash_slice(mix64(mix64(chain, e->term), e->kind), e->data);
    s->entries[s->len++] = (struct sim_entry){e->term, e->kind, e->data, chain};
}

static void remove_first(struct store *s, uint64_t upto)
{
    size_t n = 0;
    while (n < s->len && s->first + n <= upto)
        n++;
    s->len -= n;
    memmove(s->entries, s->entries + n, s->len * sizeof *s->entries);
    s->first += n;
}

void store_apply(struct world *w, struct store *s, const struct raft_persist *p)
{
    s->term = p->term;
    s->vote = p->vote;
    if (p->snapshot) {
        s->snapshot = *p->snapshot;
        s->snapshot_chain = s->snapshot.index < INDEXES_MAX ? w->chains[s->snapshot.index] : 0;
    }
    if (p->drop_to)
        remove_first(s, p->drop_to);
    while (p->cut_from && s->len && s->first + s->len - 1 >= p->cut_from)
        s->len--;
    for (size_t i = 0; i < p->entries_len; i++) {
        while (s->len && s->first + s->len - 1 >= p->entries[i].index)
            s->len--;
        push(w, s, &p->entries[i]);
    }
}

void store_copy(struct store *to, const struct store *from)
{
    struct sim_entry *entries = to->entries;
    size_t cap = to->cap;
    if (cap < from->len) {
        cap = from->len;
        entries = xrealloc(entries, cap, sizeof *entries);
    }
    *to = *from;
    to->entries = entries;
    to->cap = cap;
    if (to->len)
        memcpy(entries, from->entries, to->len * sizeof *entries);
}
