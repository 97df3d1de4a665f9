/* embed.c - nodes in this process, by gridd.h and grid.h alone: grids of them, starts and stops,
 * what they leave behind, faults of the disk, a system that gives no threads or descriptors. */
#include "server/gridd.h"

#include <grid.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DEADLINE_S = 60, PATH_BYTES = 128, NODES = 3, KEYS = 300, SIGNALS = 32 };

static int failed;
static unsigned own_threads;
static char root[PATH_BYTES];

static bool check(const char *name, bool good, const char *seen)
{
    if (good)
        printf("ok %s\n", name);
    else
        printf("not ok %s: %s\n", name, seen);
    fflush(stdout);
    failed += !good;
    return good;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Another look a moment later, until the deadline. */
static bool again(double began)
{
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    return now_s() - began < DEADLINE_S;
}

/* --- what the system is asked for, and may refuse --------------------------------------------- */

static atomic_bool sync_fails; /* of the shards of a node whose directory is b */
static atomic_int threads_left = INT32_MAX;

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

int pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*body)(void *), void *arg)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (!real) {
        void *found = dlsym(RTLD_NEXT, "pthread_create");
        memcpy(&real, &found, sizeof real);
    }
    if (atomic_fetch_sub(&threads_left, 1) <= 0)
        return EAGAIN;
    return real(ret, attr, body, arg);
}

static unsigned entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned n = 0;
    for (struct dirent *e; dir && (e = readdir(dir));)
        n += e->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return n;
}

static unsigned descriptors(void)
{
    return entries("/proc/self/fd");
}

/* A thread that was joined may be seen for a moment more. */
static bool threads_are(unsigned wanted)
{
    double began = now_s();
    while (entries("/proc/self/task") != wanted)
        if (!again(began))
            return false;
    return true;
}

/* Below those of outgoing connections: none of these takes it while its node is down. */
static unsigned free_port(void)
{
    static unsigned last;
    if (!last)
        last = 10000 + (unsigned)getpid() * 7 % 15000;
    for (;;) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        last = last < 30000 ? last + 1 : 10000;
        a.sin_port = htons((uint16_t)last);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        bool good = bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
        close(fd);
        if (good)
            return last;
    }
}

/* --- nodes ------------------------------------------------------------------------------------ */

struct seen { /* of one node's log and faults */
    atomic_uint lines, faults;
    pthread_mutex_t lock;
    char text[1 << 16], fault[512];
    size_t len;
};

static void seen_log(void *ctx, enum grid_log_level level, const char *part, const char *text)
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

static void seen_fault(void *ctx, const char *why)
{
    struct seen *s = ctx;
    snprintf(s->fault, sizeof s->fault, "%s", why);
    atomic_fetch_add(&s->faults, 1);
}

static struct seen *seen_new(void)
{
    struct seen *s = calloc(1, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

static bool said(struct seen *s, const char *text)
{
    pthread_mutex_lock(&s->lock);
    bool found = strstr(s->text, text) != NULL;
    pthread_mutex_unlock(&s->lock);
    return found;
}

static const char small[] = "storage { log_segment = \"4M\" }\n"
                            "listen { http = off resp = off }\nlog { level = info }\n";

/* A node alone, at a port that the system chooses. */
static struct grid_node_conf alone(char path[PATH_BYTES], const char *name, struct seen *s)
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

static struct grid *client_of(const struct grid_node *n, struct grid_cache **ret_cache)
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

static struct grid_bytes bytes(const char *text)
{
    return (struct grid_bytes){text, strlen(text)};
}

static enum grid_err put(struct grid_cache *c, unsigned i)
{
    char key[16], value[32];
    snprintf(key, sizeof key, "key%u", i);
    snprintf(value, sizeof value, "value of %u", i);
    return grid_put(c, bytes(key), bytes(value), NULL, NULL);
}

static bool has(struct grid_cache *c, unsigned i)
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
static unsigned keys_at(const struct grid_node *n, bool write, unsigned from, unsigned to)
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

static bool ready_soon(struct grid_node *n, char *why)
{
    for (double began = now_s(); !grid_node_ready(n, why);)
        if (!again(began))
            return false;
    return true;
}

/* --- one node --------------------------------------------------------------------------------- */

struct surroundings {
    struct sigaction actions[SIGNALS];
    sigset_t mask;
    struct rlimit files;
    mode_t umask;
    unsigned descriptors;
};

static struct surroundings look_around(void)
{
    struct surroundings s;
    memset(&s, 0, sizeof s);
    for (int i = 1; i < SIGNALS; i++)
        sigaction(i, NULL, &s.actions[i]);
    pthread_sigmask(SIG_BLOCK, NULL, &s.mask);
    getrlimit(RLIMIT_NOFILE, &s.files);
    s.umask = umask(0);
    umask(s.umask);
    s.descriptors = descriptors();
    return s;
}

static bool same_around(const struct surroundings *a, const struct surroundings *b)
{
    for (int i = 1; i < SIGNALS; i++)
        if (a->actions[i].sa_handler != b->actions[i].sa_handler ||
            sigismember(&a->mask, i) != sigismember(&b->mask, i))
            return false;
    return a->files.rlim_cur == b->files.rlim_cur && a->umask == b->umask;
}

static void one_node(void)
{
    char path[PATH_BYTES], why[GRID_NODE_WHY_BYTES] = "";
    struct seen *s = seen_new();
    struct grid_node_conf conf = alone(path, "one", s);
    struct surroundings before = look_around();
    struct grid_node *n = grid_node_start(&conf, why);
    if (!check("a node starts in a few lines", n != NULL, why))
        return;
    struct surroundings during = look_around();
    check("the process is as it was", same_around(&before, &during), "signals, masks or limits");
    check("a node alone is ready at once", ready_soon(n, why), why);
    const char *at = grid_node_address(n, GRID_DOOR_CLIENT);
    check("it says where it listens", at && strncmp(at, "127.0.0.1:", 10) == 0, at ? at : "NULL");
    check("doors that are off have no address",
          !grid_node_address(n, GRID_DOOR_HTTP) && !grid_node_address(n, GRID_DOOR_PEER),
          "an address");
    check("libgridclient writes to it", keys_at(n, true, 0, KEYS) == KEYS, "not all");
    check("and reads from it", keys_at(n, false, 0, KEYS) == KEYS, "not all");
    char *metrics = grid_node_metrics(n);
    check("it tells its numbers", metrics && strstr(metrics, "gridd_") && strstr(metrics, "# TYPE"),
          metrics ? metrics : "NULL");
    free(metrics);
    check("its lines come to the program", said(s, "node: gridd ") && said(s, "one of grid"),
          s->text);
    struct grid_node_conf wrong = conf;
    wrong.text = "log { level = loud }";
    check("a reload that is wrong is refused",
          !grid_node_reload(n, &wrong, why) && strstr(why, "1: log: level: \"loud\""), why);
    wrong.text = "log { level = error }\nlisten { http = off resp = off }";
    check("and one that is right is taken, which has no reason",
          grid_node_reload(n, &wrong, why) && !why[0], why);
    check("which is told", said(s, "not reloaded") && !said(s, "was read anew"), s->text);
    grid_node_stop(n);
    struct surroundings after = look_around();
    check("a level of errors alone tells of no stop", !said(s, "stopp"), s->text);
    check("it leaves no descriptor", after.descriptors == before.descriptors, "more, or less");
    check("nor a thread", threads_are(own_threads), "more");
    check("and the process is as it was", same_around(&before, &after), "signals, masks or limits");
    free(s);
}

static void refusals(void)
{
    char path[PATH_BYTES], why[GRID_NODE_WHY_BYTES] = "";
    struct seen *s = seen_new();
    struct grid_node_conf conf = alone(path, "refused", s);
    struct grid_node *n = grid_node_start(&conf, why), *second;
    if (!check("it starts", n != NULL, why))
        return;
    unsigned before = descriptors();
    second = grid_node_start(&conf, why);
    check("a directory has one node of a process", !second && strstr(why, "in use"), why);
    grid_node_stop(second);
    char other[PATH_BYTES];
    struct grid_node_conf taken = alone(other, "taken", s);
    taken.client = grid_node_address(n, GRID_DOOR_CLIENT);
    second = grid_node_start(&taken, why);
    check("an address has one, too", !second && strstr(why, "in use"), why);
    check("and nothing was made", access(other, F_OK) != 0, other);
    taken.client = "0.0.0.0:0";
    taken.name = "two words";
    second = grid_node_start(&taken, why);
    check("all that is wrong with a configuration is told",
          !second && strstr(why, "needs tls") && strstr(why, "\"two words\""), why);
    taken.file = "/nonexistent/gridd.conf";
    second = grid_node_start(&taken, why);
    check("so is a file that is missing", !second && strstr(why, "/nonexistent/gridd.conf"), why);
    check("no refusal leaves a descriptor", descriptors() == before, "more, or less");
    grid_node_stop(n);
    grid_node_stop(NULL);
    free(s);
}

static void starts_and_stops(void)
{
    char path[PATH_BYTES], why[GRID_NODE_WHY_BYTES] = "";
    unsigned good = 0, before = descriptors(), kept = 0;
    for (unsigned i = 0; i < 20; i++) {
        struct seen *s = seen_new();
        struct grid_node_conf conf = alone(path, "often", s);
        struct grid_node *n = grid_node_start(&conf, why);
        if (n) {
            kept += keys_at(n, false, 0, i) == i;
            good += keys_at(n, true, i, i + 1) == 1;
        }
        grid_node_stop(n);
        good += said(s, "node: stopped");
        free(s);
    }
    check("a node starts and stops twenty times", good == 40, why);
    check("with all that was written", kept == 20, "less");
    check("and leaves no descriptor", descriptors() == before, "more, or less");
    check("nor a thread", threads_are(own_threads), "more");
}

/* Each life of a log begins a segment: those of lives without a write do not add up. */
static void idle_lives(void)
{
    enum { LIVES = 20 };
    char path[PATH_BYTES], wal[PATH_BYTES + 16], why[GRID_NODE_WHY_BYTES] = "";
    unsigned good = 0;
    struct seen *s = seen_new();
    struct grid_node_conf conf = alone(path, "idle", s);
    snprintf(wal, sizeof wal, "%s/shard-0/wal", path);
    for (unsigned i = 0; i < LIVES; i++) {
        struct grid_cache *c;
        struct grid_node *n = grid_node_start(&conf, why);
        struct grid *g = n && i == 0 ? client_of(n, &c) : NULL;
        good += g ? !grid_setting_set(g, "log_retention", 0) : n != NULL;
        if (g)
            grid_close(g);
        grid_node_stop(n);
    }
    check("a node lives often without a write", good == LIVES, why);
    snprintf(why, sizeof why, "%u", entries(wal));
    check("and its log stays as large", entries(wal) < LIVES / 2, why);
    free(s);
}

/* How many descriptors another program would have, if this one ran it. */
static unsigned kept_by_exec(void)
{
    unsigned kept = 0;
    for (int fd = 3; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);
        kept += flags >= 0 && !(flags & FD_CLOEXEC);
    }
    return kept;
}

/* The program goes to another directory while the node, whose own was named from the first, needs a
 * segment of its log more. */
static void elsewhere(void)
{
    enum { VALUES = 24, VALUE_BYTES = 512 << 10 };
    char path[PATH_BYTES], before[4096], why[GRID_NODE_WHY_BYTES] = "";
    struct seen *s = seen_new();
    struct grid_node_conf conf = alone(path, "here", s);
    unsigned written = 0;
    struct grid_cache *c;
    conf.data = "./here";
    if (!check("the program has a directory", getcwd(before, sizeof before) && !chdir(root), ""))
        return;
    struct grid_node *n = grid_node_start(&conf, why);
    check("and leaves it", !chdir("/"), strerror(errno));
    struct grid *g = n ? client_of(n, &c) : NULL;
    void *value = calloc(1, VALUE_BYTES);
    for (char key[] = "a"; g && written < VALUES; key[0]++, written++)
        if (grid_put(c, bytes(key), (struct grid_bytes){value, VALUE_BYTES}, NULL, NULL))
            break;
    free(value);
    check("its node writes on", n && written == VALUES && !atomic_load(&s->faults), s->text);
    if (g)
        grid_close(g);
    grid_node_stop(n);
    check("in the directory of its start", access(path, F_OK) == 0 && !chdir(before), path);
    free(s);
}

static void a_child(void)
{
    char path[PATH_BYTES], why[GRID_NODE_WHY_BYTES] = "", at[64] = "";
    struct seen *s = seen_new();
    struct grid_node_conf conf = alone(path, "forked", s);
    unsigned before = kept_by_exec();
    struct grid_node *n = grid_node_start(&conf, why);
    if (!check("it starts", n != NULL, why))
        return;
    check("another program would get none of its descriptors", kept_by_exec() == before, "some");
    snprintf(at, sizeof at, "%s", grid_node_address(n, GRID_DOOR_CLIENT));
    conf.client = at;
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    grid_node_stop(n);
    n = grid_node_start(&conf, why);
    check("a node starts again while a child lives that was made beside it", n != NULL, why);
    check("and serves", n && keys_at(n, true, 0, 1) == 1, "not");
    grid_node_stop(n);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    free(s);
}

/* In a directory of its own; NULL, for `why`. */
static struct grid_node *start_with(unsigned number, int threads, rlim_t more_files, char *why)
{
    char path[PATH_BYTES], name[16];
    struct rlimit own, few;
    struct seen *s = seen_new();
    snprintf(name, sizeof name, "little%u", number);
    struct grid_node_conf conf = alone(path, name, s);
    conf.peers = (const char *const[]){"127.0.0.1:1", NULL};
    conf.peer = "127.0.0.1:0";
    conf.bootstrap_expect = 1;
    conf.log = NULL; /* `s` goes first */
    conf.fault = NULL;
    getrlimit(RLIMIT_NOFILE, &own);
    few = own;
    few.rlim_cur = descriptors() + more_files;
    atomic_store(&threads_left, threads);
    setrlimit(RLIMIT_NOFILE, &few);
    struct grid_node *n = grid_node_start(&conf, why);
    setrlimit(RLIMIT_NOFILE, &own);
    atomic_store(&threads_left, INT32_MAX);
    free(s);
    return n;
}

static void too_little(void)
{
    char why[GRID_NODE_WHY_BYTES] = "";
    unsigned before = descriptors(), tries = 0, refused = 0, number = 0;
    struct grid_node *n = NULL;
    for (int left = 0; !n && left < 64; left++, tries++) {
        n = start_with(number++, left, 1000, why);
        refused += !n && strstr(why, "gives no more");
    }
    check("a start that finds no thread says so, whichever it is",
          n && refused > 10 && refused + 1 == tries, why);
    grid_node_stop(n);
    check("and leaves nothing behind", descriptors() == before && threads_are(own_threads),
          "something");
    n = NULL;
    tries = refused = 0;
    for (rlim_t more = 1; !n && more < 200; more++, tries++) {
        n = start_with(number++, INT32_MAX, more, why);
        refused += !n && why[0];
    }
    check("so does one that finds no descriptor", n && refused > 10 && refused + 1 == tries, why);
    grid_node_stop(n);
    check("and leaves nothing behind, either", descriptors() == before && threads_are(own_threads),
          "something");
}

/* --- grids ------------------------------------------------------------------------------------ */

struct trio {
    struct grid_node *node[NODES];
    struct grid_node_conf conf[NODES];
    struct seen *seen[NODES];
    char path[NODES][PATH_BYTES], client[NODES][32], peer[NODES][32];
    const char *peers[NODES + 1];
};

static bool trio_start_one(struct trio *t, unsigned i)
{
    char why[GRID_NODE_WHY_BYTES] = "";
    t->node[i] = grid_node_start(&t->conf[i], why);
    if (!t->node[i])
        printf("# %s: %s\n", t->conf[i].name, why);
    return t->node[i] != NULL;
}

static bool trio_start(struct trio *t, const char *folder)
{
    static const char *const names[NODES] = {"a", "b", "c"};
    bool good = true;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%.100s/%s", root, folder);
    mkdir(path, 0700);
    for (unsigned i = 0; i < NODES; i++) {
        snprintf(t->client[i], sizeof t->client[i], "127.0.0.1:%u", free_port());
        snprintf(t->peer[i], sizeof t->peer[i], "127.0.0.1:%u", free_port());
        t->peers[i] = t->peer[i];
    }
    t->peers[NODES] = NULL;
    for (unsigned i = 0; i < NODES; i++) {
        t->seen[i] = seen_new();
        t->conf[i] = alone(t->path[i], names[i], t->seen[i]);
        snprintf(t->path[i], PATH_BYTES, "%.100s/%s/%s", root, folder, names[i]);
        t->conf[i].client = t->client[i];
        t->conf[i].peer = t->peer[i];
        t->conf[i].peers = t->peers;
        t->conf[i].bootstrap_expect = NODES;
        good = trio_start_one(t, i) && good;
    }
    return good;
}

static void trio_free(struct trio *t)
{
    for (unsigned i = 0; i < NODES; i++) {
        grid_node_stop(t->node[i]);
        free(t->seen[i]);
    }
}

/* Until nothing is short of copies, seen by node `at`. */
static bool healthy_soon(struct trio *t, unsigned at)
{
    struct grid_cache *c;
    struct grid *g = client_of(t->node[at], &c);
    bool healthy = false;
    for (double began = now_s(); g && !healthy && again(began);) {
        struct grid_status *s;
        if (grid_get_status(g, &s))
            continue;
        healthy = s->healthy && s->nodes_len == NODES && !s->short_of_copies && !s->misplaced;
        grid_free(s);
    }
    if (g)
        grid_close(g);
    return healthy;
}

static void a_grid(void)
{
    static struct trio t;
    unsigned before = descriptors();
    char why[GRID_NODE_WHY_BYTES] = "";
    if (!check("three nodes start in one process", trio_start(&t, "grid"), "not all"))
        return;
    bool ready = true;
    for (unsigned i = 0; i < NODES; i++)
        ready = ready_soon(t.node[i], why) && ready;
    check("and form a grid", ready && healthy_soon(&t, 0), why);
    check("what is written at one", keys_at(t.node[0], true, 0, KEYS) == KEYS, "not all");
    check("is read at another", keys_at(t.node[2], false, 0, KEYS) == KEYS, "not all");
    grid_node_stop(t.node[1]);
    t.node[1] = NULL;
    check("one stops, and everything is there", keys_at(t.node[0], false, 0, KEYS) == KEYS,
          "not all");
    check("and is written", keys_at(t.node[2], true, KEYS, 2 * KEYS) == KEYS, "not all");
    check("it starts again in the same process", trio_start_one(&t, 1), "no");
    check("and has its share again", ready_soon(t.node[1], why) && healthy_soon(&t, 1), why);
    check("with everything", keys_at(t.node[1], false, 0, 2 * KEYS) == 2 * KEYS, "not all");
    check("each log is of its own node",
          said(t.seen[0], "node: gridd ") && said(t.seen[0], "/a\n") && !said(t.seen[0], "/b\n") &&
              !said(t.seen[1], "/a\n"),
          "mixed");
    trio_free(&t);
    check("a grid that stopped leaves no descriptor", descriptors() == before, "more, or less");
    check("nor a thread of it", threads_are(own_threads), "more");
}

static void a_fault(void)
{
    static struct trio t;
    unsigned before = descriptors(), written = 0;
    char why[GRID_NODE_WHY_BYTES] = "";
    if (!check("three nodes start", trio_start(&t, "fault") && healthy_soon(&t, 0), "not all"))
        return;
    struct grid_cache *c;
    struct grid *g = client_of(t.node[0], &c);
    double began = now_s();
    for (; g && written < KEYS; written++) {
        atomic_store(&sync_fails, written >= KEYS / 2);
        if (put(c, written))
            break;
    }
    check("writes go on when the disk of one node fails", written == KEYS, g ? grid_error(g) : "");
    while (!atomic_load(&t.seen[1]->faults) && again(began))
        continue;
    check("it tells its program once", atomic_load(&t.seen[1]->faults) == 1 && t.seen[1]->fault[0],
          t.seen[1]->fault);
    check("and its log", said(t.seen[1], "the node ends at once"), t.seen[1]->text);
    check("the others have no fault",
          !atomic_load(&t.seen[0]->faults) && !atomic_load(&t.seen[2]->faults), "one");
    struct grid_options options = {.endpoints = t.client[1], .timeout_ms = 2000};
    struct grid *none = NULL;
    bool refused = false;
    for (began = now_s(); !refused && again(began);) {
        refused = grid_connect(&options, &none, NULL) != GRID_OK;
        if (!refused)
            grid_close(none);
    }
    check("nobody reaches it any more", refused, "somebody did");
    check("it has no numbers", !grid_node_metrics(t.node[1]), "some");
    check("and is not ready", !grid_node_ready(t.node[1], why) && why[0], why);
    grid_node_stop(t.node[1]);
    t.node[1] = NULL;
    atomic_store(&sync_fails, false);
    check("it is stopped and starts again", trio_start_one(&t, 1), "no");
    check("and has its share again", ready_soon(t.node[1], why) && healthy_soon(&t, 1), why);
    check("nothing that was acknowledged is lost", keys_at(t.node[1], false, 0, KEYS) == KEYS,
          "some");
    if (g)
        grid_close(g);
    trio_free(&t);
    check("no fault leaves a descriptor", descriptors() == before, "more, or less");
    check("nor a thread", threads_are(own_threads), "more");
}

/* --- several threads of a program ------------------------------------------------------------- */

static void *user_body(void *arg)
{
    const char *name = arg;
    char path[PATH_BYTES], why[GRID_NODE_WHY_BYTES] = "";
    uintptr_t good = 0;
    for (unsigned i = 0; i < 3; i++) {
        struct seen *s = seen_new();
        struct grid_node_conf conf = alone(path, name, s);
        struct grid_node *n = grid_node_start(&conf, why);
        char *metrics = n ? grid_node_metrics(n) : NULL;
        good += metrics && keys_at(n, true, i, i + 1) == 1 && keys_at(n, false, 0, i + 1) == i + 1;
        free(metrics);
        grid_node_stop(n);
        free(s);
    }
    return (void *)good;
}

static void by_threads(void)
{
    static char names[4][8] = {"t0", "t1", "t2", "t3"};
    pthread_t threads[4];
    uintptr_t good = 0;
    for (unsigned i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, user_body, names[i]);
    for (unsigned i = 0; i < 4; i++) {
        void *ret;
        pthread_join(threads[i], &ret);
        good += (uintptr_t)ret;
    }
    check("threads of a program have nodes of their own", good == 12, "not all");
}

static void root_make(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(root, sizeof root, "%.80s/gridd-embed-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(root))
        exit(1);
}

static void root_remove(void)
{
    char command[PATH_BYTES + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    if (system(command))
        printf("# %s stays\n", root);
}

static void *nothing(void *arg)
{
    return arg;
}

int main(void)
{
    static void (*const tests[])(void) = {one_node,  refusals,  starts_and_stops, idle_lives,
                                          elsewhere, a_child,   too_little,       a_grid,
                                          a_fault,   by_threads};
    pthread_t first; /* a sanitizer starts one of its own beside it */
    if (pthread_create(&first, NULL, nothing, NULL) == 0)
        pthread_join(first, NULL);
    own_threads = entries("/proc/self/task");
    root_make();
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tests[i]();
    root_remove();
    return failed ? 1 : 0;
}
