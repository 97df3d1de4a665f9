/* words.h - a line of the shell into words, with the quoting of sh. Pure.
 * 'as it is', "with \" \\ \$ \` as escapes", a backslash before one character, # begins a
 * comment. */
#ifndef GRIDCTL_WORDS_H
#define GRIDCTL_WORDS_H

#include <stddef.h>

enum { WORDS_MAX = 64 };

struct words {
    const char *list[WORDS_MAX]; /* into text */
    size_t len;
    char *text;
};
/* NULL, or what is wrong (static). Release with words_release() in both cases. NUL bytes end the
 * line. */
const char *words_split(const char *line, struct words *ret_words);
void words_release(struct words *w);

#endif
