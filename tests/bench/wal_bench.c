/* wal_bench.c - group commit: batches of 100 records of 150 bytes, one
 * fdatasync each. wal_bench DIR [SECONDS]
 * LINK: store data base */
#include "base/clock.h"
#include "store/wal.h"

#include <stdio.h>
#include <stdlib.h>

enum { RECORDS = 100, VALUE_LEN = 110 };

static struct wal *log_new(const char *dir)
{
    char why[STORE_WHY_BYTES] = "";
    struct wal_conf conf = {
        .disk = disk_posix(), .dir = dir, .random = clock_mono_ns(), .create = true};
    struct wal_visit visit = {0};
    struct wal_report report = {0};
    struct wal *w = NULL;
    enum grid_err err = wal_open(&conf, why, &w);
    if (!err)
        err = wal_recover(w, 0, &visit, why, &report);
    if (!err)
        err = wal_prepare(w, why);
    if (err) {
        fprintf(stderr, "wal_bench: %s\n", why);
        exit(1);
    }
    wal_report_release(&report);
    return w;
}

static void batch_fill(struct wal_batch *b, uint64_t *seq)
{
    static const uint8_t value[VALUE_LEN];
    for (unsigned i = 0; i < RECORDS; i++) {
        char key[24];
        snprintf(key, sizeof key, "key-%010u", (unsigned)*seq);
        struct effect e = {.kind = EFFECT_PUT,
                           .cache = 1,
                           .key = slice_str(key),
                           .value = slice_make(value, sizeof value)};
        struct record r = {
            .context = 1, .partition = 1, .version = ++*seq, .effects = &e, .effects_len = 1};
        wal_batch_add(b, &r);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: wal_bench DIR [SECONDS]\n");
        return 2;
    }
    struct wal *w = log_new(argv[1]);
    uint64_t seconds = argc > 2 ? strtoull(argv[2], NULL, 10) : 3, seq = 0, prepared_ns = 0;
    struct wal_batch b;
    wal_batch_init(&b, w);
    uint64_t start = clock_mono_ns(), now = start;
    while (now - start < seconds * 1000000000u) {
        uint64_t before = clock_mono_ns();
        if (wal_wants_room(w) && (wal_reclaim(w, wal_durable(w), 0, NULL) || wal_prepare(w, NULL)))
            return 1;
        prepared_ns += clock_mono_ns() - before;
        batch_fill(&b, &seq);
        if (wal_write(w, &b, NULL) || wal_sync(w, NULL, NULL))
            return 1;
        wal_batch_reset(&b);
        now = clock_mono_ns();
    }
    double whole = (double)(now - start) / 1e9, busy = whole - (double)prepared_ns / 1e9;
    printf("%.0f records/s, %.0f us per batch of %d; %.0f records/s without making segments\n",
           (double)seq / whole, busy * 1e6 / ((double)seq / RECORDS), RECORDS, (double)seq / busy);
    wal_batch_release(&b);
    wal_close(w);
    return 0;
}
