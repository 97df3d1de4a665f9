/* evaluate.c - what an op would do to what is there: conditions, times to live (R14), numbers.
 * Changes nothing. */
#include "shard/shard_priv.h"

enum { NUMBER_BYTES = 20 }; /* "-9223372036854775808" */
#define TTL_MS_MAX (UINT64_C(100) * 366 * 24 * 3600 * 1000)

/* --- what can be said without looking --------------------------------------------------------- */

static enum grid_err key_valid(struct slice key, struct slice affinity)
{
    if (!key.len)
        return GRID_EBAD_REQUEST;
    return key.len > KEY_BYTES_MAX || affinity.len > KEY_BYTES_MAX ? GRID_ETOO_LARGE : GRID_OK;
}

enum grid_err op_valid_read(const struct op *op)
{
    return key_valid(op->key, op->affinity);
}

enum grid_err op_valid_write(const struct op *op, uint64_t value_max)
{
    enum grid_err err = key_valid(op->key, op->affinity);
    if (err)
        return err;
    if (op->kind == OP_PUT && op->value.len > value_max)
        return GRID_ETOO_LARGE;
    if (unlikely(op->type) && !value_valid(op->type, op->value))
        return GRID_EBAD_REQUEST;
    if ((unsigned)op->condition > IF_VERSION || (unsigned)op->ttl > TTL_KEEP)
        return GRID_EBAD_REQUEST;
    if (op->ttl == TTL_SET && (op->ttl_ms == 0 || op->ttl_ms > TTL_MS_MAX))
        return GRID_EBAD_REQUEST;
    return op->kind == OP_EXPIRE && op->ttl == TTL_KEEP ? GRID_EBAD_REQUEST : GRID_OK;
}

/* --- numbers as Redis has them: no sign but '-', no leading zero, no space -------------------- */

bool number_parse(struct slice text, int64_t *ret_number)
{
    size_t i = 0;
    bool negative = text.len && text.data[0] == '-';
    i += negative;
    size_t digits = text.len - i;
    if (digits == 0 || digits > 19 || (text.data[i] == '0' && (digits > 1 || negative)))
        return false;
    uint64_t n = 0;
    for (; i < text.len; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9)
            return false;
        n = n * 10 + digit; /* 19 digits fit in 64 bits */
    }
    if (n > (uint64_t)INT64_MAX + negative)
        return false;
    *ret_number = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

size_t number_format(int64_t number, uint8_t *out)
{
    uint8_t digits[NUMBER_BYTES];
    uint64_t n = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    size_t len = 0;
    do
        digits[len++] = (uint8_t)('0' + n % 10);
    while (n /= 10);
    size_t at = 0;
    if (number < 0)
        out[at++] = '-';
    while (len)
        out[at++] = digits[--len];
    return at;
}

/* --- one key ---------------------------------------------------------------------------------- */

static enum grid_err condition_met(const struct op *op, const struct entry *live)
{
    switch (op->condition) {
    case IF_ALWAYS:
        return GRID_OK;
    case IF_ABSENT:
        return live ? GRID_ECONDITION : GRID_OK;
    case IF_PRESENT:
        return live ? GRID_OK : GRID_ECONDITION;
    case IF_VERSION:
        return live && entry_version(live) == op->version ? GRID_OK : GRID_ECONDITION;
    }
    return GRID_EBAD_REQUEST;
}

static msec_t deadline_of(const struct key_state *k, msec_t now)
{
    const struct op *op = k->op;
    msec_t kept = k->live ? entry_deadline(k->live) : 0;
    switch (op->ttl) {
    case TTL_DEFAULT:
        if (op->kind == OP_INCR && k->live)
            return kept;
        return k->cache->ttl_ms ? now + k->cache->ttl_ms : 0;
    case TTL_SET:
        return now + op->ttl_ms;
    case TTL_NONE:
        return 0;
    case TTL_KEEP:
        return kept;
    }
    return 0;
}

static struct slice affinity_of(const struct key_state *k)
{
    struct slice a = k->op->affinity;
    if (!a.len && k->live)
        a = entry_affinity(k->live);
    return slice_eq(a, k->op->key) ? slice_make(NULL, 0) : a;
}

static enum grid_err put_evaluate(struct key_state *k, struct effect *e)
{
    e->value = k->op->value;
    e->type = k->op->type;
    e->affinity = k->op->affinity.len && !slice_eq(k->op->affinity, k->op->key)
                      ? k->op->affinity
                      : slice_make(NULL, 0);
    k->number = !k->live;
    return GRID_OK;
}

static enum grid_err delete_evaluate(struct key_state *k, struct effect *e)
{
    if (!k->live)
        return GRID_ENOT_FOUND;
    *e = (struct effect){.kind = EFFECT_REMOVE, .cache = e->cache, .key = e->key, .hash = e->hash};
    k->number = 1;
    return GRID_OK;
}

static enum grid_err incr_evaluate(struct key_state *k, struct effect *e)
{
    int64_t number = 0;
    if (k->live && !value_is_bytes(entry_type(k->live)))
        return GRID_EWRONG_TYPE;
    if (k->live && !number_parse(entry_string(k->live), &number))
        return GRID_ENOT_NUMBER;
    if (__builtin_add_overflow(number, k->op->delta, &number))
        return GRID_EOVERFLOW;
    k->number = number;
    e->value = slice_make(k->text, number_format(number, k->text));
    return GRID_OK;
}

static enum grid_err expire_evaluate(struct key_state *k, struct effect *e)
{
    if (!k->live)
        return GRID_ENOT_FOUND;
    if (entry_type(k->live) == VALUE_BYTES)
        e->value = entry_value(k->live);
    else
        *e = (struct effect){.kind = EFFECT_DEADLINE,
                             .cache = e->cache,
                             .key = e->key,
                             .hash = e->hash,
                             .deadline = e->deadline};
    return GRID_OK;
}

/* An expired entry is absent to conditions and numbers, but it is still counted: what replaces
 * it is not `created`. */
enum grid_err key_evaluate(struct key_state *k, msec_t now, struct effect *ret_effect)
{
    enum grid_err err = condition_met(k->op, k->live);
    if (err)
        return err;
    struct effect e = {.kind = EFFECT_PUT,
                       .created = !k->stored,
                       .cache = cache_number(k->op->cache),
                       .key = k->op->key,
                       .hash = k->hash,
                       .affinity = affinity_of(k),
                       .deadline = deadline_of(k, now)};
    switch (k->op->kind) {
    case OP_PUT:
        err = put_evaluate(k, &e);
        break;
    case OP_DELETE:
        err = delete_evaluate(k, &e);
        break;
    case OP_INCR:
        err = incr_evaluate(k, &e);
        break;
    case OP_EXPIRE:
        err = expire_evaluate(k, &e);
        break;
    default:
        return GRID_EBAD_REQUEST;
    }
    if (!err)
        *ret_effect = e;
    return err;
}
