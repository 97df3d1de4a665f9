/* rights.c - lines read into a list for each user; few users, and few patterns of each. */
#include "base/rights.h"

#include "base/alloc.h"
#include "base/glob.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct grant {
    struct slice pattern; /* of the list's text */
    enum right right;
};

struct rights {
    struct slice name;
    unsigned whole; /* 1 << enum right: without a pattern */
    size_t len;
    struct grant *grants;
};

struct rights_list {
    size_t len;
    char **texts; /* copies of the lines */
    struct rights rights[];
};

static const char *const texts[RIGHTS_LEN] = {
#define X(name, text) text,
    RIGHTS(X)
#undef X
};

const char *right_text(enum right right)
{
    CHECK((unsigned)right < RIGHTS_LEN);
    return texts[right];
}

/* --- a line ----------------------------------------------------------------------------------- */

static struct slice trimmed(const char *text, size_t len)
{
    while (len && isspace((unsigned char)*text))
        text++, len--;
    while (len && isspace((unsigned char)text[len - 1]))
        len--;
    return slice_make(text, len);
}

static bool right_named(struct slice name, enum right *ret_right)
{
    for (unsigned i = 0; i < RIGHTS_LEN; i++) {
        if (!slice_eq(name, slice_str(texts[i])))
            continue;
        *ret_right = (enum right)i;
        return true;
    }
    return false;
}

/* "RIGHT", "RIGHT=PATTERN" */
static bool grant_read(struct slice word, struct grant *ret_grant)
{
    const uint8_t *equals = word.len ? memchr(word.data, '=', word.len) : NULL;
    size_t len = equals ? (size_t)(equals - word.data) : word.len;
    *ret_grant = (struct grant){0};
    if (!right_named(trimmed((const char *)word.data, len), &ret_grant->right))
        return false;
    if (!equals)
        return true;
    ret_grant->pattern = trimmed((const char *)equals + 1, word.len - len - 1);
    return ret_grant->pattern.len && ret_grant->right != RIGHT_ADMIN;
}

/* The next word up to a comma; false: there is none. */
static bool word_next(const char **text, struct slice *ret_word)
{
    if (!**text)
        return false;
    size_t len = strcspn(*text, ",");
    *ret_word = trimmed(*text, len);
    *text += len;
    *text += **text == ',';
    return true;
}

size_t rights_line_name(const char *line)
{
    return trimmed(line, strcspn(line, ":")).len;
}

bool rights_line_good(const char *line)
{
    size_t len = strcspn(line, ":");
    struct slice name = trimmed(line, len), word;
    struct grant grant;
    if (!line[len] || isspace((unsigned char)*line) || !name.len || name.len >= RIGHTS_NAME_BYTES)
        return false;
    const char *rest = line + len + 1;
    if (!trimmed(rest, strlen(rest)).len)
        return true; /* he may look around */
    while (word_next(&rest, &word))
        if (!grant_read(word, &grant))
            return false;
    return line[strlen(line) - 1] != ',';
}

/* --- a list ----------------------------------------------------------------------------------- */

static void line_take(struct rights *r, const char *line)
{
    size_t len = strcspn(line, ":");
    const char *rest = line + len + 1;
    struct slice word;
    struct grant grant;
    r->name = trimmed(line, len);
    r->grants = xcalloc(strlen(rest) + 1, sizeof *r->grants);
    while (word_next(&rest, &word)) {
        if (!word.len || !grant_read(word, &grant))
            continue;
        if (grant.pattern.len)
            r->grants[r->len++] = grant;
        else
            r->whole |= 1u << grant.right;
    }
}

struct rights_list *rights_list_new(const char *const *lines, size_t len)
{
    struct rights_list *l = xcalloc(1, sizeof *l + len * sizeof l->rights[0]);
    l->texts = xcalloc(len + 1, sizeof *l->texts);
    for (size_t i = 0; i < len; i++) {
        CHECK(rights_line_good(lines[i]));
        l->texts[i] = xstrdup(lines[i]);
        line_take(&l->rights[l->len++], l->texts[i]);
    }
    return l;
}

void rights_list_free(struct rights_list *l)
{
    for (size_t i = 0; l && i < l->len; i++) {
        free(l->rights[i].grants);
        free(l->texts[i]);
    }
    if (l)
        free(l->texts);
    free(l);
}

static const struct rights *named(const struct rights_list *l, struct slice name)
{
    for (size_t i = 0; i < l->len; i++)
        if (slice_eq(l->rights[i].name, name))
            return &l->rights[i];
    return NULL;
}

const struct rights *rights_of(const struct rights_list *l, const char *user)
{
    if (!l)
        return NULL;
    const struct rights *own = named(l, slice_str(user));
    return own ? own : named(l, slice_str("*"));
}

bool rights_have(const struct rights *r, enum right right, struct slice name)
{
    if (!r || right == RIGHT_ANYBODY || r->whole & 1u << right)
        return true;
    for (size_t i = 0; name.data && i < r->len; i++)
        if (r->grants[i].right == right && glob_matches(r->grants[i].pattern, name))
            return true;
    return false;
}
