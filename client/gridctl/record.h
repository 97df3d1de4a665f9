/* record.h - the lines that load reads and dump writes. Pure.
 *
 *   tsv    key TAB value, escaped as in text.h. With columns chosen: the key is one column, the
 *          value the others.
 *   jsonl  {"key": K, "affinity": A, "value": V, "media": M, "deadline_ms": N} as dump writes it;
 *          K, A, V and M are a string or {"base64": "..."}; A, M and N are there when the entry has
 *          one. {"key": K, "hash": H, ...}: H is an object of fields, or where a field's name is no
 *          text, an array of [field, value]. With a key field chosen: any object, the value is the
 *          object without blanks between its parts. */
#ifndef GRIDCTL_RECORD_H
#define GRIDCTL_RECORD_H

#include "text.h"

#include <grid.h>

#include <stdio.h>

enum record_format { RECORD_TSV = 0, RECORD_JSONL = 1 };
enum { RECORD_WHY_BYTES = 256, RECORD_LINE_MAX = 272 << 20 };

struct record_options {
    enum record_format format;
    const char *key;      /* column or field; NULL: the default */
    const char *affinity; /* column or field; NULL: none */
    bool header;          /* tsv: the first line names the columns */
    bool raw;             /* tsv: no escapes */
};

struct record {
    struct grid_bytes key, value, affinity, media; /* borrowed until the next call */
    enum grid_type type;
    uint64_t deadline_ms; /* 0: none is said */
};

enum record_outcome { RECORD_OK, RECORD_SKIP /* header or empty line */, RECORD_BAD /* see why */ };

struct records; /* opaque */
/* NULL: options that make no sense, `why` says which. Strings are borrowed for its life. */
struct records *records_new(const struct record_options *options, char why[RECORD_WHY_BYTES]);
void records_free(struct records *r); /* NULL is fine */
/* Understand one line, without its newline. */
enum record_outcome records_parse(struct records *r, const char *line, size_t len,
                                  struct record *ret_record, char why[RECORD_WHY_BYTES]);

/* Add the line for an entry, newline included. False: it has none, for tsv has no form for a hash,
 * and there is nothing of one that is larger than the grid shows. */
bool record_write(struct text *out, enum record_format format, const struct grid_entry *entry);
/* Add the fields of a hash as JSON: an object, or an array of [field, value]. */
void record_add_hash(struct text *out, struct grid_bytes hash);

/* --- lines of a file, bounded --- */

struct lines { /* all zero, then file */
    FILE *file;
    struct text buffer;
    size_t at;       /* the next line begins here */
    uint64_t number; /* of the line that was returned last, from 1 */
    uint64_t bytes;  /* of the lines returned so far */
    bool ended;
};
enum lines_outcome { LINES_OK, LINES_END, LINES_TOO_LONG, LINES_ERROR /* errno */ };
/* The line is borrowed until the next call. */
enum lines_outcome lines_next(struct lines *l, const char **ret_line, size_t *ret_len);
void lines_release(struct lines *l);

#endif
