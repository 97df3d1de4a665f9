/* certs.h - certificates for tests: a private authority, a server (a.crt, a.key), clients. ECDSA
 * P-256. */
#ifndef GRIDD_TESTS_CERTS_H
#define GRIDD_TESTS_CERTS_H

#include <stddef.h>

enum { CERTS_PATH_BYTES = 512 };

struct cert_spec {
    const char *name;   /* common name, and files DIR/NAME.crt and DIR/NAME.key */
    const char *issuer; /* name of the authority in the same directory; NULL: signs itself */
    int authority;      /* may sign others */
    long from_seconds;  /* validity, counted from now; both 0: one day, begun an hour ago */
    long until_seconds;
    const char *usage; /* extended key usage; NULL: says nothing of it */
};

/* Write DIR/NAME.crt and DIR/NAME.key; a failure ends the process with a message. Subject
 * alternative names: localhost, 127.0.0.1, ::1. */
void certs_issue(const char *dir, const struct cert_spec *spec);
/* ca, server (also a node) and client, as most tests want them. */
void certs_make(const char *dir);
/* DIR/FILE in a static ring of a few buffers. */
const char *certs_path(const char *dir, const char *file);

#endif
