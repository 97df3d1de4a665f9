/* vm_pattern.c - string.find, match, gmatch, gsub: patterns as the Lua manual (6.4.1) has them. A
 * matcher of our own, for Lua's cannot be ended: each item that is tried is a step.
 *
 *   try(s, p): what p's first item matches at s, then the rest of p: by a loop where nothing has to
 *   be taken back, else by recursion, which is bounded. */
#include "compute/vm_priv.h"

#include <ctype.h>
#include <string.h>

enum {
    CAPTURES = 32,
    DEPTH = 200,
    TRIES_PER_CHARGE = 256,
    SET_BYTES = 16, /* of an item that is charged by its length */
    UNCLOSED = -1,
    POSITION = -2,
};

struct match {
    lua_State *L;
    const char *text, *end, *pattern_end;
    int depth;
    unsigned tries;
    int captures;
    struct {
        const char *at;
        ptrdiff_t len; /* or UNCLOSED, POSITION */
    } capture[CAPTURES];
};

static const char *try(struct match *m, const char *s, const char *p);

static void tried(struct match *m)
{
    if (unlikely(++m->tries % TRIES_PER_CHARGE == 0))
        vm_charge(m->L, TRIES_PER_CHARGE);
}

/* --- single characters ------------------------------------------------------------------------ */

/* Behind the item for one character that begins at `p`. */
static const char *item_end(struct match *m, const char *p)
{
    if (*p == '%') {
        if (p + 1 >= m->pattern_end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 2;
    }
    if (*p++ != '[')
        return p;
    if (p < m->pattern_end && *p == '^')
        p++;
    do { /* a ']' that comes first is itself */
        if (p >= m->pattern_end)
            luaL_error(m->L, "malformed pattern (missing ']')");
        if (*p++ == '%')
            p++;
    } while (p >= m->pattern_end || *p != ']');
    return p + 1;
}

static bool in_class(int c, int letter)
{
    bool yes;
    switch (tolower(letter)) {
    case 'a':
        yes = isalpha(c);
        break;
    case 'c':
        yes = iscntrl(c);
        break;
    case 'd':
        yes = isdigit(c);
        break;
    case 'g':
        yes = isgraph(c);
        break;
    case 'l':
        yes = islower(c);
        break;
    case 'p':
        yes = ispunct(c);
        break;
    case 's':
        yes = isspace(c);
        break;
    case 'u':
        yes = isupper(c);
        break;
    case 'w':
        yes = isalnum(c);
        break;
    case 'x':
        yes = isxdigit(c);
        break;
    default:
        return letter == c;
    }
    return isupper(letter) ? !yes : yes;
}

/* `p` at '[', `last` at its ']'. */
static bool in_set(int c, const char *p, const char *last)
{
    bool member = true;
    p++;
    if (*p == '^') {
        member = false;
        p++;
    }
    for (; p < last; p++) {
        if (*p == '%') {
            p++;
            if (in_class(c, (unsigned char)*p))
                return member;
        } else if (p[1] == '-' && p + 2 < last) {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return member;
            p += 2;
        } else if ((unsigned char)*p == c) {
            return member;
        }
    }
    return !member;
}

/* Whether the character at `s` matches the item [p, item_end). */
static bool one(struct match *m, const char *s, const char *p, const char *end)
{
    tried(m);
    if (s >= m->end)
        return false;
    int c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return in_class(c, (unsigned char)p[1]);
    case '[':
        if (unlikely(end - p > SET_BYTES))
            vm_charge(m->L, (uint64_t)(end - p) / 4);
        return in_set(c, p, end - 1);
    default:
        return (unsigned char)*p == c;
    }
}

/* --- items ------------------------------------------------------------------------------------ */

static const char *try_balanced(struct match *m, const char *s, const char *p)
{
    if (p + 1 >= m->pattern_end)
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (s >= m->end || *s != *p)
        return NULL;
    int open = 1;
    while (++s < m->end) {
        tried(m);
        if (*s == p[1]) {
            if (--open == 0)
                return s + 1;
        } else if (*s == *p) {
            open++;
        }
    }
    return NULL;
}

static const char *try_most(struct match *m, const char *s, const char *p, const char *end)
{
    ptrdiff_t n = 0;
    while (one(m, s + n, p, end))
        n++;
    for (; n >= 0; n--) {
        const char *rest = try(m, s + n, end + 1);
        if (rest)
            return rest;
    }
    return NULL;
}

static const char *try_least(struct match *m, const char *s, const char *p, const char *end)
{
    for (;; s++) {
        const char *rest = try(m, s, end + 1);
        if (rest)
            return rest;
        if (!one(m, s, p, end))
            return NULL;
    }
}

static const char *capture_open(struct match *m, const char *s, const char *p, ptrdiff_t what)
{
    if (m->captures >= CAPTURES)
        luaL_error(m->L, "too many captures");
    m->capture[m->captures].at = s;
    m->capture[m->captures].len = what;
    m->captures++;
    const char *rest = try(m, s, p);
    if (!rest)
        m->captures--;
    return rest;
}

static const char *capture_close(struct match *m, const char *s, const char *p)
{
    int at = m->captures - 1;
    while (at >= 0 && m->capture[at].len != UNCLOSED)
        at--;
    if (at < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->capture[at].len = s - m->capture[at].at;
    const char *rest = try(m, s, p);
    if (!rest)
        m->capture[at].len = UNCLOSED;
    return rest;
}

static const char *try_again(struct match *m, const char *s, int digit)
{
    int at = digit - '1';
    if (at < 0 || at >= m->captures || m->capture[at].len == UNCLOSED)
        luaL_error(m->L, "invalid capture index %%%d", at + 1);
    ptrdiff_t len = m->capture[at].len == POSITION ? 0 : m->capture[at].len;
    vm_charge(m->L, 1 + (uint64_t)len / STEP_BYTES);
    if (m->end - s < len || (len && memcmp(m->capture[at].at, s, (size_t)len) != 0))
        return NULL;
    return s + len;
}

static bool at_frontier(struct match *m, const char *s, const char *p, const char *end)
{
    int before = s == m->text ? 0 : (unsigned char)s[-1], here = s < m->end ? (unsigned char)*s : 0;
    vm_charge(m->L, 1 + (uint64_t)(end - p) / 4);
    return !in_set(before, p, end - 1) && in_set(here, p, end - 1);
}

/* '%' and what is no class behind it: *ret_p goes behind. False: it is a class. */
static bool try_special(struct match *m, const char **s, const char **p)
{
    const char *set, *end;
    if (*p + 1 >= m->pattern_end)
        return false;
    if (isdigit((unsigned char)(*p)[1])) {
        *s = try_again(m, *s, (*p)[1]);
        *p += 2;
        return true;
    }
    switch ((*p)[1]) {
    case 'b':
        *s = try_balanced(m, *s, *p + 2);
        *p += 4;
        return true;
    case 'f':
        set = *p + 2;
        if (set >= m->pattern_end || *set != '[')
            luaL_error(m->L, "missing '[' after '%%f' in pattern");
        end = item_end(m, set);
        *s = at_frontier(m, *s, set, end) ? *s : NULL;
        *p = end;
        return true;
    default:
        return false;
    }
}

/* What follows does not need to come back here. NULL in *ret_s: no match. False: *ret_s is the
 * answer of all. */
static bool step(struct match *m, const char **s, const char **p)
{
    const char *end = item_end(m, *p);
    char after = end < m->pattern_end ? *end : '\0';
    const char *rest;
    switch (after) {
    case '?':
        if (one(m, *s, *p, end) && (rest = try(m, *s + 1, end + 1))) {
            *s = rest;
            return false;
        }
        *p = end + 1;
        return true;
    case '+':
        *s = one(m, *s, *p, end) ? try_most(m, *s + 1, *p, end) : NULL;
        return false;
    case '*':
        *s = try_most(m, *s, *p, end);
        return false;
    case '-':
        *s = try_least(m, *s, *p, end);
        return false;
    default:
        *s = one(m, *s, *p, end) ? *s + 1 : NULL;
        *p = end;
        return true;
    }
}

static const char *try_all(struct match *m, const char *s, const char *p)
{
    while (s && p < m->pattern_end) {
        tried(m);
        if (*p == '(')
            return p + 1 < m->pattern_end && p[1] == ')' ? capture_open(m, s, p + 2, POSITION)
                                                         : capture_open(m, s, p + 1, UNCLOSED);
        if (*p == ')')
            return capture_close(m, s, p + 1);
        if (*p == '$' && p + 1 == m->pattern_end)
            return s == m->end ? s : NULL;
        if (*p == '%' && try_special(m, &s, &p))
            continue;
        if (!step(m, &s, &p))
            return s;
    }
    return s;
}

static const char *try(struct match *m, const char *s, const char *p)
{
    if (m->depth >= DEPTH)
        luaL_error(m->L, "pattern too complex");
    m->depth++;
    const char *end = try_all(m, s, p);
    m->depth--;
    return end;
}

/* --- what was matched ------------------------------------------------------------------------- */

/* Capture `i`; the whole match [s, end) when there are none. */
static void capture_push(struct match *m, int i, const char *s, const char *end)
{
    if (i >= m->captures) {
        if (i != 0)
            luaL_error(m->L, "invalid capture index %%%d", i + 1);
        lua_pushlstring(m->L, s, (size_t)(end - s));
    } else if (m->capture[i].len == POSITION) {
        lua_pushinteger(m->L, m->capture[i].at - m->text + 1);
    } else if (m->capture[i].len == UNCLOSED) {
        luaL_error(m->L, "unfinished capture");
    } else {
        lua_pushlstring(m->L, m->capture[i].at, (size_t)m->capture[i].len);
    }
}

static int captures_push(struct match *m, const char *s, const char *end)
{
    int len = m->captures == 0 && s ? 1 : m->captures;
    luaL_checkstack(m->L, len, "too many captures");
    for (int i = 0; i < len; i++)
        capture_push(m, i, s, end);
    return len;
}

static void match_init(struct match *m, lua_State *L, struct slice text, struct slice pattern)
{
    *m = (struct match){.L = L,
                        .text = (const char *)text.data,
                        .end = (const char *)text.data + text.len,
                        .pattern_end = (const char *)pattern.data + pattern.len};
}

static const char *match_at(struct match *m, const char *s, const char *p)
{
    m->captures = 0;
    m->depth = 0;
    return try(m, s, p);
}

static struct slice string_at(lua_State *L, int at)
{
    size_t len;
    const char *s = luaL_checklstring(L, at, &len);
    return slice_make(s, len);
}

/* --- find, match ------------------------------------------------------------------------------ */

static const char *find_plain(lua_State *L, struct slice text, size_t from, struct slice what)
{
    vm_charge(L, 1 + text.len / 16 + what.len / 16);
    const uint8_t *at = what.len ? memmem(text.data + from, text.len - from, what.data, what.len)
                                 : text.data + from;
    return (const char *)at;
}

static bool has_specials(struct slice pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (strchr("^$*+?.([%-", pattern.data[i]) && pattern.data[i])
            return true;
    return false;
}

static int find(lua_State *L, bool positions)
{
    struct slice text = string_at(L, 1), pattern = string_at(L, 2);
    lua_Integer from = luaL_optinteger(L, 3, 1);
    if (from < 0)
        from = (size_t)-from > text.len ? 1 : (lua_Integer)text.len + from + 1;
    from = from < 1 ? 1 : from;
    vm_charge(L, 1 + pattern.len / 8);
    if ((size_t)from > text.len + 1) {
        lua_pushnil(L);
        return 1;
    }
    if (positions && (lua_toboolean(L, 4) || !has_specials(pattern))) {
        const char *at = find_plain(L, text, (size_t)from - 1, pattern);
        if (!at) {
            lua_pushnil(L);
            return 1;
        }
        lua_pushinteger(L, at - (const char *)text.data + 1);
        lua_pushinteger(L, at - (const char *)text.data + (lua_Integer)pattern.len);
        return 2;
    }
    struct match m;
    match_init(&m, L, text, pattern);
    const char *p = (const char *)pattern.data, *s = m.text + from - 1;
    bool anchored = pattern.len && *p == '^';
    p += anchored;
    do {
        const char *end = match_at(&m, s, p);
        if (!end)
            continue;
        if (!positions)
            return captures_push(&m, s, end);
        lua_pushinteger(L, s - m.text + 1);
        lua_pushinteger(L, end - m.text);
        return 2 + captures_push(&m, NULL, NULL);
    } while (s++ < m.end && !anchored);
    lua_pushnil(L);
    return 1;
}

static int string_find(lua_State *L)
{
    return find(L, true);
}

static int string_match(lua_State *L)
{
    return find(L, false);
}

/* --- gmatch ----------------------------------------------------------------------------------- */

/* upvalues: text, pattern, where it goes on, where the last match ended */
static int gmatch_next(lua_State *L)
{
    struct match m;
    match_init(&m, L, string_at(L, lua_upvalueindex(1)), string_at(L, lua_upvalueindex(2)));
    const char *p = lua_tostring(L, lua_upvalueindex(2));
    const char *s = m.text + lua_tointeger(L, lua_upvalueindex(3));
    const char *last = m.text + lua_tointeger(L, lua_upvalueindex(4));
    vm_charge(L, 1);
    for (; s <= m.end; s++) {
        const char *end = match_at(&m, s, p);
        if (!end || end == last)
            continue;
        lua_pushinteger(L, end - m.text);
        lua_copy(L, -1, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return captures_push(&m, s, end);
    }
    lua_pushinteger(L, m.end - m.text + 1);
    lua_replace(L, lua_upvalueindex(3));
    return 0;
}

static int string_gmatch(lua_State *L)
{
    (void)string_at(L, 1);
    (void)string_at(L, 2);
    vm_charge(L, 1);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_next, 4);
    return 1;
}

/* --- gsub ------------------------------------------------------------------------------------- */

static void add_template(struct match *m, luaL_Buffer *b, const char *s, const char *end)
{
    size_t len;
    const char *t = lua_tolstring(m->L, 3, &len);
    vm_charge(m->L, 1 + len / 8);
    for (size_t i = 0; i < len; i++) {
        if (t[i] != '%') {
            luaL_addchar(b, t[i]);
            continue;
        }
        i++;
        if (i < len && t[i] == '%') {
            luaL_addchar(b, '%');
        } else if (i < len && t[i] == '0') {
            luaL_addlstring(b, s, (size_t)(end - s));
        } else if (i < len && isdigit((unsigned char)t[i])) {
            capture_push(m, t[i] - '1', s, end);
            luaL_tolstring(m->L, -1, NULL);
            lua_remove(m->L, -2);
            luaL_addvalue(b);
        } else {
            luaL_error(m->L, "invalid use of '%%' in replacement string");
        }
    }
}

static void add_value(struct match *m, luaL_Buffer *b, const char *s, const char *end)
{
    lua_State *L = m->L;
    int type = lua_type(L, 3);
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        int len = captures_push(m, s, end);
        lua_call(L, len, 1);
    } else if (type == LUA_TTABLE) {
        capture_push(m, 0, s, end);
        lua_gettable(L, 3);
    } else {
        add_template(m, b, s, end);
        return;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(b, s, (size_t)(end - s));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    } else {
        luaL_addvalue(b);
    }
}

static int string_gsub(lua_State *L)
{
    struct slice text = string_at(L, 1), pattern = string_at(L, 2);
    int type = lua_type(L, 3);
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)text.len + 1), done = 0;
    luaL_argexpected(L,
                     type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                         type == LUA_TTABLE,
                     3, "string/function/table");
    struct match m;
    luaL_Buffer b;
    match_init(&m, L, text, pattern);
    const char *p = (const char *)pattern.data, *s = m.text, *last = NULL;
    bool anchored = pattern.len && *p == '^';
    p += anchored;
    vm_charge(L, 1);
    luaL_buffinit(L, &b);
    while (done < most) {
        const char *end = match_at(&m, s, p);
        if (end && end != last) {
            done++;
            vm_charge(L, 1);
            add_value(&m, &b, s, end);
            s = last = end;
        } else if (s < m.end) {
            luaL_addchar(&b, *s++);
        } else {
            break;
        }
        if (anchored)
            break;
    }
    luaL_addlstring(&b, s, (size_t)(m.end - s));
    luaL_pushresult(&b);
    lua_pushinteger(L, done);
    return 2;
}

void vm_open_pattern(lua_State *L)
{
    static const luaL_Reg ours[] = {{"find", string_find},
                                    {"match", string_match},
                                    {"gmatch", string_gmatch},
                                    {"gsub", string_gsub},
                                    {NULL, NULL}};
    vm_functions(L, ours);
    lua_pushnil(L);
    lua_setfield(L, -2, "gfind");
}
