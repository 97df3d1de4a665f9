/* peer_grid_decode.c - the control plane's messages, read. What is within the limits of
 * grid/message.h and of people's text passes; what it means is for grid to check. */
#include "wire/peer.h"

#include "peer.pb-c.h"
#include "raft/raft.h"
#include "wire/wire_priv.h"

static bool get_id(uint8_t to[GRID_ID_BYTES], ProtobufCBinaryData from)
{
    memset(to, 0, GRID_ID_BYTES);
    if (from.len == GRID_ID_BYTES)
        memcpy(to, from.data, GRID_ID_BYTES);
    return from.len == 0 || from.len == GRID_ID_BYTES;
}

static bool get_text(const char **to, const char *from, size_t max)
{
    *to = from;
    return strlen(from) <= max && wire_text_ok(from);
}

static struct replica_member get_life(const Peer__Life *from)
{
    return from ? (struct replica_member){from->node, from->boot} : (struct replica_member){0, 0};
}

static bool get_info(const struct node_info **to, const Peer__NodeInfo *from, struct arena *a)
{
    struct node_info *n = from ? arena_calloc(a, 1, sizeof *n) : NULL;
    bool ok = n && from->n_address <= 16 && get_id(n->id, from->id) &&
              get_id(n->boot_id, from->boot_id) &&
              wire_text_copy(n->name, sizeof n->name, from->name) &&
              wire_text_copy(n->labels, sizeof n->labels, from->labels);
    for (size_t i = 0; ok && i < from->n_address && i < ADDRESSES; i++)
        ok = wire_text_copy(n->address[i], sizeof n->address[i], from->address[i]);
    if (!ok)
        return false;
    n->weight = from->weight;
    n->shards = from->shards;
    n->level = from->level;
    *to = n;
    return true;
}

static bool get_sights(const struct grid_sight **to, size_t *to_len, Peer__Sight *const *from,
                       size_t len, struct arena *a)
{
    struct grid_sight *list = len <= GRID_SIGHTS_MAX ? arena_calloc(a, len, sizeof *list) : NULL;
    if (!list)
        return false;
    for (size_t i = 0; i < len; i++) {
        list[i].heard = from[i]->heard;
        if (!get_id(list[i].id, from[i]->id) ||
            !wire_text_copy(list[i].address, sizeof list[i].address, from[i]->address))
            return false;
    }
    *to = list;
    *to_len = len;
    return true;
}

/* Each makes m->u of g; false: malformed, or no room. */

static bool get_hello(struct grid_message *m, const Peer__Grid *g, struct arena *a)
{
    struct grid_hello *to = &m->u.hello;
    const Peer__GridHello *from = g->hello;
    to->bootstrap_expect = from->bootstrap_expect;
    to->echo = from->echo;
    return get_info(&to->info, from->info, a) && get_text(&to->grid, from->grid, NAME_BYTES_MAX) &&
           get_id(to->founder, from->founder) && get_id(to->attempt, from->attempt) &&
           get_sights(&to->sights, &to->sights_len, from->sights, from->n_sights, a);
}

static bool get_welcome(struct grid_message *m, const Peer__Grid *g, struct arena *a)
{
    struct grid_welcome *to = &m->u.welcome;
    const Peer__Welcome *from = g->welcome;
    to->you = get_life(from->you);
    to->gone = from->gone;
    to->for_good = from->for_good;
    to->sent = from->sent;
    to->leader = from->leader;
    bool ok = get_text(&to->grid, from->grid, NAME_BYTES_MAX) &&
              get_id(to->boot_id, from->boot_id) && get_id(to->leader_id, from->leader_id) &&
              get_text(&to->refused, from->refused, WHY_BYTES) &&
              get_text(&to->leader_address, from->leader_address, GRID_ADDRESS_BYTES_MAX) &&
              get_sights(&to->nodes, &to->nodes_len, from->nodes, from->n_nodes, a);
    if (!from->refuses)
        to->refused = NULL;
    return ok;
}

static bool get_beacon(struct grid_message *m, const Peer__Grid *g, struct arena *a)
{
    (void)a;
    const Peer__Beacon *from = g->beacon;
    m->u.beacon = (struct grid_beacon){
        .sent = from->sent,
        .to = get_life(from->to),
        .echo = from->echo,
        .revision = from->revision,
        .term = from->term,
        .leader = from->leader,
        .probe = from->probe,
        .released = from->released,
        .follow = from->follow,
        .restart = from->restart,
        .gone = from->gone,
        .stops = from->stops,
        .level = from->level,
        .quiet = from->quiet,
        .quiet_len = from->n_quiet,
    };
    return from->n_quiet <= GRID_QUIET_MAX;
}

static bool get_entries(struct raft_message *to, const Peer__Raft *from, struct arena *a)
{
    struct raft_entry *list = arena_calloc(a, from->n_entries, sizeof *list);
    if (!list || from->index > UINT64_MAX - from->n_entries)
        return false;
    for (size_t i = 0; i < from->n_entries; i++) {
        const Peer__Entry *e = from->entries[i];
        if (e->kind < RAFT_ENTRY_NOOP || e->kind > RAFT_ENTRY_MEMBERSHIP)
            return false;
        list[i] = (struct raft_entry){from->index + 1 + i, e->term, (enum raft_entry_kind)e->kind,
                                      wire_bytes(e->data)};
    }
    to->entries = list;
    to->entries_len = from->n_entries;
    return true;
}

static bool get_members(struct raft_message *to, const Peer__Raft *from, struct arena *a)
{
    if (!from->membership.len)
        return true;
    struct raft_membership *members = arena_calloc(a, 1, sizeof *members);
    to->membership = members;
    return members && raft_membership_decode(wire_bytes(from->membership), members);
}

static bool get_raft(struct grid_message *m, const Peer__Grid *g, struct arena *a)
{
    const Peer__Raft *from = g->raft;
    struct raft_message *to = arena_calloc(a, 1, sizeof *to);
    if (!to || from->kind < RAFT_MESSAGE_PREVOTE || from->kind > RAFT_MESSAGE_TIMEOUT_NOW)
        return false;
    *to = (struct raft_message){
        .kind = (enum raft_message_kind)from->kind,
        .from = from->from,
        .to = from->to,
        .term = from->term,
        .index = from->index,
        .log_term = from->log_term,
        .commit = from->commit,
        .round = from->round,
        .asked = from->asked,
        .ok = from->ok,
        .force = from->force,
        .offset = from->offset,
        .total = from->total,
        .data = wire_bytes(from->data),
    };
    m->u.raft = to;
    return get_entries(to, from, a) && get_members(to, from, a);
}

static bool get_piece(struct grid_message *m, const Peer__Grid *g, struct arena *a)
{
    (void)a;
    const Peer__Piece *from = g->piece;
    m->u.piece =
        (struct grid_piece){from->revision, from->offset, from->total, wire_bytes(from->data)};
    return true;
}

static bool get_delta(struct grid_message *m, const Peer__Grid *g, struct arena *a)
{
    (void)a;
    m->u.delta = (struct grid_delta){g->delta->revision, wire_bytes(g->delta->data)};
    return true;
}

static bool get_propose(struct grid_message *m, const Peer__Grid *g, struct arena *a)
{
    (void)a;
    const Peer__Propose *from = g->propose;
    m->u.propose = (struct grid_propose){from->session, from->number, wire_bytes(from->command)};
    return true;
}

static bool get_outcome(struct grid_message *m, const Peer__Grid *g, struct arena *a)
{
    struct grid_answer *to = &m->u.answer;
    const Peer__Outcome *from = g->outcome;
    struct grid_outcome *o = arena_calloc(a, 1, sizeof *o);
    if (!o || from->parts.len > GRID_PARTS_MAX || from->status > UINT8_MAX ||
        !wire_text_copy(o->why, sizeof o->why, from->why))
        return false;
    to->session = from->session;
    to->number = from->number;
    to->revision = from->revision;
    to->outcome = o;
    to->parts_len = (uint32_t)from->parts.len;
    o->err = (enum grid_err)from->status;
    o->repeated = from->repeated_before;
    o->changed = from->changed;
    o->member = get_life(from->member);
    if (from->parts.len)
        memcpy(o->part_err, from->parts.data, from->parts.len);
    return true;
}

static bool get_news(struct grid_message *m, const Peer__Grid *g, struct arena *a)
{
    struct grid_news *to = &m->u.news;
    const Peer__News *from = g->news;
    if (from->n_reports > GRID_NEWS_MAX || from->n_progress > GRID_NEWS_MAX)
        return false;
    struct plan_report *reports = arena_calloc(a, from->n_reports, sizeof *reports);
    struct plan_progress *progress = arena_calloc(a, from->n_progress, sizeof *progress);
    if (!reports || !progress)
        return false;
    for (size_t i = 0; i < from->n_reports; i++) {
        const Peer__Report *r = from->reports[i];
        reports[i] = (struct plan_report){r->context, r->partition, get_life(r->member),
                                          r->epoch,   r->seq,       r->broken};
    }
    for (size_t i = 0; i < from->n_progress; i++) {
        const Peer__Progress *p = from->progress[i];
        progress[i] = (struct plan_progress){p->context, p->partition, p->bytes_left};
    }
    *to = (struct grid_news){reports, from->n_reports, progress, from->n_progress};
    return true;
}

static bool get_ask(struct grid_message *m, const Peer__Grid *g, struct arena *a)
{
    (void)a;
    const Peer__Ask *from = g->ask;
    m->u.ask = (struct plan_ask){from->context, from->partition, from->epoch,
                                 get_life(from->primary), get_life(from->to)};
    return true;
}

static const struct {
    Peer__Grid__MessageCase which;
    enum grid_message_kind kind;
    bool (*get)(struct grid_message *m, const Peer__Grid *g, struct arena *a);
} ROWS[] = {
    {PEER__GRID__MESSAGE_HELLO, GRID_MSG_HELLO, get_hello},
    {PEER__GRID__MESSAGE_WELCOME, GRID_MSG_WELCOME, get_welcome},
    {PEER__GRID__MESSAGE_BEACON, GRID_MSG_BEACON, get_beacon},
    {PEER__GRID__MESSAGE_RAFT, GRID_MSG_RAFT, get_raft},
    {PEER__GRID__MESSAGE_PIECE, GRID_MSG_PIECE, get_piece},
    {PEER__GRID__MESSAGE_DELTA, GRID_MSG_DELTA, get_delta},
    {PEER__GRID__MESSAGE_PROPOSE, GRID_MSG_PROPOSE, get_propose},
    {PEER__GRID__MESSAGE_OUTCOME, GRID_MSG_OUTCOME, get_outcome},
    {PEER__GRID__MESSAGE_NEWS, GRID_MSG_NEWS, get_news},
    {PEER__GRID__MESSAGE_ASK, GRID_MSG_ASK, get_ask},
};

enum grid_err wire_grid_decode(struct slice in, struct arena *arena,
                               struct grid_message *ret_message)
{
    const Peer__Grid *g =
        (const Peer__Grid *)(void *)wire_unpack(&peer__grid__descriptor, in, arena);
    struct grid_message m = {0};
    if (g && get_id(m.grid_id, g->grid_id) && get_id(m.from, g->from)) {
        m.member = get_life(g->member);
        for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
            m.kind = ROWS[i].kind;
            if (g->message_case != ROWS[i].which || !ROWS[i].get(&m, g, arena))
                continue;
            *ret_message = m;
            return GRID_OK;
        }
    }
    if (arena_refused(arena))
        return GRID_ENOMEM;
    return g && g->message_case == PEER__GRID__MESSAGE__NOT_SET ? GRID_EUNSUPPORTED
                                                                : GRID_EBAD_REQUEST;
}
