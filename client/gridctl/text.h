/* text.h - growing byte strings, and the ways gridctl writes bytes as text and reads them back.
 * Everything here is pure. Memory that runs out ends the process with one line: a command line
 * tool has nobody to tell. */
#ifndef GRIDCTL_TEXT_H
#define GRIDCTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A byte string that grows; all zero is empty. data has a NUL behind len once anything was
 * added. */
struct text {
    char *data;
    size_t len, size;
};
void text_add(struct text *t, const void *data, size_t len);
void text_add_str(struct text *t, const char *s);
void text_addf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Make room for `len` more bytes behind what is there. */
void text_reserve(struct text *t, size_t len);
void text_clear(struct text *t); /* keeps the memory */
void text_release(struct text *t);
/* "" for an empty one; never NULL. */
const char *text_str(const struct text *t);

/* n * bytes zeroed; never NULL. */
void *mem_new(size_t n, size_t bytes);
/* Resize to n * bytes; never NULL. */
void *mem_grow(void *p, size_t n, size_t bytes);

/* --- escapes: one line of text for any bytes. \t \n \\ and \xNN; what is valid UTF-8 and
 * printable stays as it is. */
void escape_add(struct text *out, const void *data, size_t len);
/* The reverse. Lossless for what escape_add wrote; a backslash before anything else stands for
 * itself. */
void unescape_add(struct text *out, const char *data, size_t len);
/* Bytes from a user or a server for a message: escaped, in double quotes, at most ~60 bytes of
 * it. */
enum { QUOTE_BYTES = 200 };
const char *quote(char buf[QUOTE_BYTES], const void *data, size_t len);

bool utf8_valid(const void *data, size_t len);

void base64_add(struct text *out, const void *data, size_t len);
/* False: not base64 as base64_add writes it. */
bool base64_decode(const char *data, size_t len, struct text *out);
/* JSON text of a string; bytes that are not UTF-8 become {"base64": "..."}. */
void json_add_bytes(struct text *out, const void *data, size_t len);

#endif
