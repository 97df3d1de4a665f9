/* fuzz_reply.c - the body of a frame as a client reads it: HelloReply and Response. What is read is
 * sound in every field.
 * LINK: wire control base pb frame */
#include "base/err.h"
#include "client.pb-c.h"
#include "tests/fuzz/fuzz.h"
#include "wire/wire_priv.h"

/* Packing reads every field, so that a sanitizer sees each. */
static void read_all(const ProtobufCMessageDescriptor *what, struct slice body)
{
    struct arena *a = arena_new(16 << 20);
    const ProtobufCMessage *m = wire_unpack(what, body, a);
    if (m) {
        struct buf b = BUF_INIT;
        CHECK(protobuf_c_message_check(m));
        wire_pack(m, &b);
        CHECK(b.len == protobuf_c_message_get_packed_size(m));
        buf_release(&b);
    }
    arena_check(a);
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    read_all(&grid__hello_reply__descriptor, slice_make(data, len));
    read_all(&grid__response__descriptor, slice_make(data, len));
    return 0;
}
