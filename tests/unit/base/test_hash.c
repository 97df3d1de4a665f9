/* test_hash.c - published check values of CRC-32C and CRC16, hash tags, partitions.
 * LINK: base */
#include "base/hash.h"
#include "base/prng.h"
#include "tests/lib/unit.h"

START_TEST(crc32c_has_its_published_values)
{
    static const uint8_t zeros[32] = {0};
    uint8_t ones[32], rising[32];
    memset(ones, 0xff, sizeof ones);
    for (unsigned i = 0; i < 32; i++)
        rising[i] = (uint8_t)i;
    ck_assert_uint_eq(crc32c(0, slice_str("123456789")), 0xe3069283u);
    ck_assert_uint_eq(crc32c(0, slice_make(zeros, 32)), 0x8a9136aau); /* RFC 3720, B.4 */
    ck_assert_uint_eq(crc32c(0, slice_make(ones, 32)), 0x62a8ab43u);
    ck_assert_uint_eq(crc32c(0, slice_make(rising, 32)), 0x46dd794eu);
    ck_assert_uint_eq(crc32c(0, slice_make(NULL, 0)), 0);
}
END_TEST

/* One bit at a time, as the polynomial is defined. */
static uint32_t crc32c_slow(struct slice data)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < data.len; i++) {
        crc ^= data.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    }
    return ~crc;
}

START_TEST(crc32c_is_the_same_at_any_alignment_and_in_parts)
{
    struct prng r = {3};
    uint8_t data[300];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)prng_next(&r);
    for (int n = 0; n < 2000; n++) {
        size_t at = prng_below(&r, 64), len = prng_below(&r, 200), cut = prng_below(&r, len + 1);
        struct slice whole = slice_make(data + at, len);
        uint32_t crc = crc32c(0, slice_make(data + at, cut));
        crc = crc32c(crc, slice_make(data + at + cut, len - cut));
        ck_assert_uint_eq(crc, crc32c_slow(whole));
        ck_assert_uint_eq(crc32c(0, whole), crc);
    }
}
END_TEST

struct slot_of {
    const char *key;
    uint16_t slot;
};

START_TEST(slots_are_those_of_redis_cluster)
{
    static const struct slot_of slots[] = {
        {"123456789", 0x31c3},  {"", 0},
        {"foo", 12182},         {"bar", 5061},
        {"hello", 866},         {"{foo}.anything", 12182},
        {"user:{bar}:1", 5061}, {"x{foo}{bar}", 12182},
    };
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
        ck_assert_msg(hash_slot(slice_str(slots[i].key)) == slots[i].slot, "%s", slots[i].key);
}
END_TEST

START_TEST(slots_by_table_are_those_by_the_definition)
{
    uint8_t key[64];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(i * 151 + 7);
    for (size_t start = 0; start < 16; start++)
        for (size_t len = 0; start + len <= sizeof key; len++)
            ck_assert_uint_eq(hash_slot(slice_make(key + start, len)), slot_of(key + start, len));
}
END_TEST

START_TEST(an_empty_or_open_hash_tag_is_no_tag)
{
    static const char *const keys[] = {"{}foo", "foo{}", "{foo", "foo}", "}{", "{", "foo{"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_msg(hash_slot(slice_str(keys[i])) != hash_slot(slice_str(keys[j])), "%s %s",
                          keys[i], keys[j]);
    ck_assert_uint_eq(hash_slot(slice_str("foo{{bar}}zap")), hash_slot(slice_str("{bar")));
}
END_TEST

START_TEST(partitions_share_the_slots_evenly_and_neighbours_stay_together)
{
    for (uint32_t partitions = 1; partitions <= SLOTS; partitions *= 2) {
        for (uint32_t slot = 0; slot < SLOTS; slot++)
            ck_assert_uint_eq(slot_partition((uint16_t)slot, partitions),
                              slot / (SLOTS / partitions));
    }
}
END_TEST

START_TEST(the_key_hash_depends_on_every_byte_and_on_the_seed)
{
    uint8_t key[40] = {0};
    uint64_t plain = hash_key(slice_make(key, sizeof key), 1);
    ck_assert_uint_ne(plain, hash_key(slice_make(key, sizeof key), 2));
    ck_assert_uint_ne(plain, hash_key(slice_make(key, sizeof key - 1), 1));
    for (size_t i = 0; i < sizeof key; i++) {
        key[i] = 1;
        ck_assert_uint_ne(plain, hash_key(slice_make(key, sizeof key), 1));
        key[i] = 0;
    }
}
END_TEST

UNIT_MAIN("base/hash", crc32c_has_its_published_values,
          crc32c_is_the_same_at_any_alignment_and_in_parts, slots_are_those_of_redis_cluster,
          slots_by_table_are_those_by_the_definition, an_empty_or_open_hash_tag_is_no_tag,
          partitions_share_the_slots_evenly_and_neighbours_stay_together,
          the_key_hash_depends_on_every_byte_and_on_the_seed)
