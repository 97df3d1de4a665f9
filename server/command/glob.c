/* glob.c - one pass with one place to go back to: behind the last star. A star that matched too
 * little is never asked again before a later one, so there is no explosion. */
#include "command/glob.h"

static uint8_t fold(uint8_t b, bool ignore_case)
{
    return ignore_case && b >= 'A' && b <= 'Z' ? (uint8_t)(b + 32) : b;
}

/* Pattern at `*at`, behind a '[': whether `b` is in the set. *at is moved behind it. */
static bool set_has(struct slice p, size_t *at, uint8_t b, bool ignore_case)
{
    size_t i = *at;
    bool negated = i < p.len && p.data[i] == '^', found = false;
    i += negated;
    for (; i < p.len && p.data[i] != ']'; i++) {
        if (p.data[i] == '\\' && i + 1 < p.len) {
            found |= p.data[++i] == b;
        } else if (i + 2 < p.len && p.data[i + 1] == '-') {
            uint8_t from = fold(p.data[i], ignore_case), to = fold(p.data[i + 2], ignore_case);
            uint8_t low = from < to ? from : to, high = from < to ? to : from;
            uint8_t x = fold(b, ignore_case);
            found |= x >= low && x <= high;
            i += 2;
        } else {
            found |= fold(p.data[i], ignore_case) == fold(b, ignore_case);
        }
    }
    *at = i < p.len ? i + 1 : i; /* a set that is not closed ends with the pattern */
    return found != negated;
}

/* Whether one byte matches the element at `*at`, which is moved behind it. */
static bool element_matches(struct slice p, size_t *at, uint8_t b, bool ignore_case)
{
    uint8_t e = p.data[(*at)++];
    if (e == '?')
        return true;
    if (e == '[')
        return set_has(p, at, b, ignore_case);
    if (e == '\\' && *at < p.len)
        e = p.data[(*at)++];
    return fold(e, ignore_case) == fold(b, ignore_case);
}

bool glob_match(struct slice p, struct slice s, bool ignore_case)
{
    size_t at = 0, i = 0, star = p.len + 1, star_i = 0;
    while (i < s.len) {
        if (at < p.len && p.data[at] == '*') {
            star = ++at;
            star_i = i;
            continue;
        }
        size_t next = at;
        if (at < p.len && element_matches(p, &next, s.data[i], ignore_case)) {
            at = next;
            i++;
        } else if (star <= p.len) {
            at = star;
            i = ++star_i;
        } else {
            return false;
        }
    }
    while (at < p.len && p.data[at] == '*')
        at++;
    return at == p.len;
}
