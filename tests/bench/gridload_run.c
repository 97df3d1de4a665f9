/* gridload_run.c - one run: the loop, the window that is measured, and what is counted.
 *
 *   start            window_from            window_to              end
 *     |--- warm-up ------|------ measured -------|--- drain ---------|
 *
 * Closed loop: answers that arrive in the window count. Open loop: requests *meant* for the window
 * count, whenever they are answered; what has no answer when the drain ends counts with the time it
 * has waited so far, so that a server that stands still cannot look good. CPU times and rates are
 * always those of the window. */
#include "tests/bench/gridload.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, INPUT_BYTES_MIN = 64 << 10, TURN_OUT_MAX = 1 << 20 };
static const uint64_t drain_ns = 10 * UINT64_C(1000000000);

static bool complain(const char *what)
{
    fprintf(stderr, "gridload: %s\n", what);
    return false;
}

static uint64_t cpu_ns(clockid_t clock)
{
    struct timespec ts = {0};
    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* --- opening ---------------------------------------------------------------------------------- */

static void conn_init(struct load *l, struct conn *c)
{
    const struct options *o = l->options;
    size_t request = request_bytes_max(&l->keys);
    uint64_t ring = 4; /* stragglers may be answered late without holding up the others at once */
    while (ring < 4 * o->depth)
        ring *= 2;
    c->in_cap = 2 * (o->value_bytes + 1024);
    if (c->in_cap < INPUT_BYTES_MIN)
        c->in_cap = INPUT_BYTES_MIN;
    c->in = xalloc(c->in_cap);
    c->out_cap = request * o->depth;
    if (c->out_cap > TURN_OUT_MAX)
        c->out_cap = TURN_OUT_MAX > request ? TURN_OUT_MAX : request;
    c->out = xalloc(c->out_cap);
    c->ring = xcalloc(ring, sizeof *c->ring);
    c->ring_mask = ring - 1;
    c->next = c->lowest = 1;
}

static bool conn_begin(struct load *l, struct conn *c, uint64_t index)
{
    conn_init(l, c);
    c->shard = (uint32_t)(index % l->keys.shards);
    const struct place *place = l->keys.places ? &l->keys.places[c->shard] : NULL;
    if (!conn_open(c, l->options, place, l->tls)) {
        fprintf(stderr, "gridload: cannot connect to %s:%u: %s\n",
                place ? place->host : l->options->host,
                place ? place->port : (unsigned)l->options->port, strerror(errno));
        return false;
    }
    if (l->protocol->setup && !l->protocol->setup(c, l->options, &l->keys))
        return false;
    if (!place && l->keys.places) { /* now it is known which place is the first */
        conn_close(c);
        return conn_begin(l, c, index);
    }
    conn_nonblocking(c);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) == 0;
}

static bool servers_find(struct load *l)
{
    const char *p = l->options->server_pids;
    while (*p && l->servers < SERVERS_MAX) {
        char *end;
        pid_t pid = (pid_t)strtol(p, &end, 10);
        if (end == p || clock_getcpuclockid(pid, &l->server_clocks[l->servers++]) != 0)
            return false;
        p = *end == ',' ? end + 1 : end;
    }
    return *p == '\0';
}

static uint64_t servers_cpu_ns(const struct load *l)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < l->servers; i++)
        sum += cpu_ns(l->server_clocks[i]);
    return sum;
}

bool load_open(struct load *l, const struct options *o)
{
    *l = (struct load){.options = o, .protocol = protocol_find(o->protocol)};
    keys_init(&l->keys, o);
    hist_clear(&l->latency[LOAD_GET]);
    hist_clear(&l->latency[LOAD_PUT]);
    l->tls = o->tls_ca ? tls_new(o) : NULL;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->conns = xcalloc(o->connections, sizeof *l->conns);
    for (uint64_t i = 0; i < o->connections; i++)
        l->conns[i].fd = -1;
    if (!servers_find(l))
        return complain("no such server process");
    for (uint64_t i = 0; i < o->connections; i++) {
        if (!conn_begin(l, &l->conns[i], i))
            return false;
    }
    l->fill_next = xcalloc(l->keys.shards, sizeof *l->fill_next);
    return true;
}

void load_close(struct load *l)
{
    for (uint64_t i = 0; l->conns && i < l->options->connections; i++)
        conn_close(&l->conns[i]);
    free(l->conns);
    free(l->fill_next);
    keys_release(&l->keys);
    if (l->tls)
        SSL_CTX_free(l->tls);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool may_send(const struct load *l, const struct conn *c)
{
    const struct options *o = l->options;
    if (c->in_flight >= o->depth || c->next - c->lowest > c->ring_mask)
        return false;
    if (c->out_cap - c->out_len < request_bytes_max(&l->keys))
        return false;
    if (o->count && l->sent >= o->count)
        return false;
    if (o->rate) /* what was meant for the window is still sent after it */
        return pace_next(&c->pace) < l->window_to_ns && pace_due(&c->pace, l->now_ns);
    return l->phase != PHASE_DRAIN;
}

/* The next request's key and kind; false: nothing is left to fill. */
static bool request_choose(struct load *l, const struct conn *c, struct flight *f)
{
    const struct options *o = l->options;
    if (o->fill) {
        uint64_t key = keys_next(&l->keys, l->fill_next[c->shard], c->shard);
        l->fill_next[c->shard] = key + 1;
        f->op = LOAD_PUT;
        f->key = key;
        return key < l->keys.count;
    }
    f->key = keys_draw(&l->keys, c->shard);
    f->op = o->put_percent && prng_below(&l->keys.prng, 100) < o->put_percent ? LOAD_PUT : LOAD_GET;
    return true;
}

static void conn_fill(struct load *l, struct conn *c)
{
    while (may_send(l, c)) {
        struct flight f = {0};
        if (!request_choose(l, c, &f))
            return;
        f.start_ns = pace_take(&c->pace, l->now_ns);
        c->ring[c->next & c->ring_mask] = f;
        struct request r = {.op = f.op, .number = c->next++, .lowest = c->lowest};
        key_write(r.key, f.key);
        c->out_len += l->protocol->encode(c, &l->keys, &r, c->out + c->out_len);
        c->in_flight++;
        l->in_flight++;
        l->sent++;
    }
}

static bool conn_flush(struct load *l, struct conn *c)
{
    if (!conn_write(c))
        return complain("the server closed the connection");
    bool want_out = c->out_len > 0;
    if (want_out == c->want_out)
        return true;
    c->want_out = want_out;
    struct epoll_event ev = {.events = EPOLLIN | (want_out ? EPOLLOUT : 0), .data.ptr = c};
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, c->fd, &ev) == 0;
}

/* --- receiving -------------------------------------------------------------------------------- */

static bool in_window(const struct load *l, const struct flight *f)
{
    uint64_t t = l->options->rate ? f->start_ns : l->now_ns;
    return t >= l->window_from_ns && t < l->window_to_ns;
}

static void answer_count(struct load *l, const struct flight *f, const struct answer *a)
{
    l->answers += l->phase == PHASE_MEASURE;
    if (in_window(l, f))
        hist_record(&l->latency[f->op], l->now_ns > f->start_ns ? l->now_ns - f->start_ns : 0);
    if (a->kind == ANSWER_MISSING)
        l->missing++;
    if (a->kind == ANSWER_REFUSED) {
        if (l->refused++ == 0)
            snprintf(l->refusal, sizeof l->refusal, "%.*s", (int)(a->error.len & 0xff),
                     (const char *)a->error.data);
        return;
    }
    if (a->kind != ANSWER_OK || f->op != LOAD_GET)
        return;
    if (l->options->check ? !value_right(&l->keys, f->key, a->value)
                          : a->value.len != l->keys.value_bytes)
        l->wrong++;
}

static bool answer_take(struct load *l, struct conn *c, const struct answer *a)
{
    if (a->kind == ANSWER_PUSH)
        return true;
    uint64_t number = a->number ? a->number : c->lowest;
    struct flight *f = &c->ring[number & c->ring_mask];
    if (number < c->lowest || number >= c->next || f->answered)
        return complain("an answer to a request that was not sent");
    f->answered = true;
    while (c->lowest < c->next && c->ring[c->lowest & c->ring_mask].answered)
        c->lowest++;
    c->in_flight--;
    l->in_flight--;
    answer_count(l, f, a);
    return true;
}

static bool conn_take_answers(struct load *l, struct conn *c)
{
    size_t used = 0;
    while (used < c->in_len) {
        struct answer a = {0};
        long n = l->protocol->parse(slice_make(c->in + used, c->in_len - used), &a);
        if (n == PARSE_MORE)
            break;
        if (n < 0)
            return complain("the server's answer is malformed");
        if (!answer_take(l, c, &a))
            return false;
        used += (size_t)n;
    }
    if (used == 0 && c->in_len == c->in_cap)
        return complain("an answer longer than any value");
    c->in_len -= used;
    if (c->in_len && used)
        memmove(c->in, c->in + used, c->in_len);
    return true;
}

static bool conn_turn(struct load *l, struct conn *c, uint32_t events)
{
    if (events & ~(uint32_t)EPOLLOUT) {
        if (!conn_read(c))
            return complain("the server closed the connection");
        l->now_ns = clock_mono_ns();
        if (!conn_take_answers(l, c))
            return false;
    }
    conn_fill(l, c);
    return conn_flush(l, c);
}

/* --- the loop --------------------------------------------------------------------------------- */

/* --count, --fill: nothing is left to send. */
static bool all_sent(const struct load *l)
{
    if (l->options->count && l->sent >= l->options->count)
        return true;
    for (uint32_t i = 0; i < l->keys.shards; i++) {
        if (l->fill_next[i] < l->keys.count)
            return false;
    }
    return true;
}

/* Open and close the measured window when its time has come. */
static void window_check(struct load *l)
{
    bool counted = l->options->fill || l->options->count;
    if (l->phase == PHASE_WARMUP && l->now_ns >= l->window_from_ns) {
        l->phase = PHASE_MEASURE;
        l->window_from_ns = l->now_ns;
        l->server_cpu_ns = servers_cpu_ns(l);
        l->client_cpu_ns = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
        return;
    }
    bool done = counted ? l->in_flight == 0 && all_sent(l) : l->now_ns >= l->window_to_ns;
    if (l->phase == PHASE_MEASURE && done) {
        l->phase = PHASE_DRAIN;
        l->window_to_ns = counted ? l->now_ns : l->window_to_ns;
        l->elapsed_ns = l->now_ns - l->window_from_ns;
        l->server_cpu_ns = servers_cpu_ns(l) - l->server_cpu_ns;
        l->client_cpu_ns = cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - l->client_cpu_ns;
    }
}

/* Whether a request that was meant for the window has not been sent; open loop only. */
static bool overdue(const struct load *l, const struct conn *c)
{
    bool counted = l->options->fill || l->options->count;
    return l->options->rate && !counted && pace_next(&c->pace) < l->window_to_ns;
}

static bool run_over(const struct load *l)
{
    if (l->phase != PHASE_DRAIN)
        return false;
    if (l->now_ns > l->window_to_ns + drain_ns)
        return true;
    for (uint64_t i = 0; l->in_flight == 0 && i < l->options->connections; i++) {
        if (overdue(l, &l->conns[i]))
            return false;
    }
    return l->in_flight == 0;
}

/* Open loop: let every connection send whose turn has come. */
static bool arrivals_release(struct load *l)
{
    uint64_t n = l->options->connections;
    for (uint64_t i = 0; i < n; i++) {
        struct conn *c = &l->conns[l->arrivals % n];
        uint64_t round = l->arrivals / n;
        if (round >= c->pace.taken && !pace_due(&c->pace, l->now_ns))
            return true;
        l->arrivals++;
        conn_fill(l, c);
        if (!conn_flush(l, c))
            return false;
    }
    return true;
}

static int events_wait(struct load *l, struct epoll_event *events)
{
    if (!l->options->rate || l->phase == PHASE_DRAIN)
        return epoll_wait(l->epoll_fd, events, EVENTS_MAX, 10);
    uint64_t next = pace_next(&l->conns[l->arrivals % l->options->connections].pace);
    uint64_t wait = next > l->now_ns ? next - l->now_ns : 0;
    struct timespec ts = {.tv_nsec = wait < 100000000 ? (long)wait : 100000000};
    return epoll_pwait2(l->epoll_fd, events, EVENTS_MAX, &ts, NULL);
}

static bool run_start(struct load *l)
{
    const struct options *o = l->options;
    bool by_time = !o->fill && !o->count;
    prctl(PR_SET_TIMERSLACK, 1);
    l->now_ns = clock_mono_ns();
    l->window_from_ns = l->now_ns + (by_time ? (uint64_t)(o->warmup * 1e9) : 0);
    l->window_to_ns = by_time ? l->window_from_ns + (uint64_t)(o->seconds * 1e9) : UINT64_MAX;
    l->phase = PHASE_WARMUP;
    window_check(l);
    for (uint64_t i = 0; i < o->connections; i++) {
        struct conn *c = &l->conns[i];
        pace_init(&c->pace, l->now_ns, (double)o->rate, (unsigned)o->connections, (unsigned)i);
        conn_fill(l, c);
        if (!conn_flush(l, c))
            return false;
    }
    return true;
}

static void waited_count(struct load *l, enum load_op op, uint64_t start_ns)
{
    l->unanswered++;
    if (start_ns >= l->window_from_ns && start_ns < l->window_to_ns)
        hist_record(&l->latency[op], l->now_ns - start_ns);
}

/* What is still on its way, or was never sent, when the drain is over. */
static void unanswered_count(struct load *l)
{
    enum load_op meant = l->options->put_percent == 100 ? LOAD_PUT : LOAD_GET;
    for (uint64_t i = 0; i < l->options->connections; i++) {
        struct conn *c = &l->conns[i];
        for (uint64_t n = c->lowest; n < c->next; n++) {
            const struct flight *f = &c->ring[n & c->ring_mask];
            if (!f->answered)
                waited_count(l, f->op, f->start_ns);
        }
        while (overdue(l, c))
            waited_count(l, meant, pace_take(&c->pace, l->now_ns));
    }
}

bool load_run(struct load *l)
{
    struct epoll_event events[EVENTS_MAX];
    if (!run_start(l))
        return false;
    while (!run_over(l)) {
        int n = events_wait(l, events);
        if (n < 0 && errno != EINTR)
            return complain("epoll failed");
        l->now_ns = clock_mono_ns();
        window_check(l);
        if (l->options->rate && !arrivals_release(l))
            return false;
        for (int i = 0; i < n; i++) {
            if (!conn_turn(l, events[i].data.ptr, events[i].events))
                return false;
        }
    }
    unanswered_count(l);
    return true;
}
