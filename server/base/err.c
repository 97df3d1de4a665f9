/* err.c - texts of status.def. */
#include "base/err.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct status {
    int code;
    const char *name;
    const char *text;
    bool retryable;
};

static const struct status statuses[] = {
    {GRID_OK, "OK", "ok", false},
#define X(name, code, text, retryable) {code, #name, text, retryable},
#include "proto/status.def"
#undef X
};

static const struct status *status_find(enum grid_err err)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].code == (int)err)
            return &statuses[i];
    return NULL;
}

const char *err_text(enum grid_err err)
{
    const struct status *s = status_find(err);
    return s ? s->text : "unknown status";
}

const char *err_name(enum grid_err err)
{
    const struct status *s = status_find(err);
    return s ? s->name : "UNKNOWN";
}

bool err_retryable(enum grid_err err)
{
    const struct status *s = status_find(err);
    return s && s->retryable;
}

_Noreturn void check_failed(const char *what, const char *file, int line, const char *func)
{
    fprintf(stderr, "gridd: impossible: %s (%s:%d, %s)\n", what, file, line, func);
    abort();
}
