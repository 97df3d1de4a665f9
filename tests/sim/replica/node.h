/* node.h - one process, its disk, and what a shard has of the partition. Times are in us of the
 * world's clock; a node's own clock is in ms, and of its own speed. */
#ifndef GRIDD_TESTS_SIM_REPLICA_NODE_H
#define GRIDD_TESTS_SIM_REPLICA_NODE_H

#include "control/command.h"
#include "data/record.h"
#include "replica/replica.h"

struct world;
struct event;
struct packet;

enum {
    NODES_MAX = 7,
    CLIENTS_MAX = 4,
    KEYS = 6,
    LOG_MAX = 8192,
    PENDING_MAX = 64,
    LEASE_MS = 300,
    PAST = 256,
    GRACE_MS = 500,
    BEAT_MS = 100,
    FAILURE_MS = 700,
};

typedef uint64_t usec_t;

/* --- content ---------------------------------------------------------------------------------- */

enum op_kind { OP_PUT, OP_DELETE, OP_INCR, OP_STAMP, OP_READ_KEY, OP_EXPIRE_KEY };

struct sim_record {
    uint64_t version;
    int64_t value;     /* of the key from then on; INCR: the result, too */
    uint64_t deadline; /* unix ms; 0: none */
    uint32_t number;
    uint8_t kind; /* enum op_kind */
    uint8_t key;
    uint8_t client; /* CLIENTS_MAX: of the primary's own */
};

struct sim_entry {
    uint64_t version; /* of the record that made it so; 0: never */
    int64_t value;
    uint64_t deadline;
    bool present;
};

struct sim_session {
    uint64_t version;
    int64_t value;
    uint32_t number;
};

struct content {
    struct sim_entry keys[KEYS];
    struct sim_session sessions[CLIENTS_MAX];
};

void content_apply_record(struct content *c, const struct sim_record *r);

/* --- requests and replies --------------------------------------------------------------------- */

struct request {
    uint64_t ticket;
    int64_t value;
    uint32_t number;
    uint8_t client, kind, key;
    bool expires, local;
    bool leased; /* the lease was looked at before the read */
};

enum reply_status { REPLY_OK, REPLY_RETRY };

struct reply {
    uint64_t ticket, version;
    uint64_t epoch; /* of who answers */
    int64_t value;
    enum reply_status status;
    bool present;
};

/* --- nodes ------------------------------------------------------------------------------------ */

enum item_kind { ITEM_RECORD, ITEM_WIPE, ITEM_PIECE, ITEM_COPIED, ITEM_MEND, ITEM_MENDED };

struct item { /* what is in a node's log on disk */
    enum item_kind kind;
    uint64_t version; /* last record then */
    struct sim_record record;
    bool bad; /* cannot be read any more */
    unsigned piece;
    struct content *content;    /* PIECE, MENDED: as it became */
    struct sim_record *records; /* WIPE, MENDED: the log as it became */
    size_t records_len;
};

struct disk {
    struct item *items;
    size_t len, cap;
    size_t synced;  /* so many survive */
    size_t syncing; /* so many will */
    size_t first;   /* those before are given up: a checkpoint has them */
    bool busy;
};

struct outgoing { /* a copy to a node */
    bool on;
    uint32_t round;
    unsigned next;
    struct replica_member to;
};

struct waiting { /* a request that waits for a commit */
    uint64_t version;
    struct request q;
    int64_t value;
};

struct node {
    struct world *w;
    uint32_t number;
    uint32_t process; /* grows by each start: what was meant for another is dropped */
    uint32_t lives;   /* boot ids so far */
    bool alive, entering;
    bool damaged; /* what it has is wrong, and it knows */
    bool silent;  /* ... since before its life: nobody is told what it calls committed */
    usec_t paused_until;
    usec_t offset_us;
    uint64_t rate; /* of its clock, parts in 1000 */
    msec_t started;
    struct replica r;
    struct replica_member self;
    struct grid_state *state;
    struct content content;
    struct sim_record *log; /* by seq - 1; what it ever had since it was copied */
    uint64_t floor;         /* records up to this seq are not in memory */
    uint64_t gone;          /* and up to this one not on disk, as was found out */
    bool recalled;          /* the epochs on disk were looked for */
    bool woken;
    bool leased;    /* sabotage: reads were allowed when it looked last */
    uint8_t phase;  /* as it was after the last event */
    usec_t tick_at; /* of the event under way; 0: none */
    struct disk disk;
    size_t restated;  /* items up to here must be on disk before the next ack */
    uint64_t durable; /* version of the last record on disk */
    usec_t disk_us;
    struct outgoing out[NODES_MAX];
    uint32_t in_round, cut_round; /* of the copy that comes in; of the cut asked for */
    unsigned in_next;
    uint64_t cut_common;
    bool cut_asked; /* by the port, to be done after the call */
    struct packet *arriving;
    struct waiting waiting[PENDING_MAX];
    unsigned waiting_len;
    uint64_t seen_commit; /* its seq: told to the judge */
    struct {
        msec_t until;
        uint32_t boot;
        uint64_t revision;
    } held[NODES_MAX + 1];
    msec_t granted[NODES_MAX + 1];
    msec_t heard_sent[NODES_MAX + 1]; /* of the newest beacon of each, and by which life */
    struct replica_member heard[NODES_MAX + 1];
};

/* node.c */
msec_t node_now(const struct node *n);
void node_init(struct world *w, uint32_t number);
void node_start(struct node *n);
void node_stop(struct node *n);
void node_release(struct node *n);
void node_event(struct node *n, struct event *e);
/* After each event: what the shard does at the end of a turn, and invariants. */
void node_turn(struct node *n);
extern const struct replica_ports node_ports;

/* shard.c */
void shard_request(struct node *n, const struct event *e);
void shard_read(struct node *n, const struct request *q);
void shard_answer(struct node *n, const struct request *q, const struct reply *r);
void shard_cut(struct node *n);
/* Its content is found damaged. */
void shard_damage(struct node *n);
void shard_log(struct node *n, const struct sim_record *r);
void shard_packet(struct node *n, uint32_t from, struct packet *p);
void shard_copy_step(struct node *n, uint32_t to, uint32_t round);
void shard_item(struct node *n, const struct item *it);
void shard_sync(struct node *n);
void shard_disk_done(struct node *n);
void disk_cut(struct disk *d, size_t keep);
/* R11: up to `max` records that follow `version`, as the log on disk has them. */
size_t disk_read(struct node *n, uint64_t version, struct sim_record *records, size_t max);
/* The epochs that it has. */
void disk_history(const struct disk *d, struct replica_history *ret_history);
/* What the next start will find. */
void disk_durable(struct node *n);
void shard_recover(struct node *n);
void shard_committed(struct node *n);
void shard_expire(struct node *n);

#endif
