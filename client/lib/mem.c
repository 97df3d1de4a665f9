/* mem.c - see mem.h. */
#include "mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_BYTES_MIN = 16 << 10, BUF_BYTES_KEEP = 1 << 20 };

void *gc_calloc(size_t n, size_t bytes)
{
    void *p = calloc(n, bytes);
    if (!p) {
        fputs("libgridclient: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *gc_realloc(void *old, size_t bytes)
{
    void *p = realloc(old, bytes);
    if (!p)
        abort();
    return p;
}

char *gc_strdup(const char *text)
{
    if (!text)
        return NULL;
    size_t bytes = strlen(text) + 1;
    return memcpy(gc_calloc(1, bytes), text, bytes);
}

bool gc_buf_reserve(struct buf *b, size_t bytes)
{
    if (b->cap - b->end >= bytes)
        return true;
    size_t len = buf_len(b);
    if (b->cap >= len + bytes && b->start >= len) { /* moving is cheap */
        memcpy(b->data, b->data + b->start, len);
    } else {
        size_t cap = b->cap ? b->cap : BUF_BYTES_MIN;
        while (cap < len + bytes)
            cap *= 2;
        uint8_t *data = malloc(cap);
        if (!data)
            return false;
        if (len)
            memcpy(data, b->data + b->start, len);
        free(b->data);
        b->data = data;
        b->cap = cap;
    }
    b->start = 0;
    b->end = len;
    return true;
}

void gc_buf_consume(struct buf *b, size_t bytes)
{
    b->start += bytes;
    if (b->start < b->end)
        return;
    b->start = b->end = 0;
    if (b->cap > BUF_BYTES_KEEP)
        gc_buf_release(b);
}

void gc_buf_release(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void gc_text_add(char *text, size_t size, const char *format, ...)
{
    size_t len = strlen(text);
    va_list list;
    va_start(list, format);
    vsnprintf(text + len, size - len, format, list);
    va_end(list);
}
