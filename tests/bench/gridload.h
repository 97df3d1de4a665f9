/* gridload.h - the load generator, shared by its own files. One thread; the same path for every
 * protocol, so that what differs between two servers in a report is the servers.
 *   options -> transport (sockets, TLS) -> protocol (bytes) -> run (loop, windows) -> report */
#ifndef GRIDD_TESTS_BENCH_GRIDLOAD_H
#define GRIDD_TESTS_BENCH_GRIDLOAD_H

#include "base/err.h"
#include "base/prng.h"
#include "base/slice.h"
#include "tests/bench/hist.h"
#include "tests/bench/pace.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { SERVERS_MAX = 8, HOST_BYTES = 64, TASK_BYTES_MAX = 64 };
enum { KEY_TEXT_BYTES = 16, SESSION_BYTES = 16, VALUE_BYTES_MAX = 16 << 20, MSET_KEYS = 10 };

/* What the command line says; gridload_options.c lists the switches. */
struct options {
    const char *protocol;
    const char *host;
    const char *tls_ca; /* TLS when set */
    const char *tls_cert;
    const char *tls_key;
    const char *distribution; /* uniform, zipf */
    const char *cache;        /* grid: context/cache */
    const char *durability;   /* grid: make the context with this when it is not there */
    const char *shape;        /* resp: string, mset, hash, evalsha, fcall */
    const char *task;         /* grid: what is run instead of a write; NULL: none */
    const char *server_pids;
    uint64_t port;
    uint64_t connections;
    uint64_t depth;
    uint64_t rate;
    uint64_t keys;
    uint64_t value_bytes;
    uint64_t put_percent;
    uint64_t count;
    uint64_t seed;
    uint64_t since_ns;
    double seconds;
    double warmup;
    double theta;
    bool fill;
    bool check;
    bool probe;
    bool no_once;
    bool routed; /* grid: each key to its primary */
};

/* Read the command line; says what is wrong and exits with 2. */
void options_parse(int argc, char **argv, struct options *ret_options);

/* --- keys and values (gridload_keys.c) -------------------------------------------------------- */

struct zipf {
    double theta;
    double alpha;
    double eta;
    double zeta_n;
    double half_pow;
};

struct place { /* where keys are served: a shard of a node */
    char host[HOST_BYTES];
    uint16_t port;
    uint32_t shard; /* 0-based */
};

struct keys {
    uint64_t count;
    struct prng prng;
    struct zipf zipf; /* theta 0: uniform */
    uint32_t partitions;
    uint32_t shards;      /* or the number of places */
    struct place *places; /* --routed */
    uint32_t *owners;     /* --routed: place of each partition */
    uint8_t *value;       /* template of value_bytes bytes */
    size_t value_bytes;
    const char *shape;  /* options.shape */
    uint32_t per_write; /* keys that one write writes */
};

void keys_init(struct keys *k, const struct options *o);
void keys_release(struct keys *k);
/* A random key number that lives on `shard` (0-based), or at that place. */
uint64_t keys_draw(struct keys *k, uint32_t shard);
/* The first key number >= `from` that lives on `shard`; k->count when there is none. */
uint64_t keys_next(const struct keys *k, uint64_t from, uint32_t shard);
void key_write(uint8_t to[KEY_TEXT_BYTES], uint64_t key);
/* The value of a key: its text, then filler; every PUT of a key writes the same. */
void value_write(const struct keys *k, const uint8_t key[KEY_TEXT_BYTES], uint8_t *to);
bool value_right(const struct keys *k, uint64_t key, struct slice value);

/* --- connections (gridload_conn.c) ------------------------------------------------------------ */

enum load_op { LOAD_GET, LOAD_PUT };

struct flight { /* one request on its way */
    uint64_t start_ns;
    uint64_t key;
    enum load_op op;
    bool answered;
};

struct conn {
    int fd;
    SSL *ssl; /* NULL: plain */
    uint32_t shard;
    uint32_t cache;    /* grid: id */
    bool once;         /* grid: exactly-once wanted */
    struct slice task; /* grid: options.task */
    bool want_out;     /* registered for writability */
    uint8_t *in;
    size_t in_len;
    size_t in_cap;
    uint8_t *out;
    size_t out_sent;
    size_t out_len;
    size_t out_cap;
    struct pace pace;
    uint64_t next;   /* number of the next request; counted from 1 */
    uint64_t lowest; /* lowest number without an answer */
    unsigned in_flight;
    struct flight *ring; /* flight of number n is ring[n & ring_mask] */
    uint64_t ring_mask;
};

/* Connect to `place`, NULL: to the options' server; TLS included; blocking, limited. False:
 * refused or gone (errno says why). */
bool conn_open(struct conn *c, const struct options *o, const struct place *place, SSL_CTX *tls);
void conn_nonblocking(struct conn *c);
/* Blocking: write all of `data`; read what there is into c->in. Used while a connection is set
 * up. */
bool conn_send_all(struct conn *c, struct slice data);
bool conn_receive(struct conn *c);
/* Read once into c->in (TLS: all whole records that came). False: closed by the server or
 * broken. */
bool conn_read(struct conn *c);
/* Write what is in c->out as far as the socket takes it. False: broken. */
bool conn_write(struct conn *c);
void conn_close(struct conn *c);
SSL_CTX *tls_new(const struct options *o);

/* --- protocols (gridload_{grid,resp,memcached,echo}.c) ---------------------------------------- */

struct request {
    enum load_op op;
    uint64_t number;
    uint64_t lowest;
    uint8_t key[KEY_TEXT_BYTES];
};

enum answer_kind {
    ANSWER_OK,
    ANSWER_MISSING,
    ANSWER_REFUSED,
    ANSWER_PUSH, /* grid: not the answer to a request */
};

struct answer {
    enum answer_kind kind;
    uint64_t number;    /* 0: that of the oldest request of the connection */
    struct slice value; /* borrowed from the connection's input */
    struct slice error; /* ANSWER_REFUSED: for people */
};

enum { PARSE_MORE = 0, PARSE_MALFORMED = -1 };

struct protocol {
    const char *name;
    /* What must be said before the first request; blocking. False: refused (says why on stderr).
     * May be NULL. */
    bool (*setup)(struct conn *c, const struct options *o, struct keys *keys);
    /* Write a request to `to`, at most request_bytes_max(); returns the bytes written. */
    size_t (*encode)(const struct conn *c, const struct keys *keys, const struct request *r,
                     uint8_t *to);
    /* Read one answer from the front of `in`: bytes used, PARSE_MORE or PARSE_MALFORMED. */
    long (*parse)(struct slice in, struct answer *ret_answer);
    /* Whether all that the server has on disk is in memory again; blocking. NULL: it serves nothing
     * before. */
    bool (*warm)(struct conn *c, const struct options *o);
};

extern const struct protocol protocol_grid, protocol_resp, protocol_resp_wait, protocol_memcached,
    protocol_echo;

/* By name, or NULL. */
const struct protocol *protocol_find(const char *name);
size_t request_bytes_max(const struct keys *keys);

/* Write `n` in decimal; returns the digits written (at most 20). */
size_t decimal_write(uint8_t *to, uint64_t n);
/* Read a line "<decimal>\r\n": bytes used, PARSE_MORE or PARSE_MALFORMED. */
long decimal_line(struct slice in, uint64_t *ret_n);

/* --- one run (gridload_run.c) ----------------------------------------------------------------- */

enum phase { PHASE_WARMUP, PHASE_MEASURE, PHASE_DRAIN };

struct load {
    const struct options *options;
    const struct protocol *protocol;
    struct keys keys;
    SSL_CTX *tls;
    struct conn *conns;
    int epoll_fd;
    uint64_t now_ns;
    uint64_t window_from_ns, window_to_ns; /* what is sent and answered in [from, to) is measured */
    enum phase phase;
    uint64_t sent;
    uint64_t in_flight;
    uint64_t arrivals;   /* open loop: requests handed to connections */
    uint64_t *fill_next; /* --fill: next key of each shard */
    uint64_t answers;    /* in the window, as are all below */
    uint64_t missing;
    uint64_t refused;
    uint64_t wrong; /* values of a wrong length or content */
    uint64_t unanswered;
    uint64_t elapsed_ns;
    uint64_t server_cpu_ns;
    uint64_t client_cpu_ns;
    clockid_t server_clocks[SERVERS_MAX];
    unsigned servers;
    char refusal[160];      /* text of the first one */
    struct hist latency[2]; /* by load_op */
};

/* Connect and set up every connection. False: says why on stderr. */
bool load_open(struct load *l, const struct options *o);
bool load_run(struct load *l);
void load_close(struct load *l);

/* --- a server that starts (gridload_probe.c) -------------------------------------------------- */

struct probe {
    uint64_t first_read_ns, all_warm_ns; /* 0: not in time */
};

/* Connect and read, again and again, until one key of the key space is read rightly; then wait
 * until all is in memory. Times count from o->since_ns or else from the call; gives up after
 * o->seconds. */
struct probe load_probe(const struct options *o);
void load_report(const struct load *l);

#endif
