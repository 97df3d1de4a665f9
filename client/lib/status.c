/* status.c - names and texts of outcomes. A switch without default: the compiler warns when grid.h
 * has an outcome that proto/status.def has not; the assertions hold the other way round. */
#include "status.h"

#define X(name, code, text, retryable) _Static_assert(GRID_E##name == (code), #name);
#include "proto/status.def"
#undef X

const char *grid_err_text(enum grid_err err)
{
    switch (err) {
    case GRID_OK:
        return "ok";
#define X(name, code, text, retryable)                                                             \
    case GRID_E##name:                                                                             \
        return text;
#include "proto/status.def"
#undef X
    }
    return "unknown outcome";
}

const char *grid_err_name(enum grid_err err)
{
    switch (err) {
    case GRID_OK:
        return "OK";
#define X(name, code, text, retryable)                                                             \
    case GRID_E##name:                                                                             \
        return #name;
#include "proto/status.def"
#undef X
    }
    return "UNKNOWN";
}

bool gc_status_retryable(enum grid_err status)
{
    switch (status) {
    case GRID_OK:
        return false;
#define X(name, code, text, retryable)                                                             \
    case GRID_E##name:                                                                             \
        return retryable;
#include "proto/status.def"
#undef X
    }
    return false;
}

bool gc_status_says_nothing_of_before(enum grid_err status)
{
    static const enum grid_err after_looking[] = {
        GRID_OK,
        GRID_ENOT_FOUND,
        GRID_ECONDITION,
        GRID_ENOT_NUMBER,
        GRID_EOVERFLOW,
        GRID_EWRONG_TYPE,
        GRID_ESTALE,
        GRID_ETASK,
        GRID_ETOO_LARGE,   /* these three depend on the bytes of the request alone: */
        GRID_EBAD_REQUEST, /* the earlier sending was refused, too */
        GRID_ECROSS_PARTITION,
    };
    for (size_t i = 0; i < sizeof after_looking / sizeof *after_looking; i++)
        if (after_looking[i] == status)
            return false;
    return true;
}

const char *grid_version(void)
{
    return GRIDD_VERSION;
}
