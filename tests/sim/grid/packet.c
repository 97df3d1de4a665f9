/* packet.c - a message with copies of all it borrows, for its time on the network. */
#include "tests/sim/grid/world.h"

#include "base/alloc.h"

#include <stdlib.h>

struct copy {
    struct copy *next;
};

struct packet {
    struct grid_message msg;
    struct copy *copies;
};

static const void *keep(struct packet *p, const void *data, size_t bytes)
{
    if (!data)
        return NULL;
    struct copy *c = xalloc(sizeof *c + bytes + 1);
    c->next = p->copies;
    p->copies = c;
    memcpy(c + 1, data, bytes);
    ((char *)(c + 1))[bytes] = 0;
    return c + 1;
}

static const char *keep_text(struct packet *p, const char *text)
{
    return text ? keep(p, text, strlen(text)) : NULL;
}

static struct slice keep_slice(struct packet *p, struct slice s)
{
    return slice_make(keep(p, s.data, s.len), s.len);
}

static void keep_raft(struct packet *p)
{
    struct raft_message r = *p->msg.u.raft;
    struct raft_entry *entries = NULL;
    if (r.entries_len) {
        entries = xcalloc(r.entries_len, sizeof *entries);
        for (size_t i = 0; i < r.entries_len; i++) {
            entries[i] = r.entries[i];
            entries[i].data = keep_slice(p, r.entries[i].data);
        }
        r.entries = keep(p, entries, r.entries_len * sizeof *entries);
    }
    free(entries);
    if (r.membership)
        r.membership = keep(p, r.membership, sizeof *r.membership);
    r.data = keep_slice(p, r.data);
    p->msg.u.raft = keep(p, &r, sizeof r);
}

struct packet *packet_new(const struct grid_message *msg)
{
    struct packet *p = xcalloc(1, sizeof *p);
    p->msg = *msg;
    struct grid_hello *h = &p->msg.u.hello;
    struct grid_welcome *w = &p->msg.u.welcome;
    switch (msg->kind) {
    case GRID_MSG_HELLO:
        h->info = keep(p, h->info, sizeof *h->info);
        h->grid = keep_text(p, h->grid);
        h->sights = keep(p, h->sights, h->sights_len * sizeof *h->sights);
        break;
    case GRID_MSG_WELCOME:
        w->grid = keep_text(p, w->grid);
        w->refused = keep_text(p, w->refused);
        w->leader_address = keep_text(p, w->leader_address);
        w->nodes = keep(p, w->nodes, w->nodes_len * sizeof *w->nodes);
        break;
    case GRID_MSG_BEACON:
        p->msg.u.beacon.quiet =
            keep(p, msg->u.beacon.quiet, msg->u.beacon.quiet_len * sizeof(uint32_t));
        break;
    case GRID_MSG_RAFT:
        keep_raft(p);
        break;
    case GRID_MSG_PIECE:
        p->msg.u.piece.bytes = keep_slice(p, msg->u.piece.bytes);
        break;
    case GRID_MSG_DELTA:
        p->msg.u.delta.bytes = keep_slice(p, msg->u.delta.bytes);
        break;
    case GRID_MSG_PROPOSE:
        p->msg.u.propose.command = keep_slice(p, msg->u.propose.command);
        break;
    case GRID_MSG_OUTCOME:
        p->msg.u.answer.outcome = keep(p, msg->u.answer.outcome, sizeof *msg->u.answer.outcome);
        break;
    case GRID_MSG_NEWS:
        p->msg.u.news.reports =
            keep(p, msg->u.news.reports, msg->u.news.reports_len * sizeof(struct plan_report));
        p->msg.u.news.progress =
            keep(p, msg->u.news.progress, msg->u.news.progress_len * sizeof(struct plan_progress));
        break;
    case GRID_MSG_ASK:
        break;
    }
    return p;
}

const struct grid_message *packet_message(const struct packet *p)
{
    return &p->msg;
}

void packet_free(struct packet *p)
{
    if (!p)
        return;
    while (p->copies) {
        struct copy *c = p->copies;
        p->copies = c->next;
        free(c);
    }
    free(p);
}
