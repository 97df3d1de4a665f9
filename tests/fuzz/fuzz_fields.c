/* fuzz_fields.c - a byte that says how many of the others are a hash value, the rest are edits of
 * it: what is accepted gives the same in both forms.
 * LINK: data base */
#include "data/fields.h"
#include "tests/fuzz/fuzz.h"

struct other {
    struct fields_view view;
    uint64_t len;
};

static void find_in_other(void *ctx, struct slice field, struct slice value)
{
    struct other *other = ctx;
    struct slice found;
    CHECK(fields_get(other->view, field, &found) && slice_eq(found, value));
    other->len++;
}

static void edits_both(struct slice packed, struct slice edits)
{
    struct slab *slab = slab_new();
    struct fields *f = fields_new(slab, packed, 1);
    struct buf folded = BUF_INIT;
    CHECK(f);
    fields_fold(packed, &edits, 1, &folded);
    enum grid_err err = fields_stage(f, edits);
    CHECK(err == (folded.len ? GRID_OK : GRID_ECORRUPT));
    if (!err) {
        fields_apply(f);
        fields_check(f);
        CHECK(fields_packed_valid(buf_slice(&folded)));
        struct fields_view map = {f, {NULL, 0}};
        struct other other = {{NULL, buf_slice(&folded)}, 0};
        fields_each(map, find_in_other, &other);
        CHECK(other.len == fields_len(other.view) && other.len == fields_len(map));
    }
    fields_free(f);
    slab_free_all(slab);
    buf_release(&folded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (!len)
        return 0;
    size_t packed_len = data[0] < len - 1 ? data[0] : len - 1;
    struct slice packed = slice_make(data + 1, packed_len);
    struct slice edits = slice_make(data + 1 + packed_len, len - 1 - packed_len);
    bool valid = fields_packed_valid(packed);
    if (fields_edits_valid(edits) && valid)
        edits_both(packed, edits);
    return 0;
}
