/* fuzz_conf.c - bytes as gridd.conf: taken, or told why in whole lines; and a good file is read
 * after it.
 * LINK: conf base */
#include "conf.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct buf faults = BUF_INIT;
    struct conf *c = NULL;
    if (conf_parse("f", slice_make(data, len), &faults, &c) == GRID_OK) {
        CHECK(faults.len == 0 && c->name && c->client && c->connections >= 1);
        struct buf keys = BUF_INIT;
        conf_differences(c, c, &keys);
        CHECK(keys.len == 0);
        conf_free(c);
    } else {
        CHECK(faults.len > 2 && memcmp(faults.data, "f:", 2) == 0);
        CHECK(faults.data[faults.len - 1] == '\n');
    }
    faults.len = 0;
    CHECK(conf_parse("f", slice_str("node { name = \"b\" }"), &faults, &c) == GRID_OK);
    conf_free(c);
    buf_release(&faults);
    return 0;
}
