/* json.h - JSON written into a buf, and what of it is text: whoever writes puts the commas. */
#ifndef GRIDD_BASE_JSON_H
#define GRIDD_BASE_JSON_H

#include "base/buf.h"

/* Whether `s` is well-formed UTF-8 (no surrogates, nothing above U+10FFFF, shortest forms). */
bool utf8_valid(struct slice s);
/* Append "..." with what JSON wants escaped; `s` must be valid UTF-8. */
void json_add_string(struct buf *out, struct slice s);
/* The same of any bytes: "..." when they are valid UTF-8, else {"base64":"..."}. */
void json_add_bytes(struct buf *out, struct slice s);
/* Append "name": with a comma before it unless it is the first of its object or array. */
void json_add_name(struct buf *out, const char *name);
/* A comma, unless `out` ends with an opening bracket. */
void json_add_comma(struct buf *out);

/* Append base64 (RFC 4648, padded) or base64url (section 5, not padded). */
void base64_add(struct buf *out, struct slice s);
void base64url_add(struct buf *out, struct slice s);
/* Decode either alphabet, with or without padding, into `out` (room for s.len * 3 / 4 bytes).
 * False: it is none. */
bool base64_decode(struct slice s, uint8_t *out, size_t *ret_len);

#endif
