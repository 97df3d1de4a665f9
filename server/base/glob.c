/* glob.c - one pass; when it fails, the last star takes one byte more. Earlier stars need not be
 * tried again: what they left to later ones was the most there could be. */
#include "base/glob.h"

/* Whether `c` is in the set whose '[' stands at p[*at]; *at becomes the place behind it. A set that
 * is not closed ends with the pattern. */
static bool set_has(struct slice p, size_t *at, uint8_t c)
{
    size_t i = *at + 1;
    bool found = false, negated = i < p.len && p.data[i] == '^';
    for (i += negated; i < p.len && p.data[i] != ']'; i++) {
        size_t left = p.len - i;
        if (p.data[i] == '\\' && left >= 2) {
            found |= p.data[++i] == c;
        } else if (left >= 3 && p.data[i + 1] == '-') {
            uint8_t a = p.data[i], b = p.data[i + 2];
            found |= a <= b ? c >= a && c <= b : c >= b && c <= a;
            i += 2;
        } else {
            found |= p.data[i] == c;
        }
    }
    *at = i < p.len ? i + 1 : i;
    return found != negated;
}

/* Whether `c` is what the pattern has at *at, which is no star; *at moves on. */
static bool one_matches(struct slice p, size_t *at, uint8_t c)
{
    switch (p.data[*at]) {
    case '?':
        ++*at;
        return true;
    case '[':
        return set_has(p, at, c);
    case '\\':
        if (p.len - *at >= 2)
            ++*at;
        break;
    default:
        break;
    }
    return p.data[(*at)++] == c;
}

bool glob_matches(struct slice p, struct slice text)
{
    size_t at = 0, i = 0, star = SIZE_MAX, star_took = 0;
    if (text.len == 0)
        return p.len == 0;
    while (i < text.len) {
        size_t next = at;
        if (at < p.len && p.data[at] == '*') {
            star = at++;
            star_took = i;
        } else if (at < p.len && one_matches(p, &next, text.data[i])) {
            at = next;
            i++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            i = ++star_took;
        } else {
            return false;
        }
    }
    while (at < p.len && p.data[at] == '*')
        at++;
    return at == p.len;
}

struct slice glob_prefix(struct slice p)
{
    size_t len = 0;
    while (len < p.len && !memchr("*?[\\", p.data[len], 4))
        len++;
    return slice_make(p.data, len);
}
