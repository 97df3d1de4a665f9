/* test_member.c - members that talk in the bytes of server/wire: founding, refusals, proposals,
 * leases, leaving. Faults are the simulator's (tests/sim/grid).
 * LINK: grid control raft replica shard wire data base pb frame */
#include "base/alloc.h"
#include "control/level.h"
#include "grid/member.h"
#include "tests/lib/unit.h"
#include "wire/control.h"
#include "wire/peer.h"

#include <stdio.h>

enum { NODES = 4, MESSAGES = 4096, DONES = 64, ARENA = 8 << 20 };

struct node {
    struct node_info info;
    const char *grid;
    struct grid_identity identity; /* on disk; what raft wrote is not kept */
    struct grid_member *member;
    uint64_t job;
    struct replica_member self;
    unsigned ins, gones, refusals, published;
    bool stuck; /* its disk */
    char why[WHY_BYTES];
};

static struct world {
    msec_t now;
    struct node nodes[NODES];
    struct buf mail[MESSAGES]; /* a ring, from byte first */
    msec_t due[MESSAGES];      /* when it arrives */
    size_t first, last;
    msec_t delay;
    struct grid_done dones[DONES];
    char whys[DONES][WHY_BYTES];
    size_t dones_len;
    struct arena *arena;
    bool slow;           /* disks */
    struct node *stands; /* it tells of a term that will never be on its disk */
    unsigned unheard;    /* the last so many nodes are in nobody's peers */
    const struct catalog *adopt;
} w;

/* --- ports ------------------------------------------------------------------------------------ */

static void port_send(void *ctx, const struct grid_to *to, const struct grid_message *msg)
{
    struct node *from = ctx;
    struct grid_message told = *msg;
    if (from == w.stands && msg->kind == GRID_MSG_BEACON) {
        told.u.beacon.term++;
        told.u.beacon.leader = 0;
    }
    for (uint8_t i = 0; i < NODES; i++) {
        struct node *n = &w.nodes[i];
        static const uint8_t none[GRID_ID_BYTES];
        bool by_id = memcmp(to->id, none, GRID_ID_BYTES) != 0;
        bool hit = by_id ? memcmp(to->id, n->info.id, GRID_ID_BYTES) == 0
                         : strcmp(to->address, n->info.address[ADDRESS_PEER]) == 0;
        if (!hit || n == from || !n->member)
            continue;
        w.due[w.last % MESSAGES] = w.now + w.delay;
        struct buf *b = &w.mail[w.last++ % MESSAGES];
        b->len = 0;
        buf_add_u8(b, i);
        wire_grid_encode(&told, b);
    }
}

static void port_persist(void *ctx, const struct grid_persist *p)
{
    struct node *n = ctx;
    if (p->identity)
        n->identity = *p->identity;
    n->job = p->job;
}

static void port_publish(void *ctx, struct grid_state *state)
{
    struct node *n = ctx;
    n->published++;
    grid_state_check(state);
}

static void port_done(void *ctx, const struct grid_done *d)
{
    (void)ctx;
    ck_assert_uint_lt(w.dones_len, DONES);
    snprintf(w.whys[w.dones_len], WHY_BYTES, "%s", d->why);
    w.dones[w.dones_len++] = *d;
}

static void port_ask(void *ctx, const struct plan_ask *ask)
{
    (void)ctx;
    (void)ask;
}

static void port_notice(void *ctx, const struct grid_notice *n)
{
    struct node *node = ctx;
    node->ins += n->kind == GRID_NOTICE_IN;
    node->gones += n->kind == GRID_NOTICE_GONE;
    node->refusals += n->kind == GRID_NOTICE_REFUSED;
    if (n->kind == GRID_NOTICE_IN)
        node->self = n->member;
    if (n->kind == GRID_NOTICE_REFUSED)
        snprintf(node->why, sizeof node->why, "%s", n->why);
}

/* --- codec: server/wire ----------------------------------------------------------------------- */

static void command_encode(void *ctx, const struct grid_command *c, struct buf *out)
{
    (void)ctx;
    wire_command_encode(c, out);
}

static enum grid_err command_decode(void *ctx, struct slice in, struct grid_command *ret_command)
{
    arena_reset(ctx);
    return wire_command_decode(in, ctx, ret_command);
}

static void command_release(void *ctx, struct grid_command *c)
{
    (void)ctx;
    wire_command_release(c);
}

static void state_encode(void *ctx, const struct grid_state *s, struct buf *out)
{
    (void)ctx;
    wire_state_encode(s, out);
}

static enum grid_err state_decode(void *ctx, struct slice in, struct grid_state **ret_state)
{
    (void)ctx;
    return wire_state_decode(in, ret_state);
}

static enum grid_err delta_apply(void *ctx, struct grid_state *working, struct slice delta)
{
    arena_reset(ctx);
    return wire_delta_apply(working, delta, ctx);
}

/* --- the world -------------------------------------------------------------------------------- */

static void begin(void)
{
    memset(&w, 0, sizeof w);
    w.now = 1000;
    w.arena = arena_new(ARENA);
    for (uint8_t i = 0; i < NODES; i++) {
        struct node_info *info = &w.nodes[i].info;
        info->id[0] = (uint8_t)(i + 1);
        snprintf(info->name, sizeof info->name, "n%u", i);
        snprintf(info->address[ADDRESS_PEER], GRID_ADDRESS_BYTES_MAX, "host%u:1", i);
        info->weight = info->shards = 1;
        w.nodes[i].grid = "test";
    }
}

static struct arena *codec_arena(void)
{
    static struct arena *a;
    a = a ? a : arena_new(ARENA);
    return a;
}

static void start(unsigned i, uint32_t expect)
{
    static const char *const peers[] = {"host0:1", "host1:1", "host2:1", "host3:1"};
    static uint8_t boots;
    struct node *n = &w.nodes[i];
    n->info.boot_id[0] = ++boots;
    struct grid_member_conf conf = {.grid = n->grid,
                                    .info = &n->info,
                                    .peers = peers,
                                    .peers_len = NODES - w.unheard,
                                    .bootstrap_expect = expect,
                                    .identity = n->identity,
                                    .adopt = w.adopt,
                                    .has_data = w.adopt != NULL,
                                    .seed = {i + 1, boots}};
    struct grid_ports ports = {n,         port_send, port_persist, port_publish,
                               port_done, port_ask,  port_notice};
    struct grid_codec codec = {codec_arena(),      command_encode,    command_decode,
                               command_release,    state_encode,      state_decode,
                               control_tail_new,   control_tail_free, control_tail_add,
                               control_tail_delta, delta_apply};
    n->job = 0;
    n->member = grid_member_new(&conf, &ports, &codec, w.now, w.now);
}

static void stop(unsigned i)
{
    grid_member_free(w.nodes[i].member);
    w.nodes[i].member = NULL;
}

static void end(void)
{
    for (unsigned i = 0; i < NODES; i++)
        stop(i);
    for (unsigned i = 0; i < MESSAGES; i++)
        buf_release(&w.mail[i]);
    arena_free(w.arena);
}

static void deliver(void)
{
    while (w.first < w.last && w.due[w.first % MESSAGES] <= w.now) {
        struct slice s = buf_slice(&w.mail[w.first++ % MESSAGES]);
        struct node *n = &w.nodes[s.data[0]];
        struct grid_message msg;
        arena_reset(w.arena);
        s = slice_make(s.data + 1, s.len - 1);
        ck_assert_int_eq(wire_grid_decode(s, w.arena, &msg), GRID_OK);
        if (n->member)
            grid_member_receive(n->member, w.now, &msg, "");
    }
}

static void run(msec_t ms)
{
    for (msec_t until = w.now + ms; w.now < until; w.now += 5) {
        deliver();
        for (unsigned i = 0; i < NODES; i++) {
            struct node *n = &w.nodes[i];
            if (!n->member)
                continue;
            if (n->job && !n->stuck && (!w.slow || w.now % 40 == 0))
                grid_member_persisted(n->member, w.now, n->job);
            grid_member_step(n->member, w.now, w.now);
            ck_assert_uint_gt(grid_member_next(n->member) + 1, w.now);
            grid_member_check(n->member);
        }
    }
}

static const struct grid_state *state(unsigned i)
{
    return grid_member_state(w.nodes[i].member);
}

static void three(void)
{
    begin();
    for (unsigned i = 0; i < 3; i++)
        start(i, 3);
    run(2500);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(w.nodes[i].ins, 1);
        ck_assert_uint_eq(state(i)->revision, state(0)->revision);
        ck_assert_uint_eq(state(i)->nodes_len, 3);
    }
}

static void propose(unsigned i, const struct grid_command *c, uint64_t ticket)
{
    ck_assert_int_eq(grid_member_propose(w.nodes[i].member, c, UINT64_MAX, ticket), GRID_OK);
}

/* --- tests ------------------------------------------------------------------------------------ */

START_TEST(one_founds_at_once)
{
    begin();
    w.unheard = NODES - 1;
    start(0, 1);
    run(50);
    ck_assert_uint_eq(w.nodes[0].ins, 1);
    ck_assert_str_eq(state(0)->grid, "test");
    ck_assert_uint_eq(w.nodes[0].identity.number, 1);
    end();
}
END_TEST

START_TEST(one_asks_its_peers_for_a_grid_before_it_founds_one)
{
    begin();
    start(0, 1);
    run(1000);
    ck_assert_uint_eq(w.nodes[0].ins, 0);
    run(10000);
    ck_assert_uint_eq(w.nodes[0].ins, 1);
    start(1, 0);
    start(2, 0);
    run(5000);
    ck_assert_uint_eq(state(2)->nodes_len, 3);
    stop(0); /* its disk is lost: it is another node of the same name, and configured as it was */
    memset(&w.nodes[0].identity, 0, sizeof w.nodes[0].identity);
    w.nodes[0].info.id[1] = 1;
    start(0, 1);
    run(20000);
    ck_assert_uint_eq(w.nodes[0].ins, 1);
    ck_assert_ptr_nonnull(strstr(w.nodes[0].why, "the name n0 is that of node 1"));
    stop(0); /* the same with data of its own */
    memset(&w.nodes[0].identity, 0, sizeof w.nodes[0].identity);
    w.adopt = state(1)->catalog;
    start(0, 1);
    run(20000);
    ck_assert_uint_eq(w.nodes[0].ins, 1);
    struct grid_member_status st;
    grid_member_status(w.nodes[0].member, w.now, &st);
    ck_assert_ptr_nonnull(strstr(st.why, "begin with an empty data directory"));
    end();
}
END_TEST

START_TEST(three_agree_and_vote)
{
    three();
    for (size_t i = 0; i < 3; i++)
        ck_assert(state(0)->nodes[i].voter);
    end();
}
END_TEST

START_TEST(a_grid_of_another_name_is_refused_by_name)
{
    three();
    w.nodes[3].grid = "other";
    start(3, 0);
    run(5000);
    ck_assert_uint_eq(w.nodes[3].refusals, 1); /* said once, though it goes on asking */
    ck_assert_ptr_nonnull(strstr(w.nodes[3].why, "test"));
    ck_assert_ptr_nonnull(strstr(w.nodes[3].why, "other"));
    ck_assert_uint_eq(state(0)->nodes_len, 3);
    end();
}
END_TEST

START_TEST(the_data_of_another_grid_is_refused)
{
    three();
    w.nodes[3].identity.grid_id[0] = 0xee;
    start(3, 0);
    run(6000);
    ck_assert_uint_eq(w.nodes[3].ins, 0);
    ck_assert_ptr_nonnull(strstr(w.nodes[3].why, "another grid"));
    end();
}
END_TEST

START_TEST(a_name_that_is_taken_is_refused_until_it_is_free)
{
    three();
    snprintf(w.nodes[3].info.name, sizeof w.nodes[3].info.name, "n1");
    start(3, 0);
    run(2000);
    ck_assert_uint_eq(w.nodes[3].ins, 0);
    ck_assert_ptr_nonnull(strstr(w.nodes[3].why, "n1"));
    stop(3);
    snprintf(w.nodes[3].info.name, sizeof w.nodes[3].info.name, "n3");
    start(3, 0);
    run(2000);
    ck_assert_uint_eq(w.nodes[3].ins, 1);
    end();
}
END_TEST

START_TEST(who_is_refused_for_its_name_takes_the_place_when_its_owner_goes_down)
{
    three();
    snprintf(w.nodes[3].info.name, sizeof w.nodes[3].info.name, "n1");
    start(3, 0);
    run(3000);
    ck_assert_uint_eq(w.nodes[3].ins, 0);
    stop(1);
    run(10000);
    ck_assert_uint_eq(w.nodes[3].ins, 1);
    ck_assert_uint_eq(state(0)->nodes_len, 3);
    ck_assert_ptr_null(grid_state_node(state(0), w.nodes[1].identity.number));
    end();
}
END_TEST

START_TEST(a_node_that_is_elsewhere_now_keeps_its_number)
{
    three();
    start(3, 0);
    run(1000);
    struct replica_member was = w.nodes[3].self;
    stop(3);
    snprintf(w.nodes[3].info.address[ADDRESS_PEER], GRID_ADDRESS_BYTES_MAX, "host3:1");
    snprintf(w.nodes[3].info.address[ADDRESS_HTTP], GRID_ADDRESS_BYTES_MAX, "elsewhere:2");
    start(3, 0);
    run(2000);
    ck_assert_uint_eq(w.nodes[3].self.node, was.node);
    ck_assert_uint_eq(w.nodes[3].self.boot, was.boot + 1);
    const struct grid_node *n = grid_state_node(state(0), was.node);
    ck_assert_str_eq(n->info.address[ADDRESS_HTTP], "elsewhere:2");
    struct node_info info = w.nodes[3].info;
    snprintf(info.address[ADDRESS_HTTP], GRID_ADDRESS_BYTES_MAX, "moved:3");
    grid_member_alter(w.nodes[3].member, &info);
    run(500);
    n = grid_state_node(state(0), was.node);
    ck_assert_str_eq(n->info.address[ADDRESS_HTTP], "moved:3");
    end();
}
END_TEST

START_TEST(an_outcome_is_told_once_and_with_its_reason)
{
    three();
    for (unsigned i = 0; i < 3; i++) {
        struct grid_command c = {.kind = GRID_CACHE_CREATE};
        c.u.cache.path = slice_str("default/mine");
        propose(i, &c, 10 + i);
        run(300);
    }
    ck_assert_uint_eq(w.dones_len, 3);
    ck_assert_int_eq(w.dones[0].err, GRID_OK);
    ck_assert_uint_eq(w.dones[0].ticket, 10);
    ck_assert_int_eq(w.dones[1].err, GRID_EEXISTS);
    ck_assert_int_eq(w.dones[2].err, GRID_EEXISTS);
    ck_assert_uint_gt(strlen(w.whys[2]), 5);
    run(2000);
    ck_assert_uint_eq(w.dones_len, 3);
    end();
}
END_TEST

START_TEST(changes_of_partitions_travel_together_and_are_answered_each)
{
    three();
    struct replica_config c;
    ck_assert(grid_state_config(state(1), 1, 5, &c));
    uint64_t before = state(1)->revision;
    struct part_change good = {PART_SHRINK, 1, 5, (uint32_t)c.epoch, c.members[1]};
    struct part_change stale = good;
    stale.partition = 6;
    stale.epoch += 7;
    ck_assert_int_eq(grid_member_change(w.nodes[1].member, &good, UINT64_MAX, 1), GRID_OK);
    ck_assert_int_eq(grid_member_change(w.nodes[1].member, &stale, UINT64_MAX, 2), GRID_OK);
    for (int i = 0; i < 200 && w.dones_len < 2; i++)
        run(5);
    ck_assert_uint_eq(w.dones_len, 2);
    ck_assert_int_eq(w.dones[0].err, GRID_OK);
    ck_assert_int_eq(w.dones[1].err, GRID_ESTALE);
    ck_assert_uint_eq(w.dones[0].revision, before + 1);
    ck_assert_uint_eq(w.dones[1].revision, before + 1);
    end();
}
END_TEST

static unsigned leader(void)
{
    for (unsigned i = 0; i < NODES; i++) {
        struct grid_member_status s;
        if (w.nodes[i].member)
            grid_member_status(w.nodes[i].member, w.now, &s);
        if (w.nodes[i].member && s.leads)
            return i;
    }
    ck_abort_msg("nobody leads");
}

START_TEST(what_is_asked_while_the_lead_is_handed_on_is_answered_soon)
{
    three();
    unsigned old = leader(), asked = 0;
    const struct part_change stale = {PART_SHRINK, 1, 6, 1000, {1, 1}};
    w.slow = true;
    grid_member_step_down(w.nodes[old].member, w.now);
    ck_assert(!grid_member_may_drain(w.nodes[old].member));
    for (int i = 0; i < 20; i++) {
        for (unsigned n = 0; n < 3; n++)
            ck_assert_int_eq(grid_member_change(w.nodes[n].member, &stale, UINT64_MAX, ++asked),
                             GRID_OK);
        run(5);
    }
    run(100);
    ck_assert_uint_ne(leader(), old);
    ck_assert(grid_member_may_drain(w.nodes[old].member));
    ck_assert_uint_eq(w.dones_len, asked);
    end();
}
END_TEST

START_TEST(the_lead_does_not_go_round_among_nodes_that_all_stop)
{
    three();
    struct grid_member_status before, after;
    grid_member_status(w.nodes[0].member, w.now, &before);
    for (unsigned n = 0; n < 3; n++)
        grid_member_step_down(w.nodes[n].member, w.now);
    run(1000);
    grid_member_status(w.nodes[0].member, w.now, &after);
    ck_assert_uint_le(after.term, before.term + 2);
    for (unsigned n = 0; n < 3; n++)
        ck_assert(grid_member_may_drain(w.nodes[n].member));
    end();
}
END_TEST

START_TEST(a_term_that_never_came_does_not_hide_the_leader)
{
    three();
    unsigned of = (leader() + 1) % 3, asks = (leader() + 2) % 3;
    struct grid_command c = {.kind = GRID_CACHE_CREATE};
    c.u.cache.path = slice_str("default/mine");
    w.stands = &w.nodes[of];
    run(300);
    w.stands = NULL; /* its power failed before it was written */
    propose(asks, &c, 1);
    run(300);
    ck_assert_uint_eq(w.dones_len, 1);
    ck_assert_int_eq(w.dones[0].err, GRID_OK);
    end();
}
END_TEST

START_TEST(who_cannot_reach_a_leader_is_in_doubt)
{
    three();
    stop(0);
    stop(2);
    struct grid_command c = {.kind = GRID_CACHE_CREATE};
    c.u.cache.path = slice_str("default/mine");
    ck_assert_int_eq(grid_member_propose(w.nodes[1].member, &c, w.now + 500, 7), GRID_OK);
    run(1000);
    ck_assert_uint_eq(w.dones_len, 1);
    ck_assert_int_eq(w.dones[0].err, GRID_EIN_DOUBT);
    end();
    ck_assert_uint_eq(w.dones_len, 1);
}
END_TEST

static void beacon(unsigned to, unsigned from, uint64_t revision)
{
    struct grid_message msg = {.kind = GRID_MSG_BEACON, .member = w.nodes[from].self};
    memcpy(msg.grid_id, w.nodes[0].identity.grid_id, GRID_ID_BYTES);
    memcpy(msg.from, w.nodes[from].info.id, GRID_ID_BYTES);
    msg.u.beacon.sent = w.now;
    msg.u.beacon.to = w.nodes[to].self;
    msg.u.beacon.echo = w.now;
    msg.u.beacon.revision = revision;
    grid_member_receive(w.nodes[to].member, w.now, &msg, "");
}

/* Shards write down what they do by it, and the next start would not know of which grid that is. */
START_TEST(nothing_is_published_before_the_number_is_on_disk)
{
    three();
    struct node *n = &w.nodes[3];
    n->stuck = true;
    start(3, 0);
    run(3000);
    ck_assert_uint_eq(state(0)->nodes_len, 4);
    ck_assert_uint_eq(n->published + n->ins, 0);
    n->stuck = false;
    run(10);
    ck_assert_uint_eq(n->ins, 1);
    ck_assert_uint_eq(n->gones, 0);
    ck_assert_uint_gt(n->published, 0);
    ck_assert_uint_eq(state(3)->revision, state(0)->revision);
    end();
}
END_TEST

START_TEST(a_lease_waits_for_the_state_it_was_granted_at)
{
    three();
    const struct grid_leases *l = grid_member_leases(w.nodes[1].member);
    ck_assert(grid_lease_held(l, w.nodes[2].self, state(1)->revision, w.now));
    uint64_t revision = state(1)->revision;
    w.now += 2 * GRID_LEASE_MS; /* all is lost meanwhile */
    w.first = w.last;
    beacon(1, 2, revision + 1);
    ck_assert(!grid_lease_held(l, w.nodes[2].self, revision + 1, w.now));
    beacon(1, 2, revision);
    ck_assert(grid_lease_held(l, w.nodes[2].self, revision, w.now));
    end();
}
END_TEST

/* A way of 100 ms, and back, and up to a beat between: more than a lease lasts, if nothing were
 * done about it. */
START_TEST(a_lease_is_held_all_the_time_over_a_long_way)
{
    three();
    w.delay = 100;
    run(1000);
    for (unsigned i = 0; i < 400; i++) {
        run(5);
        for (unsigned a = 0; a < 3; a++)
            for (unsigned b = 0; b < 3; b++)
                ck_assert(a == b || grid_lease_held(grid_member_leases(w.nodes[a].member),
                                                    w.nodes[b].self, state(a)->revision, w.now));
    }
    w.delay = 0;
    end();
}
END_TEST

START_TEST(who_leaves_is_gone_at_once_and_does_not_come_back)
{
    three();
    struct replica_member self = w.nodes[2].self;
    const struct grid_leases *own = grid_member_leases(w.nodes[2].member);
    ck_assert(grid_lease_held(own, w.nodes[0].self, state(2)->revision, w.now));
    grid_member_released(w.nodes[2].member, w.now);
    ck_assert(!grid_lease_held(own, w.nodes[0].self, state(2)->revision, w.now));
    run(100);
    ck_assert(!grid_lease_held(own, w.nodes[0].self, state(2)->revision, w.now));
    msec_t floor = grid_lease_granted(grid_member_leases(w.nodes[0].member), self);
    ck_assert_uint_le(floor, w.now);
    ck_assert_int_eq(grid_member_leave(w.nodes[2].member, w.now + 1000, 5), GRID_OK);
    run(300);
    ck_assert(!grid_state_lives(state(0), self));
    ck_assert_uint_eq(w.dones_len, 1);
    ck_assert_int_eq(w.dones[0].err, GRID_OK);
    run(3000);
    ck_assert_uint_eq(w.nodes[2].ins, 1);
    ck_assert_uint_eq(w.nodes[2].gones, 1);
    ck_assert(grid_member_astray(w.nodes[2].member, w.now)); /* its life is over */
    end();
}
END_TEST

/* Each 10 ms; whether it ever was. */
static bool astray_within(unsigned i, msec_t ms)
{
    bool astray = false;
    for (msec_t until = w.now + ms; w.now < until && !astray; run(10))
        astray = grid_member_astray(w.nodes[i].member, w.now);
    return astray;
}

START_TEST(who_hears_nobody_is_astray_and_who_only_misses_the_leader_is_not)
{
    three();
    struct grid_member_status s;
    grid_member_status(w.nodes[0].member, w.now, &s);
    unsigned leader = s.leader - 1;
    ck_assert(!astray_within(leader, 2000));
    stop(leader);
    ck_assert(!astray_within((leader + 1) % 3, 3000)); /* the other one leads, or this one */
    stop((leader + 2) % 3);
    ck_assert(!astray_within((leader + 1) % 3, 500));
    ck_assert(astray_within((leader + 1) % 3, 1000));
    end();
}
END_TEST

/* --- levels --- */

static const struct grid_done *deploy(unsigned i)
{
    static const struct module_function f = {.name = "f"};
    static const struct module_info info = {
        .name = "m", .engine = MODULE_LUA, .source = {(const uint8_t *)"x", 1}, &f, 1};
    struct grid_command c = {.kind = GRID_MODULE_DEPLOY, .u.module = {&info, true}};
    size_t at = w.dones_len;
    propose(i, &c, 7);
    run(500);
    ck_assert_uint_eq(w.dones_len, at + 1);
    return &w.dones[at];
}

START_TEST(what_an_older_node_cannot_read_is_refused_by_its_name_until_it_is_upgraded)
{
    begin();
    for (unsigned i = 0; i < 4; i++) {
        w.nodes[i].info.level = i == 3 ? 0 : GRID_LEVEL;
        start(i, 4);
    }
    run(4000);
    for (unsigned i = 0; i < 3; i++) {
        const struct grid_done *d = deploy(i);
        ck_assert_int_eq(d->err, GRID_EUNSUPPORTED);
        ck_assert_str_eq(w.whys[d - w.dones],
                         "this needs feature level 2, and the grid is at 1: upgrade or remove the "
                         "older nodes: n3 (level 1)");
        ck_assert_uint_eq(grid_member_level(w.nodes[i].member,
                                            grid_state_node_by_id(state(i), w.nodes[3].info.id)),
                          1);
    }
    stop(3);
    run(3000);
    ck_assert_int_eq(deploy(0)->err, GRID_EUNSUPPORTED); /* it may be back */
    w.nodes[3].info.level = GRID_LEVEL;
    memset(&w.nodes[3].identity.founder, 0, GRID_ID_BYTES);
    start(3, 0);
    run(3000);
    ck_assert_uint_eq(w.nodes[3].ins, 2);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_uint_eq(state(i)->level, GRID_LEVEL);
        ck_assert_int_eq(deploy(i)->err, GRID_OK);
    }
    end();
}
END_TEST

START_TEST(who_does_not_know_the_level_of_the_grid_is_told_so_and_stays_out)
{
    begin();
    for (unsigned i = 0; i < 3; i++) {
        w.nodes[i].info.level = GRID_LEVEL;
        start(i, 3);
    }
    run(2500);
    start(3, 0);
    run(5000);
    ck_assert_uint_eq(w.nodes[3].refusals, 1);
    ck_assert_str_eq(w.nodes[3].why, "the grid uses feature level 4, and this version of gridd "
                                     "knows levels up to 1: start a newer version");
    ck_assert_uint_eq(state(0)->nodes_len, 3);
    stop(3);
    w.nodes[3].info.level = GRID_LEVEL + 1; /* newer than all */
    start(3, 0);
    run(3000);
    ck_assert_uint_eq(w.nodes[3].ins, 1);
    ck_assert_uint_eq(state(3)->level, GRID_LEVEL);
    end();
}
END_TEST

UNIT_MAIN("grid/member", one_founds_at_once, one_asks_its_peers_for_a_grid_before_it_founds_one,
          three_agree_and_vote, a_grid_of_another_name_is_refused_by_name,
          the_data_of_another_grid_is_refused, a_name_that_is_taken_is_refused_until_it_is_free,
          who_is_refused_for_its_name_takes_the_place_when_its_owner_goes_down,
          a_node_that_is_elsewhere_now_keeps_its_number,
          an_outcome_is_told_once_and_with_its_reason,
          changes_of_partitions_travel_together_and_are_answered_each,
          what_is_asked_while_the_lead_is_handed_on_is_answered_soon,
          the_lead_does_not_go_round_among_nodes_that_all_stop,
          a_term_that_never_came_does_not_hide_the_leader, who_cannot_reach_a_leader_is_in_doubt,
          nothing_is_published_before_the_number_is_on_disk,
          a_lease_waits_for_the_state_it_was_granted_at,
          a_lease_is_held_all_the_time_over_a_long_way,
          who_leaves_is_gone_at_once_and_does_not_come_back,
          who_hears_nobody_is_astray_and_who_only_misses_the_leader_is_not,
          what_an_older_node_cannot_read_is_refused_by_its_name_until_it_is_upgraded,
          who_does_not_know_the_level_of_the_grid_is_told_so_and_stays_out)
