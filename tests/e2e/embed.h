/* embed.h - nodes in this process, for the programs beside this: one alone, or three that form a
 * grid; what their logs and faults were; claims, told as other tests tell theirs. */
#ifndef GRIDD_TESTS_E2E_EMBED_H
#define GRIDD_TESTS_E2E_EMBED_H

#include "server/gridd.h"
#include "tests/lib/look.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 128, NODES = 3, KEYS = 300 };
#define MAYBE_UNUSED __attribute__((unused))

static int failed;
static char root[PATH_BYTES];

static MAYBE_UNUSED bool check(const char *name, bool good, const char *seen)
{
    if (good)
        printf("ok %s\n", name);
    else
        printf("not ok %s: %s\n", name, seen);
    fflush(stdout);
    failed += !good;
    return good;
}

/* --- a disk that fails ------------------------------------------------------------------------ */

static atomic_bool sync_fails; /* of the shards of a node whose directory is b */

int fdatasync(int fd)
{
    char name[64] = "", path[4096] = "";
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t len = atomic_load(&sync_fails) ? readlink(name, path, sizeof path - 1) : 0;
    if (len > 0 && strstr(path, "/b/shard-")) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

/* --- nodes ------------------------------------------------------------------------------------ */

struct seen { /* of one node's log and faults */
    atomic_uint lines, faults;
    pthread_mutex_t lock;
    char text[1 << 16], fault[512];
    size_t len;
};

static MAYBE_UNUSED void seen_log(void *ctx, enum grid_log_level level, const char *part,
                                  const char *text)
{
    struct seen *s = ctx;
    (void)level;
    atomic_fetch_add(&s->lines, 1);
    pthread_mutex_lock(&s->lock);
    int n = snprintf(s->text + s->len, sizeof s->text - s->len, "%s: %s\n", part, text);
    if (n > 0 && (size_t)n < sizeof s->text - s->len)
        s->len += (size_t)n;
    pthread_mutex_unlock(&s->lock);
}

static MAYBE_UNUSED void seen_fault(void *ctx, const char *why)
{
    struct seen *s = ctx;
    snprintf(s->fault, sizeof s->fault, "%s", why);
    atomic_fetch_add(&s->faults, 1);
}

static MAYBE_UNUSED struct seen *seen_new(void)
{
    struct seen *s = calloc(1, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

static MAYBE_UNUSED bool said(struct seen *s, const char *text)
{
    pthread_mutex_lock(&s->lock);
    bool found = strstr(s->text, text) != NULL;
    pthread_mutex_unlock(&s->lock);
    return found;
}

static MAYBE_UNUSED const char small[] = "storage { log_segment = \"4M\" }\n"
                                         "listen { http = off resp = off }\nlog { level = info }\n";

/* A node alone, at a port that the system chooses. */
static MAYBE_UNUSED struct grid_node_conf alone(char path[PATH_BYTES], const char *name,
                                                struct seen *s)
{
    snprintf(path, PATH_BYTES, "%.100s/%s", root, name);
    return (struct grid_node_conf){.text = small,
                                   .name = name,
                                   .data = path,
                                   .client = "127.0.0.1:0",
                                   .shards = 2,
                                   .memory = 64 << 20,
                                   .ctx = s,
                                   .log = seen_log,
                                   .fault = seen_fault};
}

static MAYBE_UNUSED struct grid *client_of(const struct grid_node *n, struct grid_cache **ret_cache)
{
    struct grid_options options = {.endpoints = grid_node_address(n, GRID_DOOR_CLIENT),
                                   .timeout_ms = 20000};
    struct grid *g = NULL;
    char why[GRID_WHY_BYTES];
    if (grid_connect(&options, &g, why) || grid_cache_open(g, "default/default", ret_cache)) {
        printf("# no client: %s\n", why);
        return NULL;
    }
    return g;
}

static MAYBE_UNUSED struct grid_bytes bytes(const char *text)
{
    return (struct grid_bytes){text, strlen(text)};
}

static MAYBE_UNUSED enum grid_err put(struct grid_cache *c, unsigned i)
{
    char key[16], value[32];
    snprintf(key, sizeof key, "key%u", i);
    snprintf(value, sizeof value, "value of %u", i);
    return grid_put(c, bytes(key), bytes(value), NULL, NULL);
}

static MAYBE_UNUSED bool has(struct grid_cache *c, unsigned i)
{
    char key[16], value[32];
    struct grid_value got;
    snprintf(key, sizeof key, "key%u", i);
    snprintf(value, sizeof value, "value of %u", i);
    if (grid_get(c, bytes(key), bytes(""), &got))
        return false;
    bool same = got.len == strlen(value) && memcmp(got.data, value, got.len) == 0;
    grid_value_release(&got);
    return same;
}

/* Writes or reads keys at a node; how many were right. */
static MAYBE_UNUSED unsigned keys_at(const struct grid_node *n, bool write, unsigned from,
                                     unsigned to)
{
    struct grid_cache *c;
    struct grid *g = client_of(n, &c);
    unsigned good = 0;
    for (unsigned i = from; g && i < to; i++)
        good += write ? put(c, i) == GRID_OK : has(c, i);
    if (g)
        grid_close(g);
    return good;
}

static MAYBE_UNUSED bool ready_soon(struct grid_node *n, char *why)
{
    for (double began = look_now_s(); !grid_node_ready(n, why);)
        if (!look_again(began))
            return false;
    return true;
}

static MAYBE_UNUSED void root_make(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(root, sizeof root, "%.80s/gridd-embed-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(root))
        exit(1);
}

static MAYBE_UNUSED void root_remove(void)
{
    char command[PATH_BYTES + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    if (system(command))
        printf("# %s stays\n", root);
}

#endif
