/* gate.h - who may come in by name and password. One per thread.
 *
 * A password is recognised by PBKDF2-HMAC-SHA256, which is slow on purpose: about a millisecond for
 * 4096 rounds, on a thread that serves connections. So what was right once is kept as a keyed hash
 * (a random key per gate, never on disk) and is recognised in a microsecond from then on; and of
 * the slow checks at most GATE_SLOW_PER_SECOND are made, whoever asks: guessing takes little from
 * others. An unknown user costs what a known one does. */
#ifndef GRIDD_NET_GATE_H
#define GRIDD_NET_GATE_H

#include "base/clock.h"
#include "base/err.h"

#include <stddef.h>

struct gate; /* opaque */

enum { GATE_SLOW_PER_SECOND = 20, GATE_PASSWORD_BYTES_MAX = 1024 };

/* `lines`: credentials as text (base/credential.h), borrowed for the call; a line that is none lets
 * nobody in. Release with gate_free(). */
struct gate *gate_new(const char *const *lines, size_t len);
/* GRID_OK. GRID_EAUTH: no such user, or another password. GRID_EBUSY: too many were wrong just now,
 * ask again. `now`: monotonic ms. */
MUST_USE
enum grid_err gate_ask(struct gate *g, const char *user, const char *password, msec_t now);
/* Slow checks made since the start. */
uint64_t gate_slow(const struct gate *g);
void gate_free(struct gate *g); /* NULL is fine */

#endif
