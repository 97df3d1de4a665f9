/* parts_priv.h - what the parts of a member do for each other, part by part.
 *
 *   member.c    the calls, the phases          known.c     whom it knows, messages out
 *   founding.c  HELLO among candidates         joining.c   HELLO and WELCOME of a grid
 *   consensus.c raft, entries applied          publish.c   new states, and what follows from them
 *   beacons.c   signs of life, R7              stream.c    states by pieces and deltas
 *   asking.c    proposals of this node         answering.c those that come to the leader
 *   lead.c      the leader's plan              entering.c  who enters, who votes
 *   news.c      reports and progress           pairs.c     links that are broken
 *   levels.c    what all nodes know */
#ifndef GRIDD_GRID_PARTS_PRIV_H
#define GRIDD_GRID_PARTS_PRIV_H

#include "grid/member_priv.h"

/* known.c */
struct grid_peer *known_by_id(const struct grid_member *m, const uint8_t *id);
struct grid_peer *known_by_number(const struct grid_member *m, uint32_t number);
/* NULL: too many are known. */
struct grid_peer *known_make(struct grid_member *m, const uint8_t *id);
void known_address(struct grid_peer *p, const char *address);
void known_forget(struct grid_member *m);
void known_of_state(struct grid_member *m);
void member_message(const struct grid_member *m, struct grid_message *msg,
                    enum grid_message_kind kind);
void member_send(struct grid_member *m, const struct grid_peer *p, const struct grid_message *msg);
void member_random_id(struct grid_member *m, uint8_t *id);

/* member.c */
void member_notice(struct grid_member *m, enum grid_notice_kind kind, const char *why);
void member_why(struct grid_member *m, const char *fmt, ...) PRINTF_LIKE(2, 3);
void member_phase(struct grid_member *m, enum grid_phase phase);
/* This life is over; another begins after a while. */
void member_life_over(struct grid_member *m);
msec_t member_failure_timeout(const struct grid_member *m);

/* founding.c */
void founding_hello(struct grid_member *m, struct grid_peer *p, const struct grid_hello *h);
void founding_step(struct grid_member *m);
void founding_on_disk(struct grid_member *m);
/* What a candidate hears, for its HELLO. */
size_t founding_sights(const struct grid_member *m, struct grid_sight *sights);

/* joining.c */
void member_on_hello(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg);
void member_on_welcome(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg);
void joining_step(struct grid_member *m);
msec_t joining_next(const struct grid_member *m);
void hello_send(struct grid_member *m, struct grid_peer *p);
void welcome_send(struct grid_member *m, struct grid_peer *p, const uint8_t *boot_id,
                  const char *refused);

/* consensus.c */
void consensus_persist(struct grid_member *m, bool identity, const struct raft_persist *write);
void consensus_start(struct grid_member *m, const struct raft_stored *disk);
void consensus_persisted(struct grid_member *m, uint64_t job);
void member_on_raft(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg);
void consensus_closed(struct grid_member *m, uint32_t node);
void consensus_tick(struct grid_member *m);
/* RAFT_ACCEPTED: *ret_index is that of the last one. */
enum raft_refusal consensus_submit(struct grid_member *m, const struct slice *commands, size_t len,
                                   uint64_t *ret_index);
enum raft_refusal consensus_change(struct grid_member *m, enum raft_change_op op, uint32_t node);
enum raft_refusal consensus_transfer(struct grid_member *m, uint32_t node);
bool consensus_takes_part(const struct grid_member *m);

/* publish.c */
/* The member's reference to `s` is given away. */
void publish_take(struct grid_member *m, struct grid_state *s);
void publish_step(struct grid_member *m);

/* beacons.c */
void member_on_beacon(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg);
void beacon_send(struct grid_member *m, struct grid_peer *p, bool probe);
void beacons_step(struct grid_member *m);
void beacons_leases(struct grid_member *m);
void leader_heard(struct grid_member *m, uint64_t term, uint32_t leader);

/* stream.c */
bool stream_wanted(const struct grid_member *m, const struct grid_peer *from);
void stream_asked(struct grid_member *m, struct grid_peer *p, const struct grid_beacon *b);
void stream_push(struct grid_member *m);
void member_on_piece(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg);
void member_on_delta(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg);
void stream_step(struct grid_member *m);

/* asking.c */
void asking_step(struct grid_member *m);
void asking_published(struct grid_member *m);
msec_t asking_next(const struct grid_member *m);
void asking_outcome(struct grid_member *m, uint64_t number, uint64_t revision,
                    const struct grid_outcome *o, size_t parts_len);
void member_on_answer(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg);
void asking_leader(struct grid_member *m);
void asking_end(struct grid_member *m);

/* answering.c */
void member_on_propose(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg);
void answering_take(struct grid_member *m, const uint8_t *origin, uint64_t session, uint64_t number,
                    struct slice command);
void answering_step(struct grid_member *m);
void answering_applied(struct grid_member *m, const struct grid_command *c, uint64_t revision,
                       const struct grid_outcome *o);
void answering_end(struct grid_member *m);

/* lead.c */
void lead_start(struct grid_member *m);
void lead_stop(struct grid_member *m);
void lead_watch(struct grid_member *m);
void lead_step(struct grid_member *m);
msec_t lead_next(const struct grid_member *m);
bool lead_is_last(const struct grid_member *m);
bool lead_submit(struct grid_member *m, const struct grid_command *c, uint64_t *ret_index);
void member_on_ask(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg);

/* entering.c */
bool entering_knock(const struct grid_member *m, const struct grid_peer *p);
void entering_step(struct grid_member *m, bool may_enter);
void entering_applied(struct grid_member *m, const struct grid_command *c,
                      const struct grid_outcome *o);
void voters_step(struct grid_member *m, uint32_t add, uint32_t drop);

/* levels.c */
void levels_step(struct grid_member *m);
/* Whether the command needs a higher level than that of `s`; *ret_outcome says so, and why. */
bool levels_refuse(const struct grid_member *m, const struct grid_state *s,
                   const struct grid_command *c, struct grid_outcome *ret_outcome);

/* pairs.c */
void pairs_heard(struct grid_member *m, uint32_t from, const uint32_t *quiet, size_t len);
void pairs_step(struct grid_member *m);
bool pairs_broken(const struct grid_member *m, uint32_t a, uint32_t b);

/* news.c of the member */
void member_on_news(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg);
void news_step(struct grid_member *m);
void news_of_lead(struct grid_member *m);
void news_purge(struct grid_member *m);

#endif
