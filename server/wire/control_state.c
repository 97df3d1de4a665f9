/* control_state.c - snapshots of the control state. Most of one are the rows of partitions, so
 * these are written tightly, seven bytes for two copies:
 *
 *   row:      head, epoch, epoch - born, then of each member: node, boot; of each away: node
 *   head:     0x80 | n        led, n in sync, nobody else                     (n < 64)
 *             led | lost << 1, then in sync, eligible, joining, away: a byte each
 *   numbers:  seven bits a byte, least first, the last without 0x80 (as in protobuf) */
#include "control/level.h"
#include "control/restore.h"
#include "wire/control_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

enum {
    PLAIN = 0x80,
    PLAIN_MAX = 63,
    LED = 1,
    LOST = 2,
    ROW_BYTES_MIN = 3,
    TOMBSTONE_BYTES = 4 + GRID_ID_BYTES
};

/* --- rows ------------------------------------------------------------------------------------- */

static void put_number(struct buf *out, uint32_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_add_u8(out, (uint8_t)(v | 0x80));
    buf_add_u8(out, (uint8_t)v);
}

static void put_row(struct buf *out, const struct grid_row *r)
{
    bool plain = r->led && r->in_sync == r->len && !r->away && r->in_sync <= PLAIN_MAX;
    if (plain) {
        buf_add_u8(out, (uint8_t)(PLAIN | r->in_sync));
    } else {
        buf_add_u8(out, (uint8_t)((r->led ? LED : 0) | (r->lost ? LOST : 0)));
        buf_add_u8(out, r->in_sync);
        buf_add_u8(out, (uint8_t)(r->complete - r->in_sync));
        buf_add_u8(out, (uint8_t)(r->len - r->complete));
        buf_add_u8(out, r->away);
    }
    put_number(out, r->epoch);
    put_number(out, r->epoch - r->born);
    for (uint8_t i = 0; i < r->len; i++) {
        put_number(out, r->m[i].node);
        put_number(out, r->m[i].boot);
    }
    for (int i = r->len; i < r->len + r->away; i++)
        put_number(out, r->m[i].node);
}

struct cursor {
    const uint8_t *at, *end;
    bool bad;
};

static uint8_t get_u8(struct cursor *c)
{
    c->bad |= c->at == c->end;
    return c->bad ? 0 : *c->at++;
}

static uint32_t get_number(struct cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t b = get_u8(c);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b & 0x80)
            continue;
        c->bad |= v > UINT32_MAX || (!b && shift); /* one way to write each */
        return (uint32_t)v;
    }
    c->bad = true;
    return 0;
}

static void get_head(struct cursor *c, struct grid_row *r)
{
    uint8_t head = get_u8(c);
    if (head & PLAIN) {
        r->led = true;
        r->in_sync = r->complete = r->len = head & PLAIN_MAX;
        c->bad |= (head & ~PLAIN) > PLAIN_MAX;
        return;
    }
    uint8_t counts[4];
    for (int i = 0; i < 4; i++)
        counts[i] = get_u8(c);
    c->bad |= head > (LED | LOST) || counts[3] > GRID_AWAY_MAX ||
              counts[0] + counts[1] + counts[2] > REPLICA_MEMBERS_MAX;
    r->led = head & LED;
    r->lost = head & LOST;
    r->in_sync = counts[0];
    r->complete = (uint8_t)(counts[0] + counts[1]);
    r->len = (uint8_t)(r->complete + counts[2]);
    r->away = counts[3];
    c->bad |= r->led && r->in_sync == r->len && !r->away; /* would be plain */
}

static bool get_row(struct cursor *c, struct grid_row *ret_row)
{
    struct grid_row r = {0};
    get_head(c, &r);
    r.epoch = get_number(c);
    uint32_t age = get_number(c);
    if (c->bad || age > r.epoch || r.len > REPLICA_MEMBERS_MAX)
        return false;
    r.born = r.epoch - age;
    for (uint8_t i = 0; i < r.len; i++) {
        r.m[i].node = get_number(c);
        r.m[i].boot = get_number(c);
    }
    for (int i = r.len; i < r.len + r.away; i++)
        r.m[i].node = get_number(c);
    *ret_row = r;
    return !c->bad;
}

/* --- out -------------------------------------------------------------------------------------- */

static void fill_nodes(struct arena *a, Control__State *m, const struct grid_state *s)
{
    Control__Node *nodes = wire_take(a, s->nodes_len, sizeof *nodes);
    Control__NodeInfo *infos = wire_take(a, s->nodes_len, sizeof *infos);
    m->nodes = wire_take(a, s->nodes_len, sizeof *m->nodes);
    m->n_nodes = s->nodes_len;
    for (size_t i = 0; i < s->nodes_len; i++) {
        const struct grid_node *n = &s->nodes[i];
        Control__Node *to = m->nodes[i] = &nodes[i];
        control__node__init(to);
        wire_fill_node_info(a, &infos[i], &n->info);
        to->number = n->number;
        to->boot = n->boot;
        to->info = &infos[i];
        to->state = (uint32_t)n->state;
        to->draining = n->draining;
        to->voter = n->voter;
        to->since = n->since;
        to->past = wire_take(a, GRID_PAST_BOOTS, sizeof *to->past);
        memcpy(to->past, n->past, sizeof n->past);
        while (to->n_past < GRID_PAST_BOOTS && n->past[to->n_past])
            to->n_past++;
    }
}

static void fill_removed(struct arena *a, Control__State *m, const struct grid_state *s)
{
    size_t len;
    const struct grid_tombstone *list = grid_state_tombstones(s, &len);
    m->removed.len = len * TOMBSTONE_BYTES;
    m->removed.data = wire_take(a, len, TOMBSTONE_BYTES);
    for (size_t i = 0; i < len; i++) {
        store_u32(m->removed.data + i * TOMBSTONE_BYTES, list[i].number);
        memcpy(m->removed.data + i * TOMBSTONE_BYTES + 4, list[i].id, GRID_ID_BYTES);
    }
}

static void fill_sessions(struct arena *a, Control__State *m, const struct grid_state *s)
{
    size_t len;
    const struct grid_session *list = grid_state_sessions(s, &len);
    Control__Session *sessions = wire_take(a, len, sizeof *sessions);
    m->sessions = wire_take(a, len, sizeof *m->sessions);
    m->n_sessions = len;
    for (size_t i = 0; i < len; i++) {
        Control__Session *to = m->sessions[i] = &sessions[i];
        static const uint8_t none[GRID_SESSION_WINDOW];
        control__session__init(to);
        to->session = list[i].session;
        to->high = list[i].high;
        to->used = list[i].used;
        to->mask = list[i].mask;
        if (memcmp(list[i].err, none, sizeof none) == 0)
            continue;
        to->errors.len = GRID_SESSION_WINDOW;
        to->errors.data = wire_take(a, 1, GRID_SESSION_WINDOW);
        memcpy(to->errors.data, list[i].err, GRID_SESSION_WINDOW);
    }
}

static void fill_tables(struct arena *a, Control__State *m, const struct grid_state *s)
{
    struct buf rows = BUF_INIT;
    m->tables = wire_take(a, s->tables_len, sizeof *m->tables);
    m->n_tables = s->tables_len;
    for (size_t k = 0; k < s->tables_len; k++) {
        rows.len = 0;
        for (uint32_t i = 0; i < s->tables[k]->partitions; i++) {
            struct grid_row r;
            grid_table_row(s->tables[k], i, &r);
            put_row(&rows, &r);
        }
        m->tables[k].len = rows.len;
        m->tables[k].data = wire_take(a, rows.len, 1);
        memcpy(m->tables[k].data, rows.data, rows.len);
    }
    buf_release(&rows);
}

void wire_state_encode(const struct grid_state *s, struct buf *out)
{
    struct arena *a = arena_new(SIZE_MAX / 2);
    Control__State m;
    control__state__init(&m);
    m.format = CONTROL_FORMAT;
    m.revision = s->revision;
    if (s->revision) {
        m.grid = wire_text(s->grid);
        m.grid_id.len = GRID_ID_BYTES;
        m.grid_id.data = wire_take(a, 1, GRID_ID_BYTES);
        memcpy(m.grid_id.data, s->grid_id, GRID_ID_BYTES);
        m.catalog = wire_fill_catalog(a, s->catalog);
        m.node_next = s->node_next;
        m.rebalance_paused = s->rebalance_paused;
        m.level = s->level > GRID_LEVEL_FIRST ? s->level : 0;
        fill_nodes(a, &m, s);
        fill_removed(a, &m, s);
        fill_tables(a, &m, s);
        fill_sessions(a, &m, s);
    }
    wire_pack(&m.base, out);
    arena_free(a);
}

/* --- in --------------------------------------------------------------------------------------- */

static bool take_nodes(struct grid_state *s, const Control__State *m, struct arena *a)
{
    struct grid_node *list = arena_calloc(a, m->n_nodes, sizeof *list);
    if (!list)
        return false;
    for (size_t i = 0; i < m->n_nodes; i++) {
        const Control__Node *from = m->nodes[i];
        struct grid_node *n = &list[i];
        if (!from->info || !wire_take_node_info(from->info, &n->info) || from->state > NODE_DOWN ||
            from->n_past > GRID_PAST_BOOTS)
            return false;
        n->number = from->number;
        n->boot = from->boot;
        n->state = (enum node_state)from->state;
        n->draining = from->draining;
        n->voter = from->voter;
        n->since = from->since;
        for (size_t k = 0; k < from->n_past; k++)
            n->past[k] = from->past[k];
    }
    return grid_state_restore_nodes(s, list, m->n_nodes);
}

static bool take_removed(struct grid_state *s, const Control__State *m, struct arena *a)
{
    size_t len = m->removed.len / TOMBSTONE_BYTES;
    struct grid_tombstone *list = arena_calloc(a, len, sizeof *list);
    if (!list || m->removed.len % TOMBSTONE_BYTES)
        return false;
    for (size_t i = 0; i < len; i++) {
        list[i].number = load_u32(m->removed.data + i * TOMBSTONE_BYTES);
        memcpy(list[i].id, m->removed.data + i * TOMBSTONE_BYTES + 4, GRID_ID_BYTES);
    }
    return grid_state_restore_tombstones(s, list, len);
}

static bool take_sessions(struct grid_state *s, const Control__State *m)
{
    for (size_t i = 0; i < m->n_sessions; i++) {
        const Control__Session *from = m->sessions[i];
        struct grid_session to = {
            .session = from->session, .high = from->high, .used = from->used, .mask = from->mask};
        if (from->errors.len && from->errors.len != sizeof to.err)
            return false;
        if (from->errors.len)
            memcpy(to.err, from->errors.data, sizeof to.err);
        if (!grid_state_restore_session(s, &to))
            return false;
    }
    return true;
}

/* Tables take memory by the number of partitions: enough bytes for that must have come. */
static bool tables_plausible(const struct catalog *c, const Control__State *m)
{
    if (m->n_tables != c->contexts_len)
        return false;
    for (size_t k = 0; k < m->n_tables; k++)
        if (m->tables[k].len / ROW_BYTES_MIN < c->contexts[k].partitions)
            return false;
    return true;
}

static bool take_tables(struct grid_state *s, const Control__State *m)
{
    for (size_t k = 0; k < m->n_tables; k++) {
        struct cursor c = {m->tables[k].data, m->tables[k].data + m->tables[k].len, false};
        for (uint32_t i = 0; i < s->tables[k]->partitions; i++) {
            struct grid_row r;
            if (!get_row(&c, &r) || !grid_state_restore_row(s, k, i, &r))
                return false;
        }
        if (c.at != c.end)
            return false;
    }
    return true;
}

static enum grid_err take_state(struct grid_state *s, const Control__State *m, struct arena *a)
{
    struct catalog *c = NULL;
    if (!m->revision)
        return GRID_OK; /* not founded */
    if (m->grid_id.len != GRID_ID_BYTES || !wire_text_copy(s->grid, sizeof s->grid, m->grid) ||
        !m->catalog || !take_nodes(s, m, a) || !take_removed(s, m, a))
        return GRID_ECORRUPT;
    memcpy(s->grid_id, m->grid_id.data, GRID_ID_BYTES);
    enum grid_err err = wire_take_catalog(m->catalog, a, &c);
    if (err)
        return err;
    if (!tables_plausible(c, m)) {
        catalog_unref(c);
        return GRID_ECORRUPT;
    }
    grid_state_restore_catalog(s, c);
    s->revision = m->revision;
    s->node_next = m->node_next;
    s->rebalance_paused = m->rebalance_paused;
    s->level = m->level ? m->level : GRID_LEVEL_FIRST;
    return take_tables(s, m) && take_sessions(s, m) ? GRID_OK : GRID_ECORRUPT;
}

enum grid_err wire_state_decode(struct slice in, struct grid_state **ret_state)
{
    struct arena *a = wire_arena_for(in);
    if (!a)
        return GRID_ECORRUPT;
    struct grid_state *s = grid_state_new();
    const Control__State *m =
        (const Control__State *)(void *)wire_unpack(&control__state__descriptor, in, a);
    enum grid_err err = !m || !m->format                                      ? GRID_ECORRUPT
                        : m->format > CONTROL_FORMAT || m->level > GRID_LEVEL ? GRID_ENEWER
                                                                              : take_state(s, m, a);
    if (!err && grid_state_fault(s))
        err = GRID_ECORRUPT;
    if (err)
        grid_state_unref(s);
    else
        *ret_state = s;
    arena_free(a);
    return err;
}
