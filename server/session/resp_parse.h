/* resp_parse.h - requests of Redis clients, cut out of a stream of bytes: arrays of bulk strings,
 * and lines as people type them. No sockets, no copies: arguments are places within the input.
 *
 * A parser remembers how far it has looked into a request that is not whole yet, so that a long one
 * that comes in pieces is not read from its start each time. It is offered the same bytes again,
 * with what came behind, until it is whole, and stays whole until resp_parser_next().
 * Source: the Redis serialization protocol specification; error texts and the order of checks are
 * those of Redis 7.0. */
#ifndef GRIDD_SESSION_RESP_PARSE_H
#define GRIDD_SESSION_RESP_PARSE_H

#include "base/buf.h"

enum {
    RESP_LINE_MAX = 64 << 10, /* bytes of a line: a count, or an inline request */
    RESP_ARGS_MAX = 1 << 20,  /* of one request */
    RESP_REQUEST_MAX = 1 << 30,
    RESP_WHY_BYTES = 64,
};

enum resp_parsed {
    RESP_MORE,   /* more bytes are needed */
    RESP_WHOLE,  /* a request with at least one argument; it ends at `at` */
    RESP_EMPTY,  /* nothing was asked; it ends at `at` */
    RESP_BROKEN, /* the stream cannot be trusted any more: `why` */
};

struct resp_span {
    uint32_t at, len;
};

struct resp_parser {
    struct resp_span *spans; /* arguments, from the start of the request, or (inline) of `text` */
    uint32_t spans_len, spans_cap;
    uint32_t args;   /* of the array; 0: not known yet */
    bool is_inline;  /* the request is a line */
    bool whole;      /* ... and complete */
    size_t at;       /* bytes of the request that are dealt with */
    struct buf text; /* inline: the arguments without quotes */
    char why[RESP_WHY_BYTES];
};

/* What may be asked for. */
struct resp_bounds {
    size_t bulk_max;
    bool stranger; /* has yet to authenticate: small requests only */
};

void resp_parser_init(struct resp_parser *p);
void resp_parser_release(struct resp_parser *p);
/* Look at `data`, which begins where the request does. */
enum resp_parsed resp_parse(struct resp_parser *p, const uint8_t *data, size_t len,
                            const struct resp_bounds *bounds);
/* Argument `i` of a whole request; borrowed from `data` or the parser. */
static inline struct slice resp_parser_arg(const struct resp_parser *p, const uint8_t *data,
                                           uint32_t i)
{
    const uint8_t *base = p->is_inline ? p->text.data : data;
    return slice_make(base + p->spans[i].at, p->spans[i].len);
}
/* Forget the request: the next call of resp_parse() begins another. */
void resp_parser_next(struct resp_parser *p);
void resp_parser_check(const struct resp_parser *p);

#endif
