/* conf_table.h - the keys of gridd.conf as a table. conf.c reads a file by it; a test holds the
 * commented gridd.conf and the manual page against it. conf_value.c: values from text. */
#ifndef GRIDD_CONF_TABLE_H
#define GRIDD_CONF_TABLE_H

#include "conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conf_type {
    CONF_TEXT,
    CONF_NAME,    /* of a node or a grid */
    CONF_ADDRESS, /* host:port */
    CONF_DOOR,    /* the same, or "off" */
    CONF_FILE,    /* must be readable */
    CONF_CHOICE,  /* one of `choices` */
    CONF_FLAG,
    CONF_NUMBER,
    CONF_BYTES,
    CONF_TIME,
    CONF_ADDRESSES, /* lists */
    CONF_LABELS,
    CONF_CACHES, /* host:port=context/cache */
    CONF_USERS,  /* base/credential.h */
    CONF_RIGHTS, /* base/rights.h */
};

struct conf_option {
    const char *section; /* NULL: top level */
    const char *key;
    enum conf_type type;
    size_t place;         /* in struct conf; of a list the array, its length behind it */
    const char *standard; /* the default as it would be written; NULL: not set */
    int64_t min, max;     /* of numbers, bytes, times (ms) */
    const char *choices;  /* "a|b|c" */
    bool reload;          /* taken over on SIGHUP */
};

enum { CONF_OPTIONS = 43, CONF_SECTIONS = 6 };
extern const struct conf_option conf_options[CONF_OPTIONS];
extern const char *const conf_sections[CONF_SECTIONS];

/* The value `text` of `o` into its place in *c, which owns what was there. False: `text` is no
 * value of `o`, *c is as it was. Not for lists. */
bool conf_value_set(struct conf *c, const struct conf_option *o, const char *text);
bool conf_value_good(const struct conf_option *o, const char *text);
/* One entry of a list. */
bool conf_entry_good(const struct conf_option *o, const char *text);
bool conf_is_list(const struct conf_option *o);
bool conf_is_text(const struct conf_option *o); /* its field is an owned char * */
/* Appends what a value of `o` looks like, for people. */
void conf_expected(const struct conf_option *o, struct buf *to);

/* conf_text.c: append `text` to `to`, its comments as blanks. Returns 0, or the line where
 * something is wrong, and `why`. */
enum { CONF_WHY_BYTES = 80 };
int conf_text_plain(struct slice text, struct buf *to, char why[CONF_WHY_BYTES]);
int conf_text_lines(struct slice text); /* how many; of nothing 1 */

#endif
