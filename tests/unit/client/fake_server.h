/* fake_server.h - a gridd that does as it is told: a thread on loopback, port by the kernel, a
 * thread per connection. It speaks the protocol through protobuf-c, so that the client's own
 * encoding is checked by another.
 * The n-th request that is not OPEN_CACHE takes the n-th step of the script; after the script all
 * are answered. Answers without a script: GET: the key as value; PUT, EXPIRE: version = number;
 * INCR: delta; DELETE: 1; RUN: "TASK(ARGUMENT)". */
#ifndef GRIDD_TESTS_FAKE_SERVER_H
#define GRIDD_TESTS_FAKE_SERVER_H

#include "client.pb-c.h"
#include "proto/frame.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum fake_act {
    FAKE_ANSWER,   /* as asked, with `status` */
    FAKE_DROP,     /* close the connection without an answer */
    FAKE_SILENT,   /* never answer */
    FAKE_TWICE,    /* answer, and answer again */
    FAKE_LATER,    /* answer after the next request of the connection */
    FAKE_HELD,     /* answer after a later request of the connection, when `holding` is over */
    FAKE_GARBAGE,  /* a frame of random bytes */
    FAKE_HUGE,     /* the header of a frame of 3 GiB */
    FAKE_EMPTY,    /* a frame of length 0 */
    FAKE_STRANGER, /* an answer to a number nobody asked, and a push; then the answer */
    FAKE_HALF,     /* half an answer, then close */
    FAKE_DRIP,     /* the answer byte by byte */
};

struct fake_step {
    enum fake_act act;
    uint32_t status;
    const char *detail;
};

/* What to be. Zero: version 1, 1 shard, 16 partitions. */
struct fake_conf {
    struct fake_step script[32];
    size_t script_len;
    uint32_t hello_status, version, shards, partitions, frame_max;
    const char *hello_detail;
    unsigned hang_ups; /* so many connections are closed as soon as they come */
    bool hello_silent, hello_garbage;
    bool outside;         /* of its grid: whatever it is asked it answers ENTERING */
    unsigned caches_gone; /* so many OPEN_CACHE are answered NO_CACHE, beginning with the second */
    SSL_CTX *tls;
    Grid__AdminReply *admin;
    Grid__Location *location;
    Grid__Topology *topology;          /* pushed after the greeting, to who asks for it; borrowed */
    uint32_t scan_pages, scan_entries; /* SCAN: pages of each partition, entries of each page */
    size_t value_bytes;                /* GET: so many; 0: the key */
};

struct fake_seen {
    uint64_t number, lowest, age_ms, ttl_ms, version;
    uint32_t op, cache, connection, shard, items, partition, condition;
    bool local;
    char key[64], affinity[64];
};

enum { FAKE_SEEN_MAX = 20000, FAKE_CONNECTIONS_MAX = 256 };

struct fake {
    struct fake_conf conf;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t acceptor;
    int listener;
    bool everywhere; /* on all addresses of the machine, not 127.0.0.1 only */
    uint16_t port;
    bool paused;  /* it accepts connections, and that is all; fake_pause() */
    bool holding; /* see FAKE_HELD */
    size_t step;
    unsigned connections, opened;
    int fds[FAKE_CONNECTIONS_MAX];
    bool news[FAKE_CONNECTIONS_MAX]; /* it asked for topologies */
    pthread_t threads[FAKE_CONNECTIONS_MAX];
    struct fake_seen *seen;
    size_t seen_len;
    uint8_t session[16];
    unsigned sessions; /* different ones seen */
    char client[64], user[64], password[64];
    char endpoint[64];
};

struct fake_connection {
    struct fake *fake;
    unsigned index;
    int fd;
    uint32_t shard;
    SSL *ssl;
    Grid__Response *later; /* FAKE_LATER, FAKE_HELD */
    bool held;             /* later: it is one of FAKE_HELD */
};

static void fake_need(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        abort();
    }
}

static bool fake_read(struct fake_connection *c, uint8_t *to, size_t len)
{
    while (len) {
        int n = c->ssl ? SSL_read(c->ssl, to, (int)len) : (int)recv(c->fd, to, len, 0);
        if (n <= 0)
            return false;
        to += n;
        len -= (size_t)n;
    }
    return true;
}

static bool fake_write(struct fake_connection *c, const uint8_t *data, size_t len)
{
    while (len) {
        int n =
            c->ssl ? SSL_write(c->ssl, data, (int)len) : (int)send(c->fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static uint8_t *fake_frame(const ProtobufCMessage *m, size_t *ret_len)
{
    size_t len = protobuf_c_message_get_packed_size(m);
    uint8_t *frame = malloc(FRAME_HEADER_BYTES + len);
    fake_need(frame, "malloc");
    frame_write_header(frame, len);
    protobuf_c_message_pack(m, frame + FRAME_HEADER_BYTES);
    *ret_len = FRAME_HEADER_BYTES + len;
    return frame;
}

static bool fake_send(struct fake_connection *c, const ProtobufCMessage *m)
{
    size_t len;
    uint8_t *frame = fake_frame(m, &len);
    bool ok = fake_write(c, frame, len);
    free(frame);
    return ok;
}

static ProtobufCMessage *fake_receive(struct fake_connection *c,
                                      const ProtobufCMessageDescriptor *type)
{
    uint8_t header[FRAME_HEADER_BYTES];
    size_t len = 0;
    if (!fake_read(c, header, sizeof header))
        return NULL;
    frame_peek(header, sizeof header, FRAME_BYTES_MAX, &len);
    uint8_t *body = malloc(len ? len : 1);
    fake_need(body, "malloc");
    ProtobufCMessage *m =
        fake_read(c, body, len) ? protobuf_c_message_unpack(type, NULL, len, body) : NULL;
    free(body);
    return m;
}

static void fake_wait_paused(struct fake *f)
{
    pthread_mutex_lock(&f->mutex);
    while (f->paused)
        pthread_cond_wait(&f->changed, &f->mutex);
    pthread_mutex_unlock(&f->mutex);
}

/* As SIGSTOP, and SIGCONT. */
static inline void fake_pause(struct fake *f, bool on)
{
    pthread_mutex_lock(&f->mutex);
    f->paused = on;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mutex);
}

static bool fake_tell(struct fake_connection *c, Grid__Topology *t)
{
    Grid__Response push;
    grid__response__init(&push);
    push.owners = t;
    return fake_send(c, &push.base);
}

/* To all that ask for it, now and later. Borrowed. */
static inline void fake_push(struct fake *f, Grid__Topology *t)
{
    pthread_mutex_lock(&f->mutex);
    f->conf.topology = t;
    for (unsigned i = 0; i < f->connections; i++) {
        struct fake_connection c = {.fake = f, .fd = f->fds[i]};
        if (f->news[i] && c.fd >= 0)
            (void)fake_tell(&c, t);
    }
    pthread_mutex_unlock(&f->mutex);
}

static void fake_cork(struct fake_connection *c, int on)
{
    fake_need(setsockopt(c->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on) == 0, "TCP_CORK");
}

static bool fake_greet(struct fake_connection *c)
{
    static char text_node[] = "fake", text_grid[] = "test";
    struct fake *f = c->fake;
    Grid__Hello *h = (Grid__Hello *)(void *)fake_receive(c, &grid__hello__descriptor);
    if (!h)
        return false;
    pthread_mutex_lock(&f->mutex);
    fake_need(h->session.len == sizeof f->session, "a session id of 16 bytes");
    if (!f->sessions || memcmp(f->session, h->session.data, sizeof f->session) != 0)
        f->sessions++;
    memcpy(f->session, h->session.data, sizeof f->session);
    snprintf(f->client, sizeof f->client, "%s", h->client);
    snprintf(f->user, sizeof f->user, "%s", h->user);
    snprintf(f->password, sizeof f->password, "%s", h->password);
    uint32_t shards = f->conf.shards ? f->conf.shards : 1;
    c->shard = h->shard >= 1 && h->shard <= shards ? h->shard : 1;
    Grid__HelloReply reply;
    grid__hello_reply__init(&reply);
    reply.status = f->conf.hello_status;
    reply.detail = strdup(f->conf.hello_detail ? f->conf.hello_detail : "");
    reply.version = f->conf.version ? f->conf.version : 1;
    reply.shard = c->shard;
    reply.shards = shards;
    reply.frame_max = f->conf.frame_max ? f->conf.frame_max : 1 << 20;
    reply.node = text_node;
    reply.grid = text_grid;
    bool silent = f->conf.hello_silent, garbage = f->conf.hello_garbage;
    Grid__Topology *topology = h->topology ? f->conf.topology : NULL;
    f->news[c->index] = h->topology;
    pthread_mutex_unlock(&f->mutex);
    bool ok = true;
    if (garbage)
        ok = fake_write(c, (const uint8_t *)"\5\0\0\0\xff\xff\xff\xff\xff", 9);
    else if (!silent) {
        fake_cork(c, true); /* they come together, as from a server */
        ok = fake_send(c, &reply.base) && (!topology || fake_tell(c, topology));
        fake_cork(c, false);
    }
    free(reply.detail);
    grid__hello__free_unpacked(h, NULL);
    return ok && !reply.status;
}

static void fake_text(char *to, size_t size, ProtobufCBinaryData from)
{
    size_t len = from.len < size ? from.len : size - 1;
    if (len)
        memcpy(to, from.data, len);
    to[len] = '\0';
}

static void fake_note(struct fake_connection *c, const Grid__Request *q)
{
    struct fake *f = c->fake;
    fake_need(f->seen_len < FAKE_SEEN_MAX, "room for what was seen");
    struct fake_seen *s = &f->seen[f->seen_len++];
    *s = (struct fake_seen){.number = q->number,
                            .lowest = q->lowest,
                            .age_ms = q->age_ms,
                            .ttl_ms = q->ttl_ms,
                            .version = q->version,
                            .op = (uint32_t)q->op,
                            .cache = q->cache,
                            .connection = c->index,
                            .shard = c->shard,
                            .items = (uint32_t)q->n_items,
                            .partition = q->partition,
                            .condition = (uint32_t)q->condition,
                            .local = q->read_local};
    fake_text(s->key, sizeof s->key, q->key);
    fake_text(s->affinity, sizeof s->affinity, q->affinity);
    pthread_cond_broadcast(&f->changed);
}

static ProtobufCBinaryData fake_copy(const void *data, size_t len)
{
    uint8_t *copy = malloc(len + 1);
    fake_need(copy, "malloc");
    if (len)
        memcpy(copy, data, len);
    return (ProtobufCBinaryData){len, copy};
}

static void fake_items(Grid__Response *a, size_t n)
{
    a->n_items = n;
    a->items = calloc(n ? n : 1, sizeof *a->items);
    fake_need(a->items, "calloc");
    for (size_t i = 0; i < n; i++) {
        a->items[i] = malloc(sizeof **a->items);
        fake_need(a->items[i], "malloc");
        grid__item_result__init(a->items[i]);
    }
}

/* Entry i of page p of a partition has the key "PARTITION.PAGE.I". */
static void fake_scan(const struct fake_conf *conf, const Grid__Request *q, Grid__Response *a)
{
    uint32_t page = q->cursor.len ? q->cursor.data[0] : 0;
    fake_items(a, conf->scan_entries);
    for (size_t i = 0; i < conf->scan_entries; i++) {
        char key[64];
        int len = snprintf(key, sizeof key, "%u.%u.%zu", q->partition, page, i);
        a->items[i]->key = fake_copy(key, (size_t)len);
        a->items[i]->version = 1;
        if (!q->keys_only)
            a->items[i]->value = fake_copy(key, (size_t)len);
    }
    uint8_t next = (uint8_t)(page + 1);
    if (next < conf->scan_pages)
        a->cursor = fake_copy(&next, 1);
}

static ProtobufCBinaryData fake_call(const Grid__Request *q)
{
    char text[256];
    int len = snprintf(text, sizeof text, "%s(%.*s)", q->name, (int)q->value.len,
                       q->value.len ? (const char *)q->value.data : "");
    fake_need(len < (int)sizeof text, "room for a call");
    return fake_copy(text, (size_t)len);
}

static void fake_one(const struct fake_conf *conf, const Grid__Request *q, Grid__Response *a)
{
    switch (q->op) {
    case GRID__OP__GET:
        a->value = fake_copy(q->key.data, q->key.len);
        if (conf->value_bytes) {
            free(a->value.data);
            a->value = (ProtobufCBinaryData){conf->value_bytes, calloc(1, conf->value_bytes)};
        }
        a->version = 9;
        break;
    case GRID__OP__INCR:
        a->result = q->delta;
        break;
    case GRID__OP__RUN:
        a->value = fake_call(q);
        break;
    case GRID__OP__DELETE:
        a->result = 1;
        break;
    case GRID__OP__COUNT:
        a->result = 12;
        break;
    default:
        break;
    }
    if (q->lowest)
        a->version = q->number;
}

static Grid__Response *fake_answer(struct fake *f, const Grid__Request *q)
{
    const struct fake_conf *conf = &f->conf;
    Grid__Response *a = malloc(sizeof *a);
    fake_need(a, "malloc");
    grid__response__init(a);
    a->number = q->number;
    fake_one(conf, q, a);
    if (q->op == GRID__OP__SCAN)
        fake_scan(conf, q, a);
    if (q->op >= GRID__OP__GET_MANY && q->op <= GRID__OP__DELETE_MANY) {
        fake_items(a, q->n_items);
        for (size_t i = 0; i < q->n_items; i++) {
            a->items[i]->result = 1;
            a->items[i]->version = q->number + i;
            if (q->op == GRID__OP__GET_MANY)
                a->items[i]->value = fake_copy(q->items[i]->key.data, q->items[i]->key.len);
        }
    }
    if (q->op == GRID__OP__OPEN_CACHE) {
        f->opened++;
        a->result = 100 + (int64_t)f->opened;
        a->context = malloc(sizeof *a->context);
        fake_need(a->context, "malloc");
        grid__context_info__init(a->context);
        a->context->partitions = conf->partitions ? conf->partitions : 16;
        if (f->opened > 1 && f->opened <= 1 + conf->caches_gone)
            a->status = 8; /* NO_CACHE */
    }
    if (conf->outside)
        a->status = 37; /* ENTERING */
    if (q->op == GRID__OP__ADMIN)
        a->admin = conf->admin;
    if (q->op == GRID__OP__LOCATE)
        a->location = conf->location;
    return a;
}

static void fake_free(Grid__Response *a)
{
    a->admin = NULL;
    a->location = NULL;
    grid__response__free_unpacked(a, NULL);
}

static bool fake_drip(struct fake_connection *c, const ProtobufCMessage *m, bool half)
{
    size_t len;
    uint8_t *frame = fake_frame(m, &len);
    bool ok = true;
    for (size_t i = 0; ok && i < (half ? len / 2 : len); i++)
        ok = fake_write(c, frame + i, 1);
    free(frame);
    return ok && !half;
}

static bool fake_stranger(struct fake_connection *c)
{
    Grid__Response a;
    grid__response__init(&a);
    a.topology = 5;
    bool ok = fake_send(c, &a.base);
    a.number = 1ull << 60;
    return ok && fake_send(c, &a.base);
}

/* False: close the connection. Takes `a`. */
static bool fake_act(struct fake_connection *c, const struct fake_step *step, Grid__Response *a)
{
    bool ok = true;
    if (step->status) {
        a->status = step->status;
        a->version = 77;
    }
    a->detail = strdup(step->detail ? step->detail : "");
    switch (step->act) {
    case FAKE_DROP:
        ok = false;
        break;
    case FAKE_SILENT:
        break;
    case FAKE_LATER:
    case FAKE_HELD:
        c->later = a;
        c->held = step->act == FAKE_HELD;
        return true;
    case FAKE_GARBAGE:
        ok = fake_write(c, (const uint8_t *)"\6\0\0\0\xff\x01\x02\xff\xff\xff", 10);
        break;
    case FAKE_HUGE:
        ok = fake_write(c, (const uint8_t *)"\0\0\0\xc0", 4);
        break;
    case FAKE_EMPTY:
        ok = fake_write(c, (const uint8_t *)"\0\0\0\0", 4);
        break;
    case FAKE_HALF:
    case FAKE_DRIP:
        ok = fake_drip(c, &a->base, step->act == FAKE_HALF);
        break;
    case FAKE_STRANGER:
        ok = fake_stranger(c) && fake_send(c, &a->base);
        break;
    case FAKE_TWICE:
        ok = fake_send(c, &a->base) && fake_send(c, &a->base);
        break;
    case FAKE_ANSWER:
        ok = fake_send(c, &a->base);
        break;
    }
    fake_free(a);
    if (ok && c->later && !(c->held && c->fake->holding)) {
        ok = fake_send(c, &c->later->base);
        fake_free(c->later);
        c->later = NULL;
    }
    return ok;
}

/* OpenSSL writes tickets to clients that are gone; the signal must still end a client that asks for
 * it. */
static void fake_no_sigpipe(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void *fake_serve(void *arg)
{
    struct fake_connection c = *(struct fake_connection *)arg;
    struct fake *f = c.fake;
    free(arg);
    fake_no_sigpipe();
    fake_wait_paused(f);
    bool on = true;
    if (f->conf.tls) {
        c.ssl = SSL_new(f->conf.tls);
        SSL_set_fd(c.ssl, c.fd);
        on = SSL_accept(c.ssl) == 1;
        /* Closing with bytes unread would be a reset, and the alert lost. */
        uint8_t byte;
        if (!on)
            shutdown(c.fd, SHUT_WR);
        while (!on && recv(c.fd, &byte, 1, 0) > 0)
            ;
    }
    on = on && fake_greet(&c);
    while (on) {
        Grid__Request *q = (Grid__Request *)(void *)fake_receive(&c, &grid__request__descriptor);
        if (!q)
            break;
        fake_wait_paused(f);
        struct fake_step step = {0};
        pthread_mutex_lock(&f->mutex);
        fake_note(&c, q);
        bool takes_step = q->op != GRID__OP__OPEN_CACHE && q->op != GRID__OP__PING;
        if (takes_step && f->step < f->conf.script_len)
            step = f->conf.script[f->step++];
        Grid__Response *a = fake_answer(f, q);
        pthread_mutex_unlock(&f->mutex);
        grid__request__free_unpacked(q, NULL);
        on = fake_act(&c, &step, a);
    }
    if (c.later)
        fake_free(c.later);
    SSL_free(c.ssl);
    pthread_mutex_lock(&f->mutex);
    close(c.fd);
    f->fds[c.index] = -1;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mutex);
    return NULL;
}

static void *fake_accept(void *arg)
{
    struct fake *f = arg;
    for (;;) {
        int fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&f->mutex);
        unsigned index = f->connections++;
        fake_need(index < FAKE_CONNECTIONS_MAX, "room for connections");
        f->fds[index] = -1;
        if (index < f->conf.hang_ups) {
            close(fd);
        } else {
            struct fake_connection *c = calloc(1, sizeof *c);
            fake_need(c, "calloc");
            *c = (struct fake_connection){.fake = f, .index = index, .fd = fd};
            f->fds[index] = fd;
            fake_need(pthread_create(&f->threads[index], NULL, fake_serve, c) == 0, "thread");
        }
        pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->mutex);
    }
}

/* Listen, at the same port as before when there was one. */
static void fake_up(struct fake *f)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(f->port),
                             .sin_addr.s_addr =
                                 htonl(f->everywhere ? INADDR_ANY : INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int on = 1;
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fake_need(f->listener >= 0, "socket");
    setsockopt(f->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    fake_need(bind(f->listener, (struct sockaddr *)&at, sizeof at) == 0, "bind");
    fake_need(getsockname(f->listener, (struct sockaddr *)&at, &len) == 0, "getsockname");
    f->port = ntohs(at.sin_port);
    snprintf(f->endpoint, sizeof f->endpoint, "127.0.0.1:%u", f->port);
    fake_need(listen(f->listener, 64) == 0, "listen");
    fake_need(pthread_create(&f->acceptor, NULL, fake_accept, f) == 0, "thread");
}

/* As kill -9: all connections break, nobody listens. */
static void fake_down(struct fake *f)
{
    shutdown(f->listener, SHUT_RDWR);
    pthread_join(f->acceptor, NULL);
    close(f->listener);
    pthread_mutex_lock(&f->mutex);
    for (unsigned i = 0; i < f->connections; i++) {
        struct linger hard = {1, 0};
        if (f->fds[i] < 0)
            continue;
        setsockopt(f->fds[i], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        shutdown(f->fds[i], SHUT_RDWR);
        while (f->fds[i] >= 0)
            pthread_cond_wait(&f->changed, &f->mutex);
    }
    pthread_mutex_unlock(&f->mutex);
}

static void fake_start(struct fake *f, const struct fake_conf *conf)
{
    static const struct fake_conf plain;
    memset(f, 0, sizeof *f);
    f->conf = conf ? *conf : plain;
    f->seen = calloc(FAKE_SEEN_MAX, sizeof *f->seen);
    fake_need(f->seen, "calloc");
    pthread_mutex_init(&f->mutex, NULL);
    pthread_cond_init(&f->changed, NULL);
    fake_up(f);
}

static inline void fake_stop(struct fake *f)
{
    fake_down(f);
    for (unsigned i = 0; i < f->connections; i++)
        if (f->threads[i])
            pthread_join(f->threads[i], NULL);
    free(f->seen);
}

/* How many requests of `op` came, and the n-th of them (from 0). */
static inline size_t fake_count(struct fake *f, uint32_t op)
{
    size_t n = 0;
    pthread_mutex_lock(&f->mutex);
    for (size_t i = 0; i < f->seen_len; i++)
        n += f->seen[i].op == op;
    pthread_mutex_unlock(&f->mutex);
    return n;
}

static inline struct fake_seen fake_nth(struct fake *f, uint32_t op, size_t n)
{
    struct fake_seen found = {0};
    pthread_mutex_lock(&f->mutex);
    for (size_t i = 0; i < f->seen_len; i++)
        if (f->seen[i].op == op && n-- == 0)
            found = f->seen[i];
    pthread_mutex_unlock(&f->mutex);
    return found;
}

/* Wait until `n` requests of `op` have come. */
static inline void fake_await(struct fake *f, uint32_t op, size_t n)
{
    for (;;) {
        size_t seen = 0;
        pthread_mutex_lock(&f->mutex);
        for (size_t i = 0; i < f->seen_len; i++)
            seen += f->seen[i].op == op;
        if (seen < n)
            pthread_cond_wait(&f->changed, &f->mutex);
        pthread_mutex_unlock(&f->mutex);
        if (seen >= n)
            return;
    }
}

#endif
