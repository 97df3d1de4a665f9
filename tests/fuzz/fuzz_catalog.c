/* fuzz_catalog.c - bytes as a catalog from disk: damage is told, what is accepted is sound and
 * comes back the same.
 * LINK: wire control base pb frame */
#include "tests/fuzz/fuzz.h"
#include "wire/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct catalog *c = NULL, *again = NULL;
    if (wire_catalog_decode(slice_make(data, len), &c) != GRID_OK)
        return 0;
    catalog_check(c);
    struct buf once = BUF_INIT, twice = BUF_INIT;
    wire_catalog_encode(c, &once);
    CHECK(wire_catalog_decode(buf_slice(&once), &again) == GRID_OK);
    wire_catalog_encode(again, &twice);
    CHECK(slice_eq(buf_slice(&once), buf_slice(&twice)));
    buf_release(&once);
    buf_release(&twice);
    catalog_unref(c);
    catalog_unref(again);
    return 0;
}
