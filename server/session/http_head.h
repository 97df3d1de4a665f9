/* http_head.h - request line and header fields of one request: http_parser, made strict. Bytes are
 * borrowed and may move between two calls: what is found is kept as places. */
#ifndef GRIDD_SESSION_HTTP_HEAD_H
#define GRIDD_SESSION_HTTP_HEAD_H

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HEAD_BYTES_MAX = 16 << 10,  /* request line and header fields */
    TARGET_BYTES_MAX = 8 << 10, /* what stands in the request line */
    HEAD_FIELDS_MAX = 100,
};

/* Header fields that mean something here: X(NAME, name). */
#define HTTP_HEADERS(X)                                                                            \
    X(HOST, "host")                                                                                \
    X(ACCEPT, "accept")                                                                            \
    X(AFFINITY, "affinity")                                                                        \
    X(AUTHORIZATION, "authorization")                                                              \
    X(CONTENT_ENCODING, "content-encoding")                                                        \
    X(CONTENT_TYPE, "content-type")                                                                \
    X(EXPECT, "expect")                                                                            \
    X(IDEMPOTENCY_KEY, "idempotency-key")                                                          \
    X(IF_MATCH, "if-match")                                                                        \
    X(IF_NONE_MATCH, "if-none-match")                                                              \
    X(ORIGIN, "origin")                                                                            \
    X(TRANSFER_ENCODING, "transfer-encoding")                                                      \
    X(TTL, "ttl")

enum http_header {
#define X(name, text) HEADER_##name,
    HTTP_HEADERS(X)
#undef X
        HEADER_KINDS
};

struct span { /* in bytes that may move: relative to the first one of the request */
    uint32_t at, len;
};

struct http_head {
    struct http_parser parser;
    const uint8_t *base; /* of the call */
    uint32_t parsed;     /* bytes gone through */
    unsigned fields;
    bool in_value, done;
    int header; /* enum http_header the value belongs to; -1: none of them */
    struct span target, name, value;
    struct span headers[HEADER_KINDS];
    unsigned refused; /* HTTP status */
    const char *why;
};

enum head_step { HEAD_MORE, HEAD_DONE, HEAD_REFUSED };
void http_head_begin(struct http_head *head);
/* Go on in data[0..len), which begins with the first byte of the request each time. HEAD_DONE:
 * head->parsed bytes are the head; HEAD_REFUSED: see refused and why. */
enum head_step http_head_run(struct http_head *head, const uint8_t *data, size_t len);
static inline bool http_head_chunked(const struct http_head *head)
{
    return head->headers[HEADER_TRANSFER_ENCODING].at != 0;
}
/* 0 without a body, and for chunks. */
uint64_t http_head_length(const struct http_head *head);

#endif
