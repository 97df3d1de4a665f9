/* help.h - --help, the bash completion and the manual's list of commands, from the table of
 * commands. */
#ifndef GRIDCTL_HELP_H
#define GRIDCTL_HELP_H

#include "args.h"

#include <stdio.h>

/* About the command `path`, the group `path`, or gridctl (""). */
void help_print(FILE *f, const char *path);
void help_bash(FILE *f);
void help_mdoc(FILE *f);

/* What may follow `words` where `part` is being typed: calls `found` for each word that begins
 * with `part`. For the shell. */
typedef void help_found_fn(void *arg, const char *word);
void help_complete(const char *const *words, size_t len, const char *part, help_found_fn *found,
                   void *arg);

#endif
