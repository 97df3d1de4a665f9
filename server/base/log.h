/* log.h - one line per event to stderr: logfmt (ts=... level=info msg="..." key=value) or JSON; or
 * to whom a sink names. Thread-safe: one write per line. Whoever decides what an error means logs
 * it, once. */
#ifndef GRIDD_BASE_LOG_H
#define GRIDD_BASE_LOG_H

#include "base/err.h"

#include <stdatomic.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* Where the lines of some threads go. */
struct log_sink {
    atomic_int level, format;
    /* A line that is not below the level, as it was given to log_line(). NULL: to stderr. */
    void (*line)(void *ctx, enum log_level level, const char *room, const char *text);
    void *ctx;
};
/* What this thread logs goes to `sink` (borrowed) from now on; NULL: to that of the process, as all
 * does at first. */
void log_use(struct log_sink *sink);
struct log_sink *log_used(void);
/* Of the sink in use; both may be changed at any time, from any thread. */
void log_setup(enum log_level level, enum log_format format);
void log_set_level(enum log_level level);
/* "debug" "info" "warn" "error" -> level; false for another word. */
bool log_level_parse(const char *text, enum log_level *ret_level);

/* `room` names the part that speaks ("store"); fmt makes the message. */
void log_line(enum log_level level, const char *room, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define log_debug(room, ...) log_line(LOG_DEBUG, room, __VA_ARGS__)
#define log_info(room, ...) log_line(LOG_INFO, room, __VA_ARGS__)
#define log_warn(room, ...) log_line(LOG_WARN, room, __VA_ARGS__)
#define log_error(room, ...) log_line(LOG_ERROR, room, __VA_ARGS__)

#endif
