/* fuzz_frame.c - a stream of frames, offered in pieces, is cut in the same places as offered whole.
 * LINK: base frame */
#include "base/err.h"
#include "base/prng.h"
#include "proto/frame.h"
#include "tests/fuzz/fuzz.h"

enum { LIMIT = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct prng prng = {len ? data[0] : 0};
    size_t start = 0, there = 0;
    while (there < len || start < there) {
        size_t body;
        enum frame_status pieces = frame_peek(data + start, there - start, LIMIT, &body);
        CHECK(body <= LIMIT);
        if (pieces == FRAME_MORE) {
            if (there == len)
                return 0;
            there += 1 + (size_t)prng_below(&prng, len - there);
            continue;
        }
        size_t whole_body;
        CHECK(frame_peek(data + start, len - start, LIMIT, &whole_body) == pieces);
        CHECK(whole_body == body);
        if (pieces != FRAME_WHOLE)
            return 0;
        CHECK(FRAME_HEADER_BYTES + body <= there - start);
        uint8_t header[FRAME_HEADER_BYTES];
        frame_write_header(header, body);
        CHECK(__builtin_memcmp(header, data + start, sizeof header) == 0);
        start += FRAME_HEADER_BYTES + body;
    }
    return 0;
}
