/* http_text.h - what stands in targets, header fields and bodies of HTTP, read without taking
 * memory. Everything here is hostile. */
#ifndef GRIDD_SESSION_HTTP_TEXT_H
#define GRIDD_SESSION_HTTP_TEXT_H

#include "base/clock.h"
#include "base/slice.h"

/* Decode %XX (and '+' as a space, with `plus`) into `out` (room for s.len bytes). False: a '%' that
 * two hexadecimal digits do not follow. */
bool percent_decode(struct slice s, bool plus, uint8_t *out, size_t *ret_len);
/* Digits only, at most UINT64_MAX. */
bool digits_parse(struct slice s, uint64_t *ret_number);
/* An optional '-' and digits. */
bool integer_parse(struct slice s, int64_t *ret_number);
/* A duration above zero: digits (seconds), or digits and one of ms s m h d. */
bool duration_parse(struct slice s, msec_t *ret_ms);
/* ASCII without regard to case; `word` in small letters. */
bool word_is(struct slice s, const char *word);

/* If-Match, If-None-Match: `*`, or entity tags, of which ours are "VERSION". Those that cannot be
 * ours match nothing. */
enum { TAGS_MAX = 16 };
struct tags {
    bool any;     /* * */
    unsigned len; /* versions */
    uint64_t versions[TAGS_MAX];
};
/* `weak`: W/"..." counts as the tag itself (If-None-Match), else it never matches (If-Match).
 * False: it is no such list, or has too many tags. */
bool tags_parse(struct slice s, bool weak, struct tags *ret_tags);
bool tags_match(const struct tags *t, uint64_t version); /* `version` 0: there is nothing */

/* The chunked coding of a body (RFC 9112, 7.1), strictly. Zeroed to begin. */
struct chunked {
    unsigned state;
    unsigned line;  /* bytes of the line it is in; of all trailer lines */
    uint64_t left;  /* of this chunk */
    uint64_t bytes; /* of the body, so far */
};
enum chunked_step { CHUNKED_MORE, CHUNKED_DONE, CHUNKED_BAD };
/* Go on through `data`; *ret_used: bytes gone through. With `out`, the body's bytes are written
 * there from `out` + c->bytes on. */
enum chunked_step chunked_run(struct chunked *c, const uint8_t *data, size_t len, uint8_t *out,
                              size_t *ret_used);

#endif
