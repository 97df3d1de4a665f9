/* cuts.h - records of a log that never happened: a replica's tail that was cut (R9). They stay in
 * the log, before what came in their place; whoever reads it leaves them out. A cut is known from
 * the log itself: a record at the seq of an earlier one, or before it, of a later epoch, cuts.
 * Invariant (cuts_check): cuts of a partition have growing lsns. */
#ifndef GRIDD_DATA_CUTS_H
#define GRIDD_DATA_CUTS_H

#include "data/record.h"

struct cut {
    uint32_t context;
    uint16_t partition;
    uint64_t seq; /* records with this seq and greater ones ... */
    uint64_t lsn; /* ... up to this place in the log were cut */
};

/* Clear with {0} before use, cuts_release(). */
struct cuts {
    struct cut *at; /* in the order of their lsns */
    size_t len, cap;
};

void cuts_release(struct cuts *c);
void cuts_add(struct cuts *c, const struct cut *cut);
/* Whether the record at `lsn` was cut. */
bool cuts_have(const struct cuts *c, uint32_t context, uint16_t partition, uint64_t version,
               uint64_t lsn);
/* Nobody will read up to `lsn` any more. */
void cuts_forget(struct cuts *c, uint64_t lsn);
void cuts_check(const struct cuts *c);

/* Finds the cuts of a log that is read in order. Clear with {0}, cuts_survey_release(). */
struct cuts_survey {
    struct cuts_last *slots; /* last record of each partition; by hash, linear probing */
    size_t len, cap;
};
void cuts_survey_release(struct cuts_survey *s);
/* The next record; its effects are not looked at. */
void cuts_survey_add(struct cuts_survey *s, const struct record *r, uint64_t lsn, struct cuts *out);

#endif
