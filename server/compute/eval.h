/* eval.h - scripts of Redis clients: procedures that run them in a shard (shard/call.h). Their
 * arguments are the command's as the client sent it, and one more at the end: of EVAL the digest of
 * its text, of EVALSHA the text that the digest names, empty if the door does not know it. */
#ifndef GRIDD_COMPUTE_EVAL_H
#define GRIDD_COMPUTE_EVAL_H

#include "shard/call.h"

procedure_fn command_eval, command_eval_ro, command_evalsha, command_evalsha_ro;

static const char eval_no_script[] = "NOSCRIPT No matching script. Please use EVAL.";

/* Number of keys that the arguments (with the extra one or not: `extra`) name. -1: they do not fit;
 * *ret_fault is the error then. */
int64_t eval_keys(const struct slice *args, uint32_t args_len, bool extra, const char **ret_fault);

#endif
