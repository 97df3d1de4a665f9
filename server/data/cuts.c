/* cuts.c - a handful of cuts, and the last record of each partition while a log is read. */
#include "data/cuts.h"

#include "base/alloc.h"

#include <stdlib.h>

void cuts_release(struct cuts *c)
{
    free(c->at);
    *c = (struct cuts){0};
}

void cuts_add(struct cuts *c, const struct cut *cut)
{
    if (c->len == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 8;
        c->at = xrealloc(c->at, c->cap, sizeof *c->at);
    }
    c->at[c->len++] = *cut;
}

bool cuts_have(const struct cuts *c, uint32_t context, uint16_t partition, uint64_t version,
               uint64_t lsn)
{
    for (size_t i = 0; i < c->len; i++) {
        const struct cut *cut = &c->at[i];
        if (cut->context == context && cut->partition == partition && lsn <= cut->lsn &&
            (version & SEQ_MASK) >= cut->seq)
            return true;
    }
    return false;
}

void cuts_forget(struct cuts *c, uint64_t lsn)
{
    size_t n = 0;
    for (size_t i = 0; i < c->len; i++) {
        if (c->at[i].lsn > lsn)
            c->at[n++] = c->at[i];
    }
    c->len = n;
}

void cuts_check(const struct cuts *c)
{
    for (size_t i = 1; i < c->len; i++)
        CHECK(c->at[i - 1].lsn <= c->at[i].lsn);
}

/* --- survey ----------------------------------------------------------------------------------- */

struct cuts_last {
    uint64_t version; /* 0: free */
    uint32_t context;
    uint16_t partition;
};

static struct cuts_last *last_slot(const struct cuts_survey *s, uint32_t context,
                                   uint16_t partition)
{
    size_t i = (context * UINT32_C(0x9e3779b1) ^ partition * UINT32_C(0x85ebca6b)) & (s->cap - 1);
    while (s->slots[i].version &&
           (s->slots[i].context != context || s->slots[i].partition != partition))
        i = (i + 1) & (s->cap - 1);
    return &s->slots[i];
}

static void survey_grow(struct cuts_survey *s)
{
    struct cuts_survey old = *s;
    s->cap = old.cap ? old.cap * 2 : 1024;
    s->slots = xcalloc(s->cap, sizeof *s->slots);
    for (size_t i = 0; i < old.cap; i++) {
        const struct cuts_last *l = &old.slots[i];
        if (l->version)
            *last_slot(s, l->context, l->partition) = *l;
    }
    free(old.slots);
}

void cuts_survey_release(struct cuts_survey *s)
{
    free(s->slots);
    *s = (struct cuts_survey){0};
}

void cuts_survey_add(struct cuts_survey *s, const struct record *r, uint64_t lsn, struct cuts *out)
{
    if (!r->version)
        return;
    if (s->len * 2 >= s->cap)
        survey_grow(s);
    struct cuts_last *last = last_slot(s, r->context, r->partition);
    uint64_t seq = r->version & SEQ_MASK;
    if (!last->version)
        s->len++;
    else if (!r->restates && r->version > last->version && seq <= (last->version & SEQ_MASK))
        cuts_add(out, &(struct cut){r->context, r->partition, seq, lsn - 1});
    else if (!r->restates && r->version < last->version)
        return; /* a repetition */
    *last = (struct cuts_last){r->version, r->context, r->partition};
}
