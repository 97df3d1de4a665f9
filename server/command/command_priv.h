/* command_priv.h - what the commands share: replies, arguments as numbers, options. */
#ifndef GRIDD_COMMAND_COMMAND_PRIV_H
#define GRIDD_COMMAND_COMMAND_PRIV_H

#include "command/commands.h"
#include "command/resp.h"

/* --- replies ---------------------------------------------------------------------------------- */

#define WRONG_TYPE "WRONGTYPE Operation against a key holding the wrong kind of value"
#define NOT_INTEGER "ERR value is not an integer or out of range"
#define NOT_FLOAT "ERR value is not a valid float"
#define SYNTAX "ERR syntax error"
#define TOO_LONG "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
#define TOO_MUCH "ERR the answer would be too large"

/* Of one answer: more is TOO_MUCH. */
enum { ANSWER_BYTES_MAX = 512 << 20 };

static inline void reply_error(struct call *c, const char *line)
{
    c->reply = (struct reply){REPLY_ERROR, 0, slice_str(line)};
}

/* The same with its line made as by printf(), cut off after 300 bytes. */
void reply_errorf(struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline void reply_ok(struct call *c)
{
    c->reply.kind = REPLY_OK;
}

static inline void reply_null(struct call *c)
{
    c->reply.kind = REPLY_NULL;
}

static inline void reply_integer(struct call *c, int64_t number)
{
    c->reply = (struct reply){REPLY_INTEGER, number, {NULL, 0}};
}

static inline void reply_bulk(struct call *c, struct slice bytes)
{
    c->reply = (struct reply){REPLY_BULK, 0, bytes};
}

static inline void reply_status(struct call *c, const char *word)
{
    c->reply = (struct reply){REPLY_STATUS, 0, slice_str(word)};
}

/* What was written to c->raw. */
static inline void reply_raw(struct call *c)
{
    c->reply.kind = REPLY_RAW;
}

/* Whether an answer in c->raw may grow by `more`; else that is the reply. */
static inline bool answer_fits(struct call *c, size_t more)
{
    if (likely(c->raw->len + more <= ANSWER_BYTES_MAX))
        return true;
    reply_error(c, TOO_MUCH);
    return false;
}

static inline bool resp3(const struct call *c)
{
    return c->flags & CALL_RESP3;
}

/* --- keys ------------------------------------------------------------------------------------- */

/* The entry of a key that must be a string, or absent (*ret_entry NULL). False: it is of another
 * type, and that is the reply. */
bool string_entry(struct call *c, uint32_t key, const struct entry **ret_entry);
bool hash_entry(struct call *c, uint32_t key, const struct entry **ret_entry);
/* The bytes of a string, empty without an entry. */
static inline struct slice string_of(const struct entry *e)
{
    return e ? entry_string(e) : slice_make(NULL, 0);
}

/* What a stored form may have before the bytes that count. */
enum { STORED_HEAD_MAX = 1 + MEDIA_BYTES_MAX };
/* Its value in the stored form; of a map made in the call's memory. */
struct slice value_stored(struct call *c, const struct entry *e);

/* --- arguments -------------------------------------------------------------------------------- */

/* Case-insensitive comparison with a word in lower case. */
bool arg_is(struct slice arg, const char *word);
/* A 64-bit decimal number and nothing else: no sign but '-', no leading zeros, no spaces. */
bool arg_integer(struct slice text, int64_t *ret_number);
enum { INTEGER_BYTES = 20 };
/* `out`: INTEGER_BYTES. Returns the length. */
size_t integer_format(int64_t number, char *out);
/* As strtold() and nothing behind; no spaces before; not NaN. */
bool arg_float(struct slice text, long double *ret_number);
bool float_finite(long double number);
enum { FLOAT_BYTES = 5120 };
/* Up to 17 digits behind the point, without zeros at their end. `out`: FLOAT_BYTES. */
size_t float_format(long double number, char *out);

/* A time to live as commands take it: `at` absolute, else from now; unit in ms. */
struct expiry_unit {
    bool at;
    msec_t unit;
};
/* False: out of range; the reply says so with the command's name. *ret_deadline: unix ms, > 0; what
 * lies in the past is 1. */
bool deadline_parse(struct call *c, struct slice text, struct expiry_unit unit, const char *command,
                    bool positive, msec_t *ret_deadline);

#endif
