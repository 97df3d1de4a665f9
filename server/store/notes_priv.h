/* notes_priv.h - what a fold remembers of the records that it reads until it writes. */
#ifndef GRIDD_STORE_NOTES_PRIV_H
#define GRIDD_STORE_NOTES_PRIV_H

#include "data/sessions.h"
#include "store/checkpoint_priv.h"

/* --- checkpoint_kept.c: the memory of a transaction ------------------------------------------- */

/* Bytes that stay until all are given up. Clear with {0}. */
struct kept {
    uint8_t **blocks; /* those from blocks_len on are empty */
    size_t blocks_len, blocks_made, blocks_cap;
    size_t left;     /* bytes free at the end of the last */
    uint8_t **large; /* what is more than a block */
    size_t large_len, large_cap;
    bool taken_large; /* the room that was given last is one of them */
    size_t bytes;     /* taken */
};
/* Room for `len` bytes, aligned for what is no larger than 8; then, how many of them are used. */
void *kept_room(struct kept *k, size_t len);
void kept_take(struct kept *k, size_t len);
void kept_clear(struct kept *k); /* the blocks stay */
void kept_release(struct kept *k);

/* Room for one more: the array, which may have moved. */
void *array_grow(void *p, size_t len, size_t *cap, size_t bytes);

/* --- checkpoint_notes.c: what is remembered of records ---------------------------------------- */

/* A change, or what was done to a session. */
struct note {
    uint64_t place; /* context, partition, cache or 0 */
    uint64_t start; /* of the key behind what all keys begin with, or of the id; big-endian */
    const void *what;
};
/* In the order of the log, until they are sorted. Clear with {0}. */
struct notes {
    struct note *items, *spare; /* to sort with */
    size_t len, cap, spare_cap;
    bool whole; /* keys with one place and start are one */
};
void notes_release(struct notes *n);
/* Those of a partition: context, partition. */
void notes_forget(struct notes *n, uint32_t partition);

/* What is borrowed is copied to `k`. */
void note_change(struct notes *n, struct kept *k, uint64_t place, uint64_t version,
                 const struct effect *e);
struct slice note_key(const struct note *n);
void note_change_get(const struct note *n, struct change *ret_change);
/* Of changes of one key: where the last is that builds on nothing; none: 0. */
size_t note_base(const struct note *run, size_t n);
/* By place and key. */
void notes_sort_changes(struct notes *n);
/* Then: whether two have one key; one is looked at soon, unless another of its key is behind it. */
bool notes_same_key(const struct notes *n, size_t a, size_t b);
void notes_fetch(const struct notes *n, size_t at);

void note_session(struct notes *n, struct kept *k, uint64_t place,
                  const struct session_change *change);
/* The value of `e` is what it is from now on; empty: nothing. */
void note_session_end(struct notes *n, struct kept *k, uint64_t place, const struct effect *e);
/* How it was changed. False: what was before is nothing, or *ret_stored. Slices borrow. */
bool note_session_get(const struct note *n, struct session_change *ret_change,
                      struct slice *ret_stored);
void note_session_id(const struct note *n, struct session_id *ret_id);
bool note_same_session(const struct note *a, const struct note *b);

/* --- checkpoint_sort.c ------------------------------------------------------------------------ */

typedef int note_order_fn(const struct note *a, const struct note *b);
/* By place, start and, if it is not NULL, `order`. */
void notes_sort(struct notes *n, note_order_fn *order);

#endif
