/* commands.h - what each command does to its keys: procedures for a shard (shard/call.h). The
 * caller has checked the number of arguments and found the keys, in the order of the command; args
 * are the whole command. Multi-key ones take any number of keys. */
#ifndef GRIDD_COMMAND_COMMANDS_H
#define GRIDD_COMMAND_COMMANDS_H

#include "shard/call.h"

#define COMMANDS(X)                                                                                \
    X(append)                                                                                      \
    X(copy)                                                                                        \
    X(decr) X(decrby) X(del) X(dump) X(exec) X(exists) X(expire) X(expireat) X(expiretime) X(get)  \
        X(get_or_null) X(getdel) X(getex) X(getrange) X(getset) X(hdel) X(hexists) X(hget)         \
            X(hgetall) X(hincrby) X(hincrbyfloat) X(hkeys) X(hlen) X(hmget) X(hmset) X(hrandfield) \
                X(hscan) X(hset) X(hsetnx) X(hstrlen) X(hvals) X(incr) X(incrby) X(incrbyfloat)    \
                    X(lcs) X(memory_usage) X(mget) X(mset) X(msetnx) X(object_encoding)            \
                        X(object_freq) X(object_idletime) X(object_refcount) X(persist) X(pexpire) \
                            X(pexpireat) X(pexpiretime) X(psetex) X(pttl) X(rename) X(renamenx)    \
                                X(restore) X(set) X(setex) X(setnx) X(setrange) X(strlen) X(ttl)   \
                                    X(type)
/* X(get_or_null): a part of MGET, another type is null. X(exec): exec.c. */

#define X(name) void command_##name(struct call *c);
COMMANDS(X)
#undef X

/* Options of SCAN and its kin. */
struct scan_options {
    bool match;
    struct slice pattern;
    int64_t count;
};
/* A decimal number; false: it is none. */
bool cursor_parse(struct slice text, uint64_t *ret_cursor);
/* From args[first] on. False: the reply says why. */
bool scan_options(struct call *c, uint32_t first, struct scan_options *ret_options);

#endif
