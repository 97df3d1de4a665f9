/* words.c - see words.h. The words are written into one buffer: they never get longer by taking
 * quotes away. */
#include "words.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Copy the quoted part behind `*in` up to its closing `quote`. False: there is none. */
static bool take_quoted(const char **in, char **out, char mark)
{
    const char *p = *in;
    for (; *p && *p != mark; p++) {
        if (mark == '"' && *p == '\\' && p[1] && strchr("\"\\$`", p[1]))
            p++;
        *(*out)++ = *p;
    }
    *in = p + (*p == mark);
    return *p == mark;
}

/* Copy one word. NULL, or what is wrong. */
static const char *take_word(const char **in, char **out)
{
    while (**in && !blank(**in)) {
        char c = *(*in)++;
        if (c == '\'' || c == '"') {
            if (!take_quoted(in, out, c))
                return c == '"' ? "a closing \" is missing" : "a closing ' is missing";
        } else if (c == '\\') {
            if (!**in)
                return "a character is missing behind the last backslash";
            *(*out)++ = *(*in)++;
        } else {
            *(*out)++ = c;
        }
    }
    *(*out)++ = '\0';
    return NULL;
}

const char *words_split(const char *line, struct words *ret_words)
{
    *ret_words = (struct words){.text = mem_new(strlen(line) + 2, 1)};
    char *out = ret_words->text;
    for (;;) {
        while (blank(*line))
            line++;
        if (!*line || *line == '#')
            return NULL;
        if (ret_words->len == WORDS_MAX)
            return "too many words";
        ret_words->list[ret_words->len++] = out;
        const char *why = take_word(&line, &out);
        if (why)
            return why;
    }
}

void words_release(struct words *w)
{
    free(w->text);
    *w = (struct words){0};
}
