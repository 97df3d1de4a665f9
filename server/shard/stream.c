/* stream.c - records to other members: what the tail keeps goes into messages, as many in one as
 * the link takes. */
#include "shard/others_priv.h"

#include <stdlib.h>

enum { RECORDS_PER_MESSAGE = 512, BYTES_PER_MESSAGE = 1 << 20 };

bool record_too_large(const struct record *rec)
{
    return record_size_max(rec) > SHARED_RECORD_BYTES_MAX;
}

void record_keep(struct shard *s, struct partition *p, const struct record *rec)
{
    if (!p->context->info->backups && !p->replica.set) {
        if (p->tail)
            tail_forget(p); /* it ends with the newest record, or is none */
        return;
    }
    p->tail = tail_add(&s->sharing->tail, p->tail, replica_last(&p->replica), rec);
}

void tail_forget(struct partition *p)
{
    p->tail = 0;
    for (uint32_t i = 0; p->others && i < p->others->out_len; i++)
        p->others->out[i].at = 0; /* what follows it there was cut */
}

void partition_tail_check(const struct shard *s, const struct partition *p)
{
    struct tail_record r;
    if (s->sharing && tail_at(&s->sharing->tail, p->tail, &r))
        CHECK(r.version == replica_last(&p->replica));
}

struct outgoing *outgoing_of(struct partition *p, struct replica_member to)
{
    struct others *o = others_of(p);
    for (uint32_t i = 0; i < o->out_len; i++)
        if (replica_member_eq(o->out[i].to, to))
            return &o->out[i];
    for (uint32_t i = 0; i < o->out_len; i++)
        if (!o->out[i].copy && o->out[i].to.node == to.node) {
            o->out[i] = (struct outgoing){.to = to};
            return &o->out[i];
        }
    o->out = xrealloc(o->out, o->out_len + 1, sizeof *o->out);
    o->out[o->out_len] = (struct outgoing){.to = to};
    return &o->out[o->out_len++];
}

/* While a copy goes out, all goes the copy's way, for the order of both matters. */
enum shard_class stream_class(const struct partition *p, struct replica_member to)
{
    const struct others *o = p->others;
    for (uint32_t i = 0; o && i < o->out_len; i++)
        if (replica_member_eq(o->out[i].to, to) && o->out[i].copy)
            return SHARD_BULK;
    return SHARD_RECORDS;
}

/* Where records for a member are now: the tail, or a page of the log on disk. */
struct source {
    const struct tail *tail;
    tail_place last;
};

static struct source source_of(const struct shard *s, const struct partition *p,
                               const struct outgoing *out)
{
    if (out->stored)
        return (struct source){&s->sharing->rejoin.page, p->others->page_at};
    return (struct source){&s->sharing->tail, p->tail};
}

/* The place of the record after `version`. False: it is not kept. */
static bool next_place(const struct source *from, const struct outgoing *out, uint64_t version,
                       tail_place *ret_place)
{
    struct tail_record r;
    const struct tail *t = from->tail;
    if (out->at && out->version == version && tail_at(t, out->at, &r) && r.version == version) {
        *ret_place = r.after;
        return tail_at(t, r.after, &r) && r.version_before == version;
    }
    return tail_find_after(t, from->last, version, ret_place);
}

/* One message of what follows *place; moves it on. Returns its bytes. */
static size_t records_send(struct shard *s, struct partition *p, struct outgoing *out,
                           struct replica_message *m, const struct tail *from, tail_place *place,
                           size_t room)
{
    struct slice records[RECORDS_PER_MESSAGE];
    size_t len = 0, bytes = 0;
    struct tail_record r;
    while (len < RECORDS_PER_MESSAGE && bytes < room && tail_at(from, *place, &r)) {
        records[len++] = r.bytes;
        bytes += r.bytes.len;
        out->version = r.version;
        out->at = *place;
        *place = r.after;
    }
    struct shard_message message = {
        .kind = SHARD_REPLICA, .replica = *m, .records = records, .records_len = len};
    message_send(s, p, out->to, out->copy ? SHARD_BULK : SHARD_RECORDS, &message);
    m->version = out->version;
    return bytes;
}

uint64_t port_stream(void *ctx, struct replica *r, struct replica_member to,
                     const struct replica_message *m)
{
    struct shard *s = ctx;
    struct partition *p = container_of(r, struct partition, replica);
    struct outgoing *out = outgoing_of(p, to);
    struct replica_message rest = *m;
    struct shard_message message = {.kind = SHARD_REPLICA, .replica = *m};
    enum shard_class class = out->copy ? SHARD_BULK : SHARD_RECORDS;
    if (m->version == replica_last(r)) {
        message_send(s, p, to, class, &message);
        return m->version;
    }
    if (out->stored && (out->version != m->version || !replica_rejoins(r, to)))
        rejoin_leave(out); /* it begins anew, or is in sync */
    struct source from = source_of(s, p, out);
    tail_place place;
    if (!next_place(&from, out, m->version, &place))
        return out->stored || rejoin_wants(s, p, out, m->version) ? m->version : UINT64_MAX;
    struct shard_to at;
    size_t room =
        member_place(s, p, to, &at) ? s->ports.grid->peer_room(s->ports.ctx, &at, class) : 0;
    while (room && place) {
        size_t most = room < BYTES_PER_MESSAGE ? room : (size_t)BYTES_PER_MESSAGE;
        size_t bytes = records_send(s, p, out, &rest, from.tail, &place, most);
        room -= bytes < room ? bytes : room;
    }
    if (place && list_empty(&p->stuck))
        list_push_back(&s->sharing->stuck, &p->stuck);
    return rest.version;
}
