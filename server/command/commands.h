/* commands.h - what each command does to its keys: procedures for a shard (shard/call.h). The
 * caller has checked the number of arguments and found the keys, in the order of the command; args
 * are the whole command. Multi-key ones take any number of keys. */
#ifndef GRIDD_COMMAND_COMMANDS_H
#define GRIDD_COMMAND_COMMANDS_H

#include "shard/call.h"

/* strings.c, lcs.c; get_or_null: a part of MGET, for which another type is null */
procedure_fn command_append, command_decr, command_decrby, command_get, command_get_or_null;
procedure_fn command_getdel, command_getex, command_getrange, command_getset, command_incr;
procedure_fn command_incrby, command_incrbyfloat, command_lcs, command_mget, command_mset;
procedure_fn command_msetnx, command_psetex, command_set, command_setex, command_setnx;
procedure_fn command_setrange, command_strlen;
/* bits.c */
procedure_fn command_bitcount, command_bitop, command_bitpos, command_getbit, command_setbit;
/* keys.c, dump.c */
procedure_fn command_copy, command_del, command_exists, command_expire, command_expireat;
procedure_fn command_expiretime, command_persist, command_pexpire, command_pexpireat;
procedure_fn command_pexpiretime, command_pttl, command_rename, command_renamenx, command_ttl;
procedure_fn command_type, command_dump, command_restore, command_object_encoding;
procedure_fn command_object_freq, command_object_idletime, command_object_refcount;
procedure_fn command_memory_usage;
/* hashes.c, hash_picks.c */
procedure_fn command_hdel, command_hexists, command_hget, command_hgetall, command_hincrby;
procedure_fn command_hincrbyfloat, command_hkeys, command_hlen, command_hmget, command_hmset;
procedure_fn command_hrandfield, command_hscan, command_hset, command_hsetnx, command_hstrlen;
procedure_fn command_hvals;
/* exec.c: the steps of a transaction, unless a watched key has changed */
procedure_fn command_exec;

/* Options of SCAN and its kin. */
struct scan_options {
    bool match;
    struct slice pattern;
    int64_t count;
};
/* As strtoul() reads it, no spaces before: "" is 0, "-1" the largest. False: it is no number. */
bool cursor_parse(struct slice text, uint64_t *ret_cursor);
/* From args[first] on. False: the reply says why. */
bool scan_options(struct call *c, uint32_t first, struct scan_options *ret_options);

#endif
