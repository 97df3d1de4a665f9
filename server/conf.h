/* conf.h - gridd.conf, read with libconfuse by the table of conf_table.h. */
#ifndef GRIDD_CONF_H
#define GRIDD_CONF_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CONF_BYTES_MAX = 1 << 20, /* of a file */
    CONF_LIST_MAX = 256,      /* entries of one list */
};

/* Strings are the conf's own, NULL where nothing is set. Bytes and ms. */
struct conf {
    char **peers;
    unsigned peers_len;
    char **users;
    unsigned users_len;
    char **rights;
    unsigned rights_len;
    char **labels;
    unsigned labels_len;
    char **resp_caches;
    unsigned resp_caches_len;
    char *name, *grid, *data, *user, *module_dir;
    char *client, *peer, *http, *resp; /* http, resp: maybe "off", see conf_door() */
    char *resp_ports, *advertise_client, *advertise_peer, *advertise_http, *advertise_resp;
    char *ca, *cert, *key;
    char *level, *format;
    int64_t weight, bootstrap_expect, resp_shard_base, shards, job_threads, jobs_per_module,
        pool_threads, log_segment, memory, connections, idle_timeout, slow_reader,
        handshake_timeout, requests_per_connection, output_per_connection;
    bool insecure, client_certificates, tls_http, tls_resp;
};

/* A value that does not come from the text, and takes the place of what the text says. */
struct conf_given {
    const char *section, *key;
    const char *const *values; /* of a list all, else one; as they would be written */
    size_t len;
};

/* Read and check `path`. On GRID_EBAD_REQUEST `faults` got one line per fault, in the order of the
 * file: file:line: what was expected; of what was given without a line. Certificates must be
 * readable by the caller.
 * *ret_conf is the caller's; release with conf_free(). One thread at a time. */
MUST_USE
enum grid_err conf_load(const char *path, const struct conf_given *given, size_t given_len,
                        struct buf *faults, struct conf **ret_conf);
/* The same of text in memory; `name` stands for the file in faults. */
MUST_USE
enum grid_err conf_parse(const char *name, struct slice text, struct buf *faults,
                         struct conf **ret_conf);
MUST_USE
enum grid_err conf_parse_with(const char *name, struct slice text, const struct conf_given *given,
                              size_t given_len, struct buf *faults, struct conf **ret_conf);
/* The address of a door that may be off; NULL: it is. */
const char *conf_door(const char *address);
/* The keys ("node: data") whose values differ and that a running node cannot take over, separated
 * by commas; empty: none. */
void conf_differences(const struct conf *old, const struct conf *new, struct buf *ret_keys);
void conf_free(struct conf *c); /* NULL is fine */

#endif
