/* mem.h - memory. What the size of user data decides may fail politely (malloc, gc_buf_reserve:
 * GRID_ENOMEM); bookkeeping of a few hundred bytes ends the process when there is none. */
#ifndef GRIDCLIENT_MEM_H
#define GRIDCLIENT_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bookkeeping: `n * bytes`, cleared; never NULL. */
void *gc_calloc(size_t n, size_t bytes);
/* The same without clearing, of what may have been there before. */
void *gc_realloc(void *old, size_t bytes);
/* NULL stays NULL. */
char *gc_strdup(const char *text);

/* Bytes that come in at the end and go out at the front: data[start..end). Zero-initialised:
 * empty. */
struct buf {
    uint8_t *data;
    size_t start, end, cap;
};

static inline size_t buf_len(const struct buf *b)
{
    return b->end - b->start;
}

/* Room for `bytes` more behind the end. False: no memory, nothing changed. */
bool gc_buf_reserve(struct buf *b, size_t bytes);
/* The first `bytes` are done with. An empty buffer that has become large gives its memory back. */
void gc_buf_consume(struct buf *b, size_t bytes);
void gc_buf_release(struct buf *b);

/* Append to a text of `size` bytes, cut off at the end: "" + "a", then "a" + "b". */
__attribute__((format(printf, 3, 4))) void gc_text_add(char *text, size_t size, const char *format,
                                                       ...);

#endif
