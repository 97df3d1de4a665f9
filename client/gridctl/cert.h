/* cert.h - a private certificate authority in a directory. ECDSA P-256.
 * Files appear whole or not at all, keys only for their owner (0600), and nothing is ever
 * overwritten. */
#ifndef GRIDCTL_CERT_H
#define GRIDCTL_CERT_H

#include <stdbool.h>
#include <stddef.h>

enum { CERT_WHY_BYTES = 512, CERT_CA_DAYS = 3650, CERT_LEAF_DAYS = 825 };

/* DIR/ca.crt and DIR/ca.key; DIR is made when it is not there. False: `why` says why. */
bool cert_init(const char *dir, char why[CERT_WHY_BYTES]);
/* DIR/NAME.crt and DIR/NAME.key, answering to `hosts` (names and addresses; none: localhost,
 * 127.0.0.1, ::1 and NAME). Who has one is a client, and may be a node of the grid unless
 * `client_only`. `name` is a value_name() other than "ca". */
bool cert_issue(const char *dir, const char *name, const char *const *hosts, size_t hosts_len,
                bool client_only, char why[CERT_WHY_BYTES]);

#endif
