/* resp.c - one type of reply, one function. */
#include "command/resp.h"

#include <math.h>
#include <stdio.h>

enum { HEAD_BYTES = 24 }; /* a type, 20 digits, a line end */

static uint8_t *number_write(uint8_t *to, int64_t number)
{
    uint8_t digits[20];
    size_t len = 0;
    uint64_t n = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    if (number < 0)
        *to++ = '-';
    do
        digits[len++] = (uint8_t)('0' + n % 10);
    while (n /= 10);
    while (len)
        *to++ = digits[--len];
    return to;
}

/* type, number, line end */
static uint8_t *head_write(uint8_t *to, char type, int64_t number)
{
    *to++ = (uint8_t)type;
    if (likely((uint64_t)number < 1000)) { /* most are */
        unsigned n = (unsigned)number;
        *to = (uint8_t)('0' + n / 100);
        to += n >= 100;
        *to = (uint8_t)('0' + n / 10 % 10);
        to += n >= 10;
        *to++ = (uint8_t)('0' + n % 10);
    } else {
        to = number_write(to, number);
    }
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

static void head(struct buf *out, char type, int64_t number)
{
    uint8_t *start = buf_reserve(out, HEAD_BYTES);
    out->len += (size_t)(head_write(start, type, number) - start);
}

static void text(struct buf *out, const char *s)
{
    buf_add(out, s, strlen(s));
}

static void line(struct buf *out, char type, struct slice s)
{
    uint8_t *to = buf_reserve(out, s.len + 3);
    *to++ = (uint8_t)type;
    for (size_t i = 0; i < s.len; i++)
        *to++ = s.data[i] == '\r' || s.data[i] == '\n' ? ' ' : s.data[i];
    *to++ = '\r';
    *to++ = '\n';
    out->len += s.len + 3;
}

void resp_status(struct buf *out, struct slice word)
{
    line(out, '+', word);
}

void resp_error(struct buf *out, struct slice why)
{
    line(out, '-', why);
}

void resp_integer(struct buf *out, int64_t number)
{
    head(out, ':', number);
}

void resp_bulk(struct buf *out, struct slice bytes)
{
    uint8_t *start = buf_reserve(out, HEAD_BYTES + bytes.len + 2);
    uint8_t *to = head_write(start, '$', (int64_t)bytes.len);
    if (bytes.len)
        memcpy(to, bytes.data, bytes.len);
    to += bytes.len;
    *to++ = '\r';
    *to++ = '\n';
    out->len += (size_t)(to - start);
}

void resp_null(struct buf *out, bool resp3)
{
    text(out, resp3 ? "_\r\n" : "$-1\r\n");
}

void resp_null_array(struct buf *out, bool resp3)
{
    text(out, resp3 ? "_\r\n" : "*-1\r\n");
}

void resp_double(struct buf *out, double number, bool resp3)
{
    char digits[32];
    int n = isinf(number) ? snprintf(digits, sizeof digits, number > 0 ? "inf" : "-inf")
                          : snprintf(digits, sizeof digits, "%.17g", number);
    struct slice s = slice_make(digits, (size_t)n);
    if (resp3)
        line(out, ',', s);
    else
        resp_bulk(out, s);
}

void resp_boolean(struct buf *out, bool yes, bool resp3)
{
    if (resp3)
        text(out, yes ? "#t\r\n" : "#f\r\n");
    else
        resp_integer(out, yes);
}

void resp_verbatim(struct buf *out, struct slice bytes, bool resp3)
{
    if (!resp3) {
        resp_bulk(out, bytes);
        return;
    }
    head(out, '=', (int64_t)bytes.len + 4);
    text(out, "txt:");
    buf_add(out, bytes.data, bytes.len);
    text(out, "\r\n");
}

void resp_array(struct buf *out, uint64_t len)
{
    head(out, '*', (int64_t)len);
}

void resp_map(struct buf *out, uint64_t pairs, bool resp3)
{
    head(out, resp3 ? '%' : '*', (int64_t)(resp3 ? pairs : 2 * pairs));
}

void resp_set(struct buf *out, uint64_t len, bool resp3)
{
    head(out, resp3 ? '~' : '*', (int64_t)len);
}

void resp_push(struct buf *out, uint64_t len, bool resp3)
{
    head(out, resp3 ? '>' : '*', (int64_t)len);
}

void resp_reply(struct buf *out, const struct reply *r, bool resp3)
{
    switch (r->kind) {
    case REPLY_OK:
        text(out, "+OK\r\n");
        break;
    case REPLY_NULL:
        resp_null(out, resp3);
        break;
    case REPLY_NULL_ARRAY:
        resp_null_array(out, resp3);
        break;
    case REPLY_INTEGER:
        resp_integer(out, r->number);
        break;
    case REPLY_BULK:
        resp_bulk(out, r->bytes);
        break;
    case REPLY_STATUS:
        resp_status(out, r->bytes);
        break;
    case REPLY_ERROR:
        resp_error(out, r->bytes);
        break;
    case REPLY_RAW:
        buf_add(out, r->bytes.data, r->bytes.len);
        break;
    case REPLY_NONE:
        check_failed("a procedure without a reply", __FILE__, __LINE__, __func__);
    }
}

struct slice resp_error_of(enum grid_err err)
{
    switch (err) {
    case GRID_EWRONG_TYPE:
        return slice_str("WRONGTYPE Operation against a key holding the wrong kind of value");
    case GRID_ENOT_NUMBER:
        return slice_str("ERR value is not an integer or out of range");
    case GRID_EOVERFLOW:
        return slice_str("ERR increment or decrement would overflow");
    case GRID_EFEW_COPIES:
        return slice_str("NOREPLICAS Not enough good replicas to write.");
    case GRID_EFULL:
    case GRID_ENOMEM:
        return slice_str("OOM command not allowed when used memory > 'maxmemory'.");
    case GRID_ETOO_LARGE:
        return slice_str("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    case GRID_ECROSS_PARTITION:
        return slice_str("CROSSSLOT Keys in request don't hash to the same slot");
    case GRID_EBUSY:
        return slice_str("TRYAGAIN too many requests in progress, try again");
    case GRID_ENO_SPACE:
        return slice_str("MISCONF no space left on device: writes are refused, reads go on");
    case GRID_EDAMAGED:
    case GRID_ECORRUPT:
        return slice_str("CLUSTERDOWN the partition's data on disk is damaged: see gridctl "
                         "partition list");
    case GRID_ELOST:
        return slice_str("CLUSTERDOWN the partition's last copy is lost: see gridctl partition "
                         "list");
    case GRID_ESTOPPING:
        return slice_str("CLUSTERDOWN the node is stopping");
    case GRID_ENOT_PRIMARY:
        return slice_str("CLUSTERDOWN Hash slot not served: no node leads its partition");
    case GRID_EENTERING:
        return slice_str("CLUSTERDOWN The node is not in the grid: see gridctl status");
    case GRID_EIN_DOUBT:
        return slice_str("INDOUBT no answer: the write may or may not have been done");
    case GRID_ESTALE:
        return slice_str("INDOUBT the write is too old to be done exactly once");
    case GRID_ENO_CONTEXT:
        return slice_str("ERR no such context");
    case GRID_ENO_CACHE:
        return slice_str("ERR no such cache");
    default:
        return slice_str("ERR the request cannot be done");
    }
}
