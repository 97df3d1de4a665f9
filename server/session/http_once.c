/* http_once.c - Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): what is asked again
 * with it is done once.
 *
 * An HTTP client is no session (R13). User, cache, key and Idempotency-Key are the id of one that
 * asks for one thing only, whose number is made of what is asked: so that the same with another
 * contents is found out, and nobody is told what another's request has done. */
#include "session/http_once.h"

#include "base/sha1.h"
#include "control/level.h"

enum { ONCE_KEY_MAX = 128 };
_Static_assert((int)SHA1_BYTES >= (int)SESSION_ID_BYTES, "an id is the beginning of a digest");

const char http_once_other[] =
    "this Idempotency-Key was used with another request: take another one, or send what it was";

static void digest_of(uint32_t first, const struct slice *parts, size_t len,
                      uint8_t digest[SHA1_BYTES])
{
    struct buf named = BUF_INIT;
    buf_add_u32(&named, first);
    for (size_t i = 0; i < len; i++) {
        buf_add_u32(&named, (uint32_t)parts[i].len);
        buf_add(&named, parts[i].data, parts[i].len);
    }
    sha1(buf_slice(&named), digest);
    buf_release(&named);
}

bool http_once(struct http_session *h, struct http_request *r, const struct http_asked *a,
               struct http_once *ret_once)
{
    struct slice once = r->headers[HEADER_IDEMPOTENCY_KEY];
    uint8_t digest[SHA1_BYTES];
    *ret_once = (struct http_once){.there = once.data != NULL};
    if (!once.data)
        return true;
    if (!once.len || once.len > ONCE_KEY_MAX) {
        http_problem(h, r->pending, GRID_EBAD_REQUEST, "an Idempotency-Key has 1 to 128 bytes");
        return false;
    }
    ret_once->sole = session_level(&h->base) >= GRID_LEVEL_SPREAD;
    const struct slice who[] = {ret_once->sole ? slice_make(NULL, 0) : a->name, a->key, once,
                                slice_str(h->base.user)};
    const struct slice what[] = {a->name, a->argument, a->more};
    digest_of(a->cache, who, sizeof who / sizeof *who, ret_once->digest);
    digest_of(0, what, sizeof what / sizeof *what, digest);
    memcpy(ret_once->id.bytes, ret_once->digest, SESSION_ID_BYTES);
    ret_once->number = ret_once->sole ? 1 + (load_u64(digest) >> 1) : 1;
    return true;
}
