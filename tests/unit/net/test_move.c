/* test_move.c - connections that change loops under load: nothing is lost, doubled or reordered.
 * LINK: net base certs */
#include "base/list.h"
#include "tests/unit/net/fixture.h"

#include <pthread.h>

enum { LOOPS = 2, CLIENTS = 8, FRAMES = 1500, BODY = 500, MOVE_EVERY = 7 };

struct node;

/* One loop with its thread. */
struct side {
    struct node *node;
    struct loop *loop;
    pthread_t thread;
    struct asked *asked;
    size_t asked_len;
    unsigned moved;
};

struct node {
    struct side sides[LOOPS];
    struct conn_conf conf;
    struct conn_handler handler;
    _Atomic unsigned closed;
};

struct owner {
    struct side *side; /* where its connection is */
    unsigned frames;
};

struct letter {
    struct mail mail;
    struct conn *conn; /* to be attached; NULL: a new one, of `fd` */
    int fd;
};

static void post(struct side *to, struct conn *c, int fd)
{
    struct letter *l = xalloc(sizeof *l);
    l->conn = c;
    l->fd = fd;
    loop_post(to->loop, &l->mail);
}

static void side_mail(void *ctx, struct mail *m)
{
    struct side *s = ctx;
    struct letter *l = container_of(m, struct letter, mail);
    if (l->conn) {
        ((struct owner *)conn_ctx(l->conn))->side = s;
        s->moved++;
        conn_attach(l->conn, s->loop);
    } else {
        struct owner *o = xcalloc(1, sizeof *o);
        struct net_addr peer = {0};
        struct conn *c = NULL;
        o->side = s;
        CHECK(conn_new(s->loop, l->fd, &peer, &s->node->conf, &s->node->handler, o, &c) == GRID_OK);
    }
    free(l);
}

/* Takes whole frames; moves to the other loop in the middle of what came. */
static size_t side_input(void *ctx, struct conn *c, const uint8_t *data, size_t len)
{
    struct owner *o = ctx;
    size_t at = 0;
    while (len - at >= 4 && len - at - 4 >= load_u32(data + at)) {
        size_t whole = 4 + (size_t)load_u32(data + at);
        CHECK(o->side->asked_len < ASKED_MAX);
        o->side->asked[o->side->asked_len++] = (struct asked){c, data + at, whole};
        at += whole;
        if (++o->frames % MOVE_EVERY == 0) {
            conn_detach(c);
            break;
        }
    }
    return at;
}

static void side_turn_end(void *ctx)
{
    struct side *s = ctx;
    for (size_t i = 0; i < s->asked_len; i++)
        buf_add(conn_output(s->asked[i].conn), s->asked[i].data, s->asked[i].len);
    s->asked_len = 0;
}

static void side_detached(void *ctx, struct conn *c)
{
    struct owner *o = ctx;
    struct node *n = o->side->node;
    post(&n->sides[o->side == &n->sides[0]], c, -1);
}

static void side_closed(void *ctx, struct conn *c, enum conn_end end, const char *text)
{
    struct owner *o = ctx;
    (void)c, (void)end, (void)text;
    o->side->node->closed++;
    free(o);
}

static void *side_run(void *ctx)
{
    loop_run(((struct side *)ctx)->loop);
    return NULL;
}

static void node_start(struct node *n, struct server *s)
{
    n->conf = s->conf;
    n->conf.linger_ms = 0;
    n->handler = (struct conn_handler){
        .input = side_input, .detached = side_detached, .closed = side_closed};
    for (int i = 0; i < LOOPS; i++) {
        struct side *side = &n->sides[i];
        side->node = n;
        side->asked = xcalloc(ASKED_MAX, sizeof *side->asked);
        side->loop = loop_new(&(struct loop_hooks){side, side_mail, side_turn_end, NULL});
    }
    for (int i = 0; i < LOOPS; i++)
        ck_assert_int_eq(pthread_create(&n->sides[i].thread, NULL, side_run, &n->sides[i]), 0);
}

static void node_stop(struct node *n)
{
    for (int i = 0; i < LOOPS; i++)
        loop_stop(n->sides[i].loop);
    for (int i = 0; i < LOOPS; i++)
        pthread_join(n->sides[i].thread, NULL);
    for (int i = 0; i < LOOPS; i++) {
        loop_check(n->sides[i].loop);
        loop_free(n->sides[i].loop);
        free(n->sides[i].asked);
    }
}

static void give_to_node(void *ctx, int fd, const struct net_addr *peer)
{
    static unsigned turn_of;
    struct node *n = ctx;
    (void)peer;
    post(&n->sides[turn_of++ % LOOPS], NULL, fd);
}

struct pump {
    struct client client;
    uint8_t *all;
    size_t len, sent, got;
};

/* Push and pull without waiting; true when all came back as it was sent. */
static bool pump(struct pump *p)
{
    uint8_t data[16384];
    if (p->sent < p->len) {
        ssize_t n = client_write(&p->client, p->all + p->sent, p->len - p->sent);
        CHECK(n >= 0);
        p->sent += (size_t)n;
    }
    ssize_t n = client_read(&p->client, data, sizeof data);
    CHECK(n >= 0 && p->got + (size_t)n <= p->len);
    CHECK(memcmp(data, p->all + p->got, (size_t)n) == 0);
    p->got += (size_t)n;
    return p->got == p->len;
}

static void pump_start(struct server *s, struct pump *p, unsigned seed)
{
    struct buf all = BUF_INIT;
    for (unsigned i = 0; i < FRAMES; i++) {
        uint8_t *f = frame_new(BODY + i % 64, seed + i);
        buf_add(&all, f, 4 + BODY + i % 64);
        free(f);
    }
    *p = (struct pump){.all = all.data, .len = all.len};
    client_connect(s, &p->client);
    if (s->tls) {
        client_tls(s, &p->client, "client", NULL);
        ck_assert(client_handshake(s, &p->client));
    }
}

static void run(bool tls)
{
    struct server *s = server_new(tls, TLS_PEER_REQUIRED);
    struct node n = {0};
    struct pump pumps[CLIENTS];
    char why[NET_WHY_BYTES];
    node_start(&n, s);
    listener_free(s->listener);
    struct listener_conf lc = {"127.0.0.1:0", "test", &s->quota, &n, give_to_node};
    ck_assert_msg(listener_new(s->loop, &lc, &s->listener, why) == GRID_OK, "%s", why);
    for (unsigned i = 0; i < CLIENTS; i++)
        pump_start(s, &pumps[i], i * 1000);
    for (bool done = false; !done;) {
        done = true;
        turn(s);
        for (int i = 0; i < CLIENTS; i++)
            done = (pumps[i].got == pumps[i].len || pump(&pumps[i])) && done;
    }
    for (int i = 0; i < CLIENTS; i++) {
        client_free(&pumps[i].client);
        free(pumps[i].all);
    }
    node_stop(&n);
    ck_assert_uint_eq(n.closed, CLIENTS);
    ck_assert_uint_ge(n.sides[0].moved + n.sides[1].moved,
                      CLIENTS * (FRAMES / MOVE_EVERY) - CLIENTS);
    server_free(s);
}

START_TEST(moving_between_loops_under_load_loses_nothing)
{
    run(false);
}
END_TEST

START_TEST(moving_between_loops_under_load_loses_nothing_with_tls)
{
    run(true);
}
END_TEST

UNIT_MAIN("net/move", moving_between_loops_under_load_loses_nothing,
          moving_between_loops_under_load_loses_nothing_with_tls)
