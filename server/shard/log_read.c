/* log_read.c - see log_read.h. What a survey calls without a gap is so by numbers alone; whether a
 * record was cut later, the replica knows (replica_follows). */
#include "shard/log_read.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { MARK_BYTES = 4 << 20, SLOTS_MIN = 256 };

static uint64_t seq_of(uint64_t version)
{
    return version & SEQ_MASK;
}

struct log_read *log_read_new(uint64_t after, size_t bytes_max)
{
    struct log_read *l = xcalloc(1, sizeof *l);
    l->after = l->reached = after;
    l->bytes_max = bytes_max;
    return l;
}

void log_read_free(struct log_read *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->chains_len; i++)
        free(l->chains[i].marks);
    free(l->chains);
    free(l->slots);
    free(l->wants);
    buf_release(&l->bytes);
    free(l);
}

/* --- pages ------------------------------------------------------------------------------------ */

static int want_order(const struct log_want *w, uint32_t context, uint16_t partition)
{
    if (w->context != context)
        return w->context < context ? -1 : 1;
    return w->partition == partition ? 0 : w->partition < partition ? -1 : 1;
}

void log_read_want(struct log_read *l, const struct log_want *want)
{
    size_t at = l->wants_len;
    l->wants = xrealloc(l->wants, l->wants_len + 1, sizeof *l->wants);
    for (; at > 0 && want_order(&l->wants[at - 1], want->context, want->partition) > 0; at--)
        l->wants[at] = l->wants[at - 1];
    l->wants[at] = *want;
    l->wants_len++;
}

static bool wanted(const struct log_read *l, uint32_t context, uint16_t partition, uint64_t version)
{
    size_t low = 0, high = l->wants_len;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = want_order(&l->wants[mid], context, partition);
        if (order == 0)
            return version > l->wants[mid].after;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

bool log_read_next(const struct log_read *l, size_t *at, struct slice *ret_record)
{
    uint32_t len;
    if (*at == l->bytes.len)
        return false;
    memcpy(&len, l->bytes.data + *at, sizeof len);
    *ret_record = slice_make(l->bytes.data + *at + sizeof len, len);
    *at += sizeof len + len;
    return true;
}

/* --- surveys ---------------------------------------------------------------------------------- */

static size_t slot_find(const struct log_read *l, uint32_t context, uint16_t partition)
{
    size_t i = (context * 0x9e3779b1u + partition * 0x85ebca6bu) & (l->slots_len - 1);
    while (l->slots[i] && (l->chains[l->slots[i] - 1].context != context ||
                           l->chains[l->slots[i] - 1].partition != partition))
        i = (i + 1) & (l->slots_len - 1);
    return i;
}

static void slots_grow(struct log_read *l)
{
    free(l->slots);
    l->slots_len = l->slots_len ? l->slots_len * 2 : SLOTS_MIN;
    l->slots = xcalloc(l->slots_len, sizeof *l->slots);
    for (uint32_t i = 0; i < l->chains_len; i++)
        l->slots[slot_find(l, l->chains[i].context, l->chains[i].partition)] = i + 1;
}

static struct log_chain *chain_of(struct log_read *l, uint32_t context, uint16_t partition)
{
    if (2 * l->chains_len >= l->slots_len)
        slots_grow(l);
    size_t slot = slot_find(l, context, partition);
    if (l->slots[slot])
        return &l->chains[l->slots[slot] - 1];
    if (l->chains_len == l->chains_cap) {
        l->chains_cap = l->chains_cap ? l->chains_cap * 2 : SLOTS_MIN;
        l->chains = xrealloc(l->chains, l->chains_cap, sizeof *l->chains);
    }
    struct log_chain *c = &l->chains[l->chains_len++];
    *c = (struct log_chain){.context = context, .partition = partition};
    l->slots[slot] = (uint32_t)l->chains_len;
    return c;
}

const struct log_chain *log_read_chain(const struct log_read *l, uint32_t context,
                                       uint16_t partition)
{
    size_t slot = l->slots_len ? slot_find(l, context, partition) : 0;
    return l->slots_len && l->slots[slot] ? &l->chains[l->slots[slot] - 1] : NULL;
}

static void chain_begin(struct log_chain *c, uint64_t from, uint64_t version)
{
    c->from = from;
    c->history = (struct replica_history){.last = version, .torn = version != 0};
}

static void chain_add(struct log_read *l, const struct record *r, uint64_t lsn)
{
    struct log_chain *c = chain_of(l, r->context, r->partition);
    uint64_t last = c->history.last;
    if (r->restates && r->version != last)
        chain_begin(c, seq_of(r->version), r->version);
    else if (r->restates || r->version <= last)
        return;
    else if (seq_of(r->version) == seq_of(last) + 1)
        replica_history_add(&c->history, r->version);
    else
        chain_begin(c, seq_of(r->version) - 1, r->version);
    if (c->marks_len && l->passed < c->marked + MARK_BYTES)
        return;
    c->marks = xrealloc(c->marks, c->marks_len + 1, sizeof *c->marks);
    c->marks[c->marks_len++] = (struct log_mark){lsn, c->history.last};
    c->marked = l->passed;
}

uint64_t log_chain_start(const struct log_chain *c, uint64_t version)
{
    for (uint32_t i = c->marks_len; i-- > 0;)
        if (c->marks[i].version <= version)
            return c->marks[i].lsn;
    return 0;
}

bool log_read_take(struct log_read *l, uint64_t lsn, uint32_t context, uint16_t partition,
                   struct slice record)
{
    struct record r;
    l->reached = lsn;
    l->passed += record.len;
    if (!l->bytes_max) {
        if (record_peek(record, &r) && r.context == context && r.partition == partition)
            chain_add(l, &r, lsn);
        return true;
    }
    if (!l->wants_len || !wanted(l, context, partition, UINT64_MAX) || !record_peek(record, &r) ||
        r.restates || !wanted(l, r.context, r.partition, r.version))
        return true;
    uint32_t len = (uint32_t)record.len;
    buf_add(&l->bytes, &len, sizeof len);
    buf_add(&l->bytes, record.data, record.len);
    return l->bytes.len < l->bytes_max;
}
