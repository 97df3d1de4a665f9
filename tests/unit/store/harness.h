/* harness.h - records and logs for the tests of the store. */
#ifndef GRIDD_TESTS_STORE_HARNESS_H
#define GRIDD_TESTS_STORE_HARNESS_H

#include "base/alloc.h"
#include "base/hash.h"
#include "store/checkpoint.h"
#include "store/wal.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEGMENT = WAL_SEGMENT_BYTES_MIN, PARTITIONS = 4, LSN_MAX = 4096 };

/* A record's content follows from its lsn, so that whatever comes back can be judged. */
static inline size_t value_len(uint64_t lsn)
{
    return lsn % 97 == 0 ? 9000 + lsn % 1000 : 20 + lsn * 7 % 200;
}

static inline uint16_t partition_of_lsn(uint64_t lsn)
{
    return (uint16_t)((lsn * 2654435761u >> 8) % PARTITIONS);
}

struct made {
    struct effect effect;
    struct record record;
    char key[32];
    uint8_t value[12000];
};

/* The record of `lsn`: a PUT to partition partition_of_lsn(); seqs[] counts the versions of each
 * partition. */
static inline const struct record *make_record(struct made *m, uint64_t lsn, uint64_t *seqs)
{
    uint16_t p = partition_of_lsn(lsn);
    size_t len = value_len(lsn);
    snprintf(m->key, sizeof m->key, "key-%u", (unsigned)(lsn % 50));
    for (size_t i = 0; i < len; i++)
        m->value[i] = (uint8_t)(lsn * 31 + i);
    m->effect = (struct effect){.kind = EFFECT_PUT,
                                .created = false,
                                .cache = 1,
                                .key = slice_str(m->key),
                                .value = slice_make(m->value, len)};
    m->record = (struct record){.context = 1,
                                .partition = p,
                                .version = version_make(1, ++seqs[p]),
                                .time_ms = lsn,
                                .effects = &m->effect,
                                .effects_len = 1};
    return &m->record;
}

/* What a recovery found. */
struct found {
    uint64_t count;
    uint64_t last;
    bool gap;   /* lsns were skipped */
    bool wrong; /* a record that was never written */
    bool seen[LSN_MAX];
};

static inline void found_record(void *ctx, const struct record *r, uint64_t lsn)
{
    struct found *f = ctx;
    if (lsn <= f->last)
        f->wrong = true;
    if (lsn != f->last + 1)
        f->gap = true;
    if (lsn < LSN_MAX)
        f->seen[lsn] = true;
    f->last = lsn;
    f->count++;
    const struct effect *e = r->effects;
    if (r->time_ms != lsn || r->partition != partition_of_lsn(lsn) || r->effects_len != 1 ||
        e->value.len != value_len(lsn)) {
        f->wrong = true;
        return;
    }
    for (size_t i = 0; i < e->value.len; i++)
        f->wrong |= e->value.data[i] != (uint8_t)(lsn * 31 + i);
}

static inline struct wal *log_open(struct disk *d, bool create, uint64_t random)
{
    char why[STORE_WHY_BYTES] = "";
    struct wal *w = NULL;
    struct wal_conf conf = {.disk = d,
                            .dir = "wal",
                            .segment_bytes = SEGMENT,
                            .ahead_bytes = 3 * SEGMENT,
                            .random = random,
                            .create = create};
    enum grid_err err = wal_open(&conf, why, &w);
    ck_assert_msg(!err, "%s", why);
    return w;
}

static inline struct wal *log_recover(struct disk *d, uint64_t random, uint64_t from,
                                      struct found *f, struct wal_report *report)
{
    char why[STORE_WHY_BYTES] = "";
    struct wal *w = log_open(d, false, random);
    struct wal_visit visit = {.ctx = f, .record = found_record};
    *f = (struct found){.last = from};
    *report = (struct wal_report){0};
    enum grid_err err = wal_recover(w, from, &visit, why, report);
    ck_assert_msg(!err, "%s", why);
    wal_check(w);
    return w;
}

/* A new, recovered, prepared log. */
static inline struct wal *log_new(struct disk *d, uint64_t random)
{
    struct wal *w = log_open(d, true, random);
    struct wal_visit visit = {0};
    struct wal_report report = {0};
    ck_assert_int_eq(wal_recover(w, 0, &visit, NULL, &report), GRID_OK);
    ck_assert_uint_eq(report.last_lsn, 0);
    wal_report_release(&report);
    ck_assert_int_eq(wal_prepare(w, NULL), GRID_OK);
    return w;
}

/* Append `n` records as one batch. */
static inline enum grid_err log_append(struct wal *w, unsigned n, uint64_t next_lsn, uint64_t *seqs)
{
    static struct made made;
    struct wal_batch b;
    wal_batch_init(&b, w);
    for (unsigned i = 0; i < n; i++) {
        const struct record *r = make_record(&made, next_lsn + i, seqs);
        ck_assert(wal_has_room(w, record_size_max(r)));
        ck_assert_uint_eq(wal_batch_add(&b, r), next_lsn + i);
    }
    enum grid_err err = wal_write(w, &b, NULL);
    wal_batch_release(&b);
    return err;
}

#endif
