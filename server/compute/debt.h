/* debt.h - code that was ended at its bounds, and when it may run again. One per shard. Pure.
 *
 * The shard's time that such runs take is a debt, of which one part in DEBT_SHARE is paid off as
 * time goes by. Until it is paid, code that was ended twice is refused, longer each time; code that
 * is new to the shard has little time, since whoever writes endless scripts may write a new one for
 * each call; all that ends so has one part in DEBT_NEW_WAIT of the time. Code that the shard knows,
 * and that was ended once or never, is not touched: that may have been the machine's fault. What a
 * code did is forgotten DEBT_REMEMBER_US after it may run again. */
#ifndef GRIDD_COMPUTE_DEBT_H
#define GRIDD_COMPUTE_DEBT_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    DEBT_SHARE = 200,
    DEBT_CODES = 256, /* that are remembered; those that were ended longest ago go */
    DEBT_KEY_MAX = 40,
    DEBT_WAIT_MAX_US = 60000000,
    DEBT_REMEMBER_US = 60000000,
    DEBT_NEW_SHARE = 50, /* new code: one part in so many of the time that it else has */
    DEBT_NEW_LEAST_US = 100,
    DEBT_NEW_MEMORY_SHARE = 16, /* ... and of the memory: what is touched first is slow */
    DEBT_NEW_WAIT = 200,        /* less than one request in a hundred comes while it runs */
    DEBT_NEW_WAIT_MAX_US = 2000000,
};

struct debt_code {
    char key[DEBT_KEY_MAX];
    uint8_t key_len;
    uint32_t times; /* it was ended */
    uint64_t until_us;
};

struct debt {
    size_t len; /* 0: nothing is owed, and nobody has to ask */
    uint64_t until_us;
    uint64_t new_until_us; /* new code is refused */
    struct debt_code codes[DEBT_CODES];
};

struct debt_ruling {
    bool refused;
    uint32_t times;   /* 0: not it, but other new code */
    uint64_t wait_us; /* refused: for so long */
    uint64_t time_us; /* else: it may take so long */
};

/* May code of that key (1..DEBT_KEY_MAX bytes) run now, which else has `time_us`? `known`: it ran
 * in this shard before. */
struct debt_ruling debt_ask(struct debt *d, struct slice key, bool known, uint64_t time_us,
                            uint64_t now_us);
/* It was ended after `took_us`. `whole`: it had all of its time. */
void debt_charge(struct debt *d, struct slice key, uint64_t took_us, bool whole, uint64_t now_us);
void debt_check(const struct debt *d);

#endif
