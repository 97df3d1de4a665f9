/* cron.h - times that come again, as crontab(5) writes them: minute, hour, day of month, month, day
 * of week; in UTC. Numbers, names (jan, mon), lists, ranges, steps and stars; of @hourly, @daily,
 * @weekly, @monthly and @yearly what they stand for. Where both days are restricted one of them is
 * enough, as in cron. */
#ifndef GRIDD_COMPUTE_CRON_H
#define GRIDD_COMPUTE_CRON_H

#include "base/clock.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>

struct cron {
    uint64_t minutes, hours, days, months, weekdays; /* a bit for each number */
    bool any_day, any_weekday;
};

enum { CRON_TEXT_MAX = 128, CRON_WHY_BYTES = 128 };
/* False: `ret_why` (CRON_WHY_BYTES) says what is wrong. */
MUST_USE
bool cron_parse(struct slice text, struct cron *ret_cron, char *ret_why);
/* The first time after `after`, unix ms. 0: there is none in the next 28 years. */
msec_t cron_next(const struct cron *c, msec_t after);

#endif
