/* resp_table.h - the commands of Redis clients as one table (resp_*.def): what each is called, how
 * many arguments it takes, where its keys stand, and what is done for it. COMMAND, arity errors,
 * the manual page and the dispatch all come from it. */
#ifndef GRIDD_SESSION_RESP_TABLE_H
#define GRIDD_SESSION_RESP_TABLE_H

#include "base/buf.h"
#include "shard/op.h"

/* In the order in which COMMAND INFO names them. */
#define RESP_FLAGS(X)                                                                              \
    X(WRITE, "write")                                                                              \
    X(READONLY, "readonly")                                                                        \
    X(DENYOOM, "denyoom")                                                                          \
    X(ADMIN, "admin")                                                                              \
    X(PUBSUB, "pubsub")                                                                            \
    X(NOSCRIPT, "noscript")                                                                        \
    X(BLOCKING, "blocking")                                                                        \
    X(LOADING, "loading")                                                                          \
    X(STALE, "stale")                                                                              \
    X(SKIP_MONITOR, "skip_monitor")                                                                \
    X(SKIP_SLOWLOG, "skip_slowlog")                                                                \
    X(FAST, "fast")                                                                                \
    X(NO_AUTH, "no_auth")                                                                          \
    X(NO_MANDATORY_KEYS, "no_mandatory_keys")                                                      \
    X(NO_ASYNC_LOADING, "no_async_loading")                                                        \
    X(NO_MULTI, "no_multi")                                                                        \
    X(MOVABLE_KEYS, "movablekeys")                                                                 \
    X(ALLOW_BUSY, "allow_busy")

enum {
#define X(name, text) RESP_FLAG_##name,
    RESP_FLAGS(X)
#undef X
        RESP_FLAGS_LEN
};

enum {
#define X(name, text) RESP_##name = 1u << RESP_FLAG_##name,
    RESP_FLAGS(X)
#undef X
    /* ours */
    RESP_ALONE = 1u << 24,      /* nothing else of the connection is under way meanwhile */
    RESP_AT_ONCE = 1u << 25,    /* done in a transaction too, not queued */
    RESP_SUBSCRIBED = 1u << 26, /* may be asked by who listens to channels, in RESP2 */
    RESP_SCRIPT = 1u << 27,     /* a script: resp_script.c completes its arguments */
    RESP_OPERATES = 1u << 28,   /* for who has the right admin, though Redis says something else */
    RESP_BRINGS_CODE = 1u << 29 /* takes the right compute, as scripts do */
};

/* How a command on keys of several partitions is done. */
enum resp_split {
    RESP_SPLIT_NONE,  /* not at all: CROSSSLOT */
    RESP_SPLIT_SUM,   /* by key; the numbers are added up */
    RESP_SPLIT_OK,    /* by key; OK, or the first error */
    RESP_SPLIT_ARRAY, /* by key; each gives one element */
};

/* What clients are told they speak to. */
#define RESP_REDIS_VERSION "7.0.15"

struct resp_session;
/* One request, while it is taken. */
struct resp_request {
    const struct resp_command *command;
    const struct slice *args; /* of the turn; args[0] is the command's name */
    uint32_t args_len;
    struct session_turn *turn;
};
/* Answers at once, with one whole reply. */
typedef void resp_say_fn(struct resp_session *r, const struct resp_request *q, struct buf *out);

enum resp_taken {
    RESP_TAKEN, /* done, or under way: the next request may be taken */
    RESP_LATER, /* call again, with the same request, when nothing is in flight or (turn->more) in
                   the next turn */
};
typedef enum resp_taken resp_act_fn(struct resp_session *r, const struct resp_request *q);

struct resp_command {
    const char *name; /* lower case; of a subcommand: "client|id" */
    uint8_t name_len;
    bool holds;   /* subcommands, which stand behind it */
    int8_t arity; /* with the name; negative: at least */
    uint32_t flags;
    int8_t first, last, step; /* keys among the arguments; 0: none */
    uint8_t split;            /* enum resp_split */
    procedure_fn *procedure;  /* one of the three; none: it only holds subcommands */
    resp_say_fn *say;
    resp_act_fn *act;
};

struct resp_docs {
    const char *keys; /* "first,last,step,limit:flags;..." of COMMAND INFO; "#at:flags": their
                       * number is argument `at`, and they are behind it ("#atn:": with a note) */
    const char *acl;  /* categories beside those that the flags imply */
    const char *since, *group, *complexity, *summary;
    const char *tips;                     /* separated by spaces */
    const char *deprecated, *replacement; /* since when, by what; or NULL */
};

/* By args[0], and args[1] where it has subcommands. NULL: there is none; *ret_parent is the command
 * whose subcommand is unknown, or NULL. */
const struct resp_command *resp_command_find(const struct slice *args, uint32_t args_len,
                                             const struct resp_command **ret_parent);
/* By "name" or "name|sub". */
const struct resp_command *resp_command_named(struct slice name);
/* READONLY or WRITE say it; scripts that say neither may write. */
static inline bool resp_writes(const struct resp_command *c)
{
    return (c->flags & RESP_WRITE) || (c->flags & (RESP_SCRIPT | RESP_READONLY)) == RESP_SCRIPT;
}
static inline bool resp_arity_fits(const struct resp_command *c, uint32_t args_len)
{
    return c->arity >= 0 ? args_len == (uint32_t)c->arity : args_len >= (uint32_t)-c->arity;
}

/* All of them, subcommands behind their command. */
uint32_t resp_commands_len(void);
const struct resp_command *resp_command_at(uint32_t i);
/* The command that holds this subcommand; NULL: it is none. */
const struct resp_command *resp_parent_of(const struct resp_command *c);
const struct resp_docs *resp_docs_of(const struct resp_command *c);
const char *resp_flag_text(unsigned flag); /* RESP_FLAG_... */

#endif
