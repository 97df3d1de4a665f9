/* err.h - the one error type, and the checks that stay on in release builds. */
#ifndef GRIDD_BASE_ERR_H
#define GRIDD_BASE_ERR_H

#include <stdbool.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#ifndef GRID_H /* who includes grid.h before speaks to programs, too, and has it from there */
enum grid_err {
    GRID_OK = 0,
#define X(name, code, text, retryable) GRID_E##name = (code),
#include "proto/status.def"
#undef X
};
#endif

/* The text of status.def; "unknown status" for a code of a newer version. Static. */
const char *err_text(enum grid_err err);
/* The name as in status.def ("NOT_FOUND"); "UNKNOWN" for a code of a newer version. Static. */
const char *err_name(enum grid_err err);
/* Whether the request was surely not done and may be repeated as it is. */
bool err_retryable(enum grid_err err);

/* For programmer errors, never for input: says which and where on stderr, then aborts. */
#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (unlikely(!(cond)))                                                                     \
            check_failed(#cond, __FILE__, __LINE__, __func__);                                     \
    } while (0)
_Noreturn void check_failed(const char *what, const char *file, int line, const char *func);

#endif
