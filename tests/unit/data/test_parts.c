/* test_parts.c - fields dealt out to parts: nothing is lost, everything is found where it belongs.
 * LINK: data base */
#include "data/parts.h"

#include "base/prng.h"
#include "data/fields.h"
#include "tests/lib/unit.h"

#include <stdio.h>

enum { FIELDS = 500, PARTS = 37 };

static struct slice name_of(unsigned field)
{
    static char name[16];
    return slice_make(name, (size_t)snprintf(name, sizeof name, "f%u", field));
}

static void packed_make(struct buf *out, unsigned fields)
{
    for (unsigned i = 0; i < fields; i++)
        fields_pack(out, name_of(i), slice_make("0123456789", i % 11));
}

START_TEST(each_field_is_in_the_part_that_its_edit_goes_to)
{
    struct buf packed = BUF_INIT, edits = BUF_INIT;
    struct dealt whole, change;
    size_t total = 0, used = 0;
    packed_make(&packed, FIELDS);
    for (unsigned field = 0; field < FIELDS; field += 50)
        fields_edit_remove(&edits, name_of(field));
    struct slice two[] = {buf_slice(&edits), buf_slice(&edits)};
    parts_deal(&whole, buf_slice(&packed), PARTS, 7);
    parts_deal_edits(&change, two, 2, PARTS, 7);
    ck_assert_uint_eq(parts_edits(two[0]), FIELDS / 50);
    for (uint32_t i = 0; i < PARTS; i++) {
        struct buf after = BUF_INIT;
        struct slice before = dealt_part(&whole, i), edit = dealt_part(&change, i);
        size_t fields = fields_len((struct fields_view){.packed = before});
        ck_assert(!before.len || fields_packed_valid(before));
        ck_assert(fields_edits_valid(edit));
        fields_fold(before, &edit, 1, &after);
        ck_assert_uint_eq(fields_len((struct fields_view){.packed = buf_slice(&after)}),
                          fields - parts_edits(edit) / 2);
        total += before.len;
        used += before.len > 0;
        buf_release(&after);
    }
    ck_assert_uint_eq(total, packed.len);
    ck_assert_uint_gt(used, PARTS * 9 / 10);
    dealt_release(&whole);
    dealt_release(&change);
    buf_release(&packed);
    buf_release(&edits);
}
END_TEST

START_TEST(splitting_part_by_part_gives_what_dealing_anew_gives)
{
    struct buf packed = BUF_INIT, parts[PARTS] = {BUF_INIT};
    packed_make(&packed, FIELDS);
    buf_add(&parts[0], packed.data, packed.len);
    for (uint32_t n = 1; n < PARTS; n++) {
        struct buf stay = BUF_INIT;
        uint32_t from = parts_source(n);
        ck_assert_uint_lt(from, n);
        parts_split(buf_slice(&parts[from]), n, 99, &stay, &parts[n]);
        buf_release(&parts[from]);
        parts[from] = stay;
        struct dealt anew;
        parts_deal(&anew, buf_slice(&packed), n + 1, 99);
        for (uint32_t i = 0; i <= n; i++)
            ck_assert(slice_eq(buf_slice(&parts[i]), dealt_part(&anew, i)));
        dealt_release(&anew);
    }
    for (uint32_t i = 0; i < PARTS; i++)
        buf_release(&parts[i]);
    buf_release(&packed);
}
END_TEST

START_TEST(nothing_is_dealt_out_to_empty_parts)
{
    struct dealt d;
    parts_deal(&d, slice_make(NULL, 0), 3, 1);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_uint_eq(dealt_part(&d, i).len, 0);
    dealt_release(&d);
}
END_TEST

UNIT_MAIN("data/parts", each_field_is_in_the_part_that_its_edit_goes_to,
          splitting_part_by_part_gives_what_dealing_anew_gives, nothing_is_dealt_out_to_empty_parts)
