/* test_containers.c - buf, slice, list, heap, prng.
 * LINK: base */
#include "base/buf.h"
#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/prng.h"
#include "tests/lib/unit.h"

START_TEST(a_buf_returns_what_was_added)
{
    struct buf b = BUF_INIT;
    buf_add_u8(&b, 0x12);
    buf_add_u16(&b, 0x3456);
    buf_add_u32(&b, 0x789abcdeu);
    buf_add_u64(&b, 0x1122334455667788u);
    buf_printf(&b, "%s-%d", "text", 42);
    buf_add(&b, NULL, 0);
    buf_check(&b);
    ck_assert_uint_eq(b.len, 1 + 2 + 4 + 8 + 7);
    ck_assert_uint_eq(b.data[1], 0x56); /* little-endian */
    ck_assert_uint_eq(load_u16(b.data + 1), 0x3456);
    ck_assert_uint_eq(load_u32(b.data + 3), 0x789abcdeu);
    ck_assert_uint_eq(load_u64(b.data + 7), 0x1122334455667788u);
    ck_assert(slice_eq(slice_make(b.data + 15, 7), slice_str("text-42")));
    buf_release(&b);
    buf_check(&b);
}
END_TEST

START_TEST(a_buf_keeps_its_bytes_when_it_grows_and_is_consumed)
{
    struct prng r = {1};
    struct buf b = BUF_INIT;
    uint32_t in = 0, out = 0;
    for (int n = 0; n < 5000; n++) {
        if (prng_below(&r, 3)) {
            buf_add_u32(&b, in++);
        } else if (b.len) {
            ck_assert_uint_eq(load_u32(b.data), out);
            buf_consume(&b, 4);
            out++;
        }
        ck_assert_uint_eq(b.len, (in - out) * 4);
        buf_check(&b);
    }
    buf_release(&b);
}
END_TEST

START_TEST(a_reserved_place_is_one_even_for_nothing_in_an_empty_buf)
{
    struct buf b = BUF_INIT;
    uint8_t *place = buf_reserve(&b, 0);
    ck_assert_ptr_nonnull(place);
    memset(place, 0, 0);
    buf_check(&b);
    buf_release(&b);
}
END_TEST

START_TEST(a_buf_shrinks_only_when_it_is_empty)
{
    struct buf b = BUF_INIT;
    memset(buf_reserve(&b, 10000), 1, 10000);
    b.len = 10000;
    buf_shrink(&b, 100);
    ck_assert_uint_eq(b.len, 10000);
    buf_consume(&b, 10000);
    buf_shrink(&b, 1 << 20);
    ck_assert_uint_ge(b.cap, 10000);
    buf_shrink(&b, 100);
    ck_assert_uint_eq(b.cap, 0);
    buf_check(&b);
}
END_TEST

struct order {
    const char *a, *b;
    int sign;
};

START_TEST(slices_compare_by_bytes_then_by_length)
{
    static const struct order orders[] = {
        {"", "", 0},     {"", "a", -1},   {"a", "a", 0},    {"a", "b", -1},
        {"ab", "b", -1}, {"a", "ab", -1}, {"\xff", "a", 1}, {"abc", "ab", 1},
    };
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct slice a = slice_str(orders[i].a), b = slice_str(orders[i].b);
        int c = slice_cmp(a, b), back = slice_cmp(b, a);
        ck_assert_int_eq((c > 0) - (c < 0), orders[i].sign);
        ck_assert_int_eq((back > 0) - (back < 0), -orders[i].sign);
        ck_assert_int_eq(slice_eq(a, b), orders[i].sign == 0);
    }
    ck_assert(slice_eq(slice_make(NULL, 0), slice_str("")));
    ck_assert(slice_has_prefix(slice_str("abc"), slice_str("ab")));
    ck_assert(slice_has_prefix(slice_str("abc"), slice_make(NULL, 0)));
    ck_assert(!slice_has_prefix(slice_str("a"), slice_str("ab")));
}
END_TEST

struct item {
    int number;
    struct list link;
};

START_TEST(a_list_keeps_order_and_lets_go_of_any_node)
{
    struct list head;
    struct item items[5];
    list_init(&head);
    ck_assert(list_empty(&head));
    ck_assert_ptr_null(list_pop_front(&head));
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        list_push_back(&head, &items[i].link);
    }
    list_remove(&items[2].link);
    list_remove(&items[2].link); /* in no list: fine */
    list_push_front(&head, &items[2].link);
    static const int expected[] = {2, 0, 1, 3, 4};
    int at = 0;
    list_for_each (it, &head)
        ck_assert_int_eq(list_entry(it, struct item, link)->number, expected[at++]);
    ck_assert_int_eq(at, 5);
    list_for_each_safe (it, &head)
        list_remove(it);
    ck_assert(list_empty(&head));
}
END_TEST

START_TEST(a_heap_gives_keys_in_order_with_removals_in_between)
{
    enum { NODES = 300 };
    static struct heap_node nodes[NODES];
    struct prng r = {5};
    for (int round = 0; round < 50; round++) {
        struct heap h = HEAP_INIT;
        for (int i = 0; i < NODES; i++) {
            heap_push(&h, &nodes[i], prng_below(&r, 100));
            heap_check(&h);
        }
        for (int n = 0; n < NODES / 2; n++) {
            struct heap_node *node = &nodes[prng_below(&r, NODES)];
            heap_remove(&h, node); /* twice is fine */
            ck_assert_uint_eq(node->place, 0);
            heap_check(&h);
        }
        uint64_t before = 0;
        for (struct heap_node *n; (n = heap_min(&h));) {
            ck_assert_uint_ge(n->key, before);
            before = n->key;
            heap_remove(&h, n);
        }
        heap_release(&h);
    }
}
END_TEST

START_TEST(the_prng_gives_its_published_numbers_and_stays_below)
{
    struct prng r = {1234567};
    static const uint64_t published[] = {6457827717110365317u, 3203168211198807973u,
                                         9817491932198370423u, 4593380528125082431u,
                                         16408922859458223821u};
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        ck_assert_uint_eq(prng_next(&r), published[i]);
    unsigned seen[7] = {0};
    for (int i = 0; i < 7000; i++)
        seen[prng_below(&r, 7)]++;
    for (int i = 0; i < 7; i++)
        ck_assert(seen[i] > 800 && seen[i] < 1200);
    ck_assert_uint_eq(prng_below(&r, 1), 0);
}
END_TEST

UNIT_MAIN("base/containers", a_buf_returns_what_was_added,
          a_buf_keeps_its_bytes_when_it_grows_and_is_consumed,
          a_reserved_place_is_one_even_for_nothing_in_an_empty_buf,
          a_buf_shrinks_only_when_it_is_empty, slices_compare_by_bytes_then_by_length,
          a_list_keeps_order_and_lets_go_of_any_node,
          a_heap_gives_keys_in_order_with_removals_in_between,
          the_prng_gives_its_published_numbers_and_stays_below)
