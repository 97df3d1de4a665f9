/* out.h - results on stdout, as text or as JSON.
 * A command names its columns once and then gives the cells in that order, row by row; what they
 * look like is the affair of the format (a table of functions, text or JSON). */
#ifndef GRIDCTL_OUT_H
#define GRIDCTL_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum out_shape {
    OUT_TABLE,  /* text: a table with headings; JSON: an array of objects */
    OUT_RECORD, /* one row. text: a line for each column; JSON: an object */
    OUT_LINE,   /* one row. text: cells separated by TABs; JSON: an object */
    OUT_STREAM  /* rows as they come. text: as OUT_LINE; JSON: an object on each line */
};

enum out_kind {
    OUT_TEXT,    /* names and the like: escaped in text */
    OUT_RAW,     /* bytes of the user: as they are in text */
    OUT_ESCAPED, /* bytes of the user: escaped in text */
    OUT_NUMBER,
    OUT_SIZE,     /* bytes: 1.5 MiB in text */
    OUT_DURATION, /* ms: 3m 5s in text */
    OUT_BOOL
};

struct out_column {
    const char *name; /* JSON's name; the heading in text */
    enum out_kind kind;
    bool json_only;
};

struct out; /* opaque */
struct out *out_new(FILE *file, bool json, bool colour);
void out_free(struct out *o); /* NULL is fine */
bool out_json(const struct out *o);
bool out_colour(const struct out *o);
FILE *out_file(struct out *o);

void out_begin(struct out *o, enum out_shape shape, const struct out_column *columns, size_t n);
void out_bytes(struct out *o, const void *data, size_t len);
void out_text(struct out *o, const char *s);
void out_number(struct out *o, uint64_t n); /* also sizes and durations */
void out_signed(struct out *o, int64_t n);
void out_bool(struct out *o, bool b);
/* Text: separated by commas; JSON: an array. `stride` is the distance of the strings in bytes, 0:
 * an array of pointers. */
void out_list(struct out *o, const void *strings, size_t stride, size_t n);
void out_none(struct out *o, const char *text); /* `text` in text, null in JSON */
void out_end(struct out *o);

#endif
