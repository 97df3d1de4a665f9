/* alter.c - another value in a copy that is not in use, with a right checksum, as no fault of a
 * disk would leave it: alter DIR KEY VALUE. For what compares copies.
 * LINK: store data base */
#include "base/alloc.h"
#include "store/checkpoint_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool row_alter(struct kv *kv, struct kv_txn *t, struct slice name, struct slice row,
                      struct slice value)
{
    struct entry_row r;
    struct buf out = BUF_INIT, key = BUF_INIT;
    buf_add(&key, name.data, name.len);
    bool done = entry_row_get(name, row, &r) == GRID_OK && !r.parts;
    if (done) {
        r.entry.value = value;
        entry_row_put(&out, buf_slice(&key), &r);
        done = kv->ops->put(t, KV_ENTRIES, buf_slice(&key), buf_slice(&out)) == GRID_OK;
    }
    buf_release(&out);
    buf_release(&key);
    return done;
}

/* The first entry of that key, in whatever cache. */
static bool store_alter(struct kv *kv, struct slice wanted, struct slice value)
{
    struct kv_txn *t;
    struct kv_cursor *c = NULL;
    struct slice name, row;
    struct entry_key key;
    bool found = false;
    if (kv->ops->begin(kv, true, &t))
        return false;
    enum grid_err err = kv->ops->cursor(t, KV_ENTRIES, &c);
    if (!err)
        err = kv->ops->seek(c, slice_str(""), &name, &row);
    while (!err && !found) {
        found = entry_key_parse(name, &key) && slice_eq(key.key, wanted);
        if (!found)
            err = kv->ops->next(c, &name, &row);
    }
    bool done = found && row_alter(kv, t, name, row, value);
    kv->ops->cursor_close(c);
    if (done)
        return kv->ops->commit(t) == GRID_OK;
    kv->ops->abort(t);
    return false;
}

int main(int argc, char **argv)
{
    char why[STORE_WHY_BYTES] = "no such key";
    bool done = false;
    if (argc != 4) {
        fprintf(stderr, "usage: alter DIR KEY VALUE\n");
        return 2;
    }
    for (unsigned shard = 0; !done; shard++) {
        char path[4096];
        struct kv *kv;
        snprintf(path, sizeof path, "%s/shard-%u/data.mdb", argv[1], shard);
        struct kv_lmdb_conf conf = {.path = path};
        if (kv_lmdb_open(&conf, why, &kv))
            break;
        done = store_alter(kv, slice_str(argv[2]), slice_str(argv[3]));
        kv->ops->close(kv);
    }
    if (!done)
        fprintf(stderr, "alter: %s\n", why);
    return done ? 0 : 1;
}
