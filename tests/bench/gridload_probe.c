/* gridload_probe.c - how long until a server that is starting serves a read, and until everything
 * is back in memory. */
#include "tests/bench/gridload.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <poll.h>
#include <stdlib.h>

enum { INPUT_BYTES = 4 << 20, RETRY_MS = 2, WARM_POLL_MS = 20 };

struct prober {
    const struct options *options;
    const struct protocol *protocol;
    struct keys keys;
    SSL_CTX *tls;
    struct conn conn;
};

/* One GET of a random key on a fresh connection; true when the right value came back. The
 * connection stays open. */
static bool read_once(struct prober *p)
{
    struct conn *c = &p->conn;
    uint8_t out[256];
    struct answer a = {0};
    long n = PARSE_MORE;
    *c = (struct conn){.fd = -1, .in = xalloc(INPUT_BYTES), .in_cap = INPUT_BYTES};
    if (!conn_open(c, p->options, NULL, p->tls) ||
        (p->protocol->setup && !p->protocol->setup(c, p->options, &p->keys)))
        return false;
    struct request r = {.op = LOAD_GET, .number = 1, .lowest = 1};
    uint64_t key = keys_draw(&p->keys, 0);
    key_write(r.key, key);
    CHECK(request_bytes_max(&p->keys) - p->keys.value_bytes <= sizeof out);
    if (!conn_send_all(c, slice_make(out, p->protocol->encode(c, &p->keys, &r, out))))
        return false;
    while (n == PARSE_MORE && conn_receive(c))
        n = p->protocol->parse(slice_make(c->in, c->in_len), &a);
    bool right = n > 0 && a.kind == ANSWER_OK && value_right(&p->keys, key, a.value);
    c->in_len = 0;
    return right;
}

/* Repeat `attempt` until it succeeds or the time is over; the time it was, or 0. */
static uint64_t until(struct prober *p, bool (*attempt)(struct prober *), int pause_ms)
{
    uint64_t limit = clock_mono_ns() + (uint64_t)(p->options->seconds * 1e9);
    while (clock_mono_ns() < limit) {
        if (attempt(p))
            return clock_mono_ns();
        poll(NULL, 0, pause_ms); /* leaves the server the processor */
    }
    return 0;
}

static bool read_attempt(struct prober *p)
{
    bool ok = read_once(p);
    if (!ok)
        conn_close(&p->conn);
    return ok;
}

static bool warm_attempt(struct prober *p)
{
    return !p->protocol->warm || p->protocol->warm(&p->conn, p->options);
}

struct probe load_probe(const struct options *o)
{
    struct prober p = {.options = o, .protocol = protocol_find(o->protocol), .conn.fd = -1};
    struct probe took = {0};
    uint64_t since = o->since_ns ? o->since_ns : clock_mono_ns();
    keys_init(&p.keys, o);
    p.tls = o->tls_ca ? tls_new(o) : NULL;
    uint64_t read = until(&p, read_attempt, RETRY_MS);
    uint64_t warm = read ? until(&p, warm_attempt, WARM_POLL_MS) : 0;
    took.first_read_ns = read ? read - since : 0;
    took.all_warm_ns = warm ? warm - since : 0;
    conn_close(&p.conn);
    if (p.tls)
        SSL_CTX_free(p.tls);
    keys_release(&p.keys);
    return took;
}
