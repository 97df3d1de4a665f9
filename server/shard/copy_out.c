/* copy_out.c - R11 at the primary: all of a partition's content, in pieces.
 *
 *   SESSIONS --> MEMORY --> DISK, if not all was in memory --> END
 *
 * MEMORY and DISK are the passes of SCAN, and miss nothing for the same reason (scan.c). A piece is
 * read, encoded and given to the link at once, behind the records that were made before: so what
 * it says is never behind the stream, nor ahead of it. Where it began is kept until the other side
 * has stored it: when a link went down, the copy goes on with the first one that did not come. A
 * few pieces of each copy are under way, and a bounded number of bytes is read in a turn; while
 * clients are served, so many a second. */
#include "control/settings.h"
#include "data/fields.h"
#include "shard/others_priv.h"

#include <stdlib.h>

enum {
    PIECE_BYTES = 128 << 10,
    PIECE_EFFECTS = 1000,
    PIECE_SESSIONS = 64,
    WINDOW_BYTES = 1 << 20,   /* of one copy */
    WINDOWS_BYTES = 16 << 20, /* of all copies */
    TURN_BYTES = 256 << 10,   /* read in a turn */
    BUCKETS_MAX = 4096,       /* looked at for a piece */
    SERVING_MS = 100,         /* clients are served until so long after an op of theirs */
};

enum copy_phase { COPY_SESSIONS, COPY_MEMORY, COPY_DISK, COPY_END, COPY_DONE };

/* How far it has come. */
struct copy_place {
    enum copy_phase phase;
    uint64_t cursor;
    size_t ids_len; /* of sessions that are left */
    uint32_t cache; /* DISK: it goes on after this key */
    uint16_t after_len;
    uint8_t after[KEY_BYTES_MAX];
};

struct piece {
    struct list link; /* in copy.pieces, until it is stored */
    uint64_t number;
    size_t bytes;
    struct copy_place from;
};

struct copy {
    struct list link; /* in sharing.copies */
    struct partition *partition;
    struct replica_member to;
    uint32_t round;
    struct copy_place at;
    struct copy_place from; /* where the piece begins that is being made */
    bool asked;             /* a page of the checkpoint */
    bool ended;             /* ... and nobody wants it any more */
    bool passed;            /* ... and another one is wanted */
    bool incomplete;
    struct buf ids;     /* of sessions */
    uint64_t evictions; /* when it began */
    struct list pieces;
    uint64_t number; /* of the last piece made */
    size_t waits;    /* bytes of `pieces` */
    uint64_t sent;   /* bytes of all pieces */
};

/* --- pieces ----------------------------------------------------------------------------------- */

static void piece_add(struct shard *s, struct copy *c, const struct effect *effects, size_t len,
                      bool last)
{
    const struct partition *p = c->partition;
    struct record r = {.context = p->context_id,
                       .partition = p->index,
                       .restates = true,
                       .version = replica_last(&p->replica),
                       .effects = effects,
                       .effects_len = len};
    struct buf *b = &s->sharing->bytes;
    b->len = 0;
    record_encode(&r, b);
    struct piece *piece = xalloc(sizeof *piece);
    piece->number = ++c->number;
    piece->bytes = b->len;
    piece->from = c->from;
    list_push_back(&c->pieces, &piece->link);
    c->waits += b->len;
    c->sent += b->len;
    struct slice record = buf_slice(b);
    struct shard_message m = {
        .kind = SHARD_PIECE,
        .last = last,
        .number = c->number,
        .replica = {.from = p->replica.self, .epoch = p->replica.epoch, .round = c->round},
        .records = &record,
        .records_len = 1};
    message_send(s, p, c->to, SHARD_BULK, &m);
    b->len = 0;
    buf_shrink(b, WINDOW_BYTES);
}

/* --- what is read ----------------------------------------------------------------------------- */

/* A piece being filled. Values of maps are written down one after the other in `values`; where is
 * known in the end. */
struct filling {
    struct shard *s;
    struct copy *copy;
    struct effect *effects;
    size_t len, bytes;
    bool dirty_only;
};

static struct filling filling_new(struct shard *s, struct copy *c)
{
    s->sharing->values.len = 0;
    buf_shrink(&s->sharing->values, WINDOW_BYTES);
    return (struct filling){.s = s, .copy = c, .effects = s->sharing->effects};
}

static bool filling_full(const struct filling *f)
{
    return f->bytes >= PIECE_BYTES || f->len >= PIECE_EFFECTS;
}

static void filling_add(struct filling *f, const struct effect *e)
{
    if (f->len == RECORD_EFFECTS_MAX)
        return;
    f->effects[f->len++] = *e;
    f->bytes += e->key.len + e->affinity.len + e->value.len;
}

static void filling_entry(void *ctx, const struct entry *e)
{
    struct filling *f = ctx;
    if (entry_is_tombstone(e) ||
        (f->dirty_only && entry_version(e) <= content_clean(f->copy->partition->content)))
        return;
    struct effect effect = {.kind = EFFECT_ADOPT,
                            .cache = entry_cache(e),
                            .key = entry_key(e),
                            .affinity = entry_affinity(e),
                            .type = (uint8_t)entry_type(e),
                            .value = entry_value(e),
                            .deadline = entry_deadline(e),
                            .number = entry_version(e)};
    if (entry_is_map(e)) {
        size_t before = f->s->sharing->values.len;
        fields_store(entry_fields(e), &f->s->sharing->values);
        effect.value = slice_make(NULL, f->s->sharing->values.len - before);
    }
    filling_add(f, &effect);
}

static void filling_send(struct filling *f)
{
    const uint8_t *at = f->s->sharing->values.data;
    for (size_t i = 0; i < f->len; i++) {
        struct slice *value = &f->effects[i].value;
        if (value->data || !value->len)
            continue;
        value->data = at;
        at += value->len;
    }
    if (f->len)
        piece_add(f->s, f->copy, f->effects, f->len, false);
}

static void sessions_fill(struct filling *f)
{
    struct copy *c = f->copy;
    for (int i = 0; i < PIECE_SESSIONS && c->at.ids_len && !filling_full(f); i++) {
        c->at.ids_len -= SESSION_ID_BYTES;
        struct session_id id;
        memcpy(id.bytes, c->ids.data + c->at.ids_len, SESSION_ID_BYTES);
        size_t before = f->s->sharing->values.len;
        if (!sessions_store(content_sessions(c->partition->content), &id, &f->s->sharing->values))
            continue; /* it ended meanwhile */
        struct effect e = {
            .kind = EFFECT_SESSION,
            .key = slice_make(c->ids.data + c->at.ids_len, SESSION_ID_BYTES),
            .value = slice_make(NULL, f->s->sharing->values.len - before),
        };
        filling_add(f, &e);
    }
    if (!c->at.ids_len)
        c->at.phase = COPY_MEMORY;
}

static void memory_fill(struct filling *f)
{
    struct copy *c = f->copy;
    struct partition *p = c->partition;
    c->incomplete |= !content_complete(p->content);
    f->dirty_only = !content_complete(p->content);
    for (int i = 0; i < BUCKETS_MAX && !filling_full(f); i++) {
        c->at.cursor = content_scan(p->content, c->at.cursor, filling_entry, f);
        if (c->at.cursor)
            continue;
        bool disk = p->context->info->durability != DURABILITY_MEMORY &&
                    (c->incomplete || p->evictions != c->evictions);
        c->at.phase = disk ? COPY_DISK : COPY_END;
        return;
    }
}

/* --- DISK ------------------------------------------------------------------------------------- */

static void disk_ask(struct shard *s, struct copy *c)
{
    struct cold_range range = {.kind = COLD_COPY,
                               .cache = UINT32_MAX,
                               .after_cache = c->at.cache,
                               .after = slice_make(c->at.after, c->at.after_len),
                               .limit = PIECE_EFFECTS,
                               .bytes = PIECE_BYTES};
    c->asked = true;
    c->partition->holds++;
    cold_ask_range(s, c->partition, &range, c);
}

static void filling_cold(struct filling *f, uint32_t cache, const struct cold_entry *e)
{
    struct content *content = f->copy->partition->content;
    const struct entry *resident =
        content_get(content, cache, e->key, content_hash(content, cache, e->key));
    struct effect effect = {.kind = EFFECT_ADOPT,
                            .cache = cache,
                            .key = e->key,
                            .affinity = e->affinity,
                            .type = e->type,
                            .value = e->value,
                            .deadline = e->deadline,
                            .number = e->version};
    if (resident)
        filling_entry(f, resident);
    else if (!content_complete(content))
        filling_add(f, &effect);
}

static void copy_free(struct copy *c)
{
    struct list *it;
    while ((it = list_pop_front(&c->pieces)))
        free(list_entry(it, struct piece, link));
    list_remove(&c->link);
    buf_release(&c->ids);
    free(c);
}

void copy_answer(struct shard *s, struct copy *c, const struct cold_page *page)
{
    c->asked = false;
    c->partition->holds--;
    if (c->ended) {
        copy_free(c);
        return;
    }
    bool passed = c->passed;
    c->passed = false;
    if (page->err || passed || c->partition->damaged ||
        !replica_may_copy(&c->partition->replica, c->to))
        return; /* asked again */
    c->from = c->at;
    struct filling f = filling_new(s, c);
    for (size_t i = 0; i < page->len; i++) {
        if (partition_has_cache(s, c->partition, page->caches[i]))
            filling_cold(&f, page->caches[i], &page->entries[i]);
        c->at.cache = page->caches[i];
        c->at.after_len = (uint16_t)page->entries[i].key.len;
        memcpy(c->at.after, page->entries[i].key.data, c->at.after_len);
    }
    filling_send(&f);
    if (page->done)
        c->at.phase = COPY_END;
}

/* --- the copy --------------------------------------------------------------------------------- */

void port_copy(void *ctx, struct replica *r, struct replica_member to, uint32_t round)
{
    struct shard *s = ctx;
    struct partition *p = container_of(r, struct partition, replica);
    port_copy_end(ctx, r, to);
    struct copy *c = xcalloc(1, sizeof *c);
    c->partition = p;
    c->to = to;
    c->round = round;
    c->evictions = p->evictions;
    list_init(&c->pieces);
    list_init(&c->link);
    list_push_back(&s->sharing->copies, &c->link);
    sessions_ids(content_sessions(p->content), &c->ids);
    c->at.ids_len = c->ids.len;
    outgoing_of(p, to)->copy = c;
    outgoing_of(p, to)->way = REJOIN_COPY;
}

void port_copy_end(void *ctx, struct replica *r, struct replica_member to)
{
    struct shard *s = ctx;
    struct partition *p = container_of(r, struct partition, replica);
    struct outgoing *out = p->others ? outgoing_of(p, to) : NULL;
    struct copy *c = out ? out->copy : NULL;
    if (!c)
        return;
    out->copy = NULL;
    list_remove(&c->link);
    c->ended = true;
    if (c->asked)
        list_push_back(&s->sharing->ended, &c->link);
    else
        copy_free(c);
}

void copies_end(struct shard *s, struct partition *p)
{
    for (uint32_t i = 0; p->others && i < p->others->out_len; i++)
        port_copy_end(s, &p->replica, p->others->out[i].to);
}

void copies_release(struct shard *s)
{
    struct list *it;
    while ((it = list_pop_front(&s->sharing->copies)))
        copy_free(list_entry(it, struct copy, link));
    while ((it = list_pop_front(&s->sharing->ended)))
        copy_free(list_entry(it, struct copy, link));
}

static struct copy *copy_find(const struct partition *p, struct replica_member to)
{
    const struct others *o = p->others;
    for (uint32_t i = 0; o && i < o->out_len; i++)
        if (replica_member_eq(o->out[i].to, to))
            return o->out[i].copy;
    return NULL;
}

static void piece_free(struct copy *c, struct piece *piece)
{
    list_remove(&piece->link);
    c->waits -= piece->bytes;
    free(piece);
}

/* Pieces up to `number` are there. */
static void pieces_taken(struct copy *c, uint64_t number)
{
    list_for_each_safe (it, &c->pieces) {
        struct piece *piece = list_entry(it, struct piece, link);
        if (piece->number > number)
            break;
        piece_free(c, piece);
    }
}

void copy_taken(struct shard *s, struct partition *p, const struct shard_message *m)
{
    (void)s;
    struct copy *c = copy_find(p, m->replica.from);
    if (c && m->replica.round == c->round)
        pieces_taken(c, m->number);
}

bool port_copy_on(void *ctx, struct replica *r, struct replica_member to, uint64_t pieces)
{
    (void)ctx;
    struct copy *c = copy_find(container_of(r, struct partition, replica), to);
    if (!c || pieces > c->number)
        return false;
    pieces_taken(c, pieces);
    if (pieces == c->number)
        return true;
    const struct piece *lost =
        list_empty(&c->pieces) ? NULL : list_entry(c->pieces.next, struct piece, link);
    if (!lost || lost->number != pieces + 1)
        return false;
    c->at = lost->from;
    c->number = pieces;
    c->passed = c->asked;
    list_for_each_safe (it, &c->pieces) {
        c->sent -= list_entry(it, struct piece, link)->bytes;
        piece_free(c, list_entry(it, struct piece, link));
    }
    return true;
}

/* Returns the bytes that went into a piece; 0: there is nothing to be done now. */
static size_t copy_step(struct shard *s, struct copy *c)
{
    struct shard_to at;
    if (c->asked || c->partition->damaged || c->at.phase == COPY_DONE || c->waits >= WINDOW_BYTES ||
        !replica_may_copy(&c->partition->replica, c->to) ||
        partition_applied(c->partition) < replica_last(&c->partition->replica) ||
        !member_place(s, c->partition, c->to, &at) ||
        !s->ports.grid->peer_room(s->ports.ctx, &at, SHARD_BULK))
        return 0;
    c->from = c->at;
    if (c->at.phase == COPY_DISK) {
        disk_ask(s, c);
        return 0;
    }
    if (c->at.phase == COPY_END) {
        piece_add(s, c, NULL, 0, true);
        c->at.phase = COPY_DONE;
        return 0;
    }
    struct filling f = filling_new(s, c);
    if (c->at.phase == COPY_SESSIONS)
        sessions_fill(&f);
    else
        memory_fill(&f);
    filling_send(&f);
    return f.bytes + 1;
}

/* Whether clients use the shard: what is copied keeps the processors from them, here and there. */
static bool serving(struct shard *s, msec_t mono)
{
    struct pace *pace = &s->sharing->pace;
    uint64_t ops = s->stats.reads + s->stats.writes;
    if (ops != pace->ops)
        pace->served_at = mono;
    pace->ops = ops;
    return mono < pace->served_at + SERVING_MS;
}

/* How long until more may be copied: the bytes a second that are allowed come in with time, for at
 * most one piece ahead. */
static msec_t pace_wait(struct shard *s, msec_t mono)
{
    struct pace *pace = &s->sharing->pace;
    int64_t rate = catalog_setting(s->catalog, SETTING_rebalance_rate);
    msec_t passed = mono - pace->at < 1000 ? mono - pace->at : 1000;
    int64_t room = pace->room + (int64_t)passed * rate / 1000;
    pace->at = mono;
    pace->room = room < PIECE_BYTES ? room : PIECE_BYTES;
    return room > 0 ? 0 : (msec_t)(-room * 1000 / rate + 1);
}

/* In turn, for a turn's bytes. */
msec_t copies_run(struct shard *s)
{
    struct list *copies = &s->sharing->copies;
    size_t all = 0, read = 0, idle = 0, len = 0;
    msec_t mono = mono_now(s);
    if (list_empty(copies))
        return UINT64_MAX;
    bool beside = serving(s, mono);
    msec_t wait = pace_wait(s, mono);
    if (beside && wait)
        return wait;
    list_for_each (it, copies) {
        all += list_entry(it, struct copy, link)->waits;
        len++;
    }
    size_t turn = beside ? PIECE_BYTES : TURN_BYTES;
    while (idle < len && read < turn && all < WINDOWS_BYTES) {
        struct list *it = list_pop_front(copies);
        list_push_back(copies, it);
        size_t bytes = copy_step(s, list_entry(it, struct copy, link));
        idle = bytes ? 0 : idle + 1;
        read += bytes;
        all += bytes;
    }
    s->sharing->pace.room -= beside ? (int64_t)read : 0;
    return read >= turn ? 0 : UINT64_MAX;
}

static uint64_t copy_left(const struct copy *c)
{
    uint64_t all = content_bytes(c->partition->content);
    return c->waits + (all > c->sent && c->at.phase != COPY_DONE ? all - c->sent : 0);
}

uint64_t copies_left(const struct partition *p)
{
    uint64_t left = 0;
    for (uint32_t i = 0; p->others && i < p->others->out_len; i++)
        left += p->others->out[i].copy ? copy_left(p->others->out[i].copy) : 0;
    return left;
}

void copies_say(struct shard *s)
{
    list_for_each (it, &s->sharing->copies) {
        const struct partition *p = list_entry(it, struct copy, link)->partition;
        struct plan_progress say = {p->context_id, p->index, copies_left(p)};
        s->ports.grid->progress(s->ports.ctx, &say);
    }
}
