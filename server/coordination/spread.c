/* spread.c - see spread.h.
 *
 *   load  v node | v boot | v places | v running | v of_module | v modules | each slice name,
 *         v running */
#include "coordination/spread.h"

#include "base/codec.h"
#include "base/hash.h"

#include <string.h>

/* Its place; modules_len: it is none of them. */
static uint32_t module_find(const struct spread_load *l, struct slice module)
{
    uint32_t at = 0;
    while (at < l->modules_len && !slice_eq(slice_str(l->modules[at].name), module))
        at++;
    return at;
}

void spread_add(struct spread_load *l, struct slice module)
{
    uint32_t at = module_find(l, module);
    l->running++;
    if (at == SPREAD_MODULES_MAX || !module.len || module.len > MODULE_NAME_MAX)
        return;
    if (at == l->modules_len) {
        l->modules[l->modules_len++] = (struct spread_module){.running = 0};
        memcpy(l->modules[at].name, module.data, module.len);
    }
    l->modules[at].running++;
}

static void add_number(struct buf *out, uint64_t v)
{
    uint8_t *start = buf_reserve(out, VARINT_BYTES_MAX);
    out->len += (size_t)(write_varint(start, v) - start);
}

void spread_encode(const struct spread_load *l, struct buf *out)
{
    const uint64_t numbers[] = {l->member.node, l->member.boot, l->places,
                                l->running,     l->of_module,   l->modules_len};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        add_number(out, numbers[i]);
    for (uint32_t i = 0; i < l->modules_len; i++) {
        struct slice name = slice_str(l->modules[i].name);
        uint8_t *start = buf_reserve(out, VARINT_BYTES_MAX + name.len);
        out->len += (size_t)(write_slice(start, name) - start);
        add_number(out, l->modules[i].running);
    }
}

bool spread_decode(struct slice *bytes, struct spread_load *ret_load)
{
    struct reader r = {bytes->data, bytes->data + bytes->len, false};
    if (!bytes->len)
        return false;
    *ret_load = (struct spread_load){
        .member = {(uint32_t)read_varint(&r, UINT32_MAX), (uint32_t)read_varint(&r, UINT32_MAX)},
        .places = (uint32_t)read_varint(&r, UINT16_MAX),
        .running = (uint32_t)read_varint(&r, UINT16_MAX),
        .of_module = (uint32_t)read_varint(&r, UINT16_MAX)};
    uint32_t len = (uint32_t)read_varint(&r, SPREAD_MODULES_MAX);
    for (uint32_t i = 0; i < len && !r.bad; i++) {
        struct slice name = read_slice(&r, 1, MODULE_NAME_MAX);
        struct spread_module *m = &ret_load->modules[ret_load->modules_len++];
        if (name.len)
            memcpy(m->name, name.data, name.len);
        m->running = (uint32_t)read_varint(&r, UINT16_MAX);
    }
    size_t left = read_left(&r);
    *bytes = slice_make(bytes->data + (bytes->len - left), left);
    return !r.bad;
}

bool spread_has_place(const struct spread_load *l, struct slice module)
{
    uint32_t at = module_find(l, module);
    uint32_t running = at < l->modules_len ? l->modules[at].running : 0;
    return l->running < l->places && (!l->of_module || running < l->of_module);
}

/* Less of its places are taken; then fewer run; then by the dice. */
static bool better(const struct spread_load *a, const struct spread_load *b, uint64_t dice)
{
    uint64_t of_a = (uint64_t)a->running * b->places, of_b = (uint64_t)b->running * a->places;
    if (of_a != of_b)
        return of_a < of_b;
    if (a->running != b->running)
        return a->running < b->running;
    uint64_t dice_a = hash_key(slice_make(&a->member.node, sizeof a->member.node), dice);
    uint64_t dice_b = hash_key(slice_make(&b->member.node, sizeof b->member.node), dice);
    return dice_a < dice_b;
}

struct spread_load *spread_pick(struct spread_load *const *list, size_t len, struct slice module,
                                uint64_t dice)
{
    struct spread_load *best = NULL;
    for (size_t i = 0; i < len; i++)
        if (list[i] && spread_has_place(list[i], module) && (!best || better(list[i], best, dice)))
            best = list[i];
    return best;
}
