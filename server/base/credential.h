/* credential.h - a user and how its password is recognised, as text in one line:
 *
 *   NAME:pbkdf2-sha256:ROUNDS:SALT:HASH     salt and hash in hexadecimal
 *
 * written by `gridctl user hash`. What it means is checked elsewhere (net/gate.h). */
#ifndef GRIDD_BASE_CREDENTIAL_H
#define GRIDD_BASE_CREDENTIAL_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CREDENTIAL_USER_BYTES = 64, /* with the zero */
    CREDENTIAL_SALT_BYTES = 16,
    CREDENTIAL_HASH_BYTES = 32,
    /* A check is made where connections are served: more rounds would hold them up. */
    CREDENTIAL_ROUNDS_MAX = 100000,
};

struct credential {
    char user[CREDENTIAL_USER_BYTES]; /* a-z A-Z 0-9 _ - . @ ; first a letter or digit */
    uint32_t rounds;                  /* 1..CREDENTIAL_ROUNDS_MAX */
    uint8_t salt[CREDENTIAL_SALT_BYTES];
    uint8_t hash[CREDENTIAL_HASH_BYTES];
};

/* False: `text` is none, *ret_credential is not set. */
MUST_USE
bool credential_parse(const char *text, struct credential *ret_credential);

#endif
