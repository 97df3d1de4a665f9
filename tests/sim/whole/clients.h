/* clients.h - who uses a grid, what they know of it, and what they were told. */
#ifndef TESTS_SIM_WHOLE_CLIENTS_H
#define TESTS_SIM_WHOLE_CLIENTS_H

#include "tests/lib/history.h"
#include "tests/sim/whole/parts.h"

enum {
    NODES = 7,
    CONTEXTS = 3,
    KEYS = 6, /* of a context */
    CLIENTS = 10,
    REVISIONS = 16384,
    PARTITIONS = 8, /* most of a context */
};
enum {
    FILLER = CLIENTS,
    TRAIN,
    MAPPER,
    WORKER, /* work.c */
    INSIDER /* machine.c */
};          /* beside the clients, each with answers of its own kind */
struct event;

enum client_kind { CLIENT_KNOWS, CLIENT_FOLLOWS, CLIENT_ROAMS, CLIENT_GUEST }; /* ways.c */

struct client {
    enum client_kind kind;
    uint64_t number, attempt;
    bool local; /* any copy may answer */
    bool busy;
    struct history_op op;
    unsigned context, key;
    unsigned asked; /* node of that attempt */
    uint64_t asked_life;
    msec_t first_at, sent_at, again_at;
    msec_t patience; /* for an answer */
};

enum { TRAINS = 32, TRAIN_LEN = 6 };

/* Of one connection: writes and reads of a key, without waiting for answers. */
struct train {
    uint64_t number;
    unsigned context;
    uint32_t partition;
    bool reads[TRAIN_LEN], told[TRAIN_LEN];
    bool done[TRAIN_LEN]; /* as far as is known */
    uint64_t version[TRAIN_LEN];
};

struct follower {       /* what a client that follows knows */
    unsigned home;      /* who tells it */
    uint64_t home_life; /* of that process; 0: not connected */
    uint64_t link;      /* counts connections */
    struct grid_state *topology;
    bool astray; /* says home */
    msec_t told_at, roam_at;
    unsigned roams;
    msec_t shunned[NODES]; /* until then */
};

struct simkey {
    uint64_t version; /* that was seen last */
    bool counter;
};

struct simcontext {
    struct context_info info;
    bool made, asked;
    msec_t tainted
        [PARTITIONS]; /* when all copies went down at once, and what was not synced with them */
    struct simkey keys[KEYS];
};

/* clients.c */
void clients_make(struct world *w);
uint32_t clients_partition(const struct world *w, unsigned context, unsigned key);
const struct cache_info *clients_cache(const struct grid_state *s, unsigned context);
void clients_step(struct world *w);
void clients_op(struct simshard *h, const struct event *e);
void clients_reply(struct world *w, const struct event *e);
void clients_answer(struct world *w, const struct ticket *to, const struct result *res);
bool clients_idle(const struct world *w);
void clients_end(struct world *w); /* what is open is in doubt */
void clients_read_all(struct world *w);

/* tasks.c */
enum { TASK_ARGS_LEN = 2 };
bool task_counts(const struct world *w, const struct client *c);
void task_fill(const struct client *c, struct op *op, struct slice args[TASK_ARGS_LEN]);

/* ways.c */
msec_t way_ms(struct world *w); /* when what is sent now arrives */
struct simnode *way_any(struct world *w);
struct simnode *way_known(struct world *w, unsigned context, uint32_t partition);
struct simnode *way_choose(struct world *w, const struct client *c, uint32_t partition);
void way_failed(struct world *w, const struct client *c);
void way_outside(struct world *w, const struct client *c);
void ways_greet(struct simshard *h, const struct event *e);
void ways_news(struct simshard *h);
void ways_told(struct world *w, const struct event *e);
void ways_release(struct world *w);

/* trains.c */
void train_send(struct world *w);
void train_op(struct simshard *h, const struct event *e);
void train_answer(struct world *w, const struct ticket *to, const struct result *res);

/* maps.c */
extern bool bug_map;
void maps_init(struct world *w);
void maps_release(struct world *w);
void maps_step(struct world *w);
bool maps_idle(const struct world *w);
void map_op(struct simshard *h, const struct event *e);
void map_aside(void *shard, const struct op *op);
void map_event(struct simshard *h);
void maps_shard_stop(struct simshard *h);
void map_answer(struct world *w, const struct ticket *to, const struct result *res);

#endif
