/* main.c - runs seeds; each has a mix of its own. Prints one line `ok` per 100 seeds.
 * LINK: sim shard replica control data store base */
#include "tests/sim/world.h"

#include "base/alloc.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct world *running;

static void on_abort(int sig)
{
    (void)sig;
    printf("not ok seed %llu, step %llu%s: a CHECK failed\n# replay: make sim SEED=%llu\n",
           (unsigned long long)running->seed, (unsigned long long)running->step,
           running->flipped ? " (a bit flipped)" : "", (unsigned long long)running->seed);
    fflush(stdout);
    _exit(1);
}

static uint64_t number_of(const char *text)
{
    return text ? strtoull(text, NULL, 10) : 0;
}

int main(int argc, char **argv)
{
    uint64_t seeds = 1000, start = 1;
    bool verbose = false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--seeds") == 0)
            seeds = number_of(value);
        else if (strcmp(argv[i], "--start") == 0)
            start = number_of(value);
        else if (strcmp(argv[i], "--verbose") == 0)
            verbose = true;
        else if (strcmp(argv[i], "--seed") == 0) {
            start = number_of(value);
            seeds = 1;
        }
    }
    signal(SIGABRT, on_abort);
    uint64_t failures = 0;
    for (uint64_t i = 0; i < seeds; i++) {
        struct world w = {.seed = start + i, .verbose = verbose};
        running = &w;
        world_run(&w);
        failures += w.failed;
        if ((i + 1) % 100 == 0 || i + 1 == seeds)
            printf("%s up to seed %llu\n", failures ? "not ok" : "ok", (unsigned long long)w.seed);
    }
    return failures != 0;
}
