/* may.c - see may.h. Who has no bounds is not looked at; what is bounded to some caches is
 * remembered for the last of them. */
#include "session/may.h"

#include <stdio.h>

enum { CACHE_PATH_BYTES = 2 * NAME_BYTES_MAX + 2, NAME_SHOWN = 128 };

void session_is(struct session *s, const char *user)
{
    snprintf(s->user, sizeof s->user, "%s", user);
    s->rights = rights_of(s->ports->rights, s->user);
    s->may.known = 0;
}

void session_rights_news(struct errands *here)
{
    list_for_each (it, &here->sessions) {
        struct session *s = list_entry(it, struct session, here);
        s->rights = rights_of(s->ports->rights, s->user);
        s->may.known = 0;
    }
}

/* "context/cache"; NULL data: there is none. */
static struct slice cache_path(const struct session *s, uint32_t cache, char path[CACHE_PATH_BYTES])
{
    const struct catalog *c = session_catalog(s);
    const struct cache_info *info = catalog_cache(c, cache);
    const struct context_info *context = catalog_context(c, cache_context(cache));
    if (!info || !context)
        return slice_make(NULL, 0);
    snprintf(path, CACHE_PATH_BYTES, "%s/%s", context->name, info->name);
    return slice_str(path);
}

bool session_may_cache_slowly(struct session *s, enum right right, uint32_t cache)
{
    char path[CACHE_PATH_BYTES];
    uint64_t revision = session_catalog(s)->revision;
    unsigned bit = 1u << right;
    if (s->may.cache != cache || s->may.revision != revision)
        s->may.known = s->may.has = 0;
    s->may.cache = cache;
    s->may.revision = revision;
    if (!(s->may.known & bit)) {
        bool has = rights_have(s->rights, right, cache_path(s, cache, path));
        s->may.known |= (uint8_t)bit;
        s->may.has = (uint8_t)((s->may.has & ~bit) | (has ? bit : 0));
    }
    return s->may.has & bit;
}

void session_lacks(const struct session *s, enum right right, struct slice name,
                   char why[MAY_WHY_BYTES])
{
    char text[NAME_SHOWN + 1];
    size_t len = name.len < NAME_SHOWN ? name.len : NAME_SHOWN;
    for (size_t i = 0; i < len; i++)
        text[i] = name.data[i] > ' ' && name.data[i] < 0x7f ? (char)name.data[i] : '?';
    text[len] = '\0';
    snprintf(why, MAY_WHY_BYTES, "%s%.64s has not the right %s%s%s", s->user[0] ? "user " : "",
             s->user[0] ? s->user : "nobody", right_text(right), len ? "=" : "", text);
}

void session_lacks_cache(const struct session *s, enum right right, uint32_t cache,
                         char why[MAY_WHY_BYTES])
{
    char path[CACHE_PATH_BYTES];
    session_lacks(s, right, cache_path(s, cache, path), why);
}

enum right session_admin_right(enum admin_op op)
{
    static const uint8_t rights[] = {
        [ADMIN_STATUS] = RIGHT_ANYBODY,        [ADMIN_CONTEXT_LIST] = RIGHT_ANYBODY,
        [ADMIN_CONTEXT_SHOW] = RIGHT_ANYBODY,  [ADMIN_CACHE_LIST] = RIGHT_ANYBODY,
        [ADMIN_SETTINGS_LIST] = RIGHT_ANYBODY, [ADMIN_PARTITION_LIST] = RIGHT_ANYBODY,
        [ADMIN_MODULE_LIST] = RIGHT_ANYBODY,   [ADMIN_SERVICE_LIST] = RIGHT_ANYBODY,
    };
    size_t at = (size_t)op;
    return at < sizeof rights ? (enum right)rights[at] : RIGHT_ADMIN;
}
