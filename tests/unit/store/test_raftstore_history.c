/* test_raftstore_history.c - any order of writes that an engine may ask for, with failures and
 * crashes between, against what one would remember.
 * LINK: store grid raft control replica data base */
#include "base/alloc.h"
#include "base/prng.h"
#include "store/raftstore.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOG_MAX = 400, DATA_MAX = 3000 };

static char why[STORE_WHY_BYTES];

/* What was written, as one would remember it. */
struct model {
    uint64_t term;
    uint32_t vote;
    uint64_t index, snapshot_term;
    uint8_t snapshot_seed;
    size_t snapshot_len;
    uint64_t first, last; /* first > last: empty */
    uint64_t terms[LOG_MAX];
    size_t lens[LOG_MAX];
    struct grid_identity identity;
};

static uint8_t bytes[4 << 20];

static struct slice data_of(uint64_t index, uint64_t term, size_t len)
{
    return slice_make(bytes + (index * 31 + term * 7) % 1000, len);
}

static struct raftstore *open_mem(struct store_mem *mem, bool create)
{
    struct raftstore *s = NULL;
    struct kv *kv = store_mem_open(mem);
    enum grid_err err = raftstore_open_kv(&kv, "DIR/control", create, why, &s);
    ck_assert_msg(!err, "%s", why);
    return s;
}

static void expect(struct raftstore *s, const struct model *m)
{
    struct raftstore_found f;
    enum grid_err err = raftstore_read(s, why, &f);
    const struct raft_stored *r = &f.raft;
    ck_assert_msg(!err, "%s", why);
    ck_assert_mem_eq(&f.identity, &m->identity, sizeof f.identity);
    ck_assert_uint_eq(r->term, m->term);
    ck_assert_uint_eq(r->vote, m->vote);
    ck_assert_uint_eq(r->snapshot.index, m->index);
    ck_assert_uint_eq(r->snapshot.term, m->snapshot_term);
    ck_assert_uint_eq(r->snapshot.data.len, m->snapshot_len);
    if (m->snapshot_len)
        ck_assert_mem_eq(r->snapshot.data.data, bytes + m->snapshot_seed, m->snapshot_len);
    if (m->index)
        ck_assert_uint_eq(r->snapshot.membership.voters[0], 7);
    ck_assert_uint_eq(r->entries_len, m->last + 1 - m->first);
    for (size_t i = 0; i < r->entries_len; i++) {
        uint64_t index = m->first + i;
        ck_assert_uint_eq(r->entries[i].index, index);
        ck_assert_uint_eq(r->entries[i].term, m->terms[index]);
        ck_assert(slice_eq(r->entries[i].data, data_of(index, m->terms[index], m->lens[index])));
    }
    raftstore_found_release(&f);
}

/* A write that an engine might ask for, and what is remembered then. */
struct change {
    struct raft_persist persist;
    struct raft_snapshot snapshot;
    struct raft_entry entries[16];
    struct grid_identity identity;
    struct grid_persist job;
};

static void change_snapshot(struct change *c, struct model *m, struct prng *p)
{
    uint64_t index = m->first + prng_below(p, m->last + 1 - m->first);
    m->index = index;
    m->snapshot_term = m->terms[index];
    m->snapshot_seed = (uint8_t)prng_next(p);
    m->snapshot_len = (size_t)prng_below(p, prng_below(p, 8) ? 5000 : 3 << 20);
    c->snapshot = (struct raft_snapshot){index,
                                         m->snapshot_term,
                                         {.voters_len = 1, .voters = {7}},
                                         slice_make(bytes + m->snapshot_seed, m->snapshot_len)};
    c->persist.snapshot = &c->snapshot;
    if (prng_below(p, 2)) {
        uint64_t to = m->first + prng_below(p, index + 1 - m->first);
        c->persist.drop_to = to;
        m->first = to + 1;
        if (m->last < to)
            m->last = to;
    }
}

static void change_make(struct change *c, struct model *m, struct prng *p)
{
    *c = (struct change){0};
    m->term += prng_below(p, 2);
    m->vote = (uint32_t)prng_below(p, 4);
    if (m->first <= m->last && prng_below(p, 4) == 0)
        change_snapshot(c, m, p);
    if (m->last > m->index && m->last >= m->first && prng_below(p, 4) == 0) {
        uint64_t low = m->index + 1 > m->first ? m->index + 1 : m->first;
        c->persist.cut_from = low + prng_below(p, m->last + 1 - low);
        m->last = c->persist.cut_from - 1;
    }
    size_t n = m->last + 16 < LOG_MAX ? (size_t)prng_below(p, 16) : 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t index = ++m->last;
        m->terms[index] = m->term;
        m->lens[index] = (size_t)prng_below(p, DATA_MAX);
        c->entries[i] = (struct raft_entry){index, m->term, RAFT_ENTRY_COMMAND,
                                            data_of(index, m->term, m->lens[index])};
    }
    c->persist.term = m->term;
    c->persist.vote = m->vote;
    c->persist.entries = c->entries;
    c->persist.entries_len = n;
    c->job.raft = &c->persist;
    if (prng_below(p, 5) == 0) {
        m->identity.number = (uint32_t)prng_below(p, 1000);
        m->identity.grid_id[3] = (uint8_t)prng_next(p);
        c->identity = m->identity;
        c->job.identity = &c->identity;
    }
}

static void bytes_fill(void)
{
    struct prng p = {1};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)prng_next(&p);
}

/* Writes of one to three jobs, failures and crashes between; `limit`: of space. */
static void history(uint64_t seed)
{
    struct prng p = {seed};
    struct store_mem *mem = store_mem_new();
    struct raftstore *s = open_mem(mem, true);
    struct model m = {.first = 1};
    for (int i = 0; i < 60; i++) {
        struct model next = m;
        struct change changes[3];
        struct raftstore_job *jobs[3];
        size_t n = 1 + (size_t)prng_below(&p, 3);
        for (size_t k = 0; k < n; k++) {
            change_make(&changes[k], &next, &p);
            jobs[k] = raftstore_job_new(&changes[k].job);
        }
        bool fails = prng_below(&p, 8) == 0;
        if (fails)
            store_mem_fail_commit(mem, GRID_ENO_SPACE, 0, 1);
        enum grid_err err = raftstore_write(s, jobs, n, why);
        for (size_t k = 0; k < n; k++)
            free(jobs[k]);
        ck_assert_int_eq(err, fails ? GRID_ENO_SPACE : GRID_OK);
        if (!fails)
            m = next;
        if (prng_below(&p, 6) == 0) {
            store_mem_crash(mem);
            raftstore_close(s);
            s = open_mem(mem, false);
        }
        expect(s, &m);
    }
    raftstore_close(s);
    store_mem_free(mem);
}

START_TEST(what_was_written_is_found_after_crashes_and_failures)
{
    bytes_fill();
    for (uint64_t seed = 1; seed <= 50; seed++)
        history(seed);
}
END_TEST

UNIT_MAIN("store/raftstore_history", what_was_written_is_found_after_crashes_and_failures)
