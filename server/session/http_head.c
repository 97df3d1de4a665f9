/* http_head.c - request line and header fields, by http_parser; stricter than that where lenience
 * has been used to smuggle requests past another server: line ends are CR LF, names are tokens, no
 * folded lines, no space before a colon, one Host, no field twice that matters here, no
 * Transfer-Encoding but chunked.
 *
 * The bytes of a request that is not whole lie in the connection's buffer and are offered again
 * with what follows; the parser goes on behind those it has seen, so nothing is read twice and
 * nothing is copied. */
#include "session/http_head.h"

#include "base/list.h"
#include "session/http_text.h"

static const struct {
    const char *name;
    size_t len;
} header_names[HEADER_KINDS] = {
#define X(name, text) {text, sizeof text - 1},
    HTTP_HEADERS(X)
#undef X
};

static struct http_head *head_of(struct http_parser *p)
{
    return container_of(p, struct http_head, parser);
}

static int refuse(struct http_head *head, unsigned status, const char *why)
{
    head->refused = status;
    head->why = why;
    return 3; /* what no callback gives a meaning to */
}

static uint32_t place(const struct http_head *head, const char *at)
{
    return (uint32_t)((const uint8_t *)at - head->base);
}

static bool is_token(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c && memchr("!#$%&'*+-.^_`|~", c, 15));
}

/* --- called by the parser --------------------------------------------------------------------- */

static int on_url(struct http_parser *p, const char *at, size_t len)
{
    struct http_head *head = head_of(p);
    if (!head->target.len)
        head->target.at = place(head, at);
    head->target.len += (uint32_t)len;
    if (head->target.len > TARGET_BYTES_MAX)
        return refuse(head, 414, "the target has more than 8192 bytes");
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)at[i] <= ' ' || at[i] == 0x7f || at[i] == '#')
            return refuse(head, 400, "a byte in the target that must be percent-encoded");
    return 0;
}

/* A field is whole. */
static int field_end(struct http_head *head)
{
    if (!head->in_value)
        return 0;
    head->in_value = false;
    if (head->header < 0)
        return 0;
    struct span v = head->value;
    while (v.len && (head->base[v.at + v.len - 1] == ' ' || head->base[v.at + v.len - 1] == '\t'))
        v.len--;
    if (head->headers[head->header].at)
        return refuse(head, 400, "a header field that may stand once only stands twice");
    head->headers[head->header] = v;
    return 0;
}

static int header_kind(struct slice name)
{
    for (int i = 0; i < HEADER_KINDS; i++)
        if (name.len == header_names[i].len && word_is(name, header_names[i].name))
            return i;
    return -1;
}

static int on_header_field(struct http_parser *p, const char *at, size_t len)
{
    struct http_head *head = head_of(p);
    if (head->in_value || !head->fields) {
        if (field_end(head))
            return 3;
        if (++head->fields > HEAD_FIELDS_MAX)
            return refuse(head, 431, "more than 100 header fields");
        head->name = (struct span){place(head, at), 0};
    }
    for (size_t i = 0; i < len; i++)
        if (!is_token((uint8_t)at[i]))
            return refuse(head, 400, "a byte in the name of a header field that is not allowed");
    head->name.len += (uint32_t)len;
    return 0;
}

static int on_header_value(struct http_parser *p, const char *at, size_t len)
{
    struct http_head *head = head_of(p);
    uint32_t name_end = head->name.at + head->name.len;
    if (!head->in_value) {
        /* an empty value is told from behind its line */
        if (len && memchr(head->base + name_end, '\n', place(head, at) - name_end))
            return refuse(head, 400, "a header field over several lines");
        head->in_value = true;
        head->value = (struct span){place(head, at), 0};
        head->header = header_kind(slice_make(head->base + head->name.at, head->name.len));
    } else if (place(head, at) != head->value.at + head->value.len) {
        return refuse(head, 400, "a header field over several lines");
    }
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)at[i] < ' ' ? at[i] != '\t' : at[i] == 0x7f)
            return refuse(head, 400, "a control character in a header field");
    head->value.len += (uint32_t)len;
    return 0;
}

static int judge_body(struct http_head *head)
{
    const struct http_parser *p = &head->parser;
    struct span te = head->headers[HEADER_TRANSFER_ENCODING];
    if (!te.at)
        return 0;
    if (p->http_minor == 0)
        return refuse(head, 400, "Transfer-Encoding in HTTP/1.0");
    if (!word_is(slice_make(head->base + te.at, te.len), "chunked"))
        return refuse(head, 501, "Transfer-Encoding is chunked or absent");
    if (p->flags & F_CONTENTLENGTH)
        return refuse(head, 400, "both Transfer-Encoding and Content-Length");
    return 0;
}

static int on_headers_complete(struct http_parser *p)
{
    struct http_head *head = head_of(p);
    if (field_end(head))
        return 3;
    if (p->http_major != 1)
        return refuse(head, 505, "this server speaks HTTP/1.1 and HTTP/1.0");
    if (p->http_minor && !head->headers[HEADER_HOST].at)
        return refuse(head, 400, "a request of HTTP/1.1 names its Host");
    return judge_body(head) ? 3 : 1; /* 1: the body is not the parser's */
}

static int on_message_complete(struct http_parser *p)
{
    head_of(p)->done = true;
    http_parser_pause(p, 1);
    return 0;
}

static const struct http_parser_settings callbacks = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_message_complete = on_message_complete,
};

/* --- running it ------------------------------------------------------------------------------- */

void http_head_begin(struct http_head *head)
{
    *head = (struct http_head){.header = -1};
    http_parser_init(&head->parser, HTTP_REQUEST);
}

static enum head_step broken(struct http_head *head)
{
    enum http_errno err = HTTP_PARSER_ERRNO(&head->parser);
    if (head->refused)
        return HEAD_REFUSED;
    if (err == HPE_INVALID_METHOD)
        refuse(head, 501, "a method that this server does not know");
    else if (err == HPE_INVALID_VERSION)
        refuse(head, 505, "this server speaks HTTP/1.1 and HTTP/1.0");
    else if (err == HPE_HEADER_OVERFLOW)
        refuse(head, 431, "the head has more than 16384 bytes");
    else
        refuse(head, 400, http_errno_description(err));
    return HEAD_REFUSED;
}

static bool lines_end_well(const uint8_t *data, size_t len)
{
    const uint8_t *end = data + len;
    for (const uint8_t *at = data; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        if (at == data || at[-1] != '\r')
            return false;
    return true;
}

enum head_step http_head_run(struct http_head *head, const uint8_t *data, size_t len)
{
    size_t end = len < HEAD_BYTES_MAX ? len : HEAD_BYTES_MAX;
    head->base = data;
    if (end > head->parsed) {
        const char *from = (const char *)data + head->parsed;
        size_t n = http_parser_execute(&head->parser, &callbacks, from, end - head->parsed);
        head->parsed += (uint32_t)n;
    }
    head->base = NULL;
    enum http_errno err = HTTP_PARSER_ERRNO(&head->parser);
    if (err != HPE_OK && err != HPE_PAUSED)
        return broken(head);
    if (head->done) {
        if (lines_end_well(data, head->parsed))
            return HEAD_DONE;
        refuse(head, 400, "a line that does not end with CR LF");
        return HEAD_REFUSED;
    }
    if (head->parsed < HEAD_BYTES_MAX)
        return HEAD_MORE;
    refuse(head, 431, "the head has more than 16384 bytes");
    return HEAD_REFUSED;
}

uint64_t http_head_length(const struct http_head *head)
{
    return head->parser.flags & F_CONTENTLENGTH ? head->parser.content_length : 0;
}
