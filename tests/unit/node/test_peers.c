/* test_peers.c - links between nodes: who is let in, which of two stays, order and credit under
 * everything that may happen to a connection.
 * LINK: node session coordination compute wire net base pb frame certs */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

static void nodes_end(struct world *w, struct node_end **nodes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        node_free_all(nodes[i]);
    world_end(w);
}

/* Nodes 1 and 2, of one grid, with so many shards, and all their links. */
static void pair_up(struct world *w, bool tls, uint32_t a, uint32_t b, struct node_end *nodes[2])
{
    world_begin(w, tls);
    nodes[0] = node_make(w, 1, a, "shop", NULL);
    nodes[1] = node_make(w, 2, b, "shop", NULL);
    acquaint(nodes, 2);
    ck_assert(until_up(nodes, 2, 3000));
}

static void say_to_all(void *ctx, struct peers_link *k)
{
    say(k, PEER_RECORDS, *(size_t *)ctx);
}

static void two_links_up(bool tls)
{
    struct world w;
    struct node_end *nodes[2];
    pair_up(&w, tls, 2, 4, nodes);
    ck_assert_uint_eq(nodes[0]->control.ups, 1);
    struct peers_link *k = peers_find(nodes[0]->control.peers, nodes[1]->self.node_id, 0);
    ck_assert_ptr_nonnull(k);
    ck_assert_uint_eq(peers_link_other(k)->shards, 4);
    ck_assert_str_eq(peers_link_other(k)->node, "n2");
    size_t len = 5000;
    for (uint32_t s = 0; s < 2; s++)
        peers_each(nodes[0]->shards[s].peers, say_to_all, &len);
    rounds(nodes, 2, 50);
    for (uint32_t s = 0; s < 4; s++)
        ck_assert_uint_eq(nodes[1]->shards[s].bytes[PEER_RECORDS], 5000);
    nodes_end(&w, nodes, 2);
}

START_TEST(shards_that_hold_the_same_partitions_are_linked)
{
    two_links_up(false);
}
END_TEST

START_TEST(links_are_mutual_tls_where_nodes_have_certificates)
{
    two_links_up(true);
}
END_TEST

/* A program of a user's, not gridd, which would not start with it. */
static SSL *user_dials(struct world *w, const struct node_end *to, SSL_CTX *ctx)
{
    struct net_addr a;
    ck_assert(net_addr_parse(to->address, &a));
    int fd = socket(a.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, &a.u.sa, net_addr_len(&a)), 0);
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(
        SSL_CTX_use_certificate_file(ctx, certs_path(w->dir, "client.crt"), SSL_FILETYPE_PEM), 1);
    ck_assert_int_eq(
        SSL_CTX_use_PrivateKey_file(ctx, certs_path(w->dir, "client.key"), SSL_FILETYPE_PEM), 1);
    SSL *ssl = SSL_new(ctx);
    ck_assert_int_eq(SSL_set_fd(ssl, fd), 1);
    return ssl;
}

START_TEST(a_users_certificate_is_not_a_nodes)
{
    struct world w;
    world_begin(&w, true);
    struct node_end *nodes[] = {node_make(&w, 1, 1, "shop", NULL)};
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = user_dials(&w, nodes[0], ctx);
    struct loop_stats st = {0};
    for (int i = 0; i < 5000 && !st.handshakes_failed; i++) {
        (void)SSL_connect(ssl);
        round_all(nodes, 1);
        loop_stats(nodes[0]->control.loop, &st);
    }
    ck_assert_uint_gt(st.handshakes_failed, 0);
    ck_assert_uint_eq(nodes[0]->control.ups, 0);
    close(SSL_get_fd(ssl));
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    nodes_end(&w, nodes, 1);
}
END_TEST

/* How many addresses the node dials in vain. */
static unsigned troubles(struct node_end *n)
{
    struct peers_trouble t;
    unsigned len = 0;
    while (peers_trouble(n->control.peers, len, &t)) {
        ck_assert(strcmp(t.address, n->address) != 0 && t.why[0]);
        len++;
    }
    return len;
}

START_TEST(two_grids_do_not_mix_by_name_or_by_id)
{
    struct world w;
    world_begin(&w, false);
    struct node_end *nodes[] = {node_make(&w, 1, 1, "shop", NULL),
                                node_make(&w, 2, 1, "books", NULL),
                                node_make(&w, 3, 1, "shop", NULL)};
    static const uint8_t IDS[2][PEER_ID_BYTES] = {"one", "two"};
    peers_set_grid_id(nodes[0]->control.peers, IDS[0]);
    peers_set_grid_id(nodes[2]->control.peers, IDS[1]);
    const char *seeds[] = {nodes[0]->address, nodes[1]->address, nodes[2]->address};
    for (int i = 0; i < 3; i++)
        peers_set_seeds(nodes[i]->control.peers, seeds, 3);
    rounds(nodes, 3, 3000);
    for (int i = 0; i < 3; i++) {
        struct peers_stats st;
        peers_stats(nodes[i]->control.peers, &st);
        ck_assert_uint_eq(st.ups, 0);
        ck_assert_uint_gt(st.refused, 0);
        ck_assert_uint_eq(troubles(nodes[i]), 2);
    }
    peers_set_grid_id(nodes[2]->control.peers, IDS[0]);
    rounds(nodes, 3, 3000);
    ck_assert_uint_eq(links_of(&nodes[0]->control), 1);
    ck_assert_uint_eq(links_of(&nodes[1]->control), 0);
    ck_assert_uint_eq(troubles(nodes[0]), 1);
    ck_assert_uint_eq(troubles(nodes[1]), 2);
    nodes_end(&w, nodes, 3);
}
END_TEST

START_TEST(nodes_that_know_addresses_alone_keep_one_link_each)
{
    for (int turn = 0; turn < 2; turn++) {
        struct world w;
        world_begin(&w, turn);
        struct node_end *nodes[4];
        const char *seeds[4];
        for (uint8_t i = 0; i < 4; i++) {
            nodes[i] = node_make(&w, (uint8_t)(4 - i), 1, "shop", NULL);
            seeds[i] = nodes[i]->address;
        }
        for (int i = 0; i < 4; i++)
            peers_set_seeds(nodes[i]->control.peers, seeds, 4); /* its own, too */
        rounds(nodes, 4, 3000);
        for (int i = 0; i < 4; i++) {
            ck_assert_uint_eq(links_of(&nodes[i]->control), 3);
            ck_assert_uint_le(nodes[i]->control.ups, 6);
        }
        unsigned before = nodes[0]->control.ups;
        rounds(nodes, 4, 2000);
        ck_assert_uint_eq(nodes[0]->control.ups, before);
        nodes_end(&w, nodes, 4);
    }
}
END_TEST

START_TEST(who_is_linked_already_is_not_dialled_on_and_on_in_vain)
{
    struct world w;
    struct peers_stats st;
    world_begin(&w, false);
    struct node_end *nodes[] = {node_make(&w, 1, 1, "shop", NULL),
                                node_make(&w, 2, 1, "shop", NULL)};
    const char *seeds[] = {nodes[0]->address, nodes[1]->address};
    peers_set_seeds(nodes[0]->control.peers, &seeds[1], 1);
    for (int i = 0; i < 3000 && !links_of(&nodes[1]->control); i++)
        round_all(nodes, 2);
    peers_set_seeds(nodes[1]->control.peers, &seeds[0], 1); /* the other's link stays */
    rounds(nodes, 2, 3000);
    peers_stats(nodes[1]->control.peers, &st);
    ck_assert_uint_eq(st.refused, 1);
    ck_assert_uint_eq(troubles(nodes[1]), 0);
    ck_assert_uint_eq(nodes[1]->control.ups, 1);
    nodes_end(&w, nodes, 2);
}
END_TEST

START_TEST(an_address_that_is_wanted_is_dialled)
{
    struct world w;
    world_begin(&w, false);
    struct node_end *nodes[] = {node_make(&w, 1, 1, "shop", NULL),
                                node_make(&w, 2, 1, "shop", NULL)};
    struct peers_link *k = NULL;
    for (int i = 0; i < 2000 && !k; i++) {
        k = peers_want(nodes[1]->control.peers, nodes[0]->address);
        round_all(nodes, 2);
    }
    ck_assert_ptr_nonnull(k);
    ck_assert_str_eq(peers_link_other(k)->node, "n1");
    nodes_end(&w, nodes, 2);
}
END_TEST

START_TEST(a_node_that_is_not_wanted_any_more_is_left)
{
    struct world w;
    struct node_end *nodes[2];
    pair_up(&w, false, 2, 2, nodes);
    acquaint(nodes, 1);
    peers_set_nodes(nodes[1]->control.peers, NULL, 0);
    for (int s = 0; s < 2; s++)
        peers_set_nodes(nodes[1]->shards[s].peers, NULL, 0);
    rounds(nodes, 2, 2000);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(links_of(&nodes[i]->control), 0);
        ck_assert_uint_eq(links_of(&nodes[i]->shards[0]), 0);
    }
    nodes_end(&w, nodes, 2);
}
END_TEST

START_TEST(a_node_that_has_started_anew_replaces_what_it_was)
{
    struct world w;
    struct node_end *nodes[2];
    pair_up(&w, false, 1, 1, nodes);
    struct node_end *old = nodes[1];
    nodes[1] = node_make(&w, 2, 1, "shop", NULL); /* the old one hangs, its sockets are open */
    acquaint(nodes, 2);
    ck_assert(until_up(nodes, 2, 3000));
    rounds(nodes, 2, 2000);
    struct peers_link *k = peers_find(nodes[0]->control.peers, old->self.node_id, 0);
    ck_assert_ptr_nonnull(k);
    ck_assert_uint_eq(peers_link_other(k)->boot_id[0], nodes[1]->self.boot_id[0]);
    node_free_all(old);
    nodes_end(&w, nodes, 2);
}
END_TEST

START_TEST(what_a_node_was_before_comes_too_late_to_replace_what_it_is)
{
    for (uint8_t id = 1; id <= 3; id += 2) { /* the one dials first, the other is dialled first */
        struct world w;
        world_begin(&w, false);
        struct node_end *old = node_make(&w, id, 1, "shop", NULL);
        struct node_end *nodes[] = {node_make(&w, 2, 1, "shop", NULL),
                                    node_make(&w, id, 1, "shop", NULL), old};
        acquaint(nodes, 2);
        ck_assert(until_up(nodes, 2, 3000));
        unsigned downs = nodes[0]->control.downs;
        struct node_end *late[] = {old, nodes[0]};
        acquaint(late, 2);
        acquaint(nodes, 2); /* the grid knows where it is now */
        rounds(nodes, 3, 3000);
        struct peers_link *k = peers_find(nodes[0]->control.peers, old->self.node_id, 0);
        ck_assert_ptr_nonnull(k);
        ck_assert_uint_eq(peers_link_other(k)->boot_id[0], nodes[1]->self.boot_id[0]);
        ck_assert_uint_eq(nodes[0]->control.downs, downs);
        ck_assert_uint_eq(links_of(&old->control) + links_of(&old->shards[0]), 0);
        nodes_end(&w, nodes, 3);
    }
}
END_TEST

/* A copy of a node's data directory is started elsewhere, and knows the others. */
START_TEST(a_second_process_with_a_node_id_is_refused_while_the_first_one_is_heard)
{
    for (uint8_t id = 1; id <= 3; id += 2) { /* the one dials first, the other is dialled first */
        struct world w;
        world_begin(&w, false);
        struct node_end *twin = NULL, *nodes[3] = {node_make(&w, 2, 2, "shop", NULL),
                                                   node_make(&w, id, 2, "shop", NULL)};
        struct peers *seen = nodes[0]->control.peers;
        struct peers_twin t;
        acquaint(nodes, 2);
        ck_assert(until_up(nodes, 2, 3000));
        nodes[2] = twin = node_make(&w, id, 2, "shop", NULL);
        peers_set_seeds(twin->control.peers, (const char *[]){nodes[0]->address}, 1);
        rounds(nodes, 3, 500);
        ck_assert(!peers_twin(seen, 0, &t)); /* it may have been a restart */
        rounds(nodes, 3, 3500);
        ck_assert_uint_eq(nodes[0]->control.downs + nodes[0]->shards[0].downs, 0);
        ck_assert_uint_eq(twin->control.ups, 0);
        ck_assert(peers_twin(seen, 0, &t));
        ck_assert_str_eq(t.stays, nodes[1]->address);
        ck_assert_str_eq(t.goes, twin->address);
        ck_assert(!peers_twin(seen, 1, &t));
        struct peers_trouble told;
        ck_assert(peers_trouble(twin->control.peers, 0, &told));
        ck_assert_ptr_nonnull(strstr(told.why, nodes[1]->address));
        node_free_all(nodes[1]);
        nodes[1] = twin;
        acquaint(nodes, 2);
        ck_assert(until_up(nodes, 2, 3000));
        rounds(nodes, 2, 6000);
        ck_assert(!peers_twin(seen, 0, &t));
        nodes_end(&w, nodes, 2);
    }
}
END_TEST

/* It was linked first with the one that the grid does not know. */
START_TEST(of_two_processes_the_one_stays_that_is_where_the_grid_says)
{
    struct world w;
    world_begin(&w, false);
    struct node_end *nodes[] = {node_make(&w, 2, 2, "shop", NULL),
                                node_make(&w, 1, 2, "shop", NULL),
                                node_make(&w, 1, 2, "shop", NULL)};
    struct node_end *twin = nodes[2];
    acquaint((struct node_end *[]){twin, nodes[0]}, 2);
    ck_assert(until_up((struct node_end *[]){twin, nodes[0]}, 2, 3000));
    acquaint(nodes, 2);
    rounds(nodes, 3, 3000);
    ck_assert(all_up(nodes, 2));
    unsigned downs = nodes[0]->control.downs + nodes[0]->shards[0].downs;
    rounds(nodes, 3, 5000);
    ck_assert(all_up(nodes, 2));
    ck_assert_uint_eq(nodes[0]->control.downs + nodes[0]->shards[0].downs, downs);
    ck_assert_uint_eq(links_of(&twin->control) + links_of(&twin->shards[0]), 0);
    struct peers_twin t;
    ck_assert(peers_twin(nodes[0]->control.peers, 0, &t));
    ck_assert_str_eq(t.stays, nodes[1]->address);
    nodes_end(&w, nodes, 3);
}
END_TEST

START_TEST(a_silent_node_is_noticed_and_found_again)
{
    struct world w;
    struct node_end *nodes[2];
    pair_up(&w, false, 1, 1, nodes);
    nodes[1]->paused = true;
    rounds(nodes, 2, 700);
    ck_assert_uint_eq(links_of(&nodes[0]->control), 1);
    rounds(nodes, 2, 400);
    ck_assert_uint_eq(links_of(&nodes[0]->control), 0);
    ck_assert_str_eq(nodes[0]->control.down_why, "nothing was heard of it for too long");
    nodes[1]->paused = false;
    ck_assert(until_up(nodes, 2, 8000));
    nodes_end(&w, nodes, 2);
}
END_TEST

START_TEST(a_node_that_slept_reads_first_what_came_meanwhile)
{
    struct world w;
    struct node_end *nodes[2];
    pair_up(&w, false, 1, 1, nodes);
    unsigned downs = nodes[0]->control.downs + nodes[1]->control.downs;
    w.now += 5000;
    rounds(nodes, 2, 500);
    ck_assert_uint_eq(nodes[0]->control.downs + nodes[1]->control.downs, downs);
    nodes_end(&w, nodes, 2);
}
END_TEST

START_TEST(records_do_not_wait_for_a_copy_to_a_slow_reader)
{
    struct world w;
    struct node_end *nodes[2];
    pair_up(&w, false, 1, 1, nodes);
    struct peers_link *k = peers_find(nodes[0]->shards[0].peers, nodes[1]->self.node_id, 0);
    struct thread_end *other = &nodes[1]->shards[0];
    size_t given = 0;
    for (; peers_room(k); given += 100000)
        say(k, PEER_BULK, 100000);
    ck_assert_uint_ge(given, PEERS_BULK_AHEAD);
    round_all(nodes, 2);
    say(k, PEER_RECORDS, 20 << 10);
    say(k, PEER_URGENT, 100);
    for (int i = 0; i < 100 && !other->bytes[PEER_RECORDS]; i++)
        round_all(nodes, 2);
    ck_assert_uint_gt(other->bytes[PEER_RECORDS], 0);
    ck_assert_uint_lt(other->bytes[PEER_BULK], given);
    for (int i = 0; i < 2000 && other->bytes[PEER_BULK] < given; i++)
        round_all(nodes, 2);
    ck_assert_uint_eq(other->bytes[PEER_BULK], given);
    ck_assert_uint_eq(nodes[0]->shards[0].rooms, 1);
    nodes_end(&w, nodes, 2);
}
END_TEST

START_TEST(the_largest_messages_pass_one_after_the_other)
{
    struct world w;
    struct node_end *nodes[2];
    pair_up(&w, false, 1, 1, nodes);
    struct peers_link *k = peers_find(nodes[0]->shards[0].peers, nodes[1]->self.node_id, 0);
    struct thread_end *other = &nodes[1]->shards[0];
    for (int i = 0; i < 2; i++)
        say(k, PEER_BULK, PEER_MESSAGE_BYTES_MAX);
    for (int i = 0; i < 50000 && other->got < 2; i++)
        round_all(nodes, 2);
    ck_assert_uint_eq(other->got, 2);
    nodes_end(&w, nodes, 2);
}
END_TEST

/* --- chaos ------------------------------------------------------------------------------------ */

struct chaos {
    struct prng prng;
    struct peers_link *picked;
    unsigned seen;
};

/* One of all links, each as likely. */
static void pick(void *ctx, struct peers_link *k)
{
    struct chaos *c = ctx;
    if (prng_below(&c->prng, ++c->seen) == 0)
        c->picked = k;
}

static struct thread_end *any_thread(struct chaos *c, struct node_end *e)
{
    uint64_t t = prng_below(&c->prng, e->shards_len + 1);
    return t == e->shards_len ? &e->control : &e->shards[t];
}

static void chaos_talk(struct chaos *c, struct thread_end *t)
{
    static const size_t SIZES[] = {100, 1000, 10000, 100000, 3000000};
    c->picked = NULL;
    c->seen = 0;
    peers_each(t->peers, pick, c);
    if (!c->picked)
        return;
    if (prng_below(&c->prng, 150) == 0) {
        peers_link_close(c->picked, "chaos");
        return;
    }
    for (uint64_t n = prng_below(&c->prng, 20); n; n--) {
        enum peer_class class = (enum peer_class)prng_below(&c->prng, PEER_CLASSES);
        size_t size =
            SIZES[prng_below(&c->prng, 1 + prng_below(&c->prng, 1 + prng_below(&c->prng, 5)))];
        if (class != PEER_BULK || peers_room(c->picked))
            say(c->picked, class, BODY_HEAD + (size_t)prng_below(&c->prng, size));
    }
}

/* A stranger sends what it likes; some begin as nodes do. */
static void chaos_stranger(struct chaos *c, struct node_end *e)
{
    uint8_t bytes[300];
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(listener_port(e->listener)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    struct buf hello = BUF_INIT;
    if (prng_below(&c->prng, 2)) {
        struct peer_hello h = e->self;
        h.version = h.version_min = 1;
        h.kind = PEER_DATA;
        h.node_id[1] = 1;
        h.boot_id[0] ^= 0x80;
        for (int i = 0; i < PEER_CLASSES; i++)
            h.window[i] = 1 << 20;
        wire_peer_hello(&hello, &h);
    }
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)prng_next(&c->prng);
    buf_add(&hello, bytes, (size_t)prng_below(&c->prng, sizeof bytes));
    if (hello.len > 4 && prng_below(&c->prng, 2))
        hello.data[prng_below(&c->prng, hello.len)] ^= 1;
    ck_assert_int_ge(send(fd, hello.data, hello.len, MSG_NOSIGNAL), 0);
    buf_release(&hello);
    close(fd);
}

static void chaos_round(struct chaos *c, struct node_end **nodes, size_t len)
{
    struct node_end *e = nodes[prng_below(&c->prng, len)];
    if (e->paused ? prng_below(&c->prng, 600) == 0 : prng_below(&c->prng, 3000) == 0)
        e->paused = !e->paused;
    if (!e->paused && prng_below(&c->prng, 2))
        chaos_talk(c, any_thread(c, e));
    if (!e->paused && prng_below(&c->prng, 40) == 0)
        chaos_stranger(c, e);
    round_all(nodes, len);
}

static void chaos(uint64_t seed, bool tls, int steps)
{
    struct world w;
    struct chaos c = {.prng = {seed}};
    world_begin(&w, tls);
    struct node_end *nodes[] = {node_make(&w, 2, 2, "shop", NULL),
                                node_make(&w, 1, 2, "shop", NULL),
                                node_make(&w, 3, 3, "shop", NULL)};
    acquaint(nodes, 3);
    for (int i = 0; i < steps; i++)
        chaos_round(&c, nodes, 3);
    for (int i = 0; i < 3; i++)
        nodes[i]->paused = false;
    ck_assert_msg(until_up(nodes, 3, 20000), "seed %llu", (unsigned long long)seed);
    unsigned got = 0, downs = 0;
    for (int i = 0; i < 3; i++) {
        got += nodes[i]->shards[0].got;
        downs += nodes[i]->shards[0].downs;
    }
    ck_assert_uint_gt(got, 100);
    ck_assert_uint_gt(downs, 0);
    nodes_end(&w, nodes, 3);
}

START_TEST(whatever_happens_order_and_credit_hold_and_links_come_back)
{
    for (uint64_t seed = 1; seed <= 2; seed++)
        chaos(seed, false, 4000);
}
END_TEST

START_TEST(the_same_with_tls)
{
    chaos(11, true, 2000);
}
END_TEST

/* --- threads ---------------------------------------------------------------------------------- */

struct runner {
    struct thread_end *thread;
    pthread_t id;
    _Atomic unsigned *left; /* runners that are not done */
    unsigned wanted;
    bool done;
};

static void answer(void *ctx, struct peers_link *k)
{
    (void)ctx;
    const struct count *n = peers_link_owner(k);
    enum peer_class class = (enum peer_class)(n->sent[PEER_URGENT] > n->sent[PEER_RECORDS]);
    if (n->sent[class] < n->got[class] + 20)
        say(k, class, 200);
}

/* Talks until it has heard enough, and on until the others have. */
static void *run(void *arg)
{
    struct runner *r = arg;
    while (atomic_load(r->left)) {
        loop_turn(r->thread->loop, false);
        peers_each(r->thread->peers, answer, r);
        if (!r->done && r->thread->got >= r->wanted) {
            r->done = true;
            atomic_fetch_sub(r->left, 1);
        }
    }
    return NULL;
}

START_TEST(accepted_links_change_threads)
{
    enum { NODES = 2, THREADS = 3 };
    struct world w;
    world_begin(&w, true);
    w.now = 0; /* the system's clock */
    struct node_end *nodes[NODES] = {node_make(&w, 1, 2, "shop", NULL),
                                     node_make(&w, 2, 2, "shop", NULL)};
    _Atomic unsigned left = NODES * THREADS;
    struct runner runners[NODES * THREADS];
    acquaint(nodes, NODES);
    for (int i = 0; i < NODES * THREADS; i++) {
        struct node_end *e = nodes[i / THREADS];
        struct thread_end *t = i % THREADS ? &e->shards[i % THREADS - 1] : &e->control;
        runners[i] = (struct runner){.thread = t, .left = &left, .wanted = 2000};
    }
    for (int i = 0; i < NODES * THREADS; i++)
        ck_assert_int_eq(pthread_create(&runners[i].id, NULL, run, &runners[i]), 0);
    for (int i = 0; i < NODES * THREADS; i++)
        pthread_join(runners[i].id, NULL);
    nodes_end(&w, nodes, NODES);
}
END_TEST

UNIT_MAIN("node/peers", shards_that_hold_the_same_partitions_are_linked,
          links_are_mutual_tls_where_nodes_have_certificates, a_users_certificate_is_not_a_nodes,
          two_grids_do_not_mix_by_name_or_by_id, nodes_that_know_addresses_alone_keep_one_link_each,
          who_is_linked_already_is_not_dialled_on_and_on_in_vain,
          an_address_that_is_wanted_is_dialled, a_node_that_is_not_wanted_any_more_is_left,
          a_node_that_has_started_anew_replaces_what_it_was,
          what_a_node_was_before_comes_too_late_to_replace_what_it_is,
          a_second_process_with_a_node_id_is_refused_while_the_first_one_is_heard,
          of_two_processes_the_one_stays_that_is_where_the_grid_says,
          a_silent_node_is_noticed_and_found_again,
          a_node_that_slept_reads_first_what_came_meanwhile,
          records_do_not_wait_for_a_copy_to_a_slow_reader,
          the_largest_messages_pass_one_after_the_other,
          whatever_happens_order_and_credit_hold_and_links_come_back, the_same_with_tls,
          accepted_links_change_threads)
