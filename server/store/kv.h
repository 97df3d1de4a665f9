/* kv.h - a small transactional store of sorted keys: what checkpoint.c and meta.c need of LMDB,
 * and no more. kv_lmdb.c is the real one; store_mem.c the simulated one. One writer at a time;
 * readers any time, each with a snapshot. Errors: GRID_ENOT_FOUND, GRID_ENO_SPACE (disk or map
 * full), GRID_ECORRUPT (structure), GRID_EIO (the caller ends the node). */
#ifndef GRIDD_STORE_KV_H
#define GRIDD_STORE_KV_H

#include "base/err.h"
#include "base/prng.h"
#include "base/slice.h"
#include "store/disk.h"

enum kv_table { KV_META, KV_HEADS, KV_SESSIONS, KV_ENTRIES, KV_PARTS, KV_TABLES };
enum { KV_KEY_BYTES_MAX = 500 };

struct kv;
struct kv_txn;
struct kv_cursor;

struct kv_ops {
    MUST_USE
    enum grid_err (*begin)(struct kv *kv, bool write, struct kv_txn **ret_txn);
    MUST_USE
    enum grid_err (*commit)(
        struct kv_txn *t);           /* ends it, error or not; an error: nothing is changed */
    void (*abort)(struct kv_txn *t); /* NULL is fine */
    /* Slices are borrowed until the next change in the transaction or its end. */
    MUST_USE
    enum grid_err (*get)(struct kv_txn *t, enum kv_table table, struct slice key,
                         struct slice *ret_value);
    MUST_USE
    enum grid_err (*put)(struct kv_txn *t, enum kv_table table, struct slice key,
                         struct slice value);
    MUST_USE
    enum grid_err (*del)(struct kv_txn *t, enum kv_table table, struct slice key);
    MUST_USE
    enum grid_err (*cursor)(struct kv_txn *t, enum kv_table table, struct kv_cursor **ret_cursor);
    /* The first key >= `key`. GRID_ENOT_FOUND: none. */
    MUST_USE
    enum grid_err (*seek)(struct kv_cursor *c, struct slice key, struct slice *ret_key,
                          struct slice *ret_value);
    MUST_USE
    enum grid_err (*next)(struct kv_cursor *c, struct slice *ret_key, struct slice *ret_value);
    /* Delete what the cursor stands on (write transaction); next() then gives what followed it. */
    MUST_USE
    enum grid_err (*cursor_del)(struct kv_cursor *c);
    void (*cursor_close)(struct kv_cursor *c); /* before its transaction ends; NULL is fine */
    void (*size)(struct kv *kv, uint64_t *ret_used, uint64_t *ret_file); /* any thread */
    void (*close)(struct kv *kv);
};

struct kv {
    const struct kv_ops *ops;
};

struct kv_lmdb_conf {
    const char *path; /* of the environment directory */
    bool create; /* make it when it is missing; else a missing or empty file is GRID_ECORRUPT */
    uint64_t map_bytes; /* 0: 1 TiB, or what the system gives */
    unsigned readers;   /* read transactions at once, 0: 126 */
};
/* *ret_kv is the caller's; kv->ops->close(). Errors with a line in `why` (STORE_WHY_BYTES). */
MUST_USE
enum grid_err kv_lmdb_open(const struct kv_lmdb_conf *conf, char *why, struct kv **ret_kv);
/* LMDB trusts its pages: a damaged one can make it touch memory that is not there, or assert. After
 * this call such a fault inside LMDB prints one clear line and ends the process with status 2
 * instead of a core dump; other faults go on as before. For the program alone to call, once, before
 * threads: it handles SIGBUS and SIGSEGV. */
void kv_lmdb_guard(void);

/* The store of a simulation, alive over kv closes: open it again after a crash. */
struct store_mem;
struct store_mem *store_mem_new(void);
void store_mem_free(struct store_mem *s);
struct kv *store_mem_open(struct store_mem *s);
/* The process died: what was not committed is gone. Handles opened before fail from now on, but
 * are still to be closed. */
void store_mem_crash(struct store_mem *s);
/* Bytes of keys and values; a put above fails with GRID_ENO_SPACE. 0: no limit. */
void store_mem_set_capacity(struct store_mem *s, uint64_t bytes);
/* The next `count` commits after `skip` good ones fail with `err` and change nothing. */
void store_mem_fail_commit(struct store_mem *s, enum grid_err err, unsigned skip, unsigned count);
/* Flip one bit in the value of the `nth` row of a table. false: no such. */
bool store_mem_flip(struct store_mem *s, enum kv_table table, uint64_t nth, uint64_t bit);

#endif
