/* fuzz_record.c - bytes as a record of the log: damage is told, what is accepted encodes to a
 * record that is the same.
 * LINK: data base */
#include "data/record.h"
#include "tests/fuzz/fuzz.h"

enum { EFFECTS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct effect effects[EFFECTS], effects_again[EFFECTS];
    struct record r, again;
    if (record_decode(slice_make(data, len), effects, EFFECTS, &r) != GRID_OK)
        return 0;
    CHECK(r.effects_len <= EFFECTS);
    struct buf once = BUF_INIT, twice = BUF_INIT;
    record_encode(&r, &once);
    CHECK(once.len <= record_size_max(&r));
    CHECK(record_decode(buf_slice(&once), effects_again, EFFECTS, &again) == GRID_OK);
    record_encode(&again, &twice);
    CHECK(slice_eq(buf_slice(&once), buf_slice(&twice)));
    buf_release(&once);
    buf_release(&twice);
    return 0;
}
