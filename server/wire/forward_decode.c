/* forward_decode.c - operations and results between nodes, read. A reader that met anything wrong
 * yields zeros, so each part is read to its end and looked at once. */
#include "wire/forward_priv.h"

#include "base/codec.h"
#include "command/commands.h"
#include "command/procedures.h"

struct decoder {
    struct reader r;
    struct arena *arena;
    enum grid_err err; /* the first; a reader that is bad is GRID_EBAD_REQUEST */
};

static void fail(struct decoder *d, enum grid_err err)
{
    if (!d->err)
        d->err = err;
    d->r.bad = true;
}

static uint64_t take_number(struct decoder *d, uint64_t max)
{
    return read_varint(&d->r, max);
}

static struct slice take_slice(struct decoder *d, size_t max)
{
    return read_slice(&d->r, 0, max);
}

/* Room for `len` things of which each takes a byte of the message at least. */
static void *take_list(struct decoder *d, uint64_t len, size_t bytes)
{
    if (len > read_left(&d->r))
        fail(d, GRID_EBAD_REQUEST);
    if (d->r.bad || !len)
        return NULL;
    void *list = arena_calloc(d->arena, (size_t)len, bytes);
    if (!list)
        fail(d, GRID_ENOMEM);
    return list;
}

/* --- fields ----------------------------------------------------------------------------------- */

static void field_read(struct decoder *d, const struct forward_field *f, void *to)
{
    if (f->how == FORWARD_SLICE) {
        struct slice s = take_slice(d, (size_t)f->max);
        memcpy(to, &s, sizeof s);
        return;
    }
    uint64_t v = take_number(d, f->max);
    uint32_t v32 = (uint32_t)v;
    uint16_t v16 = (uint16_t)v;
    uint8_t v8 = (uint8_t)v;
    int64_t signed64 = unzigzag(v);
    switch (f->how) {
    case FORWARD_U8:
        memcpy(to, &v8, sizeof v8);
        break;
    case FORWARD_U16:
        memcpy(to, &v16, sizeof v16);
        break;
    case FORWARD_U32:
        memcpy(to, &v32, sizeof v32);
        break;
    case FORWARD_I64:
        memcpy(to, &signed64, sizeof signed64);
        break;
    default:
        memcpy(to, &v, sizeof v);
    }
}

/* Into `to`, which is all zeros. Returns what else is there, of the bits of `more`. */
static uint32_t fields_read(struct decoder *d, const struct forward_fields *t, void *to,
                            uint32_t more)
{
    uint32_t there = (uint32_t)take_number(d, UINT32_MAX), left = there & ~more;
    for (uint32_t i = 0; i < t->len && !d->r.bad; i++) {
        if (!(left & 1u << t->rows[i].bit))
            continue;
        left &= ~(1u << t->rows[i].bit);
        field_read(d, &t->rows[i], (uint8_t *)to + t->rows[i].offset);
    }
    if (left)
        fail(d, GRID_EUNSUPPORTED);
    return d->r.bad ? 0 : there & more;
}

/* --- calls ------------------------------------------------------------------------------------ */

static const struct procedure_info *procedure_read(struct decoder *d)
{
    const struct procedure_info *p = procedure_numbered(take_number(d, UINT32_MAX));
    if (!p)
        fail(d, GRID_EUNSUPPORTED);
    return p;
}

static void slices_read(struct decoder *d, const struct slice **ret_list, uint32_t *ret_len)
{
    uint64_t len = take_number(d, UINT32_MAX);
    struct slice *list = take_list(d, len, sizeof *list);
    for (uint64_t i = 0; list && i < len; i++)
        list[i] = take_slice(d, SIZE_MAX);
    *ret_list = list;
    *ret_len = list ? (uint32_t)len : 0;
}

static void keys_read(struct decoder *d, struct op *op)
{
    uint64_t len = take_number(d, UINT32_MAX);
    struct slice *keys = take_list(d, len, sizeof *keys);
    if (!keys) {
        fail(d, GRID_EBAD_REQUEST);
        return;
    }
    for (uint64_t i = 0; i < len; i++) {
        uint64_t arg = take_number(d, op->args_len);
        keys[i] = arg && op->args ? op->args[arg - 1] : take_slice(d, KEY_BYTES_MAX);
        if (!keys[i].len || keys[i].len > KEY_BYTES_MAX)
            fail(d, GRID_EBAD_REQUEST);
    }
    op->keys = keys;
    op->keys_len = (uint32_t)len;
    op->key = keys[0];
}

/* What a transaction has beside its steps: a version for each watched key. */
static bool watches_fit(const struct op *op, uint32_t args_len, uint32_t keys_len)
{
    for (uint32_t i = 1; i < args_len && i < op->args_len; i++)
        if (op->args[i].len != sizeof(uint64_t))
            return false;
    return args_len && keys_len == args_len - 1;
}

/* Steps follow one another and take all that is left. */
static void steps_read(struct decoder *d, struct op *op, uint64_t len, uint64_t args, uint64_t keys)
{
    struct op_step *steps = take_list(d, len, sizeof *steps);
    for (uint64_t i = 0; steps && i < len && !d->r.bad; i++) {
        const struct procedure_info *p = procedure_read(d);
        uint32_t args_len = (uint32_t)take_number(d, op->args_len - args);
        uint32_t keys_len = (uint32_t)take_number(d, op->keys_len - keys);
        if (d->r.bad || p->procedure == command_exec || p->finds_keys || p->aside ||
            !procedure_fits(p, args_len, keys_len) || (op->reads_only && p->writes)) {
            fail(d, GRID_EBAD_REQUEST);
            return;
        }
        steps[i] =
            (struct op_step){p->procedure, (uint32_t)args, args_len, (uint32_t)keys, keys_len};
        args += args_len;
        keys += keys_len;
    }
    if (args != op->args_len || keys != op->keys_len)
        fail(d, GRID_EBAD_REQUEST);
    op->steps = steps;
    op->steps_len = d->r.bad ? 0 : (uint32_t)len;
}

static void call_read(struct decoder *d, struct op *op)
{
    const struct procedure_info *p = procedure_read(d);
    slices_read(d, &op->args, &op->args_len);
    keys_read(d, op);
    uint32_t args = (uint32_t)take_number(d, op->args_len);
    uint32_t keys = (uint32_t)take_number(d, op->keys_len);
    uint64_t steps = take_number(d, UINT32_MAX);
    if (d->r.bad)
        return;
    bool exec = p->procedure == command_exec;
    bool fits = exec ? watches_fit(op, args, keys)
                     : !steps && op->reads_only != p->writes && procedure_fits(p, args, keys);
    if (!fits)
        fail(d, GRID_EBAD_REQUEST);
    op->procedure = p->procedure;
    op->makes_steps = p->makes_steps;
    op->finds_keys = p->finds_keys;
    op->aside = p->aside;
    steps_read(d, op, steps, args, keys);
}

/* --- ops -------------------------------------------------------------------------------------- */

static void session_read(struct decoder *d, struct op *op)
{
    const uint8_t *id = read_bytes(&d->r, SESSION_ID_BYTES);
    if (id)
        memcpy(op->session.id.bytes, id, SESSION_ID_BYTES);
    op->session.number = take_number(d, UINT64_MAX);
    op->session.lowest = take_number(d, UINT64_MAX);
    op->has_session = true;
    if (!op->session.number || !op_writes(op->kind) || op->reads_only)
        fail(d, GRID_EBAD_REQUEST);
}

static enum op_kind kind_read(struct decoder *d)
{
    enum op_kind kind = (enum op_kind)read_u8(&d->r);
    if (!d->r.bad && op_text(kind)[0] == '?')
        fail(d, GRID_EUNSUPPORTED);
    return kind;
}

static void batch_read(struct decoder *d, struct op *op)
{
    uint64_t len = take_number(d, RECORD_EFFECTS_MAX);
    struct op *batch = take_list(d, len, sizeof *batch);
    for (uint64_t i = 0; batch && i < len && !d->r.bad; i++) {
        batch[i].kind = kind_read(d);
        if (batch[i].kind < OP_PUT || batch[i].kind > OP_EXPIRE)
            fail(d, GRID_EBAD_REQUEST);
        (void)fields_read(d, &forward_op_fields, &batch[i], 0);
    }
    op->batch = batch;
    op->batch_len = batch ? (uint32_t)len : 0;
}

static void op_read(struct decoder *d, struct op *op)
{
    op->kind = kind_read(d);
    uint32_t more =
        fields_read(d, &forward_op_fields, op, FORWARD_SESSION | FORWARD_BATCH | FORWARD_CALL);
    if ((more & FORWARD_BATCH && op->kind != OP_BATCH) ||
        !(more & FORWARD_CALL) != (op->kind != OP_CALL) ||
        (op->reads_only && op->kind != OP_CALL) || (op->kind == OP_SCAN && !op->limit))
        fail(d, GRID_EBAD_REQUEST);
    if (more & FORWARD_SESSION)
        session_read(d, op);
    if (more & FORWARD_BATCH)
        batch_read(d, op);
    if (more & FORWARD_CALL)
        call_read(d, op);
}

/* --- results ---------------------------------------------------------------------------------- */

static void result_read(struct decoder *d, struct result *res)
{
    res->status = (enum grid_err)read_u8(&d->r);
    uint32_t more = fields_read(d, &forward_result_fields, res, FORWARD_ITEMS);
    if (!(more & FORWARD_ITEMS))
        return;
    uint64_t len = take_number(d, UINT32_MAX);
    struct scan_item *items = take_list(d, len, sizeof *items);
    for (uint64_t i = 0; items && i < len && !d->r.bad; i++)
        (void)fields_read(d, &forward_item_fields, &items[i], 0);
    res->items = items;
    res->items_len = items ? (uint32_t)len : 0;
}

static void errand_read(struct decoder *d, struct wire_errand *e)
{
    e->kind = take_number(d, UINT64_MAX);
    e->number = unzigzag(take_number(d, UINT64_MAX));
    uint32_t len = (uint32_t)take_number(d, WIRE_ERRAND_ARGS_MAX);
    for (uint32_t i = 0; i < len; i++)
        e->args[i] = take_slice(d, SIZE_MAX);
    e->args_len = len;
}

static void body_read(struct decoder *d, struct wire_forward *m)
{
    switch (m->kind) {
    case WIRE_ASK:
        m->round = take_number(d, UINT64_MAX);
        m->op = arena_calloc(d->arena, 1, sizeof *m->op);
        if (m->op)
            op_read(d, m->op);
        else
            fail(d, GRID_ENOMEM);
        break;
    case WIRE_ANSWER:
        result_read(d, &m->result);
        break;
    case WIRE_ERRAND:
        errand_read(d, &m->errand);
        break;
    case WIRE_TOLD:
        m->errand.number = unzigzag(take_number(d, UINT64_MAX));
        m->told = take_slice(d, SIZE_MAX);
        break;
    default:
        fail(d, GRID_EUNSUPPORTED);
    }
}

enum grid_err wire_forward_decode(struct slice body, struct arena *arena,
                                  struct wire_forward *ret_message)
{
    struct decoder d = {{body.data, body.data + body.len, body.len == 0}, arena, GRID_OK};
    *ret_message = (struct wire_forward){.kind = (enum wire_forward_kind)read_u8(&d.r)};
    ret_message->number = take_number(&d, UINT64_MAX);
    ret_message->revision = take_number(&d, UINT64_MAX);
    if (!d.r.bad)
        body_read(&d, ret_message);
    if (!d.r.bad && !read_left(&d.r))
        return GRID_OK;
    return d.err ? d.err : GRID_EBAD_REQUEST;
}
