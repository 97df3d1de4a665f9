/* administration_priv.h - what the files of administration share.
 *
 *   administration.c  the way of a request: control -> workers, other nodes -> control -> session
 *   replies.c         what it is answered with
 *   census.c          asking the other nodes, and answering them
 *   verify.c          copies compared
 *   repair.c          one of them given up, and made anew
 *   rescue.c          partitions that nobody leads, or that are lost
 *   modules.c         sources of modules read, and what is told of modules
 *   services_told.c   services deployed, and what is told of them */
#ifndef GRIDD_NODE_ADMINISTRATION_PRIV_H
#define GRIDD_NODE_ADMINISTRATION_PRIV_H

#include "control/command.h"
#include "node/measure.h"

struct verify_sum { /* of what this node has of a partition */
    uint32_t partition;
    enum grid_err err;
    uint64_t version, entries, sum;
};

struct share { /* what one worker tells */
    struct measures measures;
    struct shard_usage *contexts; /* as in the catalog */
    uint64_t *caches;             /* all caches, in catalog order */
    struct shard_partition_info
        *partitions;            /* all partitions of the contexts asked for, in order */
    struct verify_sum *digests; /* VERIFY: of the partitions asked for */
    size_t digests_len;
    unsigned repaired;                /* PARTITION_REPAIR: enum repair_state */
    size_t given_up;                  /* PARTITION_RECOVER: damaged partitions */
    struct admin_instance *instances; /* SERVICE_LIST: of services, here */
    size_t instances_len;
    struct buf texts; /* ... and their errors and keys */
};

/* What another node said. */
struct word {
    uint8_t id[GRID_ID_BYTES];
    uint32_t node;
    bool answered, there; /* well */
    struct admin_reply reply;
};

struct verdicts; /* verify.c */
struct rescue;   /* rescue.c */
struct repair;   /* repair.c */

struct job {
    struct note note;
    struct node *node;
    struct ticket to;
    void (*heard)(void *ctx, enum grid_err err, struct slice reply); /* in the place of `to` */
    void *heard_ctx;
    struct admin_request request;
    struct catalog *catalog;
    bool changed;
    unsigned left; /* workers, and all other nodes as one */
    enum grid_err err;
    char why[STORE_WHY_BYTES];
    struct buf reply;
    struct share *shares; /* one per worker */
    /* In a grid of several: */
    bool remote; /* asked by the node `asker` */
    uint8_t asker[GRID_ID_BYTES];
    uint64_t asker_number;
    uint64_t
        known; /* what was changed: the revision that all nodes are to know before the answer */
    struct list asking; /* in census.asking while others are waited for */
    uint64_t number;
    struct loop_timer patience;
    struct word *words; /* one per node asked */
    size_t words_len, words_left;
    struct arena *arena; /* of what they said */
    struct verdicts *verdicts;
    struct rescue *rescue;
    uint64_t rescued; /* partitions, by changes of the control state */
    struct repair *repair;
    struct module_info module; /* MODULE_DEPLOY; its functions and source are the job's */
    struct buf source;
};

struct visit {
    struct note note;
    struct job *job;
    unsigned index;
    size_t given_up; /* PARTITION_RECOVER: when it is done */
    enum grid_err err;
    char why[STORE_WHY_BYTES];
};

static inline bool job_wants(const struct job *j, const struct context_info *info)
{
    return !j->request.name[0] || strcmp(j->request.name, info->name) == 0;
}

/* administration.c; all on the control thread, visit_end() on the worker's */
struct job *job_new(struct node *n, const struct admin_request *request);
/* To the workers, and to the other nodes when the operation is for all. */
void job_visits(struct job *j);
/* One of j->left is done. */
void job_part(struct job *j);
void job_answer(struct job *j);
void job_free(struct job *j);
/* What the workers and the others said is forgotten. */
void job_forget(struct job *j);
void visit_end(struct visit *v);

/* replies.c: encode the answer to j->reply. */
void reply_make(struct job *j);
void reply_encode(struct job *j, const struct admin_reply *reply);

/* census.c */
struct census; /* of the node */
/* Ask the nodes that are up; job_part() when all have answered, or not in time. */
void census_begin(struct job *j);
bool census_asks(const struct job *j);
void census_answer(struct job *j);
void census_message(struct node *n, const uint8_t *from, struct slice body);
/* The link is down: what was asked there will not be answered. */
void census_lost(struct node *n, const uint8_t *from);
void census_free(struct node *n);
/* What a node said; NULL: nothing. */
const struct word *census_word(const struct job *j, uint32_t node);

/* verify.c */
void verify_visit(struct worker *w, struct visit *v);
/* The shard has the sum of a partition: `to` is of verify_owner. */
extern char verify_owner;
void verify_summed(struct worker *w, const struct ticket *to, const struct result *res);
/* What is asked for; false: there is no such thing, j->err is set. */
bool verify_begin(struct job *j);
/* False: some are open, it is asked again. */
bool verify_judge(struct job *j);
void verify_reply(struct job *j, struct admin_reply *reply);
void verify_free(struct job *j);
void verify_release(struct worker *w);

/* repair.c; as those of verify.c */
void repair_visit(struct worker *w, struct job *j, struct share *share);
bool repair_begin(struct job *j);
bool repair_judge(struct job *j);
void repair_reply(struct job *j, struct admin_reply *reply);

/* modules.c */
/* On the worker that was asked: read the source. j->err: it is no module. */
void module_read(struct worker *w, struct job *j);
void module_release(struct job *j);
/* What is borrowed of the request becomes the job's. */
void job_source_keep(struct job *j);
void modules_reply(struct job *j, struct admin_reply *reply);

/* services_told.c */
/* What the request says. GRID_ENO_CONTEXT: of a context that is not there. */
MUST_USE
enum grid_err service_info_of(const struct job *j, const struct catalog *c,
                              struct service_info *ret_info, char *why);
MUST_USE
enum grid_err service_deploy(const struct job *j, struct catalog *c, char *why);
void services_reply(struct job *j, struct admin_reply *reply);

/* rescue.c: RECOVER and RESET in a grid of several; true: job_visits() comes later. */
bool rescue_begin(struct job *j);
/* All have told what they have. False: it goes on by itself. */
bool rescue_heard(struct job *j);
void rescue_reply(struct job *j, struct admin_reply *reply);

#endif
