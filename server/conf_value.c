/* conf_value.c - one value of gridd.conf: from text, by the type of its row. */
#include "base/alloc.h"
#include "base/credential.h"
#include "base/rights.h"
#include "conf.h"
#include "conf_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES_MAX = 64, ADDRESS_BYTES_MAX = 255, LABEL_BYTES_MAX = 128 };

struct unit {
    const char *text;
    int64_t times;
};
static const struct unit byte_units[] = {{"", 1},        {"K", 1 << 10},          {"M", 1 << 20},
                                         {"G", 1 << 30}, {"T", INT64_C(1) << 40}, {NULL, 0}};
static const struct unit time_units[] = {{"", 1000},     {"ms", 1},       {"s", 1000}, {"m", 60000},
                                         {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit plain_units[] = {{"", 1}, {NULL, 0}};

static const struct {
    const char *expected;
    const struct unit *units; /* of numbers */
} types[] = {
    [CONF_TEXT] = {"a text that is not empty", NULL},
    [CONF_NAME] = {"a name: 1 to 64 of a-z A-Z 0-9 _ - . that begins with a letter or digit", NULL},
    [CONF_ADDRESS] = {"host:port", NULL},
    [CONF_DOOR] = {"host:port or off", NULL},
    [CONF_FILE] = {"the name of a file", NULL},
    [CONF_CHOICE] = {"one of", NULL},
    [CONF_FLAG] = {"true or false", NULL},
    [CONF_NUMBER] = {"a whole number", plain_units},
    [CONF_BYTES] = {"bytes such as 65536, 64M or 2G,", byte_units},
    [CONF_TIME] = {"a time such as 500ms, 10s, 5m or 2h,", time_units},
    [CONF_ADDRESSES] = {"host:port", NULL},
    [CONF_LABELS] = {"NAME=VALUE", NULL},
    [CONF_CACHES] = {"host:port=context/cache", NULL},
    [CONF_USERS] = {"a line of gridctl user hash NAME", NULL},
    [CONF_RIGHTS] = {"NAME: RIGHT[=PATTERN], ... of the rights admin, compute, write and read",
                     NULL},
};

bool conf_is_list(const struct conf_option *o)
{
    return o->type >= CONF_ADDRESSES;
}

bool conf_is_text(const struct conf_option *o)
{
    return o->type <= CONF_CHOICE;
}

static bool number_parse(const char *text, const struct unit *units, int64_t *ret_value)
{
    char *end;
    errno = 0;
    if (!isdigit((unsigned char)text[0]))
        return false;
    long long n = strtoll(text, &end, 10);
    if (errno)
        return false;
    for (; units->text; units++)
        if (strcmp(end, units->text) == 0)
            return !__builtin_mul_overflow(n, units->times, ret_value);
    return false;
}

static bool name_part_good(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && (i == 0 || !strchr("_-.", text[i])))
            return false;
    return len >= 1 && len <= NAME_BYTES_MAX;
}

static bool name_good(const char *text)
{
    return name_part_good(text, strlen(text));
}

static bool address_good(const char *text)
{
    const char *colon = strrchr(text, ':');
    int64_t port;
    return colon && number_parse(colon + 1, plain_units, &port) && port <= 65535 &&
           strlen(text) <= ADDRESS_BYTES_MAX;
}

static bool label_good(const char *text)
{
    const char *equals = strchr(text, '=');
    return equals && equals > text && equals[1] && strlen(text) <= LABEL_BYTES_MAX;
}

static bool cache_good(const char *text)
{
    const char *equals = strrchr(text, '='), *slash = equals ? strchr(equals, '/') : NULL;
    char address[ADDRESS_BYTES_MAX + 1];
    if (!slash || (size_t)(equals - text) >= sizeof address)
        return false;
    snprintf(address, sizeof address, "%.*s", (int)(equals - text), text);
    return address_good(address) && name_part_good(equals + 1, (size_t)(slash - equals - 1)) &&
           name_good(slash + 1);
}

static bool user_good(const char *text)
{
    struct credential c;
    return credential_parse(text, &c);
}

static bool door_good(const char *text)
{
    return !conf_door(text) || address_good(text);
}

const char *conf_door(const char *address)
{
    return address[0] && strcmp(address, "off") != 0 ? address : NULL;
}

static bool choice_good(const char *text, const char *choices)
{
    size_t len = strlen(text);
    for (const char *c = choices; c; c = strchr(c, '|'), c = c ? c + 1 : NULL)
        if (len && !strchr(text, '|') && strncmp(c, text, len) == 0 && (c[len] == '|' || !c[len]))
            return true;
    return false;
}

static bool flag_parse(const char *text, bool *ret_flag)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < 6; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret_flag = i % 2;
            return true;
        }
    }
    return false;
}

bool conf_value_set(struct conf *c, const struct conf_option *o, const char *text)
{
    char *at = (char *)c + o->place;
    if (o->type == CONF_FLAG) {
        bool flag;
        if (!flag_parse(text, &flag))
            return false;
        memcpy(at, &flag, sizeof flag);
    } else if (conf_is_text(o)) {
        bool good = o->type == CONF_NAME      ? name_good(text)
                    : o->type == CONF_ADDRESS ? address_good(text)
                    : o->type == CONF_DOOR    ? door_good(text)
                    : o->type == CONF_CHOICE  ? choice_good(text, o->choices)
                                              : text[0] != '\0';
        if (!good)
            return false;
        char *copy = xstrdup(text);
        free(*(char **)at);
        memcpy(at, &copy, sizeof copy);
    } else {
        int64_t n;
        if (!number_parse(text, types[o->type].units, &n) || n < o->min || n > o->max)
            return false;
        memcpy(at, &n, sizeof n);
    }
    return true;
}

bool conf_entry_good(const struct conf_option *o, const char *text)
{
    return o->type == CONF_LABELS   ? label_good(text)
           : o->type == CONF_CACHES ? cache_good(text)
           : o->type == CONF_USERS  ? user_good(text)
           : o->type == CONF_RIGHTS ? rights_line_good(text)
                                    : address_good(text);
}

bool conf_value_good(const struct conf_option *o, const char *text)
{
    struct conf scratch = {0};
    bool good = conf_value_set(&scratch, o, text);
    if (conf_is_text(o))
        free(*(char **)((char *)&scratch + o->place));
    return good;
}

void conf_expected(const struct conf_option *o, struct buf *to)
{
    buf_printf(to, "%s", types[o->type].expected);
    if (o->choices)
        buf_printf(to, " %s", o->choices);
    if (types[o->type].units)
        buf_printf(to, " between %lld and %lld%s", (long long)o->min, (long long)o->max,
                   o->type == CONF_TIME ? " ms" : "");
}
