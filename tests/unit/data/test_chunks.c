/* test_chunks.c - how much is wanted ahead, what is ready is used first, given back, two threads.
 * LINK: data base */
#include "base/err.h"
#include "data/chunks.h"
#include "tests/lib/unit.h"

#include <pthread.h>
#include <stdatomic.h>

static unsigned prepare_all(struct chunks *c)
{
    unsigned n = 0;
    for (bool more = chunks_wanting(c); more; n++)
        more = chunks_prepare(c);
    return n;
}

START_TEST(as_much_is_wanted_as_was_taken_of_late)
{
    struct chunks *c = chunks_new();
    uint8_t *taken[12];
    ck_assert(!chunks_wanting(c));
    ck_assert(!chunks_prepare(c));
    for (unsigned i = 0; i < 3; i++)
        taken[i] = chunk_take(c);
    ck_assert_uint_eq(prepare_all(c), 3);
    for (unsigned i = 3; i < 12; i++) {
        taken[i] = chunk_take(c);
        ck_assert_uint_eq((uintptr_t)taken[i] % CHUNK_BYTES, 0);
        taken[i][0] = taken[i][CHUNK_BYTES - 1] = 1;
    }
    ck_assert_uint_eq(prepare_all(c), CHUNKS_AHEAD_MAX);
    ck_assert(!chunks_wanting(c));
    for (unsigned i = 0; i < 12; i++)
        chunk_release(taken[i]);
    chunks_free(c);
}
END_TEST

START_TEST(what_is_ready_is_taken_first)
{
    struct chunks *c = chunks_new();
    uint8_t *first = chunk_take(c);
    ck_assert_uint_eq(prepare_all(c), 1);
    uint8_t *second = chunk_take(c);
    ck_assert_uint_eq(prepare_all(c), 2); /* none is ready now, two were taken */
    chunk_release(first);
    chunk_release(second);
    chunks_free(c);
}
END_TEST

START_TEST(who_takes_none_any_more_gives_back_what_is_ready)
{
    struct chunks *c = chunks_new();
    uint8_t *taken[4];
    for (unsigned i = 0; i < 4; i++)
        taken[i] = chunk_take(c);
    ck_assert_uint_eq(prepare_all(c), 4);
    chunks_settle(c, 10000); /* four were taken since */
    ck_assert(!chunks_wanting(c));
    chunk_release(taken[0]);
    taken[0] = chunk_take(c);
    chunks_settle(c, 10500); /* too early to say */
    ck_assert_uint_eq(prepare_all(c), 1);
    chunks_settle(c, 11000); /* one was taken: three go back */
    chunk_release(taken[1]);
    taken[1] = chunk_take(c);
    ck_assert_uint_eq(prepare_all(c), 1);
    chunks_settle(c, 12000);
    chunks_settle(c, 13000);
    ck_assert(!chunks_wanting(c));
    for (unsigned i = 0; i < 4; i++)
        chunk_release(taken[i]);
    chunks_free(c);
}
END_TEST

struct preparing {
    struct chunks *chunks;
    atomic_bool stop;
};

static void *preparing_body(void *arg)
{
    struct preparing *p = arg;
    while (!atomic_load(&p->stop))
        chunks_prepare(p->chunks);
    return NULL;
}

START_TEST(another_thread_prepares_while_the_owner_takes)
{
    enum { ROUNDS = 200 };
    struct preparing p = {.chunks = chunks_new()};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, preparing_body, &p), 0);
    uint8_t *before = NULL;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint8_t *chunk = chunk_take(p.chunks);
        ck_assert_ptr_nonnull(chunk);
        ck_assert_ptr_ne(chunk, before);
        ck_assert_uint_eq(chunk[i * 4096], 0); /* nobody else has it */
        chunk[i * 4096] = 1;
        if (before)
            chunk_release(before);
        before = chunk;
        chunks_settle(p.chunks, (msec_t)i * 100);
    }
    atomic_store(&p.stop, true);
    pthread_join(thread, NULL);
    chunk_release(before);
    chunks_free(p.chunks);
}
END_TEST

UNIT_MAIN("data/chunks", as_much_is_wanted_as_was_taken_of_late, what_is_ready_is_taken_first,
          who_takes_none_any_more_gives_back_what_is_ready,
          another_thread_prepares_while_the_owner_takes)
