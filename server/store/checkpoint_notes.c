/* checkpoint_notes.c - what a fold remembers of each record until it writes: a few bytes that name
 * its place and order, and beside them what was done, as short as it was in the log. */
#include "store/notes_priv.h"

#include "base/alloc.h"
#include "base/prefetch.h"

#include <stdlib.h>

/* Room for one more, of that place. */
static struct note *note_add(struct notes *n, uint64_t place)
{
    n->items = array_grow(n->items, n->len, &n->cap, sizeof *n->items);
    struct note *note = &n->items[n->len++];
    *note = (struct note){.place = place};
    return note;
}

void notes_release(struct notes *n)
{
    free(n->items);
    free(n->spare);
    *n = (struct notes){0};
}

void notes_forget(struct notes *n, uint32_t partition)
{
    size_t kept = 0;
    for (size_t i = 0; i < n->len; i++)
        if (n->items[i].place >> 16 != partition)
            n->items[kept++] = n->items[i];
    n->len = kept;
}

/* The first 8 bytes as a number; what is missing counts as 0. */
static uint64_t start_of(const uint8_t *data, size_t len)
{
    uint8_t bytes[8] = {0};
    memcpy(bytes, data, len < sizeof bytes ? len : sizeof bytes);
    return load_be64(bytes);
}

/* --- changes ---------------------------------------------------------------------------------- */

/* u64 version | u32 length of the effect | effect, as in its record */
enum { VERSION_BYTES = 8, CHANGE_BYTES = VERSION_BYTES + 4 };
enum { CACHE_LINE = 64, FETCHED_BYTES = 3 * CACHE_LINE };

void note_change(struct notes *n, struct kept *k, uint64_t place, uint64_t version,
                 const struct effect *e)
{
    uint8_t *bytes = kept_room(k, CHANGE_BYTES + effect_size_max(e));
    uint8_t *end = effect_write(bytes + CHANGE_BYTES, e);
    store_u64(bytes, version);
    store_u32(bytes + VERSION_BYTES, (uint32_t)(end - bytes - CHANGE_BYTES));
    kept_take(k, (size_t)(end - bytes));
    note_add(n, place)->what = bytes;
}

static struct slice effect_of(const struct note *n)
{
    const uint8_t *bytes = n->what;
    return slice_make(bytes + CHANGE_BYTES, load_u32(bytes + VERSION_BYTES));
}

struct slice note_key(const struct note *n)
{
    return effect_key(effect_of(n));
}

bool notes_same_key(const struct notes *n, size_t a, size_t b)
{
    const struct note *x = &n->items[a], *y = &n->items[b];
    return x->place == y->place && x->start == y->start &&
           (n->whole || slice_eq(note_key(x), note_key(y)));
}

void note_change_get(const struct note *n, struct change *ret_change)
{
    ret_change->version = load_u64(n->what);
    effect_get(effect_of(n), &ret_change->effect);
}

size_t note_base(const struct note *run, size_t n)
{
    while (n && effect_kind_changes(effect_kind_of(effect_of(&run[n - 1]))))
        n--;
    return n ? n - 1 : 0;
}

/* How many bytes the keys of all begin with; whether what follows fits a number. */
static size_t keys_common(const struct notes *n, bool *ret_fits)
{
    struct slice first = note_key(n->items);
    size_t common = first.len;
    bool one_length = true;
    for (size_t i = 1; i < n->len; i++) {
        struct slice key = note_key(&n->items[i]);
        one_length &= key.len == first.len;
        if (key.len < common)
            common = key.len;
        while (common && memcmp(first.data, key.data, common) != 0)
            common--;
    }
    *ret_fits = one_length && first.len - common <= sizeof(uint64_t);
    return common;
}

static int key_order(const struct note *a, const struct note *b)
{
    return slice_cmp(note_key(a), note_key(b));
}

void notes_sort_changes(struct notes *n)
{
    size_t common = n->len ? keys_common(n, &n->whole) : 0;
    for (size_t i = 0; i < n->len; i++) {
        struct slice key = note_key(&n->items[i]);
        n->items[i].start = start_of(key.data + common, key.len - common);
    }
    notes_sort(n, n->whole ? NULL : key_order);
}

void notes_fetch(const struct notes *n, size_t at)
{
    if (at >= n->len)
        return;
    const struct note *x = &n->items[at];
    const char *what = x->what;
    if (at + 1 < n->len && x[1].place == x->place && x[1].start == x->start)
        return;
    for (size_t i = 0; i < FETCHED_BYTES; i += CACHE_LINE)
        prefetch(what + i);
}

/* --- sessions --------------------------------------------------------------------------------- */

/* u32 length | u64 version | u64 time_ms | session, as in its record: it begins with its id
 * u32 length + ENDED | 16 bytes, unused  | id, what it is from now on */
enum { SESSION_AT = 4 + 16, STORED_AT = SESSION_AT + SESSION_ID_BYTES };
#define ENDED (UINT32_C(1) << 31)

static void session_add(struct notes *n, uint64_t place, const uint8_t *bytes)
{
    struct note *note = note_add(n, place);
    note->start = start_of(bytes + SESSION_AT, SESSION_ID_BYTES);
    note->what = bytes;
}

void note_session(struct notes *n, struct kept *k, uint64_t place,
                  const struct session_change *change)
{
    uint8_t *bytes = kept_room(k, SESSION_AT + record_session_size_max(&change->session));
    uint8_t *end = record_session_write(bytes + SESSION_AT, &change->session);
    store_u32(bytes, (uint32_t)(end - bytes - SESSION_AT));
    store_u64(bytes + 4, change->version);
    store_u64(bytes + 12, change->time_ms);
    kept_take(k, (size_t)(end - bytes));
    session_add(n, place, bytes);
}

void note_session_end(struct notes *n, struct kept *k, uint64_t place, const struct effect *e)
{
    CHECK(e->key.len == SESSION_ID_BYTES && e->value.len < ENDED);
    uint8_t *bytes = kept_room(k, STORED_AT + e->value.len);
    store_u32(bytes, (uint32_t)e->value.len | ENDED);
    memcpy(bytes + SESSION_AT, e->key.data, SESSION_ID_BYTES);
    if (e->value.len)
        memcpy(bytes + STORED_AT, e->value.data, e->value.len);
    kept_take(k, STORED_AT + e->value.len);
    session_add(n, place, bytes);
}

bool note_session_get(const struct note *n, struct session_change *ret_change,
                      struct slice *ret_stored)
{
    const uint8_t *bytes = n->what;
    uint32_t length = load_u32(bytes);
    if (length & ENDED) {
        *ret_stored = slice_make(bytes + STORED_AT, length & ~ENDED);
        return false;
    }
    ret_change->version = load_u64(bytes + 4);
    ret_change->time_ms = load_u64(bytes + 12);
    record_session_get(slice_make(bytes + SESSION_AT, length), &ret_change->session);
    return true;
}

void note_session_id(const struct note *n, struct session_id *ret_id)
{
    memcpy(ret_id->bytes, (const uint8_t *)n->what + SESSION_AT, SESSION_ID_BYTES);
}

bool note_same_session(const struct note *a, const struct note *b)
{
    return a->place == b->place && a->start == b->start &&
           memcmp((const uint8_t *)a->what + SESSION_AT, (const uint8_t *)b->what + SESSION_AT,
                  SESSION_ID_BYTES) == 0;
}
