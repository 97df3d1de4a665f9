/* log.c - lines of at most LINE_BYTES, each written by one write(2), or told to the sink. */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 2048, MESSAGE_BYTES = 900 };

static struct log_sink of_process = {.level = LOG_INFO, .format = LOG_LOGFMT};
static _Thread_local struct log_sink *in_use;
static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_use(struct log_sink *sink)
{
    in_use = sink;
}

struct log_sink *log_used(void)
{
    return in_use ? in_use : &of_process;
}

void log_setup(enum log_level level, enum log_format format)
{
    atomic_store_explicit(&log_used()->format, (int)format, memory_order_relaxed);
    log_set_level(level);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_used()->level, (int)level, memory_order_relaxed);
}

bool log_level_parse(const char *text, enum log_level *ret_level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* Quote for logfmt and JSON alike: both take \" \\ and, for control bytes, \u00XX. */
static size_t quote(char *to, size_t room, const char *from)
{
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)from; *p && n + 7 < room; p++) {
        if (*p == '"' || *p == '\\') {
            to[n++] = '\\';
            to[n++] = (char)*p;
        } else if (*p < 0x20) {
            n += (size_t)snprintf(to + n, room - n, "\\u%04x", *p);
        } else {
            to[n++] = (char)*p;
        }
    }
    to[n] = '\0';
    return n;
}

static void line_write(enum log_level level, const char *room, const char *message, bool json)
{
    char quoted[MESSAGE_BYTES * 2], line[LINE_BYTES], when[32];
    struct timeval tv;
    struct tm tm;
    gettimeofday(&tv, NULL);
    gmtime_r(&tv.tv_sec, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    quote(quoted, sizeof quoted, message);
    const char *shape =
        json ? "{\"ts\":\"%s.%03dZ\",\"level\":\"%s\",\"room\":\"%s\",\"msg\":\"%s\"}\n"
             : "ts=%s.%03dZ level=%s room=%s msg=\"%s\"\n";
    int n = snprintf(line, sizeof line, shape, when, (int)(tv.tv_usec / 1000), level_names[level],
                     room, quoted);
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
        return; /* nowhere left to say so */
}

void log_line(enum log_level level, const char *room, const char *fmt, ...)
{
    struct log_sink *sink = log_used();
    if ((int)level < atomic_load_explicit(&sink->level, memory_order_relaxed))
        return;
    char message[MESSAGE_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    if (sink->line)
        sink->line(sink->ctx, level, room, message);
    else
        line_write(level, room, message,
                   atomic_load_explicit(&sink->format, memory_order_relaxed) == LOG_JSON);
}
