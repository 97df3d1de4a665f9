/* cron.c - see cron.h. Days are counted from 1970-01-01, a Thursday; civil dates after Howard
 * Hinnant, "chrono-compatible low-level date algorithms". */
#include "compute/cron.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MINUTE_MS = 60000, DAY_MINUTES = 1440, YEARS = 28, FIELDS = 5 };

/* --- parsing ---------------------------------------------------------------------------------- */

static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                     "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static const struct field {
    const char *name;
    unsigned least, most;
    const char *const *words;
    unsigned words_len;
} fields[FIELDS] = {
    {"minute", 0, 59, NULL, 0},
    {"hour", 0, 23, NULL, 0},
    {"day of the month", 1, 31, NULL, 0},
    {"month", 1, 12, months, 12},
    {"day of the week", 0, 7, weekdays, 7},
};

static const struct {
    const char *name, *text;
} shorts[] = {{"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
              {"@weekly", "0 0 * * 0"},  {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
              {"@annually", "0 0 1 1 *"}};

struct text {
    const char *at;
    char *why;
};

static bool fault(struct text *t, const struct field *f)
{
    snprintf(t->why, CRON_WHY_BYTES, "the %s is none of cron: %u to %u, *, lists, ranges, steps",
             f->name, f->least, f->most);
    return false;
}

static bool value_read(struct text *t, const struct field *f, unsigned *ret_value)
{
    unsigned v = 0, digits = 0;
    for (unsigned i = 0; i < f->words_len; i++) {
        if (strncasecmp(t->at, f->words[i], 3) != 0)
            continue;
        t->at += 3;
        *ret_value = i + f->least;
        return true;
    }
    for (; *t->at >= '0' && *t->at <= '9' && digits < 4; digits++)
        v = v * 10 + (unsigned)(*t->at++ - '0');
    *ret_value = v;
    return digits && v >= f->least && v <= f->most;
}

/* One of a list: *, N, A-B, each with /STEP. */
static bool item_read(struct text *t, const struct field *f, uint64_t *bits)
{
    static const struct field any = {"step", 1, 60, NULL, 0};
    unsigned from = f->least, to = f->most, step = 1;
    bool star = *t->at == '*', range = star;
    if (star) {
        t->at++;
    } else {
        if (!value_read(t, f, &from))
            return fault(t, f);
        to = from;
        if (*t->at == '-') {
            t->at++;
            range = true;
            if (!value_read(t, f, &to) || to < from)
                return fault(t, f);
        }
    }
    if (*t->at == '/') {
        t->at++;
        to = range ? to : f->most;
        if (!value_read(t, &any, &step))
            return fault(t, f);
    }
    for (unsigned v = from; v <= to; v += step)
        *bits |= UINT64_C(1) << v;
    return true;
}

static bool field_read(struct text *t, const struct field *f, uint64_t *bits, bool *ret_any)
{
    *bits = 0;
    *ret_any = *t->at == '*';
    for (;; t->at++) {
        if (!item_read(t, f, bits))
            return false;
        if (*t->at != ',')
            break;
    }
    return *t->at == ' ' || *t->at == '\0' || fault(t, f);
}

static bool days_possible(const struct cron *c)
{
    static const unsigned most[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (unsigned m = 1; m <= 12; m++)
        for (unsigned d = 1; c->months >> m & 1 && d <= most[m]; d++)
            if (c->days >> d & 1)
                return true;
    return !c->any_weekday;
}

bool cron_parse(struct slice text, struct cron *ret_cron, char *ret_why)
{
    char line[CRON_TEXT_MAX + 1];
    struct cron c;
    bool any;
    uint64_t *const bits[] = {&c.minutes, &c.hours, &c.days, &c.months, &c.weekdays};
    snprintf(ret_why, CRON_WHY_BYTES,
             "cron has five fields: minute, hour, day of the month, month, day of the week");
    if (!text.len || text.len > CRON_TEXT_MAX || memchr(text.data, 0, text.len))
        return false;
    memcpy(line, text.data, text.len);
    line[text.len] = '\0';
    for (size_t i = 0; i < sizeof shorts / sizeof *shorts; i++)
        if (strcasecmp(line, shorts[i].name) == 0)
            snprintf(line, sizeof line, "%s", shorts[i].text);
    struct text t = {line, ret_why};
    for (unsigned i = 0; i < FIELDS; i++) {
        t.at += strspn(t.at, " ");
        if (!*t.at)
            return false;
        if (!field_read(&t, &fields[i], bits[i], &any))
            return false;
        if (i == 2)
            c.any_day = any;
        if (i == 4)
            c.any_weekday = any;
    }
    t.at += strspn(t.at, " ");
    if (*t.at)
        return false;
    c.weekdays = (c.weekdays | c.weekdays >> 7) & 0x7f; /* 7 is Sunday, too */
    snprintf(ret_why, CRON_WHY_BYTES, "there is no such day in these months");
    if (!days_possible(&c))
        return false;
    *ret_cron = c;
    return true;
}

/* --- times ------------------------------------------------------------------------------------ */

static void civil(uint64_t day, unsigned *ret_month, unsigned *ret_day)
{
    uint64_t z = day + 719468;
    uint64_t of_era = z % 146097;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * of_year + 2) / 153;
    *ret_day = (unsigned)(of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (unsigned)(month < 10 ? month + 3 : month - 9);
}

static bool day_good(const struct cron *c, uint64_t day)
{
    unsigned month, of_month;
    civil(day, &month, &of_month);
    bool d = c->days >> of_month & 1, w = c->weekdays >> ((day + 4) % 7) & 1;
    if (!(c->months >> month & 1))
        return false;
    return c->any_day || c->any_weekday ? d && w : d || w;
}

msec_t cron_next(const struct cron *c, msec_t after)
{
    uint64_t minute = after / MINUTE_MS + 1, day = minute / DAY_MINUTES;
    uint64_t last = day + YEARS * 366;
    unsigned of_day = (unsigned)(minute % DAY_MINUTES);
    for (; day < last; day++, of_day = 0) {
        if (!day_good(c, day))
            continue;
        for (unsigned m = of_day; m < DAY_MINUTES; m++)
            if (c->hours >> m / 60 & 1 && c->minutes >> m % 60 & 1)
                return (day * DAY_MINUTES + m) * MINUTE_MS;
    }
    return 0;
}
