/* embed.c - nodes in this process, by gridd.h and grid.h alone: grids of them, starts and stops,
 * what they leave behind, faults of the disk, a system that gives no threads or descriptors. */
#include "tests/e2e/embed_grid.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { SIGNALS = 32 };

static unsigned own_threads;
/* --- what the system is asked for, and may refuse --------------------------------------------- */

static atomic_int threads_left = INT32_MAX;

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
    double began = look_now_s();
    while (entries("/proc/self/task") != wanted)
        if (!look_again(began))
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
    double began = look_now_s();
    for (; g && written < KEYS; written++) {
        atomic_store(&sync_fails, written >= KEYS / 2);
        if (put(c, written))
            break;
    }
    check("writes go on when the disk of one node fails", written == KEYS, g ? grid_error(g) : "");
    while (!atomic_load(&t.seen[1]->faults) && look_again(began))
        continue;
    check("it tells its program once", atomic_load(&t.seen[1]->faults) == 1 && t.seen[1]->fault[0],
          t.seen[1]->fault);
    check("and its log", said(t.seen[1], "the node ends at once"), t.seen[1]->text);
    check("the others have no fault",
          !atomic_load(&t.seen[0]->faults) && !atomic_load(&t.seen[2]->faults), "one");
    struct grid_options options = {.endpoints = t.client[1], .timeout_ms = 2000};
    struct grid *none = NULL;
    bool refused = false;
    for (began = look_now_s(); !refused && look_again(began);) {
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
