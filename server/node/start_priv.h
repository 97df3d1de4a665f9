/* start_priv.h - what a start is made of, and what a reload changes of it. */
#ifndef GRIDD_NODE_START_PRIV_H
#define GRIDD_NODE_START_PRIV_H

#include "node/node_priv.h"

/* recovery.c: open the shard's store and bring its partitions back. */
MUST_USE
enum grid_err recovery_run(struct worker *w, bool create, char *why);

/* reload.c: labels and peers of `conf` are those of the node from now on. */
void lists_set(struct node *n, const struct node_conf *conf);
void lists_free(struct node *n);
/* new terms from `conf`; the certificates and the connections that are open stay. */
void terms_set(struct node *n, const struct node_conf *conf);
void terms_free(struct node *n);
struct tls_conf tls_conf_of(const struct node_conf *c);

/* What a running node takes over of `conf`; see node_reload(). Control thread. */
MUST_USE
enum grid_err reload_take(struct node *n, const struct node_conf *conf, char *why);

/* users.c: who may come in from now on; told to the workers, or set before they run. */
void users_set(struct node *n, const struct node_conf *conf);

/* doors.c */
MUST_USE
enum grid_err doors_open(struct node *n, char *why);
/* The shards are as many as this. */
MUST_USE
enum grid_err doors_fit(struct node *n, unsigned shards, char *why);
/* All is open: fill in what clients and people are told of it. */
void doors_tell(struct node *n);
void doors_close(struct node *n);
/* The addresses that other nodes and their clients are told; `peer` is listened on for nodes. */
struct node_info;
MUST_USE
enum grid_err doors_addresses(const struct node *n, struct node_info *info,
                              const struct listener *peer, char *why);

/* native_files.c: functions in C, of the program around the node and of files. */
MUST_USE
enum grid_err natives_load(struct node *n, char *why);
void natives_unload(struct node *n);

#endif
