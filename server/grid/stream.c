/* stream.c - states for those who do not take part in the log, or lag behind it: what a follower
 * lacks is pushed to it, commands by commands, or as a snapshot in pieces. A follower's beacons say
 * how far it is, so what is lost is sent again. */
#include "grid/parts_priv.h"

/* --- following --- */

/* The leader while it is heard, else whoever is heard and has the newest state. */
static const struct grid_peer *source(const struct grid_member *m)
{
    const struct grid_peer *leader = known_by_number(m, m->leader);
    if (leader && leader->seen && m->now < leader->seen + ASLEEP_MS)
        return leader;
    const struct grid_peer *best = NULL;
    for (size_t i = 0; i < m->peers_len; i++) {
        const struct grid_peer *p = m->peers[i];
        if (!p->revision || m->now >= p->seen + ASLEEP_MS)
            continue;
        if (!best || p->revision > best->revision)
            best = p;
    }
    return best;
}

bool stream_wanted(const struct grid_member *m, const struct grid_peer *from)
{
    if (m->lead || (consensus_takes_part(m) && !m->lag_since))
        return false;
    if (consensus_takes_part(m) && m->now < m->lag_since + LAG_MS)
        return false;
    return source(m) == from;
}

void stream_step(struct grid_member *m)
{
    bool behind = false;
    for (size_t i = 0; i < m->peers_len; i++) {
        const struct grid_peer *p = m->peers[i];
        behind = behind || (m->now < p->seen + ASLEEP_MS && p->revision > m->state->revision);
    }
    if (!behind)
        m->lag_since = 0;
    else if (!m->lag_since)
        m->lag_since = m->now;
    if (m->snapshot_revision && m->snapshot_revision != m->state->revision) {
        buf_release(&m->snapshot);
        m->snapshot_revision = 0;
    }
}

/* A state of the stream is ours when it is of this grid. */
static void take(struct grid_member *m, struct grid_state *s)
{
    m->piece_bad = false;
    if (!id_eq(s->grid_id, m->identity.grid_id)) {
        grid_state_unref(s);
        return;
    }
    publish_take(m, s);
}

void member_on_piece(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg)
{
    const struct grid_piece *piece = &msg->u.piece;
    (void)p;
    if (piece->revision <= m->state->revision || piece->total > (1u << 30) ||
        piece->bytes.len > piece->total)
        return;
    if (piece->offset == 0) {
        buf_release(&m->piece);
        m->piece_revision = piece->revision;
        m->piece_total = piece->total;
    }
    if (piece->revision != m->piece_revision || piece->total != m->piece_total ||
        piece->offset != m->piece.len || piece->bytes.len > piece->total - piece->offset)
        return;
    buf_add(&m->piece, piece->bytes.data, piece->bytes.len);
    if (m->piece.len < m->piece_total)
        return;
    struct grid_state *s;
    enum grid_err err = m->codec.state_decode(m->codec.ctx, buf_slice(&m->piece), &s);
    buf_release(&m->piece);
    m->piece_revision = 0;
    if (!err)
        take(m, s);
    else
        member_why(m, "a snapshot of the grid's state cannot be read: %s", err_text(err));
}

void member_on_delta(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg)
{
    const struct grid_delta *d = &msg->u.delta;
    (void)p;
    const struct grid_state *have = m->newer ? m->newer : m->state;
    if (d->revision <= have->revision || !member_founded(m))
        return;
    struct grid_state *working = grid_state_copy(have);
    enum grid_err err = m->codec.delta_apply(m->codec.ctx, working, d->bytes);
    if (!err) {
        take(m, working);
        return;
    }
    grid_state_unref(working);
    m->piece_bad = m->piece_bad || err != GRID_ESTALE;
}

/* --- being followed --- */

static void send_pieces(struct grid_member *m, struct grid_peer *p)
{
    uint64_t revision = m->state->revision;
    if (m->snapshot_revision != revision) {
        buf_release(&m->snapshot);
        m->codec.state_encode(m->codec.ctx, m->state, &m->snapshot);
        m->snapshot_revision = revision;
    }
    struct grid_message msg;
    member_message(m, &msg, GRID_MSG_PIECE);
    struct grid_piece *piece = &msg.u.piece;
    piece->revision = revision;
    piece->total = m->snapshot.len;
    for (size_t at = 0; at < m->snapshot.len; at += GRID_PIECE_BYTES_MAX) {
        size_t left = m->snapshot.len - at;
        piece->offset = at;
        piece->bytes = slice_make(m->snapshot.data + at,
                                  left < GRID_PIECE_BYTES_MAX ? left : GRID_PIECE_BYTES_MAX);
        member_send(m, p, &msg);
    }
    p->sent_revision = revision;
}

static void push(struct grid_member *m, struct grid_peer *p)
{
    struct buf bytes = BUF_INIT;
    p->sent_at = m->now;
    while (p->sent_revision < m->state->revision) {
        struct grid_message msg;
        member_message(m, &msg, GRID_MSG_DELTA);
        bytes.len = 0;
        uint64_t to = 0;
        bool kept =
            p->sent_revision && m->tail &&
            m->codec.tail_delta(m->tail, p->sent_revision, GRID_DELTA_BYTES_MAX, &to, &bytes) &&
            to > p->sent_revision;
        if (!kept) {
            send_pieces(m, p);
            break;
        }
        msg.u.delta.revision = to;
        msg.u.delta.bytes = buf_slice(&bytes);
        member_send(m, p, &msg);
        p->sent_revision = to;
    }
    buf_release(&bytes);
}

void stream_asked(struct grid_member *m, struct grid_peer *p, const struct grid_beacon *b)
{
    bool anew = !p->follow_at || m->now > p->follow_at + FRESH_MS;
    bool late = b->revision < p->sent_revision && m->now >= p->sent_at + FOLLOW_RESEND_MS;
    if (anew || late || b->revision > p->sent_revision)
        p->sent_revision = b->revision;
    if (b->restart && (anew || late || m->now >= p->sent_at + FOLLOW_RESEND_MS))
        p->sent_revision = 0;
    p->follow_at = m->now;
    if (p->sent_revision < m->state->revision)
        push(m, p);
}

void stream_push(struct grid_member *m)
{
    for (size_t i = 0; i < m->peers_len; i++) {
        struct grid_peer *p = m->peers[i];
        bool follows = p->follow_at && m->now <= p->follow_at + FRESH_MS;
        if (follows && p->sent_revision < m->state->revision)
            push(m, p);
    }
}
