/* sha1.h - SHA-1 (FIPS 180-4), as a name of texts and for nothing that has to be safe. */
#ifndef GRIDD_BASE_SHA1_H
#define GRIDD_BASE_SHA1_H

#include "base/slice.h"

#include <stdint.h>

enum { SHA1_BYTES = 20, SHA1_HEX = 40 };

void sha1(struct slice data, uint8_t ret_digest[SHA1_BYTES]);
/* In lower case, without a zero at the end. */
void sha1_hex(struct slice data, char ret_hex[SHA1_HEX]);

#endif
