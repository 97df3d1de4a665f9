/* history.h - what clients asked of a grid and were told, and whether one grid that does one thing
 * at a time could have told them so (linearizability, Herlihy and Wing 1990).
 *
 * Knows nothing of gridd. Keys are independent, so each is judged alone: first by rules that take
 * a glance (history_quick.c), then by a search for an order (history_search.c): Wing and Gong's,
 * just in time and with memory of configurations as by Lowe ("Testing for linearizability", 2017).
 * The search gives up politely when a key is too hard; it never guesses.
 *
 * Times are integers of any unit and any zero. An operation that returned at 5 is before one
 * invoked at 6, and at the same time as one invoked at 5.
 *
 * The text form has a line per operation, words by one space, '#' begins a comment:
 *
 *   CLIENT KEY INVOKED RETURNED OUTCOME KIND ARGUMENT RESULT VERSION
 *
 *   KIND     ARGUMENT       RESULT (ok)       ok: done         no: refused, nothing changed
 *   read     -              the value         seen             nothing there
 *   put      value          -
 *   delete   -              -                 was there        nothing there
 *   absent   value          -                 put if absent    there is something
 *   version  value@version  -                 put if version   there is another version, or nothing
 *   incr     by             the new number    (nothing: 0)
 *
 *   OUTCOME  ok, no, doubt (may have happened at any time since, or may still), failed (did not)
 *   VERSION  that it made, or met; 0: met nothing; -: not told
 *   RETURNED and what else there is not: - */
#ifndef GRIDD_TESTS_HISTORY_H
#define GRIDD_TESTS_HISTORY_H

#include "base/buf.h"
#include "base/err.h"

#include <stdio.h>

enum history_kind {
    HISTORY_READ,
    HISTORY_PUT,
    HISTORY_DELETE,
    HISTORY_PUT_IF_ABSENT,
    HISTORY_PUT_IF_VERSION,
    HISTORY_INCR
};
enum history_outcome { HISTORY_OK, HISTORY_NO, HISTORY_IN_DOUBT, HISTORY_FAILED };

#define HISTORY_UNTOLD UINT64_C(0) /* a version that the client was not told */
#define HISTORY_NOTHING UINT64_MAX /* a version: there was nothing */
#define HISTORY_GARBLED INT64_MIN  /* a value that is none; in text "garbled" */
enum { HISTORY_KEY_BYTES = 480, HISTORY_OPS_MAX = 50 * 1000 * 1000 };

struct history_op {
    enum history_kind kind;
    enum history_outcome outcome;
    uint32_t client;
    int64_t invoked, returned; /* in doubt: returned means nothing */
    int64_t value;             /* put: written; read: seen; incr: the new number */
    int64_t by;                /* incr */
    uint64_t version;          /* made, or met; HISTORY_UNTOLD, HISTORY_NOTHING (outcome NO) */
    uint64_t expected;         /* put if version; never 0 */
};

enum history_verdict {
    HISTORY_GOOD,
    HISTORY_TOO_HARD, /* some key needs more than the limits allow; the others are good */
    HISTORY_BAD       /* some key has no explanation */
};

/* For each key. All zero: 256 MiB, 500 million steps (about 10 s). */
struct history_limits {
    size_t bytes_max;
    uint64_t steps_max;
};

struct history; /* opaque */

/* Never NULL; release with history_free(). */
struct history *history_new(void);
/* Add an operation; key and op are copied. The key is text without spaces. Any order will do. */
void history_add(struct history *h, const char *key, const struct history_op *op);
/* Add the operations of a text. GRID_EBAD_REQUEST: `why` has "line 7: what"; some were added.
 * GRID_ETOO_LARGE: more than HISTORY_OPS_MAX. GRID_EIO: it cannot be read. */
MUST_USE
enum grid_err history_read(struct history *h, FILE *file, struct buf *why);
/* Judge it. `words` gets one line of summary, and for each bad key (at most 10) the shortest part
 * of its history found that cannot be explained. `limits` may be NULL. */
enum history_verdict history_judge(struct history *h, const struct history_limits *limits,
                                   struct buf *words);
/* The operation of one line that is not empty and has no comment; the line is cut to pieces. NULL,
 * or what is wrong with it. *ret_key points into the line. */
MUST_USE
const char *history_op_parse(char *line, const char **ret_key, struct history_op *ret_op);
/* An operation as a line of the text form, as a sentence. */
void history_op_line(const struct history_op *op, const char *key, struct buf *out);
void history_op_words(const struct history_op *op, struct buf *out);
void history_check(const struct history *h);
void history_free(struct history *h); /* NULL is fine */

#endif
