/* resp_text.h - arguments of Redis commands as words and numbers. */
#ifndef GRIDD_SESSION_RESP_TEXT_H
#define GRIDD_SESSION_RESP_TEXT_H

#include "base/slice.h"

/* Letters compare regardless of case. */
bool resp_word_is(struct slice s, const char *word);
/* Whether `name`, in small letters, is like the pattern (base/glob.h), regardless of case. */
bool resp_name_fits(struct slice pattern, const char *name);
/* A decimal number of 64 bits, written in the one shortest way. */
bool resp_number(struct slice s, int64_t *ret_number);
/* A number of bytes with a unit: "100", "64kb", "1gb". */
bool resp_memory(struct slice s, int64_t *ret_bytes);
/* `s` as a string of at most `size` - 1 bytes without a NUL; false: it is none. */
bool resp_string(struct slice s, char *to, size_t size);

#endif
