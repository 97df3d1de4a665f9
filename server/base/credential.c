/* credential.c - from text. */
#include "base/credential.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define METHOD "pbkdf2-sha256:"

static bool user_take(const char **p, char user[CREDENTIAL_USER_BYTES])
{
    size_t len = strcspn(*p, ":");
    if (len == 0 || len >= CREDENTIAL_USER_BYTES || !(*p)[len] || !isalnum((unsigned char)**p))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)(*p)[i]) && !strchr("_-.@", (*p)[i]))
            return false;
    memcpy(user, *p, len);
    user[len] = '\0';
    *p += len + 1;
    return true;
}

static bool rounds_take(const char **p, uint32_t *ret_rounds)
{
    char *end;
    if (!isdigit((unsigned char)**p))
        return false;
    unsigned long n = strtoul(*p, &end, 10);
    if (*end != ':' || n < 1 || n > CREDENTIAL_ROUNDS_MAX)
        return false;
    *ret_rounds = (uint32_t)n;
    *p = end + 1;
    return true;
}

static bool hex_take(const char **p, uint8_t *to, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 2 * bytes; i++, (*p)++) {
        const char *digit = **p ? strchr(digits, **p) : NULL;
        if (!digit)
            return false;
        to[i / 2] = (uint8_t)(to[i / 2] << 4 | (digit - digits));
    }
    return true;
}

bool credential_parse(const char *text, struct credential *ret_credential)
{
    struct credential c = {.user = ""};
    const char *p = text;
    if (!user_take(&p, c.user) || strncmp(p, METHOD, strlen(METHOD)) != 0)
        return false;
    p += strlen(METHOD);
    if (!rounds_take(&p, &c.rounds) || !hex_take(&p, c.salt, sizeof c.salt) || *p++ != ':' ||
        !hex_take(&p, c.hash, sizeof c.hash) || *p)
        return false;
    *ret_credential = c;
    return true;
}
