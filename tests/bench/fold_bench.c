/* fold_bench.c - what the checkpoint thread costs: records of 100 bytes by 50 sessions, of random
 * keys in 1024 partitions, from the log into LMDB. fold_bench DIR [KEYS [RECORDS]]
 * LINK: store data base */
#include "base/clock.h"
#include "store/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { BATCH = 100, VALUE_LEN = 100, SESSIONS = 50, PARTITIONS = 1024, ROUNDS = 4 };

struct bench {
    struct wal *wal;
    struct checkpoint *checkpoint;
    struct wal_batch batch;
    struct prng prng;
    uint64_t lsn;
    uint64_t numbers[SESSIONS];
    uint64_t seqs[PARTITIONS];
};

static void die(const char *why)
{
    fprintf(stderr, "fold_bench: %s\n", why);
    exit(1);
}

static void files_open(struct bench *b, const char *dir)
{
    char why[STORE_WHY_BYTES] = "", path[4096];
    struct wal_visit visit = {0};
    struct wal_report report = {0};
    snprintf(path, sizeof path, "%s/wal", dir);
    struct wal_conf conf = {
        .disk = disk_posix(), .dir = path, .random = clock_mono_ns(), .create = true};
    (void)!mkdir(dir, 0700);
    if (checkpoint_open(dir, true, why, &b->checkpoint) || wal_open(&conf, why, &b->wal) ||
        wal_recover(b->wal, 0, &visit, why, &report) || wal_prepare(b->wal, why))
        die(why);
    wal_report_release(&report);
    wal_batch_init(&b->batch, b->wal);
}

static void record_add(struct bench *b, uint64_t name)
{
    static const uint8_t value[VALUE_LEN];
    char key[24];
    snprintf(key, sizeof key, "%016llu", (unsigned long long)name);
    uint16_t partition = (uint16_t)(name * 2654435761u % PARTITIONS);
    unsigned session = (unsigned)prng_below(&b->prng, SESSIONS);
    struct effect e = {.kind = EFFECT_PUT,
                       .cache = 1,
                       .key = slice_str(key),
                       .value = slice_make(value, sizeof value)};
    struct record r = {.context = 1,
                       .partition = partition,
                       .version = version_make(1, ++b->seqs[partition]),
                       .time_ms = clock_wall_ms(),
                       .has_session = true,
                       .effects = &e,
                       .effects_len = 1};
    memset(r.session.id.bytes, (int)(session * 5 + 1), SESSION_ID_BYTES);
    r.session.number = ++b->numbers[session];
    r.session.lowest = r.session.number > 16 ? r.session.number - 16 : 1;
    b->lsn = wal_batch_add(&b->batch, &r);
}

static void log_some(struct bench *b, uint64_t keys, uint64_t first, uint64_t len)
{
    for (uint64_t i = 0; i < len; i++) {
        record_add(b, first == UINT64_MAX ? prng_below(&b->prng, keys) : first + i);
        if (b->batch.count < BATCH && i + 1 < len)
            continue;
        if (wal_wants_room(b->wal) && wal_prepare(b->wal, NULL))
            die("no room");
        if (wal_write(b->wal, &b->batch, NULL))
            die("a write failed");
        wal_batch_reset(&b->batch);
    }
    if (wal_sync(b->wal, NULL, NULL))
        die("a sync failed");
}

static double thread_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fold(struct bench *b, const char *what)
{
    static const struct checkpoint_limits whole = {.changes_max = SIZE_MAX,
                                                   .bytes_max = SIZE_MAX / 8};
    struct checkpoint_report report;
    double cpu = thread_s();
    uint64_t at = clock_mono_ns();
    struct wal_reader *reader = wal_reader_new(b->wal, checkpoint_applied(b->checkpoint));
    if (checkpoint_run(b->checkpoint, reader, b->lsn, &whole, &report))
        die(report.text);
    wal_reader_free(reader);
    cpu = thread_s() - cpu;
    printf("%s: %.2f us of a processor per record, %.2f us in all; %.2f rows per record, %llu "
           "transactions\n",
           what, cpu * 1e6 / (double)report.records,
           (double)(clock_mono_ns() - at) / 1e3 / (double)report.records,
           (double)report.changes / (double)report.records,
           (unsigned long long)report.transactions);
    if (wal_reclaim(b->wal, checkpoint_applied(b->checkpoint), 0, NULL))
        die("a segment stays");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: fold_bench DIR [KEYS [RECORDS]]\n");
        return 2;
    }
    uint64_t keys = argc > 2 ? strtoull(argv[2], NULL, 10) : 667000;
    uint64_t records = argc > 3 ? strtoull(argv[3], NULL, 10) : 300000;
    struct bench b = {0};
    b.prng.state = 1;
    files_open(&b, argv[1]);
    for (uint64_t at = 0; at < keys; at += records) {
        log_some(&b, keys, at, records < keys - at ? records : keys - at);
        fold(&b, "new keys");
    }
    for (int i = 0; i < ROUNDS; i++) {
        log_some(&b, keys, UINT64_MAX, records);
        fold(&b, "old keys");
    }
    wal_batch_release(&b.batch);
    wal_close(b.wal);
    checkpoint_close(b.checkpoint);
    return 0;
}
