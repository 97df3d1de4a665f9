/* conf_text.c - the text of gridd.conf before it is read: comments become blanks, because
 * libconfuse counts lines wrongly behind them; what is no text, or never closed, is found. */
#include "conf_table.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Behind what begins at `p`: a quoted text, a word without quotes, or one other byte. NULL: a
 * quoted text has no end. */
static const char *word_end(const char *p, const char *end)
{
    static const char limits[] = " \t\r\n\"'={}()+,#";
    if (*p != '"' && *p != '\'') {
        const char *word = p;
        while (p < end && !strchr(limits, *p))
            p++;
        return p > word ? p : word + 1;
    }
    char quote = *p++;
    while (p < end && *p != quote)
        p += *p == '\\' && p + 1 < end ? 2 : 1;
    return p < end ? p + 1 : NULL;
}

/* Behind the comment that begins at `p`; `p`: none does; NULL: it has no end. */
static const char *comment_end(const char *p, const char *end)
{
    size_t len = (size_t)(end - p);
    bool slash = len > 1 && *p == '/';
    if (slash && p[1] == '*') {
        const char *close = memmem(p + 2, len - 2, "*/", 2);
        return close ? close + 2 : NULL;
    }
    if (*p != '#' && !(slash && p[1] == '/'))
        return p;
    const char *newline = memchr(p, '\n', len);
    return newline ? newline : end;
}

static int line_at(const char *text, const char *p)
{
    int line = 1;
    for (; text < p; text++)
        line += *text == '\n';
    return line;
}

int conf_text_lines(struct slice text)
{
    if (!text.len)
        return 1;
    const char *start = (const char *)text.data;
    return line_at(start, start + text.len - (text.data[text.len - 1] == '\n'));
}

int conf_text_plain(struct slice text, struct buf *to, char why[CONF_WHY_BYTES])
{
    if (!text.len)
        return 0;
    const char *start = (const char *)text.data;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 && !isspace(text.data[i])) {
            snprintf(why, CONF_WHY_BYTES, "byte %u: this is no text", text.data[i]);
            return line_at(start, start + i);
        }
    }
    buf_add(to, text.data, text.len);
    char *p = (char *)to->data + to->len - text.len, *end = p + text.len;
    start = p;
    while (p < end) {
        const char *comment = comment_end(p, end);
        const char *behind = comment == p ? word_end(p, end) : comment;
        if (!behind) {
            int shown = end - p < 2 ? 1 : 2;
            snprintf(why, CONF_WHY_BYTES, "what begins here has no end: %.*s", shown, p);
            return line_at(start, p);
        }
        for (; p < behind; p++)
            if (comment == behind && *p != '\n')
                *p = ' ';
    }
    return 0;
}
