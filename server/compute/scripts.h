/* scripts.h - the scripts that clients of a node have sent, by the SHA-1 of their text in hex: all
 * its threads know the same ones. Bounded: those used least recently go. Thread-safe. */
#ifndef GRIDD_COMPUTE_SCRIPTS_H
#define GRIDD_COMPUTE_SCRIPTS_H

#include "base/buf.h"
#include "base/sha1.h"
#include "base/slice.h"

#include <stdbool.h>
#include <string.h>

struct scripts; /* opaque */

/* Digests in either case are the same; what is no letter stays what it is, or never was one. */
static inline void script_sha_lower(char to[SHA1_HEX], const uint8_t *from)
{
    for (size_t i = 0; i < SHA1_HEX; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, from + i, sizeof word);
        word |= (word & UINT64_C(0x4040404040404040)) >> 1;
        memcpy(to + i, &word, sizeof word);
    }
}

struct scripts *scripts_new(void);
void scripts_free(struct scripts *s); /* NULL is fine */
/* Keep the text; its digest goes to `ret_sha`. False: it is not kept, and why is appended to
 * `ret_fault`, "ERR ...". */
bool scripts_add(struct scripts *s, struct slice text, char ret_sha[SHA1_HEX],
                 struct buf *ret_fault);
/* Where a text is copied to; NULL: there is no room. */
typedef void *scripts_memory(void *ctx, size_t bytes);
/* False: it is not known. The text goes to memory of the caller's, data NULL when that has no room;
 * `memory` may be NULL: it is only looked for. */
bool scripts_get(struct scripts *s, struct slice sha, scripts_memory *memory, void *ctx,
                 struct slice *ret_text);
/* Forget all. */
void scripts_flush(struct scripts *s);

/* The first line of a script may say how it is to be run: "#!lua flags=no-writes". */
struct script_head {
    size_t bytes; /* of that line, without its end; 0: there is none */
    bool reads_only;
};
/* False: it says what is not known; ret_fault is "ERR ...". */
bool script_head_read(struct slice text, struct script_head *ret_head, char ret_fault[128]);

#endif
