/* fuzz_forward.c - operations, results and errands between nodes.
 * LINK: wire command shard control replica data base pb frame */
#include "fuzz.h"

#include "base/buf.h"
#include "base/err.h"
#include "wire/forward.h"

enum { ARENA_LIMIT = 1 << 20 };

static void write(struct buf *out, const struct wire_forward *m)
{
    out->len = 0;
    if (m->kind == WIRE_ASK)
        wire_forward_ask(out, m->number, m->revision, m->round, m->op);
    else if (m->kind == WIRE_ANSWER)
        wire_forward_answer(out, m->number, m->revision, &m->result);
    else if (m->kind == WIRE_ERRAND)
        wire_forward_errand(out, m->number, m->revision, &m->errand);
    else
        wire_forward_told(out, m->number, m->revision, m->errand.number, m->told);
}

/* What is accepted can be told further, and is the same there. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct arena *a = arena_new(ARENA_LIMIT);
    struct wire_forward m;
    struct buf once = BUF_INIT, twice = BUF_INIT;
    if (wire_forward_decode(slice_make(data, len), a, &m) == GRID_OK) {
        write(&once, &m);
        CHECK(wire_forward_decode(buf_slice(&once), a, &m) == GRID_OK || arena_refused(a));
        if (!arena_refused(a)) {
            write(&twice, &m);
            CHECK(slice_eq(buf_slice(&once), buf_slice(&twice)));
        }
    }
    arena_check(a);
    CHECK(arena_used(a) <= ARENA_LIMIT + ARENA_CHUNK_BYTES);
    buf_release(&once);
    buf_release(&twice);
    arena_free(a);
    return 0;
}
