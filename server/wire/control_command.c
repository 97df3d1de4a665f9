/* control_command.c - commands of the control log. A kind has its fields of one flat message; those
 * of others are not looked at. */
#include "control/level.h"
#include "wire/control_priv.h"

enum { PART_WORDS = 6, LEVEL_WORDS = 3, MOVED = 3 };

static ProtobufCBinaryData id_of(const uint8_t *id)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } bytes = {.in = id}; /* protobuf-c does not write */
    return (ProtobufCBinaryData){GRID_ID_BYTES, bytes.out};
}

static bool id_take(ProtobufCBinaryData from, uint8_t *to)
{
    if (from.len != GRID_ID_BYTES)
        return false;
    memcpy(to, from.data, GRID_ID_BYTES);
    return true;
}

void wire_fill_node_info(struct arena *a, Control__NodeInfo *to, const struct node_info *from)
{
    control__node_info__init(to);
    to->id = id_of(from->id);
    to->boot_id = id_of(from->boot_id);
    to->name = wire_text(from->name);
    to->labels = wire_text(from->labels);
    to->addresses = wire_take(a, ADDRESSES, sizeof *to->addresses);
    for (int i = 0; i < ADDRESSES; i++)
        to->addresses[i] = wire_text(from->address[i]);
    to->n_addresses = ADDRESSES;
    to->weight = from->weight;
    to->shards = from->shards;
    to->level = from->level;
}

bool wire_take_node_info(const Control__NodeInfo *m, struct node_info *ret_info)
{
    struct node_info info = {.weight = m->weight, .shards = m->shards, .level = m->level};
    if (!id_take(m->id, info.id) || !id_take(m->boot_id, info.boot_id) ||
        !wire_text_copy(info.name, sizeof info.name, m->name) ||
        !wire_text_copy(info.labels, sizeof info.labels, m->labels))
        return false;
    for (size_t i = 0; i < m->n_addresses && i < ADDRESSES; i++) /* more are of a newer version */
        if (!wire_text_copy(info.address[i], sizeof info.address[i], m->addresses[i]))
            return false;
    *ret_info = info;
    return true;
}

/* --- out -------------------------------------------------------------------------------------- */

static void fill_found(struct arena *a, Control__Command *m, const struct grid_command *c)
{
    size_t len = c->u.found.founders_len;
    Control__Found *f = wire_take(a, 1, sizeof *f);
    Control__NodeInfo *infos = wire_take(a, len, sizeof *infos);
    control__found__init(f);
    f->grid = wire_text(c->u.found.grid);
    f->grid_id = id_of(c->u.found.grid_id);
    f->founders = wire_take(a, len, sizeof *f->founders);
    f->voters = wire_take(a, len, sizeof *f->voters);
    for (size_t i = 0; i < len; i++) {
        wire_fill_node_info(a, &infos[i], &c->u.found.founders[i]);
        f->founders[i] = &infos[i];
        f->voters[i] = c->u.found.voter[i];
    }
    f->n_founders = f->n_voters = len;
    f->adopt = c->u.found.adopt ? wire_fill_catalog(a, c->u.found.adopt) : NULL;
    f->epoch = c->u.found.epoch;
    m->found = f;
}

static void fill_gone(struct arena *a, Control__Command *m, const struct grid_command *c)
{
    m->n_members = 2 * c->u.gone.len;
    m->members = wire_take(a, m->n_members, sizeof *m->members);
    for (size_t i = 0; i < c->u.gone.len; i++) {
        m->members[2 * i] = c->u.gone.list[i].node;
        m->members[2 * i + 1] = c->u.gone.list[i].boot;
    }
}

static void fill_parts(struct arena *a, Control__Command *m, const struct grid_command *c)
{
    m->n_parts = PART_WORDS * c->u.parts.len;
    m->parts = wire_take(a, m->n_parts, sizeof *m->parts);
    for (size_t i = 0; i < c->u.parts.len; i++) {
        const struct part_change *p = &c->u.parts.list[i];
        uint32_t words[PART_WORDS] = {(uint32_t)p->kind, p->context,     p->partition,
                                      p->epoch,          p->member.node, p->member.boot};
        memcpy(m->parts + PART_WORDS * i, words, sizeof words);
    }
}

static void fill_voters(struct arena *a, Control__Command *m, const struct grid_command *c)
{
    m->n_voters = c->u.voters.len;
    m->voters = wire_take(a, m->n_voters, sizeof *m->voters);
    if (m->n_voters)
        memcpy(m->voters, c->u.voters.list, m->n_voters * sizeof *m->voters);
}

static void fill_levels(struct arena *a, Control__Command *m, const struct grid_command *c)
{
    m->n_levels = LEVEL_WORDS * c->u.levels.len;
    m->levels = wire_take(a, m->n_levels, sizeof *m->levels);
    for (size_t i = 0; i < c->u.levels.len; i++) {
        const struct node_level *l = &c->u.levels.list[i];
        uint32_t words[LEVEL_WORDS] = {l->member.node, l->member.boot, l->level};
        memcpy(m->levels + LEVEL_WORDS * i, words, sizeof words);
    }
}

static char *text_of(struct arena *a, struct slice s)
{
    char *text = wire_take(a, s.len + 1, 1);
    if (s.len)
        memcpy(text, s.data, s.len);
    return text;
}

static void fill_node(struct arena *a, Control__Command *m, const struct node_info *info)
{
    m->node = wire_take(a, 1, sizeof *m->node);
    wire_fill_node_info(a, m->node, info);
}

static void fill_number(Control__Command *m, uint32_t node, bool flag)
{
    m->node_number = node;
    m->flag = flag;
}

static void fill_catalog_change(struct arena *a, Control__Command *m, const struct grid_command *c)
{
    switch (c->kind) {
    case GRID_CONTEXT_CREATE:
    case GRID_CONTEXT_ALTER:
        m->context = wire_take(a, 1, sizeof *m->context);
        wire_fill_control_context(m->context, c->u.context);
        break;
    case GRID_CONTEXT_DROP:
    case GRID_MODULE_REMOVE:
    case GRID_SERVICE_STOP:
        m->name = text_of(a, c->u.name);
        break;
    case GRID_CACHE_CREATE:
    case GRID_CACHE_DROP:
        m->name = text_of(a, c->u.cache.path);
        m->ttl_ms = c->u.cache.ttl_ms;
        break;
    case GRID_MODULE_DEPLOY:
        m->module = wire_take(a, 1, sizeof *m->module);
        wire_fill_module(a, m->module, c->u.module.info);
        m->flag = c->u.module.replace;
        break;
    case GRID_SERVICE_DEPLOY:
        m->service = wire_take(a, 1, sizeof *m->service);
        wire_fill_service(a, m->service, c->u.service);
        break;
    case GRID_SERVICE_MOVE:
        m->name = text_of(a, c->u.move.name);
        m->n_moved = MOVED;
        m->moved = wire_take(a, MOVED, sizeof *m->moved);
        m->moved[0] = c->u.move.number;
        m->moved[1] = c->u.move.from;
        m->moved[2] = c->u.move.to;
        break;
    default:
        m->name = text_of(a, c->u.setting.name);
        m->value = c->u.setting.value;
        break;
    }
}

static void fill(struct arena *a, Control__Command *m, const struct grid_command *c)
{
    switch (c->kind) {
    case GRID_FOUND:
        fill_found(a, m, c);
        break;
    case GRID_ENTER:
        fill_node(a, m, c->u.enter);
        break;
    case GRID_ALTER:
        fill_node(a, m, c->u.alter);
        break;
    case GRID_GONE:
        fill_gone(a, m, c);
        break;
    case GRID_DRAIN:
        fill_number(m, c->u.drain.node, c->u.drain.on);
        break;
    case GRID_REMOVE:
        fill_number(m, c->u.remove.node, c->u.remove.accept_loss);
        break;
    case GRID_PARTS:
        fill_parts(a, m, c);
        break;
    case GRID_VOTERS:
        fill_voters(a, m, c);
        break;
    case GRID_POLICY:
        m->flag = c->u.policy.rebalance_paused;
        break;
    case GRID_LEVELS:
        fill_levels(a, m, c);
        break;
    default:
        fill_catalog_change(a, m, c);
        break;
    }
}

void wire_command_encode(const struct grid_command *c, struct buf *out)
{
    struct arena *a = arena_new(SIZE_MAX / 2);
    Control__Command m;
    control__command__init(&m);
    m.kind = (uint32_t)c->kind;
    m.session = c->session;
    m.number = c->number;
    m.now = c->now;
    fill(a, &m, c);
    wire_pack(&m.base, out);
    arena_free(a);
}

/* --- in --------------------------------------------------------------------------------------- */

static enum grid_err take_found(struct arena *a, const Control__Command *m, struct grid_command *c)
{
    const Control__Found *f = m->found;
    if (!f || f->n_founders > GRID_FOUNDERS_MAX || f->n_voters != f->n_founders ||
        f->grid_id.len != GRID_ID_BYTES || !wire_text_ok(f->grid))
        return GRID_ECORRUPT;
    struct node_info *infos = arena_calloc(a, f->n_founders, sizeof *infos);
    bool *voter = arena_calloc(a, f->n_founders, sizeof *voter);
    struct catalog *adopt = NULL;
    if (!infos || !voter)
        return GRID_ECORRUPT;
    for (size_t i = 0; i < f->n_founders; i++) {
        voter[i] = f->voters[i];
        if (!wire_take_node_info(f->founders[i], &infos[i]))
            return GRID_ECORRUPT;
    }
    enum grid_err err = f->adopt ? wire_take_catalog(f->adopt, a, &adopt) : (enum grid_err)GRID_OK;
    if (err)
        return err;
    c->u.found.grid = f->grid;
    c->u.found.grid_id = f->grid_id.data;
    c->u.found.founders = infos;
    c->u.found.voter = voter;
    c->u.found.founders_len = f->n_founders;
    c->u.found.adopt = adopt;
    c->u.found.epoch = f->epoch;
    return GRID_OK;
}

static enum grid_err take_node(struct arena *a, const Control__Command *m, struct grid_command *c)
{
    struct node_info *info = arena_calloc(a, 1, sizeof *info);
    if (!info || !m->node || !wire_take_node_info(m->node, info))
        return GRID_ECORRUPT;
    if (c->kind == GRID_ENTER)
        c->u.enter = info;
    else
        c->u.alter = info;
    return GRID_OK;
}

static enum grid_err take_gone(struct arena *a, const Control__Command *m, struct grid_command *c)
{
    size_t len = m->n_members / 2;
    struct replica_member *list = arena_calloc(a, len, sizeof *list);
    if (!list || m->n_members % 2 || len > GRID_NODES_MAX)
        return GRID_ECORRUPT;
    for (size_t i = 0; i < len; i++)
        list[i] = (struct replica_member){m->members[2 * i], m->members[2 * i + 1]};
    c->u.gone.list = list;
    c->u.gone.len = len;
    return GRID_OK;
}

static enum grid_err take_parts(struct arena *a, const Control__Command *m, struct grid_command *c)
{
    size_t len = m->n_parts / PART_WORDS;
    struct part_change *list = arena_calloc(a, len, sizeof *list);
    if (!list || m->n_parts % PART_WORDS || len > GRID_PARTS_MAX)
        return GRID_ECORRUPT;
    for (size_t i = 0; i < len; i++) {
        const uint32_t *w = m->parts + PART_WORDS * i;
        if (w[0] > PART_KIND_MAX) /* others will change the partition */
            return GRID_ENEWER;
        list[i] = (struct part_change){(enum part_change_kind)w[0], w[1], w[2], w[3], {w[4], w[5]}};
    }
    c->u.parts.list = list;
    c->u.parts.len = len;
    return GRID_OK;
}

static enum grid_err take_levels(struct arena *a, const Control__Command *m, struct grid_command *c)
{
    size_t len = m->n_levels / LEVEL_WORDS;
    struct node_level *list = arena_calloc(a, len, sizeof *list);
    uint32_t lowest = UINT32_MAX;
    if (!list || !len || m->n_levels % LEVEL_WORDS || len > GRID_NODES_MAX)
        return GRID_ECORRUPT;
    for (size_t i = 0; i < len; i++) {
        const uint32_t *w = m->levels + LEVEL_WORDS * i;
        list[i] = (struct node_level){{w[0], w[1]}, w[2]};
        lowest = w[2] < lowest ? w[2] : lowest;
    }
    c->u.levels.list = list;
    c->u.levels.len = len;
    return lowest > GRID_LEVEL ? GRID_ENEWER : GRID_OK;
}

static enum grid_err take_context(struct arena *a, const Control__Command *m,
                                  struct grid_command *c)
{
    struct context_info *info = arena_calloc(a, 1, sizeof *info);
    if (!info || !m->context || !wire_take_context(m->context, info))
        return GRID_ECORRUPT;
    info->caches_len = 0;
    c->u.context = info;
    return GRID_OK;
}

static enum grid_err take_module(struct arena *a, const Control__Command *m, struct grid_command *c)
{
    struct module_info *info = arena_calloc(a, 1, sizeof *info);
    if (!info || !m->module || !wire_take_module(m->module, a, info))
        return GRID_ECORRUPT;
    c->u.module.info = info;
    c->u.module.replace = m->flag;
    return GRID_OK;
}

static enum grid_err take_service(struct arena *a, const Control__Command *m,
                                  struct grid_command *c)
{
    struct service_info *info = arena_calloc(a, 1, sizeof *info);
    if (!info || !m->service || !wire_take_service(m->service, info))
        return GRID_ECORRUPT;
    c->u.service = info;
    return GRID_OK;
}

static enum grid_err take_name(const Control__Command *m, struct slice *ret_name)
{
    if (!wire_text_ok(m->name))
        return GRID_ECORRUPT;
    *ret_name = slice_str(m->name);
    return GRID_OK;
}

static enum grid_err take_move(const Control__Command *m, struct service_move *ret_move)
{
    if (m->n_moved != MOVED || !wire_text_ok(m->name))
        return GRID_ECORRUPT;
    *ret_move = (struct service_move){slice_str(m->name), m->moved[0], m->moved[1], m->moved[2]};
    return GRID_OK;
}

static enum grid_err take_catalog_change(struct arena *a, const Control__Command *m,
                                         struct grid_command *c)
{
    switch (c->kind) {
    case GRID_CONTEXT_CREATE:
    case GRID_CONTEXT_ALTER:
        return take_context(a, m, c);
    case GRID_CONTEXT_DROP:
    case GRID_MODULE_REMOVE:
    case GRID_SERVICE_STOP:
        return take_name(m, &c->u.name);
    case GRID_MODULE_DEPLOY:
        return take_module(a, m, c);
    case GRID_SERVICE_DEPLOY:
        return take_service(a, m, c);
    case GRID_SERVICE_MOVE:
        return take_move(m, &c->u.move);
    case GRID_CACHE_CREATE:
    case GRID_CACHE_DROP:
        c->u.cache.ttl_ms = m->ttl_ms;
        return take_name(m, &c->u.cache.path);
    case GRID_SETTING_SET:
        c->u.setting.value = m->value;
        return take_name(m, &c->u.setting.name);
    default:
        return m->kind ? GRID_ENEWER : GRID_ECORRUPT;
    }
}

static enum grid_err take(struct arena *a, const Control__Command *m, struct grid_command *c)
{
    switch (c->kind) {
    case GRID_FOUND:
        return take_found(a, m, c);
    case GRID_ENTER:
    case GRID_ALTER:
        return take_node(a, m, c);
    case GRID_GONE:
        return take_gone(a, m, c);
    case GRID_DRAIN:
        c->u.drain.node = m->node_number;
        c->u.drain.on = m->flag;
        return GRID_OK;
    case GRID_REMOVE:
        c->u.remove.node = m->node_number;
        c->u.remove.accept_loss = m->flag;
        return GRID_OK;
    case GRID_PARTS:
        return take_parts(a, m, c);
    case GRID_VOTERS:
        c->u.voters.list = m->voters;
        c->u.voters.len = m->n_voters;
        return m->n_voters <= GRID_NODES_MAX ? GRID_OK : GRID_ECORRUPT;
    case GRID_POLICY:
        c->u.policy.rebalance_paused = m->flag;
        return GRID_OK;
    case GRID_LEVELS:
        return take_levels(a, m, c);
    default:
        return take_catalog_change(a, m, c);
    }
}

enum grid_err wire_command_decode(struct slice in, struct arena *arena,
                                  struct grid_command *ret_command)
{
    const Control__Command *m =
        (const Control__Command *)(void *)wire_unpack(&control__command__descriptor, in, arena);
    if (!m)
        return GRID_ECORRUPT;
    struct grid_command c = {.kind = (enum grid_command_kind)m->kind,
                             .session = m->session,
                             .number = m->number,
                             .now = m->now};
    enum grid_err err = take(arena, m, &c);
    if (!err)
        *ret_command = c;
    return err;
}

void wire_command_release(struct grid_command *c)
{
    union {
        const struct catalog *in;
        struct catalog *out;
    } adopt = {.in = c->kind == GRID_FOUND ? c->u.found.adopt : NULL};
    catalog_unref(adopt.out);
    if (c->kind == GRID_FOUND)
        c->u.found.adopt = NULL;
}
