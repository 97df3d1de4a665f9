/* gather.c - see gather.h. */
#include "coordination/gather.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

enum { ASKS_MAX = 64 };
enum part_state { PART_WAITS, PART_ASKED, PART_DONE };

struct part {
    uint8_t state; /* enum part_state */
    bool alone;
    uint8_t failures;
    uint32_t ask;
    msec_t retry_at;
};

struct open_ask {
    uint32_t number; /* 0: the place is free */
    uint64_t place;
    uint32_t len;
};

struct gather {
    struct part *parts;
    uint32_t len, done;
    uint32_t next; /* where the search goes on */
    uint32_t number;
    uint32_t open;
    struct open_ask asks[ASKS_MAX];
};

static bool bit_at(struct slice bits, uint32_t i)
{
    return bits.len && bits.data[i / 8] & 1u << i % 8;
}

struct gather *gather_new(uint32_t len, struct slice done)
{
    if (done.len && done.len != (len + 7) / 8)
        return NULL;
    struct gather *g = xcalloc(1, sizeof *g);
    g->len = len;
    g->parts = xcalloc(len ? len : 1, sizeof *g->parts);
    for (uint32_t i = 0; i < len; i++) {
        bool is = bit_at(done, i);
        g->parts[i].state = is ? PART_DONE : PART_WAITS;
        g->done += is;
    }
    return g;
}

void gather_free(struct gather *g)
{
    if (!g)
        return;
    free(g->parts);
    free(g);
}

void gather_only(struct gather *g, const uint16_t *partitions, uint32_t len)
{
    for (uint32_t i = 0; i < g->len; i++)
        g->parts[i].alone = true;
    for (uint32_t i = 0; i < len; i++)
        if (partitions[i] < g->len)
            g->parts[partitions[i]].alone = false;
    for (uint32_t i = 0; i < g->len; i++) {
        struct part *p = &g->parts[i];
        g->done += p->alone && p->state != PART_DONE;
        p->state = p->alone ? PART_DONE : p->state;
        p->alone = false;
    }
}

/* --- asking ----------------------------------------------------------------------------------- */

static struct open_ask *ask_find(struct gather *g, uint32_t number)
{
    for (size_t i = 0; i < ASKS_MAX; i++)
        if (g->asks[i].number == number)
            return &g->asks[i];
    return NULL;
}

static bool place_free(const struct gather *g, uint64_t place)
{
    unsigned open = 0;
    for (size_t i = 0; i < ASKS_MAX; i++)
        open += g->asks[i].number && g->asks[i].place == place;
    return open < GATHER_PER_PLACE;
}

static bool part_due(const struct part *p, msec_t now)
{
    return p->state == PART_WAITS && p->retry_at <= now;
}

static void part_add(struct gather *g, struct gather_ask *a, uint32_t at)
{
    g->parts[at].state = PART_ASKED;
    g->parts[at].ask = a->number;
    a->partitions[a->len++] = (uint16_t)at;
}

/* All others of the same place that are due go along. */
static void ask_fill(struct gather *g, struct gather_ask *a, uint32_t from, gather_place_fn *place,
                     void *ctx, msec_t now)
{
    for (uint32_t i = from; i < g->len && a->len < GATHER_ASK_MAX; i++)
        if (part_due(&g->parts[i], now) && !g->parts[i].alone &&
            place(ctx, (uint16_t)i) == a->place)
            part_add(g, a, i);
}

bool gather_next(struct gather *g, gather_place_fn *place, void *ctx, msec_t now,
                 struct gather_ask *ret_ask)
{
    struct open_ask *open = ask_find(g, 0);
    for (uint32_t n = 0; open && n < g->len; n++) {
        uint32_t at = (g->next + n) % g->len;
        uint64_t where = part_due(&g->parts[at], now) ? place(ctx, (uint16_t)at) : 0;
        if (!where || !place_free(g, where))
            continue;
        *ret_ask = (struct gather_ask){.number = ++g->number, .place = where};
        g->next = at;
        part_add(g, ret_ask, at);
        if (!g->parts[at].alone)
            ask_fill(g, ret_ask, at + 1, place, ctx, now);
        *open = (struct open_ask){ret_ask->number, where, ret_ask->len};
        g->open++;
        return true;
    }
    return false;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void part_again(struct part *p, msec_t now)
{
    msec_t wait = (msec_t)GATHER_RETRY_MS << (p->failures < 5 ? p->failures : 5);
    p->state = PART_WAITS;
    if (p->failures < UINT8_MAX)
        p->failures++;
    p->retry_at = now + (wait < GATHER_RETRY_MAX_MS ? wait : GATHER_RETRY_MAX_MS);
}

static void ask_close(struct gather *g, struct open_ask *a)
{
    a->number = 0;
    g->open--;
}

/* What was not done in an ask that did some, had only no turn yet. */
static void rest_again(struct gather *g, uint32_t number, bool some, bool alone, msec_t now)
{
    for (uint32_t i = 0; i < g->len; i++) {
        struct part *p = &g->parts[i];
        if (p->state != PART_ASKED || p->ask != number)
            continue;
        p->alone = p->alone || alone;
        if (some)
            p->state = PART_WAITS;
        else
            part_again(p, now);
    }
}

/* They are of the ask, each once. */
static bool done_fits(struct gather *g, uint32_t number, const uint16_t *done, uint32_t len)
{
    uint32_t i = 0;
    bool fits = true;
    for (; fits && i < len; i++) {
        struct part *p = done[i] < g->len ? &g->parts[done[i]] : NULL;
        fits = p && p->state == PART_ASKED && p->ask == number;
        if (fits)
            p->state = PART_DONE;
    }
    for (i -= !fits; !fits && i; i--)
        g->parts[done[i - 1]].state = PART_ASKED;
    return fits;
}

bool gather_answered(struct gather *g, uint32_t number, const uint16_t *done, uint32_t len,
                     bool alone, msec_t now)
{
    struct open_ask *a = number ? ask_find(g, number) : NULL;
    if (!a)
        return false;
    bool fits = len <= a->len && done_fits(g, number, done, len);
    if (fits)
        g->done += len;
    rest_again(g, number, fits && len, alone, now);
    ask_close(g, a);
    return fits;
}

void gather_failed(struct gather *g, uint32_t number, msec_t now)
{
    struct open_ask *a = number ? ask_find(g, number) : NULL;
    if (!a)
        return;
    rest_again(g, number, false, false, now);
    ask_close(g, a);
}

/* --- how far it is ---------------------------------------------------------------------------- */

bool gather_done(const struct gather *g)
{
    return g->done == g->len;
}

uint32_t gather_asked(const struct gather *g)
{
    return g->open;
}

uint32_t gather_done_len(const struct gather *g)
{
    return g->done;
}

void gather_bits(const struct gather *g, uint8_t *to)
{
    memset(to, 0, (g->len + 7) / 8);
    for (uint32_t i = 0; i < g->len; i++)
        if (g->parts[i].state == PART_DONE)
            to[i / 8] |= (uint8_t)(1u << i % 8);
}

void gather_check(const struct gather *g)
{
    uint32_t done = 0, asked = 0, in_asks = 0, open = 0;
    for (uint32_t i = 0; i < g->len; i++) {
        done += g->parts[i].state == PART_DONE;
        asked += g->parts[i].state == PART_ASKED;
    }
    for (size_t i = 0; i < ASKS_MAX; i++) {
        open += g->asks[i].number != 0;
        in_asks += g->asks[i].number ? g->asks[i].len : 0;
    }
    CHECK(done == g->done && open == g->open && asked == in_asks);
}
