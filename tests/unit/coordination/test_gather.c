/* test_gather.c - partitions that move between places which do some, none, or are lost, and answers
 * that are late, repeated or wrong: each partition counts exactly once.
 * LINK: coordination base
 */
#include "coordination/gather.h"

#include "base/alloc.h"
#include "base/codec.h"
#include "base/prng.h"
#include "tests/lib/unit.h"

#include <stdlib.h>

enum { PLACES = 4, PARTS_MAX = 300, OPEN_MAX = 64, SEEDS = 300, STEPS = 4000 };

struct told { /* an ask that is under way, or an answer that may be told again */
    struct gather_ask ask;
    bool open;
};

struct story {
    struct prng r;
    struct gather *g;
    uint32_t len;
    msec_t now;
    uint64_t leads[PARTS_MAX];   /* who leads each; 0: nobody now */
    unsigned counted[PARTS_MAX]; /* how often rows of it were taken */
    struct told asks[OPEN_MAX];
    size_t asks_len;
};

static uint64_t place_of(void *ctx, uint16_t partition)
{
    return ((struct story *)ctx)->leads[partition];
}

static void step_move(struct story *t)
{
    uint32_t at = (uint32_t)prng_below(&t->r, t->len);
    t->leads[at] = prng_below(&t->r, PLACES + 1);
}

static void step_ask(struct story *t)
{
    struct gather_ask a;
    if (t->asks_len == OPEN_MAX || !gather_next(t->g, place_of, t, t->now, &a))
        return;
    for (uint32_t i = 0; i < a.len; i++)
        ck_assert_uint_eq(t->leads[a.partitions[i]], a.place);
    t->asks[t->asks_len++] = (struct told){a, true};
}

static void counted_add(struct story *t, const uint16_t *done, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        t->counted[done[i]]++;
}

/* What still leads there does some of them; whatever is told twice counts once. */
static void step_answer(struct story *t)
{
    if (!t->asks_len)
        return;
    size_t at = (size_t)prng_below(&t->r, t->asks_len);
    struct told told = t->asks[at];
    uint16_t done[GATHER_ASK_MAX + 1];
    uint32_t len = 0;
    for (uint32_t i = 0; i < told.ask.len; i++)
        if (t->leads[told.ask.partitions[i]] == told.ask.place && prng_below(&t->r, 4))
            done[len++] = told.ask.partitions[i];
    uint64_t how = prng_below(&t->r, 10);
    bool bad = how == 0 && len;
    if (bad)
        done[len++] = prng_below(&t->r, 2) ? done[0] : (uint16_t)(t->len + 3);
    if (how == 1) {
        gather_failed(t->g, told.ask.number, t->now);
    } else {
        bool taken =
            gather_answered(t->g, told.ask.number, done, len, prng_below(&t->r, 8) == 0, t->now);
        ck_assert(taken == (told.open && !bad));
        if (taken)
            counted_add(t, done, len);
    }
    t->asks[at].open = false; /* it may be told again */
    if (prng_below(&t->r, 3))
        t->asks[at] = t->asks[--t->asks_len];
}

static void step_time(struct story *t)
{
    t->now += prng_below(&t->r, 100);
}

static void story_tell(uint64_t seed)
{
    static void (*const steps[])(struct story *) = {step_move,   step_ask,    step_ask,
                                                    step_answer, step_answer, step_time};
    struct story *t = xcalloc(1, sizeof *t);
    t->r.state = seed * 977;
    t->len = 1 + (uint32_t)prng_below(&t->r, PARTS_MAX);
    t->g = gather_new(t->len, slice_make(NULL, 0));
    for (uint32_t i = 0; i < t->len; i++)
        t->leads[i] = 1 + prng_below(&t->r, PLACES);
    for (unsigned i = 0; i < STEPS && !gather_done(t->g); i++) {
        steps[prng_below(&t->r, sizeof steps / sizeof *steps)](t);
        gather_check(t->g);
    }
    for (uint32_t i = 0; i < t->len; i++) /* the faults end */
        t->leads[i] = 1;
    for (unsigned i = 0; !gather_done(t->g); i++) {
        ck_assert_uint_lt(i, 20 * STEPS);
        step_ask(t);
        step_answer(t);
        step_time(t);
    }
    for (uint32_t i = 0; i < t->len; i++)
        ck_assert_msg(t->counted[i] == 1, "seed %llu: partition %u counted %u times",
                      (unsigned long long)seed, i, t->counted[i]);
    gather_free(t->g);
    free(t);
}

START_TEST(each_partition_counts_once_wherever_it_moves_and_whatever_is_lost)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        story_tell(seed);
}
END_TEST

static uint64_t everywhere(void *ctx, uint16_t partition)
{
    (void)ctx;
    return 1 + partition % 2;
}

START_TEST(what_was_done_before_is_not_asked_for_again)
{
    uint8_t bits[2];
    struct gather_ask a;
    struct gather *g = gather_new(10, slice_make(NULL, 0));
    ck_assert(gather_next(g, everywhere, NULL, 0, &a));
    ck_assert_uint_eq(a.len, 5); /* all of one place */
    ck_assert(gather_answered(g, a.number, a.partitions, 3, false, 0));
    gather_bits(g, bits);
    gather_free(g);
    g = gather_new(10, slice_make(bits, sizeof bits));
    ck_assert_uint_eq(gather_done_len(g), 3);
    ck_assert(gather_next(g, everywhere, NULL, 0, &a));
    ck_assert_uint_eq(a.len + gather_done_len(g), a.place == 1 ? 5 : 8);
    gather_free(g);
    ck_assert_ptr_null(gather_new(10, slice_make(bits, 1)));
}
END_TEST

START_TEST(only_what_is_wanted_is_asked_for)
{
    const uint16_t wanted[] = {4, 4, 7, 900};
    struct gather_ask a, b;
    struct gather *g = gather_new(10, slice_make(NULL, 0));
    gather_only(g, wanted, 4);
    ck_assert(gather_next(g, everywhere, NULL, 0, &a) && gather_next(g, everywhere, NULL, 0, &b));
    ck_assert(a.len == 1 && a.partitions[0] == 4 && b.len == 1 && b.partitions[0] == 7);
    ck_assert(gather_answered(g, a.number, a.partitions, 1, false, 0));
    ck_assert(gather_answered(g, b.number, b.partitions, 1, false, 0) && gather_done(g));
    gather_free(g);
}
END_TEST

START_TEST(what_spoils_the_others_is_asked_for_alone)
{
    struct gather_ask a;
    struct gather *g = gather_new(6, slice_make(NULL, 0));
    ck_assert(gather_next(g, everywhere, NULL, 0, &a));
    ck_assert_uint_eq(a.len, 3);
    ck_assert(gather_answered(g, a.number, NULL, 0, true, 0));
    for (int i = 0; i < 2; i++) {
        ck_assert(gather_next(g, everywhere, NULL, GATHER_RETRY_MAX_MS, &a));
        ck_assert(a.place != 1 || a.len == 1);
    }
    gather_free(g);
}
END_TEST

UNIT_MAIN("coordination/gather", each_partition_counts_once_wherever_it_moves_and_whatever_is_lost,
          what_was_done_before_is_not_asked_for_again, only_what_is_wanted_is_asked_for,
          what_spoils_the_others_is_asked_for_alone)
