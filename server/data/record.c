/* record.c - one way to write a record, so only that one way is read: anything else is damage. */
#include "data/record.h"

#include "base/hash.h"
#include "data/codec_priv.h"
#include "data/sessions.h"

enum { RECORD_SESSION = 1, RECORD_RESTATES = 2, RECORD_ANSWER = 4 };
enum {
    EFFECT_CREATED = 1,
    EFFECT_HAS_AFFINITY = 2,
    EFFECT_HAS_DEADLINE = 4,
    EFFECT_HAS_TYPE = 8,
    OF_ENTRY = EFFECT_CREATED | EFFECT_HAS_AFFINITY | EFFECT_HAS_DEADLINE | EFFECT_HAS_TYPE,
};
enum {
    HEAD_BYTES_MAX = 1 + 5 + 3 + 8 + 8 + VARINT_BYTES_MAX,
    SESSION_BYTES_MAX = SESSION_ID_BYTES + 3 * VARINT_BYTES_MAX + 1 + 8,
    EFFECT_BYTES_MAX = 2 + 4 * VARINT_BYTES_MAX + 8 + 8,
    EFFECT_BYTES_MIN = 2,
};

enum named { NOTHING, A_KEY, A_SESSION };

/* What an effect of each kind has. */
static const struct shape {
    uint8_t must, may; /* flags */
    uint8_t key;       /* enum named */
    bool value, number, restates;
} shapes[] = {
    [EFFECT_PUT] = {.may = OF_ENTRY, .key = A_KEY, .value = true},
    [EFFECT_REMOVE] = {.key = A_KEY},
    [EFFECT_EXPIRE] = {.key = A_KEY},
    [EFFECT_SESSION_END] = {.key = A_SESSION},
    [EFFECT_EDIT] = {.must = EFFECT_HAS_TYPE, .may = EFFECT_HAS_TYPE, .key = A_KEY, .value = true},
    [EFFECT_DEADLINE] = {.may = EFFECT_HAS_DEADLINE, .key = A_KEY},
    [EFFECT_ADOPT] =
        {.may = OF_ENTRY, .key = A_KEY, .value = true, .number = true, .restates = true},
    [EFFECT_SESSION] = {.key = A_SESSION, .value = true, .restates = true},
    [EFFECT_WIPE] = {.restates = true},
    [EFFECT_MEND] = {.restates = true},
    [EFFECT_COPIED] = {.restates = true},
};
enum { KINDS = sizeof shapes / sizeof *shapes };

/* --- writing ---------------------------------------------------------------------------------- */

size_t record_session_size_max(const struct record_session *s)
{
    return SESSION_BYTES_MAX + s->answer.len;
}

size_t effect_size_max(const struct effect *e)
{
    return EFFECT_BYTES_MAX + e->key.len + e->affinity.len + e->value.len;
}

size_t record_size_max(const struct record *r)
{
    size_t n = HEAD_BYTES_MAX + (r->has_session ? record_session_size_max(&r->session) : 0);
    for (size_t i = 0; i < r->effects_len; i++)
        n += effect_size_max(&r->effects[i]);
    return n;
}

uint8_t *record_session_write(uint8_t *p, const struct record_session *s)
{
    memcpy(p, s->id.bytes, SESSION_ID_BYTES);
    p = write_varint(p + SESSION_ID_BYTES, s->number);
    p = write_varint(p, s->lowest);
    *p++ = (uint8_t)s->status;
    p = write_u64(p, (uint64_t)s->result);
    return s->answer.len ? write_slice(p, s->answer) : p;
}

uint8_t *effect_write(uint8_t *p, const struct effect *e)
{
    const struct shape *shape = &shapes[e->kind];
    unsigned flags = e->created ? EFFECT_CREATED : 0;
    flags |= e->affinity.len ? EFFECT_HAS_AFFINITY : 0;
    flags |= e->type ? EFFECT_HAS_TYPE : 0;
    flags |= e->deadline ? EFFECT_HAS_DEADLINE : 0;
    flags &= shape->may;
    *p++ = (uint8_t)((unsigned)e->kind | flags << 4);
    p = write_varint(p, e->cache);
    if (shape->key)
        p = write_slice(p, e->key);
    if (flags & EFFECT_HAS_AFFINITY)
        p = write_slice(p, e->affinity);
    if (flags & EFFECT_HAS_TYPE)
        *p++ = e->type;
    if (shape->value)
        p = write_slice(p, e->value);
    if (flags & EFFECT_HAS_DEADLINE)
        p = write_u64(p, e->deadline);
    if (shape->number)
        p = write_u64(p, e->number);
    return p;
}

void record_encode(const struct record *r, struct buf *out)
{
    uint8_t *start = buf_reserve(out, record_size_max(r)), *p = start;
    *p++ = (uint8_t)((r->has_session ? RECORD_SESSION : 0) | (r->restates ? RECORD_RESTATES : 0) |
                     (r->has_session && r->session.answer.len ? RECORD_ANSWER : 0));
    p = write_varint(p, r->context);
    p = write_varint(p, r->partition);
    p = write_u64(p, r->version);
    p = write_u64(p, r->time_ms);
    if (r->has_session)
        p = record_session_write(p, &r->session);
    p = write_varint(p, r->effects_len);
    for (size_t i = 0; i < r->effects_len; i++)
        p = effect_write(p, &r->effects[i]);
    out->len += (size_t)(p - start);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void session_read(struct reader *r, struct record_session *s, bool answer)
{
    const uint8_t *id = read_bytes(r, SESSION_ID_BYTES);
    if (id)
        memcpy(s->id.bytes, id, SESSION_ID_BYTES);
    s->number = read_varint(r, UINT64_MAX);
    s->lowest = read_varint(r, UINT64_MAX);
    s->status = (enum grid_err)read_u8(r);
    s->result = (int64_t)read_u64(r);
    if (answer)
        s->answer = read_slice(r, 1, SESSION_ANSWER_MAX);
    if (s->number == 0 || (answer && s->result))
        r->bad = true;
}

static bool value_well(const struct effect *e)
{
    if (e->kind == EFFECT_SESSION)
        return sessions_valid(e->value);
    return e->kind == EFFECT_EDIT ? value_edits_valid(e->type, e->value)
                                  : value_valid(e->type, e->value);
}

/* Its values are not looked at. */
static void effect_parse(struct reader *r, struct effect *e)
{
    unsigned head = read_u8(r), kind = head & 15, flags = head >> 4;
    if (kind == 0 || kind >= KINDS || flags & ~(unsigned)shapes[kind].may ||
        (flags & shapes[kind].must) != shapes[kind].must) {
        r->bad = true;
        return;
    }
    *e = (struct effect){.kind = (enum effect_kind)kind, .created = flags & EFFECT_CREATED};
    e->cache = (uint32_t)read_varint(r, UINT16_MAX);
    if (shapes[kind].key)
        e->key = shapes[kind].key == A_SESSION ? read_slice(r, SESSION_ID_BYTES, SESSION_ID_BYTES)
                                               : read_slice(r, 1, KEY_BYTES_MAX);
    if (flags & EFFECT_HAS_AFFINITY)
        e->affinity = read_slice(r, 1, KEY_BYTES_MAX);
    e->type = flags & EFFECT_HAS_TYPE ? read_u8(r) : 0;
    if (shapes[kind].value)
        e->value = read_slice(r, 0, UINT32_MAX - 1);
    e->deadline = flags & EFFECT_HAS_DEADLINE ? read_u64(r) : 0;
    e->number = shapes[kind].number ? read_u64(r) : 0;
    if ((flags & EFFECT_HAS_TYPE && !e->type) || (flags & EFFECT_HAS_DEADLINE && !e->deadline))
        r->bad = true;
}

static void effect_read(struct reader *r, struct effect *e)
{
    effect_parse(r, e);
    if (!r->bad && shapes[e->kind].value && !value_well(e))
        r->bad = true;
}

static struct reader reader_of(struct slice in)
{
    return (struct reader){in.data, in.data + in.len, false};
}

void record_session_get(struct slice written, struct record_session *ret_session)
{
    struct reader r = reader_of(written);
    *ret_session = (struct record_session){.number = 0};
    session_read(&r, ret_session, false);
    if (read_left(&r))
        ret_session->answer = read_slice(&r, 1, SESSION_ANSWER_MAX);
    CHECK(!r.bad && !read_left(&r));
}

void effect_get(struct slice written, struct effect *ret_effect)
{
    struct reader r = reader_of(written);
    effect_parse(&r, ret_effect);
    CHECK(!r.bad && !read_left(&r));
}

enum effect_kind effect_kind_of(struct slice written)
{
    return (enum effect_kind)(*written.data & 15);
}

struct slice effect_key(struct slice written)
{
    struct reader r = reader_of(written);
    read_u8(&r);
    read_varint(&r, UINT16_MAX);
    return read_slice(&r, 1, KEY_BYTES_MAX);
}

/* Whether the record may have such an effect there. */
static bool effect_fits(const struct record *rec, size_t at)
{
    const struct effect *e = &rec->effects[at];
    bool begins = e->kind == EFFECT_WIPE || e->kind == EFFECT_MEND;
    return (rec->restates || !shapes[e->kind].restates) && (!begins || at == 0);
}

static void head_read(struct reader *r, struct record *rec)
{
    uint8_t flags = read_u8(r);
    bool known = flags == RECORD_SESSION || flags == RECORD_RESTATES || !flags ||
                 flags == (RECORD_SESSION | RECORD_ANSWER);
    if (!known)
        r->bad = true;
    rec->has_session = flags & RECORD_SESSION;
    rec->restates = flags & RECORD_RESTATES;
    rec->context = (uint32_t)read_varint(r, UINT32_MAX);
    rec->partition = (uint16_t)read_varint(r, SLOTS - 1);
    rec->version = read_u64(r);
    rec->time_ms = read_u64(r);
    if (rec->has_session)
        session_read(r, &rec->session, flags & RECORD_ANSWER);
}

bool record_peek(struct slice in, struct record *ret_record)
{
    struct reader r = reader_of(in);
    *ret_record = (struct record){.effects = NULL};
    if (in.len)
        head_read(&r, ret_record);
    return in.len && !r.bad;
}

bool record_glance(struct slice in, struct record *ret_record, struct effect *ret_first)
{
    struct reader r = reader_of(in);
    *ret_record = (struct record){.effects = NULL};
    *ret_first = (struct effect){.key = {NULL, 0}};
    head_read(&r, ret_record);
    if (!read_varint(&r, RECORD_EFFECTS_MAX))
        return !r.bad;
    unsigned kind = read_u8(&r) & 15;
    ret_first->kind = (enum effect_kind)kind;
    ret_first->cache = (uint32_t)read_varint(&r, UINT16_MAX);
    if (kind && kind < KINDS && shapes[kind].key == A_KEY)
        ret_first->key = read_slice(&r, 1, KEY_BYTES_MAX);
    return !r.bad;
}

enum grid_err record_decode(struct slice in, struct effect *effects, size_t effects_cap,
                            struct record *ret_record)
{
    if (!in.len)
        return GRID_ECORRUPT;
    struct reader r = reader_of(in);
    struct record rec = {.effects = effects};
    head_read(&r, &rec);
    rec.effects_len = (size_t)read_varint(&r, RECORD_EFFECTS_MAX);
    if (r.bad || rec.effects_len > read_left(&r) / EFFECT_BYTES_MIN)
        return GRID_ECORRUPT;
    if (rec.effects_len > effects_cap)
        return GRID_ETOO_LARGE;
    for (size_t i = 0; i < rec.effects_len && !r.bad; i++) {
        effect_read(&r, &effects[i]);
        if (!r.bad && !effect_fits(&rec, i))
            r.bad = true;
    }
    if (r.bad || read_left(&r))
        return GRID_ECORRUPT;
    *ret_record = rec;
    return GRID_OK;
}
