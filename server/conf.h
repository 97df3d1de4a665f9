/* conf.h - gridd.conf, read with libconfuse. Options are rows of one table in conf.c. */
#ifndef GRIDD_CONF_H
#define GRIDD_CONF_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Strings are the conf's own, NULL where nothing is set. Bytes and ms. */
struct conf {
    char **peers;
    unsigned peers_len;
    char **labels;
    unsigned labels_len;
    char *name, *grid, *data, *user;
    char *client, *peer, *http, *resp, *advertise_client;
    char *ca, *cert, *key;
    char *level, *format;
    int64_t bootstrap_expect, shards, log_segment, memory, connections, idle_timeout, slow_reader,
        handshake_timeout, requests_per_connection, output_per_connection;
    bool insecure, client_certificates;
};

/* Read and check `path`. On GRID_EBAD_REQUEST `faults` has one line per fault: file:line: what was expected.
 * *ret_conf is the caller's; release with conf_free(). */
MUST_USE
enum grid_err conf_load(const char *path, struct buf *faults, struct conf **ret_conf);
/* A grid of one on loopback without TLS; ports base .. base + 3. */
struct conf *conf_dev(const char *data, unsigned port_base);
void conf_free(struct conf *c); /* NULL is fine */

#endif
