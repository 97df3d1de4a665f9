/* control.h - the control state and its commands as bytes of control.proto: entries and snapshots
 * of the control log, and the stream for those who follow it. Bytes are hostile: memory is bounded
 * by their length, and what is accepted satisfies grid_state_check(). */
#ifndef GRIDD_WIRE_CONTROL_H
#define GRIDD_WIRE_CONTROL_H

#include "base/buf.h"
#include "control/command.h"
#include "wire/arena.h"

enum { CONTROL_FORMAT = 1, CONTROL_COMMAND_BYTES_MAX = 4 << 20 };

/* Append the encoded command to `out`; at most CONTROL_COMMAND_BYTES_MAX, if a catalog to adopt has
 * not more than some 10,000 caches. */
void wire_command_encode(const struct grid_command *c, struct buf *out);
/* What the command borrows is in `arena`, and in `in`. GRID_ECORRUPT: malformed, or too large for
 * the arena; GRID_ENEWER: of a kind or level this version does not know. A catalog to adopt is
 * the caller's: unref it through wire_command_release(). */
MUST_USE
enum grid_err wire_command_decode(struct slice in, struct arena *arena,
                                  struct grid_command *ret_command);
void wire_command_release(struct grid_command *c);

/* Append the whole state to `out`: a snapshot. */
void wire_state_encode(const struct grid_state *s, struct buf *out);
/* *ret_state is the caller's. GRID_ENEWER: in a later format, or of a grid whose level this version
 * does not know; GRID_ECORRUPT. */
MUST_USE
enum grid_err wire_state_decode(struct slice in, struct grid_state **ret_state);

/* --- followers ------------------------------------------------------------------------------
 * The commands that led from revision to revision, as far back as the limit allows. A follower
 * that has revision r gets those since, applies them, and has the same state; when they are not
 * kept, or are more bytes than a snapshot, it gets a snapshot. */
struct control_tail; /* opaque */
struct control_tail *control_tail_new(size_t bytes_max);
void control_tail_free(struct control_tail *t); /* NULL is fine */
/* The encoded command that led to `revision` (the last one + 1; another begins anew). */
void control_tail_add(struct control_tail *t, uint64_t revision, struct slice command);
/* Append to `out` the delta that leads from revision `have` to the newest, at most about
 * `bytes_max` of it (at least one command). False: not kept, send a snapshot. *ret_revision: where
 * it leads. */
bool control_tail_delta(const struct control_tail *t, uint64_t have, size_t bytes_max,
                        uint64_t *ret_revision, struct buf *out);
/* Apply a delta to `working` (unpublished). GRID_ESTALE: it begins elsewhere; GRID_ECORRUPT or
 * GRID_ENEWER: `working` is of no use any more, ask for a snapshot. */
MUST_USE
enum grid_err wire_delta_apply(struct grid_state *working, struct slice delta, struct arena *arena);

#endif
