/* debt.c - a list of those who owe; it is short, and empty as a rule. */
#include "compute/debt.h"

#include "base/err.h"

#include <string.h>

enum { DOUBLINGS_MAX = 10, PATIENCE = 1 };

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static struct debt_code *find(struct debt *d, struct slice key)
{
    for (size_t i = 0; i < d->len; i++)
        if (slice_eq(slice_make(d->codes[i].key, d->codes[i].key_len), key))
            return &d->codes[i];
    return NULL;
}

/* A clock that began anew, as after a move to another host, owes nobody more than the longest. */
static uint64_t wait_of(uint64_t until_us, uint64_t now_us)
{
    return until_us > now_us ? least(until_us - now_us, DEBT_WAIT_MAX_US) : 0;
}

static void forget(struct debt *d, uint64_t now_us)
{
    for (size_t i = d->len; i-- > 0;)
        if (d->codes[i].until_us + DEBT_REMEMBER_US <= now_us)
            d->codes[i] = d->codes[--d->len];
}

struct debt_ruling debt_ask(struct debt *d, struct slice key, bool known, uint64_t time_us,
                            uint64_t now_us)
{
    struct debt_ruling r = {.time_us = time_us};
    forget(d, now_us);
    const struct debt_code *c = find(d, key);
    uint64_t all = wait_of(d->until_us, now_us);
    if (c) {
        r.times = c->times;
        r.wait_us = most(all, wait_of(c->until_us, now_us));
        r.refused = r.wait_us > 0 && c->times > PATIENCE;
    } else if (!known && all && d->len) {
        r.time_us = least(time_us, most(time_us / DEBT_NEW_SHARE, DEBT_NEW_LEAST_US));
        r.wait_us = least(wait_of(d->new_until_us, now_us), DEBT_NEW_WAIT_MAX_US);
        r.refused = r.wait_us > 0;
    }
    return r;
}

/* The one that may run again first is the one that matters least. */
static struct debt_code *place(struct debt *d, struct slice key)
{
    struct debt_code *c = &d->codes[0];
    if (d->len < DEBT_CODES) {
        c = &d->codes[d->len++];
    } else {
        for (size_t i = 1; i < d->len; i++)
            if (d->codes[i].until_us < c->until_us)
                c = &d->codes[i];
    }
    *c = (struct debt_code){.key_len = (uint8_t)key.len};
    memcpy(c->key, key.data, key.len);
    return c;
}

void debt_charge(struct debt *d, struct slice key, uint64_t took_us, bool whole, uint64_t now_us)
{
    CHECK(key.len > 0 && key.len <= DEBT_KEY_MAX);
    uint64_t owed = least(took_us, DEBT_WAIT_MAX_US) * DEBT_SHARE;
    struct debt_code *c = find(d, key);
    if (!c)
        c = place(d, key);
    if (!whole && c->times < PATIENCE)
        c->times = PATIENCE;
    unsigned doublings = c->times > PATIENCE ? c->times - PATIENCE : 0;
    doublings = doublings < DOUBLINGS_MAX ? doublings : (unsigned)DOUBLINGS_MAX;
    c->times += c->times < UINT32_MAX;
    c->until_us = now_us + least(owed << doublings, DEBT_WAIT_MAX_US);
    uint64_t new_owed = least(took_us, DEBT_NEW_WAIT_MAX_US) * DEBT_NEW_WAIT;
    if (!whole)
        d->new_until_us = now_us + least(new_owed, DEBT_NEW_WAIT_MAX_US);
    else
        d->until_us = now_us + least(wait_of(d->until_us, now_us) + owed, DEBT_WAIT_MAX_US);
}

void debt_check(const struct debt *d)
{
    CHECK(d->len <= DEBT_CODES);
    for (size_t i = 0; i < d->len; i++) {
        CHECK(d->codes[i].key_len > 0 && d->codes[i].key_len <= DEBT_KEY_MAX);
        CHECK(d->codes[i].times > 0);
    }
}
