/* test_meta.c - the data directory: made once, one owner, every refusal with its reason.
 * LINK: store data base */
#include "store/checkpoint_priv.h"
#include "store/meta.h"
#include "tests/lib/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], why[STORE_WHY_BYTES];
static struct meta_conf conf = {.dir = dir, .grid = "test", .shards = 4};

static void dir_new(void)
{
    strcpy(dir, "/tmp/meta-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    *why = '\0';
}

static void dir_remove(void)
{
    static const char *const names[] = {"meta/data.mdb", "meta/lock.mdb", "LOCK", "other"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/meta", dir);
    rmdir(path);
    snprintf(path, sizeof path, "%s/shard-0", dir);
    rmdir(path);
    rmdir(dir);
}

static void shard_make(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/shard-0", dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static struct meta *open_ok(void)
{
    struct meta *m = NULL;
    enum grid_err err = meta_open(&conf, why, &m);
    ck_assert_msg(!err, "%s", why);
    return m;
}

static void refused(enum grid_err err, const char *reason)
{
    struct meta *m = NULL;
    ck_assert_int_eq(meta_open(&conf, why, &m), err);
    ck_assert_ptr_null(m);
    ck_assert_msg(strstr(why, reason) != NULL && strstr(why, dir) != NULL, "%s", why);
}

START_TEST(a_directory_is_made_once_and_counts_its_starts)
{
    dir_new();
    rmdir(dir); /* it is made when it is missing */
    struct meta *m = open_ok();
    struct meta_info first = *meta_info(m);
    struct stat st;
    ck_assert_int_eq(stat(dir, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
    ck_assert(first.fresh);
    ck_assert_uint_eq(first.boot, 1);
    ck_assert_uint_eq(first.shards, 4);
    ck_assert_str_eq(first.grid, "test");
    meta_close(m);
    m = open_ok(); /* a crash before meta_made() */
    ck_assert(meta_info(m)->fresh);
    shard_make();
    meta_close(m);
    m = open_ok();
    ck_assert(meta_info(m)->fresh);
    ck_assert_int_eq(meta_made(m, why), GRID_OK);
    meta_close(m);
    struct meta_conf other = conf;
    other.shards = 9;
    other.grid = NULL;
    ck_assert_int_eq(meta_open(&other, why, &m), GRID_OK);
    ck_assert(!meta_info(m)->fresh);
    ck_assert_uint_eq(meta_info(m)->boot, 4);
    ck_assert_uint_eq(meta_info(m)->shards, 4);
    ck_assert_mem_eq(meta_info(m)->node_id, first.node_id, NODE_ID_BYTES);
    meta_close(m);
    dir_remove();
}
END_TEST

START_TEST(the_catalog_comes_back)
{
    dir_new();
    struct buf out = BUF_INIT;
    uint64_t revision = 0;
    struct meta *m = open_ok();
    ck_assert_int_eq(meta_catalog_get(m, why, &revision, &out), GRID_ENOT_FOUND);
    ck_assert_int_eq(meta_catalog_set(m, 7, slice_str("content"), why), GRID_OK);
    meta_close(m);
    m = open_ok();
    ck_assert_int_eq(meta_catalog_get(m, why, &revision, &out), GRID_OK);
    ck_assert_uint_eq(revision, 7);
    ck_assert(slice_eq(buf_slice(&out), slice_str("content")));
    buf_release(&out);
    meta_close(m);
    dir_remove();
}
END_TEST

START_TEST(a_second_process_is_told_who_has_it)
{
    dir_new();
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    struct meta *m = open_ok();
    refused(GRID_EIN_USE, pid);
    meta_close(m);
    meta_close(open_ok());
    dir_remove();
}
END_TEST

START_TEST(another_grid_is_refused)
{
    dir_new();
    meta_close(open_ok());
    conf.grid = "other";
    refused(GRID_ECONDITION, "belongs to grid 'test'");
    conf.grid = "test";
    dir_remove();
}
END_TEST

START_TEST(foreign_and_incomplete_directories_are_refused)
{
    dir_new();
    char path[128];
    snprintf(path, sizeof path, "%s/other", dir);
    close(creat(path, 0600));
    refused(GRID_ECORRUPT, "holds other files");
    unlink(path);
    shard_make();
    refused(GRID_ECORRUPT, "meta is missing");
    dir_remove();

    dir_new();
    meta_close(open_ok());
    shard_make();
    snprintf(path, sizeof path, "%s/meta/data.mdb", dir);
    unlink(path);
    refused(GRID_ECORRUPT, "is missing");
    close(creat(path, 0600));
    refused(GRID_ECORRUPT, "is empty");
    dir_remove();
}
END_TEST

/* Open DIR/meta from outside and change a row. */
static void row_change(const char *name, uint64_t number, bool flip)
{
    char path[128];
    struct kv *kv;
    struct kv_txn *t;
    struct slice row;
    uint8_t copy[64];
    snprintf(path, sizeof path, "%s/meta", dir);
    struct kv_lmdb_conf kv_conf = {.path = path};
    ck_assert_int_eq(kv_lmdb_open(&kv_conf, why, &kv), GRID_OK);
    ck_assert_int_eq(kv->ops->begin(kv, true, &t), GRID_OK);
    if (flip) {
        ck_assert_int_eq(kv->ops->get(t, KV_META, slice_str(name), &row), GRID_OK);
        memcpy(copy, row.data, row.len);
        copy[row.len - 1] ^= 1;
        ck_assert_int_eq(kv->ops->put(t, KV_META, slice_str(name), slice_make(copy, row.len)),
                         GRID_OK);
    } else {
        ck_assert_int_eq(number_put(t, kv, name, number), GRID_OK);
    }
    ck_assert_int_eq(kv->ops->commit(t), GRID_OK);
    kv->ops->close(kv);
}

START_TEST(newer_and_damaged_rows_are_refused)
{
    dir_new();
    meta_close(open_ok());
    row_change("format", META_FORMAT + 1, false);
    refused(GRID_ENEWER, "newer version");
    row_change("format", META_FORMAT, false);
    meta_close(open_ok());
    static const char *const rows[] = {"format", "node", "grid", "shards", "boot", "made"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        row_change(rows[i], 0, true);
        refused(GRID_ECORRUPT, "damaged");
        row_change(rows[i], 0, true);
    }
    meta_close(open_ok());
    dir_remove();
}
END_TEST

START_TEST(a_directory_without_permission_is_named)
{
    dir_new();
    ck_assert_int_eq(chmod(dir, 0500), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
            _exit(3);
        struct meta *m = NULL;
        enum grid_err err = meta_open(&conf, why, &m);
        _exit(err == GRID_EDENIED && strstr(why, dir) && strstr(why, "ermission") ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(chmod(dir, 0700), 0);
    dir_remove();
}
END_TEST

START_TEST(a_missing_parent_is_named)
{
    dir_new();
    dir_remove();
    strcat(dir, "/below");
    refused(GRID_EIO, "make the directory above it");
}
END_TEST

UNIT_MAIN("store/meta", a_directory_is_made_once_and_counts_its_starts, the_catalog_comes_back,
          a_second_process_is_told_who_has_it, another_grid_is_refused,
          foreign_and_incomplete_directories_are_refused, newer_and_damaged_rows_are_refused,
          a_directory_without_permission_is_named, a_missing_parent_is_named)
