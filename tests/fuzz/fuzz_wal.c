/* fuzz_wal.c - any bytes as the segments of a log: recovery ends, within
 * its memory, and the log can be written on. The input is cut into files of 16 KiB. Checksums
 * keep a fuzzer out, so the input's first byte says how many of them are put right before the
 * log is opened: segment headers (bit 0), batch headers (bit 1), record headers (bit 2).
 * LINK: store data base */
#include "base/hash.h"
#include "store/wal_priv.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEGMENT = WAL_SEGMENT_BYTES_MIN, SEGMENTS_MAX = 4 };
static const uint64_t stamp = 0x1122334455667788;

static void mend_batch(uint8_t *at, size_t room, uint64_t place, unsigned how)
{
    struct batch_header h;
    if (room < BATCH_HEADER_BYTES)
        return;
    store_u64(at, stamp);
    store_u64(at + 8, place);
    store_u16(at + 40, WAL_FORMAT);
    store_u32(at + 44, crc32c(0, slice_make(at, 44)));
    if (!(how & 4) || batch_header_get(at, stamp, place, &h) || room < BATCH_HEADER_BYTES + 16)
        return;
    struct record_header r;
    uint8_t *record = at + BATCH_HEADER_BYTES;
    index_entry_get(record, &r);
    r.length %= (uint32_t)(room - BATCH_HEADER_BYTES - RECORD_HEADER_BYTES + 1);
    r.crc = crc32c(0, slice_make(record + RECORD_HEADER_BYTES, r.length));
    record_header_put(record, &r, stamp, h.first_lsn);
}

static void mend(uint8_t *segment, size_t len, uint64_t number, unsigned how)
{
    if (how & 1 && len >= SEGMENT_HEADER_BYTES) {
        struct segment s = {.number = number,
                            .bytes = SEGMENT,
                            .stamp = stamp,
                            .incarnation = 1 + segment[0] % 3,
                            .open_lsn = 1 + segment[1],
                            .open_number = 1};
        segment_header_put(segment, &s);
    }
    for (size_t at = SEGMENT_DATA; how & 2 && at < len; at += 8 + (size_t)segment[at] * 8)
        mend_batch(segment + at, len - at, wal_place(number, at), how);
}

static void files_make(struct disk *d, const uint8_t *data, size_t size, unsigned how)
{
    static uint8_t segment[SEGMENT];
    d->ops->mkdir(d, "wal");
    for (uint64_t number = 1; size && number <= SEGMENTS_MAX; number++) {
        size_t n = size < SEGMENT ? size : SEGMENT;
        char path[40];
        struct disk_file *f;
        memcpy(segment, data, n);
        mend(segment, n, number, how);
        snprintf(path, sizeof path, "wal/%016x.wal", (unsigned)number);
        if (!d->ops->open(d, path, true, &f)) {
            if (f->ops->pwrite(f, slice_make(segment, n), 0))
                abort();
            f->ops->close(f);
        }
        data += n;
        size -= n;
    }
}

static void go_on(struct wal *w, uint64_t lsn)
{
    struct effect e = {.kind = EFFECT_REMOVE, .cache = 1, .key = slice_str("k")};
    struct record r = {.context = 1, .version = 1, .effects = &e, .effects_len = 1};
    struct wal_batch b;
    wal_batch_init(&b, w);
    if (wal_prepare(w, NULL) || wal_batch_add(&b, &r) != lsn + 1 || wal_write(w, &b, NULL) ||
        wal_sync(w, NULL, NULL))
        abort();
    wal_batch_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct disk *d = disk_mem_new();
    struct wal_conf conf = {.disk = d, .dir = "wal", .segment_bytes = SEGMENT, .random = 1};
    struct wal_visit visit = {0};
    struct wal_report report = {0};
    struct wal *w;
    files_make(d, data + 2, size - 2, data[0]);
    if (wal_open(&conf, NULL, &w) == GRID_OK) {
        if (wal_recover(w, data[1], &visit, NULL, &report) == GRID_OK) {
            (void)wal_report_damaged(&report, 1, 1);
            wal_check(w);
            go_on(w, report.last_lsn);
        }
        wal_report_release(&report);
        wal_close(w);
    }
    disk_mem_free(d);
    return 0;
}
