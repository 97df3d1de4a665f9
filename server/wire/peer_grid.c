/* peer_grid.c - the control plane's messages, written. By protobuf-c: they are few. */
#include "wire/peer.h"

#include "peer.pb-c.h"
#include "raft/raft.h"
#include "wire/wire_priv.h"

static ProtobufCBinaryData id_bytes(const uint8_t *id)
{
    static const uint8_t none[GRID_ID_BYTES];
    size_t len = memcmp(id, none, GRID_ID_BYTES) == 0 ? 0 : GRID_ID_BYTES;
    return (ProtobufCBinaryData){len, (uint8_t *)(void *)wire_text((const char *)id)};
}

static ProtobufCBinaryData slice_bytes(struct slice s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(void *)wire_text((const char *)s.data)};
}

/* NULL, which is not written, for nobody. */
static Peer__Life *life(struct arena *a, struct replica_member m)
{
    if (!m.node && !m.boot)
        return NULL;
    Peer__Life *l = wire_take(a, 1, sizeof *l);
    peer__life__init(l);
    l->node = m.node;
    l->boot = m.boot;
    return l;
}

static Peer__NodeInfo *info(struct arena *a, const struct node_info *from)
{
    Peer__NodeInfo *to = wire_take(a, 1, sizeof *to);
    peer__node_info__init(to);
    to->id = id_bytes(from->id);
    to->boot_id = id_bytes(from->boot_id);
    to->name = wire_text(from->name);
    to->labels = wire_text(from->labels);
    to->address = wire_take(a, ADDRESSES, sizeof *to->address);
    to->n_address = ADDRESSES;
    for (unsigned i = 0; i < ADDRESSES; i++)
        to->address[i] = wire_text(from->address[i]);
    to->weight = from->weight;
    to->shards = from->shards;
    to->level = from->level;
    return to;
}

static Peer__Sight **sights(struct arena *a, const struct grid_sight *from, size_t len)
{
    Peer__Sight **list = wire_take(a, len, sizeof *list);
    Peer__Sight *all = wire_take(a, len, sizeof *all);
    for (size_t i = 0; i < len; i++) {
        list[i] = &all[i];
        peer__sight__init(&all[i]);
        all[i].id = id_bytes(from[i].id);
        all[i].address = wire_text(from[i].address);
        all[i].heard = from[i].heard;
    }
    return list;
}

static void put_hello(Peer__Grid *g, const struct grid_message *m, struct arena *a)
{
    const struct grid_hello *from = &m->u.hello;
    Peer__GridHello *to = g->hello = wire_take(a, 1, sizeof *to);
    peer__grid_hello__init(to);
    to->info = info(a, from->info);
    to->grid = wire_text(from->grid);
    to->bootstrap_expect = from->bootstrap_expect;
    to->founder = id_bytes(from->founder);
    to->attempt = id_bytes(from->attempt);
    to->sights = sights(a, from->sights, from->sights_len);
    to->n_sights = from->sights_len;
    to->echo = from->echo;
}

static void put_welcome(Peer__Grid *g, const struct grid_message *m, struct arena *a)
{
    const struct grid_welcome *from = &m->u.welcome;
    Peer__Welcome *to = g->welcome = wire_take(a, 1, sizeof *to);
    peer__welcome__init(to);
    to->grid = wire_text(from->grid);
    to->boot_id = id_bytes(from->boot_id);
    to->you = life(a, from->you);
    to->gone = from->gone;
    to->refuses = from->refused != NULL;
    to->refused = wire_text(from->refused);
    to->for_good = from->for_good;
    to->sent = from->sent;
    to->leader = from->leader;
    to->leader_id = id_bytes(from->leader_id);
    to->leader_address = wire_text(from->leader_address);
    to->nodes = sights(a, from->nodes, from->nodes_len);
    to->n_nodes = from->nodes_len;
}

static void put_beacon(Peer__Grid *g, const struct grid_message *m, struct arena *a)
{
    const struct grid_beacon *from = &m->u.beacon;
    Peer__Beacon *to = g->beacon = wire_take(a, 1, sizeof *to);
    peer__beacon__init(to);
    to->sent = from->sent;
    to->to = life(a, from->to);
    to->echo = from->echo;
    to->revision = from->revision;
    to->term = from->term;
    to->leader = from->leader;
    to->probe = from->probe;
    to->released = from->released;
    to->follow = from->follow;
    to->restart = from->restart;
    to->gone = from->gone;
    to->stops = from->stops;
    to->level = from->level;
    to->quiet = wire_take(a, from->quiet_len, sizeof *to->quiet);
    if (from->quiet_len)
        memcpy(to->quiet, from->quiet, from->quiet_len * sizeof *to->quiet);
    to->n_quiet = from->quiet_len;
}

static Peer__Entry **entries(struct arena *a, const struct raft_entry *from, size_t len)
{
    Peer__Entry **list = wire_take(a, len, sizeof *list);
    Peer__Entry *all = wire_take(a, len, sizeof *all);
    for (size_t i = 0; i < len; i++) {
        list[i] = &all[i];
        peer__entry__init(&all[i]);
        all[i].term = from[i].term;
        all[i].kind = (uint32_t)from[i].kind;
        all[i].data = slice_bytes(from[i].data);
    }
    return list;
}

static void put_raft(Peer__Grid *g, const struct grid_message *m, struct arena *a)
{
    const struct raft_message *from = m->u.raft;
    Peer__Raft *to = g->raft = wire_take(a, 1, sizeof *to);
    struct buf members = BUF_INIT;
    peer__raft__init(to);
    to->kind = (uint32_t)from->kind;
    to->from = from->from;
    to->to = from->to;
    to->term = from->term;
    to->index = from->index;
    to->log_term = from->log_term;
    to->commit = from->commit;
    to->round = from->round;
    to->asked = from->asked;
    to->ok = from->ok;
    to->force = from->force;
    to->entries = entries(a, from->entries, from->entries_len);
    to->n_entries = from->entries_len;
    to->offset = from->offset;
    to->total = from->total;
    to->data = slice_bytes(from->data);
    if (!from->membership)
        return;
    raft_membership_encode(from->membership, &members);
    to->membership.data = wire_take(a, 1, members.len);
    memcpy(to->membership.data, members.data, members.len);
    to->membership.len = members.len;
    buf_release(&members);
}

static void put_piece(Peer__Grid *g, const struct grid_message *m, struct arena *a)
{
    const struct grid_piece *from = &m->u.piece;
    Peer__Piece *to = g->piece = wire_take(a, 1, sizeof *to);
    peer__piece__init(to);
    to->revision = from->revision;
    to->offset = from->offset;
    to->total = from->total;
    to->data = slice_bytes(from->bytes);
}

static void put_delta(Peer__Grid *g, const struct grid_message *m, struct arena *a)
{
    Peer__Delta *to = g->delta = wire_take(a, 1, sizeof *to);
    peer__delta__init(to);
    to->revision = m->u.delta.revision;
    to->data = slice_bytes(m->u.delta.bytes);
}

static void put_propose(Peer__Grid *g, const struct grid_message *m, struct arena *a)
{
    Peer__Propose *to = g->propose = wire_take(a, 1, sizeof *to);
    peer__propose__init(to);
    to->session = m->u.propose.session;
    to->number = m->u.propose.number;
    to->command = slice_bytes(m->u.propose.command);
}

static void put_outcome(Peer__Grid *g, const struct grid_message *m, struct arena *a)
{
    const struct grid_answer *from = &m->u.answer;
    Peer__Outcome *to = g->outcome = wire_take(a, 1, sizeof *to);
    peer__outcome__init(to);
    to->session = from->session;
    to->number = from->number;
    to->revision = from->revision;
    to->status = (uint32_t)from->outcome->err;
    to->why = wire_text(from->outcome->why);
    to->repeated_before = from->outcome->repeated;
    to->changed = from->outcome->changed;
    to->member = life(a, from->outcome->member);
    to->parts = slice_bytes(slice_make(from->outcome->part_err, from->parts_len));
}

static void put_news(Peer__Grid *g, const struct grid_message *m, struct arena *a)
{
    const struct grid_news *from = &m->u.news;
    Peer__News *to = g->news = wire_take(a, 1, sizeof *to);
    Peer__Report *reports = wire_take(a, from->reports_len, sizeof *reports);
    Peer__Progress *progress = wire_take(a, from->progress_len, sizeof *progress);
    peer__news__init(to);
    to->n_reports = from->reports_len;
    to->reports = wire_take(a, from->reports_len, sizeof *to->reports);
    for (size_t i = 0; i < from->reports_len; i++) {
        Peer__Report *r = to->reports[i] = &reports[i];
        peer__report__init(r);
        r->context = from->reports[i].context;
        r->partition = from->reports[i].partition;
        r->member = life(a, from->reports[i].member);
        r->epoch = from->reports[i].epoch;
        r->seq = from->reports[i].seq;
        r->broken = from->reports[i].broken;
    }
    to->n_progress = from->progress_len;
    to->progress = wire_take(a, from->progress_len, sizeof *to->progress);
    for (size_t i = 0; i < from->progress_len; i++) {
        Peer__Progress *p = to->progress[i] = &progress[i];
        peer__progress__init(p);
        p->context = from->progress[i].context;
        p->partition = from->progress[i].partition;
        p->bytes_left = from->progress[i].bytes_left;
    }
}

static void put_ask(Peer__Grid *g, const struct grid_message *m, struct arena *a)
{
    const struct plan_ask *from = &m->u.ask;
    Peer__Ask *to = g->ask = wire_take(a, 1, sizeof *to);
    peer__ask__init(to);
    to->context = from->context;
    to->partition = from->partition;
    to->epoch = from->epoch;
    to->primary = life(a, from->primary);
    to->to = life(a, from->to);
}

static const struct {
    Peer__Grid__MessageCase which;
    void (*put)(Peer__Grid *g, const struct grid_message *m, struct arena *a);
} ROWS[] = {
    [GRID_MSG_HELLO] = {PEER__GRID__MESSAGE_HELLO, put_hello},
    [GRID_MSG_WELCOME] = {PEER__GRID__MESSAGE_WELCOME, put_welcome},
    [GRID_MSG_BEACON] = {PEER__GRID__MESSAGE_BEACON, put_beacon},
    [GRID_MSG_RAFT] = {PEER__GRID__MESSAGE_RAFT, put_raft},
    [GRID_MSG_PIECE] = {PEER__GRID__MESSAGE_PIECE, put_piece},
    [GRID_MSG_DELTA] = {PEER__GRID__MESSAGE_DELTA, put_delta},
    [GRID_MSG_PROPOSE] = {PEER__GRID__MESSAGE_PROPOSE, put_propose},
    [GRID_MSG_OUTCOME] = {PEER__GRID__MESSAGE_OUTCOME, put_outcome},
    [GRID_MSG_NEWS] = {PEER__GRID__MESSAGE_NEWS, put_news},
    [GRID_MSG_ASK] = {PEER__GRID__MESSAGE_ASK, put_ask},
};

void wire_grid_encode(const struct grid_message *m, struct buf *out)
{
    CHECK(m->kind < sizeof ROWS / sizeof *ROWS && ROWS[m->kind].put);
    struct arena *a = arena_new(SIZE_MAX / 2);
    Peer__Grid g;
    peer__grid__init(&g);
    g.grid_id = id_bytes(m->grid_id);
    g.from = id_bytes(m->from);
    g.member = life(a, m->member);
    g.message_case = ROWS[m->kind].which;
    ROWS[m->kind].put(&g, m, a);
    wire_pack(&g.base, out);
    arena_free(a);
}
