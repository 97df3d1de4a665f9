/* wire_priv.c - protobuf-c, held at arm's length. */
#include "wire/wire_priv.h"

#include "proto/frame.h"

static void *pb_alloc(void *arena, size_t bytes)
{
    return arena_alloc(arena, bytes);
}

static void pb_free(void *arena, void *p)
{
    (void)arena;
    (void)p; /* goes with the arena */
}

ProtobufCMessage *wire_unpack(const ProtobufCMessageDescriptor *what, struct slice body,
                              struct arena *arena)
{
    ProtobufCAllocator from_arena = {pb_alloc, pb_free, arena};
    return protobuf_c_message_unpack(what, &from_arena, body.len, body.data);
}

void wire_pack(const ProtobufCMessage *message, struct buf *out)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    if (len) /* every field at its default: no bytes */
        out->len += protobuf_c_message_pack(message, buf_reserve(out, len));
}

void wire_pack_frame(const ProtobufCMessage *message, struct buf *out)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *at = buf_reserve(out, FRAME_HEADER_BYTES + len);
    frame_write_header(at, len);
    out->len += FRAME_HEADER_BYTES + protobuf_c_message_pack(message, at + FRAME_HEADER_BYTES);
}

/* Length of the UTF-8 sequence that begins at `s`, 0: not well-formed. `s` ends with a NUL,
 * which is no continuation byte. */
static size_t utf8_len(const uint8_t *s)
{
    static const struct {
        uint8_t first, last, low, high, len; /* first byte's range, second byte's range */
    } rows[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    if (s[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (s[0] < rows[i].first || s[0] > rows[i].last)
            continue;
        if (s[1] < rows[i].low || s[1] > rows[i].high)
            return 0;
        for (size_t k = 2; k < rows[i].len; k++)
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        return rows[i].len;
    }
    return 0;
}

bool wire_text_ok(const char *s)
{
    for (const uint8_t *at = (const uint8_t *)s; *at;) {
        size_t len = utf8_len(at);
        bool control = *at < 0x20 || *at == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0);
        if (!len || control)
            return false;
        at += len;
    }
    return true;
}

bool wire_text_copy(char *to, size_t cap, const char *s)
{
    size_t len = strlen(s);
    if (len >= cap || !wire_text_ok(s))
        return false;
    memcpy(to, s, len + 1);
    return true;
}

char *wire_text(const char *s)
{
    union {
        const char *in;
        char *out;
    } text = {.in = s ? s : ""};
    return text.out;
}

void *wire_take(struct arena *a, size_t n, size_t bytes)
{
    void *p = arena_calloc(a, n, bytes);
    CHECK(p);
    return p;
}
