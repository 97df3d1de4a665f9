/* message.h - what the replicas of a partition say to each other. Plain structs; server/wire makes
 * bytes of them. R1: each carries the epoch and the life of the sender. Any may be lost, repeated
 * or late; those of a link come in order.
 *
 *   primary                      other member
 *      |  <------------- KNOCK      "I am here"; it was configured, its link came up, a gap
 *      |  HELLO round ------->      "what have you got?"
 *      |  <------ STATUS round      its history
 *      |  CUT common --------->     it has more: it fetches what that touched, then knocks
 *      |  COPY version ------->     no common point, or too far behind: it is wiped, a copy follows
 *      |  RECORDS prev, ... -->     the stream goes on after prev (and none: so far you have all)
 *      |  <---------------- ACK     how far it holds them as the context asks (R4)
 *      |  <------------ REFUSED     by anyone, of an older epoch: the newer one */
#ifndef GRIDD_REPLICA_MESSAGE_H
#define GRIDD_REPLICA_MESSAGE_H

#include "replica/config.h"
#include "replica/history.h"

enum replica_message_kind {
    REPLICA_KNOCK = 1,
    REPLICA_HELLO = 2,
    REPLICA_STATUS = 3,
    REPLICA_CUT = 4,
    REPLICA_COPY = 5,
    REPLICA_RECORDS = 6,
    REPLICA_ACK = 7,
    REPLICA_REFUSED = 8,
};

struct replica_message {
    enum replica_message_kind kind;
    struct replica_member from;
    uint64_t epoch; /* of the sender's configuration */
    uint32_t round; /* one HELLO and all that follows from it; not KNOCK, REFUSED */
    bool broken;    /* STATUS, ACK: it cannot rely on what it has */
    bool stray;   /* STATUS: what lies beyond the common point cannot be cut; it may lead with it */
    bool copying; /* STATUS, ACK: a copy of it is under way, that of `copy` */
    bool served;  /* STATUS: the primary that it speaks to comes after it, and nobody between */
    uint32_t copy;   /* STATUS: the round that began that copy */
    uint64_t pieces; /* STATUS: how many pieces of it are here; the shard counts them */
    /* RECORDS: the version before the first; HELLO: the sender's last; CUT: the common point; ACK:
     * held so far */
    uint64_t version;
    uint64_t commit;                /* RECORDS (R5) */
    struct replica_history history; /* STATUS; COPY: of the copy, as it begins */
};

#endif
